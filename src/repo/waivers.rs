//! Waivers: findings that the manifest accepts until a day.

use super::Waiver;
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceMap, codes};
use crate::ir::CivilDate;

/// Takes waived findings out. Errors that make the tool fail are never waived. A waiver past its
/// last day, and one that meets nothing, is a finding at its place.
pub(super) fn apply(
    waivers: &[Waiver],
    sources: &SourceMap,
    findings: Diagnostics,
    today: CivilDate,
) -> Diagnostics {
    let mut used = vec![false; waivers.len()];
    let mut kept = Diagnostics::new();
    for finding in findings {
        let waived = waivers.iter().zip(used.iter_mut()).find(|(w, _)| {
            w.until >= today && w.code == finding.code && names(w.statement.as_deref(), &finding, sources)
        });
        match waived {
            Some((_, used)) => *used = true,
            None => kept.push(finding),
        }
    }
    for (waiver, used) in waivers.iter().zip(used) {
        if waiver.until < today {
            kept.push(
                Diagnostic::error(
                    codes::WAIVER,
                    waiver.span,
                    format!("the waiver of `{}` ended on {}", waiver.code, waiver.until),
                )
                .help("mend what it waived and remove it, or set a later last day"),
            );
        } else if !used {
            kept.push(
                Diagnostic::new(
                    codes::WAIVER,
                    Severity::Warning,
                    waiver.span,
                    format!("the waiver of `{}` meets no finding", waiver.code),
                )
                .help("remove it"),
            );
        }
    }
    kept
}

/// Whether the finding concerns the named statement: its words stand in the message or under one
/// of its labels.
fn names(statement: Option<&str>, finding: &Diagnostic, sources: &SourceMap) -> bool {
    let Some(name) = statement else { return true };
    finding.message.contains(&format!("`{name}`"))
        || finding.primary.iter().chain(&finding.labels).any(|label| {
            sources.get(label.span.source).is_some_and(|file| {
                file.text().get(label.span.start as usize..label.span.end as usize) == Some(name)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{SourceId, Span};

    #[test]
    fn a_waiver_holds_until_its_last_day() {
        let mut sources = SourceMap::new();
        let s = sources.add("a.evl", "rule x");
        let waiver = Waiver {
            code: codes::DEAD_RULE,
            statement: Some("x".to_owned()),
            until: CivilDate { year: 2026, month: 6, day: 30 },
            reason: "known".to_owned(),
            span: Span::file(SourceId(1)),
        };
        let findings = || {
            [
                Diagnostic::warning(codes::DEAD_RULE, Span::new(s, 5, 6), "never active"),
                Diagnostic::warning(codes::DEAD_RULE, Span::new(s, 0, 4), "another"),
            ]
            .into_iter()
            .collect::<Diagnostics>()
        };
        let day = |month, day| CivilDate { year: 2026, month, day };
        let after = |d| apply(std::slice::from_ref(&waiver), &sources, findings(), d);
        assert_eq!(after(day(6, 30)).len(), 1);
        let late = after(day(7, 1));
        assert_eq!(late.len(), 3);
        assert!(late.has_errors());
    }
}
