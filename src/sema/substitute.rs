//! A module's statements with its parameters replaced and its own names made distinct.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{
    self, Admission, AdmissionTest, Alternative, Arg, ArgKind, Bound, BoundKind, Effect, EffectKind, Expr,
    ExprKind, Ident, Item, ItemKind, Module, Name, Part, Property, Schedule, ScheduleKind, TypeName,
};
use crate::diag::Span;
use crate::quantity::{Type, Unit};

/// What the words of a module become.
pub(super) struct Bindings {
    values: BTreeMap<String, Expr>,
    prefix: String,
    /// names that the module declares itself
    own: BTreeSet<String>,
    class: Option<Ident>,
    /// where the module is used
    span: Span,
}

impl Bindings {
    pub(super) fn new(
        values: BTreeMap<String, Expr>,
        prefix: &str,
        module: &Module,
        class: Option<Ident>,
        span: Span,
    ) -> Self {
        let own =
            module.items.iter().filter_map(|item| declared(&item.kind)).map(|i| i.text.clone()).collect();
        Self { values, prefix: prefix.to_owned(), own, class, span }
    }

    fn rename(&self, ident: &mut Ident) {
        if self.own.contains(&ident.text) {
            ident.text = format!("{}.{}", self.prefix, ident.text);
        }
    }

    fn name(&self, name: &mut Name) {
        let Some(first) = name.parts.first_mut() else { return };
        if let Some(Expr { kind: ExprKind::Name(value), .. }) = self.values.get(&first.ident.text) {
            let mut parts: Vec<Part> = value.parts.clone();
            if let (Some(index), Some(last)) = (first.index.take(), parts.last_mut()) {
                last.index = Some(index);
            }
            parts.extend(name.parts.iter().skip(1).cloned());
            name.parts = parts;
            return;
        }
        self.rename(&mut first.ident);
    }

    fn class(&self, class: &mut Option<Ident>) {
        match class {
            None => class.clone_from(&self.class),
            Some(word) => {
                if let Some(Expr { kind: ExprKind::Name(value), .. }) = self.values.get(&word.text)
                    && let Some(value) = value.single()
                {
                    *word = value.clone();
                }
            }
        }
    }

    fn word(&self, word: &mut Ident) {
        if let Some(Expr { kind: ExprKind::Name(value), .. }) = self.values.get(&word.text)
            && let Some(value) = value.single()
        {
            *word = value.clone();
        }
    }

    fn expr(&self, expr: &mut Expr) {
        if let ExprKind::Name(name) = &expr.kind
            && let Some(word) = name.single()
            && let Some(value) = self.values.get(&word.text)
        {
            *expr = value.clone();
            return;
        }
        match &mut expr.kind {
            ExprKind::Name(name) => self.name(name),
            ExprKind::Neg(inner) | ExprKind::Not(inner) | ExprKind::Aggregate(_, inner) => self.expr(inner),
            ExprKind::Sum(terms) => terms.iter_mut().for_each(|(_, term)| self.expr(term)),
            ExprKind::Product(factors) => factors.iter_mut().for_each(|(_, factor)| self.expr(factor)),
            ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter_mut().for_each(|part| self.expr(part)),
            ExprKind::Compare(compare) => {
                self.expr(&mut compare.left);
                self.expr(&mut compare.right);
            }
            ExprKind::Between(parts) => {
                let (x, lo, hi) = parts.as_mut();
                [x, lo, hi].into_iter().for_each(|part| self.expr(part));
            }
            ExprKind::In(inner, set) => {
                self.expr(inner);
                set.iter_mut().for_each(|one| self.expr(one));
            }
            ExprKind::Call(call) => call.args.iter_mut().for_each(|arg| self.expr(arg)),
            ExprKind::During(schedule) => self.schedule(schedule),
            ExprKind::Quantity(_)
            | ExprKind::Text(_)
            | ExprKind::Bool(_)
            | ExprKind::Switch(_)
            | ExprKind::Date(_)
            | ExprKind::Time(_)
            | ExprKind::Instant(_) => {}
        }
    }

