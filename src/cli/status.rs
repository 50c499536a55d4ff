//! `evl status`: is the field as the accepted plan says?

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Read the devices and tell whether they are as the accepted plan says
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle
    #[arg(long, value_name = "FILE", default_value = "site.bundle")]
    bundle: PathBuf,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence
    #[arg(long, value_name = "FOLDER", default_value = ".evl-state")]
    state_dir: PathBuf,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "status")
}
