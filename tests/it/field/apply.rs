//! `apply`, `status` and `release` against the embedded simulator.

use evl::bundle::profile::Verb;
use evl::bundle::{CommandForm, Document};
use evl::diag::{ExitCode, codes};
use evl::ir::Attr;
use evl::runtime::apply::{Options, apply};
use evl::runtime::journal::Outcome;
use evl::runtime::load::Papers;
use evl::sim::{Fault, GatewaySpec, Plant, plant_of, small_plant};
use evl::verify::verify;

use super::yard::{Host, co_rule, ends, inventory_text, papers, papers_with, plan, profile, usual, yard};

/// The small plant behind two gateways: the inverter on the roof, the rest in the plant room.
pub(super) async fn field(speed: u32) -> (Plant, Papers) {
    let all = small_plant().remove(0).devices;
    let (roof, plant) = all.into_iter().partition(|device| device.name == "solar");
    let gateways = [("roof", roof), ("plant", plant)];
    let gateways = gateways.map(|(name, devices)| GatewaySpec { name: name.to_owned(), devices }).to_vec();
    let sim = Plant::new(gateways, speed);
    let ports = sim.serve(0).await.unwrap();
    let papers = papers(yard(), &inventory_text(ports["roof"], ports["plant"]));
    (sim, papers)
}

pub(super) fn fault(text: &str) -> Fault {
    serde_json::from_str(text).unwrap()
}

fn power(sim: &Plant, device: &str) -> String {
    sim.power(device).unwrap().to_string()
}

#[tokio::test]
async fn the_present_step_is_written_and_read_back() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let plan = plan(&papers, 1, &usual());
    let report = host.apply(&papers, &plan).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(power(&sim, "solar"), "4.5");
    assert_eq!(power(&sim, "pack"), "-2");
    assert_eq!(power(&sim, "charger"), "-11.04");
    // the guard before the setpoint: the wallbox already had its fail-safe values tight
    assert!(report.devices.iter().all(|device| device.outcome == Some(Outcome::Done)));
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());
}

/// The inverter's rated power stands in the policy alone, and its limit is a share of that.
#[tokio::test]
async fn the_simulator_knows_the_nameplates_that_apply_knows() {
    let unplaced = papers(yard(), &inventory_text(1, 2));
    assert!(unplaced.inventory.devices["solar"].ratings.is_empty());
    let sim = Plant::new(plant_of(&unplaced.bundle, &unplaced.inventory), 1);
    let ports = sim.serve(0).await.unwrap();
    let papers = papers(yard(), &inventory_text(ports["roof"], ports["plant"]));
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!((power(&sim, "solar"), power(&sim, "pack")), ("4.5".to_owned(), "-2".to_owned()));
}

#[tokio::test]
async fn applying_again_writes_nothing() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let plan = plan(&papers, 1, &usual());
    assert_eq!(host.apply(&papers, &plan).await.exit_code(), ExitCode::Success);
    let before = sim.log().len();
    let again = host.apply(&papers, &plan).await;
    assert_eq!(ends(&again), (ExitCode::Success, vec![]));
    assert_eq!(sim.log().len(), before, "{}", again.words());
    // in the next step the values are the same, but their leases must be renewed
    host.at(910);
    let next = host.apply(&papers, &plan).await;
    assert_eq!(ends(&next), (ExitCode::Success, vec![]));
    assert!(sim.log().len() > before, "{}", next.words());
}

