//! What devices can do, whatever the rules say: ranges, exclusive directions, contents, switching.

use super::Case;
use super::fix::Interval;
use super::miss::{Miss, Misses};
use super::simulate::{Run, Trajectory};
use super::state::{freezing, table};
use super::units::Commands;
use crate::bundle::register_step;
use crate::ir::{Attr, Consumer, Device, Family, Model, Need, SigRef, Statement, Store, ZoneId};
use crate::quantity::Rat;

/// One unit under examination.
struct Check<'c, 'a> {
    case: &'c Case<'a>,
    commands: &'c Commands<'a>,
    run: &'c Run,
    family: &'c Family,
    name: String,
}

/// Everything that the devices of a plan cannot do.
pub(super) fn check(case: &Case<'_>, commands: &Commands<'_>, trajectory: &Trajectory, out: &mut Misses) {
    for run in &trajectory.runs {
        let Some(family) = case.site.family(run.unit.family) else { continue };
        if super::excluded::is(case, run.unit.first()) {
            continue; // nothing is commanded, and where it is nobody knows
        }
        let name = case.site.device_name(run.unit.first());
        let check = Check { case, commands, run, family, name };
        match &family.model {
            Model::Store(store) => {
                check.law(out);
                check.store(store, trajectory, out);
            }
            Model::Renewable { rated, must_take, .. } => {
                check.law(out);
                check.renewable(rated, *must_take, out);
            }
            Model::Generator { minimum, ramp, min_up_s, min_down_s, .. } => {
                check.law(out);
                check.pieces(&Attr::Power, out);
                check.generator(minimum, ramp.as_ref(), out);
                check.switching(*min_up_s, *min_down_s, out);
            }
            Model::Consumer(consumer) => check.consumer(consumer, out),
            // the balancing grid is checked with the limits of the network
            Model::Grid { .. } => check.grid(out),
            Model::Control { .. } | Model::Slot { .. } => {}
        }
    }
    zones(case, trajectory, out);
    setpoints(case, commands, trajectory, out);
}

impl Check<'_, '_> {
    fn miss(&self, step: usize, message: String) -> Miss {
        Miss::at(step, &self.name, message).by(Statement::Device(self.family.id), self.family.span)
    }

    fn values(&self, attr: &Attr) -> &[Interval] {
        self.run.powers.get(attr).map(Vec::as_slice).unwrap_or_default()
    }

    /// Commanded and resting powers lie in the pieces of the physical range, member by member.
    fn pieces(&self, attr: &Attr, out: &mut Misses) {
        let Some(pieces) = self.family.ranges.get(attr) else { return };
        let bounds: Vec<(Interval, Interval)> = pieces
            .iter()
            .filter_map(|(lo, hi)| Some((Interval::of(lo).ok()?, Interval::of(hi).ok()?)))
            .collect();
        let inside = |value: Interval| bounds.iter().any(|(lo, hi)| lo.at_most(value) && value.at_most(*hi));
        let mut seen: Option<Interval> = None;
        for step in 0..self.case.steps.len() {
            for value in self.each(attr, step) {
                // values repeat from step to step
                if seen == Some(value) {
                    continue;
                }
                if inside(value) {
                    seen = Some(value);
                } else {
                    let message = format!(
                        "`{}` cannot have {} {} kW: its range is {}",
                        self.name,
                        attr.name(),
                        value.recorded(),
                        words(pieces)
                    );
                    out.push("range", self.miss(step, message));
                }
            }
        }
    }

    /// The different powers of the members in one step.
    fn each(&self, attr: &Attr, step: usize) -> Vec<Interval> {
        if let Some(group) = self.run.unit.group.and_then(|g| self.commands.group(g)) {
            let running = u64::from(group.running.get(step).copied().unwrap_or(0));
            let places = [Some(0), running.checked_sub(1), Some(running)];
            let counts = places.into_iter().flatten().filter(|p| *p < self.run.unit.count);
            let mut values: Vec<Interval> = counts
                .filter_map(|place| Interval::steps(&group.step, group.count(place, step)?).ok())
                .collect();
            values.dedup();
            return values;
        }
        let total = self.run.power(attr, step);
        match i128::from(self.run.unit.count) {
            count if count > 1 => total.scaled(1, count).into_iter().collect(),
            _ => vec![total],
        }
    }

