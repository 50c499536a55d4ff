//! What `preferably` and `at most every` ask, worked out by hand on a small site.

use evl::bundle::PlanDocument;
use evl::ir::Attr;
use evl::system::MemorySystem;

use super::try_planned;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon HORIZON h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, export up to 20 kW, tariff flat }
producer roof : pv { on main, rated 3 kW }
consumer house : load { on main, load 1 kW }
consumer car : ev_charger { on main, demand 0 kW .. 11 kW }
consumer washer : load { on main, demand one of { 0 kW, 2 kW } }
consumer fan : load { on main, demand 0 kW .. 9 kW }
tariff flat {
  import { 0.40 EUR/kWh during daily 02:00..06:00, 0.20 EUR/kWh otherwise }
  export 0.05 EUR/kWh
}
RULES
"#;

fn plan(rules: &str) -> PlanDocument {
    attempt("6", rules, "{}")
}

fn attempt(hours: &str, rules: &str, done: &str) -> PlanDocument {
    let policy = SITE.replace("HORIZON", hours).replace("RULES", rules);
    let system =
        MemorySystem::new().file("site/site.evl", policy.as_str()).file("site/evl.yaml", "site: corner\n");
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z", "done": {done}}}"#
    );
    try_planned(&system, "2026-03-02T00:00:00Z", &state).map_err(|f| super::words(&f.findings)).unwrap()
}

/// kW by step.
fn power(plan: &PlanDocument, device: &str) -> Vec<f64> {
    if let Some(series) = plan.command(device, &Attr::Power) {
        return (0..series.counts.len()).map(|t| series.value(t).unwrap().to_f64()).collect();
    }
    let on = plan.command(device, &Attr::On).unwrap();
    on.counts.iter().map(|n| *n as f64 * 2.0).collect()
}

fn sum(plan: &PlanDocument, device: &str) -> f64 {
    power(plan, device).iter().sum()
}

#[test]
fn a_preferred_delivery_yields_to_a_limit_and_the_missing_share_is_told() {
    let plan = plan(
        "rule night in economy { preferably deliver 40 kWh to car between 00:00 and 06:00 daily }\n\
         rule cap in economy { limit car to 5 kW }",
    );
    assert!((sum(&plan, "car") - 30.0).abs() < 0.01, "{:?}", power(&plan, "car"));
    assert_eq!(plan.breaches.len(), 1, "{:#?}", plan.breaches);
    assert!((plan.breaches[0].amount.to_f64() - 10.0).abs() < 0.01 && plan.breaches[0].money.is_none());
}

#[test]
fn a_priced_delivery_is_made_where_energy_costs_less() {
    // 3 kW of sun, of which the house takes 1: 12 kWh worth 0.05 a kWh, the rest bought at 0.20 or 0.40
    let rule = |price: &str| {
        format!(
            "rule night in economy {{ preferably deliver 60 kWh to car between 00:00 and 06:00 daily priced at {price} EUR/kWh }}"
        )
    };
    let cheap = plan(&rule("0.10"));
    assert!((sum(&cheap, "car") - 12.0).abs() < 0.01, "{:?}", power(&cheap, "car"));
    assert!((cheap.money.breach.to_f64() - 4.8).abs() < 0.01, "{:?}", cheap.money);
    // two hours at 11 kW, then the sun again
    let middle = plan(&rule("0.30"));
    assert!((sum(&middle, "car") - 30.0).abs() < 0.01, "{:?}", power(&middle, "car"));
    assert!((sum(&plan(&rule("0.50")), "car") - 60.0).abs() < 0.01);
}

#[test]
fn a_preferred_run_is_made_in_one_piece_where_it_is_worth_it() {
    let rule = |price: &str| {
        format!(
            "rule wash in economy {{ preferably run washer for 3 h without interruption between 00:00 and 06:00 daily priced at {price} EUR/kWh }}"
        )
    };
    // the sun's surplus carries it
    assert_eq!(power(&plan(&rule("0.06")), "washer").iter().filter(|p| **p > 0.0).count(), 3);
    assert_eq!(sum(&plan(&rule("0.04")), "washer"), 0.0);
    let unpriced = plan(
        "rule wash in economy { preferably run washer for 3 h between 00:00 and 06:00 daily }\n\
         rule still in contract { turn off washer during daily 00:00..04:00 }",
    );
    assert_eq!(sum(&unpriced, "washer"), 4.0);
    assert!((unpriced.breaches[0].amount.to_f64() - 1.0).abs() < 1e-6, "{:#?}", unpriced.breaches);
}

