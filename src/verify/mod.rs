//! Exact verification of a plan, by code that shares nothing with the optimiser.

#[cfg(test)]
pub(crate) mod fixture;