    fn store(&self, store: &Store, trajectory: &Trajectory, out: &mut Misses) {
        self.pieces(&Attr::Charge, out);
        self.pieces(&Attr::Discharge, out);
        let (charge, discharge) = (self.values(&Attr::Charge), self.values(&Attr::Discharge));
        let follows = self.commands.following.get(&self.run.unit.first());
        for (step, (c, d)) in charge.iter().zip(discharge).enumerate() {
            // what follows has one power, whose sign says which way it goes
            let one = follows.is_some_and(|series| series.target(step).is_some());
            if !one && c.may_be_positive() && d.may_be_positive() {
                let message = format!("`{}` charges and discharges at once", self.name);
                out.push("exclusive", self.miss(step, message));
            }
        }
        let Some(content) = trajectory.contents.get(&self.run.unit.first()) else { return };
        let (least, most) = (&store.level_min * &store.capacity, &store.level_max * &store.capacity);
        let Ok(outside) = content.outside(&least, &most) else { return };
        for step in outside {
            // a content that is outside at the start has to come back, and is inside from then on
            let coming_back = (0..=step).all(|s| match (content.before(s), content.after(s)) {
                (Some(before), Some(after)) => {
                    let (low, high) = (before.lo() < least, before.hi() > most);
                    (low || high)
                        && (!low || after.lo() >= before.lo())
                        && (!high || after.hi() <= before.hi())
                        && (low || after.lo() >= least)
                        && (high || after.hi() <= most)
                }
                _ => false,
            });
            let found = content.after(step).unwrap_or_default();
            let beyond = found.lo().is_negative() || found.hi() > store.capacity;
            if beyond || !coming_back {
                let message = format!(
                    "`{}` would hold {} kWh, its limits are {least} .. {most} kWh",
                    self.name,
                    found.recorded()
                );
                out.push("content", self.miss(step, message));
            }
        }
    }

    fn renewable(&self, rated: &Rat, must_take: bool, out: &mut Misses) {
        let Some(series) = self.commands.of(self.run.unit.first(), &Attr::Power) else { return };
        let Some(available) = &self.run.available else { return };
        for (step, (count, available)) in series.counts.iter().zip(available).enumerate() {
            let Ok(value) = Interval::steps(&series.step, *count) else { continue };
            if *count < 0 || Interval::of(rated).is_ok_and(|rated| !value.at_most(rated)) {
                let message = format!("`{}` cannot give {} kW", self.name, value.recorded());
                out.push("range", self.miss(step, message));
            }
            if must_take && !available.at_most(value) {
                out.push(
                    "must-take",
                    self.miss(step, format!("`{}` is curtailed but must be taken", self.name)),
                );
            }
        }
    }

    fn generator(&self, minimum: &Rat, ramp: Option<&Rat>, out: &mut Misses) {
        let values = self.values(&Attr::Power);
        let Ok(least) = Interval::of(minimum) else { return };
        for (step, value) in values.iter().enumerate() {
            if value.may_be_positive() && !least.at_most(*value) {
                let message =
                    format!("`{}` runs at {} kW, its least is {minimum} kW", self.name, value.recorded());
                out.push("minimum", self.miss(step, message));
            }
        }
        let Some(ramp) = ramp else { return };
        let mut last = match self.case.state.power(self.case.site, self.run.unit.first()) {
            Ok(power) => Interval::of(&power).ok(),
            Err(missing) => {
                out.push("power", Miss::plan(&self.name, missing.message));
                None
            }
        };
        for (step, (value, length)) in values.iter().zip(self.case.steps).enumerate() {
            let most = Interval::of(&(ramp * &length.hours()));
            if let (Some(last), Ok(most)) = (last, most)
                && let (Ok(up), Ok(down)) = (value.minus(last), last.minus(*value))
                && !(up.at_most(most) && down.at_most(most))
            {
                let message = format!(
                    "`{}` goes from {} kW to {} kW, its ramp is {ramp} kW/h",
                    self.name,
                    last.recorded(),
                    value.recorded()
                );
                out.push("ramp", self.miss(step, message));
            }
            last = Some(*value);
        }
    }