#[tokio::test]
async fn a_stuck_register_undoes_its_gateway_and_leaves_the_other() {
    let (sim, papers) = field(1).await;
    sim.inject(fault(r#"{"device":"charger","point":"current","kind":"stuck"}"#));
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(report.findings[0].code, codes::NOT_IN_EFFECT);
    assert_eq!(sim.peek("pack", "mode"), Some(0), "brought back");
    assert_eq!(power(&sim, "solar"), "4.5", "the other gateway stands");
    let outcome = |name: &str| report.devices.iter().find(|d| d.device == name).unwrap().outcome;
    assert_eq!(outcome("pack"), Some(Outcome::Undone));
    assert_eq!(outcome("solar"), Some(Outcome::Done));
    assert_eq!(report.safe_command.as_deref(), Some("evl release --all"));
}

#[tokio::test]
async fn alone_on_its_gateway_an_undo_ends_in_4() {
    let (sim, papers) = field(1).await;
    sim.inject(fault(r#"{"device":"solar","point":"limit","kind":"stuck"}"#));
    let host = Host::new();
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    assert_eq!(sim.peek("solar", "limit_timer"), Some(0));
}

#[tokio::test]
async fn a_power_that_does_not_follow_is_undone() {
    let (sim, papers) = field(1).await;
    // full: it takes nothing more, whatever its registers say
    sim.inject(fault(r#"{"device":"pack","point":"mode","kind":"clamp","min":0,"max":0,"count":1}"#));
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(power(&sim, "pack"), "0");
}

#[tokio::test]
async fn local_control_and_a_wrong_serial_exclude_the_device_alone() {
    let (sim, papers) = field(1).await;
    sim.poke("pack", "control_place", 1);
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::LOCAL_CONTROL]), "{}", report.words());
    assert_eq!(power(&sim, "solar"), "4.5");
    assert_eq!(power(&sim, "charger"), "-11.04");
    assert!(sim.log().iter().all(|entry| entry.device != "pack"));
}

#[tokio::test]
async fn a_plan_made_around_a_device_writes_nothing_to_it() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let others: Vec<_> = usual().into_iter().filter(|(device, ..)| *device != "pack").collect();
    let mut plan = plan(&papers, 1, &others);
    plan.state.excluded = vec!["pack".to_owned()];
    plan.assumptions = verify(&papers.bundle, &plan.clone().seal()).told.assumptions;
    assert!(
        plan.assumptions.iter().any(|said| said.contains("`pack` is excluded")),
        "{:?}",
        plan.assumptions
    );
    let report = host.apply(&papers, &plan.clone().seal()).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(power(&sim, "charger"), "-11.04");
    assert!(sim.log().iter().all(|entry| entry.device != "pack"));
    // one that commands it all the same is no plan
    let mut wrong = super::yard::plan(&papers, 2, &usual());
    wrong.state.excluded = vec!["pack".to_owned()];
    let report = host.apply(&papers, &wrong.seal()).await;
    let said = format!("{:?}", report.findings);
    assert!(said.contains("commands `pack`, which its state excludes"), "{said}");
    assert!(sim.log().iter().all(|entry| entry.device != "pack"));
}

#[tokio::test]
async fn a_swapped_device_is_not_written() {
    let all = small_plant().remove(0).devices;
    let swapped = all.into_iter().map(|mut device| {
        if device.name == "solar" {
            device.serial = "FAKE-9999".to_owned();
        }
        device
    });
    let sim = Plant::new(vec![GatewaySpec { name: "plant".to_owned(), devices: swapped.collect() }], 1);
    let port = sim.serve(0).await.unwrap()["plant"];
    let papers = papers(yard(), &inventory_text(port, port));
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::WRONG_DEVICE]), "{}", report.words());
    assert!(sim.log().iter().all(|entry| entry.device != "solar"));
    assert_eq!(power(&sim, "pack"), "-2");
}

#[tokio::test]
async fn what_safety_commands_stands_when_the_rest_is_undone() {
    let (sim, papers) = {
        let (sim, papers) = field(1).await;
        let mut site = yard();
        site.rules.push(co_rule());
        let text = serde_yaml::to_string(&papers.inventory).unwrap();
        (sim, super::yard::papers(site, &text))
    };
    // the limit on the same inverter sticks, so its gateway is undone
    sim.inject(fault(r#"{"device":"solar","point":"limit","kind":"stuck"}"#));
    let commands =
        [("solar", Attr::Connected, CommandForm::Fixed, 0), ("solar", Attr::Power, CommandForm::AtMost, 0)];
    let plan = plan(&papers, 1, &commands);
    let host = Host::new();
    let report = host.apply(&papers, &plan).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(sim.peek("solar", "connection"), Some(0), "the disconnect stands");
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0), "the limit is undone");
}

