//! All suites, one binary. (Each stands under `cfg(test)`, so that lints know helpers for tests.)

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/acceptance/mod.rs"]
mod acceptance;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/base.rs"]
mod base;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/check_input.rs"]
mod check_input;

#[cfg(test)]
#[path = "it/cli.rs"]
mod cli;

#[cfg(feature = "gateway")]
#[cfg(test)]
#[path = "it/driver.rs"]
mod driver;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/examples.rs"]
mod examples;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/fmt.rs"]
mod fmt;

#[cfg(all(feature = "solver", unix))]
#[cfg(test)]
#[path = "it/hostile/mod.rs"]
mod hostile;

#[cfg(test)]
#[path = "it/native.rs"]
mod native;

#[cfg(test)]
#[path = "it/registry.rs"]
mod registry;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/sarif.rs"]
mod sarif;

#[cfg(test)]
#[path = "it/show.rs"]
mod show;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/spec.rs"]
mod spec;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/surface.rs"]
mod surface;

#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/syntax/mod.rs"]
mod syntax;

#[cfg(feature = "gateway")]
#[cfg(test)]
#[path = "it/field/mod.rs"]
mod field;
#[cfg(feature = "solver")]
#[cfg(test)]
#[path = "it/witness.rs"]
mod witness;
