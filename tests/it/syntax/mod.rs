//! The reader and the formatter.

use evl::ast::{File, ItemKind};
use evl::diag::{Diagnostic, SourceId};

/// The example page of the language's specification.
pub(crate) const BY_EXAMPLE: &str = include_str!("by_example.evl");

fn parse(text: &str) -> (File, Vec<Diagnostic>) {
    evl::syntax::parse(SourceId(0), text)
}

fn show(text: &str, findings: &[Diagnostic]) -> String {
    let mut out = String::new();
    for finding in findings {
        let Some(span) = finding.span() else { continue };
        let words = text.get(span.start as usize..span.end as usize).unwrap_or("?");
        out.push_str(&format!(
            "{} at {}..{} {words:?}: {}\n",
            finding.code, span.start, span.end, finding.message
        ));
        for label in &finding.labels {
            out.push_str(&format!("  also {}..{}: {}\n", label.span.start, label.span.end, label.text));
        }
        if let Some(help) = &finding.help {
            out.push_str(&format!("  help: {help}\n"));
        }
    }
    out
}

#[test]
fn the_whole_example_page_reads() {
    let (file, findings) = parse(BY_EXAMPLE);
    assert_eq!(show(BY_EXAMPLE, &findings), "");
    assert!(file.items.iter().all(|item| !matches!(item.kind, ItemKind::Broken(_))));
    assert_eq!(file.items.len(), 56);
}

/// The tree as text, without the places.
fn shape(file: &File) -> String {
    let full = format!("{:?}", file.items);
    let mut out = String::with_capacity(full.len() / 2);
    let mut rest = full.as_str();
    while let Some(at) = rest.find("Span {") {
        out.push_str(rest.get(..at).unwrap_or(""));
        let behind = rest.get(at..).unwrap_or("");
        rest = behind
            .find("end: ")
            .and_then(|end| behind.get(end..))
            .map_or("", |tail| tail.find('}').and_then(|close| tail.get(close + 1..)).unwrap_or(""));
    }
    out.push_str(rest);
    out
}

fn formatted(text: &str) -> String {
    evl::syntax::format(SourceId(0), text).text
}

#[test]
fn the_example_page_has_one_form() {
    let once = formatted(BY_EXAMPLE);
    insta::assert_snapshot!("by_example", once);
    assert_eq!(formatted(&once), once);
    assert_eq!(shape(&parse(&once).0), shape(&parse(BY_EXAMPLE).0));
}

mod constructs;
mod errors;
mod hostile;
mod laws;

#[test]
fn every_example_of_the_reference_reads() {
    let page = include_str!("../../../docs/language.md");
    let mut blocks = 0;
    for block in page.split("```evl\n").skip(1) {
        let text = block.split("```").next().unwrap_or("");
        let (_, findings) = parse(text);
        assert_eq!(show(text, &findings), "", "{text}");
        blocks += 1;
    }
    assert!(blocks > 10);
}
