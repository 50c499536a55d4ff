//! Semantics 16-19: obligations, origins, preferences, and what else rules do.

use super::*;

#[test]
fn s17_obligations_are_returned_not_intersected() {
    let mut site = site();
    let charger = consumer(&mut site, "charger", &[("0", "11")]);
    let washer = consumer(&mut site, "washer", &[("0", "2")]);
    let window = ObligationWindow::Recurring(hours(Days::Daily, 8, 17));
    let energy = Lin::constant(rat("40"));
    rule(
        &mut site,
        "commute",
        2,
        Verb::Deliver,
        one(charger),
        EffectKind::Deliver { energy, window: window.clone() },
    );
    let run = EffectKind::Run { for_s: 7200, uninterrupted: true, window };
    rule(&mut site, "laundry", 3, Verb::Run, one(washer), run);
    let decision = decide(&site, &noon());
    assert!(decision.resolved.is_empty() && decision.conflicts.is_empty());
    let open = (at("2026-07-14T08:00:00Z"), at("2026-07-14T17:00:00Z"));
    assert_eq!(decision.obligations.len(), 2);
    assert_eq!(decision.obligations[0].asked, Asked::Deliver(rat("40")));
    assert_eq!(decision.obligations[0].members, [members(charger, 1, 1)]);
    assert_eq!(decision.obligations[0].open, [open]);
    assert_eq!(decision.obligations[1].asked, Asked::Run { for_s: 7200, uninterrupted: true });
    let night = decide(&site, &Environment::new(at("2026-07-14T20:00:00Z")));
    assert!(night.obligations[0].open.is_empty());
}

/// A consumer `c`, a grid, a PV plant, two batteries; supplies of it: class, sources, never.
fn supplied(supplies: &[(u32, &[u32], bool)]) -> (Site, Decision) {
    let mut site = site();
    let load = consumer(&mut site, "c", &[("0", "10")]);
    grid(&mut site, "grid", "250", None);
    pv(&mut site, "solar", "120");
    let packs = battery(&mut site, "pack", "50");
    array(&mut site, packs, 2);
    for (i, (class, from, never)) in supplies.iter().enumerate() {
        let all = |family: &u32| members(FamilyId(*family), 1, if *family == 3 { 2 } else { 1 });
        let kind =
            EffectKind::Supply { from: from.iter().map(all).collect(), never: *never, by_accounting: i == 0 };
        let verb = if *never { Verb::NeverSupply } else { Verb::Supply };
        rule(&mut site, &format!("r{i}"), *class, verb, one(load), kind);
    }
    let decision = decide(&site, &noon());
    (site, decision)
}

fn origins(decision: &Decision) -> String {
    let show = |range: &MemberRange| format!("{}[{}..{}]", range.family, range.first, range.last);
    decision.origins.iter().flat_map(|o| o.allowed.iter().map(show)).collect::<Vec<_>>().join(" ")
}

fn power(site: &Site, decision: &Decision) -> String {
    shown(&decision.device(site, device(FamilyId(0))).unwrap(), &Attr::Power)
}

#[test]
fn s18_origins_restrict_and_intersect() {
    let (site, decision) = supplied(&[(3, &[2, 3], false)]);
    assert_eq!(origins(&decision), "2[1..1] 3[1..2]");
    assert!(decision.origins[0].by_accounting);
    // it never obliges
    assert_eq!(power(&site, &decision), "0..10");
    let (_, decision) = supplied(&[(3, &[2, 3], false), (3, &[1, 2], false)]);
    assert_eq!(origins(&decision), "2[1..1]");
    assert!(!decision.origins[0].by_accounting);
    assert_eq!(decision.origins[0].by.len(), 2);
    let (_, decision) = supplied(&[(5, &[1], true)]);
    assert_eq!(origins(&decision), "2[1..1] 3[1..2]");
    assert!(supplied(&[]).1.origins.is_empty());
}

#[test]
fn s18_positive_sets_of_one_class_that_exclude_each_other_are_a_contradiction() {
    let (site, decision) = supplied(&[(3, &[1], false), (3, &[2], false)]);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1"]);
    assert_eq!(power(&site, &decision), "0..10");
}

#[test]
fn s18_a_lower_class_yields() {
    let (site, decision) = supplied(&[(1, &[1], false), (3, &[2], false), (4, &[1], true)]);
    assert!(decision.conflicts.is_empty());
    assert_eq!(overridden(&site, &decision), "r1 r2");
    assert_eq!(names(&site, &decision.displaced[0].2), "r0");
    assert_eq!(origins(&decision), "1[1..1]");
}

