//! Names and literals.

use super::{Builder, Piece, Rule, packed, parts};
use crate::ast::{
    Date, Ident, Index, IndexRange, Instant, Name, Number, Offset, Part, Quantity, Text, TimeOfDay, Unit,
    Weekday,
};

impl Builder {
    pub(super) fn ident(&self, piece: &Piece<'_>) -> Ident {
        Ident { text: piece.as_str().to_owned(), span: self.span(piece) }
    }

    pub(super) fn name(&self, piece: Piece<'_>) -> Option<Name> {
        let span = self.span(&piece);
        let mut found: Vec<Part> = Vec::new();
        for part in parts(piece) {
            match part.as_rule() {
                Rule::index => found.last_mut()?.index = Some(self.index(part)?),
                _ => found.push(Part { ident: self.ident(&part), index: None }),
            }
        }
        (!found.is_empty()).then(|| Name { parts: packed(found), span })
    }

    pub(super) fn index(&self, piece: Piece<'_>) -> Option<Index> {
        let span = self.span(&piece);
        let mut ends = parts(piece).map(|end| self.number(&end));
        let first = ends.next()?;
        Some(match ends.next() {
            None => Index::One(first),
            Some(last) => Index::Range(IndexRange { first, last, span }),
        })
    }

    pub(super) fn number(&self, piece: &Piece<'_>) -> Number {
        Number { text: piece.as_str().to_owned(), span: self.span(piece) }
    }

    pub(super) fn quantity(&self, piece: Piece<'_>) -> Option<Quantity> {
        let span = self.span(&piece);
        let mut inner = parts(piece);
        let number = self.number(&inner.next()?);
        let unit = inner.next().map(|unit| Unit { text: unit.as_str().to_owned(), span: self.span(&unit) });
        Some(Quantity { number, unit, span })
    }

    pub(super) fn text(&self, piece: &Piece<'_>) -> Option<Text> {
        let quoted = piece.as_str().strip_prefix('"')?.strip_suffix('"')?;
        let mut value = String::with_capacity(quoted.len());
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            value.push(if c == '\\' { chars.next()? } else { c });
        }
        Some(Text { value, span: self.span(piece) })
    }

    pub(super) fn date(&self, piece: &Piece<'_>) -> Option<Date> {
        let mut numbers = piece.as_str().split('-');
        let year = numbers.next()?.parse().ok()?;
        let month = numbers.next()?.parse().ok()?;
        let day = numbers.next()?.parse().ok()?;
        Some(Date { year, month, day, span: self.span(piece) })
    }

    pub(super) fn time(&self, piece: &Piece<'_>) -> Option<TimeOfDay> {
        let mut numbers = piece.as_str().split(':');
        let hour = numbers.next()?.parse().ok()?;
        let minute = numbers.next()?.parse().ok()?;
        let second = numbers.next().map(str::parse).transpose().ok()?;
        Some(TimeOfDay { hour, minute, second, span: self.span(piece) })
    }

    pub(super) fn offset(&self, piece: &Piece<'_>) -> Option<Offset> {
        let text = piece.as_str();
        let minutes = match text.strip_prefix(['+', '-']) {
            None => 0,
            Some(rest) => {
                let (hours, minutes) = rest.split_once(':')?;
                let ahead = hours.parse::<i16>().ok()? * 60 + minutes.parse::<i16>().ok()?;
                if text.starts_with('-') { -ahead } else { ahead }
            }
        };
        Some(Offset { minutes, span: self.span(piece) })
    }

    pub(super) fn weekday(piece: &Piece<'_>) -> Option<Weekday> {
        Weekday::ALL.into_iter().find(|day| day.word() == piece.as_str())
    }

    pub(super) fn instant(&self, piece: Piece<'_>) -> Option<Instant> {
        let span = self.span(&piece);
        let (mut weekday, mut date, mut time, mut offset, mut second) = (None, None, None, None, false);
        for part in parts(piece) {
            match part.as_rule() {
                Rule::weekday => weekday = Some(Self::weekday(&part)?),
                Rule::date => date = Some(self.date(&part)?),
                Rule::time => time = Some(self.time(&part)?),
                Rule::offset => offset = Some(self.offset(&part)?),
                _ => second = true,
            }
        }
        Some(Instant { weekday, date: date?, time: time?, offset, second, span })
    }
}