    fn schedule(&self, schedule: &mut Schedule) {
        match &mut schedule.kind {
            ScheduleKind::Name(name) => self.name(name),
            ScheduleKind::Window { days: Some(ast::Days::Name(name)), .. } => self.name(name),
            ScheduleKind::And(parts) | ScheduleKind::Or(parts) | ScheduleKind::Except(parts) => {
                parts.iter_mut().for_each(|part| self.schedule(part));
            }
            ScheduleKind::Not(inner) => self.schedule(inner),
            ScheduleKind::Always | ScheduleKind::Window { .. } | ScheduleKind::Dated(..) => {}
        }
    }

    fn bound(&self, bound: &mut Bound) {
        match &mut bound.kind {
            BoundKind::Exactly(expr) | BoundKind::AtMost(expr) | BoundKind::AtLeast(expr) => self.expr(expr),
            BoundKind::Between(lo, hi) => {
                self.expr(lo);
                self.expr(hi);
            }
            BoundKind::OneOf(alternatives) => self.alternatives(alternatives),
        }
    }

    fn alternatives(&self, alternatives: &mut [Alternative]) {
        for alternative in alternatives {
            match alternative {
                Alternative::Value(expr) => self.expr(expr),
                Alternative::Range(lo, hi) => {
                    self.expr(lo);
                    self.expr(hi);
                }
            }
        }
    }

    fn property(&self, property: &mut Property) {
        property.args.iter_mut().for_each(|arg| self.arg(arg));
    }

