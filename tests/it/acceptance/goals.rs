//! What the site's objective names: in the order written, and no more spent of a goal than it says.

use evl::bundle::{Document, PlanDocument, Status};
use evl::ir::Attr;
use evl::quantity::Rat;
use evl::system::MemorySystem;

use super::{Built, model_cost, words};

const SITE: &str = r#"
edition 2026
site t {
  timezone "UTC", currency USD, step 1 h, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > economy
bus main { ac 400 V, 3 phase, limit 400 kW }
producer utility : grid { on main, import up to 100 kW, export up to 50 kW, tariff tt, carbon 400 g/kWh }
tariff tt { import { 0.40 USD/kWh during hi, 0.10 USD/kWh otherwise }, export 0.05 USD/kWh }
schedule hi = daily 01:00..02:00
consumer base : load { on main, demand 0 kW .. 10 kW, needs 10 kW }
"#;
/// In the dear hour it saves 0.1 USD/kWh, in the others it costs 0.2 USD/kWh more than the grid.
const CLOSE: &str = "producer gen : generator { on main, rated 10 kW, MINIMUM fuel cost 0.3 USD/kWh, \
                     start cost 0.5 USD, carbon 100 g/kWh }";
/// Always dearer than the grid.
const DEAR: &str = "producer gen : generator { on main, rated RATED, minimum load 2 kW, fuel cost 1 USD/kWh, \
                    start cost 1 USD, carbon 100 g/kWh }";

fn built(rest: &str) -> Built {
    let system = MemorySystem::new()
        .file("site/site.evl", format!("{SITE}{rest}\n"))
        .file("site/evl.yaml", "site: t\n");
    let off = |name: &&str| rest.contains(&format!("producer {name} :"));
    let off = ["gen", "other"].into_iter().filter(off);
    let off = off.map(|name| format!(r#""{name}": {{"on": false, "since": "2026-07-13T00:00:00Z"}}"#));
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "t", "at": "2026-07-14T00:00:00Z", "on": {{{}}}}}"#,
        off.collect::<Vec<_>>().join(", ")
    );
    Built::new(&system, "2026-07-14T00:00:00Z", &state)
}

fn planned(rest: &str) -> PlanDocument {
    built(rest).plan().map_err(|f| words(&f.findings)).unwrap()
}

/// kWh that a device gives over the four hours.
fn energy(plan: &PlanDocument, device: &str) -> f64 {
    let series = plan.command(device, &Attr::Power).unwrap();
    (0..plan.steps.len()).map(|t| series.value(t).unwrap().to_f64()).sum()
}

fn near(value: f64, wanted: f64, by: f64) {
    assert!((value - wanted).abs() <= by, "{value}, not {wanted}");
}

#[test]
fn later_goals_spend_a_share_of_the_least_cost_itself() {
    // at least: the generator in the dear hour, 3 x 1 + 10 x 0.3 + 0.5 = 6.50; each kWh more of it costs 0.2
    for (minimum, share, most, given) in [
        ("minimum load 2 kW,", 0, 6.5, 10.0),
        ("minimum load 2 kW,", 10, 7.15, 13.25),
        ("minimum load 2 kW,", 20, 7.8, 16.5),
        ("minimum load 2 kW,", 50, 9.75, 26.25),
        ("", 20, 7.8, 16.5),
    ] {
        let objective = format!("objective minimise cost within {share} %, then emissions\n");
        let plan = planned(&(objective + &CLOSE.replace("MINIMUM", minimum)));
        near(plan.money.least_cost.as_ref().unwrap().to_f64(), 6.5, 1e-6);
        assert!(model_cost(&plan) <= most + 1e-5, "{share}: {}", model_cost(&plan));
        assert!(plan.money.plan_cost.to_f64() <= most + 0.01, "{share}: {}", plan.money.plan_cost);
        near(energy(&plan, "gen"), given, 0.06);
        assert_eq!((plan.status, plan.gap.money.to_f64()), (Status::Optimal, 0.0), "{share}");
    }
}

#[test]
fn what_nothing_spends_stays_where_it_was() {
    // no carbon anywhere, and no goal after: nothing may be spent for the tie-break alone
    let free = CLOSE.replace("MINIMUM", "").replace(", carbon 100 g/kWh", "");
    let plan = planned(&format!("objective minimise cost within 50 %\n{free}"));
    near(model_cost(&plan), 6.5, 1e-6);
    assert_eq!(plan.money.least_cost, None);
    // the generator all day costs 40 x 0.3 + 0.5, far within what import may spend
    let plan = planned(&format!("objective minimise cost within 500 %, then import\n{free}"));
    near(model_cost(&plan), 12.5, 1e-5);
    near(energy(&plan, "gen"), 40.0, 1e-6);
}

