//! Setpoints (planner.md 5): from the optimum's temperatures to whole register steps.
//!
//! Where the machine runs, the setpoint is the temperature at the step's end, rounded to the comfortable
//! side. Where it rests, it is the near edge of what is allowed, which keeps the machine at rest and the
//! room safe where the forecast errs. What the machine then takes follows exactly, and is verified.

use super::model::Aff;
use super::rounding::Command;
use super::scene::{Pieces, Scene, What};
use super::solve::Solved;
use crate::bundle::{CommandForm, register_step};
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Attr, Family, Model, Site, Steered, Zone, ZoneId};

/// Below this, kW, the optimum means zero.
const ZERO: f64 = 1e-7;
/// How far a temperature may lie beyond a whole step and still be it, K.
const NEAR: f64 = 1e-6;
/// How far a machine stays from a limit of its power, in K at the step's end: beyond the verifier's last
/// digit.
const APART: f64 = 1e-9;
/// 0 degC, K.
const FREEZING: f64 = 273.15;

/// Setpoints that no plan commands yet.
///
/// # Errors
/// EVL1001 at each of them.
pub(super) fn refuse(site: &Site) -> Result<(), Diagnostics> {
    let finding = |(span, what)| {
        Diagnostic::error(codes::NOT_PLANNED_YET, span, format!("understood, not planned yet: {what}"))
            .help("command the machine's power by its own profile, or leave the thermostat to itself with `control observe`")
    };
    let findings: Diagnostics = site.unsteerable().into_iter().map(finding).collect();
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// What the machine does in a step of the optimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Nothing.
    Rests,
    /// All that it can.
    Full,
    /// What the setpoint asks.
    Follows,
}

/// A steered zone on the steps of a solution. Temperatures are counted in register steps from 0 degC in
/// the direction of the machine's work: upwards is warmer where it heats and colder where it cools.
pub(super) struct Track<'t> {
    scene: &'t Scene<'t>,
    steered: Steered,
    zone: &'t Zone,
    machine: &'t Family,
    holder: &'t Family,
    /// +1 where it heats, -1 where it cools.
    sign: f64,
    /// K.
    step: f64,
    /// The optimum's temperatures, K.
    temperatures: Vec<f64>,
    /// The optimum's powers of the machine, kW.
    powers: Vec<f64>,
    /// The least and the most that the rules let the machine take, kW.
    allowed: Vec<(f64, f64)>,
    /// K at the step's end of what the other machines do.
    others: Vec<f64>,
}

impl<'t> Track<'t> {
    /// The track of the zone whose machine is this unit's.
    pub(super) fn of(solved: &'t Solved<'_, '_>, unit: usize) -> Option<Self> {
        let model = &solved.model;
        let scene: &Scene<'_> = model.scene;
        let site = scene.site;
        let device = model.units.get(unit)?.members.first().copied()?;
        let steered = site.steered().into_iter().find(|steered| steered.machine == device.family)?;
        if scene.excluded.contains(&device) {
            return None;
        }
        let (zone, machine, holder) =
            (site.zone(steered.zone)?, site.family(steered.machine)?, site.family(steered.holder)?);
        let x = &solved.climb.x;
        let values = |series: &[Aff]| series.iter().map(|aff| aff.value(x)).collect::<Vec<f64>>();
        let temperatures = values(model.temperatures.get(&zone.id)?);
        let power = model.attrs.get(&(unit, Attr::Power))?;
        let powers = values(power);
        let allowed = model.allowed.get(&(unit, Attr::Power))?;
        let ends = |pieces: &Pieces| Some((pieces.first()?.0, pieces.last()?.1));
        let allowed = allowed.iter().map(|pieces| ends(pieces).unwrap_or_default()).collect();
        let mut track = Self {
            scene,
            steered,
            zone,
            machine,
            holder,
            sign: if steered.heats { 1.0 } else { -1.0 },
            step: register_step(holder, &Attr::Setpoint).to_f64(),
            temperatures,
            powers,
            allowed,
            others: vec![0.0; scene.len()],
        };
        for (other, members) in model.units.iter().enumerate().filter(|(other, _)| *other != unit) {
            let family = members.members.first().and_then(|device| site.family(device.family));
            let Some(Model::Consumer(consumer)) = family.map(|family| &family.model) else { continue };
            let sign = match (consumer.heats == Some(zone.id), consumer.cools == Some(zone.id)) {
                (true, _) => 1.0,
                (_, true) => -1.0,
                _ => continue,
            };
            let Some(series) = model.attrs.get(&(other, Attr::Power)) else { continue };
            for t in 0..scene.len() {
                let cop = track.table(&consumer.cop, t).unwrap_or(1.0);
                let heat = sign * cop * series.get(t).map_or(0.0, |aff| aff.value(x));
                let gain = track.per_kw(t);
                if let Some(slot) = track.others.get_mut(t) {
                    *slot += gain * heat;
                }
            }
        }
        Some(track)
    }

