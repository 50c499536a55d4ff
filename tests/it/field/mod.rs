//! Everything that touches devices.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "helpers of tests may panic, print and touch files as tests do"
)]

mod apply;
mod fixture;
mod yard;
