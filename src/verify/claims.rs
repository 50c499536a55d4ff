//! What a plan says of how good it is. That nothing better exists no verification can tell; what the
//! numbers have to do with each other and with the plan's money it can.

use super::Case;
use super::miss::{Miss, Misses};
use super::money;
use super::simulate::Trajectory;
use crate::bundle::{Gap, PlanDocument, Status};
use crate::calendar::Calendar;
use crate::quantity::Rat;

pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    plan: &PlanDocument,
    out: &mut Misses,
) {
    let mut wrong = |kind: &str, message: String| out.push(kind, Miss::said("plan", message));
    // the target is computed in floats where the plan is made
    let near = Rat::ratio(1, 100_000).unwrap_or_default();
    let target = money::largest_gap(case, calendar, trajectory);
    if plan.status == Status::Optimal && plan.gap.money > &target + &near {
        wrong("status", format!("the plan calls itself optimal with a gap of {}", plan.gap.money));
    }
    if plan.status == Status::Feasible && plan.gap.money < &target - &near {
        let message =
            format!("the plan does not call itself optimal, although its gap is only {}", plan.gap.money);
        wrong("status", message);
    }
    let right = Gap::of(plan.gap.money.clone(), &plan.money);
    if plan.gap.ratio != right.ratio {
        let message = format!(
            "the plan says {} for its gap as a share of its energy cost, it is {}",
            plan.gap.ratio, right.ratio
        );
        wrong("ratio", message);
    }
}
