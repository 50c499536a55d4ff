//! `evl release`: hand devices back to their local control.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Hand devices to their declared local state; needs no plan, planner or network
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["devices", "all"]))]
pub(super) struct Args {
    /// The devices
    #[arg(value_name = "DEVICE")]
    devices: Vec<String>,
    /// All devices that this host commands
    #[arg(long)]
    all: bool,
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
    super::not_joined(system, "release")
}
