//! Zones that are steered by a setpoint (planner.md 5): the machine takes exactly the power that brings
//! the zone to the setpoint at the step's end, no more than it can, and none where the zone is past
//! the setpoint by itself.
//!
//! With `N` the temperature at the step's end without the machine and `F` with all of it, a zone that is
//! heated ends at `max(N, min(S, F))` and one that is cooled at `min(N, max(S, F))`: where the machine
//! can reach the setpoint that is the setpoint itself, without any rounding.

use std::collections::BTreeMap;

use super::Case;
use super::fix::{Interval, TooLarge};
use super::miss::{Miss, Misses};
use super::simulate::{Run, Trajectory};
use super::state::{Thermal, table, thermal};
use super::units::Commands;
use crate::bundle::{CommandSeries, register_step};
use crate::calendar::Calendar;
use crate::ir::{Attr, Family, Model, Site, Statement, Steered, Zone, ZoneId};
use crate::quantity::Rat;

/// 0 degC, K.
fn freezing() -> Rat {
    Rat::ratio(27_315, 100).unwrap_or_default()
}

/// The commanded setpoint of a step, K.
fn kelvin(series: &CommandSeries, step: usize) -> Option<Rat> {
    Some(&series.value(step)? + &freezing())
}

/// What of setpoints cannot be verified yet.
fn unverified(site: &Site) -> Vec<Miss> {
    let words = |(span, what): (_, String)| {
        Miss::unverified(span, "setpoint", format!("understood, not planned yet: {what}"))
    };
    site.unsteerable().into_iter().map(words).collect()
}

/// Temperatures of steered zones at each step's end, K.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// As far as they can be computed.
    pub(super) temperatures: BTreeMap<ZoneId, Vec<Interval>>,
    /// Where they are the setpoint itself.
    pub(super) exact: BTreeMap<ZoneId, Vec<Option<Rat>>>,
}

/// Puts the powers that follow from setpoints into the runs, and returns the temperatures of their
/// zones at each step's end, K.
pub(super) fn settle(
    case: &Case<'_>,
    commands: &Commands<'_>,
    runs: &mut [Run],
) -> Result<Settled, Vec<Miss>> {
    let (mut out, mut misses) = (Settled::default(), unverified(case.site));
    if !misses.is_empty() {
        return Err(misses);
    }
    for steered in case.state.steered(case.site) {
        let (Some(zone), Some(machine)) = (case.site.zone(steered.zone), case.site.family(steered.machine))
        else {
            continue;
        };
        let Some(series) = commands.zones.get(&steered.zone) else {
            let message =
                format!("the plan says no setpoint of `{}`, which `{}` follows", zone.name, machine.name);
            misses.push(Miss::plan(&zone.name, message));
            continue;
        };
        let Some(place) = runs.iter().position(|run| run.unit.family == steered.machine) else { continue };
        let thermal = thermal(case, zone, runs, Some(steered.machine)).map_err(|miss| vec![miss])?;
        let one = One { case, zone, machine, heats: steered.heats, series };
        let Followed { powers, temperatures, settled } = one.run(&thermal).map_err(|_| {
            vec![Miss::plan(&zone.name, format!("zone `{}` has values beyond 10^15", zone.name))]
        })?;
        if let Some(run) = runs.get_mut(place) {
            run.powers.insert(Attr::Power, powers);
        }
        let exact = (0..).zip(&settled).map(|(step, there)| kelvin(series, step).filter(|_| *there));
        out.exact.insert(steered.zone, exact.collect());
        out.temperatures.insert(steered.zone, temperatures);
    }
    if misses.is_empty() { Ok(out) } else { Err(misses) }
}

/// What follows from the setpoints of a zone, by step.
#[derive(Debug, Default)]
struct Followed {
    powers: Vec<Interval>,
    temperatures: Vec<Interval>,
    /// Whether the temperature surely is the setpoint.
    settled: Vec<bool>,
}

/// One zone with its setpoints.
struct One<'o, 'a> {
    case: &'o Case<'a>,
    zone: &'o Zone,
    machine: &'o Family,
    heats: bool,
    series: &'o CommandSeries,
}

impl One<'_, '_> {
    fn run(&self, thermal: &Thermal<'_>) -> Result<Followed, TooLarge> {
        let steps = self.case.steps.len();
        let mut out = Followed::default();
        let mut now = Interval::of(&thermal.start)?;
        for step in 0..steps {
            let setpoint = Interval::of(&kelvin(self.series, step).ok_or(TooLarge)?)?;
            let free = thermal.after(self.case, self.zone, step, now)?;
            let outside = thermal.outside(step);
            let (most, cop) = self.machine_at(&outside);
            // K at the step's end for each kW that the machine takes
            let gain = &thermal.gain(self.case, self.zone, step) * &cop;
            let most = Interval::of(&most)?;
            let (power, then, settled) = self.follow(setpoint, free, most, &gain)?;
            out.powers.push(power);
            out.temperatures.push(then);
            out.settled.push(settled);
            now = then;
        }
        Ok(out)
    }

