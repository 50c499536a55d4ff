//! Decided quantities that guards read: known at the plan's beginning, open afterwards.

use std::collections::BTreeMap;

use super::prepare::Known;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::eval::{Activation, Environment, Evaluator};
use crate::ir::{Attr, Device, SigRef, SignalSource, Value, ZoneId};

/// What the state says of decided quantities.
pub(super) fn at_start(known: &Known<'_>) -> BTreeMap<SigRef, Value> {
    let site = known.site;
    let mut found = BTreeMap::new();
    for signal in &site.signals {
        match &signal.source {
            SignalSource::Measured(family, attr) => {
                let members = site.family(*family).map_or(0, crate::ir::Family::len);
                for index in 1..=members {
                    let device = Device { family: *family, index };
                    let reference = if signal.count.is_some() {
                        SigRef::Member(signal.id, index)
                    } else {
                        SigRef::Only(signal.id)
                    };
                    let given = known.state.signal(site, &reference).flatten();
                    if let Some(value) = given.or_else(|| of_device(known, device, attr)) {
                        found.insert(reference, value);
                    }
                }
            }
            SignalSource::ZoneState(zone, attr) => {
                let reference = SigRef::Only(signal.id);
                let given = known.state.signal(site, &reference).flatten();
                if let Some(value) = given.or_else(|| of_zone(known, *zone, attr)) {
                    found.insert(reference, value);
                }
            }
            _ => {}
        }
    }
    found
}

fn of_device(known: &Known<'_>, device: Device, attr: &Attr) -> Option<Value> {
    match attr {
        Attr::ChargeLevel => {
            let crate::ir::Model::Store(store) = &known.site.family(device.family)?.model else {
                return None;
            };
            let content = known.state.level(known.site, device).ok()?;
            content.checked_div(&store.capacity).map(Value::Number)
        }
        Attr::On => known.state.switched(known.site, device).ok().map(|s| Value::Bool(s.on)),
        _ => known.state.command(known.site, device, attr).map(Value::Number),
    }
}

fn of_zone(known: &Known<'_>, zone: ZoneId, attr: &Attr) -> Option<Value> {
    match attr {
        Attr::Temperature => known.state.temperature(known.site, zone).ok().map(Value::Number),
        _ => None,
    }
}

/// Rules whose guard a decided quantity leaves open.
///
/// # Errors
/// EVL1001 at each such guard.
pub(super) fn refuse_open(
    known: &Known<'_>,
    evaluator: &Evaluator<'_>,
    env: &Environment,
) -> Result<(), Diagnostics> {
    let mut findings = Diagnostics::new();
    for rule in &known.site.rules {
        let members: Vec<Option<Device>> = match rule.for_each.and_then(|g| known.site.group(g)) {
            Some(group) => group.devices().map(Some).collect(),
            None => vec![None],
        };
        for member in members {
            if let Activation::Depends(_) = evaluator.activation(rule.id, member, env) {
                findings.push(
                    Diagnostic::error(
                        codes::NOT_PLANNED_YET,
                        rule.when_span,
                        "understood, not planned yet: a guard on a quantity that the plan itself decides",
                    )
                    .because(format!("whether rule `{}` holds depends on what is planned", rule.name)),
                );
                break;
            }
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}
