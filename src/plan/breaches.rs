//! Where the optimum gives way. How much the plan then misses, the verifier measures.

use std::collections::BTreeMap;

use super::document::Facts;
use super::words;
use crate::bundle::{Breach, StatementRef};
use crate::ir::Statement;
use crate::quantity::Rat;

/// Amounts below this are none.
const NOTHING: f64 = 1e-6;

/// The statements that the optimum breaks, with the steps in which it does; all steps for those of a
/// whole window. What rounding breaks beyond them is a fault.
pub(super) fn granted(facts: &Facts<'_, '_, '_, '_>) -> Vec<Breach> {
    let solved = facts.solved;
    let scene = solved.model.scene;
    let mut by: BTreeMap<Statement, (Vec<usize>, bool)> = BTreeMap::new();
    for breach in solved.model.breaches.iter().filter(|breach| !breach.preference) {
        if solved.climb.x.get(breach.col.index()).is_some_and(|amount| *amount > NOTHING) {
            let entry = by.entry(breach.owner.statement).or_default();
            entry.0.extend(breach.step);
            entry.1 |= breach.step.is_none();
        }
    }
    let last = u32::try_from(scene.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let mut found = Vec::new();
    for (statement, (mut steps, whole)) in by {
        steps.sort_unstable();
        steps.dedup();
        let runs = if whole { vec![(0, last)] } else { words::runs(&steps) };
        found.extend(runs.into_iter().map(|(first, last)| Breach {
            statement: StatementRef::of(scene.site, statement),
            class: String::new(),
            of: String::new(),
            first,
            last,
            amount: Rat::ZERO,
            unit: String::new(),
            money: None,
        }));
    }
    found
}
