//! The solver behind the analysis: the only room that names Z3.
//!
//! A [`Solver`] holds clauses that are switched on by assumption literals, so that one instance
//! answers every question of a cluster of devices, and an unsatisfiable core is a set of literals
//! that stand for statements. Effort is bounded by a resource count, never by a clock; no value of
//! a model leaves this room except one that the constraints determine.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use z3::ast::{Bool, Real};
use z3::{Params, SatResult};

use super::formula::{Bit, Formula, Linear, Num};
use crate::quantity::Rat;

/// Effort allowed for one question, in the solver's resource units.
pub(crate) const DEFAULT_EFFORT: u32 = 20_000_000;

/// Answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Some assignment satisfies it.
    Sat,
    /// None does.
    Unsat,
    /// The solver gave up within its effort, also in a fresh instance.
    Unknown,
}

/// Values of numbers and truth values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assignment {
    /// Numbers.
    pub(crate) nums: BTreeMap<Num, Rat>,
    /// Truth values.
    pub(crate) bits: BTreeMap<Bit, bool>,
}

/// A literal that switches clauses on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Literal(u32);

/// One incremental solver.
pub(crate) struct Solver {
    /// made at the first question: many clusters need none
    inner: OnceCell<z3::Solver>,
    nums: BTreeMap<Num, Real>,
    bits: BTreeMap<Bit, Bool>,
    literals: Vec<Bool>,
    /// What was asserted, to repeat a question in a fresh instance; by depth of scopes.
    asserted: Vec<Vec<Bool>>,
    /// Number of literals when each open scope was entered.
    scopes: Vec<usize>,
    effort: u32,
    /// Questions asked so far.
    pub(crate) asked: u64,
}

impl Default for Solver {
    fn default() -> Self {
        Self::new(DEFAULT_EFFORT)
    }
}

fn instance(effort: u32) -> z3::Solver {
    let solver = z3::Solver::new();
    let mut params = Params::new();
    params.set_u32("random_seed", 0);
    params.set_u32("rlimit", effort);
    solver.set_params(&params);
    // an open scope selects the incremental engine, some ten times faster than the general
    // tactics on questions as small as these
    solver.push();
    solver
}

impl Solver {
    /// A solver with a bound on the effort of each question.
    pub(crate) fn new(effort: u32) -> Self {
        Self {
            inner: OnceCell::new(),
            nums: BTreeMap::new(),
            bits: BTreeMap::new(),
            literals: Vec::new(),
            asserted: vec![Vec::new()],
            scopes: Vec::new(),
            effort,
            asked: 0,
        }
    }

    fn inner(&self) -> &z3::Solver {
        self.inner.get_or_init(|| instance(self.effort))
    }

    fn real(&mut self, num: Num) -> Real {
        self.nums
            .entry(num)
            .or_insert_with(|| match num {
                Num::Signal(signal, member) => Real::new_const(format!("s{signal}.{member}")),
                Num::Fresh(n) => Real::new_const(format!("x{n}")),
            })
            .clone()
    }

    fn bool(&mut self, bit: Bit) -> Bool {
        self.bits
            .entry(bit)
            .or_insert_with(|| {
                Bool::new_const(match bit {
                    Bit::Truth(signal, member) => format!("b{signal}.{member}"),
                    Bit::Symbol(signal, member, symbol) => format!("e{signal}.{member}.{symbol}"),
                    Bit::Known(signal, member) => format!("k{signal}.{member}"),
                    Bit::Latch(latch) => format!("l{latch}"),
                    Bit::Held(held) => format!("h{held}"),
                    Bit::LastKnown(rule, None) => format!("p{rule}"),
                    Bit::LastKnown(rule, Some(member)) => {
                        format!("p{rule}.{}.{}", member.family, member.index)
                    }
                    Bit::Atom(atom) => format!("t{atom}"),
                    Bit::Fresh(n) => format!("f{n}"),
                })
            })
            .clone()
    }

