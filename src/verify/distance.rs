//! How far a value lies from what is asked of it.

use super::fix::Interval;
use super::money::Amount;
use crate::eval::IntervalSet;
use crate::quantity::Rat;

/// Beyond everything that the verifier computes with.
const FARTHEST: i64 = 1_000_000_000_000_000;

/// Distance to an interval.
pub(super) fn between(lo: Option<&Rat>, hi: Option<&Rat>, value: Interval) -> Amount {
    let (low, high) = (value.lo(), value.hi());
    let beyond = |low: &Rat, high: &Rat| {
        let below = lo.map_or(Rat::ZERO, |lo| lo - low);
        let above = hi.map_or(Rat::ZERO, |hi| high - hi);
        Rat::max_of(&Rat::max_of(&below, &above), &Rat::ZERO)
    };
    Amount { lo: beyond(&high, &low), hi: beyond(&low, &high) }
}

/// Distance to the nearest piece of a set; nothing is near an empty one.
pub(super) fn from_set(set: &IntervalSet, value: Interval) -> Amount {
    let distances = set.pieces().iter().map(|(lo, hi)| between(Some(lo), Some(hi), value));
    let nearer =
        |a: Amount, b: Amount| Amount { lo: Rat::min_of(&a.lo, &b.lo), hi: Rat::min_of(&a.hi, &b.hi) };
    distances.reduce(nearer).unwrap_or_else(|| Amount::exact(Rat::int(FARTHEST)))
}
