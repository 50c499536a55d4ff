//! EVL0501: the periods of an import or export price are no partition of `valid`.
//!
//! The periods are time atoms; in every realised group of instants exactly one of them must hold,
//! or none where `otherwise` takes the rest. No solver is needed.

use crate::analysis::encode::World;
use crate::analysis::formula::{Bit, Formula};
use crate::analysis::time::groups;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Price, Tariff};

/// Asks the question of every tariff.
pub(crate) fn ask(world: &mut World) -> Vec<Diagnostic> {
    let site = world.site;
    let mut findings = Vec::new();
    for tariff in &site.tariffs {
        for (direction, price) in [("import", Some(&tariff.import)), ("export", tariff.export.as_ref())] {
            if let Some(price) = price {
                findings.extend(partition(world, tariff, direction, price));
            }
        }
    }
    findings
}

fn partition(world: &mut World, tariff: &Tariff, direction: &str, price: &Price) -> Vec<Diagnostic> {
    let Price::Periods { periods, otherwise, span } = price else { return Vec::new() };
    // a period that holds always or never is a constant, the others are atoms
    let holds: Vec<Formula> = periods.iter().map(|period| world.during(&period.during)).collect();
    let mut atoms: Vec<u32> = holds
        .iter()
        .filter_map(|f| if let Formula::Bit(Bit::Atom(atom)) = f { Some(*atom) } else { None })
        .collect();
    atoms.sort_unstable();
    atoms.dedup();
    let mut findings = Vec::new();
    let mut seen: Vec<Vec<usize>> = Vec::new();
    for group in groups(&world.atoms, &world.site.holidays, &atoms) {
        let on = |formula: &Formula| match formula {
            Formula::Const(b) => *b,
            Formula::Bit(Bit::Atom(atom)) => atoms
                .iter()
                .position(|a| a == atom)
                .and_then(|at| group.holds.get(at))
                .copied()
                .unwrap_or(false),
            _ => false,
        };
        let active: Vec<usize> = holds.iter().enumerate().filter(|(_, f)| on(f)).map(|(i, _)| i).collect();
        let wrong = active.len() > 1 || (active.is_empty() && otherwise.is_none());
        if !wrong || seen.contains(&active) {
            continue;
        }
        seen.push(active.clone());
        let when = world.atoms.calendar().show(group.at);
        let finding = match active.as_slice() {
            [] => Diagnostic::error(
                codes::TARIFF_PARTITION,
                *span,
                format!("tariff `{}` has no {direction} price at some instants", tariff.name),
            )
            .says("none of these periods holds there")
            .help("end the list with `otherwise`, or add the missing period"),
            [first, rest @ ..] => {
                let span_of = |i: &usize| periods.get(*i).map_or(*span, |period| period.span);
                let mut finding = Diagnostic::error(
                    codes::TARIFF_PARTITION,
                    rest.first().map_or(*span, span_of),
                    format!("{} {direction} periods of tariff `{}` overlap", active.len(), tariff.name),
                )
                .says("this holds together with another period")
                .help("take one out of the other with `except`");
                for other in std::iter::once(first).chain(rest.iter().skip(1)) {
                    finding = finding.label(span_of(other), "this one");
                }
                finding
            }
        };
        findings.push(finding.witness(when, ""));
    }
    findings
}
