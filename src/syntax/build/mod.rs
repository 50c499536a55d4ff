//! Turns what the grammar read into the tree.
//!
//! Every function takes a pair of the rule in its name and gives `None` only where the grammar and
//! this room disagree about the shape of a rule, which [`super::parse`] reports as a defect of evl.

mod authority;
mod expr;
mod item;
mod literal;
mod property;
mod rule;
mod schedule;
mod test;

use pest::iterators::Pair;

pub(super) use super::grammar::Rule;
use super::scan::offset;
use crate::diag::{Diagnostic, SourceId, Span};

/// A piece of text that a rule of the grammar matched.
pub(super) type Piece<'t> = Pair<'t, Rule>;

/// Builds the tree of one statement.
pub(super) struct Builder {
    /// the text
    pub(super) source: SourceId,
    /// where the slice that was read begins in the text
    pub(super) base: usize,
    /// what is wrong beyond the grammar
    pub(super) findings: Vec<Diagnostic>,
}

impl Builder {
    /// For a slice of a text that begins at `base`.
    pub(super) const fn new(source: SourceId, base: usize) -> Self {
        Self { source, base, findings: Vec::new() }
    }

    /// The place of a piece, without the white space that follows it.
    fn span(&self, piece: &Piece<'_>) -> Span {
        let span = piece.as_span();
        let len = piece.as_str().trim_end_matches([' ', '\t', '\r', '\n', '\u{1}']).len();
        let start = self.base + span.start();
        Span::new(self.source, offset(start), offset(start + len))
    }
}

/// The parts of a piece that carry meaning by themselves: punctuation is left out.
fn parts<'t>(piece: Piece<'t>) -> impl Iterator<Item = Piece<'t>> {
    piece.into_inner().filter(|part| {
        !matches!(
            part.as_rule(),
            Rule::lb
                | Rule::rb
                | Rule::lp
                | Rule::rp
                | Rule::dots
                | Rule::colon
                | Rule::eq
                | Rule::times_sign
                | Rule::comma
                | Rule::separator
                | Rule::EOI
        )
    })
}

/// A list without spare room: trees are kept for the whole run and most lists have one entry.
pub(in crate::syntax) fn packed<T>(mut list: Vec<T>) -> Vec<T> {
    list.shrink_to_fit();
    list
}

/// The only, or first, part of a piece.
fn first(piece: Piece<'_>) -> Option<Piece<'_>> {
    parts(piece).next()
}
