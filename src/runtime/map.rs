//! Where the points of one device lie, found on the device itself, and the raw values in them.

use std::collections::{BTreeMap, BTreeSet};

use super::endpoint::Endpoint;
use super::session::{Fault, Table};
use crate::bundle::profile::{Address, Context, Identity, Point, Profile, RegisterType};
use crate::bundle::sunspec::{self, BASES, END, MARKER, MOST_MODELS};
use crate::quantity::Rat;

/// What a register's bits mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// unsigned; the value meaning "not implemented", if its type has one
    Unsigned(Option<i64>),
    /// two's complement; the value meaning "not implemented", if its type has one
    Signed(Option<i64>),
}

/// Where one point lies on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// input or holding registers
    pub table: Table,
    /// first register
    pub at: u16,
    /// number of registers, 1 or 2
    pub size: u16,
    /// what the bits mean
    pub bits: Bits,
    /// model that owns the register, 0 for none
    model: u16,
    /// register with its power of ten
    factor: Option<u16>,
}

impl Place {
    /// The number in these registers; `None`: not implemented, or not all there.
    #[must_use]
    pub fn number(&self, words: &[u16]) -> Option<i64> {
        if words.len() != usize::from(self.size) || words.len() > 2 {
            return None;
        }
        let unsigned = words.iter().fold(0_i64, |number, word| number << 16 | i64::from(*word));
        let (number, missing) = match self.bits {
            Bits::Unsigned(missing) => (unsigned, missing),
            Bits::Signed(missing) => {
                let half = 1_i64 << (16 * u32::from(self.size) - 1);
                (if unsigned >= half { unsigned - 2 * half } else { unsigned }, missing)
            }
        };
        (missing != Some(number)).then_some(number)
    }

    /// The registers that hold `number`; `None`: it does not fit.
    #[must_use]
    pub fn words(&self, number: i64) -> Option<Vec<u16>> {
        let bits = 16 * u32::from(self.size);
        let (least, greatest) = match self.bits {
            Bits::Unsigned(_) => (0, (1_i64 << bits) - 1),
            Bits::Signed(_) => (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1),
        };
        if !(least..=greatest).contains(&number) {
            return None;
        }
        let pattern = number & ((1_i64 << bits) - 1);
        (0..self.size)
            .rev()
            .map(|index| u16::try_from(pattern >> (16 * u32::from(index)) & 0xFFFF).ok())
            .collect()
    }
}

/// Why a device's points could not be found or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapFault {
    /// the wire
    Wire(Fault),
    /// no SunSpec marker where one may stand, and the Modbus exception by which reading is refused there
    NoMarker(Option<u8>),
    /// a model that the profile needs is not in the device's chain, or is too short
    NoModel(u16),
    /// the chain of models does not end
    EndlessChain,
    /// a scale-factor register holds no power of ten
    BadFactor(String),
    /// one count on the device is larger than the profile says, so plans made for it do not fit
    CoarserStep(String),
}

impl std::fmt::Display for MapFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wire(fault) => fault.fmt(f),
            Self::NoMarker(None) => f.write_str("it shows no SunSpec map"),
            Self::NoMarker(Some(code)) => {
                write!(f, "it shows no SunSpec map: reading is {}", Fault::Exception(*code))
            }
            Self::NoModel(id) => write!(f, "it has no complete SunSpec model {id}"),
            Self::EndlessChain => f.write_str("its chain of SunSpec models does not end"),
            Self::BadFactor(point) => write!(f, "the scale factor of `{point}` is no power of ten"),
            Self::CoarserStep(point) => write!(f, "one count of `{point}` is larger than its profile says"),
        }
    }
}

impl From<Fault> for MapFault {
    fn from(fault: Fault) -> Self {
        Self::Wire(fault)
    }
}

/// One device on an endpoint: its points, their places and scale factors.
#[derive(Debug, Clone)]
pub struct DeviceMap {
    endpoint: Endpoint,
    unit: u8,
    models: BTreeMap<u16, (u16, u16)>,
    places: BTreeMap<String, Place>,
}