    fn numeral(value: &Rat) -> Real {
        match value.small_parts() {
            Some((n, d)) => Real::from_rational(n, d),
            None => Real::from_big_rational(&value.to_big()),
        }
    }

    fn linear(&mut self, linear: &Linear) -> Real {
        let terms: Vec<Real> = linear
            .terms
            .iter()
            .map(|(num, coef)| {
                let num = self.real(*num);
                if *coef == Rat::ONE { num } else { Real::mul(&[&Self::numeral(coef), &num]) }
            })
            .collect();
        match terms.as_slice() {
            [] => Self::numeral(&Rat::ZERO),
            [one] => one.clone(),
            many => Real::add(&many.iter().collect::<Vec<_>>()),
        }
    }

    fn term(&mut self, formula: &Formula) -> Bool {
        let bound = |linear: &Linear| Self::numeral(&-&linear.constant);
        match formula {
            Formula::Const(b) => Bool::from_bool(*b),
            Formula::Bit(bit) => self.bool(*bit),
            Formula::Negative(l) => self.linear(l).lt(bound(l)),
            Formula::NotPositive(l) => self.linear(l).le(bound(l)),
            Formula::Zero(l) => z3::ast::Ast::eq(&self.linear(l), bound(l)),
            Formula::Not(f) => self.term(f).not(),
            Formula::All(fs) => {
                let parts: Vec<Bool> = fs.iter().map(|f| self.term(f)).collect();
                Bool::and(&parts)
            }
            Formula::Any(fs) => {
                let parts: Vec<Bool> = fs.iter().map(|f| self.term(f)).collect();
                Bool::or(&parts)
            }
            Formula::AtMost(fs, n) => {
                let parts: Vec<Bool> = fs.iter().map(|f| self.term(f)).collect();
                let weighted: Vec<(&Bool, i32)> = parts.iter().map(|p| (p, 1)).collect();
                Bool::pb_le(&weighted, i32::try_from(*n).unwrap_or(i32::MAX))
            }
        }
    }

    fn keep(&mut self, term: Bool) {
        self.inner().assert(&term);
        if let Some(top) = self.asserted.last_mut() {
            top.push(term);
        }
    }

    /// The formula holds from now on (until the present scope is left).
    pub(crate) fn assert(&mut self, formula: &Formula) {
        if *formula != Formula::TRUE {
            let term = self.term(formula);
            self.keep(term);
        }
    }

