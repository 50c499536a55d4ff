//! A glance before the solver: most questions are answered by comparing ranges and times.
//!
//! A question is written out as a few alternatives, each a range for every number and a sign for
//! every truth value. If each contradicts itself, or can never happen at one instant, nothing
//! satisfies the question. If one can be completed to a situation that obeys everything the
//! question is tied to, something does. In doubt the solver is asked; it would say the same.

use std::collections::BTreeMap;

use super::ask::Ground;
use super::encode::{Footprint, domains};
use super::formula::{Bit, Formula, Linear, Num};
use super::smt::Answer;
use crate::ir::Domain;
use crate::quantity::Rat;

/// Most alternatives that are written out.
const MAX_WAYS: usize = 32;
/// Most alternatives and instants that are tried out.
const MAX_TRIES: usize = 6;

/// One end of a range: the value, and whether it is excluded.
type End = Option<(Rat, bool)>;

/// Where a number may lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Range {
    lo: End,
    hi: End,
    /// Values that it has not.
    not: Vec<Rat>,
}

impl Range {
    fn raise(&mut self, to: Rat, strict: bool) {
        if self.lo.as_ref().is_none_or(|(lo, open)| to > *lo || (to == *lo && strict && !open)) {
            self.lo = Some((to, strict));
        }
    }

    fn lower(&mut self, to: Rat, strict: bool) {
        if self.hi.as_ref().is_none_or(|(hi, open)| to < *hi || (to == *hi && strict && !open)) {
            self.hi = Some((to, strict));
        }
    }

    fn is_empty(&self) -> bool {
        apart(&self.lo, &self.hi)
            || matches!((&self.lo, &self.hi), (Some((lo, _)), Some((hi, _))) if lo == hi && self.not.contains(lo))
    }

    /// Whether the two have no value in common.
    fn misses(&self, other: &Self) -> bool {
        apart(&self.lo, &other.hi) || apart(&other.lo, &self.hi)
    }

    /// Some value in it.
    fn some(&self) -> Rat {
        let two = Rat::int(2);
        let middle = |a: &Rat, b: &Rat| (a + b).checked_div(&two).unwrap_or_default();
        let mut at = match (&self.lo, &self.hi) {
            (Some((lo, false)), _) if !self.not.contains(lo) => return lo.clone(),
            (_, Some((hi, false))) if !self.not.contains(hi) => return hi.clone(),
            (Some((lo, _)), Some((hi, _))) => middle(lo, hi),
            (Some((lo, _)), None) => lo + &Rat::ONE,
            (None, Some((hi, _))) => hi - &Rat::ONE,
            (None, None) => Rat::ZERO,
        };
        while self.not.contains(&at) {
            at = match (&self.lo, &self.hi) {
                (_, Some((hi, _))) => middle(&at, hi),
                _ => &at + &Rat::ONE,
            };
        }
        at
    }
}

/// The lower end lies above the upper one.
fn apart(lo: &End, hi: &End) -> bool {
    match (lo, hi) {
        (Some((lo, lo_open)), Some((hi, hi_open))) => lo > hi || (lo == hi && (*lo_open || *hi_open)),
        _ => false,
    }
}

/// One alternative: what must be, apart from what reads several numbers at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Way {
    bits: BTreeMap<Bit, bool>,
    nums: BTreeMap<Num, Range>,
}

impl Way {
    /// Whether one excludes the other by a truth value or a range.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let bits = self.bits.iter().any(|(bit, holds)| other.bits.get(bit).is_some_and(|o| o != holds));
        bits || self.nums.iter().any(|(num, range)| other.nums.get(num).is_some_and(|o| range.misses(o)))
    }

    /// The range of a number as two closed ends.
    pub(crate) fn span(&self, num: Num) -> (Option<&Rat>, Option<&Rat>) {
        let range = self.nums.get(&num);
        (
            range.and_then(|r| r.lo.as_ref()).map(|(lo, _)| lo),
            range.and_then(|r| r.hi.as_ref()).map(|(hi, _)| hi),
        )
    }

    /// The numbers that it bounds.
    pub(crate) fn bounded(&self) -> impl Iterator<Item = Num> {
        self.nums.keys().copied()
    }

    /// Both; `false` where they exclude each other.
    fn join(&mut self, other: &Self) -> bool {
        other.bits.iter().all(|(bit, holds)| self.set(*bit, *holds))
            && other.nums.iter().all(|(num, range)| {
                let mine = self.nums.entry(*num).or_default();
                range.lo.iter().for_each(|(lo, strict)| mine.raise(lo.clone(), *strict));
                range.hi.iter().for_each(|(hi, strict)| mine.lower(hi.clone(), *strict));
                mine.not.extend(range.not.iter().cloned());
                !mine.is_empty()
            })
    }

    fn set(&mut self, bit: Bit, holds: bool) -> bool {
        *self.bits.entry(bit).or_insert(holds) == holds
    }

    /// Adds what a comparison with zero says about a single number; several are left to others.
    fn bound(&mut self, linear: &Linear, kind: Kind) -> bool {
        let [(num, coef)] = linear.terms.as_slice() else { return true };
        let Some(at) = (-&linear.constant).checked_div(coef) else { return true };
        let range = self.nums.entry(*num).or_default();
        let rising = coef.is_positive();
        match kind {
            Kind::Below(strict) if rising => range.lower(at, strict),
            Kind::Below(strict) => range.raise(at, strict),
            Kind::Above(strict) if rising => range.raise(at, strict),
            Kind::Above(strict) => range.lower(at, strict),
            Kind::Is => {
                range.raise(at.clone(), false);
                range.lower(at, false);
            }
            Kind::IsNot => range.not.push(at),
        }
        !range.is_empty()
    }
}

