//! Zones that are steered by a setpoint (planner.md 5): what follows it takes exactly the power that brings
//! the zone to what the setpoint keeps at the step's end, no more than it can, and none where the zone is
//! there by itself.
//!
//! A setpoint `S` with a dead band of twice `d` keeps a zone between `H = S - d` and `C = S + d`. With `N` the
//! temperature at the step's end without what follows, `F` with all that heats and `G` with all that cools, it
//! ends at `max(min(N, max(C, G)), min(H, F))`: where the machines reach it that is `H` or `C` itself, without
//! any rounding. Machines of one kind run together, each at the same share of what it can.

use std::collections::BTreeMap;

use super::Case;
use super::fix::{Interval, TooLarge};
use super::miss::{Miss, Misses};
use super::simulate::{Run, Trajectory};
use super::state::{Thermal, freezing, table, thermal};
use super::units::Commands;
use crate::bundle::{CommandSeries, register_step};
use crate::calendar::Calendar;
use crate::eval::{Decision, IntervalSet, Unit};
use crate::ir::{Attr, Family, FamilyId, Model, Site, Statement, Steered, Zone, ZoneId};
use crate::quantity::Rat;

/// The commanded setpoint of a step, K.
fn kelvin(series: &CommandSeries, step: usize) -> Option<Rat> {
    Some(&series.value(step)? + &freezing())
}

/// What of setpoints cannot be verified yet.
fn unverified(site: &Site) -> Vec<Miss> {
    let words = |refused: crate::ir::Unsteerable| {
        Miss::unverified(refused.span, "setpoint", format!("understood, not planned yet: {}", refused.what))
    };
    site.unsteerable().into_iter().map(words).collect()
}

/// Temperatures of steered zones at each step's end, K.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// As far as they can be computed.
    pub(super) temperatures: BTreeMap<ZoneId, Vec<Interval>>,
    /// Where they are what the setpoint keeps.
    pub(super) exact: BTreeMap<ZoneId, Vec<Option<Rat>>>,
    /// The setpoints themselves, K.
    pub(super) setpoints: BTreeMap<ZoneId, Vec<Rat>>,
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
    for steered in case.steered {
        let Some(zone) = case.site.zone(steered.zone) else { continue };
        let Some(series) = commands.zones.get(&steered.zone) else {
            let names = steered.machines().filter_map(|id| case.site.family(id));
            let names = names.map(|machine| format!("`{}`", machine.name)).collect::<Vec<_>>();
            let message = match names.as_slice() {
                [one] => format!("the plan says no setpoint of `{}`, which {one} follows", zone.name),
                _ => {
                    format!(
                        "the plan says no setpoint of `{}`, which {} follow",
                        zone.name,
                        names.join(" and ")
                    )
                }
            };
            misses.push(Miss::plan(&zone.name, message));
            continue;
        };
        let machines: Vec<FamilyId> = steered.machines().collect();
        let thermal = thermal(case, zone, runs, &machines).map_err(|miss| vec![miss])?;
        let one = One { case, zone, steered, series };
        let Followed { powers, temperatures, kept } = one.run(&thermal).map_err(|_| {
            vec![Miss::plan(&zone.name, format!("zone `{}` has values beyond 10^15", zone.name))]
        })?;
        for (machine, powers) in powers {
            if let Some(run) = runs.iter_mut().find(|run| run.unit.family == machine) {
                run.powers.insert(Attr::Power, powers);
            }
        }
        out.exact.insert(steered.zone, kept);
        let setpoints = (0..case.steps.len()).map(|step| kelvin(series, step).unwrap_or_default());
        out.setpoints.insert(steered.zone, setpoints.collect());
        out.temperatures.insert(steered.zone, temperatures);
    }
    if misses.is_empty() { Ok(out) } else { Err(misses) }
}

