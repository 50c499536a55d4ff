//! Breaches are measured: what a plan says of them is true to the ninth decimal or refused.

use super::tests::{Setup, command};
use super::tests_document::{bound, document, member, rule, small, words};
use super::*;
use crate::bundle::{Breach, CommandForm, Document, Flow, StatementRef};
use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::{Rat, Type};

/// What a faultless planner would write, where everything below the safety class may give way.
fn honest(s: &Setup) -> (Bundle, PlanDocument) {
    honest_of(document(s))
}

fn honest_of((bundle, mut plan): (Bundle, PlanDocument)) -> (Bundle, PlanDocument) {
    let site = &bundle.site;
    let last = u32::try_from(plan.steps.len() - 1).unwrap();
    let effects = site
        .rules
        .iter()
        .flat_map(|r| r.effects.iter().map(|e| Statement::Effect(r.id, e.index)))
        .chain(site.budgets.iter().map(|b| Statement::Budget(b.id)))
        .chain(site.zones.iter().map(|z| Statement::Comfort(z.id)))
        .chain(site.families.iter().map(|f| Statement::Device(f.id)));
    let anywhere = |statement| Breach {
        statement: StatementRef::of(site, statement),
        class: String::new(),
        of: String::new(),
        first: 0,
        last,
        amount: Rat::ZERO,
        unit: String::new(),
        money: None,
    };
    let granted = PlanDocument { breaches: effects.map(anywhere).collect(), ..plan.clone() };
    let verdict = draft(&bundle, &granted.seal());
    assert!(verdict.misses.iter().all(|miss| miss.said), "{}", words(&verdict));
    plan.breaches = verdict.told.breaches;
    plan.reasons = verdict.told.reasons;
    plan.money.unmanaged = verdict.told.unmanaged.as_ref().map(crate::bundle::Unmanaged::cost);
    plan.money.unmanaged_parts = verdict.told.unmanaged;
    plan.void = verdict.told.void;
    plan.overrides = verdict.told.overrides;
    plan.assumptions = verdict.told.assumptions;
    let money: Rat = plan.breaches.iter().filter_map(|b| b.money.clone()).sum();
    plan.money.plan_cost = &plan.money.plan_cost + &money;
    plan.money.breach = money;
    let plan = plan.seal();
    assert_eq!(words(&verify(&bundle, &plan)), "");
    (bundle, plan)
}

fn shown(plan: &PlanDocument) -> Vec<String> {
    let money = |b: &Breach| b.money.as_ref().map_or(String::new(), |money| format!(" for {money}"));
    let line = |b: &Breach| {
        format!(
            "{} {} {} {}..{} {} {}{}",
            b.statement.name,
            b.class,
            b.of,
            b.first,
            b.last,
            b.amount,
            b.unit,
            money(b)
        )
    };
    plan.breaches.iter().map(line).collect()
}

