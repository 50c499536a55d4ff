//! `evl apply`: write a plan's present step to the gateways and read it back.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Write the plan's present step to the gateways, and prove that it is in effect
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// The bundle; by default `site.bundle` beside the plan
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence
    #[arg(long, value_name = "FOLDER", default_value = ".evl-state")]
    state_dir: PathBuf,
    /// Read the devices and show what would be written; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write without asking
    #[arg(long)]
    yes: bool,
    /// Write values that lapse before the step ends, although nobody will renew them
    #[arg(long)]
    once: bool,
    /// Take this instant for the present one; for gateways on this computer only
    #[arg(long, value_name = "T")]
    now: Option<String>,
    /// Write the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "apply")
}
