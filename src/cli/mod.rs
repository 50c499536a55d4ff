//! The command line: one file per verb, no logic. Data goes to standard output, words to standard
//! error, and every run ends in one of the published exit codes.

#[cfg(feature = "runtime")]
mod apply;
#[cfg(feature = "solver")]
mod build;
#[cfg(feature = "solver")]
mod check;
#[cfg(feature = "solver")]
mod completions;
mod documents;
mod explain;
#[cfg(feature = "runtime")]
mod field;
#[cfg(feature = "solver")]
mod fmt;
mod guard;
mod output;
#[cfg(feature = "solver")]
mod plan;
mod plan_devices;
mod plan_text;
#[cfg(feature = "solver")]
mod policy;
#[cfg(feature = "solver")]
mod progress;
#[cfg(feature = "runtime")]
mod release;
#[cfg(feature = "runtime")]
mod reset;
mod show;
#[cfg(feature = "gateway")]
mod sim;
#[cfg(feature = "runtime")]
mod status;
#[cfg(feature = "solver")]
mod test;
mod usage;
mod verify;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::diag::ExitCode;
use crate::system::System;

pub use guard::guarded;

/// Policy-as-code for the energy of buildings: prove it, plan it, apply it.
#[derive(Debug, Parser)]
#[command(name = "evl", version, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 done, 1 findings or refused, 2 usage or input, 3 inconclusive; \
    apply: 4 undone, 5 partial, 6 unknown.\nEvery finding has a code: `evl explain EVL0301` tells more.")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[cfg(feature = "solver")]
    Check(check::Args),
    #[cfg(feature = "solver")]
    Build(build::Args),
    #[cfg(feature = "solver")]
    Plan(plan::Args),
    Verify(verify::Args),
    Show(show::Args),
    #[cfg(feature = "runtime")]
    Apply(apply::Args),
    #[cfg(feature = "runtime")]
    Status(status::Args),
    #[cfg(feature = "runtime")]
    Release(release::Args),
    #[cfg(feature = "runtime")]
    Reset(reset::Args),
    #[cfg(feature = "gateway")]
    Sim(sim::Args),
    #[cfg(feature = "solver")]
    Test(test::Args),
    #[cfg(feature = "solver")]
    Fmt(fmt::Args),
    Explain(explain::Args),
    #[cfg(feature = "solver")]
    Completions(completions::Args),
}

/// Runs evl with the arguments of a command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>, system: &dyn System) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let line: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::ended(&error, &line, system),
    };
    match cli.verb {
        #[cfg(feature = "solver")]
        Verb::Check(args) => check::run(&args, system),
        #[cfg(feature = "solver")]
        Verb::Build(args) => build::run(&args, system),
        #[cfg(feature = "solver")]
        Verb::Plan(args) => plan::run(&args, system),
        Verb::Verify(args) => verify::run(&args, system),
        Verb::Show(args) => show::run(&args, system),
        #[cfg(feature = "runtime")]
        Verb::Apply(args) => apply::run(&args, system),
        #[cfg(feature = "runtime")]
        Verb::Status(args) => status::run(&args, system),
        #[cfg(feature = "runtime")]
        Verb::Release(args) => release::run(&args, system),
        #[cfg(feature = "runtime")]
        Verb::Reset(args) => reset::run(&args, system),
        #[cfg(feature = "gateway")]
        Verb::Sim(args) => sim::run(&args, system),
        #[cfg(feature = "solver")]
        Verb::Test(args) => test::run(&args, system),
        #[cfg(feature = "solver")]
        Verb::Fmt(args) => fmt::run(&args, system),
        Verb::Explain(args) => explain::run(&args, system),
        #[cfg(feature = "solver")]
        Verb::Completions(args) => completions::run(&args, system),
    }
}

/// The reference: the long help of evl and of every verb, `width` columns wide.
#[must_use]
pub fn reference(width: usize) -> String {
    let mut command = Cli::command().term_width(width);
    command.build();
    let mut out = command.render_long_help().to_string();
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        out.push_str(&format!("\n---- evl {} ----\n\n", verb.get_name()));
        out.push_str(&verb.clone().term_width(width).render_long_help().to_string());
    }
    // trailing spaces differ between versions of the drawing and mean nothing
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}
