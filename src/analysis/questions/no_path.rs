//! EVL0604: a device that cannot be supplied as declared.
//!
//! A search along the directed links from every bus with an origin: a grid, or any other producer.
//! Stores are no origins. Beside it stand the electrical facts that need no search: kind of
//! current and voltage of port and bus, and the greatest power against the port's rating.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Diagnostic, codes};
use crate::ir::{Attr, BusId, EffectKind, Family, MemberRange, PortRange, Role, Rule, Site, Supply, Target};
use crate::quantity::{Rat, Type, show};

/// Asks the question of every device that takes power, and of every `supply` statement.
pub(crate) fn ask(site: &Site) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let origins: BTreeSet<BusId> =
        site.families.iter().filter(|f| f.role == Role::Producer).filter_map(|f| f.bus).collect();
    let lines = Lines::new(site);
    let fed = lines.reachable(origins);
    for family in &site.families {
        if takes_power(family)
            && let Some(bus) = family.bus
            && !fed.contains(&bus)
        {
            findings.push(unfed(site, family, bus));
        }
        findings.extend(electrical(site, family));
    }
    let mut fed_from: BTreeMap<BTreeSet<BusId>, BTreeSet<BusId>> = BTreeMap::new();
    for rule in &site.rules {
        findings.extend(supplies(site, rule, |from| {
            fed_from.entry(from).or_insert_with_key(|from| lines.reachable(from.clone())).clone()
        }));
    }
    findings
}

fn takes_power(family: &Family) -> bool {
    matches!(family.role, Role::Consumer | Role::Storage) && !family.is_empty()
}

/// Where power can go from each bus.
struct Lines(BTreeMap<BusId, Vec<BusId>>);

impl Lines {
    fn new(site: &Site) -> Self {
        let mut next: BTreeMap<BusId, Vec<BusId>> = BTreeMap::new();
        for link in &site.links {
            next.entry(link.from).or_default().push(link.to);
            if link.both {
                next.entry(link.to).or_default().push(link.from);
            }
        }
        Self(next)
    }

    /// Buses to which a directed path leads.
    fn reachable(&self, from: BTreeSet<BusId>) -> BTreeSet<BusId> {
        let mut open: Vec<BusId> = from.iter().copied().collect();
        let mut seen = from;
        while let Some(bus) = open.pop() {
            for next in self.0.get(&bus).into_iter().flatten() {
                if seen.insert(*next) {
                    open.push(*next);
                }
            }
        }
        seen
    }
}

fn bus_name(site: &Site, bus: BusId) -> &str {
    site.buses.get(bus.index()).map_or("", |bus| bus.name.as_str())
}

fn unfed(site: &Site, family: &Family, bus: BusId) -> Diagnostic {
    Diagnostic::error(codes::NO_PATH, family.span, format!("nothing can supply `{}`", family.name))
        .says(format!(
            "on bus `{}`, to which no grid, generator or other producer leads",
            bus_name(site, bus)
        ))
        .because("stores are no origins: something has to fill them")
        .help("add a link towards this bus, or let an existing one carry power in both directions")
}

/// One of the origins that a `supply` names must reach what it is to feed. `reachable`: the buses to
/// which a path leads from some buses.
fn supplies(
    site: &Site,
    rule: &Rule,
    mut reachable: impl FnMut(BTreeSet<BusId>) -> BTreeSet<BusId>,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for effect in &rule.effects {
        let EffectKind::Supply { from, never: false, .. } = &effect.kind else { continue };
        let fed_from = reachable(buses(site, from));
        let bound = Target::Group(rule.for_each.unwrap_or(crate::ir::GroupId(u32::MAX)));
        let target = if effect.target == Target::Bound { &bound } else { &effect.target };
        for range in site.target_members(target) {
            let Some(family) = site.family(range.family) else { continue };
            if let Some(bus) = family.bus
                && !fed_from.contains(&bus)
            {
                findings.push(
                    Diagnostic::error(
                        codes::NO_PATH,
                        effect.span,
                        format!("no path leads from the named sources to `{}`", family.name),
                    )
                    .says(format!("`{}` stands on bus `{}`", family.name, bus_name(site, bus)))
                    .label(family.span, "declared here")
                    .help("name a source that is linked to it"),
                );
                break;
            }
        }
    }
    findings
}

fn buses(site: &Site, members: &[MemberRange]) -> BTreeSet<BusId> {
    members.iter().filter_map(|range| site.family(range.family)?.bus).collect()
}

