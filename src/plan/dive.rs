//! A whole point from a relaxation: a path of continuous solves, each from the last one's basis, in
//! which more and more of what is not whole is given one of its two nearest values. Cheap, repeatable,
//! and often already within the gap.

use std::collections::BTreeSet;

use super::lazy::Lazy;
use super::levels::Level;
use super::solver::{Col, Outcome, Program, Session, Solution, SolverOptions};

/// What diving came to.
pub(super) enum Dive {
    /// A whole point within the gap of the relaxation.
    Proven(Solution),
    /// A whole point, and the places of what was broken on the way.
    Found(Vec<f64>, Vec<usize>),
    /// None was met; places of what was broken on the way.
    Nothing(Vec<usize>),
    /// Not even the relaxation has a point.
    Infeasible,
}

/// Values this near to a whole number are whole.
const WHOLE: f64 = 1e-7;

/// Dives into a program that leaves out `lazies`, of which the point breaks none.
/// It takes at most `most_solves` continuous solves.
pub(super) fn dive(
    program: &Program,
    lazies: &[&Lazy],
    level: &Level,
    most_solves: usize,
    options: &SolverOptions<'_>,
) -> Dive {
    let mut relaxed = program.clone();
    relaxed.relax_integers();
    let Some(mut session) = Session::new(&relaxed, &level.objective, options) else {
        return Dive::Nothing(Vec::new());
    };
    let mut now = match session.solve() {
        Outcome::Solved(solution) => solution,
        Outcome::Infeasible => return Dive::Infeasible,
        _ => return Dive::Nothing(Vec::new()),
    };
    let bound = now.value;
    let allowed = options.gap.max(options.share * bound.abs());
    let shifts = Shifts::of(program, level);
    let mut touched = BTreeSet::new();
    let mut solves = 0;
    let mut most = usize::MAX;
    while solves < most_solves {
        shifts.apply(&relaxed, &mut now.x);
        let mut open = open(program, &relaxed, lazies, &shifts.whole, &now.x);
        if open.is_empty() {
            let value = level.value(&now.x);
            let gap = options.gap.max(options.share * value.abs()).max(1e-9);
            return if value - bound <= gap {
                Dive::Proven(Solution { bound, value, ..now })
            } else {
                Dive::Found(now.x, places(touched))
            };
        }
        touched.extend(open.iter().filter_map(|(_, place, _)| place.checked_sub(program.cols())));
        options.doing(&format!("{} of the switched values are open", open.len()));
        open.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        open.truncate(open.len().div_ceil(3).min(most));
        // what costs more than the gap allows is taken alone, and only where nothing else is left
        let mut dear: Option<(Solution, usize)> = None;
        let mut next = None;
        for way in [0, 1] {
            set(&mut |col, lower, upper| session.set_bounds(col, lower, upper), &open, way);
            solves += 1;
            let Outcome::Solved(solution) = session.solve() else { continue };
            if solution.value <= now.value.max(bound + allowed) + 1e-9 {
                next = Some((solution, way));
                break;
            }
            if dear.as_ref().is_none_or(|(other, _)| solution.value < other.value) {
                dear = Some((solution, way));
            }
        }
        if next.is_none() && open.len() == 1 {
            next = dear;
        }
        if let Some((solution, way)) = next {
            now = solution;
            most = most.saturating_mul(2);
            set(&mut |col, lower, upper| relaxed.set_bounds(col, lower, upper), &open, way);
        } else if open.len() == 1 {
            break;
        } else {
            most = open.len().div_ceil(4);
        }
        for (col, ..) in open.iter().flat_map(|(_, _, ways)| ways) {
            let (lower, upper) = relaxed.bounds(*col);
            session.set_bounds(*col, lower, upper);
        }
    }
    Dive::Nothing(places(touched))
}

fn places(touched: BTreeSet<usize>) -> Vec<usize> {
    touched.into_iter().collect()
}

/// How far something is from being whole, its place, and the two ways to make it so.
type Open = (f64, usize, [(Col, f64, f64); 2]);

/// Sets the bounds of one way for everything that is open.
fn set(bounds: &mut dyn FnMut(Col, f64, f64), open: &[Open], way: usize) {
    for (col, lower, upper) in open.iter().filter_map(|(_, _, ways)| ways.get(way)) {
        bounds(*col, *lower, *upper);
    }
}

