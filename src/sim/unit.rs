//! One simulated device: its register image, made from its profile, and how it behaves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::bundle::profile::{
    Address, Class, Context, Direction, Form, Identity, LapsesTo, LeaseKind, PowerFound, Profile,
    RegisterType, Source, Verb,
};
use crate::bundle::sunspec::{self, BASES, END, MARKER};
use crate::quantity::Rat;

/// A device to be simulated.
#[derive(Debug, Clone)]
pub struct DeviceSpec {
    /// its name in the policy
    pub name: String,
    /// unit id on the bus
    pub unit: u8,
    /// its profile
    pub profile: Profile,
    /// the serial number that it shows
    pub serial: String,
    /// nameplate, kW and kWh; `power` decides what it can do
    pub ratings: BTreeMap<String, Rat>,
}

/// Where a point lies in the image, in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    input: bool,
    at: u16,
    size: u16,
}

/// A device in operation.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) spec: DeviceSpec,
    holding: BTreeMap<u16, u16>,
    input: BTreeMap<u16, u16>,
    writable: BTreeSet<u16>,
    spots: BTreeMap<String, Spot>,
    context: Context,
    /// when the lease's timer runs out
    lapses: Option<Duration>,
    /// last traffic to the unit, for watchdogs
    heard: Duration,
    changed: Duration,
    level: Rat,
    /// temperature of the room of a thermostat, K
    room: Rat,
    /// how many times as fast as real ones its timers run
    speed: u32,
    /// signed power into its bus, kW
    pub(super) power: Rat,
}

const THOUSAND: i64 = 1000;

impl Unit {
    pub(super) fn new(spec: DeviceSpec, now: Duration, speed: u32) -> Self {
        let context = Context { ratings: spec.ratings.clone(), ..Context::default() };
        let mut unit = Self {
            spec,
            holding: BTreeMap::new(),
            input: BTreeMap::new(),
            writable: BTreeSet::new(),
            spots: BTreeMap::new(),
            context,
            lapses: None,
            heard: now,
            changed: now,
            level: Rat::ratio(55, 100).unwrap_or_default(),
            room: room_at_first(),
            speed,
            power: Rat::ZERO,
        };
        unit.lay_out();
        unit.start_values();
        unit.advance(now, Rat::ZERO);
        unit
    }

