//! What a look at the rules has to tell: readings outside their declared ranges, messages of active rules,
//! and what stands instead of a plan.

use evl::bundle::CommandForm;
use evl::diag::{Diagnostic, ExitCode, Severity, codes};
use evl::ir::testkit::{rat, span};
use evl::ir::{Attr, ClassId, Domain, Effect, EffectKind, Guard, OnLoss, Rule, RuleId, Site, Target, Verb};
use evl::runtime::apply::{Options, apply, apply_without_plan};
use evl::runtime::report::Report;
use evl::sim::Plant;

use super::apply::fault;
use super::silence::{AIR, field};
use super::yard::{Host, co_rule, ends, garage, garage_papers, plan, usual};
use evl::runtime::load::Papers;

async fn air(site: Site) -> (Plant, Papers) {
    let (sim, roof, plant) = field(1).await;
    (sim, garage_papers(site, roof, plant, 9, AIR))
}

/// A sensor that is declared to show at most 60 ppm, and an alarm above 70.
fn narrow() -> Site {
    let mut site = garage();
    site.signals[0].domain = Domain::Interval { lo: rat("0"), hi: rat("60") };
    site
}

fn finding(report: &Report, code: evl::diag::Code) -> Option<&Diagnostic> {
    report.findings.iter().find(|finding| finding.code == code)
}

#[tokio::test]
async fn a_reading_beyond_its_range_is_told_and_recorded() {
    let (sim, papers) = air(narrow()).await;
    sim.poke("garage_co", "ppm", 500);
    let host = Host::new();
    let dry = Options { dry_run: true, ..host.options() };
    let report = apply(&host, &papers, &plan(&papers, 1, &usual()), &dry).await;
    assert!(finding(&report, codes::CLAMPED_READING).is_some(), "{:?}", report.findings);
    assert_eq!(host.journal(), "", "who only looks records nothing");

    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![codes::CLAMPED_READING]), "{}", report.words());
    let told = finding(&report, codes::CLAMPED_READING).unwrap();
    assert_eq!(told.severity, Severity::Warning);
    assert_eq!(
        told.message,
        "`garage_co.ppm` reads 500 ppm, outside its declared range 0 ppm .. 60 ppm, and counts as 60 ppm"
    );
    assert_eq!(told.notes, ["`co_alarm` of the safety class sees 60 ppm, whatever is there"]);
    assert!(told.help.as_ref().unwrap().contains("declare the range that it can show"), "{told:?}");
    assert!(report.json().contains("reads 500 ppm"), "{}", report.json());
    assert!(host.journal().contains("\"read\":\"500 ppm\""), "{}", host.journal());

    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![codes::CLAMPED_READING]), "{}", status.words());
    assert!(
        status.findings[0].message.starts_with("`garage_co.ppm` read 500 ppm at "),
        "{:?}",
        status.findings
    );

    // 60 ppm is inside, and 61 is not
    for (ppm, codes) in [(60, vec![]), (61, vec![codes::CLAMPED_READING]), (0, vec![])] {
        sim.poke("garage_co", "ppm", ppm);
        let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
        assert_eq!(ends(&report).1, codes, "{ppm}: {}", report.words());
        assert_eq!(ends(&host.status(&papers).await).1, codes, "{ppm}");
    }
}

/// Rules that tell: one of the lowest class at any time, one of the safety class on its sensor, and one
/// that may tell once an hour.
fn telling() -> Site {
    let mut site = garage();
    let notify = |text: &str| Effect {
        index: 0,
        verb: Verb::Notify,
        target: Target::Members(Vec::new()),
        kind: EffectKind::Notify { to: "facility_admin".into(), text: text.into() },
        preferably: false,
        price: None,
        span: span(9),
        text: format!("notify facility_admin \"{text}\""),
    };
    let mut tell = |name: &str, class: u32, every: Option<i64>, when: Guard| {
        site.rules.push(Rule {
            id: RuleId::at(site.rules.len()),
            name: name.into(),
            class: ClassId(class),
            when,
            on_loss: if class == 0 { OnLoss::Active } else { OnLoss::Inactive },
            at_most_every_s: every,
            effects: vec![notify(&format!("hello from {name}"))],
            ..co_rule()
        });
    };
    let ppm = garage().rules[0].when.clone();
    tell("clean", 0, None, Guard::Not(Box::new(ppm.clone())));
    tell("foul", 0, None, ppm);
    tell("tell", 1, None, Guard::Const(true));
    tell("hourly", 1, Some(1800), Guard::Const(true));
    site
}

