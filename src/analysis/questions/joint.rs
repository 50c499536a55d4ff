//! EVL0301 beyond pairs on one device: totals against their members, origins that exclude each
//! other, two ways of tracking, and ranges with gaps, where three effects can leave nothing
//! although each pair leaves something (semantics.md 12-14, 18).
//!
//! The solver finds the least situation; the evaluator, replaying it, names the set.

use std::collections::BTreeMap;

use super::contradiction::Found;
use super::{least, mismatch, open, span_of, with_witness};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::{Formula, Linear, Num};
use crate::analysis::index::{Act, Ask, Dossier, Index, TotalDossier};
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay::{self, effect_ref};
use crate::diag::{Diagnostic, Span, codes};
use crate::eval::{Clash, Conflict, EffectRef, Unit};
use crate::ir::{Attr, ClassId, Device, MemberRange, Role, Site};
use crate::quantity::Rat;

/// Most effects on one device among which sets of three are looked at.
const MAX_TRIPLES: usize = 40;

/// Asks about one device or zone: origins, tracking, gaps.
pub(crate) fn ask(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let mut found = Vec::new();
    origins(ground, dossier, asker, &mut found);
    tracking(ground, dossier, asker, &mut found);
    triples(ground, dossier, asker, &mut found);
    found
}

/// One question whose answer the evaluator names: `wanted` picks the conflict.
fn settle(
    ground: &Ground,
    subject: Subject,
    acts: &[&Act],
    statements: &[Formula],
    others: &[Formula],
    asker: &mut Asker,
    strict: bool,
) -> Option<Found> {
    let site = ground.site;
    let first = acts.first()?;
    let span = span_of(site, first);
    let of = |finding: Diagnostic, effects: Vec<(u32, u32)>| {
        Some(Found { code: finding.code, effects, subject, finding })
    };
    let names: Vec<(u32, u32)> = acts.iter().map(|act| (act.rule.0, act.effect)).collect();
    match asker.together(statements) {
        Answer::Unsat => return None,
        Answer::Unknown => return of(open(span, "whether these effects can clash"), names),
        Answer::Sat => {}
    }
    let situation = match least(asker, statements, others, codes::CONTRADICTION, span) {
        Ok(situation) => situation,
        Err(open) => return of(*open, names),
    };
    let decision = ground.evaluator.evaluate(&replay::environment(site, &situation));
    let wanted: Vec<EffectRef> = acts.iter().map(|act| effect_ref(act)).collect();
    let clash = |c: &&Conflict| c.clash != Clash::BeyondDevice && c.clash != Clash::Opposed;
    let all =
        |c: &&Conflict| wanted.iter().all(|effect| c.effects.contains(effect) || c.against.contains(effect));
    let some = |c: &&Conflict| wanted.iter().any(|effect| c.effects.contains(effect));
    let conflicts = || decision.conflicts.iter().filter(clash);
    let Some(conflict) = conflicts().find(all).or_else(|| conflicts().find(some)) else {
        // where members clash among themselves, or a higher class takes part of the set away, that
        // is another finding or none
        let elsewhere = !strict || !decision.conflicts.is_empty();
        return if elsewhere {
            None
        } else {
            of(mismatch(ground, span, codes::CONTRADICTION, &situation), names)
        };
    };
    let finding = describe(ground, conflict, span);
    let rules: Vec<String> = {
        let mut rules: Vec<String> = conflict
            .effects
            .iter()
            .filter_map(|e| site.rule(e.instance.rule))
            .map(|rule| rule.name.clone())
            .collect();
        rules.dedup();
        rules
    };
    let (title, expect) = (rules.join(" against "), format!("conflict {}", rules.join(", ")));
    let effects = conflict.effects.iter().map(|e| (e.instance.rule.0, e.index)).collect();
    of(with_witness(ground, finding, &situation, statements, &title, &expect), effects)
}

