//! Bounds on means over the clock: they bind in the part of each window in which they hold
//! (semantics.md 10). Where the plan itself decides in which steps that is, what each such step has
//! beyond its bound counts only there.

use std::collections::BTreeMap;

use super::demands::parts;
use super::forks::{Overlays, When};
use super::model::{Aff, Builder, Wish};
use super::prepare::Known;
use super::scene::{Mean, MeanStep, Owner, Scene, Total};
use super::steps;
use crate::eval::{Asked, Decision, Demand, EffectRef, Status, Unit};
use crate::ir::{Attr, ClassId, Device, MemberRange, Site, Statement};
use crate::quantity::Rat;

/// Whose mean: an effect on the members' attribute over so many s.
type Key = (EffectRef, Vec<MemberRange>, Attr, i64);

/// In which class, and of a preference what its breach costs, currency per kWh.
type Rank = (ClassId, Option<Option<f64>>);

/// Bounds of one step, and where it hangs on a guard that the plan decides, when they hold.
type Bound = ((f64, f64), Option<When>);

/// The parts of a window, h of each step.
type Window = Vec<(usize, f64)>;

/// Whose means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Of single devices.
    Devices,
    /// Of groups together.
    Groups,
}

/// Puts the means of all steps' decisions into the scene.
pub(super) fn gather(
    known: &Known<'_>,
    scene: &mut Scene<'_>,
    decisions: &[Decision],
    overlays: &Overlays,
    of: Of,
) {
    let mut by: BTreeMap<Key, (Rank, BTreeMap<usize, Bound>)> = BTreeMap::new();
    let mut put = |key: Key, rank: Rank, t: usize, bound: Bound| {
        by.entry(key).or_insert_with(|| (rank, BTreeMap::new())).1.insert(t, bound);
    };
    for (t, decision) in decisions.iter().enumerate() {
        let open = overlays.steps.get(&t);
        let outcomes = open.filter(|_| of == Of::Devices).map(|open| open.outcomes.as_slice());
        let totals = open.filter(|_| of == Of::Groups).map(|open| open.totals.as_slice());
        let (outcomes, totals) = (outcomes.unwrap_or_default(), totals.unwrap_or_default());
        let always = (decision.outcomes.iter())
            .filter(|outcome| of == Of::Devices && outcome.status == Status::InForce)
            .filter(|outcome| !outcomes.iter().any(|(other, _)| other == *outcome))
            .map(|outcome| (outcome, None));
        for (outcome, when) in always.chain(outcomes.iter().map(|(outcome, when)| (outcome, Some(when)))) {
            let Some(over) = outcome.averaged_s else { continue };
            for (key, bounds) in single(known.site, outcome.effect, over, outcome.unit, &outcome.demand) {
                put(key, (outcome.class, None), t, (bounds, when.cloned()));
            }
        }
        let always = (decision.totals_in_force())
            .filter(|total| of == Of::Groups && !totals.iter().any(|(other, _)| other == *total))
            .map(|total| (total, None));
        for (total, when) in always.chain(totals.iter().map(|(total, when)| (total, Some(when)))) {
            let Some(over) = total.averaged_s else { continue };
            let lo = total.lo.as_ref().map_or(f64::NEG_INFINITY, Rat::to_f64);
            let hi = total.hi.as_ref().map_or(f64::INFINITY, Rat::to_f64);
            let key = (total.effect, total.members.clone(), total.attr.clone(), over);
            put(key, (total.class, None), t, ((lo, hi), when.cloned()));
        }
        let preferences = open.map(|open| open.preferences.as_slice()).unwrap_or_default();
        let always = (decision.preferences.iter())
            .filter(|wish| !preferences.iter().any(|(other, _)| other == *wish))
            .map(|wish| (wish, None));
        for (wish, when) in always.chain(preferences.iter().map(|(wish, when)| (wish, Some(when)))) {
            let Some(over) = wish.averaged_s else { continue };
            let rank = (wish.class, Some(wish.price.as_ref().map(Rat::to_f64)));
            match &wish.asked {
                Asked::Demand(demand) if of == Of::Devices => {
                    for unit in &wish.units {
                        for (key, bounds) in single(known.site, wish.effect, over, *unit, demand) {
                            put(key, rank, t, (bounds, when.cloned()));
                        }
                    }
                }
                Asked::Total { attr, lo, hi } if of == Of::Groups => {
                    let members = wish.units.iter().filter_map(super::effects::devices).collect();
                    let lo = lo.as_ref().map_or(f64::NEG_INFINITY, Rat::to_f64);
                    let hi = hi.as_ref().map_or(f64::INFINITY, Rat::to_f64);
                    put((wish.effect, members, attr.clone(), over), rank, t, ((lo, hi), when.cloned()));
                }
                _ => {}
            }
        }
    }
    for ((effect, members, attr, over), ((class, wish), bounds)) in by {
        let statement = Statement::Effect(effect.instance.rule, effect.index);
        let owner = Owner { statement, class: Some(class) };
        let (group, width) = group(scene, known.site, &members, &attr);
        for window in windows(known, over, &bounds) {
            let hours: f64 = window.iter().map(|(_, hours)| hours).sum();
            let at = |t: &usize| bounds.get(t).cloned().unwrap_or(((0.0, 0.0), None));
            if window.iter().any(|(t, _)| at(t).1.is_some()) {
                let step = |(t, hours): &(usize, f64)| {
                    let ((lo, hi), when) = at(t);
                    MeanStep { at: *t, hours: *hours, lo, hi, when }
                };
                let steps = window.iter().map(step).collect();
                scene.means.push(Mean { owner, group, steps, width, wish });
                continue;
            }
            let shares: Window = window.iter().map(|(t, part)| (*t, part / hours)).collect();
            let mean = |pick: &dyn Fn((f64, f64)) -> f64| -> f64 {
                shares.iter().map(|(t, share)| pick(at(t).0) * share).sum()
            };
            let (lo, hi) = (mean(&|bound| bound.0), mean(&|bound| bound.1));
            scene.totals.push(Total {
                owner,
                group,
                known: 0.0,
                lo,
                hi,
                width,
                hours,
                preference: wish.is_some(),
                price: wish.flatten(),
                when: None,
                steps: shares,
            });
        }
    }
}

