//! Whole documents: what holds, and what is noticed when a field is changed.

use std::collections::BTreeMap;

use super::tests::{Setup, command};
use super::*;
use crate::bundle::inventory::Inventory;
use crate::bundle::{
    Breach, CommandForm, DemandMoney, Document, Expectation, ExpectedLevel, Gap, Hash, Money, Quantity,
    Series, StatementRef, Status, tool,
};
use crate::ir::testkit::{rat, span};
use crate::ir::*;
use crate::quantity::{Rat, Type};

/// The document that a faultless planner would write for a setup.
pub(super) fn document(s: &Setup) -> (Bundle, PlanDocument) {
    let bundle = Bundle::new(s.site.clone(), BTreeMap::new(), &Inventory::default(), BTreeMap::new());
    let trajectory = simulate(&s.case()).unwrap();
    let calendar = Calendar::new(&s.site).unwrap();
    let account = money::account(&s.case(), &calendar, &trajectory).unwrap();
    let mut sums = Money { currency: "USD".into(), ..Money::default() };
    sums.energy = account.energy.lo.clone();
    sums.export = account.export.lo.clone();
    sums.fixed = account.fixed.clone();
    sums.fuel = account.fuel.lo.clone();
    sums.wear = account.wear.lo.clone();
    sums.end_value = account.end_value.lo.clone();
    let (mut decided, mut incurred) = (&sums.energy - &sums.export, Rat::ZERO);
    for ((tariff, charge, month), (known, peak, price)) in &account.demand {
        let above = Rat::max_of(&(&peak.lo - known), &Rat::ZERO);
        let part = DemandMoney {
            tariff: tariff.clone(),
            charge: charge.clone(),
            month: month.clone(),
            known: known.clone(),
            peak: peak.lo.clone(),
            price: price.clone(),
            decided: price * &above,
            incurred: price * known,
        };
        decided += &part.decided;
        incurred += &part.incurred;
        sums.demand.push(part);
    }
    sums.bill = &(&decided + &incurred) + &sums.fixed;
    sums.plan_cost = &(&(&decided + &sums.fuel) + &sums.wear) - &sums.end_value;
    sums.decided = decided;
    let plan = PlanDocument {
        schema: PlanDocument::SCHEMA.into(),
        tool: tool(),
        site: s.site.name.clone(),
        timezone: s.site.timezone.clone(),
        valid: s.site.valid,
        bundle: bundle.id.clone(),
        inputs: Vec::new(),
        from: s.steps[0].start,
        expires: s.steps.last().unwrap().end,
        sequence: s.state.sequence + 1,
        follows: None,
        expect: vec![Expectation {
            device: "pack".into(),
            profile: None,
            profile_hash: None,
            identity: "none".into(),
            control: Control::Observe,
            level: None,
        }],
        steps: s.steps.clone(),
        commands: s.commands.clone(),
        groups: s.groups.clone(),
        state: s.state.clone(),
        given: s.given.series(&s.site),
        sessions: Vec::new(),
        derived: trajectory.series(&s.site),
        flows: Vec::new(),
        money: sums,
        reasons: Vec::new(),
        presumes: Vec::new(),
        assumptions: Vec::new(),
        overrides: Vec::new(),
        breaches: Vec::new(),
        void: Vec::new(),
        status: Status::Optimal,
        gap: Gap::default(),
        reproducible: true,
        study: false,
        id: Hash::default(),
    };
    (bundle, plan.seal())
}

/// The small example as documents.
pub(super) fn example() -> (Bundle, PlanDocument) {
    document(&small())
}

