//! Attribution: who feeds whom obeys the origins that rules allow (semantics.md 18).

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use super::fix::Interval;
use super::ledger::{Breached, Duty, Ledger, When, effect, facts};
use super::miss::{Miss, Misses};
use super::money::Amount;
use super::paths::Ways;
use super::simulate::Trajectory;
use crate::bundle::{Names, PlanDocument};
use crate::eval::{Asked, Decision, Unit};
use crate::ir::{Attr, Device, MemberRange, Role, SAFETY};
use crate::quantity::Rat;

/// Flows are recorded to 9 decimals each; a taker has at most this many origins' worth of rounding.
fn near() -> Rat {
    Rat::ratio(1, 1_000_000).unwrap_or_default()
}

/// What a device takes from, or gives to, its bus.
fn power(
    case: &Case<'_>,
    trajectory: &Trajectory,
    device: Device,
    takes: bool,
    step: usize,
) -> Option<Interval> {
    let family = case.site.family(device.family)?;
    let attr = match (family.role, takes) {
        (Role::Storage, true) => Attr::Charge,
        (Role::Storage, false) => Attr::Discharge,
        (Role::Producer, true) => Attr::Export,
        (Role::Producer, false) if trajectory.run_of(device)?.powers.contains_key(&Attr::Import) => {
            Attr::Import
        }
        (Role::Producer, false) | (Role::Consumer, true) => Attr::Power,
        _ => return None,
    };
    let one = [MemberRange { family: device.family, first: device.index, last: device.index }];
    super::rules::sum(case, trajectory, &one, &attr, step)
}

pub(super) fn check(
    case: &Case<'_>,
    plan: &PlanDocument,
    trajectory: &Trajectory,
    decisions: &[Decision],
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    let names = Names::new(case.site);
    let mut by_taker: Flows<'_> = BTreeMap::new();
    let mut by_source: BTreeMap<Device, Vec<(&[Rat], Rat)>> = BTreeMap::new();
    let mut ways = Ways::new(case);
    let mut seen: BTreeSet<(Device, Device)> = BTreeSet::new();
    for flow in &plan.flows {
        let ends = names.device(&flow.from).zip(names.device(&flow.to));
        let Some((from, to)) =
            ends.filter(|ends| seen.insert(*ends) && flow.values.len() == case.steps.len())
        else {
            let message = format!("the flow from `{}` to `{}` does not fit", flow.from, flow.to);
            out.push("flow", Miss::plan(&flow.to, message));
            continue;
        };
        if let Some(step) = flow.values.iter().position(Rat::is_negative) {
            let message = format!("the flow from `{}` to `{}` is below 0", flow.from, flow.to);
            out.push("flow", Miss::at(step, &flow.to, message));
        }
        if from == to {
            let message = format!("the flow from `{}` to `{}`: nothing feeds itself", flow.from, flow.to);
            out.push("flow", Miss::plan(&flow.to, message));
            continue;
        }
        by_taker.entry(to).or_default().push((from, &flow.values));
        match ways.send(from, to, &flow.values) {
            Some(leaves) => by_source.entry(from).or_default().push((&flow.values, leaves)),
            None => {
                let message = format!("no link leads from `{}` to `{}`", flow.from, flow.to);
                out.push("flow", Miss::plan(&flow.to, message));
            }
        }
    }
    for (to, flows) in &by_taker {
        for step in 0..case.steps.len() {
            let Some(taken) = power(case, trajectory, *to, true, step) else { continue };
            let sum: Rat = flows.iter().filter_map(|(_, values)| values.get(step)).sum();
            if (&sum - &taken.recorded()).abs() > near() {
                let name = case.site.device_name(*to);
                let message = format!("the flows to `{name}` are {sum} kW, it takes {} kW", taken.recorded());
                out.push("flows", Miss::at(step, name, message));
            }
        }
    }
    for (from, flows) in &by_source {
        for step in 0..case.steps.len() {
            let Some(given) = power(case, trajectory, *from, false, step) else { continue };
            let leaves = |(values, leaves): &(&[Rat], Rat)| values.get(step).map(|value| value * leaves);
            let sum: Rat = flows.iter().filter_map(leaves).sum();
            if &sum - &given.recorded() > near() {
                let name = case.site.device_name(*from);
                let message = format!(
                    "the flows from `{name}` are {} kW, it gives {} kW",
                    sum.to_decimal(6),
                    given.recorded()
                );
                out.push("flows", asked_by(case, decisions, Miss::at(step, name, message)));
            }
        }
    }
    if !plan.flows.is_empty() {
        unfed(case, trajectory, &by_taker, out);
        // each flow is recorded to 9 decimals, and grows by what is lost on its way
        let near = |flows: i64| &near() + &Rat::ratio(i128::from(flows), 100_000_000).unwrap_or_default();
        for miss in ways.close(trajectory, near) {
            out.push("link flows", asked_by(case, decisions, miss));
        }
    }
    origins(case, trajectory, decisions, &by_taker, ledger, out);
    wishes(case, decisions, &by_taker, ledger, out);
}

