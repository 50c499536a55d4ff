//! The rules against what the plan does, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use super::decisions::{Decisions, decide};
use super::fix::Interval;
use super::ledger::{Breached, Ledger, effect};
use super::miss::{Miss, Misses};
use super::simulate::Trajectory;
use super::{budgets, flows, means, obligations};
use crate::bundle::PlanDocument;
use crate::calendar::Calendar;
use crate::eval::{Decision, Demand, DeviceSet, IntervalSet, Status, Unit};
use crate::ir::{Attr, ClassId, Device, MemberRange, Model, Site, Statement, ZoneId};
use crate::quantity::Rat;

/// Checks everything that rules, comfort and budgets ask; how many statements that were.
pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    plan: &PlanDocument,
    trajectory: &Trajectory,
    out: &mut Misses,
) -> usize {
    let mut ledger = Ledger::new(case.site, plan);
    let mut asked = comfort(case, calendar, trajectory, &mut ledger, out);
    asked += budgets::check(case, calendar, trajectory, &mut ledger, out);
    asked += obligations::sessions(case, trajectory, &mut ledger, out);
    if !case.site.rules.is_empty() {
        let decisions = decide(case, calendar, trajectory);
        let mut overridden: BTreeSet<(Statement, usize)> = BTreeSet::new();
        for (step, decision) in decisions.steps.iter().enumerate() {
            asked += decision.outcomes.len() + decision.totals.len();
            resolved(case, trajectory, decision, step, &mut ledger, out);
            totals(case, trajectory, decision, step, &mut ledger, out);
            overridden.extend(decision.overridden().into_iter().map(|e| (effect(e), step)));
        }
        means::check(case, calendar, trajectory, &decisions.steps, &mut ledger, out);
        asked += obligations::check(case, calendar, trajectory, &decisions, &mut ledger, out);
        overrides(&decisions, plan, &overridden, out);
        flows::check(case, plan, trajectory, &decisions.steps, out);
    } else if !plan.overrides.is_empty() {
        out.push("override", Miss::plan("plan", "the plan lists overrides, and its policy has no rules"));
    }
    ledger.close(out);
    asked
}

/// What a device does in a step.
fn actual(trajectory: &Trajectory, device: Device, attr: &Attr, step: usize) -> Option<Interval> {
    let run = trajectory.run_of(device)?;
    let of = |attr: &Attr| run.powers.get(attr)?.get(step).copied();
    let sum = match attr {
        Attr::Power if run.powers.contains_key(&Attr::Charge) => {
            of(&Attr::Discharge)?.minus(of(&Attr::Charge)?).ok()?
        }
        Attr::Power if run.powers.contains_key(&Attr::Import) => {
            of(&Attr::Import)?.minus(of(&Attr::Export)?).ok()?
        }
        attr => of(attr)?,
    };
    match i128::from(run.unit.count) {
        count if count > 1 && run.unit.group.is_none() => sum.scaled(1, count).ok(),
        _ => Some(sum),
    }
}

/// The power of one member of a set is dealt out; of others it is known.
fn power_of(
    case: &Case<'_>,
    trajectory: &Trajectory,
    device: Device,
    attr: &Attr,
    step: usize,
) -> Option<Interval> {
    let run = trajectory.run_of(device)?;
    let Some(group) = run.unit.group.and_then(|g| case.groups.get(g)) else {
        return actual(trajectory, device, attr, step);
    };
    if *attr != Attr::Power {
        return None;
    }
    let mut place = 0_u64;
    for range in &run.unit.members {
        if range.contains(device) {
            place += u64::from(device.index - range.first);
            break;
        }
        place += u64::from(range.last - range.first) + 1;
    }
    Interval::steps(&group.step, group.count(place, step)?).ok()
}

/// Whether an interval surely lies in a set.
fn inside(set: &IntervalSet, value: Interval) -> bool {
    let (lo, hi) = (value.lo(), value.hi());
    set.pieces().iter().any(|(least, most)| *least <= lo && hi <= *most)
}

fn within(lo: Option<&Rat>, hi: Option<&Rat>, value: Interval) -> bool {
    lo.is_none_or(|lo| *lo <= value.lo()) && hi.is_none_or(|hi| value.hi() <= *hi)
}

/// A value that an effect may name, at a step: flows in it, states at its end.
struct Point<'c, 'a> {
    case: &'c Case<'a>,
    trajectory: &'c Trajectory,
    step: usize,
}

impl Point<'_, '_> {
    /// The value and, for states, whether it was outside from the plan's beginning on and comes back.
    fn device(&self, device: Device, attr: &Attr) -> Option<Interval> {
        match attr {
            Attr::ChargeLevel => {
                let Model::Store(store) = &self.case.site.family(device.family)?.model else { return None };
                self.trajectory.contents.get(&device)?.after(self.step)?.divided(&store.capacity).ok()
            }
            _ => power_of(self.case, self.trajectory, device, attr, self.step),
        }
    }

