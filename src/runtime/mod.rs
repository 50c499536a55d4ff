//! What one host does with a bundle, a plan and an inventory: `apply`, `status`, `release`.
//!
//! Registers are known here only to [`map`] and below; everything above speaks of devices,
//! abstract commands and engineering units.

pub mod endpoint;
pub mod frames;
pub mod map;
pub mod session;
