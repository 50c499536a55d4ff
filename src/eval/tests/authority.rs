//! Semantics 20-22: who may command what.

use super::*;

/// A tenant's rule that sets a thermostat in a zone, and what becomes of it.
fn tenants(
    class: u32,
    kind: EffectKind,
    change: impl FnOnce(&mut Site, PrincipalId, FamilyId),
) -> (Site, String) {
    let mut site = site();
    let offices = zone(&mut site, "offices");
    let lobby = control(&mut site, "lobby", Some(offices));
    let last = CivilDate { year: 2026, month: 7, day: 14 };
    let acme = tenant(&mut site, "acme", &[3, 4], Some(last));
    rule(&mut site, "warm", class, Verb::Set, one(lobby), kind).owner = acme;
    change(&mut site, acme, lobby);
    let fate = fate(&site, &noon());
    (site, fate)
}

fn fate(site: &Site, env: &Environment) -> String {
    let decision = decide(site, env);
    match decision.denials.first() {
        Some(denial) => format!("{:?}", denial.why),
        None => shown(&decision.zone(site, ZoneId(0)).unwrap(), &Attr::Setpoint),
    }
}

fn set_to(celsius: &str) -> EffectKind {
    let kelvin = self::celsius(celsius).to_string();
    exactly(Attr::Setpoint, &kelvin)
}

/// `permit tenant acme to set lobby.setpoint between 19 degC and 25 degC`.
fn usual(site: &mut Site, acme: PrincipalId, lobby: FamilyId) {
    let permit = permit(site, acme, Verb::Set, one(lobby), Some(Attr::Setpoint));
    (permit.lo, permit.hi) = (Some(celsius("19")), Some(celsius("25")));
}

#[test]
fn s21_default_deny_for_all_but_the_owner() {
    assert_eq!(tenants(3, set_to("21"), |_, _, _| {}).1, "NotPermitted");
    assert_eq!(tenants(3, set_to("21"), |site, _, _| site.rules[0].owner = OWNER).1, "294.15");
    assert_eq!(tenants(3, set_to("21"), usual).1, "294.15");
}

#[test]
fn s21_permission_concerns_attribute_verb_and_instant() {
    let changed = |change: fn(&mut Permit)| {
        tenants(3, set_to("21"), |site, acme, lobby| {
            usual(site, acme, lobby);
            change(&mut site.permits[0]);
        })
        .1
    };
    assert_eq!(changed(|permit| permit.attr = Some(Attr::Temperature)), "NotPermitted");
    assert_eq!(changed(|permit| permit.attr = None), "294.15");
    assert_eq!(changed(|permit| permit.verb = Some(Verb::Read)), "NotPermitted");
    assert_eq!(changed(|permit| permit.verb = None), "294.15");
    assert_eq!(changed(|permit| permit.during = hours(Days::Daily, 13, 20)), "NotPermitted");
    assert_eq!(changed(|permit| permit.during = hours(Days::Daily, 12, 20)), "294.15");
    // the zone's setpoint is the same thing, but it is not the attribute that the rule names
    assert_eq!(
        changed(|permit| permit.target = PermitTarget::Target(Target::Zone(ZoneId(0)))),
        "NotPermitted"
    );
    assert_eq!(changed(|permit| permit.target = PermitTarget::AnyDevice), "294.15");
    assert_eq!(changed(|permit| permit.emergency = true), "NotPermitted");
    assert_eq!(
        changed(|permit| (permit.who, permit.any_kind) = (None, Some(PrincipalKind::Tenant))),
        "294.15"
    );
    assert_eq!(
        changed(|permit| (permit.who, permit.any_kind) = (None, Some(PrincipalKind::Vendor))),
        "NotPermitted"
    );
}

#[test]
fn s21_every_bound_must_be_inside_the_permitted_range() {
    assert_eq!(tenants(3, set_to("26"), usual).1, "OutsideRange(0)");
    let most = |celsius: &str| at_most(Attr::Setpoint, &self::celsius(celsius).to_string());
    assert_eq!(tenants(3, most("24"), usual).1, "283.15..297.15");
    assert_eq!(tenants(3, most("18"), usual).1, "OutsideRange(0)");
    let choice = |hi: &str| EffectKind::Choice {
        attr: Attr::Setpoint,
        pieces: vec![(celsius("20"), celsius("20")), (celsius(hi), celsius(hi))],
    };
    assert_eq!(tenants(3, choice("22"), usual).1, "293.15 295.15");
    assert_eq!(tenants(3, choice("29"), usual).1, "OutsideRange(0)");
}

