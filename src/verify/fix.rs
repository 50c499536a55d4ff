//! Intervals of fixed-point numbers, rounded outward: the exact value always lies inside.

use num_traits::ToPrimitive;

use crate::quantity::Rat;

/// Units in one: 10^12.
pub(super) const ONE: i128 = 1_000_000_000_000;
/// Half a unit of the ninth decimal: how far a recorded value may lie from the exact one.
const HALF_NINTH: i128 = 500;
/// Values beyond this are refused; products of two then fit 127 bits with room.
const MOST: i128 = 1_000_000_000_000_000_000_000_000_000;

/// Closed interval of multiples of 10^-12. A value that is such a multiple has both ends equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// Units of 10^-12, not above the value.
    lo: i128,
    /// Units of 10^-12, not below the value.
    hi: i128,
}

/// A number left the range in which the verifier computes (10^15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// `a x b / c`, rounded down and up; `c` above 0.
fn muldiv(a: i128, b: i128, c: i128) -> Result<(i128, i128), TooLarge> {
    if let Some(product) = a.checked_mul(b) {
        let down = product.div_euclid(c);
        return Ok((down, down + i128::from(product.rem_euclid(c) != 0)));
    }
    // a = q c + r: the product is q b + r b / c
    let (q, r) = (a.div_euclid(c), a.rem_euclid(c));
    let whole = q.checked_mul(b).ok_or(TooLarge)?;
    let rest = r.checked_mul(b).ok_or(TooLarge)?;
    let down = rest.div_euclid(c).checked_add(whole).ok_or(TooLarge)?;
    Ok((down, down + i128::from(rest.rem_euclid(c) != 0)))
}

impl Interval {
    /// Zero.
    pub const ZERO: Self = Self { lo: 0, hi: 0 };

    /// From ends in units of 10^-12.
    pub(super) fn new(lo: i128, hi: i128) -> Result<Self, TooLarge> {
        if lo > hi || lo < -MOST || hi > MOST { Err(TooLarge) } else { Ok(Self { lo, hi }) }
    }

    /// The least interval around an exact number.
    ///
    /// # Errors
    /// Beyond 10^15.
    pub fn of(value: &Rat) -> Result<Self, TooLarge> {
        if let Some((n, d)) = value.small_parts() {
            let (lo, hi) = muldiv(i128::from(n), ONE, i128::from(d))?;
            return Self::new(lo, hi);
        }
        let scaled = value * &Rat::ratio(ONE, 1).unwrap_or_default();
        let whole = |r: Rat| r.to_big().to_integer().to_i128().ok_or(TooLarge);
        Self::new(whole(scaled.floor())?, whole(scaled.ceil())?)
    }

    /// `count` steps of `step`.
    ///
    /// # Errors
    /// Beyond 10^15.
    pub fn steps(step: &Rat, count: i64) -> Result<Self, TooLarge> {
        match step.small_parts() {
            Some((n, d)) => {
                let (lo, hi) = muldiv(
                    i128::from(n).checked_mul(i128::from(count)).ok_or(TooLarge)?,
                    ONE,
                    i128::from(d),
                )?;
                Self::new(lo, hi)
            }
            None => Self::of(&(step * &Rat::int(count))),
        }
    }

    /// Not above the value.
    #[must_use]
    pub fn lo(self) -> Rat {
        Rat::ratio(self.lo, ONE).unwrap_or_default()
    }

    /// Not below the value.
    #[must_use]
    pub fn hi(self) -> Rat {
        Rat::ratio(self.hi, ONE).unwrap_or_default()
    }

    pub(super) fn raw(self) -> (i128, i128) {
        (self.lo, self.hi)
    }

    /// The middle, rounded to 9 decimals, halves away from zero: what documents record.
    #[must_use]
    pub fn recorded(self) -> Rat {
        let twice = self.lo + self.hi;
        let magnitude = twice.abs();
        // twice the value in units of 10^-12, so 2000 is one unit of the ninth decimal
        let ninth = (magnitude + 1000) / 2000;
        Rat::ratio(if twice < 0 { -ninth } else { ninth }, 1_000_000_000).unwrap_or_default()
    }

    /// Whether a recorded value is the rounding of a value inside.
    #[must_use]
    pub fn records(self, recorded: &Rat) -> bool {
        Self::of(recorded)
            .is_ok_and(|r| r.lo == r.hi && r.lo >= self.lo - HALF_NINTH && r.lo <= self.hi + HALF_NINTH)
    }

