//! Characters that have no place outside quotes and comments.

/// Whether a character belongs to a word, in any language: marks over letters included.
pub(super) fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || matches!(c, '\u{300}'..='\u{36F}' | '\u{200C}' | '\u{200D}')
}

/// What is wrong with a character (and the word it begins), and what to write instead.
pub(super) fn describe(first: char, text: &str) -> (String, &'static str) {
    let point = u32::from(first);
    match first {
        '\u{0}' => ("a NUL byte".to_owned(), "save the file as plain UTF-8 text"),
        '°' => ("`°` is not part of a unit".to_owned(), "write `degC` or `degF`"),
        '–' | '—' | '−' => (format!("`{first}` is not a minus sign"), "write `-`, or `..` for a range"),
        '“' | '”' | '„' | '«' | '»' | '‘' | '’' => {
            (format!("`{first}` is not a quote"), "write `\"`")
        }
        '≤' => ("`≤` is not an operator".to_owned(), "write `<=`"),
        '≥' => ("`≥` is not an operator".to_owned(), "write `>=`"),
        '…' => ("`…` is not a range".to_owned(), "write `..`"),
        '€' | '£' | '¥' => (format!("`{first}` is not a unit"), "write the currency's three letters"),
        '²' | '³' => (format!("`{first}` is not part of a unit"), "write `m2` or `m3`"),
        '\u{A0}' | '\u{2007}' | '\u{202F}' => {
            (format!("a space of another kind (U+{point:04X})"), "replace it by a plain space")
        }
        '\u{FEFF}' => ("a byte order mark inside the text".to_owned(), "remove it"),
        _ if is_letter(first) => {
            let shown: String = text.chars().take(40).collect();
            (
                format!("`{shown}` has letters beyond a to z"),
                "names are plain ASCII: a-z, A-Z, 0-9 and `_`; other letters may stand in quotes and comments",
            )
        }
        _ if first.is_control() => (format!("a control character (U+{point:04X})"), "remove it"),
        _ => (format!("`{first}` (U+{point:04X}) means nothing here"), "remove it, or put it in quotes"),
    }
}
