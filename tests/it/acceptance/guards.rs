//! Guards on what the plan itself decides: levels, temperatures, powers.

use evl::bundle::{PlanDocument, Quantity};
use evl::ir::Attr;
use evl::system::MemorySystem;

use super::try_planned;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 30 kW, export up to 20 kW, tariff flat }
consumer house : load { on main, load 1 kW }
consumer car[1..2] : ev_charger { on main, demand one of { 0 kW, 2 kW .. 11 kW } }
consumer fan : load { on main, demand 0 kW .. 9 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
consumer heater : boiler { on main, demand 0 kW .. 12 kW, heats hall, cop 1 }
zone hall { heat_capacity 10 kWh/K, heat_loss 1 kW/K, temperature 18 degC .. 26 degC in comfort }
weather { temperature 10 degC .. 10 degC }
tariff flat { import { 0.40 EUR/kWh during daily 02:00..06:00, 0.20 EUR/kWh otherwise } }
group cars = consumer where kind = ev_charger
RULES
"#;

fn attempt(rules: &str, level: &str) -> Result<PlanDocument, String> {
    attempt_with(rules, level, r#"{"hall": "20 degC"}"#)
}

fn attempt_with(rules: &str, level: &str, temperatures: &str) -> Result<PlanDocument, String> {
    let policy = SITE.replace("RULES", rules);
    let system =
        MemorySystem::new().file("site/site.evl", policy.as_str()).file("site/evl.yaml", "site: corner\n");
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
          "levels": {{"pack": "{level} %"}}, "temperatures": {temperatures},
          "signals": {{"weather.temperature": "10 degC"}}}}"#
    );
    try_planned(&system, "2026-03-02T00:00:00Z", &state).map_err(|f| super::words(&f.findings))
}

fn plan(rules: &str, level: &str) -> PlanDocument {
    attempt(rules, level).unwrap()
}

fn power(plan: &PlanDocument, device: &str, attr: &Attr) -> Vec<f64> {
    let Some(series) = plan.command(device, attr) else {
        let group = plan.groups.iter().find(|g| device.starts_with(&g.family)).unwrap();
        return group.totals.iter().map(|n| *n as f64 * group.step.to_f64()).collect();
    };
    (0..series.counts.len()).map(|t| series.value(t).unwrap().to_f64()).collect()
}

/// What a quantity is at the beginning of each step, the first given.
fn before(plan: &PlanDocument, of: &str, quantity: Quantity, first: f64) -> Vec<f64> {
    let series = plan.derived.iter().find(|s| s.of == of && s.quantity == quantity).unwrap();
    std::iter::once(first).chain(series.values.iter().map(|v| v.to_f64())).take(6).collect()
}

fn import(plan: &PlanDocument) -> Vec<f64> {
    let series = plan.derived.iter().find(|s| s.of == "utility" && s.quantity == Quantity::Import).unwrap();
    series.values.iter().map(|v| v.to_f64()).collect()
}

const DELIVER: &str = "rule trip in contract { deliver 40 kWh to car[1] between 00:00 and 06:00 daily }\n";

#[test]
fn with_nobody_deciding_a_zone_is_held_at_the_near_edge_of_its_band() {
    // it cools down by itself for two hours, is caught at 18 degC in the third, and then loses 8 kW
    let keeps = (-0.1_f64).exp();
    let caught = (18.0 - (10.0 + 10.0 * keeps.powi(3))) / (1.0 - keeps);
    let dear = 4.0 + caught + 3.0 * 8.0;
    let unmanaged = plan("", "50").money.unmanaged.unwrap().to_f64();
    assert!((unmanaged - (2.0 * 0.2 + dear * 0.4)).abs() < 1e-6, "{unmanaged}");
}

