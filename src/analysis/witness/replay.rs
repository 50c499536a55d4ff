//! Replaying a situation in the evaluator before it is shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::eval::{Clash, Conflict, Decision, EffectRef, Environment, Instance, Reading, Unit};
use crate::ir::{Domain, SigRef, Signal, SignalId, Site, Value};
use crate::quantity::Rat;

use super::super::ask::Ground;
use super::super::encode::Subject;
use super::super::formula::{Bit, Num};
use super::super::index::Act;
use super::Situation;

/// The reference of one signal, or of one member of it.
pub(crate) fn reference(site: &Site, signal: SignalId, member: u32) -> SigRef {
    let array = site.signal(signal).is_some_and(|s| s.count.is_some());
    if array { SigRef::Member(signal, member) } else { SigRef::Only(signal) }
}

/// The evaluator's environment of a situation. Signals of which the situation says nothing have
/// their declared normal value, else the value of their range that is nearest to zero.
pub(crate) fn environment(site: &Site, situation: &Situation) -> Environment {
    let mut environment = Environment::new(situation.at);
    for signal in &site.signals {
        let members = match signal.count {
            None => 0..=0,
            // arrays are filled only where the situation speaks of them, and a little beyond
            Some(count) => 1..=count.min(64),
        };
        for member in members {
            let of = reference(site, signal.id, member);
            environment.values.insert(of, Reading::Known(usual(signal)));
        }
    }
    for (num, value) in &situation.nums {
        if let Num::Signal(signal, member) = num {
            let of = reference(site, *signal, *member);
            environment.values.insert(of, Reading::Known(Value::Number(value.clone())));
        }
    }
    for (of, value) in left_over(site, situation) {
        environment.values.insert(of, Reading::Known(value));
    }
    for (bit, value) in &situation.bits {
        match (bit, value) {
            (Bit::Truth(signal, member), _) => {
                let of = reference(site, *signal, *member);
                environment.values.insert(of, Reading::Known(Value::Bool(*value)));
            }
            (Bit::Symbol(signal, member, symbol), true) => {
                let of = reference(site, *signal, *member);
                environment.values.insert(of, Reading::Known(Value::Symbol(*symbol)));
            }
            (Bit::Latch(latch), true) => {
                environment.latches.insert(*latch);
            }
            (Bit::Held(held), true) => {
                environment.held.insert(*held);
            }
            (Bit::LastKnown(rule, member), _) => {
                environment.last_known.insert(Instance { rule: *rule, member: *member }, *value);
            }
            _ => {}
        }
    }
    for (bit, value) in &situation.bits {
        if let (Bit::Known(signal, member), false) = (bit, value) {
            environment.values.insert(reference(site, *signal, *member), Reading::Unknown);
        }
    }
    environment
}

/// The values of signals of which a situation says only what they are not: the usual one where it
/// may be, else the first.
fn left_over(site: &Site, situation: &Situation) -> Vec<(SigRef, Value)> {
    let mut denied: BTreeMap<(SignalId, u32), BTreeSet<u32>> = BTreeMap::new();
    for (bit, value) in &situation.bits {
        if let (Bit::Symbol(signal, member, symbol), false) = (bit, value) {
            denied.entry((*signal, *member)).or_default().insert(*symbol);
        }
    }
    let chosen = denied.into_iter().filter_map(|((id, member), denied)| {
        let signal = site.signal(id)?;
        let Domain::Symbols(words) = &signal.domain else { return None };
        let count = u32::try_from(words.len()).ok()?;
        let usual = if let Value::Symbol(usual) = usual(signal) { Some(usual) } else { None };
        let symbol = usual.into_iter().chain(0..count).find(|symbol| !denied.contains(symbol))?;
        Some((reference(site, id, member), Value::Symbol(symbol)))
    });
    chosen.collect()
}

fn usual(signal: &Signal) -> Value {
    if let Some(value) = &signal.normal {
        return value.clone();
    }
    match &signal.domain {
        Domain::Bool => Value::Bool(false),
        Domain::Symbols(_) => Value::Symbol(0),
        Domain::Interval { lo, hi } => {
            let near = if lo.is_positive() {
                lo.clone()
            } else if hi.is_negative() {
                hi.clone()
            } else {
                Rat::ZERO
            };
            Value::Number(near)
        }
    }
}

/// The evaluator's name of an act.
pub(crate) fn effect_ref(act: &Act) -> EffectRef {
    EffectRef { instance: Instance { rule: act.rule, member: act.member }, index: act.effect }
}

/// Whether a unit is, or holds, the subject.
pub(crate) fn is_on(unit: &Unit, subject: Subject) -> bool {
    match subject {
        Subject::Device(device) => unit.contains(device),
        Subject::Zone(zone) => *unit == Unit::Zone(zone),
    }
}

/// The conflict of just these acts, wherever it is.
pub(crate) fn conflict_of<'d>(decision: &'d Decision, acts: &[&Act]) -> Option<&'d Conflict> {
    let mut effects: Vec<EffectRef> = acts.iter().map(|act| effect_ref(act)).collect();
    effects.sort_unstable();
    effects.dedup();
    decision.conflicts.iter().find(|c| c.clash != Clash::BeyondDevice && c.effects == effects)
}

/// Whether the two acts clash, be it that the decision lists others in their place.
pub(crate) fn clashes(ground: &Ground, environment: &Environment, acts: &[&Act]) -> bool {
    let [a, b] = acts else { return false };
    let (a, b) = (effect_ref(a), effect_ref(b));
    ground.evaluator.clashes(environment, &|effect| effect == a, &|effect| effect == b)
}

/// Whether one of the acts takes part in another conflict, so that it was dropped before it could
/// show in this one. That conflict is found by a question of its own.
pub(crate) fn is_hidden(decision: &Decision, acts: &[&Act]) -> bool {
    let effects: Vec<EffectRef> = acts.iter().map(|act| effect_ref(act)).collect();
    decision.conflicts.iter().any(|c| c.effects.iter().any(|effect| effects.contains(effect)))
}
