//! Steps: the horizon cut where anything changes (planner.md 10).

use crate::calendar::Instant;
use crate::quantity::Rat;

/// One step, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    /// First instant.
    pub(super) begin: Instant,
    /// First instant after it.
    pub(super) end: Instant,
}

impl Step {
    /// Length, s.
    pub(super) fn seconds(&self) -> i64 {
        self.end.0.saturating_sub(self.begin.0)
    }

    /// Length, h.
    #[expect(clippy::cast_precision_loss, reason = "steps are far shorter than 2^53 s")]
    pub(super) fn hours(&self) -> f64 {
        self.seconds() as f64 / 3600.0
    }

    /// Length, h, exactly.
    pub(super) fn exact_hours(&self) -> Rat {
        Rat::ratio(i128::from(self.seconds()), 3600).unwrap_or_default()
    }
}
