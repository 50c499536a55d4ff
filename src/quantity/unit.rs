//! Physical types, their canonical units and the units an author may write.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Rat;

/// The physical type of a value. Each has one canonical unit, in which every [`Rat`] of the
/// compiled policy is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Truth value.
    Bool,
    /// A plain number.
    Number,
    /// A share; canonical unit 1 (100 % = 1).
    Ratio,
    /// kW.
    Power,
    /// kWh.
    Energy,
    /// Absolute temperature; canonical unit K.
    Temperature,
    /// Difference of temperatures; K.
    TemperatureDifference,
    /// The site's currency.
    Money,
    /// Currency per kWh.
    EnergyPrice,
    /// Currency per kW.
    PowerPrice,
    /// Currency per hour (breach of a state outside its band).
    HourPrice,
    /// kg.
    Mass,
    /// kg per kWh.
    CarbonIntensity,
    /// V.
    Voltage,
    /// A.
    Current,
    /// W per m2.
    Irradiance,
    /// lx.
    Illuminance,
    /// ppm.
    Concentration,
    /// Pa.
    Pressure,
    /// m per s.
    Speed,
    /// kWh per K.
    HeatCapacity,
    /// kW per K.
    HeatTransfer,
    /// kW per hour (ramp).
    Ramp,
    /// Elapsed time; s.
    Duration,
    /// Seconds since midnight on the wall clock.
    TimeOfDay,
    /// Civil date.
    Date,
    /// Absolute instant.
    Instant,
    /// Text.
    Text,
    /// One of a declared list of words.
    Symbol,
}

