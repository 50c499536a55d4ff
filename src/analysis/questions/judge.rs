//! Clashes that only the evaluator can name: totals, origins, and what misses a higher class.
//!
//! Who is overridden by whom, class by class, is what the evaluator computes, and it depends on
//! nothing but which effects act where their bounds are constant. So the solver lists every
//! combination of acting effects that is possible (and in which a clash is not excluded
//! beforehand), and the evaluator judges one situation of each: nothing is left out, and what is
//! found does not depend on values that the solver chose.

use std::collections::BTreeMap;

use super::contradiction::Found;
use super::{MAX_FINDINGS, least, mismatch, open, span_of, with_witness};
use crate::analysis::ask::{Asker, Ground, Prepared};
use crate::analysis::encode::Subject;
use crate::analysis::formula::{Bit, Formula};
use crate::analysis::index::{Act, Ask};
use crate::analysis::smt::Literal;
use crate::analysis::witness::{Situation, replay};
use crate::diag::{Code, Diagnostic, Span, codes};
use crate::eval::{Clash, Conflict, EffectRef, Unit};
use crate::ir::{ClassId, Device, Site};

/// Most combinations of one question.
const MAX_COMBINATIONS: usize = 4096;

/// What is to be judged.
pub(super) struct Case<'q> {
    /// On what clashes are counted.
    pub(super) subject: Subject,
    /// Every effect on which the verdict depends, in source order.
    pub(super) acts: Vec<&'q Act>,
    /// What must hold for a clash to be possible; may speak of auxiliary numbers.
    pub(super) must: Vec<Formula>,
    /// Which clashes are the question's own; others are found elsewhere.
    pub(super) wanted: &'q dyn Fn(&Conflict) -> bool,
    /// For messages: `whether .. can clash`.
    pub(super) about: String,
}

/// What makes two reports one finding.
type Key = (Clash, ClassId, Vec<EffectRef>, Vec<EffectRef>);

/// The combination in which a conflict shows best.
struct Shown {
    conflict: Conflict,
    active: usize,
    pattern: Vec<bool>,
}

/// Judges every combination of acting effects.
pub(super) fn ask(ground: &Ground, case: &Case, asker: &mut Asker) -> Vec<Found> {
    let mut conditions: Vec<Formula> =
        case.acts.iter().map(|act| act.acts()).filter(|f| !matches!(f, Formula::Const(_))).collect();
    conditions.sort();
    conditions.dedup();
    let mut all = conditions.clone();
    all.extend(case.must.iter().cloned());
    let prepared = asker.prepare(&all);
    asker.enter();
    case.must.iter().for_each(|formula| asker.solver.assert(formula));
    let judged = judge(ground, case, &conditions, &prepared, asker);
    asker.leave();
    let (shown, open_ended) = match judged {
        Some(judged) if prepared.complete || judged.0.is_empty() && !judged.1 => judged,
        _ => return vec![undecided(ground, case)],
    };
    let mut found: Vec<Found> = Vec::with_capacity(shown.len());
    for shown in shown.into_values() {
        // so many are shown: the rest needs no situation each
        let counted = found.len() >= MAX_FINDINGS;
        found.push(if counted {
            let span = shown.conflict.effects.first();
            let span = span.map_or(ground.site.span, |effect| says(ground.site, effect, ground.site.span).0);
            let finding = Diagnostic::error(code_of(&shown.conflict), span, "one of many clashes");
            let one = Found::new(effects_of(&shown.conflict), case.subject, finding);
            Found { counted, ..one }
        } else {
            report(ground, case, &conditions, shown, asker)
        });
    }
    if open_ended {
        found.push(undecided(ground, case));
    }
    found
}

fn undecided(ground: &Ground, case: &Case) -> Found {
    let span = case.acts.first().map_or(ground.site.span, |act| span_of(ground.site, act));
    let effects = case.acts.iter().map(|act| (act.rule.0, act.effect)).collect();
    let finding = open(span, &case.about);
    Found::new(effects, case.subject, finding)
}

