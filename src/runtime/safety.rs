//! What the safety class commands now, and what must be written for it (semantics.md 22).
//!
//! Only what an active rule of the first class asks is commanded here: a device that already does
//! what they ask is left alone, one that does not is brought to the nearest value that they allow.

use std::collections::BTreeMap;

use super::change::cut;
use super::probe::{Ready, Subject};
use super::reading::holders;
use super::want::Setting;
use crate::bundle::profile::{Form, Guard, LeaseKind, PowerFound, Verb};
use crate::eval::{
    Decision, Demand, DeviceSet, IntervalSet, Outcome, Status, Total, Unit, physical, physical_zone,
};
use crate::ir::{Attr, Device, Role, RuleId, SAFETY, Site, ZoneId};
use crate::quantity::Rat;

/// What the safety class asks of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Demanded {
    /// what it may do
    pub set: DeviceSet,
    /// what it could do without any rule
    pub physical: DeviceSet,
    /// of a thermostat: the setpoints, K, that keep what is asked of its zone
    pub setpoint: Option<IntervalSet>,
    /// the rules that ask it
    pub because: Vec<String>,
}

/// What the safety class asks of the site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demands {
    /// by device
    pub devices: BTreeMap<Device, Demanded>,
    /// totals that it bounds
    pub totals: Vec<Total>,
    /// what it asks and no command of a device says: who, what, because of which rule
    pub unsaid: Vec<(String, String, String)>,
}

/// What is to be done about a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// it does what is asked
    Holds,
    /// to be written
    Write(Vec<Setting>),
    /// its profile cannot say it, with the reason
    Cannot(String),
}

fn rule_name(site: &Site, rule: RuleId) -> String {
    site.rule(rule).map(|rule| rule.name.clone()).unwrap_or_default()
}

/// What active rules of the safety class ask.
#[must_use]
pub fn demands(site: &Site, decision: &Decision) -> Demands {
    let mut demands = Demands::default();
    let binds = |status: &Status, class| class == SAFETY && *status == Status::InForce;
    for outcome in decision.outcomes.iter().filter(|outcome| binds(&outcome.status, outcome.class)) {
        demands.add(site, outcome);
    }
    for total in decision.totals.iter().filter(|total| binds(&total.status, total.class)) {
        if total.attr == Attr::Power && total.lo.is_none() {
            demands.totals.push(total.clone());
        } else {
            let rule = rule_name(site, total.effect.instance.rule);
            demands.unsaid.push((total.attr.name().to_owned(), "a total from below".to_owned(), rule));
        }
    }
    // nothing may feed it: then it takes nothing
    for origins in decision.origins.iter().filter(|origins| origins.allowed.is_empty()) {
        let safe = |rule: RuleId| site.rule(rule).is_some_and(|rule| rule.class == SAFETY);
        let Some(effect) = origins.by.iter().find(|effect| safe(effect.instance.rule)) else { continue };
        if let Unit::Devices(range) = origins.unit {
            let nothing = Demand::Bound { attr: Attr::Power, lo: None, hi: Some(Rat::ZERO) };
            for device in range.devices() {
                demands.narrow(site, device, &nothing, rule_name(site, effect.instance.rule));
            }
        }
    }
    for demanded in demands.devices.values_mut() {
        demanded.set.close();
    }
    demands
}

impl Demands {
    fn add(&mut self, site: &Site, outcome: &Outcome) {
        let rule = rule_name(site, outcome.effect.instance.rule);
        match outcome.unit {
            Unit::Devices(range) => {
                for device in range.devices() {
                    self.narrow(site, device, &outcome.demand, rule.clone());
                }
            }
            Unit::Zone(zone) => self.set(site, zone, &outcome.demand, &rule),
        }
    }

