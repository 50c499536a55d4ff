//! Time without a million intervals: the validity period is cut at the boundaries of the atoms
//! that a question names, and the pieces are grouped by which atoms hold.

mod atoms;
mod groups;

pub(crate) use atoms::{AtomKey, Atoms, TimeSet};
pub(crate) use groups::{Group, groups, sweep};
