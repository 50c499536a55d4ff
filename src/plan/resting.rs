//! Consumers that nothing asks anything of: they stay at their default, never at zero by
//! optimisation (planner.md 1). And the room of vehicles of which nobody says what fits in: what is
//! asked for them (planner.md 6). That a plan says so is the verifier's.

use std::collections::BTreeSet;

use super::load::nearest;
use super::prepare::Known;
use super::scene::{Scene, What};
use crate::ir::{Attr, Device, Model, Need};

/// Fixes them.
pub(super) fn rest(known: &Known<'_>, scene: &mut Scene<'_>) {
    let mut asked: BTreeSet<Device> = scene.dues.iter().map(|d| d.device).collect();
    asked.extend(scene.follows.iter().map(|follow| follow.device));
    for ask in scene.asks.iter().filter(|a| a.preference && a.lo > 0.0) {
        if let What::Device(device, _) = &ask.what {
            asked.insert(*device);
        }
    }
    for total in scene.totals.iter().filter(|t| t.lo > 0.0) {
        if let Some(group) = scene.groups.get(total.group) {
            asked.extend(group.iter().map(|(device, _)| *device));
        }
    }
    for mean in scene.means.iter().filter(|mean| mean.steps.iter().any(|step| step.lo > 0.0)) {
        if let Some(group) = scene.groups.get(mean.group) {
            asked.extend(group.iter().map(|(device, _)| *device));
        }
    }
    super::room::bound(scene);
    super::ahead::add(known, scene);
    for family in &known.site.families {
        let Model::Consumer(consumer) = &family.model else { continue };
        let served = consumer.need != Need::None || consumer.heats.is_some() || consumer.cools.is_some();
        if served || consumer.sessions.is_some() {
            continue;
        }
        let default = consumer.default_power.as_ref().map_or(0.0, crate::quantity::Rat::to_f64);
        // what cannot be at 0 kW stays at the least that it can
        let first = family.all().devices().next();
        let default = first.map_or(default, |first| nearest(&scene.physical(first, &Attr::Power), default));
        let rests = |d: &crate::ir::Device| !asked.contains(d) && !scene.excluded.contains(d);
        for device in family.all().devices().filter(rests).collect::<Vec<_>>() {
            scene.resting.insert(device, default);
        }
    }
}
