//! From text to tree and back: the reader and the formatter.
//!
//! Reading is total: whatever the text, it gives a tree and findings, in time linear in the text's
//! length. `scan` cuts the text into statements, the grammar (`grammar/evl.pest`) reads each by
//! itself, `build` makes the tree, and `report` says what went wrong in the words of the language.

mod build;
mod characters;
mod format;
mod grammar;
mod report;
mod scan;
mod words;

pub use format::{Formatted, budget, effect, format};

use std::collections::BTreeMap;

use pest::Parser as _;

use crate::ast::{
    Admit, Broken, Declaration, File, Ident, IndexRange, Item, ItemKind, Keyword, Module, Number,
};
use crate::diag::{Diagnostic, Severity, SourceId, Span, codes};
use build::{Builder, Piece, packed};
use grammar::{Grammar, Rule};
use scan::{Chunk, offset};

/// Most findings that are shown for one text.
const MAX_FINDINGS: usize = 100;
/// Most entries of one list that are reported.
const MAX_FAILURES: usize = 20;
/// Longest statement, or entry of a list, in bytes.
const MAX_STATEMENT: usize = 256 * 1024;

/// Reads a policy text.
///
/// Every statement that can be read is in the tree; of the others the name is kept, if it has one.
/// The findings are in the order of the text, at most a hundred and a count of the rest.
#[must_use]
pub fn parse(source: SourceId, text: &str) -> (File, Vec<Diagnostic>) {
    let cut = scan::scan(source, text);
    let mut reader = Reader { source, clean: &cut.clean, modules: &cut.modules, findings: cut.findings };
    let items = cut.chunks.iter().map(|chunk| reader.item(*chunk)).collect();
    let findings = tidy(source, reader.findings);
    (File { source, items, comments: cut.comments }, findings)
}

/// Whether a word can be the name of something: a letter or `_`, then letters, digits and `_`, and
/// no word that the grammar keeps for itself.
#[must_use]
pub fn is_name(word: &str) -> bool {
    Grammar::parse(Rule::ident, word)
        .is_ok_and(|mut found| found.next().is_some_and(|piece| piece.as_str() == word))
}

/// Whether a word behind a plain number would be read as its unit.
fn could_be_unit(word: &str) -> bool {
    Grammar::parse(Rule::unit, word).is_ok()
}

fn tidy(source: SourceId, mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by_key(|finding| finding.span().map(|span| span.start));
    if findings.len() > MAX_FINDINGS {
        let rest = findings.len() - MAX_FINDINGS;
        let place = findings.get(MAX_FINDINGS).and_then(Diagnostic::span).unwrap_or(Span::file(source));
        findings.truncate(MAX_FINDINGS);
        let message = format!("{rest} more syntax errors follow");
        findings.push(
            Diagnostic::new(codes::MANY_ERRORS, Severity::Error, place, message)
                .help("mend the first ones and run again"),
        );
    }
    findings
}

