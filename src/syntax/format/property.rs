//! Property lists: each property as a unit of a line.

use super::item::{Unit, idents, joined, names};
use super::text::{self, Wording};
use crate::ast::{Arg, ArgKind, ExprKind, Property, Weekday};

pub(super) fn properties(all: &[Property]) -> Vec<Unit> {
    let mut units: Vec<Unit> = all.iter().map(property).collect();
    for (unit, pair) in units.iter_mut().zip(all.windows(2)) {
        if let [this, next] = pair {
            unit.alone = swallows(this, next);
        }
    }
    units
}

/// Whether `this, next` on one line would read `next` as part of a list in `this`.
fn swallows(this: &Property, next: &Property) -> bool {
    let classes = this.key.as_ref().is_some_and(|key| key.text == "classes");
    let next_is_word = next.args.is_empty();
    let next_is_row = next.key.is_none();
    let weekday = next.key.as_ref().is_some_and(|key| Weekday::ALL.iter().any(|day| day.word() == key.text));
    (classes && (next_is_word || next_is_row))
        || weekday
        || (next_is_row && this.args.iter().any(|arg| matches!(arg.kind, ArgKind::Steps(_))))
}

fn property(property: &Property) -> Unit {
    let mut out = String::new();
    let mut args = property.args.as_slice();
    match (&property.key, args) {
        (Some(key), [Arg { kind: ArgKind::Value(value), .. }])
            if key.text == "phases" && is_plain_number(&value.kind) =>
        {
            return Unit::line(format!("{} phase", text::value(value)), property.span);
        }
        (Some(key), _) => out.push_str(&key.text),
        (None, _) => {}
    }
    let mut block = None;
    if let [rest @ .., Arg { kind: ArgKind::Block(inner), .. }] = args {
        block = Some(properties(inner));
        args = rest;
    }
    let mut before: Option<&Arg> = None;
    for one in args {
        let next = match &one.kind {
            ArgKind::Value(low) | ArgKind::Range(low, _) => {
                let first = text::value(low);
                let apart = match before {
                    Some(before) => runs_together(before, &first) || is_switch(&first),
                    None if property.key.is_some() => is_switch(&first),
                    None => looks_like_a_key(&first),
                };
                arg(one, apart)
            }
            _ => arg(one, false),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&next);
        before = Some(one);
    }
    Unit { text: out, block, alone: false, span: property.span }
}

fn is_plain_number(kind: &ExprKind) -> bool {
    matches!(kind, ExprKind::Quantity(quantity) if quantity.unit.is_none())
}

/// Whether a value that follows another value would be read as one with it: `5` and `foo` as five
/// foos, `a` and `-3` as a difference.
fn runs_together(before: &Arg, next: &str) -> bool {
    let number = match &before.kind {
        ArgKind::Value(value) | ArgKind::Range(_, value) => is_plain_number(&value.kind),
        _ => false,
    };
    let value =
        matches!(before.kind, ArgKind::Value(_) | ArgKind::Range(..) | ArgKind::Bound(_) | ArgKind::When(_));
    let word = leading_word(next);
    let unit = next.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '%');
    (number && unit && crate::syntax::could_be_unit(word)) || (value && next.starts_with('-'))
}

/// Whether a value begins like the small words `on` and `off`.
fn is_switch(value: &str) -> bool {
    matches!(leading_word(value), "on" | "off")
}

/// Whether a value at the beginning of a row would be read as a key.
fn looks_like_a_key(value: &str) -> bool {
    let word = leading_word(value);
    let behind = value.get(word.len()..).unwrap_or("");
    let goes_on = behind.starts_with(['.', '(', '['])
        || [" + ", " - ", " * ", " / "].iter().any(|op| behind.starts_with(op));
    word.starts_with(|c: char| !c.is_ascii_digit()) && !goes_on
}

fn leading_word(value: &str) -> &str {
    let len = value.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    value.get(..len).unwrap_or("")
}

/// One piece behind a key; `apart` puts its first value into parentheses.
fn arg(arg: &Arg, apart: bool) -> String {
    let first = |value| if apart { format!("({})", text::value(value)) } else { text::value(value) };
    match &arg.kind {
        ArgKind::Value(value) => first(value),
        ArgKind::Word(word) => word.text.clone(),
        ArgKind::Range(low, high) => {
            let between =
                if is_plain_number(&low.kind) && is_plain_number(&high.kind) { ".." } else { " .. " };
            format!("{}{between}{}", first(low), text::value(high))
        }
        ArgKind::Pair(one, other) => format!("{} / {}", text::quantity(one), text::quantity(other)),
        ArgKind::Bound(bound) => text::bound(bound, Wording::PROPERTY),
        ArgKind::Per(period) => format!("per {}", period.text),
        ArgKind::OneOf(all) => text::alternatives(all),
        ArgKind::Choice(all) => idents(all, " | "),
        ArgKind::Link(from, to, both) => {
            format!("{} {} {}", from.text(), if *both { "<->" } else { "->" }, to.text())
        }
        ArgKind::Offset(offset) => text::offset(*offset),
        ArgKind::Location(latitude, longitude) => {
            format!("{} {}", coordinate(&latitude.text, "N", "S"), coordinate(&longitude.text, "E", "W"))
        }
        ArgKind::Steps(runs) => {
            joined(runs, ", ", |run| format!("{} x {}", run.count.text, text::quantity(&run.length)))
        }
        ArgKind::List(all) => names(all),
        ArgKind::Dates(first, last) => format!("{} .. {}", text::date(*first), text::date(*last)),
        ArgKind::During(schedule) => format!("during {}", text::schedule(schedule)),
        ArgKind::When(condition) => format!("when {}", text::expr(condition)),
        ArgKind::Map(entries) => {
            let inner =
                joined(entries, ", ", |(key, value)| format!("{}: {}", text::value(key), text::value(value)));
            format!("{{ {inner} }}")
        }
        ArgKind::Block(inner) => {
            let units = properties(inner);
            format!("{{ {} }}", joined(&units, ", ", one_line))
        }
    }
}

/// A unit with its block on one line.
pub(super) fn one_line(unit: &Unit) -> String {
    match &unit.block {
        None => unit.text.clone(),
        Some(inner) if inner.is_empty() => format!("{} {{}}", unit.text).trim_start().to_owned(),
        Some(inner) => {
            format!("{} {{ {} }}", unit.text, joined(inner, ", ", one_line)).trim_start().to_owned()
        }
    }
}

fn coordinate(signed: &str, positive: &str, negative: &str) -> String {
    match signed.strip_prefix('-') {
        Some(number) => format!("{number} {negative}"),
        None => format!("{signed} {positive}"),
    }
}
