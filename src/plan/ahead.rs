//! What budgets certainly have to bear after the plan (planner.md 12): what deliveries and runs of
//! their class and of those above it ask in their period and cannot be given after it.
//!
//! Only what is certain counts: obligations whose guards depend on the clock alone, with amounts that
//! no signal changes, and none at chargers for vehicles that are still to come. Consumption is theirs;
//! import, emissions and cost follow from it only where one grid is all that gives energy, and nothing
//! that gives may be proven of export.

use std::collections::BTreeMap;

use super::prepare::{Known, mandatory};
use super::scene::{Ahead, Scene};
use super::steps;
use crate::calendar::Instant;
use crate::eval::{Activation, Asked, EffectRef, Environment, Evaluator, Instance};
use crate::ir::{
    Attr, Budget, BudgetQuantity, Device, EffectKind, Model, Price, Rule, Site, Statement, Target,
};
use crate::quantity::Rat;

/// A window after the plan: whose, on which device, kWh that its period has to bear.
type Later = (Statement, Device, f64);

/// Takes it off what is left of the budgets.
pub(super) fn add(known: &Known<'_>, scene: &mut Scene<'_>) {
    let (from, until) = (known.from(), known.until());
    let mut place = 0;
    for budget in &known.site.budgets {
        for (_, end) in steps::periods(known.calendar, budget.per, from, until) {
            if end > until {
                one(known, scene, budget, (place, end));
            }
            place += 1;
        }
    }
}

fn one(known: &Known<'_>, scene: &mut Scene<'_>, budget: &Budget, (place, end): (usize, Instant)) {
    let until = known.until();
    let Some(factor) = factor(known.site, budget) else { return };
    let own = scene.allowances.get(place).and_then(|a| scene.groups.get(a.group)).cloned();
    let consumers = match budget.quantity {
        BudgetQuantity::Consumption => own.unwrap_or_default(),
        _ => consumers(known.site),
    };
    let mut by: BTreeMap<Device, BTreeMap<Statement, Part>> = BTreeMap::new();
    for (statement, device, energy) in later(known, budget, end) {
        by.entry(device).or_default().entry(statement).or_default().0 += energy;
    }
    for open in scene.open.iter().filter(|o| o.owner.class.is_some_and(|class| class <= budget.class)) {
        let energy = open.energy - after(known.site, open.device, (end, open.closes));
        if energy > 0.0 {
            let part = by.entry(open.device).or_default().entry(open.owner.statement).or_default();
            part.1 = Some((energy, open.steps.clone()));
        }
    }
    let mut fixed = match budget.quantity {
        BudgetQuantity::Consumption => 0.0, // is counted already
        _ => factor * mandatory(known, &consumers, until, end),
    };
    for (device, parts) in by.into_iter().filter(|(device, _)| consumers.iter().any(|c| c.0 == *device)) {
        if parts.values().all(|part| part.1.is_none()) {
            fixed += factor * parts.values().map(|part| part.0).fold(0.0, f64::max);
        } else {
            let by = parts.into_values().collect();
            scene.ahead.push(Ahead { allowance: place, device, factor, by });
        }
    }
    if let Some(allowance) = scene.allowances.get_mut(place) {
        allowance.left -= fixed;
        allowance.pace = allowance.pace.map(|pace| pace.min(allowance.left));
    }
}

/// kWh of windows after the plan, and of the one that is open at its end with its steps.
type Part = (f64, Option<(f64, std::ops::Range<usize>)>);

/// kWh that a device can still take between a period's end and a window's.
fn after(site: &Site, device: Device, (end, closes): (Instant, Instant)) -> f64 {
    let most = site.family(device.family).and_then(|f| f.hull(&Attr::Power)).map_or(0.0, |p| p.1.to_f64());
    #[expect(clippy::cast_precision_loss, reason = "windows are far shorter than 2^53 s")]
    let hours = closes.since(end).max(0) as f64 / 3600.0;
    most * hours
}