    fn arg(&self, arg: &mut Arg) {
        match &mut arg.kind {
            ArgKind::Value(expr) | ArgKind::When(expr) => self.expr(expr),
            ArgKind::Range(lo, hi) => {
                self.expr(lo);
                self.expr(hi);
            }
            ArgKind::Bound(bound) => self.bound(bound),
            ArgKind::OneOf(alternatives) => self.alternatives(alternatives),
            ArgKind::Link(from, to, _) => {
                self.name(from);
                self.name(to);
            }
            ArgKind::List(names) => names.iter_mut().for_each(|name| self.name(name)),
            ArgKind::During(schedule) => self.schedule(schedule),
            ArgKind::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.expr(value)),
            ArgKind::Block(properties) => properties.iter_mut().for_each(|p| self.property(p)),
            _ => {}
        }
    }

    fn effect(&self, effect: &mut Effect) {
        if let Some(price) = effect.preferably.as_mut().and_then(|p| p.price.as_mut()) {
            self.expr(price);
        }
        match &mut effect.kind {
            EffectKind::Set(name, amount)
            | EffectKind::Limit(name, amount)
            | EffectKind::Hold(name, amount)
            | EffectKind::Keep(name, amount) => {
                self.name(name);
                self.bound(&mut amount.bound);
            }
            EffectKind::Switch(_, name) | EffectKind::Notify(name, _) => self.name(name),
            EffectKind::Supply(origins) | EffectKind::NeverSupply(origins) => {
                self.name(&mut origins.consumer);
                origins.sources.iter_mut().for_each(|source| self.name(source));
                if let Some(via) = &mut origins.via {
                    self.name(via);
                }
            }
            EffectKind::Deliver { energy, target, window } => {
                self.expr(energy);
                self.name(target);
                if let Some(days) = window.as_mut().and_then(|w| w.days.as_mut()) {
                    self.schedule(days);
                }
            }
            EffectKind::Run { target, duration, window, .. } => {
                self.name(target);
                self.expr(duration);
                if let Some(days) = window.as_mut().and_then(|w| w.days.as_mut()) {
                    self.schedule(days);
                }
            }
            EffectKind::Follow { signal, at, with } => {
                self.name(signal);
                self.expr(at);
                self.name(with);
            }
        }
    }

    fn rule(&self, rule: &mut ast::Rule) {
        self.rename(&mut rule.name);
        self.class(&mut rule.class);
        if let Some(each) = &mut rule.for_each {
            self.name(&mut each.group);
        }
        if let Some(guard) = &mut rule.guard {
            self.expr(&mut guard.when);
            if let Some(until) = &mut guard.until {
                self.expr(&mut until.condition);
            }
            if let Some(reset) = &mut guard.latch {
                self.word(&mut reset.role);
            }
        }
        rule.effects.iter_mut().for_each(|effect| self.effect(effect));
    }

    fn test(&self, test: &mut ast::Test) {
        for given in &mut test.given {
            match &mut given.kind {
                ast::GivenKind::Value(expr, value) => {
                    self.expr(expr);
                    match value.as_deref_mut() {
                        Some(ast::GivenValue::Is(value)) => self.expr(value),
                        Some(ast::GivenValue::Range(lo, hi)) => {
                            self.expr(lo);
                            self.expr(hi);
                        }
                        None => {}
                    }
                }
                ast::GivenKind::Latched(name, _)
                | ast::GivenKind::Held(name, _)
                | ast::GivenKind::Known(name, _) => self.name(name),
                ast::GivenKind::At(_) => {}
            }
        }
        for expect in &mut test.expect {
            match &mut expect.kind {
                ast::ExpectKind::Bound(name, amount) => {
                    self.name(name);
                    self.bound(&mut amount.bound);
                }
                ast::ExpectKind::State(name, _) => self.name(name),
                ast::ExpectKind::Conflict(names)
                | ast::ExpectKind::Overridden(names)
                | ast::ExpectKind::Active(names, _) => names.iter_mut().for_each(|name| self.name(name)),
                ast::ExpectKind::NoConflict => {}
            }
        }
    }

    fn admission(&self, admission: &mut Admission) {
        for (_, test) in &mut admission.tests {
            match test {
                AdmissionTest::Is(expr) => self.expr(expr),
                AdmissionTest::Bound(bound) => self.bound(bound),
                AdmissionTest::In(_) | AdmissionTest::Within(..) => {}
            }
        }
    }

    fn item(&self, item: &mut Item) {
        match &mut item.kind {
            ItemKind::Rule(rule) => self.rule(rule),
            ItemKind::Schedule(node) => {
                self.rename(&mut node.name);
                self.schedule(&mut node.schedule);
            }
            ItemKind::Group(node) => {
                self.rename(&mut node.name);
                node.members.iter_mut().for_each(|name| self.name(name));
                if let Some(condition) = &mut node.condition {
                    self.expr(condition);
                }
            }
            ItemKind::Budget(node) => {
                self.rename(&mut node.name);
                self.class(&mut node.class);
                self.name(&mut node.scope);
                self.bound(&mut node.bound);
                if let Some(during) = &mut node.during {
                    self.schedule(during);
                }
            }
            ItemKind::Declaration(node) => {
                if let Some(name) = &mut node.name {
                    self.rename(name);
                }
                node.properties.iter_mut().for_each(|property| self.property(property));
            }
            ItemKind::Assume(node) => {
                self.expr(&mut node.condition);
                if let Some(during) = &mut node.during {
                    self.schedule(during);
                }
            }
            ItemKind::Prove(node) => {
                if let ast::ProveKind::Never(expr) | ast::ProveKind::Always(expr) = &mut node.kind {
                    self.expr(expr);
                }
                if let Some(during) = &mut node.during {
                    self.schedule(during);
                }
            }
            ItemKind::Test(node) => self.test(node),
            ItemKind::Use(node) => {
                for arg in &mut node.args {
                    self.expr(&mut arg.value);
                }
                let inner = node.alias.as_ref().map_or_else(
                    || node.module.parts.last().map(|p| p.ident.clone()),
                    |alias| Some(alias.clone()),
                );
                if let Some(mut alias) = inner {
                    alias.text = format!("{}.{}", self.prefix, alias.text);
                    node.alias = Some(alias);
                }
                self.class(&mut node.class);
            }
            ItemKind::Permission(node) => {
                if let ast::Subject::Name(name) = &mut node.subject {
                    self.name(name);
                }
                if let Some(bound) = &mut node.bound {
                    self.bound(bound);
                }
                if let Some(during) = &mut node.during {
                    self.schedule(during);
                }
                if let Some(when) = &mut node.when {
                    self.expr(when);
                }
            }
            ItemKind::Admit(node) => node.admissions.iter_mut().for_each(|a| self.admission(a)),
            ItemKind::Decide(names) => names.iter_mut().for_each(|name| self.name(name)),
            ItemKind::Conform(node) => node.with.iter_mut().for_each(|arg| self.expr(&mut arg.value)),
            ItemKind::Edition(_)
            | ItemKind::Import(_)
            | ItemKind::Module(_)
            | ItemKind::Priorities(_)
            | ItemKind::Mode(_)
            | ItemKind::Role(_)
            | ItemKind::Objective(_)
            | ItemKind::Broken(_) => {}
        }
        let _ = self.span;
    }
}

