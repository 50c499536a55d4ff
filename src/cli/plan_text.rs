//! A plan as text: cost by part, what each device does when and why, and what the plan rests on.

use std::fmt::Write as _;

use crate::bundle::{
    Breach, CommandForm, CommandSeries, GroupSeries, Money, Override, PlanDocument, Series, StatementRef,
    Status,
};
use crate::calendar::{Calendar, Instant};
use crate::ir::Attr;
use crate::quantity::Rat;

/// In which zone times are shown.
#[derive(Debug)]
pub(super) enum Zone {
    /// the site's
    Site(Box<Calendar>),
    /// the bundle was not at hand
    Utc,
}

impl Zone {
    fn show(&self, at: Instant) -> String {
        match self {
            Self::Site(calendar) => calendar.show(at),
            Self::Utc => at.to_string(),
        }
    }
}

/// The whole text; `only` restricts it to these devices where it names any.
pub(super) fn plan_text(plan: &PlanDocument, zone: &Zone, only: &[String]) -> String {
    let mut out = String::new();
    // writing to a string cannot fail
    let _ = head(&mut out, plan, zone);
    let _ = money(&mut out, &plan.money, plan.status, (&plan.gap.money, &plan.gap.ratio));
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    for series in plan.commands.iter().filter(|series| wanted(&series.device)) {
        let _ = commands(&mut out, plan, series, zone);
    }
    for group in plan.groups.iter().filter(|group| wanted(&group.family)) {
        let _ = group_commands(&mut out, group, plan, zone);
    }
    let derived: Vec<&Series> = plan.derived.iter().filter(|series| wanted(&series.of)).collect();
    let _ = curves(&mut out, &derived);
    let _ = rests_on(&mut out, plan, zone);
    out
}

type Done = std::fmt::Result;

