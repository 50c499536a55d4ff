//! `evl check` on input that is no policy: one clear finding each, the right exit code, nothing written.

use std::ffi::OsString;

use evl::system::MemorySystem;

/// Exit code and the codes of the findings of one command line.
fn check(system: &MemorySystem, paths: &str) -> (u8, Vec<String>) {
    let before = system.files();
    let line = format!("evl check --format json {paths}");
    let exit = evl::cli::run(line.split_whitespace().map(OsString::from), system);
    assert_eq!(system.files(), before, "nothing is written");
    let report: serde_json::Value = serde_json::from_str(&system.printed()).unwrap();
    assert_eq!(report["exit"], exit.number());
    let findings = report["findings"].as_array().unwrap();
    (exit.number(), findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect())
}

fn one(code: &str) -> Vec<String> {
    vec![code.to_owned()]
}

#[test]
fn missing_paths_and_empty_folders() {
    let system = MemorySystem::new().file("empty/readme.txt", "");
    assert_eq!(check(&system.clone(), "nowhere"), (2, one("EVL0002")));
    assert_eq!(check(&MemorySystem::new().file("empty/readme.txt", ""), "empty"), (2, one("EVL0006")));
}

#[test]
fn files_that_are_no_policy_stand_for_nothing() {
    let site = || {
        MemorySystem::new()
            .file("site/evl.yaml", "members: [rules/*.evl]\n")
            .file("site/rules/a.evl", "edition 2026\n")
            .file("site/tests/b.evl", "edition 2026\n")
            .file("site/empty.txt", "")
            .file("site/plan.json", "{}")
    };
    for path in ["site/empty.txt", "site/plan.json", "site/evl.yaml", "site/tests/b.evl"] {
        assert_eq!(check(&site(), path), (2, one("EVL0006")), "{path}");
    }
    // a member stands for its site, which lacks a `site` statement
    assert_eq!(check(&site(), "site/rules/a.evl").0, 1);
    let alone = MemorySystem::new().file("notes.txt", "");
    assert_eq!(check(&alone, "notes.txt"), (2, one("EVL0006")));
}

#[test]
fn a_site_by_several_names_is_checked_once() {
    let site = || {
        MemorySystem::new()
            .file("site/evl.yaml", "")
            .file("site/a.evl", "edition 2026\n")
            .file("site/rules/b.evl", "rule loose {")
            .file("other/a.evl", "rule loose {")
            .link("again", "site")
    };
    let counted = |verb: &str, paths: &str| {
        let system = site();
        let line = format!("evl {verb} --format json {paths}");
        evl::cli::run(line.split_whitespace().map(OsString::from), &system);
        let report: serde_json::Value = serde_json::from_str(&system.printed()).unwrap();
        (report["findings"].as_array().unwrap().len(), report["counts"]["files"].as_u64())
    };
    for verb in ["check", "test"] {
        let (alone, files) = counted(verb, "site");
        assert!(alone > 0 && files == Some(2), "{verb} {alone} {files:?}");
        for paths in [
            "site site",
            "site ./site",
            "site site/",
            "site/../site again",
            "site site/rules/b.evl site/a.evl",
        ] {
            assert_eq!(counted(verb, paths), (alone, files), "{verb} {paths}");
        }
        // another one is another, though it reads the same
        assert_eq!(counted(verb, "site other site").1, Some(3), "{verb}");
    }
}

#[test]
fn other_encodings_and_files_above_the_cap() {
    let latin1 = MemorySystem::new().file("site/a.evl", b"edition 2026\n// gr\xfcn\n");
    assert_eq!(check(&latin1, "site").0, 2);
    assert!(latin1.printed().contains("EVL0003"));
    let large = MemorySystem::new().file("site/a.evl", vec![b' '; (4 << 20) + 1]);
    assert_eq!(check(&large, "site").0, 2);
    assert!(large.printed().contains("EVL0004"));
}

#[test]
fn one_bad_statement_hides_no_other_and_one_bad_site_no_other() {
    let system = MemorySystem::new()
        .file("a/p.evl", "edition 2026\nrule x in comfort { then set boiler to }\nrule { }\n")
        .file("b/p.evl", "edition 2026\nschedule = daily\n");
    let (exit, codes) = check(&system, "a b");
    assert_eq!(exit, 1);
    assert!(codes.iter().filter(|code| *code == "EVL0020").count() >= 3, "{codes:?}");
    let printed = system.printed();
    assert!(printed.contains("\"a/p.evl\"") && printed.contains("\"b/p.evl\""));
}

#[test]
fn ten_thousand_parentheses_are_an_error_and_no_crash() {
    let deep = format!(
        "edition 2026\nrule x in comfort {{ when {} 1 kW > 0 kW then turn on fan }}\n",
        "(".repeat(10_000)
    );
    let system = MemorySystem::new().file("site/a.evl", deep);
    assert_eq!(check(&system, "site").0, 1);
}

