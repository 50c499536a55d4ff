//! What `apply`, `status` and `release` share: papers, the asynchronous runtime, the report.

use std::path::Path;

use super::{documents, guard, output};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Diagnostics, ExitCode, Severity, SourceMap, codes};
use crate::runtime::load::Papers;
use crate::runtime::report::Report;
use crate::system::System;

fn one(finding: Diagnostic) -> (Diagnostics, SourceMap) {
    (std::iter::once(finding).collect(), SourceMap::new())
}

/// Reads the bundle and the inventory.
pub(super) fn papers(
    system: &dyn System,
    bundle: &Path,
    inventory: &Path,
) -> Result<Papers, (Diagnostics, SourceMap)> {
    let bundle = documents::bundle(system, bundle).map_err(|finding| one(*finding))?;
    let inventory = documents::inventory(system, inventory)?;
    Papers::new(bundle, inventory).map_err(|finding| one(*finding))
}

/// Runs what speaks to the field, prints its report and ends with its exit code.
/// `lost` is the exit code should evl itself give up on the way.
pub(super) fn run(
    system: &dyn System,
    json: bool,
    lost: ExitCode,
    work: impl Future<Output = Report>,
) -> ExitCode {
    guard::guarded_as(system, lost, || go(system, json, work))
}

fn go(system: &dyn System, json: bool, work: impl Future<Output = Report>) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        let words = "the sessions with the field cannot be started on this computer";
        return output::fail(system, Diagnostic::nowhere(codes::UNREADABLE, Severity::Error, words));
    };
    let report = runtime.block_on(work);
    if !report.findings.is_empty() {
        // the exit code is the report's: what happened in the field outranks what was found
        let _ = output::complain(system, report.findings.iter().cloned().collect(), &SourceMap::new());
    }
    let text = if json { report.json() } else { report.words() };
    let _ = output::print(system, &text);
    report.exit_code()
}

/// Completes the command that makes things safe by where this host's documents are, so that it can be
/// typed as it is printed.
pub(super) fn located(
    mut report: Report,
    bundle: &Path,
    inventory: &Path,
    state_dir: &Path,
    host: Option<&str>,
) -> Report {
    if let Some(command) = &mut report.safe_command {
        let named = [
            ("--bundle", bundle, "site.bundle"),
            ("--inventory", inventory, "inventory"),
            ("--state-dir", state_dir, ".evl-state"),
        ];
        for (option, path, _) in named.iter().filter(|(_, path, usual)| *path != Path::new(usual)) {
            let path = path.display().to_string();
            let path = if path.contains(char::is_whitespace) { format!("'{path}'") } else { path };
            command.push_str(&format!(" {option} {path}"));
        }
        if let Some(host) = host {
            command.push_str(&format!(" --host {host}"));
        }
    }
    report
}

/// An instant on the command line.
pub(super) fn instant(text: &str) -> Result<Instant, String> {
    text.parse().map_err(|error: crate::calendar::ParseInstantError| error.to_string())
}
