//! Policy tests and proofs.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::names::Entity;
use crate::ast::{self, ExpectKind, ExprKind, GivenKind, GivenValue, ProveKind, SwitchVerb};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    Claim, Expect, ExpectWhat, Given, GivenWhat, Guard, LatchId, PolicyTest, Proof, RuleId, SigRef, Target,
    Value,
};

impl<'a> Compiler<'a> {
    /// Reads all `test` statements.
    pub(super) fn test_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.tests {
            self.owner = owned.owner;
            self.read_test(owned);
        }
    }

    fn read_test(&mut self, owned: &Owned<'a, ast::Test>) {
        let node = owned.node;
        let mut test = PolicyTest {
            name: node.title.value.clone(),
            at: None,
            given: Vec::new(),
            expect: Vec::new(),
            owner: owned.owner,
            span: node.title.span,
        };
        for given in &node.given {
            match &given.kind {
                GivenKind::At(instant) => {
                    if test.at.is_some() {
                        self.error_help(
                            codes::DUPLICATE_PROPERTY,
                            given.span,
                            "this test names two instants".to_owned(),
                            "keep one, or write a second test",
                        );
                    }
                    test.at = self.instant(instant);
                }
                _ => {
                    for what in self.given(given).unwrap_or_default() {
                        test.given.push(Given { what, span: given.span });
                    }
                }
            }
        }
        for expect in &node.expect {
            for what in self.expectation(expect).unwrap_or_default() {
                test.expect.push(Expect { what, text: self.text(expect.span), span: expect.span });
            }
        }
        self.site.tests.push(test);
    }

    fn given(&mut self, given: &ast::Given) -> Option<Vec<GivenWhat>> {
        match &given.kind {
            GivenKind::At(_) => Some(Vec::new()),
            GivenKind::Latched(name, value) => {
                let latches = self.latches_named(name)?;
                Some(latches.into_iter().map(|latch| GivenWhat::Latch(latch, *value)).collect())
            }
            GivenKind::Held(name, value) => {
                let bits = self.held_named(name)?;
                let signed = |what: &GivenWhat| match what {
                    GivenWhat::Held(id, _) => GivenWhat::Held(*id, *value),
                    GivenWhat::LastKnown(rule, member, _) => GivenWhat::LastKnown(*rule, *member, *value),
                    other => other.clone(),
                };
                Some(bits.iter().map(signed).collect())
            }
            GivenKind::Known(name, value) => {
                let (reference, _) = self.one_signal(name)?;
                Some(vec![GivenWhat::Known(reference, *value)])
            }
            GivenKind::Value(expr, value) => self.given_value(expr, value.as_deref(), given.span),
        }
    }

    fn given_value(
        &mut self,
        expr: &ast::Expr,
        value: Option<&GivenValue>,
        span: Span,
    ) -> Option<Vec<GivenWhat>> {
        if let ExprKind::Name(name) = &expr.kind
            && name.text() == "emergency"
        {
            self.guard(expr)?;
            let text = self.text(span);
            let finding = Diagnostic::error(
                codes::WRONG_KIND,
                span,
                format!("`{text}`: `emergency` follows from the readings that the site names"),
            );
            self.push(finding.help("give those readings instead"));
            return None;
        }
        let (reference, id) = match &expr.kind {
            ExprKind::Name(name) => self.one_signal(name)?,
            _ => {
                let value = self.value(expr)?;
                self.reference_of(value, expr.span)?
            }
        };
        match value {
            None => {
                let truth =
                    self.site.signals.get(id.index()).is_some_and(|s| s.ty == crate::quantity::Type::Bool);
                if !truth {
                    let text = self.text(expr.span);
                    self.error_help(
                        codes::MISSING_PROPERTY,
                        span,
                        format!("`{text}` is given no value"),
                        "write its value after it, as in `weather.temperature 34 degC`",
                    );
                    return None;
                }
                Some(vec![GivenWhat::Signal(reference, Value::Bool(true))])
            }
            Some(GivenValue::Is(expr)) => {
                let value = self.value_of(id, expr)?;
                Some(vec![GivenWhat::Signal(reference, value)])
            }
            Some(GivenValue::Range(lo, hi)) => {
                let (lo, hi) = (self.value_of(id, lo), self.value_of(id, hi));
                let text = self.text(span);
                let (Value::Number(lo), Value::Number(hi)) = (lo?, hi?) else {
                    let finding = Diagnostic::error(
                        codes::TYPE_MISMATCH,
                        span,
                        format!("`{text}`: only numbers have a range"),
                    );
                    self.push(finding.help("give one value, or leave it out: then it keeps all its values"));
                    return None;
                };
                if lo > hi {
                    let finding = Diagnostic::error(
                        codes::REVERSED_RANGE,
                        span,
                        format!("the range `{text}` is reversed"),
                    );
                    self.push(finding.help("write the lower end first"));
                    return None;
                }
                Some(vec![GivenWhat::Between(reference, lo, hi)])
            }
        }
    }

    /// One signal, with a value of its own.
    fn one_signal(&mut self, name: &ast::Name) -> Option<(SigRef, crate::ir::SignalId)> {
        if let Some((id, reference)) = self.symbol_signal(name) {
            return Some((reference, id));
        }
        let value = self.reference(name)?;
        self.reference_of(value, name.span)
    }

    fn reference_of(&mut self, value: super::expr::Val, span: Span) -> Option<(SigRef, crate::ir::SignalId)> {
        use super::expr::Val;
        let reference = match value {
            Val::Symbol(reference, _) | Val::Truth(Guard::Is(reference)) => Some(reference),
            Val::Num(num) => match num.lin.terms.as_slice() {
                [(one, reference)]
                    if *one == crate::quantity::Rat::ONE
                        && num.lin.constant.is_zero()
                        && num.lin.sums.is_empty() =>
                {
                    Some(reference.clone())
                }
                _ => None,
            },
            _ => None,
        };
        match reference {
            Some(SigRef::Only(id)) => Some((SigRef::Only(id), id)),
            Some(SigRef::Member(id, index)) => Some((SigRef::Member(id, index), id)),
            _ => {
                let text = self.text(span);
                self.error_help(
                    codes::WRONG_KIND,
                    span,
                    format!("`{text}` is not one reading that can be given"),
                    "name a reading, a feed's signal or an event",
                );
                None
            }
        }
    }

    fn expectation(&mut self, expect: &ast::Expect) -> Option<Vec<ExpectWhat>> {
        match &expect.kind {
            ExpectKind::Bound(name, amount) => {
                let goal = self.goal(name)?;
                if goal.attr == crate::ir::Attr::Power {
                    self.directed(&goal, name.span)?;
                }
                let (lo, hi) = self.constant_values(&amount.bound, &goal)?;
                let share = self.share_of(amount, &goal)?;
                if amount.averaged.is_some() {
                    let text = self.text(expect.span);
                    self.unhonoured(format!("an expected mean (`{text}`)"), expect.span, true, false);
                }
                Some(vec![ExpectWhat::Within { target: goal.target, attr: goal.attr, lo, hi, share }])
            }
            ExpectKind::State(name, verb) => {
                let target: Target = self.devices_named(name)?.target;
                Some(vec![match verb {
                    SwitchVerb::TurnOn => ExpectWhat::Switch(target, true),
                    SwitchVerb::TurnOff => ExpectWhat::Switch(target, false),
                    SwitchVerb::Connect => ExpectWhat::Connect(target, true),
                    SwitchVerb::Disconnect => ExpectWhat::Connect(target, false),
                }])
            }
            ExpectKind::Conflict(names) => {
                let rules: Vec<Option<RuleId>> = names.iter().map(|name| self.rule_named(name)).collect();
                Some(vec![ExpectWhat::Conflict(rules.into_iter().collect::<Option<Vec<_>>>()?)])
            }
            ExpectKind::NoConflict => Some(vec![ExpectWhat::NoConflict]),
            ExpectKind::Overridden(names) => {
                let rules: Vec<Option<RuleId>> = names.iter().map(|name| self.rule_named(name)).collect();
                Some(
                    rules
                        .into_iter()
                        .collect::<Option<Vec<_>>>()?
                        .into_iter()
                        .map(ExpectWhat::Overridden)
                        .collect(),
                )
            }
            ExpectKind::Active(names, value) => {
                let rules: Vec<Option<RuleId>> = names.iter().map(|name| self.rule_named(name)).collect();
                let rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
                Some(rules.into_iter().map(|rule| ExpectWhat::Active(rule, *value)).collect())
            }
        }
    }

    fn rule_named(&mut self, name: &ast::Name) -> Option<RuleId> {
        match self.names.find(name) {
            Some((Entity::Rule(rule), parts)) if parts == name.parts.len() => Some(rule),
            Some((Entity::Broken, _)) => None,
            Some((other, _)) => {
                self.wrong_kind(name, other, "a rule");
                None
            }
            None => {
                let text = name.text();
                self.unknown(&text, name.span, "the rule");
                None
            }
        }
    }

    /// What a rule holds over time: that a guard has held `for d`, and, with `on loss hold`, what
    /// the guard was when last known; one of these with its index.
    fn held_named(&mut self, name: &ast::Name) -> Option<Vec<GivenWhat>> {
        let rule = self.rule_named(name)?;
        let bits = GivenWhat::held_by(&self.site, rule);
        let index = match name.parts.last().and_then(|part| part.index.as_ref()) {
            _ if bits.is_empty() => {
                let rule = self.site.rules.get(rule.index()).map_or("", |rule| rule.name.as_str());
                let message =
                    format!("the rule `{rule}` has neither a `for` that could run out nor `on loss hold`");
                self.error(codes::WRONG_KIND, name.span, message);
                return None;
            }
            None => return Some(bits),
            Some(ast::Index::One(n)) => {
                let at = self.whole(n, u32::MAX)?;
                bits.get(usize::try_from(at).ok()?.checked_sub(1)?).cloned()
            }
            Some(ast::Index::Range(_)) => None,
        };
        if index.is_none() {
            self.error_help(
                codes::INDEX_OUT_OF_RANGE,
                name.span,
                "this rule holds no such bit".to_owned(),
                "its `for` conditions are counted from 1",
            );
        }
        index.map(|bit| vec![bit])
    }

    /// The latch bits of a rule; of one member with its index.
    fn latches_named(&mut self, name: &ast::Name) -> Option<Vec<LatchId>> {
        let rule = self.rule_named(name)?;
        let found = self.site.rules.get(rule.index())?;
        if found.latches.is_empty() {
            let message = format!("the rule `{}` remembers nothing", found.name);
            self.error(codes::WRONG_KIND, name.span, message);
            return None;
        }
        let index = match name.parts.last().and_then(|p| p.index.as_ref()) {
            None => return Some(found.latches.clone()),
            Some(ast::Index::One(n)) => {
                let latches = found.latches.clone();
                let at = self.whole(n, u32::MAX)?;
                latches.get(usize::try_from(at).ok()?.checked_sub(1)?).copied()
            }
            Some(ast::Index::Range(_)) => None,
        };
        match index {
            Some(latch) => Some(vec![latch]),
            None => {
                self.error_help(
                    codes::INDEX_OUT_OF_RANGE,
                    name.span,
                    "this rule has no such member".to_owned(),
                    "choose an index inside the group over which it goes",
                );
                None
            }
        }
    }

    /// Reads all `prove` and `conform` statements.
    pub(super) fn proof_statements(&mut self, declared: &Declared<'a>) {
        for owned in &declared.proofs {
            self.owner = owned.owner;
            let (what, over) = match &owned.node.kind {
                ProveKind::Never(expr) | ProveKind::Always(expr) => self.claim(expr),
                ProveKind::TenantsIsolated => (None, None),
            };
            let during = self.sched_or_always(owned.node.during.as_ref());
            let restricted = |guard: Guard, always: bool| match (&during, always) {
                (Some(crate::ir::Sched::Always) | None, _) => guard,
                (Some(sched), false) => Guard::All(vec![Guard::During(sched.clone()), guard]),
                (Some(sched), true) => {
                    Guard::Any(vec![Guard::Not(Box::new(Guard::During(sched.clone()))), guard])
                }
            };
            let claim = match (&owned.node.kind, what) {
                (ProveKind::Never(_), Some(guard)) => Claim::Never(restricted(guard, false), over),
                (ProveKind::Always(_), Some(guard)) => Claim::Always(restricted(guard, true), over),
                (ProveKind::TenantsIsolated, _) => Claim::TenantsIsolated,
                _ => continue,
            };
            let text = self.text(owned.span);
            self.unhonoured(format!("`{text}`"), owned.span, true, false);
            self.site.proofs.push(Proof { claim, text, owner: owned.owner, span: owned.span });
        }
        for owned in &declared.conforms {
            self.owner = owned.owner;
            let node = owned.node;
            if let Err(finding) = self.repository.resolve(&node.path.value, node.path.span) {
                self.push(*finding);
                continue;
            }
            let text = self.text(owned.span);
            self.unhonoured(format!("`{text}`"), owned.span, true, false);
            self.site.proofs.push(Proof {
                claim: Claim::Conforms { baseline: node.path.value.clone() },
                text,
                owner: owned.owner,
                span: owned.span,
            });
        }
    }

    /// A claim's condition with its averaging time, which a proof knows how to treat.
    fn claim(&mut self, expr: &ast::Expr) -> (Option<Guard>, Option<i64>) {
        if let ExprKind::Compare(compare) = &expr.kind
            && let Some(over) = &compare.averaged
        {
            let over = self.seconds(over);
            let plain = ast::Expr {
                kind: ExprKind::Compare(Box::new(ast::Compare {
                    averaged: None,
                    ..compare.as_ref().clone()
                })),
                span: expr.span,
            };
            return (self.claimed(&plain), over);
        }
        (self.claimed(expr), None)
    }

    /// `evs.power > 60 kW`: in a proof a group's power is its total.
    fn claimed(&mut self, expr: &ast::Expr) -> Option<Guard> {
        let ExprKind::Compare(compare) = &expr.kind else { return self.guard(expr) };
        let ExprKind::Name(name) = &compare.left.kind else { return self.guard(expr) };
        if !matches!(self.names.find(name), Some((Entity::Group(_), _))) {
            return self.guard(expr);
        }
        let call = ast::Call {
            function: ast::Ident { text: "sum".to_owned(), span: name.span },
            args: vec![compare.left.clone()],
            window: None,
        };
        let left = ast::Expr { kind: ExprKind::Call(Box::new(call)), span: compare.left.span };
        let total = ast::Compare { left, ..compare.as_ref().clone() };
        self.guard(&ast::Expr { kind: ExprKind::Compare(Box::new(total)), span: expr.span })
    }
}
