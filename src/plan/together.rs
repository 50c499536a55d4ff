//! Joint rounding (planner.md 20): with everything switched as the optimum has it, every commanded
//! power becomes a whole number of register steps, over time and over devices at once, within every
//! peak, budget, limit, band and obligation of the model, for the least money and near to the optimum.

use super::exclusive;
use super::model::Aff;
use super::rounding::Command;
use super::setpoint::{Aim, Does, Track, Way, columns};
use super::solve::Solved;
use super::solver::{Col, Outcome, Program, Session, Solution, SolverOptions};
use super::thermal::FREEZING;
use crate::bundle::CommandForm;
use crate::ir::{Attr, Model, Need};

/// Below this, kW, the optimum means zero, and zero it stays.
const ZERO: f64 = 1e-7;
/// How far a value may move from the optimum, in the coarsest register's steps: what one device
/// rounds off another makes good, perhaps in another step.
const ROOM: f64 = 20.0;
/// Most commanded values; beyond them each device is rounded by itself.
const MOST: usize = 4_000;
/// Most nodes of the search: a limit on work that repeats.
const NODES: i32 = 10;
/// How many register steps a setpoint may move from the optimum's temperature.
const DEGREES: i64 = 4;
/// A setpoint of a step.
struct Told {
    command: usize,
    step: usize,
    /// Where the machines run in the optimum.
    runs: Option<Runs>,
}

/// What becomes of machines that run: they follow a whole step, give all they can, or rest.
#[derive(Debug, Clone, Copy)]
struct Runs {
    way: Way,
    /// Steps of the setpoint in that way.
    count: Col,
    /// Whether they follow it.
    follows: Col,
    /// Whether they give all they can.
    full: Col,
}
/// A commanded value that has to become whole.
struct Whole {
    command: usize,
    step: usize,
    count: Col,
}

/// The commands of a solution, rounded together to within `gap` currency of the optimum's money;
/// `None` where no such point is found, or the problem is too large to look for it.
pub(super) fn rounded(
    solved: &Solved<'_, '_>,
    alone: &[Command],
    gap: f64,
    options: &SolverOptions<'_>,
) -> Option<Vec<Command>> {
    let (model, x) = (&solved.model, &solved.climb.x);
    let mut program = model.program.clone();
    program.fix_integers(x);
    let swings = swings(solved, alone);
    exclusive::pin(&mut program, &model.pairs, x);
    let mut work = Work { solved, program, wholes: Vec::new(), told: Vec::new(), swings };
    work.breaches();
    work.ends(alone);
    let powers = |attr: &Attr| !matches!(attr, Attr::On | Attr::Setpoint);
    let coarsest = alone.iter().filter(|c| powers(&c.attr)).map(|c| c.step.to_f64()).fold(0.0, f64::max);
    for (place, command) in alone.iter().enumerate() {
        match command.attr {
            Attr::Setpoint => work.setpoint(place, command),
            _ => work.count(place, command, coarsest),
        }
        if work.wholes.len() + work.told.len() > MOST {
            return None;
        }
    }
    let options = SolverOptions { gap, nodes: NODES, share: 0.0, ..*options };
    for (_, level) in solved.breached().filter(|(_, level)| level.value(x) > ZERO) {
        let tier = SolverOptions { gap: level.gap, ..options };
        let least = solve(&work.program, &level.objective, &tier)?;
        let value = level.value(&least.x);
        work.program.at_most(level.objective.iter().copied(), value + level.gap);
    }
    let objective: Vec<(Col, f64)> = model.money.iter().map(|(_, col, v)| (*col, *v)).collect();
    let found = solve(&work.program, &objective, &options)?;
    let mut commands = alone.to_vec();
    for whole in &work.wholes {
        let slot = commands.get_mut(whole.command).and_then(|c| c.counts.get_mut(whole.step));
        if let (Some(slot), Some(count)) = (slot, found.x.get(whole.count.index())) {
            *slot = count.round() as i64;
        }
    }
    for (place, command) in commands.iter_mut().enumerate().filter(|(_, c)| c.attr == Attr::Setpoint) {
        let Some(track) = Track::of(solved, command.unit) else { continue };
        let value = |col: Col| found.x.get(col.index()).copied().unwrap_or(0.0);
        let states = model.temperatures.get(&track.zone());
        let of = |told: &Told| {
            let state = states.and_then(|states| states.get(told.step));
            let kelvin = state.map_or(FREEZING, |state| state.value(&found.x));
            match told.runs {
                Some(runs) if value(runs.follows) > 0.5 => {
                    Aim::Keeps(runs.way, value(runs.count).round() as i64, Does::Follows)
                }
                Some(runs) if value(runs.full) > 0.5 => track.full_power(runs.way, told.step, kelvin),
                Some(runs) => track.resting(runs.way, told.step),
                None => track.aim(told.step, kelvin),
            }
        };
        let mut wanted: Vec<Aim> =
            (0..).zip(&command.counts).map(|(t, count)| track.told(t, *count)).collect();
        for told in work.told.iter().filter(|told| told.command == place) {
            if let Some(slot) = wanted.get_mut(told.step) {
                *slot = of(told);
            }
        }
        command.counts = track.kept(|t| wanted.get(t).copied().unwrap_or(Aim::Floats));
    }
    Some(commands)
}

