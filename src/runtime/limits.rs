//! Whether a state in the middle of writing is safe, exactly and with every device taken at all the
//! values it may have at that moment.
//!
//! A state is an interval of power for each device. The limits are those of buses, links, grid
//! connections and totals. A state on the way passes if it breaches no limit further than both the
//! state that was found and the state that the plan proved: what is under way may be no worse than
//! where one comes from or where one goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::{Attr, BusId, Device, EffectKind, Link, Model, Role, Share, Site};
use crate::quantity::Rat;

/// Power that a device may give to its bus at some moment, kW; negative where it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// least
    pub lo: Rat,
    /// greatest
    pub hi: Rat,
}

impl Claim {
    /// Exactly this.
    #[must_use]
    pub fn exactly(power: Rat) -> Self {
        Self { lo: power.clone(), hi: power }
    }

    /// Between two values, in any order.
    #[must_use]
    pub fn between(a: Rat, b: Rat) -> Self {
        Self { lo: Rat::min_of(&a, &b), hi: Rat::max_of(&a, &b) }
    }

    /// Everything that either allows.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self { lo: Rat::min_of(&self.lo, &other.lo), hi: Rat::max_of(&self.hi, &other.hi) }
    }
}

/// Powers by device name; a device that is missing gives nothing.
pub type Powers = BTreeMap<String, Claim>;

/// By how much each limit is exceeded, kW; limits that are kept are missing.
pub type Breaches = BTreeMap<String, Rat>;

/// Judges states of commands. `apply` asks it about every prefix of its writes.
pub trait Verifier: Send + Sync {
    /// By how much the state exceeds each limit.
    fn breaches(&self, powers: &Powers) -> Breaches;
}

/// The limits of a site that hold at every moment.
#[derive(Debug)]
pub struct Limits {
    buses: Vec<BusLimit>,
    /// from leaves to root
    tree: Vec<Branch>,
    grids: Vec<GridLimit>,
    totals: Vec<Total>,
}

#[derive(Debug)]
struct BusLimit {
    name: String,
    bus: BusId,
    limit: Rat,
    members: Vec<String>,
}

#[derive(Debug)]
struct Branch {
    link: String,
    leaf: BusId,
    root: BusId,
    up: Rat,
    down: Rat,
    efficiency: Rat,
}

#[derive(Debug)]
struct GridLimit {
    name: String,
    bus: BusId,
    import: Rat,
    export: Rat,
}

#[derive(Debug)]
struct Total {
    name: String,
    members: Vec<(String, bool)>,
    least: Option<Rat>,
    greatest: Option<Rat>,
}

impl Limits {
    /// The limits of this site. Totals are those that its rules state as constants, whether or not
    /// their guards hold just now.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        let mut members: BTreeMap<BusId, Vec<String>> = BTreeMap::new();
        let mut grids = Vec::new();
        for device in site.devices() {
            let Some(family) = site.family(device.family) else { continue };
            let Some(bus) = family.bus else { continue };
            if let Model::Grid { import, export, .. } = &family.model {
                let name = site.device_name(device);
                grids.push(GridLimit { name, bus, import: import.clone(), export: export.clone() });
            } else {
                members.entry(bus).or_default().push(site.device_name(device));
            }
        }
        let buses = site
            .buses
            .iter()
            .map(|bus| BusLimit {
                name: bus.name.clone(),
                bus: bus.id,
                limit: bus.limit.clone().unwrap_or_else(|| Rat::int(i64::from(i32::MAX))),
                members: members.remove(&bus.id).unwrap_or_default(),
            })
            .collect();
        let tree = grids.first().map(|grid| tree(&site.links, grid.bus)).unwrap_or_default();
        Self { buses, tree, grids, totals: totals(site) }
    }
}

/// The links as a tree that hangs from `root`, leaves first. Links that close a ring are left out:
/// how flows divide there is not decided by commands alone.
fn tree(links: &[Link], root: BusId) -> Vec<Branch> {
    let mut seen = BTreeSet::from([root]);
    let mut branches: Vec<Branch> = Vec::new();
    let mut grown = true;
    while grown {
        grown = false;
        for link in links {
            let (leaf, near, up, down) = match (seen.contains(&link.from), seen.contains(&link.to)) {
                (true, false) => (link.to, link.from, &link.capacity_back, &link.capacity),
                (false, true) => (link.from, link.to, &link.capacity, &link.capacity_back),
                _ => continue,
            };
            seen.insert(leaf);
            grown = true;
            branches.push(Branch {
                link: link.name.clone(),
                leaf,
                root: near,
                up: up.clone(),
                down: down.clone(),
                efficiency: link.efficiency.clone(),
            });
        }
    }
    branches.reverse();
    branches
}