impl Type {
    /// The type's name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "truth value",
            Self::Number => "number",
            Self::Ratio => "ratio",
            Self::Power => "power",
            Self::Energy => "energy",
            Self::Temperature => "temperature",
            Self::TemperatureDifference => "temperature difference",
            Self::Money => "money",
            Self::EnergyPrice => "energy price",
            Self::PowerPrice => "power price",
            Self::HourPrice => "price per hour",
            Self::Mass => "mass",
            Self::CarbonIntensity => "carbon intensity",
            Self::Voltage => "voltage",
            Self::Current => "current",
            Self::Irradiance => "irradiance",
            Self::Illuminance => "illuminance",
            Self::Concentration => "concentration",
            Self::Pressure => "pressure",
            Self::Speed => "speed",
            Self::HeatCapacity => "heat capacity",
            Self::HeatTransfer => "heat transfer",
            Self::Ramp => "ramp",
            Self::Duration => "duration",
            Self::TimeOfDay => "time of day",
            Self::Date => "date",
            Self::Instant => "instant",
            Self::Text => "text",
            Self::Symbol => "word",
        }
    }

    /// The unit in which people are shown a value of this type; money units carry the currency.
    #[must_use]
    pub fn shown_unit(self, currency: &str) -> String {
        match self {
            Self::Ratio => "%".to_owned(),
            Self::Power => "kW".to_owned(),
            Self::Energy => "kWh".to_owned(),
            Self::Temperature => "degC".to_owned(),
            Self::TemperatureDifference => "K".to_owned(),
            Self::Money => currency.to_owned(),
            Self::EnergyPrice => format!("{currency}/kWh"),
            Self::PowerPrice => format!("{currency}/kW"),
            Self::HourPrice => format!("{currency}/h"),
            Self::Mass => "kg".to_owned(),
            Self::CarbonIntensity => "g/kWh".to_owned(),
            Self::Voltage => "V".to_owned(),
            Self::Current => "A".to_owned(),
            Self::Irradiance => "W/m2".to_owned(),
            Self::Illuminance => "lx".to_owned(),
            Self::Concentration => "ppm".to_owned(),
            Self::Pressure => "Pa".to_owned(),
            Self::Speed => "m/s".to_owned(),
            Self::HeatCapacity => "kWh/K".to_owned(),
            Self::HeatTransfer => "kW/K".to_owned(),
            Self::Ramp => "kW/h".to_owned(),
            Self::Duration => "s".to_owned(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A unit an author may write: canonical = (written + offset) x factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What it measures.
    pub ty: Type,
    /// Added before scaling (only absolute temperatures have one).
    pub offset: Rat,
    /// Canonical units in one written unit.
    pub factor: Rat,
}

impl Unit {
    fn plain(ty: Type, n: i128, d: i128) -> Option<Self> {
        Some(Self { ty, offset: Rat::ZERO, factor: Rat::ratio(n, d)? })
    }

    /// The unit written `symbol`; money units are those of `currency` (`USD`, `USD/kWh`, ...).
    ///
    /// `None`: no such unit. `K` is an absolute temperature or a difference; it is given as the
    /// difference, and [`Unit::absolute_kelvin`] is the other reading.
    #[must_use]
    pub fn lookup(symbol: &str, currency: &str) -> Option<Self> {
        use Type as T;
        if !currency.is_empty()
            && let Some(rest) = symbol.strip_prefix(currency)
        {
            return match rest {
                "" => Self::plain(T::Money, 1, 1),
                "/kWh" => Self::plain(T::EnergyPrice, 1, 1),
                "/MWh" => Self::plain(T::EnergyPrice, 1, 1000),
                "/kW" => Self::plain(T::PowerPrice, 1, 1),
                "/MW" => Self::plain(T::PowerPrice, 1, 1000),
                "/h" => Self::plain(T::HourPrice, 1, 1),
                _ => None,
            };
        }
        let (ty, n, d) = match symbol {
            "%" => (T::Ratio, 1, 100),
            "W" => (T::Power, 1, 1000),
            "kW" => (T::Power, 1, 1),
            "MW" => (T::Power, 1000, 1),
            "Wh" => (T::Energy, 1, 1000),
            "kWh" => (T::Energy, 1, 1),
            "MWh" => (T::Energy, 1000, 1),
            "K" => (T::TemperatureDifference, 1, 1),
            "degF_diff" => (T::TemperatureDifference, 5, 9),
            "degC" => {
                return Some(Self { ty: T::Temperature, offset: Rat::ratio(27315, 100)?, factor: Rat::ONE });
            }
            // K = (F + 459.67) x 5/9, exactly
            "degF" => {
                return Some(Self {
                    ty: T::Temperature,
                    offset: Rat::ratio(45967, 100)?,
                    factor: Rat::ratio(5, 9)?,
                });
            }
            "g" => (T::Mass, 1, 1000),
            "kg" => (T::Mass, 1, 1),
            "t" => (T::Mass, 1000, 1),
            "g/kWh" => (T::CarbonIntensity, 1, 1000),
            "kg/kWh" => (T::CarbonIntensity, 1, 1),
            "kg/MWh" => (T::CarbonIntensity, 1, 1000),
            "t/MWh" => (T::CarbonIntensity, 1, 1),
            "V" => (T::Voltage, 1, 1),
            "kV" => (T::Voltage, 1000, 1),
            "mA" => (T::Current, 1, 1000),
            "A" => (T::Current, 1, 1),
            "W/m2" => (T::Irradiance, 1, 1),
            "kW/m2" => (T::Irradiance, 1000, 1),
            "lx" => (T::Illuminance, 1, 1),
            "ppm" => (T::Concentration, 1, 1),
            "Pa" => (T::Pressure, 1, 1),
            "hPa" => (T::Pressure, 100, 1),
            "kPa" => (T::Pressure, 1000, 1),
            "bar" => (T::Pressure, 100_000, 1),
            "m/s" => (T::Speed, 1, 1),
            "km/h" => (T::Speed, 10, 36),
            "kWh/K" => (T::HeatCapacity, 1, 1),
            "Wh/K" => (T::HeatCapacity, 1, 1000),
            "MWh/K" => (T::HeatCapacity, 1000, 1),
            "kJ/K" => (T::HeatCapacity, 1, 3600),
            "MJ/K" => (T::HeatCapacity, 1000, 3600),
            "kW/K" => (T::HeatTransfer, 1, 1),
            "W/K" => (T::HeatTransfer, 1, 1000),
            "kW/h" => (T::Ramp, 1, 1),
            "kW/min" => (T::Ramp, 60, 1),
            "ms" => (T::Duration, 1, 1000),
            "s" => (T::Duration, 1, 1),
            "min" => (T::Duration, 60, 1),
            "h" => (T::Duration, 3600, 1),
            "d" => (T::Duration, 86_400, 1),
            _ => return None,
        };
        Self::plain(ty, n, d)
    }

    /// `K` read as an absolute temperature.
    #[must_use]
    pub fn absolute_kelvin() -> Self {
        Self { ty: Type::Temperature, offset: Rat::ZERO, factor: Rat::ONE }
    }

    /// Every unit symbol that needs no currency, for suggestions.
    pub const SYMBOLS: &'static [&'static str] = &[
        "%",
        "W",
        "kW",
        "MW",
        "Wh",
        "kWh",
        "MWh",
        "K",
        "degF_diff",
        "degC",
        "degF",
        "g",
        "kg",
        "t",
        "g/kWh",
        "kg/kWh",
        "kg/MWh",
        "t/MWh",
        "V",
        "kV",
        "mA",
        "A",
        "W/m2",
        "kW/m2",
        "lx",
        "ppm",
        "Pa",
        "hPa",
        "kPa",
        "bar",
        "m/s",
        "km/h",
        "kWh/K",
        "Wh/K",
        "MWh/K",
        "kJ/K",
        "MJ/K",
        "kW/K",
        "W/K",
        "kW/h",
        "kW/min",
        "ms",
        "s",
        "min",
        "h",
        "d",
    ];

    /// A written value in the canonical unit.
    #[must_use]
    pub fn canonical(&self, written: &Rat) -> Rat {
        &(written + &self.offset) * &self.factor
    }
}

/// A canonical value for people: `21 degC`, `3.6 kW`, `30 %`, `2 h`.
#[must_use]
pub fn show(value: &Rat, ty: Type, currency: &str) -> String {
    let unit = ty.shown_unit(currency);
    let shown = match ty {
        Type::Ratio => value * &Rat::int(100),
        Type::Temperature => Rat::ratio(27315, 100).map_or_else(|| value.clone(), |zero| value - &zero),
        Type::CarbonIntensity => value * &Rat::int(1000),
        Type::Duration => return show_duration(value),
        _ => value.clone(),
    };
    let number = shown.to_decimal(6);
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}

fn show_duration(seconds: &Rat) -> String {
    for (unit, size) in [("d", 86_400), ("h", 3600), ("min", 60)] {
        if let Some(n) = seconds.checked_div(&Rat::int(size)).and_then(|q| q.to_i64())
            && n != 0
        {
            return format!("{n} {unit}");
        }
    }
    format!("{} s", seconds.to_decimal(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_is_a_unit() {
        for s in Unit::SYMBOLS {
            assert!(Unit::lookup(s, "USD").is_some(), "{s}");
        }
    }

    #[test]
    fn fahrenheit_is_exact() {
        let f = Unit::lookup("degF", "USD").unwrap();
        assert_eq!(show(&f.canonical(&Rat::int(212)), Type::Temperature, "USD"), "100 degC");
        assert_eq!(show(&f.canonical(&Rat::int(-40)), Type::Temperature, "USD"), "-40 degC");
    }

    #[test]
    fn shows_round_units() {
        assert_eq!(show(&Rat::int(7200), Type::Duration, ""), "2 h");
        assert_eq!(show(&Rat::int(90), Type::Duration, ""), "90 s");
        assert_eq!(show(&Rat::ratio(3, 10).unwrap(), Type::Ratio, ""), "30 %");
        assert_eq!(show(&Rat::ratio(42, 100).unwrap(), Type::EnergyPrice, "USD"), "0.42 USD/kWh");
    }
}
