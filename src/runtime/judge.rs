//! Whether a state in the middle of writing is safe: the exact verifier's limits of the network,
//! phases included, and the totals that active rules bound, with every device taken at all the
//! values it may have at that moment.
//!
//! A state on the way passes if it breaches no limit further than both the state that was found and
//! the state that is planned: what is under way may be no worse than where one comes from or where
//! one goes.

use std::collections::BTreeMap;

use super::claim::{Breach, Breaches, Claim, Powers, Verifier};
use crate::bundle::Session;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Severity, codes};
use crate::eval::{Decision, Total};
use crate::ir::{Attr, Device, MemberRange, Role, Site};
use crate::quantity::Rat;
use crate::verify::prefix::{Moment, Standing};

/// The limits that hold at this moment.
#[derive(Debug)]
pub struct Judge<'a> {
    moment: Moment<'a>,
    devices: BTreeMap<String, (Device, Role)>,
    totals: Vec<Bound>,
    /// grids that active rules narrow
    narrowed: Vec<String>,
    /// devices that are told to keep a meter, each with all that it can do
    keepers: Powers,
    /// grids by name
    grids: Vec<String>,
}

/// A bound on the sum of some devices' powers.
#[derive(Debug)]
struct Bound {
    name: String,
    /// with their sign: +1 gives, -1 takes
    members: Vec<String>,
    attr: Attr,
    least: Option<Rat>,
    greatest: Option<Rat>,
}

impl<'a> Judge<'a> {
    /// Of this site, with the totals that are in force now. `declared` is the site as it was
    /// declared, where active rules have narrowed its grid connections.
    ///
    /// # Errors
    /// EVL1001 for networks that cannot be verified yet.
    pub fn new(
        site: &'a Site,
        declared: &Site,
        decision: Option<&Decision>,
    ) -> Result<Self, Box<Diagnostic>> {
        let moment = Moment::new(site).map_err(|misses| {
            let first = misses.first();
            let message = first.map_or_else(String::new, |miss| miss.message.clone());
            Box::new(Diagnostic::nowhere(
                first.map_or(codes::NOT_PLANNED_YET, |miss| miss.code),
                Severity::Error,
                message,
            ))
        })?;
        let role = |device: Device| site.family(device.family).map_or(Role::Control, |family| family.role);
        let devices =
            site.devices().map(|device| (site.device_name(device), (device, role(device)))).collect();
        let instant = |total: &&Total| total.averaged_s.is_none();
        let totals = decision.into_iter().flat_map(Decision::totals_in_force).filter(instant);
        let totals = totals.map(|total| Bound::new(site, total)).collect();
        let pairs = site.families.iter().zip(&declared.families);
        let narrowed = pairs.filter(|(now, then)| now.ranges != then.ranges).map(|(now, _)| now.name.clone());
        let is_grid = |family: &&crate::ir::Family| matches!(family.model, crate::ir::Model::Grid { .. });
        let grids = site.families.iter().filter(is_grid).map(|family| family.name.clone()).collect();
        let (narrowed, keepers) = (narrowed.collect(), Powers::new());
        Ok(Self { moment, devices, totals, narrowed, keepers, grids })
    }

    /// With the vehicles that come, in the step that is `[from, until)`.
    #[must_use]
    pub fn visited(mut self, sessions: &[Session], step: (Instant, Instant)) -> Self {
        self.moment = self.moment.visited(sessions, step);
        self
    }

    /// With devices that are told to keep a meter: until all others do what is planned, and where some never
    /// will, each may be driven to anything that it can. The meter itself is where the others leave it, or
    /// nearer to its target.
    #[must_use]
    pub fn keeping(mut self, keepers: Powers) -> Self {
        self.keepers = keepers;
        self
    }

    /// Those of the breaches that are of rules in force now, not of the site's declarations.
    #[must_use]
    pub fn live(&self, mut breaches: Breaches) -> Breaches {
        let of_rule = |name: &str| self.totals.iter().any(|total| name.starts_with(&total.name));
        let of_grid = |name: &str| self.narrowed.iter().any(|grid| name.split(' ').next() == Some(grid));
        breaches.retain(|name, _| of_rule(name) || of_grid(name));
        breaches
    }
}

