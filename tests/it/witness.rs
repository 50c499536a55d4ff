//! Every witness is a `test` block that, pasted into the policy, reproduces the clash.

use std::path::Path;

use evl::analysis::{self, CheckInputs};
use evl::repo::Repository;
use evl::sema;
use evl::system::MemorySystem;

const SITE: &str = r#"edition 2026
site s { timezone "Europe/Berlin", location 52.5 N 13.4 E, currency EUR, step 15 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31, signatures none }
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer grid : grid { on main, import up to 100 kW, export up to 100 kW, tariff tou }
storage pack : battery { on main, capacity 100 kWh, charge up to 40 kW, discharge up to 40 kW, efficiency 95 % / 95 %, charge_level 10 % .. 90 % }
consumer pump : pump { on main, demand 0 kW .. 10 kW, interlock "float switch" }
consumer charger[1..4] : ev_charger { on main, demand one of { 0 kW, 1.4 kW .. 11 kW } }
consumer heater : heater { on main, demand one of { 0 kW, 5 kW }, heats rooms, cop 1 }
consumer cooler : hvac { on main, demand one of { 0 kW, 5 kW }, cools rooms, cop 3 }
control  smoke : smoke_sensor { reads ppm 0 .. 1000, poll 2 s, max_age 6 s }
zone rooms { heat_capacity 40 kWh/K, heat_loss 1 kW/K, temperature 18 degC .. 28 degC in comfort }
group evs = consumer where kind = ev_charger
schedule open_hours = weekdays 08:00..18:00
schedule dark = daily sunset..sunrise
weather { temperature -20 degC .. 42 degC, irradiance 0 .. 1200 W/m2 }
assume weather.irradiance = 0 W/m2 during dark
tariff tou { import { 0.40 EUR/kWh during weekdays 16:00..20:00, 0.20 EUR/kWh otherwise } }
"#;

/// Policies with one clash each, and its code.
const CLASHES: &[(&str, &str, &str)] = &[
    (
        "a setpoint",
        "EVL0301",
        "rule warm in comfort { when weather.temperature > 30 degC then set rooms.setpoint to 26 degC }
         rule cool in comfort { when during open_hours then set rooms.setpoint to 21 degC }",
    ),
    (
        "a price",
        "EVL0301",
        "rule dear in economy { when price.import > 0.30 EUR/kWh then limit pump to 2 kW }
         rule hot in economy { when weather.temperature > 35 degC then set pump.power to 8 kW }",
    ),
    (
        "the coming hours",
        "EVL0301",
        "rule ahead in economy { when max(price.import, next 2 h) > 0.30 EUR/kWh and price.import < 0.30 EUR/kWh then turn off pump }
         rule hot in economy { when max(weather.temperature, next 3 h) > 35 degC then turn on pump }",
    ),
    (
        "a latch",
        "EVL0301",
        "rule alarm in contract { when smoke.ppm > 70 until smoke.ppm < 35 then turn off pump }
         rule wet in contract { when weather.temperature < 0 degC then set pump.power to 5 kW }",
    ),
    (
        "a lost reading",
        "EVL0301",
        "rule alarm in safety { when smoke.ppm > 1000 then turn off pump }
         rule dear in safety { when price.import > 0.3 EUR/kWh then set pump.power to 5 kW }",
    ),
    (
        "a reading that has held",
        "EVL0301",
        "rule long in economy { when weather.temperature > 30 degC for 1 h then turn off pump }
         rule wet in economy { when weather.irradiance > 500 W/m2 then turn on pump }",
    ),
    (
        "two directions",
        "EVL0303",
        "rule fill in economy { when price.import < 0.30 EUR/kWh then set pack.charge to 20 kW }
         rule empty in economy { when weather.temperature > 30 degC then set pack.discharge to 20 kW }",
    ),
    (
        "heat and cold",
        "EVL0303",
        "rule heat in comfort { when weather.temperature < 20 degC then turn on heater }
         rule cool in comfort { when weather.irradiance > 600 W/m2 then turn on cooler }",
    ),
    (
        "a total",
        "EVL0301",
        "rule fast in comfort { when during open_hours then set evs to 8 kW each }
         rule fleet in comfort { limit evs to 20 kW together }",
    ),
    (
        "a lost reading that is held",
        "EVL0301",
        "rule alarm in contract { when smoke.ppm > 1000 on loss hold 10 min then turn off pump }
         rule wet in contract { when weather.temperature < 0 degC then set pump.power to 5 kW }",
    ),
    (
        "held twice",
        "EVL0301",
        "rule alarm in contract { when smoke.ppm > 1000 for 2 min on loss hold 10 min then turn off pump }
         rule wet in contract { when weather.temperature < 0 degC for 1 h until weather.temperature > 5 degC for 2 h then set pump.power to 5 kW }",
    ),
    (
        "a latch of one member",
        "EVL0301",
        "rule lift in comfort { for each c in evs when weather.temperature < 0 degC until weather.temperature > 10 degC then set c to at least 4 kW }
         rule low in comfort { when weather.temperature > 5 degC and weather.temperature < 8 degC then limit charger[3] to 2 kW }",
    ),
    (
        "three choices",
        "EVL0301",
        "rule a in economy { when weather.temperature > 30 degC then set pump to one of { 2 kW, 4 kW } }
         rule b in economy { when weather.irradiance > 600 W/m2 then set pump to one of { 4 kW, 6 kW } }
         rule c in economy { when price.import > 0.30 EUR/kWh then set pump to one of { 2 kW, 6 kW } }",
    ),
    (
        "what a higher class leaves",
        "EVL0301",
        "rule law in contract { when price.import > 0.30 EUR/kWh then set pump to one of { 2 kW, 6 kW } }
         rule a in economy { set pump to one of { 2 kW, 4 kW } }
         rule b in economy { when weather.irradiance > 600 W/m2 then set pump to one of { 4 kW, 6 kW } }",
    ),
    (
        "a total of a higher class",
        "EVL0301",
        "rule fast in comfort { when during open_hours then set evs to 8 kW each }
         rule fleet in contract { limit evs to 20 kW together }",
    ),
    (
        "beyond the device",
        "EVL0302",
        "rule boost in comfort { when during open_hours then set pump.power to 12 kW }",
    ),
    (
        "a value of many decimals, and one of none",
        "EVL0301",
        "rule warm in economy { when weather.temperature >= 80 degF then turn on pump }
         rule cold in economy { when weather.temperature <= 80 degF and weather.irradiance >= 12.3456789 W/m2 and weather.irradiance <= 12.3456789 W/m2 then turn off pump }",
    ),
    (
        "origins",
        "EVL0301",
        "rule green in economy { supply pump from pack }
         rule grey in economy { when weather.temperature > 30 degC then supply pump from grid }",
    ),
];

