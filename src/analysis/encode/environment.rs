//! Which environments are possible: declared ranges, ties of derived signals, assumptions.

use std::collections::{BTreeMap, BTreeSet};

use super::super::formula::{Bit, Formula, Linear, Num};
use super::super::time::AtomKey;
use super::guard::Scope;
use super::law::{self, Kin};
use super::{Footprint, World};
use crate::ir::{
    AggregateOp, Cmp, Domain, Guard, Price, Sched, SigRef, Signal, SignalId, SignalSource, Site,
};
use crate::quantity::Rat;

/// Why a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// An `assume` statement, by its place in the list.
    Assumption(usize),
    /// A derived signal is tied to what it derives from.
    Tie,
}

/// Something that holds in every environment.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What holds.
    pub(crate) formula: Formula,
    /// What it reads.
    pub(crate) footprint: Footprint,
    /// Why.
    pub(crate) kind: PartKind,
}

/// Everything that holds in every environment.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// All parts, ties first.
    pub(crate) parts: Vec<Part>,
    by_signal: BTreeMap<SignalId, Vec<usize>>,
    /// Parts that read no signal.
    timeless: Vec<usize>,
    /// What the device law ties, for every member of an array alike.
    kin: Kin,
}

impl Environment {
    /// The environment of a site.
    pub(crate) fn of(world: &mut World) -> Self {
        let site = world.site;
        let mut all = Self { kin: Kin::of(site), ..Self::default() };
        for signal in &site.signals {
            for formula in ties(world, signal) {
                all.add(formula, PartKind::Tie);
            }
        }
        for (index, assumption) in site.assumptions.iter().enumerate() {
            let scope = Scope { bound: None, quality: false, span: assumption.span };
            let holds = world.guard(&assumption.guard, scope).yes;
            let during = world.during(&assumption.during);
            all.add(Formula::implies(during, holds), PartKind::Assumption(index));
        }
        all
    }

    fn add(&mut self, formula: Formula, kind: PartKind) {
        if formula == Formula::TRUE {
            return;
        }
        let footprint = Footprint::of(&formula);
        let index = self.parts.len();
        let signals = footprint.signals();
        if signals.is_empty() {
            self.timeless.push(index);
        }
        for signal in signals {
            self.by_signal.entry(signal).or_default().push(index);
        }
        self.parts.push(Part { formula, footprint, kind });
    }

    /// Adds to a footprint every part that shares a signal with it, and what else its devices measure,
    /// transitively; returns the parts.
    pub(crate) fn close(&self, footprint: &mut Footprint) -> BTreeSet<usize> {
        let mut parts: BTreeSet<usize> = self.timeless.iter().copied().collect();
        for part in &parts {
            if let Some(part) = self.parts.get(*part) {
                footprint.merge(&part.footprint);
            }
        }
        let mut seen: BTreeSet<SignalId> = BTreeSet::new();
        loop {
            self.kin.widen(footprint);
            let open: Vec<SignalId> = footprint.signals().into_iter().filter(|s| seen.insert(*s)).collect();
            if open.is_empty() {
                return parts;
            }
            for index in open.iter().filter_map(|signal| self.by_signal.get(signal)).flatten() {
                if parts.insert(*index)
                    && let Some(part) = self.parts.get(*index)
                {
                    footprint.merge(&part.footprint);
                }
            }
        }
    }
}

/// The declared range of what a footprint reads, with what the device law says of it. The footprint is
/// closed: all that a device measures is in it.
pub(crate) fn domains(site: &Site, footprint: &Footprint) -> Vec<((SignalId, u32), Formula)> {
    let nums = footprint.nums.iter().filter_map(|num| match num {
        Num::Signal(signal, member) => Some((*signal, *member)),
        Num::Fresh(_) => None,
    });
    let bits = footprint.bits.iter().filter_map(|bit| match bit {
        Bit::Symbol(signal, member, _) => Some((*signal, *member)),
        _ => None,
    });
    let all: BTreeSet<(SignalId, u32)> = nums.chain(bits).collect();
    let whole = |(signal, member)| {
        let ties = law::ties(site, signal, member).into_iter().map(|tie| tie.holds);
        ((signal, member), Formula::all(std::iter::once(domain(site, signal, member)).chain(ties)))
    };
    all.into_iter().map(whole).collect()
}