/// Nothing may be changed in what an honest plan says of its breaches.
fn every_lie_is_refused(bundle: &Bundle, plan: &PlanDocument) {
    let refused = |what: &str, breaches: Vec<Breach>| {
        let mut changed = PlanDocument { breaches, ..plan.clone() };
        let money: Rat = changed.breaches.iter().filter_map(|b| b.money.clone()).sum();
        changed.money.plan_cost = &changed.money.plan_cost + &(&money - &changed.money.breach);
        changed.money.breach = money;
        let verdict = verify(bundle, &changed.seal());
        assert!(!verdict.holds(), "{what}: {:?}", shown(plan));
    };
    for (place, breach) in plan.breaches.iter().enumerate() {
        let with = |what: &str, change: &dyn Fn(&mut Breach)| {
            let mut list = plan.breaches.clone();
            change(&mut list[place]);
            refused(what, list);
        };
        with("too small", &|b| b.amount = rat("0.000000001"));
        with("a little too small", &|b| b.amount -= &rat("0.000000002"));
        with("a little too large", &|b| b.amount += &rat("0.000000002"));
        with("too large", &|b| b.amount += &rat("10"));
        with("below zero", &|b| b.amount = -&b.amount);
        with("of another class", &|b| b.class.push('x'));
        with("of nothing", &|b| b.of.push('x'));
        with("in other units", &|b| b.unit = "MWh".into());
        with("later", &|b| b.last += 1);
        with("earlier", &|b| b.first = b.first.wrapping_sub(1));
        with("of another text", &|b| b.statement.text.push('x'));
        with("of another name", &|b| b.statement.name.push('x'));
        with("at another price", &|b| {
            b.money = Some(b.money.as_ref().map_or(Rat::ONE, |m| m - &rat("0.000000002")));
        });
        if breach.money.is_some() {
            with("for nothing", &|b| b.money = None);
        }
        let mut list = plan.breaches.clone();
        let dropped = list.remove(place);
        refused("hidden", list.clone());
        list.extend([dropped.clone(), dropped.clone()]);
        refused("told twice", list.clone());
        list.truncate(plan.breaches.len());
        if let Some(half) = list.last_mut() {
            half.amount = &half.amount * &rat("0.5");
        }
        list.push(Breach { amount: &dropped.amount * &rat("0.5"), ..dropped });
        refused("in halves", list);
    }
    let of = bundle.site.rules.iter().map(|r| Statement::Effect(r.id, 0));
    let invented = of.chain([Statement::Device(FamilyId(0))]).map(|statement| Breach {
        statement: StatementRef::of(&bundle.site, statement),
        class: "economy".into(),
        of: "nobody".into(),
        first: 0,
        last: 0,
        amount: rat("1"),
        unit: "kWh".into(),
        money: None,
    });
    for breach in invented {
        refused("invented", plan.breaches.iter().cloned().chain([breach]).collect());
    }
}

fn exactly(s: &Setup, expected: &[&str]) {
    let (bundle, plan) = honest(s);
    assert_eq!(shown(&plan), expected);
    every_lie_is_refused(&bundle, &plan);
}

/// The small site with a heater that takes 0, 4, 2 and 0 kW for a quarter of an hour each.
fn heated() -> (Setup, FamilyId) {
    let mut s = small();
    let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "5")]);
    s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 4000, 2000, 0]));
    (s, heater)
}

/// The heater under one effect in the third class, owed or preferred.
fn asked(kind: EffectKind, preferably: bool, price: Option<&str>) -> Setup {
    let (mut s, heater) = heated();
    let id = rule(&mut s.site, 2, Guard::Const(true), kind, member(heater.0), "asked");
    let effect = &mut s.site.rules[id.index()].effects[0];
    (effect.preferably, effect.price) = (preferably, price.map(rat));
    s
}

fn averaged(over: i64, hi: &str) -> EffectKind {
    let mut kind = bound(Attr::Power, None, Some(hi));
    if let EffectKind::Bound { averaged_s, .. } = &mut kind {
        *averaged_s = Some(over);
    }
    kind
}

fn window(from: i32, to: i32) -> ObligationWindow {
    let at = |h: i32| CivilInstant {
        date: CivilDate { year: 2026, month: 7, day: 14 },
        second_of_day: h * 900,
        second: false,
    };
    ObligationWindow::Dated(at(from), at(to))
}

fn deliver(kwh: &str) -> EffectKind {
    EffectKind::Deliver { energy: Lin::constant(rat(kwh)), window: window(0, 4) }
}

#[test]
fn bounds_choices_and_switches() {
    let with = |kind: EffectKind, expected: &[&str]| exactly(&asked(kind, false, None), expected);
    with(bound(Attr::Power, None, Some("1.5")), &["rule0 contract heater 1..2 0.75 kWh"]);
    with(bound(Attr::Power, None, Some("4")), &[]);
    with(
        bound(Attr::Power, Some("0.1"), None),
        &["rule0 contract heater 0..0 0.025 kWh", "rule0 contract heater 3..3 0.025 kWh"],
    );
    let pieces = vec![(Rat::ZERO, Rat::ZERO), (rat("1.5"), rat("1.9")), (rat("4.5"), rat("5"))];
    with(EffectKind::Choice { attr: Attr::Power, pieces }, &["rule0 contract heater 1..2 0.15 kWh"]);
    with(EffectKind::Switch(false), &["rule0 contract heater 1..2 1.5 kWh"]);
}

