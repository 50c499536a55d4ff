//! Stores and slots.

use super::Compiler;
use super::profile::{Profile, rated};
use super::props::{Args, Props};
use crate::ast::{ArgKind, Bound, BoundKind};
use crate::diag::codes;
use crate::ir::{Attr, End, Family, Model, Store};
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// What a store adds.
    pub(super) fn read_storage(
        &mut self,
        props: &mut Props<'a>,
        family: &mut Family,
        profile: Option<&'a Profile>,
    ) {
        let capacity = match self.take(props, "capacity") {
            Some(args) => {
                let span = args.here();
                self.amount(args, Type::Energy).and_then(|v| self.positive(v, span)).unwrap_or(Rat::ONE)
            }
            None => match rated(profile, "capacity") {
                Some(value) => value,
                None => {
                    self.need(props, "capacity", "capacity 200 kWh");
                    Rat::ONE
                }
            },
        };
        let charge = self.store_power(props, "charge", family, profile);
        let discharge = self.store_power(props, "discharge", family, profile);
        let mut store = Store {
            grid_forming: self.flag(props, "grid_forming"),
            ..Store::new(capacity, charge.clone(), discharge.clone())
        };
        if let Some(args) = self.need(props, "efficiency", "efficiency 95 % / 95 %") {
            self.store_efficiency(args, &mut store);
        }
        if let Some(mut args) = self.take(props, "charge_level") {
            let span = args.here();
            if let Some((lo, hi)) = self.arg_range(&mut args, Type::Ratio) {
                self.end(&args);
                let (lo, hi) = (self.share(lo, span), self.share(hi, span));
                if let (Some(lo), Some(hi)) = (lo, hi) {
                    (store.level_min, store.level_max) = (lo, hi);
                }
            }
        }
        if let Some(args) = self.take(props, "wear") {
            self.store_wear(args, &mut store);
        }
        if let Some(args) = self.take(props, "self_discharge") {
            self.self_discharge(args, &mut store);
        }
        if let Some(mut args) = self.take(props, "end") {
            store.end = self.store_end(&mut args, &store);
            self.end(&args);
        }
        family.ranges.insert(Attr::Charge, vec![(Rat::ZERO, charge.clone())]);
        family.ranges.insert(Attr::Discharge, vec![(Rat::ZERO, discharge.clone())]);
        family.ranges.insert(Attr::Power, vec![(-&charge, discharge)]);
        family.ranges.insert(Attr::ChargeLevel, vec![(store.level_min.clone(), store.level_max.clone())]);
        family.model = Model::Store(Box::new(store));
    }

    fn store_power(
        &mut self,
        props: &mut Props<'a>,
        key: &'static str,
        family: &Family,
        profile: Option<&'a Profile>,
    ) -> Rat {
        match self.take(props, key) {
            Some(mut args) => {
                let span = args.here();
                let value = match args.peek().map(|a| &a.kind) {
                    Some(ArgKind::Bound(Bound { kind: BoundKind::AtMost(expr), .. })) => {
                        args.next();
                        self.power_expr(expr, family)
                    }
                    _ => self.power_arg(&mut args, family),
                };
                self.end(&args);
                value.and_then(|v| self.not_negative(v, span)).unwrap_or(Rat::ONE)
            }
            None => match rated(profile, key).or_else(|| rated(profile, "power")) {
                Some(value) => value,
                None => {
                    self.need(props, key, &format!("{key} up to 50 kW"));
                    Rat::ONE
                }
            },
        }
    }

    /// `95 % / 95 %` for charge and discharge, or `90 %` for each.
    fn store_efficiency(&mut self, mut args: Args<'a>, store: &mut Store) {
        let (charge, discharge) = match args.peek().map(|a| &a.kind) {
            Some(ArgKind::Pair(a, b)) => {
                args.next();
                let first = self.quantity_of(a, Type::Ratio).and_then(|v| self.share(v, a.span));
                let first = first.and_then(|v| self.positive(v, a.span));
                let second = self.quantity_of(b, Type::Ratio).and_then(|v| self.share(v, b.span));
                (first, second.and_then(|v| self.positive(v, b.span)))
            }
            _ => {
                let span = args.here();
                let value = self.arg_const(&mut args, Type::Ratio).and_then(|v| self.share(v, span));
                let value = value.and_then(|v| self.positive(v, span));
                (value.clone(), value)
            }
        };
        self.end(&args);
        if let (Some(charge), Some(discharge)) = (charge, discharge) {
            store.efficiency_charge = charge;
            store.efficiency_discharge = discharge;
        }
    }

    /// `0.03 USD/kWh`, or `0.01 USD/kWh / 0.02 USD/kWh` for charge and discharge.
    fn store_wear(&mut self, mut args: Args<'a>, store: &mut Store) {
        if let Some(ArgKind::Pair(a, b)) = args.peek().map(|a| &a.kind) {
            args.next();
            self.end(&args);
            let charge = self.quantity_of(a, Type::EnergyPrice).and_then(|v| self.not_negative(v, a.span));
            let discharge = self.quantity_of(b, Type::EnergyPrice).and_then(|v| self.not_negative(v, b.span));
            store.wear_charge = charge.unwrap_or(Rat::ZERO);
            store.wear = discharge.unwrap_or(Rat::ZERO);
            return;
        }
        store.wear = self.amount(args, Type::EnergyPrice).unwrap_or(Rat::ZERO);
    }

    /// `0.1 % per h`.
    fn self_discharge(&mut self, mut args: Args<'a>, store: &mut Store) {
        let span = args.here();
        let value = self.arg_const(&mut args, Type::Ratio).and_then(|v| self.share(v, span));
        match args.next().map(|a| &a.kind) {
            Some(ArgKind::Per(word)) if matches!(word.text.as_str(), "h" | "hour") => {}
            _ => self.error(
                codes::MISSING_UNIT,
                span,
                "self-discharge is a share per hour: `0.01 % per h`".to_owned(),
            ),
        }
        self.end(&args);
        if let Some(value) = value {
            store.self_discharge = value;
        }
    }

    /// `end at least 50 %`, `end exactly 50 %`, `end exactly start`, `end worth 0.10 USD/kWh`,
    /// `end free`.
    fn store_end(&mut self, args: &mut Args<'a>, store: &Store) -> End {
        let span = args.here();
        if args.eat("free") {
            return End::Free;
        }
        if args.eat("worth") {
            if args.is_done() {
                let example = format!("write, for example, `end worth 0.10 {}/kWh`", self.site.currency);
                self.error_help(
                    codes::TYPE_MISMATCH,
                    span,
                    "`end worth` needs a price of energy".to_owned(),
                    &example,
                );
                return End::Free;
            }
            return match self.arg_const(args, Type::EnergyPrice) {
                Some(price) => End::Worth(price),
                None => End::Free,
            };
        }
        if args.eat("exactly") {
            if args.is_done() {
                self.no_level(span, "exactly");
                return End::Free;
            }
            if args.eat("start") {
                return End::ExactlyStart;
            }
            return match self.arg_const(args, Type::Ratio).and_then(|v| self.level(v, store, span)) {
                Some(level) => End::Exactly(level),
                None => End::Free,
            };
        }
        match args.peek().map(|a| &a.kind) {
            Some(ArgKind::Bound(Bound { kind: BoundKind::Exactly(expr), .. })) => {
                args.next();
                if self.slice(expr.span) == "start" {
                    return End::ExactlyStart;
                }
                match self.constant_of(expr, Type::Ratio).and_then(|v| self.level(v, store, span)) {
                    Some(level) => End::Exactly(level),
                    None => End::Free,
                }
            }
            Some(ArgKind::Bound(Bound { kind: BoundKind::AtLeast(expr), .. })) => {
                args.next();
                match self.constant_of(expr, Type::Ratio).and_then(|v| self.level(v, store, span)) {
                    Some(level) => End::AtLeast(level),
                    None => End::Free,
                }
            }
            _ if args.eat("at") && args.eat("least") && args.is_done() => {
                self.no_level(span, "at least");
                End::Free
            }
            _ => {
                self.bad_value(args, "`at least 50 %`, `exactly 50 %`, `worth 0.10 USD/kWh` or `free`");
                // one fault, however many words
                while args.next().is_some() {}
                End::Free
            }
        }
    }

    /// `end exactly` and `end at least` without saying where.
    fn no_level(&mut self, span: crate::diag::Span, how: &str) {
        let start = match how {
            "exactly" => ", or `end exactly start` for the level at the plan's beginning",
            _ => "",
        };
        let help = format!("write, for example, `end {how} 50 %`{start}");
        self.error_help(codes::TYPE_MISMATCH, span, format!("`end {how}` needs a level"), &help);
    }

    /// A level that the store can have.
    fn level(&mut self, value: Rat, store: &Store, span: crate::diag::Span) -> Option<Rat> {
        let value = self.share(value, span)?;
        if value < store.level_min || value > store.level_max {
            let text = self.text(span);
            self.error_help(
                codes::OUT_OF_RANGE,
                span,
                format!("`{text}` lies outside the store's `charge_level`"),
                "choose a level inside it, or widen `charge_level`",
            );
            return None;
        }
        Some(value)
    }

    /// A place for modules: nothing is known of what will stand in it but its limits.
    pub(super) fn read_slot(&mut self, props: &mut Props<'a>, family: &mut Family) {
        let mut accepts = Vec::new();
        for mut args in props.all("accepts") {
            let word = if args.eat("function") { args.word() } else { None };
            let Some(word) = word else {
                self.bad_value(&args, "a function: `function battery`");
                continue;
            };
            accepts.push(word.text.clone());
            self.end(&args);
        }
        for (key, attr) in [("charge", Attr::Charge), ("discharge", Attr::Discharge), ("power", Attr::Power)]
        {
            if let Some(mut args) = self.take(props, key) {
                let value = self.up_to(&mut args, Type::Power);
                self.end(&args);
                if let Some(value) = value {
                    family.ranges.insert(attr, vec![(Rat::ZERO, value)]);
                }
            }
        }
        let span = family.span;
        self.unhonoured(format!("the slot `{}`: modules that fill it", family.name), span, false, true);
        family.model = Model::Slot { accepts };
    }
}
