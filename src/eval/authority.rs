//! Who may command what (semantics.md 20-22).

use super::decision::{Refusal, Unit};
use super::device::Demand;
use super::env::Truth;
use super::layout::{Layout, Named, UnitInfo};
use super::world::World;
use crate::ir::{
    Attr, Device, Effect, EffectKind, Guard, Lin, MemberRange, OWNER, Permit, PermitTarget, PrincipalId,
    Rule, SigRef, SignalId, SignalSource, Site, Target, Verb, ZoneId,
};
use crate::quantity::Rat;

/// What a guard reads that needs a `read` permit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    Devices(MemberRange, Attr),
    Zone(ZoneId, Attr),
    /// Of the member of a `for each` rule.
    Bound(Attr),
    /// Something that no permit can name.
    Never,
}

/// A principal as the permits see it.
#[derive(Debug, Default)]
struct Standing {
    permits: Vec<usize>,
    forbids: Vec<usize>,
}

/// The permits of a site by principal, and what its rules read.
#[derive(Debug)]
pub(super) struct Authority {
    standings: Vec<Standing>,
    /// What the guards of each rule read.
    reads: Vec<Vec<Read>>,
    /// What the amounts of each rule's effects read, by the effect's place.
    amounts: Vec<Vec<Vec<Read>>>,
}

/// What is to be done, for [`Authority::refusal`].
pub(super) struct Act<'b> {
    pub(super) verb: Verb,
    /// The attribute named, or the one that the verb is about.
    pub(super) attr: Option<&'b Attr>,
    /// Whether the author wrote the attribute.
    pub(super) is_named: bool,
    /// Least and greatest value that is asked for, where named.
    pub(super) bounds: (Option<Rat>, Option<Rat>),
}

impl Authority {
    pub(super) fn new(site: &Site) -> Self {
        let standings = site.principals.iter().map(|principal| {
            let mut standing = Standing::default();
            for (at, permit) in site.permits.iter().enumerate() {
                let concerns = match permit.who {
                    Some(who) => who == principal.id,
                    None => permit.any_kind.is_none_or(|kind| kind == principal.kind),
                };
                if concerns {
                    let list = if permit.forbid { &mut standing.forbids } else { &mut standing.permits };
                    list.push(at);
                }
            }
            standing
        });
        let mut authority = Self { standings: standings.collect(), reads: Vec::new(), amounts: Vec::new() };
        authority.reads = site.rules.iter().map(|rule| authority.reads_of(site, rule)).collect();
        authority.amounts = site.rules.iter().map(|rule| authority.read_by_effects(site, rule)).collect();
        authority
    }

    /// Whether the principal needs no look at any permit.
    pub(super) fn is_free(&self, who: PrincipalId) -> bool {
        who == OWNER && self.standings.get(who.index()).is_some_and(|standing| standing.forbids.is_empty())
    }

    /// Why no effect of the rule has force at the instant: its author's account, its class, or
    /// what its guard reads.
    pub(super) fn rule_refusal(
        &self,
        world: &World<'_>,
        layout: &Layout,
        rule: &Rule,
        member: Option<Device>,
    ) -> Option<Refusal> {
        if self.is_free(rule.owner) {
            return None;
        }
        if rule.owner != OWNER {
            let principal = world.site.principals.get(rule.owner.index());
            let Some(principal) = principal else { return Some(Refusal::NotPermitted) };
            let ended = |last| world.env.at >= world.cal.day_after(last);
            if principal.active_until.is_some_and(ended) {
                return Some(Refusal::AccountEnded);
            }
            if !principal.classes.contains(&rule.class) {
                return Some(Refusal::Class);
            }
        }
        let reads = self.reads.get(rule.id.index()).map(Vec::as_slice).unwrap_or_default();
        (!self.may_read(world, layout, rule, member, reads)).then_some(Refusal::MayNotRead)
    }

    /// Whether the author of a rule may read what the amounts of its effect at this place read.
    pub(super) fn may_read_amounts(
        &self,
        world: &World<'_>,
        layout: &Layout,
        rule: &Rule,
        member: Option<Device>,
        place: u32,
    ) -> bool {
        let reads = self.amounts.get(rule.id.index()).and_then(|effects| effects.get(place as usize));
        self.may_read(world, layout, rule, member, reads.map(Vec::as_slice).unwrap_or_default())
    }

    fn may_read(
        &self,
        world: &World<'_>,
        layout: &Layout,
        rule: &Rule,
        member: Option<Device>,
        reads: &[Read],
    ) -> bool {
        let may = |named: Named, attr: &Attr| {
            let act = Act { verb: Verb::Read, attr: Some(attr), is_named: true, bounds: (None, None) };
            self.refusal(world, rule.owner, named, &act).is_none()
        };
        reads.iter().all(|read| match read {
            Read::Never => false,
            Read::Zone(zone, attr) => may(Named::Zone(*zone), attr),
            Read::Bound(attr) => member.is_some_and(|device| may(Named::Device(device), attr)),
            Read::Devices(range, attr) => layout.units_of(*range).all(|at| {
                let first = layout.units.get(at).and_then(first_device);
                first.is_none_or(|device| may(Named::Device(device), attr))
            }),
        })
    }

