//! Guards as pairs of formulas: true, false, or neither where a reading is unknown.

use super::super::formula::{Bit, Formula, Linear, Num};
use super::super::time::{AtomKey, TimeSet};
use super::{MAX_MEMBERS, World, fixed_levels};
use crate::diag::Span;
use crate::ir::{
    AggregateOp, Cmp, Device, GroupId, Guard, Lin, Quantifier, Sched, SigRef, SignalId, SignalSource,
};
use crate::quantity::Rat;

/// A three-valued condition; `yes` and `no` exclude each other, neither means unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tri {
    /// It is true.
    pub(crate) yes: Formula,
    /// It is false.
    pub(crate) no: Formula,
}

impl Tri {
    fn known(formula: Formula) -> Self {
        Self { no: formula.clone().negate(), yes: formula }
    }

    fn when_known(formula: Formula, known: &Formula) -> Self {
        Self {
            yes: Formula::all([known.clone(), formula.clone()]),
            no: Formula::all([known.clone(), formula.negate()]),
        }
    }

    fn all(parts: Vec<Self>) -> Self {
        let (yes, no): (Vec<_>, Vec<_>) = parts.into_iter().map(|p| (p.yes, p.no)).unzip();
        Self { yes: Formula::all(yes), no: Formula::any(no) }
    }

    fn any(parts: Vec<Self>) -> Self {
        let (yes, no): (Vec<_>, Vec<_>) = parts.into_iter().map(|p| (p.yes, p.no)).unzip();
        Self { yes: Formula::any(yes), no: Formula::all(no) }
    }

    pub(super) fn negate(self) -> Self {
        Self { yes: self.no, no: self.yes }
    }
}

/// Where a guard stands and how it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// The member bound by `for each`.
    pub(crate) bound: Option<Device>,
    /// Whether readings may be unknown; assumptions speak of true values.
    pub(crate) quality: bool,
    /// For messages.
    pub(crate) span: Span,
}

