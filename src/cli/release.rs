//! `evl release`: hand devices back to their local control.

use super::field::Place;
use crate::diag::ExitCode;
use crate::runtime::load::Papers;
use crate::runtime::release::{Wish, release};
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
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let place = &args.place;
    // clap demands devices or `--all`; without devices all are meant
    place.run(system, ExitCode::Unknown, Papers::as_they_stand, async |papers, stop| {
        let wish = Wish {
            state_dir: place.state_dir(),
            host: place.host.as_deref(),
            devices: &args.devices,
            stop: stop.clone(),
        };
        release(system, papers, &wish).await
    })
}
