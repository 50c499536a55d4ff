//! From a scene to a point: hard first, giving way class by class only where that fails
//! (planner.md 15).

use std::collections::BTreeSet;

use super::goals::{self, Gaps, Kind};
use super::infeasible::{self, Conflict};
use super::levels::{Climb, Fall, Level, climb};
use super::model::{Builder, Mode, Unit};
use super::scene::Scene;
use super::solver::{SolverOptions, Stop};
use super::{aggregate, chain, families, follow, vehicle};
use crate::ir::{Attr, ClassId, Device, FamilyId};

/// A breach below this, in its level's unit, is none.
const NOTHING: f64 = 1e-6;

/// Hours that are none: less than any step.
const AN_INSTANT: f64 = 1e-3;

/// A point with the model that it belongs to.
pub(super) struct Solved<'s, 'a> {
    /// The model.
    pub(super) model: Builder<'s, 'a>,
    /// The point.
    pub(super) climb: Climb,
    /// What its levels were.
    pub(super) kinds: Vec<Kind>,
    /// What they minimised.
    pub(super) levels: Vec<Level>,
}

impl Solved<'_, '_> {
    /// What a level came to.
    pub(super) fn level(&self, kind: Kind) -> Option<&super::levels::Reached> {
        let place = self.kinds.iter().position(|k| *k == kind)?;
        self.climb.levels.get(place)
    }

    /// The levels that are breaches, from the top.
    pub(super) fn breached(&self) -> impl Iterator<Item = (Kind, &Level)> {
        let breaks = |kind: &Kind| matches!(kind, Kind::Initial(_) | Kind::Class(_) | Kind::Preference(_));
        self.kinds.iter().copied().zip(&self.levels).filter(move |(kind, _)| breaks(kind))
    }
}

/// Why there is no point.
#[derive(Debug)]
pub(super) enum Failure {
    /// Statements that cannot hold together.
    Infeasible(Conflict),
    /// Nothing bounds the money.
    Unbounded,
    /// A study with devices that are on or off.
    Switched(Option<FamilyId>),
    /// The solver gave up.
    Stopped(Stop),
}

/// Solves a scene.
pub(super) fn solve<'s, 'a>(
    scene: &'s Scene<'a>,
    gaps: Gaps,
    options: &SolverOptions<'_>,
) -> Result<Solved<'s, 'a>, Failure> {
    let units = aggregate::units(scene);
    // what is overdrawn already comes in its class's turn, before all that is below it
    if !scene.allowances.iter().any(super::scene::Allowance::is_overdrawn) {
        match attempt(scene, Mode::Hard, units.clone(), gaps, options) {
            Err(Fall::Infeasible) => {}
            other => return other.map_err(failure),
        }
    }
    let solved = match attempt(scene, Mode::Elastic, units.clone(), gaps, options) {
        Ok(solved) => solved,
        // what registers cannot hold says nothing of what stands in whose way
        Err(Fall::Infeasible) if scene.whole => return Err(Failure::Infeasible(Conflict::default())),
        Err(Fall::Infeasible) => return Err(conflict(scene, units, None, options)),
        Err(other) => return Err(failure(other)),
    };
    // where guards are settled already, the plan that settled them was judged with them open
    let settled = !scene.keeps.is_empty();
    for (kind, reached) in solved.kinds.iter().zip(&solved.climb.levels).filter(|_| !settled) {
        let Kind::Class(class) = kind else { continue };
        if reached.value <= NOTHING {
            continue;
        }
        match alone(scene, &units, *class, options)? {
            Alone::Holds => {}
            Alone::Clashes => return Err(conflict(scene, units, Some(*class), options)),
            Alone::Unfollowed(anyway) => {
                // what physics keeps from following is nobody's fault
                let mut scene = scene.clone();
                scene.barred.extend(anyway);
                return Err(conflict(&scene, units, Some(*class), options));
            }
        }
    }
    Ok(solved)
}