/// The conflicts by key, and whether some combination leaves the verdict open; `None` where the
/// combinations could not be listed.
fn judge(
    ground: &Ground,
    case: &Case,
    conditions: &[Formula],
    prepared: &Prepared,
    asker: &mut Asker,
) -> Option<(BTreeMap<Key, Shown>, bool)> {
    let patterns = asker.solver.enumerate(conditions, &prepared.literals, MAX_COMBINATIONS)?;
    let mut shown: BTreeMap<Key, Shown> = BTreeMap::new();
    let mut open_ended = false;
    for pattern in patterns {
        let situation = some_situation(conditions, &pattern, prepared, asker)?;
        let decision = ground.evaluator.evaluate(&replay::environment(ground.site, &situation));
        let active = pattern.iter().filter(|holds| **holds).count();
        let mut any = false;
        for conflict in decision.conflicts.iter().filter(|c| (case.wanted)(c)) {
            any = true;
            let key = (conflict.clash, conflict.class, conflict.effects.clone(), conflict.against.clone());
            let better = |known: &Shown| (active, &pattern) < (known.active, &known.pattern);
            if shown.get(&key).is_none_or(better) {
                let conflict = conflict.clone();
                shown.insert(key, Shown { conflict, active, pattern: pattern.clone() });
            }
        }
        // where a bound is not constant, one situation does not speak for the whole combination
        let acting = |act: &&Act| match conditions.binary_search(&act.acts()) {
            Ok(at) => pattern.get(at).copied().unwrap_or(false),
            Err(_) => act.acts() == Formula::TRUE,
        };
        open_ended |= !any && may_differ(case.acts.iter().copied().filter(acting));
    }
    Some((shown, open_ended))
}

/// Whether the verdict can depend on values: a bound that is not constant meets others that could
/// clash with it. One that is alone in the lowest class is at most overridden.
fn may_differ<'a>(acting: impl Iterator<Item = &'a Act>) -> bool {
    let acting: Vec<&Act> = acting.collect();
    let lowest = acting.iter().map(|act| act.class).max();
    let moving: Vec<&&Act> = acting.iter().filter(|act| !is_constant(act)).collect();
    match moving.as_slice() {
        [] => false,
        [one] => {
            let in_class = acting.iter().filter(|act| act.class == one.class);
            Some(one.class) != lowest || in_class.count() > 1 || !matches!(one.ask, Ask::Total(_))
        }
        _ => true,
    }
}

fn is_constant(act: &Act) -> bool {
    match &act.ask {
        Ask::Shape(shape) | Ask::Total(shape) => shape.numbers.values().flatten().all(|interval| {
            let constant = |end: &crate::analysis::formula::Linear| end.as_constant().is_some();
            interval.lo.as_ref().is_none_or(constant)
                && interval.hi.as_ref().is_none_or(constant)
                && matches!(interval.when, Formula::Const(_))
        }),
        Ask::Origins { .. } => true,
        Ask::Follow(_, target) => target.as_constant().is_some(),
    }
}

/// The combination as statements.
fn pinned(conditions: &[Formula], pattern: &[bool]) -> Vec<Formula> {
    let sign = |(f, holds): (&Formula, &bool)| if *holds { f.clone() } else { f.clone().negate() };
    conditions.iter().zip(pattern).map(sign).collect()
}

/// Some situation of a combination: for judging, never for printing.
fn some_situation(
    conditions: &[Formula],
    pattern: &[bool],
    prepared: &Prepared,
    asker: &mut Asker,
) -> Option<Situation> {
    asker.enter();
    let mut assumed: Vec<Literal> = prepared.literals.clone();
    for formula in pinned(conditions, pattern) {
        assumed.push(asker.solver.literal(&formula));
    }
    let footprint = &prepared.footprint;
    let assignment = asker.solver.assignment(&assumed, &footprint.nums, &footprint.bits);
    asker.leave();
    let assignment = assignment?;
    let holds = |atom: &u32| assignment.bits.get(&Bit::Atom(*atom)).copied().unwrap_or(false);
    let wanted: Vec<bool> = prepared.moments.atoms.iter().map(holds).collect();
    let at = prepared.moments.groups.iter().find(|group| group.holds == wanted)?.at;
    Some(Situation { at, nums: assignment.nums, bits: assignment.bits })
}

