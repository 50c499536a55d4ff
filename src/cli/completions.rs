//! `evl completions`: a script that completes evl's command line in a shell.

use clap::CommandFactory;

use super::{Cli, output};
use crate::diag::ExitCode;
use crate::system::System;

/// Write the completion script of a shell to standard output
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "evl", &mut script);
    output::print(system, &String::from_utf8_lossy(&script))
}
