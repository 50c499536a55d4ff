//! What a plan is worth: what it breaches, level by level from the top, then its money (planner.md 15).

use super::goals::Kind;
use super::solve::Solved;
use crate::ir::ClassId;
use std::collections::BTreeMap;

/// Differences of a breach below this, in its level's unit, are the optimiser's own.
const SAME: f64 = 1e-5;

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

    /// Whether another is worth more by more than `near` currency.
    pub(super) fn is_below(&self, other: &Self, near: f64) -> bool {
        let of = |worth: &Self, place: &Place| worth.breaches.get(place).copied().unwrap_or(0.0);
        let places: std::collections::BTreeSet<&Place> =
            self.breaches.keys().chain(other.breaches.keys()).collect();
        for place in places {
            let beyond = of(self, place) - of(other, place);
            if beyond.abs() > SAME {
                return beyond > 0.0;
            }
        }
        self.money > other.money + near
    }
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
