//! EVL0301 and EVL0302 of totals: bounds on a total against each other and against what its members
//! must or may take (semantics.md 12-14).
//!
//! Asked first, of each total at once: can a bound lie beyond the hull of the members' sum, all
//! effects on them considered, or two bounds cross? Most totals end there. Where they do not, a
//! higher class may simply have overridden something, and the evaluator judges every combination.

use std::collections::BTreeSet;

use super::contradiction::Found;
use super::judge::{self, Case};
use super::{open, span_of, subject_name};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::{Formula, Linear, Num};
use crate::analysis::index::{Act, Ask, Dossier, Index, TotalDossier, linked};
use crate::analysis::shape::{Interval, Shape};
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay::effect_ref;
use crate::eval::{Conflict, EffectRef};
use crate::quantity::Rat;

/// Asks about one total.
pub(crate) fn ask(ground: &Ground, index: &Index, total: &TotalDossier, asker: &mut Asker) -> Vec<Found> {
    let (Some((first, _)), Some(act)) = (total.members.first(), total.acts.first()) else {
        return Vec::new();
    };
    let subject = Subject::Device(*first);
    let about =
        format!("whether what is asked of `{}` together can clash", subject_name(ground.site, subject));
    let undecided = || {
        let effects = total.acts.iter().map(|act| (act.rule.0, act.effect)).collect();
        let finding = open(span_of(ground.site, act), &about);
        vec![Found::new(effects, subject, finding)]
    };
    let must = crossing(index, total);
    if must.contains(&Formula::FALSE) {
        return Vec::new();
    }
    if total.coarse {
        return undecided();
    }
    match asker.together(&must) {
        Answer::Unsat => return Vec::new(),
        Answer::Unknown => return undecided(),
        Answer::Sat => {}
    }
    let own: BTreeSet<EffectRef> = total.acts.iter().map(effect_ref).collect();
    let wanted = |c: &Conflict| c.effects.iter().chain(&c.against).any(|effect| own.contains(effect));
    let members = total.members.iter().map(|(device, _)| Subject::Device(*device)).collect();
    let subjects = linked(ground.site, index, members);
    let mut acts: Vec<&Act> = index
        .dossiers
        .iter()
        .filter(|dossier| subjects.contains(&dossier.subject))
        .flat_map(|dossier| &dossier.acts)
        .collect();
    let touches = |t: &&TotalDossier| t.members.iter().any(|(d, _)| subjects.contains(&Subject::Device(*d)));
    acts.extend(index.totals.iter().filter(touches).flat_map(|t| &t.acts));
    acts.sort_by_key(|act| (act.rule, act.effect, act.member));
    judge::ask(ground, &Case { subject, acts, must, wanted: &wanted, about: about.clone() }, asker)
}

/// What must hold for a clash to be possible: a bound beyond the sum's hull, or two that cross.
fn crossing(index: &Index, total: &TotalDossier) -> Vec<Formula> {
    let mut parts = Vec::new();
    let least = sum(index, total, true, &mut parts);
    let most = sum(index, total, false, &mut parts);
    let bounds: Vec<(&Act, &Interval)> = total
        .acts
        .iter()
        .flat_map(|act| ends(act, total).iter().map(move |interval| (act, interval)))
        .collect();
    let mut ways = Vec::new();
    for (act, interval) in &bounds {
        let acts = Formula::all([act.acts(), interval.when.clone()]);
        let above = |end: &Linear| least.as_ref().map_or(Formula::TRUE, |sum| Formula::less(end, sum));
        let below = |end: &Linear| most.as_ref().map_or(Formula::TRUE, |sum| Formula::less(sum, end));
        let beyond = [interval.hi.as_ref().map(above), interval.lo.as_ref().map(below)];
        ways.extend(beyond.into_iter().flatten().map(|beyond| Formula::all([acts.clone(), beyond])));
        for (other, against) in &bounds {
            if let (Some(lo), Some(hi)) = (&interval.lo, &against.hi) {
                let both = [acts.clone(), other.acts(), against.when.clone(), Formula::less(hi, lo)];
                ways.push(Formula::all(both));
            }
        }
    }
    parts.push(Formula::any(ways));
    parts
}

fn ends<'t>(act: &'t Act, total: &TotalDossier) -> &'t [Interval] {
    let Ask::Total(shape) = &act.ask else { return &[] };
    shape.numbers.get(&total.attr).map(Vec::as_slice).unwrap_or_default()
}

/// A number no more than the members' least sum, or no less than their greatest; `None` where that
/// of some member is not bounded by this.
fn sum(index: &Index, total: &TotalDossier, least: bool, parts: &mut Vec<Formula>) -> Option<Linear> {
    let mut sum = Linear::default();
    for (at, (device, count)) in total.members.iter().enumerate() {
        let body = index.bodies.get(&device.family)?;
        let dossier = index.dossier(Subject::Device(*device));
        let zero = Shape {
            numbers: [(total.attr.clone(), vec![Interval::constant(&Rat::ZERO, &Rat::ZERO)])].into(),
            ..Shape::default()
        };
        let acts = dossier.map(|dossier| acting(dossier, &zero)).unwrap_or_default();
        let named = acts.iter().any(|(_, shape)| shape.numbers.contains_key(&total.attr));
        if body.hull(&total.attr).is_none() {
            // a member without the attribute adds nothing to the total
            if named || body.directions.is_some() {
                return None;
            }
            continue;
        }
        let at = u32::try_from(2 * at + usize::from(least)).ok()?;
        let num = Num::Fresh(at);
        parts.extend(body.reaches(&total.attr, &Linear::num(num), least, &acts));
        sum.add_term(&Rat::int(i64::from(*count)), num);
    }
    Some(sum)
}

/// The effects on a member; without a source its power is zero.
fn acting<'d>(dossier: &'d Dossier, zero: &'d Shape) -> Vec<(Formula, &'d Shape)> {
    let shape = |act: &'d Act| match &act.ask {
        Ask::Shape(shape) => Some((act.acts(), shape)),
        Ask::Origins { .. } => Some((act.acts(), zero)),
        Ask::Total(_) | Ask::Follow(..) => None,
    };
    dossier.acts.iter().filter_map(shape).collect()
}
