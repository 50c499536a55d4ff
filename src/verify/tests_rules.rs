//! What rules and budgets ask, against arithmetic by hand.

use super::tests::{Setup, command};
use super::tests_document::{bound, document, member, rule, small, words};
use super::*;
use crate::bundle::CommandForm;
use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::{Rat, Type};

#[test]
fn a_step_ends_where_the_policy_changes() {
    let with = |from: i32, to: i32| {
        let mut s = small();
        let window = Sched::Window { days: Days::Daily, from: ClockEdge::At(from), to: ClockEdge::At(to) };
        let kind = bound(Attr::Charge, None, Some("1"));
        rule(&mut s.site, 0, Guard::During(window), kind, member(3), "limit pack.charge to 1 kW");
        let (bundle, plan) = document(&s);
        let misses = verify(&bundle, &plan).misses;
        misses.iter().map(|m| (m.step, m.steps, m.message.clone())).collect::<Vec<_>>()
    };
    assert_eq!(with(1800, 3600), []);
    // the battery charges in the second step; the rule holds for ten minutes of it
    let message = "a step goes on past Tue 2026-07-14 00:20, where the policy changes".to_owned();
    assert_eq!(with(1200, 1800), [(Some(1), 1, message)]);
}

#[test]
fn a_means_window_binds_the_part_in_which_it_is_asked() {
    let with = |guard: Guard, over: i64, most: &str| {
        let mut s = small();
        let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "5")]);
        s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 4000, 2000, 0]));
        let mut kind = bound(Attr::Power, None, Some(most));
        if let EffectKind::Bound { averaged_s, .. } = &mut kind {
            *averaged_s = Some(over);
        }
        rule(&mut s.site, 0, guard, kind, member(heater.0), "mean");
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    let half =
        Guard::During(Sched::Window { days: Days::Daily, from: ClockEdge::At(900), to: ClockEdge::At(2700) });
    // of the hour the rule asks for half an hour, with 4 and 2 kW
    assert_eq!(with(half.clone(), 3600, "3"), "");
    assert!(with(half, 3600, "2.9").starts_with("the mean of power is 3 kW"));
    // 20 minutes of the clock share steps: 5 minutes of the second, then 10 of it with 10 of the third
    assert_eq!(with(Guard::Const(true), 1200, "3"), "");
    assert!(with(Guard::Const(true), 1200, "2.9").starts_with("the mean of power is 3 kW"));
    // windows inside one step: its power
    assert_eq!(with(Guard::Const(true), 60, "4"), "");
    assert!(with(Guard::Const(true), 60, "3.9").starts_with("the mean of power is 4 kW"));
}

#[test]
fn a_rule_that_is_broken_is_named_with_its_step() {
    let mut s = small();
    // the battery is the fourth device; it charges at 2 kW in the second step
    rule(
        &mut s.site,
        0,
        Guard::Const(true),
        bound(Attr::Charge, None, Some("1.5")),
        member(3),
        "limit pack.charge to 1.5 kW",
    );
    let (bundle, plan) = document(&s);
    let verdict = verify(&bundle, &plan);
    assert_eq!(words(&verdict), "`pack.charge` is 2 kW, against `rule0`: limit pack.charge to 1.5 kW");
    assert_eq!((verdict.misses[0].step, verdict.misses[0].class), (Some(1), Some(SAFETY)));
    // imports are 4, 0, 3, 4 kW: 3.9 is broken twice
    let mut s = small();
    rule(
        &mut s.site,
        1,
        Guard::Const(true),
        bound(Attr::Import, None, Some("3.9")),
        member(0),
        "limit utility.import to 3.9 kW",
    );
    let (bundle, plan) = document(&s);
    let verdict = verify(&bundle, &plan);
    assert_eq!((verdict.misses.len(), verdict.misses[0].step, verdict.misses[0].steps), (1, Some(0), 2));
}

