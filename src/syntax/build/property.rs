//! Property lists.

use super::expr::To;
use super::{Builder, Piece, Rule, first, packed, parts};
use crate::ast::{
    Arg, ArgKind, Expr, ExprKind, Ident, MulOp, Name, Number, Part, Property, Quantity, StepRun,
};
use crate::diag::{Diagnostic, Span, codes};

impl Builder {
    pub(in crate::syntax) fn property(&mut self, piece: Piece<'_>) -> Option<Property> {
        let span = self.span(&piece);
        let inner = first(piece)?;
        match inner.as_rule() {
            Rule::phases => {
                let mut pieces = parts(inner);
                let number = self.number(&pieces.next()?);
                let key = Ident { text: "phases".to_owned(), span: self.span(&pieces.next()?) };
                let at = number.span;
                let value =
                    Expr { kind: ExprKind::Quantity(Quantity { number, unit: None, span: at }), span: at };
                let args = vec![Arg { kind: ArgKind::Value(value), span: at }];
                Some(Property { key: Some(key), args, span })
            }
            Rule::class_list => {
                let mut pieces = parts(inner);
                let key = self.ident(&pieces.next()?);
                let names = pieces.map(|name| self.name(name)).collect::<Option<Vec<_>>>()?;
                let span_of = names.first()?.span.to(names.last()?.span);
                let args = vec![Arg { kind: ArgKind::List(names), span: span_of }];
                Some(Property { key: Some(key), args, span })
            }
            Rule::keyed => {
                let mut pieces = parts(inner).peekable();
                let key = self.ident(&pieces.next()?);
                if pieces.peek().is_some_and(|next| next.as_rule() == Rule::link_op) {
                    let from = Name { span: key.span, parts: vec![Part { ident: key, index: None }] };
                    return self.link(from, pieces, span);
                }
                let args = pieces.map(|part| self.arg(part)).collect::<Option<_>>()?;
                Some(Property { key: Some(key), args: packed(args), span })
            }
            Rule::row => {
                let mut pieces = parts(inner).peekable();
                let head = pieces.next()?;
                let head_span = self.span(&head);
                let value = self.expr(head)?;
                if pieces.peek().is_some_and(|next| next.as_rule() == Rule::link_op) {
                    let ExprKind::Name(from) = value.kind else {
                        let finding = Diagnostic::error(codes::SYNTAX, value.span, "a link leads from a bus")
                            .help("name the two buses: `main <-> riser`");
                        self.findings.push(finding);
                        return Some(Property { key: None, args: Vec::new(), span });
                    };
                    return self.link(from, pieces, span);
                }
                let mut args = vec![Arg { kind: Self::value(value, None), span: head_span }];
                for part in pieces {
                    args.push(self.arg(part)?);
                }
                Some(Property { key: None, args: packed(args), span })
            }
            _ => None,
        }
    }

    /// `FROM <-> TO`, from the sign on.
    fn link<'t>(
        &mut self,
        from: Name,
        mut pieces: impl Iterator<Item = Piece<'t>>,
        span: Span,
    ) -> Option<Property> {
        let both = pieces.next()?.as_str() == "<->";
        let kind = ArgKind::Link(from, self.name(pieces.next()?)?, both);
        Some(Property { key: None, args: vec![Arg { kind, span }], span })
    }

    pub(super) fn arg(&mut self, piece: Piece<'_>) -> Option<Arg> {
        let span = self.span(&piece);
        let kind = match piece.as_rule() {
            Rule::value => {
                let mut ends = parts(piece);
                let low = self.expr(ends.next()?)?;
                let high = ends.next().map(|end| self.expr(end));
                match high {
                    None => Self::value(low, None),
                    Some(high) => Self::value(low, Some(high?)),
                }
            }
            Rule::small_word => ArgKind::Word(self.ident(&piece)),
            Rule::at_most | Rule::at_least | Rule::up_to | Rule::exactly => {
                ArgKind::Bound(self.bound(piece, To::Exactly)?)
            }
            Rule::one_of => ArgKind::OneOf(self.alternatives(piece)?),
            Rule::during_arg => ArgKind::During(self.schedule(parts(piece).nth(1)?)?),
            Rule::when_arg => ArgKind::When(self.expr(parts(piece).nth(1)?)?),
            Rule::per => ArgKind::Per(self.per(piece)?),
            Rule::choice => ArgKind::Choice(parts(piece).map(|word| self.ident(&word)).collect()),
            Rule::offset => ArgKind::Offset(self.offset(&piece)?),
            Rule::steps => ArgKind::Steps(parts(piece).map(|run| self.step_run(run)).collect::<Option<_>>()?),
            Rule::place => self.place(piece)?,
            Rule::map => {
                let mut entries = Vec::new();
                for entry in parts(piece) {
                    let mut sides = parts(entry);
                    let key = self.expr(sides.next()?)?;
                    entries.push((key, self.expr(sides.next()?)?));
                }
                ArgKind::Map(entries)
            }
            Rule::block => {
                ArgKind::Block(parts(piece).map(|property| self.property(property)).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some(Arg { kind, span })
    }

    pub(super) fn per(&mut self, piece: Piece<'_>) -> Option<Ident> {
        parts(piece).nth(1).map(|word| self.ident(&word))
    }

    /// A value, a range of two, or a pair: `95 % / 95 %` is a pair, not a quotient.
    fn value(low: Expr, high: Option<Expr>) -> ArgKind {
        match (low, high) {
            (Expr { kind: ExprKind::Date(first), .. }, Some(Expr { kind: ExprKind::Date(last), .. })) => {
                ArgKind::Dates(first, last)
            }
            (low, Some(high)) => ArgKind::Range(low, high),
            (Expr { kind: ExprKind::Product(factors), span }, None) => match factors.as_slice() {
                [
                    (MulOp::Times, Expr { kind: ExprKind::Quantity(one), .. }),
                    (MulOp::Over, Expr { kind: ExprKind::Quantity(other), .. }),
                ] => ArgKind::Pair(one.clone(), other.clone()),
                _ => ArgKind::Value(Expr { kind: ExprKind::Product(factors), span }),
            },
            (value, None) => ArgKind::Value(value),
        }
    }

    fn step_run(&mut self, piece: Piece<'_>) -> Option<StepRun> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let count = self.number(&inner.next()?);
        Some(StepRun { count, length: self.quantity(inner.next()?)?, span })
    }

    fn place(&mut self, piece: Piece<'_>) -> Option<ArgKind> {
        let mut inner = parts(piece);
        let mut coordinate = || -> Option<Number> {
            let mut number = self.number(&inner.next()?);
            if matches!(inner.next()?.as_str(), "S" | "W") {
                number.text = match number.text.strip_prefix('-') {
                    Some(positive) => positive.to_owned(),
                    None => format!("-{}", number.text),
                };
            }
            Some(number)
        };
        let latitude = coordinate()?;
        Some(ArgKind::Location(latitude, coordinate()?))
    }
}
