//! One signal over time: constant from each stamp to the next.

use crate::calendar::Instant;
use crate::ir::AggregateOp;
use crate::quantity::Rat;

/// A signal's values over a span without gaps, exact.
///
/// Values are kept as whole numbers of a power of ten in the written unit; a year of quarter-hours is
/// then plain integer work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// First instant of each piece, rising.
    starts: Vec<i64>,
    /// End of the last piece.
    end: i64,
    /// The written value of each piece in units of `unit`.
    digits: Vec<i64>,
    /// Canonical = digits x `unit` + `shift`.
    unit: Rat,
    shift: Rat,
}

impl Track {
    /// Pieces that begin at `starts` (rising) and end where the next begins, the last at `end`;
    /// canonical value = digits x unit + shift, `unit` above 0. `None` where that is not so.
    #[must_use]
    pub fn new(starts: Vec<i64>, end: i64, digits: Vec<i64>, unit: Rat, shift: Rat) -> Option<Self> {
        let rising = starts.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        let whole = starts.len() == digits.len() && starts.last().is_some_and(|last| *last < end);
        (rising && whole && unit.is_positive()).then_some(Self { starts, end, digits, unit, shift })
    }

    /// First instant and the first one after it.
    #[must_use]
    pub fn covers(&self) -> (Instant, Instant) {
        (Instant(self.starts.first().copied().unwrap_or(self.end)), Instant(self.end))
    }

    /// Least and greatest value, canonical.
    #[must_use]
    pub fn range(&self) -> (Rat, Rat) {
        let least = self.digits.iter().min().copied().unwrap_or(0);
        let most = self.digits.iter().max().copied().unwrap_or(0);
        (self.canonical(least), self.canonical(most))
    }

    fn canonical(&self, digits: i64) -> Rat {
        &self.unit * &Rat::int(digits) + &self.shift
    }

    /// Place of the piece that holds an instant.
    fn place(&self, at: i64) -> Option<usize> {
        if at >= self.end {
            return None;
        }
        self.starts.partition_point(|start| *start <= at).checked_sub(1)
    }

    /// Value at an instant; `None` outside.
    #[must_use]
    pub fn at(&self, at: Instant) -> Option<Rat> {
        let place = self.place(at.0)?;
        self.digits.get(place).map(|digits| self.canonical(*digits))
    }

    /// Pieces inside `[from, to)`: digits and seconds. `None` where it is not covered whole.
    fn pieces(&self, from: i64, to: i64, hint: usize) -> Option<(Vec<(i64, i64)>, usize)> {
        if from >= to || to > self.end {
            return None;
        }
        let known = self.starts.get(hint).is_some_and(|start| *start <= from)
            && self.starts.get(hint + 1).is_none_or(|next| from < *next);
        let first = if known { hint } else { self.place(from)? };
        let mut pieces = Vec::with_capacity(1);
        let (mut place, mut begin) = (first, from);
        while begin < to {
            let next = self.starts.get(place + 1).copied().unwrap_or(self.end).min(to);
            pieces.push((*self.digits.get(place)?, next.checked_sub(begin)?));
            (begin, place) = (next, place + 1);
        }
        // the next question usually begins where this one ends
        let hint = if self.starts.get(place).is_some_and(|start| *start <= to) { place } else { place - 1 };
        Some((pieces, hint))
    }

    fn mean_of(&self, pieces: &[(i64, i64)]) -> Option<Rat> {
        if let [(digits, _)] = pieces {
            return Some(self.canonical(*digits));
        }
        let mut sum = 0_i128;
        let mut seconds = 0_i128;
        for (digits, length) in pieces {
            sum = sum.checked_add(i128::from(*digits).checked_mul(i128::from(*length))?)?;
            seconds = seconds.checked_add(i128::from(*length))?;
        }
        Some(&Rat::ratio(sum, seconds)? * &self.unit + &self.shift)
    }

    /// Time-weighted mean over `[from, to)`, exact; `None` where it is not covered whole.
    #[must_use]
    pub fn mean(&self, from: Instant, to: Instant) -> Option<Rat> {
        self.mean_of(&self.pieces(from.0, to.0, 0)?.0)
    }

    /// The means over consecutive spans, in one walk. The error is the first span that is not covered.
    ///
    /// # Errors
    /// Where a span is not covered whole.
    pub fn means(
        &self,
        spans: impl Iterator<Item = (Instant, Instant)>,
    ) -> Result<Vec<Rat>, (Instant, Instant)> {
        let mut hint = 0;
        spans
            .map(|(from, to)| {
                let (pieces, next) = self.pieces(from.0, to.0, hint).ok_or((from, to))?;
                hint = next;
                self.mean_of(&pieces).ok_or((from, to))
            })
            .collect()
    }

