//! Semantics 1-4 and 8: environments, guards, quality, memory.

use super::*;

/// A consumer and a rule on it that limits it to 5 kW; what remains of its power tells whether the
/// rule is active.
fn limited(class: u32, when: impl FnOnce(&mut Site) -> Guard) -> (Site, FamilyId) {
    let mut site = site();
    let load = consumer(&mut site, "load", &[("0", "10")]);
    let when = when(&mut site);
    rule(&mut site, "limit", class, Verb::Limit, one(load), at_most(Attr::Power, "5")).when = when;
    (site, load)
}

fn is_active(site: &Site, env: &Environment) -> bool {
    decide(site, env).is_active(RuleId(0))
}

#[test]
fn s2_time_of_use_prices_are_tied_to_the_instant() {
    let (site, _) = limited(5, |site| {
        let id = tariff(site, &[(hours(Days::Daily, 16, 21), "0.42")], Some("0.18"));
        above(site.tariffs[id.index()].import_signal.unwrap(), "0.3")
    });
    let signal = only(site.tariffs[0].import_signal.unwrap());
    assert!(!is_active(&site, &Environment::new(at("2026-07-14T15:59:59Z"))));
    assert!(is_active(&site, &Environment::new(at("2026-07-14T16:00:00Z"))));
    // a value that contradicts the instant does not count
    let lie = Environment::new(at("2026-07-14T12:00:00Z")).with(signal, number("9"));
    assert!(!is_active(&site, &lie));
}

#[test]
fn s2_aggregates_of_tied_prices_are_schedules_widened_by_the_window() {
    let aggregate = |op, over_s, value: &'static str| {
        limited(5, move |site| {
            let id = tariff(site, &[(hours(Days::Daily, 16, 21), "0.42")], Some("0.18"));
            let of = site.tariffs[id.index()].import_signal.unwrap();
            let domain = site.signals[of.index()].domain.clone();
            let signal = any_signal(site, "aggregate", domain, SignalSource::Aggregate { op, of, over_s });
            above(signal, value)
        })
        .0
    };
    let max = aggregate(AggregateOp::Max, 3 * 3600, "0.3");
    // [t, t + 3 h): the end is excluded
    assert!(!is_active(&max, &Environment::new(at("2026-07-14T13:00:00Z"))));
    assert!(is_active(&max, &Environment::new(at("2026-07-14T13:00:01Z"))));
    assert!(is_active(&max, &Environment::new(at("2026-07-14T20:59:59Z"))));
    assert!(!is_active(&max, &Environment::new(at("2026-07-14T21:00:00Z"))));
    // mean of one hour at 0.18 and one at 0.42
    let mean = |value| aggregate(AggregateOp::Mean, 2 * 3600, value);
    let three = Environment::new(at("2026-07-14T15:00:00Z"));
    assert!(is_active(&mean("0.2999"), &three) && !is_active(&mean("0.3"), &three));
    let sum = |value| aggregate(AggregateOp::Sum, 2 * 3600, value);
    assert!(is_active(&sum("0.5999"), &three) && !is_active(&sum("0.6"), &three));
    let min = aggregate(AggregateOp::Min, 3600, "0.3");
    assert!(!is_active(&min, &Environment::new(at("2026-07-14T20:30:00Z"))));
    assert!(is_active(&min, &Environment::new(at("2026-07-14T19:30:00Z"))));
    // (t - 1 h, t]: the instant itself and the 3,599 seconds before it
    let past = |op, at_: &str| is_active(&aggregate(op, -3600, "0.3"), &Environment::new(at(at_)));
    assert!(
        !past(AggregateOp::Max, "2026-07-14T15:59:59Z") && past(AggregateOp::Max, "2026-07-14T16:00:00Z")
    );
    assert!(
        past(AggregateOp::Max, "2026-07-14T21:59:58Z") && !past(AggregateOp::Max, "2026-07-14T21:59:59Z")
    );
    assert!(
        !past(AggregateOp::Min, "2026-07-14T16:59:58Z") && past(AggregateOp::Min, "2026-07-14T16:59:59Z")
    );
    assert!(
        past(AggregateOp::Min, "2026-07-14T20:59:59Z") && !past(AggregateOp::Min, "2026-07-14T21:00:00Z")
    );
}