/// A grid with a tariff, sun, a load and a battery over an hour.
fn small() -> Setup {
    let mut s = Setup::new(4, 900);
    let load = s.given("feed.load", Type::Power, &["4", "4", "6", "5"]);
    let sun = s.given("feed.pv", Type::Power, &["0", "9", "2", "1"]);
    s.site.tariffs.push(Tariff {
        id: TariffId(0),
        name: "b19".into(),
        import: Price::Periods { periods: Vec::new(), otherwise: Some(rat("0.2")), span: span(1) },
        export: Some(Price::Periods { periods: Vec::new(), otherwise: Some(rat("0.07")), span: span(1) }),
        demand: vec![DemandCharge {
            name: "any".into(),
            during: Sched::Always,
            price: rat("19.5"),
            expect: None,
            span: span(2),
        }],
        interval_s: 900,
        fixed: vec![FixedCharge { amount: rat("155"), per: Period::Month, span: span(3) }],
        import_signal: None,
        export_signal: None,
        span: span(4),
    });
    fixture::grid(&mut s.site, "100", "100", Some(TariffId(0)));
    fixture::pv(&mut s.site, "8", sun);
    fixture::load(&mut s.site, load);
    fixture::battery(&mut s.site, "pack", "10", "5");
    s.state.levels.insert("pack".into(), "50 %".parse().unwrap());
    let peaks = BTreeMap::from([("any".to_owned(), "3.5 kW".parse().unwrap())]);
    s.state.peaks.insert("b19".into(), peaks);
    s.commands = vec![
        command("pack", Attr::Charge, CommandForm::Fixed, &[0, 2000, 0, 0]),
        command("pack", Attr::Discharge, CommandForm::Fixed, &[0, 0, 1000, 0]),
        command("solar", Attr::Power, CommandForm::AtMost, &[8000, 8000, 8000, 8000]),
    ];
    s
}

fn words(verdict: &Verdict) -> String {
    verdict.misses.iter().map(|m| m.message.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_right_plan_holds_and_costs_what_arithmetic_says() {
    let (bundle, plan) = document(&small());
    let verdict = verify(&bundle, &plan);
    assert_eq!(words(&verdict), "");
    // imports 4, 0, 3, 4 kW and exports 0, 2, 0, 0 kW for a quarter of an hour each
    assert_eq!(plan.money.energy, rat("0.55"));
    assert_eq!(plan.money.export, rat("0.035"));
    // the peak is 4 kW, 3.5 kW were metered before
    assert_eq!(plan.money.demand[0].decided, rat("9.75"));
    assert_eq!(plan.money.demand[0].incurred, rat("68.25"));
    // an hour of the 31 days of July, and 0.25 kWh discharged at 0.03
    assert_eq!(plan.money.fixed, Rat::ratio(155, 31 * 24).unwrap());
    assert_eq!(plan.money.wear, rat("0.0075"));
    assert_eq!(plan.money.plan_cost, rat("10.2725"));
    assert_eq!(verdict.asked.steps, 4);
}

#[test]
fn bytes_read_back_and_any_edit_is_noticed() {
    let (bundle, plan) = document(&small());
    let bytes = plan.bytes();
    assert_eq!(bytes.last(), Some(&b'\n'));
    assert_eq!(PlanDocument::read(&bytes).unwrap(), plan);
    assert_eq!(Bundle::load(&bundle.bytes()).unwrap(), bundle);
    let text = String::from_utf8(bytes).unwrap();
    let edited = text.replace("2000", "2001");
    assert_eq!(PlanDocument::read(edited.as_bytes()).unwrap_err().code, crate::diag::codes::TAMPERED);
    let unknown = text.replacen("{\"schema\"", "{\"colour\":1,\"schema\"", 1);
    let finding = PlanDocument::read(unknown.as_bytes()).unwrap_err();
    assert_eq!(finding.code, crate::diag::codes::NOT_A_DOCUMENT);
    assert_eq!(finding.message, "the plan is damaged: line 1, column 9: unknown field `colour`");
    let newer = text.replace("evl.plan/1", "evl.plan/2");
    assert_eq!(PlanDocument::read(newer.as_bytes()).unwrap_err().code, crate::diag::codes::SCHEMA_VERSION);
    for wrong in ["", "{}", "[", "null", "{\"schema\":\"evl.bundle/1\"}", "{\"schema\":7}"] {
        assert_eq!(
            PlanDocument::read(wrong.as_bytes()).unwrap_err().code,
            crate::diag::codes::NOT_A_DOCUMENT
        );
    }
}

/// Every leaf of a document with another value, with its path.
fn mutants(value: &serde_json::Value) -> Vec<(String, serde_json::Value)> {
    use serde_json::Value as V;
    match value {
        V::Object(map) => map
            .iter()
            .flat_map(|(key, inner)| {
                mutants(inner).into_iter().map(move |(path, changed)| {
                    let mut copy = map.clone();
                    copy.insert(key.clone(), changed);
                    (format!("{key}.{path}"), V::Object(copy))
                })
            })
            .collect(),
        V::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, inner)| {
                mutants(inner).into_iter().map(move |(path, changed)| {
                    let mut copy = items.clone();
                    copy[at] = changed;
                    (format!("{at}.{path}"), V::Array(copy))
                })
            })
            .collect(),
        V::Number(n) => vec![(String::new(), V::from(n.as_i64().unwrap() + 1))],
        V::Bool(b) => vec![(String::new(), V::Bool(!b))],
        V::String(text) => {
            let changed = match text.parse::<Rat>() {
                Ok(n) => (n + rat("0.5")).to_string(),
                Err(_) => match text.parse::<crate::calendar::Instant>() {
                    Ok(at) => at.plus(7).to_string(),
                    Err(_) => format!("{text}x"),
                },
            };
            vec![(String::new(), V::String(changed))]
        }
        V::Null => Vec::new(),
    }
}

