//! How the conditions that the plan decides came out: the rules as they are settled, and every comparison
//! kept on its side. All that comes after - rounding, reasons, the document - then sees ordinary rules.

use super::form::Atom;
use super::guard::{Side, side};
use super::measured::Read;
use super::model::Aff;
use super::reach::{is_commanded, reach};
use super::scene::{self, Keep, Owner, Pieces, Scene, What};
use super::solve::Solved;
use crate::ir::{Attr, Cmp, Device, Model};
use crate::verify::Trajectory;

/// How the open conditions came out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settled {
    /// Which conditions hold.
    pub(super) holds: Vec<bool>,
    /// The comparisons, each on its side.
    pub(super) keeps: Vec<Keep>,
}

/// Reads a plan made with open guards.
pub(super) fn settled(solved: &Solved<'_, '_>) -> Settled {
    let x = &solved.climb.x;
    let model = &solved.model;
    let truth = |aff: &Aff| aff.value(x) > 0.5;
    let holds = model.holds.iter().map(|col| truth(&Aff::of(*col))).collect();
    let keeps = (model.literals.iter())
        .map(|(owner, atom, literal)| kept(model.scene, *owner, atom, truth(literal)))
        .collect();
    Settled { holds, keeps }
}

/// A comparison on the side on which it is `true` or not.
pub(super) fn kept(scene: &Scene<'_>, owner: Owner, atom: &Atom, truth: bool) -> Keep {
    let (lo, hi) = match (side(scene, atom), truth) {
        (Side::Above(from, _), true) | (Side::Below(_, from), false) => (from, f64::INFINITY),
        (Side::Above(_, to), false) | (Side::Below(to, _), true) => (f64::NEG_INFINITY, to),
    };
    Keep { owner, atom: atom.clone(), truth, lo, hi, margin: 0.0 }
}

/// The comparisons that come out of a plan's commands otherwise than they are kept, as they come out: the
/// first of them, for later ones may follow from it.
pub(super) fn turned(scene: &Scene<'_>, trajectory: &Trajectory) -> Vec<scene::Side> {
    let turned: Vec<&Keep> =
        (scene.keeps.iter()).filter(|keep| is_true(scene, trajectory, &keep.atom) != keep.truth).collect();
    let first = turned.iter().map(|keep| keep.atom.at).min();
    (turned.into_iter())
        .filter(|keep| Some(keep.atom.at) == first)
        .map(|keep| (keep.atom.clone(), !keep.truth))
        .collect()
}

/// The levels that are kept within less than a register step moves them, on their other side: no commands may
/// meet them where they are. The first of them, for what is planned later may follow from it.
pub(super) fn unmet(scene: &Scene<'_>) -> Vec<scene::Side> {
    let narrow = |keep: &&Keep| {
        let [(factor, Read::Level(_))] = keep.atom.terms.as_slice() else { return false };
        let Some((device, attr, t)) = place(scene, &keep.atom) else { return false };
        let set = super::renewable::hull(&scene.set(device, &attr, t));
        set.is_some_and(|(lo, hi)| (hi - lo) * factor.abs() < reach(scene, &keep.atom))
    };
    let unmet: Vec<&Keep> = scene.keeps.iter().filter(narrow).collect();
    let first = unmet.iter().map(|keep| keep.atom.at).min();
    (unmet.into_iter())
        .filter(|keep| Some(keep.atom.at) == first)
        .map(|keep| (keep.atom.clone(), !keep.truth))
        .collect()
}

/// Keeps what came out otherwise than settled further from its threshold; whether there is any such.
pub(super) fn widen(scene: &mut Scene<'_>, trajectory: &Trajectory) -> bool {
    let flipped: Vec<bool> = (scene.keeps.iter())
        .map(|keep| {
            place(scene, &keep.atom).is_none() && is_true(scene, trajectory, &keep.atom) != keep.truth
        })
        .collect();
    for (keep, _) in scene.keeps.iter_mut().zip(&flipped).filter(|(_, flipped)| **flipped) {
        keep.margin = (keep.margin * 4.0).max(1.0);
    }
    flipped.contains(&true)
}

/// Sums this near to their threshold touch it.
const TOUCHES: f64 = 1e-9;

