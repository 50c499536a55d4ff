//! Absolute instants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::civil::{DAY, date_of, day_number, exists};
use crate::ir::CivilDate;

/// An absolute instant: whole seconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Written as RFC 3339 in UTC. Calendar questions treat instants outside the years 1..=9999 as the
/// nearest inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub i64);

impl Instant {
    /// 0001-01-02T00:00:00Z: a day of room for any offset.
    pub const MIN: Self = Self(-62_135_510_400);
    /// 9999-12-31T00:00:00Z.
    pub const MAX: Self = Self(253_402_214_400);

    /// This many seconds later (earlier where negative); stays inside `i64`.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to `self`; stays inside `i64`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(super) fn clamped(self) -> Self {
        self.clamp(Self::MIN, Self::MAX)
    }
}

/// Not an instant as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseInstantError;

impl fmt::Display for ParseInstantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an instant such as `2026-07-14T16:30:00Z` or `2026-07-14T16:30:00-04:00`")
    }
}

impl std::error::Error for ParseInstantError {}

/// Writes `2026-07-14T16:30:00` of a local reading.
pub(super) fn write_reading(f: &mut impl fmt::Write, reading: i64) -> fmt::Result {
    let (day, second) = (reading.div_euclid(DAY), reading.rem_euclid(DAY));
    write!(f, "{}T{:02}:{:02}:{:02}", date_of(day), second / 3600, second / 60 % 60, second % 60)
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_reading(f, self.clamped().0)?;
        f.write_str("Z")
    }
}

impl FromStr for Instant {
    type Err = ParseInstantError;

    /// RFC 3339 with whole seconds, which may be left out: `2026-07-14T16:30Z`,
    /// `2026-07-14T16:30:00-04:00`.
    fn from_str(text: &str) -> Result<Self, ParseInstantError> {
        let bytes = text.as_bytes();
        let number = |at: usize, len: usize| -> Result<i64, ParseInstantError> {
            let digits = bytes.get(at..at + len).ok_or(ParseInstantError)?;
            if !digits.iter().all(u8::is_ascii_digit) {
                return Err(ParseInstantError);
            }
            Ok(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
        };
        let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
        let need = |holds: bool| if holds { Ok(()) } else { Err(ParseInstantError) };
        need(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":"))?;
        let date = CivilDate {
            year: i16::try_from(number(0, 4)?).map_err(|_| ParseInstantError)?,
            month: i8::try_from(number(5, 2)?).map_err(|_| ParseInstantError)?,
            day: i8::try_from(number(8, 2)?).map_err(|_| ParseInstantError)?,
        };
        let (hour, minute) = (number(11, 2)?, number(14, 2)?);
        let (second, zone) = if is(16, b":") { (number(17, 2)?, 19) } else { (0, 16) };
        let offset = if is(zone, b"Zz") {
            need(bytes.len() == zone + 1)?;
            0
        } else {
            need(is(zone, b"+-") && is(zone + 3, b":") && bytes.len() == zone + 6)?;
            let (hours, minutes) = (number(zone + 1, 2)?, number(zone + 4, 2)?);
            need(hours < 24 && minutes < 60)?;
            (hours * 3600 + minutes * 60) * if is(zone, b"-") { -1 } else { 1 }
        };
        need(exists(date) && hour < 24 && minute < 60 && second < 60)?;
        let instant = Self(day_number(date) * DAY + hour * 3600 + minute * 60 + second - offset);
        need((Self::MIN..=Self::MAX).contains(&instant))?;
        Ok(instant)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // a document says one thing in one way: `t` and `z` would read the same
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(serde::de::Error::custom(ParseInstantError));
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let at: Instant = "2026-07-14T16:30:00-04:00".parse().unwrap();
        assert_eq!(at, Instant(1_784_061_000));
        assert_eq!(at.to_string(), "2026-07-14T20:30:00Z");
        assert_eq!("2026-07-14T20:30Z".parse(), Ok(at));
        assert_eq!("1970-01-01T00:00:00Z".parse(), Ok(Instant(0)));
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2026-07-14T20:30:00Z\"");
        assert_eq!(serde_json::from_str::<Instant>("\"2026-07-14T20:30:00Z\"").unwrap(), at);
        assert_eq!("2026-07-14t20:30z".parse(), Ok(at));
        assert!(serde_json::from_str::<Instant>("\"2026-07-14t20:30:00Z\"").is_err());
        for wrong in [
            "",
            "2026-07-14",
            "2026-07-14T20:30:00",
            "2026-02-30T00:00:00Z",
            "2026-07-14T24:00:00Z",
            "2026-07-14T20:30:60Z",
            "2026-07-14T20:30:00Zx",
            "2026-07-14T20:30:00+04",
            "2026-07-14T20:30:00+0400",
            "+026-07-14T20:30:00Z",
            "2026-07-14T20:30:00.5Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:00:00Z",
            "２026-07-14T20:30:00Z",
        ] {
            assert_eq!(wrong.parse::<Instant>(), Err(ParseInstantError), "{wrong}");
        }
    }

    #[test]
    fn extreme_instants_are_shown_at_the_edge() {
        assert_eq!(Instant(i64::MAX).to_string(), "9999-12-31T00:00:00Z");
        assert_eq!(Instant(i64::MIN).to_string(), "0001-01-02T00:00:00Z");
        assert_eq!(Instant(i64::MAX).plus(5).since(Instant(i64::MIN)), i64::MAX);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(at in Instant::MIN.0..=Instant::MAX.0) {
            prop_assert_eq!(Instant(at).to_string().parse(), Ok(Instant(at)));
        }

        #[test]
        fn is_total(text in "\\PC{0,30}") {
            let _ = text.parse::<Instant>();
        }
    }
}
