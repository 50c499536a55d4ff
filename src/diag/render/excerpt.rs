//! Places in lines that no screen holds: the part of the line around the place, with `…` where it
//! was cut. A line of a hostile file can be as long as the file.

use std::fmt::Write as _;

use super::human::{clean, place};
use crate::diag::{Label, SourceFile, SourceMap};

/// Longest line that is shown whole, in bytes.
pub(super) const WHOLE: usize = 400;
/// Characters shown before the place, of the place, and behind it.
const BEFORE: usize = 40;
const OF: usize = 60;
const BEHIND: usize = 20;

/// Whether a label touches a line that is too long to be shown.
pub(super) fn too_long(file: &SourceFile, label: &Label) -> bool {
    let first = file.line_index(label.span.start);
    let last = file.line_index(label.span.end.max(label.span.start));
    let end = file.line_start(last + 1).map_or(file.text().len(), |next| next as usize);
    let start = file.line_start(first).unwrap_or(0) as usize;
    // many lines of usual length are for the drawing
    end - start.min(end) > WHOLE * (last - first + 1)
}

/// One label over a part of its line.
pub(super) fn draw(out: &mut String, file: &SourceFile, sources: &SourceMap, label: &Label) {
    let text = file.harmless_text();
    let line = file.line_index(label.span.start);
    let line_start = file.line_start(line).unwrap_or(0) as usize;
    let line_end = file.line_start(line + 1).map_or(text.len(), |next| next as usize);
    let cut = |from: usize, to: usize| text.get(from.min(to)..to).unwrap_or("");
    let start = (label.span.start as usize).clamp(line_start, line_end);
    let end = (label.span.end as usize).clamp(start, line_end);
    let (before, of, behind) = (cut(line_start, start), cut(start, end), cut(end, line_end).trim_end());
    let skip = before.chars().count().saturating_sub(BEFORE);
    let head: String = before.chars().skip(skip).collect();
    let (of, of_cut) = first(of, OF);
    let (tail, tail_cut) = if of_cut { (String::new(), true) } else { first(behind, BEHIND) };
    let dots = |cut: bool| if cut { "…" } else { "" };
    let number = (line + 1).to_string();
    let margin = " ".repeat(number.len());
    let lead = dots(skip > 0);
    let shown = format!("{lead}{head}{of}{tail}{}", dots(tail_cut)).replace('\t', " ");
    let under = "─".repeat(of.chars().count().max(1));
    let says = if label.text.is_empty() { String::new() } else { format!(" {}", clean(&label.text)) };
    let gap = " ".repeat(lead.chars().count() + head.chars().count());
    // writing to a String cannot fail
    let _ = writeln!(out, " {margin} ╭─[{}]", place(sources, label));
    let _ = writeln!(out, " {number} │ {shown}");
    let _ = writeln!(out, " {margin} · {gap}{under}{says}");
}

/// The first characters, and whether there are more.
fn first(text: &str, most: usize) -> (String, bool) {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(most).collect();
    (head, chars.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render::{Look, human};
    use crate::diag::{Diagnostic, Diagnostics, Span, codes};

    #[test]
    fn a_line_that_no_screen_holds_is_cut_around_the_place() {
        let mut sources = SourceMap::new();
        let line = format!("a\n{}boiler{}\n", "(".repeat(9_999), ")\tx".repeat(9_999));
        let source = sources.add("site.evl", line);
        let mut findings = Diagnostics::new();
        let middle = Span::new(source, 10_001, 10_007);
        findings.push(Diagnostic::error(codes::UNKNOWN_NAME, middle, "who?").says("here"));
        findings.push(Diagnostic::error(codes::TOO_DEEP, Span::new(source, 26, 20_000), "too deep"));
        insta::assert_snapshot!(human(&findings, &sources, Look::default()), @"
        error[EVL0101]: who?
           ╭─[site.evl:2:10000]
         2 │ …((((((((((((((((((((((((((((((((((((((((boiler) x) x) x) x) x) x) …
           ·                                          ────── here

        error[EVL0021]: too deep
           ╭─[site.evl:2:25]
         2 │ ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((…
           ·                         ────────────────────────────────────────────────────────────
        ");
    }
}
