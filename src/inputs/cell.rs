//! One column of a feed: its cells as whole numbers of one power of ten.

use crate::ir::{Domain, FeedColumn, SignalId, Site};
use crate::quantity::{Rat, Type};

/// Most digits behind the point, and the greatest exponent, of one cell.
const MOST_PLACES: i32 = 18;

/// A decimal as written: `digits` x 10^-`places`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i64,
    places: i32,
}

impl Decimal {
    /// `-12.5`, `3`, `.5`, `1.2e-5`; `None` for anything else, NaN and infinities included.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((number, exponent)) => {
                let plain = exponent.strip_prefix('+').unwrap_or(exponent);
                (number, plain.parse::<i32>().ok().filter(|e| e.abs() <= 40)?)
            }
        };
        let (negative, number) = match number.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mut digits, mut places, mut seen, mut point) = (0_i64, 0_i32, false, false);
        for byte in number {
            match byte {
                b'0'..=b'9' => {
                    digits = digits.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                    places += i32::from(point);
                    seen = true;
                }
                b'.' if !point => point = true,
                _ => return None,
            }
        }
        let mut places = places - exponent;
        while places > 0 && digits % 10 == 0 {
            digits /= 10;
            places -= 1;
        }
        while places < 0 {
            digits = digits.checked_mul(10)?;
            places += 1;
        }
        let digits = if negative { -digits } else { digits };
        (seen && places <= MOST_PLACES).then_some(Self { digits, places })
    }

    fn value(self) -> Option<Rat> {
        Rat::ratio(i128::from(self.digits), 10_i128.checked_pow(u32::try_from(self.places).ok()?)?)
    }
}

/// One column while it is read.
pub(super) struct Column<'a> {
    /// Signal it carries.
    pub(super) signal: SignalId,
    /// Its place in a row.
    pub(super) place: usize,
    declared: &'a FeedColumn,
    domain: Option<&'a Domain>,
    /// The declared range in written units, times a power of ten large enough to compare whole numbers.
    bounds: Option<(Rat, Rat)>,
    ty: Type,
    currency: &'a str,
    cells: Vec<Decimal>,
    /// The least and greatest that were found to be inside, so that few cells are compared exactly.
    seen: Option<(Decimal, Decimal)>,
}

impl<'a> Column<'a> {
    pub(super) fn new(site: &'a Site, declared: &'a FeedColumn, place: usize) -> Self {
        let signal = site.signal(declared.signal);
        let domain = signal.map(|s| &s.domain);
        let bounds = match domain {
            Some(Domain::Interval { lo, hi }) => Some((lo.clone(), hi.clone())),
            _ => None,
        };
        Self {
            signal: declared.signal,
            place,
            declared,
            domain,
            bounds,
            ty: signal.map_or(Type::Number, |s| s.ty),
            currency: &site.currency,
            cells: Vec::new(),
            seen: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.declared.column
    }

    /// Adds a cell.
    pub(super) fn push(&mut self, text: &str) -> Result<(), String> {
        let cell = match self.domain {
            Some(Domain::Bool) => match text {
                "true" | "1" => Decimal { digits: 1, places: 0 },
                "false" | "0" => Decimal { digits: 0, places: 0 },
                _ => return Err(format!("`{}` is neither true nor false", short(text))),
            },
            Some(Domain::Symbols(words)) => {
                let at = words.iter().position(|word| word == text);
                match at.and_then(|at| i64::try_from(at).ok()) {
                    Some(digits) => Decimal { digits, places: 0 },
                    None => return Err(format!("`{}` is not one of {}", short(text), words.join(", "))),
                }
            }
            _ => Decimal::parse(text).ok_or_else(|| {
                if text.is_empty() {
                    format!("column `{}` is empty here", self.declared.column)
                } else {
                    format!("`{}` is no number", short(text))
                }
            })?,
        };
        self.inside(cell, text)?;
        self.cells.push(cell);
        Ok(())
    }

    /// Holds the place of a cell that was refused.
    pub(super) fn skip(&mut self) {
        self.cells.push(Decimal { digits: 0, places: 0 });
    }

    fn inside(&mut self, cell: Decimal, text: &str) -> Result<(), String> {
        let Some((lo, hi)) = &self.bounds else { return Ok(()) };
        if let Some((least, most)) = self.seen
            && not_above(least, cell)
            && not_above(cell, most)
        {
            return Ok(());
        }
        let canonical =
            |cell: Decimal| Some(&(&cell.value()? + &self.declared.offset) * &self.declared.factor);
        let Some(value) = canonical(cell) else { return Err(format!("`{}` is no number", short(text))) };
        if value < *lo || value > *hi {
            let show = |value: &Rat| crate::quantity::show(value, self.ty, self.currency);
            return Err(format!(
                "`{}` is {}, outside the declared range {} .. {}",
                short(text),
                show(&value),
                show(lo),
                show(hi)
            ));
        }
        self.seen = Some(match self.seen {
            None => (cell, cell),
            Some((least, most)) => (
                if not_above(least, cell) { least } else { cell },
                if not_above(cell, most) { most } else { cell },
            ),
        });
        Ok(())
    }

    /// The cells in one unit: digits, and canonical = digits x unit + shift. `None` where they do
    /// not fit.
    pub(super) fn scaled(&self) -> Option<(Vec<i64>, Rat, Rat)> {
        let places = self.cells.iter().map(|cell| cell.places).max().unwrap_or(0);
        let digits: Option<Vec<i64>> = self.cells.iter().map(|cell| raised(*cell, places)).collect();
        let ten = 10_i128.checked_pow(u32::try_from(places).ok()?)?;
        let unit = self.declared.factor.checked_div(&Rat::ratio(ten, 1)?)?;
        Some((digits?, unit, &self.declared.offset * &self.declared.factor))
    }
}

fn raised(cell: Decimal, places: i32) -> Option<i64> {
    let up = u32::try_from(places - cell.places).ok()?;
    cell.digits.checked_mul(10_i64.checked_pow(up)?)
}

fn not_above(a: Decimal, b: Decimal) -> bool {
    let places = a.places.max(b.places);
    let wide = |cell: Decimal| {
        let up = u32::try_from(places - cell.places).unwrap_or(0);
        i128::from(cell.digits) * 10_i128.pow(up)
    };
    wide(a) <= wide(b)
}

fn short(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let value = |text: &str| Decimal::parse(text).and_then(Decimal::value).map(|v| v.to_string());
        assert_eq!(value("0.51989").as_deref(), Some("0.51989"));
        assert_eq!(value("-3").as_deref(), Some("-3"));
        assert_eq!(value(".5").as_deref(), Some("0.5"));
        assert_eq!(value("5e-05").as_deref(), Some("0.00005"));
        assert_eq!(value("1.50E+3").as_deref(), Some("1500"));
        assert_eq!(value("2453.223483146068").as_deref(), Some("2453.223483146068"));
        for wrong in
            ["", "-", ".", "nan", "NaN", "inf", "1,5", "1e99", "1.2.3", "0x1", "1 ", "12345678901234567890"]
        {
            assert_eq!(value(wrong), None, "{wrong}");
        }
    }
}
