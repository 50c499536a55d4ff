//! All suites, one binary.

#[cfg(feature = "solver")]
#[path = "it/acceptance/mod.rs"]
mod acceptance;

#[cfg(feature = "solver")]
#[path = "it/check_input.rs"]
mod check_input;

#[path = "it/cli.rs"]
mod cli;

#[cfg(feature = "gateway")]
#[path = "it/driver.rs"]
mod driver;

#[cfg(feature = "solver")]
#[path = "it/fmt.rs"]
mod fmt;

#[path = "it/native.rs"]
mod native;

#[path = "it/show.rs"]
mod show;

#[cfg(test)]
#[cfg(feature = "solver")]
#[path = "it/spec.rs"]
mod spec;

#[cfg(feature = "solver")]
#[path = "it/syntax/mod.rs"]
mod syntax;

#[cfg(feature = "gateway")]
#[path = "it/field/mod.rs"]
mod field;
#[cfg(feature = "solver")]
#[path = "it/witness.rs"]
mod witness;
