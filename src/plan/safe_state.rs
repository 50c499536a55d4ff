//! Devices that are declared `life_safety`: a plan moves them only towards their safe state, from what they do
//! now on and from step to step (semantics.md 22).

use super::load::nearest;
use super::model::{Aff, Builder, Mode, Wish};
use super::prepare::Known;
use super::rounding::Command;
use super::scene::{Owner, Scene};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Attr, Device, Family, Model, Need, Statement};

/// Notes what they do now.
pub(super) fn present(known: &Known<'_>, scene: &mut Scene<'_>, findings: &mut Diagnostics) {
    let site = known.site;
    for family in site.families.iter().filter(|family| family.life_safety.is_some()) {
        if let Some(what) = unplanned(site, family) {
            findings.push(
                Diagnostic::error(
                    codes::NOT_PLANNED_YET,
                    family.span,
                    format!("understood, not planned yet: {what} that is declared `life_safety`"),
                )
                .because("a plan moves such a device only towards its safe state"),
            );
            continue;
        }
        if !moves(family) {
            continue;
        }
        for device in family.all().devices().filter(|device| !scene.excluded.contains(device)) {
            match known.state.now(site, device) {
                Ok(Some(power)) => {
                    scene.now.insert(device, power.to_f64());
                }
                // nobody commands what is only observed: it is presumed to rest
                Ok(None) => {
                    let rest = super::excluded::presumed(scene, device);
                    scene.now.insert(device, rest);
                }
                Err(finding) => findings.push(finding),
            }
        }
    }
}

/// What no plan moves towards a safe state yet.
fn unplanned(site: &crate::ir::Site, family: &Family) -> Option<&'static str> {
    match &family.model {
        Model::Store(_) => Some("a store"),
        Model::Renewable { .. } => Some("a renewable"),
        Model::Consumer(consumer) if consumer.sessions.is_some() => Some("a charger of vehicles"),
        Model::Consumer(_) if site.steered().iter().any(|steered| steered.moves(family.id)) => {
            Some("a machine that follows a setpoint")
        }
        Model::Consumer(consumer) if sheds(family) && consumer.need != Need::None => {
            (family.life_safety == Some(false)).then_some("a need that may be shed")
        }
        _ => None,
    }
}

fn sheds(family: &Family) -> bool {
    matches!(&family.model, Model::Consumer(c) if c.shed_class.is_some() || c.shed_price.is_some())
}

/// Whether a plan says what its members do.
fn moves(family: &Family) -> bool {
    match &family.model {
        Model::Consumer(consumer) => consumer.need == Need::None,
        Model::Generator { .. } => true,
        _ => false,
    }
}

/// Whether what a device needs may be shed: never where its safe state is to be on.
pub(super) fn may_be_shed(family: &Family) -> bool {
    sheds(family) && family.life_safety != Some(true)
}

/// The part of a set that lies no further from the safe state than `now`.
fn towards(pieces: &[(f64, f64)], now: f64, safe_on: bool) -> Vec<(f64, f64)> {
    let cut = |(lo, hi): &(f64, f64)| if safe_on { (lo.max(now), *hi) } else { (*lo, hi.min(now)) };
    pieces.iter().map(cut).filter(|(lo, hi)| lo <= hi).collect()
}

/// What a device does of which nothing is asked, step after step: it stays where it is, or at its default if
/// that is nearer to its safe state, until a rule moves it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    safe_on: bool,
    rest: f64,
    /// What it does while no rule moves it.
    least_moved: f64,
    /// What it does now.
    now: f64,
    /// Whether the plan decides what rules ask of it from some step on.
    open: bool,
}

impl Standing {
    /// Of a device that is `life_safety`.
    pub(super) fn of(scene: &Scene<'_>, family: &Family, device: Device, rest: f64) -> Option<Self> {
        let (safe_on, now) = (family.life_safety?, *scene.now.get(&device)?);
        let stays = towards(&scene.physical(device, &Attr::Power), now, safe_on);
        let stays = if stays.is_empty() { now } else { nearest(&stays, rest) };
        Some(Self { safe_on, rest, least_moved: stays, now: stays, open: false })
    }

    /// What is left of it in the next step, by what the rules leave.
    pub(super) fn step(&mut self, sets: &mut [(Aff, Vec<(f64, f64)>)], physical: &[(f64, f64)], mode: Mode) {
        self.open |= sets.len() > 1;
        for (_, pieces) in sets {
            if self.open {
                // which way it went before is not known: anything on the safe side
                *pieces = towards(physical, nearest(pieces, self.rest), self.safe_on);
                continue;
            }
            let ahead = towards(pieces, self.now, self.safe_on);
            let moved = if ahead.is_empty() { self.now } else { nearest(&ahead, self.rest) };
            self.now = moved;
            let (lo, hi) = match mode {
                Mode::Hard => (moved, moved),
                _ => (moved.min(self.least_moved), moved.max(self.least_moved)),
            };
            let left: Vec<(f64, f64)> =
                physical.iter().map(|(l, h)| (l.max(lo), h.min(hi))).filter(|(l, h)| l <= h).collect();
            *pieces = if left.is_empty() { vec![(lo, hi)] } else { left };
        }
    }
}

/// Rows that keep a device from leaving its safe state, from step to step.
pub(super) fn keep(b: &mut Builder<'_, '_>, family: &Family, device: Device, powers: &[Aff]) {
    let (Some(safe_on), Some(now)) = (family.life_safety, b.scene.now.get(&device).copied()) else { return };
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let most = family.hull(&Attr::Power).map_or(1.0, |(_, most)| most.to_f64()).max(1e-6);
    let mut before = Aff::fixed(now);
    for (t, power) in powers.iter().enumerate() {
        let mut change = power.clone();
        change.add(&before, -1.0);
        let bounds = if safe_on { (0.0, f64::INFINITY) } else { (f64::NEG_INFINITY, 0.0) };
        let weight = b.scene.hours(t) / most;
        b.ask(owner, &change, bounds, weight, Some(t), Wish::No);
        before = power.clone();
    }
}

/// Rounded commands that never leave the safe state by what rounding moved.
pub(super) fn rounded(scene: &Scene<'_>, family: &Family, device: Device, command: &mut Command) {
    let (Some(safe_on), Some(now)) = (family.life_safety, scene.now.get(&device)) else { return };
    let full = family.hull(&Attr::Power).map_or(1.0, |(_, most)| most.to_f64()).max(1e-9);
    let unit = if command.attr == Attr::On { full } else { command.step.to_f64() };
    let now = now / unit;
    let begun = if safe_on { (now - 1e-9).ceil() } else { (now + 1e-9).floor() };
    let mut before = begun as i64;
    for count in &mut command.counts {
        *count = if safe_on { (*count).max(before) } else { (*count).min(before) };
        before = *count;
    }
}