    /// Why the principal may not do this: default deny for all but the owner, and forbid beats
    /// permit.
    pub(super) fn refusal(
        &self,
        world: &World<'_>,
        who: PrincipalId,
        named: Named,
        act: &Act<'_>,
    ) -> Option<Refusal> {
        let Some(standing) = self.standings.get(who.index()) else { return Some(Refusal::NotPermitted) };
        let covering = |list: &[usize]| -> Vec<usize> {
            let permit = |at: &&usize| {
                world.site.permits.get(**at).is_some_and(|permit| covers(world, permit, named, act))
            };
            list.iter().filter(permit).copied().collect()
        };
        let range =
            |at: usize| world.site.permits.get(at).map(|permit| (permit.lo.as_ref(), permit.hi.as_ref()));
        let meets = |at: &usize| {
            range(*at).is_some_and(|(lo, hi)| {
                let below = matches!((&act.bounds.1, lo), (Some(most), Some(lo)) if most < lo);
                let above = matches!((&act.bounds.0, hi), (Some(least), Some(hi)) if least > hi);
                !below && !above
            })
        };
        if let Some(forbid) = covering(&standing.forbids).into_iter().find(meets) {
            return Some(Refusal::Forbidden(forbid));
        }
        if who == OWNER {
            return None;
        }
        let permits = covering(&standing.permits);
        let inside = |at: &usize| {
            range(*at).is_some_and(|(lo, hi)| {
                [&act.bounds.0, &act.bounds.1]
                    .into_iter()
                    .flatten()
                    .all(|bound| lo.is_none_or(|lo| lo <= bound) && hi.is_none_or(|hi| bound <= hi))
            })
        };
        match permits.first() {
            _ if permits.iter().any(inside) => None,
            Some(first) => Some(Refusal::OutsideRange(*first)),
            None => Some(Refusal::NotPermitted),
        }
    }

    fn reads_of(&self, site: &Site, rule: &Rule) -> Vec<Read> {
        let mut found = Vec::new();
        if !self.is_free(rule.owner) {
            for guard in std::iter::once(&rule.when).chain(&rule.until) {
                reads_of_guard(site, guard, None, &mut found);
            }
        }
        found
    }

    fn read_by_effects(&self, site: &Site, rule: &Rule) -> Vec<Vec<Read>> {
        if self.is_free(rule.owner) {
            return Vec::new();
        }
        let reads = |effect: &Effect| {
            let mut found = Vec::new();
            effect.kind.amounts().for_each(|lin| reads_of_lin(site, lin, None, &mut found));
            found
        };
        rule.effects.iter().map(reads).collect()
    }
}

fn first_device(info: &UnitInfo) -> Option<Device> {
    match info.unit {
        Unit::Devices(range) => Some(Device { family: range.family, index: range.first }),
        Unit::Zone(_) => None,
    }
}

/// Whether a permit or forbid is about this verb on this attribute at this instant.
fn covers(world: &World<'_>, permit: &Permit, named: Named, act: &Act<'_>) -> bool {
    if permit.verb.is_some_and(|verb| verb != act.verb) {
        return false;
    }
    let about = match (&permit.attr, act.attr) {
        (None, _) => true,
        (Some(permitted), Some(attr)) if act.is_named => permitted == attr,
        // verbs that name no attribute: the verb says it, or the attribute that it is about
        (Some(permitted), attr) => permit.verb.is_some() || Some(permitted) == attr,
    };
    let on = match (&permit.target, named) {
        (PermitTarget::AnyDevice, Named::Device(_)) | (PermitTarget::Target(Target::Site), _) => true,
        (PermitTarget::AnyDevice, Named::Zone(_)) => false,
        (PermitTarget::Target(target), Named::Device(device)) => {
            world.site.target_members(target).iter().any(|range| range.contains(device))
        }
        (PermitTarget::Target(target), Named::Zone(zone)) => *target == Target::Zone(zone),
    };
    // nobody gains by a lost reading: an emergency that is not known opens nothing and lifts nothing
    let emergency = !permit.emergency
        || match world.emergency() {
            Truth::True => true,
            Truth::Unknown => permit.forbid,
            Truth::False => false,
        };
    about && on && emergency && world.cal.contains(&permit.during, world.env.at)
}

/// The attribute that an effect is about, and whether its author wrote it.
pub(super) fn about(effect: &Effect) -> (Option<&Attr>, bool) {
    match &effect.kind {
        EffectKind::Bound { attr, .. } | EffectKind::Choice { attr, .. } => (Some(attr), true),
        EffectKind::Switch(_) | EffectKind::Run { .. } => (Some(&Attr::On), false),
        EffectKind::Connect(_) => (Some(&Attr::Connected), false),
        EffectKind::Deliver { .. } => (Some(&Attr::Energy), false),
        EffectKind::Follow { .. } | EffectKind::Supply { .. } => (Some(&Attr::Power), false),
        EffectKind::Notify { .. } => (None, false),
    }
}

