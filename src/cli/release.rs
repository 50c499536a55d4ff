//! `evl release`: hand devices back to their local control.

use std::path::PathBuf;

use super::{field, output};
use crate::diag::ExitCode;
use crate::runtime::release::release;
use crate::system::System;

/// Hand devices to their declared local state; needs no plan, planner or network
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["devices", "all"]))]
pub(super) struct Args {
    /// The devices
    #[arg(value_name = "DEVICE")]
    devices: Vec<String>,
    /// All devices that this host commands
    #[arg(long)]
    all: bool,
    /// The bundle
    #[arg(long, value_name = "FILE", default_value = "site.bundle")]
    bundle: PathBuf,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence
    #[arg(long, value_name = "FOLDER", default_value = ".evl-state")]
    state_dir: PathBuf,
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
    // clap demands devices or `--all`; without devices all are meant
    let work = release(system, &papers, &args.state_dir, args.host.as_deref(), &args.devices);
    field::run(system, args.json, ExitCode::Unknown, work)
}
