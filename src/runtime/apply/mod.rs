//! `evl apply`: what the safety class commands, then phases 2 to 11 around one step of a plan.
//!
//! [`watch`] evaluates the rules on what the devices show and writes what the safety class commands:
//! that is outside every transaction and asks for no plan, lock, consent or journal. [`prepare`] then
//! decides everything before the first frame of the plan, [`live`] holds the plan against the rules
//! that are active now, [`proof`] proves the order of the writes, [`transaction`] makes them, and
//! [`leftovers`] deals with an apply that was killed.

mod leftovers;
mod live;
mod prepare;
mod proof;
mod transaction;
pub(in crate::runtime) mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::Notify;

use super::change::Change;
use super::claim::Powers;
use super::journal::{Journal, Record, UNDOABLE, unrecordable};
use super::judge::Judge;
use super::load::{Papers, error};
use super::order::Move;
use super::probe::{Ready, Subject};
use super::report::Report;
use super::stop::Stop;
use crate::bundle::{Document, PlanDocument};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::inputs::OnSteps;
use crate::system::{Access, Lock, System};
use prepare::prepare;
use proof::keepers;
use watch::{Live, Start, Watch};

/// The command that tries again, before it is completed by the plan and by where things are.
pub const AGAIN: &str = "evl apply";

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
    /// asks the run to end
    pub stop: Stop,
}

/// Takes the lock of a state folder.
pub(in crate::runtime) fn lock(
    system: &dyn System,
    papers: &Papers,
    folder: &std::path::Path,
    what: &str,
) -> Result<Lock, Box<Diagnostic>> {
    system.create_folder(folder, Access::Private).map_err(|fault| unrecordable(&fault))?;
    let since = papers.show(Instant(system.now().as_second()));
    let holder = format!("process {}, {what}, since {since}", system.process_id());
    match system.lock(&folder.join("lock"), &holder).map_err(|fault| unrecordable(&fault))? {
        Ok(lock) => Ok(lock),
        Err(holder) => Err(Box::new(
            Diagnostic::nowhere(codes::LOCKED, Severity::Error, "another evl writes on this host")
                .because(format!("the lock is held by {}", holder.trim()))
                .help("wait until it has ended; only one writes at a time"),
        )),
    }
}

/// Applies the plan's present step.
///
/// While a person is asked the field goes on: with a yes everything is looked at again, the rules of the
/// safety class first, and written only if it is still what was shown.
pub async fn apply(system: &dyn System, papers: &Papers, plan: &PlanDocument, options: &Options) -> Report {
    let started = system.monotonic();
    let shown = run(system, papers, Ok(plan), options, None).await;
    if !shown.consented {
        return shown;
    }
    let passed = system.monotonic().saturating_sub(started).as_secs();
    let later = |now: Instant| now.plus(i64::try_from(passed).unwrap_or(i64::MAX));
    let options = Options { now: options.now.map(later), ..options.clone() };
    run(system, papers, Ok(plan), &options, Some(&shown)).await.after(shown)
}

/// What is left of an apply whose plan cannot be used for the given reason: the safety class is
/// evaluated and obeyed nevertheless.
pub async fn apply_without_plan(
    system: &dyn System,
    papers: &Papers,
    reason: Diagnostic,
    options: &Options,
) -> Report {
    run(system, papers, Err(Box::new(reason)), options, None).await
}

