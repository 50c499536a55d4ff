//! Small devices for tests of documents, inputs and the verifier.

use std::collections::BTreeMap;

use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::Rat;

/// A device declaration on bus 0 with nothing but its model.
pub(crate) fn family(site: &mut Site, name: &str, role: Role, kind: &str, model: Model) -> FamilyId {
    let id = FamilyId::at(site.families.len());
    site.families
        .push(Family { bus: Some(BusId(0)), ..Family::new(id, name, span(100 + id.0), role, kind, model) });
    id
}

fn range(site: &mut Site, id: FamilyId, attr: Attr, pieces: &[(&str, &str)]) {
    let pieces = pieces.iter().map(|(lo, hi)| (rat(lo), rat(hi))).collect();
    site.families[id.index()].ranges.insert(attr, pieces);
}

/// A bus.
pub(crate) fn bus(site: &mut Site, name: &str, limit: Option<&str>) -> BusId {
    let id = BusId::at(site.buses.len());
    site.buses.push(Bus {
        id,
        name: name.into(),
        supply: None,
        limit: limit.map(rat),
        phase_limit: None,
        span: span(200 + id.0),
    });
    id
}

/// A grid connection on bus 0.
pub(crate) fn grid(site: &mut Site, import: &str, export: &str, tariff: Option<TariffId>) -> FamilyId {
    let model =
        Model::Grid { import: rat(import), export: rat(export), tariff, carbon: None, carbon_feed: None };
    let id = family(site, "utility", Role::Producer, "grid", model);
    range(site, id, Attr::Import, &[("0", import)]);
    range(site, id, Attr::Export, &[("0", export)]);
    id
}

/// A battery on bus 0, 10 % to 95 % of its level usable, 95 % efficient each way.
pub(crate) fn battery(site: &mut Site, name: &str, capacity: &str, power: &str) -> FamilyId {
    let model = Model::Store(Box::new(Store {
        efficiency_charge: rat("0.95"),
        efficiency_discharge: rat("0.95"),
        level_min: rat("0.1"),
        level_max: rat("0.95"),
        wear: rat("0.03"),
        end: End::Free,
        ..Store::new(rat(capacity), rat(power), rat(power))
    }));
    let id = family(site, name, Role::Storage, "battery", model);
    range(site, id, Attr::Charge, &[("0", power)]);
    range(site, id, Attr::Discharge, &[("0", power)]);
    id
}

/// PV on bus 0.
pub(crate) fn pv(site: &mut Site, rated: &str, output: SignalId) -> FamilyId {
    let model = Model::Renewable { rated: rat(rated), output: Some(output), must_take: false };
    let id = family(site, "solar", Role::Producer, "pv", model);
    range(site, id, Attr::Power, &[("0", rated)]);
    id
}

/// A consumer on bus 0 with a need.
pub(crate) fn consumer(site: &mut Site, name: &str, need: Need, pieces: &[(&str, &str)]) -> FamilyId {
    let model = Model::Consumer(Box::new(Consumer { need, ..Consumer::default() }));
    let id = family(site, name, Role::Consumer, "load", model);
    if !pieces.is_empty() {
        range(site, id, Attr::Power, pieces);
    }
    id
}

/// A load on bus 0 that is served exactly.
pub(crate) fn load(site: &mut Site, signal: SignalId) -> FamilyId {
    consumer(site, "office_load", Need::Load(signal), &[])
}

/// So many EV chargers on bus 0.
#[cfg(feature = "solver")]
pub(crate) fn charger(site: &mut Site, count: u32) -> FamilyId {
    let id = consumer(site, "charger", Need::None, &[("0", "0"), ("1.4", "11")]);
    let family = &mut site.families[id.index()];
    family.kind = "ev_charger".into();
    family.count = Some(count);
    if let Model::Consumer(consumer) = &mut family.model {
        consumer.sessions = Some(FeedId(0));
    }
    id
}

