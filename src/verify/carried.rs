//! What a plan carries on from its state: the open demand interval and month, and the vehicles that are
//! there.

use std::collections::BTreeMap;

use super::Case;
use super::fix::Interval;
use super::miss::{Miss, Misses};
use super::simulate::Trajectory;
use crate::bundle::{Session, register_step};
use crate::calendar::{Calendar, Instant};
use crate::eval::{Activation, Asked, Environment, Evaluator};
use crate::ir::{
    Attr, Budget, BudgetQuantity, ClassId, Device, Effect, EffectKind, Family, MemberRange, Model, Need,
    Period, Price, Rule, Site, Statement, Target,
};
use crate::quantity::Rat;

/// What a plan that begins inside a demand interval has to know of it.
pub(super) fn intervals(case: &Case<'_>, calendar: &Calendar, out: &mut Misses) {
    let Some(first) = case.steps.first() else { return };
    for family in &case.site.families {
        let Model::Grid { tariff: Some(tariff), .. } = &family.model else { continue };
        let Some(tariff) = case.site.tariffs.get(tariff.index()) else { continue };
        let reading = first.start.0 + i64::from(calendar.offset(first.start));
        let begin = first.start.plus(-reading.rem_euclid(tariff.interval_s.max(1)));
        let counts = tariff.demand.iter().any(|charge| calendar.contains(&charge.during, begin));
        if begin < first.start
            && counts
            && let Err(missing) = case.state.interval_energy(&tariff.name)
        {
            out.push("state", Miss::plan(&tariff.name, missing.message));
        }
    }
}

/// The state says what the month's energy has cost so far, where its minimum bill ends within the plan.
pub(super) fn months(case: &Case<'_>, calendar: &Calendar, out: &mut Misses) {
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return };
    let (begins, ends) = calendar.period(Period::Month, first.start);
    for family in &case.site.families {
        let Model::Grid { tariff: Some(tariff), .. } = &family.model else { continue };
        let Some(tariff) = case.site.tariffs.get(tariff.index()).filter(|t| t.minimum.is_some()) else {
            continue;
        };
        if begins < first.start
            && ends <= last.end
            && let Err(missing) = case.state.energy_cost(&tariff.name, &case.site.currency)
        {
            out.push("state", Miss::plan(&tariff.name, missing.message));
        }
    }
}

/// What is left of an energy that a stay asks for or has room for, kWh; `None`, and a miss, where the
/// vehicle was there before the plan and nobody says what it got.
pub(super) fn left(
    case: &Case<'_>,
    device: Device,
    stay: &Session,
    energy: &Rat,
    out: &mut Misses,
) -> Option<Rat> {
    if case.steps.first().is_none_or(|first| first.start <= stay.arrival) {
        return Some(energy.clone());
    }
    match case.state.charged(case.site, device) {
        Ok(got) => Some(Rat::max_of(&(energy - &got), &Rat::ZERO)),
        Err(missing) => {
            out.push("state", Miss::plan(&stay.device, missing.message));
            None
        }
    }
}

/// What a statement asks of a device within a window.
pub(super) struct Wanted {
    statement: Statement,
    device: Device,
    window: (Instant, Instant),
    energy: Rat,
    /// Whether anybody is owed it.
    owed: bool,
    /// Where it is owed and its window is open when the plan ends: its class, and what is still to come.
    still: Option<(ClassId, Rat)>,
}

impl Wanted {
    /// Of this many kWh, owed or preferred.
    pub(super) fn new(
        statement: Statement,
        device: Device,
        window: (Instant, Instant),
        energy: &Rat,
        owed: bool,
    ) -> Self {
        Self { statement, device, window, energy: Rat::max_of(energy, &Rat::ZERO), owed, still: None }
    }

    pub(super) const fn device(&self) -> Device {
        self.device
    }

    pub(super) const fn window(&self) -> (Instant, Instant) {
        self.window
    }

    /// kWh.
    pub(super) const fn energy(&self) -> &Rat {
        &self.energy
    }

    /// Whether anybody is owed it.
    pub(super) const fn is_owed(&self) -> bool {
        self.owed
    }

    /// Of which so much is still to come after the plan, kWh.
    pub(super) fn still(mut self, class: ClassId, energy: Rat) -> Self {
        self.still = Some((class, energy));
        self
    }
}

