//! Inputs on the steps of a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::price::{Pieces, price_pieces};
use super::reads::{Reads, longest_window};
use super::{Inputs, Step};
use crate::bundle::{PlanDocument, Presumption, Quantity, Series, State, signal_name, written};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::ir::{Domain, FeedOrigin, SigRef, Signal, SignalId, SignalSource, Site, TariffId, Value};
use crate::quantity::Rat;

/// Exact means and readings of everything that a plan reads from outside, one a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnSteps {
    means: BTreeMap<SigRef, Vec<Rat>>,
    readings: BTreeMap<SigRef, Vec<Option<Value>>>,
    presumes: Vec<Presumption>,
}

impl OnSteps {
    /// Puts the means of a signal in by hand, for tests of rooms that read them.
    #[cfg(test)]
    pub(crate) fn put(&mut self, signal: SigRef, values: Vec<Rat>) {
        self.means.insert(signal, values);
    }

    /// Puts the readings of a signal in by hand, for tests of rooms that read them.
    #[cfg(test)]
    pub(crate) fn put_readings(&mut self, signal: SigRef, values: Vec<Option<Value>>) {
        self.readings.insert(signal, values);
    }

    /// Means over the steps, canonical unit; `None` for what no plan reads so.
    #[must_use]
    pub fn means(&self, signal: &SigRef) -> Option<&[Rat]> {
        self.means.get(signal).map(Vec::as_slice)
    }

    /// Mean over one step.
    #[must_use]
    pub fn mean(&self, signal: &SigRef, step: usize) -> Option<&Rat> {
        self.means.get(signal)?.get(step)
    }

    /// What guards and bounds read at a step's beginning: every signal that a rule names and the
    /// plan does not decide; `None`: unknown.
    pub fn readings(&self, step: usize) -> impl Iterator<Item = (&SigRef, Option<&Value>)> {
        self.readings.iter().filter_map(move |(signal, values)| Some((signal, values.get(step)?.as_ref())))
    }

    /// Values taken for granted because no feed gives them (planner.md 9).
    #[must_use]
    pub fn presumes(&self) -> &[Presumption] {
        &self.presumes
    }

    /// As the document's *given* series.
    #[must_use]
    pub fn series(&self, site: &Site) -> Vec<Series> {
        let unit = |signal: &SigRef| match signal {
            SigRef::Only(id) | SigRef::Member(id, _) => {
                site.signal(*id).map(|s| canonical_unit(s, &site.currency)).unwrap_or_default()
            }
            SigRef::Bound(_) => String::new(),
        };
        let mut out = Vec::new();
        for (signal, values) in &self.means {
            let of = signal_name(site, signal).unwrap_or_default();
            out.push(Series { of, quantity: Quantity::Mean, unit: unit(signal), values: values.clone() });
        }
        for (signal, values) in &self.readings {
            let of = signal_name(site, signal).unwrap_or_default();
            let (known, values): (Vec<bool>, Vec<Rat>) = values
                .iter()
                .map(|value| (value.is_some(), value.as_ref().map_or(Rat::ZERO, number)))
                .unzip();
            out.push(Series { of: of.clone(), quantity: Quantity::Reading, unit: unit(signal), values });
            if known.contains(&false) {
                let values = known.iter().map(|known| Rat::int(i64::from(*known))).collect();
                out.push(Series { of, quantity: Quantity::Known, unit: String::new(), values });
            }
        }
        out
    }

