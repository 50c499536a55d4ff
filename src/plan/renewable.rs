//! PV, wind and hydro: what is available is an input; what is taken is a decision unless `must_take`.

use super::families::Asks;
use super::model::{Aff, Builder};
use super::scene::{Owner, What};
use crate::ir::{Attr, Family, Model, Statement};

pub(super) fn add(b: &mut Builder<'_, '_>, asks: &Asks<'_>, unit: usize, family: &Family) {
    let Model::Renewable { rated, output, must_take } = &family.model else { return };
    let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { return };
    let count = b.count(unit);
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let mut powers = Vec::with_capacity(b.scene.len());
    for t in 0..b.scene.len() {
        let feed = output.map_or(rated.to_f64(), |s| b.scene.signal(s, device.index, t));
        let available = feed.clamp(0.0, rated.to_f64()) * count;
        let power = if *must_take {
            let power = Aff::fixed(available);
            if b.mode != super::model::Mode::Hard {
                b.ask_of(
                    asks,
                    &What::Device(device, Attr::Power),
                    t,
                    &power.clone().times(1.0 / count),
                    None,
                );
            } else if let Some(hull) = hull(&b.pieces(device, &Attr::Power, t)) {
                b.hold(owner, &power, hull.0 * count, hull.1 * count);
            }
            power
        } else {
            let (lo, hi) = hull(&b.pieces(device, &Attr::Power, t)).unwrap_or((0.0, rated.to_f64()));
            let col = b.program.col(0.0, available);
            // what a rule asks beyond what is available is a breach, never a wish against the sun
            b.program.narrow(col, (lo * count).min(available), hi * count);
            let power = Aff::of(col);
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

/// Least and greatest of a set.
pub(super) fn hull(pieces: &[(f64, f64)]) -> Option<(f64, f64)> {
    Some((pieces.first()?.0, pieces.last()?.1))
}