    fn zone(&self, zone: ZoneId) -> Option<Interval> {
        self.trajectory.temperatures.get(&zone)?.get(self.step).copied()
    }

    /// The same state at every earlier step's end, the plan's beginning first.
    fn history(&self, unit: Unit, attr: &Attr) -> Vec<Interval> {
        let mut values = Vec::new();
        match unit {
            Unit::Zone(zone) => {
                let start = self.case.state.temperature(self.case.site, zone).ok();
                values.extend(start.and_then(|v| Interval::of(&v).ok()));
                values.extend(
                    self.trajectory.temperatures.get(&zone).into_iter().flatten().take(self.step + 1),
                );
            }
            Unit::Devices(range) if *attr == Attr::ChargeLevel => {
                let device = Device { family: range.family, index: range.first };
                let family = self.case.site.family(device.family);
                if let (Some(Model::Store(store)), Some(content)) =
                    (family.map(|f| &f.model), self.trajectory.contents.get(&device))
                {
                    let level = |v: Option<Interval>| v.and_then(|v| v.divided(&store.capacity).ok());
                    values.extend((0..=self.step + 1).filter_map(|step| level(content.before(step))));
                }
            }
            Unit::Devices(_) => {}
        }
        values
    }

    /// A state that was outside at the beginning and has only come nearer since.
    fn coming_back(&self, unit: Unit, attr: &Attr, lo: Option<&Rat>, hi: Option<&Rat>) -> bool {
        let distance = |v: &Interval| {
            let low = lo.map_or(Rat::ZERO, |lo| lo - &v.lo());
            let high = hi.map_or(Rat::ZERO, |hi| &v.hi() - hi);
            Rat::max_of(&Rat::max_of(&low, &high), &Rat::ZERO)
        };
        let distances: Vec<Rat> = self.history(unit, attr).iter().map(distance).collect();
        distances.len() > 1
            && distances.windows(2).all(|pair| matches!(pair, [a, b] if a.is_positive() && b <= a))
    }

    /// What a demand asks that is not so: the words, and whether it is an initial breach.
    fn against(&self, unit: Unit, demand: &Demand) -> Option<(String, bool)> {
        match (unit, demand) {
            (
                Unit::Zone(zone),
                Demand::Bound { attr: attr @ (Attr::Temperature | Attr::Setpoint), lo, hi },
            ) => {
                let value = self.zone(zone)?;
                if within(lo.as_ref(), hi.as_ref(), value) {
                    return None;
                }
                let initial = self.coming_back(unit, attr, lo.as_ref(), hi.as_ref());
                Some((format!("it is at {} degC", beyond(value, lo.as_ref())), initial))
            }
            (Unit::Zone(zone), Demand::Choice { attr: Attr::Temperature | Attr::Setpoint, set }) => {
                let value = self.zone(zone)?;
                (!inside(set, value)).then(|| (format!("it is at {} degC", celsius(value)), false))
            }
            (Unit::Zone(_), _) => None,
            (Unit::Devices(range), Demand::Bound { attr, lo, hi }) => {
                let (device, value) =
                    self.first(range, attr, |value| !within(lo.as_ref(), hi.as_ref(), value))?;
                let one = Unit::Devices(MemberRange { first: device.index, last: device.index, ..range });
                let initial =
                    *attr == Attr::ChargeLevel && self.coming_back(one, attr, lo.as_ref(), hi.as_ref());
                Some((self.words(device, attr, value), initial))
            }
            (Unit::Devices(range), Demand::Choice { attr, set }) => {
                let (device, value) = self.first(range, attr, |value| !inside(set, value))?;
                Some((self.words(device, attr, value), false))
            }
            (Unit::Devices(range), Demand::Switch(false) | Demand::Connect(false)) => {
                let (device, value) = self.any_power(range)?;
                Some((format!("`{}` has {} kW", self.name(device), value.recorded()), false))
            }
            (Unit::Devices(range), Demand::Switch(true) | Demand::Connect(true)) => {
                // a command says so, or the range has a gap that power has to be above
                let attr = if matches!(demand, Demand::Switch(_)) { Attr::On } else { Attr::Connected };
                let device = range_devices(range).find(|device| {
                    let name = self.name(*device);
                    let series = self.case.commands.iter().find(|s| s.attr == attr && s.device == name);
                    match series.and_then(|s| s.counts.get(self.step)) {
                        Some(on) => *on == 0,
                        None => attr == Attr::On && self.gap(*device) && self.stands(*device),
                    }
                })?;
                Some((format!("`{}` is off", self.name(device)), false))
            }
        }
    }

