//! Rules and their effects (semantics.md 8-19).

use serde::{Deserialize, Serialize};

use super::{
    Attr, BudgetId, CivilInstant, ClassId, Device, FamilyId, GroupId, Guard, LatchId, Lin, MemberRange,
    PrincipalId, RuleId, Sched, Value, ZoneId,
};
use crate::diag::Span;
use crate::quantity::Rat;

/// A rule: when its guard holds, its effects are active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its index, in source order.
    pub id: RuleId,
    /// Name.
    pub name: String,
    /// Priority class.
    pub class: ClassId,
    /// Owner of its file.
    pub owner: PrincipalId,
    /// Its name in the text.
    pub span: Span,
    /// `for each c in G`: one instance a member.
    pub for_each: Option<GroupId>,
    /// `when`; always if absent.
    pub when: Guard,
    /// Where the guard stands; the rule's name where there is none.
    pub when_span: Span,
    /// `until`.
    pub until: Option<Guard>,
    /// Kind of memory.
    pub memory: Memory,
    /// Latch bits: one, or one a member for `for each`; empty without memory.
    pub latches: Vec<LatchId>,
    /// What an unknown guard counts as.
    pub on_loss: OnLoss,
    /// Least time between two firings of `notify` and `run`, s.
    pub at_most_every_s: Option<i64>,
    /// Effects in source order.
    pub effects: Vec<Effect>,
}

/// How a rule remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// It does not.
    None,
    /// `until B`.
    Until,
    /// `latch until reset by ROLE`, with or without `until`.
    Reset {
        /// Role that may reset it.
        role: String,
    },
}

/// What an unknown guard counts as (semantics.md 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// True.
    Active,
    /// False.
    Inactive,
    /// The last known for this long, s; then inactive (active in the first class).
    Hold(i64),
}

/// One effect of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Place among the rule's effects.
    pub index: u32,
    /// The author's verb.
    pub verb: Verb,
    /// On what.
    pub target: Target,
    /// What is asked.
    pub kind: EffectKind,
    /// `preferably`: never enters conflict or override (semantics.md 19).
    pub preferably: bool,
    /// Price of breaching a preference, in the unit of its type per hour or kWh.
    pub price: Option<Rat>,
    /// Where the effect stands in the text.
    pub span: Span,
    /// As written, for reasons and messages: `limit evs to 3.6 kW each`.
    pub text: String,
}

/// The author's verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `set A to V`
    Set,
    /// `limit A to V`
    Limit,
    /// `hold A at most | at least | between | V`
    Hold,
    /// `keep A at least V`
    Keep,
    /// `turn on`
    TurnOn,
    /// `turn off`
    TurnOff,
    /// `connect`
    Connect,
    /// `disconnect`
    Disconnect,
    /// `supply C from S`
    Supply,
    /// `never supply C from S`
    NeverSupply,
    /// `deliver E to C between ..`
    Deliver,
    /// `run C for D between ..`
    Run,
    /// `notify P "text"`
    Notify,
    /// `follow surplus | import V`
    Follow,
    /// `read` (permits only)
    Read,
}

impl Verb {
    /// As the author writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Limit => "limit",
            Self::Hold => "hold",
            Self::Keep => "keep",
            Self::TurnOn => "turn on",
            Self::TurnOff => "turn off",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Supply => "supply",
            Self::NeverSupply => "never supply",
            Self::Deliver => "deliver",
            Self::Run => "run",
            Self::Notify => "notify",
            Self::Follow => "follow",
            Self::Read => "read",
        }
    }
}

/// What an effect, permit or budget is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Devices named directly: `boiler`, `charger[3]`, `charger[1..4]`.
    Members(Vec<MemberRange>),
    /// A named group.
    Group(GroupId),
    /// A zone.
    Zone(ZoneId),
    /// The member bound by `for each`.
    Bound,
    /// The whole site (budgets).
    Site,
}

/// What an effect asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// The attribute lies in a closed interval.
    Bound {
        /// Attribute.
        attr: Attr,
        /// Least; `None`: unbounded below.
        lo: Option<Lin>,
        /// Greatest; `None`: unbounded above.
        hi: Option<Lin>,
        /// Each member, or the total.
        share: Share,
        /// Mean over this many s on the clock; `None`: instantaneous.
        averaged_s: Option<i64>,
    },
    /// The attribute is one of these values or closed intervals.
    Choice {
        /// Attribute.
        attr: Attr,
        /// Sorted, disjoint.
        pieces: Vec<(Rat, Rat)>,
    },
    /// On or off.
    Switch(bool),
    /// Connected or not.
    Connect(bool),
    /// Origins allowed (or, with `never`, removed).
    Supply {
        /// Producers, stores and grids named.
        from: Vec<MemberRange>,
        /// Removes rather than restricts.
        never: bool,
        /// Accounting only: the host does not follow the source.
        by_accounting: bool,
    },
    /// At least this energy at the terminals inside each window.
    Deliver {
        /// kWh.
        energy: Lin,
        /// When.
        window: ObligationWindow,
    },
    /// Runs at its on power for this long inside each window.
    Run {
        /// s.
        for_s: i64,
        /// Without interruption.
        uninterrupted: bool,
        /// When.
        window: ObligationWindow,
    },
    /// A message; no effect on devices.
    Notify {
        /// Vendor, tenant or role.
        to: String,
        /// Text.
        text: String,
    },
    /// Keeps the meter of a grid at a target, as far as it can.
    Follow {
        /// Which meter, and which way it is read.
        meter: Meter,
        /// kW.
        target: Lin,
    },
}

