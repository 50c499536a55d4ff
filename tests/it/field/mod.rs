//! Everything that touches devices.

mod apply;
mod yard;
