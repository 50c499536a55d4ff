//! Where an effect has force: only where its author may command what it names (semantics.md 21).

use super::super::formula::{Formula, Linear};
use super::World;
use super::guard::Scope;
use crate::ir::{Attr, Device, Effect, EffectKind, OWNER, Permit, PermitTarget, Rule, Target, Verb, ZoneId};
use crate::quantity::Rat;

/// One device, store or zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A device.
    Device(Device),
    /// A zone.
    Zone(ZoneId),
}

/// The attribute that an effect commands.
pub(crate) fn commanded(effect: &Effect) -> Attr {
    match &effect.kind {
        EffectKind::Bound { attr, .. } | EffectKind::Choice { attr, .. } => attr.clone(),
        EffectKind::Switch(_) => Attr::On,
        EffectKind::Connect(_) => Attr::Connected,
        _ => Attr::Power,
    }
}

impl World<'_> {
    /// The condition under which the effect has force on the subject.
    pub(crate) fn force(
        &mut self,
        rule: &Rule,
        effect: &Effect,
        subject: Subject,
        member: Option<Device>,
    ) -> Formula {
        let site = self.site;
        let mut permits = Vec::new();
        let mut forbids = Vec::new();
        for permit in &site.permits {
            if !self.covers(permit, rule, effect, subject) {
                continue;
            }
            let during = self.during(&permit.during);
            let emergency = if permit.emergency {
                let scope = Scope { bound: None, quality: true, span: permit.span };
                self.guard(&crate::ir::Guard::Emergency, scope).yes
            } else {
                Formula::TRUE
            };
            let when = Formula::all([during, emergency]);
            if permit.forbid {
                forbids.push(when);
            } else {
                let inside = self.inside(permit, effect, member, rule);
                permits.push(Formula::all([when, inside]));
            }
        }
        let permitted = if rule.owner == OWNER { Formula::TRUE } else { Formula::any(permits) };
        Formula::all([permitted, Formula::any(forbids).negate()])
    }

    fn covers(&self, permit: &Permit, rule: &Rule, effect: &Effect, subject: Subject) -> bool {
        let who = match (permit.who, permit.any_kind) {
            (Some(who), _) => who == rule.owner,
            (None, Some(kind)) => {
                self.site.principals.get(rule.owner.index()).is_some_and(|p| p.kind == kind)
            }
            (None, None) => true,
        };
        let verb = permit.verb.is_none_or(|verb| verb == effect.verb) && permit.verb != Some(Verb::Read);
        let attr = permit.attr.as_ref().is_none_or(|attr| *attr == commanded(effect));
        who && verb && attr && self.targets(&permit.target, subject)
    }

    fn targets(&self, target: &PermitTarget, subject: Subject) -> bool {
        match (target, subject) {
            (PermitTarget::AnyDevice, Subject::Device(_)) => true,
            (PermitTarget::AnyDevice, Subject::Zone(_)) => false,
            (PermitTarget::Target(Target::Zone(a)), Subject::Zone(b)) => *a == b,
            (PermitTarget::Target(target), Subject::Device(device)) => {
                self.site.target_members(target).iter().any(|range| range.contains(device))
            }
            (PermitTarget::Target(target), Subject::Zone(zone)) => {
                // a thermostat's setpoint is that of the zone it controls
                self.site.zone(zone).is_some_and(|zone| {
                    let members = self.site.target_members(target);
                    zone.thermostats.iter().any(|t| members.iter().any(|range| range.family == *t))
                })
            }
        }
    }

    /// Every bound that the effect names lies in the permitted range.
    fn inside(&mut self, permit: &Permit, effect: &Effect, member: Option<Device>, rule: &Rule) -> Formula {
        let range = |value: &Linear| {
            let least = permit.lo.as_ref().map(|lo| Formula::at_most(&Linear::constant(lo.clone()), value));
            let most = permit.hi.as_ref().map(|hi| Formula::at_most(value, &Linear::constant(hi.clone())));
            Formula::all(least.into_iter().chain(most))
        };
        let constant = |value: &Rat| range(&Linear::constant(value.clone()));
        match &effect.kind {
            EffectKind::Bound { lo, hi, .. } => {
                let scope = Scope { bound: member, quality: true, span: rule.span };
                let bounds: Vec<Formula> = lo
                    .iter()
                    .chain(hi.iter())
                    .map(|bound| {
                        let (value, known) = self.linear(bound, scope);
                        Formula::all([known, range(&value)])
                    })
                    .collect();
                Formula::all(bounds)
            }
            EffectKind::Choice { pieces, .. } => {
                Formula::all(pieces.iter().flat_map(|(lo, hi)| [constant(lo), constant(hi)]))
            }
            _ => Formula::TRUE,
        }
    }
}
