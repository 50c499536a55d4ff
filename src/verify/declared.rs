//! What devices and zones declare and may yet miss: needs that may be shed, levels at the end, and
//! states that the plan found outside their range.

use super::Case;
use super::distance::between;
use super::ledger::{Breached, Duty, Ledger, When};
use super::miss::Misses;
use super::simulate::{Islands, Run, Trajectory};
use crate::bundle::{CommandSeries, Names, Step, register_step};
use crate::calendar::Calendar;
use crate::inputs::price_pieces;
use crate::ir::{
    Attr, ClassId, Consumer, Device, End, Family, Model, Price, SAFETY, SigRef, Statement, Store, Tariff,
};
use crate::quantity::Rat;

/// Asks all of it; how much that was.
pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let mut asked = 0;
    for run in &trajectory.runs {
        let Some(family) = case.site.family(run.unit.family) else { continue };
        match &family.model {
            // an excluded one is not shed either: it takes what it needs
            Model::Consumer(consumer) if consumer.shed_class.is_some() || consumer.shed_price.is_some() => {
                asked += shed(case, (run, family, consumer), ledger, out);
            }
            Model::Store(store) if !super::excluded::is(case, run.unit.first()) => {
                let this = (run, family, &**store);
                found_outside(case, trajectory, this, ledger, out);
                asked += end(case, calendar, trajectory, this, ledger, out);
            }
            _ => {}
        }
    }
    zones(case, trajectory, ledger, out);
    asked
}

/// What is not served of a need that may be shed.
fn shed(
    case: &Case<'_>,
    (run, family, consumer): (&Run, &Family, &Consumer),
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let Some(needs) = super::physical::needs(case, run, consumer) else { return 0 };
    // a need is served to within one step of the register
    let near = register_step(family, &Attr::Power);
    for (step, (length, need)) in case.steps.iter().zip(&needs).enumerate() {
        let missing = between(Some(&need.lo()), None, run.power(&Attr::Power, step));
        if missing.hi <= near {
            continue;
        }
        ledger.breach(
            Breached {
                statement: Statement::Device(family.id),
                duty: Duty::Wished(
                    consumer.shed_class.filter(|_| consumer.shed_price.is_none()),
                    consumer.shed_price.clone(),
                ),
                of: family.name.clone(),
                when: When::at(step),
                words: String::new(),
                amount: missing.at(&length.hours()),
                unit: "kWh",
            },
            out,
        );
    }
    needs.len()
}

/// A content that was outside its limits at the beginning and comes back; whether it does is physics.
fn found_outside(
    case: &Case<'_>,
    trajectory: &Trajectory,
    (run, family, store): (&Run, &Family, &Store),
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) {
    let device = run.unit.first();
    let Some(content) = trajectory.contents.get(&device) else { return };
    let (least, most) = (&store.level_min * &store.capacity, &store.level_max * &store.capacity);
    let Ok(outside) = content.outside(&least, &most) else { return };
    if content.before(0).is_none_or(|start| start.lo() >= least && start.hi() <= most) {
        return;
    }
    // later ones are physics
    for step in outside.into_iter().enumerate().take_while(|(nth, step)| nth == step).map(|(_, step)| step) {
        let (Some(found), Some(length)) = (content.after(step), case.steps.get(step)) else { continue };
        let share = length.hours().checked_div(&store.capacity).unwrap_or_default();
        ledger.breach(
            Breached {
                statement: Statement::Device(family.id),
                duty: Duty::Wished(Some(SAFETY), None),
                of: family.name.clone(),
                when: When::at(step),
                words: String::new(),
                amount: between(Some(&least), Some(&most), found).at(&share),
                unit: "h",
            },
            out,
        );
    }
}

/// The level at the horizon's end, owed in the lowest class or at its price.
fn end(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    (run, family, store): (&Run, &Family, &Store),
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let device = run.unit.first();
    let (Some(content), Some(last)) = (trajectory.contents.get(&device), case.steps.len().checked_sub(1))
    else {
        return 0;
    };
    let Some(found) = content.after(last) else { return 0 };
    let start = || case.state.level(case.site, device).ok();
    let lowest = ClassId::at(case.site.classes.len().saturating_sub(1));
    let owed = Duty::Owed(lowest);
    let name = case.site.device_name(device);
    let (duty, lo, hi, words) = match &store.end {
        End::Exactly(_) | End::ExactlyStart => {
            let wanted = match &store.end {
                End::Exactly(level) => Some(level * &store.capacity),
                _ => start(),
            };
            let Some(wanted) = wanted else { return 0 };
            let near = balanced(case, device, store).unwrap_or_else(|| nearest(case, family, store));
            if content.at_least(last, &(&wanted - &near)) && content.at_most(last, &(&wanted + &near)) {
                return 1;
            }
            let words = format!("`{name}` ends with {} kWh, not with {wanted} kWh", found.recorded());
            (owed, wanted.clone(), Some(wanted), words)
        }
        End::AtLeast(level) => {
            let wanted = level * &store.capacity;
            // at the top of the band nothing may round upwards
            let near = nearest(case, family, store);
            let top = &store.level_max * &store.capacity;
            let floor = if &wanted + &near > top { &wanted - &near } else { wanted.clone() };
            if content.at_least(last, &floor) {
                return 1;
            }
            let words = format!("`{name}` ends with {} kWh, less than {wanted} kWh", found.recorded());
            (owed, wanted, None, words)
        }
        End::Default => {
            let Some(wanted) = start().filter(|wanted| !content.at_least(last, wanted)) else { return 1 };
            (
                Duty::Wished(
                    Some(lowest),
                    Some(shortfall_price(case, calendar, store)).filter(Rat::is_positive),
                ),
                wanted,
                None,
                String::new(),
            )
        }
        End::Worth(_) | End::Free => return 0,
    };
    ledger.breach(
        Breached {
            statement: Statement::Device(family.id),
            duty,
            of: name,
            when: When::Whole(last, last),
            words,
            amount: between(Some(&lo), hi.as_ref(), found),
            unit: "kWh",
        },
        out,
    );
    1
}

