//! Laws over random policies and environments.

use super::super::Reading;
use super::*;
use proptest::prelude::*;

/// One random effect: class, kind, target (0: the load, 1: the battery, 2..=4: chargers, 5: all
/// chargers, 6: the zone, 7: the heater, 8: the cooler).
#[derive(Debug, Clone)]
struct Draft {
    class: u32,
    target: u8,
    kind: EffectKind,
    /// Which signal the guard compares, whether above, and with what.
    guard: Option<(bool, i64)>,
}

fn kind() -> impl Strategy<Value = EffectKind> {
    let ends = |attr: Attr, share: Share| {
        (prop::option::of(0..14_i64), prop::option::of(0..14_i64)).prop_map(move |(lo, hi)| {
            let (lo, hi) = (lo.map(|v| v.to_string()), hi.map(|v| v.to_string()));
            bound(attr.clone(), lo.as_deref(), hi.as_deref(), share)
        })
    };
    prop_oneof![
        4 => ends(Attr::Power, Share::Each),
        2 => ends(Attr::Power, Share::Together),
        1 => ends(Attr::Charge, Share::Each),
        1 => ends(Attr::Discharge, Share::Each),
        1 => any::<bool>().prop_map(EffectKind::Switch),
        1 => any::<bool>().prop_map(EffectKind::Connect),
        1 => (0..6_i64, 6..12_i64).prop_map(|(a, b)| EffectKind::Choice {
            attr: Attr::Power,
            pieces: vec![(Rat::int(a), Rat::int(a + 1)), (Rat::int(b), Rat::int(b))],
        }),
        1 => (280..310_i64, 0..10_i64).prop_map(|(lo, len)| {
            bound(Attr::Temperature, Some(&lo.to_string()), Some(&(lo + len).to_string()), Share::Each)
        }),
        1 => (prop::collection::vec(0..3_usize, 0..3), any::<bool>()).prop_map(|(from, never)| {
            let from = from.iter().map(|i| members(FamilyId([1, 6, 7][*i]), 1, 1)).collect();
            EffectKind::Supply { from, never, by_accounting: false }
        }),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    (0..4_u32, 0..9_u8, kind(), prop::option::of((any::<bool>(), 0..10_i64)))
        .prop_map(|(class, target, kind, guard)| Draft { class, target, kind, guard })
}

/// A site with the rules `r0`, `r1`, ...
fn build(drafts: &[Draft]) -> Site {
    let mut site = site();
    let load = consumer(&mut site, "load", &[("0", "10")]);
    battery(&mut site, "pack", "10");
    let chargers = consumer(&mut site, "charger", &[("0", "0"), ("2", "11")]);
    array(&mut site, chargers, 3);
    let offices = zone(&mut site, "offices");
    let heater = consumer(&mut site, "heater", &[("0", "12")]);
    let cooler = consumer(&mut site, "cooler", &[("0", "12")]);
    control(&mut site, "thermostat", Some(offices));
    grid(&mut site, "grid", "100", None);
    pv(&mut site, "solar", "20");
    conditions(&mut site, heater, offices, true);
    conditions(&mut site, cooler, offices, false);
    let evs = group(&mut site, "evs", &[members(chargers, 1, 3)]);
    let weather = signal(&mut site, "weather", "0", "10");
    for (i, draft) in drafts.iter().enumerate() {
        let target = match draft.target {
            0 => one(load),
            1 => one(FamilyId(1)),
            n @ 2..=4 => Target::Members(vec![members(chargers, u32::from(n) - 1, u32::from(n) - 1)]),
            5 => Target::Group(evs),
            6 => Target::Zone(offices),
            7 => one(heater),
            _ => one(cooler),
        };
        let verb = match draft.kind {
            EffectKind::Supply { never: true, .. } => Verb::NeverSupply,
            EffectKind::Supply { .. } => Verb::Supply,
            _ => Verb::Set,
        };
        let rule = rule(&mut site, &format!("r{i}"), draft.class, verb, target, draft.kind.clone());
        if let Some((up, value)) = draft.guard {
            rule.when =
                if up { above(weather, &value.to_string()) } else { below(weather, &value.to_string()) };
        }
    }
    site
}

fn environment() -> impl Strategy<Value = Environment> {
    prop::option::of(0..=10_i64).prop_map(|value| match value {
        Some(value) => noon().with(only(SignalId(0)), Value::Number(Rat::int(value))),
        None => noon().without(only(SignalId(0))),
    })
}

fn classes_in_contradiction(decision: &Decision) -> BTreeSet<ClassId> {
    let is = |conflict: &&Conflict| matches!(conflict.clash, Clash::Contradiction | Clash::Opposed);
    decision.conflicts.iter().filter(is).map(|conflict| conflict.class).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every unit keeps something, closed, inside its physical range, and nothing panics.
    #[test]
    fn the_evaluator_is_total(drafts in prop::collection::vec(draft(), 0..10), env in environment()) {
        let site = build(&drafts);
        let decision = decide(&site, &env);
        for (unit, set) in &decision.resolved {
            prop_assert!(!set.is_empty(), "{unit:?}");
            let mut closed = set.clone();
            closed.close();
            prop_assert_eq!(&closed, set);
            let physical = match unit {
                Unit::Devices(range) => physical_family(site.family(range.family).unwrap()),
                Unit::Zone(zone) => physical_zone(&site, *zone).unwrap(),
            };
            prop_assert!(set.is_subset(&physical), "{unit:?}");
        }
        for conflict in &decision.conflicts {
            prop_assert!(!conflict.effects.is_empty());
            prop_assert!(conflict.against.is_empty() || conflict.clash == Clash::JointMiss);
        }
    }

    /// What is in force is what is resolved: replaying it on the physical range gives the same set.
    #[test]
    fn effects_in_force_explain_the_result(drafts in prop::collection::vec(draft(), 0..10), env in environment()) {
        let site = build(&drafts);
        let decision = decide(&site, &env);
        for (unit, set) in &decision.resolved {
            let mut replayed = match unit {
                Unit::Devices(range) => physical_family(site.family(range.family).unwrap()),
                Unit::Zone(zone) => physical_zone(&site, *zone).unwrap(),
            };
            for outcome in &decision.outcomes {
                if outcome.unit == *unit && outcome.status == Status::InForce {
                    replayed.narrow(&outcome.demand);
                }
            }
            replayed.close();
            prop_assert_eq!(&replayed, set);
        }
    }

    /// What a class leaves does not depend on the classes below it.
    #[test]
    fn override_keeps_what_the_higher_classes_left(
        drafts in prop::collection::vec(draft(), 0..10),
        env in environment(),
        cut in 1..4_u32,
    ) {
        let site = build(&drafts);
        let above: Vec<Draft> = drafts.iter().filter(|draft| draft.class < cut).cloned().collect();
        let higher = decide(&build(&above), &env);
        let all = decide(&site, &env);
        for device in site.devices() {
            let (all, higher) = (all.device(&site, device).unwrap(), higher.device(&site, device).unwrap());
            prop_assert!(all.is_subset(&higher), "{device:?}");
        }
        let zone = ZoneId(0);
        prop_assert!(all.zone(&site, zone).unwrap().is_subset(&higher.zone(&site, zone).unwrap()));
        // units may be cut finer by what is added: compare by device
        let kept = |decision: &Decision| {
            let of = |outcome: &&Outcome| outcome.class.0 < cut && outcome.status == Status::InForce;
            let devices = decision.outcomes.iter().filter(of).flat_map(|outcome| {
                let on = |device: Device| outcome.unit.contains(device).then_some(Some(device));
                let devices = site.devices().filter_map(on).chain(matches!(outcome.unit, Unit::Zone(_)).then_some(None));
                devices.map(|device| format!("{device:?} {:?}", outcome.demand)).collect::<Vec<_>>()
            });
            let mut kept: Vec<String> = devices.collect();
            kept.sort();
            kept
        };
        prop_assert_eq!(kept(&higher), kept(&all));
    }

    /// Adding a rule never removes a contradiction among others in its class.
    #[test]
    fn another_rule_never_hides_a_contradiction(
        drafts in prop::collection::vec(draft(), 1..9),
        extra in draft(),
        env in environment(),
    ) {
        let without = decide(&build(&drafts), &env);
        let mut more = drafts.clone();
        more.push(extra);
        let with = decide(&build(&more), &env);
        prop_assert!(classes_in_contradiction(&without).is_subset(&classes_in_contradiction(&with)));
        // pairs on one unit are named again
        for conflict in without.conflicts.iter().filter(|c| c.effects.len() == 2 && c.units.len() == 1) {
            if matches!(conflict.units[0], Unit::Devices(_)) && matches!(conflict.clash, Clash::Contradiction | Clash::Opposed)
                && !drafts.iter().any(|d| matches!(d.kind, EffectKind::Supply { .. }))
                && !drafts.iter().any(|d| matches!(d.kind, EffectKind::Bound { share: Share::Together, .. }))
            {
                prop_assert!(with.conflicts.iter().any(|c| c.effects == conflict.effects), "{conflict:?}");
            }
        }
    }

    /// The closure is idempotent and monotone, and never adds.
    #[test]
    fn closing_is_a_closure(
        kinds in prop::collection::vec(kind(), 0..5),
        more in kind(),
        family in 0..3_usize,
    ) {
        let site = build(&[]);
        let demand = |kind: &EffectKind| match kind {
            EffectKind::Bound { attr, lo, hi, .. } => {
                let end = |lin: &Option<Lin>| lin.as_ref().and_then(|lin| lin.as_constant().cloned());
                Some(Demand::Bound { attr: attr.clone(), lo: end(lo), hi: end(hi) })
            }
            EffectKind::Choice { attr, pieces } => {
                Some(Demand::Choice { attr: attr.clone(), set: IntervalSet::new(pieces.clone()) })
            }
            EffectKind::Switch(on) => Some(Demand::Switch(*on)),
            EffectKind::Connect(connected) => Some(Demand::Connect(*connected)),
            _ => None,
        };
        let open = physical_family(&site.families[family]);
        let mut set = open.clone();
        kinds.iter().filter_map(demand).for_each(|demand| set.narrow(&demand));
        let before = set.clone();
        set.close();
        let mut again = set.clone();
        again.close();
        prop_assert_eq!(&again, &set);
        prop_assert!(set.is_subset(&before));
        let mut less = before.clone();
        demand(&more).iter().for_each(|demand| less.narrow(demand));
        less.close();
        prop_assert!(less.is_subset(&set), "{less:?} {set:?}");
    }

    /// Where nothing is open, partial evaluation and evaluation agree.
    #[test]
    fn activation_agrees_with_evaluation(drafts in prop::collection::vec(draft(), 1..6), env in environment()) {
        let site = build(&drafts);
        let cal = Calendar::new(&site).unwrap();
        let evaluator = Evaluator::new(&site, &cal);
        let decision = evaluator.evaluate(&env);
        for rule in &site.rules {
            let active = evaluator.activation(rule.id, None, &env) == Activation::Active;
            prop_assert_eq!(active, decision.is_active(rule.id));
        }
    }
}

/// A random guard over three signals, some of them lost or open.
fn guard() -> impl Strategy<Value = Guard> {
    let leaf = prop_oneof![
        (0..3_u32, 0..10_i64, any::<bool>()).prop_map(|(id, value, up)| {
            let op = if up { Cmp::Gt } else { Cmp::Le };
            compare(only(SignalId(id)), op, &value.to_string())
        }),
        any::<bool>().prop_map(Guard::Const),
        (0..24_i32).prop_map(|hour| Guard::During(hours(Days::Daily, hour, hour + 1))),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Guard::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Guard::Any),
            inner.prop_map(|inner| Guard::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    /// Whatever values the open signals take, the residual guard says what the whole guard does.
    #[test]
    fn residual_guards_mean_the_same(
        when in guard(),
        known in prop::collection::vec(prop::option::of(0..10_i64), 3),
        open in prop::collection::vec(any::<bool>(), 3),
        active_on_loss in any::<bool>(),
    ) {
        let mut site = site();
        for name in ["a", "b", "c"] {
            signal(&mut site, name, "0", "10");
        }
        let load = consumer(&mut site, "load", &[("0", "10")]);
        let rule = rule(&mut site, "r", 3, Verb::Limit, one(load), at_most(Attr::Power, "1"));
        rule.when = when;
        rule.on_loss = if active_on_loss { OnLoss::Active } else { OnLoss::Inactive };
        let cal = Calendar::new(&site).unwrap();
        let evaluator = Evaluator::new(&site, &cal);
        let (mut partial, mut whole) = (noon(), noon());
        for (i, value) in known.iter().enumerate() {
            let signal = only(SignalId::at(i));
            let reading = value.map_or(Reading::Unknown, |value| Reading::Known(Value::Number(Rat::int(value))));
            // an open signal is known in the end
            let reading = if open[i] { Reading::Known(Value::Number(Rat::int(value.unwrap_or(5)))) } else { reading };
            whole.values.insert(signal.clone(), reading.clone());
            if !open[i] {
                partial.values.insert(signal, reading);
            }
        }
        let expected = evaluator.evaluate(&whole).is_active(RuleId(0));
        let found = match evaluator.activation(RuleId(0), None, &partial) {
            Activation::Active => true,
            Activation::Inactive => false,
            Activation::Depends(guard) => evaluator.truth(&guard, None, &whole) == Truth::True,
        };
        prop_assert_eq!(found, expected);
    }
}
