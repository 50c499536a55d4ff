//! One living model: solved, changed, solved again from its last basis.

use highs::{ColProblem, HighsModelStatus, Model, RowProblem, Sense};

use super::{Col, Program, SolverOptions};

/// What a solve ended in.
#[derive(Debug, Clone)]
pub(in crate::plan) enum Outcome {
    /// A solution, optimal within the gap unless `stopped`.
    Solved(Solution),
    /// No point satisfies the program.
    Infeasible,
    /// Nothing bounds the objective.
    Unbounded,
    /// The solver gave up without a point.
    Failed(Stop),
}

/// Why a solver gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum Stop {
    /// The time limit that the caller set.
    Time,
    /// The limit on work.
    Work,
    /// Numerical trouble inside the solver.
    Numerics,
}

/// A point with its certificate.
#[derive(Debug, Clone)]
pub(in crate::plan) struct Solution {
    /// Value of each column.
    pub(in crate::plan) x: Vec<f64>,
    /// Reduced cost of each column; meaningful for continuous programs only.
    pub(in crate::plan) reduced: Vec<f64>,
    /// Objective value.
    pub(in crate::plan) value: f64,
    /// Proven bound on the objective.
    pub(in crate::plan) bound: f64,
    /// Whether a limit ended the search before the gap was closed.
    pub(in crate::plan) stopped: bool,
}

/// A loaded program.
pub(in crate::plan) struct Session<'w> {
    options: SolverOptions<'w>,
    /// Seconds that this model has been solved for: its own clock goes on from there.
    spent_s: f64,
    model: Option<Model>,
    /// The solver's columns; fewer than the program's where slacks are rows' bounds.
    handles: Vec<highs::Col>,
    costs: Vec<f64>,
    integers: bool,
    solved_before: bool,
    /// The objective of the point from which an integer search starts.
    started: Option<f64>,
    /// A program with integers as it is to be solved next, where its bounds or its objective changed
    /// since it was loaded: which slacks are rows' bounds depends on both.
    whole: Option<Whole>,
    /// Slack columns that the solver does not see, each with the terms of its value and a constant.
    folded: Vec<Folded>,
}

/// A program with integers, to be loaded again where it changes.
struct Whole {
    program: Program,
    changed: bool,
}

/// A slack column that is the bounds of its row instead.
#[derive(Debug, Clone, PartialEq)]
struct Folded {
    col: usize,
    /// Its value is the sum of these less `rhs`.
    terms: Vec<(Col, f64)>,
    rhs: f64,
}

impl<'w> Session<'w> {
    /// Loads a program with an objective to be minimised; `None` where the solver refuses it.
    pub(in crate::plan) fn new(
        program: &Program,
        objective: &[(Col, f64)],
        options: &SolverOptions<'w>,
    ) -> Option<Self> {
        let n = program.cols();
        let mut costs = vec![0.0; n];
        for (col, cost) in objective {
            if let Some(c) = costs.get_mut(col.index()) {
                *c += cost;
            }
        }
        let mut problem = ColProblem::new();
        let (starts, entries) = by_column(program);
        // a search for whole numbers finds wrong optima among slacks in equalities; rows with two
        // sides it reads well
        let folded = if program.has_integers() { slacks(program, &starts, &costs) } else { Vec::new() };
        let mut slack_of_row = vec![None; program.rows()];
        let mut seen = vec![true; n];
        for (row, slack) in &folded {
            if let (Some(slot), Some(seen)) = (slack_of_row.get_mut(*row), seen.get_mut(slack.col)) {
                (*slot, *seen) = (Some(slack.col), false);
            }
        }
        let bound = |of: &[f64], i: usize, none: f64| of.get(i).copied().unwrap_or(none);
        let rows: Vec<highs::Row> = (program.rhs.iter().zip(&slack_of_row))
            .map(|(rhs, slack)| match slack {
                None => problem.add_row(*rhs..=*rhs),
                Some(i) => problem.add_row(
                    rhs + bound(&program.lower, *i, f64::NEG_INFINITY)
                        ..=rhs + bound(&program.upper, *i, f64::INFINITY),
                ),
            })
            .collect();
        for i in (0..n).filter(|i| seen.get(*i).copied().unwrap_or(true)) {
            let from = starts.get(i).copied().unwrap_or(0);
            let to = starts.get(i + 1).copied().unwrap_or(from);
            let column = entries.get(from..to).unwrap_or(&[]);
            let bounds = (
                program.lower.get(i).copied().unwrap_or(f64::NEG_INFINITY),
                program.upper.get(i).copied().unwrap_or(f64::INFINITY),
            );
            problem.add_column_with_integrality(
                costs.get(i).copied().unwrap_or(0.0),
                bounds.0..=bounds.1,
                column.iter().filter_map(|(r, v)| rows.get(*r).map(|row| (*row, *v))),
                program.integer.get(i).copied().unwrap_or(false),
            );
        }
        let mut model = problem.try_optimise(Sense::Minimise).ok()?;
        fixed_options(&mut model, options, program.has_integers())?;
        Some(Self {
            options: *options,
            spent_s: 0.0,
            model: Some(model),
            handles: handles(n - folded.len()),
            costs,
            integers: program.has_integers(),
            solved_before: false,
            started: None,
            whole: program.has_integers().then(|| Whole { program: program.clone(), changed: false }),
            folded: folded.into_iter().map(|(_, slack)| slack).collect(),
        })
    }

