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

const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        let t = a % b;
        a = b;
        b = t;
    }
    a
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
        let g = gcd(n, d).max(1);
        let (n, d) = (n / g, d / g);
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
        let scale = BigInt::from(10).pow(places);
        let scaled = (self.to_big() * BigRational::from_integer(scale.clone())).round().to_integer();
        let negative = scaled.is_negative();
        let digits = scaled.abs();
        let whole = &digits / &scale;
        let part = &digits % &scale;
        let mut text = String::new();
        if negative && !digits.is_zero() {
            text.push('-');
        }
        text.push_str(&whole.to_string());
        if !part.is_zero() {
            let padded = format!("{part:0>width$}", width = places as usize);
            text.push('.');
            text.push_str(padded.trim_end_matches('0'));
        }
        text
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

impl fmt::Display for Rat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.decimal_places()) {
            (Repr::Small(n, 1), _) => write!(f, "{n}"),
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
        let m = if negate { -*m } else { *m };
        let (n, d, m, e) = (i128::from(*n), i128::from(*d), i128::from(m), i128::from(e.to_owned()));
        // |n|, |m|, d, e < 2^63, so each product is below 2^126 and their sum fits
        return if d == e { Rat::reduced(n + m, d) } else { Rat::reduced(n * e + m * d, d * e) };
    }
    Rat::from_big(if negate { a.to_big() - b.to_big() } else { a.to_big() + b.to_big() })
}

fn product(a: &Rat, b: &Rat) -> Rat {
    if let (Repr::Small(n, d), Repr::Small(m, e)) = (&a.0, &b.0) {
        return Rat::reduced(i128::from(*n) * i128::from(*m), i128::from(*d) * i128::from(*e));
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

    proptest! {
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
