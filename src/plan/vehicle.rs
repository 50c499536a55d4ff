//! Vehicles: a session bounds presence, power and energy (planner.md 6).

use super::model::{Aff, Builder};
use super::scene::Owner;
use crate::ir::{Device, Family, Statement};

/// What is left of a set while a vehicle is there; nothing but zero while none is.
pub(super) fn present(
    b: &Builder<'_, '_>,
    device: Device,
    t: usize,
    pieces: &[(f64, f64)],
) -> Vec<(f64, f64)> {
    let stay = b.scene.stays.get(&device).and_then(|stays| stays.iter().find(|s| s.steps.contains(&t)));
    let Some(stay) = stay else { return vec![(0.0, 0.0)] };
    let cut: Vec<_> =
        pieces.iter().filter(|p| p.0 <= stay.power).map(|(lo, hi)| (*lo, hi.min(stay.power))).collect();
    if cut.is_empty() { vec![(0.0, 0.0)] } else { cut }
}

/// No vehicle takes more than it has room for.
pub(super) fn rooms(b: &mut Builder<'_, '_>, family: &Family, device: Device, powers: &[Aff]) {
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let stays = b.scene.stays.get(&device).cloned().unwrap_or_default();
    for stay in stays {
        if !stay.room.is_finite() {
            continue;
        }
        let mut energy = Aff::default();
        for t in stay.steps.clone() {
            if let Some(power) = powers.get(t) {
                energy.add(power, b.scene.hours(t));
            }
        }
        b.hold(owner, &energy, f64::NEG_INFINITY, stay.room);
    }
}