    /// What a plan document says was given.
    ///
    /// # Errors
    /// EVL1106 where it names a signal that the site does not have, or has not one value a step.
    pub fn from_plan(site: &Site, plan: &PlanDocument) -> Result<Self, Diagnostic> {
        let reads = Reads::of(site);
        let mut out = Self { presumes: plan.presumes.clone(), ..Self::default() };
        let wrong = |message: String| Diagnostic::nowhere(codes::PLAN_VIOLATES, Severity::Error, message);
        let mut given: BTreeMap<(String, Quantity), &Series> = BTreeMap::new();
        for series in &plan.given {
            if series.values.len() != plan.steps.len() {
                return Err(wrong(format!("the given series of `{}` has not one value a step", series.of)));
            }
            if given.insert((series.of.clone(), series.quantity), series).is_some() {
                return Err(wrong(format!("the given series of `{}` stands twice", series.of)));
            }
        }
        for series in &plan.given {
            let known = |signal: &SigRef| signal_name(site, signal).as_deref() == Some(series.of.as_str());
            let signal = reads.means.iter().chain(&reads.readings).find(|signal| known(signal));
            let unit = match (series.quantity, signal.and_then(|signal| declared(site, signal))) {
                (Quantity::Known, _) | (_, None) => String::new(),
                (_, Some(signal)) => canonical_unit(signal, &site.currency),
            };
            if signal.is_some() && series.unit != unit {
                return Err(wrong(format!(
                    "the given series of `{}` is in `{}`, not in `{unit}`",
                    series.of, series.unit
                )));
            }
        }
        for signal in &reads.means {
            let name = signal_name(site, signal).unwrap_or_default();
            let series = given
                .remove(&(name.clone(), Quantity::Mean))
                .ok_or_else(|| wrong(format!("the plan does not give `{name}`")))?;
            out.means.insert(signal.clone(), series.values.clone());
        }
        for signal in &reads.readings {
            let name = signal_name(site, signal).unwrap_or_default();
            let series = given
                .remove(&(name.clone(), Quantity::Reading))
                .ok_or_else(|| wrong(format!("the plan does not give `{name}`")))?;
            let known = given.remove(&(name.clone(), Quantity::Known));
            let declared = declared(site, signal);
            let values = series.values.iter().enumerate().map(|(step, n)| {
                let known = known.and_then(|k| k.values.get(step)).is_none_or(|k| !k.is_zero());
                known.then(|| declared.map(|s| value(s, n))).flatten()
            });
            out.readings.insert(signal.clone(), values.collect());
        }
        match given.keys().next() {
            Some((name, _)) => Err(wrong(format!("the plan gives `{name}`, which nothing reads"))),
            None => Ok(out),
        }
    }

    /// Names of the signals of which a document presumes, or gives, something else than state and
    /// policy say: of signals that no file carries both follow without one.
    #[must_use]
    pub fn against_presumptions(&self, site: &Site, state: &State) -> Vec<String> {
        let reads = Reads::of(site);
        let mut wanted: BTreeMap<String, Presumption> = BTreeMap::new();
        let mut wrong: BTreeSet<String> = BTreeSet::new();
        for signal in reads.means.iter().chain(&reads.readings) {
            let (base, aggregate) = match declared(site, signal).map(|s| &s.source) {
                Some(SignalSource::Aggregate { of, .. }) => (aggregated(signal, *of), true),
                _ => (signal.clone(), false),
            };
            let Some(known) = declared(site, &base).filter(|known| is_presumed(site, known)) else {
                continue;
            };
            let Some((first, then)) = granted(site, state, &base, known) else { continue };
            let name = signal_name(site, &base).unwrap_or_default();
            wanted
                .insert(name.clone(), presumption(site, known, name.clone(), first.as_ref(), then.as_ref()));
            let expected = |step: usize| if step == 0 { &first } else { &then };
            let readings = self.readings.get(signal).filter(|_| !aggregate);
            let differs = readings
                .is_some_and(|values| values.iter().enumerate().any(|(step, value)| value != expected(step)));
            let means = self.means.get(signal);
            let off = means.is_some_and(|values| {
                let number = |step| expected(step).as_ref().map(number);
                values.iter().enumerate().any(|(step, n)| number(step).as_ref() != Some(n))
            });
            if differs || off {
                wrong.insert(name);
            }
        }
        let listed: BTreeMap<&str, &Presumption> =
            self.presumes.iter().map(|presumed| (presumed.signal.as_str(), presumed)).collect();
        let unlike = wanted.iter().filter(|(name, presumed)| listed.get(name.as_str()) != Some(presumed));
        wrong.extend(unlike.map(|(name, _)| name.clone()));
        wrong.into_iter().collect()
    }
}

