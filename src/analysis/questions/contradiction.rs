//! EVL0301, EVL0303: effects of one class that leave one device, store or zone nothing.
//!
//! Closed intervals make two effects suffice, a lower bound above an upper one, so that pairs are
//! asked first; a pair whose ends are constants that meet is not asked at all. Only where a range
//! has gaps can three or more effects leave nothing although each pair leaves something: see `sets`.

use std::collections::BTreeMap;

use super::{MAX_FINDINGS, least, mismatch, open, says, sets, span_of, subject_name, with_witness};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::Formula;
use crate::analysis::glance;
use crate::analysis::index::{Act, Dossier, named};
use crate::analysis::shape::{Body, Shape};
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay;
use crate::diag::{Code, Diagnostic, codes};
use crate::ir::ClassId;

/// A clash that was found: which effects, where.
#[derive(Debug)]
pub(crate) struct Found {
    /// Rule and effect of each, in source order.
    pub(crate) effects: Vec<(u32, u32)>,
    /// On what.
    pub(crate) subject: Subject,
    /// The finding; without a situation where it is only counted.
    pub(crate) finding: Diagnostic,
    /// One of many on this subject: only counted.
    pub(crate) counted: bool,
}

impl Found {
    /// A clash that is shown.
    pub(crate) const fn new(effects: Vec<(u32, u32)>, subject: Subject, finding: Diagnostic) -> Self {
        Self { effects, subject, finding, counted: false }
    }
}

/// Most clashes of one device that are counted beyond those that are shown.
pub(crate) const MOST_COUNTED: usize = 500;

/// Asks the questions of one device or zone.
pub(crate) fn ask(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let mut classes: BTreeMap<ClassId, Vec<(&Act, &Shape)>> = BTreeMap::new();
    for act in &dossier.acts {
        if let Some(shape) = act.shape() {
            classes.entry(act.class).or_default().push((act, shape));
        }
    }
    let mut found = Vec::new();
    for acts in classes.values() {
        pairs(ground, dossier, acts, asker, &mut found);
        // with so many to mend first, sets of three and more can wait
        if found.len() < MAX_FINDINGS {
            larger(ground, dossier, acts, asker, &mut found);
        }
    }
    found
}

/// Sets of three and more.
fn larger(
    ground: &Ground,
    dossier: &Dossier,
    acts: &[(&Act, &Shape)],
    asker: &mut Asker,
    found: &mut Vec<Found>,
) {
    let (sets, end) = sets::beyond_pairs(&dossier.body, acts, asker);
    let effects = |set: &[(&Act, &Shape)]| set.iter().map(|(act, _)| (act.rule.0, act.effect)).collect();
    let subject = dossier.subject;
    for set in sets {
        let set: Vec<(&Act, &Shape)> = set.iter().filter_map(|at| acts.get(*at).copied()).collect();
        let shapes: Vec<&Shape> = set.iter().map(|(_, shape)| *shape).collect();
        let only: Vec<&Act> = set.iter().map(|(act, _)| *act).collect();
        let mut statements: Vec<Formula> = only.iter().map(|act| act.acts()).collect();
        statements.push(sets::least_empty(&dossier.body, &shapes));
        // where other effects always act, the evaluator may name another least set, which is
        // listed here too
        if let Some(finding) = report(ground, dossier, codes::CONTRADICTION, &only, &statements, asker) {
            found.push(Found::new(effects(&set), subject, finding));
        }
    }
    let Some((first, _)) = acts.first() else { return };
    let about = match end {
        sets::End::Complete => return,
        sets::End::More => "all sets of effects that clash on",
        sets::End::GaveUp => "whether more than two effects can clash on",
    };
    let about = format!("{about} `{}`", subject_name(ground.site, subject));
    let finding = open(span_of(ground.site, first), &about);
    found.push(Found::new(effects(acts), subject, finding));
}

/// Where the pair leaves nothing, and where it does so by forcing both directions.
fn clash(body: &Body, a: &Shape, b: &Shape) -> (Formula, Formula) {
    let empty = body.empty(&[a, b]);
    if empty == Formula::FALSE {
        return (Formula::FALSE, Formula::FALSE);
    }
    let alone = Formula::any([body.empty(&[a]), body.empty(&[b])]);
    let empty = Formula::all([empty, alone.negate()]);
    let opposed = match &body.directions {
        Some((ahead, back)) => {
            let forces = |x: &Shape, y: &Shape| Formula::all([body.forces(x, ahead), body.forces(y, back)]);
            Formula::all([empty.clone(), Formula::any([forces(a, b), forces(b, a)])])
        }
        None => Formula::FALSE,
    };
    let contradiction = Formula::all([empty, opposed.clone().negate()]);
    (contradiction, opposed)
}

