//! What the same horizon costs with nobody deciding (planner.md 14): stores idle, vehicles at full
//! power from arrival, heating and cooling at the near edge of the band, nothing shed.

use super::document::Facts;
use super::prepare::grids;
use super::scene::{DueKind, Scene};
use crate::bundle::{DemandMoney, MinimumMoney, Money, Unmanaged};
use crate::ir::{Attr, Device, Model, Need, Zone};
use crate::quantity::Rat;

/// Its decided money by part; `None` with several grids, where nobody says who would carry what.
/// `planned` names the demand charges and the months of minimum bills, in the model's order.
pub(super) fn parts(facts: &Facts<'_, '_, '_, '_>, planned: &Money) -> Option<Unmanaged> {
    let scene = facts.solved.model.scene;
    let site = scene.site;
    let grids = grids(site);
    let [(grid, tariff)] = grids.as_slice() else { return None };
    let mut net = vec![0.0; scene.len()];
    for family in &site.families {
        for device in family.all().devices() {
            for (t, sum) in net.iter_mut().enumerate() {
                *sum += match &family.model {
                    Model::Consumer(c) => match &c.need {
                        Need::Load(s) | Need::Needs(s) => scene.signal(*s, device.index, t),
                        Need::Constant(p) => p.to_f64(),
                        Need::None if scene.excluded.contains(&device) => {
                            super::excluded::presumed(scene, device)
                        }
                        Need::None => scene.resting.get(&device).copied().unwrap_or(0.0),
                    },
                    Model::Renewable { rated, output, .. } => {
                        let rated = rated.to_f64();
                        -output.map_or(rated, |s| scene.signal(s, device.index, t)).clamp(0.0, rated)
                    }
                    _ => 0.0,
                };
            }
            if matches!(&family.model, Model::Consumer(c) if c.need == Need::None) {
                obliged(scene, device, &mut net);
            }
        }
    }
    for zone in &site.zones {
        thermal(scene, zone, &mut net);
    }
    let prices = scene.prices.get(&tariff.id)?;
    let (mut energy, mut export) = (0.0, 0.0);
    for (t, power) in net.iter().enumerate() {
        let hours = scene.hours(t);
        energy += power.max(0.0) * hours * prices.import.get(t)?;
        export += (-power).max(0.0) * hours * prices.export.get(t)?;
    }
    let demand: Vec<DemandMoney> = (scene.charges.iter().filter(|c| c.grid == *grid).zip(&planned.demand))
        .map(|(charge, named)| {
            let peak = (charge.intervals.iter())
                .map(|(steps, known)| {
                    known
                        + steps
                            .iter()
                            .map(|(t, share)| net.get(*t).map_or(0.0, |p| p.max(0.0)) * share)
                            .sum::<f64>()
                })
                .fold(0.0, f64::max);
            let peak = Rat::from_f64_snapped(peak, 9).unwrap_or_default();
            let above = Rat::max_of(&(&peak - &named.known), &Rat::ZERO);
            DemandMoney { decided: &named.price * &above, peak, ..named.clone() }
        })
        .collect();
    let snapped = |money: f64| Rat::from_f64_snapped(money, 9).unwrap_or_default();
    let mut minimum = Vec::new();
    for (month, named) in scene.least_bills.iter().zip(&planned.minimum) {
        let mut bill = month.before;
        for t in month.steps.clone() {
            let energy = net.get(t)? * scene.hours(t);
            bill += energy.max(0.0) * prices.import.get(t)? - (-energy).max(0.0) * prices.export.get(t)?;
        }
        let mut bill = snapped(bill);
        for charge in demand.iter().filter(|charge| charge.month == named.month) {
            bill += &charge.decided;
        }
        let added = Rat::max_of(&(&named.minimum - &bill), &Rat::ZERO);
        minimum.push(MinimumMoney { bill, added, ..named.clone() });
    }
    Some(Unmanaged { energy: snapped(energy), export: snapped(export), demand, minimum })
}

/// The sum of the parts.
pub(super) fn cost(parts: &Unmanaged) -> Rat {
    let demand: Rat = parts.demand.iter().map(|charge| charge.decided.clone()).sum();
    let minimum: Rat = parts.minimum.iter().map(|month| month.added.clone()).sum();
    &(&parts.energy - &parts.export) + &(&demand + &minimum)
}

/// Deliveries and runs at full power as early as they can; what one due has brought counts for the
/// others, and no step carries more than the device can.
fn obliged(scene: &Scene<'_>, device: Device, net: &mut [f64]) {
    let most = scene.physical(device, &Attr::Power).last().map_or(0.0, |p| p.1);
    let mut drawn = vec![0.0; scene.len()];
    for due in scene.dues.iter().filter(|d| d.device == device && d.wish.is_none()) {
        let done: f64 =
            due.steps.clone().map(|t| drawn.get(t).copied().unwrap_or(0.0) * scene.hours(t)).sum();
        let mut left = match due.kind {
            DueKind::Deliver(energy) => energy,
            DueKind::Run { hours, .. } => hours * most,
        } - done;
        for t in due.steps.clone() {
            let hours = scene.hours(t);
            let here = match scene.stays.get(&device) {
                Some(stays) => stays.iter().find(|s| s.steps.contains(&t)).map_or(0.0, |s| s.power.min(most)),
                None => most,
            };
            let before = drawn.get(t).copied().unwrap_or(0.0);
            let power = (here - before).min(left / hours.max(1e-9)).max(0.0);
            if let Some(slot) = drawn.get_mut(t) {
                *slot += power;
            }
            left -= power * hours;
        }
    }
    for (sum, power) in net.iter_mut().zip(drawn) {
        *sum += power;
    }
}

/// A thermostat that heats to the band's lower edge and cools to its upper one.
fn thermal(scene: &Scene<'_>, zone: &Zone, net: &mut [f64]) {
    let Some(mut now) = scene.temperatures.get(&zone.id).copied() else { return };
    let (ua, c) = (zone.heat_loss.to_f64(), zone.heat_capacity.to_f64());
    for (t, sum) in net.iter_mut().enumerate() {
        let hours = scene.hours(t);
        let a = (-ua * hours / c).exp();
        let outdoor = zone.outdoor.map_or(now, |s| scene.signal(s, 1, t));
        let gains = zone.gains.map_or(0.0, |s| scene.signal(s, 1, t));
        let free = a * now + (1.0 - a) * (outdoor + gains / ua);
        let band = scene.bands.get(&zone.id).and_then(|b| b.get(t)).copied().flatten();
        let (lo, hi) = band.unwrap_or((zone.range.0.to_f64(), zone.range.1.to_f64()));
        let wanted = free.clamp(lo, hi);
        let mut heat = (wanted - free) * ua / (1.0 - a).max(1e-12);
        let mut done = 0.0;
        for family in &scene.site.families {
            let Model::Consumer(consumer) = &family.model else { continue };
            let serves = if heat > 0.0 { consumer.heats } else { consumer.cools };
            if serves != Some(zone.id) || heat == 0.0 {
                continue;
            }
            let cop = if consumer.cop.is_empty() { 1.0 } else { super::zone::table(&consumer.cop, outdoor) };
            let there = family.all().devices().filter(|d| !scene.excluded.contains(d)).count();
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 devices")]
            let most = family.hull(&Attr::Power).map_or(0.0, |(_, h)| h.to_f64()) * there as f64;
            let power = (heat.abs() / cop).min(most);
            *sum += power;
            done += power * cop * heat.signum();
            heat -= power * cop * heat.signum();
        }
        now = free + done * (1.0 - a) / ua;
    }
}
