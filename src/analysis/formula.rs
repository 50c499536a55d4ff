//! What is asked of the solver: quantifier-free linear arithmetic over exact rationals and truth
//! values, as plain data. The rest of the analysis builds and simplifies these; only `smt` turns
//! them into terms of a solver.

use std::collections::BTreeMap;

use crate::ir::{Device, HeldId, LatchId, RuleId, SignalId};
use crate::quantity::Rat;

/// A number that the solver may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Num {
    /// The value of a signal; the member of an array, or 0.
    Signal(SignalId, u32),
    /// An auxiliary number of one query.
    Fresh(u32),
}

/// A truth value that the solver may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Bit {
    /// A truth-valued signal holds; member or 0.
    Truth(SignalId, u32),
    /// A symbolic signal has this value; member or 0, index of the symbol.
    Symbol(SignalId, u32, u32),
    /// The reading is known; member or 0.
    Known(SignalId, u32),
    /// A latch is set.
    Latch(LatchId),
    /// A `for d` condition has held long enough.
    Held(HeldId),
    /// What the guard of a rule with `on loss hold` was when last known.
    LastKnown(RuleId, Option<Device>),
    /// The instant lies in an atom.
    Atom(u32),
    /// An auxiliary truth value of one query.
    Fresh(u32),
}

/// `constant + sum(coef x number)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Linear {
    /// Constant part.
    pub(crate) constant: Rat,
    /// Sorted by number, no zero coefficient.
    pub(crate) terms: Vec<(Num, Rat)>,
}

impl Linear {
    /// A constant.
    pub(crate) fn constant(value: Rat) -> Self {
        Self { constant: value, terms: Vec::new() }
    }

    /// One number.
    pub(crate) fn num(num: Num) -> Self {
        Self { constant: Rat::ZERO, terms: vec![(num, Rat::ONE)] }
    }

    /// Adds `coef x num`.
    pub(crate) fn add_term(&mut self, coef: &Rat, num: Num) {
        match self.terms.binary_search_by(|(n, _)| n.cmp(&num)) {
            Ok(at) => {
                if let Some((_, c)) = self.terms.get_mut(at) {
                    *c += coef;
                    if c.is_zero() {
                        self.terms.remove(at);
                    }
                }
            }
            Err(at) => {
                if !coef.is_zero() {
                    self.terms.insert(at, (num, coef.clone()));
                }
            }
        }
    }

    /// `self + coef x other`.
    #[must_use]
    pub(crate) fn plus(&self, coef: &Rat, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.constant += &(coef * &other.constant);
        for (num, c) in &other.terms {
            sum.add_term(&(coef * c), *num);
        }
        sum
    }

