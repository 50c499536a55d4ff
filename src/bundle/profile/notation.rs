//! The small notations inside a profile: addresses, spans of values, quantities, assignments.
//!
//! Each is one string (or number) in YAML and JSON, read strictly and written back as it was read.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quantity::{Rat, Type, Unit};

/// Why a notation could not be read; the text names what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotationError(pub String);

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotationError {}

fn wrong<T>(text: String) -> Result<T, NotationError> {
    Err(NotationError(text))
}

macro_rules! as_text {
    ($name:ident, $expects:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl Visitor<'_> for V {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: de::Error>(self, v: &str) -> Result<$name, E> {
                        v.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(V)
            }
        }
    };
}

/// Where a point lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// `123.WMaxLimPct`: a point of a SunSpec model, found by walking the device's chain of models
    SunSpec {
        /// model id
        model: u16,
        /// name of the point within the model
        point: String,
    },
    /// `input 5`: an input register, read with function 4
    Input(u16),
    /// `holding 261`: a holding register, read with function 3
    Holding(u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SunSpec { model, point } => write!(f, "{model}.{point}"),
            Self::Input(at) => write!(f, "input {at}"),
            Self::Holding(at) => write!(f, "holding {at}"),
        }
    }
}

impl FromStr for Address {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let bad = || {
            NotationError(format!(
                "`{text}` is no address: expected `123.WMaxLimPct`, `input 5` or `holding 261`"
            ))
        };
        let number = |t: &str| t.trim().parse::<u16>().map_err(|_| bad());
        if let Some(rest) = text.strip_prefix("input ") {
            return number(rest).map(Self::Input);
        }
        if let Some(rest) = text.strip_prefix("holding ") {
            return number(rest).map(Self::Holding);
        }
        let (model, point) = text.split_once('.').ok_or_else(bad)?;
        let named = !point.is_empty()
            && point.len() <= 64
            && point.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
        if !named {
            return Err(bad());
        }
        Ok(Self::SunSpec { model: number(model)?, point: point.to_owned() })
    }
}

as_text!(Address, "an address such as `123.WMaxLimPct`, `input 5` or `holding 261`");

/// A number with its unit: `11 kW`, `5 %`, `500 ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    text: String,
    /// value in the canonical unit of `ty`
    pub value: Rat,
    /// what it measures
    pub ty: Type,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Quantity {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let Some((number, unit)) = text.trim().split_once(' ') else {
            return wrong(format!("`{text}` is no quantity: expected a number and a unit such as `11 kW`"));
        };
        let value: Rat =
            number.parse().map_err(|_| NotationError(format!("`{number}` is no decimal number")))?;
        let Some(unit) = Unit::lookup(unit.trim(), "") else {
            return wrong(format!("`{}` is no unit", unit.trim()));
        };
        Ok(Self { text: text.trim().to_owned(), value: unit.canonical(&value), ty: unit.ty })
    }
}

as_text!(Quantity, "a number and a unit such as `11 kW`");

/// A device's declared local state: a power, or its rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// `rated`: everything the device can do
    Rated,
    /// `4.14 kW`
    Power(Quantity),
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rated => f.write_str("rated"),
            Self::Power(q) => q.fmt(f),
        }
    }
}

impl FromStr for Level {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        if text == "rated" {
            return Ok(Self::Rated);
        }
        let power: Quantity = text.parse()?;
        if power.ty == Type::Power { Ok(Self::Power(power)) } else { wrong(format!("`{text}` is no power")) }
    }
}

as_text!(Level, "`rated` or a power such as `4.14 kW`");

/// What an assignment puts into its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// a raw register value
    Raw(i64),
    /// the commanded value
    Value,
    /// seconds (in the point's unit) until the command must have lapsed
    Lease,
}

/// `limit = value`: one point and what is put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assign {
    /// name of the point
    pub point: String,
    /// what is put into it
    pub source: Source,
}

impl fmt::Display for Assign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Raw(raw) => write!(f, "{} = {raw}", self.point),
            Source::Value => write!(f, "{} = value", self.point),
            Source::Lease => write!(f, "{} = lease", self.point),
        }
    }
}

impl FromStr for Assign {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let expected = || {
            NotationError(format!(
                "`{text}` is no assignment: expected `point = 1`, `point = value` or `point = lease`"
            ))
        };
        let (point, source) = text.split_once('=').ok_or_else(expected)?;
        let source = match source.trim() {
            "value" => Source::Value,
            "lease" => Source::Lease,
            raw => Source::Raw(raw.parse().map_err(|_| expected())?),
        };
        let point = point.trim().to_owned();
        if point.is_empty() { Err(expected()) } else { Ok(Self { point, source }) }
    }
}

