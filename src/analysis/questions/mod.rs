//! The questions, one file each. The explanation of a code that `evl explain` prints stands in
//! the registry of codes; the module comment here says how the question is asked.

pub(crate) mod beyond_device;
pub(crate) mod budget;
pub(crate) mod contradiction;
pub(crate) mod dead_rule;
pub(crate) mod empty_environment;
pub(crate) mod empty_schedule;
pub(crate) mod fail_safe;
pub(crate) mod feed;
pub(crate) mod interlock;
mod judge;
mod money;
pub(crate) mod no_path;
pub(crate) mod not_permitted;
pub(crate) mod opposed;
pub(crate) mod origins;
mod sets;
pub(crate) mod tariff_partition;
pub(crate) mod total;

use std::collections::BTreeSet;

use super::ask::{Asker, Ground};
use super::encode::{Footprint, PartKind, Subject};
use super::formula::Formula;
use super::index::Act;
use super::witness::{self, Situation};
use crate::diag::{Code, Diagnostic, Severity, Span, codes};
use crate::ir::{SignalId, Site};

/// Most findings of one device before the rest is only counted.
pub(crate) const MAX_FINDINGS: usize = 20;

/// Where an act stands.
pub(crate) fn span_of(site: &Site, act: &Act) -> Span {
    act.effect(site).map(|e| e.span).or_else(|| site.rule(act.rule).map(|r| r.span)).unwrap_or(site.span)
}

/// `` `shave` says: limit evs to 3.6 kW each``.
pub(crate) fn says(site: &Site, act: &Act) -> String {
    let rule = site.rule(act.rule).map_or("", |rule| rule.name.as_str());
    let text = act.effect(site).map_or("", |effect| effect.text.as_str());
    format!("`{rule}` says: {text}")
}

/// What a subject is called.
pub(crate) fn subject_name(site: &Site, subject: Subject) -> String {
    match subject {
        Subject::Device(device) => site.device_name(device),
        Subject::Zone(zone) => site.zone(zone).map(|z| z.name.clone()).unwrap_or_default(),
    }
}

/// The signals that formulas read themselves, before anything that they are tied to.
pub(crate) fn own_signals(formulas: &[Formula]) -> BTreeSet<SignalId> {
    let mut footprint = Footprint::default();
    formulas.iter().for_each(|f| footprint.add(f));
    let mut signals = footprint.signals();
    signals.extend(footprint.bits.iter().filter_map(|bit| match bit {
        super::formula::Bit::Known(signal, _) => Some(*signal),
        _ => None,
    }));
    signals
}

/// Adds the witness and the assumptions on which it rests.
pub(crate) fn with_witness(
    ground: &Ground,
    finding: Diagnostic,
    situation: &Situation,
    formulas: &[Formula],
    title: &str,
    expect: &str,
) -> Diagnostic {
    let calendar = ground.atoms.calendar();
    let site = ground.site;
    let story = witness::story(site, calendar, situation, &own_signals(formulas));
    let test = if expect.is_empty() {
        String::new()
    } else {
        witness::test_block(site, calendar, situation, title, expect)
    };
    rests_on_assumptions(ground, finding.witness(story, test), formulas)
}

/// Names the assumptions that share a signal with the formulas.
pub(crate) fn rests_on_assumptions(
    ground: &Ground,
    mut finding: Diagnostic,
    formulas: &[Formula],
) -> Diagnostic {
    let mut footprint = Footprint::default();
    formulas.iter().for_each(|f| footprint.add(f));
    for part in ground.environment.close(&mut footprint) {
        if let Some(PartKind::Assumption(index)) = ground.environment.parts.get(part).map(|p| p.kind)
            && let Some(assumption) = ground.site.assumptions.get(index)
        {
            finding = finding.rests_on(assumption.span, assumed(&assumption.text));
        }
    }
    finding
}

/// An assumption in words.
pub(crate) fn assumed(text: &str) -> String {
    format!("assumed: {}", text.strip_prefix("assume").unwrap_or(text).trim_start())
}

/// The solver gave up.
pub(crate) fn open(span: Span, about: &str) -> Diagnostic {
    Diagnostic::new(codes::OPEN_QUESTION, Severity::Warning, span, format!("the solver gave up on {about}"))
        .help("split the guard, or narrow the declared ranges of what it reads")
}

/// The solver and the evaluator disagree: nothing is claimed.
pub(crate) fn mismatch(ground: &Ground, span: Span, code: Code, situation: &Situation) -> Diagnostic {
    let story = witness::story(ground.site, ground.atoms.calendar(), situation, &BTreeSet::new());
    Diagnostic::error(codes::INTERNAL, span, format!("a witness for {code} does not hold in the evaluator"))
        .because(format!("the situation was {story}"))
        .help("report this together with the policy; the verdict about this statement is unknown")
}

/// The least situation, or an internal error where there is none although the solver said so.
pub(crate) fn least(
    asker: &mut Asker,
    statements: &[Formula],
    others: &[Formula],
    code: Code,
    span: Span,
) -> Result<Situation, Box<Diagnostic>> {
    witness::least(asker, statements, others)
        .ok_or_else(|| Box::new(open(span, &format!("the situation in which {code} shows"))))
}
