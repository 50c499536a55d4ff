//! Which signals a plan reads from outside, and which of its own.

use std::collections::BTreeSet;

use crate::ir::{
    Attr, ClassId, EffectKind, GroupId, Guard, Lin, Model, Need, Price, Rule, SigRef, SignalId, SignalSource,
    Site,
};

/// The signals that a plan of a site reads and does not decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Read as the mean over each step: loads, availability, gains, outdoor temperatures, prices
    /// and intensities that are feeds.
    pub means: BTreeSet<SigRef>,
    /// Read at each step's beginning, by guards and bounds.
    pub readings: BTreeSet<SigRef>,
    /// Read by guards and bounds, and decided by the plan itself: powers, levels, temperatures.
    pub decided: BTreeSet<SigRef>,
}

fn asks_emergency(guard: &Guard) -> bool {
    match guard {
        Guard::Emergency => true,
        Guard::Not(inner) | Guard::Held(_, inner) | Guard::Quantified { body: inner, .. } => {
            asks_emergency(inner)
        }
        Guard::All(parts) | Guard::Any(parts) => parts.iter().any(asks_emergency),
        Guard::Const(_) | Guard::During(_) => false,
        Guard::Compare { .. } | Guard::Is(_) | Guard::Equals(..) => false,
    }
}

impl Reads {
    /// Of this site.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        let mut reads = Self::default();
        reads.physical(site);
        for rule in &site.rules {
            reads.rule(site, rule);
        }
        if let Some(guard) = &site.emergency {
            reads.guard(site, guard, None);
        }
        reads
    }

    /// Of the guards and bounds of one class alone.
    #[must_use]
    pub fn of_class(site: &Site, class: ClassId) -> Self {
        let mut reads = Self::default();
        for rule in site.rules.iter().filter(|rule| rule.class == class) {
            reads.rule(site, rule);
        }
        if let Some(guard) = &site.emergency {
            reads.guard(site, guard, None);
        }
        reads
    }

    /// Of one rule alone; of the site's emergency too, where the rule asks for that.
    #[must_use]
    pub fn of_rule(site: &Site, rule: &Rule) -> Self {
        let mut reads = Self::default();
        reads.rule(site, rule);
        if let Some(emergency) = &site.emergency
            && (asks_emergency(&rule.when) || rule.until.as_ref().is_some_and(asks_emergency))
        {
            reads.guard(site, emergency, None);
        }
        reads
    }

    fn physical(&mut self, site: &Site) {
        for family in &site.families {
            let mut member = |signal: SignalId| {
                let array = site.signal(signal).is_some_and(|s| s.count.is_some());
                if array {
                    self.means.extend((1..=family.len()).map(|index| SigRef::Member(signal, index)));
                } else {
                    self.means.insert(SigRef::Only(signal));
                }
            };
            match &family.model {
                Model::Renewable { output: Some(signal), .. }
                | Model::Grid { carbon_feed: Some(signal), .. } => member(*signal),
                Model::Consumer(consumer) => {
                    if let Need::Load(signal) | Need::Needs(signal) = &consumer.need {
                        member(*signal);
                    }
                }
                _ => {}
            }
        }
        let zones = site.zones.iter().flat_map(|zone| [zone.gains, zone.outdoor]).flatten();
        self.means.extend(zones.map(SigRef::Only));
        for tariff in &site.tariffs {
            for price in std::iter::once(&tariff.import).chain(tariff.export.as_ref()) {
                if let Price::Feed(signal, _) = price {
                    self.means.insert(SigRef::Only(*signal));
                }
            }
        }
    }

    fn rule(&mut self, site: &Site, rule: &Rule) {
        self.guard(site, &rule.when, rule.for_each);
        if let Some(until) = &rule.until {
            self.guard(site, until, rule.for_each);
        }
        for effect in &rule.effects {
            match &effect.kind {
                EffectKind::Bound { lo, hi, .. } => {
                    for lin in [lo, hi].into_iter().flatten() {
                        self.lin(site, lin, rule.for_each);
                    }
                }
                EffectKind::Deliver { energy: lin, .. } | EffectKind::Follow { target: lin, .. } => {
                    self.lin(site, lin, rule.for_each);
                }
                _ => {}
            }
        }
    }

    fn guard(&mut self, site: &Site, guard: &Guard, bound: Option<GroupId>) {
        match guard {
            Guard::Const(_) | Guard::During(_) | Guard::Emergency => {}
            Guard::Not(inner) | Guard::Held(_, inner) => self.guard(site, inner, bound),
            Guard::All(parts) | Guard::Any(parts) => {
                for part in parts {
                    self.guard(site, part, bound);
                }
            }
            Guard::Compare { lin, .. } => self.lin(site, lin, bound),
            Guard::Is(signal) | Guard::Equals(signal, _) => self.signal(site, signal, bound),
            Guard::Quantified { group, body, .. } => self.guard(site, body, Some(*group)),
        }
    }

    fn lin(&mut self, site: &Site, lin: &Lin, bound: Option<GroupId>) {
        for (_, signal) in &lin.terms {
            self.signal(site, signal, bound);
        }
        for (_, term) in &lin.sums {
            self.members(site, term.group, &term.attr);
        }
    }

    fn signal(&mut self, site: &Site, signal: &SigRef, bound: Option<GroupId>) {
        match signal {
            SigRef::Only(id) | SigRef::Member(id, _) => {
                let list = if is_decided(site, *id) { &mut self.decided } else { &mut self.readings };
                list.insert(signal.clone());
            }
            SigRef::Bound(attr) => {
                if let Some(group) = bound {
                    self.members(site, group, attr);
                }
            }
        }
    }

    fn members(&mut self, site: &Site, group: GroupId, attr: &Attr) {
        for range in site.group(group).map(|g| g.members.as_slice()).unwrap_or_default() {
            let Some(id) = site.measured(range.family, attr) else { continue };
            let list = if is_decided(site, id) { &mut self.decided } else { &mut self.readings };
            if site.signal(id).is_some_and(|s| s.count.is_some()) {
                list.extend(range.devices().map(|device| SigRef::Member(id, device.index)));
            } else {
                list.insert(SigRef::Only(id));
            }
        }
    }
}

/// Whether the plan itself decides the signal's value.
pub(super) fn is_decided(site: &Site, id: SignalId) -> bool {
    matches!(
        site.signal(id).map(|s| &s.source),
        Some(SignalSource::Measured(..) | SignalSource::ZoneState(..))
    )
}

/// The longest window of an aggregate that a rule reads, s: feeds must reach so far beyond the
/// horizon.
#[must_use]
pub fn longest_window(site: &Site) -> i64 {
    let reads = Reads::of(site);
    let windows = reads.readings.iter().filter_map(|signal| match signal {
        SigRef::Only(id) | SigRef::Member(id, _) => match site.signal(*id)?.source {
            SignalSource::Aggregate { over_s, .. } => Some(over_s),
            _ => None,
        },
        SigRef::Bound(_) => None,
    });
    windows.max().unwrap_or(0)
}
