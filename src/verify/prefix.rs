//! Commands under way: what every limit bears while some writes are done, some are not, and of some
//! nobody knows (runtime.md, phases 3 and 6).

use std::collections::BTreeMap;

use super::failsafe::alone;
use super::fix::{Interval, TooLarge};
use super::limits::{Excess, Limits, Power, whole_range};
use super::miss::Miss;
use super::network::Network;
use crate::bundle::Session;
use crate::calendar::Instant;
use crate::ir::{Attr, BusId, Device, MemberRange, Model, Site};
use crate::quantity::Rat;

/// What is known of a device's present command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does this: kW by direction, between two values while a write is unconfirmed.
    Between(BTreeMap<Attr, (Rat, Rat)>),
    /// It is at its fail-safe value, or where it was left (semantics.md 23).
    FailSafe,
    /// It may be anywhere in its range: excluded, or of unknown state.
    Anywhere,
}

/// The limits of a site that hold at every instant, for states of commands.
#[derive(Debug)]
pub struct Moment<'a> {
    site: &'a Site,
    limits: Limits<'a>,
    balancing: Vec<Device>,
    /// When it is, for vehicles that come and go.
    at: (Instant, Instant),
}

impl<'a> Moment<'a> {
    /// Of this site.
    ///
    /// # Errors
    /// Networks with loops, which are understood and not planned yet.
    pub fn new(site: &'a Site) -> Result<Self, Vec<Miss>> {
        let mut balancing = Vec::new();
        let mut roots: Vec<BusId> = Vec::new();
        for family in &site.families {
            let forms = match &family.model {
                Model::Grid { .. } => true,
                Model::Store(store) => store.grid_forming,
                Model::Generator { grid_forming, .. } => *grid_forming,
                _ => false,
            };
            let Some(bus) = family.bus.filter(|_| forms) else { continue };
            // a grid goes before what only forms one where there is none
            let grid = matches!(family.model, Model::Grid { .. });
            if grid || !site.families.iter().any(|f| matches!(f.model, Model::Grid { .. })) {
                balancing.push(Device { family: family.id, index: 1 });
                roots.push(bus);
            }
        }
        let network = Network::new(site, &roots)?;
        let by_family = balancing.iter().map(|device| device.family).zip(roots).collect();
        Ok(Self {
            site,
            limits: Limits::new(site, network, by_family),
            balancing,
            at: (Instant(0), Instant(0)),
        })
    }

    /// With the vehicles that come, at some instant of `[from, until)`.
    #[must_use]
    pub fn visited(mut self, sessions: &[Session], (from, until): (Instant, Instant)) -> Self {
        self.limits = self.limits.visited(sessions);
        self.at = (from, until);
        self
    }

    /// Everything that may be exceeded in this state. A device that is missing may be anywhere.
    ///
    /// # Errors
    /// Where values leave the range in which they can be computed exactly (10^15).
    pub fn check(&self, standing: &BTreeMap<Device, Standing>) -> Result<Vec<Excess>, TooLarge> {
        let mut powers = Vec::new();
        for family in &self.site.families {
            for device in family.all().devices().filter(|device| !self.balancing.contains(device)) {
                let range = match standing.get(&device) {
                    Some(Standing::Between(between)) => between
                        .iter()
                        .map(|(attr, (lo, hi))| {
                            Ok((attr.clone(), Interval::hull(Interval::of(lo)?, Interval::of(hi)?)))
                        })
                        .collect::<Result<Vec<_>, TooLarge>>()?,
                    Some(Standing::FailSafe) => alone(family).unwrap_or_else(|| whole_range(family)),
                    Some(Standing::Anywhere) | None => whole_range(family),
                };
                let one = MemberRange { family: device.family, first: device.index, last: device.index };
                let one_phase = (self.limits.on_one_phase(&[one], self.at.0, self.at.1), 1);
                let power = |(attr, power)| Power { family: family.id, attr, power, one_phase };
                powers.extend(range.into_iter().map(power));
            }
        }
        self.limits.check(&powers, &BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Need;
    use crate::ir::testkit::{self, rat};
    use crate::verify::fixture;

    #[test]
    fn an_unconfirmed_write_counts_both_ways() {
        let mut site = testkit::site();
        fixture::bus(&mut site, "main", None);
        fixture::grid(&mut site, "10", "4", None);
        let pack = fixture::battery(&mut site, "pack", "10", "5");
        let boiler = fixture::consumer(&mut site, "boiler", Need::None, &[("0", "8")]);
        let at = |family| Device { family, index: 1 };
        let limits = Moment::new(&site).unwrap();
        let state = |charge: (&str, &str), boiler_kw: Standing| {
            let between = BTreeMap::from([(Attr::Charge, (rat(charge.0), rat(charge.1)))]);
            let standing = BTreeMap::from([(at(pack), Standing::Between(between)), (at(boiler), boiler_kw)]);
            let found = limits.check(&standing).unwrap();
            found.iter().map(Excess::words).collect::<Vec<_>>().join("; ")
        };
        let boiler_at = |kw: &str| Standing::Between(BTreeMap::from([(Attr::Power, (rat(kw), rat(kw)))]));
        assert_eq!(state(("0", "5"), boiler_at("5")), "");
        assert_eq!(state(("0", "5"), boiler_at("6")), "`utility` imports 11 kW, its limit is 10 kW");
        assert_eq!(state(("2", "2"), Standing::Anywhere), "");
        assert_eq!(state(("3", "3"), Standing::Anywhere), "`utility` imports 11 kW, its limit is 10 kW");
        // nobody knows the battery: it may give 5 kW that nothing takes, or take 5
        let unknown = BTreeMap::from([(at(boiler), boiler_at("0"))]);
        let words: Vec<_> = limits.check(&unknown).unwrap().iter().map(Excess::words).collect();
        assert_eq!(words, ["`utility` exports 5 kW, its limit is 4 kW"]);
    }
}
