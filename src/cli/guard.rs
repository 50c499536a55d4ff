//! The last resort: whatever goes wrong inside, the user sees a finding and a published exit code.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use super::output;
use crate::diag::{Diagnostic, ExitCode, Severity, codes};
use crate::system::System;

/// Where the code last gave up: file and line.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; should it give up in a way that nobody foresaw, says so and ends in exit code 2.
pub fn guarded(system: &dyn System, work: impl FnOnce() -> ExitCode) -> ExitCode {
    guarded_as(system, ExitCode::Failure, work)
}

/// As [`guarded`], with the exit code that then tells the truth: for work that may have changed
/// hardware before it gave up, `Unknown`.
pub(super) fn guarded_as(system: &dyn System, lost: ExitCode, work: impl FnOnce() -> ExitCode) -> ExitCode {
    set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
        let finding = Diagnostic::nowhere(codes::INTERNAL, Severity::Error, "evl made a mistake of its own")
            .because(format!("it happened at {}", place.as_deref().unwrap_or("an unknown place")))
            .help(match lost {
                ExitCode::Unknown => "devices may have been written: `evl release --all` hands them back to their local control",
                _ => "please report it together with the policy and the command; nothing it printed can be trusted",
            });
        output::fail(system, finding);
        lost
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    #[test]
    fn a_mistake_of_evl_is_a_finding_with_exit_code_2() {
        let system = MemorySystem::new();
        let empty: Vec<u8> = Vec::new();
        assert_eq!(
            guarded(&system, || if empty[system.files().len()] == 0 {
                ExitCode::Success
            } else {
                ExitCode::Findings
            }),
            ExitCode::Failure
        );
        let said = system.said();
        assert!(said.starts_with("error[EVL0007]: ") && said.contains("src/cli/guard.rs:"), "{said}");
        assert!(!said.contains("panick") && !said.contains("index out of bounds"), "{said}");
        assert_eq!(guarded(&system, || ExitCode::Partial), ExitCode::Partial);
        let lost = guarded_as(&system, ExitCode::Unknown, || {
            if empty[0] == 0 { ExitCode::Success } else { ExitCode::Findings }
        });
        assert_eq!(lost, ExitCode::Unknown);
    }
}
