//! Witnesses that people believe: the least situation of a stated order, found by satisfiability
//! answers alone (semantics.md 25).
//!
//! The order: fewest active rules; the most preferred time group; then latches, `held` bits and
//! signals by name, each at the first feasible value of its ladder.

mod ladder;
pub(crate) mod replay;
mod text;

pub(crate) use text::{story, test_block};

use std::collections::{BTreeMap, BTreeSet};

use super::ask::{Asker, Prepared};
use super::formula::{Bit, Formula, Linear, Num};
use super::smt::{Answer, Literal};
use crate::calendar::Instant;
use crate::ir::{Domain, SignalId, Value};
use crate::quantity::Rat;

/// How often the gap between two round values is cut into tenths.
const MAX_TENTHS: u32 = 12;

/// One concrete environment, as far as a question reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Situation {
    /// The instant.
    pub(crate) at: Instant,
    /// Numbers.
    pub(crate) nums: BTreeMap<Num, Rat>,
    /// Truth values, without time atoms.
    pub(crate) bits: BTreeMap<Bit, bool>,
}

/// The search state: what is assumed so far.
struct Search<'s, 'a> {
    asker: &'s mut Asker<'a>,
    assumed: Vec<Literal>,
}

impl Search<'_, '_> {
    /// Assumes the formula for good where that leaves something; `None`: the solver gave up.
    fn try_assume(&mut self, formula: &Formula) -> Option<bool> {
        let literal = self.asker.solver.literal(formula);
        self.assumed.push(literal);
        match self.asker.solver.ask(&self.assumed) {
            Answer::Sat => Some(true),
            Answer::Unsat => {
                self.assumed.pop();
                Some(false)
            }
            Answer::Unknown => None,
        }
    }

    /// Assumes that as few of the formulas hold as can: sought in doubling steps and then halved.
    fn fewest(&mut self, others: &[Formula]) -> Option<()> {
        let all = u32::try_from(others.len()).unwrap_or(u32::MAX);
        let at_most = |most: u32| Formula::AtMost(others.to_vec(), most);
        // fewer than `low` cannot be, `high` can
        let (mut low, mut high) = (0, 0);
        while high < all {
            if self.asks(&at_most(high))? {
                break;
            }
            (low, high) = (high + 1, (2 * high + 1).min(all));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.asks(&at_most(middle))? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.try_assume(&at_most(high)).map(|_| ())
    }

    /// Whether the formula leaves something; `None`: the solver gave up.
    fn asks(&mut self, formula: &Formula) -> Option<bool> {
        let found = self.try_assume(formula)?;
        if found {
            self.assumed.pop();
        }
        Some(found)
    }

    /// Index of the first formula that leaves something, assumed for good. The disjunction is
    /// asked first and halved, so that long lists cost little.
    fn first_of(&mut self, options: &[Formula]) -> Option<Option<usize>> {
        let literal = self.asker.solver.literal(&Formula::any(options.to_vec()));
        let with = |this: &mut Self, literal: Literal| {
            this.assumed.push(literal);
            let answer = this.asker.solver.ask(&this.assumed);
            this.assumed.pop();
            answer
        };
        match with(self, literal) {
            Answer::Unknown => return None,
            Answer::Unsat => return Some(None),
            Answer::Sat => {}
        }
        let (mut from, mut to) = (0, options.len());
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            let half = Formula::any(options.get(from..middle).unwrap_or_default().to_vec());
            let literal = self.asker.solver.literal(&half);
            match with(self, literal) {
                Answer::Sat => to = middle,
                Answer::Unsat => from = middle,
                Answer::Unknown => return None,
            }
        }
        let chosen = options.get(from)?;
        let literal = self.asker.solver.literal(chosen);
        self.assumed.push(literal);
        Some(Some(from))
    }
}

/// The least situation in which the statements hold together, with as few as possible of the
/// `others` holding. `None` where there is none or the solver gave up.
pub(crate) fn least(asker: &mut Asker, statements: &[Formula], others: &[Formula]) -> Option<Situation> {
    let mut all = statements.to_vec();
    all.extend(others.iter().cloned());
    let prepared = asker.prepare(&all);
    asker.enter();
    let found = search(asker, statements, others, &prepared);
    asker.leave();
    found
}

fn search(
    asker: &mut Asker,
    statements: &[Formula],
    others: &[Formula],
    prepared: &Prepared,
) -> Option<Situation> {
    let mut search = Search { assumed: prepared.literals.clone(), asker };
    for statement in statements {
        let literal = search.asker.solver.literal(statement);
        search.assumed.push(literal);
    }
    if search.asker.solver.ask(&search.assumed) != Answer::Sat {
        return None;
    }
    let others: Vec<Formula> = others.iter().filter(|f| **f != Formula::FALSE).cloned().collect();
    if !others.is_empty() {
        search.fewest(&others)?;
    }
    let moments = &prepared.moments;
    let groups: Vec<Formula> = moments.groups.iter().map(|group| moments.is(group)).collect();
    let chosen = search.first_of(&groups)??;
    let at = moments.groups.get(chosen)?.at;
    let mut situation = Situation { at, nums: BTreeMap::new(), bits: BTreeMap::new() };

    let bits = |wanted: fn(&Bit) -> bool| -> Vec<Bit> {
        prepared.footprint.bits.iter().copied().filter(wanted).collect()
    };
    let memory = |b: &Bit| matches!(b, Bit::Latch(_) | Bit::Held(_) | Bit::LastKnown(..));
    for bit in bits(memory) {
        let clear = search.try_assume(&Formula::Bit(bit).negate())?;
        if !clear {
            search.try_assume(&Formula::Bit(bit))?;
        }
        situation.bits.insert(bit, !clear);
    }
    for (signal, member) in read(prepared, search.asker) {
        settle(&mut search, &mut situation, signal, member)?;
    }
    Some(situation)
}

