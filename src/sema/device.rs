//! Devices: what all roles share. What each role adds stands in `producer`, `storage`, `consumer`
//! and `control`.

use super::collect::{Declared, Owned};
use super::network::named;
use super::props::{Args, Props};
use super::signal::{Key, Made, wide};
use super::{Compiler, profile};
use crate::ast::{ArgKind, Bound, BoundKind, Declaration, Expr, ExprKind, Keyword, Name};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    Attr, Control, Domain, FailSafe, FailSafeBy, Family, FamilyId, Model, Reading, Role, SignalSource, Tag,
};
use crate::quantity::{Rat, Type};

/// What is known of a device beside its [`Family`], at the position of its id.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) poll: Option<Rat>,
    pub(super) max_age: Option<Rat>,
    /// its declaration has an error: what it lacks is not reported again
    pub(super) broken: bool,
}

impl<'a> Compiler<'a> {
    /// Reads all devices.
    pub(super) fn device_statements(&mut self, declared: &Declared<'a>) {
        for (owned, count) in &declared.families {
            let id = FamilyId::at(self.site.families.len());
            let before = self.findings.tally().errors;
            self.families.push(Extra::default());
            self.read_device(owned, *count, id);
            let broken = !owned.node.complete || self.findings.tally().errors > before;
            if let Some(extra) = self.families.get_mut(id.index()) {
                extra.broken = broken;
            }
        }
        for family in 0..self.site.families.len() {
            self.thermostat(FamilyId::at(family));
        }
    }

    fn read_device(&mut self, owned: &Owned<'a, Declaration>, count: Option<u32>, id: FamilyId) {
        let node = owned.node;
        let (name, span) = named(node);
        let kind = match &node.kind {
            Some(kind) => kind.text.clone(),
            None => {
                let finding = Diagnostic::error(
                    codes::MISSING_PROPERTY,
                    span,
                    format!("the {} `{name}` does not say what it is", node.keyword.word()),
                );
                self.push(finding.help(format!(
                    "write, for example, `{} {name} : {}`",
                    node.keyword.word(),
                    example_kind(node.keyword)
                )));
                String::new()
            }
        };
        let what = format!("the {} `{name}`", node.keyword.word());
        let mut props = Props::new(what, span, node.complete, &node.properties);
        let role = match node.keyword {
            Keyword::Producer => Role::Producer,
            Keyword::Storage => Role::Storage,
            Keyword::Control => Role::Control,
            Keyword::Slot => Role::Slot,
            _ => Role::Consumer,
        };
        let nothing_yet = Model::Control { zone: None };
        let mut family =
            Family { count, owner: owned.owner, ..Family::new(id, &name, span, role, &kind, nothing_yet) };
        self.place(&mut props, &mut family);
        let declared_factor = props.has("power_factor");
        self.electrical(&mut props, &mut family);
        let profile = self.profile_of(&mut props, &mut family, declared_factor);
        self.polling(&mut props, id);
        match role {
            Role::Producer => self.read_producer(&mut props, &mut family, profile),
            Role::Storage => self.read_storage(&mut props, &mut family, profile),
            Role::Consumer => self.read_consumer(&mut props, &mut family, profile),
            Role::Control => self.read_control(&mut props, &mut family),
            Role::Slot => self.read_slot(&mut props, &mut family),
        }
        self.authority_of(&mut props, &mut family);
        self.fail_safe(&mut props, &mut family, profile);
        self.tags(&mut props, &mut family);
        if let Some(profile) = profile {
            self.profile_steps(profile, &mut family);
        }
        let points = self.points(&mut props, &family, profile);
        self.finish(props);
        if let Some(profile) = profile {
            self.check_profile(profile, &family);
        }
        self.site.families.push(family);
        for (attr, signal) in points {
            if let Some(f) = self.site.families.get_mut(id.index()) {
                f.readings.insert(attr, signal);
            }
        }
    }

    /// Bus, gateway and port.
    fn place(&mut self, props: &mut Props<'a>, family: &mut Family) {
        let wired = matches!(family.role, Role::Producer | Role::Storage | Role::Consumer | Role::Slot);
        let on = if wired { self.need(props, "on", "on main") } else { self.take(props, "on") };
        if let Some(mut args) = on
            && let Some(name) = self.arg_name(&mut args, "the name of a bus")
        {
            self.end(&args);
            family.bus = self.bus(name);
        }
        if let Some(mut args) = self.take(props, "gateway")
            && let Some(name) = self.arg_name(&mut args, "the name of a gateway")
        {
            family.gateway = self.gateway(name);
            if args.eat("port") || args.eat("ports") {
                let at = args.here();
                family.port = self.port_numbers(&mut args);
                self.check_port(family, at);
            }
            self.end(&args);
        }
    }

