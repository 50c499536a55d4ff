//! What a host remembers between two looks at the field: latches, `for d` guards, and guards that
//! were last known (semantics.md 4, 8). It stands in the journal by name, because indices change
//! with every bundle.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::bundle::State;
use crate::calendar::Instant;
use crate::eval::{Environment, Evaluator, Instance, Truth};
use crate::ir::{Device, Guard, HeldId, LatchId, OnLoss, Rule, Site};

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// latches that are set
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub latches: BTreeSet<String>,
    /// `for d` guards that held whenever somebody looked, and since when
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, Instant>,
    /// guards with `on loss hold`: what they were when last known, and when that was
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<String, (bool, Instant)>,
}

impl Memory {
    /// What a plan's state knew, for a host that remembers nothing itself.
    #[must_use]
    pub fn of_state(state: &State) -> Self {
        Self {
            latches: state.latches.iter().cloned().collect(),
            held: state.held.clone(),
            known: BTreeMap::new(),
        }
    }

    /// Puts into the environment what is remembered, and of guards of time alone what the clock knows.
    pub fn recall(&self, site: &Site, evaluator: &Evaluator<'_>, env: &mut Environment) {
        let latched = site.latches.iter().filter(|latch| self.latches.contains(&latch.name));
        env.latches = latched.map(|latch| latch.id).collect();
        let long = |held: &&crate::ir::Held| {
            self.held.get(&held.name).is_some_and(|since| env.at.since(*since) >= held.for_s)
        };
        env.held = site.held.iter().filter(long).map(|held| held.id).collect();
        for (id, long) in evaluator.held_by_clock(env.at) {
            let _ = if long { env.held.insert(id) } else { env.held.remove(&id) };
        }
        env.last_known.clear();
        for (rule, instance, name) in holding(site) {
            let OnLoss::Hold(for_s) = rule.on_loss else { continue };
            if let Some((held, at)) = self.known.get(&name)
                && env.at.since(*at) <= for_s
            {
                env.last_known.insert(instance, *held);
            }
        }
    }

    /// What is remembered after the environment, in which a person resets some latches.
    #[must_use]
    pub fn after(
        &self,
        site: &Site,
        evaluator: &Evaluator<'_>,
        env: &Environment,
        resets: &BTreeSet<LatchId>,
    ) -> Self {
        let bits = evaluator.step_latches(env, resets);
        let latches = site.latches.iter().filter(|latch| bits.contains(&latch.id));
        let mut next = Self {
            latches: latches.map(|latch| latch.name.clone()).collect(),
            held: BTreeMap::new(),
            known: self.known.clone(),
        };
        for rule in &site.rules {
            let members: Vec<Option<Device>> = members(site, rule);
            let guards = std::iter::once(&rule.when).chain(&rule.until);
            guards.for_each(|guard| {
                each_held(guard, &mut |id, inner| {
                    let Some(bit) = site.held.get(id.index()) else { return };
                    // what is unknown for d is unknown: only what is false begins anew
                    if members.iter().any(|member| evaluator.truth(inner, *member, env) != Truth::False) {
                        let since = self.held.get(&bit.name).copied().unwrap_or(env.at);
                        next.held.insert(bit.name.clone(), since);
                    }
                });
            });
        }
        for (rule, instance, name) in holding(site) {
            if let Some(truth) = evaluator.truth(&rule.when, instance.member, env).known() {
                next.known.insert(name, (truth, env.at));
            }
        }
        next
    }
}

/// The instances of rules that hold their last known guard.
fn holding(site: &Site) -> impl Iterator<Item = (&Rule, Instance, String)> {
    site.rules.iter().filter(|rule| matches!(rule.on_loss, OnLoss::Hold(_))).flat_map(move |rule| {
        members(site, rule).into_iter().map(move |member| {
            let name = match member {
                None => rule.name.clone(),
                Some(device) => format!("{} of {}", rule.name, site.device_name(device)),
            };
            (rule, Instance { rule: rule.id, member }, name)
        })
    })
}

fn members(site: &Site, rule: &Rule) -> Vec<Option<Device>> {
    match rule.for_each {
        None => vec![None],
        Some(group) => site.group(group).into_iter().flat_map(|g| g.devices()).map(Some).collect(),
    }
}

fn each_held(guard: &Guard, see: &mut impl FnMut(HeldId, &Guard)) {
    match guard {
        Guard::Held(id, inner) => {
            see(*id, inner);
            each_held(inner, see);
        }
        Guard::Not(inner) | Guard::Quantified { body: inner, .. } => each_held(inner, see),
        Guard::All(parts) | Guard::Any(parts) => parts.iter().for_each(|part| each_held(part, see)),
        _ => {}
    }
}
