//! What a plan costs, exactly, after rounding (planner.md 11, 14).

use super::prepare::{Known, grids};
use super::steps;
use crate::bundle::{DemandMoney, MinimumMoney, Money};
use crate::calendar::Instant;
use crate::inputs::price_pieces;
use crate::ir::{Attr, Device, End, Model, Period, Price, SigRef, Tariff};
use crate::quantity::Rat;
use crate::verify::{Interval, Trajectory};

/// Exact where the simulation is, else its recorded value.
pub(super) fn exact(value: Interval) -> Rat {
    let lo = value.lo();
    if lo == value.hi() { lo } else { value.recorded() }
}

fn power(trajectory: &Trajectory, device: Device, attr: &Attr, step: usize) -> Rat {
    trajectory.run_of(device).map(|run| exact(run.power(attr, step))).unwrap_or_default()
}

/// Price of import or export in each step, currency/kWh.
pub(super) fn prices(known: &Known<'_>, tariff: &Tariff, export: bool) -> Vec<Rat> {
    let price = if export { tariff.export.as_ref() } else { Some(&tariff.import) };
    let none = || vec![Rat::ZERO; known.steps.len()];
    match price {
        None => none(),
        Some(Price::Feed(signal, _)) => {
            known.on.means(&SigRef::Only(*signal)).map_or_else(none, <[Rat]>::to_vec)
        }
        Some(Price::Periods { .. }) => {
            let pieces = price_pieces(known.calendar, tariff, export, known.from(), known.until());
            known
                .steps
                .iter()
                .map(|s| pieces.as_ref().and_then(|p| p.at(s.start)).cloned().unwrap_or_default())
                .collect()
        }
    }
}

/// Everything that the meters and the devices cost over the horizon; breaches and the model's own
/// cost are added by the caller.
pub(super) fn of(known: &Known<'_>, trajectory: &Trajectory) -> Money {
    let site = known.site;
    let mut money = Money { currency: site.currency.clone(), ..Money::default() };
    for (grid, tariff) in grids(site) {
        let (import, export) = (prices(known, tariff, false), prices(known, tariff, true));
        for (t, step) in known.steps.iter().enumerate() {
            let hours = step.hours();
            let (bought, sold) =
                (power(trajectory, grid, &Attr::Import, t), power(trajectory, grid, &Attr::Export, t));
            if let Some(price) = import.get(t) {
                money.energy += &(&(&bought * &hours) * price);
            }
            if let Some(price) = export.get(t) {
                money.export += &(&(&sold * &hours) * price);
            }
        }
        let demand = demand(known, trajectory, grid, tariff);
        money.minimum.extend(least(known, trajectory, (grid, tariff), (&import, &export), &demand));
        money.demand.extend(demand);
        money.fixed += &fixed_in(known, tariff, known.from(), known.until());
    }
    for run in &trajectory.runs {
        let Some(family) = site.family(run.unit.family) else { continue };
        match &family.model {
            Model::Generator { fuel_cost, start_cost, .. } => {
                let device = run.unit.first();
                let mut on = known.state.switched(site, device).is_ok_and(|s| s.on);
                for (t, step) in known.steps.iter().enumerate() {
                    let power = exact(run.power(&Attr::Power, t));
                    money.fuel += &(&(&power * &step.hours()) * fuel_cost);
                    let now = power.is_positive();
                    if now && !on {
                        money.fuel += start_cost;
                    }
                    on = now;
                }
            }
            Model::Store(store) => {
                for (t, step) in known.steps.iter().enumerate() {
                    let hours = step.hours();
                    let given = exact(run.power(&Attr::Discharge, t));
                    let taken = exact(run.power(&Attr::Charge, t));
                    money.wear += &(&(&given * &hours) * &store.wear);
                    money.wear += &(&(&taken * &hours) * &store.wear_charge);
                }
                if let End::Worth(price) = &store.end {
                    let content = trajectory.contents.get(&run.unit.first());
                    let last = content.and_then(|c| c.after(known.steps.len().saturating_sub(1)));
                    money.end_value += &(last.map(exact).unwrap_or_default() * price);
                }
            }
            _ => {}
        }
    }
    for (link, (forward, back)) in site.links.iter().zip(&trajectory.links) {
        for ((t, step), (there, here)) in known.steps.iter().enumerate().zip(forward.iter().zip(back)) {
            debug_assert!(t < known.steps.len());
            money.wear += &(&(exact(*there) * step.hours()) * &link.wear.0);
            money.wear += &(&(exact(*here) * step.hours()) * &link.wear.1);
        }
    }
    money
}

/// The sums that follow from the parts.
pub(super) fn close(money: &mut Money) {
    let mut bill = &money.energy - &money.export;
    let mut decided = bill.clone();
    for charge in &money.demand {
        bill += &(&charge.decided + &charge.incurred);
        decided += &charge.decided;
    }
    for month in &money.minimum {
        bill += &month.added;
        decided += &month.added;
    }
    money.bill = &bill + &money.fixed;
    money.plan_cost = &(&(&decided + &money.fuel) + &money.wear) + &(&money.breach - &money.end_value);
    money.decided = decided;
}

