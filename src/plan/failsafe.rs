//! What every limit must bear when one host dies (semantics.md 23): in each step all its devices at
//! their fail-safe values, the balancing device and the links carrying what follows.
//!
//! A device that nothing moves may stand anywhere in its range, a curtailed producer anywhere below
//! its fail-safe value. So each step is balanced twice: at the greatest need and at the greatest
//! surplus. Flows there are columns of their own, bounded as the real ones; they cost nothing.

use std::collections::BTreeMap;

use super::islands::Islands;
use super::model::{Aff, Breach, Builder, Mode, Wish};
use super::network::{amps_per_kw, link_amps};
use super::scene::{Owner, Scene};
use crate::bundle::Bundle;
use crate::ir::{Attr, BusId, Control, FailSafeBy, Family, FamilyId, Model, Need, Role, Statement, Steered};

/// The commanded devices behind the gateways of each host.
pub(super) fn hosts(bundle: &Bundle) -> Vec<Vec<FamilyId>> {
    let site = &bundle.site;
    let behind = |family: &Family, gateways: &[String]| {
        let gateway = family.gateway.and_then(|id| site.gateways.get(id.index()));
        gateway.is_some_and(|gateway| gateways.contains(&gateway.name))
    };
    let steered = site.steered();
    (bundle.hosts.values())
        .map(|gateways| {
            let lost = site.families.iter().filter(|f| behind(f, gateways) && is_commanded(f));
            let mut lost: Vec<FamilyId> = lost.map(|family| family.id).collect();
            // with its setpoint a machine is lost too
            let told = steered.iter().filter(|s| lost.contains(&s.holder)).flat_map(Steered::machines);
            let follow: Vec<FamilyId> = told.filter(|machine| !lost.contains(machine)).collect();
            lost.extend(follow);
            lost
        })
        .filter(|lost| !lost.is_empty())
        .collect()
}

fn is_commanded(family: &Family) -> bool {
    let served = matches!(&family.model, Model::Consumer(c) if matches!(c.need, Need::Load(_)));
    family.control == Control::Command && !served && !matches!(family.model, Model::Grid { .. })
}

/// What a family without a writer takes from its bus and gives to it, kW: least and greatest.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Left {
    takes: (f64, f64),
    gives: (f64, f64),
}

fn left(scene: &Scene<'_>, family: &Family, t: usize) -> Left {
    let there: Vec<u32> = (family.all().devices())
        .filter(|device| !scene.excluded.contains(device))
        .map(|device| device.index)
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 devices")]
    let count = there.len() as f64;
    let hull = |attr: &Attr| {
        family.hull(attr).map_or((0.0, 0.0), |(lo, hi)| (lo.to_f64() * count, hi.to_f64() * count))
    };
    // where another device holds its setpoint, that one's fail-safe moves it anywhere
    let follows = scene.steered.iter().any(|s| s.moves(family.id) && s.holder != family.id);
    let safe = family.fail_safe.as_ref().filter(|safe| safe.by != FailSafeBy::None && !follows);
    let at = safe.map(|safe| safe.at.as_ref().map(|(attr, value)| (attr.clone(), value.to_f64() * count)));
    let power = |attr: Attr| match &at {
        None => hull(&attr),
        Some(None) => (0.0, 0.0),
        // on, at whatever power
        Some(Some((Attr::On, value))) if *value > 0.0 => hull(&attr),
        Some(Some((named, value))) => match attr {
            attr if attr == *named => (*value, *value),
            Attr::Discharge if *named == Attr::Power => (value.max(0.0), value.max(0.0)),
            Attr::Charge if *named == Attr::Power => ((-value).max(0.0), (-value).max(0.0)),
            _ => (0.0, 0.0),
        },
    };
    match &family.model {
        Model::Store(_) => Left { takes: power(Attr::Charge), gives: power(Attr::Discharge) },
        Model::Renewable { rated, output, .. } => {
            let rated = rated.to_f64();
            let available: f64 = (there.iter())
                .map(|member| output.map_or(rated, |s| scene.signal(s, *member, t).clamp(0.0, rated)))
                .sum();
            let least = if at.is_none() { hull(&Attr::Power).0 } else { 0.0 };
            Left { gives: (least.min(available), power(Attr::Power).1.min(available)), ..Left::default() }
        }
        Model::Generator { .. } => Left { gives: power(Attr::Power), ..Left::default() },
        Model::Consumer(_) => Left { takes: power(Attr::Power), ..Left::default() },
        Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. } => Left::default(),
    }
}

