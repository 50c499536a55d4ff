//! The questions of `evl check`, asked over all environments that the policy declares possible.
//!
//! The policy becomes formulas once (`encode`), effects are indexed by what they act on (`index`),
//! and each question stands in a file of its own (`questions`). A cluster of questions has one
//! solver and one order, so that threads change nothing that is printed; every situation shown was
//! replayed in the evaluator (`witness`).

mod ask;
mod cells;
mod encode;
mod formula;
mod glance;
mod index;
mod policy_test;
mod questions;
mod run;
mod shape;
mod smt;
mod time;
mod witness;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

pub use policy_test::{TestReport, run_tests};

use std::collections::BTreeSet;

use crate::calendar::Calendar;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Domain, SignalId, Site};
use crate::quantity::show;

/// What `check` is given beside the policy.
#[derive(Debug, Clone, Default)]
pub struct CheckInputs {
    /// Findings about feeds and lists, as the reader of inputs made them (EVL0503).
    pub findings: Vec<Diagnostic>,
    /// Bound on the effort of one question, in the solver's units; `None`: the default.
    pub effort: Option<u32>,
    /// Ask nothing about the network as a whole: a part of it could not be read.
    pub without_network: bool,
    /// Ask nothing about tariffs: one could not be read.
    pub without_prices: bool,
}

/// What `check` found, and what its silence means.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// All findings.
    pub findings: Diagnostics,
    /// Rules checked.
    pub rules: usize,
    /// Questions put to the solver.
    pub questions: u64,
    /// Assumptions and declared ranges on which clean verdicts rest, in words.
    pub rests_on: Vec<String>,
}

/// Asks every question about a site.
#[must_use]
pub fn check(site: &Site, inputs: &CheckInputs) -> Report {
    let mut report = Report { rules: site.rules.len(), ..Report::default() };
    report.findings.extend(questions::feed::ask(&inputs.findings));
    report.findings.extend(unhonoured(site));
    report.findings.extend(questions::interlock::ask(site));
    let calendar = match Calendar::new(site) {
        Ok(calendar) => calendar,
        Err(finding) => {
            report.findings.push(finding);
            return report;
        }
    };
    let mut world = encode::World::new(site, &calendar);
    if !inputs.without_prices {
        report.findings.extend(questions::tariff_partition::ask(&mut world));
    }
    report.findings.extend(questions::empty_schedule::ask(&mut world));
    if !inputs.without_network {
        report.findings.extend(questions::no_path::ask(site));
        report.findings.extend(questions::fail_safe::ask(site));
    }
    let prepared = prepare(site, world, inputs);
    report.findings.extend(prepared.refused.iter().cloned());
    let (ground, index) = (&prepared.ground, &prepared.index);
    let (found, asked) = questions::empty_environment::ask(ground);
    report.findings.extend(found);
    report.questions += asked;
    let (found, asked) = run::all(ground, index);
    report.findings.extend(found);
    report.questions += asked;
    report.rests_on = rests_on(site, ground, index);
    report
}

/// A site as formulas.
struct Prepared<'a> {
    ground: ask::Ground<'a>,
    index: index::Index,
    refused: Vec<Diagnostic>,
}

fn prepare<'a>(site: &'a Site, mut world: encode::World<'a>, inputs: &CheckInputs) -> Prepared<'a> {
    let environment = encode::Environment::of(&mut world);
    let reach = encode::Reach::of(&mut world);
    let cells = cells::Cells::of(site);
    let index = index::index(&mut world, &cells);
    let refused = std::mem::take(&mut world.refused);
    let evaluator = crate::eval::Evaluator::new(site, world.atoms.calendar());
    let effort = inputs.effort.unwrap_or(smt::DEFAULT_EFFORT);
    let moments = std::sync::Mutex::default();
    let ground = ask::Ground { site, atoms: world.atoms, environment, reach, moments, evaluator, effort };
    Prepared { ground, index, refused }
}

/// Statements that are understood and that no question here can honour yet: refused, not ignored.
fn unhonoured(site: &Site) -> Vec<Diagnostic> {
    let refuse = |span, what: &str| {
        Diagnostic::error(codes::NOT_CHECKED_YET, span, format!("{what}: understood, not checked yet"))
            .help("leave the statement out until a version that can check it")
    };
    let listed = site.unhonoured.iter().filter(|one| one.check).map(|one| refuse(one.span, &one.what));
    let claims = site.proofs.iter().map(|proof| refuse(proof.span, &format!("`{}`", proof.text)));
    let decided = site
        .families
        .iter()
        .filter(|family| !family.decide.is_empty())
        .map(|family| refuse(family.span, &format!("`decide` of `{}`", family.name)));
    let mut spans = BTreeSet::new();
    listed.chain(claims).chain(decided).filter(|finding| spans.insert(finding.span())).collect()
}

/// What clean verdicts rest on: every assumption, and the range of every signal that a rule reads.
fn rests_on(site: &Site, ground: &ask::Ground, index: &index::Index) -> Vec<String> {
    let mut words: Vec<String> =
        site.assumptions.iter().map(|assumption| questions::assumed(&assumption.text)).collect();
    let mut read: BTreeSet<SignalId> = BTreeSet::new();
    for instance in index.instances.values() {
        read.extend(questions::own_signals(std::slice::from_ref(&instance.active)));
    }
    let mut signals: Vec<_> = read.into_iter().filter_map(|id| site.signal(id)).collect();
    signals.sort_by(|a, b| a.name.cmp(&b.name));
    for signal in signals {
        if encode::fixed_levels(ground.site, signal).is_some() {
            continue;
        }
        if let Domain::Interval { lo, hi } = &signal.domain {
            let value = |v| show(v, signal.ty, &site.currency);
            words.push(format!("{} between {} and {}", signal.name, value(lo), value(hi)));
        }
    }
    words
}
