//! Semantics 12-14: conflict, override, each and together.

use super::*;

/// Rules on one consumer of 0..10 kW, in order: class and effect.
fn rules(range: &[(&str, &str)], effects: &[(u32, EffectKind)]) -> (Site, Decision) {
    let mut site = site();
    let load = consumer(&mut site, "load", range);
    for (i, (class, kind)) in effects.iter().enumerate() {
        rule(&mut site, &format!("r{i}"), *class, Verb::Set, one(load), kind.clone());
    }
    let decision = decide(&site, &noon());
    (site, decision)
}

fn power(site: &Site, decision: &Decision) -> String {
    shown(&decision.device(site, device(FamilyId(0))).unwrap(), &Attr::Power)
}

const LOAD: &[(&str, &str)] = &[("0", "10")];

fn most(value: &str) -> EffectKind {
    at_most(Attr::Power, value)
}

fn least(value: &str) -> EffectKind {
    at_least(Attr::Power, value)
}

fn choice(texts: &[(&str, &str)]) -> EffectKind {
    EffectKind::Choice { attr: Attr::Power, pieces: pieces(texts) }
}

#[test]
fn s12_effects_of_one_class_must_intersect() {
    let (site, decision) = rules(LOAD, &[(3, most("4")), (3, least("6")), (3, most("8"))]);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1"]);
    assert!(decision.contradicts());
    // the two are dropped, the third stands
    assert_eq!(power(&site, &decision), "0..8");
    let (site, decision) = rules(LOAD, &[(3, most("6")), (3, least("6"))]);
    assert!(decision.conflicts.is_empty());
    assert_eq!(power(&site, &decision), "6");
}

#[test]
fn s12_a_conflict_stands_whatever_higher_classes_say() {
    let (site, decision) = rules(LOAD, &[(0, most("2")), (3, most("4")), (3, least("6"))]);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r1 r2"]);
    assert_eq!(power(&site, &decision), "0..2");
}

#[test]
fn s12_three_can_clash_where_no_two_do() {
    let three = [(3, choice(&[("0", "0"), ("5", "10")])), (3, least("1")), (3, most("4"))];
    let (site, decision) = rules(LOAD, &three);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1 r2"]);
    assert_eq!(power(&site, &decision), "0..10");
}

#[test]
fn s12_another_rule_hides_no_contradiction() {
    let (site, decision) = rules(LOAD, &[(3, most("2")), (3, least("4")), (3, least("5"))]);
    // by deletion in source order the last two remain: `r0` clashes with `r2`
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r2", "(Contradiction: r0 r1)"]);
    assert_eq!(power(&site, &decision), "4..10");
}

#[test]
fn s12_forcing_both_directions_is_opposed() {
    let mut site = site();
    let pack = battery(&mut site, "pack", "50");
    rule(&mut site, "fill", 3, Verb::Set, one(pack), at_least(Attr::Charge, "5"));
    rule(&mut site, "give", 3, Verb::Set, one(pack), at_least(Attr::Discharge, "5"));
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["Opposed: fill give"]);
    // of two classes the higher wins
    site.rules[1].class = ClassId(4);
    let decision = decide(&site, &noon());
    assert_eq!(overridden(&site, &decision), "give");
    let set = decision.device(&site, device(pack)).unwrap();
    assert_eq!((shown(&set, &Attr::Charge), shown(&set, &Attr::Discharge)), ("5..50".into(), "0".into()));
}

#[test]
fn s12_a_zone_is_not_heated_and_cooled_at_once() {
    let mut site = site();
    let offices = zone(&mut site, "offices");
    let boiler = consumer(&mut site, "boiler", LOAD);
    let chiller = consumer(&mut site, "chiller", LOAD);
    conditions(&mut site, boiler, offices, true);
    conditions(&mut site, chiller, offices, false);
    rule(&mut site, "heat", 3, Verb::Set, one(boiler), least("2"));
    rule(&mut site, "cool", 3, Verb::Set, one(chiller), least("2"));
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["Opposed: heat cool"]);
    assert!(decision.conflicts[0].units.contains(&Unit::Zone(offices)));
    site.rules[1].class = ClassId(5);
    let decision = decide(&site, &noon());
    assert_eq!(overridden(&site, &decision), "cool");
    let Status::Overridden { by } = &decision.outcomes[1].status else { panic!() };
    assert_eq!(names(&site, by), "heat");
    site.rules[1].effects[0].kind = most("5");
    assert!(decide(&site, &noon()).overridden().is_empty());
}

