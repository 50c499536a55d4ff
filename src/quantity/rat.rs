//! Exact rational numbers with a fast path for small ones.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest text accepted for one number; a hostile document cannot make a bigger one.
const MAX_TEXT: usize = 400;

/// An exact rational number, always in lowest terms with a positive denominator.
///
/// Written as a decimal where it has one (`3.6`), else as a fraction (`1/3`); the same in JSON,
/// as a string, so that no reader rounds it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rat(Repr);

// INVARIANT: a value that fits `Small` is never held as `Big`, so that equality is structural.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small(i64, i64),
    Big(Box<BigRational>),
}

/// A text that is not a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseRatError;

impl fmt::Display for ParseRatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a decimal number or a fraction")
    }
}

impl std::error::Error for ParseRatError {}

/// Greatest common divisor by shifts and differences, which cost less than divisions.
const fn gcd64(mut a: u64, mut b: u64) -> u64 {
    if a == 0 {
        return b;
    }
    if b == 0 {
        return a;
    }
    let twos = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    loop {
        b >>= b.trailing_zeros();
        if a > b {
            (a, b) = (b, a);
        }
        b -= a;
        if b == 0 {
            return a << twos;
        }
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    loop {
        if b == 0 {
            return a;
        }
        if let (Ok(a), Ok(b)) = (u64::try_from(a), u64::try_from(b)) {
            return gcd64(a, b).into();
        }
        (a, b) = (b, a % b);
    }
}

impl Rat {
    /// Zero.
    pub const ZERO: Self = Self(Repr::Small(0, 1));
    /// One.
    pub const ONE: Self = Self(Repr::Small(1, 1));

    /// The whole number `n`.
    #[must_use]
    pub fn int(n: i64) -> Self {
        Self::reduced(i128::from(n), 1)
    }

    /// The fraction `n / d`; `None` where `d` is zero.
    #[must_use]
    pub fn ratio(n: i128, d: i128) -> Option<Self> {
        if d == 0 {
            return None;
        }
        Some(Self::reduced(n, d))
    }

    fn reduced(n: i128, d: i128) -> Self {
        let negative = (n < 0) != (d < 0);
        let (n, d) = (n.unsigned_abs(), d.unsigned_abs());
        let g = if d == 1 { 1 } else { gcd(n, d).max(1) };
        if g > 1 { Self::lowest(negative, n / g, d / g) } else { Self::lowest(negative, n, d) }
    }

    /// A fraction that is in lowest terms already.
    fn lowest(negative: bool, n: u128, d: u128) -> Self {
        match (i64::try_from(n), i64::try_from(d)) {
            (Ok(n), Ok(d)) => Self(Repr::Small(if negative { -n } else { n }, d)),
            _ => {
                let n = BigInt::from(n);
                Self(Repr::Big(Box::new(BigRational::new_raw(
                    if negative { -n } else { n },
                    BigInt::from(d),
                ))))
            }
        }
    }

    /// From a big rational.
    #[must_use]
    pub fn from_big(big: BigRational) -> Self {
        match (big.numer().to_i64(), big.denom().to_i64()) {
            (Some(n), Some(d)) if n != i64::MIN => Self(Repr::Small(n, d)),
            _ => Self(Repr::Big(Box::new(big))),
        }
    }

    /// As a big rational.
    #[must_use]
    pub fn to_big(&self) -> BigRational {
        match &self.0 {
            Repr::Small(n, d) => BigRational::new_raw(BigInt::from(*n), BigInt::from(*d)),
            Repr::Big(b) => (**b).clone(),
        }
    }

    /// The exact value of a finite float; `None` for NaN and infinities.
    #[must_use]
    pub fn from_f64_exact(x: f64) -> Option<Self> {
        BigRational::from_float(x).map(Self::from_big)
    }

    /// The float snapped to a grid of `10^-places`; `None` for NaN and infinities.
    #[must_use]
    pub fn from_f64_snapped(x: f64, places: u32) -> Option<Self> {
        let scale = 10_i128.checked_pow(places)?;
        if let Some(units) = whole_units(x, scale.unsigned_abs()) {
            return Some(Self::reduced(if x < 0.0 { -units } else { units }, scale));
        }
        let exact = Self::from_f64_exact(x)?;
        let scaled = &exact * &Self::reduced(scale, 1);
        let rounded = scaled.round();
        Some(&rounded * &Self::reduced(1, scale))
    }

    /// The nearest float.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
            Repr::Small(n, d) if n.unsigned_abs() < (1 << 53) && *d < (1 << 53) => *n as f64 / *d as f64,
            _ => self.to_big().to_f64().unwrap_or(f64::NAN),
        }
    }

    /// Whole value as `i64`; `None` where it is fractional or out of range.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Small(n, 1) => Some(n),
            _ => None,
        }
    }

    /// Numerator and denominator where both fit 64 bits.
    #[must_use]
    pub fn small_parts(&self) -> Option<(i64, i64)> {
        match self.0 {
            Repr::Small(n, d) => Some((n, d)),
            Repr::Big(_) => None,
        }
    }

    /// Binary digits of the numerator or the denominator, whichever is longer; 64 at least.
    #[must_use]
    pub fn bits(&self) -> u64 {
        match &self.0 {
            Repr::Small(..) => 64,
            Repr::Big(big) => big.numer().bits().max(big.denom().bits()).max(64),
        }
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self.0, Repr::Small(0, _))
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Small(n, _) => *n < 0,
            Repr::Big(b) => b.is_negative(),
        }
    }

    /// Whether it is above zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        !self.is_zero() && !self.is_negative()
    }

    /// The distance from zero.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { -self } else { self.clone() }
    }

    /// `self / other`; `None` where `other` is zero.
    #[must_use]
    pub fn checked_div(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        Some(match (&self.0, &other.0) {
            (Repr::Small(a, b), Repr::Small(c, d)) => {
                Self::reduced(i128::from(*a) * i128::from(*d), i128::from(*b) * i128::from(*c))
            }
            _ => Self::from_big(self.to_big() / other.to_big()),
        })
    }

    /// The greatest whole number not above.
    #[must_use]
    pub fn floor(&self) -> Self {
        match &self.0 {
            Repr::Small(n, d) => Self(Repr::Small(n.div_euclid(*d), 1)),
            Repr::Big(b) => Self::from_big(b.floor()),
        }
    }

    /// The least whole number not below.
    #[must_use]
    pub fn ceil(&self) -> Self {
        -(-self).floor()
    }

    /// The nearest whole number, halves away from zero.
    #[must_use]
    pub fn round(&self) -> Self {
        let half = Self(Repr::Small(1, 2));
        if self.is_negative() { -(&(-self) + &half).floor() } else { (self + &half).floor() }
    }

    /// Rounded to `places` decimals, halves away from zero.
    #[must_use]
    pub fn rounded(&self, places: u32) -> Self {
        match 10_i128.checked_pow(places) {
            Some(scale) => &(self * &Self::reduced(scale, 1)).round() * &Self::reduced(1, scale),
            None => self.clone(),
        }
    }

    /// The smaller of two.
    #[must_use]
    pub fn min_of(a: &Self, b: &Self) -> Self {
        if a <= b { a.clone() } else { b.clone() }
    }

    /// The greater of two.
    #[must_use]
    pub fn max_of(a: &Self, b: &Self) -> Self {
        if a >= b { a.clone() } else { b.clone() }
    }

    /// Written with at most `places` decimals, rounded half away from zero, no trailing zeros.
    #[must_use]
    pub fn to_decimal(&self, places: u32) -> String {
        if let Repr::Small(n, d) = self.0
            && let Some(scale) = 10_u128.checked_pow(places)
            && let Some(scaled) = u128::from(n.unsigned_abs()).checked_mul(scale)
        {
            let d = u128::from(d.unsigned_abs());
            let up = scaled % d * 2 >= d;
            let digits = scaled / d + u128::from(up);
            return decimal(n < 0 && digits > 0, digits / scale, digits % scale, places);
        }
        let scale = BigInt::from(10).pow(places);
        let scaled = (self.to_big() * BigRational::from_integer(scale.clone())).round().to_integer();
        let digits = scaled.abs();
        decimal(scaled.is_negative(), &digits / &scale, &digits % &scale, places)
    }

    /// Whether it has a finite decimal, and with how many places.
    fn decimal_places(&self) -> Option<u32> {
        let Repr::Small(_, d) = self.0 else {
            return Self::big_places(&self.to_big());
        };
        let (mut d, mut twos, mut fives) = (d, 0_u32, 0_u32);
        while d % 2 == 0 {
            d /= 2;
            twos += 1;
        }
        while d % 5 == 0 {
            d /= 5;
            fives += 1;
        }
        (d == 1).then(|| twos.max(fives))
    }

    fn big_places(big: &BigRational) -> Option<u32> {
        let (two, five) = (BigInt::from(2), BigInt::from(5));
        let (mut d, mut twos, mut fives) = (big.denom().clone(), 0_u32, 0_u32);
        if d.bits() > 4096 {
            return None;
        }
        while (&d % &two).is_zero() {
            d /= &two;
            twos += 1;
        }
        while (&d % &five).is_zero() {
            d /= &five;
            fives += 1;
        }
        d.is_one().then(|| twos.max(fives))
    }
}

