//! `evl test`: do the policy's tests pass?

use std::path::PathBuf;

use super::output;
use crate::diag::ExitCode;
use crate::system::System;

/// Run the `test` blocks of a policy
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Site folders or single policy files
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    flags: output::Flags,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "test")
}
