//! Feeds from CSV text: the header names the columns, the first column is the time stamp.
//!
//! A row's value is the mean from its stamp to the next (`stamp start`), or from the last stamp to
//! its own (`stamp end`). In an uneven feed the row at the open end lasts as long as its neighbour.
//! Typical-year files give every day of a year by month and day; Feb 29 has the values of Feb 28.

use super::Track;
use super::cell::Column;
use super::rows::{Row, Rows};
use super::stamp::Stamp;
use crate::calendar::{Calendar, Instant, date_of, day_number};
use crate::diag::{Diagnostic, Diagnostics, SourceId, codes};
use crate::ir::{CivilDate, Feed, FeedTime, SigRef, Site};

const DAY: i64 = 86_400;

/// Reads feeds of values and checks them whole: stamps, steps, units, declared ranges. All are columns
/// of one file and agree in their clock ([`same_clock`]), so that one walk through the file reads them.
///
/// `span` is where values will be needed; only typical-year files depend on it, as they repeat.
/// Every fault is an EVL0503 at its cell.
///
/// # Errors
/// All faults, at most 20 and a count.
pub fn read_feeds(
    site: &Site,
    calendar: &Calendar,
    feeds: &[&Feed],
    source: SourceId,
    text: &str,
    span: (Instant, Instant),
) -> Result<Vec<(SigRef, Track)>, Diagnostics> {
    let Some(feed) = feeds.first().copied() else { return Ok(Vec::new()) };
    debug_assert!(feeds.iter().all(|other| same_clock(feed, other)));
    let mut rows = Rows::new(feed, source, text)?;
    let (mut columns, mut missing) = (Vec::new(), Diagnostics::new());
    for (feed, column) in feeds.iter().flat_map(|feed| feed.columns.iter().map(move |column| (feed, column)))
    {
        match rows.column(&column.column, feed.span) {
            Ok(place) => columns.push(Column::new(site, column, place)),
            Err(finding) => missing.push(*finding),
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let typical = feed.typical_year;
    let (mut starts, mut step_ends) = (Vec::new(), Vec::new());
    let mut readings = Vec::new();
    let mut row = Row::default();
    while rows.next(&mut row) {
        let Some(stamp) = rows.stamp(&row) else { continue };
        let at = if typical { Ok(Instant(stamp.reading())) } else { stamp.instant(feed.time, calendar) };
        let at = match at {
            Ok(at) => at,
            Err(fault) => {
                rows.fault(&row, 0, format!("`{}`: {}", row.text(0), fault.what), Some(fault.help));
                continue;
            }
        };
        if let Some(last) = starts.last().copied() {
            check_step(&mut rows, &row, feed, last, at);
        }
        starts.push(at);
        for column in &mut columns {
            let read = column.push(row.text(column.place));
            if let Err(what) = read {
                rows.fault(&row, column.place, what, None);
                column.skip();
            }
        }
        if typical {
            readings.push(stamp);
        }
    }
    if starts.is_empty() && rows.is_clean() {
        rows.empty();
    }
    rows.finish()?;
    // from stamps to beginnings, and the end of the last
    let length = |pair: Option<&[Instant]>| match pair {
        Some([a, b]) => b.since(*a),
        _ => feed.step_s.unwrap_or(3600),
    };
    let end = if feed.stamp_start {
        let last = feed.step_s.unwrap_or_else(|| length(starts.windows(2).next_back()));
        starts.last().map_or(0, |at| at.0.saturating_add(last))
    } else {
        let first = feed.step_s.unwrap_or_else(|| length(starts.windows(2).next()));
        let end = starts.last().map_or(0, |at| at.0);
        step_ends.extend(starts.iter().take(1).map(|at| at.0.saturating_sub(first)));
        step_ends.extend(starts.iter().take(starts.len().saturating_sub(1)).map(|at| at.0));
        end
    };
    let begins: Vec<i64> = if feed.stamp_start { starts.iter().map(|at| at.0).collect() } else { step_ends };
    let mut out = Vec::with_capacity(columns.len());
    let whole = |column: &Column<'_>| {
        Diagnostic::error(
            codes::FEED,
            feed.span,
            format!("column `{}` cannot be held exactly", column.name()),
        )
        .help("write its values with fewer digits")
    };
    let year = typical.then(|| Year::new(feed, &begins, &readings)).transpose().map_err(one)?;
    for column in &columns {
        let (digits, unit, shift) = column.scaled().ok_or_else(|| one(whole(column)))?;
        let track = match &year {
            Some(year) => year.track(feed, calendar, &digits, (unit, shift), span),
            None => Track::new(begins.clone(), end, digits, unit, shift),
        };
        out.push((SigRef::Only(column.signal), track.ok_or_else(|| one(whole(column)))?));
    }
    Ok(out)
}

/// Whether two feeds of one file can be read in one walk: equal stamps give them equal instants.
#[must_use]
pub fn same_clock(a: &Feed, b: &Feed) -> bool {
    let clock = |feed: &Feed| (feed.sessions, feed.time, feed.stamp_start, feed.step_s, feed.typical_year);
    clock(a) == clock(b)
}

fn one(finding: Diagnostic) -> Diagnostics {
    std::iter::once(finding).collect()
}

fn check_step(rows: &mut Rows<'_>, row: &Row, feed: &Feed, last: Instant, at: Instant) {
    let found = at.since(last);
    let what = if found <= 0 {
        format!("`{}` is not after the row before it", row.text(0))
    } else {
        match feed.step_s {
            Some(step) if found != step => {
                let gap = if found % step == 0 {
                    let missing = found / step - 1;
                    format!(": {missing} row{} missing before it", if missing == 1 { " is" } else { "s are" })
                } else {
                    String::new()
                };
                format!("`{}` is {found} s after the row before it, the step is {step} s{gap}", row.text(0))
            }
            _ => return,
        }
    };
    rows.fault(row, 0, what, None);
}

/// A typical year: the row numbers of every day by month and day, with their second of the day.
struct Year {
    days: std::collections::BTreeMap<(i8, i8), Vec<(i64, usize)>>,
    step: i64,
}

impl Year {
    fn new(feed: &Feed, begins: &[i64], stamps: &[Stamp]) -> Result<Self, Diagnostic> {
        let wrong = |what: String| Diagnostic::error(codes::FEED, feed.span, what);
        let Some(step) = feed.step_s.filter(|step| *step > 0 && DAY % step == 0) else {
            return Err(wrong(format!("the typical year `{}` needs a step that divides a day", feed.name)));
        };
        debug_assert_eq!(begins.len(), stamps.len());
        let mut days: std::collections::BTreeMap<(i8, i8), Vec<(i64, usize)>> =
            std::collections::BTreeMap::new();
        for (row, begin) in begins.iter().enumerate() {
            let date = date_of(begin.div_euclid(DAY));
            days.entry((date.month, date.day)).or_default().push((begin.rem_euclid(DAY), row));
        }
        for day in 0..365 {
            let date = date_of(day_number(CivilDate { year: 2001, month: 1, day: 1 }) + day);
            let found = days.get(&(date.month, date.day)).map_or(0, Vec::len);
            let expected = usize::try_from(DAY / step).unwrap_or(0);
            if found != expected {
                return Err(wrong(format!(
                    "the typical year `{}` has {found} rows for {:02}-{:02}, expected {expected}",
                    feed.name, date.month, date.day
                )));
            }
        }
        Ok(Self { days, step })
    }

    fn rows(&self, date: CivilDate) -> &[(i64, usize)] {
        let found = self.days.get(&(date.month, date.day));
        let found = found.or_else(|| if date.month == 2 { self.days.get(&(2, 28)) } else { None });
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// The year's values over `span`, by the feed's clock.
    fn track(
        &self,
        feed: &Feed,
        calendar: &Calendar,
        digits: &[i64],
        (unit, shift): (crate::quantity::Rat, crate::quantity::Rat),
        span: (Instant, Instant),
    ) -> Option<Track> {
        let (mut starts, mut values): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
        for day in span.0.0.div_euclid(DAY) - 1..=span.1.0.div_euclid(DAY) + 1 {
            let date = date_of(day);
            for (second, row) in self.rows(date) {
                let at = match feed.time {
                    FeedTime::Utc => Some(day * DAY + second),
                    FeedTime::Offset(offset) => Some(day * DAY + second - i64::from(offset)),
                    // a reading that the clock skips has no place; one that it shows twice begins once
                    FeedTime::Civil => calendar
                        .instant(crate::ir::CivilInstant {
                            date,
                            second_of_day: i32::try_from(*second).ok()?,
                            second: false,
                        })
                        .ok()
                        .map(|at| at.0),
                };
                if let Some(at) = at.filter(|at| starts.last().is_none_or(|last| last < at)) {
                    starts.push(at);
                    values.push(*digits.get(*row)?);
                }
            }
        }
        let end = starts.last()? + self.step;
        Track::new(starts, end, values, unit, shift)
    }
}
