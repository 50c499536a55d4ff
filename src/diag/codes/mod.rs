//! The codes, one table for each range. To add one, add a row: the doc comment is what
//! `evl explain` prints, so it says what the finding means, why it matters and how to mend it.

mod authority;
mod conflicts;
mod documents;
mod energy;
mod files;
mod names;
mod planning;
mod proofs;
mod rules;
mod runtime;
mod syntax;
mod time;
mod types;

pub use authority::*;
pub use conflicts::*;
pub use documents::*;
pub use energy::*;
pub use files::*;
pub use names::*;
pub use planning::*;
pub use proofs::*;
pub use rules::*;
pub use runtime::*;
pub use syntax::*;
pub use time::*;
pub use types::*;

use super::registry::Entry;

/// All tables.
pub(super) const TABLES: &[&[Entry]] = &[
    syntax::ROWS,
    names::ROWS,
    types::ROWS,
    conflicts::ROWS,
    rules::ROWS,
    time::ROWS,
    energy::ROWS,
    authority::ROWS,
    proofs::ROWS,
    files::ROWS,
    planning::ROWS,
    documents::ROWS,
    runtime::ROWS,
];
