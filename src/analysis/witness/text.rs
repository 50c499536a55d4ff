//! A situation in words, and as a `test` block that reproduces it.

use std::collections::BTreeSet;

use super::Situation;
use crate::calendar::Calendar;
use crate::ir::{Domain, GivenWhat, LatchId, Signal, SignalId, Site};
use crate::quantity::{Rat, Type, show};

use super::super::formula::{Bit, Num};

/// `Tue 2026-07-14 16:30`.
fn moment(calendar: &Calendar, situation: &Situation) -> String {
    let (date, second, weekday) = calendar.civil(situation.at);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    let clock = if s == 0 { format!("{h:02}:{m:02}") } else { format!("{h:02}:{m:02}:{s:02}") };
    let twice = calendar
        .instant(crate::ir::CivilInstant { date, second_of_day: second, second: true })
        .is_ok_and(|second| second == situation.at);
    let fold = if twice { " second" } else { "" };
    format!("{} {date} {clock}{fold}", weekday.word())
}

fn signal_name(signal: &Signal, member: u32) -> String {
    if member == 0 {
        return signal.name.clone();
    }
    match signal.name.split_once('.') {
        Some((device, attr)) => format!("{device}[{member}].{attr}"),
        None => format!("{}[{member}]", signal.name),
    }
}

/// A value so that reading it back gives the same value: as people are shown it where that is exact,
/// with more decimals, in another unit or as a fraction where it is not.
fn exact(value: &Rat, ty: Type, currency: &str) -> String {
    let shown = match ty {
        Type::Ratio => value * &Rat::int(100),
        Type::CarbonIntensity => value * &Rat::int(1000),
        Type::Temperature => value - &Rat::ratio(27_315, 100).unwrap_or_default(),
        _ => value.clone(),
    };
    let decimals = |shown: &Rat, places: u32| -> Option<String> {
        let text = shown.to_decimal(places);
        (text.parse::<Rat>().ok()? == *shown).then_some(text)
    };
    if ty == Type::Duration || decimals(&shown, 6).is_some() {
        return show(value, ty, currency);
    }
    let unit = ty.shown_unit(currency);
    if let Some(text) = decimals(&shown, 15) {
        return format!("{text} {unit}").trim_end().to_owned();
    }
    let fahrenheit =
        &(value * &Rat::ratio(9, 5).unwrap_or_default()) - &Rat::ratio(45_967, 100).unwrap_or_default();
    match (ty, decimals(&fahrenheit, 15), shown.small_parts()) {
        (Type::Temperature, Some(text), _) => format!("{text} degF"),
        (Type::Temperature, None, _) | (_, _, None) => show(value, ty, currency),
        (_, _, Some((n, d))) if unit.is_empty() => format!("{n} / {d}"),
        (_, _, Some((n, d))) => format!("{n} {unit} / {d}"),
    }
}

