//! A time zone as a table of offset changes, read from the compiled-in zone database.
//!
//! A *reading* is what the wall clock shows, as seconds since 1970-01-01T00:00 on that clock:
//! `reading = instant + offset`.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::civil::DAY;

/// The offset that holds from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// First instant, s.
    start: i64,
    /// Seconds east of UTC.
    offset: i64,
}

/// A time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    zone: TimeZone,
    /// Sorted; complete from `table.0` to `table.1`.
    segments: Vec<Segment>,
    table: (i64, i64),
}

/// Offsets are below a day, and clocks are changed by less.
const REACH: i64 = 2 * DAY;

impl Zone {
    /// The zone with its offset changes between two instants in a table. `None`: no such zone.
    pub(super) fn new(name: &str, from: i64, to: i64) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        let offset = |at: i64| asked(&zone, at);
        let mut segments = vec![Segment { start: i64::MIN, offset: offset(from) }];
        if let Ok(start) = Timestamp::from_second(from) {
            for change in zone.following(start) {
                let at = change.timestamp().as_second();
                if at > to {
                    break;
                }
                let after = i64::from(change.offset().seconds());
                if segments.last().is_some_and(|last| last.offset != after) {
                    segments.push(Segment { start: at, offset: after });
                }
            }
        }
        Some(Self { zone, segments, table: (from, to) })
    }

    /// All zone names, for suggestions.
    pub(super) fn names() -> Vec<String> {
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
    }

    /// Seconds east of UTC at an instant.
    pub(super) fn offset(&self, at: i64) -> i64 {
        if at < self.table.0 || at > self.table.1 {
            return asked(&self.zone, at);
        }
        let after = self.segments.partition_point(|segment| segment.start <= at);
        self.segments.get(after.saturating_sub(1)).map_or(0, |segment| segment.offset)
    }

    /// What the clock shows.
    pub(super) fn reading(&self, at: i64) -> i64 {
        at.saturating_add(self.offset(at))
    }

    /// Every instant at which the clock shows this: none in a gap, two in a fold.
    pub(super) fn instants(&self, reading: i64) -> Vec<i64> {
        let mut found = Vec::new();
        let mut last = None;
        for segment in self.around(reading) {
            if last == Some(segment.offset) {
                continue;
            }
            last = Some(segment.offset);
            let at = reading - segment.offset;
            if self.offset(at) == segment.offset && !found.contains(&at) {
                found.push(at);
            }
        }
        found.sort_unstable();
        found
    }

    /// The first instant at which the clock shows this or later.
    pub(super) fn first_at_or_after(&self, reading: i64) -> i64 {
        if let Some(at) = self.instants(reading).first() {
            return *at;
        }
        // in a gap: the change itself is the first instant whose reading is later
        let changes = self.changes(reading.saturating_sub(REACH), reading.saturating_add(REACH));
        let jump =
            changes.iter().copied().find(|at| self.reading(*at) > reading && self.reading(*at - 1) < reading);
        jump.unwrap_or_else(|| reading.saturating_sub(self.offset(reading)))
    }

    /// Instants in `[from, to)` at which the offset changes.
    pub(super) fn changes(&self, from: i64, to: i64) -> Vec<i64> {
        if from >= self.table.0 && to <= self.table.1 {
            let first = self.segments.partition_point(|segment| segment.start < from);
            let segments = self.segments.get(first..).unwrap_or(&[]);
            return segments.iter().map(|segment| segment.start).take_while(|at| *at < to).collect();
        }
        let Ok(start) = Timestamp::from_second(from.saturating_sub(1)) else { return Vec::new() };
        let mut offset = asked(&self.zone, from.saturating_sub(1));
        let mut found = Vec::new();
        for change in self.zone.following(start) {
            let (at, after) = (change.timestamp().as_second(), i64::from(change.offset().seconds()));
            if at >= to {
                break;
            }
            if after != offset {
                found.push(at);
            }
            offset = after;
        }
        found
    }

    /// Segments that may hold instants with this reading.
    fn around(&self, reading: i64) -> Vec<Segment> {
        let (from, to) = (reading.saturating_sub(REACH), reading.saturating_add(REACH));
        if from < self.table.0 || to > self.table.1 {
            let mut all = vec![Segment { start: from, offset: asked(&self.zone, from) }];
            let changes = self.changes(from, to);
            all.extend(changes.iter().map(|at| Segment { start: *at, offset: asked(&self.zone, *at) }));
            return all;
        }
        let first = self.segments.partition_point(|segment| segment.start <= from).saturating_sub(1);
        let segments = self.segments.get(first..).unwrap_or(&[]);
        segments.iter().copied().take_while(|segment| segment.start <= to).collect()
    }
}

/// The offset as the zone database gives it.
fn asked(zone: &TimeZone, at: i64) -> i64 {
    Timestamp::from_second(at).map_or(0, |at| i64::from(zone.to_offset(at).seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> Zone {
        // 2020-01-01 .. 2032-01-01
        Zone::new(name, 1_577_836_800, 1_956_528_000).unwrap()
    }

    #[test]
    fn no_such_zone() {
        assert!(Zone::new("America/Atlantis", 0, 1).is_none());
        assert!(Zone::names().iter().any(|name| name == "Europe/Berlin"));
    }

    proptest! {
        #[test]
        fn table_agrees_with_the_zone_database(
            name in prop::sample::select(vec![
                "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC",
                "Pacific/Apia", "America/Havana", "Africa/Casablanca",
            ]),
            at in 1_400_000_000_i64..2_100_000_000,
        ) {
            let zone = zone(name);
            prop_assert_eq!(zone.offset(at), asked(&zone.zone, at));
            prop_assert!(zone.instants(zone.reading(at)).contains(&at));
        }

        #[test]
        fn changes_outside_the_table_are_found_too(
            from in 1_300_000_000_i64..2_100_000_000,
            len in 0_i64..60_000_000,
        ) {
            let near = zone("Europe/Berlin");
            let wide = Zone::new("Europe/Berlin", 1_200_000_000, 2_300_000_000).unwrap();
            prop_assert_eq!(near.changes(from, from + len), wide.changes(from, from + len));
        }
    }
}
