//! `life_safety` devices: a plan moves them only towards their safe state, and the verifier holds it to that.

use evl::bundle::{Document, PlanDocument};
use evl::ir::Attr;
use evl::system::MemorySystem;
use evl::verify::verify;

use super::{Built, words};

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 60 kW, export up to 0 kW, tariff flat }
consumer house : load { on main, load 1 kW }
tariff flat { import PRICE EUR/kWh }
"#;

const PUMP: &str = "consumer pump : pump { on main, demand 0 kW .. 45 kW, life_safety on, control advise }\n";
const VENT: &str =
    "consumer vent : fan { on main, demand 0 kW .. 4 kW, default 2 kW, life_safety off, control advise }\n";
const FROM: &str = "2026-03-02T00:00:00Z";

fn built_at(price: &str, more: &str, state: &str) -> Built {
    let system = MemorySystem::new()
        .file("site/site.evl", SITE.replace("PRICE", price) + more)
        .file("site/evl.yaml", "site: corner\n");
    let state = format!(r#"{{"schema": "evl.state/1", "site": "corner", "at": "{FROM}"{state}}}"#);
    Built::new(&system, FROM, &state)
}

fn built(more: &str, state: &str) -> Built {
    built_at("0.20", more, state)
}

fn made(built: &Built) -> PlanDocument {
    let plan = built.plan().map_err(|f| words(&f.findings)).unwrap();
    assert!(verify(&built.bundle, &plan).holds());
    assert_eq!(PlanDocument::read(&plan.bytes()).unwrap(), plan);
    plan
}

/// kW by step.
fn power(plan: &PlanDocument, device: &str) -> Vec<f64> {
    let series = plan.command(device, &Attr::Power).unwrap();
    (0..series.counts.len()).map(|t| series.value(t).unwrap().to_f64()).collect()
}

fn refused(more: &str, state: &str) -> String {
    words(&built(more, state).plan().unwrap_err().findings)
}

const RUNNING: &str = r#", "commands": {"pump": {"power": "30 kW"}}"#;
const IDLE: &str = r#", "on": {"pump": {"on": false, "since": "2026-03-01T00:00:00Z"}}"#;

/// What verification finds where a plan's command of one step is another.
fn forged(built: &Built, plan: &PlanDocument, device: &str, step: usize, count: i64) -> Vec<String> {
    let mut forged = plan.clone();
    let series = forged.commands.iter_mut().find(|series| series.device == device).unwrap();
    series.counts[step] = count;
    verify(&built.bundle, &forged.seal()).misses.into_iter().map(|miss| miss.message).collect()
}

#[test]
fn what_runs_towards_its_safe_state_is_not_stopped() {
    let built = built(PUMP, RUNNING);
    let plan = made(&built);
    assert_eq!(power(&plan, "pump"), [30.0; 4]);
    // 31 kW for four hours at 0.20 EUR, and nobody deciding would let it run as well
    assert_eq!(plan.money.plan_cost, "24.8".parse().unwrap());
    assert_eq!(plan.money.unmanaged, Some("24.8".parse().unwrap()));
    let said = |step, count| forged(&built, &plan, "pump", step, count).join(" | ");
    assert!(said(0, 29_999).contains("moves only towards that, not from 30 kW to 29.999 kW"));
    assert!(said(2, 31_000).contains("not from 31 kW to 30 kW"), "{}", said(2, 31_000));
    // more is nearer to its safe state: only the words and the money of the plan are no longer true
    assert!(!said(3, 31_000).contains("life_safety"), "{}", said(3, 31_000));
}

#[test]
fn a_rule_turns_it_on_and_from_then_on_it_stays() {
    let rule = "rule test in contract { when during daily 01:00..02:00 then limit pump at least 20 kW }\n";
    assert_eq!(power(&made(&built(&(PUMP.to_owned() + rule), IDLE)), "pump"), [0.0, 20.0, 20.0, 20.0]);
    // what it does already is more
    assert_eq!(power(&made(&built(&(PUMP.to_owned() + rule), RUNNING)), "pump"), [30.0; 4]);
    let switched = PUMP.replace("0 kW .. 45 kW", "one of { 0 kW, 45 kW }");
    let rule = "rule test in contract { when during daily 02:00..03:00 then turn on pump }\n";
    assert_eq!(
        made(&built(&(switched + rule), IDLE)).command("pump", &Attr::On).unwrap().counts,
        [0, 0, 1, 1]
    );
}

#[test]
fn no_rule_and_no_price_moves_it_away() {
    let rules = "rule halt in contract { turn off pump }\nrule less in economy { limit pump to 5 kW }\n";
    assert_eq!(power(&made(&built(&(PUMP.to_owned() + rules), RUNNING)), "pump"), [30.0; 4]);
    // and none makes a sink of it
    let paid = built_at("-0.20", PUMP, IDLE);
    assert_eq!(power(&made(&paid), "pump"), [0.0; 4]);
}

#[test]
fn what_is_safe_when_off_only_ever_takes_less() {
    let state = r#", "commands": {"vent": {"power": "1.5 kW"}}"#;
    assert_eq!(power(&made(&built(VENT, state)), "vent"), [1.5; 4]);
    let rule = "rule quiet in contract { when during daily 01:00..02:00 then limit vent to 0.5 kW }\n";
    let guarded = built(&(VENT.to_owned() + rule), r#", "commands": {"vent": {"power": "3 kW"}}"#);
    let plan = made(&guarded);
    // at its default, which is nearer to off than what it does now; then where the rule left it
    assert_eq!(power(&plan, "vent"), [2.0, 0.5, 0.5, 0.5]);
    let said = forged(&guarded, &plan, "vent", 2, 2_000).join(" | ");
    assert!(
        said.contains("`life_safety off` and moves only towards that, not from 0.5 kW to 2 kW"),
        "{said}"
    );
    // a rule that asks more of it has no say
    let rule = "rule loud in contract { limit vent at least 3 kW }\n";
    assert_eq!(power(&made(&built(&(VENT.to_owned() + rule), state)), "vent"), [1.5; 4]);
}

#[test]
fn what_it_does_now_has_to_be_known_unless_it_is_only_observed() {
    let words = refused(PUMP, "");
    assert!(words.starts_with("EVL1003 the state does not say what `pump` does"), "{words}");
    // said to be on, it is on in full
    let on = r#", "on": {"pump": {"on": true, "since": "2026-03-01T00:00:00Z"}}"#;
    assert_eq!(power(&made(&built(PUMP, on)), "pump"), [45.0; 4]);
    let observed = PUMP.replace(", control advise", "");
    assert_eq!(power(&made(&built(&observed, "")), "pump"), [0.0; 4]);
    assert_eq!(power(&made(&built(&observed, RUNNING)), "pump"), [30.0; 4]);
    // nobody commands what is excluded: it is presumed to rest
    let excluded = made(&built(PUMP, r#", "excluded": ["pump"]"#));
    assert!(excluded.command("pump", &Attr::Power).is_none());
}

#[test]
fn limits_give_no_way_to_stop_it() {
    let small = SITE.replace("import up to 60 kW", "import up to 20 kW").replace("PRICE", "0.20");
    let system =
        MemorySystem::new().file("site/site.evl", small + PUMP).file("site/evl.yaml", "site: corner\n");
    let state = format!(r#"{{"schema": "evl.state/1", "site": "corner", "at": "{FROM}"{RUNNING}}}"#);
    let failure = Built::new(&system, FROM, &state).plan().unwrap_err();
    assert!(failure.infeasible && words(&failure.findings).starts_with("EVL1002"), "{:?}", failure.findings);
}

#[test]
fn a_guard_that_the_plan_decides_may_turn_it_on() {
    let more = "storage pack : battery { on main, capacity 10 kWh, charge up to 1 kW, discharge up to 1 kW, \
                efficiency 100 % / 100 %, end free }\n\
                rule low in contract { when pack.charge_level < 30 % then limit pump at least 10 kW }\n";
    let state = |level: &str| format!(r#"{IDLE}, "levels": {{"pack": "{level} %"}}"#);
    // it is below at once, and whatever the pack does then, the pump runs on
    assert_eq!(power(&made(&built(&(PUMP.to_owned() + more), &state("20"))), "pump"), [10.0; 4]);
    // 3.5 kWh may give half a kWh: to give a whole one in the last hour starts nothing any more
    let plan = made(&built(&(PUMP.to_owned() + more), &state("35")));
    assert_eq!(power(&plan, "pump"), [0.0; 4]);
    assert!((plan.money.plan_cost.to_f64() - 0.2 * 2.5).abs() < 0.001, "{}", plan.money.plan_cost);
}

#[test]
fn a_need_that_is_safe_when_on_is_never_shed() {
    let need = |safe: &str| {
        format!("consumer lamps : lighting {{ on main, needs 6 kW may shed at 0.05 EUR/kWh{safe} }}\n")
    };
    let cost = |safe: &str| made(&built(&need(safe), "")).money.plan_cost;
    assert_eq!(cost(""), "2".parse().unwrap());
    assert_eq!(cost(", life_safety on"), "5.6".parse().unwrap());
    let words = refused(&need(", life_safety off"), "");
    assert!(words.starts_with("EVL1001") && words.contains("a need that may be shed"), "{words}");
}

#[test]
fn an_emergency_generator_that_runs_is_not_stopped() {
    let engine = "producer engine : generator { on main, rated 8 kW, fuel 0.50 EUR/kWh, life_safety on, \
                  control advise }\n";
    let state = r#", "commands": {"engine": {"power": "1 kW"}}"#;
    let plan = made(&built(engine, state));
    assert_eq!(power(&plan, "engine"), [1.0; 4]);
    assert_eq!(plan.money.plan_cost, "2".parse().unwrap());
}

#[test]
fn what_has_no_direction_towards_safety_is_refused() {
    let store = "storage pack : battery { on main, capacity 10 kWh, charge up to 1 kW, discharge up to 1 kW, \
                 efficiency 90 %, life_safety on }\n";
    let words = refused(store, r#", "levels": {"pack": "20 %"}"#);
    assert!(words.starts_with("EVL1001 understood, not planned yet: a store"), "{words}");
}

#[test]
fn the_harbors_fire_pump_runs_on_where_it_runs() {
    let plan = made(&super::examples::harbor_with(
        "2026-07-22T07:00:00Z",
        r#""commands": {"fire_pump": {"power": "45 kW"}}, "#,
    ));
    assert!(power(&plan, "fire_pump").iter().all(|kw| *kw == 45.0));
    let plan = made(&super::examples::harbor());
    assert!(power(&plan, "fire_pump").iter().all(|kw| *kw == 0.0));
}
