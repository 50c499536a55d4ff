//! What balances each island (planner.md 2): its grid, else its one store or generator that is
//! declared `grid_forming`. What balances follows from all the rest and is never commanded.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{BusId, Device, Family, Model, Site};

/// Buses that hang together, by the first of them.
pub(super) struct Islands {
    of: Vec<usize>,
    /// Links between buses that others join already, by place.
    loops: Vec<usize>,
}

impl Islands {
    pub(super) fn new(site: &Site) -> Self {
        let mut of: Vec<usize> = (0..site.buses.len().max(1)).collect();
        let mut loops = Vec::new();
        for (place, link) in site.links.iter().enumerate() {
            let at = |bus: BusId| of.get(bus.index()).copied();
            let (Some(a), Some(b)) = (at(link.from), at(link.to)) else { continue };
            if a == b {
                loops.push(place);
            }
            let (least, other) = (a.min(b), a.max(b));
            of.iter_mut().filter(|island| **island == other).for_each(|island| *island = least);
        }
        Self { of, loops }
    }

    /// The island on which a family stands, by the first of its buses.
    pub(super) fn of(&self, family: &Family) -> usize {
        family.bus.and_then(|bus| self.of.get(bus.index()).copied()).unwrap_or(0)
    }

    /// The devices that balance islands without a grid.
    pub(super) fn forming(&self, site: &Site) -> Vec<Device> {
        let fed: Vec<usize> = site.families.iter().filter(|f| is_grid(f)).map(|f| self.of(f)).collect();
        let forming = site.families.iter().filter(|f| forms(f) && !fed.contains(&self.of(f)));
        forming.flat_map(|family| family.all().devices()).collect()
    }
}

fn is_grid(family: &Family) -> bool {
    matches!(family.model, Model::Grid { .. })
}

fn forms(family: &Family) -> bool {
    match &family.model {
        Model::Store(store) => store.grid_forming,
        Model::Generator { grid_forming, .. } => *grid_forming,
        _ => false,
    }
}

/// Every island that nothing balances, or more than one device; loops of links.
pub(super) fn check(site: &Site, findings: &mut Diagnostics) {
    let islands = Islands::new(site);
    for link in islands.loops.iter().filter_map(|place| site.links.get(*place)) {
        findings.push(
            Diagnostic::error(
                codes::NOT_PLANNED_YET,
                link.span,
                format!("understood, not planned yet: link `{}` closes a loop of buses", link.name),
            )
            .because("how power divides between the ways round is nobody's command")
            .help("leave one link out, or join parallel ones to one of their whole capacity"),
        );
    }
    let mut members: BTreeMap<usize, Vec<&Family>> = BTreeMap::new();
    for family in &site.families {
        if !matches!(family.model, Model::Control { .. } | Model::Slot { .. }) && !family.is_empty() {
            members.entry(islands.of(family)).or_default().push(family);
        }
    }
    for (island, families) in members {
        let grids: Vec<&Family> = families.iter().copied().filter(|f| is_grid(f)).collect();
        for family in several(&grids) {
            let first = grids.first().map_or("", |first| first.name.as_str());
            findings.push(
                Diagnostic::error(
                    codes::NOT_PLANNED_YET,
                    family.span,
                    format!(
                        "understood, not planned yet: `{}` beside `{first}` on connected buses",
                        family.name
                    ),
                )
                .help("part their buses, or declare one of them as the site's only grid"),
            );
        }
        if !grids.is_empty() {
            continue;
        }
        let forming: Vec<&Family> = families.iter().copied().filter(|f| forms(f)).collect();
        let bus = site.buses.get(island);
        let name = bus.map_or(site.name.as_str(), |bus| bus.name.as_str());
        if forming.is_empty() {
            let span = bus.map_or(site.span, |bus| bus.span);
            findings.push(
                Diagnostic::error(
                    codes::ISLAND,
                    span,
                    format!("nothing balances `{name}` and what hangs on it"),
                )
                .because("it has no grid, and no store or generator on it is declared `grid_forming`")
                .help("declare `grid_forming` on the store or generator that holds voltage and frequency"),
            );
        }
        for family in several(&forming) {
            let first = forming.first().map_or("", |first| first.name.as_str());
            findings.push(
                Diagnostic::error(
                    codes::ISLAND,
                    family.span,
                    format!("`{}` would balance `{name}` beside `{first}`", family.name),
                )
                .because("what balances an island follows from the rest, so there can only be one")
                .help("leave `grid_forming` on one of them"),
            );
        }
    }
}

/// Those beside the first device.
fn several<'f>(families: &[&'f Family]) -> Vec<&'f Family> {
    let more = |(place, family): (usize, &&'f Family)| (place > 0 || family.len() > 1).then_some(*family);
    families.iter().enumerate().filter_map(more).collect()
}
