//! States: what begins outside its band, what a horizon has to end with, and what waits.

use evl::bundle::{Document, PlanDocument, Quantity};
use evl::system::MemorySystem;

use super::planned_in;

/// A house with a store on a grid of 12 kW.
const HOUSE: &str = r#"
edition 2026
site house {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 12 kW, export up to 10 kW, tariff flat }
consumer rooms : load { on main, load 1 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 4 kW, discharge up to 4 kW, efficiency 95 % / 95 %, END
}
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh }
"#;

fn planned(policy: &str, level: &str) -> PlanDocument {
    let system = MemorySystem::new()
        .file("site/site.evl", policy)
        .file("site/evl.yaml", "site: house\n")
        .file("site/w.csv", "time,t\n2026-03-02T00:00,5\n2026-03-02T12:00,5\n");
    let warm = if policy.contains("zone hall") { r#", "temperatures": {"hall": "19 degC"}"# } else { "" };
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z", "levels": {{"pack": "{level}"}}{warm}}}"#
    );
    planned_in(&system, "2026-03-02T00:00:00Z", &state)
}

fn refused(policy: &str) -> String {
    let warm = if policy.contains("zone hall") { r#", "temperatures": {"hall": "19 degC"}"# } else { "" };
    let system = MemorySystem::new()
        .file("site/site.evl", policy)
        .file("site/evl.yaml", "site: house\n")
        .file("site/w.csv", "time,t\n2026-03-02T00:00,5\n2026-03-02T12:00,5\n");
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z", "levels": {{"pack": "50 %"}}{warm}}}"#
    );
    super::words(&super::try_planned(&system, "2026-03-02T00:00:00Z", &state).unwrap_err().findings)
}

/// Levels at the steps' ends, as shares.
fn levels(plan: &PlanDocument) -> Vec<f64> {
    let found = plan.derived.iter().find(|s| s.of == "pack" && s.quantity == Quantity::Level);
    found.unwrap().values.iter().map(|kwh| kwh.to_f64() / 10.0).collect()
}

fn breaches(plan: &PlanDocument) -> Vec<String> {
    let one = |b: &evl::bundle::Breach| {
        format!("{} {} {} {}..{}", b.statement.name, b.class, b.of, b.first, b.last)
    };
    plan.breaches.iter().map(one).collect()
}

#[test]
fn a_store_outside_its_rules_band_comes_back_first_in_every_class() {
    for class in ["safety", "contract", "economy"] {
        let policy = HOUSE.replace("END", "end free")
            + &format!("rule reserve in {class} {{ keep pack.charge_level at least 60 % }}\n");
        let plan = planned(&policy, "10 %");
        assert_eq!(breaches(&plan), [format!("reserve {class} pack 0..0")]);
        let levels = levels(&plan);
        // 4 kW for an hour, and then inside for good
        assert!((levels[0] - 0.48).abs() < 1e-6, "{levels:?}");
        assert!(levels[1..].iter().all(|level| *level >= 0.6), "{levels:?}");
    }
    let policy =
        HOUSE.replace("END", "end free") + "rule room in economy { keep pack.charge_level at most 20 % }\n";
    let plan = planned(&policy, "90 %");
    assert_eq!(breaches(&plan), ["room economy pack 0..0"]);
    assert!(levels(&plan)[1..].iter().all(|level| *level <= 0.2), "{:?}", levels(&plan));
}

#[test]
fn a_zone_outside_what_a_rule_holds_comes_back_as_fast_as_it_can() {
    let policy = HOUSE.replace("END", "end free")
        + r#"
consumer heater : boiler { on main, demand 0 kW .. 3 kW, heats hall }
zone hall { heat_capacity 2 kWh/K, heat_loss 0.1 kW/K, temperature 15 degC .. 26 degC in economy }
weather { source feed.w, temperature -20 degC .. 40 degC }
feed w { file "w.csv", time utc, stamp start, step 12 h, column temperature "t" degC }
rule warm in contract { hold hall.temperature at least 21 degC }
"#;
    let plan = planned(&policy, "50 %");
    assert_eq!(breaches(&plan), ["warm contract hall 0..1"]);
    let hall = plan.derived.iter().find(|s| s.quantity == Quantity::Temperature).unwrap();
    let outside = |line: &&str| !line.starts_with("weather") && !line.starts_with("feed w");
    let blind: Vec<&str> = policy.lines().filter(outside).collect();
    assert!(refused(&blind.join("\n")).starts_with("EVL1005"));
    let degrees: Vec<f64> = hall.values.iter().map(|v| v.to_f64()).collect();
    assert!(degrees[2..].iter().all(|t| *t >= 21.0 || *t >= 294.15), "{degrees:?}");
}

