//! Where an effect has force: only where its author may command what it names (semantics.md
//! 20-22).

use super::super::formula::{Formula, Linear};
use super::super::shape::Case;
use super::World;
use super::guard::Scope;
use crate::ir::{
    Attr, Days, Device, Effect, EffectKind, Guard, Lin, MemberRange, OWNER, Permit, PermitTarget,
    PrincipalId, Rule, Sched, SigRef, SignalId, SignalSource, Target, Verb, ZoneId,
};
use crate::quantity::Rat;

/// One device, store or zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A device.
    Device(Device),
    /// A zone.
    Zone(ZoneId),
}

/// What is to be done to something that a statement names.
struct Act<'b> {
    verb: Verb,
    attr: Option<Attr>,
    /// The author wrote the attribute.
    is_named: bool,
    /// Least and greatest value asked for, by case.
    cases: &'b [Case],
}

/// The attribute that an effect is about, and whether its author wrote it.
pub(crate) fn commanded(effect: &Effect) -> (Option<Attr>, bool) {
    match &effect.kind {
        EffectKind::Bound { attr, .. } | EffectKind::Choice { attr, .. } => (Some(attr.clone()), true),
        EffectKind::Switch(_) | EffectKind::Run { .. } => (Some(Attr::On), false),
        EffectKind::Connect(_) => (Some(Attr::Connected), false),
        EffectKind::Deliver { .. } => (Some(Attr::Energy), false),
        EffectKind::Follow { .. } | EffectKind::Supply { .. } => (Some(Attr::Power), false),
        EffectKind::Notify { .. } => (None, false),
    }
}

impl World<'_> {
    /// The owner's account is active.
    pub(crate) fn account(&mut self, rule: &Rule) -> Formula {
        let until = self.site.principals.get(rule.owner.index()).and_then(|p| p.active_until);
        match until {
            Some(last) if rule.owner != OWNER => {
                let first = self.site.valid.0.min(last);
                self.during(&Sched::Days(Days::Dates(first, last)))
            }
            _ => Formula::TRUE,
        }
    }

    /// The rule's author may speak in its class and read what its guard reads.
    pub(crate) fn may_speak(&mut self, rule: &Rule, member: Option<Device>) -> Formula {
        let concerned = self.site.permits.iter().any(|p| p.forbid && self.concerns(p, rule.owner));
        if rule.owner == OWNER && !concerned {
            return Formula::TRUE;
        }
        let principal = self.site.principals.get(rule.owner.index());
        if rule.owner != OWNER && !principal.is_some_and(|p| p.classes.contains(&rule.class)) {
            return Formula::FALSE;
        }
        let mut reads = Vec::new();
        for guard in std::iter::once(&rule.when).chain(&rule.until) {
            self.reads(guard, member, None, &mut reads);
        }
        reads.sort();
        reads.dedup();
        let parts: Vec<Formula> = reads
            .into_iter()
            .map(|read| match read {
                None => Formula::FALSE,
                Some((subject, attr)) => {
                    let act = Act { verb: Verb::Read, attr: Some(attr), is_named: true, cases: &[] };
                    self.may(rule.owner, subject, &act)
                }
            })
            .collect();
        Formula::all(parts)
    }

    /// The author may command this effect on what it names; `cases` are the bounds it asks for.
    pub(crate) fn permitted(
        &mut self,
        rule: &Rule,
        effect: &Effect,
        named: Subject,
        cases: &[Case],
    ) -> Formula {
        let (attr, is_named) = commanded(effect);
        // what is asked of a device that keeps a meter is all that the meter may drive it to
        let driven = match (&effect.kind, named) {
            (EffectKind::Follow { .. }, Subject::Device(device)) => {
                self.site.family(device.family).map(crate::ir::Family::driven_between)
            }
            _ => None,
        };
        let driven = driven.map(|(least, most)| vec![Case::constant(&least, &most)]);
        let cases = driven.as_deref().unwrap_or(cases);
        self.may(rule.owner, named, &Act { verb: effect.verb, attr, is_named, cases })
    }

    fn concerns(&self, permit: &Permit, who: PrincipalId) -> bool {
        match permit.who {
            Some(one) => one == who,
            None => permit
                .any_kind
                .is_none_or(|kind| self.site.principals.get(who.index()).is_some_and(|p| p.kind == kind)),
        }
    }

    fn may(&mut self, who: PrincipalId, named: Subject, act: &Act) -> Formula {
        let site = self.site;
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        for permit in &site.permits {
            if !self.concerns(permit, who) || !self.about(permit, named, act) {
                continue;
            }
            let during = self.during(&permit.during);
            let emergency = if permit.emergency {
                let scope = Scope { bound: None, quality: true, span: permit.span };
                let tri = self.guard(&Guard::Emergency, scope);
                // nobody gains by a lost reading
                if permit.forbid { tri.no.negate() } else { tri.yes }
            } else {
                Formula::TRUE
            };
            let range = if permit.forbid { meets(permit, act.cases) } else { inside(permit, act.cases) };
            let holds = Formula::all([during, emergency, range]);
            if permit.forbid { &mut forbids } else { &mut permits }.push(holds);
        }
        let permitted = if who == OWNER { Formula::TRUE } else { Formula::any(permits) };
        Formula::all([permitted, Formula::any(forbids).negate()])
    }

    fn about(&self, permit: &Permit, named: Subject, act: &Act) -> bool {
        if permit.verb.is_some_and(|verb| verb != act.verb) {
            return false;
        }
        let about = match (&permit.attr, &act.attr) {
            (None, _) => true,
            (Some(permitted), Some(attr)) if act.is_named => permitted == attr,
            (Some(permitted), attr) => permit.verb.is_some() || Some(permitted) == attr.as_ref(),
        };
        about
            && match (&permit.target, named) {
                (PermitTarget::AnyDevice, Subject::Device(_)) | (PermitTarget::Target(Target::Site), _) => {
                    true
                }
                (PermitTarget::AnyDevice, Subject::Zone(_)) => false,
                (PermitTarget::Target(target), Subject::Device(device)) => {
                    self.site.target_members(target).iter().any(|range| range.contains(device))
                }
                (PermitTarget::Target(target), Subject::Zone(zone)) => *target == Target::Zone(zone),
            }
    }

    /// What a guard reads that needs a `read` permit; `None`: something that no permit can name.
    fn reads(
        &self,
        guard: &Guard,
        member: Option<Device>,
        group: Option<&[MemberRange]>,
        found: &mut Vec<Option<(Subject, Attr)>>,
    ) {
        match guard {
            Guard::Const(_) | Guard::During(_) | Guard::Emergency => {}
            Guard::Not(inner) | Guard::Held(_, inner) => self.reads(inner, member, group, found),
            Guard::All(parts) | Guard::Any(parts) => {
                parts.iter().for_each(|part| self.reads(part, member, group, found));
            }
            Guard::Compare { lin, .. } => self.reads_of_lin(lin, member, group, found),
            Guard::Is(of) | Guard::Equals(of, _) => self.reads_of(of, member, group, found),
            Guard::Quantified { group, body, .. } => {
                let members = self.site.group(*group).map(|g| g.members.as_slice()).unwrap_or_default();
                self.reads(body, member, Some(members), found);
            }
        }
    }

    fn reads_of_lin(
        &self,
        lin: &Lin,
        member: Option<Device>,
        group: Option<&[MemberRange]>,
        found: &mut Vec<Option<(Subject, Attr)>>,
    ) {
        lin.terms.iter().for_each(|(_, of)| self.reads_of(of, member, group, found));
        for (_, term) in &lin.sums {
            let members = self.site.group(term.group).map(|g| g.members.clone()).unwrap_or_default();
            found.extend(firsts(&members, &term.attr));
        }
    }

    fn reads_of(
        &self,
        of: &SigRef,
        member: Option<Device>,
        group: Option<&[MemberRange]>,
        found: &mut Vec<Option<(Subject, Attr)>>,
    ) {
        match (of, group) {
            (SigRef::Bound(attr), Some(members)) => found.extend(firsts(members, attr)),
            (SigRef::Bound(attr), None) => {
                found.push(member.map(|device| (Subject::Device(device), attr.clone())));
            }
            (SigRef::Only(id), _) => self.reads_of_signal(*id, None, 0, found),
            (SigRef::Member(id, index), _) => self.reads_of_signal(*id, Some(*index), 0, found),
        }
    }

    fn reads_of_signal(
        &self,
        id: SignalId,
        index: Option<u32>,
        depth: u32,
        found: &mut Vec<Option<(Subject, Attr)>>,
    ) {
        let Some(signal) = self.site.signal(id) else { return };
        let device = |family| Subject::Device(Device { family, index: index.unwrap_or(1) });
        match &signal.source {
            SignalSource::Weather
            | SignalSource::ImportPrice(_)
            | SignalSource::ExportPrice(_)
            | SignalSource::Event
            | SignalSource::Mode => {}
            SignalSource::Feed(_) => found.push(None),
            SignalSource::Sensor(family, point) => {
                found.push(Some((device(*family), Attr::Point(point.clone()))));
            }
            SignalSource::Measured(family, attr) => found.push(Some((device(*family), attr.clone()))),
            SignalSource::ZoneState(zone, attr) => found.push(Some((Subject::Zone(*zone), attr.clone()))),
            SignalSource::Aggregate { of, .. } if depth <= 8 => {
                self.reads_of_signal(*of, index, depth + 1, found);
            }
            SignalSource::Aggregate { .. } => found.push(None),
        }
    }
}