fn solve(program: &Program, objective: &[(Col, f64)], options: &SolverOptions<'_>) -> Option<Solution> {
    match Session::new(program, objective, options)?.solve() {
        Outcome::Solved(found) => Some(found),
        _ => None,
    }
}

struct Work<'w, 's, 'a> {
    solved: &'w Solved<'s, 'a>,
    program: Program,
    wholes: Vec<Whole>,
    told: Vec<Told>,
    /// kW that a step of the setpoints moves in each step, where what follows them runs.
    swings: Vec<f64>,
}

/// kW that a register step of the setpoints moves in each step, where what follows them runs.
fn swings(solved: &Solved<'_, '_>, alone: &[Command]) -> Vec<f64> {
    let mut found = vec![0.0; solved.model.scene.len()];
    for command in alone.iter().filter(|command| command.attr == Attr::Setpoint) {
        let Some(track) = Track::of(solved, command.unit) else { continue };
        for (t, swing) in found.iter_mut().enumerate() {
            let way = track.way(t).filter(|way| track.does(*way, t) != Does::Rests);
            *swing += way.map_or(0.0, |way| track.swing(way, t));
        }
    }
    found
}

impl Work<'_, '_, '_> {
    /// What the optimum does not break stays whole; the rest is minimised anew, level by level.
    fn breaches(&mut self) {
        for breach in &self.solved.model.breaches {
            let at = self.solved.climb.x.get(breach.col.index()).copied().unwrap_or(0.0);
            if at <= ZERO {
                let (lower, _) = self.program.bounds(breach.col);
                self.program.set_bounds(breach.col, lower, at.max(lower).max(0.0));
            }
        }
    }

    /// A store that balances its island ends as near to an exact level as the others' registers let it.
    fn ends(&mut self, alone: &[Command]) {
        let model = &self.solved.model;
        let site = model.scene.site;
        let family_of = |unit: usize| site.family(model.units.get(unit)?.members.first()?.family);
        for (unit, levels) in model.attrs.iter().filter(|((_, attr), _)| *attr == Attr::ChargeLevel) {
            let commanded = alone.iter().filter_map(|c| Some((family_of(c.unit)?, &c.attr)));
            let near = family_of(unit.0)
                .and_then(|family| super::terminal::balanced(site, &model.scene.steps, family, commanded));
            let last = levels.last().and_then(|level| level.terms.first());
            if let (Some(near), Some((col, _))) = (near, last) {
                let (lower, upper) = self.program.bounds(*col);
                let near = if lower == upper { near.to_f64() } else { 0.0 };
                self.program.set_bounds(*col, lower - near, upper + near);
            }
        }
    }

    /// A whole column for each value of a command that the optimum does not leave at zero.
    fn count(&mut self, place: usize, command: &Command, coarsest: f64) {
        let (model, x) = (&self.solved.model, &self.solved.climb.x);
        let Some(series) = model.attrs.get(&(command.unit, command.attr.clone())) else { return };
        if command.attr == Attr::On || self.is_need(command) {
            return; // switched, or served to within a register step
        }
        let size = command.step.to_f64();
        let device = model.units.get(command.unit).and_then(|u| u.members.first()).copied();
        let store = matches!(command.attr, Attr::Charge | Attr::Discharge);
        let widest = self.swings.iter().fold(ROOM * coarsest, |most, swing| most.max(*swing));
        for (t, power) in series.iter().enumerate() {
            if device.is_some_and(|device| super::follow::at(model, x, device, t).is_some()) {
                continue; // what it does follows from the others
            }
            let value = power.value(x);
            // a store makes good what a setpoint takes more or less
            let helps = store && self.swings.get(t).is_some_and(|swing| *swing > ZERO);
            let full = command.form == CommandForm::AtMost
                && power.column().is_some_and(|c| value >= model.program.bounds(c).1 - 1e-6);
            if (value <= ZERO && !helps) || full {
                // what is off stays off, what is not curtailed stays so
                for (col, _) in &power.terms {
                    let at = x.get(col.index()).copied().unwrap_or(0.0);
                    let (lower, upper) = self.program.bounds(*col);
                    let at = at.clamp(lower, upper);
                    self.program.set_bounds(*col, at, at);
                }
                continue;
            }
            let room = (if store { widest } else { ROOM * coarsest } / size).ceil().max(1.0);
            let value = value.max(0.0);
            let least = ((value / size).floor() - room).max(0.0);
            let count = self.program.integer(least, (value / size).ceil() + room);
            let whole = power.terms.iter().copied().chain([(count, -size)]);
            self.program.equal(whole, -power.constant);
            self.wholes.push(Whole { command: place, step: t, count });
        }
    }

    /// What rests stays at rest. What runs brings the zone to what a whole step keeps, gives all it can, or
    /// rests.
    fn setpoint(&mut self, place: usize, command: &Command) {
        let model = &self.solved.model;
        let Some(track) = Track::of(self.solved, command.unit) else { return };
        let Some(states) = model.temperatures.get(&track.zone()) else { return };
        for (t, state) in states.iter().enumerate() {
            let way = track.way(t);
            let running = way.filter(|way| track.does(*way, t) != Does::Rests);
            for other in [Way::Heats, Way::Cools].into_iter().filter(|other| Some(*other) != running) {
                for col in track.units(other, t).flat_map(|(unit, _)| columns(self.solved, unit, t)) {
                    let (lower, _) = self.program.bounds(col);
                    self.program.set_bounds(col, lower, lower);
                }
            }
            let runs = way.and_then(|way| self.way(&track, way, state, t, running.is_some()));
            self.told.push(Told { command: place, step: t, runs });
        }
    }

    /// A step in which the zone is moved this way.
    fn way(&mut self, track: &Track<'_>, way: Way, state: &Aff, t: usize, runs: bool) -> Option<Runs> {
        let (least, most) = track.bounds(way, t);
        let size = track.signed_step(way);
        // state = freezing + size x (steps - reach): at least `least` steps wherever the optimum is
        let steps: Vec<(Col, f64)> = state.terms.iter().map(|(col, v)| (*col, v / size)).collect();
        let zero = (state.constant - FREEZING) / size + track.reach();
        let optimum = track.keeping(way, track.optimum(t));
        if optimum >= least as f64 - ZERO {
            self.program.at_least(steps.iter().copied(), least as f64 - zero);
        }
        let near = optimum.floor() as i64;
        let (from, to) = ((near - DEGREES).max(least), (near + 1 + DEGREES).min(most));
        if !runs || from > to {
            return None;
        }
        let count = self.program.integer(from as f64, to as f64);
        let [follows, full] = [self.program.integer(0.0, 1.0), self.program.integer(0.0, 1.0)];
        self.program.at_most([(follows, 1.0), (full, 1.0)], 1.0);
        for (unit, capacity) in track.units(way, t) {
            let power = self.solved.model.attrs.get(&(unit, Attr::Power)).and_then(|series| series.get(t));
            let Some(power) = power else { continue };
            let own = || power.terms.iter().copied();
            self.program.at_most(own().chain([(follows, -capacity), (full, -capacity)]), -power.constant);
            self.program.at_least(own().chain([(full, -capacity)]), -power.constant);
        }
        // apart from a whole step only while they do not follow it
        let apart = (DEGREES + 1) as f64;
        let off = |sign: f64| {
            let own = steps.iter().map(move |(col, v)| (*col, sign * v));
            own.chain([(count, -sign), (follows, apart)]).collect::<Vec<_>>()
        };
        self.program.at_most(off(1.0), apart - zero);
        self.program.at_most(off(-1.0), apart + zero);
        Some(Runs { way, count, follows, full })
    }

    /// Whether the command is a need as it is served.
    fn is_need(&self, command: &Command) -> bool {
        let model = &self.solved.model;
        let first = model.units.get(command.unit).and_then(|u| u.members.first());
        let family = first.and_then(|d| model.scene.site.family(d.family));
        family.is_some_and(|f| matches!(&f.model, Model::Consumer(c) if c.need != Need::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{ClassId, End, RuleId, Statement};
    use crate::plan::scene::{Due, DueKind, Owner, PeakCharge};
    use crate::plan::testing::*;
    use crate::quantity::Rat;

    fn whole(solved: &Solved<'_, '_>, unit: usize, attr: Attr, step: &str) -> Command {
        let steps = solved.model.scene.len();
        let form = CommandForm::Fixed;
        Command { unit, attr, form, step: rat(step), counts: vec![0; steps], running: vec![1; steps] }
    }

    fn kw(command: &Command, t: usize) -> f64 {
        (&command.step * &Rat::int(command.counts[t])).to_f64()
    }

    #[test]
    fn several_devices_share_a_peak_that_each_would_round_beyond() {
        let mut s = site();
        let g = grid(&mut s, "10", "0");
        let cars: Vec<_> =
            ["a", "b", "c"].iter().map(|name| flexible(&mut s, name, &[("0", "3")], consumer())).collect();
        let mut scene = scene(&s, &[0.2, 0.2], 0.0);
        for (rule, car) in (0..).zip(&cars) {
            scene.dues.push(Due {
                owner: Owner { statement: Statement::Effect(RuleId(rule), 0), class: Some(ClassId(1)) },
                device: *car,
                kind: DueKind::Deliver(1.0),
                steps: 0..2,
                beyond: 0.0,
                whole: 1.0,
                wish: None,
                when: None,
            });
        }
        // 1.8 kW are paid for already: twelve counts of 0.3 kW, six in each hour
        scene.charges.push(PeakCharge {
            tariff: crate::ir::TariffId(0),
            charge: 0,
            month: 0,
            grid: g,
            price: 20.0,
            known: 1.8,
            intervals: vec![(vec![(0, 1.0)], 0.0), (vec![(1, 1.0)], 0.0)],
        });
        let solved = run(&scene).unwrap();
        let units: Vec<usize> = cars.iter().map(|car| solved.model.unit_of[car]).collect();
        let alone: Vec<Command> = units.iter().map(|u| whole(&solved, *u, Attr::Power, "0.3")).collect();
        let made = rounded(&solved, &alone, 0.0, &SolverOptions::default()).unwrap();
        for t in 0..2 {
            assert!(made.iter().map(|c| kw(c, t)).sum::<f64>() <= 1.8 + 1e-9, "{made:#?}");
        }
        for car in &made {
            assert!(kw(car, 0) + kw(car, 1) >= 1.0, "{made:#?}");
        }
    }

    #[test]
    fn a_finer_register_makes_good_what_a_coarser_one_rounds_off() {
        let mut s = site();
        let g = grid(&mut s, "10", "0");
        load(&mut s, "l", "2.5");
        let b = store(&mut s, "b", "10", "5", End::Free);
        let c = store(&mut s, "c", "10", "5", End::Free);
        let mut scene = scene(&s, &[0.2, 0.2], 0.0);
        scene.levels.insert(b, 0.9 / 0.81);
        scene.levels.insert(c, 1.3 / 0.81);
        scene.charges.push(PeakCharge {
            tariff: crate::ir::TariffId(0),
            charge: 0,
            month: 0,
            grid: g,
            price: 20.0,
            known: 1.7,
            intervals: vec![(vec![(0, 1.0)], 0.0), (vec![(1, 1.0)], 0.0)],
        });
        let solved = run(&scene).unwrap();
        let unit = |d| solved.model.unit_of[&d];
        let alone = [
            whole(&solved, unit(b), Attr::Discharge, "0.25"),
            whole(&solved, unit(c), Attr::Discharge, "0.01"),
        ];
        let made = rounded(&solved, &alone, 0.0, &SolverOptions::default()).unwrap();
        for t in 0..2 {
            let given: f64 = made.iter().map(|c| kw(c, t)).sum();
            assert!(given >= 0.8 - 1e-9, "{made:#?}");
        }
        assert!(kw(&made[0], 0) + kw(&made[0], 1) <= 0.9 / 0.81 * 0.9 + 1e-9, "{made:#?}");
    }
}
