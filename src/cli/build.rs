//! `evl build`: the canonical bundle of a policy.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Compile a policy and its profiles into one canonical bundle, with the inventory's hash
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site folder
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// Where to write the bundle
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "build")
}
