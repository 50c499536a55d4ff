//! Civil days as numbers: day 0 is 1970-01-01, a Thursday.

use serde::{Deserialize, Serialize};

use crate::ir::CivilDate;

/// Seconds of a clock day.
pub(super) const DAY: i64 = 86_400;

/// A day of the week; weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday
    Mon,
    /// Tuesday
    Tue,
    /// Wednesday
    Wed,
    /// Thursday
    Thu,
    /// Friday
    Fri,
    /// Saturday
    Sat,
    /// Sunday
    Sun,
}

impl Weekday {
    /// 0 for Monday .. 6 for Sunday: the bit of [`Days::Week`](crate::ir::Days::Week).
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Mon => 0,
            Self::Tue => 1,
            Self::Wed => 2,
            Self::Thu => 3,
            Self::Fri => 4,
            Self::Sat => 5,
            Self::Sun => 6,
        }
    }

    /// `Mon` .. `Sun`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mon => "Mon",
            Self::Tue => "Tue",
            Self::Wed => "Wed",
            Self::Thu => "Thu",
            Self::Fri => "Fri",
            Self::Sat => "Sat",
            Self::Sun => "Sun",
        }
    }

    /// The weekday of a day number.
    #[must_use]
    pub const fn of(day: i64) -> Self {
        match (day + 3).rem_euclid(7) {
            0 => Self::Mon,
            1 => Self::Tue,
            2 => Self::Wed,
            3 => Self::Thu,
            4 => Self::Fri,
            5 => Self::Sat,
            _ => Self::Sun,
        }
    }
}

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// The number of a civil date. The date must exist; see [`exists`].
///
/// Years are counted from March, so that the leap day is a year's last and each month starts at
/// `(153 m + 2) / 5` days.
#[must_use]
pub fn day_number(date: CivilDate) -> i64 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let year_days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year_days + (153 * from_march + 2).div_euclid(5) + day - 1 - EPOCH
}

/// The civil date of a day number between the years 1 and 9999.
#[must_use]
pub fn date_of(day: i64) -> CivilDate {
    let shifted = day + EPOCH;
    let (era, of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    // leap days before this day are taken out, so that every year has 365
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    CivilDate {
        year: i16::try_from(year).unwrap_or(i16::MAX),
        month: i8::try_from(month).unwrap_or(1),
        day: i8::try_from(day).unwrap_or(1),
    }
}

/// Whether the date exists, in the years 1..=9999.
#[must_use]
pub fn exists(date: CivilDate) -> bool {
    (1..=9999).contains(&date.year)
        && (1..=12).contains(&date.month)
        && (1..=31).contains(&date.day)
        && date_of(day_number(date)) == date
}

/// The first day of the month after.
pub(super) fn next_month(date: CivilDate) -> CivilDate {
    if date.month == 12 {
        CivilDate { year: date.year.saturating_add(1), month: 1, day: 1 }
    } else {
        CivilDate { year: date.year, month: date.month + 1, day: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        let date = |year, month, day| CivilDate { year, month, day };
        assert_eq!(day_number(date(1970, 1, 1)), 0);
        assert_eq!(Weekday::of(0), Weekday::Thu);
        assert_eq!(day_number(date(2000, 2, 29)), 11_016);
        assert_eq!(Weekday::of(day_number(date(2026, 7, 14))), Weekday::Tue);
        assert!(exists(date(2028, 2, 29)) && !exists(date(2026, 2, 29)) && !exists(date(2100, 2, 29)));
        assert!(!exists(date(2026, 13, 1)) && !exists(date(2026, 4, 31)) && !exists(date(0, 1, 1)));
    }

    proptest! {
        #[test]
        fn agrees_with_the_zone_library(day in -719_162_i64..2_932_896) {
            let there = jiff::civil::date(1970, 1, 1)
                .checked_add(jiff::Span::new().days(i32::try_from(day).unwrap()))
                .unwrap();
            let here = date_of(day);
            prop_assert_eq!((here.year, here.month, here.day), (there.year(), there.month(), there.day()));
            prop_assert_eq!(day_number(here), day);
            prop_assert_eq!(
                i64::from(Weekday::of(day).bit()),
                i64::from(there.weekday().to_monday_zero_offset())
            );
        }
    }
}