fn compile(policy: &str) -> (evl::ir::Site, evl::diag::SourceMap) {
    let system = MemorySystem::new().file("site/policy.evl", format!("{SITE}{policy}"));
    let repository = Repository::open(&system, Path::new("site")).unwrap();
    let compiled = sema::compile(&repository);
    let findings: Vec<String> = compiled
        .findings
        .iter()
        .filter(|f| f.severity == evl::diag::Severity::Error)
        .map(|f| f.message.clone())
        .collect();
    assert_eq!(findings, Vec::<String>::new(), "{policy}");
    (compiled.site.unwrap(), compiled.sources)
}

fn found(policy: &str) -> Vec<(String, String, String)> {
    let (site, _) = compile(policy);
    let report = analysis::check(&site, &CheckInputs::default());
    // some thresholds lie out of reach, so that only a lost reading makes the rule active
    let shown = report.findings.iter().filter(|f| f.code.to_string() != "EVL0401");
    shown
        .map(|f| {
            let witness = f.witness.clone();
            let (when, test) = witness.map(|w| (w.when, w.test)).unwrap_or_default();
            (format!("{} {}", f.code, f.message), when, test)
        })
        .collect()
}

#[test]
fn pasting_a_witness_reproduces_the_clash() {
    for (name, code, policy) in CLASHES {
        let findings = found(policy);
        assert_eq!(findings.len(), 1, "{name}: {findings:#?}");
        let (message, _, test) = &findings[0];
        assert!(message.starts_with(code), "{name}: {message}");
        let (site, _) = compile(&format!("{policy}\n{test}\n"));
        let report = analysis::run_tests(&site, &CheckInputs::default());
        let why: Vec<_> = report.findings.iter().map(|f| (&f.message, &f.witness)).collect();
        assert_eq!((report.passed, report.failed), (1, 0), "{name}: {test}\n{why:#?}");
        // the same situation without the second rule shows nothing
        if *code == "EVL0302" {
            continue;
        }
        let quiet = test.replace("expect conflict", "expect no conflict\n// ");
        let (site, _) = compile(&format!("{policy}\n{quiet}\n"));
        let report = analysis::run_tests(&site, &CheckInputs::default());
        assert_eq!((report.passed, report.failed), (0, 1), "{name}: {quiet}");
    }
}