    /// What is asked of a zone those are told that hold its setpoint (semantics.md 9).
    fn set(&mut self, site: &Site, zone: ZoneId, demand: &Demand, rule: &str) {
        let mut told = false;
        for device in holders(site, zone) {
            let (Some(physical), Some(mut left)) = (physical(site, device), physical_zone(site, zone)) else {
                continue;
            };
            left.narrow(demand);
            left.close();
            let allowed = left.number(&Attr::Setpoint).unwrap_or_default();
            let demanded = self.demanded(device, physical, rule);
            demanded.setpoint = Some(match demanded.setpoint.take() {
                Some(before) => before.intersection(&allowed),
                None => allowed,
            });
            told = true;
        }
        if !told {
            let name = site.zone(zone).map(|zone| zone.name.clone()).unwrap_or_default();
            self.unsaid.push((name, "a temperature".to_owned(), rule.to_owned()));
        }
    }

    fn demanded(&mut self, device: Device, physical: DeviceSet, rule: &str) -> &mut Demanded {
        let fresh = || Demanded { set: physical.clone(), physical, setpoint: None, because: Vec::new() };
        let demanded = self.devices.entry(device).or_insert_with(fresh);
        if !demanded.because.iter().any(|known| known == rule) {
            demanded.because.push(rule.to_owned());
        }
        demanded
    }

    fn narrow(&mut self, site: &Site, device: Device, demand: &Demand, rule: String) {
        let Some(physical) = physical(site, device) else { return };
        self.demanded(device, physical, &rule).set.narrow(demand);
    }

    /// Adds what keeps a total: members give way from the last to the first, as far as each must.
    /// `power` is the greatest power that a member may have now.
    pub fn shed(&mut self, site: &Site, power: impl Fn(Device) -> Option<Rat>) {
        for total in std::mem::take(&mut self.totals) {
            let Some(most) = &total.hi else { continue };
            let rule = rule_name(site, total.effect.instance.rule);
            let devices: Vec<Device> = total.members.iter().flat_map(|range| range.devices()).collect();
            let present = |device: &Device| power(*device).unwrap_or(Rat::ZERO);
            let mut excess = &devices.iter().map(present).sum::<Rat>() - most;
            for device in devices.iter().rev() {
                if !excess.is_positive() {
                    break;
                }
                let (Some(now), Some(physical)) = (power(*device), physical(site, *device)) else { continue };
                let allowed = self.devices.get(device).map_or(&physical, |demanded| &demanded.set);
                let Some(mut left) = allowed.number(&Attr::Power) else { continue };
                let Some(least) = left.min().cloned() else { continue };
                left.clip(None, Some(&Rat::max_of(&(&now - &excess), &least)));
                let Some(kept) = left.max().cloned() else { continue };
                excess = &excess - &(&now - &kept);
                let demand = Demand::Bound { attr: Attr::Power, lo: None, hi: Some(kept) };
                self.narrow(site, *device, &demand, rule.clone());
            }
            if excess.is_positive() {
                let name = total.members.first().and_then(|range| site.family(range.family));
                let name = name.map(|family| family.name.clone()).unwrap_or_default();
                self.unsaid.push((name, "a total that its members cannot keep".to_owned(), rule));
            }
        }
        for demanded in self.devices.values_mut() {
            demanded.set.close();
        }
    }
}

fn plain(verb: Verb) -> Setting {
    Setting { verb, form: None, value: None }
}

