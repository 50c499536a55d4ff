//! Attempts at a plan: the optimum rounded to registers and verified, its limits tightened by what that
//! missed, and made again (planner.md 20). Where the plan decides guards, rounding may turn one over:
//! then they are searched anew with that one on the side where it came out, and with all further from their
//! thresholds, until a plan is worth what the first search promised; else the best of them is taken.

use super::decisions::Rules;
use super::document::{self, Facts};
use super::entry::{PlanFailure, failure, floor, gap};
use super::forks::Overlays;
use super::goals::{Gaps, Kind};
use super::model::Part;
use super::prepare::Known;
use super::scene::{Scene, Side};
use super::settled::{self, Settled};
use super::solve::{Failure, Solved, solve};
use super::solver::{SolverOptions, Watch};
use super::worth::Worth;
use super::{effects, forks, measured, registers, resting, rounding, together};
use crate::bundle::{Bundle, Document, Gap, Money, PlanDocument};
use crate::calendar::Instant;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::ir::{Goal, Site};
use crate::quantity::Rat;
use crate::verify::{self, Miss};

/// How far conditions that the plan decides stay from their thresholds, as a multiple of what rounding moves
/// them by, and how often what rounding turned over is looked for on the side where it came out.
const SEARCHES: [(f64, usize); 3] = [(0.0, 2), (1.0, 1), (4.0, 0)];
/// How often limits are tightened and the plan made again, where rounding breaks one.
const TIGHTENINGS: usize = 3;
/// How often devices are kept from following where they would move too far, and the plan made again.
const BARRINGS: usize = 24;
/// Most nodes of the search among what registers can hold where there is a plan already, which it only might
/// make cheaper.
const CHEAPER_NODES: i32 = 300;
/// Most registers, over all steps, among which a plan is sought itself.
const REGISTERS: usize = 1_500;
/// The share of the target gap that the search among open conditions may leave; what is left of it is
/// for the plan once they are settled.
const OPEN_SHARE: f64 = 0.75;

/// What every attempt at a plan starts from.
pub(super) struct Work<'w, 'k> {
    pub(super) watch: &'w dyn Watch,
    pub(super) bundle: &'w Bundle,
    pub(super) known: &'w Known<'k>,
    pub(super) scene: Scene<'k>,
    pub(super) gaps: Gaps,
    /// Currency: at most this may be lost by rounding each device by itself.
    pub(super) fine: f64,
    pub(super) study: bool,
    pub(super) solver: SolverOptions<'w>,
    pub(super) expires: Option<Instant>,
}

/// The search among open conditions.
struct Search {
    settled: Settled,
    worth: Worth,
    /// How far the money of its plan may lie above the best, currency.
    gap: f64,
    /// The least that the money of any plan can come to, currency.
    floor: f64,
}

/// The rules of an attempt.
#[derive(Clone, Copy)]
struct Under<'u, 'k> {
    rules: &'u Rules<'k>,
    settled: &'u Settled,
    /// What the search among the conditions proved, and how far from that these may lead.
    floor: Option<(f64, f64)>,
}

/// A plan, verified.
struct Plan {
    document: PlanDocument,
    /// What its optimum was worth before rounding.
    promised: Worth,
    /// What it is worth, as the verifier measured it.
    worth: Worth,
    /// Whether rounding raised what it breaches.
    raised: bool,
}

impl Plan {
    fn of(document: PlanDocument, solved: &Solved<'_, '_>) -> Self {
        let worth = Worth::in_document(&document, solved);
        let raised = worth.is_raised(solved);
        Self { document, promised: Worth::of(solved), worth, raised }
    }
}

/// One attempt.
struct Made {
    made: Result<Plan, PlanFailure>,
    /// Whether limits had to be tightened.
    tightened: bool,
    /// The comparisons that rounding turned over at first, or could not meet, on their other side.
    turned: Vec<Side>,
}

impl Work<'_, '_> {
    /// The plan without rules.
    pub(super) fn bare(&self) -> Result<PlanDocument, PlanFailure> {
        self.best(None, self.attempt(None).made)
    }

    /// The plan under rules.
    pub(super) fn under(&self, rules: &Rules<'_>) -> Result<PlanDocument, PlanFailure> {
        let made = if rules.indicators.is_empty() { self.plain(rules) } else { self.guarded(rules) };
        self.best(Some(rules), made)
    }

