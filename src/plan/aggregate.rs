//! Equal devices without memory are planned together (planner.md 22).

use std::collections::{BTreeMap, BTreeSet};

use super::measured::Read;
use super::model::Unit;
use super::scene::{Scene, What};
use crate::ir::{Attr, Device, Family, Model, Need};

/// The units of a scene: single devices, and sets of devices that nothing tells apart.
pub(super) fn units(scene: &Scene<'_>) -> Vec<Unit> {
    let mut named: BTreeSet<Device> = BTreeSet::new();
    named.extend(scene.excluded.iter().copied());
    named.extend(scene.now.keys().copied());
    named.extend(scene.dues.iter().map(|d| d.device));
    named.extend(scene.follows.iter().map(|follow| follow.device));
    named.extend(scene.origins.iter().map(|o| o.device));
    named.extend(scene.origins.iter().flat_map(|o| o.from.iter().copied()));
    // a choice is made by each, which no mean over equal devices shows
    named.extend(scene.asks.iter().filter(|ask| ask.pieces.len() > 1).filter_map(|ask| match &ask.what {
        What::Device(device, _) => Some(*device),
        What::Zone(_) => None,
    }));
    // so is a power that a guard reads
    let forms = scene.indicators.iter().map(|i| &i.form);
    let atoms = forms.flat_map(super::guard::atoms).chain(scene.keeps.iter().map(|k| &k.atom));
    named.extend(atoms.flat_map(|atom| &atom.terms).filter_map(|(_, read)| match read {
        Read::Flow(device, _) | Read::On(device) => Some(*device),
        Read::Level(_) | Read::Temperature(_) => None,
    }));
    let mut units: Vec<Unit> = Vec::new();
    for family in &scene.site.families {
        if matches!(family.model, Model::Control { .. } | Model::Slot { .. }) {
            continue;
        }
        let mut alike: Vec<Device> = Vec::new();
        for device in family.all().devices() {
            let first = alike.first().copied();
            let joins = first.is_some_and(|first| {
                memoryless(family)
                    && !named.contains(&device)
                    && !named.contains(&first)
                    && same(scene, family, first, device)
            });
            if !joins && !alike.is_empty() {
                units.push(Unit { members: std::mem::take(&mut alike) });
            }
            alike.push(device);
        }
        if !alike.is_empty() {
            units.push(Unit { members: alike });
        }
    }
    units
}

/// Whether what a device does in one step leaves no trace in the next.
fn memoryless(family: &Family) -> bool {
    match &family.model {
        Model::Renewable { .. } => true,
        Model::Consumer(c) => c.min_up_s == 0 && c.min_down_s == 0 && c.sessions.is_none(),
        Model::Generator { start_cost, ramp, min_up_s, min_down_s, .. } => {
            !start_cost.is_positive() && ramp.is_none() && *min_up_s == 0 && *min_down_s == 0
        }
        _ => false,
    }
}

/// Whether two members of a family see the same inputs, rules and totals.
fn same(scene: &Scene<'_>, family: &Family, a: Device, b: Device) -> bool {
    let signal = match &family.model {
        Model::Renewable { output, .. } => *output,
        Model::Consumer(c) => match &c.need {
            Need::Load(s) | Need::Needs(s) => Some(*s),
            Need::None | Need::Constant(_) => None,
        },
        _ => None,
    };
    if let Some(id) = signal
        && scene.site.signal(id).is_some_and(|s| s.count.is_some())
        && (0..scene.len()).any(|t| scene.signal(id, a.index, t) != scene.signal(id, b.index, t))
    {
        return false;
    }
    if scene.resting.get(&a) != scene.resting.get(&b) || scene.stays.get(&a) != scene.stays.get(&b) {
        return false;
    }
    let forked = |d: Device| scene.forked.get(&What::Device(d, Attr::Power));
    if forked(a) != forked(b) {
        return false;
    }
    let sets = |d: Device| scene.sets.get(&What::Device(d, Attr::Power));
    if sets(a) != sets(b) || asks(scene, a) != asks(scene, b) {
        return false;
    }
    let counts = |d: Device| -> Vec<usize> {
        scene.groups.iter().map(|g| g.iter().filter(|(member, _)| *member == d).count()).collect()
    };
    counts(a) == counts(b)
}

/// Least, greatest, and under which condition.
type Asked<'s> = (u64, u64, Option<&'s super::forks::When>);

/// What single effects ask of a device.
fn asks<'s>(scene: &'s Scene<'_>, device: Device) -> BTreeMap<(usize, super::scene::Owner), Vec<Asked<'s>>> {
    let mut found: BTreeMap<_, Vec<Asked<'s>>> = BTreeMap::new();
    for ask in &scene.asks {
        if matches!(&ask.what, What::Device(d, _) if *d == device) {
            found.entry((ask.step, ask.owner)).or_default().push((
                ask.lo.to_bits(),
                ask.hi.to_bits(),
                ask.when.as_ref(),
            ));
        }
    }
    found
}
