//! Instants in words.

use std::fmt::Write as _;

use super::civil::{DAY, Weekday, date_of};
use super::instant::write_reading;
use super::zone::Zone;
use super::{Calendar, Instant};

/// The clock on the wall of a site, for code that has a document and no policy.
#[derive(Debug, Clone)]
pub struct Clock(Zone);

impl Clock {
    /// The clock of a time zone, quick between two instants; `None`: there is no such zone.
    #[must_use]
    pub fn new(timezone: &str, from: Instant, until: Instant) -> Option<Self> {
        Zone::new(timezone, from.clamped().0, until.clamped().0).map(Self)
    }

    /// As [`Calendar::show`].
    #[must_use]
    pub fn show(&self, at: Instant) -> String {
        show(&self.0, at)
    }
}

fn show(zone: &Zone, at: Instant) -> String {
    let reading = zone.reading(at.clamped().0);
    let (day, second) = (reading.div_euclid(DAY), reading.rem_euclid(DAY));
    let (weekday, date) = (Weekday::of(day).word(), date_of(day));
    let mut text = format!("{weekday} {date} {:02}:{:02}", second / 3600, second / 60 % 60);
    if second % 60 != 0 {
        // writing to a string cannot fail
        let _ = write!(text, ":{:02}", second % 60);
    }
    if zone.instants(reading).len() > 1 {
        let _ = write!(text, " {}", offset_text(zone, at));
    }
    text
}

fn offset_text(zone: &Zone, at: Instant) -> String {
    let offset = zone.offset(at.clamped().0);
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", offset.abs() / 3600, offset.abs() / 60 % 60)
}

impl Calendar {
    /// For people: `Tue 2026-07-14 16:30`, with seconds only where there are some, and with the
    /// offset where the clock shows this reading twice.
    #[must_use]
    pub fn show(&self, at: Instant) -> String {
        show(&self.zone, at)
    }

    /// RFC 3339 with the site's offset: `2026-07-14T16:30:00-04:00`.
    #[must_use]
    pub fn rfc3339(&self, at: Instant) -> String {
        let at = at.clamped();
        let mut text = String::with_capacity(25);
        let _ = write_reading(&mut text, self.zone.reading(at.0));
        text.push_str(&offset_text(&self.zone, at));
        text
    }
}