/// What follows from the setpoints of a zone, by step.
#[derive(Debug, Default)]
struct Followed {
    powers: BTreeMap<FamilyId, Vec<Interval>>,
    temperatures: Vec<Interval>,
    /// What the setpoint keeps, K, where the temperature surely is that.
    kept: Vec<Option<Rat>>,
}

/// Machines of one kind in a step.
struct Group {
    /// The most that each can take, kW.
    most: Vec<(FamilyId, Rat)>,
    /// K at the step's end with all of them at their most.
    change: Rat,
}

/// One zone with its setpoints.
struct One<'o, 'a> {
    case: &'o Case<'a>,
    zone: &'o Zone,
    steered: &'o Steered,
    series: &'o CommandSeries,
}

impl One<'_, '_> {
    fn run(&self, thermal: &Thermal<'_>) -> Result<Followed, TooLarge> {
        let steps = self.case.steps.len();
        let mut out = Followed::default();
        let mut now = Interval::of(&thermal.start)?;
        for step in 0..steps {
            let setpoint = kelvin(self.series, step).ok_or(TooLarge)?;
            let (heated, cooled) = (&setpoint - &self.steered.half, &setpoint + &self.steered.half);
            let (heat_to, cool_to) = (Interval::of(&heated)?, Interval::of(&cooled)?);
            let free = thermal.after(self.case, self.zone, step, now)?;
            let heaters = self.group(thermal, step, &self.steered.heaters);
            let coolers = self.group(thermal, step, &self.steered.coolers);
            let hottest = free.plus(Interval::of(&heaters.change)?)?;
            let coldest = free.minus(Interval::of(&coolers.change)?)?;
            for (machine, power) in
                [heaters.powers(heat_to.minus(free)?)?, coolers.powers(free.minus(cool_to)?)?].concat()
            {
                out.powers.entry(machine).or_default().push(power);
            }
            let then = free.min(cool_to.max(coldest)).max(heat_to.min(hottest));
            let kept = if !self.steered.heaters.is_empty()
                && free.at_most(heat_to)
                && heat_to.at_most(hottest)
            {
                Some(heated)
            } else if !self.steered.coolers.is_empty() && cool_to.at_most(free) && coldest.at_most(cool_to) {
                Some(cooled)
            } else {
                None
            };
            out.temperatures.push(then);
            out.kept.push(kept);
            now = then;
        }
        Ok(out)
    }

    fn group(&self, thermal: &Thermal<'_>, step: usize, machines: &[FamilyId]) -> Group {
        let outside = thermal.outside(step);
        let gain = thermal.gain(self.case, self.zone, step);
        let mut group = Group { most: Vec::with_capacity(machines.len()), change: Rat::ZERO };
        for machine in machines.iter().filter_map(|id| self.case.site.family(*id)) {
            let (most, cop) = at(machine, &outside);
            group.change += &(&(&most * &cop) * &gain);
            group.most.push((machine.id, most));
        }
        group
    }
}

/// The most that a machine can take, kW, and what it makes of it.
fn at(machine: &Family, outside: &Rat) -> (Rat, Rat) {
    let most = machine.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most);
    let Model::Consumer(consumer) = &machine.model else { return (Rat::ZERO, Rat::ONE) };
    let most = match table(&consumer.capacity, outside) {
        Some(here) => Rat::max_of(&Rat::ZERO, &Rat::min_of(&here, &most)),
        None => most,
    };
    (most, table(&consumer.cop, outside).unwrap_or(Rat::ONE))
}

