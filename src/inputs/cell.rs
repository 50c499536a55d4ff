//! One column of a feed: its cells as whole numbers of one power of ten.

use crate::ir::{Domain, FeedColumn, SignalId, Site};
use crate::quantity::{Rat, Type};

/// Digits behind the point that are kept; further ones are rounded, half to even.
const MOST_PLACES: i32 = 12;

/// Digits of one cell that are read; those of the fraction beyond them weigh nothing.
const MOST_DIGITS: u32 = 30;

/// A decimal: `digits` x 10^-`places`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i64,
    places: i32,
}

impl Decimal {
    /// `-12.5`, `3`, `.5`, `1.2e-5`, to 12 places and as many as 18 digits hold; `None` for anything
    /// else, NaN, infinities and what has more than 18 digits before the point included.
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
        // what is short needs no wide numbers: nearly all cells are
        let (digits, places) = if number.len() <= 18 { short_digits(number)? } else { long_digits(number)? };
        if exponent == 0 && places <= MOST_PLACES && digits < MOST {
            let mut short = Self { digits: i64::try_from(digits).ok()?, places };
            while short.places > 0 && short.digits % 10 == 0 {
                short = Self { digits: short.digits / 10, places: short.places - 1 };
            }
            short.digits = if negative { -short.digits } else { short.digits };
            return Some(short);
        }
        let (mut digits, mut places) = (digits, places - exponent);
        while places > 0 && digits != 0 && digits % 10 == 0 {
            digits /= 10;
            places -= 1;
        }
        while places < 0 && digits < MOST {
            digits *= 10;
            places += 1;
        }
        let mut kept = places.min(MOST_PLACES);
        while kept > 0 && rounded(digits, places - kept) >= MOST {
            kept -= 1;
        }
        let digits = rounded(digits, places - kept);
        let digits = i64::try_from(digits).ok().filter(|_| digits < MOST && kept >= 0)?;
        Some(Self { digits: if negative { -digits } else { digits }, places: kept })
    }

    fn value(self) -> Option<Rat> {
        Rat::ratio(i128::from(self.digits), 10_i128.checked_pow(u32::try_from(self.places).ok()?)?)
    }
}

/// The digits of at most 18 bytes, and how many of them stand behind the point.
fn short_digits(number: &[u8]) -> Option<(i128, i32)> {
    let (mut digits, mut places, mut seen, mut point) = (0_i64, 0_i32, false, false);
    for byte in number {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + i64::from(byte - b'0');
                places += i32::from(point);
                seen = true;
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    seen.then_some((i128::from(digits), places))
}

/// The digits of any number of bytes: those of the fraction beyond [`MOST_DIGITS`] weigh nothing.
fn long_digits(number: &[u8]) -> Option<(i128, i32)> {
    let full = 10_i128.pow(MOST_DIGITS);
    let (mut digits, mut places, mut seen, mut point) = (0_i128, 0_i32, false, false);
    for byte in number {
        match byte {
            b'0'..=b'9' if digits < full => {
                digits = digits * 10 + i128::from(byte - b'0');
                places += i32::from(point);
                seen = true;
            }
            b'0'..=b'9' if point => {}
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    seen.then_some((digits, places))
}

/// Whole numbers from here on are not held.
const MOST: i128 = 10_i128.pow(18);

/// A whole number without its last `places` digits, half to even.
fn rounded(digits: i128, places: i32) -> i128 {
    // more digits than there are leave nothing
    let Some(by) = u32::try_from(places).ok().and_then(|p| 10_i128.checked_pow(p)) else {
        return if places > 0 { 0 } else { digits };
    };
    let (whole, rest) = (digits / by, digits % by);
    let up = (rest.abs() * 2).cmp(&by).then((whole % 2 != 0).cmp(&false));
    if up.is_gt() { whole + digits.signum() } else { whole }
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

    /// The cells in one unit: digits, and canonical = digits x unit + shift. The unit is the finest that
    /// any cell needs and the greatest has room for. `None` where they do not fit.
    pub(super) fn scaled(&self) -> Option<(Vec<i64>, Rat, Rat)> {
        let raise =
            |places| self.cells.iter().map(|cell| raised(*cell, places)).collect::<Option<Vec<i64>>>();
        let needed = self.cells.iter().map(|cell| cell.places).max().unwrap_or(0);
        let (places, digits) = (0..=needed).rev().find_map(|places| Some((places, raise(places)?)))?;
        let ten = 10_i128.checked_pow(u32::try_from(places).ok()?)?;
        let unit = self.declared.factor.checked_div(&Rat::ratio(ten, 1)?)?;
        Some((digits, unit, &self.declared.offset * &self.declared.factor))
    }
}

/// The digits of a cell with so many places; rounded where they are fewer than its own.
fn raised(cell: Decimal, places: i32) -> Option<i64> {
    match u32::try_from(places - cell.places) {
        Ok(up) => cell.digits.checked_mul(10_i64.checked_pow(up)?).filter(|d| i128::from(d.abs()) < MOST),
        Err(_) => i64::try_from(rounded(i128::from(cell.digits), cell.places - places)).ok(),
    }
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

    fn decimal(text: &str) -> Option<String> {
        Decimal::parse(text).and_then(Decimal::value).map(|value| value.to_string())
    }

    #[test]
    fn what_people_and_programs_write_is_read() {
        let cases = [
            ("-12.50", "-12.5"),
            ("+3", "3"),
            (".5", "0.5"),
            ("7.", "7"),
            ("1.2e-5", "0.000012"),
            ("5E+3", "5000"),
            ("2.2322111021323866e-05", "0.000022322111"),
            ("0.0007258526014465152", "0.000725852601"),
            ("0.13436424411240122", "0.134364244112"),
            ("2.126489230024213075060532688123456789012345", "2.126489230024"),
            ("123456789.123456789123", "123456789.123456789"),
            ("1e-30", "0"),
            ("0e40", "0"),
            ("999999999999999999", "999999999999999999"),
            ("2453.223483146068", "2453.223483146068"),
            ("1.50E+3", "1500"),
        ];
        for (text, value) in cases {
            assert_eq!(decimal(text).as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn what_lies_in_the_middle_goes_to_the_even_side() {
        assert_eq!(decimal("0.0000000000005").as_deref(), Some("0"));
        assert_eq!(decimal("0.0000000000015").as_deref(), Some("0.000000000002"));
        assert_eq!(decimal("0.0000000000025").as_deref(), Some("0.000000000002"));
        assert_eq!(decimal("-0.00000000000251").as_deref(), Some("-0.000000000003"));
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        let long = "9".repeat(40);
        for text in [
            "",
            ".",
            "-",
            "nan",
            "inf",
            "1,5",
            "1e30",
            "1e99999999999",
            "1.2.3",
            "0x10",
            "1 ",
            "1000000000000000000",
            &long,
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
