//! Findings: one `Diagnostic` type, the registry of permanent codes, one renderer per format, and
//! the exit codes.
//!
//! Every room reports through this one. A message says what is wrong in lower case without a final
//! period, with the user's words in backticks; what would fix it stands apart in the help.

pub mod codes;
mod collect;
mod exit;
mod finding;
mod near;
pub mod registry;
pub mod render;
mod source;

pub use collect::{Diagnostics, Tally};
pub use exit::ExitCode;
pub use finding::{Diagnostic, Label, Severity, Witness};
pub use near::nearest;
pub use registry::Code;
#[cfg(feature = "solver")]
pub(crate) use source::is_harmful;
pub use source::{Location, Position, SourceFile, SourceId, SourceMap, Span};
