//! Who may feed whom (semantics.md 18).

use super::decision::{Clash, Conflict, EffectRef, Origins};
use super::device::{Demand, Law};
use super::resolve::{Resolution, minimal};
use crate::ir::{Attr, ClassId, MemberRange};
use crate::quantity::Rat;

/// What is left of a unit's sources.
#[derive(Clone)]
pub(super) struct Allowed {
    sources: Vec<MemberRange>,
    by_accounting: bool,
    by: Vec<EffectRef>,
}

/// A unit to which a class has left no source: its power is 0, unless that does not stand.
pub(super) struct Emptied {
    unit: usize,
    class: ClassId,
    effect: EffectRef,
    before: Option<Allowed>,
}

impl Resolution<'_> {
    /// The supplies of one class: sets of one class that exclude each other are a contradiction,
    /// sets that exclude what the higher classes left are overridden. Where nothing is left the
    /// power is 0, which then takes part in conflict and override like any other demand.
    pub(super) fn supply(&mut self, class: ClassId) {
        let mut units: Vec<usize> =
            self.supplies.iter().filter(|item| item.class == class).map(|item| item.unit).collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            self.supply_of(class, unit);
        }
    }

    fn supply_of(&mut self, class: ClassId, unit: usize) {
        let Some(of) = self.unit(unit) else { return };
        let on_unit = |(at, item): (usize, &super::gather::SupplyItem)| {
            (item.class == class && item.unit == unit).then_some((at, item.never))
        };
        let mine: Vec<(usize, bool)> = self.supplies.iter().enumerate().filter_map(on_unit).collect();
        let mut positive: Vec<usize> = mine.iter().filter(|(_, never)| !never).map(|(at, _)| *at).collect();
        let mut never: Vec<usize> = mine.iter().filter(|(_, never)| *never).map(|(at, _)| *at).collect();
        let all = self.sources().to_vec();
        let left = self.allowed.get(&unit).map_or_else(|| all.clone(), |allowed| allowed.sources.clone());
        let by_above = self.allowed.get(&unit).map(|allowed| allowed.by.clone()).unwrap_or_default();
        // 12: sets of one class
        while self.common(&all, &positive).is_empty() && !positive.is_empty() {
            let least = minimal(&positive, |set| set.is_empty() || !self.common(&all, set).is_empty());
            let clash = if least.len() < 2 { Clash::BeyondDevice } else { Clash::Contradiction };
            let effects = self.supply_effects(&least);
            self.report(Conflict {
                clash,
                class,
                units: vec![of],
                effects,
                against: Vec::new(),
                dropped: true,
            });
            positive.retain(|at| !least.contains(at));
        }
        // 13: alone against what is left, then jointly
        if !by_above.is_empty() && !left.is_empty() {
            for at in positive.clone().into_iter().chain(never.clone()) {
                if self.restricted(&left, at).is_empty() {
                    let effect = self.supply_effects(&[at]);
                    self.decision
                        .displaced
                        .extend(effect.into_iter().map(|effect| (effect, of, by_above.clone())));
                    positive.retain(|other| *other != at);
                    never.retain(|other| *other != at);
                }
            }
            while self.common(&left, &positive).is_empty() && !positive.is_empty() {
                let least = minimal(&positive, |set| set.is_empty() || !self.common(&left, set).is_empty());
                let (effects, against) = (self.supply_effects(&least), by_above.clone());
                let (clash, units) = (Clash::JointMiss, vec![of]);
                self.report(Conflict { clash, class, units, effects, against, dropped: true });
                positive.retain(|at| !least.contains(at));
            }
        }
        self.restrict(class, unit, left, &positive, &never);
    }

    fn restrict(
        &mut self,
        class: ClassId,
        unit: usize,
        left: Vec<MemberRange>,
        positive: &[usize],
        never: &[usize],
    ) {
        let chosen: Vec<usize> = positive.iter().chain(never).copied().collect();
        if chosen.is_empty() {
            return;
        }
        let mut sources = left;
        let had = !sources.is_empty();
        let mut last = None;
        for at in &chosen {
            sources = self.restricted(&sources, *at);
            if sources.is_empty() && last.is_none() {
                last = self.supplies.get(*at).map(|item| item.effect);
            }
        }
        let accounting =
            chosen.iter().all(|at| self.supplies.get(*at).is_some_and(|item| item.by_accounting));
        let effects = self.supply_effects(&chosen);
        let before = self.allowed.get(&unit).cloned();
        let allowed = self.allowed.entry(unit).or_insert(Allowed {
            sources: Vec::new(),
            by_accounting: true,
            by: Vec::new(),
        });
        allowed.sources = sources;
        allowed.by_accounting &= accounting;
        allowed.by.extend(effects);
        if let (true, Some(effect)) = (had, last) {
            let zero = |attr| Demand::Bound { attr, lo: Some(Rat::ZERO), hi: Some(Rat::ZERO) };
            // a store that nothing may fill may still give
            let attr = match self.physical(unit).map(|set| set.law) {
                Some(Law::TwoWay { grid: false }) => Attr::Charge,
                Some(Law::TwoWay { grid: true }) => Attr::Export,
                _ => Attr::Power,
            };
            self.imply(unit, effect, class, zero(attr));
            self.emptied.push(Emptied { unit, class, effect, before });
        }
    }

    /// Where power 0 did not stand, neither does what took the last source: a lower class never keeps
    /// a higher one from being fed (semantics.md 13, 15).
    pub(super) fn feed_again(&mut self, class: ClassId) {
        for emptied in std::mem::take(&mut self.emptied) {
            let stands = self
                .standing(class, emptied.unit)
                .into_iter()
                .any(|at| self.items.get(at).is_some_and(|item| item.outcome.effect == emptied.effect));
            if stands || emptied.class != class {
                continue;
            }
            match emptied.before {
                Some(before) => self.allowed.insert(emptied.unit, before),
                None => self.allowed.remove(&emptied.unit),
            };
        }
    }

    fn supply_effects(&self, supplies: &[usize]) -> Vec<EffectRef> {
        let mut effects: Vec<EffectRef> =
            supplies.iter().filter_map(|at| self.supplies.get(*at)).map(|item| item.effect).collect();
        effects.sort_unstable();
        effects.dedup();
        effects
    }

    /// Sources that all of some positive supplies allow.
    fn common(&self, from: &[MemberRange], positive: &[usize]) -> Vec<MemberRange> {
        positive.iter().fold(from.to_vec(), |left, at| self.restricted(&left, *at))
    }

    fn restricted(&self, from: &[MemberRange], supply: usize) -> Vec<MemberRange> {
        match self.supplies.get(supply) {
            Some(item) if item.never => without(from, &item.from),
            Some(item) => within(from, &item.from),
            None => from.to_vec(),
        }
    }

    pub(super) fn finish_origins(&mut self) {
        let allowed = std::mem::take(&mut self.allowed);
        for (unit, allowed) in allowed {
            if let Some(unit) = self.unit(unit) {
                let Allowed { sources, by_accounting, by } = allowed;
                self.decision.origins.push(Origins { unit, allowed: sources, by_accounting, by });
            }
        }
        self.decision.origins.sort_by_key(|origins| origins.unit);
    }
}

fn overlap(a: &MemberRange, b: &MemberRange) -> Option<MemberRange> {
    let (first, last) = (a.first.max(b.first), a.last.min(b.last));
    (a.family == b.family && first <= last).then_some(MemberRange { family: a.family, first, last })
}

fn within(a: &[MemberRange], b: &[MemberRange]) -> Vec<MemberRange> {
    let mut found: Vec<MemberRange> =
        a.iter().flat_map(|a| b.iter().filter_map(move |b| overlap(a, b))).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn without(a: &[MemberRange], b: &[MemberRange]) -> Vec<MemberRange> {
    let mut left = a.to_vec();
    for removed in b {
        left = left
            .iter()
            .flat_map(|range| match overlap(range, removed) {
                None => vec![*range],
                Some(hit) => {
                    let mut parts = Vec::new();
                    if range.first < hit.first {
                        parts.push(MemberRange { last: hit.first - 1, ..*range });
                    }
                    if hit.last < range.last {
                        parts.push(MemberRange { first: hit.last + 1, ..*range });
                    }
                    parts
                }
            })
            .collect();
    }
    left
}
