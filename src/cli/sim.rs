//! `evl sim`: the embedded gateway simulator.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::{documents, output, usage};
use crate::diag::{Diagnostic, Diagnostics, ExitCode, Severity, SourceMap, codes};
use crate::sim::{Fault, GatewaySpec, Plant, plant_of, small_plant};
use crate::system::System;

/// How often the log is looked at for new entries.
const LOOK: Duration = Duration::from_millis(50);

/// Serve gateways on this computer, so that everything works with no hardware
///
/// The first line on standard output is JSON and names the port of each gateway. Ends on Ctrl-C.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle and inventory whose gateways are served; without them one small plant
    #[arg(long, value_name = "FILE", requires = "inventory")]
    bundle: Option<PathBuf>,
    /// The folder of the inventory
    #[arg(long, value_name = "FOLDER", requires = "bundle")]
    inventory: Option<PathBuf>,
    /// Port of the first gateway, in the order of their names; the others follow. 0: any free ports
    #[arg(long, default_value_t = 0, value_parser = usage::whole::<u16, 0, 65_535>)]
    port: u16,
    /// A fault to inject, such as {"device": "solar", "point": "limit", "kind": "stuck"}; may be repeated
    #[arg(long = "fault", value_name = "JSON", value_parser = fault)]
    faults: Vec<Fault>,
    /// How many times as fast as real ones the devices' timers run
    #[arg(long, default_value_t = 1, value_parser = usage::whole::<u32, 1, 3600>)]
    speed: u32,
    /// Write every write that reaches a device as one JSON line to standard output
    #[arg(long)]
    log: bool,
}

fn fault(text: &str) -> Result<Fault, String> {
    serde_json::from_str(text).map_err(|_| {
        "write an object with `kind` (`exception`, `delay`, `no_reply`, `stuck` or `clamp`) and, where wanted, \
         `device`, `point`, `requests` (`write` or `read`), `code`, `ms`, `min`, `max`, `count`, `after`"
            .to_owned()
    })
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let gateways = match gateways(args, system) {
        Ok(gateways) => gateways,
        Err((findings, sources)) => return output::complain(system, findings, &sources),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return output::fail(system, failure("the simulator cannot be started on this computer"));
    };
    runtime.block_on(serve(args, gateways, system))
}

fn failure(words: impl Into<String>) -> Diagnostic {
    Diagnostic::nowhere(codes::UNREADABLE, Severity::Error, words)
}

fn gateways(args: &Args, system: &dyn System) -> Result<Vec<GatewaySpec>, (Diagnostics, SourceMap)> {
    let (Some(bundle), Some(inventory)) = (&args.bundle, &args.inventory) else {
        return Ok(small_plant());
    };
    let bundle = documents::bundle(system, bundle)
        .map_err(|finding| (std::iter::once(*finding).collect(), SourceMap::new()))?;
    let inventory = documents::inventory(system, inventory)?;
    Ok(plant_of(&bundle, &inventory))
}

async fn serve(args: &Args, gateways: Vec<GatewaySpec>, system: &dyn System) -> ExitCode {
    // before anybody learns that the simulator is there
    let ended = ended();
    let plant = Plant::new(gateways, args.speed);
    for fault in &args.faults {
        plant.inject(fault.clone());
    }
    let ports = match plant.serve(args.port).await {
        Ok(ports) => ports,
        Err(_) => {
            let finding = failure(format!("the ports from {} upwards are not free", args.port));
            return output::fail(system, finding.help("use other ports, or `--port 0` for any free ones"));
        }
    };
    let ready = json!({ "ready": true, "host": "127.0.0.1", "ports": ports, "pid": system.process_id() });
    output::print(system, &format!("{ready}\n"));
    let mut shown = 0;
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => return ExitCode::Success,
            () = tokio::time::sleep(LOOK), if args.log => {
                let log = plant.log();
                let fresh = log.iter().skip(shown).filter_map(|entry| serde_json::to_string(entry).ok());
                let text: String = fresh.map(|line| line + "\n").collect();
                shown = log.len();
                if !text.is_empty() {
                    output::print(system, &text);
                }
            }
        }
    }
}

/// Ctrl-C, or the signal by which services are ended; listened for from this call on.
fn ended() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let asked = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        async move {
            // where signals cannot be listened to, they end the process by themselves
            let [Ok(mut interrupt), Ok(mut terminate)] = asked else { return std::future::pending().await };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
}