fn open(program: &Program, relaxed: &Program, lazies: &[&Lazy], whole: &[Col], x: &[f64]) -> Vec<Open> {
    let mut found: Vec<Open> = Vec::new();
    for col in whole {
        let value = x.get(col.index()).copied().unwrap_or(0.0);
        let away = (value - value.round()).abs();
        if away > WHOLE {
            let fixed = |value: f64| (*col, value, value);
            found.push((away, col.index(), [fixed(value.round()), fixed(value.ceil())]));
        }
    }
    for (place, lazy) in lazies.iter().enumerate().filter(|(_, lazy)| lazy.broken(x)) {
        let mend = lazy.mend(relaxed, x);
        found.push((mend.away, program.cols() + place, mend.ways));
    }
    found
}

/// Whole columns that cost nothing, with the rows that leave them room.
struct Shifts {
    /// Every whole column.
    whole: Vec<Col>,
    /// Those that cost nothing, each with the slack columns of its rows and its factor in them.
    free: Vec<(Col, Vec<(Col, f64)>)>,
}

impl Shifts {
    fn of(program: &Program, level: &Level) -> Self {
        let whole: Vec<Col> = (0..program.cols())
            .map(|i| Col(u32::try_from(i).unwrap_or(u32::MAX)))
            .filter(|c| program.is_integer(*c))
            .collect();
        let mut read = vec![0_u32; program.cols()];
        let mut slacks: Vec<Option<Vec<(Col, f64)>>> = vec![None; program.cols()];
        for col in &whole {
            if let Some(slot) = slacks.get_mut(col.index()) {
                *slot = Some(Vec::new());
            }
        }
        for (col, _) in (0..program.rows()).flat_map(|r| program.row(r).0) {
            if let Some(count) = read.get_mut(col.index()) {
                *count += 1;
            }
        }
        // what costs something, or has a row without a slack of its own, stays where it is
        for (col, _) in &level.objective {
            if let Some(slot) = slacks.get_mut(col.index()) {
                *slot = None;
            }
            if let Some(count) = read.get_mut(col.index()) {
                *count += 1;
            }
        }
        for r in 0..program.rows() {
            let (terms, _) = program.row(r);
            // a slack is a row's newest column, read nowhere else
            let slack = terms.iter().max_by_key(|(col, _)| *col).filter(|(col, factor)| {
                *factor == -1.0
                    && !program.is_integer(*col)
                    && read.get(col.index()).is_some_and(|count| *count == 1)
            });
            for (col, factor) in terms.iter().filter(|(col, _)| program.is_integer(*col)) {
                let Some(slot) = slacks.get_mut(col.index()) else { continue };
                match (slack, slot.as_mut()) {
                    (Some((slack, _)), Some(known)) => known.push((*slack, *factor)),
                    _ => *slot = None,
                }
            }
        }
        let free = (whole.iter())
            .filter_map(|col| Some((*col, slacks.get_mut(col.index()).and_then(Option::take)?)))
            .collect();
        Self { whole, free }
    }

    /// Moves each free column to the nearest whole value that all its rows allow.
    fn apply(&self, program: &Program, x: &mut [f64]) {
        for (col, slacks) in &self.free {
            let Some(value) = x.get(col.index()).copied() else { continue };
            if (value - value.round()).abs() <= WHOLE {
                continue;
            }
            let (mut lower, mut upper) = program.bounds(*col);
            for (slack, factor) in slacks {
                let at = x.get(slack.index()).copied().unwrap_or(0.0);
                let (l, u) = program.bounds(*slack);
                let (a, b) = ((l - at) / factor, (u - at) / factor);
                lower = lower.max(value + a.min(b));
                upper = upper.min(value + a.max(b));
            }
            let fits = |whole: f64| lower - 1e-9 <= whole && whole <= upper + 1e-9;
            let near = value.round();
            let other = if near > value { near - 1.0 } else { near + 1.0 };
            let Some(to) = [near, other].into_iter().find(|whole| fits(*whole)) else { continue };
            for (slack, factor) in slacks {
                if let Some(slot) = x.get_mut(slack.index()) {
                    *slot += factor * (to - value);
                }
            }
            if let Some(slot) = x.get_mut(col.index()) {
                *slot = to;
            }
        }
    }
}
