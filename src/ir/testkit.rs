//! Small builders of policies for tests of every room, so that a test needs no parser.
//!
//! Spans are numbered, so that labels can be told apart.

#![expect(clippy::indexing_slicing, reason = "what was just pushed is there")]

use std::collections::BTreeMap;

use super::*;
use crate::diag::SourceId;

/// A span that stands for the `n`th statement.
#[must_use]
pub fn span(n: u32) -> Span {
    Span::new(SourceId(0), n * 10, n * 10 + 5)
}

/// An exact number from text such as `3.6`.
///
/// # Panics
/// On a text that is not a number.
#[must_use]
#[expect(clippy::expect_used, reason = "test builders panic on a test's own mistakes")]
pub fn rat(text: &str) -> Rat {
    text.parse().expect("a number")
}

/// A site with one owner, six classes and nothing else, valid through 2026, in UTC.
#[must_use]
pub fn site() -> Site {
    let date = |year, month, day| CivilDate { year, month, day };
    let class = |name: &str| Class { name: name.into(), span: span(0) };
    Site {
        name: "testsite".into(),
        currency: "USD".into(),
        step: vec![StepRun { count: None, length_s: 900 }],
        horizon_s: 86_400,
        valid: (date(2026, 1, 1), date(2026, 12, 31)),
        signatures: Signatures::None,
        classes: ["safety", "grid_code", "contract", "tenant", "comfort", "economy"].map(class).to_vec(),
        principals: vec![Principal {
            id: OWNER,
            name: "owner".into(),
            kind: PrincipalKind::Owner,
            classes: (0..6).map(ClassId).collect(),
            active_until: None,
            key: None,
            span: span(0),
        }],
        objective: Objective {
            levels: vec![ObjectiveLevel { goal: Goal::Cost, within: None }],
            span: span(0),
        },
        ..Site::new(span(0))
    }
}

fn family(site: &mut Site, name: &str, role: Role, kind: &str, model: Model) -> FamilyId {
    let id = FamilyId::at(site.families.len());
    site.families.push(Family {
        control: Control::Command,
        ..Family::new(id, name, span(1000 + id.0), role, kind, model)
    });
    id
}

/// Pieces from texts.
#[must_use]
pub fn pieces(texts: &[(&str, &str)]) -> Vec<(Rat, Rat)> {
    texts.iter().map(|(lo, hi)| (rat(lo), rat(hi))).collect()
}

/// A consumer without a need, with a power range in kW.
pub fn consumer(site: &mut Site, name: &str, range: &[(&str, &str)]) -> FamilyId {
    let model = Model::Consumer(Box::default());
    let id = family(site, name, Role::Consumer, "load", model);
    if let Some(family) = site.families.last_mut() {
        family.ranges.insert(Attr::Power, pieces(range));
    }
    id
}

/// The consumer heats or cools a zone.
pub fn conditions(site: &mut Site, family: FamilyId, zone: ZoneId, heats: bool) {
    if let Some(Model::Consumer(consumer)) = site.families.get_mut(family.index()).map(|f| &mut f.model) {
        let side = if heats { &mut consumer.heats } else { &mut consumer.cools };
        *side = Some(zone);
    }
}

/// Makes a family an array.
pub fn array(site: &mut Site, family: FamilyId, count: u32) {
    if let Some(family) = site.families.get_mut(family.index()) {
        family.count = Some(count);
    }
}

/// A battery that charges and discharges with up to this many kW, 10 % .. 95 % of 200 kWh.
pub fn battery(site: &mut Site, name: &str, kw: &str) -> FamilyId {
    let model = Model::Store(Box::new(Store {
        efficiency_charge: rat("0.95"),
        efficiency_discharge: rat("0.95"),
        level_min: rat("0.1"),
        level_max: rat("0.95"),
        ..Store::new(rat("200"), rat(kw), rat(kw))
    }));
    family(site, name, Role::Storage, "battery", model)
}

/// A grid with the same greatest import and export, kW.
pub fn grid(site: &mut Site, name: &str, kw: &str, tariff: Option<TariffId>) -> FamilyId {
    let model = Model::Grid { import: rat(kw), export: rat(kw), tariff, carbon: None, carbon_feed: None };
    family(site, name, Role::Producer, "grid", model)
}

/// A PV plant, kW.
pub fn pv(site: &mut Site, name: &str, kw: &str) -> FamilyId {
    let model = Model::Renewable { rated: rat(kw), output: None, must_take: false };
    family(site, name, Role::Producer, "pv", model)
}

/// A control device, a thermostat where it controls a zone.
pub fn control(site: &mut Site, name: &str, zone: Option<ZoneId>) -> FamilyId {
    let id = family(site, name, Role::Control, "sensor", Model::Control { zone });
    if let Some(zone) = zone.and_then(|zone| site.zones.get_mut(zone.index())) {
        zone.thermostats.push(id);
    }
    id
}

