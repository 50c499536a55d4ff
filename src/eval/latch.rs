//! Memory from one environment to the next (semantics.md 8).

use std::collections::BTreeSet;

use super::env::{Environment, Instance, Truth};
use super::evaluator::{Evaluator, counts_as};
use crate::ir::{LatchId, Memory};

impl Evaluator<'_> {
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
