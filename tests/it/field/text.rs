//! From the text of a policy to the registers of an independent gateway: what reaches its devices is
//! what the plan says, to the last count.

use std::collections::BTreeMap;

use evl::bundle::PlanDocument;
use evl::diag::ExitCode;
use evl::ir::Attr;
use evl::runtime::apply::{Options, apply};
use evl::runtime::load::Papers;
use evl::system::{MemorySystem, RealSystem};

use super::fixture::Fixture;
use super::yard::profile;
use crate::acceptance::{Built, words};

const POLICY: &str = r#"edition 2026

site quay {
  timezone "Europe/Berlin"
  currency EUR
  step 15 min
  horizon 2 h
  valid 2026-01-01 .. 2026-12-31
  signatures none
}

priorities safety > contract > comfort

bus main { ac 400 V, 3 phase, limit 40 kW }
gateway yard

producer utility : grid {
  on main, import up to 20 kW, export up to 20 kW, tariff spot
  gateway yard, profile "sunspec/meter"
}
producer solar : pv {
  on main, rated 10 kW, output feed.pv
  gateway yard, profile "sunspec/inverter", control command, fail_safe 10 kW by reversion
}
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 95 % / 95 %
  charge_level 10 % .. 95 %
  gateway yard, profile "sunspec/battery", control command, fail_safe 0 kW by reversion
}
consumer house : load { on main, load feed.house }
consumer charger : ev_charger {
  on main, demand one of { 0 kW, 4.14 kW .. 11.04 kW }
  gateway yard, profile "heidelberg/energy-control", control command, fail_safe 4.14 kW by watchdog
}

feed pv { file "data/quay.csv", column "pv", time civil, stamp start, step 1 h, unit kW, range 0 kW .. 10 kW }
feed house { file "data/quay.csv", column "house", time civil, stamp start, step 1 h, unit kW, range 0 kW .. 10 kW }
feed price { file "data/quay.csv", column "price", time civil, stamp start, step 1 h, unit EUR/kWh, range 0 EUR/kWh .. 1 EUR/kWh }
tariff spot { import feed.price, export 0.01 EUR/kWh }

rule curtail in contract { limit solar to 4.567 kW }
rule drive in contract { deliver 7 kWh to charger between 2026-07-14 12:00 and 2026-07-14 13:00 }
rule relieve in contract { when utility.import > 19 kW then limit charger to 4.14 kW }
"#;

/// Cheap until one, dear afterwards; the sun and the house of the fixture.
const DATA: &str = "time,pv,house,price\n2026-07-14T11:00,8,3,0.05\n2026-07-14T12:00,8,3,0.05\n\
    2026-07-14T13:00,8,3,0.6\n2026-07-14T14:00,8,3,0.6\n";
/// The level at which the fixture's battery begins.
const STATE: &str = r#"{"schema": "evl.state/1", "site": "quay", "at": "2026-07-14T10:00:00Z",
    "levels": {"pack": "55 %"}}"#;

fn inventory(port: u16) -> String {
    let hash = |name: &str| profile(name).hash();
    format!(
        r#"
gateways:
  yard: {{ transport: modbus_tcp, host: 127.0.0.1, port: {port} }}
devices:
  solar: {{ gateway: yard, unit: 1, serial: PV10K-0001, commissioned: {{ serial: PV10K-0001, profile: "{}", on: 2026-03-01 }} }}
  pack:
    gateway: yard
    unit: 2
    serial: BAT5K-0002
    ratings: {{ max_power: 5 kW, capacity: 10 kWh }}
    commissioned: {{ serial: BAT5K-0002, profile: "{}", on: 2026-03-01 }}
  utility: {{ gateway: yard, unit: 3, serial: EM3P-0003 }}
  charger: {{ gateway: yard, unit: 4, commissioned: {{ serial: none, profile: "{}", on: 2026-03-01 }} }}
"#,
        hash("sunspec/inverter"),
        hash("sunspec/battery"),
        hash("heidelberg/energy-control")
    )
}

/// What the plan says of a device in a step, in counts.
fn counts(plan: &PlanDocument, device: &str, attr: &Attr, step: usize) -> Option<u64> {
    let series = plan.commands.iter().find(|series| series.device == device && series.attr == *attr)?;
    series.counts.get(step).and_then(|count| u64::try_from(*count).ok())
}

#[tokio::test]
async fn a_policys_text_becomes_the_registers_that_its_plan_says() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let system = MemorySystem::new()
        .file("site/site.evl", POLICY)
        .file("site/evl.yaml", "site: quay\n")
        .file("site/data/quay.csv", DATA)
        .file("site/inventory/yard.yaml", inventory(fixture.port));
    let built = Built::new(&system, "2026-07-14T10:00:00Z", STATE);
    let plan = built.plan().map_err(|f| words(&f.findings)).unwrap();
    let papers = Papers::new(built.bundle.clone(), built.inventory.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut seen = BTreeMap::new();
    // a step in which the battery helps to charge the car, and one in which it is filled again
    for (step, seconds) in [(1, 960), (5, 4600)] {
        fixture.ask(&serde_json::json!({ "op": "log", "clear": true }));
        let options = Options {
            state_dir: folder.path().join("state"),
            yes: true,
            once: true,
            now: Some(plan.from.plus(seconds)),
            ..Options::default()
        };
        let report = apply(&RealSystem::new(), &papers, &plan, &options).await;
        assert_eq!(report.exit_code(), ExitCode::Success, "{} {:?}", report.words(), report.findings);
        // the last value that reached each register, by unit and address
        for (unit, at, values, result) in fixture.writes() {
            assert_eq!(result, "ok");
            seen.extend((at..).zip(values).map(|(at, value)| ((unit, at), value)));
        }
        let asked = |device: &str, attr: Attr| counts(&plan, device, &attr, step);
        let mut expected = vec![
            ((1, 40127), asked("solar", Attr::Power)),
            ((1, 40131), Some(1)),
            ((4, 261), asked("charger", Attr::Power)),
        ];
        let (charge, discharge) = (asked("pack", Attr::Charge), asked("pack", Attr::Discharge));
        let mode = match (charge, discharge) {
            (Some(1..), _) => 1,
            (_, Some(1..)) => 2,
            _ => 3,
        };
        expected.extend([((2, 40083), charge), ((2, 40082), discharge), ((2, 40075), Some(mode))]);
        for (place, count) in expected {
            assert_eq!(seen.get(&place).copied(), count, "step {step}, {place:?}: {seen:?}");
        }
        // nothing else is written but the timers that guard the limits
        let others: Vec<_> = seen
            .keys()
            .filter(|place| {
                !matches!(place, (1, 40127 | 40129 | 40131) | (2, 40075 | 40082 | 40083 | 40085) | (4, 261))
            })
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
    assert_eq!(counts(&plan, "solar", &Attr::Power, 1), Some(456), "4.567 kW, brought down to a whole step");
    assert!(counts(&plan, "pack", &Attr::Discharge, 1) > Some(0));
    assert!(counts(&plan, "pack", &Attr::Charge, 5) > Some(0));
}
