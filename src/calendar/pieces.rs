//! Sets of instants as sorted pieces that do not touch: start included, end excluded.

use super::Instant;

type Pieces = Vec<(Instant, Instant)>;

/// The union of pieces in any order.
pub(super) fn joined(mut all: Pieces) -> Pieces {
    all.sort_unstable();
    let mut union: Pieces = Vec::with_capacity(all.len());
    for (start, end) in all {
        match union.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => union.push((start, end)),
        }
    }
    union
}

/// What two sets have in common.
pub(super) fn common(a: &[(Instant, Instant)], b: &[(Instant, Instant)]) -> Pieces {
    let mut both = Vec::new();
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    while let (Some((a_start, a_end)), Some((b_start, b_end))) = (a.peek().copied(), b.peek().copied()) {
        let (start, end) = (a_start.max(b_start), a_end.min(b_end));
        if start < end {
            both.push((start, end));
        }
        if a_end <= b_end {
            a.next();
        } else {
            b.next();
        }
    }
    both
}

/// What a set leaves of `[from, to)`.
pub(super) fn rest(of: &[(Instant, Instant)], from: Instant, to: Instant) -> Pieces {
    let mut left = Vec::with_capacity(of.len() + 1);
    let mut at = from;
    for (start, end) in of {
        if at < *start {
            left.push((at, *start));
        }
        at = at.max(*end);
    }
    if at < to {
        left.push((at, to));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ends: &[(i64, i64)]) -> Pieces {
        ends.iter().map(|(start, end)| (Instant(*start), Instant(*end))).collect()
    }

    #[test]
    fn pieces_that_touch_are_one() {
        assert_eq!(joined(set(&[(5, 7), (0, 2), (2, 4), (6, 9)])), set(&[(0, 4), (5, 9)]));
        assert_eq!(common(&set(&[(0, 4), (5, 9)]), &set(&[(2, 6), (8, 20)])), set(&[(2, 4), (5, 6), (8, 9)]));
        assert_eq!(rest(&set(&[(0, 4), (5, 9)]), Instant(0), Instant(12)), set(&[(4, 5), (9, 12)]));
        assert_eq!(rest(&[], Instant(1), Instant(2)), set(&[(1, 2)]));
    }
}
