//! Setpoints (planner.md 5): from the optimum's temperatures to whole register steps.
//!
//! Where machines run, the setpoint is the one that keeps the temperature at the step's end, rounded to the
//! comfortable side. Where they rest, it is the near edge of what is allowed, which keeps them at rest and
//! the room safe where the forecast errs; with machines for both sides, the step nearest to where the zone
//! floats. What the machines then take follows exactly, and is verified.

use super::model::Aff;
use super::registers::Told;
use super::rounding::Command;
use super::scene::{Pieces, Scene, What};
use super::solve::Solved;
use super::solver::Col;
use super::thermal::{FREEZING, Thermal};
use crate::bundle::{CommandForm, register_step};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Attr, Consumer, Family, FamilyId, Model, Site, Steered, Zone, ZoneId};

/// Below this, kW, the optimum means zero.
const ZERO: f64 = 1e-7;
/// How far a temperature may lie beyond a whole step and still be it, K.
const NEAR: f64 = 1e-6;
/// How far a machine stays from a limit of its power, in K at the step's end: beyond the verifier's last
/// digit.
const APART: f64 = 1e-9;

/// Setpoints that no plan commands yet.
///
/// # Errors
/// EVL1001 at each of them.
pub(super) fn refuse(site: &Site) -> Result<(), Diagnostics> {
    let finding = |refused: crate::ir::Unsteerable| {
        let message = format!("understood, not planned yet: {}", refused.what);
        Diagnostic::error(codes::NOT_PLANNED_YET, refused.span, message).help(refused.help)
    };
    let findings: Diagnostics = site.unsteerable().into_iter().map(finding).collect();
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// What the machines of one kind do in a step of the optimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Nothing.
    Rests,
    /// All that they can.
    Full,
    /// What the setpoint asks.
    Follows,
}

/// Which way a zone is moved. Setpoints and temperatures are counted in register steps from 0 degC in its
/// direction: upwards is warmer where it heats and colder where it cools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Warmer.
    Heats,
    /// Colder.
    Cools,
}

impl Way {
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Heats => 1.0,
            Self::Cools => -1.0,
        }
    }

    /// The register count of a number of steps in this direction.
    fn register(self, steps: i64) -> i64 {
        match self {
            Self::Heats => steps,
            Self::Cools => -steps,
        }
    }

    /// An interval of temperatures in this direction, K.
    fn turned(self, (lo, hi): (f64, f64)) -> (f64, f64) {
        match self {
            Self::Heats => (lo, hi),
            Self::Cools => (-hi, -lo),
        }
    }
}

/// What is wanted of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The zone floats between what heats and what cools it.
    Floats,
    /// A setpoint, in steps of its way.
    Keeps(Way, i64, Does),
}

/// A machine that follows the setpoint.
struct Machine<'t> {
    unit: usize,
    family: &'t Family,
    consumer: &'t Consumer,
    /// The optimum's powers, kW.
    powers: Vec<f64>,
    /// The least and the most that the rules let it take, kW.
    allowed: Vec<(f64, f64)>,
}

/// A steered zone on the steps of a solution.
pub(super) struct Track<'t> {
    scene: &'t Scene<'t>,
    thermal: Thermal<'t>,
    zone: &'t Zone,
    holder: &'t Family,
    heats: Vec<Machine<'t>>,
    cools: Vec<Machine<'t>>,
    /// K.
    step: f64,
    /// Half the dead band, K.
    half: f64,
    /// The optimum's temperatures, K.
    temperatures: Vec<f64>,
    /// K at the step's end of what the other machines do.
    others: Vec<f64>,
}

impl<'t> Track<'t> {
    /// The track of the zone that this unit's machine steers.
    pub(super) fn of(solved: &'t Solved<'_, '_>, unit: usize) -> Option<Self> {
        let model = &solved.model;
        let scene: &Scene<'_> = model.scene;
        let machine = model.units.get(unit)?.members.first()?.family;
        let steered = scene.steered.iter().find(|steered| steered.moves(machine))?;
        Self::steered(solved, steered)
    }