    /// A literal that, when assumed, makes the formula hold.
    pub(crate) fn literal(&mut self, formula: &Formula) -> Literal {
        let index = self.literals.len();
        let switch = Bool::new_const(format!("a{index}"));
        let term = self.term(formula);
        self.keep(switch.implies(&term));
        self.literals.push(switch);
        Literal(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Whether something satisfies what was asserted and the assumed literals.
    ///
    /// A question on which the solver gives up is asked once more in a fresh instance.
    pub(crate) fn ask(&mut self, assumed: &[Literal]) -> Answer {
        self.asked += 1;
        let terms = self.switches(assumed);
        match self.inner().check_assumptions(&terms) {
            SatResult::Sat => Answer::Sat,
            SatResult::Unsat => Answer::Unsat,
            SatResult::Unknown => {
                let fresh = instance(self.effort);
                for term in self.asserted.iter().flatten() {
                    fresh.assert(term);
                }
                match fresh.check_assumptions(&terms) {
                    SatResult::Sat => Answer::Sat,
                    SatResult::Unsat => Answer::Unsat,
                    SatResult::Unknown => Answer::Unknown,
                }
            }
        }
    }

    /// Every combination of truth values of the conditions that the assumptions allow; `None`
    /// where there are more than `cap`, or the solver gave up.
    pub(crate) fn enumerate(
        &mut self,
        conditions: &[Formula],
        assumed: &[Literal],
        cap: usize,
    ) -> Option<BTreeSet<Vec<bool>>> {
        self.scoped(&[], |solver| {
            let terms: Vec<Bool> = conditions.iter().map(|c| solver.term(c)).collect();
            let mut found = BTreeSet::new();
            loop {
                match solver.ask(assumed) {
                    Answer::Unsat => return Some(found),
                    Answer::Unknown => return None,
                    Answer::Sat => {}
                }
                let model = solver.inner().get_model()?;
                let values: Option<Vec<bool>> =
                    terms.iter().map(|t| model.eval(t, true).and_then(|v| v.as_bool())).collect();
                let values = values?;
                let differs: Vec<Bool> =
                    terms.iter().zip(&values).map(|(t, v)| if *v { t.not() } else { t.clone() }).collect();
                solver.keep(Bool::or(&differs));
                found.insert(values);
                if found.len() > cap {
                    return None;
                }
            }
        })
    }

    fn switches(&self, literals: &[Literal]) -> Vec<Bool> {
        literals.iter().filter_map(|l| self.literals.get(l.0 as usize).cloned()).collect()
    }

    /// Opens a scope.
    pub(crate) fn enter(&mut self) {
        self.inner().push();
        self.asserted.push(Vec::new());
        self.scopes.push(self.literals.len());
    }

    /// Leaves the innermost scope: what was asserted and made in it is forgotten.
    pub(crate) fn leave(&mut self) {
        if let Some(literals) = self.scopes.pop() {
            self.literals.truncate(literals);
            self.asserted.pop();
            self.inner().pop(1);
        }
    }

    /// Runs questions on top of formulas that are forgotten afterwards.
    pub(crate) fn scoped<T>(&mut self, formulas: &[Formula], then: impl FnOnce(&mut Self) -> T) -> T {
        self.enter();
        for formula in formulas {
            self.assert(formula);
        }
        let result = then(self);
        self.leave();
        result
    }

    /// A smallest (by deletion, in the order given) part of `removable` that is unsatisfiable
    /// together with `fixed`. Asked only where the whole is unsatisfiable.
    pub(crate) fn core(&mut self, fixed: &[Literal], removable: &[Literal]) -> Vec<Literal> {
        let mut kept = removable.to_vec();
        let mut at = 0;
        while at < kept.len() {
            let mut rest: Vec<Literal> = fixed.to_vec();
            rest.extend(kept.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, l)| *l));
            if self.ask(&rest) == Answer::Unsat {
                kept.remove(at);
            } else {
                at += 1;
            }
        }
        kept
    }

    /// Some assignment under the assumptions: for looking at, never for printing, since another
    /// run may find another one.
    pub(crate) fn assignment(
        &mut self,
        assumed: &[Literal],
        nums: &BTreeSet<Num>,
        bits: &BTreeSet<Bit>,
    ) -> Option<Assignment> {
        if self.ask(assumed) != Answer::Sat {
            return None;
        }
        let model = self.inner().get_model()?;
        let mut assignment = Assignment::default();
        for num in nums {
            let real = self.real(*num);
            let value = parse_numeral(&model.eval(&real, true)?.to_string())?;
            assignment.nums.insert(*num, value);
        }
        for bit in bits {
            let term = self.bool(*bit);
            assignment.bits.insert(*bit, model.eval(&term, true)?.as_bool()?);
        }
        Some(assignment)
    }

    /// The value of a number in every assignment that satisfies the assumptions, where there is
    /// just one such value.
    pub(crate) fn determined(&mut self, num: Num, assumed: &[Literal]) -> Option<Rat> {
        let terms = self.switches(assumed);
        if self.inner().check_assumptions(&terms) != SatResult::Sat {
            return None;
        }
        let real = self.real(num);
        let text = self.inner().get_model()?.eval(&real, true)?.to_string();
        let value = parse_numeral(&text)?;
        let mut difference = Linear::num(num);
        difference.constant = -&value;
        let other = Formula::zero(difference).negate();
        let differs = self.scoped(&[other], |solver| solver.ask(assumed));
        (differs == Answer::Unsat).then_some(value)
    }
}

