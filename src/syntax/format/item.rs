//! Statements: their heads, and their insides as units that stand on one line or on lines of their
//! own.

use super::text::{self, Wording};
use crate::ast::{
    Admission, AdmissionTest, AdmissionVerb, Arg, ArgKind, Budget, Declaration, Direction, Effect,
    EffectKind, Expect, ExpectKind, ExprKind, Given, GivenKind, GivenValue, Group, Guard, Ident, IndexRange,
    Module, Name, NamedValue, Objective, OnLossKind, Origins, Permission, Principal, Property, Prove,
    ProveKind, Rule, Schedule, ScheduleKind, Subject, SwitchVerb, Use, Weekday, Window, WindowEnds,
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

fn names(all: &[Name]) -> String {
    joined(all, ", ", Name::text)
}

pub(super) fn idents(all: &[Ident], between: &str) -> String {
    joined(all, between, |word| word.text.clone())
}

fn array(range: Option<&IndexRange>) -> String {
    range.map_or_else(String::new, |range| format!("[{}..{}]", range.first.text, range.last.text))
}

fn in_class(class: Option<&Ident>) -> String {
    class.map_or_else(String::new, |class| format!(" in {}", class.text))
}

fn during(schedule: Option<&Schedule>) -> String {
    schedule.map_or_else(String::new, |schedule| format!(" during {}", text::schedule(schedule)))
}

// ---- declarations and properties ----

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

pub(super) fn properties(all: &[Property]) -> Vec<Unit> {
    let mut units: Vec<Unit> = all.iter().map(property).collect();
    for (unit, pair) in units.iter_mut().zip(all.windows(2)) {
        if let [this, next] = pair {
            unit.alone = swallows(this, next);
        }
    }
    units
}

/// Whether `this, next` on one line would read `next` as part of a list in `this`.
fn swallows(this: &Property, next: &Property) -> bool {
    let classes = this.key.as_ref().is_some_and(|key| key.text == "classes");
    let next_is_word = next.args.is_empty();
    let next_is_row = next.key.is_none();
    let weekday = next.key.as_ref().is_some_and(|key| Weekday::ALL.iter().any(|day| day.word() == key.text));
    (classes && (next_is_word || next_is_row))
        || weekday
        || (next_is_row && this.args.iter().any(|arg| matches!(arg.kind, ArgKind::Steps(_))))
}

fn property(property: &Property) -> Unit {
    let mut out = String::new();
    let mut args = property.args.as_slice();
    match (&property.key, args) {
        (Some(key), [Arg { kind: ArgKind::Value(value), .. }])
            if key.text == "phases" && is_plain_number(&value.kind) =>
        {
            return Unit::line(format!("{} phase", text::value(value)), property.span);
        }
        (Some(key), _) => out.push_str(&key.text),
        (None, _) => {}
    }
    let mut block = None;
    if let [rest @ .., Arg { kind: ArgKind::Block(inner), .. }] = args {
        block = Some(properties(inner));
        args = rest;
    }
    let mut before: Option<&Arg> = None;
    for one in args {
        let next = match &one.kind {
            ArgKind::Value(low) | ArgKind::Range(low, _) => {
                let first = text::value(low);
                let apart = match before {
                    Some(before) => runs_together(before, &first) || is_switch(&first),
                    None if property.key.is_some() => is_switch(&first),
                    None => looks_like_a_key(&first),
                };
                arg(one, apart)
            }
            _ => arg(one, false),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&next);
        before = Some(one);
    }
    Unit { text: out, block, alone: false, span: property.span }
}

fn is_plain_number(kind: &ExprKind) -> bool {
    matches!(kind, ExprKind::Quantity(quantity) if quantity.unit.is_none())
}

/// Whether a value that follows another value would be read as one with it: `5` and `foo` as five
/// foos, `a` and `-3` as a difference.
fn runs_together(before: &Arg, next: &str) -> bool {
    let number = match &before.kind {
        ArgKind::Value(value) | ArgKind::Range(_, value) => is_plain_number(&value.kind),
        _ => false,
    };
    let value =
        matches!(before.kind, ArgKind::Value(_) | ArgKind::Range(..) | ArgKind::Bound(_) | ArgKind::When(_));
    let word = leading_word(next);
    let unit = next.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '%');
    (number && unit && crate::syntax::could_be_unit(word)) || (value && next.starts_with('-'))
}