    /// Changes the bounds of a column.
    pub(in crate::plan) fn set_bounds(&mut self, col: Col, lower: f64, upper: f64) {
        if let Some(whole) = self.whole.as_mut() {
            whole.program.set_bounds(col, lower, upper);
            whole.changed = true;
            return;
        }
        if let (Some(model), Some(handle)) = (self.model.as_mut(), self.handles.get(col.index())) {
            model.change_column_bounds(*handle, lower..=upper);
        }
    }

    /// Replaces the objective.
    pub(in crate::plan) fn set_objective(&mut self, objective: &[(Col, f64)]) {
        let mut costs = vec![0.0; self.costs.len()];
        for (col, cost) in objective {
            if let Some(c) = costs.get_mut(col.index()) {
                *c += cost;
            }
        }
        if let Some(whole) = self.whole.as_mut() {
            whole.changed = true;
            self.costs = costs;
            return;
        }
        let Some(model) = self.model.as_mut() else { return };
        for ((handle, old), new) in self.handles.iter().zip(&self.costs).zip(&costs) {
            if old != new {
                model.change_column_cost(*handle, *new);
            }
        }
        self.costs = costs;
    }

    /// Loads a program with integers again where it changed.
    fn refresh(&mut self) {
        let Some(whole) = self.whole.take_if(|whole| whole.changed) else { return };
        let objective: Vec<(Col, f64)> = (self.costs.iter().enumerate())
            .map(|(i, cost)| (Col(u32::try_from(i).unwrap_or(u32::MAX)), *cost))
            .collect();
        match Self::new(&whole.program, &objective, &self.options) {
            Some(again) => *self = again,
            None => self.model = None,
        }
    }

    /// Offers a point from which an integer search may start.
    pub(in crate::plan) fn start_from(&mut self, x: &[f64]) {
        self.refresh();
        let mut gone = self.folded.iter().map(|slack| slack.col).peekable();
        let seen: Vec<f64> = (x.iter().enumerate())
            .filter(|(i, _)| gone.next_if_eq(i).is_none())
            .map(|(_, value)| *value)
            .collect();
        if let Some(model) = self.model.as_mut() {
            // a refused start costs time only: the search then begins without one
            let _ = model.try_set_solution(Some(&seen), None, None, None);
            if !self.integers {
                // shifted costs would lead away from a start that is nearly the best
                let _ = model.try_set_option(PERTURBATION, 0.0);
            }
            self.started = Some(self.costs.iter().zip(x).map(|(cost, x)| cost * x).sum());
        }
    }

