//! The evaluator asked at the beginning of each step.

use std::collections::{BTreeMap, BTreeSet};

use super::prepare::Known;
use crate::calendar::Instant;
use crate::diag::Diagnostics;
use crate::eval::{Decision, Environment, Evaluator, Reading, Truth};
use crate::ir::{Guard, HeldId, Site};

/// The evaluator's answer at the beginning of each step. Latches and `for d` bits go on from the
/// state as the forecast lets them.
pub(super) fn decisions(known: &Known<'_>) -> Result<Vec<Decision>, Diagnostics> {
    let site = known.site;
    let mut latches: BTreeSet<crate::ir::LatchId> =
        site.latches.iter().filter(|l| known.state.latched(&l.name)).map(|l| l.id).collect();
    let mut since: BTreeMap<HeldId, Instant> =
        (site.held.iter()).filter_map(|h| Some((h.id, *known.state.held.get(&h.name)?))).collect();
    let measured = super::measured::at_start(known);
    let evaluator = Evaluator::new(site, known.calendar);
    let held = held_guards(site);
    let mut found = Vec::with_capacity(known.steps.len());
    for (t, step) in known.steps.iter().enumerate() {
        let mut env = Environment::new(step.start);
        for (signal, value) in known.on.readings(t) {
            let reading = value.map_or(Reading::Unknown, |v| Reading::Known(v.clone()));
            env.values.insert(signal.clone(), reading);
        }
        if t == 0 {
            env.values.extend(measured.iter().map(|(s, v)| (s.clone(), Reading::Known(v.clone()))));
        }
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
        if t > 0 {
            super::measured::refuse_open(known, &evaluator, &env)?;
        }
        latches = evaluator.step_latches(&env, &BTreeSet::new());
        found.push(evaluator.evaluate(&env));
    }
    Ok(found)
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
