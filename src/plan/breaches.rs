//! What a plan does not meet in full, for the document.

use std::collections::BTreeMap;

use super::document::Facts;
use super::model::Part;
use super::scene::Owner;
use super::words;
use crate::bundle::Breach;
use crate::ir::{Attr, EffectKind, Site, Statement};
use crate::quantity::Rat;
use crate::verify::Trajectory;

/// Amounts below this are none.
const NOTHING: f64 = 1e-6;

/// Every breach of the optimum, as runs of steps.
pub(super) fn of(facts: &Facts<'_, '_, '_, '_>, _trajectory: &Trajectory) -> Vec<Breach> {
    let solved = facts.solved;
    let scene = solved.model.scene;
    let site = scene.site;
    let at = |col: super::solver::Col| solved.climb.x.get(col.index()).copied().unwrap_or(0.0);
    let mut by: BTreeMap<Owner, BTreeMap<Option<usize>, f64>> = BTreeMap::new();
    // the pace of a budget is a wish of the planner's own, not a statement that anybody wrote
    let stated =
        |b: &&super::model::Breach| !(b.preference && matches!(b.owner.statement, Statement::Budget(_)));
    for breach in solved.model.breaches.iter().filter(stated) {
        let amount = at(breach.col);
        if amount > NOTHING {
            let hours = breach.step.map_or(1.0, |t| scene.hours(t));
            *by.entry(breach.owner).or_default().entry(breach.step).or_default() += amount * hours;
        }
    }
    let mut found = Vec::new();
    for (owner, amounts) in by {
        let steps: Vec<usize> = amounts.keys().filter_map(|t| *t).collect();
        let last = u32::try_from(scene.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let runs = if steps.is_empty() { vec![(0, last)] } else { words::runs(&steps) };
        for (first, last) in runs {
            let amount: f64 = (amounts.iter())
                .filter(|(t, _)| t.is_none_or(|t| (first as usize..=last as usize).contains(&t)))
                .map(|(_, a)| a)
                .sum();
            found.push(Breach {
                statement: words::statement(site, owner.statement),
                class: owner.class.and_then(|c| site.class(c)).map(|c| c.name.clone()).unwrap_or_default(),
                of: of_what(site, owner.statement),
                first,
                last,
                amount: Rat::from_f64_snapped(amount, 9).unwrap_or_default(),
                unit: unit(site, owner.statement).to_owned(),
                money: None,
            });
        }
    }
    let priced: f64 = (solved.model.money.iter())
        .filter(|(part, ..)| *part == Part::Breach)
        .map(|(_, col, price)| at(*col) * price)
        .sum();
    if priced > NOTHING {
        found.extend(priced_breaches(facts));
    }
    found
}

/// Shed needs and priced preferences.
fn priced_breaches(facts: &Facts<'_, '_, '_, '_>) -> Vec<Breach> {
    let solved = facts.solved;
    let scene = solved.model.scene;
    let site = scene.site;
    let mut found = Vec::new();
    let last = u32::try_from(scene.len().saturating_sub(1)).unwrap_or(u32::MAX);
    for (owner, step, col, price) in &solved.model.priced {
        let x = solved.climb.x.get(col.index()).copied().unwrap_or(0.0);
        if x <= NOTHING {
            continue;
        }
        let hours = step.map_or(1.0, |t| scene.hours(t));
        let place = step.map_or((0, last), |t| {
            let t = u32::try_from(t).unwrap_or(u32::MAX);
            (t, t)
        });
        found.push(Breach {
            statement: words::statement(site, owner.statement),
            class: owner.class.and_then(|c| site.class(c)).map(|c| c.name.clone()).unwrap_or_default(),
            of: of_what(site, owner.statement),
            first: place.0,
            last: place.1,
            amount: Rat::from_f64_snapped(x * hours, 9).unwrap_or_default(),
            unit: unit(site, owner.statement).to_owned(),
            money: Rat::from_f64_snapped(x * price, 9),
        });
    }
    found
}

/// The device, zone or group of a statement.
fn of_what(site: &Site, statement: Statement) -> String {
    match statement {
        Statement::Effect(rule, index) => {
            let effect = site.rule(rule).and_then(|r| r.effects.iter().find(|e| e.index == index));
            match effect.map(|e| &e.target) {
                Some(crate::ir::Target::Group(g)) => {
                    site.group(*g).map(|g| g.name.clone()).unwrap_or_default()
                }
                Some(crate::ir::Target::Zone(z)) => site.zone(*z).map(|z| z.name.clone()).unwrap_or_default(),
                Some(crate::ir::Target::Members(m)) => {
                    m.first().and_then(|r| site.family(r.family)).map(|f| f.name.clone()).unwrap_or_default()
                }
                _ => String::new(),
            }
        }
        other => words::facts(site, other).0,
    }
}

/// Unit of a breach's amount.
fn unit(site: &Site, statement: Statement) -> &'static str {
    match statement {
        Statement::Comfort(_) => "K h",
        Statement::Budget(id) => match site.budgets.get(id.index()).map(|b| b.quantity) {
            Some(crate::ir::BudgetQuantity::Emissions) => "kg",
            Some(crate::ir::BudgetQuantity::Cost) => "currency",
            _ => "kWh",
        },
        Statement::Effect(rule, index) => {
            let effect = site.rule(rule).and_then(|r| r.effects.iter().find(|e| e.index == index));
            match effect.map(|e| &e.kind) {
                Some(EffectKind::Bound { attr: Attr::Temperature | Attr::Setpoint, .. }) => "K h",
                Some(EffectKind::Run { .. }) => "h",
                Some(EffectKind::Bound { attr: Attr::ChargeLevel, .. }) => "h",
                _ => "kWh",
            }
        }
        _ => "kWh",
    }
}