fn domain(site: &Site, signal: SignalId, member: u32) -> Formula {
    match site.signal(signal).map(|s| &s.domain) {
        Some(Domain::Interval { lo, hi }) => {
            let value = Linear::num(Num::Signal(signal, member));
            Formula::all([
                Formula::at_most(&Linear::constant(lo.clone()), &value),
                Formula::at_most(&value, &Linear::constant(hi.clone())),
            ])
        }
        Some(Domain::Symbols(words)) => {
            let bits: Vec<Formula> = (0..words.len())
                .filter_map(|i| u32::try_from(i).ok())
                .map(|i| Formula::Bit(Bit::Symbol(signal, member, i)))
                .collect();
            Formula::all([Formula::any(bits.clone()), Formula::AtMost(bits, 1)])
        }
        Some(Domain::Bool) | None => Formula::TRUE,
    }
}

/// The values of a signal that the instant fixes, with when it has them; they exclude each other.
pub(crate) fn fixed_levels(site: &Site, signal: &Signal) -> Option<Vec<(Rat, Sched)>> {
    let price = match &signal.source {
        SignalSource::ImportPrice(tariff) => &site.tariffs.get(tariff.index())?.import,
        SignalSource::ExportPrice(tariff) => match &site.tariffs.get(tariff.index())?.export {
            Some(price) => price,
            // a tariff without export price pays nothing for it
            None => return Some(vec![(Rat::ZERO, Sched::Always)]),
        },
        _ => return None,
    };
    let Price::Periods { periods, otherwise, .. } = price else { return None };
    let mut levels: BTreeMap<Rat, Vec<Sched>> = BTreeMap::new();
    let mut earlier: Vec<Sched> = Vec::new();
    for period in periods {
        let when = match earlier.as_slice() {
            [] => period.during.clone(),
            before => Sched::Except(Box::new(period.during.clone()), Box::new(Sched::Or(before.to_vec()))),
        };
        levels.entry(period.price.clone()).or_default().push(when);
        earlier.push(period.during.clone());
    }
    if let Some(price) = otherwise {
        let rest = match earlier.as_slice() {
            [] => Sched::Always,
            before => Sched::Not(Box::new(Sched::Or(before.to_vec()))),
        };
        levels.entry(price.clone()).or_default().push(rest);
    }
    let join = |mut parts: Vec<Sched>| match (parts.pop(), parts.is_empty()) {
        (Some(one), true) => one,
        (Some(last), false) => {
            parts.push(last);
            Sched::Or(parts)
        }
        (None, _) => Sched::Or(parts),
    };
    Some(levels.into_iter().map(|(price, parts)| (price, join(parts))).collect())
}

fn equals(value: &Linear, constant: &Rat) -> Formula {
    Formula::zero(value.minus(&Linear::constant(constant.clone())))
}

