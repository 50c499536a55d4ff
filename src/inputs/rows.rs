//! Rows of a CSV text, and the faults found in them by place.

use super::stamp::Stamp;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span, codes};
use crate::ir::Feed;

/// Most rows of one feed.
const MOST_ROWS: usize = 2_000_000;
/// Faults that are listed one by one.
const MOST_FAULTS: usize = 20;

/// One row.
#[derive(Debug, Default)]
pub(super) struct Row {
    record: csv::StringRecord,
}

impl Row {
    /// A cell without the blanks around it; empty behind the row's end.
    pub(super) fn text(&self, place: usize) -> &str {
        self.record.get(place).unwrap_or("").trim()
    }
}

/// The rows of a feed.
pub(super) struct Rows<'a> {
    feed: &'a Feed,
    source: SourceId,
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    header: csv::StringRecord,
    findings: Diagnostics,
    more: usize,
    rows: usize,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn new(feed: &'a Feed, source: SourceId, text: &'a str) -> Result<Self, Diagnostics> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().cloned().map_err(|_| {
            one(Diagnostic::error(codes::FEED, Span::file(source), "the file cannot be read as CSV"))
        })?;
        if header.len() < 2 {
            return Err(one(Diagnostic::error(
                codes::FEED,
                Span::file(source),
                format!("feed `{}` needs a header line that names its columns", feed.name),
            )
            .label(feed.span, "declared here")
            .help("begin the file with a line such as `time,load`")));
        }
        Ok(Self { feed, source, text, reader, header, findings: Diagnostics::new(), more: 0, rows: 0 })
    }

    /// Place of a named column.
    pub(super) fn column(&self, name: &str, declared: Span) -> Result<usize, Box<Diagnostic>> {
        self.optional(name, declared)?.ok_or_else(|| {
            let all: Vec<&str> = self.header.iter().map(str::trim).take(20).collect();
            let other = all.last().copied().unwrap_or("power");
            let help = format!(
                "its columns are {}; a feed reads the one of its own name unless it says `column \"{other}\"`",
                all.join(", ")
            );
            self.of_header(format!("the file has no column `{name}`"), declared, help)
        })
    }

    /// Place of a column that may be missing. Of two with one name nobody can say which is meant.
    pub(super) fn optional(&self, name: &str, declared: Span) -> Result<Option<usize>, Box<Diagnostic>> {
        let named = |(place, found): (usize, &str)| (found.trim() == name).then_some(place);
        let mut places = self.header.iter().enumerate().filter_map(named);
        match (places.next(), places.next()) {
            (Some(first), Some(second)) => {
                let message = format!("columns {} and {} are both named `{name}`", first + 1, second + 1);
                let help = "give each column a name of its own".to_owned();
                Err(self.of_header(message, declared, help))
            }
            (first, _) => Ok(first),
        }
    }

    /// A fault of the header line.
    fn of_header(&self, message: String, declared: Span, help: String) -> Box<Diagnostic> {
        let end = self.text.find('\n').unwrap_or(self.text.len());
        let span = Span::new(self.source, 0, u32::try_from(end).unwrap_or(u32::MAX));
        Box::new(Diagnostic::error(codes::FEED, span, message).label(declared, "declared here").help(help))
    }

    /// The next row; false at the end.
    pub(super) fn next(&mut self, row: &mut Row) -> bool {
        loop {
            if self.rows >= MOST_ROWS {
                let what = format!("feed `{}` has more than {MOST_ROWS} rows", self.feed.name);
                self.findings.push(Diagnostic::error(codes::FEED, Span::file(self.source), what));
                return false;
            }
            match self.reader.read_record(&mut row.record) {
                Ok(false) => return false,
                Ok(true) => {
                    self.rows += 1;
                    if row.record.len() != self.header.len() {
                        let (found, expected) = (row.record.len(), self.header.len());
                        self.fault(
                            row,
                            0,
                            format!("this row has {found} cells, the header {expected}"),
                            None,
                        );
                        continue;
                    }
                    return true;
                }
                Err(_) => {
                    let what = "the file cannot be read as CSV";
                    self.findings.push(Diagnostic::error(codes::FEED, Span::file(self.source), what));
                    return false;
                }
            }
        }
    }

    /// The stamp of a row; a fault where it has none.
    pub(super) fn stamp(&mut self, row: &Row) -> Option<Stamp> {
        let stamp = Stamp::parse(row.text(0));
        if stamp.is_none() {
            let what = format!("`{}` is no time stamp", row.text(0).chars().take(40).collect::<String>());
            self.fault(row, 0, what, Some("write times as `2026-07-14T16:30`"));
        }
        stamp
    }

    /// Notes a fault at a cell.
    pub(super) fn fault(&mut self, row: &Row, place: usize, what: String, help: Option<&str>) {
        if self.findings.len() >= MOST_FAULTS {
            self.more += 1;
            return;
        }
        let finding = Diagnostic::error(codes::FEED, self.cell(row, place), what);
        self.findings.push(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }

    /// Where a cell stands in the text.
    fn cell(&self, row: &Row, place: usize) -> Span {
        let Some(begin) = row.record.position().and_then(|p| usize::try_from(p.byte()).ok()) else {
            return Span::file(self.source);
        };
        let rest = self.text.get(begin..).unwrap_or("");
        let skipped = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
        let line = rest.trim_start_matches(['\r', '\n']).lines().next().unwrap_or("");
        // cells are found by their commas; a quoted cell is shown with its line
        let plain = !line.contains('"');
        let (from, length) = if plain {
            let mut from = 0;
            let mut cells = line.split(',');
            for _ in 0..place {
                from += cells.next().map_or(0, |cell| cell.len() + 1);
            }
            (from, cells.next().map_or(0, str::len))
        } else {
            (0, line.len())
        };
        let at = |byte: usize| u32::try_from(begin + skipped + byte).unwrap_or(u32::MAX);
        Span::new(self.source, at(from), at((from + length).max(from + 1)))
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Notes that there is no row.
    pub(super) fn empty(&mut self) {
        let what = format!("feed `{}` has no rows", self.feed.name);
        self.findings.push(
            Diagnostic::error(codes::FEED, Span::file(self.source), what)
                .label(self.feed.span, "declared here"),
        );
    }

    /// All faults, if any.
    pub(super) fn finish(mut self) -> Result<(), Diagnostics> {
        if self.more > 0 {
            let what = format!("feed `{}` has {} more faults", self.feed.name, self.more);
            self.findings.push(Diagnostic::error(codes::FEED, Span::file(self.source), what));
        }
        if self.findings.is_empty() { Ok(()) } else { Err(self.findings) }
    }
}

fn one(finding: Diagnostic) -> Diagnostics {
    std::iter::once(finding).collect()
}
