//! `evl verify`: does a plan obey its policy, exactly?

use std::path::PathBuf;

use super::output;
use crate::diag::ExitCode;
use crate::system::System;

/// Check a plan exactly against the bundle from which it was made
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// The bundle; by default `site.bundle` beside the plan
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    flags: output::Flags,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut outcome = output::Outcome::default();
    outcome.findings.push(super::not_joined_finding("verify"));
    output::report(system, &args.flags, outcome)
}