#[test]
fn totals_and_means() {
    let (mut s, heater) = heated();
    let boiler = fixture::consumer(&mut s.site, "boiler", Need::None, &[("0", "5")]);
    s.commands.push(command("boiler", Attr::Power, CommandForm::Fixed, &[1000, 1000, 1000, 0]));
    let both = [heater, boiler].map(|family| MemberRange { family, first: 1, last: 1 });
    let group = crate::ir::testkit::group(&mut s.site, "warm", &both);
    let mut kind = bound(Attr::Power, None, Some("2.5"));
    if let EffectKind::Bound { share, .. } = &mut kind {
        *share = Share::Together;
    }
    rule(&mut s.site, 1, Guard::Const(true), kind, Target::Group(group), "together");
    exactly(&s, &["rule0 grid_code warm 1..2 0.75 kWh"]);
    let mean = |over, hi, expected: &[&str]| exactly(&asked(averaged(over, hi), false, None), expected);
    // half an hour each: 2 and 1 kW
    mean(1800, "1.5", &["rule0 contract heater 0..1 0.25 kWh"]);
    mean(1800, "0.5", &["rule0 contract heater 0..3 1 kWh"]);
    mean(60, "3.9", &["rule0 contract heater 1..1 0.025 kWh"]);
}

#[test]
fn deliveries_runs_and_sessions() {
    let with = |kind: EffectKind, expected: &[&str]| exactly(&asked(kind, false, None), expected);
    with(deliver("1.6"), &["rule0 contract heater 0..3 0.1 kWh"]);
    let run = |for_s| EffectKind::Run { for_s, uninterrupted: true, window: window(0, 4) };
    with(run(2700), &["rule0 contract heater 0..3 0.25 h"]);
    let (mut s, heater) = heated();
    if let Model::Consumer(consumer) = &mut s.site.families[heater.index()].model {
        consumer.sessions = Some(FeedId(0));
    }
    let (bundle, plan) = document(&s);
    let stay = crate::bundle::Session {
        device: "heater".into(),
        arrival: plan.from.plus(900),
        departure: plan.until(),
        energy: rat("2"),
        power: None,
        phases: None,
        room: None,
    };
    let (bundle, plan) = honest_of((bundle, PlanDocument { sessions: vec![stay], ..plan }));
    assert_eq!(shown(&plan), ["heater economy heater 1..3 0.5 kWh"]);
    every_lie_is_refused(&bundle, &plan);
}

#[test]
fn budgets() {
    let with = |quantity, cap: &str, expected: &[&str]| {
        let (mut s, _) = heated();
        s.site.budgets.push(Budget {
            id: BudgetId(0),
            name: "daily".into(),
            class: ClassId(3),
            owner: OWNER,
            scope: Target::Site,
            quantity,
            cap: rat(cap),
            per: Period::Day,
            during: Sched::Always,
            span: span(9),
            text: "budget".into(),
        });
        exactly(&s, expected);
    };
    // 4.75 kWh of the load and 1.5 kWh of the heater
    with(BudgetQuantity::Consumption, "6.25", &[]);
    with(BudgetQuantity::Consumption, "6", &["daily tenant daily 0..3 0.25 kWh"]);
    // 4, 2, 5 and 4 kW at 0.2, and 0.5 kW above the peak that is known, at 19.5
    with(BudgetQuantity::Cost, "1", &["daily tenant daily 0..3 29 USD"]);
}

