//! Who may feed whom: flows per origin (planner.md 21).
//!
//! Sources that no active rule tells apart share a tag. In every step with a restriction each tag
//! balances at each bus; over a link it goes in the link's direction and bears its loss; a store
//! originates as itself. What flows to restricted takers is a column for each tag; all others at a
//! bus share what is left.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Aff, Breach, Builder, Part};
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

/// A tag's flows over a link in one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TaggedLink {
    /// Which tag.
    pub(super) tag: usize,
    /// Place of the link.
    pub(super) link: usize,
    /// In which step.
    pub(super) step: usize,
    /// kW at the sending end, forward.
    pub(super) there: Col,
    /// kW at the sending end, back.
    pub(super) back: Col,
}

/// Sources by tag, and the flows to restricted takers.
#[derive(Debug, Clone, Default)]
pub(super) struct Tagged {
    /// Members of each tag.
    pub(super) tags: Vec<Vec<Device>>,
    /// Flows.
    pub(super) flows: Vec<TaggedFlow>,
    /// Flows over links.
    pub(super) links: Vec<TaggedLink>,
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
    let mut tagged = Tagged { tags, flows: Vec::new(), links: Vec::new() };
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

/// Sources that every restriction treats alike. A restricted store stands alone: it may not feed
/// itself.
fn tags(sources: &[(Device, usize, Attr)], origins: &[Origins]) -> Vec<Vec<Device>> {
    let lists: BTreeSet<&Vec<Device>> = origins.iter().map(|o| &o.from).collect();
    let restricted: BTreeSet<Device> = origins.iter().map(|o| o.device).collect();
    let mut by: BTreeMap<(Vec<bool>, Option<Device>), Vec<Device>> = BTreeMap::new();
    for (device, _, _) in sources {
        let own = restricted.contains(device).then_some(*device);
        let key = (lists.iter().map(|list| list.contains(device)).collect(), own);
        by.entry(key).or_default().push(*device);
    }
    by.into_values().collect()
}

/// What restricts one taker in one step, and what it takes.
struct Taker<'o> {
    device: Device,
    bus: usize,
    draw: Aff,
    origins: Vec<&'o Origins>,
    /// What it gets by tag.
    gets: Aff,
}

fn taken_by<'o>(b: &Builder<'_, '_>, t: usize, restricted: &[&'o Origins]) -> Vec<Taker<'o>> {
    let mut by: BTreeMap<Device, Vec<&'o Origins>> = BTreeMap::new();
    for origins in restricted {
        by.entry(origins.device).or_default().push(origins);
    }
    (by.into_iter())
        .filter_map(|(device, origins)| {
            let family = b.scene.site.family(device.family)?;
            let draw = b.attr(device, &taken(&family.model), t)?;
            let bus = family.bus.map_or(0, BusId::index);
            Some(Taker { device, bus, draw, origins, gets: Aff::default() })
        })
        .collect()
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
    for place in 0..scene.site.links.len() {
        let (forward, back) = (b.links.get(place))
            .and_then(|(f, r)| Some((f.get(t)?.clone(), r.get(t)?.clone())))
            .unwrap_or_default();
        let most = (b.range(&forward).1.max(0.0), b.range(&back).1.max(0.0));
        let mut sums = (forward.times(-1.0), back.times(-1.0));
        let mut flows = Vec::with_capacity(tags);
        for tag in 0..tags {
            let (there, back) = (b.program.col(0.0, most.0), b.program.col(0.0, most.1));
            tagged.links.push(TaggedLink { tag, link: place, step: t, there, back });
            let (there, back) = (Aff::of(there), Aff::of(back));
            sums.0.add(&there, 1.0);
            sums.1.add(&back, 1.0);
            flows.push((there, back));
        }
        b.program.equal(sums.0.terms, -sums.0.constant);
        b.program.equal(sums.1.terms, -sums.1.constant);
        over.push(flows);
    }
    let mut takers = taken_by(b, t, restricted);
    for tag in 0..tags {
        let members: BTreeSet<Device> = tagged.tags.get(tag).into_iter().flatten().copied().collect();
        for bus in 0..buses {
            // what enters with this tag and is not passed on stays with those who take here
            let mut left = Aff::default();
            for (device, _, attr) in sources.iter().filter(|(d, at, _)| *at == bus && members.contains(d)) {
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
            // room for what rounding adds to what is restricted
            let mut margin = 0.0;
            for taker in takers.iter_mut().filter(|taker| taker.bus == bus) {
                if let Some(col) = feed(b, taker, &members, t) {
                    left.add(&Aff::of(col), -1.0);
                    taker.gets.add(&Aff::of(col), 1.0);
                    margin += taker.origins.iter().map(|o| scene.margin(o.owner.statement)).sum::<f64>();
                    tagged.flows.push(TaggedFlow { tag, to: taker.device, step: t, col });
                }
            }
            let margin = margin.min(b.range(&left).1.max(0.0));
            b.program.at_least(left.terms, margin - left.constant);
        }
    }
    for taker in takers {
        let mut sum = taker.draw.times(-1.0);
        sum.add(&taker.gets, 1.0);
        b.program.equal(sum.terms, -sum.constant);
    }
}

/// A tag's flow to a taker, at the price of what it is against; `None` where it may not flow.
fn feed(b: &mut Builder<'_, '_>, taker: &Taker<'_>, tag: &BTreeSet<Device>, t: usize) -> Option<Col> {
    if tag.contains(&taker.device) {
        return None;
    }
    let against = |o: &&&Origins| !tag.iter().all(|d| o.from.contains(d));
    let against: Vec<&Origins> = taker.origins.iter().filter(against).copied().collect();
    let is_hard = |b: &Builder<'_, '_>, o: &Origins| o.wish.is_none() && !b.gives(o.owner);
    if against.iter().any(|o| o.when.is_none() && is_hard(b, o)) {
        return None;
    }
    let most = b.range(&taker.draw).1.max(0.0);
    let hours = b.scene.hours(t);
    let col = b.program.col(0.0, most);
    for origins in against {
        let when = b.taken(origins.when.as_ref());
        // what flows while it is asked, at most: flow <= counted + most (1 - when)
        let counted = match (&when, is_hard(b, origins)) {
            (None, _) => Some(col),
            (Some(_), true) => None,
            (Some(_), false) => Some(b.program.col(0.0, most)),
        };
        if let Some(when) = when {
            let mut row = Aff::of(col);
            row.add(&when, most);
            if let Some(counted) = counted {
                row.add(&Aff::of(counted), -1.0);
            }
            b.program.at_most(row.terms, most - row.constant);
        }
        let Some(counted) = counted else { continue };
        match origins.wish {
            Some(Some(price)) => {
                b.money.push((Part::Breach, counted, price * hours));
            }
            None | Some(None) => b.breaches.push(Breach {
                col: counted,
                weight: hours / most.max(1e-9),
                owner: origins.owner,
                step: Some(t),
                preference: origins.wish.is_some(),
                initial: false,
            }),
        }
    }
    Some(col)
}

/// The attribute by which a device takes energy.
fn taken(model: &Model) -> Attr {
    match model {
        Model::Store(_) => Attr::Charge,
        Model::Grid { .. } => Attr::Export,
        _ => Attr::Power,
    }
}
