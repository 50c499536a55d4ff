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
            map.retain(|key, value| {
                !(key.ends_with("span") || key == "sha256" || key == "places" || value.is_null())
            });
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

/// A bundle has no texts, and says all the same where everything stands that a plan can name.
#[test]
fn every_statement_says_where_it_begins() {
    let mut files = page(include_str!("../spec/by_example.md"));
    // columns count characters
    files.push((
        "rules/late.evl",
        "edition 2026\n\n rule late in safety { interlock \"Relais für 3 µA\" then turn off boiler }\n",
    ));
    let mut system = MemorySystem::new();
    for (path, text) in &files {
        system = system.file(format!("s/{path}"), *text);
    }
    let repository = Repository::open(&system, Path::new("s")).unwrap();
    let site = sema::compile(&repository).site.unwrap();
    let from_bytes: evl::ir::Site = serde_json::from_slice(&serde_json::to_vec(&site).unwrap()).unwrap();
    let mut places = Vec::new();
    for statement in evl::bundle::statements(&site) {
        let named = evl::bundle::StatementRef::of(&site, statement);
        assert_eq!(named, evl::bundle::StatementRef::of(&from_bytes, statement));
        let mut parts = named.at.rsplitn(3, ':');
        let (column, line) = (parts.next().unwrap(), parts.next().unwrap());
        let (column, line): (usize, usize) = (column.parse().unwrap(), line.parse().unwrap());
        let path = parts.next().unwrap();
        assert!(line > 0 && column > 0, "{named:?}");
        if let Some((_, text)) = files.iter().find(|(name, _)| *name == path) {
            let rest: String = text.lines().nth(line - 1).unwrap().chars().skip(column - 1).collect();
            let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
            if matches!(statement, evl::ir::Statement::Effect(..)) {
                assert_eq!(first(&rest), first(&named.text), "{named:?}");
            } else if !matches!(statement, evl::ir::Statement::Comfort(_) | evl::ir::Statement::Budget(_)) {
                assert!(rest.starts_with(named.name.split('[').next().unwrap()), "{named:?}: {rest}");
            }
        }
        places.push(named.at);
    }
    // ` rule late in safety { interlock "Relais für 3 µA" then ` has 56 characters in 58 bytes
    assert!(places.contains(&"rules/late.evl:3:57".to_owned()), "{places:#?}");
    assert!(places.len() > 25 && places.iter().all(|at| !at.starts_with(':')), "{places:#?}");
}

#[test]
fn the_rest_of_the_language() {
    insta::assert_snapshot!(lines(&policy(&page(include_str!("../spec/surface.md")))));
}
