//! Budgets: used and planned stay under the cap of each period (planner.md 12).

use super::Case;
use super::carried::{Wanted, ahead};
use super::fix::Interval;
use super::ledger::{Breached, Duty, Ledger, When, budget_unit};
use super::miss::{Miss, Misses};
use super::money::Amount;
use super::simulate::{Run, Trajectory};
use crate::calendar::{Calendar, Instant};
use crate::inputs::price_pieces;
use crate::ir::{Attr, Budget, BudgetQuantity, Family, Model, Price, SigRef, Statement, Target};
use crate::quantity::Rat;

/// Every budget in every period that the plan meets; how many there were.
pub(super) fn check(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    asked_of: &[Wanted],
    ledger: &mut Ledger<'_>,
    out: &mut Misses,
) -> usize {
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return 0 };
    let (from, until) = (first.start, last.end);
    let mut asked = 0;
    for budget in &case.site.budgets {
        let mut at = from;
        while at < until {
            let (begin, end) = calendar.period(budget.per, at);
            if end <= at {
                break;
            }
            asked += 1;
            let used = if begin < from {
                match case.state.used(case.site, budget) {
                    Ok(used) => used,
                    Err(missing) => {
                        out.push("used", Miss::plan(&budget.name, missing.message));
                        break;
                    }
                }
            } else {
                Rat::ZERO
            };
            let steps =
                case.steps.partition_point(|s| s.start < at)..case.steps.partition_point(|s| s.start < end);
            let rest = ahead(case, calendar, budget, (until, end), asked_of);
            // nothing that the plan does can keep it
            let overdrawn = &used + &rest > budget.cap;
            let used = &used + &rest;
            let mut total = Amount { lo: used.clone(), hi: used };
            for run in &trajectory.runs {
                let Some(family) = case.site.family(run.unit.family) else { continue };
                for step in steps.clone() {
                    count(case, calendar, budget, (run, family), step, &mut total);
                }
            }
            if budget.quantity == BudgetQuantity::Cost {
                demand(case, calendar, trajectory, (at, end), &mut total);
            }
            if total.hi > budget.cap {
                let words = match rest.is_positive() {
                    true => {
                        format!("{} of {} are used with what is still to come", total.shown(), budget.cap)
                    }
                    false => format!("{} of {} are used", total.shown(), budget.cap),
                };
                let over = |used: &Rat| Rat::max_of(&(used - &budget.cap), &Rat::ZERO);
                ledger.breach(
                    Breached {
                        statement: Statement::Budget(budget.id),
                        duty: if overdrawn { Duty::Initial(budget.class) } else { Duty::Owed(budget.class) },
                        of: budget.name.clone(),
                        when: When::Whole(steps.start, steps.end.saturating_sub(1)),
                        words,
                        amount: Amount { lo: over(&total.lo), hi: over(&total.hi) },
                        unit: budget_unit(budget.quantity),
                    },
                    out,
                );
            }
            at = end;
        }
    }
    asked
}

/// How many of a unit's members the budget counts.
fn share(case: &Case<'_>, budget: &Budget, run: &Run) -> Rat {
    if budget.scope == Target::Site {
        return Rat::ONE;
    }
    let scope = case.site.target_members(&budget.scope);
    let counted: u64 = run
        .unit
        .members
        .iter()
        .flat_map(|m| scope.iter().map(move |s| (m, s)))
        .filter(|(m, s)| m.family == s.family)
        .map(|(m, s)| {
            let (first, last) = (m.first.max(s.first), m.last.min(s.last));
            if first > last { 0 } else { u64::from(last - first) + 1 }
        })
        .sum();
    Rat::ratio(i128::from(counted), i128::from(run.unit.count.max(1))).unwrap_or_default()
}

fn count(
    case: &Case<'_>,
    calendar: &Calendar,
    budget: &Budget,
    (run, family): (&Run, &Family),
    step: usize,
    total: &mut Amount,
) {
    let Some(length) = case.steps.get(step) else { return };
    let hours = length.hours();
    let share = share(case, budget, run);
    if share.is_zero() {
        return;
    }
    let mut add = |power: Interval, factor: &Rat| {
        let factor = &(&hours * &share) * factor;
        let (a, b) = (&power.lo() * &factor, &power.hi() * &factor);
        total.lo += &Rat::min_of(&a, &b);
        total.hi += &Rat::max_of(&a, &b);
    };
    match (&family.model, budget.quantity) {
        (Model::Consumer(_), BudgetQuantity::Consumption) => add(run.power(&Attr::Power, step), &Rat::ONE),
        (Model::Grid { .. }, BudgetQuantity::Import) => add(run.power(&Attr::Import, step), &Rat::ONE),
        (Model::Grid { .. }, BudgetQuantity::Export) => add(run.power(&Attr::Export, step), &Rat::ONE),
        (Model::Grid { carbon, carbon_feed, .. }, BudgetQuantity::Emissions) => {
            let feed = carbon_feed.map(|id| super::units::signal_of(case, id, &run.unit));
            let kg = match (carbon, feed) {
                (Some(kg), _) => kg.clone(),
                (None, Some(feed)) => case.given.mean(&feed, step).cloned().unwrap_or_default(),
                (None, None) => Rat::ZERO,
            };
            add(run.power(&Attr::Import, step), &kg);
        }
        (Model::Generator { carbon, .. }, BudgetQuantity::Emissions) => {
            add(run.power(&Attr::Power, step), carbon);
        }
        (Model::Grid { tariff: Some(tariff), .. }, BudgetQuantity::Cost) => {
            let Some(tariff) = case.site.tariffs.get(tariff.index()) else { return };
            for (attr, export, sign) in [(Attr::Import, false, 1), (Attr::Export, true, -1)] {
                let price = if export { tariff.export.as_ref() } else { Some(&tariff.import) };
                let price = match price {
                    None => continue,
                    Some(Price::Feed(signal, _)) => {
                        case.given.mean(&SigRef::Only(*signal), step).cloned().unwrap_or_default()
                    }
                    Some(Price::Periods { .. }) => {
                        price_pieces(calendar, tariff, export, length.start, length.end)
                            .and_then(|p| p.aggregate(crate::ir::AggregateOp::Mean, length.start, length.end))
                            .unwrap_or_default()
                    }
                };
                add(run.power(&attr, step), &(&price * &Rat::int(sign)));
            }
        }
        _ => {}
    }
}

/// Demand charges decided in a period count as cost in it.
fn demand(
    case: &Case<'_>,
    calendar: &Calendar,
    trajectory: &Trajectory,
    (from, to): (Instant, Instant),
    total: &mut Amount,
) {
    let Ok(account) = super::money::account(case, calendar, trajectory) else { return };
    for ((_, _, month), (known, peak, price)) in &account.demand {
        let (date, _, _) = calendar.civil(from);
        let (end, _, _) = calendar.civil(to.plus(-1));
        let key = |d: crate::ir::CivilDate| format!("{:04}-{:02}", d.year, d.month);
        if *month < key(date) || *month > key(end) {
            continue;
        }
        let above = |peak: &Rat| price * &Rat::max_of(&(peak - known), &Rat::ZERO);
        total.lo += &above(&peak.lo);
        total.hi += &above(&peak.hi);
    }
}
