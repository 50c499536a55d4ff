//! `evl fmt`: the one canonical form of policy text.

use std::path::PathBuf;

use crate::diag::ExitCode;
use crate::system::System;

/// Write policy text in its one canonical form; comments are kept
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders or single policy files
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing; exit code 1 and the names of files that are in another form
    #[arg(long)]
    check: bool,
}

pub(super) fn run(_args: &Args, system: &dyn System) -> ExitCode {
    super::not_joined(system, "fmt")
}