fn report(ground: &Ground, case: &Case, conditions: &[Formula], shown: Shown, asker: &mut Asker) -> Found {
    let site = ground.site;
    let Shown { conflict, pattern, .. } = shown;
    let code = code_of(&conflict);
    let effects = effects_of(&conflict);
    let span = conflict.effects.first().map_or(site.span, |effect| says(site, effect, site.span).0);
    let of = |finding: Diagnostic| Found::new(effects.clone(), case.subject, finding);
    let mut statements = pinned(conditions, &pattern);
    statements.extend(case.must.iter().cloned());
    let situation = match least(asker, &statements, &[], code, span) {
        Ok(situation) => situation,
        Err(open) => return of(*open),
    };
    let decision = ground.evaluator.evaluate(&replay::environment(site, &situation));
    let same = |c: &&Conflict| {
        (c.clash, c.class) == (conflict.clash, conflict.class)
            && c.effects == conflict.effects
            && c.against == conflict.against
    };
    if !decision.conflicts.iter().any(|c| same(&c)) {
        let constant = case.acts.iter().all(|act| is_constant(act));
        return if constant { of(mismatch(ground, span, code, &situation)) } else { undecided(ground, case) };
    }
    let mut names: Vec<String> = conflict
        .effects
        .iter()
        .filter_map(|effect| site.rule(effect.instance.rule))
        .map(|rule| rule.name.clone())
        .collect();
    names.dedup();
    let title = names.join(" against ");
    let expect = format!("conflict {}", names.join(", "));
    let finding = describe(ground, &conflict, code, span);
    of(with_witness(ground, finding, &situation, &statements, &title, &expect))
}

/// Rule and effect of each.
fn effects_of(conflict: &Conflict) -> Vec<(u32, u32)> {
    conflict.effects.iter().map(|effect| (effect.instance.rule.0, effect.index)).collect()
}

fn code_of(conflict: &Conflict) -> Code {
    match conflict.clash {
        Clash::BeyondDevice => codes::BEYOND_DEVICE,
        Clash::Opposed => codes::OPPOSED_EFFECTS,
        Clash::Contradiction | Clash::JointMiss => codes::CONTRADICTION,
    }
}

fn says(site: &Site, effect: &EffectRef, otherwise: Span) -> (Span, String) {
    let rule = site.rule(effect.instance.rule);
    let found = rule.and_then(|rule| rule.effects.iter().find(|e| e.index == effect.index));
    let name = rule.map_or("", |rule| rule.name.as_str());
    match found {
        Some(found) => (found.span, format!("`{name}` says: {}", found.text)),
        None => (otherwise, format!("`{name}`")),
    }
}

/// A finding from a conflict that the evaluator reports.
fn describe(ground: &Ground, conflict: &Conflict, code: Code, otherwise: Span) -> Diagnostic {
    let site = ground.site;
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
        Clash::BeyondDevice => format!("this asks of `{on}`{more} what they cannot do together"),
        _ => format!("effects of class `{class}` on `{on}`{more} cannot hold together"),
    };
    let mut parts = conflict.effects.iter().map(|effect| says(site, effect, otherwise));
    let (span, first) = parts.next().unwrap_or((otherwise, String::new()));
    let mut finding = Diagnostic::error(code, span, message).says(first);
    for (span, text) in parts {
        finding = finding.label(span, text);
    }
    for effect in &conflict.against {
        let (span, text) = says(site, effect, otherwise);
        finding = finding.label(span, format!("of a higher class: {text}"));
    }
    match conflict.clash {
        Clash::BeyondDevice => finding.help("ask for what the members can do, or correct their declarations"),
        _ => finding.help("give one of them another class, or end it where the other begins"),
    }
}

fn unit_name(site: &Site, unit: &Unit) -> String {
    match unit {
        Unit::Devices(range) => site.device_name(Device { family: range.family, index: range.first }),
        Unit::Zone(zone) => site.zone(*zone).map(|z| z.name.clone()).unwrap_or_default(),
    }
}