    /// Solves; a second solve starts from the last basis.
    ///
    /// A search that calls its start the best without having solved anything may have thrown all else
    /// away by mistake, so it is asked again without one.
    pub(in crate::plan) fn solve(&mut self) -> Outcome {
        self.refresh();
        let started = self.started.take();
        let (outcome, worked) = self.once();
        let claims = |from: f64| matches!(&outcome, Outcome::Solved(s) if s.value >= from - 1e-12);
        let Some(whole) = self.whole.as_mut().filter(|_| !worked && started.is_some_and(claims)) else {
            return outcome;
        };
        whole.changed = true;
        self.refresh();
        match (self.once().0, outcome) {
            (Outcome::Solved(again), Outcome::Solved(first)) if again.value >= first.value => {
                Outcome::Solved(first)
            }
            (again @ Outcome::Solved(_), _) => again,
            (_, first) => first,
        }
    }

    /// One solve, and whether it took any work beyond reducing the program.
    fn once(&mut self) -> (Outcome, bool) {
        let failed = (Outcome::Failed(Stop::Numerics), true);
        let left = self.options.left_s();
        if left.is_some_and(|left| left <= 0.0) {
            return (Outcome::Failed(Stop::Time), true);
        }
        let Some(mut model) = self.model.take() else { return failed };
        let later = self.solved_before && !self.integers;
        if later
            && (model.try_set_option("presolve", "off").is_err()
                || model.try_set_option(PERTURBATION, 1.0).is_err())
        {
            return failed;
        }
        self.solved_before = true;
        if left.is_some_and(|left| model.try_set_option("time_limit", self.spent_s + left).is_err()) {
            return failed;
        }
        let begun = self.options.watch.map(super::Watch::elapsed_s);
        let Ok(solved) = model.try_solve() else { return failed };
        let status = solved.status();
        let outcome = match status {
            HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => {
                Outcome::Solved(self.read(&solved, false))
            }
            HighsModelStatus::Infeasible => Outcome::Infeasible,
            HighsModelStatus::Unbounded => Outcome::Unbounded,
            // every decision is bounded, so the doubt can only be about feasibility
            HighsModelStatus::UnboundedOrInfeasible => Outcome::Infeasible,
            HighsModelStatus::ReachedTimeLimit
            | HighsModelStatus::ReachedSolutionLimit
            | HighsModelStatus::ReachedIterationLimit => {
                let clock = status == HighsModelStatus::ReachedTimeLimit;
                let found = solved
                    .int_info_value(c"primal_solution_status")
                    .is_ok_and(|s| s == i64::from(FEASIBLE_POINT));
                match (found, clock) {
                    (true, _) => Outcome::Solved(self.read(&solved, clock)),
                    (false, true) => Outcome::Failed(Stop::Time),
                    (false, false) => Outcome::Failed(Stop::Work),
                }
            }
            _ => Outcome::Failed(Stop::Numerics),
        };
        let worked = solved.simplex_iteration_count() != 0;
        self.model = Some(solved.into());
        if let (Some(watch), Some(begun)) = (self.options.watch, begun) {
            self.spent_s += watch.elapsed_s() - begun;
        }
        (outcome, worked)
    }

    fn read(&self, solved: &highs::SolvedModel, stopped: bool) -> Solution {
        let point = solved.get_solution();
        let value = solved.objective_value();
        let bound = if self.integers {
            solved.double_info_value(c"mip_dual_bound").unwrap_or(f64::NEG_INFINITY)
        } else {
            value
        };
        Solution {
            x: self.unfolded(point.columns()),
            reduced: point.dual_columns().to_vec(),
            value,
            bound,
            stopped,
        }
    }

