//! Feeds and what they carry.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::network::named;
use super::props::{Args, Props};
use super::signal::{Key, Made, wide};
use crate::ast::{ArgKind, Declaration, Expr, ExprKind, Ident};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    Domain, Feed, FeedColumn, FeedId, FeedOrigin, FeedTime, Reading, SignalId, SignalSource, Value,
};
use crate::quantity::{Rat, Type, Unit};

/// What is known of a feed before its uses settle the types of its columns.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// unit of its values, if declared, with its type
    unit: Option<(Unit, Span)>,
    /// declared range
    range: Option<(Rat, Rat)>,
    /// header of the column, if declared
    column: Option<String>,
    /// columns of a feed with several: what it is here -> header, unit
    columns: Vec<(String, String, Option<Unit>)>,
    /// the fallback as written, until the type is known
    fallback: Option<Expr>,
    /// value presumed where it covers nothing
    normal: Option<Expr>,
    /// it could not be read
    broken: bool,
    /// words, for a feed of words
    words: Option<Vec<String>>,
    used: bool,
}

impl<'a> Compiler<'a> {
    /// Reads all feeds.
    pub(super) fn feed_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.feeds {
            let id = FeedId::at(self.site.feeds.len());
            let before = self.findings.tally().errors;
            let (feed, mut pending) = self.read_feed(owned, id);
            pending.broken = self.findings.tally().errors > before;
            self.site.feeds.push(feed);
            self.feeds.push(pending);
        }
    }

    fn read_feed(&mut self, owned: &Owned<'a, Declaration>, id: FeedId) -> (Feed, Pending) {
        let node = owned.node;
        let (name, span) = named(node);
        let mut props = Props::new(format!("the feed `{name}`"), span, node.complete, &node.properties);
        let props = &mut props;
        let mut pending = Pending::default();
        let live = props.has("live");
        let origin = self.origin(props, &name, live, &mut pending);
        let time = self.feed_time(props);
        let stamp_start = match self.take(props, "stamp") {
            None => true,
            Some(mut args) => {
                let start = match args.word().map(|w| w.text.as_str()) {
                    Some("start") => true,
                    Some("end") => false,
                    _ => {
                        self.bad_value(&args, "`start` or `end`");
                        true
                    }
                };
                self.end(&args);
                start
            }
        };
        let sessions = self.flag(props, "sessions");
        let mut uneven = self.flag(props, "uneven");
        let step_s = match self.take(props, "step") {
            None => None,
            Some(mut args) => {
                if args.eat("uneven") {
                    uneven = true;
                    self.end(&args);
                }
                let at = args.here();
                if uneven {
                    None
                } else {
                    self.amount(args, Type::Duration).and_then(|v| self.positive_seconds(&v, at))
                }
            }
        };
        if step_s.is_none() && !uneven && !live && !sessions && !props.has("step") && node.complete {
            let declared = node.properties.iter().any(|p| p.key.as_ref().is_some_and(|k| k.text == "step"));
            if !declared {
                let finding = Diagnostic::error(
                    codes::MISSING_PROPERTY,
                    span,
                    format!("the feed `{name}` lacks its `step`"),
                );
                self.push(finding.help("add, for example, `step 15 min`, or `uneven`"));
            }
        }
        let typical_year = self.flag(props, "typical_year");
        self.feed_values(props, &mut pending);
        let props = std::mem::replace(props, Props::new(String::new(), span, true, &[]));
        self.finish(props);
        let feed = Feed {
            id,
            name,
            origin,
            time,
            stamp_start,
            step_s,
            columns: Vec::new(),
            typical_year,
            sessions,
            covers: None,
            span,
        };
        (feed, pending)
    }

    fn origin(&mut self, props: &mut Props<'a>, name: &str, live: bool, pending: &mut Pending) -> FeedOrigin {
        let mut max_age_s = None;
        if let Some(args) = self.take(props, "max_age") {
            let span = args.span();
            max_age_s = self.amount(args, Type::Duration);
            if !live {
                let finding = Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    span,
                    format!("the feed `{name}` is a file, which has no `max_age`"),
                );
                let finding =
                    finding.because("nobody asks how old a file is: a plan reads the values of its steps");
                self.push(
                    finding.help("remove it, or declare the feed `live`, with a `fallback` if it has one"),
                );
            }
        }
        if let Some(mut args) = self.take(props, "fallback") {
            if !live {
                let finding = Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    args.span(),
                    format!("the feed `{name}` is a file, which has no `fallback`"),
                );
                let finding = finding.because("a file does not grow old: what it says of a step counts");
                self.push(finding.help(
                    "write `normal` for the value where the file covers nothing, or declare the feed `live`",
                ));
            }
            match args.next().map(|a| &a.kind) {
                Some(ArgKind::Value(expr)) => pending.fallback = Some(expr.clone()),
                Some(ArgKind::Word(word)) => pending.fallback = Some(word_expr(word)),
                _ => self.bad_value(&args, "a value"),
            }
            self.end(&args);
        }
        if live {
            self.flag(props, "live");
            if let Some(args) = self.take(props, "file") {
                let finding = Diagnostic::error(
                    codes::DUPLICATE_PROPERTY,
                    args.span(),
                    format!("the feed `{name}` is either `live` or a `file`"),
                );
                self.push(finding);
            }
            return FeedOrigin::Live { max_age_s, fallback: None };
        }
        let mut path = String::new();
        if let Some(mut args) = self.need(props, "file", "file \"data/values.csv\"")
            && let Some((text, span)) = self.arg_text(&mut args, "a path in quotes")
        {
            self.end(&args);
            if let Err(finding) = self.repository.resolve(&text, span) {
                self.push(*finding);
            }
            path = text;
        }
        if let Some((replaced, _)) = self.repository.manifest.inputs.get(name) {
            path.clone_from(replaced);
        }
        FeedOrigin::File { path }
    }

    fn feed_time(&mut self, props: &mut Props<'a>) -> FeedTime {
        let Some(mut args) = self.take(props, "time") else { return FeedTime::Civil };
        let time = match args.word().map(|w| w.text.as_str()) {
            Some("civil") => FeedTime::Civil,
            Some("utc") => FeedTime::Utc,
            Some("offset") => match args.next() {
                Some(crate::ast::Arg { kind: ArgKind::Offset(offset), .. }) => {
                    self.real_offset(*offset).map_or(FeedTime::Utc, FeedTime::Offset)
                }
                _ => {
                    self.bad_value(&args, "an offset such as `+01:00`");
                    FeedTime::Utc
                }
            },
            _ => {
                self.bad_value(&args, "`civil`, `utc` or `offset +01:00`");
                FeedTime::Utc
            }
        };
        self.end(&args);
        time
    }

    /// `unit kW`, `column "load_kw"`, `range 0 kW .. 90 kW`, `values none | high`, `normal 3 kW`.
    fn feed_values(&mut self, props: &mut Props<'a>, pending: &mut Pending) {
        if let Some(mut args) = self.take(props, "unit") {
            let at = args.here();
            pending.unit = self.arg_unit(&mut args).map(|unit| (unit, at));
            self.end(&args);
        }
        for mut args in props.all("column") {
            // `column "temp_air"`, `column temperature "temp_air" degC`
            let what = args.word().map(|w| w.text.clone());
            let Some((header, _)) = self.arg_text(&mut args, "a column's header in quotes") else { continue };
            let unit = if args.is_done() { None } else { self.arg_unit(&mut args) };
            self.end(&args);
            match what {
                None => pending.column = Some(header),
                Some(what) => pending.columns.push((what, header, unit)),
            }
        }
        if let Some(mut args) = self.take(props, "range") {
            match args.peek().map(|a| &a.kind) {
                Some(ArgKind::Range(lo, hi)) => {
                    let at = args.here();
                    args.next();
                    let (a, b) = (self.constant_expr(lo), self.constant_expr(hi));
                    if let (Some(a), Some(b)) = (a, b) {
                        pending.range = self.ordered(a.lin.constant, b.lin.constant, at);
                        if a.ty != b.ty {
                            self.mismatch(b.ty, a.ty, hi.span);
                        }
                    }
                }
                _ => self.bad_value(&args, "a range: `0 kW .. 90 kW`"),
            }
            self.end(&args);
        }
        if let Some(mut args) = self.take(props, "values") {
            match args.next().map(|a| &a.kind) {
                Some(ArgKind::Choice(words)) => {
                    pending.words = Some(words.iter().map(|w| w.text.clone()).collect());
                }
                _ => self.bad_value(&args, "words: `none | moderate | high`"),
            }
            self.end(&args);
        }
        if let Some(mut args) = self.take(props, "normal") {
            match args.next().map(|a| &a.kind) {
                Some(ArgKind::Value(expr)) => pending.normal = Some(expr.clone()),
                _ => self.bad_value(&args, "a value"),
            }
            self.end(&args);
        }
    }

    /// A unit that stands alone: `kW`, `W/m2`, `"%"`.
    fn arg_unit(&mut self, args: &mut Args<'a>) -> Option<Unit> {
        if let Some(text) = args.text() {
            return self.unit_text(&text.value, text.span);
        }
        let Some(arg) = args.next() else {
            self.bad_value(args, "a unit such as `kW`");
            return None;
        };
        let text: String = self.slice(arg.span).split_whitespace().collect();
        self.unit_text(&text, arg.span)
    }

    /// The signal of a feed's values; `want` is the type that its use needs, `range` what the use
    /// allows where the feed declares none.
    pub(super) fn feed_signal(
        &mut self,
        id: FeedId,
        want: Option<Type>,
        range: Option<(Rat, Rat)>,
        span: Span,
    ) -> Option<SignalId> {
        let pending = self.feeds.get_mut(id.index())?;
        pending.used = true;
        if pending.broken {
            return None;
        }
        let feed = self.site.feeds.get(id.index())?;
        let (name, place) = (feed.name.clone(), feed.span);
        if feed.sessions {
            self.error_help(
                codes::WRONG_KIND,
                span,
                format!("the feed `{name}` brings vehicle sessions, not values"),
                "name it as `sessions` of a charger, or name a feed of values here",
            );
            return None;
        }
        let pending = self.feeds.get(id.index())?;
        let declared = pending.unit.as_ref().map(|(unit, at)| (unit.ty, *at));
        let ty = match (want, declared) {
            (Some(want), Some((ty, at)))
                if ty != want && !(ty == Type::TemperatureDifference && want == Type::Temperature) =>
            {
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    span,
                    format!("the feed `{name}` brings {}, and {} is needed here", ty.a(), want.a()),
                )
                .label(at, "its unit");
                self.push(finding);
                return None;
            }
            (Some(want), _) => want,
            (None, Some((ty, _))) => ty,
            (None, None) if pending.words.is_some() => Type::Symbol,
            (None, None) => Type::Number,
        };
        if let Some(known) = self.signals.get(&Key::Feed(id)).copied() {
            let first = self.site.signals.get(known.index()).map_or(ty, |s| s.ty);
            if want.is_some_and(|w| w != first) {
                self.error(
                    codes::TYPE_MISMATCH,
                    span,
                    format!(
                        "the feed `{name}` brings {} elsewhere, and {} is needed here",
                        first.a(),
                        ty.a()
                    ),
                );
                return None;
            }
            if let (Some((lo, hi)), None, Some(signal)) =
                (range, &pending.range, self.site.signals.get_mut(known.index()))
                && let Domain::Interval { lo: a, hi: b } = &mut signal.domain
            {
                // several uses: the values must fit none of them alone, so the widest stands
                *a = Rat::min_of(a, &lo);
                *b = Rat::max_of(b, &hi);
            }
            return Some(known);
        }
        let domain = match (&pending.words, pending.range.clone().or(range)) {
            (Some(words), _) if ty == Type::Symbol => Domain::Symbols(words.clone()),
            (_, Some((lo, hi))) => Domain::Interval { lo, hi },
            (_, None) => wide(ty),
        };
        let made =
            Made { name: format!("feed.{name}"), ty, domain, source: SignalSource::Feed(id), span: place };
        let signal = self.signal(Key::Feed(id), made);
        let header = self.feeds.get(id.index()).and_then(|p| p.column.clone()).unwrap_or(name);
        self.carry(id, signal, header, None, span);
        Some(signal)
    }

    /// Notes that a feed is used; whether it is broken.
    pub(super) fn feed_used(&mut self, id: FeedId) -> bool {
        self.feeds.get_mut(id.index()).is_none_or(|pending| {
            pending.used = true;
            pending.broken
        })
    }

    /// Makes a column of a feed carry a signal.
    pub(super) fn carry(
        &mut self,
        id: FeedId,
        signal: SignalId,
        header: String,
        unit: Option<Unit>,
        span: Span,
    ) {
        let Some(s) = self.site.signals.get(signal.index()) else { return };
        let ty = s.ty;
        let unit = unit.or_else(|| self.feeds.get(id.index()).and_then(|p| p.unit.clone().map(|(u, _)| u)));
        let unit = match unit {
            // `K` in a file of absolute temperatures
            Some(u) if u.ty == Type::TemperatureDifference && ty == Type::Temperature => {
                Some(Unit::absolute_kelvin())
            }
            Some(u) if u.ty == ty => Some(u),
            Some(u) => {
                self.error(
                    codes::TYPE_MISMATCH,
                    span,
                    format!("{} cannot be written in a unit of {}", ty.a(), u.ty),
                );
                None
            }
            None => Unit::lookup(&ty.shown_unit(&self.currency), &self.currency),
        };
        let (offset, factor) = unit.map_or((Rat::ZERO, Rat::ONE), |u| (u.offset, u.factor));
        let fallback = self.feeds.get(id.index()).and_then(|p| p.fallback.clone());
        let normal = self.feeds.get(id.index()).and_then(|p| p.normal.clone());
        let fallback = fallback.and_then(|expr| self.value_of(signal, &expr));
        let normal = normal.and_then(|expr| self.value_of(signal, &expr));
        let Some(feed) = self.site.feeds.get_mut(id.index()) else { return };
        if !feed.columns.iter().any(|c| c.signal == signal) {
            feed.columns.push(FeedColumn { column: header, signal, offset, factor });
        }
        let reading = match &mut feed.origin {
            FeedOrigin::File { .. } => None,
            FeedOrigin::Live { max_age_s, fallback: slot } => {
                if slot.is_none() {
                    slot.clone_from(&fallback);
                }
                // with a fallback the value is never unknown
                fallback.is_none().then(|| Reading { poll_s: None, max_age_s: max_age_s.clone() })
            }
        };
        if let Some(s) = self.site.signals.get_mut(signal.index()) {
            s.feed = Some(id);
            s.reading = reading;
            s.normal = normal.or(match fallback {
                Some(Value::Symbol(n)) => Some(Value::Symbol(n)),
                _ => None,
            });
        }
    }

    /// `weather { source feed.weather, temperature -20 degC .. 42 degC }`.
    pub(super) fn weather_statement(&mut self, declared: &Declared<'a>) {
        let Some(owned) = declared.weather else { return };
        let node = owned.node;
        let mut props =
            Props::new("the weather".to_owned(), node.keyword_span, node.complete, &node.properties);
        let mut source = None;
        if let Some(mut args) = self.take(&mut props, "source")
            && let Some(name) = self.arg_name(&mut args, "a feed: `source feed.weather`")
        {
            self.end(&args);
            source = self.feed_reference(name);
            self.weather_broken |= source.is_none();
        }
        let kinds: [(&'static str, Type); 11] = [
            ("temperature", Type::Temperature),
            ("irradiance", Type::Irradiance),
            ("wind_speed", Type::Speed),
            ("wind", Type::Speed),
            ("illuminance", Type::Illuminance),
            ("pressure", Type::Pressure),
            ("humidity", Type::Ratio),
            ("cloud", Type::Ratio),
            ("rain", Type::Number),
            ("snow", Type::Number),
            ("carbon", Type::CarbonIntensity),
        ];
        for (word, ty) in kinds {
            let Some(mut args) = self.take(&mut props, word) else { continue };
            let place = args.span();
            let explicit = Self::peek_range(&args);
            let range = self.weather_range(&mut args, ty);
            let mut feed = source;
            if args.eat("from")
                && let Some(name) = self.arg_name(&mut args, "a feed")
            {
                feed = self.feed_reference(name);
            }
            self.end(&args);
            let Some((lo, hi)) = range else {
                self.weather_broken = true;
                let _ = explicit;
                continue;
            };
            let made = Made {
                name: format!("weather.{word}"),
                ty,
                domain: Domain::Interval { lo, hi },
                source: SignalSource::Weather,
                span: place,
            };
            let signal = self.signal(Key::Weather(word.to_owned()), made);
            self.weather.insert(word.to_owned(), signal);
            if let Some(feed) = feed {
                self.carry_weather(feed, signal, word, place);
            }
        }
        self.finish(props);
    }

    fn peek_range(args: &Args<'a>) -> bool {
        matches!(args.peek().map(|a| &a.kind), Some(ArgKind::Range(..)))
    }

    /// A range of weather; a bare number is taken in the unit of the other end.
    fn weather_range(&mut self, args: &mut Args<'a>, ty: Type) -> Option<(Rat, Rat)> {
        let Some(ArgKind::Range(lo, hi)) = args.peek().map(|a| &a.kind) else {
            self.bad_value(args, &format!("the range of this {ty}"));
            return None;
        };
        let span = args.here();
        args.next();
        let a = self.low_end(lo, ty);
        let b = self.constant_of(hi, ty);
        self.ordered(a?, b?, span)
    }

    /// The lower end of a range: a plain `0` needs no unit where zero is zero in every unit.
    pub(super) fn low_end(&mut self, expr: &Expr, ty: Type) -> Option<Rat> {
        if let ExprKind::Quantity(q) = &expr.kind
            && q.unit.is_none()
            && ty != Type::Temperature
            && q.number.text.parse::<Rat>().is_ok_and(|n| n.is_zero())
        {
            return Some(Rat::ZERO);
        }
        self.constant_of(expr, ty)
    }

    fn carry_weather(&mut self, feed: FeedId, signal: SignalId, word: &str, span: Span) {
        let Some(pending) = self.feeds.get_mut(feed.index()) else { return };
        pending.used = true;
        if pending.broken {
            return;
        }
        let own = pending.columns.iter().find(|(what, ..)| what == word);
        let (header, unit) = match own {
            Some((_, header, unit)) => (header.clone(), unit.clone()),
            None => (word.to_owned(), None),
        };
        let default = match self.site.signals.get(signal.index()).map(|s| s.ty) {
            Some(ty) => Unit::lookup(&ty.shown_unit(&self.currency), &self.currency),
            None => None,
        };
        self.carry(feed, signal, header, unit.or(default), span);
    }

    /// Events and modes: signals of words.
    pub(super) fn event_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.events {
            self.read_event(owned);
        }
        for owned in &declared.modes {
            let node = owned.node;
            let words: Vec<String> = node.values.iter().map(|v| v.text.clone()).collect();
            self.distinct(&node.values);
            let name = node.name.as_ref().map_or_else(|| "mode".to_owned(), |n| n.text.clone());
            let place = node.name.as_ref().map_or(owned.span, |n| n.span);
            let ident = Ident { text: name.clone(), span: place };
            let made = Made {
                name: name.clone(),
                ty: Type::Symbol,
                domain: Domain::Symbols(words),
                source: SignalSource::Mode,
                span: place,
            };
            let next = SignalId::at(self.site.signals.len());
            if self.declare(&ident, super::names::Entity::Signal(next)) {
                let id = self.signal(Key::Word(name), made);
                if let Some(s) = self.site.signals.get_mut(id.index()) {
                    s.normal = Some(Value::Symbol(0));
                }
            }
        }
    }

    fn distinct(&mut self, words: &[Ident]) {
        let mut seen = std::collections::BTreeSet::new();
        for word in words {
            if !seen.insert(word.text.as_str()) {
                self.error_help(
                    codes::DUPLICATE_NAME,
                    word.span,
                    format!("the value `{}` stands twice", word.text),
                    "remove one of the two",
                );
            }
        }
    }

    fn read_event(&mut self, owned: &Owned<'a, Declaration>) {
        let node = owned.node;
        let Some(name) = &node.name else { return };
        let next = SignalId::at(self.site.signals.len());
        let mut props =
            Props::new(format!("the event `{}`", name.text), name.span, node.complete, &node.properties);
        let words = match self.take(&mut props, "level") {
            None => None,
            Some(mut args) => {
                let words = match args.next().map(|a| &a.kind) {
                    Some(ArgKind::Choice(words)) => {
                        self.distinct(words);
                        Some(words.iter().map(|w| w.text.clone()).collect::<Vec<_>>())
                    }
                    _ => {
                        self.bad_value(&args, "words: `none | moderate | high`");
                        Some(Vec::new())
                    }
                };
                self.end(&args);
                words
            }
        };
        let (ty, domain) = match words {
            Some(words) => (Type::Symbol, Domain::Symbols(words)),
            None => (Type::Bool, Domain::Bool),
        };
        if !self.declare(name, super::names::Entity::Signal(next)) {
            return;
        }
        let made = Made { name: name.text.clone(), ty, domain, source: SignalSource::Event, span: name.span };
        let id = self.signal(Key::Word(name.text.clone()), made);
        if let Some(mut args) = self.need(&mut props, "from", "from feed.dr_call")
            && let Some(feed_name) = self.arg_name(&mut args, "a feed: `from feed.dr_call`")
        {
            self.end(&args);
            if let Some(feed) = self.feed_reference(feed_name) {
                let broken = self.feeds.get_mut(feed.index()).is_none_or(|p| {
                    p.used = true;
                    p.broken
                });
                if !broken {
                    let header = self.feeds.get(feed.index()).and_then(|p| p.column.clone());
                    let header = header
                        .or_else(|| self.site.feeds.get(feed.index()).map(|f| f.name.clone()))
                        .unwrap_or_default();
                    self.carry(feed, id, header, None, feed_name.span);
                }
            }
        }
        self.finish(props);
    }

    /// Feeds that nothing uses carry their own signal, so that they can be given and checked.
    pub(super) fn finish_feeds(&mut self) {
        for at in 0..self.site.feeds.len() {
            let id = FeedId::at(at);
            let Some(feed) = self.site.feeds.get(at) else { continue };
            let (sessions, span) = (feed.sessions, feed.span);
            let open = self.feeds.get(at).is_some_and(|p| !p.broken && !p.used);
            if open && !sessions {
                self.feed_signal(id, None, None, span);
            }
        }
    }
}

fn word_expr(word: &Ident) -> Expr {
    let part = crate::ast::Part { ident: word.clone(), index: None };
    Expr { kind: ExprKind::Name(crate::ast::Name { parts: vec![part], span: word.span }), span: word.span }
}
