//! From the optimum to whole register steps (planner.md 20): error diffusion along time, so that
//! what one step rounds off the next makes good; obligations and heat upward; stores never beyond
//! their band. What still misses is found by exact verification, and the limits are tightened by it.

use super::islands::Islands;
use super::prepare::Known;
use super::scene::What;
use super::solve::Solved;
use crate::bundle::{CommandForm, register_step};
use crate::ir::{Attr, Consumer, Device, End, Family, Model, Need, Store};
use crate::quantity::Rat;

/// Below this, kW, the optimum means zero.
const ZERO: f64 = 1e-7;

/// One commanded attribute of a unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    /// Place of the unit among the model's.
    pub(super) unit: usize,
    /// Attribute.
    pub(super) attr: Attr,
    /// What it means to the device.
    pub(super) form: CommandForm,
    /// Register step, kW (1 for `on`, K for a setpoint).
    pub(super) step: Rat,
    /// Register steps by plan step: of the whole unit; of a setpoint, of its zone from 0 degC.
    pub(super) counts: Vec<i64>,
    /// Members that run, by plan step.
    pub(super) running: Vec<u32>,
}

/// One device that keeps a meter at a target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Following {
    /// Who.
    pub(super) device: Device,
    /// Whose meter.
    pub(super) grid: Device,
    /// Import less export there in register steps, by plan step; `None` where the device does not follow.
    pub(super) targets: Vec<Option<i64>>,
}

/// Who follows in a solution, and what.
pub(super) fn following(solved: &Solved<'_, '_>) -> Vec<Following> {
    let steps = solved.model.scene.len();
    let mut found: Vec<Following> = Vec::new();
    for ((device, step), followed) in &solved.model.followed {
        if !followed.holds(&solved.climb.x) {
            continue;
        }
        let follow = &followed.follow;
        let same = |other: &Following| (other.device, other.grid) == (*device, follow.grid);
        let at = match found.iter().position(same) {
            Some(at) => at,
            None => {
                let (device, grid) = (*device, follow.grid);
                found.push(Following { device, grid, targets: vec![None; steps] });
                found.len() - 1
            }
        };
        if let Some(slot) = found.get_mut(at).and_then(|of| of.targets.get_mut(*step)) {
            *slot = Some(follow.count);
        }
    }
    found
}

/// Rounds a solution to commands.
pub(super) fn commands(known: &Known<'_>, solved: &Solved<'_, '_>) -> Vec<Command> {
    let mut found = Vec::new();
    let balancing = Islands::new(known.site).forming(known.site);
    let follows =
        |device: Device| solved.model.scene.steered.iter().any(|steered| steered.moves(device.family));
    for (unit, members) in solved.model.units.iter().enumerate() {
        let Some(device) = members.members.first().copied() else { continue };
        if balancing.contains(&device) || solved.model.scene.excluded.contains(&device) {
            continue;
        }
        let Some(family) = known.site.family(device.family) else { continue };
        let round = Round { solved, unit, device, family };
        match &family.model {
            Model::Renewable { rated, must_take: false, .. } => found.push(round.curtailed(rated)),
            Model::Generator { .. } => found.push(round.power(CommandForm::Fixed, Side::Nearest)),
            Model::Store(store) => found.extend(round.store(store)),
            Model::Consumer(consumer) if !follows(device) => found.extend(round.consumer(consumer)),
            _ => {}
        }
    }
    found.extend(super::setpoint::commands(solved));
    found
}

/// To which side a command is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Energy as near as can be.
    Nearest,
    /// Never less energy than the optimum.
    Up,
    /// Never less in any step: what is heated or cooled too much errs on the comfortable side.
    Each,
}

/// Whether a device is on at one power or off, and told so.
pub(super) fn is_switched(family: &Family) -> bool {
    let points = |pieces: &Vec<_>| pieces.len() == 2 && pieces.iter().all(|(lo, hi)| lo == hi);
    family.ranges.get(&Attr::Power).is_some_and(points) && !family.command_step.contains_key(&Attr::Power)
}

