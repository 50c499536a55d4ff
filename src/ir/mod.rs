//! The typed, unit-checked policy of one site: the only form of a policy that later rooms read.
//!
//! Every number is an exact [`Rat`](crate::quantity::Rat) in the canonical unit of its type (kW,
//! kWh, K absolute, s, currency). Every statement keeps its span. Arrays and groups stay symbolic:
//! a declaration `charger[1..8]` is one [`Family`], a group is a list of member ranges, so that
//! the size of this structure follows the text and not the number of devices.

mod attribute;
mod authority;
mod device;
mod expr;
mod feed;
mod following;
mod gateway;
mod group;
mod ids;
mod model;
mod money;
mod network;
mod rule;
mod steering;
mod time;
mod zone;

#[doc(hidden)]
pub mod testkit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diag::{SourceId, Span};
use crate::quantity::Rat;

pub use attribute::*;
pub use authority::*;
pub use device::*;
pub use expr::*;
pub use feed::*;
pub use following::*;
pub use gateway::*;
pub use group::*;
pub use ids::*;
pub use model::*;
pub use money::*;
pub use network::*;
pub use rule::*;
pub use steering::*;
pub use time::*;
pub use zone::*;

/// Version of this structure, stamped on every document that holds it.
pub const IR_VERSION: u32 = 1;

/// One site's whole policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// [`IR_VERSION`].
    pub version: u32,
    /// Language edition, e.g. 2026.
    pub edition: u32,
    /// The site's name.
    pub name: String,
    /// Where the site is declared.
    pub span: Span,
    /// Zone name of the IANA database, e.g. `America/New_York`.
    pub timezone: String,
    /// Where it stands.
    pub location: Option<Location>,
    /// Currency of every money value, e.g. `USD`.
    pub currency: String,
    /// Lengths of the plan's steps before they are cut at boundaries.
    pub step: Vec<StepRun>,
    /// How far a plan reaches, s.
    pub horizon_s: i64,
    /// First and last civil day on which the policy is valid, both included.
    pub valid: (CivilDate, CivilDate),
    /// Holidays, sorted; they cover `valid`.
    pub holidays: Vec<CivilDate>,
    /// What hosts do without a plan.
    pub on_no_plan: NoPlan,
    /// When emergency permits and roles are in force.
    pub emergency: Option<Guard>,
    /// Whether documents must be signed before anything is applied.
    pub signatures: Signatures,
    /// Priority classes, the first is the safety class. Index = [`ClassId`].
    pub classes: Vec<Class>,
    /// Source files, by [`SourceId`](crate::diag::SourceId), with the hash of their text.
    pub files: Vec<SourceFile>,

    /// Buses. Index = [`BusId`].
    pub buses: Vec<Bus>,
    /// Links between buses. Index = [`LinkId`].
    pub links: Vec<Link>,
    /// Gateways. Index = [`GatewayId`].
    pub gateways: Vec<Gateway>,
    /// Device declarations. Index = [`FamilyId`].
    pub families: Vec<Family>,
    /// Thermal zones. Index = [`ZoneId`].
    pub zones: Vec<Zone>,
    /// Named groups. Index = [`GroupId`].
    pub groups: Vec<Group>,
    /// Named schedules. Index = [`ScheduleId`].
    pub schedules: Vec<Schedule>,
    /// Feeds. Index = [`FeedId`].
    pub feeds: Vec<Feed>,
    /// Signals: everything a guard or a bound can read. Index = [`SignalId`].
    pub signals: Vec<Signal>,
    /// Assumptions about the world.
    pub assumptions: Vec<Assumption>,
    /// Tariffs. Index = [`TariffId`].
    pub tariffs: Vec<Tariff>,
    /// Budgets. Index = [`BudgetId`].
    pub budgets: Vec<Budget>,
    /// Rules. Index = [`RuleId`].
    pub rules: Vec<Rule>,
    /// Memory bits of the rules. Index = [`LatchId`].
    pub latches: Vec<Latch>,
    /// `for d` bits of guards. Index = [`HeldId`].
    pub held: Vec<Held>,

    /// Owners of files. Index = [`PrincipalId`]; the first is the site owner.
    pub principals: Vec<Principal>,
    /// Permits and forbids.
    pub permits: Vec<Permit>,
    /// Admission statements.
    pub admissions: Vec<Admission>,
    /// `prove` statements.
    pub proofs: Vec<Proof>,
    /// Policy tests.
    pub tests: Vec<PolicyTest>,
    /// What the plan minimises below the classes.
    pub objective: Objective,
    /// Settings from the manifest that plans depend on.
    pub settings: Settings,
    /// Statements understood but not honoured by every verb yet; each names the verbs.
    pub unhonoured: Vec<Unhonoured>,
    /// Where the statements begin that documents name, sorted. Bundles of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

/// Place on earth, degrees; north and east positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// -90..90.
    pub latitude: Rat,
    /// -180..180.
    pub longitude: Rat,
}

/// A run of equal steps; the last run may be unbounded (`count: None`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRun {
    /// How many; `None` until the horizon's end.
    pub count: Option<u32>,
    /// Length of each, s, above 0.
    pub length_s: i64,
}

/// What a host does when it has no valid plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPlan {
    /// Hands devices to their declared local state.
    Release,
    /// Leaves them at their last command.
    Hold,
}

/// Whether bundles and plans must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signatures {
    /// The site declares that it needs none; every output says so.
    None,
    /// Required (the default).
    Required,
}

/// A priority class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its word.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
}

