//! The command line as a user meets it.

use std::ffi::OsString;
use std::path::Path;

use evl::cli;
use evl::diag::ExitCode;
use evl::system::{MemorySystem, Stream, System};

fn run(system: &dyn System, line: &str) -> ExitCode {
    cli::run(line.split_whitespace().map(OsString::from), system)
}

/// Exit code, standard output and standard error of one command line.
fn see(line: &str) -> (u8, String, String) {
    let system = MemorySystem::new();
    let exit = run(&system, line);
    (exit.number(), system.printed(), system.said())
}

#[cfg(all(feature = "solver", feature = "gateway"))]
#[test]
fn the_reference_is_the_published_one() {
    insta::assert_snapshot!(cli::reference(100));
}

#[cfg(all(feature = "runtime", not(feature = "solver"), not(feature = "gateway")))]
#[test]
fn a_gateway_computer_has_only_its_verbs() {
    let help = see("evl --help").1;
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(verbs, ["verify", "show", "apply", "status", "release", "reset", "explain", "help"]);
}

#[cfg(not(feature = "solver"))]
#[test]
fn verbs_of_the_full_build_are_known_and_refused_by_code() {
    for verb in ["check", "build", "plan", "test", "fmt", "completions"] {
        for line in [format!("evl {verb}"), format!("evl {verb} site --format json")] {
            let (exit, out, err) = see(&line);
            assert_eq!((exit, out.as_str()), (2, ""), "{line}");
            assert!(
                err.starts_with("error[EVL0009]: ")
                    && err.contains(&format!("`{verb}` is not part of this build")),
                "{err}"
            );
        }
    }
}

#[test]
fn verbs_of_later_versions_are_refused_by_code() {
    let (exit, out, err) = see("evl lockout pump --reason service");
    assert_eq!((exit, out.as_str()), (2, ""));
    assert!(err.starts_with("error[EVL0010]: `lockout` is not in this version"), "{err}");
}

/// A site with room for one statement.
#[cfg(feature = "solver")]
const SHOP: &str = "edition 2026\nsite shop { timezone \"UTC\", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none }\n\
    priorities safety > tenant > comfort\nbus main { ac 400 V, 3 phase }\n\
    producer utility : grid { on main, import up to 30 kW, export up to 30 kW, tariff flat }\n\
    consumer lamp : lighting { on main, demand 0 kW .. 2 kW }\n\
    consumer fan[1..2] : fan { on main, demand 0 kW .. 2 kW }\n\
    group fans = consumer where kind = fan\n\
    storage pack : battery { on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 95 %, charge_level 10 % .. 90 % }\n\
    control co : co_sensor { reads ppm 0 .. 1000, poll 2 s, max_age 6 s }\nrole keeper\n\
    tariff flat { import 0.2 EUR/kWh, export 0.05 EUR/kWh }\n";

#[cfg(feature = "solver")]
#[test]
fn what_check_refuses_test_refuses() {
    let see = |verb: &str, more: &str| {
        let system =
            MemorySystem::new().file("shop/site.evl", format!("{SHOP}{more}")).file("shop/base.evl.txt", "");
        let exit = run(&system, &format!("evl {verb} shop"));
        (exit.number(), system.printed() + &system.said())
    };
    let bounded = "rule calm in comfort { limit pack.discharge to 3 kW averaged over 1 h }\n";
    for statement in [
        "prove never { lamp.power > 1 kW }",
        "decide lamp.power",
        "conform to \"base.evl.txt\"",
        "rule c in comfort { when co.ppm > 3 averaged over 1 h then turn off lamp }",
        // as it stands in the policy, and against the range alone
        "test \"t\" { given co.ppm 5 expect pack.discharge at most 3 kW averaged over 1 h }",
        "test \"t\" { given co.ppm 5 expect fans at most 3 kW each averaged over 15 min }",
    ] {
        for verb in ["check", "test"] {
            let (exit, out) = see(verb, &format!("{bounded}{statement}\n"));
            assert_eq!((exit, out.matches("[EVL0").count()), (1, 1), "{verb} {statement}: {out}");
            assert!(out.contains("error[EVL0299]: "), "{verb} {statement}: {out}");
        }
    }
    // the rest of such a test is judged
    let (exit, out) =
        see("test", "test \"t\" { given co.ppm 5 expect lamp on, lamp at most 1 kW averaged over 1 h }\n");
    assert!(exit == 1 && out.contains("EVL0299") && out.contains("EVL0803"), "{out}");
    let (exit, out) = see("test", &format!("{bounded}test \"t\" {{ expect pack.discharge at most 5 kW }}\n"));
    assert_eq!(exit, 0, "{out}");
}

