//! Deliveries, runs and vehicles' wants inside their windows (semantics.md 17).

use std::collections::BTreeMap;

use super::Case;
use super::carried;
use super::decisions::Decisions;
use super::fix::Interval;
use super::ledger::{Breached, Duty, Ledger, When, effect};
use super::miss::{Miss, Misses};
use super::money::Amount;
use super::simulate::Trajectory;
use crate::bundle::{Done, Session, StatementRef, Void};
use crate::calendar::{Calendar, Instant};
use crate::diag::Diagnostic;
use crate::eval::{Asked, Decision, EffectRef, Instance};
use crate::ir::{Attr, ClassId, Device, Effect, EffectKind, MemberRange, Model, Rule, Statement, Target};
use crate::quantity::Rat;

/// Something due of a device in some steps.
pub(super) struct Due {
    pub(super) statement: Statement,
    pub(super) device: Device,
    pub(super) steps: std::ops::Range<usize>,
}

/// What one device owes in one window.
struct Owed<'d> {
    statement: Statement,
    duty: Duty,
    device: Device,
    window: (Instant, Instant),
    asked: &'d Asked,
}

fn horizon(case: &Case<'_>) -> (Instant, Instant) {
    let from = case.steps.first().map_or(Instant(0), |s| s.start);
    (from, case.steps.last().map_or(from, |s| s.end))
}

