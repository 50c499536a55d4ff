//! The `evl` binary: a thin wrapper around the library.

use evl::system::RealSystem;

fn main() -> std::process::ExitCode {
    evl::cli::run(std::env::args_os(), &RealSystem::new()).into()
}
