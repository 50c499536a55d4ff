//! Rules: their clauses as units of a line, and their effects.

use super::item::{Unit, in_class, names};
use super::text::{self, Wording};
use crate::ast::{
    Days, Effect, EffectKind, ExprKind, Guard, OnLossKind, Origins, Rule, ScheduleKind, Window, WindowEnds,
};

pub(super) fn head(rule: &Rule) -> String {
    format!("rule {}{}", rule.name.text, in_class(rule.class.as_ref()))
}

/// The clauses before the effects.
pub(super) fn clauses(rule: &Rule) -> Vec<Unit> {
    let mut units = Vec::new();
    if let Some(each) = &rule.for_each {
        units
            .push(Unit::line(format!("for each {} in {}", each.variable.text, each.group.text()), each.span));
    }
    if let Some(guard) = &rule.guard {
        guard_units(&mut units, guard);
    }
    if let Some(loss) = &rule.on_loss {
        let how = match &loss.kind {
            OnLossKind::Active => "active".to_owned(),
            OnLossKind::Inactive => "inactive".to_owned(),
            OnLossKind::Hold(how_long) => format!("hold {}", text::quantity(how_long)),
        };
        units.push(Unit::line(format!("on loss {how}"), loss.span));
    }
    if let Some(every) = &rule.at_most_every {
        units.push(Unit::line(format!("at most every {}", text::quantity(every)), every.span));
    }
    if let Some(barrier) = &rule.interlock {
        units.push(Unit::line(format!("interlock {}", text::text(&barrier.value)), barrier.span));
    }
    units
}

fn guard_units(units: &mut Vec<Unit>, guard: &Guard) {
    let mut when = match &guard.when.kind {
        ExprKind::During(schedule) => format!("during {}", text::schedule(schedule)),
        _ => format!("when {}", text::expr(&guard.when)),
    };
    if let Some(held) = &guard.held_for {
        when.push_str(" for ");
        when.push_str(&text::quantity(held));
    }
    units.push(Unit::line(when, guard.when.span));
    if let Some(until) = &guard.until {
        let mut line = format!("until {}", text::expr(&until.condition));
        if let Some(held) = &until.held_for {
            line.push_str(" for ");
            line.push_str(&text::quantity(held));
        }
        units.push(Unit::line(line, until.span));
    }
    if let Some(latch) = &guard.latch {
        units.push(Unit::line(format!("latch until reset by {}", latch.role.text), latch.span));
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    let mut out = String::new();
    if effect.preferably.is_some() {
        out.push_str("preferably ");
    }
    out.push_str(&command(&effect.kind));
    if let Some(price) = effect.preferably.as_ref().and_then(|wish| wish.price.as_ref()) {
        out.push_str(" priced at ");
        out.push_str(&text::value(price));
    }
    out
}

fn command(kind: &EffectKind) -> String {
    match kind {
        EffectKind::Set(target, amount) => {
            format!("set {} {}", target.text(), text::amount(amount, Wording::SET))
        }
        EffectKind::Limit(target, amount) => {
            format!("limit {} {}", target.text(), text::amount(amount, Wording::LIMIT))
        }
        EffectKind::Hold(target, amount) => {
            format!("hold {} {}", target.text(), text::amount(amount, Wording::HOLD))
        }
        EffectKind::Keep(target, amount) => {
            format!("keep {} {}", target.text(), text::amount(amount, Wording::HOLD))
        }
        EffectKind::Switch(verb, target) => format!("{} {}", verb.words(), target.text()),
        EffectKind::Supply(origins) => supply("supply", origins),
        EffectKind::NeverSupply(origins) => supply("never supply", origins),
        EffectKind::Deliver { energy, target, window } => {
            format!("deliver {} to {}{}", text::value(energy), target.text(), due(window.as_ref()))
        }
        EffectKind::Run { target, duration, uninterrupted, window } => {
            let whole = if *uninterrupted { " without interruption" } else { "" };
            format!("run {} for {}{whole}{}", target.text(), text::value(duration), due(window.as_ref()))
        }
        EffectKind::Notify(whom, what) => format!("notify {} {}", whom.text(), text::text(&what.value)),
        EffectKind::Follow { signal, at, with } => {
            format!("follow {} at {} with {}", signal.text(), text::value(at), with.text())
        }
    }
}

fn supply(verb: &str, origins: &Origins) -> String {
    let mut out = format!("{verb} {} from {}", origins.consumer.text(), names(&origins.sources));
    if let Some(via) = &origins.via {
        out.push_str(" via ");
        out.push_str(&via.text());
    }
    if origins.by_accounting {
        out.push_str(" by accounting");
    }
    out
}

fn due(window: Option<&Window>) -> String {
    let Some(window) = window else { return String::new() };
    let mut out = match &window.ends {
        WindowEnds::Clock(from, to) => format!(" between {} and {}", text::time(*from), text::time(*to)),
        WindowEnds::Dated(from, to) => format!(" between {} and {}", text::instant(from), text::instant(to)),
    };
    if let Some(days) = &window.days {
        let daily = matches!(&days.kind, ScheduleKind::Window { days: Some(Days::Daily(_)), times: None });
        if daily {
            out.push_str(" daily");
        } else {
            out.push_str(" on ");
            out.push_str(&text::schedule(days));
        }
    }
    out
}