/// The float in units of `1 / scale`, rounded half away from zero, without its sign; `None` where it
/// is not finite or too large for whole numbers of 128 bits.
fn whole_units(x: f64, scale: u128) -> Option<i128> {
    const FRACTION: u32 = 52;
    if !x.is_finite() {
        return None;
    }
    let bits = x.abs().to_bits();
    let raised = i32::try_from(bits >> FRACTION).ok()?;
    let fraction = bits & ((1 << FRACTION) - 1);
    let mantissa = if raised == 0 { fraction } else { fraction | (1 << FRACTION) };
    // x = mantissa x 2^exponent
    let exponent = raised.max(1) - 1075;
    let units = u128::from(mantissa).checked_mul(scale)?;
    if exponent >= 0 {
        return None;
    }
    let down = exponent.unsigned_abs();
    if down > 127 {
        // below 2^-12 of a unit, as the mantissa has 53 bits and the scale fewer than 63
        return (units >> 116 == 0).then_some(0);
    }
    let half = 1_u128 << (down - 1);
    i128::try_from(units.checked_add(half)? >> down).ok()
}

fn decimal(negative: bool, whole: impl fmt::Display, part: impl fmt::Display + Zero, places: u32) -> String {
    let mut text = format!("{}{whole}", if negative { "-" } else { "" });
    if !part.is_zero() {
        let part = part.to_string();
        text.push('.');
        text.extend(std::iter::repeat_n('0', (places as usize).saturating_sub(part.len())));
        text.push_str(part.trim_end_matches('0'));
    }
    text
}