async fn run(
    system: &dyn System,
    papers: &Papers,
    plan: Result<&PlanDocument, Box<Diagnostic>>,
    options: &Options,
    shown: Option<&Report>,
) -> Report {
    let started = system.monotonic();
    let site = &papers.bundle.site;
    let mut report = Report::new("evl.apply/1", &site.name, &site.timezone);
    if let Ok(plan) = &plan {
        report.plan = Some(plan.id().to_string());
        report.sequence = Some(plan.sequence);
    }
    report.dry_run = options.dry_run;
    let gateways = match papers.gateways(options.host.as_deref()) {
        Ok(gateways) => gateways,
        // which devices are this host's is not known, so nothing at all can be written
        Err(finding) => return report.refused(*finding),
    };
    let what = plan.as_ref().map_or_else(|_| "no plan".to_owned(), |p| format!("plan {}", p.id().short()));
    let held = match options.dry_run {
        true => Ok(None),
        false => lock(system, papers, &options.state_dir, &what).map(Some),
    };
    let mut beside = None;
    let journal = match (&held, options.dry_run) {
        (_, true) => Journal::read(system, &options.state_dir, &site.name).map_err(Box::new),
        (Ok(_), false) => Journal::open(system, &options.state_dir, &site.name).map_err(Box::new),
        (Err(finding), false) => Err(finding.clone()),
    };
    if !options.dry_run && journal.is_err() {
        // what safety writes meanwhile is recorded beside, as far as it can be
        beside = Journal::beside(system, &options.state_dir, &site.name).ok();
    }
    // whoever holds the lock goes on writing to the journal; what stands in it so far can be read
    let past = match &journal {
        Ok(journal) => Ok(journal.past().clone()),
        Err(_) => Journal::read(system, &options.state_dir, &site.name).map(|journal| journal.past().clone()),
    };
    let past = past.unwrap_or_default();
    let now = papers.clock(system, options.now, &gateways, &past);
    let at = now.as_ref().map_or_else(|_| Instant(system.now().as_second()), |now| *now);
    report.now = Some(at);
    report.now_given = options.now.is_some() && now.is_ok();
    let accepted = plan.and_then(|plan| {
        papers.honours_all()?;
        if let Err(finding) = &held {
            let locked = finding.code == codes::LOCKED;
            return Err(if locked {
                finding.clone()
            } else {
                Box::new((**finding).clone().because(UNDOABLE))
            });
        }
        if let Err(finding) = &journal {
            return Err(Box::new((**finding).clone().because(UNDOABLE)));
        }
        let now = now?;
        let step = papers.accept(plan, now, &past)?;
        papers.obeys(plan)?;
        Ok(Accepted { plan, step, given: OnSteps::from_plan(site, plan).map_err(Box::new)?, now })
    });

    let journal = journal.ok();
    let field = Field::new(papers, gateways, &options.stop);
    let start = Start {
        system,
        papers,
        field: &field,
        journal: journal.clone().or(beside),
        past: &past,
        at,
        dry_run: options.dry_run,
    };
    let mut watch = Watch::begin(start, accepted.as_ref().ok()).await;
    let (live, told) = watch.so_far();
    report.absorb(told);
    let over = Notify::new();
    let rest = async {
        let report =
            plan_part(system, papers, accepted, journal, &field, &live, options, shown, started, report)
                .await;
        over.notify_one();
        report
    };
    let (mut report, late) = if watch.waits() {
        let (report, late) = tokio::join!(rest, watch.late(&over));
        (report, Some(late))
    } else {
        (rest.await, None)
    };
    let refused = matches!(report.exit_code(), ExitCode::Findings | ExitCode::Failure);
    live.outrank(refused, &mut report);
    if let Some((late, told)) = late {
        report.absorb(told);
        late.outrank(refused, &mut report);
    }
    report.closed()
}

