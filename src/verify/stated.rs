//! What a plan says in words: what it takes for granted, and why each value is what it is.

use std::collections::{BTreeMap, BTreeSet};

use super::declared::{balanced, import_prices, shortfall_price};
use super::miss::{Miss, Misses};
use super::obligations::Due;
use super::simulate::Trajectory;
use super::{Case, carried};
use crate::bundle::{CommandSeries, Names, PlanDocument, Reason, StatementRef, because, register_step};
use crate::calendar::{Calendar, Instant};
use crate::eval::{Asked, Decision, Demand, Unit};
use crate::ir::{Attr, Device, End, Family, MemberRange, Model, Need, Period, Statement, Steered};
use crate::quantity::Rat;

/// What was asked of a plan, by which its words are judged.
pub(super) struct Facts<'f, 'a> {
    pub(super) case: &'f Case<'a>,
    pub(super) calendar: &'f Calendar,
    pub(super) trajectory: &'f Trajectory,
    pub(super) decisions: &'f [Decision],
    /// Deliveries, runs and vehicles' wants, in their steps.
    pub(super) dues: &'f [Due],
    /// What nothing asks anything of.
    pub(super) resting: &'f [Resting<'a>],
}

/// A declaration with members that nothing asks anything of, their default power in kW, and those
/// members.
pub(super) type Resting<'a> = (&'a Family, Rat, BTreeSet<Device>);

/// Everything that is taken for granted beside single values.
pub(super) fn assumptions(facts: &Facts<'_, '_>, study: bool) -> Vec<String> {
    let site = facts.case.site;
    let mut found = Vec::from_iter(aged(facts));
    found.extend(short_stays(facts));
    found.extend(later_minima(facts));
    found.extend(super::excluded::words(facts.case));
    found.extend(carried::roomless(facts.case).into_iter().map(carried::words));
    for (family, default, _) in facts.resting.iter().filter(|(family, ..)| takes(family)) {
        found.push(match family.life_safety {
            None => {
                format!("nothing needs `{}`: it stays at {default} kW unless a rule moves it", family.name)
            }
            Some(_) => format!(
                "nothing needs `{}`: it stays where it is, or at {default} kW if that is nearer to its safe state, unless a rule moves it towards that",
                family.name
            ),
        });
    }
    for family in &site.families {
        if let Model::Store(store) = &family.model
            && store.end == End::Default
            && family.all().devices().any(|device| !super::excluded::is(facts.case, device))
        {
            let price = shortfall_price(facts.case, facts.calendar, store).to_f64();
            let less = if price > 0.0 {
                format!(
                    "each kWh less is priced at {price:.4} {}/kWh, the horizon's dearest energy over its charging efficiency",
                    site.currency
                )
            } else {
                "no energy has a price here, so a lower level is only avoided before money".to_owned()
            };
            found.push(format!("`{}` ends with at least its level at the start; {less}", family.name));
        }
        found.extend(balances(facts.case, family));
    }
    let supplied = |decision: &Decision| {
        let wished = |asked: &Asked| matches!(asked, Asked::Supply { .. });
        !decision.origins.is_empty() || decision.preferences.iter().any(|wish| wished(&wish.asked))
    };
    if facts.decisions.iter().any(supplied) {
        found.push("origins on a shared bus are accounting: electrons are not told apart".to_owned());
    }
    if study {
        found.push("a study beyond 7 days is never applied: its levels end with the site's goals, and among equal plans none is preferred".to_owned());
    }
    found
}

/// The end of a store that balances its island follows from how the others are rounded (planner.md 13).
fn balances(case: &Case<'_>, family: &Family) -> Option<String> {
    let Model::Store(store) = &family.model else { return None };
    if !matches!(store.end, End::Exactly(_) | End::ExactlyStart) {
        return None;
    }
    let near = balanced(case, family.all().devices().next()?, store)?;
    Some(format!(
        "`{}` balances its island: it ends within {} kWh of what is asked, as the others are rounded",
        family.name,
        near.to_decimal(6)
    ))
}

/// A state from longer before the plan than its first step lasts (planner.md 9).
fn aged(facts: &Facts<'_, '_>) -> Option<String> {
    let (at, first) = (facts.case.state.at, facts.case.steps.first()?);
    (first.start.since(at) > first.seconds()).then(|| {
        format!(
            "the state is of {}: all that it says is presumed to be so still at the plan's beginning",
            facts.calendar.show(at)
        )
    })
}

