//! Small builders of policies for tests of every room, so that a test needs no parser.
//!
//! Names are looked up by the builder; spans are numbered, so that labels can be told apart.

use std::collections::BTreeMap;

use super::*;
use crate::diag::SourceId;

/// A span that stands for the `n`th statement.
#[must_use]
pub fn span(n: u32) -> Span {
    Span::new(SourceId(0), n * 10, n * 10 + 5)
}

/// An exact number from text such as `3.6`.
///
/// # Panics
/// On a text that is not a number.
#[must_use]
#[expect(clippy::expect_used, reason = "test builders panic on a test's own mistakes")]
pub fn rat(text: &str) -> Rat {
    text.parse().expect("a number")
}

/// A site with one owner, six classes and nothing else, valid through 2026, in UTC.
#[must_use]
pub fn site() -> Site {
    let date = |year, month, day| CivilDate { year, month, day };
    let class = |name: &str| Class { name: name.into(), span: span(0) };
    Site {
        version: IR_VERSION,
        edition: 2026,
        name: "testsite".into(),
        span: span(0),
        timezone: "UTC".into(),
        location: None,
        currency: "USD".into(),
        step: vec![StepRun { count: None, length_s: 900 }],
        horizon_s: 86_400,
        valid: (date(2026, 1, 1), date(2026, 12, 31)),
        holidays: Vec::new(),
        on_no_plan: NoPlan::Release,
        emergency: None,
        signatures: Signatures::None,
        classes: ["safety", "grid_code", "contract", "tenant", "comfort", "economy"].map(class).to_vec(),
        files: Vec::new(),
        buses: Vec::new(),
        links: Vec::new(),
        gateways: Vec::new(),
        families: Vec::new(),
        zones: Vec::new(),
        groups: Vec::new(),
        schedules: Vec::new(),
        feeds: Vec::new(),
        signals: Vec::new(),
        assumptions: Vec::new(),
        tariffs: Vec::new(),
        budgets: Vec::new(),
        rules: Vec::new(),
        latches: Vec::new(),
        held: Vec::new(),
        principals: vec![Principal {
            id: OWNER,
            name: "owner".into(),
            kind: PrincipalKind::Owner,
            classes: (0..6).map(ClassId).collect(),
            active_until: None,
            key: None,
            span: span(0),
        }],
        permits: Vec::new(),
        admissions: Vec::new(),
        proofs: Vec::new(),
        tests: Vec::new(),
        objective: Objective {
            levels: vec![ObjectiveLevel { goal: Goal::Cost, within: None }],
            span: span(0),
        },
        settings: Settings { max_gap_money: None, max_gap_ratio: None, lints: BTreeMap::new() },
        unhonoured: Vec::new(),
    }
}
