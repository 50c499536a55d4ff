//! A pack that keeps the meter of its grid, from text to its registers.

use std::collections::BTreeMap;

use evl::bundle::profile::{EMBEDDED, Profile};
use evl::bundle::{Bundle, PlanDocument, State};
use evl::calendar::{Calendar, Instant};
use evl::diag::{ExitCode, codes};
use evl::plan::Options as PlanOptions;
use evl::quantity::Rat;
use evl::repo::Repository;
use evl::runtime::apply::{Options, apply};
use evl::runtime::load::Papers;
use evl::runtime::report::Report;
use evl::sim::{Plant, plant_of};
use evl::system::MemorySystem;

use crate::acceptance::words;

const FROM: &str = "2026-03-02T00:00:00Z";

const SITE: &str = r#"
edition 2026
site house {
  timezone "UTC", currency EUR, step 60 min, horizon 3 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
gateway cellar
feed sun { file "p.csv", time utc, stamp start, step 1 h, column "sun", unit kW }
producer utility : grid { on main, import up to 12 kW, export up to 8 kW, tariff flat }
producer solar : pv {
  on main, rated 5 kW, output feed.sun
  gateway cellar, profile "sunspec/inverter", control command, fail_safe 5 kW by reversion
}
storage pack : battery {
  on main, capacity 20 kWh, charge up to 6 kW, discharge up to 6 kW, efficiency 95 % / 95 %, end free
  gateway cellar, profile "generic/storage", control command, fail_safe 0 kW by reversion
}
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh }
rule own_use in economy { when during daily 00:00..01:00 then follow utility.import at 0 kW with pack }
rule sell in economy { when during daily 01:00..02:00 then follow utility.export at 1.5 kW with pack }
rule still in economy { when during daily 02:00..03:00 then limit pack.charge to 0 kW, limit pack.discharge to 0 kW }
MORE
"#;

fn profile(name: &str) -> Profile {
    serde_yaml::from_str(EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1).unwrap()
}

fn inventory(cellar: u16) -> String {
    format!(
        r#"
hosts: {{ pc: {{ gateways: [cellar] }} }}
gateways:
  cellar: {{ transport: modbus_tcp, host: 127.0.0.1, port: {cellar}, timeout: 300 ms }}
devices:
  solar:
    {{ gateway: cellar, unit: 1, serial: S-1, ratings: {{ power: 5 kW }}, commissioned: {{ serial: S-1, profile: "{}", on: 2026-03-01 }} }}
  pack:
    {{ gateway: cellar, unit: 2, ratings: {{ power: 6 kW, capacity: 20 kWh }}, commissioned: {{ serial: none, profile: "{}", on: 2026-03-01 }} }}
"#,
        profile("sunspec/inverter").hash(),
        profile("generic/storage").hash()
    )
}

/// The house with its plan or why there is none; its gateway at this port of this computer.
fn house(cellar: u16, more: &str) -> Result<(Papers, PlanDocument), String> {
    let system = MemorySystem::new()
        .file("site/site.evl", SITE.replace("MORE", more).as_str())
        .file("site/evl.yaml", "site: house\n")
        .file("site/inventory/plant.yaml", inventory(cellar).as_str())
        .file(
            "site/p.csv",
            "time,sun\n2026-03-02T00:00Z,4\n2026-03-02T01:00Z,4\n2026-03-02T02:00Z,4\n2026-03-02T03:00Z,4\n",
        );
    let mut repository = Repository::open(&system, std::path::Path::new("site")).unwrap();
    let compiled = evl::sema::compile(&repository);
    assert!(!compiled.findings.has_errors(), "{}", words(&compiled.findings));
    let site = compiled.site.unwrap();
    let from: Instant = FROM.parse().unwrap();
    let span = (from, from.plus(site.horizon_s));
    let calendar = Calendar::new(&site).unwrap();
    let inputs = evl::inputs::load(&mut repository, &site, &calendar, span).map_err(|f| words(&f)).unwrap();
    let state = r#"{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z",
        "levels": {"pack": "55 %"}}"#;
    let state = State::load(state.as_bytes(), &site).map_err(|f| words(&f)).unwrap();
    let profiles = repository.profiles.iter().map(|(name, p)| (name.clone(), p.profile.clone())).collect();
    let inventory = repository.inventory.clone();
    let bundle = Bundle::new(site, profiles, &inventory, BTreeMap::new());
    let plan = evl::plan::plan(&bundle, &inputs, &state, &PlanOptions::from(from));
    let plan = plan.map_err(|f| words(&f.findings))?;
    Ok((Papers::new(bundle, inventory).unwrap(), plan))
}

/// Its devices, served.
async fn served() -> (Plant, u16) {
    let (papers, _) = house(1, "").unwrap();
    let sim = Plant::new(plant_of(&papers.bundle, &papers.inventory), 1);
    let ports = sim.serve(0).await.unwrap();
    (sim, ports["cellar"])
}

async fn applied(papers: &Papers, plan: &PlanDocument, folder: &std::path::Path, minute: i64) -> Report {
    let options = Options {
        state_dir: folder.join("state"),
        yes: true,
        once: true,
        now: Some(plan.from.plus(60 * minute)),
        ..Options::default()
    };
    apply(&evl::system::RealSystem::new(), papers, plan, &options).await
}

#[tokio::test]
async fn the_meters_target_is_written_and_the_pack_keeps_it() {
    let (sim, cellar) = served().await;
    let (papers, plan) = house(cellar, "").unwrap();
    assert_eq!(plan.following[0].targets, [Some(0), Some(-150), None]);
    let folder = tempfile::tempdir().unwrap();
    let kw = |tenths: i64| Rat::ratio(i128::from(tenths), 10).unwrap();
    // the sun gives 4 kW: all of it, 2.5 kW of it, and then it stands still by a command of its own
    let expected = [
        (5, 0, 2, kw(-40), "keeps the meter at 0 kW import"),
        (65, 65_386, 2, kw(-25), "keeps the meter at 1.5 kW export"),
        (125, 65_386, 1, kw(0), "-> idle"),
    ];
    for (minute, meter, mode, power, said) in expected {
        let report = applied(&papers, &plan, folder.path(), minute).await;
        assert_eq!(report.exit_code(), ExitCode::Success, "{}\n{:?}", report.words(), report.findings);
        assert_eq!((sim.peek("pack", "meter"), sim.peek("pack", "mode")), (Some(meter), Some(mode)));
        assert_eq!(sim.power("pack"), Some(power), "{}", report.words());
        assert!(report.words().contains(said), "{}", report.words());
    }
    // what is held already is not written again
    let before = sim.log().len();
    let report = applied(&papers, &plan, folder.path(), 126).await;
    assert_eq!((report.exit_code(), sim.log().len()), (ExitCode::Success, before), "{}", report.words());
}

#[tokio::test]
async fn a_mode_that_is_not_taken_is_undone() {
    let (sim, cellar) = served().await;
    let (papers, plan) = house(cellar, "").unwrap();
    sim.inject(serde_json::from_str(r#"{"device":"pack","point":"mode","kind":"stuck"}"#).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let report = applied(&papers, &plan, folder.path(), 5).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}\n{:?}", report.words(), report.findings);
    assert_eq!(sim.peek("pack", "mode"), Some(0));
}

#[test]
fn less_than_its_own_range_has_no_words_in_its_profile() {
    let refused = house(1, "rule calm in contract { limit pack.discharge to 1 kW }").unwrap_err();
    let code = codes::NOT_PLANNED_YET.to_string();
    assert!(refused.starts_with(&code) && refused.contains("less than its own discharge"), "{refused}");
}