    /// `self - other`.
    #[must_use]
    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.plus(&Rat::int(-1), other)
    }

    /// Its value where it is constant.
    pub(crate) fn as_constant(&self) -> Option<&Rat> {
        self.terms.is_empty().then_some(&self.constant)
    }

    /// Its value under an assignment; numbers that are not assigned count as 0.
    pub(crate) fn value(&self, nums: &BTreeMap<Num, Rat>) -> Rat {
        let mut sum = self.constant.clone();
        for (num, coef) in &self.terms {
            if let Some(v) = nums.get(num) {
                sum += &(coef * v);
            }
        }
        sum
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Formula {
    /// True or false.
    Const(bool),
    /// A truth value.
    Bit(Bit),
    /// `linear < 0`.
    Negative(Linear),
    /// `linear <= 0`.
    NotPositive(Linear),
    /// `linear = 0`.
    Zero(Linear),
    /// Negation.
    Not(Box<Formula>),
    /// All hold.
    All(Vec<Formula>),
    /// One holds.
    Any(Vec<Formula>),
    /// At most `n` hold.
    AtMost(Vec<Formula>, u32),
}

impl Formula {
    /// Never.
    pub(crate) const FALSE: Self = Self::Const(false);
    /// Always.
    pub(crate) const TRUE: Self = Self::Const(true);

    /// Conjunction, folded.
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Const(true) => {}
                Self::Const(false) => return Self::FALSE,
                Self::All(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match (kept.pop(), kept.is_empty()) {
            (None, _) => Self::TRUE,
            (Some(one), true) => one,
            (Some(last), false) => {
                kept.push(last);
                Self::All(kept)
            }
        }
    }

    /// Disjunction, folded.
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Const(false) => {}
                Self::Const(true) => return Self::TRUE,
                Self::Any(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match (kept.pop(), kept.is_empty()) {
            (None, _) => Self::FALSE,
            (Some(one), true) => one,
            (Some(last), false) => {
                kept.push(last);
                Self::Any(kept)
            }
        }
    }

    /// Negation, folded.
    #[must_use]
    pub(crate) fn negate(self) -> Self {
        match self {
            Self::Const(b) => Self::Const(!b),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// `a => b`.
    pub(crate) fn implies(a: Self, b: Self) -> Self {
        Self::any([a.negate(), b])
    }

    /// `linear < 0`, folded.
    pub(crate) fn negative(linear: Linear) -> Self {
        match linear.as_constant() {
            Some(c) => Self::Const(c.is_negative()),
            None => Self::Negative(linear),
        }
    }

    /// `linear <= 0`, folded.
    pub(crate) fn not_positive(linear: Linear) -> Self {
        match linear.as_constant() {
            Some(c) => Self::Const(!c.is_positive()),
            None => Self::NotPositive(linear),
        }
    }

    /// `linear = 0`, folded.
    pub(crate) fn zero(linear: Linear) -> Self {
        match linear.as_constant() {
            Some(c) => Self::Const(c.is_zero()),
            None => Self::Zero(linear),
        }
    }

    /// `a < b`.
    pub(crate) fn less(a: &Linear, b: &Linear) -> Self {
        Self::negative(a.minus(b))
    }

    /// `a <= b`.
    pub(crate) fn at_most(a: &Linear, b: &Linear) -> Self {
        Self::not_positive(a.minus(b))
    }

    /// Its value under an assignment; bits that are not assigned count as false.
    pub(crate) fn holds(&self, nums: &BTreeMap<Num, Rat>, bits: &BTreeMap<Bit, bool>) -> bool {
        match self {
            Self::Const(b) => *b,
            Self::Bit(b) => bits.get(b).copied().unwrap_or(false),
            Self::Negative(l) => l.value(nums).is_negative(),
            Self::NotPositive(l) => !l.value(nums).is_positive(),
            Self::Zero(l) => l.value(nums).is_zero(),
            Self::Not(f) => !f.holds(nums, bits),
            Self::All(fs) => fs.iter().all(|f| f.holds(nums, bits)),
            Self::Any(fs) => fs.iter().any(|f| f.holds(nums, bits)),
            Self::AtMost(fs, n) => fs.iter().filter(|f| f.holds(nums, bits)).count() <= *n as usize,
        }
    }

    /// Visits every number and truth value in it.
    pub(crate) fn visit(&self, nums: &mut impl FnMut(Num), bits: &mut impl FnMut(Bit)) {
        match self {
            Self::Const(_) => {}
            Self::Bit(b) => bits(*b),
            Self::Negative(l) | Self::NotPositive(l) | Self::Zero(l) => {
                l.terms.iter().for_each(|(n, _)| nums(*n));
            }
            Self::Not(f) => f.visit(nums, bits),
            Self::All(fs) | Self::Any(fs) | Self::AtMost(fs, _) => {
                fs.iter().for_each(|f| f.visit(nums, bits));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_meaning() {
        let x = Num::Fresh(0);
        let b = Formula::Bit(Bit::Fresh(0));
        assert_eq!(Formula::all([Formula::TRUE, b.clone()]), b);
        assert_eq!(Formula::all([Formula::FALSE, b.clone()]), Formula::FALSE);
        assert_eq!(Formula::any([]), Formula::FALSE);
        assert_eq!(b.clone().negate().negate(), b);
        let mut l = Linear::num(x);
        l.add_term(&Rat::int(-1), x);
        assert_eq!(Formula::not_positive(l), Formula::TRUE);
    }

    #[test]
    fn values_follow_the_assignment() {
        let x = Num::Fresh(0);
        let nums = BTreeMap::from([(x, Rat::int(3))]);
        let three = Linear::constant(Rat::int(3));
        assert!(Formula::at_most(&Linear::num(x), &three).holds(&nums, &BTreeMap::new()));
        assert!(!Formula::less(&Linear::num(x), &three).holds(&nums, &BTreeMap::new()));
    }
}