#[test]
fn s2_aggregates_of_free_signals_are_signals() {
    let (site, _) = limited(5, |site| {
        let of = signal(site, "weather.temperature", "0", "40");
        let source = SignalSource::Aggregate { op: AggregateOp::Max, of, over_s: 3600 };
        let domain = site.signals[of.index()].domain.clone();
        above(any_signal(site, "max", domain, source), "30")
    });
    assert!(is_active(&site, &noon().with(only(SignalId(1)), number("31"))));
    assert!(!is_active(&site, &noon().with(only(SignalId(0)), number("31"))));
}

#[test]
fn s3_a_strict_comparison_of_a_decided_quantity_needs_one_step_more() {
    let (mut site, _) = limited(5, |site| {
        let pack = battery(site, "pack", "50");
        let level = measured(site, pack, Attr::ChargeLevel, "0", "1");
        above(level, "0.8")
    });
    let comparing = |site: &mut Site, with: Cmp| {
        let Guard::Compare { step, op, .. } = &mut site.rules[0].when else { unreachable!() };
        (*step, *op) = (rat("0.001"), with);
    };
    let level = |value: &str| noon().with(only(SignalId(0)), number(value));
    comparing(&mut site, Cmp::Gt);
    assert!(!is_active(&site, &level("0.8")) && !is_active(&site, &level("0.801")));
    assert!(is_active(&site, &level("0.8011")));
    comparing(&mut site, Cmp::Lt);
    assert!(!is_active(&site, &level("0.799")) && is_active(&site, &level("0.7989")));
    comparing(&mut site, Cmp::Ge);
    assert!(is_active(&site, &level("0.8")));
}

#[test]
fn s4_good_readings_outside_the_range_are_clamped_and_logged() {
    let (site, _) = limited(5, |site| compare(only(signal(site, "ppm", "0", "1000")), Cmp::Eq, "1000"));
    let env = noon().with(only(SignalId(0)), number("1700"));
    let decision = decide(&site, &env);
    assert!(decision.is_active(RuleId(0)));
    assert_eq!(decision.notes, [Note::Clamped { signal: only(SignalId(0)), read: number("1700") }]);
}

#[test]
fn s4_a_lost_guard_counts_as_its_rule_says() {
    let with = |class, on_loss| {
        let (mut site, _) = limited(class, |site| above(signal(site, "ppm", "0", "1000"), "70"));
        site.rules[0].on_loss = on_loss;
        site
    };
    let lost = noon().without(only(SignalId(0)));
    assert!(is_active(&with(3, OnLoss::Active), &lost));
    assert!(!is_active(&with(3, OnLoss::Inactive), &lost));
    let instance = Instance::of(RuleId(0));
    let decision = decide(&with(3, OnLoss::Active), &lost);
    assert_eq!(decision.notes, [Note::Loss { instance, active: true }]);
    // hold: the last known value while it is young enough, then as the class has it
    let mut recent = lost.clone();
    recent.last_known.insert(instance, true);
    assert!(is_active(&with(3, OnLoss::Hold(60)), &recent) && !is_active(&with(3, OnLoss::Hold(60)), &lost));
    recent.last_known.insert(instance, false);
    assert!(!is_active(&with(0, OnLoss::Hold(60)), &recent) && is_active(&with(0, OnLoss::Hold(60)), &lost));
}