#[test]
fn s21_forbid_beats_permit_and_binds_the_owner_too() {
    let forbid = |site: &mut Site, who| {
        site.permits.push(Permit { forbid: true, who, ..site.permits[0].clone() });
        site.permits[1].verb = None;
    };
    let (_, fate) = tenants(3, set_to("21"), |site, acme, lobby| {
        usual(site, acme, lobby);
        forbid(site, Some(acme));
    });
    assert_eq!(fate, "Forbidden(1)");
    let (_, fate) = tenants(3, set_to("21"), |site, acme, lobby| {
        usual(site, acme, lobby);
        site.rules[0].owner = OWNER;
        forbid(site, Some(OWNER));
    });
    assert_eq!(fate, "Forbidden(1)");
    // a forbidden range that the effect does not meet
    let (_, fate) = tenants(3, set_to("21"), |site, acme, lobby| {
        usual(site, acme, lobby);
        forbid(site, Some(acme));
        site.permits[1].lo = Some(celsius("22"));
    });
    assert_eq!(fate, "294.15");
}

#[test]
fn s20_accounts_and_classes() {
    let (site, fate_now) = tenants(3, set_to("21"), usual);
    assert_eq!(fate_now, "294.15");
    // the last day is included
    assert_eq!(fate(&site, &Environment::new(at("2026-07-14T23:59:59Z"))), "294.15");
    assert_eq!(fate(&site, &Environment::new(at("2026-07-15T00:00:00Z"))), "AccountEnded");
    assert_eq!(tenants(1, set_to("21"), usual).1, "Class");
}

#[test]
fn s21_an_effect_without_force_clashes_with_nothing() {
    let (mut site, _) = tenants(3, set_to("21"), |_, _, _| {});
    rule(&mut site, "owner", 3, Verb::Set, one(FamilyId(0)), set_to("23"));
    let decision = decide(&site, &noon());
    assert!(decision.conflicts.is_empty());
    assert_eq!(shown(&decision.zone(&site, ZoneId(0)).unwrap(), &Attr::Setpoint), "296.15");
}

#[test]
fn s21_permission_is_asked_for_each_member() {
    let mut site = site();
    let chargers = consumer(&mut site, "charger", &[("0", "11")]);
    array(&mut site, chargers, 4);
    let evs = group(&mut site, "evs", &[members(chargers, 1, 4)]);
    let acme = tenant(&mut site, "acme", &[3], None);
    permit(&mut site, acme, Verb::Limit, Target::Members(vec![members(chargers, 2, 3)]), None);
    rule(&mut site, "cap", 3, Verb::Limit, Target::Group(evs), at_most(Attr::Power, "4")).owner = acme;
    let decision = decide(&site, &noon());
    let of =
        |index| shown(&decision.device(&site, Device { family: chargers, index }).unwrap(), &Attr::Power);
    assert_eq!((of(1), of(2), of(3), of(4)), ("0..11".into(), "0..4".into(), "0..4".into(), "0..11".into()));
    assert_eq!(decision.denials.len(), 2);
    // a total over devices of which some may not be commanded has no force
    site.rules[0].effects[0].kind = bound(Attr::Power, None, Some("10"), Share::Together);
    let decision = decide(&site, &noon());
    assert!(decision.totals.is_empty() && decision.denials.len() == 2);
}

