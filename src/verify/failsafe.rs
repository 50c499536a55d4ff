//! What happens when one host dies: its devices go to their fail-safe values, or stay anywhere in
//! their range where nothing moves them (semantics.md 23).

use std::collections::BTreeMap;

use super::Case;
use super::check::planned;
use super::fix::{Interval, TooLarge};
use super::limits::{Limits, Power, whole_range};
use super::miss::{Miss, Misses};
use super::simulate::Trajectory;
use crate::bundle::Bundle;
use crate::ir::{Attr, Control, FailSafeBy, Family, FamilyId, Model, Need};

/// What a device without a writer may do, by direction; `None` for one that nobody commands.
pub(super) fn alone(family: &Family) -> Option<Vec<(Attr, Interval)>> {
    let served = matches!(&family.model, Model::Consumer(c) if matches!(c.need, Need::Load(_)));
    if family.control != Control::Command || served {
        return None;
    }
    let range = whole_range(family);
    Some(match &family.fail_safe {
        Some(safe) if safe.by != FailSafeBy::None => match &safe.at {
            None => range.into_iter().map(|(attr, _)| (attr, Interval::ZERO)).collect(),
            // on, at whatever power
            Some((Attr::On, value)) if value.is_positive() => range,
            Some((at, value)) => {
                let value = Interval::of(value).unwrap_or_default();
                let renewable = matches!(family.model, Model::Renewable { .. });
                range
                    .into_iter()
                    .map(|(attr, _)| {
                        let there = match (attr == *at, renewable) {
                            // a curtailed producer gives at most its fail-safe value
                            (true, true) => Interval::hull(Interval::ZERO, value),
                            (true, false) => value,
                            // `power` of a store is discharge less charge
                            (false, _) if *at == Attr::Power && attr == Attr::Discharge => value.positive(),
                            (false, _) if *at == Attr::Power && attr == Attr::Charge => {
                                value.negated().positive()
                            }
                            (false, _) => Interval::ZERO,
                        };
                        (attr, there)
                    })
                    .collect()
            }
        },
        // nothing moves it: it may stand at any command it ever had
        _ => range,
    })
}

/// Checks all limits with each host's devices left alone, in every step.
pub(super) fn check(
    bundle: &Bundle,
    case: &Case<'_>,
    limits: &Limits<'_>,
    trajectory: &Trajectory,
    balancing: &[usize],
    out: &mut Misses,
) -> Result<(), TooLarge> {
    let excluded = case.excluded;
    for (host, gateways) in &bundle.hosts {
        let behind = |family: &Family| {
            let gateway = family.gateway.and_then(|id| case.site.gateways.get(id.index()));
            gateway.is_some_and(|g| gateways.contains(&g.name))
        };
        let mut lost: Vec<(FamilyId, Vec<(Attr, Interval)>)> = case
            .site
            .families
            .iter()
            .filter(|family| behind(family))
            .filter_map(|family| {
                let gone = excluded.iter().filter(|device| device.family == family.id).count();
                let count = i128::from(family.len()) - i128::try_from(gone).unwrap_or(0);
                let all = alone(family)?;
                let all = all.into_iter().filter_map(|(attr, v)| Some((attr, v.scaled(count, 1).ok()?)));
                Some((family.id, all.collect()))
            })
            .collect();
        // a machine that follows a setpoint is anywhere in its range once nobody writes that
        for steered in case.steered {
            if !case.site.family(steered.holder).is_some_and(behind) {
                continue;
            }
            for machine in steered.machines().filter_map(|id| case.site.family(id)) {
                lost.retain(|(family, _)| *family != machine.id || steered.holder == machine.id);
                if !lost.iter().any(|(family, _)| *family == machine.id) {
                    lost.push((machine.id, whole_range(machine)));
                }
            }
        }
        if lost.is_empty() {
            continue;
        }
        let mut powers = Vec::new();
        for step in 0..case.steps.len() {
            planned(case, limits, trajectory, (balancing, step), &mut powers);
            let Some(length) = case.steps.get(step) else { continue };
            powers.retain(|p| !lost.iter().any(|(family, _)| *family == p.family));
            // wherever they are, they are no worse for it
            for device in excluded.iter().filter(|d| lost.iter().any(|(family, _)| *family == d.family)) {
                let found = case.site.family(device.family).zip(trajectory.run_of(*device));
                let Some((family, run)) = found else { continue };
                let one_phase = (limits.on_one_phase(&run.unit.members, length.start, length.end), 1);
                let anywhere = super::excluded::anywhere(family, run, step);
                let power = |(attr, power)| Power { family: family.id, attr, power, one_phase };
                powers.extend(anywhere.into_iter().map(power));
            }
            for (family, directions) in &lost {
                let Some(all) = case.site.family(*family).map(|family| family.all()) else { continue };
                let single = limits.on_one_phase(&[all], length.start, length.end);
                let one_phase = (single, all.last);
                powers.extend(directions.iter().map(|(attr, power)| Power {
                    family: *family,
                    attr: attr.clone(),
                    power: available(trajectory, *family, attr, step, *power),
                    one_phase,
                }));
            }
            let apart = super::follow::moved(case, limits, trajectory, step, &powers)?;
            for (follower, excess) in apart {
                let miss = super::follow::too_far(case, follower, step, &excess);
                out.push(&format!("{host} follower {step} {}", excess.what), miss);
            }
            for excess in limits.check(&powers, &BTreeMap::new())? {
                let message = format!("with host `{host}` gone, {}", excess.words());
                let miss =
                    Miss::at(step, &excess.of, message).by(excess.statement, excess.span).beyond(excess.by());
                out.push(&format!("{host} {}", excess.what), miss);
            }
        }
    }
    Ok(())
}

/// A renewable gives no more than the sun or wind does.
fn available(
    trajectory: &Trajectory,
    family: FamilyId,
    attr: &Attr,
    step: usize,
    power: Interval,
) -> Interval {
    let runs = trajectory.runs.iter().filter(|run| run.unit.family == family);
    let mut most: Option<Interval> = None;
    for run in runs {
        let Some(value) = run.available.as_ref().filter(|_| *attr == Attr::Power).and_then(|a| a.get(step))
        else {
            return power;
        };
        most = most.unwrap_or_default().plus(*value).ok();
    }
    most.map_or(power, |most| power.min(most))
}