/// Minimum bills of months that end after the plan.
fn later_minima(facts: &Facts<'_, '_>) -> Vec<String> {
    let (case, calendar) = (facts.case, facts.calendar);
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Vec::new() };
    let (begins, ends) = calendar.period(Period::Month, Instant(last.end.0.saturating_sub(1)));
    if ends <= last.end || last.end <= first.start {
        return Vec::new();
    }
    let (date, _, _) = calendar.civil(begins);
    let mut found = Vec::new();
    for family in &case.site.families {
        let Model::Grid { tariff: Some(tariff), .. } = &family.model else { continue };
        let Some(tariff) = case.site.tariffs.get(tariff.index()) else { continue };
        let Some(minimum) = &tariff.minimum else { continue };
        found.push(format!(
            "the minimum bill of {} {} of tariff `{}` is not minded in {:04}-{:02}, which ends after the plan",
            minimum.amount, case.site.currency, tariff.name, date.year, date.month
        ));
    }
    found
}

fn takes(family: &Family) -> bool {
    family.hull(&Attr::Power).is_some_and(|(_, most)| most.is_positive())
}

/// Stays into which the energy wanted does not fit.
fn short_stays(facts: &Facts<'_, '_>) -> Vec<String> {
    let case = facts.case;
    let names = Names::new(case.site);
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Vec::new() };
    let mut found = Vec::new();
    for stay in case.sessions {
        let Some(device) = names.device(&stay.device).filter(|d| !super::excluded::is(case, *d)) else {
            continue;
        };
        let Some(family) = case.site.family(device.family) else { continue };
        let most = family.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most);
        let power = stay.power.as_ref().map_or(most.clone(), |power| Rat::min_of(power, &most));
        let hours = |seconds: i64| Rat::ratio(i128::from(seconds.max(0)), 3600).unwrap_or_default();
        let from = stay.arrival.max(first.start);
        let inside = |s: &&crate::bundle::Step| from <= s.start && s.end <= stay.departure.min(last.end);
        let here: Rat = case.steps.iter().filter(inside).map(|step| step.hours()).sum();
        if here.is_zero() {
            continue;
        }
        let wanted = stay.room.as_ref().map_or(stay.energy.clone(), |room| Rat::min_of(room, &stay.energy));
        let mut known = Misses::default();
        let Some(wanted) = carried::left(case, device, stay, &wanted, &mut known) else { continue };
        let beyond = hours(stay.departure.since(last.end));
        let possible = &(&commandable(family, &power) * &here) + &(&power * &beyond);
        if wanted > possible {
            found.push((
                device,
                format!(
                    "the stay at `{}` from {} is too short: {:.3} kWh of {:.3} kWh fit into it",
                    stay.device,
                    facts.calendar.show(stay.arrival),
                    possible.to_f64(),
                    wanted.to_f64()
                ),
            ));
        }
    }
    found.sort_by_key(|(device, _)| *device);
    found.into_iter().map(|(_, words)| words).collect()
}

/// Greatest power that a charger can be commanded for a vehicle that takes at most `power`, kW.
fn commandable(family: &Family, power: &Rat) -> Rat {
    let step = register_step(family, &Attr::Power);
    let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
    let whole = |most: &Rat| most.checked_div(&step).map_or(most.clone(), |steps| &steps.floor() * &step);
    let tops = pieces.iter().filter(|(lo, _)| lo <= power).filter_map(|(lo, hi)| {
        let top = if lo == hi { hi.clone() } else { whole(&Rat::min_of(hi, power)) };
        (top >= *lo).then_some(top)
    });
    tops.max().unwrap_or_default()
}

/// Everything that nothing asks anything of.
pub(super) fn resting<'a>(case: &Case<'a>, decisions: &[Decision], dues: &[Due]) -> Vec<Resting<'a>> {
    let asked = asked_for(decisions, dues);
    let mut found = Vec::new();
    for family in &case.site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        let served = consumer.need != Need::None || consumer.heats.is_some() || consumer.cools.is_some();
        if served || consumer.sessions.is_some() {
            continue;
        }
        let gone = |device: &Device| super::excluded::is(case, *device);
        let rest = family.all().devices().filter(|device| !asked.contains(device) && !gone(device));
        let rest: BTreeSet<Device> = rest.collect();
        if !rest.is_empty() {
            let default = consumer.default_power.clone().unwrap_or_default();
            found.push((family, possible(family, &default), rest));
        }
    }
    found
}

