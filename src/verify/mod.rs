//! Exact verification of a plan, by code that shares nothing with the optimiser.
//!
//! [`simulate`] computes what follows from a plan's commands and inputs. Instantaneous values and
//! the content of stores without self-discharge are exact; other states are intervals rounded
//! outward, and a limit holds only where the whole interval obeys it.

mod check;
mod failsafe;
mod fix;
#[cfg(test)]
pub(crate) mod fixture;
mod limits;
mod miss;
mod money;
mod network;
mod physical;
mod rules;
mod simulate;
mod state;
#[cfg(test)]
mod tests;
mod units;

use crate::bundle::{CommandSeries, GroupSeries, Session, State, Step};
use crate::inputs::OnSteps;
use crate::ir::Site;

pub use check::{Asked, Verdict, verify};
pub use fix::{Interval, TooLarge};
pub use limits::Excess;
pub use miss::Miss;
pub use simulate::{Run, Trajectory, simulate};
pub use state::Content;
pub use units::Unit;

/// A plan to be simulated: its commands on their steps, with what was given.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The policy.
    pub site: &'a Site,
    /// Steps, each beginning where the last one ends.
    pub steps: &'a [Step],
    /// Inputs on the steps.
    pub given: &'a OnSteps,
    /// What was known at the beginning.
    pub state: &'a State,
    /// Vehicles' stays.
    pub sessions: &'a [Session],
    /// Commands.
    pub commands: &'a [CommandSeries],
    /// Commands to sets of equal devices.
    pub groups: &'a [GroupSeries],
}
