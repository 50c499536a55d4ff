//! Small sites for the tests of the families.

use std::collections::BTreeMap;

use super::goals::Gaps;
use super::scene::{Prices, Scene};
use super::solve::{Failure, Solved, solve};
use super::solver::SolverOptions;
use super::steps::Step;
use crate::calendar::Instant;
use crate::diag::{SourceId, Span};
use crate::ir::*;
use crate::quantity::Rat;

pub(super) fn rat(text: &str) -> Rat {
    text.parse().unwrap()
}

pub(super) fn span() -> Span {
    Span::new(SourceId(0), 0, 0)
}

/// A site with classes `safety > contract > comfort > economy` and nothing else.
pub(super) fn site() -> Site {
    let class = |name: &str| Class { name: name.to_owned(), span: span() };
    Site {
        name: "test".to_owned(),
        currency: "EUR".to_owned(),
        step: vec![StepRun { count: None, length_s: 3600 }],
        horizon_s: 86_400,
        valid: (CivilDate { year: 2026, month: 1, day: 1 }, CivilDate { year: 2027, month: 12, day: 31 }),
        signatures: Signatures::None,
        classes: ["safety", "contract", "comfort", "economy"].map(class).to_vec(),
        objective: Objective {
            levels: vec![ObjectiveLevel { goal: Goal::Cost, within: None }],
            span: span(),
        },
        ..Site::new(span())
    }
}

/// Adds a device and returns it.
pub(super) fn device(site: &mut Site, name: &str, role: Role, kind: &str, model: Model) -> Device {
    let id = FamilyId::at(site.families.len());
    let ranges = match &model {
        Model::Grid { import, export, .. } => BTreeMap::from([
            (Attr::Import, vec![(Rat::ZERO, import.clone())]),
            (Attr::Export, vec![(Rat::ZERO, export.clone())]),
        ]),
        Model::Store(s) => BTreeMap::from([
            (Attr::Charge, vec![(Rat::ZERO, s.charge.clone())]),
            (Attr::Discharge, vec![(Rat::ZERO, s.discharge.clone())]),
            (Attr::ChargeLevel, vec![(s.level_min.clone(), s.level_max.clone())]),
        ]),
        Model::Renewable { rated, .. } | Model::Generator { rated, .. } => {
            BTreeMap::from([(Attr::Power, vec![(Rat::ZERO, rated.clone())])])
        }
        _ => BTreeMap::new(),
    };
    site.families.push(Family { ranges, ..Family::new(id, name, span(), role, kind, model) });
    Device { family: id, index: 1 }
}

pub(super) fn grid(site: &mut Site, import: &str, export: &str) -> Device {
    let tariff = TariffId::at(site.tariffs.len());
    site.tariffs.push(Tariff {
        id: tariff,
        name: "t".to_owned(),
        import: Price::Periods { periods: Vec::new(), otherwise: Some(rat("0.2")), span: span() },
        export: None,
        demand: Vec::new(),
        interval_s: 900,
        fixed: Vec::new(),
        minimum: None,
        import_signal: None,
        export_signal: None,
        span: span(),
    });
    let model = Model::Grid {
        import: rat(import),
        export: rat(export),
        tariff: Some(tariff),
        carbon: Some(rat("0.4")),
        carbon_feed: None,
    };
    device(site, "utility", Role::Producer, "grid", model)
}

pub(super) fn store(site: &mut Site, name: &str, capacity: &str, power: &str, end: End) -> Device {
    let model = Model::Store(Box::new(Store {
        efficiency_charge: rat("0.9"),
        efficiency_discharge: rat("0.9"),
        end,
        ..Store::new(rat(capacity), rat(power), rat(power))
    }));
    device(site, name, Role::Storage, "battery", model)
}

pub(super) fn consumer() -> Consumer {
    Consumer::default()
}

/// A load of constant power.
pub(super) fn load(site: &mut Site, name: &str, power: &str) -> Device {
    let model = Model::Consumer(Box::new(Consumer { need: Need::Constant(rat(power)), ..consumer() }));
    device(site, name, Role::Consumer, "load", model)
}

/// A consumer that the plan decides, within pieces.
pub(super) fn flexible(site: &mut Site, name: &str, pieces: &[(&str, &str)], model: Consumer) -> Device {
    let made = device(site, name, Role::Consumer, "load", Model::Consumer(Box::new(model)));
    let pieces = pieces.iter().map(|(lo, hi)| (rat(lo), rat(hi))).collect();
    site.families[made.family.index()].ranges.insert(Attr::Power, pieces);
    made
}

/// A scene of whole hours with import prices; exports earn `export`.
pub(super) fn scene<'a>(site: &'a Site, import: &[f64], export: f64) -> Scene<'a> {
    let steps = (0..import.len() as i64)
        .map(|t| Step { start: Instant(t * 3600), end: Instant((t + 1) * 3600) })
        .collect();
    let mut scene = Scene::bare(site, steps);
    for tariff in &site.tariffs {
        let prices = Prices { import: import.to_vec(), export: vec![export; import.len()] };
        scene.prices.insert(tariff.id, prices);
    }
    scene
}

pub(super) fn run<'s, 'a>(scene: &'s Scene<'a>) -> Result<Solved<'s, 'a>, Failure> {
    solve(scene, Gaps { tie_break: true, ..Gaps::EXACT }, &SolverOptions::default())
}

/// Money of the plan.
pub(super) fn money(solved: &Solved<'_, '_>) -> f64 {
    let at = |c: super::solver::Col| solved.climb.x[c.index()];
    solved.model.money.iter().map(|(_, c, v)| at(*c) * v).sum::<f64>()
        + solved.model.constant.values().sum::<f64>()
}

/// Values of a device's attribute by step.
pub(super) fn values(solved: &Solved<'_, '_>, device: Device, attr: &Attr) -> Vec<f64> {
    let n = solved.model.scene.len();
    (0..n).map(|t| solved.model.attr(device, attr, t).unwrap().value(&solved.climb.x)).collect()
}
