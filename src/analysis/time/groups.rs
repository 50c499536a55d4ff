//! Groups of instants at which the same atoms hold.

use std::collections::BTreeMap;

use super::Atoms;
use crate::calendar::{Calendar, Instant, Weekday};
use crate::ir::CivilDate;

/// Instants at which the same atoms hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// For each atom of the question, in its order, whether it holds.
    pub(crate) holds: Vec<bool>,
    /// The instant shown to people: a working day before others, a round hour before others, then
    /// the earliest.
    pub(crate) at: Instant,
    /// Its rank in that order.
    rank: (u8, u8),
}

/// How many pieces of one group are looked at for a better instant.
const LOOK_AT: u32 = 64;

/// Runs through `valid` piece by piece: start, end and which atoms hold.
pub(crate) fn sweep(atoms: &Atoms, of: &[u32], mut each: impl FnMut(i64, i64, &[bool])) {
    let (from, to) = atoms.valid();
    let mut events: Vec<(i64, usize)> = Vec::new();
    for (i, atom) in of.iter().enumerate() {
        for (a, b) in atoms.pieces(*atom).iter() {
            events.push((*a, i));
            if *b < to {
                events.push((*b, i));
            }
        }
    }
    events.sort_unstable();
    let mut holds = vec![false; of.len()];
    let mut start = from;
    let mut at = 0;
    loop {
        while let Some((_, atom)) = events.get(at).filter(|(when, _)| *when <= start) {
            if let Some(bit) = holds.get_mut(*atom) {
                *bit = !*bit;
            }
            at += 1;
        }
        let end = events.get(at).map_or(to, |(when, _)| *when);
        if start < end {
            each(start, end, &holds);
        }
        if end >= to {
            return;
        }
        start = end;
    }
}

/// The realised groups of the atoms, most preferred first.
///
/// Without atoms there is one group: the whole of `valid`.
pub(crate) fn groups(atoms: &Atoms, holidays: &[CivilDate], of: &[u32]) -> Vec<Group> {
    let mut found: BTreeMap<Vec<bool>, (Option<Group>, u32)> = BTreeMap::new();
    sweep(atoms, of, |start, end, holds| {
        let slot = match found.get_mut(holds) {
            Some(slot) => slot,
            None => found.entry(holds.to_vec()).or_insert((None, 0)),
        };
        slot.1 += 1;
        let done = slot.0.as_ref().is_some_and(|g| g.rank == (0, 0)) || slot.1 > LOOK_AT;
        if !done {
            let (rank, instant) = best(atoms.calendar(), holidays, start, end);
            if slot.0.as_ref().is_none_or(|g| rank < g.rank) {
                slot.0 = Some(Group { holds: holds.to_vec(), at: instant, rank });
            }
        }
    });
    let mut groups: Vec<Group> = found.into_values().filter_map(|(group, _)| group).collect();
    groups.sort_by(|a, b| (a.rank, a.at, &a.holds).cmp(&(b.rank, b.at, &b.holds)));
    groups
}

/// The most preferred instant of `[start, end)` with its rank.
fn best(calendar: &Calendar, holidays: &[CivilDate], start: i64, end: i64) -> ((u8, u8), Instant) {
    let rank = |at: i64| {
        let (date, second, weekday) = calendar.civil(Instant(at));
        let day = match weekday {
            _ if holidays.binary_search(&date).is_ok() => 2,
            Weekday::Sat | Weekday::Sun => 1,
            _ => 0,
        };
        let clock = match second {
            s if s % 3600 == 0 => 0,
            s if s % 900 == 0 => 1,
            s if s % 60 == 0 => 2,
            _ => 3,
        };
        (day, clock)
    };
    let second = i64::from(calendar.civil(Instant(start)).1);
    let mut chosen = (rank(start), start);
    for step in [3600, 900, 60] {
        let first = start + (step - second % step) % step;
        for day in 0..14 {
            let at = first + day * 86_400;
            if at >= end {
                break;
            }
            let ranked = (rank(at), at);
            if ranked < chosen {
                chosen = ranked;
            }
            if chosen.0.0 == 0 {
                break;
            }
        }
        if chosen.0.1 == 0 {
            break;
        }
    }
    (chosen.0, Instant(chosen.1))
}
