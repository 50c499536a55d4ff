//! Obligations: `deliver` and `run` inside their windows.

use super::Compiler;
use crate::ast::{self, Window, WindowEnds};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{ClockEdge, Days, EffectKind, ObligationWindow, Role, Sched, Target, Verb};
use crate::quantity::Type;

impl Compiler<'_> {
    /// `deliver 40 kWh to charger[3] between 08:00 and 17:00 on weekdays`.
    pub(super) fn deliver(
        &mut self,
        energy: &ast::Expr,
        target: &ast::Name,
        window: Option<&Window>,
        span: Span,
    ) -> Option<(Verb, Target, EffectKind, Type)> {
        let energy_lin = self.lin_of(energy, Type::Energy);
        let subject = self.devices_named(target);
        let window = self.obligation_window(window, span);
        let (energy_lin, subject, window) = (energy_lin?, subject?, window?);
        if energy_lin.as_constant().is_some_and(|e| !e.is_positive()) {
            let text = self.text(energy.span);
            let finding = Diagnostic::error(
                codes::IMPOSSIBLE_LITERAL,
                energy.span,
                format!("`{text}` must be above zero"),
            );
            self.push(finding.help("an obligation of nothing is none: write an energy above 0 kWh"));
            return None;
        }
        if subject.many {
            let text = target.text();
            let finding = Diagnostic::error(
                codes::MISSING_PROPERTY,
                target.span,
                format!("`{text}` are several devices, and it does not say whether each gets this energy"),
            );
            self.push(finding.help(format!("begin the rule with `for each x in {text}` and deliver to `x`")));
            return None;
        }
        self.obliged(&subject.target, target, "deliver")?;
        Some((
            Verb::Deliver,
            subject.target,
            EffectKind::Deliver { energy: energy_lin, window },
            Type::Energy,
        ))
    }

    /// `run washer for 2 h without interruption between 09:00 and 16:00 daily`.
    pub(super) fn run_for(
        &mut self,
        target: &ast::Name,
        duration: &ast::Expr,
        uninterrupted: bool,
        window: Option<&Window>,
        span: Span,
    ) -> Option<(Verb, Target, EffectKind, Type)> {
        let seconds = self
            .constant_of(duration, Type::Duration)
            .and_then(|value| self.positive_seconds(&value, duration.span));
        let subject = self.devices_named(target);
        let given = window;
        let window = self.obligation_window(window, span);
        let (for_s, subject, window) = (seconds?, subject?, window?);
        self.obliged(&subject.target, target, "run")?;
        if let Some(Window { ends: WindowEnds::Clock(from, to), .. }) = given {
            let (from, to) = (self.time(from)?, self.time(to)?);
            let length = i64::from(if to > from { to - from } else { to + 86_400 - from });
            // a clock change makes one window of the year an hour longer
            if for_s > length + 3600 {
                let finding = Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    duration.span,
                    "this is longer than the window in which it must be done".to_owned(),
                );
                self.push(finding);
                return None;
            }
        }
        Some((Verb::Run, subject.target, EffectKind::Run { for_s, uninterrupted, window }, Type::Duration))
    }

    fn obliged(&mut self, target: &Target, name: &ast::Name, verb: &str) -> Option<()> {
        for range in self.members_of(target) {
            let takes =
                self.site.families.get(range.family.index()).is_some_and(|f| {
                    f.role == Role::Consumer || (verb == "deliver" && f.role == Role::Storage)
                });
            if !takes {
                self.error_help(
                    codes::WRONG_KIND,
                    name.span,
                    format!("`{}` is no consumer, so `{verb}` means nothing for it", name.text()),
                    "name a consumer, or a group of consumers",
                );
                return None;
            }
        }
        Some(())
    }

    fn obligation_window(&mut self, window: Option<&Window>, span: Span) -> Option<ObligationWindow> {
        let Some(window) = window else {
            let finding = Diagnostic::error(
                codes::MISSING_PROPERTY,
                span,
                "an obligation says until when: it has no window".to_owned(),
            );
            self.push(finding.help("add, for example, `between 08:00 and 17:00 on weekdays`"));
            return None;
        };
        match &window.ends {
            WindowEnds::Dated(from, to) => {
                let (from, to) = (self.instant(from), self.instant(to));
                let (from, to) = (from?, to?);
                if let Some(days) = &window.days {
                    self.error_help(
                        codes::WRONG_KIND,
                        days.span,
                        "a window between two dated instants does not recur".to_owned(),
                        "leave the days out, or write times of day without dates",
                    );
                    return None;
                }
                if !self.is_before(from, to) {
                    self.error_help(
                        codes::REVERSED_RANGE,
                        window.span,
                        "this ends before it begins".to_owned(),
                        "exchange the two instants",
                    );
                    return None;
                }
                Some(ObligationWindow::Dated(from, to))
            }
            WindowEnds::Clock(from, to) => {
                let (from, to) = (self.time(from), self.time(to));
                let days = window.days.as_ref().map(|days| self.sched(days));
                let (from, to) = (from?, to?);
                if from == to {
                    self.error_help(
                        codes::REVERSED_RANGE,
                        window.span,
                        "a window with equal ends is empty or a whole day".to_owned(),
                        "write two different times; a whole day is `between 00:00 and 24:00`",
                    );
                    return None;
                }
                let (from, to) = (ClockEdge::At(from), ClockEdge::At(to));
                let sched = match days {
                    None => Sched::Window { days: Days::Daily, from, to },
                    Some(days) => self.window_on(&days?, from, to, window.span)?,
                };
                Some(ObligationWindow::Recurring(sched))
            }
        }
    }
}
