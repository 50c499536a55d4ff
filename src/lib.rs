//! evl: policy-as-code for the energy of buildings.
//!
//! Data walks one way: text -> `syntax` -> `ast` -> `sema` -> `ir` -> { `eval`, `analysis`,
//! `plan` -> `verify` } -> bundle and plan documents -> `runtime` -> hardware.

#[cfg(feature = "solver")]
pub mod ast;
pub mod diag;
pub mod ir;
pub mod quantity;