    fn name(&self, device: Device) -> String {
        self.case.site.device_name(device)
    }

    fn words(&self, device: Device, attr: &Attr, value: Interval) -> String {
        let (shown, unit) = match attr {
            Attr::ChargeLevel => (value.recorded() * Rat::int(100), "%"),
            _ => (value.recorded(), "kW"),
        };
        format!("`{}.{}` is {} {unit}", self.name(device), attr.name(), shown.to_decimal(6))
    }

    fn first(
        &self,
        range: MemberRange,
        attr: &Attr,
        wrong: impl Fn(Interval) -> bool,
    ) -> Option<(Device, Interval)> {
        range_devices(range).find_map(|device| {
            let value = self.device(device, attr)?;
            wrong(value).then_some((device, value))
        })
    }

    fn any_power(&self, range: MemberRange) -> Option<(Device, Interval)> {
        range_devices(range).find_map(|device| {
            let run = self.trajectory.run_of(device)?;
            let power = run
                .powers
                .keys()
                .filter_map(|attr| power_of(self.case, self.trajectory, device, attr, self.step));
            power.filter(|p| p.may_be_positive()).map(|p| (device, p)).next()
        })
    }

    fn stands(&self, device: Device) -> bool {
        self.any_power(MemberRange { family: device.family, first: device.index, last: device.index })
            .is_none()
    }

    fn gap(&self, device: Device) -> bool {
        let pieces = self.case.site.family(device.family).and_then(|f| f.ranges.get(&Attr::Power));
        pieces.is_some_and(|p| p.len() > 1 && p.first().is_some_and(|(lo, hi)| lo.is_zero() && hi.is_zero()))
    }
}

/// The devices of a unit that the evaluator treats alike; beyond a million only ends differ from none.
fn range_devices(range: MemberRange) -> impl Iterator<Item = Device> {
    range.devices()
}

/// The end of a temperature that lies beyond its bound, with the digits by which it does.
fn beyond(value: Interval, lo: Option<&Rat>) -> String {
    let end = if lo.is_some_and(|lo| value.lo() < *lo) { value.lo() } else { value.hi() };
    (end - Rat::ratio(27_315, 100).unwrap_or_default()).to_decimal(12)
}

fn celsius(value: Interval) -> String {
    (value.recorded() - Rat::ratio(27_315, 100).unwrap_or_default()).to_decimal(6)
}

/// Every effect in force on a device, store or zone, and the set that they leave together.
fn resolved(
    case: &Case<'_>,
    trajectory: &Trajectory,
    decision: &Decision,
    step: usize,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    let point = Point { case, trajectory, step };
    let mut blamed: BTreeSet<Unit> = BTreeSet::new();
    for outcome in &decision.outcomes {
        if outcome.status != Status::InForce || outcome.averaged_s.is_some() {
            continue;
        }
        if let Some((words, initial)) = point.against(outcome.unit, &outcome.demand) {
            blamed.insert(outcome.unit);
            let (statement, of) = (effect(outcome.effect), unit_name(case.site, outcome.unit));
            ledger.breach(Breached { statement, class: outcome.class, of, step, words, initial }, out);
        }
    }
    for (unit, set) in &decision.resolved {
        if !blamed.contains(unit)
            && let Some((words, class, by)) = jointly(&point, *unit, set, decision)
        {
            ledger.breach(
                Breached {
                    statement: by,
                    class,
                    of: unit_name(case.site, *unit),
                    step,
                    words,
                    initial: false,
                },
                out,
            );
        }
    }
}

/// What all effects on a unit together leave and the plan misses, with the highest of them.
fn jointly(
    point: &Point<'_, '_>,
    unit: Unit,
    set: &DeviceSet,
    decision: &Decision,
) -> Option<(String, ClassId, Statement)> {
    let Unit::Devices(range) = unit else { return None };
    let (attr, device, value) = set.numbers.iter().find_map(|(attr, allowed)| {
        // a physical miss is reported as such; states bind at the step's end and by each effect
        if *attr == Attr::ChargeLevel {
            return None;
        }
        let (device, value) = point.first(range, attr, |value| !inside(allowed, value))?;
        Some((attr, device, value))
    })?;
    let here = decision.outcomes.iter().filter(|o| o.unit == unit && o.status == Status::InForce);
    let highest = here.min_by_key(|o| o.class)?;
    Some((point.words(device, attr, value), highest.class, effect(highest.effect)))
}

/// The name of a unit: `charger[1..4]`, `offices`.
pub(super) fn unit_name(site: &Site, unit: Unit) -> String {
    match unit {
        Unit::Zone(zone) => site.zone(zone).map_or(String::new(), |z| z.name.clone()),
        Unit::Devices(range) if range.first == range.last => {
            site.device_name(Device { family: range.family, index: range.first })
        }
        Unit::Devices(range) => {
            let name = site.family(range.family).map_or("", |f| f.name.as_str());
            format!("{name}[{}..{}]", range.first, range.last)
        }
    }
}

