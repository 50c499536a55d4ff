//! Tariffs.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::network::named;
use super::props::{Args, Props};
use super::signal::{Key, Made};
use crate::ast::{ArgKind, Declaration, Property};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    DemandCharge, FixedCharge, MinimumBill, Period, Price, PricePeriod, Sched, SignalId, SignalSource,
    TariffId,
};
use crate::quantity::{Rat, Type};

/// What is known of a tariff beside its [`crate::ir::Tariff`].
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// it has an error: its prices are not reported as missing
    pub(super) broken: bool,
}

impl<'a> Compiler<'a> {
    /// Reads all tariffs.
    pub(super) fn tariff_statements(&mut self, declared: &Declared<'a>) {
        for (at, owned) in declared.tariffs.iter().enumerate() {
            let id = TariffId::at(at);
            let before = self.findings.tally().errors;
            self.read_tariff(owned, id);
            let broken = !owned.node.complete || self.findings.tally().errors > before;
            if let Some(shape) = self.tariffs.get_mut(at) {
                shape.broken = broken;
            }
        }
    }

    fn read_tariff(&mut self, owned: &Owned<'a, Declaration>, id: TariffId) {
        let node = owned.node;
        let (name, span) = named(node);
        let mut props = Props::new(format!("the tariff `{name}`"), span, node.complete, &node.properties);
        let import = self.need(&mut props, "import", "import 0.30 EUR/kWh");
        let import = import.and_then(|args| self.price_of(args, id, false, &name));
        let export = self.take(&mut props, "export").and_then(|args| self.price_of(args, id, true, &name));
        let mut demand = Vec::new();
        for args in props.all("demand") {
            self.demand_charge(args, &mut demand);
        }
        let mut interval_s = 900;
        if let Some(args) = self.take(&mut props, "interval") {
            let at = args.here();
            if let Some(value) = self.amount(args, Type::Duration)
                && let Some(seconds) = self.positive_seconds(&value, at)
            {
                if 86_400 % seconds == 0 {
                    interval_s = seconds;
                } else {
                    self.error_help(
                        codes::OUT_OF_RANGE,
                        at,
                        "a demand interval divides the day: 5, 15, 30 or 60 min".to_owned(),
                        "take the interval that the contract names",
                    );
                }
            }
        }
        let mut fixed = Vec::new();
        for args in props.all("fixed") {
            if let Some(charge) = self.fixed_charge(args) {
                fixed.push(charge);
            }
        }
        let minimum = self.take(&mut props, "minimum").and_then(|args| self.minimum_bill(args));
        for key in ["tier", "tiers", "ratchet", "coincident", "reactive", "power_factor"] {
            for args in props.all(key) {
                let text = self.text(args.span());
                self.unhonoured(format!("`{text}` in the tariff `{name}`"), args.span(), false, true);
            }
        }
        self.finish(props);
        let import_signal = import.as_ref().map(|price| self.price_signal_of(price, id, false, &name));
        let export_signal = export.as_ref().map(|price| self.price_signal_of(price, id, true, &name));
        if let Some(tariff) = self.site.tariffs.get_mut(id.index()) {
            if let Some(import) = import {
                tariff.import = import;
            }
            tariff.export = export;
            tariff.demand = demand;
            tariff.interval_s = interval_s;
            tariff.fixed = fixed;
            tariff.minimum = minimum;
            tariff.import_signal = import_signal;
            tariff.export_signal = export_signal;
        }
    }

    /// The signal of a price: the feed's values, or what the periods say.
    fn price_signal_of(&mut self, price: &Price, id: TariffId, export: bool, name: &str) -> SignalId {
        let span = match price {
            Price::Feed(signal, _) => return *signal,
            Price::Periods { span, .. } => *span,
        };
        let domain = Self::price_domain(price);
        let (key, source) = if export {
            (Key::Export(id), SignalSource::ExportPrice(id))
        } else {
            (Key::Import(id), SignalSource::ImportPrice(id))
        };
        let direction = if export { "export" } else { "import" };
        let shown = if self.site.tariffs.len() > 1 { name } else { "price" };
        let made = Made { name: format!("{shown}.{direction}"), ty: Type::EnergyPrice, domain, source, span };
        self.signal(key, made)
    }

