//! Policy tests.

use super::expr::To;
use super::{Builder, Piece, Rule, parts};
use crate::ast::{
    Amount, Bound, BoundKind, Expect, ExpectKind, Given, GivenKind, GivenValue, Name, SwitchVerb, Test,
};
use crate::diag::{Diagnostic, codes};

impl Builder {
    pub(super) fn test(&mut self, piece: Piece<'_>) -> Option<Test> {
        let whole = self.span(&piece);
        let mut inner = parts(piece).skip(1);
        let mut test = Test { title: self.text(&inner.next()?)?, given: Vec::new(), expect: Vec::new() };
        for section in inner {
            for part in parts(section) {
                match part.as_rule() {
                    Rule::given => test.given.push(self.given(part)?),
                    Rule::expectation => test.expect.push(self.expectation(part)?),
                    _ => {}
                }
            }
        }
        if test.expect.is_empty() {
            let finding = Diagnostic::error(codes::SYNTAX, whole, "this test expects nothing")
                .help("say what must hold: `expect offices.temperature at most 22 degC`");
            self.findings.push(finding);
        }
        Some(test)
    }

    fn given(&mut self, piece: Piece<'_>) -> Option<Given> {
        let span = self.span(&piece);
        let inner = parts(piece).next()?;
        let rule = inner.as_rule();
        let kind = match rule {
            Rule::instant => GivenKind::At(self.instant(inner)?),
            Rule::given_latched | Rule::given_held | Rule::given_known | Rule::given_unknown => {
                let holds = parts(inner.clone()).next()?.as_rule() != Rule::k_not;
                let name = self.name(parts(inner).last()?)?;
                match rule {
                    Rule::given_latched => GivenKind::Latched(name, holds),
                    Rule::given_held => GivenKind::Held(name, holds),
                    Rule::given_known => GivenKind::Known(name, true),
                    _ => GivenKind::Known(name, false),
                }
            }
            Rule::given_value => self.given_value(inner)?,
            _ => return None,
        };
        Some(Given { kind, span })
    }

    fn given_value(&mut self, piece: Piece<'_>) -> Option<GivenKind> {
        let mut inner = parts(piece);
        let subject = self.expr(inner.next()?)?;
        let value = match inner.next() {
            None => None,
            Some(head) if head.as_rule() == Rule::between => match self.bound(head, To::Exactly)?.kind {
                BoundKind::Between(low, high) => Some(GivenValue::Range(low, high)),
                _ => return None,
            },
            Some(head) => {
                let low = self.expr(head)?;
                Some(match inner.next() {
                    None => GivenValue::Is(low),
                    Some(high) => GivenValue::Range(low, self.expr(high)?),
                })
            }
        };
        Some(GivenKind::Value(subject, value.map(Box::new)))
    }

    fn expectation(&mut self, piece: Piece<'_>) -> Option<Expect> {
        let span = self.span(&piece);
        let inner = parts(piece).next()?;
        let kind = match inner.as_rule() {
            Rule::no_conflict => ExpectKind::NoConflict,
            Rule::conflict => ExpectKind::Conflict(self.rule_names(inner)?),
            Rule::overridden => ExpectKind::Overridden(self.rule_names(inner)?),
            Rule::active => {
                let active = parts(inner.clone()).next()?.as_rule() == Rule::k_active;
                ExpectKind::Active(self.rule_names(inner)?, active)
            }
            Rule::state => {
                let mut pieces = parts(inner);
                let name = self.name(pieces.next()?)?;
                let verb = match pieces.next()?.as_rule() {
                    Rule::k_on => SwitchVerb::TurnOn,
                    Rule::k_off => SwitchVerb::TurnOff,
                    Rule::k_connected => SwitchVerb::Connect,
                    _ => SwitchVerb::Disconnect,
                };
                ExpectKind::State(name, verb)
            }
            Rule::expected => self.expected(inner)?,
            _ => return None,
        };
        Some(Expect { kind, span })
    }

    fn rule_names(&mut self, piece: Piece<'_>) -> Option<Vec<Name>> {
        let list = parts(piece).last()?;
        parts(list).map(|name| self.name(name)).collect()
    }

    fn expected(&mut self, piece: Piece<'_>) -> Option<ExpectKind> {
        let mut inner = parts(piece);
        let name = self.name(inner.next()?)?;
        let head = inner.next()?;
        if head.as_rule() == Rule::amount {
            return Some(ExpectKind::Bound(name, Box::new(self.amount(head, To::Exactly)?)));
        }
        let low = self.expr(head)?;
        let span = low.span;
        let bound = Bound { kind: BoundKind::Exactly(low), span };
        let mut amount = Amount { bound, spread: None, averaged: None, span };
        for part in inner {
            if part.as_rule() == Rule::sum {
                let high = self.expr(part)?;
                amount.bound.span = span.to(high.span);
                amount.bound.kind = match amount.bound.kind {
                    BoundKind::Exactly(low) => BoundKind::Between(low, high),
                    other => other,
                };
            } else {
                self.amount_suffix(&mut amount, part)?;
            }
        }
        amount.span = amount.bound.span;
        Some(ExpectKind::Bound(name, Box::new(amount)))
    }
}