pub(super) fn add(b: &mut Builder<'_, '_>) {
    let scene = b.scene;
    for lost in &scene.hosts {
        for t in 0..scene.len() {
            step(b, lost, t);
        }
    }
    if !scene.excluded.is_empty() {
        for t in 0..scene.len() {
            step(b, &[], t);
        }
    }
}

/// Sums by bus.
#[derive(Debug, Clone)]
struct Buses {
    /// What enters less what leaves without the balancing devices and links, at the greatest need and
    /// at the greatest surplus.
    net: [Vec<Aff>; 2],
    /// The most that is produced on it.
    made: Vec<Aff>,
    /// Whether need and surplus differ.
    any: bool,
}

fn step(b: &mut Builder<'_, '_>, lost: &[FamilyId], t: usize) {
    let site = b.scene.site;
    let buses = site.buses.len().max(1);
    let (roots, toward) = roots(b);
    let empty = vec![Aff::default(); buses];
    let mut sums = Buses { net: [empty.clone(), empty.clone()], made: empty, any: false };
    for (unit, members) in b.units.iter().enumerate() {
        let family = members.members.first().and_then(|d| site.family(d.family));
        let excluded = members.members.first().is_some_and(|d| b.scene.excluded.contains(d));
        let planned = |f: &&Family| !lost.contains(&f.id) && !roots.contains_key(&f.id) && !excluded;
        let Some(family) = family.filter(planned) else { continue };
        let bus = family.bus.map_or(0, BusId::index);
        for (attr, gives) in directions(family) {
            let Some(power) = b.attrs.get(&(unit, attr)).and_then(|s| s.get(t)) else { continue };
            for net in &mut sums.net {
                if let Some(sum) = net.get_mut(bus) {
                    sum.add(power, if gives { 1.0 } else { -1.0 });
                }
            }
            if let (true, Some(sum)) = (gives, sums.made.get_mut(bus)) {
                sum.add(power, 1.0);
            }
        }
    }
    for family in lost.iter().filter_map(|id| site.family(*id)) {
        let bus = family.bus.map_or(0, BusId::index);
        let here = left(b.scene, family, t);
        let mut takes = Aff::fixed(here.takes.1);
        if b.mode == Mode::Bare && here.takes.1 > 0.0 {
            // the declared fail-safe value itself may stand in the way
            let less = b.program.col(0.0, here.takes.1);
            takes.terms.push((less, -1.0));
            b.breaches.push(Breach {
                col: less,
                weight: b.scene.hours(t) / here.takes.1.max(1.0),
                owner: Owner { statement: Statement::Device(family.id), class: None },
                step: Some(t),
                preference: false,
                initial: false,
            });
        }
        let [need, surplus] = &mut sums.net;
        if let (Some(need), Some(surplus), Some(made)) =
            (need.get_mut(bus), surplus.get_mut(bus), sums.made.get_mut(bus))
        {
            need.add(&takes, -1.0);
            need.constant += here.gives.0;
            surplus.constant += here.gives.1 - here.takes.0;
            made.constant += here.gives.1;
        }
        sums.any |= here.takes.0 != here.takes.1 || here.gives.0 != here.gives.1;
    }
    for device in &b.scene.excluded {
        let Some(family) = site.family(device.family) else { continue };
        let here = super::excluded::range(b.scene, *device, t);
        sums.any |= here.takes.0 != here.takes.1 || here.gives.0 != here.gives.1;
        let bus = family.bus.map_or(0, BusId::index);
        let [need, surplus] = &mut sums.net;
        if let (Some(need), Some(surplus), Some(made)) =
            (need.get_mut(bus), surplus.get_mut(bus), sums.made.get_mut(bus))
        {
            need.constant += here.gives.0 - here.takes.1;
            surplus.constant += here.gives.1 - here.takes.0;
            made.constant += here.gives.1;
        }
    }
    let sent = limits(b, &roots, &toward, sums, t);
    phases(b, lost, &sent, t);
}

/// Attributes of a device's power with whether they bring power to its bus.
pub(super) fn directions(family: &Family) -> Vec<(Attr, bool)> {
    match &family.model {
        Model::Store(_) => vec![(Attr::Discharge, true), (Attr::Charge, false)],
        Model::Grid { .. } => vec![(Attr::Import, true), (Attr::Export, false)],
        Model::Renewable { .. } | Model::Generator { .. } => vec![(Attr::Power, true)],
        Model::Consumer(_) => vec![(Attr::Power, false)],
        Model::Control { .. } | Model::Slot { .. } => Vec::new(),
    }
}

