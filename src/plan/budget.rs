//! Budgets: used + planned + what must come <= cap, and the pace as a wish (planner.md 12). One that
//! is overdrawn before anything is planned is a state outside its band (planner.md 15): the least
//! further use in its class's turn, and the plan stands.

use super::model::{Aff, Builder, Mode, Part, Wish};
use super::scene::{Ahead, Allowance};
use crate::ir::{Attr, BudgetQuantity, Model};

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for (place, allowance) in scene.allowances.iter().enumerate() {
        let before = b.breaches.len();
        let mut sum = planned(b, allowance);
        for ahead in scene.ahead.iter().filter(|ahead| ahead.allowance == place) {
            sum.add(&still(b, ahead), ahead.factor);
        }
        let weight = if allowance.cap.abs() < 1e-6 { 1.0 } else { 1.0 / allowance.cap.abs() };
        let bounds = (f64::NEG_INFINITY, allowance.left);
        if allowance.is_overdrawn() {
            let mode = std::mem::replace(&mut b.mode, Mode::Bare);
            b.ask(allowance.owner, &sum, bounds, weight, None, Wish::No);
            b.breaches.iter_mut().skip(before).for_each(|breach| breach.initial = true);
            b.mode = mode;
        } else {
            b.ask(allowance.owner, &sum, bounds, weight, None, Wish::No);
        }
        if let Some(pace) = allowance.pace {
            b.ask(allowance.owner, &sum, (f64::NEG_INFINITY, pace), weight, None, Wish::Free);
        }
        b.final_with(allowance.steps.end.saturating_sub(1), before);
    }
}

/// What a device certainly takes after the plan, kWh: what the plan leaves of what each statement asks.
fn still(b: &mut Builder<'_, '_>, ahead: &Ahead) -> Aff {
    let least = ahead.by.iter().map(|(later, _)| *later).fold(0.0, f64::max);
    let whole = |(later, open): &(f64, Option<(f64, _)>)| later + open.as_ref().map_or(0.0, |open| open.0);
    let most = ahead.by.iter().map(whole).fold(least, f64::max);
    let rest = b.program.col(least, most);
    for (later, open) in &ahead.by {
        let Some((energy, steps)) = open else { continue };
        let mut sum = Aff::of(rest);
        for t in steps.clone() {
            if let Some(power) = b.attr(ahead.device, &Attr::Power, t) {
                sum.add(&power, b.scene.hours(t));
            }
        }
        b.program.at_least(sum.terms, later + energy - sum.constant);
    }
    Aff::of(rest)
}

/// What the plan uses of a budget.
fn planned(b: &Builder<'_, '_>, allowance: &Allowance) -> Aff {
    let mut sum = Aff::default();
    let Some(group) = b.scene.groups.get(allowance.group) else { return sum };
    for (device, attr) in group {
        let family = b.scene.site.family(device.family);
        for t in allowance.steps.clone() {
            let hours = b.scene.hours(t);
            match allowance.quantity {
                BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => {
                    if let Some(power) = b.attr(*device, attr, t) {
                        sum.add(&power, hours);
                    }
                }
                BudgetQuantity::Emissions => {
                    let kg = family.map_or(0.0, |f| match &f.model {
                        Model::Grid { carbon: Some(kg), .. } => kg.to_f64(),
                        Model::Grid { carbon_feed: Some(feed), .. } => b.scene.signal(*feed, device.index, t),
                        Model::Generator { carbon, .. } => carbon.to_f64(),
                        _ => 0.0,
                    });
                    if let Some(power) = b.attr(*device, attr, t) {
                        sum.add(&power, hours * kg);
                    }
                }
                BudgetQuantity::Cost => {
                    let tariff = family.and_then(|f| match &f.model {
                        Model::Grid { tariff, .. } => *tariff,
                        _ => None,
                    });
                    let Some(prices) = tariff.and_then(|tariff| b.scene.prices.get(&tariff)) else {
                        continue;
                    };
                    for (side, price, sign) in
                        [(Attr::Import, &prices.import, 1.0), (Attr::Export, &prices.export, -1.0)]
                    {
                        if let Some(power) = b.attr(*device, &side, t) {
                            sum.add(&power, sign * hours * price.get(t).copied().unwrap_or(0.0));
                        }
                    }
                }
            }
        }
    }
    if allowance.quantity == BudgetQuantity::Cost {
        for (part, col, price) in &b.money {
            if *part == Part::Demand {
                sum.terms.push((*col, *price));
            }
        }
    }
    sum
}
