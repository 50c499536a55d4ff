//! All suites, one binary.

#[path = "it/cli.rs"]
mod cli;
