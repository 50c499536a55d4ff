//! A plan as text: first what it costs, what it could not do and what follows, then what each device
//! does when and why, and at the end what the plan rests on.

use std::fmt::Write as _;

use super::plan_devices::{Times, devices};
use crate::bundle::{Breach, Money, Override, PlanDocument, Series, StatementRef, Status};
use crate::calendar::{Clock, Instant};
use crate::diag::render::paragraph;
use crate::quantity::Rat;

/// The clock of the plan's site.
pub(super) fn clock(plan: &PlanDocument) -> Shown {
    Shown(Clock::new(&plan.timezone, plan.from, plan.until()))
}

/// Instants as people of the site read them; in UTC where the plan names a zone that does not exist.
pub(super) struct Shown(Option<Clock>);

impl Shown {
    pub(super) fn show(&self, at: Instant) -> String {
        self.0.as_ref().map_or_else(|| at.to_string(), |clock| clock.show(at))
    }
}

/// The whole text for a screen of `width` columns; `only` restricts it to these devices where it
/// names any.
pub(super) fn plan_text(plan: &PlanDocument, only: &[String], width: usize) -> String {
    let mut out = String::new();
    let zone = clock(plan);
    let times = Times::new(plan, &zone);
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    // writing to a string cannot fail
    let _ = head(&mut out, plan, &zone);
    let _ = money(&mut out, &plan.money, plan.status, (&plan.gap.money, &plan.gap.ratio), width);
    let _ = lost(&mut out, plan, &times, width);
    let derived: Vec<&Series> = plan.derived.iter().filter(|series| wanted(&series.of)).collect();
    let _ = curves(&mut out, &derived, width);
    devices(&mut out, plan, &times, wanted, width);
    let _ = rests_on(&mut out, plan, width);
    out
}

type Done = std::fmt::Result;

fn head(out: &mut String, plan: &PlanDocument, zone: &Shown) -> Done {
    let kind = if plan.study { "study" } else { "plan" };
    writeln!(out, "{kind} {} of {}, sequence {}", plan.id.short(), plan.site, plan.sequence)?;
    writeln!(out, "  {} .. {}, {} steps", zone.show(plan.from), zone.show(plan.until()), plan.steps.len())?;
    writeln!(
        out,
        "  expires {}, made by {} from bundle {}",
        zone.show(plan.expires),
        plan.tool,
        plan.bundle.short()
    )?;
    if plan.study {
        writeln!(out, "  longer than 7 days: made to look at, never applied")?;
    }
    if !plan.reproducible {
        writeln!(out, "  a clock limited the search: another run may find another plan")?;
    }
    Ok(())
}

fn money(out: &mut String, money: &Money, status: Status, gap: (&Rat, &Rat), width: usize) -> Done {
    let percent = |ratio: &Rat| (ratio * &Rat::int(100)).to_decimal(3);
    let word = match status {
        Status::Optimal => "optimal",
        Status::Feasible => "feasible, not proven cheapest",
    };
    writeln!(out, "\ncost in {} ({word}; gap {}, {} %)", money.currency, fixed(gap.0, 2), percent(gap.1))?;
    let demand_name = |charge: &str, month: &str| format!("demand {charge} {month}");
    let longest = money.demand.iter().map(|d| demand_name(&d.charge, &d.month).chars().count()).max();
    let column = longest.unwrap_or(0).clamp(24, width.saturating_sub(30).max(24)) + 1;
    let mut line = |name: &str, value: &Rat, more: &str| -> Done {
        let text = format!("  {name:<column$}{:>10}", fixed(value, 2));
        match text.chars().count() + 2 + more.chars().count() <= width {
            true => writeln!(out, "{}", format!("{text}  {more}").trim_end()),
            false => writeln!(out, "{text}\n{:>at$}", more, at = text.chars().count()),
        }
    };
    line("energy imported", &money.energy, "")?;
    if !money.export.is_zero() {
        line("earned by export", &-money.export.clone(), "")?;
    }
    for demand in &money.demand {
        let more = format!("peak {} kW, {} kW before", demand.peak.to_decimal(2), demand.known.to_decimal(2));
        let cost = &demand.decided + &demand.incurred;
        line(&demand_name(&demand.charge, &demand.month), &cost, &more)?;
        if !demand.incurred.is_zero() {
            line("  incurred already", &demand.incurred, "")?;
        }
    }
    for month in money.minimum.iter().filter(|month| !month.added.is_zero()) {
        let more = format!("least {}, else {}", fixed(&month.minimum, 2), fixed(&month.bill, 2));
        line(&format!("minimum bill {}", month.month), &month.added, &more)?;
    }
    for (name, value) in
        [("fixed charges", &money.fixed), ("fuel and starts", &money.fuel), ("wear", &money.wear)]
    {
        if !value.is_zero() {
            line(name, value, "")?;
        }
    }
    if !money.breach.is_zero() {
        line("priced breaches", &money.breach, "")?;
    }
    if !money.end_value.is_zero() {
        line("worth of what is left", &-money.end_value.clone(), "")?;
    }
    line("bill", &money.bill, "")?;
    line("decided by this plan", &money.plan_cost, "")?;
    if let Some(least) = &money.least_cost {
        line("  the cheapest plan", least, "goals after cost may spend a share of it")?;
    }
    // nobody deciding keeps no statement either, and no price of a breach is counted there
    let paid = &money.plan_cost - &money.breach;
    if !money.breach.is_zero() {
        line("  without priced breaches", &paid, "")?;
    }
    if let Some(unmanaged) = &money.unmanaged {
        let saved = unmanaged - &paid;
        let share = saved
            .checked_div(&unmanaged.abs())
            .map_or_else(|| "-".to_owned(), |ratio| (&ratio * &Rat::int(100)).to_decimal(1));
        let more = format!("saves {} ({share} %)", fixed(&saved, 2));
        let aside = if money.breach.is_zero() { "" } else { ", breaches aside" };
        line("with nobody deciding", unmanaged, &format!("{more}{aside}"))?;
    }
    if let Some(parts) = &money.unmanaged_parts {
        line("  energy", &(&parts.energy - &parts.export), "")?;
        for demand in parts.demand.iter().filter(|demand| !demand.decided.is_zero()) {
            let more =
                format!("peak {} kW, {} kW before", demand.peak.to_decimal(2), demand.known.to_decimal(2));
            line(&format!("  demand {} {}", demand.charge, demand.month), &demand.decided, &more)?;
        }
        for month in parts.minimum.iter().filter(|month| !month.added.is_zero()) {
            line(&format!("  minimum bill {}", month.month), &month.added, "")?;
        }
    }
    Ok(())
}

