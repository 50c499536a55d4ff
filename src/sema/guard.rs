//! Conditions: comparisons, quantifiers and their combinations.

use super::Compiler;
use super::expr::{Num, Val, minus};
use super::names::Entity;
use crate::ast::{self, Aggregate, CompareOp, Expr, ExprKind};
use crate::diag::{Diagnostic, Span, codes, nearest};
use crate::ir::{Cmp, Domain, GroupId, Guard, Quantifier, SigRef, SignalId};
use crate::quantity::{Rat, Type};

/// What words mean inside one statement, besides the site's names.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// `for each c in evs`
    pub(super) variable: Option<(String, GroupId)>,
    /// inside a quantifier: how its group is written, and which it is
    pub(super) members: Option<(String, GroupId)>,
}

impl Scope {
    /// Whether a plain word means something here.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.variable.as_ref().is_some_and(|(v, _)| v == word)
            || self.members.as_ref().is_some_and(|(m, _)| m == word)
    }
}

impl Compiler<'_> {
    /// A condition.
    pub(super) fn guard(&mut self, expr: &Expr) -> Option<Guard> {
        match &expr.kind {
            ExprKind::Bool(value) | ExprKind::Switch(value) => Some(Guard::Const(*value)),
            ExprKind::And(all) => self.guards(all).map(Guard::All),
            ExprKind::Or(any) => self.guards(any).map(Guard::Any),
            ExprKind::Not(inner) => Some(Guard::Not(Box::new(self.guard(inner)?))),
            ExprKind::During(schedule) => self.sched(schedule).map(Guard::During),
            ExprKind::Compare(compare) => self.compare(compare, expr.span),
            ExprKind::Between(parts) => {
                let (x, lo, hi) = parts.as_ref();
                self.between(x, lo, hi, expr.span)
            }
            ExprKind::In(x, set) => {
                let parts: Vec<Option<Guard>> =
                    set.iter().map(|one| self.compared(x, CompareOp::Eq, one, expr.span)).collect();
                parts.into_iter().collect::<Option<Vec<_>>>().map(Guard::Any)
            }
            ExprKind::Aggregate(which, inner) => {
                let (group, body) = self.over_members(inner, Self::guard)?;
                let quantifier = match which {
                    Aggregate::Any => Quantifier::Any,
                    Aggregate::All => Quantifier::Every,
                };
                Some(Guard::Quantified { quantifier, group, body: Box::new(body) })
            }
            ExprKind::Name(_) => match self.value(expr)? {
                Val::Truth(guard) => Some(guard),
                Val::Symbol(_, signal) => {
                    let words = self.symbols(signal);
                    let text = self.text(expr.span);
                    let finding = Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        expr.span,
                        format!("`{text}` is a word, not true or false"),
                    );
                    let example = words.last().cloned().unwrap_or_default();
                    self.push(finding.help(format!("compare it: `{text} = {example}`")));
                    None
                }
                Val::Num(num) => {
                    self.not_a_condition(num.ty, expr.span);
                    None
                }
                _ => None,
            },
            _ => match self.value(expr)? {
                Val::Truth(guard) => Some(guard),
                Val::Num(num) => {
                    self.not_a_condition(num.ty, expr.span);
                    None
                }
                _ => {
                    let text = self.text(expr.span);
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        expr.span,
                        format!("`{text}` is not compared with anything"),
                        "compare it with a value: `> 30 degC`",
                    );
                    None
                }
            },
        }
    }

    fn not_a_condition(&mut self, ty: Type, span: Span) {
        let text = self.text(span);
        let finding = Diagnostic::error(
            codes::TYPE_MISMATCH,
            span,
            format!("`{text}` is {}, and a condition is needed here", ty.a()),
        );
        self.push(finding.help("compare it, for example with `>`"));
    }

    fn guards(&mut self, list: &[Expr]) -> Option<Vec<Guard>> {
        let all: Vec<Option<Guard>> = list.iter().map(|one| self.guard(one)).collect();
        all.into_iter().collect()
    }

    fn compare(&mut self, compare: &ast::Compare, span: Span) -> Option<Guard> {
        if let Some(over) = &compare.averaged {
            self.seconds(over);
            let text = self.text(span);
            self.unhonoured(format!("a guard on a mean (`{text}`)"), span, true, true);
        }
        self.compared(&compare.left, compare.op, &compare.right, span)
    }

    /// `x between a and b`, ends included.
    fn between(&mut self, x: &Expr, lo: &Expr, hi: &Expr, span: Span) -> Option<Guard> {
        if let (ExprKind::Quantity(a), ExprKind::Quantity(b)) = (&lo.kind, &hi.kind) {
            let (a, b) = (self.constant(a)?, self.constant(b)?);
            if a.ty == b.ty && a.value > b.value {
                let finding = Diagnostic::error(
                    codes::REVERSED_RANGE,
                    lo.span.to(hi.span),
                    "the range is reversed".to_owned(),
                );
                self.push(finding.help("write the least value first"));
                return None;
            }
        }
        let least = self.compared(x, CompareOp::Ge, lo, span);
        let most = self.compared(x, CompareOp::Le, hi, span);
        Some(Guard::All(vec![least?, most?]))
    }

    fn compared(&mut self, left: &Expr, op: CompareOp, right: &Expr, span: Span) -> Option<Guard> {
        // a side that is a word with fixed values gives the other side its meaning
        if let Some((signal, reference)) = self.symbolic(left) {
            return self.equals(reference, signal, op, right, span);
        }
        if let Some((signal, reference)) = self.symbolic(right) {
            return self.equals(reference, signal, op, left, span);
        }
        let (a, b) = (self.side(left), self.side(right));
        let (a, b) = (a?, b?);
        match (a, b) {
            (Val::Num(a), Val::Num(b)) => self.numbers(&a, op, &b, (left.span, right.span)),
            (Val::Count(group, body), Val::Num(n)) => self.count(group, body, cmp(op), &n, right.span),
            (Val::Num(n), Val::Count(group, body)) => {
                self.count(group, body, mirrored(cmp(op)), &n, left.span)
            }
            (Val::Extreme { max, of }, Val::Num(n)) => {
                self.extreme(max, of, cmp(op), &n, (left.span, right.span))
            }
            (Val::Num(n), Val::Extreme { max, of }) => {
                self.extreme(max, of, mirrored(cmp(op)), &n, (right.span, left.span))
            }
            (Val::Over { max, group, of }, Val::Num(n)) => {
                self.over(max, group, of, cmp(op), &n, (left.span, right.span))
            }
            (Val::Num(n), Val::Over { max, group, of }) => {
                self.over(max, group, of, mirrored(cmp(op)), &n, (right.span, left.span))
            }
            (Val::Truth(a), Val::Truth(b)) => self.truths(a, op, b, span),
            (a, b) => {
                let text = self.text(span);
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    span,
                    format!("the two sides of `{text}` cannot be compared"),
                )
                .label(left.span, kind_of(&a))
                .label(right.span, kind_of(&b));
                self.push(finding);
                None
            }
        }
    }

    fn side(&mut self, expr: &Expr) -> Option<Val> {
        match &expr.kind {
            ExprKind::Switch(value) | ExprKind::Bool(value) => Some(Val::Truth(Guard::Const(*value))),
            _ => self.value(expr),
        }
    }

    fn truths(&mut self, a: Guard, op: CompareOp, b: Guard, span: Span) -> Option<Guard> {
        let (guard, value) = match (a, b) {
            (guard, Guard::Const(value)) | (Guard::Const(value), guard) => (guard, value),
            _ => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    span,
                    "two conditions are combined by `and`, `or` and `not`, not compared".to_owned(),
                    "write `a and b`, or `(a and b) or (not a and not b)` where both are to be alike",
                );
                return None;
            }
        };
        match op {
            CompareOp::Eq if value => Some(guard),
            CompareOp::Ne if !value => Some(guard),
            CompareOp::Eq | CompareOp::Ne => Some(Guard::Not(Box::new(guard))),
            _ => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    span,
                    format!("`{}` does not compare truth values", op.sign()),
                    "compare with `=` or `!=`, or write `not`",
                );
                None
            }
        }
    }

    fn numbers(&mut self, a: &Num, op: CompareOp, b: &Num, spans: (Span, Span)) -> Option<Guard> {
        let fits = a.ty == b.ty
            || (a.kelvin && b.ty == Type::Temperature)
            || (b.kelvin && a.ty == Type::Temperature);
        if !fits {
            self.incomparable(a.ty, b.ty, spans);
            return None;
        }
        for (level, other, at) in [(a, b, spans.1), (b, a, spans.0)] {
            if level.level
                && let Some(value) = other.lin.as_constant()
                && (value.is_negative() || *value > Rat::ONE)
            {
                let text = self.text(at);
                self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    at,
                    format!("a level lies between 0 % and 100 %, and this is `{text}`"),
                    "write a share between 0 % and 100 %",
                );
                return None;
            }
        }
        let lin = minus(&a.lin, &b.lin);
        let step = Rat::max_of(&a.step, &b.step);
        if let Some(value) = lin.as_constant() {
            return Some(Guard::Const(holds(value, cmp(op))));
        }
        Some(Guard::Compare { lin, op: cmp(op), step })
    }

    fn incomparable(&mut self, a: Type, b: Type, spans: (Span, Span)) {
        if a == Type::Number && b.has_unit() {
            self.mismatch(a, b, spans.0);
            return;
        }
        if b == Type::Number && a.has_unit() {
            self.mismatch(b, a, spans.1);
            return;
        }
        let mut finding = Diagnostic::error(
            codes::TYPE_MISMATCH,
            spans.0.to(spans.1),
            format!("{} is compared with {}", a.a(), b.a()),
        )
        .label(spans.0, a.a())
        .label(spans.1, b.a());
        if let Some(help) = super::value::confusion(a, b) {
            finding = finding.help(help);
        }
        self.push(finding);
    }

    fn count(&mut self, group: GroupId, body: Guard, op: Cmp, n: &Num, span: Span) -> Option<Guard> {
        let whole = n.lin.as_constant().and_then(Rat::to_i64);
        match whole {
            Some(limit) if n.ty == Type::Number && limit >= 0 => Some(Guard::Quantified {
                quantifier: Quantifier::Count(op, limit),
                group,
                body: Box::new(body),
            }),
            _ => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    span,
                    "a count is compared with a whole number that is not below zero".to_owned(),
                    "write, for example, `count(...) >= 2`",
                );
                None
            }
        }
    }

    /// `max(a, b) > n` holds where one does, `max(a, b) < n` where all do; the dual for `min`.
    fn extreme(&mut self, max: bool, of: Vec<Num>, op: Cmp, n: &Num, spans: (Span, Span)) -> Option<Guard> {
        let one = self.one_suffices(max, op, spans.0)?;
        let ast_op = ast_op(op);
        let parts: Vec<Option<Guard>> = of.iter().map(|a| self.numbers(a, ast_op, n, spans)).collect();
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some(if one { Guard::Any(parts) } else { Guard::All(parts) })
    }

    fn over(
        &mut self,
        max: bool,
        group: GroupId,
        of: Num,
        op: Cmp,
        n: &Num,
        spans: (Span, Span),
    ) -> Option<Guard> {
        let one = self.one_suffices(max, op, spans.0)?;
        let body = Box::new(self.numbers(&of, ast_op(op), n, spans)?);
        let quantifier = if one { Quantifier::Any } else { Quantifier::Every };
        Some(Guard::Quantified { quantifier, group, body })
    }

    fn one_suffices(&mut self, max: bool, op: Cmp, span: Span) -> Option<bool> {
        match op {
            Cmp::Gt | Cmp::Ge => Some(max),
            Cmp::Lt | Cmp::Le => Some(!max),
            Cmp::Eq | Cmp::Ne => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    span,
                    "a greatest or least value is compared with `<`, `<=`, `>` or `>=`".to_owned(),
                    "a value is rarely met exactly: ask whether it is above or below",
                );
                None
            }
        }
    }

    /// The signal of an expression whose values are words; nothing is reported.
    fn symbolic(&mut self, expr: &Expr) -> Option<(SignalId, SigRef)> {
        let ExprKind::Name(name) = &expr.kind else { return None };
        self.symbol_signal(name)
    }

    /// The words of a signal.
    pub(super) fn symbols(&self, signal: SignalId) -> Vec<String> {
        match self.site.signals.get(signal.index()).map(|s| &s.domain) {
            Some(Domain::Symbols(words)) => words.clone(),
            _ => Vec::new(),
        }
    }

    /// The position of a word among those of a signal.
    pub(super) fn symbol(&mut self, signal: SignalId, expr: &Expr) -> Option<u32> {
        let words = self.symbols(signal);
        let text = match &expr.kind {
            ExprKind::Name(name) => name.text(),
            ExprKind::Text(text) => text.value.clone(),
            ExprKind::Switch(on) => if *on { "on" } else { "off" }.to_owned(),
            _ => self.text(expr.span),
        };
        if let Some(at) = words.iter().position(|word| *word == text) {
            return u32::try_from(at).ok();
        }
        let name = self.site.signals.get(signal.index()).map(|s| s.name.clone()).unwrap_or_default();
        let finding =
            Diagnostic::error(codes::OUT_OF_RANGE, expr.span, format!("`{name}` is never `{text}`"));
        let known: Vec<&str> = words.iter().map(String::as_str).collect();
        self.push(match nearest(&text, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("it is one of {}", super::props::listed(&known))),
        });
        None
    }

    fn equals(
        &mut self,
        reference: SigRef,
        signal: SignalId,
        op: CompareOp,
        word: &Expr,
        span: Span,
    ) -> Option<Guard> {
        let at = self.symbol(signal, word)?;
        match op {
            CompareOp::Eq => Some(Guard::Equals(reference, at)),
            CompareOp::Ne => Some(Guard::Not(Box::new(Guard::Equals(reference, at)))),
            // words are declared in their order: `level none | moderate | high`
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                let count = u32::try_from(self.symbols(signal).len()).ok()?;
                let within: Vec<Guard> = (0..count)
                    .filter(|w| match op {
                        CompareOp::Lt => *w < at,
                        CompareOp::Le => *w <= at,
                        CompareOp::Gt => *w > at,
                        _ => *w >= at,
                    })
                    .map(|w| Guard::Equals(reference.clone(), w))
                    .collect();
                if within.is_empty() {
                    let text = self.text(span);
                    self.error(codes::OUT_OF_RANGE, span, format!("`{text}` is never true"));
                    return None;
                }
                Some(Guard::Any(within))
            }
        }
    }

    /// Reads an expression once for all members of the one group that it names.
    pub(super) fn over_members<T>(
        &mut self,
        expr: &Expr,
        read: impl FnOnce(&mut Self, &Expr) -> Option<T>,
    ) -> Option<(GroupId, T)> {
        let mut heads: Vec<(String, GroupId)> = Vec::new();
        self.group_heads(expr, &mut heads)?;
        heads.sort();
        heads.dedup();
        let mut heads = heads.into_iter();
        let Some((head, group)) = heads.next() else {
            let text = self.text(expr.span);
            let finding =
                Diagnostic::error(codes::WRONG_KIND, expr.span, format!("`{text}` names no group or array"));
            self.push(
                finding
                    .help("quantifiers and totals go over the members of one group: `any evs.power > 3 kW`"),
            );
            return None;
        };
        if let Some((other, _)) = heads.next() {
            self.error_help(
                codes::WRONG_KIND,
                expr.span,
                format!("this goes over two groups, `{head}` and `{other}`"),
                "write a quantifier for each group, joined by `and` or `or`",
            );
            return None;
        }
        if self.scope.members.is_some() {
            self.error_help(
                codes::TOO_DEEP,
                expr.span,
                "a quantifier cannot stand inside another".to_owned(),
                "join two quantifiers by `and` or `or`",
            );
            return None;
        }
        self.scope.members = Some((head, group));
        let value = read(self, expr);
        self.scope.members = None;
        Some((group, value?))
    }

    fn group_heads(&mut self, expr: &Expr, out: &mut Vec<(String, GroupId)>) -> Option<()> {
        match &expr.kind {
            ExprKind::Name(name) => {
                let found = self.names.find(name);
                let Some((entity, parts)) = found else { return Some(()) };
                let head = head_text(name, parts);
                match entity {
                    Entity::Group(group) => {
                        let members = self.indexed_members(name, parts)?;
                        let group = match members {
                            None => group,
                            Some(members) => self.anonymous_group(members, &head, name.span),
                        };
                        out.push((head, group));
                    }
                    Entity::Family(family) => {
                        let array = self.site.families.get(family.index()).is_some_and(|f| f.count.is_some());
                        let one = matches!(
                            name.parts.get(parts.saturating_sub(1)).and_then(|p| p.index.as_ref()),
                            Some(ast::Index::One(_))
                        );
                        if array && !one {
                            let members = self.family_members(family, name, parts)?;
                            let group = self.anonymous_group(vec![members], &head, name.span);
                            out.push((head, group));
                        }
                    }
                    Entity::Broken => return None,
                    _ => {}
                }
                Some(())
            }
            ExprKind::Neg(inner) | ExprKind::Not(inner) | ExprKind::Aggregate(_, inner) => {
                self.group_heads(inner, out)
            }
            ExprKind::In(inner, _) => self.group_heads(inner, out),
            ExprKind::Sum(terms) => terms.iter().try_for_each(|(_, t)| self.group_heads(t, out)),
            ExprKind::Product(terms) => terms.iter().try_for_each(|(_, t)| self.group_heads(t, out)),
            ExprKind::And(terms) | ExprKind::Or(terms) => {
                terms.iter().try_for_each(|t| self.group_heads(t, out))
            }
            ExprKind::Compare(c) => {
                self.group_heads(&c.left, out)?;
                self.group_heads(&c.right, out)
            }
            ExprKind::Between(parts) => {
                let (x, a, b) = parts.as_ref();
                self.group_heads(x, out)?;
                self.group_heads(a, out)?;
                self.group_heads(b, out)
            }
            ExprKind::Call(call) => call.args.iter().try_for_each(|a| self.group_heads(a, out)),
            ExprKind::Quantity(_)
            | ExprKind::Text(_)
            | ExprKind::Bool(_)
            | ExprKind::Switch(_)
            | ExprKind::Date(_)
            | ExprKind::Time(_)
            | ExprKind::Instant(_)
            | ExprKind::During(_) => Some(()),
        }
    }
}

