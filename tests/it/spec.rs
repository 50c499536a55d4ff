//! Specifications in Markdown: `tests/spec/*.md`.
//!
//! Every `##` section is a policy with the findings that it must get, and no others. Fenced blocks
//! are files: `evl` is `policy.evl`, `evl tenants/acme/rules.evl` names another, and so do `csv`
//! and `yaml` blocks. Blocks before the first section belong to every section of the file; a
//! section's block of the same name takes their place, and `evl alone` leaves all others out.
//! Where a finding must stand, its line ends in a comment: `// error: EVL0202 text in its message`
//! (or `warning:`). A line `stage: check` before the first section reads the feeds and asks the
//! solver's questions too.

use std::collections::BTreeMap;
use std::path::Path;

use evl::analysis::{self, CheckInputs};
use evl::calendar::Calendar;
use evl::diag::{Diagnostics, Severity, SourceMap};
use evl::inputs;
use evl::repo::Repository;
use evl::sema;
use evl::system::MemorySystem;

#[derive(Debug, Clone, Default)]
struct Section {
    title: String,
    files: BTreeMap<String, String>,
    alone: bool,
}

#[derive(Debug, Default)]
struct Specification {
    whole: bool,
    preamble: Section,
    sections: Vec<Section>,
}

fn read(text: &str) -> Specification {
    let mut all = Specification::default();
    let mut block: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some((name, body)) = &mut block {
            if line.trim_end() == "```" {
                let section = all.sections.last_mut().unwrap_or(&mut all.preamble);
                assert!(
                    section.files.insert(name.clone(), body.clone()).is_none(),
                    "{}: `{name}` stands twice",
                    section.title
                );
                block = None;
            } else {
                body.push_str(line);
                body.push('\n');
            }
            continue;
        }
        if let Some(info) = line.strip_prefix("```") {
            let mut words = info.split_whitespace();
            let kind = words.next().unwrap_or("");
            let name = words.next();
            let name = match (kind, name) {
                ("evl", Some("alone")) => {
                    if let Some(section) = all.sections.last_mut() {
                        section.alone = true;
                    }
                    "policy.evl"
                }
                ("evl", None) => "policy.evl",
                (_, Some(name)) => name,
                _ => panic!("a block `{info}` needs a file name"),
            };
            block = Some((name.to_owned(), String::new()));
        } else if let Some(title) = line.strip_prefix("## ") {
            all.sections.push(Section { title: title.trim().to_owned(), ..Section::default() });
        } else if line.trim() == "stage: check" && all.sections.is_empty() {
            all.whole = true;
        }
    }
    assert!(block.is_none(), "a block does not end");
    all
}

/// A finding as a mark in the text says it: path, line, severity, code, and a part of its message.
type Mark = (String, u32, String, String, String);

fn marks(files: &BTreeMap<String, String>) -> Vec<Mark> {
    let mut out = Vec::new();
    for (path, text) in files {
        for (at, line) in text.lines().enumerate() {
            for part in line.split("//").skip(1) {
                let part = part.trim();
                let Some((level, rest)) = part.split_once(": ") else { continue };
                if level != "error" && level != "warning" {
                    continue;
                }
                let (code, message) = rest.split_once(' ').unwrap_or((rest, ""));
                out.push((
                    path.clone(),
                    u32::try_from(at).unwrap() + 1,
                    level.to_owned(),
                    code.to_owned(),
                    message.trim().to_owned(),
                ));
            }
        }
    }
    out
}

fn run(section: &Section, whole: bool) -> (Diagnostics, SourceMap) {
    let mut system = MemorySystem::new();
    for (path, text) in &section.files {
        system = system.file(format!("site/{path}"), text.as_str());
    }
    let mut repository = match Repository::open(&system, Path::new("site")) {
        Ok(repository) => repository,
        Err(finding) => return ([*finding].into_iter().collect(), SourceMap::new()),
    };
    let sema::Compiled { site, sources, mut findings, .. } = sema::compile(&repository);
    repository.sources = sources;
    if whole && let Some(site) = &site {
        let calendar = Calendar::new(site).unwrap();
        if let Err(faults) = inputs::load(&mut repository, site, &calendar, calendar.valid()) {
            findings.extend(faults);
        }
        let report = analysis::check(site, &CheckInputs::default());
        findings.extend(report.findings);
    }
    findings.sort(&repository.sources);
    (findings, repository.sources.clone())
}

