//! Devices that keep a grid's meter at a target (planner.md 2): each takes or gives exactly what brings
//! the meter there, no more than it is told it may, and no more than its content allows.

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use super::fix::{Interval, TooLarge};
use super::ledger::{Breached, Duty, Ledger, When, effect, facts};
use super::limits::{Excess, Limits, Power};
use super::miss::{Miss, Misses};
use super::money::Amount;
use super::network::Network;
use super::simulate::{Run, Trajectory, gives};
use super::state::{Content, Filling};
use super::told::Full;
use super::units::Commands;
use crate::bundle::{FollowingSeries, Names, register_step};
use crate::eval::{Decision, Following, Unit};
use crate::ir::{Attr, BusId, Device, Family, FamilyId, Model, Statement, Store, told_at_most};
use crate::quantity::Rat;

/// What follows from meters that are kept.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Content of the stores that follow.
    pub(super) contents: BTreeMap<Device, Content>,
    /// What the bus of a grid is left with where its meter surely shows the target, kW: bus, step.
    pub(super) meters: BTreeMap<(usize, usize), Interval>,
    /// Whose meters are kept at all.
    kept: BTreeSet<(usize, usize)>,
}

/// The attributes that say what a device may at most do while it follows.
pub(super) fn bounds(family: &Family) -> &'static [Attr] {
    match &family.model {
        Model::Store(_) => &[Attr::Charge, Attr::Discharge],
        _ => &[Attr::Power],
    }
}

/// Finds who follows what in a plan, and what is wrong with it.
pub(super) fn read<'a>(
    case: &Case<'a>,
    names: &Names<'_>,
    out: &mut Vec<Miss>,
) -> BTreeMap<Device, &'a FollowingSeries> {
    let mut found = BTreeMap::new();
    for series in case.following {
        let who = &series.device;
        let mut wrong = |what: String| out.push(Miss::plan(who, format!("the plan lets `{who}` {what}")));
        let device = names.device(who).and_then(|device| Some((device, case.site.family(device.family)?)));
        let grid = names.device(&series.grid);
        let (Some((device, family)), Some(grid)) = (device, grid) else {
            wrong(format!("follow `{}`, and the policy does not declare both", series.grid));
            continue;
        };
        let is_grid = case.site.family(grid.family).is_some_and(|f| matches!(f.model, Model::Grid { .. }));
        if !is_grid {
            wrong(format!("follow `{}`, which is no grid", series.grid));
            continue;
        }
        if let Some(why) = case.site.cannot_follow(device, grid) {
            wrong(format!("follow a meter, which {why}"));
            continue;
        }
        if super::excluded::is(case, device) {
            wrong("follow a meter, and its state excludes it".to_owned());
            continue;
        }
        let commanded =
            |attr: &Attr| case.commands.iter().any(|series| series.device == *who && series.attr == *attr);
        let whole = series.targets.len() == case.steps.len() && series.targets.iter().any(Option::is_some);
        let counted = series.unit == "kW" && series.step == register_step(family, &Attr::Import);
        if !whole || !counted || !bounds(family).iter().all(commanded) {
            wrong("follow a meter by values that do not fit".to_owned());
            continue;
        }
        if found.insert(device, series).is_some() {
            wrong("follow two meters".to_owned());
        }
    }
    found
}

/// Puts the powers of devices that follow into the runs.
pub(super) fn settle(
    case: &Case<'_>,
    commands: &Commands<'_>,
    network: &Network,
    balancing: &[(usize, BusId)],
    runs: &mut [Run],
) -> Result<Settled, Vec<Miss>> {
    let mut out = Settled::default();
    let names = Names::new(case.site);
    for (device, series) in &commands.following {
        let name = &series.device;
        let refused = |message: String| vec![Miss::plan(name, message)];
        let place = runs.iter().position(|run| run.unit.first() == *device && run.unit.count == 1);
        let root = names.device(&series.grid).and_then(|grid| {
            let is =
                |(place, _): &&(usize, BusId)| runs.get(*place).is_some_and(|run| run.unit.contains(grid));
            balancing.iter().find(is).map(|(_, bus)| bus.index())
        });
        let (Some(place), Some(root)) = (place, root) else {
            return Err(refused(format!("`{name}` cannot follow `{}`, which balances nothing", series.grid)));
        };
        let one = One { case, network, series, place, root };
        match one.run(runs, &mut out) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("`{name}` is not the only one that follows `{}`", series.grid);
                return Err(refused(message));
            }
            Err(TooLarge) => {
                return Err(refused(format!("`{name}` has values beyond 10^15")));
            }
        }
    }
    Ok(out)
}

/// What one device may put into its bus in a step, kW: least and greatest.
type Reach = (Interval, Interval);

/// One device that follows.
struct One<'o, 'a> {
    case: &'o Case<'a>,
    network: &'o Network,
    series: &'o FollowingSeries,
    place: usize,
    root: usize,
}

