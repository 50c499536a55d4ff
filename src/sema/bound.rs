//! Bounds: the closed sets of values that effects, permits and expectations name.

use super::Compiler;
use super::expr::{Num, scale};
use super::target::Goal;
use crate::ast::{self, Alternative, BoundKind, Expr};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{Attr, Lin, Share};
use crate::quantity::{Rat, Type};

/// A closed set of values.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Interval(Option<Lin>, Option<Lin>),
    Pieces(Vec<(Rat, Rat)>),
}

impl Compiler<'_> {
    /// The values that a bound allows for an attribute.
    pub(super) fn values(&mut self, bound: &ast::Bound, goal: &Goal) -> Option<Values> {
        match &bound.kind {
            BoundKind::Exactly(expr) => {
                let value = self.amount_of(expr, goal)?;
                Some(Values::Interval(Some(value.clone()), Some(value)))
            }
            BoundKind::AtMost(expr) => Some(Values::Interval(None, Some(self.amount_of(expr, goal)?))),
            BoundKind::AtLeast(expr) => Some(Values::Interval(Some(self.amount_of(expr, goal)?), None)),
            BoundKind::Between(lo, hi) => {
                let (a, b) = (self.amount_of(lo, goal), self.amount_of(hi, goal));
                let (a, b) = (a?, b?);
                if let (Some(x), Some(y)) = (a.as_constant(), b.as_constant())
                    && x > y
                {
                    let finding = Diagnostic::error(
                        codes::REVERSED_RANGE,
                        lo.span.to(hi.span),
                        "the range is reversed".to_owned(),
                    );
                    self.push(finding.help("write the least value first"));
                    return None;
                }
                Some(Values::Interval(Some(a), Some(b)))
            }
            BoundKind::OneOf(alternatives) => {
                let mut pieces = Vec::new();
                for alternative in alternatives {
                    pieces.push(match alternative {
                        Alternative::Value(expr) => {
                            let value = self.constant_amount(expr, goal)?;
                            (value.clone(), value)
                        }
                        Alternative::Range(lo, hi) => {
                            let (a, b) = (self.constant_amount(lo, goal), self.constant_amount(hi, goal));
                            self.ordered(a?, b?, lo.span.to(hi.span))?
                        }
                    });
                }
                Some(Values::Pieces(super::device::joined(pieces)))
            }
        }
    }

    /// A constant least and greatest value, for permits and expectations.
    pub(super) fn constant_values(
        &mut self,
        bound: &ast::Bound,
        goal: &Goal,
    ) -> Option<(Option<Rat>, Option<Rat>)> {
        match self.values(bound, goal)? {
            Values::Interval(lo, hi) => {
                let constant = |lin: Option<Lin>| match lin {
                    None => Some(None),
                    Some(lin) => lin.as_constant().cloned().map(Some),
                };
                match (constant(lo), constant(hi)) {
                    (Some(lo), Some(hi)) => Some((lo, hi)),
                    _ => {
                        self.error_help(
                            codes::TYPE_MISMATCH,
                            bound.span,
                            "a constant bound is needed here".to_owned(),
                            "write a number with its unit",
                        );
                        None
                    }
                }
            }
            Values::Pieces(pieces) => {
                let span = bound.span;
                let text = self.text(span);
                self.unhonoured(format!("a choice here (`{text}`)"), span, true, true);
                let (first, last) = (pieces.first()?, pieces.last()?);
                Some((Some(first.0.clone()), Some(last.1.clone())))
            }
        }
    }

    fn constant_amount(&mut self, expr: &Expr, goal: &Goal) -> Option<Rat> {
        let lin = self.amount_of(expr, goal)?;
        if lin.as_constant().is_none() {
            self.error_help(
                codes::TYPE_MISMATCH,
                expr.span,
                "the values of a choice are constant".to_owned(),
                "write numbers with their units: `one of { 0 kW, 2 kW .. 11 kW }`",
            );
        }
        lin.as_constant().cloned()
    }

    /// An amount of an attribute: of its type, and possible.
    fn amount_of(&mut self, expr: &Expr, goal: &Goal) -> Option<Lin> {
        let num = self.number_of(expr)?;
        let want = self.goal_type(goal);
        let lin = if num.ty == Type::Current && want == Type::Power {
            self.as_power(&num, goal, expr.span)?
        } else {
            self.lin_fit(num, want, expr.span)?
        };
        if let Some(value) = lin.as_constant() {
            let signed = matches!(goal.attr, Attr::Point(_));
            if value.is_negative() && want != Type::Temperature && !signed {
                let text = self.text(expr.span);
                let finding = Diagnostic::error(
                    codes::IMPOSSIBLE_LITERAL,
                    expr.span,
                    format!("`{text}` is below zero"),
                );
                self.push(finding.help("powers are never negative: name the other direction instead"));
                return None;
            }
            if goal.attr == Attr::ChargeLevel && *value > Rat::ONE {
                let text = self.text(expr.span);
                self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    expr.span,
                    format!("a charge level is at most 100 %, not `{text}`"),
                    "write a share of the capacity between 0 % and 100 %",
                );
                return None;
            }
        }
        Some(lin)
    }

    /// The type of the attribute of a goal.
    pub(super) fn goal_type(&self, goal: &Goal) -> Type {
        if let Attr::Point(_) = goal.attr
            && let Some(range) = self.members_of(&goal.target).first()
            && let Some(signal) = self.site.measured(range.family, &goal.attr)
        {
            return self.site.signals.get(signal.index()).map_or(Type::Number, |s| s.ty);
        }
        goal.attr.ty()
    }

    /// A current as the power of a goal's devices, which must all convert it alike.
    fn as_power(&mut self, num: &Num, goal: &Goal, span: Span) -> Option<Lin> {
        let mut factor: Option<Rat> = None;
        for range in self.members_of(&goal.target) {
            let family = self.site.families.get(range.family.index())?.clone();
            let own = self.kilowatts_per_ampere(&family, span)?;
            if factor.as_ref().is_some_and(|f| *f != own) {
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    span,
                    "an ampere is not the same power for all these devices".to_owned(),
                );
                self.push(finding.help("write the amount in kW, or one rule for each voltage"));
                return None;
            }
            factor = Some(own);
        }
        Some(scale(&num.lin, &factor.unwrap_or(Rat::ONE)))
    }

    /// `each`, `together`, or what a single device needs: nothing.
    pub(super) fn share_of(&mut self, amount: &ast::Amount, goal: &Goal) -> Option<Share> {
        match (&amount.spread, goal.many) {
            (None, false) => Some(Share::Each),
            (None, true) => {
                let finding = Diagnostic::error(
                    codes::MISSING_PROPERTY,
                    amount.span,
                    "this amount is for several devices, and it does not say whether for each or for all of them"
                        .to_owned(),
                );
                self.push(finding.help("add `each` (every member alone) or `together` (their total)"));
                None
            }
            (Some((ast::Spread::Each, _)), _) => Some(Share::Each),
            (Some((ast::Spread::Together, span)), many) => {
                if matches!(goal.attr, Attr::Setpoint | Attr::Temperature | Attr::ChargeLevel) {
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        *span,
                        format!("a {} has no total", goal.attr.name()),
                        "write `each` instead of `together`",
                    );
                    return None;
                }
                Some(if many { Share::Together } else { Share::Each })
            }
        }
    }
}
