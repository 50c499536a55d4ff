//! Limits that a plan keeps after rounding to registers, with tolerance zero.

use evl::system::MemorySystem;

use super::planned_in;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
bus stalls { ac 400 V, 3 phase }
link tr { main -> stalls, capacity 30 kW, efficiency 97 % }
producer utility : grid { on main, import up to 20 kW, export up to EXPORT kW, tariff flat }
producer roof : pv { on main, rated 9 kW }
consumer house : load { on main, load 1.001 kW }
consumer car : ev_charger { on stalls, demand 0 kW .. 11 kW }
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh }
rule night in contract { deliver 40.3 kWh to car between 00:00 and 06:00 daily }
"#;

fn exported(policy: &str) -> f64 {
    let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
    let state = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z"}"#;
    let plan = planned_in(&system, "2026-03-02T00:00:00Z", state);
    assert!(plan.breaches.is_empty(), "{:#?}", plan.breaches);
    let series =
        plan.derived.iter().filter(|s| s.of == "utility" && s.quantity == evl::bundle::Quantity::Export);
    series.flat_map(|s| &s.values).map(evl::quantity::Rat::to_f64).sum()
}

#[test]
fn a_grid_that_takes_nothing_back_gets_nothing() {
    assert_eq!(exported(&SITE.replace("EXPORT", "0")), 0.0);
}

#[test]
fn a_rule_against_export_holds_to_the_last_watt() {
    let rule = "rule none in contract { limit utility.export to 0 kW }\n";
    assert_eq!(exported(&(SITE.replace("EXPORT", "30") + rule)), 0.0);
}

/// 2 kW are paid for. The store has 1.0025 kWh to give: 0.501 kW in each of two hours keep the load of
/// 2.5004 kW at that peak. Rounded by itself, one hour gets 0.502 kW and the other 0.5 kW, which costs
/// 0.008 EUR: less than anybody would search for.
#[test]
fn rounding_keeps_to_a_peak_that_is_paid_for() {
    let policy = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 2 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, tariff flat }
consumer house : load { on main, load 2.5004 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
tariff flat { import 0.20 EUR/kWh, interval 60 min, demand monthly { 20 EUR/kW on any } }
"#;
    let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
    let state = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
        "levels": {"pack": "1.1139 kWh"}, "peaks": {"flat": {"any": "2 kW"}}}"#;
    let plan = planned_in(&system, "2026-03-02T00:00:00Z", state);
    let given = &plan.command("pack", &evl::ir::Attr::Discharge).unwrap().counts;
    assert!(given.iter().all(|steps| *steps >= 501), "{given:?}");
    assert!(plan.money.demand[0].decided.is_zero(), "{:?}", plan.money.demand);
}

/// A car that must have its energy leaves less for a store than its end asks: the store gives way, and
/// rounding does not make good what the optimum gave up.
#[test]
fn rounding_does_not_make_good_what_gave_way() {
    let policy = r#"
edition 2026
site yard {
  timezone "UTC", currency EUR, step 60 min, horizon 3 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 8 kW, export up to 8 kW, tariff flat }
storage pack : battery {
  on main, capacity 20 kWh, charge up to 3 kW, discharge up to 3 kW, efficiency 90 % / 90 %, end at least 40 %
}
consumer car : ev_charger { on main, demand 0 kW .. 11 kW }
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh }
rule morning in comfort { deliver 22.5 kWh to car between 00:00 and 03:00 daily }
"#;
    let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: yard\n");
    let state = r#"{"schema": "evl.state/1", "site": "yard", "at": "2026-03-02T00:00:00Z",
        "levels": {"pack": "20 %"}}"#;
    let plan = planned_in(&system, "2026-03-02T00:00:00Z", state);
    let [breach] = plan.breaches.as_slice() else { panic!("{:#?}", plan.breaches) };
    assert_eq!(breach.of, "pack", "{breach:#?}");
    let imported = plan.derived.iter().find(|s| s.quantity == evl::bundle::Quantity::Import).unwrap();
    // all that the grid can give goes to the car and what is left to the store, but for register steps
    assert!(imported.values.iter().all(|kw| kw.to_f64() > 7.99), "{imported:#?}");
}

/// 5.5 kWh are there, and an hour of 5 kW takes 5.5556 of them: the rest is charged in an hour before,
/// although energy is cheapest while the store gives.
#[test]
fn a_direction_that_has_to_run_rules_the_other_out() {
    let policy = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 2 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, export up to 20 kW, tariff flat }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
tariff flat { import { 0.30 EUR/kWh during daily 00:00..01:00, 0.10 EUR/kWh otherwise }, export 0.05 EUR/kWh }
rule give in contract { when during daily 01:00..02:00 then limit pack.discharge at least 5 kW }
"#;
    let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
    let state = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
        "levels": {"pack": "55 %"}}"#;
    let plan = planned_in(&system, "2026-03-02T00:00:00Z", state);
    let of = |attr| plan.command("pack", &attr).unwrap().counts.clone();
    // 0.05556 kWh / 0.9 are 61.7 Wh
    assert_eq!(of(evl::ir::Attr::Charge), [62, 0]);
    assert_eq!(of(evl::ir::Attr::Discharge), [0, 5000]);
    assert_eq!(plan.money.plan_cost, "-0.2314".parse().unwrap());
}

/// Who is paid for what he takes would heat and cool one room at once. The machines are on or off, and one
/// at a time is all that they may be: the stronger one, as far as the band lets it.
#[test]
fn machines_that_are_on_or_off_do_not_heat_and_cool_one_zone() {
    let policy = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 2 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, tariff flat }
consumer stove : boiler { on main, demand one of { 0 kW, 4 kW }, heats den, cop 1 }
consumer chill : chiller { on main, demand one of { 0 kW, 3 kW }, cools den, cop 1 }
zone den { heat_capacity 4 kWh/K, heat_loss 0.2 kW/K, temperature 15 degC .. 29 degC in comfort }
weather { temperature 20 degC .. 20 degC }
tariff flat { import -0.10 EUR/kWh }
"#;
    let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
    let state = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
        "temperatures": {"den": "20 degC"}, "signals": {"weather.temperature": "20 degC"}}"#;
    let plan = planned_in(&system, "2026-03-02T00:00:00Z", state);
    let of = |device| plan.command(device, &evl::ir::Attr::On).unwrap().counts.clone();
    assert_eq!((of("stove"), of("chill")), (vec![1, 1], vec![0, 0]));
    assert_eq!(plan.money.plan_cost, "-0.8".parse().unwrap());
}
