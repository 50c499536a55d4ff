//! Time stamps of feeds.

use crate::calendar::{Calendar, GapReason, Instant, day_number, exists};
use crate::ir::{CivilDate, CivilInstant, FeedTime};

/// A stamp as written: a reading of some clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Day.
    pub(super) date: CivilDate,
    /// Second of the day, 0..=86400.
    pub(super) second: i32,
    /// Offset from UTC, s, where it is written.
    offset: Option<i32>,
    /// `first` or `second` of two equal readings, where it is written.
    which: Option<bool>,
}

fn digits(text: &[u8]) -> Option<i32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0_i32, |n, b| n.checked_mul(10)?.checked_add(i32::from(b - b'0')))
}

impl Stamp {
    /// `2026-07-14T16:30`, with seconds, with a space for the `T`, with `Z` or an offset behind it,
    /// or with ` first` or ` second` where the clock shows the reading twice. A date alone is its
    /// midnight.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, which) = match (text.strip_suffix(" first"), text.strip_suffix(" second")) {
            (Some(rest), _) => (rest, Some(false)),
            (_, Some(rest)) => (rest, Some(true)),
            _ => (text, None),
        };
        let bytes = text.as_bytes();
        if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        let date = CivilDate {
            year: i16::try_from(digits(bytes.get(..4)?)?).ok()?,
            month: i8::try_from(digits(bytes.get(5..7)?)?).ok()?,
            day: i8::try_from(digits(bytes.get(8..10)?)?).ok()?,
        };
        if !exists(date) {
            return None;
        }
        let Some(rest) = bytes.get(10..).filter(|rest| !rest.is_empty()) else {
            return Some(Self { date, second: 0, offset: None, which });
        };
        if !matches!(rest.first(), Some(b'T' | b' ')) || rest.get(3) != Some(&b':') {
            return None;
        }
        let (hour, minute) = (digits(rest.get(1..3)?)?, digits(rest.get(4..6)?)?);
        let mut at = 6;
        let mut second = 0;
        if rest.get(at) == Some(&b':') {
            second = digits(rest.get(7..9)?)?;
            at = 9;
        }
        if minute > 59 || second > 59 || hour > 24 || (hour == 24 && (minute, second) != (0, 0)) {
            return None;
        }
        let offset = match rest.get(at..)? {
            [] => None,
            b"Z" => Some(0),
            [sign @ (b'+' | b'-'), zone @ ..] => {
                let (hours, minutes) = match zone.len() {
                    5 if zone.get(2) == Some(&b':') => (digits(zone.get(..2)?)?, digits(zone.get(3..)?)?),
                    4 => (digits(zone.get(..2)?)?, digits(zone.get(2..)?)?),
                    _ => return None,
                };
                if hours > 18 || minutes > 59 {
                    return None;
                }
                let seconds = hours * 3600 + minutes * 60;
                Some(if *sign == b'-' { -seconds } else { seconds })
            }
            _ => return None,
        };
        Some(Self { date, second: hour * 3600 + minute * 60 + second, offset, which })
    }

    /// The reading as seconds of a clock without zone.
    pub(super) fn reading(self) -> i64 {
        day_number(self.date) * 86_400 + i64::from(self.second)
    }

    /// The instant by a feed's clock.
    ///
    /// # Errors
    /// In words, what is wrong and what would help.
    pub(super) fn instant(self, time: FeedTime, calendar: &Calendar) -> Result<Instant, Fault> {
        match (self.offset, time) {
            (Some(offset), _) | (None, FeedTime::Offset(offset)) => {
                Ok(Instant(self.reading() - i64::from(offset)))
            }
            (None, FeedTime::Utc) => Ok(Instant(self.reading())),
            (None, FeedTime::Civil) => self.civil(calendar),
        }
    }

    fn civil(self, calendar: &Calendar) -> Result<Instant, Fault> {
        let at = |second| CivilInstant { date: self.date, second_of_day: self.second, second };
        let first = calendar.instant(at(false)).map_err(|gap| match gap.why {
            GapReason::SetForward => Fault {
                what: "the clock is set forward over this time, so it does not exist",
                help: "if the file keeps winter time all year, declare `time offset` instead of `time civil`",
            },
            _ => Fault { what: "there is no such time", help: "write times as `2026-07-14T16:30`" },
        })?;
        match (calendar.instant(at(true)), self.which) {
            (Ok(second), Some(true)) => Ok(second),
            (Ok(_), None) => Err(Fault {
                what: "the clock is set back over this time, so it occurs twice",
                help: "write ` first` or ` second` behind it, or its offset (`-04:00`)",
            }),
            (Err(_), Some(true)) => {
                Err(Fault { what: "this time occurs only once", help: "leave out ` second`" })
            }
            _ => Ok(first),
        }
    }
}

/// What is wrong with a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: &'static str,
    pub(super) help: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Option<(i64, Option<i32>, Option<bool>)> {
        Stamp::parse(text).map(|s| (s.reading(), s.offset, s.which))
    }

    #[test]
    fn forms() {
        assert_eq!(reading("1970-01-02T01:02"), Some((90_120, None, None)));
        assert_eq!(reading("1970-01-02 01:02:03"), Some((90_123, None, None)));
        assert_eq!(reading("1970-01-01T24:00"), Some((86_400, None, None)));
        assert_eq!(reading("1970-01-01T00:00Z"), Some((0, Some(0), None)));
        assert_eq!(reading("1970-01-01 00:00:00+01:00"), Some((0, Some(3600), None)));
        assert_eq!(reading("1970-01-01T00:00-0330"), Some((0, Some(-12_600), None)));
        assert_eq!(reading("1970-01-01T01:30 second"), Some((5400, None, Some(true))));
        assert_eq!(reading("1970-01-01"), Some((0, None, None)));
        let wrong = [
            "",
            "1970",
            "1970-02-30",
            "1970-01-01T",
            "1970-01-01T1:00",
            "1970-01-01T24:01",
            "1970-01-01T00:60",
            "1970-01-01T00:00+1",
            "1970-01-01T00:00x",
            "1970-01-01T+1:00",
            "ünlauter-es",
        ];
        for text in wrong {
            assert_eq!(reading(text), None, "{text}");
        }
    }
}