#[test]
fn nothing_is_spent_where_it_gains_nothing() {
    // 2 kW in each hour are the least that lower the peak, and cost 8 x 1 + 1 and 3 x 0.8 + 3.2: 14.60 of the 14.00
    // that may be spent
    let dear = DEAR.replace("RATED", "10 kW");
    let plan = planned(&format!("objective minimise cost within 100 %, then peak\n{dear}"));
    near(model_cost(&plan), 7.0, 1e-4);
    near(energy(&plan, "gen"), 0.0, 1e-9);
    // and of 14.70 they may
    let plan = planned(&format!("objective minimise cost within 110 %, then peak\n{dear}"));
    assert!(model_cost(&plan) <= 14.7 + 1e-4 && energy(&plan, "gen") >= 8.0 - 1e-9, "{}", model_cost(&plan));
}

#[test]
fn goals_come_in_the_order_written_and_money_last_where_it_is_not_named() {
    let dear = |rated: &str| DEAR.replace("RATED", rated);
    // everything from the generator: 40 x 1 + 1
    for objective in ["emissions", "emissions, then cost", "import", "import, then emissions"] {
        let plan = planned(&format!("objective minimise {objective}\n{}", dear("10 kW")));
        near(model_cost(&plan), 41.0, 1e-4);
        near(energy(&plan, "gen"), 40.0, 1e-3);
        assert_eq!(plan.status, Status::Optimal);
        let goal = if objective.starts_with("import") { "import" } else { "emissions" };
        let texts: Vec<&str> = plan.reasons.iter().map(|reason| reason.text.as_str()).collect();
        assert_eq!(texts, [format!("the way with the least {goal}")], "{objective}");
    }
    // nothing from it where money is first
    for objective in ["cost", "cost, then emissions"] {
        let plan = planned(&format!("objective minimise {objective}\n{}", dear("10 kW")));
        near(model_cost(&plan), 7.0, 1e-6);
        assert!(plan.reasons.iter().all(|reason| reason.text.starts_with("idle: nothing is gained")));
    }
    // 4 kW from the grid at most: 24 x 1 + 1 and 4 x 0.7
    let plan = planned(&format!("objective minimise peak\n{}", dear("6 kW")));
    near(model_cost(&plan), 27.8, 1e-4);
}

#[test]
fn of_plans_with_equal_emissions_the_cheapest_is_taken() {
    // another as clean at 0.9 USD/kWh: 40 x 0.9 + 1
    let other =
        DEAR.replace("gen :", "other :").replace("1 USD/kWh", "0.9 USD/kWh").replace("RATED", "10 kW");
    let both = format!("objective minimise emissions\n{}\n{other}", DEAR.replace("RATED", "10 kW"));
    let plan = planned(&both);
    near(model_cost(&plan), 37.0, 1e-3);
    near(energy(&plan, "other"), 40.0, 1e-3);
    // a tenth of the emissions for money: 4 kg become 4.4, as 4/3 kWh come from the grid in cheap hours
    let plan = planned(&both.replace("minimise emissions", "minimise emissions within 10 %"));
    near(model_cost(&plan), 37.0 - 4.0 / 3.0 * 0.8, 0.02);
}

#[test]
fn verify_refuses_a_plan_that_spends_more() {
    let site = built(&format!(
        "objective minimise cost within 10 %, then emissions\n{}",
        CLOSE.replace("MINIMUM", "minimum load 2 kW,")
    ));
    let plan = site.plan().map_err(|f| words(&f.findings)).unwrap();
    let wrong = |least: Option<&str>, status: Status| -> Vec<String> {
        let mut other = plan.clone();
        other.money.least_cost = least.map(|least| least.parse::<Rat>().unwrap());
        other.status = status;
        let verdict = evl::verify::verify(&site.bundle, &other.seal());
        verdict.misses.iter().map(|miss| miss.message.clone()).collect()
    };
    assert!(wrong(Some("6.5"), Status::Optimal).is_empty());
    // 7.15 spent of 6.00, of which a tenth is 0.60
    let told = wrong(Some("6"), Status::Optimal).join("\n");
    assert!(told.contains("calls itself optimal") && told.contains("may spend up to 6.6"), "{told}");
    assert!(wrong(Some("6.5"), Status::Feasible).join("\n").contains("does not call itself optimal"));
    assert!(wrong(None, Status::Optimal).join("\n").contains("does not say what the cheapest costs"));
    let plain = built("objective minimise cost");
    let mut other = plain.plan().map_err(|f| words(&f.findings)).unwrap();
    other.money.least_cost = Some(Rat::int(7));
    assert!(!evl::verify::verify(&plain.bundle, &other.seal()).misses.is_empty());
}

