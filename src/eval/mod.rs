//! The meaning of a policy as a pure function of an environment (semantics.md 1-21).
//!
//! [`evaluate`] answers for one instant; an [`Evaluator`] keeps what it works out about a site for
//! many. [`activation`] leaves open what is not given, for the planner.
//!
//! Choices that the specification leaves to the implementer:
//! - **What effects are resolved on** is a [`Unit`]: members of a family that every statement
//!   treats alike, or a zone. [`DeviceSet`] is a product of small sets, closed under the device law.
//! - **Lost bounds.** Where a bound reads a lost signal and the rule counts as active on loss, the
//!   effect holds at the strictest value over the declared ranges; otherwise it has no force.
//! - **Means.** A bound `averaged over d` takes part in conflict and override like any other (a
//!   value that holds for d satisfies both), but not in the resolved set, which is about instants.
//! - **Totals** see one statement's effects on the members of a group as one: where a joint miss
//!   is dropped, all of a statement's effects on that group are.
//! - **Two directions** of a store or grid, and heating and cooling of a zone, exclude each other
//!   physically, so that a higher class that forces one overrides a lower one that forces the other.
//! - **Reset.** `latch until reset` is active while latched, whatever `until` says: that only
//!   decides whether a reset counts. A rule that is active by loss latches.
//! - **Emergency.** Where its guard is unknown, emergency permits are not in force and emergency
//!   forbids are.

mod authority;
mod decision;
mod device;
mod env;
mod evaluator;
mod gather;
mod interval;
mod joint;
mod latch;
mod layout;
mod origins;
mod residual;
mod resolve;
mod tied;
mod world;

#[cfg(test)]
mod tests;

pub use decision::{
    Asked, Clash, Conflict, Decision, Denial, EffectRef, Following, Note, Notice, Obligation, Origins,
    Outcome, Preference, Refusal, Status, Total, Unit,
};
pub use device::{BoolSet, Demand, DeviceSet, Law, physical, physical_family, physical_zone};
pub use env::{Environment, Instance, Reading, Truth};
pub use evaluator::Evaluator;
pub use interval::IntervalSet;
pub use residual::Activation;

use std::collections::BTreeSet;

use crate::calendar::Calendar;
use crate::ir::{Device, LatchId, RuleId, Site};

/// The meaning of the site's policy in one environment. For many environments of one site make an
/// [`Evaluator`] once.
#[must_use]
pub fn evaluate(site: &Site, cal: &Calendar, env: &Environment) -> Decision {
    Evaluator::new(site, cal).evaluate(env)
}

/// Whether a rule (its instance for `member`, with `for each`) is active where signals that are
/// missing from the environment are left open. Lost readings count as its `on loss` says.
#[must_use]
pub fn activation(
    site: &Site,
    cal: &Calendar,
    rule: RuleId,
    member: Option<Device>,
    env: &Environment,
) -> Activation {
    Evaluator::new(site, cal).activation(rule, member, env)
}

/// The latch bits after this environment (semantics.md 8). `resets` are the bits that a person
/// resets now.
#[must_use]
pub fn step_latches(
    site: &Site,
    cal: &Calendar,
    env: &Environment,
    resets: &BTreeSet<LatchId>,
) -> BTreeSet<LatchId> {
    Evaluator::new(site, cal).step_latches(env, resets)
}
