//! Classes from the top down: conflict within a class, then override by what is above
//! (semantics.md 12, 13).
//!
//! For each class, in order: effects on one unit that cannot hold together inside the physical
//! range (12), totals and heated-and-cooled zones likewise; then effects that alone miss what the
//! higher classes left are overridden, and what jointly misses it is dropped (13); what remains
//! narrows what is left.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Clash, Conflict, Decision, EffectRef, Following, Outcome, Status, Unit};
use super::device::{Demand, DeviceSet, Law};
use super::evaluator::Evaluator;
use super::gather::{FollowItem, Gathering, Item, SupplyItem, TotalItem};
use super::origins::{Allowed, Emptied};
use crate::ir::{ClassId, MemberRange};
use crate::quantity::Rat;

/// Most effects on one unit whose pairs are all compared; of any others see [`Evaluator::clashes`].
const MAX_PAIRED: usize = 32;

/// The state of one evaluation.
pub(super) struct Resolution<'e> {
    pub(super) evaluator: &'e Evaluator<'e>,
    pub(super) decision: Decision,
    pub(super) items: Vec<Item>,
    pub(super) totals: Vec<TotalItem>,
    pub(super) supplies: Vec<SupplyItem>,
    follows: Vec<FollowItem>,
    /// Items by unit, of all classes, the higher first, then in source order.
    pub(super) on_unit: BTreeMap<usize, Vec<usize>>,
    /// What is left of each touched unit, bounds on means included.
    pub(super) left: BTreeMap<usize, DeviceSet>,
    /// The same without bounds on means, where that differs.
    instant: BTreeMap<usize, DeviceSet>,
    /// What is left of each touched total.
    pub(super) ranges: BTreeMap<usize, (Option<Rat>, Option<Rat>)>,
    pub(super) allowed: BTreeMap<usize, Allowed>,
    /// Units to which the class at hand has left no source.
    pub(super) emptied: Vec<Emptied>,
    /// Places of the conflicts by their effects.
    reported: BTreeMap<Vec<EffectRef>, Vec<usize>>,
}

impl<'e> Resolution<'e> {
    pub(super) fn new(evaluator: &'e Evaluator<'e>, gathering: Gathering) -> Self {
        let Gathering { decision, items, totals, supplies, follows } = gathering;
        Self {
            evaluator,
            decision,
            items,
            totals,
            supplies,
            follows,
            on_unit: BTreeMap::new(),
            left: BTreeMap::new(),
            instant: BTreeMap::new(),
            ranges: BTreeMap::new(),
            allowed: BTreeMap::new(),
            emptied: Vec::new(),
            reported: BTreeMap::new(),
        }
    }

    pub(super) fn resolve(mut self) -> Decision {
        // stable: source order within a class
        self.items.sort_by_key(|item| item.outcome.class);
        self.totals.sort_by_key(|item| item.total.class);
        let mut classes: BTreeSet<ClassId> = self.items.iter().map(|item| item.outcome.class).collect();
        classes.extend(self.totals.iter().map(|item| item.total.class));
        classes.extend(self.supplies.iter().map(|item| item.class));
        classes.extend(self.follows.iter().map(|item| item.class));
        for at in 0..self.items.len() {
            self.place(at);
        }
        for class in classes {
            self.class(class);
        }
        self.follow();
        self.finish()
    }

    /// See [`Evaluator::clashes`].
    pub(super) fn has_clash(
        mut self,
        first: &dyn Fn(EffectRef) -> bool,
        second: &dyn Fn(EffectRef) -> bool,
    ) -> bool {
        for at in 0..self.items.len() {
            self.place(at);
        }
        self.on_unit.iter().any(|(unit, list)| {
            let Some(base) = self.physical(*unit) else { return false };
            let alone = |which: &dyn Fn(EffectRef) -> bool| -> Vec<(usize, &Outcome)> {
                let items = list.iter().filter_map(|at| Some((*at, &self.items.get(*at)?.outcome)));
                let acts = |o: &Outcome| o.status == Status::InForce && which(o.effect);
                items.filter(|(at, o)| acts(o) && self.fit(base, &[*at]).is_some()).collect()
            };
            let (firsts, seconds) = (alone(first), alone(second));
            firsts.iter().any(|(a, of_a)| {
                seconds.iter().any(|(b, of_b)| {
                    of_a.class == of_b.class
                        && of_a.effect != of_b.effect
                        && self.fit(base, &[*a, *b]).is_none()
                })
            })
        })
    }

