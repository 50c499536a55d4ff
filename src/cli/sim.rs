//! `evl sim`: the embedded gateway simulator.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Serve the gateways of an inventory on this computer, so that everything works with no hardware
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site folder whose inventory names the gateways and devices
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "sim")
}
