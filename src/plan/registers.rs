//! Whole register steps in the model itself (planner.md 20): where no optimum survives being rounded, the
//! plan is sought among what registers can hold. Each commanded power gets its count of steps, each setpoint
//! its register and what the machines behind it do.

use std::collections::BTreeMap;

use super::islands::Islands;
use super::model::{Aff, Breach, Builder, Mode};
use super::scene::{Owner, Pieces, Scene};
use super::setpoint::Way;
use super::solver::Col;
use super::thermal::{FREEZING, Thermal};
use crate::bundle::register_step;
use crate::ir::{Attr, Consumer, Device, Family, Model, Need, Site, Statement, Steered, ZoneId};

/// What a setpoint one K outside its band for an hour weighs: the temperature there is what matters, and
/// weighs a twentieth or so over the usual range.
const SETPOINT: f64 = 0.001;

/// The columns of a model's registers.
#[derive(Debug, Default)]
pub(super) struct Registers {
    counts: BTreeMap<(usize, Attr, usize), Col>,
    setpoints: BTreeMap<(ZoneId, usize), Setpoint>,
}

/// The register of a thermostat in a step.
#[derive(Debug, Clone, Copy)]
struct Setpoint {
    /// Steps from 0 degC.
    count: Col,
    /// By way: whether the machines follow it, and whether they give all they can.
    ways: [Option<[Col; 2]>; 2],
}

/// What a thermostat's register holds at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The machines of a way run, by this many steps from 0 degC.
    Runs(Way, i64),
    /// None runs.
    Rests,
}

impl Registers {
    /// What a power's register holds at a point, where the model has it.
    pub(super) fn count(&self, x: &[f64], unit: usize, attr: &Attr, t: usize) -> Option<i64> {
        let col = self.counts.get(&(unit, attr.clone(), t))?;
        Some(x.get(col.index())?.round() as i64)
    }

    /// What a thermostat's register holds at a point, where the model has it.
    pub(super) fn setpoint(&self, x: &[f64], zone: ZoneId, t: usize) -> Option<Told> {
        let setpoint = self.setpoints.get(&(zone, t))?;
        let at = |col: Col| x.get(col.index()).copied().unwrap_or(0.0);
        let runs =
            |way: &&(Way, Option<[Col; 2]>)| way.1.is_some_and(|cols| cols.map(at).iter().any(|v| *v > 0.5));
        let ways = [Way::Heats, Way::Cools].into_iter().zip(setpoint.ways).collect::<Vec<_>>();
        let way = ways.iter().find(runs);
        Some(way.map_or(Told::Rests, |(way, _)| Told::Runs(*way, at(setpoint.count).round() as i64)))
    }
}

/// How many whole numbers the registers of a scene are, all steps together.
pub(super) fn size(scene: &Scene<'_>) -> usize {
    let site = scene.site;
    let of = |family: &Family| commanded(family).len() * usize::try_from(family.len()).unwrap_or(usize::MAX);
    let powers: usize = site.families.iter().map(of).fold(0, usize::saturating_add);
    powers.saturating_add(scene.steered.len()).saturating_mul(scene.len())
}

/// Gives everything that the plan commands its register.
pub(super) fn add(b: &mut Builder<'_, '_>) {
    let site = b.scene.site;
    let forming = Islands::new(site).forming(site);
    for unit in 0..b.units.len() {
        let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { continue };
        let Some(family) = site.family(device.family) else { continue };
        let follows = b.scene.steered.iter().any(|steered| steered.moves(family.id));
        if forming.contains(&device) || b.scene.excluded.contains(&device) || follows {
            continue;
        }
        for attr in commanded(family) {
            for t in 0..b.scene.len() {
                power(b, unit, (device, family), attr, t);
            }
        }
    }
    for steered in &b.scene.steered {
        thermostat(b, site, steered);
    }
}

/// The powers that a plan commands in register steps.
pub(super) fn commanded(family: &Family) -> &'static [Attr] {
    match &family.model {
        Model::Store(_) => &[Attr::Charge, Attr::Discharge],
        Model::Generator { .. } | Model::Renewable { must_take: false, .. } => &[Attr::Power],
        // what is needed is served to within a register step, and what is switched has no steps
        Model::Consumer(c) if c.need == Need::None && !super::rounding::is_switched(family) => &[Attr::Power],
        _ => &[],
    }
}

