//! EVL0401: a rule whose guard no possible environment makes true.
//!
//! Asked once for each distinct guard: is the guard together with everything that it is tied to
//! unsatisfiable? With `for each`, of one member of each cell; the rule is dead if all are.
//!
//! A rule that counts as active where a reading is lost is never dead in that sense, and would still never
//! act on what its sensor shows: of each alternative of its guard that reads anything it is asked as well
//! whether readings that are known make it true.

use std::collections::BTreeMap;

use super::{open, rests_on_assumptions};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::{Footprint, Instance};
use crate::analysis::formula::{Bit, Formula};
use crate::analysis::index::Index;
use crate::analysis::smt::Answer;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Rule, RuleId};

/// Asks the question of the rules at these places.
pub(crate) fn ask(
    ground: &Ground,
    index: &Index,
    places: std::ops::Range<usize>,
    asker: &mut Asker,
) -> Vec<Diagnostic> {
    let mut rules: BTreeMap<RuleId, Vec<&Instance>> = BTreeMap::new();
    let (from, to) = (RuleId::at(places.start), RuleId::at(places.end));
    for ((rule, _), instance) in index.instances.range((from, None)..(to, None)) {
        rules.entry(*rule).or_default().push(instance);
    }
    let mut known: BTreeMap<&Formula, Answer> = BTreeMap::new();
    let mut findings = Vec::new();
    for (rule, instances) in rules {
        let Some(rule) = ground.site.rule(rule) else { continue };
        let active: Vec<&Formula> = instances.iter().map(|instance| &instance.active).collect();
        let finding = match any(&active, &mut known, asker) {
            Answer::Sat => unshown(ground, rule, &instances, &mut known, asker),
            Answer::Unknown => {
                Some(open(rule.when_span, &format!("whether `{}` can ever be active", rule.name)))
            }
            Answer::Unsat => {
                let finding = Diagnostic::warning(
                    codes::DEAD_RULE,
                    rule.when_span,
                    format!("`{}` can never act", rule.name),
                )
                .says("no possible situation makes this true")
                .help("compare the guard with the declared ranges and schedules, or remove the rule");
                let guards: Vec<Formula> = active.into_iter().cloned().collect();
                Some(rests_on_assumptions(ground, finding, &guards))
            }
        };
        findings.extend(finding);
    }
    findings
}

/// Whether any of these is possible.
fn any<'f>(formulas: &[&'f Formula], known: &mut BTreeMap<&'f Formula, Answer>, asker: &mut Asker) -> Answer {
    let mut verdict = Answer::Unsat;
    for &formula in formulas {
        let answer = *known.entry(formula).or_insert_with(|| asker.together(std::slice::from_ref(formula)));
        match answer {
            Answer::Sat => return Answer::Sat,
            Answer::Unknown => verdict = Answer::Unknown,
            Answer::Unsat => {}
        }
    }
    verdict
}

/// A rule that acts where a reading is lost, and never on what one shows.
fn unshown<'f>(
    ground: &Ground,
    rule: &Rule,
    instances: &[&'f Instance],
    known: &mut BTreeMap<&'f Formula, Answer>,
    asker: &mut Asker,
) -> Option<Diagnostic> {
    let parts = instances.iter().map(|instance| instance.shown.len()).max().unwrap_or(0);
    let mut dead: Vec<&Formula> = Vec::new();
    for part in 0..parts {
        let shown: Vec<&Formula> = instances.iter().filter_map(|instance| instance.shown.get(part)).collect();
        match any(&shown, known, asker) {
            Answer::Unsat if shown.iter().any(|shown| reads(shown)) => dead.extend(shown),
            Answer::Sat | Answer::Unsat => {}
            Answer::Unknown => {
                let about = format!("whether what is read can ever make `{}` act", rule.name);
                return Some(open(rule.when_span, &about));
            }
        }
    }
    if dead.is_empty() {
        return None;
    }
    let (message, says) = if parts == 1 {
        ("acts only when a reading is lost", "nothing that is read makes this true")
    } else {
        ("never acts on some of what it reads", "nothing that is read makes one of these true")
    };
    let finding =
        Diagnostic::warning(codes::DEAD_RULE, rule.when_span, format!("`{}` {message}", rule.name))
            .says(says)
            .because("a reading beyond its declared range counts as the end of that range")
            .help("compare the guard with the range that the device `reads`: it must reach what the sensor can show");
    let dead: Vec<Formula> = dead.into_iter().cloned().collect();
    Some(rests_on_assumptions(ground, finding, &dead))
}

/// Whether a formula is about something that can be lost.
fn reads(formula: &Formula) -> bool {
    Footprint::of(formula).bits.iter().any(|bit| matches!(bit, Bit::Known(..)))
}
