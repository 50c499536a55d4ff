//! EVL0607: a limit of a bus, link, port or grid connection that can be exceeded when evl is gone.
//!
//! Each device is at its fail-safe value, or anywhere in its range where nothing moves it. Each
//! connected part of the buses is judged by itself. Where it is a tree, a cut at a link has a side
//! without the grid, and what that side must take or give at most is the sum of its devices', with
//! what links lose on the way. Among parallel links, and between several grids, nothing here fixes
//! how power divides: what no division could exceed is fine, the rest is an open question.

use std::collections::{BTreeMap, BTreeSet};

use super::open;
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{Attr, BusId, Domain, FailSafeBy, Family, Link, Model, Need, Role, Site};
use crate::quantity::{Rat, Type, show};

/// What a device can take net at its terminal with evl gone: least and greatest, kW; negative where
/// it gives.
struct Net {
    family: usize,
    bus: BusId,
    least: Rat,
    most: Rat,
}

/// Power from which on a range is the widest that any feed may have and not a declaration, kW.
const WIDEST: i64 = 1_000_000;

/// Asks the question of every limit.
pub(crate) fn ask(site: &Site) -> Vec<Diagnostic> {
    if site.families.iter().all(|family| family.fail_safe.is_none()) {
        // nothing is commanded, so that nothing changes when evl is gone
        return Vec::new();
    }
    let nets: Vec<Net> =
        site.families.iter().enumerate().filter_map(|(i, family)| net(site, i, family)).collect();
    let mut findings = Vec::new();
    let mut seen: BTreeSet<BusId> = BTreeSet::new();
    for bus in &site.buses {
        if seen.contains(&bus.id) {
            continue;
        }
        let part = side(site, bus.id, None);
        seen.extend(part.iter().copied());
        let grids = grids_of(site, &part);
        let links = site.links.iter().filter(|link| part.contains(&link.from)).count();
        if links + 1 == part.len() && grids.len() <= 1 {
            tree(site, &nets, &part, &grids, &mut findings);
        } else {
            mesh(site, &nets, &part, &grids, &mut findings);
        }
    }
    findings
}

/// A tree of buses with one grid at most.
fn tree(
    site: &Site,
    nets: &[Net],
    part: &BTreeSet<BusId>,
    grids: &[&Family],
    findings: &mut Vec<Diagnostic>,
) {
    let of_part: Vec<&Net> = nets.iter().filter(|net| part.contains(&net.bus)).collect();
    if let [grid] = grids
        && let (Some(bus), Model::Grid { import, export, .. }) = (grid.bus, &grid.model)
    {
        let (least, most) = seen_from(site, nets, bus, None);
        at_meter(site, grid, (import, export), (&least, &most), &of_part, findings);
    }
    for link in site.links.iter().filter(|link| part.contains(&link.from)) {
        cut(site, link, nets, findings);
    }
    for bus in site.buses.iter().filter(|bus| part.contains(&bus.id)) {
        if let Some(limit) = &bus.limit {
            bus_limit(site, bus.id, limit, bus.span, nets, findings);
        }
    }
}

/// What goes through the meter, or the meters, of a part.
fn at_meter(
    site: &Site,
    grid: &Family,
    (import, export): (&Rat, &Rat),
    (least, most): (&Rat, &Rat),
    nets: &[&Net],
    findings: &mut Vec<Diagnostic>,
) {
    let given = -least;
    if most > import {
        let what = format!("more can be taken than `{}` can import", grid.name);
        findings.push(finding(site, grid.span, what, most, import, nets));
    }
    if given > *export {
        let what = format!("more can be given than `{}` can export", grid.name);
        findings.push(finding(site, grid.span, what, &given, export, nets));
    }
}