/// More act at once than the evaluator compares pair by pair: each pair is found and replayed for all
/// that, twenty are shown, and the rest is counted.
#[test]
fn of_many_that_act_at_once_each_clash_is_shown() {
    let limits: String =
        (0..230).map(|at| format!("rule r{at} in economy {{ limit pump to 5 kW }}\n")).collect();
    let policy = format!(
        "{limits}rule x in economy {{ set pump.power to at least 6 kW }}
         rule y in economy {{ set pump.power to at least 7 kW }}\n"
    );
    let findings = found(&policy);
    assert_eq!(findings.len(), 20);
    for (message, _, _) in &findings {
        assert!(message.starts_with("EVL0301 two rules of class `economy`"), "{message}");
    }
    let (site, _) = compile(&policy);
    let report = analysis::check(&site, &CheckInputs::default());
    let notes: Vec<&String> = report.findings.iter().flat_map(|finding| &finding.notes).collect();
    assert_eq!(notes, ["440 more clashes on `pump` are not shown"]);
    for (_, _, test) in [&findings[0], &findings[19]] {
        let (site, _) = compile(&format!("{policy}\n{test}\n"));
        let report = analysis::run_tests(&site, &CheckInputs::default());
        assert_eq!((report.passed, report.failed), (1, 0), "{test}");
    }
    // two that agree do not clash, however many others do
    let (site, _) = compile(&format!("{policy}\ntest \"t\" {{ expect conflict r3, r4 }}\n"));
    let report = analysis::run_tests(&site, &CheckInputs::default());
    assert_eq!((report.passed, report.failed), (0, 1));
}

/// Thirty heaters against thirty coolers: twenty situations are sought, the rest is counted.
#[test]
fn of_many_that_heat_and_cool_some_are_shown() {
    let policy: String = (0..30)
        .map(|at| {
            format!(
                "consumer h{at} : heater {{ on main, demand one of {{ 0 kW, 5 kW }}, heats rooms, cop 1 }}
consumer k{at} : hvac {{ on main, demand one of {{ 0 kW, 5 kW }}, cools rooms, cop 3 }}
rule rh{at} in economy {{ when weather.temperature = {at} degC then turn on h{at} }}
rule rk{at} in economy {{ when weather.temperature = {at} degC or weather.irradiance = {at} W/m2 then turn on k{at} }}
"
            )
        })
        .collect();
    let report = analysis::check(&compile(&policy).0, &CheckInputs::default());
    assert_eq!(report.findings.iter().map(|f| f.code.to_string()).collect::<Vec<_>>(), ["EVL0303"; 20]);
    let notes: Vec<&String> = report.findings.iter().flat_map(|finding| &finding.notes).collect();
    assert_eq!(notes, ["at least 500 more clashes on `rooms` are not shown"]);
}

#[test]
fn witnesses_are_the_same_on_every_run() {
    for (name, _, policy) in CLASHES {
        assert_eq!(found(policy), found(policy), "{name}");
    }
}

