//! An inventory that was edited since the bundle was built keeps nobody from handing devices back, and
//! nothing goes to a device that may be another than the one that was written.

use evl::bundle::Bundle;
use evl::bundle::inventory::Inventory;
use evl::diag::{Diagnostic, ExitCode, codes};
use evl::runtime::load::Papers;
use evl::runtime::report::Report;
use evl::sim::{GatewaySpec, Plant, small_plant};

use super::yard::{Host, ends, inventory_text, papers, plan, profiles, usual, yard};

/// The small plant and a second wallbox that nobody commands, all behind one place.
async fn field() -> (Plant, u16, Papers) {
    let mut devices = small_plant().remove(0).devices;
    let mut stranger = devices.iter().find(|device| device.name == "charger").unwrap().clone();
    (stranger.name, stranger.unit) = ("stranger".to_owned(), 5);
    devices.push(stranger);
    let sim = Plant::new(vec![GatewaySpec { name: "plant".to_owned(), devices }], 1);
    let port = sim.serve(0).await.unwrap()["plant"];
    (sim, port, papers(yard(), &inventory_text(port, port)))
}

/// The bundle of these papers with an inventory in which `from` became `to`.
fn edited(papers: &Papers, port: u16, from: &str, to: &str) -> Papers {
    let text = inventory_text(port, port);
    assert!(text.contains(from), "{text}");
    let inventory: Inventory = serde_yaml::from_str(&text.replace(from, to)).unwrap();
    let refused = Papers::new(papers.bundle.clone(), inventory.clone()).unwrap_err();
    assert_eq!(refused.code, codes::FOREIGN, "whoever commands refuses it");
    Papers::as_they_stand(papers.bundle.clone(), inventory).unwrap()
}

/// Everything that was found but the warning that the inventory was edited.
fn beside_the_warning(report: &Report) -> Vec<&Diagnostic> {
    let (warning, rest): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|finding| finding.code == codes::FOREIGN);
    assert_eq!(warning.len(), 1, "{:?}", report.findings);
    assert!(warning[0].help.as_ref().unwrap().contains("evl build"), "{warning:?}");
    rest
}

#[tokio::test]
async fn an_edited_inventory_keeps_no_release_back() {
    let (sim, port, papers) = field().await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    let later = edited(&papers, port, "timeout: 300 ms", "timeout: 301 ms");
    let status = host.status(&later).await;
    assert_eq!(status.exit_code(), ExitCode::Findings, "{}", status.words());
    assert!(beside_the_warning(&status).is_empty(), "{:?}", status.findings);
    assert_eq!(status.devices.len(), 3, "what stands is told all the same: {}", status.words());
    let report = host.release(&later).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}\n{:?}", report.words(), report.findings);
    assert!(beside_the_warning(&report).is_empty(), "{:?}", report.findings);
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    assert_eq!(sim.peek("pack", "mode"), Some(0));
    assert_eq!(sim.power("charger").unwrap().to_string(), "-4.14");
}

#[tokio::test]
async fn a_device_with_another_serial_than_the_inventory_names_now_is_left() {
    let (sim, port, papers) = field().await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    let later = edited(&papers, port, "unit: 1, serial: PV10K-0001", "unit: 1, serial: PV10K-0007");
    let report = host.release(&later).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    let found: Vec<_> = beside_the_warning(&report).iter().map(|finding| finding.code).collect();
    assert_eq!(found, [codes::WRONG_DEVICE]);
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(1), "left");
    assert_eq!(sim.peek("pack", "mode"), Some(0), "the rest is handed back");

    // nor where the inventory names none any more, and the record is of another
    let later = edited(&papers, port, "serial: PV10K-0001, c", "c");
    let text = inventory_text(port, port)
        .replace("unit: 1, serial: PV10K-0001", "unit: 1")
        .replace("serial: PV10K-0001", "serial: PV10K-0007");
    let inventory: Inventory = serde_yaml::from_str(&text).unwrap();
    let foreign = Papers { inventory, ..later };
    let report = host.release(&foreign).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(1), "left");
}

/// What shows no identity is known by its place alone.
#[tokio::test]
async fn a_place_without_identity_that_holds_something_else_is_left() {
    let (sim, port, papers) = field().await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    sim.poke("stranger", "current", 320);
    let later = edited(&papers, port, "plant, unit: 4", "plant, unit: 5");
    let report = host.release(&later).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    let found = beside_the_warning(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("it may be another device"), "{found:?}");
    assert_eq!(sim.peek("stranger", "current"), Some(320));
    assert!(sim.log().iter().all(|entry| entry.device != "stranger"));
}

#[tokio::test]
async fn what_is_no_longer_in_the_inventory_is_named() {
    let (sim, port, papers) = field().await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    let mut gone = edited(&papers, port, "300 ms", "301 ms");
    gone.inventory.devices.remove("solar");
    let status = host.status(&gone).await;
    assert_eq!(status.exit_code(), ExitCode::Findings);
    assert!(status.excluded.iter().any(|excluded| excluded.device == "solar"), "{}", status.words());
    let report = host.release(&gone).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    let found = beside_the_warning(&report);
    assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), [codes::INVENTORY]);
    assert!(found[0].message.starts_with("`solar` was not released"), "{found:?}");
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(1));
    assert_eq!(sim.peek("pack", "mode"), Some(0));
    // asked for by its name it is unknown, and nothing is written
    let report = host.release_of(&gone, &["solar".to_owned()]).await;
    assert_eq!(report.exit_code(), ExitCode::Failure);
    assert_eq!(ends(&report).1.last(), Some(&codes::USAGE), "{:?}", report.findings);
}

/// A device in service that is no longer admitted is not commanded, and handed back.
#[tokio::test]
async fn a_device_whose_record_is_gone_is_handed_back_and_commanded_no_more() {
    let (sim, port, papers) = field().await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    let mut later = edited(&papers, port, "300 ms", "301 ms");
    later.inventory.devices.get_mut("solar").unwrap().commissioned = None;
    let report = host.release(&later).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    assert!(report.words().contains("it may not be commanded any more"), "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    // one on which nothing of evl stands is nobody's business
    sim.poke("solar", "limit_enabled", 1);
    let report = host.release(&later).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(1));
    // and no new plan reaches it
    let bundle = Bundle::new(yard(), profiles(), &later.inventory, std::collections::BTreeMap::new());
    let again = Papers::new(bundle, later.inventory).unwrap();
    let report = host.apply(&again, &plan(&again, 2, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::NOT_ADMITTED]), "{}", report.words());
}