fn totals(site: &Site) -> Vec<Total> {
    let mut totals = Vec::new();
    for rule in &site.rules {
        for effect in &rule.effects {
            let EffectKind::Bound { attr: Attr::Power, lo, hi, share: Share::Together, .. } = &effect.kind
            else {
                continue;
            };
            let constant = |bound: &Option<crate::ir::Lin>| {
                bound
                    .as_ref()
                    .filter(|lin| lin.terms.is_empty() && lin.sums.is_empty())
                    .map(|lin| lin.constant.clone())
            };
            let devices =
                site.target_members(&effect.target).into_iter().flat_map(crate::ir::MemberRange::devices);
            let takes = |device: Device| site.family(device.family).is_some_and(|f| f.role == Role::Consumer);
            totals.push(Total {
                name: format!("{}: {}", rule.name, effect.text),
                members: devices.map(|device| (site.device_name(device), takes(device))).collect(),
                least: constant(lo),
                greatest: constant(hi),
            });
        }
    }
    totals.retain(|total| total.least.is_some() || total.greatest.is_some());
    totals
}

fn above_zero(value: &Rat) -> Rat {
    Rat::max_of(value, &Rat::ZERO)
}

impl Verifier for Limits {
    fn breaches(&self, powers: &Powers) -> Breaches {
        let mut breaches = Breaches::new();
        let mut exceeds = |name: String, excess: Rat| {
            if excess.is_positive() {
                breaches.insert(name, excess);
            }
        };
        let zero = Claim::exactly(Rat::ZERO);
        let mut net: BTreeMap<BusId, Claim> = BTreeMap::new();
        let mut inflow: BTreeMap<BusId, Rat> = BTreeMap::new();
        for bus in &self.buses {
            let mut sum = zero.clone();
            let mut into = Rat::ZERO;
            for claim in bus.members.iter().filter_map(|name| powers.get(name)) {
                sum.lo += &claim.lo;
                sum.hi += &claim.hi;
                into += &above_zero(&claim.hi);
            }
            net.insert(bus.bus, sum);
            inflow.insert(bus.bus, into);
        }
        for branch in &self.tree {
            let leaf = net.get(&branch.leaf).cloned().unwrap_or_else(|| zero.clone());
            let sent = |surplus: &Rat| &branch.efficiency * &above_zero(surplus);
            let needed =
                |surplus: &Rat| above_zero(&-surplus).checked_div(&branch.efficiency).unwrap_or_default();
            exceeds(format!("link `{}`", branch.link), &above_zero(&leaf.hi) - &branch.up);
            exceeds(format!("link `{}` back", branch.link), &needed(&leaf.lo) - &branch.down);
            let near = net.entry(branch.root).or_insert_with(|| zero.clone());
            near.lo = &(&near.lo + &sent(&leaf.lo)) - &needed(&leaf.lo);
            near.hi = &(&near.hi + &sent(&leaf.hi)) - &needed(&leaf.hi);
            *inflow.entry(branch.leaf).or_default() += &above_zero(&-&leaf.lo);
            *inflow.entry(branch.root).or_default() += &sent(&leaf.hi);
        }
        for grid in &self.grids {
            let at = net.get(&grid.bus).cloned().unwrap_or_else(|| zero.clone());
            let import = above_zero(&-&at.lo);
            exceeds(format!("import of `{}`", grid.name), &import - &grid.import);
            exceeds(format!("export of `{}`", grid.name), &above_zero(&at.hi) - &grid.export);
            *inflow.entry(grid.bus).or_default() += &import;
        }
        for bus in &self.buses {
            let into = inflow.get(&bus.bus).cloned().unwrap_or_default();
            exceeds(format!("bus `{}`", bus.name), &into - &bus.limit);
        }
        for total in &self.totals {
            let (mut lo, mut hi) = (Rat::ZERO, Rat::ZERO);
            for (name, takes) in &total.members {
                let Some(claim) = powers.get(name) else { continue };
                if *takes {
                    lo += &-&claim.hi;
                    hi += &-&claim.lo;
                } else {
                    lo += &claim.lo;
                    hi += &claim.hi;
                }
            }
            if let Some(greatest) = &total.greatest {
                exceeds(format!("rule `{}`", total.name), &hi - greatest);
            }
            if let Some(least) = &total.least {
                exceeds(format!("rule `{}` from below", total.name), least - &lo);
            }
        }
        breaches
    }
}

