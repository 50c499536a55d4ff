//! What can be asked, measured or commanded of devices, zones and grids.

use serde::{Deserialize, Serialize};

use crate::quantity::Type;

/// An attribute of a device, zone or grid. Powers are at the device's terminal on its bus, in the
/// named direction, never negative (semantics.md 10).
///
/// In documents it is one word: `charge_level`, and `point:ppm` for a device's own point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attr {
    /// Power taken or given, kW; of a store: discharge - charge; of a grid: import - export.
    Power,
    /// Charging power of a store, kW.
    Charge,
    /// Discharging power of a store, kW.
    Discharge,
    /// Import from a grid, kW.
    Import,
    /// Export to a grid, kW.
    Export,
    /// Charge level of a store, ratio 0..1.
    ChargeLevel,
    /// Power a producer could give now, kW.
    Available,
    /// Temperature of a zone, K.
    Temperature,
    /// Setpoint of a zone or its thermostat, K.
    Setpoint,
    /// Switched on.
    On,
    /// Connected to its port.
    Connected,
    /// Energy over a period, kWh (budgets).
    Energy,
    /// Any other point that a device reads, by name.
    Point(String),
}

impl Serialize for Attr {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Point(point) => s.collect_str(&format_args!("point:{point}")),
            other => s.serialize_str(other.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Attr {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        if let Some(point) = text.strip_prefix("point:") {
            return Ok(Self::Point(point.to_owned()));
        }
        Self::PLAIN
            .iter()
            .find(|attr| attr.name() == text)
            .cloned()
            .ok_or_else(|| serde::de::Error::custom(format_args!("`{text}` is no attribute")))
    }
}

impl Attr {
    /// All that every device may have.
    const PLAIN: [Self; 12] = [
        Self::Power,
        Self::Charge,
        Self::Discharge,
        Self::Import,
        Self::Export,
        Self::ChargeLevel,
        Self::Available,
        Self::Temperature,
        Self::Setpoint,
        Self::On,
        Self::Connected,
        Self::Energy,
    ];

    /// As the author writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Power => "power",
            Self::Charge => "charge",
            Self::Discharge => "discharge",
            Self::Import => "import",
            Self::Export => "export",
            Self::ChargeLevel => "charge_level",
            Self::Available => "available",
            Self::Temperature => "temperature",
            Self::Setpoint => "setpoint",
            Self::On => "on",
            Self::Connected => "connected",
            Self::Energy => "energy",
            Self::Point(p) => p,
        }
    }

    /// Its type; points are declared with theirs.
    #[must_use]
    pub const fn ty(&self) -> Type {
        match self {
            Self::Power | Self::Charge | Self::Discharge | Self::Import | Self::Export | Self::Available => {
                Type::Power
            }
            Self::ChargeLevel => Type::Ratio,
            Self::Temperature | Self::Setpoint => Type::Temperature,
            Self::On | Self::Connected => Type::Bool,
            Self::Energy => Type::Energy,
            Self::Point(_) => Type::Number,
        }
    }
}