#[test]
fn s18_the_empty_set_forces_power_zero() {
    let (site, decision) = supplied(&[(3, &[1, 2, 3], true)]);
    assert_eq!((origins(&decision), power(&site, &decision)), (String::new(), "0".into()));
    let (site, decision) = supplied(&[(3, &[2], false), (3, &[2], true)]);
    assert!(decision.conflicts.is_empty());
    assert_eq!(power(&site, &decision), "0");
}

#[test]
fn s18_the_empty_set_against_a_lower_bound_is_a_contradiction() {
    let (mut site, _) = supplied(&[(3, &[1, 2, 3], true)]);
    rule(&mut site, "need", 3, Verb::Set, one(FamilyId(0)), at_least(Attr::Power, "2"));
    assert_eq!(conflicts(&site, &decide(&site, &noon())), ["Contradiction: r0 need"]);
    // a lower class yields to it, a higher one overrides it
    site.rules[1].class = ClassId(4);
    assert_eq!(overridden(&site, &decide(&site, &noon())), "need");
    site.rules[1].class = ClassId(1);
    let decision = decide(&site, &noon());
    assert_eq!((overridden(&site, &decision), power(&site, &decision)), ("r0".into(), "2..10".into()));
    // overridden, it takes no source away
    assert!(decision.origins.is_empty());
    let (mut site, _) = supplied(&[(0, &[1, 2], false), (3, &[1], true), (3, &[2], true)]);
    rule(&mut site, "need", 1, Verb::Set, one(FamilyId(0)), at_least(Attr::Power, "2"));
    assert_eq!(origins(&decide(&site, &noon())), "1[1..1] 2[1..1]");
}

#[test]
fn s18_a_store_that_nothing_may_fill_may_still_give() {
    let (mut site, _) = supplied(&[(3, &[1, 2, 3], true)]);
    site.rules[0].effects[0].target = Target::Members(vec![members(FamilyId(3), 1, 1)]);
    let decision = decide(&site, &noon());
    let set = decision.device(&site, Device { family: FamilyId(3), index: 1 }).unwrap();
    assert_eq!((shown(&set, &Attr::Charge), shown(&set, &Attr::Discharge)), ("0".into(), "0..50".into()));
}

#[test]
fn s19_preferences_never_enter_conflict_or_override() {
    let mut site = site();
    let load = consumer(&mut site, "load", &[("0", "10")]);
    rule(&mut site, "hard", 3, Verb::Limit, one(load), at_most(Attr::Power, "4"));
    let soft = rule(&mut site, "soft", 3, Verb::Set, one(load), at_least(Attr::Power, "6"));
    soft.effects[0].preferably = true;
    soft.effects[0].price = Some(rat("0.5"));
    let decision = decide(&site, &noon());
    assert!(decision.conflicts.is_empty() && decision.overridden().is_empty());
    let set = decision.device(&site, device(load)).unwrap();
    assert_eq!(shown(&set, &Attr::Power), "0..4");
    let preference = &decision.preferences[0];
    assert_eq!(preference.price, Some(rat("0.5")));
    let demand = Demand::Bound { attr: Attr::Power, lo: Some(rat("6")), hi: None };
    assert_eq!(preference.asked, Asked::Demand(demand));
}

#[test]
fn messages_are_returned() {
    let mut site = site();
    let kind = EffectKind::Notify { to: "coolco".into(), text: "replace the filter".into() };
    rule(&mut site, "filter", 5, Verb::Notify, Target::Site, kind);
    let decision = decide(&site, &noon());
    assert_eq!((decision.notices.len(), decision.notices[0].to.as_str()), (1, "coolco"));
}

#[test]
fn a_class_may_name_one_way_of_following() {
    let mut site = site();
    let pack = battery(&mut site, "pack", "50");
    let utility = grid(&mut site, "utility", "100", None);
    let follow = |what, value: &str| {
        let meter = Meter { grid: device(utility), what };
        EffectKind::Follow { meter, target: Lin::constant(rat(value)) }
    };
    rule(&mut site, "surplus", 3, Verb::Follow, one(pack), follow(FollowWhat::Surplus, "0"));
    rule(&mut site, "import", 4, Verb::Follow, one(pack), follow(FollowWhat::Import, "10"));
    let decision = decide(&site, &noon());
    assert_eq!(decision.following.len(), 1);
    assert_eq!(decision.following[0].meter.what, FollowWhat::Surplus);
    assert_eq!(overridden(&site, &decision), "import");
    site.rules[1].class = ClassId(3);
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["Contradiction: surplus import"]);
    assert!(decision.following.is_empty());
}
