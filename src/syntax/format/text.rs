//! Expressions, schedules, bounds and literals on one line.

use crate::ast::{
    Aggregate, Alternative, Amount, Bound, BoundKind, Date, Days, Expr, ExprKind, Instant, MonthDay, MulOp,
    Offset, Quantity, Schedule, ScheduleKind, Sign, Spread, TimeOfDay, TimePoint, TimeRange, WindowSide,
};

/// How tightly an expression binds; a looser one inside a tighter place gets parentheses.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const CONDITION: u8 = 4;
pub(super) const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const FACTOR: u8 = 7;
const PRIMARY: u8 = 8;

fn binding(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Or(_) => OR,
        ExprKind::And(_) => AND,
        ExprKind::Not(_) => NOT,
        ExprKind::Compare(_)
        | ExprKind::Between(_)
        | ExprKind::In(..)
        | ExprKind::During(_)
        | ExprKind::Aggregate(..) => CONDITION,
        ExprKind::Sum(_) => SUM,
        ExprKind::Product(_) => PRODUCT,
        ExprKind::Neg(_) => FACTOR,
        _ => PRIMARY,
    }
}

/// A condition or value where anything may stand.
pub(super) fn expr(e: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, e, OR);
    out
}

/// A value, where a condition needs parentheses.
pub(super) fn value(e: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, e, SUM);
    out
}

fn write_expr(out: &mut String, e: &Expr, place: u8) {
    let wrap = binding(&e.kind) < place;
    if wrap {
        out.push('(');
    }
    match &e.kind {
        ExprKind::Or(links) => chain(out, links, " or ", AND),
        ExprKind::And(links) => chain(out, links, " and ", NOT),
        ExprKind::Not(inner) => {
            out.push_str("not ");
            write_expr(out, inner, CONDITION);
        }
        ExprKind::Compare(compare) => {
            write_expr(out, &compare.left, SUM);
            out.push(' ');
            out.push_str(compare.op.sign());
            out.push(' ');
            write_expr(out, &compare.right, SUM);
            if let Some(over) = &compare.averaged {
                out.push_str(" averaged over ");
                out.push_str(&quantity(over));
            }
        }
        ExprKind::Between(three) => {
            let (left, low, high) = &**three;
            write_expr(out, left, SUM);
            out.push_str(" between ");
            write_expr(out, low, SUM);
            out.push_str(" and ");
            write_expr(out, high, SUM);
        }
        ExprKind::In(left, set) => {
            write_expr(out, left, SUM);
            out.push_str(" in { ");
            chain(out, set, ", ", SUM);
            out.push_str(" }");
        }
        ExprKind::During(schedule) => {
            out.push_str("during ");
            write_schedule(out, schedule, EXCEPT);
        }
        ExprKind::Aggregate(which, inner) => {
            out.push_str(if *which == Aggregate::Any { "any " } else { "all " });
            // the operand is a comparison; the other conditions need parentheses here
            let other = matches!(inner.kind, ExprKind::During(_) | ExprKind::Aggregate(..));
            write_expr(out, inner, if other { PRIMARY } else { CONDITION });
        }
        ExprKind::Sum(terms) => {
            for (at, (sign, term)) in terms.iter().enumerate() {
                if at > 0 {
                    out.push_str(if *sign == Sign::Plus { " + " } else { " - " });
                }
                write_expr(out, term, PRODUCT);
            }
        }
        ExprKind::Product(factors) => {
            for (at, (op, factor)) in factors.iter().enumerate() {
                if at > 0 {
                    out.push_str(if *op == MulOp::Times { " * " } else { " / " });
                }
                write_expr(out, factor, FACTOR);
            }
        }
        ExprKind::Neg(inner) => {
            // `-5` would be a literal, and so would the beginning of `-2026-07-14`
            let plain =
                matches!(inner.kind, ExprKind::Name(_) | ExprKind::Call(_)) || binding(&inner.kind) < PRIMARY;
            out.push_str(if plain { "-" } else { "-(" });
            write_expr(out, inner, PRIMARY);
            if !plain {
                out.push(')');
            }
        }
        ExprKind::Quantity(q) => out.push_str(&quantity(q)),
        ExprKind::Text(t) => out.push_str(&text(&t.value)),
        ExprKind::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        ExprKind::Switch(b) => out.push_str(if *b { "on" } else { "off" }),
        ExprKind::Date(d) => out.push_str(&date(*d)),
        ExprKind::Time(t) => out.push_str(&time(*t)),
        ExprKind::Instant(i) => out.push_str(&instant(i)),
        ExprKind::Name(name) => out.push_str(&name.text()),
        ExprKind::Call(call) => {
            out.push_str(&call.function.text);
            out.push('(');
            chain(out, &call.args, ", ", OR);
            if let Some((side, length)) = &call.window {
                if !call.args.is_empty() {
                    out.push_str(", ");
                }
                out.push_str(if *side == WindowSide::Next { "next " } else { "last " });
                out.push_str(&quantity(length));
            }
            out.push(')');
        }
    }
    if wrap {
        out.push(')');
    }
}

