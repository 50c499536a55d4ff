//! Signals that the instant fixes: time-of-use prices, and their aggregates over a window
//! (semantics.md 2).

use std::sync::OnceLock;

use crate::calendar::{Calendar, Instant};
use crate::ir::{AggregateOp, Guard, Lin, Price, SigRef, Signal, SignalId, SignalSource, Site, TariffId};
use crate::quantity::Rat;

/// How a signal follows from the instant.
#[derive(Debug, Clone, Copy)]
enum Tie {
    /// It does not.
    Free,
    /// A time-of-use price.
    Price { tariff: TariffId, export: bool },
    /// An aggregate of a time-of-use price over the coming seconds, or the past ones (negative).
    Aggregate { op: AggregateOp, tariff: TariffId, export: bool, over_s: i64 },
}

/// A price's values from instants on, over `valid` and what aggregates can reach beyond it.
type Timeline = Vec<(Instant, Option<Rat>)>;

/// The tied signals of a site.
#[derive(Debug)]
pub(super) struct Tied {
    ties: Vec<Tie>,
    /// Import and export price of each tariff.
    timelines: Vec<[OnceLock<Timeline>; 2]>,
    /// How far aggregates reach beyond `valid`, s.
    reach_s: i64,
}

impl Tied {
    pub(super) fn new(site: &Site) -> Self {
        let ties: Vec<Tie> = site.signals.iter().map(|signal| tie(site, signal)).collect();
        let windows =
            ties.iter().map(|tie| if let Tie::Aggregate { over_s, .. } = tie { over_s.abs() } else { 0 });
        let reach_s = windows.max().unwrap_or(0);
        let timelines = site.tariffs.iter().map(|_| [OnceLock::new(), OnceLock::new()]).collect();
        Self { ties, timelines, reach_s }
    }

    /// Whether the instant fixes the signal.
    pub(super) fn is_tied(&self, id: SignalId) -> bool {
        !matches!(self.ties.get(id.index()), None | Some(Tie::Free))
    }

    /// The signal's value; `None` where the tariff leaves a gap.
    pub(super) fn value(&self, site: &Site, cal: &Calendar, id: SignalId, at: Instant) -> Option<Rat> {
        match *self.ties.get(id.index())? {
            Tie::Free => None,
            Tie::Price { tariff, export } => price_at(site, cal, tariff, export, at),
            Tie::Aggregate { op, tariff, export, over_s } => {
                let (from, to) =
                    if over_s > 0 { (at, at.plus(over_s)) } else { (at.plus(over_s + 1), at.plus(1)) };
                let line = self.timeline(site, cal, tariff, export)?;
                aggregate(op, line, from, to)
            }
        }
    }

    fn timeline(&self, site: &Site, cal: &Calendar, tariff: TariffId, export: bool) -> Option<&Timeline> {
        let line = self.timelines.get(tariff.index())?.get(usize::from(export))?;
        Some(line.get_or_init(|| {
            let (from, to) = cal.valid();
            let (from, to) = (from.plus(-self.reach_s), to.plus(self.reach_s));
            let starts = std::iter::once(from).chain(changes(site, cal, tariff, export, from.plus(1), to));
            starts.map(|at| (at, price_at(site, cal, tariff, export, at))).collect()
        }))
    }