    /// Lays out the chain of models and the single registers.
    fn lay_out(&mut self) {
        let profile = self.spec.profile.clone();
        let mut models: BTreeSet<u16> = profile
            .points
            .values()
            .filter_map(|point| match point.at {
                Address::SunSpec { model, .. } => Some(model),
                Address::Input(_) | Address::Holding(_) => None,
            })
            .collect();
        if let Identity::Points(identity) = &profile.identity {
            models.extend(&identity.models);
        }
        let mut starts = BTreeMap::new();
        if !models.is_empty() {
            let mut at = BASES[0];
            for word in MARKER {
                self.holding.insert(at, word);
                at += 1;
            }
            for id in models {
                let Some(model) = sunspec::model(id) else { continue };
                starts.insert(id, at);
                for point in &model.points {
                    let words = match point.kind {
                        "int16" | "sunssf" | "pad" => [0x8000, 0],
                        "int32" => [0x8000, 0],
                        "string" | "acc32" | "acc16" => [0, 0],
                        _ => [0xFFFF, 0xFFFF],
                    };
                    for offset in 0..point.size {
                        let word = words.get(usize::from(offset % 2)).copied().unwrap_or_default();
                        self.holding.insert(at + point.offset + offset, word);
                        if point.writable {
                            self.writable.insert(at + point.offset + offset);
                        }
                    }
                }
                self.holding.insert(at, id);
                self.holding.insert(at + 1, model.registers() - 2);
                at += model.registers();
            }
            self.holding.insert(at, END);
            self.holding.insert(at + 1, 0);
        }
        for (name, point) in &profile.points {
            let wide = matches!(point.kind, Some(RegisterType::Uint32 | RegisterType::Int32));
            let spot = match &point.at {
                Address::Input(at) => Spot { input: true, at: *at, size: if wide { 2 } else { 1 } },
                Address::Holding(at) => Spot { input: false, at: *at, size: if wide { 2 } else { 1 } },
                Address::SunSpec { model, point: place } => {
                    let Some(layout) = sunspec::model(*model).and_then(|m| m.point(place)) else { continue };
                    let Some(start) = starts.get(model) else { continue };
                    if let Some(factor) = layout.scale_factor.and_then(|f| sunspec::model(*model)?.point(f)) {
                        let exponent = match &point.step {
                            None if layout.size == 1 && point.unit.as_deref() == Some("W") => {
                                let most = self.spec.ratings.get("max_power").cloned();
                                watts_exponent(&most.unwrap_or_else(|| self.rated()))
                            }
                            step => exponent_of(step.as_ref()),
                        };
                        self.holding.insert(start + factor.offset, exponent.to_be_bytes_word());
                        self.context.exponents.insert(name.clone(), exponent);
                    }
                    Spot { input: false, at: start + layout.offset, size: layout.size }
                }
            };
            self.spots.insert(name.clone(), spot);
            self.put(name, 0);
            if point.write {
                self.writable.extend(spot.at..spot.at + spot.size);
            }
        }
        if let Identity::Points(identity) = &profile.identity {
            let texts = [
                (&identity.maker, "Example".to_owned()),
                (&identity.model, profile.function.clone()),
                (&identity.serial, self.spec.serial.clone()),
            ];
            for (address, text) in texts {
                if let Some(Address::SunSpec { model, point }) = address
                    && let (Some(start), Some(layout)) =
                        (starts.get(model), sunspec::model(*model).and_then(|m| m.point(point)))
                {
                    let bytes: Vec<u8> =
                        text.bytes().chain(std::iter::repeat(0)).take(usize::from(layout.size) * 2).collect();
                    for (offset, pair) in (0..layout.size).zip(bytes.chunks_exact(2)) {
                        if let [high, low] = pair {
                            self.holding
                                .insert(start + layout.offset + offset, u16::from_be_bytes([*high, *low]));
                        }
                    }
                }
            }
        }
    }

    /// The state in which a device of this kind comes from its maker: connected, under its own
    /// control, guards at their loosest.
    fn start_values(&mut self) {
        let profile = self.spec.profile.clone();
        for verb in [Verb::Connect, Verb::On, Verb::Release] {
            if let Some(case) = profile.commands.iter().find(|case| case.verb == verb) {
                for set in &case.set {
                    if let Source::Raw(raw) = set.source {
                        self.put(&set.point, raw);
                    }
                }
            }
        }
        let rated = self.rated();
        for (name, point) in &profile.points {
            if point.of.is_none() && profile.points.values().any(|p| p.of.as_deref() == Some(name.as_str())) {
                let own = self.spec.ratings.get(name).cloned().unwrap_or_else(|| rated.clone());
                self.put_value(name, &own);
                self.refer(name);
            }
        }
        for (name, point) in &profile.points {
            if point.write && point.of.is_some() {
                self.put_value(name, &rated);
            }
        }
        if profile.lease.kind == LeaseKind::Watchdog
            && let Some(timer) = &profile.lease.timer
        {
            self.put_value(timer, &Rat::int(15));
        }
        if let Some(level) = profile.measures.get("charge_level") {
            let level = level.point.clone();
            self.put_value(&level, &self.level.clone());
        }
        if let Some(name) = setpoint_point(&profile) {
            self.put_temperature(&name, &room_at_first());
        }
        if !profile.commands.iter().any(|case| case.verb == Verb::Release)
            && let Some(set) = value_point(&profile)
        {
            // nobody commands it yet: what the device does when left alone
            self.put_value(&set, &self.fallback());
        }
        for guard in &profile.arm {
            if Some(&guard.point) != profile.lease.timer.as_ref() && guard.at_most.is_some() {
                let fallback = self.fallback();
                self.put_value(&guard.point, &fallback);
            }
        }
    }

