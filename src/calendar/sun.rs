//! Sunrise and sunset.
//!
//! Source: the solar equations of the NOAA Global Monitoring Laboratory's solar calculator, which
//! follow J. Meeus, *Astronomical Algorithms* (low accuracy sun position, equation of time), with
//! the sun's centre at 90.833 degrees from the zenith: refraction and half the disc. Accuracy is
//! about a minute between the polar circles.
//!
//! Every machine must get the same minute, so nothing here calls the platform's mathematics
//! library: sines, cosines and arc tangents are the series below, made of `+ - * /` and square
//! roots alone, which IEEE 754 rounds in one way only. Results are rounded to whole minutes.

use std::f64::consts::PI;

use super::civil::DAY;

/// Sunrise and sunset of a civil day, as instants in s, whole minutes.
///
/// Where the sun does not set, the day reaches from one lower transit to the next, so that
/// `sunrise..sunset` is the whole day; where it does not rise both fall on noon, so that
/// `sunrise..sunset` is empty and `sunset..sunrise` is the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SunDay {
    /// Sunrise.
    pub(super) rise: i64,
    /// Sunset.
    pub(super) set: i64,
}

/// Centre of the sun from the zenith at sunrise and sunset, degrees.
const ZENITH: f64 = 90.833;

/// The sun at a place on the solar day `solar_day`: the day number whose noon in local mean solar
/// time lies within the civil day that is asked for.
pub(super) fn sun(latitude: f64, longitude: f64, solar_day: i64) -> SunDay {
    let noon = transit(longitude, solar_day);
    let edge = |sign: f64| {
        let mut at = noon;
        let mut arc = None;
        // the sun's place at the event itself, not at noon
        for _ in 0..3 {
            let sun = position(at);
            if let Arc::Hours(seconds) = hour_angle(latitude, &sun) {
                arc = Some(seconds);
            }
            let Some(seconds) = arc else { break };
            at = mean_noon(longitude, solar_day) - sun.equation_of_time + sign * seconds;
        }
        at
    };
    match hour_angle(latitude, &position(noon)) {
        Arc::Hours(_) => SunDay { rise: minute(edge(-1.0)), set: minute(edge(1.0)) },
        Arc::Always => {
            let (before, after) = (transit(longitude, solar_day - 1), transit(longitude, solar_day + 1));
            SunDay { rise: minute((before + noon) / 2.0), set: minute((noon + after) / 2.0) }
        }
        Arc::Never => SunDay { rise: minute(noon), set: minute(noon) },
    }
}

/// The solar day whose noon is nearest to an instant.
pub(super) fn solar_day(longitude: f64, near: i64) -> i64 {
    let shifted = near as f64 - HALF_DAY + longitude * SECONDS_PER_DEGREE;
    (shifted / DAY as f64 + 0.5).floor() as i64
}

const HALF_DAY: f64 = 43_200.0;
/// The earth turns one degree in four minutes.
const SECONDS_PER_DEGREE: f64 = 240.0;
const RADIANS: f64 = PI / 180.0;

fn minute(at: f64) -> i64 {
    (at / 60.0 + 0.5).floor() as i64 * 60
}

/// Noon in local mean solar time.
fn mean_noon(longitude: f64, solar_day: i64) -> f64 {
    (solar_day * DAY) as f64 + HALF_DAY - longitude * SECONDS_PER_DEGREE
}

/// True solar noon.
fn transit(longitude: f64, solar_day: i64) -> f64 {
    let mean = mean_noon(longitude, solar_day);
    let near = mean - position(mean).equation_of_time;
    mean - position(near).equation_of_time
}

/// How long before and after noon the sun is up.
enum Arc {
    /// Seconds from noon to sunset.
    Hours(f64),
    /// All day.
    Always,
    /// Not at all.
    Never,
}

fn hour_angle(latitude: f64, sun: &Sun) -> Arc {
    let phi = latitude.clamp(-90.0, 90.0) * RADIANS;
    let above = cos(ZENITH * RADIANS) - sin(phi) * sun.sin_declination;
    let scale = cos(phi) * sun.cos_declination;
    if above >= scale {
        Arc::Never
    } else if above <= -scale {
        Arc::Always
    } else {
        Arc::Hours(acos(above / scale) / RADIANS * SECONDS_PER_DEGREE)
    }
}

/// Where the sun is.
struct Sun {
    sin_declination: f64,
    cos_declination: f64,
    /// True minus mean solar time, s.
    equation_of_time: f64,
}

