//! Module profiles: what a kind of device is, and how its registers are spoken to.
//!
//! A profile is YAML in `profiles/`, read straight into [`Profile`] with unknown keys refused, then
//! [checked](Profile::problems) as a whole. [`Profile::lower`] turns an abstract command into
//! register values, and [`Profile::decode`] does the opposite with what was read from a device.

mod check;
mod lower;
mod notation;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::quantity::Rat;

pub use check::Problem;
pub use lower::{Context, Found, LowerError, Lowered, PointWrite, PowerFound};
pub use notation::{Address, Assign, Level, NotationError, Quantity, Source, Spans};

/// Everything evl knows about one kind of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// name by which a policy refers to it: `sunspec/inverter`
    pub profile: String,
    /// one line for people
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// what it is to the energy balance
    pub class: Class,
    /// what it does, as admission rules name it: `pv`, `battery`, `ev_charger`, `meter`
    pub function: String,
    /// how a device of this kind says who it is
    pub identity: Identity,
    /// nameplate values by name; a device's own stand in the inventory and win
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ratings: BTreeMap<String, Quantity>,
    /// how amperes become kilowatts, where a register holds a current
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub electrical: Option<Electrical>,
    /// every register that may be read or written, by name; nothing else ever is
    pub points: BTreeMap<String, Point>,
    /// abstract commands and what they write, in writing order
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Case>,
    /// points that are written together or not at all
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Vec<String>>,
    /// guards written before the setpoints they guard
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arm: Vec<Guard>,
    /// how a command lapses when nobody renews it
    #[serde(default, skip_serializing_if = "Lease::is_none")]
    pub lease: Lease,
    /// where the device goes by itself, unless the policy declares otherwise
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_safe: Option<FailSafe>,
    /// what must be seen to move after a command
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// what the device measures, by the name policies use
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, Measure>,
    /// readings in which the device takes no commands
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refuse_when: Vec<Condition>,
    /// readings that are reported as alarms
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarm_when: Vec<Condition>,
}

/// What a device is to the energy balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// gives energy
    Producer,
    /// takes energy
    Consumer,
    /// does both
    Storage,
    /// senses or controls
    Control,
    /// only measures
    Meter,
}

/// How a device says who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// it cannot; every plan and report says so
    None,
    /// by registers
    #[serde(untagged)]
    Points(IdentityPoints),
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Identity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, or the points that name the device")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Identity, E> {
                if v == "none" {
                    Ok(Identity::None)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(v), &self))
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Identity, A::Error> {
                IdentityPoints::deserialize(MapAccessDeserializer::new(map)).map(Identity::Points)
            }
        }
        d.deserialize_any(V)
    }
}

/// The registers that name a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPoints {
    /// SunSpec models that the device's chain must hold
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<u16>,
    /// registers of the maker's name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<Address>,
    /// registers of the model's name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Address>,
    /// registers of the serial number
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Address>,
    /// length of such a text in registers, where the address is not a SunSpec point
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_registers: Option<u16>,
}

/// How amperes become kilowatts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Electrical {
    /// 1 or 3
    pub phases: u8,
    /// from line to neutral
    pub voltage: Quantity,
    /// share of the apparent power; 1 where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_factor: Option<Rat>,
}

/// Type of a register that is not a SunSpec point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterType {
    /// one register, unsigned
    Uint16,
    /// one register, two's complement
    Int16,
    /// two registers, high word first, unsigned
    Uint32,
    /// two registers, high word first, two's complement
    Int32,
}

/// One register (or two) that may be read, and written where it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// where it lies
    pub at: Address,
    /// its type; SunSpec points have theirs from the standard
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<RegisterType>,
    /// unit of the value; none for a state or a bit field
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// value of one count, in `unit`; SunSpec points have theirs from the device
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Rat>,
    /// for a SunSpec point: the value of one count on which plans rely, in `unit`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Rat>,
    /// for a share: the rating or the point it is a share of
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// may be written
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write: bool,
    /// raw values it accepts, for states and modes
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<i64>,
    /// values it accepts, in `unit`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Spans>,
    /// Modbus functions that write it, preferred first: 6 and 16 where not given
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<u8>,
    /// how long after writing the register shows the new value; 200 ms where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Quantity>,
    /// how far what is read back may be off, in `unit`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Rat>,
    /// most writes in a day that its memory bears
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_per_day: Option<u32>,
    /// where the value in effect shows, if something can override this register
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_effect: Option<InEffect>,
}

/// Where the value in effect shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InEffect {
    /// the point that shows it
    pub point: String,
    /// how far it may be off, in that point's unit
    pub tolerance: Rat,
    /// only then does it show anything
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_when: Option<Condition>,
}

/// A reading that means something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// the point
    pub point: String,
    /// any of these raw values
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<i64>,
    /// any of these bits
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_bit: Option<i64>,
    /// one word for people: `LOCAL`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

impl Condition {
    /// Whether the raw value `raw` meets it.
    #[must_use]
    pub fn holds(&self, raw: i64) -> bool {
        self.is.contains(&raw) || self.any_bit.is_some_and(|bits| raw & bits != 0)
    }
}

/// An abstract command, as policies and plans know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// join the bus
    Connect,
    /// leave the bus; the power is then 0
    Disconnect,
    /// switch on, keeping other settings
    On,
    /// switch off; the power is then 0
    Off,
    /// a power, in the direction of the device's class
    Power,
    /// a power into a store
    Charge,
    /// a power out of a store
    Discharge,
    /// neither in nor out, at 0 kW
    Idle,
    /// hand back to the device's own control
    Release,
    /// the temperature that a thermostat keeps
    Setpoint,
    /// import less export at the grid's meter, which the device keeps by its own power
    Follow,
}