    fn place(&mut self, at: usize) {
        if let Some(item) = self.items.get(at) {
            self.on_unit.entry(item.unit).or_default().push(at);
        }
    }

    /// Adds a demand that a `supply` without any source left makes.
    pub(super) fn imply(&mut self, unit: usize, effect: EffectRef, class: ClassId, demand: Demand) {
        let Some(of) = self.unit(unit) else { return };
        let outcome = Outcome { effect, class, unit: of, demand, averaged_s: None, status: Status::InForce };
        let at = self.items.len();
        self.items.push(Item { unit, outcome });
        let class_of = |at: &usize| self.items.get(*at).map(|item| item.outcome.class);
        let list = self.on_unit.entry(unit).or_default();
        let place = list.partition_point(|other| class_of(other) <= Some(class));
        list.insert(place, at);
    }

    pub(super) fn unit(&self, at: usize) -> Option<Unit> {
        self.evaluator.layout.units.get(at).map(|info| info.unit)
    }

    pub(super) fn physical(&self, unit: usize) -> Option<&DeviceSet> {
        self.evaluator.layout.units.get(unit).map(|info| &info.physical)
    }

    /// What is left of a unit.
    pub(super) fn left_of(&self, unit: usize) -> Option<&DeviceSet> {
        self.left.get(&unit).or_else(|| self.physical(unit))
    }

    /// Items of a class on a unit that still stand.
    pub(super) fn standing(&self, class: ClassId, unit: usize) -> Vec<usize> {
        let list = self.on_unit.get(&unit).map(Vec::as_slice).unwrap_or_default();
        let stands = |at: &&usize| {
            self.items
                .get(**at)
                .is_some_and(|item| item.outcome.class == class && item.outcome.status == Status::InForce)
        };
        list.iter().filter(stands).copied().collect()
    }

    fn class(&mut self, class: ClassId) {
        self.supply(class);
        let mut touched: Vec<usize> = Vec::new();
        for (unit, list) in &self.on_unit {
            let has = |at: &usize| self.items.get(*at).is_some_and(|item| item.outcome.class == class);
            if list.iter().any(has) {
                touched.push(*unit);
            }
        }
        // what fits together into what is left neither conflicts nor is overridden: the common case
        let mut planned: BTreeMap<usize, DeviceSet> = BTreeMap::new();
        let mut hard: Vec<usize> = Vec::new();
        for unit in &touched {
            match self.left_of(*unit).and_then(|left| self.fit(left, &self.standing(class, *unit))) {
                Some(next) => {
                    planned.insert(*unit, next);
                }
                None => hard.push(*unit),
            }
        }
        for unit in &hard {
            self.conflicts_on(class, *unit);
        }
        let joints = self.hard_joints(class, &touched);
        self.joint_conflicts(class, &joints);
        for unit in &hard {
            self.overrides_on(class, *unit);
        }
        self.joint_overrides(class, &joints);
        for unit in touched {
            let next = planned.remove(&unit).filter(|_| joints.is_empty());
            self.narrow(class, unit, next);
        }
        self.narrow_totals(class);
        self.feed_again(class);
    }

    /// Semantics 12 on one unit.
    fn conflicts_on(&mut self, class: ClassId, unit: usize) {
        let all = self.standing(class, unit);
        let mut standing = all.clone();
        loop {
            let Some(base) = self.physical(unit) else { return };
            let Some(least) = core(&standing, |set| self.fit(base, set).is_some()) else { break };
            let clash = self.clash(base, &least);
            standing.retain(|at| !least.contains(at));
            self.drop_items(class, clash, unit, &least, Vec::new());
        }
        if standing.len() < all.len() {
            self.further_pairs(class, unit, &all);
        }
    }