fn chain(out: &mut String, links: &[Expr], between: &str, place: u8) {
    for (at, link) in links.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        write_expr(out, link, place);
    }
}

const ANY_SCHEDULE: u8 = 1;
const AND_SCHEDULE: u8 = 2;
const EXCEPT: u8 = 3;
const NOT_SCHEDULE: u8 = 4;
const ATOM: u8 = 5;

/// A schedule where anything may stand.
pub(super) fn schedule(s: &Schedule) -> String {
    let mut out = String::new();
    write_schedule(&mut out, s, ANY_SCHEDULE);
    out
}

fn write_schedule(out: &mut String, s: &Schedule, place: u8) {
    let binding = match &s.kind {
        ScheduleKind::Or(_) => ANY_SCHEDULE,
        ScheduleKind::And(_) => AND_SCHEDULE,
        ScheduleKind::Except(_) => EXCEPT,
        ScheduleKind::Not(_) => NOT_SCHEDULE,
        _ => ATOM,
    };
    let wrap = binding < place;
    if wrap {
        out.push('(');
    }
    match &s.kind {
        ScheduleKind::Always => out.push_str("always"),
        ScheduleKind::Name(name) => out.push_str(&name.text()),
        ScheduleKind::Window { days, times } => {
            if let Some(selector) = days {
                write_days(out, selector);
            }
            if days.is_some() && times.is_some() {
                out.push(' ');
            }
            if let Some(range) = times {
                write_times(out, range);
            }
        }
        ScheduleKind::Dated(from, to) => {
            out.push_str(&instant(from));
            out.push_str(" .. ");
            out.push_str(&instant(to));
        }
        ScheduleKind::Or(links) => schedule_chain(out, links, " or ", AND_SCHEDULE),
        ScheduleKind::And(links) => schedule_chain(out, links, " and ", EXCEPT),
        ScheduleKind::Except(links) => schedule_chain(out, links, " except ", NOT_SCHEDULE),
        ScheduleKind::Not(inner) => {
            out.push_str("not ");
            write_schedule(out, inner, ATOM);
        }
    }
    if wrap {
        out.push(')');
    }
}

fn schedule_chain(out: &mut String, links: &[Schedule], between: &str, place: u8) {
    for (at, link) in links.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        write_schedule(out, link, place);
    }
}

fn write_days(out: &mut String, days: &Days) {
    let range = |out: &mut String, first: String, last: String| {
        out.push_str(&first);
        if first != last {
            out.push_str(" .. ");
            out.push_str(&last);
        }
    };
    match days {
        Days::Daily(_) => out.push_str("daily"),
        Days::Weekdays(_) => out.push_str("weekdays"),
        Days::Weekends(_) => out.push_str("weekends"),
        Days::Holidays(_) => out.push_str("holidays"),
        Days::Week(parts, _) => {
            for (at, (first, last)) in parts.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                out.push_str(first.word());
                if first != last {
                    out.push_str("..");
                    out.push_str(last.word());
                }
            }
        }
        Days::Months(first, last, _) => range(out, first.word().to_owned(), last.word().to_owned()),
        Days::Year(first, last, _) => range(out, month_day(*first), month_day(*last)),
        Days::Dates(first, last, _) => range(out, date(*first), date(*last)),
        Days::Name(name) => out.push_str(&name.text()),
    }
}

fn month_day(day: MonthDay) -> String {
    format!("{} {}", day.month.word(), day.day)
}

fn write_times(out: &mut String, range: &TimeRange) {
    write_point(out, &range.start);
    out.push_str("..");
    write_point(out, &range.end);
}

