//! EVL0301 of origins and tracking on one device, and of what misses a higher class
//! (semantics.md 13, 18): the evaluator judges every combination, where one may clash at all.

use std::collections::{BTreeMap, BTreeSet};

use super::contradiction::Found;
use super::judge::{self, Case};
use super::{open, sets, span_of, subject_name};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::formula::{Formula, Linear};
use crate::analysis::index::{Act, Ask, Dossier};
use crate::analysis::shape::Shape;
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay::{effect_ref, is_on};
use crate::eval::{Clash, Conflict, EffectRef};
use crate::ir::{ClassId, FollowWhat, MemberRange, Meter, Role, Site};

/// Asks about one device or zone.
pub(crate) fn ask(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let mut found = supplies(ground, dossier, asker);
    found.extend(tracking(ground, dossier, asker));
    found.extend(jointly_missed(ground, dossier, asker));
    found
}

/// Judges the combinations of some effects, if the solver finds one at all.
fn judged(
    ground: &Ground,
    dossier: &Dossier,
    acts: Vec<&Act>,
    must: Vec<Formula>,
    wanted: &dyn Fn(&Conflict) -> bool,
    asker: &mut Asker,
) -> Vec<Found> {
    let subject = dossier.subject;
    let about = format!("whether effects on `{}` can clash", subject_name(ground.site, subject));
    match asker.together(&must) {
        Answer::Unsat => Vec::new(),
        Answer::Unknown => {
            let effects = acts.iter().map(|act| (act.rule.0, act.effect)).collect();
            let span = acts.first().map_or(ground.site.span, |act| span_of(ground.site, act));
            vec![Found::new(effects, subject, open(span, &about))]
        }
        Answer::Sat => judge::ask(ground, &Case { subject, acts, must, wanted, about }, asker),
    }
}

/// Everything that can feed a consumer.
fn sources(site: &Site) -> Vec<MemberRange> {
    let feeds = |role: Role| matches!(role, Role::Producer | Role::Storage);
    site.families.iter().filter(|f| feeds(f.role) && !f.is_empty()).map(crate::ir::Family::all).collect()
}

/// Whether the restrictions leave no source. Of long arrays only the first members are looked at:
/// what is doubtful is judged.
fn exhausted(sources: &[MemberRange], restrictions: &[(&[MemberRange], bool)]) -> bool {
    !sources.iter().flat_map(|range| range.devices().take(4096)).any(|device| {
        restrictions.iter().all(|(from, never)| from.iter().any(|range| range.contains(device)) != *never)
    })
}

fn supplies(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let mut own: BTreeSet<EffectRef> = BTreeSet::new();
    let mut restrictions: Vec<(&[MemberRange], bool)> = Vec::new();
    let mut any = Vec::new();
    for act in &dossier.acts {
        if let Ask::Origins { from, never } = &act.ask {
            own.insert(effect_ref(act));
            restrictions.push((from, *never));
            any.push(act.acts());
        }
    }
    if own.is_empty() || !exhausted(&sources(ground.site), &restrictions) {
        return Vec::new();
    }
    let wanted = |c: &Conflict| c.effects.iter().chain(&c.against).any(|effect| own.contains(effect));
    judged(ground, dossier, dossier.acts.iter().collect(), vec![Formula::any(any)], &wanted, asker)
}

fn tracking(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let follow = |act| -> Option<(&Act, Meter, &Linear)> {
        let act: &Act = act;
        if let Ask::Follow(meter, target) = &act.ask { Some((act, *meter, target)) } else { None }
    };
    let follows: Vec<_> = dossier.acts.iter().filter_map(follow).collect();
    let mut differ = Vec::new();
    // what the grid then takes: import less export
    let net = |meter: Meter, target: &Linear| match meter.what {
        FollowWhat::Import => target.clone(),
        FollowWhat::Surplus => Linear::default().minus(target),
    };
    for (i, (a, meter_a, target_a)) in follows.iter().enumerate() {
        for (b, meter_b, target_b) in follows.iter().skip(i + 1).filter(|(b, ..)| a.class == b.class) {
            let apart = if meter_a.grid == meter_b.grid {
                Formula::zero(net(*meter_a, target_a).minus(&net(*meter_b, target_b))).negate()
            } else {
                Formula::TRUE
            };
            differ.push(Formula::all([a.acts(), b.acts(), apart]));
        }
    }
    let must = Formula::any(differ);
    if must == Formula::FALSE {
        return Vec::new();
    }
    let acts: Vec<&Act> = follows.iter().map(|(act, ..)| *act).collect();
    let own: BTreeSet<EffectRef> = acts.iter().map(|act| effect_ref(act)).collect();
    let wanted = |c: &Conflict| c.effects.iter().any(|effect| own.contains(effect));
    judged(ground, dossier, acts, vec![must], &wanted, asker)
}

/// What several effects of one class together miss of what higher classes left, though none does
/// alone: only where a range or a choice has gaps.
fn jointly_missed(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let shaped: Vec<(&Act, &Shape)> =
        dossier.acts.iter().filter_map(|act| act.shape().map(|shape| (act, shape))).collect();
    let mut classes: BTreeMap<ClassId, usize> = BTreeMap::new();
    for (act, _) in &shaped {
        *classes.entry(act.class).or_default() += 1;
    }
    let below_another = classes.iter().skip(1).any(|(_, count)| *count > 1);
    if !below_another || !sets::possible(&dossier.body, &shaped) {
        return Vec::new();
    }
    let acting: Vec<(Formula, &Shape)> = shaped.iter().map(|(act, shape)| (act.acts(), *shape)).collect();
    let must = dossier.body.dead_when(&acting);
    if must == Formula::FALSE {
        return Vec::new();
    }
    let wanted =
        |c: &Conflict| c.clash == Clash::JointMiss && c.units.iter().any(|unit| is_on(unit, dossier.subject));
    let acts: Vec<&Act> = shaped.iter().map(|(act, _)| *act).collect();
    judged(ground, dossier, acts, vec![must], &wanted, asker)
}
