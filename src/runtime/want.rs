//! What a plan's step asks of each device, as abstract commands of its profile.

use std::collections::BTreeMap;

use super::reading::holders;
use crate::bundle::profile::{Form, Profile, Verb};
use crate::bundle::{CommandForm, Names, PlanDocument};
use crate::diag::{Diagnostic, Severity, codes};
use crate::ir::{Attr, Control, Device, Family, Role, Site};
use crate::quantity::Rat;

/// One abstract command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// what to do
    pub verb: Verb,
    /// what the value means
    pub form: Option<Form>,
    /// kW; of a setpoint K
    pub value: Option<Rat>,
}

/// What a step asks of the devices of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// by device, in the order in which the settings are written
    pub devices: BTreeMap<String, Vec<Setting>>,
    /// commands that nobody writes, with the reason
    pub unwritten: BTreeMap<String, String>,
}

/// Values of one device in one step, before they become commands.
#[derive(Debug, Default)]
struct Asked {
    values: BTreeMap<Attr, (CommandForm, Rat)>,
    /// import less export at the meter that it keeps, kW
    keeps: Option<Rat>,
}

fn refuse(message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::nowhere(codes::PLAN_VIOLATES, Severity::Error, message))
}

/// What `step` of the plan asks.
///
/// # Errors
/// The plan names what the site does not declare, or asks what no driver of this version can say.
pub fn wants(
    site: &Site,
    profiles: &BTreeMap<String, Profile>,
    plan: &PlanDocument,
    step: usize,
) -> Result<Wants, Box<Diagnostic>> {
    let names = Names::new(site);
    let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
    let mut note = |device: String, attr: &Attr, form: CommandForm, value: Rat| {
        asked.entry(device).or_default().values.insert(attr.clone(), (form, value));
    };
    for series in &plan.commands {
        let value = series
            .value(step)
            .ok_or_else(|| refuse(format!("the plan has no value of `{}` for this step", series.device)))?;
        note(series.device.clone(), &series.attr, series.form, value);
    }
    for group in &plan.groups {
        let members = group.members.iter().flat_map(|(first, last)| *first..=*last);
        for (place, index) in (0_u64..).zip(members) {
            let count = group.count(place, step).ok_or_else(|| {
                refuse(format!("the plan has no value of `{}` for this step", group.family))
            })?;
            let device = format!("{}[{index}]", group.family);
            note(device, &group.attr, group.form, &group.step * &Rat::int(count));
        }
    }
    for series in &plan.following {
        if let Some(target) = series.target(step) {
            asked.entry(series.device.clone()).or_default().keeps = Some(target);
        }
    }
    let mut wants = Wants::default();
    let mut zones = Vec::new();
    for (name, asked) in asked {
        let Some(device) = names.device(&name) else {
            if let Some(zone) = names.zone(&name) {
                zones.push((name, zone, asked));
                continue;
            }
            return Err(refuse(format!("the plan commands `{name}`, which the policy does not declare")));
        };
        wants.ask(site, profiles, &name, device, &asked)?;
    }
    for (name, zone, asked) in zones {
        // a zone's setpoint is that of the device that holds it (semantics.md 9)
        let holders = holders(site, zone);
        if holders.is_empty() {
            wants.unwritten.insert(name, "no thermostat controls it".to_owned());
        }
        for device in holders {
            wants.ask(site, profiles, &site.device_name(device), device, &asked)?;
        }
    }
    Ok(wants)
}

impl Wants {
    fn ask(
        &mut self,
        site: &Site,
        profiles: &BTreeMap<String, Profile>,
        name: &str,
        device: Device,
        asked: &Asked,
    ) -> Result<(), Box<Diagnostic>> {
        let Some(family) = site.family(device.family) else { return Ok(()) };
        let profile = family.profile.as_ref().and_then(|profile| profiles.get(profile));
        let reason = match (family.gateway, profile, family.control) {
            (None, ..) => "it is behind no gateway",
            (_, None, _) => "it has no profile",
            (.., Control::Observe) => "it is only observed",
            (.., Control::Advise) => "evl only advises on it",
            (_, Some(profile), Control::Command) => {
                let settings = settings(name, family, profile, asked)?;
                self.devices.entry(name.to_owned()).or_default().extend(settings);
                return Ok(());
            }
        };
        self.unwritten.insert(name.to_owned(), reason.to_owned());
        Ok(())
    }
}

