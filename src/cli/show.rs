//! `evl show`: a plan for people.

use std::path::PathBuf;

use super::plan_text::{clock, plan_text};
use super::{documents, output};
use crate::bundle::{Document, PlanDocument};
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::system::System;

/// Show a plan: what each device does when, why, and what it costs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// Only this device or zone; may be repeated
    #[arg(long = "only", value_name = "DEVICE")]
    only: Vec<String>,
    /// Write the plan document itself, its hash checked
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let plan = match documents::plan(system, &args.plan) {
        Ok(plan) => plan,
        Err(finding) => return output::fail(system, *finding),
    };
    if let Some(name) = args.only.iter().find(|name| !tells_of(&plan, name)) {
        let message = format!("the plan says nothing of `{name}`");
        let finding = Diagnostic::nowhere(codes::USAGE, Severity::Error, message);
        return output::fail(system, finding.help("leave `--only` out to see of whom it does"));
    }
    stale(&plan, system);
    if args.json {
        return output::print(system, &String::from_utf8_lossy(&plan.bytes()));
    }
    output::print(system, &plan_text(&plan, &args.only, output::width(system)))
}

/// Whether the plan commands something of that name, or says what follows for it.
fn tells_of(plan: &PlanDocument, name: &str) -> bool {
    plan.commands.iter().any(|series| series.device == name)
        || plan.groups.iter().any(|group| group.family == name)
        || plan.derived.iter().any(|series| series.of == name)
}

/// Says so where no host would accept the plan any more.
fn stale(plan: &PlanDocument, system: &dyn System) {
    let now = system.now().as_second();
    if now >= plan.expires.0 {
        let expired = clock(plan).show(plan.expires);
        system.say(&format!("warning: the plan expired {expired}: no host accepts it any more\n"));
    } else if plan.study {
        system.say("note: this is a study: it is made to look at, and no host accepts it\n");
    }
}