    /// The program's columns from the solver's.
    fn unfolded(&self, seen: &[f64]) -> Vec<f64> {
        if self.folded.is_empty() {
            return seen.to_vec();
        }
        let mut gone = self.folded.iter().map(|slack| slack.col).peekable();
        let mut seen = seen.iter().copied();
        let mut x: Vec<f64> = (0..self.costs.len())
            .map(|i| if gone.next_if_eq(&i).is_some() { 0.0 } else { seen.next().unwrap_or(0.0) })
            .collect();
        for slack in &self.folded {
            let at = |c: Col| x.get(c.index()).copied().unwrap_or(0.0);
            let value = slack.terms.iter().map(|(c, v)| at(*c) * v).sum::<f64>() - slack.rhs;
            if let Some(slot) = x.get_mut(slack.col) {
                *slot = value;
            }
        }
        x
    }
}

/// One slack column for each row that has any, by row and in the order of columns: continuous, in no
/// other row, without cost.
fn slacks(program: &Program, starts: &[usize], costs: &[f64]) -> Vec<(usize, Folded)> {
    let only = |i: usize| starts.get(i + 1).zip(starts.get(i)).is_some_and(|(to, from)| to - from == 1);
    let free = |i: usize| {
        !program.integer.get(i).copied().unwrap_or(false) && costs.get(i).is_some_and(|c| *c == 0.0)
    };
    let mut found: Vec<(usize, Folded)> = (0..program.rows())
        .filter_map(|r| {
            let (terms, rhs) = program.row(r);
            let (col, _) = terms.iter().find(|(c, v)| *v == -1.0 && only(c.index()) && free(c.index()))?;
            let rest: Vec<_> = terms.iter().filter(|(c, _)| c != col).copied().collect();
            (!rest.is_empty()).then(|| (r, Folded { col: col.index(), terms: rest, rhs }))
        })
        .collect();
    found.sort_by_key(|(_, slack)| slack.col);
    found
}

/// By how much of its own measure the simplex method shifts costs against stalling.
const PERTURBATION: &str = "dual_simplex_cost_perturbation_multiplier";

/// HiGHS' word for a point that satisfies the program.
const FEASIBLE_POINT: i32 = 2;

fn fixed_options(model: &mut Model, options: &SolverOptions<'_>, integers: bool) -> Option<()> {
    model.try_set_option("threads", 1).ok()?;
    model.try_set_option("random_seed", 0).ok()?;
    model.try_set_option("parallel", "off").ok()?;
    // named `simplex`, HiGHS would solve a mixed-integer program's relaxation only
    model.try_set_option("solver", if integers { "choose" } else { "simplex" }).ok()?;
    model.try_set_option("presolve", "on").ok()?;
    model.try_set_option("primal_feasibility_tolerance", 1e-9).ok()?;
    model.try_set_option("dual_feasibility_tolerance", 1e-9).ok()?;
    if integers {
        model.try_set_option("mip_feasibility_tolerance", 1e-9).ok()?;
        model.try_set_option("mip_rel_gap", options.share.max(0.0)).ok()?;
        model.try_set_option("mip_max_nodes", options.nodes).ok()?;
        model.try_set_option("mip_abs_gap", options.gap.max(0.0)).ok()?;
    }
    Some(())
}

/// The transposed matrix: entries `starts[c]..starts[c + 1]` are column `c`'s (row, value).
fn by_column(program: &Program) -> (Vec<usize>, Vec<(usize, f64)>) {
    let n = program.cols();
    let mut starts = vec![0_usize; n + 1];
    for (col, _) in &program.terms {
        if let Some(count) = starts.get_mut(col.index() + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut next = starts.clone();
    let mut entries = vec![(0_usize, 0.0_f64); program.terms.len()];
    for r in 0..program.rows() {
        for (col, value) in program.row(r).0 {
            let Some(slot) = next.get_mut(col.index()) else { continue };
            if let Some(entry) = entries.get_mut(*slot) {
                *entry = (r, *value);
            }
            *slot += 1;
        }
    }
    (starts, entries)
}

/// The crate's column handles for columns `0..n`; it hands them out from row-wise problems only.
fn handles(n: usize) -> Vec<highs::Col> {
    let mut shadow = RowProblem::new();
    (0..n).map(|_| shadow.add_column(0.0, 0.0..=0.0)).collect()
}