/// Whether a value begins like the small words `on` and `off`.
fn is_switch(value: &str) -> bool {
    matches!(leading_word(value), "on" | "off")
}

/// Whether a value at the beginning of a row would be read as a key.
fn looks_like_a_key(value: &str) -> bool {
    let word = leading_word(value);
    let behind = value.get(word.len()..).unwrap_or("");
    let goes_on = behind.starts_with(['.', '(', '['])
        || [" + ", " - ", " * ", " / "].iter().any(|op| behind.starts_with(op));
    word.starts_with(|c: char| !c.is_ascii_digit()) && !goes_on
}

fn leading_word(value: &str) -> &str {
    let len = value.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    value.get(..len).unwrap_or("")
}

/// One piece behind a key; `apart` puts its first value into parentheses.
fn arg(arg: &Arg, apart: bool) -> String {
    let first = |value| if apart { format!("({})", text::value(value)) } else { text::value(value) };
    match &arg.kind {
        ArgKind::Value(value) => first(value),
        ArgKind::Word(word) => word.text.clone(),
        ArgKind::Range(low, high) => {
            let between =
                if is_plain_number(&low.kind) && is_plain_number(&high.kind) { ".." } else { " .. " };
            format!("{}{between}{}", first(low), text::value(high))
        }
        ArgKind::Pair(one, other) => format!("{} / {}", text::quantity(one), text::quantity(other)),
        ArgKind::Bound(bound) => text::bound(bound, Wording::PROPERTY),
        ArgKind::Per(period) => format!("per {}", period.text),
        ArgKind::OneOf(all) => text::alternatives(all),
        ArgKind::Choice(all) => idents(all, " | "),
        ArgKind::Link(from, to, both) => {
            format!("{} {} {}", from.text(), if *both { "<->" } else { "->" }, to.text())
        }
        ArgKind::Offset(offset) => text::offset(*offset),
        ArgKind::Location(latitude, longitude) => {
            format!("{} {}", coordinate(&latitude.text, "N", "S"), coordinate(&longitude.text, "E", "W"))
        }
        ArgKind::Steps(runs) => {
            joined(runs, ", ", |run| format!("{} x {}", run.count.text, text::quantity(&run.length)))
        }
        ArgKind::List(all) => names(all),
        ArgKind::Dates(first, last) => format!("{} .. {}", text::date(*first), text::date(*last)),
        ArgKind::During(schedule) => format!("during {}", text::schedule(schedule)),
        ArgKind::When(condition) => format!("when {}", text::expr(condition)),
        ArgKind::Map(entries) => {
            let inner =
                joined(entries, ", ", |(key, value)| format!("{}: {}", text::value(key), text::value(value)));
            format!("{{ {inner} }}")
        }
        ArgKind::Block(inner) => {
            let units = properties(inner);
            format!("{{ {} }}", joined(&units, ", ", one_line))
        }
    }
}

/// A unit with its block on one line.
pub(super) fn one_line(unit: &Unit) -> String {
    match &unit.block {
        None => unit.text.clone(),
        Some(inner) if inner.is_empty() => format!("{} {{}}", unit.text).trim_start().to_owned(),
        Some(inner) => {
            format!("{} {{ {} }}", unit.text, joined(inner, ", ", one_line)).trim_start().to_owned()
        }
    }
}

fn coordinate(signed: &str, positive: &str, negative: &str) -> String {
    match signed.strip_prefix('-') {
        Some(number) => format!("{number} {negative}"),
        None => format!("{signed} {positive}"),
    }
}

// ---- rules ----

pub(super) fn rule_head(rule: &Rule) -> String {
    format!("rule {}{}", rule.name.text, in_class(rule.class.as_ref()))
}

/// The clauses before the effects.
pub(super) fn clauses(rule: &Rule) -> Vec<Unit> {
    let mut units = Vec::new();
    if let Some(each) = &rule.for_each {
        units
            .push(Unit::line(format!("for each {} in {}", each.variable.text, each.group.text()), each.span));
    }
    if let Some(guard) = &rule.guard {
        guard_units(&mut units, guard);
    }
    if let Some(loss) = &rule.on_loss {
        let how = match &loss.kind {
            OnLossKind::Active => "active".to_owned(),
            OnLossKind::Inactive => "inactive".to_owned(),
            OnLossKind::Hold(how_long) => format!("hold {}", text::quantity(how_long)),
        };
        units.push(Unit::line(format!("on loss {how}"), loss.span));
    }
    if let Some(every) = &rule.at_most_every {
        units.push(Unit::line(format!("at most every {}", text::quantity(every)), every.span));
    }
    if let Some(barrier) = &rule.interlock {
        units.push(Unit::line(format!("interlock {}", text::text(&barrier.value)), barrier.span));
    }
    units
}

