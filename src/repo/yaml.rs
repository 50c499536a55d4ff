//! YAML files read with bounds, and their faults in our own words.

use serde::de::DeserializeOwned;
use serde_yaml::{Error, Location};

use crate::diag::{Diagnostic, SourceId, Span, codes};

/// Reads one YAML document. Duplicate keys, alias bombs and deep nesting are refused by the
/// library's budget; unknown keys by the types.
///
/// # Errors
/// One finding at the place of the fault.
pub fn read<T: DeserializeOwned>(source: SourceId, text: &str) -> Result<T, Box<Diagnostic>> {
    serde_yaml::from_str(text).map_err(|error| Box::new(finding(source, text, &error)))
}

/// The bytes a location of the YAML library covers.
#[must_use]
pub fn span(source: SourceId, at: Location) -> Span {
    let bytes = at.span();
    let start = bytes.byte_offset().and_then(|n| u32::try_from(n).ok());
    let len = bytes.byte_len().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    match start {
        Some(start) => Span::new(source, start, start.saturating_add(len)),
        None => Span::file(source),
    }
}

fn near<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), *k))
        .filter(|(d, k)| *d <= 1 + k.len() / 4)
        .min()
        .map(|(_, k)| k)
}

fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// As [`span`]; where only line and column are known, the place is looked up in the text.
fn place(source: SourceId, text: &str, at: Location) -> Span {
    let known = span(source, at);
    let Some(line) = usize::try_from(at.line()).ok().and_then(|line| line.checked_sub(1)) else {
        return known;
    };
    if !known.is_file() || at.span().byte_offset().is_some() {
        return known;
    }
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = usize::try_from(at.column()).unwrap_or(usize::MAX).saturating_sub(1);
    let inside = text.get(before..).and_then(|rest| rest.char_indices().nth(column)).map_or(0, |(at, _)| at);
    u32::try_from(before + inside).map_or(known, |start| Span::new(source, start, start.saturating_add(1)))
}

fn finding(source: SourceId, text: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let at = error.location().map_or_else(|| Span::file(source), |l| place(source, text, l));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let found = Diagnostic::error(codes::YAML_KEY, at, format!("unknown key `{field}`"));
            match near(field, expected) {
                Some(close) => found.help(format!("write `{close}`")),
                None => found.help(format!("known keys are {}", list(expected))),
            }
        }
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::error(codes::YAML_KEY, at, format!("the key `{field}` is missing"))
                .help(format!("add `{field}:` here"))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let found = Diagnostic::error(codes::YAML_VALUE, at, format!("`{variant}` is not known here"));
            match near(variant, expected) {
                Some(close) => found.help(format!("write `{close}`")),
                None => found.help(format!("write one of {}", list(expected))),
            }
        }
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.as_deref().map_or_else(String::new, |k| format!(" `{k}`"));
            Diagnostic::error(codes::YAML, at, format!("the key{name} stands twice")).help("keep one of them")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            Diagnostic::error(codes::YAML, at, "the file nests or repeats itself beyond the bounds")
                .because("aliases may not multiply a small file into a huge one")
                .help("write the values out, without anchors and aliases")
        }
        Error::ExternalMessage { msg, .. } if msg.contains("recursion limit") => {
            Diagnostic::error(codes::YAML, at, "the file nests beyond the bounds")
                .help("write the values with fewer brackets")
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Diagnostic::error(codes::YAML_VALUE, at, format!("expected {expected}, found {unexpected}"))
                .help(format!("write {expected}"))
        }
        Error::Message { msg, .. } => {
            // our own types speak here, through serde
            Diagnostic::error(codes::YAML_VALUE, at, lower_first(msg)).help("correct this value")
        }
        Error::Unexpected { expected, .. } => {
            let wanted = if expected.contains("sequence") {
                "a list"
            } else if expected.contains("mapping") {
                "keys with values"
            } else {
                "a plain value"
            };
            Diagnostic::error(codes::YAML_VALUE, at, format!("expected {wanted} here"))
                .help("see the neighbouring entries for the form")
        }
        Error::MultipleDocuments { .. } => {
            Diagnostic::error(codes::YAML, at, "a second document begins here")
                .help("write one document in a file, without `---` between parts")
        }
        Error::Eof { .. } => Diagnostic::error(codes::YAML, at, "the file ends in the middle of a value")
            .help("complete the last entry"),
        Error::InvalidScalar { ty, .. } => {
            Diagnostic::error(codes::YAML_VALUE, at, format!("this value is not a valid {ty}"))
                .help("correct this value")
        }
        _ => Diagnostic::error(codes::YAML, at, "this is not valid YAML")
            .help("check indentation, colons and quotes around here"),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let head = chars.next().map(|c| c.to_lowercase().collect::<String>()).unwrap_or_default();
    format!("{head}{}", chars.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only read")]
        members: Vec<String>,
        #[expect(dead_code, reason = "only read")]
        kind: Kind,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Normal,
    }

    fn fault(text: &str) -> String {
        let d = read::<Sample>(SourceId(0), text).unwrap_err();
        let at = d.span().map(|s| text.get(s.start as usize..s.end as usize).unwrap_or("?").to_owned());
        format!("{} {} @{} | {}", d.code, d.message, at.unwrap_or_default(), d.help.unwrap_or_default())
    }

    #[test]
    fn faults_are_in_our_words() {
        let all = [
            fault("members: [a]\nkind: normal\nmembres: []\n"),
            fault("kind: normal\n"),
            fault("members: [a]\nkind: normla\n"),
            fault("members: [a]\nmembers: [b]\nkind: normal\n"),
            fault("members: 3\nkind: normal\n"),
            fault("members: [a\nkind"),
            fault("members: [a]\nkind: {"),
            fault(""),
        ]
        .join("\n");
        insta::assert_snapshot!(all);
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let prev = i - 1;
            let row = vec![format!("*a{prev}"); 9].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{row}]\n"));
        }
        let found = read::<BTreeMap<String, serde_json::Value>>(SourceId(0), &bomb).unwrap_err();
        assert_eq!(found.code, codes::YAML, "{}", found.message);
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        assert!(read::<serde_json::Value>(SourceId(0), &deep).is_err());
    }
}