#[cfg(feature = "solver")]
#[test]
fn a_safety_rule_without_an_interlock_is_a_quiet_note() {
    let see = |flags: &str, rules: &str| {
        let system = MemorySystem::new().file("shop/site.evl", format!("{SHOP}{rules}"));
        let exit = run(&system, &format!("evl check {flags} shop"));
        assert_eq!(exit.number(), 0);
        system.printed()
    };
    let bare = "rule gas in safety { when co.ppm > 70 then turn off lamp, turn on fan[1] }\n";
    assert!(!see("", bare).contains("EVL0609"), "quiet without `--notes`");
    let out = see("--notes", bare);
    assert!(out.contains("note[EVL0609]: nothing but evl stands behind the safety rule `gas`"), "{out}");
    assert!(out.contains("commands `fan`, `lamp`"), "{out}");
    for fine in [
        "rule gas in safety { when co.ppm > 70 interlock \"relay K7\" then turn off lamp }\n",
        "rule gas in safety { for each f in fans when co.ppm > 70 interlock \"relay K7\" then turn on f }\n",
        "consumer oven : process { on main, demand 0 kW .. 2 kW, interlock \"fuse\" }\nrule gas in safety { when co.ppm > 70 then turn off oven }\n",
        "rule gas in safety { when co.ppm > 70 then notify keeper \"gas\" }\n",
        "rule gas in tenant { when co.ppm > 70 then turn off lamp }\n",
    ] {
        assert!(!see("--notes", fine).contains("EVL0609"), "{fine}");
    }
}

#[cfg(feature = "solver")]
#[test]
fn what_never_acts_is_told_and_who_may_not_is_told_first() {
    let site = "edition 2026\nsite shop { timezone \"UTC\", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none }\n\
        priorities safety > tenant > comfort\nbus main { ac 400 V, 3 phase }\n\
        producer utility : grid { on main, import up to 30 kW, export up to 30 kW, tariff flat }\n\
        consumer lamp : lighting { on main, demand 0 kW .. 2 kW, life_safety on }\n\
        tariff flat { import 0.2 EUR/kWh, export 0.05 EUR/kWh }\ntenant bakery { classes comfort }\n";
    let see = |own: &str, tenants: &str| {
        let system = MemorySystem::new()
            .file("shop/site.evl", format!("{site}{own}"))
            .file("shop/tenants/bakery/oven.evl", tenants);
        let exit = run(&system, "evl check shop");
        (exit.number(), system.printed() + &system.said())
    };
    for effect in ["turn off lamp", "limit lamp to 1 kW", "disconnect lamp"] {
        let rule = format!("rule small in comfort {{ {effect} }}\n");
        let (exit, out) = see(&rule, "group x = lamp\n");
        assert!(exit == 0 && out.contains("warning[EVL0302]: this never acts on `lamp`"), "{out}");
        let (exit, out) = see("", &rule);
        assert!(exit == 1 && out.contains("EVL0701"), "{effect}: {out}");
    }
    let (exit, out) = see("rule bright in comfort { turn on lamp }\n", "group x = lamp\n");
    assert!(exit == 0 && !out.contains("EVL0302"), "{out}");
}

#[test]
fn every_usage_error_ends_in_2_with_words_on_standard_error() {
    let mut lines = vec![
        "evl",
        "evl no-such-verb",
        "evl --no-such-flag",
        "evl verify",
        "evl show",
        "evl show a.json b.json",
        "evl explain --loud",
        "evl explain EVL9999",
        "evl explain nonsense",
    ];
    if cfg!(feature = "runtime") {
        lines.extend(["evl apply", "evl apply p.json --hold", "evl release", "evl release pack --all"]);
    }
    if cfg!(feature = "solver") {
        lines.extend([
            "evl check --format xml",
            "evl check --format junit",
            "evl check --format github",
            "evl check --deny everything",
            "evl plan",
            "evl build",
            "evl completions cobol",
        ]);
    }
    for line in lines {
        let (exit, out, err) = see(line);
        assert_eq!(exit, 2, "{line}");
        assert_eq!(out, "", "{line}");
        assert!(!err.is_empty(), "{line}");
        assert!(!err.contains("evl::"), "{line} shows a type name: {err}");
        assert!(err.starts_with("error[EVL00") && err.contains("\n  help: "), "{line}: {err}");
    }
}

/// What is said about a command line, without the code that all of them share.
#[cfg(all(feature = "solver", feature = "gateway"))]
fn usage(line: &str) -> String {
    let (exit, out, err) = see(line);
    assert_eq!((exit, out.as_str()), (2, ""), "{line}");
    err.replace("\n  help: ", " | ").trim_end().to_owned()
}