    /// Its zone.
    pub(super) fn zone(&self) -> ZoneId {
        self.zone.id
    }

    fn decay(&self, t: usize) -> f64 {
        (-self.zone.heat_loss.to_f64() * self.scene.hours(t) / self.zone.heat_capacity.to_f64()).exp()
    }

    fn outdoor(&self, t: usize) -> f64 {
        self.zone.outdoor.map_or(FREEZING, |signal| self.scene.signal(signal, 1, t))
    }

    fn table(&self, rows: &[(crate::quantity::Rat, crate::quantity::Rat)], t: usize) -> Option<f64> {
        (!rows.is_empty()).then(|| super::zone::table(rows, self.outdoor(t)))
    }

    /// K at the step's end for each kW of heat.
    fn per_kw(&self, t: usize) -> f64 {
        (1.0 - self.decay(t)) / self.zone.heat_loss.to_f64()
    }

    /// K at the step's end for each kW that the machine takes, without a sign.
    fn gain(&self, t: usize) -> f64 {
        let cop = match &self.machine.model {
            Model::Consumer(consumer) => self.table(&consumer.cop, t).unwrap_or(1.0),
            _ => 1.0,
        };
        self.per_kw(t) * cop
    }

    /// The most that the machine can take, kW, whatever the rules say.
    pub(super) fn capacity(&self, t: usize) -> f64 {
        let most = self.machine.hull(&Attr::Power).map_or(0.0, |(_, most)| most.to_f64());
        match &self.machine.model {
            Model::Consumer(consumer) => {
                self.table(&consumer.capacity, t).map_or(most, |here| here.clamp(0.0, most))
            }
            _ => most,
        }
    }

    /// Temperature at the step's end without the machine, K.
    fn free(&self, t: usize, now: f64) -> f64 {
        let a = self.decay(t);
        let gains = self.zone.gains.map_or(0.0, |signal| self.scene.signal(signal, 1, t));
        let rest = self.outdoor(t) + gains / self.zone.heat_loss.to_f64();
        a * now + (1.0 - a) * rest + self.others.get(t).copied().unwrap_or(0.0)
    }

    /// A temperature in register steps in the machine's direction.
    pub(super) fn counted(&self, kelvin: f64) -> f64 {
        self.sign * (kelvin - FREEZING) / self.step
    }

    /// The register count of a number of steps in the machine's direction.
    pub(super) fn register(&self, steps: i64) -> i64 {
        if self.steered.heats { steps } else { -steps }
    }

    /// One register step, K, and its sign in the machine's direction.
    pub(super) fn signed_step(&self) -> f64 {
        self.sign * self.step
    }

    /// The optimum's temperature, in steps.
    pub(super) fn optimum(&self, t: usize) -> f64 {
        self.counted(self.temperatures.get(t).copied().unwrap_or(FREEZING))
    }

    /// What the machine does in the optimum.
    pub(super) fn does(&self, t: usize) -> Does {
        match self.powers.get(t).copied().unwrap_or(0.0) {
            power if power <= ZERO => Does::Rests,
            power if power >= self.capacity(t) - NEAR => Does::Full,
            _ => Does::Follows,
        }
    }

    /// The band of step `t`, K.
    fn band(&self, t: usize) -> Option<(f64, f64)> {
        self.scene.bands.get(&self.zone.id).and_then(|bands| bands.get(t)).copied().flatten()
    }

    /// The least and the greatest setpoint in the machine's direction: what the register takes, what
    /// the rules leave, and the band, each as far as the optimum keeps it and there is a whole step.
    pub(super) fn bounds(&self, t: usize) -> (i64, i64) {
        self.narrowed(t, self.band(t))
    }

