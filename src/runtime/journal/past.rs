//! What a host knows of what it did, line by line.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::{Asked, DeviceChange, Line, Outcome, Record, Standing};
use crate::bundle::Hash;
use crate::calendar::Instant;
use crate::runtime::memory::Memory;
use crate::runtime::noted::{Clamped, Notice};

/// For how long writes are counted, s.
const DAY: i64 = 86_400;

/// An apply that did not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// its plan
    pub plan: Hash,
    /// its step
    pub step: u32,
    /// since when
    pub since: Instant,
    /// by gateway, in writing order: what was about to be changed and is not known to be settled
    pub open: Vec<(String, Vec<DeviceChange>)>,
}

/// What the journal tells about this host. What is not known is left out where it is written, so that
/// lines of a version that knew less keep their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Past {
    /// last plan accepted: id, sequence
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<(Hash, u64)>,
    /// instant of the last record
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Instant>,
    /// an apply or a release that did not end
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// commands that stand, by device
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<String, Vec<Standing>>,
    /// instants of the last day's writes, by device and point
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<String, BTreeMap<String, Vec<Instant>>>,
    /// what the rules remember; `None`: nothing was ever recorded
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// end of the step that was written last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// devices that the last apply wrote and brought back, or left as another made them, and when
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub undone: BTreeMap<String, Instant>,
    /// devices of which the last writes are not known to be in effect or brought back, and since when
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, Instant>,
    /// what the step of the plan that was begun last asks, by device of this host
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, Asked>,
    /// devices that somebody has handed back since by name, and when
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub released: BTreeMap<String, Instant>,
    /// devices on which something stands although all were to be handed back, and since when
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unreleased: BTreeMap<String, Instant>,
    /// readings that were outside their declared ranges at the last look, and when that was
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamped: Option<(Instant, Vec<Clamped>)>,
    /// when each message of a rule was told last
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notified: BTreeMap<String, Instant>,
}

