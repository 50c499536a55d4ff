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
pub(in crate::plan) struct Session {
    model: Option<Model>,
    handles: Vec<highs::Col>,
    costs: Vec<f64>,
    integers: bool,
    solved_before: bool,
}

impl Session {
    /// Loads a program with an objective to be minimised; `None` where the solver refuses it.
    pub(in crate::plan) fn new(
        program: &Program,
        objective: &[(Col, f64)],
        options: &SolverOptions,
    ) -> Option<Self> {
        let n = program.cols();
        let mut costs = vec![0.0; n];
        for (col, cost) in objective {
            if let Some(c) = costs.get_mut(col.index()) {
                *c += cost;
            }
        }
        let mut problem = ColProblem::new();
        let rows: Vec<highs::Row> = program.rhs.iter().map(|rhs| problem.add_row(*rhs..=*rhs)).collect();
        let (starts, entries) = by_column(program);
        for i in 0..n {
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
            model: Some(model),
            handles: handles(n),
            costs,
            integers: program.has_integers(),
            solved_before: false,
        })
    }

    /// Changes the bounds of a column.
    pub(in crate::plan) fn set_bounds(&mut self, col: Col, lower: f64, upper: f64) {
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
        let Some(model) = self.model.as_mut() else { return };
        for ((handle, old), new) in self.handles.iter().zip(&self.costs).zip(&costs) {
            if old != new {
                model.change_column_cost(*handle, *new);
            }
        }
        self.costs = costs;
    }

    /// Offers a point from which an integer search may start.
    pub(in crate::plan) fn start_from(&mut self, x: &[f64]) {
        if let Some(model) = self.model.as_mut() {
            // a refused start costs time only: the search then begins without one
            let _ = model.try_set_solution(Some(x), None, None, None);
        }
    }

    /// Solves; a second solve starts from the last basis.
    pub(in crate::plan) fn solve(&mut self) -> Outcome {
        let Some(mut model) = self.model.take() else { return Outcome::Failed(Stop::Numerics) };
        if self.solved_before && !self.integers && model.try_set_option("presolve", "off").is_err() {
            return Outcome::Failed(Stop::Numerics);
        }
        self.solved_before = true;
        let Ok(solved) = model.try_solve() else { return Outcome::Failed(Stop::Numerics) };
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
        self.model = Some(solved.into());
        outcome
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
            x: point.columns().to_vec(),
            reduced: point.dual_columns().to_vec(),
            value,
            bound,
            stopped,
        }
    }
}

/// HiGHS' word for a point that satisfies the program.
const FEASIBLE_POINT: i32 = 2;

fn fixed_options(model: &mut Model, options: &SolverOptions, integers: bool) -> Option<()> {
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
    if let Some(limit) = options.time_limit {
        model.try_set_option("time_limit", limit).ok()?;
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