#[test]
fn a_preferred_origin_gives_way_to_an_obligation() {
    let deliver = "rule night in contract { deliver 40 kWh to car between 00:00 and 06:00 daily }\n";
    let flow = |plan: &PlanDocument, from: &str| -> f64 {
        let flow = plan.flows.iter().find(|f| f.from == from && f.to == "car");
        flow.map_or(0.0, |f| f.values.iter().map(evl::quantity::Rat::to_f64).sum())
    };
    // all 18 kWh of sun go to the car, the house is bought, and 22 kWh come from elsewhere
    let green = plan(&format!("{deliver}rule green in economy {{ preferably supply car from roof }}"));
    assert!((flow(&green, "roof") - 18.0).abs() < 0.01, "{:#?}", green.flows);
    assert!((green.breaches[0].amount.to_f64() - 22.0).abs() < 0.02, "{:#?}", green.breaches);
    let priced = plan(&format!(
        "{deliver}rule green in economy {{ preferably never supply car from utility priced at 0.01 EUR/kWh }}"
    ));
    assert!((flow(&priced, "roof") - 18.0).abs() < 0.01, "{:#?}", priced.flows);
    assert!((priced.money.breach.to_f64() - 0.22).abs() < 0.001, "{:?}", priced.money);
}

#[test]
fn a_preferred_choice_is_missed_by_its_distance() {
    let fan = |cap: &str| {
        plan(&format!(
            "rule steps in economy {{ preferably set fan to one of {{ 3 kW, 6 kW .. 7 kW }} }}\n\
             rule cap in economy {{ limit fan to {cap} }}\n\
             rule floor in economy {{ limit fan to at least 4 kW }}"
        ))
    };
    assert_eq!(power(&fan("9 kW"), "fan"), vec![6.0; 6]);
    // 4 kW is 1 kW above 3, and 5 kW as far below 6: the cheaper of the two
    let between = fan("5 kW");
    assert_eq!(power(&between, "fan"), vec![4.0; 6]);
    assert!((between.breaches.iter().map(|b| b.amount.to_f64()).sum::<f64>() - 6.0).abs() < 1e-6);
}

#[test]
fn at_most_every_leaves_out_windows_too_soon_after_the_last() {
    let rule =
        "rule wash in economy { run washer for 2 h between 00:00 and 06:00 daily, at most every 40 h }";
    let ran = |done: &str| -> Vec<usize> {
        let plan = attempt("72", rule, done);
        let power = power(&plan, "washer");
        (0..72).filter(|t| power[*t] > 0.0).map(|t| t / 24).collect()
    };
    assert_eq!(ran("{}"), vec![0, 0, 2, 2]);
    assert_eq!(ran(r#"{"wash": {"washer": {"fired": "2026-03-01T00:00:00Z"}}}"#), vec![1, 1]);
    assert_eq!(ran(r#"{"wash": {"washer": {"fired": "2026-03-02T00:00:00Z"}}}"#), vec![0, 0, 2, 2]);
}

#[test]
fn a_delivery_yields_to_the_safety_class_and_the_missing_energy_is_told() {
    let plan = plan(
        "rule night in contract { deliver 40 kWh to car between 00:00 and 06:00 daily }\n\
         rule fuse in safety { limit car to 5 kW }",
    );
    assert!((sum(&plan, "car") - 30.0).abs() < 0.01, "{:?}", power(&plan, "car"));
    assert_eq!(plan.breaches.len(), 1, "{:#?}", plan.breaches);
    assert!((plan.breaches[0].amount.to_f64() - 10.0).abs() < 0.01 && plan.breaches[0].class == "contract");
}