/// `power = steps x size`, or of a producer that may be curtailed all that is available.
fn power(b: &mut Builder<'_, '_>, unit: usize, (device, family): (Device, &Family), attr: &Attr, t: usize) {
    let Some(power) = b.attrs.get(&(unit, attr.clone())).and_then(|series| series.get(t)).cloned() else {
        return;
    };
    // what has to follow is told what it may, and does what follows from all others
    let instead = b.followed.get(&(device, t)).map(|followed| followed.instead);
    if power.terms.is_empty() || instead == Some(None) {
        return;
    }
    let size = register_step(family, attr).to_f64();
    let (_, most) = b.range(&power);
    if size <= 0.0 {
        return;
    }
    let count = b.program.integer(0.0, (most / size + 1e-9).floor().max(0.0));
    let mut row = power.clone();
    row.add(&Aff::of(count), -size);
    if let Some(instead) = instead.flatten() {
        // where it may do something else than follow, that is commanded in whole steps like any other
        let loose = most + size;
        let apart = b.program.col(-loose, loose);
        b.program.at_most([(apart, 1.0), (instead, loose)], loose);
        b.program.at_least([(apart, 1.0), (instead, -loose)], -loose);
        row.add(&Aff::of(apart), 1.0);
    }
    let full = available(b, unit, (device, family), t).filter(|available| most >= available - 1e-9);
    match full {
        None => b.program.equal(row.terms, -row.constant),
        Some(available) => {
            // steps x size <= power <= steps x size + available x all, available x all <= power
            let all = b.program.integer(0.0, 1.0);
            b.program.at_least(row.terms.iter().copied(), -row.constant);
            b.program.at_most(row.terms.iter().copied().chain([(all, -available)]), -row.constant);
            b.program.at_least(power.terms.into_iter().chain([(all, -available)]), -power.constant);
        }
    }
    b.registers.counts.insert((unit, attr.clone(), t), count);
}

/// What a producer that may be curtailed gives where it is not, kW; `None` where what it may be told at most
/// curtails it.
fn available(b: &Builder<'_, '_>, unit: usize, (device, family): (Device, &Family), t: usize) -> Option<f64> {
    let Model::Renewable { rated, output, .. } = &family.model else { return None };
    let feed = super::renewable::available(b.scene, device, (rated, *output), t);
    let rated = rated.to_f64();
    let size = register_step(family, &Attr::Power).to_f64();
    let told = |(_, pieces): (Aff, Pieces)| {
        let most = super::renewable::hull(&pieces).map_or(rated, |(_, most)| most);
        (most / size + 1e-9).floor() * size >= feed - 1e-9
    };
    let mut alternatives = b.alternatives(device, &Attr::Power, t).into_iter();
    alternatives.any(told).then(|| feed * b.count(unit))
}

/// One machine that follows a setpoint.
struct Machine<'m> {
    unit: usize,
    family: &'m Family,
    consumer: &'m Consumer,
}

