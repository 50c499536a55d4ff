//! A person's or the system's wish that a run ends: what is under way is finished first. What a run may
//! say that is broken off depends on whether it has written anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::diag::{Diagnostic, Severity, codes};

/// Whether a run is asked to end, and whether it has written; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    asked: AtomicBool,
    wrote: AtomicBool,
}

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
    }

    /// Whether it is asked to end.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// The next frame can change a device.
    pub(super) fn writes(&self) {
        self.0.wrote.store(true, Ordering::SeqCst);
    }

    /// Whether a frame that can change a device may have been sent.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.0.wrote.load(Ordering::SeqCst)
    }
}

/// The finding of a run that was broken off before any frame that can change a device was sent.
#[must_use]
pub fn nothing_written() -> Diagnostic {
    let words = "ended as asked, before anything was written";
    Diagnostic::nowhere(codes::INTERRUPTED, Severity::Error, words)
        .because("no device was changed, and what stood before stands")
        .help("begin again when it suits")
}
