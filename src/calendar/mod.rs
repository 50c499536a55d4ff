//! Civil time.

mod instant;

pub use instant::{Instant, ParseInstantError};
