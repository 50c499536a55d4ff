//! Links between buses, bus limits and phase limits (planner.md 3, 8).

use super::model::{Aff, Builder, Part};
use super::scene::Owner;
use crate::ir::{Attr, Family, Model, Role, Statement};

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let site = b.scene.site;
    for link in &site.links {
        let owner = Owner { statement: Statement::Link(link.id), class: None };
        let eta = link.efficiency.to_f64();
        let back_most = if link.both { link.capacity_back.to_f64() } else { 0.0 };
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        for t in 0..b.scene.len() {
            let hours = b.scene.hours(t);
            let there = b.rated(owner, 0.0, link.capacity.to_f64(), t);
            b.draw(Some(link.from), t, &there);
            b.inject(Some(link.to), t, &there.clone().times(eta));
            b.pay(Part::Wear, &there, hours * link.wear.0.to_f64());
            b.calm(0, t, &there, 1.0);
            let back = if link.both {
                let back = b.rated(owner, 0.0, back_most, t);
                b.draw(Some(link.to), t, &back);
                b.inject(Some(link.from), t, &back.clone().times(eta));
                b.pay(Part::Wear, &back, hours * link.wear.1.to_f64());
                b.calm(0, t, &back, 1.0);
                super::exclusive::apart(b, &there, &back);
                back
            } else {
                Aff::fixed(0.0)
            };
            forward.push(there);
            backward.push(back);
        }
        b.links.push((forward, backward));
    }
    for bus in &site.buses {
        let owner = Owner { statement: Statement::Bus(bus.id), class: None };
        if let Some(limit) = &bus.limit {
            for t in 0..b.scene.len() {
                let Some(sum) = b.inflow.get(bus.id.index()).and_then(|s| s.get(t)).cloned() else {
                    continue;
                };
                let weight = b.scene.hours(t) / limit.to_f64().max(1e-6);
                b.ask(
                    owner,
                    &sum,
                    (f64::NEG_INFINITY, limit.to_f64()),
                    weight,
                    Some(t),
                    super::model::Wish::No,
                );
            }
        }
        if let Some(amps) = &bus.phase_limit {
            phases(b, bus, amps.to_f64(), owner);
        }
    }
}

/// Current per kW on one phase: `1000 / (k V pf)`, k = 1.732 for three-phase devices (rounded down,
/// so that the current errs on the high side). A vehicle that charges on one phase of a three-phase
/// charger draws all of it between that phase and the neutral; which phase it is nobody knows, so it
/// counts on every one.
pub(super) fn amps_per_kw(family: &Family, bus: &crate::ir::Bus, one_phase: bool) -> Option<f64> {
    let supply = bus.supply.as_ref()?;
    let line = supply.volts.as_ref()?.to_f64();
    let pf = if supply.ac { family.electrical.power_factor.to_f64() } else { 1.0 };
    let three = family.electrical.phases == 3 && supply.phases == 3;
    let volts = match (&family.electrical.rated_voltage, three, supply.phases) {
        (_, true, _) if one_phase => line / 1.732_050_807_568_877_2,
        (_, true, _) => line,
        (Some(own), false, _) => own.to_f64().min(line),
        (None, false, 3) => line / 1.732_050_807_568_877_2,
        (None, false, _) => line,
    };
    let k = if three && !one_phase { 1.732 } else { 1.0 };
    (volts > 0.0 && pf > 0.0).then(|| 1000.0 / (k * volts * pf))
}

/// Current per kW on each phase that a link takes from a bus, with the power factor of undeclared
/// devices; towards a bus of one phase it counts on every one.
pub(super) fn link_amps(bus: &crate::ir::Bus, other: &crate::ir::Bus) -> Option<f64> {
    let supply = bus.supply.as_ref()?;
    let volts = supply.volts.as_ref()?.to_f64() * if supply.ac { 0.9 } else { 1.0 };
    let single = other.supply.as_ref().is_some_and(|other| other.ac && other.phases == 1);
    let k = match (supply.phases, single) {
        (3, false) => 1.732,
        (3, true) => 1.0 / 1.732_050_807_568_877_2,
        _ => 1.0,
    };
    (volts > 0.0).then(|| 1000.0 / (k * volts))
}

fn phases(b: &mut Builder<'_, '_>, bus: &crate::ir::Bus, amps: f64, owner: Owner) {
    let site = b.scene.site;
    let lines = bus.supply.as_ref().map_or(1, |s| s.phases);
    for phase in 1..=lines {
        for t in 0..b.scene.len() {
            let mut current = Aff::default();
            for (unit, members) in b.units.iter().enumerate() {
                let Some(device) = members.members.first().copied() else { continue };
                let family = site.family(device.family);
                let Some(family) = family.filter(|f| f.bus == Some(bus.id)) else { continue };
                if family.electrical.phases == 1 && family.electrical.phase.is_some_and(|own| own != phase) {
                    continue;
                }
                let Some(factor) = amps_per_kw(family, bus, b.scene.one_phase(device, t)) else { continue };
                let attr = match (&family.model, family.role) {
                    (Model::Store(_), _) => Attr::Charge,
                    (_, Role::Consumer) => Attr::Power,
                    _ => continue,
                };
                if let Some(power) = b.attrs.get(&(unit, attr)).and_then(|v| v.get(t)) {
                    current.add(power, factor);
                }
            }
            for (link, (forward, back)) in site.links.iter().zip(&b.links) {
                for (at, other, flow) in [(link.from, link.to, forward), (link.to, link.from, back)] {
                    let other = site.buses.get(other.index()).filter(|_| at == bus.id);
                    let factor = other.and_then(|other| link_amps(bus, other));
                    if let (Some(factor), Some(power)) = (factor, flow.get(t)) {
                        current.add(power, factor);
                    }
                }
            }
            if !current.terms.is_empty() || current.constant > 0.0 {
                let weight = b.scene.hours(t) / amps.max(1e-6);
                b.ask(owner, &current, (f64::NEG_INFINITY, amps), weight, Some(t), super::model::Wish::No);
            }
        }
    }
}
