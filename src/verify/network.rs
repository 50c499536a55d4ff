//! Buses and links as trees: what flows over each link follows from what the devices do.

use std::collections::BTreeMap;

use super::fix::{Interval, TooLarge};
use super::miss::Miss;
use crate::ir::{BusId, LinkId, Site};
use crate::quantity::Rat;

/// A link as used in one direction.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) link: LinkId,
    /// From the link's first bus to its second.
    pub(super) forward: bool,
    efficiency: Rat,
}

/// A bus with the way to and from its parent.
#[derive(Debug, Clone)]
struct Node {
    bus: usize,
    parent: Option<usize>,
    up: Option<Way>,
    down: Option<Way>,
}

/// The network of a site: one tree an island, rooted at the bus of its balancing device.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    /// Children before their parents.
    order: Vec<Node>,
    buses: usize,
    links: usize,
}

/// What flows in one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    /// Over each link at the sending end: forward, back; kW.
    pub(super) links: Vec<(Interval, Interval)>,
    /// What each root is left with: above 0 a surplus.
    pub(super) roots: Vec<(usize, Interval)>,
    /// Received over links by each bus, kW.
    pub(super) received: Vec<Interval>,
    /// What leaves each bus over links, or stays over where none takes it, kW. Of a root only what its links
    /// take: what else it is left with is its balancing device's.
    pub(super) leaving: Vec<Interval>,
    /// Buses whose surplus (above 0) or need has no link to go by.
    pub(super) stuck: Vec<(usize, Interval)>,
}

impl Network {
    /// The site's network, rooted at these buses (at most one an island).
    ///
    /// # Errors
    /// Islands with loops, two links in one direction between two buses, or two roots.
    pub(super) fn new(site: &Site, roots: &[BusId]) -> Result<Self, Vec<Miss>> {
        let mut ways: BTreeMap<(usize, usize), Way> = BTreeMap::new();
        let mut faults = Vec::new();
        let unverified = |link: &crate::ir::Link, what: &str| {
            Miss::unverified(link.span, link.name.clone(), format!("{what}: understood, not planned yet"))
        };
        for link in &site.links {
            let mut add = |from: BusId, to: BusId, forward: bool| {
                let way = Way { link: link.id, forward, efficiency: link.efficiency.clone() };
                if ways.insert((from.index(), to.index()), way).is_some() {
                    let what = format!("`{}` is a second link in the same direction", link.name);
                    faults.push(unverified(link, &what));
                }
            };
            add(link.from, link.to, true);
            if link.both {
                add(link.to, link.from, false);
            }
        }
        let buses = site.buses.len();
        let mut seen: Vec<Option<usize>> = vec![None; buses];
        let mut order = Vec::with_capacity(buses);
        let starts = roots.iter().map(|root| root.index()).chain(0..buses);
        for (at, start) in starts.enumerate() {
            match seen.get(start).copied().flatten() {
                Some(other) if at < roots.len() => {
                    let name = site.buses.get(start).map_or("", |b| b.name.as_str());
                    let message = format!("the island of bus `{name}` has two balancing devices");
                    let _island = other;
                    faults.push(Miss::plan(name, message));
                    continue;
                }
                Some(_) => continue,
                None => {}
            }
            let mut stack = vec![(start, None::<usize>)];
            let first = order.len();
            while let Some((bus, parent)) = stack.pop() {
                let Some(mark) = seen.get_mut(bus) else { continue };
                if mark.is_some() {
                    let name = site.buses.get(bus).map_or("", |b| b.name.as_str());
                    let span = site.links.first().map_or(site.span, |l| l.span);
                    let message = format!(
                        "bus `{name}` is reached by two ways (a loop of links): understood, not planned yet"
                    );
                    faults.push(Miss::unverified(span, name, message));
                    continue;
                }
                *mark = Some(at);
                let up = parent.and_then(|p| ways.get(&(bus, p)).cloned());
                let down = parent.and_then(|p| ways.get(&(p, bus)).cloned());
                order.push(Node { bus, parent, up, down });
                let mut near: Vec<usize> = ways
                    .keys()
                    .filter_map(|(a, b)| match (*a == bus, *b == bus) {
                        (true, _) => Some(*b),
                        (_, true) => Some(*a),
                        _ => None,
                    })
                    .filter(|other| Some(*other) != parent)
                    .collect();
                near.sort_unstable();
                near.dedup();
                stack.extend(near.into_iter().map(|other| (other, Some(bus))));
            }
            // depth first puts parents before children
            if let Some(part) = order.get_mut(first..) {
                part.reverse();
            }
        }
        if faults.is_empty() { Ok(Self { order, buses, links: site.links.len() }) } else { Err(faults) }
    }

