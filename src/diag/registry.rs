//! Permanent codes: each with a one-line title and the long text that `evl explain` prints.
//!
//! A row of a table in `codes/` gives the constant, the number, the class and the title; its doc
//! comment is the long text. Numbers are never reused.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A permanent code, shown as `EVL0301`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EVL{:04}", self.0)
    }
}

impl std::str::FromStr for Code {
    type Err = NotACode;

    /// Reads `EVL0301`, `evl301` or `301`.
    fn from_str(text: &str) -> Result<Self, NotACode> {
        let digits = match text.get(..3) {
            Some(head) if head.eq_ignore_ascii_case("evl") => text.get(3..).unwrap_or(""),
            _ => text,
        };
        let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().map(Self).ok_or(NotACode)
    }
}

/// The text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACode;

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NotACode| serde::de::Error::custom("expected a code such as `EVL0301`"))
    }
}

/// What a finding with this code says about the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// something in the policy or a document is wrong: exit 1 as an error
    Finding,
    /// the run could not be done as asked (usage, a file that cannot be read): exit 2 as an error
    Failure,
    /// a question was left open: exit 3
    Open,
}

/// One row of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// the code
    pub code: Code,
    /// what it does to the exit code
    pub class: Class,
    /// one line, lower case
    pub title: &'static str,
    /// the text of `evl explain`
    pub text: &'static str,
}

/// All rows, by number.
#[must_use]
pub fn all() -> Vec<&'static Entry> {
    let mut rows: Vec<_> = super::codes::TABLES.iter().flat_map(|table| table.iter()).collect();
    rows.sort_by_key(|row| row.code);
    rows
}

/// The row of a code.
#[must_use]
pub fn entry(code: Code) -> Option<&'static Entry> {
    super::codes::TABLES.iter().flat_map(|table| table.iter()).find(|row| row.code == code)
}

/// The class of a code; unregistered ones count as findings.
#[must_use]
pub fn class(code: Code) -> Class {
    entry(code).map_or(Class::Finding, |row| row.class)
}

/// Makes one table of codes: a constant for each row, and `ROWS`.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $class:ident, $title:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: $crate::diag::registry::Code =
            $crate::diag::registry::Code($number);)+
        pub(super) const ROWS: &[$crate::diag::registry::Entry] = &[
            $($crate::diag::registry::Entry {
                code: $name,
                class: $crate::diag::registry::Class::$class,
                title: $title,
                text: concat!($($doc, "\n"),+),
            }),+
        ];
    };
}
pub(super) use codes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let rows = all();
        for pair in rows.windows(2) {
            assert_ne!(pair[0].code, pair[1].code, "{} and {}", pair[0].title, pair[1].title);
        }
    }

    #[test]
    fn titles_and_texts_follow_the_style() {
        for row in all() {
            let first = row.title.chars().next().unwrap();
            assert!(!first.is_uppercase() && !row.title.ends_with('.'), "{}: {}", row.code, row.title);
            assert!(row.text.trim().len() > 40, "{} explains nothing", row.code);
        }
    }

    #[test]
    fn codes_read_back_as_they_are_shown() {
        for row in all() {
            assert_eq!(row.code.to_string().parse(), Ok(row.code));
        }
        assert_eq!("evl0301".parse(), Ok(Code(301)));
        assert_eq!("301".parse(), Ok(Code(301)));
        for wrong in ["", "EVL", "EVL03011", "EVL-301", "ÄVL0301", "x", "+301"] {
            assert_eq!(wrong.parse::<Code>(), Err(NotACode), "{wrong}");
        }
    }
}
