//! The collector of a run: order, duplicates, counts and the exit code.

use std::collections::BTreeSet;

use super::{Code, Diagnostic, ExitCode, Severity, SourceMap, Span, codes, registry};

/// How many findings of each severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// errors
    pub errors: usize,
    /// warnings
    pub warnings: usize,
    /// notes
    pub notes: usize,
}

/// All findings of a run. The same finding (code, places, message) is kept once.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    seen: BTreeSet<(Code, Option<Span>, Vec<Span>, String)>,
}

impl Diagnostics {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, unless it is there already.
    pub fn push(&mut self, finding: Diagnostic) {
        let labels = finding.labels.iter().map(|label| label.span).collect();
        if self.seen.insert((finding.code, finding.span(), labels, finding.message.clone())) {
            self.items.push(finding);
        }
    }

    /// In order of discovery.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether any is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Counts by severity.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let count = |severity| self.items.iter().filter(|finding| finding.severity == severity).count();
        Tally {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        }
    }

    /// Puts them in the order in which they are printed: what lies in no file first, then by
    /// path, place, code, message, the other places. The order of discovery never reaches the output.
    pub fn sort(&mut self, sources: &SourceMap) {
        self.items.sort_by_cached_key(|finding| {
            let place =
                finding.span().map(|span| (sources.path(span.source).to_owned(), span.start, span.end));
            let labels: Vec<_> = finding
                .labels
                .iter()
                .map(|label| (sources.path(label.span.source).to_owned(), label.span.start, label.span.end))
                .collect();
            (place, finding.code, finding.severity, finding.message.clone(), labels)
        });
    }

    /// Leaves out the quiet notes, which tell of what may well be meant: shown under `--notes`.
    pub fn drop_quiet(&mut self) {
        const QUIET: [Code; 2] = [codes::OVERRIDDEN, codes::NO_INTERLOCK];
        self.items.retain(|finding| finding.severity != Severity::Note || !QUIET.contains(&finding.code));
    }

    /// The exit code: 2 where a finding is a failure of tool or input, then 1 for errors (and
    /// warnings, where they are denied), then 3 for questions left open, then 0.
    #[must_use]
    pub fn exit(&self, deny_warnings: bool) -> ExitCode {
        self.items.iter().fold(ExitCode::Success, |exit, finding| {
            exit.and(match (registry::class(finding.code), finding.severity) {
                (registry::Class::Open, _) => ExitCode::Inconclusive,
                (registry::Class::Failure, Severity::Error) => ExitCode::Failure,
                (_, Severity::Error) => ExitCode::Findings,
                (_, Severity::Warning) if deny_warnings => ExitCode::Findings,
                _ => ExitCode::Success,
            })
        })
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, findings: I) {
        for finding in findings {
            self.push(finding);
        }
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(findings: I) -> Self {
        let mut all = Self::new();
        all.extend(findings);
        all
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_path_place_code_and_duplicates_vanish() {
        let mut sources = SourceMap::new();
        let (z, a) = (sources.add("z.evl", "zzzz"), sources.add("a.evl", "aaaa"));
        let mut all = Diagnostics::new();
        all.push(Diagnostic::error(codes::CONTRADICTION, Span::new(z, 0, 1), "one"));
        all.push(Diagnostic::warning(codes::DEAD_RULE, Span::new(a, 2, 3), "two"));
        all.push(Diagnostic::error(codes::CONTRADICTION, Span::new(a, 2, 3), "three"));
        all.push(Diagnostic::error(codes::CONTRADICTION, Span::new(a, 2, 3), "three"));
        all.push(Diagnostic::nowhere(codes::USAGE, Severity::Error, "four"));
        all.sort(&sources);
        let order: Vec<&str> = all.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(order, ["four", "three", "two", "one"]);
        assert_eq!(all.tally(), Tally { errors: 3, warnings: 1, notes: 0 });
    }

    #[test]
    fn exit_follows_the_gravest() {
        let at = Span::file(super::super::SourceId(0));
        let exit =
            |findings: &[Diagnostic], deny| findings.iter().cloned().collect::<Diagnostics>().exit(deny);
        let warning = Diagnostic::warning(codes::DEAD_RULE, at, "w");
        let open = Diagnostic::warning(codes::OPEN_QUESTION, at, "o");
        let error = Diagnostic::error(codes::CONTRADICTION, at, "e");
        let failure = Diagnostic::nowhere(codes::USAGE, Severity::Error, "u");
        assert_eq!(exit(&[], true), ExitCode::Success);
        assert_eq!(exit(std::slice::from_ref(&warning), false), ExitCode::Success);
        assert_eq!(exit(std::slice::from_ref(&warning), true), ExitCode::Findings);
        assert_eq!(exit(&[open.clone(), warning], false), ExitCode::Inconclusive);
        assert_eq!(exit(&[open, error.clone()], false), ExitCode::Findings);
        assert_eq!(exit(&[error, failure], false), ExitCode::Failure);
    }
}