/// How a linear expression compares with zero; `true`: strictly.
#[derive(Clone, Copy)]
enum Kind {
    Below(bool),
    Above(bool),
    Is,
    IsNot,
}

/// The alternatives of a formula; `None` where there are too many. Conditions on several numbers
/// at once and on counts are left out, so that each alternative allows more than it says.
pub(crate) fn ways(formula: &Formula) -> Option<Vec<Way>> {
    expand(formula, true, vec![Way::default()])
}

fn expand(formula: &Formula, holds: bool, ways: Vec<Way>) -> Option<Vec<Way>> {
    let each = |mut ways: Vec<Way>, add: &dyn Fn(&mut Way) -> bool| {
        ways.retain_mut(add);
        Some(ways)
    };
    match (formula, holds) {
        (Formula::Const(b), _) => Some(if *b == holds { ways } else { Vec::new() }),
        (Formula::Bit(bit), _) => each(ways, &|way| way.set(*bit, holds)),
        (Formula::Negative(l), true) => each(ways, &|way| way.bound(l, Kind::Below(true))),
        (Formula::Negative(l), false) => each(ways, &|way| way.bound(l, Kind::Above(false))),
        (Formula::NotPositive(l), true) => each(ways, &|way| way.bound(l, Kind::Below(false))),
        (Formula::NotPositive(l), false) => each(ways, &|way| way.bound(l, Kind::Above(true))),
        (Formula::Zero(l), true) => each(ways, &|way| way.bound(l, Kind::Is)),
        (Formula::Zero(l), false) => each(ways, &|way| way.bound(l, Kind::IsNot)),
        (Formula::Not(inner), _) => expand(inner, !holds, ways),
        (Formula::All(parts), true) | (Formula::Any(parts), false) => {
            parts.iter().try_fold(ways, |ways, part| expand(part, holds, ways))
        }
        (Formula::All(parts), false) | (Formula::Any(parts), true) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(expand(part, holds, ways.clone())?);
                if all.len() > MAX_WAYS {
                    return None;
                }
            }
            Some(all)
        }
        (Formula::AtMost(..), _) => Some(ways),
    }
}

/// The first instant from `from` on at which these atoms hold, or do not, as wanted.
fn instant(ground: &Ground, atoms: &[(u32, bool)], from: i64) -> Option<i64> {
    let (_, to) = ground.atoms.valid();
    let mut at = from;
    // of each atom the pieces that have not ended
    let mut left: Vec<(&[(i64, i64)], bool)> =
        atoms.iter().map(|(atom, wanted)| (ground.atoms.slice(*atom), *wanted)).collect();
    'again: while at < to {
        for (pieces, wanted) in &mut left {
            *pieces = not_ended(pieces, at);
            let piece = pieces.first();
            let holds = piece.is_some_and(|(start, _)| *start <= at);
            if holds != *wanted {
                at = match (piece, wanted) {
                    (Some((start, _)), true) => *start,
                    (Some((_, end)), false) => *end,
                    (None, _) => return None,
                };
                continue 'again;
            }
        }
        return Some(at);
    }
    None
}

/// The pieces that end after an instant; mostly the first of them, or the next.
fn not_ended(pieces: &[(i64, i64)], at: i64) -> &[(i64, i64)] {
    match pieces {
        [(_, end), ..] if *end > at => pieces,
        [_, rest @ ..] => {
            let next = if rest.first().is_some_and(|(_, end)| *end > at) {
                0
            } else {
                rest.partition_point(|(_, end)| *end <= at)
            };
            rest.get(next..).unwrap_or_default()
        }
        [] => pieces,
    }
}

