//! Objectives in order (planner.md 15-17): each level is minimised, locked, and left behind.
//!
//! A continuous program is locked by its optimal face: every column with a reduced cost away from
//! zero is fixed (inequality rows are slack columns here, so their duals are among them). A program
//! with integers is locked by one row on the objective; at the end the integers are fixed and all
//! levels are done again as continuous programs.

use super::exclusive::{self, Pair};
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
    pub(super) fn value(&self, x: &[f64]) -> f64 {
        self.objective.iter().map(|(c, v)| x.get(c.index()).copied().unwrap_or(0.0) * v).sum()
    }
}

/// What one level came to.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    /// The objective's value at the point finally taken.
    pub(super) value: f64,
    /// Distance from the level's own optimum to its proven bound, before later levels spent what
    /// `within` lets them.
    pub(super) gap: f64,
    /// Reduced costs of the level's last continuous solve, by column.
    pub(super) reduced: Vec<f64>,
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
    options: &SolverOptions,
) -> Result<Climb, Fall> {
    if program.is_contradictory() {
        return Err(Fall::Infeasible);
    }
    let mut split: Vec<usize> = Vec::new();
    // each round adds at least one binary, so there are at most `pairs.len() + 1` rounds
    for _ in 0..=pairs.len() {
        match attempt(program, levels, pairs, &mut split, start, options)? {
            Some(climb) => return Ok(climb),
            None => continue,
        }
    }
    Err(Fall::Stopped(Stop::Numerics))
}

/// One climb with the binaries known so far; `None` where a locked level left no room for a binary
/// found later, so that all levels must be done again with it.
fn attempt(
    original: &Program,
    levels: &[Level],
    pairs: &[Pair],
    split: &mut Vec<usize>,
    start: Option<&[f64]>,
    options: &SolverOptions,
) -> Result<Option<Climb>, Fall> {
    let mut program = original.clone();
    for pair in split.iter().filter_map(|p| pairs.get(*p)) {
        exclusive::split(&mut program, pair);
    }
    let mut living: Option<Session> = None;
    let mut x: Vec<f64> = Vec::new();
    let mut gaps = Vec::new();
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
                match dive(&program, level, &options) {
                    // as good as the relaxation: nothing is left to search for
                    Dive::Proven(found) => outcome = Some(Outcome::Solved(found)),
                    Dive::Found(start) => session.start_from(&start),
                    Dive::Nothing if x.len() == program.cols() => session.start_from(&x),
                    Dive::Nothing => {}
                    Dive::Infeasible => outcome = Some(Outcome::Infeasible),
                }
            }
            let solution = match take(outcome.unwrap_or_else(|| session.solve()), number) {
                // a binary added below locked levels may have no room: begin again with it
                Err(Fall::Infeasible) if number > 0 && split.len() > known => return Ok(None),
                // a lock as narrow as the solver's tolerance may shut everything out
                Err(Fall::Infeasible) if number > 0 && ease < MOST_EASE => {
                    ease *= 10.0;
                    program = locked_by_rows(original, levels, pairs, split, &values, ease);
                    by_rows = true;
                    continue;
                }
                // the point found stands
                Err(Fall::Infeasible) if number > 0 && !x.is_empty() => break 'levels,
                other => other?,
            };
            let clashes = exclusive::clashes(pairs, split, &solution.x);
            if clashes.is_empty() {
                living = (!program.has_integers()).then_some(session);
                break solution;
            }
            for place in clashes {
                if let Some(pair) = pairs.get(place) {
                    exclusive::split(&mut program, pair);
                    split.push(place);
                }
            }
            if by_rows {
                // the rows that locked levels stand before the new columns: all levels again, so that
                // the binaries stand where the refinement looks for them
                return Ok(None);
            }
            x.clear();
        };
        stopped |= solution.stopped;
        gaps.push((solution.value - solution.bound).max(0.0));
        if !program.has_integers() {
            reached.push(Reached { value: solution.value, gap: 0.0, reduced: solution.reduced.clone() });
        }
        x.clone_from(&solution.x);
        values.push((number, solution.value));
        let last = number + 1 == levels.len();
        if !last && lock(&mut program, living.as_mut(), level, &solution) {
            living = None;
            by_rows = true;
        }
    }
    if program.has_integers() {
        let (refined, again) = refine(original, levels, pairs, split, options, &x)?;
        x = refined;
        reached = again;
        for (level, gap) in reached.iter_mut().zip(gaps) {
            level.gap = gap;
        }
    } else {
        let none = || Reached { value: 0.0, gap: 0.0, reduced: vec![0.0; x.len()] };
        reached.resize_with(levels.len(), none);
        for (r, level) in reached.iter_mut().zip(levels) {
            r.value = level.value(&x);
        }
    }
    x.truncate(original.cols());
    Ok(Some(Climb { x, levels: reached, stopped }))
}