fn attempt<'s, 'a>(
    scene: &'s Scene<'a>,
    mode: Mode,
    units: Vec<Unit>,
    gaps: Gaps,
    options: &SolverOptions<'_>,
) -> Result<Solved<'s, 'a>, Fall> {
    let mut model = families::build(scene, mode, units);
    if !gaps.switched && model.program.has_integers() {
        return Err(Fall::Switched(switched(&model)));
    }
    let (kinds, levels): (Vec<Kind>, Vec<_>) = goals::of(&mut model, gaps).into_iter().unzip();
    let pairs = model.pairs.clone();
    let start = match (kinds.first(), levels.first()) {
        (Some(Kind::Money), Some(money)) => chain::start(&model, &money.objective),
        _ => None,
    };
    let climb = climb(&model.program, &levels, &pairs, start.as_deref(), options)?;
    Ok(Solved { model, climb, kinds, levels })
}

/// The first declaration that is on or off by decision.
fn switched(model: &Builder<'_, '_>) -> Option<FamilyId> {
    let mut on = model.attrs.iter().filter(|((_, attr), _)| *attr == Attr::On);
    let (unit, _) = on.find(|(_, series)| series.iter().any(|on| !on.terms.is_empty()))?.0;
    model.units.get(*unit)?.members.first().map(|device| device.family)
}

/// What becomes of a class if only physics stands beside it.
enum Alone {
    /// It holds in full, but for what stays of vehicles are too short for and physics keeps from following.
    Holds,
    /// It cannot.
    Clashes,
    /// It holds only where who follows a meter by one of its rules does so for less time than physics leaves:
    /// it would follow but in these steps.
    Unfollowed(BTreeSet<(Device, usize)>),
}

fn alone(
    scene: &Scene<'_>,
    units: &[Unit],
    class: ClassId,
    options: &SolverOptions<'_>,
) -> Result<Alone, Failure> {
    let mut model = families::build(scene, Mode::Alone, units.to_vec());
    let levels: Vec<_> = (goals::of(&mut model, Gaps::EXACT).into_iter())
        // a state that begins outside its band stands in nobody's way by anybody's statement
        .filter(|(kind, _)| *kind == Kind::Class(class))
        .map(|(_, level)| level)
        .collect();
    let pairs = model.pairs.clone();
    let reached = climb(&model.program, &levels, &pairs, None, options).map_err(failure)?;
    let holds = reached.levels.last().is_none_or(|l| l.value <= NOTHING)
        || vehicle::explain(scene, units, class, (&model, &reached), options).map_err(failure)?;
    if !holds {
        return Ok(Alone::Clashes);
    }
    let unfollowed = goals::hours(follow::instead(&model, class));
    if levels.is_empty() || unfollowed.objective.is_empty() {
        return Ok(Alone::Holds);
    }
    let own: Vec<Level> = levels.into_iter().chain([unfollowed.clone()]).collect();
    let beside = climb(&model.program, &own, &pairs, None, options).map_err(failure)?;
    let least = beside.levels.last().map_or(0.0, |level| level.bound);
    let physics = climb(&model.program, &[unfollowed], &pairs, None, options).map_err(failure)?;
    let most = physics.levels.last().map_or(0.0, |level| level.value);
    if least <= most + AN_INSTANT {
        return Ok(Alone::Holds);
    }
    let anyway = model.followed.iter().filter(|(_, followed)| !followed.holds(&physics.x));
    Ok(Alone::Unfollowed(anyway.map(|(at, _)| *at).collect()))
}

fn conflict(
    scene: &Scene<'_>,
    units: Vec<Unit>,
    class: Option<ClassId>,
    options: &SolverOptions<'_>,
) -> Failure {
    match infeasible::explain(scene, units, class, options) {
        Ok(conflict) => Failure::Infeasible(conflict),
        Err(fall) => failure(fall),
    }
}

fn failure(fall: Fall) -> Failure {
    match fall {
        Fall::Infeasible => Failure::Infeasible(Conflict::default()),
        Fall::Unbounded(_) => Failure::Unbounded,
        Fall::Switched(family) => Failure::Switched(family),
        Fall::Stopped(stop) => Failure::Stopped(stop),
    }
}
