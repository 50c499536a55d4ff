//! Devices on which no plan may count, because the state excludes them: nobody commands them, so they
//! are planned at what they are presumed to do, and every limit holds wherever in their range they are
//! (semantics.md 15, 23). Why they are excluded is not known here (absent, local, locked out), so their
//! last command and their fail-safe value narrow nothing.

use super::islands::Islands;
use super::load::nearest;
use super::model::{Aff, Builder, Part};
use super::prepare::Known;
use super::scene::Scene;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Attr, Consumer, Device, End, Family, Model, Need, Store};

/// Notes them in the scene.
pub(super) fn find(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    scene.excluded = known.state.excluded(site);
    let forming = Islands::new(site).forming(site);
    for device in &scene.excluded {
        let Some(family) = site.family(device.family) else { continue };
        let name = site.device_name(*device);
        if matches!(family.model, Model::Grid { .. }) || forming.contains(device) {
            findings.push(
                Diagnostic::error(
                    codes::ISLAND,
                    family.span,
                    format!("`{name}` balances what hangs on its bus, and the state excludes it"),
                )
                .because("what balances an island follows from the rest: without it no plan holds")
                .help(format!("bring `{name}` back, and take it out of `excluded`")),
            );
        }
    }
}

/// What a consumer takes that nothing commands and nothing needs, kW.
fn resting(family: &Family, consumer: &Consumer) -> f64 {
    let default = consumer.default_power.as_ref().map_or(0.0, crate::quantity::Rat::to_f64);
    let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
    let pieces: Vec<(f64, f64)> = pieces.iter().map(|(lo, hi)| (lo.to_f64(), hi.to_f64())).collect();
    nearest(&pieces, default)
}

/// What one excluded consumer is presumed to take, kW.
pub(super) fn presumed(scene: &Scene<'_>, device: Device) -> f64 {
    let family = scene.site.family(device.family);
    match family.map(|family| (family, &family.model)) {
        Some((family, Model::Consumer(consumer))) => resting(family, consumer),
        _ => 0.0,
    }
}

/// A consumer without a need.
pub(super) fn consumer(b: &mut Builder<'_, '_>, unit: usize, family: &Family, device: Device) {
    let power = presumed(b.scene, device);
    let powers = vec![Aff::fixed(power); b.scene.len()];
    for (t, power) in powers.iter().enumerate() {
        b.draw(family.bus, t, power);
    }
    let on = if power > 0.0 { 1.0 } else { 0.0 };
    b.put(unit, Attr::On, vec![Aff::fixed(on); powers.len()]);
    b.put(unit, Attr::Power, powers);
}

/// A generator that stands.
pub(super) fn generator(b: &mut Builder<'_, '_>, unit: usize) {
    let none = vec![Aff::fixed(0.0); b.scene.len()];
    b.put(unit, Attr::On, none.clone());
    b.put(unit, Attr::Power, none);
}

/// An idle store: what it holds only leaks.
pub(super) fn store(b: &mut Builder<'_, '_>, unit: usize, store: &Store, device: Device) {
    let capacity = store.capacity.to_f64().max(1e-9);
    let kept = 1.0 - store.self_discharge.to_f64();
    let mut level = b.scene.levels.get(&device).copied().unwrap_or(0.0);
    let mut levels = Vec::with_capacity(b.scene.len());
    for t in 0..b.scene.len() {
        level *= kept.powf(b.scene.hours(t));
        levels.push(Aff::fixed(level / capacity));
    }
    if let End::Worth(price) = &store.end {
        b.pay(Part::End, &Aff::fixed(level), -price.to_f64());
    }
    let none = vec![Aff::fixed(0.0); levels.len()];
    b.put(unit, Attr::Charge, none.clone());
    b.put(unit, Attr::Discharge, none);
    b.put(unit, Attr::ChargeLevel, levels);
}

/// What an excluded device takes from its bus and gives to it, kW: least and greatest.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Range {
    pub(super) takes: (f64, f64),
    pub(super) gives: (f64, f64),
}

/// Everything that a device may do which nobody commands.
pub(super) fn range(scene: &Scene<'_>, device: Device, t: usize) -> Range {
    let Some(family) = scene.site.family(device.family) else { return Range::default() };
    let most = |attr: &Attr| (0.0, family.hull(attr).map_or(0.0, |(_, most)| most.to_f64()));
    match &family.model {
        Model::Consumer(consumer) => Range {
            takes: match &consumer.need {
                Need::None => most(&Attr::Power),
                // nobody commands it at any time
                Need::Load(need) => {
                    let need = scene.signal(*need, device.index, t);
                    (need, need)
                }
                Need::Needs(need) => (0.0, scene.signal(*need, device.index, t)),
                Need::Constant(need) => (0.0, need.to_f64()),
            },
            ..Range::default()
        },
        Model::Store(_) => Range { takes: most(&Attr::Charge), gives: most(&Attr::Discharge) },
        Model::Renewable { rated, output, .. } => {
            let rated = rated.to_f64();
            let available = output.map_or(rated, |s| scene.signal(s, device.index, t).clamp(0.0, rated));
            Range { gives: (0.0, available), ..Range::default() }
        }
        Model::Generator { .. } => Range { gives: most(&Attr::Power), ..Range::default() },
        Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. } => Range::default(),
    }
}

/// How far beyond what is presumed of it an attribute of a device may be, kW: down, and up.
pub(super) fn beyond(scene: &Scene<'_>, device: Device, attr: &Attr, t: usize) -> (f64, f64) {
    if !scene.excluded.contains(&device) {
        return (0.0, 0.0);
    }
    let Range { takes, gives } = range(scene, device, t);
    let model = scene.site.family(device.family).map(|family| &family.model);
    match (model, attr) {
        (Some(Model::Store(_)), Attr::Charge) => takes,
        (Some(Model::Store(_)), Attr::Discharge) => gives,
        (Some(Model::Store(_)), Attr::Power) => (-takes.1, gives.1),
        (Some(Model::Consumer(consumer)), Attr::Power) => {
            let now = if consumer.need == Need::None { presumed(scene, device) } else { takes.1 };
            (takes.0 - now, takes.1 - now)
        }
        (Some(Model::Renewable { .. }), Attr::Power) => (gives.0 - gives.1, 0.0),
        (Some(Model::Generator { .. }), Attr::Power) => gives,
        _ => (0.0, 0.0),
    }
}