/// Reads `3.0`, `(/ 1.0 3.0)`, `(- (/ 1.0 3.0))`.
fn parse_numeral(text: &str) -> Option<Rat> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("(-").and_then(|t| t.strip_suffix(')')) {
        return parse_numeral(inner).map(|v| -&v);
    }
    if let Some(inner) = text.strip_prefix("(/").and_then(|t| t.strip_suffix(')')) {
        let mut parts = inner.split_whitespace();
        let (n, d) = (parts.next()?.parse::<Rat>().ok()?, parts.next()?.parse::<Rat>().ok()?);
        return n.checked_div(&d);
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(n: u32, bound: i64) -> Formula {
        Formula::at_most(&Linear::num(Num::Fresh(n)), &Linear::constant(Rat::int(bound)))
    }

    #[test]
    fn literals_switch_clauses() {
        let mut solver = Solver::default();
        let low = solver.literal(&at_most(0, 3));
        let high = solver.literal(&at_most(0, 5).negate());
        assert_eq!(solver.ask(&[low]), Answer::Sat);
        assert_eq!(solver.ask(&[high]), Answer::Sat);
        assert_eq!(solver.ask(&[low, high]), Answer::Unsat);
        let idle = solver.literal(&at_most(1, 0));
        assert_eq!(solver.core(&[], &[idle, low, high]), [low, high]);
    }

    #[test]
    fn scopes_are_forgotten() {
        let mut solver = Solver::default();
        solver.assert(&at_most(0, 3));
        let inside = solver.scoped(&[at_most(0, 5).negate()], |s| s.ask(&[]));
        assert_eq!((inside, solver.ask(&[])), (Answer::Unsat, Answer::Sat));
    }

    #[test]
    fn only_determined_values_leave() {
        let mut solver = Solver::default();
        let third = Linear::constant(Rat::ratio(-7, 3).unwrap());
        solver.assert(&Formula::zero(Linear::num(Num::Fresh(0)).minus(&third)));
        assert_eq!(solver.determined(Num::Fresh(0), &[]), Rat::ratio(-7, 3));
        assert_eq!(solver.determined(Num::Fresh(1), &[]), None);
    }

    #[test]
    fn numerals_read_back() {
        assert_eq!(parse_numeral("(- (/ 1.0 3.0))"), Rat::ratio(-1, 3));
        assert_eq!(parse_numeral("(- 2.5)"), Rat::ratio(-5, 2));
        assert_eq!(parse_numeral("12.0"), Some(Rat::int(12)));
    }

    #[test]
    fn counting_is_exact() {
        let mut solver = Solver::default();
        let bits: Vec<Formula> = (0..3).map(|n| Formula::Bit(Bit::Fresh(n))).collect();
        solver.assert(&Formula::AtMost(bits.clone(), 1));
        solver.assert(&bits[0]);
        let second = solver.literal(&bits[1]);
        assert_eq!(solver.ask(&[]), Answer::Sat);
        assert_eq!(solver.ask(&[second]), Answer::Unsat);
    }

    #[test]
    fn a_small_effort_ends_in_unknown_not_in_a_wrong_answer() {
        let mut solver = Solver::new(1);
        let mut sum = Linear::constant(Rat::int(-7));
        for n in 0..20 {
            let mut twice = Linear::num(Num::Fresh(n));
            twice.add_term(&Rat::int(-2), Num::Fresh(n + 1));
            solver.assert(&Formula::any([Formula::zero(twice), at_most(n, 0)]));
            sum.add_term(&Rat::ONE, Num::Fresh(n));
        }
        solver.assert(&Formula::zero(sum));
        assert_eq!(solver.ask(&[]), Answer::Unknown);
    }
}
