//! The questions of `evl check`, asked over all environments that the policy declares possible.
pub(crate) mod formula;
mod smt;