    /// What the register takes, what the rules leave, and a band.
    fn narrowed(&self, t: usize, band: Option<(f64, f64)>) -> (i64, i64) {
        let register = self.holder.hull(&Attr::Setpoint);
        let register = register
            .map_or((self.zone.range.0.to_f64(), self.zone.range.1.to_f64()), |(lo, hi)| {
                (lo.to_f64(), hi.to_f64())
            });
        let set = self.scene.sets.get(&What::Zone(self.zone.id)).and_then(|sets| sets.get(t));
        let set = set.and_then(|pieces| Some((pieces.first()?.0, pieces.last()?.1)));
        let whole = |(lo, hi): (f64, f64)| {
            let (a, b) = (self.counted(lo), self.counted(hi));
            (ceil(a.min(b)), floor(a.max(b)))
        };
        let optimum = self.optimum(t);
        let mut kept = whole(register);
        for (lo, hi) in [set, band].into_iter().flatten() {
            let (a, b) = (self.counted(lo), self.counted(hi));
            let near = NEAR / self.step;
            let (lo, hi) = (a.min(b), a.max(b));
            let low = if optimum >= lo - near { ceil(lo).max(kept.0) } else { kept.0 };
            let high = if optimum <= hi + near { floor(hi).min(kept.1) } else { kept.1 };
            if low <= high {
                kept = (low, high);
            }
        }
        kept
    }

    /// The setpoint that goes with a temperature, in steps.
    pub(super) fn whole(&self, t: usize, temperature: f64, does: Does) -> i64 {
        let (least, most) = self.bounds(t);
        match does {
            Does::Rests => least,
            Does::Full | Does::Follows => up(temperature, self.step).clamp(least, most.max(least)),
        }
    }

    /// Register counts by step, each from where the ones before really lead.
    fn counts(&self) -> Vec<i64> {
        self.kept(|t| (self.whole(t, self.optimum(t), self.does(t)), self.does(t)))
    }

    /// Register counts by step of wanted setpoints, each moved as far as the machine's own limits ask
    /// from where the ones before really lead: what the rules let it take goes before the band.
    pub(super) fn kept(&self, wanted: impl Fn(usize) -> (i64, Does)) -> Vec<i64> {
        let mut now = self.scene.temperatures.get(&self.zone.id).copied().unwrap_or(FREEZING);
        let mut counts = Vec::with_capacity(self.scene.len());
        for t in 0..self.scene.len() {
            let (setpoint, does) = wanted(t);
            let at = |power: f64| self.counted(self.free(t, now)) + self.gain(t) / self.step * power;
            let setpoint = self.limited(t, setpoint, does, at);
            let then = at(0.0).max((setpoint as f64).min(at(self.capacity(t))));
            now = FREEZING + self.sign * then * self.step;
            counts.push(self.register(setpoint));
        }
        counts
    }

    /// A setpoint that keeps the machine at rest where it rests, and within what the rules let it take;
    /// `at` is where a power leads. A power that would meet its limit stays a step away from it.
    fn limited(&self, t: usize, setpoint: i64, does: Does, at: impl Fn(f64) -> f64) -> i64 {
        let (lowest, highest) = self.narrowed(t, None);
        let apart = APART / self.step;
        let below = |power: f64| (at(power) - apart).floor() as i64;
        let above = |power: f64| (at(power) + apart).ceil() as i64;
        let capacity = self.capacity(t);
        let (least, most) = self.allowed.get(t).copied().unwrap_or((0.0, capacity));
        let mut setpoint = setpoint;
        let edge = self.band(t).map_or(f64::NEG_INFINITY, |(lo, hi)| self.counted(lo).min(self.counted(hi)));
        let missed = self.optimum(t) < edge - NEAR / self.step;
        if does == Does::Rests && missed {
            setpoint = setpoint.min(floor(at(0.0)));
        }
        if least > ZERO && (setpoint as f64) < at(least) + apart {
            setpoint = above(least);
        }
        if most < capacity - NEAR && setpoint as f64 > at(most) - apart {
            setpoint = below(most);
        }
        setpoint.clamp(lowest, highest.max(lowest))
    }
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

/// The setpoints of a solution.
pub(super) fn commands(solved: &Solved<'_, '_>) -> Vec<Command> {
    let site = solved.model.scene.site;
    let mut found = Vec::new();
    for steered in site.steered() {
        let of =
            |unit: &super::model::Unit| unit.members.first().is_some_and(|d| d.family == steered.machine);
        let unit = solved.model.units.iter().position(of);
        let Some((unit, track)) = unit.and_then(|unit| Some((unit, Track::of(solved, unit)?))) else {
            continue;
        };
        let counts = track.counts();
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