    /// A port must be one that the gateway declares, if it declares any.
    fn check_port(&mut self, family: &Family, span: Span) {
        let (Some(gateway), Some((first, last))) = (family.gateway, family.port) else { return };
        let Some(gateway) = self.site.gateways.get(gateway.index()) else { return };
        if gateway.ports.is_empty() {
            return;
        }
        let all = (first..=last.min(first.saturating_add(4096)))
            .all(|port| gateway.ports.iter().any(|p| (p.first..=p.last).contains(&port)));
        if !all {
            let finding = Diagnostic::error(
                codes::INDEX_OUT_OF_RANGE,
                span,
                format!("the gateway `{}` has no such port", gateway.name),
            )
            .label(gateway.span, "its ports are declared here");
            self.push(finding);
        }
    }

    fn polling(&mut self, props: &mut Props<'a>, id: FamilyId) {
        let poll = self.take(props, "poll").and_then(|args| {
            let at = args.here();
            self.amount(args, Type::Duration).and_then(|v| self.positive(v, at))
        });
        let max_age = self.take(props, "max_age").and_then(|args| {
            let at = args.here();
            self.amount(args, Type::Duration).and_then(|v| self.positive(v, at))
        });
        if let (Some(poll), Some(max_age)) = (&poll, &max_age)
            && max_age < poll
        {
            let span = self.site.span;
            let _ = span;
            self.error_help(
                codes::OUT_OF_RANGE,
                props.place(),
                format!("{} is stale between two polls: `max_age` is below `poll`", props.what()),
                "make `max_age` at least as long as `poll`; twice or thrice lets a lost poll pass",
            );
        }
        if let Some(extra) = self.families.get_mut(id.index()) {
            extra.poll = poll;
            extra.max_age = max_age;
        }
    }

    /// `control`, `life_safety`, `interlock`.
    fn authority_of(&mut self, props: &mut Props<'a>, family: &mut Family) {
        if let Some(mut args) = self.take(props, "control") {
            match args.word().map(|w| w.text.as_str()) {
                Some("observe") => family.control = Control::Observe,
                Some("advise") => family.control = Control::Advise,
                Some("command") => family.control = Control::Command,
                _ => self.bad_value(&args, "`observe`, `advise` or `command`"),
            }
            self.end(&args);
        }
        if let Some(mut args) = self.take(props, "life_safety") {
            match args.peek().map(|a| &a.kind) {
                Some(ArgKind::Value(Expr { kind: ExprKind::Switch(on), .. })) => {
                    args.next();
                    family.life_safety = Some(*on);
                }
                _ if args.eat("on") => family.life_safety = Some(true),
                _ if args.eat("off") => family.life_safety = Some(false),
                _ => self.bad_value(&args, "its safe state, `on` or `off`"),
            }
            self.end(&args);
        }
        if let Some(mut args) = self.take(props, "interlock")
            && let Some((text, _)) = self.arg_text(&mut args, "a name of the barrier in quotes")
        {
            self.end(&args);
            family.interlock = Some(text);
        }
    }

