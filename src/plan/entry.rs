//! `plan`: from the documents to the document.

use super::attempt::Work;
use super::goals::{self, Gaps, Kind};
use super::infeasible::{Conflict, Member};
use super::model::Part;
use super::prepare::{self, Known};
use super::scene::Scene;
use super::solve::{Failure, Solved};
use super::solver::{SolverOptions, Stop, Watch};
use super::{bounds, decisions, document, effects, failsafe, form, setpoint, steps, words};
use crate::bundle::{Bundle, PlanDocument, State};
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostic, Diagnostics, Severity, codes};
use crate::inputs::Inputs;
use crate::ir::Site;
use crate::quantity::Rat;

/// What the caller chooses.
#[derive(Debug, Clone)]
pub struct Options {
    /// First instant.
    pub from: Instant,
    /// How far the plan reaches, s; the site's horizon where not given.
    pub horizon_s: Option<i64>,
    /// Wall-clock limit of the optimiser, s. A plan that met it is not repeatable and says so.
    pub time_limit_s: Option<f64>,
    /// When hosts stop accepting the plan; the horizon's end where not given.
    pub expires: Option<Instant>,
}

impl Options {
    /// From an instant over the site's horizon.
    #[must_use]
    pub const fn from(from: Instant) -> Self {
        Self { from, horizon_s: None, time_limit_s: None, expires: None }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone)]
pub struct PlanFailure {
    /// What is wrong, with the statements concerned.
    pub findings: Diagnostics,
    /// Whether statements that cannot hold together are the reason (exit 1), rather than an input.
    pub infeasible: bool,
    /// Whether it was rounding to registers that no plan survived.
    pub rounding: bool,
}

impl From<Diagnostics> for PlanFailure {
    fn from(findings: Diagnostics) -> Self {
        Self { findings, infeasible: false, rounding: false }
    }
}

impl From<Diagnostic> for PlanFailure {
    fn from(finding: Diagnostic) -> Self {
        Self { findings: std::iter::once(finding).collect(), infeasible: false, rounding: false }
    }
}

/// Seconds beyond which a plan is a study (planner.md 27).
const STUDY_S: i64 = 7 * 86_400;
/// The target gap, currency: at most this may be lost by rounding each device by itself.
const FINE: f64 = 0.01;
/// The same as a share of what the fixed needs would cost from the grid.
const FINE_SHARE: f64 = 0.0001;

/// Makes a plan.
///
/// # Errors
/// EVL1001 for statements that no plan honours yet, EVL1011 for guards that read what their own rules
/// command, EVL1002 with the statements that cannot hold
/// together, EVL1003 and EVL1005 for what state and inputs lack, EVL1006 for a quantity without a
/// limit, EVL1007 where no plan survives rounding, EVL1008 for steps that do not fit, EVL1009 where
/// the optimiser gave up.
pub fn plan(
    bundle: &Bundle,
    inputs: &Inputs,
    state: &State,
    options: &Options,
) -> Result<PlanDocument, PlanFailure> {
    plan_watched(bundle, inputs, state, options, &Unwatched)
}

/// Nobody looks on, and no time passes.
struct Unwatched;

impl Watch for Unwatched {
    fn elapsed_s(&self) -> f64 {
        0.0
    }

    fn doing(&self, _what: &str) {}
}

