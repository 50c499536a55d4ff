//! `evl plan`: the cheapest allocation that obeys the policy.

use std::path::PathBuf;

use serde_json::json;

use super::policy::Policy;
use super::{output, progress, usage};
use crate::bundle::{Breach, Document, PlanDocument, State, Status};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, Diagnostics, ExitCode, Severity, codes};
use crate::ir::{CivilInstant, Site, Statement};
use crate::plan::{self, Options};
use crate::quantity::{Rat, Type, show};
use crate::repo::date;
use crate::system::{Access, DOCUMENT_CAP, System};

/// Plan: the cheapest allocation of producers to consumers that obeys the policy
///
/// The policy is checked first; with errors or open questions there is no plan. Exit code 3: a
/// verified plan was written, but its gap is above the manifest's `max_gap`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site folder
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// First instant of the plan, such as 2026-07-14T00:00-04:00 or 2026-07-14T00:00 in the site's zone
    #[arg(long, value_name = "T")]
    from: String,
    /// Present state: charge levels, temperatures, work done, peaks so far
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where to write the plan
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// End the search after so many seconds; the plan then says that it is not reproducible
    #[arg(long, value_name = "S", value_parser = usage::whole::<u32, 1, 86_400>)]
    time_limit: Option<u32>,
    /// Exit code 1 where a higher class overrides an effect or anything is not met in full
    #[arg(long)]
    strict: bool,
    /// Write a summary as JSON to standard output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, system: &dyn System) -> ExitCode {
    if let Err(finding) = output::room_for(system, &args.output) {
        return output::fail(system, *finding);
    }
    // what the plan is made from is not lost to a slip
    let same = |state: &PathBuf| system.canonical(state).ok() == system.canonical(&args.output).ok();
    if args.state.as_ref().is_some_and(|state| system.exists(state) && same(state)) {
        let message = format!("`{}` is the state that the plan is made from", args.output.display());
        let finding = Diagnostic::nowhere(codes::USAGE, Severity::Error, message);
        return output::fail(system, finding.help("name another file after `-o`"));
    }
    let mut policy = match Policy::open(&args.path, system) {
        Ok(policy) => policy,
        Err(finding) => return output::fail(system, *finding),
    };
    let Some((site, calendar)) = &policy.compiled else {
        let (shown, outcome) = policy.outcome();
        return output::complain_about(system, &shown, outcome);
    };
    let site = site.clone();
    let from = match instant(&args.from, calendar) {
        Ok(from) => from,
        Err(finding) => return output::fail(system, *finding),
    };
    progress::shown(system, "checking the policy", |_| {
        policy.check(Some((from, from.plus(site.horizon_s))));
    });
    let bundle = policy.bundle();
    let inputs = policy.inputs.take();
    let (shown, mut outcome) = policy.outcome();
    if outcome.findings.exit(false) != ExitCode::Success {
        return output::complain_about(system, &shown, outcome);
    }
    let (Some(bundle), Some(inputs)) = (bundle, inputs) else {
        return output::fail(
            system,
            Diagnostic::nowhere(codes::INTERNAL, Severity::Error, "the policy was checked but not compiled"),
        );
    };
    let state = match state(args, &site, from, system) {
        Ok(state) => state,
        Err(findings) => {
            outcome.findings = findings;
            return output::complain_about(system, &shown, outcome);
        }
    };
    let options = Options { time_limit_s: args.time_limit.map(f64::from), ..Options::from(from) };
    let made = progress::shown(system, "planning", |progress| {
        plan::plan_watched(&bundle, &inputs, &state, &options, progress)
    });
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            outcome.findings = failure.findings;
            let exit = output::complain_about(system, &shown, outcome);
            return if failure.infeasible { exit.and(ExitCode::Findings) } else { exit };
        }
    };
    if let Err(error) = system.write(&args.output, &made.bytes(), Access::Ordinary) {
        return output::fail(system, error.writing());
    }
    let mut exit = verdict(args, &made, &site);
    if let Some(warning) = Calendar::new(&site).ok().and_then(|calendar| aged(&made, &calendar)) {
        outcome.findings = std::iter::once(warning).collect();
        exit = exit.and(output::complain_about(system, &shown, outcome));
    }
    let text = match Calendar::new(&site) {
        Ok(calendar) if !args.json => words(&made, &calendar, args),
        _ => summary(&made),
    };
    exit.and(output::print(system, &text))
}