    fn steered(solved: &'t Solved<'_, '_>, steered: &Steered) -> Option<Self> {
        let model = &solved.model;
        let scene: &Scene<'_> = model.scene;
        let site = scene.site;
        let (zone, holder) = (site.zone(steered.zone)?, site.family(steered.holder)?);
        let x = &solved.climb.x;
        let values = |series: &[Aff]| series.iter().map(|aff| aff.value(x)).collect::<Vec<f64>>();
        let ends = |pieces: &Pieces| Some((pieces.first()?.0, pieces.last()?.1));
        let (mut heats, mut cools) = (Vec::new(), Vec::new());
        let thermal = Thermal::new(scene, zone);
        let mut others = vec![0.0; scene.len()];
        for (unit, members) in model.units.iter().enumerate() {
            let Some(family) = members.members.first().and_then(|device| site.family(device.family)) else {
                continue;
            };
            let Model::Consumer(consumer) = &family.model else { continue };
            let way = match (consumer.heats == Some(zone.id), consumer.cools == Some(zone.id)) {
                (true, _) => Way::Heats,
                (_, true) => Way::Cools,
                _ => continue,
            };
            let Some(series) = model.attrs.get(&(unit, Attr::Power)) else { continue };
            let powers = values(series);
            if !steered.moves(family.id) {
                for (t, (slot, power)) in others.iter_mut().zip(&powers).enumerate() {
                    *slot += way.sign() * thermal.per_kw(t) * thermal.cop(consumer, t) * power;
                }
                continue;
            }
            let allowed = model.allowed.get(&(unit, Attr::Power))?;
            let allowed = allowed.iter().map(|pieces| ends(pieces).unwrap_or_default()).collect();
            let machine = Machine { unit, family, consumer, powers, allowed };
            if way == Way::Heats { heats.push(machine) } else { cools.push(machine) }
        }
        Some(Self {
            scene,
            thermal,
            zone,
            holder,
            heats,
            cools,
            step: register_step(holder, &Attr::Setpoint).to_f64(),
            half: steered.half.to_f64(),
            temperatures: values(model.temperatures.get(&zone.id)?),
            others,
        })
    }

    /// Its zone.
    pub(super) fn zone(&self) -> ZoneId {
        self.zone.id
    }

    fn side(&self, way: Way) -> &[Machine<'t>] {
        match way {
            Way::Heats => &self.heats,
            Way::Cools => &self.cools,
        }
    }

    /// The units of its machines that move the zone this way, with the most that each can take, kW.
    pub(super) fn units(&self, way: Way, t: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.side(way).iter().map(move |machine| (machine.unit, self.capacity(machine, t)))
    }

    fn capacity(&self, machine: &Machine<'_>, t: usize) -> f64 {
        self.thermal.capacity(machine.family, machine.consumer, t)
    }

    /// K at the step's end, without a sign, with all that moves it this way at its most.
    fn full(&self, way: Way, t: usize) -> f64 {
        let heat = |machine: &Machine<'_>| self.capacity(machine, t) * self.thermal.cop(machine.consumer, t);
        self.thermal.per_kw(t) * self.side(way).iter().map(heat).sum::<f64>()
    }

    /// What its machines of a way take more for a register step more, kW.
    pub(super) fn swing(&self, way: Way, t: usize) -> f64 {
        let all: f64 = self.units(way, t).map(|(_, capacity)| capacity).sum();
        all * (self.step / self.full(way, t).max(NEAR)).min(1.0)
    }

    /// Temperature at the step's end without the machines, K.
    fn free(&self, t: usize, now: f64) -> f64 {
        self.thermal.decay(t) * now + self.thermal.drift(t) + self.others.get(t).copied().unwrap_or(0.0)
    }

    /// Temperature at the step's end by a register count, K, where it is `free` without the machines.
    fn then(&self, t: usize, free: f64, count: i64) -> f64 {
        let setpoint = FREEZING + count as f64 * self.step;
        let (heat_to, cool_to) = (setpoint - self.half, setpoint + self.half);
        let (hottest, coldest) = (free + self.full(Way::Heats, t), free - self.full(Way::Cools, t));
        free.min(cool_to.max(coldest)).max(heat_to.min(hottest))
    }

