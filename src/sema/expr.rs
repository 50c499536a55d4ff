//! Numeric expressions: their types, units and linearity.

use super::Compiler;
use super::value::{Constant, confusion};
use crate::ast::{self, Expr, ExprKind, MulOp, Sign};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{Attr, GroupId, GroupTerm, Guard, Lin, SigRef, SignalId};
use crate::quantity::{Rat, Type};

/// What an expression stands for.
#[derive(Debug, Clone)]
pub(super) enum Val {
    /// a number with its type
    Num(Num),
    /// a truth value
    Truth(Guard),
    /// a signal whose values are words
    Symbol(SigRef, SignalId),
    /// how many members satisfy the guard
    Count(GroupId, Guard),
    /// the greatest (or least) of some numbers; only to be compared
    Extreme { max: bool, of: Vec<Num> },
    /// the greatest (or least) of a number over the members of a group; only to be compared
    Over { max: bool, group: GroupId, of: Num },
}

/// A linear expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Num {
    pub(super) lin: Lin,
    pub(super) ty: Type,
    /// a constant written in `K`, which may be an absolute temperature
    pub(super) kelvin: bool,
    /// strictness step of the decided quantities that it reads; zero without any
    pub(super) step: Rat,
    /// an attribute whose values end at 0 % and 100 %, for impossible comparisons
    pub(super) level: bool,
}

/// Longest numerator or denominator of a computed constant: some 300 decimal digits.
const MOST_BITS: u64 = 1_000;

impl Num {
    pub(super) fn constant(constant: Constant) -> Self {
        Self {
            lin: Lin::constant(constant.value),
            ty: constant.ty,
            kelvin: constant.kelvin,
            step: Rat::ZERO,
            level: false,
        }
    }

    fn scaled(mut self, factor: &Rat) -> Self {
        self.lin = scale(&self.lin, factor);
        self.step = &self.step * &factor.abs();
        self.level = false;
        self
    }
}

/// A linear expression times a constant.
pub(super) fn scale(lin: &Lin, factor: &Rat) -> Lin {
    if factor.is_zero() {
        return Lin::constant(Rat::ZERO);
    }
    Lin {
        constant: &lin.constant * factor,
        terms: lin.terms.iter().map(|(c, s)| (c * factor, s.clone())).collect(),
        sums: lin.sums.iter().map(|(c, s)| (c * factor, s.clone())).collect(),
    }
}

/// The sum of two linear expressions, each reference once.
pub(super) fn plus(a: &Lin, b: &Lin) -> Lin {
    Lin {
        constant: &a.constant + &b.constant,
        terms: merged(&a.terms, &b.terms),
        sums: merged(&a.sums, &b.sums),
    }
}

fn merged<T: Clone + Ord>(a: &[(Rat, T)], b: &[(Rat, T)]) -> Vec<(Rat, T)> {
    let mut all: std::collections::BTreeMap<T, Rat> = std::collections::BTreeMap::new();
    for (coefficient, reference) in a.iter().chain(b) {
        let sum = all.entry(reference.clone()).or_insert(Rat::ZERO);
        *sum = &*sum + coefficient;
    }
    all.into_iter().filter(|(_, c)| !c.is_zero()).map(|(s, c)| (c, s)).collect()
}

/// The difference of two linear expressions.
pub(super) fn minus(a: &Lin, b: &Lin) -> Lin {
    plus(a, &scale(b, &Rat::int(-1)))
}

