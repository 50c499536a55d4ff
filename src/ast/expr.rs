//! Expressions: what a guard, an assumption or an amount says.
//!
//! Chains (`a and b and c`, `a + b - c`) are flat, so the depth of a tree is bounded by the nesting
//! of its parentheses. Parentheses themselves leave no node.

use super::{Date, Ident, Instant, Name, Quantity, Schedule, Text, TimeOfDay};
use crate::diag::Span;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// what it is
    pub kind: ExprKind,
    /// where it stands, without enclosing parentheses
    pub span: Span,
}

/// The forms of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprKind {
    /// `3.6 kW`, `70`
    Quantity(Quantity),
    /// `"text"`
    Text(Text),
    /// `true`, `false`
    Bool(bool),
    /// `on`, `off`
    Switch(bool),
    /// `2026-07-14`
    Date(Date),
    /// `08:00`
    Time(TimeOfDay),
    /// `2026-07-14 16:30`
    Instant(Instant),
    /// `charger[3].power`, `emergency`, `high`
    Name(Name),
    /// `max(weather.temperature, next 3 h)`, `count(evs.power > 1 kW)`, `sum(evs.power)`
    Call(Box<Call>),
    /// `any evs.power > 3 kW`, `all evs.connected`
    Aggregate(Aggregate, Box<Expr>),
    /// `-x`; a literal carries its own sign
    Neg(Box<Expr>),
    /// `a + b - c`: two or more; the first sign is always plus
    Sum(Vec<(Sign, Expr)>),
    /// `a * b / c`: two or more; the first is always `Times`
    Product(Vec<(MulOp, Expr)>),
    /// `a > b`, `a > b averaged over 15 min`
    Compare(Box<Compare>),
    /// `x between a and b`, ends included
    Between(Box<(Expr, Expr, Expr)>),
    /// `x in { a, b }`
    In(Box<Expr>, Vec<Expr>),
    /// `during open_hours`, `during weekdays 08:00..18:00 except holidays`
    During(Box<Schedule>),
    /// `not x`
    Not(Box<Expr>),
    /// `a and b and c`: two or more
    And(Vec<Expr>),
    /// `a or b`: two or more
    Or(Vec<Expr>),
}

/// Quantifiers over the members of a group that the operand names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// at least one
    Any,
    /// every one
    All,
}

/// A function with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `max`, `min`, `mean`, `sum`, `count`, `abs`; any other is an error of meaning
    pub function: Ident,
    /// its arguments, none included
    pub args: Vec<Expr>,
    /// `next 3 h` or `last 15 min` behind the arguments
    pub window: Option<(WindowSide, Quantity)>,
}

/// Which way an aggregate over time looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSide {
    /// `[t, t + d)`
    Next,
    /// `[t - d, t)`
    Last,
}

/// Plus or minus before a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// Times or divided by, before a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MulOp {
    /// `*`
    Times,
    /// `/`
    Over,
}

/// A comparison of two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// left side
    pub left: Expr,
    /// the sign
    pub op: CompareOp,
    /// right side
    pub right: Expr,
    /// `averaged over d`
    pub averaged: Option<Quantity>,
}

/// The comparison signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl CompareOp {
    /// The sign as written.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}