    fn rated(&self) -> Rat {
        self.spec.ratings.get("power").cloned().unwrap_or_else(|| {
            self.spec.profile.ratings.get("power").map_or(Rat::int(10), |power| power.value.clone())
        })
    }

    fn fallback(&self) -> Rat {
        use crate::bundle::profile::Level;
        match self.spec.profile.fail_safe.as_ref().map(|safe| &safe.power) {
            Some(Level::Power(power)) => power.value.clone(),
            Some(Level::Rated) | None => self.rated(),
        }
    }

    fn raws(&self) -> BTreeMap<String, i64> {
        let raw =
            |(name, spot): (&String, &Spot)| Some((name.clone(), self.signed(name, self.number(*spot)?)));
        self.spots.iter().filter_map(raw).collect()
    }

    /// A number of its registers as its type says.
    fn signed(&self, name: &str, number: i64) -> i64 {
        match self.spec.profile.point(name).and_then(|point| point.kind) {
            Some(RegisterType::Int16) => number.wrapping_shl(48).wrapping_shr(48),
            Some(RegisterType::Int32) => number.wrapping_shl(32).wrapping_shr(32),
            _ => number,
        }
    }

    fn number(&self, spot: Spot) -> Option<i64> {
        let table = if spot.input { &self.input } else { &self.holding };
        (0..spot.size.min(2)).try_fold(0_i64, |n, i| Some(n << 16 | i64::from(*table.get(&(spot.at + i))?)))
    }

    fn put(&mut self, name: &str, number: i64) {
        let Some(spot) = self.spots.get(name).copied() else { return };
        let table = if spot.input { &mut self.input } else { &mut self.holding };
        for index in 0..spot.size {
            let shift = 16 * u32::from(spot.size - 1 - index);
            table
                .insert(spot.at + index, u16::try_from(number >> shift.min(63) & 0xFFFF).unwrap_or_default());
        }
    }

    fn put_value(&mut self, name: &str, value: &Rat) {
        let raw = self
            .spec
            .profile
            .count_value(name, &self.context)
            .ok()
            .and_then(|count| value.checked_div(&count)?.floor().to_i64());
        if let Some(raw) = raw {
            self.put(name, raw);
        }
    }

    /// Where a point of the profile lies, for faults.
    pub(super) fn spot(&self, point: &str) -> Option<(u16, u16)> {
        self.spots.get(point).map(|spot| (spot.at, spot.size))
    }

    /// Value of a point's registers.
    pub(super) fn peek(&self, point: &str) -> Option<i64> {
        self.spots.get(point).and_then(|spot| self.number(*spot))
    }

    /// Sets a point from the device's own side.
    pub(super) fn poke(&mut self, point: &str, raw: i64) {
        self.put(point, raw);
        self.refer(point);
    }

    /// What other registers are shares of is what the device's own register says, as on a real one.
    fn refer(&mut self, name: &str) {
        let profile = &self.spec.profile;
        let shares = profile.points.values().any(|point| point.of.as_deref() == Some(name));
        let measured = profile.measures.values().any(|measure| measure.point == name);
        if !shares || measured {
            return;
        }
        self.context.ratings.remove(name);
        if let Some(Ok(own)) = self.peek(name).map(|raw| profile.value_of(name, raw, &self.context)) {
            self.context.readings.insert(name.to_owned(), own);
        }
    }

    /// Lets time pass: timers run out, the plant follows. `others` is what all other devices on the
    /// gateway give, kW, which a meter shows.
    pub(super) fn advance(&mut self, now: Duration, others: Rat) -> Option<String> {
        let mut event = None;
        if self.lapses.is_some_and(|lapses| now >= lapses) {
            self.lapses = None;
            self.revert();
            event = Some("reverted".to_owned());
        }
        let hours = (&Rat::int(i64::try_from(now.saturating_sub(self.changed).as_millis()).unwrap_or(0))
            * &Rat::from(self.speed))
            .checked_div(&Rat::int(THOUSAND * 3600))
            .unwrap_or_default();
        self.changed = now;
        self.power = match self.spec.profile.class {
            Class::Meter | Class::Control => -&others,
            _ => self.follow(now, &hours, &(&others - &self.power)),
        };
        self.show();
        self.keep(now, &hours);
        event
    }

