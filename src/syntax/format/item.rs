//! Statements: their heads, and their insides as units that stand on one line or on lines of their
//! own.

use super::text::{self, Wording};
use crate::ast::{
    Admission, AdmissionTest, AdmissionVerb, Budget, Declaration, Direction, Expect, ExpectKind, Given,
    GivenKind, GivenValue, Group, Ident, IndexRange, Module, Name, NamedValue, Objective, Permission,
    Principal, Prove, ProveKind, Schedule, Subject, SwitchVerb, Use,
};
use crate::diag::Span;

/// What stands on one line, perhaps with a block behind it.
pub(super) struct Unit {
    /// the line, without what its block holds
    pub(super) text: String,
    /// units of a block in braces at its end
    pub(super) block: Option<Vec<Unit>>,
    /// whether it cannot stand before the next unit on one line without changing its meaning
    pub(super) alone: bool,
    /// where it stands in the source
    pub(super) span: Span,
}

impl Unit {
    pub(super) fn line(text: String, span: Span) -> Self {
        Self { text, block: None, alone: false, span }
    }
}

pub(super) fn joined<T>(all: &[T], between: &str, one: impl Fn(&T) -> String) -> String {
    all.iter().map(one).collect::<Vec<_>>().join(between)
}

pub(super) fn names(all: &[Name]) -> String {
    joined(all, ", ", Name::text)
}

pub(super) fn idents(all: &[Ident], between: &str) -> String {
    joined(all, between, |word| word.text.clone())
}

fn array(range: Option<&IndexRange>) -> String {
    range.map_or_else(String::new, |range| format!("[{}..{}]", range.first.text, range.last.text))
}

pub(super) fn in_class(class: Option<&Ident>) -> String {
    class.map_or_else(String::new, |class| format!(" in {}", class.text))
}

fn during(schedule: Option<&Schedule>) -> String {
    schedule.map_or_else(String::new, |schedule| format!(" during {}", text::schedule(schedule)))
}

pub(super) fn declaration_head(declaration: &Declaration) -> String {
    let mut out = declaration.keyword.word().to_owned();
    if let Some(name) = &declaration.name {
        out.push(' ');
        out.push_str(&name.text);
        out.push_str(&array(declaration.array.as_ref()));
    }
    if let Some(kind) = &declaration.kind {
        out.push_str(" : ");
        out.push_str(&kind.text);
    }
    out
}

pub(super) fn budget(budget: &Budget) -> String {
    format!(
        "budget {}{} {{ {} of {} {} per {}{} }}",
        budget.name.text,
        in_class(budget.class.as_ref()),
        budget.measure.text,
        budget.scope.text(),
        text::bound(&budget.bound, Wording::PLAIN),
        budget.per.text,
        during(budget.during.as_ref())
    )
}

pub(super) fn group(group: &Group) -> String {
    let mut out = format!("group {} = {}", group.name.text, names(&group.members));
    if let Some(condition) = &group.condition {
        out.push_str(" where ");
        out.push_str(&text::expr(condition));
    }
    out
}

pub(super) fn named(all: &[NamedValue], sign: &str) -> String {
    joined(all, ", ", |one| format!("{}{sign}{}", one.name.text, text::value(&one.value)))
}

pub(super) fn use_module(found: &Use) -> String {
    let mut out = format!("use {}", found.module.text());
    if !found.args.is_empty() {
        out.push_str(&format!("({})", named(&found.args, ": ")));
    }
    if let Some(alias) = &found.alias {
        out.push_str(" as ");
        out.push_str(&alias.text);
    }
    out.push_str(&in_class(found.class.as_ref()));
    out
}

pub(super) fn module_head(module: &Module) -> String {
    let mut out = format!("module {}", module.name.text);
    if !module.parameters.is_empty() {
        let inner = joined(&module.parameters, ", ", |one| {
            let mut out = format!("{}: {}", one.name.text, one.kind.word.text);
            if let Some(of) = &one.kind.of {
                out.push_str(" of ");
                out.push_str(&of.text);
            }
            if let Some(default) = &one.default {
                out.push_str(" = ");
                out.push_str(&text::value(default));
            }
            out
        });
        out.push_str(&format!("({inner})"));
    }
    out
}

pub(super) fn permission(permission: &Permission) -> String {
    let mut out = String::from(if permission.permit { "permit " } else { "forbid " });
    match &permission.principal {
        Principal::Any(kind) => out.push_str(&format!("any {}", kind.text)),
        Principal::Named { kind, name } => {
            if let Some(kind) = kind {
                out.push_str(&kind.text);
                out.push(' ');
            }
            out.push_str(&name.text);
        }
    }
    out.push_str(" to ");
    out.push_str(&joined(&permission.verbs, " or ", |verb| verb.text.clone()));
    match &permission.subject {
        Subject::Any(kind) => out.push_str(&format!(" any {}", kind.text)),
        Subject::Name(name) => out.push_str(&format!(" {}", name.text())),
    }
    if let Some(bound) = &permission.bound {
        out.push(' ');
        out.push_str(&text::bound(bound, Wording::PLAIN));
    }
    out.push_str(&during(permission.during.as_ref()));
    if let Some(when) = &permission.when {
        out.push_str(" when ");
        out.push_str(&text::expr(when));
    }
    out
}

