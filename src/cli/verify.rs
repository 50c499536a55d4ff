//! `evl verify`: does a plan obey its policy, exactly?

use std::path::PathBuf;

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
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "verify")
}
