//! Cuts a text into top-level statements without reading them: one pass over the bytes that knows
//! comments, quotes and brackets, so that an error in one statement spoils only that one.
//!
//! It also makes the *clean* copy that the grammar reads: same length, so places agree, with
//! comments blanked and [`SEPARATOR`] where a line end divides the entries of a list.

use std::collections::BTreeMap;

use super::{characters, words};
use crate::ast::Comment;
use crate::diag::{Diagnostic, SourceId, Span, codes, is_harmful};

/// Stands in the clean copy where a line end divides two entries.
pub(super) const SEPARATOR: u8 = 1;
/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 24;
/// Most digits of a number.
const MAX_DIGITS: usize = 40;
/// Most letters of a name.
const MAX_NAME: usize = 128;

/// One statement, not yet read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// first byte
    pub(super) start: usize,
    /// byte after the last, white space trimmed
    pub(super) end: usize,
    /// the inside of its first braces
    pub(super) body: Option<(usize, usize)>,
    /// whether it is a module, whose inside holds statements
    pub(super) module: bool,
    /// whether a finding was made, so that reading it makes no sense
    pub(super) flawed: bool,
}

/// What a pass over a text gives.
pub(super) struct Scan {
    /// the copy that the grammar reads
    pub(super) clean: String,
    /// the statements, in order
    pub(super) chunks: Vec<Chunk>,
    /// the comments, in order
    pub(super) comments: Vec<Comment>,
    /// the statements inside modules, by the first byte of the module
    pub(super) modules: BTreeMap<usize, Vec<Chunk>>,
    /// what is wrong with characters and brackets
    pub(super) findings: Vec<Diagnostic>,
}

/// Cuts a whole text.
pub(super) fn scan(source: SourceId, text: &str) -> Scan {
    if let Some(finding) = lone_return(source, text) {
        let (clean, chunks, comments, modules) = (String::new(), Vec::new(), Vec::new(), BTreeMap::new());
        return Scan { clean, chunks, comments, modules, findings: vec![finding] };
    }
    let mut clean = text.as_bytes().to_vec();
    let mut scanner = Scanner::new(source, text, &mut clean, (0, text.len()), false);
    scanner.run();
    let Scanner { chunks, comments, mut findings, .. } = scanner;
    let mut modules = BTreeMap::new();
    for chunk in chunks.iter().filter(|chunk| chunk.module && !chunk.flawed) {
        if let Some(body) = chunk.body {
            let mut scanner = Scanner::new(source, text, &mut clean, body, true);
            scanner.run();
            findings.append(&mut scanner.findings);
            modules.insert(chunk.start, scanner.chunks);
        }
    }
    // only ASCII bytes were written over whole comments or line ends, so this stays UTF-8
    let clean = String::from_utf8(clean).unwrap_or_default();
    Scan { clean, chunks, comments, modules, findings }
}

/// A carriage return without a line feed, by which some programs see a line end and others none: a
/// rule could stand in what a reviewer takes for a comment, or the other way round.
fn lone_return(source: SourceId, text: &str) -> Option<Diagnostic> {
    let bytes = text.as_bytes();
    let mut returns = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\r');
    let (at, _) = returns.find(|(at, _)| bytes.get(at + 1) != Some(&b'\n'))?;
    let span = Span::new(source, offset(at), offset(at + 1));
    Some(
        Diagnostic::error(codes::BAD_CHARACTER, span, "a carriage return without a line feed")
            .help("save the file with line feeds as line ends"),
    )
}

struct Scanner<'t> {
    source: SourceId,
    text: &'t str,
    bytes: &'t [u8],
    clean: &'t mut Vec<u8>,
    at: usize,
    limit: usize,
    /// inside a module: comments are not collected again
    inner: bool,
    /// a brace was left open: from there on a statement at the margin ends the one before
    strict: bool,
    chunks: Vec<Chunk>,
    comments: Vec<Comment>,
    findings: Vec<Diagnostic>,
}