#[test]
fn preferences_and_their_prices() {
    let with = |kind: EffectKind, price: Option<&str>, expected: &[&str]| {
        exactly(&asked(kind, true, price), expected);
    };
    with(bound(Attr::Power, None, Some("1.5")), None, &["rule0 contract heater 1..2 0.75 kWh"]);
    with(
        bound(Attr::Power, None, Some("1.5")),
        Some("0.1"),
        &["rule0 contract heater 1..2 0.75 kWh for 0.075"],
    );
    with(deliver("1.6"), Some("3"), &["rule0 contract heater 0..3 0.1 kWh for 0.3"]);
    // an hour of running is worth the energy of its 5 kW
    let run = EffectKind::Run { for_s: 2700, uninterrupted: true, window: window(0, 4) };
    with(run, Some("0.2"), &["rule0 contract heater 0..3 0.25 h for 0.25"]);
}

#[test]
fn preferred_and_owed_origins() {
    let from = vec![MemberRange { family: FamilyId(1), first: 1, last: 1 }];
    let kind = EffectKind::Supply { from, never: false, by_accounting: true };
    // imports are 4, 2, 5 and 4 kW, the sun gives 0, 8, 2 and 1 kW
    let flows = |plan: &mut PlanDocument| {
        let of = |from: &str, to: &str, values: [&str; 4]| Flow {
            from: from.into(),
            to: to.into(),
            values: values.map(rat).to_vec(),
        };
        plan.flows = vec![
            of("solar", "heater", ["0", "3", "0.5", "0"]),
            of("utility", "heater", ["0", "1", "1.5", "0"]),
            of("solar", "office_load", ["0", "4", "1.5", "1"]),
            of("utility", "office_load", ["4", "0", "3.5", "4"]),
            of("pack", "office_load", ["0", "0", "1", "0"]),
            of("solar", "pack", ["0", "1", "0", "0"]),
            of("utility", "pack", ["0", "1", "0", "0"]),
        ];
    };
    for preferably in [false, true] {
        let (bundle, mut plan) = document(&asked(kind.clone(), preferably, None));
        flows(&mut plan);
        let (bundle, plan) = honest_of((bundle, plan));
        assert_eq!(shown(&plan), ["rule0 contract heater 1..2 0.625 kWh"]);
        every_lie_is_refused(&bundle, &plan);
    }
}

#[test]
fn shed_needs_and_ends() {
    let with = |class: Option<u32>, price: Option<&str>, expected: &[&str]| {
        let (mut s, heater) = heated();
        if let Model::Consumer(consumer) = &mut s.site.families[heater.index()].model {
            consumer.need = Need::Constant(rat("4"));
            (consumer.shed_class, consumer.shed_price) = (class.map(ClassId), price.map(rat));
        }
        exactly(&s, expected);
    };
    let (first, second) = ("heater economy heater 0..0 1 kWh", "heater economy heater 2..3 1.5 kWh");
    with(Some(5), None, &[first, second]);
    with(None, Some("2"), &["heater  heater 0..0 1 kWh for 2", "heater  heater 2..3 1.5 kWh for 3"]);
    let end = |end: End, charge: i64, expected: &[&str]| {
        let mut s = small();
        s.commands[0].counts[1] = charge;
        let Model::Store(store) = &mut s.site.families[3].model else { unreachable!() };
        store.end = end;
        exactly(&s, expected);
    };
    // 5 + 0.475 - 0.25 / 0.95
    end(End::AtLeast(rat("0.53")), 2000, &["pack economy pack 3..3 0.088157895 kWh"]);
    end(End::Exactly(rat("0.5")), 2000, &["pack economy pack 3..3 0.211842105 kWh"]);
    end(End::Default, 2000, &[]);
    // a kWh less costs 0.2 / 0.95
    end(End::Default, 1000, &["pack economy pack 3..3 0.025657895 kWh for 0.005401662"]);
}