    /// The plan under rules that the plan decides no guards of.
    fn plain(&self, rules: &Rules<'_>) -> Result<Plan, PlanFailure> {
        let settled = Settled::default();
        self.attempt(Some(Under { rules, settled: &settled, floor: None })).made
    }

    /// What was made, or the plan among what registers can hold where that is better: where rounding an
    /// optimum led to none, what the site asks may well leave one, and where rounding cost more than plans
    /// may differ by, there may be a cheaper one.
    fn best(
        &self,
        rules: Option<&Rules<'_>>,
        made: Result<Plan, PlanFailure>,
    ) -> Result<PlanDocument, PlanFailure> {
        let money_first = self.known.site.objective.first() == Goal::Cost;
        let is_wanted = match &made {
            Ok(plan) => {
                let costs = money_first && lost(&plan.document) > self.gaps.money;
                !self.study && (costs || plan.raised)
            }
            Err(failure) => failure.rounding,
        };
        if !is_wanted || registers::size(&self.scene) > REGISTERS {
            return made.map(|plan| plan.document);
        }
        self.watch.doing("searching among what registers can hold");
        let nodes = if made.is_ok() { CHEAPER_NODES } else { self.gaps.nodes };
        match (made, self.in_registers(rules, nodes)) {
            (Ok(plan), Ok(whole)) => {
                let same = whole.worth.breaks_as(&plan.worth);
                if same && money_first && whole.document.money.plan_cost < plan.document.money.plan_cost {
                    let optimum = Optimum::in_document(&plan.document, self.known.site);
                    let said = optimum.said_of(whole.document, self.gaps);
                    let is_whole = verify::verify(self.bundle, &said).misses.is_empty();
                    return Ok(if is_whole { said } else { plan.document });
                }
                let better = !same && plan.worth.is_below(&whole.worth, 0.0);
                Ok(if better { whole.document } else { plan.document })
            }
            (Err(_), Ok(whole)) => Ok(whole.document),
            (made, Err(_)) => made.map(|plan| plan.document),
        }
    }

    /// The plan among what registers can hold.
    fn in_registers(&self, rules: Option<&Rules<'_>>, nodes: i32) -> Result<Plan, PlanFailure> {
        let scene = Scene { whole: true, ..self.scene.clone() };
        let work = Work { scene, gaps: Gaps { nodes, ..self.gaps }, ..*self };
        match rules {
            None => work.attempt(None).made,
            Some(rules) if rules.indicators.is_empty() => work.plain(rules),
            Some(rules) => {
                let search = work.search(rules, 0.0, &[])?;
                let floor = Some((search.floor, search.gap));
                work.attempt(Some(Under { rules, settled: &search.settled, floor })).made
            }
        }
    }

    /// The plan under rules with guards that the plan decides.
    fn guarded(&self, rules: &Rules<'_>) -> Result<Plan, PlanFailure> {
        let mut first: Option<PlanFailure> = None;
        let mut best: Option<Plan> = None;
        let mut promised: Option<(f64, Worth)> = None;
        let mut tried: Vec<Settled> = Vec::new();
        // of another first goal money is no measure: then what breaches no more is as good, and the first of these
        let money_first = self.known.site.objective.first() == Goal::Cost;
        let near = if money_first { self.gaps.money + self.fine } else { f64::INFINITY };
        let better = if money_first { 0.0 } else { f64::INFINITY };
        for (margin, turns) in SEARCHES {
            let mut sides = Vec::new();
            for _ in 0..=turns {
                let search = match self.search(rules, margin, &sides) {
                    Ok(search) => search,
                    Err(failure) if promised.is_none() => return Err(failure),
                    Err(_) => break,
                };
                // what keeps away from thresholds or to one side bounds nothing but itself
                let open = margin <= 0.0 && sides.is_empty();
                let gap = if open { search.gap } else { f64::INFINITY };
                let (floor, worth) = promised.get_or_insert((search.floor, search.worth));
                let settled = search.settled;
                if tried.contains(&settled) {
                    break;
                }
                let under = Under { rules, settled: &settled, floor: Some((*floor, gap)) };
                let Made { made, tightened, turned } = self.attempt(Some(under));
                match made {
                    Ok(plan) => {
                        let first_and_whole = open && !tightened;
                        if settled.keeps.is_empty() || first_and_whole || !plan.promised.is_below(worth, near)
                        {
                            return Ok(plan);
                        }
                        if best.as_ref().is_none_or(|best| best.worth.is_below(&plan.worth, better)) {
                            best = Some(plan);
                        }
                    }
                    Err(failure) if !settled.keeps.is_empty() && (failure.infeasible || failure.rounding) => {
                        first.get_or_insert(failure);
                    }
                    Err(failure) if best.is_none() => return Err(failure),
                    Err(_) => break,
                }
                tried.push(settled);
                if turned.is_empty()
                    || turned.iter().any(|(atom, _)| sides.iter().any(|(known, _)| known == atom))
                {
                    break;
                }
                sides.extend(turned);
            }
        }
        // the search promised a plan: that none came of it is the registers' doing
        best.ok_or_else(|| PlanFailure {
            rounding: true,
            ..first.unwrap_or_else(|| Diagnostics::new().into())
        })
    }