/// A site with one conflict, valid this year, in a folder of its own.
const TINY: &str = "edition 2026
site tiny {
  timezone \"America/New_York\", location 42.36 N 71.05 W, currency USD, step 15 min, horizon 24 h
  valid 2026-01-01 .. 2026-12-31, on no_plan release, signatures none
}
priorities safety > comfort > economy
bus main { ac 480 V, 3 phase, limit 400 kW }
producer utility : grid { on main, import up to 250 kW, export up to 100 kW, tariff flat }
tariff flat { import 0.20 USD/kWh, export 0.05 USD/kWh }
consumer boiler : boiler { on main, demand 0 kW .. 40 kW, fail_safe 0 kW by none }
weather { temperature -20 degC .. 42 degC }
rule cold in comfort { when weather.temperature < 5 degC then keep boiler.power at least 20 kW }
";
const CONFLICT: &str =
    "rule save in comfort { when weather.temperature < 10 degC then limit boiler to 10 kW }\n";

#[test]
fn a_conflict_is_found_with_its_witness_and_shown_under_the_site_it_lies_in() {
    let system = MemorySystem::new()
        .file("sites/bad/policy.evl", format!("{TINY}{CONFLICT}"))
        .file("sites/good/policy.evl", TINY);
    let (exit, codes) = check(&system, "sites/bad sites/good");
    assert_eq!((exit, codes.iter().filter(|code| *code == "EVL0301").count()), (1, 1), "{codes:?}");
    let report: serde_json::Value = serde_json::from_str(&system.printed()).unwrap();
    let finding = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == "EVL0301").unwrap();
    assert_eq!(finding["primary"]["path"], "sites/bad/policy.evl");
    assert!(finding["witness"]["when"].as_str().unwrap().contains("weather.temperature"));
    assert_eq!(report["counts"]["rules"], 3);
    assert_eq!(report["counts"]["files"], 2);
}

#[test]
fn nothing_is_built_from_a_policy_with_errors_and_the_same_bytes_from_a_clean_one() {
    let build = |text: String| {
        let system = MemorySystem::new().file("site/policy.evl", text);
        let line = "evl build site -o site.bundle".split_whitespace().map(OsString::from);
        let exit = evl::cli::run(line, &system).number();
        (exit, system.files().remove(std::path::Path::new("/site.bundle")), system.printed())
    };
    let (exit, bundle, id) = build(format!("{TINY}{CONFLICT}"));
    assert_eq!((exit, bundle, id.as_str()), (1, None, ""));
    let (exit, bundle, id) = build(TINY.to_owned());
    assert_eq!(exit, 0);
    assert!(id.starts_with("sha256:") && id.len() == 72, "{id}");
    assert!(bundle.is_some());
    assert_eq!(build(TINY.to_owned()).1, bundle);
}

#[test]
fn lint_levels_and_waivers_of_the_manifest_count() {
    let dead = "rule never in economy { when weather.temperature > 60 degC then limit boiler to 5 kW }\n";
    let exit = |manifest: &str| {
        let system =
            MemorySystem::new().file("s/policy.evl", format!("{TINY}{dead}")).file("s/evl.yaml", manifest);
        system.set_now("2026-06-01T12:00:00Z".parse().unwrap());
        let line = "evl check s --deny warnings".split_whitespace().map(OsString::from);
        evl::cli::run(line, &system).number()
    };
    let waiver = |until: &str| {
        format!(
            "waivers:\n  - code: EVL0401\n    statement: never\n    until: {until}\n    reason: comes with the new boiler\n"
        )
    };
    assert_eq!(exit(""), 1);
    assert_eq!(exit("lints:\n  EVL0401: allow\n"), 0);
    assert_eq!(exit(&waiver("2026-06-01")), 0);
    assert_eq!(exit(&waiver("2026-05-31")), 1);
}