#[tokio::test]
async fn a_lapsed_watchdog_is_noticed_by_status() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let commands = [("charger", Attr::Power, CommandForm::Fixed, 160)];
    let plan = plan(&papers, 1, &commands);
    let refused = apply(&host, &papers, &plan, &Options { once: false, ..host.options() }).await;
    assert_eq!(ends(&refused), (ExitCode::Findings, vec![codes::LEASE_TOO_SHORT]));
    assert_eq!(sim.log(), vec![]);

    // its watchdog barks after 15 s
    let report = host.apply(&papers, &plan).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(20)).await;
    tokio::time::resume();
    host.at(60);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    assert!(status.findings[0].message.contains("4.14 kW is in effect"), "{}", status.findings[0].message);
    assert_eq!(sim.peek("charger", "current"), Some(160), "its register still shows the old value");
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let plan = plan(&papers, 1, &usual());
    let report = apply(&host, &papers, &plan, &Options { dry_run: true, ..host.options() }).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]));
    assert_eq!(sim.log(), vec![]);
    assert_eq!(host.journal(), "");
    let words = report.words().replace(&report.plan.clone().unwrap()[7..19], "PLAN");
    insta::assert_snapshot!(words);
}

#[tokio::test]
async fn without_consent_nothing_is_written() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let plan = plan(&papers, 1, &usual());
    let report = apply(&host, &papers, &plan, &Options { yes: false, ..host.options() }).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::NEEDS_CONSENT]));
    assert_eq!(sim.log(), vec![]);
}

#[tokio::test]
async fn bad_plans_are_refused_before_the_field_is_asked() {
    // no gateway listens: whatever is refused here is refused before anything is asked
    let papers = papers(yard(), &inventory_text(1, 1));
    let host = Host::new();
    let good = plan(&papers, 5, &usual());

    host.at(4000);
    assert_eq!(ends(&host.apply(&papers, &good).await), (ExitCode::Findings, vec![codes::STALE]));
    host.at(-4000);
    assert_eq!(ends(&host.apply(&papers, &good).await), (ExitCode::Findings, vec![codes::STALE]));
    host.at(10);

    let mut study = good.clone();
    study.study = true;
    assert_eq!(ends(&host.apply(&papers, &study.seal()).await), (ExitCode::Findings, vec![codes::STALE]));

    let mut foreign = good.clone();
    foreign.site = "airport".to_owned();
    assert_eq!(ends(&host.apply(&papers, &foreign.seal()).await), (ExitCode::Findings, vec![codes::FOREIGN]));

    let edited = String::from_utf8(good.bytes()).unwrap().replace("\"sequence\":5", "\"sequence\":6");
    let refused = evl::bundle::PlanDocument::read(edited.as_bytes()).unwrap_err();
    assert_eq!(refused.code, codes::TAMPERED);

    let beyond = [("pack", Attr::Charge, CommandForm::Fixed, 1200)];
    let report = host.apply(&papers, &plan(&papers, 5, &beyond)).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::PLAN_VIOLATES]));

    let far = inventory_text(1, 1).replace("127.0.0.1", "192.0.2.1");
    let far = super::yard::papers(yard(), &far);
    let report = host.apply(&far, &plan(&far, 5, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::CLOCK]));
    let report = apply(&host, &papers, &good, &Options { now: None, ..host.options() }).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::CLOCK]));
    assert_eq!(host.journal(), "");
}

#[tokio::test]
async fn an_overtaken_plan_is_refused_and_the_accepted_one_is_not() {
    let (_sim, papers) = field(1).await;
    let host = Host::new();
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    let (old, new) = (plan(&papers, 1, &commands), plan(&papers, 2, &commands));
    assert_eq!(host.apply(&papers, &new).await.exit_code(), ExitCode::Success);
    assert_eq!(ends(&host.apply(&papers, &old).await), (ExitCode::Findings, vec![codes::OLD_SEQUENCE]));
    let mut twin = plan(&papers, 2, &commands);
    twin.tool.push_str(" of another build");
    assert_eq!(
        ends(&host.apply(&papers, &twin.seal()).await),
        (ExitCode::Findings, vec![codes::OLD_SEQUENCE])
    );
    assert_eq!(host.apply(&papers, &new).await.exit_code(), ExitCode::Success);
}

