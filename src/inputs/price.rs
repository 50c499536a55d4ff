//! Prices of a tariff over time.

use crate::calendar::{Calendar, Instant};
use crate::ir::{AggregateOp, Price, Tariff};
use crate::quantity::Rat;

/// Values from each instant to the next, the last to `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Rising; never two equal values in a row.
    pub values: Vec<(Instant, Rat)>,
    /// Where the last one ends.
    pub end: Instant,
}

impl Pieces {
    /// The value at an instant; `None` outside.
    #[must_use]
    pub fn at(&self, at: Instant) -> Option<&Rat> {
        if at >= self.end {
            return None;
        }
        let place = self.values.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        self.values.get(place).map(|(_, value)| value)
    }

    /// An aggregate over `[from, to)`; `sum` is the integral over hours. `None` where it is not
    /// covered whole.
    #[must_use]
    pub fn aggregate(&self, op: AggregateOp, from: Instant, to: Instant) -> Option<Rat> {
        if from >= to || to > self.end {
            return None;
        }
        let first = self.values.partition_point(|(start, _)| *start <= from).checked_sub(1)?;
        let inside = || self.values.iter().skip(first).take_while(|(start, _)| *start < to);
        match op {
            AggregateOp::Max => inside().map(|(_, value)| value).max().cloned(),
            AggregateOp::Min => inside().map(|(_, value)| value).min().cloned(),
            AggregateOp::Mean | AggregateOp::Sum => {
                let ends = inside().skip(1).map(|(start, _)| *start).chain(std::iter::once(to));
                let mut weighted = Rat::ZERO;
                for ((start, value), end) in inside().zip(ends) {
                    weighted += &(value * &Rat::int(end.since((*start).max(from))));
                }
                let over = if op == AggregateOp::Sum { 3600 } else { to.since(from) };
                weighted.checked_div(&Rat::int(over))
            }
        }
    }
}

/// Import or export price of a tariff by period over `[from, to)`, currency/kWh; where no period
/// holds and nothing is said `otherwise` it is 0 (EVL0501 reports such tariffs). `None` for a
/// real-time price, which is a feed.
#[must_use]
pub fn price_pieces(
    calendar: &Calendar,
    tariff: &Tariff,
    export: bool,
    from: Instant,
    to: Instant,
) -> Option<Pieces> {
    let price = if export { tariff.export.as_ref() } else { Some(&tariff.import) };
    let (periods, otherwise) = match price {
        None => (&[][..], None),
        Some(Price::Periods { periods, otherwise, .. }) => (periods.as_slice(), otherwise.as_ref()),
        Some(Price::Feed(..)) => return None,
    };
    let mut cuts = vec![from];
    for period in periods {
        cuts.extend(calendar.boundaries(&period.during, from, to));
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut values: Vec<(Instant, Rat)> = Vec::with_capacity(cuts.len());
    for at in cuts {
        let holds = periods.iter().find(|period| calendar.contains(&period.during, at));
        let value = holds.map(|period| &period.price).or(otherwise).cloned().unwrap_or_default();
        if values.last().is_none_or(|(_, last)| *last != value) {
            values.push((at, value));
        }
    }
    Some(Pieces { values, end: to })
}
