//! `evl check` on input that is no policy: one clear finding each, the right exit code, nothing written.

use std::ffi::OsString;

use evl::system::MemorySystem;

/// Exit code and the codes of the findings of one command line.
fn check(system: &MemorySystem, paths: &str) -> (u8, Vec<String>) {
    let before = system.files();
    let line = format!("evl check --format json {paths}");
    let exit = evl::cli::run(line.split_whitespace().map(OsString::from), system);
    assert_eq!(system.files(), before, "nothing is written");
    let report: serde_json::Value = serde_json::from_str(&system.printed()).unwrap();
    assert_eq!(report["exit"], exit.number());
    let findings = report["findings"].as_array().unwrap();
    (exit.number(), findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect())
}

fn one(code: &str) -> Vec<String> {
    vec![code.to_owned()]
}

#[test]
fn missing_paths_and_empty_folders() {
    let system = MemorySystem::new().file("empty/readme.txt", "");
    assert_eq!(check(&system.clone(), "nowhere"), (2, one("EVL0002")));
    assert_eq!(check(&MemorySystem::new().file("empty/readme.txt", ""), "empty"), (2, one("EVL0006")));
}

#[test]
fn other_encodings_and_files_above_the_cap() {
    let latin1 = MemorySystem::new().file("site/a.evl", b"edition 2026\n// gr\xfcn\n");
    assert_eq!(check(&latin1, "site").0, 2);
    assert!(latin1.printed().contains("EVL0003"));
    let large = MemorySystem::new().file("site/a.evl", vec![b' '; (4 << 20) + 1]);
    assert_eq!(check(&large, "site").0, 2);
    assert!(large.printed().contains("EVL0004"));
}

#[test]
fn one_bad_statement_hides_no_other_and_one_bad_site_no_other() {
    let system = MemorySystem::new()
        .file("a/p.evl", "edition 2026\nrule x in comfort { then set boiler to }\nrule { }\n")
        .file("b/p.evl", "edition 2026\nschedule = daily\n");
    let (exit, codes) = check(&system, "a b");
    assert_eq!(exit, 1);
    assert!(codes.iter().filter(|code| *code == "EVL0020").count() >= 3, "{codes:?}");
    let printed = system.printed();
    assert!(printed.contains("\"a/p.evl\"") && printed.contains("\"b/p.evl\""));
}

#[test]
fn ten_thousand_parentheses_are_an_error_and_no_crash() {
    let deep = format!(
        "edition 2026\nrule x in comfort {{ when {} 1 kW > 0 kW then turn on fan }}\n",
        "(".repeat(10_000)
    );
    let system = MemorySystem::new().file("site/a.evl", deep);
    assert_eq!(check(&system, "site").0, 1);
}