/// Sum of an attribute over members in a step.
pub(super) fn sum(
    case: &Case<'_>,
    trajectory: &Trajectory,
    members: &[MemberRange],
    attr: &Attr,
    step: usize,
) -> Option<Interval> {
    let mut total = Interval::ZERO;
    for range in members {
        for run in trajectory.runs.iter().filter(|run| run.unit.family == range.family) {
            let whole = run.unit.members.iter().all(|m| range.first <= m.first && m.last <= range.last);
            if whole {
                let power = match attr {
                    Attr::Power if run.powers.contains_key(&Attr::Charge) => {
                        run.power(&Attr::Discharge, step).minus(run.power(&Attr::Charge, step)).ok()?
                    }
                    Attr::Power if run.powers.contains_key(&Attr::Import) => {
                        run.power(&Attr::Import, step).minus(run.power(&Attr::Export, step)).ok()?
                    }
                    attr => run.power(attr, step),
                };
                total = total.plus(power).ok()?;
                continue;
            }
            let members = run.unit.members.iter().flat_map(|m| m.devices()).filter(|d| range.contains(*d));
            for device in members {
                total = total.plus(power_of(case, trajectory, device, attr, step)?).ok()?;
            }
        }
    }
    Some(total)
}

fn totals(
    case: &Case<'_>,
    trajectory: &Trajectory,
    decision: &Decision,
    step: usize,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    for total in decision.totals_in_force().filter(|t| t.averaged_s.is_none()) {
        let Some(found) = sum(case, trajectory, &total.members, &total.attr, step) else { continue };
        if within(total.lo.as_ref(), total.hi.as_ref(), found) {
            continue;
        }
        let words = format!("together they have {} of {} kW", total.attr.name(), found.recorded());
        let of = members_name(case.site, &total.members);
        ledger.breach(
            Breached { statement: effect(total.effect), class: total.class, of, step, words, initial: false },
            out,
        );
    }
}

/// Members in words.
pub(super) fn members_name(site: &Site, members: &[MemberRange]) -> String {
    let mut names: Vec<String> = members.iter().take(4).map(|m| unit_name(site, Unit::Devices(*m))).collect();
    if members.len() > 4 {
        names.push(format!("{} more", members.len() - 4));
    }
    names.join(", ")
}

/// A zone's comfort: the first band whose schedule holds at the step's beginning, at its end.
fn comfort(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let mut asked = 0;
    for zone in &case.site.zones {
        let (Some(class), Some(values)) = (zone.class, trajectory.temperatures.get(&zone.id)) else {
            continue;
        };
        for (step, (value, length)) in values.iter().zip(case.steps).enumerate() {
            let band = zone.comfort.iter().find(|band| calendar.contains(&band.during, length.start));
            let Some(band) = band else { continue };
            asked += 1;
            if within(Some(&band.lo), Some(&band.hi), *value) {
                continue;
            }
            let point = Point { case, trajectory, step };
            let initial =
                point.coming_back(Unit::Zone(zone.id), &Attr::Temperature, Some(&band.lo), Some(&band.hi));
            let words = format!("`{}` is at {} degC", zone.name, beyond(*value, Some(&band.lo)));
            let statement = Statement::Comfort(zone.id);
            ledger.breach(Breached { statement, class, of: zone.name.clone(), step, words, initial }, out);
        }
    }
    asked
}

/// Recorded overrides are those that the evaluator finds.
fn overrides(
    decisions: &Decisions<'_>,
    plan: &PlanDocument,
    found: &BTreeSet<(Statement, usize)>,
    out: &mut Misses,
) {
    let mut listed: BTreeMap<(Statement, usize), &str> = BTreeMap::new();
    for entry in &plan.overrides {
        let last = (entry.last as usize).min(decisions.steps.len());
        for step in entry.first as usize..=last {
            listed.insert((entry.statement.statement, step), entry.of.as_str());
        }
    }
    for (statement, step) in found.iter().filter(|key| !listed.contains_key(key)) {
        let message = format!("the plan does not say that {} is overridden", key_words(*statement));
        out.push("override", Miss::at(*step, key_words(*statement), message));
    }
    for ((statement, step), of) in listed.iter().filter(|(key, _)| !found.contains(key)) {
        let message = format!("the plan says that {} is overridden, and it is not", key_words(*statement));
        out.push("override", Miss::at(*step, *of, message));
    }
}

fn key_words(statement: Statement) -> String {
    match statement {
        Statement::Effect(rule, index) => format!("effect {} of rule {}", index + 1, rule.0 + 1),
        _ => "a statement".to_owned(),
    }
}