/// The facts of a situation: `weather.temperature 31 degC`, `latched co_alarm`. `only` restricts
/// the signals.
fn facts(site: &Site, situation: &Situation, only: Option<&BTreeSet<SignalId>>) -> Vec<String> {
    let mut signals: Vec<(&str, u32, String)> = Vec::new();
    let wanted = |id: &SignalId| only.is_none_or(|only| only.contains(id));
    // what a lost reading would have shown is not known
    let lost = |id: &SignalId, member: u32| situation.bits.get(&Bit::Known(*id, member)) == Some(&false);
    for (num, value) in &situation.nums {
        if let Num::Signal(id, member) = num
            && wanted(id)
            && !lost(id, *member)
            && let Some(signal) = site.signal(*id)
        {
            let text =
                format!("{} {}", signal_name(signal, *member), exact(value, signal.ty, &site.currency));
            signals.push((&signal.name, *member, text));
        }
    }
    let mut memory = Vec::new();
    for (bit, value) in &situation.bits {
        match bit {
            Bit::Truth(id, member) if wanted(id) && !lost(id, *member) => {
                if let Some(signal) = site.signal(*id) {
                    signals.push((
                        &signal.name,
                        *member,
                        format!("{} {value}", signal_name(signal, *member)),
                    ));
                }
            }
            Bit::Symbol(id, member, symbol) if *value && wanted(id) && !lost(id, *member) => {
                if let Some(signal) = site.signal(*id)
                    && let Domain::Symbols(words) = &signal.domain
                    && let Some(word) = words.get(*symbol as usize)
                {
                    signals.push((&signal.name, *member, format!("{} {word}", signal_name(signal, *member))));
                }
            }
            Bit::Known(id, member) if wanted(id) && !value => {
                if let Some(signal) = site.signal(*id) {
                    signals.push((
                        &signal.name,
                        *member,
                        format!("unknown {}", signal_name(signal, *member)),
                    ));
                }
            }
            Bit::Latch(latch) => {
                memory.extend(latch_name(site, *latch).map(|name| format!("{}latched {name}", no(*value))));
            }
            Bit::Held(id) => {
                let is = |what: &GivenWhat| matches!(what, GivenWhat::Held(of, _) if of == id);
                memory.extend(held_name(site, is).map(|name| format!("{}held {name}", no(*value))));
            }
            Bit::LastKnown(rule, member) => {
                let is = |what: &GivenWhat| matches!(what, GivenWhat::LastKnown(of, on, _) if (of, on) == (rule, member));
                memory.extend(held_name(site, is).map(|name| format!("{}held {name}", no(*value))));
            }
            _ => {}
        }
    }
    signals.sort();
    signals.into_iter().map(|(_, _, text)| text).chain(memory).collect()
}

fn no(value: bool) -> &'static str {
    if value { "" } else { "not " }
}

/// `alarm`, or `alarm[3]` where the rule has a latch for each member.
fn latch_name(site: &Site, latch: LatchId) -> Option<String> {
    let rule = site.rule(site.latches.get(latch.index())?.rule)?;
    let at = rule.latches.iter().position(|of| *of == latch)?;
    Some(if rule.latches.len() == 1 { rule.name.clone() } else { format!("{}[{}]", rule.name, at + 1) })
}

/// `alarm`, or `alarm[2]` where the rule holds several bits.
fn held_name(site: &Site, is: impl Fn(&GivenWhat) -> bool) -> Option<String> {
    site.rules.iter().find_map(|rule| {
        let bits = GivenWhat::held_by(site, rule.id);
        let at = bits.iter().position(&is)?;
        Some(if bits.len() == 1 { rule.name.clone() } else { format!("{}[{}]", rule.name, at + 1) })
    })
}

/// One line: the instant and what matters.
pub(crate) fn story(
    site: &Site,
    calendar: &Calendar,
    situation: &Situation,
    only: &BTreeSet<SignalId>,
) -> String {
    let mut parts = vec![moment(calendar, situation)];
    parts.extend(facts(site, situation, Some(only)));
    parts.join(", ")
}

/// A whole `test` block.
pub(crate) fn test_block(
    site: &Site,
    calendar: &Calendar,
    situation: &Situation,
    title: &str,
    expect: &str,
) -> String {
    let mut given = vec![moment(calendar, situation)];
    given.extend(facts(site, situation, None));
    format!("test \"{title}\" {{\n  given {}\n  expect {expect}\n}}", given.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_as_they_are() {
        let text = |value: &str, ty| exact(&value.parse().unwrap(), ty, "EUR");
        assert_eq!(text("3.6", Type::Power), "3.6 kW");
        assert_eq!(text("0.123456789", Type::Power), "0.123456789 kW");
        assert_eq!(text("31.012034567", Type::Number), "31.012034567");
        // 80 degF
        let kelvin = Rat::ratio(53_967 * 5, 900).unwrap();
        assert_eq!(exact(&kelvin, Type::Temperature, "EUR"), "80 degF");
        let third = Rat::ratio(1, 3).unwrap();
        assert_eq!(exact(&third, Type::Power, "EUR"), "1 kW / 3");
    }
}