impl Past {
    /// Takes in one line. `site` is checked where it is not empty.
    pub(super) fn take(&mut self, line: &Line, site: &str) -> Result<(), String> {
        self.last = Some(self.last.map_or(line.at, |last| last.max(line.at)));
        let of_site = |name: &str| {
            if site.is_empty() || name == site {
                Ok(())
            } else {
                Err(format!("it belongs to the site `{name}`, not to `{site}`"))
            }
        };
        match &line.record {
            Record::Carried { site: name, past, .. } => {
                of_site(name)?;
                *self = (**past).clone();
            }
            Record::Begin { site: name, plan, sequence, step, until, asks } => {
                of_site(name)?;
                self.accepted = Some((plan.clone(), *sequence));
                self.until = Some(*until);
                self.asked.clone_from(asks);
                self.undone.clear();
                self.released.clear();
                self.unreleased.clear();
                // an apply that resumes another keeps what that one left open
                let open = self.unfinished.take().map(|left| left.open).unwrap_or_default();
                self.unfinished = Some(Unfinished { plan: plan.clone(), step: *step, since: line.at, open });
            }
            Record::Intent { gateway, devices } => {
                self.count(devices, line.at);
                if let Some(unfinished) = &mut self.unfinished {
                    unfinished.merge(gateway, devices);
                }
            }
            Record::Result { gateway, devices, held } => {
                if let Some(unfinished) = &mut self.unfinished {
                    unfinished.hold(gateway, held);
                }
                let settled = |name: &str| matches!(devices.get(name), Some(Outcome::Undone | Outcome::Left));
                if let Some(unfinished) = &mut self.unfinished {
                    for (_, changes) in unfinished.open.iter_mut().filter(|(name, _)| name == gateway) {
                        changes.retain(|change| !settled(&change.device));
                    }
                }
                self.doubt(devices, line.at);
                for (device, outcome) in devices {
                    if matches!(outcome, Outcome::Undone | Outcome::Left) {
                        self.undone.insert(device.clone(), line.at);
                    }
                    if matches!(outcome, Outcome::Failed | Outcome::Unknown | Outcome::Left) {
                        self.standing.remove(device);
                    }
                }
            }
            Record::Commit { gateway, standing } => {
                if let Some(unfinished) = &mut self.unfinished {
                    unfinished.open.retain(|(name, _)| name != gateway);
                }
                self.unknown.retain(|device, _| !standing.contains_key(device));
                self.standing.extend(standing.clone());
            }
            Record::Undo { .. } => {}
            Record::Safety { site: name, devices } => {
                of_site(name)?;
                self.count(devices, line.at);
                // until their result is recorded nobody knows
                for change in devices {
                    self.unknown.insert(change.device.clone(), line.at);
                }
            }
            Record::Secured { devices, standing } => {
                self.doubt(devices, line.at);
                for (device, new) in standing {
                    let old = self.standing.remove(device).unwrap_or_default();
                    let touched = |old: &Standing| {
                        let points = new.iter().flat_map(|new| &new.cells);
                        points.into_iter().any(|(point, _)| old.cells.iter().any(|(known, _)| known == point))
                    };
                    let kept = old.into_iter().filter(|old| !touched(old));
                    self.standing.insert(device.clone(), kept.chain(new.iter().cloned()).collect());
                }
            }
            Record::Reset { site: name, .. } => of_site(name)?,
            Record::Memory { site: name, memory } => {
                of_site(name)?;
                self.memory = Some(memory.clone());
            }
            Record::End { .. } => {
                // what an interrupted apply had begun, and the one that resumed it could not reach
                let open = self.unfinished.take().map(|left| left.open).unwrap_or_default();
                for change in open.into_iter().flat_map(|(_, changes)| changes) {
                    self.unknown.entry(change.device).or_insert(line.at);
                }
            }
            Record::Clamped { site: name, readings } => {
                of_site(name)?;
                self.clamped = (!readings.is_empty()).then(|| (line.at, readings.clone()));
            }
            Record::Notified { site: name, notices } => {
                of_site(name)?;
                self.notified.extend(notices.iter().map(|notice| (Notice::key(notice), line.at)));
            }
            Record::Release { site: name, devices, all } => {
                of_site(name)?;
                if *all {
                    // nothing of the plan is meant to stand any more
                    self.asked.clear();
                    self.released.clear();
                }
                let asked = devices.iter().filter(|change| self.asked.contains_key(&change.device));
                self.released.extend(asked.map(|change| (change.device.clone(), line.at)));
                for change in devices {
                    self.standing.remove(&change.device);
                    self.undone.remove(&change.device);
                    self.unreleased.remove(&change.device);
                    // until its result is recorded nobody knows
                    if !change.cells.is_empty() {
                        self.unknown.insert(change.device.clone(), line.at);
                    }
                }
                if *all {
                    let planned = |commands: &&Vec<Standing>| commands.iter().any(|command| !command.safety);
                    let left = self.standing.iter().filter(|(_, commands)| planned(commands));
                    self.unreleased = left.map(|(device, _)| (device.clone(), line.at)).collect();
                }
            }
            Record::Released { devices } => {
                self.doubt(devices, line.at);
                if let Some(unfinished) = &mut self.unfinished {
                    for (_, changes) in &mut unfinished.open {
                        changes.retain(|change| devices.get(&change.device) != Some(&Outcome::Done));
                    }
                    unfinished.open.retain(|(_, changes)| !changes.is_empty());
                }
                if self.unfinished.as_ref().is_some_and(|unfinished| unfinished.open.is_empty()) {
                    self.unfinished = None;
                }
            }
        }
        Ok(())
    }
}

impl Past {
    /// What is worth carrying into a new file.
    pub(super) fn carried(&self) -> Self {
        let mut carried = self.clone();
        let last = self.last.unwrap_or(Instant(0));
        for points in carried.written.values_mut() {
            for instants in points.values_mut() {
                instants.retain(|instant| last.since(*instant) < DAY);
            }
            points.retain(|_, instants| !instants.is_empty());
        }
        carried.written.retain(|_, points| !points.is_empty());
        carried
    }

