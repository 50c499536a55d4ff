//! Who may do what, and what may be connected.

use super::{Bound, Expr, Ident, Name, Quantity, Schedule, Text};
use crate::diag::Span;

/// `permit tenant acme to set lobby.setpoint between 19 degC and 25 degC during open_hours`,
/// `forbid any vendor to set any device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `permit` (true) or `forbid`
    pub permit: bool,
    /// who
    pub principal: Principal,
    /// what they do, at least one
    pub verbs: Vec<Verb>,
    /// to what
    pub subject: Subject,
    /// within which values
    pub bound: Option<Bound>,
    /// at which times
    pub during: Option<Schedule>,
    /// under which condition
    pub when: Option<Expr>,
}

/// Who a permission is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// `tenant acme`, `vendor coolco`, `role fire_service`, `fire_service`
    Named {
        /// `tenant`, `vendor` or `role`, where written
        kind: Option<Ident>,
        /// the name
        name: Ident,
    },
    /// `any vendor`
    Any(Ident),
}

/// A verb of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verb {
    /// `set`, `read`, `limit`, `hold`, `keep`, `turn on`, `turn off`, `connect`, `disconnect`,
    /// `supply`, `deliver`, `run`, `notify`, `follow`
    pub text: String,
    /// where it stands
    pub span: Span,
}

/// What a permission is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// `lobby.setpoint`, `chiller.*`
    Name(Name),
    /// `any device`, `any ev_charger`
    Any(Ident),
}

/// `admit { .. }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admit {
    /// its statements
    pub admissions: Vec<Admission>,
    /// whether every statement could be read
    pub complete: bool,
}

/// One statement of `admit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// allow, deny or require
    pub verb: AdmissionVerb,
    /// all of them must hold, at least one
    pub tests: Vec<(Ident, AdmissionTest)>,
    /// the whole
    pub span: Span,
}

/// What an [`Admission`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmissionVerb {
    /// `allow`
    Allow,
    /// `deny`
    Deny,
    /// `require`
    Require,
}

/// What is asked of one attribute of a device at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionTest {
    /// `maker "SynCells"`, `function battery`, `signature "keys/syncells.pub"`
    Is(Expr),
    /// `serial in "data/serials.csv"`
    In(Text),
    /// `voltage within 5 % of bus`
    Within(Quantity, Name),
    /// `current at most port.rating`
    Bound(Bound),
}