#[tokio::test]
async fn a_dead_gateway_is_named_within_a_second() {
    let (sim, alive) = field(1).await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let roof = alive.inventory.gateways["roof"].port;
    let papers = papers(yard(), &inventory_text(roof, port));
    let host = Host::new();
    let start = tokio::time::Instant::now();
    let commands = [("charger", Attr::Power, CommandForm::Fixed, 160)];
    let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
    assert!(start.elapsed() < std::time::Duration::from_secs(1));
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::DEAD_GATEWAY]), "{}", report.words());
    assert_eq!(sim.log(), vec![]);
    // the other gateway goes on without it
    let report = host.apply(&papers, &plan(&papers, 2, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial);
    assert_eq!(power(&sim, "solar"), "4.5");
}

#[tokio::test]
async fn only_one_writes_at_a_time() {
    let (sim, papers) = field(1).await;
    // slow enough that the second comes while the first is at work
    sim.inject(fault(r#"{"device":"solar","kind":"delay","ms":50}"#));
    let host = Host::new();
    let (one, two) = (plan(&papers, 1, &usual()), plan(&papers, 2, &usual()));
    let (first, second) = tokio::join!(host.apply(&papers, &one), host.apply(&papers, &two));
    assert_eq!(first.exit_code(), ExitCode::Success, "{}", first.words());
    assert_eq!(ends(&second), (ExitCode::Findings, vec![codes::LOCKED]));
    assert!(second.findings[0].notes[0].contains("process 4711, plan "), "{:?}", second.findings[0].notes);
}

#[tokio::test]
async fn release_hands_everything_back() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    let report = host.release(&papers).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    assert_eq!(sim.peek("pack", "mode"), Some(0));
    assert_eq!(power(&sim, "charger"), "-4.14", "a device without control of its own goes to its fail-safe");
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());
    // releasing again finds nothing to write
    let before = sim.log().len();
    assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success);
    assert_eq!(sim.log().len(), before);
}

#[tokio::test]
async fn a_release_that_is_asked_to_end_before_it_wrote_writes_nothing() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    let before = sim.log().len();
    let stop = evl::runtime::stop::Stop::default();
    stop.ask();
    let report = host.release_unless(&papers, &[], stop.clone()).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::INTERRUPTED]), "{}", report.words());
    assert!(!stop.wrote() && sim.log().len() == before);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());
    // and one that wrote says so to whoever asks
    let stop = evl::runtime::stop::Stop::default();
    let report = host.release_unless(&papers, &[], stop.clone()).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    assert!(stop.wrote());
}

/// Whoever keeps silent may be handed back by trying again; whoever is in local control not.
#[tokio::test]
async fn a_release_names_the_command_that_tries_again_where_that_helps() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    sim.poke("pack", "control_place", 1);
    let report = host.release_of(&papers, &["pack".to_owned()]).await;
    assert_eq!((report.exit_code(), &report.safe_command), (ExitCode::Partial, &None), "{}", report.words());
    assert!(report.words().contains("pack: what evl wrote to it may still stand"), "{}", report.words());
    sim.inject(fault(r#"{"device":"solar","kind":"no_reply"}"#));
    let report = host.release_of(&papers, &["solar".to_owned()]).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(report.safe_command.as_deref(), Some("evl release solar"));
}

#[tokio::test]
async fn somebody_elses_value_is_left_and_told() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &commands)).await.exit_code(), ExitCode::Success);
    sim.poke("solar", "limit", 900);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    assert!(status.findings[0].message.contains("at most 9 kW"), "{}", status.findings[0].message);
}

#[tokio::test]
async fn a_device_without_record_or_with_another_profile_is_not_commanded() {
    let (_sim, alive) = field(1).await;
    let (roof, plant) = (alive.inventory.gateways["roof"].port, alive.inventory.gateways["plant"].port);
    let hash = profile("sunspec/inverter").hash();
    let text = inventory_text(roof, plant).replace(&hash, "sha256:00");
    let papers = papers(yard(), &text);
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    let report = Host::new().apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::NOT_ADMITTED]), "{}", report.words());
    assert_eq!(Verb::Power.word(), "power");
}

