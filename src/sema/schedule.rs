//! Schedules: sets of instants by civil time (semantics.md 6).

use super::Compiler;
use super::collect::{Declared, Owned};
use super::names::Entity;
use super::value::days_in_month;
use crate::ast::{self, ScheduleKind, TimePoint};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{ClockEdge, Days, MonthDay, Sched, Schedule, ScheduleId};
use crate::quantity::Type;

/// Named schedules while they are resolved.
#[derive(Debug, Default)]
pub(super) struct Schedules<'a> {
    declared: Vec<Owned<'a, ast::ScheduleDecl>>,
    state: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Busy,
    Done(ScheduleId),
    Failed,
}

impl<'a> Compiler<'a> {
    /// Resolves all named schedules; in the result each names only earlier ones.
    pub(super) fn schedule_statements(&mut self, declared: &Declared<'a>) {
        self.schedules.declared = declared.schedules.clone();
        self.schedules.state = vec![State::Waiting; declared.schedules.len()];
        for index in 0..declared.schedules.len() {
            self.schedule_at(index, 0);
        }
    }

    fn schedule_at(&mut self, index: usize, depth: u32) -> Option<ScheduleId> {
        let node = *self.schedules.declared.get(index)?;
        match self.schedules.state.get(index).copied()? {
            State::Done(id) => return Some(id),
            State::Failed => return None,
            State::Busy => {
                let name = &node.node.name;
                let finding = Diagnostic::error(
                    codes::DEFINITION_CYCLE,
                    name.span,
                    format!("the schedule `{}` is defined by itself", name.text),
                );
                self.push(finding.help("break the circle: one of the schedules must name only others"));
                return None;
            }
            State::Waiting => {}
        }
        if depth > 200 {
            self.error_help(
                codes::TOO_DEEP,
                node.node.name.span,
                "schedules name each other too deeply".to_owned(),
                "write out the days and hours of the innermost schedules",
            );
            return None;
        }
        self.set_state(index, State::Busy);
        let sched = self.sched_in(&node.node.schedule, depth + 1);
        let Some(sched) = sched else {
            self.set_state(index, State::Failed);
            return None;
        };
        let id = ScheduleId::at(self.site.schedules.len());
        self.site.schedules.push(Schedule {
            id,
            name: node.node.name.text.clone(),
            sched,
            span: node.node.name.span,
        });
        self.set_state(index, State::Done(id));
        Some(id)
    }

    fn set_state(&mut self, index: usize, state: State) {
        if let Some(slot) = self.schedules.state.get_mut(index) {
            *slot = state;
        }
    }

    /// A schedule expression.
    pub(super) fn sched(&mut self, schedule: &ast::Schedule) -> Option<Sched> {
        self.sched_in(schedule, 0)
    }

    /// A schedule that may be left out.
    pub(super) fn sched_or_always(&mut self, schedule: Option<&ast::Schedule>) -> Option<Sched> {
        match schedule {
            None => Some(Sched::Always),
            Some(schedule) => self.sched(schedule),
        }
    }

    fn sched_in(&mut self, schedule: &ast::Schedule, depth: u32) -> Option<Sched> {
        match &schedule.kind {
            ScheduleKind::Always => Some(Sched::Always),
            ScheduleKind::Name(name) => self.named_schedule(name, depth),
            ScheduleKind::Window { days, times } => self.daily(days.as_ref(), times.as_ref(), depth),
            ScheduleKind::Dated(from, to) => {
                let (from, to) = (self.instant(from), self.instant(to));
                let (from, to) = (from?, to?);
                if !self.is_before(from, to) {
                    let finding = Diagnostic::error(
                        codes::REVERSED_RANGE,
                        schedule.span,
                        "this ends before it begins".to_owned(),
                    );
                    self.push(finding.help("write the earlier instant first"));
                    return None;
                }
                Some(Sched::Dated(from, to))
            }
            ScheduleKind::And(all) => self.scheds(all, depth).map(Sched::And),
            ScheduleKind::Or(any) => self.scheds(any, depth).map(Sched::Or),
            ScheduleKind::Except(all) => {
                let mut parts = self.scheds(all, depth)?.into_iter();
                let first = parts.next()?;
                Some(parts.fold(first, |sum, part| Sched::Except(Box::new(sum), Box::new(part))))
            }
            ScheduleKind::Not(inner) => Some(Sched::Not(Box::new(self.sched_in(inner, depth)?))),
        }
    }

