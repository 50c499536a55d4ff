//! Zones of one resistance and one capacity (planner.md 5):
//! `T' = a T + (1 - a)(T_out + (heat - cool + gains) / UA)`, `a = exp(-UA h / C)`.

use super::exclusive::Pair;
use super::families::Asks;
use super::model::{Aff, Breach, Builder};
use super::scene::{Owner, What};
use crate::ir::{Attr, Model, SAFETY, Statement, Zone};
use crate::quantity::Rat;

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>) {
    for zone in &b.scene.site.zones {
        one(b, asks, zone);
    }
}

fn one(b: &mut Builder<'_, '_>, asks: &Asks<'_>, zone: &Zone) {
    let (ua, c) = (zone.heat_loss.to_f64(), zone.heat_capacity.to_f64());
    let Some(begin) = b.scene.temperatures.get(&zone.id).copied() else { return };
    let (least, most) = (zone.range.0.to_f64(), zone.range.1.to_f64());
    let physical = Owner { statement: Statement::Comfort(zone.id), class: None };
    let rules = Owner { class: Some(SAFETY), ..physical };
    let what = What::Zone(zone.id);
    let comfort = Owner { statement: Statement::Comfort(zone.id), class: zone.class };
    let machines = machines(b, zone);
    for t in 0..b.scene.len() {
        for heat in machines.iter().filter(|m| m.heats) {
            for cool in machines.iter().filter(|m| !m.heats) {
                let side = |m: &Machine| {
                    b.attrs.get(&(m.unit, Attr::Power)).and_then(|p| p.get(t)).and_then(Aff::column)
                };
                if let (Some(a), Some(other)) = (side(heat), side(cool)) {
                    b.pairs.push(Pair { a, b: other });
                }
            }
        }
    }
    let mut before = Aff::fixed(begin);
    let mut states = Vec::with_capacity(b.scene.len());
    for t in 0..b.scene.len() {
        let hours = b.scene.hours(t);
        let a = (-ua * hours / c).exp();
        let outdoor = zone.outdoor.map_or(begin, |s| b.scene.signal(s, 1, t));
        let gains = zone.gains.map_or(0.0, |s| b.scene.signal(s, 1, t));
        let state = b.program.col(least.min(begin), most.max(begin));
        let state = Aff::of(state);
        let mut row = state.clone();
        row.add(&before, -a);
        row.constant -= (1.0 - a) * (outdoor + gains / ua);
        for machine in &machines {
            let cop = machine.cop.get(t).copied().unwrap_or(1.0);
            let sign = if machine.heats { -1.0 } else { 1.0 };
            if let Some(power) = b.attrs.get(&(machine.unit, Attr::Power)).and_then(|p| p.get(t)) {
                row.add(power, sign * (1.0 - a) * cop / ua);
            }
        }
        b.program.equal(row.terms, -row.constant);
        // a zone found outside its physical range is brought back first of all
        for (gap, floor) in [(least - begin, true), (begin - most, false)] {
            if gap > 1e-9 {
                let outside = Aff::of(b.program.col(0.0, gap));
                let mut inside = state.clone();
                inside.add(&outside, if floor { 1.0 } else { -1.0 });
                let (lo, hi) = if floor { (least, f64::INFINITY) } else { (f64::NEG_INFINITY, most) };
                b.hold(physical, &inside, lo, hi);
                if let Some(col) = outside.column() {
                    b.breaches.push(Breach {
                        col,
                        weight: hours / (most - least).max(1e-9),
                        owner: Owner { class: Some(SAFETY), ..physical },
                        step: Some(t),
                        preference: false,
                        initial: true,
                    });
                }
            }
        }
        let width = (most - least).max(1e-9);
        if let Some((lo, hi)) = b.scene.bands.get(&zone.id).and_then(|bands| bands.get(t)).copied().flatten()
        {
            b.ask_state(comfort, (&what, &state, begin), (lo, hi), hours / width, t);
        }
        b.within_sets(rules, (&what, &state, begin), hours / width, t);
        b.ask_of(asks, &what, t, &state, Some(begin));
        before = state.clone();
        states.push(state);
    }
    b.temperatures.insert(zone.id, states);
}

/// One machine that heats or cools the zone.
struct Machine {
    unit: usize,
    heats: bool,
    /// By step.
    cop: Vec<f64>,
}

fn machines(b: &Builder<'_, '_>, zone: &Zone) -> Vec<Machine> {
    let mut found = Vec::new();
    for (unit, members) in b.units.iter().enumerate() {
        let Some(family) = members.members.first().and_then(|d| b.scene.site.family(d.family)) else {
            continue;
        };
        let Model::Consumer(consumer) = &family.model else { continue };
        for (serves, heats) in [(consumer.heats, true), (consumer.cools, false)] {
            if serves != Some(zone.id) {
                continue;
            }
            let cop = (0..b.scene.len())
                .map(|t| match (consumer.cop.as_slice(), zone.outdoor) {
                    ([], _) => 1.0,
                    ([(_, only)], _) => only.to_f64(),
                    (table_of, Some(outdoor)) => table(table_of, b.scene.signal(outdoor, 1, t)),
                    ([(_, first), ..], None) => first.to_f64(),
                })
                .collect();
            found.push(Machine { unit, heats, cop });
        }
    }
    found
}

/// A piecewise linear table, constant beyond its ends.
pub(super) fn table(rows: &[(Rat, Rat)], x: f64) -> f64 {
    let points: Vec<(f64, f64)> = rows.iter().map(|(a, b)| (a.to_f64(), b.to_f64())).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 1.0 };
    if x <= first.0 {
        return first.1;
    }
    if x >= last.0 {
        return last.1;
    }
    for pair in points.windows(2) {
        if let [(x0, y0), (x1, y1)] = pair
            && x <= *x1
        {
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
        }
    }
    last.1
}
