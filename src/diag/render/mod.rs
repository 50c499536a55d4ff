//! Renderers: one file per format. Each turns sorted findings into a text; none touches a terminal.

#[cfg(feature = "solver")]
mod excerpt;
#[cfg(feature = "solver")]
mod graphical;
mod human;
mod json;
mod paragraph;
mod sarif;

use crate::diag::{Diagnostics, ExitCode, SourceMap};

pub use human::{Look, human};
pub use json::json;
pub use paragraph::paragraph;
pub use sarif::sarif;

/// All that a run has to say about its input, for the formats that machines read.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// the findings, sorted
    pub findings: &'a Diagnostics,
    /// the texts in which they lie
    pub sources: &'a SourceMap,
    /// how the run ended
    pub exit: ExitCode,
    /// what was done, counted: `("rules", 31)`, `("questions", 812)`
    pub counts: &'a [(String, u64)],
    /// the assumptions and declared ranges on which clean verdicts rest
    pub rests_on: &'a [String],
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod schema;
