//! Objectives in order (planner.md 15-17): each level is minimised, locked, and left behind.
//!
//! A continuous program is locked by its optimal face: every column with a reduced cost away from
//! zero is fixed (inequality rows are slack columns here, so their duals are among them). A program
//! with integers is locked by one row on the objective; at the end the integers are fixed and all
//! levels are done again as continuous programs.

use std::collections::BTreeSet;

use super::dive::{Dive, dive};
use super::exclusive::Pair;
use super::lazy::{self, Lazy};
use super::solver::{Col, Outcome, Program, Session, Solution, SolverOptions, Stop};

/// Reduced costs beyond this put a column on the optimal face.
const FACE: f64 = 1e-7;

/// One thing to minimise.
#[derive(Debug, Clone)]
pub(super) struct Level {
    /// Coefficients of the objective.
    pub(super) objective: Vec<(Col, f64)>,
    /// Share of the optimum that later levels may spend.
    pub(super) within: Option<f64>,
    /// What of the optimum is in no column.
    pub(super) constant: f64,
    /// Absolute gap at which an integer search may stop.
    pub(super) gap: f64,
    /// The same as a share of the objective.
    pub(super) share: f64,
    /// Most nodes of an integer search.
    pub(super) nodes: i32,
    /// Minimised only once the integers are fixed.
    pub(super) after: bool,
}

impl Level {
    /// One that is minimised to the last digit, whatever it takes.
    #[cfg(test)]
    pub(super) const fn exact(objective: Vec<(Col, f64)>) -> Self {
        let (within, constant) = (None, 0.0);
        Self { objective, within, constant, gap: 0.0, share: 0.0, nodes: i32::MAX, after: false }
    }

    pub(super) fn value(&self, x: &[f64]) -> f64 {
        self.objective.iter().map(|(c, v)| x.get(c.index()).copied().unwrap_or(0.0) * v).sum()
    }

    /// What later levels may raise it to where its own optimum is `own`, without what is in no column.
    fn most(&self, own: f64) -> f64 {
        own + self.within.map_or(0.0, |share| share * (own + self.constant).abs())
    }
}

/// What one level came to.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    /// The objective's value at the point finally taken.
    pub(super) value: f64,
    /// The level's own optimum, before later levels spent what `within` lets them.
    pub(super) optimum: f64,
    /// Proven bound on that optimum.
    pub(super) bound: f64,
    /// Reduced costs of the level's last continuous solve, by column.
    pub(super) reduced: Vec<f64>,
}

impl Reached {
    /// A continuous level, which is its own bound.
    fn exact(value: f64, reduced: Vec<f64>) -> Self {
        Self { value, optimum: value, bound: value, reduced }
    }

    /// Distance from the level's own optimum to its proven bound.
    pub(super) fn gap(&self) -> f64 {
        (self.optimum - self.bound).max(0.0)
    }
}

/// The point reached after all levels.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    /// Values of the program's own columns.
    pub(super) x: Vec<f64>,
    /// Level by level.
    pub(super) levels: Vec<Reached>,
    /// Whether a time limit ended a search early.
    pub(super) stopped: bool,
}

/// Why no point came out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fall {
    /// Nothing satisfies the program.
    Infeasible,
    /// Nothing bounds level `0..`.
    Unbounded(usize),
    /// Something is on or off in a program that may hold nothing such.
    Switched(Option<crate::ir::FamilyId>),
    /// The solver gave up.
    Stopped(Stop),
}

/// Minimises the levels in order; the first one from `start`, where there is one.
pub(super) fn climb(
    program: &Program,
    levels: &[Level],
    pairs: &[Pair],
    start: Option<&[f64]>,
    options: &SolverOptions<'_>,
) -> Result<Climb, Fall> {
    if program.is_contradictory() {
        return Err(Fall::Infeasible);
    }
    let mut program = program.clone();
    let read = levels.iter().flat_map(|level| level.objective.iter().map(|(col, _)| *col));
    let semis = program.without_counts(read);
    let lazies: Vec<Lazy> = (pairs.iter().map(|pair| Lazy::Pair(*pair)))
        .chain(semis.iter().map(|semi| Lazy::Semi(*semi)))
        .collect();
    lazies.iter().for_each(|lazy| lazy.narrow(&mut program));
    if program.is_contradictory() {
        return Err(Fall::Infeasible);
    }
    let mut split: Vec<usize> = Vec::new();
    // each round adds at least one binary, so there are at most `lazies.len() + 1` rounds
    for _ in 0..=lazies.len() {
        if let Some(mut climb) = attempt(&program, levels, &lazies, &mut split, start, options)? {
            lazy::complete(&semis, &mut climb.x);
            return Ok(climb);
        }
    }
    Err(Fall::Stopped(Stop::Numerics))
}

