//! EVL0401: a rule whose guard no possible environment makes true.
//!
//! Asked once for each distinct guard: is the guard together with everything that it is tied to
//! unsatisfiable? With `for each`, of one member of each cell; the rule is dead if all are.

use std::collections::BTreeMap;

use super::{open, rests_on_assumptions};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::formula::Formula;
use crate::analysis::index::Index;
use crate::analysis::smt::Answer;
use crate::diag::{Diagnostic, codes};
use crate::ir::RuleId;

/// Asks the question of the rules at these places.
pub(crate) fn ask(
    ground: &Ground,
    index: &Index,
    places: std::ops::Range<usize>,
    asker: &mut Asker,
) -> Vec<Diagnostic> {
    let mut rules: BTreeMap<RuleId, Vec<&Formula>> = BTreeMap::new();
    let (from, to) = (RuleId::at(places.start), RuleId::at(places.end));
    for ((rule, _), instance) in index.instances.range((from, None)..(to, None)) {
        rules.entry(*rule).or_default().push(&instance.active);
    }
    let mut known: BTreeMap<&Formula, Answer> = BTreeMap::new();
    let mut findings = Vec::new();
    for (rule, instances) in rules {
        let Some(rule) = ground.site.rule(rule) else { continue };
        let mut verdict = Answer::Unsat;
        for active in &instances {
            let answer =
                *known.entry(active).or_insert_with(|| asker.together(std::slice::from_ref(*active)));
            match answer {
                Answer::Sat => verdict = Answer::Sat,
                Answer::Unknown if verdict == Answer::Unsat => verdict = Answer::Unknown,
                _ => {}
            }
            if verdict == Answer::Sat {
                break;
            }
        }
        match verdict {
            Answer::Sat => {}
            Answer::Unknown => {
                findings.push(open(rule.when_span, &format!("whether `{}` can ever be active", rule.name)));
            }
            Answer::Unsat => {
                let finding = Diagnostic::warning(
                    codes::DEAD_RULE,
                    rule.when_span,
                    format!("`{}` can never act", rule.name),
                )
                .says("no possible situation makes this true")
                .help("compare the guard with the declared ranges and schedules, or remove the rule");
                let guards: Vec<Formula> = instances.into_iter().cloned().collect();
                findings.push(rests_on_assumptions(ground, finding, &guards));
            }
        }
    }
    findings
}