fn position(at: f64) -> Sun {
    // centuries since 2000-01-01T12:00Z
    let t = (at - 946_728_000.0) / (36_525.0 * DAY as f64);
    let mean_longitude = (280.466_46 + t * (36_000.769_83 + 0.000_303_2 * t)) * RADIANS;
    let anomaly = (357.529_11 + t * (35_999.050_29 - 0.000_153_7 * t)) * RADIANS;
    let eccentricity = 0.016_708_634 - t * (0.000_042_037 + 0.000_000_126_7 * t);
    let center = sin(anomaly) * (1.914_602 - t * (0.004_817 + 0.000_014 * t))
        + sin(2.0 * anomaly) * (0.019_993 - 0.000_101 * t)
        + sin(3.0 * anomaly) * 0.000_289;
    let node = (125.04 - 1_934.136 * t) * RADIANS;
    let longitude = mean_longitude + (center - 0.005_69 - 0.004_78 * sin(node)) * RADIANS;
    let mean_obliquity =
        23.0 + (26.0 + (21.448 - t * (46.815 + t * (0.000_59 - t * 0.001_813))) / 60.0) / 60.0;
    let obliquity = (mean_obliquity + 0.002_56 * cos(node)) * RADIANS;
    let sin_declination = sin(obliquity) * sin(longitude);
    let cos_declination = (1.0 - sin_declination * sin_declination).sqrt();
    let half = sin(obliquity / 2.0) / cos(obliquity / 2.0);
    let y = half * half;
    let radians = y * sin(2.0 * mean_longitude) - 2.0 * eccentricity * sin(anomaly)
        + 4.0 * eccentricity * y * sin(anomaly) * cos(2.0 * mean_longitude)
        - 0.5 * y * y * sin(4.0 * mean_longitude)
        - 1.25 * eccentricity * eccentricity * sin(2.0 * anomaly);
    Sun { sin_declination, cos_declination, equation_of_time: radians / RADIANS * SECONDS_PER_DEGREE }
}

/// Sine, by Taylor's series after reduction to a quarter turn.
fn sin(x: f64) -> f64 {
    let turns = x / (2.0 * PI);
    let mut x = (turns - (turns + 0.5).floor()) * 2.0 * PI;
    if x > PI / 2.0 {
        x = PI - x;
    } else if x < -PI / 2.0 {
        x = -PI - x;
    }
    let square = x * x;
    x * SIN.iter().fold(0.0, |sum, term| sum * square + term)
}

/// (-1)^k / (2k + 1)! for k from 11 down to 0.
const SIN: [f64; 12] = [
    -1.0 / 25_852_016_738_884_976_640_000.0,
    1.0 / 51_090_942_171_709_440_000.0,
    -1.0 / 121_645_100_408_832_000.0,
    1.0 / 355_687_428_096_000.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 39_916_800.0,
    1.0 / 362_880.0,
    -1.0 / 5_040.0,
    1.0 / 120.0,
    -1.0 / 6.0,
    1.0,
];

fn cos(x: f64) -> f64 {
    sin(x + PI / 2.0)
}

/// Arc tangent of `x >= 0`: the angle is halved three times, then the series converges fast.
fn atan(x: f64) -> f64 {
    let mut x = x;
    for _ in 0..3 {
        x /= 1.0 + (1.0 + x * x).sqrt();
    }
    let square = x * x;
    8.0 * x * ATAN.iter().fold(0.0, |sum, term| sum * square + term)
}

/// (-1)^k / (2k + 1) for k from 15 down to 0.
const ATAN: [f64; 16] = [
    -1.0 / 31.0,
    1.0 / 29.0,
    -1.0 / 27.0,
    1.0 / 25.0,
    -1.0 / 23.0,
    1.0 / 21.0,
    -1.0 / 19.0,
    1.0 / 17.0,
    -1.0 / 15.0,
    1.0 / 13.0,
    -1.0 / 11.0,
    1.0 / 9.0,
    -1.0 / 7.0,
    1.0 / 5.0,
    -1.0 / 3.0,
    1.0,
];

/// Arc cosine of -1 < x < 1.
fn acos(x: f64) -> f64 {
    2.0 * atan(((1.0 - x) / (1.0 + x)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_agree_with_the_platform() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.01;
            assert!((sin(x) - x.sin()).abs() < 1e-13, "sin {x}");
            assert!((cos(x) - x.cos()).abs() < 1e-13, "cos {x}");
        }
        for i in -999..1000 {
            let x = f64::from(i) * 0.001;
            assert!((acos(x) - x.acos()).abs() < 1e-13, "acos {x}");
        }
    }
}
