//! Asking: one solver for a cluster of devices, which learns of each signal's range, ties and
//! assumptions when a question first reads it, and of time through the groups that the question's
//! atoms realise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::encode::{Environment, Footprint, Reach, domains};
use super::formula::{Bit, Formula};
use super::glance;
use super::smt::{Answer, Literal, Solver};
use super::time::{Atoms, Group, groups};
use crate::ir::{LatchId, SignalId, Site};

/// Most combinations of latch moves that are looked at.
const MAX_MOVES: usize = 4096;

/// What every question rests on; shared by all clusters.
pub(crate) struct Ground<'a> {
    /// The policy.
    pub(crate) site: &'a Site,
    /// Sets of instants.
    pub(crate) atoms: Atoms<'a>,
    /// What holds in every environment.
    pub(crate) environment: Environment,
    /// What moves the latches.
    pub(crate) reach: Reach,
    /// The groups of each set of atoms, computed once for all clusters.
    pub(crate) moments: Mutex<BTreeMap<Vec<u32>, Arc<Moments>>>,
    /// The evaluator, in which witnesses are replayed.
    pub(crate) evaluator: crate::eval::Evaluator<'a>,
    /// Bound on the effort of one question.
    pub(crate) effort: u32,
}

/// The realised groups of a set of atoms.
#[derive(Debug)]
pub(crate) struct Moments {
    /// The atoms.
    pub(crate) atoms: Vec<u32>,
    /// Their groups, most preferred first.
    pub(crate) groups: Vec<Group>,
}

impl Moments {
    /// The instant lies in the group.
    pub(crate) fn is(&self, group: &Group) -> Formula {
        Formula::all(self.atoms.iter().zip(&group.holds).map(|(atom, holds)| {
            let bit = Formula::Bit(Bit::Atom(*atom));
            if *holds { bit } else { bit.negate() }
        }))
    }
}

impl Ground<'_> {
    /// The groups of a set of atoms.
    fn moments(&self, atoms: &[u32]) -> Arc<Moments> {
        let known = self.moments.lock().unwrap_or_else(PoisonError::into_inner).get(atoms).cloned();
        known.unwrap_or_else(|| {
            let groups = groups(&self.atoms, &self.site.holidays, atoms);
            let moments = Arc::new(Moments { atoms: atoms.to_vec(), groups });
            let mut all = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(atoms.to_vec(), Arc::clone(&moments));
            moments
        })
    }
}

/// What a question reads, with all that it is tied to.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Everything read.
    pub(crate) footprint: Footprint,
    /// Parts of the environment it rests on.
    pub(crate) parts: BTreeSet<usize>,
    /// Literals to assume with it.
    pub(crate) literals: Vec<Literal>,
    /// Its time groups.
    pub(crate) moments: Arc<Moments>,
    /// Whether its latches could be explored.
    pub(crate) complete: bool,
}

/// One cluster's solver.
pub(crate) struct Asker<'a> {
    /// What is asked about.
    pub(crate) ground: &'a Ground<'a>,
    /// The solver.
    pub(crate) solver: Solver,
    parts: BTreeSet<usize>,
    domains: BTreeSet<(SignalId, u32)>,
    moments: BTreeMap<Vec<u32>, (Arc<Moments>, Literal)>,
    latches: BTreeMap<BTreeSet<LatchId>, bool>,
    statements: BTreeMap<Formula, Literal>,
}

impl<'a> Asker<'a> {
    /// A solver that knows nothing yet.
    pub(crate) fn new(ground: &'a Ground<'a>) -> Self {
        Self {
            ground,
            solver: Solver::new(ground.effort),
            parts: BTreeSet::new(),
            domains: BTreeSet::new(),
            moments: BTreeMap::new(),
            latches: BTreeMap::new(),
            statements: BTreeMap::new(),
        }
    }

