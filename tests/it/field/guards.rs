//! What stands between a plan and its registers: two-step orders, setpoints, values that would stay,
//! write budgets, heartbeats, ways to fall back, admission.

use evl::bundle::profile::{Lease, LeaseKind};
use evl::bundle::{CommandForm, disagreement};
use evl::diag::{Code, ExitCode, codes};
use evl::ir::testkit::{rat, span};
use evl::ir::*;
use evl::runtime::load::Papers;
use evl::sim::{DeviceSpec, GatewaySpec, Plant, small_plant};

use super::yard::{Host, ends, family, inventory_text, papers, papers_with, plan, profile, usual, yard};

/// The small plant behind one gateway, with more devices and other profiles.
async fn serve(change: impl FnOnce(&mut Vec<DeviceSpec>)) -> (Plant, u16) {
    let mut devices = small_plant().remove(0).devices;
    change(&mut devices);
    let sim = Plant::new(vec![GatewaySpec { name: "plant".to_owned(), devices }], 1);
    let port = sim.serve(0).await.unwrap()["plant"];
    (sim, port)
}

#[tokio::test]
async fn where_no_order_keeps_the_limit_a_device_goes_in_two_steps() {
    // two batteries behind a connection of 2 kW: what one gives the other takes, 3.5 kW of it
    let (sim, port) = serve(|devices| {
        let mut twin = devices.iter().find(|device| device.name == "pack").unwrap().clone();
        twin.name = "twin".to_owned();
        twin.unit = 5;
        devices.push(twin);
    })
    .await;
    let mut site = yard();
    for attr in [Attr::Import, Attr::Export] {
        site.families[0].ranges.insert(attr, vec![(rat("0"), rat("2"))]);
    }
    site.families.retain(|f| matches!(f.name.as_str(), "utility" | "pack"));
    site.families[1].fail_safe =
        Some(FailSafe { at: Some((Attr::Power, rat("0"))), by: FailSafeBy::Reversion, span: span(7) });
    let mut twin = site.families[1].clone();
    twin.name = "twin".into();
    site.families.push(twin);
    for (index, family) in site.families.iter_mut().enumerate() {
        family.id = FamilyId::at(index);
    }
    let text = inventory_text(port, port);
    let pack = text.lines().skip_while(|line| !line.starts_with("  pack:")).nth(1).unwrap();
    let text: Vec<&str> = text.lines().take_while(|line| !line.starts_with("  solar:")).collect();
    let twin = pack.replace("unit: 2", "unit: 5");
    let text = format!("{}\n  pack:\n{pack}\n  twin:\n{twin}\n", text.join("\n"));
    let papers = papers(site, &text);
    let host = Host::new();
    // register steps of 0.005 kW: charged, discharged
    let both = |pack: (i64, i64), twin: (i64, i64)| {
        [
            ("pack", Attr::Charge, CommandForm::Fixed, pack.0),
            ("pack", Attr::Discharge, CommandForm::Fixed, pack.1),
            ("twin", Attr::Charge, CommandForm::Fixed, twin.0),
            ("twin", Attr::Discharge, CommandForm::Fixed, twin.1),
        ]
    };
    // both charge a trifle: on its way from rest a battery's registers say nothing for a moment
    let idle = host.apply(&papers, &plan(&papers, 1, &both((1, 0), (1, 0)))).await;
    assert_eq!(ends(&idle), (ExitCode::Success, vec![]), "{}", idle.words());
    let report = host.apply(&papers, &plan(&papers, 2, &both((0, 700), (700, 0)))).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert!(report.words().contains("in two steps"), "{}", report.words());
    assert_eq!((sim.power("pack"), sim.power("twin")), (Some(rat("3.5")), Some(rat("-3.5"))));
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());

    // asked to end after the first wave: the rest is not begun, and what was written goes back
    let stop = evl::runtime::stop::Stop::default();
    let ask = stop.clone();
    host.just_before("intent", move || ask.ask());
    let options = evl::runtime::apply::Options { stop, ..host.options() };
    let ended =
        evl::runtime::apply::apply(&host, &papers, &plan(&papers, 3, &both((1, 0), (1, 0))), &options).await;
    assert_eq!(ends(&ended), (ExitCode::Undone, vec![codes::INTERRUPTED]), "{}", ended.words());
    assert_eq!((sim.power("pack"), sim.power("twin")), (Some(rat("3.5")), Some(rat("-3.5"))));
    assert!(host.journal().trim_end().lines().last().unwrap().contains("\"end\""));

    // back again, where the other's register sticks: everything returns to where it was
    sim.inject(serde_json::from_str(r#"{"device":"twin","point":"charge_rate","kind":"stuck"}"#).unwrap());
    let back = host.apply(&papers, &plan(&papers, 4, &both((1, 0), (1, 0)))).await;
    assert_eq!(back.exit_code(), ExitCode::Undone, "{}", back.words());
    assert_eq!((sim.power("pack"), sim.power("twin")), (Some(rat("3.5")), Some(rat("-3.5"))));

    // further than one of them can go in two steps: both do
    sim.heal();
    let far = host.apply(&papers, &plan(&papers, 5, &both((1, 0), (1, 0)))).await;
    assert_eq!(ends(&far), (ExitCode::Success, vec![]), "{}", far.words());
    let far = host.apply(&papers, &plan(&papers, 6, &both((0, 840), (840, 0)))).await;
    assert_eq!(ends(&far), (ExitCode::Success, vec![]), "{} {:?}", far.words(), far.findings);
    assert!(far.words().contains("2 devices go in two steps"), "{}", far.words());
    assert_eq!((sim.power("pack"), sim.power("twin")), (Some(rat("4.2")), Some(rat("-4.2"))));
}

#[tokio::test]
async fn what_a_device_says_of_itself_counts_and_is_told() {
    let (sim, port) = serve(|_| {}).await;
    sim.poke("pack", "max_power", 4000);
    let text = inventory_text(port, port).replace("unit: 2,", "unit: 2, ratings: { max_power: 5 kW },");
    let papers = papers(yard(), &text);
    let host = Host::new();
    let charge = |count| {
        [("pack", Attr::Charge, CommandForm::Fixed, count), ("pack", Attr::Discharge, CommandForm::Fixed, 0)]
    };
    // 2 kW are half of its 4 kW
    let report = host.apply(&papers, &plan(&papers, 1, &charge(400))).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{} {:?}", report.words(), report.findings);
    assert_eq!(sim.peek("pack", "charge_rate"), Some(500));
    assert!(report.words().contains("it says `max_power` 4 kW, the inventory 5 kW"), "{}", report.words());
    // 4.2 kW are more than it can: tightened, and said
    let report = host.apply(&papers, &plan(&papers, 2, &charge(840))).await;
    assert_eq!(
        ends(&report),
        (ExitCode::Success, vec![codes::DRIFTED]),
        "{} {:?}",
        report.words(),
        report.findings
    );
    assert!(
        report.findings[0].message.contains("`charge 4 kW` instead of the plan's `charge 4.2 kW`"),
        "{:?}",
        report.findings
    );
    assert_eq!(sim.peek("pack", "charge_rate"), Some(1000));
}

#[tokio::test]
async fn a_zones_setpoint_is_written_to_its_thermostat() {
    let text = "profile: test/thermostat\nclass: control\nfunction: thermostat\nidentity: none\n\
        points:\n  target: { at: holding 10, type: int16, unit: degC, scale: 0.5, write: true, range: 10 .. 30, settle: 10 ms }\n\
        commands:\n  - { do: setpoint, forms: [fixed], set: [target = value], stays: true }\n";
    let thermostat: evl::bundle::profile::Profile = serde_yaml::from_str(text).unwrap();
    assert_eq!(thermostat.problems(), vec![]);
    let (sim, port) = serve(|devices| {
        devices.push(DeviceSpec {
            name: "lobby".to_owned(),
            unit: 9,
            profile: thermostat.clone(),
            serial: String::new(),
            ratings: std::collections::BTreeMap::new(),
        });
    })
    .await;
    let mut site = yard();
    let mut lobby = family(&site, "lobby", Role::Control, Model::Control { zone: Some(ZoneId(0)) });
    (lobby.gateway, lobby.bus) = (Some(GatewayId(1)), None);
    lobby.profile = Some("test/thermostat".into());
    lobby.command_step.insert(Attr::Setpoint, rat("0.5"));
    site.zones.push(Zone {
        id: ZoneId(0),
        name: "hall".into(),
        heat_capacity: rat("10"),
        heat_loss: rat("0"),
        gains: None,
        outdoor: None,
        comfort: Vec::new(),
        class: None,
        range: (rat("280"), rat("310")),
        thermostats: vec![lobby.id],
        readings: std::collections::BTreeMap::new(),
        span: span(6),
    });
    site.families.push(lobby);
    let text = inventory_text(port, port)
        + &format!(
            "  lobby: {{ gateway: plant, unit: 9, commissioned: {{ serial: none, profile: \"{}\", on: 2026-03-01 }} }}\n",
            thermostat.hash()
        );
    let papers = papers_with(site, &text, &[thermostat]);
    let host = Host::new();
    let report =
        host.apply(&papers, &plan(&papers, 1, &[("lobby", Attr::Setpoint, CommandForm::Fixed, 43)])).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}\n{:?}", report.words(), report.findings);
    assert_eq!(sim.peek("lobby", "target"), Some(43), "21.5 degC in halves");
    assert!(report.words().contains("0 degC -> 21.5 degC"), "{}", report.words());

    // what the safety class asks of the zone its thermostat is told, and the plan gives way
    let mut site = papers.bundle.site.clone();
    let mut frost = super::yard::co_rule();
    frost.name = "frost".into();
    let least = Lin { constant: rat("297.15"), terms: Vec::new(), sums: Vec::new() };
    frost.effects[0].target = Target::Zone(ZoneId(0));
    frost.effects[0].verb = evl::ir::Verb::Hold;
    frost.effects[0].kind = EffectKind::Bound {
        attr: Attr::Temperature,
        lo: Some(least),
        hi: None,
        share: Share::Each,
        averaged_s: None,
    };
    site.rules.push(frost);
    let profile = papers.bundle.profiles["test/thermostat"].clone();
    let papers = papers_with(site, &serde_yaml::to_string(&papers.inventory).unwrap(), &[profile]);
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}\n{:?}", report.words(), report.findings);
    assert_eq!(sim.peek("lobby", "target"), Some(48), "24 degC in halves");
    assert!(report.words().contains("(safety): done"), "{}", report.words());
}

