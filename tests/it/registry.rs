//! The registry of codes against the code that emits them and the tests that name them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evl::diag::registry;

/// Emitted, and not yet named by any test: they need an optimiser that fails, or a field in a state
/// that no fixture makes.
const WITHOUT_TEST: [u16; 4] = [1007, 1009, 1208, 1216];

/// Every file below a folder, with its path.
#[expect(clippy::disallowed_methods, reason = "the test reads this repository")]
fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path.display().to_string(), text));
        }
    }
}

/// Constants of the registry with their numbers, as the tables write them: `NAME = 301, Finding,`.
fn constants(sources: &[(String, String)]) -> BTreeMap<String, u16> {
    let mut all = BTreeMap::new();
    for (_, text) in sources.iter().filter(|(path, _)| path.contains("/diag/codes/")) {
        for line in text.lines() {
            let row = line.trim().split_once(" = ").filter(|(name, _)| {
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            });
            if let Some((name, rest)) = row
                && let Some((number, _)) = rest.split_once(", ")
            {
                all.insert(name.to_owned(), number.parse().unwrap());
            }
        }
    }
    all
}

/// Codes that a text names, as constants or as they are printed.
fn named(text: &str, constants: &BTreeMap<String, u16>) -> BTreeSet<u16> {
    let word = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let by_name = text.split("codes::").skip(1).filter_map(|rest| constants.get(&word(rest)).copied());
    let by_number = text.split("EVL").skip(1).filter_map(|rest| rest.get(..4)?.parse().ok());
    by_name.chain(by_number).collect()
}

#[test]
fn every_code_that_is_emitted_is_tested_and_every_other_says_that_it_is_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut sources, mut suites) = (Vec::new(), Vec::new());
    files(&root.join("src"), &mut sources);
    files(&root.join("tests"), &mut suites);
    let constants = constants(&sources);
    let known: BTreeSet<u16> = registry::all().iter().map(|row| row.code.0).collect();
    assert_eq!(
        constants.values().copied().collect::<BTreeSet<_>>(),
        known,
        "the tables are read as they are"
    );

    let mut emitted = BTreeSet::new();
    let here = Path::new(file!()).file_name().unwrap().to_str().unwrap();
    let mut tested: BTreeSet<u16> = suites
        .iter()
        .filter(|(path, _)| !path.ends_with(here))
        .flat_map(|(_, text)| named(text, &constants))
        .collect();
    for (path, text) in &sources {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let is_suite = path.ends_with(".snap") || name.starts_with("test") || path.contains("/tests/");
        if is_suite {
            tested.extend(named(text, &constants));
        } else if !path.contains("/diag/") {
            let (code, tests) = text.split_once("#[cfg(test)]").unwrap_or((text, ""));
            tested.extend(named(tests, &constants));
            let used = |line: &&str| !line.trim_start().starts_with("//");
            emitted.extend(code.lines().filter(used).flat_map(|line| {
                line.split("codes::").skip(1).filter_map(|rest| {
                    let word: String =
                        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    constants.get(&word).copied()
                })
            }));
        }
    }
    let listed = |codes: &BTreeSet<u16>| codes.iter().map(|code| format!("EVL{code:04}")).collect::<Vec<_>>();
    let untested: BTreeSet<u16> =
        emitted.difference(&tested).copied().filter(|code| !WITHOUT_TEST.contains(code)).collect();
    assert!(untested.is_empty(), "emitted, and named by no test: {:?}", listed(&untested));
    for row in registry::all() {
        let asked = emitted.contains(&row.code.0);
        let says_not = row.text.contains("This version of evl does not");
        assert_eq!(!asked, says_not, "{}: {}", row.code, row.text);
    }
}