/// A signal in an interval, from feed 0.
pub(crate) fn signal(site: &mut Site, name: &str, ty: crate::quantity::Type, lo: &str, hi: &str) -> SignalId {
    let id = SignalId::at(site.signals.len());
    site.signals.push(Signal {
        id,
        name: name.into(),
        ty,
        count: None,
        domain: Domain::Interval { lo: rat(lo), hi: rat(hi) },
        source: SignalSource::Feed(FeedId(0)),
        reading: None,
        feed: None,
        normal: None,
        strict_step: Rat::ZERO,
        span: span(300 + id.0),
    });
    id
}

/// A zone with heat capacity (kWh/K) and heat loss (kW/K).
pub(crate) fn zone(site: &mut Site, name: &str, capacity: &str, loss: &str, outdoor: SignalId) -> ZoneId {
    let id = ZoneId::at(site.zones.len());
    site.zones.push(Zone {
        id,
        name: name.into(),
        heat_capacity: rat(capacity),
        heat_loss: rat(loss),
        gains: None,
        outdoor: Some(outdoor),
        comfort: Vec::new(),
        class: None,
        range: (rat("273.15"), rat("323.15")),
        thermostats: Vec::new(),
        readings: BTreeMap::new(),
        span: span(500 + id.0),
    });
    id
}

/// A plan in which nothing is empty, for the shape of documents alone, with its bundle.
pub(crate) fn documents() -> (crate::bundle::Bundle, crate::bundle::PlanDocument) {
    let (mut bundle, mut plan) = super::tests_document::example();
    let (source, start) = (crate::diag::SourceId(0), 10);
    bundle.site.places.push(crate::ir::Place { source, start, at: "rules/a.evl:1:1".into() });
    let statement = crate::bundle::StatementRef {
        statement: Statement::Effect(RuleId(0), 0),
        name: "rule0".into(),
        text: "limit utility.import to 3.9 kW".into(),
        at: "rules/a.evl:1:1".into(),
    };
    let (device, of) = ("pack".to_owned(), "pack".to_owned());
    plan.inputs.push(crate::bundle::InputHash {
        name: "state".into(),
        path: "state.json".into(),
        sha256: crate::bundle::Hash::of(b""),
    });
    plan.groups.push(crate::bundle::GroupSeries {
        family: "charger".into(),
        members: vec![(1, 4)],
        attr: Attr::Power,
        form: crate::bundle::CommandForm::Fixed,
        unit: "kW".into(),
        step: rat("0.1"),
        running: vec![2],
        totals: vec![50],
        split: crate::bundle::Split::First,
    });
    plan.following.push(crate::bundle::FollowingSeries {
        device: device.clone(),
        grid: "utility".into(),
        unit: "kW".into(),
        step: rat("0.01"),
        targets: vec![Some(-150), None],
    });
    plan.sessions.push(crate::bundle::Session {
        device: "charger[1]".into(),
        arrival: plan.from,
        departure: plan.expires,
        energy: rat("12"),
        power: Some(rat("11")),
        phases: Some(3),
        room: None,
    });
    plan.flows.push(crate::bundle::Flow { from: "solar".into(), to: of.clone(), values: vec![rat("1")] });
    plan.reasons.push(crate::bundle::Reason {
        device: device.clone(),
        attr: Attr::Point("fan".into()),
        first: 0,
        last: 1,
        statements: vec![statement.clone()],
        text: "cheap sun".into(),
    });
    plan.presumes.push(crate::bundle::Presumption {
        signal: "dr".into(),
        first: "none".into(),
        then: "none".into(),
    });
    plan.assumptions.push("an assumption".into());
    plan.overrides.push(crate::bundle::Override {
        statement: statement.clone(),
        class: "economy".into(),
        by: vec![statement.clone()],
        of: of.clone(),
        first: 0,
        last: 1,
    });
    plan.breaches.push(crate::bundle::Breach {
        statement: crate::bundle::StatementRef {
            statement: Statement::Budget(BudgetId(0)),
            ..statement.clone()
        },
        class: "economy".into(),
        of,
        first: 0,
        last: 1,
        amount: rat("1.5"),
        unit: "kWh".into(),
        money: Some(rat("2")),
    });
    plan.void.push(crate::bundle::Void { statement, device, because: "no vehicle".into() });
    (bundle, plan)
}