/// Its four powers, what the plan costs, and what it breaches, where a vehicle wants `energy` at most at `power`.
fn charged(charger: &str, rule: &str, energy: &str, power: &str) -> (Vec<f64>, f64, usize) {
    let feed = r#"feed ch { file "data/ch.csv", time utc, sessions }"#;
    let policy = format!(
        "{SITE}consumer ev : ev_charger {{ on main, {charger}, sessions feed.ch }}\n{feed}\n{rule}\n"
    );
    let stay = format!(
        "device,arrival,departure,energy,maximum_power\nev,2026-07-14T00:00,2026-07-14T04:00,{energy},{power}\n"
    );
    let system = MemorySystem::new()
        .file("site/site.evl", policy.as_str())
        .file("site/evl.yaml", "site: t\n")
        .file("site/data/ch.csv", stay.as_str());
    let state = r#"{"schema": "evl.state/1", "site": "t", "at": "2026-07-14T00:00:00Z"}"#;
    let plan = super::planned_in(&system, "2026-07-14T00:00:00Z", state);
    let told = plan.command("ev", &Attr::Power).or_else(|| plan.command("ev", &Attr::On)).unwrap();
    let powers = (0..4).map(|t| told.value(t).unwrap().to_f64()).collect();
    (powers, plan.money.plan_cost.to_f64(), plan.breaches.len() + plan.overrides.len())
}

#[test]
fn a_vehicle_gets_what_it_wants_to_the_next_value_that_a_rule_leaves() {
    let any = "demand 0 kW .. 11 kW";
    // 12 kWh are two hours at 7 kW: 7.00 and 14 x 0.1
    for rule in [
        "rule q in economy { set ev to one of { 0 kW, 7 kW } }",
        "rule q in contract { set ev to one of { 0 kW, 7 kW } }",
        "rule q in contract { during daily 00:00..05:00 then set ev to one of { 0 kW, 7 kW } }",
        // what the plan decides itself
        "rule q in contract { when utility.import > 1 kW then set ev to one of { 0 kW, 7 kW } }",
        // 3 kW and 7 kW by two rules
        "rule q in contract { set ev to one of { 0 kW, 3 kW, 7 kW } }\n\
         rule r in contract { set ev to one of { 0 kW, 5 kW, 7 kW } }",
    ] {
        let (powers, cost, breaches) = charged(any, rule, "12 kWh", "11 kW");
        near(powers.iter().sum(), 14.0, 1e-9);
        assert!(powers.iter().all(|kw| *kw == 0.0 || *kw == 7.0), "{powers:?}");
        near(cost, 8.4, 1e-9);
        assert_eq!(breaches, 0, "{rule}");
    }
    // as declared, and with a limit or a vehicle that leaves gaps: 2.3 kWh are two hours at 1.4 kW
    let (_, cost, _) = charged("demand one of { 0 kW, 7 kW }", "", "12 kWh", "11 kW");
    near(cost, 8.4, 1e-9);
    let gap = "demand one of { 0 kW, 1.4 kW .. 11 kW }";
    for (rule, power) in [("", "2 kW"), ("rule q in contract { limit ev to 2 kW }", "11 kW")] {
        let (powers, cost, _) = charged(gap, rule, "2.3 kWh", power);
        near(powers.iter().sum(), 2.8, 1e-9);
        near(cost, 7.28, 1e-9);
    }
    // and no more than that where the charger can give it as it is wanted
    let (powers, ..) =
        charged(any, "rule q in contract { set ev to one of { 0 kW, 6 kW } }", "12 kWh", "11 kW");
    near(powers.iter().sum(), 12.0, 1e-9);
}

#[test]
fn a_need_beyond_the_demand_is_an_error_of_check() {
    let told = |needs: &str| {
        let policy = SITE.replace("demand 0 kW .. 10 kW, needs 10 kW", needs);
        let system = MemorySystem::new().file("site/site.evl", policy).file("site/evl.yaml", "site: t\n");
        let repository = evl::repo::Repository::open(&system, std::path::Path::new("site")).unwrap();
        words(&evl::sema::compile(&repository).findings)
    };
    for (needs, demand) in [
        ("demand 0 kW .. 60 kW, needs 70 kW", "0 kW .. 60 kW"),
        ("demand 0 kW .. 60 kW, load 70 kW", "0 kW .. 60 kW"),
        ("demand one of { 0 kW, 5 kW .. 60 kW }, needs 3 kW", "0 kW, 5 kW .. 60 kW"),
    ] {
        let told = told(needs);
        assert!(told.starts_with("EVL0207 `") && told.contains("is no power that it can take"), "{told}");
        assert!(told.contains(&format!("its `demand` is {demand}")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    for needs in ["demand 0 kW .. 60 kW, needs 60 kW", "demand 0 kW .. 60 kW, needs 0 kW", "load 70 kW"] {
        assert_eq!(told(needs), "");
    }
}
