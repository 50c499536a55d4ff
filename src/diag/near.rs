//! Proposals for words that nobody knows.

/// The candidate nearest to a word, if any is near: at most a third of its letters differ.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.chars().count();
    let allowed = (length / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 2 * allowed)
        .map(|candidate| {
            let plain = strsim::damerau_levenshtein(word, candidate);
            let folded = word.eq_ignore_ascii_case(candidate)
                || word.replace(['_', '-'], "") == candidate.replace('_', "");
            (if folded { plain.min(1) } else { plain }, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        assert_eq!(nearest("chrager", ["charger", "chiller"]), Some("charger"));
        assert_eq!(nearest("openhours", ["open_hours"]), Some("open_hours"));
        assert_eq!(nearest("x", ["charger", "chiller"]), None);
        assert_eq!(nearest("boiler", ["charger", "pump"]), None);
    }
}
