//! `evl build`: the canonical bundle of a policy.

use std::path::PathBuf;

use super::output;
use super::policy::Policy;
use crate::bundle::Document;
use crate::diag::ExitCode;
use crate::system::{Access, System};

/// Compile a policy and its profiles into one canonical bundle, with the inventory's hash
///
/// The policy is checked first; with errors no bundle is written. Prints the bundle's id.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site folder
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// Where to write the bundle
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    if let Err(finding) = output::room_for(system, &args.output) {
        return output::fail(system, *finding);
    }
    let mut policy = match Policy::open(&args.path, system) {
        Ok(policy) => policy,
        Err(finding) => return output::fail(system, *finding),
    };
    policy.check(None);
    policy.fall_back();
    let bundle = policy.bundle();
    let (shown, outcome) = policy.outcome();
    let exit = output::complain_about(system, &shown, outcome);
    let Some(bundle) = bundle.filter(|_| exit == ExitCode::Success) else { return exit };
    if let Err(error) = system.write(&args.output, &bundle.bytes(), Access::Ordinary) {
        return output::fail(system, error.writing());
    }
    output::print(system, &format!("{}\n", bundle.id))
}
