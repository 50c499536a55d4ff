//! Policy tests (semantics.md 26): an expectation passes only if it holds for all values of what
//! is not given.
//!
//! What a decision depends on is finite: which effects act, and how their bounds are ordered. The
//! solver lists every combination that the given leaves possible; the evaluator judges one
//! environment of each. A failing combination is shown by its least situation.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::{Asker, Ground, Prepared};
use super::cells::Cells;
use super::encode::{Footprint, Subject, World, told};
use super::formula::{Bit, Formula, Linear, Num};
use super::index::{Act, Ask, Index, linked};
use super::questions::{assumed, mismatch, open, own_signals};
use super::smt::Answer;
use super::witness::{self, Situation, replay};
use super::{CheckInputs, Prepared as Policy, prepare, unhonoured};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, Diagnostics, Span, codes};
use crate::eval::{Clash, Decision, DeviceSet, EffectRef, Environment, Instance, Reading};
use crate::ir::{
    Attr, Device, Expect, ExpectWhat, GivenWhat, Model, PolicyTest, RuleId, Share, Site, Target, Value,
};
use crate::quantity::Rat;

/// Most combinations of one expectation.
const MAX_PATTERNS: usize = 4096;

/// What the tests of a site came to.
#[derive(Debug, Clone, Default)]
pub struct TestReport {
    /// Failures, impossible givens, and questions left open.
    pub findings: Diagnostics,
    /// Tests that passed.
    pub passed: usize,
    /// Tests that did not.
    pub failed: usize,
    /// Questions put to the solver.
    pub questions: u64,
}

/// Runs the tests of a site. What `check` refuses is refused here too, and an expectation among it is
/// not judged.
#[must_use]
pub fn run_tests(site: &Site, inputs: &CheckInputs) -> TestReport {
    let mut report = TestReport::default();
    let refused = unhonoured(site);
    let unjudged: BTreeSet<Span> = refused.iter().filter_map(Diagnostic::span).collect();
    report.findings.extend(refused);
    let calendar = match Calendar::new(site) {
        Ok(calendar) => calendar,
        Err(finding) => {
            report.findings.push(finding);
            return report;
        }
    };
    let policy = prepare(site, World::new(site, &calendar), inputs);
    report.findings.extend(policy.refused.iter().cloned());
    let cells = Cells::of(site);
    for test in &site.tests {
        let mut asker = Asker::new(&policy.ground);
        let mut runner =
            Runner { policy: &policy, cells: &cells, calendar: &calendar, test, unjudged: &unjudged };
        let findings = runner.run(&mut asker);
        report.questions += asker.solver.asked;
        let whole = test.expect.iter().all(|expect| !unjudged.contains(&expect.span));
        if whole && findings.is_empty() {
            report.passed += 1;
        } else {
            report.failed += 1;
        }
        report.findings.extend(findings);
    }
    report
}

struct Runner<'r, 'a> {
    policy: &'r Policy<'a>,
    cells: &'r Cells,
    calendar: &'r Calendar,
    test: &'r PolicyTest,
    /// Where statements stand that are refused.
    unjudged: &'r BTreeSet<Span>,
}

/// Everything that an expectation depends on.
struct Relevant<'i> {
    acts: Vec<&'i Act>,
    /// Further conditions, such as the order of bounds.
    order: Vec<Formula>,
}

