//! The physical side: buses, links, gateways, devices, zones, groups, feeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BusId, CivilDate, Device, FamilyId, FeedId, GatewayId, GroupId, LinkId, MemberRange, OWNER, PrincipalId,
    Sched, SignalId, TariffId, Value, ZoneId,
};
use crate::diag::Span;
use crate::quantity::{Rat, Type};

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

/// Kind of current and its voltage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supply {
    /// Alternating (else direct).
    pub ac: bool,
    /// Line voltage, V.
    pub volts: Option<Rat>,
    /// 1 or 3 for AC, 1 for DC.
    pub phases: u8,
}

/// A bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bus {
    /// Its index.
    pub id: BusId,
    /// Name.
    pub name: String,
    /// Kind of current.
    pub supply: Option<Supply>,
    /// Bound on the sum of its inflows, kW.
    pub limit: Option<Rat>,
    /// Bound per phase, A.
    pub phase_limit: Option<Rat>,
    /// Where it is declared.
    pub span: Span,
}

/// A converter, transformer or cable between two buses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its index.
    pub id: LinkId,
    /// Name.
    pub name: String,
    /// First bus.
    pub from: BusId,
    /// Second bus.
    pub to: BusId,
    /// Both ways.
    pub both: bool,
    /// Bound at the sending end, `from` to `to`, kW.
    pub capacity: Rat,
    /// Bound at the sending end, `to` to `from`, kW; equals `capacity` unless declared apart.
    pub capacity_back: Rat,
    /// Share delivered, in (0, 1], either way.
    pub efficiency: Rat,
    /// Price of each kWh sent, currency/kWh (wear), `from` to `to` and back; usually zero.
    pub wear: (Rat, Rat),
    /// Where it is declared.
    pub span: Span,
}

/// A gateway: one field endpoint. Where it is stands in the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its index.
    pub id: GatewayId,
    /// Name.
    pub name: String,
    /// Declared ports.
    pub ports: Vec<PortRange>,
    /// Undo units: a gateway named together with others is undone with them.
    pub together: Vec<GatewayId>,
    /// Where it is declared.
    pub span: Span,
}

/// A run of equal ports of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// First, 1-based.
    pub first: u32,
    /// Last, included.
    pub last: u32,
    /// Kind of current.
    pub supply: Option<Supply>,
    /// Rated current, A.
    pub rated: Option<Rat>,
    /// Has an enable line.
    pub enable: bool,
    /// Never switched.
    pub essential: bool,
    /// Where it is declared.
    pub span: Span,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Gives energy.
    Producer,
    /// Takes energy.
    Consumer,
    /// Both, with a charge level.
    Storage,
    /// Senses or commands; no energy.
    Control,
    /// A place for modules; 0 kW while empty.
    Slot,
}

/// A device declaration: one device, or an array of equal ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Its index.
    pub id: FamilyId,
    /// Name without index.
    pub name: String,
    /// Where it is declared (its name).
    pub span: Span,
    /// Role.
    pub role: Role,
    /// The author's word after the colon: `grid`, `pv`, `wind`, `hydro`, `fuel_cell`, `battery`,
    /// `hvac`, `boiler`, `load`, `lighting`, `ev_charger`, `pump`, `fan`, `co_sensor`, ...
    pub kind: String,
    /// `Some(n)`: array of members 1..=n.
    pub count: Option<u32>,
    /// Owner of the file that declares it.
    pub owner: PrincipalId,
    /// Bus of its terminal.
    pub bus: Option<BusId>,
    /// Gateway behind which it stands.
    pub gateway: Option<GatewayId>,
    /// Port of the gateway.
    pub port: Option<(u32, u32)>,
    /// Profile name, e.g. `sunspec/inverter`.
    pub profile: Option<String>,
    /// Tags; a member's own value where it depends on the index.
    pub tags: BTreeMap<String, Tag>,
    /// What it can do and costs.
    pub model: Model,
    /// Physical range of each power direction, kW: closed pieces, sorted, disjoint
    /// (`one of {0, 1.4..11}` has two). The widest that profile and declaration allow.
    pub ranges: BTreeMap<Attr, Vec<(Rat, Rat)>>,
    /// Signals by attribute: what is measured or read of it.
    pub readings: BTreeMap<Attr, SignalId>,
    /// Electrical facts.
    pub electrical: Electrical,
    /// Moves only towards its safe state: on (`true`) or off.
    pub life_safety: Option<bool>,
    /// Who commands it.
    pub control: Control,
    /// Where it goes when evl dies.
    pub fail_safe: Option<FailSafe>,
    /// Register step of each commanded attribute, canonical unit; from the profile.
    pub command_step: BTreeMap<Attr, Rat>,
    /// Dead band of its setpoint, K: what it steers is heated up to half of it below the setpoint and
    /// cooled down to half of it above; from the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_band: Option<Rat>,
    /// Attributes that must always be decided.
    pub decide: Vec<Attr>,
    /// Declared independent barrier for safety rules on it.
    pub interlock: Option<String>,
}

