//! Names and literals, as written.

use crate::diag::Span;

/// One plain word: a name where it is declared, a key, a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// the word
    pub text: String,
    /// where it stands
    pub span: Span,
}

/// A dotted path with optional indices: `charger[3].power`, `std.peak_shaving`, `chiller.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// its parts, at least one
    pub parts: Vec<Part>,
    /// the whole path
    pub span: Span,
}

impl Name {
    /// The path as written, without spaces.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                out.push('.');
            }
            out.push_str(&part.ident.text);
            match &part.index {
                None => {}
                Some(Index::One(n)) => {
                    out.push('[');
                    out.push_str(&n.text);
                    out.push(']');
                }
                Some(Index::Range(range)) => {
                    out.push('[');
                    out.push_str(&range.first.text);
                    out.push_str("..");
                    out.push_str(&range.last.text);
                    out.push(']');
                }
            }
        }
        out
    }

    /// The word, if the path is one word without an index.
    #[must_use]
    pub fn single(&self) -> Option<&Ident> {
        match self.parts.as_slice() {
            [Part { ident, index: None }] => Some(ident),
            _ => None,
        }
    }
}

/// One part of a [`Name`]. The word of the last part may be `*` (every attribute).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// the word
    pub ident: Ident,
    /// `[3]` or `[1..4]`
    pub index: Option<Index>,
}

/// An index behind a name; 1-based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// one element: `[3]`
    One(Number),
    /// several: `[1..4]`, both ends included
    Range(IndexRange),
}

/// `1..8`: both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRange {
    /// first index
    pub first: Number,
    /// last index, included
    pub last: Number,
    /// both
    pub span: Span,
}

/// A decimal number without a unit. The text is exact: an optional `-`, digits, and an optional
/// fraction (`-0.25`); at most 40 digits; never an exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// the digits as written
    pub text: String,
    /// where they stand
    pub span: Span,
}

/// A unit as written, known or not: `kW`, `USD/kWh`, `%`, `degC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// the symbol
    pub text: String,
    /// where it stands
    pub span: Span,
}

/// A number and, mostly, its unit: `3.6 kW`, `70`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// the number
    pub number: Number,
    /// its unit; `None` for a plain number
    pub unit: Option<Unit>,
    /// both
    pub span: Span,
}

/// A quoted text; `\"` and `\\` resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// what it says, without the quotes
    pub value: String,
    /// with the quotes
    pub span: Span,
}

/// `2026-07-14`: digits only; that the day exists is checked later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// four digits
    pub year: u16,
    /// two digits
    pub month: u8,
    /// two digits
    pub day: u8,
    /// where it stands
    pub span: Span,
}

/// `08:00`, `23:59:30`, `24:00`: digits only; that the time exists is checked later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// hour, two digits
    pub hour: u8,
    /// minute, two digits
    pub minute: u8,
    /// second, if written
    pub second: Option<u8>,
    /// where it stands
    pub span: Span,
}

/// How far civil time is ahead of UTC: `Z`, `+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// minutes east of Greenwich
    pub minutes: i16,
    /// where it stands
    pub span: Span,
}

/// `Tue 2026-07-14 16:30`, `2026-11-01 01:30 second`, `2026-07-14 16:30 Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// the weekday, if written; must then be the date's
    pub weekday: Option<Weekday>,
    /// civil date
    pub date: Date,
    /// civil time
    pub time: TimeOfDay,
    /// offset from UTC, if written
    pub offset: Option<Offset>,
    /// `second`: the later of the two in a fold
    pub second: bool,
    /// the whole
    pub span: Span,
}

/// A day of the week; weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the days of the week explain themselves")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// All seven, from Monday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// `Mon` to `Sun`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mon => "Mon",
            Self::Tue => "Tue",
            Self::Wed => "Wed",
            Self::Thu => "Thu",
            Self::Fri => "Fri",
            Self::Sat => "Sat",
            Self::Sun => "Sun",
        }
    }
}

/// A `//` comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// the comment with its slashes, without the line end
    pub text: String,
    /// whether nothing stands before it on its line
    pub own_line: bool,
    /// where it stands
    pub span: Span,
}
