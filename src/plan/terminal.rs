//! What must be in a store when the horizon ends (planner.md 13).

use super::islands::Islands;
use super::model::{Aff, Builder, Mode, Part, Wish};
use super::scene::Owner;
use crate::bundle::{Step, register_step};
use crate::ir::{Attr, ClassId, Device, End, Family, Model, Site, Statement, Steered, Store};
use crate::quantity::Rat;

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
    let near = if b.scene.whole { within(b, family, store) } else { 0.0 };
    match &store.end {
        End::Free => {}
        End::Exactly(level) => {
            let level = level.to_f64() * capacity;
            ask(b, level - near, level + near);
        }
        End::ExactlyStart => ask(b, begin - near, begin + near),
        End::AtLeast(level) => {
            let (level, top) = (level.to_f64() * capacity, store.level_max.to_f64() * capacity);
            ask(b, if level + near > top { level - near } else { level }, f64::INFINITY);
        }
        End::Worth(price) => {
            let price = price.to_f64();
            b.pay(Part::End, last, -price);
        }
        End::Default => {
            let price = shortfall_price(b) / store.efficiency_charge.to_f64();
            let wish = if price > 0.0 { Wish::Priced(0.0) } else { Wish::Free };
            let mode = std::mem::replace(&mut b.mode, Mode::Elastic);
            let (missing, _) = b.ask(owner, last, (begin, f64::INFINITY), weight, None, wish);
            b.mode = mode;
            if let Some(col) = missing.filter(|_| price > 0.0) {
                b.money.push((Part::End, col, price));
            }
        }
    }
}

/// How near to an exact end registers bring a store, kWh: to a step of its own over the longest step of the
/// plan, at the cell, or where it balances its island to that of all others.
fn within(b: &Builder<'_, '_>, family: &Family, store: &Store) -> f64 {
    let (site, steps) = (b.scene.site, &b.scene.steps);
    let commanded = site
        .families
        .iter()
        .flat_map(|other| super::registers::commanded(other).iter().map(move |attr| (other, attr)));
    if let Some(near) = balanced(site, steps, family, commanded) {
        return near.to_f64();
    }
    let longest = (0..b.scene.len()).map(|t| b.scene.hours(t)).fold(0.0, f64::max);
    let step = |attr| register_step(family, &attr).to_f64();
    longest * step(Attr::Charge).max(step(Attr::Discharge)) / store.efficiency_discharge.to_f64()
}

/// How near to an exact end a store comes that balances its island, kWh: what it gives and takes follows
/// from the commands of these families there, each a register step away over the longest step at most, at
/// the cell; of a setpoint, by the power that its step asks of the machine.
pub(super) fn balanced<'f>(
    site: &'f Site,
    steps: &[Step],
    family: &Family,
    commanded: impl Iterator<Item = (&'f Family, &'f Attr)>,
) -> Option<Rat> {
    let Model::Store(store) = &family.model else { return None };
    let islands = Islands::new(site);
    let balances = islands.forming(site).iter().any(|device| device.family == family.id);
    if !balances || !matches!(store.end, End::Exactly(_) | End::ExactlyStart) {
        return None;
    }
    let there = |other: &Family| islands.of(other) == islands.of(family);
    let steered = site.steered();
    let longest = steps.iter().map(|step| step.hours()).max().unwrap_or_default();
    let moves = |(other, attr): (&'f Family, &Attr)| match attr {
        Attr::On => Rat::ZERO,
        Attr::Setpoint => {
            let zone = steered.iter().find(|steered| steered.moves(other.id));
            let machines = |zone: &Steered| zone.machines().collect::<Vec<_>>();
            let machines = zone.map(machines).unwrap_or_default();
            let machines = machines.into_iter().filter_map(|id| site.family(id)).filter(|m| there(m));
            machines.filter_map(|machine| asked(site, zone?, machine, &longest)).sum()
        }
        _ if there(other) => register_step(other, attr),
        _ => Rat::ZERO,
    };
    let moved: Rat = commanded.map(moves).sum();
    (moved * longest).checked_div(&store.efficiency_discharge)
}

/// Power of a machine that one register step of the setpoint it follows moves over so many hours, at
/// most, kW: `(1 - exp(-h UA / C)) / UA` is at least `h / (C + h UA)`.
fn asked(site: &Site, steered: &Steered, machine: &Family, hours: &Rat) -> Option<Rat> {
    let (zone, holder) = (site.zone(steered.zone)?, site.family(steered.holder)?);
    let most = machine.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most);
    let worst = match &machine.model {
        Model::Consumer(consumer) => consumer.cop.iter().map(|(_, cop)| cop.clone()).min(),
        _ => None,
    };
    let heat = zone.heat_capacity.checked_div(hours).map(|kw| &kw + &zone.heat_loss);
    let power = heat.and_then(|heat| {
        (&register_step(holder, &Attr::Setpoint) * &heat).checked_div(&worst.unwrap_or(Rat::ONE))
    });
    Some(power.map_or(most.clone(), |power| Rat::min_of(&power, &most)))
}

/// The dearest kWh of the horizon, imported or of fuel, currency/kWh: what filling the store again may
/// cost. 0 where no energy has a price: then it is a wish without one.
pub(super) fn shortfall_price(b: &Builder<'_, '_>) -> f64 {
    let imported = b.scene.prices.values().flat_map(|p| p.import.iter().copied());
    let fuel = b.scene.site.families.iter().filter_map(|family| match &family.model {
        Model::Generator { fuel_cost, .. } => Some(fuel_cost.to_f64()),
        _ => None,
    });
    imported.chain(fuel).fold(0.0, f64::max)
}