    /// The power that has to enter at a bus for its root to be left with just `left`; `net` is what all
    /// the others leave over. Where a link on the way carries nothing in the direction that it would take,
    /// what leads over it is none, and the root is surely left with something else: that is told beside.
    /// `None` where nothing joins the two.
    pub(super) fn entering(
        &self,
        net: &[Interval],
        (root, bus): (usize, usize),
        left: Interval,
    ) -> Result<Option<(Interval, bool)>, TooLarge> {
        let node = |bus: usize| self.order.iter().find(|node| node.bus == bus);
        let mut way: Vec<&Node> = Vec::new();
        let mut at = node(bus);
        while let Some(here) = at {
            way.push(here);
            at = here.parent.and_then(node);
        }
        if way.last().is_none_or(|last| last.bus != root) {
            return Ok(None);
        }
        let mut net = net.to_vec();
        net.resize(self.buses, Interval::ZERO);
        for node in self.order.iter().filter(|node| way.iter().all(|on| on.bus != node.bus)) {
            let over = net.get(node.bus).copied().unwrap_or_default();
            let Some(parent) = node.parent else { continue };
            if let (Some(up), true) = (&node.up, over.may_be_positive()) {
                add(&mut net, parent, over.positive().times(&up.efficiency)?)?;
            }
            if let (Some(down), true) = (&node.down, over.negated().may_be_positive()) {
                add(&mut net, parent, over.negated().positive().divided(&down.efficiency)?.negated())?;
            }
        }
        // from the root down: what each bus on the way must be left with
        let (mut wanted, mut whole) = (left, true);
        let below = way.iter().rev().skip(1);
        for (above, below) in way.iter().rev().zip(below) {
            let arrives = wanted.minus(net.get(above.bus).copied().unwrap_or_default())?;
            whole &= below.up.is_some() || !arrives.may_be_positive();
            whole &= below.down.is_some() || !arrives.negated().may_be_positive();
            let up = below.up.as_ref().map(|up| arrives.positive().divided(&up.efficiency));
            let down = below.down.as_ref().map(|down| arrives.negated().positive().times(&down.efficiency));
            let (up, down) = (up.unwrap_or(Ok(Interval::ZERO))?, down.unwrap_or(Ok(Interval::ZERO))?);
            wanted = up.minus(down)?;
        }
        Ok(Some((wanted.minus(net.get(bus).copied().unwrap_or_default())?, whole)))
    }

    /// The flows that follow from what the devices on each bus leave over.
    pub(super) fn flow(&self, net: &[Interval]) -> Result<Flow, TooLarge> {
        let mut net = net.to_vec();
        net.resize(self.buses, Interval::ZERO);
        let mut flow = Flow {
            links: vec![(Interval::ZERO, Interval::ZERO); self.links],
            received: vec![Interval::ZERO; self.buses],
            leaving: vec![Interval::ZERO; self.buses],
            ..Flow::default()
        };
        for node in &self.order {
            let left = net.get(node.bus).copied().unwrap_or_default();
            let Some(parent) = node.parent else {
                flow.roots.push((node.bus, left));
                continue;
            };
            let (surplus, need) = (left.positive(), left.negated().positive());
            if surplus.may_be_positive() {
                add(&mut flow.leaving, node.bus, surplus)?;
                match &node.up {
                    Some(way) => {
                        flow.send(way, surplus);
                        let arrives = surplus.times(&way.efficiency)?;
                        flow.receive(parent, arrives)?;
                        add(&mut net, parent, arrives)?;
                    }
                    None if surplus.is_positive() => flow.stuck.push((node.bus, left)),
                    None => {}
                }
            }
            if need.may_be_positive() {
                match &node.down {
                    Some(way) => {
                        let sent = need.divided(&way.efficiency)?;
                        flow.send(way, sent);
                        flow.receive(node.bus, need)?;
                        add(&mut flow.leaving, parent, sent)?;
                        add(&mut net, parent, sent.negated())?;
                    }
                    None if need.is_positive() => flow.stuck.push((node.bus, left)),
                    None => {}
                }
            }
        }
        Ok(flow)
    }
}

fn add(net: &mut [Interval], bus: usize, power: Interval) -> Result<(), TooLarge> {
    if let Some(sum) = net.get_mut(bus) {
        *sum = sum.plus(power)?;
    }
    Ok(())
}

impl Flow {
    fn send(&mut self, way: &Way, power: Interval) {
        if let Some((forward, back)) = self.links.get_mut(way.link.index()) {
            if way.forward { *forward = power } else { *back = power }
        }
    }