#[test]
fn a_changed_field_with_a_new_hash_is_noticed_by_the_check() {
    let (bundle, plan) = document(&small());
    let json: serde_json::Value = serde_json::from_slice(&plan.bytes()).unwrap();
    let mut unnoticed = Vec::new();
    let mut asked = 0;
    for (path, mutant) in mutants(&json) {
        let Ok(changed) = serde_json::from_value::<PlanDocument>(mutant) else { continue };
        asked += 1;
        if PlanDocument::read(&changed.clone().seal().bytes()).is_ok()
            && verify(&bundle, &changed.seal()).holds()
        {
            unnoticed.push(path.trim_end_matches('.').to_owned());
        }
    }
    assert!(asked > 80, "{asked}");
    // what no computation can decide: who made it, how good it is, what is known of a device's
    // identity; the sun above what the inverter gives
    insta::assert_snapshot!(unnoticed.join("\n"), @r"
    tool
    expect.0.identity
    given.1.values.1
    gap.money
    gap.ratio
    reproducible
    ");
}

fn rule(site: &mut Site, class: u32, when: Guard, kind: EffectKind, target: Target, text: &str) -> RuleId {
    let id = RuleId::at(site.rules.len());
    site.rules.push(Rule {
        id,
        name: format!("rule{}", id.0),
        class: ClassId(class),
        owner: OWNER,
        span: span(600 + id.0),
        for_each: None,
        when,
        when_span: span(600 + id.0),
        until: None,
        memory: Memory::None,
        latches: Vec::new(),
        on_loss: OnLoss::Inactive,
        at_most_every_s: None,
        effects: vec![Effect {
            index: 0,
            verb: Verb::Limit,
            target,
            kind,
            preferably: false,
            price: None,
            span: span(700 + id.0),
            text: text.into(),
        }],
    });
    id
}

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

#[test]
fn what_a_link_takes_loads_the_phases_of_its_bus() {
    let with = |amps: &str| {
        let mut s = small();
        let supply = |volts: &str| Some(Supply { ac: true, volts: Some(rat(volts)), phases: 3 });
        let stalls = fixture::bus(&mut s.site, "stalls", None);
        s.site.buses[0].supply = supply("400");
        s.site.buses[0].phase_limit = Some(rat(amps));
        s.site.buses[1].supply = supply("400");
        s.site.links.push(Link {
            id: LinkId(0),
            name: "feeder".into(),
            from: BusId(0),
            to: stalls,
            both: false,
            capacity: rat("50"),
            capacity_back: Rat::ZERO,
            efficiency: Rat::ONE,
            wear: (Rat::ZERO, Rat::ZERO),
            span: span(8),
        });
        let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "20")]);
        s.site.families[heater.index()].bus = Some(stalls);
        s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 0, 0, 10000]));
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    // 5 kW of load and 10 kW sent on: 15000 / (1.732 x 400 x 0.9)
    assert_eq!(with("24.06"), "");
    assert!(with("24.05").starts_with("`main` carries on phase 1 24.056"), "{}", with("24.05"));
}