/// The signal of which another is an aggregate.
fn aggregated(signal: &SigRef, of: SignalId) -> SigRef {
    match signal {
        SigRef::Member(_, index) => SigRef::Member(of, *index),
        _ => SigRef::Only(of),
    }
}

/// Whether no file and no tariff gives the signal, so that a plan takes it for granted.
fn is_presumed(site: &Site, signal: &Signal) -> bool {
    let feed = signal.feed.and_then(|id| site.feeds.get(id.index()));
    let filed = feed.is_some_and(|feed| matches!(feed.origin, FeedOrigin::File { .. }));
    let priced = matches!(signal.source, SignalSource::ImportPrice(_) | SignalSource::ExportPrice(_));
    !filed && !priced
}

/// What a plan takes for granted of a signal, in the first step and after (planner.md 9); `None` where
/// neither state nor policy says anything.
fn granted(
    site: &Site,
    state: &State,
    signal: &SigRef,
    known: &Signal,
) -> Option<(Option<Value>, Option<Value>)> {
    let fallback = match known.feed.and_then(|id| site.feeds.get(id.index())).map(|feed| &feed.origin) {
        Some(FeedOrigin::Live { fallback, .. }) => fallback.clone(),
        _ => None,
    };
    let present = state.signal(site, signal);
    let normal = known.normal.clone().or(fallback);
    let first = present.clone().unwrap_or_else(|| normal.clone());
    let then = normal.or_else(|| first.clone());
    (present.is_some() || first.is_some()).then_some((first, then))
}

fn presumption(
    site: &Site,
    known: &Signal,
    signal: String,
    first: Option<&Value>,
    then: Option<&Value>,
) -> Presumption {
    let words = |v: Option<&Value>| v.map_or_else(|| "unknown".to_owned(), |v| written(site, known, v));
    Presumption { signal, first: words(first), then: words(then) }
}

fn canonical_unit(signal: &Signal, currency: &str) -> String {
    use crate::quantity::Type;
    match signal.ty {
        Type::Temperature => "K".to_owned(),
        Type::Ratio => "1".to_owned(),
        Type::CarbonIntensity => "kg/kWh".to_owned(),
        ty => ty.shown_unit(currency),
    }
}

fn declared<'a>(site: &'a Site, signal: &SigRef) -> Option<&'a Signal> {
    match signal {
        SigRef::Only(id) | SigRef::Member(id, _) => site.signal(*id),
        SigRef::Bound(_) => None,
    }
}

fn number(value: &Value) -> Rat {
    match value {
        Value::Number(n) => n.clone(),
        Value::Bool(b) => Rat::int(i64::from(*b)),
        Value::Symbol(s) => Rat::from(*s),
    }
}

fn value(signal: &Signal, n: &Rat) -> Value {
    match signal.domain {
        Domain::Interval { .. } => Value::Number(n.clone()),
        Domain::Bool => Value::Bool(!n.is_zero()),
        Domain::Symbols(_) => Value::Symbol(n.to_i64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)),
    }
}

/// Where a signal's values come from.
enum Source<'a> {
    Track(&'a super::Track),
    Price(Pieces),
    /// In the first step, and after.
    Presumed(Option<Value>, Option<Value>),
}

struct Resolver<'a> {
    site: &'a Site,
    calendar: &'a Calendar,
    inputs: &'a Inputs,
    state: &'a State,
    steps: &'a [Step],
    from: Instant,
    /// The end of the last step and the longest window of an aggregate.
    reach: Instant,
}

