//! Gateways that do not answer: named within a second, once each, with nothing written, and what the
//! safety class asks of them tried for as long as the rest lasts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use evl::bundle::CommandForm;
use evl::diag::{ExitCode, codes};
use evl::ir::Attr;
use evl::runtime::load::Papers;
use evl::runtime::report::Report;
use evl::sim::{DeviceSpec, GatewaySpec, Plant, small_plant};
use tokio::time::Instant;

use super::strange::{Strange, Way};
use super::yard::{
    Host, co_profile, co_rule, ends, garage, garage_papers, inventory_text, papers, plan, usual, yard,
};

/// Register of the sensor.
pub(super) const AIR: u16 = 10;

/// A port at which nobody listens.
fn nobody() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The inverter behind one gateway, the rest and a CO sensor as unit 9 behind another.
pub(super) async fn field(speed: u32) -> (Plant, u16, u16) {
    let all = small_plant().remove(0).devices;
    let (roof, mut plant): (Vec<DeviceSpec>, Vec<DeviceSpec>) =
        all.into_iter().partition(|device| device.name == "solar");
    plant.push(DeviceSpec {
        name: "garage_co".to_owned(),
        unit: 9,
        profile: co_profile(AIR),
        serial: String::new(),
        ratings: std::collections::BTreeMap::new(),
    });
    let gateways = [("roof", roof), ("plant", plant)];
    let gateways = gateways.map(|(name, devices)| GatewaySpec { name: name.to_owned(), devices }).to_vec();
    let sim = Plant::new(gateways, speed);
    let ports = sim.serve(0).await.unwrap();
    (sim, ports["roof"], ports["plant"])
}

fn garage_at(roof: u16, plant: u16) -> Papers {
    garage_papers(garage(), roof, plant, 9, AIR)
}

async fn timed(work: impl Future<Output = Report>) -> (Report, Duration) {
    let start = Instant::now();
    let report = work.await;
    (report, start.elapsed())
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn all_dead_gateways_are_named_within_a_second_once_each() {
    for way in [None, Some(Way::Mute), Some(Way::Closes), Some(Way::Http), Some(Way::Huge), Some(Way::Flood)]
    {
        let (sim, roof, plant) = field(1).await;
        let (roof, plant) = match way {
            None => (nobody(), nobody()),
            Some(way) => (Strange::start(roof, way).await.port, Strange::start(plant, way).await.port),
        };
        // the sensor is behind a dead gateway, so the safety class commands the inverter behind another
        let papers = garage_at(roof, plant);
        let host = Host::new();
        let (report, took) = timed(host.apply(&papers, &plan(&papers, 1, &usual()))).await;
        assert!(took < SECOND, "{way:?}: {took:?}");
        assert_eq!(
            ends(&report),
            (ExitCode::Unknown, vec![codes::DEAD_GATEWAY; 2]),
            "{way:?}: {} {:?}",
            report.words(),
            report.findings
        );
        assert_eq!(report.safe_command.as_deref(), Some("evl apply"), "{way:?}");
        let of = |gateway: &str| {
            let begins = format!("the gateway `{gateway}` at 127.0.0.1:");
            report.findings.iter().find(|finding| finding.message.starts_with(&begins)).unwrap()
        };
        assert!(
            of("plant").notes.contains(&"`charger`, `pack` take no part".to_owned()),
            "{:?}",
            of("plant")
        );
        let lost = "`garage_co.ppm` cannot be read: `co_alarm` counts as active";
        assert!(of("plant").notes.contains(&lost.to_owned()), "{:?}", of("plant"));
        let safety = "`co_alarm` commands `solar`, which is not known to obey";
        assert!(of("roof").notes.contains(&safety.to_owned()), "{:?}", of("roof"));
        assert_eq!(sim.log(), vec![], "{way:?}");

        let (status, took) = timed(host.status(&papers)).await;
        assert!(took < SECOND, "{way:?}: {took:?}");
        assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DEAD_GATEWAY; 2]), "{way:?}");
        let (release, took) = timed(host.release(&papers)).await;
        assert!(took < SECOND, "{way:?}: {took:?}");
        let held = vec![codes::DEAD_GATEWAY, codes::DEAD_GATEWAY, codes::LIVE_RULE];
        assert_eq!(ends(&release), (ExitCode::Unknown, held), "{way:?}");
        assert_eq!(sim.log(), vec![], "{way:?}");
    }
}

