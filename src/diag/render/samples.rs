//! Findings that every renderer's snapshot shows.

use crate::diag::{Diagnostic, Diagnostics, Severity, SourceMap, Span, codes};

/// Two files, and one finding of each shape.
pub(crate) fn all() -> (SourceMap, Diagnostics) {
    let mut sources = SourceMap::new();
    let comfort = "edition 2026\n\nrule precool in comfort {\n  when weather.temperature > 30 degC\n  then set offices.setpoint to 21 degC\n}\n";
    let savings = "rule drift_up in comfort {\n  when price.import > 0.30 USD/kWh\n  then set offices.setpoint to 26 degC\n}\nassume grün \u{1b}[31m\n";
    let span = |id, text: &str, words: &str| {
        let start = u32::try_from(text.find(words).unwrap()).unwrap();
        Span::new(id, start, start + u32::try_from(words.len()).unwrap())
    };
    let a = sources.add("rules/comfort.evl", comfort);
    let b = sources.add("rules/savings.evl", savings);
    let yaml = sources.add("evl.yaml", "site: s\n");
    let first = span(a, comfort, "set offices.setpoint to 21 degC");
    let second = span(b, savings, "set offices.setpoint to 26 degC");
    let mut findings: Diagnostics = [
        Diagnostic::error(
            codes::CONTRADICTION,
            first,
            "two rules command `offices.setpoint` to different values at the same priority",
        )
        .says("`precool` says 21 degC")
        .label(second, "`drift_up` says 26 degC")
        .witness(
            "Tue 2026-07-14 16:30, weather.temperature 31 degC (0.42 USD/kWh in the peak)",
            "test \"precool against drift_up\" {\n  given Tue 2026-07-14 16:30, weather.temperature 31 degC\n  expect conflict precool, drift_up\n}",
        )
        .rests_on(span(b, savings, "assume grün"), "the assumption")
        .help("give one of them a higher priority, or end `drift_up` where `precool` begins"),
        Diagnostic::error(codes::DUPLICATE_NAME, span(a, comfort, "offices"), "labels far apart in one file")
            .label(span(a, comfort, "edition"), "here too"),
        Diagnostic::warning(codes::DEAD_RULE, span(a, comfort, "precool"), "rule `precool` can never act")
            .because("`weather.temperature` is declared up to 25 degC"),
        Diagnostic::note(codes::UNKNOWN_NAME, span(b, savings, "grün"), "colour \u{1b}[32m of `grün`").says("here"),
        Diagnostic::error(codes::YAML_KEY, Span::file(yaml), "the manifest lacks the key `members`"),
        Diagnostic::nowhere(codes::DEAD_GATEWAY, Severity::Error, "gateway `roof` does not answer at 127.0.0.1:1502")
            .help("is it switched on and reachable from this computer?"),
    ]
    .into_iter()
    .collect();
    findings.sort(&sources);
    (sources, findings)
}