/// Buses of which nothing fixes how power divides: no flow exceeds what all devices take together,
/// or give together, with what the links can lose.
fn mesh(
    site: &Site,
    nets: &[Net],
    part: &BTreeSet<BusId>,
    grids: &[&Family],
    findings: &mut Vec<Diagnostic>,
) {
    let of_part: Vec<&Net> = nets.iter().filter(|net| part.contains(&net.bus)).collect();
    let (least, most): (Rat, Rat) =
        (of_part.iter().map(|n| &n.least).sum(), of_part.iter().map(|n| &n.most).sum());
    let limits = grids.iter().filter_map(|grid| match &grid.model {
        Model::Grid { import, export, .. } => Some((import, export)),
        _ => None,
    });
    let (import, export): (Vec<&Rat>, Vec<&Rat>) = limits.unzip();
    if let Some(first) = grids.first() {
        let (import, export): (Rat, Rat) = (import.into_iter().sum(), export.into_iter().sum());
        at_meter(site, first, (&import, &export), (&least, &most), &of_part, findings);
    }
    let links: Vec<&Link> = site.links.iter().filter(|link| part.contains(&link.from)).collect();
    let mut taken: Rat = of_part.iter().map(|n| Rat::max_of(&n.most, &Rat::ZERO)).sum();
    let given: Rat = of_part.iter().map(|n| Rat::max_of(&-&n.least, &Rat::ZERO)).sum();
    for link in &links {
        taken = taken.checked_div(&link.efficiency).unwrap_or(taken);
    }
    let flow = Rat::max_of(&taken, &given);
    let mut doubt = |span: Span, name: &str, limit: &Rat| {
        if flow > *limit {
            findings.push(open(span, &format!("whether `{name}` can carry what flows when evl is gone")));
        }
    };
    for link in links {
        doubt(link.span, &link.name, &link.capacity);
        if link.both {
            doubt(link.span, &link.name, &link.capacity_back);
        }
    }
    for bus in site.buses.iter().filter(|bus| part.contains(&bus.id)) {
        bus.limit.iter().for_each(|limit| doubt(bus.span, &bus.name, limit));
    }
    if let [_, _, ..] = grids {
        for grid in grids {
            if let Model::Grid { import, export, .. } = &grid.model {
                doubt(grid.span, &grid.name, &Rat::min_of(import, export));
            }
        }
    }
}

fn net(site: &Site, index: usize, family: &Family) -> Option<Net> {
    let bus = family.bus?;
    let members = Rat::int(i64::from(family.len()));
    let (least, most) = at_fail_safe(site, family)?;
    Some(Net { family: index, bus, least: &least * &members, most: &most * &members })
}

/// Net consumption of one member.
fn at_fail_safe(site: &Site, family: &Family) -> Option<(Rat, Rat)> {
    let hull = |attr: &Attr| family.hull(attr).map_or(Rat::ZERO, |(_, most)| most);
    let gives = family.role == Role::Producer;
    let range = match &family.model {
        Model::Grid { .. } | Model::Control { .. } | Model::Slot { .. } => return None,
        Model::Store(_) => (-&hull(&Attr::Discharge), hull(&Attr::Charge)),
        _ if gives => (-&hull(&Attr::Power), Rat::ZERO),
        Model::Consumer(consumer) => {
            let served = |signal| match site.signal(signal).map(|s| &s.domain) {
                Some(Domain::Interval { lo, hi }) => (lo.clone(), hi.clone()),
                _ => (Rat::ZERO, hull(&Attr::Power)),
            };
            match &consumer.need {
                Need::Load(signal) | Need::Needs(signal) => served(*signal),
                Need::Constant(power) => (power.clone(), power.clone()),
                Need::None => match (&family.fail_safe, &consumer.default_power) {
                    (None, Some(power)) => (power.clone(), power.clone()),
                    _ => (Rat::ZERO, hull(&Attr::Power)),
                },
            }
        }
        _ => (Rat::ZERO, hull(&Attr::Power)),
    };
    let Some(fail_safe) = &family.fail_safe else { return Some(range) };
    if fail_safe.by == FailSafeBy::None {
        return Some(range);
    }
    let at = match &fail_safe.at {
        None => Rat::ZERO,
        Some((Attr::Power, value)) if matches!(family.model, Model::Store(_)) || gives => -value,
        Some((Attr::Power | Attr::Charge | Attr::Import, value)) => value.clone(),
        Some((Attr::Discharge | Attr::Export, value)) => -value,
        Some((Attr::On | Attr::Connected, value)) if value.is_zero() => Rat::ZERO,
        Some(_) => return Some(range),
    };
    match &family.model {
        // what the sun or the wind gives is at most the fail-safe value
        Model::Renewable { .. } => Some((at, Rat::ZERO)),
        _ => Some((at.clone(), at)),
    }
}