#[test]
fn presumed_values_follow_from_state_and_policy() {
    let mut s = small();
    let alarm = fixture::signal(&mut s.site, "panel.smoke", Type::Number, "0", "9");
    s.given.put_readings(SigRef::Only(alarm), vec![Some(Value::Number(rat("2"))); 4]);
    s.state.signals.insert("panel.smoke".into(), Some(crate::bundle::Given::Text("2".into())));
    let mut lin = Lin::of(SigRef::Only(alarm));
    lin.constant = rat("-5");
    let smoke = Guard::Compare { lin, op: Cmp::Gt, step: Rat::ZERO };
    rule(&mut s.site, 0, smoke, bound(Attr::Charge, None, Some("1")), member(3), "limit");
    let (bundle, mut plan) = document(&s);
    let wrong = "the plan does not presume of `panel.smoke` what its state and policy say";
    assert_eq!(words(&verify(&bundle, &plan.clone().seal())), wrong);
    let of = |n: &str| crate::bundle::Presumption {
        signal: "panel.smoke".into(),
        first: n.into(),
        then: n.into(),
    };
    plan.presumes = vec![of("2")];
    assert_eq!(words(&verify(&bundle, &plan.clone().seal())), "");
    plan.presumes = vec![of("1")];
    assert_eq!(words(&verify(&bundle, &plan.clone().seal())), wrong);
    plan.presumes = vec![of("2")];
    let given = plan.given.iter_mut().find(|series| series.of == "panel.smoke").unwrap();
    given.values[3] = rat("1");
    assert_eq!(words(&verify(&bundle, &plan.seal())), wrong);
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
            room: None,
        };
        words(&verify(&bundle, &PlanDocument { sessions: vec![stay], ..plan.clone() }.seal()))
    };
    // 1.5 kWh in the plan; the window ends an hour after it
    assert_eq!(with(7200), "");
    assert_eq!(with(3600), "");
    assert!(with(1800).starts_with("`heater` gets 1.5 kWh of the 4 kWh that are due"), "{}", with(1800));
}

#[test]
fn a_vehicle_on_one_phase_loads_it_threefold() {
    let with = |amps: &str, phases: u8| {
        let mut s = small();
        s.site.buses[0].supply = Some(Supply { ac: true, volts: Some(rat("400")), phases: 3 });
        s.site.buses[0].phase_limit = Some(rat(amps));
        let heater = fixture::consumer(&mut s.site, "heater", Need::None, &[("0", "20")]);
        if let Model::Consumer(consumer) = &mut s.site.families[heater.index()].model {
            consumer.sessions = Some(FeedId(0));
        }
        s.commands.push(command("heater", Attr::Power, CommandForm::Fixed, &[0, 0, 0, 10000]));
        let (bundle, plan) = document(&s);
        let stay = crate::bundle::Session {
            device: "heater".into(),
            arrival: plan.from,
            departure: plan.until(),
            energy: Rat::ZERO,
            power: None,
            phases: Some(phases),
            room: None,
        };
        words(&verify(&bundle, &PlanDocument { sessions: vec![stay], ..plan }.seal()))
    };
    // 5 kW of load and 10 kW: 15000 / (1.732 x 400 x 0.9), or 5000 / that + 10000 / (230.94 x 0.9)
    assert_eq!(with("24.06", 3), "");
    assert!(with("24.06", 1).starts_with("`main` carries on phase 1 56.13"), "{}", with("24.06", 1));
    assert_eq!(with("56.14", 1), "");
}

