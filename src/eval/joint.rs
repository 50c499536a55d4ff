//! What binds several units at once: totals over groups by their hull (semantics.md 14), and zones
//! that cannot be heated and cooled at a time.

use std::collections::BTreeSet;

use super::decision::{Clash, Conflict, EffectRef, Status, Unit};
use super::device::DeviceSet;
use super::gather::TotalItem;
use super::resolve::{Resolution, minimal};
use crate::ir::ClassId;
use crate::quantity::Rat;

/// Something that binds several units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Joint {
    /// The total of this place.
    Total(usize),
    /// The zone of this place.
    Zone(usize),
}

/// From what units are narrowed.
#[derive(Clone, Copy)]
enum Base {
    /// What they physically can.
    Physical,
    /// What the higher classes left.
    Left,
}

type Bounds = (Option<Rat>, Option<Rat>);

/// The tighter of two pairs of bounds.
fn both(a: Bounds, b: &Bounds) -> Bounds {
    let tighter = |a: Option<Rat>, b: &Option<Rat>, pick: fn(&Rat, &Rat) -> Rat| match (a, b) {
        (Some(a), Some(b)) => Some(pick(&a, b)),
        (a, b) => a.or_else(|| b.clone()),
    };
    (tighter(a.0, &b.0, Rat::max_of), tighter(a.1, &b.1, Rat::min_of))
}