/// A decimal of at most 18 digits; `None` for anything else, right or wrong.
fn short(text: &str) -> Option<Rat> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || part.is_empty() || whole.len() + part.len() > 18 {
        return None;
    }
    let mut n = 0_i128;
    for byte in whole.bytes().chain(part.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        n = n * 10 + i128::from(byte - b'0');
    }
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    Some(Rat::reduced(if negative { -n } else { n }, scale))
}

impl Default for Rat {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<i64> for Rat {
    fn from(n: i64) -> Self {
        Self::reduced(i128::from(n), 1)
    }
}

impl From<u32> for Rat {
    fn from(n: u32) -> Self {
        Self(Repr::Small(i64::from(n), 1))
    }
}

impl FromStr for Rat {
    type Err = ParseRatError;

    /// A decimal (`-3.6`, `12`) or a fraction of two whole numbers (`1/3`).
    fn from_str(text: &str) -> Result<Self, ParseRatError> {
        if text.is_empty() || text.len() > MAX_TEXT {
            return Err(ParseRatError);
        }
        if let Some(short) = short(text) {
            return Ok(short);
        }
        let whole = |t: &str| -> Result<BigInt, ParseRatError> {
            let digits = t.strip_prefix('-').unwrap_or(t);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ParseRatError);
            }
            t.parse().map_err(|_| ParseRatError)
        };
        if let Some((n, d)) = text.split_once('/') {
            let (n, d) = (whole(n)?, whole(d)?);
            if d.is_zero() {
                return Err(ParseRatError);
            }
            return Ok(Self::from_big(BigRational::new(n, d)));
        }
        if let Some((int, frac)) = text.split_once('.') {
            if frac.is_empty() || !frac.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ParseRatError);
            }
            whole(int)?;
            let n = whole(&format!("{int}{frac}"))?;
            let d = BigInt::from(10).pow(u32::try_from(frac.len()).map_err(|_| ParseRatError)?);
            return Ok(Self::from_big(BigRational::new(n, d)));
        }
        Ok(Self::from_big(BigRational::from_integer(whole(text)?)))
    }
}

