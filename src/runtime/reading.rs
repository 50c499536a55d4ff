//! What rules read, as it is now: the environment made of what devices show, of what the plan was
//! given, and of what the host remembers (semantics.md 3, 4).
//!
//! What devices read counts only as the devices show it now: an older value from a plan's state is
//! stale. Weather, prices and calls stand in the plan for its step; without a plan that may be
//! trusted they have their fallback or normal value, or are lost.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant as Moment;

use super::probe::{Probed, Ready, Subject};
use crate::bundle::profile::Direction;
use crate::bundle::signal_name;
use crate::calendar::Instant;
use crate::diag::codes;
use crate::eval::{Environment, Reading};
use crate::inputs::{OnSteps, Reads};
use crate::ir::{
    Attr, Device, Domain, FamilyId, FeedOrigin, Role, SigRef, Signal, SignalSource, Site, Value, ZoneId,
};
use crate::quantity::Rat;

/// A reading that is lost: stale or bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// the signal, as documents call it
    pub signal: String,
    /// why, in words that follow it
    pub why: String,
    /// the gateway that does not answer, where that is why
    pub gateway: Option<String>,
}

/// The devices that these readings are of.
#[must_use]
pub fn readers(site: &Site, reads: &Reads) -> BTreeSet<Device> {
    let mut devices = BTreeSet::new();
    for reference in reads.readings.iter().chain(&reads.decided) {
        let (SigRef::Only(id) | SigRef::Member(id, _)) = reference else { continue };
        match site.signal(*id).map(|signal| &signal.source) {
            Some(SignalSource::Sensor(family, _) | SignalSource::Measured(family, _)) => {
                devices.insert(Device { family: *family, index: index(reference) });
            }
            Some(SignalSource::ZoneState(zone, _)) => devices.extend(thermostats(site, *zone)),
            _ => {}
        }
    }
    devices
}

const fn index(reference: &SigRef) -> u32 {
    match reference {
        SigRef::Member(_, index) => *index,
        SigRef::Only(_) | SigRef::Bound(_) => 1,
    }
}

/// The thermostats of a zone.
pub(super) fn thermostats(site: &Site, zone: ZoneId) -> impl Iterator<Item = Device> + '_ {
    let families = site.zone(zone).map(|zone| zone.thermostats.as_slice()).unwrap_or_default();
    families.iter().filter_map(|family| site.family(*family)).flat_map(|family| family.all().devices())
}

/// The devices that hold the setpoint of a zone: the one that its machine follows, else its
/// thermostats.
pub(super) fn holders(site: &Site, zone: ZoneId) -> Vec<Device> {
    match site.steered().into_iter().find(|steered| steered.zone == zone) {
        Some(steered) => vec![Device { family: steered.holder, index: 1 }],
        None => thermostats(site, zone).collect(),
    }
}

/// Everything that readings come from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// the policy
    pub site: &'a Site,
    /// the devices of this host
    pub subjects: &'a [Subject],
    /// what they showed
    pub probed: &'a Probed,
    /// what an accepted plan was given, and its present step
    pub given: Option<(&'a OnSteps, usize)>,
}

