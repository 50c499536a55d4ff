//! Policy tests.

use super::{Amount, Expr, Instant, Name, Text};
use crate::diag::Span;

/// `test "hot afternoon" { given .. expect .. }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// its title
    pub title: Text,
    /// the situation
    pub given: Vec<Given>,
    /// what must hold in it, at least one
    pub expect: Vec<Expect>,
}

/// One thing that a test takes as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// what
    pub kind: GivenKind,
    /// the whole
    pub span: Span,
}

/// The forms of a [`Given`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenKind {
    /// `Tue 2026-07-14 16:30`
    At(Instant),
    /// `weather.temperature 34 degC`, `max(weather.temperature, next 3 h) 34 degC`,
    /// `fire_panel.alarm on`, `dr high`, `emergency` (the value left out means true)
    Value(Expr, Option<Box<GivenValue>>),
    /// `latched co_alarm`, `not latched co_alarm`
    Latched(Name, bool),
    /// `held filter`, `not held filter`: the rule's `for` has run out
    Held(Name, bool),
    /// `known garage_co.ppm`, `unknown garage_co.ppm`
    Known(Name, bool),
}

/// What a signal has in a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenValue {
    /// one value
    Is(Expr),
    /// any value between two
    Range(Expr, Expr),
}

/// One thing that a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// what
    pub kind: ExpectKind,
    /// the whole
    pub span: Span,
}

/// The forms of an [`Expect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectKind {
    /// `offices.temperature at most 22 degC`, `evs at most 3.6 kW each`
    Bound(Name, Box<Amount>),
    /// `boiler disconnected`, `exhaust_fan on`, `boiler off`, `pump connected`
    State(Name, super::SwitchVerb),
    /// `conflict heat_up, cool_down`: these rules clash
    Conflict(Vec<Name>),
    /// `no conflict`
    NoConflict,
    /// `overridden shave`: a higher class takes it away
    Overridden(Vec<Name>),
    /// `active shave` or `inactive shave`
    Active(Vec<Name>, bool),
}