/// The digits of `n / d`, which has exactly `places` decimals; `None` where it needs more than 64 bits.
fn exact(f: &mut fmt::Formatter<'_>, n: i64, d: i64, places: u32) -> Option<fmt::Result> {
    // sign, 19 digits, point and 19 decimals
    let mut text = [b'0'; 40];
    let unit = 10_u64.checked_pow(places)?.checked_div(d.unsigned_abs())?;
    let mut whole = n.unsigned_abs() / d.unsigned_abs();
    let mut part = (n.unsigned_abs() % d.unsigned_abs()).checked_mul(unit)?;
    let mut free = text.iter_mut().rev();
    let mut used = 0;
    let mut put = |byte: u8| {
        if let Some(slot) = free.next() {
            *slot = byte;
            used += 1;
        }
    };
    let digit = |n: u64| b'0' + u8::try_from(n % 10).unwrap_or(0);
    for _ in 0..places {
        put(digit(part));
        part /= 10;
    }
    put(b'.');
    loop {
        put(digit(whole));
        whole /= 10;
        if whole == 0 {
            break;
        }
    }
    if n < 0 {
        put(b'-');
    }
    let digits = std::str::from_utf8(text.get(text.len() - used..)?).ok()?;
    Some(f.write_str(digits))
}

impl fmt::Display for Rat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.decimal_places()) {
            (Repr::Small(n, 1), _) => write!(f, "{n}"),
            (Repr::Small(n, d), Some(places)) => match exact(f, *n, *d, places) {
                Some(written) => written,
                None => f.write_str(&self.to_decimal(places)),
            },
            (_, Some(places)) => f.write_str(&self.to_decimal(places)),
            (_, None) => {
                let big = self.to_big();
                write!(f, "{}/{}", big.numer(), big.denom())
            }
        }
    }
}

impl fmt::Debug for Rat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Rat {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rat {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl serde::de::Visitor<'_> for V {
            type Value = Rat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Rat, E> {
                v.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Rat, E> {
                Ok(Rat::from(v))
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Rat, E> {
                Ok(Rat::reduced(i128::from(v), 1))
            }
            fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Rat, E> {
                // the shortest decimal that reads back as this float is what the author wrote
                format!("{v}").parse().map_err(E::custom)
            }
        }
        d.deserialize_any(V)
    }
}

impl Ord for Rat {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(a, b), Repr::Small(c, d)) => {
                (i128::from(*a) * i128::from(*d)).cmp(&(i128::from(*c) * i128::from(*b)))
            }
            _ => self.to_big().cmp(&other.to_big()),
        }
    }
}

impl PartialOrd for Rat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn sum(a: &Rat, b: &Rat, negate: bool) -> Rat {
    if let (Repr::Small(n, d), Repr::Small(m, e)) = (&a.0, &b.0) {
        let m = i128::from(if negate { -*m } else { *m });
        let n = i128::from(*n);
        if d == e {
            return Rat::reduced(n + m, i128::from(*d));
        }
        // Knuth, The Art of Computer Programming, 4.5.1: with g = gcd(d, e) only divisors of g can
        // cancel. |n|, |m|, d, e < 2^63, so each product is below 2^126 and the sum fits
        let g = gcd64(d.unsigned_abs(), e.unsigned_abs());
        let (d, e) = (d.unsigned_abs(), e.unsigned_abs());
        let (by_d, by_e) = (u128::from(d / g), u128::from(e / g));
        let top = n * i128::from(e / g) + m * i128::from(d / g);
        if top == 0 {
            return Rat::ZERO;
        }
        let again = if g == 1 { 1 } else { gcd(top.unsigned_abs(), g.into()) };
        return Rat::lowest(top < 0, top.unsigned_abs() / again, by_d * (by_e * u128::from(g) / again));
    }
    Rat::from_big(if negate { a.to_big() - b.to_big() } else { a.to_big() + b.to_big() })
}