impl Family {
    /// A device of the site's owner of which nothing more is said: observed, three-phase, without range.
    #[must_use]
    pub fn new(id: FamilyId, name: &str, span: Span, role: Role, kind: &str, model: Model) -> Self {
        Self {
            id,
            name: name.to_owned(),
            span,
            role,
            kind: kind.to_owned(),
            count: None,
            owner: OWNER,
            bus: None,
            gateway: None,
            port: None,
            profile: None,
            tags: BTreeMap::new(),
            model,
            ranges: BTreeMap::new(),
            readings: BTreeMap::new(),
            electrical: Electrical::default(),
            life_safety: None,
            control: Control::Observe,
            fail_safe: None,
            command_step: BTreeMap::new(),
            dead_band: None,
            decide: Vec::new(),
            interlock: None,
        }
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count.unwrap_or(1)
    }

    /// Whether the array is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All members.
    #[must_use]
    pub fn all(&self) -> MemberRange {
        MemberRange { family: self.id, first: 1, last: self.len() }
    }

    /// Least and greatest of an attribute's physical range.
    #[must_use]
    pub fn hull(&self, attr: &Attr) -> Option<(Rat, Rat)> {
        let pieces = self.ranges.get(attr)?;
        Some((pieces.first()?.0.clone(), pieces.last()?.1.clone()))
    }
}

/// A tag's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// A word or text.
    Text(String),
    /// A number.
    Number(Rat),
    /// The member's index.
    Index,
}

/// Electrical facts of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Electrical {
    /// 1 or 3.
    pub phases: u8,
    /// For a single-phase device: which, 1..=3; `None` counts on every phase.
    pub phase: Option<u8>,
    /// 0..1; 0.9 unless declared.
    pub power_factor: Rat,
    /// Declared rated current, A.
    pub rated_current: Option<Rat>,
    /// Declared rated voltage, V.
    pub rated_voltage: Option<Rat>,
}

impl Default for Electrical {
    /// Three phases, power factor 0.9, no declared ratings.
    fn default() -> Self {
        Self {
            phases: 3,
            phase: None,
            power_factor: Rat::ratio(9, 10).unwrap_or(Rat::ONE),
            rated_current: None,
            rated_voltage: None,
        }
    }
}

/// Who commands a device; observe is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// evl only reads it.
    Observe,
    /// evl prints what it would write.
    Advise,
    /// evl writes; needs a commissioning record in the inventory.
    Command,
}

/// Where a device goes when nobody commands it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailSafe {
    /// The attribute and its value there; `None`: disconnected.
    pub at: Option<(Attr, Rat)>,
    /// How it gets there.
    pub by: FailSafeBy,
    /// Where it is declared.
    pub span: Span,
}

/// How a device reaches its fail-safe value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailSafeBy {
    /// A reversion timer on the device.
    Reversion,
    /// A communication watchdog.
    Watchdog,
    /// Loss of a heartbeat.
    Heartbeat,
    /// It stays at its last command: its whole range counts.
    None,
}