impl One<'_, '_> {
    /// Whether it alone keeps its meter.
    fn run(&self, runs: &mut [Run], out: &mut Settled) -> Result<bool, TooLarge> {
        let Some(own) = runs.get(self.place) else { return Ok(true) };
        let device = own.unit.first();
        let Some(family) = self.case.site.family(device.family) else { return Ok(true) };
        let store = match &family.model {
            Model::Store(store) => Some(store),
            _ => None,
        };
        let mut powers = own.powers.clone();
        let mut filling = match store {
            Some(store) => {
                let start = self.case.state.level(self.case.site, device).map_err(|_| TooLarge)?;
                Some((store, Filling::new(store, &start)?))
            }
            None => None,
        };
        for (step, length) in self.case.steps.iter().enumerate() {
            if let Some((_, filling)) = &mut filling {
                filling.rest(*length)?;
            }
            let Some(target) = self.series.target(step) else {
                if let Some((_, filling)) = &mut filling {
                    let both = (own.power(&Attr::Charge, step), own.power(&Attr::Discharge, step));
                    filling.take(*length, both, None)?;
                }
                continue;
            };
            let left = Interval::of(&target)?.negated();
            let reach = match &filling {
                Some((store, filling)) => {
                    let (charge, discharge) =
                        (own.power(&Attr::Charge, step), own.power(&Attr::Discharge, step));
                    let (fits, holds) = room(store, filling.content()?, &length.hours())?;
                    (charge.min(fits).negated(), discharge.min(holds))
                }
                None => reach(family, own.power(&Attr::Power, step)),
            };
            let others = runs.iter().enumerate().filter(|(place, _)| *place != self.place);
            let others = others.flat_map(|(_, run)| {
                run.powers.keys().map(move |attr| (run.unit.family, attr, run.power(attr, step)))
            });
            let net = left_over(self.case, others)?;
            let bus = family.bus.map_or(0, BusId::index);
            let Some((wanted, whole)) = self.network.entering(&net, (self.root, bus), left)? else {
                return Ok(false);
            };
            let (least, most) = reach;
            let power = wanted.max(least).min(most);
            if !out.kept.insert((self.root, step)) {
                return Ok(false);
            }
            if whole && least.at_most(wanted) && wanted.at_most(most) {
                out.meters.insert((self.root, step), left);
            }
            let (takes, gives) = (power.negated().positive(), power.positive());
            let mut put = |attr: Attr, power: Interval| {
                if let Some(slot) = powers.get_mut(&attr).and_then(|values| values.get_mut(step)) {
                    *slot = power;
                }
            };
            match &family.model {
                Model::Store(_) => {
                    put(Attr::Charge, takes);
                    put(Attr::Discharge, gives);
                }
                Model::Consumer(_) => put(Attr::Power, takes),
                _ => put(Attr::Power, gives),
            }
            if let Some((store, filling)) = &mut filling {
                let (low, high) = (&store.level_min * &store.capacity, &store.level_max * &store.capacity);
                filling.take(*length, (takes, gives), Some((&low, &high)))?;
            }
        }
        if let Some((_, filling)) = filling {
            out.contents.insert(device, filling.done());
        }
        if let Some(run) = runs.get_mut(self.place) {
            run.powers = powers;
        }
        Ok(true)
    }
}

/// What devices leave over at each bus, kW.
fn left_over<'p>(
    case: &Case<'_>,
    powers: impl Iterator<Item = (FamilyId, &'p Attr, Interval)>,
) -> Result<Vec<Interval>, TooLarge> {
    let mut net = vec![Interval::ZERO; case.site.buses.len().max(1)];
    for (family, attr, power) in powers {
        let Some(family) = case.site.family(family) else { continue };
        if let Some(sum) = net.get_mut(family.bus.map_or(0, BusId::index)) {
            *sum = if gives(family, attr) { sum.plus(power)? } else { sum.minus(power)? };
        }
    }
    Ok(net)
}

/// What a device without content may put into its bus, kW.
fn reach(family: &Family, most: Interval) -> Reach {
    match &family.model {
        Model::Consumer(_) => (most.negated(), Interval::ZERO),
        _ => (Interval::ZERO, most),
    }
}

/// A step of a device that follows a meter, with what all others do or may do in it.
pub(super) struct Moment<'m, 'a> {
    limits: &'m Limits<'a>,
    /// Who follows.
    pub(super) device: Device,
    pub(super) family: &'a Family,
    meter: &'a Family,
    own: Vec<Power>,
    others: Vec<Power>,
    /// What it would have to put into its bus for the meter to show its target, kW.
    wanted: Interval,
}

