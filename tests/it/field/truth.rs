//! What is told of the field is so: after a kill, an undo, a lapse, a step that is over; and nothing
//! that counts is passed over because a register reads right.

use evl::bundle::CommandForm;
use evl::diag::{ExitCode, codes};
use evl::ir::{Attr, Effect, EffectKind, FamilyId, Lin, MemberRange, SAFETY, Share, Target};
use evl::quantity::Rat;
use evl::runtime::apply::{Options, apply};
use evl::runtime::journal::Outcome;
use evl::runtime::load::Papers;
use evl::runtime::report::Report;
use evl::runtime::status::status;
use serde_json::json;

use super::apply::{fault, field};
use super::fixture::Fixture;
use super::yard::{Host, co_rule, ends, inventory_text, papers, plan, usual, yard};

const LIMIT: [super::yard::Command<'static>; 1] = [("solar", Attr::Power, CommandForm::AtMost, 450)];

fn outcome(report: &Report, name: &str) -> Option<Outcome> {
    report.devices.iter().find(|device| device.device == name)?.outcome
}

fn charger(count: i64) -> [super::yard::Command<'static>; 1] {
    [("charger", Attr::Power, CommandForm::Fixed, count)]
}

#[tokio::test]
async fn what_a_watchdog_has_cut_is_written_again_although_its_register_reads_right() {
    let Some(mut fixture) = Fixture::start(&["--speed", "10"]) else { return };
    let papers = papers(yard(), &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    let plan = plan(&papers, 1, &charger(160));
    assert_eq!(host.apply(&papers, &plan).await.exit_code(), ExitCode::Success);
    fixture.follows(4, "in.I1", 60);
    fixture.ask(&json!({ "op": "log", "clear": true }));
    let again = host.apply(&papers, &plan).await;
    assert_eq!(ends(&again), (ExitCode::Success, vec![]), "{}", again.words());
    assert_eq!(outcome(&again, "charger"), Some(Outcome::Done), "{}", again.words());
    assert_eq!(fixture.writes(), [(4, 261, vec![160], "ok".to_owned())]);
    fixture.follows(4, "in.I1", 160);
}

/// Its watchdog was last told of at 12:00:25, and still it does what it was told: something keeps it.
#[tokio::test]
async fn what_is_in_effect_after_its_time_does_not_end_in_the_past() {
    let (_sim, papers) = field(1).await;
    let host = Host::new();
    let plan = plan(&papers, 1, &charger(160));
    assert_eq!(host.apply(&papers, &plan).await.exit_code(), ExitCode::Success);
    host.at(60);
    let again = host.apply(&papers, &plan).await;
    assert_eq!(ends(&again), (ExitCode::Success, vec![]), "{}", again.words());
    let until = again.devices[0].until.unwrap();
    assert_eq!(until, host.now().plus(15), "{}", again.words());
    assert_eq!(host.status(&papers).await.devices[0].until, Some(until));
}

/// At 6 A the charger obeys a rule of the safety class, but somebody set the current that it falls back
/// to within 15 s of silence to 16 A.
#[tokio::test]
async fn a_bound_of_safety_does_not_lapse_with_a_watchdog() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    fixture.ask(&json!({ "op": "poke", "unit": 4, "point": "hr.FailsafeCurrent", "value": 160 }));
    let mut site = yard();
    let mut rule = co_rule();
    let most = Lin { constant: Rat::int(5), terms: Vec::new(), sums: Vec::new() };
    rule.effects = vec![Effect {
        target: Target::Members(vec![MemberRange { family: FamilyId(3), first: 1, last: 1 }]),
        kind: EffectKind::Bound {
            attr: Attr::Power,
            lo: None,
            hi: Some(most),
            share: Share::Each,
            averaged_s: None,
        },
        ..rule.effects[0].clone()
    }];
    assert_eq!(rule.class, SAFETY);
    site.rules.push(rule);
    let papers = papers(site, &inventory_text(fixture.port, fixture.port));
    let report = Host::new().apply(&papers, &plan(&papers, 1, &LIMIT)).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}\n{:?}", report.words(), report.findings);
    assert_eq!(fixture.peek(4, "hr.FailsafeCurrent"), 60, "{}", report.words());
    assert_eq!(fixture.peek(4, "hr.MaxCurrent"), 60);
}