impl Sources<'_> {
    /// The environment at an instant, without memory, and what of `reads` is lost in it.
    #[must_use]
    pub fn environment(&self, reads: &Reads, at: Instant) -> (Environment, Vec<Loss>) {
        let given: BTreeMap<&SigRef, Option<&Value>> =
            self.given.map(|(given, step)| given.readings(step).collect()).unwrap_or_default();
        let (mut env, mut lost) = (Environment::new(at), Vec::new());
        for reference in reads.readings.iter().chain(&reads.decided) {
            let (SigRef::Only(id) | SigRef::Member(id, _)) = reference else { continue };
            let Some(signal) = self.site.signal(*id) else { continue };
            let value = match &signal.source {
                SignalSource::Sensor(family, point) => {
                    self.shown(*family, reference, signal, &Attr::Point(point.clone()))
                }
                SignalSource::Measured(family, attr) => self.shown(*family, reference, signal, attr),
                SignalSource::ZoneState(zone, attr) => self.of_zone(*zone, signal, attr),
                _ => match given.get(reference) {
                    Some(value) => value.cloned().ok_or_else(|| "the plan does not know it".to_owned()),
                    None => self.standing(signal).ok_or_else(|| "nothing gives it a value".to_owned()),
                },
            };
            let reading = match value {
                Ok(value) => Reading::Known(value),
                Err(why) => {
                    let gateway = self.silent(&signal.source, reference, &why);
                    lost.push(Loss {
                        signal: signal_name(self.site, reference).unwrap_or_default(),
                        why,
                        gateway,
                    });
                    Reading::Unknown
                }
            };
            env.values.insert(reference.clone(), reading);
        }
        (env, lost)
    }

    /// The gateway whose silence is why a reading is lost.
    fn silent(&self, source: &SignalSource, reference: &SigRef, why: &str) -> Option<String> {
        let devices: Vec<Device> = match source {
            SignalSource::Sensor(family, _) | SignalSource::Measured(family, _) => {
                vec![Device { family: *family, index: index(reference) }]
            }
            SignalSource::ZoneState(zone, _) => thermostats(self.site, *zone).collect(),
            _ => Vec::new(),
        };
        let mut subjects = self.subjects.iter().filter(|subject| devices.contains(&subject.device));
        let dead = |subject: &&Subject| match self.probed.get(&subject.name) {
            Some(Err(excluded)) => excluded.code == codes::DEAD_GATEWAY && excluded.reason == why,
            _ => false,
        };
        subjects.find(dead).map(|subject| subject.gateway.clone())
    }

    /// What a signal is where nothing else is known: its feed's fallback, or what is normal.
    fn standing(&self, signal: &Signal) -> Option<Value> {
        let feed = signal.feed.and_then(|id| self.site.feeds.get(id.index()));
        let fallback = match feed.map(|feed| &feed.origin) {
            Some(FeedOrigin::Live { fallback, .. }) => fallback.clone(),
            _ => None,
        };
        fallback.or_else(|| signal.normal.clone())
    }

    fn of_zone(&self, zone: ZoneId, signal: &Signal, attr: &Attr) -> Result<Value, String> {
        let mut why = "no thermostat measures it".to_owned();
        for device in thermostats(self.site, zone) {
            match self.device(device, signal, attr) {
                Ok(value) => return Ok(value),
                Err(words) => why = words,
            }
        }
        Err(why)
    }

    fn shown(
        &self,
        family: FamilyId,
        reference: &SigRef,
        signal: &Signal,
        attr: &Attr,
    ) -> Result<Value, String> {
        self.device(Device { family, index: index(reference) }, signal, attr)
    }

    fn device(&self, device: Device, signal: &Signal, attr: &Attr) -> Result<Value, String> {
        let name = self.site.device_name(device);
        let subject = self.subjects.iter().find(|subject| subject.device == device).ok_or_else(|| {
            format!("no inventory entry of this host with a profile says where `{name}` is")
        })?;
        let ready = match self.probed.get(&subject.name) {
            Some(Ok(ready)) => ready,
            Some(Err(excluded)) => return Err(excluded.reason.clone()),
            None => return Err(format!("`{name}` was not asked")),
        };
        let most = signal.reading.as_ref().and_then(|reading| reading.max_age_s.as_ref());
        let age = Rat::int(
            i64::try_from(Moment::now().duration_since(ready.read_at).as_millis()).unwrap_or(i64::MAX),
        );
        if let Some(most) = most.filter(|most| age > *most * &Rat::int(1000)) {
            return Err(format!("its reading is older than {} s", most.to_decimal(3)));
        }
        measured(subject, ready, signal, attr)
            .ok_or_else(|| format!("`{name}` does not show its `{}`", attr.name()))
    }
}

/// What a device shows of an attribute; `None`: it has no such point, or does not implement it.
fn measured(subject: &Subject, ready: &Ready, signal: &Signal, attr: &Attr) -> Option<Value> {
    match attr {
        Attr::On => return ready.found.on.map(Value::Bool),
        Attr::Connected => return ready.found.connected.map(Value::Bool),
        Attr::Power | Attr::Charge | Attr::Discharge | Attr::Import | Attr::Export => {
            return power(subject, ready, attr).map(Value::Number);
        }
        _ => {}
    }
    let measure = subject.profile.measures.get(attr.name())?;
    let raw = *ready.raws.get(&measure.point)?;
    match &signal.domain {
        Domain::Interval { .. } => {
            subject.profile.value_of(&measure.point, raw, &ready.context).ok().map(Value::Number)
        }
        Domain::Bool => Some(Value::Bool(raw != 0)),
        // a register shows the place of the word in the declared list
        Domain::Symbols(words) => {
            u32::try_from(raw).ok().filter(|at| (*at as usize) < words.len()).map(Value::Symbol)
        }
    }
}

/// A power in the direction of an attribute, kW.
fn power(subject: &Subject, ready: &Ready, attr: &Attr) -> Option<Rat> {
    let measure = subject.profile.measures.get("power")?;
    let raw = *ready.raws.get(&measure.point)?;
    let shown = subject.profile.value_of(&measure.point, raw, &ready.context).ok()?;
    let gives = if measure.direction == Some(Direction::Consume) { -&shown } else { shown };
    let above_zero = |power: &Rat| Rat::max_of(power, &Rat::ZERO);
    Some(match attr {
        Attr::Charge | Attr::Export => above_zero(&-&gives),
        Attr::Discharge | Attr::Import => above_zero(&gives),
        _ if subject.family.role == Role::Consumer => above_zero(&-&gives),
        _ => gives,
    })
}