#[test]
fn witnesses_are_simple() {
    let all: Vec<String> =
        CLASHES.iter().flat_map(|(_, _, policy)| found(policy)).map(|(_, when, _)| when).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_test_holds_for_all_values_that_it_does_not_give() {
    let policy = "rule dear in economy { when price.import > 0.30 EUR/kWh then limit pump to 2 kW }
        rule hot in contract { when weather.temperature > 35 degC then set pump.power to 8 kW }";
    let run = |test: &str| {
        let (site, _) = compile(&format!("{policy}\ntest \"t\" {{ {test} }}"));
        let report = analysis::run_tests(&site, &CheckInputs::default());
        report.findings.iter().map(|f| f.code.to_string()).collect::<Vec<_>>()
    };
    let peak = "given Thu 2026-01-01 17:00";
    assert_eq!(
        run(&format!("{peak}, weather.temperature 20 degC expect pump at most 2 kW, active dear")),
        [""; 0]
    );
    assert_eq!(run(&format!("{peak} expect pump at most 2 kW")), ["EVL0803"]);
    assert_eq!(run(&format!("{peak}, weather.temperature 36 degC expect overridden dear")), [""; 0]);
    assert_eq!(run(&format!("{peak}, price.import 0.20 EUR/kWh expect pump at most 2 kW")), ["EVL0804"]);
    assert_eq!(run("given weather.temperature 20 degC expect pump at most 10 kW"), [""; 0]);
    assert_eq!(run("given weather.temperature 20 degC expect inactive dear"), ["EVL0803"]);
    let between = |ends: &str, expect: &str| {
        run(&format!("{peak}, weather.temperature between {ends} expect {expect}"))
    };
    assert_eq!(between("10 degC and 35 degC", "pump at most 2 kW, inactive hot"), [""; 0]);
    assert_eq!(between("10 degC and 35.1 degC", "pump at most 2 kW"), ["EVL0803"]);
    assert_eq!(between("36 degC and 40 degC", "overridden dear"), [""; 0]);
    assert_eq!(between("60 degC and 70 degC", "overridden dear"), ["EVL0804"]);
}

/// What a situation says of a word is only which it is not: the others are tried all the same.
#[test]
fn a_test_holds_for_all_words_that_it_does_not_give() {
    let run = |test: &str| {
        let (site, _) = compile(&format!(
            "mode normal | island | reserve
             rule apart in economy {{ when mode != normal then turn off pump }}
             test \"t\" {{ given Thu 2026-01-01 12:00{test} }}"
        ));
        let report = analysis::run_tests(&site, &CheckInputs::default());
        report.findings.iter().map(|f| f.code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(run(" expect inactive apart"), ["EVL0803"]);
    assert_eq!(run(" expect active apart"), ["EVL0803"]);
    assert_eq!(run(", mode normal expect inactive apart"), [""; 0]);
    assert_eq!(run(", mode reserve expect active apart, pump off"), [""; 0]);
}

/// One signed power tells all directions of a store or a grid (semantics.md 3); a test that is given something
/// else is told which tie it breaks.
#[test]
fn what_no_device_shows_is_no_situation() {
    let run = |given: &str| {
        let (site, _) = compile(&format!("test \"t\" {{ given {given} expect no conflict }}"));
        let report = analysis::run_tests(&site, &CheckInputs::default());
        report.findings.iter().map(|f| (f.code.to_string(), f.notes.clone())).collect::<Vec<_>>()
    };
    for (given, tie) in [
        ("pack.charge 5 kW, pack.discharge 5 kW", "`pack` never charges and discharges at once"),
        ("grid.import 100 kW, grid.export 10 kW", "`grid` never imports and exports at once"),
        (
            "pack.power -5 kW, pack.charge 4 kW",
            "the power of `pack` is what it discharges less what it charges",
        ),
        ("grid.power 5 kW, grid.import 0 kW", "the power of `grid` is what it imports less what it exports"),
    ] {
        assert_eq!(run(given), [("EVL0804".to_owned(), vec![tie.to_owned()])], "{given}");
    }
    for given in [
        "pack.charge 5 kW, pack.discharge 0 kW",
        "grid.import 0 kW, grid.export 10 kW",
        "pump.on true, pump.power 0 kW",
        // a welded contactor, and a vehicle that is nearly full
        "pump.on false, pump.power 10 kW",
        "charger[2].power 1 kW",
        "pump.on false, pump.connected true, pump.power 0 kW",
        "heater.power 5 kW, heater.on true",
        "charger[2].power 1.4 kW, charger[3].power 0 kW",
        "charger[1].connected false, charger[2].power 5 kW, charger[2].connected true",
        "pack.power -5 kW, pack.charge 5 kW",
        "grid.power 5 kW, grid.import 5 kW, grid.export 0 kW",
    ] {
        assert_eq!(run(given), [], "{given}");
    }
}

/// Every seeded mistake of the examples whose witness is a test block.
#[test]
#[expect(clippy::disallowed_methods, reason = "the examples are files of this repository")]
fn pasting_the_witness_of_a_broken_office_reproduces_it() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/broken-office");
    let mut folders: Vec<_> =
        std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut pasted = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut files: Vec<(String, String)> = Vec::new();
        let mut open = vec![folder.clone()];
        while let Some(at) = open.pop() {
            for entry in std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    open.push(entry);
                } else {
                    let inside = entry.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
                    files.push((inside, std::fs::read_to_string(&entry).unwrap()));
                }
            }
        }
        let site = |extra: &str| {
            let mut system = MemorySystem::new();
            for (path, text) in &files {
                let extra = if path == "site.evl" { extra } else { "" };
                system = system.file(format!("site/{path}"), format!("{text}{extra}"));
            }
            let repository = Repository::open(&system, Path::new("site")).unwrap();
            sema::compile(&repository).site
        };
        let Some(broken) = site("") else { continue };
        for finding in analysis::check(&broken, &CheckInputs::default()).findings.iter() {
            let Some(test) = finding.witness.as_ref().map(|w| w.test.as_str()).filter(|t| !t.is_empty())
            else {
                continue;
            };
            let report = analysis::run_tests(&site(&format!("\n{test}\n")).unwrap(), &CheckInputs::default());
            assert_eq!((report.passed, report.failed), (1, 0), "{name}: {test}");
            pasted.push(format!("{name} {}", finding.code));
        }
    }
    assert_eq!(pasted, ["contradiction EVL0301", "impossible-command EVL0302", "opposed-effects EVL0303"]);
}