/// A finding from a conflict that the evaluator reports.
fn describe(ground: &Ground, conflict: &Conflict, otherwise: Span) -> Diagnostic {
    let site = ground.site;
    let says = |effect: &EffectRef| -> (Span, String) {
        let rule = site.rule(effect.instance.rule);
        let found = rule.and_then(|rule| rule.effects.iter().find(|e| e.index == effect.index));
        let name = rule.map_or("", |rule| rule.name.as_str());
        match found {
            Some(found) => (found.span, format!("`{name}` says: {}", found.text)),
            None => (otherwise, format!("`{name}`")),
        }
    };
    let class = site.class(conflict.class).map_or("", |class| class.name.as_str());
    let on = conflict.units.first().map(|unit| unit_name(site, unit)).unwrap_or_default();
    let more = match conflict.units.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let message = match conflict.clash {
        Clash::JointMiss => {
            format!("effects of class `{class}` together miss what a higher class leaves of `{on}`{more}")
        }
        _ => format!("effects of class `{class}` on `{on}`{more} cannot hold together"),
    };
    let mut parts = conflict.effects.iter().map(says);
    let (span, first) = parts.next().unwrap_or((otherwise, String::new()));
    let mut finding = Diagnostic::error(codes::CONTRADICTION, span, message).says(first);
    for (span, text) in parts {
        finding = finding.label(span, text);
    }
    for effect in &conflict.against {
        let (span, text) = says(effect);
        finding = finding.label(span, format!("of a higher class: {text}"));
    }
    finding.help("give one of them another class, or end it where the other begins")
}

fn unit_name(site: &Site, unit: &Unit) -> String {
    match unit {
        Unit::Devices(range) => site.device_name(Device { family: range.family, index: range.first }),
        Unit::Zone(zone) => site.zone(*zone).map(|z| z.name.clone()).unwrap_or_default(),
    }
}

fn others_than(dossier: &Dossier, acts: &[&Act]) -> Vec<Formula> {
    dossier
        .acts
        .iter()
        .filter(|other| !acts.iter().any(|act| (act.rule, act.member) == (other.rule, other.member)))
        .map(|other| other.active.clone())
        .collect()
}

/// Everything that can feed a consumer.
fn sources(site: &Site) -> Vec<MemberRange> {
    let feeds = |role: Role| matches!(role, Role::Producer | Role::Storage);
    site.families.iter().filter(|f| feeds(f.role) && !f.is_empty()).map(crate::ir::Family::all).collect()
}

/// What positive and negative restrictions leave of the sources.
fn left(sources: &[MemberRange], restrictions: &[(&[MemberRange], bool)]) -> bool {
    sources.iter().flat_map(|range| range.devices().take(4096)).any(|device| {
        restrictions.iter().all(|(from, never)| from.iter().any(|range| range.contains(device)) != *never)
    })
}

fn origins(ground: &Ground, dossier: &Dossier, asker: &mut Asker, found: &mut Vec<Found>) {
    let supplies: Vec<(&Act, &[MemberRange], bool)> = dossier
        .acts
        .iter()
        .filter_map(|act| match &act.ask {
            Ask::Origins { from, never } => Some((act, from.as_slice(), *never)),
            _ => None,
        })
        .collect();
    if supplies.is_empty() {
        return;
    }
    let sources = sources(ground.site);
    let mut together = |acts: &[&Act], extra: Vec<Formula>, asker: &mut Asker| {
        let mut statements: Vec<Formula> = acts.iter().map(|act| act.acts()).collect();
        statements.extend(extra);
        let others = others_than(dossier, acts);
        found.extend(settle(ground, dossier.subject, acts, &statements, &others, asker, false));
    };
    for (i, (a, from_a, never_a)) in supplies.iter().enumerate() {
        for (b, from_b, never_b) in supplies.iter().skip(i + 1) {
            if left(&sources, &[(from_a, *never_a), (from_b, *never_b)]) {
                continue;
            }
            if !never_a && !never_b {
                if a.class == b.class {
                    together(&[a, b], Vec::new(), asker);
                }
                continue;
            }
            // nothing may feed it: its power is 0, against every lower bound of that class
            let class: ClassId = a.class.max(b.class);
            for act in dossier.acts.iter().filter(|act| act.class == class) {
                let Some(shape) = act.shape() else { continue };
                let attr = match &dossier.body.directions {
                    Some((Attr::Import, export)) => export.clone(),
                    Some((_, charge)) => charge.clone(),
                    None => Attr::Power,
                };
                let forces = dossier.body.forces(shape, &attr);
                if forces != Formula::FALSE {
                    together(&[a, b, act], vec![forces], asker);
                }
            }
        }
    }
}

