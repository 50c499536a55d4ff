//! For code hosts: SARIF 2.1.0, one run, one rule for each code that occurs.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Report;
use crate::diag::{Code, Diagnostic, Label, Severity, SourceMap, registry};

/// The log, with a final newline.
#[must_use]
pub fn sarif(report: &Report<'_>) -> String {
    let (placed, unplaced): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        report.findings.iter().partition(|finding| finding.primary.is_some());
    let used: Vec<Code> =
        report.findings.iter().map(|finding| finding.code).collect::<BTreeSet<_>>().into_iter().collect();
    let results: Vec<Value> =
        placed.into_iter().map(|finding| result(finding, &used, report.sources)).collect();
    let notifications: Vec<Value> = unplaced.into_iter().map(notification).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "evl",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": used.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            } },
            "invocations": [{
                "executionSuccessful": report.exit != crate::diag::ExitCode::Failure,
                "exitCode": report.exit.number(),
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    // a value made of texts and numbers always serialises
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn rule(code: Code) -> Value {
    let (title, text) = registry::entry(code).map_or(("", ""), |row| (row.title, row.text));
    json!({
        "id": code.to_string(),
        "shortDescription": { "text": title },
        "fullDescription": { "text": flow(text) },
        "help": { "text": format!("evl explain {code}") },
    })
}

/// Text wrapped for the source code, as one line for each paragraph.
fn flow(text: &str) -> String {
    text.split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

const fn level(severity: Severity) -> &'static str {
    severity.word()
}

/// What lies in no file is about the run, not about the policy.
fn notification(finding: &Diagnostic) -> Value {
    json!({
        "descriptor": { "id": finding.code.to_string() },
        "level": level(finding.severity),
        "message": { "text": message(finding) },
    })
}

fn result(finding: &Diagnostic, used: &[Code], sources: &SourceMap) -> Value {
    let primary: Vec<Value> =
        finding.primary.iter().map(|label| json!({ "physicalLocation": place(label, sources) })).collect();
    let others = finding.labels.iter().chain(&finding.related);
    let related: Vec<Value> = others
        .zip(1..)
        .map(|(label, id)| {
            json!({ "id": id, "physicalLocation": place(label, sources), "message": { "text": label.text } })
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.code.to_string(),
        "ruleIndex": used.binary_search(&finding.code).unwrap_or(0),
        "level": level(finding.severity),
        "message": { "text": message(finding) },
        "locations": primary,
        "partialFingerprints": { "evlFinding/v1": fingerprint(finding, sources) },
    });
    if let Some(map) = result.as_object_mut() {
        if !related.is_empty() {
            map.insert("relatedLocations".to_owned(), related.into());
        }
        if let Some(witness) = &finding.witness {
            map.insert("properties".to_owned(), json!({ "witness": witness.when, "test": witness.test }));
        }
    }
    result
}

/// The message with everything that a viewer without our fields would miss.
fn message(finding: &Diagnostic) -> String {
    let says = finding.primary.iter().map(|label| label.text.clone()).filter(|text| !text.is_empty());
    let when = finding.witness.iter().map(|witness| format!("when: {}", witness.when));
    let notes = finding.notes.iter().map(|note| format!("note: {note}"));
    let help = finding.help.iter().map(|help| format!("help: {help}"));
    std::iter::once(finding.message.clone())
        .chain(says)
        .chain(when)
        .chain(notes)
        .chain(help)
        .collect::<Vec<_>>()
        .join("\n")
}

fn place(label: &Label, sources: &SourceMap) -> Value {
    let at = sources.locate(label.span);
    let mut place = json!({ "artifactLocation": { "uri": uri(&at.path), "uriBaseId": "%SRCROOT%" } });
    if let (Some(map), false) = (place.as_object_mut(), label.span.is_file()) {
        let region = json!({
            "startLine": at.start.line,
            "startColumn": at.start.column,
            "endLine": at.end.line,
            "endColumn": at.end.column,
        });
        map.insert("region".to_owned(), region);
    }
    place
}

/// A path as a relative URI: everything but unreserved characters and `/` is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Stays the same while a finding moves within its file, so that a code host knows it again.
fn fingerprint(finding: &Diagnostic, sources: &SourceMap) -> String {
    let mut hash = Sha256::new();
    let (path, words) =
        finding.span().map_or(("", ""), |span| (sources.path(span.source), sources.slice(span)));
    for part in [&finding.code.to_string(), path, words, &finding.message] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render::samples;

    fn sample() -> String {
        let (sources, findings) = samples::all();
        let exit = findings.exit(false);
        sarif(&Report { findings: &findings, sources: &sources, exit, counts: &[], rests_on: &[] })
    }

    #[test]
    fn as_published() {
        insta::assert_snapshot!(sample().replace(env!("CARGO_PKG_VERSION"), "[version]"));
    }

    #[test]
    fn every_result_leads_to_its_rule_and_place() {
        let log: Value = serde_json::from_str(&sample()).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let results = run["results"].as_array().unwrap();
        let notifications = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        assert_eq!((results.len(), notifications.len()), (5, 1));
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            let related = result["relatedLocations"].as_array().into_iter().flatten();
            for location in result["locations"].as_array().unwrap().iter().chain(related) {
                let place = &location["physicalLocation"];
                let uri = place["artifactLocation"]["uri"].as_str().unwrap();
                assert!(!uri.starts_with('/') && !uri.contains(' ') && uri.is_ascii());
                if let Some(region) = place.get("region") {
                    let number = |name: &str| region[name].as_u64().unwrap();
                    assert!(number("startLine") >= 1 && number("startColumn") >= 1);
                    assert!(
                        (number("startLine"), number("startColumn"))
                            <= (number("endLine"), number("endColumn"))
                    );
                }
            }
        }
        let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), rules.len());
    }

    #[test]
    fn paths_become_relative_uris() {
        assert_eq!(uri("rules/größe 1%.evl"), "rules/gr%C3%B6%C3%9Fe%201%25.evl");
    }
}