#[tokio::test]
async fn a_plan_for_dead_gateways_alone_is_refused_within_a_second() {
    for way in [None, Some(Way::Mute)] {
        let (sim, roof, plant) = field(1).await;
        let roof = match way {
            None => nobody(),
            Some(way) => Strange::start(roof, way).await.port,
        };
        let papers = papers(yard(), &inventory_text(roof, plant));
        let solar = [("solar", Attr::Power, CommandForm::AtMost, 450)];
        let (report, took) = timed(Host::new().apply(&papers, &plan(&papers, 1, &solar))).await;
        assert!(took < SECOND, "{took:?}");
        assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::DEAD_GATEWAY]), "{}", report.words());
        assert_eq!(sim.log(), vec![]);
    }
}

#[tokio::test]
async fn safety_is_tried_beside_the_rest_until_the_gateway_answers() {
    let (sim, roof, plant) = field(1).await;
    sim.poke("garage_co", "ppm", 100);
    let roof = Strange::start(roof, Way::Plain).await;
    roof.dead.store(true, Ordering::Relaxed);
    let papers = garage_at(roof.port, plant);
    let host = Host::new();
    // it comes back while the rest of the plan is being written
    let dead = roof.dead.clone();
    host.just_before("intent", move || dead.store(false, Ordering::Relaxed));
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{} {:?}", report.words(), report.findings);
    assert_eq!(
        sim.power("solar").unwrap().to_string(),
        "0",
        "disconnected although it did not answer at first"
    );
    assert_eq!(sim.power("charger").unwrap().to_string(), "-11.04", "the rest goes on");
    assert!(report.safety.iter().any(|device| device.device == "solar"), "{}", report.words());
    let journal = host.journal();
    assert!(journal.contains("\"safety\"") && journal.contains("\"secured\""), "{journal}");
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::LIVE_RULE]), "{}", status.words());
}

#[tokio::test]
async fn the_rest_goes_on_while_safety_waits_in_vain() {
    let (sim, roof, plant) = field(1).await;
    sim.poke("garage_co", "ppm", 100);
    let roof = Strange::start(roof, Way::Mute).await;
    let papers = garage_at(roof.port, plant);
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Unknown, vec![codes::DEAD_GATEWAY]), "{}", report.words());
    assert_eq!(sim.power("charger").unwrap().to_string(), "-11.04");
}

#[tokio::test]
async fn a_gateway_that_dies_under_way_is_told_once_and_soon() {
    let (sim, roof, plant) = field(1).await;
    let plant = Strange::start(plant, Way::Plain).await;
    let papers = papers(yard(), &inventory_text(roof, plant.port));
    let host = Host::new();
    let dead = plant.dead.clone();
    host.just_before("intent", move || dead.store(true, Ordering::Relaxed));
    let (report, took) = timed(host.apply(&papers, &plan(&papers, 1, &usual()))).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(
        ends(&report),
        (ExitCode::Unknown, vec![codes::STATE_UNKNOWN]),
        "{} {:?}",
        report.words(),
        report.findings
    );
    assert!(
        report.findings[0].message.starts_with("the gateway `plant` at 127.0.0.1:"),
        "{:?}",
        report.findings
    );
    assert_eq!(sim.power("solar").unwrap().to_string(), "4.5", "the other gateway stands");
}

#[tokio::test]
async fn one_device_that_keeps_silent_is_no_dead_gateway() {
    let (sim, roof, plant) = field(1).await;
    // the battery, which is asked first or second, and never the gateway
    for unit in [2, 4] {
        let strange = Strange::start(plant, Way::Deaf(unit)).await;
        let papers = papers(yard(), &inventory_text(roof, strange.port));
        let (report, took) = timed(Host::new().apply(&papers, &plan(&papers, 1, &usual()))).await;
        assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::STATE_UNKNOWN]), "{}", report.words());
        assert_eq!(report.excluded.len(), 1, "{}", report.words());
        assert!(took < Duration::from_secs(5), "{took:?}");
        sim.heal();
    }
}

/// A sensor that says nothing is asked beside the others, who show that its gateway lives.
#[tokio::test]
async fn a_sensor_that_keeps_silent_is_no_dead_gateway_either() {
    let (sim, roof, plant) = field(1).await;
    let strange = Strange::start(plant, Way::Deaf(9)).await;
    let papers = garage_at(roof, strange.port);
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    let (_, codes) = ends(&report);
    assert!(!codes.contains(&codes::DEAD_GATEWAY), "{:?}", report.findings);
    let lost = report.findings.iter().find(|finding| finding.code == codes::LOST_READING).unwrap();
    assert!(lost.message.starts_with("`garage_co.ppm` cannot be read: it gives no answer"), "{lost:?}");
    assert!(lost.message.ends_with("although its gateway answers"), "{lost:?}");
    assert_eq!(lost.notes, ["`co_alarm` counts as active"]);
    assert_eq!(sim.power("solar").unwrap().to_string(), "0", "and it is obeyed");
}