/// The statement being cut.
struct Open {
    start: usize,
    /// open brackets with their places; those beyond the depth cap are only counted
    stack: Vec<(u8, usize)>,
    beyond: usize,
    list: bool,
    module: bool,
    flawed: bool,
    body: Option<(usize, Option<usize>)>,
    last: u8,
}

/// What a stretch of blanks, comments and line ends was.
struct Gap {
    first_newline: Option<usize>,
    margin: bool,
}

impl<'t> Scanner<'t> {
    fn new(
        source: SourceId,
        text: &'t str,
        clean: &'t mut Vec<u8>,
        (at, limit): (usize, usize),
        inner: bool,
    ) -> Self {
        let (chunks, comments, findings) = (Vec::new(), Vec::new(), Vec::new());
        let bytes = text.as_bytes();
        Self { source, text, bytes, clean, at, limit, inner, strict: false, chunks, comments, findings }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        if at < self.limit { self.bytes.get(at).copied() } else { None }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, offset(start), offset(end))
    }

    fn word_at(&self, at: usize) -> &'t str {
        let rest = self.bytes.get(at..self.limit).unwrap_or(&[]);
        let len = rest.iter().take_while(|byte| is_word(**byte)).count();
        self.text.get(at..at + len).unwrap_or("")
    }

    fn run(&mut self) {
        if self.at == 0 && self.text.starts_with('\u{FEFF}') {
            self.blank(0, 3);
            self.at = 3;
        }
        loop {
            self.gap();
            if self.byte(self.at).is_none() {
                return;
            }
            self.statement();
        }
    }

    /// Overwrites bytes of the clean copy with spaces.
    fn blank(&mut self, start: usize, end: usize) {
        if let Some(part) = self.clean.get_mut(start..end) {
            part.fill(b' ');
        }
    }

    /// Passes over blanks, line ends and comments.
    fn gap(&mut self) -> Gap {
        let first = self.text.get(..self.at).is_some_and(|head| head.is_empty() || head == "\u{FEFF}");
        let mut gap = Gap { first_newline: None, margin: first };
        let mut line_start = first;
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b'\n' => {
                    gap.first_newline.get_or_insert(self.at);
                    gap.margin = true;
                    line_start = true;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => {
                    gap.margin = false;
                    self.at += 1;
                }
                b'/' if self.byte(self.at + 1) == Some(b'/') => {
                    let rest = self.bytes.get(self.at..self.limit).unwrap_or(&[]);
                    let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    let end = self.at + len;
                    if !self.inner {
                        let text = self.text.get(self.at..end).unwrap_or("").trim_end().to_owned();
                        let own_line = line_start;
                        let span = self.span(self.at, self.at + text.len());
                        self.unseen(&text, span);
                        self.comments.push(Comment { text, own_line, span });
                    }
                    self.blank(self.at, end);
                    gap.margin = false;
                    self.at = end;
                }
                _ => break,
            }
        }
        gap
    }

    /// Reports characters in a comment that change how the lines around it are shown.
    fn unseen(&mut self, comment: &str, span: Span) {
        let plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
        if !comment.bytes().all(plain)
            && let Some((at, c)) = comment.char_indices().find(|(_, c)| is_harmful(*c))
        {
            let start = span.start.saturating_add(offset(at));
            let place = Span::new(self.source, start, start.saturating_add(offset(c.len_utf8())));
            let message = format!("an invisible character (U+{:04X}) in a comment", u32::from(c));
            self.findings.push(Diagnostic::error(codes::BAD_CHARACTER, place, message).help("remove it"));
        }
    }

    fn statement(&mut self) {
        let start = self.at;
        let comments = self.comments.len();
        let findings = self.findings.len();
        if self.try_statement() {
            return;
        }
        // a brace was left open: cut again, now ending statements where the next one begins
        self.strict = true;
        self.at = start;
        self.comments.truncate(comments);
        self.findings.truncate(findings);
        let original = self.bytes.get(start..self.limit).unwrap_or(&[]);
        if let Some(part) = self.clean.get_mut(start..self.limit) {
            part.copy_from_slice(original);
        }
        self.try_statement();
    }

    /// Cuts one statement; false (in the first attempt only) where a bracket is never closed.
    fn try_statement(&mut self) -> bool {
        let word = self.word_at(self.at);
        let mut open = Open {
            start: self.at,
            stack: Vec::new(),
            beyond: 0,
            list: words::holds_list(word),
            module: word == "module" && !self.inner,
            flawed: false,
            body: None,
            last: 0,
        };
        let mut end = self.at;
        loop {
            let before = self.at;
            let gap = self.gap();
            let Some(byte) = self.byte(self.at) else {
                let Some((bracket, place)) = open.stack.first().copied() else { break };
                if !self.strict {
                    return false;
                }
                self.unclosed(&mut open, bracket, place, None);
                break;
            };
            if before > open.start && gap.first_newline.is_some() && self.line_ends(&mut open, &gap) {
                self.close(open, end);
                return true;
            }
            let closed = open.body.is_some() && open.stack.is_empty() && open.last == b'}';
            if closed && words::is_statement(self.word_at(self.at)) {
                break;
            }
            self.token(&mut open, byte);
            end = self.at;
        }
        self.close(open, end);
        true
    }

    /// Decides at a line end: true where the statement ends there.
    fn line_ends(&mut self, open: &mut Open, gap: &Gap) -> bool {
        let next = self.byte(self.at).unwrap_or(0);
        let word = self.word_at(self.at);
        if open.stack.is_empty() {
            let operator = matches!(
                next,
                b'=' | b'|' | b'>' | b'<' | b'+' | b'*' | b'/' | b'{' | b'.' | b')' | b':' | b','
            );
            let after =
                matches!(open.last, b',' | b'=' | b'|' | b'>' | b'<' | b'+' | b'-' | b'*' | b'/' | b':');
            if open.last == b'}' {
                return !words::continues_statement(word);
            }
            if operator || words::continues_statement(word) {
                return false;
            }
            let begins = words::is_statement(word);
            return if gap.margin { begins || !after } else { begins && !after };
        }
        if self.strict && gap.margin && words::is_statement(word) && !open.module {
            if let Some((bracket, place)) = open.stack.first().copied() {
                self.unclosed(open, bracket, place, Some(word));
            }
            return true;
        }
        let in_list = open.list && open.stack.last().is_some_and(|(bracket, _)| *bracket == b'{');
        let operator = matches!(
            next,
            b',' | b'|' | b'>' | b'<' | b'=' | b'+' | b'*' | b'/' | b'{' | b'}' | b')' | b']' | b':' | b'.'
        );
        let after = matches!(
            open.last,
            b'{' | b',' | b'|' | b'>' | b'<' | b'=' | b'+' | b'-' | b'*' | b'/' | b':' | b'.'
        );
        let divides = in_list && !operator && !after && !words::continues_entry(word);
        let place = gap.first_newline.filter(|_| divides).and_then(|newline| self.clean.get_mut(newline));
        if let Some(byte) = place {
            *byte = SEPARATOR;
        }
        false
    }

    fn close(&mut self, open: Open, end: usize) {
        let body = open.body.and_then(|(start, close)| close.map(|close| (start, close)));
        self.chunks.push(Chunk { start: open.start, end, body, module: open.module, flawed: open.flawed });
    }

    /// Passes over one token.
    fn token(&mut self, open: &mut Open, byte: u8) {
        let start = self.at;
        self.at += 1;
        match byte {
            b'"' => self.text_literal(open, start),
            b'{' | b'(' | b'[' => self.open_bracket(open, byte, start),
            b'}' | b')' | b']' => self.close_bracket(open, byte, start),
            b'0'..=b'9' => self.number(open, start),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => self.word(open, start),
            0x21..=0x7E => {}
            _ => self.odd_character(open, start),
        }
        open.last = byte;
    }

    fn quiet(open: &Open) -> bool {
        // the inside of a module is cut once more; its findings are made then
        open.module && open.stack.iter().any(|(bracket, _)| *bracket == b'{')
    }

    fn flaw(&mut self, open: &mut Open, finding: Diagnostic) {
        // one finding a statement: what follows a bad quote or bracket is mostly its consequence
        if !Self::quiet(open) && !open.flawed {
            open.flawed = true;
            self.findings.push(finding);
        }
    }

    fn text_literal(&mut self, open: &mut Open, start: usize) {
        loop {
            match self.byte(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return;
                }
                Some(b'\\') if matches!(self.byte(self.at + 1), Some(b'"' | b'\\')) => self.at += 2,
                Some(b'\\') => {
                    let span = self.span(self.at, self.at + 1);
                    let finding = Diagnostic::error(codes::SYNTAX, span, "`\\` stands alone in a text")
                        .help("write `\\\\` for a backslash and `\\\"` for a quote");
                    self.flaw(open, finding);
                    self.at += 1;
                }
                Some(byte) if byte < 0x20 && byte != b'\t' && byte != b'\n' && byte != b'\r' => {
                    let at = self.at;
                    self.at += 1;
                    self.odd_character(open, at);
                }
                None | Some(b'\n') => {
                    let line = self.text.get(start..self.at).unwrap_or("").trim_end();
                    let span = self.span(start, start + line.len());
                    let finding = Diagnostic::error(codes::UNCLOSED, span, "this text has no closing quote")
                        .help("end it with `\"` on the same line");
                    self.flaw(open, finding);
                    return;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn open_bracket(&mut self, open: &mut Open, byte: u8, start: usize) {
        if open.stack.len() >= MAX_DEPTH {
            if open.beyond == 0 {
                let span = self.span(start, start + 1);
                let message = format!("brackets are nested more than {MAX_DEPTH} deep");
                let finding = Diagnostic::error(codes::TOO_DEEP, span, message)
                    .help("name parts of it in statements of their own");
                // also inside a module: its inside would be cut in vain
                if !open.flawed {
                    open.flawed = true;
                    self.findings.push(finding);
                }
            }
            open.beyond += 1;
            return;
        }
        if byte == b'{' && open.stack.is_empty() && open.body.is_none() {
            open.body = Some((start + 1, None));
        }
        open.stack.push((byte, start));
    }

    fn close_bracket(&mut self, open: &mut Open, byte: u8, start: usize) {
        if open.beyond > 0 {
            open.beyond -= 1;
            return;
        }
        if open.stack.is_empty() {
            self.stray(open, byte, start);
            return;
        }
        let wanted = match byte {
            b'}' => b'{',
            b')' => b'(',
            _ => b'[',
        };
        while let Some((bracket, place)) = open.stack.last().copied() {
            if bracket == wanted {
                open.stack.pop();
                break;
            }
            // a brace closes everything inside it; other brackets leave braces alone
            if byte != b'}' && bracket == b'{' {
                self.stray(open, byte, start);
                return;
            }
            if byte != b'}' && !open.stack.iter().any(|(other, _)| *other == wanted) {
                self.stray(open, byte, start);
                return;
            }
            self.unclosed(open, bracket, place, None);
            open.stack.pop();
            if open.stack.is_empty() {
                self.stray(open, byte, start);
                return;
            }
        }
        if let (true, Some((_, close @ None))) = (open.stack.is_empty() && byte == b'}', &mut open.body) {
            *close = Some(start);
        }
    }

    fn stray(&mut self, open: &mut Open, byte: u8, start: usize) {
        let message = format!("`{}` closes nothing", char::from(byte));
        let finding = Diagnostic::error(codes::UNCLOSED, self.span(start, start + 1), message)
            .help("remove it, or open it where it should begin");
        self.flaw(open, finding);
    }

    fn unclosed(&mut self, open: &mut Open, bracket: u8, place: usize, next: Option<&str>) {
        let (shown, closing) = match bracket {
            b'{' => ('{', '}'),
            b'(' => ('(', ')'),
            _ => ('[', ']'),
        };
        let message = format!("this `{shown}` is never closed");
        let mut finding = Diagnostic::error(codes::UNCLOSED, self.span(place, place + 1), message)
            .help(format!("close it with `{closing}`"));
        if let Some(word) = next {
            finding =
                finding.label(self.span(self.at, self.at + word.len()), "the next statement begins here");
        }
        if !open.flawed {
            open.flawed = true;
            self.findings.push(finding);
        }
    }

    fn word(&mut self, open: &mut Open, start: usize) {
        let length = self.word_at(start).len();
        self.at = start + length;
        if length > MAX_NAME {
            let message = format!("a name of {length} letters");
            let finding = Diagnostic::error(codes::LONG_NAME, self.span(start, self.at), message)
                .help(format!("names have at most {MAX_NAME} letters"));
            self.flaw(open, finding);
        }
    }

    fn number(&mut self, open: &mut Open, start: usize) {
        let mut digits = 0usize;
        let mut at = start;
        while let Some(byte) = self.byte(at) {
            let fraction = byte == b'.' && self.byte(at + 1).is_some_and(|next| next.is_ascii_digit());
            if byte.is_ascii_digit() {
                digits += 1;
            } else if !fraction {
                break;
            }
            at += 1;
        }
        self.at = at;
        if let Some(exponent) = self.exponent(at) {
            self.at = exponent;
            let shown = self.text.get(start..exponent.min(start + 40)).unwrap_or("");
            let message = format!("`{shown}` is written with an exponent");
            let finding = Diagnostic::error(codes::LONG_NUMBER, self.span(start, exponent), message)
                .help("write the number out, in a unit of its size");
            self.flaw(open, finding);
            return;
        }
        if digits > MAX_DIGITS {
            let message = format!("a number of {digits} digits");
            let finding = Diagnostic::error(codes::LONG_NUMBER, self.span(start, at), message)
                .help(format!("numbers have at most {MAX_DIGITS} digits"));
            self.flaw(open, finding);
            return;
        }
        let group = self.bytes.get(at + 1..(at + 4).min(self.limit)).unwrap_or(&[]);
        let grouped = self.byte(at) == Some(b',')
            && group.len() == 3
            && group.iter().all(u8::is_ascii_digit)
            && !self.byte(at + 4).is_some_and(|byte| byte.is_ascii_digit());
        if grouped && open.stack.last().is_none_or(|(bracket, _)| *bracket != b'[') {
            let message = "digits are not grouped by commas";
            let finding = Diagnostic::error(codes::SYNTAX, self.span(start, at + 4), message)
                .help("write `1000` for a thousand; a list has a space behind each comma");
            self.flaw(open, finding);
        }
    }

    /// The end of an exponent (`e9`, `E-3`) that begins here; no unit looks like one.
    fn exponent(&self, at: usize) -> Option<usize> {
        let mut end = at + 1;
        if !matches!(self.byte(at), Some(b'e' | b'E')) {
            return None;
        }
        if matches!(self.byte(end), Some(b'+' | b'-')) {
            end += 1;
        }
        let first = end;
        while self.byte(end).is_some_and(|byte| byte.is_ascii_digit()) {
            end += 1;
        }
        (end > first).then_some(end)
    }

    fn odd_character(&mut self, open: &mut Open, mut start: usize) {
        let rest = self.text.get(start..).unwrap_or("");
        let Some(first) = rest.chars().next() else { return };
        let mut end = start + first.len_utf8();
        // a word with foreign letters is one mistake, its plain letters included
        if characters::is_letter(first) {
            end = start + rest.find(|c| !characters::is_letter(c)).unwrap_or(rest.len());
            let before = self.bytes.get(open.start..start).unwrap_or(&[]);
            start -= before.iter().rev().take_while(|byte| is_word(**byte)).count();
        }
        let end = end.min(self.limit);
        self.at = end;
        let (message, help) = characters::describe(first, self.text.get(start..end).unwrap_or(""));
        let finding = Diagnostic::error(codes::BAD_CHARACTER, self.span(start, end), message).help(help);
        self.flaw(open, finding);
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Texts are far below 4 GiB.
pub(super) fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