/// The members of each range stand for one another: where permits tell them apart, effects and
/// permits have cut the ranges.
fn firsts<'m>(
    members: &'m [MemberRange],
    attr: &'m Attr,
) -> impl Iterator<Item = Option<(Subject, Attr)>> + 'm {
    members
        .iter()
        .flat_map(|range| range.devices().take(4096))
        .map(|device| Some((Subject::Device(device), attr.clone())))
}

fn constant(value: &Rat) -> Linear {
    Linear::constant(value.clone())
}

/// Every bound that is named lies in the permitted range.
fn inside(permit: &Permit, cases: &[Case]) -> Formula {
    let within = |bound: &Linear| {
        let least = permit.lo.as_ref().map(|lo| Formula::at_most(&constant(lo), bound));
        let most = permit.hi.as_ref().map(|hi| Formula::at_most(bound, &constant(hi)));
        Formula::all(least.into_iter().chain(most))
    };
    by_case(cases, |case| Formula::all(case.lo.iter().chain(case.hi.iter()).map(within)))
}

/// What is asked for meets the forbidden range.
fn meets(permit: &Permit, cases: &[Case]) -> Formula {
    by_case(cases, |case| {
        let below = match (&case.hi, &permit.lo) {
            (Some(most), Some(lo)) => Formula::less(most, &constant(lo)),
            _ => Formula::FALSE,
        };
        let above = match (&case.lo, &permit.hi) {
            (Some(least), Some(hi)) => Formula::less(&constant(hi), least),
            _ => Formula::FALSE,
        };
        Formula::any([below, above]).negate()
    })
}

fn by_case(cases: &[Case], holds: impl Fn(&Case) -> Formula) -> Formula {
    Formula::all(cases.iter().map(|case| Formula::implies(case.when.clone(), holds(case))))
}
