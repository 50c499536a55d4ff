//! A situation in words, and as a `test` block that reproduces it.

use std::collections::BTreeSet;

use super::Situation;
use crate::calendar::Calendar;
use crate::ir::{Domain, Signal, SignalId, Site};
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

/// A value so that reading it back gives the same value: in the unit shown where that is exact.
fn exact(value: &Rat, ty: Type, currency: &str) -> String {
    show(value, ty, currency)
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
                if let Some(latch) = site.latches.get(latch.index()) {
                    memory.push(format!("{} {}", if *value { "latched" } else { "not latched" }, latch.name));
                }
            }
            Bit::Held(held) => {
                if let Some(held) = site.held.get(held.index()) {
                    memory.push(format!("{} {}", if *value { "held" } else { "not held" }, held.name));
                }
            }
            _ => {}
        }
    }
    signals.sort();
    signals.into_iter().map(|(_, _, text)| text).chain(memory).collect()
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