/// The signals that a question reads, by name.
fn read(prepared: &Prepared, asker: &Asker) -> Vec<(SignalId, u32)> {
    let nums = prepared.footprint.nums.iter().filter_map(|num| match num {
        Num::Signal(signal, member) => Some((*signal, *member)),
        Num::Fresh(_) => None,
    });
    let bits = prepared.footprint.bits.iter().filter_map(|bit| match bit {
        Bit::Truth(signal, member) | Bit::Symbol(signal, member, _) | Bit::Known(signal, member) => {
            Some((*signal, *member))
        }
        _ => None,
    });
    let all: BTreeSet<(SignalId, u32)> = nums.chain(bits).collect();
    let mut all: Vec<(SignalId, u32)> = all.into_iter().collect();
    let name = |signal: &SignalId| asker.ground.site.signal(*signal).map(|s| s.name.as_str());
    all.sort_by(|a, b| (name(&a.0), a.1).cmp(&(name(&b.0), b.1)));
    all
}

/// Chooses the value of one signal.
fn settle(search: &mut Search, situation: &mut Situation, id: SignalId, member: u32) -> Option<()> {
    let site = search.asker.ground.site;
    let signal = site.signal(id)?;
    if signal.reading.is_some() {
        let bit = Bit::Known(id, member);
        let known = search.try_assume(&Formula::Bit(bit))?;
        if !known {
            search.try_assume(&Formula::Bit(bit).negate())?;
        }
        situation.bits.insert(bit, known);
    }
    match &signal.domain {
        Domain::Bool => {
            let bit = Bit::Truth(id, member);
            let wanted = matches!(&signal.normal, Some(Value::Bool(true)));
            let literal = |value: bool| {
                if value { Formula::Bit(bit) } else { Formula::Bit(bit).negate() }
            };
            let usual = search.try_assume(&literal(wanted))?;
            if !usual {
                search.try_assume(&literal(!wanted))?;
            }
            situation.bits.insert(bit, usual == wanted);
        }
        Domain::Symbols(words) => {
            let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
            let mut order: Vec<u32> = (0..count).collect();
            if let Some(Value::Symbol(normal)) = &signal.normal {
                order.sort_by_key(|symbol| (symbol != normal, *symbol));
            }
            let options: Vec<Formula> =
                order.iter().map(|symbol| Formula::Bit(Bit::Symbol(id, member, *symbol))).collect();
            let chosen = search.first_of(&options)??;
            for (i, symbol) in order.iter().enumerate() {
                situation.bits.insert(Bit::Symbol(id, member, *symbol), i == chosen);
            }
        }
        Domain::Interval { lo, hi } => {
            let num = Num::Signal(id, member);
            let value = first_number(search, num, &ladder::Ladder::new(signal, lo, hi))?;
            situation.nums.insert(num, value);
        }
    }
    Some(())
}

fn first_number(search: &mut Search, num: Num, ladder: &ladder::Ladder) -> Option<Rat> {
    let is = |value: &Rat| Formula::zero(Linear::num(num).minus(&Linear::constant(value.clone())));
    for rung in ladder.rungs() {
        for chunk in rung.chunks(64) {
            let options: Vec<Formula> = chunk.iter().map(is).collect();
            if let Some(found) = search.first_of(&options)? {
                return chunk.get(found).cloned();
            }
        }
        if rung.len() > 64 {
            // a value that follows from what is chosen already need not be searched for
            if let Some(value) = search.asker.solver.determined(num, &search.assumed) {
                return Some(value);
            }
        }
    }
    if let Some(value) = search.asker.solver.determined(num, &search.assumed) {
        return Some(value);
    }
    between(search, num, ladder)
}

/// A value between those of the finest rung: the first gap that leaves something, cut into ever
/// smaller tenths until one of their ends does.
fn between(search: &mut Search, num: Num, ladder: &ladder::Ladder) -> Option<Rat> {
    let is = |value: &Rat| Formula::zero(Linear::num(num).minus(&Linear::constant(value.clone())));
    let inside = |gap: &ladder::Gap| {
        let (lo, hi) = ladder.ends(gap);
        let value = Linear::num(num);
        Formula::all([
            Formula::less(&Linear::constant(lo), &value),
            Formula::less(&value, &Linear::constant(hi)),
        ])
    };
    let mut gaps = ladder.gaps();
    for _ in 0..MAX_TENTHS {
        let options: Vec<Formula> = gaps.iter().map(inside).collect();
        let gap = gaps.get(search.first_of(&options)??)?.clone();
        let (parts, values) = ladder.tenths(&gap);
        let options: Vec<Formula> = values.iter().map(is).collect();
        if let Some(found) = search.first_of(&options)? {
            return values.get(found).cloned();
        }
        gaps = parts;
    }
    search.asker.solver.determined(num, &search.assumed)
}
