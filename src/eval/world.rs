//! Readings of one environment: what a signal, an expression and a guard are worth in it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::env::{Environment, Reading, Truth};
use super::tied::Tied;
use crate::calendar::Calendar;
use crate::ir::{
    Attr, Cmp, Device, Domain, GroupTerm, Guard, HeldId, Lin, Quantifier, SigRef, SignalId, Site, Value,
};
use crate::quantity::Rat;

/// One signal's worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Known (clamped to its declared range).
    Known(Value),
    /// Lost.
    Lost,
    /// Not given.
    Open,
}

/// An environment with what the evaluator has already computed about it.
pub(super) struct World<'a> {
    pub(super) site: &'a Site,
    pub(super) cal: &'a Calendar,
    pub(super) env: &'a Environment,
    tied: &'a Tied,
    /// Signals that the instant fixes.
    fixed: RefCell<BTreeMap<SignalId, Seen>>,
    /// Readings that were clamped.
    pub(super) clamped: RefCell<BTreeMap<SigRef, Value>>,
    emergency: RefCell<Option<Truth>>,
    /// Everything that the instant does not fix counts as lost.
    only_time: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(site: &'a Site, cal: &'a Calendar, env: &'a Environment, tied: &'a Tied) -> Self {
        Self {
            site,
            cal,
            env,
            tied,
            fixed: RefCell::default(),
            clamped: RefCell::default(),
            emergency: RefCell::new(None),
            only_time: false,
        }
    }

    /// The reference with the bound member put in; `None` where it measures no such thing.
    pub(super) fn bind(&self, signal: &SigRef, bound: Option<Device>) -> Option<SigRef> {
        match signal {
            SigRef::Bound(attr) => self.measured(bound?, attr),
            other => Some(other.clone()),
        }
    }

    /// The signal that measures an attribute of a device.
    pub(super) fn measured(&self, device: Device, attr: &Attr) -> Option<SigRef> {
        let id = self.site.measured(device.family, attr)?;
        let is_array = self.site.signal(id)?.count.is_some();
        Some(if is_array { SigRef::Member(id, device.index) } else { SigRef::Only(id) })
    }

    /// What the signal is worth. `signal` is no [`SigRef::Bound`].
    pub(super) fn see(&self, signal: &SigRef) -> Seen {
        let (SigRef::Only(id) | SigRef::Member(id, _)) = signal else { return Seen::Lost };
        if self.tied.is_tied(*id) {
            if let Some(seen) = self.fixed.borrow().get(id) {
                return seen.clone();
            }
            let value = self.tied.value(self.site, self.cal, *id, self.env.at);
            let seen = value.map_or(Seen::Lost, |value| Seen::Known(Value::Number(value)));
            self.fixed.borrow_mut().insert(*id, seen.clone());
            return seen;
        }
        if self.only_time {
            return Seen::Lost;
        }
        match self.env.values.get(signal) {
            None => Seen::Open,
            Some(Reading::Unknown) => Seen::Lost,
            Some(Reading::Known(value)) => self.fitting(signal, *id, value),
        }
    }

    /// A value that fits its signal: numbers are clamped to the declared range, values of another
    /// kind are as good as lost.
    fn fitting(&self, signal: &SigRef, id: SignalId, value: &Value) -> Seen {
        match (self.site.signal(id).map(|signal| &signal.domain), value) {
            (Some(Domain::Interval { lo, hi }), Value::Number(number)) => {
                if number < lo || number > hi {
                    self.clamped.borrow_mut().insert(signal.clone(), value.clone());
                    let near = if number < lo { lo } else { hi };
                    return Seen::Known(Value::Number(near.clone()));
                }
                Seen::Known(value.clone())
            }
            (Some(Domain::Bool), Value::Bool(_)) => Seen::Known(value.clone()),
            (Some(Domain::Symbols(words)), Value::Symbol(word)) if (*word as usize) < words.len() => {
                Seen::Known(value.clone())
            }
            _ => Seen::Lost,
        }
    }

    /// A number, where the signal is known and has one.
    pub(super) fn number(&self, signal: &SigRef, bound: Option<Device>) -> Option<Rat> {
        match self.see(&self.bind(signal, bound)?) {
            Seen::Known(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// The value of a linear expression, where all of it is known.
    pub(super) fn lin(&self, lin: &Lin, bound: Option<Device>) -> Option<Rat> {
        let mut sum = lin.constant.clone();
        for (factor, signal) in &lin.terms {
            sum += &(factor * &self.number(signal, bound)?);
        }
        for (factor, term) in &lin.sums {
            sum += &(factor * &self.group_sum(term)?);
        }
        Some(sum)
    }

    fn group_sum(&self, term: &GroupTerm) -> Option<Rat> {
        let mut sum = Rat::ZERO;
        for device in self.site.group(term.group)?.devices() {
            sum += &self.number(&self.measured(device, &term.attr)?, None)?;
        }
        Some(sum)
    }

    /// Whether the site's emergency holds.
    pub(super) fn emergency(&self) -> Truth {
        let known = *self.emergency.borrow();
        known.unwrap_or_else(|| {
            // an emergency that asks for itself does not hold
            *self.emergency.borrow_mut() = Some(Truth::False);
            let truth = self.site.emergency.as_ref().map_or(Truth::False, |guard| self.truth(guard, None));
            *self.emergency.borrow_mut() = Some(truth);
            truth
        })
    }

    /// Kleene's value of a guard; signals that are not given count as lost.
    pub(super) fn truth(&self, guard: &Guard, bound: Option<Device>) -> Truth {
        match guard {
            Guard::Const(value) => Truth::from_bool(*value),
            Guard::Not(inner) => self.truth(inner, bound).negated(),
            Guard::All(parts) => self.fold(parts, bound, Truth::True, Truth::and, Truth::False),
            Guard::Any(parts) => self.fold(parts, bound, Truth::False, Truth::or, Truth::True),
            Guard::Compare { lin, op, step } => match self.lin(lin, bound) {
                Some(value) => Truth::from_bool(compare(&value, *op, step)),
                None => Truth::Unknown,
            },
            Guard::Is(signal) => match self.bind(signal, bound).map(|signal| self.see(&signal)) {
                Some(Seen::Known(Value::Bool(value))) => Truth::from_bool(value),
                _ => Truth::Unknown,
            },
            Guard::Equals(signal, word) => match self.bind(signal, bound).map(|signal| self.see(&signal)) {
                Some(Seen::Known(Value::Symbol(value))) => Truth::from_bool(value == *word),
                _ => Truth::Unknown,
            },
            Guard::During(sched) => Truth::from_bool(self.cal.contains(sched, self.env.at)),
            Guard::Held(id, inner) => self.truth(inner, bound).and(self.held(*id, inner, bound)),
            Guard::Quantified { quantifier, group, body } => {
                self.quantified(*quantifier, group.index(), body)
            }
            Guard::Emergency => self.emergency(),
        }
    }

    fn fold(
        &self,
        parts: &[Guard],
        bound: Option<Device>,
        start: Truth,
        join: fn(Truth, Truth) -> Truth,
        end: Truth,
    ) -> Truth {
        let mut truth = start;
        for part in parts {
            truth = join(truth, self.truth(part, bound));
            if truth == end {
                break;
            }
        }
        truth
    }

    fn quantified(&self, quantifier: Quantifier, group: usize, body: &Guard) -> Truth {
        let Some(group) = self.site.groups.get(group) else { return Truth::Unknown };
        let truths = group.devices().map(|device| self.truth(body, Some(device)));
        match quantifier {
            Quantifier::Any => any(truths),
            Quantifier::Every => any(truths.map(Truth::negated)).negated(),
            Quantifier::Count(op, n) => {
                let (mut sure, mut open) = (0_i64, 0_i64);
                for truth in truths {
                    sure += i64::from(truth == Truth::True);
                    open += i64::from(truth == Truth::Unknown);
                }
                count(sure, open, op, n)
            }
        }
    }

    /// Whether the `for d` bit is set and can be: while the guard's own time atoms have been
    /// shorter than d, it has not held for d (semantics.md 8).
    pub(super) fn held(&self, id: HeldId, guard: &Guard, bound: Option<Device>) -> Truth {
        if !self.env.held.contains(&id) {
            return Truth::False;
        }
        let Some(held) = self.site.held.get(id.index()) else { return Truth::Unknown };
        let (from, to) = (self.env.at.plus(-held.for_s), self.env.at);
        let moments = std::iter::once(from).chain(self.tied.moments(self.site, self.cal, guard, from, to));
        for at in moments {
            let env = Environment::new(at);
            let past = World { only_time: true, ..World::new(self.site, self.cal, &env, self.tied) };
            if past.without_held(guard, bound) == Truth::False {
                return Truth::False;
            }
        }
        Truth::True
    }

    /// The guard's truth in the past, whose `for d` bits are not known.
    fn without_held(&self, guard: &Guard, bound: Option<Device>) -> Truth {
        match guard {
            Guard::Held(_, inner) => self.without_held(inner, bound).and(Truth::Unknown),
            Guard::Not(inner) => self.without_held(inner, bound).negated(),
            Guard::All(parts) => {
                parts.iter().fold(Truth::True, |truth, part| truth.and(self.without_held(part, bound)))
            }
            Guard::Any(parts) => {
                parts.iter().fold(Truth::False, |truth, part| truth.or(self.without_held(part, bound)))
            }
            // what a group measured, and whether there was an emergency, is not known either
            Guard::Quantified { .. } | Guard::Emergency => Truth::Unknown,
            other => self.truth(other, bound),
        }
    }

    /// The least and greatest value that a linear expression can have, unknown signals anywhere in
    /// their declared ranges.
    pub(super) fn lin_range(&self, lin: &Lin, bound: Option<Device>) -> Option<(Rat, Rat)> {
        let (mut low, mut high) = (lin.constant.clone(), lin.constant.clone());
        let mut add = |factor: &Rat, signal: SigRef| -> Option<()> {
            let (lo, hi) = match self.number(&signal, None) {
                Some(value) => (value.clone(), value),
                None => self.domain(&signal)?,
            };
            let (a, b) = (factor * &lo, factor * &hi);
            low += &Rat::min_of(&a, &b);
            high += &Rat::max_of(&a, &b);
            Some(())
        };
        for (factor, signal) in &lin.terms {
            add(factor, self.bind(signal, bound)?)?;
        }
        for (factor, term) in &lin.sums {
            for device in self.site.group(term.group)?.devices() {
                add(factor, self.measured(device, &term.attr)?)?;
            }
        }
        Some((low, high))
    }

    fn domain(&self, signal: &SigRef) -> Option<(Rat, Rat)> {
        let (SigRef::Only(id) | SigRef::Member(id, _)) = signal else { return None };
        match &self.site.signal(*id)?.domain {
            Domain::Interval { lo, hi } => Some((lo.clone(), hi.clone())),
            _ => None,
        }
    }
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut truth = Truth::False;
    for next in truths {
        truth = truth.or(next);
        if truth == Truth::True {
            break;
        }
    }
    truth
}

/// `n` members surely and up to `open` more: known where every count gives the same answer.
fn count(sure: i64, open: i64, op: Cmp, n: i64) -> Truth {
    // the answer changes at most twice, next to `n`, so that the ends and n - 1 .. n + 1 are enough
    let most = sure + open;
    let near = [sure, most, n.saturating_sub(1), n, n.saturating_add(1)];
    let mut answers =
        near.iter().filter(|count| (sure..=most).contains(count)).map(|count| holds(count.cmp(&n), op));
    let first = answers.next().unwrap_or(false);
    if answers.all(|answer| answer == first) { Truth::from_bool(first) } else { Truth::Unknown }
}

fn holds(order: std::cmp::Ordering, op: Cmp) -> bool {
    match op {
        Cmp::Lt => order.is_lt(),
        Cmp::Le => order.is_le(),
        Cmp::Gt => order.is_gt(),
        Cmp::Ge => order.is_ge(),
        Cmp::Eq => order.is_eq(),
        Cmp::Ne => order.is_ne(),
    }
}

/// `value op 0`; strict comparisons of decided quantities need one step more (semantics.md 3).
pub(super) fn compare(value: &Rat, op: Cmp, step: &Rat) -> bool {
    match op {
        Cmp::Gt if !step.is_zero() => value > step,
        Cmp::Lt if !step.is_zero() => *value < -step,
        op => holds(value.cmp(&Rat::ZERO), op),
    }
}