/// The power nearest to one that a device can have: what cannot be at 0 kW is not taken to be.
fn possible(family: &Family, power: &Rat) -> Rat {
    let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
    let near = pieces.iter().map(|(lo, hi)| Rat::min_of(&Rat::max_of(power, lo), hi));
    near.min_by_key(|near| (near - power).abs()).unwrap_or_else(|| power.clone())
}

/// Devices of which something asks that they take anything.
fn asked_for(decisions: &[Decision], dues: &[Due]) -> BTreeSet<Device> {
    let mut asked: BTreeSet<Device> = dues.iter().map(|due| due.device).collect();
    let positive = |lo: &Option<Rat>| lo.as_ref().is_some_and(Rat::is_positive);
    for decision in decisions {
        let follow = decision.following.iter().filter_map(|f| super::rules::devices(&f.unit));
        asked.extend(follow.flat_map(|range| range.devices()));
        for total in decision.totals_in_force().filter(|total| positive(&total.lo)) {
            asked.extend(total.members.iter().flat_map(|m| m.devices()));
        }
        // a mean of one device is a total of one
        for outcome in decision.outcomes.iter().filter(|o| o.averaged_s.is_some()) {
            if let (Demand::Bound { lo, .. }, Unit::Devices(range)) = (&outcome.demand, outcome.unit)
                && positive(lo)
            {
                asked.extend(range.devices());
            }
        }
        for wish in &decision.preferences {
            let more = match &wish.asked {
                Asked::Total { lo, .. } | Asked::Demand(Demand::Bound { lo, .. }) => positive(lo),
                Asked::Demand(Demand::Choice { set, .. }) => set.min().is_some_and(Rat::is_positive),
                Asked::Demand(Demand::Switch(true)) => true,
                _ => false,
            };
            if more {
                asked.extend(wish.units.iter().filter_map(super::rules::devices).flat_map(|m| m.devices()));
            }
        }
    }
    asked
}

/// The plan takes these for granted, and nothing else.
pub(super) fn compare(right: &[String], plan: &PlanDocument, out: &mut Misses) {
    let mut missing: Vec<&String> = right.iter().collect();
    for said in &plan.assumptions {
        match missing.iter().position(|right| *right == said) {
            Some(place) => {
                missing.remove(place);
            }
            None => {
                let message = format!("the plan assumes what does not follow from its policy: {said}");
                out.push("assumption", Miss::said("plan", message));
            }
        }
    }
    for right in missing {
        let message = format!("the plan does not say what it assumes: {right}");
        out.push("assumption", Miss::said("plan", message));
    }
}

/// The reasons of all commanded values: as the plan gives them where they are true and have a word for
/// every step; all others are misses, and what is plain instead of them is returned.
pub(super) fn reasons(facts: &Facts<'_, '_>, plan: &PlanDocument, out: &mut Misses) -> Vec<Reason> {
    let judge = Judge::new(facts, plan);
    let mut wrong: BTreeSet<(&str, &Attr)> = BTreeSet::new();
    let mut next: BTreeMap<(&str, &Attr), u32> = BTreeMap::new();
    let mut refuse = |device: &str, attr: &Attr, step: u32, why: &str| {
        let message = format!("the plan's reason for `{device}.{}` is wrong: {why}", attr.name());
        let step = usize::try_from(step).ok().filter(|step| *step < facts.case.steps.len());
        out.push("reason", Miss { step, ..Miss::said(device, message) });
    };
    for reason in &plan.reasons {
        let of = (reason.device.as_str(), &reason.attr);
        let due = next.entry(of).or_insert(0);
        let why = if *due == reason.first {
            judge.against(reason)
        } else {
            Some(format!("it begins with step {}, not with step {due}", reason.first))
        };
        *due = reason.last.saturating_add(1);
        if let Some(why) = why {
            refuse(of.0, of.1, reason.first, &why);
            wrong.insert(of);
        }
    }
    let told: BTreeSet<_> = next.keys().copied().collect();
    for (of, due) in next {
        if due != judge.last().saturating_add(1) && wrong.insert(of) {
            refuse(of.0, of.1, due, "it ends too early");
        }
    }
    let of = |reason: &&Reason| !wrong.contains(&(reason.device.as_str(), &reason.attr));
    let mut right: Vec<Reason> = plan.reasons.iter().filter(of).cloned().collect();
    for (device, attr) in wrong {
        if judge.commands(device, attr) {
            right.extend(judge.own(device, attr));
        }
    }
    for (device, attr) in judge.silent(&told) {
        let message = format!("the plan gives no reason for `{device}.{}`", attr.name());
        out.push("reason", Miss::said(device.as_str(), message));
        right.extend(judge.own(&device, attr));
    }
    right
}