    /// Pairs that clash among effects of which one was dropped with others: reported, so that no
    /// rule hides a contradiction of two others.
    fn further_pairs(&mut self, class: ClassId, unit: usize, all: &[usize]) {
        let Some(base) = self.physical(unit).cloned() else { return };
        let Some(of) = self.unit(unit) else { return };
        let alone: Vec<usize> = all.iter().copied().filter(|at| self.fit(&base, &[*at]).is_some()).collect();
        for (i, first) in alone.iter().enumerate().take(MAX_PAIRED) {
            for second in alone.iter().take(MAX_PAIRED).skip(i + 1) {
                let pair = [*first, *second];
                if self.fit(&base, &pair).is_some() {
                    continue;
                }
                let effects = self.effects_of(&pair);
                let mut known = self.reported_of(&effects);
                if !known.any(|at| self.decision.conflicts.get(at).is_some_and(|c| c.units.contains(&of))) {
                    let clash = self.clash(&base, &pair);
                    let (units, against) = (vec![of], Vec::new());
                    self.report(Conflict { clash, class, units, effects, against, dropped: false });
                }
            }
        }
    }

    fn clash(&self, base: &DeviceSet, items: &[usize]) -> Clash {
        if items.len() < 2 {
            return Clash::BeyondDevice;
        }
        let mut open = base.clone();
        open.law = Law::Passive;
        let Law::TwoWay { .. } = base.law else { return Clash::Contradiction };
        let Some((a, b)) = base.directions() else { return Clash::Contradiction };
        for item in items.iter().filter_map(|at| self.items.get(*at)) {
            open.narrow(&item.outcome.demand);
        }
        let forced = |attr| open.numbers.get(attr).is_some_and(super::IntervalSet::is_positive);
        if forced(&a) && forced(&b) { Clash::Opposed } else { Clash::Contradiction }
    }

    /// Semantics 13 on one unit.
    fn overrides_on(&mut self, class: ClassId, unit: usize) {
        if !self.left.contains_key(&unit) {
            // nothing above has touched it, and conflicts inside the physical range are out
            return;
        }
        for at in self.standing(class, unit) {
            let Some(left) = self.left_of(unit) else { return };
            if self.fit(left, &[at]).is_none() {
                let by = self.blame(unit, class, &[at]);
                self.set_status(at, Status::Overridden { by });
            }
        }
        loop {
            let standing = self.standing(class, unit);
            let Some(left) = self.left_of(unit) else { return };
            if self.fit(left, &standing).is_some() {
                return;
            }
            let least = minimal(&standing, |set| self.fit(left, set).is_some());
            let against = self.blame(unit, class, &least);
            self.drop_items(class, Clash::JointMiss, unit, &least, against);
        }
    }

    /// A least set of effects of higher classes that, with these, cannot hold.
    fn blame(&self, unit: usize, class: ClassId, items: &[usize]) -> Vec<EffectRef> {
        let list = self.on_unit.get(&unit).map(Vec::as_slice).unwrap_or_default();
        let above = |at: &&usize| {
            self.items
                .get(**at)
                .is_some_and(|item| item.outcome.class < class && item.outcome.status == Status::InForce)
        };
        let above: Vec<usize> = list.iter().filter(above).copied().collect();
        let Some(base) = self.physical(unit) else { return Vec::new() };
        let least = minimal(&above, |set| {
            let with: Vec<usize> = set.iter().chain(items).copied().collect();
            self.fit(base, &with).is_some()
        });
        self.effects_of(&least)
    }

    /// The unit narrowed by some items; `None` where nothing is left.
    pub(super) fn fit(&self, base: &DeviceSet, items: &[usize]) -> Option<DeviceSet> {
        let mut set = base.clone();
        for item in items.iter().filter_map(|at| self.items.get(*at)) {
            set.narrow(&item.outcome.demand);
        }
        set.close();
        (!set.is_empty()).then_some(set)
    }