/// What balances each island with its bus: the first grid, else what forms it; and for each link whether its `to` end is the nearer
/// one to that grid.
fn roots(b: &Builder<'_, '_>) -> (BTreeMap<FamilyId, usize>, Vec<bool>) {
    let site = b.scene.site;
    let mut away: Vec<Option<usize>> = vec![None; site.buses.len().max(1)];
    let mut roots = BTreeMap::new();
    let grids = site.families.iter().filter(|f| matches!(f.model, Model::Grid { .. }));
    let forming = Islands::new(site).forming(site);
    let forming = site.families.iter().filter(|f| forming.iter().any(|device| device.family == f.id));
    for family in grids.chain(forming) {
        let root = family.bus.map_or(0, BusId::index);
        if away.get(root).is_none_or(Option::is_some) {
            continue;
        }
        roots.insert(family.id, root);
        if let Some(slot) = away.get_mut(root) {
            *slot = Some(0);
        }
        // as often as there are links is enough to reach every bus
        for _ in 0..site.links.len() {
            for link in &site.links {
                let (from, to) = (link.from.index(), link.to.index());
                let at = |bus: usize| away.get(bus).copied().flatten();
                match (at(from), at(to)) {
                    (Some(d), None) => away.get_mut(to).into_iter().for_each(|s| *s = Some(d + 1)),
                    (None, Some(d)) => away.get_mut(from).into_iter().for_each(|s| *s = Some(d + 1)),
                    _ => {}
                }
            }
        }
    }
    let depth = |bus: BusId| away.get(bus.index()).copied().flatten().unwrap_or(0);
    let toward = site.links.iter().map(|link| depth(link.to) < depth(link.from)).collect();
    (roots, toward)
}

/// The balancing devices, links and buses at the greatest need and the greatest surplus. Returns the
/// most that links take from their buses, with the bus that it goes to.
fn limits(
    b: &mut Builder<'_, '_>,
    roots: &BTreeMap<FamilyId, usize>,
    toward: &[bool],
    sums: Buses,
    t: usize,
) -> Vec<(BusId, BusId, Aff)> {
    let site = b.scene.site;
    let Buses { net: [need, surplus], mut made, any } = sums;
    let both = if any { vec![need, surplus] } else { vec![need] };
    let last = both.len() - 1;
    let mut most_sent = Vec::new();
    for (scenario, mut net) in both.into_iter().enumerate() {
        let (is_need, is_surplus) = (scenario == 0, scenario == last);
        for (family, root) in roots {
            let owner = Owner { statement: Statement::Device(*family), class: None };
            let most =
                |attr| site.family(*family).and_then(|f| f.hull(&attr)).map_or(0.0, |(_, hi)| hi.to_f64());
            let (gives, takes) = match site.family(*family).map(|f| &f.model) {
                Some(Model::Store(_)) => (Attr::Discharge, Attr::Charge),
                Some(Model::Generator { .. }) => (Attr::Power, Attr::Export),
                _ => (Attr::Import, Attr::Export),
            };
            let import = b.rated(owner, 0.0, most(gives), t);
            let export = b.rated(owner, 0.0, most(takes), t);
            if let Some(sum) = net.get_mut(*root) {
                sum.add(&import, 1.0);
                sum.add(&export, -1.0);
            }
            if let (true, Some(sum)) = (is_need, made.get_mut(*root)) {
                sum.add(&import, 1.0);
            }
        }
        for (link, toward) in site.links.iter().zip(toward) {
            let owner = Owner { statement: Statement::Link(link.id), class: None };
            let eta = link.efficiency.to_f64();
            let back = if link.both { link.capacity_back.to_f64() } else { 0.0 };
            let ways =
                [(link.from, link.to, link.capacity.to_f64(), *toward), (link.to, link.from, back, !toward)];
            let mut both_ways = Vec::new();
            for (from, to, most, homeward) in ways {
                if most <= 0.0 {
                    continue;
                }
                let sent = b.rated(owner, 0.0, most, t);
                both_ways.push(sent.clone());
                let got = sent.clone().times(eta);
                if let Some(sum) = net.get_mut(from.index()) {
                    sum.add(&sent, -1.0);
                }
                if let Some(sum) = net.get_mut(to.index()) {
                    sum.add(&got, 1.0);
                }
                // towards the grid flows what is too much, away from it what is needed
                let counts = if homeward { is_surplus } else { is_need };
                if let (true, Some(sum)) = (counts, made.get_mut(to.index())) {
                    sum.add(&got, 1.0);
                }
                if counts {
                    most_sent.push((from, to, sent));
                }
            }
            // nothing is burnt by sending it there and back
            if let [there, back] = both_ways.as_slice() {
                super::exclusive::apart(b, there, back);
            }
        }
        for sum in net {
            if !sum.terms.is_empty() || sum.constant.abs() > 1e-12 {
                b.program.equal(sum.terms, -sum.constant);
            }
        }
    }
    for (bus, inflow) in site.buses.iter().zip(made) {
        let Some(limit) = &bus.limit else { continue };
        let owner = Owner { statement: Statement::Bus(bus.id), class: None };
        let weight = b.scene.hours(t) / limit.to_f64().max(1e-6);
        b.ask(owner, &inflow, (f64::NEG_INFINITY, limit.to_f64()), weight, Some(t), Wish::No);
    }
    most_sent
}