#[test]
fn guards_read_the_steps_beginning() {
    let with = |readings: [&str; 4]| {
        let mut s = small();
        let heat = fixture::signal(&mut s.site, "weather.temperature", Type::Temperature, "250", "320");
        let values = readings.map(|v| Some(Value::Number(rat(v))));
        s.given.put_readings(SigRef::Only(heat), values.to_vec());
        let mut lin = Lin::of(SigRef::Only(heat));
        lin.constant = rat("-303.15");
        let hot = Guard::Compare { lin, op: Cmp::Gt, step: Rat::ZERO };
        rule(
            &mut s.site,
            0,
            hot,
            bound(Attr::Charge, None, Some("1.5")),
            member(3),
            "limit pack.charge to 1.5 kW",
        );
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    // the battery charges in the second step only
    assert_eq!(with(["310", "303.15", "310", "310"]), "");
    assert!(with(["290", "303.16", "290", "290"]).starts_with("`pack.charge` is 2 kW"));
}

#[test]
fn deliveries_budgets_and_means_are_counted() {
    let window = |from, to| {
        let at = |h: i32| CivilInstant {
            date: CivilDate { year: 2026, month: 7, day: 14 },
            second_of_day: h * 900,
            second: false,
        };
        ObligationWindow::Dated(at(from), at(to))
    };
    let with = |kind: EffectKind| {
        let mut s = small();
        let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "5")]);
        s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 4000, 2000, 0]));
        rule(&mut s.site, 2, Guard::Const(true), kind, member(heater.0), "due");
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    let deliver = |kwh: &str, from, to| EffectKind::Deliver {
        energy: Lin::constant(rat(kwh)),
        window: window(from, to),
    };
    assert_eq!(with(deliver("1.5", 0, 4)), "");
    assert_eq!(
        with(deliver("1.501", 0, 4)),
        "`heater` gets 1.5 kWh of the 1.501 kWh that are due, against `rule0`: due"
    );
    assert_eq!(with(deliver("0.5", 2, 3)), "");
    // a window that outlasts the plan by an hour can still bring 5 kWh
    assert_eq!(with(deliver("6.5", 0, 8)), "");
    assert!(with(deliver("6.6", 0, 8)).starts_with("`heater` gets 1.5 kWh of the 1.6 kWh"));
    let run =
        |for_s, uninterrupted, from, to| EffectKind::Run { for_s, uninterrupted, window: window(from, to) };
    assert_eq!(with(run(1800, true, 0, 4)), "");
    assert!(with(run(1801, true, 0, 4)).starts_with("`heater` runs for 1800 s of the 1801 s"));
    let mut mean = bound(Attr::Power, None, Some("1.5"));
    if let EffectKind::Bound { averaged_s, .. } = &mut mean {
        *averaged_s = Some(3600);
    }
    assert_eq!(with(mean.clone()), "");
    if let EffectKind::Bound { averaged_s, .. } = &mut mean {
        *averaged_s = Some(1800);
    }
    assert!(with(mean).starts_with("the mean of power is 2 kW"));
}

#[test]
fn a_vehicle_that_leaves_is_given_nothing_later() {
    let mut s = small();
    let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "5")]);
    if let Model::Consumer(consumer) = &mut s.site.families[heater.index()].model {
        consumer.sessions = Some(FeedId(0));
    }
    s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 4000, 2000, 0]));
    let at = |h: i32| CivilInstant {
        date: CivilDate { year: 2026, month: 7, day: 14 },
        second_of_day: h * 900,
        second: false,
    };
    let kind = EffectKind::Deliver {
        energy: Lin::constant(rat("6.5")),
        window: ObligationWindow::Dated(at(0), at(8)),
    };
    rule(&mut s.site, 2, Guard::Const(true), kind, member(heater.0), "due");
    let (bundle, plan) = document(&s);
    let with = |stays_s: i64| {
        let stay = crate::bundle::Session {
            device: "heater".into(),
            arrival: plan.from,
            departure: plan.until().plus(stays_s),
            energy: Rat::ZERO,
            power: None,
            phases: None,
            room: Some(crate::quantity::Rat::int(100)),
        };
        let plan =
            super::tests_document::told(&bundle, PlanDocument { sessions: vec![stay], ..plan.clone() });
        words(&verify(&bundle, &plan))
    };
    // 1.5 kWh in the plan; the window ends an hour after it
    assert_eq!(with(7200), "");
    assert_eq!(with(3600), "");
    assert!(with(1800).starts_with("`heater` gets 1.5 kWh of the 4 kWh that are due"), "{}", with(1800));
}

#[test]
fn emissions_of_generators_count() {
    let mut s = small();
    let model = Model::Generator {
        rated: rat("10"),
        minimum: Rat::ZERO,
        fuel_cost: Rat::ZERO,
        start_cost: Rat::ZERO,
        ramp: None,
        min_up_s: 0,
        min_down_s: 0,
        carbon: rat("0.5"),
        grid_forming: false,
    };
    let gen_set = fixture::family(&mut s.site, "gen", Role::Producer, "fuel_cell", model);
    s.site.families[gen_set.index()].ranges.insert(Attr::Power, vec![(Rat::ZERO, rat("10"))]);
    let with = |cap: &str| {
        let mut s = Setup { site: s.site.clone(), state: s.state.clone(), steps: s.steps.clone(), ..small() };
        s.commands.push(command("gen", Attr::Power, CommandForm::Fixed, &[0, 0, 0, 4000]));
        s.site.budgets.push(Budget {
            id: BudgetId(0),
            name: "air".into(),
            class: SAFETY,
            owner: OWNER,
            scope: Target::Site,
            quantity: BudgetQuantity::Emissions,
            cap: rat(cap),
            per: Period::Day,
            during: Sched::Always,
            span: span(9),
            text: "emissions".into(),
        });
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    // 1 kWh at half a kilogram
    assert_eq!(with("0.5"), "");
    assert_eq!(with("0.49"), "0.5 of 0.49 are used, against `air`: emissions");
}
