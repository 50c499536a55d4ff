//! How near to the best a plan is whose guards it decides itself: the costs are those of a model of the
//! same days written for the purpose, solved to 1e-7, and the plan knows that it has met them.

use evl::bundle::Status;
use evl::system::MemorySystem;

use super::{model_cost, planned_in};

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 40 kW, export up to 20 kW, tariff flat }
consumer house : load { on main, load LOAD kW }
consumer car : ev_charger { on main, demand one of { 0 kW, 3 kW .. 11 kW } }
storage pack : battery {
  on main, capacity CAPACITY kWh, charge up to 5 kW, discharge up to 5 kW, efficiency EFFICIENCY
}
tariff flat {
  import { NIGHT EUR/kWh during daily 00:00..06:00, EVENING EUR/kWh during daily 17:00..21:00, DAY EUR/kWh otherwise }
  export 0.07 EUR/kWh
}
rule trip in contract { deliver TRIP kWh to car between 00:00 and 24:00 daily }
rule guarded in contract { when pack.charge_level GUARD % then limit car to LIMIT kW }
"#;

/// A day: load, capacity, efficiencies, prices of night, evening and day, what the car gets, the guard,
/// the car's limit under it, the level at midnight, and what the best plan costs.
type Day =
    (&'static str, &'static str, &'static str, [&'static str; 3], &'static str, [&'static str; 2], u32, f64);

const DAYS: &[Day] = &[
    ("2.1", "13.2", "96 % / 90 %", ["0.06", "0.28", "0.31"], "62.4", ["< 48", "5"], 8, 15.184824),
    ("1.0", "22.6", "96 % / 86 %", ["0.05", "0.34", "0.08"], "24.8", [">= 70", "0"], 30, 2.688352411),
    ("0.1", "14.2", "86 % / 94 %", ["0.58", "0.11", "0.05"], "62.2", [">= 49", "6"], 97, 2.926159931),
    ("1.9", "26.9", "86 % / 90 %", ["0.09", "0.36", "0.05"], "78.0", ["< 57", "0"], 18, 6.624918804),
    ("3.0", "9.9", "96 % / 93 %", ["0.12", "0.05", "0.34"], "23.9", [">= 17", "3"], 78, 15.2038114),
];

#[test]
fn a_plan_that_is_the_best_knows_it_where_it_decides_its_guards() {
    for (load, capacity, efficiency, [night, evening, day], trip, [guard, limit], level, best) in DAYS {
        let policy = SITE
            .replace("LOAD", load)
            .replace("CAPACITY", capacity)
            .replace("EFFICIENCY", efficiency)
            .replace("NIGHT", night)
            .replace("EVENING", evening)
            .replace("DAY", day)
            .replace("TRIP", trip)
            .replace("GUARD", guard)
            .replace("LIMIT", limit);
        let system = MemorySystem::new()
            .file("site/site.evl", policy.as_str())
            .file("site/evl.yaml", "site: corner\n");
        let state = format!(
            r#"{{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
                 "levels": {{"pack": "{level} %"}}}}"#
        );
        let plan = planned_in(&system, "2026-03-02T00:00:00Z", &state);
        let (cost, gap) = (model_cost(&plan), plan.gap.money.to_f64());
        assert!((cost - best).abs() < 0.01, "{cost} against {best}");
        assert_eq!(plan.status, Status::Optimal, "{cost} with a gap of {gap}");
        assert!(gap >= cost - best - 1e-5, "{cost} with a gap of {gap} against {best}");
    }
}