fn product(a: &Rat, b: &Rat) -> Rat {
    if let (Repr::Small(n, d), Repr::Small(m, e)) = (&a.0, &b.0) {
        let negative = (*n < 0) != (*m < 0);
        let (n, d, m, e) = (n.unsigned_abs(), d.unsigned_abs(), m.unsigned_abs(), e.unsigned_abs());
        if n == 0 || m == 0 {
            return Rat::ZERO;
        }
        let across = if e == 1 { 1 } else { gcd64(n, e) };
        let other = if d == 1 { 1 } else { gcd64(m, d) };
        return Rat::lowest(
            negative,
            u128::from(n / across) * u128::from(m / other),
            u128::from(d / other) * u128::from(e / across),
        );
    }
    Rat::from_big(a.to_big() * b.to_big())
}

macro_rules! operators {
    ($($trait:ident $method:ident $f:expr;)*) => {$(
        impl $trait<&Rat> for &Rat {
            type Output = Rat;
            fn $method(self, other: &Rat) -> Rat { $f(self, other) }
        }
        impl $trait<Rat> for Rat {
            type Output = Rat;
            fn $method(self, other: Rat) -> Rat { $f(&self, &other) }
        }
        impl $trait<&Rat> for Rat {
            type Output = Rat;
            fn $method(self, other: &Rat) -> Rat { $f(&self, other) }
        }
        impl $trait<Rat> for &Rat {
            type Output = Rat;
            fn $method(self, other: Rat) -> Rat { $f(self, &other) }
        }
    )*};
}
operators! {
    Add add |a, b| sum(a, b, false);
    Sub sub |a, b| sum(a, b, true);
    Mul mul product;
}

impl Neg for &Rat {
    type Output = Rat;
    fn neg(self) -> Rat {
        match &self.0 {
            Repr::Small(n, d) => Rat(Repr::Small(-*n, *d)),
            Repr::Big(b) => Rat::from_big(-(**b).clone()),
        }
    }
}

impl Neg for Rat {
    type Output = Rat;
    fn neg(self) -> Rat {
        -&self
    }
}

impl AddAssign<&Rat> for Rat {
    fn add_assign(&mut self, other: &Rat) {
        *self = &*self + other;
    }
}

impl SubAssign<&Rat> for Rat {
    fn sub_assign(&mut self, other: &Rat) {
        *self = &*self - other;
    }
}

impl MulAssign<&Rat> for Rat {
    fn mul_assign(&mut self, other: &Rat) {
        *self = &*self * other;
    }
}

impl std::iter::Sum for Rat {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| a + b)
    }
}

