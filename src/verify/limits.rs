//! Limits that hold at every instant: what the grid, buses, phases and links bear, whatever the
//! devices do. Used for a plan's steps, for a host's devices at fail-safe, and by the runtime for
//! commands under way.

use std::collections::BTreeMap;

use super::fix::{Interval, TooLarge};
use super::network::Network;
use super::simulate::gives;
use crate::bundle::{Names, Session};
use crate::calendar::Instant;
use crate::diag::Span;
use crate::ir::{Attr, Bus, BusId, Device, Family, FamilyId, MemberRange, Model, Role, Site, Statement};
use crate::quantity::Rat;

/// 1.732: the square root of 3, rounded down, so that the current of a three-phase device errs on the
/// high side.
const ROOT_DOWN: (i128, i128) = (1732, 1000);
/// The square root of 3, rounded up, so that the current between a phase and the neutral does too.
const ROOT_UP: (i128, i128) = (17_320_508_076, 10_000_000_000);

/// What one device (or several equal ones together) does at an instant, kW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Power {
    pub(super) family: FamilyId,
    pub(super) attr: Attr,
    pub(super) power: Interval,
    /// How many of the devices feed a vehicle on one phase alone, of how many.
    pub(super) one_phase: (u32, u32),
}

/// A limit that is or may be exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The grid, bus, link or device.
    pub of: String,
    /// What is too much, in words: `imports`, `carries on phase 2`.
    pub what: String,
    /// How much it may be.
    pub found: Interval,
    /// How much it may be at most.
    pub limit: Rat,
    /// `kW` or `A`.
    pub unit: &'static str,
    /// Whose limit it is.
    pub statement: Statement,
    /// Where that stands.
    pub span: Span,
}

impl Excess {
    /// By how much.
    pub(super) fn by(&self) -> Rat {
        &self.found.hi() - &self.limit
    }

    /// In words, with the amounts.
    #[must_use]
    pub fn words(&self) -> String {
        let found = self.found.hi().to_decimal(6);
        format!(
            "`{}` {} {found} {}, its limit is {} {}",
            self.of, self.what, self.unit, self.limit, self.unit
        )
    }
}

/// The limits of a site, ready to be asked many times.
#[derive(Debug)]
pub(super) struct Limits<'a> {
    site: &'a Site,
    network: Network,
    /// The balancing device of each island, with its bus.
    balancing: Vec<(FamilyId, BusId)>,
    loads: Vec<Option<Phases>>,
    /// Stays of vehicles that charge on one phase alone.
    one_phase: BTreeMap<Device, Vec<(Instant, Instant)>>,
}

/// How a family's power becomes current on each limited phase of its bus.
#[derive(Debug, Clone)]
struct Phases {
    bus: usize,
    /// A for each kW.
    amps: Rat,
    /// A for each kW of a vehicle that draws all its power between one phase, which nobody knows, and
    /// the neutral.
    amps_one: Rat,
    /// Only this phase; `None`: on each.
    only: Option<u8>,
}

/// A for each kW of a device on a bus (planner.md 8); `None` where voltages are not declared.
fn amps_per_kw(family: &Family, bus: &Bus) -> Option<Rat> {
    let supply = bus.supply.as_ref()?;
    let line = supply.volts.as_ref()?;
    let pf = if supply.ac { family.electrical.power_factor.clone() } else { Rat::ONE };
    let three = family.electrical.phases == 3 && supply.phases == 3;
    let thousand = Rat::int(1000);
    let root = |(n, d)| Rat::ratio(n, d).unwrap_or(Rat::ONE);
    let volts_pf = |volts: &Rat| volts * &pf;
    if three {
        return thousand.checked_div(&(&root(ROOT_DOWN) * &volts_pf(line)));
    }
    match (&family.electrical.rated_voltage, supply.phases) {
        (Some(own), _) => thousand.checked_div(&volts_pf(&Rat::min_of(own, line))),
        (None, 3) => (&thousand * &root(ROOT_UP)).checked_div(&volts_pf(line)),
        (None, _) => thousand.checked_div(&volts_pf(line)),
    }
}

