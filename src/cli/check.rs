//! `evl check`: is the policy free of mistakes and conflicts?

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::output::{self, Outcome};
use super::policy::Policy;
use crate::diag::ExitCode;
use crate::system::System;

/// Check policies: syntax, names, types, units, and proof of the absence of conflicts
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Site folders or single policy files, checked in one run
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Judge a change on this Git revision: who owns and may do what, lint levels and waivers are those
    /// there, and what needs the site's owner is listed (EVL0706)
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    #[command(flatten)]
    flags: output::Flags,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut all = Outcome::default();
    let mut seen = BTreeSet::new();
    for path in &args.paths {
        match Policy::open_on(path, system, args.base.as_deref()) {
            // the same site by another name
            Ok(policy) if !seen.insert(policy.identity()) => {}
            Ok(mut policy) => {
                policy.check(None);
                let (shown, outcome) = policy.outcome();
                all.add(&shown, outcome);
            }
            Err(finding) => all.findings.push(*finding),
        }
    }
    output::report(system, &args.flags, all)
}