impl Compiler<'_> {
    /// The value of a constant expression of a type.
    pub(super) fn constant_of(&mut self, expr: &Expr, want: Type) -> Option<Rat> {
        let num = self.constant_expr(expr)?;
        let constant = Constant { value: num.lin.constant, ty: num.ty, kelvin: num.kelvin };
        self.fit(&constant, want, expr.span)
    }

    /// A constant expression of any type.
    pub(super) fn constant_expr(&mut self, expr: &Expr) -> Option<Num> {
        if let ExprKind::Quantity(quantity) = &expr.kind {
            return self.constant(quantity).map(Num::constant);
        }
        let num = self.number_of(expr)?;
        if num.lin.as_constant().is_none() {
            let text = self.text(expr.span);
            let finding = Diagnostic::error(
                codes::TYPE_MISMATCH,
                expr.span,
                format!("`{text}` changes with time, and a constant is needed here"),
            );
            self.push(finding);
            return None;
        }
        Some(num)
    }

    /// A linear expression of a type.
    pub(super) fn lin_of(&mut self, expr: &Expr, want: Type) -> Option<Lin> {
        let num = self.number_of(expr)?;
        self.lin_fit(num, want, expr.span)
    }

    /// A linear expression that must have a type.
    pub(super) fn lin_fit(&mut self, num: Num, want: Type, span: Span) -> Option<Lin> {
        if num.ty == want || (num.kelvin && want == Type::Temperature) {
            return Some(num.lin);
        }
        self.mismatch(num.ty, want, span);
        None
    }

    /// A numeric expression.
    pub(super) fn number_of(&mut self, expr: &Expr) -> Option<Num> {
        let value = self.value(expr)?;
        self.as_number(value, expr.span)
    }

    fn as_number(&mut self, value: Val, span: Span) -> Option<Num> {
        let what = match value {
            Val::Num(num) => return Some(num),
            Val::Truth(_) => "a condition, and a number is needed here",
            Val::Symbol(..) => "a word, and a number is needed here",
            Val::Count(..) => "a count, which can only be compared with a number",
            Val::Extreme { .. } | Val::Over { .. } => "a greatest or least value, which can only be compared",
        };
        let text = self.text(span);
        self.error(codes::TYPE_MISMATCH, span, format!("`{text}` is {what}"));
        None
    }

    /// What an expression stands for.
    pub(super) fn value(&mut self, expr: &Expr) -> Option<Val> {
        match &expr.kind {
            ExprKind::Quantity(quantity) => {
                let constant = self.constant(quantity)?;
                Some(Val::Num(Num::constant(constant)))
            }
            ExprKind::Name(name) => self.reference(name),
            ExprKind::Neg(inner) => {
                let num = self.number_of(inner)?;
                if num.ty == Type::Temperature {
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        expr.span,
                        "an absolute temperature cannot be negated".to_owned(),
                        "write the temperature itself, such as `-5 degC`",
                    );
                    return None;
                }
                Some(Val::Num(num.scaled(&Rat::int(-1))))
            }
            ExprKind::Sum(terms) => self.sum(terms, expr.span).map(Val::Num),
            ExprKind::Product(factors) => self.product(factors, expr.span).map(Val::Num),
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Text(_) | ExprKind::Date(_) | ExprKind::Time(_) | ExprKind::Instant(_) => {
                let text = self.text(expr.span);
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    expr.span,
                    format!("`{text}` cannot stand in an expression"),
                );
                self.push(finding.help("for times and dates write `during 08:00..12:00`"));
                None
            }
            ExprKind::Bool(_)
            | ExprKind::Switch(_)
            | ExprKind::Aggregate(..)
            | ExprKind::Compare(_)
            | ExprKind::Between(_)
            | ExprKind::In(..)
            | ExprKind::During(_)
            | ExprKind::Not(_)
            | ExprKind::And(_)
            | ExprKind::Or(_) => self.guard(expr).map(Val::Truth),
        }
    }

    fn sum(&mut self, terms: &[(Sign, Expr)], span: Span) -> Option<Num> {
        // every side is examined before any failure counts
        let values: Vec<(Sign, Option<Num>, Span)> =
            terms.iter().map(|(sign, term)| (*sign, self.number_of(term), term.span)).collect();
        let mut total: Option<(Num, Span)> = None;
        for (sign, value, at) in values {
            let value = value?;
            total = Some(match total {
                None => (value, at),
                Some((sum, place)) => {
                    let ty = self.sum_type(&sum, &value, sign, (place, at, span))?;
                    let lin = match sign {
                        Sign::Plus => plus(&sum.lin, &value.lin),
                        Sign::Minus => minus(&sum.lin, &value.lin),
                    };
                    let step = Rat::max_of(&sum.step, &value.step);
                    let kelvin = sum.kelvin && value.kelvin;
                    let num = Num { lin, ty, kelvin, step, level: false };
                    (self.of_bounded_length(num, place.to(at))?, place.to(at))
                }
            });
        }
        total.map(|(num, _)| num)
    }

    fn sum_type(&mut self, a: &Num, b: &Num, sign: Sign, spans: (Span, Span, Span)) -> Option<Type> {
        use Type as T;
        let (first, second, whole) = spans;
        match (a.ty, b.ty, sign) {
            (T::Temperature, T::Temperature, Sign::Minus) => return Some(T::TemperatureDifference),
            (T::Temperature, T::Temperature, Sign::Plus) => {
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    whole,
                    "two absolute temperatures cannot be added",
                )
                .label(first, "an absolute temperature")
                .label(second, "another one");
                self.push(finding.help("add a difference instead: `2 K`, `4 degF_diff`"));
                return None;
            }
            (T::Temperature, T::TemperatureDifference, _) => return Some(T::Temperature),
            (T::TemperatureDifference, T::Temperature, Sign::Plus) => return Some(T::Temperature),
            (x, y, _) if x == y && !matches!(x, T::Bool | T::Symbol | T::Text) => return Some(x),
            _ => {}
        }
        let word = if sign == Sign::Plus { "add" } else { "subtract" };
        if (a.ty == T::Number && b.ty.has_unit()) || (b.ty == T::Number && a.ty.has_unit()) {
            let (bare, other) = if a.ty == T::Number { (first, b.ty) } else { (second, a.ty) };
            self.mismatch(T::Number, other, bare);
            return None;
        }
        let mut finding = Diagnostic::error(
            codes::TYPE_MISMATCH,
            whole,
            format!("cannot {word} {} and {}", a.ty.a(), b.ty.a()),
        )
        .label(first, side(a.ty))
        .label(second, side(b.ty));
        if let Some(help) = confusion(a.ty, b.ty) {
            finding = finding.help(help);
        }
        self.push(finding);
        None
    }

    fn product(&mut self, factors: &[(MulOp, Expr)], span: Span) -> Option<Num> {
        let values: Vec<(MulOp, Option<Num>, Span)> =
            factors.iter().map(|(op, factor)| (*op, self.factor(factor), factor.span)).collect();
        let mut total: Option<(Num, Span)> = None;
        for (op, value, at) in values {
            let value = value?;
            total = Some(match total {
                None => (value, at),
                Some((product, place)) => {
                    let num = self.multiply(product, value, op, (place, at, span))?;
                    (self.of_bounded_length(num, place.to(at))?, place.to(at))
                }
            });
        }
        total.map(|(num, _)| num)
    }

    /// Numbers stay exact, so that every operation may add digits: their number is bounded.
    fn of_bounded_length(&mut self, num: Num, span: Span) -> Option<Num> {
        let lin = &num.lin;
        let coefficients = lin.terms.iter().map(|(of, _)| of).chain(lin.sums.iter().map(|(of, _)| of));
        if std::iter::once(&lin.constant).chain(coefficients).all(|number| number.bits() <= MOST_BITS) {
            return Some(num);
        }
        let finding = Diagnostic::error(
            codes::LONG_NUMBER,
            span,
            "this amounts to a number with more than 300 digits, which are all kept",
        );
        self.push(finding.help("write numbers with fewer digits, or multiply and divide fewer of them"));
        None
    }

    /// A factor; a bare unit (`kW * h`) counts as one of it.
    fn factor(&mut self, expr: &Expr) -> Option<Num> {
        if let ExprKind::Name(name) = &expr.kind
            && let Some(word) = name.single()
            && self.names.get(&word.text).is_none()
            && !self.scope.is_word(&word.text)
            && let Some(unit) = crate::quantity::Unit::lookup(&word.text, &self.currency)
        {
            let value = unit.canonical(&Rat::ONE);
            return Some(Num::constant(Constant { value, ty: unit.ty, kelvin: false }));
        }
        self.number_of(expr)
    }

    fn multiply(&mut self, a: Num, b: Num, op: MulOp, spans: (Span, Span, Span)) -> Option<Num> {
        let (first, second, whole) = spans;
        let constant_a = a.lin.as_constant().cloned();
        let constant_b = b.lin.as_constant().cloned();
        let linear = match op {
            MulOp::Times => constant_a.is_some() || constant_b.is_some(),
            MulOp::Over => constant_b.is_some(),
        };
        if !linear {
            let what = if op == MulOp::Times { "a product of two signals" } else { "a division by a signal" };
            let finding =
                Diagnostic::error(codes::NOT_LINEAR, whole, format!("{what} cannot be checked or planned"))
                    .label(first, "changes with time")
                    .label(second, "changes with time")
                    .because("guards and bounds are linear so that every question about them can be decided");
            self.push(finding.help("compare each with a constant, or bring the product in as a feed"));
            return None;
        }
        let typed = match op {
            MulOp::Times => times(a.ty, b.ty),
            MulOp::Over => over(a.ty, b.ty),
        };
        let Some((ty, factor)) = typed else {
            let word = if op == MulOp::Times { "multiply" } else { "divide" };
            let join = if op == MulOp::Times { "and" } else { "by" };
            let finding = Diagnostic::error(
                codes::TYPE_MISMATCH,
                whole,
                format!("cannot {word} {} {join} {}", a.ty.a(), b.ty.a()),
            )
            .label(first, side(a.ty))
            .label(second, side(b.ty));
            self.push(finding.help(
                "an amount times a number is of its kind; a rate times a time is an amount: `kW * h`, `USD/kWh * kWh`",
            ));
            return None;
        };
        let num = match (op, constant_a, constant_b) {
            (MulOp::Over, _, Some(divisor)) => {
                let Some(inverse) = Rat::ONE.checked_div(&divisor) else {
                    let finding =
                        Diagnostic::error(codes::IMPOSSIBLE_LITERAL, second, "this divides by zero");
                    self.push(finding.help("divide by another number, or leave the division out"));
                    return None;
                };
                a.scaled(&inverse)
            }
            (_, _, Some(constant)) => a.scaled(&constant),
            (_, Some(constant), None) => b.scaled(&constant),
            (_, None, None) => return None,
        };
        let mut num = num.scaled(&factor);
        num.ty = ty;
        num.kelvin = false;
        Some(num)
    }

    fn call(&mut self, call: &ast::Call, span: Span) -> Option<Val> {
        let function = call.function.text.as_str();
        if let Some((side, length)) = &call.window {
            return self.window(call, *side, length, span);
        }
        match function {
            "count" => {
                let arg = self.one_argument(call, span)?;
                let (group, guard) = self.over_members(arg, Compiler::guard)?;
                Some(Val::Count(group, guard))
            }
            "sum" | "mean" => {
                let arg = self.one_argument(call, span)?;
                let (group, num) = self.over_members(arg, Compiler::number_of)?;
                self.total(group, num, function == "mean", span).map(Val::Num)
            }
            "max" | "min" if call.args.len() == 1 => {
                let arg = self.one_argument(call, span)?;
                let (group, of) = self.over_members(arg, Compiler::number_of)?;
                Some(Val::Over { max: function == "max", group, of })
            }
            "max" | "min" if call.args.len() >= 2 => {
                let values: Vec<Option<Num>> = call.args.iter().map(|arg| self.number_of(arg)).collect();
                let mut of: Vec<Num> = Vec::new();
                for (value, arg) in values.into_iter().zip(&call.args) {
                    let value = value?;
                    if let Some(first) = of.first()
                        && first.ty != value.ty
                    {
                        let ty = first.ty;
                        self.mismatch(value.ty, ty, arg.span);
                        return None;
                    }
                    of.push(value);
                }
                Some(Val::Extreme { max: function == "max", of })
            }
            "abs" => {
                let arg = self.one_argument(call, span)?;
                let num = self.number_of(arg)?;
                if num.ty == Type::Temperature {
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        span,
                        "an absolute temperature is never negative".to_owned(),
                        "leave `abs` out, or take it of a difference",
                    );
                    return None;
                }
                let negated = num.clone().scaled(&Rat::int(-1));
                Some(Val::Extreme { max: true, of: vec![num, negated] })
            }
            "max" | "min" => {
                self.one_argument(call, span)?;
                None
            }
            _ => {
                let known = ["max", "min", "mean", "sum", "count", "abs"];
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    call.function.span,
                    format!("there is no function `{function}`"),
                );
                self.push(match crate::diag::nearest(function, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("the functions are `max`, `min`, `mean`, `sum`, `count` and `abs`"),
                });
                None
            }
        }
    }

    fn one_argument<'e>(&mut self, call: &'e ast::Call, span: Span) -> Option<&'e Expr> {
        match call.args.as_slice() {
            [arg] => Some(arg),
            args => {
                self.error(
                    codes::TYPE_MISMATCH,
                    span,
                    format!("`{}` takes one argument, not {}", call.function.text, args.len()),
                );
                None
            }
        }
    }

    /// The sum (or mean) of a linear expression over the members of a group.
    fn total(&mut self, group: GroupId, num: Num, mean: bool, span: Span) -> Option<Num> {
        let members = self.site.groups.get(group.index()).map_or(0, crate::ir::Group::len);
        if num.ty == Type::Temperature && !mean {
            self.error(codes::TYPE_MISMATCH, span, "absolute temperatures cannot be added".to_owned());
            return None;
        }
        let share = if mean { Rat::ratio(1, i128::from(members.max(1)))? } else { Rat::ONE };
        let count = Rat::int(i64::try_from(members).ok()?);
        let mut lin = Lin::constant(&(&num.lin.constant * &count) * &share);
        for (coefficient, reference) in &num.lin.terms {
            match reference {
                SigRef::Bound(attr) => {
                    lin.sums.push((coefficient * &share, GroupTerm { group, attr: attr.clone() }));
                }
                other => lin.terms.push((&(coefficient * &count) * &share, other.clone())),
            }
        }
        let lin = plus(&lin, &Lin::constant(Rat::ZERO));
        Some(Num { lin, ty: num.ty, kelvin: false, step: num.step, level: false })
    }

    /// The attribute and type of a member of a group, all of whose families must have it.
    pub(super) fn member_attribute(
        &mut self,
        group: GroupId,
        word: &str,
        span: Span,
    ) -> Option<(Attr, Type)> {
        let members = self.site.groups.get(group.index()).map(|g| g.members.clone()).unwrap_or_default();
        let name = self.site.groups.get(group.index()).map(|g| g.name.clone()).unwrap_or_default();
        let mut found: Option<(Attr, Type)> = None;
        let mut last = None;
        for range in members {
            if last == Some(range.family) {
                continue;
            }
            last = Some(range.family);
            let attr = self.attribute(range.family, word);
            let Some(attr) = attr else {
                self.no_attribute(range.family, word, span);
                return None;
            };
            if let Some((known, ty)) = &found
                && self.attributes.contains_key(&(group, known.clone()))
            {
                return Some((known.clone(), *ty));
            }
            let signal = self.measured(range.family, &attr, span)?;
            let ty = self.site.signals.get(signal.index()).map_or(Type::Number, |s| s.ty);
            match &found {
                None => {
                    if let Some(Some(ty)) = self.attributes.get(&(group, attr.clone())) {
                        return Some((attr, *ty));
                    }
                    found = Some((attr, ty));
                }
                Some((_, first)) if *first != ty => {
                    self.error(
                        codes::TYPE_MISMATCH,
                        span,
                        format!(
                            "`{word}` is {} for some members of `{name}` and {} for others",
                            first.a(),
                            ty.a()
                        ),
                    );
                    return None;
                }
                Some(_) => {}
            }
        }
        match found {
            Some((attr, ty)) => {
                self.attributes.insert((group, attr.clone()), Some(ty));
                Some((attr, ty))
            }
            None => self.attribute_of_none(word, span),
        }
    }

    /// The attribute of a group without members: every known attribute is fine.
    fn attribute_of_none(&mut self, word: &str, span: Span) -> Option<(Attr, Type)> {
        match super::reference::plain_attribute(word) {
            Some(attr) => {
                let ty = attr.ty();
                Some((attr, ty))
            }
            None => {
                self.error(codes::UNKNOWN_NAME, span, format!("devices have no attribute `{word}`"));
                None
            }
        }
    }
}