/// The links of each bus but one, with the bus at their other end.
fn neighbours<'s>(site: &'s Site, without: Option<&Link>) -> BTreeMap<BusId, Vec<(&'s Link, BusId)>> {
    let mut all: BTreeMap<BusId, Vec<(&Link, BusId)>> = BTreeMap::new();
    for link in site.links.iter().filter(|link| without.is_none_or(|without| link.id != without.id)) {
        all.entry(link.from).or_default().push((link, link.to));
        all.entry(link.to).or_default().push((link, link.from));
    }
    all
}

/// Buses that hang together with a bus, without crossing a link.
fn side(site: &Site, from: BusId, without: Option<&Link>) -> BTreeSet<BusId> {
    let neighbours = neighbours(site, without);
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(bus) = open.pop() {
        for (_, far) in neighbours.get(&bus).into_iter().flatten() {
            if seen.insert(*far) {
                open.push(*far);
            }
        }
    }
    seen
}

fn grids_of<'s>(site: &'s Site, part: &BTreeSet<BusId>) -> Vec<&'s Family> {
    let grid =
        |f: &&Family| matches!(f.model, Model::Grid { .. }) && f.bus.is_some_and(|bus| part.contains(&bus));
    site.families.iter().filter(grid).collect()
}

fn has_grid(site: &Site, side: &BTreeSet<BusId>) -> bool {
    !grids_of(site, side).is_empty()
}

/// Least and greatest net consumption of a bus of a tree with everything behind it, as the bus sees
/// it: what is sent into a link is more than what arrives. `without`: the link by which it is
/// looked at.
fn seen_from(site: &Site, nets: &[Net], bus: BusId, without: Option<&Link>) -> (Rat, Rat) {
    // buses in the order in which they are reached, each with the link that leads to it
    let mut order: Vec<(BusId, Option<(&Link, BusId)>)> = vec![(bus, None)];
    let neighbours = neighbours(site, without);
    let mut seen = BTreeSet::from([bus]);
    let mut at = 0;
    while let Some((here, _)) = order.get(at).copied() {
        for (link, far) in neighbours.get(&here).into_iter().flatten() {
            if seen.insert(*far) {
                order.push((*far, Some((link, here))));
            }
        }
        at += 1;
    }
    let mut on: BTreeMap<BusId, Vec<&Net>> = BTreeMap::new();
    for net in nets {
        on.entry(net.bus).or_default().push(net);
    }
    let mut sums: BTreeMap<BusId, (Rat, Rat)> = BTreeMap::new();
    for (here, by) in order.into_iter().rev() {
        let mut sum = sums.remove(&here).unwrap_or_default();
        for net in on.get(&here).into_iter().flatten() {
            sum.0 += &net.least;
            sum.1 += &net.most;
        }
        let Some((link, near)) = by else { return sum };
        let sent = |power: &Rat| {
            if power.is_positive() {
                power.checked_div(&link.efficiency).unwrap_or_else(|| power.clone())
            } else {
                power * &link.efficiency
            }
        };
        let slot = sums.entry(near).or_default();
        slot.0 += &sent(&sum.0);
        slot.1 += &sent(&sum.1);
    }
    (Rat::ZERO, Rat::ZERO)
}

