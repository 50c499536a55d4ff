//! EVL0607: a limit of a bus, link, port or grid connection that can be exceeded when evl is gone.
//!
//! Each device is at its fail-safe value, or anywhere in its range where nothing moves it. Each
//! connected part of the buses is judged by itself. Where it is a tree, a cut at a link has a side
//! without the grid, and what that side must take or give at most is the sum of its devices', with
//! what links lose on the way. Among parallel links, and between several grids, nothing here fixes
//! how power divides: what no division could exceed is fine, the rest is an open question.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Diagnostic, Severity, Span, codes};
use crate::ir::{Attr, Bus, BusId, Domain, FailSafeBy, Family, Link, Model, Need, Role, Site, Steering};
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
    if site.families.iter().all(|family| family.fail_safe.is_none()) && site.steerings().is_empty() {
        // nothing is commanded, so that nothing changes when evl is gone
        return Vec::new();
    }
    let nets: Vec<Net> =
        site.families.iter().enumerate().filter_map(|(i, family)| net(site, i, family)).collect();
    let network = Network::new(site);
    let mut findings = Vec::new();
    let mut seen: BTreeSet<BusId> = BTreeSet::new();
    for bus in &site.buses {
        if seen.contains(&bus.id) {
            continue;
        }
        let part = network.part(site, &nets, bus.id);
        seen.extend(part.buses.iter().copied());
        if part.links.len() + 1 == part.buses.len() && part.grids.len() <= 1 {
            tree(site, &network, &part, &mut findings);
        } else {
            mesh(site, &part, &mut findings);
        }
    }
    findings
}

/// Buses that hang together, with what stands on them.
struct Part<'s, 'n> {
    buses: BTreeSet<BusId>,
    /// In source order, like all that follows.
    links: Vec<&'s Link>,
    grids: Vec<&'s Family>,
    nets: Vec<&'n Net>,
}