    /// Which of the conditions that the plan decides hold in the best plan.
    fn search(&self, rules: &Rules<'_>, margin: f64, sides: &[Side]) -> Result<Search, PlanFailure> {
        let known = self.known;
        let overlays = forks::overlays(known, rules)?;
        let mut open = self.scene.clone();
        open.open_margin = margin;
        open.sides = sides.to_vec();
        open.indicators.clone_from(&rules.indicators);
        open.forks.clone_from(&overlays.forks);
        effects::apply(known, &mut open, &rules.all(&|_| false), &overlays)?;
        resting::rest(known, &mut open);
        let gaps = Gaps { tie_break: false, money: OPEN_SHARE * self.gaps.money, ..self.gaps };
        let solved = solve(&open, gaps, &self.solver).map_err(|f| failure(known, f))?;
        let settled = settled::settled(&solved);
        Ok(Search { settled, worth: Worth::of(&solved), gap: gap(&solved), floor: floor(&solved) })
    }

    /// One attempt, under the rules as they are settled.
    fn attempt(&self, rules: Option<Under<'_, '_>>) -> Made {
        let mut tightened = false;
        let mut turned = Vec::new();
        let made = self.settled(rules, &mut tightened, &mut turned);
        Made { made, tightened, turned }
    }

    fn settled(
        &self,
        rules: Option<Under<'_, '_>>,
        tightened: &mut bool,
        turned: &mut Vec<Side>,
    ) -> Result<Plan, PlanFailure> {
        let (known, gaps, solver) = (self.known, self.gaps, &self.solver);
        // what the search among open conditions left of the target gap
        let proven = rules.and_then(|under| under.floor);
        let left_open = proven.map_or(0.0, |(_, left)| left);
        let searched = (gaps.money - left_open).max((1.0 - OPEN_SHARE) * gaps.money);
        let mut scene = self.scene.clone();
        let mut told = effects::Told::default();
        if let Some(Under { rules, settled, .. }) = rules {
            let decisions = rules.all(&|condition| settled.holds.get(condition).copied().unwrap_or(false));
            measured::refuse_lost(known, &decisions)?;
            told = effects::apply(known, &mut scene, &decisions, &Overlays::default())?;
            settled::keep(&mut scene, settled);
        }
        resting::rest(known, &mut scene);
        let (mut rounds, mut barrings) = (0, 0);
        let mut optimum = None;
        let mut missed = Vec::new();
        loop {
            let mut solved = match solve(&scene, Gaps { money: searched, ..gaps }, solver) {
                Ok(solved) => solved,
                // a plan exists: only none as far within its limits as rounding would need
                Err(Failure::Infeasible(_)) if rounds > 0 => return Err(rounding_failure(known, &missed)),
                Err(other) => return Err(failure(known, other)),
            };
            if let Some((floor, left)) = proven {
                bound_by(&mut solved, left, floor);
            }
            if rounds == 0 {
                optimum = Some(Optimum::of(&solved));
            }
            self.watch.doing("rounding to registers and verifying");
            let commands = rounding::commands(known, &solved);
            let facts = Facts {
                bundle: self.bundle,
                known,
                solved: &solved,
                commands: &commands,
                told: &told,
                gaps,
                study: self.study,
                expires: self.expires,
            };
            let assemble = |commands: &[rounding::Command]| document::assemble(&Facts { commands, ..facts });
            let made = match assemble(&commands) {
                made if scene.whole => made,
                // rounding together is for money: of another first goal it would give away
                Ok(document) if known.site.objective.first() != Goal::Cost => Ok(document),
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
                // what tightened limits cost is what rounding costs
                Ok(document) if rounds > 0 => {
                    let plan = Plan::of(document, &solved);
                    let said =
                        optimum.map(|optimum: Optimum<'_>| optimum.said_of(plan.document.clone(), gaps));
                    let said = said.filter(|said| verify::verify(self.bundle, said).misses.is_empty());
                    return Ok(Plan { document: said.unwrap_or(plan.document), ..plan });
                }
                Ok(document) => return Ok(Plan::of(document, &solved)),
                Err(misses) => {
                    let margins = document::tighter(&misses, &scene.margins);
                    let follows = if scene.keeps.is_empty() { None } else { document::trajectory(&facts) };
                    if let Some(follows) = follows.as_ref().filter(|_| rounds == 0) {
                        *turned = settled::unmet(&scene);
                        if turned.is_empty() {
                            *turned = settled::turned(&scene, follows);
                        }
                    }
                    drop(solved);
                    rounds += 1;
                    *tightened = true;
                    let moves = follows.is_some_and(|follows| settled::widen(&mut scene, &follows));
                    let barred = scene.barred.len();
                    scene.barred.extend(misses.iter().filter_map(|miss| Some((miss.follower?, miss.step?))));
                    let fewer = scene.barred.len() > barred;
                    if fewer {
                        // no tightening: who follows too far does not follow
                        rounds -= 1;
                        barrings += 1;
                    }
                    if rounds > TIGHTENINGS
                        || barrings > BARRINGS
                        || (margins == scene.margins && !moves && !fewer)
                    {
                        return Err(rounding_failure(known, &misses));
                    }
                    scene.margins = margins;
                    missed = misses;
                }
            }
        }
    }
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

/// What is said of the optimum that a plan rounds, before any limit is tightened.
struct Optimum<'s> {
    site: &'s Site,
    cost: Option<Rat>,
    /// The least that goals after money may spend some of, currency.
    least: Option<Rat>,
    /// Currency.
    gap: Rat,
    /// Whether the search for another first goal ended early.
    open: bool,
}

impl<'s> Optimum<'s> {
    fn of(solved: &Solved<'_, 's>) -> Self {
        let gap = Rat::from_f64_snapped(gap(solved), 9).unwrap_or_default();
        let site = solved.model.scene.site;
        let (cost, least) = (document::model_cost(solved), document::least_cost(solved));
        Self { site, cost, least, gap, open: document::first_is_open(solved) }
    }

