//! `evl verify`: does a plan obey its policy, exactly?

use std::path::{Path, PathBuf};

use super::documents;
use super::output::{self, Outcome};
use crate::bundle::{Bundle, Hash};
use crate::calendar::Calendar;
use crate::diag::{ExitCode, SourceMap, Span};
use crate::system::{POLICY_CAP, RepoRoot, System};
use crate::verify::verify;

/// Check a plan exactly against the bundle from which it was made
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan
    plan: PathBuf,
    /// The bundle; by default `site.bundle` beside the plan
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The site folder, to show statements in their text
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
    #[command(flatten)]
    flags: output::Flags,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut outcome = Outcome::default();
    let plan = documents::plan(system, &args.plan);
    let bundle = documents::bundle(system, &documents::bundle_beside(&args.plan, args.bundle.as_deref()));
    match (plan, bundle) {
        (Ok(plan), Ok(bundle)) => {
            let verdict = verify(&bundle, &plan);
            let calendar = Calendar::new(&bundle.site).ok();
            let clock = |at| calendar.as_ref().map_or_else(|| format!("{at}"), |calendar| calendar.show(at));
            outcome.sources = texts(&bundle, args.site.as_deref(), system);
            for miss in &verdict.misses {
                let mut finding = miss.finding(&plan.steps, clock);
                if let Some(label) = &mut finding.primary {
                    // without its text a file is all that can be named
                    if outcome.sources.get(label.span.source).is_none_or(|file| file.text().is_empty()) {
                        label.span = Span::file(label.span.source);
                    }
                }
                outcome.findings.push(finding);
            }
            let asked = verdict.asked;
            let counts = [
                ("steps", asked.steps as u64),
                ("devices", asked.devices),
                ("statements", asked.statements as u64),
            ];
            outcome.counts = counts.map(|(name, count)| (name.to_owned(), count)).to_vec();
        }
        (plan, bundle) => {
            outcome.findings.extend(plan.err().into_iter().chain(bundle.err()).map(|finding| *finding));
        }
    }
    output::report(system, &args.flags, outcome)
}

/// The policy's files as the bundle numbers them, with their texts where they are at hand unchanged.
fn texts(bundle: &Bundle, site: Option<&Path>, system: &dyn System) -> SourceMap {
    let root = site.and_then(|folder| RepoRoot::new(system, folder).ok());
    let mut sources = SourceMap::new();
    for file in &bundle.site.files {
        let text = root.as_ref().and_then(|root| {
            let at = root.resolve(system, &file.path).ok()?;
            let text = system.read_text(&at.path, POLICY_CAP).ok()?;
            (Hash::of(text.as_bytes()).as_str() == format!("sha256:{}", file.sha256)).then_some(text)
        });
        sources.add(file.path.as_str(), text.unwrap_or_default());
    }
    sources
}