/// What must be written so that a device does what is asked of it.
#[must_use]
pub fn command(subject: &Subject, ready: &Ready, demanded: &Demanded) -> Command {
    let Demanded { set, physical, .. } = demanded;
    if set.is_empty() {
        return Command::Cannot("nothing is left that they allow together".to_owned());
    }
    let found = &ready.found;
    let has = |verb: Verb| subject.profile.commands.iter().any(|case| case.verb == verb);
    let gone = found.connected == Some(false);
    if set.connected.decided() == Some(false) {
        if gone {
            return Command::Holds;
        }
        if has(Verb::Disconnect) {
            return Command::Write(vec![plain(Verb::Disconnect)]);
        }
    }
    if set.on.decided() == Some(false) {
        return if gone || found.on == Some(false) { Command::Holds } else { still(subject, ready) };
    }
    let mut settings = Vec::new();
    if set.connected.decided() == Some(true) && gone {
        settings.push(plain(Verb::Connect));
    }
    if set.on.decided() == Some(true) && found.on != Some(true) {
        if has(Verb::On) {
            settings.push(plain(Verb::On));
        } else if !set.number(&Attr::Power).is_some_and(|power| power.is_positive()) {
            return Command::Cannot("its profile has no command `on`".to_owned());
        }
    }
    let dead = gone || found.on == Some(false);
    let power = match subject.family.role {
        Role::Storage => store(subject, ready, set, physical, dead),
        _ => one_way(subject, ready, set, physical, dead),
    };
    match power {
        Command::Cannot(why) => return Command::Cannot(why),
        Command::Write(more) => settings.splice(0..0, more).for_each(drop),
        Command::Holds => {}
    }
    if let Some(kept) = &demanded.setpoint {
        if kept.is_empty() {
            return Command::Cannot("nothing is left that they allow together".to_owned());
        }
        if !found.setpoint.as_ref().is_some_and(|now| kept.contains(now)) {
            let value = match &found.setpoint {
                Some(now) => nearest(kept, now),
                None => kept.min().cloned().unwrap_or_default(),
            };
            settings.push(Setting { verb: Verb::Setpoint, form: Some(Form::Fixed), value: Some(value) });
        }
    }
    if settings.is_empty() && binds_power(demanded) {
        settings.extend(for_ever(subject, ready, set));
    }
    let missing = settings.iter().find(|setting| !has(setting.verb));
    match missing {
        Some(setting) => Command::Cannot(format!("its profile has no command `{}`", setting.verb.word())),
        None if settings.is_empty() => Command::Holds,
        None => Command::Write(settings),
    }
}

/// Whether a power is bounded, which then must not come back with the end of a lease.
#[must_use]
pub fn binds_power(demanded: &Demanded) -> bool {
    [Attr::Power, Attr::Charge, Attr::Discharge].iter().any(|attr| {
        let parts = (demanded.physical.numbers.get(attr), demanded.set.numbers.get(attr));
        matches!(parts, (Some(whole), Some(left)) if !whole.is_subset(left))
    })
}

/// What the device does already, without the lease with which it would lapse to what is not allowed.
fn for_ever(subject: &Subject, ready: &Ready, set: &DeviceSet) -> Option<Setting> {
    let lease = &subject.profile.lease;
    let most = set.numbers.get(&Attr::Power).and_then(|power| power.max());
    let loose = |guard: &Guard| {
        let safe = most.map_or(subject.fail_safe.clone(), |most| Rat::min_of(most, &subject.fail_safe));
        let found = ready.raws.get(&guard.point).copied().unwrap_or_default();
        !matches!(subject.profile.tightened(guard, found, &safe, &ready.context), Ok(None))
    };
    let runs = match lease.kind {
        LeaseKind::Reversion => {
            lease.timer.as_ref().and_then(|timer| ready.raws.get(timer)).is_some_and(|left| *left > 0)
        }
        LeaseKind::Watchdog => subject.profile.arm.iter().any(loose),
        LeaseKind::Heartbeat | LeaseKind::None => false,
    };
    match &ready.found.power {
        PowerFound::Commanded { verb: Verb::Idle, .. } if runs => Some(plain(Verb::Idle)),
        PowerFound::Commanded { verb, form, value } if runs => {
            Some(Setting { verb: *verb, form: Some(*form), value: Some(value.clone()) })
        }
        _ => None,
    }
}

