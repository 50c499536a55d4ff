//! What breaks statements, beside what the plan says that it breaks.

use std::collections::BTreeSet;

use super::miss::{Miss, Misses};
use crate::bundle::PlanDocument;
use crate::diag::Span;
use crate::eval::EffectRef;
use crate::ir::{ClassId, SAFETY, Site, Statement};

/// A statement that does not hold in a step, by how much.
pub(super) struct Breached {
    pub(super) statement: Statement,
    pub(super) class: ClassId,
    pub(super) of: String,
    pub(super) step: usize,
    pub(super) words: String,
    /// A state that was outside at the plan's beginning and is on its way back.
    pub(super) initial: bool,
}

/// Compares what breaks statements with what the plan says it breaks.
pub(super) struct Ledger<'a> {
    pub(super) site: &'a Site,
    plan: &'a PlanDocument,
    /// Listed breaches that were found.
    met: BTreeSet<usize>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(site: &'a Site, plan: &'a PlanDocument) -> Self {
        Self { site, plan, met: BTreeSet::new() }
    }

    /// A statement that does not hold: a miss unless it is below the safety class and the plan says
    /// so.
    pub(super) fn breach(&mut self, found: Breached, out: &mut Misses) {
        let step = u32::try_from(found.step).unwrap_or(u32::MAX);
        let mut listed = false;
        for (place, breach) in self.plan.breaches.iter().enumerate() {
            if breach.statement.statement == found.statement && (breach.first..=breach.last).contains(&step) {
                self.met.insert(place);
                listed = true;
            }
        }
        if listed && (found.class != SAFETY || found.initial) {
            return;
        }
        let (name, text, span) = facts(self.site, found.statement);
        let stated = if text.is_empty() { format!("`{name}`") } else { format!("`{name}`: {text}") };
        let words = format!("{}, against {stated}", found.words);
        let key = if listed { "safety" } else { "rule" };
        out.push(key, Miss::at(found.step, found.of, words).by(found.statement, span).class(found.class));
    }

    /// Listed breaches that nobody finds are wrong as well.
    pub(super) fn close(&self, out: &mut Misses) {
        for (place, breach) in self.plan.breaches.iter().enumerate() {
            let wrong = match breach.statement.statement {
                // an end level has no class; preferences are wishes, whose amounts are money at most
                Statement::Effect(rule, index) => {
                    let effect = self.site.rule(rule).and_then(|r| r.effects.get(index as usize));
                    effect.is_none_or(|effect| !effect.preferably) && !self.met.contains(&place)
                }
                Statement::Budget(_) | Statement::Comfort(_) => !self.met.contains(&place),
                _ => breach.amount.is_negative(),
            };
            if wrong {
                let message =
                    format!("the plan says that it breaks `{}`, and it does not", breach.statement.name);
                out.push("listed", Miss::plan(&breach.of, message));
            }
        }
    }
}

/// Name, words and place of a statement.
pub(super) fn facts(site: &Site, statement: Statement) -> (String, String, Span) {
    let found = match statement {
        Statement::Effect(rule, index) => site.rule(rule).map(|r| {
            let effect = r.effects.get(index as usize);
            (
                r.name.clone(),
                effect.map_or(String::new(), |e| e.text.clone()),
                effect.map_or(r.span, |e| e.span),
            )
        }),
        Statement::Budget(id) => {
            site.budgets.get(id.index()).map(|b| (b.name.clone(), b.text.clone(), b.span))
        }
        Statement::Comfort(id) => site.zone(id).map(|z| (z.name.clone(), "its comfort".to_owned(), z.span)),
        Statement::Device(id) => site.family(id).map(|f| (f.name.clone(), String::new(), f.span)),
        Statement::Bus(id) => site.buses.get(id.index()).map(|b| (b.name.clone(), String::new(), b.span)),
        Statement::Link(id) => site.links.get(id.index()).map(|l| (l.name.clone(), String::new(), l.span)),
        Statement::Tariff(id) => {
            site.tariffs.get(id.index()).map(|t| (t.name.clone(), String::new(), t.span))
        }
    };
    found.unwrap_or_else(|| (String::new(), String::new(), site.span))
}

/// The statement of an effect.
pub(super) fn effect(effect: EffectRef) -> Statement {
    Statement::Effect(effect.instance.rule, effect.index)
}
