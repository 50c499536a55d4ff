//! `evl show`: a plan for people.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Show a plan: what each device does when, why, and what it costs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "show")
}