#[test]
fn a_guard_on_a_level_reads_the_beginning_of_the_step() {
    let plan = plan(
        &format!(
            "{DELIVER}rule low in contract {{ when pack.charge_level < 30 % then limit car[1] to 2 kW }}"
        ),
        "20",
    );
    let (car, level) = (power(&plan, "car[1]", &Attr::Power), before(&plan, "pack", Quantity::Level, 2.0));
    assert!(car[0] <= 2.0 && car.iter().sum::<f64>() >= 40.0, "{car:?}");
    for t in 0..6 {
        assert!(car[t] <= 2.0 || level[t] >= 3.0, "{car:?} {level:?}");
    }
    // as much as can be in the second cheap hour
    assert!((car[1] - 11.0).abs() < 0.01, "{car:?} {level:?}");
}

#[test]
fn a_guard_on_a_flow_reads_the_same_step() {
    // under the cap all is well; above it the second car stands still
    let rules = format!(
        "{DELIVER}rule other in contract {{ deliver 40 kWh to car[2] between 00:00 and 06:00 daily }}\n\
         rule calm in contract {{ when car[1].power > 9 kW then turn off car[2] }}"
    );
    let plan = plan(&rules, "50");
    let (one, two) = (power(&plan, "car[1]", &Attr::Power), power(&plan, "car[2]", &Attr::Power));
    assert!(one.iter().sum::<f64>() >= 40.0 && two.iter().sum::<f64>() >= 40.0);
    for t in 0..6 {
        assert!(one[t] <= 9.001 || two[t] == 0.0, "{one:?} {two:?}");
    }
}

#[test]
fn a_guard_on_the_meter_is_consistent_with_what_the_meter_shows() {
    let rules = format!(
        "{DELIVER}rule other in comfort {{ deliver 40 kWh to car[2] between 00:00 and 06:00 daily }}\n\
         rule calm in contract {{ when utility.import > 12 kW then limit cars to 4 kW each }}"
    );
    let plan = plan(&rules, "50");
    let cars = [power(&plan, "car[1]", &Attr::Power), power(&plan, "car[2]", &Attr::Power)];
    for (t, import) in import(&plan).iter().enumerate() {
        let most = cars.iter().map(|c| c[t]).fold(0.0, f64::max);
        assert!(*import <= 12.001 || most <= 4.0, "{import} {cars:?}");
    }
    // the other car and the hall share what is left, in one class
    assert!(plan.breaches.iter().all(|b| b.class == "comfort"), "{:#?}", plan.breaches);
}

#[test]
fn a_latch_on_a_level_holds_until_its_end() {
    let rules = "rule rest in contract { when pack.charge_level < 20 % until pack.charge_level > 60 % then limit pack.discharge to 0 kW }";
    let plan = plan(rules, "15");
    let (out, level) = (power(&plan, "pack", &Attr::Discharge), before(&plan, "pack", Quantity::Level, 1.5));
    // charged above 60 % in the cheap hours, it may carry the house in the dear ones
    assert!(out.iter().sum::<f64>() > 3.0, "{out:?} {level:?}");
    let mut latched = false;
    for t in 0..6 {
        latched = level[t] < 1.999 || (latched && level[t] <= 6.01);
        assert!(!latched || out[t] == 0.0, "{out:?} {level:?}");
    }
}

#[test]
fn a_level_that_has_stood_long_enough_counts() {
    let rules =
        "rule rest in contract { when pack.charge_level > 50 % for 2 h then limit fan at least 3 kW }";
    let plan = plan(rules, "80");
    let (fan, level) = (power(&plan, "fan", &Attr::Power), before(&plan, "pack", Quantity::Level, 8.0));
    for t in 2..6 {
        let held = level[t - 2..=t].iter().all(|l| *l > 5.01);
        assert!(!held || fan[t] >= 3.0, "{fan:?} {level:?}");
    }
    // emptying the pack in time is cheaper than three hours of fan
    assert_eq!(fan.iter().sum::<f64>(), 0.0, "{fan:?} {level:?}");
}