/// A file of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path inside the repository, `/` between parts.
    pub path: String,
    /// SHA-256 of its text, hex.
    pub sha256: String,
    /// Owner of its statements.
    pub owner: PrincipalId,
}

/// Where a statement begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// In which text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// File, line and column (in characters), both from 1: `rules/comfort.evl:12:3`.
    pub at: String,
}

/// Manifest settings that change what a plan is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Largest absolute gap in currency for `Optimal`; `None`: 0.01.
    pub max_gap_money: Option<Rat>,
    /// Largest relative gap for `Optimal`; `None`: 0.0001.
    pub max_gap_ratio: Option<Rat>,
    /// Lint levels by code (`EVL0401` -> `error`).
    pub lints: BTreeMap<String, LintLevel>,
}

/// How loud a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LintLevel {
    /// Not shown.
    Allow,
    /// A warning.
    Warn,
    /// An error.
    Deny,
}

/// A statement whose meaning is settled but which some verbs cannot honour yet. Those verbs refuse
/// the policy with EVL1001 (plan, apply) or EVL0299 (check) at its span; none ignores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unhonoured {
    /// What it is, in the author's words.
    pub what: String,
    /// Where.
    pub span: Span,
    /// Refused by `check`.
    pub check: bool,
    /// Refused by `plan` and everything after it.
    pub plan: bool,
}

impl Site {
    /// A site about which nothing is said yet: one day in UTC, signatures required.
    #[must_use]
    pub fn new(span: Span) -> Self {
        let day = CivilDate { year: 2000, month: 1, day: 1 };
        Self {
            version: IR_VERSION,
            edition: 2026,
            name: String::new(),
            span,
            timezone: "UTC".to_owned(),
            location: None,
            currency: String::new(),
            step: Vec::new(),
            horizon_s: 0,
            valid: (day, day),
            holidays: Vec::new(),
            on_no_plan: NoPlan::Release,
            emergency: None,
            signatures: Signatures::Required,
            classes: Vec::new(),
            files: Vec::new(),
            buses: Vec::new(),
            links: Vec::new(),
            gateways: Vec::new(),
            families: Vec::new(),
            zones: Vec::new(),
            groups: Vec::new(),
            schedules: Vec::new(),
            feeds: Vec::new(),
            signals: Vec::new(),
            assumptions: Vec::new(),
            tariffs: Vec::new(),
            budgets: Vec::new(),
            rules: Vec::new(),
            latches: Vec::new(),
            held: Vec::new(),
            principals: Vec::new(),
            permits: Vec::new(),
            admissions: Vec::new(),
            proofs: Vec::new(),
            tests: Vec::new(),
            objective: Objective { levels: Vec::new(), span },
            settings: Settings::default(),
            unhonoured: Vec::new(),
            places: Vec::new(),
        }
    }

    /// File, line and column of what begins here, as in `rules/comfort.evl:12:3`. Line 0 where the site does
    /// not say.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let key = |place: &Place| (place.source, place.start);
        match self.places.binary_search_by_key(&(span.source, span.start), key) {
            Ok(found) => self.places.get(found).map(|place| place.at.clone()).unwrap_or_default(),
            Err(_) => {
                let file = self.files.get(span.source.0 as usize).map_or("", |f| f.path.as_str());
                format!("{file}:0:0")
            }
        }
    }

    /// The devices that an effect of a rule commands.
    #[must_use]
    pub fn commanded_by(&self, rule: &Rule, effect: &Effect) -> Vec<MemberRange> {
        match (&effect.kind, &effect.target, rule.for_each) {
            (EffectKind::Notify { .. }, _, _) => Vec::new(),
            (_, Target::Bound, Some(group)) => self.target_members(&Target::Group(group)),
            (_, target, _) => self.target_members(target),
        }
    }

    /// Devices of a family: 1 unless it is an array.
    #[must_use]
    pub fn family(&self, id: FamilyId) -> Option<&Family> {
        self.families.get(id.index())
    }

    /// The signal.
    #[must_use]
    pub fn signal(&self, id: SignalId) -> Option<&Signal> {
        self.signals.get(id.index())
    }

    /// The signal that measures `attr` of `family`, where one is declared.
    #[must_use]
    pub fn measured(&self, family: FamilyId, attr: &Attr) -> Option<SignalId> {
        self.family(family)?.readings.get(attr).copied()
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self, id: ZoneId) -> Option<&Zone> {
        self.zones.get(id.index())
    }

    /// The group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.index())
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.index())
    }

    /// The class.
    #[must_use]
    pub fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(id.index())
    }

    /// A device's name as the author writes it: `pack`, `charger[3]`.
    #[must_use]
    pub fn device_name(&self, device: Device) -> String {
        match self.family(device.family) {
            Some(f) if f.count.is_some() => format!("{}[{}]", f.name, device.index),
            Some(f) => f.name.clone(),
            None => String::new(),
        }
    }

    /// Every device, in declaration order.
    pub fn devices(&self) -> impl Iterator<Item = Device> + '_ {
        self.families.iter().flat_map(|f| (1..=f.len()).map(|index| Device { family: f.id, index }))
    }

    /// The member ranges that a target names; empty for zones, grids of none and the site.
    #[must_use]
    pub fn target_members(&self, target: &Target) -> Vec<MemberRange> {
        match target {
            Target::Members(m) => m.clone(),
            Target::Group(g) => self.group(*g).map(|g| g.members.clone()).unwrap_or_default(),
            Target::Zone(_) | Target::Bound | Target::Site => Vec::new(),
        }
    }
}
