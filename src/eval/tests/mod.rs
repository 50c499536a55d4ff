//! One test for each sentence of the specification, named after its number, and laws.

mod authority;
mod classes;
mod device;
mod guards;
mod laws;
mod others;

use super::*;
use crate::calendar::Instant;
use crate::ir::testkit::*;
use crate::ir::*;
use crate::quantity::Rat;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn noon() -> Environment {
    Environment::new(at("2026-07-14T12:00:00Z"))
}

fn decide(site: &Site, env: &Environment) -> Decision {
    evaluate(site, &Calendar::new(site).unwrap(), env)
}

fn number(text: &str) -> Value {
    Value::Number(rat(text))
}

fn only(id: SignalId) -> SigRef {
    SigRef::Only(id)
}

/// The resolved set of one attribute as text.
fn shown(set: &DeviceSet, attr: &Attr) -> String {
    match attr {
        Attr::On => shown_bool(set.on),
        Attr::Connected => shown_bool(set.connected),
        attr => {
            let set = set.number(attr).unwrap();
            let piece = |(lo, hi): &(Rat, Rat)| if lo == hi { lo.to_string() } else { format!("{lo}..{hi}") };
            set.pieces().iter().map(piece).collect::<Vec<_>>().join(" ")
        }
    }
}

fn shown_bool(set: BoolSet) -> String {
    match set.decided() {
        _ if set.is_empty() => "never".into(),
        Some(true) => "yes".into(),
        Some(false) => "no".into(),
        None => "any".into(),
    }
}

/// `rule` or `rule#effect` where a rule has more than one.
fn names(site: &Site, effects: &[EffectRef]) -> String {
    let name = |effect: &EffectRef| {
        let rule = site.rule(effect.instance.rule).unwrap();
        let mut name = rule.name.clone();
        if let Some(member) = effect.instance.member {
            name = format!("{name}[{}]", member.index);
        }
        if rule.effects.len() > 1 { format!("{name}#{}", effect.index) } else { name }
    };
    effects.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Conflicts as `clash: effects` or `clash: effects / against`.
fn conflicts(site: &Site, decision: &Decision) -> Vec<String> {
    let one = |conflict: &Conflict| {
        let mut text = format!("{:?}: {}", conflict.clash, names(site, &conflict.effects));
        if !conflict.against.is_empty() {
            text = format!("{text} / {}", names(site, &conflict.against));
        }
        if conflict.dropped { text } else { format!("({text})") }
    };
    decision.conflicts.iter().map(one).collect()
}

fn overridden(site: &Site, decision: &Decision) -> String {
    names(site, &decision.overridden())
}
