//! What can still be checked of a policy with errors: everything but the statements that have them,
//! and those that rest on such.
//!
//! What rests on what is seen by name: a statement that says a word which a broken one declares may
//! mean something else. Where an error changes the meaning of everything (the site, the weather, an
//! assumption, a module), nothing is said beyond it.

use std::collections::BTreeSet;

use super::collect::Statements;
use crate::diag::{Diagnostics, Severity, SourceMap, Span, codes};
use crate::ir;
use crate::repo::{MANIFEST, Repository};

/// Longest chain of declarations through which an error is followed.
const LONGEST_CHAIN: usize = 64;

/// A policy without its broken statements.
#[derive(Debug)]
pub struct Partial {
    /// The policy; rules with errors are there, always active and without effects.
    pub site: ir::Site,
    /// What is missing from it.
    pub left: Left,
}

/// What is left out of a policy with errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Statements.
    pub statements: usize,
    /// Who feeds whom, as a whole.
    pub network: bool,
    /// What energy costs.
    pub prices: bool,
}

/// One statement as text.
struct Statement<'t> {
    span: Span,
    keyword: &'t str,
    text: &'t str,
    /// Has an error, or rests on a statement that has one.
    out: bool,
}

impl<'t> Statement<'t> {
    fn words(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        words(self.text)
    }

    /// The words that it declares.
    fn declares(&self) -> Vec<&'t str> {
        match self.keyword {
            "role" | "mode" => self.words().collect(),
            // energy has a price through every tariff
            "tariff" => vec!["price"],
            // what stands on a bus or behind a gateway is what it is without them
            "bus" | "link" | "gateway" => Vec::new(),
            _ => self.words().nth(1).into_iter().collect(),
        }
    }

    fn is_device(&self) -> bool {
        matches!(self.keyword, "producer" | "consumer" | "storage" | "control" | "slot")
    }
}

/// Words outside of comments and quotes, as far as a line shows them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(before, _)| before))
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// The policy without what has errors or rests on them; `None` where an error touches everything.
pub(super) fn without_errors(
    mut site: ir::Site,
    statements: &Statements,
    findings: &Diagnostics,
    sources: &SourceMap,
    repository: &Repository<'_>,
) -> Option<Partial> {
    let mut all: Vec<Statement<'_>> = statements
        .list
        .iter()
        // what modules bring stands in their own texts
        .filter(|statement| (statement.item.span.source.0 as usize) < repository.files.len())
        .map(|statement| {
            let text = sources.slice(statement.item.span);
            let keyword = words(text).next().unwrap_or("");
            Statement { span: statement.item.span, keyword, text, out: false }
        })
        .collect();
    all.sort_by_key(|statement| (statement.span.source, statement.span.start));
    let (mut left, mut permissions) = (Left::default(), true);
    let mut tainted: BTreeSet<&str> = BTreeSet::new();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        let span = finding.span()?;
        let Some(at) = holding(&all, span) else {
            if harmless(span, finding.code, sources, repository) {
                continue;
            }
            return None;
        };
        let statement = all.get_mut(at)?;
        statement.out = true;
        match statement.keyword {
            // nothing else means anything else without these
            "rule" | "budget" | "test" | "prove" | "admit" | "conform" | "objective" | "decide" => {}
            "permit" | "forbid" | "tenant" | "vendor" | "role" => permissions = false,
            "bus" | "link" | "gateway" => left.network = true,
            "tariff" => left.prices = true,
            "zone" | "group" | "schedule" | "feed" | "event" | "mode" => {}
            _ if statement.is_device() => left.network = true,
            _ => return None,
        }
        tainted.extend(statement.declares());
    }
    let mut settled = false;
    for _ in 0..LONGEST_CHAIN {
        let devices = all.iter().any(|statement| statement.out && statement.is_device());
        settled = true;
        for statement in all.iter_mut().filter(|statement| !statement.out) {
            let rests = statement.words().any(|word| {
                tainted.contains(word) || (devices && matches!(word, "where" | "device" | "devices" | "any"))
            });
            if !rests {
                continue;
            }
            match statement.keyword {
                // networks are asked about as a whole or not at all
                "bus" | "link" | "gateway" | "permit" | "forbid" | "tenant" | "vendor" | "role"
                | "tariff" => {}
                "site" => settled &= !tainted.insert("emergency"),
                "assume" | "weather" | "priorities" | "module" => return None,
                _ => {
                    statement.out = true;
                    tainted.extend(statement.declares());
                    settled = false;
                }
            }
        }
        if settled {
            break;
        }
    }
    if !settled {
        return None;
    }
    left.network |= all.iter().any(|statement| statement.out && statement.is_device());
    // what a module's text says rests on its arguments, which are not looked into
    let is_out =
        |span: Span| holding(&all, span).and_then(|at| all.get(at)).map_or(!tainted.is_empty(), |s| s.out);
    left.statements = all.iter().filter(|statement| statement.out).count();
    for rule in &mut site.rules {
        let foreign = !permissions && rule.owner != ir::OWNER;
        if foreign || is_out(rule.span) {
            left.statements += usize::from(holding(&all, rule.span).is_none() || !is_out(rule.span));
            rule.when = ir::Guard::Const(true);
            rule.until = None;
            rule.memory = ir::Memory::None;
            rule.latches.clear();
            rule.effects.clear();
        }
    }
    // what is wrong with a feed has been said; its file is not looked for
    for feed in site.feeds.iter_mut().filter(|feed| is_out(feed.span)) {
        feed.origin = ir::FeedOrigin::Live { max_age_s: None, fallback: None };
    }
    if left.network || left.prices {
        site.budgets.clear();
    }
    site.budgets.retain(|budget| !is_out(budget.span));
    if !permissions {
        site.permits.clear();
    }
    site.tests.clear();
    Some(Partial { site, left })
}

/// The place of the statement that holds a span.
fn holding(all: &[Statement<'_>], span: Span) -> Option<usize> {
    let after = all.partition_point(|s| (s.span.source, s.span.start) <= (span.source, span.start));
    let at = after.checked_sub(1)?;
    all.get(at).filter(|s| s.span.source == span.source && span.end <= s.span.end).map(|_| at)
}

/// Whether an error outside of all statements changes nothing that is asked: where devices are, and
/// how findings are shown.
fn harmless(span: Span, code: crate::diag::Code, sources: &SourceMap, repository: &Repository<'_>) -> bool {
    if repository.inventory_sources.contains(&span.source) || code == codes::WAIVER {
        return true;
    }
    if sources.path(span.source) != MANIFEST {
        return false;
    }
    let text = repository.text(span.source);
    let before = text.get(..(span.start as usize).saturating_add(1)).unwrap_or(&text);
    let key = before.lines().rev().find(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
    let key = key.and_then(|line| line.split_once(':')).map_or("", |(key, _)| key);
    matches!(key, "lints" | "waivers" | "max_gap" | "max_change")
}
