//! Partial evaluation: what remains of a guard or a bound when decided quantities are left open.

use super::env::{Environment, Instance};
use super::evaluator::{Evaluator, counts_as};
use super::world::{Seen, World, compare};
use crate::ir::{Device, GroupTerm, Guard, Lin, Memory, Quantifier, RuleId, SigRef, Value};
use crate::quantity::Rat;

/// Whether a rule is active, as far as the environment decides it.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// It is.
    Active,
    /// It is not.
    Inactive,
    /// It is iff this guard holds. The guard reads only signals that the environment leaves open,
    /// members instead of [`SigRef::Bound`], and neither time nor memory.
    Depends(Guard),
}

impl Evaluator<'_> {
    /// Whether a rule (its instance for `member`) is active where signals that are missing from
    /// the environment are left open. Lost readings count as the rule's `on loss` says.
    #[must_use]
    pub fn activation(&self, rule: RuleId, member: Option<Device>, env: &Environment) -> Activation {
        let Some((rule, plan)) = self.site.rule(rule).zip(self.layout.rules.get(rule.index())) else {
            return Activation::Inactive;
        };
        let Some(nth) = plan.members.iter().position(|of| *of == member) else {
            return Activation::Inactive;
        };
        let world = self.world(env);
        let loss = counts_as(rule, env, Instance { rule: rule.id, member });
        let partial = Partial { world: &world, loss };
        let when = partial.guard(&rule.when, member, true);
        let latched = rule.latches.get(nth).is_some_and(|bit| env.latches.contains(bit));
        let guard = match (&rule.memory, latched) {
            (Memory::Reset { .. }, true) => Guard::Const(true),
            (Memory::Until, true) => {
                let until = rule
                    .until
                    .as_ref()
                    .map_or(Guard::Const(true), |until| partial.guard(until, member, false));
                any([when, until])
            }
            _ => when,
        };
        match guard {
            Guard::Const(true) => Activation::Active,
            Guard::Const(false) => Activation::Inactive,
            open => Activation::Depends(open),
        }
    }

    /// What remains of a guard (of its negation, where not `positive`) where signals that are missing
    /// from the environment are left open, in negation normal form. Lost readings count as `loss`.
    #[must_use]
    pub fn residual(
        &self,
        guard: &Guard,
        member: Option<Device>,
        positive: bool,
        loss: bool,
        env: &Environment,
    ) -> Guard {
        let world = self.world(env);
        Partial { world: &world, loss }.guard(guard, member, positive)
    }

    /// A linear expression with what is known put in: what remains reads only open or lost
    /// signals, members instead of [`SigRef::Bound`], and no sums over groups.
    #[must_use]
    pub fn fold(&self, lin: &Lin, member: Option<Device>, env: &Environment) -> Lin {
        let world = self.world(env);
        Partial { world: &world, loss: false }.lin(lin, member)
    }
}

struct Partial<'b> {
    world: &'b World<'b>,
    /// What the rule counts as where its guard is unknown. In negation normal form every literal
    /// that is unknown then counts as that, whatever its sign: Kleene's value of the whole is not
    /// false iff it is true with all of them true, and true iff it is true with all of them false.
    loss: bool,
}