    /// A temperature in register steps of a way.
    fn counted(&self, way: Way, kelvin: f64) -> f64 {
        way.sign() * (kelvin - FREEZING) / self.step
    }

    /// The setpoint that keeps a temperature reached this way, in its steps.
    pub(super) fn keeping(&self, way: Way, kelvin: f64) -> f64 {
        self.counted(way, kelvin) + self.half / self.step
    }

    /// One register step of a way, K.
    pub(super) fn signed_step(&self, way: Way) -> f64 {
        way.sign() * self.step
    }

    /// Half the dead band in register steps.
    pub(super) fn reach(&self) -> f64 {
        self.half / self.step
    }

    /// The optimum's temperature, K.
    pub(super) fn optimum(&self, t: usize) -> f64 {
        self.temperatures.get(t).copied().unwrap_or(FREEZING)
    }

    /// Which way the optimum moves the zone: the only one there is, or none where it floats between.
    pub(super) fn way(&self, t: usize) -> Option<Way> {
        let runs = |side: &[Machine<'_>]| {
            side.iter().any(|machine| machine.powers.get(t).copied().unwrap_or(0.0) > ZERO)
        };
        match (self.heats.is_empty(), self.cools.is_empty()) {
            (false, true) => Some(Way::Heats),
            (true, _) => Some(Way::Cools),
            (false, false) if runs(&self.heats) => Some(Way::Heats),
            (false, false) => runs(&self.cools).then_some(Way::Cools),
        }
    }

    /// What the machines of a way do in the optimum.
    pub(super) fn does(&self, way: Way, t: usize) -> Does {
        let power = |machine: &Machine<'_>| machine.powers.get(t).copied().unwrap_or(0.0);
        let side = self.side(way);
        if side.iter().all(|machine| power(machine) <= ZERO) {
            Does::Rests
        } else if side.iter().all(|machine| power(machine) >= self.capacity(machine, t) - NEAR) {
            Does::Full
        } else {
            Does::Follows
        }
    }

    /// The band of step `t`, K.
    fn band(&self, t: usize) -> Option<(f64, f64)> {
        self.scene.bands.get(&self.zone.id).and_then(|bands| bands.get(t)).copied().flatten()
    }

    /// What the register takes, K.
    fn register(&self) -> (f64, f64) {
        let hull = self.holder.hull(&Attr::Setpoint);
        let range = hull.as_ref().map_or((&self.zone.range.0, &self.zone.range.1), |(lo, hi)| (lo, hi));
        (range.0.to_f64(), range.1.to_f64())
    }

    /// The least and the greatest setpoint of a way: what the register takes, what the rules leave, and the
    /// band, each as far as the optimum keeps it and there is a whole step.
    pub(super) fn bounds(&self, way: Way, t: usize) -> (i64, i64) {
        self.narrowed(way, t, self.band(t))
    }

    /// What the register takes, what the rules leave, and a band. The near edge is where the zone is kept;
    /// the far one is the setpoint's.
    fn narrowed(&self, way: Way, t: usize, band: Option<(f64, f64)>) -> (i64, i64) {
        let steps = |(lo, hi): (f64, f64)| {
            let counted = |kelvin: f64| way.sign() * (kelvin - FREEZING) / self.step;
            let (a, b) = (counted(lo), counted(hi));
            (a.min(b), a.max(b))
        };
        let set = self.scene.sets.get(&What::Zone(self.zone.id)).and_then(|sets| sets.get(t));
        let set = set.and_then(|pieces| Some((pieces.first()?.0, pieces.last()?.1)));
        let told = self.scene.setpoints.get(&self.zone.id).and_then(|by| by.get(t)).copied();
        let (near, reach) = (NEAR / self.step, self.reach());
        let optimum = self.counted(way, self.optimum(t));
        let whole = steps(self.register());
        let mut kept = (ceil(whole.0), floor(whole.1));
        if let Some(told) = told.filter(|_| self.scene.firm.contains(&(self.zone.id, t))).map(steps) {
            let firm = (ceil(told.0).max(kept.0), floor(told.1).min(kept.1));
            kept = if firm.0 <= firm.1 { firm } else { kept };
        }
        for (room, setpoint) in [(set, told.or(set)), (band, band)] {
            let (Some(room), Some(setpoint)) = (room, setpoint) else { continue };
            let (lo, hi) = (steps(room).0, steps(setpoint).1);
            let low = if optimum >= lo - near { ceil(lo + reach).max(kept.0) } else { kept.0 };
            let high = if optimum <= hi + near { floor(hi).min(kept.1) } else { kept.1 };
            // where the dead band leaves nothing of a narrow band, the setpoint itself is in it all the same
            let bare = if optimum >= lo - near { ceil(lo).max(kept.0) } else { kept.0 };
            if let Some(low) = [low, bare].into_iter().find(|low| *low <= high) {
                kept = (low, high);
            }
        }
        kept
    }