/// A for each kW of a vehicle on one phase: three times as much as on three.
fn amps_on_one(family: &Family, bus: &Bus) -> Option<Rat> {
    let supply = bus.supply.as_ref()?;
    if family.electrical.phases != 3 || supply.phases != 3 {
        return amps_per_kw(family, bus);
    }
    let volts = supply.volts.as_ref()? * &family.electrical.power_factor;
    (&Rat::int(1000) * &Rat::ratio(ROOT_UP.0, ROOT_UP.1)?).checked_div(&volts)
}

/// A on each phase for each kW that a link takes from a bus, with the power factor of undeclared
/// devices. Towards a bus of one phase it is not known which one it loads: it counts on every one.
fn link_amps(bus: &Bus, other: &Bus) -> Option<Rat> {
    let supply = bus.supply.as_ref()?;
    let pf = if supply.ac { Rat::ratio(9, 10)? } else { Rat::ONE };
    let volts = supply.volts.as_ref()? * &pf;
    let single = other.supply.as_ref().is_some_and(|other| other.ac && other.phases == 1);
    let thousand = Rat::int(1000);
    match (supply.phases, single) {
        (3, false) => thousand.checked_div(&(&Rat::ratio(ROOT_DOWN.0, ROOT_DOWN.1)? * &volts)),
        (3, true) => (&thousand * &Rat::ratio(ROOT_UP.0, ROOT_UP.1)?).checked_div(&volts),
        _ => thousand.checked_div(&volts),
    }
}

impl<'a> Limits<'a> {
    pub(super) fn new(site: &'a Site, network: Network, balancing: Vec<(FamilyId, BusId)>) -> Self {
        let phases = |family: &Family| {
            let bus = site.buses.get(family.bus?.index())?;
            bus.phase_limit.as_ref()?;
            let only = if family.electrical.phases == 1 { family.electrical.phase } else { None };
            let (amps, amps_one) = (amps_per_kw(family, bus)?, amps_on_one(family, bus)?);
            Some(Phases { bus: bus.id.index(), amps, amps_one, only })
        };
        let loads = site.families.iter().map(phases).collect();
        Self { site, network, balancing, loads, one_phase: BTreeMap::new() }
    }

    /// With the vehicles that come.
    pub(super) fn visited(mut self, sessions: &[Session]) -> Self {
        let names = Names::new(self.site);
        for stay in sessions.iter().filter(|stay| stay.phases == Some(1)) {
            if let Some(device) = names.device(&stay.device) {
                self.one_phase.entry(device).or_default().push((stay.arrival, stay.departure));
            }
        }
        self
    }

    /// How many of these devices feed a vehicle on one phase alone at some instant of `[from, until)`.
    pub(super) fn on_one_phase(&self, members: &[MemberRange], from: Instant, until: Instant) -> u32 {
        let there = |stays: &[(Instant, Instant)]| stays.iter().any(|s| s.0 < until && from < s.1);
        let found = self.one_phase.iter().filter(|(device, stays)| {
            there(stays) && members.iter().any(|members| members.contains(**device))
        });
        u32::try_from(found.count()).unwrap_or(u32::MAX)
    }