fn judge(section: &Section, whole: bool) -> Vec<String> {
    let (findings, sources) = run(section, whole);
    let mut wanted = marks(&section.files);
    let mut faults = Vec::new();
    for finding in findings.iter() {
        if finding.severity == Severity::Note {
            continue;
        }
        let (path, line) = finding.span().map_or((String::new(), 0), |span| {
            let place = sources.locate(span);
            (place.path.to_string(), place.start.line)
        });
        let code = finding.code.to_string();
        let found = wanted.iter().position(|(p, l, level, c, message)| {
            *p == path
                && *l == line
                && *level == finding.severity.word()
                && *c == code
                && finding.message.contains(message.as_str())
        });
        match found {
            Some(at) => {
                wanted.remove(at);
            }
            None => faults.push(format!(
                "    found   {path}:{line} {} {code} {}",
                finding.severity.word(),
                finding.message
            )),
        }
    }
    for (path, line, level, code, message) in wanted {
        faults.push(format!("    missing {path}:{line} {level} {code} {message}"));
    }
    faults
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the specifications are files of this repository")]
fn every_section_gets_its_findings_and_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "md"));
    paths.sort();
    assert!(!paths.is_empty());
    let (mut report, mut sections) = (String::new(), 0);
    for path in paths {
        let specification = read(&std::fs::read_to_string(&path).unwrap());
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for section in &specification.sections {
            let mut whole = section.clone();
            if !section.alone {
                for (name, text) in &specification.preamble.files {
                    whole.files.entry(name.clone()).or_insert_with(|| text.clone());
                }
            }
            let faults = judge(&whole, specification.whole);
            sections += 1;
            if !faults.is_empty() {
                report.push_str(&format!("{file}: {}\n{}\n", section.title, faults.join("\n")));
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert!(sections > 0, "no section was read");
}

/// The page that shows the language by example, with what it names and omits.
#[test]
#[expect(clippy::disallowed_methods, reason = "the specifications are files of this repository")]
fn the_language_by_example_compiles() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/by_example.md"))
            .unwrap();
    let specification = read(&text);
    let mut system = MemorySystem::new();
    for (path, text) in &specification.preamble.files {
        system = system.file(format!("site/{path}"), text.as_str());
    }
    let repository = Repository::open(&system, Path::new("site")).unwrap();
    let compiled = sema::compile(&repository);
    let findings: Vec<String> = compiled
        .findings
        .iter()
        .map(|f| {
            let place = f.span().map(|span| compiled.sources.locate(span));
            let line = place.map_or(String::new(), |p| format!("{}:{}", p.path, p.start.line));
            format!("{line} {} {}", f.code, f.message)
        })
        .collect();
    assert_eq!(findings, Vec::<String>::new());
    let site = compiled.site.unwrap();
    insta::assert_snapshot!("by_example", lines(&site));
    let text = serde_json::to_string(&site).unwrap();
    let back: evl::ir::Site = serde_json::from_str(&text).unwrap();
    assert_eq!(back, site, "a site survives its JSON");
}

/// A site with one line for each entry of its lists.
fn lines(site: &evl::ir::Site) -> String {
    let value = serde_json::to_value(site).unwrap();
    let mut out = String::new();
    for (key, value) in value.as_object().unwrap().iter().filter(|(key, _)| *key != "places") {
        match value.as_array() {
            Some(entries) if !entries.is_empty() => {
                out.push_str(&format!("{key}\n"));
                for entry in entries {
                    out.push_str(&format!("  {}\n", without_spans(entry)));
                }
            }
            _ => out.push_str(&format!("{key} {}\n", without_spans(value))),
        }
    }
    out
}

/// Places change with every edit of the page; they are tested elsewhere.
fn without_spans(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "span" | "when_span" | "sha256"))
            .map(|(key, value)| (key.clone(), without_spans(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        serde_json::Value::Array(entries) => entries.iter().map(without_spans).collect(),
        other => other.clone(),
    }
}

/// A site of `count` rules over many devices.
fn large(count: usize) -> String {
    let mut text = String::from(
        "edition 2026\nsite s { timezone \"Europe/Berlin\", currency EUR, step 15 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31 }\n\
         priorities safety > comfort > economy\nbus main { ac 400 V, 3 phase }\n\
         producer grid : grid { on main, import up to 100 kW, tariff t }\ntariff t { import 0.30 EUR/kWh }\n\
         weather { temperature -20 degC .. 40 degC }\nschedule open = weekdays 08:00..18:00\n",
    );
    for at in 0..count.div_ceil(10) {
        text.push_str(&format!(
            "consumer load{at}[1..8] : load {{ on main, demand 0 kW .. 9 kW, tags {{ floor: {at} }} }}\n"
        ));
        text.push_str(&format!("group g{at} = consumer where floor = {at} and kind = load\n"));
    }
    for at in 0..count {
        let device = at / 10;
        text.push_str(&format!(
            "rule r{at} in economy {{ when weather.temperature > {} degC and during open and any g{device}.power > 2 kW then limit g{device} to 3.6 kW each, turn off load{device}[3] }}\n",
            at % 40
        ));
    }
    text
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test times itself; quadratic time shows as minutes")]
fn many_rules_compile_in_linear_time() {
    let time = |count: usize| {
        let system = MemorySystem::new().file("site/policy.evl", large(count));
        let repository = Repository::open(&system, Path::new("site")).unwrap();
        let start = std::time::Instant::now();
        let compiled = sema::compile(&repository);
        let spent = start.elapsed();
        let first = compiled.findings.iter().next().map(|f| f.message.clone());
        assert_eq!(first, None);
        assert_eq!(compiled.site.unwrap().rules.len(), count);
        spent
    };
    let (small, large) = (time(200), time(2_000));
    assert!(large < small * 40 + std::time::Duration::from_secs(1), "200: {small:?}, 2,000: {large:?}");
}

/// Words, numbers and signs of a text, each with what follows it up to the next.
fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(end);
        out.push(token);
        rest = after;
    }
    out
}

