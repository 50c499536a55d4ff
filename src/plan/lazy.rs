//! What a relaxation may break, and hardly ever does: two directions at once, and a power in the gap
//! below a machine's least. Both are left out at first; where a solution breaks one it gets its whole
//! column, and the program is solved again (planner.md 4, 7).

use std::collections::BTreeSet;

use super::exclusive::{self, Pair};
use super::solver::{Col, Program, Semi};

/// Powers below this, kW, are none; as far beyond a bound they still keep it.
const NONE: f64 = 1e-7;

/// Something that a program leaves out until a solution breaks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lazy {
    /// Two directions of which one must be zero.
    Pair(Pair),
    /// A power that is nothing or what some machines take.
    Semi(Semi),
}

/// A column and the bounds that it gets.
pub(super) type Way = (Col, f64, f64);

/// Two ways to mend what is broken, the nearer way first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mend {
    /// How far the nearer way is, as a share of what it would change.
    pub(super) away: f64,
    /// Either way.
    pub(super) ways: [Way; 2],
}

impl Lazy {
    /// Narrows the program to what its bounds leave once this holds: a direction that has to run rules
    /// the other out, and a bound in a gap moves to the gap's far end. After that either way to mend a
    /// point within the bounds lies within them as well.
    pub(super) fn narrow(&self, program: &mut Program) {
        match self {
            Self::Pair(Pair { a, b }) => {
                for (runs, idle) in [(*a, *b), (*b, *a)] {
                    if program.bounds(runs).0 > 0.0 {
                        program.narrow(idle, f64::NEG_INFINITY, 0.0);
                    }
                }
            }
            Self::Semi(semi) if semi.lo > 0.0 => {
                let (lower, upper) = program.bounds(semi.power);
                let least = if lower > NONE { running(semi, lower) * semi.lo } else { lower };
                let most = ((upper + NONE) / semi.lo).floor() * semi.hi;
                program.narrow(semi.power, least, most);
            }
            Self::Semi(_) => {}
        }
    }

    /// Whether a point breaks it.
    pub(super) fn broken(&self, x: &[f64]) -> bool {
        match self {
            Self::Pair(pair) => exclusive::clash(pair, x),
            Self::Semi(semi) => {
                let power = at(x, semi.power);
                power > NONE && power < running(semi, power) * semi.lo - NONE
            }
        }
    }

    /// How it can be mended at a point that breaks it.
    pub(super) fn mend(&self, program: &Program, x: &[f64]) -> Mend {
        match self {
            Self::Pair(Pair { a, b }) => {
                let (less, more) = if at(x, *a) <= at(x, *b) { (*a, *b) } else { (*b, *a) };
                let idle = |col: Col| (col, program.bounds(col).0.min(0.0), 0.0);
                let ways = between(
                    (idle(less), program.bounds(less).0 <= 0.0),
                    (idle(more), program.bounds(more).0 <= 0.0),
                );
                Mend { away: at(x, less) / at(x, more).max(NONE) / 2.0, ways }
            }
            Self::Semi(semi) => {
                let (lower, upper) = program.bounds(semi.power);
                let power = at(x, semi.power);
                let more = running(semi, power);
                let (below, above) = ((more - 1.0) * semi.hi, more * semi.lo);
                let fewer = (semi.power, lower.min(below), below);
                let more = (semi.power, above, upper.max(above));
                let (down, up) = (power - below, above - power);
                let (fewer, more) = ((fewer, lower <= below + NONE), (more, above <= upper + NONE));
                let ways = if up <= down { between(more, fewer) } else { between(fewer, more) };
                Mend { away: down.min(up) / (above - below).max(NONE), ways }
            }
        }
    }

    /// Adds its whole column; where a point is given, the values that the new columns have there.
    pub(super) fn split(&self, program: &mut Program, x: Option<&mut Vec<f64>>) {
        match self {
            Self::Pair(pair) => {
                exclusive::split(program, pair);
                if let Some(x) = x {
                    let (a, b) = (at(x, pair.a), at(x, pair.b));
                    let (a_most, b_most) = (program.bounds(pair.a).1, program.bounds(pair.b).1);
                    let z = if a > b { 1.0 } else { 0.0 };
                    x.extend([z, a - a_most * z, b + b_most * z]);
                }
            }
            Self::Semi(semi) => {
                let most = (program.bounds(semi.power).1 / semi.hi - NONE).ceil().max(0.0);
                let on = program.integer(0.0, most);
                program.semi(semi.power, on, semi.lo, semi.hi);
                if let Some(x) = x {
                    let power = at(x, semi.power);
                    let on = running(semi, power);
                    x.extend([on, power - semi.hi * on, power - semi.lo * on]);
                }
            }
        }
    }

    /// Fixes what is off at a point where nothing is broken, and how many machines run.
    pub(super) fn pin(&self, program: &mut Program, x: &[f64]) {
        match self {
            Self::Pair(pair) => exclusive::pin(program, [pair], x),
            Self::Semi(semi) => {
                let on = running(semi, at(x, semi.power));
                program.narrow(semi.power, on * semi.lo, on * semi.hi);
            }
        }
    }
}

