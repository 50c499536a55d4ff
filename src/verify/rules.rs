//! The rules against what the plan does, step by step.

use std::collections::BTreeSet;

use super::Case;
use super::decisions::decide;
use super::distance::{between, from_set};
use super::fix::Interval;
use super::ledger::{Breached, Duty, Ledger, When, effect, unit as unit_of};
use super::miss::{Miss, Misses};
use super::money::Amount;
use super::simulate::Trajectory;
use super::state::freezing;
use super::told::Full;
use super::{
    budgets, carried, declared, flows, follow, means, obligations, overrides, stated, steered, unmanaged,
};
use crate::bundle::{Breach, Override, PlanDocument, Reason, Unmanaged, Void};
use crate::calendar::Calendar;
use crate::eval::{Asked, Decision, Demand, DeviceSet, IntervalSet, Status, Unit};
use crate::ir::{Attr, ClassId, Device, MemberRange, Model, Site, Statement, ZoneId};
use crate::quantity::Rat;

/// What a plan has to say of what it does not meet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What is not met in full, measured.
    pub breaches: Vec<Breach>,
    /// Effects that a higher class leaves no room for.
    pub overrides: Vec<Override>,
    /// Obligations that ask nothing.
    pub void: Vec<Void>,
    /// What is taken for granted beside single values.
    pub assumptions: Vec<String>,
    /// Why each value is what it is: the plan's own reasons where they are true.
    pub reasons: Vec<Reason>,
    /// What nobody deciding costs.
    pub unmanaged: Option<Unmanaged>,
}

/// Checks everything that rules, comfort and budgets ask; how many statements that were, and what the
/// plan has to say of them. A `draft` does not yet say what only this can tell it.
pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    (plan, draft): (&PlanDocument, bool),
    (trajectory, full): (&Trajectory, &Full),
    out: &mut Misses,
) -> (usize, Told) {
    let mut ledger = Ledger::new(case.site, plan);
    let mut told = Told::default();
    let mut asked = comfort(case, calendar, trajectory, &mut ledger, out);
    asked += obligations::sessions(case, trajectory, &mut ledger, out);
    asked += declared::check(case, calendar, trajectory, &mut ledger, out);
    let decisions = (!case.site.rules.is_empty()).then(|| decide(case, calendar, trajectory));
    let (mut dues, mut wanted) = (Vec::new(), Vec::new());
    if let Some(decisions) = &decisions {
        for (step, decision) in decisions.steps.iter().enumerate() {
            asked += decision.outcomes.len() + decision.totals.len() + decision.preferences.len();
            resolved(case, trajectory, decision, step, &mut ledger, out);
            totals(case, trajectory, decision, step, &mut ledger, out);
            wishes(case, trajectory, decision, step, &mut ledger, out);
        }
        means::check(case, calendar, trajectory, &decisions.steps, &mut ledger, out);
        let mut work = obligations::Work::new(case, calendar, trajectory, decisions);
        asked += work.check(&mut ledger, out);
        (told.void, dues, wanted) = (work.void, work.dues, work.wanted);
        told.overrides = overrides::of(case.site, &decisions.steps);
    }
    let decisions = decisions.as_ref().map(|d| d.steps.as_slice()).unwrap_or_default();
    steered::inside_bands(case, calendar, trajectory, decisions, out);
    asked += follow::check(case, decisions, full, &mut ledger, out);
    flows::check(case, plan, trajectory, decisions, &mut ledger, out);
    let resting = stated::resting(case, decisions, &dues);
    let facts = stated::Facts { case, calendar, trajectory, decisions, dues: &dues, resting: &resting };
    told.assumptions = stated::assumptions(&facts, plan.study);
    told.unmanaged = unmanaged::of(case, calendar, trajectory, (&resting, &wanted), &plan.money);
    if !draft {
        compare(&told, plan, out);
    }
    told.reasons = stated::reasons(&facts, plan, out);
    carried::rooms(case, trajectory, &wanted, out);
    asked += budgets::check(case, calendar, trajectory, &wanted, &mut ledger, out);
    void(&told.void, plan, out);
    let gave_way = ledger.gave_way();
    told.breaches = ledger.close(out);
    let whole = overrides::in_the_plan(&told.breaches, &gave_way);
    overrides::compare(&told.overrides, &whole, plan, out);
    told.overrides.extend(whole);
    (asked, told)
}

