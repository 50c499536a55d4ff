//! Vehicles' stays from CSV text.
//!
//! Columns: `device`, `arrival`, `departure`, `energy`; besides, where known, `maximum_power`,
//! `phases`, `capacity` and `level` of the vehicle's battery on arrival. Quantities carry their unit
//! (`24 kWh`).

use super::Session;
use super::rows::{Row, Rows};
use crate::bundle::Names;
use crate::bundle::profile::Quantity;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostics, SourceId};
use crate::ir::{Feed, Site};
use crate::quantity::{Rat, Type};

/// Reads a feed of sessions. Every fault is an EVL0503 at its cell.
///
/// # Errors
/// All faults, at most 20 and a count.
pub fn read_sessions(
    site: &Site,
    calendar: &Calendar,
    feed: &Feed,
    source: SourceId,
    text: &str,
) -> Result<Vec<Session>, Diagnostics> {
    let mut rows = Rows::new(feed, source, text)?;
    let column = |name| rows.column(name, feed.span).map_err(|finding| Diagnostics::from_iter([*finding]));
    let needed = [column("device")?, column("arrival")?, column("departure")?, column("energy")?];
    let extra = |name| rows.optional(name, feed.span).map_err(|finding| Diagnostics::from_iter([*finding]));
    let extra = [extra("maximum_power")?, extra("phases")?, extra("capacity")?, extra("level")?];
    let names = Names::new(site);
    let mut sessions: Vec<Session> = Vec::new();
    let mut row = Row::default();
    while rows.next(&mut row) {
        let read = session(&mut rows, &row, calendar, feed, needed, extra);
        let Some(session) = read else { continue };
        let [device, arrival, departure, _] = needed;
        if names.device(&session.device).is_none() {
            rows.fault(&row, device, format!("there is no device `{}`", row.text(device)), None);
        }
        if session.departure <= session.arrival {
            rows.fault(&row, departure, "the departure is not after the arrival".to_owned(), None);
        }
        let overlaps = sessions.iter().rev().take(10_000).any(|other| {
            other.device == session.device
                && session.arrival < other.departure
                && other.arrival < session.departure
        });
        if overlaps {
            let what = format!("`{}` has another vehicle at that time", session.device);
            rows.fault(&row, arrival, what, None);
        }
        sessions.push(session);
    }
    rows.finish()?;
    Ok(sessions)
}

fn session(
    rows: &mut Rows<'_>,
    row: &Row,
    calendar: &Calendar,
    feed: &Feed,
    [device, arrival, departure, energy]: [usize; 4],
    [power, phases, capacity, level]: [Option<usize>; 4],
) -> Option<Session> {
    let arrival = instant(rows, row, arrival, calendar, feed);
    let departure = instant(rows, row, departure, calendar, feed);
    let energy = quantity(rows, row, energy, &[Type::Energy]);
    let mut optional = |place: Option<usize>, types: &[Type]| {
        place.filter(|place| !row.text(*place).is_empty()).map(|place| quantity(rows, row, place, types))
    };
    let power = optional(power, &[Type::Power]);
    let capacity = optional(capacity, &[Type::Energy]);
    let level = optional(level, &[Type::Energy, Type::Ratio]);
    let phases = match phases.map(|place| (place, row.text(place))) {
        None | Some((_, "")) => None,
        Some((_, "1")) => Some(1),
        Some((_, "3")) => Some(3),
        Some((place, other)) => {
            let what = format!(
                "`{}` is no number of phases: expected 1 or 3",
                other.chars().take(40).collect::<String>()
            );
            rows.fault(row, place, what, None);
            return None;
        }
    };
    // a cell that could not be read was noted, and its row is left out
    let (arrival, departure, (energy, _)) = (arrival?, departure?, energy?);
    let power = power.map_or(Some(None), |cell| cell.map(Some))?.map(|(value, _)| value);
    let capacity = capacity.map_or(Some(None), |cell| cell.map(Some))?.map(|(value, _)| value);
    let level = level.map_or(Some(None), |cell| cell.map(Some))?;
    let room = match (capacity, level) {
        (Some(capacity), Some((share, Type::Ratio))) => Some(&capacity - &(&share * &capacity)),
        (Some(capacity), Some((level, _))) => Some(capacity - level),
        (capacity, None) => capacity,
        (None, Some(_)) => None,
    };
    Some(Session { device: row.text(device).to_owned(), arrival, departure, energy, power, phases, room })
}

fn instant(
    rows: &mut Rows<'_>,
    row: &Row,
    place: usize,
    calendar: &Calendar,
    feed: &Feed,
) -> Option<Instant> {
    let text = row.text(place);
    let Some(stamp) = super::stamp::Stamp::parse(text) else {
        let what = format!("`{}` is no time stamp", text.chars().take(40).collect::<String>());
        rows.fault(row, place, what, Some("write times as `2026-07-14T16:30`"));
        return None;
    };
    match stamp.instant(feed.time, calendar) {
        Ok(at) => Some(at),
        Err(fault) => {
            rows.fault(row, place, format!("`{text}`: {}", fault.what), Some(fault.help));
            None
        }
    }
}

fn quantity(rows: &mut Rows<'_>, row: &Row, place: usize, types: &[Type]) -> Option<(Rat, Type)> {
    let text = row.text(place);
    let read = text.parse::<Quantity>().ok().filter(|q| types.contains(&q.ty) && !q.value.is_negative());
    if read.is_none() {
        let wanted = types.first().map_or("quantity", |ty| ty.name());
        let shown: String = text.chars().take(40).collect();
        let help = format!(
            "write a number with its unit, such as `24 {}`",
            types.first().map_or(String::new(), |ty| ty.shown_unit(""))
        );
        rows.fault(row, place, format!("`{shown}` is no {wanted}"), Some(&help));
    }
    read.map(|q| (q.value, q.ty))
}
