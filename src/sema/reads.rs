//! What a signal that a guarded statement reads means by its declarations (semantics.md 20): its range or
//! words, how old it may be, the file, column, unit and clock of its feed, and the register of its device's
//! profile. The rows are readings.

use std::collections::BTreeMap;

use crate::ir::{
    Domain, FamilyId, Feed, FeedOrigin, FeedTime, Price, Signal, SignalId, SignalSource, Site, Value,
};
use crate::quantity::{Rat, show};
use crate::repo::LoadedProfile;

/// Something that is declared of a signal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    /// In words.
    pub(super) shown: String,
    /// What the words round or leave out: numbers in canonical units, the rest of a register.
    exact: Vec<String>,
}

/// A policy with the profiles of its devices.
#[derive(Clone, Copy)]
pub(super) struct Declared<'d> {
    pub(super) site: &'d Site,
    pub(super) profiles: &'d BTreeMap<String, LoadedProfile>,
}

/// What is declared of a signal that is no aggregate, or of that from which it derives.
pub(super) fn facts(declared: Declared<'_>, id: SignalId) -> Vec<Fact> {
    let site = declared.site;
    let Some(signal) = site.signal(id) else { return Vec::new() };
    let price = |price: &Price| match price {
        Price::Feed(of, _) => facts(declared, *of),
        Price::Periods { .. } => Vec::new(),
    };
    match &signal.source {
        // what it is taken of is read itself
        SignalSource::Aggregate { .. } => Vec::new(),
        SignalSource::ImportPrice(tariff) => {
            site.tariffs.get(tariff.index()).map(|tariff| price(&tariff.import)).unwrap_or_default()
        }
        SignalSource::ExportPrice(tariff) => {
            let export = site.tariffs.get(tariff.index()).and_then(|tariff| tariff.export.as_ref());
            export.map(price).unwrap_or_default()
        }
        // what a device can do is no reading of it
        SignalSource::Measured(family, attr) => {
            age(signal).into_iter().chain(register(declared, signal, *family, attr.name())).collect()
        }
        SignalSource::ZoneState(zone, attr) => {
            let told = site.zone(*zone).into_iter().flat_map(|zone| &zone.thermostats);
            let told = told.filter_map(|family| register(declared, signal, *family, attr.name()));
            age(signal).into_iter().chain(told).collect()
        }
        SignalSource::Sensor(family, point) => {
            let mut found = own(site, signal);
            found.extend(register(declared, signal, *family, point));
            found
        }
        SignalSource::Weather | SignalSource::Feed(_) | SignalSource::Event | SignalSource::Mode => {
            own(site, signal)
        }
    }
}

/// What its own declaration says of a signal, and its feed's.
fn own(site: &Site, signal: &Signal) -> Vec<Fact> {
    let feed = signal.feed.and_then(|feed| site.feeds.get(feed.index()));
    let mut found = vec![range(site, signal)];
    found.extend(age(signal));
    found.extend(feed.map(|feed| carried(site, signal, feed)));
    found.extend(signal.normal.as_ref().map(|normal| value(site, signal, "normally", normal)));
    found
}

/// The register in which a device shows it.
fn register(declared: Declared<'_>, signal: &Signal, family: FamilyId, measure: &str) -> Option<Fact> {
    let family = declared.site.family(family)?;
    let profile = &declared.profiles.get(family.profile.as_ref()?)?.profile;
    let measure = profile.measures.get(measure)?;
    let point = profile.points.get(&measure.point)?;
    let mut shown = format!("`{}` at `{}` in `{}`", signal.name, point.at, profile.profile);
    if let Some(unit) = &point.unit {
        let scale = point.scale.as_ref().map_or(String::new(), |scale| format!("{scale} "));
        shown += &format!(" in {scale}{unit}");
    }
    // these types cannot fail to be written
    let whole = serde_json::to_string(&(measure, point)).unwrap_or_default();
    Some(Fact { shown, exact: vec![whole] })
}

fn range(site: &Site, signal: &Signal) -> Fact {
    let name = &signal.name;
    match &signal.domain {
        Domain::Interval { lo, hi } => {
            let [from, to] = [lo, hi].map(|end| show(end, signal.ty, &site.currency));
            let exact = [lo, hi].map(ToString::to_string).to_vec();
            Fact { shown: format!("`{name}` from {from} to {to}"), exact }
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
    Some(Fact { shown, exact: Vec::new() })
}

fn value(site: &Site, signal: &Signal, how: &str, value: &Value) -> Fact {
    let (text, exact) = match value {
        Value::Number(number) => (show(number, signal.ty, &site.currency), vec![number.to_string()]),
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
        exact.extend([&column.offset, &column.factor].map(ToString::to_string));
        // canonical = (written + offset) x factor
        match (column.offset.is_zero(), column.factor == Rat::ONE) {
            (true, true) => {}
            (false, true) => shown += &format!(" plus {}", column.offset),
            (true, false) => shown += &format!(" times {}", column.factor),
            (false, false) => shown += &format!(" plus {}, times {}", column.offset, column.factor),
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
