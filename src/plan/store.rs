//! Batteries: `level' = level (1 - s)^h + eta_c charge h - discharge h / eta_d` (planner.md 3).

use super::families::Asks;
use super::model::{Aff, Breach, Builder, Part};
use super::scene::{Owner, What};
use crate::ir::{Attr, Family, Model, SAFETY, Statement};

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>, unit: usize, family: &Family) {
    let Model::Store(store) = &family.model else { return };
    let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { return };
    if b.scene.excluded.contains(&device) {
        return super::excluded::store(b, unit, store, device);
    }
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let capacity = store.capacity.to_f64();
    let (eta_c, eta_d) = (store.efficiency_charge.to_f64(), store.efficiency_discharge.to_f64());
    let kept = 1.0 - store.self_discharge.to_f64();
    let (least, most) = (store.level_min.to_f64() * capacity, store.level_max.to_f64() * capacity);
    let begin = b.scene.levels.get(&device).copied().unwrap_or(least);
    let mut before = Aff::fixed(begin);
    let (mut charges, mut discharges, mut levels) = (Vec::new(), Vec::new(), Vec::new());
    for t in 0..b.scene.len() {
        let hours = b.scene.hours(t);
        let [charge, discharge] = [Attr::Charge, Attr::Discharge].map(|attr| {
            let sets = b.alternatives(device, &attr, t);
            let (power, _) = super::semicontinuous::among(b, &sets, 1.0);
            b.ask_of(asks, &What::Device(device, attr), t, &power, None);
            power
        });
        // a store found outside its band may stay there, but is brought back first of all
        let level = b.program.col(least.min(begin), most.max(begin));
        for (gap, lower) in [(least - begin, true), (begin - most, false)] {
            if gap > 1e-9 {
                let outside = b.program.col(0.0, gap);
                let sign = if lower { 1.0 } else { -1.0 };
                if lower {
                    b.program.at_least([(level, 1.0), (outside, sign)], least);
                } else {
                    b.program.at_most([(level, 1.0), (outside, sign)], most);
                }
                let owner = Owner { class: Some(SAFETY), ..owner };
                let weight = hours / capacity.max(1e-9);
                b.breaches.push(Breach {
                    col: outside,
                    weight,
                    owner,
                    step: Some(t),
                    preference: false,
                    initial: true,
                });
            }
        }
        let level = Aff::of(level);
        let ratio = level.clone().times(1.0 / capacity.max(1e-9));
        let what = What::Device(device, Attr::ChargeLevel);
        let start = begin / capacity.max(1e-9);
        b.within_sets(owner, (&what, &ratio, start), hours, t);
        b.ask_of(asks, &what, t, &ratio, Some(start));
        let mut row = level.clone();
        row.add(&before, -kept.powf(hours));
        row.add(&charge, -eta_c * hours);
        row.add(&discharge, hours / eta_d);
        b.program.equal(row.terms, -row.constant);
        b.inject(family.bus, t, &discharge);
        b.draw(family.bus, t, &charge);
        b.calm(unit, t, &charge, 1.0);
        b.calm(unit, t, &discharge, 1.0);
        b.pay(Part::Wear, &discharge, hours * store.wear.to_f64());
        b.pay(Part::Wear, &charge, hours * store.wear_charge.to_f64());
        super::exclusive::apart(b, &charge, &discharge);
        before = level.clone();
        charges.push(charge);
        discharges.push(discharge);
        levels.push(ratio);
    }
    super::terminal::add(b, family, store, device, &before, begin);
    b.put(unit, Attr::Charge, charges);
    b.put(unit, Attr::Discharge, discharges);
    b.put(unit, Attr::ChargeLevel, levels);
}