impl<'r> Runner<'r, '_> {
    fn ground(&self) -> &'r Ground<'r> {
        &self.policy.ground
    }

    fn run(&mut self, asker: &mut Asker<'_>) -> Vec<Diagnostic> {
        let at = match self.test.at.map(|at| self.calendar.instant(at)) {
            None => None,
            Some(Ok(at)) => Some(at),
            Some(Err(_)) => {
                let message = format!("test `{}` is given a time that the clock skips", self.test.name);
                return vec![Diagnostic::error(codes::IMPOSSIBLE_GIVEN, self.test.span, message)];
            }
        };
        let (from, to) = self.calendar.valid();
        if let Some(at) = at
            && !(from..to).contains(&at)
        {
            let message = format!("test `{}` is given an instant outside `valid`", self.test.name);
            return vec![Diagnostic::error(codes::IMPOSSIBLE_GIVEN, self.test.span, message)];
        }
        let given = self.given();
        if let Some(finding) = self.impossible(asker, &given, at) {
            return vec![finding];
        }
        let judged = self.test.expect.iter().filter(|expect| !self.unjudged.contains(&expect.span));
        judged.filter_map(|expect| self.expectation(asker, expect, &given, at)).collect()
    }

    /// What is given, as formulas.
    fn given(&self) -> Vec<(Formula, Span)> {
        let site = self.ground().site;
        let world = World::new(site, self.calendar);
        let mut all = Vec::new();
        let known = |signal, member| {
            let reading = site.signal(signal).is_some_and(|s| s.reading.is_some());
            if reading { Formula::Bit(Bit::Known(signal, member)) } else { Formula::TRUE }
        };
        for given in &self.test.given {
            let sign = |bit: Bit, value: bool| {
                if value { Formula::Bit(bit) } else { Formula::Bit(bit).negate() }
            };
            let formula = match &given.what {
                GivenWhat::Latch(latch, value) => sign(Bit::Latch(*latch), *value),
                GivenWhat::Held(held, value) => sign(Bit::Held(*held), *value),
                GivenWhat::LastKnown(rule, member, value) => sign(Bit::LastKnown(*rule, *member), *value),
                GivenWhat::Known(of, value) => match world.resolve(of, None) {
                    Some((signal, member)) if *value => known(signal, member),
                    Some((signal, member)) => known(signal, member).negate(),
                    None => Formula::FALSE,
                },
                GivenWhat::Between(of, lo, hi) => match world.resolve(of, None) {
                    None => Formula::FALSE,
                    Some((signal, member)) => {
                        let num = Linear::num(Num::Signal(signal, member));
                        Formula::all([
                            Formula::at_most(&Linear::constant(lo.clone()), &num),
                            Formula::at_most(&num, &Linear::constant(hi.clone())),
                            known(signal, member),
                        ])
                    }
                },
                GivenWhat::Signal(of, value) => match world.resolve(of, None) {
                    None => Formula::FALSE,
                    Some((signal, member)) => {
                        let is = match value {
                            Value::Number(value) => {
                                let num = Linear::num(Num::Signal(signal, member));
                                Formula::zero(num.minus(&Linear::constant(value.clone())))
                            }
                            Value::Bool(value) => sign(Bit::Truth(signal, member), *value),
                            Value::Symbol(symbol) => Formula::Bit(Bit::Symbol(signal, member, *symbol)),
                        };
                        // a value that is given was read
                        Formula::all([is, known(signal, member)])
                    }
                },
            };
            all.push((formula, given.span));
        }
        all
    }

    /// The instant, as a condition on the atoms that a question reads.
    fn now(&self, prepared: &Prepared, at: Option<Instant>) -> Formula {
        let Some(at) = at else { return Formula::TRUE };
        Formula::all(prepared.moments.atoms.iter().map(|atom| {
            let pieces = self.ground().atoms.pieces(*atom);
            let holds = pieces.iter().any(|(a, b)| (*a..*b).contains(&at.0));
            let bit = Formula::Bit(Bit::Atom(*atom));
            if holds { bit } else { bit.negate() }
        }))
    }

    /// A `given` that no environment satisfies, with the part that it contradicts.
    fn impossible(
        &self,
        asker: &mut Asker<'_>,
        given: &[(Formula, Span)],
        at: Option<Instant>,
    ) -> Option<Diagnostic> {
        let formulas: Vec<Formula> = given.iter().map(|(formula, _)| formula.clone()).collect();
        let prepared = asker.prepare(&formulas);
        let now = self.now(&prepared, at);
        let mut fixed = prepared.literals.clone();
        fixed.push(asker.solver.literal(&now));
        let removable: Vec<_> = formulas.iter().map(|f| asker.solver.literal(f)).collect();
        let mut all = fixed.clone();
        all.extend(removable.iter().copied());
        match asker.solver.ask(&all) {
            Answer::Sat => return None,
            Answer::Unknown => return Some(open(self.test.span, "whether this `given` is possible")),
            Answer::Unsat => {}
        }
        let core = asker.solver.core(&fixed, &removable);
        let mut spans: Vec<_> = given
            .iter()
            .zip(&removable)
            .filter(|(_, literal)| core.contains(literal))
            .map(|((_, span), _)| *span)
            .collect();
        spans.dedup();
        let first = spans.first().copied().unwrap_or(self.test.span);
        let message = format!("test `{}` is given a situation that cannot be", self.test.name);
        let mut finding = Diagnostic::error(codes::IMPOSSIBLE_GIVEN, first, message)
            .says("no environment has this")
            .help("give values inside the declared ranges, ties and assumptions");
        for span in spans.iter().skip(1) {
            finding = finding.label(*span, "together with this");
        }
        let ground = self.ground();
        let mut read = Footprint::default();
        given.iter().zip(&removable).filter(|(_, l)| core.contains(l)).for_each(|((f, _), _)| read.add(f));
        for words in told(ground.site, &read) {
            finding = finding.because(words);
        }
        for part in &prepared.parts {
            let part = ground.environment.parts.get(*part);
            if let Some(super::encode::PartKind::Assumption(index)) = part.map(|p| p.kind)
                && let Some(assumption) = ground.site.assumptions.get(index)
            {
                finding = finding.rests_on(assumption.span, assumed(&assumption.text));
            }
        }
        Some(finding)
    }

    fn expectation(
        &self,
        asker: &mut Asker<'_>,
        expect: &Expect,
        given: &[(Formula, Span)],
        at: Option<Instant>,
    ) -> Option<Diagnostic> {
        let relevant = self.relevant(&expect.what);
        let mut conditions: Vec<Formula> = relevant.acts.iter().map(|act| act.acts()).collect();
        if let ExpectWhat::Active(rule, _) = &expect.what {
            conditions.extend(self.active(*rule));
        }
        conditions.extend(relevant.order.iter().cloned());
        conditions.retain(|f| !matches!(f, Formula::Const(_)));
        conditions.sort();
        conditions.dedup();
        let facts: Vec<Formula> = given.iter().map(|(formula, _)| formula.clone()).collect();
        let mut all = conditions.clone();
        all.extend(facts.iter().cloned());
        let prepared = asker.prepare(&all);
        let now = self.now(&prepared, at);
        let mut statements = facts.clone();
        statements.push(now);
        let mut assumed = prepared.literals.clone();
        for statement in &statements {
            assumed.push(asker.solver.literal(statement));
        }
        let gave_up = || Some(open(expect.span, &format!("whether `{}` always holds", expect.text)));
        if !prepared.complete {
            return gave_up();
        }
        let Some(patterns) = asker.solver.enumerate(&conditions, &assumed, MAX_PATTERNS) else {
            return gave_up();
        };
        for pattern in patterns {
            let chosen: Vec<Formula> = conditions
                .iter()
                .zip(&pattern)
                .map(|(f, holds)| if *holds { f.clone() } else { f.clone().negate() })
                .collect();
            let Some(environment) = self.some_environment(asker, &prepared, &assumed, &chosen, at) else {
                return gave_up();
            };
            if self.holds(expect, &environment, &self.ground().evaluator.evaluate(&environment)) {
                continue;
            }
            let mut failing = statements.clone();
            failing.extend(chosen);
            return Some(self.failure(asker, expect, &failing, at));
        }
        None
    }

    fn some_environment(
        &self,
        asker: &mut Asker<'_>,
        prepared: &Prepared,
        assumed: &[super::smt::Literal],
        chosen: &[Formula],
        at: Option<Instant>,
    ) -> Option<Environment> {
        asker.enter();
        let mut with = assumed.to_vec();
        for formula in chosen {
            with.push(asker.solver.literal(formula));
        }
        let footprint = &prepared.footprint;
        let assignment = asker.solver.assignment(&with, &footprint.nums, &footprint.bits);
        asker.leave();
        let assignment = assignment?;
        let now = match at {
            Some(at) => at,
            None => {
                let holds = |atom: &u32| assignment.bits.get(&Bit::Atom(*atom)).copied().unwrap_or(false);
                let wanted: Vec<bool> = prepared.moments.atoms.iter().map(holds).collect();
                prepared.moments.groups.iter().find(|group| group.holds == wanted)?.at
            }
        };
        let situation = Situation { at: now, nums: assignment.nums, bits: assignment.bits };
        Some(self.environment(&situation))
    }

    /// The evaluator's environment, with everything that is given.
    fn environment(&self, situation: &Situation) -> Environment {
        let site = self.ground().site;
        let mut environment = replay::environment(site, situation);
        for given in &self.test.given {
            match &given.what {
                GivenWhat::Signal(of, value) => {
                    environment.values.insert(of.clone(), Reading::Known(value.clone()));
                }
                GivenWhat::Known(of, false) => {
                    environment.values.insert(of.clone(), Reading::Unknown);
                }
                GivenWhat::Latch(latch, true) => {
                    environment.latches.insert(*latch);
                }
                GivenWhat::Held(held, true) => {
                    environment.held.insert(*held);
                }
                GivenWhat::LastKnown(rule, member, value) => {
                    environment.last_known.insert(Instance { rule: *rule, member: *member }, *value);
                }
                // the situation has a value in the range
                GivenWhat::Between(..)
                | GivenWhat::Known(_, true)
                | GivenWhat::Latch(_, false)
                | GivenWhat::Held(_, false) => {}
            }
        }
        environment
    }

    fn failure(
        &self,
        asker: &mut Asker<'_>,
        expect: &Expect,
        statements: &[Formula],
        at: Option<Instant>,
    ) -> Diagnostic {
        let ground = self.ground();
        let Some(mut situation) = witness::least(asker, statements, &[]) else {
            return open(expect.span, &format!("the situation in which `{}` fails", expect.text));
        };
        situation.at = at.unwrap_or(situation.at);
        let environment = self.environment(&situation);
        let decision = ground.evaluator.evaluate(&environment);
        if self.holds(expect, &environment, &decision) {
            return mismatch(ground, expect.span, codes::TEST_FAILS, &situation);
        }
        let story = witness::story(ground.site, self.calendar, &situation, &own_signals(statements));
        let active: Vec<String> = decision
            .active
            .iter()
            .filter_map(|instance| ground.site.rule(instance.rule))
            .map(|rule| format!("`{}`", rule.name))
            .collect();
        let active = if active.is_empty() { "no rule is".to_owned() } else { active.join(", ") };
        Diagnostic::error(codes::TEST_FAILS, expect.span, format!("test `{}` fails", self.test.name))
            .says(format!("`{}` does not hold", expect.text))
            .label(self.test.span, "in this test")
            .because(format!("active there: {active}"))
            .help("what a test does not give keeps all its values: give more, or mend the policy")
            .witness(story, "")
    }

    /// When any instance of the rule is active.
    fn active(&self, rule: RuleId) -> Vec<Formula> {
        let instances = &self.policy.index.instances;
        instances.iter().filter(|((of, _), _)| *of == rule).map(|(_, i)| i.active.clone()).collect()
    }

    fn relevant(&self, what: &ExpectWhat) -> Relevant<'r> {
        let index = &self.policy.index;
        let mut extra: Vec<Linear> = Vec::new();
        let subjects: Option<BTreeSet<Subject>> = match what {
            ExpectWhat::Within { target, attr, lo, hi, .. } => {
                extra.extend(lo.iter().chain(hi.iter()).map(|v| Linear::constant(v.clone())));
                Some(self.subjects(target, Some(attr)).into_iter().collect())
            }
            ExpectWhat::Switch(target, _) | ExpectWhat::Connect(target, _) => {
                Some(self.subjects(target, None).into_iter().collect())
            }
            ExpectWhat::Conflict(rules) => Some(of_rules(index, rules)),
            ExpectWhat::Overridden(rule) => Some(of_rules(index, &[*rule])),
            ExpectWhat::NoConflict => None,
            ExpectWhat::Active(..) => Some(BTreeSet::new()),
        };
        let wanted = self.with_neighbours(subjects);
        let mut acts: Vec<&Act> = Vec::new();
        let mut order = Vec::new();
        for dossier in &index.dossiers {
            if wanted.as_ref().is_none_or(|wanted| wanted.contains(&dossier.subject)) {
                acts.extend(dossier.acts.iter());
                order.extend(orders(&dossier.acts, &dossier.body, &extra));
            }
        }
        for total in &index.totals {
            let is = |(d, _): &(Device, u32)| {
                wanted.as_ref().is_none_or(|wanted| wanted.contains(&Subject::Device(*d)))
            };
            if total.members.iter().any(is) {
                acts.extend(total.acts.iter());
            }
        }
        Relevant { acts, order }
    }

    /// Devices that share a total or a zone with those wanted; `None`: all.
    fn with_neighbours(&self, subjects: Option<BTreeSet<Subject>>) -> Option<BTreeSet<Subject>> {
        Some(linked(self.ground().site, &self.policy.index, subjects?))
    }

    /// What a target means: the first members of its cells, or a zone.
    fn subjects(&self, target: &Target, attr: Option<&Attr>) -> Vec<Subject> {
        let site = self.ground().site;
        if let Target::Zone(zone) = target {
            return vec![Subject::Zone(*zone)];
        }
        self.cells
            .of_ranges(&site.target_members(target))
            .into_iter()
            .map(|(device, _)| match site.family(device.family).map(|f| &f.model) {
                Some(Model::Control { zone: Some(zone) }) if attr == Some(&Attr::Setpoint) => {
                    Subject::Zone(*zone)
                }
                _ => Subject::Device(device),
            })
            .collect()
    }

    fn set(&self, decision: &Decision, subject: Subject) -> Option<DeviceSet> {
        let site = self.ground().site;
        match subject {
            Subject::Device(device) => decision.device(site, device),
            Subject::Zone(zone) => decision.zone(site, zone),
        }
    }

    /// Whether an expectation holds in a decision.
    fn holds(&self, expect: &Expect, environment: &Environment, decision: &Decision) -> bool {
        let every = |target: &Target, attr: Option<&Attr>, test: &dyn Fn(&DeviceSet) -> bool| {
            let subjects = self.subjects(target, attr);
            !subjects.is_empty()
                && subjects.iter().all(|subject| self.set(decision, *subject).is_some_and(|set| test(&set)))
        };
        let clashes = || decision.conflicts.iter().filter(|conflict| conflict.clash != Clash::BeyondDevice);
        match &expect.what {
            ExpectWhat::Within { target, attr, lo, hi, share: Share::Each } => {
                every(target, Some(attr), &|set| {
                    let hull = set.number(attr).and_then(|set| set.hull());
                    hull.is_some_and(|(least, most)| inside(&least, &most, lo.as_ref(), hi.as_ref()))
                })
            }
            ExpectWhat::Within { target, attr, lo, hi, share: Share::Together } => {
                self.total_within(decision, target, attr, lo.as_ref(), hi.as_ref())
            }
            ExpectWhat::Switch(target, on) => every(target, None, &|set| set.on.decided() == Some(*on)),
            ExpectWhat::Connect(target, connected) => {
                every(target, None, &|set| set.connected.decided() == Some(*connected))
            }
            ExpectWhat::Conflict(rules) => {
                let wanted: BTreeSet<RuleId> = rules.iter().copied().collect();
                // one rule alone may ask what its device cannot do
                let listed = decision.conflicts.iter().any(|conflict| {
                    let of: BTreeSet<RuleId> = conflict.effects.iter().map(|e| e.instance.rule).collect();
                    of == wanted
                });
                let of = |rule: &RuleId| {
                    let rule = *rule;
                    move |effect: EffectRef| effect.instance.rule == rule
                };
                listed
                    || matches!((wanted.first(), wanted.last()), (Some(a), Some(b)) if wanted.len() == 2
                        && self.ground().evaluator.clashes(environment, &of(a), &of(b)))
            }
            ExpectWhat::NoConflict => clashes().next().is_none(),
            ExpectWhat::Overridden(rule) => {
                decision.overridden().iter().any(|effect| effect.instance.rule == *rule)
            }
            ExpectWhat::Active(rule, active) => decision.is_active(*rule) == *active,
        }
    }

    fn total_within(
        &self,
        decision: &Decision,
        target: &Target,
        attr: &Attr,
        lo: Option<&Rat>,
        hi: Option<&Rat>,
    ) -> bool {
        let site = self.ground().site;
        let members = site.target_members(target);
        let (mut least, mut most) = (Rat::ZERO, Rat::ZERO);
        for (device, count) in self.cells.of_ranges(&members) {
            let hull =
                decision.device(site, device).and_then(|set| set.number(attr)).and_then(|set| set.hull());
            let Some((a, b)) = hull else { return false };
            let count = Rat::int(i64::from(count));
            least += &(&a * &count);
            most += &(&b * &count);
        }
        for total in decision.totals_in_force() {
            if total.averaged_s.is_none() && total.attr == *attr && total.members == members {
                if let Some(bound) = &total.lo {
                    least = Rat::max_of(&least, bound);
                }
                if let Some(bound) = &total.hi {
                    most = Rat::min_of(&most, bound);
                }
            }
        }
        inside(&least, &most, lo, hi)
    }
}