fn demand(known: &Known<'_>, trajectory: &Trajectory, grid: Device, tariff: &Tariff) -> Vec<DemandMoney> {
    let (from, until) = (known.from(), known.until());
    let mut found = Vec::new();
    for charge in &tariff.demand {
        for (nth, month) in months(known).into_iter().enumerate() {
            let (start, end) = (month.start, month.end);
            let metered = if nth == 0 && start < from {
                known.state.peak(&tariff.name, &charge.name).unwrap_or_default()
            } else {
                Rat::ZERO
            };
            let known_peak = charge.expect.as_ref().map_or(metered.clone(), |e| Rat::max_of(e, &metered));
            let mut peak = Rat::ZERO;
            for (begin, finish) in
                steps::intervals(known.calendar, tariff.interval_s, start.max(from), end.min(until))
            {
                if !known.calendar.contains(&charge.during, begin) {
                    continue;
                }
                let length = Rat::ratio(i128::from(finish.since(begin)), 3600).unwrap_or_default();
                let mut energy = Rat::ZERO;
                if begin < from {
                    energy = known.state.interval_energy(&tariff.name).unwrap_or_default();
                }
                for t in known.within(begin, finish) {
                    if let Some(step) = known.steps.get(t) {
                        energy += &(&power(trajectory, grid, &Attr::Import, t) * &step.hours());
                    }
                }
                peak = Rat::max_of(&peak, &energy.checked_div(&length).unwrap_or_default());
            }
            let above = Rat::max_of(&(&peak - &known_peak), &Rat::ZERO);
            found.push(DemandMoney {
                tariff: tariff.name.clone(),
                charge: charge.name.clone(),
                month: month.name,
                decided: &charge.price * &above,
                incurred: &charge.price * &known_peak,
                known: known_peak,
                peak,
                price: charge.price.clone(),
            });
        }
    }
    found
}

/// A calendar month that meets the plan.
pub(super) struct Month {
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// `2026-07`.
    pub(super) name: String,
}

/// The months that meet the plan.
pub(super) fn months(known: &Known<'_>) -> Vec<Month> {
    let name = |start| {
        let (date, _, _) = known.calendar.civil(start);
        format!("{:04}-{:02}", date.year, date.month)
    };
    (steps::periods(known.calendar, Period::Month, known.from(), known.until()).into_iter())
        .map(|(start, end)| Month { start, end, name: name(start) })
        .collect()
}

/// The minimum bills of the months that end within the plan.
fn least(
    known: &Known<'_>,
    trajectory: &Trajectory,
    (grid, tariff): (Device, &Tariff),
    (import, export): (&[Rat], &[Rat]),
    demand: &[DemandMoney],
) -> Vec<MinimumMoney> {
    let Some(minimum) = &tariff.minimum else { return Vec::new() };
    let mut found = Vec::new();
    for month in months(known).into_iter().filter(|month| month.end <= known.until()) {
        let begun = month.start < known.from();
        let before = begun.then(|| known.state.energy_cost(&tariff.name, &known.site.currency).ok());
        let before = before.flatten().unwrap_or_default();
        let mut bill = &before + &fixed_in(known, tariff, month.start, month.end);
        for t in known.within(month.start.max(known.from()), month.end) {
            let Some(hours) = known.steps.get(t).map(|step| step.hours()) else { continue };
            for (side, prices, sign) in [(Attr::Import, import, 1), (Attr::Export, export, -1)] {
                let energy = &power(trajectory, grid, &side, t) * &hours;
                let price = prices.get(t).cloned().unwrap_or_default();
                bill += &(&(&energy * &price) * &Rat::int(sign));
            }
        }
        for charge in demand.iter().filter(|charge| charge.month == month.name) {
            bill += &(&charge.decided + &charge.incurred);
        }
        found.push(MinimumMoney {
            tariff: tariff.name.clone(),
            month: month.name,
            minimum: minimum.amount.clone(),
            before,
            added: Rat::max_of(&(&minimum.amount - &bill), &Rat::ZERO),
            bill,
        });
    }
    found
}

/// Fixed charges between two instants, by the share of each period that lies there.
pub(super) fn fixed_in(known: &Known<'_>, tariff: &Tariff, from: Instant, until: Instant) -> Rat {
    let mut sum = Rat::ZERO;
    for charge in &tariff.fixed {
        for (start, end) in steps::periods(known.calendar, charge.per, from, until) {
            let inside = end.min(until).since(start.max(from));
            let share = Rat::ratio(i128::from(inside), i128::from(end.since(start))).unwrap_or_default();
            sum += &(&charge.amount * &share);
        }
    }
    sum
}