fn tracking(ground: &Ground, dossier: &Dossier, asker: &mut Asker, found: &mut Vec<Found>) {
    let follows: Vec<_> = dossier
        .acts
        .iter()
        .filter_map(
            |act| if let Ask::Follow(what, target) = &act.ask { Some((act, what, target)) } else { None },
        )
        .collect();
    for (i, (a, what_a, target_a)) in follows.iter().enumerate() {
        for (b, what_b, target_b) in follows.iter().skip(i + 1).filter(|(b, ..)| a.class == b.class) {
            let differ = if what_a == what_b {
                Formula::zero(target_a.minus(target_b)).negate()
            } else {
                Formula::TRUE
            };
            let acts = [*a, *b];
            let statements = [a.acts(), b.acts(), differ];
            let others = others_than(dossier, &acts);
            found.extend(settle(ground, dossier.subject, &acts, &statements, &others, asker, true));
        }
    }
}

/// Sets of three: within a class, or two of one class against one of a higher class.
fn triples(ground: &Ground, dossier: &Dossier, asker: &mut Asker, found: &mut Vec<Found>) {
    let body = &dossier.body;
    let acts: Vec<_> =
        dossier.acts.iter().filter_map(|act| act.shape().map(|s| (act, s))).take(MAX_TRIPLES).collect();
    let pieces = |(_, shape): &(&Act, &crate::analysis::shape::Shape)| {
        shape.numbers.values().any(|intervals| intervals.len() > 1)
    };
    if !body.has_gaps() && !acts.iter().any(pieces) {
        return;
    }
    for (i, (a, shape_a)) in acts.iter().enumerate() {
        for (j, (b, shape_b)) in acts.iter().enumerate().skip(i + 1).filter(|(_, (b, _))| b.class == a.class)
        {
            let pair = body.empty(&[shape_a, shape_b]);
            if pair == Formula::TRUE {
                continue;
            }
            for (k, (c, shape_c)) in acts.iter().enumerate() {
                let within = c.class == a.class && k > j;
                if k == i || k == j || !(within || c.class < a.class) {
                    continue;
                }
                let all = body.empty(&[shape_a, shape_b, shape_c]);
                if all == Formula::FALSE {
                    continue;
                }
                let fewer = [pair.clone(), body.empty(&[shape_a, shape_c]), body.empty(&[shape_b, shape_c])];
                let statements = [a.acts(), b.acts(), c.acts(), all, Formula::any(fewer).negate()];
                if statements.contains(&Formula::FALSE) {
                    continue;
                }
                let set = [*a, *b, *c];
                let others = others_than(dossier, &set);
                found.extend(settle(ground, dossier.subject, &set, &statements, &others, asker, within));
            }
        }
    }
}