/// Makes a plan while `watch` looks on; the time limit counts on its clock.
///
/// # Errors
/// As [`plan`].
pub fn plan_watched(
    bundle: &Bundle,
    inputs: &Inputs,
    state: &State,
    options: &Options,
    watch: &dyn Watch,
) -> Result<PlanDocument, PlanFailure> {
    let site = &bundle.site;
    unhonoured(site)?;
    setpoint::refuse(site)?;
    bounds::check(site)?;
    let calendar = Calendar::new(site)?;
    let horizon = options.horizon_s.unwrap_or(site.horizon_s);
    let (first, last) = calendar.valid();
    if options.from < first || options.from.plus(horizon) > last {
        return Err(Diagnostic::error(
            codes::OUTSIDE_VALID,
            site.span,
            format!(
                "the policy is valid from {} to {}, and the plan would reach from {} to {}",
                calendar.show(first),
                calendar.show(last),
                calendar.show(options.from),
                calendar.show(options.from.plus(horizon))
            ),
        )
        .help("choose `--from` and `horizon` within `valid`, or renew the policy")
        .into());
    }
    watch.doing("building the model");
    let steps = steps::cut(site, &calendar, inputs, options.from, horizon)?;
    let on = inputs.on(site, &calendar, state, &steps)?;
    let known = Known { site, calendar: &calendar, inputs, state, steps, on };
    let mut scene = prepare::scene(&known)?;
    scene.hosts = failsafe::hosts(bundle);
    let study = horizon > STUDY_S;
    let gaps = gaps(site, &scene, study);
    // a manifest that lets the optimiser stop early says nothing of rounding
    let fine = gaps.money.min(FINE.max(FINE_SHARE * document::gross_needs(&scene)));
    let work = Work {
        bundle,
        known: &known,
        scene,
        gaps,
        fine,
        study,
        solver: SolverOptions {
            time_limit: options.time_limit_s,
            watch: Some(watch),
            ..SolverOptions::default()
        },
        watch,
        expires: options.expires,
    };
    if site.rules.is_empty() {
        return work.bare();
    }
    effects::refuse(site)?;
    form::refuse_bounds(site)?;
    let rules = decisions::read(&known)?;
    work.under(&rules)
}

fn unhonoured(site: &Site) -> Result<(), PlanFailure> {
    let findings: Diagnostics = (site.unhonoured.iter())
        .filter(|u| u.plan)
        .map(|u| {
            Diagnostic::error(
                codes::NOT_PLANNED_YET,
                u.span,
                format!("understood, not planned yet: {}", u.what),
            )
        })
        .collect();
    if findings.is_empty() { Ok(()) } else { Err(findings.into()) }
}

/// The target gap: the manifest's, else the greater of 0.01 and 0.01 % of what the fixed needs would
/// cost from the grid.
fn gaps(site: &Site, scene: &Scene<'_>, study: bool) -> Gaps {
    let money = site.settings.max_gap_money.as_ref().map_or(FINE, Rat::to_f64);
    let ratio = site.settings.max_gap_ratio.as_ref().map(Rat::to_f64);
    let ratio = match (ratio, &site.settings.max_gap_money) {
        (Some(ratio), _) => ratio,
        (None, Some(_)) => 0.0,
        (None, None) => FINE_SHARE,
    };
    Gaps {
        money: money.max(ratio * document::gross_needs(scene)),
        tie_break: !study,
        switched: !study,
        nodes: goals::NODES,
    }
}

pub(super) fn failure(known: &Known<'_>, failure: Failure) -> PlanFailure {
    let site = known.site;
    match failure {
        Failure::Infeasible(conflict) => infeasible(known, &conflict),
        Failure::Switched(family) => {
            let family = family.and_then(|id| site.family(id));
            let (span, name) =
                family.map_or((site.span, String::new()), |f| (f.span, format!("`{}`, ", f.name)));
            Diagnostic::error(
                codes::NOT_PLANNED_YET,
                span,
                "understood, not planned yet: a study beyond 7 days of devices that are on or off",
            )
            .because(format!("{name}over more than a week nothing bounds the search for when it runs"))
            .help("plan at most 7 days, or model it for the study with a power that may take any value")
            .into()
        }
        Failure::Unbounded => {
            Diagnostic::error(codes::UNBOUNDED, site.span, "nothing limits what the plan could earn")
                .help("give every producer, store, grid and link a rating")
                .into()
        }
        Failure::Stopped(Stop::Time) => Diagnostic::nowhere(
            codes::SOLVER_STOPPED,
            Severity::Error,
            "the time limit ended before any plan was found",
        )
        .help("allow more time, or leave the limit out")
        .into(),
        Failure::Stopped(Stop::Work) => Diagnostic::nowhere(
            codes::SOLVER_STOPPED,
            Severity::Error,
            "no plan was found within the limit on work",
        )
        .help("fewer devices that are on or off, or longer steps, make the search smaller")
        .into(),
        Failure::Stopped(Stop::Numerics) => Diagnostic::nowhere(
            codes::SOLVER_STOPPED,
            Severity::Error,
            "the optimiser gave up on the numbers of this model",
        )
        .help("look for ratings, efficiencies or prices that are many orders of magnitude apart")
        .into(),
    }
}

