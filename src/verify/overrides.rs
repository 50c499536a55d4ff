//! Effects that a higher class leaves no room for: those that the evaluator finds, and no others.

use std::collections::BTreeMap;

use super::ledger::effect;
use super::miss::{Miss, Misses};
use super::rules::{members_name, unit_name};
use crate::bundle::{Override, PlanDocument, StatementRef};
use crate::eval::{Decision, EffectRef, Status};
use crate::ir::{ClassId, Site};

/// An effect on something, with its class.
type Key = (EffectRef, String, ClassId);

/// Every overridden effect as runs of steps in which the same stands in its way.
pub(super) fn of(site: &Site, decisions: &[Decision]) -> Vec<Override> {
    let mut found: BTreeMap<Key, Vec<(usize, Vec<EffectRef>)>> = BTreeMap::new();
    for (step, decision) in decisions.iter().enumerate() {
        let mut add = |by: EffectRef, of: String, class: ClassId, against: &[EffectRef]| {
            found.entry((by, of, class)).or_default().push((step, against.to_vec()));
        };
        for outcome in &decision.outcomes {
            if let Status::Overridden { by } = &outcome.status {
                add(outcome.effect, unit_name(site, outcome.unit), outcome.class, by);
            }
        }
        for total in &decision.totals {
            if let Status::Overridden { by } = &total.status {
                add(total.effect, members_name(site, &total.members), total.class, by);
            }
        }
        for (effect, unit, by) in &decision.displaced {
            let class = site.rule(effect.instance.rule).map_or(crate::ir::SAFETY, |rule| rule.class);
            add(*effect, unit_name(site, *unit), class, by);
        }
    }
    let stated = |by: &EffectRef| StatementRef::of(site, effect(*by));
    let mut list: Vec<Override> = Vec::new();
    for ((by, of, class), steps) in found {
        let begin = list.len();
        for (step, against) in steps {
            let step = u32::try_from(step).unwrap_or(u32::MAX);
            let against: Vec<StatementRef> = against.iter().map(stated).collect();
            match list.get_mut(begin..).and_then(<[Override]>::last_mut) {
                Some(run) if run.last.checked_add(1) == Some(step) && run.by == against => run.last = step,
                // two of one rule's instances are one
                Some(run) if run.last == step && run.by == against => {}
                _ => list.push(Override {
                    statement: stated(&by),
                    class: site.class(class).map(|c| c.name.clone()).unwrap_or_default(),
                    by: against,
                    of: of.clone(),
                    first: step,
                    last: step,
                }),
            }
        }
    }
    list
}

/// The plan lists these overrides, each once.
pub(super) fn compare(right: &[Override], plan: &PlanDocument, out: &mut Misses) {
    let mut missing: Vec<&Override> = right.iter().collect();
    for said in &plan.overrides {
        match missing.iter().position(|right| *right == said) {
            Some(place) => {
                missing.remove(place);
            }
            None => {
                let message = format!("the plan says that {}, and it is not so", words(said));
                out.push("override", Miss::said(&said.of, message));
            }
        }
    }
    for right in missing {
        out.push("overridden", Miss::said(&right.of, format!("the plan does not say that {}", words(right))));
    }
}

fn words(said: &Override) -> String {
    let by: Vec<String> = said.by.iter().map(|by| format!("`{}`", by.name)).collect();
    format!(
        "`{}` of class `{}` is overridden on `{}` by {} from step {} to {}",
        said.statement.name,
        said.class,
        said.of,
        by.join(", "),
        said.first,
        said.last
    )
}