impl Inputs {
    /// Everything that a plan of the site reads from outside, on its steps (which follow each other).
    ///
    /// # Errors
    /// EVL1005 for a feed that does not cover the horizon and the longest window beyond it, EVL1003
    /// for a signal that has no feed, no present value in the state and no declared `normal`.
    pub fn on(
        &self,
        site: &Site,
        calendar: &Calendar,
        state: &State,
        steps: &[Step],
    ) -> Result<OnSteps, Diagnostics> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return Ok(OnSteps::default());
        };
        let reach = last.end.plus(longest_window(site));
        let resolver = Resolver { site, calendar, inputs: self, state, steps, from: first.start, reach };
        let (mut out, mut findings) = (OnSteps::default(), Diagnostics::new());
        let reads = Reads::of(site);
        for signal in &reads.means {
            match resolver.means(signal, &mut out.presumes) {
                Ok(values) => {
                    out.means.insert(signal.clone(), values);
                }
                Err(finding) => findings.push(finding),
            }
        }
        for signal in &reads.readings {
            match resolver.readings(signal, &mut out.presumes) {
                Ok(values) => {
                    out.readings.insert(signal.clone(), values);
                }
                Err(finding) => findings.push(finding),
            }
        }
        out.presumes.sort();
        out.presumes.dedup();
        if findings.is_empty() { Ok(out) } else { Err(findings) }
    }
}

impl<'a> Resolver<'a> {
    fn name(&self, signal: &SigRef) -> String {
        signal_name(self.site, signal).unwrap_or_default()
    }

    fn not_covered(&self, signal: &SigRef, from: Instant, to: Instant) -> Diagnostic {
        let feed = declared(self.site, signal).and_then(|s| s.feed);
        let feed = feed.and_then(|id| self.site.feeds.get(id.index()));
        let message = format!("`{}` has no values for {from} .. {to}", self.name(signal));
        let finding = match feed {
            Some(feed) => Diagnostic::error(codes::MISSING_INPUT, feed.span, message),
            None => Diagnostic::nowhere(codes::MISSING_INPUT, Severity::Error, message),
        };
        let covers = self.inputs.track(signal).map(super::Track::covers);
        let finding = match covers {
            Some((first, end)) => finding.because(format!("its values reach from {first} to {end}")),
            None => finding,
        };
        finding.help(format!("feeds must cover {} .. {}", self.from, self.reach))
    }

