//! What must be in a store when the horizon ends (planner.md 13).

use super::model::{Aff, Builder, Mode, Part, Wish};
use super::scene::Owner;
use crate::ir::{ClassId, Device, End, Family, Statement, Store};

pub(super) fn add(
    b: &mut Builder<'_, '_>,
    family: &Family,
    store: &Store,
    _device: Device,
    last: &Aff,
    begin: f64,
) {
    let capacity = store.capacity.to_f64();
    // an end level is owed below everything that a class names
    let lowest = ClassId::at(b.scene.site.classes.len().saturating_sub(1));
    let owner = Owner { statement: Statement::Device(family.id), class: Some(lowest) };
    let weight = 1.0 / capacity.max(1e-9);
    let ask = |b: &mut Builder<'_, '_>, lo: f64, hi: f64| {
        b.ask(owner, last, (lo, hi), weight, None, Wish::No);
    };
    match &store.end {
        End::Free => {}
        End::Exactly(level) => ask(b, level.to_f64() * capacity, level.to_f64() * capacity),
        End::ExactlyStart => ask(b, begin, begin),
        End::AtLeast(level) => ask(b, level.to_f64() * capacity, f64::INFINITY),
        End::Worth(price) => {
            let price = price.to_f64();
            b.pay(Part::End, last, -price);
        }
        End::Default => {
            let price = shortfall_price(b) / store.efficiency_charge.to_f64();
            let mode = std::mem::replace(&mut b.mode, Mode::Elastic);
            let (missing, _) = b.ask(owner, last, (begin, f64::INFINITY), weight, None, Wish::Priced(0.0));
            b.mode = mode;
            if let Some(col) = missing {
                b.money.push((Part::End, col, price));
            }
        }
    }
}

/// The horizon's highest import price, currency/kWh.
pub(super) fn shortfall_price(b: &Builder<'_, '_>) -> f64 {
    b.scene.prices.values().flat_map(|p| p.import.iter().copied()).fold(0.0, f64::max)
}