    /// Makes the solver know all that the formulas are tied to.
    pub(crate) fn prepare(&mut self, formulas: &[Formula]) -> Prepared {
        let mut footprint = Footprint::default();
        formulas.iter().for_each(|f| footprint.add(f));
        let parts = self.close(&mut footprint);
        self.know(&footprint, &parts);
        let latches: BTreeSet<LatchId> = footprint
            .bits
            .iter()
            .filter_map(|bit| if let Bit::Latch(latch) = bit { Some(*latch) } else { None })
            .collect();
        let complete = self.know_latches(&latches);
        let atoms: Vec<u32> = footprint.atoms().into_iter().collect();
        let (moments, literal) = self.moments(atoms);
        Prepared { footprint, parts, literals: vec![literal], moments, complete }
    }

    fn close(&self, footprint: &mut Footprint) -> BTreeSet<usize> {
        self.ground.environment.close(footprint)
    }

    fn know(&mut self, footprint: &Footprint, parts: &BTreeSet<usize>) {
        for (key, domain) in domains(self.ground.site, footprint) {
            if self.domains.insert(key) {
                self.solver.assert(&domain);
            }
        }
        for index in parts {
            if self.parts.insert(*index)
                && let Some(part) = self.ground.environment.parts.get(*index)
            {
                self.solver.assert(&part.formula);
            }
        }
    }

    /// The groups of a set of atoms and the literal that the instant lies in one of them.
    fn moments(&mut self, atoms: Vec<u32>) -> (Arc<Moments>, Literal) {
        if let Some((moments, literal)) = self.moments.get(&atoms) {
            return (Arc::clone(moments), *literal);
        }
        let moments = self.ground.moments(&atoms);
        let realised = Formula::any(moments.groups.iter().map(|group| moments.is(group)));
        let literal = self.solver.literal(&realised);
        self.moments.insert(atoms, (Arc::clone(&moments), literal));
        (moments, literal)
    }

    /// Restricts latches to reachable vectors; `false` where that could not be computed.
    fn know_latches(&mut self, latches: &BTreeSet<LatchId>) -> bool {
        if latches.is_empty() {
            return true;
        }
        if let Some(known) = self.latches.get(latches) {
            return *known;
        }
        let environment = &self.ground.environment;
        let components = self.ground.reach.components(latches, |footprint| {
            environment.close(footprint);
        });
        let mut complete = components.is_some();
        for component in components.unwrap_or_default() {
            let prepared = self.prepare(&component.conditions);
            let realisable = self.solver.enumerate(&component.conditions, &prepared.literals, MAX_MOVES);
            match realisable {
                Some(realisable) if prepared.complete => {
                    self.solver.assert(&component.reachable(&realisable));
                }
                _ => complete = false,
            }
        }
        self.latches.insert(latches.clone(), complete);
        complete
    }

    /// The literal of a statement's formula, one for each formula.
    pub(crate) fn statement(&mut self, formula: &Formula) -> Literal {
        if let Some(literal) = self.statements.get(formula) {
            return *literal;
        }
        let literal = self.solver.literal(formula);
        self.statements.insert(formula.clone(), literal);
        literal
    }

    /// Opens a scope: literals made in it are forgotten when it is left. Nothing may be prepared
    /// inside it.
    pub(crate) fn enter(&mut self) {
        self.solver.enter();
    }

    /// Leaves the scope.
    pub(crate) fn leave(&mut self) {
        self.solver.leave();
    }

    /// Whether the statements can hold together in some environment.
    pub(crate) fn together(&mut self, statements: &[Formula]) -> Answer {
        if statements.contains(&Formula::FALSE) {
            return Answer::Unsat;
        }
        match glance::together(self.ground, statements) {
            Answer::Unknown => {}
            answer => {
                self.solver.asked += 1;
                return answer;
            }
        }
        let prepared = self.prepare(statements);
        let mut literals = prepared.literals.clone();
        for statement in statements {
            literals.push(self.statement(statement));
        }
        match self.solver.ask(&literals) {
            Answer::Sat if !prepared.complete => Answer::Unknown,
            answer => answer,
        }
    }
}
