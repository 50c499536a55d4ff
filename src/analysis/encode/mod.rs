//! The typed policy as formulas: what each guard, rule and assumption says about an environment.

mod environment;
mod force;
mod guard;
mod latch;
mod law;
mod rule;

pub(crate) use environment::{Environment, PartKind, domains, fixed_levels};
pub(crate) use force::{Subject, commanded};
pub(crate) use guard::Scope;
pub(crate) use latch::Reach;
pub(crate) use law::told;
pub(crate) use rule::Instance;

use std::collections::BTreeSet;

use super::formula::{Bit, Formula, Num};
use super::time::Atoms;
use crate::calendar::Calendar;
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{SignalId, Site};

/// Most members of a group that a guard over it is written out for.
pub(crate) const MAX_MEMBERS: u64 = 4096;

/// A site while its statements are turned into formulas.
#[derive(Debug)]
pub(crate) struct World<'a> {
    /// The policy.
    pub(crate) site: &'a Site,
    /// Sets of instants that it names.
    pub(crate) atoms: Atoms<'a>,
    /// Statements that could not be turned into formulas.
    pub(crate) refused: Vec<Diagnostic>,
}

impl<'a> World<'a> {
    /// A world without formulas yet.
    pub(crate) fn new(site: &'a Site, calendar: &'a Calendar) -> Self {
        Self { site, atoms: Atoms::new(calendar), refused: Vec::new() }
    }

    /// Notes that a statement is understood and that no question about it can be answered.
    pub(crate) fn refuse(&mut self, span: Span, what: impl Into<String>) {
        self.refused.push(Diagnostic::error(codes::NOT_CHECKED_YET, span, what));
    }
}

/// What a formula reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Numbers.
    pub(crate) nums: BTreeSet<Num>,
    /// Truth values.
    pub(crate) bits: BTreeSet<Bit>,
}

impl Footprint {
    /// Of a formula.
    pub(crate) fn of(formula: &Formula) -> Self {
        let mut all = Self::default();
        all.add(formula);
        all
    }

    /// Adds what a formula reads.
    pub(crate) fn add(&mut self, formula: &Formula) {
        let (nums, bits) = (&mut self.nums, &mut self.bits);
        formula.visit(
            &mut |num| {
                nums.insert(num);
            },
            &mut |bit| {
                bits.insert(bit);
            },
        );
    }

    /// Adds another footprint.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.nums.extend(other.nums.iter().copied());
        self.bits.extend(other.bits.iter().copied());
    }

    /// The atoms in it.
    pub(crate) fn atoms(&self) -> BTreeSet<u32> {
        self.bits.iter().filter_map(|bit| if let Bit::Atom(a) = bit { Some(*a) } else { None }).collect()
    }

    /// The signals whose value it reads.
    pub(crate) fn signals(&self) -> BTreeSet<SignalId> {
        let nums = self.nums.iter().filter_map(|num| match num {
            Num::Signal(signal, _) => Some(*signal),
            Num::Fresh(_) => None,
        });
        let bits = self.bits.iter().filter_map(|bit| match bit {
            Bit::Truth(signal, _) | Bit::Symbol(signal, _, _) => Some(*signal),
            _ => None,
        });
        nums.chain(bits).collect()
    }
}