/// What reasons are judged by.
struct Judge<'j, 'f, 'a> {
    facts: &'j Facts<'f, 'a>,
    names: Names<'a>,
    plan: &'j PlanDocument,
    /// Effects that say something in each step.
    active: Vec<BTreeSet<Statement>>,
    /// Import price of the first tariff in each step.
    prices: Option<Vec<Rat>>,
    resting: BTreeSet<Device>,
}

impl<'j, 'f, 'a> Judge<'j, 'f, 'a> {
    fn new(facts: &'j Facts<'f, 'a>, plan: &'j PlanDocument) -> Self {
        let case = facts.case;
        let mut active: Vec<BTreeSet<Statement>> = vec![BTreeSet::new(); case.steps.len()];
        for (decision, here) in facts.decisions.iter().zip(&mut active) {
            let outcomes = decision.outcomes.iter().map(|o| o.effect);
            let totals = decision.totals.iter().map(|t| t.effect);
            let wishes = decision.preferences.iter().map(|p| p.effect);
            let origins = decision.origins.iter().flat_map(|o| o.by.iter().copied());
            let follow = decision.following.iter().map(|f| f.effect);
            let all = outcomes.chain(totals).chain(wishes).chain(origins).chain(follow);
            here.extend(all.map(super::ledger::effect));
        }
        for due in facts.dues {
            for here in active.get_mut(due.steps.clone()).into_iter().flatten() {
                here.insert(due.statement);
            }
        }
        let prices = case.site.tariffs.first().map(|t| import_prices(case, facts.calendar, t));
        let resting = facts.resting.iter().flat_map(|(.., devices)| devices).copied().collect();
        Self { facts, names: Names::new(case.site), plan, active, prices, resting }
    }

