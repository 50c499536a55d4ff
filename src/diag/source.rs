//! Source texts and places in them.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

/// Names one text of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u32);

/// A half-open range of bytes in one text. `start == end == 0` stands for the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// the text
    pub source: SourceId,
    /// first byte
    pub start: u32,
    /// byte after the last
    pub end: u32,
}

impl Span {
    /// The bytes `start..end` of a text.
    #[must_use]
    pub const fn new(source: SourceId, start: u32, end: u32) -> Self {
        Self { source, start, end }
    }

    /// The file as a whole: for what concerns no single place in it.
    #[must_use]
    pub const fn file(source: SourceId) -> Self {
        Self { source, start: 0, end: 0 }
    }

    /// Whether this is the file as a whole.
    #[must_use]
    pub const fn is_file(self) -> bool {
        self.start == 0 && self.end == 0
    }

    /// The least span that covers both; `self` where they lie in different texts.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.source != other.source {
            return self;
        }
        Self { source: self.source, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The empty span just behind this one: where something is missing.
    #[must_use]
    pub const fn after(self) -> Self {
        Self { source: self.source, start: self.end, end: self.end }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it covers no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// line, from 1
    pub line: u32,
    /// column in characters, from 1
    pub column: u32,
}

/// A span in words that people and other tools understand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// path relative to the repository
    pub path: Arc<str>,
    /// first character
    pub start: Position,
    /// the character after the last
    pub end: Position,
}

/// One text with its path.
#[derive(Debug, Clone)]
pub struct SourceFile {
    path: Arc<str>,
    text: Arc<str>,
    line_starts: OnceLock<Vec<u32>>,
    harmless: OnceLock<Option<String>>,
}

impl SourceFile {
    /// The path as shown to people: relative to the repository, `/` between its parts.
    #[must_use]
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// The text as it was read.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The text with every control and direction-changing character replaced by `?`s of the same
    /// length in bytes, so that showing it cannot steer a terminal.
    #[must_use]
    pub fn harmless_text(&self) -> &str {
        self.harmless.get_or_init(|| neutralise(&self.text)).as_deref().unwrap_or(&self.text)
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| offset(at + 1))).collect()
        })
    }

    /// Index of the line (from 0) in which a byte lies.
    #[must_use]
    pub fn line_index(&self, byte: u32) -> usize {
        self.line_starts().partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// First byte of the line with this index (from 0), `None` behind the last line.
    #[must_use]
    pub fn line_start(&self, index: usize) -> Option<u32> {
        self.line_starts().get(index).copied()
    }

    /// Number of lines; an empty text has one.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.line_starts().len()
    }

    /// Line and column of a byte; bytes behind the end count as the end.
    #[must_use]
    pub fn position(&self, byte: u32) -> Position {
        let byte = byte.min(offset(self.text.len()));
        let index = self.line_index(byte);
        let start = self.line_start(index).unwrap_or(0);
        let before = self.text.as_bytes().get(start as usize..byte as usize).unwrap_or(&[]);
        // characters are counted by their first bytes, so that an offset inside one is no error
        let column = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        Position { line: offset(index + 1), column: offset(column + 1) }
    }

    /// The words that a span covers, shortened to its part inside the text.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

