//! What a plan says of how good it is. That nothing better exists no verification can tell; what the
//! numbers have to do with each other and with the plan's money it can.

use super::Case;
use super::miss::{Miss, Misses};
use super::money;
use super::simulate::Trajectory;
use crate::bundle::{Gap, PlanDocument, Status};
use crate::calendar::Calendar;
use crate::ir::Goal;
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
    let within = case.site.objective.spent(Goal::Cost);
    let beyond = plan.money.beyond(within);
    if plan.status == Status::Optimal && beyond > &target + &near {
        let message = format!(
            "the plan calls itself optimal, although it costs {} more than goals after money may spend",
            beyond.to_decimal(9)
        );
        wrong("status", message);
    }
    let most = Rat::max_of(&plan.gap.money, &beyond);
    // of another first goal no number says how near it is to its best
    let money_first = case.site.objective.first() == Goal::Cost;
    if money_first && plan.status == Status::Feasible && most < &target - &near {
        let message =
            format!("the plan does not call itself optimal, although its gap is only {}", plan.gap.money);
        wrong("status", message);
    }
    if within.is_some() != plan.money.least_cost.is_some() {
        let message = if within.is_some() {
            "the plan does not say what the cheapest costs, of which goals after money may spend a share"
        } else {
            "the plan says what the cheapest costs, although no goal after money may spend any of it"
        };
        wrong("least_cost", message.to_owned());
    }
    if let (Some(most), Some(model)) = (plan.money.allowed(within), &plan.money.model_cost) {
        // the optimiser keeps its own limits to a ten millionth
        let digits = &near * &Rat::max_of(&Rat::ONE, &most.abs());
        if *model > &most + &digits {
            let message = format!(
                "the plan costs {} before rounding, and goals after money may spend up to {}",
                model.to_decimal(9),
                most.to_decimal(9)
            );
            wrong("least_cost", message);
        }
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
