//! Two directions that never run together (planner.md 4): charge and discharge, import and export,
//! both ways of a link, heat and cool. Binaries are added only for steps in which both sides of a
//! pair came out above zero.

use super::model::{Aff, Builder};
use super::solver::{Col, Program};

/// Both sides above this, kW, is a clash. Far below one register step, so that no rounding can make
/// a clash of what passed here.
const BOTH: f64 = 1e-6;

/// Two columns of which one must be zero; both are bounded above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// One direction.
    pub(super) a: Col,
    /// The other.
    pub(super) b: Col,
}

/// Keeps two directions of one thing apart. A direction that is told to run at one power has no column:
/// it rules the other out.
pub(super) fn apart(b: &mut Builder<'_, '_>, one: &Aff, other: &Aff) {
    let sides = [one, other].map(|power| match power.terms.as_slice() {
        [] => None,
        [(col, factor)] if power.constant == 0.0 && *factor > 0.0 => Some(*col),
        _ => super::semicontinuous::as_column(b, power.clone()).column(),
    });
    let runs = [one, other].map(|power| power.terms.is_empty() && power.constant > 0.0);
    match (sides, runs) {
        ([Some(a), Some(other)], _) => b.pairs.push(Pair { a, b: other }),
        ([None, Some(idle)], [true, _]) | ([Some(idle), None], [_, true]) => {
            b.program.narrow(idle, f64::NEG_INFINITY, 0.0);
        }
        (_, [true, true]) => b.program.contradict(),
        _ => {}
    }
}

/// Whether both sides of a pair run at `x`.
pub(super) fn clash(pair: &Pair, x: &[f64]) -> bool {
    let at = |c: Col| x.get(c.index()).copied().unwrap_or(0.0);
    at(pair.a).min(at(pair.b)) > BOTH
}

/// Adds the binary of a pair: `a <= A z`, `b <= B (1 - z)`.
pub(super) fn split(program: &mut Program, pair: &Pair) {
    let (_, a_most) = program.bounds(pair.a);
    let (_, b_most) = program.bounds(pair.b);
    let z = program.integer(0.0, 1.0);
    program.at_most([(pair.a, 1.0), (z, -a_most)], 0.0);
    program.at_most([(pair.b, 1.0), (z, b_most)], b_most);
}

/// Fixes at zero the idle side of pairs that have no binary, as they run at `x`, so that continuous
/// levels after the integers are fixed cannot bring a clash back.
pub(super) fn pin<'p>(program: &mut Program, pairs: impl IntoIterator<Item = &'p Pair>, x: &[f64]) {
    let at = |c: Col| x.get(c.index()).copied().unwrap_or(0.0);
    for pair in pairs {
        let (idle, value) =
            if at(pair.a) <= at(pair.b) { (pair.a, at(pair.a)) } else { (pair.b, at(pair.b)) };
        let (lower, _) = program.bounds(idle);
        let most = value.max(lower).max(0.0);
        program.narrow(idle, f64::NEG_INFINITY, most);
    }
}
