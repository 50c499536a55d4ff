//! What the same horizon costs with nobody deciding (planner.md 14): stores idle, vehicles and what is
//! owed at full power from the first moment, heating and cooling at the near edge of their band,
//! nothing shed.

use std::collections::BTreeMap;

use super::carried::{self, Wanted};
use super::fix::{Interval, TooLarge};
use super::miss::{Miss, Misses};
use super::money::{self, Amount};
use super::network::Network;
use super::obligations::{greatest, steps_in};
use super::simulate::{Trajectory, UNITS};
use super::state::table;
use super::stated::Resting;
use super::{Case, excluded, safe_state};
use crate::bundle::{DemandMoney, MinimumMoney, Money, Names, Unmanaged, thermal_decay};
use crate::calendar::Calendar;
use crate::ir::{Attr, Device, Family, Model, Need, SigRef, TariffId, Zone};
use crate::quantity::Rat;

/// What it would cost by part; `None` unless exactly one grid has a tariff: among several nobody says
/// who would carry what. Its demand charges stand in the order of the plan's.
pub(super) fn of(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    (resting, wanted): (&[Resting<'_>], &[Wanted]),
    planned: &Money,
) -> Option<Unmanaged> {
    let (grid, tariff) = grid(case)?;
    let tariff = case.site.tariffs.get(tariff.index())?;
    let mut net = Net::new(case);
    let costs = net.fill(case, calendar, trajectory, (resting, wanted)).and_then(|()| {
        let (imports, exports) = net.metered(case, grid)?;
        money::metered(case, calendar, tariff, (&imports, &exports))
    });
    let account = costs.ok()?;
    let demand = planned.demand.iter().map(|own| {
        let key = (own.tariff.clone(), own.charge.clone(), own.month.clone());
        let peak = account.demand.get(&key).map(|(_, peak, _)| peak.recorded()).unwrap_or_default();
        let above = Rat::max_of(&(&peak - &own.known), &Rat::ZERO);
        DemandMoney { decided: &own.price * &above, peak, ..own.clone() }
    });
    let minimum = planned.minimum.iter().map(|own| {
        let key = (own.tariff.clone(), own.month.clone());
        let bill = account.minimum.get(&key).map(|(_, _, bill)| bill.recorded()).unwrap_or_default();
        let added = Rat::max_of(&(&own.minimum - &bill), &Rat::ZERO);
        MinimumMoney { bill, added, ..own.clone() }
    });
    Some(Unmanaged {
        demand: demand.collect(),
        minimum: minimum.collect(),
        energy: account.energy.recorded(),
        export: account.export.recorded(),
    })
}

/// The plan says this of nobody deciding, and nothing else.
pub(super) fn compare(right: Option<&Unmanaged>, money: &Money, out: &mut Misses) {
    let mut wrong = |part: &str, said: &str, right: &str| {
        let message =
            format!("the plan says that nobody deciding costs {said} for `{part}`, it would be {right}");
        out.push("unmanaged", Miss::said("money", message));
    };
    let (Some(right), Some(parts)) = (right, &money.unmanaged_parts) else {
        if right.is_some() || money.unmanaged_parts.is_some() || money.unmanaged.is_some() {
            let known = |known: bool| if known { "something" } else { "nothing that can be said" };
            wrong("all", known(money.unmanaged.is_some()), known(right.is_some()));
        }
        return;
    };
    let shown = |sum: &Option<Rat>| sum.as_ref().map_or("nothing".to_owned(), |sum| sum.to_decimal(9));
    let same = |said: &Rat, right: &Rat| Amount::exact(right.clone()).records(said);
    for (part, said, right) in
        [("energy", &parts.energy, &right.energy), ("export", &parts.export, &right.export)]
    {
        if !same(said, right) {
            wrong(part, &said.to_decimal(9), &right.to_decimal(9));
        }
    }
    if parts.demand != right.demand {
        let decided = |unmanaged: &Unmanaged| {
            unmanaged.demand.iter().map(|charge| &charge.decided).sum::<Rat>().to_decimal(9)
        };
        wrong("demand", &decided(parts), &decided(right));
    }
    if parts.minimum != right.minimum {
        let added = |unmanaged: &Unmanaged| {
            unmanaged.minimum.iter().map(|month| &month.added).sum::<Rat>().to_decimal(9)
        };
        wrong("minimum", &added(parts), &added(right));
    }
    if !money.unmanaged.as_ref().is_some_and(|said| same(said, &parts.cost())) {
        wrong("all", &shown(&money.unmanaged), &parts.cost().to_decimal(9));
    }
}

/// The one grid with a tariff.
fn grid<'a>(case: &Case<'a>) -> Option<(&'a Family, TariffId)> {
    let mut priced = case.site.families.iter().filter_map(|family| match &family.model {
        Model::Grid { tariff: Some(tariff), .. } => Some((family, *tariff)),
        _ => None,
    });
    priced.next().filter(|_| priced.next().is_none())
}

/// What is given less what is taken at each bus, kW by step.
struct Net {
    buses: Vec<Vec<Interval>>,
}

impl Net {
    fn new(case: &Case<'_>) -> Self {
        Self { buses: vec![vec![Interval::ZERO; case.steps.len()]; case.site.buses.len()] }
    }

    fn add(&mut self, family: &Family, step: usize, power: Interval) -> Result<(), TooLarge> {
        let bus = family.bus.and_then(|bus| self.buses.get_mut(bus.index()));
        if let Some(sum) = bus.and_then(|bus| bus.get_mut(step)) {
            *sum = sum.plus(power)?;
        }
        Ok(())
    }

    fn fill(
        &mut self,
        case: &Case<'_>,
        calendar: &Calendar,
        trajectory: &Trajectory,
        (resting, wanted): (&[Resting<'_>], &[Wanted]),
    ) -> Result<(), TooLarge> {
        for run in &trajectory.runs {
            let Some(family) = case.site.family(run.unit.family) else { continue };
            let count = i128::from(run.unit.count);
            match &family.model {
                Model::Consumer(consumer) => {
                    let needs = super::physical::needs(case, run, consumer).unwrap_or_default();
                    for (step, need) in needs.iter().enumerate() {
                        self.add(family, step, need.scaled(count, 1)?.negated())?;
                    }
                }
                Model::Renewable { .. } => {
                    for (step, power) in run.available.iter().flatten().enumerate() {
                        self.add(family, step, power.positive())?;
                    }
                }
                _ => {}
            }
        }
        for device in case.excluded.iter().copied() {
            let Some(family) = case.site.family(device.family) else { continue };
            if let Model::Consumer(consumer) = &family.model
                && consumer.need == Need::None
            {
                let power = excluded::resting(family, consumer.default_power.as_ref());
                for step in 0..case.steps.len() {
                    self.add(family, step, Interval::of(&power)?.negated())?;
                }
            }
        }
        for (family, default, members) in resting {
            let power = if family.life_safety.is_some() {
                members.iter().map(|device| safe_state::at_rest(case, family, *device, default)).sum()
            } else {
                let members = Rat::ratio(i128::try_from(members.len()).unwrap_or(i128::MAX), 1);
                default * &members.unwrap_or_default()
            };
            let power = Interval::of(&power)?.negated();
            for step in 0..case.steps.len() {
                self.add(family, step, power)?;
            }
        }
        self.owed(case, wanted)?;
        for zone in &case.site.zones {
            self.thermal(case, calendar, zone)?;
        }
        Ok(())
    }

    /// Vehicles from their arrival, deliveries and runs from their window's first step, at full power
    /// until they are done. What one has brought counts for the others of the same device.
    fn owed(&mut self, case: &Case<'_>, wanted: &[Wanted]) -> Result<(), TooLarge> {
        let names = Names::new(case.site);
        let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Ok(()) };
        let mut dues: BTreeMap<Device, Vec<(std::ops::Range<usize>, Rat)>> = BTreeMap::new();
        // what the state lacks is told where it is asked
        let mut known = Misses::default();
        let mut stays: BTreeMap<Device, Vec<&crate::bundle::Session>> = BTreeMap::new();
        for stay in case.sessions {
            let Some(device) = names.device(&stay.device) else { continue };
            stays.entry(device).or_default().push(stay);
            let most = stay.room.as_ref().map_or(stay.energy.clone(), |room| Rat::min_of(room, &stay.energy));
            if let Some(left) = carried::left(case, device, stay, &most, &mut known) {
                let steps = steps_in(case, stay.arrival.max(first.start), stay.departure.min(last.end));
                dues.entry(device).or_default().push((steps, left));
            }
        }
        for one in wanted.iter().filter(|one| one.is_owed()) {
            let (opens, closes) = one.window();
            let steps = steps_in(case, opens.max(first.start), closes.min(last.end));
            dues.entry(one.device()).or_default().push((steps, one.energy().clone()));
        }
        for (device, dues) in dues {
            let Some(family) = case.site.family(device.family).filter(|_| !excluded::is(case, device)) else {
                continue;
            };
            let Model::Consumer(consumer) = &family.model else { continue };
            if consumer.need != Need::None {
                continue;
            }
            let most = greatest(case, device);
            let possible = |step: usize| {
                let Some(length) = case.steps.get(step).filter(|_| consumer.sessions.is_some()) else {
                    return most.clone();
                };
                let here = stays.get(&device).into_iter().flatten();
                let mut here = here.filter(|s| s.arrival <= length.start && length.end <= s.departure);
                here.next().map_or(Rat::ZERO, |stay| {
                    stay.power.as_ref().map_or(most.clone(), |power| Rat::min_of(power, &most))
                })
            };
            let mut drawn: BTreeMap<usize, Rat> = BTreeMap::new();
            for (steps, energy) in dues {
                let hours = |step: usize| case.steps.get(step).map_or(Rat::ZERO, |step| step.hours());
                let done: Rat = drawn.range(steps.clone()).map(|(step, power)| power * &hours(*step)).sum();
                let mut left = &energy - &done;
                for step in steps {
                    if !left.is_positive() {
                        break;
                    }
                    let before = drawn.get(&step).cloned().unwrap_or_default();
                    let Some(rest) = left.checked_div(&hours(step)) else { continue };
                    let power = Rat::min_of(&(&possible(step) - &before), &rest);
                    if power.is_positive() {
                        left -= &(&power * &hours(step));
                        *drawn.entry(step).or_default() += &power;
                    }
                }
            }
            for (step, power) in drawn {
                self.add(family, step, Interval::of(&power)?.negated())?;
            }
        }
        Ok(())
    }

    /// A thermostat that heats to the band's lower edge and cools to its upper one. Temperatures are
    /// rounded down to 12 decimals: this is a measure and no limit.
    fn thermal(&mut self, case: &Case<'_>, calendar: &Calendar, zone: &Zone) -> Result<(), TooLarge> {
        let machines: Vec<(&Family, bool)> = (case.site.families.iter())
            .filter_map(|family| match &family.model {
                Model::Consumer(c) if c.heats == Some(zone.id) => Some((family, true)),
                Model::Consumer(c) if c.cools == Some(zone.id) => Some((family, false)),
                _ => None,
            })
            .collect();
        let Ok(start) = case.state.temperature(case.site, zone.id) else { return Ok(()) };
        if machines.is_empty() {
            return Ok(());
        }
        let outdoors = zone.outdoor.and_then(|id| case.given.means(&SigRef::Only(id))).unwrap_or_default();
        let gains = zone.gains.and_then(|id| case.given.means(&SigRef::Only(id))).unwrap_or_default();
        let mut decays: BTreeMap<i64, i128> = BTreeMap::new();
        let mut now = point(Interval::of(&start)?)?;
        for (place, step) in case.steps.iter().enumerate() {
            let keeps = match decays.get(&step.seconds()) {
                Some(keeps) => *keeps,
                None => {
                    let decay = thermal_decay(&zone.heat_loss, &zone.heat_capacity, step.seconds());
                    *decays.entry(step.seconds()).or_insert(Interval::of(&decay)?.raw().0)
                }
            };
            let outdoor = outdoors.get(place).cloned().unwrap_or_default();
            // what a heat of so many kW does to the temperature by the step's end, and back
            let warms = |heat: Interval| match zone.heat_loss.is_zero() {
                true => heat.times(&step.hours())?.divided(&zone.heat_capacity),
                false => heat.divided(&zone.heat_loss)?.scaled(UNITS - keeps, UNITS),
            };
            let takes = |kelvin: Interval| match zone.heat_loss.is_zero() {
                true => kelvin.times(&zone.heat_capacity)?.divided(&step.hours()),
                false => kelvin.times(&zone.heat_loss)?.scaled(UNITS, (UNITS - keeps).max(1)),
            };
            let free = now.scaled(keeps, UNITS)?;
            let free = free.plus(Interval::of(&outdoor)?.scaled(UNITS - keeps, UNITS)?)?;
            let free = point(free.plus(warms(gains.get(place).map_or(Ok(Interval::ZERO), Interval::of)?)?)?)?;
            let band = zone.comfort.iter().find(|band| calendar.contains(&band.during, step.start));
            let (lo, hi) = band.map_or((&zone.range.0, &zone.range.1), |band| (&band.lo, &band.hi));
            let (cold, warm) = (Interval::of(lo)?.minus(free)?, free.minus(Interval::of(hi)?)?);
            let heats = cold.is_positive();
            let mut left = takes(if heats { cold } else { warm.positive() })?;
            let mut done = Interval::ZERO;
            for (family, _) in machines.iter().filter(|(_, heater)| *heater == heats) {
                let Model::Consumer(consumer) = &family.model else { continue };
                let cop = table(&consumer.cop, &outdoor).unwrap_or(Rat::ONE);
                let rated = family.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most);
                let most = table(&consumer.capacity, &outdoor)
                    .map_or(rated.clone(), |most| Rat::max_of(&Rat::ZERO, &Rat::min_of(&most, &rated)));
                let there = family.all().devices().filter(|device| !excluded::is(case, *device)).count();
                let there = Rat::int(i64::try_from(there).unwrap_or(i64::MAX));
                let all = Interval::of(&(&most * &there))?;
                if !cop.is_positive() {
                    continue;
                }
                let power = point(left.divided(&cop)?.min(all))?;
                self.add(family, place, power.negated())?;
                let given = power.times(&cop)?;
                done = done.plus(given)?;
                left = left.minus(given)?.positive();
            }
            let moved = warms(done)?;
            now = point(if heats { free.plus(moved)? } else { free.minus(moved)? })?;
        }
        Ok(())
    }

    /// What the grid's meter sees of it, through the links with their losses: import and export.
    fn metered(&self, case: &Case<'_>, grid: &Family) -> Result<(Vec<Interval>, Vec<Interval>), TooLarge> {
        let Some(root) = grid.bus else { return Ok(Default::default()) };
        let network = Network::new(case.site, &[root]).map_err(|_| TooLarge)?;
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        for step in 0..case.steps.len() {
            let here = |bus: &Vec<Interval>| bus.get(step).copied().unwrap_or_default();
            let net: Vec<Interval> = self.buses.iter().map(here).collect();
            let flow = network.flow(&net)?;
            let left = flow.roots.iter().find(|(bus, _)| *bus == root.index()).map(|(_, left)| *left);
            let left = left.unwrap_or_default();
            exports.push(left.positive());
            imports.push(left.negated().positive());
        }
        Ok((imports, exports))
    }
}

/// The lower end of an interval.
fn point(value: Interval) -> Result<Interval, TooLarge> {
    let (lo, _) = value.raw();
    Interval::new(lo, lo)
}