/// What a budget certainly has to bear in its period after the plan, kWh, kg or currency: constant
/// loads, and what deliveries and runs of its class and of those above it cannot do later. Guards that
/// read anything but the clock, amounts that signals change and vehicles to come are not certain.
/// Import, emissions and cost follow from what is taken only where one grid gives everything.
pub(super) fn ahead(
    case: &Case<'_>,
    calendar: &Calendar,
    budget: &Budget,
    (until, end): (Instant, Instant),
    asked: &[Wanted],
) -> Rat {
    let Some(factor) = factor(case.site, budget).filter(|_| end > until) else { return Rat::ZERO };
    let scope = case.site.target_members(&budget.scope);
    let all = budget.scope == Target::Site || budget.quantity != BudgetQuantity::Consumption;
    let counts = |device: Device| all || scope.iter().any(|range| range.contains(device));
    let hours =
        |from: Instant, to: Instant| Rat::ratio(i128::from(to.since(from).max(0)), 3600).unwrap_or_default();
    let mut energy = Rat::ZERO;
    for family in &case.site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        let Need::Constant(power) = &consumer.need else { continue };
        if consumer.shed_class.is_none() && consumer.shed_price.is_none() {
            let members = family.all().devices().filter(|device| counts(*device)).count();
            let members = Rat::int(i64::try_from(members).unwrap_or(i64::MAX));
            energy += &(&(power * &hours(until, end)) * &members);
        }
    }
    // what can be given between the period's end and the window's is not of this period
    let most = |device: Device| case.site.family(device.family).and_then(|f| f.hull(&Attr::Power));
    let inside = |device: Device, kwh: &Rat, closes: Instant| {
        let later = most(device).map_or(Rat::ZERO, |(_, most)| &most * &hours(end, closes));
        Rat::max_of(&(kwh - &later), &Rat::ZERO)
    };
    let mut by: BTreeMap<(Device, Statement), Rat> = BTreeMap::new();
    for one in asked.iter().filter(|one| one.window.1 > until) {
        if let Some((class, still)) = &one.still
            && *class <= budget.class
        {
            *by.entry((one.device, one.statement)).or_default() += &inside(one.device, still, one.window.1);
        }
    }
    for (statement, device, kwh, closes) in to_come(case, calendar, budget, (until, end)) {
        *by.entry((device, statement)).or_default() += &inside(device, &kwh, closes);
    }
    let mut greatest: BTreeMap<Device, Rat> = BTreeMap::new();
    for ((device, _), kwh) in by.into_iter().filter(|((device, _), _)| counts(*device)) {
        let most = greatest.entry(device).or_default();
        *most = Rat::max_of(most, &kwh);
    }
    let owed: Rat = greatest.into_values().sum();
    &(&energy + &owed) * &factor
}

/// What windows after the plan certainly ask: whose, of which device, kWh, and when they close.
fn to_come(
    case: &Case<'_>,
    calendar: &Calendar,
    budget: &Budget,
    (until, end): (Instant, Instant),
) -> Vec<(Statement, Device, Rat, Instant)> {
    let evaluator = Evaluator::new(case.site, calendar);
    let mut found = Vec::new();
    for rule in case.site.rules.iter().filter(|rule| rule.class <= budget.class) {
        for effect in rule.effects.iter().filter(|effect| !effect.preferably) {
            let (window, fixed) = match &effect.kind {
                EffectKind::Deliver { energy, window } => (window, energy.as_constant().is_some()),
                EffectKind::Run { window, .. } => (window, rule.at_most_every_s.is_none()),
                _ => continue,
            };
            let windows = calendar.obligation_windows(window, until, end).into_iter();
            for (opens, closes) in windows.filter(|(opens, _)| fixed && *opens >= until) {
                let env = Environment::new(opens);
                for owed in evaluator.evaluate(&env).obligations {
                    let by = owed.effect;
                    let this = by.instance.rule == rule.id && by.index == effect.index;
                    let sure =
                        || evaluator.activation(rule.id, by.instance.member, &env) == Activation::Active;
                    if !this || !sure() {
                        continue;
                    }
                    for device in owed.members.iter().flat_map(|range| range.devices()) {
                        let Some(family) = case.site.family(device.family) else { continue };
                        let Model::Consumer(consumer) = &family.model else { continue };
                        let kwh = match &owed.asked {
                            Asked::Deliver(kwh) => kwh.clone(),
                            Asked::Run { for_s, .. } => {
                                let full = family.hull(&Attr::Power).map_or(Rat::ZERO, |(_, hi)| hi);
                                &full * &Rat::ratio(i128::from(*for_s), 3600).unwrap_or_default()
                            }
                            _ => continue,
                        };
                        if consumer.sessions.is_none() {
                            let statement = Statement::Effect(rule.id, effect.index);
                            found.push((statement, device, kwh, closes));
                        }
                    }
                }
            }
        }
    }
    found
}