/// 0 degC, K.
fn freezing() -> Rat {
    Rat::ratio(27_315, 100).unwrap_or_default()
}

const fn form_of(form: CommandForm) -> Form {
    match form {
        CommandForm::Fixed => Form::Fixed,
        CommandForm::AtMost => Form::AtMost,
        CommandForm::AtLeast => Form::AtLeast,
    }
}

fn settings(
    name: &str,
    family: &Family,
    profile: &Profile,
    asked: &Asked,
) -> Result<Vec<Setting>, Box<Diagnostic>> {
    let has = |verb: Verb| profile.commands.iter().any(|case| case.verb == verb);
    let truth = |attr: &Attr| asked.values.get(attr).map(|(_, value)| !value.is_zero());
    let plain = |verb| Setting { verb, form: None, value: None };
    let mut settings = Vec::new();
    let mut last = Vec::new();

    match truth(&Attr::Connected) {
        // leave first, join last: a device joins with its limits already in place
        Some(true) => last.push(plain(Verb::Connect)),
        Some(false) => settings.push(plain(Verb::Disconnect)),
        None => {}
    }
    let mut forced_off = false;
    match truth(&Attr::On) {
        Some(true) if has(Verb::On) => last.push(plain(Verb::On)),
        Some(false) if has(Verb::Off) => settings.push(plain(Verb::Off)),
        // off means no power, however the device is made to give none
        Some(false) => forced_off = true,
        Some(true) | None => {}
    }
    let alone = truth(&Attr::Connected) == Some(false);
    if let (Some(target), false, false) = (&asked.keeps, forced_off, alone) {
        // what it may do meanwhile is all that it can: nothing narrower is ever planned for a profile
        settings.push(Setting { verb: Verb::Follow, form: Some(Form::Fixed), value: Some(target.clone()) });
        settings.extend(last);
        return Ok(settings);
    }
    let store = family.role == Role::Storage;
    let power = asked.values.get(&Attr::Power);
    let (charge, discharge) = (asked.values.get(&Attr::Charge), asked.values.get(&Attr::Discharge));
    if store && (power.is_some() || charge.is_some() || discharge.is_some()) {
        let form = form_of(power.or(charge).or(discharge).map_or(CommandForm::Fixed, |(form, _)| *form));
        let of = |side: Option<&(CommandForm, Rat)>| side.map_or(Rat::ZERO, |(_, value)| value.clone());
        let (charge, discharge) = match power {
            Some((_, value)) if value.is_negative() => (-value, Rat::ZERO),
            Some((_, value)) => (Rat::ZERO, value.clone()),
            None => (of(charge), of(discharge)),
        };
        let (verb, value) = match (charge.is_positive(), discharge.is_positive()) {
            (true, true) => return Err(refuse(format!("the plan charges and discharges `{name}` at once"))),
            (true, false) => (Verb::Charge, Some(charge)),
            (false, true) => (Verb::Discharge, Some(discharge)),
            (false, false) => (Verb::Idle, None),
        };
        let form = value.as_ref().map(|_| form);
        settings.push(Setting { verb, form, value });
    } else if forced_off {
        let form = Some(Form::AtMost);
        if has(Verb::Power) {
            settings.push(Setting { verb: Verb::Power, form, value: Some(Rat::ZERO) });
        } else {
            settings.push(plain(Verb::Disconnect));
        }
    } else if let Some((form, value)) = power {
        let form = Some(form_of(*form));
        settings.push(Setting { verb: Verb::Power, form, value: Some(value.clone()) });
    }
    if let Some((form, celsius)) = asked.values.get(&Attr::Setpoint) {
        let value = Some(celsius + &freezing());
        settings.push(Setting { verb: Verb::Setpoint, form: Some(form_of(*form)), value });
    }
    settings.extend(last);
    Ok(settings)
}