/// Places of what a point breaks and has no whole column yet.
pub(super) fn broken(lazies: &[Lazy], split: &[usize], x: &[f64]) -> Vec<usize> {
    let done: BTreeSet<usize> = split.iter().copied().collect();
    (lazies.iter().enumerate())
        .filter(|(place, lazy)| lazy.broken(x) && !done.contains(place))
        .map(|(place, _)| place)
        .collect()
}

/// Puts back the counts of machines that were taken out of the program of a point.
pub(super) fn complete(semis: &[Semi], x: &mut [f64]) {
    for semi in semis {
        let power = at(x, semi.power);
        let on = running(semi, power);
        let [above, below] = semi.slacks;
        for (col, value) in [(semi.on, on), (above, power - semi.hi * on), (below, power - semi.lo * on)] {
            if let Some(slot) = x.get_mut(col.index()) {
                *slot = value;
            }
        }
    }
}

/// Two ways in their order; one that the bounds rule out gives way to the other.
const fn between(near: (Way, bool), far: (Way, bool)) -> [Way; 2] {
    match (near.1, far.1) {
        (false, true) => [far.0, far.0],
        (true, false) => [near.0, near.0],
        _ => [near.0, far.0],
    }
}

/// The fewest machines that take a power.
fn running(semi: &Semi, power: f64) -> f64 {
    if power <= NONE { 0.0 } else { ((power - NONE) / semi.hi).ceil().max(1.0) }
}

fn at(x: &[f64], col: Col) -> f64 {
    x.get(col.index()).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: (f64, f64), b: (f64, f64)) -> (Program, Pair) {
        let mut program = Program::default();
        let (a, b) = (program.col(a.0, a.1), program.col(b.0, b.1));
        (program, Pair { a, b })
    }

    fn semi(power: (f64, f64), count: f64) -> (Program, Semi) {
        let mut program = Program::default();
        let (power, on) = (program.col(power.0, power.1), program.integer(0.0, count));
        program.semi(power, on, 3.0, 4.0);
        let semi = program.without_counts([]).pop().unwrap();
        (program, semi)
    }

    #[test]
    fn a_direction_that_has_to_run_rules_the_other_out() {
        let (mut program, it) = pair((2.0, 5.0), (0.0, 5.0));
        Lazy::Pair(it).narrow(&mut program);
        assert_eq!((program.bounds(it.a), program.bounds(it.b)), ((2.0, 5.0), (0.0, 0.0)));
        let (mut program, it) = pair((0.0, 5.0), (0.0, 5.0));
        Lazy::Pair(it).narrow(&mut program);
        assert_eq!((program.bounds(it.a), program.bounds(it.b)), ((0.0, 5.0), (0.0, 5.0)));
        let (mut program, it) = pair((2.0, 5.0), (1.0, 5.0));
        Lazy::Pair(it).narrow(&mut program);
        assert!(program.is_contradictory());
    }

    #[test]
    fn a_bound_in_a_gap_moves_to_its_far_end() {
        // two machines of 3 to 4 kW: 0, 3 to 4, 6 to 8
        for (power, count, left) in [
            ((0.0, 9.0), 2.0, (0.0, 8.0)),
            ((1.0, 5.0), 2.0, (3.0, 4.0)),
            ((4.5, 8.0), 2.0, (6.0, 8.0)),
            ((0.0, 2.0), 2.0, (0.0, 0.0)),
            ((3.5, 3.7), 1.0, (3.5, 3.7)),
        ] {
            let (mut program, it) = semi(power, count);
            Lazy::Semi(it).narrow(&mut program);
            assert_eq!(program.bounds(it.power), left, "{power:?}");
        }
        let (mut program, it) = semi((4.5, 5.5), 2.0);
        Lazy::Semi(it).narrow(&mut program);
        assert!(program.is_contradictory());
    }

    #[test]
    fn no_way_to_mend_a_point_leaves_its_bounds() {
        let ways = |lazy: Lazy, program: &Program, x: &[f64]| lazy.mend(program, x).ways;
        let (program, it) = pair((2.0, 5.0), (0.0, 5.0));
        assert_eq!(ways(Lazy::Pair(it), &program, &[2.0, 3.0]), [(it.b, 0.0, 0.0); 2]);
        let (program, it) = pair((0.0, 5.0), (0.0, 5.0));
        assert_eq!(ways(Lazy::Pair(it), &program, &[2.0, 3.0]), [(it.a, 0.0, 0.0), (it.b, 0.0, 0.0)]);
        let (program, it) = semi((1.0, 8.0), 2.0);
        assert_eq!(ways(Lazy::Semi(it), &program, &[1.0])[1], (it.power, 3.0, 8.0));
        let (program, it) = semi((0.0, 2.0), 1.0);
        assert_eq!(ways(Lazy::Semi(it), &program, &[2.0]), [(it.power, 0.0, 0.0); 2]);
    }
}