    fn last(&self) -> u32 {
        u32::try_from(self.facts.case.steps.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// What is wrong with a reason.
    fn against(&self, reason: &Reason) -> Option<String> {
        if reason.first > reason.last || reason.last > self.last() {
            return Some(format!("there are no steps {} to {}", reason.first, reason.last));
        }
        if !self.commands(&reason.device, &reason.attr) {
            return Some("nothing commands it".to_owned());
        }
        for stated in &reason.statements {
            if *stated != StatementRef::of(self.facts.case.site, stated.statement) || stated.name.is_empty() {
                return Some(format!("`{}` is no statement of its policy as it says", stated.name));
            }
            for step in reason.first..=reason.last {
                if !self.speaks(stated.statement, step) {
                    return Some(format!("`{}` asks nothing at step {step}", stated.name));
                }
            }
        }
        (!self.words(reason)).then(|| format!("it says \"{}\"", reason.text))
    }

    fn commands(&self, name: &str, attr: &Attr) -> bool {
        if self.plan.command(name, attr).is_some() {
            return true;
        }
        let Some(device) = self.names.device(name) else { return false };
        let family = self.facts.case.site.family(device.family);
        self.plan.groups.iter().any(|group| {
            let inside = |(first, last): &(u32, u32)| (*first..=*last).contains(&device.index);
            let named = family.is_some_and(|family| family.name == group.family);
            named && group.attr == *attr && group.members.iter().any(inside)
        })
    }

    /// Whether a statement asks anything in a step.
    fn speaks(&self, statement: Statement, step: u32) -> bool {
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        match statement {
            Statement::Effect(..) => self.active.get(step).is_some_and(|here| here.contains(&statement)),
            // a declaration always holds
            _ => true,
        }
    }

    /// Whether the words are those of the statements, or of what the plan does where none decides.
    fn words(&self, reason: &Reason) -> bool {
        if !reason.statements.is_empty() {
            return reason.text == because::decides(&reason.statements);
        }
        let devices = self.behind(&reason.device);
        let mut steps = (reason.first..=reason.last).filter_map(|step| usize::try_from(step).ok());
        steps.all(|step| self.plain(&devices, &reason.attr, step).contains(&reason.text))
    }

    /// The devices whose power tells what a command does: the one of that name, or the machines that follow
    /// the setpoint of the zone of that name.
    fn behind(&self, name: &str) -> Vec<Device> {
        if let Some(device) = self.names.device(name) {
            return vec![device];
        }
        let zone = self.names.zone(name).and_then(|zone| super::steered::of(self.facts.case, zone));
        zone.into_iter().flat_map(Steered::machines).map(|family| Device { family, index: 1 }).collect()
    }

    /// What may be said of a value that no statement decides; the first of it says most.
    fn plain(&self, devices: &[Device], attr: &Attr, step: usize) -> Vec<String> {
        let device = devices.first().copied();
        let mut found = Vec::new();
        let family = device.and_then(|d| self.facts.case.site.family(d.family));
        if let Some(family) = family.filter(|_| device.is_some_and(|device| self.resting.contains(&device))) {
            return vec![because::rests(family).to_owned()];
        }
        if let Some(Family { model: Model::Renewable { .. }, .. }) = family {
            if self.spares(device, step) != Some(true) {
                found.push(because::USED.to_owned());
            }
            found.push(because::COSTLY.to_owned());
            return found;
        }
        let price = self.prices.as_ref().map(|prices| prices.get(step).map_or(0.0, Rat::to_f64));
        let currency = &self.facts.case.site.currency;
        let first = self.facts.case.site.objective.first();
        if devices.iter().all(|device| self.stands(*device, attr, step) != Some(false)) {
            found.push(because::idle(first, price, currency));
        }
        found.push(because::cheapest(first, price, currency));
        found
    }

    /// Reasons that are true of a commanded attribute whatever its plan says of it.
    fn own(&self, name: &str, attr: &Attr) -> Vec<Reason> {
        let devices = self.behind(name);
        let mut runs: Vec<Reason> = Vec::new();
        for (step, at) in (0..self.facts.case.steps.len()).zip(0_u32..) {
            let text = self.plain(&devices, attr, step).into_iter().next().unwrap_or_default();
            match runs.last_mut() {
                Some(run) if run.text == text => run.last = at,
                _ => runs.push(Reason {
                    device: name.to_owned(),
                    attr: attr.clone(),
                    first: at,
                    last: at,
                    statements: Vec::new(),
                    text,
                }),
            }
        }
        runs
    }

    /// Commanded attributes of which the plan gives no reason. One given of a device is that of its
    /// equals too: of members of its declaration that are commanded the same, to a register step.
    fn silent(&self, told: &BTreeSet<(&'j str, &'j Attr)>) -> Vec<(String, &'j Attr)> {
        let family = |name: &str| self.names.device(name).map(|device| device.family);
        let mut like: BTreeMap<_, Vec<&CommandSeries>> = BTreeMap::new();
        let mut found = Vec::new();
        let series = &self.plan.commands;
        let given = |series: &CommandSeries| told.contains(&(series.device.as_str(), &series.attr));
        for series in series.iter().filter(|series| given(series)) {
            like.entry((family(&series.device), &series.attr)).or_default().push(series);
        }
        for series in series.iter().filter(|series| !given(series)) {
            let of = family(&series.device);
            let mut others = like.get(&(of, &series.attr)).into_iter().flatten().filter(|_| of.is_some());
            let equal = |other: &&&CommandSeries| {
                let mut pairs = other.counts.iter().zip(&series.counts);
                pairs.all(|(a, b)| a.abs_diff(*b) <= 1)
            };
            if others.find(equal).is_none() {
                found.push((series.device.clone(), &series.attr));
            }
        }
        for group in &self.plan.groups {
            let (Some(family), Some((first, _))) = (self.names.family(&group.family), group.members.first())
            else {
                continue;
            };
            let first = self.facts.case.site.device_name(Device { family: family.id, index: *first });
            if !told.contains(&(first.as_str(), &group.attr)) {
                found.push((first, &group.attr));
            }
        }
        found
    }

    /// Whether a device has power by less than one step of its register.
    fn stands(&self, device: Device, attr: &Attr, step: usize) -> Option<bool> {
        let one = [MemberRange { family: device.family, first: device.index, last: device.index }];
        let attr = if matches!(attr, Attr::On | Attr::Setpoint) { &Attr::Power } else { attr };
        let power = super::rules::sum(self.facts.case, self.facts.trajectory, &one, attr, step)?;
        let near = register_step(self.facts.case.site.family(device.family)?, attr);
        Some(power.lo().abs() <= near && power.hi().abs() <= near)
    }

    /// Whether more than one step of its register is left of what a producer could give.
    fn spares(&self, device: Option<Device>, step: usize) -> Option<bool> {
        let device = device?;
        let run = self.facts.trajectory.run_of(device)?;
        let left = run.available.as_ref()?.get(step)?.minus(run.power(&Attr::Power, step)).ok()?;
        let count = Rat::int(i64::try_from(run.unit.count).unwrap_or(i64::MAX));
        let near = register_step(self.facts.case.site.family(device.family)?, &Attr::Power);
        Some(left.lo() > &near * &count)
    }
}
