//! Instants in words.

use std::fmt::Write as _;

use super::instant::write_reading;
use super::{Calendar, Instant};

impl Calendar {
    /// For people: `Tue 2026-07-14 16:30`, with seconds only where there are some, and with the
    /// offset where the clock shows this reading twice.
    #[must_use]
    pub fn show(&self, at: Instant) -> String {
        let (date, second, weekday) = self.civil(at);
        let mut text = format!("{} {date} {:02}:{:02}", weekday.word(), second / 3600, second / 60 % 60);
        if second % 60 != 0 {
            // writing to a string cannot fail
            let _ = write!(text, ":{:02}", second % 60);
        }
        if self.zone.instants(self.zone.reading(at.clamped().0)).len() > 1 {
            let _ = write!(text, " {}", self.offset_text(at));
        }
        text
    }

    /// RFC 3339 with the site's offset: `2026-07-14T16:30:00-04:00`.
    #[must_use]
    pub fn rfc3339(&self, at: Instant) -> String {
        let at = at.clamped();
        let mut text = String::with_capacity(25);
        let _ = write_reading(&mut text, self.zone.reading(at.0));
        text.push_str(&self.offset_text(at));
        text
    }

    fn offset_text(&self, at: Instant) -> String {
        let offset = self.offset(at);
        let sign = if offset < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", offset.abs() / 3600, offset.abs() / 60 % 60)
    }
}