#[derive(Debug, Clone)]
enum Slip {
    Delete(usize),
    Copy(usize, usize),
    Swap(usize, usize),
}

fn slip() -> impl proptest::strategy::Strategy<Value = Slip> {
    use proptest::prelude::*;
    let at = || 0..100_000_usize;
    prop_oneof![
        at().prop_map(Slip::Delete),
        (at(), at()).prop_map(|(a, b)| Slip::Copy(a, b)),
        (at(), at()).prop_map(|(a, b)| Slip::Swap(a, b)),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]
    /// Whatever is slipped into a policy, it compiles or gets findings.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the specifications are files of this repository")]
    fn slips_of_the_pen_are_findings(slips in proptest::collection::vec(slip(), 1..8)) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/by_example.md");
        let specification = read(&std::fs::read_to_string(path).unwrap());
        let mut files = specification.preamble.files;
        let text = files.remove("policy.evl").unwrap();
        let mut words = tokens(&text);
        for slip in slips {
            let len = words.len();
            match slip {
                Slip::Delete(at) => { words.remove(at % len); }
                Slip::Copy(from, to) => { let word = words[from % len]; words[to % len] = word; }
                Slip::Swap(a, b) => words.swap(a % len, b % len),
            }
        }
        files.insert("policy.evl".to_owned(), words.concat());
        let section = Section { files, ..Section::default() };
        let mut system = MemorySystem::new();
        for (path, text) in &section.files {
            system = system.file(format!("site/{path}"), text.as_str());
        }
        let repository = Repository::open(&system, Path::new("site")).unwrap();
        let compiled = sema::compile(&repository);
        assert_eq!(compiled.site.is_none(), compiled.findings.has_errors());
        for finding in compiled.findings.iter() {
            assert!(!finding.message.is_empty() && !finding.message.ends_with('.'), "{}", finding.message);
        }
    }
}
