//! One model out of all constraint families.

use std::collections::BTreeMap;

use super::model::{Builder, Mode, Unit};
use super::scene::{Ask, Scene, What};
use crate::ir::Model;

/// Every effect by what it is about and its step.
pub(super) type Asks<'s> = BTreeMap<(&'s What, usize), Vec<&'s Ask>>;

/// Builds the model.
pub(super) fn build<'s, 'a>(scene: &'s Scene<'a>, mode: Mode, units: Vec<Unit>) -> Builder<'s, 'a> {
    let mut asks: Asks<'s> = BTreeMap::new();
    for ask in &scene.asks {
        if mode != Mode::Hard || ask.preference || ask.what.is_state() {
            asks.entry((&ask.what, ask.step)).or_default().push(ask);
        }
    }
    let mut b = Builder::new(scene, mode, units);
    super::guard::open(&mut b);
    let site = scene.site;
    for unit in 0..b.units.len() {
        let family =
            (b.units.get(unit).and_then(|u| u.members.first())).and_then(|device| site.family(device.family));
        let Some(family) = family else { continue };
        match &family.model {
            Model::Grid { .. } => super::grid::add(&mut b, &asks, unit, family),
            Model::Renewable { .. } => super::renewable::add(&mut b, &asks, unit, family),
            Model::Generator { .. } => super::generator::add(&mut b, &asks, unit, family),
            Model::Store(_) => super::store::add(&mut b, &asks, unit, family),
            Model::Consumer(consumer) => super::load::add(&mut b, &asks, unit, family, consumer),
            Model::Control { .. } | Model::Slot { .. } => {}
        }
    }
    super::zone::add(&mut b, &asks);
    super::network::add(&mut b);
    super::obligation::add(&mut b);
    super::rules::add(&mut b);
    super::means::add(&mut b);
    super::budget::add(&mut b);
    super::tariff::add(&mut b);
    super::supply::add(&mut b);
    super::follow::add(&mut b);
    super::guard::close(&mut b);
    super::failsafe::add(&mut b);
    if scene.whole && matches!(mode, Mode::Hard | Mode::Elastic) {
        super::registers::add(&mut b);
    }
    b.close_balances();
    b
}
