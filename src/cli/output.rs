//! What every verb does with findings, failures and results.

#[cfg(feature = "solver")]
use std::path::Path;

use clap::ValueEnum;

use super::usage::NotYet;
#[cfg(feature = "runtime")]
use crate::diag::render::paragraph;
use crate::diag::render::{self, Look, Report};
use crate::diag::{Diagnostic, Diagnostics, ExitCode, SourceMap, Tally, codes};
#[cfg(feature = "runtime")]
use crate::runtime::report::SAFE;
#[cfg(feature = "solver")]
use crate::system::{FileError, Kind};
use crate::system::{FileFault, Stream, System};

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// drawn over the source, for people
    Human,
    /// one JSON document, schema in docs/schema/diagnostics.json
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
}

/// Reads `--format`; forms of later versions are named as such.
fn format(text: &str) -> Result<Format, Box<dyn std::error::Error + Send + Sync>> {
    const FORMS: &str = "use `human`, `json` or `sarif`";
    match text {
        "human" => Ok(Format::Human),
        "json" => Ok(Format::Json),
        "sarif" => Ok(Format::Sarif),
        "junit" | "github" => Err(Box::new(NotYet(FORMS))),
        _ => Err(FORMS.into()),
    }
}

/// What can be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Denied {
    /// warnings count as errors for the exit code
    Warnings,
}

/// Flags of all verbs that report findings.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Flags {
    /// How findings are written: human, json or sarif
    #[arg(long, value_name = "FORMAT", default_value = "human", value_parser = format)]
    format: Format,
    /// Let warnings, too, end the run with exit code 1
    #[arg(long, value_name = "WHAT")]
    deny: Option<Denied>,
    /// Show the quiet notes as well: safety rules that name no independent `interlock`
    #[arg(long)]
    notes: bool,
    /// Add to each witness the `test` block that reproduces it
    #[arg(long)]
    tests: bool,
}

/// What a verb found out.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// the texts
    pub(super) sources: SourceMap,
    /// the findings, in any order
    pub(super) findings: Diagnostics,
    /// what was done, counted by regular plurals
    pub(super) counts: Vec<(String, u64)>,
    /// the assumptions on which clean verdicts rest
    pub(super) rests_on: Vec<String>,
}

impl Outcome {
    /// Adds what was found out about the site that the user named `shown`.
    #[cfg(feature = "solver")]
    pub(super) fn add(&mut self, shown: &str, site: Self) {
        let by = self.sources.absorb(&site.sources, shown);
        self.findings.extend(site.findings.into_iter().map(|finding| finding.shifted(by)));
        for (name, count) in site.counts {
            match self.counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += count,
                None => self.counts.push((name, count)),
            }
        }
        let prefix = if matches!(shown, "" | ".") { String::new() } else { format!("{shown}: ") };
        self.rests_on.extend(site.rests_on.into_iter().map(|line| format!("{prefix}{line}")));
    }
}

/// Writes the findings to standard output, a summary for people to standard error.
pub(super) fn report(system: &dyn System, flags: &Flags, outcome: Outcome) -> ExitCode {
    let Outcome { sources, mut findings, counts, rests_on } = outcome;
    if !flags.notes {
        findings.drop_quiet();
    }
    findings.sort(&sources);
    let exit = findings.exit(flags.deny == Some(Denied::Warnings));
    let report =
        Report { findings: &findings, sources: &sources, exit, counts: &counts, rests_on: &rests_on };
    let text = match flags.format {
        Format::Human => render::human(&findings, &sources, look(system, Stream::Out, flags.tests)),
        Format::Json => render::json(&report),
        Format::Sarif => render::sarif(&report),
    };
    let printed = print(system, &text);
    if flags.format == Format::Human {
        system.say(&summary(&report));
    }
    exit.and(printed)
}

/// Writes findings to standard error: for verbs whose data is something else.
pub(super) fn complain(system: &dyn System, mut findings: Diagnostics, sources: &SourceMap) -> ExitCode {
    findings.drop_quiet();
    findings.sort(sources);
    system.say(&render::human(&findings, sources, look(system, Stream::Err, false)));
    findings.exit(false)
}

/// As [`complain`], for what was found out about the site whose folder is `shown`.
#[cfg(feature = "solver")]
pub(super) fn complain_about(system: &dyn System, shown: &str, site: Outcome) -> ExitCode {
    let mut all = Outcome::default();
    all.add(shown, site);
    complain(system, all.findings, &all.sources)
}

/// Endings of what people write.
#[cfg(feature = "solver")]
const TEXTS: [&str; 4] = ["evl", "yaml", "yml", "csv"];

