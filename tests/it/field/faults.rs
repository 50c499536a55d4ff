//! Faults of devices and hosts that are neither of the wire nor of a register: each leaves a known
//! state (the faults of the wire stand in the fixture's own suite).

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use evl::bundle::CommandForm;
use evl::bundle::profile::{Lease, LeaseKind};
use evl::diag::{ExitCode, codes};
use evl::ir::Attr;
use evl::runtime::apply::{Options, apply};
use evl::runtime::journal::Outcome;
use serde_json::{Value, json};

use super::fixture::Fixture;
use super::yard::{Host, ends, inventory_text, papers, papers_with, plan, profile, usual, yard};

const LIMIT: [(&str, Attr, CommandForm, i64); 1] = [("solar", Attr::Power, CommandForm::AtMost, 450)];

/// Asks the fixture's control port from within an apply.
pub(super) fn at_once(control: u16, question: Value) -> impl FnOnce() + Send {
    move || {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", control)).unwrap());
        writeln!(stream.get_mut(), "{question}").unwrap();
        stream.read_line(&mut String::new()).unwrap();
    }
}

#[tokio::test]
async fn a_device_that_is_swapped_between_probe_and_write_is_not_written() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = papers(yard(), &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    host.just_before(
        "intent",
        at_once(fixture.control, json!({ "op": "serial", "unit": 1, "value": "FAKE" })),
    );
    let report = host.apply(&papers, &plan(&papers, 1, &LIMIT)).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}", report.words());
    assert!(
        report.findings.iter().any(|f| f.message.contains("another device answers")),
        "{:?}",
        report.findings
    );
    assert_eq!(fixture.writes(), vec![]);
    assert_eq!(report.devices[0].outcome, Some(Outcome::Left));
}

#[tokio::test]
async fn a_reboot_to_defaults_is_survived_on_the_way_and_noticed_afterwards() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = papers(yard(), &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    // silent for a second just when it is to be written
    host.just_before("intent", at_once(fixture.control, json!({ "op": "reboot", "unit": 1, "secs": 1 })));
    let plan = plan(&papers, 1, &LIMIT);
    let report = host.apply(&papers, &plan).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(fixture.peek(1, "123.WMaxLimPct"), 450);

    fixture.ask(&json!({ "op": "reboot", "unit": 1, "secs": 0 }));
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    let again = host.apply(&papers, &plan).await;
    assert_eq!(ends(&again), (ExitCode::Success, vec![]), "{}", again.words());
    assert_eq!(fixture.peek(1, "123.WMaxLim_Ena"), 1);
}

#[tokio::test]
async fn what_another_master_writes_meanwhile_is_told_and_left() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = papers(yard(), &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    // the battery's mode sticks, so everything behind its gateway goes back; another master has been there
    fixture.fault(json!({ "unit": 2, "kind": "stuck", "addr": 40075 }));
    let poke = json!({ "op": "poke", "unit": 2, "point": "124.InWRte", "value": 777 });
    host.just_before("undo", at_once(fixture.control, poke));
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(fixture.peek(2, "124.InWRte"), 777, "another's value is left");
    assert_eq!(fixture.peek(2, "124.OutWRte"), 1000, "what is ours is brought back");
    let pack = report.devices.iter().find(|device| device.device == "pack").unwrap();
    assert_eq!(pack.outcome, Some(Outcome::Left), "{}", report.words());
}

#[tokio::test]
async fn a_clock_that_jumps_back_writes_nothing() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = papers(yard(), &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    host.clock_is_synchronised();
    let options = Options { now: None, ..host.options() };
    host.at(100);
    let first = apply(&host, &papers, &plan(&papers, 1, &LIMIT), &options).await;
    assert_eq!(ends(&first), (ExitCode::Success, vec![]), "{}", first.words());
    let before = fixture.writes().len();
    host.at(50);
    let other = [("solar", Attr::Power, CommandForm::AtMost, 300)];
    let report = apply(&host, &papers, &plan(&papers, 2, &other), &options).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::CLOCK]), "{}", report.words());
    assert!(report.findings[0].notes[0].contains("the last record in the journal"), "{:?}", report.findings);
    assert_eq!(fixture.writes().len(), before);
}

#[tokio::test]
async fn a_heartbeat_that_nobody_keeps_is_noticed() {
    let Some(mut fixture) = Fixture::start(&["--speed", "10"]) else { return };
    let mut battery = profile("sunspec/battery");
    let beat = "{ at: 802.CtrlHb, write: true }";
    battery.points.insert("beat".to_owned(), serde_yaml::from_str(beat).unwrap());
    battery.lease =
        Lease { kind: LeaseKind::Heartbeat, counter: Some("beat".to_owned()), ..Lease::default() };
    for case in &mut battery.commands {
        case.set.retain(|set| set.point != "rate_timer");
    }
    assert_eq!(battery.problems(), vec![]);
    let papers = papers_with(yard(), &inventory_text(fixture.port, fixture.port), &[battery]);
    let host = Host::new();
    let charge =
        [("pack", Attr::Charge, CommandForm::Fixed, 400), ("pack", Attr::Discharge, CommandForm::Fixed, 0)];
    let report = host.apply(&papers, &plan(&papers, 1, &charge)).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{} {:?}", report.words(), report.findings);
    assert_eq!(fixture.peek(2, "802.CtrlHb"), 1);
    // after ten of the device's seconds without a beat it falls back, and its registers do not show it
    fixture.follows(2, "802.W", 0);
    assert_eq!(fixture.peek(2, "124.StorCtl_Mod"), 1);
    host.at(30);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    assert!(status.findings[0].message.contains("nobody keeps its heartbeat"), "{:?}", status.findings);
    // the next apply beats again and brings it back
    let report = host.apply(&papers, &plan(&papers, 1, &charge)).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{} {:?}", report.words(), report.findings);
    assert_eq!(fixture.peek(2, "802.CtrlHb"), 2);
}

#[tokio::test]
async fn on_a_disk_that_takes_nothing_nothing_is_begun() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = papers(yard(), &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    host.journal_fails(true);
    let report = host.apply(&papers, &plan(&papers, 1, &LIMIT)).await;
    assert_eq!(ends(&report), (ExitCode::Failure, vec![codes::UNWRITABLE]), "{}", report.words());
    assert_eq!(fixture.writes(), vec![]);
}
