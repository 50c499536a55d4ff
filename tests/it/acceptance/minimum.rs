//! Minimum bills: a month's bill is the greater of the minimum and what it came to, demand and fixed
//! charges counted in and export taken off. All answers by hand.

use evl::bundle::{Document, MinimumMoney, PlanDocument};
use evl::quantity::Rat;
use evl::system::MemorySystem;
use evl::verify::verify;

use super::{Built, model_cost, words};

/// 2 kW all the time at 0.20 EUR/kWh; a store that gives back 81 % of what it takes.
const SITE: &str = r#"
edition 2026
site corner {
  timezone "ZONE", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, export up to 5 kW, tariff flat }
consumer house : load { on main, load 2 kW }
STORE
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh, TARIFF }
"#;

const STORE: &str = "storage pack : battery { on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, \
                     efficiency 90 % / 90 %, end free }";
const SUN: &str = "producer sun : pv { on main, rated 10 kW }";

struct Asked<'a> {
    zone: &'a str,
    more: &'a str,
    tariff: &'a str,
    from: &'a str,
    state: &'a str,
}

impl Asked<'_> {
    fn built(&self) -> Built {
        let policy =
            SITE.replace("ZONE", self.zone).replace("STORE", self.more).replace("TARIFF", self.tariff);
        let system =
            MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: corner\n");
        let level = if self.more == STORE { r#", "levels": {"pack": "0 kWh"}"# } else { "" };
        let (from, more) = (self.from, self.state);
        let state = format!(r#"{{"schema": "evl.state/1", "site": "corner", "at": "{from}"{level}{more}}}"#);
        Built::new(&system, from, &state)
    }

    fn planned(&self) -> PlanDocument {
        let built = self.built();
        let plan = built.plan().map_err(|failure| words(&failure.findings)).unwrap();
        assert!(verify(&built.bundle, &plan).holds());
        assert_eq!(PlanDocument::read(&plan.bytes()).unwrap(), plan);
        plan
    }
}

/// Two hours before the month ends.
const LATE: &str = "2026-03-31T22:00:00Z";

fn late<'a>(more: &'a str, tariff: &'a str, state: &'a str) -> Asked<'a> {
    Asked { zone: "UTC", more, tariff, from: LATE, state }
}

fn only(plan: &PlanDocument) -> &MinimumMoney {
    let [month] = plan.money.minimum.as_slice() else { panic!("{:?}", plan.money.minimum) };
    month
}

fn rat(text: &str) -> Rat {
    text.parse().unwrap()
}

fn near(plan: &PlanDocument, cost: f64) {
    let model = model_cost(plan);
    assert!((model - cost).abs() < 1e-6, "{model} instead of {cost}");
    let made = plan.money.plan_cost.to_f64();
    assert!((made - cost).abs() < 2e-2, "{made} instead of {cost}");
}

