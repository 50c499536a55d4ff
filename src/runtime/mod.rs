//! What one host does with a bundle, a plan and an inventory: `apply`, `status`, `release`.
//!
//! From below: [`session`] speaks Modbus and trusts no answer; [`endpoint`] is the one actor of a
//! gateway; [`map`] finds a device's points and [`frames`] is the only door to writing them;
//! [`probe`] and [`admission`] see who is there; [`reading`] makes of it what rules read, with what
//! [`memory`] holds; [`safety`] says what the first class commands, [`want`] what the plan does, and
//! [`change`] which registers that is. [`judge`] and [`order`] prove the way there and back;
//! [`execute`] goes it, [`undo`] comes back; [`journal`] remembers. Registers are known only up to
//! [`change`]; everything above speaks of devices and engineering units.

pub mod admission;
pub mod apply;
pub mod change;
pub mod claim;
pub mod endpoint;
pub mod execute;
pub mod frames;
pub mod journal;
pub mod judge;
pub mod load;
pub mod map;
pub mod memory;
pub mod noted;
pub mod order;
pub mod patience;
pub mod probe;
pub mod reading;
pub mod release;
pub mod report;
pub mod reset;
pub mod safety;
pub mod session;
pub mod silence;
pub mod status;
pub mod stop;
pub mod undo;
pub mod want;