#[tokio::test]
async fn a_release_that_was_killed_is_told() {
    let (sim, papers) = field(1).await;
    let papers: &'static Papers = Box::leak(Box::new(papers));
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    assert_eq!(host.apply(papers, &plan(papers, 1, &usual())).await.exit_code(), ExitCode::Success);
    // dead when it wants to say what came of it
    host.dies_at(1, false);
    assert!(tokio::spawn(host.release(papers)).await.is_err());
    host.dies_at(-1, false);
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0));
    let told = host.status(papers).await;
    assert_eq!(ends(&told), (ExitCode::Findings, vec![codes::STATE_UNKNOWN; 3]), "{}", told.words());
    assert!(told.findings.iter().all(|finding| finding.help.is_some()));
    assert_eq!(host.release(papers).await.exit_code(), ExitCode::Success);
    let status = host.status(papers).await;
    assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());
}

#[tokio::test]
async fn what_a_resumed_apply_cannot_reach_stays_unknown() {
    let (sim, papers) = field(1).await;
    let papers: &'static Papers = Box::leak(Box::new(papers));
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let one: &'static _ = Box::leak(Box::new(plan(papers, 1, &usual())));
    // begin, intent, frames, and dead before the result is durable
    host.dies_at(2, false);
    assert!(tokio::spawn(host.apply(papers, one)).await.is_err());
    host.dies_at(-1, false);
    sim.inject(fault(r#"{"device":"solar","kind":"no_reply"}"#));
    let resumed = host.apply(papers, one).await;
    assert_eq!(resumed.exit_code(), ExitCode::Partial, "{}", resumed.words());
    sim.heal();
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(1), "what the first had written");
    let status = host.status(papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::STATE_UNKNOWN]), "{}", status.words());
    assert!(status.findings[0].message.starts_with("`solar`"), "{:?}", status.findings);
    let again = host.apply(papers, &plan(papers, 2, &usual())).await;
    assert_eq!(again.exit_code(), ExitCode::Success, "{}", again.words());
    assert_eq!(host.status(papers).await.exit_code(), ExitCode::Success);
}

#[tokio::test]
async fn bringing_back_counts_even_where_the_new_plan_is_refused() {
    let (sim, papers) = field(1).await;
    let papers: &'static Papers = Box::leak(Box::new(papers));
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let one: &'static _ = Box::leak(Box::new(plan(papers, 1, &usual())));
    host.dies_at(2, false);
    assert!(tokio::spawn(host.apply(papers, one)).await.is_err());
    host.dies_at(-1, false);
    // the wallbox's watchdog ends before the step does, and nobody said `--once`
    let options = Options { once: false, ..host.options() };
    let report = apply(host, papers, &plan(papers, 2, &usual()), &options).await;
    assert_eq!(ends(&report), (ExitCode::Undone, vec![codes::LEASE_TOO_SHORT]), "{}", report.words());
    assert_eq!(sim.peek("solar", "limit_enabled"), Some(0), "frames were sent, and the exit code says so");
}

#[tokio::test]
async fn a_disk_that_fills_before_the_first_frame_leaves_nothing_to_undo() {
    let (sim, papers) = field(1).await;
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    host.just_before("intent", || host.disk_full(true));
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Failure, vec![codes::UNWRITABLE]), "{}", report.words());
    assert_eq!(sim.log(), vec![]);
    assert_eq!(report.safe_command, None);
    assert!(!report.words().contains("undone"), "{}", report.words());
    assert!(!host.journal().contains("\"undo\"") && host.journal().contains("\"end\""));
}

#[tokio::test]
async fn what_was_undone_is_not_called_as_planned() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    sim.inject(fault(r#"{"device":"solar","kind":"exception","code":4,"requests":"write"}"#));
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert!(report.findings[0].help.is_some());
    sim.heal();
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
    assert!(status.findings[0].message.contains("undone at"), "{:?}", status.findings);
    assert_eq!(host.apply(&papers, &plan(&papers, 2, &usual())).await.exit_code(), ExitCode::Success);
    assert_eq!(host.status(&papers).await.exit_code(), ExitCode::Success);
}

#[tokio::test]
async fn a_step_that_is_over_is_not_called_as_planned() {
    let (_sim, papers) = field(1).await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &LIMIT)).await.exit_code(), ExitCode::Success);
    host.at(899);
    assert_eq!(host.status(&papers).await.exit_code(), ExitCode::Success);
    host.at(900);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::STALE]), "{}", status.words());
    assert!(status.findings[0].message.contains("ended at Tue 2026-07-14 12:15"), "{:?}", status.findings);
    // a minute's grace later the lease is over too, and the words say that it is past
    host.at(2000);
    let words = host.status(&papers).await.words();
    assert!(words.contains("stood until") && !words.contains("stands until"), "{words}");
    // what was handed back stands for nobody any more
    assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success);
    assert_eq!(host.status(&papers).await.exit_code(), ExitCode::Success);
}

