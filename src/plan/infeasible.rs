//! When it cannot be done (planner.md 24): an irreducible set of statements that cannot hold
//! together, the first step at which they cannot, and for each how much it alone would have to give
//! way and what the plan would then cost.

use std::collections::BTreeMap;

use super::levels::Fall;
use super::model::{Breach, Builder, Mode, Unit};
use super::scene::{Owner, Scene};
use super::solver::{Col, Outcome, Program, Session, Solution, SolverOptions, Stop};
use crate::ir::{ClassId, Statement};

/// What a relaxed statement may still miss and be called kept.
const NOTHING: f64 = 1e-6;
/// Most nodes of a search where only whole numbers of machines show why there is no plan.
const NODES: i32 = 500;

/// One statement of a conflict.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Whose.
    pub(super) owner: Owner,
    /// By how much it alone would have to give way, kW, kWh or K times hours, summed.
    pub(super) amount: f64,
    /// Greatest amount in any one step.
    pub(super) most: f64,
    /// First step in which it gives way.
    pub(super) step: Option<usize>,
    /// What the plan would then cost, currency; `None` where there still would be none, because other
    /// statements stand in each other's way too.
    pub(super) cost: Option<f64>,
}

/// Statements that cannot hold together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Conflict {
    /// The irreducible set; empty where nothing that gives way would help.
    pub(super) members: Vec<Member>,
    /// The first step with which the set cannot hold; before it, it can.
    pub(super) first: Option<usize>,
}

/// Looks for the statements that stand in each other's way. With `class`, only those of this class
/// and physics are held against each other.
pub(super) fn explain(
    scene: &Scene<'_>,
    units: Vec<Unit>,
    class: Option<ClassId>,
    options: &SolverOptions<'_>,
) -> Result<Conflict, Fall> {
    let mut model = super::families::build(scene, Mode::Bare, units);
    let mut whole = model.program.clone();
    model.program.relax_integers();
    options.doing("looking for the statements that stand in each other's way");
    let conflict = among(&model, class, options);
    if options.is_over() {
        return Err(Fall::Stopped(Stop::Time));
    }
    if let Some(conflict) = conflict {
        return Ok(conflict);
    }
    // parts of machines, or both directions at once, could do it: only whole ones cannot
    for pair in &model.pairs {
        super::exclusive::split(&mut whole, pair);
    }
    if !whole.has_integers() {
        return Ok(Conflict::default());
    }
    model.program = whole;
    let options = SolverOptions { nodes: NODES, share: 0.01, ..*options };
    let conflict = among(&model, class, &options);
    if options.is_over() {
        return Err(Fall::Stopped(Stop::Time));
    }
    Ok(conflict.unwrap_or_default())
}

/// The conflict in a program; `None` where everything that counts can hold in it.
fn among(model: &Builder<'_, '_>, class: Option<ClassId>, options: &SolverOptions<'_>) -> Option<Conflict> {
    let mut by: BTreeMap<Owner, Vec<Breach>> = BTreeMap::new();
    for breach in model.breaches.iter().filter(|b| !b.preference && !b.initial) {
        by.entry(breach.owner).or_default().push(breach.clone());
    }
    // lowest class first, physics last; within a class the latest statement first
    let mut order: Vec<Owner> = by.keys().copied().collect();
    order.sort_by_key(|o| std::cmp::Reverse((o.class.map(|c| c.0), o.statement)));
    order.sort_by_key(|o| std::cmp::Reverse(rank(*o)));
    let counts = |o: &Owner| class.is_none_or(|c| o.class.is_none_or(|o| o == c));
    let counted: Vec<Owner> = order.iter().copied().filter(counts).collect();
    let objective: Vec<(Col, f64)> =
        model.breaches.iter().filter(|b| !b.preference).map(|b| (b.col, b.weight)).collect();
    let mut trial = Trial::new(&model.program, &objective, &by, options)?;
    // everything given up: if even that fails, no statement is to blame
    if trial.solve().is_none() {
        return Some(Conflict::default());
    }
    counted.iter().for_each(|owner| trial.keep(*owner));
    if trial.solve().is_some() {
        return None;
    }
    let mut core = Vec::new();
    for owner in &counted {
        trial.give(*owner);
        if trial.solve().is_some() {
            trial.keep(*owner);
            core.push(*owner);
        }
    }
    let first = first_step(&mut trial, model, &core);
    drop(trial);
    let members = core.iter().map(|owner| alone(model, &by, (&counted, &core), *owner, options)).collect();
    Some(Conflict { members, first })
}

