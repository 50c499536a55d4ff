//! Consumers: needs that are served or shed, flexible and switched demand, vehicles (planner.md 1, 6).

use super::families::Asks;
use super::model::{Aff, Breach, Builder, Mode, Part};
use super::renewable::hull;
use super::safe_state::Standing;
use super::scene::{DueKind, Owner, What};
use super::semicontinuous;
use crate::ir::{Attr, Consumer, Device, Family, Need, Statement};

pub(super) fn add(
    b: &mut Builder<'_, '_>,
    asks: &Asks<'_>,
    unit: usize,
    family: &Family,
    consumer: &Consumer,
) {
    let Some(device) = b.units.get(unit).and_then(|u| u.members.first()).copied() else { return };
    let count = b.count(unit);
    let need = match &consumer.need {
        Need::None => None,
        Need::Load(s) | Need::Needs(s) => {
            Some((0..b.scene.len()).map(|t| b.scene.signal(*s, device.index, t)).collect::<Vec<f64>>())
        }
        Need::Constant(power) => Some(vec![power.to_f64(); b.scene.len()]),
    };
    let excluded = b.scene.excluded.contains(&device);
    match need {
        None if excluded => super::excluded::consumer(b, unit, family, device),
        Some(need) => served(b, asks, unit, family, consumer, device, &need, count),
        None => decided(b, asks, unit, family, consumer, device, count),
    }
}

/// A need that is served, or shed where the author allows it.
#[expect(clippy::too_many_arguments, reason = "one call, and each is a different thing")]
fn served(
    b: &mut Builder<'_, '_>,
    asks: &Asks<'_>,
    unit: usize,
    family: &Family,
    consumer: &Consumer,
    device: Device,
    need: &[f64],
    count: f64,
) {
    let owner = Owner { statement: Statement::Device(family.id), class: None };
    let mut powers = Vec::with_capacity(need.len());
    for (t, one) in need.iter().enumerate() {
        let hours = b.scene.hours(t);
        let mut power = Aff::fixed(one * count);
        let may_shed = super::safe_state::may_be_shed(family) && !b.scene.excluded.contains(&device);
        if may_shed || b.mode == Mode::Bare {
            let shed = b.program.col(0.0, (one * count).max(0.0));
            power.terms.push((shed, -1.0));
            match (&consumer.shed_price, b.mode) {
                (Some(price), _) if may_shed => {
                    let price = price.to_f64() * hours;
                    b.money.push((Part::Breach, shed, price));
                }
                _ => {
                    let class = consumer.shed_class.filter(|_| may_shed);
                    let weight =
                        hours / family.hull(&Attr::Power).map_or(1.0, |(_, hi)| hi.to_f64()).max(1e-6);
                    b.breaches.push(Breach {
                        col: shed,
                        weight,
                        owner: Owner { class, ..owner },
                        step: Some(t),
                        preference: class.is_some(),
                        initial: false,
                    });
                }
            }
        }
        let share = power.clone().times(1.0 / count);
        if b.mode == Mode::Hard {
            // a set that leaves out the need is a limit on it: shed down to it, or no plan
            let what = What::Device(device, Attr::Power);
            if b.scene.sets.contains_key(&what) || b.scene.forked.contains_key(&what) {
                let sets: Vec<_> = (b.alternatives(device, &Attr::Power, t).into_iter())
                    .filter_map(|(taken, pieces)| hull(&pieces).map(|(lo, hi)| (taken, (lo.min(*one), hi))))
                    .collect();
                b.within(owner, &share, &sets);
            }
        }
        b.ask_of(asks, &What::Device(device, Attr::Power), t, &share, None);
        b.draw(family.bus, t, &power);
        powers.push(power);
    }
    b.put(unit, Attr::Power, powers);
}

/// Demand that the plan chooses.
fn decided(
    b: &mut Builder<'_, '_>,
    asks: &Asks<'_>,
    unit: usize,
    family: &Family,
    consumer: &Consumer,
    device: Device,
    count: f64,
) {
    let resting = b.scene.resting.get(&device).copied();
    let mut standing = resting.and_then(|rest| Standing::of(b.scene, family, device, rest));
    let runs = b.scene.dues.iter().any(|d| d.device == device && matches!(d.kind, DueKind::Run { .. }));
    let dwells = consumer.min_up_s > 0 || consumer.min_down_s > 0;
    let (mut powers, mut ons, mut allowed) = (Vec::new(), Vec::new(), Vec::new());
    let step = crate::bundle::register_step(family, &Attr::Power).to_f64();
    // what follows a setpoint is no whole number of anything
    let counted = !b.scene.steered.iter().any(|steered| steered.moves(family.id));
    for t in 0..b.scene.len() {
        let mut sets = match resting {
            Some(_) => b.left(device, &Attr::Power, t),
            None => b.alternatives(device, &Attr::Power, t),
        };
        if let Some(standing) = &mut standing {
            standing.step(&mut sets, &b.scene.physical(device, &Attr::Power), b.mode);
        }
        for (_, pieces) in &mut sets {
            if let Some(rest) = resting.filter(|_| standing.is_none()) {
                let whole = to_register(pieces, step);
                *pieces = at_rest(pieces, &whole, &b.scene.physical(device, &Attr::Power), (rest, b.mode));
            }
            if consumer.on_off || runs {
                *pieces = switched(pieces, family);
            } else if dwells {
                *pieces = split_at_zero(pieces);
            }
            if let Some(most) = capacity_at(b, consumer, t) {
                *pieces = below(pieces, most);
            }
            if consumer.sessions.is_some() {
                *pieces = super::vehicle::present(b, device, t, pieces);
            }
            if resting.is_none() && counted {
                *pieces = to_register(pieces, step);
            }
        }
        let pieces = sets.first().map(|(_, pieces)| pieces.clone()).unwrap_or_default();
        allowed.push(pieces.clone());
        let (power, on) = semicontinuous::among(b, &sets, count);
        let on = on.unwrap_or_else(|| {
            Aff::fixed(if pieces.first().is_some_and(|p| p.0 > 0.0) { count } else { 0.0 })
        });
        let one = power.clone().times(1.0 / count);
        b.ask_of(asks, &What::Device(device, Attr::Power), t, &one, None);
        b.draw(family.bus, t, &power);
        if resting.is_none() {
            b.calm(unit, t, &power, 1.0);
        }
        powers.push(power);
        ons.push(on);
    }
    super::safe_state::keep(b, family, device, &powers);
    if consumer.sessions.is_some() {
        super::vehicle::rooms(b, family, device, &powers);
    }
    let now = b.scene.running.get(&device).copied();
    if dwells {
        let now = now.unwrap_or(super::scene::Running { on: false, for_s: i64::MAX / 4 });
        semicontinuous::dwell(b, &ons, (now.on, now.for_s), (consumer.min_up_s, consumer.min_down_s));
    }
    b.allowed.insert((unit, Attr::Power), allowed);
    b.put(unit, Attr::Power, powers);
    b.put(unit, Attr::On, ons);
}