    /// Narrows what is left of a unit to `next`, or to what the standing effects leave.
    fn narrow(&mut self, class: ClassId, unit: usize, next: Option<DeviceSet>) {
        let standing = self.standing(class, unit);
        let Some(left) = self.left_of(unit) else { return };
        let Some(next) = next.or_else(|| self.fit(left, &standing)) else { return };
        let means = |at: &usize| self.items.get(*at).is_some_and(|item| item.outcome.averaged_s.is_some());
        if self.instant.contains_key(&unit) || standing.iter().any(means) {
            let before = self.instant.get(&unit).unwrap_or(left).clone();
            let now: Vec<usize> = standing.iter().copied().filter(|at| !means(at)).collect();
            // fewer demands than `next` obeys: something is left
            if let Some(instant) = self.fit(&before, &now) {
                self.instant.insert(unit, instant);
            }
        }
        self.left.insert(unit, next);
    }

    pub(super) fn set_status(&mut self, at: usize, status: Status) {
        if let Some(item) = self.items.get_mut(at) {
            item.outcome.status = status;
        }
    }

    pub(super) fn effects_of(&self, items: &[usize]) -> Vec<EffectRef> {
        let mut effects: Vec<EffectRef> =
            items.iter().filter_map(|at| self.items.get(*at)).map(|item| item.outcome.effect).collect();
        effects.sort_unstable();
        effects.dedup();
        effects
    }

    fn drop_items(
        &mut self,
        class: ClassId,
        clash: Clash,
        unit: usize,
        items: &[usize],
        against: Vec<EffectRef>,
    ) {
        let units = self.unit(unit).into_iter().collect();
        let effects = self.effects_of(items);
        let at = self.report(Conflict { clash, class, units, effects, against, dropped: true });
        for item in items {
            self.set_status(*item, Status::Dropped(at));
        }
    }

    /// Adds a conflict; the same statements on several units are one. Returns its place.
    pub(super) fn report(&mut self, conflict: Conflict) -> usize {
        let same = |other: &Conflict| {
            (other.clash, other.class, other.dropped) == (conflict.clash, conflict.class, conflict.dropped)
                && other.effects == conflict.effects
                && other.against == conflict.against
        };
        let mut known = self.reported_of(&conflict.effects);
        if let Some(at) = known.find(|at| self.decision.conflicts.get(*at).is_some_and(same)) {
            if let Some(known) = self.decision.conflicts.get_mut(at) {
                known.units.extend(conflict.units);
                known.units.sort_unstable();
                known.units.dedup();
            }
            return at;
        }
        let at = self.decision.conflicts.len();
        self.reported.entry(conflict.effects.clone()).or_default().push(at);
        self.decision.conflicts.push(conflict);
        at
    }

    /// Places of the conflicts of just these effects, the first reported first.
    fn reported_of(&self, effects: &[EffectRef]) -> impl Iterator<Item = usize> + use<> {
        self.reported.get(effects).cloned().unwrap_or_default().into_iter()
    }

    /// `follow` names a way of working: one class may name one, and the highest class does.
    fn follow(&mut self) {
        let mut follows = std::mem::take(&mut self.follows);
        follows.sort_by_key(|item| (item.unit, item.class));
        let same = |a: &FollowItem, b: &FollowItem| {
            a.meter.grid == b.meter.grid && a.meter.net_import(&a.target) == b.meter.net_import(&b.target)
        };
        for on_unit in follows.chunk_by(|a, b| a.unit == b.unit) {
            let Some(unit) = on_unit.first().and_then(|item| self.unit(item.unit)) else { continue };
            let mut chosen: Option<&FollowItem> = None;
            for in_class in on_unit.chunk_by(|a, b| a.class == b.class) {
                let Some(first) = in_class.first() else { continue };
                if let Some(other) = in_class.iter().find(|item| !same(item, first)) {
                    let (units, effects) = (vec![unit], vec![first.effect, other.effect]);
                    let (clash, class) = (Clash::Contradiction, first.class);
                    self.report(Conflict {
                        clash,
                        class,
                        units,
                        effects,
                        against: Vec::new(),
                        dropped: true,
                    });
                    continue;
                }
                match chosen {
                    Some(chosen) if !same(chosen, first) => {
                        let displaced = in_class.iter().map(|item| (item.effect, unit, vec![chosen.effect]));
                        self.decision.displaced.extend(displaced);
                    }
                    _ => chosen = chosen.or(Some(first)),
                }
            }
            self.decision.following.extend(chosen.map(|item| Following {
                effect: item.effect,
                class: item.class,
                unit,
                meter: item.meter,
                target: item.target.clone(),
            }));
        }
    }