    fn receive(&mut self, bus: usize, power: Interval) -> Result<(), TooLarge> {
        add(&mut self.received, bus, power)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ir::testkit::{self, rat, span};
    use crate::verify::fixture;

    fn link(site: &mut Site, from: u32, to: u32, both: bool) {
        let id = LinkId::at(site.links.len());
        site.links.push(crate::ir::Link {
            id,
            name: format!("link{}", id.0),
            from: BusId(from),
            to: BusId(to),
            both,
            capacity: rat("50"),
            capacity_back: rat("50"),
            efficiency: rat("0.8"),
            wear: (Rat::ZERO, Rat::ZERO),
            span: span(400 + id.0),
        });
    }

    fn kw(text: &str) -> Interval {
        Interval::of(&rat(text)).unwrap()
    }

    fn site(buses: usize) -> Site {
        let mut site = testkit::site();
        for n in 0..buses {
            fixture::bus(&mut site, &format!("bus{n}"), None);
        }
        site
    }

    #[test]
    fn surplus_and_need_pass_the_losses_on() {
        // main - riser - deep
        let mut site = site(3);
        link(&mut site, 0, 1, true);
        link(&mut site, 1, 2, true);
        let network = Network::new(&site, &[BusId(0)]).unwrap();
        // deep has 10 too much: 8 reach the riser, which needs 2 itself: 6 more, 4.8 reach main
        let flow = network.flow(&[kw("-1"), kw("-2"), kw("10")]).unwrap();
        assert_eq!(flow.links[1], (Interval::ZERO, kw("10")));
        assert_eq!(flow.links[0], (Interval::ZERO, kw("6")));
        assert_eq!(flow.roots, [(0, kw("3.8"))]);
        assert_eq!(flow.received, [kw("4.8"), kw("8"), Interval::ZERO]);
        assert_eq!(flow.leaving, [Interval::ZERO, kw("6"), kw("10")]);
        // deep needs 4: 5 are sent, riser needs 7 in all: 8.75 are sent
        let flow = network.flow(&[kw("0"), kw("-2"), kw("-4")]).unwrap();
        assert_eq!(flow.links[1], (kw("5"), Interval::ZERO));
        assert_eq!(flow.links[0], (kw("8.75"), Interval::ZERO));
        assert_eq!(flow.roots, [(0, kw("-8.75"))]);
        assert_eq!(flow.leaving, [kw("8.75"), kw("5"), Interval::ZERO]);
    }

    proptest! {
        /// What enters a bus leaves it, whatever its devices do and however wide their powers are known.
        #[test]
        fn nothing_stays_on_a_bus(
            powers in prop::collection::vec((-9_000_i128..9_000, 0_i128..3), 4), both in any::<bool>(),
        ) {
            // main - riser - deep, main - side
            let mut site = site(4);
            link(&mut site, 0, 1, true);
            link(&mut site, 1, 2, both);
            link(&mut site, 0, 3, true);
            let network = Network::new(&site, &[BusId(0)]).unwrap();
            let net: Vec<Interval> = (powers.iter())
                .map(|(power, width)| Interval::new(power * 1_000_000_007 - width, power * 1_000_000_007 + width).unwrap())
                .collect();
            let flow = network.flow(&net).unwrap();
            let left = |bus: usize| flow.roots.iter().find(|(root, _)| *root == bus).map_or(Interval::ZERO, |(_, left)| *left);
            for (bus, own) in net.iter().enumerate() {
                let enters = own.plus(flow.received[bus]).unwrap();
                let rest = enters.minus(flow.leaving[bus]).unwrap().minus(left(bus)).unwrap();
                let unserved = flow.stuck.iter().any(|(at, left)| *at == bus && left.negated().is_positive());
                prop_assert!(unserved || (rest.lo() <= Rat::ZERO && Rat::ZERO <= rest.hi()), "{bus}: {rest:?}");
            }
        }
    }

    #[test]
    fn one_way_links_do_not_carry_back() {
        let mut site = site(2);
        link(&mut site, 0, 1, false);
        let network = Network::new(&site, &[BusId(0)]).unwrap();
        assert_eq!(network.flow(&[kw("0"), kw("3")]).unwrap().stuck, [(1, kw("3"))]);
        assert_eq!(network.flow(&[kw("0"), kw("-4")]).unwrap().roots, [(0, kw("-5"))]);
    }

    #[test]
    fn loops_and_doubles_are_refused() {
        let mut ring = site(3);
        link(&mut ring, 0, 1, true);
        link(&mut ring, 1, 2, true);
        link(&mut ring, 2, 0, true);
        assert!(Network::new(&ring, &[BusId(0)]).is_err());
        let mut double = site(2);
        link(&mut double, 0, 1, true);
        link(&mut double, 0, 1, false);
        assert!(Network::new(&double, &[BusId(0)]).is_err());
        let mut pair = site(2);
        link(&mut pair, 0, 1, false);
        link(&mut pair, 1, 0, false);
        assert!(Network::new(&pair, &[BusId(0)]).is_ok());
        assert!(Network::new(&pair, &[BusId(0), BusId(1)]).is_err());
    }
}
