//! All suites, one binary.

#[path = "it/cli.rs"]
mod cli;

#[cfg(feature = "gateway")]
#[path = "it/driver.rs"]
mod driver;

#[path = "it/native.rs"]
mod native;

#[path = "it/show.rs"]
mod show;

#[cfg(feature = "solver")]
#[path = "it/syntax/mod.rs"]
mod syntax;
