//! What `apply`, `status`, `release` and `reset` share: where things are, papers, the asynchronous
//! runtime, the report.

use std::path::{Path, PathBuf};

use super::{documents, guard, output};
use crate::bundle::Bundle;
use crate::bundle::inventory::Inventory;
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Diagnostics, ExitCode, Severity, SourceMap, codes};
use crate::runtime::load::Papers;
use crate::runtime::report::Report;
use crate::runtime::stop::{Stop, nothing_written};
use crate::system::{FileError, FileFault, System};

/// Where this host's documents and records are, and how its report is written.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The bundle; by default `site.bundle`, for `apply` the one beside the plan
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence; by default `.evl-state`
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Which of the inventory's hosts this is, where it has several
    #[arg(long, value_name = "NAME")]
    pub(super) host: Option<String>,
    /// Write the report as JSON
    #[arg(long)]
    json: bool,
}

/// Findings, and the texts that they point into.
type Faults = (Diagnostics, SourceMap);

fn one(finding: Box<Diagnostic>) -> Faults {
    (std::iter::once(*finding).collect(), SourceMap::new())
}

/// How bundle and inventory are put together.
type Together = fn(Bundle, Inventory) -> Result<Papers, Box<Diagnostic>>;

impl Place {
    /// The folder of this host's records.
    pub(super) fn state_dir(&self) -> &Path {
        self.state_dir.as_deref().unwrap_or(Path::new(STATE))
    }

    /// A folder of records that was named must be there for whoever only reads it: a slip in its name
    /// would look as if nothing had ever been applied.
    pub(super) fn recorded(&self, system: &dyn System) -> Result<(), Box<Diagnostic>> {
        match &self.state_dir {
            Some(folder) if !system.exists(folder) => {
                let help = "`--state-dir` names the folder that `evl apply` was given";
                Err(Box::new(FileError::new(folder, FileFault::Missing).reading().help(help)))
            }
            _ => Ok(()),
        }
    }

    /// Reads the bundle and the inventory.
    pub(super) fn papers(
        &self,
        system: &dyn System,
        bundle: &Path,
        together: Together,
    ) -> Result<Papers, Faults> {
        let read = documents::bundle(system, bundle).map_err(one)?;
        let inventory = documents::inventory(system, &self.inventory)?;
        together(read, inventory).map_err(|finding| one(Box::new(self.names(*finding, bundle))))
    }

    /// Which bundle and inventory do not belong together.
    fn names(&self, finding: Diagnostic, bundle: &Path) -> Diagnostic {
        documents::held_against(finding, ("bundle", bundle), ("inventory", &self.inventory))
    }

    /// Reads the papers, does what speaks to the field, prints its report and ends with its exit code.
    /// `lost` is the exit code should evl itself give up on the way.
    pub(super) fn run(
        &self,
        system: &dyn System,
        lost: ExitCode,
        together: Together,
        work: impl AsyncFnOnce(&Papers, &Stop) -> Report,
    ) -> ExitCode {
        let stop = Stop::default();
        let bundle = self.bundle.clone().unwrap_or_else(|| PathBuf::from(BUNDLE));
        match self.papers(system, &bundle, together) {
            Ok(papers) => self.go(system, lost, &bundle, &stop, work(&papers, &stop)),
            Err((findings, sources)) => output::complain(system, findings, &sources),
        }
    }

    /// As [`Place::run`], with papers that were read already.
    pub(super) fn go(
        &self,
        system: &dyn System,
        lost: ExitCode,
        bundle: &Path,
        stop: &Stop,
        work: impl Future<Output = Report>,
    ) -> ExitCode {
        guard::guarded_as(system, lost, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else {
                let words = "the sessions with the field cannot be started on this computer";
                return output::fail(system, Diagnostic::nowhere(codes::UNREADABLE, Severity::Error, words));
            };
            let report = match runtime.block_on(unless_ended(system, lost, stop, work)) {
                Ok(report) => report,
                Err(exit) => return exit,
            };
            let report = self.located(report, bundle);
            if !report.findings.is_empty() {
                // the exit code is the report's: what happened in the field outranks what was found
                let findings = report.findings.iter().cloned().collect();
                let _ = output::complain(system, findings, &SourceMap::new());
            }
            let text = if self.json { report.json() } else { output::fitted(system, &report.words()) };
            let _ = output::print(system, &text);
            report.exit_code()
        })
    }

    /// Completes the command that makes things safe by where this host's documents are, so that it can
    /// be typed as it is printed, and the warning that they do not belong together by which they are.
    fn located(&self, mut report: Report, bundle: &Path) -> Report {
        let named = |finding: Diagnostic| match finding.severity {
            Severity::Warning => self.names(finding, bundle),
            _ => finding,
        };
        report.findings = report.findings.into_iter().map(named).collect();
        if let Some(command) = &mut report.safe_command {
            let named = [
                ("--bundle", bundle, BUNDLE),
                ("--inventory", self.inventory.as_path(), "inventory"),
                ("--state-dir", self.state_dir(), STATE),
            ];
            for (option, path, _) in named.iter().filter(|(_, path, usual)| *path != Path::new(usual)) {
                command.push_str(&format!(" {option} {}", typed(path)));
            }
            if let Some(host) = &self.host {
                command.push_str(&format!(" --host {host}"));
            }
        }
        report
    }
}

/// Ctrl-C, or the system's wish that the process ends: listened for from the beginning on, so that none
/// is lost between two waits.
#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn next(&mut self) {
        // `poll_recv` of each in turn: the first that comes ends the wait
        std::future::poll_fn(|context| {
            let comes = self.0.iter_mut().any(|one| one.poll_recv(context).is_ready());
            if comes { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Does the work to its end. Asked to end, work that writes finishes what is under way; asked again,
/// or where nothing is written, it is broken off, and there is no report but the exit code.
async fn unless_ended(
    system: &dyn System,
    lost: ExitCode,
    stop: &Stop,
    work: impl Future<Output = Report>,
) -> Result<Report, ExitCode> {
    let mut signals = Signals::new();
    let mut work = std::pin::pin!(work);
    tokio::select! {
        report = &mut work => return Ok(report),
        () = signals.next() => {}
    }
    if lost == ExitCode::Unknown {
        stop.ask();
        system.say("asked to end: what is under way is finished first; once more ends it at once\n");
        tokio::select! {
            report = &mut work => return Ok(report),
            () = signals.next() => {}
        }
        if !stop.wrote() {
            return Err(output::fail(system, nothing_written()));
        }
    }
    let words = match lost {
        ExitCode::Unknown => {
            "ended at once: what was under way is not known; `evl status` tells, and the next apply resumes or undoes it"
        }
        _ => "ended: nothing was written",
    };
    system.say(&format!("{words}\n"));
    Err(lost)
}

/// The bundle of a folder.
const BUNDLE: &str = "site.bundle";
/// The folder of this host's records where none is named.
const STATE: &str = ".evl-state";

/// A path as it is typed.
pub(super) fn typed(path: &Path) -> String {
    let path = path.display().to_string();
    if path.contains(char::is_whitespace) { format!("'{path}'") } else { path }
}

/// An instant on the command line.
pub(super) fn instant(text: &str) -> Result<Instant, String> {
    text.parse().map_err(|error: crate::calendar::ParseInstantError| error.to_string())
}
