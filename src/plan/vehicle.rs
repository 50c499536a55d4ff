//! Vehicles: a session bounds presence, power and energy (planner.md 6).
//!
//! A delivery that physics alone cannot carry makes a plan infeasible (planner.md 15), but not where
//! it is a stay that cannot: when a vehicle comes, how long it stays and what it takes is nobody's
//! statement. "Too short: a breach in its class" is therefore the rule for vehicles: each gets what
//! its own stay, the charger and the phases can carry, and the rest is a breach of what is owed,
//! reported with the missing share, as if physics overrode it. Where several vehicles could each be
//! served but not all of them, their statements stand in each other's way, and there is no plan. What
//! the safety class owes stays hard.

use super::families;
use super::goals::{self, Gaps, Kind};
use super::levels::{Climb, Fall, climb};
use super::model::{Aff, Breach, Builder, Mode, Unit};
use super::scene::{Due, DueKind, Owner, Scene, Short, Stay};
use super::solver::SolverOptions;
use crate::ir::{Attr, ClassId, Device, Family, SAFETY, Statement};

/// A missing energy below this, kWh, is none.
const NOTHING: f64 = 1e-6;

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

/// Greatest power that a charger can be commanded for a vehicle that takes at most `power`, kW.
pub(super) fn greatest(family: &Family, power: f64) -> f64 {
    let step = crate::bundle::register_step(family, &Attr::Power).to_f64();
    let pieces = family.ranges.get(&Attr::Power).map(Vec::as_slice).unwrap_or_default();
    let tops = pieces.iter().map(|(lo, hi)| (lo.to_f64(), hi.to_f64())).filter(|(lo, _)| *lo <= power);
    tops.filter_map(|(lo, hi)| {
        if lo == hi || step <= 0.0 {
            return Some(hi.min(power));
        }
        let top = (hi.min(power) / step + 1e-9).floor() * step;
        (top >= lo - 1e-9).then_some(top)
    })
    .fold(0.0, f64::max)
}

/// What stays can carry within some steps, kWh.
pub(super) fn carried(
    scene: &Scene<'_>,
    family: &Family,
    stays: &[&Stay],
    steps: &std::ops::Range<usize>,
) -> f64 {
    let one = |stay: &&Stay| {
        let both = stay.steps.start.max(steps.start)..stay.steps.end.min(steps.end);
        let hours: f64 = both.map(|t| scene.hours(t)).sum();
        (greatest(family, stay.power) * hours).min(stay.room)
    };
    stays.iter().map(one).sum()
}

/// What stays are too short for is breached whatever the plan does.
pub(super) fn shorts(b: &mut Builder<'_, '_>) {
    if !matches!(b.mode, Mode::Hard | Mode::Elastic) {
        return;
    }
    for Short { owner, missing, whole } in &b.scene.shorts {
        let col = b.program.col(*missing, *missing);
        let weight = 1.0 / whole.max(1e-9);
        b.breaches.push(Breach { col, weight, owner: *owner, step: None, preference: false, initial: false });
    }
}

/// Whether all that a class misses with physics alone is what single vehicles cannot be given even
/// where nothing else is asked.
pub(super) fn explain(
    scene: &Scene<'_>,
    units: &[Unit],
    class: ClassId,
    (model, missed): (&Builder<'_, '_>, &Climb),
    options: &SolverOptions<'_>,
) -> Result<bool, Fall> {
    if class == SAFETY {
        return Ok(false);
    }
    let at = |col: super::solver::Col| missed.x.get(col.index()).copied().unwrap_or(0.0);
    let counted =
        model.breaches.iter().filter(|b| !b.preference && !b.initial && b.owner.class == Some(class));
    let mut left: f64 = counted.map(|b| at(b.col) * b.weight).sum();
    for due in &scene.dues {
        let vehicle = scene.stays.contains_key(&due.device) && due.owner.class == Some(class);
        if !vehicle || due.wish.is_some() || given(model, missed, due) >= owed(scene, due) - NOTHING {
            continue;
        }
        let mut only = scene.clone();
        only.dues = vec![due.clone()];
        left -= least(&only, units, class, options)?;
        if left <= NOTHING {
            return Ok(true);
        }
    }
    Ok(left <= NOTHING)
}

/// kWh that a delivery asks within the plan.
fn owed(scene: &Scene<'_>, due: &Due) -> f64 {
    let DueKind::Deliver(energy) = due.kind else { return 0.0 };
    let most = scene.physical(due.device, &Attr::Power).last().map_or(0.0, |p| p.1);
    energy - due.beyond * most
}

/// kWh that a device gets in a window.
fn given(model: &Builder<'_, '_>, climb: &Climb, due: &Due) -> f64 {
    let power = |t| model.attr(due.device, &Attr::Power, t).map_or(0.0, |p| p.value(&climb.x));
    due.steps.clone().map(|t| power(t) * model.scene.hours(t)).sum()
}

/// The least breach of a class's obligations with physics alone.
fn least(
    scene: &Scene<'_>,
    units: &[Unit],
    class: ClassId,
    options: &SolverOptions<'_>,
) -> Result<f64, Fall> {
    let mut model = families::build(scene, Mode::Alone, units.to_vec());
    let obligation: Vec<_> = (model.breaches.iter())
        .filter(|b| !b.preference && scene.dues.iter().any(|due| due.owner == b.owner))
        .map(|b| (b.col, b.weight))
        .collect();
    let gaps = Gaps::EXACT;
    let Some((_, mut level)) =
        goals::of(&mut model, gaps).into_iter().find(|(kind, _)| *kind == Kind::Class(class))
    else {
        return Ok(0.0);
    };
    level.objective = obligation;
    let pairs = model.pairs.clone();
    let reached = climb(&model.program, std::slice::from_ref(&level), &pairs, None, options)?;
    Ok(reached.levels.last().map_or(0.0, |l| l.value))
}