    /// The most that the machine can take, kW, and what it makes of it.
    fn machine_at(&self, outside: &Rat) -> (Rat, Rat) {
        let most = self.machine.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most);
        let Model::Consumer(consumer) = &self.machine.model else { return (Rat::ZERO, Rat::ONE) };
        let most = match table(&consumer.capacity, outside) {
            Some(here) => Rat::max_of(&Rat::ZERO, &Rat::min_of(&here, &most)),
            None => most,
        };
        (most, table(&consumer.cop, outside).unwrap_or(Rat::ONE))
    }

    /// Power of the machine, the temperature that it leaves, and whether that surely is the setpoint: the
    /// zone is not past it by itself, and it is in reach.
    fn follow(
        &self,
        setpoint: Interval,
        free: Interval,
        most: Interval,
        gain: &Rat,
    ) -> Result<(Interval, Interval, bool), TooLarge> {
        let change = most.times(gain)?;
        let (wanted, then, settled) = if self.heats {
            let full = free.plus(change)?;
            let settled = free.at_most(setpoint) && setpoint.at_most(full);
            (setpoint.minus(free)?, free.max(setpoint.min(full)), settled)
        } else {
            let full = free.minus(change)?;
            let settled = setpoint.at_most(free) && full.at_most(setpoint);
            (free.minus(setpoint)?, free.min(setpoint.max(full)), settled)
        };
        if gain.is_positive() {
            return Ok((wanted.divided(gain)?.positive().min(most), then, settled));
        }
        // what it does reaches no room: it runs in vain where the room is not there by itself
        let power = match (wanted.is_positive(), wanted.may_be_positive()) {
            (true, _) => most,
            (false, true) => Interval::hull(Interval::ZERO, most),
            (false, false) => Interval::ZERO,
        };
        Ok((power, then, settled))
    }
}

/// Whether a temperature at a step's end is surely not below `lo` and not above `hi`.
pub(super) fn within(
    trajectory: &Trajectory,
    zone: ZoneId,
    step: usize,
    (lo, hi): (Option<&Rat>, Option<&Rat>),
) -> bool {
    let between = |least: &Rat, most: &Rat| lo.is_none_or(|lo| lo <= least) && hi.is_none_or(|hi| most <= hi);
    let exact = trajectory.at_setpoint.get(&zone).and_then(|values| values.get(step)?.as_ref());
    let value = trajectory.temperatures.get(&zone).and_then(|values| values.get(step));
    exact.is_some_and(|setpoint| between(setpoint, setpoint))
        || value.is_some_and(|value| between(&value.lo(), &value.hi()))
}

/// Setpoints are what their register takes, and inside the band of the zone wherever its temperature
/// is, or less than a register step apart from that temperature: there the next step might move the machine.
pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    commands: &Commands<'_>,
    trajectory: &Trajectory,
    out: &mut Misses,
) {
    for Steered { zone: id, holder, .. } in case.state.steered(case.site) {
        let (Some(zone), Some(series)) = (case.site.zone(id), commands.zones.get(&id)) else { continue };
        let holder = case.site.family(holder);
        let takes = holder.and_then(|family| family.ranges.get(&Attr::Setpoint));
        let size = holder.map_or(Rat::ZERO, |family| register_step(family, &Attr::Setpoint));
        for (step, length) in case.steps.iter().enumerate() {
            let Some(setpoint) = kelvin(series, step) else { continue };
            let inside = |(lo, hi): &(Rat, Rat)| *lo <= setpoint && setpoint <= *hi;
            if takes.is_some_and(|pieces| !pieces.iter().any(inside)) {
                let message = format!(
                    "the setpoint of `{}` is {} degC, which its register does not take",
                    zone.name,
                    celsius(&setpoint)
                );
                out.push("register", Miss::at(step, &zone.name, message));
            }
            let band = zone.comfort.iter().find(|band| calendar.contains(&band.during, length.start));
            let next = trajectory
                .temperatures
                .get(&id)
                .and_then(|values| values.get(step))
                .is_some_and(|there| &there.lo() - &size <= setpoint && setpoint <= &there.hi() + &size);
            if let Some(band) = band.filter(|_| zone.class.is_some() && !next)
                && within(trajectory, id, step, (Some(&band.lo), Some(&band.hi)))
                && !inside(&(band.lo.clone(), band.hi.clone()))
            {
                let message = format!(
                    "the setpoint of `{}` is {} degC, outside its band",
                    zone.name,
                    celsius(&setpoint)
                );
                out.push(
                    "setpoint",
                    Miss::at(step, &zone.name, message).by(Statement::Comfort(id), band.span),
                );
            }
        }
    }
}

/// How much power, kW, the machine of a zone takes more or less at most where its setpoint is one register
/// step elsewhere for so long: to move `C` by it and to keep it there, or all that it can.
pub(super) fn sway(case: &Case<'_>, steered: &Steered, zone: &Zone, machine: &Family, hours: &Rat) -> Rat {
    let size = case.site.family(steered.holder).map(|holder| register_step(holder, &Attr::Setpoint));
    let whole = machine.hull(&Attr::Power).map(|(_, most)| most).unwrap_or_default();
    let Model::Consumer(consumer) = &machine.model else { return Rat::ZERO };
    let least = consumer.cop.iter().map(|row| &row.1).min().cloned().unwrap_or(Rat::ONE);
    let change = &size.unwrap_or_default() * &(&zone.heat_capacity + &(&zone.heat_loss * hours));
    match change.checked_div(&(hours * &least)) {
        Some(power) => Rat::min_of(&power, &whole),
        None => whole,
    }
}

/// The setpoint that a plan commands for a zone in a step, K, where its machine follows it.
pub(super) fn commanded(case: &Case<'_>, zone: ZoneId, step: usize) -> Option<Rat> {
    let name = &case.site.zone(zone)?.name;
    let series = case.commands.iter().find(|s| s.attr == Attr::Setpoint && s.device == *name)?;
    let steered = case.state.steered(case.site).iter().any(|steered| steered.zone == zone);
    steered.then(|| kelvin(series, step)).flatten()
}

/// A temperature in words, degC.
pub(super) fn celsius(kelvin: &Rat) -> String {
    (kelvin - &freezing()).to_decimal(6)
}