/// A wallbox with something of its profile changed, behind the yard's gateway.
async fn wallbox(change: impl FnOnce(&mut evl::bundle::profile::Profile)) -> (Plant, Papers) {
    let mut other = profile("heidelberg/energy-control");
    change(&mut other);
    let (sim, port) = serve(|devices| {
        devices.iter_mut().find(|device| device.name == "charger").unwrap().profile = other.clone();
    })
    .await;
    (sim, papers_with(yard(), &inventory_text(port, port), &[other]))
}

fn charger(count: i64) -> [(&'static str, Attr, CommandForm, i64); 1] {
    [("charger", Attr::Power, CommandForm::Fixed, count)]
}

#[tokio::test]
async fn without_a_lease_only_what_is_safe_to_stay_is_written() {
    let (sim, papers) = wallbox(|profile| profile.lease = Lease::default()).await;
    let report = Host::new().apply(&papers, &plan(&papers, 1, &charger(160))).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::STAYS_FOR_EVER]), "{}", report.words());
    assert_eq!(sim.log(), vec![]);

    // declared to stay anywhere: then `check` counts with its whole range
    let mut site = papers.bundle.site.clone();
    site.families[3].fail_safe = Some(FailSafe { at: None, by: FailSafeBy::None, span: span(7) });
    let text = serde_yaml::to_string(&papers.inventory).unwrap();
    let papers = papers_with(site, &text, &[papers.bundle.profiles["heidelberg/energy-control"].clone()]);
    let report = Host::new().apply(&papers, &plan(&papers, 1, &charger(160))).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
}

