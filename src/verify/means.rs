//! Bounds on means over the clock (`averaged over d`).
//!
//! A mean binds in each window of the clock: over the steps, and parts of steps, of the plan that lie
//! in the window and in which it is asked. So a rule that holds for a part of a window binds that part,
//! and of a window that began before the plan, or ends after it, the part inside obeys the bound by
//! itself.

use std::collections::BTreeMap;

use super::Case;
use super::distance::between;
use super::fix::Interval;
use super::ledger::{Breached, Duty, Ledger, When, effect, unit as unit_of};
use super::miss::Misses;
use super::rules::{devices, farthest, members_name, sum};
use super::simulate::Trajectory;
use crate::bundle::Step;
use crate::calendar::Calendar;
use crate::eval::{Asked, Decision, Demand, EffectRef, Status, Unit};
use crate::ir::{Attr, MemberRange};
use crate::quantity::Rat;

/// Whose mean: an effect on members' attribute over so many s.
type Key = (EffectRef, Vec<MemberRange>, Attr, i64);
/// By step: least and greatest.
type Bounds = BTreeMap<usize, (Option<Rat>, Option<Rat>)>;

fn gather(decisions: &[Decision]) -> BTreeMap<Key, (Duty, Bounds)> {
    let mut found: BTreeMap<Key, (Duty, Bounds)> = BTreeMap::new();
    for (step, decision) in decisions.iter().enumerate() {
        for total in decision.totals_in_force() {
            let Some(over) = total.averaged_s else { continue };
            let key = (total.effect, total.members.clone(), total.attr.clone(), over);
            let entry = found.entry(key).or_insert_with(|| (Duty::Owed(total.class), Bounds::new()));
            entry.1.insert(step, (total.lo.clone(), total.hi.clone()));
        }
        for outcome in decision.outcomes.iter().filter(|o| o.status == Status::InForce) {
            let (Some(over), Unit::Devices(range), Demand::Bound { attr, lo, hi }) =
                (outcome.averaged_s, outcome.unit, &outcome.demand)
            else {
                continue;
            };
            for device in range.devices() {
                let one = MemberRange { first: device.index, last: device.index, ..range };
                let key = (outcome.effect, vec![one], attr.clone(), over);
                let entry = found.entry(key).or_insert_with(|| (Duty::Owed(outcome.class), Bounds::new()));
                entry.1.insert(step, (lo.clone(), hi.clone()));
            }
        }
        for wish in &decision.preferences {
            let Some(over) = wish.averaged_s else { continue };
            let ranges = wish.units.iter().filter_map(devices);
            let (whose, attr, lo, hi): (Vec<Vec<MemberRange>>, _, _, _) = match &wish.asked {
                Asked::Total { attr, lo, hi } => (vec![ranges.collect()], attr, lo, hi),
                Asked::Demand(Demand::Bound { attr, lo, hi }) => {
                    let each = ranges.flat_map(|range| {
                        let one = move |index| vec![MemberRange { first: index, last: index, ..range }];
                        range.devices().map(move |device| one(device.index))
                    });
                    (each.collect(), attr, lo, hi)
                }
                _ => continue,
            };
            for members in whose {
                let duty = || Duty::Wished(Some(wish.class), wish.price.clone());
                let key = (wish.effect, members, attr.clone(), over);
                let entry = found.entry(key).or_insert_with(|| (duty(), Bounds::new()));
                entry.1.insert(step, (lo.clone(), hi.clone()));
            }
        }
    }
    found
}

/// The steps of each window of the clock of this length, with the seconds that they share with it. Of
/// windows that lie inside one step one is enough: power is the same in all of it.
fn windows(case: &Case<'_>, calendar: &Calendar, over: i64) -> Vec<Vec<(usize, i64)>> {
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Vec::new() };
    let over = over.max(1);
    let reading = first.start.0 + i64::from(calendar.offset(first.start));
    let mut begin = first.start.plus(-reading.rem_euclid(over));
    let mut found = Vec::new();
    while begin < last.end {
        let mut end = begin.plus(over);
        let from = case.steps.partition_point(|step| step.end <= begin);
        let to = case.steps.partition_point(|step| step.start < end);
        let shared = |step: &Step| step.end.min(end).since(step.start.max(begin));
        let steps = case.steps.iter().enumerate().take(to).skip(from);
        let mut shares: Vec<(usize, i64)> = steps.map(|(place, step)| (place, shared(step))).collect();
        if let [(place, length)] = shares.as_mut_slice()
            && let Some(step) = case.steps.get(*place)
        {
            let inside = step.end.since(end).max(0).div_euclid(over);
            end = end.plus(inside.saturating_mul(over));
            *length = step.end.min(end).since(step.start.max(begin));
        }
        found.push(shares);
        begin = end;
    }
    found
}

pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    decisions: &[Decision],
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    for ((by, members, attr, over), (duty, bounds)) in gather(decisions) {
        // what is only preferred takes excluded members as presumed
        let of = if matches!(duty, Duty::Owed(_)) { farthest } else { sum };
        for mut steps in windows(case, calendar, over) {
            steps.retain(|(step, _)| bounds.contains_key(step));
            let Some((first, _)) = steps.first().copied() else { continue };
            let Some(found) = mean(&steps, &|step| of(case, trajectory, &members, &attr, step)) else {
                continue;
            };
            let bound = |upper: bool| -> Option<Rat> {
                let (mut weighted, mut seconds) = (Rat::ZERO, 0_i64);
                for (step, length) in &steps {
                    let (lo, hi) = bounds.get(step)?;
                    let bound = if upper { hi } else { lo };
                    weighted += &(bound.as_ref()? * &Rat::int(*length));
                    seconds += length;
                }
                weighted.checked_div(&Rat::int(seconds))
            };
            let (lo, hi) = (bound(false), bound(true));
            if lo.as_ref().is_some_and(|lo| found.lo() < *lo)
                || hi.as_ref().is_some_and(|hi| found.hi() > *hi)
            {
                let words = format!("the mean of {} is {} kW", attr.name(), found.recorded());
                let of = members_name(case.site, &members);
                let (statement, duty, unit) = (effect(by), duty.clone(), unit_of(&attr));
                let when = When::Steps(first, steps.last().map_or(first, |(last, _)| *last));
                let seconds: i64 = steps.iter().map(|(_, length)| length).sum();
                let hours = Rat::ratio(i128::from(seconds), 3600).unwrap_or_default();
                let amount = between(lo.as_ref(), hi.as_ref(), found).at(&hours);
                ledger.breach(Breached { statement, duty, of, when, words, amount, unit }, out);
            }
        }
    }
}

fn mean(steps: &[(usize, i64)], power: &dyn Fn(usize) -> Option<Interval>) -> Option<Interval> {
    let (mut energy, mut seconds) = (Interval::ZERO, 0_i64);
    for (step, length) in steps {
        energy = energy.plus(power(*step)?.scaled(i128::from(*length), 1).ok()?).ok()?;
        seconds += length;
    }
    energy.scaled(1, i128::from(seconds)).ok()
}
