//! `life_safety` devices: from what they do now on and from step to step, no plan moves one away from its safe
//! state (semantics.md 22).

use super::Case;
use super::fix::Interval;
use super::miss::{Miss, Misses};
use super::simulate::Trajectory;
use super::units::Commands;
use crate::ir::{Attr, Device, Family, Model, Need, Statement};
use crate::quantity::Rat;

/// Every such device.
pub(super) fn check(
    case: &Case<'_>,
    commands: &Commands<'_>,
    trajectory: &Trajectory,
    balancing: &[usize],
    out: &mut Misses,
) {
    for (place, run) in trajectory.runs.iter().enumerate() {
        let device = run.unit.first();
        let Some(family) = case.site.family(run.unit.family) else { continue };
        let Some(safe_on) = family.life_safety else { continue };
        if balancing.contains(&place) || super::excluded::is(case, device) {
            continue;
        }
        let name = case.site.device_name(device);
        let unverified = |what: &str| {
            let message = format!("understood, not verified yet: {what} that is declared `life_safety`");
            Miss::unverified(family.span, &name, message)
        };
        let is_set = run.unit.group.is_some();
        match &family.model {
            _ if is_set => out.push("safe state", unverified("a set of devices commanded together")),
            Model::Store(_) => out.push("safe state", unverified("a store")),
            Model::Renewable { .. } => out.push("safe state", unverified("a renewable")),
            Model::Consumer(consumer) if consumer.need != Need::None => {
                if commands.of(device, &Attr::Power).or(commands.of(device, &Attr::On)).is_none() {
                    continue; // it takes what it needs
                }
                if !safe_on {
                    out.push("safe state", unverified("a need that may be shed"));
                    continue;
                }
                let needs = super::physical::needs(case, run, consumer).unwrap_or_default();
                let powers = run.powers.get(&Attr::Power).into_iter().flatten();
                for (step, (power, need)) in powers.zip(&needs).enumerate() {
                    if !need.at_most(*power) {
                        let message = format!(
                            "`{name}` is given {} kW and needs {} kW: what is `life_safety on` is never shed",
                            power.recorded(),
                            need.recorded()
                        );
                        out.push("safe state", miss(family, step, &name, message));
                    }
                }
            }
            Model::Consumer(consumer) if consumer.sessions.is_some() => {
                out.push("safe state", unverified("a charger of vehicles"));
            }
            Model::Consumer(_) if case.site.steered().iter().any(|steered| steered.moves(family.id)) => {
                out.push("safe state", unverified("a machine that follows a setpoint"));
            }
            Model::Consumer(_) | Model::Generator { .. } => {
                let begun = match now(case, family, device) {
                    Ok(begun) => begun,
                    Err(missing) => {
                        out.push("safe state", missing);
                        continue;
                    }
                };
                let Ok(mut before) = Interval::of(&begun) else { continue };
                for step in 0..case.steps.len() {
                    let total = run.power(&Attr::Power, step);
                    let Ok(power) = total.scaled(1, i128::from(run.unit.count.max(1))) else { continue };
                    let (least, most) = if safe_on { (before, power) } else { (power, before) };
                    if !least.at_most(most) {
                        let message = format!(
                            "`{name}` is declared `life_safety {}` and moves only towards that, not from {} kW to {} kW",
                            if safe_on { "on" } else { "off" },
                            before.recorded(),
                            power.recorded()
                        );
                        out.push("safe state", miss(family, step, &name, message));
                    }
                    before = power;
                }
            }
            Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. } => {}
        }
    }
}

fn miss(family: &Family, step: usize, name: &str, message: String) -> Miss {
    Miss::at(step, name, message).by(Statement::Device(family.id), family.span)
}

/// What a device does at the plan's beginning, kW; what is only observed and of which the state says nothing
/// is presumed to rest.
fn now(case: &Case<'_>, family: &Family, device: Device) -> Result<Rat, Miss> {
    match case.state.now(case.site, device) {
        Ok(Some(power)) => Ok(power),
        Ok(None) => Ok(match &family.model {
            Model::Consumer(consumer) => super::excluded::resting(family, consumer.default_power.as_ref()),
            _ => Rat::ZERO,
        }),
        Err(missing) => Err(Miss::plan(case.site.device_name(device), missing.message)),
    }
}

/// What one takes where nobody decides and nothing is asked: what it does now, or its default if that is nearer
/// to its safe state.
pub(super) fn at_rest(case: &Case<'_>, family: &Family, device: Device, default: &Rat) -> Rat {
    match (family.life_safety, now(case, family, device)) {
        (Some(true), Ok(now)) => Rat::max_of(&now, default),
        (Some(false), Ok(now)) => Rat::min_of(&now, default),
        _ => default.clone(),
    }
}
