//! The thermal step in floats (planner.md 5): `T' = a T + (1 - a) T_out + g (heat - cool + gains)`,
//! `a = exp(-UA h / C)`, `g = (1 - a) / UA`.

use super::scene::Scene;
use crate::ir::{Attr, Consumer, Family, Zone};
use crate::quantity::Rat;

/// 0 degC, K.
pub(super) const FREEZING: f64 = 273.15;

/// A zone on the steps of a scene.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thermal<'t> {
    scene: &'t Scene<'t>,
    zone: &'t Zone,
}

impl<'t> Thermal<'t> {
    pub(super) fn new(scene: &'t Scene<'t>, zone: &'t Zone) -> Self {
        Self { scene, zone }
    }

    /// Temperature of the zone now, K.
    pub(super) fn begin(&self) -> Option<f64> {
        self.scene.temperatures.get(&self.zone.id).copied()
    }

    /// Share kept of a difference over step `t`.
    pub(super) fn decay(&self, t: usize) -> f64 {
        (-self.zone.heat_loss.to_f64() * self.scene.hours(t) / self.zone.heat_capacity.to_f64()).exp()
    }

    /// K at the step's end for each kW of heat.
    pub(super) fn per_kw(&self, t: usize) -> f64 {
        let loss = self.zone.heat_loss.to_f64();
        // nothing is lost: the heat stays in the mass
        if loss > 0.0 {
            (1.0 - self.decay(t)) / loss
        } else {
            self.scene.hours(t) / self.zone.heat_capacity.to_f64()
        }
    }

    /// What the outdoors and the gains add until the end of step `t`, K.
    pub(super) fn drift(&self, t: usize) -> f64 {
        let gains = self.zone.gains.map_or(0.0, |signal| self.scene.signal(signal, 1, t));
        (1.0 - self.decay(t)) * self.outdoor(t) + self.per_kw(t) * gains
    }

    fn outdoor(&self, t: usize) -> f64 {
        self.zone.outdoor.map_or(FREEZING, |signal| self.scene.signal(signal, 1, t))
    }

    /// Heat or cold that a machine makes of each kW.
    pub(super) fn cop(&self, machine: &Consumer, t: usize) -> f64 {
        if machine.cop.is_empty() { 1.0 } else { table(&machine.cop, self.outdoor(t)) }
    }

    /// The most that a machine can take, kW, whatever the rules say.
    pub(super) fn capacity(&self, family: &Family, machine: &Consumer, t: usize) -> f64 {
        let most = family.hull(&Attr::Power).map_or(0.0, |(_, most)| most.to_f64());
        if machine.capacity.is_empty() {
            return most;
        }
        table(&machine.capacity, self.outdoor(t)).clamp(0.0, most)
    }
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
