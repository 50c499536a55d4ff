//! Module profiles: what a device's kind supplies, and where the declaration contradicts it.

use super::Compiler;
use super::props::Props;
use crate::bundle::profile::{Class, LeaseKind, Level};
use crate::bundle::{Registers, intersection};
use crate::diag::{Diagnostic, Span, codes, nearest};
use crate::ir::{Attr, Control, Domain, FailSafe, FailSafeBy, Family, Model, Role};
use crate::quantity::{Rat, Type, Unit};

pub(super) use crate::bundle::profile::Profile;

impl<'a> Compiler<'a> {
    /// `profile "sunspec/battery"`.
    pub(super) fn profile_of(
        &mut self,
        props: &mut Props<'a>,
        family: &mut Family,
        declared_factor: bool,
    ) -> Option<&'a Profile> {
        let mut args = self.take(props, "profile")?;
        let (name, span) = self.arg_text(&mut args, "a profile's name in quotes")?;
        self.end(&args);
        let repository = self.repository;
        let Some(loaded) = repository.profiles.get(&name) else {
            let finding =
                Diagnostic::error(codes::UNKNOWN_PROFILE, span, format!("there is no profile `{name}`"));
            self.push(match nearest(&name, repository.profiles.keys().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None if name.split('/').all(|part| !matches!(part, "" | "." | "..")) => {
                    finding.help(format!("put it into `profiles/{name}.yaml`"))
                }
                None => finding.help("a profile's name is no path: write it as `maker/model`"),
            });
            return None;
        };
        family.profile = Some(name);
        let profile = &loaded.profile;
        if !class_fits(profile.class, family.role) {
            let finding = Diagnostic::error(
                codes::PROFILE_MISMATCH,
                span,
                format!(
                    "the profile `{}` is of a {}, and `{}` is declared as a {}",
                    profile.profile,
                    class_word(profile.class),
                    family.name,
                    role_word(family.role)
                ),
            );
            self.push(finding);
        }
        if let Some(electrical) = &profile.electrical {
            if family.electrical.rated_voltage.is_none() && electrical.voltage.ty == Type::Voltage {
                // a profile states the voltage to neutral, the declaration the voltage between lines
                // so that 1.732 times it is three times the former, exactly as the registers count
                let volts = &electrical.voltage.value;
                family.electrical.rated_voltage = Some(if electrical.phases == 3 {
                    volts * &Rat::ratio(3000, 1732).unwrap_or(Rat::ONE)
                } else {
                    volts.clone()
                });
            }
            family.electrical.phases = if electrical.phases == 3 { 3 } else { 1 };
            if !declared_factor {
                family.electrical.power_factor = electrical.power_factor.clone().unwrap_or(Rat::ONE);
            }
        }
        Some(profile)
    }

    /// Register steps of the commanded attributes, and what their registers take.
    pub(super) fn profile_steps(&mut self, profile: &Profile, family: &mut Family) {
        let registers = Registers::of(family, profile, &self.repository.inventory);
        // a producer's limit may lie above what it gives, and nobody's command narrows an observed device
        let commanded =
            family.control != Control::Observe && !matches!(family.model, Model::Renewable { .. });
        for (attr, takes) in registers.takes.iter().filter(|_| commanded) {
            if *attr == Attr::Setpoint {
                family.ranges.insert(Attr::Setpoint, takes.clone());
                continue;
            }
            let Some(declared) = family.ranges.get(attr) else { continue };
            let both = intersection(declared, takes);
            if both.is_empty() {
                let finding = Diagnostic::error(
                    codes::PROFILE_MISMATCH,
                    family.span,
                    format!(
                        "nothing that `{}` declares for its {} fits into the register of its profile `{}`",
                        family.name,
                        attr.name(),
                        profile.profile
                    ),
                );
                self.push(finding.help(format!("the register takes {}", pieces(takes))));
            } else {
                family.ranges.insert(attr.clone(), both);
            }
        }
        family.dead_band = profile.dead_band();
        for (attr, step) in registers.steps {
            if commanded {
                self.whole_steps(profile, family, &attr, &step);
            }
            family.command_step.insert(attr, step);
        }
    }

    /// Each piece of a commanded range must hold a whole register step.
    fn whole_steps(&mut self, profile: &Profile, family: &Family, attr: &Attr, step: &Rat) {
        let switched = matches!(&family.model, Model::Consumer(consumer) if consumer.on_off);
        for (lo, hi) in family.ranges.get(attr).into_iter().flatten() {
            let lo = if switched { hi } else { lo };
            let Some(first) = lo.checked_div(step).map(|count| &count.ceil() * step) else { continue };
            if first <= *hi {
                continue;
            }
            let finding = Diagnostic::error(
                codes::PROFILE_MISMATCH,
                family.span,
                format!(
                    "`{}` declares {} kW, and the register of its profile `{}` counts in steps of {} kW",
                    family.name,
                    span_text(lo, hi),
                    profile.profile,
                    shown(step)
                ),
            );
            let below = &first - step;
            self.push(finding.help(format!(
                "the nearest values that it can hold are {} kW and {} kW",
                shown(&below),
                shown(&first)
            )));
        }
    }

    /// Declared values outside the profile's ratings.
    pub(super) fn check_profile(&mut self, profile: &Profile, family: &Family) {
        for (rating, attr) in
            [("power", Attr::Power), ("charge", Attr::Charge), ("discharge", Attr::Discharge)]
        {
            let Some(limit) = profile.ratings.get(rating).filter(|q| q.ty == Type::Power) else { continue };
            let Some((_, hi)) = family.hull(&attr) else { continue };
            if hi > limit.value {
                self.beyond_profile(profile, family, &attr, &hi, &limit.value);
            }
        }
        if let (Some(limit), Model::Store(store)) = (profile.ratings.get("capacity"), &family.model)
            && limit.ty == Type::Energy
            && store.capacity > limit.value
        {
            let shown = |v: &Rat| crate::quantity::show(v, Type::Energy, "");
            let finding = Diagnostic::error(
                codes::PROFILE_MISMATCH,
                family.span,
                format!(
                    "`{}` declares a capacity of {}, and its profile `{}` is rated {}",
                    family.name,
                    shown(&store.capacity),
                    profile.profile,
                    shown(&limit.value)
                ),
            );
            self.push(finding);
        }
    }

    fn beyond_profile(&mut self, profile: &Profile, family: &Family, attr: &Attr, hi: &Rat, limit: &Rat) {
        let shown = |v: &Rat| crate::quantity::show(v, Type::Power, "");
        let finding = Diagnostic::error(
            codes::PROFILE_MISMATCH,
            family.span,
            format!(
                "`{}` declares up to {} of {}, and its profile `{}` is rated {}",
                family.name,
                shown(hi),
                attr.name(),
                profile.profile,
                shown(limit)
            ),
        );
        self.push(finding.help("lower the declared value, or name the profile of a larger device"));
    }
}

