//! What cannot be planned is refused in words, by code, and names the statement.

use evl::bundle::{Document, PlanDocument};
use evl::system::MemorySystem;

use super::try_planned;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to IMPORT, export up to 0 kW, tariff flat }
consumer house : load { on main, load 2 kW }
consumer car : ev_charger { on main, demand 0 kW .. 11 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
tariff flat { import { 0.40 EUR/kWh during daily 03:00..06:00, 0.20 EUR/kWh otherwise } }
RULES
"#;

const STATE: &str = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
  "levels": {"pack": "5 kWh"}}"#;

fn attempt(import: &str, rules: &str, state: &str) -> Result<PlanDocument, String> {
    let policy = SITE.replace("IMPORT", import).replace("RULES", rules);
    let system =
        MemorySystem::new().file("site/site.evl", policy.as_str()).file("site/evl.yaml", "site: corner\n");
    try_planned(&system, "2026-03-02T00:00:00Z", state).map_err(|f| super::words(&f.findings))
}

#[test]
fn a_step_longer_than_the_demand_interval_is_refused() {
    let demand =
        "tariff peaks { import 0.20 EUR/kWh, demand monthly { 10 EUR/kW on any }, interval 15 min }\n";
    let site = SITE
        .replace("RULES", demand)
        .replace("IMPORT", "20 kW")
        .replace("tariff flat }\ncons", "tariff peaks }\ncons");
    let system =
        MemorySystem::new().file("site/site.evl", site.as_str()).file("site/evl.yaml", "site: corner\n");
    let failure = try_planned(&system, "2026-03-02T00:00:00Z", STATE).unwrap_err();
    let words = super::words(&failure.findings);
    assert!(
        words.starts_with("EVL1008 tariff `peaks` measures demand over 15 min, and a step is 60 min"),
        "{words}"
    );
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let rules = "rule night in contract { deliver 20 kWh to car between 00:00 and 06:00 daily }";
    let (a, b) = (attempt("20 kW", rules, STATE).unwrap(), attempt("20 kW", rules, STATE).unwrap());
    assert_eq!(a.bytes(), b.bytes());
    let taken: f64 =
        a.command("car", &evl::ir::Attr::Power).unwrap().counts.iter().map(|n| *n as f64 / 1000.0).sum();
    assert!((20.0..20.01).contains(&taken), "{taken}");
}

#[test]
fn statements_that_cannot_hold_together_are_named_with_amounts() {
    let rules = "rule night in contract { deliver 60 kWh to car between 00:00 and 06:00 daily }";
    let words = attempt("8 kW", rules, STATE).unwrap_err();
    assert!(words.starts_with("EVL1002"), "{words}");
    assert!(words.contains("`night`") && words.contains("kWh") && words.contains("`utility`"), "{words}");
}

#[test]
fn a_higher_class_overrides_a_lower_one_and_the_plan_says_so() {
    let rules = "rule night in comfort { deliver 60 kWh to car between 00:00 and 06:00 daily }\n\
                 rule cap in contract { limit car to 4 kW }";
    let plan = attempt("20 kW", rules, STATE).unwrap();
    assert_eq!(plan.breaches.len(), 1, "{:#?}", plan.breaches);
    assert_eq!(plan.breaches[0].statement.name, "night");
    assert!((plan.breaches[0].amount.to_f64() - 36.0).abs() < 0.01, "{:#?}", plan.breaches);
}

#[test]
fn a_present_value_that_the_model_reads_must_be_given() {
    let bare = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z"}"#;
    let words = attempt("20 kW", "", bare).unwrap_err();
    assert!(words.starts_with("EVL1003") && words.contains("`pack`"), "{words}");
}

#[test]
fn amounts_that_the_plan_decides_are_refused_at_their_place() {
    let rules = "rule share in contract { limit car to pack.discharge }";
    let words = attempt("20 kW", rules, STATE).unwrap_err();
    assert!(words.starts_with("EVL1001"), "{words}");
    let words = attempt("20 kW", "rule f in economy { follow utility.import at car.power with pack }", STATE)
        .unwrap_err();
    assert!(words.starts_with("EVL1001") && words.contains("follow"), "{words}");
}

#[test]
fn a_need_beyond_the_grid_is_an_infeasible_plan_not_a_crash() {
    let words = attempt("0 kW", "", STATE).unwrap_err();
    assert!(words.starts_with("EVL1002") && words.contains("`utility`"), "{words}");
}

#[test]
fn a_bound_that_nobody_knows_is_refused_at_its_place() {
    let rules = "feed cap { live, max_age 10 min, unit kW, range 0 kW .. 30 kW }\n\
                 rule narrow in contract { limit car to feed.cap }\n\
                 rule night in comfort { deliver 20 kWh to car between 00:00 and 06:00 daily }";
    let unknown = STATE.replace("\"levels\"", "\"signals\": {\"feed.cap\": null}, \"levels\"");
    let words = attempt("20 kW", rules, &unknown).unwrap_err();
    assert!(words.starts_with("EVL1005") && words.contains("`narrow`"), "{words}");
    let known = STATE.replace("\"levels\"", "\"signals\": {\"feed.cap\": \"9 kW\"}, \"levels\"");
    let plan = attempt("20 kW", rules, &known).unwrap();
    assert!(plan.command("car", &evl::ir::Attr::Power).unwrap().counts.iter().all(|n| *n <= 9000));
}

#[test]
fn beyond_a_week_only_what_is_not_switched_is_studied() {
    let rules = "rule night in contract { deliver 20 kWh to car between 00:00 and 06:00 daily }";
    let policy =
        SITE.replace("IMPORT", "20 kW").replace("RULES", rules).replace("horizon 6 h", "horizon 8 d");
    let study = |policy: &str| {
        let system =
            MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
        try_planned(&system, "2026-03-02T00:00:00Z", STATE).map_err(|f| super::words(&f.findings))
    };
    assert!(study(&policy).unwrap().study);
    let switched = policy.replace("demand 0 kW .. 11 kW", "demand one of { 0 kW, 4 kW .. 11 kW }");
    let words = study(&switched).unwrap_err();
    assert!(words.starts_with("EVL1001") && words.contains("`car`"), "{words}");
}