    /// `0.07 USD/kWh`, `feed.rt`, or a block of periods.
    fn price_of(&mut self, mut args: Args<'a>, id: TariffId, export: bool, name: &str) -> Option<Price> {
        let span = args.span();
        if let Some(feed_name) = Self::peek_feed(&args) {
            let at = args.here();
            args.next();
            self.end(&args);
            let feed = self.feed_reference(feed_name)?;
            let signal = self.feed_signal(feed, Some(Type::EnergyPrice), None, at)?;
            let _ = (id, export, name);
            return Some(Price::Feed(signal, span));
        }
        if let Some(ArgKind::Block(rows)) = args.peek().map(|a| &a.kind) {
            args.next();
            self.end(&args);
            return self.periods(rows, span);
        }
        let price = self.arg_const(&mut args, Type::EnergyPrice)?;
        let during = self.period_of(&mut args)?;
        self.end(&args);
        Some(match during {
            None => Price::Periods { periods: Vec::new(), otherwise: Some(price), span },
            Some(during) => {
                Price::Periods { periods: vec![PricePeriod { during, price, span }], otherwise: None, span }
            }
        })
    }

    fn periods(&mut self, rows: &'a [Property], span: Span) -> Option<Price> {
        let (mut periods, mut otherwise): (Vec<PricePeriod>, Option<(Rat, Span)>) = (Vec::new(), None);
        let mut failed = rows.is_empty();
        if rows.is_empty() {
            self.error_help(
                codes::MISSING_PROPERTY,
                span,
                "this block holds no price".to_owned(),
                "add a row: `0.42 USD/kWh otherwise`",
            );
        }
        for row in rows {
            let mut args = Args::new(row);
            if !args.key().is_empty() {
                let key = args.key().to_owned();
                if matches!(key.as_str(), "tier" | "tiers") {
                    let text = self.text(row.span);
                    self.unhonoured(format!("`{text}`"), row.span, false, true);
                    continue;
                }
                self.error(
                    codes::UNKNOWN_PROPERTY,
                    row.span,
                    format!("`{key}` is no price; rows are written `0.42 USD/kWh during peak`"),
                );
                failed = true;
                continue;
            }
            let price = self.arg_const(&mut args, Type::EnergyPrice);
            let during = self.period_of(&mut args);
            self.end(&args);
            let (Some(price), Some(during)) = (price, during) else {
                failed = true;
                continue;
            };
            match during {
                Some(during) => periods.push(PricePeriod { during, price, span: row.span }),
                None => {
                    if let Some((_, earlier)) = &otherwise {
                        let finding = Diagnostic::error(
                            codes::DUPLICATE_PROPERTY,
                            row.span,
                            "two prices hold at all other times".to_owned(),
                        )
                        .label(*earlier, "first here");
                        self.push(finding.help("one of them needs `during`"));
                    }
                    otherwise = Some((price, row.span));
                }
            }
        }
        (!failed).then(|| Price::Periods { periods, otherwise: otherwise.map(|(price, _)| price), span })
    }

    /// `during peak`, `otherwise`, or nothing; `Some(None)`: at all other times.
    fn period_of(&mut self, args: &mut Args<'a>) -> Option<Option<Sched>> {
        if args.eat("otherwise") || args.eat("else") {
            return Some(None);
        }
        match args.peek().map(|a| &a.kind) {
            Some(ArgKind::During(schedule)) => {
                args.next();
                self.sched(schedule).map(Some)
            }
            _ => Some(None),
        }
    }

