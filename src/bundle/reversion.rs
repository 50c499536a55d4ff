//! Where a device goes when nobody commands it: the policy's declaration against its profile.

use super::profile::{LapsesTo, LeaseKind, Level, Profile};
use crate::ir::{Attr, Control, FailSafeBy, Family, Model};
use crate::quantity::{Rat, Type, show};

/// What the policy declares of a commanded device and its profile does not keep, in words that follow
/// the device's name. `fail_safe .. by none` promises nothing, so every profile keeps it.
#[must_use]
pub fn disagreement(family: &Family, profile: &Profile) -> Option<String> {
    let declared = family.fail_safe.as_ref().filter(|_| family.control == Control::Command)?;
    let way = |by: FailSafeBy| match by {
        FailSafeBy::Reversion => (LeaseKind::Reversion, "reversion"),
        FailSafeBy::Watchdog => (LeaseKind::Watchdog, "watchdog"),
        FailSafeBy::Heartbeat => (LeaseKind::Heartbeat, "heartbeat"),
        FailSafeBy::None => (LeaseKind::None, "none"),
    };
    let (kind, by) = way(declared.by);
    if declared.by == FailSafeBy::None {
        return None;
    }
    let name = &profile.profile;
    if profile.lease.kind != kind {
        let does = match profile.lease.kind {
            LeaseKind::None => "has no lease: its last command stands",
            LeaseKind::Reversion => "goes there by reversion",
            LeaseKind::Watchdog => "goes there by watchdog",
            LeaseKind::Heartbeat => "goes there by heartbeat",
        };
        return Some(format!("is declared to reach its fail-safe value by {by}, and a `{name}` {does}"));
    }
    // a device with a fail-safe register is told the declared value; one without goes where it goes
    if profile.lease.to == LapsesTo::FailSafe {
        return None;
    }
    let whole = || family.hull(&Attr::Power).or_else(|| family.hull(&Attr::Discharge)).map(|(_, most)| most);
    let goes = match &profile.fail_safe.as_ref()?.power {
        Level::Power(power) => power.value.clone(),
        Level::Rated => whole()?,
    };
    let said = declared.at.as_ref().map_or(Rat::ZERO, |(_, value)| value.clone());
    // of a producer that follows sun or wind only the upper end is promised
    let keeps = match family.model {
        Model::Renewable { .. } => said >= goes,
        _ => said == goes,
    };
    let kw = |value: &Rat| show(value, Type::Power, "");
    (!keeps).then(|| {
        format!("is declared to fall back to {}, and a `{name}` falls back to {}", kw(&said), kw(&goes))
    })
}
