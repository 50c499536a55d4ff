//! The documents that travel: profiles and inventory, bundle and plan. Pure types with their checks.

mod canon;
mod document;
pub mod inventory;
mod plan;
pub mod profile;
mod step;
pub mod sunspec;

pub use canon::{Document, Hash, parse};
pub use document::{Bundle, Names, tool, tzdb};
pub use plan::*;
pub use step::{default_step, register_step};
