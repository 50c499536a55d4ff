//! Daily windows as clock readings, and the sun that some of them follow.

use std::sync::OnceLock;

use super::civil::{DAY, day_number};
use super::sun::{self, SunDay};
use super::{Calendar, Instant};
use crate::ir::{CivilDate, ClockEdge, Location};

/// Where the sun is watched from.
#[derive(Debug)]
pub(super) struct Place {
    latitude: f64,
    longitude: f64,
    /// Readings of sunrise and sunset from the first day of the table on.
    table: OnceLock<Vec<SunDay>>,
    table_from: i64,
    table_to: i64,
    extremes: OnceLock<Extremes>,
}

/// The extremes of sunrise and sunset in a year, s after the day's midnight on the clock.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    rise: (i64, i64),
    set: (i64, i64),
    /// Sunset minus sunrise.
    length: (i64, i64),
}

impl Place {
    /// A place with a table of the sun from one day number to another, made when it is needed.
    pub(super) fn new(at: &Location, table: (i64, i64)) -> Self {
        Self {
            latitude: at.latitude.to_f64(),
            longitude: at.longitude.to_f64(),
            table: OnceLock::new(),
            table_from: table.0,
            table_to: table.1,
            extremes: OnceLock::new(),
        }
    }
}

impl Calendar {
    /// Sunrise and sunset of a civil day, whole minutes; `None` without a location. See the
    /// module's page for days on which the sun does not rise or set.
    #[must_use]
    pub fn sun(&self, date: CivilDate) -> Option<(Instant, Instant)> {
        let place = self.place.as_ref()?;
        let day = self.sun_computed(place, day_number(date));
        Some((Instant(day.rise), Instant(day.set)))
    }

    /// Readings between which the clock is in the window that starts on a day.
    pub(super) fn span(&self, from: ClockEdge, to: ClockEdge, day: i64) -> Option<(i64, i64)> {
        let start = self.edge(from, day)?;
        let end = self.edge(to, if self.wraps(from, to)? { day + 1 } else { day })?;
        (start < end).then_some((start, end))
    }

    fn edge(&self, edge: ClockEdge, day: i64) -> Option<i64> {
        Some(match edge {
            ClockEdge::At(second) => day * DAY + i64::from(second),
            ClockEdge::Sunrise(offset) => self.sun_reading(day)?.rise + i64::from(offset),
            ClockEdge::Sunset(offset) => self.sun_reading(day)?.set + i64::from(offset),
        })
    }

    /// Whether a window ends on the day after its start: see the module's page.
    fn wraps(&self, from: ClockEdge, to: ClockEdge) -> Option<bool> {
        use ClockEdge::{At, Sunrise, Sunset};
        let wide = |offset: i32| i64::from(offset);
        Some(match (from, to) {
            (At(from), At(to)) => from > to,
            (Sunrise(from), Sunrise(to)) | (Sunset(from), Sunset(to)) => from >= to,
            (At(from), Sunrise(to)) => self.extremes()?.rise.1 + wide(to) <= wide(from),
            (At(from), Sunset(to)) => self.extremes()?.set.1 + wide(to) <= wide(from),
            (Sunrise(from), At(to)) => wide(to) <= self.extremes()?.rise.0 + wide(from),
            (Sunset(from), At(to)) => wide(to) <= self.extremes()?.set.0 + wide(from),
            (Sunrise(from), Sunset(to)) => self.extremes()?.length.1 + wide(to) <= wide(from),
            (Sunset(from), Sunrise(to)) => wide(to) <= self.extremes()?.length.0 + wide(from),
        })
    }

    fn extremes(&self) -> Option<Extremes> {
        let place = self.place.as_ref()?;
        Some(*place.extremes.get_or_init(|| {
            let mut all = Extremes {
                rise: (i64::MAX, i64::MIN),
                set: (i64::MAX, i64::MIN),
                length: (i64::MAX, i64::MIN),
            };
            let stretch = |range: &mut (i64, i64), value: i64| {
                *range = (range.0.min(value), range.1.max(value));
            };
            for day in self.valid.0..self.valid.0 + 366 {
                let Some(sun) = self.sun_reading(day) else { continue };
                stretch(&mut all.rise, sun.rise - day * DAY);
                stretch(&mut all.set, sun.set - day * DAY);
                stretch(&mut all.length, sun.set - sun.rise);
            }
            all
        }))
    }

    /// Readings of sunrise and sunset, from the table where it reaches.
    fn sun_reading(&self, day: i64) -> Option<SunDay> {
        let place = self.place.as_ref()?;
        if !(place.table_from..=place.table_to).contains(&day) {
            return Some(self.to_readings(self.sun_computed(place, day)));
        }
        let table = place.table.get_or_init(|| {
            let days = place.table_from..=place.table_to;
            days.map(|day| self.to_readings(self.sun_computed(place, day))).collect()
        });
        table.get(usize::try_from(day - place.table_from).ok()?).copied()
    }

    fn sun_computed(&self, place: &Place, day: i64) -> SunDay {
        let noon = day * DAY + DAY / 2;
        let noon = noon - self.zone.offset(noon);
        sun::sun(place.latitude, place.longitude, sun::solar_day(place.longitude, noon))
    }

    fn to_readings(&self, sun: SunDay) -> SunDay {
        SunDay { rise: self.zone.reading(sun.rise), set: self.zone.reading(sun.set) }
    }
}