    fn revert(&mut self) {
        let profile = self.spec.profile.clone();
        if profile.lease.to == LapsesTo::FailSafe {
            if let Some(value) = value_point(&profile) {
                let guard = profile.arm.iter().find(|guard| guard.at_most.is_some());
                let raw = guard.and_then(|guard| self.peek(&guard.point)).unwrap_or_default();
                self.put(&value, raw);
            }
        } else if let Some(case) = profile.commands.iter().find(|case| case.verb == Verb::Release) {
            for set in &case.set {
                if let Source::Raw(raw) = set.source {
                    self.put(&set.point, raw);
                }
            }
        }
    }

    /// Whether the watchdog has run out.
    fn lapsed(&self, now: Duration) -> bool {
        let profile = &self.spec.profile;
        let timer = profile.lease.timer.as_ref().filter(|_| profile.lease.kind == LeaseKind::Watchdog);
        let limit = timer.and_then(|timer| profile.value_of(timer, self.peek(timer)?, &self.context).ok());
        let Some(limit) = limit.filter(|limit| !limit.is_zero()) else { return false };
        let silent = Rat::int(i64::try_from(now.saturating_sub(self.heard).as_millis()).unwrap_or(i64::MAX));
        &silent * &Rat::from(self.speed) > &limit * &Rat::int(THOUSAND)
    }

    /// What the watchdog lets through, if it has run out.
    fn cut(&self, now: Duration) -> Option<Rat> {
        let profile = &self.spec.profile;
        let timer = profile.lease.timer.as_ref().filter(|_| self.lapsed(now))?;
        let guard = profile.arm.iter().find(|guard| guard.at_most.is_some() && guard.point != *timer)?;
        profile.value_of(&guard.point, self.peek(&guard.point)?, &self.context).ok()
    }

    /// Signed power into the bus that the commands make of what the device could do; `others` is what all
    /// others on the gateway give.
    fn follow(&mut self, now: Duration, hours: &Rat, others: &Rat) -> Rat {
        let profile = self.spec.profile.clone();
        let found = profile.decode(&self.raws(), &self.context);
        let rated = self.rated();
        if found.connected == Some(false) || found.on == Some(false) {
            return Rat::ZERO;
        }
        let sign = if profile.class == Class::Consumer { Rat::int(-1) } else { Rat::ONE };
        // the sun gives four fifths of what is installed; a consumer takes what it may
        let free = match profile.class {
            Class::Producer => &rated * &Rat::ratio(4, 5).unwrap_or_default(),
            Class::Storage => Rat::ZERO,
            _ => rated.clone(),
        };
        let power = match found.power {
            PowerFound::Released | PowerFound::Unknown => &free * &sign,
            PowerFound::Commanded { verb: Verb::Charge, value, .. } => -&value,
            PowerFound::Commanded { verb: Verb::Follow, value, .. } => {
                let wanted = &-others - &value;
                let (least, most) = match profile.class {
                    Class::Storage => (-&rated, rated.clone()),
                    Class::Consumer => (-&rated, Rat::ZERO),
                    _ => (Rat::ZERO, free.clone()),
                };
                Rat::max_of(&least, &Rat::min_of(&wanted, &most))
            }
            PowerFound::Commanded { verb: Verb::Discharge | Verb::Idle, value, .. } => value,
            PowerFound::Commanded { value, .. } => {
                let value = self.cut(now).map_or(value.clone(), |cut| Rat::min_of(&cut, &value));
                &Rat::min_of(&value, &free) * &sign
            }
        };
        if profile.class != Class::Storage {
            return power;
        }
        let capacity = self.spec.ratings.get("capacity").cloned().unwrap_or_else(|| Rat::int(10));
        let change = (&power * hours).checked_div(&capacity).unwrap_or_default();
        let level = &self.level - &change;
        let full = level >= Rat::ONE && power.is_negative();
        let empty = level <= Rat::ZERO && power.is_positive();
        if full || empty {
            return Rat::ZERO;
        }
        self.level = level;
        power
    }

