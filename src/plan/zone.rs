//! Zones of one resistance and one capacity (planner.md 5), and what a thermostat does not leave open:
//! machines that run together, and the dead band of its setpoint.

use super::families::Asks;
use super::model::{Aff, Breach, Builder, Mode};
use super::scene::{Owner, What};
use super::thermal::Thermal;
use crate::ir::{Attr, Consumer, Family, Model, SAFETY, Statement, Steered, Zone};

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>) {
    for zone in &b.scene.site.zones {
        one(b, asks, zone);
    }
}

fn one(b: &mut Builder<'_, '_>, asks: &Asks<'_>, zone: &Zone) {
    let scene = b.scene;
    let thermal = Thermal::new(scene, zone);
    let Some(begin) = thermal.begin() else { return };
    let (least, most) = (zone.range.0.to_f64(), zone.range.1.to_f64());
    let physical = Owner { statement: Statement::Comfort(zone.id), class: None };
    let rules = Owner { class: Some(SAFETY), ..physical };
    let what = What::Zone(zone.id);
    let comfort = Owner { statement: Statement::Comfort(zone.id), class: zone.class };
    let machines = machines(b, zone);
    for t in 0..b.scene.len() {
        for heat in machines.iter().filter(|m| m.heats) {
            for cool in machines.iter().filter(|m| !m.heats) {
                let [heat, cool] =
                    [heat, cool].map(|m| b.attrs.get(&(m.unit, Attr::Power)).and_then(|p| p.get(t)).cloned());
                if let (Some(heat), Some(cool)) = (heat, cool) {
                    super::exclusive::apart(b, &heat, &cool);
                }
            }
        }
    }
    let mut before = Aff::fixed(begin);
    let mut states = Vec::with_capacity(b.scene.len());
    for t in 0..b.scene.len() {
        let hours = b.scene.hours(t);
        let state = b.program.col(least.min(begin), most.max(begin));
        let state = Aff::of(state);
        let mut row = state.clone();
        row.add(&before, -thermal.decay(t));
        row.constant -= thermal.drift(t);
        for machine in &machines {
            let sign = if machine.heats { -1.0 } else { 1.0 };
            if let Some(power) = b.attrs.get(&(machine.unit, Attr::Power)).and_then(|p| p.get(t)) {
                row.add(power, sign * thermal.per_kw(t) * thermal.cop(machine.consumer, t));
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
    if let Some(steered) = scene.steered.iter().find(|steered| steered.zone == zone.id) {
        together(b, &thermal, steered, &machines);
        between(b, steered, &machines, &states, (least.min(begin), most.max(begin)));
    }
    b.temperatures.insert(zone.id, states);
}

/// Machines behind one setpoint run together, each at the same share of what it can.
fn together(b: &mut Builder<'_, '_>, thermal: &Thermal<'_>, steered: &Steered, machines: &[Machine<'_>]) {
    for side in [&steered.heaters, &steered.coolers] {
        let mut follow = machines.iter().filter(|machine| side.contains(&machine.family.id));
        let Some(first) = follow.next() else { continue };
        for other in follow {
            for t in 0..b.scene.len() {
                let most = |machine: &Machine<'_>| thermal.capacity(machine.family, machine.consumer, t);
                let power = |machine: &Machine<'_>| b.attrs.get(&(machine.unit, Attr::Power))?.get(t);
                if let (Some(one), Some(two)) = (power(first), power(other)) {
                    let mut row = one.clone().times(most(other));
                    row.add(two, -most(first));
                    b.program.equal(row.terms, -row.constant);
                }
            }
        }
    }
}

/// What heats brings a zone no further than half the dead band below the greatest setpoint, and what cools
/// no further than half of it above the least.
fn between(
    b: &mut Builder<'_, '_>,
    steered: &Steered,
    machines: &[Machine<'_>],
    states: &[Aff],
    (least, most): (f64, f64),
) {
    let half = steered.half.to_f64();
    if half <= 0.0 {
        return;
    }
    let register = b.scene.site.family(steered.holder).and_then(|holder| holder.hull(&Attr::Setpoint));
    let register = register.map_or((least, most), |(lo, hi)| (lo.to_f64(), hi.to_f64()));
    for (t, state) in states.iter().enumerate() {
        let rules = b.scene.setpoints.get(&steered.zone).and_then(|by| by.get(t)).copied();
        let (lo, hi) = rules
            .filter(|_| b.mode == Mode::Hard)
            .map_or(register, |(lo, hi)| (lo.max(register.0), hi.min(register.1)));
        for (side, sign, edge, end) in
            [(&steered.heaters, 1.0, hi - half, most), (&steered.coolers, -1.0, lo + half, least)]
        {
            let beyond = sign * (end - edge);
            let machine = machines.iter().find(|machine| side.contains(&machine.family.id));
            let power = machine.and_then(|m| b.attrs.get(&(m.unit, Attr::Power))?.get(t)?.column());
            let Some(power) = power.filter(|_| beyond > 0.0) else { continue };
            // beyond that only where it rests
            let past = b.program.col(0.0, beyond);
            let row = state.terms.iter().map(|(col, v)| (*col, sign * v)).chain([(past, -1.0)]);
            b.program.at_most(row, sign * (edge - state.constant));
            b.pairs.push(super::exclusive::Pair { a: power, b: past });
        }
    }
}

/// One machine that heats or cools the zone.
struct Machine<'m> {
    unit: usize,
    heats: bool,
    family: &'m Family,
    consumer: &'m Consumer,
}

fn machines<'m>(b: &Builder<'_, 'm>, zone: &Zone) -> Vec<Machine<'m>> {
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
            found.push(Machine { unit, heats, family, consumer });
        }
    }
    found
}