/// The clock knows since when a guard of time alone has held: at midnight for an hour here.
#[test]
fn a_guard_of_time_alone_has_held_since_it_began() {
    for (guard, blown) in [
        ("during daily 23:00..04:00 for 2 h", [0.0, 2.0, 2.0, 2.0, 0.0, 0.0]),
        ("during daily 21:00..04:00 for 2 h", [2.0, 2.0, 2.0, 2.0, 0.0, 0.0]),
        (
            "during daily 21:00..04:00 and not during daily 22:00..23:00 for 2 h",
            [0.0, 2.0, 2.0, 2.0, 0.0, 0.0],
        ),
        // what also reads something else is known to hold from the plan's beginning on
        ("during daily 21:00..04:00 and pack.charge_level <= 100 % for 2 h", [0.0, 0.0, 2.0, 2.0, 0.0, 0.0]),
    ] {
        let plan =
            plan(&format!("rule blow in contract {{ when {guard} then limit fan at least 2 kW }}"), "0");
        assert_eq!(power(&plan, "fan", &Attr::Power), blown, "{guard}");
    }
}

#[test]
fn a_guard_on_a_temperature_and_one_on_many_members() {
    let rules = "rule cold in contract { when hall.temperature < 19.5 degC then limit fan to 0 kW }\n\
                 rule blow in economy { limit fan at least 2 kW }\n\
                 rule few in contract { when any(cars.power > 5 kW) then limit pack.charge to 1 kW }\n\
                 rule trip in contract { deliver 33 kWh to car[2] between 00:00 and 03:00 daily }";
    let plan = plan(rules, "0");
    let (fan, car) = (power(&plan, "fan", &Attr::Power), power(&plan, "car[2]", &Attr::Power));
    let warm = before(&plan, "hall", Quantity::Temperature, 20.0);
    for t in 0..6 {
        assert_eq!(fan[t] > 0.0, warm[t] >= 19.499, "{fan:?} {warm:?}");
    }
    assert_eq!(car[..3], [11.0, 11.0, 11.0]);
    assert!(power(&plan, "pack", &Attr::Charge)[..3].iter().all(|c| *c <= 1.0));
    assert_eq!(!plan.overrides.is_empty(), fan.contains(&0.0));
}

/// A zone that loses its whole distance from outside but a 1/e-th in an hour.
const SHED: &str =
    "zone shed { heat_capacity 1 kWh/K, heat_loss 1 kW/K, temperature 0 degC .. 40 degC in comfort }\n";

#[test]
fn a_zone_that_nothing_heats_drifts_and_guards_read_where_it_is() {
    // 10 + 20 exp(-t): 30, 17.3576, 12.7067, 10.9957, 10.3663, 10.1348 degC
    for (guard, blown) in [
        ("shed.temperature > 12 degC", [2.0, 2.0, 2.0, 0.0, 0.0, 0.0]),
        ("shed.temperature <= 12.7 degC", [0.0, 0.0, 0.0, 2.0, 2.0, 2.0]),
        ("shed.temperature <= 12.71 degC", [0.0, 0.0, 2.0, 2.0, 2.0, 2.0]),
        ("shed.temperature < 11 degC for 2 h", [0.0, 0.0, 0.0, 0.0, 0.0, 2.0]),
        ("shed.temperature > 15 degC until shed.temperature < 10.3 degC", [2.0, 2.0, 2.0, 2.0, 2.0, 0.0]),
        // beside what the plan decides: a pack that stays full is emptied by nobody
        ("shed.temperature > 12 degC and pack.charge_level <= 100 %", [2.0, 2.0, 2.0, 0.0, 0.0, 0.0]),
    ] {
        let rules = format!("{SHED}rule blow in contract {{ when {guard} then limit fan at least 2 kW }}");
        let temperatures = r#"{"hall": "20 degC", "shed": "30 degC"}"#;
        let plan = attempt_with(&rules, "0", temperatures).unwrap();
        assert_eq!(power(&plan, "fan", &Attr::Power), blown, "{guard}");
        let warm = before(&plan, "shed", Quantity::Temperature, 30.0);
        for (t, warm) in warm.iter().enumerate() {
            assert!((warm - 10.0 - 20.0 * (-(t as f64)).exp()).abs() < 1e-6, "{warm} at {t}");
        }
    }
    let words = attempt(
        &format!(
            "{SHED}rule blow in contract {{ when shed.temperature > 12 degC then limit fan at least 2 kW }}"
        ),
        "0",
    );
    let words = words.unwrap_err();
    assert!(words.starts_with("EVL1003") && words.contains("`shed`"), "{words}");
}