/// What a comparison is worth in what a plan's commands do.
fn is_true(scene: &Scene<'_>, trajectory: &Trajectory, atom: &Atom) -> bool {
    let sum = (atom.terms.iter())
        .map(|(factor, read)| factor * value(scene, trajectory, read, atom.at).unwrap_or(0.0))
        .sum::<f64>()
        + atom.constant;
    match atom.op {
        Cmp::Gt => sum > atom.step + TOUCHES,
        Cmp::Ge | Cmp::Eq | Cmp::Ne => sum >= -TOUCHES,
        Cmp::Lt => sum < -atom.step - TOUCHES,
        Cmp::Le => sum <= TOUCHES,
    }
}

fn value(scene: &Scene<'_>, trajectory: &Trajectory, read: &Read, t: usize) -> Option<f64> {
    let power = |device: Device, attr: &Attr| {
        let run = trajectory.run_of(device)?;
        let members = crate::quantity::Rat::ratio(i128::from(run.unit.count), 1)?;
        Some(run.power(attr, t).recorded().checked_div(&members)?.to_f64())
    };
    match read {
        Read::Level(device) => {
            let Model::Store(store) = &scene.site.family(device.family)?.model else { return None };
            let content = trajectory.contents.get(device)?.before(t)?.recorded();
            Some(content.checked_div(&store.capacity)?.to_f64())
        }
        Read::Temperature(zone) => match t.checked_sub(1) {
            None => scene.temperatures.get(zone).copied(),
            Some(before) => Some(trajectory.temperatures.get(zone)?.get(before)?.recorded().to_f64()),
        },
        Read::Flow(device, Attr::Power) => match scene.site.family(device.family)?.model {
            Model::Store(_) => Some(power(*device, &Attr::Discharge)? - power(*device, &Attr::Charge)?),
            Model::Grid { .. } => Some(power(*device, &Attr::Import)? - power(*device, &Attr::Export)?),
            _ => power(*device, &Attr::Power),
        },
        Read::Flow(device, attr) => power(*device, attr),
        Read::On(device) => {
            let run = trajectory.run_of(*device)?;
            let runs = |attr: &Attr| power(*device, attr).is_some_and(|kw| kw > TOUCHES);
            Some(if run.powers.keys().any(runs) { 1.0 } else { 0.0 })
        }
    }
}

/// Puts what was settled into a scene: the rows that keep it, and the sets that rounding stays in.
pub(super) fn keep(scene: &mut Scene<'_>, settled: &Settled) {
    for keep in &settled.keeps {
        let [(factor, _)] = keep.atom.terms.as_slice() else { continue };
        let (a, b) = ((keep.lo - keep.atom.constant) / factor, (keep.hi - keep.atom.constant) / factor);
        let (lo, hi) = (a.min(b), a.max(b));
        let Some((device, attr, t)) = place(scene, &keep.atom) else { continue };
        let steps = scene.len();
        let physical = scene.physical(device, &attr);
        let series = scene.sets.entry(What::Device(device, attr)).or_insert_with(|| vec![physical; steps]);
        if let Some(slot) = series.get_mut(t) {
            let cut: Pieces =
                (slot.iter()).map(|(l, h)| (l.max(lo), h.min(hi))).filter(|(l, h)| l <= h).collect();
            if !cut.is_empty() {
                *slot = cut;
            }
        }
    }
    scene.keeps.clone_from(&settled.keeps);
}

/// The attribute and the step whose set keeps a comparison through rounding; `None` where what is
/// compared follows from several commands.
pub(super) fn place(scene: &Scene<'_>, atom: &Atom) -> Option<(Device, Attr, usize)> {
    let [(_, read)] = atom.terms.as_slice() else { return None };
    let (device, attr, t) = match read {
        Read::Level(device) => (*device, Attr::ChargeLevel, atom.at.checked_sub(1)?),
        Read::Flow(device, attr) => (*device, attr.clone(), atom.at),
        Read::On(device) => (*device, Attr::Power, atom.at),
        Read::Temperature(_) => return None,
    };
    is_commanded(scene.site, device, &attr).then_some((device, attr, t))
}