fn side(ty: Type) -> String {
    match ty {
        Type::Power => "a power: a rate".to_owned(),
        Type::Energy => "an energy: an amount".to_owned(),
        _ => ty.a(),
    }
}

/// Type of a product and the factor between the canonical units.
fn times(a: Type, b: Type) -> Option<(Type, Rat)> {
    use Type as T;
    let one = Rat::ONE;
    let known = |a, b| match (a, b) {
        (T::Number | T::Ratio, T::Number) => Some((T::Number, Rat::ONE)),
        (T::Ratio, T::Ratio) => Some((T::Ratio, Rat::ONE)),
        (T::Power, T::Duration) => Some((T::Energy, Rat::ratio(1, 3600)?)),
        (T::Energy, T::EnergyPrice) => Some((T::Money, Rat::ONE)),
        (T::Power, T::PowerPrice) => Some((T::Money, Rat::ONE)),
        (T::Energy, T::CarbonIntensity) => Some((T::Mass, Rat::ONE)),
        (T::Voltage, T::Current) => Some((T::Power, Rat::ratio(1, 1000)?)),
        (T::TemperatureDifference, T::HeatCapacity) => Some((T::Energy, Rat::ONE)),
        (T::TemperatureDifference, T::HeatTransfer) => Some((T::Power, Rat::ONE)),
        (T::Ramp, T::Duration) => Some((T::Power, Rat::ratio(1, 3600)?)),
        (T::HourPrice, T::Duration) => Some((T::Money, Rat::ratio(1, 3600)?)),
        _ => None,
    };
    let scalable = |ty: Type| ty.has_unit() && ty != T::Temperature;
    match (a, b) {
        (T::Number | T::Ratio, other) if scalable(other) && other != T::Ratio => Some((other, one)),
        (other, T::Number | T::Ratio) if scalable(other) && other != T::Ratio => Some((other, one)),
        (T::Ratio, T::Number) | (T::Number, T::Ratio) => Some((T::Ratio, one)),
        _ => known(a, b).or_else(|| known(b, a)),
    }
}