/// What ties a derived signal to its origin (semantics.md 2).
fn ties(world: &mut World, signal: &Signal) -> Vec<Formula> {
    let site = world.site;
    let value = Linear::num(Num::Signal(signal.id, 0));
    if let Some(levels) = fixed_levels(site, signal) {
        return levels
            .into_iter()
            .map(|(price, when)| Formula::implies(world.during(&when), equals(&value, &price)))
            .collect();
    }
    match &signal.source {
        SignalSource::ImportPrice(tariff) | SignalSource::ExportPrice(tariff) => {
            let tariff = site.tariffs.get(tariff.index());
            let price = match &signal.source {
                SignalSource::ImportPrice(_) => tariff.map(|t| &t.import),
                _ => tariff.and_then(|t| t.export.as_ref()),
            };
            match price {
                Some(Price::Feed(feed, _)) if *feed != signal.id => {
                    vec![Formula::zero(value.minus(&Linear::num(Num::Signal(*feed, 0))))]
                }
                _ => Vec::new(),
            }
        }
        SignalSource::Aggregate { op: op @ (AggregateOp::Max | AggregateOp::Min), of, over_s } => {
            let Some(of) = site.signal(*of) else { return Vec::new() };
            match fixed_levels(site, of) {
                Some(levels) => scheduled(world, *op, &value, levels, *over_s),
                None => (0..=signal.count.unwrap_or(0))
                    .filter(|member| (*member == 0) == signal.count.is_none())
                    .flat_map(|member| free_aggregate(world, signal, *op, of, *over_s, member))
                    .collect(),
            }
        }
        SignalSource::Aggregate { op: AggregateOp::Mean | AggregateOp::Sum, of, over_s } => {
            let Some(of) = site.signal(*of) else { return Vec::new() };
            (0..=signal.count.unwrap_or(0))
                .filter(|member| (*member == 0) == signal.count.is_none())
                .flat_map(|member| mean(world, signal, of, *over_s, member))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The greatest (or least) of the values that the coming window meets.
fn scheduled(
    world: &mut World,
    op: AggregateOp,
    value: &Linear,
    mut levels: Vec<(Rat, Sched)>,
    over_s: i64,
) -> Vec<Formula> {
    levels.sort();
    if op == AggregateOp::Max {
        levels.reverse();
    }
    let mut formulas = Vec::new();
    let mut before: Vec<Formula> = Vec::new();
    for (price, when) in levels {
        let meets = world.atoms.holds(AtomKey::Meets(when, over_s));
        let first = Formula::all([meets.clone(), Formula::any(before.clone()).negate()]);
        formulas.push(Formula::implies(first, equals(value, &price)));
        before.push(meets);
    }
    formulas
}

/// Whether a window lies in another, or is the same: both of the coming seconds, or of the past ones.
fn reaches(window_s: i64, other_s: i64) -> bool {
    window_s.signum() == other_s.signum() && window_s.abs() <= other_s.abs()
}

/// An aggregate of a free signal is a fresh number: no less than the present value (for `max`),
/// monotone in the window, inside the ranges that assumptions leave somewhere in the window.
fn free_aggregate(
    world: &mut World,
    signal: &Signal,
    op: AggregateOp,
    of: &Signal,
    over_s: i64,
    member: u32,
) -> Vec<Formula> {
    let max = op == AggregateOp::Max;
    let value = Linear::num(Num::Signal(signal.id, member));
    // `ordered(a, b)`: a is at most b for `max`, at least b for `min`
    let ordered = |a: &Linear, b: &Linear| if max { Formula::at_most(a, b) } else { Formula::at_most(b, a) };
    let mut formulas = vec![ordered(&Linear::num(Num::Signal(of.id, member)), &value)];
    for other in &world.site.signals {
        if let SignalSource::Aggregate { op: other_op, of: other_of, over_s: longer } = &other.source
            && (*other_op, *other_of) == (op, of.id)
            && reaches(over_s, *longer)
            && (*longer != over_s || other.id > signal.id)
        {
            let other = Linear::num(Num::Signal(other.id, member));
            formulas.push(ordered(&value, &other));
            if *longer == over_s {
                formulas.push(ordered(&other, &value));
            }
        }
    }
    let mut upper: Vec<(Rat, Sched)> = Vec::new();
    let mut lower: Vec<(Rat, Sched)> = Vec::new();
    for assumption in &world.site.assumptions {
        for (bound, is_upper) in bounds(&assumption.guard, of.id, member) {
            (if is_upper { &mut upper } else { &mut lower }).push((bound, assumption.during.clone()));
        }
    }
    // the bound on the far side of the aggregate holds if it holds over the whole window, the one
    // on its near side if it holds anywhere in it
    for (bounds, is_upper) in [(upper, true), (lower, false)] {
        for (bound, _) in &bounds {
            let tighter = |other: &Rat| if is_upper { other <= bound } else { other >= bound };
            let when: Vec<Sched> =
                bounds.iter().filter(|(other, _)| tighter(other)).map(|(_, when)| when.clone()).collect();
            let when = if when.contains(&Sched::Always) { Sched::Always } else { Sched::Or(when) };
            let key =
                if is_upper == max { AtomKey::Within(when, over_s) } else { AtomKey::Meets(when, over_s) };
            let applies = world.atoms.holds(key);
            let bound = Linear::constant(bound.clone());
            let holds =
                if is_upper { Formula::at_most(&value, &bound) } else { Formula::at_most(&bound, &value) };
            formulas.push(Formula::implies(applies, holds));
        }
    }
    formulas
}

/// The mean of a free signal lies between the least and the greatest value of its window and of any
/// longer one, and inside the bounds that assumptions set on the whole window; a sum is the mean
/// times the window's hours.
fn mean(world: &mut World, signal: &Signal, of: &Signal, over_s: i64, member: u32) -> Vec<Formula> {
    let is_sum = |op: AggregateOp| op == AggregateOp::Sum;
    let hours = Rat::ratio(i128::from(over_s.abs()), 3600).unwrap_or(Rat::ONE);
    let SignalSource::Aggregate { op, .. } = &signal.source else { return Vec::new() };
    // both sides of each tie as sums where this is one
    let scale = if is_sum(*op) { hours.clone() } else { Rat::ONE };
    let value = Linear::num(Num::Signal(signal.id, member));
    let mut formulas = Vec::new();
    for other in &world.site.signals {
        let SignalSource::Aggregate { op: other_op, of: other_of, over_s: longer } = &other.source else {
            continue;
        };
        if *other_of != of.id || !reaches(over_s, *longer) {
            continue;
        }
        let mut scaled = Linear::default();
        scaled.add_term(&scale, Num::Signal(other.id, member));
        match other_op {
            AggregateOp::Max => formulas.push(Formula::at_most(&value, &scaled)),
            AggregateOp::Min => formulas.push(Formula::at_most(&scaled, &value)),
            AggregateOp::Sum if *longer == over_s && !is_sum(*op) => {
                let mut sum = Linear::default();
                sum.add_term(&hours, Num::Signal(signal.id, member));
                formulas.push(Formula::zero(sum.minus(&Linear::num(Num::Signal(other.id, member)))));
            }
            AggregateOp::Mean | AggregateOp::Sum => {}
        }
    }
    for assumption in &world.site.assumptions {
        for (bound, is_upper) in bounds(&assumption.guard, of.id, member) {
            let applies = world.atoms.holds(AtomKey::Within(assumption.during.clone(), over_s));
            let bound = Linear::constant(&bound * &scale);
            let holds =
                if is_upper { Formula::at_most(&value, &bound) } else { Formula::at_most(&bound, &value) };
            formulas.push(Formula::implies(applies, holds));
        }
    }
    formulas
}

/// Constant bounds on one signal that a guard implies; `true`: upper.
fn bounds(guard: &Guard, signal: SignalId, member: u32) -> Vec<(Rat, bool)> {
    match guard {
        Guard::All(parts) => parts.iter().flat_map(|part| bounds(part, signal, member)).collect(),
        Guard::Compare { lin, op, .. } => {
            let [(coef, of)] = lin.terms.as_slice() else { return Vec::new() };
            let same = match of {
                SigRef::Only(s) => (*s, 0) == (signal, member),
                SigRef::Member(s, m) => (*s, *m) == (signal, member),
                SigRef::Bound(_) => false,
            };
            let Some(bound) = (-&lin.constant).checked_div(coef).filter(|_| same && lin.sums.is_empty())
            else {
                return Vec::new();
            };
            let falling = coef.is_negative();
            match op {
                Cmp::Lt | Cmp::Le => vec![(bound, !falling)],
                Cmp::Gt | Cmp::Ge => vec![(bound, falling)],
                Cmp::Eq => vec![(bound.clone(), true), (bound, false)],
                Cmp::Ne => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}