/// What a profile's devices measure beside the attributes that all have: name, type and range.
pub(super) fn measures(profile: &Profile) -> Vec<(&str, Type, Domain)> {
    let own = profile.measures.iter().filter(|(name, _)| super::reference::plain_attribute(name).is_none());
    own.map(|(name, measure)| {
        let point = profile.points.get(&measure.point);
        let unit = point.and_then(|p| p.unit.as_deref()).and_then(|u| Unit::lookup(u, ""));
        let ty = unit.as_ref().map_or(Type::Number, |u| u.ty);
        let ends = point.and_then(|p| p.range.as_ref()).and_then(|r| Some((r.0.first()?, r.0.last()?)));
        let domain = match (ends, &unit) {
            (Some(((lo, _), (_, hi))), Some(unit)) => {
                Domain::Interval { lo: unit.canonical(lo), hi: unit.canonical(hi) }
            }
            (Some(((lo, _), (_, hi))), None) => Domain::Interval { lo: lo.clone(), hi: hi.clone() },
            (None, _) => super::signal::wide(ty),
        };
        (name.as_str(), ty, domain)
    })
    .collect()
}

/// The rated power that a profile supplies.
pub(super) fn rated(profile: Option<&Profile>, rating: &str) -> Option<Rat> {
    let quantity = profile?.ratings.get(rating)?;
    (quantity.ty == Type::Power || quantity.ty == Type::Energy).then(|| quantity.value.clone())
}

/// The fail-safe value that a profile supplies.
pub(super) fn fail_safe(profile: &Profile, family: &Family) -> Option<FailSafe> {
    let declared = profile.fail_safe.as_ref()?;
    let value = match &declared.power {
        Level::Power(quantity) => quantity.value.clone(),
        Level::Rated => {
            let attr = if family.ranges.contains_key(&Attr::Power) { Attr::Power } else { Attr::Discharge };
            family.hull(&attr)?.1
        }
    };
    let by = match declared.by {
        LeaseKind::None => FailSafeBy::None,
        LeaseKind::Reversion => FailSafeBy::Reversion,
        LeaseKind::Watchdog => FailSafeBy::Watchdog,
        LeaseKind::Heartbeat => FailSafeBy::Heartbeat,
    };
    let span: Span = family.span;
    Some(FailSafe { at: Some((Attr::Power, value)), by, span })
}

fn shown(value: &Rat) -> String {
    value.to_decimal(6)
}

fn span_text(lo: &Rat, hi: &Rat) -> String {
    if lo == hi { shown(lo) } else { format!("{} .. {}", shown(lo), shown(hi)) }
}

fn pieces(pieces: &[(Rat, Rat)]) -> String {
    let words: Vec<String> = pieces.iter().map(|(lo, hi)| format!("{} kW", span_text(lo, hi))).collect();
    words.join(" or ")
}

const fn class_fits(class: Class, role: Role) -> bool {
    match class {
        Class::Producer => matches!(role, Role::Producer),
        Class::Consumer => matches!(role, Role::Consumer),
        Class::Storage => matches!(role, Role::Storage | Role::Slot),
        Class::Control => matches!(role, Role::Control),
        Class::Meter => matches!(role, Role::Control | Role::Producer | Role::Consumer),
    }
}

const fn class_word(class: Class) -> &'static str {
    match class {
        Class::Producer => "producer",
        Class::Consumer => "consumer",
        Class::Storage => "storage",
        Class::Control => "control",
        Class::Meter => "meter",
    }
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Consumer => "consumer",
        Role::Storage => "storage",
        Role::Control => "control",
        Role::Slot => "slot",
    }
}
