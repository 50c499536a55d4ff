//! Absolute time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An absolute instant: whole seconds since 1970-01-01T00:00:00Z. Written as RFC 3339 text in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// A text that is no RFC 3339 instant of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseInstantError;

impl fmt::Display for ParseInstantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an instant such as `2026-07-14T16:30:00Z`")
    }
}

impl std::error::Error for ParseInstantError {}

impl Instant {
    /// `self` and so many seconds; stays at the ends of the number range.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to `self`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(t) => t.fmt(f),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

impl FromStr for Instant {
    type Err = ParseInstantError;

    fn from_str(text: &str) -> Result<Self, ParseInstantError> {
        let t: Timestamp = text.parse().map_err(|_| ParseInstantError)?;
        if t.subsec_nanosecond() != 0 {
            return Err(ParseInstantError);
        }
        Ok(Self(t.as_second()))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Instant;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an instant such as `2026-07-14T16:30:00Z`")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Instant, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_as_written() {
        for s in [0, 1_783_000_000, -1] {
            assert_eq!(Instant(s).to_string().parse(), Ok(Instant(s)));
        }
        assert_eq!(Instant(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!("2026-07-14T12:30:00-04:00".parse(), Ok(Instant(1_784_046_600)));
        assert!("2026-07-14T16:30".parse::<Instant>().is_err());
        assert!("2026-07-14T16:30:00.5Z".parse::<Instant>().is_err());
    }
}
