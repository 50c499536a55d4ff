//! What is simulated as one: a device, or equal devices that nothing tells apart.

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use super::miss::Miss;
use crate::bundle::{
    CommandForm, CommandSeries, FollowingSeries, GroupSeries, Names, default_step, register_step,
};
use crate::ir::{Attr, Device, Family, FamilyId, MemberRange, Model, Need, SigRef, Steered, ZoneId};
use crate::quantity::Rat;

/// One device, or several equal ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Declaration.
    pub family: FamilyId,
    /// Its members, sorted.
    pub members: Vec<MemberRange>,
    /// How many they are.
    pub count: u64,
    /// Place in the plan's `groups`, where they are commanded as a set.
    pub(super) group: Option<usize>,
}

impl Unit {
    /// Its first member.
    #[must_use]
    pub fn first(&self) -> Device {
        let index = self.members.first().map_or(1, |range| range.first);
        Device { family: self.family, index }
    }

    /// Whether it is this device alone, or one of its equal members.
    #[must_use]
    pub fn contains(&self, device: Device) -> bool {
        self.members.iter().any(|range| range.contains(device))
    }

    fn one(device: Device) -> Self {
        let members = vec![MemberRange { family: device.family, first: device.index, last: device.index }];
        Self { family: device.family, members, count: 1, group: None }
    }

    fn of(family: FamilyId, members: Vec<MemberRange>, group: Option<usize>) -> Self {
        let count = members.iter().map(|m| u64::from(m.last - m.first) + 1).sum();
        Self { family, members, count, group }
    }
}

/// The commands of a plan by what they are for.
#[derive(Debug, Default)]
pub(super) struct Commands<'a> {
    devices: BTreeMap<(Device, Attr), &'a CommandSeries>,
    /// Setpoints of zones.
    pub(super) zones: BTreeMap<ZoneId, &'a CommandSeries>,
    groups: Vec<&'a GroupSeries>,
    /// Who keeps a meter at a target.
    pub(super) following: BTreeMap<Device, &'a FollowingSeries>,
}

impl<'a> Commands<'a> {
    pub(super) fn of(&self, device: Device, attr: &Attr) -> Option<&'a CommandSeries> {
        self.devices.get(&(device, attr.clone())).copied()
    }

    pub(super) fn group(&self, place: usize) -> Option<&'a GroupSeries> {
        self.groups.get(place).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Device, &'a CommandSeries)> + '_ {
        self.devices.iter().map(|((device, _), series)| (*device, *series))
    }
}

/// Attributes that a device of this kind takes commands for.
fn takes(family: &Family, attr: &Attr) -> bool {
    match &family.model {
        Model::Grid { .. } => matches!(attr, Attr::Import | Attr::Export),
        Model::Renewable { .. } | Model::Generator { .. } => {
            matches!(attr, Attr::Power | Attr::On | Attr::Connected)
        }
        Model::Store(_) => matches!(attr, Attr::Charge | Attr::Discharge | Attr::Connected),
        Model::Consumer(_) => matches!(attr, Attr::Power | Attr::On | Attr::Connected),
        Model::Control { zone } => zone.is_some() && *attr == Attr::Setpoint,
        Model::Slot { .. } => false,
    }
}

/// What a command means: sun and wind may fall short of it, everything else does exactly this
/// (planner.md 2).
fn form(family: &Family, attr: &Attr) -> CommandForm {
    match (&family.model, attr) {
        (Model::Renewable { .. }, Attr::Power) => CommandForm::AtMost,
        _ => CommandForm::Fixed,
    }
}

/// The unit in which an attribute is commanded.
pub(super) fn command_unit(attr: &Attr) -> &'static str {
    match attr {
        Attr::On | Attr::Connected => "",
        Attr::Setpoint | Attr::Temperature => "degC",
        _ => "kW",
    }
}

fn check_series(
    case: &Case<'_>,
    series: &CommandSeries,
    (step, form): (&Rat, CommandForm),
    out: &mut Vec<Miss>,
) {
    let mut wrong = |what: String| {
        out.push(Miss::plan(
            &series.device,
            format!("the commands `{}.{}` {what}", series.device, series.attr.name()),
        ));
    };
    if series.counts.len() != case.steps.len() {
        wrong(format!("have {} values for {} steps", series.counts.len(), case.steps.len()));
    }
    if series.unit != command_unit(&series.attr) {
        wrong(format!("are in `{}`, not in `{}`", series.unit, command_unit(&series.attr)));
    }
    if series.step != *step {
        wrong(format!("have register steps of {}, the device has {step}", series.step));
    }
    let switch = matches!(series.attr, Attr::On | Attr::Connected);
    if switch && series.counts.iter().any(|count| !(0..=1).contains(count)) {
        wrong("are neither on nor off".to_owned());
    }
    if series.form != form {
        // what may be undercut is not what was simulated
        wrong("mean something else to the device than a plan may command".to_owned());
    }
}

