//! Why a value is what it is: the statements whose limits it meets, or the price.

use std::collections::BTreeMap;

use super::document::Facts;
use super::goals::Kind;
use super::solver::Col;
use super::words;
use crate::bundle::{Reason, StatementRef, because};
use crate::ir::{Attr, Device, Model, Statement};

/// A limit that moves the money by less than this for one unit does not decide.
const BINDING: f64 = 1e-7;

/// A statement with the least and the greatest that it allows.
type Asked = (Statement, f64, f64);

/// Reasons of every commanded attribute, as runs of steps with the same reason.
pub(super) fn of(facts: &Facts<'_, '_, '_, '_>) -> Vec<Reason> {
    let solved = facts.solved;
    let model = &solved.model;
    let site = facts.known.site;
    let mut limits: BTreeMap<Col, Vec<Statement>> = BTreeMap::new();
    for (col, owner) in &model.limits {
        limits.entry(*col).or_default().push(owner.statement);
    }
    let mut asked: BTreeMap<(&super::scene::What, usize), Vec<Asked>> = BTreeMap::new();
    for ask in &model.scene.asks {
        asked.entry((&ask.what, ask.step)).or_default().push((ask.owner.statement, ask.lo, ask.hi));
    }
    let reduced = solved.level(Kind::Money).map(|l| l.reduced.as_slice()).unwrap_or_default();
    let mut found = Vec::new();
    let steered = &model.scene.steered;
    for command in facts.commands {
        let Some(device) = model.units.get(command.unit).and_then(|u| u.members.first()).copied() else {
            continue;
        };
        let Some(family) = site.family(device.family) else { continue };
        let follow = (command.attr == Attr::Setpoint)
            .then(|| steered.iter().find(|steered| steered.moves(device.family)))
            .flatten();
        let zone = follow.and_then(|steered| site.zone(steered.zone));
        let devices = match follow {
            Some(steered) => steered.machines().map(|family| Device { family, index: 1 }).collect(),
            None => vec![device],
        };
        let attr = match command.attr {
            Attr::On | Attr::Setpoint => Attr::Power,
            ref attr => attr.clone(),
        };
        let what = match zone {
            Some(zone) => super::scene::What::Zone(zone.id),
            None => super::scene::What::Device(device, attr.clone()),
        };
        let name = zone.map_or_else(|| site.device_name(device), |zone| zone.name.clone());
        let mut runs: Vec<Reason> = Vec::new();
        for t in 0..model.scene.len() {
            let powers: Vec<_> = devices.iter().filter_map(|d| model.attr(*d, &attr, t)).collect();
            if powers.is_empty() {
                continue;
            }
            let value: f64 = powers.iter().map(|power| power.value(&solved.climb.x)).sum();
            // a setpoint is asked for by what is asked of its zone
            let state = zone.and_then(|zone| model.temperatures.get(&zone.id)?.get(t));
            let asked_of = state.map_or(value, |state| state.value(&solved.climb.x));
            let mut statements: Vec<Statement> = Vec::new();
            for (statement, lo, hi) in asked.get(&(&what, t)).into_iter().flatten() {
                if (asked_of - lo).abs() < 1e-6 || (asked_of - hi).abs() < 1e-6 {
                    statements.push(*statement);
                }
            }
            for (col, _) in powers
                .iter()
                .flat_map(|power| &power.terms)
                .chain(state.into_iter().flat_map(|state| &state.terms))
            {
                let binds = reduced.get(col.index()).is_some_and(|r| r.abs() > BINDING);
                if binds {
                    statements.extend(limits.get(col).into_iter().flatten().copied());
                }
            }
            let followed = super::follow::at(model, &solved.climb.x, device, t);
            statements.extend(followed.map(|follow| follow.owner.statement));
            for due in model.scene.dues.iter().filter(|d| d.device == device && d.steps.contains(&t)) {
                if value > 1e-6 {
                    statements.push(due.owner.statement);
                }
            }
            statements.sort_unstable();
            statements.dedup();
            let named: Vec<StatementRef> = statements.iter().map(|s| words::statement(site, *s)).collect();
            let text = match named.as_slice() {
                [] => sentence(facts, family, device, &attr, t, value),
                named => because::decides(named),
            };
            let step = u32::try_from(t).unwrap_or(u32::MAX);
            match runs.last_mut() {
                Some(last)
                    if last.text == text
                        && last.statements.iter().map(|s| s.statement).eq(statements.iter().copied()) =>
                {
                    last.last = step;
                }
                _ => runs.push(Reason {
                    device: name.clone(),
                    attr: command.attr.clone(),
                    first: step,
                    last: step,
                    statements: named,
                    text,
                }),
            }
        }
        found.extend(runs);
    }
    found
}

/// Why, where no statement decides.
fn sentence(
    facts: &Facts<'_, '_, '_, '_>,
    family: &crate::ir::Family,
    device: crate::ir::Device,
    attr: &Attr,
    t: usize,
    value: f64,
) -> String {
    let model = &facts.solved.model;
    if model.scene.resting.contains_key(&device) {
        return because::rests(family).to_owned();
    }
    if let Model::Renewable { .. } = &family.model {
        let column = model.attr(device, attr, t).and_then(|a| a.column());
        let available = column.map_or(value, |c| model.program.bounds(c).1);
        return if value >= available - 1e-6 { because::USED } else { because::COSTLY }.to_owned();
    }
    let price = model.scene.prices.values().next().and_then(|p| p.import.get(t).copied());
    let currency = &facts.known.site.currency;
    let first = facts.known.site.objective.first();
    let says = if value.abs() < 1e-6 { because::idle } else { because::cheapest };
    says(first, price, currency)
}
