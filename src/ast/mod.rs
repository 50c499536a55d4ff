//! The untyped tree of a policy text: what was written, where, and nothing that was not written.
//!
//! `syntax` makes it and the formatter prints it; `sema` alone reads it and gives it meaning. No
//! name is resolved here, no unit known and no range checked. Every node carries its span.
//!
//! Two styles meet. What has a grammar of its own - expressions, schedules, guards, effects, tests -
//! is structured. Declarations of things hold uniform [`Property`] lists (`capacity 200 kWh`), so
//! that an unknown key is a matter of meaning and gets a suggestion from the kind of thing declared.

mod authority;
mod expr;
mod item;
mod literal;
mod property;
mod rule;
mod schedule;
mod test;

pub use authority::{Admission, AdmissionTest, AdmissionVerb, Admit, Permission, Principal, Subject, Verb};
pub use expr::{Aggregate, Call, Compare, CompareOp, Expr, ExprKind, MulOp, Sign, WindowSide};
pub use item::{
    Assume, Broken, Budget, Conform, Declaration, Direction, File, Group, Item, ItemKind, Keyword, Level,
    Mode, Module, NamedValue, Objective, Parameter, Prove, ProveKind, ScheduleDecl, TypeName, Use,
};
pub use literal::{
    Comment, Date, Ident, Index, IndexRange, Instant, Name, Number, Offset, Part, Quantity, Text, TimeOfDay,
    Unit, Weekday,
};
pub use property::{Alternative, Arg, ArgKind, Property, StepRun};
pub use rule::{
    Amount, Bound, BoundKind, Effect, EffectKind, ForEach, Guard, OnLoss, OnLossKind, Origins, Preference,
    Reset, Rule, Spread, SwitchVerb, Until, Window, WindowEnds,
};
pub use schedule::{Days, Month, MonthDay, Schedule, ScheduleKind, TimePoint, TimeRange};
pub use test::{Expect, ExpectKind, Given, GivenKind, GivenValue, Test};