    fn scheds(&mut self, all: &[ast::Schedule], depth: u32) -> Option<Vec<Sched>> {
        let parts: Vec<Option<Sched>> = all.iter().map(|one| self.sched_in(one, depth)).collect();
        parts.into_iter().collect()
    }

    fn named_schedule(&mut self, name: &ast::Name, depth: u32) -> Option<Sched> {
        match self.names.find(name) {
            Some((Entity::Schedule(index), parts)) if parts == name.parts.len() => {
                self.schedule_at(index, depth).map(Sched::Named)
            }
            Some((Entity::Broken, _)) => None,
            Some((other, _)) => {
                self.wrong_kind(name, other, "a schedule");
                None
            }
            None => {
                let word = name.text();
                self.unknown(&word, name.span, "the schedule");
                None
            }
        }
    }

    fn daily(
        &mut self,
        days: Option<&ast::Days>,
        times: Option<&ast::TimeRange>,
        depth: u32,
    ) -> Option<Sched> {
        let window = times.map(|times| self.times(times));
        let days = match days {
            Some(ast::Days::Name(name)) => {
                let named = self.named_schedule(name, depth);
                return match window {
                    None => named,
                    Some(window) => {
                        let (named, (from, to)) = (named?, window?);
                        self.window_on(&named, from, to, name.span)
                    }
                };
            }
            Some(days) => self.days(days),
            None => Some(Days::Daily),
        };
        match window {
            None => days.map(Sched::Days),
            Some(window) => {
                let (days, (from, to)) = (days?, window?);
                Some(Sched::Window { days, from, to })
            }
        }
    }