/// What a device does that nothing needs: its default, or else what the rules leave nearest to it, in
/// `whole` register steps where there is one. Where statements give way, those that move it may do so too,
/// as far as its default.
fn at_rest(
    left: &[(f64, f64)],
    whole: &[(f64, f64)],
    physical: &[(f64, f64)],
    (rest, mode): (f64, Mode),
) -> Vec<(f64, f64)> {
    let default = nearest(physical, rest);
    let moved = match (left.is_empty(), whole.is_empty() || nearest(left, default) == default) {
        (true, _) => default,
        (false, true) => nearest(left, rest),
        (false, false) => nearest(whole, rest),
    };
    if mode == Mode::Hard {
        return vec![(moved, moved)];
    }
    let (lo, hi) = (default.min(moved), default.max(moved));
    let between: Vec<_> =
        physical.iter().map(|(l, h)| (l.max(lo), h.min(hi))).filter(|(l, h)| l <= h).collect();
    if between.is_empty() { vec![(moved, moved)] } else { between }
}

/// The value of a set nearest to `x`; `x` itself where the set is empty.
pub(super) fn nearest(pieces: &[(f64, f64)], x: f64) -> f64 {
    let mut best: Option<f64> = None;
    for (lo, hi) in pieces {
        let here = x.clamp(*lo, *hi);
        if best.is_none_or(|b| (here - x).abs() < (b - x).abs()) {
            best = Some(here);
        }
    }
    best.unwrap_or(x)
}

/// The same set between whole register steps, so that what is planned can be commanded; a single
/// value stays as it is, for it is switched rather than set.
fn to_register(pieces: &[(f64, f64)], step: f64) -> Vec<(f64, f64)> {
    if step <= 0.0 {
        return pieces.to_vec();
    }
    let inward = |(lo, hi): &(f64, f64)| {
        if lo == hi {
            return Some((*lo, *hi));
        }
        let (lo, hi) = ((lo / step - 1e-9).ceil() * step, (hi / step + 1e-9).floor() * step);
        (lo <= hi).then_some((lo, hi))
    };
    pieces.iter().filter_map(inward).collect()
}

/// Off, or at the greatest power of its physical range.
fn switched(pieces: &[(f64, f64)], family: &Family) -> Vec<(f64, f64)> {
    let full = family.hull(&Attr::Power).map_or(0.0, |(_, hi)| hi.to_f64());
    [0.0, full]
        .into_iter()
        .filter(|x| pieces.iter().any(|(lo, hi)| lo <= x && x <= hi))
        .map(|x| (x, x))
        .collect()
}

/// The same set with zero as a piece of its own.
fn split_at_zero(pieces: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut out = Vec::new();
    for (lo, hi) in pieces {
        if *lo <= 0.0 && *hi > 0.0 {
            out.push((0.0, 0.0));
            out.push((0.0, *hi));
        } else {
            out.push((*lo, *hi));
        }
    }
    out
}

/// The part of a set not above `most`.
fn below(pieces: &[(f64, f64)], most: f64) -> Vec<(f64, f64)> {
    let cut: Vec<_> = pieces.iter().filter(|p| p.0 <= most).map(|(lo, hi)| (*lo, hi.min(most))).collect();
    if cut.is_empty() { vec![(0.0, 0.0)] } else { cut }
}

/// Greatest electrical power at the step's outdoor temperature.
fn capacity_at(b: &Builder<'_, '_>, consumer: &Consumer, t: usize) -> Option<f64> {
    if consumer.capacity.is_empty() {
        return None;
    }
    let zone = consumer.heats.or(consumer.cools)?;
    let outdoor = b.scene.site.zone(zone)?.outdoor?;
    Some(super::thermal::table(&consumer.capacity, b.scene.signal(outdoor, 1, t)))
}
