//! `evl plan`: the cheapest allocation that obeys the policy.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Plan: the cheapest allocation of producers to consumers that obeys the policy
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site folder
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// First instant of the plan, such as 2026-07-14T00:00-04:00 or 2026-07-14T00:00 in the site's zone
    #[arg(long, value_name = "T")]
    from: String,
    /// Present state: charge levels, temperatures, work done, peaks so far
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where to write the plan
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write a summary as JSON to standard output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "plan")
}
