//! A plan as people read it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use evl::bundle::Bundle;
use evl::bundle::inventory::Inventory;
use evl::bundle::{
    Breach, CommandForm, CommandSeries, DemandMoney, Document, Gap, GroupSeries, Hash, InputHash,
    MinimumMoney, Money, Override, PlanDocument, Presumption, Quantity, Reason, Series, Split, State,
    StatementRef, Status, Step, Unmanaged,
};
use evl::calendar::Instant;
use evl::diag::ExitCode;
use evl::ir::{Attr, CivilDate, RuleId, Statement};
use evl::quantity::Rat;
use evl::system::MemorySystem;

fn rat(text: &str) -> Rat {
    text.parse().unwrap()
}

fn sample() -> PlanDocument {
    let from = Instant(1_784_073_600);
    let step = |n: i64| Step { start: from.plus(n * 900), end: from.plus((n + 1) * 900) };
    let shave = StatementRef {
        statement: Statement::Effect(RuleId(0), 0),
        name: "shave".to_owned(),
        text: "limit pack to 10 kW".to_owned(),
        at: "rules/economy.evl:4:3".to_owned(),
    };
    let date = |year| CivilDate { year, month: 1, day: 1 };
    PlanDocument {
        schema: PlanDocument::SCHEMA.to_owned(),
        tool: "evl test".to_owned(),
        site: "office".to_owned(),
        timezone: "America/New_York".to_owned(),
        valid: (date(2026), date(2027)),
        bundle: Hash::of(b"bundle"),
        inputs: vec![InputHash {
            name: "feed weather".to_owned(),
            path: "data/weather.csv".to_owned(),
            sha256: Hash::of(b"weather"),
        }],
        from,
        expires: from.plus(3600),
        sequence: 7,
        follows: None,
        expect: Vec::new(),
        steps: (0..4).map(step).collect(),
        commands: vec![
            CommandSeries {
                device: "pack".to_owned(),
                attr: Attr::Charge,
                form: CommandForm::Fixed,
                unit: "kW".to_owned(),
                step: rat("0.1"),
                counts: vec![100, 100, 0, 25],
            },
            CommandSeries {
                device: "fan".to_owned(),
                attr: Attr::On,
                form: CommandForm::Fixed,
                unit: String::new(),
                step: rat("1"),
                counts: vec![1, 1, 1, 0],
            },
        ],
        following: Vec::new(),
        groups: vec![GroupSeries {
            family: "charger".to_owned(),
            members: vec![(1, 8)],
            attr: Attr::Power,
            form: CommandForm::AtMost,
            unit: "kW".to_owned(),
            step: rat("0.1"),
            running: vec![8, 8, 4, 0],
            totals: vec![288, 288, 100, 0],
            split: Split::First,
        }],
        state: State::new("office", from),
        given: Vec::new(),
        sessions: Vec::new(),
        derived: vec![Series {
            of: "pack".to_owned(),
            quantity: Quantity::Level,
            unit: "kWh".to_owned(),
            values: ["20", "22.5", "22.5", "23.125"].map(rat).to_vec(),
        }],
        flows: Vec::new(),
        money: Money {
            currency: "USD".to_owned(),
            energy: rat("12.345"),
            export: rat("1.5"),
            demand: vec![DemandMoney {
                tariff: "b19".to_owned(),
                charge: "any".to_owned(),
                month: "2026-07".to_owned(),
                known: rat("180"),
                peak: rat("190.5"),
                price: rat("19.5"),
                decided: rat("204.75"),
                incurred: rat("3510"),
            }],
            minimum: vec![MinimumMoney {
                tariff: "b19".to_owned(),
                month: "2026-07".to_owned(),
                minimum: rat("3800"),
                before: rat("60"),
                bill: rat("3785.595"),
                added: rat("14.405"),
            }],
            bill: rat("3740"),
            decided: rat("230"),
            unmanaged: Some(rat("375.7")),
            unmanaged_parts: Some(Unmanaged {
                energy: rat("14.7"),
                export: rat("0"),
                demand: vec![DemandMoney {
                    tariff: "b19".to_owned(),
                    charge: "any".to_owned(),
                    month: "2026-07".to_owned(),
                    known: rat("180"),
                    peak: rat("194.692307692"),
                    price: rat("19.5"),
                    decided: rat("286.5"),
                    incurred: rat("3510"),
                }],
                minimum: vec![MinimumMoney {
                    tariff: "b19".to_owned(),
                    month: "2026-07".to_owned(),
                    minimum: rat("3800"),
                    before: rat("60"),
                    bill: rat("3725.5"),
                    added: rat("74.5"),
                }],
            }),
            plan_cost: rat("230"),
            ..Money::default()
        },
        reasons: vec![Reason {
            device: "pack".to_owned(),
            attr: Attr::Charge,
            first: 0,
            last: 1,
            statements: vec![shave.clone()],
            text: "`shave` limits it".to_owned(),
        }],
        presumes: vec![Presumption {
            signal: "mode".to_owned(),
            first: "normal".to_owned(),
            then: "normal".to_owned(),
        }],
        assumptions: vec!["pack ends at its first level or pays 0.42 USD/kWh".to_owned()],
        overrides: Vec::new(),
        breaches: vec![Breach {
            statement: shave,
            class: "economy".to_owned(),
            of: "pack".to_owned(),
            first: 2,
            last: 3,
            amount: rat("1.25"),
            unit: "kW h".to_owned(),
            money: None,
        }],
        void: Vec::new(),
        status: Status::Optimal,
        gap: Gap { money: rat("0"), ratio: rat("0") },
        reproducible: true,
        study: false,
        id: Hash::default(),
    }
    .seal()
}