/// The plan says what it takes for granted and what nobody deciding costs as it was `told`.
pub(super) fn compare(told: &Told, plan: &PlanDocument, out: &mut Misses) {
    stated::compare(&told.assumptions, plan, out);
    unmanaged::compare(told.unmanaged.as_ref(), &plan.money, out);
}

/// The plan says of these obligations, each once, that they ask nothing.
fn void(right: &[Void], plan: &PlanDocument, out: &mut Misses) {
    let mut missing: Vec<&Void> = right.iter().collect();
    for said in &plan.void {
        match missing.iter().position(|right| *right == said) {
            Some(place) => {
                missing.remove(place);
            }
            None => {
                let message = format!(
                    "the plan says that `{}` asks nothing of `{}` ({}), and it does",
                    said.statement.name, said.device, said.because
                );
                out.push("void", Miss::said(&said.device, message));
            }
        }
    }
    for right in missing {
        let message =
            format!("the plan does not say that `{}` asks nothing: {}", right.statement.name, right.because);
        out.push("void", Miss::said(&right.device, message));
    }
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

fn within(lo: Option<&Rat>, hi: Option<&Rat>, value: Interval) -> bool {
    lo.is_none_or(|lo| *lo <= value.lo()) && hi.is_none_or(|hi| value.hi() <= *hi)
}

/// What an effect asks that is not so.
struct Against {
    words: String,
    /// A state that was outside at the plan's beginning and comes back.
    initial: bool,
    /// Distance, summed over the devices and the step's hours.
    amount: Amount,
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

    /// What a demand asks that is not so.
    fn against(&self, unit: Unit, demand: &Demand) -> Option<Against> {
        match (unit, demand) {
            (
                Unit::Zone(zone),
                Demand::Bound { attr: attr @ (Attr::Temperature | Attr::Setpoint), lo, hi },
            ) => {
                let value = self.zone(zone)?;
                let (least, most) = self.kept(zone, attr, (lo.as_ref(), hi.as_ref()));
                if steered::within(self.trajectory, zone, self.step, (least.as_ref(), most.as_ref())) {
                    let setpoint = self.trajectory.setpoints.get(&zone)?.get(self.step)?;
                    let kept = lo.as_ref().is_none_or(|lo| lo <= setpoint)
                        && hi.as_ref().is_none_or(|hi| setpoint <= hi);
                    return (!kept)
                        .then(|| self.setpoint(setpoint, |value| between(lo.as_ref(), hi.as_ref(), value)));
                }
                let initial = self.coming_back(unit, attr, least.as_ref(), most.as_ref());
                let words = format!("it is at {} degC", beyond(value, least.as_ref()));
                let amount = between(least.as_ref(), most.as_ref(), value).at(&self.hours());
                Some(Against { words, initial, amount })
            }
            (Unit::Zone(zone), Demand::Choice { attr: attr @ (Attr::Temperature | Attr::Setpoint), set }) => {
                let value = self.zone(zone)?;
                let half = self.half(zone, attr);
                let kept = set.pieces().iter().map(|(lo, hi)| (lo - &half, hi + &half));
                let kept = IntervalSet::new(kept.collect());
                let within = |(lo, hi): &(Rat, Rat)| {
                    steered::within(self.trajectory, zone, self.step, (Some(lo), Some(hi)))
                };
                if kept.pieces().iter().any(within) {
                    let setpoint = self.trajectory.setpoints.get(&zone)?.get(self.step)?;
                    return (!set.contains(setpoint))
                        .then(|| self.setpoint(setpoint, |value| from_set(set, value)));
                }
                let words = format!("it is at {} degC", celsius(value));
                let amount = from_set(&kept, value).at(&self.hours());
                Some(Against { words, initial: false, amount })
            }
            (Unit::Zone(_), _) => None,
            (Unit::Devices(range), Demand::Bound { attr, lo, hi }) => {
                let ((device, value), amount) =
                    self.summed(range, attr, |value| between(lo.as_ref(), hi.as_ref(), value))?;
                let one = Unit::Devices(MemberRange { first: device.index, last: device.index, ..range });
                let initial =
                    *attr == Attr::ChargeLevel && self.coming_back(one, attr, lo.as_ref(), hi.as_ref());
                Some(Against { words: self.words(device, attr, value), initial, amount })
            }
            (Unit::Devices(range), Demand::Choice { attr, set }) => {
                let ((device, value), amount) = self.summed(range, attr, |value| from_set(set, value))?;
                Some(Against { words: self.words(device, attr, value), initial: false, amount })
            }
            (Unit::Devices(range), Demand::Switch(false) | Demand::Connect(false)) => {
                let (device, value) = self.any_power(range)?;
                let words = format!("`{}` has {} kW", self.name(device), value.recorded());
                let mut amount = Amount::default();
                for power in range_devices(range).flat_map(|device| self.powers(device)) {
                    amount.plus(&between(None, Some(&Rat::ZERO), power));
                }
                Some(Against { words, initial: false, amount: amount.at(&self.hours()) })
            }
            (Unit::Devices(range), Demand::Switch(true) | Demand::Connect(true)) => {
                // a command says so, or the range has a gap that power has to be above
                let attr = if matches!(demand, Demand::Switch(_)) { Attr::On } else { Attr::Connected };
                let off = |device: &Device| {
                    let name = self.name(*device);
                    let series = self.case.commands.iter().find(|s| s.attr == attr && s.device == name);
                    match series.and_then(|s| s.counts.get(self.step)) {
                        Some(on) => *on == 0,
                        None => attr == Attr::On && self.gap(*device) && self.stands(*device),
                    }
                };
                let mut off = range_devices(range).filter(off);
                let first = off.next()?;
                let count = Rat::int(i64::try_from(off.count()).unwrap_or(i64::MAX).saturating_add(1));
                let amount = Amount::exact(&self.least(range) * &count).at(&self.hours());
                Some(Against { words: format!("`{}` is off", self.name(first)), initial: false, amount })
            }
        }
    }

    /// What a bound on a zone's temperature or setpoint is to its temperature.
    fn kept(
        &self,
        zone: ZoneId,
        attr: &Attr,
        (lo, hi): (Option<&Rat>, Option<&Rat>),
    ) -> (Option<Rat>, Option<Rat>) {
        let half = self.half(zone, attr);
        (lo.map(|lo| lo - &half), hi.map(|hi| hi + &half))
    }

    /// How far from its setpoint a thermostat keeps a zone, K; nothing of what is asked of the
    /// temperature itself.
    fn half(&self, zone: ZoneId, attr: &Attr) -> Rat {
        let steered = steered::of(self.case, zone).filter(|_| *attr == Attr::Setpoint);
        steered.map(|steered| steered.half.clone()).unwrap_or_default()
    }

    /// A setpoint that leaves what is asked of its zone, whose temperature does not.
    fn setpoint(&self, setpoint: &Rat, distance: impl Fn(Interval) -> Amount) -> Against {
        let words = format!("its setpoint is {} degC", steered::celsius(setpoint));
        let amount = Interval::of(setpoint).map(distance).unwrap_or_default().at(&self.hours());
        Against { words, initial: false, amount }
    }

    fn hours(&self) -> Rat {
        self.case.steps.get(self.step).map_or(Rat::ZERO, |step| step.hours())
    }

    /// The least power of a device that is on: above its gap, else all that it has.
    fn least(&self, range: MemberRange) -> Rat {
        let pieces = self.case.site.family(range.family).and_then(|f| f.ranges.get(&Attr::Power));
        match pieces.map(Vec::as_slice) {
            Some([(off, same), (least, _), ..]) if off.is_zero() && same.is_zero() => least.clone(),
            Some([.., (_, most)]) => most.clone(),
            _ => Rat::ZERO,
        }
    }

    /// The first device at a distance from what is asked of it, and the distance of all, in hours.
    fn summed(
        &self,
        range: MemberRange,
        attr: &Attr,
        distance: impl Fn(Interval) -> Amount,
    ) -> Option<((Device, Interval), Amount)> {
        let mut first = None;
        let mut amount = Amount::default();
        for device in range_devices(range) {
            let Some(value) = self.device(device, attr) else { continue };
            let here = distance(value);
            if here.hi.is_positive() {
                first.get_or_insert((device, value));
                amount.plus(&here);
            }
        }
        first.map(|first| (first, amount.at(&self.hours())))
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

    fn any_power(&self, range: MemberRange) -> Option<(Device, Interval)> {
        range_devices(range)
            .find_map(|device| self.powers(device).find(|p| p.may_be_positive()).map(|p| (device, p)))
    }

    /// The powers of a device in its directions.
    fn powers(&self, device: Device) -> impl Iterator<Item = Interval> {
        let run = self.trajectory.run_of(device).into_iter();
        let attrs = run.flat_map(|run| run.powers.keys());
        attrs.filter_map(move |attr| power_of(self.case, self.trajectory, device, attr, self.step))
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
    (end - freezing()).to_decimal(12)
}

fn celsius(value: Interval) -> String {
    (value.recorded() - freezing()).to_decimal(6)
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
        if let Some(Against { words, initial, amount }) = point.against(outcome.unit, &outcome.demand) {
            blamed.insert(outcome.unit);
            let duty = if initial { Duty::Initial(outcome.class) } else { Duty::Owed(outcome.class) };
            let (statement, of) = (effect(outcome.effect), unit_name(case.site, outcome.unit));
            let unit = demanded(&outcome.demand);
            ledger.breach(Breached { statement, duty, of, when: When::at(step), words, amount, unit }, out);
        }
    }
    for (unit, set) in &decision.resolved {
        if !blamed.contains(unit)
            && let Some((joint, class, statement)) = jointly(&point, *unit, set, decision)
        {
            let (of, duty) = (unit_name(case.site, *unit), Duty::Owed(class));
            let Against { words, amount, .. } = joint;
            ledger.breach(
                Breached { statement, duty, of, when: When::at(step), words, amount, unit: "kWh" },
                out,
            );
        }
    }
}

/// In what a breach of a demand is counted.
fn demanded(demand: &Demand) -> &'static str {
    match demand {
        Demand::Bound { attr, .. } | Demand::Choice { attr, .. } => unit_of(attr),
        Demand::Switch(_) | Demand::Connect(_) => "kWh",
    }
}

/// Preferences of single units and of totals in a step.
fn wishes(
    case: &Case<'_>,
    trajectory: &Trajectory,
    decision: &Decision,
    step: usize,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    let point = Point { case, trajectory, step };
    for wish in decision.preferences.iter().filter(|wish| wish.averaged_s.is_none()) {
        let duty = || Duty::Wished(Some(wish.class), wish.price.clone());
        let (statement, when) = (effect(wish.effect), When::at(step));
        match &wish.asked {
            Asked::Demand(demand) => {
                for unit in &wish.units {
                    if let Some(Against { words, amount, .. }) = point.against(*unit, demand) {
                        let (of, unit) = (unit_name(case.site, *unit), demanded(demand));
                        ledger
                            .breach(Breached { statement, duty: duty(), of, when, words, amount, unit }, out);
                    }
                }
            }
            Asked::Total { attr, lo, hi } => {
                let members: Vec<MemberRange> = wish.units.iter().filter_map(devices).collect();
                let Some(found) = sum(case, trajectory, &members, attr, step) else { continue };
                let amount = between(lo.as_ref(), hi.as_ref(), found).at(&point.hours());
                let (of, unit, words) = (members_name(case.site, &members), unit_of(attr), String::new());
                ledger.breach(Breached { statement, duty: duty(), of, when, words, amount, unit }, out);
            }
            // origins are compared with the flows, obligations in their windows; `follow` is no preference
            Asked::Supply { .. } | Asked::Deliver(_) | Asked::Run { .. } | Asked::Follow(..) => {}
        }
    }
}

/// The members of a unit of devices.
pub(super) const fn devices(unit: &Unit) -> Option<MemberRange> {
    match unit {
        Unit::Devices(range) => Some(*range),
        Unit::Zone(_) => None,
    }
}

/// What all effects on a unit together leave and the plan misses, with the highest of them.
fn jointly(
    point: &Point<'_, '_>,
    unit: Unit,
    set: &DeviceSet,
    decision: &Decision,
) -> Option<(Against, ClassId, Statement)> {
    let Unit::Devices(range) = unit else { return None };
    let ((device, value), attr, amount) = set.numbers.iter().find_map(|(attr, allowed)| {
        // a physical miss is reported as such; states bind at the step's end and by each effect
        if *attr == Attr::ChargeLevel {
            return None;
        }
        let (first, amount) = point.summed(range, attr, |value| from_set(allowed, value))?;
        Some((first, attr, amount))
    })?;
    let here = decision.outcomes.iter().filter(|o| o.unit == unit && o.status == Status::InForce);
    let highest = here.min_by_key(|o| o.class)?;
    let against = Against { words: point.words(device, attr, value), initial: false, amount };
    Some((against, highest.class, effect(highest.effect)))
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

/// The same, with excluded members wherever they may be.
pub(super) fn farthest(
    case: &Case<'_>,
    trajectory: &Trajectory,
    members: &[MemberRange],
    attr: &Attr,
    step: usize,
) -> Option<Interval> {
    let presumed = sum(case, trajectory, members, attr, step)?;
    if case.state.excluded.is_empty() {
        return Some(presumed);
    }
    presumed.plus(super::excluded::beyond(case, trajectory, members, attr, step)?).ok()
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
        let Some(found) = farthest(case, trajectory, &total.members, &total.attr, step) else { continue };
        if within(total.lo.as_ref(), total.hi.as_ref(), found) {
            continue;
        }
        let words = format!("together they have {} of {} kW", total.attr.name(), found.recorded());
        let of = members_name(case.site, &total.members);
        let hours = case.steps.get(step).map_or(Rat::ZERO, |step| step.hours());
        let amount = between(total.lo.as_ref(), total.hi.as_ref(), found).at(&hours);
        let (statement, duty, unit) = (effect(total.effect), Duty::Owed(total.class), unit_of(&total.attr));
        ledger.breach(Breached { statement, duty, of, when: When::at(step), words, amount, unit }, out);
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
            if steered::within(trajectory, zone.id, step, (Some(&band.lo), Some(&band.hi))) {
                continue;
            }
            let point = Point { case, trajectory, step };
            let initial =
                point.coming_back(Unit::Zone(zone.id), &Attr::Temperature, Some(&band.lo), Some(&band.hi));
            let words = format!("`{}` is at {} degC", zone.name, beyond(*value, Some(&band.lo)));
            let (statement, of) = (Statement::Comfort(zone.id), zone.name.clone());
            let duty = if initial { Duty::Initial(class) } else { Duty::Owed(class) };
            let amount = between(Some(&band.lo), Some(&band.hi), *value).at(&length.hours());
            ledger.breach(
                Breached { statement, duty, of, when: When::at(step), words, amount, unit: "K h" },
                out,
            );
        }
    }
    asked
}