fn write_point(out: &mut String, point: &TimePoint) {
    let (word, shift) = match point {
        TimePoint::Clock(clock) => {
            out.push_str(&time(*clock));
            return;
        }
        TimePoint::Sunrise(shift, _) => ("sunrise", shift),
        TimePoint::Sunset(shift, _) => ("sunset", shift),
    };
    out.push_str(word);
    if let Some((sign, by)) = shift {
        out.push_str(if *sign == Sign::Plus { " + " } else { " - " });
        out.push_str(&quantity(by));
    }
}

pub(super) fn quantity(q: &Quantity) -> String {
    match &q.unit {
        None => q.number.text.clone(),
        Some(unit) => format!("{} {}", q.number.text, unit.text),
    }
}

pub(super) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

pub(super) fn date(d: Date) -> String {
    format!("{:04}-{:02}-{:02}", d.year, d.month, d.day)
}

pub(super) fn time(t: TimeOfDay) -> String {
    match t.second {
        None => format!("{:02}:{:02}", t.hour, t.minute),
        Some(second) => format!("{:02}:{:02}:{second:02}", t.hour, t.minute),
    }
}

pub(super) fn offset(o: Offset) -> String {
    if o.minutes == 0 {
        return "Z".to_owned();
    }
    let sign = if o.minutes < 0 { '-' } else { '+' };
    let ahead = o.minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", ahead / 60, ahead % 60)
}

pub(super) fn instant(i: &Instant) -> String {
    let mut out = String::new();
    if let Some(day) = i.weekday {
        out.push_str(day.word());
        out.push(' ');
    }
    out.push_str(&date(i.date));
    out.push(' ');
    out.push_str(&time(i.time));
    if let Some(ahead) = i.offset {
        out.push(' ');
        out.push_str(&offset(ahead));
    }
    if i.second {
        out.push_str(" second");
    }
    out
}

pub(super) fn alternatives(all: &[Alternative]) -> String {
    let mut out = String::from("one of { ");
    for (at, one) in all.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        match one {
            Alternative::Value(v) => out.push_str(&value(v)),
            Alternative::Range(low, high) => {
                out.push_str(&value(low));
                out.push_str(" .. ");
                out.push_str(&value(high));
            }
        }
    }
    out.push_str(" }");
    out
}

/// How a bound is worded where it stands.
#[derive(Clone, Copy)]
pub(super) struct Wording {
    /// before an exact value
    pub(super) exactly: &'static str,
    /// before an upper bound
    pub(super) at_most: &'static str,
    /// before a choice
    pub(super) one_of: &'static str,
}

impl Wording {
    /// `set x to 3`.
    pub(super) const SET: Self = Self { exactly: "to ", at_most: "at most ", one_of: "to " };
    /// `limit x to 3`.
    pub(super) const LIMIT: Self = Self { exactly: "exactly ", at_most: "to ", one_of: "to " };
    /// `hold x at 3`.
    pub(super) const HOLD: Self = Self { exactly: "at ", at_most: "at most ", one_of: "to " };
    /// `import up to 3`.
    pub(super) const PROPERTY: Self = Self { exactly: "exactly ", at_most: "up to ", one_of: "" };
    /// `x at most 3`.
    pub(super) const PLAIN: Self = Self { exactly: "exactly ", at_most: "at most ", one_of: "" };
}

pub(super) fn bound(b: &Bound, wording: Wording) -> String {
    match &b.kind {
        BoundKind::Exactly(v) => format!("{}{}", wording.exactly, value(v)),
        BoundKind::AtMost(v) => format!("{}{}", wording.at_most, value(v)),
        BoundKind::AtLeast(v) => format!("at least {}", value(v)),
        BoundKind::Between(low, high) => format!("between {} and {}", value(low), value(high)),
        BoundKind::OneOf(all) => format!("{}{}", wording.one_of, alternatives(all)),
    }
}

pub(super) fn amount(a: &Amount, wording: Wording) -> String {
    let mut out = bound(&a.bound, wording);
    match a.spread {
        None => {}
        Some((Spread::Each, _)) => out.push_str(" each"),
        Some((Spread::Together, _)) => out.push_str(" together"),
    }
    if let Some(over) = &a.averaged {
        out.push_str(" averaged over ");
        out.push_str(&quantity(over));
    }
    out
}
