//! Which levels a model has, in their order (planner.md 15, 16).

use std::collections::BTreeMap;

use super::levels::Level;
use super::model::{Aff, Breach, Builder};
use super::solver::Col;
use crate::ir::{Attr, ClassId, Goal, SAFETY};

/// What a level minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a state outside its band at the start costs until it is back inside.
    Initial(ClassId),
    /// Breaches of a class.
    Class(ClassId),
    /// Unpriced preferences of a class.
    Preference(ClassId),
    /// Money.
    Money,
    /// Another goal of the site.
    Goal(Goal),
    /// A goal again, once those after it spent what they may of it: no more than they needed.
    Spent(Goal),
    /// What is curtailed while somebody keeps a meter at a target.
    Curtailment,
    /// Throughput and deviation from default, so that one plan is chosen among equals.
    TieBreak,
}

/// How exact the levels have to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gaps {
    /// Absolute gap of the money level, currency.
    pub(super) money: f64,
    /// Whether one plan is chosen among equals; a study is only looked at.
    pub(super) tie_break: bool,
    /// Whether the model may hold devices that are on or off; over more than a week nothing bounds the
    /// search for them.
    pub(super) switched: bool,
    /// Most nodes of the search for the money and the classes: a limit on work that repeats.
    pub(super) nodes: i32,
}

impl Gaps {
    /// Exact, for what is only asked whether it can be.
    pub(super) const EXACT: Self = Self { money: 0.0, tie_break: false, switched: true, nodes: NODES };
}

/// What a plan's own search may take.
pub(super) const NODES: i32 = 5_000;
/// Most nodes of the search for a further goal.
const GOAL_NODES: i32 = 1;
/// Most nodes of the search for money again, once later goals spent some of it.
const SPENT_NODES: i32 = 100;
/// The share of a first goal other than money that its search may leave: that of the money's target gap.
pub(super) const FIRST_SHARE: f64 = 1e-4;

/// The levels of a model.
pub(super) fn of(b: &mut Builder<'_, '_>, gaps: Gaps) -> Vec<(Kind, Level)> {
    let mut levels = Vec::new();
    let class_of = |breach: &Breach| breach.owner.class.unwrap_or(SAFETY);
    let sum = |b: &Builder<'_, '_>, pick: &dyn Fn(&Breach) -> bool| -> Vec<(Col, f64)> {
        // what is breached whatever the plan does is nothing to minimise
        let open = |x: &&Breach| b.program.bounds(x.col).0 < b.program.bounds(x.col).1;
        b.breaches.iter().filter(|x| pick(x)).filter(open).map(|x| (x.col, x.weight)).collect()
    };
    for class in b.classes() {
        let initial = sum(b, &|x| x.initial && class_of(x) == class);
        levels.push((Kind::Initial(class), initial, None));
        let owed = sum(b, &|x| !x.initial && !x.preference && class_of(x) == class);
        levels.push((Kind::Class(class), owed, None));
    }
    for class in b.classes() {
        let wished = sum(b, &|x| x.preference && class_of(x) == class);
        levels.push((Kind::Preference(class), wished, None));
    }
    let objective = &b.scene.site.objective;
    let mut spent = Vec::new();
    for goal in objective.order() {
        let within = objective.spent(goal).map(crate::quantity::Rat::to_f64);
        let (kind, terms) = match goal {
            Goal::Cost => (Kind::Money, b.money.iter().map(|(_, c, v)| (*c, *v)).collect()),
            Goal::Emissions => (Kind::Goal(Goal::Emissions), b.emissions.clone()),
            Goal::Import => (Kind::Goal(Goal::Import), b.imported.clone()),
            Goal::Switching => (Kind::Goal(Goal::Switching), switching(b)),
            Goal::Peak => (Kind::Goal(Goal::Peak), peak(b)),
        };
        if within.is_some() {
            spent.push((Kind::Spent(goal), terms.clone(), None));
        }
        levels.push((kind, terms, within));
    }
    levels.extend(spent);
    if gaps.tie_break {
        levels.push((Kind::Curtailment, super::follow::curtailed(b), None));
        let idle = b.idle.clone();
        levels.push((Kind::TieBreak, idle, None));
    }
    let first = objective.first();
    let constant: f64 = b.constant.values().sum();
    (levels.into_iter())
        .filter(|(kind, terms, _)| !terms.is_empty() || *kind == Kind::Money)
        .map(|(kind, terms, within)| {
            let most = gaps.nodes;
            let (gap, share, nodes) = match kind {
                Kind::Money => (gaps.money, 0.0, most),
                Kind::Goal(goal) if goal == first => (1e-6, FIRST_SHARE, most),
                // further goals choose among plans that are equally good: a hundredth is near enough
                Kind::Goal(_) => (1e-6, 0.01, GOAL_NODES),
                Kind::Spent(Goal::Cost) => (gaps.money, 0.0, SPENT_NODES.min(most)),
                Kind::Spent(_) => (1e-6, 0.01, GOAL_NODES),
                Kind::Curtailment => (1e-6, 1e-6, most),
                _ => (1e-6, 0.0, most),
            };
            let after = kind == Kind::TieBreak;
            let constant = if kind == Kind::Money { constant } else { 0.0 };
            (kind, Level { objective: merged(terms), within, constant, gap, share, nodes, after })
        })
        .collect()
}