/// The least that a budget counts for each kWh taken; `None` where nothing is certain.
fn factor(site: &Site, budget: &Budget) -> Option<Rat> {
    if budget.quantity == BudgetQuantity::Consumption {
        return Some(Rat::ONE);
    }
    let mut found: Option<&Family> = None;
    for family in &site.families {
        match &family.model {
            Model::Renewable { .. } | Model::Generator { .. } | Model::Store(_) => return None,
            Model::Grid { .. } if found.is_some() || family.len() != 1 => return None,
            Model::Grid { .. } => found = Some(family),
            _ => {}
        }
    }
    let grid = found?;
    let own = site.target_members(&budget.scope).iter().any(|range| range.family == grid.id);
    let Model::Grid { tariff, carbon, .. } = &grid.model else { return None };
    if budget.scope != Target::Site && !own {
        return None;
    }
    let least = match budget.quantity {
        BudgetQuantity::Import => Rat::ONE,
        BudgetQuantity::Emissions => carbon.clone()?,
        BudgetQuantity::Cost => {
            let tariff = site.tariffs.get((*tariff)?.index())?;
            let Price::Periods { periods, otherwise, .. } = &tariff.import else { return None };
            periods.iter().map(|period| &period.price).chain(otherwise).min()?.clone()
        }
        BudgetQuantity::Consumption | BudgetQuantity::Export => return None,
    };
    least.is_positive().then_some(least)
}

/// A vehicle of which nobody says what fits in gets what it wants, or what a rule asks for it if that
/// is more, and no more but what the charger cannot be commanded more finely. Where a rule asks power
/// itself, only the stay bounds it.
pub(super) fn rooms(case: &Case<'_>, trajectory: &Trajectory, asked: &[Wanted], out: &mut Misses) {
    let names = crate::bundle::Names::new(case.site);
    for stay in case.sessions.iter().filter(|stay| stay.room.is_none()) {
        let Some(device) = names.device(&stay.device).filter(|d| !super::excluded::is(case, *d)) else {
            continue;
        };
        let Some(family) = case.site.family(device.family) else { continue };
        if asks_power(case.site, device) {
            continue;
        }
        let Some(wants) = left(case, device, stay, &stay.energy, out) else { continue };
        let mut by: BTreeMap<Statement, Rat> = BTreeMap::new();
        for one in asked.iter().filter(|one| one.device == device) {
            if one.window.0 < stay.departure && stay.arrival < one.window.1 {
                *by.entry(one.statement).or_default() += &one.energy;
            }
        }
        let most = by.values().fold(wants, |most, energy| Rat::max_of(&most, energy));
        let there = |start: Instant, end: Instant| stay.arrival <= start && end <= stay.departure;
        let (mut given, mut longest, mut last) = (Interval::ZERO, 0, 0);
        for (step, length) in case.steps.iter().enumerate().filter(|(_, s)| there(s.start, s.end)) {
            let power = trajectory.run_of(device).map_or(Interval::ZERO, |run| run.power(&Attr::Power, step));
            given = given.plus(power.times(&length.hours()).unwrap_or_default()).unwrap_or_default();
            longest = longest.max(length.seconds());
            last = step;
        }
        let bound = &most + &grain(case.site, device, family, (longest, &most));
        if given.lo() > bound {
            let message = format!(
                "`{}` gives {} kWh to a vehicle of which only {} kWh are asked",
                stay.device,
                given.recorded(),
                most.to_decimal(6)
            );
            let miss = Miss::at(last, &stay.device, message);
            out.push("room", miss.by(Statement::Device(device.family), family.span));
        }
    }
}

