//! Signals: everything that a guard or a bound can read, made when it is first named.

use super::Compiler;
use super::expr::{Num, Val};
use super::guard::head_text;
use super::names::Entity;
use crate::ast::{self};
use crate::diag::{Span, codes};
use crate::ir::{
    AggregateOp, Attr, Domain, FamilyId, FeedId, Guard, Lin, Reading, SigRef, Signal, SignalId, SignalSource,
    TariffId, Value, ZoneId,
};
use crate::quantity::{Rat, Type};

/// What makes a signal the same as another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Point(FamilyId, String),
    Measured(FamilyId, Attr),
    Zone(ZoneId, Attr),
    Weather(String),
    Feed(FeedId),
    Import(TariffId),
    Export(TariffId),
    Word(String),
    Aggregate(AggregateOp, SignalId, i64),
}

/// What a new signal is made of.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) domain: Domain,
    pub(super) source: SignalSource,
    pub(super) span: Span,
}

/// A range wide enough for every building, for what has no declared range.
pub(super) fn wide(ty: Type) -> Domain {
    let (lo, hi) = match ty {
        Type::Bool => return Domain::Bool,
        Type::Ratio => (Rat::ZERO, Rat::ONE),
        // -60 degC to 60 degC
        Type::Temperature => {
            (Rat::ratio(21315, 100).unwrap_or_default(), Rat::ratio(33315, 100).unwrap_or_default())
        }
        Type::TemperatureDifference => (Rat::int(-120), Rat::int(120)),
        Type::EnergyPrice => (Rat::int(-100), Rat::int(100)),
        Type::Irradiance => (Rat::ZERO, Rat::int(1500)),
        Type::CarbonIntensity => (Rat::ZERO, Rat::int(5)),
        Type::Power => (Rat::int(-1_000_000), Rat::int(1_000_000)),
        Type::Number | Type::Money | Type::PowerPrice => (Rat::int(-1_000_000_000), Rat::int(1_000_000_000)),
        _ => (Rat::ZERO, Rat::int(1_000_000_000)),
    };
    Domain::Interval { lo, hi }
}

impl Compiler<'_> {
    /// The signal of a key; made by `make` when it is new.
    pub(super) fn signal(&mut self, key: Key, made: Made) -> SignalId {
        if let Some(id) = self.signals.get(&key) {
            return *id;
        }
        let id = SignalId::at(self.site.signals.len());
        self.site.signals.push(Signal {
            id,
            name: made.name,
            ty: made.ty,
            count: None,
            domain: made.domain,
            source: made.source,
            reading: None,
            feed: None,
            normal: None,
            strict_step: Rat::ZERO,
            span: made.span,
        });
        self.signals.insert(key, id);
        id
    }

    /// The value of a signal with one value.
    pub(super) fn plain(&mut self, id: SignalId) -> Option<Val> {
        let signal = self.site.signals.get(id.index())?;
        Some(Self::valued(signal, SigRef::Only(id)))
    }

    pub(super) fn valued(signal: &Signal, reference: SigRef) -> Val {
        match signal.ty {
            Type::Bool => Val::Truth(Guard::Is(reference)),
            Type::Symbol => Val::Symbol(reference, signal.id),
            ty => Val::Num(Num {
                lin: Lin::of(reference),
                ty,
                kelvin: false,
                step: signal.strict_step.clone(),
                level: matches!(signal.source, SignalSource::Measured(_, Attr::ChargeLevel)),
            }),
        }
    }

    /// The signal with words that a path names; nothing is reported.
    pub(super) fn symbol_signal(&mut self, name: &ast::Name) -> Option<(SignalId, SigRef)> {
        let head = name.parts.first()?;
        if self.scope.is_word(&head_text(name, 1)) || self.scope.is_word(&head.ident.text) {
            let word = name.parts.get(1)?.ident.text.clone();
            let group = match (&self.scope.members, &self.scope.variable) {
                (Some((_, group)), _) | (None, Some((_, group))) => *group,
                (None, None) => return None,
            };
            let first = self.site.groups.get(group.index())?.members.first()?.family;
            let attr = self.attribute(first, &word)?;
            let signal = self.site.measured(first, &attr)?;
            let symbol = self.site.signals.get(signal.index()).is_some_and(|s| s.ty == Type::Symbol);
            return symbol.then_some((signal, SigRef::Bound(attr)));
        }
        let (id, reference) = match self.names.find(name) {
            Some((Entity::Signal(id), parts)) if parts == name.parts.len() => (id, SigRef::Only(id)),
            Some((Entity::Family(family), parts)) => {
                let word = name.parts.get(parts)?.ident.text.clone();
                let attr = self.attribute(family, &word)?;
                let id = self.site.measured(family, &attr)?;
                let signal = self.site.signals.get(id.index())?;
                if signal.ty != Type::Symbol {
                    return None;
                }
                match self.reference(name)? {
                    Val::Symbol(reference, id) => return Some((id, reference)),
                    _ => return None,
                }
            }
            None if head.ident.text == "feed" => {
                let feed = self.names.feed(&name.parts.get(1)?.ident.text)??;
                let id = *self.signals.get(&Key::Feed(feed))?;
                (id, SigRef::Only(id))
            }
            _ => return None,
        };
        let symbol = self.site.signals.get(id.index()).is_some_and(|s| s.ty == Type::Symbol);
        symbol.then_some((id, reference))
    }

    /// A value of a signal from an expression.
    pub(super) fn value_of(&mut self, signal: SignalId, expr: &ast::Expr) -> Option<Value> {
        let ty = self.site.signals.get(signal.index())?.ty;
        match ty {
            Type::Symbol => self.symbol(signal, expr).map(Value::Symbol),
            Type::Bool => match &expr.kind {
                ast::ExprKind::Bool(value) | ast::ExprKind::Switch(value) => Some(Value::Bool(*value)),
                _ => {
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        expr.span,
                        "`on`, `off`, `true` or `false` is needed here".to_owned(),
                        "write one of these words",
                    );
                    None
                }
            },
            ty => self.constant_of(expr, ty).map(Value::Number),
        }
    }
}

/// How a device's readings are polled.
pub(super) fn device_reading(extra: &super::device::Extra) -> Reading {
    Reading { poll_s: extra.poll.clone(), max_age_s: extra.max_age.clone() }
}