impl<'m, 'a> Moment<'m, 'a> {
    /// `None` where it is not among these powers.
    pub(super) fn of(
        case: &Case<'a>,
        limits: &'m Limits<'a>,
        trajectory: &Trajectory,
        (step, series): (usize, &FollowingSeries),
        powers: &[Power],
    ) -> Result<Option<Self>, TooLarge> {
        let names = Names::new(case.site);
        let device = names.device(&series.device).zip(names.device(&series.grid));
        let (Some(target), Some((device, grid))) = (series.target(step), device) else { return Ok(None) };
        let families = case.site.family(device.family).zip(case.site.family(grid.family));
        let (Some((family, meter)), Some(run)) = (families, trajectory.run_of(device)) else {
            return Ok(None);
        };
        let mut others = powers.to_vec();
        let mut own = Vec::new();
        for attr in run.powers.keys() {
            let planned = |power: &Power| {
                power.family == family.id && power.attr == *attr && power.power == run.power(attr, step)
            };
            own.extend(others.iter().position(planned).map(|place| others.remove(place)));
        }
        if own.is_empty() {
            return Ok(None); // it is gone itself
        }
        let powers = others.iter().map(|power| (power.family, &power.attr, power.power));
        let net = left_over(case, powers)?;
        let ends = (meter.bus.map_or(0, BusId::index), family.bus.map_or(0, BusId::index));
        let left = Interval::of(&target)?.negated();
        let wanted = limits.network().entering(&net, ends, left)?;
        Ok(wanted.map(|(wanted, _)| Self { limits, device, family, meter, own, others, wanted }))
    }

    /// The furthest that it would go towards an attribute of which it may have no more than `most`, kW into
    /// its bus; `None` where it would go the other way.
    pub(super) fn furthest(&self, attr: &Attr, most: Interval) -> Result<Option<Interval>, TooLarge> {
        let gives = gives(self.family, attr);
        let toward = if gives { self.wanted } else { self.wanted.negated() };
        let (_, end) = toward.raw();
        let power = Interval::new(end, end)?.min(most);
        Ok(toward.may_be_positive().then(|| if gives { power } else { power.negated() }))
    }

    /// Everything that is or may be exceeded where it puts so much into its bus.
    pub(super) fn exceeded(&self, power: Interval) -> Result<Vec<Excess>, TooLarge> {
        let own = self.own.iter().map(|own| {
            let gives = gives(self.family, &own.attr);
            Power { power: if gives { power } else { power.negated() }.positive(), ..own.clone() }
        });
        let powers: Vec<Power> = self.others.iter().cloned().chain(own).collect();
        self.limits.check(&powers, &BTreeMap::new())
    }
}

/// What a device that follows a meter may exceed where others do something else than planned: it moves with
/// them, to what then brings the meter back or as far as it may. The meter itself comes to lie between what it
/// would show without that and its target, and is not looked at again.
pub(super) fn moved(
    case: &Case<'_>,
    limits: &Limits<'_>,
    trajectory: &Trajectory,
    step: usize,
    powers: &[Power],
) -> Result<Vec<(Device, Excess)>, TooLarge> {
    let mut out = Vec::new();
    for series in case.following {
        let Some(moment) = Moment::of(case, limits, trajectory, (step, series), powers)? else { continue };
        let (family, meter, device) = (moment.family, moment.meter, moment.device);
        let told = |attr: &Attr| {
            let series = case.commands.iter().find(|s| s.device == series.device && s.attr == *attr);
            series.and_then(|series| series.value(step)).map_or(Ok(Interval::ZERO), |kw| Interval::of(&kw))
        };
        let available = trajectory.run_of(device).and_then(|run| run.available.as_ref()?.get(step));
        let (least, most) = match &family.model {
            // what others did before has moved its content too: that bounds nothing here
            Model::Store(_) => (told(&Attr::Charge)?.negated(), told(&Attr::Discharge)?),
            _ => {
                let most = told(&Attr::Power)?;
                reach(family, available.map_or(most, |available| most.min(*available)))
            }
        };
        let power = moment.wanted.max(least).min(most);
        let target = series.target(step).unwrap_or_default();
        let rating = |attr: Attr| meter.hull(&attr).map_or(Rat::ZERO, |(_, most)| most);
        let between = target <= rating(Attr::Import) && -&target <= rating(Attr::Export);
        let elsewhere = |excess: &Excess| !between || excess.statement != Statement::Device(meter.id);
        let found = moment.exceeded(power)?.into_iter().filter(elsewhere);
        out.extend(found.map(|excess| (device, excess)));
    }
    Ok(out)
}

/// That a follower may move too far where others do something else than planned.
pub(super) fn too_far(case: &Case<'_>, follower: Device, step: usize, excess: &Excess) -> Miss {
    let name = case.site.device_name(follower);
    let message = format!("where others do something else, `{name}` follows them until {}", excess.words());
    Miss::at(step, &excess.of, message)
        .by(excess.statement, excess.span)
        .beyond(excess.by())
        .of_follower(follower)
}