fn see(system: &MemorySystem, line: &str) -> (ExitCode, String) {
    let exit = evl::cli::run(line.split_whitespace().map(OsString::from), system);
    (exit, system.printed())
}

#[test]
fn cost_commands_reasons_and_what_it_rests_on() {
    let system = MemorySystem::new().file("plan.json", sample().bytes());
    let (exit, text) = see(&system, "evl show plan.json");
    assert_eq!(exit, ExitCode::Success);
    insta::assert_snapshot!(text.replace(sample().id.short(), "[plan]"));
}

#[test]
fn one_device_alone() {
    let system = MemorySystem::new().file("plan.json", sample().bytes());
    let (_, text) = see(&system, "evl show plan.json --only fan");
    assert!(text.contains("\nfan.on\n") && !text.contains("pack.charge") && !text.contains("charger ("));
}

#[test]
fn json_is_the_document_itself() {
    let system = MemorySystem::new().file("plan.json", sample().bytes());
    assert_eq!(see(&system, "evl show plan.json --json").1.into_bytes(), sample().bytes());
}

#[test]
fn what_no_single_statement_overrides_is_told_in_words() {
    let mut plan = sample();
    let statement = plan.breaches[0].statement.clone();
    let (class, of) = ("economy".to_owned(), "pack".to_owned());
    plan.overrides = vec![Override { statement, class, by: Vec::new(), of, first: 2, last: 2 }];
    let system = MemorySystem::new().file("plan.json", plan.seal().bytes());
    let (exit, out) = see(&system, "evl show plan.json");
    assert_eq!(exit, ExitCode::Success, "{out}");
    let said = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let why = "on pack, by no single statement, but what is owed in class `economy` and above, together, with what \
               the devices can do: ";
    assert!(said.contains(why), "{out}");
}

#[test]
fn an_edited_or_missing_plan_is_refused() {
    let edited = String::from_utf8(sample().bytes()).unwrap().replace("\"sequence\":7", "\"sequence\":8");
    let system = MemorySystem::new().file("plan.json", edited);
    assert_eq!(see(&system, "evl show plan.json"), (ExitCode::Findings, String::new()));
    assert!(system.said().contains("EVL1102"), "{}", system.said());
    assert_eq!(see(&system, "evl show none.json"), (ExitCode::Failure, String::new()));
}

#[test]
fn a_plan_of_another_site_does_not_verify_and_missing_papers_are_a_failure() {
    let bundle =
        Bundle::new(evl::ir::testkit::site(), BTreeMap::new(), &Inventory::default(), BTreeMap::new());
    let system = MemorySystem::new().file("plan.json", sample().bytes()).file("site.bundle", bundle.bytes());
    let (exit, report) = see(&system, "evl verify plan.json --format json");
    assert_eq!(exit, ExitCode::Findings);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let codes: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"EVL1103"), "{codes:?}");
    let notes = report["findings"][0]["notes"].to_string();
    assert!(notes.contains("the plan is `plan.json`, the bundle `site.bundle`"), "{notes}");
    let alone = MemorySystem::new().file("plan.json", sample().bytes());
    assert_eq!(see(&alone, "evl verify plan.json").0, ExitCode::Failure);
    assert!(alone.printed().contains("EVL0002"), "{}", alone.printed());
}

#[test]
fn what_breaches_cost_is_told_apart_from_what_is_paid_for_energy() {
    let mut plan = sample();
    let said = |plan: &PlanDocument| {
        let system = MemorySystem::new().file("plan.json", plan.clone().seal().bytes());
        see(&system, "evl show plan.json").1.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(said(&plan).contains("with nobody deciding 375.70 saves 145.70 (38.8 %) energy"));
    // 230 for energy and 200 for breaches: nobody deciding has no price of a breach
    plan.money.breach = rat("200");
    plan.money.plan_cost = rat("430");
    let told = said(&plan);
    let energy = "decided by this plan 430.00 without priced breaches 230.00 \
                  with nobody deciding 375.70 saves 145.70 (38.8 %), breaches aside";
    assert!(told.contains(energy) && told.contains("priced breaches 200.00 bill"), "{told}");
    // what goals after cost spend a share of
    plan.money.least_cost = Some(rat("400"));
    assert!(said(&plan).contains("the cheapest plan 400.00 goals after cost may spend a share of it"));
}
