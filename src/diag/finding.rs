//! What is reported: a finding with its places, its witness and what would fix it.

use serde::{Deserialize, Serialize};

use super::{Code, Span};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// must be mended before a plan can be made
    Error,
    /// probably not what was meant
    Warning,
    /// worth knowing
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// the place
    pub span: Span,
    /// what is said about it; may be empty where the message says all
    pub text: String,
}

impl Label {
    /// A place with words.
    #[must_use]
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self { span, text: bounded(text.into()) }
    }
}

/// Longest text of one message, label, note or help, in bytes. Messages quote what a file says, and
/// a hostile file can make one word of it megabytes long.
const LONGEST: usize = 2_000;

fn bounded(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

/// A concrete situation in which the finding shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// one line: `Tue 2026-07-14 16:30, weather.temperature 31 degC (0.42 USD/kWh in the peak)`
    pub when: String,
    /// a whole `test "..." { .. }` block that can be pasted into the policy, or empty
    pub test: String,
}

/// One finding.
///
/// Built by [`Diagnostic::error`], [`warning`](Diagnostic::warning), [`note`](Diagnostic::note) at
/// a place, or [`Diagnostic::nowhere`] for what lies in no file (a dead gateway, a wrong flag).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// permanent code
    pub code: Code,
    /// how grave
    pub severity: Severity,
    /// what is wrong, in lower case, without a final period
    pub message: String,
    /// where it is wrong; `None` only for what lies in no file
    pub primary: Option<Label>,
    /// the other statements involved, drawn over their source
    pub labels: Vec<Label>,
    /// why, one sentence each
    pub notes: Vec<String>,
    /// what would fix it
    pub help: Option<String>,
    /// a situation in which it shows
    pub witness: Option<Witness>,
    /// statements on which the finding rests, listed by place without drawing them
    pub related: Vec<Label>,
}

impl Diagnostic {
    /// A finding of any severity at a place.
    #[must_use]
    pub fn new(code: Code, severity: Severity, span: Span, message: impl Into<String>) -> Self {
        let mut finding = Self::nowhere(code, severity, message);
        finding.primary = Some(Label::new(span, ""));
        finding
    }

    /// An error at a place.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, span, message)
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, span, message)
    }

    /// A note at a place.
    #[must_use]
    pub fn note(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, span, message)
    }

    /// A finding that lies in no file.
    #[must_use]
    pub fn nowhere(code: Code, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: bounded(message.into()),
            primary: None,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
            witness: None,
            related: Vec::new(),
        }
    }

    /// Words at the primary place.
    #[must_use]
    pub fn says(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = bounded(text.into());
        }
        self
    }

    /// One more statement involved.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label::new(span, text));
        self
    }

    /// One sentence of why.
    #[must_use]
    pub fn because(mut self, note: impl Into<String>) -> Self {
        self.notes.push(bounded(note.into()));
        self
    }

    /// What would fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(bounded(help.into()));
        self
    }

    /// A situation in which it shows: one line, and a `test` block that can be pasted.
    #[must_use]
    pub fn witness(mut self, when: impl Into<String>, test: impl Into<String>) -> Self {
        self.witness = Some(Witness { when: when.into(), test: test.into() });
        self
    }

    /// A statement on which the finding rests (an assumption, a declared range).
    #[must_use]
    pub fn rests_on(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label::new(span, text));
        self
    }

    /// The primary place, if it lies in a file.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.primary.as_ref().map(|label| label.span)
    }

    /// The same finding after its texts were [absorbed](super::SourceMap::absorb) by a larger map.
    #[must_use]
    pub fn shifted(mut self, by: u32) -> Self {
        let labels = self.primary.iter_mut().chain(&mut self.labels).chain(&mut self.related);
        for label in labels {
            label.span.source.0 = label.span.source.0.saturating_add(by);
        }
        self
    }
}
