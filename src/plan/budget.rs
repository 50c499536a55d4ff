//! Budgets: used + planned + what must come <= cap, and the pace as a wish (planner.md 12).

use super::model::{Aff, Builder, Part, Wish};
use super::scene::Allowance;
use crate::ir::{Attr, BudgetQuantity, Model};

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for allowance in &scene.allowances {
        let before = b.breaches.len();
        let sum = planned(b, allowance);
        let weight = 1.0 / allowance.cap.abs().max(1e-9);
        b.ask(allowance.owner, &sum, (f64::NEG_INFINITY, allowance.left), weight, None, Wish::No);
        if let Some(pace) = allowance.pace {
            b.ask(allowance.owner, &sum, (f64::NEG_INFINITY, pace), weight, None, Wish::Free);
        }
        b.final_with(allowance.steps.end.saturating_sub(1), before);
    }
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
