//! From abstract commands to register values, and back. Pure; exact in both directions.

use std::collections::BTreeMap;
use std::fmt;

use super::{Address, Aspect, Bound, Case, Form, Guard, Point, Profile, Source, Verb};
use crate::bundle::sunspec;
use crate::quantity::{Rat, Type, Unit};

/// What a profile needs to know about one device of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// nameplate values in canonical units (kW, kWh), the profile's and the inventory's
    pub ratings: BTreeMap<String, Rat>,
    /// values of points as read from the device, in canonical units
    pub readings: BTreeMap<String, Rat>,
    /// powers of ten of scaled points as found on the device
    pub exponents: BTreeMap<String, i16>,
}

/// One register value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointWrite {
    /// name of the point
    pub point: String,
    /// register value, not yet in two's complement
    pub raw: i64,
}

/// A command as registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    /// writes in the order in which they are made
    pub writes: Vec<PointWrite>,
    /// the value that the registers then hold, after rounding to a count
    pub value: Option<Rat>,
    /// what the register itself makes of the value
    pub form: Option<Form>,
    /// the point that holds the value
    pub value_point: Option<String>,
    /// safe to stay for ever
    pub stays: bool,
    /// lapses by the profile's lease
    pub leased: bool,
}

/// What a device's registers say about its power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerFound {
    /// under its own control
    Released,
    /// commanded
    Commanded {
        /// which way
        verb: Verb,
        /// what the register makes of the value
        form: Form,
        /// kW
        value: Rat,
    },
    /// the registers match no command of the profile, or were not read
    Unknown,
}

/// What a device's registers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// on the bus; `None`: the profile cannot tell
    pub connected: Option<bool>,
    /// switched on; `None`: the profile cannot tell
    pub on: Option<bool>,
    /// how much, which way
    pub power: PowerFound,
    /// the temperature that it keeps, K; `None`: the profile cannot tell
    pub setpoint: Option<Rat>,
}

/// Why a command cannot be said in this device's registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LowerError {
    /// the profile has no such command
    NoCommand(Verb),
    /// the profile has it, but not in this form
    NoForm(Verb, Form),
    /// a rating or point that gives the register its meaning is not known
    NoReference(String),
    /// the value is outside what the register takes
    OutOfRange {
        /// the point
        point: String,
        /// canonical value asked for
        value: Rat,
    },
    /// the timer cannot run that long
    LeaseTooLong {
        /// the point
        point: String,
        /// seconds asked for
        seconds: u64,
    },
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand(verb) => write!(f, "its profile has no command `{}`", verb.word()),
            Self::NoForm(verb, form) => {
                let form = match form {
                    Form::Fixed => "an exact value",
                    Form::AtMost => "an upper limit",
                    Form::AtLeast => "a lower limit",
                };
                write!(f, "its profile cannot give `{}` {form}", verb.word())
            }
            Self::NoReference(name) => write!(f, "its rating `{name}` is not known"),
            Self::OutOfRange { point, value } => {
                write!(f, "{} is outside what its point `{point}` takes", value.to_decimal(6))
            }
            Self::LeaseTooLong { point, seconds } => {
                write!(f, "its timer `{point}` cannot run for {seconds} s")
            }
        }
    }
}

impl Context {
    /// 10 to the power `exponent`; SunSpec allows -10 to 10.
    #[must_use]
    pub fn ten_to(exponent: i16) -> Option<Rat> {
        let size = i128::from(10_i64).checked_pow(u32::from(exponent.unsigned_abs()))?;
        if exponent >= 0 { Rat::ratio(size, 1) } else { Rat::ratio(1, size) }
    }
}

impl Profile {
    /// Value of one count of `point`, in the point's own unit.
    fn count_in_unit(&self, name: &str, point: &Point, with: &Context) -> Option<Rat> {
        match &point.at {
            Address::SunSpec { model, point: place } => {
                let layout = sunspec::model(*model)?.point(place)?;
                match (layout.scale_factor, with.exponents.get(name)) {
                    (Some(_), Some(exponent)) => Context::ten_to(*exponent),
                    _ => Some(point.step.clone().unwrap_or(Rat::ONE)),
                }
            }
            Address::Input(_) | Address::Holding(_) => Some(point.scale.clone().unwrap_or(Rat::ONE)),
        }
    }