    /// Least times of running and standing still.
    fn switching(&self, min_up_s: i64, min_down_s: i64, out: &mut Misses) {
        if (min_up_s == 0 && min_down_s == 0) || self.run.unit.count != 1 {
            return;
        }
        let state = self.case.state.switched(self.case.site, self.run.unit.first());
        let Some(first) = self.case.steps.first() else { return };
        let (mut on, mut since) = match state {
            Ok(switched) => (switched.on, switched.since),
            Err(missing) => {
                out.push("switched", Miss::plan(&self.name, missing.message));
                return;
            }
        };
        let _start = first;
        for (step, (value, length)) in self.values(&Attr::Power).iter().zip(self.case.steps).enumerate() {
            let now = value.may_be_positive();
            if now == on {
                continue;
            }
            let (least, word) = if on { (min_up_s, "runs") } else { (min_down_s, "stands still") };
            let lasted = length.start.since(since);
            if lasted < least {
                let message = format!("`{}` {word} for {lasted} s only, at least {least} s", self.name);
                out.push("switching", self.miss(step, message));
            }
            (on, since) = (now, length.start);
        }
    }

    fn consumer(&self, consumer: &Consumer, out: &mut Misses) {
        let served = matches!(consumer.need, Need::Load(_))
            && self.commands.of(self.run.unit.first(), &Attr::Power).is_none();
        if !served {
            self.pieces(&Attr::Power, out);
        }
        self.need(consumer, out);
        if consumer.on_off {
            let full = self.family.hull(&Attr::Power).map_or(Rat::ZERO, |(_, hi)| hi);
            for step in 0..self.case.steps.len() {
                for value in self.each(&Attr::Power, step) {
                    if value != Interval::ZERO && Interval::of(&full) != Ok(value) {
                        let message = format!(
                            "`{}` is on at {full} kW or off, not at {} kW",
                            self.name,
                            value.recorded()
                        );
                        out.push("on-off", self.miss(step, message));
                    }
                }
            }
        }
        self.law(out);
        self.switching(consumer.min_up_s, consumer.min_down_s, out);
        if !consumer.capacity.is_empty() {
            self.capacity(consumer, out);
        }
        if consumer.sessions.is_some() {
            self.sessions(out);
        }
    }

    /// Needs are served exactly, unless they may be shed.
    fn need(&self, consumer: &Consumer, out: &mut Misses) {
        if self.commands.of(self.run.unit.first(), &Attr::Power).is_none() {
            return;
        }
        let Some(needs) = needs(self.case, self.run, consumer) else { return };
        let shed = consumer.shed_class.is_some() || consumer.shed_price.is_some();
        let step_size = register_step(self.family, &Attr::Power);
        for (step, (value, need)) in self.values(&Attr::Power).iter().zip(needs).enumerate() {
            // a command is a multiple of the register's step: the need is served to within one
            let near = Interval::of(&step_size).unwrap_or_default();
            let enough = need.minus(near).is_ok_and(|least| least.at_most(*value));
            let not_more = need.plus(near).is_ok_and(|most| value.at_most(most));
            if !not_more || (!shed && !enough) {
                let message = format!(
                    "`{}` is given {} kW and needs {} kW",
                    self.name,
                    value.recorded(),
                    need.recorded()
                );
                out.push("need", self.miss(step, message));
            }
        }
    }