fn finding(site: &Site, span: Span, what: String, needed: &Rat, limit: &Rat, nets: &[&Net]) -> Diagnostic {
    let kw = |value: &Rat| show(value, Type::Power, "");
    let mut finding = Diagnostic::error(codes::FAIL_SAFE, span, format!("{what} when evl is gone"))
        .says(format!("up to {} against {}", kw(needed), kw(limit)));
    let mut largest: Vec<&&Net> = nets.iter().filter(|n| !n.least.is_zero() || !n.most.is_zero()).collect();
    let size = |net: &Net| Rat::max_of(&net.least.abs(), &net.most.abs());
    largest.sort_by(|a, b| size(b).cmp(&size(a)).then(a.family.cmp(&b.family)));
    let mut help =
        "lower a fail-safe value, or declare by which reversion or watchdog the device gets there".to_owned();
    for net in largest.into_iter().take(5) {
        let Some(family) = site.families.get(net.family) else { continue };
        let span = family.fail_safe.as_ref().map_or(family.span, |fail_safe| fail_safe.span);
        let label = match boundless(site, family) {
            Some(signal) => {
                help = format!(
                    "declare what `{}` takes at most: `range 0 kW .. 90 kW` where `{signal}` is declared",
                    family.name
                );
                format!("nothing says how much `{}` may take", family.name)
            }
            None => format!("`{}` may be at {}", family.name, kw(&size(net))),
        };
        finding = finding.label(span, label);
    }
    finding.help(help)
}

/// The signal of a load of which nothing says how large it can be.
fn boundless<'s>(site: &'s Site, family: &Family) -> Option<&'s str> {
    let Model::Consumer(consumer) = &family.model else { return None };
    let (Need::Load(id) | Need::Needs(id)) = &consumer.need else { return None };
    let signal = site.signal(*id)?;
    match &signal.domain {
        Domain::Interval { hi, .. } if *hi >= Rat::int(WIDEST) => Some(&signal.name),
        _ => None,
    }
}

fn cut(site: &Site, link: &Link, nets: &[Net], findings: &mut Vec<Diagnostic>) {
    for (near, back) in [(link.to, false), (link.from, true)] {
        let side = side(site, near, Some(link));
        if has_grid(site, &side) {
            continue;
        }
        let (least, most) = seen_from(site, nets, near, Some(link));
        let on_side: Vec<&Net> = nets.iter().filter(|net| side.contains(&net.bus)).collect();
        let (inward, outward) =
            if back { (&link.capacity_back, &link.capacity) } else { (&link.capacity, &link.capacity_back) };
        let allowed_in = if back && !link.both { Rat::ZERO } else { inward * &link.efficiency };
        let allowed_out = if !back && !link.both { Rat::ZERO } else { outward.clone() };
        if most > allowed_in && most.is_positive() {
            let what = format!("more is taken behind link `{}` than it can carry", link.name);
            findings.push(finding(site, link.span, what, &most, &allowed_in, &on_side));
        }
        let given = -&least;
        if given > allowed_out && given.is_positive() {
            let what = format!("more is given behind link `{}` than it can carry", link.name);
            findings.push(finding(site, link.span, what, &given, &allowed_out, &on_side));
        }
        return;
    }
}

/// The sum of a bus' inflows equals that of its outflows: what its devices and the sides behind its
/// links take, or what they give, whichever is more.
fn bus_limit(site: &Site, bus: BusId, limit: &Rat, span: Span, nets: &[Net], findings: &mut Vec<Diagnostic>) {
    let (mut taken, mut given) = (Rat::ZERO, Rat::ZERO);
    let mut concerned: Vec<&Net> = nets.iter().filter(|net| net.bus == bus).collect();
    for net in &concerned {
        taken += &Rat::max_of(&net.most, &Rat::ZERO);
        given += &Rat::max_of(&-&net.least, &Rat::ZERO);
    }
    for link in &site.links {
        let far = match (link.from == bus, link.to == bus) {
            (true, _) => link.to,
            (_, true) => link.from,
            _ => continue,
        };
        let side = side(site, far, Some(link));
        if has_grid(site, &side) {
            continue;
        }
        let (least, most) = seen_from(site, nets, far, Some(link));
        let sent = most.checked_div(&link.efficiency).unwrap_or(most);
        taken += &Rat::max_of(&sent, &Rat::ZERO);
        given += &Rat::max_of(&(&-&least * &link.efficiency), &Rat::ZERO);
        concerned.extend(nets.iter().filter(|net| side.contains(&net.bus)));
    }
    let needed = Rat::max_of(&taken, &given);
    if needed > *limit {
        let name = site.buses.get(bus.index()).map_or("", |bus| bus.name.as_str());
        let what = format!("the limit of bus `{name}` can be exceeded");
        findings.push(finding(site, span, what, &needed, limit, &concerned));
    }
}
