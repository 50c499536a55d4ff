//! The questions of `evl check`, asked over all environments that the policy declares possible.

mod ask;
mod cells;
mod encode;
pub(crate) mod formula;
mod index;
mod questions;
mod shape;
mod smt;
mod time;
mod witness;

use crate::calendar::Calendar;
use crate::diag::{Diagnostic, Diagnostics, SourceMap};
use crate::ir::Site;

/// What `check` is given beside the policy.
#[derive(Debug, Clone, Default)]
pub struct CheckInputs {
    /// Findings about feeds and lists, as the reader of inputs made them.
    pub findings: Vec<Diagnostic>,
    /// Bound on the effort of one question, in the solver's units; `None`: the default.
    pub effort: Option<u32>,
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
pub fn check(site: &Site, _sources: &SourceMap, inputs: &CheckInputs) -> Report {
    let mut report = Report { rules: site.rules.len(), ..Report::default() };
    report.findings.extend(inputs.findings.iter().cloned());
    let calendar = match Calendar::new(site) {
        Ok(calendar) => calendar,
        Err(finding) => {
            report.findings.push(finding);
            return report;
        }
    };
    let mut world = encode::World::new(site, &calendar);
    let environment = encode::Environment::of(&mut world);
    let reach = encode::Reach::of(&mut world);
    let cells = cells::Cells::of(site);
    let index = index::index(&mut world, &cells);
    report.findings.extend(std::mem::take(&mut world.refused));
    let ground = ask::Ground {
        site,
        atoms: world.atoms,
        environment,
        reach,
        effort: inputs.effort.unwrap_or(smt::DEFAULT_EFFORT),
    };
    let mut asker = ask::Asker::new(&ground);
    report.findings.extend(questions::dead_rule::ask(&ground, &index, &mut asker));
    report.questions += asker.solver.asked;
    for dossier in &index.dossiers {
        let mut asker = ask::Asker::new(&ground);
        let found = questions::contradiction::ask(&ground, dossier, &mut asker);
        report.findings.extend(found.into_iter().map(|found| found.finding));
        report.questions += asker.solver.asked;
    }
    report
}

#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
