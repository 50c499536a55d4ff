//! EVL10xx: the plan and its inputs.

use crate::diag::registry::codes;

codes! {
    /// The statement parses and type-checks, and this version's planner cannot honour it yet. No plan
    /// is made: a plan that silently leaves out a statement would be wrong.
    NOT_PLANNED_YET = 1001, Finding, "understood, not planned yet";
    /// No allocation satisfies everything that is hard. The listed statements cannot hold together;
    /// beside each stands what it alone would have to give way for a plan to exist.
    INFEASIBLE = 1002, Finding, "no plan exists";
    /// The model reads a present value (a charge level, a temperature, a peak so far) that the state
    /// file does not give. Nothing is assumed in its place.
    MISSING_STATE = 1003, Failure, "the state lacks a value";
    /// The state file cannot be used: it is no valid document, is for another site, or has unknown
    /// keys.
    BAD_STATE = 1004, Failure, "the state file cannot be used";
    /// A forecast or price that the horizon needs is missing or does not cover it.
    MISSING_INPUT = 1005, Failure, "an input does not cover the horizon";
    /// Every decision needs a proven bound. Without one the model is unbounded, or its switching
    /// conditions could not be computed exactly. Declare the limit that is named.
    UNBOUNDED = 1006, Finding, "a quantity without a limit";
    /// The optimum could not be rounded to what registers can hold without breaking a limit, even
    /// after tightening it three times.
    ROUNDING = 1007, Finding, "no plan survives rounding to registers";
    /// The horizon cannot be cut into steps as declared: a step is longer than the interval over which
    /// a tariff measures demand (the peak inside it could not be known), or there are far too many.
    STEPS = 1008, Finding, "the steps do not fit";
    /// The optimiser ended without an answer: it met a time limit that was set, or numbers too far
    /// apart to compute with. Look for ratings or prices that are many orders apart.
    SOLVER_STOPPED = 1009, Open, "the optimiser gave up";
    /// A plan may only reach over instants at which its policy is valid.
    OUTSIDE_VALID = 1010, Finding, "the plan reaches beyond the policy's validity";
    /// A guard on a power reads the same step in which its rule acts. Where a rule commands what its
    /// own guard reads, directly or by way of other rules, whether it holds cannot be settled. Read a
    /// state, which is that of the step's beginning, or the power of another device.
    GUARD_CYCLE = 1011, Finding, "a guard reads what its own rule commands";
    /// Buses that hang together need exactly one device that takes up what the others leave: their
    /// grid, else one store or generator declared `grid_forming`. Its power follows from the rest, so
    /// it is never commanded.
    ISLAND = 1012, Finding, "an island that not exactly one device balances";
}
