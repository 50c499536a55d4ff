//! A person's or the system's wish that a run ends: what is under way is finished first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a run is asked to end; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is asked to end.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
