//! Exact verification of a plan, by code that shares nothing with the optimiser.
//!
//! [`simulate`] computes what follows from a plan's commands and inputs. Instantaneous values and
//! the content of stores without self-discharge are exact; other states are intervals rounded
//! outward, and a limit holds only where the whole interval obeys it.

mod budgets;
mod carried;
mod check;
mod claims;
mod cuts;
mod decisions;
mod declared;
mod distance;
mod excluded;
mod failsafe;
mod fix;
#[cfg(test)]
pub(crate) mod fixture;
mod flows;
mod follow;
mod ledger;
mod limits;
mod means;
mod miss;
mod money;
mod network;
mod obligations;
mod overrides;
mod paths;
mod physical;
pub mod prefix;
mod rules;
mod safe_state;
mod simulate;
mod state;
mod stated;
mod steered;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_breaches;
#[cfg(test)]
mod tests_devices;
#[cfg(test)]
mod tests_document;
#[cfg(test)]
mod tests_rules;
mod told;
mod units;
mod unmanaged;

use std::collections::BTreeSet;

use crate::bundle::{
    Bundle, CommandSeries, FollowingSeries, GroupSeries, PlanDocument, Session, State, Step,
};
use crate::calendar::Calendar;
use crate::inputs::{Inputs, OnSteps};
use crate::ir::{Device, Site, Steered};

pub use check::{Asked, Verdict, completed, draft, verify};
pub use fix::{Interval, TooLarge};
pub use limits::Excess;
pub use miss::Miss;
pub use rules::Told;
pub use simulate::{Run, Trajectory, simulate};
pub use state::Content;
pub use told::{Less, narrowed};
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
    /// Who keeps a meter at a target.
    pub following: &'a [FollowingSeries],
    /// The zones that a setpoint steers in this state: [`State::steered`].
    pub steered: &'a [Steered],
    /// The devices that nobody counts on in this state: [`State::excluded`].
    pub excluded: &'a BTreeSet<Device>,
}

/// Whether a plan's state and given values are those of the files at hand: the state and the inputs
/// from which it says that it was made.
#[must_use]
pub fn same_inputs(
    bundle: &Bundle,
    plan: &PlanDocument,
    inputs: Option<&Inputs>,
    state: Option<&State>,
) -> Vec<Miss> {
    let mut out = Vec::new();
    if let Some(state) = state
        && *state != plan.state
    {
        out.push(Miss::plan("state", "the plan was made from another state than the one at hand"));
    }
    let Some(inputs) = inputs else { return out };
    for file in inputs.files() {
        match plan.inputs.iter().find(|made| made.name == file.name) {
            Some(made) if made.sha256 == file.sha256 && made.path == file.path => {}
            Some(made) if made.sha256 == file.sha256 => out.push(Miss::plan(
                &file.name,
                format!("the plan names `{}` for `{}`, it is `{}`", made.path, file.name, file.path),
            )),
            Some(_) => {
                out.push(Miss::plan(
                    &file.name,
                    format!("`{}` has changed since the plan was made", file.path),
                ));
            }
            None => out.push(Miss::plan(&file.name, format!("the plan does not know `{}`", file.path))),
        }
    }
    for made in &plan.inputs {
        if !inputs.files().iter().any(|file| file.name == made.name) {
            out.push(Miss::plan(
                &made.name,
                format!("the plan names an input `{}`, there is none", made.name),
            ));
        }
    }
    let given = Calendar::new(&bundle.site).map_err(|finding| finding.message).and_then(|calendar| {
        inputs.on(&bundle.site, &calendar, &plan.state, &plan.steps).map_err(|findings| {
            findings.iter().next().map_or(String::new(), |finding| finding.message.clone())
        })
    });
    match given {
        Err(message) => out.push(Miss::plan("inputs", message)),
        Ok(given) => {
            if given.series(&bundle.site) != plan.given {
                out.push(Miss::plan("inputs", "the plan's given values are not those of its inputs"));
            }
            if given.presumes() != plan.presumes {
                out.push(Miss::plan(
                    "inputs",
                    "the plan presumes other values than its state and policy give",
                ));
            }
            let (from, until) = (plan.from, plan.until());
            let meets = |s: &&Session| s.arrival < until && s.departure > from;
            if !inputs.sessions().iter().filter(meets).eq(plan.sessions.iter()) {
                out.push(Miss::plan("sessions", "the plan's sessions are not those of its inputs"));
            }
        }
    }
    out
}
