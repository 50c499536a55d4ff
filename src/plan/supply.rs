//! Who may feed whom: flows per origin (planner.md 21).
//!
//! Sources that no active rule tells apart share a tag. In every step with a restriction each tag
//! balances at each bus; over a link it goes in the link's direction and bears its loss; a store
//! originates as itself. What flows to restricted takers is a column for each tag; all others at a
//! bus share what is left.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Aff, Breach, Builder};
use super::scene::Origins;
use super::solver::Col;
use crate::ir::{Attr, BusId, Device, Model};

/// A tag's flow to a restricted taker in one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TaggedFlow {
    /// Which tag.
    pub(super) tag: usize,
    /// Who takes.
    pub(super) to: Device,
    /// In which step.
    pub(super) step: usize,
    /// kW at the taker.
    pub(super) col: Col,
}

/// Sources by tag, and the flows to restricted takers.
#[derive(Debug, Clone, Default)]
pub(super) struct Tagged {
    /// Members of each tag.
    pub(super) tags: Vec<Vec<Device>>,
    /// Flows.
    pub(super) flows: Vec<TaggedFlow>,
}

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    if scene.origins.is_empty() {
        return;
    }
    let mut by_step: BTreeMap<usize, Vec<&Origins>> = BTreeMap::new();
    for origins in &scene.origins {
        by_step.entry(origins.step).or_default().push(origins);
    }
    let sources = sources(b);
    let tags = tags(&sources, &scene.origins);
    let mut tagged = Tagged { tags, flows: Vec::new() };
    for (t, restricted) in by_step {
        step(b, &sources, &mut tagged, t, &restricted);
    }
    b.tagged = tagged;
}

/// Every device that can give energy, with its bus and attribute.
pub(super) fn sources(b: &Builder<'_, '_>) -> Vec<(Device, usize, Attr)> {
    let site = b.scene.site;
    let mut found = Vec::new();
    for unit in &b.units {
        for device in &unit.members {
            let Some(family) = site.family(device.family) else { continue };
            let attr = match &family.model {
                Model::Grid { .. } => Attr::Import,
                Model::Renewable { .. } | Model::Generator { .. } => Attr::Power,
                Model::Store(_) => Attr::Discharge,
                _ => continue,
            };
            found.push((*device, family.bus.map_or(0, BusId::index), attr));
        }
    }
    found
}

/// Every device that can take energy, with its bus and attribute.
pub(super) fn takers(b: &Builder<'_, '_>) -> Vec<(Device, usize, Attr)> {
    let site = b.scene.site;
    let mut found = Vec::new();
    for unit in &b.units {
        for device in &unit.members {
            let Some(family) = site.family(device.family) else { continue };
            let attr = match &family.model {
                Model::Grid { .. } => Attr::Export,
                Model::Consumer(_) => Attr::Power,
                Model::Store(_) => Attr::Charge,
                _ => continue,
            };
            found.push((*device, family.bus.map_or(0, BusId::index), attr));
        }
    }
    found
}

/// Sources that every restriction treats alike.
fn tags(sources: &[(Device, usize, Attr)], origins: &[Origins]) -> Vec<Vec<Device>> {
    let lists: BTreeSet<&Vec<Device>> = origins.iter().map(|o| &o.from).collect();
    let mut by: BTreeMap<Vec<bool>, Vec<Device>> = BTreeMap::new();
    for (device, _, _) in sources {
        let key = lists.iter().map(|list| list.contains(device)).collect();
        by.entry(key).or_default().push(*device);
    }
    by.into_values().collect()
}

fn step(
    b: &mut Builder<'_, '_>,
    sources: &[(Device, usize, Attr)],
    tagged: &mut Tagged,
    t: usize,
    restricted: &[&Origins],
) {
    let scene = b.scene;
    let buses = scene.site.buses.len().max(1);
    let tags = tagged.tags.len();
    // each tag's flow over each link, both ways; together they are the link's
    let mut over: Vec<Vec<(Aff, Aff)>> = Vec::new();
    for (place, link) in scene.site.links.iter().enumerate() {
        let (forward, back) = (b.links.get(place))
            .and_then(|(f, r)| Some((f.get(t)?.clone(), r.get(t)?.clone())))
            .unwrap_or_default();
        let mut sums = (forward.times(-1.0), back.times(-1.0));
        let mut flows = Vec::with_capacity(tags);
        for _ in 0..tags {
            let there = Aff::of(b.program.col(0.0, link.capacity.to_f64()));
            let back = Aff::of(b.program.col(0.0, if link.both { link.capacity_back.to_f64() } else { 0.0 }));
            sums.0.add(&there, 1.0);
            sums.1.add(&back, 1.0);
            flows.push((there, back));
        }
        b.program.equal(sums.0.terms, -sums.0.constant);
        b.program.equal(sums.1.terms, -sums.1.constant);
        over.push(flows);
    }
    for tag in 0..tags {
        let members: BTreeSet<Device> = tagged.tags.get(tag).into_iter().flatten().copied().collect();
        for bus in 0..buses {
            // what enters with this tag and is not passed on stays with those who take here
            let mut left = Aff::default();
            for (device, at, attr) in sources.iter().filter(|(d, at, _)| *at == bus && members.contains(d)) {
                debug_assert_eq!(*at, bus);
                if let Some(power) = b.attr(*device, attr, t) {
                    left.add(&power, 1.0);
                }
            }
            for (link, flows) in scene.site.links.iter().zip(&over) {
                let Some((there, back)) = flows.get(tag) else { continue };
                let eta = link.efficiency.to_f64();
                if link.from.index() == bus {
                    left.add(there, -1.0);
                    left.add(back, eta);
                }
                if link.to.index() == bus {
                    left.add(there, eta);
                    left.add(back, -1.0);
                }
            }
            for origins in restricted {
                let Some(family) = scene.site.family(origins.device.family) else { continue };
                if family.bus.map_or(0, BusId::index) != bus {
                    continue;
                }
                let attr = taken(&family.model);
                let Some(draw) = b.attr(origins.device, &attr, t) else { continue };
                let most = b.range(&draw).1.max(0.0);
                let allowed =
                    members.iter().all(|d| origins.from.contains(d)) && !members.contains(&origins.device);
                if !allowed && !b.gives(origins.owner) {
                    continue;
                }
                let col = b.program.col(0.0, most);
                if !allowed {
                    let weight = scene.hours(t) / most.max(1e-9);
                    b.breaches.push(Breach {
                        col,
                        weight,
                        owner: origins.owner,
                        step: Some(t),
                        preference: false,
                        initial: false,
                    });
                }
                left.add(&Aff::of(col), -1.0);
                tagged.flows.push(TaggedFlow { tag, to: origins.device, step: t, col });
            }
            b.program.at_least(left.terms, -left.constant);
        }
    }
    for origins in restricted {
        let Some(family) = scene.site.family(origins.device.family) else { continue };
        let Some(draw) = b.attr(origins.device, &taken(&family.model), t) else { continue };
        let mut sum = draw.times(-1.0);
        for flow in tagged.flows.iter().filter(|f| f.step == t && f.to == origins.device) {
            sum.add(&Aff::of(flow.col), 1.0);
        }
        b.program.equal(sum.terms, -sum.constant);
    }
}

/// The attribute by which a device takes energy.
fn taken(model: &Model) -> Attr {
    match model {
        Model::Store(_) => Attr::Charge,
        Model::Grid { .. } => Attr::Export,
        _ => Attr::Power,
    }
}