/// The first step with which the core cannot hold: by bisection, for what holds over a stretch holds
/// over any part of it.
fn first_step(trial: &mut Trial<'_, '_>, model: &Builder<'_, '_>, core: &[Owner]) -> Option<usize> {
    let ends = |b: &Breach| b.step.or_else(|| model.finals.get(&b.col).copied());
    let (mut holds, mut fails) = (0, model.scene.len());
    while fails - holds > 1 {
        let middle = holds + (fails - holds) / 2;
        for owner in core {
            trial.keep_until(*owner, &|b| ends(b).is_none_or(|t| t >= middle));
        }
        if trial.solve().is_some() {
            holds = middle;
        } else {
            fails = middle;
        }
    }
    core.iter().for_each(|owner| trial.keep(*owner));
    fails.checked_sub(1)
}

/// One statement relaxed alone: its least amount, then the least cost of a plan with that amount. All
/// other statements hold, or where that is not enough, those of the core.
fn alone(
    model: &Builder<'_, '_>,
    by: &BTreeMap<Owner, Vec<Breach>>,
    (counted, core): (&[Owner], &[Owner]),
    owner: Owner,
    options: &SolverOptions<'_>,
) -> Member {
    let breaches = by.get(&owner).map(Vec::as_slice).unwrap_or_default();
    let amount: Vec<(Col, f64)> = breaches.iter().map(|b| (b.col, b.weight)).collect();
    let mut program = model.program.clone();
    let total = program.between(amount.iter().copied(), 0.0, f64::INFINITY);
    let mut found: Option<(Solution, Option<f64>)> = None;
    for (kept, enough) in [(counted, true), (core, false)] {
        let Some(mut trial) = Trial::new(&program, &amount, by, options) else { break };
        kept.iter().filter(|other| **other != owner).for_each(|other| trial.keep(*other));
        let Some(least) = trial.solve() else { continue };
        let money: Vec<(Col, f64)> = model.money.iter().map(|(_, col, price)| (*col, *price)).collect();
        trial.session.set_bounds(total, 0.0, least.value + 1e-8 * least.value.abs().max(1.0));
        trial.session.set_objective(&money);
        let cheapest = trial.solve();
        let constant: f64 = model.constant.values().sum();
        let cost = cheapest.as_ref().map(|s| s.value + constant).filter(|_| enough);
        found = Some((cheapest.unwrap_or(least), cost));
        break;
    }
    let amounts: Vec<(f64, Option<usize>)> = (breaches.iter())
        .map(|b| {
            let x = found.as_ref().and_then(|(s, _)| s.x.get(b.col.index())).copied().unwrap_or(0.0);
            // what gives way anyway is nobody's doing here
            (x - model.program.bounds(b.col).0, b.step)
        })
        .filter(|(x, _)| *x > NOTHING)
        .collect();
    Member {
        owner,
        amount: amounts.iter().map(|(x, t)| x * t.map_or(1.0, |t| model.scene.hours(t))).sum(),
        most: amounts.iter().map(|(x, _)| *x).fold(0.0, f64::max),
        step: amounts.iter().filter_map(|(_, t)| *t).min(),
        cost: found.and_then(|(_, cost)| cost),
    }
}

/// Physics below every class, so that statements people wrote are questioned first.
fn rank(owner: Owner) -> u32 {
    match (owner.class, owner.statement) {
        (None, Statement::Device(_) | Statement::Bus(_) | Statement::Link(_)) => 0,
        (None, _) => 1,
        (Some(class), _) => class.0.saturating_add(2),
    }
}

/// A program in which statements are kept or given up, one at a time; all given up at first.
struct Trial<'b, 'w> {
    session: Session<'w>,
    by: &'b BTreeMap<Owner, Vec<Breach>>,
    bounds: BTreeMap<Col, (f64, f64)>,
}

impl<'b, 'w> Trial<'b, 'w> {
    fn new(
        program: &Program,
        objective: &[(Col, f64)],
        by: &'b BTreeMap<Owner, Vec<Breach>>,
        options: &SolverOptions<'w>,
    ) -> Option<Self> {
        let session = Session::new(program, objective, options)?;
        let bounds = by.values().flatten().map(|b| (b.col, program.bounds(b.col))).collect();
        Some(Self { session, by, bounds })
    }

    fn keep(&mut self, owner: Owner) {
        self.keep_until(owner, &|_| false);
    }

    /// Keeps a statement but for the breaches that `free` leaves.
    fn keep_until(&mut self, owner: Owner, free: &dyn Fn(&Breach) -> bool) {
        for breach in self.by.get(&owner).into_iter().flatten() {
            if let Some((lower, upper)) = self.bounds.get(&breach.col) {
                let most = if free(breach) { *upper } else { *lower };
                self.session.set_bounds(breach.col, *lower, most);
            }
        }
    }

    fn give(&mut self, owner: Owner) {
        self.keep_until(owner, &|_| true);
    }

    fn solve(&mut self) -> Option<Solution> {
        match self.session.solve() {
            Outcome::Solved(solution) => Some(solution),
            _ => None,
        }
    }
}
