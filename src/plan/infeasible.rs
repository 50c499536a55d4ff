//! When it cannot be done (planner.md 24): an irreducible set of statements that cannot hold
//! together, and for each how much it alone would have to give way.

use std::collections::{BTreeMap, BTreeSet};

use super::levels::Fall;
use super::model::{Breach, Mode, Unit};
use super::scene::{Owner, Scene};
use super::solver::{Col, Outcome, Session, Solution, SolverOptions};
use crate::ir::{ClassId, SAFETY, Statement};

/// What a relaxed statement may still miss and be called kept.
const NOTHING: f64 = 1e-6;

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
}

/// Statements that cannot hold together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Conflict {
    /// The irreducible set; empty where nothing that gives way would help.
    pub(super) members: Vec<Member>,
}

/// Looks for the statements that stand in each other's way. With `class`, only those of this class,
/// the safety class and physics are held against each other.
pub(super) fn explain(
    scene: &Scene<'_>,
    units: Vec<Unit>,
    class: Option<ClassId>,
    options: &SolverOptions,
) -> Result<Conflict, Fall> {
    let mut model = super::families::build(scene, Mode::Bare, units);
    model.program.relax_integers();
    let mut by: BTreeMap<Owner, Vec<Breach>> = BTreeMap::new();
    for breach in model.breaches.iter().filter(|b| !b.preference && !b.initial) {
        by.entry(breach.owner).or_default().push(breach.clone());
    }
    // lowest class first, physics last; within a class the latest statement first
    let mut order: Vec<Owner> = by.keys().copied().collect();
    order.sort_by_key(|o| std::cmp::Reverse((o.class.map(|c| c.0), o.statement)));
    order.sort_by_key(|o| std::cmp::Reverse(rank(*o)));
    let objective: Vec<(Col, f64)> =
        model.breaches.iter().filter(|b| !b.preference).map(|b| (b.col, b.weight)).collect();
    let Some(session) = Session::new(&model.program, &objective, options) else {
        return Ok(Conflict::default());
    };
    let mut trial = Trial { session, by: &by, free: BTreeSet::new(), bounds: BTreeMap::new() };
    for breach in by.values().flatten() {
        trial.bounds.insert(breach.col, model.program.bounds(breach.col));
    }
    // everything given up: if even that fails, no statement is to blame
    trial.free.extend(order.iter().copied());
    if trial.solve().is_none() {
        return Ok(Conflict::default());
    }
    for owner in &order {
        let counts = class.is_none_or(|c| owner.class == Some(c) || owner.class.is_none_or(|o| o == SAFETY));
        if counts {
            trial.keep(*owner);
        }
    }
    if trial.solve().is_some() {
        return Ok(Conflict::default());
    }
    let mut core = Vec::new();
    for owner in order.iter().copied().filter(|o| !trial.free.contains(o)).collect::<Vec<_>>() {
        trial.give(owner);
        if trial.solve().is_some() {
            trial.keep(owner);
            core.push(owner);
        }
    }
    let mut members = Vec::new();
    for owner in core {
        trial.give(owner);
        let solution = trial.solve();
        trial.keep(owner);
        let breaches = by.get(&owner).map(Vec::as_slice).unwrap_or_default();
        let amounts: Vec<(f64, Option<usize>)> = (breaches.iter())
            .map(|b| {
                let x = solution.as_ref().and_then(|s| s.x.get(b.col.index())).copied().unwrap_or(0.0);
                (x, b.step)
            })
            .filter(|(x, _)| *x > NOTHING)
            .collect();
        members.push(Member {
            owner,
            amount: amounts.iter().map(|(x, t)| x * t.map_or(1.0, |t| scene.hours(t))).sum(),
            most: amounts.iter().map(|(x, _)| *x).fold(0.0, f64::max),
            step: amounts.iter().filter_map(|(_, t)| *t).min(),
        });
    }
    Ok(Conflict { members })
}

/// Physics below every class, so that statements people wrote are questioned first.
fn rank(owner: Owner) -> u32 {
    match (owner.class, owner.statement) {
        (None, Statement::Device(_) | Statement::Bus(_) | Statement::Link(_)) => 0,
        (None, _) => 1,
        (Some(class), _) => class.0.saturating_add(2),
    }
}

/// A program in which statements are kept or given up, one at a time.
struct Trial<'b> {
    session: Session,
    by: &'b BTreeMap<Owner, Vec<Breach>>,
    free: BTreeSet<Owner>,
    bounds: BTreeMap<Col, (f64, f64)>,
}

impl Trial<'_> {
    fn keep(&mut self, owner: Owner) {
        self.free.remove(&owner);
        for breach in self.by.get(&owner).into_iter().flatten() {
            let lower = self.bounds.get(&breach.col).map_or(0.0, |b| b.0);
            self.session.set_bounds(breach.col, lower, lower);
        }
    }

    fn give(&mut self, owner: Owner) {
        self.free.insert(owner);
        for breach in self.by.get(&owner).into_iter().flatten() {
            if let Some((lower, upper)) = self.bounds.get(&breach.col) {
                self.session.set_bounds(breach.col, *lower, *upper);
            }
        }
    }

    fn solve(&mut self) -> Option<Solution> {
        match self.session.solve() {
            Outcome::Solved(solution) => Some(solution),
            _ => None,
        }
    }
}