/// The statements of a conflict, what each would have to give, and the cheapest way out.
fn infeasible(known: &Known<'_>, conflict: &Conflict) -> PlanFailure {
    let site = known.site;
    let mut members = conflict.members.iter();
    let Some(first) = members.next() else {
        return PlanFailure {
            findings: std::iter::once(Diagnostic::nowhere(
                codes::INFEASIBLE,
                Severity::Error,
                "no plan exists: what the devices physically are cannot be balanced, whatever gives way",
            ))
            .collect(),
            infeasible: true,
            rounding: false,
        };
    };
    let (name, text, span) = words::facts(site, first.owner.statement);
    let many = conflict.members.len() > 1;
    let message = if many {
        format!("no plan exists: {} statements cannot hold together", conflict.members.len())
    } else {
        format!("no plan exists: `{name}` cannot hold")
    };
    let label = |name: String, text: String| if text.is_empty() { name } else { text };
    let mut finding =
        Diagnostic::error(codes::INFEASIBLE, span, message).says(format!("`{}`", label(name, text)));
    if let Some(step) = conflict.first.and_then(|t| known.steps.get(t)) {
        let at = |instant| known.calendar.show(instant);
        finding = finding.because(if step.start == known.from() {
            format!("it already fails in the first step, from {}", at(step.start))
        } else {
            format!(
                "up to {} a plan exists; with the step from then to {} none does",
                at(step.start),
                at(step.end)
            )
        });
    }
    finding = finding.because(words::gives_way(known, first));
    for member in members {
        let (name, text, span) = words::facts(site, member.owner.statement);
        finding =
            finding.label(span, format!("`{}`", label(name, text))).because(words::gives_way(known, member));
    }
    if many {
        finding = finding.because("no fewer of them clash: without any one of them the others can hold");
    }
    let price = |m: &&Member| m.cost.unwrap_or(f64::INFINITY);
    let cheapest = (conflict.members.iter())
        .filter(|member| !words::is_given(site, member))
        .min_by(|a, b| price(a).total_cmp(&price(b)).then(a.amount.total_cmp(&b.amount)));
    finding = match cheapest {
        Some(member) => {
            let what = if many { "the cheapest way out" } else { "the least change" };
            finding.help(format!("{what}: {}", words::relax(site, member)))
        }
        None => finding.help("bring in more supply, or declare with `needs` what of the load may be shed"),
    };
    PlanFailure { findings: std::iter::once(finding).collect(), infeasible: true, rounding: false }
}

/// Money of a solution by part, currency.
pub(super) fn parts(solved: &Solved<'_, '_>) -> std::collections::BTreeMap<Part, f64> {
    let mut parts = solved.model.constant.clone();
    for (part, col, price) in &solved.model.money {
        let x = solved.climb.x.get(col.index()).copied().unwrap_or(0.0);
        *parts.entry(*part).or_default() += x * price;
    }
    parts
}

/// How far the money of a solution may lie above the best, currency.
pub(super) fn gap(solved: &Solved<'_, '_>) -> f64 {
    solved.level(Kind::Money).map_or(0.0, super::levels::Reached::gap)
}

/// The least that any plan's money can come to, currency.
pub(super) fn floor(solved: &Solved<'_, '_>) -> f64 {
    let constant: f64 = solved.model.constant.values().sum();
    solved.level(Kind::Money).map_or(f64::NEG_INFINITY, |money| money.bound) + constant
}