/// Whether a demand would move a device away from its safe state (`true`: on).
pub(super) fn leaves_safe_state(info: &UnitInfo, demand: &Demand) -> bool {
    let Some(safe_on) = info.life_safety else { return false };
    let flow = |attr: &Attr| {
        matches!(attr, Attr::Power | Attr::Charge | Attr::Discharge | Attr::Import | Attr::Export)
    };
    let limits = |attr: &Attr, lo: Option<&Rat>, hi: Option<&Rat>| {
        let most = info.physical.hull(attr).map(|(_, most)| most);
        if safe_on {
            matches!((hi, most), (Some(hi), Some(most)) if *hi < most)
        } else {
            lo.is_some_and(Rat::is_positive)
        }
    };
    match demand {
        Demand::Switch(on) => *on != safe_on,
        Demand::Connect(connected) => safe_on && !connected,
        Demand::Bound { attr: Attr::On, lo, hi } => {
            if safe_on {
                hi.as_ref().is_some_and(|hi| *hi < Rat::ONE)
            } else {
                lo.as_ref().is_some_and(Rat::is_positive)
            }
        }
        Demand::Bound { attr, lo, hi } => flow(attr) && limits(attr, lo.as_ref(), hi.as_ref()),
        Demand::Choice { attr, set } => flow(attr) && limits(attr, set.min(), set.max()),
    }
}

fn reads_of_guard(site: &Site, guard: &Guard, group: Option<&[MemberRange]>, found: &mut Vec<Read>) {
    match guard {
        Guard::Const(_) | Guard::During(_) | Guard::Emergency => {}
        Guard::Not(inner) | Guard::Held(_, inner) => reads_of_guard(site, inner, group, found),
        Guard::All(parts) | Guard::Any(parts) => {
            for part in parts {
                reads_of_guard(site, part, group, found);
            }
        }
        Guard::Compare { lin, .. } => reads_of_lin(site, lin, group, found),
        Guard::Is(signal) | Guard::Equals(signal, _) => reads_of_signal(site, signal, group, found),
        Guard::Quantified { group, body, .. } => {
            let members = site.group(*group).map(|group| group.members.as_slice());
            reads_of_guard(site, body, Some(members.unwrap_or_default()), found);
        }
    }
}

fn reads_of_lin(site: &Site, lin: &Lin, group: Option<&[MemberRange]>, found: &mut Vec<Read>) {
    for (_, signal) in &lin.terms {
        reads_of_signal(site, signal, group, found);
    }
    for (_, term) in &lin.sums {
        let members = site.group(term.group).map(|group| group.members.as_slice()).unwrap_or_default();
        found.extend(members.iter().map(|range| Read::Devices(*range, term.attr.clone())));
    }
}

fn reads_of_signal(site: &Site, signal: &SigRef, group: Option<&[MemberRange]>, found: &mut Vec<Read>) {
    match (signal, group) {
        (SigRef::Bound(attr), Some(members)) => {
            found.extend(members.iter().map(|range| Read::Devices(*range, attr.clone())));
        }
        (SigRef::Bound(attr), None) => found.push(Read::Bound(attr.clone())),
        (SigRef::Only(id), _) => reads_of_source(site, *id, None, 0, found),
        (SigRef::Member(id, index), _) => reads_of_source(site, *id, Some(*index), 0, found),
    }
}

fn reads_of_source(site: &Site, id: SignalId, index: Option<u32>, depth: u32, found: &mut Vec<Read>) {
    let Some(signal) = site.signal(id) else { return };
    let of = |family: crate::ir::FamilyId| {
        let last = index.unwrap_or_else(|| site.family(family).map_or(1, crate::ir::Family::len));
        MemberRange { family, first: index.unwrap_or(1), last }
    };
    match &signal.source {
        // weather, prices, modes and events are read freely
        SignalSource::Weather
        | SignalSource::ImportPrice(_)
        | SignalSource::ExportPrice(_)
        | SignalSource::Event
        | SignalSource::Mode => {}
        SignalSource::Feed(_) => found.push(Read::Never),
        SignalSource::Sensor(family, point) => {
            found.push(Read::Devices(of(*family), Attr::Point(point.clone())));
        }
        SignalSource::Measured(family, attr) => found.push(Read::Devices(of(*family), attr.clone())),
        SignalSource::ZoneState(zone, attr) => found.push(Read::Zone(*zone, attr.clone())),
        // an aggregate of an aggregate of ... is cut short: no policy needs it
        SignalSource::Aggregate { .. } if depth > 8 => found.push(Read::Never),
        SignalSource::Aggregate { of, .. } => reads_of_source(site, *of, index, depth + 1, found),
    }
}