/// One climb with the binaries known so far; `None` where a locked level left no room for a binary
/// found later, so that all levels must be done again with it.
fn attempt(
    original: &Program,
    levels: &[Level],
    lazies: &[Lazy],
    split: &mut Vec<usize>,
    start: Option<&[f64]>,
    options: &SolverOptions<'_>,
) -> Result<Option<Climb>, Fall> {
    let mut program = with_split(original, lazies, split);
    let mut living: Option<Session<'_>> = None;
    let mut x: Vec<f64> = Vec::new();
    let mut before: Vec<f64> = Vec::new();
    let mut bounds: Vec<(usize, f64)> = Vec::new();
    let mut reached = Vec::new();
    let mut stopped = false;
    let known = split.len();
    let mut by_rows = false;
    let mut values: Vec<(usize, f64)> = Vec::new();
    let mut ease = 1.0;
    'levels: for (number, level) in levels.iter().enumerate() {
        if level.after && program.has_integers() {
            continue;
        }
        let options = SolverOptions { gap: level.gap, share: level.share, nodes: level.nodes, ..*options };
        // the best point of this level that breaks nothing, and the best bound on all such points
        let mut best: Option<Vec<f64>> = None;
        let mut bound = f64::NEG_INFINITY;
        let mut rounds = 0;
        let mut dived = false;
        let solution = loop {
            let mut session = match living.take() {
                Some(mut session) => {
                    session.set_objective(&level.objective);
                    session
                }
                None => load(&program, &level.objective, &options)?,
            };
            let mut outcome = None;
            if number == 0
                && !program.has_integers()
                && let Some(start) = start.filter(|x| x.len() == program.cols())
            {
                session.start_from(start);
            }
            if program.has_integers() {
                // a second dive would end where the first one did
                if !dived {
                    dived = true;
                    let open = unsplit(lazies, split);
                    let touched = match dive(&program, &open, level, DIVE, &options) {
                        // as good as the relaxation: nothing is left to search for
                        Dive::Proven(found) => {
                            outcome = Some(Outcome::Solved(found));
                            Vec::new()
                        }
                        Dive::Found(found, touched) => {
                            best = Some(found);
                            touched
                        }
                        Dive::Nothing(touched) => touched,
                        Dive::Infeasible => {
                            outcome = Some(Outcome::Infeasible);
                            Vec::new()
                        }
                    };
                    // what was broken on the way would be broken by the search as well
                    if !touched.is_empty() && !by_rows {
                        let touched: Vec<&Lazy> =
                            touched.iter().filter_map(|p| open.get(*p).copied()).collect();
                        for (place, lazy) in lazies.iter().enumerate() {
                            if touched.iter().any(|t| std::ptr::eq(*t, lazy)) {
                                lazy.split(&mut program, best.as_mut());
                                split.push(place);
                            }
                        }
                        session = load(&program, &level.objective, &options)?;
                    }
                }
                match &best {
                    Some(best) => session.start_from(best),
                    None if x.len() == program.cols() => session.start_from(&x),
                    None => {}
                }
                options.doing(&format!("searching among {} switched values", program.integers()));
            }
            let solution = match take(outcome.unwrap_or_else(|| session.solve()), number) {
                // a binary added below locked levels may have no room: begin again with it
                Err(Fall::Infeasible) if number > 0 && split.len() > known => return Ok(None),
                // a lock as narrow as the solver's tolerance may shut everything out
                Err(Fall::Infeasible) if number > 0 && ease < MOST_EASE => {
                    ease *= 10.0;
                    program = locked_by_rows(original, levels, lazies, split, &values, ease);
                    by_rows = true;
                    (best, dived) = (None, false);
                    continue;
                }
                // the point found stands
                Err(Fall::Infeasible) if number > 0 && !x.is_empty() => break 'levels,
                Err(Fall::Stopped(Stop::Time)) => match best.take() {
                    Some(best) => break given(best, level, bound, true),
                    // the point of the level before stands
                    None if number > 0 && !(x.is_empty() && before.is_empty()) => {
                        if x.is_empty() {
                            x = std::mem::take(&mut before);
                        }
                        stopped = true;
                        break 'levels;
                    }
                    None => return Err(Fall::Stopped(Stop::Time)),
                },
                other => other?,
            };
            bound = bound.max(solution.bound);
            let mut clashes = lazy::broken(lazies, split, &solution.x);
            if clashes.is_empty() {
                living = (!program.has_integers()).then_some(session);
                break solution;
            }
            // with the whole numbers found, what is broken may be mended within the gap
            if program.has_integers()
                && let Some(mended) = mended(&program, &unsplit(lazies, split), level, &solution, &options)
                && best.as_ref().is_none_or(|best| level.value(&mended) < level.value(best))
            {
                best = Some(mended);
            }
            // whatever breaks nothing costs at least what this does
            if let Some(best) = best.take_if(|best| {
                let value = level.value(best);
                options.is_over() || value - bound <= options.gap.max(options.share * value.abs()).max(1e-9)
            }) {
                break given(best, level, bound, options.is_over());
            }
            rounds += 1;
            if rounds > if lazies.len() > FEW { ROUNDS } else { 1 } {
                clashes = (0..lazies.len()).filter(|place| !split.contains(place)).collect();
            } else if dived {
                clashes = with_neighbours(lazies, split, &clashes);
            }
            for place in clashes {
                if let Some(lazy) = lazies.get(place) {
                    lazy.split(&mut program, best.as_mut());
                    split.push(place);
                }
            }
            if by_rows {
                // the rows that locked levels stand before the new columns: all levels again, so that
                // the binaries stand where the refinement looks for them
                return Ok(None);
            }
            if !x.is_empty() {
                before = std::mem::take(&mut x);
            }
        };
        stopped |= solution.stopped;
        bounds.push((number, solution.bound));
        if !program.has_integers() {
            reached.push(Reached::exact(solution.value, solution.reduced.clone()));
        }
        x.clone_from(&solution.x);
        values.push((number, solution.value));
        let last = number + 1 == levels.len();
        if !last && lock(&mut program, living.as_mut(), level, &solution, solution.value) {
            living = None;
            by_rows = true;
        }
    }
    if program.has_integers() {
        let found = Found { x: &x, values: &values };
        let (refined, again) = refine(original, levels, lazies, split, options, found)?;
        x = refined;
        reached = again;
        for (number, bound) in bounds {
            if let Some(level) = reached.get_mut(number) {
                level.bound = bound;
            }
        }
    } else {
        let none = || Reached::exact(0.0, vec![0.0; x.len()]);
        reached.resize_with(levels.len(), none);
        for (r, level) in reached.iter_mut().zip(levels) {
            r.value = level.value(&x);
        }
    }
    x.truncate(original.cols());
    Ok(Some(Climb { x, levels: reached, stopped: stopped || options.is_over() }))
}

