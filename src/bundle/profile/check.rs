//! Whether a profile makes sense as a whole.

use super::{Address, Condition, Identity, LeaseKind, Point, Profile, Source, Verb};
use crate::bundle::sunspec;
use crate::quantity::{Rat, Type, Unit};

/// Most points a profile may have.
const MOST_POINTS: usize = 512;

/// Something wrong in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// path of keys: `points.limit.unit`
    pub at: String,
    /// what is wrong, in lower case without a final period
    pub message: String,
}

struct Check<'a> {
    profile: &'a Profile,
    problems: Vec<Problem>,
}

impl Profile {
    /// Everything wrong with it, in the order of its keys; empty for a sound profile.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut check = Check { profile: self, problems: Vec::new() };
        check.head();
        for (name, point) in &self.points {
            check.point(name, point);
        }
        check.commands();
        check.guards();
        check.records();
        check.problems
    }
}

impl Check<'_> {
    fn wrong(&mut self, at: &str, message: String) {
        self.problems.push(Problem { at: at.to_owned(), message });
    }

    fn known(&mut self, at: &str, name: &str) -> Option<Point> {
        let point = self.profile.point(name).cloned();
        if point.is_none() {
            let near = self.profile.points.keys().max_by_key(|known| {
                (strsim::normalized_damerau_levenshtein(known, name) * 1000.0).round().abs() as u64
            });
            let hint = near.map(|near| format!("; is `{near}` meant?")).unwrap_or_default();
            self.wrong(at, format!("there is no point `{name}`{hint}"));
        }
        point
    }

    fn written(&mut self, at: &str, name: &str) {
        if self.known(at, name).is_some_and(|point| !point.write) {
            self.wrong(at, format!("point `{name}` is not marked `write: true`"));
        }
    }

    fn head(&mut self) {
        let name = &self.profile.profile;
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > 100 || name.split('/').count() != 2 || !name.split('/').all(plain) {
            self.wrong("profile", format!("`{name}` is no profile name: expected `maker/kind`"));
        }
        if self.profile.points.len() > MOST_POINTS {
            self.wrong("points", format!("more than {MOST_POINTS} points"));
        }
        if let Identity::Points(identity) = &self.profile.identity {
            let texts =
                [("maker", &identity.maker), ("model", &identity.model), ("serial", &identity.serial)];
            for (what, address) in texts {
                let at = format!("identity.{what}");
                match address {
                    Some(Address::SunSpec { model, point }) => self.layout(&at, *model, point),
                    Some(_) if identity.text_registers.is_none_or(|count| count == 0 || count > 64) => {
                        self.wrong(&at, "`text_registers` must say how long the text is, 1 to 64".to_owned());
                    }
                    _ => {}
                }
            }
            for model in &identity.models {
                if sunspec::model(*model).is_none() {
                    self.wrong("identity.models", format!("SunSpec model {model} is not known"));
                }
            }
        }
        for (name, rating) in &self.profile.ratings {
            if !rating.value.is_positive() {
                self.wrong(
                    &format!("ratings.{name}"),
                    format!("a rating must be above zero, not `{rating}`"),
                );
            }
        }
        if let Some(electrical) = &self.profile.electrical {
            if !matches!(electrical.phases, 1 | 3) {
                self.wrong("electrical.phases", format!("{} phases; expected 1 or 3", electrical.phases));
            }
            if electrical.voltage.ty != Type::Voltage {
                self.wrong("electrical.voltage", format!("`{}` is no voltage", electrical.voltage));
            }
        }
    }

    fn layout(&mut self, at: &str, model: u16, point: &str) {
        match sunspec::model(model) {
            None => self.wrong(at, format!("SunSpec model {model} is not known")),
            Some(layout) if layout.point(point).is_none() => {
                self.wrong(at, format!("SunSpec model {model} has no point `{point}`"));
            }
            Some(_) => {}
        }
    }

    fn point(&mut self, name: &str, point: &Point) {
        let at = format!("points.{name}");
        match &point.at {
            Address::SunSpec { model, point: place } => {
                self.layout(&at, *model, place);
                if point.kind.is_some() || point.scale.is_some() {
                    self.wrong(&at, "a SunSpec point has its type and scale from the standard".to_owned());
                }
                let layout = sunspec::model(*model).and_then(|model| model.point(place));
                if point.write && layout.is_some_and(|layout| !layout.writable) {
                    self.wrong(&at, format!("the standard makes `{model}.{place}` read-only"));
                }
                if point.write && layout.is_some_and(|l| l.scale_factor.is_some()) && point.step.is_none() {
                    self.wrong(&at, "a written, scaled point needs `step`, on which plans rely".to_owned());
                }
            }
            Address::Input(_) | Address::Holding(_) => {
                if point.kind.is_none() {
                    self.wrong(&at, "a register that is no SunSpec point needs `type`".to_owned());
                }
                if point.write && matches!(point.at, Address::Input(_)) {
                    self.wrong(&at, "input registers cannot be written".to_owned());
                }
            }
        }
        if let Some(unit) = &point.unit
            && Unit::lookup(unit, "").is_none()
        {
            self.wrong(&format!("{at}.unit"), format!("`{unit}` is no unit"));
        }
        let number = |n: &Option<crate::quantity::Rat>| n.as_ref().is_some_and(|n| !n.is_positive());
        if number(&point.scale) || number(&point.step) {
            self.wrong(&at, "`scale` and `step` must be above zero".to_owned());
        }
        if let Some(of) = &point.of {
            if point.unit.as_deref() != Some("%") {
                self.wrong(&format!("{at}.of"), "only a share (unit `%`) is of something".to_owned());
            }
            // a rating may come from the inventory, so only the point's own name is checked
            if of == name {
                self.wrong(&format!("{at}.of"), "a point cannot be a share of itself".to_owned());
            }
        }
        if !point.functions.iter().all(|function| matches!(function, 6 | 16)) {
            self.wrong(
                &format!("{at}.functions"),
                "registers are written with functions 6 and 16".to_owned(),
            );
        }
        if let Some(effect) = &point.in_effect {
            self.known(&format!("{at}.in_effect"), &effect.point);
            if let Some(condition) = &effect.only_when {
                self.condition(&format!("{at}.in_effect.only_when"), condition);
            }
        }
    }

    fn condition(&mut self, at: &str, condition: &Condition) {
        self.known(at, &condition.point);
        if condition.is.is_empty() == condition.any_bit.is_none() {
            self.wrong(at, "a condition has either `is` or `any_bit`".to_owned());
        }
    }

    fn commands(&mut self) {
        for (index, case) in self.profile.commands.iter().enumerate() {
            let at = format!("commands[{}]", index + 1);
            let word = case.verb.word();
            if case.set.is_empty() {
                self.wrong(&at, format!("`{word}` sets nothing"));
            }
            for set in &case.set {
                self.written(&at, &set.point);
                let refused = |raw: i64| {
                    self.profile
                        .point(&set.point)
                        .is_some_and(|point| !point.allowed.is_empty() && !point.allowed.contains(&raw))
                };
                if let Source::Raw(raw) = set.source
                    && refused(raw)
                {
                    self.wrong(&at, format!("`{}` does not allow {raw}", set.point));
                }
            }
            for sign in &case.when {
                self.known(&at, &sign.point);
            }
            let values = case.set.iter().filter(|set| set.source == Source::Value).count();
            if case.verb.has_value() && (values != 1 || case.forms.is_empty()) {
                self.wrong(&at, format!("`{word}` needs `forms` and one point that is set to `value`"));
            }
            if !case.verb.has_value() && (values != 0 || !case.forms.is_empty()) {
                self.wrong(&at, format!("`{word}` has no value"));
            }
            if let Some(band) = &case.dead_band {
                if case.verb != Verb::Setpoint {
                    self.wrong(&at, format!("`{word}` has no dead band; a setpoint has"));
                } else if band.ty != Type::TemperatureDifference || band.value.is_negative() {
                    self.wrong(
                        &at,
                        format!("a dead band is a difference of temperatures such as `1 K`, not `{band}`"),
                    );
                }
            }
        }
        for (index, case) in
            self.profile.commands.iter().enumerate().filter(|(_, c)| c.verb == Verb::Setpoint)
        {
            let named = case.set.iter().find(|set| set.source == Source::Value).map(|set| &set.point);
            if let Some((name, point)) = named.and_then(|name| Some((name, self.profile.point(name)?))) {
                self.setpoint(&format!("commands[{}]", index + 1), name, &point.clone());
            }
        }
        let storage = self.profile.commands.iter().any(|c| matches!(c.verb, Verb::Charge | Verb::Discharge));
        if storage && !self.profile.commands.iter().any(|case| case.verb == Verb::Idle) {
            self.wrong("commands", "a store that is charged and discharged needs `idle`".to_owned());
        }
    }

    /// A setpoint is a temperature, and plans count it in whole register steps from 0 degC.
    fn setpoint(&mut self, at: &str, name: &str, point: &Point) {
        let unit = point.unit.as_deref().and_then(|unit| Unit::lookup(unit, ""));
        let Some(unit) = unit.filter(|unit| unit.ty == Type::Temperature) else {
            self.wrong(at, format!("`{name}` is a setpoint: its unit is `degC` or `degF`"));
            return;
        };
        let step = point.scale.clone().or_else(|| point.step.clone()).unwrap_or(Rat::ONE);
        let freezing = Rat::ratio(27_315, 100).and_then(|kelvin| kelvin.checked_div(&unit.factor));
        let counts = freezing.and_then(|written| (&written - &unit.offset).checked_div(&step));
        if counts.and_then(|counts| counts.to_i64()).is_none() {
            self.wrong(at, format!("0 degC is no whole number of steps of `{name}`"));
        }
    }

    fn guards(&mut self) {
        for (index, guard) in self.profile.arm.iter().enumerate() {
            let at = format!("arm[{}]", index + 1);
            self.written(&at, &guard.point);
            if guard.at_most.is_some() == guard.at_least.is_some() {
                self.wrong(&at, "a guard has either `at_most` or `at_least`".to_owned());
            }
        }
        for (index, group) in self.profile.groups.iter().enumerate() {
            for name in group {
                self.written(&format!("groups[{}]", index + 1), name);
            }
        }
        let lease = &self.profile.lease;
        match (lease.kind, &lease.timer) {
            (LeaseKind::Reversion | LeaseKind::Watchdog, None) => {
                self.wrong("lease", "the lease needs the point of its `timer`".to_owned());
            }
            (_, Some(timer)) => {
                self.written("lease.timer", timer);
                if self.profile.point(timer).is_some_and(|point| {
                    point.unit.as_deref().and_then(|unit| Unit::lookup(unit, "")).map(|unit| unit.ty)
                        != Some(Type::Duration)
                }) {
                    self.wrong("lease.timer", format!("`{timer}` has no unit of time"));
                }
            }
            _ => {}
        }
        match (lease.kind, &lease.counter) {
            (LeaseKind::Heartbeat, None) => {
                self.wrong("lease", "a heartbeat needs the point of its `counter`".to_owned());
            }
            (_, Some(counter)) => self.written("lease.counter", counter),
            _ => {}
        }
        if let Some(remaining) = &lease.remaining {
            self.known("lease.remaining", remaining);
        }
    }

    fn records(&mut self) {
        let profile = self.profile;
        for (name, measure) in &profile.measures {
            self.known(&format!("measures.{name}"), &measure.point);
        }
        if let Some(effect) = &profile.effect {
            if !profile.measures.contains_key(&effect.measure) {
                self.wrong("effect.measure", format!("there is no measure `{}`", effect.measure));
            }
            if effect.band.ty != Type::Ratio || effect.within.ty != Type::Duration {
                self.wrong("effect", "expected a `band` in % and a duration `within`".to_owned());
            }
        }
        for (index, condition) in profile.refuse_when.iter().enumerate() {
            self.condition(&format!("refuse_when[{}]", index + 1), condition);
        }
        for (index, condition) in profile.alarm_when.iter().enumerate() {
            self.condition(&format!("alarm_when[{}]", index + 1), condition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EMBEDDED;
    use super::*;

    #[test]
    fn embedded_profiles_are_sound_and_survive_json() {
        for (name, text) in EMBEDDED {
            let profile: Profile = serde_yaml::from_str(text).unwrap();
            assert_eq!(profile.profile, *name);
            assert_eq!(profile.problems(), Vec::new(), "{name}");
            let json = serde_json::to_string(&profile).unwrap();
            assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile, "{name}");
            assert_eq!(serde_json::from_str::<Profile>(&json).unwrap().hash(), profile.hash());
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        for (_, text) in EMBEDDED {
            let text = text.replace("function:", "fonction:");
            let error = serde_yaml::from_str::<Profile>(&text).unwrap_err().to_string();
            assert!(error.contains("fonction"), "{error}");
        }
    }

    #[test]
    fn setpoints_are_temperatures_counted_from_0_degc() {
        let problems = |unit: &str, scale: &str| -> Vec<String> {
            let text = format!(
                "profile: a/b\nclass: control\nfunction: thermostat\nidentity: none\npoints:\n  \
                 t: {{ at: holding 0, type: int16, unit: {unit}, scale: {scale}, write: true }}\ncommands:\n  \
                 - {{ do: setpoint, forms: [fixed], set: [t = value] }}\n"
            );
            let profile: Profile = serde_yaml::from_str(&text).unwrap();
            profile.problems().into_iter().map(|p| p.message).collect()
        };
        for (unit, scale) in [("degC", "0.5"), ("degC", "0.3"), ("degF", "1"), ("degF", "0.5")] {
            assert_eq!(problems(unit, scale), Vec::<String>::new(), "{unit} {scale}");
        }
        assert_eq!(problems("degF", "0.3"), ["0 degC is no whole number of steps of `t`"]);
        assert_eq!(problems("kW", "1"), ["`t` is a setpoint: its unit is `degC` or `degF`"]);
    }

    #[test]
    fn a_dead_band_is_a_difference_of_temperatures_around_a_setpoint() {
        let problems = |verb: &str, band: &str| -> Vec<String> {
            let unit = if verb == "setpoint" { "degC" } else { "kW" };
            let text = format!(
                "profile: a/b\nclass: control\nfunction: thermostat\nidentity: none\npoints:\n  \
                 t: {{ at: holding 0, type: int16, unit: {unit}, scale: 1, write: true }}\ncommands:\n  \
                 - {{ do: {verb}, forms: [fixed], dead_band: {band}, set: [t = value] }}\n"
            );
            let profile: Profile = serde_yaml::from_str(&text).unwrap();
            profile.problems().into_iter().map(|p| p.message).collect()
        };
        assert_eq!(problems("setpoint", "1 K"), Vec::<String>::new());
        assert_eq!(problems("setpoint", "0 K"), Vec::<String>::new());
        let wrong =
            |band: &str| [format!("a dead band is a difference of temperatures such as `1 K`, not `{band}`")];
        assert_eq!(problems("setpoint", "1 degC"), wrong("1 degC"));
        assert_eq!(problems("setpoint", "-1 K"), wrong("-1 K"));
        assert_eq!(problems("power", "1 K"), ["`power` has no dead band; a setpoint has"]);
    }

    #[test]
    fn each_mistake_is_named() {
        let profile: Profile = serde_yaml::from_str(
            r#"
            profile: nonsense
            class: producer
            function: pv
            identity: { models: [4711], serial: holding 3 }
            points:
              a: { at: 123.Nope }
              b: { at: 103.W, write: true, unit: parsec }
              c: { at: input 4, write: true }
              d: { at: holding 9, type: int16, write: true, allowed: [0, 1], functions: [5] }
            commands:
              - { do: power, set: [e = 1, d = 2] }
              - { do: connect, set: [] }
            arm: [{ point: a }]
            lease: { kind: watchdog }
            effect: { measure: power, band: 5 %, within: 3 s }
            "#,
        )
        .unwrap();
        let found: Vec<String> =
            profile.problems().into_iter().map(|p| format!("{}: {}", p.at, p.message)).collect();
        insta::assert_snapshot!(found.join("\n"));
    }
}
