//! What each device does when, and why: a line for every change of its command.

use std::fmt::Write as _;

use super::plan_text::Shown;
use crate::bundle::{CommandForm, CommandSeries, FollowingSeries, GroupSeries, PlanDocument, Quantity};
use crate::diag::render::paragraph;
use crate::ir::Attr;
use crate::quantity::Rat;

/// The plan's steps as day and time of day.
pub(super) struct Times {
    /// day and time at which each step begins, and at which the last ends
    marks: Vec<(String, String)>,
    /// whether all steps lie on one day, which the plan's head names
    one_day: bool,
}

impl Times {
    pub(super) fn new(plan: &PlanDocument, zone: &Shown) -> Self {
        let split = |at| {
            let text = zone.show(at);
            // `Wed 2026-07-22 00:00` on the site's clock, with an offset where an hour is repeated;
            // `2026-07-22T07:00:00Z` elsewhere
            let mut words = text.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some(weekday), Some(date), Some(time)) => {
                    let short = date.split_once('-').map_or(date, |(_, rest)| rest);
                    (format!("{weekday} {short}"), time.to_owned())
                }
                _ => {
                    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
                    let time = time.trim_end_matches('Z');
                    (day.to_owned(), format!("{}Z", time.strip_suffix(":00").unwrap_or(time)))
                }
            }
        };
        let starts = plan.steps.iter().map(|step| step.start);
        let mut marks: Vec<(String, String)> = starts.chain([plan.until()]).map(split).collect();
        // the end of a day is its 24:00, not the next day's 00:00
        if let [.., (before, _), (day, time)] = marks.as_mut_slice()
            && day != before
            && matches!(time.as_str(), "00:00" | "00:00Z")
        {
            *time = time.replacen("00", "24", 1);
            day.clone_from(before);
        }
        let one_day = marks.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        Self { marks, one_day }
    }

    /// The steps `first ..= last`: `08:30 .. 12:00`, with days where the plan has several.
    pub(super) fn span(&self, first: usize, last: usize) -> String {
        let at = |index: usize| self.marks.get(index.min(self.marks.len().saturating_sub(1)));
        let (Some((day, start)), Some((end_day, end))) = (at(first), at(last.saturating_add(1))) else {
            return String::new();
        };
        match (self.one_day, day == end_day) {
            (true, _) => format!("{start} .. {end}"),
            (false, true) => format!("{day} {start} .. {end}"),
            (false, false) => format!("{day} {start} .. {end_day} {end}"),
        }
    }
}

/// All series of the devices that are wanted.
pub(super) fn devices(
    out: &mut String,
    plan: &PlanDocument,
    times: &Times,
    wanted: impl Fn(&str) -> bool,
    width: usize,
) {
    for series in plan.following.iter().filter(|series| wanted(&series.device)) {
        let _ = writeln!(out, "\n{} at the meter of {}", series.device, series.grid);
        rows(out, &meter(plan, series), times, width);
    }
    for series in plan.commands.iter().filter(|series| wanted(&series.device)) {
        let _ = writeln!(out, "\n{}.{}{}", series.device, series.attr.name(), energy(plan, series));
        rows(out, &commands(plan, series), times, width);
    }
    for group in plan.groups.iter().filter(|group| wanted(&group.family)) {
        let _ = writeln!(out, "\n{} ({} equal devices).{}", group.family, group.len(), group.attr.name());
        rows(out, &group_commands(group), times, width);
    }
}

/// Steps `first ..= last`, in which the command is the same, and why it is what it is.
struct Row {
    first: usize,
    last: usize,
    text: String,
    why: Vec<String>,
}

fn rows(out: &mut String, rows: &[Row], times: &Times, width: usize) {
    let spans: Vec<String> = rows.iter().map(|row| times.span(row.first, row.last)).collect();
    let longest = |all: &mut dyn Iterator<Item = usize>| all.max().unwrap_or(0);
    let when = longest(&mut spans.iter().map(|span| span.chars().count()));
    let what = longest(&mut rows.iter().map(|row| row.text.chars().count()));
    let mut before = None;
    for (row, span) in rows.iter().zip(&spans) {
        let head = format!("  {span:<when$}  {:>what$}  ", row.text);
        let why = together(&row.why);
        // what was said on the line above is not said again
        let again = before.as_ref() == Some(&why) && !why.is_empty();
        let said = if again { "\u{2033}" } else { why.as_str() };
        paragraph(out, &head, when + what + 6, said, width);
        before = Some(why);
    }
}

/// Several reasons in one: `the cheapest way at 0.0950 .. 0.1743 USD/kWh` where they differ in their
/// price alone, otherwise one after the other.
fn together(reasons: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for reason in reasons.iter().map(String::as_str).filter(|reason| !reason.is_empty()) {
        if !distinct.contains(&reason) {
            distinct.push(reason);
        }
    }
    let priced = |reason: &&str| {
        let (said, price) = reason.rsplit_once(" at ")?;
        let (number, unit) = price.split_once(' ')?;
        Some((said.to_owned(), number.parse::<Rat>().ok()?, number.to_owned(), unit.to_owned()))
    };
    let parts: Option<Vec<_>> = distinct.iter().map(priced).collect();
    if let Some(parts) = parts.filter(|parts| parts.len() > 1)
        && let Some((said, _, _, unit)) = parts.first()
        && parts.iter().all(|(other, _, _, of)| other == said && of == unit)
        && let Some(least) = parts.iter().min_by(|a, b| a.1.cmp(&b.1))
        && let Some(most) = parts.iter().max_by(|a, b| a.1.cmp(&b.1))
    {
        return format!("{said} at {} .. {} {unit}", least.2, most.2);
    }
    distinct.join("; ")
}