    /// What a thermostat keeps, and a room that follows it by two degrees an hour: the setpoint in its
    /// register while that is commanded and its watchdog hears of anybody, its own one otherwise.
    fn keep(&mut self, now: Duration, hours: &Rat) {
        let profile = self.spec.profile.clone();
        let Some(name) = setpoint_point(&profile) else { return };
        let remote = profile.decode(&self.raws(), &self.context).setpoint.filter(|_| !self.lapsed(now));
        let kept = remote.unwrap_or_else(room_at_first);
        let way = hours * &Rat::int(2);
        let room = Rat::max_of(&(&self.room - &way), &Rat::min_of(&(&self.room + &way), &kept));
        self.room = room.clone();
        if let Some(measure) = profile.measures.get("temperature") {
            self.put_temperature(&measure.point, &room);
        }
        if let Some(effect) = profile.point(&name).and_then(|point| point.in_effect.as_ref()) {
            self.put_temperature(&effect.point, &kept);
        }
    }

    fn put_temperature(&mut self, name: &str, kelvin: &Rat) {
        if let Ok(raw) = self.spec.profile.counts(name, kelvin, Form::Fixed, &self.context) {
            self.put(name, raw);
        }
    }

    /// Puts what is measured into its registers.
    fn show(&mut self) {
        let profile = self.spec.profile.clone();
        if let Some(measure) = profile.measures.get("power") {
            let shown =
                if measure.direction == Some(Direction::Consume) { -&self.power } else { self.power.clone() };
            self.put_value(&measure.point, &shown);
        }
        if let Some(measure) = profile.measures.get("charge_level") {
            let level = self.level.clone();
            self.put_value(&measure.point, &level);
        }
        let setpoint = setpoint_point(&profile);
        let powers = profile.points.iter().filter(|(name, _)| Some(*name) != setpoint.as_ref());
        let effects: Vec<_> = powers.filter_map(|(_, point)| point.in_effect.clone()).collect();
        for effect in effects {
            let flowing = self.power.abs();
            self.put_value(&effect.point, &flowing);
            if let Some(when) = &effect.only_when
                && let Some(active) = when.is.first()
            {
                self.put(&when.point, if flowing.is_zero() { active - 3 } else { *active });
            }
        }
        if let Some(remaining) = &profile.lease.remaining {
            let left = self.lapses.map_or(0, |lapses| lapses.saturating_sub(self.changed).as_secs());
            self.put(remaining, i64::try_from(left).unwrap_or_default());
        }
    }

    /// Marks traffic to the unit, which is what watchdogs listen to.
    pub(super) fn hear(&mut self, now: Duration) {
        self.heard = now;
    }

    /// Reads registers; `None`: not all of them exist.
    pub(super) fn read(&self, input: bool, at: u16, count: u16) -> Option<Vec<u16>> {
        let table = if input { &self.input } else { &self.holding };
        (0..count).map(|index| table.get(&at.checked_add(index)?).copied()).collect()
    }

