//! Deliveries, runs and vehicles' wants inside their windows (semantics.md 17).

use std::collections::BTreeMap;

use super::Case;
use super::decisions::Decisions;
use super::fix::Interval;
use super::ledger::{Breached, Ledger, effect};
use super::miss::Misses;
use super::simulate::Trajectory;
use crate::bundle::{Done, Session};
use crate::calendar::{Calendar, Instant};
use crate::eval::{Asked, EffectRef, Instance};
use crate::ir::{Attr, ClassId, Device, Effect, EffectKind, MemberRange, Model, Rule, Statement, Target};
use crate::quantity::Rat;

/// One device's due in one window.
struct Due<'d> {
    statement: Statement,
    class: ClassId,
    device: Device,
    window: (Instant, Instant),
    asked: &'d Asked,
    done: Done,
}

fn horizon(case: &Case<'_>) -> (Instant, Instant) {
    let from = case.steps.first().map_or(Instant(0), |s| s.start);
    (from, case.steps.last().map_or(from, |s| s.end))
}

/// Places of the steps that lie in `[from, to)`.
fn steps_in(case: &Case<'_>, from: Instant, to: Instant) -> std::ops::Range<usize> {
    let first = case.steps.partition_point(|step| step.start < from);
    let last = case.steps.partition_point(|step| step.end <= to);
    first..last.max(first)
}

fn energy(
    case: &Case<'_>,
    trajectory: &Trajectory,
    device: Device,
    steps: std::ops::Range<usize>,
) -> Option<Interval> {
    let one = [MemberRange { family: device.family, first: device.index, last: device.index }];
    let mut total = Interval::ZERO;
    for step in steps {
        let power = super::rules::sum(case, trajectory, &one, &Attr::Power, step)?;
        let seconds = case.steps.get(step)?.seconds();
        total = total.plus(power.scaled(i128::from(seconds), 3600).ok()?).ok()?;
    }
    Some(total)
}

fn hours(seconds: i64) -> Rat {
    Rat::ratio(i128::from(seconds.max(0)), 3600).unwrap_or_default()
}

fn greatest(case: &Case<'_>, device: Device) -> Rat {
    case.site.family(device.family).and_then(|f| f.hull(&Attr::Power)).map_or(Rat::ZERO, |(_, hi)| hi)
}

/// What can still be given after the plan's end until a window closes, kWh: while a vehicle of the
/// plan stays, at most what it takes.
fn later(case: &Case<'_>, device: Device, name: &str, closes: Instant) -> Rat {
    let (_, until) = horizon(case);
    let most = greatest(case, device);
    if !has_sessions(case, device) {
        return &most * &hours(closes.since(until));
    }
    let stays = case.sessions.iter().filter(|stay| stay.device == name);
    stays
        .map(|stay| {
            let power = stay.power.as_ref().map_or(most.clone(), |power| Rat::min_of(power, &most));
            &power * &hours(closes.min(stay.departure).since(until))
        })
        .sum()
}

/// Every `deliver` and `run`; how many there were.
pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    decisions: &Decisions<'_>,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let (from, until) = horizon(case);
    let mut asked = 0;
    for rule in &case.site.rules {
        for stated in rule.effects.iter().filter(|e| !e.preferably) {
            let (EffectKind::Deliver { window, .. } | EffectKind::Run { window, .. }) = &stated.kind else {
                continue;
            };
            // when the effect last fired on a device, for `at most every`
            let mut fired: BTreeMap<Device, Instant> = BTreeMap::new();
            for window in calendar.obligation_windows(window, from, until) {
                let begun = window.0 < from;
                let step = case.steps.partition_point(|s| s.start < window.0.max(from));
                let Some(decision) = decisions.steps.get(step) else { continue };
                for obligation in &decision.obligations {
                    if obligation.effect.instance.rule != rule.id || obligation.effect.index != stated.index {
                        continue;
                    }
                    for device in obligation.members.iter().flat_map(|m| m.devices()) {
                        let done =
                            if begun { case.state.done(case.site, rule.id, device) } else { Done::default() };
                        if begun && done.owed == Some(false) {
                            continue;
                        }
                        if !fires(case, rule, stated, device, window.0, &mut fired) {
                            continue;
                        }
                        asked += 1;
                        let statement = effect(obligation.effect);
                        let due = Due {
                            statement,
                            class: rule.class,
                            device,
                            window,
                            asked: &obligation.asked,
                            done,
                        };
                        one(case, trajectory, &due, ledger, out);
                    }
                }
                if begun {
                    for device in members(case, rule, stated).iter().flat_map(|m| m.devices()) {
                        if case.state.done(case.site, rule.id, device).owed == Some(true) {
                            fires(case, rule, stated, device, window.0, &mut fired);
                        }
                    }
                    asked += since_before(case, trajectory, decisions, (rule, stated), window, ledger, out);
                }
            }
        }
    }
    asked
}