/// Off, or whatever of the profile's commands leaves the device without power.
fn still(subject: &Subject, ready: &Ready) -> Command {
    let case = |verb: Verb| subject.profile.commands.iter().find(move |case| case.verb == verb);
    if case(Verb::Off).is_some() {
        return Command::Write(vec![plain(Verb::Off)]);
    }
    // a limit may lapse with its lease or watchdog; leaving the bus does not
    if case(Verb::Disconnect).is_some_and(|case| case.stays) {
        let gone = ready.found.connected == Some(false);
        return if gone { Command::Holds } else { Command::Write(vec![plain(Verb::Disconnect)]) };
    }
    let zero = |verb| matches!(&ready.found.power, PowerFound::Commanded { verb: v, value, .. } if *v == verb && value.is_zero());
    if subject.family.role == Role::Storage && case(Verb::Idle).is_some() {
        return if zero(Verb::Idle) { Command::Holds } else { Command::Write(vec![plain(Verb::Idle)]) };
    }
    if zero(Verb::Power) {
        return Command::Holds;
    }
    power(subject, Form::AtMost, Rat::ZERO)
}

/// A power in the first form that the profile can say.
fn power(subject: &Subject, form: Form, value: Rat) -> Command {
    let fitting: &[Form] = match form {
        Form::AtMost => &[Form::AtMost, Form::Fixed],
        Form::Fixed => &[Form::Fixed],
        Form::AtLeast => &[Form::Fixed, Form::AtLeast],
    };
    let says = |form: &&Form| {
        subject.profile.commands.iter().any(|case| case.verb == Verb::Power && case.forms.contains(form))
    };
    match fitting.iter().find(says) {
        Some(form) => {
            Command::Write(vec![Setting { verb: Verb::Power, form: Some(*form), value: Some(value) }])
        }
        None => Command::Cannot("its profile cannot command such a power".to_owned()),
    }
}

/// The power in effect, where it is another than the register says.
fn lapsed(subject: &Subject, ready: &Ready, form: Form, value: &Rat) -> Option<Rat> {
    let lowered = subject.profile.lower(Verb::Power, Some(form), Some(value), 0, &ready.context).ok()?;
    let point = lowered.value_point?;
    cut(subject, ready, &point, lowered.form.unwrap_or(form), &lowered.value?)
}

fn one_way(subject: &Subject, ready: &Ready, set: &DeviceSet, physical: &DeviceSet, dead: bool) -> Command {
    let found = &ready.found;
    let (Some(allowed), Some(whole)) = (set.numbers.get(&Attr::Power), physical.numbers.get(&Attr::Power))
    else {
        return Command::Holds;
    };
    if whole.is_subset(allowed) {
        return Command::Holds;
    }
    let zero = allowed.contains(&Rat::ZERO);
    if dead && zero {
        return Command::Holds;
    }
    if allowed.is_zero() {
        let stays = |verb| subject.profile.commands.iter().any(|case| case.verb == verb && case.stays);
        if let Some(verb) = [Verb::Off, Verb::Disconnect].into_iter().find(|verb| stays(*verb)) {
            return Command::Write(vec![plain(verb)]);
        }
    }
    let (Some(least), Some(most)) = (allowed.min(), allowed.max()) else { return Command::Holds };
    let value = match &found.power {
        PowerFound::Commanded { verb: Verb::Power, form, value } => {
            let holds = match form {
                Form::Fixed => allowed.contains(value),
                Form::AtMost => value <= most && zero,
                Form::AtLeast => value >= least && whole.max() <= allowed.max(),
            };
            // a watchdog may have cut what the register shows to something that is not allowed
            let broken = lapsed(subject, ready, *form, value).is_some_and(|shown| !allowed.contains(&shown));
            if holds && !broken && !dead {
                return Command::Holds;
            }
            nearest(allowed, value)
        }
        _ if most < whole.max().unwrap_or(most) => most.clone(),
        _ => least.clone(),
    };
    power(subject, if zero { Form::AtMost } else { Form::AtLeast }, value)
}

