//! `evl apply`: write a plan's present step to the gateways and read it back.

use std::path::PathBuf;

use super::{documents, field, output};
use crate::calendar::Instant;
use crate::diag::ExitCode;
use crate::runtime::apply::{Options, apply, apply_without_plan};
use crate::system::System;

/// Write the plan's present step to the gateways, and prove that it is in effect
///
/// What rules of the safety class command is written first, whatever becomes of the rest: also without
/// consent, lock or a usable plan.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// The bundle; by default `site.bundle` beside the plan
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence
    #[arg(long, value_name = "FOLDER", default_value = ".evl-state")]
    state_dir: PathBuf,
    /// Read the devices and show what would be written; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write without asking
    #[arg(long)]
    yes: bool,
    /// Write values that lapse before the step ends, although nobody will renew them
    #[arg(long)]
    once: bool,
    /// Take this instant for the present one; for gateways on this computer only
    #[arg(long, value_name = "T", value_parser = field::instant)]
    now: Option<Instant>,
    /// Which of the inventory's hosts this is, where it has several
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Write the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let plan = documents::plan(system, &args.plan);
    let bundle = documents::bundle_beside(&args.plan, args.bundle.as_deref());
    let papers = match field::papers(system, &bundle, &args.inventory) {
        Ok(papers) => papers,
        Err((findings, sources)) => {
            let unknown = "without bundle and inventory no rule can be evaluated: nothing was written, \
                           not for the safety class either";
            let told = findings.into_iter().map(|finding| finding.because(unknown));
            return output::complain(
                system,
                plan.err().map(|f| *f).into_iter().chain(told).collect(),
                &sources,
            );
        }
    };
    let options = Options {
        state_dir: args.state_dir.clone(),
        host: args.host.clone(),
        dry_run: args.dry_run,
        yes: args.yes,
        once: args.once,
        now: args.now,
    };
    let lost = if args.dry_run { ExitCode::Failure } else { ExitCode::Unknown };
    let work = async {
        let report = match plan {
            Ok(plan) => apply(system, &papers, &plan, &options).await,
            // the safety class is obeyed whatever became of the plan
            Err(finding) => apply_without_plan(system, &papers, *finding, &options).await,
        };
        field::located(report, &bundle, &args.inventory, &args.state_dir, args.host.as_deref())
    };
    field::run(system, args.json, lost, work)
}
