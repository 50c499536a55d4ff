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

/// Two ways to mend what is broken: a column and its bounds, the nearer way first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mend {
    /// How far the nearer way is, as a share of what it would change.
    pub(super) away: f64,
    /// Either way.
    pub(super) ways: [(Col, f64, f64); 2],
}

impl Lazy {
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
                Mend { away: at(x, less) / at(x, more).max(NONE) / 2.0, ways: [idle(less), idle(more)] }
            }
            Self::Semi(semi) => {
                let (lower, upper) = program.bounds(semi.power);
                let power = at(x, semi.power);
                let more = running(semi, power);
                let (below, above) = ((more - 1.0) * semi.hi, more * semi.lo);
                let fewer = (semi.power, lower.min(below), below);
                let more = (semi.power, above, upper.max(above));
                let (down, up) = (power - below, above - power);
                let ways = if up <= down { [more, fewer] } else { [fewer, more] };
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

/// The fewest machines that take a power.
fn running(semi: &Semi, power: f64) -> f64 {
    if power <= NONE { 0.0 } else { ((power - NONE) / semi.hi).ceil().max(1.0) }
}

fn at(x: &[f64], col: Col) -> f64 {
    x.get(col.index()).copied().unwrap_or(0.0)
}
