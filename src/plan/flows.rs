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
        made_good(solved, t, &left, &mut chosen);
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

/// A taker with its bus and what it gets from whom.
type Fed = (Device, usize, Vec<(Device, f64)>);

/// What rounding lets restricted takers have of a source beyond what it brings, they have of others that they
/// may have as well and that are not used up.
fn made_good(solved: &Solved<'_, '_>, t: usize, brings: &[Brings], chosen: &mut [Fed]) {
    let mut spare: Vec<Brings> = brings.to_vec();
    for (_, bus, parts) in chosen.iter() {
        for (source, part) in parts {
            if let Some(rest) = spare.get_mut(*bus).and_then(|here| here.get_mut(source)) {
                *rest -= part;
            }
        }
    }
    for (taker, bus, parts) in chosen {
        let Some(here) = spare.get_mut(*bus) else { continue };
        let mut moved: Vec<(Device, f64)> = Vec::new();
        for (source, part) in parts.iter_mut() {
            let short = here.get(source).map_or(0.0, |rest| -rest).min(*part);
            if short <= 0.0 {
                continue;
            }
            for other in permitted(solved, *taker, t) {
                let more = here.get(&other).copied().unwrap_or(0.0).min(short.min(*part));
                let missing = here.get(source).map_or(0.0, |rest| -rest);
                let more = more.min(missing);
                if other == *source || more <= 0.0 {
                    continue;
                }
                *part -= more;
                moved.push((other, more));
                here.entry(*source).and_modify(|rest| *rest += more);
                here.entry(other).and_modify(|rest| *rest -= more);
            }
        }
        for (other, more) in moved {
            match parts.iter_mut().find(|(source, _)| *source == other) {
                Some((_, part)) => *part += more,
                None => parts.push((other, more)),
            }
        }
    }
}

/// From whom a restricted taker may have anything.
fn permitted(solved: &Solved<'_, '_>, taker: Device, t: usize) -> std::collections::BTreeSet<Device> {
    let tagged = &solved.model.tagged;
    let flows = tagged.flows.iter().filter(|flow| flow.to == taker && flow.step == t);
    flows.flat_map(|flow| tagged.tags.get(flow.tag).into_iter().flatten().copied()).collect()
}

/// The same sum of parts, none above what is there: what rounding asks of one beyond that others give that
/// have more.
fn within(mut parts: Vec<(Device, f64)>, there: Option<&Brings>) -> Vec<(Device, f64)> {
    let Some(there) = there else { return parts };
    let mut short = 0.0;
    for (device, part) in &mut parts {
        let most = there.get(device).copied().unwrap_or(0.0);
        if *part > most {
            short += *part - most;
            *part = most;
        }
    }
    for (device, most) in there {
        if short <= 0.0 {
            break;
        }
        let own = parts.iter_mut().find(|(of, _)| of == device);
        let more = (most - own.as_ref().map_or(0.0, |(_, part)| *part)).min(short);
        if more > 0.0 {
            short -= more;
            match own {
                Some((_, part)) => *part += more,
                None => parts.push((*device, more)),
            }
        }
    }
    parts
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
                let parts = within(parts, left.get(from));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ir::FamilyId;

    proptest! {
        #[test]
        fn nothing_gives_more_than_it_has_where_all_together_have_enough(
            there in prop::collection::vec(0.0..20.0_f64, 1..6),
            asked in prop::collection::vec(0.0..20.0_f64, 1..6),
            share in 0.0..1.0_f64,
        ) {
            let device = |at: usize| Device { family: FamilyId::at(at), index: 1 };
            let brings: Brings = there.iter().enumerate().map(|(at, kw)| (device(at), *kw)).collect();
            let parts = asked.iter().enumerate().map(|(at, kw)| (device(at), *kw)).collect();
            let sent = share * there.iter().sum::<f64>();
            let found = within(scaled(parts, sent), Some(&brings));
            let sum: f64 = found.iter().map(|(_, part)| part).sum();
            prop_assert!(sum == 0.0 || (sum - sent).abs() < 1e-9, "{sum} of {sent}");
            for (of, part) in &found {
                prop_assert!(*part <= brings.get(of).copied().unwrap_or(0.0) + 1e-12);
            }
        }
    }
}
