//! Device declarations: who they are, where they stand, and who commands them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attr, BusId, FamilyId, GatewayId, MemberRange, Model, OWNER, PrincipalId, SignalId};
use crate::diag::Span;
use crate::quantity::Rat;

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