/// Killed at every boundary of the journal, before and after the line is durable: the next apply of
/// the same plan finishes it, and one of another plan first brings everything back.
#[tokio::test]
async fn killed_anywhere_the_next_apply_knows_what_to_do() {
    let mut boundaries = 0;
    for durable in [false, true] {
        for append in 0.. {
            let (sim, papers) = field(1).await;
            let papers: &'static Papers = Box::leak(Box::new(papers));
            let host: &'static Host = Box::leak(Box::new(Host::new()));
            let commands = [
                ("solar", Attr::Power, CommandForm::AtMost, 450),
                ("pack", Attr::Charge, CommandForm::Fixed, 200),
            ];
            let one: &'static _ = Box::leak(Box::new(plan(papers, 1, &commands)));
            host.dies_at(append, durable);
            let killed = tokio::spawn(host.apply(papers, one)).await.is_err();
            host.dies_at(-1, false);
            if !killed {
                break;
            }
            boundaries += 1;
            let told = host.status(papers).await;
            let open = host.journal().contains("\"begin\"") && !host.journal().contains("\"end\"");
            assert_eq!(told.exit_code() != ExitCode::Success, open, "{append} {durable}: {}", told.words());
            let report = if append % 2 == 0 {
                host.apply(papers, one).await
            } else {
                let other = [("solar", Attr::Power, CommandForm::AtMost, 450)];
                let report = host.apply(papers, &plan(papers, 2, &other)).await;
                // unless the first had already committed, the battery is back where it was
                if !host.journal().contains("\"commit\",\"gateway\":\"plant\"") {
                    assert_eq!(sim.peek("pack", "mode"), Some(0), "{append} {durable}: {}", report.words());
                }
                report
            };
            assert_eq!(report.exit_code(), ExitCode::Success, "{append} {durable}: {}", report.words());
            assert_eq!(power(&sim, "solar"), "4.5");
            let status = host.status(papers).await;
            assert_eq!(status.exit_code(), ExitCode::Success, "{append} {durable}: {}", status.words());
        }
    }
    assert!(boundaries >= 8, "{boundaries}");
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_begun_and_what_is_under_way_spends_the_reserve() {
    let (sim, papers) = field(1).await;
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    host.disk_full(true);
    let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(ends(&report), (ExitCode::Failure, vec![codes::UNWRITABLE]), "{}", report.words());
    let finding = &report.findings[0];
    assert!(finding.message.ends_with("the disk is full"), "{}", finding.message);
    assert!(finding.help.as_ref().unwrap().contains("--state-dir"), "{:?}", finding.help);
    assert!(host.state_dir().join("reserve").exists(), "kept for what must be recorded");
    assert_eq!(sim.log(), vec![]);

    // full from the first frame on: the rest of the records have the reserve
    host.disk_full(false);
    host.just_before("result", || host.disk_full(true));
    let report = host.apply(&papers, &plan(&papers, 2, &commands)).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert!(!host.state_dir().join("reserve").exists());
    assert_eq!(power(&sim, "solar"), "4.5");
    let status = host.status(&papers).await;
    assert_eq!(status.exit_code(), ExitCode::Success, "{}", status.words());
}

/// A file where the folder of the records belongs: nobody, not even root, can write there.
#[tokio::test]
async fn without_a_folder_for_its_records_nothing_is_begun() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    std::fs::write(host.state_dir(), "").unwrap();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Failure, vec![codes::UNWRITABLE]), "{}", report.words());
    let finding = &report.findings[0];
    assert!(finding.help.as_ref().unwrap().contains("--state-dir"), "{:?}", finding);
    assert!(finding.notes.iter().any(|note| note.contains("nothing more of the plan")), "{finding:?}");
    assert_eq!(sim.log(), vec![]);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_under_way_changes_nothing() {
    let (_sim, papers) = field(1).await;
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    host.clock_is_synchronised();
    host.just_before("intent", || host.at(7200));
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    let options = Options { now: None, ..host.options() };
    let report = apply(host, &papers, &plan(&papers, 1, &commands), &options).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert!(!host.journal().contains("2026-07-14T14:"), "steps and leases are timed from where they began");
    // and before an apply: the plan is over, nothing of it is written
    let report = apply(host, &papers, &plan(&papers, 2, &usual()), &options).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::STALE]), "{}", report.words());
}