as_text!(Assign, "an assignment such as `limit = value`");

/// Values a point accepts: single ones and closed ranges, in the point's unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spans(pub Vec<(Rat, Rat)>);

impl Spans {
    /// Whether `value` is one of them.
    #[must_use]
    pub fn contain(&self, value: &Rat) -> bool {
        self.0.iter().any(|(least, greatest)| least <= value && value <= greatest)
    }

    /// The greatest accepted value that is not above `value`.
    #[must_use]
    pub fn at_most(&self, value: &Rat) -> Option<Rat> {
        self.0
            .iter()
            .filter(|(least, _)| least <= value)
            .map(|(_, greatest)| Rat::min_of(greatest, value))
            .max()
    }

    fn read(text: &str) -> Result<(Rat, Rat), NotationError> {
        let number = |t: &str| {
            t.trim().parse::<Rat>().map_err(|_| NotationError(format!("`{}` is no number", t.trim())))
        };
        let (least, greatest) = match text.split_once("..") {
            Some((least, greatest)) => (number(least)?, number(greatest)?),
            None => (number(text)?, number(text)?),
        };
        if greatest < least {
            return wrong(format!("`{text}` is reversed: its end is below its start"));
        }
        Ok((least, greatest))
    }
}

fn span_text((least, greatest): &(Rat, Rat)) -> String {
    if least == greatest { least.to_string() } else { format!("{least} .. {greatest}") }
}

impl Serialize for Spans {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(span_text))
    }
}

impl<'de> Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        /// `0`, `6 .. 16`
        struct One((Rat, Rat));
        impl<'de> Deserialize<'de> for One {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_any(OneV)
            }
        }
        struct OneV;
        impl Visitor<'_> for OneV {
            type Value = One;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a range such as `6 .. 16`")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<One, E> {
                Spans::read(v).map(One).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<One, E> {
                Ok(One((Rat::from(v), Rat::from(v))))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<One, E> {
                self.visit_str(&v.to_string())
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<One, E> {
                self.visit_str(&v.to_string())
            }
        }
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Spans;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a range such as `0 .. 100`, or a list of numbers and ranges")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Spans, E> {
                OneV.visit_str(v).map(|one| Spans(vec![one.0]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Spans, A::Error> {
                let mut spans = Vec::new();
                while let Some(One(span)) = seq.next_element()? {
                    if spans.len() == 64 {
                        return Err(de::Error::custom("more than 64 ranges"));
                    }
                    spans.push(span);
                }
                Ok(Spans(spans))
            }
        }
        d.deserialize_any(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_read_back_as_written() {
        for text in ["123.WMaxLimPct", "704.PFWInj.PF", "input 5", "holding 261"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["limit = value", "mode = 3", "timer = lease", "x = -1"] {
            assert_eq!(text.parse::<Assign>().unwrap().to_string(), text);
        }
        for text in ["11.04 kW", "5 %", "500 ms"] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_expected_form() {
        for text in ["", "holding", "holding 70000", "coil 3", "123.", "x.W", "123.W;x"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert_eq!(
            "holding -1".parse::<Address>().unwrap_err().to_string(),
            "`holding -1` is no address: expected `123.WMaxLimPct`, `input 5` or `holding 261`"
        );
        assert!("limit".parse::<Assign>().is_err());
        assert!("= 3".parse::<Assign>().is_err());
        assert!("limit = x".parse::<Assign>().is_err());
        assert!("5".parse::<Quantity>().is_err());
        assert!("5 parsec".parse::<Quantity>().is_err());
        assert!("3 s".parse::<Level>().is_err());
    }

    #[test]
    fn spans_have_gaps() {
        let spans: Spans = serde_json::from_str(r#"[0, "6 .. 16"]"#).unwrap();
        assert!(spans.contain(&Rat::ZERO) && spans.contain(&Rat::int(16)));
        assert!(!spans.contain(&Rat::int(3)));
        assert_eq!(spans.at_most(&Rat::int(5)), Some(Rat::ZERO));
        assert_eq!(spans.at_most(&Rat::int(20)), Some(Rat::int(16)));
        assert_eq!(spans.at_most(&Rat::int(-1)), None);
        assert!(serde_json::from_str::<Spans>(r#""16 .. 6""#).is_err());
        assert_eq!(serde_json::to_string(&spans).unwrap(), r#"["0","6 .. 16"]"#);
    }
}
