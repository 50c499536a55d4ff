//! `evl apply`: write a plan's present step to the gateways and read it back.

use std::path::PathBuf;

use super::field::{Place, instant, typed};
use super::{documents, output};
use crate::calendar::Instant;
use crate::diag::ExitCode;
use crate::runtime::apply::{AGAIN, Options, apply, apply_without_plan};
use crate::runtime::load::Papers;
use crate::runtime::stop::Stop;
use crate::system::System;

/// Write the plan's present step to the gateways, and prove that it is in effect
///
/// What rules of the safety class command is written first, whatever becomes of the rest: also without
/// consent, lock or a usable plan.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
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
    #[arg(long, value_name = "T", value_parser = instant)]
    now: Option<Instant>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let plan = documents::plan(system, &args.plan);
    let place = &args.place;
    let bundle = documents::bundle_beside(&args.plan, place.bundle.as_deref());
    let papers = match place.papers(system, &bundle, Papers::new) {
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
        state_dir: place.state_dir().to_owned(),
        host: place.host.clone(),
        dry_run: args.dry_run,
        yes: args.yes,
        once: args.once,
        now: args.now,
        stop: Stop::default(),
    };
    let lost = if args.dry_run { ExitCode::Failure } else { ExitCode::Unknown };
    let work = async {
        let mut report = match plan {
            Ok(plan) => apply(system, &papers, &plan, &options).await,
            // the safety class is obeyed whatever became of the plan
            Err(finding) => apply_without_plan(system, &papers, *finding, &options).await,
        };
        let named = |finding| documents::held_against(finding, ("plan", &args.plan), ("bundle", &bundle));
        report.findings = report.findings.into_iter().map(named).collect();
        if report.safe_command.as_deref() == Some(AGAIN) {
            report.safe_command = Some(again(args));
        }
        report
    };
    place.go(system, lost, &bundle, &options.stop, work)
}

/// The same apply once more.
fn again(args: &Args) -> String {
    let mut command = format!("{AGAIN} {} --yes", typed(&args.plan));
    if args.once {
        command.push_str(" --once");
    }
    if let Some(now) = args.now {
        command.push_str(&format!(" --now {now}"));
    }
    command
}
