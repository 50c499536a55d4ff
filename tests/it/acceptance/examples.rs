//! The example site is planned as a user would, and its plan verified.

use std::path::{Path, PathBuf};

use evl::bundle::profile::{Context, Form, Verb};
use evl::bundle::{CommandForm, Document, Names, PlanDocument, ratings};
use evl::ir::Attr;
use evl::quantity::Rat;

use super::Built;

/// All files of an example, as they lie in the repository.
fn files(folder: &Path, under: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
    #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, under, out);
        } else {
            #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
            out.push((path.strip_prefix(under).unwrap().to_path_buf(), std::fs::read(&path).unwrap()));
        }
    }
}

/// Midnight on the harbor's clock.
const STATE: &str = r#"{
  "schema": "evl.state/1", "site": "harbor_office", "at": "2026-07-22T07:00:00Z",
  "levels": {"pack": "50 %"},
  "temperatures": {"offices": "23 degC"},
  "on": {"fuel_cell": {"on": false, "since": "2026-07-21T00:00:00Z"}},
  "peaks": {"e19": {"any": "70 kW", "peak": "60 kW", "part_peak and summer": "65 kW", "part_peak except summer": "0 kW"}},
  "used": {"carbon": "20000 kg"},
  "signals": {"garage_co.ppm": "3 ppm", "fire_panel.alarm": false, "chiller.filter_pressure": "140 Pa"}
}"#;

/// The example site as it lies in the repository.
fn folder() -> evl::system::MemorySystem {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harbor-office");
    let mut found = Vec::new();
    files(&folder, &folder, &mut found);
    let mut system = evl::system::MemorySystem::new();
    for (path, bytes) in found {
        system = system.file(format!("site/{}", path.display()), bytes);
    }
    system
}

/// The example site, ready to be planned from midnight on.
pub(crate) fn harbor() -> Built {
    harbor_from("2026-07-22T07:00:00Z")
}

/// The example site as it was at midnight, ready to be planned from a later instant on.
pub(crate) fn harbor_from(from: &str) -> Built {
    harbor_with(from, "")
}

/// The same, with more in its state.
pub(crate) fn harbor_with(from: &str, more: &str) -> Built {
    let used = r#""done": {"commute": {"charger[3]": {"energy": "0 kWh"}}, "firing": {"lab_kiln": {"ran": "0 min"}}},
        "used": {"acme_daily": "0 kWh", "blue_daily": "0 kWh", "#;
    let charged = (1..=8).map(|n| format!(r#""charger[{n}]": "0 kWh""#)).collect::<Vec<_>>().join(", ");
    let state = STATE.replace(r#""used": {"#, &format!(r#"{more}"charged": {{{charged}}}, {used}"#));
    Built::new(&folder(), from, &state)
}

#[test]
fn the_harbor_is_planned_in_whole_register_steps_at_the_optimums_cost() {
    let built = harbor();
    let plan = built.plan().map_err(|f| super::words(&f.findings)).unwrap();
    assert_eq!(PlanDocument::read(&plan.bytes()).unwrap(), plan);
    assert!(plan.money.plan_cost <= plan.money.unmanaged.clone().unwrap());
    let parts = plan.money.unmanaged_parts.as_ref().unwrap();
    // left alone, eight vehicles draw 88 kW on arrival: a new peak for the whole month
    let demand: Rat = parts.demand.iter().map(|charge| charge.decided.clone()).sum();
    assert_eq!(plan.money.unmanaged, Some(&(&parts.energy - &parts.export) + &demand));
    let peak = parts.demand[0].peak.to_f64();
    assert!((150.0..190.0).contains(&peak), "{peak}");
    assert!(plan.breaches.is_empty(), "{:#?}", plan.breaches);
    let model = super::model_cost(&plan);
    let lost = plan.money.plan_cost.to_f64() - model;
    // what was saved is not lost at the registers: a thousandth of the cost at most
    assert!(lost < model / 1000.0, "rounding costs {lost}");
    // half a per cent of the least is for emissions, and no more
    let least = plan.money.least_cost.as_ref().unwrap().to_f64();
    assert!(model <= 1.005 * least + 1e-4, "{model} of {least}");
    let names = Names::new(&built.bundle.site);
    let mut spoken = 0;
    for series in &plan.commands {
        let device = names.device(&series.device).unwrap();
        let family = built.bundle.site.family(device.family).unwrap();
        let Some(profile) = family.profile.as_ref().and_then(|p| built.bundle.profiles.get(p)) else {
            continue;
        };
        let verb = match series.attr {
            Attr::Charge => Verb::Charge,
            Attr::Discharge => Verb::Discharge,
            _ => Verb::Power,
        };
        let form = if series.form == CommandForm::AtMost { Form::AtMost } else { Form::Fixed };
        let ratings = ratings(family, profile, built.inventory.devices.get(&series.device));
        let context = Context { ratings, ..Context::default() };
        assert_eq!(Some(&series.step), profile.command_step(verb, &context).as_ref(), "{}", series.device);
        for step in 0..plan.steps.len() {
            let value = series.value(step).unwrap();
            let lowered = profile.lower(verb, Some(form), Some(&value), 0, &context).unwrap();
            assert_eq!(lowered.value, Some(value), "{} in step {step}", series.device);
        }
        spoken += 1;
    }
    assert_eq!(spoken, 11, "the inverter, both directions of the battery, eight chargers");
}
