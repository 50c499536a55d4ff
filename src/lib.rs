//! evl: policy-as-code for the energy of buildings.
//!
//! Data walks one way: text -> `syntax` -> `ast` -> `sema` -> `ir` -> { `eval`, `analysis`,
//! `plan` -> `verify` } -> bundle and plan documents -> `runtime` -> hardware.

// what everything rests on

pub mod quantity;

pub mod diag;

pub mod system;

// the text

#[cfg(feature = "solver")]
pub mod ast;

#[cfg(feature = "solver")]
pub mod syntax;

pub mod repo;

#[cfg(feature = "solver")]
pub mod sema;

// the meaning

pub mod ir;

pub mod calendar;

pub mod inputs;

pub mod eval;

// what is asked of it

#[cfg(feature = "solver")]
pub mod analysis;

#[cfg(feature = "solver")]
pub mod plan;

pub mod verify;

// the documents and the field

pub mod bundle;

#[cfg(feature = "runtime")]
pub mod runtime;

#[cfg(feature = "gateway")]
pub mod sim;

// the command line

pub mod cli;