#[test]
fn a_mean_binds_where_the_plan_lets_its_guard_hold() {
    let trip = |kwh: u32, hour: u32| {
        format!(
            "rule trip in contract {{ deliver {kwh} kWh to car[1] between 00:00 and 0{hour}:00 daily }}\n"
        )
    };
    let cost = |plan: &PlanDocument| super::model_cost(plan);
    let slow = |over: &str| {
        format!("rule slow in contract {{ when pack.charge_level < 50 % then limit car[1] to 4 kW{over} }}\n")
    };
    // an empty pack that may not be charged: the rule holds all the time. As a mean over four hours the
    // car's 16 kWh fit into the two cheap ones; hour by hour half of them cost 20 ct more
    let still = "rule still in contract { limit pack.charge to 0 kW }\n";
    let [free, mean, each] = [String::new(), slow(" averaged over 4 h"), slow("")]
        .map(|rule| cost(&plan(&(trip(16, 6) + still + &rule), "0")));
    assert!((mean - free).abs() < 0.011, "{mean} against {free}");
    assert!((each - mean - 1.6).abs() < 0.011, "{each} against {mean}");
    // 30 kWh in four hours are more than the mean allows: the pack is charged to 50 % in the first hour, and
    // is below it again at the beginning of one of the dear ones alone, in which the car stands still. The
    // mean of that hour and the first is 4 kW, and 8 and 11 kWh are cheap
    let plan = plan(&(trip(30, 4) + &slow(" averaged over 4 h")), "40");
    let (car, level) = (power(&plan, "car[1]", &Attr::Power), before(&plan, "pack", Quantity::Level, 4.0));
    assert!(car[..4].iter().sum::<f64>() >= 30.0 && plan.breaches.is_empty(), "{car:?} {level:?}");
    let bound: Vec<f64> = (0..4).filter(|t| level[*t] < 4.9999).map(|t| car[t]).collect();
    assert!(bound.iter().sum::<f64>() <= 4.0 * bound.len() as f64, "{car:?} {level:?}");
    assert!((car[0] - 8.0).abs() < 0.01 && (car[1] - 11.0).abs() < 0.01, "{car:?} {level:?}");
}

#[test]
fn a_rule_may_not_read_what_it_commands_in_the_same_step() {
    let words = attempt("rule mad in contract { when car[1].power > 5 kW then limit car[1] to 3 kW }", "50")
        .unwrap_err();
    assert!(words.starts_with("EVL1011") && words.contains("`mad`"), "{words}");
    let two = "rule one in contract { when car[1].power > 5 kW then limit car[2] to 3 kW }\n\
               rule two in contract { when car[2].power > 5 kW then limit car[1] to 3 kW }";
    let words = attempt(two, "50").unwrap_err();
    assert!(words.starts_with("EVL1011") && words.contains("in a circle"), "{words}");
}

#[test]
fn an_obligation_under_an_open_guard_is_owed_where_the_guard_holds() {
    // a full pack at three o'clock owes the car a delivery, which costs more than emptying it
    let rules = "rule gift in contract { when pack.charge_level >= 50 % then deliver 8 kWh to car[1] between 03:00 and 06:00 daily }\n\
                 rule full in comfort { keep pack.charge_level at least 60 % }";
    let plan = plan(rules, "80");
    assert!(power(&plan, "car[1]", &Attr::Power).iter().sum::<f64>() >= 8.0);
    let free = plan_without(rules);
    assert_eq!(power(&free, "car[1]", &Attr::Power).iter().sum::<f64>(), 0.0);
}

fn plan_without(rules: &str) -> PlanDocument {
    plan(rules.lines().next().unwrap(), "80")
}
