//! The optimiser's only door: sparse programs in, solutions with reduced costs out.
//!
//! HiGHS is reached through the safe `highs` crate alone. That crate changes column bounds and
//! costs of a living model but neither row bounds nor integrality; therefore every row of a
//! [`Program`] is an equality, an inequality owning a slack *column*, so that whatever a later
//! level must lock or relax is a column bound, and a program whose integers are fixed is loaded
//! again as a continuous one.

mod program;
mod session;

pub(in crate::plan) use program::{Col, Program, Semi};
pub(in crate::plan) use session::{Outcome, Session, Solution, Stop};

/// Looks on while a plan is made: how long it takes, and what is being done.
pub trait Watch: Sync {
    /// Seconds since the beginning.
    fn elapsed_s(&self) -> f64;

    /// What is being done now, in words.
    fn doing(&self, what: &str);
}

/// The one set of options with which HiGHS runs (planner.md 19).
#[derive(Clone, Copy)]
pub(in crate::plan) struct SolverOptions<'w> {
    /// Absolute gap at which an integer search may stop, in the objective's unit.
    pub(in crate::plan) gap: f64,
    /// The same as a share of the objective.
    pub(in crate::plan) share: f64,
    /// Most nodes of an integer search: a limit on work, which unlike a clock repeats.
    pub(in crate::plan) nodes: i32,
    /// Wall-clock limit of everything together, s on `watch`; only where the caller asked for it, since
    /// it makes plans unrepeatable.
    pub(in crate::plan) time_limit: Option<f64>,
    /// Who looks on.
    pub(in crate::plan) watch: Option<&'w dyn Watch>,
}

impl SolverOptions<'_> {
    /// Seconds that are left of the time limit.
    pub(in crate::plan) fn left_s(&self) -> Option<f64> {
        let spent = self.watch.map_or(0.0, Watch::elapsed_s);
        self.time_limit.map(|limit| (limit - spent).max(0.0))
    }

    /// Whether the time limit is over.
    pub(in crate::plan) fn is_over(&self) -> bool {
        self.left_s().is_some_and(|left| left <= 0.0)
    }

    /// Tells what is being done.
    pub(in crate::plan) fn doing(&self, what: &str) {
        if let Some(watch) = self.watch {
            watch.doing(what);
        }
    }
}

impl Default for SolverOptions<'_> {
    fn default() -> Self {
        Self { gap: 0.0, share: 0.0, nodes: i32::MAX, time_limit: None, watch: None }
    }
}
