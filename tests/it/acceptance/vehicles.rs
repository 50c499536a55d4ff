//! Vehicles that leave, vehicles on one phase, and what generators emit: from text to a verified plan.

use evl::bundle::PlanDocument;
use evl::ir::Attr;
use evl::plan::PlanFailure;
use evl::system::MemorySystem;

use super::try_planned;

const SITE: &str = r#"
edition 2026
site garage {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase, limit 16 A per phase }
producer utility : grid { on main, import up to 30 kW, export up to 5 kW, tariff flat, carbon 400 g/kWh }
producer gen : fuel_cell { on main, rated 9 kW, fuel cost 0.05 EUR/kWh, carbon 340 g/kWh }
consumer house : load { on main, load 1 kW }
consumer ev : ev_charger { on main, demand 0 kW .. 11 kW, sessions feed.charging }
feed charging { file "data/charging.csv", time civil, sessions }
tariff flat { import { 0.20 EUR/kWh during daily 20:00..22:00, 0.40 EUR/kWh otherwise } }
RULES
"#;

/// The plan from 20:00 until midnight with one stay, and the power of the vehicle in each step.
fn planned(rules: &str, stay: &str) -> (PlanDocument, Vec<f64>) {
    let plan = asked(rules, stay).map_err(|f| super::words(&f.findings)).unwrap();
    let series = plan.command("ev", &Attr::Power).unwrap();
    let power = (0..plan.steps.len()).map(|t| series.value(t).unwrap().to_f64()).collect();
    (plan, power)
}

fn asked(rules: &str, stay: &str) -> Result<PlanDocument, PlanFailure> {
    let policy = SITE.replace("RULES", rules);
    let system = MemorySystem::new()
        .file("site/site.evl", policy.as_str())
        .file("site/evl.yaml", "site: garage\n")
        .file(
            "site/data/charging.csv",
            format!("device,arrival,departure,energy,maximum_power,phases\n{stay}\n"),
        );
    let state = r#"{"schema": "evl.state/1", "site": "garage", "at": "2026-03-02T20:00:00Z",
        "on": {"gen": {"on": false, "since": "2026-03-01T00:00:00Z"}}USED}"#;
    let used = if rules.contains("budget air") { r#", "used": {"air": "0 kg"}"# } else { "" };
    let state = state.replace("USED", used);
    try_planned(&system, "2026-03-02T20:00:00Z", &state)
}