    /// What goes with a temperature, K, in a step of which the optimum does this.
    pub(super) fn aim(&self, t: usize, kelvin: f64) -> Aim {
        self.way(t).map_or(Aim::Floats, |way| {
            let does = self.does(way, t);
            Aim::Keeps(way, self.whole(way, t, kelvin, does), does)
        })
    }

    /// What goes with machines at rest that the optimum moves this way.
    pub(super) fn resting(&self, way: Way, t: usize) -> Aim {
        if !self.heats.is_empty() && !self.cools.is_empty() {
            return Aim::Floats;
        }
        Aim::Keeps(way, self.bounds(way, t).0, Does::Rests)
    }

    /// What goes with a temperature, K, that all they can leads to.
    pub(super) fn full_power(&self, way: Way, t: usize, kelvin: f64) -> Aim {
        Aim::Keeps(way, self.whole(way, t, kelvin, Does::Full), Does::Full)
    }

    fn whole(&self, way: Way, t: usize, kelvin: f64, does: Does) -> i64 {
        let (least, most) = self.bounds(way, t);
        match does {
            Does::Rests => least,
            Does::Full | Does::Follows => {
                up(self.keeping(way, kelvin), self.step).clamp(least, most.max(least))
            }
        }
    }

    /// Register counts by step, each from where the ones before really lead.
    fn counts(&self, solved: &Solved<'_, '_>) -> Vec<i64> {
        let held = |t: usize| solved.model.registers.setpoint(&solved.climb.x, self.zone.id, t);
        self.kept(|t| match held(t) {
            None => self.aim(t, self.optimum(t)),
            Some(Told::Runs(way, count)) => Aim::Keeps(way, way.register(count), Does::Follows),
            Some(Told::Rests) => self.way(t).map_or(Aim::Floats, |way| self.resting(way, t)),
        })
    }

    /// What stands in a register, as an aim.
    pub(super) fn told(&self, t: usize, count: i64) -> Aim {
        self.way(t).map_or(Aim::Floats, |way| Aim::Keeps(way, way.register(count), Does::Follows))
    }

    /// Register counts by step of what is wanted, each moved as far as the machines' own limits ask from
    /// where the ones before really lead: what the rules let them take goes before the band.
    pub(super) fn kept(&self, wanted: impl Fn(usize) -> Aim) -> Vec<i64> {
        let mut now = self.thermal.begin().unwrap_or(FREEZING);
        let mut counts = Vec::with_capacity(self.scene.len());
        for t in 0..self.scene.len() {
            let free = self.free(t, now);
            let count = match wanted(t) {
                Aim::Keeps(way, setpoint, does) => way.register(self.limited(way, t, setpoint, does, free)),
                Aim::Floats => self.floating(t, free),
            };
            now = self.then(t, free, count);
            counts.push(count);
        }
        counts
    }

    /// The register count that leaves the zone where it floats, inside the band if the optimum is.
    fn floating(&self, t: usize, free: f64) -> i64 {
        let (lo, hi) = self.band(t).unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        for (way, gap) in [(Way::Heats, lo - free), (Way::Cools, free - hi)] {
            let (edge, _) = way.turned((lo, hi));
            let missed = way.sign() * self.optimum(t) < edge - NEAR;
            // at the edge itself it is held there, and needs nothing for it
            if gap > -NEAR && !missed {
                let least = self.bounds(way, t).0;
                return way.register(self.limited(way, t, least, Does::Follows, free));
            }
        }
        let steps = |kelvin: f64| (kelvin - FREEZING) / self.step;
        let whole = |(lo, hi): (f64, f64)| (ceil(steps(lo)), floor(steps(hi)));
        let told = self.scene.setpoints.get(&self.zone.id).and_then(|by| by.get(t)).copied();
        let mut count = steps(free).round() as i64;
        // the last says most: what the register takes, then where nothing runs
        let ends = [self.band(t), told, Some((free - self.half, free + self.half)), Some(self.register())];
        for (least, most) in ends.into_iter().flatten().map(whole) {
            count = count.clamp(least.min(most), most);
        }
        count
    }

