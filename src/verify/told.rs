//! How far links and buses on its way narrow what a device that follows a meter is told it may do
//! (planner.md 2): to the most with which none of them carries too much, whatever others may do.

use std::collections::BTreeSet;

use super::check::planned;
use super::fix::{Interval, TooLarge};
use super::follow::{Moment, bounds};
use super::limits::{Excess, Limits, Power};
use super::network::Network;
use super::simulate::{Trajectory, balancing, run};
use super::units::{commands, units};
use super::{Case, Miss};
use crate::bundle::{CommandSeries, FollowingSeries};
use crate::ir::{Attr, Device, Statement, told_at_most};

/// Where something on the way carries no more: of whose attribute, in which steps.
pub(super) type Full = BTreeSet<(Device, usize, Attr)>;

/// Where a register step more of what it is told would be too much for a link or bus on the way, in a step.
pub(super) fn full(
    case: &Case<'_>,
    limits: &Limits<'_>,
    trajectory: &Trajectory,
    (step, powers): (usize, &[Power]),
    out: &mut Full,
) -> Result<(), TooLarge> {
    for series in following(case, step) {
        let Some(moment) = Moment::of(case, limits, trajectory, (step, series), powers)? else { continue };
        let family = moment.family;
        if !family.follows_within_less() {
            continue;
        }
        for attr in bounds(family) {
            let Some(said) = told(case, series, attr) else { continue };
            let count = said.counts.get(step).copied().unwrap_or_default();
            let own = family.rated(attr).and_then(|rated| told_at_most(&said.step, &rated));
            let next = Interval::steps(&said.step, count.saturating_add(1))?;
            if own.is_none_or(|own| count < own) && !bears(&moment, attr, next)? {
                out.insert((moment.device, step, attr.clone()));
            }
        }
    }
    Ok(())
}

/// What a device that follows may at most have of an attribute in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Less {
    /// Who follows.
    pub device: Device,
    /// Of what.
    pub attr: Attr,
    /// When.
    pub step: usize,
    /// How much, in register steps.
    pub count: i64,
}

/// What devices that follow may be told instead of what a plan says, so that no link or bus on their way
/// carries too much.
///
/// # Errors
/// As [`simulate`](super::simulate).
pub fn narrowed(case: &Case<'_>) -> Result<Vec<Less>, Vec<Miss>> {
    let mut out = Vec::new();
    if case.following.is_empty() {
        return Ok(out);
    }
    let found = commands(case)?;
    let trajectory = run(case, &found)?;
    let units = units(case, &found);
    let balancing = balancing(case, &found, &units);
    let roots: Vec<_> = balancing.iter().map(|(_, bus)| *bus).collect();
    let places: Vec<usize> = balancing.iter().map(|(place, _)| *place).collect();
    let network = Network::new(case.site, &roots)?;
    let family = |(place, bus): &(usize, _)| Some((units.get(*place)?.family, *bus));
    let limits = Limits::new(case.site, network, balancing.iter().filter_map(family).collect());
    for step in 0..case.steps.len() {
        let at = (&limits, &trajectory, places.as_slice());
        let none = BTreeSet::new();
        let all_there = Case { excluded: &none, ..*case };
        let too_large = |_| vec![Miss::plan("plan", "values beyond 10^15 cannot be computed exactly")];
        for series in following(case, step) {
            let first = room(&all_there, at, (step, series), None).map_err(too_large)?;
            let found = if case.excluded.is_empty() {
                first
            } else {
                room(case, at, (step, series), Some(&first)).map_err(too_large)?
            };
            out.extend(found);
        }
    }
    Ok(out)
}

/// How much of each attribute still fits: less than the plan says, where it says what does not. With what
/// fits while all `others` do what is planned, no less than the device needs then.
fn room(
    case: &Case<'_>,
    (limits, trajectory, places): (&Limits<'_>, &Trajectory, &[usize]),
    (step, series): (usize, &FollowingSeries),
    others: Option<&[Less]>,
) -> Result<Vec<Less>, TooLarge> {
    let mut powers = Vec::new();
    planned(case, limits, trajectory, (places, step), &mut powers);
    let Some(moment) = Moment::of(case, limits, trajectory, (step, series), &powers)? else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    if !moment.family.follows_within_less() {
        return Ok(out);
    }
    for attr in bounds(moment.family) {
        let Some(said) = told(case, series, attr) else { continue };
        let Some(most) = said.counts.get(step).copied() else { continue };
        let before = others.and_then(|others| others.iter().find(|less| less.attr == *attr));
        let fits = |count: i64| bears(&moment, attr, Interval::steps(&said.step, count)?);
        let before = before.map(|less| less.count);
        let most = before.unwrap_or(most).min(most);
        let mut count = most;
        if !fits(most)? {
            let (mut low, mut high) = (0, most);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if fits(middle)? { low = middle } else { high = middle }
            }
            count = low;
        }
        let needs = trajectory.run_of(moment.device).map_or(Interval::ZERO, |run| run.power(attr, step));
        // what others might do is no reason to do less: then it had better not follow
        if others.is_some()
            && !needs.min(Interval::steps(&said.step, most)?).at_most(Interval::steps(&said.step, count)?)
        {
            count = most;
        }
        if before.is_some() || count < most {
            out.push(Less { device: moment.device, attr: attr.clone(), step, count });
        }
    }
    Ok(out)
}

/// Who follows in a step.
fn following<'a>(case: &Case<'a>, step: usize) -> impl Iterator<Item = &'a FollowingSeries> + use<'a> {
    case.following.iter().filter(move |series| series.target(step).is_some())
}

fn told<'a>(case: &Case<'a>, series: &FollowingSeries, attr: &Attr) -> Option<&'a CommandSeries> {
    case.commands.iter().find(|said| said.device == series.device && said.attr == *attr)
}

/// Whether links and buses bear that a device may have so much of an attribute. What they carry no less of while
/// it has none is not its doing.
fn bears(moment: &Moment<'_, '_>, attr: &Attr, most: Interval) -> Result<bool, TooLarge> {
    let Some(power) = moment.furthest(attr, most)? else { return Ok(true) };
    let of_the_way = |excess: &Excess| {
        excess.unit == "kW" && matches!(excess.statement, Statement::Link(_) | Statement::Bus(_))
    };
    let found: Vec<Excess> = moment.exceeded(power)?.into_iter().filter(of_the_way).collect();
    if found.is_empty() {
        return Ok(true);
    }
    let without = moment.exceeded(Interval::ZERO)?;
    let same = |excess: &Excess, other: &Excess| (&excess.of, &excess.what) == (&other.of, &other.what);
    let anyway =
        |excess: &Excess| without.iter().any(|other| same(excess, other) && other.by() >= excess.by());
    Ok(found.iter().all(anyway))
}
