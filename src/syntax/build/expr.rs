//! Expressions, bounds and amounts.

use super::{Builder, Piece, Rule, first, packed, parts};
use crate::ast::{
    Aggregate, Alternative, Amount, Bound, BoundKind, Call, Compare, CompareOp, Expr, ExprKind, MulOp,
    Quantity, Sign, Spread, WindowSide,
};
use crate::diag::{Diagnostic, codes};

/// What `to X` means behind a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// exactly X
    Exactly,
    /// at most X
    AtMost,
}

impl Builder {
    pub(super) fn expr(&mut self, piece: Piece<'_>) -> Option<Expr> {
        let span = self.span(&piece);
        let kind = match piece.as_rule() {
            Rule::expr => return self.chain(piece, ExprKind::Or),
            Rule::and_expr => return self.chain(piece, ExprKind::And),
            Rule::not_expr => {
                let mut inner = parts(piece);
                let head = inner.next()?;
                if head.as_rule() != Rule::k_not {
                    return self.expr(head);
                }
                ExprKind::Not(Box::new(self.expr(inner.next()?)?))
            }
            Rule::during_test => ExprKind::During(Box::new(self.schedule(parts(piece).nth(1)?)?)),
            Rule::quantified => {
                let mut inner = parts(piece);
                let which =
                    if inner.next()?.as_rule() == Rule::k_any { Aggregate::Any } else { Aggregate::All };
                ExprKind::Aggregate(which, Box::new(self.expr(inner.next()?)?))
            }
            Rule::comparison => return self.comparison(piece),
            Rule::sum => return self.sum(piece),
            Rule::product => return self.product(piece),
            Rule::negated => ExprKind::Neg(Box::new(self.expr(first(piece)?)?)),
            Rule::paren => return self.expr(first(piece)?),
            Rule::named => return self.named(piece),
            Rule::name => ExprKind::Name(self.name(piece)?),
            Rule::instant => ExprKind::Instant(self.instant(piece)?),
            Rule::date => ExprKind::Date(self.date(&piece)?),
            Rule::time => ExprKind::Time(self.time(&piece)?),
            Rule::quantity => ExprKind::Quantity(self.quantity(piece)?),
            Rule::string => ExprKind::Text(self.text(&piece)?),
            Rule::k_true => ExprKind::Bool(true),
            Rule::k_false => ExprKind::Bool(false),
            Rule::k_on => ExprKind::Switch(true),
            Rule::k_off => ExprKind::Switch(false),
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    fn chain(&mut self, piece: Piece<'_>, make: fn(Vec<Expr>) -> ExprKind) -> Option<Expr> {
        let span = self.span(&piece);
        let mut links = Vec::new();
        for part in parts(piece) {
            if !matches!(part.as_rule(), Rule::k_and | Rule::k_or) {
                links.push(self.expr(part)?);
            }
        }
        if links.len() == 1 { links.pop() } else { Some(Expr { kind: make(packed(links)), span }) }
    }

    fn sum(&mut self, piece: Piece<'_>) -> Option<Expr> {
        let span = self.span(&piece);
        let mut terms = Vec::new();
        let mut sign = Sign::Plus;
        for part in parts(piece) {
            match part.as_rule() {
                Rule::sum_op => sign = Self::sign(&part),
                _ => terms.push((sign, self.expr(part)?)),
            }
        }
        if terms.len() == 1 {
            return terms.pop().map(|(_, term)| term);
        }
        Some(Expr { kind: ExprKind::Sum(packed(terms)), span })
    }

    pub(super) fn sign(piece: &Piece<'_>) -> Sign {
        if piece.as_str() == "+" { Sign::Plus } else { Sign::Minus }
    }

    fn product(&mut self, piece: Piece<'_>) -> Option<Expr> {
        let span = self.span(&piece);
        let mut factors = Vec::new();
        let mut op = MulOp::Times;
        for part in parts(piece) {
            match part.as_rule() {
                Rule::mul_op => op = if part.as_str() == "*" { MulOp::Times } else { MulOp::Over },
                _ => factors.push((op, self.expr(part)?)),
            }
        }
        if factors.len() == 1 {
            return factors.pop().map(|(_, factor)| factor);
        }
        Some(Expr { kind: ExprKind::Product(packed(factors)), span })
    }

    fn comparison(&mut self, piece: Piece<'_>) -> Option<Expr> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let left = self.expr(inner.next()?)?;
        let Some(op) = inner.next() else { return Some(left) };
        let kind = match op.as_rule() {
            Rule::compare_op => {
                let op = match op.as_str() {
                    "=" => CompareOp::Eq,
                    "!=" => CompareOp::Ne,
                    "<" => CompareOp::Lt,
                    "<=" => CompareOp::Le,
                    ">" => CompareOp::Gt,
                    _ => CompareOp::Ge,
                };
                let right = self.expr(inner.next()?)?;
                let averaged = inner.next().map(|part| self.duration(part)).transpose_option()?;
                ExprKind::Compare(Box::new(Compare { left, op, right, averaged }))
            }
            Rule::k_in => {
                let set = parts(inner.next()?).map(|part| self.expr(part)).collect::<Option<_>>()?;
                ExprKind::In(Box::new(left), set)
            }
            _ => {
                let low = self.expr(inner.next()?)?;
                let high = self.expr(inner.nth(1)?)?;
                ExprKind::Between(Box::new((left, low, high)))
            }
        };
        Some(Expr { kind, span })
    }

    /// The quantity at the end of `averaged`, `held` and their like.
    pub(super) fn duration(&mut self, piece: Piece<'_>) -> Option<Quantity> {
        parts(piece).find(|part| part.as_rule() == Rule::quantity).and_then(|part| self.quantity(part))
    }

    /// A name, or a function with its arguments.
    pub(super) fn named(&mut self, piece: Piece<'_>) -> Option<Expr> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let name = self.name(inner.next()?)?;
        let Some(tail) = inner.next() else {
            return Some(Expr { span: name.span, kind: ExprKind::Name(name) });
        };
        let Some(function) = name.single().cloned() else {
            let message = format!("`{}` is not a function", name.text());
            let finding = Diagnostic::error(codes::SYNTAX, name.span, message)
                .help("functions are plain words: `max`, `min`, `mean`, `sum`, `count`, `abs`");
            self.findings.push(finding);
            return Some(Expr { span, kind: ExprKind::Name(name) });
        };
        let (mut args, mut window) = (Vec::new(), None);
        for part in parts(tail) {
            if part.as_rule() == Rule::window_arg {
                let mut ends = parts(part);
                let next = ends.next()?.as_rule() == Rule::k_next;
                let side = if next { WindowSide::Next } else { WindowSide::Last };
                window = Some((side, self.quantity(ends.next()?)?));
            } else {
                args.push(self.expr(part)?);
            }
        }
        let call = Call { function, args: packed(args), window };
        Some(Expr { kind: ExprKind::Call(Box::new(call)), span })
    }

    /// A bound in any of its wordings; `to` says what a bare `to X` means.
    pub(super) fn bound(&mut self, piece: Piece<'_>, to: To) -> Option<Bound> {
        let span = self.span(&piece);
        let kind = match piece.as_rule() {
            Rule::bound => {
                let inner = self.bound(first(piece)?, to)?;
                inner.kind
            }
            Rule::bound_to => {
                let mut inner = parts(piece).skip(1);
                let value = inner.next()?;
                if value.as_rule() == Rule::sum {
                    self.one_or_two(value, inner.next(), to)?
                } else {
                    self.bound(value, to)?.kind
                }
            }
            Rule::at_value => {
                let mut inner = parts(piece).skip(1);
                let value = inner.next()?;
                self.one_or_two(value, inner.next(), To::Exactly)?
            }
            Rule::at_most | Rule::up_to => BoundKind::AtMost(self.last_expr(piece)?),
            Rule::at_least => BoundKind::AtLeast(self.last_expr(piece)?),
            Rule::exactly => BoundKind::Exactly(self.last_expr(piece)?),
            Rule::between => {
                let mut ends = parts(piece).filter(|part| part.as_rule() == Rule::sum);
                let low = self.expr(ends.next()?)?;
                BoundKind::Between(low, self.expr(ends.next()?)?)
            }
            Rule::one_of => BoundKind::OneOf(self.alternatives(piece)?),
            _ => return None,
        };
        Some(Bound { kind, span })
    }

    fn one_or_two(&mut self, value: Piece<'_>, end: Option<Piece<'_>>, to: To) -> Option<BoundKind> {
        let value = self.expr(value)?;
        Some(match (end, to) {
            (Some(end), _) => BoundKind::Between(value, self.expr(end)?),
            (None, To::Exactly) => BoundKind::Exactly(value),
            (None, To::AtMost) => BoundKind::AtMost(value),
        })
    }

    fn last_expr(&mut self, piece: Piece<'_>) -> Option<Expr> {
        parts(piece).last().and_then(|part| self.expr(part))
    }

    pub(super) fn alternatives(&mut self, piece: Piece<'_>) -> Option<Vec<Alternative>> {
        let mut found = Vec::new();
        for part in parts(piece).filter(|part| part.as_rule() == Rule::alternative) {
            let mut ends = parts(part);
            let low = self.expr(ends.next()?)?;
            found.push(match ends.next() {
                None => Alternative::Value(low),
                Some(high) => Alternative::Range(low, self.expr(high)?),
            });
        }
        Some(found)
    }

    pub(super) fn amount(&mut self, piece: Piece<'_>, to: To) -> Option<Amount> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let bound = self.bound(inner.next()?, to)?;
        let mut amount = Amount { bound, spread: None, averaged: None, span };
        for part in inner {
            self.amount_suffix(&mut amount, part)?;
        }
        Some(amount)
    }

    /// `each`, `together` or `averaged over d` behind a bound.
    pub(super) fn amount_suffix(&mut self, amount: &mut Amount, part: Piece<'_>) -> Option<()> {
        let span = self.span(&part);
        if part.as_rule() == Rule::spread {
            let which = if part.as_str().starts_with("each") { Spread::Each } else { Spread::Together };
            if let Some((_, before)) = amount.spread.replace((which, span)) {
                self.twice("`each` or `together`", before, span);
            }
        } else {
            let before = amount.averaged.replace(self.duration(part)?);
            if let Some(before) = before {
                self.twice("`averaged over`", before.span, span);
            }
        }
        Some(())
    }
}

/// `Option<Option<T>>` where the outer `None` stands for nothing there and the inner for a defect.
trait TransposeOption<T> {
    fn transpose_option(self) -> Option<Option<T>>;
}

impl<T> TransposeOption<T> for Option<Option<T>> {
    fn transpose_option(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(None) => None,
            Some(Some(value)) => Some(Some(value)),
        }
    }
}