#[test]
fn below_the_minimum_energy_is_free_until_the_month_ends() {
    // 15 + 0.80 EUR without a decision: the store is filled for nothing, and March costs 20. Of its 8.1
    // kWh April needs 4, and the rest earns 0.05 EUR/kWh
    let plan = late(STORE, "minimum 20 EUR per month", r#", "energy_cost": {"flat": "15 EUR"}"#).planned();
    near(&plan, 5.0 - 4.1 * 0.05);
    let month = only(&plan);
    assert_eq!((month.tariff.as_str(), month.month.as_str()), ("flat", "2026-03"));
    assert_eq!((&month.minimum, &month.before), (&rat("20"), &rat("15")));
    assert_eq!(&month.bill + &month.added, rat("20"));
    assert_eq!(plan.money.bill, &(&plan.money.energy - &plan.money.export) + &month.added);
    // without a decision: 4.20 EUR more than March came to, and 0.80 EUR in each month
    assert_eq!(plan.money.unmanaged, Some(rat("5.8")));
    assert_eq!(plan.money.unmanaged_parts.as_ref().unwrap().minimum[0].added, rat("4.2"));
    let april = plan.assumptions.iter().filter(|said| said.contains("is not minded in 2026-04")).count();
    assert_eq!(april, 1, "{:?}", plan.assumptions);
}

#[test]
fn near_the_minimum_no_more_is_free_than_what_is_missing() {
    // 0.20 EUR are missing: 1 kWh is free, and 0.81 kWh of it are had in April
    let plan = late(STORE, "minimum 20 EUR per month", r#", "energy_cost": {"flat": "19"}"#).planned();
    near(&plan, 1.0 + (4.0 - 0.81) * 0.20);
    // exactly at it nothing is free
    let plan = late(STORE, "minimum 20 EUR per month", r#", "energy_cost": {"flat": "19.2 EUR"}"#).planned();
    near(&plan, 1.6);
    assert_eq!((&only(&plan).bill, &only(&plan).added), (&rat("20"), &Rat::ZERO));
    // above it the minimum is none
    let plan = late(STORE, "minimum 20 EUR per month", r#", "energy_cost": {"flat": "31 EUR"}"#).planned();
    near(&plan, 1.6);
    assert_eq!((&only(&plan).bill, &only(&plan).added), (&rat("31.8"), &Rat::ZERO));
    // a minimum of nothing still stands above a bill that export made negative
    let plan = late("", "minimum 0 EUR per month", r#", "energy_cost": {"flat": "-3 EUR"}"#).planned();
    near(&plan, 3.0 + 0.8);
}

#[test]
fn export_lowers_the_bill_and_never_below_the_minimum() {
    // the sun carries the house; what it exports earns 0.50 EUR in April and nothing in March
    let plan = late(SUN, "minimum 2 EUR per month", r#", "energy_cost": {"flat": "-5 EUR"}"#).planned();
    near(&plan, 7.0 - 0.5);
    assert_eq!(&only(&plan).bill + &only(&plan).added, rat("2"));
    // with 1.75 EUR of other energy before it, a quarter of an EUR of export is worth it: 5 kWh
    let plan = late(SUN, "minimum 1.50 EUR per month", r#", "energy_cost": {"flat": "1.75 EUR"}"#).planned();
    near(&plan, -0.25 - 0.5);
}

#[test]
fn demand_and_fixed_charges_count_towards_it() {
    // 15 + 20 for 2 kW + 0.80 EUR: 4.20 EUR are free, at 10.40 EUR for each kW more in both hours
    let tariff = "demand monthly 10 EUR/kW on any, interval 60 min, minimum 40 EUR per month";
    let state = r#", "energy_cost": {"flat": "15 EUR"}, "peaks": {"flat": {"any": "2 kW"}}"#;
    let plan = late(STORE, tariff, state).planned();
    near(&plan, 5.0 + 20.8 - 0.81 * 4.2 / 10.4 * 10.4);
    assert_eq!(plan.money.unmanaged, Some(rat("25.8")));
    // a month's fixed charge counts whole, though the plan covers two hours of the month
    let plan = late(
        "",
        "fixed 10 EUR per month, minimum 30 EUR per month",
        r#", "energy_cost": {"flat": "15 EUR"}"#,
    )
    .planned();
    assert_eq!((&only(&plan).bill, &only(&plan).added), (&rat("25.8"), &rat("4.2")));
    near(&plan, 4.2 + 1.6);
}

#[test]
fn it_is_optimised_only_where_the_month_ends_within_the_plan() {
    let (policy, state) = ("minimum 20 EUR per month", r#", "energy_cost": {"flat": "15 EUR"}"#);
    // it ends with the plan
    let plan = Asked { from: "2026-03-31T20:00:00Z", ..late(STORE, policy, state) }.planned();
    near(&plan, 5.0);
    assert!(plan.assumptions.iter().all(|said| !said.contains("minimum bill")), "{:?}", plan.assumptions);
    // it ends after it: nothing of the state is needed, and what is left out is said
    let plan = Asked { from: "2026-03-31T19:00:00Z", ..late(STORE, policy, "") }.planned();
    near(&plan, 1.6);
    assert!(plan.money.minimum.is_empty());
    let said =
        "the minimum bill of 20 EUR of tariff `flat` is not minded in 2026-03, which ends after the plan";
    assert!(plan.assumptions.iter().any(|words| words == said), "{:?}", plan.assumptions);
    // where it is needed and missing, it is named
    let lacking = late(STORE, policy, "").built().plan().unwrap_err();
    let words = words(&lacking.findings);
    assert!(
        words.starts_with("EVL1003") && words.contains("`flat`") && words.contains("energy_cost"),
        "{words}"
    );
}

/// A whole month that the plan covers needs nothing of the state: 28 days of 2 kW, 268.80 EUR.
#[test]
fn a_month_inside_the_plan_is_counted_whole() {
    let asked = Asked { from: "2026-02-01T00:00:00Z", ..late("", "minimum 300 EUR per month", "") };
    let built = asked.built();
    let plan = built.plan_over(28 * 86_400 + 7200).map_err(|f| words(&f.findings)).unwrap();
    assert_eq!((&only(&plan).bill, &only(&plan).added), (&rat("268.8"), &rat("31.2")));
    assert_eq!(plan.money.plan_cost, rat("300.8"));
}

/// The hour that a clock change takes from a month takes nothing from charges by day and month.
#[test]
fn a_month_with_a_clock_change_ends_by_its_own_clock() {
    let state = r#", "energy_cost": {"flat": "20 EUR"}"#;
    let tariff = "fixed 1 EUR per day, minimum 60 EUR per month";
    // April begins at 22:00Z in Berlin
    let asked = Asked { zone: "Europe/Berlin", from: "2026-03-31T20:00:00Z", ..late("", tariff, state) };
    let plan = asked.planned();
    assert_eq!((&only(&plan).bill, &only(&plan).added), (&rat("51.8"), &rat("8.2")));
    assert_eq!(only(&plan).month, "2026-03");
    // on the day of the change itself the month does not end
    let asked = Asked { zone: "Europe/Berlin", from: "2026-03-29T00:00:00Z", ..late("", tariff, "") };
    assert!(asked.planned().money.minimum.is_empty());
}

#[test]
fn the_verifier_counts_it_again() {
    let asked = late(STORE, "minimum 20 EUR per month", r#", "energy_cost": {"flat": "15 EUR"}"#);
    let (bundle, plan) = (asked.built().bundle, asked.planned());
    let refused = |change: &dyn Fn(&mut PlanDocument), part: &str| {
        let mut changed = plan.clone();
        change(&mut changed);
        let verdict = verify(&bundle, &changed.seal());
        let said = verdict.misses.iter().any(|miss| miss.message.contains(part));
        assert!(said, "{part}: {:?}", verdict.misses);
    };
    refused(&|p| p.money.minimum.clear(), "minimum bill of 2026-03");
    refused(&|p| p.money.minimum[0].added = Rat::ZERO, "minimum bill of 2026-03: added");
    refused(&|p| p.money.minimum[0].bill = rat("20"), "minimum bill of 2026-03: bill");
    refused(&|p| p.money.minimum[0].before = rat("16"), "minimum bill of 2026-03: before");
    refused(&|p| p.money.minimum[0].minimum = rat("18"), "minimum bill of 2026-03: minimum");
    refused(&|p| p.money.minimum[0].month = "2026-04".to_owned(), "minimum bill of 2026-04");
    refused(&|p| p.money.minimum.extend(p.money.minimum.clone()), "minimum bill of 2026-03");
    refused(&|p| p.money.unmanaged_parts.as_mut().unwrap().minimum.clear(), "nobody deciding");
    refused(&|p| p.assumptions.retain(|said| !said.contains("minimum")), "does not say what it assumes");
    refused(&|p| p.state.energy_cost.clear(), "this month's energy");
}