fn told(report: &Report) -> Vec<&str> {
    report.notices.iter().map(|notice| notice.rule.as_str()).collect()
}

#[tokio::test]
async fn messages_of_active_rules_are_told_and_recorded() {
    let (_sim, papers) = air(telling()).await;
    let host = Host::new();
    let plan = plan(&papers, 1, &usual());
    let dry = Options { dry_run: true, ..host.options() };
    assert_eq!(told(&apply(&host, &papers, &plan, &dry).await), ["clean", "tell", "hourly"]);
    let report = host.apply(&papers, &plan).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(told(&report), ["clean", "tell", "hourly"], "a look alone counts as no telling");
    assert!(report.words().contains("`tell` to facility_admin: \"hello from tell\"\n"), "{}", report.words());
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(
        json["notices"][2],
        serde_json::json!({ "rule": "hourly", "to": "facility_admin", "text": "hello from hourly" })
    );
    assert!(host.journal().contains("hello from clean"), "{}", host.journal());
    // told at 12:00:10, and not again within half an hour
    host.at(1809);
    assert_eq!(told(&host.apply(&papers, &plan).await), ["clean", "tell"]);
    host.at(1810);
    assert_eq!(told(&host.apply(&papers, &plan).await), ["clean", "tell", "hourly"]);
    host.at(1811);
    assert_eq!(told(&host.apply(&papers, &plan).await), ["clean", "tell"]);
    // without a plan nothing is known of what the other classes read
    let refused = Diagnostic::nowhere(codes::TAMPERED, Severity::Error, "for this test");
    let report = apply_without_plan(&host, &papers, refused, &host.options()).await;
    assert_eq!(told(&report), ["clean"]);
}

#[tokio::test]
async fn status_says_what_safety_does_instead_of_the_plan_and_why() {
    let (sim, papers) = air(garage()).await;
    sim.inject(fault(r#"{"device":"garage_co","kind":"exception","code":4}"#));
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::LIVE_RULE]), "{}", status.words());
    assert_eq!(
        status.findings[0].message,
        "`solar`: `disconnected` stands instead of the plan's `at most 4.5 kW`, commanded by `co_alarm`, because `garage_co.ppm` cannot be read"
    );
    assert!(!status.words().contains("(safety): as planned"), "{}", status.words());
    assert!(status.words().contains("NOT AS PLANNED"), "{}", status.words());
    // once the air is known to be good the plan is written again
    sim.heal();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());

    // a plan that stood, and then safety without any plan: its register reads right, and it is off its bus
    sim.poke("garage_co", "ppm", 100);
    let refused = Diagnostic::nowhere(codes::TAMPERED, Severity::Error, "for this test");
    let report = apply_without_plan(&host, &papers, refused, &host.options()).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::LIVE_RULE]), "{}", status.words());
    assert!(status.findings[0].message.ends_with("commanded by `co_alarm`"), "{:?}", status.findings);
}

/// Where no plan was ever applied nothing is as planned, and what safety commands stands.
#[tokio::test]
async fn status_without_a_plan_says_which_rule_commands() {
    let (sim, papers) = air(garage()).await;
    sim.poke("garage_co", "ppm", 100);
    let host = Host::new();
    let refused = Diagnostic::nowhere(codes::TAMPERED, Severity::Error, "for this test");
    apply_without_plan(&host, &papers, refused, &host.options()).await;
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());
    assert!(status.words().contains("disconnected (safety): commanded by `co_alarm`"), "{}", status.words());
}

