//! Who fed whom, from what the plan really does (planner.md 21): restricted takers as the optimiser
//! attributed them, all others in proportion to what enters their bus.

use std::collections::BTreeMap;

use super::solve::Solved;
use super::supply::{sources, takers};
use crate::bundle::Flow;
use crate::ir::{Attr, Device};
use crate::quantity::Rat;
use crate::verify::Trajectory;

/// Below this, kW, nothing flows.
const NOTHING: f64 = 1e-9;

/// What each source brings to a bus, kW.
type Brings = BTreeMap<Device, f64>;

/// Flows of every step, kW at the taker.
pub(super) fn of(solved: &Solved<'_, '_>, trajectory: &Trajectory) -> Vec<Flow> {
    let scene = solved.model.scene;
    let site = scene.site;
    let (sources, takers) = (sources(&solved.model), takers(&solved.model));
    let steps = scene.len();
    let mut flows: BTreeMap<(Device, Device), Vec<f64>> = BTreeMap::new();
    for t in 0..steps {
        let mut own: Vec<Brings> = vec![Brings::new(); site.buses.len().max(1)];
        for (device, bus, attr) in &sources {
            let power = share(trajectory, *device, attr, t);
            if power > NOTHING
                && let Some(here) = own.get_mut(*bus)
            {
                *here.entry(*device).or_default() += power;
            }
        }
        let mut left = spread(solved, trajectory, t, own);
        let taking = |(device, bus, attr): &(Device, usize, Attr)| {
            let taken = share(trajectory, *device, attr, t);
            (taken > NOTHING).then_some((*device, *bus, taken))
        };
        // restricted takers first: what they get is no longer there for the others
        let (mut chosen, mut others) = (Vec::new(), Vec::new());
        for (device, bus, taken) in takers.iter().filter_map(taking) {
            let parts = restricted(solved, device, t, left.get(bus));
            if parts.is_empty() {
                others.push((device, bus, taken));
            } else {
                chosen.push((device, bus, scaled(parts, taken)));
            }
        }
        for (_, bus, parts) in &chosen {
            for (source, part) in parts {
                if let Some(rest) = left.get_mut(*bus).and_then(|here| here.get_mut(source)) {
                    *rest = (*rest - part).max(0.0);
                }
            }
        }
        let shared = others.into_iter().map(|(device, bus, taken)| {
            let here = left.get(bus).map(|b| b.iter().map(|(d, p)| (*d, *p)).collect());
            (device, bus, scaled(here.unwrap_or_default(), taken))
        });
        for (device, _, parts) in chosen.into_iter().chain(shared.collect::<Vec<_>>()) {
            for (source, part) in parts {
                let series = flows.entry((source, device)).or_insert_with(|| vec![0.0; steps]);
                if let Some(slot) = series.get_mut(t) {
                    *slot += part;
                }
            }
        }
    }
    (flows.into_iter())
        .filter(|(_, values)| values.iter().any(|v| *v > 5e-10))
        .map(|((from, to), values)| Flow {
            from: site.device_name(from),
            to: site.device_name(to),
            values: values.iter().map(|v| Rat::from_f64_snapped(*v, 9).unwrap_or_default()).collect(),
        })
        .collect()
}

/// Parts in the same proportion that add up to `total`; none where there is nothing to share.
fn scaled(parts: Vec<(Device, f64)>, total: f64) -> Vec<(Device, f64)> {
    let sum: f64 = parts.iter().map(|(_, p)| p).sum();
    if sum <= NOTHING {
        return Vec::new();
    }
    parts.into_iter().map(|(device, part)| (device, total * part / sum)).collect()
}

/// One device's power: its share of its unit's.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 devices")]
fn share(trajectory: &Trajectory, device: Device, attr: &Attr, t: usize) -> f64 {
    trajectory.run_of(device).map_or(0.0, |run| run.power(attr, t).to_f64() / run.unit.count.max(1) as f64)
}

/// What the optimiser attributed to a restricted taker, shared among a tag's members by what they
/// bring.
fn restricted(
    solved: &Solved<'_, '_>,
    device: Device,
    t: usize,
    brings: Option<&Brings>,
) -> Vec<(Device, f64)> {
    let tagged = &solved.model.tagged;
    let mut found = Vec::new();
    for flow in tagged.flows.iter().filter(|f| f.to == device && f.step == t) {
        let power = solved.climb.x.get(flow.col.index()).copied().unwrap_or(0.0);
        if power <= NOTHING {
            continue;
        }
        let members = tagged.tags.get(flow.tag).map(Vec::as_slice).unwrap_or_default();
        let here: Vec<(Device, f64)> = (members.iter())
            .filter_map(|d| Some((*d, *brings?.get(d)?)))
            .filter(|(_, p)| *p > NOTHING)
            .collect();
        found.extend(scaled(here, power));
    }
    found
}

/// Passes what enters each bus on over the links until nothing moves; links form trees, so as many
/// rounds as buses are enough. What stays at each bus is returned. A link carries the tags that the
/// optimiser sent over it; where no rule distinguishes origins, a mean of what enters.
fn spread(solved: &Solved<'_, '_>, trajectory: &Trajectory, t: usize, own: Vec<Brings>) -> Vec<Brings> {
    let site = solved.model.scene.site;
    if site.links.is_empty() {
        return own;
    }
    let mut entered = own.clone();
    let mut left = own.clone();
    for _ in 0..site.buses.len() {
        let mut next = own.clone();
        left.clone_from(&entered);
        for (place, (link, (forward, back))) in site.links.iter().zip(&trajectory.links).enumerate() {
            let eta = link.efficiency.to_f64();
            let ways = [
                (link.from.index(), link.to.index(), forward, true),
                (link.to.index(), link.from.index(), back, false),
            ];
            for (from, to, sent, there) in ways {
                let sent = sent.get(t).map_or(0.0, |v| v.to_f64());
                let Some(origin) = entered.get(from).filter(|_| sent > NOTHING) else { continue };
                let parts = scaled(carried(solved, (place, there), t, origin), sent);
                for (device, part) in parts {
                    if let Some(rest) = left.get_mut(from).and_then(|here| here.get_mut(&device)) {
                        *rest = (*rest - part).max(0.0);
                    }
                    if let Some(there) = next.get_mut(to) {
                        *there.entry(device).or_default() += eta * part;
                    }
                }
            }
        }
        if next == entered {
            break;
        }
        entered = next;
    }
    left
}

/// What a link carries, in proportion.
fn carried(
    solved: &Solved<'_, '_>,
    (link, there): (usize, bool),
    t: usize,
    origin: &Brings,
) -> Vec<(Device, f64)> {
    let tagged = &solved.model.tagged;
    let mut parts = Vec::new();
    for over in tagged.links.iter().filter(|l| l.link == link && l.step == t) {
        let col = if there { over.there } else { over.back };
        let power = solved.climb.x.get(col.index()).copied().unwrap_or(0.0);
        if power <= NOTHING {
            continue;
        }
        let members = tagged.tags.get(over.tag).map(Vec::as_slice).unwrap_or_default();
        let here = members.iter().filter_map(|d| Some((*d, *origin.get(d)?))).collect();
        parts.extend(scaled(here, power));
    }
    if parts.is_empty() { origin.iter().map(|(d, p)| (*d, *p)).collect() } else { parts }
}
