//! Sets of numbers: sorted, disjoint closed intervals.

use crate::quantity::Rat;

/// A set of numbers as sorted, disjoint closed intervals in canonical units; empty where there are
/// none. `one of { 0, 1.4 .. 11 }` has two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalSet(Vec<(Rat, Rat)>);

impl IntervalSet {
    /// The union of closed intervals, in any order; reversed ones hold nothing.
    #[must_use]
    pub fn new(mut pieces: Vec<(Rat, Rat)>) -> Self {
        pieces.retain(|(lo, hi)| lo <= hi);
        pieces.sort();
        let mut merged: Vec<(Rat, Rat)> = Vec::with_capacity(pieces.len());
        for (lo, hi) in pieces {
            match merged.last_mut() {
                Some(last) if lo <= last.1 => {
                    if hi > last.1 {
                        last.1 = hi;
                    }
                }
                _ => merged.push((lo, hi)),
            }
        }
        Self(merged)
    }

    /// One closed interval.
    #[must_use]
    pub fn between(lo: Rat, hi: Rat) -> Self {
        Self::new(vec![(lo, hi)])
    }

    /// One value.
    #[must_use]
    pub fn just(value: Rat) -> Self {
        Self(vec![(value.clone(), value)])
    }

    /// The pieces, least first.
    #[must_use]
    pub fn pieces(&self) -> &[(Rat, Rat)] {
        &self.0
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds the value.
    #[must_use]
    pub fn contains(&self, value: &Rat) -> bool {
        self.0.iter().any(|(lo, hi)| lo <= value && value <= hi)
    }

    /// Its least value.
    #[must_use]
    pub fn min(&self) -> Option<&Rat> {
        self.0.first().map(|piece| &piece.0)
    }

    /// Its greatest value.
    #[must_use]
    pub fn max(&self) -> Option<&Rat> {
        self.0.last().map(|piece| &piece.1)
    }

    /// Its least and greatest value.
    #[must_use]
    pub fn hull(&self) -> Option<(Rat, Rat)> {
        Some((self.min()?.clone(), self.max()?.clone()))
    }

    /// Whether every value is also in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|(lo, hi)| other.0.iter().any(|(a, b)| a <= lo && hi <= b))
    }

    /// Keeps what lies between two bounds; `None` is unbounded.
    pub fn clip(&mut self, lo: Option<&Rat>, hi: Option<&Rat>) {
        if let Some(lo) = lo {
            self.0.retain(|piece| piece.1 >= *lo);
            if let Some(first) = self.0.first_mut()
                && first.0 < *lo
            {
                first.0 = lo.clone();
            }
        }
        if let Some(hi) = hi {
            self.0.retain(|piece| piece.0 <= *hi);
            if let Some(last) = self.0.last_mut()
                && last.1 > *hi
            {
                last.1 = hi.clone();
            }
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (lo, hi) = (Rat::max_of(&x.0, &y.0), Rat::min_of(&x.1, &y.1));
            let first_ends = x.1 <= y.1;
            if lo <= hi {
                both.push((lo, hi));
            }
            if first_ends {
                a.next();
            } else {
                b.next();
            }
        }
        Self(both)
    }

    /// Takes the isolated value zero away, if it is one.
    pub fn drop_isolated_zero(&mut self) {
        self.0.retain(|(lo, hi)| !(lo.is_zero() && hi.is_zero()));
    }

    /// Whether nothing but zero is left.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self.0.as_slice(), [(lo, hi)] if lo.is_zero() && hi.is_zero())
    }

    /// Whether all values are above zero (an empty set's are not).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.min().is_some_and(Rat::is_positive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set() -> impl Strategy<Value = IntervalSet> {
        prop::collection::vec((0..30_i64, 0..8_i64), 0..5).prop_map(|pieces| {
            IntervalSet::new(pieces.into_iter().map(|(lo, len)| (Rat::int(lo), Rat::int(lo + len))).collect())
        })
    }

    proptest! {
        #[test]
        fn operations_agree_with_membership(a in set(), b in set(), lo in 0..40_i64, hi in 0..40_i64) {
            let both = a.intersection(&b);
            let mut clipped = a.clone();
            clipped.clip(Some(&Rat::int(lo)), Some(&Rat::int(hi)));
            for half in 0..90_i64 {
                let x = Rat::ratio(i128::from(half), 2).unwrap();
                prop_assert_eq!(both.contains(&x), a.contains(&x) && b.contains(&x));
                prop_assert_eq!(clipped.contains(&x), a.contains(&x) && (Rat::int(lo)..=Rat::int(hi)).contains(&x));
                if both.contains(&x) {
                    prop_assert!(!both.is_empty());
                }
            }
            prop_assert!(both.is_subset(&a) && both.is_subset(&b));
            prop_assert!(both.pieces().windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
