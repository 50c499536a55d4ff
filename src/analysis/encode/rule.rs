//! Rules as formulas: when an instance of a rule is active.

use super::super::formula::{Bit, Formula};
use super::World;
use super::guard::{Scope, Tri};
use crate::ir::{Device, Guard, LatchId, Memory, OnLoss, Rule};

/// A rule, or one member's share of a `for each` rule.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// It is active.
    pub(crate) active: Formula,
    /// Of a rule that may be active because a reading is lost: the alternatives of its guard, each as far
    /// as readings show it.
    pub(crate) shown: Vec<Formula>,
}

/// What moves a latch bit (semantics.md 8).
#[derive(Debug, Clone)]
pub(super) struct LatchMoves {
    /// Sets it.
    pub(super) set: Formula,
    /// Surely clears it (where it is not set).
    pub(super) clear: Formula,
    /// A person may clear it (where it is not set).
    pub(super) may_clear: Formula,
}

/// The parts of which any one makes a guard true.
fn alternatives(guard: &Guard) -> Vec<&Guard> {
    match guard {
        Guard::Any(parts) => parts.iter().flat_map(alternatives).collect(),
        other => vec![other],
    }
}

impl World<'_> {
    /// What an unknown guard counts as, by the rule's `on loss`.
    fn settle(tri: Tri, rule: &Rule, member: Option<Device>) -> Formula {
        match &rule.on_loss {
            OnLoss::Active => tri.no.negate(),
            OnLoss::Inactive => tri.yes,
            OnLoss::Hold(_) => {
                // within the time it is what it was, afterwards the default of its class: either way
                // one of the two, which the bit stands for
                let last = Formula::Bit(Bit::LastKnown(rule.id, member));
                let unknown = Formula::all([tri.yes.clone().negate(), tri.no.negate()]);
                Formula::any([tri.yes, Formula::all([unknown, last])])
            }
        }
    }

    /// The latch of an instance.
    fn latch_of(&self, rule: &Rule, member: Option<Device>) -> Option<LatchId> {
        rule.latches
            .iter()
            .copied()
            .find(|latch| self.site.latches.get(latch.index()).is_some_and(|l| l.member == member))
            .or_else(|| rule.latches.first().copied().filter(|_| rule.for_each.is_none()))
    }

    /// The guard of an instance with its latch clear and with its latch set.
    fn guards(&mut self, rule: &Rule, member: Option<Device>) -> (Tri, Tri) {
        let scope = Scope { bound: member, quality: true, span: rule.when_span };
        let when = self.guard(&rule.when, scope);
        let latched = match (&rule.memory, &rule.until) {
            (Memory::None, _) => when.clone(),
            (Memory::Reset { .. }, _) => Tri { yes: Formula::TRUE, no: Formula::FALSE },
            (Memory::Until, until) => {
                let stays = match until {
                    Some(until) => self.guard(until, scope).negate(),
                    None => Tri { yes: Formula::TRUE, no: Formula::FALSE },
                };
                Tri {
                    yes: Formula::any([when.yes.clone(), stays.yes]),
                    no: Formula::all([when.no.clone(), stays.no]),
                }
            }
        };
        (when, latched)
    }

    /// One instance of a rule.
    pub(crate) fn instance(&mut self, rule: &Rule, member: Option<Device>) -> Instance {
        let (clear, set) = self.guards(rule, member);
        let clear = Self::settle(clear, rule, member);
        let active = match self.latch_of(rule, member).filter(|_| rule.memory != Memory::None) {
            Some(latch) => {
                let set = Self::settle(set, rule, member);
                Formula::any([clear, Formula::all([Formula::Bit(Bit::Latch(latch)), set])])
            }
            None => clear,
        };
        // only the guard itself sets a latch
        let shown = match rule.on_loss {
            OnLoss::Inactive => Vec::new(),
            OnLoss::Active | OnLoss::Hold(_) => {
                let scope = Scope { bound: member, quality: true, span: rule.when_span };
                alternatives(&rule.when).into_iter().map(|part| self.guard(part, scope).yes).collect()
            }
        };
        Instance { active, shown }
    }

    /// What moves the latch of an instance.
    pub(super) fn latch_moves(&mut self, rule: &Rule, member: Option<Device>) -> LatchMoves {
        let (clear, set) = self.guards(rule, member);
        let set_by = Self::settle(clear, rule, member);
        match &rule.memory {
            Memory::Reset { .. } => {
                let scope = Scope { bound: member, quality: true, span: rule.when_span };
                let may_clear = match &rule.until {
                    Some(until) => self.guard(until, scope).yes,
                    None => Formula::TRUE,
                };
                LatchMoves { set: set_by, clear: Formula::FALSE, may_clear }
            }
            Memory::None | Memory::Until => {
                let stays = Self::settle(set, rule, member);
                LatchMoves { set: set_by, clear: stays.negate(), may_clear: Formula::FALSE }
            }
        }
    }
}