/// As near as the registers come to a level, kWh: one register step over the longest step, at the cell.
fn nearest(case: &Case<'_>, family: &Family, store: &Store) -> Rat {
    let longest = case.steps.iter().map(|s| s.hours()).max().unwrap_or_default();
    let step = [Attr::Charge, Attr::Discharge].iter().map(|a| register_step(family, a)).max();
    (step.unwrap_or_default() * longest).checked_div(&store.efficiency_discharge).unwrap_or_default()
}

/// As near as a store that balances its island comes to a level, kWh: what it gives and takes follows
/// from the commands of all others there, each a register step away over the longest step at most, at
/// the cell; a machine that follows a setpoint by the power that a step of that is worth to its zone.
/// `None` where the store is commanded itself.
pub(super) fn balanced(case: &Case<'_>, device: Device, store: &Store) -> Option<Rat> {
    let own = case.site.device_name(device);
    if !store.grid_forming || case.commands.iter().any(|series| series.device == own) {
        return None;
    }
    let names = Names::new(case.site);
    let islands = Islands::new(case.site);
    let of = |family: &Family| family.bus.map(|bus| islands.of(bus));
    let family_of = |name: &str| case.site.family(names.device(name)?.family);
    let island = of(case.site.family(device.family)?);
    let fed = case.site.families.iter().any(|f| matches!(f.model, Model::Grid { .. }) && of(f) == island);
    if fed {
        return None;
    }
    let single = (case.commands.iter()).filter_map(|series| Some((family_of(&series.device)?, &series.attr)));
    let named = |name: &str| case.site.families.iter().find(|family| family.name == name);
    let sets = (case.groups.iter()).filter_map(|series| Some((named(&series.family)?, &series.attr)));
    let told: Rat = (single.chain(sets))
        .filter(|(family, attr)| of(family) == island && !matches!(attr, Attr::On | Attr::Setpoint))
        .map(|(family, attr)| register_step(family, attr))
        .sum();
    let longest = case.steps.iter().map(|s| s.hours()).max().unwrap_or_default();
    let mut moved = told;
    for steered in case.steered {
        let Some(zone) = case.site.zone(steered.zone) else { continue };
        let follows = |s: &CommandSeries| s.attr == Attr::Setpoint && s.device == zone.name;
        if !case.commands.iter().any(follows) {
            continue;
        }
        let machines = steered.machines().filter_map(|id| case.site.family(id));
        for machine in machines.filter(|machine| of(machine) == island) {
            moved += &super::steered::sway(case, steered, zone, machine, &longest);
        }
    }
    (moved * longest).checked_div(&store.efficiency_discharge)
}

/// What each kWh less than at the beginning costs: the horizon's dearest import or fuel over the charging
/// efficiency (planner.md 13).
pub(super) fn shortfall_price(case: &Case<'_>, calendar: &Calendar, store: &Store) -> Rat {
    let tariffs = case.site.tariffs.iter();
    let imported = tariffs.filter_map(|tariff| import_prices(case, calendar, tariff).into_iter().max());
    let fuel = case.site.families.iter().filter_map(|family| match &family.model {
        Model::Generator { fuel_cost, .. } => Some(fuel_cost.clone()),
        _ => None,
    });
    let highest = imported.chain(fuel).fold(Rat::ZERO, |most, price| Rat::max_of(&most, &price));
    highest.checked_div(&store.efficiency_charge).unwrap_or_default()
}

/// What a tariff asks for imported energy in each step, currency/kWh.
pub(super) fn import_prices(case: &Case<'_>, calendar: &Calendar, tariff: &Tariff) -> Vec<Rat> {
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return Vec::new() };
    match &tariff.import {
        Price::Feed(signal, _) => {
            case.given.means(&SigRef::Only(*signal)).map(<[Rat]>::to_vec).unwrap_or_default()
        }
        Price::Periods { .. } => {
            let pieces = price_pieces(calendar, tariff, false, first.start, last.end);
            let at = |step: &Step| pieces.as_ref().and_then(|p| p.at(step.start)).cloned();
            case.steps.iter().map(|step| at(step).unwrap_or_default()).collect()
        }
    }
}

/// Zones that were outside their physical range at the beginning and come back.
fn zones(case: &Case<'_>, trajectory: &Trajectory, ledger: &mut Ledger<'_>, out: &mut Misses) {
    for zone in &case.site.zones {
        let Some(values) = trajectory.temperatures.get(&zone.id) else { continue };
        let inside = |value: &Rat| zone.range.0 <= *value && *value <= zone.range.1;
        if case.state.temperature(case.site, zone.id).is_ok_and(|start| inside(&start)) {
            continue;
        }
        for (step, (value, length)) in values.iter().zip(case.steps).enumerate() {
            let amount = between(Some(&zone.range.0), Some(&zone.range.1), *value);
            if !amount.hi.is_positive() {
                // outside again is physics
                break;
            }
            ledger.breach(
                Breached {
                    statement: Statement::Comfort(zone.id),
                    duty: Duty::Wished(Some(SAFETY), None),
                    of: zone.name.clone(),
                    when: When::at(step),
                    words: String::new(),
                    amount: amount.at(&length.hours()),
                    unit: "K h",
                },
                out,
            );
        }
    }
}