#[tokio::test]
async fn what_nobody_knows_is_called_unknown_until_it_is_known() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    // the first write gets through unanswered, and from then on there is silence
    sim.inject(fault(r#"{"device":"solar","kind":"no_reply","requests":"write"}"#));
    sim.inject(fault(r#"{"device":"solar","kind":"no_reply","requests":"read","after":12}"#));
    let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(report.exit_code(), ExitCode::Unknown, "{}", report.words());
    assert!(report.findings.iter().all(|finding| finding.code == codes::STATE_UNKNOWN));
    sim.heal();
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::STATE_UNKNOWN]), "{}", status.words());
    assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success);
    assert_eq!(host.status(&papers).await.exit_code(), ExitCode::Success);
}

#[tokio::test]
async fn release_ends_what_an_interrupted_apply_left() {
    let (sim, papers) = field(1).await;
    let papers: &'static Papers = Box::leak(Box::new(papers));
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let one: &'static _ = Box::leak(Box::new(plan(papers, 1, &usual())));
    // begin, intent, frames, and dead before the result is durable
    host.dies_at(2, false);
    assert!(tokio::spawn(host.apply(papers, one)).await.is_err());
    host.dies_at(-1, false);
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(1));
    assert_eq!(host.status(papers).await.exit_code(), ExitCode::Findings);
    let report = host.release(papers).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    let status = host.status(papers).await;
    assert_eq!(status.exit_code(), ExitCode::Success, "{}", status.words());
}

