//! The room of vehicles of which nobody says what fits in: what they want, or what rules deliver if
//! that is more, as near as the charger can be commanded (planner.md 6). Where a rule asks power of a
//! charger whatever the vehicle wants, nothing bounds it but its stay.

use super::scene::{DueKind, Scene, Stay, What};
use crate::ir::{Attr, Device, EffectKind, Family, Model, Rule, Site, Target};

/// Bounds the stays that have no room of their own.
pub(super) fn bound(scene: &mut Scene<'_>) {
    let mut stays = std::mem::take(&mut scene.stays);
    for (device, list) in &mut stays {
        let Some(family) = scene.site.family(device.family) else { continue };
        if scene.excluded.contains(device) || pushed(scene.site, *device) {
            continue;
        }
        for stay in list.iter_mut().filter(|stay| !stay.room.is_finite()) {
            let asked = asked(scene, *device, stay);
            stay.room = asked + grain(scene, *device, family, stay, asked);
        }
    }
    scene.stays = stays;
}

/// The most that one statement asks for a stay, kWh.
fn asked(scene: &Scene<'_>, device: Device, stay: &Stay) -> f64 {
    let mut by = std::collections::BTreeMap::new();
    let meets = |steps: &std::ops::Range<usize>| steps.start < stay.steps.end && stay.steps.start < steps.end;
    for due in scene.dues.iter().filter(|due| due.device == device && meets(&due.steps)) {
        if let DueKind::Deliver(energy) = due.kind {
            *by.entry(due.owner.statement).or_insert(0.0) += energy;
        }
    }
    by.into_values().fold(0.0, f64::max)
}

/// How far beyond an energy the next one lies that the charger can be commanded, kWh: by its declaration, and
/// by what the rules leave of that in any step of the stay.
fn grain(scene: &Scene<'_>, device: Device, family: &Family, stay: &Stay, energy: f64) -> f64 {
    let Model::Consumer(consumer) = &family.model else { return 0.0 };
    let longest = stay.steps.clone().map(|t| scene.hours(t)).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "least times are far shorter than 2^53 s")]
    let on = longest.max(consumer.min_up_s as f64 / 3600.0);
    let fine = crate::bundle::register_step(family, &Attr::Power).to_f64() * longest;
    let coarse = |pieces: &[(f64, f64)]| match pieces.iter().find(|(_, hi)| *hi > 0.0) {
        None => 0.0,
        Some((_, hi)) if consumer.on_off => hi * on,
        // twice the least is no more than the greatest: beyond the least there is no gap
        Some((lo, hi)) if 2.0 * lo > hi.min(stay.power) => lo * on,
        Some((lo, _)) => (lo * on - energy).max(0.0),
    };
    let what = What::Device(device, Attr::Power);
    let left =
        scene.sets.get(&what).into_iter().flat_map(|sets| stay.steps.clone().filter_map(|t| sets.get(t)));
    let forked =
        scene.forked.get(&what).into_iter().flat_map(|by| stay.steps.clone().filter_map(|t| by.get(&t)));
    let forked = forked.flat_map(|(_, alternatives)| alternatives);
    let of_rules = left.chain(forked).map(|pieces| coarse(pieces)).fold(0.0, f64::max);
    fine.max(coarse(&scene.physical(device, &Attr::Power))).max(of_rules)
}

/// Whether a rule asks power of a device, whatever is delivered.
fn pushed(site: &Site, device: Device) -> bool {
    let targets = |rule: &Rule, target: &Target| match (target, rule.for_each.and_then(|g| site.group(g))) {
        (Target::Bound, Some(group)) => group.members.iter().any(|range| range.contains(device)),
        (target, _) => site.target_members(target).iter().any(|range| range.contains(device)),
    };
    site.rules.iter().any(|rule| {
        rule.effects.iter().any(|effect| {
            let asks = match &effect.kind {
                EffectKind::Bound { attr: Attr::Power, lo: Some(lo), .. } => {
                    lo.as_constant().is_none_or(crate::quantity::Rat::is_positive)
                }
                EffectKind::Choice { attr: Attr::Power, pieces } => {
                    pieces.first().is_some_and(|(lo, _)| lo.is_positive())
                }
                EffectKind::Switch(true) | EffectKind::Run { .. } => true,
                _ => false,
            };
            asks && targets(rule, &effect.target)
        })
    })
}