    /// Of a site whose first goal is money.
    fn in_document(document: &PlanDocument, site: &'s Site) -> Self {
        let (cost, least) = (document.money.model_cost.clone(), document.money.least_cost.clone());
        Self { site, cost, least, gap: document.gap.money.clone(), open: false }
    }

    /// A plan that rounds it. One that costs less lies so much nearer to the bound, and is the better optimum.
    fn said_of(self, document: PlanDocument, gaps: Gaps) -> PlanDocument {
        let cost = &document.money.plan_cost;
        let below = self.least.as_ref().or(self.cost.as_ref()).map(|own| own - cost);
        let below = below.filter(Rat::is_positive);
        let least_cost = self.least.map(|least| Rat::min_of(&least, cost));
        let model_cost = if below.is_some() { document.money.model_cost.clone() } else { self.cost };
        let money = Money { model_cost, least_cost, ..document.money };
        let left = Rat::max_of(&(&self.gap - &below.unwrap_or_default()), &Rat::ZERO);
        let status = document::status(left.to_f64(), self.open, &money, (self.site, gaps));
        PlanDocument { status, gap: Gap::of(left, &money), money, ..document }.seal()
    }
}

fn rounding_failure(known: &Known<'_>, misses: &[Miss]) -> PlanFailure {
    // a draft's own words are made good by the verifier, once what it does holds
    let does: Vec<&Miss> = misses.iter().filter(|miss| !miss.said).collect();
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