fn head(out: &mut String, plan: &PlanDocument, zone: &Zone) -> Done {
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

fn money(out: &mut String, money: &Money, status: Status, gap: (&Rat, &Rat)) -> Done {
    let percent = |ratio: &Rat| (ratio * &Rat::int(100)).to_decimal(3);
    let word = match status {
        Status::Optimal => "optimal",
        Status::Feasible => "feasible, not proven cheapest",
    };
    writeln!(out, "\ncost in {} ({word}; gap {}, {} %)", money.currency, fixed(gap.0, 2), percent(gap.1))?;
    let mut line = |name: &str, value: &Rat, more: &str| -> Done {
        writeln!(out, "  {}", format!("{name:<28}{:>12}  {more}", fixed(value, 2)).trim_end())
    };
    line("energy imported", &money.energy, "")?;
    if !money.export.is_zero() {
        line("earned by export", &-money.export.clone(), "")?;
    }
    for demand in &money.demand {
        let more =
            format!("peak {} kW, {} kW known before", demand.peak.to_decimal(2), demand.known.to_decimal(2));
        line(
            &format!("demand {} {}", demand.charge, demand.month),
            &(&demand.decided + &demand.incurred),
            &more,
        )?;
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
    if let Some(unmanaged) = &money.unmanaged {
        let saved = unmanaged - &money.plan_cost;
        let share = saved
            .checked_div(&unmanaged.abs())
            .map_or_else(|| "-".to_owned(), |ratio| (&ratio * &Rat::int(100)).to_decimal(1));
        line("with nobody deciding", unmanaged, &format!("saves {} ({share} %)", fixed(&saved, 2)))?;
    }
    Ok(())
}

const fn form(form: CommandForm) -> &'static str {
    match form {
        CommandForm::Fixed => "",
        CommandForm::AtMost => "at most ",
        CommandForm::AtLeast => "at least ",
        CommandForm::Follow => "follows within ",
    }
}

/// `on`, `off`, or a value with its unit.
fn value(attr: &Attr, unit: &str, value: &Rat) -> String {
    match (attr, value.is_zero()) {
        (Attr::On, true) => "off".to_owned(),
        (Attr::On, false) => "on".to_owned(),
        (Attr::Connected, true) => "disconnected".to_owned(),
        (Attr::Connected, false) => "connected".to_owned(),
        _ => format!("{} {unit}", value.to_decimal(3)).trim_end().to_owned(),
    }
}

/// Runs of equal items: first and last index, the item.
fn runs<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<(usize, usize, T)> {
    let mut all: Vec<(usize, usize, T)> = Vec::new();
    for (at, item) in items.enumerate() {
        match all.last_mut() {
            Some((_, last, same)) if *same == item => *last = at,
            _ => all.push((at, at, item)),
        }
    }
    all
}

fn span(plan: &PlanDocument, zone: &Zone, first: usize, last: usize) -> String {
    let start = plan.steps.get(first).map_or(plan.from, |step| step.start);
    let end = plan.steps.get(last).map_or_else(|| plan.until(), |step| step.end);
    let (start, end) = (zone.show(start), zone.show(end));
    // the day is said once where both ends lie on it
    match (start.rsplit_once(' '), end.rsplit_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{start} .. {time}"),
        _ => format!("{start} .. {end}"),
    }
}

fn commands(out: &mut String, plan: &PlanDocument, series: &CommandSeries, zone: &Zone) -> Done {
    writeln!(out, "\n{}.{}", series.device, series.attr.name())?;
    let reasons: Vec<_> = plan
        .reasons
        .iter()
        .filter(|reason| reason.device == series.device && reason.attr == series.attr)
        .collect();
    let why = |step: usize| {
        let of = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        reasons
            .iter()
            .find(|reason| (of(reason.first)..=of(reason.last)).contains(&step))
            .map(|reason| &reason.text)
    };
    let items = series.counts.iter().enumerate().map(|(step, count)| (*count, why(step)));
    let runs: Vec<_> = runs(items)
        .into_iter()
        .map(|(first, last, item)| (span(plan, zone, first, last), first, item))
        .collect();
    // spans that reach into the next day are longer: all are padded to the longest
    let width = runs.iter().map(|(span, ..)| span.len()).max().unwrap_or(0);
    for (span, first, (_, why)) in runs {
        let amount = series.value(first).unwrap_or_default();
        let text = format!("{}{}", form(series.form), value(&series.attr, &series.unit, &amount));
        let line = format!("  {span:<width$}  {text:>14}  {}", why.map_or("", String::as_str));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn group_commands(out: &mut String, group: &GroupSeries, plan: &PlanDocument, zone: &Zone) -> Done {
    writeln!(out, "\n{} ({} equal devices).{}", group.family, group.len(), group.attr.name())?;
    for (first, last, (running, total)) in runs(group.running.iter().zip(&group.totals)) {
        let total = value(&group.attr, &group.unit, &(&group.step * &Rat::int(*total)));
        writeln!(
            out,
            "  {}  {}{total} together, {running} run",
            span(plan, zone, first, last),
            form(group.form)
        )?;
    }
    Ok(())
}

/// Derived series as one line each: least, greatest, last, and a drawing.
fn curves(out: &mut String, series: &[&Series]) -> Done {
    if series.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nwhat follows{:>28}{:>11}{:>11}", "least", "greatest", "at the end")?;
    for series in series {
        let (Some(least), Some(most), Some(last)) =
            (series.values.iter().min(), series.values.iter().max(), series.values.last())
        else {
            continue;
        };
        let quantity = serde_json::to_value(series.quantity).ok();
        let quantity = quantity.as_ref().and_then(|word| word.as_str()).unwrap_or("").replace('_', " ");
        let name = format!("{} {quantity}, {}", series.of, series.unit);
        let figures = [least, most, last].map(|value| format!("{:>11}", fixed(value, 2))).concat();
        writeln!(out, "  {name:<27}{figures}  {}", drawing(&series.values, least, most))?;
    }
    Ok(())
}

/// At most 48 blocks, each as high as the mean of its share of the values.
fn drawing(values: &[Rat], least: &Rat, most: &Rat) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let range = most - least;
    let share = values.len().div_ceil(48).max(1);
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

fn rests_on(out: &mut String, plan: &PlanDocument, zone: &Zone) -> Done {
    let steps = |first: u32, last: u32| {
        let of = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        span(plan, zone, of(first), of(last))
    };
    section(
        out,
        "overridden",
        plan.overrides.iter().map(|Override { statement: lost, of, by, first, last, .. }| {
            let by: Vec<String> = by.iter().map(statement).collect();
            format!("{} on {of}, by {}: {}", statement(lost), by.join(", "), steps(*first, *last))
        }),
    )?;
    section(
        out,
        "not met in full",
        plan.breaches.iter().map(|Breach { statement: lost, of, amount, unit, first, last, .. }| {
            format!(
                "{} on {of}, by {} {unit}: {}",
                statement(lost),
                amount.to_decimal(3),
                steps(*first, *last)
            )
        }),
    )?;
    section(
        out,
        "nothing to do",
        plan.void
            .iter()
            .map(|void| format!("{} on {}: {}", statement(&void.statement), void.device, void.because)),
    )?;
    section(
        out,
        "presumes",
        plan.presumes
            .iter()
            .map(|presumed| format!("{}: {} now, {} later", presumed.signal, presumed.first, presumed.then)),
    )?;
    section(out, "assumes", plan.assumptions.iter().cloned())?;
    section(
        out,
        "made from",
        plan.inputs.iter().map(|input| format!("{}: {} ({})", input.name, input.path, input.sha256.short())),
    )
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) -> Done {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        writeln!(out, "\n{title}")?;
    }
    for line in lines {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// Exactly this many decimals.
fn fixed(value: &Rat, places: usize) -> String {
    let text = value.to_decimal(u32::try_from(places).unwrap_or(0));
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{part:0<places$}")
}
