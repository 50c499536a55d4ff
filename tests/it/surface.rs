//! What each construct of the language becomes: the typed policy of whole sites, read line by line.

use std::path::Path;

use evl::diag::Severity;
use evl::repo::Repository;
use evl::sema;
use evl::system::MemorySystem;
use serde_json::Value;

/// The typed policy of a site of these files, as JSON without the places of statements.
#[track_caller]
fn policy(files: &[(&str, &str)]) -> Value {
    let mut system = MemorySystem::new();
    for (path, text) in files {
        system = system.file(format!("s/{path}"), *text);
    }
    let repository = Repository::open(&system, Path::new("s")).unwrap();
    let compiled = sema::compile(&repository);
    let errors: Vec<String> = compiled
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    let mut policy = serde_json::to_value(compiled.site.unwrap()).unwrap();
    without_places(&mut policy);
    policy
}

fn without_places(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !(key.ends_with("span") || key == "sha256" || value.is_null()));
            map.values_mut().for_each(without_places);
        }
        Value::Array(list) => list.iter_mut().for_each(without_places),
        _ => {}
    }
}

/// The files of a specification's page.
fn page(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut files = Vec::new();
    for block in text.split("```").skip(1).step_by(2) {
        let (info, body) = block.split_once('\n').unwrap();
        files.push((info.split_once(' ').map_or("policy.evl", |(_, name)| name), body));
    }
    files
}

/// Every entry on a line of its own.
fn lines(policy: &Value) -> String {
    let mut out = String::new();
    for (part, value) in policy.as_object().unwrap() {
        out.push_str(&format!("{part}:\n"));
        match value {
            Value::Array(all) => all.iter().for_each(|one| out.push_str(&format!("  {one}\n"))),
            other => out.push_str(&format!("  {other}\n")),
        }
    }
    out
}

#[test]
fn the_page_by_example() {
    insta::assert_snapshot!(lines(&policy(&page(include_str!("../spec/by_example.md")))));
}

#[test]
fn the_rest_of_the_language() {
    insta::assert_snapshot!(lines(&policy(&page(include_str!("../spec/surface.md")))));
}
