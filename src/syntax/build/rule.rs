//! Rules and their effects.

use super::expr::To;
use super::{Builder, Piece, Rule, first, packed, parts};
use crate::ast::{
    self, Amount, Days, Effect, EffectKind, Expr, ExprKind, ForEach, Guard, Name, OnLoss, OnLossKind,
    Origins, Preference, Quantity, Reset, Schedule, ScheduleKind, SwitchVerb, Until, Window, WindowEnds,
};
use crate::diag::{Diagnostic, Span, codes};

/// The clauses of a rule as they come, in any order.
#[derive(Default)]
struct Clauses {
    when: Option<(Expr, Span)>,
    during: Option<(Schedule, Span)>,
    held_for: Option<Quantity>,
    until: Option<Until>,
    latch: Option<Reset>,
    guard_span: Option<Span>,
}

impl Clauses {
    fn cover(&mut self, span: Span) {
        self.guard_span = Some(self.guard_span.map_or(span, |before| before.to(span)));
    }
}

impl Builder {
    /// Reports that something stands twice.
    pub(super) fn twice(&mut self, what: &str, before: Span, again: Span) {
        let finding = Diagnostic::error(codes::SYNTAX, again, format!("{what} stands here a second time"))
            .label(before, "first here")
            .help("keep one of them");
        self.findings.push(finding);
    }

    pub(in crate::syntax) fn rule(&mut self, piece: Piece<'_>) -> Option<ast::Rule> {
        let whole = self.span(&piece);
        let mut inner = parts(piece).skip(1);
        let name = self.ident(&inner.next()?);
        let mut rule = ast::Rule {
            name,
            class: None,
            for_each: None,
            guard: None,
            on_loss: None,
            at_most_every: None,
            interlock: None,
            effects: Vec::new(),
        };
        let mut clauses = Clauses::default();
        for part in inner {
            self.clause(&mut rule, &mut clauses, part)?;
        }
        self.guard(&mut rule, clauses);
        rule.effects = packed(rule.effects);
        if rule.effects.is_empty() {
            let finding =
                Diagnostic::error(codes::SYNTAX, whole, format!("rule `{}` does nothing", rule.name.text))
                    .help("say what it does, for example `limit evs to 3.6 kW each`");
            self.findings.push(finding);
        }
        Some(rule)
    }

    fn clause(&mut self, rule: &mut ast::Rule, clauses: &mut Clauses, part: Piece<'_>) -> Option<()> {
        let span = self.span(&part);
        match part.as_rule() {
            Rule::in_class => rule.class = Some(self.ident(&parts(part).nth(1)?)),
            Rule::for_each => {
                let mut words = parts(part).skip(2);
                let variable = self.ident(&words.next()?);
                let group = self.name(words.nth(1)?)?;
                if let Some(before) = rule.for_each.replace(Box::new(ForEach { variable, group, span })) {
                    self.twice("`for each`", before.span, span);
                }
            }
            Rule::when_clause => {
                clauses.cover(span);
                let mut inner = parts(part).skip(1);
                let when = self.expr(inner.next()?)?;
                if let Some((_, before)) = clauses.when.replace((when, span)) {
                    self.twice("`when`", before, span);
                }
                self.held(clauses, inner.next())?;
            }
            Rule::during_clause => {
                clauses.cover(span);
                let mut inner = parts(part).skip(1);
                let schedule = self.schedule(inner.next()?)?;
                if let Some((_, before)) = clauses.during.replace((schedule, span)) {
                    self.twice("`during`", before, span);
                }
                self.held(clauses, inner.next())?;
            }
            Rule::until_clause => {
                clauses.cover(span);
                let mut inner = parts(part).skip(1);
                let condition = self.expr(inner.next()?)?;
                let held_for = match inner.next() {
                    None => None,
                    Some(held) => Some(self.duration(held)?),
                };
                if let Some(before) = clauses.until.replace(Until { condition, held_for, span }) {
                    self.twice("`until`", before.span, span);
                }
            }
            Rule::latch_clause => {
                clauses.cover(span);
                let role = self.ident(&parts(part).last()?);
                if let Some(before) = clauses.latch.replace(Reset { role, span }) {
                    self.twice("`latch`", before.span, span);
                }
            }
            Rule::loss_clause => {
                let mut inner = parts(part).skip(2);
                let kind = match inner.next()?.as_rule() {
                    Rule::k_active => OnLossKind::Active,
                    Rule::k_inactive => OnLossKind::Inactive,
                    _ => OnLossKind::Hold(self.quantity(inner.next()?)?),
                };
                if let Some(before) = rule.on_loss.replace(OnLoss { kind, span }) {
                    self.twice("`on loss`", before.span, span);
                }
            }
            Rule::every_clause => {
                if let Some(before) = rule.at_most_every.replace(Box::new(self.duration(part)?)) {
                    self.twice("`at most every`", before.span, span);
                }
            }
            Rule::interlock_clause => {
                let text = self.text(&parts(part).last()?)?;
                if let Some(before) = rule.interlock.replace(Box::new(text)) {
                    self.twice("`interlock`", before.span, span);
                }
            }
            Rule::then_clause => {
                let effect = self.effect(parts(part).nth(1)?)?;
                rule.effects.push(effect);
            }
            Rule::effect => {
                let effect = self.effect(part)?;
                rule.effects.push(effect);
            }
            _ => return None,
        }
        Some(())
    }