    /// `fail_safe 30 kW by none`, `fail_safe disconnected by heartbeat`.
    fn fail_safe(
        &mut self,
        props: &mut Props<'a>,
        family: &mut Family,
        profile: Option<&'a profile::Profile>,
    ) {
        let Some(mut args) = self.take(props, "fail_safe") else {
            if let Some(profile) = profile {
                family.fail_safe = profile::fail_safe(profile, family);
            }
            if family.fail_safe.is_none()
                && family.control == Control::Command
                && family.role != Role::Control
            {
                let finding = Diagnostic::error(
                    codes::MISSING_PROPERTY,
                    family.span,
                    format!("{} is commanded and declares no `fail_safe`", props.what()),
                );
                self.push(finding.help(
                    "say where it goes when evl is gone, and how: `fail_safe 0 kW by watchdog` (or `by none`)",
                ));
            }
            return;
        };
        let span = args.span();
        let at = if args.eat("disconnected") {
            None
        } else if args.eat("on") {
            Some((Attr::On, Rat::ONE))
        } else if args.eat("off") {
            Some((Attr::On, Rat::ZERO))
        } else {
            let word = args.peek_word().map(|w| w.text.as_str()).and_then(super::reference::plain_attribute);
            if word.is_some() {
                args.next();
            }
            let attr = word.unwrap_or(Attr::Power);
            let here = args.here();
            let Some(value) = self.power_arg(&mut args, family) else { return };
            if let Some(pieces) = family.ranges.get(&attr) {
                let inside = pieces.iter().any(|(lo, hi)| *lo <= value && value <= *hi);
                let within_hull = family.hull(&attr).is_some_and(|(lo, hi)| lo <= value && value <= hi);
                if !inside && !within_hull {
                    let (lo, hi) = family.hull(&attr).unwrap_or_default();
                    let shown = |v: &Rat| crate::quantity::show(v, Type::Power, "");
                    let finding = Diagnostic::error(
                        codes::OUT_OF_RANGE,
                        here,
                        format!("{} cannot be at {}", props.what(), shown(&value)),
                    );
                    self.push(finding.help(format!(
                        "its power lies between {} and {}",
                        shown(&lo),
                        shown(&hi)
                    )));
                }
            }
            Some((attr, value))
        };
        if !args.eat("by") {
            self.bad_value(
                &args,
                "how it gets there: `by reversion`, `by watchdog`, `by heartbeat` or `by none`",
            );
            return;
        }
        let by = match args.word().map(|w| w.text.as_str()) {
            Some("reversion") => FailSafeBy::Reversion,
            Some("watchdog") => FailSafeBy::Watchdog,
            Some("heartbeat") => FailSafeBy::Heartbeat,
            Some("none") => FailSafeBy::None,
            _ => {
                self.bad_value(&args, "`reversion`, `watchdog`, `heartbeat` or `none`");
                return;
            }
        };
        self.end(&args);
        family.fail_safe = Some(FailSafe { at, by, span });
    }

