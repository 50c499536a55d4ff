//! Feeds: series of values and of sessions from outside.

use serde::{Deserialize, Serialize};

use super::{CivilDate, FeedId, SignalId, Value};
use crate::diag::Span;
use crate::quantity::Rat;

/// A series of values or of sessions from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feed {
    /// Its index.
    pub id: FeedId,
    /// Name.
    pub name: String,
    /// Where values come from.
    pub origin: FeedOrigin,
    /// Which clock its stamps follow.
    pub time: FeedTime,
    /// Whether a stamp begins (`true`) or ends its interval.
    pub stamp_start: bool,
    /// Step, s; `None`: uneven.
    pub step_s: Option<i64>,
    /// Columns: signal -> column name and the unit written in it.
    pub columns: Vec<FeedColumn>,
    /// Typical-year file: stamps are mapped by month and day.
    pub typical_year: bool,
    /// Sessions rather than values.
    pub sessions: bool,
    /// First and last civil day covered by a static file, for messages.
    pub covers: Option<(CivilDate, CivilDate)>,
    /// Where it is declared.
    pub span: Span,
}

/// Where a feed's values come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedOrigin {
    /// A file of the repository.
    File {
        /// Path inside the repository.
        path: String,
    },
    /// Delivered to the host or given on the command line.
    Live {
        /// Older is stale, s.
        max_age_s: Option<Rat>,
        /// Used where it is missing.
        fallback: Option<Value>,
    },
}

/// Clock of a feed's stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedTime {
    /// The site's wall clock.
    Civil,
    /// UTC.
    Utc,
    /// Fixed offset from UTC, s.
    Offset(i32),
}

/// One column of a feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedColumn {
    /// Column header in the file.
    pub column: String,
    /// Signal it carries.
    pub signal: SignalId,
    /// Canonical = (written + offset) x factor.
    pub offset: Rat,
    /// See `offset`.
    pub factor: Rat,
}