    /// A setpoint that keeps the machines at rest where they rest, and within what the rules let them take.
    /// A power that would meet its limit stays a step away from it.
    fn limited(&self, way: Way, t: usize, setpoint: i64, does: Does, free: f64) -> i64 {
        let (lowest, highest) = self.narrowed(way, t, None);
        // the setpoint that leads to a share of what they can
        let (rest, full) = (self.keeping(way, free), self.full(way, t) / self.step);
        let at = |share: f64| rest + full * share;
        let apart = APART / self.step;
        let mut setpoint = setpoint;
        let edge = self.band(t).map_or(f64::NEG_INFINITY, |band| way.turned(band).0);
        let missed = way.sign() * self.optimum(t) < edge - NEAR;
        if does == Does::Rests && (missed || self.scene.whole) {
            setpoint = setpoint.min(floor(at(0.0)));
        } else if does == Does::Rests && edge.is_finite() && way.sign() * free >= edge - APART {
            // the room is inside, and so may the setpoint be that lets it rest
            let kelvin = way.sign() * edge;
            setpoint = setpoint.min(floor(at(0.0)).max(ceil(self.counted(way, kelvin))));
        }
        for machine in self.side(way) {
            let capacity = self.capacity(machine, t);
            let (least, _) = machine.allowed.get(t).copied().unwrap_or((0.0, capacity));
            if least > ZERO && (setpoint as f64) < at(least / capacity.max(ZERO)) + apart {
                setpoint = (at(least / capacity.max(ZERO)) + apart).ceil() as i64;
            }
        }
        for machine in self.side(way) {
            let capacity = self.capacity(machine, t);
            let (_, most) = machine.allowed.get(t).copied().unwrap_or((0.0, capacity));
            if most < capacity - NEAR && setpoint as f64 > at(most / capacity) - apart {
                setpoint = (at(most / capacity) - apart).floor() as i64;
            }
        }
        setpoint.clamp(lowest, highest.max(lowest))
    }
}

/// The columns of a power.
pub(super) fn columns(solved: &Solved<'_, '_>, unit: usize, t: usize) -> Vec<Col> {
    let power = solved.model.attrs.get(&(unit, Attr::Power)).and_then(|series| series.get(t));
    power.into_iter().flat_map(|power| power.terms.iter().map(|(col, _)| *col)).collect()
}

/// Up to a whole step, but for what is one within the solver's tolerance.
fn up(x: f64, step: f64) -> i64 {
    (x - NEAR / step).ceil() as i64
}

fn ceil(x: f64) -> i64 {
    (x - 1e-9).ceil() as i64
}

fn floor(x: f64) -> i64 {
    (x + 1e-9).floor() as i64
}

/// The setpoints of a solution: each as a command of the first machine that follows it.
pub(super) fn commands(solved: &Solved<'_, '_>) -> Vec<Command> {
    let mut found = Vec::new();
    for steered in &solved.model.scene.steered {
        let of = |family: FamilyId| {
            let first = |unit: &super::model::Unit| unit.members.first().is_some_and(|d| d.family == family);
            solved.model.units.iter().position(first)
        };
        let unit = steered.machines().next().and_then(of);
        let Some((unit, track)) = unit.and_then(|unit| Some((unit, Track::steered(solved, steered)?))) else {
            continue;
        };
        let counts = track.counts(solved);
        found.push(Command {
            unit,
            attr: Attr::Setpoint,
            form: CommandForm::Fixed,
            step: register_step(track.holder, &Attr::Setpoint),
            running: vec![1; counts.len()],
            counts,
        });
    }
    found
}
