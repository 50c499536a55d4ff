//! Rules: guards and effects.

use super::{Expr, Ident, Instant, Name, Quantity, Schedule, Text, TimeOfDay};
use crate::diag::Span;

/// `rule NAME in CLASS { .. }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// its name
    pub name: Ident,
    /// its class; absent is an error of meaning, not of grammar
    pub class: Option<Ident>,
    /// `for each c in evs`
    pub for_each: Option<Box<ForEach>>,
    /// when it is active; `None`: always
    pub guard: Option<Guard>,
    /// `on loss ..`
    pub on_loss: Option<OnLoss>,
    /// `at most every 1 h`
    pub at_most_every: Option<Box<Quantity>>,
    /// `interlock "relay K7"`: the independent barrier behind a safety rule
    pub interlock: Option<Box<Text>>,
    /// what it does, at least one
    pub effects: Vec<Effect>,
}

/// `for each c in evs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForEach {
    /// the name of one member within the rule
    pub variable: Ident,
    /// whose members
    pub group: Name,
    /// the whole
    pub span: Span,
}

/// `when A for D until B latch until reset by ROLE`. A leading `during S` is `when during S`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// what must hold
    pub when: Expr,
    /// `for 1 h`: how long it must have held
    pub held_for: Option<Box<Quantity>>,
    /// `until B`
    pub until: Option<Box<Until>>,
    /// `latch until reset by ROLE`
    pub latch: Option<Box<Reset>>,
    /// the whole
    pub span: Span,
}

/// `until B`, `until B for 5 min`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// what ends it
    pub condition: Expr,
    /// how long that must have held
    pub held_for: Option<Quantity>,
    /// the whole
    pub span: Span,
}

/// `latch until reset by facility_admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// who may reset it
    pub role: Ident,
    /// the whole
    pub span: Span,
}

/// `on loss active | inactive | hold 5 min`: what an unknown guard counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnLoss {
    /// which
    pub kind: OnLossKind,
    /// the whole
    pub span: Span,
}

/// What an unknown guard counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnLossKind {
    /// true
    Active,
    /// false
    Inactive,
    /// its last known value for this long
    Hold(Quantity),
}

/// One effect of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// `preferably`: a wish, never a command
    pub preferably: Option<Preference>,
    /// what
    pub kind: EffectKind,
    /// the whole
    pub span: Span,
}

/// `preferably ..`, `preferably .. priced at 0.30 USD/kWh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// what a breach costs; without a price, breaches are minimised before money
    pub price: Option<Expr>,
    /// the word `preferably`
    pub span: Span,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// `set lobby.setpoint to 21 degC`
    Set(Name, Amount),
    /// `limit evs to 3.6 kW each`, `limit pack.charge between 0 kW and 5 kW`
    Limit(Name, Amount),
    /// `hold offices.temperature at most 22 degC`
    Hold(Name, Amount),
    /// `keep pack.charge_level at least 30 %`
    Keep(Name, Amount),
    /// `turn on fan`, `disconnect boiler`
    Switch(SwitchVerb, Name),
    /// `supply evs from solar, pack`
    Supply(Origins),
    /// `never supply evs from utility`
    NeverSupply(Origins),
    /// `deliver 40 kWh to charger[3] between 08:00 and 17:00 on weekdays`
    Deliver {
        /// how much
        energy: Expr,
        /// to whom
        target: Name,
        /// when
        window: Option<Window>,
    },
    /// `run washer for 2 h without interruption between 09:00 and 16:00 daily`
    Run {
        /// what
        target: Name,
        /// how long in all
        duration: Expr,
        /// `without interruption`
        uninterrupted: bool,
        /// when
        window: Option<Window>,
    },
    /// `notify coolco "replace the filter"`
    Notify(Name, Text),
    /// `follow utility.import at 0 kW with pack`
    Follow {
        /// the measured power that is steered
        signal: Name,
        /// where it is to stay
        at: Expr,
        /// what is moved
        with: Name,
    },
}

/// The four switching commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchVerb {
    /// `turn on`
    TurnOn,
    /// `turn off`
    TurnOff,
    /// `connect`
    Connect,
    /// `disconnect`
    Disconnect,
}

impl SwitchVerb {
    /// As written.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::TurnOn => "turn on",
            Self::TurnOff => "turn off",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
        }
    }
}

/// A bound with the way it is spread over members and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// the bound
    pub bound: Bound,
    /// `each` or `together`
    pub spread: Option<(Spread, Span)>,
    /// `averaged over 15 min`
    pub averaged: Option<Quantity>,
    /// the whole
    pub span: Span,
}

/// A closed set of values: `at most 22 degC`, `between 1 kW and 3 kW`, `one of { 6 A, 16 A }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// which
    pub kind: BoundKind,
    /// the whole
    pub span: Span,
}

/// The forms of a [`Bound`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundKind {
    /// `set x to V`, `hold x at V`, `exactly V`
    Exactly(Expr),
    /// `limit x to V`, `at most V`, `up to V`
    AtMost(Expr),
    /// `at least V`
    AtLeast(Expr),
    /// `between A and B`
    Between(Expr, Expr),
    /// `one of { A, B }`
    OneOf(Vec<super::Alternative>),
}

/// How an amount on a group is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// one effect per member
    Each,
    /// their total
    Together,
}

/// `supply C from S, T via D by accounting`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// who is supplied
    pub consumer: Name,
    /// from where, at least one
    pub sources: Vec<Name>,
    /// `via pack`: the store that passes it on
    pub via: Option<Name>,
    /// `by accounting`: nothing is switched when the source falls
    pub by_accounting: bool,
}

/// When an obligation may be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// from when to when
    pub ends: WindowEnds,
    /// `on weekdays`, `daily`: the days on which it begins; `None`: daily, or dated ends
    pub days: Option<Schedule>,
    /// the whole
    pub span: Span,
}

/// The two ends of a [`Window`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowEnds {
    /// `between 08:00 and 17:00`: an end at or before the start is on the next day
    Clock(TimeOfDay, TimeOfDay),
    /// `between 2026-07-14 08:00 and 2026-07-15 17:00`
    Dated(Instant, Instant),
}
