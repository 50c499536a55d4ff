//! EVL0609: a rule of the safety class that commands what no independent barrier stands behind
//! (semantics.md 22). A barrier is named in the rule or at the device.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, codes};
use crate::ir::{SAFETY, Site};

/// Asks of every rule of the safety class.
pub(crate) fn ask(site: &Site) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for rule in site.rules.iter().filter(|rule| rule.class == SAFETY) {
        let commanded = rule.effects.iter().flat_map(|effect| site.commanded_by(rule, effect));
        let families = commanded.filter_map(|range| site.family(range.family));
        let bare: BTreeSet<&str> =
            families.filter(|family| family.interlock.is_none()).map(|family| family.name.as_str()).collect();
        if bare.is_empty() {
            continue;
        }
        let names: Vec<String> = bare.iter().map(|name| format!("`{name}`")).collect();
        findings.push(
            Diagnostic::note(
                codes::NO_INTERLOCK,
                rule.span,
                format!("nothing but evl stands behind the safety rule `{}`", rule.name),
            )
            .says(format!("commands {}", names.join(", ")))
            .help("name the barrier that does not depend on evl: `interlock \"..\"` in the rule or at the device"),
        );
    }
    findings
}
