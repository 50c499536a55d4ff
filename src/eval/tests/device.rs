//! Semantics 9-11 and 16: the device law, directions, ranges.

use super::*;

/// One consumer with effects of one class each.
fn load(range: &[(&str, &str)], effects: &[(u32, Verb, EffectKind)]) -> (Site, DeviceSet, Decision) {
    let mut site = site();
    let load = consumer(&mut site, "load", range);
    resolve(site, load, effects)
}

fn resolve(
    mut site: Site,
    family: FamilyId,
    effects: &[(u32, Verb, EffectKind)],
) -> (Site, DeviceSet, Decision) {
    for (i, (class, verb, kind)) in effects.iter().enumerate() {
        rule(&mut site, &format!("r{i}"), *class, *verb, one(family), kind.clone());
    }
    let decision = decide(&site, &noon());
    let set = decision.device(&site, device(family)).unwrap();
    (site, set, decision)
}

#[test]
fn s9_not_connected_is_off_and_off_is_power_zero() {
    let (_, set, _) = load(&[("0", "10")], &[(0, Verb::Disconnect, EffectKind::Connect(false))]);
    assert_eq!((shown(&set, &Attr::On), shown(&set, &Attr::Power)), ("no".into(), "0".into()));
    let (_, set, _) = load(&[("0", "10")], &[(0, Verb::TurnOff, EffectKind::Switch(false))]);
    assert_eq!((shown(&set, &Attr::Connected), shown(&set, &Attr::Power)), ("any".into(), "0".into()));
}

#[test]
fn s9_power_above_zero_is_on_and_connected() {
    let (_, set, _) = load(&[("0", "10")], &[(0, Verb::Set, at_least(Attr::Power, "1"))]);
    assert_eq!((shown(&set, &Attr::On), shown(&set, &Attr::Connected)), ("yes".into(), "yes".into()));
}

#[test]
fn s9_turn_on_means_the_part_above_the_gap() {
    let range = [("0", "0"), ("1.4", "11")];
    let (_, set, _) = load(&range, &[(0, Verb::TurnOn, EffectKind::Switch(true))]);
    assert_eq!(shown(&set, &Attr::Power), "1.4..11");
    let (_, set, _) = load(&[("0", "10")], &[(0, Verb::TurnOn, EffectKind::Switch(true))]);
    assert_eq!(shown(&set, &Attr::Power), "0..10");
    // below the gap nothing but off is left
    let (_, set, _) = load(&range, &[(0, Verb::Limit, at_most(Attr::Power, "1"))]);
    assert_eq!((shown(&set, &Attr::Power), shown(&set, &Attr::On)), ("0".into(), "no".into()));
    // the two together cannot be, though no attribute of theirs is the same
    let both = [(3, Verb::TurnOn, EffectKind::Switch(true)), (3, Verb::Limit, at_most(Attr::Power, "1"))];
    let (site, _, decision) = load(&range, &both);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1"]);
}

#[test]
fn s9_the_law_joins_different_attributes() {
    let clash =
        [(3, Verb::Disconnect, EffectKind::Connect(false)), (3, Verb::Set, at_least(Attr::Power, "2"))];
    let (site, _, decision) = load(&[("0", "10")], &clash);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1"]);
    let clash =
        [(3, Verb::Disconnect, EffectKind::Connect(false)), (3, Verb::TurnOn, EffectKind::Switch(true))];
    let (site, _, decision) = load(&[("0", "10")], &clash);
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1"]);
}

#[test]
fn s9_a_held_temperature_binds_the_setpoint_and_thermostats_set_their_zone() {
    let mut site = site();
    let offices = zone(&mut site, "offices");
    let lobby = control(&mut site, "lobby", Some(offices));
    let hold = bound(Attr::Temperature, Some("294.15"), Some("296.15"), Share::Each);
    rule(&mut site, "hold", 3, Verb::Hold, Target::Zone(offices), hold);
    let decision = decide(&site, &noon());
    assert_eq!(shown(&decision.zone(&site, offices).unwrap(), &Attr::Setpoint), "294.15..296.15");
    rule(&mut site, "set", 3, Verb::Set, one(lobby), exactly(Attr::Setpoint, "299.15"));
    let decision = decide(&site, &noon());
    assert_eq!(conflicts(&site, &decision), ["Contradiction: hold set"]);
    assert_eq!(decision.conflicts[0].units, [Unit::Zone(offices)]);
    // a setpoint does not bind the temperature
    site.rules.remove(0);
    site.rules[0].id = RuleId(0);
    let decision = decide(&site, &noon());
    let set = decision.zone(&site, offices).unwrap();
    assert_eq!(shown(&set, &Attr::Setpoint), "299.15");
    assert_eq!(shown(&set, &Attr::Temperature), "283.15..308.15");
}

