//! EVL0302: an effect that alone leaves its device nothing.
//!
//! Asked of every effect whose interval can lie outside the physical range while its rule is
//! active and has force.

use super::contradiction::Found;
use super::{least, mismatch, open, says, span_of, subject_name, with_witness};
use crate::analysis::ask::{Asker, Ground};
use crate::analysis::formula::Formula;
use crate::analysis::index::{Act, Dossier, named};
use crate::analysis::shape::Body;
use crate::analysis::smt::Answer;
use crate::analysis::witness::replay;
use crate::diag::{Diagnostic, codes};
use crate::eval::Clash;
use crate::ir::Attr;
use crate::quantity::{Rat, show};

/// Asks the question of one device or zone.
pub(crate) fn ask(ground: &Ground, dossier: &Dossier, asker: &mut Asker) -> Vec<Found> {
    let mut found = Vec::new();
    for act in &dossier.acts {
        let Some(shape) = act.shape() else { continue };
        let empty = dossier.body.empty(&[shape]);
        if empty == Formula::FALSE {
            continue;
        }
        let statements = [act.acts(), empty];
        let finding = match asker.together(&statements) {
            Answer::Unsat => continue,
            Answer::Unknown => open(span_of(ground.site, act), "whether the device can do this"),
            Answer::Sat => report(ground, dossier, act, &statements, asker),
        };
        found.push(Found::new(vec![(act.rule.0, act.effect)], dossier.subject, finding));
    }
    found
}

fn report(
    ground: &Ground,
    dossier: &Dossier,
    act: &Act,
    statements: &[Formula],
    asker: &mut Asker,
) -> Diagnostic {
    let site = ground.site;
    let span = span_of(site, act);
    let situation = match least(asker, statements, &[], codes::BEYOND_DEVICE, span) {
        Ok(situation) => situation,
        Err(open) => return *open,
    };
    let decision = ground.evaluator.evaluate(&replay::environment(site, &situation));
    let effect = replay::effect_ref(act);
    let beyond = |c: &crate::eval::Conflict| c.clash == Clash::BeyondDevice && c.effects == [effect];
    if !decision.conflicts.iter().any(beyond) {
        return mismatch(ground, span, codes::BEYOND_DEVICE, &situation);
    }
    let what = named(site, dossier.subject, act.effect(site));
    let mut finding =
        Diagnostic::error(codes::BEYOND_DEVICE, span, format!("this asks of `{what}` what it cannot do"))
            .says(says(site, act))
            .help("ask for a value inside the device's range, or correct its declaration");
    for (attr, range) in ranges(&dossier.body, act) {
        finding = finding.because(format!("its {} can be {}", attr.name(), in_words(&attr, &range, ground)));
    }
    let rule = site.rule(act.rule).map_or("", |rule| rule.name.as_str());
    let title = format!("{rule} on {}", subject_name(site, dossier.subject));
    with_witness(ground, finding, &situation, statements, &title, &format!("conflict {rule}"))
}

fn ranges(body: &Body, act: &Act) -> Vec<(Attr, (Rat, Rat))> {
    let numbers = act.shape().map(|shape| shape.numbers.keys().cloned().collect::<Vec<_>>());
    numbers
        .unwrap_or_default()
        .into_iter()
        .filter_map(|attr| body.hull(&attr).map(|range| (attr, range)))
        .collect()
}

fn in_words(attr: &Attr, (lo, hi): &(Rat, Rat), ground: &Ground) -> String {
    let currency = &ground.site.currency;
    format!("{} to {}", show(lo, attr.ty(), currency), show(hi, attr.ty(), currency))
}