#[test]
fn s4_logic_is_three_valued() {
    let mut site = site();
    let (a, b) = (signal(&mut site, "a", "0", "10"), signal(&mut site, "b", "0", "10"));
    let cal = Calendar::new(&site).unwrap();
    let evaluator = Evaluator::new(&site, &cal);
    let env = noon().with(only(a), number("5")).without(only(b));
    let (yes, no, lost) = (above(a, "1"), above(a, "9"), above(b, "1"));
    let truth = |guard: Guard| evaluator.truth(&guard, None, &env);
    assert_eq!(truth(Guard::All(vec![no.clone(), lost.clone()])), Truth::False);
    assert_eq!(truth(Guard::All(vec![yes.clone(), lost.clone()])), Truth::Unknown);
    assert_eq!(truth(Guard::Any(vec![yes.clone(), lost.clone()])), Truth::True);
    assert_eq!(truth(Guard::Any(vec![no, lost.clone()])), Truth::Unknown);
    assert_eq!(truth(Guard::Not(Box::new(lost))), Truth::Unknown);
    assert_eq!(truth(Guard::Not(Box::new(yes))), Truth::False);
    assert_eq!(truth(Guard::All(vec![])), Truth::True);
    assert_eq!(truth(Guard::Any(vec![])), Truth::False);
    // a value of the wrong kind is a bad reading
    let wrong = noon().with(only(a), Value::Bool(true));
    assert_eq!(evaluator.truth(&above(a, "1"), None, &wrong), Truth::Unknown);
}

#[test]
fn s4_quantifiers_over_lost_members() {
    let mut site = site();
    let chargers = consumer(&mut site, "charger", &[("0", "11")]);
    array(&mut site, chargers, 3);
    let power = measured(&mut site, chargers, Attr::Power, "0", "11");
    let evs = group(&mut site, "evs", &[members(chargers, 1, 3)]);
    let cal = Calendar::new(&site).unwrap();
    let evaluator = Evaluator::new(&site, &cal);
    let env = noon()
        .with(SigRef::Member(power, 1), number("11"))
        .with(SigRef::Member(power, 2), number("1"))
        .without(SigRef::Member(power, 3));
    let over = |quantifier, limit: &str| Guard::Quantified {
        quantifier,
        group: evs,
        body: Box::new(compare(SigRef::Bound(Attr::Power), Cmp::Gt, limit)),
    };
    let truth = |guard: Guard| evaluator.truth(&guard, None, &env);
    assert_eq!(truth(over(Quantifier::Any, "5")), Truth::True);
    assert_eq!(truth(over(Quantifier::Every, "5")), Truth::False);
    assert_eq!(truth(over(Quantifier::Every, "0")), Truth::Unknown);
    assert_eq!(truth(over(Quantifier::Count(Cmp::Ge, 1), "5")), Truth::True);
    assert_eq!(truth(over(Quantifier::Count(Cmp::Ge, 2), "5")), Truth::Unknown);
    assert_eq!(truth(over(Quantifier::Count(Cmp::Ge, 3), "5")), Truth::False);
    assert_eq!(truth(over(Quantifier::Count(Cmp::Eq, 1), "5")), Truth::Unknown);
    assert_eq!(truth(over(Quantifier::Count(Cmp::Ne, 0), "5")), Truth::True);
    let sum = Lin { sums: vec![(Rat::ONE, GroupTerm { group: evs, attr: Attr::Power })], ..Lin::default() };
    assert_eq!(evaluator.number(&sum, None, &env), None);
    let all = env.clone().with(SigRef::Member(power, 3), number("4"));
    assert_eq!(evaluator.number(&sum, None, &all), Some(rat("16")));
}

#[test]
fn s8_until_latches_and_the_guard_wins() {
    let (mut site, _) = limited(3, |site| above(signal(site, "ppm", "0", "1000"), "70"));
    let bits = latch(&mut site, RuleId(0), Memory::Until, Some(below(SignalId(0), "35")));
    let cal = Calendar::new(&site).unwrap();
    let evaluator = Evaluator::new(&site, &cal);
    let mut latches = BTreeSet::new();
    let mut seen = Vec::new();
    for ppm in ["50", "80", "50", "35", "34", "50", "71", "20"] {
        let mut env = noon().with(only(SignalId(0)), number(ppm));
        env.latches = latches;
        let active = is_active(&site, &env);
        latches = evaluator.step_latches(&env, &BTreeSet::new());
        assert_eq!(latches.contains(&bits[0]), active);
        seen.push(active);
    }
    assert_eq!(seen, [false, true, true, true, false, false, true, false]);
    // when and until at once: when wins
    site.rules[0].until = Some(Guard::Const(true));
    assert!(is_active(&site, &noon().with(only(SignalId(0)), number("80"))));
}

