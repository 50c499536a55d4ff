//! Mutated inputs.