/// Whether `at most every` lets the window that opens at `opens` fire on a device. It does where the
/// last one that fired opened at least that long before.
fn fires(
    case: &Case<'_>,
    rule: &Rule,
    stated: &Effect,
    device: Device,
    opens: Instant,
    fired: &mut BTreeMap<Device, Instant>,
) -> bool {
    let (Some(every), EffectKind::Run { .. }) = (rule.at_most_every_s, &stated.kind) else { return true };
    let before = case.state.done(case.site, rule.id, device).fired;
    let last = fired.get(&device).copied().or(before);
    if last.is_some_and(|last| last < opens && opens.since(last) < every) {
        return false;
    }
    fired.insert(device, opens);
    true
}

/// Dues whose guard held when their window opened, before the plan, and holds no longer.
fn since_before(
    case: &Case<'_>,
    trajectory: &Trajectory,
    decisions: &Decisions<'_>,
    (rule, stated): (&Rule, &Effect),
    window: (Instant, Instant),
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let members = members(case, rule, stated);
    let active = |device: Device| {
        let found = decisions.steps.first().into_iter().flat_map(|d| &d.obligations);
        found.into_iter().any(|o| {
            o.effect.instance.rule == rule.id
                && o.effect.index == stated.index
                && o.members.iter().any(|m| m.contains(device))
        })
    };
    let mut asked = 0;
    for device in members.iter().flat_map(|m| m.devices()) {
        let done = case.state.done(case.site, rule.id, device);
        if done.owed != Some(true) || active(device) {
            continue;
        }
        let member = rule.for_each.map(|_| device);
        let owed = match &stated.kind {
            EffectKind::Deliver { energy, .. } => {
                decisions.evaluator.number(energy, member, &decisions.first).map(Asked::Deliver)
            }
            EffectKind::Run { for_s, uninterrupted, .. } => {
                Some(Asked::Run { for_s: *for_s, uninterrupted: *uninterrupted })
            }
            _ => None,
        };
        let Some(owed) = owed else { continue };
        asked += 1;
        let by = EffectRef { instance: Instance { rule: rule.id, member }, index: stated.index };
        let due = Due { statement: effect(by), class: rule.class, device, window, asked: &owed, done };
        one(case, trajectory, &due, ledger, out);
    }
    asked
}

/// Every device that an effect may oblige.
fn members(case: &Case<'_>, rule: &Rule, stated: &Effect) -> Vec<MemberRange> {
    match (&stated.target, rule.for_each.and_then(|g| case.site.group(g))) {
        (Target::Bound, Some(group)) => group.members.clone(),
        (target, _) => case.site.target_members(target),
    }
}

fn one(case: &Case<'_>, trajectory: &Trajectory, due: &Due<'_>, ledger: &mut Ledger<'_>, out: &mut Misses) {
    let (from, until) = horizon(case);
    let (opens, closes) = due.window;
    let steps = steps_in(case, opens.max(from), closes.min(until));
    let beyond = closes.since(until).max(0);
    let name = case.site.device_name(due.device);
    let first = steps.start.min(case.steps.len().saturating_sub(1));
    let words = match due.asked {
        Asked::Deliver(energy_owed) => {
            let before = due.done.energy.as_ref().map(|q| q.value.clone()).unwrap_or_default();
            let mut owed = energy_owed - &before;
            if has_sessions(case, due.device) {
                let stays: Vec<&Session> = case
                    .sessions
                    .iter()
                    .filter(|s| s.device == name && s.arrival < closes && opens < s.departure)
                    .collect();
                if stays.is_empty() {
                    // no vehicle: the obligation is void
                    return;
                }
                if stays.iter().all(|s| s.room.is_some()) {
                    let room: Rat = stays.iter().filter_map(|s| s.room.as_ref()).sum();
                    owed = Rat::min_of(&owed, &room);
                }
            }
            owed -= &later(case, due.device, &name, closes);
            if !owed.is_positive() {
                return;
            }
            let Some(given) = energy(case, trajectory, due.device, steps) else { return };
            if given.lo() >= owed {
                return;
            }
            format!("`{name}` gets {} kWh of the {} kWh that are due", given.recorded(), owed.to_decimal(6))
        }
        Asked::Run { for_s, uninterrupted } => {
            let ran = due.done.ran.as_ref().map(|q| q.value.floor()).and_then(|v| v.to_i64()).unwrap_or(0);
            let owed = for_s - ran;
            if owed <= 0 {
                return;
            }
            let longest =
                running(case, trajectory, due.device, steps.clone(), *uninterrupted, ran > 0, beyond);
            if longest >= owed || (beyond >= owed && ran == 0) {
                return;
            }
            format!("`{name}` runs for {longest} s of the {owed} s that are due")
        }
        _ => return,
    };
    ledger.breach(
        Breached { statement: due.statement, class: due.class, of: name, step: first, words, initial: false },
        out,
    );
}

