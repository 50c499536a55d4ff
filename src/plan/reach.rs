//! How far rounding to registers may move what guards read (planner.md 20): a command by a register
//! step, and what follows from commands by what theirs usually add up to.

use super::form::Atom;
use super::islands::Islands;
use super::measured::Read;
use super::scene::Scene;
use crate::bundle::register_step;
use crate::ir::{Attr, Device, Family, Model, Site, ZoneId};

/// Whether an attribute of a device is what its commands say, a store's level included: not of what
/// balances an island, and no difference of two directions.
pub(super) fn is_commanded(site: &Site, device: Device, attr: &Attr) -> bool {
    let follows = match site.family(device.family).map(|family| &family.model) {
        None | Some(Model::Grid { .. }) => true,
        Some(Model::Store(_)) => *attr == Attr::Power,
        Some(_) => false,
    };
    !follows && !Islands::new(site).forming(site).contains(&device)
}

/// By how much rounding moves what a comparison compares, in its unit.
pub(super) fn reach(scene: &Scene<'_>, atom: &Atom) -> f64 {
    let of = |read: &Read| match read {
        Read::Level(device) => level(scene, *device, atom.at),
        Read::Temperature(zone) => temperature(scene.site, *zone),
        Read::Flow(device, attr) => flow(scene.site, *device, attr),
        Read::On(device) => flow(scene.site, *device, &Attr::Power),
    };
    atom.terms.iter().map(|(factor, read)| factor.abs() * of(read)).sum()
}

/// kW.
fn flow(site: &Site, device: Device, attr: &Attr) -> f64 {
    match site.family(device.family) {
        Some(family) if is_commanded(site, device, attr) => register_step(family, attr).to_f64(),
        _ => everything(site),
    }
}

/// Every commanded device of the site by a register step, kW, added up as roundings do that know nothing
/// of each other: by their squares.
fn everything(site: &Site) -> f64 {
    let squares = site.families.iter().map(|family| f64::from(family.len()) * step(family).powi(2));
    squares.sum::<f64>().sqrt()
}

/// The coarsest register step of a device, kW; 0 of what is not commanded.
fn step(family: &Family) -> f64 {
    let of = |attr: &Attr| register_step(family, attr).to_f64();
    match &family.model {
        Model::Store(_) => of(&Attr::Charge).max(of(&Attr::Discharge)),
        Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. } => 0.0,
        _ => of(&Attr::Power),
    }
}

/// Share of a store's capacity at the beginning of step `t`: what is rounded off in one step the next
/// one makes good, unless the store balances its island.
fn level(scene: &Scene<'_>, device: Device, t: usize) -> f64 {
    let Some(family) = scene.site.family(device.family) else { return 0.0 };
    let Model::Store(store) = &family.model else { return 0.0 };
    let hours = scene.hours.iter().take(t);
    let kwh = if is_commanded(scene.site, device, &Attr::ChargeLevel) {
        hours.fold(0.0, |most: f64, h| most.max(*h)) * step(family)
    } else {
        hours.sum::<f64>() * everything(scene.site)
    };
    kwh / store.efficiency_discharge.to_f64() / store.capacity.to_f64().max(1e-9)
}

/// K: each machine of a zone by a register step to the same side for ever.
fn temperature(site: &Site, zone: ZoneId) -> f64 {
    let Some(declared) = site.zone(zone) else { return 0.0 };
    let moved = site.families.iter().map(|family| match &family.model {
        Model::Consumer(c) if c.heats == Some(zone) || c.cools == Some(zone) => {
            let best = c.cop.iter().map(|(_, cop)| cop.to_f64()).fold(1.0, f64::max);
            f64::from(family.len()) * step(family) * best
        }
        _ => 0.0,
    });
    moved.sum::<f64>() / declared.heat_loss.to_f64().max(1e-3)
}