#[test]
fn s8_reset_counts_once_the_guard_is_over_and_until_holds() {
    let (mut site, _) = limited(0, |site| above(signal(site, "ppm", "0", "1000"), "70"));
    let memory = Memory::Reset { role: "facility_admin".into() };
    let bits = latch(&mut site, RuleId(0), memory, Some(below(SignalId(0), "35")));
    let cal = Calendar::new(&site).unwrap();
    let evaluator = Evaluator::new(&site, &cal);
    let step = |ppm: &str, set: bool, reset: bool| {
        let mut env = noon().with(only(SignalId(0)), number(ppm));
        env.latches = if set { bits.iter().copied().collect() } else { BTreeSet::new() };
        let resets = if reset { bits.iter().copied().collect() } else { BTreeSet::new() };
        (is_active(&site, &env), evaluator.step_latches(&env, &resets).contains(&bits[0]))
    };
    assert_eq!(step("50", false, false), (false, false));
    assert_eq!(step("80", false, false), (true, true));
    // it holds after the guard is false, even where until holds, until a person resets it
    assert_eq!(step("20", true, false), (true, true));
    assert_eq!(step("50", true, true), (true, true));
    assert_eq!(step("80", true, true), (true, true));
    assert_eq!(step("20", true, true), (true, false));
    assert_eq!(step("20", false, true), (false, false));
}

#[test]
fn s8_for_needs_its_bit_and_its_guard_and_enough_time() {
    let (mut site, _) = limited(5, |site| {
        site.held.push(Held { id: HeldId(0), name: "limit".into(), for_s: 3600, span: span(1) });
        let ppm = above(signal(site, "ppm", "0", "1000"), "70");
        let open = Guard::During(hours(Days::Daily, 9, 17));
        Guard::Held(HeldId(0), Box::new(Guard::All(vec![ppm, open])))
    });
    let env = |time: &str, ppm: &str, held: bool| {
        let mut env = Environment::new(at(time)).with(only(SignalId(0)), number(ppm));
        env.held.extend(held.then_some(HeldId(0)));
        env
    };
    assert!(is_active(&site, &env("2026-07-14T12:00:00Z", "80", true)));
    assert!(!is_active(&site, &env("2026-07-14T12:00:00Z", "80", false)));
    assert!(!is_active(&site, &env("2026-07-14T12:00:00Z", "60", true)));
    // half past nine: the window is half an hour old
    assert!(!is_active(&site, &env("2026-07-14T09:30:00Z", "80", true)));
    assert!(is_active(&site, &env("2026-07-14T10:00:00Z", "80", true)));
    // a window that was interrupted within the hour
    site.held[0].for_s = 30 * 3600;
    assert!(!is_active(&site, &env("2026-07-14T12:00:00Z", "80", true)));
}

#[test]
fn s8_for_each_has_a_bit_for_each_member() {
    let mut site = site();
    let chargers = consumer(&mut site, "charger", &[("0", "11")]);
    array(&mut site, chargers, 3);
    let power = measured(&mut site, chargers, Attr::Power, "0", "11");
    let evs = group(&mut site, "evs", &[members(chargers, 1, 3)]);
    let hot = rule(&mut site, "hot", 3, Verb::Limit, Target::Bound, at_most(Attr::Power, "4"));
    hot.for_each = Some(evs);
    hot.when = compare(SigRef::Bound(Attr::Power), Cmp::Gt, "10");
    let until = compare(SigRef::Bound(Attr::Power), Cmp::Lt, "2");
    let bits = latch(&mut site, RuleId(0), Memory::Until, Some(until));
    let mut env = noon()
        .with(SigRef::Member(power, 1), number("11"))
        .with(SigRef::Member(power, 2), number("5"))
        .with(SigRef::Member(power, 3), number("5"));
    env.latches.insert(bits[2]);
    let decision = decide(&site, &env);
    let limits: Vec<_> = (1..=3)
        .map(|index| {
            shown(&decision.device(&site, Device { family: chargers, index }).unwrap(), &Attr::Power)
        })
        .collect();
    assert_eq!(limits, ["0..4", "0..11", "0..4"]);
}