/// All texts of one run, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// No texts yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text under its path relative to the repository. The same path may be added again
    /// (two revisions, two sites): identity is the id, not the path.
    pub fn add(&mut self, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> SourceId {
        let id = SourceId(offset(self.files.len()));
        let (line_starts, harmless) = (OnceLock::new(), OnceLock::new());
        self.files.push(SourceFile { path: path.into(), text: text.into(), line_starts, harmless });
        id
    }

    /// The text with this id.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// The path of a text, `?` for an id of another map.
    #[must_use]
    pub fn path(&self, id: SourceId) -> &str {
        self.get(id).map_or("?", |file| &file.path)
    }

    /// The words that a span covers.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).map_or("", |file| file.slice(span))
    }

    /// Path, lines and columns of a span.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location {
        let first = Position { line: 1, column: 1 };
        match self.get(span.source) {
            None => Location { path: "?".into(), start: first, end: first },
            Some(file) => Location {
                path: Arc::clone(&file.path),
                start: file.position(span.start),
                end: file.position(span.end.max(span.start)),
            },
        }
    }

    /// Adds all texts of another map under `prefix` (`examples/office`, or nothing) and returns by
    /// how much their ids have grown: see [`Diagnostic::shifted`](super::Diagnostic::shifted).
    pub fn absorb(&mut self, other: &Self, prefix: &str) -> u32 {
        let by = offset(self.files.len());
        let prefix = prefix.trim_end_matches('/');
        let prefix = prefix.strip_prefix("./").unwrap_or(prefix);
        for file in &other.files {
            let path = match prefix {
                "" | "." => Arc::clone(&file.path),
                _ => format!("{prefix}/{}", file.path).into(),
            };
            self.add(path, Arc::clone(&file.text));
        }
        by
    }

    /// All texts with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &SourceFile)> {
        self.files.iter().enumerate().map(|(at, file)| (SourceId(offset(at)), file))
    }
}

/// Texts are capped far below 4 GiB when they are read; anything longer saturates.
fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Whether a character can move the cursor, change colours or reorder what is shown.
pub(crate) fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn neutralise(text: &str) -> Option<String> {
    let harmful = |c: char| is_harmful(c) && c != '\r';
    // a carriage return is part of a line end or overwrites the line on which it stands
    let returns = text.as_bytes().windows(2).any(|pair| matches!(pair, [b'\r', next] if *next != b'\n'));
    (returns || text.contains(harmful)).then(|| {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if harmful(c) || (c == '\r' && chars.peek().is_some_and(|next| *next != '\n')) {
                out.extend(std::iter::repeat_n('?', c.len_utf8()));
            } else {
                out.push(c);
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut map = SourceMap::new();
        let id = map.add("rules/a.evl", "edition 2026\nrule ü {\n}\n");
        let at = map.locate(Span::new(id, 13, 20));
        assert_eq!((at.start.line, at.start.column), (2, 1));
        assert_eq!((at.end.line, at.end.column), (2, 7));
        assert_eq!(map.slice(Span::new(id, 13, 20)), "rule ü");
        assert_eq!(map.locate(Span::file(id)).start, Position { line: 1, column: 1 });
    }

    #[test]
    fn offsets_behind_the_end_and_inside_a_character_are_harmless() {
        let mut map = SourceMap::new();
        let id = map.add("a.evl", "ü");
        assert_eq!(map.locate(Span::new(id, 1, 99)).end, Position { line: 1, column: 2 });
        assert_eq!(map.slice(Span::new(id, 1, 99)), "");
        assert_eq!(map.path(SourceId(7)), "?");
    }

    #[test]
    fn control_and_direction_characters_are_not_shown() {
        let mut map = SourceMap::new();
        let id = map.add("a.evl", "a\u{1b}[31m\u{202e}b\tc\rd\r\n");
        let file = map.get(id).unwrap();
        assert_eq!(file.harmless_text(), "a?[31m???b\tc?d\r\n");
        assert_eq!(file.harmless_text().len(), file.text().len());
    }

    #[test]
    fn texts_of_several_sites_stand_side_by_side() {
        let mut all = SourceMap::new();
        let mut site = SourceMap::new();
        let id = site.add("rules.evl", "text");
        assert_eq!(all.absorb(&site, "."), 0);
        assert_eq!(all.absorb(&site, "./examples/office/"), 1);
        assert_eq!(all.path(id), "rules.evl");
        assert_eq!(all.path(SourceId(id.0 + 1)), "examples/office/rules.evl");
    }

    #[test]
    fn joining_spans_of_two_texts_keeps_the_first() {
        let (a, b) = (Span::new(SourceId(0), 4, 9), Span::new(SourceId(1), 1, 2));
        assert_eq!(a.to(b), a);
        assert_eq!(a.to(Span::new(SourceId(0), 1, 5)), Span::new(SourceId(0), 1, 9));
    }
}