impl DeviceMap {
    /// Finds the points of a device: walks its chain of SunSpec models where the profile names any.
    ///
    /// # Errors
    /// The device does not answer, or lacks what the profile needs.
    pub async fn discover(endpoint: Endpoint, unit: u8, profile: &Profile) -> Result<Self, MapFault> {
        let mut map = Self { endpoint, unit, models: BTreeMap::new(), places: BTreeMap::new() };
        let mut needed: BTreeSet<u16> = match &profile.identity {
            Identity::Points(identity) => identity.models.iter().copied().collect(),
            Identity::None => BTreeSet::new(),
        };
        needed.extend(profile.points.values().filter_map(|point| match point.at {
            Address::SunSpec { model, .. } => Some(model),
            Address::Input(_) | Address::Holding(_) => None,
        }));
        if !needed.is_empty() {
            map.walk(&needed).await?;
        }
        for (name, point) in &profile.points {
            map.places.insert(name.clone(), map.place(point)?);
        }
        Ok(map)
    }

    async fn walk(&mut self, needed: &BTreeSet<u16>) -> Result<(), MapFault> {
        let (mut at, mut refused, mut read) = (None, None, false);
        for base in BASES {
            match self.endpoint.read(self.unit, Table::Holding, base, 2).await {
                Ok(words) if words == MARKER => {
                    at = base.checked_add(2);
                    break;
                }
                Ok(_) => read = true,
                Err(Fault::Exception(code @ 1..=4)) => refused = refused.max(Some(code)),
                Err(fault) => return Err(fault.into()),
            }
        }
        let mut at = match (at, refused.filter(|_| !read)) {
            (Some(at), _) => at,
            // a device that fails says nothing about its map
            (None, Some(code @ 4)) => return Err(Fault::Exception(code).into()),
            (None, refused) => return Err(MapFault::NoMarker(refused)),
        };
        for _ in 0..MOST_MODELS {
            let words = self.endpoint.read(self.unit, Table::Holding, at, 2).await?;
            let [id, length] = words.as_slice() else { return Err(MapFault::EndlessChain) };
            if *id == END {
                break;
            }
            // a second model of one id stays out of reach: the first is the one that is commanded
            self.models.entry(*id).or_insert((at, *length));
            at = at.checked_add(2).and_then(|at| at.checked_add(*length)).ok_or(MapFault::EndlessChain)?;
            if needed.iter().all(|model| self.models.contains_key(model)) {
                break;
            }
        }
        needed
            .iter()
            .find(|model| !self.models.contains_key(model))
            .map_or(Ok(()), |model| Err(MapFault::NoModel(*model)))
    }

    fn sunspec(&self, model: u16, point: &str) -> Result<(u16, &'static sunspec::Layout), MapFault> {
        let missing = || MapFault::NoModel(model);
        let (start, length) = self.models.get(&model).ok_or_else(missing)?;
        let layout = sunspec::model(model).and_then(|m| m.point(point)).ok_or_else(missing)?;
        if layout.offset.saturating_add(layout.size) > length.saturating_add(2) {
            return Err(missing());
        }
        Ok((start.checked_add(layout.offset).ok_or_else(missing)?, layout))
    }

    fn place(&self, point: &Point) -> Result<Place, MapFault> {
        let raw = |table, at| {
            let (size, bits) = match point.kind.unwrap_or(RegisterType::Uint16) {
                RegisterType::Uint16 => (1, Bits::Unsigned(None)),
                RegisterType::Int16 => (1, Bits::Signed(None)),
                RegisterType::Uint32 => (2, Bits::Unsigned(None)),
                RegisterType::Int32 => (2, Bits::Signed(None)),
            };
            Ok(Place { table, at, size, bits, model: 0, factor: None })
        };
        match &point.at {
            Address::Input(at) => raw(Table::Input, *at),
            Address::Holding(at) => raw(Table::Holding, *at),
            Address::SunSpec { model, point: name } => {
                let (at, layout) = self.sunspec(*model, name)?;
                let factor = match layout.scale_factor {
                    Some(factor) => Some(self.sunspec(*model, factor)?.0),
                    None => None,
                };
                let bits = match layout.kind {
                    "int16" | "sunssf" => Bits::Signed(Some(-0x8000)),
                    "int32" => Bits::Signed(Some(-0x8000_0000)),
                    "uint32" | "enum32" | "bitfield32" => Bits::Unsigned(Some(0xFFFF_FFFF)),
                    "acc16" | "acc32" | "raw16" => Bits::Unsigned(None),
                    _ => Bits::Unsigned(Some(0xFFFF)),
                };
                Ok(Place { table: Table::Holding, at, size: layout.size.min(2), bits, model: *model, factor })
            }
        }
    }

    /// The place of a point.
    #[must_use]
    pub fn at(&self, point: &str) -> Option<&Place> {
        self.places.get(point)
    }

    /// The endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Unit id on the bus.
    #[must_use]
    pub const fn unit(&self) -> u8 {
        self.unit
    }

