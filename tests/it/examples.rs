//! The example sites as a reader meets them: in the one form, and each mistake found.

use std::process::Command;

/// Runs `evl` in the repository's folder: exit status, standard output, standard error.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_evl"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn all_policy_text_of_the_repository_is_in_canonical_form() {
    let (exit, changed, said) =
        run(&["fmt", "--check", "examples", "policies", "tests/acceptance", "fuzz/site"]);
    assert_eq!(changed, "", "run `evl fmt` over these");
    // one example is a statement that cannot be read
    assert_eq!(exit, Some(1));
    assert_eq!(said.matches("error[").count(), 1, "{said}");
    assert!(said.contains("examples/broken-office/syntax/site.evl"), "{said}");
}

/// The question of each folder of examples/broken-office.
const QUESTIONS: &[(&str, &str)] = &[
    ("authority", "EVL0701"),
    ("budget", "EVL0601"),
    ("contradiction", "EVL0301"),
    ("dead-rule", "EVL0401"),
    ("empty-environment", "EVL0206"),
    ("fail-safe", "EVL0607"),
    ("faulty-feed", "EVL0503"),
    ("impossible-command", "EVL0302"),
    ("no-path", "EVL0604"),
    ("opposed-effects", "EVL0303"),
    ("profile", "EVL0904"),
    ("syntax", "EVL0020"),
    ("tariff-gap", "EVL0501"),
    ("units", "EVL0201"),
    ("unknown-name", "EVL0101"),
];

#[test]
fn every_broken_office_has_its_one_mistake_and_all_are_found_in_one_run() {
    let folders: Vec<String> =
        QUESTIONS.iter().map(|(name, _)| format!("examples/broken-office/{name}")).collect();
    let mut line = vec!["check"];
    line.extend(folders.iter().map(String::as_str));
    let (exit, found, _) = run(&line);
    assert_eq!(exit, Some(1));
    insta::assert_snapshot!("broken_office", found);
    line.extend(["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run(&line).1).unwrap();
    for (name, code) in QUESTIONS {
        let here = format!("examples/broken-office/{name}/");
        let findings = report["findings"].as_array().unwrap().iter();
        let codes: Vec<&str> = findings
            .filter(|finding| finding["primary"]["path"].as_str().unwrap().starts_with(&here))
            .map(|finding| finding["code"].as_str().unwrap())
            .collect();
        assert!(!codes.is_empty() && codes.iter().all(|found| found == code), "{name}: {codes:?}");
    }
}

#[test]
fn the_readme_shows_what_the_tool_prints() {
    let readme = include_str!("../../README.md");
    let command = "$ evl check examples/broken-office/contradiction\n";
    let shown = readme.split_once(command).unwrap().1.split_once("```").unwrap().0;
    let (_, printed, _) = run(&["check", "examples/broken-office/contradiction"]);
    assert_eq!(shown.trim_end(), printed.trim_end());
}
