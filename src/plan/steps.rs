//! Steps: the horizon cut where anything changes (planner.md 10).

use std::collections::BTreeSet;

pub(super) use crate::bundle::Step;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, codes};
use crate::inputs::Inputs;
use crate::ir::{EffectKind, Guard, Lin, Period, Price, Rule, Sched, SigRef, SignalSource, Site};

/// Most steps of one plan.
const MOST: usize = 200_000;

/// Length of a step, h.
#[expect(clippy::cast_precision_loss, reason = "steps are far shorter than 2^53 s")]
pub(super) fn hours(step: &Step) -> f64 {
    step.seconds() as f64 / 3600.0
}

/// The steps of a plan from `from` over `horizon_s`.
///
/// A list of lengths counts from `from`; a single length follows the clock, so that the first step
/// may be a part.
///
/// # Errors
/// EVL1008 where a step is longer than a demand interval or there are too many steps.
pub(super) fn cut(
    site: &Site,
    calendar: &Calendar,
    inputs: &Inputs,
    from: Instant,
    horizon_s: i64,
) -> Result<Vec<Step>, Diagnostic> {
    let to = from.plus(horizon_s);
    let mut cuts: BTreeSet<Instant> = grid(site, calendar, from, to)?;
    let mut scheds: Vec<(&Sched, i64)> = Vec::new();
    collect(site, &mut scheds);
    for (sched, before) in scheds {
        // what looks ahead by `before` changes that much earlier, and what waits that much later
        let (first, last) = (from.plus(before.min(0)), to.plus(before.max(0)));
        let changes = calendar.boundaries(sched, first, last);
        cuts.extend(changes.iter().copied());
        cuts.extend(changes.iter().map(|at| at.plus(-before)));
    }
    for rule in &site.rules {
        for effect in &rule.effects {
            let (EffectKind::Deliver { window, .. } | EffectKind::Run { window, .. }) = &effect.kind else {
                continue;
            };
            for (start, end) in calendar.obligation_windows(window, from, to) {
                cuts.extend([start, end]);
            }
        }
    }
    let accounts = site.principals.iter().filter_map(|who| who.active_until);
    cuts.extend(accounts.map(|last| calendar.day_after(last)));
    cuts.extend(calendar.clock_changes(from, to));
    cuts.extend(inputs.sessions().iter().flat_map(|s| [s.arrival, s.departure]));
    for budget in &site.budgets {
        cuts.extend(periods(calendar, budget.per, from, to).into_iter().map(|(start, _)| start));
    }
    if site.tariffs.iter().any(|tariff| !tariff.demand.is_empty() || tariff.minimum.is_some()) {
        cuts.extend(periods(calendar, Period::Month, from, to).into_iter().map(|(start, _)| start));
    }
    for tariff in site.tariffs.iter().filter(|t| !t.demand.is_empty()) {
        cuts.extend(intervals(calendar, tariff.interval_s, from, to).into_iter().map(|(start, _)| start));
    }
    cuts.retain(|at| from < *at && *at < to);
    if cuts.len() > MOST {
        return Err(Diagnostic::error(
            codes::STEPS,
            site.span,
            format!("the horizon would have more than {MOST} steps"),
        )
        .help("choose a longer `step` or a shorter `horizon`"));
    }
    let ends: Vec<Instant> = cuts.iter().copied().chain([to]).collect();
    let starts = [from].into_iter().chain(cuts.iter().copied());
    Ok(starts.zip(ends).map(|(start, end)| Step { start, end }).collect())
}

/// The nominal steps, before anything cuts them.
fn grid(
    site: &Site,
    calendar: &Calendar,
    from: Instant,
    to: Instant,
) -> Result<BTreeSet<Instant>, Diagnostic> {
    for tariff in site.tariffs.iter().filter(|t| !t.demand.is_empty()) {
        if let Some(run) = site.step.iter().find(|run| run.length_s > tariff.interval_s) {
            return Err(Diagnostic::error(
                codes::STEPS,
                tariff.span,
                format!(
                    "tariff `{}` measures demand over {} min, and a step is {} min long",
                    tariff.name,
                    tariff.interval_s / 60,
                    run.length_s / 60
                ),
            )
            .label(site.span, "the step is declared here")
            .help("choose a `step` no longer than the demand interval"));
        }
    }
    let mut cuts = BTreeSet::new();
    let mut at = from;
    for run in &site.step {
        let length = run.length_s.max(1);
        let clock = site.step.len() == 1 && run.count.is_none();
        let mut count = 0_u32;
        while at < to && run.count.is_none_or(|most| count < most) {
            if cuts.len() > MOST {
                break;
            }
            at = if clock {
                let local = at.0 + i64::from(calendar.offset(at));
                at.plus(length - local.rem_euclid(length))
            } else {
                at.plus(length)
            };
            cuts.insert(at);
            count += 1;
        }
    }
    Ok(cuts)
}

