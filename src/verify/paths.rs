//! The ways of flows over links (planner.md 21): each tag balances at each bus, crosses a link only in
//! the direction in which the link carries power, and bears its loss.

use std::collections::BTreeMap;

use super::Case;
use super::miss::Miss;
use super::simulate::Trajectory;
use crate::ir::{BusId, Device};
use crate::quantity::Rat;

/// A link crossed in a direction: its place, whether from its first bus to its second.
type Crossed = (usize, bool);

/// A way from one bus to another. Links form trees, so there is only one.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    /// What enters each link for every kW that arrives.
    enters: Vec<(Crossed, Rat)>,
    /// What leaves the source for every kW that arrives.
    pub(super) leaves: Rat,
}

/// All ways that flows take, found once.
pub(super) struct Ways<'a> {
    case: &'a Case<'a>,
    found: BTreeMap<(Option<BusId>, Option<BusId>), Option<Way>>,
    /// What enters each link, by step, and of how many flows.
    sums: BTreeMap<Crossed, (Vec<Rat>, i64)>,
}

impl<'a> Ways<'a> {
    pub(super) const fn new(case: &'a Case<'a>) -> Self {
        Self { case, found: BTreeMap::new(), sums: BTreeMap::new() }
    }

    /// Sends a flow on its way, kW at the taker by step; what leaves the source for each kW, or `None`
    /// where no way leads there.
    pub(super) fn send(&mut self, from: Device, to: Device, values: &[Rat]) -> Option<Rat> {
        let bus = |device: Device| self.case.site.family(device.family).and_then(|family| family.bus);
        let key = (bus(from), bus(to));
        let case = self.case;
        let way = self.found.entry(key).or_insert_with(|| way(case, key.0, key.1)).clone()?;
        for (crossed, factor) in &way.enters {
            let entry = self.sums.entry(*crossed).or_insert_with(|| (vec![Rat::ZERO; values.len()], 0));
            entry.1 += 1;
            for (sum, value) in entry.0.iter_mut().zip(values) {
                if !value.is_zero() {
                    *sum += &(value * factor);
                }
            }
        }
        Some(way.leaves)
    }

    /// Links over which the flows carry another power than goes there.
    pub(super) fn close(&self, trajectory: &Trajectory, near: impl Fn(i64) -> Rat) -> Vec<Miss> {
        let mut found = Vec::new();
        for (place, (link, (there, back))) in self.case.site.links.iter().zip(&trajectory.links).enumerate() {
            for (forward, sent) in [(true, there), (false, back)] {
                let sums = self.sums.get(&(place, forward));
                for (step, sent) in sent.iter().enumerate() {
                    let none = Rat::ZERO;
                    let sum = sums.and_then(|(sums, _)| sums.get(step)).unwrap_or(&none);
                    let sent = sent.recorded();
                    if (sum - &sent).abs() > near(sums.map_or(0, |(_, flows)| *flows)) {
                        let message = format!(
                            "the flows over `{}` are {} kW, it carries {sent} kW",
                            link.name,
                            sum.to_decimal(6)
                        );
                        found.push(Miss::at(step, &link.name, message));
                    }
                }
            }
        }
        found
    }
}

fn way(case: &Case<'_>, from: Option<BusId>, to: Option<BusId>) -> Option<Way> {
    let (from, to) = (from?, to?);
    // by which link each bus is reached first, from the source on
    let mut reached: BTreeMap<usize, Option<(Crossed, usize)>> = BTreeMap::from([(from.index(), None)]);
    let mut open = vec![from.index()];
    while let Some(bus) = open.pop() {
        for (place, link) in case.site.links.iter().enumerate() {
            let (a, b) = (link.from.index(), link.to.index());
            for (forward, begin, end) in [(true, a, b), (false, b, a)] {
                if begin == bus && (forward || link.both) && !reached.contains_key(&end) {
                    reached.insert(end, Some(((place, forward), bus)));
                    open.push(end);
                }
            }
        }
    }
    let mut way = Way { enters: Vec::new(), leaves: Rat::ONE };
    let mut at = to.index();
    while let Some((crossed, before)) = reached.get(&at)? {
        let efficiency = &case.site.links.get(crossed.0)?.efficiency;
        way.leaves = way.leaves.checked_div(efficiency)?;
        way.enters.push((*crossed, way.leaves.clone()));
        at = *before;
    }
    Some(way)
}
