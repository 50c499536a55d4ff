//! Files and their top-level statements.

use super::{
    Admit, Bound, Comment, Expr, Ident, IndexRange, Name, Number, Permission, Property, Quantity, Rule,
    Schedule, Test, Text,
};
use crate::diag::{SourceId, Span};

/// One policy text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// which text
    pub source: SourceId,
    /// its statements, in order
    pub items: Vec<Item>,
    /// its comments, in order, wherever they stand
    pub comments: Vec<Comment>,
}

/// One top-level statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// what it is
    pub kind: ItemKind,
    /// the whole
    pub span: Span,
}

/// The top-level statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// `edition 2026`
    Edition(Number),
    /// `import std.comfort`
    Import(Name),
    /// `use std.peak_shaving(limit: 80 kW, fleet: evs)`
    Use(Use),
    /// `module peak_shaving(limit: Power, fleet: group) { .. }`
    Module(Module),
    /// `priorities safety > comfort > economy`, highest first
    Priorities(Vec<Ident>),
    /// everything of the form `KEYWORD name : kind { properties }`
    Declaration(Declaration),
    /// `group evs = consumer where kind = ev_charger`
    Group(Group),
    /// `schedule peak = weekdays 16:00..21:00`
    Schedule(ScheduleDecl),
    /// `assume weather.irradiance = 0 W/m2 during dark`
    Assume(Assume),
    /// `mode normal | island`
    Mode(Mode),
    /// `budget acme_daily in tenant { consumption of evs at most 300 kWh per day }`
    Budget(Budget),
    /// `rule NAME in CLASS { .. }`
    Rule(Rule),
    /// `role facility_admin, fire_service`
    Role(Vec<Ident>),
    /// `permit ..`, `forbid ..`
    Permission(Permission),
    /// `admit { .. }`
    Admit(Admit),
    /// `prove never { .. }`, `prove tenants isolated`
    Prove(Prove),
    /// `conform to "corporate/baseline.evl" with fleet = evs`
    Conform(Conform),
    /// `test "title" { .. }`
    Test(Test),
    /// `objective minimise cost within 0.5 %, then emissions`
    Objective(Objective),
    /// `decide offices.setpoint, pack.power`: these must never be left undecided
    Decide(Vec<Name>),
    /// a statement with a syntax error, which has been reported
    Broken(Broken),
}

/// What is still known of a statement that could not be read: enough to declare its name, so that
/// its uses are not reported as unknown too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// its first word, if there is one
    pub keyword: Option<Ident>,
    /// the word behind that, if there is one
    pub name: Option<Ident>,
    /// its indices, if it is an array
    pub array: Option<IndexRange>,
    /// the word behind the colon (`battery`), if there is one
    pub kind: Option<Ident>,
}

/// Statements of the form `KEYWORD name[1..8] : kind { properties }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// which
    pub keyword: Keyword,
    /// where the keyword stands
    pub keyword_span: Span,
    /// the name; `None` only for `weather`
    pub name: Option<Ident>,
    /// `[1..8]`
    pub array: Option<IndexRange>,
    /// the word behind the colon: `battery`
    pub kind: Option<Ident>,
    /// its properties, in order
    pub properties: Vec<Property>,
    /// whether every property could be read; `false` means that one was reported and left out, so
    /// a missing key must not be reported again
    pub complete: bool,
}

/// The keywords of [`Declaration`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the keyword itself")]
pub enum Keyword {
    Site,
    Bus,
    Link,
    Gateway,
    Producer,
    Storage,
    Consumer,
    Control,
    Slot,
    Zone,
    Tariff,
    Weather,
    Feed,
    Event,
    Tenant,
    Vendor,
}

impl Keyword {
    /// All, in the order in which a site is usually described.
    pub const ALL: [Self; 16] = [
        Self::Site,
        Self::Bus,
        Self::Link,
        Self::Gateway,
        Self::Producer,
        Self::Storage,
        Self::Consumer,
        Self::Control,
        Self::Slot,
        Self::Zone,
        Self::Tariff,
        Self::Weather,
        Self::Feed,
        Self::Event,
        Self::Tenant,
        Self::Vendor,
    ];