/// The statements of a module where it is used.
pub(super) fn instantiate(module: &Module, bindings: &Bindings) -> Vec<Item> {
    let mut items = module.items.clone();
    items.retain(|item| !matches!(item.kind, ItemKind::Edition(_) | ItemKind::Module(_)));
    items.iter_mut().for_each(|item| bindings.item(item));
    items
}

/// The name that a statement declares.
fn declared(kind: &ItemKind) -> Option<&Ident> {
    match kind {
        ItemKind::Rule(node) => Some(&node.name),
        ItemKind::Schedule(node) => Some(&node.name),
        ItemKind::Group(node) => Some(&node.name),
        ItemKind::Budget(node) => Some(&node.name),
        ItemKind::Declaration(node) if node.keyword != ast::Keyword::Feed => node.name.as_ref(),
        _ => None,
    }
}

/// Whether a value can be that of a parameter; else what is needed.
pub(super) fn fits(value: &Expr, kind: &TypeName, currency: &str) -> Result<(), String> {
    let Some(want) = quantity_type(&kind.word.text) else {
        // a reference: what the name stands for is checked where it is used
        return match &value.kind {
            ExprKind::Name(_) => Ok(()),
            ExprKind::Text(_) if kind.word.text == "Text" => Ok(()),
            _ => Err(format!("the name of a {}", kind.word.text)),
        };
    };
    let found = match &value.kind {
        ExprKind::Quantity(quantity) => match &quantity.unit {
            None => Type::Number,
            Some(unit) => match Unit::lookup(&unit.text, currency) {
                Some(unit) => unit.ty,
                // an unknown unit is reported where the value is used
                None => return Ok(()),
            },
        },
        ExprKind::Bool(_) | ExprKind::Switch(_) => Type::Bool,
        // a sum or a signal: checked where it is used
        _ => return Ok(()),
    };
    let kelvin = found == Type::TemperatureDifference && want == Type::Temperature;
    if found == want || kelvin { Ok(()) } else { Err(format!("{}, and this is {}", want.a(), found.a())) }
}

/// The type of a quantity by its name in a module's parameters.
fn quantity_type(word: &str) -> Option<Type> {
    Some(match word {
        "Bool" => Type::Bool,
        "Number" => Type::Number,
        "Ratio" => Type::Ratio,
        "Power" => Type::Power,
        "Energy" => Type::Energy,
        "Temperature" => Type::Temperature,
        "TemperatureDifference" => Type::TemperatureDifference,
        "Money" => Type::Money,
        "EnergyPrice" => Type::EnergyPrice,
        "PowerPrice" => Type::PowerPrice,
        "Mass" => Type::Mass,
        "CarbonIntensity" => Type::CarbonIntensity,
        "Voltage" => Type::Voltage,
        "Current" => Type::Current,
        "Irradiance" => Type::Irradiance,
        "Illuminance" => Type::Illuminance,
        "Concentration" => Type::Concentration,
        "Pressure" => Type::Pressure,
        "HeatCapacity" => Type::HeatCapacity,
        "HeatTransfer" => Type::HeatTransfer,
        "Duration" => Type::Duration,
        _ => return None,
    })
}