/// Name, class and amount of each breach.
fn breaches(plan: &PlanDocument) -> Vec<(&str, &str, f64)> {
    let one = |b| -> (&str, &str, f64) {
        let b: &evl::bundle::Breach = b;
        (&b.statement.name, &b.class, b.amount.to_f64())
    };
    plan.breaches.iter().map(one).collect()
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

#[test]
fn what_a_vehicle_needs_is_given_before_it_leaves() {
    let rule = "rule trip in contract { deliver 8 kWh to ev between 22:00 and 08:00 daily }";
    // it leaves an hour before the plan ends
    let (plan, power) = planned(rule, "ev,2026-03-02 20:00,2026-03-02 23:00,0 kWh,11 kW,3");
    assert!(power[2] > 7.99, "{power:?}");
    assert_eq!(power[3], 0.0);
    assert!(plan.breaches.is_empty());
    // it stays for the night: what is due can wait until after the plan
    let (plan, power) = planned(rule, "ev,2026-03-02 20:00,2026-03-03 08:00,0 kWh,11 kW,3");
    assert!(plan.breaches.is_empty());
    assert_eq!(sum(&power), 0.0);
}

#[test]
fn with_nobody_deciding_a_vehicle_charges_as_it_comes() {
    // 8 kWh in its first hour beside the house's four
    let (plan, _) = planned("", "ev,2026-03-02 20:00,2026-03-02 24:00,8 kWh,11 kW,3");
    assert_eq!(plan.money.unmanaged, Some("2.8".parse().unwrap()));
    // it takes 3 kW and wants 8 kWh: the last 2 kWh come when energy is dear
    let (plan, _) = planned("", "ev,2026-03-02 20:00,2026-03-02 24:00,8 kWh,3 kW,3");
    assert_eq!(plan.money.unmanaged, Some("3.2".parse().unwrap()));
}

#[test]
fn a_vehicle_on_one_phase_gets_what_that_phase_bears() {
    let (plan, power) = planned("", "ev,2026-03-02 20:00,2026-03-02 22:00,8 kWh,11 kW,3");
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    assert!(sum(&power) > 7.9, "{power:?}");
    // 16 A less 1.6 A of the house, at 230.94 V and 0.9
    let (plan, power) = planned("", "ev,2026-03-02 20:00,2026-03-02 22:00,5.9 kWh,11 kW,1");
    assert!(power.iter().all(|kw| *kw < 2.993), "{power:?}");
    assert!(sum(&power) > 5.89, "{power:?}");
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
}

#[test]
fn a_stay_too_short_for_a_delivery_gives_what_it_can() {
    let rule = "rule trip in contract { deliver 15 kWh to ev between 20:00 and 24:00 daily }";
    // an hour of 4 kW
    let (plan, power) = planned(rule, "ev,2026-03-02 20:00,2026-03-02 21:00,0 kWh,4 kW,3");
    assert_eq!(power, [4.0, 0.0, 0.0, 0.0]);
    assert_eq!(breaches(&plan), [("trip", "contract", 11.0)]);
    // what the vehicle itself wants is no more than what it is there for
    let (plan, power) = planned("", "ev,2026-03-02 20:00,2026-03-02 21:00,6 kWh,4 kW,3");
    assert_eq!(power, [4.0, 0.0, 0.0, 0.0]);
    assert_eq!(breaches(&plan), [("ev", "economy", 2.0)]);
    // it stays on after the plan
    let (plan, power) = planned(
        &rule.replace("24:00", "06:00").replace("15 kWh", "22 kWh"),
        "ev,2026-03-02 20:00,2026-03-03 01:00,0 kWh,4 kW,3",
    );
    assert_eq!(power, [4.0, 4.0, 4.0, 4.0]);
    assert_eq!(breaches(&plan), [("trip", "contract", 2.0)]);
}

#[test]
fn a_phase_too_weak_for_a_delivery_gives_what_it_can() {
    let rule = "rule trip in contract { deliver 8 kWh to ev between 20:00 and 24:00 daily }";
    let (plan, power) = planned(rule, "ev,2026-03-02 20:00,2026-03-02 22:00,0 kWh,11 kW,1");
    assert!((5.98..5.99).contains(&sum(&power)), "{power:?}");
    let [("trip", "contract", missing)] = breaches(&plan)[..] else { panic!("{:?}", plan.breaches) };
    assert!((2.01..2.02).contains(&missing), "{missing}");
}

#[test]
fn vehicles_that_cannot_all_be_served_are_no_short_stays() {
    let rules = "consumer van : ev_charger { on main, demand 0 kW .. 11 kW, sessions feed.charging }
rule trip in contract { deliver 8 kWh to ev between 20:00 and 24:00 daily }
rule tour in contract { deliver 8 kWh to van between 20:00 and 24:00 daily }";
    let stays = |until: &str| {
        format!(
            "ev,2026-03-02 20:00,2026-03-02 {until},0 kWh,11 kW,3\nvan,2026-03-02 20:00,2026-03-02 {until},0 kWh,11 kW,3"
        )
    };
    let failure = asked(rules, &stays("21:00")).unwrap_err();
    assert!(failure.infeasible);
    assert!(super::words(&failure.findings).contains("EVL1002"));
    assert!(asked(rules, &stays("22:00")).unwrap().breaches.is_empty());
}

#[test]
fn what_safety_owes_a_vehicle_stays_hard() {
    let rule = "rule rescue in safety { deliver 15 kWh to ev between 20:00 and 24:00 daily }";
    let failure = asked(rule, "ev,2026-03-02 20:00,2026-03-02 21:00,0 kWh,4 kW,3").unwrap_err();
    assert!(failure.infeasible);
}

#[test]
fn a_want_beyond_the_plan_counts_with_the_vehicles_own_power() {
    // an hour is left after the plan, in which it takes 2 kWh and not 11
    let (plan, power) = planned("", "ev,2026-03-02 20:00,2026-03-03 01:00,10 kWh,2 kW,3");
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    assert!(sum(&power) > 7.9, "{power:?}");
}

#[test]
fn emissions_of_the_site_count_what_its_generators_emit() {
    let emitted = |plan: &PlanDocument| {
        let of = |device: &str, quantity| {
            let series = plan.derived.iter().find(|s| s.of == device && s.quantity == quantity);
            series.map_or(0.0, |s| s.values.iter().map(|v| v.to_f64()).sum())
        };
        let gen_set = plan.command("gen", &Attr::Power).unwrap();
        let own: f64 = (0..plan.steps.len()).map(|t| gen_set.value(t).unwrap().to_f64()).sum();
        0.4 * of("utility", evl::bundle::Quantity::Import) + 0.34 * own
    };
    let stay = "ev,2026-03-02 20:00,2026-03-03 00:00,8 kWh,11 kW,3";
    let (plan, power) = planned("", stay);
    assert!(sum(&power) > 7.9);
    assert!(emitted(&plan) > 4.0, "{}", emitted(&plan));
    // 4 kWh of the house from the generator are 1.36 kg; the rest of the cap is the vehicle's
    let (plan, power) = planned("budget air in contract { emissions of site at most 2.5 kg per day }", stay);
    assert!(emitted(&plan) <= 2.5 + 1e-9, "{}", emitted(&plan));
    assert!((3.0..3.4).contains(&sum(&power)), "{power:?}");
}

#[test]
fn what_safety_turns_on_runs_also_where_a_delivery_has_to_give_way() {
    let rules = "consumer fan : pump { on main, demand one of { 0 kW, 5 kW } }
rule smoke in safety { turn on fan, limit ev to 0 kW }
rule trip in contract { deliver 8 kWh to ev between 20:00 and 24:00 daily }";
    let (plan, power) = planned(rules, "ev,2026-03-02 20:00,2026-03-03 08:00,0 kWh,11 kW,3");
    assert_eq!(sum(&power), 0.0);
    assert_eq!(plan.command("fan", &Attr::On).unwrap().counts, [1, 1, 1, 1]);
    // the house's 1 kW and the fan's 5
    let given = plan.command("gen", &Attr::Power).unwrap();
    assert!((0..4).all(|t| given.value(t).unwrap().to_f64() == 6.0));
    assert_eq!(plan.breaches.iter().map(|b| b.statement.name.as_str()).collect::<Vec<_>>(), ["trip"]);
}

/// `count` vehicles that come and go within six hours, at a connection that bears about nine at once;
/// and what they want in all, kWh.
fn depot(count: u32) -> (MemorySystem, f64) {
    let policy = r#"
edition 2026
site depot {
  timezone "UTC", currency EUR, step 15 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase, limit 100 kW }
producer utility : grid { on main, import up to 100 kW, tariff flat }
consumer ev[1..COUNT] : ev_charger { on main, demand one of { 0 kW, 1.4 kW .. 11 kW }, sessions feed.charging }
feed charging { file "data/charging.csv", time civil, sessions }
tariff flat { import 0.20 EUR/kWh }
"#;
    let mut rows = String::from("device,arrival,departure,energy,maximum_power\n");
    let (mut seed, mut wanted) = (12_345_u32, 0.0);
    let mut draw = |most: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % most
    };
    for ev in 1..=count {
        let (arrival, stay, energy) = (draw(150), 90 + draw(120), 0.25 * f64::from(1 + draw(8)));
        let leaves = arrival + stay;
        wanted += energy;
        rows += &format!(
            "ev[{ev}],2026-05-05 {:02}:{:02},2026-05-05 {:02}:{:02},{energy} kWh,11 kW\n",
            arrival / 60,
            arrival % 60,
            leaves / 60,
            leaves % 60
        );
    }
    let system = MemorySystem::new()
        .file("site/site.evl", policy.replace("COUNT", &count.to_string()))
        .file("site/evl.yaml", "site: depot\n")
        .file("site/data/charging.csv", rows);
    (system, wanted)
}

