//! A zone's setpoint from text to the register of its thermostat, and what is done where that does not
//! answer.

use std::collections::BTreeMap;

use evl::bundle::profile::{EMBEDDED, Profile};
use evl::bundle::{Bundle, PlanDocument, State};
use evl::calendar::{Calendar, Instant};
use evl::diag::{ExitCode, codes};
use evl::ir::Attr;
use evl::plan::Options as PlanOptions;
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
gateway hall_box
weather { source feed.weather, temperature -40 degC .. 60 degC }
feed weather { file "w.csv", time utc, stamp start, step 1 h, column temperature "t" degC }
producer utility : grid { on main, import up to 12 kW, export up to 5 kW, tariff flat }
consumer rooms : load { on main, load 1 kW }
consumer pump : heat_pump { on main, demand 0 kW .. 10 kW, heats hall, cop 3 }
storage pack : battery {
  on main, capacity 20 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 95 % / 95 %, end at least 90 %
  gateway cellar, profile "sunspec/battery", control command, fail_safe 0 kW by reversion
}
control lobby : thermostat { controls hall, gateway hall_box, profile "generic/thermostat", control command }
zone hall { heat_capacity 1 kWh/K, heat_loss 1 kW/K, temperature 20 degC .. 22 degC in comfort }
tariff flat { import 0.20 EUR/kWh, export 0.05 EUR/kWh }
"#;

fn profile(name: &str) -> Profile {
    serde_yaml::from_str(EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1).unwrap()
}

/// A thermostat that cools as well, behind a wider connection.
fn cooled() -> String {
    let chiller =
        "consumer cold : chiller { on main, demand 0 kW .. 10 kW, cools hall, cop 3 }\ncontrol lobby";
    SITE.replace("control lobby", chiller)
        .replace("generic/thermostat", "generic/changeover-thermostat")
        .replace("import up to 12 kW", "import up to 24 kW")
}

fn inventory(site: &str, cellar: u16, hall: u16) -> String {
    format!(
        r#"
hosts: {{ pc: {{ gateways: [cellar, hall_box] }} }}
gateways:
  cellar: {{ transport: modbus_tcp, host: 127.0.0.1, port: {cellar}, timeout: 300 ms }}
  hall_box: {{ transport: modbus_tcp, host: 127.0.0.1, port: {hall}, timeout: 300 ms }}
devices:
  pack:
    {{ gateway: cellar, unit: 2, serial: P-1, ratings: {{ max_power: 5 kW, capacity: 20 kWh }}, commissioned: {{ serial: P-1, profile: "{}", on: 2026-03-01 }} }}
  lobby:
    {{ gateway: hall_box, unit: 9, commissioned: {{ serial: none, profile: "{}", on: 2026-03-01 }} }}
"#,
        profile("sunspec/battery").hash(),
        profile(thermostat(site)).hash()
    )
}

/// The profile of the thermostat of a site.
fn thermostat(site: &str) -> &'static str {
    if site.contains("generic/changeover-thermostat") {
        "generic/changeover-thermostat"
    } else {
        "generic/thermostat"
    }
}

/// The house with its plan; its gateways at these ports of this computer.
fn house(site: &str, cellar: u16, hall: u16) -> (Papers, PlanDocument) {
    let system = MemorySystem::new()
        .file("site/site.evl", site)
        .file("site/evl.yaml", "site: house\n")
        .file("site/inventory/plant.yaml", inventory(site, cellar, hall).as_str())
        .file(
            "site/w.csv",
            "time,t\n2026-03-02T00:00Z,5\n2026-03-02T01:00Z,5\n2026-03-02T02:00Z,5\n2026-03-02T03:00Z,5\n",
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
        "levels": {"pack": "55 %"}, "temperatures": {"hall": "20 degC"}}"#;
    let state = State::load(state.as_bytes(), &site).map_err(|f| words(&f)).unwrap();
    let profiles = repository.profiles.iter().map(|(name, p)| (name.clone(), p.profile.clone())).collect();
    let inventory = repository.inventory.clone();
    let bundle = Bundle::new(site, profiles, &inventory, BTreeMap::new());
    let plan = evl::plan::plan(&bundle, &inputs, &state, &PlanOptions::from(from));
    let plan = plan.map_err(|f| words(&f.findings)).unwrap();
    (Papers::new(bundle, inventory).unwrap(), plan)
}