/// What a device can do and costs, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Model {
    /// The utility.
    Grid {
        /// Greatest import, kW.
        import: Rat,
        /// Greatest export, kW.
        export: Rat,
        /// Tariff.
        tariff: Option<TariffId>,
        /// kg/kWh at the meter when imported: a constant ...
        carbon: Option<Rat>,
        /// ... or a feed.
        carbon_feed: Option<SignalId>,
    },
    /// PV, wind or hydro: what is available comes from a signal.
    Renewable {
        /// Rated power, kW.
        rated: Rat,
        /// Availability signal, kW.
        output: Option<SignalId>,
        /// Not curtailable.
        must_take: bool,
    },
    /// Fuel cell or generator.
    Generator {
        /// Rated power, kW.
        rated: Rat,
        /// Least power while running, kW.
        minimum: Rat,
        /// Fuel, currency/kWh.
        fuel_cost: Rat,
        /// Currency per start.
        start_cost: Rat,
        /// kW/h, up and down.
        ramp: Option<Rat>,
        /// s.
        min_up_s: i64,
        /// s.
        min_down_s: i64,
        /// kg/kWh.
        carbon: Rat,
        /// May balance an island.
        grid_forming: bool,
    },
    /// Battery.
    Store(Box<Store>),
    /// A consumer.
    Consumer(Box<Consumer>),
    /// A control device.
    Control {
        /// The zone it controls (a thermostat).
        zone: Option<ZoneId>,
    },
    /// A place for modules.
    Slot {
        /// Device functions accepted.
        accepts: Vec<String>,
    },
}

/// A battery (planner.md 3, 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// kWh.
    pub capacity: Rat,
    /// Greatest charging power at the terminal, kW.
    pub charge: Rat,
    /// Greatest discharging power at the terminal, kW.
    pub discharge: Rat,
    /// One-way efficiency terminal -> cell, in (0, 1].
    pub efficiency_charge: Rat,
    /// One-way efficiency cell -> terminal, in (0, 1].
    pub efficiency_discharge: Rat,
    /// Least level, ratio.
    pub level_min: Rat,
    /// Greatest level, ratio.
    pub level_max: Rat,
    /// Share lost per hour.
    pub self_discharge: Rat,
    /// Currency per kWh discharged at the terminal.
    pub wear: Rat,
    /// Currency per kWh charged at the terminal; usually zero.
    pub wear_charge: Rat,
    /// Level at the horizon's end.
    pub end: End,
    /// May balance an island.
    pub grid_forming: bool,
}

impl Store {
    /// A store without losses and wear, all of its level usable.
    #[must_use]
    pub fn new(capacity: Rat, charge: Rat, discharge: Rat) -> Self {
        Self {
            capacity,
            charge,
            discharge,
            efficiency_charge: Rat::ONE,
            efficiency_discharge: Rat::ONE,
            level_min: Rat::ZERO,
            level_max: Rat::ONE,
            self_discharge: Rat::ZERO,
            wear: Rat::ZERO,
            wear_charge: Rat::ZERO,
            end: End::Default,
            grid_forming: false,
        }
    }
}

/// What must be in a store at the horizon's end (planner.md 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Default: at least the level at the start, elastic, priced.
    Default,
    /// Exactly this level.
    Exactly(Rat),
    /// Exactly the level at the start.
    ExactlyStart,
    /// At least this level.
    AtLeast(Rat),
    /// Each kWh left is worth this, currency/kWh.
    Worth(Rat),
    /// Nothing is asked.
    Free,
}

/// A consumer (planner.md 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumer {
    /// Need.
    pub need: Need,
    /// A need that may be shed: in this class ...
    pub shed_class: Option<super::ClassId>,
    /// ... or at this price, currency/kWh.
    pub shed_price: Option<Rat>,
    /// Heats this zone.
    pub heats: Option<ZoneId>,
    /// Cools this zone.
    pub cools: Option<ZoneId>,
    /// Thermal over electrical power, by outdoor temperature (K), piecewise linear; one row: constant.
    pub cop: Vec<(Rat, Rat)>,
    /// Greatest electrical power by outdoor temperature, likewise; empty: the range.
    pub capacity: Vec<(Rat, Rat)>,
    /// Only on at full power or off.
    pub on_off: bool,
    /// s.
    pub min_up_s: i64,
    /// s.
    pub min_down_s: i64,
    /// Vehicle sessions (EV chargers).
    pub sessions: Option<FeedId>,
    /// State outside plans, from profile or declaration.
    pub default_power: Option<Rat>,
}