struct Round<'r, 's, 'a> {
    solved: &'r Solved<'s, 'a>,
    unit: usize,
    device: Device,
    family: &'r Family,
}

impl Round<'_, '_, '_> {
    fn members(&self) -> usize {
        self.solved.model.units.get(self.unit).map_or(1, |u| u.members.len())
    }

    /// Values of the whole unit, by step.
    fn values(&self, attr: &Attr) -> Vec<f64> {
        let series = self.solved.model.attrs.get(&(self.unit, attr.clone()));
        let value = |aff: &super::model::Aff| {
            let v = aff.value(&self.solved.climb.x);
            if v.abs() < ZERO { 0.0 } else { (v * 1e9).round() / 1e9 }
        };
        series.map(|s| s.iter().map(value).collect()).unwrap_or_default()
    }

    fn step(&self, attr: &Attr) -> Rat {
        register_step(self.family, attr)
    }

    /// What it is told that it may at most have where it follows a meter.
    fn told(&self, attr: &Attr, t: usize) -> Option<i64> {
        let follow = super::follow::at(&self.solved.model, &self.solved.climb.x, self.device, t)?;
        Some(follow.told(attr))
    }

    /// What its register holds, where the model counts in registers.
    fn counted(&self, attr: &Attr, t: usize) -> Option<i64> {
        let (model, x) = (&self.solved.model, &self.solved.climb.x);
        let power = model.attrs.get(&(self.unit, attr.clone()))?.get(t).filter(|_| model.scene.whole)?;
        let nearest = || (power.value(x) / self.step(attr).to_f64()).round() as i64;
        Some(model.registers.count(x, self.unit, attr, t).unwrap_or_else(nearest))
    }

    /// What the model allows one member in step `t`.
    fn allowed(&self, attr: &Attr, t: usize) -> super::scene::Pieces {
        let narrowed = self.solved.model.allowed.get(&(self.unit, attr.clone())).and_then(|a| a.get(t));
        narrowed.cloned().unwrap_or_else(|| self.solved.model.pieces(self.device, attr, t))
    }

    /// The pieces of one member's attribute in step `t`, in register steps rounded inward.
    fn whole(&self, attr: &Attr, t: usize, step: f64) -> Vec<(i64, i64)> {
        (self.allowed(attr, t).into_iter())
            .map(|(lo, hi)| (ceil(lo / step), floor(hi / step)))
            .filter(|(lo, hi)| lo <= hi)
            .collect()
    }

    fn series(&self, attr: Attr, form: CommandForm, step: Rat, counts: Vec<i64>) -> Command {
        let running = match self.solved.model.attrs.get(&(self.unit, Attr::On)) {
            Some(on) if self.members() > 1 => {
                on.iter().map(|a| count(a.value(&self.solved.climb.x))).collect()
            }
            _ => vec![u32::try_from(self.members()).unwrap_or(u32::MAX); counts.len()],
        };
        let mut command = Command { unit: self.unit, attr, form, step, counts, running };
        super::safe_state::rounded(self.solved.model.scene, self.family, self.device, &mut command);
        command
    }

    /// A producer that may be curtailed: at its rating where it is not. On the island of a store that
    /// balances it, what one step rounds off the next makes good.
    fn curtailed(&self, rated: &Rat) -> Command {
        let step = self.step(&Attr::Power);
        let unit = step.to_f64();
        let values = self.values(&Attr::Power);
        let carried = self.is_balanced_by_a_store();
        let mut owed = 0.0;
        let mut counts = Vec::with_capacity(values.len());
        for (t, v) in values.iter().enumerate() {
            if let Some(told) = self.told(&Attr::Power, t) {
                counts.push(told);
                continue;
            }
            let top = self.solved.model.attrs.get(&(self.unit, Attr::Power)).and_then(|s| s.get(t));
            let available = top.and_then(super::model::Aff::column).map_or(0.0, |c| self.available(c));
            let full = self.whole(&Attr::Power, t, unit).last().map_or(floor(rated.to_f64() / unit), |p| p.1);
            let most = i64::from(count_of(self.members())).saturating_mul(full);
            if *v >= available - 1e-6 {
                counts.push(most);
                continue;
            }
            if let Some(count) = self.counted(&Attr::Power, t) {
                counts.push(count);
                continue;
            }
            let hours = self.solved.model.scene.hours(t).max(1e-9);
            let wanted = if *v > ZERO { v + owed / hours } else { *v };
            let count = ((wanted / unit).round() as i64).clamp(0, most);
            if carried {
                owed += (v - count as f64 * unit) * hours;
            }
            counts.push(count);
        }
        self.series(Attr::Power, CommandForm::AtMost, step, counts)
    }

    fn is_balanced_by_a_store(&self) -> bool {
        let site = self.solved.model.scene.site;
        let islands = Islands::new(site);
        let forming = islands.forming(site);
        let mut families = forming.iter().filter_map(|device| site.family(device.family));
        families.any(|f| matches!(f.model, Model::Store(_)) && islands.of(f) == islands.of(self.family))
    }

    fn available(&self, col: super::solver::Col) -> f64 {
        self.solved.model.program.bounds(col).1
    }

    /// A power that is commanded as it is.
    fn power(&self, form: CommandForm, side: Side) -> Command {
        let step = self.step(&Attr::Power);
        let unit = step.to_f64();
        let values = self.values(&Attr::Power);
        let members = i64::from(count_of(self.members()));
        let on = self.solved.model.attrs.get(&(self.unit, Attr::On));
        let mut owed = 0.0;
        let mut counts = Vec::with_capacity(values.len());
        for (t, v) in values.iter().enumerate() {
            let hours = self.solved.model.scene.hours(t).max(1e-9);
            let said = self.told(&Attr::Power, t).or_else(|| self.counted(&Attr::Power, t));
            if let Some(said) = said {
                counts.push(said);
                continue;
            }
            if *v <= ZERO {
                counts.push(0);
                continue;
            }
            let wanted = v + owed / hours;
            let nearest = match side {
                Side::Nearest => (wanted / unit).round() as i64,
                Side::Up => ceil(wanted / unit),
                Side::Each => ceil(v / unit),
            };
            let running = on
                .and_then(|s| s.get(t))
                .map(|a| a.value(&self.solved.climb.x).round())
                .filter(|n| *n > 0.0 && members > 1)
                .map_or(members, |n| n as i64);
            let each = *v / (running as f64);
            let counted = self.fit(t, unit, each, nearest, running);
            owed += (v - counted as f64 * unit) * hours;
            counts.push(counted);
        }
        self.series(Attr::Power, form, step, counts)
    }

    /// A count moved into the piece of the set in which the optimum lies.
    fn fit(&self, t: usize, unit: f64, each: f64, count: i64, running: i64) -> i64 {
        let pieces = self.whole(&Attr::Power, t, unit);
        let distance = |p: &(i64, i64)| {
            let (lo, hi) = (p.0 as f64 * unit, p.1 as f64 * unit);
            (lo - each).max(each - hi).max(0.0)
        };
        let piece = (pieces.iter().filter(|p| p.1 > 0)).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        match piece {
            Some((lo, hi)) => count.clamp(lo.saturating_mul(running), hi.saturating_mul(running)),
            None => count.max(0),
        }
    }

    fn consumer(&self, consumer: &Consumer) -> Option<Command> {
        match consumer.need {
            Need::None => {}
            _ if super::safe_state::may_be_shed(self.family) => return Some(self.shed()),
            _ => return None,
        }
        let due = self.solved.model.scene.dues.iter().any(|d| d.device == self.device);
        let thermal = consumer.heats.is_some() || consumer.cools.is_some();
        let side = match (thermal, due) {
            (true, _) => Side::Each,
            (false, true) => Side::Up,
            (false, false) => Side::Nearest,
        };
        if is_switched(self.family) && self.members() == 1 {
            let on = self.values(&Attr::Power).iter().map(|v| i64::from(*v > ZERO)).collect();
            return Some(self.series(Attr::On, CommandForm::Fixed, Rat::ONE, on));
        }
        Some(self.power(CommandForm::Fixed, side))
    }

    /// A need that may be shed, as it is served: to within a register step.
    fn shed(&self) -> Command {
        let step = self.step(&Attr::Power);
        let unit = step.to_f64();
        let counts = self.values(&Attr::Power).iter().map(|v| (v / unit).round() as i64).collect();
        self.series(Attr::Power, CommandForm::Fixed, step, counts)
    }

    /// Both directions of a store, following the optimum's level within its band.
    fn store(&self, store: &Store) -> [Command; 2] {
        let scene = self.solved.model.scene;
        let capacity = store.capacity.to_f64();
        let (eta_c, eta_d) = (store.efficiency_charge.to_f64(), store.efficiency_discharge.to_f64());
        let kept = 1.0 - store.self_discharge.to_f64();
        let steps = [Attr::Charge, Attr::Discharge].map(|a| self.step(&a));
        let units = [steps[0].to_f64(), steps[1].to_f64()];
        let (charge, discharge) = (self.values(&Attr::Charge), self.values(&Attr::Discharge));
        let levels: Vec<f64> = self.values(&Attr::ChargeLevel).iter().map(|r| r * capacity).collect();
        let begin = scene.levels.get(&self.device).copied().unwrap_or(0.0);
        let mut level = begin;
        let mut counts = [vec![0_i64; charge.len()], vec![0_i64; charge.len()]];
        // after following a level is known to the optimiser's digits only
        let mut near = -1e-12;
        let band = |t: usize| -> (f64, f64) {
            let set = scene.sets.get(&What::Device(self.device, Attr::ChargeLevel)).and_then(|s| s.get(t));
            let (lo, hi) = set
                .and_then(|s| super::renewable::hull(s))
                .unwrap_or((store.level_min.to_f64(), store.level_max.to_f64()));
            (lo.max(store.level_min.to_f64()) * capacity, hi.min(store.level_max.to_f64()) * capacity)
        };
        for t in 0..charge.len() {
            let hours = scene.hours(t).max(1e-9);
            let (c, d) = (charge.get(t).copied().unwrap_or(0.0), discharge.get(t).copied().unwrap_or(0.0));
            let rest = level * kept.powf(hours);
            let want = levels.get(t).copied().unwrap_or(rest);
            let (lo, hi) = band(t);
            let [said_c, said_d] = [Attr::Charge, Attr::Discharge]
                .map(|attr| self.told(&attr, t).or_else(|| self.counted(&attr, t)));
            if let (Some(c), Some(d)) = (said_c, said_d) {
                // what it then does follows from the others, or is what the model counted
                level = want;
                near = 1e-6;
                for (counts, told) in counts.iter_mut().zip([c, d]) {
                    counts.get_mut(t).into_iter().for_each(|slot| *slot = told);
                }
            } else if c >= d && c > ZERO {
                let unit = units[0];
                let gain = eta_c * hours * unit;
                let mut n = ((want - rest) / gain).round() as i64;
                n = self.within(&Attr::Charge, t, unit, n);
                if rest + n as f64 * gain > hi - near && want <= hi + 1e-9 {
                    n -= 1;
                } else if rest + (n as f64) * gain < lo - 1e-12 && want >= lo - 1e-9 {
                    n += 1;
                }
                n = n.max(0);
                level = rest + n as f64 * gain;
                if let Some(slot) = counts[0].get_mut(t) {
                    *slot = n;
                }
            } else if d > ZERO {
                let unit = units[1];
                let loss = hours * unit / eta_d;
                let mut n = ((rest - want) / loss).round() as i64;
                n = self.within(&Attr::Discharge, t, unit, n);
                if rest - (n as f64) * loss < lo + near && want >= lo - 1e-9 {
                    n -= 1;
                } else if rest - (n as f64) * loss > hi + 1e-12 && want <= hi + 1e-9 {
                    n += 1;
                }
                n = n.max(0);
                level = rest - n as f64 * loss;
                if let Some(slot) = counts[1].get_mut(t) {
                    *slot = n;
                }
            } else {
                level = rest;
            }
        }
        if !scene.whole {
            self.finish(store, begin, level, units, &mut counts, (&charge, &discharge));
        }
        let [c, d] = counts;
        let [sc, sd] = steps;
        [
            self.series(Attr::Charge, CommandForm::Fixed, sc, c),
            self.series(Attr::Discharge, CommandForm::Fixed, sd, d),
        ]
    }

    /// Makes good at the end what rounding left below an asked end level.
    fn finish(
        &self,
        store: &Store,
        begin: f64,
        level: f64,
        units: [f64; 2],
        counts: &mut [Vec<i64>; 2],
        (charge, discharge): (&[f64], &[f64]),
    ) {
        let capacity = store.capacity.to_f64();
        let mut asked = match &store.end {
            End::AtLeast(x) | End::Exactly(x) => x.to_f64() * capacity,
            End::ExactlyStart | End::Default => begin,
            End::Worth(_) | End::Free => return,
        };
        // the optimum may have paid or given way for less
        let last = self.values(&Attr::ChargeLevel).last().copied().unwrap_or(0.0) * capacity;
        if last < asked - 1e-6 {
            return;
        }
        let scene = self.solved.model.scene;
        let (eta_c, eta_d) = (store.efficiency_charge.to_f64(), store.efficiency_discharge.to_f64());
        // at the top of the band nothing may round upwards
        let longest = (0..charge.len()).map(|t| scene.hours(t)).fold(0.0, f64::max);
        let near = longest * units[0].max(units[1]) / eta_d;
        asked = asked.min(store.level_max.to_f64() * capacity - near);
        let mut missing = asked - level;
        // the latest change disturbs the fewest levels
        for t in (0..charge.len()).rev() {
            if missing <= 1e-12 {
                return;
            }
            let hours = scene.hours(t).max(1e-9);
            if discharge.get(t).is_some_and(|d| *d > ZERO) {
                let loss = hours * units[1] / eta_d;
                if let Some(slot) = counts[1].get_mut(t) {
                    let fewer = ceil(missing / loss - 1e-9).min(*slot);
                    *slot -= fewer;
                    missing -= fewer as f64 * loss;
                }
            } else if charge.get(t).is_some_and(|c| *c > ZERO) {
                let gain = eta_c * hours * units[0];
                let now = counts[0].get(t).copied().unwrap_or(0);
                let more = ceil(missing / gain - 1e-9);
                let fits = self.within(&Attr::Charge, t, units[0], now + more) - now;
                if let Some(slot) = counts[0].get_mut(t) {
                    *slot += fits.max(0);
                }
                missing -= fits.max(0) as f64 * gain;
            }
        }
    }

    fn within(&self, attr: &Attr, t: usize, unit: f64, count: i64) -> i64 {
        let pieces = self.whole(attr, t, unit);
        match (pieces.first(), pieces.last()) {
            (Some(first), Some(last)) => count.clamp(first.0.min(last.1), last.1),
            _ => 0,
        }
    }
}

fn ceil(x: f64) -> i64 {
    (x - 1e-9).ceil() as i64
}

fn floor(x: f64) -> i64 {
    (x + 1e-9).floor() as i64
}

fn count(x: f64) -> u32 {
    x.round().max(0.0) as u32
}

fn count_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
