//! What the meaning depends on: an instant, readings and memory bits (semantics.md 1-4, 8).

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::Instant;
use crate::ir::{Device, HeldId, LatchId, RuleId, SigRef, Value};

/// A signal's value with its quality: good readings are known, stale and bad ones are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Good.
    Known(Value),
    /// Stale or bad.
    Unknown,
}

/// A rule, or one member's instance of a `for each` rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The rule.
    pub rule: RuleId,
    /// The member, for `for each` rules.
    pub member: Option<Device>,
}

impl Instance {
    /// A rule without `for each`.
    #[must_use]
    pub const fn of(rule: RuleId) -> Self {
        Self { rule, member: None }
    }
}

/// An environment.
///
/// Signals that the instant fixes (time-of-use prices and their aggregates) are computed from the
/// calendar and need not be given; where they are, the calendar's value counts. A signal that is
/// missing from `values` counts as unknown in [`evaluate`](super::evaluate()) and as open in
/// [`activation`](super::activation).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// The instant.
    pub at: Instant,
    /// Values by signal. A member of a signal array is [`SigRef::Member`].
    pub values: BTreeMap<SigRef, Reading>,
    /// Latch bits that are set; the others are not.
    pub latches: BTreeSet<LatchId>,
    /// `for d` bits that are set.
    pub held: BTreeSet<HeldId>,
    /// For `on loss hold D`: what the guard was when it was last known, while that is no longer
    /// ago than D. Absent afterwards.
    pub last_known: BTreeMap<Instance, bool>,
}

impl Environment {
    /// An instant at which nothing is known and nothing remembered.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self { at, ..Self::default() }
    }

    /// With one more known value.
    #[must_use]
    pub fn with(mut self, signal: SigRef, value: Value) -> Self {
        self.values.insert(signal, Reading::Known(value));
        self
    }

    /// With one more reading lost.
    #[must_use]
    pub fn without(mut self, signal: SigRef) -> Self {
        self.values.insert(signal, Reading::Unknown);
        self
    }
}

/// Kleene's three truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not hold.
    False,
    /// A reading is missing that would decide it.
    Unknown,
    /// It holds.
    True,
}

impl Truth {
    /// From a decided truth value.
    #[must_use]
    pub const fn from_bool(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }

    /// Kleene's `not`.
    #[must_use]
    pub const fn negated(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }

    /// Kleene's `and`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Kleene's `or`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// The truth value where it is known.
    #[must_use]
    pub const fn known(self) -> Option<bool> {
        match self {
            Self::False => Some(false),
            Self::Unknown => None,
            Self::True => Some(true),
        }
    }
}