/// A level of hours in which something gives way.
pub(super) fn hours(terms: Vec<(Col, f64)>) -> Level {
    Level { objective: terms, within: None, constant: 0.0, gap: 1e-6, share: 0.0, nodes: NODES, after: false }
}

/// The same sum with one term a column.
fn merged(terms: Vec<(Col, f64)>) -> Vec<(Col, f64)> {
    let mut by: BTreeMap<Col, f64> = BTreeMap::new();
    for (col, v) in terms {
        *by.entry(col).or_default() += v;
    }
    by.into_iter().filter(|(_, v)| *v != 0.0).collect()
}

/// Starts and stops of everything that is switched.
fn switching(b: &mut Builder<'_, '_>) -> Vec<(Col, f64)> {
    let switched: Vec<(usize, Vec<Aff>)> = (b.attrs.iter())
        .filter(|((_, attr), on)| *attr == Attr::On && on.iter().any(|a| !a.terms.is_empty()))
        .map(|((unit, _), on)| (*unit, on.clone()))
        .collect();
    let mut terms = Vec::new();
    for (unit, on) in switched {
        let device = b.units.get(unit).and_then(|u| u.members.first()).copied();
        let was_on = device.and_then(|d| b.scene.running.get(&d)).is_some_and(|r| r.on);
        let was = if was_on { 1.0 } else { 0.0 };
        for change in super::semicontinuous::starts(b, &on, was)
            .into_iter()
            .chain(super::semicontinuous::stops(b, &on, was))
        {
            terms.extend(change.terms);
        }
    }
    terms
}

/// The greatest import of any step.
fn peak(b: &mut Builder<'_, '_>) -> Vec<(Col, f64)> {
    let imports: Vec<Vec<Aff>> =
        b.attrs.iter().filter(|((_, attr), _)| *attr == Attr::Import).map(|(_, v)| v.clone()).collect();
    let mut most = 0.0_f64;
    let mut sums = vec![Aff::default(); b.scene.len()];
    for series in &imports {
        for (sum, import) in sums.iter_mut().zip(series) {
            sum.add(import, 1.0);
        }
    }
    for sum in &sums {
        most = most.max(b.range(sum).1);
    }
    let top = b.program.col(0.0, most);
    for sum in sums {
        b.program.at_most(sum.terms.into_iter().chain([(top, -1.0)]), -sum.constant);
    }
    vec![(top, 1.0)]
}