/// The means of an effect on single devices.
fn single(site: &Site, effect: EffectRef, over: i64, unit: Unit, demand: &Demand) -> Vec<(Key, (f64, f64))> {
    let Unit::Devices(range) = unit else { return Vec::new() };
    let Some(family) = site.family(range.family) else { return Vec::new() };
    let one = |device: Device| MemberRange { first: device.index, last: device.index, ..range };
    (parts(family, demand).into_iter())
        .flat_map(|(attr, lo, hi)| {
            range.devices().map(move |device| ((effect, vec![one(device)], attr.clone(), over), (lo, hi)))
        })
        .collect()
}

/// The place of a set of attributes, and the width of its sum's physical range.
pub(super) fn group(
    scene: &mut Scene<'_>,
    site: &Site,
    members: &[MemberRange],
    attr: &Attr,
) -> (usize, f64) {
    let group: Vec<(Device, Attr)> =
        members.iter().flat_map(|r| r.devices()).map(|d| (d, attr.clone())).collect();
    let width: f64 = (members.iter())
        .filter_map(|r| {
            let (l, h) = site.family(r.family)?.hull(attr).unwrap_or((Rat::ZERO, Rat::ONE));
            Some((h.to_f64() - l.to_f64()) * (f64::from(r.last - r.first) + 1.0))
        })
        .sum();
    let place = scene.groups.iter().position(|g| *g == group).unwrap_or_else(|| {
        scene.groups.push(group);
        scene.groups.len() - 1
    });
    (place, width)
}

/// The windows of a mean, as far as steps have bounds.
/// Of a window that began before the plan the rest obeys the bound by itself.
fn windows(known: &Known<'_>, over: i64, bounds: &BTreeMap<usize, Bound>) -> Vec<Window> {
    let mut found = Vec::new();
    let mut last: Vec<usize> = Vec::new();
    for (begin, end) in steps::intervals(known.calendar, over, known.from(), known.until()) {
        // parts of steps count by their share; in one step the power is the same all the time
        let first = known.steps.partition_point(|step| step.end <= begin);
        let inside = (known.steps.iter().enumerate().skip(first))
            .take_while(|(_, step)| step.start < end)
            .filter(|(t, _)| bounds.contains_key(t));
        #[expect(clippy::cast_precision_loss, reason = "windows are far shorter than 2^53 s")]
        let parts: Window = inside
            .map(|(t, step)| (t, step.end.min(end).since(step.start.max(begin)) as f64 / 3600.0))
            .collect();
        let places: Vec<usize> = parts.iter().map(|(t, _)| *t).collect();
        if parts.is_empty() || (places.len() == 1 && places == last) {
            continue;
        }
        last = places;
        found.push(parts);
    }
    found
}

/// The rows of means that hang on guards which the plan decides.
pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for mean in &scene.means {
        let first = mean.steps.first().map(|step| step.at);
        for upper in [true, false] {
            let mut beyond = Aff::default();
            let mut can_break = false;
            for step in &mean.steps {
                let bound = if upper { step.hi } else { step.lo };
                if !bound.is_finite() {
                    continue;
                }
                let mut here = super::rules::sum(b, mean.group, step.at);
                here.constant -= bound;
                let here = here.times(if upper { 1.0 } else { -1.0 });
                can_break |= b.range(&here).1 > 0.0;
                let counted = counted(b, here, step.when.as_ref());
                beyond.add(&counted, step.hours);
            }
            if can_break {
                let weight = 1.0 / mean.width.max(1e-9);
                let wish = match mean.wish {
                    None => Wish::No,
                    Some(None) => Wish::Free,
                    Some(Some(price)) => Wish::Priced(price),
                };
                b.ask(mean.owner, &beyond, (f64::NEG_INFINITY, 0.0), weight, first, wish);
            }
        }
    }
}

/// A column of at least `amount` where `when` is 1, and of at least 0 where it is 0.
fn counted(b: &mut Builder<'_, '_>, amount: Aff, when: Option<&When>) -> Aff {
    let Some(when) = b.taken(when) else { return amount };
    let (least, most) = b.range(&amount);
    let (least, most) = (least.min(0.0), most.max(0.0));
    let col = b.program.col(least, most);
    // col >= amount - most (1 - when), col >= least when
    let mut row = amount;
    row.add(&when, most);
    row.add(&Aff::of(col), -1.0);
    b.program.at_most(row.terms, most - row.constant);
    let mut row = when.times(least);
    row.add(&Aff::of(col), -1.0);
    b.program.at_most(row.terms, -row.constant);
    Aff::of(col)
}