fn guard_units(units: &mut Vec<Unit>, guard: &Guard) {
    let mut when = match &guard.when.kind {
        ExprKind::During(schedule) => format!("during {}", text::schedule(schedule)),
        _ => format!("when {}", text::expr(&guard.when)),
    };
    if let Some(held) = &guard.held_for {
        when.push_str(" for ");
        when.push_str(&text::quantity(held));
    }
    units.push(Unit::line(when, guard.when.span));
    if let Some(until) = &guard.until {
        let mut line = format!("until {}", text::expr(&until.condition));
        if let Some(held) = &until.held_for {
            line.push_str(" for ");
            line.push_str(&text::quantity(held));
        }
        units.push(Unit::line(line, until.span));
    }
    if let Some(latch) = &guard.latch {
        units.push(Unit::line(format!("latch until reset by {}", latch.role.text), latch.span));
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    let mut out = String::new();
    if effect.preferably.is_some() {
        out.push_str("preferably ");
    }
    out.push_str(&command(&effect.kind));
    if let Some(price) = effect.preferably.as_ref().and_then(|wish| wish.price.as_ref()) {
        out.push_str(" priced at ");
        out.push_str(&text::value(price));
    }
    out
}

fn command(kind: &EffectKind) -> String {
    match kind {
        EffectKind::Set(target, amount) => {
            format!("set {} {}", target.text(), text::amount(amount, Wording::SET))
        }
        EffectKind::Limit(target, amount) => {
            format!("limit {} {}", target.text(), text::amount(amount, Wording::LIMIT))
        }
        EffectKind::Hold(target, amount) => {
            format!("hold {} {}", target.text(), text::amount(amount, Wording::HOLD))
        }
        EffectKind::Keep(target, amount) => {
            format!("keep {} {}", target.text(), text::amount(amount, Wording::HOLD))
        }
        EffectKind::Switch(verb, target) => format!("{} {}", verb.words(), target.text()),
        EffectKind::Supply(origins) => supply("supply", origins),
        EffectKind::NeverSupply(origins) => supply("never supply", origins),
        EffectKind::Deliver { energy, target, window } => {
            format!("deliver {} to {}{}", text::value(energy), target.text(), due(window.as_ref()))
        }
        EffectKind::Run { target, duration, uninterrupted, window } => {
            let whole = if *uninterrupted { " without interruption" } else { "" };
            format!("run {} for {}{whole}{}", target.text(), text::value(duration), due(window.as_ref()))
        }
        EffectKind::Notify(whom, what) => format!("notify {} {}", whom.text(), text::text(&what.value)),
        EffectKind::Follow { signal, at, with } => {
            format!("follow {} at {} with {}", signal.text(), text::value(at), with.text())
        }
    }
}

fn supply(verb: &str, origins: &Origins) -> String {
    let mut out = format!("{verb} {} from {}", origins.consumer.text(), names(&origins.sources));
    if let Some(via) = &origins.via {
        out.push_str(" via ");
        out.push_str(&via.text());
    }
    if origins.by_accounting {
        out.push_str(" by accounting");
    }
    out
}

fn due(window: Option<&Window>) -> String {
    let Some(window) = window else { return String::new() };
    let mut out = match &window.ends {
        WindowEnds::Clock(from, to) => format!(" between {} and {}", text::time(*from), text::time(*to)),
        WindowEnds::Dated(from, to) => format!(" between {} and {}", text::instant(from), text::instant(to)),
    };
    if let Some(days) = &window.days {
        let daily = matches!(
            &days.kind,
            ScheduleKind::Window { days: Some(crate::ast::Days::Daily(_)), times: None }
        );
        if daily {
            out.push_str(" daily");
        } else {
            out.push_str(" on ");
            out.push_str(&text::schedule(days));
        }
    }
    out
}

// ---- statements on one line ----

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

// ---- admission and tests ----

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
