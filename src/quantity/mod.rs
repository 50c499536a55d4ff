//! Exact quantities: rationals, physical types and units.
//!
//! Everything the compiler, the evaluator and the verifier compute with is a [`Rat`] in the
//! canonical unit of its [`Type`]; floats appear only in the optimiser and at the registers.

mod rat;
mod unit;

pub use rat::{ParseRatError, Rat};
pub use unit::{Type, Unit, show};
