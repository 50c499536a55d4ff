//! PV, wind and hydro: what is available is an input; what is taken is a decision unless `must_take`.

use super::families::Asks;
use super::model::{Aff, Builder};
use super::scene::{Owner, Scene, What};
use crate::ir::{Attr, Device, Family, Model, SignalId, Statement};
use crate::quantity::Rat;

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>, unit: usize, family: &Family) {
    let Model::Renewable { rated, output, must_take } = &family.model else { return };
    let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { return };
    let count = b.count(unit);
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let mut powers = Vec::with_capacity(b.scene.len());
    for t in 0..b.scene.len() {
        let available = available(b.scene, device, (rated, *output), t) * count;
        let power = if *must_take || b.scene.excluded.contains(&device) {
            let power = Aff::fixed(available);
            if b.mode != super::model::Mode::Hard {
                b.ask_of(
                    asks,
                    &What::Device(device, Attr::Power),
                    t,
                    &power.clone().times(1.0 / count),
                    None,
                );
            } else if b.scene.site.family(device.family).is_some_and(|f| f.ranges.contains_key(&Attr::Power))
            {
                let sets = bounds(b, device, t, (count, f64::INFINITY), rated.to_f64());
                b.within(owner, &power, &sets);
            }
            power
        } else {
            let power = Aff::of(b.program.col(0.0, available));
            // what a rule asks beyond what is available is a breach, never a wish against the sun
            let sets = bounds(b, device, t, (count, available), rated.to_f64());
            match (sets.as_slice(), power.column()) {
                ([(_, (lo, hi))], Some(col)) => b.program.narrow(col, *lo, *hi),
                _ => b.within(owner, &power, &sets),
            }
            b.ask_of(asks, &What::Device(device, Attr::Power), t, &power.clone().times(1.0 / count), None);
            // left alone, it gives what there is
            b.calm(unit, t, &power, -1.0);
            power
        };
        b.inject(family.bus, t, &power);
        powers.push(power);
    }
    b.put(unit, Attr::Power, powers);
}

/// What one producer could give in step `t`, kW.
pub(super) fn available(
    scene: &Scene<'_>,
    device: Device,
    (rated, output): (&Rat, Option<SignalId>),
    t: usize,
) -> f64 {
    let rated = rated.to_f64();
    output.map_or(rated, |signal| scene.signal(signal, device.index, t)).clamp(0.0, rated)
}

/// What the rules leave of `count` producers together, by alternative; nothing has to give more than
/// `most`.
fn bounds(
    b: &Builder<'_, '_>,
    device: crate::ir::Device,
    t: usize,
    (count, most): (f64, f64),
    rated: f64,
) -> Vec<(Aff, (f64, f64))> {
    (b.alternatives(device, &Attr::Power, t).into_iter())
        .map(|(share, pieces)| {
            let (lo, hi) = hull(&pieces).unwrap_or((0.0, rated));
            (share, ((lo * count).min(most), hi * count))
        })
        .collect()
}

/// Least and greatest of a set.
pub(super) fn hull(pieces: &[(f64, f64)]) -> Option<(f64, f64)> {
    Some((pieces.first()?.0, pieces.last()?.1))
}