/// Finds what each series commands, and what is wrong with it.
pub(super) fn commands<'a>(case: &Case<'a>) -> Result<Commands<'a>, Vec<Miss>> {
    let names = Names::new(case.site);
    let (mut out, mut found) = (Vec::new(), Commands::default());
    let excluded = case.excluded;
    let follows = |family: &Family| case.steered.iter().any(|steered| steered.moves(family.id));
    let holds = |family: &Family| case.steered.iter().any(|steered| steered.holder == family.id);
    for series in case.commands {
        if let Some(zone) = names.zone(&series.device) {
            // whoever holds the setpoint would be written to
            if let Some(gone) = setpoint_holders(case, zone) {
                let name = case.site.device_name(gone);
                let message = format!(
                    "the plan commands the setpoint of `{}`, which `{name}` holds or follows and its state excludes",
                    series.device
                );
                out.push(Miss::plan(&series.device, message));
            }
            check_series(case, series, (&setpoint_step(case, zone), CommandForm::Fixed), &mut out);
            if series.attr != Attr::Setpoint || found.zones.insert(zone, series).is_some() {
                out.push(Miss::plan(
                    &series.device,
                    format!("zone `{}` has commands that do not fit", series.device),
                ));
            }
            continue;
        }
        let family = names.device(&series.device).and_then(|d| Some((d, case.site.family(d.family)?)));
        let Some((device, family)) = family else {
            out.push(Miss::plan(&series.device, format!("there is no device `{}`", series.device)));
            continue;
        };
        if follows(family) {
            let message = format!("`{}` follows a setpoint, and nothing else commands it", series.device);
            out.push(Miss::plan(&series.device, message));
            continue;
        }
        if !takes(family, &series.attr) || (series.attr == Attr::Setpoint && holds(family)) {
            let message = format!("`{}` takes no command for `{}`", series.device, series.attr.name());
            out.push(Miss::plan(&series.device, message));
            continue;
        }
        check_series(
            case,
            series,
            (&register_step(family, &series.attr), form(family, &series.attr)),
            &mut out,
        );
        if found.devices.insert((device, series.attr.clone()), series).is_some() {
            let message = format!("`{}.{}` is commanded twice", series.device, series.attr.name());
            out.push(Miss::plan(&series.device, message));
        }
    }
    let refuse = |device: Device, out: &mut Vec<Miss>| {
        let name = case.site.device_name(device);
        let message = format!("the plan commands `{name}`, which its state excludes");
        out.push(Miss::plan(name, message));
    };
    for device in excluded {
        if found.devices.keys().any(|(commanded, _)| commanded == device) {
            refuse(*device, &mut out);
        }
    }
    for series in case.groups {
        found.groups.push(series);
        let Some(family) = names.family(&series.family) else {
            out.push(Miss::plan(&series.family, format!("there is no device `{}`", series.family)));
            continue;
        };
        let inside = |d: &&Device| {
            let of = |(first, last): &(u32, u32)| (*first..=*last).contains(&d.index);
            d.family == family.id && series.members.iter().any(of)
        };
        if let Some(device) = excluded.iter().find(inside) {
            refuse(*device, &mut out);
        }
        let sorted = series.members.windows(2).all(|pair| matches!(pair, [a, b] if a.1 < b.0));
        let inside =
            series.members.iter().all(|(first, last)| 1 <= *first && first <= last && *last <= family.len());
        let whole = series.running.len() == case.steps.len() && series.totals.len() == case.steps.len();
        let ordinary = series.attr == Attr::Power
            && !follows(family)
            && series.unit == "kW"
            && series.step == register_step(family, &series.attr)
            && series.form == CommandForm::Fixed
            && matches!(family.model, Model::Consumer(_));
        let running = series.running.iter().all(|running| u64::from(*running) <= series.len());
        let idle = series.running.iter().zip(&series.totals).all(|(r, t)| *t >= 0 && (*r > 0) == (*t > 0));
        if !(sorted && inside && whole && ordinary && running && idle) || series.is_empty() {
            out.push(Miss::plan(
                &series.family,
                format!("the group commands of `{}` do not fit", series.family),
            ));
        }
    }
    found.following = super::follow::read(case, &names, &mut out);
    if out.is_empty() { Ok(found) } else { Err(out) }
}