/// Currents of limited phases.
fn phases(b: &mut Builder<'_, '_>, lost: &[FamilyId], sent: &[(BusId, BusId, Aff)], t: usize) {
    let site = b.scene.site;
    for bus in &site.buses {
        let Some(amps) = bus.phase_limit.as_ref().map(crate::quantity::Rat::to_f64) else { continue };
        let owner = Owner { statement: Statement::Bus(bus.id), class: None };
        for phase in 1..=bus.supply.as_ref().map_or(1, |supply| supply.phases) {
            let on_phase = |family: &Family| {
                let electrical = &family.electrical;
                family.bus == Some(bus.id)
                    && (electrical.phases != 1 || electrical.phase.is_none_or(|own| own == phase))
            };
            let mut current = Aff::default();
            for (unit, members) in b.units.iter().enumerate() {
                let Some(device) = members.members.first().copied() else { continue };
                let family = site.family(device.family);
                let planned = |f: &&Family| !lost.contains(&f.id) && !b.scene.excluded.contains(&device);
                let Some(family) = family.filter(|f| on_phase(f) && planned(f)) else { continue };
                let attr = match (&family.model, family.role) {
                    (Model::Store(_), _) => Attr::Charge,
                    (_, Role::Consumer) => Attr::Power,
                    _ => continue,
                };
                let power = b.attrs.get(&(unit, attr)).and_then(|s| s.get(t));
                let factor = amps_per_kw(family, bus, b.scene.one_phase(device, t));
                if let (Some(power), Some(factor)) = (power, factor) {
                    current.add(power, factor);
                }
            }
            for family in lost.iter().filter_map(|id| site.family(*id)).filter(|f| on_phase(f)) {
                let excluded = b.scene.excluded.iter().filter(|d| d.family == family.id);
                let gone = u32::try_from(excluded.count()).unwrap_or(u32::MAX);
                let all = family.len().saturating_sub(gone).max(1);
                let single = b.scene.one_phases(family.id, t).min(all);
                let takes = left(b.scene, family, t).takes.1 / f64::from(all);
                for (one_phase, count) in [(true, single), (false, all.saturating_sub(single))] {
                    let factor = amps_per_kw(family, bus, one_phase).unwrap_or(0.0);
                    current.constant += takes * f64::from(count) * factor;
                }
            }
            for device in &b.scene.excluded {
                let Some(family) = site.family(device.family).filter(|f| on_phase(f)) else { continue };
                let takes = super::excluded::range(b.scene, *device, t).takes.1;
                let factor = amps_per_kw(family, bus, b.scene.one_phase(*device, t)).unwrap_or(0.0);
                current.constant += takes * factor;
            }
            for (_, to, power) in sent.iter().filter(|(from, _, _)| *from == bus.id) {
                let factor = site.buses.get(to.index()).and_then(|to| link_amps(bus, to));
                current.add(power, factor.unwrap_or(0.0));
            }
            let weight = b.scene.hours(t) / amps.max(1e-6);
            b.ask(owner, &current, (f64::NEG_INFINITY, amps), weight, Some(t), Wish::No);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::inventory::Inventory;
    use crate::bundle::{Document, PlanDocument, State};
    use crate::calendar::Instant;
    use crate::inputs::Inputs;
    use crate::ir::{Bus, Consumer, End, FailSafe, Gateway, GatewayId, Site};
    use crate::plan::testing::*;
    use crate::plan::{Options, PlanFailure, plan};
    use crate::quantity::Rat;

    /// A grid of 5 kW, a battery behind a host, a load of `load` kW and a need of 4 kW that may be shed.
    fn yard(load_kw: &str) -> Site {
        let mut s = site();
        s.buses.push(Bus {
            id: BusId(0),
            name: "main".into(),
            supply: None,
            limit: None,
            phase_limit: None,
            span: span(),
        });
        s.gateways.push(Gateway {
            id: GatewayId(0),
            name: "plant".into(),
            ports: Vec::new(),
            together: Vec::new(),
            span: span(),
        });
        s.step = vec![crate::ir::StepRun { count: None, length_s: 3600 }];
        s.horizon_s = 4 * 3600;
        grid(&mut s, "5", "0");
        load(&mut s, "l", load_kw);
        let elastic = Consumer { need: Need::Constant(rat("4")), shed_price: Some(rat("2")), ..consumer() };
        flexible(&mut s, "heater", &[("0", "4")], elastic);
        let b = store(&mut s, "pack", "100", "20", End::Free);
        let pack = &mut s.families[b.family.index()];
        pack.gateway = Some(GatewayId(0));
        pack.control = Control::Command;
        pack.fail_safe =
            Some(FailSafe { at: Some((Attr::Power, Rat::ZERO)), by: FailSafeBy::Watchdog, span: span() });
        for family in &mut s.families {
            family.bus = Some(BusId(0));
        }
        s
    }

    fn made(site: Site, hosts: &str) -> Result<PlanDocument, PlanFailure> {
        made_without(site, hosts, &[])
    }

    fn made_without(site: Site, hosts: &str, excluded: &[&str]) -> Result<PlanDocument, PlanFailure> {
        let inventory: Inventory = serde_yaml::from_str(hosts).unwrap();
        let from = Instant(1_772_409_600);
        let mut state = State::new(&site.name, from);
        state.levels.insert("pack".into(), "100 kWh".parse().unwrap());
        state.excluded = excluded.iter().map(|name| (*name).to_owned()).collect();
        let bundle = Bundle::new(site, BTreeMap::new(), &inventory, BTreeMap::new());
        plan(&bundle, &Inputs::new(), &state, &Options::from(from))
    }

    const HOST: &str = "
        hosts: { pc: { gateways: [plant] } }
        gateways: { plant: { transport: modbus_tcp, host: 127.0.0.1 } }";

    fn served(plan: &PlanDocument) -> Vec<String> {
        let heater = plan.commands.iter().find(|c| c.device == "heater").unwrap();
        (0..plan.steps.len()).map(|t| heater.value(t).unwrap().to_decimal(3)).collect()
    }

    #[test]
    fn what_a_dead_host_would_leave_to_the_grid_is_planned_for() {
        // alone, the battery carries whatever the grid cannot
        let free = made(yard("3"), "{}").map_err(|f| format!("{f:#?}")).unwrap();
        assert_eq!(served(&free), ["4", "4", "4", "4"]);
        // with its host gone the grid must carry everything: 2 kW of the heater at most
        let bound = made(yard("3"), HOST).map_err(|f| format!("{f:#?}")).unwrap();
        assert_eq!(served(&bound), ["2", "2", "2", "2"]);
        assert_eq!(PlanDocument::read(&bound.bytes()).unwrap(), bound);
    }

    /// Of three equal fans behind the host two go to 0 kW with it; the third nobody has in hand.
    #[test]
    fn an_excluded_device_is_at_its_worst_with_a_host_gone_as_well() {
        let mut s = yard("3");
        let fan = flexible(&mut s, "fan", &[("0", "1")], consumer());
        let family = &mut s.families[fan.family.index()];
        family.count = Some(3);
        family.bus = Some(BusId(0));
        family.gateway = Some(GatewayId(0));
        family.control = Control::Command;
        family.fail_safe =
            Some(FailSafe { at: Some((Attr::Power, Rat::ZERO)), by: FailSafeBy::Watchdog, span: span() });
        let all = made(s.clone(), HOST).map_err(|f| format!("{f:#?}")).unwrap();
        assert_eq!(served(&all), ["2", "2", "2", "2"]);
        let without = made_without(s.clone(), HOST, &["fan[2]"]).map_err(|f| format!("{f:#?}")).unwrap();
        assert_eq!(served(&without), ["1", "1", "1", "1"]);
        // the store itself out of hand: the grid cannot bear what it may draw
        assert!(made_without(s, HOST, &["pack"]).unwrap_err().infeasible);
    }

    #[test]
    fn where_nothing_can_bear_it_the_statements_are_named() {
        let failure = made(yard("6"), HOST).unwrap_err();
        assert!(failure.infeasible);
        let finding = failure.findings.iter().next().unwrap();
        assert_eq!(finding.code.to_string(), "EVL1002");
        let words = format!("{finding:#?}");
        assert!(words.contains("`utility`") && words.contains("kW"), "{words}");
        // without a host to lose there is a plan: the battery carries the rest
        assert!(made(yard("6"), "{}").is_ok());
    }
}
