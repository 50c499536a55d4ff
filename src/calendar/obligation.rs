//! The windows of obligations (semantics.md 6, 17).

use super::civil::DAY;
use super::{Calendar, Instant};
use crate::ir::{ObligationWindow, Sched};

impl Calendar {
    /// The windows of an obligation that meet `[from, to)`, unclipped, sorted by their start.
    ///
    /// A recurring obligation has one window for each day on which a daily window of its schedule
    /// starts: the hull of what the schedule keeps of it, so that a window which the clock passes
    /// twice is one. A schedule without daily windows (`weekdays`) has one for each civil day.
    /// Days of which nothing is left have none.
    #[must_use]
    pub fn obligation_windows(
        &self,
        window: &ObligationWindow,
        from: Instant,
        to: Instant,
    ) -> Vec<(Instant, Instant)> {
        let (from, to) = (from.clamped(), to.clamped());
        let mut hulls = match window {
            ObligationWindow::Dated(start, end) => vec![(self.dated(*start), self.dated(*end))],
            ObligationWindow::Recurring(sched) => self.recurring(sched, from, to),
        };
        hulls.retain(|(start, end)| *start < *end && *start < to && *end > from);
        hulls.sort_unstable();
        hulls.dedup();
        hulls
    }

    fn recurring(&self, sched: &Sched, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
        if from >= to {
            return Vec::new();
        }
        // a window that meets the range starts at most three days before its first day
        let days = (from.0.div_euclid(DAY) - 3, to.0.div_euclid(DAY) + 3);
        let around = (Instant(days.0 * DAY), Instant((days.1 + 3) * DAY));
        let pieces = self.windows(sched, around.0, around.1);
        let mut atoms = Vec::new();
        self.daily_windows(sched, &mut atoms);
        let mut hulls = Vec::new();
        for day in days.0..=days.1 {
            let spans = if atoms.is_empty() {
                vec![(day * DAY, (day + 1) * DAY)]
            } else {
                let starts = atoms.iter().filter_map(|atom| match atom {
                    Sched::Window { days, from, to } if self.is_day(days, day) => self.span(*from, *to, day),
                    _ => None,
                });
                starts.collect()
            };
            hulls.extend(spans.into_iter().filter_map(|span| self.hull(&pieces, span)));
        }
        hulls
    }

    /// The hull of the instants of `pieces` at which the clock reads between two readings.
    fn hull(&self, pieces: &[(Instant, Instant)], span: (i64, i64)) -> Option<(Instant, Instant)> {
        let mut hull: Option<(Instant, Instant)> = None;
        for (start, end) in self.readings_between(span) {
            let first = pieces.partition_point(|piece| piece.1 <= start);
            let meeting = pieces.get(first..).unwrap_or(&[]).iter().take_while(|piece| piece.0 < end);
            for piece in meeting {
                let (start, end) = (piece.0.max(start), piece.1.min(end));
                hull = Some(hull.map_or((start, end), |(a, b)| (a.min(start), b.max(end))));
            }
        }
        hull
    }

    /// The instants at which the clock reads between two readings, as pieces.
    fn readings_between(&self, span: (i64, i64)) -> Vec<(Instant, Instant)> {
        let (low, high) = (span.0 - 2 * DAY, span.1 + 2 * DAY);
        let mut cuts = vec![low];
        cuts.extend(self.zone.changes(low + 1, high));
        cuts.push(high);
        let mut pieces = Vec::new();
        for pair in cuts.windows(2) {
            if let [start, end] = pair {
                let offset = self.zone.offset(*start);
                let piece = ((span.0 - offset).max(*start), (span.1 - offset).min(*end));
                if piece.0 < piece.1 {
                    pieces.push((Instant(piece.0), Instant(piece.1)));
                }
            }
        }
        pieces
    }

    /// The daily windows from which the schedule takes its instants.
    fn daily_windows<'a>(&'a self, sched: &'a Sched, found: &mut Vec<&'a Sched>) {
        match sched {
            Sched::Window { .. } => {
                if !found.contains(&sched) {
                    found.push(sched);
                }
            }
            Sched::Named(id) => {
                if let Some(sched) = self.named.get(id.index()) {
                    self.daily_windows(sched, found);
                }
            }
            Sched::And(parts) | Sched::Or(parts) => {
                for part in parts {
                    self.daily_windows(part, found);
                }
            }
            Sched::Except(all, _) => self.daily_windows(all, found),
            Sched::Always | Sched::Days(_) | Sched::Dated(..) | Sched::Not(_) => {}
        }
    }
}
