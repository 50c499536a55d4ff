//! The optimiser's only door: sparse programs in, solutions with reduced costs out.
//!
//! HiGHS is reached through the safe `highs` crate alone. That crate changes column bounds and
//! costs of a living model but neither row bounds nor integrality; therefore every row of a
//! [`Program`] is an equality, an inequality owning a slack *column*, so that whatever a later
//! level must lock or relax is a column bound, and a program whose integers are fixed is loaded
//! again as a continuous one.

mod program;
mod session;

pub(in crate::plan) use program::{Col, Program};
pub(in crate::plan) use session::{Outcome, Session, Solution, Stop};

/// The one set of options with which HiGHS runs (planner.md 19).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::plan) struct SolverOptions {
    /// Absolute gap at which an integer search may stop, in the objective's unit.
    pub(in crate::plan) gap: f64,
    /// The same as a share of the objective.
    pub(in crate::plan) share: f64,
    /// Most nodes of an integer search: a limit on work, which unlike a clock repeats.
    pub(in crate::plan) nodes: i32,
    /// Wall-clock limit, s; only where the caller asked for it, since it makes plans unrepeatable.
    pub(in crate::plan) time_limit: Option<f64>,
}

impl Default for SolverOptions {
    fn default() -> Self {
        Self { gap: 0.0, share: 0.0, nodes: i32::MAX, time_limit: None }
    }
}