/// Type of a quotient and the factor between the canonical units.
fn over(a: Type, b: Type) -> Option<(Type, Rat)> {
    use Type as T;
    match (a, b) {
        (x, T::Number | T::Ratio) if x == T::Number || (x.has_unit() && x != T::Temperature) => {
            Some((x, Rat::ONE))
        }
        (x, y) if x == y && x.has_unit() && x != T::Temperature => Some((T::Number, Rat::ONE)),
        (T::Energy, T::Duration) => Some((T::Power, Rat::int(3600))),
        (T::Energy, T::Power) => Some((T::Duration, Rat::int(3600))),
        (T::Money, T::Energy) => Some((T::EnergyPrice, Rat::ONE)),
        (T::Money, T::Power) => Some((T::PowerPrice, Rat::ONE)),
        (T::Money, T::EnergyPrice) => Some((T::Energy, Rat::ONE)),
        (T::Mass, T::Energy) => Some((T::CarbonIntensity, Rat::ONE)),
        (T::Power, T::Voltage) => Some((T::Current, Rat::int(1000))),
        (T::Power, T::Duration) => Some((T::Ramp, Rat::int(3600))),
        (T::Energy, T::TemperatureDifference) => Some((T::HeatCapacity, Rat::ONE)),
        (T::Power, T::TemperatureDifference) => Some((T::HeatTransfer, Rat::ONE)),
        _ => None,
    }
}
