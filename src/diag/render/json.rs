//! For machines: the findings as one JSON document, schema in `docs/schema/diagnostics.json`.

use serde::Serialize;

use super::Report;
use crate::diag::{Code, Diagnostic, Label, Position, Severity, SourceMap, Witness};

/// Name and version of the schema; a change that breaks readers raises the version.
const SCHEMA: &str = "evl.diagnostics/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    exit: u8,
    errors: usize,
    warnings: usize,
    notes: usize,
    counts: serde_json::Map<String, serde_json::Value>,
    rests_on: &'a [String],
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: Code,
    severity: Severity,
    title: &'static str,
    message: &'a str,
    primary: Option<Place<'a>>,
    labels: Vec<Place<'a>>,
    rests_on: Vec<Place<'a>>,
    notes: &'a [String],
    help: Option<&'a str>,
    witness: Option<&'a Witness>,
}

#[derive(Serialize)]
struct Place<'a> {
    path: String,
    start: Position,
    end: Position,
    bytes: [u32; 2],
    text: &'a str,
}

/// The document, with a final newline.
#[must_use]
pub fn json(report: &Report<'_>) -> String {
    let tally = report.findings.tally();
    let document = Document {
        schema: SCHEMA,
        tool: Tool { name: "evl", version: env!("CARGO_PKG_VERSION") },
        exit: report.exit.number(),
        errors: tally.errors,
        warnings: tally.warnings,
        notes: tally.notes,
        counts: report.counts.iter().map(|(name, count)| (name.clone(), (*count).into())).collect(),
        rests_on: report.rests_on,
        findings: report.findings.iter().map(|finding| one(finding, report.sources)).collect(),
    };
    // maps with text keys and plain numbers always serialise
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn one<'a>(finding: &'a Diagnostic, sources: &SourceMap) -> Finding<'a> {
    let places = |labels: &'a [Label]| labels.iter().map(|label| place(label, sources)).collect();
    Finding {
        code: finding.code,
        severity: finding.severity,
        title: crate::diag::registry::entry(finding.code).map_or("", |row| row.title),
        message: &finding.message,
        primary: finding.primary.as_ref().map(|label| place(label, sources)),
        labels: places(&finding.labels),
        rests_on: places(&finding.related),
        notes: &finding.notes,
        help: finding.help.as_deref(),
        witness: finding.witness.as_ref(),
    }
}

fn place<'a>(label: &'a Label, sources: &SourceMap) -> Place<'a> {
    let at = sources.locate(label.span);
    Place {
        path: at.path.to_string(),
        start: at.start,
        end: at.end,
        bytes: [label.span.start, label.span.end],
        text: &label.text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render::{samples, schema};

    fn sample() -> String {
        let (sources, findings) = samples::all();
        let (counts, rests_on) =
            ([("rules".to_owned(), 2)], ["weather.temperature -20 degC .. 42 degC".to_owned()]);
        let exit = findings.exit(false);
        json(&Report { findings: &findings, sources: &sources, exit, counts: &counts, rests_on: &rests_on })
    }

    #[test]
    fn as_published() {
        let text = sample().replace(env!("CARGO_PKG_VERSION"), "[version]");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn obeys_its_schema() {
        let schema_text = include_str!("../../../docs/schema/diagnostics.json");
        let schema: serde_json::Value = serde_json::from_str(schema_text).unwrap();
        let value: serde_json::Value = serde_json::from_str(&sample()).unwrap();
        assert_eq!(schema::violations(&schema, &value), Vec::<String>::new());
    }

    #[test]
    fn the_schema_refuses_other_documents() {
        let schema_text = include_str!("../../../docs/schema/diagnostics.json");
        let schema: serde_json::Value = serde_json::from_str(schema_text).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&sample()).unwrap();
        value["findings"][0]["severity"] = "fatal".into();
        value["findings"][1]["surprise"] = true.into();
        value["exit"] = 9.into();
        assert_eq!(schema::violations(&schema, &value).len(), 3);
    }
}
