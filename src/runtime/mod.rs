//! What one host does with a bundle, a plan and an inventory: `apply`, `status`, `release`.
//!
//! Registers are known here only to [`map`] and below; everything above speaks of devices,
//! abstract commands and engineering units.

pub mod admission;
pub mod change;
pub mod endpoint;
pub mod execute;
pub mod frames;
pub mod journal;
pub mod limits;
pub mod map;
pub mod order;
pub mod probe;
pub mod session;
pub mod want;
