//! Everything that touches devices.

mod apply;
mod fixture;
mod yard;