/// Why nobody may be told the setpoint of a zone: an excluded device that holds it, or that follows it as
/// the last that could.
fn setpoint_holders(case: &Case<'_>, zone: ZoneId) -> Option<Device> {
    let thermostats = case.site.zone(zone).map(|zone| zone.thermostats.clone()).unwrap_or_default();
    let declared = case.site.steered().into_iter().find(|steered| steered.zone == zone);
    let last = declared.iter().filter(|_| super::steered::of(case, zone).is_none());
    let last: Vec<FamilyId> = last.flat_map(Steered::machines).collect();
    let families = thermostats.into_iter().chain(declared.map(|s| s.holder)).chain(last);
    let mut devices =
        families.filter_map(|id| case.site.family(id)).flat_map(|family| family.all().devices());
    devices.find(|device| case.excluded.contains(device))
}

/// Register step of a zone's setpoint: of the device that holds it, else of its first thermostat.
fn setpoint_step(case: &Case<'_>, zone: ZoneId) -> Rat {
    let holder = super::steered::of(case, zone);
    let first = || case.site.zone(zone).and_then(|zone| zone.thermostats.first()).copied();
    let thermostat = holder.map(|steered| steered.holder).or_else(first).and_then(|id| case.site.family(id));
    thermostat.map_or_else(|| default_step(&Attr::Setpoint), |t| register_step(t, &Attr::Setpoint))
}

/// Whether members of a family differ in what they are given.
fn apart(case: &Case<'_>, family: &Family) -> bool {
    let own = |signal| case.site.signal(signal).is_some_and(|s: &crate::ir::Signal| s.count.is_some());
    match &family.model {
        Model::Grid { .. } | Model::Generator { .. } | Model::Store(_) => true,
        Model::Renewable { output, .. } => output.is_some_and(own),
        Model::Consumer(consumer) => {
            consumer.sessions.is_some() || matches!(&consumer.need, Need::Load(s) | Need::Needs(s) if own(*s))
        }
        Model::Control { .. } | Model::Slot { .. } => false,
    }
}

/// Everything that is simulated, in declaration order.
pub(super) fn units(case: &Case<'_>, commands: &Commands<'_>) -> Vec<Unit> {
    let mut commanded: BTreeMap<FamilyId, BTreeSet<u32>> = BTreeMap::new();
    for (device, _) in commands.devices.keys() {
        commanded.entry(device.family).or_default().insert(device.index);
    }
    // what nobody commands is nobody's equal
    for device in case.excluded {
        commanded.entry(device.family).or_default().insert(device.index);
    }
    let names = Names::new(case.site);
    let mut units = Vec::new();
    for family in &case.site.families {
        if matches!(family.model, Model::Control { .. } | Model::Slot { .. }) {
            continue;
        }
        let mut taken: Vec<(u32, u32)> = Vec::new();
        for (place, group) in commands.groups.iter().enumerate() {
            if names.family(&group.family).is_some_and(|f| f.id == family.id) {
                let members = group
                    .members
                    .iter()
                    .map(|(first, last)| MemberRange { family: family.id, first: *first, last: *last })
                    .collect();
                units.push(Unit::of(family.id, members, Some(place)));
                taken.extend(&group.members);
            }
        }
        for index in commanded.get(&family.id).into_iter().flatten() {
            units.push(Unit::one(Device { family: family.id, index: *index }));
            taken.push((*index, *index));
        }
        taken.sort_unstable();
        let rest = free(&taken, family.len());
        if apart(case, family) {
            let devices = rest.iter().flat_map(|(first, last)| *first..=*last);
            units.extend(devices.map(|index| Unit::one(Device { family: family.id, index })));
        } else if !rest.is_empty() {
            let members = rest.iter().map(|(first, last)| MemberRange {
                family: family.id,
                first: *first,
                last: *last,
            });
            units.push(Unit::of(family.id, members.collect(), None));
        }
    }
    units
}

/// What `1..=count` has outside sorted ranges.
fn free(taken: &[(u32, u32)], count: u32) -> Vec<(u32, u32)> {
    let (mut out, mut next) = (Vec::new(), 1_u32);
    for (first, last) in taken {
        if next < *first {
            out.push((next, first - 1));
        }
        next = next.max(last.saturating_add(1));
    }
    if next <= count {
        out.push((next, count));
    }
    out
}

/// A signal as it stands for a unit: a member's own, or everybody's.
pub(super) fn signal_of(case: &Case<'_>, signal: crate::ir::SignalId, unit: &Unit) -> SigRef {
    if case.site.signal(signal).is_some_and(|s| s.count.is_some()) {
        SigRef::Member(signal, unit.first().index)
    } else {
        SigRef::Only(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_array() {
        assert_eq!(free(&[], 3), [(1, 3)]);
        assert_eq!(free(&[(1, 1), (3, 4)], 6), [(2, 2), (5, 6)]);
        assert_eq!(free(&[(1, 6)], 6), []);
        assert_eq!(free(&[(2, 9), (3, 4)], 9), [(1, 1)]);
    }
}
