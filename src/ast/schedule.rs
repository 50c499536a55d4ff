//! Schedules: sets of instants described by civil time.

use super::{Date, Instant, Name, Quantity, Sign, TimeOfDay, Weekday};
use crate::diag::Span;

/// A schedule expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// what it is
    pub kind: ScheduleKind,
    /// where it stands, without enclosing parentheses
    pub span: Span,
}

/// The forms of a schedule. Chains are flat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleKind {
    /// every instant: `always`
    Always,
    /// another schedule by name: `open_hours`
    Name(Name),
    /// whole days, or a part of each of them: `weekdays`, `Jun 1 .. Sep 30`,
    /// `weekdays 08:00..18:00`, `daily sunset..sunrise`; at least one of the two is present
    Window {
        /// the days; `None` with times stands for every day
        days: Option<Days>,
        /// the time on each of those days, end excluded; it may reach into the next day
        times: Option<TimeRange>,
    },
    /// `2026-07-14 08:00 .. 2026-07-15 12:00`, end excluded
    Dated(Instant, Instant),
    /// `a and b`
    And(Vec<Schedule>),
    /// `a or b`
    Or(Vec<Schedule>),
    /// `a except b except c`: the first less all others
    Except(Vec<Schedule>),
    /// `not a`
    Not(Box<Schedule>),
}

/// Sets of whole civil days; all ranges include both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// `daily`
    Daily(Span),
    /// `weekdays`: Monday to Friday
    Weekdays(Span),
    /// `weekends`: Saturday and Sunday
    Weekends(Span),
    /// `holidays`: the site's list
    Holidays(Span),
    /// `Mon`, `Mon..Fri`, `Mon, Wed, Fri`: each entry a first and a last day (equal for one)
    Week(Vec<(Weekday, Weekday)>, Span),
    /// `Jul`, `Jun .. Sep`: whole months
    Months(Month, Month, Span),
    /// `Dec 25`, `Jun 1 .. Sep 30`, every year; may run over the year's end
    Year(MonthDay, MonthDay, Span),
    /// `2026-07-04`, `2026-07-01 .. 2026-07-14`
    Dates(Date, Date, Span),
    /// a schedule of whole days by name, before a time: `open_days 08:00..12:00`
    Name(Name),
}

impl Days {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Daily(s)
            | Self::Weekdays(s)
            | Self::Weekends(s)
            | Self::Holidays(s)
            | Self::Week(_, s)
            | Self::Months(_, _, s)
            | Self::Year(_, _, s)
            | Self::Dates(_, _, s) => *s,
            Self::Name(name) => name.span,
        }
    }
}

/// A month by number, 1 to 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(pub u8);

impl Month {
    /// The twelve names, from January.
    pub const WORDS: [&'static str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

    /// `Jan` to `Dec`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.get(usize::from(self.0).wrapping_sub(1)).copied().unwrap_or("Jan")
    }
}

/// `Jun 1`: that the day exists is checked later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthDay {
    /// the month
    pub month: Month,
    /// the day, as written
    pub day: u8,
    /// where it stands
    pub span: Span,
}

/// `08:00..18:00`, `sunset..sunrise`, `sunset - 30 min..23:00`: start included, end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeRange {
    /// start, included
    pub start: TimePoint,
    /// end, excluded; before or at the start means on the next day
    pub end: TimePoint,
    /// the whole
    pub span: Span,
}

/// One end of a [`TimeRange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimePoint {
    /// `08:00`
    Clock(TimeOfDay),
    /// `sunrise`, `sunrise + 30 min`
    Sunrise(Option<(Sign, Quantity)>, Span),
    /// `sunset`, `sunset - 1 h`
    Sunset(Option<(Sign, Quantity)>, Span),
}

impl TimePoint {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Clock(time) => time.span,
            Self::Sunrise(_, span) | Self::Sunset(_, span) => *span,
        }
    }
}
