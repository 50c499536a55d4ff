//! Who feeds whom over a lossy link, emissions at the meter, and budgets that have to keep pace.

use evl::bundle::{PlanDocument, Quantity};
use evl::system::MemorySystem;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
bus riser { dc 48 V }
link rectifier { main <-> riser, capacity 20 kW, efficiency 80 % }
producer utility : grid { on main, import up to 30 kW, export up to 20 kW, tariff flat, carbon 500 g/kWh }
producer roof : pv { on main, rated 6 kW }
producer wall : pv { on riser, rated 2 kW }
storage pack : battery {
  on riser, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
consumer house : load { on main, load 2 kW }
consumer lamp : load { on riser, load 1 kW }
consumer car : ev_charger { on riser, demand 0 kW .. 11 kW }
tariff flat { import { 0.20 EUR/kWh otherwise }, export 0.30 EUR/kWh }
RULES
"#;

fn plan(rules: &str, used: &str) -> PlanDocument {
    let policy = SITE.replace("RULES", rules);
    let system =
        MemorySystem::new().file("site/site.evl", policy.as_str()).file("site/evl.yaml", "site: corner\n");
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
          "levels": {{"pack": "0 kWh"}}, "used": {used}}}"#
    );
    super::planned_in(&system, "2026-03-02T00:00:00Z", &state)
}

fn flow(plan: &PlanDocument, from: &str, to: &str) -> f64 {
    let flow = plan.flows.iter().find(|f| f.from == from && f.to == to);
    flow.map_or(0.0, |f| f.values.iter().map(evl::quantity::Rat::to_f64).sum())
}

fn total(plan: &PlanDocument, of: &str, quantity: Quantity) -> f64 {
    let series = plan.derived.iter().find(|s| s.of == of && s.quantity == quantity).unwrap();
    series.values.iter().map(evl::quantity::Rat::to_f64).sum()
}

const TRIP: &str = "rule trip in contract { deliver 20 kWh to car between 00:00 and 04:00 daily }\n";

#[test]
fn a_link_passes_on_what_it_is_given_less_its_loss() {
    // the wall's 2 kW and the roof's 6 kW less a fifth: 6.8 kW an hour at most
    let plan = plan(&format!("{TRIP}rule green in contract {{ supply car from roof, wall }}"), "{}");
    let (roof, wall) = (flow(&plan, "roof", "car"), flow(&plan, "wall", "car"));
    assert!((roof + wall - 20.0).abs() < 0.01 && wall <= 8.001, "{roof} {wall}");
    assert_eq!(flow(&plan, "utility", "car"), 0.0);
    // what the car leaves of the sun, and the meter, feed the rest
    let rest = flow(&plan, "roof", "house") + flow(&plan, "roof", "lamp") / 0.8 + roof / 0.8;
    assert!(rest <= total(&plan, "roof", Quantity::Power) + 0.01, "{:#?}", plan.flows);
    let fed: f64 = ["utility", "roof", "wall", "pack"].iter().map(|from| flow(&plan, from, "lamp")).sum();
    assert!((fed - 4.0).abs() < 0.01, "{:#?}", plan.flows);
}

#[test]
fn a_store_gives_as_itself_and_is_filled_by_whom_it_may() {
    // 2 kWh an hour from the wall, the rest from the pack, which is filled for two hours first
    let trip = TRIP.replace("20 kWh", "14 kWh");
    let plan = plan(
        &format!(
            "{trip}rule green in contract {{ supply car from wall, pack }}\n\
             rule fill in contract {{ never supply pack from utility }}\n\
             rule trip2 in economy {{ limit car to 9 kW }}"
        ),
        "{}",
    );
    assert_eq!(flow(&plan, "utility", "pack"), 0.0);
    assert!(flow(&plan, "pack", "car") > 5.0, "{:#?}", plan.flows);
    assert!((flow(&plan, "pack", "car") + flow(&plan, "wall", "car") - 14.0).abs() < 0.01);
}

#[test]
fn with_nobody_deciding_the_meter_sees_what_links_lose() {
    // the wall feeds the lamp, and 0.8 of the 1 kW that is left come to the roof's 6 kW beside the
    // house's 2 kW: 4.8 kW are sold in each of four hours
    assert_eq!(plan("", "{}").money.unmanaged, Some("-5.76".parse().unwrap()));
}