/// A miss by the rule on origins in whose step it is.
fn asked_by(case: &Case<'_>, decisions: &[Decision], miss: Miss) -> Miss {
    let decision = miss.step.and_then(|step| decisions.get(step));
    match decision.and_then(|d| d.origins.first()).and_then(|o| o.by.first()) {
        Some(by) => miss.by(effect(*by), facts(case.site, effect(*by)).2),
        None => miss,
    }
}

/// Who feeds whom is told whole, or not at all.
fn unfed(case: &Case<'_>, trajectory: &Trajectory, by_taker: &Flows<'_>, out: &mut Misses) {
    for run in &trajectory.runs {
        let device = run.unit.first();
        let attr = match case.site.family(device.family).map(|f| f.role) {
            Some(Role::Storage) => Attr::Charge,
            Some(Role::Producer) => Attr::Export,
            Some(Role::Consumer) => Attr::Power,
            _ => continue,
        };
        if by_taker.contains_key(&device) || !run.powers.contains_key(&attr) {
            continue;
        }
        let takes = |step: &usize| run.power(&attr, *step).lo() > near();
        if let Some(step) = (0..case.steps.len()).find(takes) {
            let name = case.site.device_name(device);
            let message = format!("the plan does not say what feeds `{name}`");
            out.push("unfed", Miss::at(step, name, message));
        }
    }
}

/// What each taker gets of each source, by step.
type Flows<'f> = BTreeMap<Device, Vec<(Device, &'f [Rat])>>;

/// Preferred origins: what comes from elsewhere.
fn wishes(
    case: &Case<'_>,
    decisions: &[Decision],
    by_taker: &Flows<'_>,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    for (step, (decision, length)) in decisions.iter().zip(case.steps).enumerate() {
        for wish in &decision.preferences {
            let Asked::Supply { from, never } = &wish.asked else { continue };
            let allowed = |device: Device| from.iter().any(|m| m.contains(device)) != *never;
            for device in wish.units.iter().filter_map(super::rules::devices).flat_map(|m| m.devices()) {
                let flows = by_taker.get(&device).map(Vec::as_slice).unwrap_or_default();
                let others = flows.iter().filter(|(from, _)| !allowed(*from));
                let sum: Rat = others.filter_map(|(_, values)| values.get(step)).sum();
                ledger.breach(
                    Breached {
                        statement: effect(wish.effect),
                        duty: Duty::Wished(Some(wish.class), wish.price.clone()),
                        of: case.site.device_name(device),
                        when: When::at(step),
                        words: String::new(),
                        amount: Amount::exact(sum).at(&length.hours()),
                        unit: "kWh",
                    },
                    out,
                );
            }
        }
    }
}

/// Restricted takers are fed by allowed sources, and wholly; what others give is a breach.
fn origins(
    case: &Case<'_>,
    trajectory: &Trajectory,
    decisions: &[Decision],
    by_taker: &Flows<'_>,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    for (step, (decision, length)) in decisions.iter().zip(case.steps).enumerate() {
        for origins in &decision.origins {
            let (Unit::Devices(range), Some(by)) = (origins.unit, origins.by.first()) else { continue };
            let class = case.site.rule(by.instance.rule).map_or(SAFETY, |rule| rule.class);
            for device in range.devices() {
                let Some(taken) = power(case, trajectory, device, true, step) else { continue };
                if !taken.may_be_positive() {
                    continue;
                }
                let allowed = |from: Device| origins.allowed.iter().any(|m| m.contains(from));
                let flows = by_taker.get(&device).map(Vec::as_slice).unwrap_or_default();
                let fed: Rat = flows.iter().filter_map(|(_, values)| values.get(step)).sum();
                let name = case.site.device_name(device);
                if &taken.recorded() - &fed > near() {
                    let message =
                        format!("`{name}` takes {} kW, allowed sources give it {fed} kW", taken.recorded());
                    let (_, _, span) = facts(case.site, effect(*by));
                    out.push("origin", Miss::at(step, name, message).by(effect(*by), span));
                    continue;
                }
                let others = flows.iter().filter(|(from, _)| !allowed(*from));
                let other = others.clone().find(|(_, values)| values.get(step).is_some_and(|v| *v > near()));
                let Some((from, _)) = other else { continue };
                let from = case.site.device_name(*from);
                let sum: Rat = others.filter_map(|(_, values)| values.get(step)).sum();
                let words = format!("`{name}` is fed by `{from}`, which its rules do not allow");
                ledger.breach(
                    Breached {
                        statement: effect(*by),
                        duty: Duty::Owed(class),
                        of: name,
                        when: When::at(step),
                        words,
                        amount: Amount::exact(sum).at(&length.hours()),
                        unit: "kWh",
                    },
                    out,
                );
            }
        }
    }
}
