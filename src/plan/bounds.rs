//! Every decision needs a proven bound (planner.md 7): switching conditions are exact only between
//! declared limits, and only while these are not too many orders above a register step.

use crate::diag::{Diagnostic, Diagnostics, Span, codes};
use crate::ir::{Attr, Family, Model, Site};
use crate::quantity::{Rat, Type, show};

/// The greatest bound with which a switching condition is computed exactly, kW, kWh or K.
const MOST: i64 = 1_000_000;

/// Names each declaration that lacks a limit, or whose limit is too large.
///
/// # Errors
/// EVL1006.
pub(super) fn check(site: &Site) -> Result<(), Diagnostics> {
    let mut check = Check { findings: Diagnostics::new() };
    for family in &site.families {
        check.family(family);
    }
    for link in &site.links {
        let back = link.both.then_some(&link.capacity_back);
        for capacity in std::iter::once(&link.capacity).chain(back) {
            check.limit(&link.name, "capacity", Type::Power, Some(capacity), link.span);
        }
    }
    for zone in &site.zones {
        for end in [&zone.range.0, &zone.range.1] {
            check.limit(&zone.name, "temperature", Type::Temperature, Some(end), zone.span);
        }
    }
    if check.findings.is_empty() { Ok(()) } else { Err(check.findings) }
}

struct Check {
    findings: Diagnostics,
}

impl Check {
    fn family(&mut self, family: &Family) {
        let attrs: &[Attr] = match &family.model {
            Model::Grid { .. } => &[Attr::Import, Attr::Export],
            Model::Store(store) => {
                let capacity = Some(&store.capacity);
                self.limit(&family.name, "capacity", Type::Energy, capacity, family.span);
                &[Attr::Charge, Attr::Discharge]
            }
            Model::Renewable { .. } | Model::Generator { .. } => &[Attr::Power],
            // a need is an input, not a decision
            Model::Consumer(consumer) if consumer.need == crate::ir::Need::None => &[Attr::Power],
            Model::Consumer(_) | Model::Control { .. } | Model::Slot { .. } => &[],
        };
        for attr in attrs {
            let rated = match &family.model {
                Model::Renewable { rated, .. } | Model::Generator { rated, .. } => Some(rated.clone()),
                _ => None,
            };
            let most = family.hull(attr).map(|(_, hi)| hi).or(rated);
            self.limit(&family.name, attr.name(), Type::Power, most.as_ref(), family.span);
        }
    }

    fn limit(&mut self, name: &str, what: &str, ty: Type, limit: Option<&Rat>, span: Span) {
        let finding = match limit {
            None => {
                Diagnostic::error(codes::UNBOUNDED, span, format!("nothing limits the {what} of `{name}`"))
                    .help("declare its rating")
            }
            Some(limit) if limit.abs() > Rat::int(MOST) => Diagnostic::error(
                codes::UNBOUNDED,
                span,
                format!("the {what} of `{name}` may be as large as {}", show(limit, ty, "")),
            )
            .because(
                "beyond 10^6 whether something is on cannot be computed exactly beside whole register steps",
            )
            .help("declare what it can really do"),
            Some(_) => return,
        };
        self.findings.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::*;

    #[test]
    fn a_limit_that_is_missing_or_too_large_is_named() {
        let mut s = site();
        grid(&mut s, "2000000", "0");
        flexible(&mut s, "heater", &[("0", "4")], consumer());
        let bare = flexible(&mut s, "bare", &[("0", "4")], consumer());
        s.families[bare.family.index()].ranges.clear();
        let found: Vec<String> =
            check(&s).unwrap_err().iter().map(|f| format!("{} {}", f.code, f.message)).collect();
        assert_eq!(
            found,
            [
                "EVL1006 the import of `utility` may be as large as 2000000 kW",
                "EVL1006 nothing limits the power of `bare`"
            ]
        );
    }
}