#[test]
fn s13_what_alone_misses_the_rest_is_overridden_alone() {
    let (site, decision) = rules(LOAD, &[(0, most("4")), (3, least("6")), (3, most("3"))]);
    assert!(!decision.conflicts.is_empty(), "r1 and r2 clash in their class");
    let (site_two, decision_two) = rules(LOAD, &[(0, most("4")), (3, least("6")), (3, least("2"))]);
    assert_eq!(overridden(&site_two, &decision_two), "r1");
    assert!(decision_two.conflicts.is_empty());
    assert_eq!(power(&site_two, &decision_two), "2..4");
    assert_eq!(power(&site, &decision), "0..4");
}

#[test]
fn s13_who_overrides_is_a_least_set() {
    let (site, decision) = rules(LOAD, &[(0, most("8")), (1, most("4")), (2, least("1")), (3, least("6"))]);
    let outcome = decision.outcomes.iter().find(|o| o.effect.instance.rule == RuleId(3)).unwrap();
    let Status::Overridden { by } = &outcome.status else { panic!() };
    assert_eq!(names(&site, by), "r1");
}

#[test]
fn s13_a_joint_miss_is_a_contradiction_labelled_with_the_higher_rule() {
    // the gap of the higher choice: each of the two lower bounds fits, both together do not
    let gap = [(0, choice(&[("0", "2"), ("8", "10")])), (3, least("1")), (3, least("3")), (3, most("7"))];
    let (site, decision) = rules(LOAD, &gap);
    assert_eq!(conflicts(&site, &decision), ["JointMiss: r2 r3 / r0"]);
    assert_eq!(power(&site, &decision), "1..2 8..10");
}

#[test]
fn s13_safety_wins_over_everything_below() {
    let (site, decision) =
        rules(LOAD, &[(5, least("9")), (4, least("8")), (0, EffectKind::Connect(false)), (3, least("7"))]);
    assert_eq!(power(&site, &decision), "0");
    assert_eq!(overridden(&site, &decision), "r0 r1 r3");
}

/// Chargers of 0 or 1.4..11 kW, a group of all, and one of the first two.
fn chargers(count: u32) -> (Site, FamilyId, GroupId) {
    let mut site = site();
    let family = consumer(&mut site, "charger", &[("0", "0"), ("1.4", "11")]);
    array(&mut site, family, count);
    let evs = group(&mut site, "evs", &[members(family, 1, count)]);
    (site, family, evs)
}

fn together(lo: Option<&str>, hi: Option<&str>) -> EffectKind {
    bound(Attr::Power, lo, hi, Share::Together)
}

#[test]
fn s14_each_is_one_effect_per_member() {
    let (mut site, family, evs) = chargers(8);
    rule(&mut site, "shave", 5, Verb::Limit, Target::Group(evs), most("3.6"));
    rule(&mut site, "three", 3, Verb::Set, Target::Members(vec![members(family, 3, 3)]), least("5"));
    let decision = decide(&site, &noon());
    let of = |index| shown(&decision.device(&site, Device { family, index }).unwrap(), &Attr::Power);
    assert_eq!((of(2), of(3), of(4)), ("0 1.4..3.6".into(), "5..11".into(), "0 1.4..3.6".into()));
    let fates: Vec<_> = decision.outcomes.iter().map(|o| (o.unit, o.status == Status::InForce)).collect();
    let unit = |first, last| Unit::Devices(members(family, first, last));
    // members that nothing tells apart are one
    let expected = [(unit(3, 3), true), (unit(1, 2), true), (unit(3, 3), false), (unit(4, 8), true)];
    assert_eq!(fates, expected);
}

