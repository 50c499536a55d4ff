//! States of another time: the command as a user runs it.

use std::ffi::OsString;

use evl::bundle::{Document, PlanDocument};
use evl::system::MemorySystem;

const SITE: &str = r#"
edition 2026
site hut {
  timezone "UTC", currency EUR, step 15 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 30 kW, tariff flat }
storage pack : battery { on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 95 % }
tariff flat { import 0.20 EUR/kWh }
"#;

/// Exit code, what was said, and the plan from 06:00 with a state of an instant.
fn planned(at: &str) -> (u8, String, Option<PlanDocument>) {
    let state =
        format!(r#"{{"schema": "evl.state/1", "site": "hut", "at": "{at}", "levels": {{"pack": "5 kWh"}}}}"#);
    let system = MemorySystem::new()
        .file("s/site.evl", SITE)
        .file("s/evl.yaml", "site: hut\n")
        .file("state.json", state.as_str());
    let line = "evl plan s --from 2026-03-02T06:00 --state state.json -o plan.json";
    let exit = evl::cli::run(line.split_whitespace().map(OsString::from), &system);
    let files = system.files();
    let plan = files.get(std::path::Path::new("/plan.json")).map(|bytes| PlanDocument::read(bytes).unwrap());
    (exit.number(), system.said(), plan)
}

#[test]
fn a_state_of_the_plans_beginning_needs_no_word() {
    for at in ["2026-03-02T06:00:00Z", "2026-03-02T05:45:00Z"] {
        let (exit, said, plan) = planned(at);
        assert_eq!((exit, said.as_str()), (0, ""), "{at}");
        assert!(!plan.unwrap().assumptions.iter().any(|a| a.contains("the state is of")));
    }
}

#[test]
fn an_older_state_is_presumed_to_hold_aloud() {
    let (exit, said, plan) = planned("2026-03-02T05:44:00Z");
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("warning[EVL1004]: the state is of Mon 2026-03-02 05:44"), "{said}");
    assert!(plan.unwrap().assumptions.iter().any(|a| a.starts_with("the state is of Mon 2026-03-02 05:44")));
}

#[test]
fn a_state_of_years_ago_is_no_beginning() {
    let (exit, said, plan) = planned("2020-03-02T06:00:00Z");
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("error[EVL1004]: the state is of 2020-03-02T06:00:00Z"), "{said}");
    assert!(plan.is_none());
}