/// The runs of equal ports that the members of an array stand at.
fn ports_of<'s>(site: &'s Site, family: &Family) -> impl Iterator<Item = &'s PortRange> {
    let gateway = family.gateway.and_then(|id| site.gateways.get(id.index()));
    let (first, last) = family.port.unwrap_or((1, 0));
    let ports = gateway.map_or(&[][..], |gateway| &gateway.ports);
    ports.iter().filter(move |port| first <= last && port.first <= last && first <= port.last)
}

fn kind(supply: &Supply) -> String {
    let current = if supply.ac { "AC" } else { "DC" };
    match &supply.volts {
        Some(volts) => format!("{current} {}", show(volts, Type::Voltage, "")),
        None => current.to_owned(),
    }
}

fn fits(a: &Supply, b: &Supply) -> bool {
    a.ac == b.ac && (a.volts.is_none() || b.volts.is_none() || a.volts == b.volts)
}

fn electrical(site: &Site, family: &Family) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let bus = family.bus.and_then(|bus| site.buses.get(bus.index()));
    let bus_supply = bus.and_then(|bus| bus.supply.as_ref());
    if let (Some(volts), Some(bus), Some(on_bus)) = (&family.electrical.rated_voltage, bus, bus_supply)
        && let Some(of_bus) = &on_bus.volts
        && (volts - of_bus).abs() * Rat::int(10) > *of_bus
    {
        findings.push(
            Diagnostic::error(
                codes::NO_PATH,
                family.span,
                format!("`{}` is rated for {}", family.name, show(volts, Type::Voltage, "")),
            )
            .label(bus.span, format!("its bus carries {}", kind(on_bus)))
            .help("put it on a bus of its voltage, or declare the link between"),
        );
    }
    findings.extend(ports_of(site, family).find_map(|port| other_kind(site, family, port)));
    findings.extend(ports_of(site, family).find_map(|port| overloaded(family, port, bus_supply)));
    findings
}

/// A port that carries another kind of current, or another voltage, than the device's bus.
fn other_kind(site: &Site, family: &Family, port: &PortRange) -> Option<Diagnostic> {
    let bus = site.buses.get(family.bus?.index())?;
    let (on_bus, at_port) = (bus.supply.as_ref()?, port.supply.as_ref()?);
    if fits(on_bus, at_port) {
        return None;
    }
    let words =
        format!("`{}` joins {} and {} without a link between", family.name, kind(on_bus), kind(at_port));
    Some(
        Diagnostic::error(codes::NO_PATH, family.span, words)
            .label(bus.span, format!("its bus carries {}", kind(on_bus)))
            .label(port.span, format!("its port carries {}", kind(at_port)))
            .help("put it on a bus of the port's kind, behind a link"),
    )
}

/// A port that is rated for less than the device's greatest power.
fn overloaded(family: &Family, port: &PortRange, bus: Option<&Supply>) -> Option<Diagnostic> {
    let (most, greatest) = (rating(family, port, bus)?, greatest_power(family)?);
    if greatest <= most {
        return None;
    }
    let words = format!("`{}` can take or give more than its port is rated for", family.name);
    Some(
        Diagnostic::error(codes::NO_PATH, family.span, words)
            .says(format!("up to {}", show(&greatest, Type::Power, "")))
            .label(port.span, format!("rated for {}", show(&most, Type::Power, "")))
            .help("lower the declared power, or use a port with a higher rating"),
    )
}

/// k V I pf in kW, k = 1 or 1.732 (rounded down).
fn rating(family: &Family, port: &PortRange, bus: Option<&Supply>) -> Option<Rat> {
    let supply = port.supply.as_ref().or(bus)?;
    let volts = supply.volts.as_ref().or_else(|| bus.and_then(|bus| bus.volts.as_ref()))?;
    let amps = port.rated.as_ref()?;
    let factor = if !supply.ac {
        Rat::ONE
    } else if supply.phases == 3 && family.electrical.phases == 3 {
        &Rat::ratio(1732, 1000)? * &family.electrical.power_factor
    } else {
        family.electrical.power_factor.clone()
    };
    (&(volts * amps) * &factor).checked_div(&Rat::int(1000))
}

fn greatest_power(family: &Family) -> Option<Rat> {
    [Attr::Power, Attr::Charge, Attr::Discharge, Attr::Import, Attr::Export]
        .iter()
        .filter_map(|attr| family.hull(attr))
        .map(|(_, most)| most)
        .max()
}