impl<'a> std::iter::Sum<&'a Rat> for Rat {
    fn sum<I: Iterator<Item = &'a Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn r(t: &str) -> Rat {
        t.parse().unwrap()
    }

    #[test]
    fn reads_and_writes() {
        for t in ["0", "-3.6", "12", "1/3", "-7/11", "0.000000000001", "123456789012345678901234567890.5"] {
            assert_eq!(r(t).to_string(), t);
        }
        for t in ["", "1.", ".5", "1/0", "1e3", "--1", "0x1", "1/2/3", " 1"] {
            assert!(t.parse::<Rat>().is_err(), "{t}");
        }
        assert_eq!(r("2/4").to_string(), "0.5");
        assert_eq!(r("-0.50").to_string(), "-0.5");
    }

    #[test]
    fn rounds() {
        assert_eq!(r("-3.5").round(), r("-4"));
        assert_eq!(r("-3.5").floor(), r("-4"));
        assert_eq!(r("-3.5").ceil(), r("-3"));
        assert_eq!(r("2/3").to_decimal(3), "0.667");
        assert_eq!(Rat::from_f64_snapped(0.1 + 0.2, 9).unwrap(), r("0.3"));
    }

    #[test]
    fn crosses_into_big_and_back() {
        let big = r("9223372036854775807");
        let more = &big + &Rat::ONE;
        assert_eq!(more.to_string(), "9223372036854775808");
        assert_eq!(&more - &Rat::ONE, big);
        assert_eq!(-(-&more), more);
    }

    #[test]
    fn snaps_like_the_exact_value() {
        assert_eq!(Rat::from_f64_snapped(0.5e-9, 9).unwrap(), r("0.000000001"));
        assert_eq!(Rat::from_f64_snapped(-0.5e-9, 9).unwrap(), r("-0.000000001"));
        assert_eq!(Rat::from_f64_snapped(f64::MIN_POSITIVE, 18).unwrap(), Rat::ZERO);
        assert_eq!(Rat::from_f64_snapped(1e300, 2).unwrap(), Rat::from_f64_exact(1e300).unwrap());
        assert!(Rat::from_f64_snapped(f64::NAN, 9).is_none());
        assert!(Rat::from_f64_snapped(f64::NEG_INFINITY, 9).is_none());
    }

    proptest! {
        #[test]
        fn snapping_is_rounding(x in any::<f64>().prop_filter("finite", |x| x.is_finite()), y in -1e9..1e9_f64, places in 0..15_u32) {
            for x in [x, y] {
                let slow = Rat::from_f64_exact(x).unwrap().rounded(places);
                prop_assert_eq!(Rat::from_f64_snapped(x, places).unwrap(), slow);
            }
        }

        #[test]
        fn decimals_are_rounded(n in any::<i64>(), d in 1..i64::MAX, places in 0..25_u32) {
            let x = Rat::ratio(n.into(), d.into()).unwrap();
            prop_assert_eq!(r(&x.to_decimal(places)), x.rounded(places));
        }

        #[test]
        fn finite_decimals_are_written_in_full(n in any::<i64>(), twos in 0..40_u32, fives in 0..18_u32) {
            let x = Rat::ratio(n.into(), 2_i128.pow(twos) * 5_i128.pow(fives)).unwrap();
            let text = x.to_string();
            prop_assert_eq!(&r(&text), &x);
            prop_assert_eq!(text, x.to_decimal(60));
        }

        #[test]
        fn small_denominators_agree_with_big(a in -10_000..10_000_i128, b in 1..400_i128, c in -10_000..10_000_i128, d in 1..400_i128) {
            let x = Rat::ratio(a, b).unwrap();
            let y = Rat::ratio(c, d).unwrap();
            prop_assert_eq!((&x + &y).to_big(), x.to_big() + y.to_big());
            prop_assert_eq!((&x - &y).to_big(), x.to_big() - y.to_big());
            prop_assert_eq!((&x * &y).to_big(), x.to_big() * y.to_big());
        }

        #[test]
        fn agrees_with_big(a in any::<i64>(), b in 1..i64::MAX, c in any::<i64>(), d in 1..i64::MAX) {
            let x = Rat::ratio(a.into(), b.into()).unwrap();
            let y = Rat::ratio(c.into(), d.into()).unwrap();
            prop_assert_eq!((&x + &y).to_big(), x.to_big() + y.to_big());
            prop_assert_eq!((&x - &y).to_big(), x.to_big() - y.to_big());
            prop_assert_eq!((&x * &y).to_big(), x.to_big() * y.to_big());
            prop_assert_eq!(x.cmp(&y), x.to_big().cmp(&y.to_big()));
            prop_assert_eq!(x.floor().to_big(), x.to_big().floor());
            prop_assert_eq!(x.round().to_big(), x.to_big().round());
            prop_assert_eq!(r(&x.to_string()), x.clone());
            if !y.is_zero() {
                prop_assert_eq!(x.checked_div(&y).unwrap().to_big(), x.to_big() / y.to_big());
            }
        }
    }
}