pub(super) fn prove(prove: &Prove) -> String {
    let what = match &prove.kind {
        ProveKind::Never(condition) => format!("never {{ {} }}", text::expr(condition)),
        ProveKind::Always(condition) => format!("always {{ {} }}", text::expr(condition)),
        ProveKind::TenantsIsolated => "tenants isolated".to_owned(),
    };
    format!("prove {what}{}", during(prove.during.as_ref()))
}

pub(super) fn objective(objective: &Objective) -> String {
    let mut out = String::from("objective ");
    let mut direction = None;
    for (at, level) in objective.levels.iter().enumerate() {
        if at > 0 {
            out.push_str(", then ");
        }
        if direction != Some(level.direction) {
            out.push_str(if level.direction == Direction::Minimise { "minimise " } else { "maximise " });
            direction = Some(level.direction);
        }
        out.push_str(&level.quantity.text());
        if let Some(within) = &level.within {
            out.push_str(" within ");
            out.push_str(&text::quantity(within));
        }
    }
    out
}

pub(super) fn during_suffix(schedule: Option<&Schedule>) -> String {
    during(schedule)
}

pub(super) fn admission(admission: &Admission) -> Unit {
    let (word, between) = match admission.verb {
        AdmissionVerb::Allow => ("allow ", " "),
        AdmissionVerb::Deny => ("deny ", " "),
        AdmissionVerb::Require => ("require ", ", "),
    };
    let mut out = word.to_owned();
    for (at, (attribute, test)) in admission.tests.iter().enumerate() {
        if at > 0 {
            out.push_str(if attribute.text == "signature" { " with " } else { between });
        }
        out.push_str(&attribute.text);
        out.push(' ');
        match test {
            AdmissionTest::Is(value) => out.push_str(&text::value(value)),
            AdmissionTest::In(list) => out.push_str(&format!("in {}", text::text(&list.value))),
            AdmissionTest::Within(share, of) => {
                out.push_str(&format!("within {} of {}", text::quantity(share), of.text()));
            }
            AdmissionTest::Bound(bound) => out.push_str(&text::bound(bound, Wording::PLAIN)),
        }
    }
    Unit::line(out, admission.span)
}

pub(super) fn given(given: &Given) -> Unit {
    let prefixed = |holds: bool, word: &str, name: &Name| {
        format!("{}{word} {}", if holds { "" } else { "not " }, name.text())
    };
    let out = match &given.kind {
        GivenKind::At(instant) => text::instant(instant),
        GivenKind::Value(subject, value) => {
            let subject = text::value(subject);
            match value.as_deref() {
                None => subject,
                Some(GivenValue::Is(value)) => {
                    let value = text::value(value);
                    // `x -3` would be a difference to a reader
                    let sign = if value.starts_with('-') || value.starts_with('(') { " = " } else { " " };
                    format!("{subject}{sign}{value}")
                }
                Some(GivenValue::Range(low, high)) => {
                    format!("{subject} between {} and {}", text::value(low), text::value(high))
                }
            }
        }
        GivenKind::Latched(name, holds) => prefixed(*holds, "latched", name),
        GivenKind::Held(name, holds) => prefixed(*holds, "held", name),
        GivenKind::Known(name, known) => {
            format!("{} {}", if *known { "known" } else { "unknown" }, name.text())
        }
    };
    Unit::line(out, given.span)
}

pub(super) fn expect(expect: &Expect) -> Unit {
    let out = match &expect.kind {
        ExpectKind::Bound(name, amount) => {
            format!("{} {}", name.text(), text::amount(amount, Wording::PLAIN))
        }
        ExpectKind::State(name, verb) => {
            let state = match verb {
                SwitchVerb::TurnOn => "on",
                SwitchVerb::TurnOff => "off",
                SwitchVerb::Connect => "connected",
                SwitchVerb::Disconnect => "disconnected",
            };
            format!("{} {state}", name.text())
        }
        ExpectKind::Conflict(rules) => format!("conflict {}", names(rules)),
        ExpectKind::NoConflict => "no conflict".to_owned(),
        ExpectKind::Overridden(rules) => format!("overridden {}", names(rules)),
        ExpectKind::Active(rules, true) => format!("active {}", names(rules)),
        ExpectKind::Active(rules, false) => format!("inactive {}", names(rules)),
    };
    Unit::line(out, expect.span)
}
