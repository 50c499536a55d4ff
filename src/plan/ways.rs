//! Links and buses between a device that follows a meter and its grid, where they may be full of what it
//! gives or takes.

use std::collections::BTreeSet;

use super::failsafe::directions;
use super::model::{Aff, Builder};
use super::scene::Follow;
use crate::ir::{Attr, BusId, Link, Site, Statement};

/// What may be full on the way.
pub(super) struct Bottleneck {
    /// Of what the device gives, or of what it takes.
    pub(super) giving: bool,
    /// What it carries, kW, and the most of it.
    pub(super) full: Aff,
    pub(super) most: f64,
    /// Without this only does more from the device bring more of it, kW.
    pub(super) idle: Option<Aff>,
}

/// All of them in the step of a device that follows.
pub(super) fn bottlenecks(b: &Builder<'_, '_>, follow: &Follow) -> Vec<Bottleneck> {
    let site = b.scene.site;
    let bus = |device: crate::ir::Device| site.family(device.family).and_then(|family| family.bus);
    let (Some(start), Some(root)) = (bus(follow.device), bus(follow.grid)) else { return Vec::new() };
    let mut found = Vec::new();
    let mut at = start;
    loop {
        let parent = next(site, at, root);
        let toward =
            parent.map(|parent| (sent(b, at, parent, follow.step), sent(b, parent, at, follow.step)));
        let (up, down) = match toward {
            Some((up, down)) => {
                let (given, taken) = beyond(b, at, root, follow.step);
                for (giving, sent, may) in [(true, &up, given), (false, &down, taken)] {
                    let Some((full, most)) = sent.clone().filter(|(_, most)| *most < may) else { continue };
                    found.push(Bottleneck { giving, full, most, idle: None });
                }
                (up.map(|(flow, _)| flow), down.map(|(flow, _)| flow))
            }
            None => {
                let meter = |attr: Attr| b.attr(follow.grid, &attr, follow.step);
                (meter(Attr::Export), meter(Attr::Import))
            }
        };
        found.extend(limit(b, at, follow.step, (up, down)));
        match parent {
            Some(parent) => at = parent,
            None => return found,
        }
    }
}

/// What enters a bus with a limit: more where the device gives more and nothing comes from the grid, or
/// takes more and nothing goes there.
fn limit(
    b: &Builder<'_, '_>,
    bus: BusId,
    t: usize,
    (up, down): (Option<Aff>, Option<Aff>),
) -> Vec<Bottleneck> {
    let limit = b.scene.site.buses.get(bus.index()).and_then(|bus| bus.limit.as_ref());
    let inflow = b.inflow.get(bus.index()).and_then(|steps| steps.get(t));
    let (Some(limit), Some(inflow)) = (limit, inflow) else { return Vec::new() };
    let most = limit.to_f64() - b.scene.margin(Statement::Bus(bus));
    if b.range(inflow).1 < most {
        return Vec::new();
    }
    let of = |(giving, idle)| Bottleneck { giving, full: inflow.clone(), most, idle };
    [(true, down), (false, up)].map(of).into()
}

/// The next bus on the way to the root.
fn next(site: &Site, at: BusId, root: BusId) -> Option<BusId> {
    let near = site.links.iter().filter_map(|link| other(link, at));
    (at != root).then(|| near.into_iter().find(|bus| without(site, *bus, at).contains(&root))).flatten()
}

fn other(link: &Link, bus: BusId) -> Option<BusId> {
    match (link.from == bus, link.to == bus) {
        (true, _) => Some(link.to),
        (_, true) => Some(link.from),
        _ => None,
    }
}

/// The buses joined with one without a way over another.
fn without(site: &Site, start: BusId, barred: BusId) -> BTreeSet<BusId> {
    let (mut reached, mut open) = (BTreeSet::from([start]), vec![start]);
    while let Some(bus) = open.pop() {
        let near = site.links.iter().filter_map(|link| other(link, bus));
        for bus in near.filter(|bus| *bus != barred) {
            if reached.insert(bus) {
                open.push(bus);
            }
        }
    }
    reached
}

/// What goes from one bus straight to another, and the most of it, kW.
fn sent(b: &Builder<'_, '_>, from: BusId, to: BusId, t: usize) -> Option<(Aff, f64)> {
    b.scene.site.links.iter().zip(&b.links).find_map(|(link, (there, back))| {
        let (flow, capacity) = match (link.from == from && link.to == to, link.from == to && link.to == from)
        {
            (true, _) => (there, &link.capacity),
            (_, true) if link.both => (back, &link.capacity_back),
            _ => return None,
        };
        let most = capacity.to_f64() - b.scene.margin(Statement::Link(link.id));
        Some((flow.get(t)?.clone(), most.max(0.0)))
    })
}

/// The most that everything beyond a bus, seen from the root, could send to the root or ask of it, kW.
fn beyond(b: &Builder<'_, '_>, bus: BusId, root: BusId, t: usize) -> (f64, f64) {
    let site = b.scene.site;
    let behind = match next(site, bus, root) {
        Some(parent) => without(site, bus, parent),
        None => return (f64::INFINITY, f64::INFINITY),
    };
    let lossy = site.links.iter().filter(|link| behind.contains(&link.from) || behind.contains(&link.to));
    let kept: f64 = lossy.map(|link| link.efficiency.to_f64()).product();
    let (mut given, mut taken) = (0.0, 0.0);
    for (unit, of) in b.units.iter().enumerate() {
        let family = of.members.first().and_then(|device| site.family(device.family));
        let Some(family) = family.filter(|f| f.bus.is_some_and(|bus| behind.contains(&bus))) else {
            continue;
        };
        for (attr, gives) in directions(family) {
            let power = b.attrs.get(&(unit, attr)).and_then(|steps| steps.get(t));
            let most = power.map_or(0.0, |power| b.range(power).1);
            if gives { given += most } else { taken += most }
        }
    }
    (given, taken / kept.max(1e-9))
}