/// An instant on the command line: absolute, or on the site's clock.
fn instant(text: &str, calendar: &Calendar) -> Result<Instant, Box<Diagnostic>> {
    if let Ok(absolute) = text.parse::<Instant>() {
        return Ok(absolute);
    }
    let wrong = |why: String| {
        Box::new(
            Diagnostic::nowhere(
                codes::USAGE,
                Severity::Error,
                format!("`--from {text}` is no instant: {why}"),
            )
            .help("write 2026-07-14T00:00 on the site's clock, or 2026-07-14T00:00-04:00"),
        )
    };
    let (day, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let day = date(day).ok_or_else(|| wrong(format!("`{day}` is no day")))?;
    let mut parts = clock.split(':').map(|part| part.parse::<i32>().ok().filter(|_| part.len() == 2));
    let (hour, minute) = match (parts.next(), parts.next(), parts.next()) {
        (Some(Some(h @ 0..=23)), Some(Some(m @ 0..=59)), None) => (h, m),
        _ => return Err(wrong(format!("`{clock}` is no time of day"))),
    };
    let civil = CivilInstant { date: day, second_of_day: hour * 3600 + minute * 60, second: false };
    calendar.instant(civil).map_err(|gap| wrong(gap.why.words().to_owned()))
}

fn state(args: &Args, site: &Site, from: Instant, system: &dyn System) -> Result<State, Diagnostics> {
    let Some(path) = &args.state else { return Ok(State::new(&site.name, from)) };
    let bytes = system
        .read(path, DOCUMENT_CAP)
        .map_err(|error| std::iter::once(error.reading()).collect::<Diagnostics>())?;
    let state = State::load(&bytes, site)?;
    if state.at > from {
        let words = format!("the state is of {}, after the plan's beginning at {from}", state.at);
        let finding = Diagnostic::nowhere(codes::BAD_STATE, Severity::Error, words);
        let help = "begin the plan at the state's instant or later with `--from`, or take an earlier state";
        return Err(std::iter::once(finding.help(help)).collect());
    }
    if from.since(state.at) > site.horizon_s.max(DAY_S) {
        let words = format!("the state is of {}, too long before the plan's beginning at {from}", state.at);
        let finding = Diagnostic::nowhere(codes::BAD_STATE, Severity::Error, words)
            .because("what was so more than a horizon or a day before says nothing of how the plan begins");
        let help =
            "take a state of the plan's beginning, or begin the plan at the state's instant with `--from`";
        return Err(std::iter::once(finding.help(help)).collect());
    }
    Ok(state)
}

/// Seconds for which any state may be presumed to hold.
const DAY_S: i64 = 86_400;

/// A state that is older than the plan's first step, of which all is presumed to hold still.
fn aged(made: &PlanDocument, calendar: &Calendar) -> Option<Diagnostic> {
    let first = made.steps.first()?;
    (made.from.since(made.state.at) > first.seconds()).then(|| {
        let words = format!(
            "the state is of {}, before the plan's beginning: it is presumed to hold still",
            calendar.show(made.state.at)
        );
        Diagnostic::nowhere(codes::BAD_STATE, Severity::Warning, words)
            .help("take a state of the plan's beginning, such as `evl status` gives")
    })
}

fn verdict(args: &Args, made: &PlanDocument, site: &Site) -> ExitCode {
    let exit = match made.status {
        Status::Optimal => ExitCode::Success,
        Status::Feasible => ExitCode::Inconclusive,
    };
    if args.strict && (!made.overrides.is_empty() || made.breaches.iter().any(|b| owed(b, site))) {
        return exit.and(ExitCode::Findings);
    }
    exit
}

/// Whether a breach is of something that was owed, rather than of a preference or at its price.
fn owed(breach: &Breach, site: &Site) -> bool {
    let preferred = match breach.statement.statement {
        Statement::Effect(rule, index) => site
            .rule(rule)
            .and_then(|rule| rule.effects.iter().find(|effect| effect.index == index))
            .is_some_and(|effect| effect.preferably),
        _ => false,
    };
    breach.money.is_none() && !preferred
}

fn status(made: &PlanDocument) -> &'static str {
    match made.status {
        Status::Optimal => "optimal",
        Status::Feasible => "feasible, with a gap above the target",
    }
}

fn summary(made: &PlanDocument) -> String {
    let text = json!({
        "plan": made.id, "bundle": made.bundle, "site": made.site, "sequence": made.sequence,
        "from": made.from, "until": made.until(), "steps": made.steps.len(), "status": made.status,
        "plan_cost": made.money.plan_cost, "model_cost": made.money.model_cost,
        "least_cost": made.money.least_cost, "breach": made.money.breach,
        "unmanaged": made.money.unmanaged, "unmanaged_parts": made.money.unmanaged_parts,
        "bill": made.money.bill, "currency": made.money.currency,
        "gap": made.gap, "overrides": made.overrides.len(), "breaches": made.breaches.len(),
        "presumes": made.presumes.len(), "study": made.study, "reproducible": made.reproducible,
    });
    format!("{text:#}\n")
}

fn money(amount: &Rat, currency: &str) -> String {
    show(&amount.rounded(2), Type::Money, currency)
}

fn words(made: &PlanDocument, calendar: &Calendar, args: &Args) -> String {
    let currency = &made.money.currency;
    let cost = money(&made.money.plan_cost, currency);
    let against = made.money.unmanaged.as_ref().map_or_else(String::new, |unmanaged| {
        // no price of a breach is counted with nobody deciding
        let aside = if made.money.breach.is_zero() {
            String::new()
        } else {
            format!(", of which {} is for breaches,", money(&made.money.breach, currency))
        };
        format!("{aside} against {} with nobody deciding", money(unmanaged, currency))
    });
    let mut text = format!(
        "{}: {} step{} from {} to {}, {}\ncost {cost}{against}\n",
        args.output.display(),
        made.steps.len(),
        if made.steps.len() == 1 { "" } else { "s" },
        calendar.show(made.from),
        calendar.show(made.until()),
        status(made),
    );
    for (count, one, many) in [
        (made.overrides.len(), "overridden effect", "overridden effects"),
        (made.breaches.len(), "breach", "breaches"),
        (made.presumes.len(), "presumed value", "presumed values"),
    ] {
        if count > 0 {
            text.push_str(&output::counted(count as u64, one, many));
            text.push('\n');
        }
    }
    if made.study {
        text.push_str("a study: it is never applied\n");
    }
    text.push_str(&format!("hint: `evl show {}` tells the rest\n", args.output.display()));
    text
}
