//! EVL0607: a limit of a bus, link, port or grid connection that can be exceeded when evl is gone.
//!
//! Each device is at its fail-safe value, or anywhere in its range where nothing moves it. On a
//! tree of buses a cut at a link has a side without the grid, and what that side must take or give
//! at most is the sum of its devices'; in a mesh only the grid connection is judged, since how
//! power divides among parallel links is not fixed by this.

use std::collections::BTreeSet;

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

/// Asks the question of every limit.
pub(crate) fn ask(site: &Site) -> Vec<Diagnostic> {
    if site.families.iter().all(|family| family.fail_safe.is_none()) {
        // nothing is commanded, so that nothing changes when evl is gone
        return Vec::new();
    }
    let nets: Vec<Net> =
        site.families.iter().enumerate().filter_map(|(i, family)| net(site, i, family)).collect();
    let mut findings = Vec::new();
    grid(site, &nets, &mut findings);
    if is_forest(site) {
        for link in &site.links {
            cut(site, link, &nets, &mut findings);
        }
        for bus in &site.buses {
            if let Some(limit) = &bus.limit {
                bus_limit(site, bus.id, limit, bus.span, &nets, &mut findings);
            }
        }
    }
    findings
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

fn is_forest(site: &Site) -> bool {
    let mut parent: Vec<usize> = (0..site.buses.len()).collect();
    fn root(parent: &[usize], mut at: usize) -> usize {
        while let Some(next) = parent.get(at).copied().filter(|next| *next != at) {
            at = next;
        }
        at
    }
    site.links.iter().all(|link| {
        let (a, b) = (root(&parent, link.from.index()), root(&parent, link.to.index()));
        if let Some(slot) = parent.get_mut(a) {
            *slot = b;
        }
        a != b
    })
}

/// Buses on the side of a bus, without crossing the link.
fn side(site: &Site, from: BusId, without: &Link) -> BTreeSet<BusId> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(bus) = open.pop() {
        for link in site.links.iter().filter(|link| link.id != without.id) {
            for (a, b) in [(link.from, link.to), (link.to, link.from)] {
                if a == bus && seen.insert(b) {
                    open.push(b);
                }
            }
        }
    }
    seen
}

fn has_grid(site: &Site, side: &BTreeSet<BusId>) -> bool {
    site.families
        .iter()
        .any(|f| matches!(f.model, Model::Grid { .. }) && f.bus.is_some_and(|bus| side.contains(&bus)))
}

/// Least and greatest net consumption of a side.
fn total(nets: &[Net], side: &BTreeSet<BusId>) -> (Rat, Rat) {
    let on_side = || nets.iter().filter(|net| side.contains(&net.bus));
    (on_side().map(|net| &net.least).sum(), on_side().map(|net| &net.most).sum())
}

fn finding(site: &Site, span: Span, what: String, needed: &Rat, limit: &Rat, nets: &[&Net]) -> Diagnostic {
    let kw = |value: &Rat| show(value, Type::Power, "");
    let mut finding = Diagnostic::error(codes::FAIL_SAFE, span, format!("{what} when evl is gone"))
        .says(format!("up to {} against {}", kw(needed), kw(limit)))
        .help("lower a fail-safe value, or declare by which reversion or watchdog the device gets there");
    let mut largest: Vec<&&Net> = nets.iter().filter(|n| !n.least.is_zero() || !n.most.is_zero()).collect();
    let size = |net: &Net| Rat::max_of(&net.least.abs(), &net.most.abs());
    largest.sort_by(|a, b| size(b).cmp(&size(a)).then(a.family.cmp(&b.family)));
    for net in largest.into_iter().take(5) {
        if let Some(family) = site.families.get(net.family) {
            let span = family.fail_safe.as_ref().map_or(family.span, |fail_safe| fail_safe.span);
            finding = finding.label(span, format!("`{}` may be at {}", family.name, kw(&size(net))));
        }
    }
    finding
}

fn grid(site: &Site, nets: &[Net], findings: &mut Vec<Diagnostic>) {
    let grids: Vec<(&Family, &Rat, &Rat)> = site
        .families
        .iter()
        .filter_map(|f| match &f.model {
            Model::Grid { import, export, .. } => Some((f, import, export)),
            _ => None,
        })
        .collect();
    let Some((first, ..)) = grids.first() else { return };
    let all: Vec<&Net> = nets.iter().collect();
    let (least, most): (Rat, Rat) = (nets.iter().map(|n| &n.least).sum(), nets.iter().map(|n| &n.most).sum());
    let import: Rat = grids.iter().map(|(_, import, _)| *import).sum();
    let export: Rat = grids.iter().map(|(_, _, export)| *export).sum();
    if most > import {
        let what = format!("more can be taken than `{}` can import", first.name);
        findings.push(finding(site, first.span, what, &most, &import, &all));
    }
    if -&least > export {
        let what = format!("more can be given than `{}` can export", first.name);
        findings.push(finding(site, first.span, what, &-&least, &export, &all));
    }
}

fn cut(site: &Site, link: &Link, nets: &[Net], findings: &mut Vec<Diagnostic>) {
    for (near, back) in [(link.to, false), (link.from, true)] {
        let side = side(site, near, link);
        if has_grid(site, &side) {
            continue;
        }
        let (least, most) = total(nets, &side);
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
        let side = side(site, far, link);
        if has_grid(site, &side) {
            continue;
        }
        let (least, most) = total(nets, &side);
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
