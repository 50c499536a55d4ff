//! `evl verify`: does a plan obey its policy, exactly?

use std::path::{Path, PathBuf};

use super::documents;
use super::output::{self, Outcome};
use crate::bundle::{Bundle, Hash, PlanDocument, State};
use crate::calendar::Calendar;
use crate::diag::{Diagnostics, ExitCode, SourceMap, Span};
use crate::system::{DOCUMENT_CAP, POLICY_CAP, RepoRoot, System};
use crate::verify::{Miss, same_inputs, verify};

/// Check a plan exactly against the bundle from which it was made
///
/// Simulates every step again by code that shares nothing with the planner: balances, ratings, rules,
/// obligations, budgets, money, and what happens when a host dies.
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
    /// The site folder, whose data must be those from which the plan was made
    #[cfg(feature = "solver")]
    #[arg(long, value_name = "FOLDER")]
    inputs: Option<PathBuf>,
    /// The state, which must be that from which the plan was made
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    flags: output::Flags,
}

/// What no check of a single plan can tell.
const UNPROVED: &str = "the planner's word that no better plan exists: `gap`, `model_cost`, `least_cost`, `reproducible` and `tool` cannot be computed from a plan";

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    let mut outcome = Outcome::default();
    let plan = documents::plan(system, &args.plan);
    let beside = documents::bundle_beside(&args.plan, args.bundle.as_deref());
    match (plan, documents::bundle(system, &beside)) {
        (Ok(plan), Ok(bundle)) => {
            let verdict = verify(&bundle, &plan);
            let calendar = Calendar::new(&bundle.site).ok();
            let clock = |at| calendar.as_ref().map_or_else(|| format!("{at}"), |calendar| calendar.show(at));
            outcome.sources = texts(&bundle, args.site.as_deref(), system);
            let same = same(args, &bundle, &plan, system);
            let others = same.unwrap_or_else(|faults| {
                outcome.findings.extend(faults);
                Vec::new()
            });
            for miss in others.iter().chain(&verdict.misses) {
                let finding = miss.finding(&plan.steps, clock);
                let mut finding = documents::held_against(finding, ("plan", &args.plan), ("bundle", &beside));
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
            outcome.rests_on.push(UNPROVED.to_owned());
            outcome.counts = counts.map(|(name, count)| (name.to_owned(), count)).to_vec();
        }
        // what lies beside something that is no plan is no concern of anybody
        (Err(finding), _) if args.bundle.is_none() && !system.exists(&beside) => {
            outcome.findings.push(*finding);
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

/// What the plan says that it was made from, beside what the user names.
fn same(
    args: &Args,
    bundle: &Bundle,
    plan: &PlanDocument,
    system: &dyn System,
) -> Result<Vec<Miss>, Diagnostics> {
    let state = match &args.state {
        None => None,
        Some(path) => {
            let bytes = system.read(path, DOCUMENT_CAP).map_err(|error| one(error.reading()))?;
            Some(State::load(&bytes, &bundle.site)?)
        }
    };
    let inputs = inputs(args, bundle, plan, system)?;
    Ok(same_inputs(bundle, plan, inputs.as_ref(), state.as_ref()))
}

fn one(finding: crate::diag::Diagnostic) -> Diagnostics {
    std::iter::once(finding).collect()
}

#[cfg(feature = "solver")]
fn inputs(
    args: &Args,
    bundle: &Bundle,
    plan: &PlanDocument,
    system: &dyn System,
) -> Result<Option<crate::inputs::Inputs>, Diagnostics> {
    let Some(folder) = &args.inputs else { return Ok(None) };
    let calendar = Calendar::new(&bundle.site).map_err(one)?;
    let mut repository = crate::repo::Repository::open(system, folder).map_err(|finding| one(*finding))?;
    let reach = plan.until().plus(crate::inputs::longest_window(&bundle.site));
    let read = crate::inputs::load(&mut repository, &bundle.site, &calendar, (plan.from, reach));
    read.map(Some).map_err(|faults| {
        // the data's texts are not among those of the policy: their places are said in words
        let said = faults.into_iter().map(|mut fault| {
            let Some(label) = fault.primary.take() else { return fault };
            let at = repository.sources.locate(label.span);
            fault.because(format!("this is at {}:{}:{}", at.path, at.start.line, at.start.column))
        });
        said.collect()
    })
}

#[cfg(not(feature = "solver"))]
fn inputs(
    _args: &Args,
    _bundle: &Bundle,
    _plan: &PlanDocument,
    _system: &dyn System,
) -> Result<Option<crate::inputs::Inputs>, Diagnostics> {
    Ok(None)
}