#[test]
fn something_is_expected_of_every_device_with_a_profile() {
    let mut s = small();
    s.site.families[3].profile = Some("sunspec/battery".into());
    let (bundle, plan) = document(&s);
    let with = |change: &dyn Fn(&mut Vec<Expectation>)| {
        let mut plan = plan.clone();
        plan.expect[0].profile = Some("sunspec/battery".into());
        plan.expect[0].level = Some(ExpectedLevel { level: rat("5"), tolerance: rat("0.5") });
        change(&mut plan.expect);
        words(&verify(&bundle, &plan.seal()))
    };
    assert_eq!(with(&|_| {}), "");
    assert_eq!(
        with(&|expect| expect.clear()),
        "the plan commands `pack` and does not say what it expects to find there"
    );
    assert_eq!(with(&|expect| expect[0].level = None), "the plan expects no level of `pack`");
    assert!(
        with(&|expect| expect[0].level.as_mut().unwrap().tolerance = rat("5")).contains("another tolerance")
    );
    let twice = |expect: &mut Vec<Expectation>| expect.extend(expect.clone());
    assert!(with(&twice).contains("expects something of `pack`"));
}

#[test]
fn priced_breaches_are_those_that_are_listed() {
    let (bundle, mut plan) = document(&small());
    plan.money.breach = rat("-5");
    plan.money.plan_cost = &plan.money.plan_cost - &rat("5");
    assert!(words(&verify(&bundle, &plan.seal())).contains("for `breach` of its money"));
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

fn member(family: u32) -> Target {
    Target::Members(vec![MemberRange { family: FamilyId(family), first: 1, last: 1 }])
}

fn bound(attr: Attr, lo: Option<&str>, hi: Option<&str>) -> EffectKind {
    let lin = |text: &str| Lin::constant(rat(text));
    EffectKind::Bound { attr, lo: lo.map(lin), hi: hi.map(lin), share: Share::Each, averaged_s: None }
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
fn a_breach_below_the_safety_class_holds_where_the_plan_says_so() {
    let mut s = small();
    let id =
        rule(&mut s.site, 1, Guard::Const(true), bound(Attr::Import, None, Some("3.9")), member(0), "limit");
    let (bundle, mut plan) = document(&s);
    let breach = |first, last| Breach {
        statement: StatementRef {
            statement: Statement::Effect(id, 0),
            name: "rule0".into(),
            text: "limit".into(),
            at: String::new(),
        },
        class: "grid_code".into(),
        of: "utility".into(),
        first,
        last,
        amount: rat("0.025"),
        unit: "kW h".into(),
        money: None,
    };
    plan.breaches = vec![breach(0, 0), breach(3, 3)];
    assert_eq!(words(&verify(&bundle, &plan.clone().seal())), "");
    plan.breaches = vec![breach(0, 0)];
    assert!(!verify(&bundle, &plan.clone().seal()).holds());
    plan.breaches = vec![breach(0, 0), breach(3, 3), breach(1, 1)];
    assert_eq!(
        words(&verify(&bundle, &plan.clone().seal())),
        "the plan says that it breaks `rule0`, and it does not"
    );
    let mut safety = small();
    rule(&mut safety.site, 0, Guard::Const(true), bound(Attr::Import, None, Some("3.9")), member(0), "limit");
    let (bundle, mut plan) = document(&safety);
    plan.breaches = vec![breach(0, 3)];
    assert!(!verify(&bundle, &plan.seal()).holds());
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
fn contents_ends_ranges_and_buses_are_limits() {
    let check = |change: fn(&mut Setup)| {
        let mut s = small();
        change(&mut s);
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    assert_eq!(
        check(|s| s.commands[0].counts[1] = 5001),
        "`pack` cannot have charge 5.001 kW: its range is 0 .. 5 kW"
    );
    assert_eq!(check(|s| s.commands[1].counts[1] = 1), "`pack` charges and discharges at once");
    assert_eq!(
        check(|s| s.state.levels.insert("pack".into(), "95 %".parse().unwrap()).map_or((), |_| ())),
        "`pack` would hold 9.975 kWh, its limits are 1 .. 9.5 kWh"
    );
    assert_eq!(
        check(|s| s.site.buses[0].limit = Some(rat("7.999"))),
        "`main` carries 8 kW, its limit is 7.999 kW"
    );
    assert_eq!(
        check(|s| s.site.families[0]
            .ranges
            .insert(Attr::Export, vec![(Rat::ZERO, rat("1"))])
            .map_or((), |_| ())),
        "`utility` exports 2 kW, its limit is 1 kW"
    );
    let end = |end: End| {
        let mut s = small();
        let Model::Store(store) = &mut s.site.families[3].model else { unreachable!() };
        store.end = end;
        let (bundle, plan) = document(&s);
        words(&verify(&bundle, &plan))
    };
    // 5 + 0.475 - 0.25 / 0.95
    assert_eq!(end(End::AtLeast(rat("0.52"))), "");
    assert_eq!(end(End::AtLeast(rat("0.53"))), "`pack` ends with 5.211842105 kWh, less than 5.3 kWh");
    assert_eq!(end(End::ExactlyStart), "`pack` ends with 5.211842105 kWh, not with 5 kWh");
    assert_eq!(end(End::Exactly(rat("0.5212"))), "");
}

#[test]
fn a_dead_host_leaves_its_devices_anywhere_or_at_fail_safe() {
    let mut s = small();
    s.site.gateways.push(Gateway {
        id: GatewayId(0),
        name: "plant".into(),
        ports: Vec::new(),
        together: Vec::new(),
        span: span(9),
    });
    let pack = &mut s.site.families[3];
    pack.gateway = Some(GatewayId(0));
    pack.control = Control::Command;
    // charging at 5 kW beside 6 kW of load and 2 kW of sun imports 9 kW
    s.site.families[0].ranges.insert(Attr::Import, vec![(Rat::ZERO, rat("8.9"))]);
    let hosted = |s: &Setup| {
        let (_, mut plan) = document(s);
        let hosts = "hosts: { plant_pc: { gateways: [plant] } }";
        let inventory: Inventory = serde_yaml::from_str(hosts).unwrap();
        let bundle = Bundle::new(s.site.clone(), BTreeMap::new(), &inventory, BTreeMap::new());
        plan.bundle = bundle.id.clone();
        plan.expect.clear();
        words(&verify(&bundle, &plan.seal()))
    };
    assert_eq!(hosted(&s), "with host `plant_pc` gone, `utility` imports 9 kW, its limit is 8.9 kW");
    s.site.families[3].fail_safe =
        Some(FailSafe { at: Some((Attr::Charge, rat("4.9"))), by: FailSafeBy::Watchdog, span: span(10) });
    assert_eq!(hosted(&s), "");
}

#[test]
fn foreign_and_unlike_documents_are_told_apart() {
    let (bundle, plan) = document(&small());
    let mut other = small();
    other.site.name = "elsewhere".into();
    other.state.site = "elsewhere".into();
    let (elsewhere, _) = document(&other);
    let verdict = verify(&elsewhere, &plan);
    assert!(
        verdict.misses.iter().all(|m| m.code == crate::diag::codes::FOREIGN) && verdict.misses.len() == 2
    );
    let mut state = plan.state.clone();
    assert_eq!(same_inputs(&bundle, &plan, None, Some(&state)), []);
    state.sequence = 7;
    assert_eq!(same_inputs(&bundle, &plan, None, Some(&state)).len(), 1);
}

#[test]
fn derived_series_that_say_nothing_true_are_noticed() {
    let (bundle, mut plan) = document(&small());
    plan.derived.push(Series {
        of: "pack".into(),
        quantity: Quantity::Power,
        unit: "kW".into(),
        values: vec![Rat::ZERO; 4],
    });
    assert_eq!(words(&verify(&bundle, &plan.seal())), "the plan says of `pack` what does not follow from it");
}
