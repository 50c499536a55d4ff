//! The words of the language, for cutting texts into statements and for suggestions.

/// First words of statements.
pub(super) const STATEMENTS: [&str; 36] = [
    "admit",
    "assume",
    "budget",
    "bus",
    "conform",
    "consumer",
    "control",
    "decide",
    "edition",
    "event",
    "feed",
    "forbid",
    "gateway",
    "group",
    "import",
    "link",
    "mode",
    "module",
    "objective",
    "permit",
    "priorities",
    "producer",
    "prove",
    "role",
    "rule",
    "schedule",
    "site",
    "slot",
    "storage",
    "tariff",
    "tenant",
    "test",
    "use",
    "vendor",
    "weather",
    "zone",
];

/// Whether a statement begins with this word.
pub(super) fn is_statement(word: &str) -> bool {
    STATEMENTS.contains(&word)
}

/// Statements whose braces hold a list in which a line end divides entries.
pub(super) fn holds_list(word: &str) -> bool {
    matches!(word, "admit" | "test") || crate::ast::Keyword::ALL.iter().any(|keyword| keyword.word() == word)
}

/// Words that continue the statement of the line before, at the top level.
pub(super) fn continues_statement(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "except"
            | "then"
            | "with"
            | "during"
            | "when"
            | "until"
            | "between"
            | "to"
            | "where"
            | "within"
            | "per"
            | "else"
            | "in"
            | "as"
            | "at"
            | "by"
            | "of"
            | "averaged"
    )
}

/// Words that continue the entry of the line before, in a list.
pub(super) fn continues_entry(word: &str) -> bool {
    matches!(word, "and" | "or" | "except" | "else" | "otherwise" | "by" | "per" | "during")
}

/// The nearest of some words, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() < 2 || word.len() > 40 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let allowed = match word.len() {
        2..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    among
        .into_iter()
        .filter(|candidate| !candidate.is_empty() && *candidate != word)
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