/// The register of a thermostat, and what its machines then do. With `S` the setpoint, `d` half the dead band
/// and `T` the temperature at the step's end: what heats follows `T = S - d`, gives all it can where that is
/// warmer than `T`, and rests where it is not; what cools likewise, with `T = S + d`.
fn thermostat(b: &mut Builder<'_, '_>, site: &Site, steered: &Steered) {
    let (Some(zone), Some(holder)) = (site.zone(steered.zone), site.family(steered.holder)) else { return };
    let Some(states) = b.temperatures.get(&zone.id).cloned() else { return };
    let thermal = Thermal::new(b.scene, zone);
    let (size, half) = (register_step(holder, &Attr::Setpoint).to_f64(), steered.half.to_f64());
    if size <= 0.0 {
        return;
    }
    let machines: Vec<(Way, Vec<Machine<'_>>)> =
        [(Way::Heats, &steered.heaters), (Way::Cools, &steered.coolers)]
            .map(|(way, ids)| (way, behind(b, site, ids)))
            .into();
    let hull = holder.hull(&Attr::Setpoint).unwrap_or_else(|| zone.range.clone());
    let register = (hull.0.to_f64(), hull.1.to_f64());
    let comfort = Owner { statement: Statement::Comfort(zone.id), class: zone.class };
    for (t, state) in states.iter().enumerate() {
        let rules = b.scene.setpoints.get(&zone.id).and_then(|by| by.get(t)).copied();
        // where something gives way, it may be what a class below the band's asks
        let stands = b.mode == Mode::Hard || b.scene.firm.contains(&(zone.id, t));
        let rules = rules.filter(|_| stands).unwrap_or(register);
        let sides: Vec<(Way, Side)> =
            machines.iter().filter_map(|(way, of)| Some((*way, side(b, &thermal, of, t)?))).collect();
        let band = b.scene.bands.get(&zone.id).and_then(|bands| bands.get(t)).copied().flatten();
        let near = band.map_or(register, |band| near_edge(b, band, &sides, size));
        let steps = |kelvin: f64| (kelvin - FREEZING) / size;
        let whole = |(lo, hi): (f64, f64)| ((steps(lo) - 1e-9).ceil(), (steps(hi) + 1e-9).floor());
        let meet = |a: (f64, f64), b: (f64, f64)| (a.0.max(b.0), a.1.min(b.1));
        let ruled = meet(register, rules);
        let inside = whole(meet(ruled, near));
        let (meets, gives) = (inside.0 <= inside.1, b.gives(comfort));
        // what rules say of the setpoint goes before the band
        let (least, most) = if meets && !gives { inside } else { whole(ruled) };
        if least > most {
            b.program.contradict();
            continue;
        }
        let count = b.program.integer(least, most);
        let band = band.filter(|_| meets || !gives);
        let outside = band.filter(|_| gives).map(|_| outside(b, comfort, (count, size), inside, t));
        let mut ways = [None, None];
        let mut modes = Vec::new();
        for (way, Side { power, capacity }) in sides {
            let [follows, full] = [b.program.integer(0.0, 1.0), b.program.integer(0.0, 1.0)];
            // none of it while they rest, all of it where they give all they can
            b.program.at_most(
                power.terms.iter().copied().chain([(follows, -capacity), (full, -capacity)]),
                -power.constant,
            );
            b.program.at_least(power.terms.iter().copied().chain([(full, -capacity)]), -power.constant);
            // how far the zone is beyond what they keep, K
            let sign = way.sign();
            let mut beyond = state.clone().times(sign);
            beyond.add(&Aff::of(count), -sign * size);
            beyond.constant -= sign * FREEZING - half;
            let (coldest, hottest) = b.range(&beyond);
            b.program
                .at_least(beyond.terms.iter().copied().chain([(full, -coldest.min(0.0))]), -beyond.constant);
            let most = hottest.max(0.0);
            b.program.at_most(
                beyond.terms.iter().copied().chain([(follows, most), (full, most)]),
                most - beyond.constant,
            );
            if let Some(band) = band {
                within_band(b, band, (way, half, size), (count, [follows, full]), outside);
            }
            modes.extend([(follows, 1.0), (full, 1.0)]);
            let [heats, cools] = &mut ways;
            *(if way == Way::Heats { heats } else { cools }) = Some([follows, full]);
        }
        b.program.at_most(modes, 1.0);
        b.registers.setpoints.insert((zone.id, t), Setpoint { count, ways });
    }
}

/// The edge of a band on the side of what moves a zone one way alone: no setpoint lies beyond it, but for a
/// step where rules bound the power as well.
fn near_edge(b: &Builder<'_, '_>, (lo, hi): (f64, f64), sides: &[(Way, Side)], size: f64) -> (f64, f64) {
    let [(way, Side { power, capacity })] = sides else { return (f64::NEG_INFINITY, f64::INFINITY) };
    let room = if b.range(power).1 < capacity - 1e-9 { size } else { 0.0 };
    match way {
        Way::Heats => (lo - room, f64::INFINITY),
        Way::Cools => (f64::NEG_INFINITY, hi + room),
    }
}

/// How far a setpoint leaves its band where that may give way, in register steps. It is asked in the band's
/// class as the temperature is, and weighs little beside it.
fn outside(
    b: &mut Builder<'_, '_>,
    comfort: Owner,
    (count, size): (Col, f64),
    (least, most): (f64, f64),
    t: usize,
) -> Col {
    let (first, last) = b.program.bounds(count);
    let outside = b.program.col(0.0, last - first);
    b.program.at_least([(count, 1.0), (outside, 1.0)], least);
    b.program.at_most([(count, 1.0), (outside, -1.0)], most);
    let weight = SETPOINT * size * b.scene.hours(t);
    b.breaches.push(Breach {
        col: outside,
        weight,
        owner: comfort,
        step: Some(t),
        preference: false,
        initial: false,
    });
    outside
}

/// A setpoint by which machines run lies within the band, or as far beyond it as the dead band asks; further
/// only by what is said to be `outside`.
fn within_band(
    b: &mut Builder<'_, '_>,
    (lo, hi): (f64, f64),
    (way, half, size): (Way, f64, f64),
    (count, [follows, full]): (Col, [Col; 2]),
    outside: Option<Col>,
) {
    let steps = |kelvin: f64| (kelvin - FREEZING) / size;
    let (least, most) = b.program.bounds(count);
    let (sign, edge, beyond) = match way {
        Way::Heats => (1.0, steps(hi.max(lo + half)), most),
        Way::Cools => (-1.0, steps(lo.min(hi - half)), least),
    };
    // sign x count <= sign x edge while they run
    let beyond = (sign * (beyond - edge)).max(0.0);
    let outside = outside.map(|outside| (outside, -1.0));
    let row = [(count, sign), (follows, beyond), (full, beyond)].into_iter().chain(outside);
    b.program.at_most(row, sign * edge + beyond);
}

/// All machines of a way together: the first of them, for they run at equal shares of what they can.
struct Side {
    power: Aff,
    capacity: f64,
}

fn side(b: &Builder<'_, '_>, thermal: &Thermal<'_>, machines: &[Machine<'_>], t: usize) -> Option<Side> {
    let of = |machine: &Machine<'_>| {
        let capacity = thermal.capacity(machine.family, machine.consumer, t);
        let power = b.attrs.get(&(machine.unit, Attr::Power))?.get(t)?.clone();
        (capacity > 0.0).then_some(Side { power, capacity })
    };
    machines.iter().find_map(of)
}

fn behind<'m>(b: &Builder<'_, 'm>, site: &'m Site, ids: &[crate::ir::FamilyId]) -> Vec<Machine<'m>> {
    let of = |id: &crate::ir::FamilyId| {
        let unit = b.units.iter().position(|unit| unit.members.first().is_some_and(|d| d.family == *id))?;
        let family = site.family(*id)?;
        let Model::Consumer(consumer) = &family.model else { return None };
        Some(Machine { unit, family, consumer })
    };
    ids.iter().filter_map(of).collect()
}