/// A zone between 10 and 35 degC.
pub fn zone(site: &mut Site, name: &str) -> ZoneId {
    let id = ZoneId::at(site.zones.len());
    site.zones.push(Zone {
        id,
        name: name.into(),
        heat_capacity: rat("40"),
        heat_loss: rat("6"),
        gains: None,
        outdoor: None,
        comfort: Vec::new(),
        class: None,
        range: (celsius("10"), celsius("35")),
        thermostats: Vec::new(),
        readings: BTreeMap::new(),
        span: span(2000 + id.0),
    });
    id
}

/// An absolute temperature, K.
#[must_use]
pub fn celsius(text: &str) -> Rat {
    rat(text) + rat("273.15")
}

/// Members `first..=last` of a family.
#[must_use]
pub const fn members(family: FamilyId, first: u32, last: u32) -> MemberRange {
    MemberRange { family, first, last }
}

/// The device of a family that is no array.
#[must_use]
pub const fn device(family: FamilyId) -> Device {
    Device { family, index: 1 }
}

/// A named group.
pub fn group(site: &mut Site, name: &str, members: &[MemberRange]) -> GroupId {
    let id = GroupId::at(site.groups.len());
    site.groups.push(Group { id, name: name.into(), members: members.to_vec(), span: span(3000 + id.0) });
    id
}

/// A numeric signal in a range, a plain number from the weather: free and never unknown by itself.
pub fn signal(site: &mut Site, name: &str, lo: &str, hi: &str) -> SignalId {
    let domain = Domain::Interval { lo: rat(lo), hi: rat(hi) };
    any_signal(site, name, domain, SignalSource::Weather)
}

/// Any signal.
pub fn any_signal(site: &mut Site, name: &str, domain: Domain, source: SignalSource) -> SignalId {
    let id = SignalId::at(site.signals.len());
    let ty = match &domain {
        Domain::Bool => crate::quantity::Type::Bool,
        _ => crate::quantity::Type::Number,
    };
    site.signals.push(Signal {
        id,
        name: name.into(),
        ty,
        count: None,
        domain,
        source,
        reading: None,
        feed: None,
        normal: None,
        strict_step: Rat::ZERO,
        span: span(4000 + id.0),
    });
    id
}

/// The measured value of a family's attribute, a number in a range; one a member for arrays.
pub fn measured(site: &mut Site, of: FamilyId, attr: Attr, lo: &str, hi: &str) -> SignalId {
    let domain = Domain::Interval { lo: rat(lo), hi: rat(hi) };
    let name = site.family(of).map(|family| format!("{}.{}", family.name, attr.name())).unwrap_or_default();
    let id = any_signal(site, &name, domain, SignalSource::Measured(of, attr.clone()));
    let count = site.family(of).and_then(|family| family.count);
    if let Some(signal) = site.signals.last_mut() {
        signal.count = count;
    }
    if let Some(family) = site.families.get_mut(of.index()) {
        family.readings.insert(attr, id);
    }
    id
}

/// A time-of-use tariff, USD/kWh, with its price signals.
pub fn tariff(site: &mut Site, periods: &[(Sched, &str)], otherwise: Option<&str>) -> TariffId {
    let id = TariffId::at(site.tariffs.len());
    let import_signal = any_signal(
        site,
        "price.import",
        Domain::Interval { lo: rat("-10"), hi: rat("10") },
        SignalSource::ImportPrice(id),
    );
    let periods = periods.iter().map(|(during, price)| PricePeriod {
        during: during.clone(),
        price: rat(price),
        span: span(5000),
    });
    site.tariffs.push(Tariff {
        id,
        name: format!("tariff{id}"),
        import: Price::Periods {
            periods: periods.collect(),
            otherwise: otherwise.map(rat),
            span: span(5000),
        },
        export: None,
        demand: Vec::new(),
        interval_s: 900,
        fixed: Vec::new(),
        minimum: None,
        import_signal: Some(import_signal),
        export_signal: None,
        span: span(5000),
    });
    id
}

/// `signal > value`.
#[must_use]
pub fn above(signal: SignalId, value: &str) -> Guard {
    compare(SigRef::Only(signal), Cmp::Gt, value)
}

/// `signal < value`.
#[must_use]
pub fn below(signal: SignalId, value: &str) -> Guard {
    compare(SigRef::Only(signal), Cmp::Lt, value)
}

/// `signal op value`.
#[must_use]
pub fn compare(signal: SigRef, op: Cmp, value: &str) -> Guard {
    let lin = Lin { constant: -rat(value), terms: vec![(Rat::ONE, signal)], sums: Vec::new() };
    Guard::Compare { lin, op, step: Rat::ZERO }
}