/// Everything that can take energy.
fn consumers(site: &Site) -> Vec<(Device, Attr)> {
    let consumers = site.families.iter().filter(|family| matches!(family.model, Model::Consumer(_)));
    consumers.flat_map(|family| family.all().devices()).map(|device| (device, Attr::Power)).collect()
}

/// The least that a budget counts for each kWh that is taken; `None`: nothing is certain.
fn factor(site: &Site, budget: &Budget) -> Option<f64> {
    if budget.quantity == BudgetQuantity::Consumption {
        return Some(1.0);
    }
    let gives = |model: &Model| {
        matches!(
            model,
            Model::Grid { .. } | Model::Renewable { .. } | Model::Generator { .. } | Model::Store(_)
        )
    };
    let mut givers = site.families.iter().filter(|family| gives(&family.model));
    let (Some(only), None) = (givers.next(), givers.next()) else { return None };
    let Model::Grid { tariff, carbon, .. } = &only.model else { return None };
    let counted = budget.scope == Target::Site
        || site.target_members(&budget.scope).iter().any(|m| m.family == only.id);
    if only.len() != 1 || !counted {
        return None;
    }
    match budget.quantity {
        BudgetQuantity::Import => Some(1.0),
        BudgetQuantity::Emissions => carbon.as_ref().map(Rat::to_f64).filter(|kg| *kg > 0.0),
        BudgetQuantity::Cost => match &site.tariffs.get(tariff.as_ref()?.index())?.import {
            Price::Periods { periods, otherwise, .. } => {
                let least = periods.iter().map(|p| &p.price).chain(otherwise).min()?.to_f64();
                (least > 0.0).then_some(least)
            }
            Price::Feed(..) => None,
        },
        BudgetQuantity::Consumption | BudgetQuantity::Export => None,
    }
}

/// What windows that open after the plan certainly ask before a period's end.
fn later(known: &Known<'_>, budget: &Budget, end: Instant) -> Vec<Later> {
    let site = known.site;
    let evaluator = Evaluator::new(site, known.calendar);
    let mut found = Vec::new();
    for rule in site.rules.iter().filter(|rule| rule.class <= budget.class) {
        for effect in rule.effects.iter().filter(|effect| !effect.preferably) {
            let window = match &effect.kind {
                EffectKind::Deliver { energy, window } if energy.as_constant().is_some() => window,
                EffectKind::Run { window, .. } if rule.at_most_every_s.is_none() => window,
                _ => continue,
            };
            for (opens, closes) in known.calendar.obligation_windows(window, known.until(), end) {
                if opens < known.until() {
                    continue;
                }
                let env = Environment::new(opens);
                let decision = evaluator.evaluate(&env);
                for owed in decision.obligations.iter().filter(|owed| is(&owed.effect, rule, effect.index)) {
                    let Instance { rule: id, member } = owed.effect.instance;
                    if evaluator.activation(id, member, &env) != Activation::Active {
                        continue;
                    }
                    for device in owed.members.iter().flat_map(|range| range.devices()) {
                        let energy = asked(site, device, &owed.asked) - after(site, device, (end, closes));
                        if energy > 0.0 && !visited(site, device) {
                            found.push((Statement::Effect(rule.id, effect.index), device, energy));
                        }
                    }
                }
            }
        }
    }
    found
}

fn is(by: &EffectRef, rule: &Rule, index: u32) -> bool {
    by.instance.rule == rule.id && by.index == index
}

/// kWh that an obligation asks.
fn asked(site: &Site, device: Device, asked: &Asked) -> f64 {
    let most = site.family(device.family).and_then(|f| f.hull(&Attr::Power)).map_or(0.0, |p| p.1.to_f64());
    match asked {
        Asked::Deliver(energy) => energy.to_f64(),
        #[expect(clippy::cast_precision_loss, reason = "runs are far shorter than 2^53 s")]
        Asked::Run { for_s, .. } => *for_s as f64 / 3600.0 * most,
        _ => 0.0,
    }
}

/// Whether vehicles come and go at a device.
fn visited(site: &Site, device: Device) -> bool {
    let model = site.family(device.family).map(|family| &family.model);
    matches!(model, Some(Model::Consumer(consumer)) if consumer.sessions.is_some())
}
