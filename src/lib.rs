//! evl: policy-as-code for the energy of buildings.
//!
//! Data walks one way: text -> `syntax` -> `ast` -> `sema` -> `ir` -> { `eval`, `analysis`,
//! `plan` -> `verify` } -> bundle and plan documents -> `runtime` -> hardware.

pub mod diag;
pub mod ir;
pub mod quantity;
