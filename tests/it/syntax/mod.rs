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
