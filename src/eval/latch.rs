//! Memory from one environment to the next (semantics.md 8).

use std::collections::{BTreeMap, BTreeSet};

use super::env::{Environment, Instance, Truth};
use super::evaluator::{Evaluator, counts_as};
use crate::calendar::Instant;
use crate::ir::{Guard, HeldId, LatchId, Memory, Sched};

impl Evaluator<'_> {
    /// The `for d` bits of guards of time alone at an instant: the clock knows whether such a guard has held
    /// for so long, whoever looked.
    #[must_use]
    pub fn held_by_clock(&self, at: Instant) -> BTreeMap<HeldId, bool> {
        let mut found = BTreeMap::new();
        let rules = self.site.rules.iter();
        let mut open: Vec<&Guard> =
            rules.flat_map(|rule| std::iter::once(&rule.when).chain(&rule.until)).collect();
        while let Some(guard) = open.pop() {
            match guard {
                Guard::Held(id, inner) => {
                    let mut times = Vec::new();
                    if let (true, Some(bit)) =
                        (of_time_alone(inner, &mut times), self.site.held.get(id.index()))
                    {
                        let since = at.plus(-bit.for_s);
                        let changes =
                            times.iter().flat_map(|sched| self.cal.boundaries(sched, since, at.plus(1)));
                        let holds = |at| self.truth(inner, None, &Environment::new(at)) == Truth::True;
                        found.insert(*id, changes.chain([since]).all(holds));
                    }
                    open.push(inner);
                }
                Guard::Not(inner) | Guard::Quantified { body: inner, .. } => open.push(inner),
                Guard::All(parts) | Guard::Any(parts) => open.extend(parts),
                _ => {}
            }
        }
        found
    }

    /// The latch bits after this environment: a bit is set while its rule is active. With `latch
    /// until reset` it stays until one of `resets` clears it, which counts only where the guard no
    /// longer holds and, with `until`, once that holds.
    #[must_use]
    pub fn step_latches(&self, env: &Environment, resets: &BTreeSet<LatchId>) -> BTreeSet<LatchId> {
        let world = self.world(env);
        let mut next = BTreeSet::new();
        for (rule, plan) in self.site.rules.iter().zip(&self.layout.rules) {
            if rule.memory == Memory::None {
                continue;
            }
            for (nth, (member, bit)) in plan.members.iter().zip(&rule.latches).enumerate() {
                let instance = Instance { rule: rule.id, member: *member };
                let counts = |truth: Truth| truth.known().unwrap_or_else(|| counts_as(rule, env, instance));
                let stays = match rule.memory {
                    Memory::Reset { .. } if env.latches.contains(bit) => {
                        let until =
                            rule.until.as_ref().map_or(Truth::True, |until| world.truth(until, *member));
                        let guard = counts(world.truth(&rule.when, *member));
                        guard || !resets.contains(bit) || until != Truth::True
                    }
                    _ => counts(self.rule_truth(&world, rule, nth, *member)),
                };
                if stays {
                    next.insert(*bit);
                }
            }
        }
        next
    }
}

/// Whether the instant alone decides a guard, and its schedules.
fn of_time_alone<'g>(guard: &'g Guard, times: &mut Vec<&'g Sched>) -> bool {
    match guard {
        Guard::Const(_) => true,
        Guard::During(sched) => {
            times.push(sched);
            true
        }
        Guard::Not(inner) => of_time_alone(inner, times),
        Guard::All(parts) | Guard::Any(parts) => parts.iter().all(|part| of_time_alone(part, times)),
        _ => false,
    }
}
