//! `evl explain`: what a code means.

use serde_json::json;

use super::output;
use crate::diag::registry::{self, Entry};
use crate::diag::render::paragraph;
use crate::diag::{Code, Diagnostic, ExitCode, Severity, codes};
use crate::system::System;

/// Tell what a finding's code means and how to mend it; without a code, list them all
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The code, such as EVL0301 or 301
    code: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let Some(asked) = &args.code else {
        return output::print(system, &list(args.json));
    };
    match asked.parse::<Code>().ok().and_then(registry::entry) {
        Some(row) if args.json => output::print(system, &format!("{:#}\n", object(row))),
        Some(row) => {
            let mut out = format!("{}: {}\n", row.code, row.title);
            // the lines of the text end where those of the code do, not where the screen does
            for part in text(row).split("\n\n") {
                out.push('\n');
                paragraph(&mut out, "", 0, part, output::width(system).min(100));
            }
            output::print(system, &out)
        }
        None => {
            let words = format!("there is no code `{asked}`");
            let finding = Diagnostic::nowhere(codes::USAGE, Severity::Error, words);
            output::fail(system, finding.help("`evl explain` lists all codes"))
        }
    }
}

fn list(as_json: bool) -> String {
    let rows = registry::all();
    if as_json {
        let rows: Vec<_> = rows.into_iter().map(object).collect();
        return format!("{:#}\n", serde_json::Value::Array(rows));
    }
    rows.iter().map(|row| format!("{}  {}\n", row.code, row.title)).collect()
}

fn object(row: &Entry) -> serde_json::Value {
    json!({ "code": row.code, "title": row.title, "text": text(row).trim_end() })
}

/// The doc comment without the space that begins each of its lines.
fn text(row: &Entry) -> String {
    row.text.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}
