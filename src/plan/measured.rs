//! Decided quantities that guards read: states at a step's beginning, flows of the same step
//! (planner.md 7).

use super::prepare::Known;
use crate::eval::{Environment, Reading};
use crate::ir::{Attr, Device, Family, Model, SigRef, SignalSource, Site, Value, ZoneId};
use crate::quantity::Rat;

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
        SignalSource::ZoneState(zone, Attr::Temperature) => Some(Read::Temperature(*zone)),
        _ => None,
    }
}

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
pub(super) fn fill(known: &Known<'_>, t: usize, env: &mut Environment) {
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
                None => available(known, &reference, t),
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