/// The greatest allowed value that is not above `value`, else the least.
fn nearest(allowed: &IntervalSet, value: &Rat) -> Rat {
    let mut below = allowed.clone();
    below.clip(None, Some(value));
    below.max().or_else(|| allowed.min()).cloned().unwrap_or_default()
}

fn store(subject: &Subject, ready: &Ready, set: &DeviceSet, physical: &DeviceSet, dead: bool) -> Command {
    let side = |set: &DeviceSet, attr: &Attr| set.numbers.get(attr).cloned().unwrap_or_default();
    let (mut charge, mut discharge) = (side(set, &Attr::Charge), side(set, &Attr::Discharge));
    let (all_charge, all_discharge) = (side(physical, &Attr::Charge), side(physical, &Attr::Discharge));
    // a level that is kept: a store at its bound, or of unknown level, does not move beyond it
    if let (Some(kept), Some(whole)) =
        (set.numbers.get(&Attr::ChargeLevel), physical.numbers.get(&Attr::ChargeLevel))
        && !whole.is_subset(kept)
    {
        let level = level(subject, ready);
        let beyond = |bound: Option<&Rat>, low: bool| match (&level, bound) {
            (Some(level), Some(bound)) => {
                if low {
                    level <= bound
                } else {
                    level >= bound
                }
            }
            _ => true,
        };
        if kept.min() > whole.min() && beyond(kept.min(), true) {
            discharge.clip(None, Some(&Rat::ZERO));
        }
        if kept.max() < whole.max() && beyond(kept.max(), false) {
            charge.clip(None, Some(&Rat::ZERO));
        }
    }
    if all_charge.is_subset(&charge) && all_discharge.is_subset(&discharge) {
        return Command::Holds;
    }
    let idle_fits = charge.contains(&Rat::ZERO) && discharge.contains(&Rat::ZERO);
    if dead && idle_fits {
        return Command::Holds;
    }
    let (now_in, now_out) = match &ready.found.power {
        PowerFound::Commanded { verb: Verb::Charge, value, .. } => (Some(value.clone()), Some(Rat::ZERO)),
        PowerFound::Commanded { verb: Verb::Discharge, value, .. } => (Some(Rat::ZERO), Some(value.clone())),
        PowerFound::Commanded { verb: Verb::Idle, .. } => (Some(Rat::ZERO), Some(Rat::ZERO)),
        _ => (None, None),
    };
    if let (Some(now_in), Some(now_out)) = (&now_in, &now_out) {
        if !dead && charge.contains(now_in) && discharge.contains(now_out) {
            return Command::Holds;
        }
        let setting = |verb, value: Rat| {
            Command::Write(vec![Setting { verb, form: Some(Form::Fixed), value: Some(value) }])
        };
        let (less_in, less_out) = (nearest(&charge, now_in), nearest(&discharge, now_out));
        match (less_in.is_positive(), less_out.is_positive()) {
            (true, false) => return setting(Verb::Charge, less_in),
            (false, true) => return setting(Verb::Discharge, less_out),
            _ => {}
        }
    }
    if idle_fits {
        return Command::Write(vec![plain(Verb::Idle)]);
    }
    let forced = |verb, set: &IntervalSet| {
        let value = set.min().filter(|value| value.is_positive())?.clone();
        Some(Command::Write(vec![Setting { verb, form: Some(Form::Fixed), value: Some(value) }]))
    };
    forced(Verb::Charge, &charge)
        .or_else(|| forced(Verb::Discharge, &discharge))
        .unwrap_or_else(|| Command::Cannot("nothing is left that it could do".to_owned()))
}

fn level(subject: &Subject, ready: &Ready) -> Option<Rat> {
    let point = &subject.profile.measures.get("charge_level")?.point;
    subject.profile.value_of(point, *ready.raws.get(point)?, &ready.context).ok()
}
