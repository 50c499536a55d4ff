//! Signals: everything that a guard or a bound can read, made when it is first named.

use super::Compiler;
use super::expr::{Num, Val};
use super::guard::head_text;
use super::names::{Entity, nearest};
use crate::ast::{self, Index, WindowSide};
use crate::bundle::{register_step, thousandth};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    AggregateOp, Attr, Domain, FamilyId, FeedId, Guard, Lin, Model, Price, Reading, SigRef, Signal, SignalId,
    SignalSource, TariffId, Value, ZoneId,
};
use crate::quantity::{Rat, Type};

/// What makes a signal the same as another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Point(FamilyId, String),
    Measured(FamilyId, Attr),
    Zone(ZoneId, Attr),
    Weather(String),
    Feed(FeedId),
    Import(TariffId),
    Export(TariffId),
    Word(String),
    Aggregate(AggregateOp, SignalId, i64),
}

/// What a new signal is made of.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) domain: Domain,
    pub(super) source: SignalSource,
    pub(super) span: Span,
}

/// The attribute of a plain word, if it is one that devices have.
pub(super) fn plain_attribute(word: &str) -> Option<Attr> {
    Some(match word {
        "power" => Attr::Power,
        "charge" => Attr::Charge,
        "discharge" => Attr::Discharge,
        "import" => Attr::Import,
        "export" => Attr::Export,
        "charge_level" => Attr::ChargeLevel,
        "available" => Attr::Available,
        "temperature" => Attr::Temperature,
        "setpoint" => Attr::Setpoint,
        "on" => Attr::On,
        "connected" => Attr::Connected,
        _ => return None,
    })
}

/// The words of an attribute list, for suggestions.
fn attribute_words(model: &Model) -> &'static [&'static str] {
    match model {
        Model::Grid { .. } => &["power", "import", "export", "connected"],
        Model::Store(_) => &["power", "charge", "discharge", "charge_level", "on", "connected"],
        Model::Renewable { .. } => &["power", "available", "on", "connected"],
        Model::Generator { .. } | Model::Consumer(_) => &["power", "on", "connected"],
        Model::Control { .. } => &["on", "connected"],
        Model::Slot { .. } => &["power", "charge", "discharge", "on", "connected"],
    }
}

/// A range wide enough for every building, for what has no declared range.
pub(super) fn wide(ty: Type) -> Domain {
    let (lo, hi) = match ty {
        Type::Bool => return Domain::Bool,
        Type::Ratio => (Rat::ZERO, Rat::ONE),
        // -60 degC to 60 degC
        Type::Temperature => {
            (Rat::ratio(21315, 100).unwrap_or_default(), Rat::ratio(33315, 100).unwrap_or_default())
        }
        Type::TemperatureDifference => (Rat::int(-120), Rat::int(120)),
        Type::EnergyPrice => (Rat::int(-100), Rat::int(100)),
        Type::Irradiance => (Rat::ZERO, Rat::int(1500)),
        Type::CarbonIntensity => (Rat::ZERO, Rat::int(5)),
        Type::Power => (Rat::int(-1_000_000), Rat::int(1_000_000)),
        Type::Number | Type::Money | Type::PowerPrice => (Rat::int(-1_000_000_000), Rat::int(1_000_000_000)),
        _ => (Rat::ZERO, Rat::int(1_000_000_000)),
    };
    Domain::Interval { lo, hi }
}

