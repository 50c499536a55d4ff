//! `evl reset`: a person resets a latch (semantics.md 8). It counts only once the rule's guard no
//! longer holds, and with `until` once that does, on what the devices show at the moment.

use std::collections::BTreeSet;
use std::path::Path;

use super::admission::Admission;
use super::apply::lock;
use super::journal::{Journal, Record};
use super::load::{Papers, error, unknown};
use super::memory::Memory;
use super::probe::{Subject, endpoints, probe};
use super::reading::{Sources, readers};
use super::report::Report;
use crate::bundle::signal_name;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, Severity, codes};
use crate::eval::Evaluator;
use crate::inputs::Reads;
use crate::ir::{Latch, Memory as Keeps, Site};
use crate::system::System;

/// Which latch, by whom, and where.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// folder of lock, journal and sequence
    pub state_dir: &'a Path,
    /// which of the inventory's hosts this is, where it has several
    pub host: Option<&'a str>,
    /// the latch: the rule's name, with the member for `for each` rules
    pub latch: &'a str,
    /// the role of the person
    pub role: &'a str,
    /// the present instant, for gateways on this computer
    pub now: Option<Instant>,
}

/// Resets a latch; nothing is written to any device.
pub async fn reset(system: &dyn System, papers: &Papers, wish: &Wish<'_>) -> Report {
    let mut report = Report::new("evl.reset/1", &papers.bundle.site.name, &papers.bundle.site.timezone);
    match run(system, papers, wish, &mut report).await {
        Ok(()) => report.closed(),
        Err(finding) => report.refused(*finding),
    }
}

async fn run(
    system: &dyn System,
    papers: &Papers,
    wish: &Wish<'_>,
    report: &mut Report,
) -> Result<(), Box<Diagnostic>> {
    let site = &papers.bundle.site;
    let latch = permitted(site, wish)?;
    let gateways = papers.gateways(wish.host)?;
    let _held = lock(system, papers, wish.state_dir, "reset")?;
    let journal = Journal::open(system, wish.state_dir, &site.name).map_err(Box::new)?;
    let now = papers.clock(system, wish.now, &gateways, &journal.past())?;
    report.now = Some(now);
    report.now_given = wish.now.is_some();
    let memory = journal.past().memory.clone().unwrap_or_default();
    if !memory.latches.contains(&latch.name) {
        report.note(format!("`{}` is not latched: there is nothing to reset", latch.name));
        return Ok(());
    }
    let calendar = Calendar::new(site).map_err(Box::new)?;
    let reads = Reads::of(site);
    let asked = readers(site, &reads);
    let all = Subject::all(&papers.bundle, &papers.inventory, &gateways);
    let subjects: Vec<Subject> = all.into_iter().filter(|s| asked.contains(&s.device)).collect();
    let endpoints = endpoints(&papers.inventory, &gateways);
    let probed = probe(&subjects, &endpoints, &Admission::of(&papers.bundle)).await;
    let sources = Sources { site, subjects: &subjects, probed: &probed, given: None };
    let (mut env, lost) = sources.environment(&reads, now);
    let evaluator = Evaluator::new(site, &calendar);
    memory.recall(site, &evaluator, &mut env);
    let after: Memory = memory.after(site, &evaluator, &env, &BTreeSet::from([latch.id]));
    if after.latches.contains(&latch.name) {
        let message = format!("`{}` cannot be reset: what it guards against is not over", latch.name);
        let mut finding = Diagnostic::nowhere(codes::STILL_LATCHED, Severity::Error, message);
        let own = site.rule(latch.rule).map(|rule| Reads::of_rule(site, rule)).unwrap_or_default();
        let own = own.readings.iter().chain(&own.decided);
        let own: BTreeSet<String> = own.filter_map(|signal| signal_name(site, signal)).collect();
        for loss in lost.iter().filter(|loss| own.contains(&loss.signal)) {
            finding = finding.because(format!("`{}` cannot be read: {}", loss.signal, loss.why));
        }
        return Err(Box::new(
            finding.help("a reset counts once the rule's `when` is false, and its `until`, if any, is true"),
        ));
    }
    let site_name = || site.name.clone();
    let by = wish.role.to_owned();
    let records = vec![
        Record::Reset { site: site_name(), latch: latch.name.clone(), by },
        Record::Memory { site: site_name(), memory: after },
    ];
    journal.append(now, records).map_err(Box::new)?;
    report.note(format!("`{}` is reset by {}", latch.name, wish.role));
    Ok(())
}

/// The latch, if this role may reset it.
fn permitted<'s>(site: &'s Site, wish: &Wish<'_>) -> Result<&'s Latch, Box<Diagnostic>> {
    let latch = site.latches.iter().find(|latch| latch.name == wish.latch).ok_or_else(|| {
        let names = site.latches.iter().map(|latch| latch.name.as_str());
        unknown(format!("there is no latch `{}`", wish.latch), wish.latch, names)
    })?;
    match site.rule(latch.rule).map(|rule| &rule.memory) {
        Some(Keeps::Reset { role }) if role == wish.role => Ok(latch),
        Some(Keeps::Reset { role }) => Err(error(
            codes::NOT_PERMITTED,
            format!("`{}` is reset by `{role}`, not by `{}`", latch.name, wish.role),
        )),
        _ => Err(error(codes::NOT_PERMITTED, format!("`{}` ends by itself and is never reset", latch.name))),
    }
}