/// How the beginning of a path is written.
pub(super) fn head_text(name: &ast::Name, parts: usize) -> String {
    let head = ast::Name { parts: name.parts.iter().take(parts).cloned().collect(), span: name.span };
    head.text()
}

const fn cmp(op: CompareOp) -> Cmp {
    match op {
        CompareOp::Eq => Cmp::Eq,
        CompareOp::Ne => Cmp::Ne,
        CompareOp::Lt => Cmp::Lt,
        CompareOp::Le => Cmp::Le,
        CompareOp::Gt => Cmp::Gt,
        CompareOp::Ge => Cmp::Ge,
    }
}

const fn ast_op(op: Cmp) -> CompareOp {
    match op {
        Cmp::Eq => CompareOp::Eq,
        Cmp::Ne => CompareOp::Ne,
        Cmp::Lt => CompareOp::Lt,
        Cmp::Le => CompareOp::Le,
        Cmp::Gt => CompareOp::Gt,
        Cmp::Ge => CompareOp::Ge,
    }
}

const fn mirrored(op: Cmp) -> Cmp {
    match op {
        Cmp::Lt => Cmp::Gt,
        Cmp::Le => Cmp::Ge,
        Cmp::Gt => Cmp::Lt,
        Cmp::Ge => Cmp::Le,
        Cmp::Eq => Cmp::Eq,
        Cmp::Ne => Cmp::Ne,
    }
}

fn holds(value: &Rat, op: Cmp) -> bool {
    match op {
        Cmp::Lt => value.is_negative(),
        Cmp::Le => !value.is_positive(),
        Cmp::Gt => value.is_positive(),
        Cmp::Ge => !value.is_negative(),
        Cmp::Eq => value.is_zero(),
        Cmp::Ne => !value.is_zero(),
    }
}

fn kind_of(value: &Val) -> String {
    match value {
        Val::Num(num) => num.ty.a(),
        Val::Truth(_) => "a condition".to_owned(),
        Val::Symbol(..) => "a word".to_owned(),
        Val::Count(..) => "a count".to_owned(),
        Val::Extreme { .. } | Val::Over { .. } => "a greatest or least value".to_owned(),
    }
}
