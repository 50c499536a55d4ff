//! Literals: exact numbers with their units, dates and times that exist.

use super::Compiler;
use crate::ast;
use crate::calendar::GapReason;
use crate::diag::{Diagnostic, Span, codes, nearest};
use crate::ir::{CivilDate, CivilInstant, MonthDay};
use crate::quantity::{Rat, Type, Unit};

/// A constant in the canonical unit of its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    pub(super) value: Rat,
    pub(super) ty: Type,
    /// written in `K`: a difference that may be read as an absolute temperature
    pub(super) kelvin: bool,
}

impl Compiler<'_> {
    /// A decimal number.
    pub(super) fn number(&mut self, number: &ast::Number) -> Option<Rat> {
        match number.text.parse::<Rat>() {
            Ok(value) => Some(value),
            Err(_) => {
                self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    number.span,
                    format!("`{}` is not a number", number.text),
                    "write digits with a point: `3.5`",
                );
                None
            }
        }
    }

    /// A whole number from 0 up to `most`.
    pub(super) fn whole(&mut self, number: &ast::Number, most: u32) -> Option<u32> {
        let value = self.number(number)?;
        let whole = value.to_i64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most);
        if whole.is_none() {
            self.error(
                codes::IMPOSSIBLE_LITERAL,
                number.span,
                format!("`{}` is no whole number between 0 and {most}", number.text),
            );
        }
        whole
    }

    /// A number with its unit.
    pub(super) fn constant(&mut self, quantity: &ast::Quantity) -> Option<Constant> {
        let written = self.number(&quantity.number)?;
        let Some(unit) = &quantity.unit else {
            return Some(Constant { value: written, ty: Type::Number, kelvin: false });
        };
        let unit_found = self.unit(unit)?;
        let value = unit_found.canonical(&written);
        if unit_found.ty == Type::Temperature && value.is_negative() {
            let finding = Diagnostic::error(
                codes::IMPOSSIBLE_LITERAL,
                quantity.span,
                format!("`{} {}` is below absolute zero", quantity.number.text, unit.text),
            );
            self.push(finding.help("absolute zero is -273.15 degC"));
            return None;
        }
        Some(Constant { value, ty: unit_found.ty, kelvin: unit.text == "K" })
    }

    /// A unit by its symbol.
    pub(super) fn unit(&mut self, unit: &ast::Unit) -> Option<Unit> {
        self.unit_text(&unit.text, unit.span)
    }

    /// A unit by its symbol.
    pub(super) fn unit_text(&mut self, text: &str, span: Span) -> Option<Unit> {
        if let Some(found) = Unit::lookup(text, &self.currency) {
            return Some(found);
        }
        let (head, tail) = text.split_at_checked(3).unwrap_or((text, ""));
        let foreign = head.len() == 3
            && head.bytes().all(|b| b.is_ascii_uppercase())
            && ["", "/kWh", "/MWh", "/kW", "/MW", "/h"].contains(&tail);
        if foreign {
            if self.currency_known {
                let currency = self.currency.clone();
                let mut finding = Diagnostic::error(
                    codes::CURRENCY,
                    span,
                    format!("`{text}` is another currency than the site's `{currency}`"),
                )
                .help(format!(
                    "state the amount in {currency}; a rate between currencies changes, so evl has none"
                ));
                if let Some(place) = self.currency_span {
                    finding = finding.label(place, format!("the site counts in {currency}"));
                }
                self.push(finding);
            }
            return None;
        }
        let mut finding = Diagnostic::error(codes::UNIT, span, format!("unknown unit `{text}`"));
        let money = ["", "/kWh", "/kW", "/h"].map(|tail| format!("{}{tail}", self.currency));
        let symbols = Unit::SYMBOLS.iter().copied().chain(money.iter().map(String::as_str));
        let near = match text {
            "C" | "°C" | "celsius" | "Celsius" => Some("degC"),
            "F" | "°F" => Some("degF"),
            "kw" | "KW" | "Kw" => Some("kW"),
            "kwh" | "KWh" | "KWH" | "kWH" => Some("kWh"),
            "hour" | "hours" | "hr" | "hrs" => Some("h"),
            "minute" | "minutes" | "mins" => Some("min"),
            "second" | "seconds" | "sec" => Some("s"),
            _ => nearest(text, symbols),
        };
        finding = match text {
            "day" | "days" | "week" | "weeks" | "month" | "months" | "year" | "years" => finding.help(
                "`day`, `week`, `month` and `year` stand only behind `per`; elapsed time is written in `d` (24 h), `h`, `min` or `s`",
            ),
            _ => match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("units are written as in `3.6 kW`, `40 kWh`, `21 degC`, `30 %`, `15 min`"),
            },
        };
        self.push(finding);
        None
    }

    /// A quantity of a certain type.
    pub(super) fn quantity_of(&mut self, quantity: &ast::Quantity, want: Type) -> Option<Rat> {
        let constant = self.constant(quantity)?;
        self.fit(&constant, want, quantity.span)
    }

    /// The value of a constant where a type is needed, or a finding.
    pub(super) fn fit(&mut self, constant: &Constant, want: Type, span: Span) -> Option<Rat> {
        if constant.ty == want || (constant.kelvin && want == Type::Temperature) {
            return Some(constant.value.clone());
        }
        self.mismatch(constant.ty, want, span);
        None
    }

    /// Reports that a value of one type stands where another is needed.
    pub(super) fn mismatch(&mut self, found: Type, want: Type, span: Span) {
        if found == Type::Number && want.has_unit() {
            let unit = want.shown_unit(&self.currency);
            let finding = Diagnostic::error(
                codes::MISSING_UNIT,
                span,
                format!("this is {}, and the number has no unit", want.a()),
            );
            self.push(finding.help(format!("write the unit, for example `{unit}`")));
            return;
        }
        let mut finding = Diagnostic::error(
            codes::TYPE_MISMATCH,
            span,
            format!("{} is needed here, and this is {}", want.a(), found.a()),
        )
        .says(found.a());
        if let Some(help) = confusion(found, want) {
            finding = finding.help(help);
        } else if want.has_unit() {
            finding =
                finding.help(format!("{} is written in `{}`", want.a(), want.shown_unit(&self.currency)));
        }
        self.push(finding);
    }

    /// Elapsed whole seconds above 0.
    pub(super) fn seconds(&mut self, quantity: &ast::Quantity) -> Option<i64> {
        let value = self.quantity_of(quantity, Type::Duration)?;
        self.positive_seconds(&value, quantity.span)
    }

    /// Elapsed whole seconds above 0 and at most a hundred years.
    pub(super) fn positive_seconds(&mut self, value: &Rat, span: Span) -> Option<i64> {
        match value.to_i64() {
            Some(n) if (1..=3_155_760_000).contains(&n) => Some(n),
            _ => {
                self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    span,
                    "a duration is a whole number of seconds, at least one".to_owned(),
                    "write, for example, `90 s` or `15 min`",
                );
                None
            }
        }
    }

    /// A date that exists.
    pub(super) fn date(&mut self, date: &ast::Date) -> Option<CivilDate> {
        let year = i16::try_from(date.year).ok();
        let exists = (1..=12).contains(&date.month)
            && date.day >= 1
            && date.day <= days_in_month(i32::from(date.year), date.month)
            && (1900..=2200).contains(&date.year);
        match (exists, year, i8::try_from(date.month), i8::try_from(date.day)) {
            (true, Some(year), Ok(month), Ok(day)) => Some(CivilDate { year, month, day }),
            _ => {
                let finding = Diagnostic::error(
                    codes::IMPOSSIBLE_LITERAL,
                    date.span,
                    format!("there is no day {:04}-{:02}-{:02}", date.year, date.month, date.day),
                );
                let help = if (1..=12).contains(&date.month) && (1900..=2200).contains(&date.year) {
                    format!("that month has {} days", days_in_month(i32::from(date.year), date.month))
                } else if (1900..=2200).contains(&date.year) {
                    "months are 01 to 12; dates are written year-month-day".to_owned()
                } else {
                    "years are 1900 to 2200".to_owned()
                };
                self.push(finding.help(help));
                None
            }
        }
    }

    /// A day that occurs in some year; Feb 29 does.
    pub(super) fn month_day(&mut self, day: &ast::MonthDay) -> Option<MonthDay> {
        let most = days_in_month(2024, day.month.0);
        match (i8::try_from(day.month.0), i8::try_from(day.day)) {
            (Ok(month), Ok(d)) if d >= 1 && day.day <= most && (1..=12).contains(&month) => {
                Some(MonthDay { month, day: d })
            }
            _ => {
                let finding = Diagnostic::error(
                    codes::IMPOSSIBLE_LITERAL,
                    day.span,
                    format!("there is no {} {}", day.month.word(), day.day),
                );
                self.push(finding.help(format!("{} has at most {most} days", day.month.word())));
                None
            }
        }
    }

    /// Seconds after midnight, 0..=86400.
    pub(super) fn time(&mut self, time: &ast::TimeOfDay) -> Option<i32> {
        let second = time.second.unwrap_or(0);
        let in_day = time.hour <= 23 && time.minute <= 59 && second <= 59;
        let midnight = time.hour == 24 && time.minute == 0 && second == 0;
        if in_day || midnight {
            return Some(i32::from(time.hour) * 3600 + i32::from(time.minute) * 60 + i32::from(second));
        }
        let finding = Diagnostic::error(
            codes::IMPOSSIBLE_LITERAL,
            time.span,
            format!("no clock shows `{}`", self.slice(time.span)),
        );
        self.push(finding.help("times run from 00:00 to 24:00"));
        None
    }

    /// A civil instant; its weekday, if written, must be the date's, and the site's clock must show it:
    /// twice where it says `second`.
    pub(super) fn instant(&mut self, instant: &ast::Instant) -> Option<CivilInstant> {
        let date = self.date(&instant.date);
        let time = self.time(&instant.time);
        let (date, second_of_day) = (date?, time?);
        if let Some(weekday) = instant.weekday {
            let real = weekday_of(date);
            if weekday != real {
                let finding = Diagnostic::error(
                    codes::IMPOSSIBLE_LITERAL,
                    instant.span,
                    format!("{date} is a {}, not a {}", real.word(), weekday.word()),
                );
                self.push(finding.help(format!("write `{} {date}`, or leave the weekday out", real.word())));
                return None;
            }
        }
        if let Some(offset) = instant.offset {
            return self.with_offset(date, second_of_day, offset);
        }
        let asked = CivilInstant { date, second_of_day, second: instant.second };
        let why = match self.on_clock(asked) {
            Some(jiff::tz::AmbiguousOffset::Gap { .. }) => GapReason::SetForward,
            Some(jiff::tz::AmbiguousOffset::Unambiguous { .. }) if asked.second => GapReason::NotTwice,
            _ => return Some(asked),
        };
        let text = self.slice(instant.span);
        let message = format!("there is no `{text}`: {}", why.words());
        let finding = Diagnostic::error(codes::IMPOSSIBLE_LITERAL, instant.span, message);
        self.push(finding.help(match why {
            GapReason::NotTwice => "leave `second` out",
            _ => "write an instant that the clock of the site shows",
        }));
        None
    }

    /// The site's offsets from UTC where its clock shows this; `None` where its zone is unknown.
    fn on_clock(&self, at: CivilInstant) -> Option<jiff::tz::AmbiguousOffset> {
        let zone = jiff::tz::TimeZone::get(&self.site.timezone).ok()?;
        Some(zone.to_ambiguous_timestamp(reading(at)?).offset())
    }

    /// Whether one civil instant comes before another; as the clock shows them where the site's zone
    /// is unknown.
    pub(super) fn is_before(&self, from: CivilInstant, to: CivilInstant) -> bool {
        let instant = |at: CivilInstant| {
            let zone = jiff::tz::TimeZone::get(&self.site.timezone).ok()?;
            let found = zone.to_ambiguous_timestamp(reading(at)?);
            if at.second { found.later() } else { found.earlier() }.ok()
        };
        match (instant(from), instant(to)) {
            (Some(from), Some(to)) => from < to,
            _ => (from.date, from.second_of_day) < (to.date, to.second_of_day),
        }
    }

    /// An offset that a clock can have, s: at most 18 h, its minutes below 60.
    pub(super) fn real_offset(&mut self, offset: ast::Offset) -> Option<i32> {
        let text = self.slice(offset.span);
        let minutes = text.split_once(':').and_then(|(_, minutes)| minutes.parse::<u8>().ok());
        if offset.minutes.unsigned_abs() > 18 * 60 || minutes.is_some_and(|minutes| minutes > 59) {
            let message = format!("no clock is `{text}` from UTC");
            let help = "offsets lie between `-18:00` and `+18:00`, and an hour has 60 minutes: `+01:00`";
            self.error_help(codes::IMPOSSIBLE_LITERAL, offset.span, message, help);
            return None;
        }
        Some(i32::from(offset.minutes) * 60)
    }

    fn with_offset(&mut self, date: CivilDate, second: i32, offset: ast::Offset) -> Option<CivilInstant> {
        let offset = self.real_offset(offset)?;
        let zone = jiff::tz::TimeZone::get(&self.site.timezone).ok()?;
        let instant = civil(date)?.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        let shift = i64::from(second).checked_sub(i64::from(offset))?;
        let local =
            jiff::Timestamp::from_second(instant.as_second().checked_add(shift)?).ok()?.to_zoned(zone);
        let first = local.datetime().to_zoned(local.time_zone().clone()).ok()?;
        Some(CivilInstant {
            date: CivilDate { year: local.year(), month: local.month(), day: local.day() },
            second_of_day: i32::from(local.hour()) * 3600
                + i32::from(local.minute()) * 60
                + i32::from(local.second()),
            second: first.timestamp() != local.timestamp(),
        })
    }
}