impl Compiler<'_> {
    /// The signal of a key; made by `make` when it is new.
    pub(super) fn signal(&mut self, key: Key, made: Made) -> SignalId {
        if let Some(id) = self.signals.get(&key) {
            return *id;
        }
        let id = SignalId::at(self.site.signals.len());
        self.site.signals.push(Signal {
            id,
            name: made.name,
            ty: made.ty,
            count: None,
            domain: made.domain,
            source: made.source,
            reading: None,
            feed: None,
            normal: None,
            strict_step: Rat::ZERO,
            span: made.span,
        });
        self.signals.insert(key, id);
        id
    }

    /// What a path stands for in an expression.
    pub(super) fn reference(&mut self, name: &ast::Name) -> Option<Val> {
        if let Some(value) = self.scoped(name) {
            return value;
        }
        let head = name.parts.first()?;
        match head.ident.text.as_str() {
            "weather" => return self.weather_signal(name),
            "price" => return self.price(name),
            "feed" => {
                let feed = self.feed_reference(name)?;
                let signal = self.feed_signal(feed, None, None, name.span)?;
                return self.plain(signal);
            }
            "emergency" if name.single().is_some() => {
                if self.site.emergency.is_none() {
                    let finding = Diagnostic::error(
                        codes::UNKNOWN_NAME,
                        name.span,
                        "the site declares no `emergency`".to_owned(),
                    );
                    self.push(finding.help("add `emergency when ..` to the `site` statement"));
                    return None;
                }
                return Some(Val::Truth(Guard::Emergency));
            }
            _ => {}
        }
        let Some((entity, parts)) = self.names.find(name) else {
            self.unknown(&head.ident.text, head.ident.span, "the name");
            return None;
        };
        match entity {
            Entity::Family(family) => self.device_value(family, name, parts),
            Entity::Zone(zone) => {
                let attr = self.zone_attribute(zone, name, parts)?;
                let signal = self.zone_signal(zone, &attr);
                self.plain(signal)
            }
            Entity::Tariff(tariff) => {
                let direction = name.parts.get(parts).map(|p| p.ident.text.as_str());
                let export = match direction {
                    Some("import") => false,
                    Some("export") => true,
                    _ => {
                        self.error(
                            codes::UNKNOWN_NAME,
                            name.span,
                            "a tariff has the prices `import` and `export`".to_owned(),
                        );
                        return None;
                    }
                };
                let signal = self.price_signal(tariff, export, name.span)?;
                self.plain(signal)
            }
            Entity::Signal(signal) => {
                self.no_more_parts(name, parts)?;
                self.plain(signal)
            }
            Entity::Group(_) => {
                let text = name.text();
                let head = head_text(name, parts);
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    name.span,
                    format!("`{text}` has a value for each member of the group `{head}`"),
                );
                self.push(finding.help(format!(
                    "say which is meant: `any {text} ..`, `all {text} ..`, `sum({text})`, `max({text})`, or begin the rule with `for each x in {head}`"
                )));
                None
            }
            Entity::Schedule(_) => {
                let text = name.text();
                let finding =
                    Diagnostic::error(codes::WRONG_KIND, name.span, format!("`{text}` is a schedule"));
                self.push(finding.help(format!("write `during {text}`")));
                None
            }
            other => {
                self.wrong_kind(name, other, "something with a value");
                None
            }
        }
    }

    /// Words of `for each` and of quantifiers.
    fn scoped(&mut self, name: &ast::Name) -> Option<Option<Val>> {
        let head = name.parts.first()?;
        if let Some((written, group)) = self.scope.members.clone() {
            let one = head_text(name, 1);
            let parts = if one == written {
                Some(1)
            } else if head_text(name, 2) == written {
                Some(2)
            } else {
                None
            };
            if let Some(parts) = parts {
                return Some(self.bound_value(group, name, parts));
            }
        }
        if let Some((variable, group)) = self.scope.variable.clone()
            && head.ident.text == variable
        {
            if self.scope.members.is_some() {
                self.error(
                    codes::WRONG_KIND,
                    name.span,
                    format!("`{variable}` cannot stand inside a quantifier over another group"),
                );
                return Some(None);
            }
            return Some(self.bound_value(group, name, 1));
        }
        None
    }

    fn bound_value(&mut self, group: crate::ir::GroupId, name: &ast::Name, parts: usize) -> Option<Val> {
        let Some(part) = name.parts.get(parts) else {
            let text = name.text();
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{text}` is a device, and a value is needed here"),
            );
            self.push(finding.help(format!("name an attribute: `{text}.power`")));
            return None;
        };
        let (attr, ty) = self.member_attribute(group, &part.ident.text, part.ident.span)?;
        self.no_more_parts(name, parts + 1)?;
        let step = self.bound_step(group, &attr, ty);
        let reference = SigRef::Bound(attr.clone());
        Some(match ty {
            Type::Bool => Val::Truth(Guard::Is(reference)),
            Type::Symbol => {
                let first = self.site.groups.get(group.index()).and_then(|g| g.members.first()).copied()?;
                Val::Symbol(reference, self.site.measured(first.family, &attr)?)
            }
            _ => Val::Num(Num {
                lin: Lin::of(reference),
                ty,
                kelvin: false,
                step,
                level: attr == Attr::ChargeLevel,
            }),
        })
    }

    fn bound_step(&self, group: crate::ir::GroupId, attr: &Attr, ty: Type) -> Rat {
        if matches!(attr, Attr::Point(_) | Attr::Available | Attr::On | Attr::Connected) {
            return Rat::ZERO;
        }
        let members = self.site.groups.get(group.index()).map(|g| g.members.as_slice()).unwrap_or_default();
        let mut step = Rat::ZERO;
        for range in members {
            let family = self.site.families.get(range.family.index());
            step = Rat::max_of(&step, &family.map_or_else(|| thousandth(ty), |f| register_step(f, attr)));
        }
        step
    }

    /// The value of a signal with one value.
    pub(super) fn plain(&mut self, id: SignalId) -> Option<Val> {
        let signal = self.site.signals.get(id.index())?;
        Some(Self::valued(signal, SigRef::Only(id)))
    }

    fn valued(signal: &Signal, reference: SigRef) -> Val {
        match signal.ty {
            Type::Bool => Val::Truth(Guard::Is(reference)),
            Type::Symbol => Val::Symbol(reference, signal.id),
            ty => Val::Num(Num {
                lin: Lin::of(reference),
                ty,
                kelvin: false,
                step: signal.strict_step.clone(),
                level: matches!(signal.source, SignalSource::Measured(_, Attr::ChargeLevel)),
            }),
        }
    }

    fn no_more_parts(&mut self, name: &ast::Name, parts: usize) -> Option<()> {
        match name.parts.get(parts) {
            None => Some(()),
            Some(part) => {
                let head = head_text(name, parts);
                self.error(
                    codes::UNKNOWN_NAME,
                    part.ident.span,
                    format!("`{head}` has nothing named `{}`", part.ident.text),
                );
                None
            }
        }
    }

    fn device_value(&mut self, family: FamilyId, name: &ast::Name, parts: usize) -> Option<Val> {
        let Some(part) = name.parts.get(parts) else {
            if self.families.get(family.index()).is_some_and(|f| f.broken) {
                return None;
            }
            let text = name.text();
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{text}` is a device, and a value is needed here"),
            );
            self.push(finding.help(format!("name an attribute: `{text}.power`")));
            return None;
        };
        let index = self.member_index(family, name, parts);
        // a thermostat's setpoint and temperature are those of the zone it controls (semantics 9)
        if let Some(zone) = self.controlled_zone(family)
            && matches!(part.ident.text.as_str(), "setpoint" | "temperature")
        {
            let attr = if part.ident.text == "setpoint" { Attr::Setpoint } else { Attr::Temperature };
            let signal = self.zone_signal(zone, &attr);
            return self.plain(signal);
        }
        let Some(attr) = self.attribute(family, &part.ident.text) else {
            self.no_attribute(family, &part.ident.text, part.ident.span);
            return None;
        };
        self.no_more_parts(name, parts + 1)?;
        let id = self.measured(family, &attr, name.span)?;
        let index = index?;
        let signal = self.site.signals.get(id.index())?;
        let reference = match (signal.count, index) {
            (Some(_), Some(index)) => SigRef::Member(id, index),
            (Some(_), None) => {
                let text = name.text();
                let head = head_text(name, parts);
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    name.span,
                    format!("`{text}` has a value for each member of the array `{head}`"),
                );
                self.push(finding.help(format!(
                    "say which is meant: `{head}[1].{}`, `any {text} ..`, `all {text} ..`, or `sum({text})`",
                    part.ident.text
                )));
                return None;
            }
            (None, _) => SigRef::Only(id),
        };
        Some(Self::valued(signal, reference))
    }

    /// The one member that a path names; `Some(None)` where it names all.
    fn member_index(&mut self, family: FamilyId, name: &ast::Name, parts: usize) -> Option<Option<u32>> {
        let range = self.family_members(family, name, parts)?;
        let indexed = name.parts.get(parts.saturating_sub(1)).and_then(|p| p.index.as_ref());
        match indexed {
            Some(Index::One(_)) => Some(Some(range.first)),
            Some(Index::Range(_)) | None => Some(None),
        }
    }

    /// The zone that a thermostat controls.
    pub(super) fn controlled_zone(&self, family: FamilyId) -> Option<ZoneId> {
        match self.site.families.get(family.index()).map(|f| &f.model) {
            Some(Model::Control { zone }) => *zone,
            _ => None,
        }
    }

    /// The attribute that a word names on a device.
    pub(super) fn attribute(&self, family: FamilyId, word: &str) -> Option<Attr> {
        let family = self.site.families.get(family.index())?;
        let point = Attr::Point(word.to_owned());
        if family.readings.contains_key(&point) {
            return Some(point);
        }
        attribute_words(&family.model).contains(&word).then(|| plain_attribute(word)).flatten()
    }

    /// Reports that a device has no such attribute.
    pub(super) fn no_attribute(&mut self, id: FamilyId, word: &str, span: Span) {
        if self.families.get(id.index()).is_some_and(|f| f.broken) {
            return;
        }
        let Some(family) = self.site.families.get(id.index()) else { return };
        let mut known: Vec<&str> = attribute_words(&family.model).to_vec();
        known.extend(family.readings.keys().filter_map(|a| match a {
            Attr::Point(p) => Some(p.as_str()),
            _ => None,
        }));
        let finding = Diagnostic::error(
            codes::UNKNOWN_NAME,
            span,
            format!("the {} `{}` has no attribute `{word}`", family.kind, family.name),
        )
        .label(family.span, "declared here");
        let finding = match nearest(word, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!(
                "it has {}; a point that the device reports is declared with `reads {word} ..`",
                super::props::listed(&known)
            )),
        };
        self.push(finding);
    }

    /// The signal that measures an attribute of a device.
    pub(super) fn measured(&mut self, id: FamilyId, attr: &Attr, span: Span) -> Option<SignalId> {
        let family = self.site.families.get(id.index())?;
        if let Some(signal) = family.readings.get(attr) {
            return Some(*signal);
        }
        let ty = attr.ty();
        let domain = match attr {
            Attr::On | Attr::Connected => Domain::Bool,
            Attr::ChargeLevel => Domain::Interval { lo: Rat::ZERO, hi: Rat::ONE },
            _ => match family.hull(attr) {
                Some((lo, hi)) => Domain::Interval { lo, hi },
                None => wide(ty),
            },
        };
        let name = format!("{}.{}", family.name, attr.name());
        let step = match attr {
            Attr::On | Attr::Connected | Attr::Available => Rat::ZERO,
            _ => register_step(family, attr),
        };
        let (count, place) = (family.count, family.span);
        let reading = self.families.get(id.index()).map(device_reading);
        let made = Made { name, ty, domain, source: SignalSource::Measured(id, attr.clone()), span: place };
        let _ = span;
        let signal = self.signal(Key::Measured(id, attr.clone()), made);
        if let Some(s) = self.site.signals.get_mut(signal.index()) {
            s.count = count;
            s.strict_step = step;
            s.reading = reading;
        }
        if let Some(f) = self.site.families.get_mut(id.index()) {
            f.readings.insert(attr.clone(), signal);
        }
        Some(signal)
    }

    /// The attribute that a path names on a zone.
    pub(super) fn zone_attribute(&mut self, zone: ZoneId, name: &ast::Name, parts: usize) -> Option<Attr> {
        let zone_name = self.site.zones.get(zone.index()).map(|z| z.name.clone()).unwrap_or_default();
        let Some(part) = name.parts.get(parts) else {
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("`{zone_name}` is a zone, and a value is needed here"),
            );
            self.push(finding.help(format!("name an attribute: `{zone_name}.temperature`")));
            return None;
        };
        self.no_more_parts(name, parts + 1)?;
        match part.ident.text.as_str() {
            "temperature" => Some(Attr::Temperature),
            "setpoint" => Some(Attr::Setpoint),
            other => {
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    part.ident.span,
                    format!("the zone `{zone_name}` has no attribute `{other}`"),
                );
                self.push(finding.help("it has `temperature` and `setpoint`"));
                None
            }
        }
    }

    /// The signal of a zone's state.
    pub(super) fn zone_signal(&mut self, id: ZoneId, attr: &Attr) -> SignalId {
        let (name, range, span, thermostat, known) = match self.site.zones.get(id.index()) {
            Some(z) => (
                format!("{}.{}", z.name, attr.name()),
                z.range.clone(),
                z.span,
                z.thermostats.first().copied(),
                z.readings.get(attr).copied(),
            ),
            None => (String::new(), (Rat::ZERO, Rat::ZERO), self.site.span, None, None),
        };
        if let Some(known) = known {
            return known;
        }
        let reading = match thermostat.and_then(|t| self.families.get(t.index())) {
            Some(extra) => device_reading(extra),
            None => Reading { poll_s: None, max_age_s: None },
        };
        let domain = Domain::Interval { lo: range.0, hi: range.1 };
        let made = Made {
            name,
            ty: Type::Temperature,
            domain,
            source: SignalSource::ZoneState(id, attr.clone()),
            span,
        };
        let signal = self.signal(Key::Zone(id, attr.clone()), made);
        if let Some(s) = self.site.signals.get_mut(signal.index()) {
            s.reading = Some(reading);
            s.strict_step = thousandth(Type::Temperature);
        }
        if let Some(z) = self.site.zones.get_mut(id.index()) {
            z.readings.insert(attr.clone(), signal);
        }
        signal
    }

    fn weather_signal(&mut self, name: &ast::Name) -> Option<Val> {
        let Some(part) = name.parts.get(1) else {
            let finding =
                Diagnostic::error(codes::WRONG_KIND, name.span, "`weather` alone has no value".to_owned());
            self.push(finding.help("name a part of it: `weather.temperature`"));
            return None;
        };
        self.no_more_parts(name, 2)?;
        if let Some(signal) = self.weather.get(&part.ident.text).copied() {
            return self.plain(signal);
        }
        if self.weather_broken {
            return None;
        }
        let finding = Diagnostic::error(
            codes::UNKNOWN_NAME,
            part.ident.span,
            format!("the weather has no `{}`", part.ident.text),
        );
        let finding = match nearest(&part.ident.text, self.weather.keys().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if self.weather.is_empty() => {
                finding.help("declare it: `weather { source feed.weather, temperature -20 degC .. 40 degC }`")
            }
            None => {
                finding.help(format!("declare its range in `weather {{ .. }}`: `{} ..`", part.ident.text))
            }
        };
        self.push(finding);
        None
    }

    fn price(&mut self, name: &ast::Name) -> Option<Val> {
        let export = match name.parts.get(1).map(|p| p.ident.text.as_str()) {
            Some("import") => false,
            Some("export") => true,
            _ => {
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    format!("there is no `{}`", name.text()),
                );
                self.push(finding.help("the prices are `price.import` and `price.export`"));
                return None;
            }
        };
        self.no_more_parts(name, 2)?;
        let mut tariffs: Vec<TariffId> = self
            .site
            .families
            .iter()
            .filter_map(|f| match &f.model {
                Model::Grid { tariff, .. } => *tariff,
                _ => None,
            })
            .collect();
        tariffs.sort_unstable();
        tariffs.dedup();
        match tariffs.as_slice() {
            [tariff] => {
                let signal = self.price_signal(*tariff, export, name.span)?;
                self.plain(signal)
            }
            [] => {
                if self.families.iter().any(|f| f.broken) || self.names.has_broken() {
                    return None;
                }
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    "no grid of this site has a tariff, so there is no price".to_owned(),
                );
                self.push(finding.help("add `tariff NAME` to the grid's declaration"));
                None
            }
            _ => {
                let example = self.site.tariffs.first().map(|t| t.name.clone()).unwrap_or_default();
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    name.span,
                    "the site has several tariffs, so this price is not settled".to_owned(),
                );
                let direction = if export { "export" } else { "import" };
                self.push(finding.help(format!("name the tariff: `{example}.{direction}`")));
                None
            }
        }
    }

    /// The signal of a tariff's price.
    pub(super) fn price_signal(&mut self, id: TariffId, export: bool, span: Span) -> Option<SignalId> {
        let shape = self.tariffs.get(id.index())?;
        if shape.broken {
            return None;
        }
        let tariff = self.site.tariffs.get(id.index())?;
        let made = if export { tariff.export_signal } else { tariff.import_signal };
        if made.is_none() {
            let finding = Diagnostic::error(
                codes::UNKNOWN_NAME,
                span,
                format!(
                    "the tariff `{}` has no price of {}",
                    tariff.name,
                    if export { "export" } else { "import" }
                ),
            )
            .label(tariff.span, "declared here");
            self.push(finding);
        }
        made
    }

    /// The signal with words that a path names; nothing is reported.
    pub(super) fn symbol_signal(&mut self, name: &ast::Name) -> Option<(SignalId, SigRef)> {
        let head = name.parts.first()?;
        if self.scope.is_word(&head_text(name, 1)) || self.scope.is_word(&head.ident.text) {
            let word = name.parts.get(1)?.ident.text.clone();
            let group = match (&self.scope.members, &self.scope.variable) {
                (Some((_, group)), _) | (None, Some((_, group))) => *group,
                (None, None) => return None,
            };
            let first = self.site.groups.get(group.index())?.members.first()?.family;
            let attr = self.attribute(first, &word)?;
            let signal = self.site.measured(first, &attr)?;
            let symbol = self.site.signals.get(signal.index()).is_some_and(|s| s.ty == Type::Symbol);
            return symbol.then_some((signal, SigRef::Bound(attr)));
        }
        let (id, reference) = match self.names.find(name) {
            Some((Entity::Signal(id), parts)) if parts == name.parts.len() => (id, SigRef::Only(id)),
            Some((Entity::Family(family), parts)) => {
                let word = name.parts.get(parts)?.ident.text.clone();
                let attr = self.attribute(family, &word)?;
                let id = self.site.measured(family, &attr)?;
                let signal = self.site.signals.get(id.index())?;
                if signal.ty != Type::Symbol {
                    return None;
                }
                match self.reference(name)? {
                    Val::Symbol(reference, id) => return Some((id, reference)),
                    _ => return None,
                }
            }
            None if head.ident.text == "feed" => {
                let feed = self.names.feed(&name.parts.get(1)?.ident.text)??;
                let id = *self.signals.get(&Key::Feed(feed))?;
                (id, SigRef::Only(id))
            }
            _ => return None,
        };
        let symbol = self.site.signals.get(id.index()).is_some_and(|s| s.ty == Type::Symbol);
        symbol.then_some((id, reference))
    }

    /// `max(weather.temperature, next 3 h)`.
    pub(super) fn window(
        &mut self,
        call: &ast::Call,
        side: WindowSide,
        length: &ast::Quantity,
        span: Span,
    ) -> Option<Val> {
        let op = match call.function.text.as_str() {
            "max" => AggregateOp::Max,
            "min" => AggregateOp::Min,
            "mean" => AggregateOp::Mean,
            "sum" => AggregateOp::Sum,
            other => {
                self.error(
                    codes::UNKNOWN_NAME,
                    call.function.span,
                    format!("`{other}` does not go over a time; `max`, `min`, `mean` and `sum` do"),
                );
                return None;
            }
        };
        let seconds = self.seconds(length);
        let [arg] = call.args.as_slice() else {
            self.error(
                codes::TYPE_MISMATCH,
                span,
                format!("`{}` over a time takes one signal", call.function.text),
            );
            return None;
        };
        let num = self.number_of(arg)?;
        let over_s = seconds?;
        let (of, reference) = match num.lin.terms.as_slice() {
            [(one, reference)]
                if *one == Rat::ONE && num.lin.constant.is_zero() && num.lin.sums.is_empty() =>
            {
                match reference {
                    SigRef::Only(id) => (*id, reference),
                    SigRef::Member(..) | SigRef::Bound(_) => {
                        self.unhonoured("a window over a reading of one member", span, true, true);
                        return Some(Val::Num(num));
                    }
                }
            }
            _ => {
                self.error(
                    codes::TYPE_MISMATCH,
                    arg.span,
                    "an aggregate over a time is taken of one signal".to_owned(),
                );
                return None;
            }
        };
        let _ = reference;
        let signal = self.site.signals.get(of.index())?;
        let fixed = matches!(signal.source, SignalSource::ImportPrice(_) | SignalSource::ExportPrice(_))
            && signal.feed.is_none();
        let (ty, domain, inner) = (signal.ty, signal.domain.clone(), signal.name.clone());
        let (feed, reading, step) = (signal.feed, signal.reading.clone(), signal.strict_step.clone());
        if fixed && matches!(op, AggregateOp::Mean | AggregateOp::Sum) {
            let finding = Diagnostic::error(
                codes::AGGREGATE,
                span,
                format!(
                    "`{}` over the coming hours of what the instant fixes is refused in guards",
                    call.function.text
                ),
            )
            .because("it would need one group of instants for every minute");
            self.push(finding.help("use `max` or `min`, or a schedule"));
            return None;
        }
        if side == WindowSide::Last {
            let text = self.text(span);
            self.unhonoured(format!("an aggregate over the past (`{text}`)"), span, true, true);
        }
        let (ty, domain) = if op == AggregateOp::Sum {
            if ty != Type::Power {
                self.error(
                    codes::AGGREGATE,
                    span,
                    format!("a sum over a time is taken of a power, and `{inner}` is {}", ty.a()),
                );
                return None;
            }
            let hours = Rat::int(over_s).checked_div(&Rat::int(3600))?;
            let domain = match domain {
                Domain::Interval { lo, hi } => Domain::Interval { lo: &lo * &hours, hi: &hi * &hours },
                other => other,
            };
            (Type::Energy, domain)
        } else {
            (ty, domain)
        };
        let window = self.text(length.span);
        let word = if side == WindowSide::Next { "next" } else { "last" };
        let made = Made {
            name: format!("{}({inner}, {word} {window})", call.function.text),
            ty,
            domain,
            source: SignalSource::Aggregate { op, of, over_s },
            span,
        };
        let id = self.signal(Key::Aggregate(op, of, over_s), made);
        if let Some(s) = self.site.signals.get_mut(id.index()) {
            s.feed = feed;
            s.reading = reading;
            s.strict_step = step;
        }
        self.plain(id)
    }

    /// A value of a signal from an expression.
    pub(super) fn value_of(&mut self, signal: SignalId, expr: &ast::Expr) -> Option<Value> {
        let ty = self.site.signals.get(signal.index())?.ty;
        match ty {
            Type::Symbol => self.symbol(signal, expr).map(Value::Symbol),
            Type::Bool => match &expr.kind {
                ast::ExprKind::Bool(value) | ast::ExprKind::Switch(value) => Some(Value::Bool(*value)),
                _ => {
                    self.error(
                        codes::TYPE_MISMATCH,
                        expr.span,
                        "`on`, `off`, `true` or `false` is needed here".to_owned(),
                    );
                    None
                }
            },
            ty => self.constant_of(expr, ty).map(Value::Number),
        }
    }

    /// Domain of a price with fixed periods.
    pub(super) fn price_domain(price: &Price) -> Domain {
        match price {
            Price::Feed(..) => wide(Type::EnergyPrice),
            Price::Periods { periods, otherwise, .. } => {
                let values = periods.iter().map(|p| &p.price).chain(otherwise);
                let lo = values.clone().min().cloned().unwrap_or_default();
                let hi = values.max().cloned().unwrap_or_default();
                Domain::Interval { lo, hi }
            }
        }
    }
}

/// How a device's readings are polled.
pub(super) fn device_reading(extra: &super::device::Extra) -> Reading {
    Reading { poll_s: extra.poll.clone(), max_age_s: extra.max_age.clone() }
}