    fn finish(mut self) -> Decision {
        self.finish_origins();
        let layout = &self.evaluator.layout;
        let units = &layout.units;
        let resolved = self.left.into_iter().filter_map(|(at, left)| {
            let set = self.instant.remove(&at).unwrap_or(left);
            Some((units.get(at)?.unit, set))
        });
        self.decision.resolved = resolved.collect();
        self.decision.outcomes = self.items.into_iter().map(|item| item.outcome).collect();
        self.decision.outcomes.sort_by_key(|outcome| (outcome.class, outcome.effect, outcome.unit));
        self.decision.totals = self.totals.into_iter().map(|item| item.total).collect();
        self.decision
    }

    /// Sources named by `from` that exist.
    pub(super) fn sources(&self) -> &[MemberRange] {
        &self.evaluator.layout.sources
    }
}

/// A least inconsistent subset of an inconsistent list, as deletion in its order leaves it: each
/// element is left out in turn where the rest is inconsistent without it.
pub(super) fn minimal<T: Copy>(all: &[T], consistent: impl FnMut(&[T]) -> bool) -> Vec<T> {
    core(all, consistent).unwrap_or_else(|| all.to_vec())
}

/// The same of a list that may be consistent: then there is none.
///
/// What is inconsistent stays so whatever is added. So deletion keeps next the last element from
/// which on the rest, with what is kept, is inconsistent; that is sought from the end in growing
/// steps, and costs what is behind it rather than the whole list.
fn core<T: Copy>(all: &[T], mut consistent: impl FnMut(&[T]) -> bool) -> Option<Vec<T>> {
    let mut kept: Vec<T> = Vec::new();
    let mut from = 0;
    loop {
        // consistent from `high` on, inconsistent from `low` on
        let (mut low, mut high) = (from, all.len());
        let mut fails_from = |at: usize| {
            let mut set = kept.clone();
            set.extend_from_slice(all.get(at..).unwrap_or_default());
            !consistent(&set)
        };
        if fails_from(high) {
            return Some(kept);
        }
        let mut step = 1;
        loop {
            let at = high.saturating_sub(step).max(from);
            if at == from && from > 0 {
                break;
            }
            if fails_from(at) {
                low = at;
                break;
            }
            if at == from {
                return None;
            }
            high = at;
            step *= 2;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fails_from(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        kept.push(*all.get(low)?);
        from = low + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::minimal;

    /// Deletion as it is defined.
    fn deleted(all: &[u32], consistent: impl Fn(&[u32]) -> bool) -> Vec<u32> {
        let mut kept = all.to_vec();
        let mut at = 0;
        while at < kept.len() {
            let mut without = kept.clone();
            without.remove(at);
            if consistent(&without) {
                at += 1;
            } else {
                kept = without;
            }
        }
        kept
    }

    proptest! {
        #[test]
        fn steps_from_the_end_find_what_deletion_leaves(
            count in 0_u32..24,
            bad in prop::collection::vec(prop::collection::btree_set(0_u32..24, 0..4), 0..6),
        ) {
            let all: Vec<u32> = (0..count).collect();
            let consistent = |set: &[u32]| !bad.iter().any(|core| core.iter().all(|one| set.contains(one)));
            prop_assert_eq!(minimal(&all, consistent), deleted(&all, consistent));
        }
    }
}