    /// Reads a text such as a serial number.
    ///
    /// # Errors
    /// The device does not answer, or lacks the point.
    pub async fn text(&self, address: &Address, registers: Option<u16>) -> Result<String, MapFault> {
        let (table, at, count) = match address {
            Address::Input(at) => (Table::Input, *at, registers.unwrap_or(1)),
            Address::Holding(at) => (Table::Holding, *at, registers.unwrap_or(1)),
            Address::SunSpec { model, point } => {
                let (at, layout) = self.sunspec(*model, point)?;
                (Table::Holding, at, layout.size)
            }
        };
        let words = self.endpoint.read(self.unit, table, at, count).await?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        // what a device shows is hostile input: nothing but printable text goes further
        Ok(String::from_utf8_lossy(text).trim().chars().filter(|c| !c.is_control()).collect())
    }

    /// Reads points; one that the device does not implement is left out.
    ///
    /// Registers of one SunSpec model are read in one request, because the standard makes all of
    /// them readable; other registers only where they follow one another.
    ///
    /// # Errors
    /// The device does not answer.
    pub async fn read(&self, points: &BTreeSet<&str>) -> Result<BTreeMap<String, i64>, Fault> {
        let mut wanted: Vec<(&str, &Place)> =
            points.iter().filter_map(|name| Some((*name, self.places.get(*name)?))).collect();
        wanted.sort_by_key(|(_, place)| (place.table, place.at));
        let mut numbers = BTreeMap::new();
        let mut rest = wanted.as_slice();
        while let Some(((_, first), _)) = rest.split_first() {
            let mut end = first.at.saturating_add(first.size);
            let run = rest
                .iter()
                .take_while(|(_, place)| {
                    let joined = place.at <= end
                        || (place.model != 0 && place.model == first.model && place.at - first.at < 120);
                    let fits = place.table == first.table && joined;
                    if fits {
                        end = end.max(place.at.saturating_add(place.size));
                    }
                    fits
                })
                .count()
                .max(1);
            let words = self.endpoint.read(self.unit, first.table, first.at, end - first.at).await?;
            let (now, later) = rest.split_at(run.min(rest.len()));
            for (name, place) in now {
                let from = usize::from(place.at - first.at);
                let number =
                    words.get(from..from + usize::from(place.size)).and_then(|words| place.number(words));
                if let Some(number) = number {
                    numbers.insert((*name).to_owned(), number);
                }
            }
            rest = later;
        }
        Ok(numbers)
    }

    /// Reads what gives the device's registers their meaning: powers of ten, and the points of which
    /// others are shares.
    ///
    /// # Errors
    /// The device does not answer, or its scale factors do not fit the profile.
    pub async fn context(
        &self,
        profile: &Profile,
        ratings: BTreeMap<String, Rat>,
    ) -> Result<Context, MapFault> {
        let mut context = Context { ratings, ..Context::default() };
        let mut known: BTreeMap<u16, i16> = BTreeMap::new();
        for (name, place) in &self.places {
            let Some(factor) = place.factor else { continue };
            let exponent = match known.get(&factor) {
                Some(exponent) => *exponent,
                None => {
                    let words = self.endpoint.read(self.unit, Table::Holding, factor, 1).await?;
                    let word = words.first().copied().unwrap_or(0x8000);
                    let exponent = i16::from_be_bytes(word.to_be_bytes());
                    known.insert(factor, exponent);
                    exponent
                }
            };
            let point = profile.point(name);
            if !(-10..=10).contains(&exponent) {
                // not implemented is a fault only where the point is used for writing
                if point.is_some_and(|point| point.write) {
                    return Err(MapFault::BadFactor(name.clone()));
                }
                continue;
            }
            context.exponents.insert(name.clone(), exponent);
        }
        let of: BTreeSet<&str> = profile
            .points
            .values()
            .filter_map(|point| point.of.as_deref())
            .filter(|of| profile.points.contains_key(*of))
            .collect();
        for (name, raw) in self.read(&of).await? {
            if let Ok(value) = profile.value_of(&name, raw, &context) {
                context.readings.insert(name, value);
            }
        }
        for (name, point) in &profile.points {
            if let (Some(step), Some(exponent)) = (&point.step, context.exponents.get(name))
                && point.write
                && Context::ten_to(*exponent).is_none_or(|count| &count > step)
            {
                return Err(MapFault::CoarserStep(name.clone()));
            }
        }
        Ok(context)
    }
}