    /// What one unit of `point` is in the canonical unit of what it means: kW for powers, shares of
    /// a power and currents; the unit's own canonical unit otherwise.
    fn unit_in_canonical(&self, point: &Point, with: &Context) -> Result<Rat, LowerError> {
        let Some(unit) = point.unit.as_deref().and_then(|unit| Unit::lookup(unit, "")) else {
            return Ok(Rat::ONE);
        };
        if let Some(of) = &point.of {
            let reference = with
                .ratings
                .get(of)
                .or_else(|| with.readings.get(of))
                .or_else(|| with.ratings.get("power"))
                .filter(|reference| reference.is_positive())
                .ok_or_else(|| LowerError::NoReference(of.clone()))?;
            return Ok(&unit.factor * reference);
        }
        match (unit.ty, &self.electrical) {
            (Type::Current, Some(electrical)) => {
                let volts = &electrical.voltage.value * &Rat::int(i64::from(electrical.phases));
                let watts = &volts * electrical.power_factor.as_ref().unwrap_or(&Rat::ONE);
                let kilowatts = watts.checked_div(&Rat::int(1000)).unwrap_or(Rat::ZERO);
                Ok(&unit.factor * &kilowatts)
            }
            _ => Ok(unit.factor),
        }
    }

    /// The canonical value of one count of the point (kW where it means a power).
    ///
    /// # Errors
    /// A rating or point that gives the register its meaning is not known.
    pub fn count_value(&self, name: &str, with: &Context) -> Result<Rat, LowerError> {
        let missing = || LowerError::NoReference(name.to_owned());
        let point = self.point(name).ok_or_else(missing)?;
        let count = self.count_in_unit(name, point, with).ok_or_else(missing)?;
        Ok(&count * &self.unit_in_canonical(point, with)?)
    }

    /// The exact step in kW (of a setpoint K) in which `verb` can be commanded; plans are integers of it.
    ///
    /// `None`: the profile has no such command, or a rating is missing.
    #[must_use]
    pub fn command_step(&self, verb: Verb, with: &Context) -> Option<Rat> {
        let case = self.commands.iter().find(|case| case.verb == verb && verb.has_value())?;
        let point = case.set.iter().find(|set| set.source == Source::Value)?;
        self.count_value(&point.point, with).ok()
    }

    /// How wide the band around its setpoint is in which it neither heats nor cools, K.
    #[must_use]
    pub fn dead_band(&self) -> Option<Rat> {
        let case = self.commands.iter().find(|case| case.verb == Verb::Setpoint)?;
        case.dead_band.as_ref().map(|band| band.value.clone())
    }

    /// What the register of `verb` takes, kW (of a setpoint K), in sorted pieces.
    ///
    /// `None`: the profile has no such command, its register takes anything, or a rating is missing.
    #[must_use]
    pub fn command_range(&self, verb: Verb, with: &Context) -> Option<Vec<(Rat, Rat)>> {
        let case = self.commands.iter().find(|case| case.verb == verb && verb.has_value())?;
        let set = case.set.iter().find(|set| set.source == Source::Value)?;
        let point = self.point(&set.point)?;
        let unit = self.unit_in_canonical(point, with).ok()?;
        let zero = self.zero_of(&set.point);
        let canonical = |value: &Rat| &(value * &unit) + &zero;
        let mut pieces: Vec<_> =
            point.range.as_ref()?.0.iter().map(|(least, most)| (canonical(least), canonical(most))).collect();
        pieces.sort();
        Some(pieces)
    }

    /// The canonical value of a raw register value.
    ///
    /// # Errors
    /// A rating or point that gives the register its meaning is not known.
    pub fn value_of(&self, name: &str, raw: i64, with: &Context) -> Result<Rat, LowerError> {
        Ok(&(&self.count_value(name, with)? * &Rat::int(raw)) + &self.zero_of(name))
    }

    /// The canonical value of a register that holds 0: above zero only for temperatures, whose
    /// canonical unit counts from another zero than degC and degF do.
    fn zero_of(&self, name: &str) -> Rat {
        let unit =
            self.point(name).filter(|point| point.of.is_none()).and_then(|point| point.unit.as_deref());
        unit.and_then(|unit| Unit::lookup(unit, "")).map_or(Rat::ZERO, |unit| unit.canonical(&Rat::ZERO))
    }

    fn case(&self, verb: Verb, form: Option<Form>) -> Result<&Case, LowerError> {
        let mut named = self.commands.iter().filter(|case| case.verb == verb).peekable();
        if named.peek().is_none() {
            return Err(LowerError::NoCommand(verb));
        }
        match form {
            None => named.next().ok_or(LowerError::NoCommand(verb)),
            Some(form) => named.find(|case| case.forms.contains(&form)).ok_or(LowerError::NoForm(verb, form)),
        }
    }

