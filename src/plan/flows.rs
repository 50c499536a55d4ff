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

/// Flows of every step, kW at the taker.
pub(super) fn of(solved: &Solved<'_, '_>, trajectory: &Trajectory) -> Vec<Flow> {
    let scene = solved.model.scene;
    let site = scene.site;
    let (sources, takers) = (sources(&solved.model), takers(&solved.model));
    let steps = scene.len();
    let mut flows: BTreeMap<(Device, Device), Vec<f64>> = BTreeMap::new();
    for t in 0..steps {
        // what each source brings to each bus, over links and net of their losses
        let mut brings: Vec<BTreeMap<Device, f64>> = vec![BTreeMap::new(); site.buses.len().max(1)];
        for (device, bus, attr) in &sources {
            let power = share(trajectory, *device, attr, t);
            if power > NOTHING
                && let Some(here) = brings.get_mut(*bus)
            {
                *here.entry(*device).or_default() += power;
            }
        }
        spread(site, trajectory, t, &mut brings);
        for (device, bus, attr) in &takers {
            let taken = share(trajectory, *device, attr, t);
            if taken <= NOTHING {
                continue;
            }
            let chosen: Vec<(Device, f64)> = restricted(solved, *device, t, brings.get(*bus));
            let parts = if chosen.is_empty() {
                brings.get(*bus).map(|b| b.iter().map(|(d, p)| (*d, *p)).collect()).unwrap_or_default()
            } else {
                chosen
            };
            let sum: f64 = parts.iter().map(|(_, p)| p).sum();
            if sum <= NOTHING {
                continue;
            }
            for (source, part) in parts {
                let series = flows.entry((source, *device)).or_insert_with(|| vec![0.0; steps]);
                if let Some(slot) = series.get_mut(t) {
                    *slot += taken * part / sum;
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
    brings: Option<&BTreeMap<Device, f64>>,
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
        let sum: f64 = here.iter().map(|(_, p)| p).sum();
        found.extend(here.into_iter().map(|(d, p)| (d, power * p / sum.max(NOTHING))));
    }
    found
}

/// Passes what enters each bus on over the links, in proportion, until nothing moves; links form
/// trees, so as many rounds as buses are enough.
fn spread(site: &crate::ir::Site, trajectory: &Trajectory, t: usize, brings: &mut [BTreeMap<Device, f64>]) {
    let own: Vec<BTreeMap<Device, f64>> = brings.to_vec();
    for _ in 0..site.buses.len() {
        let before = brings.to_vec();
        for (bus, here) in brings.iter_mut().enumerate() {
            *here = own.get(bus).cloned().unwrap_or_default();
        }
        for (link, (forward, back)) in site.links.iter().zip(&trajectory.links) {
            let eta = link.efficiency.to_f64();
            let ways =
                [(link.from.index(), link.to.index(), forward), (link.to.index(), link.from.index(), back)];
            for (from, to, sent) in ways {
                let sent = sent.get(t).map_or(0.0, |v| v.to_f64());
                if sent <= NOTHING {
                    continue;
                }
                let Some(origin) = before.get(from) else { continue };
                let sum: f64 = origin.values().sum();
                if sum <= NOTHING {
                    continue;
                }
                let parts: Vec<(Device, f64)> =
                    origin.iter().map(|(d, p)| (*d, sent * eta * p / sum)).collect();
                if let Some(there) = brings.get_mut(to) {
                    for (device, part) in parts {
                        *there.entry(device).or_default() += part;
                    }
                }
            }
        }
    }
}
