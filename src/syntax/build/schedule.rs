//! Schedules.

use super::{Builder, Piece, Rule, first, packed, parts};
use crate::ast::{Days, Month, MonthDay, Schedule, ScheduleKind, TimePoint, TimeRange};

impl Builder {
    pub(super) fn schedule(&mut self, piece: Piece<'_>) -> Option<Schedule> {
        let span = self.span(&piece);
        let kind = match piece.as_rule() {
            Rule::schedule => return self.schedule_chain(piece, ScheduleKind::Or),
            Rule::and_schedule => return self.schedule_chain(piece, ScheduleKind::And),
            Rule::except_schedule => return self.schedule_chain(piece, ScheduleKind::Except),
            Rule::not_schedule => {
                let mut inner = parts(piece);
                let head = inner.next()?;
                if head.as_rule() != Rule::k_not {
                    return self.schedule(head);
                }
                ScheduleKind::Not(Box::new(self.schedule(inner.next()?)?))
            }
            Rule::schedule_paren => return self.schedule(first(piece)?),
            Rule::k_always => ScheduleKind::Always,
            Rule::k_daily => ScheduleKind::Window { days: Some(Days::Daily(span)), times: None },
            Rule::dated => {
                let mut ends = parts(piece);
                let start = self.instant(ends.next()?)?;
                ScheduleKind::Dated(start, self.instant(ends.next()?)?)
            }
            Rule::named_schedule => {
                let mut inner = parts(piece);
                let name = self.name(inner.next()?)?;
                match inner.next() {
                    None => ScheduleKind::Name(name),
                    Some(times) => {
                        ScheduleKind::Window { days: Some(Days::Name(name)), times: Some(self.times(times)?) }
                    }
                }
            }
            Rule::window => {
                let (mut days, mut times) = (None, None);
                for part in parts(piece) {
                    if part.as_rule() == Rule::times {
                        times = Some(self.times(part)?);
                    } else {
                        days = Some(self.days(part)?);
                    }
                }
                ScheduleKind::Window { days, times }
            }
            _ => return None,
        };
        Some(Schedule { kind, span })
    }

    fn schedule_chain(
        &mut self,
        piece: Piece<'_>,
        make: fn(Vec<Schedule>) -> ScheduleKind,
    ) -> Option<Schedule> {
        let span = self.span(&piece);
        let mut links = Vec::new();
        for part in parts(piece) {
            if !matches!(part.as_rule(), Rule::k_and | Rule::k_or | Rule::k_except) {
                links.push(self.schedule(part)?);
            }
        }
        if links.len() == 1 { links.pop() } else { Some(Schedule { kind: make(packed(links)), span }) }
    }

    fn days(&mut self, piece: Piece<'_>) -> Option<Days> {
        let span = self.span(&piece);
        Some(match piece.as_rule() {
            Rule::k_daily => Days::Daily(span),
            Rule::k_weekdays => Days::Weekdays(span),
            Rule::k_weekends => Days::Weekends(span),
            Rule::k_holidays => Days::Holidays(span),
            Rule::week => {
                let mut found = Vec::new();
                for part in parts(piece) {
                    let mut ends = parts(part).map(|day| Self::weekday(&day));
                    let first = ends.next()??;
                    found.push((first, ends.next().unwrap_or(Some(first))?));
                }
                Days::Week(found, span)
            }
            Rule::months => {
                let mut ends = parts(piece).map(|month| Self::month(&month));
                let first = ends.next()??;
                Days::Months(first, ends.next().unwrap_or(Some(first))?, span)
            }
            Rule::year_days => {
                let mut ends = parts(piece).map(|day| self.month_day(day));
                let first = ends.next()??;
                Days::Year(first, ends.next().unwrap_or(Some(first))?, span)
            }
            Rule::dates => {
                let mut ends = parts(piece).map(|date| self.date(&date));
                let first = ends.next()??;
                Days::Dates(first, ends.next().unwrap_or(Some(first))?, span)
            }
            _ => return None,
        })
    }

    fn month(piece: &Piece<'_>) -> Option<Month> {
        let at = Month::WORDS.iter().position(|word| *word == piece.as_str())?;
        u8::try_from(at + 1).ok().map(Month)
    }

    fn month_day(&self, piece: Piece<'_>) -> Option<MonthDay> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let month = Self::month(&inner.next()?)?;
        Some(MonthDay { month, day: inner.next()?.as_str().parse().ok()?, span })
    }

    fn times(&mut self, piece: Piece<'_>) -> Option<TimeRange> {
        let span = self.span(&piece);
        let mut ends = parts(piece);
        let start = self.time_point(ends.next()?)?;
        Some(TimeRange { start, end: self.time_point(ends.next()?)?, span })
    }

    fn time_point(&mut self, piece: Piece<'_>) -> Option<TimePoint> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let head = inner.next()?;
        if head.as_rule() == Rule::time {
            return Some(TimePoint::Clock(self.time(&head)?));
        }
        let shift = match inner.next() {
            None => None,
            Some(op) => Some((Self::sign(&op), self.quantity(inner.next()?)?)),
        };
        Some(match head.as_rule() {
            Rule::k_sunrise => TimePoint::Sunrise(shift, span),
            _ => TimePoint::Sunset(shift, span),
        })
    }
}