/// The part of an apply that is a transaction.
#[expect(clippy::too_many_arguments, reason = "the one place where documents, field and memory meet")]
async fn plan_part(
    system: &dyn System,
    papers: &Papers,
    accepted: Result<Accepted<'_>, Box<Diagnostic>>,
    journal: Option<Journal<'_>>,
    field: &Field,
    live: &Live,
    options: &Options,
    shown: Option<&Report>,
    started: std::time::Duration,
    mut report: Report,
) -> Report {
    let site = &papers.bundle.site;
    let (accepted, journal) = match (accepted, journal) {
        (Ok(accepted), Some(journal)) => (accepted, journal),
        (Err(finding), _) => return report.refused(*finding),
        (Ok(_), None) => return report.refused(*error(codes::JOURNAL, "the journal cannot be used")),
    };
    let narrowed = live.narrowed(site);
    let judge = match Judge::new(&narrowed, site, live.decision.as_ref()) {
        Ok(judge) => judge,
        Err(finding) => return report.refused(*finding),
    };
    let plan = accepted.plan;
    let at = (accepted.now, accepted.now);
    let step = plan.steps.get(accepted.step).map_or(at, |s| (s.start, s.end));
    let judge = judge.visited(&plan.sessions, step).keeping(keepers(site, plan, accepted.step));
    let run = Base { system, papers, field, judge: &judge, live, started, stop: &options.stop };
    let mut left = None;
    let exit = match prepare(run, accepted, journal, (options, shown), &mut left, &mut report).await {
        Ok(Some(run)) => return run.execute(report).await,
        // whoever says yes must not hide what was done before the question
        Ok(None) if report.consented => {
            left.map(|lost| if lost { ExitCode::Unknown } else { ExitCode::Undone })
        }
        Ok(None) => None,
        Err(finding) => {
            report = report.refused(*finding);
            left.map(|lost| if lost { ExitCode::Unknown } else { ExitCode::Undone })
        }
    };
    // frames that brought an interrupted apply back were sent: whatever came then, the exit code says so
    if let Some(exit) = exit {
        report.exit = exit.number();
    }
    if left == Some(true) {
        report.safe_command = Some("evl release --all".to_owned());
    }
    report
}

/// A plan that this host accepts, and what it says of the present step.
pub(in crate::runtime) struct Accepted<'a> {
    plan: &'a PlanDocument,
    step: usize,
    given: OnSteps,
    now: Instant,
}

/// The devices of this host and the way to them.
pub(in crate::runtime) struct Field {
    pub(in crate::runtime) subjects: Vec<Subject>,
    endpoints: BTreeMap<String, super::endpoint::Endpoint>,
    admission: super::admission::Admission,
    gateways: std::collections::BTreeSet<String>,
}

impl Field {
    /// `stop` learns of the first frame that can change a device.
    pub(in crate::runtime) fn new(
        papers: &Papers,
        gateways: std::collections::BTreeSet<String>,
        stop: &Stop,
    ) -> Self {
        let endpoints = super::probe::endpoints(&papers.inventory, &gateways);
        Self {
            subjects: Subject::all(&papers.bundle, &papers.inventory, &gateways),
            endpoints: endpoints.into_iter().map(|(name, one)| (name, one.telling(stop))).collect(),
            admission: super::admission::Admission::of(&papers.bundle),
            gateways,
        }
    }
}

/// What every part of an apply looks at.
#[derive(Clone, Copy)]
struct Base<'a> {
    system: &'a dyn System,
    papers: &'a Papers,
    field: &'a Field,
    judge: &'a Judge<'a>,
    live: &'a Live,
    started: std::time::Duration,
    stop: &'a Stop,
}

/// Everything that is known before the first frame of the plan.
struct Run<'a> {
    base: Base<'a>,
    journal: Journal<'a>,
    ready: BTreeMap<String, Ready>,
    /// in the order in which they are named by [`Move::change`]
    changes: Vec<Change>,
    now: Instant,
    begin: Record,
    found: Powers,
    planned: Powers,
    waves: Vec<Vec<usize>>,
    moves: Vec<Move>,
    /// something that an interrupted apply left could not be brought back
    lost: bool,
}

impl Live {
    /// Frames of the safety class were sent, or should have been: the exit code says so, whatever
    /// became of the rest. `refused`: nothing of the plan was written.
    fn outrank(&self, refused: bool, report: &mut Report) {
        if self.failed {
            report.exit = ExitCode::Unknown.number();
            // only trying again makes that safe; a release would hand the devices back
            report.safe_command = Some(AGAIN.to_owned());
        } else if (refused || report.consented)
            && !self.wrote.is_empty()
            && report.exit_code() != ExitCode::Unknown
        {
            report.exit = ExitCode::Partial.number();
        }
    }
}
