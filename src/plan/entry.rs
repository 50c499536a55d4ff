//! `plan`: from the documents to the document.

use super::decisions::Rules;
use super::forks::Overlays;
use super::goals::{Gaps, Kind};
use super::guard::Settled;
use super::infeasible::{Conflict, Member};
use super::model::Part;
use super::prepare::{self, Known};
use super::scene::Scene;
use super::solve::{Failure, Solved, solve};
use super::solver::{SolverOptions, Stop, Watch};
use super::{
    bounds, decisions, document, effects, failsafe, forks, form, guard, measured, resting, rounding,
    setpoint, steps, together, words,
};
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
/// How far conditions that the plan decides stay from their thresholds, as a multiple of what rounding moves
/// them by, where no plan nearer to them survives it.
const OPEN_MARGINS: [f64; 3] = [0.0, 1.0, 4.0];
/// How often limits are tightened and the plan made again, where rounding breaks one.
const TIGHTENINGS: usize = 3;
/// The share of the target gap that the search among open conditions may leave; what is left of it is
/// for the plan once they are settled.
const OPEN_SHARE: f64 = 0.75;
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
    let mut work = Work {
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
        return work.plan(None);
    }
    effects::refuse(site)?;
    form::refuse_bounds(site)?;
    let rules = decisions::read(&known)?;
    let mut first: Option<PlanFailure> = None;
    for margin in OPEN_MARGINS {
        work.scene.open_margin = margin;
        let settled = match settle(&known, &rules, &work.scene, gaps, &work.solver) {
            Ok(settled) => settled,
            Err(failure) => return Err(first.unwrap_or(failure)),
        };
        match work.plan(Some((&rules, &settled))) {
            Err(failure) if !settled.keeps.is_empty() && (failure.infeasible || failure.rounding) => {
                first.get_or_insert(failure);
            }
            made => return made,
        }
    }
    Err(first.unwrap_or_else(|| Diagnostics::new().into()))
}

/// What every attempt at a plan starts from.
struct Work<'w, 'k> {
    watch: &'w dyn Watch,
    bundle: &'w Bundle,
    known: &'w Known<'k>,
    scene: Scene<'k>,
    gaps: Gaps,
    fine: f64,
    study: bool,
    solver: SolverOptions<'w>,
    expires: Option<Instant>,
}

