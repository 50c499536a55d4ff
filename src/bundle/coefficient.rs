//! Coefficients that are no rational numbers, fixed to 12 decimals for planner and verifier alike
//! (planner.md 20). They follow from the bundle's own numbers by integer arithmetic alone, so every
//! machine finds the same digits.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use crate::quantity::Rat;

/// Decimals of a coefficient.
const PLACES: u32 = 12;
/// Decimals that are carried; the error of a thousand operations stays far below 10^-12.
const CARRIED: u32 = 50;

fn unit() -> BigInt {
    BigInt::from(10).pow(CARRIED)
}

fn fixed(value: &BigRational) -> BigInt {
    (value * BigRational::from_integer(unit())).floor().to_integer()
}

fn times(a: &BigInt, b: &BigInt) -> BigInt {
    a * b / unit()
}

/// e^-x for x at least 0.
fn exp_minus(x: &BigInt) -> BigInt {
    // e^-60 is below half a unit of the twelfth decimal
    if *x > BigInt::from(60) * unit() {
        return BigInt::zero();
    }
    // halved until below 1/2, then squared as often
    let mut halvings = 0_u32;
    let mut small = x.clone();
    while &small * 2 > unit() {
        small /= 2;
        halvings += 1;
    }
    let (mut term, mut sum, mut k) = (unit(), unit(), 0_i64);
    while !term.is_zero() && k < 200 {
        k += 1;
        term = -times(&term, &small) / k;
        sum += &term;
    }
    for _ in 0..halvings {
        sum = times(&sum, &sum);
    }
    sum
}

/// -ln(1 - s) for 0 <= s < 1.
fn minus_ln(share: &BigRational) -> BigInt {
    // ln((1 + y) / (1 - y)) = 2 (y + y^3/3 + y^5/5 + ..)
    let series = |y: &BigInt| {
        let square = times(y, y);
        let (mut power, mut sum, mut k) = (y.clone(), y.clone(), 1_i64);
        while !power.is_zero() && k < 2000 {
            k += 2;
            power = times(&power, &square);
            sum += &power / k;
        }
        sum * 2
    };
    let one = BigRational::one();
    let mut keeps = &one - share;
    let mut doublings = 0_i64;
    // towards 1, so that the series is short
    while keeps < BigRational::new(1.into(), 2.into()) && doublings < 200 {
        keeps *= BigRational::from_integer(2.into());
        doublings += 1;
    }
    let y = fixed(&((&one - &keeps) / (&one + &keeps)));
    let third = fixed(&BigRational::new(1.into(), 3.into()));
    series(&y) + series(&third) * doublings
}

fn rounded(value: &BigInt) -> Rat {
    let drop = BigInt::from(10).pow(CARRIED - PLACES);
    let digits = (value.abs() + &drop / 2) / drop;
    Rat::from_big(BigRational::new(digits, BigInt::from(10).pow(PLACES)))
}

/// The share of its distance from outdoor temperature that a zone keeps after a step,
/// exp(-heat loss x time / heat capacity), to 12 decimals; heat loss in kW/K, heat capacity in kWh/K
/// and above 0.
#[must_use]
pub fn thermal_decay(heat_loss: &Rat, heat_capacity: &Rat, seconds: i64) -> Rat {
    let hours = Rat::ratio(i128::from(seconds.max(0)), 3600).unwrap_or_default();
    let exponent = (heat_loss * &hours).checked_div(heat_capacity).unwrap_or_default();
    rounded(&exp_minus(&fixed(&exponent.abs().to_big())))
}

/// The share of its content that a store keeps after a step, (1 - s)^hours, to 12 decimals;
/// `share_lost` per hour, in 0..1.
#[must_use]
pub fn store_decay(share_lost: &Rat, seconds: i64) -> Rat {
    if share_lost.is_zero() || seconds <= 0 {
        return Rat::ONE;
    }
    if *share_lost >= Rat::ONE {
        return Rat::ZERO;
    }
    let hours = Rat::ratio(i128::from(seconds), 3600).unwrap_or_default();
    let exponent = times(&minus_ln(&share_lost.to_big()), &fixed(&hours.to_big()));
    rounded(&exp_minus(&exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rat(text: &str) -> Rat {
        text.parse().unwrap()
    }

    #[test]
    fn known_digits() {
        // exp(-1), exp(-0.15 / 4), exp(-12)
        assert_eq!(thermal_decay(&rat("1"), &rat("1"), 3600), rat("0.367879441171"));
        assert_eq!(thermal_decay(&rat("6"), &rat("40"), 900), rat("0.963194417721"));
        assert_eq!(thermal_decay(&rat("12"), &rat("1"), 3600), rat("0.000006144212"));
        assert_eq!(thermal_decay(&rat("100"), &rat("1"), 3600), Rat::ZERO);
        assert_eq!(thermal_decay(&Rat::ZERO, &rat("1"), 3600), Rat::ONE);
    }

    #[test]
    fn whole_hours_are_plain_powers() {
        // 0.99^3 = 0.970299 and 0.5^10
        assert_eq!(store_decay(&rat("0.01"), 3 * 3600), rat("0.970299"));
        assert_eq!(store_decay(&rat("0.5"), 10 * 3600), rat("0.000976562500"));
        assert_eq!(store_decay(&rat("0.9"), 2 * 3600), rat("0.01"));
        // 0.99^(1/4) = 0.99749056...
        assert_eq!(store_decay(&rat("0.01"), 900), rat("0.997490569934"));
        assert_eq!(store_decay(&Rat::ZERO, 900), Rat::ONE);
        assert_eq!(store_decay(&Rat::ONE, 900), Rat::ZERO);
    }
}
