//! What a dotted name reads: devices, zones, weather and the variables of a rule.

use super::Compiler;
use super::expr::{Num, Val};
use super::guard::head_text;
use super::names::Entity;
use super::signal::{Key, Made, device_reading, wide};
use crate::ast::{self, Index};
use crate::bundle::{register_step, thousandth};
use crate::diag::{Diagnostic, Span, codes, nearest};
use crate::ir::{Attr, Domain, FamilyId, Guard, Lin, Model, Reading, SigRef, SignalId, SignalSource, ZoneId};
use crate::quantity::{Rat, Type};

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

impl Compiler<'_> {
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
                        self.error_help(
                            codes::UNKNOWN_NAME,
                            name.span,
                            "a tariff has the prices `import` and `export`".to_owned(),
                            "write, for example, `flat.import`",
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
                self.error_help(
                    codes::WRONG_KIND,
                    name.span,
                    format!("`{variable}` cannot stand inside a quantifier over another group"),
                    "write the condition on the loop's own device outside the quantifier",
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

    pub(super) fn no_more_parts(&mut self, name: &ast::Name, parts: usize) -> Option<()> {
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
}