    /// `demand monthly { 19.50 USD/kW on any, 24.10 USD/kW during peak expect 80 kW }`.
    fn demand_charge(&mut self, mut args: Args<'a>, charges: &mut Vec<DemandCharge>) {
        let whole = args.span();
        let monthly = args.eat("monthly") || args.eat("per_month");
        if !monthly && let Some(word) = args.word() {
            let text = self.text(whole);
            self.unhonoured(format!("a {} demand charge (`{text}`)", word.text), whole, false, true);
        }
        if let Some(ArgKind::Block(rows)) = args.peek().map(|a| &a.kind) {
            args.next();
            self.end(&args);
            for row in rows {
                self.demand_row(Args::new(row), row.span, charges);
            }
            return;
        }
        self.demand_row(args, whole, charges);
    }

    fn demand_row(&mut self, mut args: Args<'a>, span: Span, charges: &mut Vec<DemandCharge>) {
        if matches!(args.key(), "ratchet" | "coincident" | "tier" | "tiers") {
            let text = self.text(span);
            self.unhonoured(format!("`{text}`"), span, false, true);
            return;
        }
        let Some(price) = self.arg_const(&mut args, Type::PowerPrice) else { return };
        if let Some(ArgKind::Per(word)) = args.peek().map(|a| &a.kind)
            && word.text == "month"
        {
            args.next();
        }
        let (mut name, mut during) = ("any".to_owned(), Sched::Always);
        if args.eat("on") {
            if !args.eat("any") {
                self.bad_value(&args, "`any`, or `during` a schedule");
                return;
            }
        } else if let Some(ArgKind::During(schedule)) = args.peek().map(|a| &a.kind) {
            args.next();
            name = self.text(schedule.span);
            let Some(sched) = self.sched(schedule) else { return };
            during = sched;
        }
        let mut expect = None;
        if args.eat("expect") {
            let at = args.here();
            expect = self.arg_const(&mut args, Type::Power).and_then(|v| self.not_negative(v, at));
        }
        self.end(&args);
        if charges.iter().any(|c| c.name == name) {
            self.error_help(
                codes::DUPLICATE_PROPERTY,
                span,
                format!("two demand charges of this tariff are on `{name}`"),
                "join them into one, or name another schedule",
            );
            return;
        }
        charges.push(DemandCharge { name, during, price, expect, span });
    }

    /// `fixed 150 USD per month`.
    fn fixed_charge(&mut self, mut args: Args<'a>) -> Option<FixedCharge> {
        let span = args.span();
        let amount = self.arg_const(&mut args, Type::Money);
        let per = match args.peek().map(|a| &a.kind) {
            Some(ArgKind::Per(word)) => {
                args.next();
                self.period(word)
            }
            _ => {
                self.bad_value(&args, "a period: `150 USD per month`");
                None
            }
        };
        self.end(&args);
        Some(FixedCharge { amount: amount?, per: per?, span })
    }

    /// `minimum 20 EUR per month`.
    fn minimum_bill(&mut self, args: Args<'a>) -> Option<MinimumBill> {
        let span = args.span();
        let FixedCharge { amount, per, .. } = self.fixed_charge(args)?;
        let amount = self.not_negative(amount, span)?;
        if per != Period::Month {
            self.unhonoured(format!("a minimum bill per {}", per.word()), span, false, true);
            return None;
        }
        Some(MinimumBill { amount, span })
    }

    /// `day`, `week`, `month` or `year`.
    pub(super) fn period(&mut self, word: &crate::ast::Ident) -> Option<Period> {
        match word.text.as_str() {
            "day" => Some(Period::Day),
            "week" => Some(Period::Week),
            "month" => Some(Period::Month),
            "year" => Some(Period::Year),
            other => {
                let finding = Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    word.span,
                    format!("`{other}` is no calendar period"),
                );
                self.push(finding.help("periods are `day`, `week`, `month` and `year`"));
                None
            }
        }
    }
}
