//! Rules as formulas: when an instance of a rule is active.

use super::super::formula::{Bit, Formula};
use super::World;
use super::guard::{Scope, Tri};
use crate::ir::{Days, Device, LatchId, Memory, OnLoss, Rule, SAFETY, Sched};

/// A rule, or one member's share of a `for each` rule.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// It is active.
    pub(crate) active: Formula,
    /// It is active by its guard alone, without memory.
    pub(crate) triggered: Formula,
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

impl World<'_> {
    /// What an unknown guard counts as, by the rule's `on loss`.
    fn settle(&self, tri: Tri, rule: &Rule, member: u32) -> Formula {
        match &rule.on_loss {
            OnLoss::Active => tri.no.negate(),
            OnLoss::Inactive => tri.yes,
            OnLoss::Hold(_) => {
                // within the time it is what it was, afterwards the default of its class
                let last = Formula::Bit(Bit::LastKnown(rule.id, member));
                let unknown = Formula::all([tri.yes.clone().negate(), tri.no.clone().negate()]);
                Formula::any([tri.yes, Formula::all([unknown, last])])
            }
        }
    }

    fn scope(&self, rule: &Rule, member: Option<Device>) -> Scope {
        Scope { bound: member, quality: true, span: rule.when_span }
    }

    fn latch_of(&self, rule: &Rule, member: Option<Device>) -> Option<LatchId> {
        rule.latches
            .iter()
            .copied()
            .find(|latch| self.site.latches.get(latch.index()).is_some_and(|l| l.member == member))
            .or_else(|| rule.latches.first().copied().filter(|_| rule.for_each.is_none()))
    }

    /// One instance of a rule.
    pub(crate) fn instance(&mut self, rule: &Rule, member: Option<Device>) -> Instance {
        let scope = self.scope(rule, member);
        let index = member.map_or(0, |m| m.index);
        let when = self.guard(&rule.when, scope);
        let triggered = self.settle(when, rule, index);
        let account = self.account(rule);
        let remembered = match (&rule.memory, self.latch_of(rule, member)) {
            (Memory::None, _) | (_, None) => Formula::FALSE,
            (Memory::Until, Some(latch)) => {
                let ended = self.ended(rule, member);
                Formula::all([Formula::Bit(Bit::Latch(latch)), ended.negate()])
            }
            (Memory::Reset { .. }, Some(latch)) => Formula::Bit(Bit::Latch(latch)),
        };
        let active = Formula::any([triggered.clone(), remembered]);
        Instance {
            active: Formula::all([account.clone(), active]),
            triggered: Formula::all([account, triggered]),
        }
    }

    /// The `until` condition; where it is unknown the rule keeps or loses its activity by its
    /// `on loss`.
    fn ended(&mut self, rule: &Rule, member: Option<Device>) -> Formula {
        let Some(until) = &rule.until else { return Formula::FALSE };
        let scope = self.scope(rule, member);
        let tri = self.guard(until, scope);
        match &rule.on_loss {
            OnLoss::Active => tri.yes,
            OnLoss::Inactive => tri.no.negate(),
            OnLoss::Hold(_) if rule.class == SAFETY => tri.yes,
            OnLoss::Hold(_) => tri.yes,
        }
    }

    /// What moves the latch of an instance.
    pub(super) fn latch_moves(&mut self, rule: &Rule, member: Option<Device>) -> LatchMoves {
        let set = self.instance(rule, member).triggered;
        let ended = self.ended(rule, member);
        match &rule.memory {
            Memory::Reset { .. } => {
                let may_clear = if rule.until.is_some() { ended } else { Formula::TRUE };
                LatchMoves { set, clear: Formula::FALSE, may_clear }
            }
            Memory::None | Memory::Until => LatchMoves { set, clear: ended, may_clear: Formula::FALSE },
        }
    }

    /// The account of the rule's owner is active.
    pub(crate) fn account(&mut self, rule: &Rule) -> Formula {
        let until = self.site.principals.get(rule.owner.index()).and_then(|p| p.active_until);
        match until {
            None => Formula::TRUE,
            Some(last) => {
                let first = self.site.valid.0.min(last);
                self.during(&Sched::Days(Days::Dates(first, last)))
            }
        }
    }
}
