//! The plan's commands against the rules that are active now: a plan presumes readings, and where
//! they have changed since, the rules win.
//!
//! A power above what the rules leave is brought down to it. Whatever else they forbid is not
//! written: the device is excluded and stays as it is. Both are told, with the advice to plan again.

use crate::bundle::profile::{Aspect, Form, Verb};
use crate::diag::{Diagnostic, Severity, codes};
use crate::eval::{Decision, Demand, DeviceSet, IntervalSet, Status, Unit};
use crate::ir::{Attr, Device, Model, Role, Site};
use crate::quantity::Rat;
use crate::runtime::change::setting_words;
use crate::runtime::probe::{Excluded, Subject};
use crate::runtime::reading::holders;
use crate::runtime::want::Setting;

/// What of the plan's commands may be written now, with a warning where that is less.
pub(super) fn allowed(
    site: &Site,
    decision: &Decision,
    subject: &Subject,
    settings: &[Setting],
) -> Result<(Vec<Setting>, Option<Diagnostic>), Excluded> {
    let whole = || Ok((settings.to_vec(), None));
    let Some(set) = decision.device(site, subject.device) else { return whole() };
    let has = |verb: Verb| settings.iter().any(|setting| setting.verb == verb);
    let rules = |about: fn(&Demand) -> bool| rules(site, decision, subject.device, about).join(", ");
    let barred = |what: &str, about: fn(&Demand) -> bool| {
        let reason = format!("{} now {what}, and the plan says `{}`", rules(about), words(settings));
        Err(Excluded { code: codes::LIVE_RULE, reason })
    };
    let still = has(Verb::Disconnect) || has(Verb::Off);
    match (set.connected.decided(), set.on.decided()) {
        (Some(false), _) if !has(Verb::Disconnect) => return barred("disconnects it", of_bus),
        (_, Some(false)) if !still && !idle(subject, settings) => {
            return barred("switches it off", of_switch);
        }
        (_, Some(true)) if still => return barred("switches it on", of_switch),
        (Some(true), _) if has(Verb::Disconnect) => return barred("keeps it connected", of_bus),
        _ => {}
    }
    if still {
        return whole();
    }
    for kelvin in settings.iter().filter(|s| s.verb == Verb::Setpoint).filter_map(|s| s.value.as_ref()) {
        let own = match &subject.family.model {
            Model::Control { zone } => *zone,
            _ => site.steered().into_iter().find(|s| s.holder == subject.family.id).map(|s| s.zone),
        };
        let zone = own.and_then(|zone| decision.zone(site, zone));
        let kept = zone.and_then(|set| set.number(&Attr::Setpoint));
        if kept.is_some_and(|kept| !kept.contains(kelvin)) {
            return barred("allows no such setpoint", of_any);
        }
    }
    let (mut kept, mut lowered) = (settings.to_vec(), None);
    for setting in kept.iter_mut().filter(|setting| setting.verb.aspect() == Aspect::Power) {
        let Some(fitting) = fit(subject, &set, setting) else {
            return barred("allows no such power", of_any);
        };
        if fitting != *setting {
            lowered = Some((setting.clone(), fitting.clone()));
            *setting = fitting;
        }
    }
    let warning = lowered.map(|(asked, given)| {
        let say = |s: &Setting| setting_words(s.verb, s.form, s.value.as_ref());
        let message = format!(
            "`{}` gets `{}` instead of the plan's `{}`: {} allows no more now",
            subject.name,
            say(&given),
            say(&asked),
            rules(of_any)
        );
        let finding = Diagnostic::nowhere(codes::LIVE_RULE, Severity::Warning, message);
        finding.help("plan again from a fresh snapshot of the state")
    });
    Ok((kept, warning))
}

fn of_bus(demand: &Demand) -> bool {
    matches!(demand, Demand::Connect(_))
}

fn of_switch(demand: &Demand) -> bool {
    matches!(demand, Demand::Connect(_) | Demand::Switch(_) | Demand::Bound { attr: Attr::On, .. })
}

fn of_any(_: &Demand) -> bool {
    true
}