/// Reads the statements that `scan` has cut.
struct Reader<'t> {
    source: SourceId,
    clean: &'t str,
    modules: &'t BTreeMap<usize, Vec<Chunk>>,
    findings: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    fn item(&mut self, chunk: Chunk) -> Item {
        let span = Span::new(self.source, offset(chunk.start), offset(chunk.end));
        let kind = if chunk.flawed { None } else { self.kind(chunk) };
        let kind = kind.unwrap_or_else(|| ItemKind::Broken(self.broken(chunk)));
        Item { kind, span }
    }

    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.clean.get(start..end).unwrap_or("")
    }

    fn kind(&mut self, chunk: Chunk) -> Option<ItemKind> {
        let text = self.slice(chunk.start, chunk.end);
        let len = text.bytes().take_while(|byte| scan::is_word(*byte)).count();
        let word = text.get(..len).unwrap_or("");
        let rule = match word {
            "admit" => return self.admit(chunk),
            "module" => return self.module(chunk),
            "rule" => Rule::rule_item,
            "test" => Rule::test_item,
            "permit" | "forbid" => Rule::permission_item,
            "edition" => Rule::edition_item,
            "import" => Rule::import_item,
            "use" => Rule::use_item,
            "priorities" => Rule::priorities_item,
            "role" => Rule::role_item,
            "group" => Rule::group_item,
            "schedule" => Rule::schedule_item,
            "assume" => Rule::assume_item,
            "mode" => Rule::mode_item,
            "budget" => Rule::budget_item,
            "prove" => Rule::prove_item,
            "conform" => Rule::conform_item,
            "objective" => Rule::objective_item,
            "decide" => Rule::decide_item,
            _ => match Keyword::ALL.into_iter().find(|keyword| keyword.word() == word) {
                Some(keyword) => return self.declaration(keyword, chunk),
                None => {
                    self.findings.push(report::no_statement(self.source, chunk.start, text, word));
                    return None;
                }
            },
        };
        self.read(rule, chunk.start, chunk.end, Builder::item)
    }

    /// Reads one piece of text by a rule that covers it to its end.
    fn read<T>(
        &mut self,
        rule: Rule,
        start: usize,
        end: usize,
        build: impl FnOnce(&mut Builder, Piece<'t>) -> Option<T>,
    ) -> Option<T> {
        self.read_prefix(rule, start, end, end, build).ok().map(|(value, _)| value)
    }

    /// Reads as much as the rule takes; gives the value and where it ends, or where reading failed.
    /// `line` is where the piece ends at the latest if it is no longer than one entry.
    fn read_prefix<T>(
        &mut self,
        rule: Rule,
        start: usize,
        end: usize,
        entry_end: usize,
        build: impl FnOnce(&mut Builder, Piece<'t>) -> Option<T>,
    ) -> Result<(T, usize), usize> {
        let text = self.slice(start, end);
        if entry_end - start > MAX_STATEMENT {
            let span = Span::new(self.source, offset(start), offset(start + 1));
            let message = format!("this is longer than {} KiB", MAX_STATEMENT / 1024);
            self.findings.push(Diagnostic::error(codes::LONG_STATEMENT, span, message).help("split it"));
            return Err(entry_end);
        }
        let piece = match Grammar::parse(rule, text) {
            Ok(mut pieces) => pieces.next(),
            Err(error) => {
                let (finding, at) = report::rewrite(self.source, start, text, rule, &error);
                self.findings.push(finding);
                return Err(start + at);
            }
        };
        let mut builder = Builder::new(self.source, start);
        let (built, len) = match piece {
            None => (None, 0),
            Some(piece) => {
                let len = piece.as_span().end();
                (build(&mut builder, piece), len)
            }
        };
        let sound = builder.findings.is_empty();
        self.findings.append(&mut builder.findings);
        match built {
            Some(value) if sound => Ok((value, start + len)),
            Some(_) => Err(start + len),
            None => {
                let span = Span::new(self.source, offset(start), offset(start + text.len().min(1)));
                self.findings.push(
                    Diagnostic::error(
                        codes::INTERNAL,
                        span,
                        "the grammar and the reader disagree about this statement",
                    )
                    .help("please report it"),
                );
                Err(entry_end)
            }
        }
    }

    fn declaration(&mut self, keyword: Keyword, chunk: Chunk) -> Option<ItemKind> {
        let head_end = chunk.body.map_or(chunk.end, |(open, _)| open - 1);
        let head = self.read(Rule::declaration_head, chunk.start, head_end, Builder::head)?;
        if head.name.is_none() && keyword != Keyword::Weather {
            let message = format!("this `{}` has no name", keyword.word());
            let help = format!("name it: `{} NAME {{ .. }}`", keyword.word());
            self.findings.push(Diagnostic::error(codes::SYNTAX, head.keyword.span, message).help(help));
            return None;
        }
        let mut properties = Vec::new();
        let mut complete = self.nothing_behind(chunk);
        if let Some((start, end)) = chunk.body {
            complete &= self.entries(start, end, Rule::property_entry, |builder, piece| {
                let inner = piece.into_inner().next()?;
                builder.property(inner).map(|property| properties.push(property))
            });
        }
        Some(ItemKind::Declaration(Declaration {
            keyword,
            keyword_span: head.keyword.span,
            name: head.name,
            array: head.array,
            kind: head.kind,
            properties: packed(properties),
            complete,
        }))
    }

    fn admit(&mut self, chunk: Chunk) -> Option<ItemKind> {
        let Some((start, end)) = chunk.body else {
            self.findings.push(report::wants_body(self.source, chunk.start, chunk.end, "admit"));
            return None;
        };
        let head = self.slice(chunk.start + "admit".len(), start - 1);
        if !head.trim().is_empty() {
            self.findings.push(report::unexpected(self.source, chunk.start + "admit".len(), head, "`{`"));
            return None;
        }
        let mut admissions = Vec::new();
        let mut complete = self.nothing_behind(chunk);
        complete &= self.entries(start, end, Rule::admission_entry, |builder, piece| {
            let inner = piece.into_inner().next()?;
            builder.admission(inner).map(|admission| admissions.push(admission))
        });
        Some(ItemKind::Admit(Admit { admissions, complete }))
    }

    fn module(&mut self, chunk: Chunk) -> Option<ItemKind> {
        let Some((start, _)) = chunk.body else {
            self.findings.push(report::wants_body(self.source, chunk.start, chunk.end, "module"));
            return None;
        };
        let head = self.read(Rule::module_head, chunk.start, start - 1, Builder::module_head);
        let chunks = self.modules.get(&chunk.start).map_or(&[][..], Vec::as_slice);
        let items = chunks.iter().map(|inner| self.item(*inner)).collect();
        let sound = self.nothing_behind(chunk);
        let head = head.filter(|_| sound)?;
        Some(ItemKind::Module(Module { name: head.name, parameters: head.parameters, items }))
    }

    /// Reads the entries of a list one by one; false where one could not be read.
    fn entries(
        &mut self,
        start: usize,
        end: usize,
        rule: Rule,
        mut build: impl FnMut(&mut Builder, Piece<'t>) -> Option<()>,
    ) -> bool {
        let (mut sound, mut failures) = (true, 0);
        let mut at = start;
        loop {
            let rest = self.slice(at, end);
            let skipped = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', '\u{1}']);
            at = end - skipped.len();
            if skipped.is_empty() {
                return sound;
            }
            let entry_end = end_of_entry(skipped, 0) + at;
            at = match self.read_prefix(rule, at, end, entry_end, &mut build) {
                Ok(((), after)) => after.max(at + 1),
                Err(failed) => {
                    sound = false;
                    failures += 1;
                    if failures >= MAX_FAILURES {
                        return false;
                    }
                    at + end_of_entry(skipped, failed.saturating_sub(at))
                }
            };
        }
    }

    /// Whether a statement ends with its braces.
    fn nothing_behind(&mut self, chunk: Chunk) -> bool {
        let Some((_, close)) = chunk.body else { return true };
        let behind = self.slice(close + 1, chunk.end);
        if behind.trim().is_empty() {
            return true;
        }
        self.findings.push(report::unexpected(self.source, close + 1, behind, "the end of the statement"));
        false
    }

    /// What can still be said of a statement that could not be read.
    fn broken(&self, chunk: Chunk) -> Broken {
        let text = self.slice(chunk.start, chunk.end);
        let mut broken = Broken { keyword: None, name: None, array: None, kind: None };
        let mut at = 0;
        broken.keyword = self.word(chunk.start, text, &mut at);
        if broken.keyword.is_none() {
            return broken;
        }
        broken.name = self.word(chunk.start, text, &mut at);
        if broken.name.is_some() {
            broken.array = self.array(chunk.start, text, &mut at);
            let rest = text.get(at..).unwrap_or("");
            if let Some(behind) = rest.trim_start().strip_prefix(':') {
                at = text.len() - behind.len();
                broken.kind = self.word(chunk.start, text, &mut at);
            }
        }
        broken
    }

    fn word(&self, base: usize, text: &str, at: &mut usize) -> Option<Ident> {
        let rest = text.get(*at..)?;
        let word_at = *at + rest.len() - rest.trim_start().len();
        let word = text.get(word_at..)?;
        let len = word.bytes().take_while(|byte| scan::is_word(*byte)).count();
        let word = word.get(..len).filter(|word| word.starts_with(|c: char| !c.is_ascii_digit()))?;
        *at = word_at + len;
        let start = base + word_at;
        Some(Ident {
            text: word.to_owned(),
            span: Span::new(self.source, offset(start), offset(start + len)),
        })
    }

    fn array(&self, base: usize, text: &str, at: &mut usize) -> Option<IndexRange> {
        let inside = text.get(*at..)?.strip_prefix('[')?;
        let len = inside.find(']')?;
        let (first, last) = inside.get(..len)?.split_once("..")?;
        let digits =
            |end: &str| !end.is_empty() && end.len() <= 40 && end.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(first) || !digits(last) {
            return None;
        }
        let start = base + *at;
        *at += len + 2;
        let span = Span::new(self.source, offset(start), offset(base + *at));
        let number = |end: &str| Number { text: end.to_owned(), span };
        Some(IndexRange { first: number(first), last: number(last), span })
    }
}

/// The first place from `from` on that divides entries and lies outside brackets and quotes.
fn end_of_entry(text: &str, from: usize) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            b',' | scan::SEPARATOR if depth == 0 && at >= from => return at,
            _ => {}
        }
    }
    text.len()
}
