//! The evaluator asked at the beginning of each step: what is known of each, which guards the plan
//! itself decides, and the decisions once those are settled.

use std::collections::{BTreeMap, BTreeSet};

use super::form::{Form, Forms, Indicator, open_rules};
use super::prepare::Known;
use crate::calendar::Instant;
use crate::diag::Diagnostics;
use crate::eval::{Decision, Environment, Evaluator, Instance, Reading, Truth};
use crate::ir::{Device, Guard, HeldId, Site};

/// The rules on the plan's steps.
pub(super) struct Rules<'k> {
    evaluator: Evaluator<'k>,
    /// Devices that nobody commands.
    excluded: BTreeSet<Device>,
    envs: Vec<Environment>,
    /// Conditions that the plan decides.
    pub(super) indicators: Vec<Indicator>,
    /// What is known of the rules that read decided quantities.
    active: BTreeMap<(Instance, usize), Form>,
}

/// Reads the rules: latches and `for d` bits go on from the state as the forecast lets them.
///
/// # Errors
/// EVL1001, EVL1006 and EVL1011 at guards that cannot be planned.
pub(super) fn read<'k>(known: &Known<'k>) -> Result<Rules<'k>, Diagnostics> {
    let site = known.site;
    let mut latches: BTreeSet<crate::ir::LatchId> =
        site.latches.iter().filter(|l| known.state.latched(&l.name)).map(|l| l.id).collect();
    let mut since: BTreeMap<HeldId, Instant> =
        (site.held.iter()).filter_map(|h| Some((h.id, *known.state.held.get(&h.name)?))).collect();
    let evaluator = Evaluator::new(site, known.calendar);
    let held = held_guards(site);
    let drifts = super::measured::drifts(known);
    let mut envs = Vec::with_capacity(known.steps.len());
    for (t, step) in known.steps.iter().enumerate() {
        let mut env = Environment::new(step.start);
        for (signal, value) in known.on.readings(t) {
            let reading = value.map_or(Reading::Unknown, |v| Reading::Known(v.clone()));
            env.values.insert(signal.clone(), reading);
        }
        super::measured::fill(known, &drifts, t, &mut env);
        env.latches.clone_from(&latches);
        for (id, for_s, inner) in &held {
            if evaluator.truth(inner, None, &env) == Truth::True {
                let start = *since.entry(*id).or_insert(step.start);
                if step.start.since(start) >= *for_s {
                    env.held.insert(*id);
                }
            } else {
                since.remove(id);
            }
        }
        for (id, long) in evaluator.held_by_clock(step.start) {
            let _ = if long { env.held.insert(id) } else { env.held.remove(&id) };
        }
        latches = evaluator.step_latches(&env, &BTreeSet::new());
        envs.push(env);
    }
    let open = open_rules(site)?;
    let mut forms = Forms::new(known, &evaluator, &envs);
    for (rule, member, nth) in &open {
        for t in 0..envs.len() {
            forms.activity(rule, *member, *nth, t);
        }
    }
    let (indicators, active) = forms.finish()?;
    let excluded = known.state.excluded(site);
    Ok(Rules { evaluator, excluded, envs, indicators, active })
}

impl Rules<'_> {
    /// The decision of step `t`, given which of the open conditions hold.
    pub(super) fn decide(&self, t: usize, holds: &dyn Fn(usize) -> bool) -> Decision {
        let Some(env) = self.envs.get(t) else { return Decision::default() };
        if self.active.is_empty() {
            return self.evaluator.evaluate(env).without(&self.excluded);
        }
        let settled: BTreeMap<Instance, bool> = (self.active.iter())
            .filter(|((_, step), _)| *step == t)
            .map(|((instance, _), form)| (*instance, form.settled(holds)))
            .collect();
        self.evaluator.evaluate_as(env, &settled).without(&self.excluded)
    }

    /// The decisions of all steps, given which of the open conditions hold.
    pub(super) fn all(&self, holds: &dyn Fn(usize) -> bool) -> Vec<Decision> {
        (0..self.envs.len()).map(|t| self.decide(t, holds)).collect()
    }

    /// The open conditions under which rules are active in step `t`, by instance.
    pub(super) fn open(&self, t: usize) -> Vec<(Instance, usize)> {
        (self.active.iter())
            .filter(|((_, step), _)| *step == t)
            .filter_map(|((instance, _), form)| match form {
                Form::Holds(indicator, true) => Some((*instance, *indicator)),
                _ => None,
            })
            .collect()
    }
}

/// The `for d` bits of the rules with their guards.
fn held_guards(site: &Site) -> Vec<(HeldId, i64, &Guard)> {
    fn walk<'g>(site: &Site, guard: &'g Guard, out: &mut Vec<(HeldId, i64, &'g Guard)>) {
        match guard {
            Guard::Held(id, inner) => {
                if let Some(held) = site.held.get(id.index()) {
                    out.push((*id, held.for_s, inner));
                }
                walk(site, inner, out);
            }
            Guard::Not(inner) | Guard::Quantified { body: inner, .. } => walk(site, inner, out),
            Guard::All(parts) | Guard::Any(parts) => parts.iter().for_each(|part| walk(site, part, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    for rule in &site.rules {
        walk(site, &rule.when, &mut out);
        if let Some(until) = &rule.until {
            walk(site, until, &mut out);
        }
    }
    out
}