/// What is broken, with what would be broken next: the same power shortly before and after.
fn with_neighbours(lazies: &[Lazy], split: &[usize], places: &[usize]) -> Vec<usize> {
    let done: BTreeSet<usize> = split.iter().copied().collect();
    let around = |place: &usize| place.saturating_sub(NEIGHBOURS)..=place.saturating_add(NEIGHBOURS);
    let semi = |place: &usize| matches!(lazies.get(*place), Some(Lazy::Semi(_)));
    let near: BTreeSet<usize> = places.iter().filter(|p| semi(p)).flat_map(around).filter(semi).collect();
    near.union(&places.iter().copied().collect()).filter(|place| !done.contains(place)).copied().collect()
}

/// A point that breaks nothing, with the whole numbers of one that does.
fn mended(
    program: &Program,
    lazies: &[&Lazy],
    level: &Level,
    near: &Solution,
    options: &SolverOptions<'_>,
) -> Option<Vec<f64>> {
    let mut fixed = program.clone();
    fixed.fix_integers(&near.x);
    match dive(&fixed, lazies, level, MEND, options) {
        Dive::Proven(solution) => Some(solution.x),
        Dive::Found(x, _) => Some(x),
        Dive::Nothing(_) | Dive::Infeasible => None,
    }
}

/// What has no whole column yet.
fn unsplit<'l>(lazies: &'l [Lazy], split: &[usize]) -> Vec<&'l Lazy> {
    let done: BTreeSet<usize> = split.iter().copied().collect();
    (lazies.iter().enumerate()).filter(|(place, _)| !done.contains(place)).map(|(_, lazy)| lazy).collect()
}

