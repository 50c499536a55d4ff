//! Draws the places of a finding over their source with miette's reporter.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use super::excerpt;
use super::human::{Look, clean, place};
use crate::diag::{Diagnostic, Label, SourceFile, SourceId, SourceMap};

/// One drawing per text, the primary label's first.
pub(super) fn places(out: &mut String, finding: &Diagnostic, sources: &SourceMap, look: Look) {
    use fmt::Write as _;
    let theme = if look.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width.max(40))
        .with_links(false)
        .with_context_lines(0);
    let labels: Vec<&Label> = finding.primary.iter().chain(&finding.labels).collect();
    let mut texts: Vec<SourceId> = Vec::new();
    for label in &labels {
        if !texts.contains(&label.span.source) {
            texts.push(label.span.source);
        }
    }
    for text in texts {
        let Some(file) = sources.get(text) else { continue };
        let here = || labels.iter().filter(|label| label.span.source == text);
        for label in here().filter(|label| label.span.is_file()) {
            let separator = if label.text.is_empty() { "" } else { ": " };
            let _ = writeln!(out, "   ╭─[{}]{separator}{}", place(sources, label), clean(&label.text));
        }
        let drawn: Vec<Label> =
            here().filter(|label| !label.span.is_file()).map(|label| (*label).clone()).collect();
        if drawn.iter().any(|label| excerpt::too_long(file, label)) {
            for label in &drawn {
                excerpt::draw(out, file, sources, label);
            }
            continue;
        }
        if drawn.is_empty() {
            continue;
        }
        let drawing = Drawing { source: Source(file), labels: drawn };
        let mut report = String::new();
        if handler.render_report(&mut report, &drawing).is_ok() {
            // what stands before the first frame is the (empty) message: ours is printed already
            let body = report.find('╭').and_then(|at| report.get(..at)?.rfind('\n')).map_or(0, |at| at + 1);
            for line in report.get(body..).unwrap_or("").lines().filter(|line| !is_foot(line)) {
                let _ = writeln!(out, "{}", line.trim_end());
            }
        }
    }
}

/// Whether the line only closes the frame (`╰────`).
fn is_foot(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.chars().all(|c| matches!(c, '╰' | '─'))
}

/// Some labels over one text, as miette wants to see them.
#[derive(Debug)]
struct Drawing<'a> {
    source: Source<'a>,
    labels: Vec<Label>,
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Drawing<'_> {}

impl miette::Diagnostic for Drawing<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().enumerate().map(|(at, label)| {
            let text = (!label.text.is_empty()).then(|| clean(&label.text));
            let end = self.source.0.text().len();
            let start = (label.span.start as usize).min(end);
            let length = (label.span.len() as usize).min(end - start);
            if at == 0 {
                LabeledSpan::new_primary_with_span(text, (start, length))
            } else {
                LabeledSpan::new_with_span(text, (start, length))
            }
        })))
    }
}

/// A text that finds its lines by its index, so that a finding costs no scan of the file.
#[derive(Debug)]
struct Source<'a>(&'a SourceFile);

impl SourceCode for Source<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let file = self.0;
        let text = file.harmless_text();
        let at = |byte: usize| file.line_index(u32::try_from(byte).unwrap_or(u32::MAX));
        let last_byte = (span.offset() + span.len()).saturating_sub(1).max(span.offset());
        let first = at(span.offset()).saturating_sub(before);
        let last = at(last_byte) + after;
        let start = file.line_start(first).unwrap_or(0) as usize;
        let end = file.line_start(last + 1).map_or(text.len(), |next| next as usize);
        let slice = text.as_bytes().get(start..end).ok_or(MietteError::OutOfBounds)?;
        let shown: SourceSpan = (start, slice.len()).into();
        let path = clean(file.path());
        let column = file.position(u32::try_from(span.offset()).unwrap_or(u32::MAX)).column as usize - 1;
        Ok(Box::new(MietteSpanContents::new_named(path, slice, shown, first, column, last + 1 - first)))
    }
}

#[cfg(test)]
mod tests {
    use super::Look;
    use crate::diag::render::{human, samples};

    #[test]
    fn drawn_over_the_source() {
        let (sources, findings) = samples::all();
        insta::assert_snapshot!(human(&findings, &sources, Look::default()));
    }

    #[test]
    fn drawn_in_colour_with_tests() {
        let (sources, findings) = samples::all();
        let look = Look { colour: true, tests: true, ..Look::default() };
        let drawn = human(&findings, &sources, look);
        let shown = drawn.replace('\u{1b}', "^");
        assert!(!shown.contains("^[31mgr"), "the policy's own escape sequences are not passed on");
        insta::assert_snapshot!(shown);
    }
}