/// Two steps of what a charger can be commanded, kWh: its register's, or its least piece of energy, by its
/// declaration or by a choice that a rule leaves it.
fn grain(site: &Site, device: Device, family: &Family, (longest_s, energy): (i64, &Rat)) -> Rat {
    let Model::Consumer(consumer) = &family.model else { return Rat::ZERO };
    let hours = |seconds: i64| Rat::ratio(i128::from(seconds.max(0)), 3600).unwrap_or_default();
    let fine = &register_step(family, &Attr::Power) * &hours(longest_s);
    let on = hours(longest_s.max(consumer.min_up_s));
    let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
    let Some((lo, hi)) = pieces.iter().find(|(_, hi)| hi.is_positive()) else { return fine };
    let gaps = consumer.on_off || &(lo + lo) > hi;
    let coarse = match (consumer.on_off, gaps) {
        (true, _) => hi * &on,
        (_, true) => lo * &on,
        _ => Rat::max_of(&(&(lo * &on) - energy), &Rat::ZERO),
    };
    // what limits leave of a piece may have gaps that the piece has not: between one step and the next
    let cut = &fine + &(lo * &on);
    let chosen = choices(site, device).map(|(least, _)| least * &on).fold(coarse, |a, b| Rat::max_of(&a, &b));
    let one = Rat::max_of(&fine, &chosen);
    Rat::max_of(&(&one + &one), &cut)
}

/// The pieces of power that rules leave a device to choose from.
fn choices(site: &Site, device: Device) -> impl Iterator<Item = &(Rat, Rat)> {
    let of = move |rule: &Rule, effect: &Effect| {
        let chooses = matches!(effect.kind, EffectKind::Choice { attr: Attr::Power, .. });
        chooses && targets(site, rule, effect).iter().any(|range| range.contains(device))
    };
    let effects = site.rules.iter().flat_map(move |rule| rule.effects.iter().filter(move |e| of(rule, e)));
    effects.flat_map(|effect| match &effect.kind {
        EffectKind::Choice { pieces, .. } => pieces.as_slice(),
        _ => &[],
    })
}

/// The members that an effect of a rule may be of.
fn targets(site: &Site, rule: &Rule, effect: &Effect) -> Vec<MemberRange> {
    match (&effect.target, rule.for_each.and_then(|group| site.group(group))) {
        (Target::Bound, Some(group)) => group.members.clone(),
        (target, _) => site.target_members(target),
    }
}

/// Whether a rule asks power of a device itself.
fn asks_power(site: &Site, device: Device) -> bool {
    let positive = |lin: &crate::ir::Lin| lin.as_constant().is_none_or(Rat::is_positive);
    for rule in &site.rules {
        for effect in &rule.effects {
            let members = targets(site, rule, effect);
            let asks = match &effect.kind {
                EffectKind::Switch(on) => *on,
                EffectKind::Bound { attr: Attr::Power, lo, .. } => lo.as_ref().is_some_and(positive),
                EffectKind::Choice { attr: Attr::Power, pieces } => {
                    pieces.iter().all(|(lo, _)| lo.is_positive())
                }
                EffectKind::Run { .. } => true,
                _ => false,
            };
            if asks && members.iter().any(|range| range.contains(device)) {
                return true;
            }
        }
    }
    false
}

/// Declarations at which vehicles are of which nobody says what fits in, and nothing but what is asked
/// for them bounds what they get.
pub(super) fn roomless<'a>(case: &Case<'a>) -> Vec<&'a Family> {
    let names = crate::bundle::Names::new(case.site);
    let mut found: Vec<&Family> = Vec::new();
    for stay in case.sessions.iter().filter(|stay| stay.room.is_none()) {
        let Some(device) = names.device(&stay.device).filter(|d| !super::excluded::is(case, *d)) else {
            continue;
        };
        let inside = |step: &crate::bundle::Step| stay.arrival <= step.start && step.end <= stay.departure;
        if !asks_power(case.site, device) && case.steps.iter().any(inside) {
            found.extend(case.site.family(device.family));
        }
    }
    found.sort_by_key(|family| family.id);
    found.dedup_by_key(|family| family.id);
    found
}

/// The same as an assumption.
pub(super) fn words(family: &Family) -> String {
    format!(
        "nobody says how much fits into vehicles at `{}`: they get what they want or rules deliver, and no more",
        family.name
    )
}