    /// Instants in `(from, to)` at which what the instant fixes of a guard may change.
    pub(super) fn moments(
        &self,
        site: &Site,
        cal: &Calendar,
        guard: &Guard,
        from: Instant,
        to: Instant,
    ) -> Vec<Instant> {
        let mut found = Vec::new();
        self.collect(site, cal, (guard, &[0]), (from.plus(1), to), &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The same for what a bound reads.
    pub(super) fn moments_of(
        &self,
        site: &Site,
        cal: &Calendar,
        lin: &Lin,
        from: Instant,
        to: Instant,
    ) -> Vec<Instant> {
        let mut found = Vec::new();
        self.collect_lin(site, cal, lin, (from.plus(1), to), &mut found);
        found
    }

    /// `after`: how long a guard around this one may wait after it, s.
    fn collect(
        &self,
        site: &Site,
        cal: &Calendar,
        (guard, after): (&Guard, &[i64]),
        (from, to): (Instant, Instant),
        found: &mut Vec<Instant>,
    ) {
        match guard {
            Guard::During(sched) => {
                for wait in after {
                    let changes = cal.boundaries(sched, from.plus(-wait), to.plus(-wait));
                    found.extend(changes.iter().map(|at| at.plus(*wait)));
                }
            }
            Guard::Compare { lin, .. } => {
                for wait in after {
                    let mut changes = Vec::new();
                    self.collect_lin(site, cal, lin, (from.plus(-wait), to.plus(-wait)), &mut changes);
                    found.extend(changes.iter().map(|at| at.plus(*wait)));
                }
            }
            Guard::Not(inner) => self.collect(site, cal, (inner, after), (from, to), found),
            Guard::Held(id, inner) => {
                let wait = site.held.get(id.index()).map_or(0, |held| held.for_s);
                let after: Vec<i64> =
                    std::iter::once(0).chain(after.iter().map(|more| wait + more)).collect();
                self.collect(site, cal, (inner, &after), (from, to), found);
            }
            Guard::All(parts) | Guard::Any(parts) => {
                for part in parts {
                    self.collect(site, cal, (part, after), (from, to), found);
                }
            }
            Guard::Quantified { body, .. } => self.collect(site, cal, (body, after), (from, to), found),
            Guard::Const(_) | Guard::Is(_) | Guard::Equals(..) | Guard::Emergency => {}
        }
    }

    fn collect_lin(
        &self,
        site: &Site,
        cal: &Calendar,
        lin: &Lin,
        (from, to): (Instant, Instant),
        found: &mut Vec<Instant>,
    ) {
        for (_, signal) in &lin.terms {
            let SigRef::Only(id) = signal else { continue };
            match self.ties.get(id.index()) {
                Some(Tie::Price { tariff, export }) => {
                    found.extend(changes(site, cal, *tariff, *export, from, to));
                }
                // an aggregate changes where the price enters or leaves its window
                Some(Tie::Aggregate { tariff, export, over_s, .. }) => {
                    let (before, after) = ((*over_s).min(0), (*over_s).max(0));
                    let entering = changes(site, cal, *tariff, *export, from.plus(before), to.plus(after));
                    found.extend(entering.iter().flat_map(|at| [*at, at.plus(-over_s)]));
                }
                _ => {}
            }
        }
        found.retain(|at| (from..to).contains(at));
    }
}

fn tie(site: &Site, signal: &Signal) -> Tie {
    let Some((tariff, export)) = price_of(site, signal) else {
        let SignalSource::Aggregate { op, of, over_s } = signal.source else { return Tie::Free };
        let base = site.signal(of).and_then(|of| price_of(site, of));
        return match base {
            Some((tariff, export)) if over_s != 0 => Tie::Aggregate { op, tariff, export, over_s },
            _ => Tie::Free,
        };
    };
    Tie::Price { tariff, export }
}

/// The tariff whose time-of-use price the signal is.
fn price_of(site: &Site, signal: &Signal) -> Option<(TariffId, bool)> {
    let (tariff, export) = match signal.source {
        SignalSource::ImportPrice(tariff) => (tariff, false),
        SignalSource::ExportPrice(tariff) => (tariff, true),
        _ => return None,
    };
    let by_feed = matches!(price(site, tariff, export)?, Some(Price::Feed(..)));
    (!by_feed).then_some((tariff, export))
}

fn price(site: &Site, tariff: TariffId, export: bool) -> Option<Option<&Price>> {
    let tariff = site.tariffs.get(tariff.index())?;
    Some(if export { tariff.export.as_ref() } else { Some(&tariff.import) })
}

/// The price at an instant: the first period that holds, else `otherwise`. A tariff without export
/// price pays nothing for it.
fn price_at(site: &Site, cal: &Calendar, tariff: TariffId, export: bool, at: Instant) -> Option<Rat> {
    match price(site, tariff, export)? {
        None => Some(Rat::ZERO),
        Some(Price::Feed(..)) => None,
        Some(Price::Periods { periods, otherwise, .. }) => {
            let period = periods.iter().find(|period| cal.contains(&period.during, at));
            period.map(|period| period.price.clone()).or_else(|| otherwise.clone())
        }
    }
}

fn changes(
    site: &Site,
    cal: &Calendar,
    tariff: TariffId,
    export: bool,
    from: Instant,
    to: Instant,
) -> Vec<Instant> {
    let mut found = Vec::new();
    if let Some(Some(Price::Periods { periods, .. })) = price(site, tariff, export) {
        found.extend(periods.iter().flat_map(|period| cal.boundaries(&period.during, from, to)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Over `[from, to)`: greatest, least, time-weighted mean, or the integral over hours.
fn aggregate(op: AggregateOp, line: &Timeline, from: Instant, to: Instant) -> Option<Rat> {
    let first = line.partition_point(|(at, _)| *at <= from).checked_sub(1)?;
    let pieces = line.get(first..)?;
    let mut total: Option<Rat> = None;
    for (i, (start, value)) in pieces.iter().enumerate() {
        if *start >= to {
            break;
        }
        let value = value.as_ref()?;
        let end = pieces.get(i + 1).map_or(to, |next| next.0.min(to));
        let weight = Rat::int(end.since((*start).max(from)));
        total = Some(match (total, op) {
            (None, AggregateOp::Max | AggregateOp::Min) => value.clone(),
            (Some(total), AggregateOp::Max) => Rat::max_of(&total, value),
            (Some(total), AggregateOp::Min) => Rat::min_of(&total, value),
            (total, AggregateOp::Mean | AggregateOp::Sum) => total.unwrap_or_default() + value * &weight,
        });
    }
    let seconds = match op {
        AggregateOp::Max | AggregateOp::Min => return total,
        AggregateOp::Mean => Rat::int(to.since(from)),
        AggregateOp::Sum => Rat::int(3600),
    };
    total?.checked_div(&seconds)
}