    /// An aggregate over `[from, to)`; `sum` is the integral over hours.
    #[must_use]
    pub fn aggregate(&self, op: AggregateOp, from: Instant, to: Instant) -> Option<Rat> {
        let pieces = self.pieces(from.0, to.0, 0)?.0;
        let values = pieces.iter().map(|(digits, _)| *digits);
        match op {
            AggregateOp::Max => values.max().map(|digits| self.canonical(digits)),
            AggregateOp::Min => values.min().map(|digits| self.canonical(digits)),
            AggregateOp::Mean => self.mean_of(&pieces),
            AggregateOp::Sum => {
                let hours = Rat::ratio(i128::from(to.since(from)), 3600)?;
                self.mean_of(&pieces).map(|mean| mean * hours)
            }
        }
    }

    /// The instants in `(from, to)` at which the value changes.
    pub fn changes(&self, from: Instant, to: Instant) -> impl Iterator<Item = Instant> + '_ {
        let pairs = self.starts.iter().skip(1).zip(self.digits.iter().zip(self.digits.iter().skip(1)));
        pairs
            .filter(move |(at, (before, after))| (from.0 + 1..to.0).contains(*at) && before != after)
            .map(|(at, _)| Instant(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn track() -> Track {
        // 1.5 from 0 s, 3.0 from 900 s, 0.5 from 1800 s to 3600 s
        Track::new(vec![0, 900, 1800], 3600, vec![15, 30, 5], Rat::ratio(1, 10).unwrap(), Rat::ZERO).unwrap()
    }

    fn rat(text: &str) -> Rat {
        text.parse().unwrap()
    }

    #[test]
    fn means_are_time_weighted() {
        let t = track();
        assert_eq!(t.mean(Instant(0), Instant(900)), Some(rat("1.5")));
        assert_eq!(t.mean(Instant(0), Instant(1800)), Some(rat("2.25")));
        assert_eq!(t.mean(Instant(600), Instant(1200)), Some(rat("2.25")));
        // 300 s of 1.5, 900 of 3.0, 600 of 0.5: (450 + 2700 + 300) / 1800
        assert_eq!(t.mean(Instant(600), Instant(2400)), Some(rat("23/12")));
        assert_eq!(t.mean(Instant(0), Instant(3601)), None);
        assert_eq!(t.mean(Instant(-1), Instant(10)), None);
        assert_eq!(t.mean(Instant(10), Instant(10)), None);
    }

    #[test]
    fn aggregates_see_the_window_only() {
        let t = track();
        let of = |op, from, to| t.aggregate(op, Instant(from), Instant(to)).unwrap();
        assert_eq!(of(AggregateOp::Max, 0, 900), rat("1.5"));
        assert_eq!(of(AggregateOp::Max, 0, 901), rat("3"));
        assert_eq!(of(AggregateOp::Min, 1000, 3600), rat("0.5"));
        assert_eq!(of(AggregateOp::Sum, 0, 3600), rat("1.375"));
        assert_eq!(t.at(Instant(1799)), Some(rat("3")));
        assert_eq!(t.at(Instant(3600)), None);
        assert_eq!(t.changes(Instant(0), Instant(1800)).collect::<Vec<_>>(), [Instant(900)]);
    }

    #[test]
    fn units_with_an_offset_are_exact() {
        // 41 and 50 degF are 5 and 10 degC
        let factor = Rat::ratio(5, 9).unwrap();
        let shift = &Rat::ratio(45967, 100).unwrap() * &factor;
        let t = Track::new(vec![0, 10], 20, vec![41, 50], factor, shift).unwrap();
        assert_eq!(t.mean(Instant(0), Instant(20)), Some(rat("280.65")));
    }

    proptest! {
        #[test]
        fn one_walk_agrees_with_single_questions(
            lengths in proptest::collection::vec(1_i64..50, 1..20),
            digits in proptest::collection::vec(-1000_i64..1000, 20),
            cuts in proptest::collection::btree_set(0_i64..400, 2..20),
        ) {
            let mut starts = vec![0];
            for length in &lengths {
                starts.push(starts.last().unwrap() + length);
            }
            let end = starts.pop().unwrap();
            let digits = digits[..starts.len()].to_vec();
            let t = Track::new(starts, end, digits, Rat::ONE, Rat::ZERO).unwrap();
            let cuts: Vec<i64> = cuts.into_iter().filter(|c| *c <= end).collect();
            let spans = || cuts.windows(2).map(|w| (Instant(w[0]), Instant(w[1])));
            let walked = t.means(spans()).unwrap();
            let single: Vec<Rat> = spans().map(|(a, b)| t.mean(a, b).unwrap()).collect();
            prop_assert_eq!(&walked, &single);
            // the integral over the whole is the sum of the parts
            if let (Some(a), Some(b)) = (cuts.first(), cuts.last()) && a < b {
                let whole = t.mean(Instant(*a), Instant(*b)).unwrap() * Rat::int(b - a);
                let parts: Rat = spans().zip(&walked).map(|((x, y), m)| m * &Rat::int(y.since(x))).sum();
                prop_assert_eq!(whole, parts);
            }
        }
    }
}
