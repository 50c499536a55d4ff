//! Fuel cells and generators: fuel, minimum load, starts, ramps, minimum up and down times.

use super::families::Asks;
use super::model::{Aff, Builder, Part};
use super::scene::What;
use super::semicontinuous;
use crate::bundle::register_step;
use crate::ir::{Attr, Family, Model};

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>, unit: usize, family: &Family) {
    let Model::Generator {
        rated, minimum, fuel_cost, start_cost, ramp, min_up_s, min_down_s, carbon, ..
    } = &family.model
    else {
        return;
    };
    let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { return };
    if b.scene.excluded.contains(&device) {
        return super::excluded::generator(b, unit);
    }
    let count = b.count(unit);
    let (rated, minimum) = (rated.to_f64(), minimum.to_f64());
    let dwells = *min_up_s > 0 || *min_down_s > 0 || start_cost.is_positive();
    let switched = minimum > 0.0 || dwells;
    // what runs is told a whole register step at least: told nothing it stops, and starts anew
    let minimum = minimum.max(register_step(family, &Attr::Power).to_f64().min(rated));
    let (mut powers, mut ons) = (Vec::new(), Vec::new());
    for t in 0..b.scene.len() {
        let mut sets = b.alternatives(device, &Attr::Power, t);
        for (_, pieces) in &mut sets {
            if pieces.is_empty() && !family.ranges.contains_key(&Attr::Power) {
                *pieces = vec![(0.0, rated)];
            }
            if switched {
                *pieces = with_minimum(pieces, minimum);
            }
        }
        let (power, on) = semicontinuous::among(b, &sets, count);
        let on = on.unwrap_or_else(|| {
            let forced = sets.first().and_then(|(_, p)| p.first()).is_some_and(|(lo, _)| *lo > 0.0);
            Aff::fixed(if forced { count } else { 0.0 })
        });
        b.ask_of(asks, &What::Device(device, Attr::Power), t, &power.clone().times(1.0 / count), None);
        let hours = b.scene.hours(t);
        b.inject(family.bus, t, &power);
        b.calm(unit, t, &power, 1.0);
        b.pay(Part::Fuel, &power, hours * fuel_cost.to_f64());
        b.emissions.extend(power.terms.iter().map(|(c, v)| (*c, v * hours * carbon.to_f64())));
        powers.push(power);
        ons.push(on);
    }
    let now = b.scene.running.get(&device).copied();
    if dwells {
        let now = now.unwrap_or(super::scene::Running { on: false, for_s: i64::MAX / 4 });
        semicontinuous::dwell(b, &ons, (now.on, now.for_s), (*min_up_s, *min_down_s));
        let started = semicontinuous::starts(b, &ons, if now.on { 1.0 } else { 0.0 });
        for start in &started {
            b.pay(Part::Fuel, start, start_cost.to_f64());
        }
    }
    super::safe_state::keep(b, family, device, &powers);
    if let Some(ramp) = ramp {
        let ramp = ramp.to_f64() * count;
        let mut before = b.scene.powers.get(&device).map(|p| Aff::fixed(*p));
        for (t, power) in powers.iter().enumerate() {
            if let Some(last) = &before {
                let mut change = power.clone();
                change.add(last, -1.0);
                // between the means of two steps lies half of each
                let hours = (b.scene.hours(t) + b.scene.hours(t.saturating_sub(1))) / 2.0;
                let owner =
                    super::scene::Owner { statement: crate::ir::Statement::Device(family.id), class: None };
                b.hold(owner, &change, -ramp * hours, ramp * hours);
            }
            before = Some(power.clone());
        }
    }
    b.put(unit, Attr::Power, powers);
    if switched {
        b.put(unit, Attr::On, ons);
    }
}

/// A set cut so that what runs runs at least at `minimum`.
fn with_minimum(pieces: &[(f64, f64)], minimum: f64) -> Vec<(f64, f64)> {
    let mut cut = Vec::new();
    let off = pieces.iter().any(|(lo, hi)| *lo <= 0.0 && *hi >= 0.0);
    if off {
        cut.push((0.0, 0.0));
    }
    for (lo, hi) in pieces {
        let lo = lo.max(minimum);
        if *hi > 0.0 && lo <= *hi {
            cut.push((lo, *hi));
        }
    }
    cut
}