/// Which of the limits a state breaches further than both reference states.
#[must_use]
pub fn worse(state: &Breaches, found: &Breaches, planned: &Breaches) -> Vec<String> {
    let zero = Rat::ZERO;
    state
        .iter()
        .filter(|(name, excess)| {
            let before = found.get(*name).unwrap_or(&zero);
            let after = planned.get(*name).unwrap_or(&zero);
            *excess > before && *excess > after
        })
        .map(|(name, excess)| format!("{name} exceeded by {} kW", excess.to_decimal(3)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::LinkId;
    use crate::ir::testkit::{rat, span};

    fn link(from: u32, to: u32, capacity: &str) -> Link {
        Link {
            id: LinkId(0),
            name: "rectifier".into(),
            from: BusId(from),
            to: BusId(to),
            both: true,
            capacity: rat(capacity),
            capacity_back: rat(capacity),
            efficiency: rat("0.5"),
            wear: (Rat::ZERO, Rat::ZERO),
            span: span(0),
        }
    }

    /// A grid on bus 0, a device `a` there and a device `b` on bus 1 behind a link.
    fn limits() -> Limits {
        let bus = |id: u32, name: &str, limit: &str, member: &str| BusLimit {
            name: name.into(),
            bus: BusId(id),
            limit: rat(limit),
            members: vec![member.into()],
        };
        Limits {
            buses: vec![bus(0, "main", "30", "a"), bus(1, "riser", "12", "b")],
            tree: tree(&[link(0, 1, "20")], BusId(0)),
            grids: vec![GridLimit {
                name: "utility".into(),
                bus: BusId(0),
                import: rat("25"),
                export: rat("5"),
            }],
            totals: Vec::new(),
        }
    }

    fn state(a: (&str, &str), b: (&str, &str)) -> Powers {
        let claim = |(lo, hi): (&str, &str)| Claim { lo: rat(lo), hi: rat(hi) };
        Powers::from([("a".to_owned(), claim(a)), ("b".to_owned(), claim(b))])
    }

    fn words(powers: &Powers) -> Vec<String> {
        limits().breaches(powers).iter().map(|(name, by)| format!("{name} {by}")).collect()
    }

    #[test]
    fn the_link_bears_its_loss_on_the_sending_side() {
        // 8 kW taken behind a link of one half need 16 kW before it
        assert_eq!(words(&state(("-9", "-9"), ("-8", "-8"))), Vec::<String>::new());
        assert_eq!(words(&state(("-10", "-10"), ("-8", "-8"))), ["import of `utility` 1"]);
        assert_eq!(words(&state(("0", "0"), ("-11", "-11"))), ["link `rectifier` back 2"]);
        // 12 kW given behind it arrive as 6
        assert_eq!(words(&state(("0", "0"), ("12", "12"))), ["export of `utility` 1"]);
    }

    #[test]
    fn every_value_of_an_interval_counts() {
        assert_eq!(
            words(&state(("-40", "10"), ("0", "0"))),
            ["bus `main` 20", "export of `utility` 5", "import of `utility` 15"]
        );
    }

    #[test]
    fn a_ring_of_links_is_no_tree() {
        let ring = [link(0, 1, "1"), link(1, 2, "1"), link(2, 0, "1")];
        assert_eq!(tree(&ring, BusId(0)).len(), 2);
    }

    #[test]
    fn worse_is_measured_against_both_ends() {
        let at = |kw: &str| Breaches::from([("bus `main`".to_owned(), rat(kw))]);
        assert_eq!(worse(&at("3"), &at("2"), &at("4")), Vec::<String>::new());
        assert_eq!(worse(&at("3"), &at("2"), &Breaches::new()), ["bus `main` exceeded by 3 kW"]);
    }
}