    fn source(&self, signal: &SigRef, presumes: &mut Vec<Presumption>) -> Result<Source<'a>, Diagnostic> {
        if let Some(track) = self.inputs.track(signal) {
            return Ok(Source::Track(track));
        }
        let Some(declared) = declared(self.site, signal) else {
            return Ok(Source::Presumed(None, None));
        };
        let tariff = |id: &TariffId| self.site.tariffs.get(id.index());
        let priced = match &declared.source {
            SignalSource::ImportPrice(id) => tariff(id).map(|t| (t, false)),
            SignalSource::ExportPrice(id) => tariff(id).map(|t| (t, true)),
            _ => None,
        };
        if let Some(pieces) =
            priced.and_then(|(t, export)| price_pieces(self.calendar, t, export, self.from, self.reach))
        {
            return Ok(Source::Price(pieces));
        }
        let feed = declared.feed.and_then(|id| self.site.feeds.get(id.index()));
        // the values of a file are read, never presumed
        if feed.is_some_and(|feed| matches!(feed.origin, FeedOrigin::File { .. })) {
            let last = self.steps.last().map_or(self.reach, |s| s.end);
            return Err(self.not_covered(signal, self.from, last));
        }
        let Some((first, then)) = granted(self.site, self.state, signal, declared) else {
            return Err(Diagnostic::error(
                codes::MISSING_STATE,
                declared.span,
                format!("nothing gives `{}` a value", self.name(signal)),
            )
            .help(format!(
                "add its present value to `signals` in the state, a feed, or declare its `normal` value ({})",
                declared.ty.name()
            )));
        };
        presumes.push(presumption(self.site, declared, self.name(signal), first.as_ref(), then.as_ref()));
        Ok(Source::Presumed(first, then))
    }

    fn means(&self, signal: &SigRef, presumes: &mut Vec<Presumption>) -> Result<Vec<Rat>, Diagnostic> {
        let unknown = || {
            let message = format!("`{}` is unknown, and the plan needs its value", self.name(signal));
            Diagnostic::nowhere(codes::MISSING_STATE, Severity::Error, message)
        };
        match self.source(signal, presumes)? {
            Source::Track(track) => track
                .means(self.steps.iter().map(|step| (step.start, step.end)))
                .map_err(|(from, to)| self.not_covered(signal, from, to)),
            Source::Price(pieces) => self
                .steps
                .iter()
                .map(|step| {
                    pieces
                        .aggregate(crate::ir::AggregateOp::Mean, step.start, step.end)
                        .ok_or_else(|| self.not_covered(signal, step.start, step.end))
                })
                .collect(),
            Source::Presumed(first, then) => {
                let first = first.as_ref().map(number).ok_or_else(unknown)?;
                let then = then.as_ref().map(number).ok_or_else(unknown)?;
                Ok((0..self.steps.len())
                    .map(|step| if step == 0 { first.clone() } else { then.clone() })
                    .collect())
            }
        }
    }

    fn readings(
        &self,
        signal: &SigRef,
        presumes: &mut Vec<Presumption>,
    ) -> Result<Vec<Option<Value>>, Diagnostic> {
        let aggregate = declared(self.site, signal).and_then(|s| match s.source {
            SignalSource::Aggregate { op, of, over_s } => Some((op, of, over_s)),
            _ => None,
        });
        let Some((op, of, over_s)) = aggregate.filter(|_| self.inputs.track(signal).is_none()) else {
            let source = self.source(signal, presumes)?;
            return self.points(signal, &source);
        };
        let base = aggregated(signal, of);
        let source = self.source(&base, presumes)?;
        let presumed = match &source {
            Source::Presumed(first, then) => self.presumed(first.as_ref(), then.as_ref()),
            _ => None,
        };
        self.steps
            .iter()
            .map(|step| {
                let to = step.start.plus(over_s);
                let found = match &source {
                    Source::Track(track) => track.aggregate(op, step.start, to),
                    Source::Price(pieces) => pieces.aggregate(op, step.start, to),
                    Source::Presumed(..) => match &presumed {
                        Some(pieces) => pieces.aggregate(op, step.start, to),
                        None => return Ok(None),
                    },
                };
                found.map(|n| Some(Value::Number(n))).ok_or_else(|| self.not_covered(&base, step.start, to))
            })
            .collect()
    }

    fn points(&self, signal: &SigRef, source: &Source<'_>) -> Result<Vec<Option<Value>>, Diagnostic> {
        let declared = declared(self.site, signal);
        self.steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                let missing = || self.not_covered(signal, step.start, step.end);
                let found = match source {
                    Source::Track(track) => track.at(step.start).ok_or_else(missing)?,
                    Source::Price(pieces) => pieces.at(step.start).cloned().ok_or_else(missing)?,
                    Source::Presumed(first, then) => {
                        return Ok(if index == 0 { first.clone() } else { then.clone() });
                    }
                };
                Ok(declared.map(|signal| value(signal, &found)))
            })
            .collect()
    }

    /// A presumed value over time: one in the first step, another after.
    fn presumed(&self, first: Option<&Value>, then: Option<&Value>) -> Option<Pieces> {
        let first_end = self.steps.first().map_or(self.from, |step| step.end);
        let (first, then) = (number(first?), number(then?));
        let mut values = vec![(self.from, first)];
        if values.last().is_some_and(|(_, last)| *last != then) && first_end < self.reach {
            values.push((first_end, then));
        }
        Some(Pieces { values, end: self.reach })
    }
}