/// What a device answers is named: an exception is neither silence nor another device.
#[tokio::test]
async fn the_exception_that_a_device_answers_is_named() {
    for (code, of, name) in [
        (
            2,
            codes::WRONG_DEVICE,
            "it shows no SunSpec map: reading is refused with Modbus exception 2 (no such register)",
        ),
        (
            4,
            codes::STATE_UNKNOWN,
            "it answers, and reading it is refused with Modbus exception 4 (device failure)",
        ),
    ] {
        let (sim, roof, plant) = field(1).await;
        let papers = papers(yard(), &inventory_text(roof, plant));
        sim.inject(super::apply::fault(&format!(r#"{{"device":"solar","kind":"exception","code":{code}}}"#)));
        let report = Host::new().apply(&papers, &plan_of(&papers)).await;
        assert_eq!(ends(&report), (ExitCode::Partial, vec![of]), "{} {:?}", report.words(), report.findings);
        assert_eq!(report.excluded[0].reason, name);
    }
}

#[tokio::test]
async fn safety_to_a_gateway_that_dies_after_its_first_answers_is_bounded() {
    let (sim, roof, plant) = field(1).await;
    let roof = Strange::start(roof, Way::Plain).await;
    let mut site = garage();
    site.rules[0] = co_rule();
    let papers = garage_papers(site, roof.port, plant, 9, AIR);
    let host = Host::new();
    let dead = roof.dead.clone();
    host.just_before("safety", move || dead.store(true, Ordering::Relaxed));
    let (report, took) = timed(host.apply(&papers, &plan(&papers, 1, &[]))).await;
    assert_eq!(report.exit_code(), ExitCode::Unknown, "{}", report.words());
    assert_eq!(report.safe_command.as_deref(), Some("evl apply"));
    assert!(took < Duration::from_secs(9), "{took:?}");
    assert_ne!(sim.power("solar").unwrap().to_string(), "0");
}

/// Whatever is strange about a gateway that answers: the step is written and read back.
#[tokio::test]
async fn gateways_of_many_makes_are_written_and_read_back() {
    let ways = [
        Way::Plain,
        Way::OneEach,
        Way::OneEachLater,
        Way::Pieces,
        Way::Bytes,
        Way::Tail,
        Way::Twice,
        Way::Slow(40),
        Way::Single,
    ];
    for way in ways {
        let (sim, roof, plant) = field(1).await;
        let (roof, plant) = (Strange::start(roof, way).await, Strange::start(plant, way).await);
        let papers = papers(yard(), &inventory_text(roof.port, plant.port));
        let host = Host::new();
        let (report, took) = timed(host.apply(&papers, &plan_of(&papers))).await;
        assert_eq!(
            ends(&report),
            (ExitCode::Success, vec![]),
            "{way:?}: {} {:?}",
            report.words(),
            report.findings
        );
        assert!(took < Duration::from_secs(20), "{way:?}: {took:?}");
        assert_eq!(sim.power("solar").unwrap().to_string(), "4.5", "{way:?}");
        assert_eq!(sim.power("pack").unwrap().to_string(), "-2", "{way:?}");
        let written = sim.log().iter().filter(|entry| entry.at.is_some()).count();
        assert_eq!(written, 7, "{way:?}: nothing is written twice: {:?}", sim.log());
        let status = host.status(&papers).await;
        assert_eq!(status.exit_code(), ExitCode::Success, "{way:?}: {}", status.words());
    }
}

fn plan_of(papers: &Papers) -> evl::bundle::PlanDocument {
    plan(papers, 1, &usual())
}

/// Answers that cannot be believed are no answers: nothing is written.
#[tokio::test]
async fn gateways_that_talk_nonsense_are_dead() {
    for way in [Way::Huge, Way::Short, Way::Unit(0), Way::Unit(255), Way::Protocol, Way::Http, Way::Flood] {
        let (sim, roof, plant) = field(1).await;
        let (roof, plant) = (Strange::start(roof, way).await, Strange::start(plant, way).await);
        let papers = papers(yard(), &inventory_text(roof.port, plant.port));
        let (report, took) = timed(Host::new().apply(&papers, &plan_of(&papers))).await;
        assert!(took < SECOND, "{way:?}: {took:?}");
        assert_eq!(
            ends(&report),
            (ExitCode::Findings, vec![codes::DEAD_GATEWAY; 2]),
            "{way:?}: {} {:?}",
            report.words(),
            report.findings
        );
        assert_eq!(sim.log(), vec![], "{way:?}");
    }
}