    /// A window on days that a schedule names. Windows of different days do not meet, so the window
    /// distributes over `and`, `or`, `except` and `not`.
    pub(super) fn window_on(
        &mut self,
        days: &Sched,
        from: ClockEdge,
        to: ClockEdge,
        span: Span,
    ) -> Option<Sched> {
        let mut both = |parts: &[Sched]| -> Option<Vec<Sched>> {
            parts.iter().map(|part| self.window_on(part, from, to, span)).collect()
        };
        match days {
            Sched::Always => Some(Sched::Window { days: Days::Daily, from, to }),
            Sched::Days(days) => Some(Sched::Window { days: days.clone(), from, to }),
            Sched::And(parts) => both(parts).map(Sched::And),
            Sched::Or(parts) => both(parts).map(Sched::Or),
            Sched::Except(a, b) => {
                let (a, b) = (self.window_on(a, from, to, span)?, self.window_on(b, from, to, span)?);
                Some(Sched::Except(Box::new(a), Box::new(b)))
            }
            Sched::Not(inner) => {
                let all = Sched::Window { days: Days::Daily, from, to };
                let inner = self.window_on(inner, from, to, span)?;
                Some(Sched::Except(Box::new(all), Box::new(inner)))
            }
            Sched::Named(id) => {
                let inner = self.site.schedules.get(id.index()).map(|s| s.sched.clone())?;
                self.window_on(&inner, from, to, span)
            }
            Sched::Window { .. } | Sched::Dated(..) => {
                let text = self.text(span);
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    span,
                    format!("`{text}` is not a schedule of whole days, so no time can follow it"),
                );
                self.push(finding.help(format!("write `{text} and ..`")));
                None
            }
        }
    }

    fn days(&mut self, days: &ast::Days) -> Option<Days> {
        match days {
            ast::Days::Daily(_) => Some(Days::Daily),
            ast::Days::Weekdays(_) => Some(Days::Week(0b001_1111)),
            ast::Days::Weekends(_) => Some(Days::Week(0b110_0000)),
            ast::Days::Holidays(span) => {
                if self.site.holidays.is_empty() && self.site_holidays_missing() {
                    let finding = Diagnostic::error(
                        codes::MISSING_PROPERTY,
                        *span,
                        "the site lists no holidays".to_owned(),
                    );
                    self.push(finding.help("add `holidays \"data/holidays.csv\"` to the `site` statement"));
                    return None;
                }
                Some(Days::Holidays)
            }
            ast::Days::Week(parts, _) => {
                let mut mask = 0_u8;
                for (first, last) in parts {
                    let (mut day, end) = (*first as u8, *last as u8);
                    loop {
                        mask |= 1 << day;
                        if day == end {
                            break;
                        }
                        day = (day + 1) % 7;
                    }
                }
                Some(Days::Week(mask))
            }
            ast::Days::Months(first, last, _) => {
                // a leap year's February, so that Feb 29 belongs to the month
                let end = days_in_month(2024, last.0);
                Some(Days::Yearly(
                    MonthDay { month: i8::try_from(first.0).ok()?, day: 1 },
                    MonthDay { month: i8::try_from(last.0).ok()?, day: i8::try_from(end).ok()? },
                ))
            }
            ast::Days::Year(first, last, _) => {
                let (first, last) = (self.month_day(first), self.month_day(last));
                Some(Days::Yearly(first?, last?))
            }
            ast::Days::Dates(first, last, span) => {
                let (first, last) = (self.date(first), self.date(last));
                let (first, last) = (first?, last?);
                if first > last {
                    let finding = Diagnostic::error(
                        codes::REVERSED_RANGE,
                        *span,
                        format!("the range ends on {last}, before it begins on {first}"),
                    );
                    self.push(finding.help("write the earlier date first"));
                    return None;
                }
                Some(Days::Dates(first, last))
            }
            ast::Days::Name(_) => None,
        }
    }

    fn times(&mut self, times: &ast::TimeRange) -> Option<(ClockEdge, ClockEdge)> {
        let (from, to) = (self.edge(&times.start), self.edge(&times.end));
        let (from, to) = (from?, to?);
        if from == to {
            let finding = Diagnostic::error(
                codes::REVERSED_RANGE,
                times.span,
                "a window with equal ends is empty or a whole day".to_owned(),
            );
            self.push(finding.help("for the whole day write `00:00..24:00`, or leave the time out"));
            return None;
        }
        if from == ClockEdge::At(86_400) {
            let finding = Diagnostic::error(
                codes::IMPOSSIBLE_LITERAL,
                times.start.span(),
                "a window cannot begin at 24:00".to_owned(),
            );
            self.push(finding.help("write `00:00` of the next day"));
            return None;
        }
        Some((from, to))
    }

    fn edge(&mut self, point: &TimePoint) -> Option<ClockEdge> {
        match point {
            TimePoint::Clock(time) => self.time(time).map(ClockEdge::At),
            TimePoint::Sunrise(offset, span) => {
                self.sun_offset(offset.as_ref(), *span).map(ClockEdge::Sunrise)
            }
            TimePoint::Sunset(offset, span) => self.sun_offset(offset.as_ref(), *span).map(ClockEdge::Sunset),
        }
    }

    fn sun_offset(&mut self, offset: Option<&(ast::Sign, ast::Quantity)>, span: Span) -> Option<i32> {
        if self.site.location.is_none() && self.site_location_missing() {
            let finding = Diagnostic::error(
                codes::MISSING_PROPERTY,
                span,
                "sunrise and sunset need the site's location".to_owned(),
            );
            self.push(finding.help("add, for example, `location 42.36 N 71.05 W` to the `site` statement"));
            return None;
        }
        let Some((sign, quantity)) = offset else { return Some(0) };
        let value = self.quantity_of(quantity, Type::Duration)?;
        let seconds = value.to_i64().and_then(|n| i32::try_from(n).ok()).filter(|n| (0..=43_200).contains(n));
        let Some(seconds) = seconds else {
            self.error_help(
                codes::IMPOSSIBLE_LITERAL,
                quantity.span,
                "an offset from sunrise or sunset is a whole number of seconds up to 12 h".to_owned(),
                "write, for example, `sunset + 30 min`",
            );
            return None;
        };
        Some(if *sign == ast::Sign::Minus { -seconds } else { seconds })
    }
}