impl Work<'_, '_> {
    /// One attempt, under the rules as they are settled.
    fn plan(&self, rules: Option<(&Rules<'_>, &Settled)>) -> Result<PlanDocument, PlanFailure> {
        let (known, gaps, solver) = (self.known, self.gaps, &self.solver);
        // what the search among open conditions left of the target gap
        let left_open = rules.map_or(0.0, |(_, settled)| settled.gap);
        let searched = (gaps.money - left_open).max((1.0 - OPEN_SHARE) * gaps.money);
        let mut scene = self.scene.clone();
        let mut told = effects::Told::default();
        if let Some((rules, settled)) = rules {
            let decisions = rules.all(&|condition| settled.holds.get(condition).copied().unwrap_or(false));
            measured::refuse_lost(known, &decisions)?;
            told = effects::apply(known, &mut scene, &decisions, &Overlays::default())?;
            guard::keep(&mut scene, settled);
        }
        resting::rest(known, &mut scene);
        let mut rounds = 0;
        let mut missed = Vec::new();
        loop {
            let mut solved = match solve(&scene, Gaps { money: searched, ..gaps }, solver) {
                Ok(solved) => solved,
                // a plan exists: only none as far within its limits as rounding would need
                Err(Failure::Infeasible(_)) if rounds > 0 => return Err(rounding_failure(known, &missed)),
                Err(other) => return Err(failure(known, other)),
            };
            if let Some(floor) = rules.and_then(|(_, settled)| settled.floor) {
                bound_by(&mut solved, left_open, floor);
            }
            self.watch.doing("rounding to registers and verifying");
            let commands = rounding::commands(known, &solved);
            let assemble = |commands: &[rounding::Command]| {
                document::assemble(&document::Facts {
                    bundle: self.bundle,
                    known,
                    solved: &solved,
                    commands,
                    told: &told,
                    gaps,
                    study: self.study,
                    expires: self.expires,
                })
            };
            let made = match assemble(&commands) {
                Ok(document) if lost(&document) <= self.fine && crossed(&solved, &document).is_none() => {
                    Ok(document)
                }
                alone => {
                    let paid = alone.as_ref().ok().and_then(|document| crossed(&solved, document));
                    let gap = paid.map_or(self.fine, |paid| self.fine.min(paid)) / 2.0;
                    match together::rounded(&solved, &commands, gap, solver)
                        .map(|commands| assemble(&commands))
                    {
                        Some(Ok(together)) => match alone {
                            Ok(alone) if alone.money.plan_cost <= together.money.plan_cost => Ok(alone),
                            _ => Ok(together),
                        },
                        _ => alone,
                    }
                }
            };
            match made {
                Ok(document) => return Ok(document),
                Err(misses) => {
                    let margins = document::tighter(&misses, &scene.margins);
                    drop(solved);
                    rounds += 1;
                    let moves = guard::may_move(&scene);
                    if rounds > TIGHTENINGS || (margins == scene.margins && !moves) {
                        return Err(rounding_failure(known, &misses));
                    }
                    scene.margins = margins;
                    if moves {
                        scene.keep_margin = (scene.keep_margin * 4.0).max(1.0);
                    }
                    missed = misses;
                }
            }
        }
    }
}

/// Which of the conditions that the plan decides hold in the best plan.
fn settle(
    known: &Known<'_>,
    rules: &Rules<'_>,
    scene: &Scene<'_>,
    gaps: Gaps,
    solver: &SolverOptions<'_>,
) -> Result<Settled, PlanFailure> {
    if rules.indicators.is_empty() {
        return Ok(Settled::default());
    }
    let overlays = forks::overlays(known, rules)?;
    let mut open = scene.clone();
    open.indicators.clone_from(&rules.indicators);
    open.forks.clone_from(&overlays.forks);
    effects::apply(known, &mut open, &rules.all(&|_| false), &overlays)?;
    resting::rest(known, &mut open);
    let gaps = Gaps { tie_break: false, money: OPEN_SHARE * gaps.money, ..gaps };
    let solved = solve(&open, gaps, solver).map_err(|f| failure(known, f))?;
    Ok(guard::settled(&solved))
}

/// Makes the bound of a plan's money that of all plans, however the open conditions come out: what the
/// search among them proved, `floor`. The plan that settled them lies at most `left` above it, and this one
/// at most its own gap above that; where it is nearer than both, it is as near as it is.
fn bound_by(solved: &mut Solved<'_, '_>, left: f64, floor: f64) {
    let constant: f64 = solved.model.constant.values().sum();
    let Some(place) = solved.kinds.iter().position(|kind| *kind == Kind::Money) else { return };
    let Some(level) = solved.climb.levels.get_mut(place) else { return };
    level.bound = (level.bound - left).max((floor - constant).min(level.optimum));
}

/// What rounding costs, currency.
fn lost(document: &PlanDocument) -> f64 {
    let model = document.money.model_cost.as_ref().map_or(0.0, Rat::to_f64);
    document.money.plan_cost.to_f64() - model
}

/// What rounding pays for demand charges of which the optimum pays nothing: for peaks above those that
/// are paid for already, currency.
fn crossed(solved: &Solved<'_, '_>, document: &PlanDocument) -> Option<f64> {
    let excess = |(part, col, _): &&(Part, super::solver::Col, f64)| {
        *part == Part::Demand && solved.climb.x.get(col.index()).is_some_and(|kw| *kw > 1e-9)
    };
    let charged = solved.model.money.iter().filter(excess).count();
    let paid = document.money.demand.iter().map(|charge| charge.decided.to_f64()).filter(|paid| *paid > 0.0);
    let mut paid: Vec<f64> = paid.collect();
    paid.sort_by(f64::total_cmp);
    let crossed = paid.len().saturating_sub(charged);
    (crossed > 0).then(|| paid.iter().take(crossed).sum())
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
    Gaps { money: money.max(ratio * document::gross_needs(scene)), tie_break: !study, switched: !study }
}

fn failure(known: &Known<'_>, failure: Failure) -> PlanFailure {
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
        .min_by(|a, b| price(a).total_cmp(&price(b)).then(a.amount.total_cmp(&b.amount)));
    if let Some(member) = cheapest {
        let what = if many { "the cheapest way out" } else { "the least change" };
        finding = finding.help(format!("{what}: {}", words::relax(known, member)));
    }
    PlanFailure { findings: std::iter::once(finding).collect(), infeasible: true, rounding: false }
}

fn rounding_failure(known: &Known<'_>, misses: &[crate::verify::Miss]) -> PlanFailure {
    // a draft's own words are made good by the verifier, once what it does holds
    let does: Vec<&crate::verify::Miss> = misses.iter().filter(|miss| !miss.said).collect();
    let told = if does.is_empty() { misses.iter().collect() } else { does };
    let span = told.first().and_then(|m| m.span).unwrap_or(known.site.span);
    let mut finding =
        Diagnostic::error(codes::ROUNDING, span, "no plan survives rounding to what registers can hold");
    for miss in told.into_iter().take(5) {
        finding = finding.because(miss.finding(&known.steps, |at| known.calendar.show(at)).message);
    }
    let finding = finding.help("loosen the limit by a register step, or give the device a finer register");
    PlanFailure { rounding: true, ..finding.into() }
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