/// A tree of buses with one grid at most.
fn tree(site: &Site, network: &Network<'_>, part: &Part<'_, '_>, findings: &mut Vec<Diagnostic>) {
    let root = part.grids.first().and_then(|grid| grid.bus).or_else(|| part.buses.first().copied());
    let Some(root) = root else { return };
    let tree = Tree::new(network, &part.nets, root);
    if let [grid] = part.grids.as_slice()
        && let Model::Grid { import, export, .. } = &grid.model
    {
        let (least, most) = tree.below.get(&root).cloned().unwrap_or_default();
        at_meter(site, grid, (import, export), (&least, &most), &part.nets, findings);
    }
    for link in &part.links {
        cut(site, network, &tree, link, part, findings);
    }
    for bus in &part.buses {
        if let Some(bus) = site.buses.get(bus.index())
            && let Some(limit) = &bus.limit
        {
            bus_limit(site, network, &tree, (bus, limit), part, findings);
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
fn mesh(site: &Site, part: &Part<'_, '_>, findings: &mut Vec<Diagnostic>) {
    let Part { buses, links, grids, nets } = part;
    let (least, most): (Rat, Rat) = (nets.iter().map(|n| &n.least).sum(), nets.iter().map(|n| &n.most).sum());
    let limits = grids.iter().filter_map(|grid| match &grid.model {
        Model::Grid { import, export, .. } => Some((import, export)),
        _ => None,
    });
    let (import, export): (Vec<&Rat>, Vec<&Rat>) = limits.unzip();
    if let Some(first) = grids.first() {
        let (import, export): (Rat, Rat) = (import.into_iter().sum(), export.into_iter().sum());
        at_meter(site, first, (&import, &export), (&least, &most), nets, findings);
    }
    let mut taken: Rat = nets.iter().map(|n| Rat::max_of(&n.most, &Rat::ZERO)).sum();
    let given: Rat = nets.iter().map(|n| Rat::max_of(&-&n.least, &Rat::ZERO)).sum();
    for link in links {
        taken = taken.checked_div(&link.efficiency).unwrap_or(taken);
    }
    let flow = Rat::max_of(&taken, &given);
    let among = if links.len() < buses.len() { "several grids" } else { "links that form a ring" };
    let mut doubt = |span: Span, name: &str, limit: &Rat| {
        if flow > *limit {
            let what = format!("nothing decides whether `{name}` can carry what flows when evl is gone");
            findings.push(
                Diagnostic::new(codes::OPEN_QUESTION, Severity::Warning, span, what)
                    .because(format!("nothing says how power divides among {among}"))
                    .help("leave one way to each bus, or let each of them carry all that flows"),
            );
        }
    };
    for link in links {
        doubt(link.span, &link.name, &link.capacity);
        if link.both {
            doubt(link.span, &link.name, &link.capacity_back);
        }
    }
    for bus in buses.iter().filter_map(|bus| site.buses.get(bus.index())) {
        bus.limit.iter().for_each(|limit| doubt(bus.span, &bus.name, limit));
    }
    if let [_, _, ..] = grids.as_slice() {
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
    let follows = |steering: &Steering| {
        steering.machines.contains(&family.id) && !steering.holders.contains(&family.id)
    };
    // a machine that follows another device's setpoint is moved by that, whatever is declared of it
    let (least, most) = match site.steerings().iter().any(follows) {
        true => (Rat::ZERO, family.hull(&Attr::Power).map_or(Rat::ZERO, |(_, most)| most)),
        false => at_fail_safe(site, family)?,
    };
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

/// What joins the buses, looked up by bus.
struct Network<'s> {
    /// The links of each bus with the bus at their other end, in source order.
    neighbours: BTreeMap<BusId, Vec<(&'s Link, BusId)>>,
}

impl<'s> Network<'s> {
    fn new(site: &'s Site) -> Self {
        let mut neighbours: BTreeMap<BusId, Vec<(&Link, BusId)>> = BTreeMap::new();
        for link in &site.links {
            neighbours.entry(link.from).or_default().push((link, link.to));
            neighbours.entry(link.to).or_default().push((link, link.from));
        }
        Self { neighbours }
    }

    fn of(&self, bus: BusId) -> impl Iterator<Item = (&'s Link, BusId)> {
        self.neighbours.get(&bus).into_iter().flatten().copied()
    }

    /// Buses that hang together with a bus, without crossing a link.
    fn side(&self, from: BusId, without: Option<&Link>) -> BTreeSet<BusId> {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(bus) = open.pop() {
            for (link, far) in self.of(bus) {
                if without.is_none_or(|without| link.id != without.id) && seen.insert(far) {
                    open.push(far);
                }
            }
        }
        seen
    }

    fn part<'n>(&self, site: &'s Site, nets: &'n [Net], from: BusId) -> Part<'s, 'n> {
        let buses = self.side(from, None);
        let links: BTreeMap<_, _> =
            buses.iter().flat_map(|bus| self.of(*bus)).map(|(link, _)| (link.id, link)).collect();
        let grid = |f: &&Family| {
            matches!(f.model, Model::Grid { .. }) && f.bus.is_some_and(|bus| buses.contains(&bus))
        };
        let grids = site.families.iter().filter(grid).collect();
        let nets = nets.iter().filter(|net| buses.contains(&net.bus)).collect();
        Part { links: links.into_values().collect(), grids, nets, buses }
    }
}

/// A tree of buses, seen from a root: what is behind each link, in time that grows with their number.
struct Tree<'s> {
    root: BusId,
    /// The link that leads towards the root, and the bus at its end.
    up: BTreeMap<BusId, (&'s Link, BusId)>,
    /// Least and greatest net consumption of a bus with everything that it has between itself and
    /// the root's grid, as the bus sees it: what is sent into a link is more than what arrives.
    below: BTreeMap<BusId, (Rat, Rat)>,
    /// The same of everything else, as the bus at the end of `up` sees it.
    above: BTreeMap<BusId, (Rat, Rat)>,
}

impl<'s> Tree<'s> {
    fn new(network: &Network<'s>, nets: &[&Net], root: BusId) -> Self {
        // buses in the order in which they are reached
        let mut order = vec![root];
        let mut up: BTreeMap<BusId, (&Link, BusId)> = BTreeMap::new();
        let mut at = 0;
        while let Some(here) = order.get(at).copied() {
            for (link, far) in network.of(here) {
                if far != root && !up.contains_key(&far) {
                    up.insert(far, (link, here));
                    order.push(far);
                }
            }
            at += 1;
        }
        let mut below: BTreeMap<BusId, (Rat, Rat)> = BTreeMap::new();
        for net in nets {
            let sum = below.entry(net.bus).or_default();
            sum.0 += &net.least;
            sum.1 += &net.most;
        }
        for here in order.iter().rev() {
            let sum = below.entry(*here).or_default().clone();
            if let Some((link, near)) = up.get(here) {
                let slot = below.entry(*near).or_default();
                slot.0 += &sent(link, &sum.0);
                slot.1 += &sent(link, &sum.1);
            }
        }
        let mut above: BTreeMap<BusId, (Rat, Rat)> = BTreeMap::new();
        for here in &order {
            let Some((link, near)) = up.get(here) else { continue };
            let of =
                |all: &BTreeMap<BusId, (Rat, Rat)>, bus: &BusId| all.get(bus).cloned().unwrap_or_default();
            let (mut least, mut most) = of(&below, near);
            let own = of(&below, here);
            least -= &sent(link, &own.0);
            most -= &sent(link, &own.1);
            if let Some((further, _)) = up.get(near) {
                let rest = of(&above, near);
                least += &sent(further, &rest.0);
                most += &sent(further, &rest.1);
            }
            above.insert(*here, (least, most));
        }
        Self { root, up, below, above }
    }

    /// What the bus at one end of a link sees of its side, the link left out.
    fn seen_from(&self, near: BusId, link: &Link) -> (Rat, Rat) {
        let is_link = |bus: &BusId| self.up.get(bus).is_some_and(|(by, _)| by.id == link.id);
        let found = if is_link(&near) {
            self.below.get(&near)
        } else {
            [link.from, link.to].iter().find(|bus| is_link(bus)).and_then(|bus| self.above.get(bus))
        };
        found.cloned().unwrap_or_default()
    }

    /// Whether the side of a link on which a bus stands is the root's.
    fn holds_root(&self, near: BusId, link: &Link) -> bool {
        near == self.root || self.up.get(&near).is_none_or(|(by, _)| by.id != link.id)
    }
}

/// What is sent into a link for what is to arrive, where that is negative: what arrives of it.
fn sent(link: &Link, power: &Rat) -> Rat {
    if power.is_positive() {
        power.checked_div(&link.efficiency).unwrap_or_else(|| power.clone())
    } else {
        power * &link.efficiency
    }
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

fn cut(
    site: &Site,
    network: &Network<'_>,
    tree: &Tree<'_>,
    link: &Link,
    part: &Part<'_, '_>,
    findings: &mut Vec<Diagnostic>,
) {
    for (near, back) in [(link.to, false), (link.from, true)] {
        if !part.grids.is_empty() && tree.holds_root(near, link) {
            continue;
        }
        let (least, most) = tree.seen_from(near, link);
        let (inward, outward) =
            if back { (&link.capacity_back, &link.capacity) } else { (&link.capacity, &link.capacity_back) };
        let allowed_in = if back && !link.both { Rat::ZERO } else { inward * &link.efficiency };
        let allowed_out = if !back && !link.both { Rat::ZERO } else { outward.clone() };
        let given = -&least;
        let taken_above = most > allowed_in && most.is_positive();
        let given_above = given > allowed_out && given.is_positive();
        if !taken_above && !given_above {
            return;
        }
        let side = network.side(near, Some(link));
        let on_side: Vec<&Net> = part.nets.iter().copied().filter(|net| side.contains(&net.bus)).collect();
        if taken_above {
            let what = format!("more is taken behind link `{}` than it can carry", link.name);
            findings.push(finding(site, link.span, what, &most, &allowed_in, &on_side));
        }
        if given_above {
            let what = format!("more is given behind link `{}` than it can carry", link.name);
            findings.push(finding(site, link.span, what, &given, &allowed_out, &on_side));
        }
        return;
    }
}

/// The sum of a bus' inflows equals that of its outflows: what its devices and the sides behind its
/// links take, or what they give, whichever is more.
fn bus_limit(
    site: &Site,
    network: &Network<'_>,
    tree: &Tree<'_>,
    (bus, limit): (&Bus, &Rat),
    part: &Part<'_, '_>,
    findings: &mut Vec<Diagnostic>,
) {
    let (mut taken, mut given) = (Rat::ZERO, Rat::ZERO);
    let mut concerned: Vec<&Net> = part.nets.iter().copied().filter(|net| net.bus == bus.id).collect();
    for net in &concerned {
        taken += &Rat::max_of(&net.most, &Rat::ZERO);
        given += &Rat::max_of(&-&net.least, &Rat::ZERO);
    }
    let mut behind: Vec<(&Link, BusId)> = Vec::new();
    for (link, far) in network.of(bus.id) {
        if !part.grids.is_empty() && tree.holds_root(far, link) {
            continue;
        }
        let (least, most) = tree.seen_from(far, link);
        let sent = most.checked_div(&link.efficiency).unwrap_or(most);
        taken += &Rat::max_of(&sent, &Rat::ZERO);
        given += &Rat::max_of(&(&-&least * &link.efficiency), &Rat::ZERO);
        behind.push((link, far));
    }
    let needed = Rat::max_of(&taken, &given);
    if needed > *limit {
        for (link, far) in behind {
            let side = network.side(far, Some(link));
            concerned.extend(part.nets.iter().copied().filter(|net| side.contains(&net.bus)));
        }
        let what = format!("the limit of bus `{}` can be exceeded", bus.name);
        findings.push(finding(site, bus.span, what, &needed, limit, &concerned));
    }
}