/// How much power fits into a store for so long, and how much it holds, kW at its terminal.
fn room(store: &Store, content: Interval, hours: &Rat) -> Result<(Interval, Interval), TooLarge> {
    let most = Interval::of(&(&store.level_max * &store.capacity))?;
    let least = Interval::of(&(&store.level_min * &store.capacity))?;
    let fits = most.minus(content)?.positive().divided(&(&store.efficiency_charge * hours))?;
    let holds = content.minus(least)?.positive().times(&store.efficiency_discharge)?.divided(hours)?;
    Ok((fits, holds))
}

/// The plan lets follow whom the rules say, at what they say, as far as they leave room, and nobody else.
pub(super) fn check(
    case: &Case<'_>,
    decisions: &[Decision],
    full: &Full,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let names = Names::new(case.site);
    let mut asked = 0;
    for step in 0..case.steps.len() {
        let none = Decision::default();
        let decision = decisions.get(step).unwrap_or(&none);
        let who = |following: &Following| match following.unit {
            Unit::Devices(range) => range.devices().collect::<Vec<_>>(),
            Unit::Zone(_) => Vec::new(),
        };
        let rules: Vec<(Device, &Following)> = (decision.following.iter())
            .flat_map(|following| who(following).into_iter().map(move |device| (device, following)))
            // what may do nothing follows nothing
            .filter(|(device, _)| may(case, decision, *device).iter().any(|(.., count)| *count != Some(0)))
            .collect();
        asked += rules.len();
        for (device, rule) in &rules {
            let name = case.site.device_name(*device);
            let (_, text, span) = facts(case.site, effect(rule.effect));
            let series = case.following.iter().find(|series| series.device == name);
            let Some((series, said)) = series.and_then(|series| Some((series, series.target(step)?))) else {
                let hours = case.steps.get(step).map(|step| step.hours()).unwrap_or_default();
                let found = Breached {
                    statement: effect(rule.effect),
                    duty: Duty::Owed(rule.class),
                    of: name.clone(),
                    when: When::at(step),
                    words: format!("`{name}` does not follow"),
                    amount: Amount::exact(hours),
                    unit: "h",
                };
                ledger.breach(found, out);
                continue;
            };
            let right = rule.meter.net_import(&rule.target);
            if names.device(&series.grid) != Some(rule.meter.grid)
                || (&said - &right).abs() * Rat::int(2) > series.step
            {
                let message = format!("the plan lets `{name}` follow something else than `{text}`");
                out.push("follow", Miss::at(step, &name, message).by(effect(rule.effect), span));
            }
        }
        for series in case.following.iter().filter(|series| series.target(step).is_some()) {
            let device = names.device(&series.device);
            let ruled = rules.iter().any(|(of, _)| Some(*of) == device);
            let Some(device) = device.filter(|_| ruled) else {
                let message = format!("the plan lets `{}` follow a meter, which no rule asks", series.device);
                out.push("follow", Miss::at(step, &series.device, message));
                continue;
            };
            told(case, (decision, device), (step, full), out);
        }
    }
    asked
}

/// The most of each of its attributes that the rules leave a device, kW, and in whole register steps.
fn may(case: &Case<'_>, decision: &Decision, device: Device) -> Vec<(&'static Attr, Rat, Option<i64>)> {
    let Some(family) = case.site.family(device.family) else { return Vec::new() };
    let set = decision.device(case.site, device);
    let most = |attr: &'static Attr| {
        let numbers = set.as_ref().and_then(|set| set.numbers.get(attr));
        let most = match numbers {
            Some(numbers) => numbers.max().cloned().unwrap_or_default(),
            None => family.rated(attr).unwrap_or_default(),
        };
        let count = told_at_most(&register_step(family, attr), &most);
        (attr, most, count)
    };
    bounds(family).iter().map(most).collect()
}

/// A device that follows is told that it may do what the rules leave, to a whole step of its register; less
/// only where a step more would be too much for a link or bus on the way.
fn told(
    case: &Case<'_>,
    (decision, device): (&Decision, Device),
    (step, full): (usize, &Full),
    out: &mut Misses,
) {
    let name = case.site.device_name(device);
    for (attr, most, right) in may(case, decision, device) {
        let series = case.commands.iter().find(|series| series.device == name && series.attr == *attr);
        let said = series.and_then(|series| series.counts.get(step)).copied();
        let narrowed = full.contains(&(device, step, attr.clone()));
        if said != right && !(narrowed && said < right && said >= Some(0)) {
            let message = format!(
                "the plan tells `{name}` another greatest {} while it follows than the rules leave: {} kW",
                attr.name(),
                most.to_decimal(6)
            );
            out.push("follow", Miss::at(step, &name, message));
        }
    }
}