/// A point that breaks nothing, as a solution.
fn given(x: Vec<f64>, level: &Level, bound: f64, stopped: bool) -> Solution {
    let value = level.value(&x);
    Solution { reduced: vec![0.0; x.len()], value, bound: bound.min(value), stopped, x }
}

/// Most continuous solves of the dive from a relaxation.
const DIVE: usize = 120;
/// Most continuous solves of the dive from a point with whole numbers.
const MEND: usize = 120;

/// How many steps before and after a broken one may be broken next.
const NEIGHBOURS: usize = 3;

/// Most rounds in which only what is broken gets its whole column; then everything does. So few that
/// one search among all of them is quicker get one round.
const ROUNDS: usize = 6;
const FEW: usize = 500;

/// The program with the whole columns known so far.
fn with_split(original: &Program, lazies: &[Lazy], split: &[usize]) -> Program {
    let mut program = original.clone();
    split.iter().filter_map(|p| lazies.get(*p)).for_each(|lazy| lazy.split(&mut program, None));
    program
}

/// How much wider than the narrowest the rows of locked levels may become. The integers are chosen
/// within them; with those fixed all levels are minimised again in order.
const MOST_EASE: f64 = 100.0;

/// The program with what earlier levels came to as rows, `ease` times as wide as the narrowest.
fn locked_by_rows(
    original: &Program,
    levels: &[Level],
    lazies: &[Lazy],
    split: &[usize],
    values: &[(usize, f64)],
    ease: f64,
) -> Program {
    let mut program = with_split(original, lazies, split);
    for (number, value) in values {
        let Some(level) = levels.get(*number) else { continue };
        program.at_most(level.objective.iter().copied(), level.most(*value) + ease * slack_of(*value));
    }
    program
}

/// Locks a level whose own optimum is `own`; `true` where the living session no longer holds the program.
fn lock(
    program: &mut Program,
    living: Option<&mut Session<'_>>,
    level: &Level,
    solution: &Solution,
    own: f64,
) -> bool {
    if level.within.is_some() {
        let numerics = if program.has_integers() { slack_of(own) } else { 1e-9 * own.abs().max(1.0) };
        program.at_most(level.objective.iter().copied(), level.most(own) + numerics);
        return true;
    }
    if program.has_integers() {
        if !at_nothing(program, level, solution.value) {
            program.at_most(level.objective.iter().copied(), solution.value + slack_of(solution.value));
        }
        return true;
    }
    let mut living = living;
    for (i, (reduced, value)) in solution.reduced.iter().zip(&solution.x).enumerate() {
        if reduced.abs() <= FACE {
            continue;
        }
        let col = Col(u32::try_from(i).unwrap_or(u32::MAX));
        let (lower, upper) = program.bounds(col);
        if lower == upper {
            continue;
        }
        let value = value.clamp(lower, upper);
        program.set_bounds(col, value, value);
        if let Some(session) = living.as_deref_mut() {
            session.set_bounds(col, value, value);
        }
    }
    false
}

/// Locks a level that came to nothing by fixing all that adds up to it: a row hardly above zero
/// misleads a search for whole numbers. `false` where its parts could make up for each other.
fn at_nothing(program: &mut Program, level: &Level, value: f64) -> bool {
    let none = |(col, weight): &(Col, f64)| *weight > 0.0 && program.bounds(*col).0 == 0.0;
    if value.abs() > FACE || !level.objective.iter().all(none) {
        return false;
    }
    for (col, _) in &level.objective {
        program.set_bounds(*col, 0.0, 0.0);
    }
    true
}

/// What the search for whole numbers found.
#[derive(Clone, Copy)]
struct Found<'f> {
    /// The point.
    x: &'f [f64],
    /// The optimum of each level, by its number.
    values: &'f [(usize, f64)],
}

impl Found<'_> {
    /// The own optimum of a level that comes to `value` with the whole numbers fixed: later levels chose these
    /// within what they may spend of it, so that the level alone may have come to less.
    fn own(&self, number: usize, value: f64) -> f64 {
        let searched = self.values.iter().find(|(of, _)| *of == number);
        searched.map_or(value, |(_, searched)| searched.min(value))
    }
}

