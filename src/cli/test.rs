//! `evl test`: do the policy's tests pass?

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::output::{self, Outcome};
use super::policy::Policy;
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

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut all = Outcome::default();
    let mut seen = BTreeSet::new();
    for path in &args.paths {
        match Policy::open(path, system) {
            // the same site by another name
            Ok(policy) if !seen.insert(policy.identity()) => {}
            Ok(mut policy) => {
                policy.test();
                let (shown, outcome) = policy.outcome();
                all.add(&shown, outcome);
            }
            Err(finding) => all.findings.push(*finding),
        }
    }
    output::report(system, &args.flags, all)
}