/// What the plan could not do: said before what it does.
fn lost(out: &mut String, plan: &PlanDocument, times: &Times, width: usize) -> Done {
    let steps = |first: u32, last: u32| {
        let of = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        times.span(of(first), of(last))
    };
    section(
        out,
        "not met in full",
        plan.breaches.iter().map(|Breach { statement: lost, of, amount, unit, first, last, .. }| {
            let amount = amount.to_decimal(3);
            format!("{} on {of}, by {amount} {unit}: {}", statement(lost), steps(*first, *last))
        }),
        width,
    )?;
    section(
        out,
        "overridden",
        plan.overrides.iter().map(|lost| {
            let by = || lost.by.iter().map(statement).collect::<Vec<String>>().join(", ");
            let by = lost.by_the_whole().unwrap_or_else(by);
            let Override { statement: lost, of, first, last, .. } = lost;
            format!("{} on {of}, by {by}: {}", statement(lost), steps(*first, *last))
        }),
        width,
    )?;
    section(
        out,
        "nothing to do",
        plan.void
            .iter()
            .map(|void| format!("{} on {}: {}", statement(&void.statement), void.device, void.because)),
        width,
    )
}

/// Derived series as one line each: least, greatest, last, and a drawing where there is room.
fn curves(out: &mut String, series: &[&Series], width: usize) -> Done {
    if series.is_empty() {
        return Ok(());
    }
    let name = |series: &Series| {
        let quantity = serde_json::to_value(series.quantity).ok();
        let quantity = quantity.as_ref().and_then(|word| word.as_str()).unwrap_or("").replace('_', " ");
        format!("{} {quantity}, {}", series.of, series.unit)
    };
    let column = series.iter().map(|series| name(series).chars().count()).max().unwrap_or(0).max(18);
    writeln!(out, "\n{:<column$}  {:>10}{:>10}{:>10}", "what follows", "least", "greatest", "last")?;
    let room = width.saturating_sub(column + 36).min(48);
    for series in series {
        let (Some(least), Some(most), Some(last)) =
            (series.values.iter().min(), series.values.iter().max(), series.values.last())
        else {
            continue;
        };
        let figures = [least, most, last].map(|value| format!("{:>10}", fixed(value, 2))).concat();
        let drawing = if room < 8 { String::new() } else { drawing(&series.values, least, most, room) };
        writeln!(out, "{}", format!("  {:<column$}{figures}  {drawing}", name(series)).trim_end())?;
    }
    Ok(())
}

/// At most `room` blocks, each as high as the mean of its share of the values.
fn drawing(values: &[Rat], least: &Rat, most: &Rat, room: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let range = most - least;
    let share = values.len().div_ceil(room.max(1)).max(1);
    values
        .chunks(share)
        .map(|chunk| {
            let sum: Rat = chunk.iter().cloned().sum();
            let mean =
                sum.checked_div(&Rat::int(i64::try_from(chunk.len()).unwrap_or(1))).unwrap_or_default();
            let part = (&mean - least).checked_div(&range).unwrap_or_default();
            let index = (&part * &Rat::int(7)).round().to_i64().and_then(|index| usize::try_from(index).ok());
            index.and_then(|index| BLOCKS.get(index)).copied().unwrap_or('▁')
        })
        .collect()
}

fn statement(of: &StatementRef) -> String {
    if of.at.is_empty() { format!("`{}`", of.name) } else { format!("`{}` ({})", of.name, of.at) }
}

fn rests_on(out: &mut String, plan: &PlanDocument, width: usize) -> Done {
    section(
        out,
        "presumes",
        plan.presumes
            .iter()
            .map(|presumed| format!("{}: {} now, {} later", presumed.signal, presumed.first, presumed.then)),
        width,
    )?;
    section(out, "assumes", plan.assumptions.iter().cloned(), width)?;
    section(
        out,
        "made from",
        plan.inputs.iter().map(|input| format!("{}: {} ({})", input.name, input.path, input.sha256.short())),
        width,
    )
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>, width: usize) -> Done {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        writeln!(out, "\n{title}")?;
    }
    for line in lines {
        paragraph(out, "  ", 4, &line, width);
    }
    Ok(())
}

/// Exactly this many decimals.
fn fixed(value: &Rat, places: usize) -> String {
    let text = value.to_decimal(u32::try_from(places).unwrap_or(0));
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{part:0<places$}")
}
