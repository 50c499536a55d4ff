//! EVL0503: feeds and lists. The rooms that read them find gaps, wrong steps and values outside
//! the declared range, row by row; here their findings are taken over, so that a check of the
//! policy is also a check of its data.

use crate::diag::{Diagnostic, codes};

/// Takes over what the readers of feeds and lists found.
pub(crate) fn ask(found: &[Diagnostic]) -> Vec<Diagnostic> {
    debug_assert!(found.iter().all(|finding| finding.code != codes::INTERNAL));
    found.to_vec()
}