#[tokio::test]
async fn status_says_what_was_handed_back_or_never_written() {
    let (sim, papers) = air(garage()).await;
    let host = Host::new();
    sim.poke("pack", "control_place", 1);
    let plan = plan(&papers, 1, &usual());
    assert_eq!(host.apply(&papers, &plan).await.exit_code(), ExitCode::Partial);
    sim.poke("pack", "control_place", 0);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    let words = "`pack`: the plan's `charge 2 kW` was not written: it takes no commands: LOCAL";
    assert!(status.findings[0].message.starts_with(words), "{:?}", status.findings);

    assert_eq!(host.apply(&papers, &plan).await.exit_code(), ExitCode::Success);
    assert_eq!(ends(&host.status(&papers).await), (ExitCode::Success, vec![]));
    assert_eq!(host.release_of(&papers, &["pack".to_owned()]).await.exit_code(), ExitCode::Success);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    let words = "`pack`: it was handed back by `evl release` at ";
    assert!(status.findings[0].message.starts_with(words), "{:?}", status.findings);
    // the next apply writes it again
    assert_eq!(host.apply(&papers, &plan).await.exit_code(), ExitCode::Success);
    assert_eq!(ends(&host.status(&papers).await), (ExitCode::Success, vec![]));
    // the whole plan handed back is no plan any more
    assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success);
    assert_eq!(ends(&host.status(&papers).await), (ExitCode::Success, vec![]));
}

/// All were to be handed back, and one was in local mode: what stands on it is as nobody planned.
#[tokio::test]
async fn status_says_what_a_release_of_all_left() {
    let (sim, papers) = air(garage()).await;
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    sim.poke("pack", "control_place", 1);
    let report = host.release(&papers).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    sim.poke("pack", "control_place", 0);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    let told = &status.findings[0].message;
    assert!(told.starts_with("`pack`: `evl release --all` did not hand it back at "), "{told}");
    assert!(told.ends_with("and `charge 2 kW` stands"), "{told}");
    // and once it was
    assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success);
    assert_eq!(ends(&host.status(&papers).await), (ExitCode::Success, vec![]));
}

/// What an undo brought back is the command of an earlier plan, and reads right.
#[tokio::test]
async fn status_does_not_take_an_earlier_plan_for_the_present_one() {
    let (sim, papers) = air(garage()).await;
    let host = Host::new();
    let both = |sequence, charge, power| {
        let charger = ("charger", Attr::Power, CommandForm::Fixed, power);
        plan(&papers, sequence, &[("pack", Attr::Charge, CommandForm::Fixed, charge), charger])
    };
    assert_eq!(host.apply(&papers, &both(1, 400, 160)).await.exit_code(), ExitCode::Success);
    sim.inject(fault(r#"{"device":"charger","point":"current","kind":"stuck"}"#));
    let report = host.apply(&papers, &both(2, 300, 100)).await;
    assert_eq!(report.exit_code(), ExitCode::Undone, "{}", report.words());
    sim.heal();
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED; 2]), "{}", status.words());
    let told: Vec<&str> = status.findings.iter().map(|finding| finding.message.as_str()).collect();
    let pack = told.iter().find(|message| message.starts_with("`pack`")).unwrap();
    assert!(pack.contains("the plan's `charge 1.5 kW` was undone at"), "{told:?}");
    assert!(pack.ends_with("and `charge 2 kW` of an earlier one stands"), "{told:?}");
}

/// A link in the state folder leads to what is not evl's: nothing of it is written, and nothing is obeyed
/// but what the safety class asks.
#[cfg(unix)]
#[tokio::test]
async fn links_in_the_state_folder_are_not_followed() {
    for name in ["lock", "journal.jsonl", "reserve", "beside-1-1.jsonl"] {
        for foul in [false, true] {
            let (sim, papers) = air(garage()).await;
            sim.poke("garage_co", "ppm", if foul { 100 } else { 3 });
            let host = Host::new();
            let elsewhere = host.state_dir().with_file_name("elsewhere");
            std::fs::write(&elsewhere, "somebody else's\n").unwrap();
            std::fs::create_dir_all(host.state_dir()).unwrap();
            std::os::unix::fs::symlink(&elsewhere, host.state_dir().join(name)).unwrap();
            let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
            let exit = if foul { ExitCode::Partial } else { ExitCode::Failure };
            assert_eq!(report.exit_code(), exit, "{name}: {:?}", report.findings);
            let told = finding(&report, codes::UNWRITABLE).unwrap();
            assert!(told.message.contains("symbolic link"), "{name}: {told:?}");
            assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "somebody else's\n", "{name}");
            let disconnected = sim.power("solar").unwrap().to_string() == "0";
            assert_eq!(disconnected, foul, "{name}");
            let status = host.status(&papers).await;
            assert!(!status.words().contains("somebody else"), "{name}: {}", status.words());
            host.release(&papers).await;
            assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "somebody else's\n", "{name}");
        }
    }
}