/// Places of the steps that lie in `[from, to)`.
pub(super) fn steps_in(case: &Case<'_>, from: Instant, to: Instant) -> std::ops::Range<usize> {
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

/// Greatest power of a device, kW.
pub(super) fn greatest(case: &Case<'_>, device: Device) -> Rat {
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

/// Everything that `deliver` and `run` ask of a plan.
pub(super) struct Work<'w, 'a> {
    pub(super) case: &'w Case<'a>,
    pub(super) calendar: &'w Calendar,
    pub(super) trajectory: &'w Trajectory,
    pub(super) decisions: &'w Decisions<'a>,
    /// Dues that ask nothing.
    pub(super) void: Vec<Void>,
    /// All others.
    pub(super) dues: Vec<Due>,
    /// What was asked within windows, kWh.
    pub(super) wanted: Vec<super::carried::Wanted>,
    /// When an effect last fired on a device, for `at most every`.
    fired: BTreeMap<(EffectRef, Device), Instant>,
}

/// What a decision asks of devices by one effect, owed or preferred.
fn asked<'d>(
    decision: &'d Decision,
    rule: &'d Rule,
    stated: &'d Effect,
) -> impl Iterator<Item = (EffectRef, Device, Duty, &'d Asked)> {
    let is = move |by: &EffectRef| by.instance.rule == rule.id && by.index == stated.index;
    let owed = decision.obligations.iter().filter(move |o| is(&o.effect)).flat_map(|o| {
        let devices = o.members.iter().flat_map(|m| m.devices());
        devices.map(|d| (o.effect, d, Duty::Owed(o.class), &o.asked))
    });
    let wished = decision.preferences.iter().filter(move |p| is(&p.effect)).flat_map(|p| {
        let devices = p.units.iter().filter_map(super::rules::devices).flat_map(|m| m.devices());
        devices.map(|d| (p.effect, d, Duty::Wished(Some(p.class), p.price.clone()), &p.asked))
    });
    owed.chain(wished)
}

impl<'w, 'a> Work<'w, 'a> {
    pub(super) const fn new(
        case: &'w Case<'a>,
        calendar: &'w Calendar,
        trajectory: &'w Trajectory,
        decisions: &'w Decisions<'a>,
    ) -> Self {
        Self {
            case,
            calendar,
            trajectory,
            decisions,
            void: Vec::new(),
            dues: Vec::new(),
            wanted: Vec::new(),
            fired: BTreeMap::new(),
        }
    }

    /// Every `deliver` and `run`, owed or preferred; how many there were.
    pub(super) fn check(&mut self, ledger: &mut Ledger<'_>, out: &mut Misses) -> usize {
        let mut asked = 0;
        for rule in &self.case.site.rules {
            for stated in &rule.effects {
                if let EffectKind::Deliver { window, .. } | EffectKind::Run { window, .. } = &stated.kind {
                    let (from, until) = horizon(self.case);
                    for window in self.calendar.obligation_windows(window, from, until) {
                        asked += self.window((rule, stated), window, ledger, out);
                    }
                }
            }
        }
        asked
    }

    fn window(
        &mut self,
        (rule, stated): (&Rule, &Effect),
        window: (Instant, Instant),
        ledger: &mut Ledger<'_>,
        out: &mut Misses,
    ) -> usize {
        let (case, decisions) = (self.case, self.decisions);
        let (from, _) = horizon(case);
        let begun = window.0 < from;
        let step = case.steps.partition_point(|s| s.start < window.0.max(from));
        let Some(decision) = decisions.steps.get(step) else { return 0 };
        let mut count = 0;
        let mut met: Vec<(EffectRef, Device)> = Vec::new();
        for (by, device, duty, asked) in asked(decision, rule, stated) {
            met.push((by, device));
            count += usize::from(self.due(rule, (by, device), duty, asked, window, ledger, out));
        }
        if !begun {
            return count;
        }
        // owed since the window opened, although the guard no longer holds
        for (by, device) in self.members(rule, stated) {
            if met.contains(&(by, device)) || case.state.done(case.site, rule.id, device).owed != Some(true) {
                continue;
            }
            let owed = match &stated.kind {
                EffectKind::Deliver { energy, .. } => {
                    let member = by.instance.member;
                    decisions.evaluator.number(energy, member, &decisions.first).map(Asked::Deliver)
                }
                EffectKind::Run { for_s, uninterrupted, .. } => {
                    Some(Asked::Run { for_s: *for_s, uninterrupted: *uninterrupted })
                }
                _ => None,
            };
            let Some(owed) = owed else { continue };
            let duty = match stated.preferably {
                true => Duty::Wished(Some(rule.class), stated.price.clone()),
                false => Duty::Owed(rule.class),
            };
            count += usize::from(self.due(rule, (by, device), duty, &owed, window, ledger, out));
        }
        count
    }

    /// Every device that an effect may oblige, with the instance that would.
    fn members(&self, rule: &Rule, stated: &Effect) -> Vec<(EffectRef, Device)> {
        let index = stated.index;
        match (&stated.target, rule.for_each.and_then(|g| self.case.site.group(g))) {
            (Target::Bound, Some(group)) => (group.members.iter().flat_map(|m| m.devices()))
                .map(|d| {
                    let instance = Instance { rule: rule.id, member: Some(d) };
                    (EffectRef { instance, index }, d)
                })
                .collect(),
            (target, _) => {
                let by = EffectRef { instance: Instance::of(rule.id), index };
                let members = self.case.site.target_members(target);
                members.iter().flat_map(|m| m.devices()).map(|d| (by, d)).collect()
            }
        }
    }

    /// One device's due in one window; whether it asks anything.
    #[expect(clippy::too_many_arguments, reason = "one call, and each is a different thing")]
    fn due(
        &mut self,
        rule: &Rule,
        (by, device): (EffectRef, Device),
        duty: Duty,
        asked: &Asked,
        window: (Instant, Instant),
        ledger: &mut Ledger<'_>,
        out: &mut Misses,
    ) -> bool {
        let case = self.case;
        let (from, _) = horizon(case);
        let state = case.state.done(case.site, rule.id, device);
        let before = state.fired;
        let done = if window.0 < from { state } else { Done::default() };
        if done.owed == Some(false) {
            return false;
        }
        if !self.fires(rule, (by, device), asked, window.0, before) {
            self.void(effect(by), device, window, "it ran too short a time before");
            return false;
        }
        if super::excluded::is(case, device) {
            self.void(effect(by), device, window, "the state excludes it");
            return false;
        }
        let due = Owed { statement: effect(by), duty, device, window, asked };
        if one(case, self.trajectory, &due, &mut self.wanted, ledger, out) == Met::Void {
            self.void(effect(by), device, window, "no vehicle is there");
            return false;
        }
        let (from, until) = horizon(case);
        let steps = steps_in(case, window.0.max(from), window.1.min(until));
        self.dues.push(Due { statement: effect(by), device, steps });
        true
    }

    /// Whether `at most every` lets the window that opens at `opens` fire on a device. It does where
    /// the last one that fired opened at least that long before.
    fn fires(
        &mut self,
        rule: &Rule,
        key: (EffectRef, Device),
        asked: &Asked,
        opens: Instant,
        before: Option<Instant>,
    ) -> bool {
        let (Some(every), Asked::Run { .. }) = (rule.at_most_every_s, asked) else { return true };
        // a window that fired before the plan began goes on
        let last = self.fired.get(&key).copied().or(before).filter(|last| *last < opens);
        if last.is_some_and(|last| opens.since(last) < every) {
            return false;
        }
        self.fired.insert(key, opens);
        true
    }

    fn void(&mut self, statement: Statement, device: Device, window: (Instant, Instant), why: &str) {
        let (opens, closes) = (self.calendar.show(window.0), self.calendar.show(window.1));
        self.void.push(Void {
            statement: StatementRef::of(self.case.site, statement),
            device: self.case.site.device_name(device),
            because: format!("{why} between {opens} and {closes}"),
        });
    }
}

/// What became of a due.
#[derive(PartialEq, Eq)]
enum Met {
    /// It asks nothing.
    Void,
    /// It is met, or its breach is in the ledger.
    Counted,
}

fn one(
    case: &Case<'_>,
    trajectory: &Trajectory,
    due: &Owed<'_>,
    wanted: &mut Vec<carried::Wanted>,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> Met {
    let (from, until) = horizon(case);
    let (opens, closes) = due.window;
    let steps = steps_in(case, opens.max(from), closes.min(until));
    let beyond = closes.since(until).max(0);
    let name = case.site.device_name(due.device);
    let last = case.steps.len().saturating_sub(1);
    let (first, last) =
        (steps.start.min(last), steps.end.saturating_sub(1).clamp(steps.start.min(last), last));
    let mut duty = due.duty.clone();
    let (words, amount, unit) = match due.asked {
        Asked::Deliver(energy_owed) => {
            let mut owed = energy_owed.clone();
            if has_sessions(case, due.device) {
                let stays: Vec<&Session> = case
                    .sessions
                    .iter()
                    .filter(|s| s.device == name && s.arrival < closes && opens < s.departure)
                    .collect();
                if stays.is_empty() {
                    return Met::Void;
                }
                owed -= &before(case, due, out);
                if stays.iter().all(|s| s.room.is_some()) {
                    let left = |s: &&Session| carried::left(case, due.device, s, s.room.as_ref()?, out);
                    let room: Rat = stays.iter().filter_map(left).sum();
                    owed = Rat::min_of(&owed, &room);
                }
            } else {
                owed -= &before(case, due, out);
            }
            wanted.push(asking(case, trajectory, due, steps.clone(), &owed));
            if unable(case, due, &owed) {
                duty = duty.unable();
            }
            owed -= &later(case, due.device, &name, closes);
            if !owed.is_positive() {
                return Met::Counted;
            }
            let Some(given) = energy(case, trajectory, due.device, steps) else { return Met::Counted };
            if given.lo() >= owed {
                return Met::Counted;
            }
            let words = format!(
                "`{name}` gets {} kWh of the {} kWh that are due",
                given.recorded(),
                owed.to_decimal(6)
            );
            (words, super::distance::between(Some(&owed), None, given), "kWh")
        }
        Asked::Run { for_s, uninterrupted } => {
            let said = before(case, due, out).floor().to_i64().unwrap_or(0);
            let mut ran = said;
            if *uninterrupted && 0 < ran && ran < *for_s {
                ran = unbroken(case, due, ran, out);
            }
            let owed = for_s - ran;
            if owed <= 0 {
                return Met::Counted;
            }
            let full = &greatest(case, due.device) * &hours(owed);
            wanted.push(asking(case, trajectory, due, steps.clone(), &full));
            if ran < said && closes.since(from) < owed {
                duty = duty.unable();
            }
            let longest =
                running(case, trajectory, due.device, steps.clone(), *uninterrupted, ran > 0, beyond);
            if longest >= owed || (beyond >= owed && ran == 0) {
                return Met::Counted;
            }
            if let Duty::Wished(_, Some(price)) = &mut duty {
                // a price is of the energy that does not flow
                *price = &*price * &greatest(case, due.device);
            }
            let words = format!("`{name}` runs for {longest} s of the {owed} s that are due");
            (words, Amount::exact(hours(owed - longest)), "h")
        }
        _ => return Met::Counted,
    };
    let (statement, when) = (due.statement, When::Whole(first, last));
    ledger.breach(Breached { statement, duty, of: name, when, words, amount, unit }, out);
    Met::Counted
}

/// What a due asks of the plan, kWh, and what of it is still to come afterwards.
fn asking(
    case: &Case<'_>,
    trajectory: &Trajectory,
    due: &Owed<'_>,
    steps: std::ops::Range<usize>,
    owed: &Rat,
) -> carried::Wanted {
    let (_, until) = horizon(case);
    let asked = !matches!(due.duty, Duty::Wished(..));
    let wanted = carried::Wanted::new(due.statement, due.device, due.window, owed, asked);
    match (&due.duty, energy(case, trajectory, due.device, steps)) {
        (Duty::Owed(class), Some(given)) if due.window.1 > until => {
            wanted.still(*class, Rat::max_of(&(owed - &given.hi()), &Rat::ZERO))
        }
        _ => wanted,
    }
}

/// Whether the stays of vehicles alone are too short for what is owed, kWh.
fn unable(case: &Case<'_>, due: &Owed<'_>, owed: &Rat) -> bool {
    let (from, _) = horizon(case);
    if !has_sessions(case, due.device) {
        return false;
    }
    let name = case.site.device_name(due.device);
    let most = greatest(case, due.device);
    let within = |stay: &Session| {
        let power = stay.power.as_ref().map_or(most.clone(), |power| Rat::min_of(power, &most));
        let begin = stay.arrival.max(due.window.0).max(from);
        &power * &hours(due.window.1.min(stay.departure).since(begin))
    };
    let possible: Rat = case.sessions.iter().filter(|stay| stay.device == name).map(within).sum();
    *owed > possible
}

/// What was done of a due before the plan, in its own unit: the plan's state has to say it of a window
/// that is open.
fn before(case: &Case<'_>, due: &Owed<'_>, out: &mut Misses) -> Rat {
    let (from, _) = horizon(case);
    let Statement::Effect(rule, _) = due.statement else { return Rat::ZERO };
    if due.window.0 >= from {
        return Rat::ZERO;
    }
    let found = match due.asked {
        Asked::Run { .. } => case.state.ran(case.site, rule, due.device),
        _ => case.state.delivered(case.site, rule, due.device),
    };
    known(found, &case.site.device_name(due.device), out).unwrap_or_default()
}

/// A value of the state, or a miss.
fn known<T>(found: Result<T, Diagnostic>, of: &str, out: &mut Misses) -> Option<T> {
    found.map_err(|missing| out.push("state", Miss::plan(of, missing.message))).ok()
}

/// Seconds of a run, of `ran` in its window, that the first step goes on with: none where the device
/// is off now, and no more than since it was turned on.
fn unbroken(case: &Case<'_>, due: &Owed<'_>, ran: i64, out: &mut Misses) -> i64 {
    let (from, _) = horizon(case);
    let name = case.site.device_name(due.device);
    match known(case.state.switched(case.site, due.device), &name, out) {
        Some(now) if now.on => ran.min(from.since(now.since.max(due.window.0)).max(0)),
        _ => 0,
    }
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

/// The energy that vehicles want by departure, owed in the lowest class;
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
        let Some(device) = names.device(&stay.device).filter(|d| !super::excluded::is(case, *d)) else {
            continue;
        };
        let steps = steps_in(case, stay.arrival.max(from), stay.departure.min(until));
        if steps.is_empty() {
            continue;
        }
        asked += 1;
        let most = greatest(case, device);
        let most = stay.power.as_ref().map_or(most.clone(), |p| Rat::min_of(p, &most));
        let beyond = hours(stay.departure.since(until));
        // what does not fit into the stay is missing all the same
        let wanted = stay.room.as_ref().map_or(stay.energy.clone(), |room| Rat::min_of(room, &stay.energy));
        let Some(wanted) = carried::left(case, device, stay, &wanted, out) else { continue };
        let now = &wanted - &(&most * &beyond);
        let Some(given) = energy(case, trajectory, device, steps.clone()) else { continue };
        // a register step over an hour is as near as a whole vehicle's energy can be asked
        let near = case.site.family(device.family).map(|f| crate::bundle::register_step(f, &Attr::Power));
        if given.lo() >= &now - &near.unwrap_or_default() {
            continue;
        }
        let here: i64 = steps.clone().filter_map(|s| case.steps.get(s)).map(|s| s.seconds()).sum();
        let short = wanted > &most * &(&hours(here) + &beyond);
        let duty = Duty::Owed(lowest);
        let words = format!(
            "`{}` gives its vehicle {} kWh of {} kWh",
            stay.device,
            given.recorded(),
            now.to_decimal(6)
        );
        ledger.breach(
            Breached {
                statement: Statement::Device(device.family),
                duty: if short { duty.unable() } else { duty },
                of: stay.device.clone(),
                when: When::Whole(steps.start, steps.end.saturating_sub(1)),
                words,
                amount: super::distance::between(Some(&now), None, given),
                unit: "kWh",
            },
            out,
        );
    }
    asked
}