/// The calendar periods that meet `[from, to)`, unclipped.
pub(super) fn periods(
    calendar: &Calendar,
    per: Period,
    from: Instant,
    to: Instant,
) -> Vec<(Instant, Instant)> {
    let mut found = Vec::new();
    let mut at = from;
    while at < to && found.len() < MOST {
        let (start, end) = calendar.period(per, at);
        found.push((start, end));
        if end <= at {
            break;
        }
        at = end;
    }
    found
}

/// The demand intervals on the clock that meet `[from, to)`, unclipped.
pub(super) fn intervals(
    calendar: &Calendar,
    length_s: i64,
    from: Instant,
    to: Instant,
) -> Vec<(Instant, Instant)> {
    let length = length_s.max(1);
    let local = from.0 + i64::from(calendar.offset(from));
    let mut start = from.plus(-local.rem_euclid(length));
    let mut found = Vec::new();
    while start < to && found.len() < MOST {
        found.push((start, start.plus(length)));
        start = start.plus(length);
    }
    found
}

/// Every schedule that the policy names, with how far ahead it is looked at, s; below 0: with how long
/// a rule waits after it.
fn collect<'s>(site: &'s Site, out: &mut Vec<(&'s Sched, i64)>) {
    for tariff in &site.tariffs {
        for price in [Some(&tariff.import), tariff.export.as_ref()].into_iter().flatten() {
            if let Price::Periods { periods, .. } = price {
                out.extend(periods.iter().map(|p| (&p.during, 0)));
            }
        }
        out.extend(tariff.demand.iter().map(|d| (&d.during, 0)));
    }
    out.extend(site.zones.iter().flat_map(|z| z.comfort.iter()).map(|band| (&band.during, 0)));
    out.extend(site.permits.iter().map(|p| (&p.during, 0)));
    for rule in &site.rules {
        of_rule(site, rule, out);
    }
    if let Some(emergency) = &site.emergency {
        of_guard(site, emergency, &[0], out);
    }
}

fn of_rule<'s>(site: &'s Site, rule: &'s Rule, out: &mut Vec<(&'s Sched, i64)>) {
    of_guard(site, &rule.when, &[0], out);
    if let Some(until) = &rule.until {
        of_guard(site, until, &[0], out);
    }
    for lin in rule.effects.iter().flat_map(|effect| effect.kind.amounts()) {
        of_lin(site, lin, &[0], out);
    }
}

/// What a guard looks at; `after`: how long the rule may wait after it, s.
fn of_guard<'s>(site: &'s Site, guard: &'s Guard, after: &[i64], out: &mut Vec<(&'s Sched, i64)>) {
    match guard {
        Guard::During(sched) => out.extend(after.iter().map(|wait| (sched, -wait))),
        Guard::Not(inner) | Guard::Quantified { body: inner, .. } => of_guard(site, inner, after, out),
        Guard::Held(id, inner) => {
            let wait = site.held.get(id.index()).map_or(0, |held| held.for_s);
            let after: Vec<i64> = std::iter::once(0).chain(after.iter().map(|more| wait + more)).collect();
            of_guard(site, inner, &after, out);
        }
        Guard::All(parts) | Guard::Any(parts) => {
            parts.iter().for_each(|part| of_guard(site, part, after, out));
        }
        Guard::Compare { lin, .. } => of_lin(site, lin, after, out),
        Guard::Const(_) | Guard::Is(_) | Guard::Equals(..) | Guard::Emergency => {}
    }
}

/// The prices that an expression reads or looks ahead at.
fn of_lin<'s>(site: &'s Site, lin: &Lin, after: &[i64], out: &mut Vec<(&'s Sched, i64)>) {
    for (_, signal) in &lin.terms {
        let (SigRef::Only(id) | SigRef::Member(id, _)) = signal else { continue };
        let (price, ahead) = match site.signal(*id).map(|s| &s.source) {
            Some(SignalSource::Aggregate { of, over_s, .. }) => {
                (site.signal(*of).map(|s| &s.source), *over_s)
            }
            other => (other, 0),
        };
        let Some(SignalSource::ImportPrice(t) | SignalSource::ExportPrice(t)) = price else { continue };
        let Some(tariff) = site.tariffs.get(t.index()) else { continue };
        for price in [Some(&tariff.import), tariff.export.as_ref()].into_iter().flatten() {
            if let Price::Periods { periods, .. } = price {
                for wait in after {
                    // where the price enters the window, and where it leaves it
                    out.extend(periods.iter().map(|p| (&p.during, ahead - wait)));
                    out.extend(periods.iter().filter(|_| ahead != 0).map(|p| (&p.during, -wait)));
                }
            }
        }
    }
}