#[tokio::test]
async fn a_write_budget_that_is_used_up_excludes_the_device() {
    let (sim, papers) =
        wallbox(|profile| profile.points.get_mut("current").unwrap().writes_per_day = Some(3)).await;
    let host = Host::new();
    for (sequence, count) in [(1, 160), (2, 150)] {
        let report = host.apply(&papers, &plan(&papers, sequence, &charger(count))).await;
        assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    }
    let report = host.apply(&papers, &plan(&papers, 3, &charger(140))).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::WRITE_BUDGET]), "{}", report.words());
    assert_eq!(sim.peek("charger", "current"), Some(150));
}

#[tokio::test]
async fn a_heartbeat_comes_before_the_setpoint_that_it_guards() {
    let (sim, papers) = wallbox(|profile| {
        let beat = "{ at: holding 258, type: uint16, write: true }";
        profile.points.insert("beat".to_owned(), serde_yaml::from_str(beat).unwrap());
        profile.arm.clear();
        profile.lease =
            Lease { kind: LeaseKind::Heartbeat, counter: Some("beat".to_owned()), ..Lease::default() };
        assert_eq!(profile.problems(), vec![]);
    })
    .await;
    let report = Host::new().apply(&papers, &plan(&papers, 1, &charger(160))).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    let order: Vec<(u16, Vec<u16>)> =
        sim.log().into_iter().map(|entry| (entry.at.unwrap(), entry.words)).collect();
    assert_eq!(order, [(258, vec![1]), (261, vec![160])]);
}

