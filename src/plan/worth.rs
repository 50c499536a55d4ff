//! What a plan is worth: what it breaches, level by level from the top, then its money (planner.md 15).

use super::goals::Kind;
use super::model::Breach;
use super::solve::Solved;
use crate::bundle::{self, PlanDocument};
use crate::ir::{ClassId, SAFETY};
use std::collections::{BTreeMap, BTreeSet};

/// Differences of a breach below this, in its level's unit, are the optimiser's own.
const SAME: f64 = 1e-5;
/// What a rounded plan may breach more than its optimum, as a share of what is asked times the hours, before
/// another is looked for.
const ROUNDED: f64 = 1e-3;

/// Obligations before preferences, classes from the top, what comes back into its band first.
type Place = (bool, ClassId, bool);

/// What a plan is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Worth {
    breaches: BTreeMap<Place, f64>,
    money: f64,
}

impl Worth {
    /// Of a point.
    pub(super) fn of(solved: &Solved<'_, '_>) -> Self {
        let x = &solved.climb.x;
        let breaches = (solved.breached())
            .filter_map(|(kind, level)| {
                let place = match kind {
                    Kind::Initial(class) => (false, class, false),
                    Kind::Class(class) => (false, class, true),
                    Kind::Preference(class) => (true, class, true),
                    _ => return None,
                };
                Some((place, level.value(x)))
            })
            .collect();
        Self { breaches, money: super::entry::parts(solved).values().sum() }
    }

    /// Of a document: its breaches as the verifier measured them, weighed as the model weighs them. What is
    /// on its way back into its band counts with its class.
    pub(super) fn in_document(document: &PlanDocument, solved: &Solved<'_, '_>) -> Self {
        let money = document.money.plan_cost.to_f64();
        let mut breaches = BTreeMap::new();
        for breach in document.breaches.iter().filter(|breach| breach.money.is_none()) {
            let (place, weight) = weighed(breach, solved);
            *breaches.entry(place).or_insert(0.0) += weight * breach.amount.to_f64();
        }
        Self { breaches, money }
    }

    /// Of a point, as [`in_document`](Self::in_document) measures: also what every plan breaches.
    fn unrounded(solved: &Solved<'_, '_>) -> Self {
        let mut breaches = BTreeMap::new();
        for breach in &solved.model.breaches {
            let amount = solved.climb.x.get(breach.col.index()).copied().unwrap_or(0.0);
            *breaches.entry(place(breach)).or_insert(0.0) += breach.weight * amount;
        }
        Self { breaches, money: super::entry::parts(solved).values().sum() }
    }

    /// Whether rounding made a plan's breaches larger than registers account for.
    pub(super) fn is_raised(&self, solved: &Solved<'_, '_>) -> bool {
        let before = Self::unrounded(solved).breaches;
        self.breaches.iter().any(|(place, now)| now - before.get(place).copied().unwrap_or(0.0) > ROUNDED)
    }

    /// By how much this breaches more than another in the first place in which they differ by more than
    /// `near`; 0 where they differ in none.
    fn first_beyond(&self, other: &Self, near: f64) -> f64 {
        let of = |worth: &Self, place: &Place| worth.breaches.get(place).copied().unwrap_or(0.0);
        let places: BTreeSet<&Place> = self.breaches.keys().chain(other.breaches.keys()).collect();
        let mut beyond = places.into_iter().map(|place| of(self, place) - of(other, place));
        beyond.find(|beyond| beyond.abs() > near).unwrap_or(0.0)
    }

    /// Whether both breach the same.
    pub(super) fn breaks_as(&self, other: &Self) -> bool {
        self.first_beyond(other, SAME) == 0.0
    }

    /// Whether another is worth more by more than `near` currency.
    pub(super) fn is_below(&self, other: &Self, near: f64) -> bool {
        match self.first_beyond(other, SAME) {
            0.0 => self.money > other.money + near,
            beyond => beyond > 0.0,
        }
    }
}

/// Where a model's breach counts, what comes back into its band with its class.
fn place(breach: &Breach) -> Place {
    (breach.preference, breach.owner.class.unwrap_or(SAFETY), true)
}

/// Where a document's breach counts, and what one unit of it weighs an hour: the most that any of the model's
/// own of its statement in these steps does, for a setpoint beside its temperature weighs next to nothing.
fn weighed(breach: &bundle::Breach, solved: &Solved<'_, '_>) -> (Place, f64) {
    let scene = solved.model.scene;
    let within = |t: usize| (breach.first..=breach.last).contains(&u32::try_from(t).unwrap_or(u32::MAX));
    let here = (solved.model.breaches.iter())
        .filter(|own| own.owner.statement == breach.statement.statement && own.step.is_none_or(within));
    let mut found: Option<(Place, f64)> = None;
    for own in here {
        let weight = own.weight / own.step.map_or(1.0, |t| scene.hours(t));
        if found.is_none_or(|(_, most)| weight > most) {
            found = Some((place(own), weight));
        }
    }
    let class = || scene.site.classes.iter().position(|class| class.name == breach.class);
    let named = || ClassId(class().and_then(|place| u32::try_from(place).ok()).unwrap_or(SAFETY.0));
    found.unwrap_or_else(|| ((false, named(), true), 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(breaches: &[(Place, f64)], money: f64) -> Worth {
        Worth { breaches: breaches.iter().copied().collect(), money }
    }

    #[test]
    fn breaches_go_before_money_and_obligations_before_wishes() {
        let (owed, wished) = ((false, ClassId(2), true), (true, ClassId(1), true));
        let free = worth(&[], 9.0);
        assert!(worth(&[(owed, 0.1)], 1.0).is_below(&free, 0.0));
        assert!(!free.is_below(&worth(&[(owed, 0.1)], 1.0), 0.0));
        assert!(worth(&[(owed, 0.2)], 1.0).is_below(&worth(&[(wished, 5.0), (owed, 0.1)], 2.0), 0.0));
        // a higher class first, and back into the band first within one
        let higher = (false, ClassId(1), true);
        assert!(worth(&[(higher, 0.1)], 0.0).is_below(&worth(&[(owed, 7.0)], 0.0), 0.0));
        assert!(worth(&[((false, ClassId(2), false), 0.1)], 0.0).is_below(&worth(&[(owed, 7.0)], 0.0), 0.0));
        // what only the optimiser tells apart leaves it to money, and that to what is near
        assert!(!worth(&[(owed, 1e-7)], 9.0).is_below(&free, 0.0));
        assert!(worth(&[], 9.02).is_below(&free, 0.01) && !worth(&[], 9.005).is_below(&free, 0.01));
    }
}