/// Why a device does what it does in a step, by what is said of the attributes that are asked after.
fn why(plan: &PlanDocument, device: &str, attr: Option<&Attr>, step: usize) -> String {
    let of = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    let mut reasons = plan.reasons.iter().filter(|reason| {
        reason.device == device
            && attr.is_none_or(|attr| reason.attr == *attr)
            && (of(reason.first)..=of(reason.last)).contains(&step)
    });
    reasons.next().map_or_else(String::new, |reason| reason.text.clone())
}

/// Joins steps in which the same is said.
fn joined(steps: impl Iterator<Item = (String, String)>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (step, (text, why)) in steps.enumerate() {
        match rows.last_mut() {
            Some(row) if row.text == text => {
                row.last = step;
                row.why.push(why);
            }
            _ => rows.push(Row { first: step, last: step, text, why: vec![why] }),
        }
    }
    rows
}

/// What a meter is kept at.
fn meter(plan: &PlanDocument, series: &FollowingSeries) -> Vec<Row> {
    joined((0..series.targets.len()).map(|step| match series.target(step) {
        Some(target) => {
            let way = if target.is_negative() { "export" } else { "import" };
            let text = format!("{} {} {way}", target.abs().to_decimal(3), series.unit);
            (text, why(plan, &series.device, None, step))
        }
        None => ("does not follow".to_owned(), String::new()),
    }))
}

fn commands(plan: &PlanDocument, series: &CommandSeries) -> Vec<Row> {
    joined((0..series.counts.len()).map(|step| {
        let amount = series.value(step).unwrap_or_default();
        // what keeps a meter does what that takes, up to this
        let form = if follows(plan, &series.device, step) { CommandForm::AtMost } else { series.form };
        let text = format!("{}{}", self::form(form), value(&series.attr, &series.unit, &amount));
        (text, why(plan, &series.device, Some(&series.attr), step))
    }))
}

fn follows(plan: &PlanDocument, device: &str, step: usize) -> bool {
    plan.following.iter().any(|series| series.device == device && series.target(step).is_some())
}

fn group_commands(group: &GroupSeries) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (step, (running, total)) in group.running.iter().zip(&group.totals).enumerate() {
        let total = value(&group.attr, &group.unit, &(&group.step * &Rat::int(*total)));
        let text = format!("{}{total} together, {running} run", form(group.form));
        match rows.last_mut() {
            Some(row) if row.text == text => row.last = step,
            _ => rows.push(Row { first: step, last: step, text, why: Vec::new() }),
        }
    }
    rows
}

/// The energy of a power that is commanded, not only bounded: `, 62.30 kWh`.
fn energy(plan: &PlanDocument, series: &CommandSeries) -> String {
    if series.unit != "kW" || series.form != CommandForm::Fixed {
        return String::new();
    }
    let quantity = match series.attr {
        Attr::Charge => Quantity::Charge,
        Attr::Discharge => Quantity::Discharge,
        _ => Quantity::Power,
    };
    let follows = plan.following.iter().any(|following| following.device == series.device);
    // of what keeps a meter somewhere the plan says what it then does
    let derived = plan.derived.iter().filter(|of| of.of == series.device && of.quantity == quantity);
    let derived = derived.filter(|_| follows).map(|series| &series.values).next();
    let steps = plan.steps.iter().enumerate();
    let sum: Rat = steps
        .filter_map(|(at, step)| {
            let power = match derived {
                Some(values) => values.get(at).cloned(),
                None => series.value(at),
            };
            Some(&power? * &Rat::int(step.seconds()).checked_div(&Rat::int(3600))?)
        })
        .sum();
    format!(", {} kWh in all", sum.to_decimal(1))
}

const fn form(form: CommandForm) -> &'static str {
    match form {
        CommandForm::Fixed => "",
        CommandForm::AtMost => "at most ",
        CommandForm::AtLeast => "at least ",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reasons: &[&str]) -> String {
        together(&reasons.iter().map(|reason| (*reason).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn reasons_that_differ_in_their_price_alone_become_one() {
        assert_eq!(said(&["idle at 0.10 USD/kWh", "idle at 0.10 USD/kWh"]), "idle at 0.10 USD/kWh");
        let three = ["idle at 0.10 USD/kWh", "idle at 0.09 USD/kWh", "idle at 0.20 USD/kWh"];
        assert_eq!(said(&three), "idle at 0.09 .. 0.20 USD/kWh");
        assert_eq!(
            said(&["idle at 0.10 USD/kWh", "`shave` limits it"]),
            "idle at 0.10 USD/kWh; `shave` limits it"
        );
        assert_eq!(said(&["", "`shave` limits it"]), "`shave` limits it");
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn spans_name_days_only_where_there_are_several() {
        let mark = |day: &str, time: &str| (day.to_owned(), time.to_owned());
        let day =
            Times { marks: vec![mark("Wed 07-22", "00:00"), mark("Wed 07-22", "24:00")], one_day: true };
        assert_eq!(day.span(0, 0), "00:00 .. 24:00");
        let marks = vec![mark("Wed 07-22", "20:00"), mark("Wed 07-22", "22:00"), mark("Thu 07-23", "00:30")];
        let two = Times { marks, one_day: false };
        assert_eq!(two.span(0, 0), "Wed 07-22 20:00 .. 22:00");
        assert_eq!(two.span(0, 1), "Wed 07-22 20:00 .. Thu 07-23 00:30");
    }
}
