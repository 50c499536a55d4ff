//! Everything that touches devices.
#![expect(clippy::disallowed_methods, reason = "the fixture is a process with files and a clock of its own")]

mod apply;
mod command_line;
mod edited;
mod faults;
mod fixture;
mod following;
mod guards;
#[cfg(feature = "solver")]
mod harbor;
#[cfg(unix)]
mod interrupted;
mod long;
mod safety;
#[cfg(feature = "solver")]
mod setpoints;
mod silence;
mod strange;
#[cfg(feature = "solver")]
mod text;
mod told;
mod truth;
mod words;
mod yard;