impl World<'_> {
    /// The signal and its member (0 without members) that a reference means.
    pub(crate) fn resolve(&self, of: &SigRef, bound: Option<Device>) -> Option<(SignalId, u32)> {
        match of {
            SigRef::Only(signal) => Some((*signal, 0)),
            SigRef::Member(signal, member) => Some((*signal, *member)),
            SigRef::Bound(attr) => {
                let device = bound?;
                let signal = self.site.measured(device.family, attr)?;
                let array = self.site.signal(signal)?.count.is_some();
                Some((signal, if array { device.index } else { 0 }))
            }
        }
    }

    fn signal(&mut self, of: &SigRef, scope: Scope) -> Option<(SignalId, u32)> {
        let found = self.resolve(of, scope.bound);
        if found.is_none() {
            self.refuse(scope.span, "this reads a quantity for which nothing is declared that measures it");
        }
        found
    }

    fn is_known(&mut self, signal: SignalId, member: u32, scope: Scope) -> Formula {
        if let Some(covered) = self.covered(signal) {
            return covered;
        }
        let reading = self.site.signal(signal).is_some_and(|s| s.reading.is_some());
        if scope.quality && reading { Formula::Bit(Bit::Known(signal, member)) } else { Formula::TRUE }
    }

    /// Where the instant fixes the signal: a tariff that leaves a gap leaves it unknown there.
    fn covered(&mut self, signal: SignalId) -> Option<Formula> {
        let site = self.site;
        let signal = site.signal(signal)?;
        let all = |of: &crate::ir::Signal| {
            fixed_levels(site, of).map(|levels| Sched::Or(levels.into_iter().map(|(_, when)| when).collect()))
        };
        if let Some(sched) = all(signal) {
            return Some(self.during(&sched));
        }
        match &signal.source {
            SignalSource::Aggregate { of, over_s, .. } => {
                let sched = all(site.signal(*of)?)?;
                Some(self.atoms.holds(AtomKey::Within(sched, *over_s)))
            }
            _ => None,
        }
    }

    /// A linear expression and the condition under which it is known.
    pub(crate) fn linear(&mut self, lin: &Lin, scope: Scope) -> (Linear, Formula) {
        let mut linear = Linear::constant(lin.constant.clone());
        let mut known = Vec::new();
        for (coef, of) in &lin.terms {
            if let Some((signal, member)) = self.signal(of, scope) {
                linear.add_term(coef, Num::Signal(signal, member));
                known.push(self.is_known(signal, member, scope));
            }
        }
        for (coef, sum) in &lin.sums {
            for device in self.members(sum.group, scope) {
                let inner = Scope { bound: Some(device), ..scope };
                if let Some((signal, member)) = self.signal(&SigRef::Bound(sum.attr.clone()), inner) {
                    linear.add_term(coef, Num::Signal(signal, member));
                    known.push(self.is_known(signal, member, scope));
                }
            }
        }
        known.sort();
        known.dedup();
        (linear, Formula::all(known))
    }

    fn members(&mut self, group: GroupId, scope: Scope) -> Vec<Device> {
        let Some(group) = self.site.group(group) else { return Vec::new() };
        if group.len() > MAX_MEMBERS {
            let (name, count) = (group.name.clone(), group.len());
            self.refuse(
                scope.span,
                format!(
                    "this reads each of the {count} members of `{name}`; at most {MAX_MEMBERS} can be checked"
                ),
            );
            return Vec::new();
        }
        group.devices().collect()
    }

    /// A guard as formulas.
    pub(crate) fn guard(&mut self, guard: &Guard, scope: Scope) -> Tri {
        match guard {
            Guard::Const(b) => Tri::known(Formula::Const(*b)),
            Guard::Not(inner) => self.guard(inner, scope).negate(),
            Guard::All(parts) => {
                let parts = parts.iter().map(|part| self.guard(part, scope)).collect();
                Tri::all(parts)
            }
            Guard::Any(parts) => {
                let parts = parts.iter().map(|part| self.guard(part, scope)).collect();
                Tri::any(parts)
            }
            Guard::Compare { lin, op, step } => {
                let (linear, known) = self.linear(lin, scope);
                Tri::when_known(compare(linear, *op, step), &known)
            }
            Guard::Is(of) => match self.signal(of, scope) {
                Some((signal, member)) => {
                    let known = self.is_known(signal, member, scope);
                    Tri::when_known(Formula::Bit(Bit::Truth(signal, member)), &known)
                }
                None => Tri::known(Formula::FALSE),
            },
            Guard::Equals(of, symbol) => match self.signal(of, scope) {
                Some((signal, member)) => {
                    let known = self.is_known(signal, member, scope);
                    Tri::when_known(Formula::Bit(Bit::Symbol(signal, member, *symbol)), &known)
                }
                None => Tri::known(Formula::FALSE),
            },
            Guard::During(sched) => Tri::known(self.during(sched)),
            Guard::Held(held, inner) => {
                let long_enough = self.held_since(*held, inner);
                let inner = self.guard(inner, scope);
                let held = Formula::all([Formula::Bit(Bit::Held(*held)), long_enough]);
                Tri {
                    yes: Formula::all([inner.yes, held.clone()]),
                    no: Formula::any([inner.no, held.negate()]),
                }
            }
            Guard::Quantified { quantifier, group, body } => {
                let members = self.members(*group, scope);
                let parts: Vec<Tri> = members
                    .into_iter()
                    .map(|device| self.guard(body, Scope { bound: Some(device), ..scope }))
                    .collect();
                match quantifier {
                    Quantifier::Any => Tri::any(parts),
                    Quantifier::Every => Tri::all(parts),
                    Quantifier::Count(op, n) => count(parts, *op, *n),
                }
            }
            Guard::Emergency => match &self.site.emergency {
                Some(guard) => self.guard(guard, Scope { bound: None, ..scope }),
                None => Tri::known(Formula::FALSE),
            },
        }
    }

    /// The instant is in the schedule.
    pub(crate) fn during(&mut self, sched: &Sched) -> Formula {
        self.atoms.holds(AtomKey::During(sched.clone()))
    }

    /// What the calendar alone says about how long a guard can have held.
    fn held_since(&mut self, held: crate::ir::HeldId, guard: &Guard) -> Formula {
        let Some(held) = self.site.held.get(held.index()) else { return Formula::TRUE };
        let for_s = held.for_s;
        match self.shadow(guard, true) {
            TimeSet::ALWAYS => Formula::TRUE,
            set => self.atoms.holds(AtomKey::Since(set, for_s)),
        }
    }
}

