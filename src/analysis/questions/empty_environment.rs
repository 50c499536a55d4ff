//! EVL0206: at some instants no situation at all satisfies the declared ranges, the ties of
//! derived signals and the assumptions together.
//!
//! Assumptions that share signals are asked together, once for each group of instants that their
//! schedules tell apart; a contradiction names a least set of them.

use std::collections::BTreeSet;

use super::{assumed, open};
use crate::analysis::ask::Ground;
use crate::analysis::encode::{Footprint, PartKind, domains};
use crate::analysis::formula::{Bit, Formula};
use crate::analysis::smt::{Answer, Literal, Solver};
use crate::analysis::time::groups;
use crate::diag::{Diagnostic, codes};

/// Asks the question of every set of assumptions that share signals. Returns the number of
/// questions put to the solver with the findings.
pub(crate) fn ask(ground: &Ground) -> (Vec<Diagnostic>, u64) {
    let parts = &ground.environment.parts;
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let (mut findings, mut asked) = (Vec::new(), 0);
    for (index, part) in parts.iter().enumerate() {
        if !matches!(part.kind, PartKind::Assumption(_)) || done.contains(&index) {
            continue;
        }
        let mut footprint = part.footprint.clone();
        let mut component = ground.environment.close(&mut footprint);
        component.insert(index);
        done.extend(component.iter().copied());
        findings.extend(component_of(ground, &footprint, &component, &mut asked));
    }
    (findings, asked)
}

fn component_of(
    ground: &Ground,
    footprint: &Footprint,
    component: &BTreeSet<usize>,
    asked: &mut u64,
) -> Vec<Diagnostic> {
    let mut solver = Solver::new(ground.effort);
    for (_, domain) in domains(ground.site, footprint) {
        solver.assert(&domain);
    }
    let mut literals: Vec<(Literal, usize)> = Vec::new();
    for part in component.iter().filter_map(|index| ground.environment.parts.get(*index)) {
        match part.kind {
            PartKind::Tie => solver.assert(&part.formula),
            PartKind::Assumption(index) => literals.push((solver.literal(&part.formula), index)),
        }
    }
    let all: Vec<Literal> = literals.iter().map(|(literal, _)| *literal).collect();
    let atoms: Vec<u32> = footprint.atoms().into_iter().collect();
    let mut findings = Vec::new();
    let mut seen: BTreeSet<Vec<usize>> = BTreeSet::new();
    for group in groups(&ground.atoms, &ground.site.holidays, &atoms) {
        let now = Formula::all(atoms.iter().zip(&group.holds).map(|(atom, holds)| {
            let bit = Formula::Bit(Bit::Atom(*atom));
            if *holds { bit } else { bit.negate() }
        }));
        let now = solver.literal(&now);
        let mut with = all.clone();
        with.push(now);
        let answer = solver.ask(&with);
        if answer == Answer::Sat {
            continue;
        }
        let core = if answer == Answer::Unsat { solver.core(&[now], &all) } else { all.clone() };
        let core: Vec<usize> =
            literals.iter().filter(|(literal, _)| core.contains(literal)).map(|(_, index)| *index).collect();
        if !seen.insert(core.clone()) {
            continue;
        }
        let assumptions: Vec<_> =
            core.iter().filter_map(|index| ground.site.assumptions.get(*index)).collect();
        let span = assumptions.first().map_or(ground.site.span, |assumption| assumption.span);
        if answer == Answer::Unknown {
            findings.push(open(span, "whether the assumptions can hold together"));
            continue;
        }
        let message = match assumptions.as_slice() {
            [] => "no situation satisfies the declared ranges".to_owned(),
            [one] => format!("no situation satisfies `{}` at some instants", one.text),
            _ => format!("{} assumptions leave no possible situation at some instants", assumptions.len()),
        };
        let mut finding = Diagnostic::error(codes::EMPTY_ENVIRONMENT, span, message)
            .help("widen a declared range, or weaken one of the assumptions");
        if let Some((first, rest)) = assumptions.split_first() {
            finding = finding.says(assumed(&first.text));
            for other in rest {
                finding = finding.label(other.span, assumed(&other.text));
            }
        }
        findings.push(finding.witness(ground.atoms.calendar().show(group.at), ""));
    }
    *asked += solver.asked;
    findings
}