fn atoms_of(way: &Way) -> Vec<(u32, bool)> {
    let atom =
        |(bit, holds): (&Bit, &bool)| if let Bit::Atom(atom) = bit { Some((*atom, *holds)) } else { None };
    way.bits.iter().filter_map(atom).collect()
}

/// Whether every range of an alternative reaches into what is declared of its number.
fn in_domains(ground: &Ground, way: &Way) -> bool {
    way.nums.iter().all(|(num, range)| {
        let Num::Signal(signal, _) = num else { return true };
        let Some(Domain::Interval { lo, hi }) = ground.site.signal(*signal).map(|s| &s.domain) else {
            return true;
        };
        let above = matches!(&range.lo, Some((least, open)) if least > hi || (least == hi && *open));
        let below = matches!(&range.hi, Some((most, open)) if most < lo || (most == lo && *open));
        !above && !below
    })
}

/// Whether two alternatives can hold together, as far as ranges and times say.
pub(crate) fn meet(ground: &Ground, a: &Way, b: &Way) -> bool {
    if a.excludes(b) {
        return false;
    }
    let mut atoms = atoms_of(a);
    if atoms.is_empty() {
        return true;
    }
    let others = atoms_of(b);
    if others.is_empty() {
        return true;
    }
    atoms.extend(others);
    instant(ground, &atoms, ground.atoms.valid().0).is_some()
}

/// The pairs of conditions, by their places, that can hold together as far as ranges and times say,
/// in order.
///
/// The number that most conditions bound sorts them, so that those whose ranges of it lie apart are
/// never compared.
pub(crate) fn meeting(ground: &Ground, conditions: impl Iterator<Item = Formula>) -> Vec<(usize, usize)> {
    let from = ground.atoms.valid().0;
    let possible = |way: &Way| in_domains(ground, way) && instant(ground, &atoms_of(way), from).is_some();
    let all: Vec<Option<Vec<Way>>> = conditions
        .map(|condition| ways(&condition).map(|ways| ways.into_iter().filter(&possible).collect()))
        .collect();
    let mut bounded: BTreeMap<Num, usize> = BTreeMap::new();
    for num in all.iter().flatten().filter_map(|ways| ways.first()).flat_map(Way::bounded) {
        *bounded.entry(num).or_default() += 1;
    }
    let by =
        bounded.iter().max_by_key(|(num, count)| (**count, std::cmp::Reverse(**num))).map(|(num, _)| *num);
    let mut spans: Vec<(Option<Rat>, Option<Rat>, usize)> = Vec::with_capacity(all.len());
    for (at, ways) in all.iter().enumerate() {
        let ends = |ways: &[Way]| -> Option<(Option<Rat>, Option<Rat>)> {
            let spans = || ways.iter().map(|way| by.map_or((None, None), |num| way.span(num)));
            // a way without the end is open on that side
            let lo = spans().map(|(lo, _)| lo.cloned()).min()?;
            let hi = if spans().any(|(_, hi)| hi.is_none()) {
                None
            } else {
                spans().filter_map(|(_, hi)| hi.cloned()).max()
            };
            Some((lo, hi))
        };
        match ways {
            None => spans.push((None, None, at)),
            // a condition without a way never holds
            Some(ways) => spans.extend(ends(ways).map(|(lo, hi)| (lo, hi, at))),
        }
    }
    spans.sort();
    let mut pairs = Vec::new();
    let mut open: Vec<(Option<Rat>, usize)> = Vec::new();
    for (lo, hi, at) in spans {
        if let Some(lo) = &lo {
            open.retain(|(end, _)| end.as_ref().is_none_or(|end| end >= lo));
        }
        for (_, other) in &open {
            let both = (all.get(*other), all.get(at));
            let meets = match both {
                (Some(Some(a)), Some(Some(b))) => a.iter().any(|a| b.iter().any(|b| meet(ground, a, b))),
                _ => true,
            };
            if meets {
                pairs.push((at.min(*other), at.max(*other)));
            }
        }
        open.push((hi, at));
    }
    pairs.sort_unstable();
    pairs
}

/// Whether the statements can hold together; [`Answer::Unknown`] in doubt.
pub(crate) fn together(ground: &Ground, statements: &[Formula]) -> Answer {
    let expanded = statements.iter().try_fold(vec![Way::default()], |ways, f| expand(f, true, ways));
    let Some(mut ways) = expanded else { return Answer::Unknown };
    let from = ground.atoms.valid().0;
    ways.retain(|way| in_domains(ground, way) && instant(ground, &atoms_of(way), from).is_some());
    if ways.is_empty() {
        return Answer::Unsat;
    }
    let mut footprint = Footprint::default();
    statements.iter().for_each(|f| footprint.add(f));
    let parts = ground.environment.close(&mut footprint);
    let parts: Vec<&Formula> =
        parts.iter().filter_map(|at| ground.environment.parts.get(*at)).map(|part| &part.formula).collect();
    let domains: Vec<Formula> =
        domains(ground.site, &footprint).into_iter().map(|(_, domain)| domain).collect();
    let ties: Vec<&Formula> = parts.into_iter().chain(&domains).collect();
    for way in ways.iter().take(MAX_TRIES) {
        // whether a latch can be set is no matter of a glance
        let latched = way.bits.iter().any(|(bit, holds)| matches!(bit, Bit::Latch(_)) && *holds);
        if !latched && completed(ground, way, statements, &ties, &footprint) {
            return Answer::Sat;
        }
    }
    Answer::Unknown
}