    /// `tags { tenant: acme, floor: 0, bay: index }`.
    fn tags(&mut self, props: &mut Props<'a>, family: &mut Family) {
        let Some(mut args) = self.take(props, "tags") else { return };
        let Some(ArgKind::Map(entries)) = args.peek().map(|a| &a.kind) else {
            self.bad_value(&args, "a list in braces: `{ tenant: acme, floor: 0 }`");
            return;
        };
        args.next();
        self.end(&args);
        for (key, value) in entries {
            let Some(key_name) = word_of(key) else {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    key.span,
                    "a tag's name is one word".to_owned(),
                    "write, for example, `tags { floor: 3 }`",
                );
                continue;
            };
            let tag = match &value.kind {
                ExprKind::Text(text) => Tag::Text(text.value.clone()),
                ExprKind::Quantity(q) if q.unit.is_none() => match self.number(&q.number) {
                    Some(n) => Tag::Number(n),
                    None => continue,
                },
                _ => match word_of(value) {
                    Some("index") => Tag::Index,
                    Some(word) => Tag::Text(word.to_owned()),
                    None => {
                        self.error_help(
                            codes::TYPE_MISMATCH,
                            value.span,
                            "a tag's value is a word, a number or `index`".to_owned(),
                            "write, for example, `tags { tenant: blue, floor: index }`",
                        );
                        continue;
                    }
                },
            };
            if matches!(
                key_name,
                "kind" | "bus" | "gateway" | "name" | "index" | "role" | "owner" | "profile"
            ) {
                self.error_help(
                    codes::DUPLICATE_NAME,
                    key.span,
                    format!("`{key_name}` has a fixed meaning and cannot be a tag"),
                    "choose another name for the tag",
                );
                continue;
            }
            if family.tags.insert(key_name.to_owned(), tag).is_some() {
                self.error_help(
                    codes::DUPLICATE_PROPERTY,
                    key.span,
                    format!("the tag `{key_name}` stands twice"),
                    "remove one of the two",
                );
            }
        }
    }

    /// `reads ppm 0 .. 1000`, `reads alarm`, `reads state idle | busy`.
    fn points(
        &mut self,
        props: &mut Props<'a>,
        family: &Family,
        profile: Option<&'a profile::Profile>,
    ) -> Vec<(Attr, crate::ir::SignalId)> {
        let mut points = Vec::new();
        let reading = self
            .families
            .get(family.id.index())
            .map_or(Reading { poll_s: None, max_age_s: None }, super::signal::device_reading);
        for mut args in props.all("reads") {
            let place = args.span();
            let Some(word) = args.word() else {
                self.bad_value(&args, "the name of what it reads: `reads ppm 0 .. 1000`");
                continue;
            };
            let (ty, domain) = match args.peek().map(|a| &a.kind) {
                None => (Type::Bool, Domain::Bool),
                Some(ArgKind::Choice(words)) => {
                    args.next();
                    (Type::Symbol, Domain::Symbols(words.iter().map(|w| w.text.clone()).collect()))
                }
                Some(ArgKind::Range(lo, hi)) => {
                    let at = args.here();
                    args.next();
                    let Some(high) = self.constant_expr(hi) else { continue };
                    let ty = high.ty;
                    let Some(low) = self.low_end(lo, ty) else { continue };
                    let Some((lo, hi)) = self.ordered(low, high.lin.constant, at) else { continue };
                    (ty, Domain::Interval { lo, hi })
                }
                Some(_) => {
                    self.bad_value(&args, "a range, words, or nothing for an on-off point");
                    continue;
                }
            };
            let mut own = reading.clone();
            loop {
                if args.eat("poll") {
                    own.poll_s = self.arg_const(&mut args, Type::Duration);
                } else if args.eat("max_age") {
                    own.max_age_s = self.arg_const(&mut args, Type::Duration);
                } else {
                    break;
                }
            }
            self.end(&args);
            let attr = Attr::Point(word.text.clone());
            if super::reference::plain_attribute(&word.text).is_some()
                && !matches!(family.role, Role::Control)
            {
                self.error_help(
                    codes::DUPLICATE_NAME,
                    word.span,
                    format!("`{}` has a fixed meaning and is measured anyway", word.text),
                    "remove it from `reads`, and read it as an attribute of the device",
                );
                continue;
            }
            if points.iter().any(|(known, _)| *known == attr) {
                self.error_help(
                    codes::DUPLICATE_PROPERTY,
                    word.span,
                    format!("{} reads `{}` twice", props.what(), word.text),
                    "remove one of the two",
                );
                continue;
            }
            let made = Made {
                name: format!("{}.{}", family.name, word.text),
                ty,
                domain,
                source: SignalSource::Sensor(family.id, word.text.clone()),
                span: place,
            };
            let signal = self.signal(Key::Point(family.id, word.text.clone()), made);
            if let Some(s) = self.site.signals.get_mut(signal.index()) {
                s.count = family.count;
                s.reading = Some(own);
            }
            points.push((attr, signal));
        }
        for (name, ty, domain) in profile.map(profile::measures).unwrap_or_default() {
            let attr = Attr::Point(name.to_owned());
            if points.iter().any(|(known, _)| *known == attr) {
                continue;
            }
            let made = Made {
                name: format!("{}.{name}", family.name),
                ty,
                domain,
                source: SignalSource::Sensor(family.id, name.to_owned()),
                span: family.span,
            };
            let signal = self.signal(Key::Point(family.id, name.to_owned()), made);
            if let Some(s) = self.site.signals.get_mut(signal.index()) {
                s.count = family.count;
                s.reading = Some(reading.clone());
            }
            points.push((attr, signal));
        }
        points
    }

    /// A power, or a current that the device's voltage turns into one.
    pub(super) fn power_arg(&mut self, args: &mut Args<'a>, family: &Family) -> Option<Rat> {
        let Some(ArgKind::Value(expr)) = args.peek().map(|a| &a.kind) else {
            self.bad_value(args, "a power");
            return None;
        };
        args.next();
        self.power_expr(expr, family)
    }

    /// A constant power of a device; a current is converted.
    pub(super) fn power_expr(&mut self, expr: &Expr, family: &Family) -> Option<Rat> {
        let num = self.constant_expr(expr)?;
        match num.ty {
            Type::Power => Some(num.lin.constant),
            Type::Current => {
                let factor = self.kilowatts_per_ampere(family, expr.span)?;
                Some(&num.lin.constant * &factor)
            }
            Type::Number if num.lin.constant.is_zero() => Some(Rat::ZERO),
            ty => {
                self.mismatch(ty, Type::Power, expr.span);
                None
            }
        }
    }

    /// The range of a device's power: `0 kW .. 90 kW`, `up to 90 kW`, `one of { .. }`, `90 kW`.
    pub(super) fn power_pieces(&mut self, args: &mut Args<'a>, family: &Family) -> Option<Vec<(Rat, Rat)>> {
        let span = args.here();
        let pieces = match args.peek().map(|a| &a.kind) {
            Some(ArgKind::Range(lo, hi)) => {
                args.next();
                let (a, b) = (self.power_expr(lo, family), self.power_expr(hi, family));
                vec![self.ordered(a?, b?, span)?]
            }
            Some(ArgKind::Bound(Bound { kind: BoundKind::AtMost(expr), .. })) => {
                args.next();
                vec![(Rat::ZERO, self.power_expr(expr, family)?)]
            }
            Some(ArgKind::OneOf(alternatives)) => {
                args.next();
                self.power_alternatives(alternatives, family)?
            }
            Some(ArgKind::Bound(Bound { kind: BoundKind::OneOf(alternatives), .. })) => {
                args.next();
                self.power_alternatives(alternatives, family)?
            }
            Some(ArgKind::Value(expr)) => {
                args.next();
                vec![(Rat::ZERO, self.power_expr(expr, family)?)]
            }
            _ => {
                self.bad_value(args, "a power or a range of powers");
                return None;
            }
        };
        if pieces.first().is_some_and(|(lo, _)| lo.is_negative()) {
            let text = self.text(span);
            self.error_help(
                codes::IMPOSSIBLE_LITERAL,
                span,
                format!("`{text}` is below zero"),
                "powers of consumers and producers are never negative: write 0 kW or more",
            );
            return None;
        }
        Some(pieces)
    }

    fn power_alternatives(
        &mut self,
        alternatives: &[crate::ast::Alternative],
        family: &Family,
    ) -> Option<Vec<(Rat, Rat)>> {
        let mut pieces = Vec::new();
        for alternative in alternatives {
            pieces.push(match alternative {
                crate::ast::Alternative::Value(expr) => {
                    let value = self.power_expr(expr, family)?;
                    (value.clone(), value)
                }
                crate::ast::Alternative::Range(lo, hi) => {
                    let (a, b) = (self.power_expr(lo, family), self.power_expr(hi, family));
                    self.ordered(a?, b?, lo.span.to(hi.span))?
                }
            });
        }
        Some(joined(pieces))
    }

    /// A feed or a constant as a signal or a value of power.
    pub(super) fn wide_power(range: Option<&[(Rat, Rat)]>) -> (Rat, Rat) {
        match range.and_then(|pieces| Some((pieces.first()?, pieces.last()?))) {
            Some(((lo, _), (_, hi))) => (lo.clone(), hi.clone()),
            None => match wide(Type::Power) {
                Domain::Interval { hi, .. } => (Rat::ZERO, hi),
                _ => (Rat::ZERO, Rat::ZERO),
            },
        }
    }

    /// `decide offices.setpoint, pack.power`.
    pub(super) fn decide_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.decides {
            for name in owned.node {
                self.decide(name);
            }
        }
    }

    fn decide(&mut self, name: &'a Name) {
        let Some(goal) = self.goal(name) else { return };
        match goal.target {
            crate::ir::Target::Members(ranges) => {
                for range in ranges {
                    if let Some(f) = self.site.families.get_mut(range.family.index())
                        && !f.decide.contains(&goal.attr)
                    {
                        f.decide.push(goal.attr.clone());
                    }
                }
            }
            _ => {
                let text = self.text(name.span);
                self.unhonoured(format!("`decide` of a group or zone (`{text}`)"), name.span, true, false);
            }
        }
    }
}

/// Sorted pieces, those that touch joined.
pub(super) fn joined(mut pieces: Vec<(Rat, Rat)>) -> Vec<(Rat, Rat)> {
    pieces.sort();
    let mut out: Vec<(Rat, Rat)> = Vec::with_capacity(pieces.len());
    for (lo, hi) in pieces {
        match out.last_mut() {
            Some((_, end)) if lo <= *end => *end = Rat::max_of(end, &hi),
            _ => out.push((lo, hi)),
        }
    }
    out
}

fn word_of(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Name(name) => name.single().map(|ident| ident.text.as_str()),
        _ => None,
    }
}

const fn example_kind(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Producer => "pv",
        Keyword::Storage => "battery",
        Keyword::Control => "thermostat",
        Keyword::Slot => "storage",
        _ => "load",
    }
}
