//! Effects that a higher class leaves no room for: those that the evaluator finds, and no others.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::effect;
use super::miss::{Miss, Misses};
use super::rules::{members_name, unit_name};
use crate::bundle::{Breach, Override, PlanDocument, StatementRef};
use crate::eval::{Decision, EffectRef, Status};
use crate::ir::{ClassId, Site, Statement};

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

/// What gives way to the classes above it in the plan as a whole (planner.md 15): what was owed, is not
/// met, and could be but for them and what else its own class owes. Of these no single one is to blame: which
/// would have to go for it is a choice, so that `by` names none.
pub(super) fn in_the_plan(breaches: &[Breach], gave_way: &BTreeSet<(Statement, u32)>) -> Vec<Override> {
    let overridden = |breach: &&Breach| {
        let mut ways = gave_way.iter().filter(|(statement, _)| *statement == breach.statement.statement);
        ways.any(|(_, step)| (breach.first..=breach.last).contains(step))
    };
    let one = |breach: &Breach| Override {
        statement: breach.statement.clone(),
        class: breach.class.clone(),
        by: Vec::new(),
        of: breach.of.clone(),
        first: breach.first,
        last: breach.last,
    };
    breaches.iter().filter(overridden).map(one).collect()
}

/// The plan lists these overrides, each once; those of the `whole` plan are breaches too, and a plan
/// that lists them so says enough.
pub(super) fn compare(right: &[Override], whole: &[Override], plan: &PlanDocument, out: &mut Misses) {
    let mut missing: Vec<&Override> = right.iter().collect();
    let mut whole: Vec<&Override> = whole.iter().collect();
    for said in &plan.overrides {
        if let Some(place) = whole.iter().position(|right| *right == said) {
            whole.remove(place);
            continue;
        }
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
    let by = || said.by.iter().map(|by| format!("`{}`", by.name)).collect::<Vec<_>>().join(", ");
    format!(
        "`{}` of class `{}` is overridden on `{}` by {} from step {} to {}",
        said.statement.name,
        said.class,
        said.of,
        said.by_the_whole().unwrap_or_else(by),
        said.first,
        said.last
    )
}
