//! Phase 6, before the first frame: every state on the way there and back passes the limits.

use std::collections::BTreeMap;

use crate::bundle::profile::{Form, Found, PowerFound, Verb};
use crate::bundle::{Names, PlanDocument, Quantity};
use crate::diag::{Diagnostic, Severity, codes};
use crate::ir::Role;
use crate::quantity::Rat;
use crate::runtime::change::Change;
use crate::runtime::limits::{Claim, Limits, Powers, Verifier, worse};
use crate::runtime::load::Papers;
use crate::runtime::order::{Move, Way};
use crate::runtime::probe::Subject;
use crate::runtime::report::Report;
use crate::runtime::want::{Setting, Wants};

/// Powers before and after, with everything that is not written taken as the plan expects it, and
/// excluded devices at their worst.
#[expect(clippy::too_many_arguments, reason = "one place where plan, field and limits meet")]
pub(super) fn powers(
    papers: &Papers,
    plan: &PlanDocument,
    step: usize,
    wants: &Wants,
    changes: &[Change],
    subjects: &[Subject],
    report: &Report,
    limits: &Limits,
) -> Result<(Powers, Powers), Box<Diagnostic>> {
    let site = &papers.bundle.site;
    let expected = expected(plan, step, papers);
    let mut base = Powers::new();
    for device in site.devices() {
        let name = site.device_name(device);
        let claim = match expected.get(&name) {
            Some(power) => Claim::exactly(power.clone()),
            None => subjects
                .iter()
                .find(|s| s.name == name)
                .map_or_else(|| Claim::exactly(Rat::ZERO), Subject::widest),
        };
        base.insert(name, claim);
    }
    let (mut found, mut planned) = (base.clone(), base);
    for change in changes {
        found.insert(change.device.clone(), change.step.before.clone());
        planned.insert(change.device.clone(), change.step.after.clone());
    }
    let mut nominal = planned.clone();
    for excluded in &report.excluded {
        let Some(subject) = subjects.iter().find(|s| s.name == excluded.device) else { continue };
        found.insert(excluded.device.clone(), subject.widest());
        planned.insert(excluded.device.clone(), subject.widest());
        if let Some(settings) = wants.devices.get(&excluded.device) {
            nominal.insert(excluded.device.clone(), asked_claim(subject, settings));
        }
    }
    let objections = worse(&limits.breaches(&planned), &limits.breaches(&found), &limits.breaches(&nominal));
    if objections.is_empty() {
        return Ok((found, planned));
    }
    Err(Box::new(
        Diagnostic::nowhere(
            codes::NO_SAFE_ORDER,
            Severity::Error,
            "with the excluded devices at their worst case the rest of the plan breaks a limit",
        )
        .because(objections.join("; "))
        .help("bring the excluded devices back, or plan again without them"),
    ))
}

fn asked_claim(subject: &Subject, settings: &[Setting]) -> Claim {
    let verb = |wanted: Verb| settings.iter().any(|setting| setting.verb == wanted);
    let power = settings.iter().find_map(|setting| {
        let value = setting.value.clone().or((setting.verb == Verb::Idle).then_some(Rat::ZERO))?;
        Some(PowerFound::Commanded { verb: setting.verb, form: setting.form.unwrap_or(Form::Fixed), value })
    });
    let found = Found {
        connected: verb(Verb::Disconnect).then_some(false),
        on: verb(Verb::Off).then_some(false),
        power: power.unwrap_or(PowerFound::Unknown),
    };
    subject.claim(&found, None)
}

/// Signed powers that the plan expects of devices in this step.
fn expected(plan: &PlanDocument, step: usize, papers: &Papers) -> BTreeMap<String, Rat> {
    let names = Names::new(&papers.bundle.site);
    let mut powers: BTreeMap<String, Rat> = BTreeMap::new();
    for series in plan.given.iter().chain(&plan.derived) {
        let Some(value) = series.values.get(step) else { continue };
        let Some(family) = names.device(&series.of).and_then(|d| papers.bundle.site.family(d.family)) else {
            continue;
        };
        let signed = match (series.quantity, family.role) {
            (Quantity::Power, Role::Consumer) | (Quantity::Charge, _) => -value,
            (Quantity::Power, Role::Producer | Role::Storage) | (Quantity::Discharge, _) => value.clone(),
            _ => continue,
        };
        *powers.entry(series.of.clone()).or_default() += &signed;
    }
    powers
}

/// What moves, and in which waves.
pub(super) type Ordered = (Vec<Move>, Vec<Vec<usize>>);

/// Phase 6, before the first frame: the order there, which is also the order back.
pub(super) fn order(
    limits: &Limits,
    found: &Powers,
    planned: &Powers,
    changes: &[Change],
) -> Result<Ordered, Box<Diagnostic>> {
    let moves: Vec<Move> =
        changes.iter().filter(|change| change.ordinary.is_some()).map(|change| change.step.clone()).collect();
    let waves = Way::new(limits, found, planned).waves(found, &moves).map_err(|none| {
        let devices: Vec<String> = none.devices.iter().map(|device| format!("`{device}`")).collect();
        Box::new(
            Diagnostic::nowhere(
                codes::NO_SAFE_ORDER,
                Severity::Error,
                format!("{} cannot be written in any order that keeps every limit", devices.join(", ")),
            )
            .because(none.limits.join("; "))
            .help("plan again from the present state"),
        )
    })?;
    Ok((moves, waves))
}
