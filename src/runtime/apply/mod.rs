//! `evl apply`: phases 2 to 11 around one step of a plan.
//!
//! [`prepare`] decides everything before the first frame that writes, [`proof`] proves the order of
//! the writes, [`transaction`] makes them, and [`leftovers`] deals with an apply that was killed.

mod leftovers;
mod prepare;
mod proof;
mod transaction;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::change::Change;
use super::journal::{Journal, Record};
use super::limits::{Limits, Powers};
use super::load::Papers;
use super::order::Move;
use super::probe::{Ready, Subject};
use super::report::Report;
use crate::bundle::{Document, PlanDocument};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Severity, codes};
use crate::system::{Access, Lock, System};
use prepare::prepare;

/// How an apply is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// folder of lock, journal and sequence
    pub state_dir: PathBuf,
    /// which of the inventory's hosts this is, where it has several
    pub host: Option<String>,
    /// stop before anything is written
    pub dry_run: bool,
    /// do not ask
    pub yes: bool,
    /// write values that lapse before the step ends
    pub once: bool,
    /// the present instant, for gateways on this computer
    pub now: Option<Instant>,
}

/// Takes the lock of a state folder.
pub(in crate::runtime) fn lock(
    system: &dyn System,
    folder: &std::path::Path,
    what: &str,
) -> Result<Lock, Box<Diagnostic>> {
    system.create_folder(folder, Access::Private).map_err(|fault| fault.writing())?;
    let since = Instant(system.now().as_second());
    let holder = format!("process {}, {what}, since {since}", system.process_id());
    match system.lock(&folder.join("lock"), &holder).map_err(|fault| fault.writing())? {
        Ok(lock) => Ok(lock),
        Err(holder) => Err(Box::new(
            Diagnostic::nowhere(codes::LOCKED, Severity::Error, "another evl writes on this host")
                .because(format!("the lock is held by {}", holder.trim()))
                .help("wait until it has ended; only one writes at a time"),
        )),
    }
}

/// Applies the plan's present step.
pub async fn apply(system: &dyn System, papers: &Papers, plan: &PlanDocument, options: &Options) -> Report {
    let mut report = Report::new("evl.apply/1", &papers.bundle.site.name);
    report.plan = Some(plan.id().to_string());
    report.sequence = Some(plan.sequence);
    report.dry_run = options.dry_run;
    match prepare(system, papers, plan, options, &mut report).await {
        Err(finding) => report.refused(*finding),
        Ok(None) => report,
        Ok(Some(run)) => run.execute(system, report).await,
    }
}

/// Everything that is known before the first frame that writes.
struct Run<'a> {
    journal: Journal<'a>,
    _lock: Option<Lock>,
    papers: &'a Papers,
    subjects: BTreeMap<String, Subject>,
    ready: BTreeMap<String, Ready>,
    changes: Vec<Change>,
    now: Instant,
    started: std::time::Duration,
    begin: Record,
    limits: Limits,
    found: Powers,
    planned: Powers,
    waves: Vec<Vec<usize>>,
    moves: Vec<Move>,
    /// something that an interrupted apply left could not be brought back
    lost: bool,
}
