//! All suites, one binary.

#[path = "it/cli.rs"]
mod cli;

#[path = "it/native.rs"]
mod native;

#[cfg(feature = "gateway")]
#[path = "it/driver.rs"]
mod driver;

#[cfg(feature = "solver")]
#[path = "it/syntax/mod.rs"]
mod syntax;