#[test]
fn s14_a_total_clashes_only_when_it_misses_the_hull() {
    let (mut site, _, evs) = chargers(8);
    rule(&mut site, "fleet", 1, Verb::Limit, Target::Group(evs), together(None, Some("60")));
    rule(&mut site, "each", 3, Verb::Set, Target::Group(evs), least("7"));
    let decision = decide(&site, &noon());
    assert!(decision.conflicts.is_empty() && decision.overridden().is_empty());
    assert_eq!(decision.totals_in_force().count(), 1);
    // 8 x 8 > 60: no member's effect misses alone, all together do
    site.rules[1].effects[0].kind = least("8");
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["JointMiss: each / fleet"]);
    let set = decision.device(&site, Device { family: FamilyId(0), index: 4 }).unwrap();
    assert_eq!(shown(&set, &Attr::Power), "0 1.4..11");
    // in one class it is a contradiction
    site.rules[1].class = ClassId(1);
    assert_eq!(conflicts(&site, &decide(&site, &noon())), ["Contradiction: fleet each"]);
}

#[test]
fn s14_a_total_alone_can_be_overridden() {
    let (mut site, _, evs) = chargers(8);
    rule(&mut site, "each", 1, Verb::Limit, Target::Group(evs), most("3"));
    rule(&mut site, "total", 3, Verb::Set, Target::Group(evs), together(Some("30"), None));
    let decision = decide(&site, &noon());
    assert_eq!(overridden(&site, &decision), "total");
    let Status::Overridden { by } = &decision.totals[0].status else { panic!() };
    assert_eq!(names(&site, by), "each");
    // a total beyond all members' greatest
    site.rules[1].effects[0].kind = together(Some("89"), None);
    assert_eq!(conflicts(&site, &decide(&site, &noon())), ["BeyondDevice: total"]);
}

#[test]
fn s14_totals_of_one_class_must_intersect() {
    let (mut site, _, evs) = chargers(8);
    rule(&mut site, "low", 3, Verb::Limit, Target::Group(evs), together(None, Some("20")));
    rule(&mut site, "high", 3, Verb::Set, Target::Group(evs), together(Some("30"), None));
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["Contradiction: low high"]);
    assert_eq!(decision.totals_in_force().count(), 0);
    site.rules[1].class = ClassId(4);
    let decision = decide(&site, &noon());
    assert_eq!(overridden(&site, &decision), "high");
}

#[test]
fn s14_gaps_inside_a_total_are_the_planners_business() {
    let (mut site, _, evs) = chargers(2);
    // 1 kW in total lies in every member's gap, but inside the hull 0..22
    rule(&mut site, "one", 3, Verb::Set, Target::Group(evs), together(Some("1"), Some("1")));
    assert!(decide(&site, &noon()).conflicts.is_empty());
}

#[test]
fn s14_for_each_reads_its_own_member() {
    let (mut site, family, evs) = chargers(3);
    let power = measured(&mut site, family, Attr::Power, "0", "11");
    let each = rule(&mut site, "each", 3, Verb::Limit, Target::Bound, most("4"));
    each.for_each = Some(evs);
    each.when = compare(SigRef::Bound(Attr::Power), Cmp::Gt, "6");
    let env = noon()
        .with(SigRef::Member(power, 1), number("2"))
        .with(SigRef::Member(power, 2), number("7"))
        .with(SigRef::Member(power, 3), number("2"));
    let decision = decide(&site, &env);
    assert_eq!(decision.active, [Instance { rule: RuleId(0), member: Some(Device { family, index: 2 }) }]);
    let of = |index| shown(&decision.device(&site, Device { family, index }).unwrap(), &Attr::Power);
    assert_eq!((of(1), of(2), of(3)), ("0 1.4..11".into(), "0 1.4..4".into(), "0 1.4..11".into()));
}

#[test]
fn the_same_statements_on_many_units_are_one_conflict() {
    let (mut site, family, evs) = chargers(8);
    rule(&mut site, "low", 3, Verb::Limit, Target::Group(evs), most("3"));
    rule(&mut site, "high", 3, Verb::Set, Target::Group(evs), least("5"));
    rule(&mut site, "cut", 5, Verb::Limit, Target::Members(vec![members(family, 4, 4)]), most("9"));
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["Contradiction: low high"]);
    assert_eq!(decision.conflicts[0].units.len(), 3);
}
