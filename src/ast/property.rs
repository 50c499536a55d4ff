//! Property lists: `key value...`, the uniform inside of declarations.

use super::{Bound, Date, Expr, ExprKind, Ident, Name, Number, Quantity, Schedule};
use crate::diag::Span;

/// One property of a declaration: `capacity 200 kWh`, `gateway plant port 6`, `enable`,
/// `main <-> riser`, or a row of a table (`0.42 USD/kWh during peak`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// the first word; `None` for a row that begins with a value (a price, a link's two ends).
    /// `3 phase` has the key `phases` and the one argument 3; `phase 3` is the third of them.
    pub key: Option<Ident>,
    /// what follows it, in order
    pub args: Vec<Arg>,
    /// the whole
    pub span: Span,
}

impl Property {
    /// The key and the plain words that follow it at once: `minimum load 10 kW` gives
    /// `minimum load`, `may shed in comfort` gives `may shed`, `on main` gives `on main`.
    #[must_use]
    pub fn leading_words(&self) -> Vec<&Ident> {
        let rest = self.args.iter().map_while(|arg| match &arg.kind {
            ArgKind::Value(Expr { kind: ExprKind::Name(name), .. }) => name.single(),
            _ => None,
        });
        self.key.iter().chain(rest).collect()
    }
}

/// One piece behind a property's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// what it is
    pub kind: ArgKind,
    /// where it stands
    pub span: Span,
}

/// The pieces that can follow a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgKind {
    /// a quantity, name, text, date, or a sum of such: `200 kWh`, `main`, `feed.pv`, `"a.csv"`
    Value(Expr),
    /// a reserved small word between values: `by`, `in`, `on`, `off`, `from`, `of`, `with`, `else`,
    /// `otherwise`, `to`, `at`, `for`, `until`, `via`, `x`, `any`, `all` ...
    Word(Ident),
    /// `10 % .. 95 %`
    Range(Expr, Expr),
    /// `95 % / 95 %`
    Pair(Quantity, Quantity),
    /// `up to 250 kW`, `at least 50 %`, `exactly 40 %`
    Bound(Bound),
    /// `per day`
    Per(Ident),
    /// `one of { 0 kW, 1.4 kW .. 11 kW }`
    OneOf(Vec<Alternative>),
    /// `none | moderate | high`: two or more
    Choice(Vec<Ident>),
    /// `main <-> riser` (both ways, `true`) or `main -> riser`
    Link(Name, Name, bool),
    /// `+01:00`, `Z`
    Offset(super::Offset),
    /// `42.36 N 71.05 W`: degrees; each text is already signed, north and east positive
    Location(Number, Number),
    /// `5 x 1 min, 11 x 5 min`
    Steps(Vec<StepRun>),
    /// `tenant, comfort` behind `classes`: the names of a list with two entries or more
    List(Vec<Name>),
    /// `2026-01-01 .. 2027-12-31`, both days included
    Dates(Date, Date),
    /// `during peak`
    During(Schedule),
    /// `when fire_panel.alarm`
    When(Expr),
    /// `{ tenant: acme, floor: 0 }`, `{ -10 degC: 2.1, 7 degC: 3.2 }`
    Map(Vec<(Expr, Expr)>),
    /// `{ ac 480 V, 3 phase }`, `{ 0.42 USD/kWh during peak, 0.18 USD/kWh otherwise }`
    Block(Vec<Property>),
}

/// One entry of `one of { .. }`: a value, or a closed range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alternative {
    /// one value
    Value(Expr),
    /// all values between two, both included
    Range(Expr, Expr),
}

/// `11 x 5 min`: how many steps of which length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRun {
    /// how many
    pub count: Number,
    /// how long each
    pub length: Quantity,
    /// both
    pub span: Span,
}