impl Type {
    /// With its article: `an energy`.
    pub(super) fn a(self) -> String {
        let name = self.name();
        let article = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        format!("{article} {name}")
    }

    /// Whether its values are written with a unit.
    pub(super) const fn has_unit(self) -> bool {
        !matches!(
            self,
            Self::Bool
                | Self::Number
                | Self::TimeOfDay
                | Self::Date
                | Self::Instant
                | Self::Text
                | Self::Symbol
        )
    }
}

/// What the clock shows at a civil instant; 24:00 is the next day's 00:00.
fn reading(at: CivilInstant) -> Option<jiff::civil::DateTime> {
    let midnight = civil(at.date)?.at(0, 0, 0, 0);
    midnight.checked_add(jiff::SignedDuration::from_secs(i64::from(at.second_of_day))).ok()
}

/// The date of the library that knows the calendar.
pub(super) fn civil(date: CivilDate) -> Option<jiff::civil::Date> {
    jiff::civil::Date::new(date.year, date.month, date.day).ok()
}

/// Days of a month; 0 where there is no such month.
pub(super) const fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

fn weekday_of(date: CivilDate) -> ast::Weekday {
    let days = civil(date).map_or(0, |d| d.weekday().to_monday_zero_offset());
    usize::try_from(days).ok().and_then(|n| ast::Weekday::ALL.get(n)).copied().unwrap_or(ast::Weekday::Mon)
}

/// What to say where two types are commonly taken for each other.
pub(super) fn confusion(a: Type, b: Type) -> Option<&'static str> {
    use Type as T;
    let pair = |x, y| (a == x && b == y) || (a == y && b == x);
    if pair(T::Power, T::Energy) {
        Some("kW is a rate and kWh is an amount; multiply a rate by a time (`kW * h`) to get an amount")
    } else if pair(T::Temperature, T::TemperatureDifference) {
        Some("degC and degF are absolute temperatures; a difference is written in `K` or `degF_diff`")
    } else if pair(T::EnergyPrice, T::PowerPrice) {
        Some("a price of energy is per kWh, a price of power is per kW")
    } else if pair(T::Money, T::EnergyPrice) {
        Some("money is an amount; a price of energy is per kWh")
    } else {
        None
    }
}