#[cfg(all(feature = "solver", feature = "gateway"))]
#[test]
fn usage_errors_say_what_would_mend_them() {
    let lines = [
        "evl",
        "evl chekc",
        "evl frobnicate",
        "evl help foo",
        "evl why p.json pack@12:00",
        "evl roolback",
        "evl --format json check",
        "evl --no",
        "evl check --frmat json",
        "evl check --format",
        "evl check --format xml",
        "evl check --format github",
        "evl check --format json --format human",
        "evl check --deny everything",
        "evl check --changed-since HEAD",
        "evl fmt --chek",
        "evl test --time-limit 3",
        "evl build",
        "evl plan",
        "evl plan --from",
        "evl plan site --report a.html",
        "evl plan site --from T -o p --time-limit 0",
        "evl verify a.json --time-limit 3",
        "evl verify a.json --json",
        "evl verify a.json b.json",
        "evl show",
        "evl show a.json -z",
        "evl explain EVL0301 EVL0302",
        "evl explain --loud",
        "evl completions cobol",
        "evl completions bahs",
        "evl sim --speed x",
        "evl sim --port 70000",
        "evl sim --fault {",
        "evl sim --bundle a",
        "evl apply",
        "evl apply p.json --hold",
        "evl release pack --all",
        "evl release",
    ];
    let said: Vec<String> = lines.iter().map(|line| format!("{line}\n  {}", usage(line))).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[cfg(feature = "solver")]
#[test]
fn forms_of_later_versions_are_refused_by_name() {
    let (_, _, err) = see("evl check --format junit");
    assert!(err.starts_with("error[EVL0010]: `junit` is not in this version of `--format`"), "{err}");
    assert!(err.contains("use `human`, `json` or `sarif`"), "{err}");
}

#[test]
fn version_and_help_are_data() {
    assert_eq!(see("evl --version"), (0, format!("evl {}\n", env!("CARGO_PKG_VERSION")), String::new()));
    let (exit, out, err) = see("evl help explain");
    assert_eq!((exit, err.as_str()), (0, ""));
    assert!(out.contains("Usage: evl explain"));
}

#[test]
fn explain_knows_every_code_in_every_spelling() {
    let (exit, out, _) = see("evl explain evl0301");
    assert_eq!(exit, 0);
    insta::assert_snapshot!(out);
    assert_eq!(see("evl explain 301").1, out);
    let all = see("evl explain").1;
    for line in all.lines() {
        let code = line.split_whitespace().next().unwrap();
        let (exit, text, _) = see(&format!("evl explain {code}"));
        assert_eq!(exit, 0, "{code}");
        assert!(text.starts_with(&format!("{code}: ")) && text.lines().count() > 2, "{code}");
        assert!(text.lines().all(|line| !line.starts_with(' ')), "{code}");
    }
    let json: serde_json::Value = serde_json::from_str(&see("evl explain --json").1).unwrap();
    assert_eq!(json.as_array().unwrap().len(), all.lines().count());
}

#[test]
fn colours_only_on_a_terminal_that_wants_them() {
    let said = |system: MemorySystem| {
        run(&system, "evl explain EVL9999");
        system.said()
    };
    assert!(said(MemorySystem::new().with_terminal()).contains('\u{1b}'));
    assert!(!said(MemorySystem::new()).contains('\u{1b}'));
    assert!(!said(MemorySystem::new().with_terminal().with_env("NO_COLOR", "1")).contains('\u{1b}'));
}

#[test]
fn arguments_cannot_steer_the_terminal() {
    let system = MemorySystem::new();
    let line = ["evl", "explain", "\u{1b}]0;owned\u{7}"].map(OsString::from);
    assert_eq!(cli::run(line, &system), ExitCode::Failure);
    assert!(!system.said().contains('\u{1b}'));
    assert!(!system.may_colour(Stream::Err) && !system.exists(Path::new("evl.yaml")));
}

#[test]
fn the_binary_is_the_library() {
    let output = assert_cmd::Command::cargo_bin("evl").unwrap().arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("evl {}\n", env!("CARGO_PKG_VERSION")));
    let output = assert_cmd::Command::cargo_bin("evl").unwrap().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(all(feature = "gateway", unix))]
#[test]
fn the_simulator_says_where_it_listens_and_ends_when_asked() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    let evl = assert_cmd::cargo::cargo_bin("evl");
    let mut child = Command::new(evl).args(["sim", "--log"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let port = u16::try_from(ready["ports"]["plant"].as_u64().unwrap()).unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