    /// How power gets from bus to bus.
    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// Everything that these powers may exceed. Balancing devices are left out of `powers`: what they
    /// do follows, or is what somebody surely keeps their bus at (`kept`, kW left over).
    pub(super) fn check(
        &self,
        powers: &[Power],
        kept: &BTreeMap<usize, Interval>,
    ) -> Result<Vec<Excess>, TooLarge> {
        let site = self.site;
        let mut net = vec![Interval::ZERO; site.buses.len()];
        let mut inflow = net.clone();
        let mut outflow = net.clone();
        let mut amps = vec![[Interval::ZERO; 3]; site.buses.len()];
        for Power { family, attr, power, one_phase } in powers {
            let Some(family) = site.family(*family) else { continue };
            let Some(bus) = family.bus.map(BusId::index) else { continue };
            let Some(sum) = net.get_mut(bus) else { continue };
            if gives(family, attr) {
                *sum = sum.plus(*power)?;
                if let Some(sum) = inflow.get_mut(bus) {
                    *sum = sum.plus(*power)?;
                }
            } else {
                *sum = sum.minus(*power)?;
                if let Some(sum) = outflow.get_mut(bus) {
                    *sum = sum.plus(*power)?;
                }
                self.currents(family, *power, *one_phase, &mut amps)?;
            }
        }
        let flow = self.network.flow(&net)?;
        self.sent(&flow.links, &mut amps)?;
        let mut out = Vec::new();
        self.links(&flow.links, &mut out)?;
        for (bus, left) in &flow.stuck {
            self.stuck(*bus, *left, &mut out);
        }
        for (bus, left) in &flow.roots {
            let left = *kept.get(bus).unwrap_or(left);
            let given = self.root(*bus, left, &mut out)?;
            if let (Some(inflow), Some(outflow)) = (inflow.get_mut(*bus), outflow.get_mut(*bus)) {
                *inflow = inflow.plus(given)?;
                *outflow = outflow.plus(left.positive())?;
            }
        }
        let inflow = inflow.iter().zip(&flow.received).map(|(own, received)| own.plus(*received));
        let outflow = outflow.iter().zip(&flow.leaving).map(|(own, leaving)| own.plus(*leaving));
        for (bus, (inflow, outflow)) in site.buses.iter().zip(inflow.zip(outflow)) {
            if let Some(limit) = &bus.limit {
                // what enters a bus leaves it, to the last digit: both intervals hold the one true value, and
                // what is sure of either is sure of it
                let found = inflow?.within(outflow?);
                over(&mut out, found, limit, || {
                    (bus.name.clone(), "carries".into(), "kW", Statement::Bus(bus.id), bus.span)
                })?;
            }
            if let (Some(limit), Some(amps)) = (&bus.phase_limit, amps.get(bus.id.index())) {
                for (phase, found) in amps.iter().enumerate() {
                    let what = || format!("carries on phase {}", phase + 1);
                    over(&mut out, *found, limit, || {
                        (bus.name.clone(), what(), "A", Statement::Bus(bus.id), bus.span)
                    })?;
                }
            }
        }
        Ok(out)
    }

    fn currents(
        &self,
        family: &Family,
        power: Interval,
        (single, all): (u32, u32),
        amps: &mut [[Interval; 3]],
    ) -> Result<(), TooLarge> {
        let Some(Some(phases)) = self.loads.get(family.id.index()) else { return Ok(()) };
        let Some(of) = amps.get_mut(phases.bus) else { return Ok(()) };
        let share = Rat::ratio(i128::from(single), i128::from(all.max(1))).unwrap_or(Rat::ONE);
        let factor = &phases.amps + &(&share * &(&phases.amps_one - &phases.amps));
        let current = power.times(&factor)?;
        for (sum, number) in of.iter_mut().zip(1_u8..) {
            if phases.only.is_none_or(|only| only == number) {
                *sum = sum.plus(current)?;
            }
        }
        Ok(())
    }

    /// What links take from their buses is a load on them like any other.
    fn sent(&self, flows: &[(Interval, Interval)], amps: &mut [[Interval; 3]]) -> Result<(), TooLarge> {
        for (link, (forward, back)) in self.site.links.iter().zip(flows) {
            for (at, other, power) in [(link.from, link.to, forward), (link.to, link.from, back)] {
                let (bus, other) = (self.site.buses.get(at.index()), self.site.buses.get(other.index()));
                let Some((bus, other)) = bus.zip(other) else { continue };
                let Some(factor) = bus.phase_limit.as_ref().and_then(|_| link_amps(bus, other)) else {
                    continue;
                };
                let current = power.times(&factor)?;
                for sum in amps.get_mut(at.index()).into_iter().flatten() {
                    *sum = sum.plus(current)?;
                }
            }
        }
        Ok(())
    }