#[test]
fn an_error_in_one_rule_does_not_hide_the_clash_of_others() {
    let site = r#"edition 2026
site s { timezone "Europe/Berlin", location 52.5 N 13.4 E, currency EUR, step 15 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31, signatures none }
priorities safety > comfort > economy
bus main { ac 400 V, 3 phase }
producer grid : grid { on main, import up to 100 kW, export up to 100 kW, tariff flat }
tariff flat { import 0.30 EUR/kWh }
consumer pump : pump { on main, demand 0 kW .. 10 kW }
rule runs in comfort { turn on pump }
rule rests in comfort { turn off pump }
rule wide in comfort { set pump.power to 20 kW }
"#;
    let with = |statement: &str| MemorySystem::new().file("site/p.evl", format!("{site}{statement}\n"));
    let found = |statement: &str| check(&with(statement), "site");
    let clashes = ["EVL0301", "EVL0302"];
    assert_eq!(found(""), (1, clashes.map(str::to_owned).to_vec()));
    // a type error, an unknown name, a syntax error: each with the clashes of the others
    for (statement, code) in [
        ("rule bad in comfort { limit pump to 3 kWh }", "EVL0201"),
        ("rule bad in comfort { turn on pmup }", "EVL0101"),
        ("rule bad in comfort { limit pump too 3 kW }", "EVL0001"),
        ("budget day in economy { consumption of pump at most 3 kW per day }", "EVL0201"),
    ] {
        let (exit, codes) = found(statement);
        let others: Vec<&String> = codes.iter().filter(|code| clashes.contains(&code.as_str())).collect();
        assert_eq!((exit, others.len(), codes.len()), (1, 2, 3), "{statement}: {codes:?}");
        let family = |code: &str| code[..5].to_owned();
        assert!(codes.iter().any(|found| family(found) == family(code)), "{statement}: {codes:?}");
        let system = with(statement);
        check(&system, "site");
        assert!(system.printed().contains("left out"), "{statement}: {}", system.printed());
    }
    // declarations, permits and tests: what does not rest on them is checked all the same
    for (statements, code) in [
        ("consumer fan : fan { on main, demand 0 kWh .. 3 kW }", "EVL0201"),
        (
            "consumer fan : fan { on main, demand 0 kWh .. 3 kW }\nrule more in comfort { set fan.power to 20 kW }",
            "EVL0201",
        ),
        ("group idle = pmup\nrule more in comfort { turn off idle }", "EVL0101"),
        (
            "schedule odd = daily 08:00..25:00\nrule more in comfort { during odd then turn on pump }",
            "EVL0204",
        ),
        ("tenant t { classes economy }\npermit tenant t to limit pmup.power", "EVL0101"),
        ("bus side { ac 400 kV, 3 phase, limit 3 kWh }", "EVL0201"),
        ("mode day | night | day", "EVL0102"),
        ("objective minimise costs", "EVL0101"),
    ] {
        let (exit, codes) = found(statements);
        let others: Vec<&String> = codes.iter().filter(|code| clashes.contains(&code.as_str())).collect();
        assert_eq!((exit, others.len()), (1, 2), "{statements}: {codes:?}");
        assert!(codes.len() == 3 && codes.iter().any(|found| found == code), "{statements}: {codes:?}");
    }
    let listed = with("").file("site/evl.yaml", "waivers: [{code: EVL0401, until: 2020-01-01, reason: x}]\n");
    let (exit, codes) = check(&listed, "site");
    assert!(exit == 1 && clashes.iter().all(|code| codes.contains(&(*code).to_owned())), "{codes:?}");
    // an assumption bounds what others mean: nothing more is said
    let (exit, codes) = found("assume pump.power < 3 kWh");
    assert!(exit == 1 && codes.iter().all(|code| !clashes.contains(&code.as_str())), "{codes:?}");
}

const HALL: &str = r#"edition 2026
site hall { timezone "UTC", currency EUR, step 15 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none }
priorities safety > economy
bus main { ac 400 V, 3 phase, limit 40 kW }
producer grid : grid { on main, import up to 30 kW, export up to 30 kW, tariff flat }
tariff flat { import 0.20 EUR/kWh }"#;

/// What no feed bounds may be anything: the way out is to declare it, not a fail-safe value.
#[test]
fn a_load_that_nothing_bounds_is_told_to_be_declared() {
    let policy = |range: &str| {
        format!(
            r#"{HALL}
consumer oven : process {{ on main, demand 0 kW .. 9 kW, fail_safe 5 kW by watchdog, control advise }}
consumer rooms : load {{ on main, load feed.rooms }}
feed rooms {{ live, max_age 1 h, unit kW{range} }}
"#
        )
    };
    let site = |range: &str| MemorySystem::new().file("site/site.evl", policy(range));
    let bare = site("");
    assert_eq!(check(&bare, "site").0, 1);
    assert!(bare.printed().contains("declare what `rooms` takes at most"), "{}", bare.printed());
    assert_eq!(check(&site(", range 0 kW .. 20 kW"), "site").0, 0);
}

/// What a store ends with is one fault with an example of how to write it.
#[test]
fn an_end_that_says_not_where_is_told_how_to() {
    let policy = |end: &str| {
        format!(
            r#"{HALL}
storage pack : battery {{ on main, capacity 10 kWh, charge up to 1 kW, discharge up to 5 kW, efficiency 90 % / 90 %, {end} }}
"#
        )
    };
    let said = |end: &str| {
        let system = MemorySystem::new().file("site/site.evl", policy(end));
        let (exit, codes) = check(&system, "site");
        let report: serde_json::Value = serde_json::from_str(&system.printed()).unwrap();
        let text = |key: &str| report["findings"][0][key].as_str().unwrap_or_default().to_owned();
        assert_eq!((exit, codes), (1, one("EVL0201")), "{end}: {report:#}");
        format!("{} | {}", text("message"), text("help"))
    };
    let cases = [
        (
            "end exactly",
            "`end exactly` needs a level | write, for example, `end exactly 50 %`, or `end exactly start` for the \
             level at the plan's beginning",
        ),
        ("end at least", "`end at least` needs a level | write, for example, `end at least 50 %`"),
        ("end worth", "`end worth` needs a price of energy | write, for example, `end worth 0.10 EUR/kWh`"),
        (
            "end about 5 %",
            "`end` needs `at least 50 %`, `exactly 50 %`, `worth 0.10 USD/kWh` or `free`, not `about` | ",
        ),
    ];
    for (end, wanted) in cases {
        assert_eq!(said(end), wanted);
    }
}