    /// Writes registers; the Modbus exception if it is refused.
    pub(super) fn write(&mut self, at: u16, words: &[u16], now: Duration) -> Result<(), u8> {
        let places: Vec<u16> =
            (0..words.len()).filter_map(|i| at.checked_add(u16::try_from(i).ok()?)).collect();
        if places.len() != words.len() || !places.iter().all(|place| self.writable.contains(place)) {
            return Err(2);
        }
        let raws = self.raws();
        let profile = self.spec.profile.clone();
        if profile.refuse_when.iter().any(|c| raws.get(&c.point).is_some_and(|raw| c.holds(*raw))) {
            return Err(4);
        }
        for (place, word) in places.iter().zip(words) {
            self.holding.insert(*place, *word);
        }
        for (name, point) in &profile.points {
            let Some(spot) = self.spots.get(name).copied().filter(|spot| !spot.input) else { continue };
            let touched = places.iter().any(|place| (spot.at..spot.at + spot.size).contains(place));
            if let (true, Some(range), Some(raw)) = (touched, &point.range, self.number(spot)) {
                self.bring_into(name, range, raw);
            }
        }
        self.restart_timer(&profile, &places, now);
        Ok(())
    }

    /// A value between two ranges falls to the lower one, as wallboxes do.
    fn bring_into(&mut self, name: &str, range: &crate::bundle::profile::Spans, raw: i64) {
        let Some(step) = self.spec.profile.point(name).and_then(|point| point.scale.clone()) else { return };
        let value = &step * &Rat::int(self.signed(name, raw));
        if let Some(taken) = range.at_most(&value)
            && let Some(raw) = taken.checked_div(&step).and_then(|raw| raw.to_i64())
        {
            self.put(name, raw);
        }
    }

    fn restart_timer(&mut self, profile: &Profile, places: &[u16], now: Duration) {
        let Some(timer) = profile.lease.timer.as_ref().filter(|_| profile.lease.kind == LeaseKind::Reversion)
        else {
            return;
        };
        let leased = |case: &&crate::bundle::profile::Case| case.set.iter().any(|set| set.point == *timer);
        let touched = profile.commands.iter().filter(leased).flat_map(|case| &case.set).any(|set| {
            self.spots
                .get(&set.point)
                .is_some_and(|spot| places.iter().any(|place| (spot.at..spot.at + spot.size).contains(place)))
        });
        if touched {
            let seconds =
                self.peek(timer).and_then(|raw| u32::try_from(raw).ok()).filter(|s| *s != 0 && *s != 0xFFFF);
            self.lapses = seconds.map(|seconds| now + Duration::from_secs(u64::from(seconds)) / self.speed);
        }
    }
}

/// The point that holds the setpoint.
fn setpoint_point(profile: &Profile) -> Option<String> {
    let case = profile.commands.iter().find(|case| case.verb == Verb::Setpoint)?;
    case.set.iter().find(|set| set.source == Source::Value).map(|set| set.point.clone())
}

/// 20 degC: what a thermostat keeps that nobody commands, and the temperature of its room.
fn room_at_first() -> Rat {
    Rat::ratio(29_315, 100).unwrap_or_default()
}

/// The point that holds the commanded power.
fn value_point(profile: &Profile) -> Option<String> {
    let powers = profile.commands.iter().filter(|case| !matches!(case.verb, Verb::Setpoint | Verb::Follow));
    powers.flat_map(|case| &case.set).find(|set| set.source == Source::Value).map(|set| set.point.clone())
}

/// The power of ten of a step such as 0.1; 0 where none is declared.
fn exponent_of(step: Option<&Rat>) -> i16 {
    let Some(step) = step else { return 0 };
    (-10..=10).find(|exponent| Context::ten_to(*exponent).as_ref() == Some(step)).unwrap_or(0)
}

/// The power of ten by which one signed register holds a rating in kW and a fifth more, as watts.
fn watts_exponent(rated: &Rat) -> i16 {
    let watts = rated * &Rat::int(1_200);
    let fits = |exponent: &i16| {
        Context::ten_to(*exponent).is_some_and(|ten| watts <= &ten * &Rat::int(i64::from(i16::MAX)))
    };
    (0..=6).find(fits).unwrap_or(6)
}

trait AsWord {
    fn to_be_bytes_word(self) -> u16;
}

impl AsWord for i16 {
    fn to_be_bytes_word(self) -> u16 {
        u16::from_be_bytes(self.to_be_bytes())
    }
}
