//! What the rules say in each step, by the evaluator, with what the plan itself decides put in.

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use super::simulate::Trajectory;
use crate::calendar::{Calendar, Instant};
use crate::eval::{Decision, Environment, Evaluator, Reading, Truth};
use crate::ir::{
    Attr, Device, Guard, HeldId, LatchId, Model, SigRef, Signal, SignalSource, Site, Value, ZoneId,
};
use crate::quantity::Rat;

/// The decisions of all steps, and the environment of the first.
pub(super) struct Decisions<'a> {
    pub(super) steps: Vec<Decision>,
    pub(super) first: Environment,
    pub(super) evaluator: Evaluator<'a>,
}

/// Every `for d` bit of the rules with its time and guard.
fn held(site: &Site) -> BTreeMap<HeldId, (i64, &Guard)> {
    let mut found = BTreeMap::new();
    let mut open: Vec<&Guard> = Vec::new();
    for rule in &site.rules {
        open.push(&rule.when);
        open.extend(rule.until.as_ref());
    }
    while let Some(guard) = open.pop() {
        match guard {
            Guard::Held(id, inner) => {
                let for_s = site.held.get(id.index()).map_or(0, |bit| bit.for_s);
                found.insert(*id, (for_s, &**inner));
                open.push(inner);
            }
            Guard::Not(inner) => open.push(inner),
            Guard::Quantified { body, .. } => open.push(body),
            Guard::All(parts) | Guard::Any(parts) => open.extend(parts),
            _ => {}
        }
    }
    found
}

/// Asks the evaluator at the beginning of every step (semantics.md 7).
pub(super) fn decide<'a>(case: &Case<'a>, calendar: &'a Calendar, trajectory: &Trajectory) -> Decisions<'a> {
    let site = case.site;
    let evaluator = Evaluator::new(site, calendar);
    let bits = held(site);
    let mut latches: BTreeSet<LatchId> =
        site.latches.iter().filter(|latch| case.state.latched(&latch.name)).map(|latch| latch.id).collect();
    let mut since: BTreeMap<HeldId, Instant> = BTreeMap::new();
    for bit in &site.held {
        if let Some(at) = case.state.held.get(&bit.name) {
            since.insert(bit.id, *at);
        }
    }
    let excluded = case.excluded;
    let decided: Vec<&Signal> = site.signals.iter().filter(|s| is_decided(s)).collect();
    let (mut steps, mut first) = (Vec::with_capacity(case.steps.len()), Environment::default());
    for (place, step) in case.steps.iter().enumerate() {
        let mut env = Environment::new(step.start);
        for (signal, value) in case.given.readings(place) {
            let reading = value.map_or(Reading::Unknown, |value| Reading::Known(value.clone()));
            env.values.insert(signal.clone(), reading);
        }
        for signal in &decided {
            measured(case, trajectory, signal, place, &mut env);
        }
        env.latches.clone_from(&latches);
        for (id, (for_s, guard)) in &bits {
            if evaluator.truth(guard, None, &env) == Truth::True {
                let begun = *since.entry(*id).or_insert(step.start);
                if step.start.since(begun) >= *for_s {
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
        steps.push(evaluator.evaluate(&env).without(excluded));
        if place == 0 {
            first = env;
        }
    }
    Decisions { steps, first, evaluator }
}

fn is_decided(signal: &Signal) -> bool {
    matches!(signal.source, SignalSource::Measured(..) | SignalSource::ZoneState(..))
}

/// Puts in what the plan decides: states at the step's beginning, flows of the same step.
fn measured(case: &Case<'_>, trajectory: &Trajectory, signal: &Signal, step: usize, env: &mut Environment) {
    match &signal.source {
        SignalSource::Measured(family, attr) => {
            let count = case.site.family(*family).map_or(0, crate::ir::Family::len);
            for index in 1..=count {
                let device = Device { family: *family, index };
                let reference = match signal.count {
                    Some(_) => SigRef::Member(signal.id, index),
                    None => SigRef::Only(signal.id),
                };
                if let Some(value) = of_device(case, trajectory, device, attr, step)
                    .or_else(|| case.state.signal(case.site, &reference).flatten())
                {
                    env.values.insert(reference, Reading::Known(value));
                }
            }
        }
        SignalSource::ZoneState(zone, attr) => {
            let reference = SigRef::Only(signal.id);
            let value = of_zone(case, trajectory, *zone, attr, step)
                .or_else(|| case.state.signal(case.site, &reference).flatten());
            if let Some(value) = value {
                env.values.insert(reference, Reading::Known(value));
            }
        }
        _ => {}
    }
}

fn of_device(
    case: &Case<'_>,
    trajectory: &Trajectory,
    device: Device,
    attr: &Attr,
    step: usize,
) -> Option<Value> {
    let family = case.site.family(device.family)?;
    let run = trajectory.run_of(device)?;
    let count = Rat::ratio(i128::from(run.unit.count), 1)?;
    let power = |attr: &Attr| run.power(attr, step).recorded().checked_div(&count);
    match (attr, &family.model) {
        (Attr::ChargeLevel, Model::Store(store)) => {
            let content = trajectory.contents.get(&device)?.before(step)?;
            content.recorded().checked_div(&store.capacity).map(Value::Number)
        }
        (Attr::Power, Model::Store(_)) => {
            Some(Value::Number(power(&Attr::Discharge)? - power(&Attr::Charge)?))
        }
        (Attr::Power, Model::Grid { .. }) => {
            Some(Value::Number(power(&Attr::Import)? - power(&Attr::Export)?))
        }
        (Attr::Power | Attr::Charge | Attr::Discharge | Attr::Import | Attr::Export, _) => {
            power(attr).map(Value::Number)
        }
        (Attr::Available, _) => {
            run.available.as_ref()?.get(step)?.recorded().checked_div(&count).map(Value::Number)
        }
        (Attr::On, _) => {
            let series = case
                .commands
                .iter()
                .find(|s| s.attr == Attr::On && s.device == case.site.device_name(device));
            let commanded = series.and_then(|s| s.counts.get(step)).map(|on| *on == 1);
            Some(Value::Bool(commanded.unwrap_or_else(|| {
                run.powers.values().any(|v| v.get(step).is_some_and(|p| p.may_be_positive()))
            })))
        }
        _ => None,
    }
}

fn of_zone(
    case: &Case<'_>,
    trajectory: &Trajectory,
    zone: ZoneId,
    attr: &Attr,
    step: usize,
) -> Option<Value> {
    if *attr != Attr::Temperature {
        return None;
    }
    let value = match step.checked_sub(1) {
        None => case.state.temperature(case.site, zone).ok()?,
        Some(before) => trajectory.temperatures.get(&zone)?.get(before)?.recorded(),
    };
    Some(Value::Number(value))
}