#[tokio::test]
async fn a_device_that_falls_back_otherwise_than_declared_is_not_commanded() {
    let (sim, port) = serve(|_| {}).await;
    let declared =
        |kw: &str, by: FailSafeBy| Some(FailSafe { at: Some((Attr::Power, rat(kw))), by, span: span(7) });
    let mut site = yard();
    site.families[2].fail_safe = declared("0", FailSafeBy::Watchdog);
    let papers = papers(site, &inventory_text(port, port));
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::PROFILE_MISMATCH]), "{}", report.words());
    assert!(sim.log().iter().all(|entry| entry.device != "pack"));

    let mut solar = yard().families[1].clone();
    let mut words = |fail_safe| {
        solar.fail_safe = fail_safe;
        disagreement(&solar, &profile("sunspec/inverter")).unwrap_or_default()
    };
    assert_eq!(words(declared("10", FailSafeBy::Reversion)), "");
    assert_eq!(words(declared("4", FailSafeBy::None)), "");
    assert!(words(declared("4", FailSafeBy::Reversion)).contains("fall back to 4 kW"));
    assert!(words(declared("10", FailSafeBy::Heartbeat)).contains("by heartbeat"));
}

#[tokio::test]
async fn every_condition_of_admission_decides() {
    use AdmissionAct::{Allow, Require};
    use AdmissionCondition as Is;
    let (_sim, port) = serve(|_| {}).await;
    let text = |word: &str| word.to_owned();
    let admitted: Option<Code> = None;
    let no = Some(codes::NOT_ADMITTED);
    let cases: Vec<(AdmissionAct, Vec<Is>, Option<Code>)> = vec![
        (Allow, vec![Is::Maker(text("Example"))], admitted),
        (Allow, vec![Is::Maker(text("Other"))], no),
        (Allow, vec![Is::Function(text("pv"))], admitted),
        (Allow, vec![Is::Function(text("battery"))], no),
        (Allow, vec![Is::Serial(text("PV10K-0001"))], admitted),
        (Allow, vec![Is::SerialIn(vec![text("A"), text("B")])], no),
        (Require, vec![Is::VoltageWithin(rat("0.05"))], no),
        (Require, vec![Is::VoltageWithin(rat("0.2"))], admitted),
        (Require, vec![Is::CurrentAtMostPort], no),
        // what cannot be checked is said, and is no verdict on the device
        (Allow, vec![Is::Maker(text("Example")), Is::Signature(text("keys/a.pub"))], Some(codes::SIGNATURE)),
        (Allow, vec![Is::Maker(text("Other")), Is::Signature(text("keys/a.pub"))], no),
    ];
    for (act, conditions, expected) in cases {
        let what = format!("{act:?} {conditions:?}");
        let mut site = yard();
        site.buses[0].supply = Some(Supply { ac: true, volts: Some(rat("480")), phases: 3 });
        let ports = PortRange {
            first: 1,
            last: 4,
            supply: None,
            rated: Some(rat("16")),
            enable: false,
            essential: false,
            span: span(8),
        };
        site.gateways[0].ports.push(ports);
        site.families[1].port = Some((1, 1));
        site.families[1].electrical.rated_voltage = Some(rat("400"));
        site.families[1].electrical.rated_current = Some(rat("20"));
        site.admissions.push(Admission { act, conditions, text: what.clone(), span: span(9) });
        let papers = papers(site, &inventory_text(port, port));
        let solar = [("solar", Attr::Power, CommandForm::AtMost, 450)];
        let report = Host::new().apply(&papers, &plan(&papers, 1, &solar)).await;
        let codes = expected.map_or_else(Vec::new, |code| vec![code]);
        let exit = if codes.is_empty() { ExitCode::Success } else { ExitCode::Findings };
        assert_eq!(ends(&report), (exit, codes), "{what}: {}", report.words());
    }
}
