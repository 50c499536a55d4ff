//! `evl status`: is the field as the accepted plan says?

use std::path::PathBuf;

use super::{field, output};
use crate::calendar::Instant;
use crate::diag::ExitCode;
use crate::runtime::status::status;
use crate::system::System;

/// Read the devices and tell whether they are as the accepted plan says
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle
    #[arg(long, value_name = "FILE", default_value = "site.bundle")]
    bundle: PathBuf,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence
    #[arg(long, value_name = "FOLDER", default_value = ".evl-state")]
    state_dir: PathBuf,
    /// Take this instant for the present one
    #[arg(long, value_name = "T", value_parser = field::instant)]
    now: Option<Instant>,
    /// Which of the inventory's hosts this is, where it has several
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let papers = match field::papers(system, &args.bundle, &args.inventory) {
        Ok(papers) => papers,
        Err((findings, sources)) => return output::complain(system, findings, &sources),
    };
    let host = args.host.as_deref();
    let look = async {
        let report = status(system, &papers, &args.state_dir, host, args.now).await;
        field::located(report, &args.bundle, &args.inventory, &args.state_dir, host)
    };
    field::run(system, args.json, ExitCode::Failure, look)
}