/// A daily window on some days, from and to in hours.
#[must_use]
pub const fn hours(days: Days, from: i32, to: i32) -> Sched {
    Sched::Window { days, from: ClockEdge::At(from * 3600), to: ClockEdge::At(to * 3600) }
}

/// `attr at most value`, each.
#[must_use]
pub fn at_most(attr: Attr, value: &str) -> EffectKind {
    bound(attr, None, Some(value), Share::Each)
}

/// `attr at least value`, each.
#[must_use]
pub fn at_least(attr: Attr, value: &str) -> EffectKind {
    bound(attr, Some(value), None, Share::Each)
}

/// `attr to value`, each.
#[must_use]
pub fn exactly(attr: Attr, value: &str) -> EffectKind {
    bound(attr, Some(value), Some(value), Share::Each)
}

/// A bound with constant ends.
#[must_use]
pub fn bound(attr: Attr, lo: Option<&str>, hi: Option<&str>, share: Share) -> EffectKind {
    let end = |text: &str| Lin::constant(rat(text));
    EffectKind::Bound { attr, lo: lo.map(end), hi: hi.map(end), share, averaged_s: None }
}

/// Adds a rule of one effect that is always active; change the returned rule for more.
pub fn rule<'s>(
    site: &'s mut Site,
    name: &str,
    class: u32,
    verb: Verb,
    target: Target,
    kind: EffectKind,
) -> &'s mut Rule {
    let id = RuleId::at(site.rules.len());
    let on_loss = if class == 0 { OnLoss::Active } else { OnLoss::Inactive };
    let at = site.rules.len();
    site.rules.push(Rule {
        id,
        name: name.into(),
        class: ClassId(class),
        owner: OWNER,
        span: span(6000 + id.0),
        for_each: None,
        when: Guard::Const(true),
        when_span: span(6000 + id.0),
        until: None,
        memory: Memory::None,
        latches: Vec::new(),
        on_loss,
        at_most_every_s: None,
        effects: Vec::new(),
    });
    add_effect(&mut site.rules[at], verb, target, kind);
    &mut site.rules[at]
}

/// Adds one more effect to a rule.
pub fn add_effect(rule: &mut Rule, verb: Verb, target: Target, kind: EffectKind) {
    let index = u32::try_from(rule.effects.len()).unwrap_or(u32::MAX);
    rule.effects.push(Effect {
        index,
        verb,
        target,
        kind,
        preferably: false,
        price: None,
        span: span(7000 + rule.id.0 * 10 + index),
        text: format!("{} of {}", verb.word(), rule.name),
    });
}

/// Gives a rule a latch bit for each instance.
pub fn latch(site: &mut Site, rule: RuleId, memory: Memory, until: Option<Guard>) -> Vec<LatchId> {
    let Some(of) = site.rules.get(rule.index()) else { return Vec::new() };
    let each =
        of.for_each.and_then(|group| site.group(group)).map(|group| group.devices().map(Some).collect());
    let instances: Vec<Option<Device>> = each.unwrap_or_else(|| vec![None]);
    let name = of.name.clone();
    let mut bits = Vec::new();
    for member in instances {
        let id = LatchId::at(site.latches.len());
        site.latches.push(Latch { id, name: name.clone(), rule, member, span: span(8000 + id.0) });
        bits.push(id);
    }
    if let Some(rule) = site.rules.get_mut(rule.index()) {
        rule.memory = memory;
        rule.until = until;
        rule.latches.clone_from(&bits);
    }
    bits
}

/// One directly named device.
#[must_use]
pub fn one(family: FamilyId) -> Target {
    Target::Members(vec![members(family, 1, 1)])
}

/// A tenant with its classes.
pub fn tenant(site: &mut Site, name: &str, classes: &[u32], active_until: Option<CivilDate>) -> PrincipalId {
    let id = PrincipalId::at(site.principals.len());
    site.principals.push(Principal {
        id,
        name: name.into(),
        kind: PrincipalKind::Tenant,
        classes: classes.iter().map(|class| ClassId(*class)).collect(),
        active_until,
        key: None,
        span: span(9000 + id.0),
    });
    id
}

/// Adds a permit of one verb on a target, at all times; change the returned permit for more.
pub fn permit(
    site: &mut Site,
    who: PrincipalId,
    verb: Verb,
    target: Target,
    attr: Option<Attr>,
) -> &mut Permit {
    let at = site.permits.len();
    site.permits.push(Permit {
        forbid: false,
        who: Some(who),
        any_kind: None,
        verb: Some(verb),
        target: PermitTarget::Target(target),
        attr,
        lo: None,
        hi: None,
        during: Sched::Always,
        emergency: false,
        text: String::new(),
        span: span(9500),
    });
    &mut site.permits[at]
}
