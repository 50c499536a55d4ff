//! EVL05xx: tariffs, schedules and feeds.

use crate::diag::registry::codes;

codes! {
    /// The import periods of a tariff, or its export periods, must cover every instant of `valid`
    /// exactly once, after `otherwise` has taken the rest. At the shown instant none applies, or two
    /// do. Demand parts add up and may overlap.
    TARIFF_PARTITION = 501, Finding, "a tariff leaves a gap or overlaps";
    /// The schedule holds at no instant of `valid`, or its window vanishes on a day on which the clock
    /// is changed.
    EMPTY_SCHEDULE = 502, Finding, "a schedule that never holds";
    /// A feed or list does not say what it declares: a row is missing or doubled, its step differs, a
    /// value cannot be read or lies outside the declared range, or it does not cover the time that is
    /// needed. The row is named.
    FEED = 503, Finding, "a feed or list is faulty";
}