    /// The device law: on where there is power, none where it is off or not connected.
    fn law(&self, out: &mut Misses) {
        let device = self.run.unit.first();
        for attr in [Attr::On, Attr::Connected] {
            let Some(series) = self.commands.of(device, &attr) else { continue };
            let powers = self.run.powers.values();
            for (step, on, value) in powers.flat_map(|values| {
                series.counts.iter().zip(values).enumerate().map(|(step, (on, value))| (step, on, value))
            }) {
                if *on == 0 && value.may_be_positive() {
                    let message = format!("`{}` has power while `{}` is off", self.name, attr.name());
                    out.push("law", self.miss(step, message));
                }
            }
        }
    }

    fn capacity(&self, consumer: &Consumer, out: &mut Misses) {
        let zone = consumer.heats.or(consumer.cools).and_then(|z| self.case.site.zone(z));
        let Some(outdoor) =
            zone.and_then(|z| z.outdoor).and_then(|id| self.case.given.means(&SigRef::Only(id)))
        else {
            return;
        };
        for (step, outdoor) in outdoor.iter().enumerate() {
            let Some(most) = table(&consumer.capacity, outdoor) else { continue };
            for value in self.each(&Attr::Power, step) {
                if Interval::of(&most).is_ok_and(|most| !value.at_most(most)) {
                    let message = format!(
                        "`{}` takes {} kW, at this outdoor temperature its most is {} kW",
                        self.name,
                        value.recorded(),
                        most.to_decimal(6)
                    );
                    out.push("capacity", self.miss(step, message));
                }
            }
        }
    }

    /// A charger has power only while a vehicle is there, and no more than it takes.
    fn sessions(&self, out: &mut Misses) {
        let stays: Vec<_> = self.case.sessions.iter().filter(|s| s.device == self.name).collect();
        for (step, (value, length)) in self.values(&Attr::Power).iter().zip(self.case.steps).enumerate() {
            if !value.may_be_positive() {
                continue;
            }
            let here = stays.iter().find(|s| s.arrival <= length.start && length.end <= s.departure);
            let Some(stay) = here else {
                let message = format!("`{}` has power while no vehicle is there", self.name);
                out.push("session", self.miss(step, message));
                continue;
            };
            if let Some(most) = &stay.power
                && Interval::of(most).is_ok_and(|most| !value.at_most(most))
            {
                let message =
                    format!("`{}` gives {} kW, the vehicle takes {most} kW", self.name, value.recorded());
                out.push("vehicle", self.miss(step, message));
            }
        }
        for stay in stays {
            let Some(room) = &stay.room else { continue };
            let Some(room) = super::carried::left(self.case, self.run.unit.first(), stay, room, out) else {
                continue;
            };
            let mut energy = Interval::ZERO;
            let mut last = 0;
            for (step, (value, length)) in self.values(&Attr::Power).iter().zip(self.case.steps).enumerate() {
                if stay.arrival <= length.start && length.end <= stay.departure {
                    let part = value.times(&length.hours()).unwrap_or_default();
                    energy = energy.plus(part).unwrap_or_default();
                    last = step;
                }
            }
            if Interval::of(&room).is_ok_and(|room| !energy.at_most(room)) {
                let message = format!(
                    "`{}` gives {} kWh, the vehicle has room for {room} kWh",
                    self.name,
                    energy.recorded()
                );
                out.push("room", self.miss(last, message));
            }
        }
    }

    fn grid(&self, out: &mut Misses) {
        let device: Device = self.run.unit.first();
        let commanded = [Attr::Import, Attr::Export].iter().any(|a| self.commands.of(device, a).is_some());
        if commanded {
            self.pieces(&Attr::Import, out);
            self.pieces(&Attr::Export, out);
            for (step, (a, b)) in
                self.values(&Attr::Import).iter().zip(self.values(&Attr::Export)).enumerate()
            {
                if a.may_be_positive() && b.may_be_positive() {
                    out.push(
                        "exclusive",
                        self.miss(step, format!("`{}` imports and exports at once", self.name)),
                    );
                }
            }
        }
    }
}