#[test]
fn emergency_is_a_guard() {
    let (mut site, _) = limited(0, |_| Guard::Emergency);
    let alarm = any_signal(&mut site, "alarm", Domain::Bool, SignalSource::Weather);
    site.rules[0].on_loss = OnLoss::Inactive;
    assert!(!is_active(&site, &noon()));
    site.emergency = Some(Guard::Is(only(alarm)));
    assert!(is_active(&site, &noon().with(only(alarm), Value::Bool(true))));
    assert!(!is_active(&site, &noon().with(only(alarm), Value::Bool(false))));
    let lost = decide(&site, &noon().without(only(alarm)));
    assert_eq!(lost.emergency, Some(Truth::Unknown));
    // asks for itself: nothing hangs
    site.emergency = Some(Guard::Emergency);
    assert!(!is_active(&site, &noon()));
}

#[test]
fn symbols_compare_by_word() {
    let words = Domain::Symbols(vec!["none".into(), "moderate".into(), "high".into()]);
    let (site, _) =
        limited(5, |site| Guard::Equals(only(any_signal(site, "dr", words, SignalSource::Event)), 2));
    assert!(is_active(&site, &noon().with(only(SignalId(0)), Value::Symbol(2))));
    assert!(!is_active(&site, &noon().with(only(SignalId(0)), Value::Symbol(1))));
    assert!(!is_active(&site, &noon().with(only(SignalId(0)), Value::Symbol(7))));
}

#[test]
fn open_quantities_leave_a_residual_guard() {
    let (mut site, _) = limited(5, |site| {
        let hot = above(signal(site, "temperature", "0", "40"), "30");
        let level = above(signal(site, "level", "0", "1"), "0.5");
        let open = Guard::During(hours(Days::Daily, 9, 17));
        Guard::All(vec![open, Guard::Any(vec![Guard::Not(Box::new(hot)), level])])
    });
    let cal = Calendar::new(&site).unwrap();
    let level = above(SignalId(1), "0.5");
    let ask = |site: &Site, env: &Environment| activation(site, &cal, RuleId(0), None, env);
    let hot = noon().with(only(SignalId(0)), number("35"));
    assert_eq!(ask(&site, &hot), Activation::Depends(level.clone()));
    assert_eq!(ask(&site, &noon().with(only(SignalId(0)), number("20"))), Activation::Active);
    let night = Environment { at: at("2026-07-14T20:00:00Z"), ..hot.clone() };
    assert_eq!(ask(&site, &night), Activation::Inactive);
    // lost readings count as the rule says, under negation too
    let lost = noon().without(only(SignalId(0)));
    assert_eq!(ask(&site, &lost), Activation::Depends(level));
    site.rules[0].on_loss = OnLoss::Active;
    assert_eq!(ask(&site, &lost), Activation::Active);
    let latched = latch(&mut site, RuleId(0), Memory::Until, Some(above(SignalId(1), "0.9")));
    let mut env = Environment { at: at("2026-07-14T20:00:00Z"), ..Environment::default() };
    env.latches.extend(latched);
    let not = Guard::Not(Box::new(above(SignalId(1), "0.9")));
    assert_eq!(ask(&site, &env), Activation::Depends(not));
}

#[test]
fn expressions_fold_to_what_is_open() {
    let mut site = site();
    let chargers = consumer(&mut site, "charger", &[("0", "11")]);
    array(&mut site, chargers, 2);
    let power = measured(&mut site, chargers, Attr::Power, "0", "11");
    let price = signal(&mut site, "price", "0", "1");
    let evs = group(&mut site, "evs", &[members(chargers, 1, 2)]);
    let cal = Calendar::new(&site).unwrap();
    let lin = Lin {
        constant: rat("3"),
        terms: vec![(rat("10"), only(price))],
        sums: vec![(rat("2"), GroupTerm { group: evs, attr: Attr::Power })],
    };
    let env = noon().with(only(price), number("0.5")).with(SigRef::Member(power, 1), number("4"));
    let folded = Evaluator::new(&site, &cal).fold(&lin, None, &env);
    assert_eq!(folded.constant, rat("16"));
    assert_eq!(folded.terms, [(rat("2"), SigRef::Member(power, 2))]);
}
