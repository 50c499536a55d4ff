//! What long work is doing, on a terminal only: one line that is overwritten and at last wiped out.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::plan::Watch;
use crate::system::{Stream, System};

/// How long work may take before it says what it is doing, and how often it does so.
const PATIENCE: Duration = Duration::from_secs(1);

/// Work that is looked on.
pub(super) struct Progress<'s> {
    system: &'s dyn System,
    begun: Duration,
    doing: Mutex<String>,
}

impl Watch for Progress<'_> {
    fn elapsed_s(&self) -> f64 {
        self.system.monotonic().saturating_sub(self.begun).as_secs_f64()
    }

    fn doing(&self, what: &str) {
        what.clone_into(&mut self.doing.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress<'_> {
    fn line(&self) -> String {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        // as much as fits, so that the line can be overwritten
        let width = self.system.terminal_width().unwrap_or(80).saturating_sub(1);
        let text = format!("{:.0} s: {doing}", self.elapsed_s());
        format!("\r{}\x1b[K", text.chars().take(width).collect::<String>())
    }
}

/// Does something while a terminal on standard error shows what.
pub(super) fn shown<T>(system: &dyn System, what: &str, work: impl FnOnce(&Progress<'_>) -> T) -> T {
    let progress = Progress { system, begun: system.monotonic(), doing: Mutex::new(what.to_owned()) };
    if !system.is_terminal(Stream::Err) {
        return work(&progress);
    }
    let (done, over) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut told = false;
            let over = over;
            while over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                system.say(&progress.line());
                told = true;
            }
            if told {
                system.say("\r\x1b[K");
            }
        });
        let result = work(&progress);
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    #[test]
    fn a_line_says_how_long_and_what_and_fits_the_terminal() {
        let system = MemorySystem::new().with_terminal();
        let said = shown(&system, "checking", |progress| {
            progress.doing(&"building the model ".repeat(20));
            progress.line()
        });
        assert!(said.starts_with("\r0 s: building the model"), "{said:?}");
        assert!(said.ends_with("\x1b[K"));
        assert_eq!(said.chars().count(), 99 + "\r\x1b[K".chars().count());
    }

    #[test]
    fn short_work_says_nothing() {
        let system = MemorySystem::new().with_terminal();
        assert_eq!(shown(&system, "checking", |_| 7), 7);
        assert_eq!(system.said(), "");
    }
}
