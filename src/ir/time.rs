//! Schedules: sets of instants by their wall-clock reading (semantics.md 6).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ScheduleId;
use crate::diag::Span;

/// A civil date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CivilDate {
    /// Year.
    pub year: i16,
    /// 1..=12.
    pub month: i8,
    /// 1..=31.
    pub day: i8,
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A civil date and wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CivilInstant {
    /// Day.
    pub date: CivilDate,
    /// Seconds after midnight on the clock, 0..=86400.
    pub second_of_day: i32,
    /// In a fold: the second of the two.
    pub second: bool,
}

/// A day of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MonthDay {
    /// 1..=12.
    pub month: i8,
    /// 1..=31; Feb 29 is allowed.
    pub day: i8,
}

/// Days by a property.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Days {
    /// Every day.
    Daily,
    /// Days of the week: bit 0 Monday .. bit 6 Sunday.
    Week(u8),
    /// Every year from one day to another, both included; may wrap the year's end.
    Yearly(MonthDay, MonthDay),
    /// From one date to another, both included.
    Dates(CivilDate, CivilDate),
    /// The site's holidays.
    Holidays,
}

/// One end of a daily window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockEdge {
    /// Seconds after midnight on the clock, 0..=86400.
    At(i32),
    /// Sunrise plus an offset, s.
    Sunrise(i32),
    /// Sunset plus an offset, s.
    Sunset(i32),
}

/// A set of instants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sched {
    /// All instants.
    Always,
    /// Whole civil days.
    Days(Days),
    /// A window that belongs to the day on which it starts; start included, end excluded; an end
    /// not after the start is on the next day.
    Window {
        /// On which days it starts.
        days: Days,
        /// Start.
        from: ClockEdge,
        /// End.
        to: ClockEdge,
    },
    /// From one dated instant to another, end excluded.
    Dated(CivilInstant, CivilInstant),
    /// A named schedule.
    Named(ScheduleId),
    /// In all.
    And(Vec<Sched>),
    /// In one.
    Or(Vec<Sched>),
    /// In the first but not in the second.
    Except(Box<Sched>, Box<Sched>),
    /// Not in.
    Not(Box<Sched>),
}

/// A named schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its index.
    pub id: ScheduleId,
    /// Its word.
    pub name: String,
    /// What it means; names only earlier-resolved schedules (no cycles).
    pub sched: Sched,
    /// Where it is declared.
    pub span: Span,
}
