//! What a plan says of how good it is. That nothing better exists no verification can tell; what the
//! numbers have to do with each other and with the plan's money it can.

use super::Case;
use super::declared::import_prices;
use super::miss::{Miss, Misses};
use super::money;
use super::simulate::Trajectory;
use crate::bundle::{CommandForm, Gap, PlanDocument, Status};
use crate::calendar::Calendar;
use crate::ir::Model;
use crate::quantity::Rat;

/// How many of the coarsest register's steps rounding may move a value.
const ROUNDED: i64 = 21;

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
    if let Some(model) = &plan.money.model_cost {
        let between = &(&plan.money.plan_cost - model).abs() - &plan.gap.money;
        // the optimiser's own sum is of floats
        let float = &near + &(&model.abs() * &Rat::ratio(1, 1_000_000).unwrap_or_default());
        if between > &(&rounding(case, calendar, plan) + &target) + &float {
            let message = format!(
                "the plan says that it would cost {model} before rounding, and {} after it",
                plan.money.plan_cost
            );
            wrong("model_cost", message);
        }
    }
}

/// The most that rounding to registers can change the money, generously: every commanded value by some
/// of the coarsest register's steps, at the dearest that a kWh and a kW cost, and what goals after the
/// first may give up.
fn rounding(case: &Case<'_>, calendar: &Calendar, plan: &PlanDocument) -> Rat {
    let single = plan.commands.iter().filter(|s| s.unit == "kW").map(|s| (&s.step, 1_u64, s.form));
    let groups = plan.groups.iter().map(|g| (&g.step, g.len(), g.form));
    let (mut coarsest, mut values) = (Rat::ZERO, 0_u64);
    for (step, members, form) in single.chain(groups) {
        // how far a producer is curtailed moves what it gives as well
        let twice = if form == CommandForm::AtMost { 2 } else { 1 };
        coarsest = Rat::max_of(&coarsest, step);
        values = values.saturating_add(members.saturating_mul(twice));
    }
    let power = &(&coarsest * &Rat::int(ROUNDED)) * &Rat::int(i64::try_from(values).unwrap_or(i64::MAX));
    let prices: Vec<Vec<Rat>> =
        case.site.tariffs.iter().map(|tariff| import_prices(case, calendar, tariff)).collect();
    let own = case.site.families.iter().flat_map(|family| match &family.model {
        Model::Generator { fuel_cost, .. } => vec![fuel_cost.abs()],
        Model::Store(store) => vec![store.wear.abs(), store.wear_charge.abs()],
        Model::Consumer(consumer) => consumer.shed_price.iter().map(Rat::abs).collect(),
        _ => Vec::new(),
    });
    let own = own.max().unwrap_or_default();
    let mut energy = Rat::ZERO;
    for (at, step) in case.steps.iter().enumerate() {
        let dearest = prices.iter().filter_map(|prices| prices.get(at)).map(Rat::abs).max();
        energy += &(&Rat::max_of(&dearest.unwrap_or_default(), &own) * &step.hours());
    }
    let demand: Rat = plan.money.demand.iter().map(|charge| charge.price.abs()).sum();
    // a kWh bought is perhaps not sold, and perhaps missing at the end
    let worth = &(&energy * &Rat::int(3)) + &demand;
    let given_up: Rat = (case.site.objective.levels.iter())
        .filter_map(|level| level.within.as_ref())
        .map(|within| within * &plan.money.plan_cost.abs())
        .sum();
    &(&(&power * &worth) + &given_up) + &plan.money.breach.abs()
}
