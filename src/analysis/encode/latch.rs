//! Latches range over what can be reached: from all clear, through any environments in any order
//! (semantics.md 8). Free latches would invent a conflict in every heat and cool pair.

use std::collections::{BTreeMap, BTreeSet};

use super::super::formula::{Bit, Formula};
use super::rule::LatchMoves;
use super::{Footprint, World};
use crate::ir::LatchId;

/// Most latches that one question may join in one component.
const MAX_LATCHES: usize = 12;

/// What each latch is moved by.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    moves: BTreeMap<LatchId, (LatchMoves, Footprint)>,
}

/// Latches of one question whose moves depend on each other.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    /// Its latches, sorted.
    pub(crate) latches: Vec<LatchId>,
    /// For each latch: set; cleared; perhaps cleared.
    pub(crate) conditions: Vec<Formula>,
}

impl Reach {
    /// The latches of a site.
    pub(crate) fn of(world: &mut World) -> Self {
        let mut all = Self::default();
        let site = world.site;
        for latch in &site.latches {
            if let Some(rule) = site.rule(latch.rule) {
                let moves = world.latch_moves(rule, latch.member);
                let mut footprint = Footprint::of(&moves.set);
                footprint.add(&moves.clear);
                footprint.add(&moves.may_clear);
                all.moves.insert(latch.id, (moves, footprint));
            }
        }
        all
    }

    /// Splits latches into components; `close` adds to a footprint what it is tied to. `None`
    /// where a component is too large to be explored.
    ///
    /// Every move is idempotent, so that components that share nothing reach every combination of
    /// what each reaches.
    pub(crate) fn components(
        &self,
        latches: &BTreeSet<LatchId>,
        close: impl Fn(&mut Footprint),
    ) -> Option<Vec<Component>> {
        let mut groups: Vec<(Footprint, Vec<LatchId>)> = Vec::new();
        for latch in latches {
            let Some((_, footprint)) = self.moves.get(latch) else { continue };
            let mut footprint = footprint.clone();
            close(&mut footprint);
            let mut members = vec![*latch];
            let (joined, apart): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|(other, _)| shares(other, &footprint));
            for (other, latches) in joined {
                footprint.merge(&other);
                members.extend(latches);
            }
            groups = apart;
            groups.push((footprint, members));
        }
        let mut components = Vec::new();
        for (_, mut latches) in groups {
            if latches.len() > MAX_LATCHES {
                return None;
            }
            latches.sort_unstable();
            let conditions = latches
                .iter()
                .filter_map(|latch| self.moves.get(latch))
                .flat_map(|(m, _)| {
                    let unset = |f: &Formula| Formula::all([m.set.clone().negate(), f.clone()]);
                    [m.set.clone(), unset(&m.clear), unset(&m.may_clear)]
                })
                .collect();
            components.push(Component { latches, conditions });
        }
        components.sort_by(|a, b| a.latches.cmp(&b.latches));
        Some(components)
    }
}

fn shares(a: &Footprint, b: &Footprint) -> bool {
    // two questions about time are never independent
    a.nums.intersection(&b.nums).next().is_some()
        || a.bits.intersection(&b.bits).next().is_some()
        || (!a.atoms().is_empty() && !b.atoms().is_empty())
}

impl Component {
    /// The vectors that the realisable combinations of conditions reach, as a condition on the
    /// latch bits.
    pub(crate) fn reachable(&self, realisable: &BTreeSet<Vec<bool>>) -> Formula {
        let count = self.latches.len();
        let mut reached: BTreeSet<u32> = BTreeSet::from([0]);
        let mut open = vec![0_u32];
        while let Some(state) = open.pop() {
            for moves in realisable {
                for next in step(state, count, moves) {
                    if reached.insert(next) {
                        open.push(next);
                    }
                }
            }
        }
        if reached.len() == 1 << count {
            return Formula::TRUE;
        }
        Formula::any(reached.into_iter().map(|state| {
            Formula::all(self.latches.iter().enumerate().map(|(i, latch)| {
                let bit = Formula::Bit(Bit::Latch(*latch));
                if state >> i & 1 == 1 { bit } else { bit.negate() }
            }))
        }))
    }
}

fn step(state: u32, count: usize, moves: &[bool]) -> Vec<u32> {
    let mut next = vec![state];
    for i in 0..count {
        let at = |k: usize| moves.get(3 * i + k).copied().unwrap_or(false);
        let bit = 1_u32 << i;
        if at(0) {
            next.iter_mut().for_each(|s| *s |= bit);
        } else if at(1) {
            next.iter_mut().for_each(|s| *s &= !bit);
        } else if at(2) {
            let cleared: Vec<u32> = next.iter().map(|s| s & !bit).collect();
            next.extend(cleared);
        }
    }
    next
}
