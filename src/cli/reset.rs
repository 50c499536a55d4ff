//! `evl reset`: end a latch that waits for a person.

use super::field::{Place, instant};
use super::output;
use crate::calendar::Instant;
use crate::diag::ExitCode;
use crate::runtime::load::Papers;
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
    let wish = Wish {
        state_dir: place.state_dir(),
        host: place.host.as_deref(),
        latch: &args.latch,
        role: &args.role,
        now: args.now,
    };
    place.run(system, ExitCode::Failure, Papers::new, async |papers, _| reset(system, papers, &wish).await)
}