#[test]
fn emissions_count_at_the_meter_when_imported() {
    // 28 kWh over the link lose a fifth: several kWh are bought, and half a kilogram comes with each
    let trip = TRIP.replace("20 kWh", "24 kWh").replace("contract", "economy");
    let free = plan(&trip, "{}");
    assert!(total(&free, "utility", Quantity::Import) > 5.0);
    let capped = plan(
        &format!("{trip}budget carbon in contract {{ emissions of site at most 2 kg per day }}"),
        r#"{"carbon": "0 kg"}"#,
    );
    let import = total(&capped, "utility", Quantity::Import);
    assert!(import <= 4.001, "{import}");
}

#[test]
fn a_budget_ahead_of_its_pace_is_no_breach() {
    // what is below it is nothing that it has to keep for
    let trip = TRIP.replace("contract", "economy");
    let plan = plan(
        &format!("{trip}budget month in contract {{ consumption of car at most 100 kWh per month }}"),
        r#"{"month": "50 kWh"}"#,
    );
    assert!(plan.breaches.is_empty(), "{:#?}", plan.breaches);
}

/// Two hours with 3 kW of sun in each, at 0.10 and at 0.30 EUR. The car wants 10 kWh, at most 7 kW, and the van
/// runs for one hour at 2 kW.
const YARD: &str = r#"
edition 2026
site yard {
  timezone "UTC", currency EUR, step 60 min, horizon 2 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 30 kW, export up to 0 kW, tariff flat }
producer roof : pv { on main, rated 3 kW }
consumer car : ev_charger { on main, demand 0 kW .. 7 kW }
consumer van : ev_charger { on main, demand one of { 0 kW, 2 kW } }
tariff flat { import { 0.10 EUR/kWh during daily 00:00..01:00, 0.30 EUR/kWh otherwise } }
rule trip in contract { deliver 10 kWh to car between 00:00 and 02:00 daily }
rule tour in contract { deliver 2 kWh to van between 00:00 and 02:00 daily }
"#;

fn yard(rule: &str) -> (f64, Vec<f64>, Vec<f64>, PlanDocument) {
    let system = MemorySystem::new()
        .file("site/site.evl", YARD.to_owned() + rule)
        .file("site/evl.yaml", "site: yard\n");
    let state = r#"{"schema": "evl.state/1", "site": "yard", "at": "2026-03-02T00:00:00Z"}"#;
    let plan = super::planned_in(&system, "2026-03-02T00:00:00Z", state);
    let power = |device: &str, attr| {
        let series = plan.command(device, &attr).unwrap();
        (0..2).map(|t| series.value(t).unwrap().to_f64()).collect::<Vec<f64>>()
    };
    let (car, van) = (power("car", evl::ir::Attr::Power), power("van", evl::ir::Attr::On));
    (plan.money.plan_cost.to_f64(), car, van, plan)
}

#[test]
fn a_guard_that_the_plan_decides_restricts_origins_where_it_holds() {
    // all that is bought is bought in the first hour
    let (cost, car, van, _) = yard("");
    assert!((cost - 0.6).abs() < 1e-9 && car == [7.0, 3.0] && van == [1.0, 0.0], "{cost} {car:?} {van:?}");
    // with the van in the first hour the car had 3 kW there and 7 in the dear one, for 1.40; so the van waits
    // and buys its own 2 kWh
    let (cost, car, van, plan) =
        yard("rule green in contract { when van.power > 1 kW then supply car from roof }\n");
    assert!((cost - 1.0).abs() < 1e-9 && car == [7.0, 3.0] && van == [0.0, 1.0], "{cost} {car:?} {van:?}");
    let bought = plan.flows.iter().find(|flow| flow.from == "utility" && flow.to == "car").unwrap();
    assert_eq!(bought.values.iter().map(|kw| kw.to_f64()).collect::<Vec<_>>(), [4.0, 0.0]);
    // to feed the car from elsewhere for 0.05 a kWh is dearer than nothing and cheaper than to wait
    let (cost, car, van, _) = yard(
        "rule green in contract { when van.power > 1 kW then preferably supply car from roof priced at 0.05 EUR/kWh }\n",
    );
    assert!((cost - 0.8).abs() < 1e-9 && car == [7.0, 3.0] && van == [1.0, 0.0], "{cost} {car:?} {van:?}");
    // without a price it is kept before money
    let (cost, ..) =
        yard("rule green in contract { when van.power > 1 kW then preferably supply car from roof }\n");
    assert!((cost - 1.0).abs() < 1e-9, "{cost}");
}