/// How much wider than the narrowest the rows of locked levels may become. The integers are chosen
/// within them; with those fixed all levels are minimised again in order.
const MOST_EASE: f64 = 100.0;

/// The program with what earlier levels came to as rows, `ease` times as wide as the narrowest.
fn locked_by_rows(
    original: &Program,
    levels: &[Level],
    pairs: &[Pair],
    split: &[usize],
    values: &[(usize, f64)],
    ease: f64,
) -> Program {
    let mut program = original.clone();
    for pair in split.iter().filter_map(|p| pairs.get(*p)) {
        exclusive::split(&mut program, pair);
    }
    for (number, value) in values {
        let Some(level) = levels.get(*number) else { continue };
        let room = level.within.map_or(0.0, |share| share * value.abs()) + ease * slack_of(*value);
        program.at_most(level.objective.iter().copied(), value + room);
    }
    program
}

/// What diving came to.
enum Dive {
    /// A whole point within the gap of the relaxation.
    Proven(Solution),
    /// A whole point.
    Found(Vec<f64>),
    /// None was met.
    Nothing,
    /// Not even the relaxation has a point.
    Infeasible,
}

/// Rounds the relaxation down a path of continuous solves, each from the last one's basis. Cheap,
/// repeatable, and often already within the gap.
fn dive(program: &Program, level: &Level, options: &SolverOptions) -> Dive {
    let mut relaxed = program.clone();
    relaxed.relax_integers();
    let Some(mut session) = Session::new(&relaxed, &level.objective, options) else { return Dive::Nothing };
    let mut now = match session.solve() {
        Outcome::Solved(solution) => solution,
        Outcome::Infeasible => return Dive::Infeasible,
        _ => return Dive::Nothing,
    };
    let bound = now.value;
    let whole: Vec<Col> = (0..program.cols())
        .map(|i| Col(u32::try_from(i).unwrap_or(u32::MAX)))
        .filter(|c| program.is_integer(*c))
        .collect();
    for _ in 0..DIVES {
        let at = |c: Col, x: &[f64]| x.get(c.index()).copied().unwrap_or(0.0);
        let mut open: Vec<(f64, Col)> = (whole.iter())
            .map(|c| ((at(*c, &now.x) - at(*c, &now.x).round()).abs(), *c))
            .filter(|(away, _)| *away > 1e-7)
            .collect();
        if open.is_empty() {
            let gap = options.gap.max(options.share * now.value.abs()).max(1e-9);
            if now.value - bound <= gap {
                return Dive::Proven(Solution { bound, ..now });
            }
            return Dive::Found(now.x);
        }
        open.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let batch = open.len().div_ceil(4);
        open.truncate(batch);
        let mut next = None;
        for up in [false, true] {
            for (_, col) in &open {
                let x = at(*col, &now.x);
                let value = if up { x.ceil() } else { x.round() };
                session.set_bounds(*col, value, value);
            }
            if let Outcome::Solved(solution) = session.solve() {
                next = Some(solution);
                break;
            }
        }
        match next {
            Some(solution) => now = solution,
            None => return Dive::Nothing,
        }
    }
    Dive::Nothing
}