fn pairs(
    ground: &Ground,
    dossier: &Dossier,
    acts: &[(&Act, &Shape)],
    asker: &mut Asker,
    found: &mut Vec<Found>,
) {
    for (i, j) in glance::meeting(ground, acts.iter().map(|(act, _)| act.acts())) {
        if let (Some((a, shape_a)), Some((b, shape_b))) = (acts.get(i), acts.get(j)) {
            let (contradiction, opposed) = clash(&dossier.body, shape_a, shape_b);
            for (code, condition) in
                [(codes::CONTRADICTION, contradiction), (codes::OPPOSED_EFFECTS, opposed)]
            {
                if condition == Formula::FALSE {
                    continue;
                }
                let statements = [a.acts(), b.acts(), condition];
                let effects = vec![(a.rule.0, a.effect), (b.rule.0, b.effect)];
                match asker.together(&statements) {
                    Answer::Unsat => {}
                    Answer::Unknown => {
                        let finding = open(span_of(ground.site, a), &about(ground, &[a, b]));
                        found.push(Found::new(effects, dossier.subject, finding));
                    }
                    Answer::Sat if found.len() >= MAX_FINDINGS => {
                        let finding = Diagnostic::error(code, span_of(ground.site, a), "one of many clashes");
                        let one = Found::new(effects, dossier.subject, finding);
                        found.push(Found { counted: true, ..one });
                        if found.len() >= MAX_FINDINGS + MOST_COUNTED {
                            return;
                        }
                    }
                    Answer::Sat => {
                        let finding = report(ground, dossier, code, &[a, b], &statements, asker);
                        found.extend(finding.map(|finding| Found::new(effects, dossier.subject, finding)));
                    }
                }
            }
        }
    }
}

fn rule_names(ground: &Ground, acts: &[&Act]) -> Vec<String> {
    let mut names: Vec<String> =
        acts.iter().filter_map(|act| ground.site.rule(act.rule)).map(|rule| rule.name.clone()).collect();
    names.dedup();
    names
}

fn about(ground: &Ground, acts: &[&Act]) -> String {
    let names: Vec<String> = rule_names(ground, acts).iter().map(|n| format!("`{n}`")).collect();
    format!("whether {} can clash", names.join(" and "))
}

/// The finding about a set of effects that clash where the statements hold; `None` where a larger
/// set is hidden by another that the evaluator names instead.
fn report(
    ground: &Ground,
    dossier: &Dossier,
    code: Code,
    acts: &[&Act],
    statements: &[Formula],
    asker: &mut Asker,
) -> Option<Diagnostic> {
    let site = ground.site;
    let (first, rest) = acts.split_first()?;
    let others: Vec<Formula> = dossier
        .acts
        .iter()
        .filter(|other| !acts.iter().any(|act| act.rule == other.rule && act.member == other.member))
        .map(|other| other.active.clone())
        .collect();
    let situation = match least(asker, statements, &others, code, span_of(site, first)) {
        Ok(situation) => situation,
        Err(open) => return Some(*open),
    };
    let environment = replay::environment(site, &situation);
    let decision = ground.evaluator.evaluate(&environment);
    if replay::conflict_of(&decision, acts).is_none() && !replay::clashes(ground, &environment, acts) {
        let hidden = acts.len() > 2 && replay::is_hidden(&decision, acts);
        return (!hidden).then(|| mismatch(ground, span_of(site, first), code, &situation));
    }
    let class = site.class(first.class).map_or("", |class| class.name.as_str());
    let what = named(site, dossier.subject, first.effect(site));
    let message = if code == codes::OPPOSED_EFFECTS {
        let name = subject_name(site, dossier.subject);
        format!("rules of class `{class}` force both directions of `{name}` at once")
    } else if acts.len() == 2 {
        format!("two rules of class `{class}` ask of `{what}` what cannot hold together")
    } else {
        format!("{} rules of class `{class}` together leave `{what}` no value", acts.len())
    };
    let mut finding = Diagnostic::error(code, span_of(site, first), message).says(says(site, first));
    for act in rest {
        finding = finding.label(span_of(site, act), says(site, act));
    }
    let names = rule_names(ground, acts);
    let owners: std::collections::BTreeSet<_> =
        acts.iter().filter_map(|act| site.rule(act.rule)).map(|rule| rule.owner).collect();
    if owners.len() > 1 {
        let owners: Vec<String> = owners
            .iter()
            .filter_map(|owner| site.principals.get(owner.index()))
            .map(|principal| format!("`{}`", principal.name))
            .collect();
        finding = finding.because(format!("the rules belong to {}", owners.join(" and ")));
    }
    let help = match names.as_slice() {
        [one] => format!("make the effects of `{one}` agree"),
        [a, b, ..] => format!("give one of them a higher class, or end `{b}` where `{a}` begins"),
        [] => String::new(),
    };
    finding = finding.help(help);
    let title = format!("{} on {}", names.join(" against "), subject_name(site, dossier.subject));
    let expect = format!("conflict {}", names.join(", "));
    Some(with_witness(ground, finding, &situation, statements, &title, &expect))
}
