//! Consumers: what they can take, and what they need.

use super::Compiler;
use super::profile::{Profile, rated};
use super::props::{Args, Props};
use crate::ast::ArgKind;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Attr, Consumer, Family, FeedId, Model, Need};
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// What a consumer adds.
    pub(super) fn read_consumer(
        &mut self,
        props: &mut Props<'a>,
        family: &mut Family,
        profile: Option<&'a Profile>,
    ) {
        let mut consumer = Consumer::default();
        let mut pieces = self.demand(props, family, profile);
        consumer.on_off = self.flag(props, "on_off");
        if let Some(found) = &pieces {
            let points = found.iter().all(|(lo, hi)| lo == hi);
            if points && found.len() == 2 && found.first().is_some_and(|(lo, _)| lo.is_zero()) {
                consumer.on_off = true;
            }
            if consumer.on_off
                && !points
                && let Some((_, hi)) = found.last().cloned()
            {
                pieces = Some(vec![(Rat::ZERO, Rat::ZERO), (hi.clone(), hi)]);
            }
        }
        self.need_of(props, &mut consumer, pieces.as_deref());
        self.zones_of(props, &mut consumer);
        if let Some(args) = self.take(props, "min_up") {
            consumer.min_up_s = self.duration(args).unwrap_or(0);
        }
        if let Some(args) = self.take(props, "min_down") {
            consumer.min_down_s = self.duration(args).unwrap_or(0);
        }
        if let Some(mut args) = self.take(props, "sessions")
            && let Some(name) = self.arg_name(&mut args, "a feed: `sessions feed.charging`")
        {
            self.end(&args);
            consumer.sessions = self.sessions(name);
        }
        if let Some(mut args) = self.take(props, "default") {
            let span = args.here();
            let value = self.power_arg(&mut args, family).and_then(|v| self.not_negative(v, span));
            self.end(&args);
            consumer.default_power = value;
        }
        let pieces = match pieces {
            Some(pieces) => pieces,
            None => vec![self.served_range(&consumer.need)],
        };
        family.ranges.insert(Attr::Power, pieces);
        family.model = Model::Consumer(Box::new(consumer));
    }

    /// `demand 0 kW .. 90 kW`, `demand one of { 0 kW, 1.4 kW .. 11 kW }`, else the profile's rating.
    fn demand(
        &mut self,
        props: &mut Props<'a>,
        family: &Family,
        profile: Option<&'a Profile>,
    ) -> Option<Vec<(Rat, Rat)>> {
        if let Some(mut args) = self.take(props, "demand") {
            let pieces = self.power_pieces(&mut args, family);
            self.end(&args);
            return Some(pieces.unwrap_or_else(|| vec![(Rat::ZERO, Rat::ONE)]));
        }
        if let Some(value) = rated(profile, "power") {
            return Some(vec![(Rat::ZERO, value)]);
        }
        if !props.has("load") && !props.has("needs") {
            self.need(props, "demand", "demand 0 kW .. 90 kW` or `load feed.building");
        }
        None
    }

    /// What a served load can take where nothing else is declared: the range of what brings it.
    fn served_range(&self, need: &Need) -> (Rat, Rat) {
        match need {
            Need::Constant(value) => (Rat::ZERO, value.clone()),
            Need::Load(signal) | Need::Needs(signal) => {
                match self.site.signals.get(signal.index()).map(|s| &s.domain) {
                    Some(crate::ir::Domain::Interval { lo, hi }) => (Rat::min_of(lo, &Rat::ZERO), hi.clone()),
                    _ => Self::wide_power(None),
                }
            }
            Need::None => (Rat::ZERO, Rat::ONE),
        }
    }

    /// `load feed.office`, `needs feed.laundry, may shed in comfort`.
    fn need_of(&mut self, props: &mut Props<'a>, consumer: &mut Consumer, pieces: Option<&[(Rat, Rat)]>) {
        let load = self.take(props, "load");
        let needs = self.take(props, "needs");
        if let (Some(_), Some(second)) = (&load, &needs) {
            self.error_help(
                codes::DUPLICATE_PROPERTY,
                second.span(),
                format!("{} has both `load` and `needs`", props.what()),
                "keep `load` where it is served exactly, `needs` where it may be shed",
            );
        }
        let elastic = needs.is_some();
        let inline = load.or(needs);
        let mut may = self.take(props, "may");
        if let Some(mut args) = inline {
            if let Some(need) = self.served(&mut args, elastic, pieces) {
                consumer.need = need;
            }
            if args.eat("may") {
                self.shed(&mut args, consumer);
            }
            self.end(&args);
        }
        if let Some(args) = &mut may {
            if consumer.need == Need::None {
                self.error(
                    codes::MISSING_PROPERTY,
                    args.span(),
                    format!("{} may shed only what it needs: declare `needs` or `load`", props.what()),
                );
            }
            self.shed(args, consumer);
            let args = args.clone();
            self.end(&args);
        }
    }

    fn served(&mut self, args: &mut Args<'a>, elastic: bool, pieces: Option<&[(Rat, Rat)]>) -> Option<Need> {
        let span = args.here();
        if let Some(name) = Self::peek_feed(args) {
            args.next();
            let feed = self.feed_reference(name)?;
            let range = Self::wide_power(pieces);
            let signal = self.feed_signal(feed, Some(Type::Power), Some(range), span)?;
            return Some(if elastic { Need::Needs(signal) } else { Need::Load(signal) });
        }
        let value = self.arg_const(args, Type::Power)?;
        let value = self.not_negative(value, span)?;
        if let Some(pieces) =
            pieces.filter(|pieces| !pieces.iter().any(|(lo, hi)| *lo <= value && value <= *hi))
        {
            let kw = |power: &Rat| crate::quantity::show(power, Type::Power, "");
            let piece =
                |(lo, hi): &(Rat, Rat)| if lo == hi { kw(lo) } else { format!("{} .. {}", kw(lo), kw(hi)) };
            let allowed: Vec<String> = pieces.iter().map(piece).collect();
            let message = format!("`{}` is no power that it can take", self.slice(span));
            let finding = Diagnostic::error(codes::OUT_OF_RANGE, span, message)
                .because(format!("its `demand` is {}", allowed.join(", ")))
                .help("need a power that `demand` allows, or let `demand` allow this one");
            self.push(finding);
            return None;
        }
        Some(Need::Constant(value))
    }

    /// `shed in comfort`, `shed at 2 USD/kWh`.
    fn shed(&mut self, args: &mut Args<'a>, consumer: &mut Consumer) {
        if !args.eat("shed") {
            self.bad_value(args, "`shed in CLASS` or `shed at PRICE`");
            return;
        }
        if args.eat("in") {
            if let Some(word) = args.word() {
                consumer.shed_class = self.class(Some(word), "this", word.span);
            } else {
                self.bad_value(args, "a class");
            }
        } else if args.eat("at") {
            let span = args.here();
            let price = self.arg_const(args, Type::EnergyPrice);
            consumer.shed_price = price.and_then(|v| self.not_negative(v, span));
        } else if let Some(ArgKind::Bound(crate::ast::Bound {
            kind: crate::ast::BoundKind::Exactly(expr),
            ..
        })) = args.peek().map(|a| &a.kind)
        {
            args.next();
            let price = self.constant_of(expr, Type::EnergyPrice);
            consumer.shed_price = price.and_then(|v| self.not_negative(v, expr.span));
        } else {
            self.bad_value(args, "`in CLASS` or `at PRICE`");
        }
    }

    fn zones_of(&mut self, props: &mut Props<'a>, consumer: &mut Consumer) {
        for (key, heats) in [("heats", true), ("cools", false)] {
            if let Some(mut args) = self.take(props, key)
                && let Some(name) = self.arg_name(&mut args, "the name of a zone")
            {
                self.end(&args);
                let zone = self.zone(name);
                if heats {
                    consumer.heats = zone;
                } else {
                    consumer.cools = zone;
                }
            }
        }
        let thermal = consumer.heats.is_some() || consumer.cools.is_some();
        if let Some(mut args) = self.take(props, "cop") {
            consumer.cop = self.table(&mut args, Type::Number);
            self.end(&args);
        } else if thermal {
            consumer.cop = vec![(Rat::ZERO, Rat::ONE)];
        }
        if let Some(mut args) = self.take(props, "capacity") {
            consumer.capacity = self.table(&mut args, Type::Power);
            self.end(&args);
        }
    }

    /// `3.2`, or `{ -10 degC: 2.1, 7 degC: 3.2 }` by outdoor temperature.
    fn table(&mut self, args: &mut Args<'a>, want: Type) -> Vec<(Rat, Rat)> {
        let span = args.here();
        let Some(ArgKind::Map(rows)) = args.peek().map(|a| &a.kind) else {
            let value = self.arg_const(args, want).and_then(|v| self.positive(v, span));
            return value.map(|v| (Rat::ZERO, v)).into_iter().collect();
        };
        args.next();
        let mut table: Vec<(Rat, Rat)> = Vec::new();
        for (temperature, value) in rows {
            let key = self.constant_of(temperature, Type::Temperature);
            let value = self.constant_of(value, want).and_then(|v| self.positive(v, value.span));
            let (Some(key), Some(value)) = (key, value) else { continue };
            if table.last().is_some_and(|(last, _)| *last >= key) {
                let finding = Diagnostic::error(
                    codes::REVERSED_RANGE,
                    temperature.span,
                    "the temperatures of a table rise from row to row".to_owned(),
                );
                self.push(finding);
                continue;
            }
            table.push((key, value));
        }
        table
    }

    fn sessions(&mut self, name: &'a crate::ast::Name) -> Option<FeedId> {
        let feed = self.feed_reference(name)?;
        let broken = self.feed_used(feed);
        let declared = self.site.feeds.get(feed.index())?;
        if !declared.sessions && !broken {
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                name.span,
                format!("the feed `{}` brings values, not vehicle sessions", declared.name),
            )
            .label(declared.span, "declared here");
            self.push(finding.help("add `sessions` to the feed"));
            return None;
        }
        Some(feed)
    }
}