    /// The nearest float of the middle.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
        let twice = (self.lo + self.hi) as f64;
        twice / 2e12
    }

    /// Sum.
    pub(super) fn plus(self, other: Self) -> Result<Self, TooLarge> {
        Self::new(self.lo + other.lo, self.hi + other.hi)
    }

    /// Difference.
    pub(super) fn minus(self, other: Self) -> Result<Self, TooLarge> {
        Self::new(self.lo - other.hi, self.hi - other.lo)
    }

    /// Opposite.
    pub(super) fn negated(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }

    /// Times `n / d`, both at least 0, `d` above 0.
    pub(super) fn scaled(self, n: i128, d: i128) -> Result<Self, TooLarge> {
        Self::new(muldiv(self.lo, n, d)?.0, muldiv(self.hi, n, d)?.1)
    }

    /// Times a number that is not negative.
    pub(super) fn times(self, factor: &Rat) -> Result<Self, TooLarge> {
        match factor.small_parts() {
            Some((n, d)) => self.scaled(i128::from(n), i128::from(d)),
            None => {
                let factor = Self::of(factor)?;
                self.product(factor)
            }
        }
    }

    /// Divided by a number above 0.
    pub(super) fn divided(self, by: &Rat) -> Result<Self, TooLarge> {
        self.times(&Rat::ONE.checked_div(by).ok_or(TooLarge)?)
    }

    /// Product with any interval.
    pub(super) fn product(self, other: Self) -> Result<Self, TooLarge> {
        let (mut lo, mut hi) = (i128::MAX, i128::MIN);
        for a in [self.lo, self.hi] {
            for b in [other.lo, other.hi] {
                let (down, up) = muldiv(a, b, ONE)?;
                (lo, hi) = (lo.min(down), hi.max(up));
            }
        }
        Self::new(lo, hi)
    }

    /// The greater of each end and zero.
    pub(super) fn positive(self) -> Self {
        Self { lo: self.lo.max(0), hi: self.hi.max(0) }
    }

    /// The interval of the smaller of two values.
    pub(super) fn min(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.min(other.hi) }
    }

    /// The interval of the greater of two values.
    pub(super) fn max(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.max(other.hi) }
    }

    /// What two intervals around one value leave of it: this one alone where they do not meet, which no two
    /// around one value do.
    pub(super) fn within(self, other: Self) -> Self {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        if lo <= hi { Self { lo, hi } } else { self }
    }

    /// Everything from the least of two values to the greatest.
    pub(super) fn hull(a: Self, b: Self) -> Self {
        Self { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) }
    }

    /// Surely above zero.
    pub(super) fn is_positive(self) -> bool {
        self.lo > 0
    }

    /// Possibly above zero.
    pub(super) fn may_be_positive(self) -> bool {
        self.hi > 0
    }

    /// Surely not above `other`.
    pub(super) fn at_most(self, other: Self) -> bool {
        self.hi <= other.lo
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rat(text: &str) -> Rat {
        text.parse().unwrap()
    }

    #[test]
    fn decimals_are_exact_and_thirds_are_enclosed() {
        let exact = Interval::of(&rat("2453.223483146068")).unwrap();
        assert_eq!(exact.raw(), (2_453_223_483_146_068, 2_453_223_483_146_068));
        let third = Interval::of(&rat("-1/3")).unwrap();
        assert_eq!(third.raw(), (-333_333_333_334, -333_333_333_333));
        assert_eq!(Interval::of(&rat("1000000000000000000000")), Err(TooLarge));
        assert_eq!(Interval::steps(&rat("0.001"), 2500).unwrap().lo(), rat("2.5"));
    }

    #[test]
    fn recorded_values_have_nine_decimals() {
        let third = Interval::of(&rat("1/3")).unwrap();
        assert_eq!(third.recorded(), rat("0.333333333"));
        assert_eq!(third.negated().recorded(), rat("-0.333333333"));
        assert!(third.records(&rat("0.333333333")) && third.records(&rat("0.3333333335")));
        for wrong in ["0.333333334", "0.333333332", "0.33", "1/3"] {
            assert!(!third.records(&rat(wrong)), "{wrong}");
        }
        let half = Interval::of(&rat("0.0000000005")).unwrap();
        assert_eq!(half.recorded(), rat("0.000000001"));
        assert!(half.records(&rat("0.000000001")) && half.records(&rat("0")));
    }

    proptest! {
        #[test]
        fn operations_enclose_the_exact_result(
            a in -1_000_000_i128..1_000_000, b in 1_i128..1_000, c in -1_000_000_i128..1_000_000, d in 1_i128..1_000,
        ) {
            let (x, y) = (Rat::ratio(a, b).unwrap(), Rat::ratio(c, d).unwrap());
            let (ix, iy) = (Interval::of(&x).unwrap(), Interval::of(&y).unwrap());
            let holds = |i: Interval, exact: Rat| i.lo() <= exact && exact <= i.hi();
            prop_assert!(holds(ix, x.clone()));
            prop_assert!(holds(ix.plus(iy).unwrap(), &x + &y));
            prop_assert!(holds(ix.minus(iy).unwrap(), &x - &y));
            prop_assert!(holds(ix.product(iy).unwrap(), &x * &y));
            prop_assert!(holds(ix.negated(), -&x));
            prop_assert!(holds(ix.times(&y.abs()).unwrap(), &x * &y.abs()));
            if !y.is_zero() {
                prop_assert!(holds(ix.divided(&y.abs()).unwrap(), x.checked_div(&y.abs()).unwrap()));
            }
            prop_assert!(ix.records(&ix.recorded()));
            // what two intervals around one value leave still holds it
            let (n, d) = (b.min(999), 1_000);
            let wider = Interval::new(ix.raw().0 - n, ix.raw().1 + d).unwrap();
            let other = Interval::new(ix.raw().0 - d, ix.raw().1 + n).unwrap();
            prop_assert!(holds(wider.within(other), x.clone()) && holds(other.within(wider), x.clone()));
            prop_assert_eq!(ix.within(wider), ix);
        }
    }
}
