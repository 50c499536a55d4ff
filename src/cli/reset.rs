//! `evl reset`: end a latch that waits for a person.

use std::path::PathBuf;

use super::{field, output};
use crate::calendar::Instant;
use crate::diag::ExitCode;
use crate::runtime::reset::{Wish, reset};
use crate::system::System;

/// Reset a latch, once what it guards against is over
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The latch: the rule's name
    latch: String,
    /// The role that resets it
    #[arg(long = "as", value_name = "ROLE")]
    role: String,
    /// The bundle
    #[arg(long, value_name = "FILE", default_value = "site.bundle")]
    bundle: PathBuf,
    /// The folder of the inventory: where each device is
    #[arg(long, value_name = "FOLDER", default_value = "inventory")]
    inventory: PathBuf,
    /// The folder of this host's lock, journal and sequence
    #[arg(long, value_name = "FOLDER", default_value = ".evl-state")]
    state_dir: PathBuf,
    /// Take this instant for the present one; for gateways on this computer only
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
    let wish = Wish {
        state_dir: &args.state_dir,
        host: args.host.as_deref(),
        latch: &args.latch,
        role: &args.role,
        now: args.now,
    };
    field::run(system, args.json, ExitCode::Failure, reset(system, &papers, &wish))
}
