//! Decided quantities that guards read: states at a step's beginning, flows of the same step
//! (planner.md 7).

use std::collections::BTreeMap;

use super::prepare::Known;
use crate::bundle::thermal_decay;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::eval::{Decision, Environment, Note, Reading};
use crate::ir::{Attr, Device, Family, Model, RuleId, SigRef, SignalSource, Site, Value, Zone, ZoneId};
use crate::quantity::Rat;

/// No step may rest on an amount that nobody knows: neither on the strictest one in its place, nor on
/// none.
///
/// # Errors
/// EVL1005 at each effect whose bound reads what neither state nor inputs give, with the first step.
pub(super) fn refuse_lost(known: &Known<'_>, decisions: &[Decision]) -> Result<(), Diagnostics> {
    let mut lost: BTreeMap<(RuleId, u32), usize> = BTreeMap::new();
    for (t, decision) in decisions.iter().enumerate() {
        for note in &decision.notes {
            if let Note::LostBound { effect, .. } = note {
                lost.entry((effect.instance.rule, effect.index)).or_insert(t);
            }
        }
    }
    let mut findings = Diagnostics::new();
    for ((rule, index), t) in lost {
        let Some(rule) = known.site.rule(rule) else { continue };
        let effect = rule.effects.iter().find(|effect| effect.index == index);
        let (span, text) = effect.map_or((rule.span, ""), |effect| (effect.span, effect.text.as_str()));
        let at = known.steps.get(t).map_or(known.from(), |step| step.start);
        findings.push(
            Diagnostic::error(
                codes::MISSING_INPUT,
                span,
                format!(
                    "rule `{}` asks `{text}`, and nobody knows the amount at {}",
                    rule.name,
                    known.calendar.show(at)
                ),
            )
            .because("a plan never rests on a bound that is unknown")
            .help("give what it reads in the state or in a feed that covers the horizon, or declare its `normal`"),
        );
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// A quantity that the plan decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Read {
    /// Charge level of a store at the step's beginning, 0..1.
    Level(Device),
    /// Temperature of a zone at the step's beginning, K.
    Temperature(ZoneId),
    /// Power of a device in the step, kW.
    Flow(Device, Attr),
    /// Whether any power flows at a device in the step.
    On(Device),
}

/// What a signal reads of what the plan decides; `None` for everything else.
pub(super) fn read(site: &Site, signal: &SigRef) -> Option<Read> {
    let (id, index) = match signal {
        SigRef::Only(id) => (*id, 1),
        SigRef::Member(id, index) => (*id, *index),
        SigRef::Bound(_) => return None,
    };
    match &site.signal(id)?.source {
        SignalSource::Measured(family, attr) => {
            let device = Device { family: *family, index };
            of(site.family(*family)?, attr).then(|| match attr {
                Attr::ChargeLevel => Read::Level(device),
                Attr::On => Read::On(device),
                other => Read::Flow(device, other.clone()),
            })
        }
        SignalSource::ZoneState(zone, Attr::Temperature) if is_moved(site, *zone) => {
            Some(Read::Temperature(*zone))
        }
        _ => None,
    }
}

/// Whether anything heats or cools a zone.
pub(super) fn is_moved(site: &Site, zone: ZoneId) -> bool {
    let moves =
        |f: &Family| matches!(&f.model, Model::Consumer(c) if c.heats == Some(zone) || c.cools == Some(zone));
    site.families.iter().any(moves)
}

/// Zones that nothing heats or cools and whose temperature something reads.
pub(super) fn drifting(site: &Site) -> impl Iterator<Item = &Zone> {
    (site.signals.iter()).filter_map(move |signal| match &signal.source {
        SignalSource::ZoneState(zone, Attr::Temperature) if !is_moved(site, *zone) => site.zone(*zone),
        _ => None,
    })
}

/// Temperatures of zones that no decision moves, K at the beginning of each step.
pub(super) type Drifts = BTreeMap<ZoneId, Vec<Rat>>;

/// Where zones drift that nothing heats or cools: `T' = a T + (1 - a)(T_out + gains / UA)`, and what they
/// gain stays in them where nothing is lost (planner.md 5).
pub(super) fn drifts(known: &Known<'_>) -> Drifts {
    let mut found = Drifts::new();
    for zone in drifting(known.site) {
        let Ok(mut now) = known.state.temperature(known.site, zone.id) else { continue };
        let mean = |signal: Option<crate::ir::SignalId>, t: usize| {
            signal.and_then(|id| known.on.mean(&SigRef::Only(id), t)).cloned().unwrap_or_default()
        };
        let mut series = Vec::with_capacity(known.steps.len());
        for (t, step) in known.steps.iter().enumerate() {
            series.push(now.clone());
            let gains = mean(zone.gains, t);
            let next = match gains.checked_div(&zone.heat_loss) {
                Some(warmer) => {
                    let keeps = thermal_decay(&zone.heat_loss, &zone.heat_capacity, step.seconds());
                    let rest = mean(zone.outdoor, t) + warmer;
                    &keeps * &now + (Rat::ONE - &keeps) * rest
                }
                None => now + (gains * step.hours()).checked_div(&zone.heat_capacity).unwrap_or_default(),
            };
            now = next.rounded(DIGITS);
        }
        found.insert(zone.id, series);
    }
    found
}

/// Decimals of a temperature that are carried from step to step.
const DIGITS: u32 = 12;

/// Whether the plan decides this attribute of a family.
fn of(family: &Family, attr: &Attr) -> bool {
    match (&family.model, attr) {
        (Model::Control { .. } | Model::Slot { .. }, _) => false,
        (Model::Store(_), Attr::ChargeLevel | Attr::Charge | Attr::Discharge)
        | (Model::Grid { .. }, Attr::Import | Attr::Export)
        | (_, Attr::Power | Attr::On) => true,
        _ => false,
    }
}

/// Puts in what is known at the beginning of step `t` of quantities that are measured: states at the
/// plan's beginning, what producers could give, and what the state says of the rest. What the plan
/// decides is left open.
pub(super) fn fill(known: &Known<'_>, drifts: &Drifts, t: usize, env: &mut Environment) {
    let site = known.site;
    for signal in &site.signals {
        let family = match &signal.source {
            SignalSource::Measured(family, _) => site.family(*family),
            SignalSource::ZoneState(..) => None,
            _ => continue,
        };
        let references = match signal.count {
            Some(_) => (1..=family.map_or(0, Family::len)).map(|i| SigRef::Member(signal.id, i)).collect(),
            None => vec![SigRef::Only(signal.id)],
        };
        for reference in references {
            let value = match read(site, &reference) {
                Some(Read::Level(device)) if t == 0 => level(known, device),
                Some(Read::Temperature(zone)) if t == 0 => {
                    known.state.temperature(site, zone).ok().map(Value::Number)
                }
                Some(_) => continue,
                None => available(known, &reference, t).or_else(|| drifted(drifts, &signal.source, t)),
            };
            let value = value.or_else(|| known.state.signal(site, &reference).flatten());
            env.values.insert(reference, value.map_or(Reading::Unknown, Reading::Known));
        }
    }
}

fn level(known: &Known<'_>, device: Device) -> Option<Value> {
    let Model::Store(store) = &known.site.family(device.family)?.model else { return None };
    let content = known.state.level(known.site, device).ok()?;
    content.checked_div(&store.capacity).map(Value::Number)
}

fn drifted(drifts: &Drifts, source: &SignalSource, t: usize) -> Option<Value> {
    let SignalSource::ZoneState(zone, Attr::Temperature) = source else { return None };
    drifts.get(zone)?.get(t).cloned().map(Value::Number)
}

/// What a producer could give in a step.
fn available(known: &Known<'_>, signal: &SigRef, t: usize) -> Option<Value> {
    let (SigRef::Only(id) | SigRef::Member(id, _)) = signal else { return None };
    let SignalSource::Measured(family, Attr::Available) = known.site.signal(*id)?.source else { return None };
    let Model::Renewable { rated, output, .. } = &known.site.family(family)?.model else { return None };
    let given = match (output, signal) {
        (None, _) => return Some(Value::Number(rated.clone())),
        (Some(output), SigRef::Member(_, index)) => {
            let member = known.on.mean(&SigRef::Member(*output, *index), t);
            member.or_else(|| known.on.mean(&SigRef::Only(*output), t))?
        }
        (Some(output), _) => known.on.mean(&SigRef::Only(*output), t)?,
    };
    Some(Value::Number(Rat::max_of(&Rat::ZERO, &Rat::min_of(given, rated))))
}