    /// The registers for one command. `value` is in kW; `lease` is the number of seconds after which
    /// the device must have left it by itself, where its profile has a reversion timer (0: never).
    ///
    /// Values are rounded to a count towards the tighter side: upper limits down, lower limits up,
    /// exact values to the nearest.
    ///
    /// # Errors
    /// The command cannot be said in this device's registers.
    pub fn lower(
        &self,
        verb: Verb,
        form: Option<Form>,
        value: Option<&Rat>,
        lease: u64,
        with: &Context,
    ) -> Result<Lowered, LowerError> {
        let case = self.case(verb, if verb.has_value() { form } else { None })?;
        let mut lowered = Lowered {
            writes: Vec::with_capacity(case.set.len()),
            value: None,
            form: case.forms.first().copied(),
            value_point: None,
            stays: case.stays,
            leased: false,
        };
        for set in &case.set {
            let raw = match set.source {
                Source::Raw(raw) => raw,
                Source::Lease => {
                    lowered.leased = lease > 0;
                    self.timer_counts(&set.point, lease, with)?
                }
                Source::Value => {
                    let value = value.ok_or_else(|| LowerError::NoReference("value".to_owned()))?;
                    let raw = self.counts(&set.point, value, form.unwrap_or(Form::Fixed), with)?;
                    lowered.value = Some(self.value_of(&set.point, raw, with)?);
                    lowered.value_point = Some(set.point.clone());
                    raw
                }
            };
            lowered.writes.push(PointWrite { point: set.point.clone(), raw });
        }
        Ok(lowered)
    }

    /// The register value nearest to `value` (canonical) on the tighter side of `form`.
    ///
    /// # Errors
    /// The value is outside what the register takes, or the register's meaning is not known.
    pub fn counts(&self, name: &str, value: &Rat, form: Form, with: &Context) -> Result<i64, LowerError> {
        let outside = || LowerError::OutOfRange { point: name.to_owned(), value: value.clone() };
        let point = self.point(name).ok_or_else(outside)?;
        let count = self.count_in_unit(name, point, with).ok_or_else(outside)?;
        let above_zero = value - &self.zero_of(name);
        let in_unit = above_zero.checked_div(&self.unit_in_canonical(point, with)?).ok_or_else(outside)?;
        let accepted = match (&point.range, form) {
            (Some(range), Form::AtMost) => range.at_most(&in_unit).ok_or_else(outside)?,
            _ => in_unit,
        };
        let exact = accepted.checked_div(&count).ok_or_else(outside)?;
        let rounded = match form {
            Form::AtMost => exact.floor(),
            Form::AtLeast => exact.ceil(),
            Form::Fixed => exact.round(),
        };
        if point.range.as_ref().is_some_and(|range| !range.contain(&(&rounded * &count))) {
            return Err(outside());
        }
        rounded.to_i64().ok_or_else(outside)
    }

    fn timer_counts(&self, name: &str, seconds: u64, with: &Context) -> Result<i64, LowerError> {
        let too_long = || LowerError::LeaseTooLong { point: name.to_owned(), seconds };
        let value = i64::try_from(seconds).map(Rat::int).map_err(|_| too_long())?;
        self.counts(name, &value, Form::AtLeast, with).map_err(|_| too_long())
    }

    /// The longest time in seconds that the lease's timer can run.
    #[must_use]
    pub fn longest_lease(&self, with: &Context) -> Option<Rat> {
        let name = self.lease.timer.as_ref()?;
        let point = self.point(name)?;
        let greatest = point.range.as_ref()?.0.iter().map(|(_, greatest)| greatest.clone()).max()?;
        Some(&greatest * &self.unit_in_canonical(point, with).ok()?)
    }

    /// The raw value to which a guard's point is tightened, given what it holds now; `None`: it is
    /// tight enough.
    ///
    /// # Errors
    /// The fail-safe value cannot be said in this point.
    pub fn tightened(
        &self,
        guard: &Guard,
        found: i64,
        fail_safe: &Rat,
        with: &Context,
    ) -> Result<Option<i64>, LowerError> {
        let loosest = guard.zero_is_never && found == 0;
        if let Some(bound) = &guard.at_most {
            let raw = self.bound(guard, bound, Form::AtMost, fail_safe, with)?;
            return Ok((loosest || found > raw).then_some(raw));
        }
        if let Some(bound) = &guard.at_least {
            let raw = self.bound(guard, bound, Form::AtLeast, fail_safe, with)?;
            return Ok((loosest || found < raw).then_some(raw));
        }
        Ok(None)
    }

