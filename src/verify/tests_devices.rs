//! What devices, buses, links and hosts can do.

use std::collections::BTreeMap;

use super::tests::{Setup, command};
use super::tests_document::{document, small, words};
use super::*;
use crate::bundle::inventory::Inventory;
use crate::bundle::{CommandForm, Document};
use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::Rat;

#[test]
fn what_a_link_takes_loads_the_phases_of_its_bus() {
    let with = |amps: &str| {
        let mut s = small();
        let supply = |volts: &str| Some(Supply { ac: true, volts: Some(rat(volts)), phases: 3 });
        let stalls = fixture::bus(&mut s.site, "stalls", None);
        s.site.buses[0].supply = supply("400");
        s.site.buses[0].phase_limit = Some(rat(amps));
        s.site.buses[1].supply = supply("400");
        s.site.links.push(Link {
            id: LinkId(0),
            name: "feeder".into(),
            from: BusId(0),
            to: stalls,
            both: false,
            capacity: rat("50"),
            capacity_back: Rat::ZERO,
            efficiency: Rat::ONE,
            wear: (Rat::ZERO, Rat::ZERO),
            span: span(8),
        });
        let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "20")]);
        s.site.families[heater.index()].bus = Some(stalls);
        s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 0, 0, 10000]));
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    // 5 kW of load and 10 kW sent on: 15000 / (1.732 x 400 x 0.9)
    assert_eq!(with("24.06"), "");
    assert!(with("24.05").starts_with("`main` carries on phase 1 24.056"), "{}", with("24.05"));
}

#[test]
fn a_vehicle_on_one_phase_loads_it_threefold() {
    let with = |amps: &str, phases: u8| {
        let mut s = small();
        s.site.buses[0].supply = Some(Supply { ac: true, volts: Some(rat("400")), phases: 3 });
        s.site.buses[0].phase_limit = Some(rat(amps));
        let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "20")]);
        if let Model::Consumer(consumer) = &mut s.site.families[heater.index()].model {
            consumer.sessions = Some(FeedId(0));
        }
        s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 0, 0, 10000]));
        let (bundle, plan) = document(&s);
        let stay = crate::bundle::Session {
            device: "heater".into(),
            arrival: plan.from,
            departure: plan.until(),
            energy: Rat::ZERO,
            power: None,
            phases: Some(phases),
            room: Some(Rat::int(3)),
        };
        words(&verify(&bundle, &PlanDocument { sessions: vec![stay], ..plan }.seal()))
    };
    // 5 kW of load and 10 kW: 15000 / (1.732 x 400 x 0.9), or 5000 / that + 10000 / (230.94 x 0.9)
    assert_eq!(with("24.06", 3), "");
    assert!(with("24.06", 1).starts_with("`main` carries on phase 1 56.13"), "{}", with("24.06", 1));
    assert_eq!(with("56.14", 1), "");
}

#[test]
fn contents_ends_ranges_and_buses_are_limits() {
    let check = |change: fn(&mut Setup)| {
        let mut s = small();
        change(&mut s);
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    assert_eq!(
        check(|s| s.commands[0].counts[1] = 5001),
        "`pack` cannot have charge 5.001 kW: its range is 0 .. 5 kW"
    );
    assert_eq!(check(|s| s.commands[1].counts[1] = 1), "`pack` charges and discharges at once");
    assert_eq!(
        check(|s| s.state.levels.insert("pack".into(), "95 %".parse().unwrap()).map_or((), |_| ())),
        "`pack` would hold 9.975 kWh, its limits are 1 .. 9.5 kWh"
    );
    assert_eq!(
        check(|s| s.site.buses[0].limit = Some(rat("7.999"))),
        "`main` carries 8 kW, its limit is 7.999 kW"
    );
    assert_eq!(
        check(|s| s.site.families[0]
            .ranges
            .insert(Attr::Export, vec![(Rat::ZERO, rat("1"))])
            .map_or((), |_| ())),
        "`utility` exports 2 kW, its limit is 1 kW"
    );
    let end = |end: End| {
        let mut s = small();
        let Model::Store(store) = &mut s.site.families[3].model else { unreachable!() };
        store.end = end;
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    // 5 + 0.475 - 0.25 / 0.95
    assert_eq!(end(End::AtLeast(rat("0.52"))), "");
    assert_eq!(end(End::AtLeast(rat("0.53"))), "`pack` ends with 5.211842105 kWh, less than 5.3 kWh");
    assert_eq!(end(End::ExactlyStart), "`pack` ends with 5.211842105 kWh, not with 5 kWh");
    assert_eq!(end(End::Exactly(rat("0.5212"))), "");
}

#[test]
fn a_dead_host_leaves_its_devices_anywhere_or_at_fail_safe() {
    let mut s = small();
    s.site.gateways.push(Gateway {
        id: GatewayId(0),
        name: "plant".into(),
        ports: Vec::new(),
        together: Vec::new(),
        span: span(9),
    });
    let pack = &mut s.site.families[3];
    pack.gateway = Some(GatewayId(0));
    pack.control = Control::Command;
    // charging at 5 kW beside 6 kW of load and 2 kW of sun imports 9 kW
    s.site.families[0].ranges.insert(Attr::Import, vec![(Rat::ZERO, rat("8.9"))]);
    let hosted = |s: &Setup| {
        let (_, mut plan) = document(s);
        let hosts = "hosts: { plant_pc: { gateways: [plant] } }";
        let inventory: Inventory = serde_yaml::from_str(hosts).unwrap();
        let bundle = Bundle::new(s.site.clone(), BTreeMap::new(), &inventory, BTreeMap::new());
        plan.bundle = bundle.id.clone();
        plan.expect.clear();
        words(&verify(&bundle, &super::tests_document::told(&bundle, plan)))
    };
    assert_eq!(hosted(&s), "with host `plant_pc` gone, `utility` imports 9 kW, its limit is 8.9 kW");
    s.site.families[3].fail_safe =
        Some(FailSafe { at: Some((Attr::Charge, rat("4.9"))), by: FailSafeBy::Watchdog, span: span(10) });
    assert_eq!(hosted(&s), "");
}