    fn held(&mut self, clauses: &mut Clauses, held: Option<Piece<'_>>) -> Option<()> {
        if let Some(held) = held {
            let span = self.span(&held);
            if let Some(before) = clauses.held_for.replace(self.duration(held)?) {
                self.twice("`for`", before.span, span);
            }
        }
        Some(())
    }

    /// Joins the clauses of a guard; `during S` and `when A` together are `when during S and A`.
    fn guard(&mut self, rule: &mut ast::Rule, clauses: Clauses) {
        let Clauses { when, during, held_for, until, latch, guard_span } = clauses;
        let during = during
            .map(|(schedule, _)| Expr { span: schedule.span, kind: ExprKind::During(Box::new(schedule)) });
        let when = when.map(|(when, _)| when);
        let condition = match (during, when) {
            (Some(during), Some(when)) => {
                let span = during.span.to(when.span);
                let links = match when.kind {
                    ExprKind::And(links) => std::iter::once(during).chain(links).collect(),
                    _ => vec![during, when],
                };
                Some(Expr { kind: ExprKind::And(links), span })
            }
            (during, when) => during.or(when),
        };
        let Some(span) = guard_span else { return };
        match condition {
            Some(when) => {
                let (held_for, until) = (held_for.map(Box::new), until.map(Box::new));
                rule.guard = Some(Guard { when, held_for, until, latch: latch.map(Box::new), span });
            }
            None => {
                let finding =
                    Diagnostic::error(codes::SYNTAX, span, "this ends a condition that never begins")
                        .help("say when the rule begins to hold: `when ..`");
                self.findings.push(finding);
            }
        }
    }

    fn effect(&mut self, piece: Piece<'_>) -> Option<Effect> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let head = inner.next()?;
        if head.as_rule() != Rule::k_preferably {
            return Some(Effect { preferably: None, kind: self.command(head)?, span });
        }
        let word = self.span(&head);
        let kind = self.command(inner.next()?)?;
        let price = match inner.next() {
            None => None,
            Some(priced) => Some(self.expr(parts(priced).last()?)?),
        };
        Some(Effect { preferably: Some(Preference { price, span: word }), kind, span })
    }