    /// As written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Bus => "bus",
            Self::Link => "link",
            Self::Gateway => "gateway",
            Self::Producer => "producer",
            Self::Storage => "storage",
            Self::Consumer => "consumer",
            Self::Control => "control",
            Self::Slot => "slot",
            Self::Zone => "zone",
            Self::Tariff => "tariff",
            Self::Weather => "weather",
            Self::Feed => "feed",
            Self::Event => "event",
            Self::Tenant => "tenant",
            Self::Vendor => "vendor",
        }
    }
}

/// `use std.peak_shaving(limit: 80 kW, fleet: evs) as shaving in economy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// which module
    pub module: Name,
    /// its parameters by name
    pub args: Vec<NamedValue>,
    /// `as NAME`: prefix of the rules it brings
    pub alias: Option<Ident>,
    /// `in CLASS`: class of its rules that name none
    pub class: Option<Ident>,
}

/// `limit: 80 kW`, `fleet = evs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedValue {
    /// the name
    pub name: Ident,
    /// its value
    pub value: Expr,
}

/// `module NAME(parameters) { statements }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// its name
    pub name: Ident,
    /// its parameters
    pub parameters: Vec<Parameter>,
    /// its statements
    pub items: Vec<Item>,
}

/// `limit: Power = 80 kW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// its name
    pub name: Ident,
    /// its type
    pub kind: TypeName,
    /// its default
    pub default: Option<Expr>,
    /// the whole
    pub span: Span,
}

/// `Power`, `group`, `group of ev_charger`, `consumer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// the type
    pub word: Ident,
    /// `of ..`
    pub of: Option<Ident>,
}

/// `group evs = consumer where kind = ev_charger`, `group g = charger[1..4], wallbox`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// its name
    pub name: Ident,
    /// what its members are taken from: keywords (`consumer`), arrays, devices, groups
    pub members: Vec<Name>,
    /// what each member must satisfy
    pub condition: Option<Expr>,
}

/// `schedule peak = ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleDecl {
    /// its name
    pub name: Ident,
    /// its instants
    pub schedule: Schedule,
}

/// `assume EXPR during SCHEDULE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assume {
    /// what is assumed
    pub condition: Expr,
    /// when; `None`: always
    pub during: Option<Schedule>,
}

/// `mode normal | island`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// its name where several are declared: `mode hvac_season: heating | cooling`
    pub name: Option<Ident>,
    /// its values, at least one, the first being the initial one
    pub values: Vec<Ident>,
}

/// `budget NAME in CLASS { MEASURE of SCOPE at most X per PERIOD during S }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// its name
    pub name: Ident,
    /// its class; absent is an error of meaning, not of grammar
    pub class: Option<Ident>,
    /// `consumption`, `emissions`, `cost`, `production`, `import` ..
    pub measure: Ident,
    /// of what: a group, a device, `site`
    pub scope: Name,
    /// how much
    pub bound: Bound,
    /// `day`, `week`, `month`, `year`
    pub per: Ident,
    /// counted only then
    pub during: Option<Schedule>,
}

/// `prove ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prove {
    /// what
    pub kind: ProveKind,
    /// only then
    pub during: Option<Schedule>,
}

/// What is to be proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProveKind {
    /// `never { .. }`
    Never(Expr),
    /// `always { .. }`
    Always(Expr),
    /// `tenants isolated`
    TenantsIsolated,
}

/// `conform to "corporate/baseline.evl" with fleet = evs, limit = 60 kW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conform {
    /// the baseline
    pub path: Text,
    /// its parameters
    pub with: Vec<NamedValue>,
}

/// `objective minimise cost within 0.5 %, then emissions, then switching`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// in order of importance, at least one
    pub levels: Vec<Level>,
}

/// One level of an [`Objective`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// `minimise` or `maximise`; a level without the word takes that of the one before
    pub direction: Direction,
    /// of what: `cost`, `emissions`, `switching`, `import`, a sum
    pub quantity: Name,
    /// `within 0.5 %`: how much of it later levels may spend
    pub within: Option<Quantity>,
    /// the whole
    pub span: Span,
}

/// Which way a [`Level`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `minimise`
    Minimise,
    /// `maximise`
    Maximise,
}