impl Group {
    /// What each takes where the zone is `wanted` K away from where they would bring it.
    fn powers(&self, wanted: Interval) -> Result<Vec<(FamilyId, Interval)>, TooLarge> {
        let mut out = Vec::with_capacity(self.most.len());
        for (machine, most) in &self.most {
            let whole = Interval::of(most)?;
            let power = match self.change.checked_div(most) {
                // K for each kW of this one while all run together
                Some(gain) if gain.is_positive() => wanted.divided(&gain)?.positive().min(whole),
                // what they do reaches no room: they run in vain where the room is not there by itself
                _ => match (wanted.is_positive(), wanted.may_be_positive()) {
                    (true, _) => whole,
                    (false, true) => Interval::hull(Interval::ZERO, whole),
                    (false, false) => Interval::ZERO,
                },
            };
            out.push((*machine, power));
        }
        Ok(out)
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
    exact.is_some_and(|kept| between(kept, kept))
        || value.is_some_and(|value| between(&value.lo(), &value.hi()))
}

/// Setpoints are what their register takes.
pub(super) fn check(case: &Case<'_>, commands: &Commands<'_>, out: &mut Misses) {
    for Steered { zone: id, holder, .. } in case.steered {
        let (Some(zone), Some(series)) = (case.site.zone(*id), commands.zones.get(id)) else { continue };
        let takes = case.site.family(*holder).and_then(|family| family.ranges.get(&Attr::Setpoint));
        for step in 0..case.steps.len() {
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
        }
    }
}

/// Setpoints are inside the band of the zone wherever its temperature is, or less than a register step apart
/// from that temperature: there the next step might move the machine. A band narrower than half the dead band
/// reaches as far as the setpoints that keep its edges, and a rule on the setpoint of the band's class or
/// above goes before it.
pub(super) fn inside_bands(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    decisions: &[Decision],
    out: &mut Misses,
) {
    for Steered { zone: id, holder, half, .. } in case.steered {
        let (Some(zone), Some(setpoints)) = (case.site.zone(*id), trajectory.setpoints.get(id)) else {
            continue;
        };
        let Some(class) = zone.class else { continue };
        let size = case.site.family(*holder).map(|family| register_step(family, &Attr::Setpoint));
        let size = size.unwrap_or_default();
        for (step, (length, setpoint)) in case.steps.iter().zip(setpoints).enumerate() {
            let Some(band) = zone.comfort.iter().find(|band| calendar.contains(&band.during, length.start))
            else {
                continue;
            };
            let near = (trajectory.temperatures.get(id).and_then(|values| values.get(step)))
                .is_some_and(|there| &there.lo() - &size <= *setpoint && *setpoint <= &there.hi() + &size);
            let least = Rat::min_of(&band.lo, &(&band.hi - half));
            let most = Rat::max_of(&band.hi, &(&band.lo + half));
            if near || (least <= *setpoint && *setpoint <= most) {
                continue;
            }
            let ruled = decisions.get(step).is_some_and(|decision| {
                let left =
                    decision.resolved.get(&Unit::Zone(*id)).and_then(|set| set.numbers.get(&Attr::Setpoint));
                decision.setpoint_class(*id).is_some_and(|above| above <= class)
                    && left.is_some_and(|left| {
                        left.contains(setpoint)
                            && left
                                .intersection(&IntervalSet::between(least.clone(), most.clone()))
                                .is_empty()
                    })
            });
            if !ruled && within(trajectory, *id, step, (Some(&band.lo), Some(&band.hi))) {
                let message = format!(
                    "the setpoint of `{}` is {} degC, outside its band",
                    zone.name,
                    celsius(setpoint)
                );
                out.push(
                    "setpoint",
                    Miss::at(step, &zone.name, message).by(Statement::Comfort(*id), band.span),
                );
            }
        }
    }
}

/// How much power, kW, a machine of a zone takes more or less at most where its setpoint is one register
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

/// How a zone is steered, where a setpoint steers it.
pub(super) fn of<'c>(case: &Case<'c>, zone: ZoneId) -> Option<&'c Steered> {
    case.steered.iter().find(|steered| steered.zone == zone)
}

/// A temperature in words, degC.
pub(super) fn celsius(kelvin: &Rat) -> String {
    (kelvin - &freezing()).to_decimal(6)
}