    fn bound(
        &self,
        guard: &Guard,
        bound: &Bound,
        form: Form,
        fail_safe: &Rat,
        with: &Context,
    ) -> Result<i64, LowerError> {
        match bound {
            Bound::Raw(raw) => Ok(*raw),
            Bound::FailSafe => self.counts(&guard.point, fail_safe, form, with),
        }
    }

    /// Whether the value in effect is the one that `name` was set to: `None` where nothing shows it.
    ///
    /// Where the register is an upper limit, less than the limit is in order, unless it is just the
    /// value to which the device falls back by itself: then its watchdog has cut it.
    #[must_use]
    pub fn in_effect(
        &self,
        name: &str,
        form: Form,
        expected: &Rat,
        raws: &BTreeMap<String, i64>,
        with: &Context,
    ) -> Option<Result<(), Rat>> {
        let effect = self.point(name)?.in_effect.as_ref()?;
        if let Some(when) = &effect.only_when
            && !raws.get(&when.point).is_some_and(|raw| when.holds(*raw))
        {
            return None;
        }
        let shown = self.value_of(&effect.point, *raws.get(&effect.point)?, with).ok()?;
        let point = self.point(&effect.point)?;
        let tolerance = &effect.tolerance * &self.unit_in_canonical(point, with).ok()?;
        let near = |value: &Rat| (&shown - value).abs() <= tolerance;
        if near(expected) {
            return Some(Ok(()));
        }
        let fallback = self
            .arm
            .iter()
            .filter(|guard| guard.at_most == Some(Bound::FailSafe))
            .find_map(|guard| self.value_of(&guard.point, *raws.get(&guard.point)?, with).ok());
        let below = shown < *expected && !fallback.is_some_and(|fallback| near(&fallback));
        if form == Form::AtMost && below { Some(Ok(())) } else { Some(Err(shown)) }
    }

    /// What the registers say, given the raw values of the profile's points.
    #[must_use]
    pub fn decode(&self, raws: &BTreeMap<String, i64>, with: &Context) -> Found {
        let binary = |yes: Verb, no: Verb| {
            let shown = self.shown(yes.aspect(), raws).map(|case| case.verb);
            if shown == Some(yes) {
                Some(true)
            } else if shown == Some(no) {
                Some(false)
            } else {
                None
            }
        };
        Found {
            connected: binary(Verb::Connect, Verb::Disconnect),
            on: binary(Verb::On, Verb::Off),
            power: self.power_shown(raws, with),
            setpoint: self.setpoint_shown(raws, with),
        }
    }

    fn setpoint_shown(&self, raws: &BTreeMap<String, i64>, with: &Context) -> Option<Rat> {
        let case = self.shown(Aspect::Setpoint, raws)?;
        let set = case.set.iter().find(|set| set.source == Source::Value)?;
        self.value_of(&set.point, *raws.get(&set.point)?, with).ok()
    }

    fn shown(&self, aspect: Aspect, raws: &BTreeMap<String, i64>) -> Option<&Case> {
        self.commands.iter().filter(|case| case.verb.aspect() == aspect).find(|case| {
            let signs = if case.when.is_empty() { &case.set } else { &case.when };
            signs.iter().all(|sign| match sign.source {
                Source::Raw(raw) => raws.get(&sign.point) == Some(&raw),
                Source::Value | Source::Lease => raws.contains_key(&sign.point),
            })
        })
    }

    fn power_shown(&self, raws: &BTreeMap<String, i64>, with: &Context) -> PowerFound {
        let Some(case) = self.shown(Aspect::Power, raws) else { return PowerFound::Unknown };
        let form = case.forms.first().copied().unwrap_or(Form::Fixed);
        match case.verb {
            Verb::Release => PowerFound::Released,
            Verb::Idle => PowerFound::Commanded { verb: Verb::Idle, form: Form::Fixed, value: Rat::ZERO },
            verb => {
                let value = case
                    .set
                    .iter()
                    .find(|set| set.source == Source::Value)
                    .and_then(|set| Some((set, raws.get(&set.point)?)))
                    .and_then(|(set, raw)| self.value_of(&set.point, *raw, with).ok());
                value.map_or(PowerFound::Unknown, |value| PowerFound::Commanded { verb, form, value })
            }
        }
    }
}