#[test]
fn s21_guards_read_the_rest_by_permit() {
    let reading = |source: fn(FamilyId) -> SignalSource, may: bool| {
        let (mut site, _) = tenants(3, set_to("21"), usual);
        let ppm =
            any_signal(&mut site, "x", Domain::Interval { lo: rat("0"), hi: rat("9") }, source(FamilyId(0)));
        site.rules[0].when = above(ppm, "1");
        if may {
            let point = Some(Attr::Point("ppm".into()));
            permit(&mut site, PrincipalId(1), Verb::Read, one(FamilyId(0)), point);
        }
        fate(&site, &noon().with(only(ppm), number("5")))
    };
    assert_eq!(reading(|_| SignalSource::Weather, false), "294.15");
    assert_eq!(reading(|_| SignalSource::Event, false), "294.15");
    let sensor = |of| SignalSource::Sensor(of, "ppm".into());
    assert_eq!(reading(sensor, false), "MayNotRead");
    assert_eq!(reading(sensor, true), "294.15");
    assert_eq!(reading(|of| SignalSource::Sensor(of, "rh".into()), true), "MayNotRead");
    assert_eq!(reading(|_| SignalSource::Feed(FeedId(0)), true), "MayNotRead");
}

#[test]
fn s21_amounts_are_read_by_permit_too() {
    let reading = |source: fn(FamilyId) -> SignalSource, may: bool| {
        let (mut site, _) = tenants(3, set_to("21"), usual);
        let degrees = Domain::Interval { lo: rat("290"), hi: rat("298") };
        let signal = any_signal(&mut site, "x", degrees, source(FamilyId(0)));
        let lin = Lin::of(only(signal));
        site.rules[0].effects[0].kind = EffectKind::Bound {
            attr: Attr::Setpoint,
            lo: Some(lin.clone()),
            hi: Some(lin),
            share: Share::Each,
            averaged_s: None,
        };
        if may {
            let point = Some(Attr::Point("set".into()));
            permit(&mut site, PrincipalId(1), Verb::Read, one(FamilyId(0)), point);
        }
        fate(&site, &noon().with(only(signal), number("294.15")))
    };
    assert_eq!(reading(|_| SignalSource::Weather, false), "294.15");
    let sensor = |of| SignalSource::Sensor(of, "set".into());
    assert_eq!(reading(sensor, false), "MayNotRead");
    assert_eq!(reading(sensor, true), "294.15");
    assert_eq!(reading(|_| SignalSource::Feed(FeedId(0)), true), "MayNotRead");
}

#[test]
fn s21_emergency_permits_need_a_known_emergency() {
    let (mut site, _) = tenants(3, set_to("21"), |site, acme, lobby| {
        usual(site, acme, lobby);
        site.permits[0].emergency = true;
    });
    let alarm = any_signal(&mut site, "alarm", Domain::Bool, SignalSource::Weather);
    site.emergency = Some(Guard::Is(only(alarm)));
    assert_eq!(fate(&site, &noon().with(only(alarm), Value::Bool(true))), "294.15");
    assert_eq!(fate(&site, &noon().with(only(alarm), Value::Bool(false))), "NotPermitted");
    assert_eq!(fate(&site, &noon().without(only(alarm))), "NotPermitted");
}

#[test]
fn s22_life_safety_moves_only_towards_its_safe_state() {
    let denied = |safe_on, kind: EffectKind| {
        let mut site = site();
        let pump = consumer(&mut site, "fire_pump", &[("0", "45")]);
        site.families[0].life_safety = Some(safe_on);
        rule(&mut site, "r", 0, Verb::Set, one(pump), kind);
        let decision = decide(&site, &noon());
        decision.denials.first().map(|denial| denial.why) == Some(Refusal::LifeSafety)
    };
    let always = ObligationWindow::Recurring(Sched::Always);
    for (kind, with_on, with_off) in [
        (EffectKind::Switch(false), true, false),
        (EffectKind::Switch(true), false, true),
        (EffectKind::Connect(false), true, false),
        (at_most(Attr::Power, "20"), true, false),
        (at_most(Attr::Power, "45"), false, false),
        (at_least(Attr::Power, "20"), false, true),
        // without a source it would stand still
        (EffectKind::Supply { from: Vec::new(), never: true, by_accounting: false }, true, false),
        (EffectKind::Run { for_s: 60, uninterrupted: false, window: always }, false, true),
    ] {
        assert_eq!(denied(true, kind.clone()), with_on, "{kind:?}");
        assert_eq!(denied(false, kind.clone()), with_off, "{kind:?}");
    }
}