/// Which of a device's independent settings a verb belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// on the bus or not
    Connection,
    /// on or off
    Switch,
    /// how much, which way
    Power,
    /// how warm
    Setpoint,
}

impl Verb {
    /// The setting it belongs to.
    #[must_use]
    pub const fn aspect(self) -> Aspect {
        match self {
            Self::Connect | Self::Disconnect => Aspect::Connection,
            Self::On | Self::Off => Aspect::Switch,
            Self::Power | Self::Charge | Self::Discharge | Self::Idle | Self::Release | Self::Follow => {
                Aspect::Power
            }
            Self::Setpoint => Aspect::Setpoint,
        }
    }

    /// Whether it carries a value.
    #[must_use]
    pub const fn has_value(self) -> bool {
        matches!(self, Self::Power | Self::Charge | Self::Discharge | Self::Setpoint | Self::Follow)
    }

    /// The word used in profiles, plans and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::On => "on",
            Self::Off => "off",
            Self::Power => "power",
            Self::Charge => "charge",
            Self::Discharge => "discharge",
            Self::Idle => "idle",
            Self::Release => "release",
            Self::Setpoint => "setpoint",
            Self::Follow => "follow",
        }
    }
}

/// What the value of a command means to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// exactly this
    Fixed,
    /// no more than this
    AtMost,
    /// no less than this
    AtLeast,
}

/// One abstract command and the points it sets, in writing order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// the command
    #[serde(rename = "do")]
    pub verb: Verb,
    /// forms in which its value may be given; the first is what the register itself does
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Form>,
    /// the points, in the order in which they are written
    pub set: Vec<Assign>,
    /// register values by which it is recognised; every raw value it sets where not given
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Assign>,
    /// safe to stay for ever without a lease
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
    /// of a setpoint: how wide the band is in which it neither heats nor cools, half of it on each side
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_band: Option<Quantity>,
}

/// A guard: a point that is only ever tightened, before the setpoints it guards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// the point
    pub point: String,
    /// tighten to this where the device's value is above it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
    /// tighten to this where the device's value is below it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
    /// a value of 0 switches the guard off, and so counts as the loosest of all
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_is_never: bool,
}

/// What a guard is tightened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// the device's declared fail-safe value
    FailSafe,
    /// a raw register value
    #[serde(untagged)]
    Raw(i64),
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Bound;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a register value, or `fail_safe`")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Bound, E> {
                if v == "fail_safe" {
                    Ok(Bound::FailSafe)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(v), &self))
                }
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Bound, E> {
                Ok(Bound::Raw(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Bound, E> {
                i64::try_from(v).map(Bound::Raw).map_err(E::custom)
            }
        }
        d.deserialize_any(V)
    }
}

/// How a command lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseKind {
    /// never: the last command stands
    #[default]
    None,
    /// a timer in the device, started by the write
    Reversion,
    /// a timer in the device, restarted by any traffic to it
    Watchdog,
    /// a counter that must keep changing
    Heartbeat,
}

/// Where a device goes when a lease lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LapsesTo {
    /// to its own control
    #[default]
    Release,
    /// to its fail-safe value
    FailSafe,
}

/// How a command lapses when nobody renews it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// the mechanism
    pub kind: LeaseKind,
    /// the point that holds the time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<String>,
    /// the point that shows what is left of it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<String>,
    /// for a heartbeat: the point that must keep changing
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<String>,
    /// where the device goes then
    #[serde(default)]
    pub to: LapsesTo,
}

impl Lease {
    fn is_none(&self) -> bool {
        self.kind == LeaseKind::None
    }
}

/// Where a device goes by itself, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailSafe {
    /// the power it goes to
    pub power: Level,
    /// by which mechanism
    pub by: LeaseKind,
}

/// What must be seen to move after a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// one of the profile's `measures`
    pub measure: String,
    /// how far it may be off, as a share of the rating
    pub band: Quantity,
    /// how long it may take
    pub within: Quantity,
}

/// A measured quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// the point that shows it
    pub point: String,
    /// for powers: what a positive reading means
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// What a positive power reading means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// the device gives energy to its bus
    Produce,
    /// the device takes energy from its bus
    Consume,
}

impl Profile {
    /// Hash of the profile's canonical JSON, as a commissioning record names it: `sha256:..`.
    #[must_use]
    pub fn hash(&self) -> String {
        // field order is fixed by the type and maps are ordered, so these bytes are canonical
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digest}")
    }

    /// The point named `name`.
    #[must_use]
    pub fn point(&self, name: &str) -> Option<&Point> {
        self.points.get(name)
    }

    /// Whether anything on such a device is ever written.
    #[must_use]
    pub fn commandable(&self) -> bool {
        !self.commands.is_empty()
    }
}

/// The profiles that come with evl: name and YAML text.
pub const EMBEDDED: &[(&str, &str)] = &[
    (
        "generic/changeover-thermostat",
        include_str!("../../../policies/profiles/generic/changeover-thermostat.yaml"),
    ),
    ("generic/storage", include_str!("../../../policies/profiles/generic/storage.yaml")),
    ("generic/thermostat", include_str!("../../../policies/profiles/generic/thermostat.yaml")),
    ("heidelberg/energy-control", include_str!("../../../policies/profiles/heidelberg/energy-control.yaml")),
    ("sunspec/battery", include_str!("../../../policies/profiles/sunspec/battery.yaml")),
    ("sunspec/der1547", include_str!("../../../policies/profiles/sunspec/der1547.yaml")),
    ("sunspec/inverter", include_str!("../../../policies/profiles/sunspec/inverter.yaml")),
    ("sunspec/meter", include_str!("../../../policies/profiles/sunspec/meter.yaml")),
];
