//! The documents that travel: profiles and inventory, bundle and plan. Pure types with their checks.

pub mod because;
mod canon;
mod coefficient;
mod document;
pub mod inventory;
mod named;
mod plan;
pub mod profile;
mod reversion;
mod state;
mod step;
pub mod sunspec;
#[cfg(test)]
mod tests;

pub use canon::{Document, Hash, parse};
pub use coefficient::{store_decay, thermal_decay};
pub use document::{Bundle, Names, tool};
pub use named::{facts, statements};
pub use plan::*;
pub use reversion::disagreement;
pub use state::{Done, Given, State, Switched, signal_name, written};
pub use step::{Registers, default_step, intersection, ratings, register_step, thousandth};
