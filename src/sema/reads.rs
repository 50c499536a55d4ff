//! What a signal that a guarded statement reads means by its declarations (semantics.md 20): its range or
//! words, how old it may be, and the file, column, unit and clock of its feed. The rows are readings.

use crate::ir::{Domain, Feed, FeedOrigin, FeedTime, Price, Signal, SignalId, SignalSource, Site, Value};
use crate::quantity::{Rat, show};

/// Something that is declared of a signal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    /// In words.
    pub(super) shown: String,
    /// Its numbers, canonical, which the words may round.
    exact: Vec<Rat>,
}

/// What is declared of a signal, or of that from which it derives.
pub(super) fn facts(site: &Site, id: SignalId) -> Vec<Fact> {
    let Some(signal) = site.signal(id) else { return Vec::new() };
    let price = |price: &Price| match price {
        Price::Feed(of, _) => facts(site, *of),
        Price::Periods { .. } => Vec::new(),
    };
    match &signal.source {
        SignalSource::Aggregate { of, .. } => facts(site, *of),
        SignalSource::ImportPrice(tariff) => {
            site.tariffs.get(tariff.index()).map(|tariff| price(&tariff.import)).unwrap_or_default()
        }
        SignalSource::ExportPrice(tariff) => {
            let export = site.tariffs.get(tariff.index()).and_then(|tariff| tariff.export.as_ref());
            export.map(price).unwrap_or_default()
        }
        // what a device can is no reading of it
        SignalSource::Measured(..) | SignalSource::ZoneState(..) => Vec::new(),
        SignalSource::Weather
        | SignalSource::Feed(_)
        | SignalSource::Sensor(..)
        | SignalSource::Event
        | SignalSource::Mode => {
            let feed = signal.feed.and_then(|feed| site.feeds.get(feed.index()));
            let mut found = vec![range(site, signal)];
            found.extend(age(signal));
            found.extend(feed.map(|feed| carried(site, signal, feed)));
            found.extend(signal.normal.as_ref().map(|normal| value(site, signal, "normally", normal)));
            found
        }
    }
}

fn range(site: &Site, signal: &Signal) -> Fact {
    let name = &signal.name;
    match &signal.domain {
        Domain::Interval { lo, hi } => {
            let [from, to] = [lo, hi].map(|end| show(end, signal.ty, &site.currency));
            Fact { shown: format!("`{name}` from {from} to {to}"), exact: vec![lo.clone(), hi.clone()] }
        }
        Domain::Bool => Fact { shown: format!("`{name}` on or off"), exact: Vec::new() },
        Domain::Symbols(words) => {
            Fact { shown: format!("`{name}` one of `{}`", words.join(" | ")), exact: Vec::new() }
        }
    }
}

fn age(signal: &Signal) -> Option<Fact> {
    let reading = signal.reading.as_ref()?;
    let seconds = |time: &Option<Rat>| time.as_ref().map_or("never".to_owned(), |s| format!("{s} s"));
    let (poll, age) = (seconds(&reading.poll_s), seconds(&reading.max_age_s));
    let shown = format!("`{}` polled every {poll}, stale after {age}", signal.name);
    let exact = reading.poll_s.iter().chain(&reading.max_age_s).cloned().collect();
    Some(Fact { shown, exact })
}

fn value(site: &Site, signal: &Signal, how: &str, value: &Value) -> Fact {
    let (text, exact) = match value {
        Value::Number(number) => (show(number, signal.ty, &site.currency), vec![number.clone()]),
        Value::Bool(on) => (if *on { "on" } else { "off" }.to_owned(), Vec::new()),
        Value::Symbol(at) => {
            let word = match &signal.domain {
                Domain::Symbols(words) => usize::try_from(*at).ok().and_then(|at| words.get(at)).cloned(),
                _ => None,
            };
            (word.unwrap_or_default(), Vec::new())
        }
    };
    Fact { shown: format!("`{}` {how} {text}", signal.name), exact }
}

/// Where the values of a signal stand, and how they are read there.
fn carried(site: &Site, signal: &Signal, feed: &Feed) -> Fact {
    let mut exact = Vec::new();
    let mut shown = format!("`{}`", signal.name);
    if let Some(column) = feed.columns.iter().find(|column| column.signal == signal.id) {
        shown += &format!(" in column `{}`", column.column);
        exact.extend([column.offset.clone(), column.factor.clone()]);
        // canonical = (written + offset) x factor
        if !column.offset.is_zero() || column.factor != Rat::ONE {
            shown += &format!(" (plus {}, times {})", column.offset, column.factor);
        }
    }
    match &feed.origin {
        FeedOrigin::File { path } => shown += &format!(" of `{path}`"),
        FeedOrigin::Live { max_age_s, fallback } => {
            shown += &format!(" of the live feed `{}`", feed.name);
            if let Some(age) = max_age_s {
                shown += &format!(", stale after {age} s");
            }
            if let Some(fallback) = fallback {
                let fallback = value(site, signal, "or else", fallback);
                shown += &format!(", {}", fallback.shown);
                exact.extend(fallback.exact);
            }
        }
    }
    let clock = match feed.time {
        FeedTime::Civil => "civil time".to_owned(),
        FeedTime::Utc => "UTC".to_owned(),
        FeedTime::Offset(seconds) => format!("UTC and {seconds} s"),
    };
    let stamp = if feed.stamp_start { "start" } else { "end" };
    let step = feed.step_s.map_or("uneven".to_owned(), |step| format!("of {step} s"));
    shown += &format!(", stamps {stamp} steps {step} in {clock}");
    if feed.typical_year {
        shown += " of a typical year";
    }
    Fact { shown, exact }
}
