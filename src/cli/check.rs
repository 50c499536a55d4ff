//! `evl check`: is the policy free of mistakes and conflicts?

use std::path::{Path, PathBuf};

use super::output;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::repo::Repository;
use crate::syntax;
use crate::system::System;

/// Check policies: syntax, names, types, units, and proof of the absence of conflicts
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Site folders or single policy files, checked in one run
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    flags: output::Flags,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut all = output::Outcome::default();
    for path in &args.paths {
        let (shown, site) = one(path, system);
        all.add(&shown, site);
    }
    output::report(system, &args.flags, all)
}

/// One site, and what stands before the paths of its findings.
fn one(path: &Path, system: &dyn System) -> (String, output::Outcome) {
    let mut outcome = output::Outcome::default();
    let mut repository = match Repository::open(system, path) {
        Ok(repository) => repository,
        Err(finding) => {
            outcome.findings.push(*finding);
            return (String::new(), outcome);
        }
    };
    let mut findings = std::mem::take(&mut repository.findings);
    for file in &repository.files {
        findings.extend(syntax::parse(file.source, &repository.text(file.source)).1);
    }
    if !findings.has_errors() {
        let words = format!(
            "`{}` can be read; names, types and conflicts cannot be checked in this version yet",
            repository.shown
        );
        findings.push(Diagnostic::nowhere(codes::NOT_YET, Severity::Error, words));
    }
    outcome.counts.push(("files".to_owned(), repository.files.len() as u64));
    outcome.findings = findings;
    outcome.sources = std::mem::take(&mut repository.sources);
    (shown(&repository, system), outcome)
}

/// The folder of the site as seen from the one in which evl runs; whole where it lies elsewhere.
fn shown(repository: &Repository<'_>, system: &dyn System) -> String {
    let here = system.current_folder().and_then(|here| system.canonical(&here));
    let inside =
        here.ok().and_then(|here| repository.folder().strip_prefix(here).ok().map(Path::to_path_buf));
    inside.unwrap_or_else(|| repository.folder().to_path_buf()).display().to_string()
}