#[test]
fn a_store_may_have_to_be_full_at_the_end() {
    for end in ["end at least 100 %", "end exactly 100 %", "charge_level 10 % .. 95 %, end at least 95 %"] {
        let plan = planned(&HOUSE.replace("END", end), "33.3 %");
        assert!(plan.breaches.is_empty(), "{end}: {:?}", breaches(&plan));
        let last = levels(&plan).pop().unwrap();
        let top = if end.contains("95") { 0.95 } else { 1.0 };
        assert!(last <= top && last > top - 2e-4, "{end}: {last}");
    }
}

/// On an island energy has no import price: a store is not emptied for nothing beside free sun.
#[test]
fn an_islands_store_ends_with_what_it_had_where_that_is_free() {
    let policy = r#"
edition 2026
site house {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer sun : pv { on main, rated 8 kW }
consumer rooms : load { on main, load 1 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 4 kW, discharge up to 4 kW, efficiency 95 % / 95 %, grid_forming
}
"#;
    for fuel in ["", "producer cell : fuel_cell { on main, rated 4 kW, fuel 0.30 EUR/kWh }\n"] {
        let plan = planned(&(policy.to_owned() + fuel), "90 %");
        assert!(plan.breaches.is_empty(), "{:?}", breaches(&plan));
        assert!(*levels(&plan).last().unwrap() >= 0.9, "{:?}", levels(&plan));
    }
}

/// What balances an island ends where the others' registers leave it: near to what is asked, by a bound
/// that the plan states and the verifier computes for itself.
#[test]
fn an_islands_store_ends_exactly_as_far_as_registers_let_it() {
    let policy = r#"
edition 2026
site hut {
  timezone "UTC", currency EUR, step 30 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer roof : pv { on main, rated 5.8 kW }
producer engine : generator { on main, rated 6 kW, fuel 0.30 EUR/kWh }
consumer house : load { on main, load 1.5007 kW }
consumer well : load { on main, demand 0 kW .. 3 kW }
storage pack : battery {
  on main, capacity 20 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 96 % / 97 %, grid_forming, END
}
rule water in contract { deliver 5.5 kWh to well between 00:00 and 03:00 daily }
"#;
    for (end, wanted) in [("end exactly start", 15.6), ("end exactly 50 %", 10.0)] {
        let system = MemorySystem::new()
            .file("site/site.evl", policy.replace("END", end).as_str())
            .file("site/evl.yaml", "site: hut\n");
        let state = r#"{"schema": "evl.state/1", "site": "hut", "at": "2026-03-02T00:00:00Z", "levels": {"pack": "78 %"}}"#;
        let built = super::Built::new(&system, "2026-03-02T00:00:00Z", state);
        let mut plan = built.plan().map_err(|f| super::words(&f.findings)).unwrap();
        assert!(plan.breaches.is_empty(), "{end}: {:?}", breaches(&plan));
        // three devices by 1 W for half an hour, at the cell: 0.0015 / 0.97
        let said = "`pack` balances its island: it ends within 0.001546 kWh of what is asked, as the others are rounded";
        assert!(plan.assumptions.iter().any(|a| a == said), "{end}: {:#?}", plan.assumptions);
        let last = *levels(&plan).last().unwrap() * 10.0;
        assert!((last - wanted).abs() <= 0.0015 / 0.97, "{end}: {last}");
        // 4 W for half an hour are more than registers explain
        let well = plan.commands.iter_mut().find(|series| series.device == "well").unwrap();
        let some = well.counts.iter().position(|n| *n >= 100).unwrap();
        well.counts[some] += if last > wanted { -4 } else { 4 };
        let verdict = evl::verify::verify(&built.bundle, &plan.seal());
        let words: Vec<&str> = verdict.misses.iter().map(|miss| miss.message.as_str()).collect();
        assert!(words.iter().any(|w| w.starts_with("`pack` ends with")), "{end}: {words:?}");
    }
}

/// What a guard waits for falls into the middle of a step: the step ends there.
#[test]
fn steps_end_where_a_wait_is_over() {
    let policy = HOUSE.replace("END", "end free")
        + "schedule early = daily 02:00..04:00\n\
           rule hot in safety { when during early for 30 min then limit utility.import to 3 kW }\n";
    let plan = planned(&policy, "50 %");
    let begin = plan.from;
    let cut: Vec<i64> = plan.steps.iter().map(|step| step.start.since(begin) / 60).collect();
    assert!(cut.contains(&150), "{cut:?}");
    assert!(!cut.contains(&90), "{cut:?}");
}

#[test]
fn an_island_is_balanced_by_exactly_one_device() {
    let policy = r#"
edition 2026
site house {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > economy
bus main { ac 400 V, 3 phase }
bus barn { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 9 kW, tariff flat }
tariff flat { import 0.20 EUR/kWh }
consumer rooms : load { on main, load 1 kW }
producer engine : generator { on barn, rated 4 kW, fuel 0.30 EUR/kWhFORMING }
consumer pump : load { on barn, load 1 kW }
"#;
    let store = "storage pack : battery {
  on barn, capacity 10 kWh, charge up to 4 kW, discharge up to 4 kW, efficiency 95 % / 95 %, grid_forming
}\n";
    let nobody = refused(&(policy.replace("FORMING", "") + &store.replace(", grid_forming", "")));
    assert!(nobody.starts_with("EVL1012 nothing balances `barn`"), "{nobody}");
    let both = refused(&(policy.replace("FORMING", ", grid_forming") + store));
    assert!(both.starts_with("EVL1012 `pack` would balance `barn` beside `engine`"), "{both}");
    // one: it follows from the rest and is not commanded
    let plan = planned(&(policy.replace("FORMING", "") + store), "50 %");
    assert!(plan.commands.iter().all(|series| series.device != "pack"), "{:#?}", plan.commands);
    assert!(plan.derived.iter().any(|s| s.of == "pack" && s.quantity == Quantity::Discharge));
}

#[test]
fn what_would_be_planned_wrongly_is_refused() {
    let both = HOUSE.replace("END", "end free")
        + r#"
consumer pump : heat_pump { on main, demand 0 kW .. 3 kW, heats hall, cools hall }
zone hall { heat_capacity 2 kWh/K, heat_loss 0.1 kW/K, temperature 15 degC .. 26 degC in economy }
weather { source feed.w, temperature -20 degC .. 40 degC }
feed w { file "w.csv", time utc, stamp start, step 12 h, column temperature "t" degC }
"#;
    let words = refused(&both);
    assert!(words.starts_with("EVL1001") && words.contains("both heats and cools `hall`"), "{words}");
    let ring = HOUSE.replace("END", "end free")
        + "bus barn { ac 400 V, 3 phase }\n\
           link north { main <-> barn, capacity 9 kW, efficiency 100 % }\n\
           link south { main <-> barn, capacity 9 kW, efficiency 100 % }\n";
    let words = refused(&ring);
    assert!(words.starts_with("EVL1001") && words.contains("`south` closes a loop"), "{words}");
    let meters = HOUSE.replace("END", "end free").replace(
        "export 0.05 EUR/kWh }",
        "export 0.05 EUR/kWh, interval 1 h, demand monthly { 9 EUR/kW on any } }
bus barn { ac 400 V, 3 phase }
producer second : grid { on barn, import up to 9 kW, tariff flat }",
    );
    let words = refused(&meters);
    assert!(words.contains("EVL1001") && words.contains("`utility` and `second`"), "{words}");
}