    fn links(&self, flows: &[(Interval, Interval)], out: &mut Vec<Excess>) -> Result<(), TooLarge> {
        for (link, (forward, back)) in self.site.links.iter().zip(flows) {
            let who =
                |what: &str| (link.name.clone(), what.to_owned(), "kW", Statement::Link(link.id), link.span);
            over(out, *forward, &link.capacity, || who("sends"))?;
            over(out, *back, &link.capacity_back, || who("sends back"))?;
        }
        Ok(())
    }

    fn stuck(&self, bus: usize, left: Interval, out: &mut Vec<Excess>) {
        let Some(bus) = self.site.buses.get(bus) else { return };
        let (what, found) = if left.may_be_positive() {
            ("has a surplus that nothing takes, of", left)
        } else {
            ("has a need that nothing serves, of", left.negated())
        };
        out.push(Excess {
            of: bus.name.clone(),
            what: what.to_owned(),
            found,
            limit: Rat::ZERO,
            unit: "kW",
            statement: Statement::Bus(bus.id),
            span: bus.span,
        });
    }

    /// What the balancing device of a root gives, its ratings checked.
    fn root(&self, bus: usize, left: Interval, out: &mut Vec<Excess>) -> Result<Interval, TooLarge> {
        let (surplus, need) = (left.positive(), left.negated().positive());
        let found = self.balancing.iter().find(|(_, root)| root.index() == bus);
        let Some(family) = found.and_then(|(family, _)| self.site.family(*family)) else {
            if left.is_positive() || left.negated().is_positive() {
                self.stuck(bus, left, out);
            }
            return Ok(Interval::ZERO);
        };
        let sides: [(Attr, &str, Interval); 2] = match &family.model {
            Model::Grid { .. } => [(Attr::Import, "imports", need), (Attr::Export, "exports", surplus)],
            Model::Store(_) => [(Attr::Discharge, "discharges", need), (Attr::Charge, "charges", surplus)],
            _ => [(Attr::Power, "gives", need), (Attr::Export, "takes", surplus)],
        };
        for (attr, what, power) in sides {
            let most = family.hull(&attr).map_or(Rat::ZERO, |(_, hi)| hi);
            over(out, power, &most, || {
                (family.name.clone(), what.to_owned(), "kW", Statement::Device(family.id), family.span)
            })?;
        }
        Ok(need)
    }
}

/// Notes what surely or possibly exceeds a limit.
fn over(
    out: &mut Vec<Excess>,
    found: Interval,
    limit: &Rat,
    who: impl FnOnce() -> (String, String, &'static str, Statement, Span),
) -> Result<(), TooLarge> {
    // compared in whole units first; a limit that is no multiple of 10^-12 is rounded inward
    if found.at_most(Interval::of(limit)?) {
        return Ok(());
    }
    let (of, what, unit, statement, span) = who();
    out.push(Excess { of, what, found, limit: limit.clone(), unit, statement, span });
    Ok(())
}

/// What a device can do at most and least in each direction.
pub(super) fn whole_range(family: &Family) -> Vec<(Attr, Interval)> {
    let directions: &[Attr] = match (&family.model, family.role) {
        (Model::Store(_), _) => &[Attr::Charge, Attr::Discharge],
        (Model::Grid { .. }, _) => &[Attr::Import, Attr::Export],
        (_, Role::Control | Role::Slot) => &[],
        _ => &[Attr::Power],
    };
    directions
        .iter()
        .filter_map(|attr| {
            let (lo, hi) = family.hull(attr)?;
            let (lo, hi) = (Interval::of(&lo).ok()?, Interval::of(&hi).ok()?);
            Some((attr.clone(), Interval::hull(lo, hi)))
        })
        .collect()
}
