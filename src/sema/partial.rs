//! What can still be checked of a policy with errors: everything but the statements that have them,
//! where nothing else depends on those.
//!
//! Rules, budgets, tests and proofs are leaves: no other statement means anything else without
//! them. The inventory is one too: it says where devices are, not what they may do. An error in a declaration, an assumption or a permit changes the meaning of others, and
//! then nothing is said beyond it.

use crate::ast;
use crate::diag::{Diagnostics, Severity, SourceId, SourceMap, Span};
use crate::ir;

use super::collect::{Declared, Owned};

/// A policy without its broken statements.
#[derive(Debug)]
pub struct Partial {
    /// The policy; rules with errors are there, always active and without effects.
    pub site: ir::Site,
    /// Statements that were left out.
    pub left_out: usize,
}

/// Where the leaves stand.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    rules: Vec<Span>,
    budgets: Vec<Span>,
    others: Vec<Span>,
}

impl Leaves {
    pub(super) fn of(declared: &Declared<'_>) -> Self {
        fn spans<T>(all: &[Owned<'_, T>]) -> Vec<Span> {
            all.iter().map(|owned| owned.span).collect()
        }
        let mut others = spans(&declared.tests);
        others.extend(spans::<ast::Prove>(&declared.proofs));
        Self { rules: spans(&declared.rules), budgets: spans(&declared.budgets), others }
    }
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.source == inner.source && outer.start <= inner.start && inner.end <= outer.end
}

/// The policy without the leaves that have errors; `None` where an error lies elsewhere.
pub(super) fn without_errors(
    mut site: ir::Site,
    leaves: &Leaves,
    findings: &Diagnostics,
    sources: &SourceMap,
    inventory: &[SourceId],
) -> Option<Partial> {
    let (mut rules, mut budgets) = (vec![false; leaves.rules.len()], vec![false; leaves.budgets.len()]);
    let mut lost = 0;
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        let span = finding.span()?;
        if inventory.contains(&span.source) {
            continue;
        }
        let mark = |spans: &[Span], broken: &mut Vec<bool>| {
            let at = spans.iter().position(|outer| holds(*outer, span));
            at.and_then(|at| broken.get_mut(at)).map(|flag| *flag = true).is_some()
        };
        let inside = mark(&leaves.rules, &mut rules) || mark(&leaves.budgets, &mut budgets);
        if inside || leaves.others.iter().any(|outer| holds(*outer, span)) {
            continue;
        }
        if !finding.code.to_string().starts_with("EVL00") || !is_lost_leaf(span, sources) {
            return None;
        }
        lost += 1;
    }
    for (rule, broken) in site.rules.iter_mut().zip(&rules) {
        if *broken {
            rule.when = ir::Guard::Const(true);
            rule.until = None;
            rule.memory = ir::Memory::None;
            rule.latches.clear();
            rule.effects.clear();
        }
    }
    let mut broken = budgets.iter();
    site.budgets.retain(|_| !broken.next().copied().unwrap_or(false));
    site.tests.clear();
    let left_out = lost + rules.iter().chain(&budgets).filter(|broken| **broken).count();
    Some(Partial { site, left_out })
}

/// Whether the statement that was lost to a syntax error is a leaf: the last line at or before the
/// error that begins a statement says so.
fn is_lost_leaf(span: Span, sources: &SourceMap) -> bool {
    let Some(text) = sources.get(span.source).map(crate::diag::SourceFile::text) else { return false };
    let before = text.get(..span.start as usize).unwrap_or_default();
    let line = text.get(before.rfind('\n').map_or(0, |at| at + 1)..).and_then(|rest| rest.lines().next());
    let begins = |line: &&str| line.starts_with(|c: char| c.is_ascii_alphabetic());
    let first = line.into_iter().chain(before.lines().rev()).find(begins);
    let word = first.and_then(|line| line.split_whitespace().next());
    matches!(word, Some("rule" | "budget" | "test" | "prove"))
}
