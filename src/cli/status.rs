//! `evl status`: is the field as the accepted plan says?

use super::field::{Place, instant};
use super::output;
use crate::calendar::Instant;
use crate::diag::ExitCode;
use crate::runtime::load::Papers;
use crate::runtime::status::status;
use crate::system::System;

/// Read the devices and tell whether they are as the accepted plan says
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take this instant for the present one; for gateways on this computer only
    #[arg(long, value_name = "T", value_parser = instant)]
    now: Option<Instant>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let place = &args.place;
    if let Err(finding) = place.recorded(system) {
        return output::fail(system, *finding);
    }
    place.run(system, ExitCode::Failure, Papers::as_they_stand, async |papers, _| {
        status(system, papers, place.state_dir(), place.host.as_deref(), args.now).await
    })
}