/// What a consumer needs in each step; `None` where it has no need.
pub(super) fn needs(case: &Case<'_>, run: &Run, consumer: &Consumer) -> Option<Vec<Interval>> {
    match &consumer.need {
        Need::Load(signal) | Need::Needs(signal) => {
            let signal = super::units::signal_of(case, *signal, &run.unit);
            let values = case.given.means(&signal).unwrap_or_default();
            Some(values.iter().map(Interval::of).collect::<Result<Vec<_>, _>>().unwrap_or_default())
        }
        Need::Constant(power) => Some(vec![Interval::of(power).unwrap_or_default(); case.steps.len()]),
        Need::None => None,
    }
}

fn words(pieces: &[(Rat, Rat)]) -> String {
    let piece =
        |(lo, hi): &(Rat, Rat)| if lo == hi { format!("{lo} kW") } else { format!("{lo} .. {hi} kW") };
    pieces.iter().map(piece).collect::<Vec<_>>().join(" or ")
}

/// A zone is heated or cooled, never both, and stays inside its physical range.
fn zones(case: &Case<'_>, trajectory: &Trajectory, out: &mut Misses) {
    for zone in &case.site.zones {
        let active = |heats: bool, step: usize| {
            trajectory.runs.iter().any(|run| {
                let consumer = match case.site.family(run.unit.family).map(|f| &f.model) {
                    Some(Model::Consumer(consumer)) => consumer,
                    _ => return false,
                };
                let this = if heats { consumer.heats } else { consumer.cools };
                this == Some(zone.id) && run.power(&Attr::Power, step).may_be_positive()
            })
        };
        let Some(values) = trajectory.temperatures.get(&zone.id) else { continue };
        let range = (Interval::of(&zone.range.0), Interval::of(&zone.range.1));
        for (step, value) in values.iter().enumerate() {
            if active(true, step) && active(false, step) {
                let message = format!("`{}` is heated and cooled at once", zone.name);
                out.push(
                    "heat-cool",
                    Miss::at(step, &zone.name, message).by(Statement::Comfort(zone.id), zone.span),
                );
            }
            // found outside its range, a zone comes back
            let before = match step.checked_sub(1) {
                Some(before) => values.get(before).copied(),
                None => case.state.temperature(case.site, zone.id).ok().and_then(|t| Interval::of(&t).ok()),
            };
            let nearer = |lo: Interval, hi: Interval| {
                before.is_some_and(|before| {
                    (!lo.at_most(before) && before.at_most(*value))
                        || (!before.at_most(hi) && value.at_most(before))
                })
            };
            if let (Ok(lo), Ok(hi)) = range
                && !(lo.at_most(*value) && value.at_most(hi))
                && !nearer(lo, hi)
            {
                let celsius = value.recorded() - freezing();
                let message =
                    format!("`{}` would be at {celsius} degC, outside its physical range", zone.name);
                out.push(
                    "zone",
                    Miss::at(step, &zone.name, message).by(Statement::Comfort(zone.id), zone.span),
                );
            }
        }
    }
}

/// A setpoint that nothing follows is the temperature at the step's end, to one register step.
fn setpoints(case: &Case<'_>, commands: &Commands<'_>, trajectory: &Trajectory, out: &mut Misses) {
    let zero = freezing();
    let unsteered = |id: &ZoneId| super::steered::of(case, *id).is_none();
    for (zone, series) in commands.zones.iter().filter(|(id, _)| unsteered(id)) {
        let Some(values) = trajectory.temperatures.get(zone) else { continue };
        let name = case.site.zone(*zone).map_or("", |z| z.name.as_str());
        for (step, (count, value)) in series.counts.iter().zip(values).enumerate() {
            let setpoint = &(&series.step * &Rat::int(*count)) + &zero;
            if (&setpoint - &value.lo()).abs() > series.step && (&setpoint - &value.hi()).abs() > series.step
            {
                let message = format!("the setpoint of `{name}` is not its temperature at the step's end");
                out.push("setpoint", Miss::at(step, name, message));
            }
        }
    }
}