/// Asks about one total: its bounds against each other and against what members must or may take.
pub(crate) fn ask_total(
    ground: &Ground,
    index: &Index,
    total: &TotalDossier,
    asker: &mut Asker,
    fresh: &mut u32,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut classes: BTreeMap<ClassId, Vec<&Act>> = BTreeMap::new();
    for act in &total.acts {
        classes.entry(act.class).or_default().push(act);
    }
    let Some((first, _)) = total.members.first() else { return found };
    let subject = Subject::Device(*first);
    for (class, acts) in classes {
        for (i, a) in acts.iter().enumerate() {
            for side in [true, false] {
                for bound in ends(a, &total.attr, side) {
                    // another total's other end
                    for b in acts.iter().skip(i + 1).chain(acts.iter().take(i)) {
                        for other in ends(b, &total.attr, !side) {
                            let crossed = if side {
                                Formula::less(&bound, &other)
                            } else {
                                Formula::less(&other, &bound)
                            };
                            // each crossing is asked from one side
                            if a.rule > b.rule || crossed == Formula::FALSE {
                                continue;
                            }
                            let set = [*a, *b];
                            let statements = [a.acts(), b.acts(), crossed];
                            found.extend(settle(ground, subject, &set, &statements, &[], asker, true));
                        }
                    }
                    let (sum, parts, others) = members(index, total, class, side, fresh);
                    let crossed =
                        if side { Formula::less(&bound, &sum) } else { Formula::less(&sum, &bound) };
                    let mut statements = vec![a.acts(), crossed];
                    statements.extend(parts);
                    found.extend(settle(ground, subject, &[a], &statements, &others, asker, false));
                }
            }
        }
    }
    found.sort_by(|a, b| a.effects.cmp(&b.effects));
    found.dedup_by(|a, b| a.effects == b.effects);
    found
}

/// The upper (`true`) or lower ends of a total.
fn ends(act: &Act, attr: &Attr, upper: bool) -> Vec<Linear> {
    let Ask::Total(shape) = &act.ask else { return Vec::new() };
    let intervals = shape.numbers.get(attr).map(Vec::as_slice).unwrap_or_default();
    intervals.iter().filter_map(|i| if upper { i.hi.clone() } else { i.lo.clone() }).collect()
}

/// A number no more than the sum of what the members must take (`upper`: against an upper end),
/// or no less than what they may take; with the conditions that tie it to the active effects.
fn members(
    index: &Index,
    total: &TotalDossier,
    class: ClassId,
    upper: bool,
    fresh: &mut u32,
) -> (Linear, Vec<Formula>, Vec<Formula>) {
    let mut sum = Linear::default();
    let (mut parts, mut others) = (Vec::new(), Vec::new());
    for (device, count) in &total.members {
        let dossier = index.dossiers.iter().find(|d| {
            matches!(d.subject, Subject::Device(first) if first.family == device.family
                && first.index <= device.index && device.index < first.index + d.count)
        });
        *fresh += 1;
        let num = Num::Fresh(1_000_000 + *fresh);
        let value = Linear::num(num);
        let mut ways = Vec::new();
        let Some((lo, hi)) = index.bodies.get(&device.family).and_then(|body| body.hull(&total.attr)) else {
            continue;
        };
        let physical = Linear::constant(if upper { lo } else { hi });
        let beyond = |end: &Linear| {
            if upper { Formula::at_most(&value, end) } else { Formula::at_most(end, &value) }
        };
        ways.push(beyond(&physical));
        for act in dossier.map(|d| d.acts.as_slice()).unwrap_or_default() {
            let (Some(shape), true) = (act.shape(), act.class == class) else { continue };
            for interval in shape.numbers.get(&total.attr).map(Vec::as_slice).unwrap_or_default() {
                if let Some(end) = if upper { &interval.lo } else { &interval.hi } {
                    ways.push(Formula::all([act.acts(), interval.when.clone(), beyond(end)]));
                }
            }
            let on = if upper {
                shape.on == Some(true)
            } else {
                shape.on == Some(false) || shape.connected == Some(false)
            };
            if on {
                let least = index.bodies.get(&device.family).and_then(|body| body.least_on(&total.attr));
                let end = if upper { least } else { Some(Rat::ZERO) };
                ways.extend(end.map(|end| Formula::all([act.acts(), beyond(&Linear::constant(end))])));
            }
            others.push(act.active.clone());
        }
        parts.push(Formula::any(ways));
        sum.add_term(&Rat::int(i64::from(*count)), num);
    }
    (sum, parts, others)
}