impl Bound {
    fn new(site: &Site, total: &Total) -> Self {
        let rule = site.rule(total.effect.instance.rule);
        let effect = rule.and_then(|rule| rule.effects.iter().find(|e| e.index == total.effect.index));
        Self {
            name: format!(
                "`{}` ({})",
                rule.map_or("", |rule| rule.name.as_str()),
                effect.map_or("", |effect| effect.text.as_str())
            ),
            members: names(site, &total.members),
            attr: total.attr.clone(),
            least: total.lo.clone(),
            greatest: total.hi.clone(),
        }
    }
}

fn names(site: &Site, members: &[MemberRange]) -> Vec<String> {
    members.iter().flat_map(|range| range.devices()).map(|device| site.device_name(device)).collect()
}

/// What a claim is in the direction of an attribute.
fn directed(role: Role, attr: &Attr, claim: &Claim) -> (Rat, Rat) {
    let above_zero = |power: &Rat| Rat::max_of(power, &Rat::ZERO);
    match (attr, role) {
        (Attr::Charge, _) => (above_zero(&-&claim.hi), above_zero(&-&claim.lo)),
        (Attr::Discharge, _) => (above_zero(&claim.lo), above_zero(&claim.hi)),
        (_, Role::Consumer) => (-&claim.hi, -&claim.lo),
        _ => (claim.lo.clone(), claim.hi.clone()),
    }
}

impl Verifier for Judge<'_> {
    fn breaches(&self, powers: &Powers) -> Breaches {
        let mut breaches = self.of(powers);
        if self.keepers.is_empty() {
            return breaches;
        }
        let mut driven = powers.clone();
        driven.extend(self.keepers.clone());
        for (name, breach) in self.of(&driven) {
            let of_grid = self.grids.iter().any(|grid| name.split(' ').next() == Some(grid));
            let more = breaches.get(&name).is_none_or(|known| known.by < breach.by);
            if !of_grid && more {
                breaches.insert(name, breach);
            }
        }
        breaches
    }
}

impl Judge<'_> {
    /// By how much these powers exceed each limit, whoever keeps a meter.
    #[must_use]
    pub fn of(&self, powers: &Powers) -> Breaches {
        let mut standing = BTreeMap::new();
        for (name, (device, role)) in &self.devices {
            let Some(claim) = powers.get(name) else { continue };
            let attrs: &[Attr] = match role {
                Role::Storage => &[Attr::Charge, Attr::Discharge],
                Role::Producer | Role::Consumer => &[Attr::Power],
                Role::Control | Role::Slot => &[],
            };
            let between = attrs.iter().map(|attr| (attr.clone(), directed(*role, attr, claim)));
            standing.insert(*device, Standing::Between(between.collect()));
        }
        let mut breaches = Breaches::new();
        match self.moment.check(&standing) {
            Ok(found) => {
                for excess in found {
                    let by = &excess.found.hi() - &excess.limit;
                    let name = format!("{} {}", excess.of, excess.what);
                    breaches.insert(name, Breach { by, words: excess.words() });
                }
            }
            Err(_) => {
                let words = "values beyond 10^15 cannot be computed exactly".to_owned();
                breaches.insert("range".to_owned(), Breach { by: Rat::int(i64::MAX), words });
            }
        }
        for total in &self.totals {
            total.breaches(powers, &self.devices, &mut breaches);
        }
        breaches
    }
}

impl Bound {
    fn breaches(&self, powers: &Powers, devices: &BTreeMap<String, (Device, Role)>, out: &mut Breaches) {
        let (mut lo, mut hi) = (Rat::ZERO, Rat::ZERO);
        for name in &self.members {
            let (Some(claim), Some((_, role))) = (powers.get(name), devices.get(name)) else { continue };
            let (least, most) = directed(*role, &self.attr, claim);
            lo += &least;
            hi += &most;
        }
        let mut breach = |side: &str, by: Rat, words: String| {
            if by.is_positive() {
                out.insert(format!("{} {side}", self.name), Breach { by, words });
            }
        };
        if let Some(greatest) = &self.greatest {
            let words = format!(
                "{} allows {} kW in all, it may be {} kW",
                self.name,
                greatest.to_decimal(3),
                hi.to_decimal(3)
            );
            breach("at most", &hi - greatest, words);
        }
        if let Some(least) = &self.least {
            let words = format!(
                "{} asks for {} kW in all, it may be {} kW",
                self.name,
                least.to_decimal(3),
                lo.to_decimal(3)
            );
            breach("at least", least - &lo, words);
        }
    }
}