fn inside(least: &Rat, most: &Rat, lo: Option<&Rat>, hi: Option<&Rat>) -> bool {
    lo.is_none_or(|lo| lo <= least) && hi.is_none_or(|hi| most <= hi)
}

/// What the rules act on.
fn of_rules(index: &Index, rules: &[RuleId]) -> BTreeSet<Subject> {
    let of = |acts: &[Act]| acts.iter().any(|act| rules.contains(&act.rule));
    let devices = index.dossiers.iter().filter(|d| of(&d.acts)).map(|d| d.subject);
    let totals = index.totals.iter().filter(|t| of(&t.acts)).flat_map(|t| &t.members);
    devices.chain(totals.map(|(device, _)| Subject::Device(*device))).collect()
}

/// How bounds that are not constant lie to all other ends on the same number.
fn orders(acts: &[Act], body: &super::shape::Body, extra: &[Linear]) -> Vec<Formula> {
    let mut ends: BTreeMap<Attr, Vec<Linear>> = BTreeMap::new();
    for act in acts {
        let shape = match &act.ask {
            Ask::Shape(shape) | Ask::Total(shape) => shape,
            Ask::Origins { .. } | Ask::Follow(..) => continue,
        };
        for (attr, intervals) in &shape.numbers {
            let list = ends.entry(attr.clone()).or_default();
            list.extend(intervals.iter().flat_map(|i| i.lo.iter().chain(i.hi.iter()).cloned()));
        }
    }
    let mut order = Vec::new();
    for (attr, mut ends) in ends {
        let constants = body.ends(&attr).into_iter().map(Linear::constant);
        ends.extend(constants.chain(extra.iter().cloned()));
        ends.sort();
        ends.dedup();
        for (i, a) in ends.iter().enumerate() {
            for b in ends.iter().skip(i + 1) {
                if a.as_constant().is_none() || b.as_constant().is_none() {
                    order.push(Formula::less(a, b));
                    order.push(Formula::less(b, a));
                }
            }
        }
    }
    order
}