#[test]
fn s10_a_stores_power_is_discharge_less_charge() {
    let mut base = site();
    let pack = battery(&mut base, "pack", "50");
    let power = |lo, hi| bound(Attr::Power, lo, hi, Share::Each);
    let (_, set, _) = resolve(base.clone(), pack, &[(3, Verb::Set, power(Some("-20"), Some("30")))]);
    assert_eq!((shown(&set, &Attr::Charge), shown(&set, &Attr::Discharge)), ("0..20".into(), "0..30".into()));
    assert_eq!(set.hull(&Attr::Power), Some((rat("-20"), rat("30"))));
    let (_, set, _) = resolve(base.clone(), pack, &[(3, Verb::Set, power(Some("10"), None))]);
    assert_eq!((shown(&set, &Attr::Charge), shown(&set, &Attr::Discharge)), ("0".into(), "10..50".into()));
    assert_eq!(set.hull(&Attr::Power), Some((rat("10"), rat("50"))));
    let set = physical(&base, device(pack)).unwrap();
    assert_eq!(shown(&set, &Attr::ChargeLevel), "0.1..0.95");
}

#[test]
fn s10_a_grids_power_is_import_less_export() {
    let mut base = site();
    let utility = grid(&mut base, "utility", "250", None);
    let (_, set, _) = resolve(base, utility, &[(2, Verb::Limit, at_most(Attr::Power, "120"))]);
    assert_eq!((shown(&set, &Attr::Import), shown(&set, &Attr::Export)), ("0..120".into(), "0..250".into()));
}

#[test]
fn s10_a_bound_over_time_binds_no_instant() {
    let mut averaged = at_most(Attr::Power, "4");
    if let EffectKind::Bound { averaged_s, .. } = &mut averaged {
        *averaged_s = Some(900);
    }
    let (site, set, decision) = load(&[("0", "10")], &[(3, Verb::Limit, averaged.clone())]);
    assert_eq!(shown(&set, &Attr::Power), "0..10");
    let means: Vec<_> = decision.means(device(FamilyId(0))).collect();
    assert_eq!((means.len(), means[0].averaged_s), (1, Some(900)));
    assert_eq!(site.rules.len(), 1);
    // but what must hold for ever contradicts it
    let (site, set, decision) = load(
        &[("0", "10")],
        &[(3, Verb::Limit, averaged.clone()), (3, Verb::Set, at_least(Attr::Power, "6"))],
    );
    assert_eq!(conflicts(&site, &decision), ["Contradiction: r0 r1"]);
    assert_eq!(shown(&set, &Attr::Power), "0..10");
    let (site, set, decision) =
        load(&[("0", "10")], &[(2, Verb::Limit, averaged), (3, Verb::Set, at_least(Attr::Power, "6"))]);
    assert_eq!(overridden(&site, &decision), "r1");
    assert_eq!(shown(&set, &Attr::Power), "0..10");
}

#[test]
fn s11_bounds_are_linear_in_signals() {
    let mut base = site();
    let load = consumer(&mut base, "load", &[("0", "10")]);
    let sun = signal(&mut base, "sun", "0", "8");
    let lin = Lin { constant: rat("1"), terms: vec![(rat("0.5"), only(sun))], sums: vec![] };
    let kind = EffectKind::Bound {
        attr: Attr::Power,
        lo: None,
        hi: Some(lin),
        share: Share::Each,
        averaged_s: None,
    };
    rule(&mut base, "follow_sun", 3, Verb::Limit, one(load), kind);
    let power = |site: &Site, env: &Environment| {
        shown(&decide(site, env).device(site, device(load)).unwrap(), &Attr::Power)
    };
    assert_eq!(power(&base, &noon().with(only(sun), number("3"))), "0..2.5");
    // lost: without force, or at its strictest where the rule is active on loss
    let lost = noon().without(only(sun));
    assert_eq!(power(&base, &lost), "0..10");
    base.rules[0].on_loss = OnLoss::Active;
    assert_eq!(power(&base, &lost), "0..1");
    let effect = EffectRef { instance: Instance::of(RuleId(0)), index: 0 };
    assert_eq!(decide(&base, &lost).notes, [Note::LostBound { effect, strict: true }]);
}