impl World<'_> {
    /// A set of instants that holds wherever the guard can be true (`wanted`), or false, as far as
    /// the instant alone decides.
    fn shadow(&self, guard: &Guard, wanted: bool) -> TimeSet {
        match guard {
            Guard::Const(b) if *b == wanted => TimeSet::ALWAYS,
            Guard::Const(_) => TimeSet::Any(Vec::new()),
            Guard::Not(inner) => self.shadow(inner, !wanted),
            Guard::During(sched) if wanted => TimeSet::During(sched.clone()),
            Guard::During(sched) => TimeSet::Not(Box::new(TimeSet::During(sched.clone()))),
            Guard::All(parts) if wanted => meet(parts.iter().map(|p| self.shadow(p, wanted))),
            Guard::Any(parts) if !wanted => meet(parts.iter().map(|p| self.shadow(p, wanted))),
            Guard::All(parts) | Guard::Any(parts) => {
                let parts: Vec<TimeSet> = parts.iter().map(|p| self.shadow(p, wanted)).collect();
                if parts.contains(&TimeSet::ALWAYS) { TimeSet::ALWAYS } else { TimeSet::Any(parts) }
            }
            Guard::Held(_, inner) if wanted => self.shadow(inner, true),
            Guard::Compare { lin, op, step } => self.shadow_of_prices(lin, *op, step, wanted),
            _ => TimeSet::ALWAYS,
        }
    }

    /// When a comparison of prices that the instant fixes can come out as wanted.
    fn shadow_of_prices(&self, lin: &Lin, op: Cmp, step: &Rat, wanted: bool) -> TimeSet {
        if !lin.sums.is_empty() {
            return TimeSet::ALWAYS;
        }
        let mut values = vec![(lin.constant.clone(), TimeSet::ALWAYS)];
        let mut gaps = Vec::new();
        for (coef, of) in &lin.terms {
            let signal = if let SigRef::Only(signal) = of { self.site.signal(*signal) } else { None };
            let Some(levels) = signal.and_then(|signal| self.level_sets(signal)) else {
                return TimeSet::ALWAYS;
            };
            gaps.push(TimeSet::Not(Box::new(TimeSet::Any(levels.iter().map(|l| l.1.clone()).collect()))));
            values = values
                .iter()
                .flat_map(|(value, when)| {
                    levels.iter().map(move |(level, at)| {
                        (value + &(coef * level), TimeSet::All(vec![when.clone(), at.clone()]))
                    })
                })
                .collect();
        }
        let fits = |value: Rat| compare(Linear::constant(value), op, step) == Formula::Const(wanted);
        let chosen = values.into_iter().filter(|(value, _)| fits(value.clone())).map(|(_, when)| when);
        TimeSet::Any(chosen.chain(gaps).collect())
    }

    /// The values of a signal that the instant fixes, with the instants at which it has them.
    fn level_sets(&self, signal: &crate::ir::Signal) -> Option<Vec<(Rat, TimeSet)>> {
        if let Some(levels) = fixed_levels(self.site, signal) {
            return Some(levels.into_iter().map(|(price, when)| (price, TimeSet::During(when))).collect());
        }
        let SignalSource::Aggregate { op: op @ (AggregateOp::Max | AggregateOp::Min), of, over_s } =
            &signal.source
        else {
            return None;
        };
        let mut levels = fixed_levels(self.site, self.site.signal(*of)?)?;
        levels.sort();
        if *op == AggregateOp::Max {
            levels.reverse();
        }
        let mut sets = Vec::new();
        let mut before: Vec<TimeSet> = Vec::new();
        for (price, when) in levels {
            let meets = TimeSet::Meets(when, *over_s);
            let none = TimeSet::Not(Box::new(TimeSet::Any(before.clone())));
            sets.push((price, TimeSet::All(vec![meets.clone(), none])));
            before.push(meets);
        }
        Some(sets)
    }
}

fn meet(parts: impl Iterator<Item = TimeSet>) -> TimeSet {
    let parts: Vec<TimeSet> = parts.filter(|part| *part != TimeSet::ALWAYS).collect();
    if parts.is_empty() { TimeSet::ALWAYS } else { TimeSet::All(parts) }
}

/// `linear op 0`; a step above zero makes a strict comparison one of at least that step more.
fn compare(linear: Linear, op: Cmp, step: &Rat) -> Formula {
    let negated = |linear: &Linear| Linear::default().minus(linear);
    match op {
        Cmp::Lt => {
            let mut linear = linear;
            linear.constant += step;
            Formula::negative(linear)
        }
        Cmp::Gt => {
            let mut linear = negated(&linear);
            linear.constant += step;
            Formula::negative(linear)
        }
        Cmp::Le => Formula::not_positive(linear),
        Cmp::Ge => Formula::not_positive(negated(&linear)),
        Cmp::Eq => Formula::zero(linear),
        Cmp::Ne => Formula::zero(linear).negate(),
    }
}

/// `count(..) op n` over members of which some may be unknown: true or false only where the
/// unknown ones make no difference.
fn count(parts: Vec<Tri>, op: Cmp, n: i64) -> Tri {
    let total = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    let yes: Vec<Formula> = parts.iter().map(|p| p.yes.clone()).collect();
    let maybe: Vec<Formula> = parts.iter().map(|p| p.no.clone().negate()).collect();
    let at_most = |of: &[Formula], k: i64| match u32::try_from(k) {
        Err(_) => Formula::Const(k >= 0),
        Ok(_) if k >= total => Formula::TRUE,
        Ok(k) => Formula::AtMost(of.to_vec(), k),
    };
    let surely_at_most = |k: i64| Tri { yes: at_most(&maybe, k), no: at_most(&yes, k).negate() };
    match op {
        Cmp::Le => surely_at_most(n),
        Cmp::Lt => surely_at_most(n.saturating_sub(1)),
        Cmp::Gt => surely_at_most(n).negate(),
        Cmp::Ge => surely_at_most(n.saturating_sub(1)).negate(),
        Cmp::Eq | Cmp::Ne => {
            let least = surely_at_most(n.saturating_sub(1)).negate();
            let equal = Tri::all(vec![surely_at_most(n), least]);
            if op == Cmp::Eq { equal } else { equal.negate() }
        }
    }
}