/// Most continuous solves of one dive.
const DIVES: usize = 40;

/// Locks a level; `true` where the living session no longer holds the program.
fn lock(program: &mut Program, living: Option<&mut Session>, level: &Level, solution: &Solution) -> bool {
    if let Some(share) = level.within {
        let numerics = if program.has_integers() {
            slack_of(solution.value)
        } else {
            1e-9 * solution.value.abs().max(1.0)
        };
        let room = share * solution.value.abs() + numerics;
        program.at_most(level.objective.iter().copied(), solution.value + room);
        return true;
    }
    if program.has_integers() {
        program.at_most(level.objective.iter().copied(), solution.value + slack_of(solution.value));
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

/// With the integers fixed, all levels again as continuous programs with face locks.
///
/// Pairs without a binary stay free to choose their direction as long as no clash comes back, so
/// that the tie-break can gather what the search had scattered.
fn refine(
    original: &Program,
    levels: &[Level],
    pairs: &[Pair],
    split: &[usize],
    options: &SolverOptions,
    x: &[f64],
) -> Result<(Vec<f64>, Vec<Reached>), Fall> {
    let mut program = original.clone();
    for pair in split.iter().filter_map(|p| pairs.get(*p)) {
        exclusive::split(&mut program, pair);
    }
    program.fix_integers(x);
    let mut settled = split.to_vec();
    for _ in 0..REFINEMENTS {
        let refined = descend(program.clone(), levels, options, x)?;
        let clashes = exclusive::clashes(pairs, &settled, &refined.0);
        if clashes.is_empty() {
            return Ok(refined);
        }
        exclusive::pin(&mut program, clashes.iter().filter_map(|place| pairs.get(*place)), x);
        settled.extend(clashes);
    }
    let rest: Vec<&Pair> = (pairs.iter().enumerate())
        .filter(|(place, _)| !settled.contains(place))
        .map(|(_, pair)| pair)
        .collect();
    exclusive::pin(&mut program, rest, x);
    descend(program, levels, options, x)
}

/// Most rounds in which only the pairs that clash are given their direction; then all are.
const REFINEMENTS: usize = 3;

/// All levels of a continuous program in order, each locked by its face.
fn descend(
    mut program: Program,
    levels: &[Level],
    options: &SolverOptions,
    x: &[f64],
) -> Result<(Vec<f64>, Vec<Reached>), Fall> {
    let original = program.clone();
    let mut living: Option<Session> = None;
    let mut reached: Vec<Reached> = Vec::new();
    let mut point = x.to_vec();
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
                program.at_most(level.objective.iter().copied(), reached.value + slack_of(reached.value));
            }
            session = load(&program, &level.objective, options)?;
            outcome = session.solve();
        }
        if matches!(outcome, Outcome::Infeasible) {
            // what the search for whole numbers found within its own tolerance stands as it is
            let value = level.value(&point);
            reached.push(Reached { value, gap: 0.0, reduced: vec![0.0; point.len()] });
            continue;
        }
        let solution = take(outcome, number)?;
        point.clone_from(&solution.x);
        if by_rows {
            program.at_most(level.objective.iter().copied(), solution.value + slack_of(solution.value));
        } else {
            living = Some(session);
            if lock(&mut program, living.as_mut(), level, &solution) {
                living = None;
            }
        }
        reached.push(Reached { value: solution.value, gap: 0.0, reduced: solution.reduced });
    }
    for (r, level) in reached.iter_mut().zip(levels) {
        r.value = level.value(&point);
    }
    Ok((point, reached))
}

fn load(program: &Program, objective: &[(Col, f64)], options: &SolverOptions) -> Result<Session, Fall> {
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
