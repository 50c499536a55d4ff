//! Amounts as a state writes them: what a store holds, and what is used of a budget.

use crate::bundle::profile::Quantity;
use crate::ir::{BudgetQuantity, Device, Site};
use crate::quantity::{Rat, Type};

pub(super) fn store_of(site: &Site, device: Device) -> Option<&crate::ir::Store> {
    match &site.family(device.family)?.model {
        crate::ir::Model::Store(store) => Some(store),
        _ => None,
    }
}

pub(super) fn content(level: &Quantity, capacity: &Rat) -> Option<Rat> {
    match level.ty {
        Type::Energy => Some(level.value.clone()),
        Type::Ratio => Some(&level.value * capacity),
        _ => None,
    }
}

pub(super) fn used_unit(quantity: BudgetQuantity, currency: &str) -> &str {
    match quantity {
        BudgetQuantity::Emissions => "kg",
        BudgetQuantity::Cost => currency,
        BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => "kWh",
    }
}

/// What is used of a budget, in the unit that it counts in.
pub(super) fn used_value(text: &str, quantity: BudgetQuantity, currency: &str) -> Option<Rat> {
    if let Ok(plain) = text.parse::<Rat>() {
        return Some(plain);
    }
    let wanted = match quantity {
        BudgetQuantity::Emissions => Type::Mass,
        BudgetQuantity::Cost => Type::Money,
        BudgetQuantity::Consumption | BudgetQuantity::Import | BudgetQuantity::Export => Type::Energy,
    };
    if wanted == Type::Money {
        return text.strip_suffix(currency)?.trim_end().parse().ok();
    }
    let found: Quantity = text.parse().ok()?;
    (found.ty == wanted).then_some(found.value)
}