/// With the integers fixed, all levels again as continuous programs with face locks.
///
/// What runs of switched powers stays as the search left it. Pairs without a binary stay free to choose
/// their direction as long as no clash comes back, so that the tie-break can gather what the search had
/// scattered.
fn refine(
    original: &Program,
    levels: &[Level],
    lazies: &[Lazy],
    split: &[usize],
    options: &SolverOptions<'_>,
    found: Found<'_>,
) -> Result<(Vec<f64>, Vec<Reached>), Fall> {
    options.doing("choosing among equally good plans");
    let x = found.x;
    let mut program = with_split(original, lazies, split);
    program.fix_integers(x);
    let mut settled = split.to_vec();
    for (place, lazy) in lazies.iter().enumerate() {
        if matches!(lazy, Lazy::Semi(_)) {
            lazy.pin(&mut program, x);
            settled.push(place);
        }
    }
    for _ in 0..REFINEMENTS {
        let refined = descend(program.clone(), levels, options, found)?;
        let clashes = lazy::broken(lazies, &settled, &refined.0);
        if clashes.is_empty() {
            return Ok(refined);
        }
        clashes.iter().filter_map(|place| lazies.get(*place)).for_each(|lazy| lazy.pin(&mut program, x));
        settled.extend(clashes);
    }
    unsplit(lazies, &settled).iter().for_each(|lazy| lazy.pin(&mut program, x));
    descend(program, levels, options, found)
}

/// Most rounds in which only the pairs that clash are given their direction; then all are.
const REFINEMENTS: usize = 3;

/// All levels of a continuous program in order, each locked by its face, or by what may be spent of its own
/// optimum.
fn descend(
    mut program: Program,
    levels: &[Level],
    options: &SolverOptions<'_>,
    found: Found<'_>,
) -> Result<(Vec<f64>, Vec<Reached>), Fall> {
    let original = program.clone();
    let mut living: Option<Session<'_>> = None;
    let mut reached: Vec<Reached> = Vec::new();
    let mut point = found.x.to_vec();
    let mut by_rows = false;
    for (number, level) in levels.iter().enumerate() {
        let mut session = match living.take() {
            Some(mut session) => {
                session.set_objective(&level.objective);
                session
            }
            None => load(&program, &level.objective, options)?,
        };
        let mut outcome = session.solve();
        if matches!(outcome, Outcome::Infeasible) && number > 0 && !by_rows {
            // columns fixed where the solver's tolerance left them may have no room: rows do
            by_rows = true;
            program.clone_from(&original);
            for (level, reached) in levels.iter().zip(&reached) {
                let own = reached.optimum;
                program.at_most(level.objective.iter().copied(), level.most(own) + slack_of(own));
            }
            session = load(&program, &level.objective, options)?;
            outcome = session.solve();
        }
        if matches!(outcome, Outcome::Infeasible | Outcome::Failed(Stop::Time)) {
            // what the search for whole numbers found within its own tolerance stands as it is
            let value = level.value(&point);
            reached.push(Reached::exact(value, vec![0.0; point.len()]));
            continue;
        }
        let solution = take(outcome, number)?;
        point.clone_from(&solution.x);
        let own = match level.within {
            Some(_) => found.own(number, solution.value),
            None => solution.value,
        };
        if by_rows {
            program.at_most(level.objective.iter().copied(), level.most(own) + slack_of(own));
        } else {
            living = Some(session);
            if lock(&mut program, living.as_mut(), level, &solution, own) {
                living = None;
            }
        }
        reached.push(Reached { optimum: own, ..Reached::exact(solution.value, solution.reduced) });
    }
    for (r, level) in reached.iter_mut().zip(levels) {
        r.value = level.value(&point);
    }
    Ok((point, reached))
}

fn load<'w>(
    program: &Program,
    objective: &[(Col, f64)],
    options: &SolverOptions<'w>,
) -> Result<Session<'w>, Fall> {
    Session::new(program, objective, options).ok_or(Fall::Stopped(Stop::Numerics))
}

fn take(outcome: Outcome, level: usize) -> Result<Solution, Fall> {
    match outcome {
        Outcome::Solved(solution) => Ok(solution),
        Outcome::Infeasible => Err(Fall::Infeasible),
        Outcome::Unbounded => Err(Fall::Unbounded(level)),
        Outcome::Failed(stop) => Err(Fall::Stopped(stop)),
    }
}

fn slack_of(value: f64) -> f64 {
    (1e-7 * value.abs()).max(1e-6)
}