impl Partial<'_> {
    /// The guard (its negation where not `positive`) in negation normal form.
    fn guard(&self, guard: &Guard, bound: Option<Device>, positive: bool) -> Guard {
        let literal = |value: bool| Guard::Const(value == positive);
        match guard {
            Guard::Const(value) => literal(*value),
            Guard::Not(inner) => self.guard(inner, bound, !positive),
            Guard::All(parts) if positive => all(parts.iter().map(|part| self.guard(part, bound, true))),
            Guard::All(parts) => any(parts.iter().map(|part| self.guard(part, bound, false))),
            Guard::Any(parts) if positive => any(parts.iter().map(|part| self.guard(part, bound, true))),
            Guard::Any(parts) => all(parts.iter().map(|part| self.guard(part, bound, false))),
            Guard::Compare { lin, op, step } => {
                let lin = self.lin(lin, bound);
                if let Some(value) = lin.as_constant() {
                    return literal(compare(value, *op, step));
                }
                if self.reads_lost(&lin) {
                    return Guard::Const(self.loss);
                }
                signed(Guard::Compare { lin, op: *op, step: step.clone() }, positive)
            }
            Guard::Is(signal) => self.atom(signal, bound, positive, Guard::Is, |value| match value {
                Value::Bool(value) => Some(*value),
                _ => None,
            }),
            Guard::Equals(signal, word) => {
                let make = |signal| Guard::Equals(signal, *word);
                self.atom(signal, bound, positive, make, |value| match value {
                    Value::Symbol(value) => Some(value == word),
                    _ => None,
                })
            }
            Guard::During(sched) => literal(self.world.cal.contains(sched, self.world.env.at)),
            Guard::Held(id, inner) => {
                let held = match self.world.held(*id, inner, bound).known() {
                    Some(held) => literal(held),
                    None => Guard::Const(self.loss),
                };
                let inner = self.guard(inner, bound, positive);
                if positive { all([held, inner]) } else { any([held, inner]) }
            }
            Guard::Quantified { quantifier, group, body } => {
                let devices = self.world.site.group(*group).map(|group| group.devices().collect::<Vec<_>>());
                let devices = devices.unwrap_or_default();
                let each =
                    |sign: bool| devices.iter().map(move |device| self.guard(body, Some(*device), sign));
                match (quantifier, positive) {
                    (Quantifier::Any, true) => any(each(true)),
                    (Quantifier::Any, false) => all(each(false)),
                    (Quantifier::Every, true) => all(each(true)),
                    (Quantifier::Every, false) => any(each(false)),
                    (Quantifier::Count(..), _) => {
                        if each(true).all(|part| matches!(part, Guard::Const(_))) {
                            let truth = self.world.truth(guard, bound);
                            return truth.known().map_or(Guard::Const(self.loss), literal);
                        }
                        // stays as it is: its members are open
                        signed(guard.clone(), positive)
                    }
                }
            }
            Guard::Emergency => match &self.world.site.emergency {
                None => literal(false),
                Some(emergency) if mentions_emergency(emergency) => {
                    self.world.emergency().known().map_or(Guard::Const(self.loss), literal)
                }
                Some(emergency) => self.guard(emergency, None, positive),
            },
        }
    }

    fn atom(
        &self,
        signal: &SigRef,
        bound: Option<Device>,
        positive: bool,
        make: impl Fn(SigRef) -> Guard,
        holds: impl Fn(&Value) -> Option<bool>,
    ) -> Guard {
        let Some(signal) = self.world.bind(signal, bound) else { return Guard::Const(self.loss) };
        match self.world.see(&signal) {
            Seen::Known(value) => {
                holds(&value).map_or(Guard::Const(self.loss), |value| Guard::Const(value == positive))
            }
            Seen::Lost => Guard::Const(self.loss),
            Seen::Open => signed(make(signal), positive),
        }
    }

    fn lin(&self, lin: &Lin, bound: Option<Device>) -> Lin {
        let mut open = Lin::constant(lin.constant.clone());
        let mut add = |factor: &Rat, signal: &SigRef| match self.world.number(signal, None) {
            Some(value) => open.constant += &(factor * &value),
            None => match open.terms.iter_mut().find(|(_, known)| known == signal) {
                Some((sum, _)) => *sum += factor,
                None => open.terms.push((factor.clone(), signal.clone())),
            },
        };
        for (factor, signal) in &lin.terms {
            // an attribute that is not measured stays as it is: lost
            add(factor, &self.world.bind(signal, bound).unwrap_or_else(|| signal.clone()));
        }
        for (factor, GroupTerm { group, attr }) in &lin.sums {
            for device in self.world.site.group(*group).into_iter().flat_map(|group| group.devices()) {
                let signal = self.world.measured(device, attr);
                add(factor, &signal.unwrap_or_else(|| SigRef::Bound(attr.clone())));
            }
        }
        open.terms.retain(|(factor, _)| !factor.is_zero());
        open
    }

    fn reads_lost(&self, lin: &Lin) -> bool {
        lin.terms.iter().any(|(_, signal)| self.world.see(signal) != Seen::Open)
    }
}

fn signed(guard: Guard, positive: bool) -> Guard {
    if positive { guard } else { Guard::Not(Box::new(guard)) }
}

fn mentions_emergency(guard: &Guard) -> bool {
    match guard {
        Guard::Emergency => true,
        Guard::Not(inner) | Guard::Held(_, inner) => mentions_emergency(inner),
        Guard::All(parts) | Guard::Any(parts) => parts.iter().any(mentions_emergency),
        Guard::Quantified { body, .. } => mentions_emergency(body),
        _ => false,
    }
}

fn all(parts: impl IntoIterator<Item = Guard>) -> Guard {
    let mut open = Vec::new();
    for part in parts {
        match part {
            Guard::Const(true) => {}
            Guard::Const(false) => return Guard::Const(false),
            part => open.push(part),
        }
    }
    match open.len() {
        0 => Guard::Const(true),
        1 => open.swap_remove(0),
        _ => Guard::All(open),
    }
}

fn any(parts: impl IntoIterator<Item = Guard>) -> Guard {
    let mut open = Vec::new();
    for part in parts {
        match part {
            Guard::Const(false) => {}
            Guard::Const(true) => return Guard::Const(true),
            part => open.push(part),
        }
    }
    match open.len() {
        0 => Guard::Const(false),
        1 => open.swap_remove(0),
        _ => Guard::Any(open),
    }
}
