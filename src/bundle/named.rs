//! Statements as documents name them.

use super::plan::StatementRef;
use crate::diag::Span;
use crate::ir::{Site, Statement};

/// Name, text and place of a statement of a policy.
#[must_use]
pub fn facts(site: &Site, statement: Statement) -> (String, String, Span) {
    let nothing = (String::new(), String::new(), site.span);
    match statement {
        Statement::Effect(rule, index) => site.rule(rule).map_or(nothing, |r| {
            let effect = r.effects.iter().find(|e| e.index == index);
            let (text, span) = effect.map_or((String::new(), r.span), |e| (e.text.clone(), e.span));
            (r.name.clone(), text, span)
        }),
        Statement::Budget(id) => {
            site.budgets.get(id.index()).map_or(nothing, |b| (b.name.clone(), b.text.clone(), b.span))
        }
        Statement::Comfort(id) => site.zone(id).map_or(nothing, |z| {
            let span = z.comfort.first().map_or(z.span, |b| b.span);
            (z.name.clone(), format!("comfort of {}", z.name), span)
        }),
        Statement::Device(id) => {
            site.family(id).map_or(nothing, |f| (f.name.clone(), format!("{} as declared", f.name), f.span))
        }
        Statement::Bus(id) => site
            .buses
            .get(id.index())
            .map_or(nothing, |b| (b.name.clone(), format!("limit of {}", b.name), b.span)),
        Statement::Link(id) => site
            .links
            .get(id.index())
            .map_or(nothing, |l| (l.name.clone(), format!("capacity of {}", l.name), l.span)),
        Statement::Tariff(id) => site
            .tariffs
            .get(id.index())
            .map_or(nothing, |t| (t.name.clone(), format!("tariff {}", t.name), t.span)),
    }
}

/// Every statement that a document can name.
pub fn statements(site: &Site) -> impl Iterator<Item = Statement> + '_ {
    let effects = site.rules.iter().flat_map(|r| r.effects.iter().map(|e| Statement::Effect(r.id, e.index)));
    effects
        .chain(site.budgets.iter().map(|budget| Statement::Budget(budget.id)))
        .chain(site.zones.iter().map(|zone| Statement::Comfort(zone.id)))
        .chain(site.families.iter().map(|family| Statement::Device(family.id)))
        .chain(site.buses.iter().map(|bus| Statement::Bus(bus.id)))
        .chain(site.links.iter().map(|link| Statement::Link(link.id)))
        .chain(site.tariffs.iter().map(|tariff| Statement::Tariff(tariff.id)))
}

impl StatementRef {
    /// A statement of a policy.
    #[must_use]
    pub fn of(site: &Site, statement: Statement) -> Self {
        let (name, text, span) = facts(site, statement);
        Self { statement, name, text, at: site.place(span) }
    }
}
