//! The `evl` binary: a thin wrapper around the library.

use evl::cli;
use evl::system::RealSystem;

fn main() -> std::process::ExitCode {
    let system = RealSystem::new();
    cli::guarded(&system, || cli::run(std::env::args_os(), &system)).into()
}