/// Seconds that count: all, or the longest piece; a piece that was begun before goes on from the
/// first step, one at the horizon's end may go on beyond it.
fn running(
    case: &Case<'_>,
    trajectory: &Trajectory,
    device: Device,
    steps: std::ops::Range<usize>,
    uninterrupted: bool,
    begun: bool,
    beyond: i64,
) -> i64 {
    let on = |step: usize| {
        let name = case.site.device_name(device);
        let series = case.commands.iter().find(|s| s.attr == Attr::On && s.device == name);
        let commanded = series.and_then(|s| s.counts.get(step)).map(|on| *on == 1);
        commanded.unwrap_or_else(|| {
            let one = [MemberRange { family: device.family, first: device.index, last: device.index }];
            super::rules::sum(case, trajectory, &one, &Attr::Power, step).is_some_and(|p| p.is_positive())
        })
    };
    let (mut longest, mut piece, mut all) = (0, 0, 0);
    let last = steps.end;
    for step in steps {
        let seconds = case.steps.get(step).map_or(0, |s| s.seconds());
        if on(step) {
            piece += seconds;
            all += seconds;
            let open = step + 1 == last && beyond > 0;
            longest = longest.max(if open { piece + beyond } else { piece });
        } else {
            if begun && uninterrupted {
                return longest;
            }
            piece = 0;
        }
    }
    if uninterrupted { longest } else { all + beyond }
}

fn has_sessions(case: &Case<'_>, device: Device) -> bool {
    matches!(case.site.family(device.family).map(|f| &f.model), Some(Model::Consumer(c)) if c.sessions.is_some())
}

/// The energy that vehicles want by departure, owed in the lowest class as far as the stay allows;
/// how many there were.
pub(super) fn sessions(
    case: &Case<'_>,
    trajectory: &Trajectory,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let (from, until) = horizon(case);
    let lowest = ClassId::at(case.site.classes.len().saturating_sub(1));
    let names = crate::bundle::Names::new(case.site);
    let mut asked = 0;
    for stay in case.sessions {
        let Some(device) = names.device(&stay.device) else { continue };
        let steps = steps_in(case, stay.arrival.max(from), stay.departure.min(until));
        if steps.is_empty() {
            continue;
        }
        asked += 1;
        let most = greatest(case, device);
        let most = stay.power.as_ref().map_or(most.clone(), |p| Rat::min_of(p, &most));
        let beyond = hours(stay.departure.since(until));
        let here: i64 = steps.clone().filter_map(|s| case.steps.get(s)).map(|s| s.seconds()).sum();
        let wanted = stay.room.as_ref().map_or(stay.energy.clone(), |room| Rat::min_of(room, &stay.energy));
        let possible = &most * &(hours(here) + &beyond);
        let wanted = Rat::min_of(&wanted, &possible);
        let now = &wanted - &(&most * &beyond);
        let Some(given) = energy(case, trajectory, device, steps.clone()) else { continue };
        // a register step over an hour is as near as a whole vehicle's energy can be asked
        let near = case.site.family(device.family).map(|f| crate::bundle::register_step(f, &Attr::Power));
        if given.lo() >= &now - &near.unwrap_or_default() {
            continue;
        }
        let words = format!(
            "`{}` gives its vehicle {} kWh of {} kWh",
            stay.device,
            given.recorded(),
            now.to_decimal(6)
        );
        let statement = Statement::Device(device.family);
        ledger.breach(
            Breached {
                statement,
                class: lowest,
                of: stay.device.clone(),
                step: steps.start,
                words,
                initial: false,
            },
            out,
        );
    }
    asked
}
