//! Steps are cut wherever the policy changes with the clock: it is asked at their beginning only
//! (semantics.md 7), so that what begins inside a step would never be asked.

use std::collections::BTreeSet;

use super::Case;
use super::miss::{Miss, Misses};
use crate::calendar::{Calendar, Instant};
use crate::eval::Evaluator;
use crate::ir::{EffectKind, Period};

/// Every step that goes on past an instant at which it has to end.
pub(super) fn check(case: &Case<'_>, calendar: &Calendar, out: &mut Misses) {
    let (Some(first), Some(last)) = (case.steps.first(), case.steps.last()) else { return };
    for at in instants(case, calendar, first.start, last.end) {
        let step = case.steps.partition_point(|step| step.start <= at).saturating_sub(1);
        if case.steps.get(step).is_some_and(|step| step.start < at) {
            let message = format!("a step goes on past {}, where the policy changes", calendar.show(at));
            out.push("cut", Miss::at(step, "steps", message));
        }
    }
}

fn instants(case: &Case<'_>, calendar: &Calendar, from: Instant, until: Instant) -> BTreeSet<Instant> {
    let site = case.site;
    let mut found = Evaluator::new(site, calendar).moments(from, until);
    for band in site.zones.iter().flat_map(|zone| &zone.comfort) {
        found.extend(calendar.boundaries(&band.during, from.plus(1), until));
    }
    for effect in site.rules.iter().flat_map(|rule| &rule.effects) {
        if let EffectKind::Deliver { window, .. } | EffectKind::Run { window, .. } = &effect.kind {
            let windows = calendar.obligation_windows(window, from, until);
            found.extend(windows.into_iter().flat_map(|(opens, closes)| [opens, closes]));
        }
    }
    for budget in &site.budgets {
        let mut at = from;
        while at < until {
            let (_, end) = calendar.period(budget.per, at);
            if end <= at {
                break;
            }
            found.insert(end);
            at = end;
        }
    }
    if site.tariffs.iter().any(|tariff| tariff.minimum.is_some()) {
        let mut at = from;
        while at < until {
            let (_, end) = calendar.period(Period::Month, at);
            if end <= at {
                break;
            }
            found.insert(end);
            at = end;
        }
    }
    found.retain(|at| from < *at && *at < until);
    found
}