#[test]
fn s11_choices_are_finite_sets_and_no_rule_widens_the_physical_range() {
    let choice =
        EffectKind::Choice { attr: Attr::Power, pieces: pieces(&[("2", "2"), ("6", "7"), ("30", "30")]) };
    let (_, set, _) = load(&[("0", "6.5")], &[(3, Verb::Set, choice)]);
    assert_eq!(shown(&set, &Attr::Power), "2 6..6.5");
    let (site, set, decision) = load(&[("0", "10")], &[(3, Verb::Set, at_least(Attr::Power, "11"))]);
    assert_eq!(shown(&set, &Attr::Power), "0..10");
    assert_eq!(conflicts(&site, &decision), ["BeyondDevice: r0"]);
}

#[test]
fn s11_a_range_without_zero_is_what_the_device_takes_while_it_is_on() {
    let (_, set, _) = load(&[("5", "10")], &[(3, Verb::Disconnect, EffectKind::Connect(false))]);
    assert_eq!(shown(&set, &Attr::Power), "0");
    let (_, set, _) = load(&[("5", "10")], &[(3, Verb::TurnOn, EffectKind::Switch(true))]);
    assert_eq!(shown(&set, &Attr::Power), "5..10");
}

#[test]
fn s16_levels_are_bound_within_what_the_store_allows() {
    let mut base = site();
    let pack = battery(&mut base, "pack", "50");
    let (_, set, _) = resolve(base, pack, &[(1, Verb::Keep, at_least(Attr::ChargeLevel, "0.3"))]);
    assert_eq!(shown(&set, &Attr::ChargeLevel), "0.3..0.95");
}

#[test]
fn on_and_connected_can_be_bound_as_numbers() {
    let (_, set, _) = load(&[("0", "10")], &[(3, Verb::Set, exactly(Attr::On, "0"))]);
    assert_eq!(shown(&set, &Attr::Power), "0");
    let choice = EffectKind::Choice { attr: Attr::Connected, pieces: pieces(&[("1", "1")]) };
    let (_, set, _) = load(&[("0", "10")], &[(3, Verb::Set, choice)]);
    assert_eq!(shown(&set, &Attr::Connected), "yes");
}

#[test]
fn the_closure_is_the_projection_of_all_lawful_combinations() {
    // brute force over small sets: connected x on x power
    let values: Vec<Rat> = (0..=4).map(Rat::int).collect();
    let bools = [BoolSet::ANY, BoolSet::just(false), BoolSet::just(true)];
    for gap in [false, true] {
        let physical = if gap {
            IntervalSet::new(vec![(Rat::ZERO, Rat::ZERO), (rat("2"), rat("4"))])
        } else {
            IntervalSet::between(Rat::ZERO, rat("4"))
        };
        for connected in bools {
            for on in bools {
                for lo in 0..=4_i64 {
                    for hi in lo..=4 {
                        let mut power = physical.clone();
                        power.clip(Some(&Rat::int(lo)), Some(&Rat::int(hi)));
                        let numbers = [(Attr::Power, power.clone())].into();
                        let mut set = DeviceSet { connected, on, numbers, law: Law::OneWay { gap } };
                        set.close();
                        let mut lawful = Vec::new();
                        for c in [false, true] {
                            for o in [false, true] {
                                for p in values.iter().filter(|p| power.contains(p)) {
                                    let in_sets = BoolSet::just(c).is_subset(connected)
                                        && BoolSet::just(o).is_subset(on);
                                    let off_is_zero = (c || !o) && (o || p.is_zero());
                                    let on_is_above_the_gap = !(gap && o && p.is_zero());
                                    if in_sets && off_is_zero && on_is_above_the_gap {
                                        lawful.push((c, o, p.clone()));
                                    }
                                }
                            }
                        }
                        assert_eq!(
                            set.is_empty(),
                            lawful.is_empty(),
                            "{connected:?} {on:?} {lo}..{hi} {gap}"
                        );
                        if lawful.is_empty() {
                            continue;
                        }
                        for p in &values {
                            let held = set.numbers[&Attr::Power].contains(p);
                            assert_eq!(
                                held,
                                lawful.iter().any(|(.., q)| p == q),
                                "{connected:?} {on:?} {lo}..{hi} {p}"
                            );
                        }
                        for value in [false, true] {
                            let of = |set: BoolSet| BoolSet::just(value).is_subset(set);
                            assert_eq!(of(set.connected), lawful.iter().any(|l| l.0 == value));
                            assert_eq!(of(set.on), lawful.iter().any(|l| l.1 == value));
                        }
                    }
                }
            }
        }
    }
}
