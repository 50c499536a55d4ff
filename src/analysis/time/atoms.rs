//! Time atoms: sets of instants that a guard, a price or an assumption refers to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::formula::{Bit, Formula};
use crate::calendar::{Calendar, Instant};
use crate::ir::Sched;

/// Sorted, disjoint, not touching: start included, end excluded, s since 1970.
pub(crate) type Pieces = Vec<(i64, i64)>;

/// A set of instants made of schedules and of what a coming window meets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimeSet {
    /// In the schedule.
    During(Sched),
    /// `[t, t + d)`, or `(t + d, t]` where d is negative, meets the schedule.
    Meets(Sched, i64),
    /// In all.
    All(Vec<TimeSet>),
    /// In one.
    Any(Vec<TimeSet>),
    /// Not in.
    Not(Box<TimeSet>),
}

impl TimeSet {
    /// All instants.
    pub(crate) const ALWAYS: Self = Self::During(Sched::Always);
}

/// What an atom means, for an instant t.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AtomKey {
    /// t is in the schedule.
    During(Sched),
    /// `[t, t + d)`, or `(t + d, t]` where d is negative, meets the schedule.
    Meets(Sched, i64),
    /// The same window lies in the schedule.
    Within(Sched, i64),
    /// `[t - d, t]` lies in the set.
    Since(TimeSet, i64),
}

/// All atoms of a site, each computed once.
#[derive(Debug)]
pub(crate) struct Atoms<'a> {
    calendar: &'a Calendar,
    from: i64,
    to: i64,
    known: BTreeMap<AtomKey, Formula>,
    sets: Vec<Arc<Pieces>>,
}

impl<'a> Atoms<'a> {
    /// None yet.
    pub(crate) fn new(calendar: &'a Calendar) -> Self {
        let (from, to) = calendar.valid();
        Self { calendar, from: from.0, to: to.0, known: BTreeMap::new(), sets: Vec::new() }
    }

    /// The site's calendar.
    pub(crate) fn calendar(&self) -> &'a Calendar {
        self.calendar
    }

    /// First second of `valid` and the first after it.
    pub(crate) fn valid(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// The condition that the atom holds: a truth value of the solver, or a constant where it
    /// holds always or never within `valid`.
    pub(crate) fn holds(&mut self, key: AtomKey) -> Formula {
        if key == AtomKey::During(Sched::Always) {
            return Formula::TRUE;
        }
        if let Some(found) = self.known.get(&key) {
            return found.clone();
        }
        let pieces = self.compute(&key);
        let formula = match pieces.as_slice() {
            [] => Formula::FALSE,
            [(a, b)] if *a <= self.from && *b >= self.to => Formula::TRUE,
            _ => {
                let id = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
                self.sets.push(Arc::new(pieces));
                Formula::Bit(Bit::Atom(id))
            }
        };
        self.known.insert(key, formula.clone());
        formula
    }

    /// The pieces of an atom inside `valid`.
    pub(crate) fn pieces(&self, atom: u32) -> Arc<Pieces> {
        self.sets.get(atom as usize).cloned().unwrap_or_default()
    }

    /// The pieces of an atom, to look at.
    pub(crate) fn slice(&self, atom: u32) -> &[(i64, i64)] {
        self.sets.get(atom as usize).map(|pieces| pieces.as_slice()).unwrap_or_default()
    }

    /// How many atoms there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.sets.len()).unwrap_or(u32::MAX)
    }

    fn compute(&self, key: &AtomKey) -> Pieces {
        let raw = |sched: &Sched, before: i64, after: i64| -> Pieces {
            let (from, to) = (Instant(self.from - before), Instant(self.to + after));
            self.calendar.windows(sched, from, to).into_iter().map(|(a, b)| (a.0, b.0)).collect()
        };
        let pieces: Pieces = match key {
            AtomKey::During(sched) => raw(sched, 0, 0),
            AtomKey::Meets(sched, d) => {
                meeting(raw(sched, (-*d).max(0), (*d).max(0)).into_iter(), *d).collect()
            }
            // the whole seconds from the window's first to its last
            AtomKey::Within(sched, d) if *d < 0 => {
                raw(sched, -*d, 0).into_iter().map(|(a, b)| (a - d - 1, b)).collect()
            }
            AtomKey::Within(sched, d) => raw(sched, 0, *d).into_iter().map(|(a, b)| (a, b - d + 1)).collect(),
            AtomKey::Since(set, d) => {
                let set = self.set(set, self.from - d, self.to);
                set.into_iter().map(|(a, b)| (a + d, b)).collect()
            }
        };
        joined(pieces, self.from, self.to)
    }

    /// The pieces of a set inside `[from, to)`.
    fn set(&self, set: &TimeSet, from: i64, to: i64) -> Pieces {
        let windows = |sched: &Sched, d: i64| {
            let found = self.calendar.windows(sched, Instant(from + d.min(0)), Instant(to + d.max(0)));
            found.into_iter().map(|(a, b)| (a.0, b.0))
        };
        match set {
            TimeSet::During(sched) => windows(sched, 0).collect(),
            TimeSet::Meets(sched, d) => joined(meeting(windows(sched, *d), *d).collect(), from, to),
            TimeSet::Any(parts) => {
                let mut all: Pieces = parts.iter().flat_map(|part| self.set(part, from, to)).collect();
                all.sort_unstable();
                joined(all, from, to)
            }
            TimeSet::All(parts) => {
                // what is in all is what is not in the complement of any
                let mut missing: Pieces =
                    parts.iter().flat_map(|part| complement(&self.set(part, from, to), from, to)).collect();
                missing.sort_unstable();
                complement(&joined(missing, from, to), from, to)
            }
            TimeSet::Not(part) => complement(&self.set(part, from, to), from, to),
        }
    }
}

/// The instants whose window of `d` meets pieces: t <= b - 1 and t + d > a for the coming seconds,
/// t >= a and t + d < b - 1 for the past ones.
fn meeting(pieces: impl Iterator<Item = (i64, i64)>, d: i64) -> impl Iterator<Item = (i64, i64)> {
    pieces.map(move |(a, b)| if d < 0 { (a, b - d - 1) } else { (a - d + 1, b) })
}

/// Sorted pieces clipped to `[from, to)`, with those that touch joined.
fn joined(pieces: Pieces, from: i64, to: i64) -> Pieces {
    let mut joined: Pieces = Vec::with_capacity(pieces.len());
    for (a, b) in pieces {
        let (a, b) = (a.max(from), b.min(to));
        match joined.last_mut() {
            _ if a >= b => {}
            Some(last) if last.1 >= a => last.1 = last.1.max(b),
            _ => joined.push((a, b)),
        }
    }
    joined
}

/// What of `[from, to)` lies in no piece.
fn complement(pieces: &Pieces, from: i64, to: i64) -> Pieces {
    let mut left = Vec::with_capacity(pieces.len() + 1);
    let mut start = from;
    for (a, b) in pieces {
        if start < *a {
            left.push((start, *a));
        }
        start = *b;
    }
    if start < to {
        left.push((start, to));
    }
    left
}