    /// Counts writes, which wear out the memory of some devices.
    fn count(&mut self, devices: &[DeviceChange], at: Instant) {
        for device in devices {
            let points = self.written.entry(device.device.clone()).or_default();
            for cell in &device.cells {
                let instants = points.entry(cell.point.clone()).or_default();
                instants.retain(|instant| at.since(*instant) < DAY);
                instants.push(at);
            }
        }
    }

    /// Whether something that evl wrote to this device stands, or may stand.
    #[must_use]
    pub fn concerns(&self, device: &str) -> bool {
        self.concerned().any(|name| name == device)
    }

    /// The devices on which something that evl wrote stands, or may stand.
    pub fn concerned(&self) -> impl Iterator<Item = &String> {
        let standing = self.standing.iter().filter(|(_, commands)| !commands.is_empty());
        let open = self.unfinished.iter().flat_map(|left| &left.open).flat_map(|(_, devices)| devices);
        let all = standing.map(|(name, _)| name).chain(self.unknown.keys());
        all.chain(open.map(|change| &change.device)).collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether an apply that did not end was about to change this device.
    #[must_use]
    pub fn is_open(&self, device: &str) -> bool {
        let open = self.unfinished.iter().flat_map(|left| &left.open).flat_map(|(_, devices)| devices);
        open.into_iter().any(|change| change.device == device)
    }

    /// How often each point of a device was written in the day before `now`.
    #[must_use]
    pub fn writes(&self, device: &str, now: Instant) -> BTreeMap<String, u32> {
        let recent = |instants: &Vec<Instant>| {
            u32::try_from(instants.iter().filter(|at| now.since(**at) < DAY).count()).unwrap_or(u32::MAX)
        };
        let points = self.written.get(device).into_iter().flatten();
        points.map(|(point, instants)| (point.clone(), recent(instants))).collect()
    }

    fn doubt(&mut self, devices: &BTreeMap<String, Outcome>, at: Instant) {
        for (device, outcome) in devices {
            match outcome {
                Outcome::Failed | Outcome::Unknown => {
                    self.unknown.insert(device.clone(), at);
                }
                Outcome::Done | Outcome::Undone | Outcome::Left => {
                    self.unknown.remove(device);
                }
            }
        }
    }
}

impl Unfinished {
    /// What devices made of what was written is known as ours.
    fn hold(&mut self, gateway: &str, held: &BTreeMap<String, BTreeMap<String, i64>>) {
        for (_, changes) in self.open.iter_mut().filter(|(name, _)| name == gateway) {
            for change in changes {
                let Some(points) = held.get(&change.device) else { continue };
                for cell in &mut change.cells {
                    cell.via.extend(points.get(&cell.point));
                }
            }
        }
    }

    /// A later intent for the same register keeps the value that was found first.
    fn merge(&mut self, gateway: &str, devices: &[DeviceChange]) {
        let place = match self.open.iter().position(|(name, _)| name == gateway) {
            Some(place) => place,
            None => {
                self.open.push((gateway.to_owned(), Vec::new()));
                self.open.len() - 1
            }
        };
        let Some((_, changes)) = self.open.get_mut(place) else { return };
        for device in devices {
            let mut fresh = device.clone();
            if let Some(old) = changes.iter().position(|change| change.device == device.device) {
                let before = changes.remove(old);
                for cell in before.cells {
                    match fresh.cells.iter_mut().find(|now| now.point == cell.point) {
                        Some(now) => {
                            now.old = cell.old;
                            now.via.extend(cell.via);
                            now.via.push(cell.new);
                        }
                        None => fresh.cells.insert(0, cell),
                    }
                }
            }
            changes.push(fresh);
        }
    }
}
