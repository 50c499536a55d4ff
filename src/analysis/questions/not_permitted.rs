//! EVL0701: an author commands what no permit covers, or what a forbid takes away.
//!
//! Asked of every effect of every rule whose author needs a permit, obligations and preferences
//! included: can the rule be active, its author's account being so, where the permits do not hold?

use std::collections::BTreeSet;

use super::{least, mismatch, open, own_signals, rests_on_assumptions, subject_name};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::formula::Formula;
use crate::analysis::index::{Command, Index};
use crate::analysis::smt::Answer;
use crate::analysis::witness::{self, replay};
use crate::diag::{Diagnostic, codes};
use crate::eval::{EffectRef, Instance, Refusal};
use crate::ir::{Permit, Rule};

/// Asks the question of every commanded effect.
pub(crate) fn ask(ground: &Ground, index: &Index, asker: &mut Asker) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut done = BTreeSet::new();
    for command in &index.commands {
        let key = (command.rule, command.effect);
        let statements =
            [command.active.clone(), command.effective.clone(), command.permitted.clone().negate()];
        if statements.contains(&Formula::FALSE) || done.contains(&key) {
            continue;
        }
        let Some(rule) = ground.site.rule(command.rule) else { continue };
        match asker.together(&statements) {
            Answer::Unsat => {}
            Answer::Unknown => {
                done.insert(key);
                findings.push(open(rule.span, &format!("what the author of `{}` may command", rule.name)));
            }
            Answer::Sat => {
                done.insert(key);
                findings.push(report(ground, rule, command, &statements, asker));
            }
        }
    }
    findings
}

fn report(
    ground: &Ground,
    rule: &Rule,
    command: &Command,
    statements: &[Formula],
    asker: &mut Asker,
) -> Diagnostic {
    let site = ground.site;
    let effect = rule.effects.iter().find(|effect| effect.index == command.effect);
    let span = effect.map_or(rule.span, |effect| effect.span);
    let situation = match least(asker, statements, &[], codes::NOT_PERMITTED, span) {
        Ok(situation) => situation,
        Err(open) => return *open,
    };
    let decision = ground.evaluator.evaluate(&replay::environment(site, &situation));
    let of =
        EffectRef { instance: Instance { rule: rule.id, member: command.member }, index: command.effect };
    let denial = decision.denials.iter().find(|denial| {
        denial.effect == of && !matches!(denial.why, Refusal::AccountEnded | Refusal::LifeSafety)
    });
    let Some(denial) = denial else {
        return mismatch(ground, span, codes::NOT_PERMITTED, &situation);
    };
    let author = site.principals.get(rule.owner.index()).map_or("", |principal| principal.name.as_str());
    let on = subject_name(site, command.subject);
    let permit = |at: usize| -> Option<&Permit> { site.permits.get(at) };
    let text = effect.map_or("", |effect| effect.text.as_str());
    let mut finding =
        Diagnostic::error(codes::NOT_PERMITTED, span, format!("`{author}` may not do this to `{on}`"))
            .says(format!("`{}` says: {text}", rule.name));
    finding = match denial.why {
        Refusal::OutsideRange(at) => match permit(at) {
            Some(permit) => finding
                .label(permit.span, format!("permitted: {}", permit.text))
                .because("the value lies outside the permitted range"),
            None => finding,
        },
        Refusal::Forbidden(at) => match permit(at) {
            Some(forbid) => finding
                .label(forbid.span, format!("forbidden: {}", forbid.text))
                .because("forbid beats permit"),
            None => finding,
        },
        Refusal::Class => finding.because(format!("the declaration of `{author}` grants it other classes")),
        Refusal::MayNotRead => {
            finding.because("it reads something for which its author has no `read` permit")
        }
        _ => finding.because("no permit covers it at this instant"),
    };
    let story = witness::story(site, ground.atoms.calendar(), &situation, &own_signals(statements));
    let finding = finding
        .witness(story, "")
        .help("the site's owner can grant it with `permit`; the author can narrow the guard or the value");
    rests_on_assumptions(ground, finding, statements)
}
