//! Signals by the names and values with which a state writes them.

use super::{Given, State};
use crate::ir::{Domain, SigRef, Signal, SignalSource, Site, Value};
use crate::quantity::{Rat, Type, Unit};

impl State {
    /// Present value of a signal: `None` where the state says nothing, `Some(None)` where it says
    /// that it is unknown.
    #[must_use]
    pub fn signal(&self, site: &Site, signal: &SigRef) -> Option<Option<Value>> {
        let (SigRef::Only(id) | SigRef::Member(id, _)) = signal else { return None };
        let declared = site.signal(*id)?;
        let given = self.signals.get(&signal_name(site, signal)?)?;
        Some(given.as_ref().and_then(|given| signal_value(site, declared, given)))
    }
}

/// The name by which documents call a signal: of an array's member with its index,
/// `charger[3].temperature`.
#[must_use]
pub fn signal_name(site: &Site, signal: &SigRef) -> Option<String> {
    match signal {
        SigRef::Only(id) => Some(site.signal(*id)?.name.clone()),
        SigRef::Member(id, index) => Some(member_name(site, site.signal(*id)?, *index)),
        SigRef::Bound(_) => None,
    }
}

fn member_name(site: &Site, signal: &Signal, index: u32) -> String {
    let family = match &signal.source {
        SignalSource::Sensor(family, _) | SignalSource::Measured(family, _) => site.family(*family),
        _ => None,
    };
    match family.and_then(|f| signal.name.strip_prefix(f.name.as_str()).map(|rest| (f, rest))) {
        Some((family, rest)) => format!("{}[{index}]{rest}", family.name),
        None => format!("{}[{index}]", signal.name),
    }
}

pub(super) fn signal_names<'a>(site: &'a Site, signal: &'a Signal) -> Box<dyn Iterator<Item = String> + 'a> {
    match signal.count {
        None => Box::new(std::iter::once(signal.name.clone())),
        Some(n) => Box::new((1..=n).map(move |index| member_name(site, signal, index))),
    }
}

/// A written value as a value of the signal; `None` where it cannot be one.
pub(super) fn signal_value(site: &Site, signal: &Signal, given: &Given) -> Option<Value> {
    match (&signal.domain, given) {
        (Domain::Bool, Given::Bool(b)) => Some(Value::Bool(*b)),
        (Domain::Symbols(words), Given::Text(word)) => {
            let at = words.iter().position(|w| w == word)?;
            u32::try_from(at).ok().map(Value::Symbol)
        }
        (Domain::Interval { .. }, Given::Text(text)) => {
            number(text, signal.ty, &site.currency).map(Value::Number)
        }
        _ => None,
    }
}

fn number(text: &str, ty: Type, currency: &str) -> Option<Rat> {
    let Some((number, unit)) = text.trim().split_once(' ') else {
        return if ty == Type::Number { text.trim().parse().ok() } else { None };
    };
    let (value, unit): (Rat, _) = (number.parse().ok()?, unit.trim());
    let unit = if ty == Type::Temperature && unit == "K" {
        Unit::absolute_kelvin()
    } else {
        Unit::lookup(unit, currency)?
    };
    (unit.ty == ty).then(|| unit.canonical(&value))
}

/// A value as the state writes it: `12.5 kW`, `true`, `island`.
#[must_use]
pub fn written(site: &Site, signal: &Signal, value: &Value) -> String {
    match (value, &signal.domain) {
        (Value::Bool(b), _) => b.to_string(),
        (Value::Symbol(at), Domain::Symbols(words)) => words.get(*at as usize).cloned().unwrap_or_default(),
        (Value::Symbol(at), _) => at.to_string(),
        (Value::Number(n), _) => {
            let unit = signal.ty.shown_unit(&site.currency);
            let shown = match Unit::lookup(&unit, &site.currency) {
                Some(u) => n.checked_div(&u.factor).unwrap_or_default() - &u.offset,
                None => n.clone(),
            };
            if unit.is_empty() { shown.to_string() } else { format!("{shown} {unit}") }
        }
    }
}
