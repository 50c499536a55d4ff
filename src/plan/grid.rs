//! The utility: import and export within their ratings, energy money, emissions at the meter.

use std::collections::BTreeMap;

use super::families::Asks;
use super::model::{Aff, Builder, Part};
use super::scene::{Owner, What};
use crate::ir::{Attr, Device, Family, Model, Statement};

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>, unit: usize, family: &Family) {
    let Model::Grid { tariff, carbon, carbon_feed, .. } = &family.model else { return };
    let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { return };
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let prices = tariff.and_then(|t| b.scene.prices.get(&t)).cloned().unwrap_or_default();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let kept = margins(b, device);
    for t in 0..b.scene.len() {
        let hours = b.scene.hours(t);
        let mut sides = [Attr::Import, Attr::Export].map(|attr| {
            let sets = b.alternatives(device, &attr, t);
            let empty = sets.iter().any(|(_, pieces)| pieces.is_empty());
            if empty && !family.hull(&attr).is_none_or(|(_, hi)| hi.is_zero()) {
                b.program.contradict();
            }
            let bounds: Vec<(Aff, (f64, f64))> = (sets.into_iter())
                .map(|(share, pieces)| (share, super::renewable::hull(&pieces).unwrap_or((0.0, 0.0))))
                .collect();
            let lo = bounds.iter().map(|(_, (lo, _))| *lo).fold(f64::INFINITY, f64::min);
            let hi = bounds.iter().map(|(_, (_, hi))| *hi).fold(0.0, f64::max);
            let margin = kept.get(&(&attr, t)).copied().unwrap_or(0.0);
            let power = b.rated(owner, lo, (hi - margin).max(lo), t);
            if bounds.len() > 1 {
                b.within(owner, &power, &bounds);
            }
            b.ask_of(asks, &What::Device(device, attr.clone()), t, &power, None);
            power
        });
        let [import, export] = &mut sides;
        let declared = b.scene.margin(owner.statement);
        let away = |attr| declared.max(kept.get(&(&attr, t)).copied().unwrap_or(0.0));
        keep_away(b, owner, import, (export, away(Attr::Export)));
        keep_away(b, owner, export, (import, away(Attr::Import)));
        let bus = family.bus;
        b.inject(bus, t, import);
        b.draw(bus, t, export);
        b.pay(Part::Import, import, hours * prices.import.get(t).copied().unwrap_or(0.0));
        b.pay(Part::Export, export, -hours * prices.export.get(t).copied().unwrap_or(0.0));
        let kg = match (carbon, carbon_feed) {
            (Some(kg), _) => kg.to_f64(),
            (None, Some(feed)) => b.scene.signal(*feed, device.index, t),
            (None, None) => 0.0,
        };
        b.emissions.extend(import.terms.iter().map(|(c, v)| (*c, v * hours * kg)));
        b.imported.extend(import.terms.iter().map(|(c, v)| (*c, v * hours)));
        super::exclusive::apart(b, import, export);
        imports.push(import.clone());
        exports.push(export.clone());
    }
    b.put(unit, Attr::Import, imports);
    b.put(unit, Attr::Export, exports);
}

/// How much tighter than they say the rules' limits on each direction are kept, by step.
fn margins<'s>(b: &Builder<'s, '_>, device: Device) -> BTreeMap<(&'s Attr, usize), f64> {
    let scene = b.scene;
    let mut found = BTreeMap::new();
    if scene.margins.is_empty() {
        return found;
    }
    for ask in scene.asks.iter().filter(|ask| !ask.preference) {
        let margin = scene.margin(ask.owner.statement);
        if let (What::Device(of, attr), true) = (&ask.what, margin > 0.0)
            && *of == device
        {
            let most: &mut f64 = found.entry((attr, ask.step)).or_default();
            *most = most.max(margin);
        }
    }
    found
}

/// A direction that may not run at all leaves nothing to tighten: then the other one stays by the
/// margin above zero, so that no rounding turns it round.
fn keep_away(b: &mut Builder<'_, '_>, owner: Owner, power: &Aff, (none, margin): (&Aff, f64)) {
    if margin > 0.0 && b.range(none).1 <= 0.0 && b.range(power).1 > 2.0 * margin {
        b.hold(owner, power, margin, f64::INFINITY);
    }
}
