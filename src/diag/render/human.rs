//! For people: findings drawn over their source, or as plain lines where the drawing is not built in.

use std::fmt::Write as _;

use crate::diag::source::is_harmful;
use crate::diag::{Diagnostic, Diagnostics, Label, Severity, SourceMap};

/// How findings are shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// colours; meaning never rests on them alone
    pub colour: bool,
    /// width of the terminal in columns
    pub width: usize,
    /// break long texts at that width; elsewhere a line is a line, for other tools
    pub wrap: bool,
    /// add to each witness the `test` block that reproduces it
    pub tests: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { colour: false, width: 100, wrap: false, tests: false }
    }
}

/// All findings, one after the other, with a blank line between.
#[must_use]
pub fn human(findings: &Diagnostics, sources: &SourceMap, look: Look) -> String {
    let mut out = String::new();
    for finding in findings.iter() {
        one(&mut out, finding, sources, look);
        out.push('\n');
    }
    out
}

fn one(out: &mut String, finding: &Diagnostic, sources: &SourceMap, look: Look) {
    let word = format!("{}[{}]", finding.severity.word(), finding.code);
    let word = paint(&word, severity_colour(finding.severity), look.colour);
    // writing to a String cannot fail; the results below are of that kind
    let message = broken(&clean(&finding.message), finding.severity.word().len() + 11, 2, look);
    let _ = writeln!(out, "{word}: {}", paint(&message, BOLD, look.colour));
    places(out, finding, sources, look);
    if let Some(witness) = &finding.witness {
        field(out, "when", &witness.when, look);
    }
    for label in &finding.related {
        let at = place(sources, label);
        field(out, "rests on", &format!("{} ({at})", label.text), look);
    }
    for note in &finding.notes {
        field(out, "note", note, look);
    }
    if let Some(help) = &finding.help {
        field(out, "help", help, look);
    }
    if let Some(witness) = finding.witness.as_ref().filter(|witness| look.tests && !witness.test.is_empty()) {
        field(out, "reproduce", "paste this into a file of `tests/`", look);
        for line in witness.test.lines() {
            let _ = writeln!(out, "    {}", clean(line));
        }
    }
}

#[cfg(feature = "solver")]
fn places(out: &mut String, finding: &Diagnostic, sources: &SourceMap, look: Look) {
    super::graphical::places(out, finding, sources, look);
}

#[cfg(not(feature = "solver"))]
fn places(out: &mut String, finding: &Diagnostic, sources: &SourceMap, _look: Look) {
    plain_places(out, finding, sources);
}

/// `  --> path:line:column: words` for every label.
#[cfg_attr(
    all(feature = "solver", not(test)),
    expect(dead_code, reason = "the fallback of builds without drawing; tested in all")
)]
pub(super) fn plain_places(out: &mut String, finding: &Diagnostic, sources: &SourceMap) {
    for label in finding.primary.iter().chain(&finding.labels) {
        let separator = if label.text.is_empty() { "" } else { ": " };
        let _ = writeln!(out, "  --> {}{separator}{}", place(sources, label), clean(&label.text));
    }
}

/// `path:line:column`, or the path alone for a file as a whole.
pub(super) fn place(sources: &SourceMap, label: &Label) -> String {
    let at = sources.locate(label.span);
    if label.span.is_file() {
        return clean(&at.path);
    }
    format!("{}:{}:{}", clean(&at.path), at.start.line, at.start.column)
}

/// The text with line ends where it would pass the width, further lines beginning at `indent`.
fn broken(text: &str, column: usize, indent: usize, look: Look) -> String {
    if !look.wrap || column + text.chars().count() <= look.width {
        return text.to_owned();
    }
    let mut lines = String::new();
    super::paragraph(&mut lines, &" ".repeat(column), indent, text, look.width.max(60));
    lines.trim().to_owned()
}

/// `  name: text`, further lines under the text.
fn field(out: &mut String, name: &str, text: &str, look: Look) {
    let indent = " ".repeat(name.len() + 4);
    for (at, line) in text.lines().enumerate() {
        let line = broken(&clean(line), indent.len(), indent.len(), look);
        let _ = match at {
            0 => writeln!(out, "  {}: {line}", paint(name, CYAN, look.colour)),
            _ => writeln!(out, "{}", format!("{indent}{line}").trim_end()),
        };
    }
}

pub(super) const BOLD: &str = "1";
const CYAN: &str = "36";

const fn severity_colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Note => "1;34",
    }
}

fn paint(text: &str, sgr: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{sgr}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Messages quote what users and devices wrote: nothing in them may steer the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render::samples;

    #[test]
    fn plain_lines() {
        let (sources, findings) = samples::all();
        let mut out = String::new();
        for finding in findings.iter() {
            plain_places(&mut out, finding, &sources);
        }
        insta::assert_snapshot!(out);
    }
}
