//! Zones that nothing heats or cools: their band is asked of them all the same.
//!
//! The shed has 4 kWh/K and loses 1 kW/K: it keeps exp(-1/4) = 0.7788 of its distance to the outdoors in an
//! hour.

use evl::bundle::{Document, PlanDocument, Quantity};
use evl::system::MemorySystem;
use evl::verify::verify;

use super::setpoints::{derived, near};
use super::{Built, words};

const SITE: &str = r#"
edition 2026
site yard {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
weather { source feed.weather, temperature -40 degC .. 60 degC }
feed weather { file "w.csv", time utc, stamp start, step 1 h, column temperature "t" degC }
producer utility : grid { on main, import up to 30 kW, export up to 0 kW, tariff flat }
consumer rooms : load { on main, load 2 kW }
tariff flat { import 0.20 EUR/kWh }
zone shed { heat_capacity 4 kWh/K, heat_loss 1 kW/K, temperature 16 degC .. 24 degC in comfort }
"#;

fn built(more: &str, outdoor: f64, start: f64) -> Built {
    let rows: String = (0..6).map(|hour| format!("2026-03-02T0{hour}:00Z,{outdoor}\n")).collect();
    let system = MemorySystem::new()
        .file("site/site.evl", format!("{SITE}{more}").as_str())
        .file("site/evl.yaml", "site: yard\n")
        .file("site/w.csv", format!("time,t\n{rows}").as_str());
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "yard", "at": "2026-03-02T00:00:00Z",
            "temperatures": {{"shed": "{start} degC"}}}}"#
    );
    Built::new(&system, "2026-03-02T00:00:00Z", &state)
}

fn planned(built: &Built) -> PlanDocument {
    built.plan().map_err(|f| words(&f.findings)).unwrap()
}

#[test]
fn a_zone_that_leaves_its_band_is_named() {
    // 5 + 15 x 0.7788 = 16.68 degC at first, and then 14.10, 12.09 and 5 + 15 / e = 10.518: below 16
    for more in ["", "rule calm in economy { limit utility.import to 5 kW }\n"] {
        let found = words(&built(more, 5.0, 20.0).plan().unwrap_err().findings);
        assert!(found.contains("EVL1002") && found.contains("`shed`"), "{found}");
        assert!(found.contains("comfort of shed") && found.contains("5.482 K"), "{found}");
    }
    let held = planned(&built("", 14.0, 20.0));
    assert!(held.breaches.is_empty());
    near(&derived(&held, "shed", Quantity::Temperature)[..1], &[14.0 + 6.0 * 0.778_800_783_071]);
}

#[test]
fn a_zone_found_outside_its_band_is_told_until_it_is_back() {
    let built = built("", 25.0, 10.0);
    let plan = planned(&built);
    // 13.32, 15.90 and 17.91 degC
    assert_eq!(plan.breaches.len(), 1, "{:?}", plan.breaches);
    let mut silent = plan.clone();
    silent.breaches.clear();
    let misses = verify(&built.bundle, &silent.seal()).misses;
    assert!(misses.iter().any(|miss| miss.message.contains("shed")), "{misses:?}");
}