impl Default for Consumer {
    /// A consumer that needs nothing.
    fn default() -> Self {
        Self {
            need: Need::None,
            shed_class: None,
            shed_price: None,
            heats: None,
            cools: None,
            cop: Vec::new(),
            capacity: Vec::new(),
            on_off: false,
            min_up_s: 0,
            min_down_s: 0,
            sessions: None,
            default_power: None,
        }
    }
}

/// What a consumer needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// None declared: stays at its default state.
    None,
    /// Served exactly: power from a signal.
    Load(SignalId),
    /// Served: power from a signal.
    Needs(SignalId),
    /// A constant power that is served, kW.
    Constant(Rat),
}

/// A zone of one resistance and one capacity (planner.md 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Its index.
    pub id: ZoneId,
    /// Name.
    pub name: String,
    /// kWh/K.
    pub heat_capacity: Rat,
    /// kW/K.
    pub heat_loss: Rat,
    /// Thermal gains signal, kW.
    pub gains: Option<SignalId>,
    /// Outdoor temperature signal, K.
    pub outdoor: Option<SignalId>,
    /// Comfort bands in declared order: the first whose schedule holds.
    pub comfort: Vec<ComfortBand>,
    /// Class in which comfort is owed.
    pub class: Option<super::ClassId>,
    /// Physical range of temperature, K.
    pub range: (Rat, Rat),
    /// Thermostats that control it.
    pub thermostats: Vec<FamilyId>,
    /// Signals by attribute.
    pub readings: BTreeMap<Attr, SignalId>,
    /// Where it is declared.
    pub span: Span,
}

/// A comfort band.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComfortBand {
    /// When.
    pub during: Sched,
    /// K.
    pub lo: Rat,
    /// K.
    pub hi: Rat,
    /// Where.
    pub span: Span,
}

/// A named group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its index.
    pub id: GroupId,
    /// Name; an anonymous group (a family named whole, `any device`) has the text that made it.
    pub name: String,
    /// Members, sorted, disjoint.
    pub members: Vec<MemberRange>,
    /// Where it is declared.
    pub span: Span,
}

impl Group {
    /// Its devices.
    pub fn devices(&self) -> impl Iterator<Item = Device> + '_ {
        self.members.iter().flat_map(|m| m.devices())
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.members.iter().map(|m| u64::from(m.last.saturating_sub(m.first)) + 1).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// A series of values or of sessions from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feed {
    /// Its index.
    pub id: FeedId,
    /// Name.
    pub name: String,
    /// Where values come from.
    pub origin: FeedOrigin,
    /// Which clock its stamps follow.
    pub time: FeedTime,
    /// Whether a stamp begins (`true`) or ends its interval.
    pub stamp_start: bool,
    /// Step, s; `None`: uneven.
    pub step_s: Option<i64>,
    /// Columns: signal -> column name and the unit written in it.
    pub columns: Vec<FeedColumn>,
    /// Typical-year file: stamps are mapped by month and day.
    pub typical_year: bool,
    /// Sessions rather than values.
    pub sessions: bool,
    /// First and last civil day covered by a static file, for messages.
    pub covers: Option<(CivilDate, CivilDate)>,
    /// Where it is declared.
    pub span: Span,
}

/// Where a feed's values come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedOrigin {
    /// A file of the repository.
    File {
        /// Path inside the repository.
        path: String,
    },
    /// Delivered to the host or given on the command line.
    Live {
        /// Older is stale, s.
        max_age_s: Option<Rat>,
        /// Used where it is missing.
        fallback: Option<Value>,
    },
}

/// Clock of a feed's stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedTime {
    /// The site's wall clock.
    Civil,
    /// UTC.
    Utc,
    /// Fixed offset from UTC, s.
    Offset(i32),
}

/// One column of a feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedColumn {
    /// Column header in the file.
    pub column: String,
    /// Signal it carries.
    pub signal: SignalId,
    /// Canonical = (written + offset) x factor.
    pub offset: Rat,
    /// See `offset`.
    pub factor: Rat,
}