#[tokio::test]
async fn gateways_declared_together_are_undone_together() {
    let (sim, alive) = field(1).await;
    let mut site = yard();
    site.gateways[0].together.push(evl::ir::GatewayId(1));
    let (roof, plant) = (alive.inventory.gateways["roof"].port, alive.inventory.gateways["plant"].port);
    let papers = papers(site, &inventory_text(roof, plant));
    sim.inject(fault(r#"{"device":"charger","point":"current","kind":"stuck"}"#));
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    assert_eq!(sim.peek("pack", "mode"), Some(0));
}

#[tokio::test]
async fn a_value_that_another_wrote_meanwhile_is_left_alone_by_the_undo() {
    let (sim, papers) = field(1).await;
    // the limit becomes a value that is neither old nor ours, nor on the way from the one to the other
    sim.inject(fault(r#"{"device":"solar","point":"limit","kind":"clamp","min":300,"max":300,"count":1}"#));
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    let report = Host::new().apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}", report.words());
    assert_eq!(report.devices[0].outcome, Some(Outcome::Left));
    assert_eq!(sim.peek("solar", "limit"), Some(300));
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0), "what is ours is brought back");
}

/// The device takes no less than 70 %: what it made of our 45 % is ours, and no other master's.
#[tokio::test]
async fn what_the_device_itself_made_of_our_value_is_brought_back() {
    let clamp = r#"{"device":"solar","point":"limit","kind":"clamp","min":700,"max":1000}"#;
    let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
    let (sim, papers) = field(1).await;
    sim.inject(fault(clamp));
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(ends(&report), (ExitCode::Undone, vec![codes::NOT_IN_EFFECT]), "{}", report.words());
    let words = "keeps `limit` at 700 after 450 was written, by a limit of its own";
    assert!(report.findings[0].message.contains(words), "{:?}", report.findings);
    assert_eq!(report.devices[0].outcome, Some(Outcome::Undone), "{}", report.words());
    assert_eq!((sim.peek("solar", "limit"), sim.peek("solar", "limit_enabled")), (Some(1000), Some(0)));

    // killed before the undo: whoever brings it back later knows it too
    let (sim, papers) = field(1).await;
    let papers: &'static Papers = Box::leak(Box::new(papers));
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let one: &'static _ = Box::leak(Box::new(plan(papers, 1, &commands)));
    sim.inject(fault(clamp));
    // begin, intent and result are durable
    host.dies_at(3, false);
    assert!(tokio::spawn(host.apply(papers, one)).await.is_err());
    host.dies_at(-1, false);
    assert_eq!(sim.peek("solar", "limit"), Some(700));
    let others = [("charger", Attr::Power, CommandForm::Fixed, 160)];
    let report = host.apply(papers, &plan(papers, 2, &others)).await;
    assert!(report.words().contains("solar: brought back"), "{}", report.words());
    assert_eq!((sim.peek("solar", "limit"), sim.peek("solar", "limit_enabled")), (Some(1000), Some(0)));
}

/// What is near enough to count as written is not another master's afterwards.
#[tokio::test]
async fn a_value_within_tolerance_is_as_planned() {
    for (least, most) in [(455, 1000), (0, 445)] {
        let (sim, alive) = field(1).await;
        sim.poke("solar", "limit", 900);
        let mut inverter = profile("sunspec/inverter");
        inverter.points.get_mut("limit").unwrap().tolerance = Some(evl::ir::testkit::rat("1"));
        let (roof, plant_port) =
            (alive.inventory.gateways["roof"].port, alive.inventory.gateways["plant"].port);
        let papers = papers_with(yard(), &inventory_text(roof, plant_port), &[inverter]);
        let clamp =
            format!(r#"{{"device":"solar","point":"limit","kind":"clamp","min":{least},"max":{most}}}"#);
        sim.inject(fault(&clamp));
        let host = Host::new();
        let commands = [("solar", Attr::Power, CommandForm::AtMost, 450)];
        let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
        assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{clamp}: {}", report.words());
        assert_ne!(sim.peek("solar", "limit"), Some(450), "{clamp}");
        let status = host.status(&papers).await;
        assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{clamp}: {}", status.words());
        // another master's value near it is told all the same
        sim.poke("solar", "limit", 451);
        let status = host.status(&papers).await;
        assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{clamp}: {}", status.words());
    }
}

#[tokio::test]
async fn a_site_that_needs_signatures_is_refused() {
    let mut site = yard();
    site.signatures = evl::ir::Signatures::Required;
    let inventory: evl::bundle::inventory::Inventory = serde_yaml::from_str(&inventory_text(1, 1)).unwrap();
    let bundle = evl::bundle::Bundle::new(site, Default::default(), &inventory, Default::default());
    assert_eq!(Papers::new(bundle.clone(), inventory).unwrap_err().code, codes::UNSIGNED);
    let other = serde_yaml::from_str(&inventory_text(1, 2)).unwrap();
    assert_eq!(Papers::new(bundle, other).unwrap_err().code, codes::FOREIGN);
}

#[tokio::test]
async fn admission_lists_decide() {
    use evl::ir::{Admission, AdmissionAct, AdmissionCondition};
    let (sim, alive) = field(1).await;
    let (roof, plant) = (alive.inventory.gateways["roof"].port, alive.inventory.gateways["plant"].port);
    let statement = |act, condition, text: &str| Admission {
        act,
        conditions: vec![condition],
        text: text.to_owned(),
        span: evl::ir::testkit::span(9),
    };
    let mut site = yard();
    let listed = AdmissionCondition::SerialIn(vec!["PV10K-0001".to_owned()]);
    let wallboxes = AdmissionCondition::Function("ev_charger".to_owned());
    site.admissions.push(statement(AdmissionAct::Allow, listed, "allow serial in the list"));
    site.admissions.push(statement(AdmissionAct::Allow, wallboxes.clone(), "allow function ev_charger"));
    site.admissions.push(statement(AdmissionAct::Deny, wallboxes, "deny function ev_charger"));
    let papers = papers(site, &inventory_text(roof, plant));
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    let reasons: Vec<String> =
        report.excluded.iter().map(|e| format!("{} {}: {}", e.device, e.code, e.reason)).collect();
    assert_eq!(
        reasons,
        [
            "charger EVL1209: an admission list denies it: `deny function ev_charger`",
            "pack EVL1209: no admission list allows it"
        ]
    );
    assert!(sim.log().iter().all(|entry| entry.device == "solar"));
}