/// Whether a result can be written there, as far as looking tells: asked before long work, so that
/// a slip in a path does not cost the work.
#[cfg(feature = "solver")]
pub(super) fn room_for(system: &dyn System, path: &Path) -> Result<(), Box<Diagnostic>> {
    let refused = |fault| Err(Box::new(FileError::new(path, fault).writing()));
    match (system.kind(path), path.parent()) {
        (Some(Kind::Folder | Kind::Other), _) => refused(FileFault::NotAFile),
        // what people wrote is not lost to a slip
        (Some(_), _) if path.extension().is_some_and(|ending| TEXTS.iter().any(|text| ending == *text)) => {
            refused(FileFault::Other("it is a text of a policy and would be lost".to_owned()))
        }
        (_, Some(folder)) if !folder.as_os_str().is_empty() && !system.exists(folder) => {
            refused(FileFault::Missing)
        }
        _ => Ok(()),
    }
}

/// Ends a run with one finding that lies in no file.
pub(super) fn fail(system: &dyn System, finding: Diagnostic) -> ExitCode {
    complain(system, std::iter::once(finding).collect(), &SourceMap::new())
}

/// Writes data to standard output. A reader that went away early (`evl explain | head`) is no
/// failure.
pub(super) fn print(system: &dyn System, text: &str) -> ExitCode {
    match system.print(text) {
        Err(error) if error.fault != FileFault::Closed => {
            system.say(&format!("error[{}]: {error}\n", codes::UNWRITABLE));
            ExitCode::Failure
        }
        _ => ExitCode::Success,
    }
}

fn look(system: &dyn System, stream: Stream, tests: bool) -> Look {
    let width = system.terminal_width().unwrap_or(Look::default().width);
    let wrap = system.is_terminal(stream);
    Look { colour: system.may_colour(stream), width, wrap, tests }
}

/// Columns for text on standard output: those of the terminal within reason (narrower, words would
/// break; wider, lines are hard to follow), or 100.
pub(super) fn width(system: &dyn System) -> usize {
    system.terminal_width().unwrap_or(100).clamp(60, 140)
}

/// Lines that pass a terminal's width, broken between words under the column in which they begin to
/// speak. A command to be typed stays in one piece.
#[cfg(feature = "runtime")]
pub(super) fn fitted(system: &dyn System, text: &str) -> String {
    if !system.is_terminal(Stream::Out) {
        return text.to_owned();
    }
    let width = width(system);
    let mut out = String::new();
    for line in text.lines() {
        if line.chars().count() <= width || line.trim_start().starts_with(SAFE) {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let body = line.trim_start();
        // what is aligned in columns stays so
        let name = body.find("  ").filter(|at| *at < width / 3).unwrap_or(0);
        let rest = body.get(name..).unwrap_or(body).trim_start();
        let head = line.strip_suffix(rest).unwrap_or_default();
        let indent = head.chars().count() + if name == 0 { 2 } else { 0 };
        paragraph(&mut out, head, indent, rest, width);
    }
    out
}

/// `2 errors, 1 warning; 31 rules, 812 questions`, and on what clean verdicts rest.
fn summary(report: &Report<'_>) -> String {
    let Tally { errors, warnings, notes } = report.findings.tally();
    // the names of all counts are regular plurals
    let counted = |count, many: &str| counted(count, many.strip_suffix('s').unwrap_or(many), many);
    let found: Vec<String> = [(errors, "errors"), (warnings, "warnings"), (notes, "notes")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| counted(count as u64, word))
        .collect();
    let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
    let counts: Vec<String> = report.counts.iter().map(|(name, count)| counted(*count, name)).collect();
    let counts = if counts.is_empty() { String::new() } else { format!("; {}", counts.join(", ")) };
    let mut out = format!("{found}{counts}\n");
    if !report.rests_on.is_empty() {
        out.push_str("this rests on:\n");
        for line in report.rests_on {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

/// `1 rule`, `31 rules`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(all(test, feature = "runtime"))]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    #[test]
    fn long_lines_are_broken_under_where_they_began_to_speak() {
        let device = format!("    pack     idle: {}", "a long story ".repeat(12).trim_end());
        let note = format!("  {}", "lapses before ".repeat(12).trim_end());
        let safe = format!("  {SAFE}evl release --all --state-dir {}", "/deep".repeat(30));
        let text = format!("yard\n{device}\n{note}\n{safe}\n");
        assert_eq!(fitted(&MemorySystem::new(), &text), text, "for programs");
        let seen = fitted(&MemorySystem::new().with_terminal(), &text);
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines.len(), 6, "{seen}");
        assert!(lines[1].starts_with("    pack     idle: a long"), "{seen}");
        assert!(lines[2].starts_with(&(" ".repeat(13) + "long")), "{seen}");
        assert!(lines[4].starts_with("    lapses") || lines[4].starts_with("    before"), "{seen}");
        assert_eq!(lines[5], safe);
        assert!(lines.iter().take(5).all(|line| line.chars().count() <= 100), "{seen}");
        assert_eq!(seen.split_whitespace().count(), text.split_whitespace().count());
    }
}