    fn command(&mut self, piece: Piece<'_>) -> Option<EffectKind> {
        let rule = piece.as_rule();
        Some(match rule {
            Rule::set | Rule::limit | Rule::hold | Rule::keep => {
                let to = if rule == Rule::limit { To::AtMost } else { To::Exactly };
                let (target, amount) = self.target_amount(piece, to)?;
                match rule {
                    Rule::set => EffectKind::Set(target, amount),
                    Rule::limit => EffectKind::Limit(target, amount),
                    Rule::hold => EffectKind::Hold(target, amount),
                    _ => EffectKind::Keep(target, amount),
                }
            }
            Rule::switch => {
                let mut verb = None;
                let mut target = None;
                for part in parts(piece) {
                    match part.as_rule() {
                        Rule::k_on => verb = Some(SwitchVerb::TurnOn),
                        Rule::k_off => verb = Some(SwitchVerb::TurnOff),
                        Rule::k_connect => verb = Some(SwitchVerb::Connect),
                        Rule::k_disconnect => verb = Some(SwitchVerb::Disconnect),
                        Rule::name => target = Some(self.name(part)?),
                        _ => {}
                    }
                }
                EffectKind::Switch(verb?, target?)
            }
            Rule::supply => EffectKind::Supply(self.origins(piece)?),
            Rule::never_supply => EffectKind::NeverSupply(self.origins(piece)?),
            Rule::deliver => {
                let mut inner = parts(piece).skip(1);
                let energy = self.expr(inner.next()?)?;
                let target = self.name(inner.nth(1)?)?;
                let window = match inner.next() {
                    None => None,
                    Some(due) => Some(self.window(due)?),
                };
                EffectKind::Deliver { energy, target, window }
            }
            Rule::run => {
                let mut inner = parts(piece).skip(1);
                let target = self.name(inner.next()?)?;
                let duration = self.expr(inner.nth(1)?)?;
                let (mut uninterrupted, mut window) = (false, None);
                for part in inner {
                    if part.as_rule() == Rule::due {
                        window = Some(self.window(part)?);
                    } else {
                        uninterrupted = true;
                    }
                }
                EffectKind::Run { target, duration, uninterrupted, window }
            }
            Rule::notify => {
                let mut inner = parts(piece).skip(1);
                let whom = self.name(inner.next()?)?;
                EffectKind::Notify(whom, self.text(&inner.next()?)?)
            }
            Rule::follow => {
                let mut inner = parts(piece).skip(1);
                let signal = self.name(inner.next()?)?;
                let at = self.expr(inner.nth(1)?)?;
                EffectKind::Follow { signal, at, with: self.name(inner.nth(1)?)? }
            }
            _ => return None,
        })
    }

    fn target_amount(&mut self, piece: Piece<'_>, to: To) -> Option<(Name, Amount)> {
        let mut inner = parts(piece).skip(1);
        let target = self.name(inner.next()?)?;
        Some((target, self.amount(inner.next()?, to)?))
    }

    fn origins(&mut self, piece: Piece<'_>) -> Option<Origins> {
        let (mut consumer, mut sources, mut via, mut by_accounting) = (None, Vec::new(), None, false);
        for part in parts(piece) {
            match part.as_rule() {
                Rule::name => consumer = Some(self.name(part)?),
                Rule::source_list => {
                    for source in parts(part).filter(|part| part.as_rule() == Rule::name) {
                        sources.push(self.name(source)?);
                    }
                }
                Rule::via => via = Some(self.name(parts(part).last()?)?),
                Rule::by_accounting => by_accounting = true,
                _ => {}
            }
        }
        Some(Origins { consumer: consumer?, sources: packed(sources), via, by_accounting })
    }

    fn window(&mut self, piece: Piece<'_>) -> Option<Window> {
        let span = self.span(&piece);
        let (mut clock, mut dated, mut days) = (Vec::new(), Vec::new(), None);
        for part in parts(piece) {
            match part.as_rule() {
                Rule::time => clock.push(self.time(&part)?),
                Rule::instant => dated.push(self.instant(part)?),
                Rule::schedule => days = Some(self.schedule(part)?),
                Rule::daily => {
                    let at = self.span(&first(part)?);
                    let kind = ScheduleKind::Window { days: Some(Days::Daily(at)), times: None };
                    days = Some(Schedule { kind, span: at });
                }
                _ => {}
            }
        }
        let ends = match (clock.as_slice(), dated.as_slice()) {
            ([from, to], _) => WindowEnds::Clock(*from, *to),
            (_, [from, to]) => WindowEnds::Dated(*from, *to),
            _ => return None,
        };
        Some(Window { ends, days, span })
    }
}