#[test]
fn states_found_outside_and_comfort() {
    let mut s = small();
    // outside from the beginning, and charged only in the second step
    s.state.levels.insert("pack".into(), "9 %".parse().unwrap());
    s.commands[1].counts = vec![0; 4];
    exactly(&s, &["pack safety pack 0..0 0.0025 h"]);
    let mut s = small();
    let level = bound(Attr::ChargeLevel, Some("0.54"), None);
    rule(&mut s.site, 4, Guard::Const(true), level, member(3), "keep");
    exactly(&s, &["rule0 comfort pack 0..0 0.01 h", "rule0 comfort pack 2..3 0.009407895 h"]);
    let mut s = small();
    let outdoor =
        s.given("weather.temperature", Type::Temperature, &["283.15", "283.15", "283.15", "283.15"]);
    let zone = fixture::zone(&mut s.site, "office", "5", "0.2", outdoor);
    let zone = &mut s.site.zones[zone.index()];
    zone.class = Some(ClassId(4));
    zone.comfort =
        vec![ComfortBand { during: Sched::Always, lo: rat("294.15"), hi: rat("296.15"), span: span(8) }];
    s.state.temperatures.insert("office".into(), "21.1 degC".parse().unwrap());
    let (bundle, plan) = honest(&s);
    let [breach] = plan.breaches.as_slice() else { panic!("{:?}", shown(&plan)) };
    // 11.1 K above outdoors, times exp(-0.04 h)
    let below = |h: f64| 11.0 - 11.1 * (-0.04 * h).exp();
    let sum: f64 = [0.25, 0.5, 0.75, 1.0].iter().map(|h| below(*h).max(0.0) * 0.25).sum();
    assert_eq!((breach.first, breach.last, breach.unit.as_str()), (0, 3, "K h"));
    assert!((breach.amount.to_f64() - sum).abs() < 1e-8, "{} {sum}", breach.amount);
    every_lie_is_refused(&bundle, &plan);
}

#[test]
fn the_safety_class_never_gives_way() {
    let mut s = small();
    rule(&mut s.site, 0, Guard::Const(true), bound(Attr::Import, None, Some("3.9")), member(0), "limit");
    let (bundle, mut plan) = document(&s);
    let statement = StatementRef::of(&s.site, Statement::Effect(RuleId(0), 0));
    let breach = |at| Breach {
        statement: statement.clone(),
        class: "safety".into(),
        of: "utility".into(),
        first: at,
        last: at,
        amount: rat("0.025"),
        unit: "kWh".into(),
        money: None,
    };
    plan.breaches = vec![breach(0), breach(3)];
    assert_eq!(words(&verify(&bundle, &plan.seal())), "`utility.import` is 4 kW, against `rule0`: limit");
}

#[test]
fn priced_breaches_are_those_that_are_listed() {
    let (bundle, mut plan) = document(&small());
    plan.money.breach = rat("-5");
    plan.money.plan_cost = &plan.money.plan_cost - &rat("5");
    assert!(words(&verify(&bundle, &plan.seal())).contains("for `breach` of its money"));
}

#[test]
fn overrides_are_neither_hidden_nor_invented() {
    let (mut s, heater) = heated();
    rule(&mut s.site, 1, Guard::Const(true), bound(Attr::Power, None, Some("4")), member(heater.0), "most");
    rule(
        &mut s.site,
        4,
        Guard::Const(true),
        bound(Attr::Power, Some("4.5"), None),
        member(heater.0),
        "least",
    );
    let (bundle, plan) = honest(&s);
    let [found] = plan.overrides.as_slice() else { panic!("{:?}", plan.overrides) };
    assert_eq!((found.first, found.last, found.of.as_str()), (0, 3, "heater"));
    assert_eq!((found.by.len(), found.by[0].name.as_str(), found.class.as_str()), (1, "rule0", "comfort"));
    let with = |change: &dyn Fn(&mut Vec<crate::bundle::Override>)| {
        let mut plan = plan.clone();
        change(&mut plan.overrides);
        assert!(!verify(&bundle, &plan.seal()).holds());
    };
    with(&|list| list.clear());
    with(&|list| list.extend(list.clone()));
    with(&|list| list[0].last = 2);
    with(&|list| list[0].class = "economy".into());
    with(&|list| list[0].of = "pack".into());
    with(&|list| list[0].by.clear());
    with(&|list| list[0].statement = list[0].by[0].clone());
}
