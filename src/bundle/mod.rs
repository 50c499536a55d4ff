//! The documents that travel: profiles and inventory, bundle and plan. Pure types with their checks.

pub mod inventory;
pub mod profile;
pub mod sunspec;