impl EffectKind {
    /// The amounts that it names, which may read signals.
    pub fn amounts(&self) -> impl Iterator<Item = &Lin> {
        let (first, second) = match self {
            Self::Bound { lo, hi, .. } => (lo.as_ref(), hi.as_ref()),
            Self::Deliver { energy, .. } => (Some(energy), None),
            Self::Follow { target, .. } => (Some(target), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// What `follow` tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowWhat {
    /// Export less import.
    Surplus,
    /// Import less export.
    Import,
}

/// A grid's meter as `follow` reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// The grid.
    pub grid: Device,
    /// Which way counts as positive.
    pub what: FollowWhat,
}

impl Meter {
    /// Import less export, kW, where it shows `target`.
    #[must_use]
    pub fn net_import(self, target: &Rat) -> Rat {
        match self.what {
            FollowWhat::Import => target.clone(),
            FollowWhat::Surplus => -target,
        }
    }
}

/// Each member or the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// One effect a member (also for a single device).
    Each,
    /// The total over the members.
    Together,
}

/// The windows of an obligation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObligationWindow {
    /// A window on each selected day; in a fold it is the hull of its pieces.
    Recurring(Sched),
    /// Two dated instants.
    Dated(CivilInstant, CivilInstant),
}

/// `prove` statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// What is claimed.
    pub claim: Claim,
    /// As written.
    pub text: String,
    /// Owner of its file.
    pub owner: PrincipalId,
    /// Where.
    pub span: Span,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The condition never holds.
    Never(Guard, Option<i64>),
    /// The condition always holds.
    Always(Guard, Option<i64>),
    /// Tenants do not touch each other.
    TenantsIsolated,
    /// Conforms to a baseline file.
    Conforms {
        /// Path inside the repository.
        baseline: String,
    },
}

/// A policy test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyTest {
    /// Its title.
    pub name: String,
    /// The instant.
    pub at: Option<CivilInstant>,
    /// Values fixed; everything else keeps all its values.
    pub given: Vec<Given>,
    /// What must hold for all.
    pub expect: Vec<Expect>,
    /// Owner of its file.
    pub owner: PrincipalId,
    /// Where.
    pub span: Span,
}

/// One fixed fact of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// What is fixed.
    pub what: GivenWhat,
    /// Where.
    pub span: Span,
}

/// What a `given` fixes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenWhat {
    /// A signal's value (aggregates are signals).
    Signal(super::SigRef, Value),
    /// A signal's range, both ends included.
    Between(super::SigRef, Rat, Rat),
    /// A latch bit.
    Latch(LatchId, bool),
    /// A `for d` bit.
    Held(super::HeldId, bool),
    /// What the guard of a rule with `on loss hold` was when it was last known.
    LastKnown(RuleId, Option<super::Device>, bool),
    /// Whether a reading is known.
    Known(super::SigRef, bool),
}

impl GivenWhat {
    /// What a rule holds over time, in the order in which a test counts it: its `for d` bits as they
    /// stand in the text, then what its guard was when last known, by member. All set.
    #[must_use]
    pub fn held_by(site: &super::Site, rule: RuleId) -> Vec<Self> {
        let Some(of) = site.rule(rule) else { return Vec::new() };
        let mut ids = Vec::new();
        for guard in std::iter::once(&of.when).chain(&of.until) {
            held_in(guard, &mut ids);
        }
        ids.sort_unstable();
        let held = ids.into_iter().map(|id| Self::Held(id, true));
        let group = of.for_each.and_then(|group| site.group(group));
        let members = match (of.on_loss, group) {
            (OnLoss::Hold(_), None) => vec![None],
            (OnLoss::Hold(_), Some(group)) => group.devices().map(Some).collect(),
            _ => Vec::new(),
        };
        held.chain(members.into_iter().map(|member| Self::LastKnown(rule, member, true))).collect()
    }
}

fn held_in(guard: &Guard, found: &mut Vec<super::HeldId>) {
    match guard {
        Guard::Held(id, inner) => {
            found.push(*id);
            held_in(inner, found);
        }
        Guard::Not(inner) => held_in(inner, found),
        Guard::All(parts) | Guard::Any(parts) => parts.iter().for_each(|part| held_in(part, found)),
        Guard::Quantified { body, .. } => held_in(body, found),
        Guard::Const(_)
        | Guard::Compare { .. }
        | Guard::Is(_)
        | Guard::Equals(..)
        | Guard::During(_)
        | Guard::Emergency => {}
    }
}

/// One expectation of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// What is expected.
    pub what: ExpectWhat,
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// What is expected of the resolved sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectWhat {
    /// The resolved set of an attribute lies inside an interval.
    Within {
        /// Of what.
        target: Target,
        /// Attribute.
        attr: Attr,
        /// Least.
        lo: Option<Rat>,
        /// Greatest.
        hi: Option<Rat>,
        /// Each or the total.
        share: Share,
    },
    /// On or off.
    Switch(Target, bool),
    /// Connected or not.
    Connect(Target, bool),
    /// These rules clash.
    Conflict(Vec<RuleId>),
    /// No rules clash.
    NoConflict,
    /// This rule is overridden.
    Overridden(RuleId),
    /// This rule is active (or not).
    Active(RuleId, bool),
}

/// Something a plan's reason, override or breach points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// An effect of a rule.
    Effect(RuleId, u32),
    /// A budget.
    Budget(BudgetId),
    /// A zone's comfort.
    Comfort(ZoneId),
    /// A device's declaration (ratings, need, end of a store).
    Device(FamilyId),
    /// A bus limit.
    Bus(super::BusId),
    /// A link's capacity.
    Link(super::LinkId),
    /// A tariff.
    Tariff(super::TariffId),
}