/// Its devices, served.
async fn served(site: &str) -> (Plant, u16, u16) {
    let (papers, _) = house(site, 1, 2);
    let sim = Plant::new(plant_of(&papers.bundle, &papers.inventory), 1);
    // the pack stands idle
    for (point, raw) in [("charge_rate", 0), ("discharge_rate", 0), ("mode", 3)] {
        sim.poke("pack", point, raw);
    }
    let ports = sim.serve(0).await.unwrap();
    (sim, ports["cellar"], ports["hall_box"])
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
async fn the_plans_setpoint_is_written_and_read_back() {
    let (sim, cellar, hall) = served(SITE).await;
    let (papers, plan) = house(SITE, cellar, hall);
    let counts = &plan.command("hall", &Attr::Setpoint).unwrap().counts;
    let folder = tempfile::tempdir().unwrap();
    for (step, minute) in [(0, 5), (1, 65)] {
        let report = applied(&papers, &plan, folder.path(), minute).await;
        assert_eq!(report.exit_code(), ExitCode::Success, "{}\n{:?}", report.words(), report.findings);
        assert_eq!((sim.peek("lobby", "setpoint"), sim.peek("lobby", "mode")), (Some(counts[step]), Some(2)));
        assert_eq!(sim.peek("lobby", "kept"), Some(counts[step] * 5), "in tenths of a degree");
        let words = report.words();
        assert!(words.contains("20 degC"), "{words}");
    }
    // until its thermostat has the setpoint the pump may take all it can: the pack waits for that
    let writes: Vec<_> = sim.log().into_iter().map(|entry| entry.device).collect();
    let first = |name: &str| writes.iter().position(|device| device == name);
    assert!(first("lobby") < first("pack"), "{writes:?}");
}

#[tokio::test]
async fn without_its_thermostat_a_machine_may_take_all_it_can() {
    let (sim, cellar, _) = served(SITE).await;
    // nobody listens where the thermostat should be
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (papers, plan) = house(SITE, cellar, closed);
    let folder = tempfile::tempdir().unwrap();
    let report = applied(&papers, &plan, folder.path(), 5).await;
    // 10 kW of the pump, 1 kW of the rooms and 5 kW of the pack are more than 12 kW
    let found: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert!(found.contains(&codes::NO_SAFE_ORDER), "{}\n{:?}", report.words(), report.findings);
    assert_eq!(sim.log(), vec![], "nothing was written");
}

#[tokio::test]
async fn a_setpoint_that_is_not_kept_is_a_failure() {
    let (sim, cellar, hall) = served(SITE).await;
    let (papers, plan) = house(SITE, cellar, hall);
    // its register takes the value and it keeps another one
    sim.inject(serde_json::from_str(r#"{"device":"lobby","point":"setpoint","kind":"stuck"}"#).unwrap());
    sim.poke("lobby", "setpoint", 60);
    let folder = tempfile::tempdir().unwrap();
    let report = applied(&papers, &plan, folder.path(), 5).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}\n{:?}", report.words(), report.findings);
    assert!(report.words().contains("reads 60"), "{}", report.words());
    // the pump may still take all it can, so the pack does not begin
    assert!(sim.log().iter().all(|entry| entry.device == "lobby"), "{:?}", sim.log());
}

#[tokio::test]
async fn until_its_setpoint_is_there_all_that_follows_it_may_take_all_it_can() {
    let site = cooled();
    let (sim, cellar, hall) = served(&site).await;
    let (papers, plan) = house(&site, cellar, hall);
    let folder = tempfile::tempdir().unwrap();
    let report = applied(&papers, &plan, folder.path(), 5).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}\n{:?}", report.words(), report.findings);
    // it is kept at 20 degC by a setpoint half a dead band above
    assert_eq!((sim.peek("lobby", "setpoint"), sim.peek("lobby", "mode")), (Some(41), Some(2)));
    // 10 + 10 kW of what follows, 1 kW of the rooms and 5 kW of the pack are more than 24 kW
    let writes: Vec<_> = sim.log().into_iter().map(|entry| entry.device).collect();
    let first = |name: &str| writes.iter().position(|device| device == name);
    assert!(first("lobby") < first("pack"), "{writes:?}");

    // and without the thermostat there is no order; with one of the two alone there would be
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (sim, cellar, _) = served(&site).await;
    let (papers, plan) = house(&site, cellar, closed);
    let folder = tempfile::tempdir().unwrap();
    let report = applied(&papers, &plan, folder.path(), 5).await;
    let found: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert!(found.contains(&codes::NO_SAFE_ORDER), "{}\n{:?}", report.words(), report.findings);
    assert_eq!(sim.log(), vec![], "nothing was written");
}