/// The rules in force on a device that are about something; all of them, where the device's law alone
/// makes it follow.
fn rules(site: &Site, decision: &Decision, device: Device, about: fn(&Demand) -> bool) -> Vec<String> {
    let told = in_force(site, decision, device, about);
    if told.is_empty() { in_force(site, decision, device, of_any) } else { told }
}

fn in_force(site: &Site, decision: &Decision, device: Device, about: fn(&Demand) -> bool) -> Vec<String> {
    let mut rules: Vec<String> = decision
        .outcomes
        .iter()
        .filter(|outcome| {
            let here = match outcome.unit {
                Unit::Devices(range) => range.contains(device),
                Unit::Zone(zone) => holders(site, zone).contains(&device),
            };
            here && outcome.status == Status::InForce && about(&outcome.demand)
        })
        .filter_map(|outcome| Some(format!("`{}`", site.rule(outcome.effect.instance.rule)?.name)))
        .collect();
    rules.dedup();
    rules
}

fn words(settings: &[Setting]) -> String {
    let one = |setting: &Setting| setting_words(setting.verb, setting.form, setting.value.as_ref());
    settings.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whether the commands leave the device without power.
fn idle(subject: &Subject, settings: &[Setting]) -> bool {
    let zero = |setting: &Setting| match setting.verb {
        Verb::Idle => true,
        Verb::Power => setting.value.as_ref().is_some_and(Rat::is_zero),
        _ => false,
    };
    subject.family.role != Role::Control && settings.iter().any(zero)
}

/// The command, brought down where it is above what is allowed; `None`: there is nothing below.
fn fit(subject: &Subject, set: &DeviceSet, setting: &Setting) -> Option<Setting> {
    let of = |attr: Attr| set.numbers.get(&attr);
    let store = subject.family.role == Role::Storage;
    let lower = |allowed: Option<&IntervalSet>| -> Option<Setting> {
        let (Some(allowed), Some(value)) = (allowed, &setting.value) else { return Some(setting.clone()) };
        let inside = match setting.form {
            // less than an upper limit is always in order for whoever asked for the limit
            Some(Form::AtMost) => allowed.max().is_some_and(|most| value <= most),
            _ => allowed.contains(value),
        };
        if inside {
            return Some(setting.clone());
        }
        let mut below = allowed.clone();
        below.clip(None, Some(value));
        let value = below.max()?.clone();
        if store && value.is_zero() {
            return Some(Setting { verb: Verb::Idle, form: None, value: None });
        }
        Some(Setting { value: Some(value), ..setting.clone() })
    };
    let may_rest = |attr: Attr| of(attr).is_none_or(|set| set.contains(&Rat::ZERO));
    match setting.verb {
        Verb::Charge if may_rest(Attr::Discharge) => lower(of(Attr::Charge)),
        Verb::Discharge if may_rest(Attr::Charge) => lower(of(Attr::Discharge)),
        Verb::Idle if may_rest(Attr::Charge) && may_rest(Attr::Discharge) => Some(setting.clone()),
        Verb::Charge | Verb::Discharge | Verb::Idle => None,
        Verb::Power => lower(of(Attr::Power)),
        // it does whatever the meter takes, and nobody tells it less
        Verb::Follow => {
            // nor what it can itself where that is more than the policy counts on
            let (least, most) = subject.family.driven_between();
            let own = subject.ratings.get("power");
            if own.is_some_and(|own| *own > most || (store && *own > -&least)) {
                return None;
            }
            let whole = |attr: &Attr| {
                let own = subject.family.hull(attr).map(|(_, most)| most);
                let zero = of(attr.clone()).is_none_or(|set| set.contains(&Rat::ZERO));
                let most = of(attr.clone()).and_then(|set| set.max().cloned());
                zero && most.is_none_or(|most| own.is_none_or(|own| most >= own))
            };
            let attrs = if store { vec![Attr::Charge, Attr::Discharge] } else { vec![Attr::Power] };
            attrs.iter().all(whole).then(|| setting.clone())
        }
        _ => Some(setting.clone()),
    }
}
