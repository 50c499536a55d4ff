//! EVL0301, EVL0303: effects of one class that leave one device, store or zone nothing.
//!
//! Closed intervals make two effects suffice, a lower bound above an upper one, so that pairs are
//! asked first; a pair whose ends are constants that meet is not asked at all. Only where a range
//! has gaps can three or more effects leave nothing although each pair leaves something: there one
//! more question asks for a class that is empty otherwise, and its least situation names the set.

use std::collections::BTreeMap;

use super::{MAX_FINDINGS, least, mismatch, open, says, span_of, subject_name, with_witness};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::encode::Subject;
use crate::analysis::formula::Formula;
use crate::analysis::index::{Act, Dossier, named};
use crate::analysis::shape::{Body, Shape};
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay;
use crate::diag::{Code, Diagnostic, codes};
use crate::ir::ClassId;

/// A clash that was found: which effects, where.
#[derive(Debug)]
pub(crate) struct Found {
    /// What it is reported as.
    pub(crate) code: Code,
    /// Rule and effect of each, in source order.
    pub(crate) effects: Vec<(u32, u32)>,
    /// On what.
    pub(crate) subject: Subject,
    /// The finding.
    pub(crate) finding: Diagnostic,
}

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
    }
    found
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
    let mut uncounted = 0_usize;
    for (i, (a, shape_a)) in acts.iter().enumerate() {
        for (b, shape_b) in acts.iter().skip(i + 1) {
            let (contradiction, opposed) = clash(&dossier.body, shape_a, shape_b);
            for (code, condition) in
                [(codes::CONTRADICTION, contradiction), (codes::OPPOSED_EFFECTS, opposed)]
            {
                if condition == Formula::FALSE {
                    continue;
                }
                let statements = [a.acts(), b.acts(), condition];
                match asker.together(&statements) {
                    Answer::Unsat => {}
                    Answer::Unknown => found.push(Found {
                        code: codes::OPEN_QUESTION,
                        effects: vec![(a.rule.0, a.effect), (b.rule.0, b.effect)],
                        subject: dossier.subject,
                        finding: open(span_of(ground.site, a), &about(ground, &[a, b])),
                    }),
                    Answer::Sat if found.len() >= MAX_FINDINGS => uncounted += 1,
                    Answer::Sat => {
                        let finding = report(ground, dossier, code, &[a, b], &statements, asker);
                        found.push(Found {
                            code,
                            effects: vec![(a.rule.0, a.effect), (b.rule.0, b.effect)],
                            subject: dossier.subject,
                            finding,
                        });
                    }
                }
            }
        }
    }
    if uncounted > 0
        && let Some(last) = found.last_mut()
    {
        let name = subject_name(ground.site, dossier.subject);
        last.finding.notes.push(format!("{uncounted} more clashes on `{name}` are not shown"));
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

/// The finding about a set of effects that clash where the statements hold.
fn report(
    ground: &Ground,
    dossier: &Dossier,
    code: Code,
    acts: &[&Act],
    statements: &[Formula],
    asker: &mut Asker,
) -> Diagnostic {
    let site = ground.site;
    let Some((first, rest)) = acts.split_first() else {
        return open(site.span, "a clash");
    };
    let others: Vec<Formula> = dossier
        .acts
        .iter()
        .filter(|other| !acts.iter().any(|act| act.rule == other.rule && act.member == other.member))
        .map(|other| other.active.clone())
        .collect();
    let situation = match least(asker, statements, &others, code, span_of(site, first)) {
        Ok(situation) => situation,
        Err(open) => return *open,
    };
    let environment = replay::environment(site, &situation);
    let decision = ground.evaluator.evaluate(&environment);
    if replay::conflict_of(&decision, acts).is_none() {
        return mismatch(ground, span_of(site, first), code, &situation);
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
    with_witness(ground, finding, &situation, statements, &title, &expect)
}