impl Resolution<'_> {
    /// What a class violates: of the totals that it bounds or whose members it touches while they
    /// are bounded, and the zones whose heaters or coolers it touches, those that do not hold. What
    /// holds within what is left holds physically and for each effect alone.
    pub(super) fn hard_joints(&self, class: ClassId, touched: &[usize]) -> Vec<Joint> {
        let of_class = self.totals.iter().filter(|item| item.total.class == class);
        let mut joints: BTreeSet<Joint> = of_class.map(|item| Joint::Total(item.key)).collect();
        for info in touched.iter().filter_map(|unit| self.evaluator.layout.units.get(*unit)) {
            let bounded = info.keys.iter().filter(|key| self.ranges.contains_key(key));
            joints.extend(bounded.map(|key| Joint::Total(*key)));
            joints.extend(info.zones.iter().map(|zone| Joint::Zone(*zone)));
        }
        let fails = |joint: &Joint| {
            let effects = self.candidates(*joint, |of| of == class);
            !self.holds(*joint, Base::Left, &effects)
        };
        joints.into_iter().filter(fails).collect()
    }

    fn units_of(&self, joint: Joint) -> Vec<usize> {
        let layout = &self.evaluator.layout;
        match joint {
            Joint::Total(key) => layout.keys.get(key).map(|key| key.units.clone()).unwrap_or_default(),
            Joint::Zone(zone) => {
                let thermal = layout.thermal.get(zone);
                thermal.map(|t| t.heaters.iter().chain(&t.coolers).copied().collect()).unwrap_or_default()
            }
        }
    }

    /// Effects that take part in a joint and are of a class that `which` accepts, in force.
    fn candidates(&self, joint: Joint, which: impl Fn(ClassId) -> bool) -> Vec<EffectRef> {
        let mut found = BTreeSet::new();
        for unit in self.units_of(joint) {
            let list = self.on_unit.get(&unit).map(Vec::as_slice).unwrap_or_default();
            for outcome in list.iter().filter_map(|at| self.items.get(*at)).map(|item| &item.outcome) {
                if which(outcome.class) && outcome.status == Status::InForce {
                    found.insert(outcome.effect);
                }
            }
        }
        if let Joint::Total(key) = joint {
            for total in self.totals.iter().filter(|item| item.key == key).map(|item| &item.total) {
                if which(total.class) && total.status == Status::InForce {
                    found.insert(total.effect);
                }
            }
        }
        found.into_iter().collect()
    }

    /// A unit narrowed by those of the effects that act on it.
    fn narrowed(&self, base: Base, unit: usize, effects: &[EffectRef]) -> Option<DeviceSet> {
        let set = match base {
            Base::Physical => self.physical(unit)?,
            Base::Left => self.left_of(unit)?,
        };
        let list = self.on_unit.get(&unit).map(Vec::as_slice).unwrap_or_default();
        let chosen = |at: &&usize| {
            self.items.get(**at).is_some_and(|item| {
                item.outcome.status == Status::InForce && effects.binary_search(&item.outcome.effect).is_ok()
            })
        };
        let items: Vec<usize> = list.iter().filter(chosen).copied().collect();
        if items.is_empty() { Some(set.clone()) } else { self.fit(set, &items) }
    }

    /// Whether the joint can hold with these effects (sorted).
    fn holds(&self, joint: Joint, base: Base, effects: &[EffectRef]) -> bool {
        match joint {
            Joint::Total(key) => self.total_holds(key, base, effects, None),
            Joint::Zone(zone) => {
                let Some(thermal) = self.evaluator.layout.thermal.get(zone) else { return true };
                let forced = |units: &[usize]| {
                    units
                        .iter()
                        .any(|unit| self.narrowed(base, *unit, effects).is_none_or(|set| set.is_forced()))
                };
                !(forced(&thermal.heaters) && forced(&thermal.coolers))
            }
        }
    }

    /// Whether the hull of the members' sums, narrowed by the effects (sorted), meets the bounds.
    /// `one`: an item that narrows one member of its unit.
    fn total_holds(&self, at: usize, base: Base, effects: &[EffectRef], one: Option<(usize, usize)>) -> bool {
        let Some(key) = self.evaluator.layout.keys.get(at) else { return true };
        let mut bounds: Bounds = match base {
            Base::Physical => (None, None),
            Base::Left => self.ranges.get(&at).cloned().unwrap_or_default(),
        };
        for total in self.totals.iter().filter(|item| item.key == at).map(|item| &item.total) {
            if effects.binary_search(&total.effect).is_ok() {
                bounds = both(bounds, &(total.lo.clone(), total.hi.clone()));
            }
        }
        if matches!(&bounds, (Some(lo), Some(hi)) if lo > hi) {
            return false;
        }
        let (mut least, mut most) = (Rat::ZERO, Rat::ZERO);
        for unit in &key.units {
            let Some(set) = self.narrowed(base, *unit, effects) else { return false };
            // a member without the attribute adds nothing to the total
            let Some((lo, hi)) = set.hull(&key.attr) else { continue };
            let mut count = i64::try_from(self.unit(*unit).map_or(1, |unit| unit.len())).unwrap_or(1);
            if let Some((_, item)) = one.filter(|(of, _)| of == unit) {
                let Some(single) = self.fit(&set, &[item]) else { return false };
                if let Some((lo, hi)) = single.hull(&key.attr) {
                    least += &lo;
                    most += &hi;
                }
                count -= 1;
            }
            let count = Rat::int(count);
            least += &(&lo * &count);
            most += &(&hi * &count);
        }
        bounds.0.is_none_or(|lo| lo <= most) && bounds.1.is_none_or(|hi| hi >= least)
    }

    /// Semantics 12 over several units.
    pub(super) fn joint_conflicts(&mut self, class: ClassId, joints: &[Joint]) {
        for joint in joints {
            loop {
                let effects = self.candidates(*joint, |of| of == class);
                if self.holds(*joint, Base::Physical, &effects) {
                    break;
                }
                let least = minimal(&effects, |set| self.holds(*joint, Base::Physical, set));
                let clash = match joint {
                    _ if least.len() < 2 => Clash::BeyondDevice,
                    Joint::Total(_) => Clash::Contradiction,
                    Joint::Zone(_) => Clash::Opposed,
                };
                if !self.drop_effects(class, clash, *joint, &least, Vec::new()) {
                    break;
                }
            }
        }
    }

    /// Semantics 13 over several units.
    pub(super) fn joint_overrides(&mut self, class: ClassId, joints: &[Joint]) {
        for joint in joints {
            self.override_alone(class, *joint);
            loop {
                let effects = self.candidates(*joint, |of| of == class);
                if self.holds(*joint, Base::Left, &effects) {
                    break;
                }
                let least = minimal(&effects, |set| self.holds(*joint, Base::Left, set));
                let against = self.joint_blame(class, *joint, &least);
                if !self.drop_effects(class, Clash::JointMiss, *joint, &least, against) {
                    break;
                }
            }
        }
    }

    /// Overrides what alone misses what is left: a bound on the total, or one member's effect.
    fn override_alone(&mut self, class: ClassId, joint: Joint) {
        if let Joint::Total(key) = joint {
            let of_class = |item: &TotalItem| {
                item.key == key && item.total.class == class && item.total.status == Status::InForce
            };
            let totals: Vec<EffectRef> =
                self.totals.iter().filter(|item| of_class(item)).map(|item| item.total.effect).collect();
            for effect in totals {
                if !self.total_holds(key, Base::Left, &[effect], None) {
                    let by = self.joint_blame(class, joint, &[effect]);
                    self.set_effect(joint, effect, &Status::Overridden { by });
                }
            }
        }
        for unit in self.units_of(joint) {
            for at in self.standing(class, unit) {
                let holds = match joint {
                    Joint::Total(key) => self.total_holds(key, Base::Left, &[], Some((unit, at))),
                    Joint::Zone(_) => {
                        let effect = self.effects_of(&[at]);
                        self.holds(joint, Base::Left, &effect)
                    }
                };
                if !holds {
                    let by = self.joint_blame(class, joint, &self.effects_of(&[at]));
                    self.set_status(at, Status::Overridden { by });
                }
            }
        }
    }

    /// A least set of effects of higher classes that, with these, cannot hold.
    fn joint_blame(&self, class: ClassId, joint: Joint, effects: &[EffectRef]) -> Vec<EffectRef> {
        let above = self.candidates(joint, |of| of < class);
        minimal(&above, |set| {
            let mut with: Vec<EffectRef> = set.iter().chain(effects).copied().collect();
            with.sort_unstable();
            self.holds(joint, Base::Physical, &with)
        })
    }

    /// Drops effects on the units of a joint; `false` where there is nothing to drop.
    fn drop_effects(
        &mut self,
        class: ClassId,
        clash: Clash,
        joint: Joint,
        effects: &[EffectRef],
        against: Vec<EffectRef>,
    ) -> bool {
        if effects.is_empty() {
            return false;
        }
        let mut units: Vec<Unit> = self.units_of(joint).into_iter().filter_map(|at| self.unit(at)).collect();
        if let Joint::Zone(zone) = joint {
            units.extend(
                self.evaluator.layout.zone_unit(crate::ir::ZoneId::at(zone)).and_then(|at| self.unit(at)),
            );
        }
        let effects = effects.to_vec();
        let at =
            self.report(Conflict { clash, class, units, effects: effects.clone(), against, dropped: true });
        for effect in effects {
            self.set_effect(joint, effect, &Status::Dropped(at));
        }
        true
    }

    fn set_effect(&mut self, joint: Joint, effect: EffectRef, status: &Status) {
        for unit in self.units_of(joint) {
            for at in self.on_unit.get(&unit).cloned().unwrap_or_default() {
                let matches = self.items.get(at).is_some_and(|item| {
                    item.outcome.effect == effect && item.outcome.status == Status::InForce
                });
                if matches {
                    self.set_status(at, status.clone());
                }
            }
        }
        if let Joint::Total(key) = joint {
            for item in self.totals.iter_mut().filter(|item| item.key == key && item.total.effect == effect) {
                item.total.status = status.clone();
            }
        }
    }

    /// Narrows what is left of the totals that a class bounds.
    pub(super) fn narrow_totals(&mut self, class: ClassId) {
        for item in &self.totals {
            if item.total.class == class && item.total.status == Status::InForce {
                let before = self.ranges.remove(&item.key).unwrap_or_default();
                let now = both(before, &(item.total.lo.clone(), item.total.hi.clone()));
                self.ranges.insert(item.key, now);
            }
        }
    }
}