#[tokio::test]
async fn a_given_instant_is_for_gateways_on_this_computer_whoever_asks() {
    let text = inventory_text(1, 1).replace("127.0.0.1, port: 1, timeout", "192.0.2.1, port: 1, timeout");
    let papers = papers(yard(), &text);
    let host = Host::new();
    let report = status(&host, &papers, &host.state_dir(), None, Some(host.now())).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::CLOCK]), "{}", report.words());
}

#[tokio::test]
async fn a_release_that_fails_names_the_command_that_tries_again() {
    let (sim, papers) = field(1).await;
    let host = Host::new();
    assert_eq!(host.apply(&papers, &plan(&papers, 1, &LIMIT)).await.exit_code(), ExitCode::Success);
    sim.inject(fault(r#"{"device":"solar","kind":"exception","code":4,"requests":"write"}"#));
    let report = host.release(&papers).await;
    assert_eq!(report.exit_code(), ExitCode::Unknown, "{}", report.words());
    assert_eq!(report.safe_command.as_deref(), Some("evl release --all"));
    assert!(report.findings[0].help.is_some());
}

/// Semantics 22: whoever asks, a `life_safety` device moves only towards its safe state.
#[tokio::test]
async fn a_life_safety_device_moves_only_towards_its_safe_state() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let mut site = yard();
    site.families[3].life_safety = Some(true);
    let papers = papers(site, &inventory_text(fixture.port, fixture.port));
    let host = Host::new();
    let up = host.apply(&papers, &plan(&papers, 1, &charger(120))).await;
    assert_eq!(ends(&up), (ExitCode::Success, vec![]), "{}", up.words());

    let down = host.apply(&papers, &plan(&papers, 2, &charger(100))).await;
    assert_eq!(ends(&down), (ExitCode::Findings, vec![codes::LIFE_SAFETY]), "{}", down.words());
    let release = host.release(&papers).await;
    assert_eq!(release.exit_code(), ExitCode::Partial, "{}", release.words());
    assert!(release.findings.iter().any(|finding| finding.code == codes::LIFE_SAFETY));
    assert_eq!(fixture.peek(4, "hr.MaxCurrent"), 120);

    // nor does an undo: the battery behind the same gateway fails
    fixture.fault(json!({ "unit": 2, "kind": "exception", "code": 4, "fc": "write" }));
    let both = [
        ("charger", Attr::Power, CommandForm::Fixed, 160),
        ("pack", Attr::Charge, CommandForm::Fixed, 400),
        ("pack", Attr::Discharge, CommandForm::Fixed, 0),
    ];
    let report = host.apply(&papers, &plan(&papers, 3, &both)).await;
    assert_eq!(outcome(&report, "charger"), Some(Outcome::Left), "{}", report.words());
    assert_eq!(fixture.peek(4, "hr.MaxCurrent"), 160, "{}", report.words());

    // and one whose safe state is off is never turned up
    let mut site = yard();
    site.families[3].life_safety = Some(false);
    let papers = super::yard::papers(site, &inventory_text(fixture.port, fixture.port));
    fixture.ask(&json!({ "op": "clear" }));
    fixture.ask(&json!({ "op": "poke", "unit": 4, "point": "hr.MaxCurrent", "value": 60 }));
    let host = Host::new();
    let up = host.apply(&papers, &plan(&papers, 1, &charger(120))).await;
    assert_eq!(ends(&up), (ExitCode::Findings, vec![codes::LIFE_SAFETY]), "{}", up.words());
    let down = host.apply(&papers, &plan(&papers, 2, &charger(0))).await;
    assert_eq!(ends(&down), (ExitCode::Success, vec![]), "{}", down.words());
    assert_eq!(fixture.peek(4, "hr.MaxCurrent"), 0);
}