const MIDNIGHT: &str = "2026-05-05T00:00:00Z";
const BEGINNING: &str = r#"{"schema": "evl.state/1", "site": "depot", "at": "2026-05-05T00:00:00Z"}"#;

#[test]
fn two_hundred_vehicles_in_six_hours_get_what_they_want_for_no_more_than_that() {
    let (system, wanted) = depot(200);
    let plan = super::planned_in(&system, MIDNIGHT, BEGINNING);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    assert_eq!(plan.status, evl::bundle::Status::Optimal);
    assert!((super::model_cost(&plan) - 0.2 * wanted).abs() < 0.011, "{} {wanted}", super::model_cost(&plan));
}

/// A clock on which all time has passed once it was looked at `patience` times.
struct Impatient {
    patience: u32,
    looked: std::sync::atomic::AtomicU32,
}

impl evl::plan::Watch for Impatient {
    fn elapsed_s(&self) -> f64 {
        let looked = self.looked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if looked < self.patience { 0.0 } else { 1e9 }
    }

    fn doing(&self, _what: &str) {}
}

#[test]
fn whenever_time_is_over_the_best_plan_so_far_stands_or_none_is_claimed() {
    let (system, _) = depot(6);
    let built = super::Built::new(&system, MIDNIGHT, BEGINNING);
    let (mut none, mut early) = (0, 0);
    for patience in (0..24).chain([30, 50, 80, 120, 200, 1_000_000]) {
        let watch = Impatient { patience, looked: std::sync::atomic::AtomicU32::new(0) };
        match built.plan_within(3600.0, &watch) {
            // what is written was verified
            Ok(plan) => early += u32::from(!plan.reproducible),
            Err(failure) => {
                assert!(!failure.infeasible);
                let words = super::words(&failure.findings);
                assert!(words.contains("EVL1009") && words.contains("time limit"), "{words}");
                none += 1;
            }
        }
    }
    assert!(none > 0 && early > 0, "{none} {early}");
    let patient = Impatient { patience: u32::MAX, looked: std::sync::atomic::AtomicU32::new(0) };
    let plan = built.plan_within(3600.0, &patient).unwrap();
    assert!(plan.reproducible);
}
