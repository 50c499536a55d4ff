//! `evl show`: a plan for people.

use std::path::{Path, PathBuf};

use super::plan_text::{Zone, plan_text};
use super::{documents, output};
use crate::bundle::{Document, PlanDocument};
use crate::calendar::Calendar;
use crate::diag::ExitCode;
use crate::system::System;

/// Show a plan: what each device does when, why, and what it costs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// The bundle, for times in the site's zone; by default `site.bundle` beside the plan, if there
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
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
    stale(&plan, system);
    if args.json {
        return output::print(system, &String::from_utf8_lossy(&plan.bytes()));
    }
    match zone(args, &plan, system) {
        Ok(zone) => output::print(system, &plan_text(&plan, &zone, &args.only, output::width(system))),
        Err(exit) => exit,
    }
}

/// The site's zone, from a bundle that was named, or from the plan's own where that lies beside it.
fn zone(args: &Args, plan: &PlanDocument, system: &dyn System) -> Result<Zone, ExitCode> {
    let path = documents::bundle_beside(&args.plan, args.bundle.as_deref());
    if args.bundle.is_none() && !system.exists(Path::new(&path)) {
        return Ok(Zone::Utc);
    }
    let bundle = match documents::bundle(system, &path) {
        Ok(bundle) => bundle,
        Err(finding) if args.bundle.is_some() => return Err(output::fail(system, *finding)),
        Err(_) => return Ok(Zone::Utc),
    };
    if bundle.id != plan.bundle {
        return Ok(Zone::Utc);
    }
    Ok(Calendar::new(&bundle.site).map_or(Zone::Utc, |calendar| Zone::Site(Box::new(calendar))))
}

/// Says so where no host would accept the plan any more.
fn stale(plan: &PlanDocument, system: &dyn System) {
    let now = system.now().as_second();
    if now >= plan.expires.0 {
        system.say(&format!("warning: the plan expired at {}: no host accepts it any more\n", plan.expires));
    } else if plan.study {
        system.say("note: this is a study: it is made to look at, and no host accepts it\n");
    }
}
