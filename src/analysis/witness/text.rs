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