/// Whether the alternative can be completed to a situation, at one of a few instants.
fn completed(
    ground: &Ground,
    way: &Way,
    statements: &[Formula],
    ties: &[&Formula],
    footprint: &Footprint,
) -> bool {
    let (mut from, to) = ground.atoms.valid();
    let wanted = atoms_of(way);
    let atoms = footprint.atoms();
    for _ in 0..MAX_TRIES {
        let Some(at) = instant(ground, &wanted, from) else { return false };
        if fits(ground, way, at, statements, ties, footprint) {
            return true;
        }
        // where something else holds
        let next = atoms.iter().filter_map(|atom| {
            let pieces = ground.atoms.slice(*atom);
            let (start, end) = pieces.get(pieces.partition_point(|(_, end)| *end <= at))?;
            Some(if *start > at { *start } else { *end })
        });
        match next.min() {
            Some(next) if next < to => from = next,
            _ => return false,
        }
    }
    false
}

fn fits(
    ground: &Ground,
    way: &Way,
    at: i64,
    statements: &[Formula],
    ties: &[&Formula],
    footprint: &Footprint,
) -> bool {
    let mut all = way.clone();
    for atom in footprint.atoms() {
        let pieces = ground.atoms.slice(atom);
        let piece = pieces.get(pieces.partition_point(|(_, end)| *end <= at));
        if !all.set(Bit::Atom(atom), piece.is_some_and(|(start, _)| *start <= at)) {
            return false;
        }
    }
    for bit in &footprint.bits {
        if let Bit::Symbol(signal, member, symbol) = bit
            && all.bits.get(bit) == Some(&true)
            && let Some(Domain::Symbols(words)) = ground.site.signal(*signal).map(|s| &s.domain)
        {
            for other in (0..words.len()).filter_map(|i| u32::try_from(i).ok()).filter(|i| i != symbol) {
                if !all.set(Bit::Symbol(*signal, *member, other), false) {
                    return false;
                }
            }
        }
    }
    // what ties say about single numbers once the truth values are known
    for tie in ties {
        let Some(rest) = simplified(tie, &all.bits) else { return false };
        if rest != Formula::TRUE {
            let Some(ways) = ways(&rest) else { continue };
            if let [only] = ways.as_slice()
                && !all.join(only)
            {
                return false;
            }
        }
    }
    let nums: BTreeMap<Num, Rat> =
        footprint.nums.iter().map(|num| (*num, all.nums.get(num).map_or(Rat::ZERO, Range::some))).collect();
    let mut bits = all.bits;
    for bit in &footprint.bits {
        match bit {
            Bit::Known(..) => {
                bits.entry(*bit).or_insert(true);
            }
            Bit::Symbol(signal, member, 0) => {
                let of = |b: &Bit| matches!(b, Bit::Symbol(s, m, _) if (s, m) == (signal, member));
                let chosen = bits.iter().any(|(b, holds)| of(b) && *holds);
                bits.entry(*bit).or_insert(!chosen);
            }
            _ => {}
        }
    }
    let holds = |formula: &Formula| formula.holds(&nums, &bits);
    statements.iter().all(holds) && ties.iter().all(|tie| holds(tie))
}

/// What is left of a tie where some truth values are known; `None` where it is broken.
fn simplified(formula: &Formula, bits: &BTreeMap<Bit, bool>) -> Option<Formula> {
    match simple(formula, bits) {
        Formula::Const(false) => None,
        rest => Some(rest),
    }
}

fn simple(formula: &Formula, bits: &BTreeMap<Bit, bool>) -> Formula {
    match formula {
        Formula::Bit(bit) => bits.get(bit).map_or_else(|| formula.clone(), |holds| Formula::Const(*holds)),
        Formula::Not(inner) => simple(inner, bits).negate(),
        Formula::All(parts) => Formula::all(parts.iter().map(|part| simple(part, bits))),
        Formula::Any(parts) => Formula::any(parts.iter().map(|part| simple(part, bits))),
        other => other.clone(),
    }
}
