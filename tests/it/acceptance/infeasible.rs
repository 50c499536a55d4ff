//! Policies for which no plan exists: which statements, from when, by how much, and the way out.

use evl::diag::Diagnostic;
use evl::system::MemorySystem;

use super::try_planned;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 10 kW, export up to 0 kW, tariff flat }
consumer house : load { on main, load 2 kW }
consumer car : ev_charger { on main, demand 0 kW .. 11 kW }
consumer washer : pump { on main, demand one of { 0 kW, 3 kW } }
consumer pump : pump { on main, demand one of { 0 kW, 3 kW } }
consumer heater : boiler { on main, demand 0 kW .. 12 kW, heats hall, cop 1 }
zone hall { heat_capacity 10 kWh/K, heat_loss 1 kW/K, temperature 0 degC .. 40 degC in comfort }
weather { temperature 10 degC .. 10 degC }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 1 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
tariff flat { import { 0.40 EUR/kWh during daily 03:00..06:00, 0.20 EUR/kWh otherwise } }
RULES
"#;

/// What the plan is refused with: message, notes, help.
fn refused(rules: &str) -> String {
    let policy = SITE.replace("RULES", rules);
    let system =
        MemorySystem::new().file("site/site.evl", policy.as_str()).file("site/evl.yaml", "site: corner\n");
    let state = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
      "levels": {"pack": "0 kWh"}, "temperatures": {"hall": "20 degC"},
      "signals": {"weather.temperature": "10 degC"}}"#;
    let failure = try_planned(&system, "2026-03-02T00:00:00Z", state).unwrap_err();
    assert!(failure.infeasible, "{}", super::words(&failure.findings));
    failure.findings.iter().map(lines).collect::<Vec<_>>().join("\n\n")
}

fn lines(finding: &Diagnostic) -> String {
    let mut lines = vec![format!("{} {}", finding.code, finding.message)];
    lines.extend(finding.labels.iter().map(|label| format!("at: {}", label.text)));
    lines.extend(finding.notes.iter().map(|note| format!("because: {note}")));
    lines.extend(finding.help.iter().map(|help| format!("help: {help}")));
    lines.join("\n")
}

#[test]
fn a_delivery_that_the_grid_cannot_carry() {
    insta::assert_snapshot!(refused(
        "rule night in contract { deliver 60 kWh to car between 00:00 and 06:00 daily }"
    ));
}

#[test]
fn two_deliveries_of_one_class_and_a_limit() {
    insta::assert_snapshot!(refused(
        "rule night in contract { deliver 20 kWh to car between 01:00 and 04:00 daily }\n\
             rule cap in contract { limit car to 5 kW }\n\
             rule other in contract { limit heater to 1 kW }"
    ));
}

#[test]
fn a_level_that_cannot_be_reached_names_the_first_step() {
    insta::assert_snapshot!(refused(
        "rule reserve in contract { during daily 03:00..06:00 then keep pack.charge_level at least 60 % }"
    ));
}

#[test]
fn a_budget_against_a_run() {
    insta::assert_snapshot!(refused(
        "rule wash in contract { run washer for 4 h between 00:00 and 06:00 daily }\n\
             budget little in contract { consumption of washer at most 9 kWh per day }"
    ));
}

/// Nobody commands what the house takes, however little that would cost.
#[test]
fn a_load_that_is_only_measured_is_no_way_out() {
    let said = refused("rule little in contract { limit utility.import to 1 kW }");
    insta::assert_snapshot!(said);
    let help = |said: &str| said.rsplit("help: ").next().unwrap_or_default().to_owned();
    assert!(!help(&said).contains("house"), "{said}");
    // where such loads are all that clashes with what the grid gives, more supply is
    let said = refused("consumer bakery : load { on main, load 9 kW }");
    insta::assert_snapshot!("a_load_above_the_grid", said);
    assert!(!help(&said).contains("house") && !help(&said).contains("bakery"), "{said}");
}

#[test]
fn machines_that_only_run_whole_clash_only_as_whole_ones() {
    // 3 kW of either for half of each hour would fit under 4 kW together
    insta::assert_snapshot!(refused(
        "rule wash in contract { run washer for 4 h without interruption between 00:00 and 06:00 daily }\n\
             rule water in contract { run pump for 4 h without interruption between 00:00 and 06:00 daily }\n\
             rule both in contract { limit wet to 4 kW together }\n\
             group wet = consumer where kind = pump"
    ));
}

#[test]
fn comfort_that_heat_cannot_hold() {
    insta::assert_snapshot!(refused(
        "rule warm in contract { during daily 02:00..06:00 then hold hall.temperature at least 24 degC }\n\
             rule calm in contract { limit heater to 6 kW }"
    ));
}
