//! Layouts of the SunSpec models that the embedded profiles name: where in its model a point lies.
//!
//! Only offsets inside a model are known here; where a model begins on a device is found by walking
//! the device's own chain of models, never assumed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The two registers with which a SunSpec map begins.
pub const MARKER: [u16; 2] = [0x5375, 0x6E53];
/// Where the marker may stand, in the order in which to look.
pub const BASES: [u16; 3] = [40000, 50000, 0];
/// The model id that ends the chain.
pub const END: u16 = 0xFFFF;
/// More models than any device has; a chain that is longer is refused.
pub const MOST_MODELS: usize = 64;

static TABLE: &str = include_str!("sunspec.txt");

/// One point of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// name within the model: `WMaxLimPct`, `PFWInj.PF`
    pub name: &'static str,
    /// registers from the model's ID register
    pub offset: u16,
    /// number of registers
    pub size: u16,
    /// SunSpec type: `uint16`, `int32`, `enum16`, `string`, ..
    pub kind: &'static str,
    /// whether the standard allows writing
    pub writable: bool,
    /// point of the same model that holds the power of ten
    pub scale_factor: Option<&'static str>,
}

/// One model: its points in the order of their registers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// points, ID and L first
    pub points: Vec<Layout>,
}

impl Model {
    /// The point named `name`.
    #[must_use]
    pub fn point(&self, name: &str) -> Option<&Layout> {
        self.points.iter().find(|point| point.name == name)
    }

    /// Registers of the fixed block, ID and L included.
    #[must_use]
    pub fn registers(&self) -> u16 {
        self.points.last().map_or(0, |last| last.offset.saturating_add(last.size))
    }
}

/// The model with this id, if its layout is known.
#[must_use]
pub fn model(id: u16) -> Option<&'static Model> {
    static MODELS: OnceLock<BTreeMap<u16, Model>> = OnceLock::new();
    MODELS.get_or_init(read_table).get(&id)
}

fn read_table() -> BTreeMap<u16, Model> {
    let mut models: BTreeMap<u16, Model> = BTreeMap::new();
    let mut current = 0;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_ascii_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        if first == "model" {
            current = second.parse().unwrap_or_default();
            continue;
        }
        let size = words.next().and_then(|size| size.parse().ok()).unwrap_or_default();
        let writable = words.next() == Some("rw");
        let model = models.entry(current).or_default();
        let offset = model.registers();
        model.points.push(Layout {
            name: first,
            offset,
            size,
            kind: second,
            writable,
            scale_factor: words.next(),
        });
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_standard() {
        // length register L of each model without repeating blocks, as published
        for (id, length) in
            [(1, 66), (103, 50), (123, 24), (124, 24), (203, 105), (701, 153), (702, 50), (715, 7), (802, 62)]
        {
            assert_eq!(model(id).unwrap().registers() - 2, length, "model {id}");
        }
    }

    #[test]
    fn every_scale_factor_is_a_point_of_its_model() {
        for id in [1, 103, 123, 124, 203, 701, 702, 704, 713, 715, 802] {
            let model = model(id).unwrap();
            for point in &model.points {
                assert!(point.size > 0, "{id}.{}", point.name);
                if let Some(factor) = point.scale_factor {
                    assert_eq!(model.point(factor).unwrap().kind, "sunssf", "{id}.{}", point.name);
                }
            }
        }
    }

    #[test]
    fn places_inside_a_model() {
        let limit = model(123).unwrap().point("WMaxLimPct").unwrap();
        assert_eq!((limit.offset, limit.size, limit.writable), (5, 1, true));
        assert_eq!(model(704).unwrap().point("WMaxLimPctRvrtTms").unwrap().size, 2);
        assert!(model(4711).is_none());
    }
}
