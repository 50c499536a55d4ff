//! Signals, linear expressions and guards.

use serde::{Deserialize, Serialize};

use super::{Attr, Device, FamilyId, FeedId, GroupId, HeldId, LatchId, Sched, SignalId, TariffId, ZoneId};
use crate::diag::Span;
use crate::quantity::{Rat, Type};

/// Something a guard or a bound can read (semantics.md 1-4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its index.
    pub id: SignalId,
    /// As the author writes it: `weather.temperature`, `price.import`, `garage_co.ppm`,
    /// `pack.charge_level`, `max(weather.temperature, next 3 h)`. For an array: without index.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// `None`: one value; `Some(n)`: one a member of an array, 1-based.
    pub count: Option<u32>,
    /// Declared (or physical) range.
    pub domain: Domain,
    /// What it derives from.
    pub source: SignalSource,
    /// Quality bounds; `None`: never unknown (prices, modes, calendar).
    pub reading: Option<Reading>,
    /// The feed that carries it, where one does.
    pub feed: Option<FeedId>,
    /// Value presumed where no feed covers it (planner.md 9).
    pub normal: Option<Value>,
    /// One register step (or 0.001 of the unit): `x > a` on a decided quantity means `x > a + step`.
    /// Zero for signals that are not decided.
    pub strict_step: Rat,
    /// Where it is declared.
    pub span: Span,
}

/// Values a signal can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Closed interval, canonical unit.
    Interval {
        /// Least.
        lo: Rat,
        /// Greatest.
        hi: Rat,
    },
    /// True or false.
    Bool,
    /// One of these words, in declared order; values are indices.
    Symbols(Vec<String>),
}

/// A value of a signal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Canonical number.
    Number(Rat),
    /// Truth value.
    Bool(bool),
    /// Index into [`Domain::Symbols`].
    Symbol(u32),
}

/// What a signal derives from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalSource {
    /// Weather, free in its range.
    Weather,
    /// A plain feed, free in its range.
    Feed(FeedId),
    /// A point that a control device (or any device) reads, free in its range.
    Sensor(FamilyId, String),
    /// The measured value of a decided attribute of a device: free in the physical range in
    /// `check`, the step's beginning in a plan.
    Measured(FamilyId, Attr),
    /// The measured state of a zone.
    ZoneState(ZoneId, Attr),
    /// Import price of a tariff: tied to the instant unless the tariff names a real-time feed.
    ImportPrice(TariffId),
    /// Export price, likewise.
    ExportPrice(TariffId),
    /// An event's level.
    Event,
    /// The site's mode.
    Mode,
    /// An aggregate of another signal over the coming or the past hours (semantics.md 2).
    Aggregate {
        /// max, min, mean or sum.
        op: AggregateOp,
        /// Of which signal.
        of: SignalId,
        /// Window, elapsed s: `[t, t + over)`, or `(t + over, t]` where it is negative.
        over_s: i64,
    },
}

/// Window aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateOp {
    /// Greatest.
    Max,
    /// Least.
    Min,
    /// Time-weighted mean.
    Mean,
    /// Integral over hours.
    Sum,
}

/// How a reading is polled and when it is stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Poll interval, s.
    pub poll_s: Option<Rat>,
    /// Older than this is stale, s.
    pub max_age_s: Option<Rat>,
}

/// Which value of a signal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigRef {
    /// A signal with one value.
    Only(SignalId),
    /// A member of a signal array.
    Member(SignalId, u32),
    /// The attribute of the member bound by `for each` or by a quantifier.
    Bound(Attr),
}

/// A linear expression in canonical units: `constant + sum(coef x signal)`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lin {
    /// Constant part.
    pub constant: Rat,
    /// Terms, no two of the same reference, no zero coefficient.
    pub terms: Vec<(Rat, SigRef)>,
    /// Sums over the members of a group: `coef x sum(group.attr)`.
    pub sums: Vec<(Rat, GroupTerm)>,
}

/// The sum of one attribute over members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupTerm {
    /// Group.
    pub group: GroupId,
    /// Attribute.
    pub attr: Attr,
}

impl Lin {
    /// A constant.
    #[must_use]
    pub fn constant(value: Rat) -> Self {
        Self { constant: value, terms: Vec::new(), sums: Vec::new() }
    }

    /// A single reference.
    #[must_use]
    pub fn of(signal: SigRef) -> Self {
        Self { constant: Rat::ZERO, terms: vec![(Rat::ONE, signal)], sums: Vec::new() }
    }

    /// Its value where it is constant.
    #[must_use]
    pub fn as_constant(&self) -> Option<&Rat> {
        (self.terms.is_empty() && self.sums.is_empty()).then_some(&self.constant)
    }
}

/// Comparison with zero on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cmp {
    /// `< 0`
    Lt,
    /// `<= 0`
    Le,
    /// `> 0`
    Gt,
    /// `>= 0`
    Ge,
    /// `= 0`
    Eq,
    /// `!= 0`
    Ne,
}

/// A condition. Three-valued where a reading is unknown (semantics.md 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// A constant.
    Const(bool),
    /// Negation.
    Not(Box<Guard>),
    /// All hold (empty: true).
    All(Vec<Guard>),
    /// One holds (empty: false).
    Any(Vec<Guard>),
    /// `lin op 0`. `decided` is the strictness step that [`Cmp::Lt`] and [`Cmp::Gt`] use where the
    /// expression reads a decided quantity; zero otherwise (semantics.md 3).
    Compare {
        /// Left side minus right side.
        lin: Lin,
        /// Against zero.
        op: Cmp,
        /// See above.
        step: Rat,
    },
    /// A truth-valued signal holds.
    Is(SigRef),
    /// A symbolic signal has this value.
    Equals(SigRef, u32),
    /// The instant is in the schedule.
    During(Sched),
    /// `for d`: the guard has held for that long.
    Held(HeldId, Box<Guard>),
    /// Quantified over the members of a group.
    Quantified {
        /// Which quantifier.
        quantifier: Quantifier,
        /// Over which members.
        group: GroupId,
        /// Its body, with [`SigRef::Bound`].
        body: Box<Guard>,
    },
    /// `emergency` of the site.
    Emergency,
}

/// Quantifiers over groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantifier {
    /// At least one member.
    Any,
    /// Every member.
    Every,
    /// `count(..) op n`.
    Count(Cmp, i64),
}

/// A memory bit of a rule with `until` or `latch until reset` (semantics.md 8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latch {
    /// Its index.
    pub id: LatchId,
    /// As people name it: the rule's name (`co_alarm`), with the member for `for each` rules.
    pub name: String,
    /// The rule it belongs to.
    pub rule: super::RuleId,
    /// The member, for `for each` rules.
    pub member: Option<Device>,
    /// Where it is declared.
    pub span: Span,
}

/// A `for d` bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Its index.
    pub id: HeldId,
    /// As people name it: the rule's name, with a number where a rule has several.
    pub name: String,
    /// Elapsed s.
    pub for_s: i64,
    /// Where it is declared.
    pub span: Span,
}

/// Something that holds in every environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assumption {
    /// What holds.
    pub guard: Guard,
    /// Only during; [`Sched::Always`] if unrestricted.
    pub during: Sched,
    /// As written, for messages.
    pub text: String,
    /// Where.
    pub span: Span,
}
