//! What the safety class commands, on the fixture's own log of what reached its devices
//! (semantics.md 22).

use evl::bundle::{CommandForm, PlanDocument};
use evl::diag::{Code, Diagnostic, ExitCode, Severity, codes};
use evl::inputs::Reads;
use evl::ir::{Attr, Guard, Latch, LatchId, Memory, OnLoss, RuleId};
use evl::runtime::apply::{Options, apply, apply_without_plan};
use evl::runtime::journal::Outcome;
use evl::runtime::load::Papers;
use evl::runtime::report::Report;
use evl::runtime::reset::{Wish, reset};
use evl::system::System;
use serde_json::json;

use super::fixture::Fixture;
use super::yard::{Host, ends, garage, garage_papers, plan, usual};

/// Unit and register that stand for the sensor: a voltage that the fixture.s meter never changes.
const AIR: (u8, u16) = (3, 40081);
/// The inverter's connection: unit, register.
const CONNECTION: (u64, u64) = (1, 40126);

pub(super) struct Yard {
    pub(super) fixture: Fixture,
    pub(super) papers: Papers,
}

impl Yard {
    pub(super) fn start() -> Option<Self> {
        let fixture = Fixture::start(&[])?;
        let papers = garage_papers(garage(), fixture.port, fixture.port, AIR.0, AIR.1);
        let mut yard = Self { fixture, papers };
        yard.air(3);
        Some(yard)
    }

    pub(super) fn air(&mut self, ppm: i64) {
        self.fixture.ask(&json!({ "op": "poke", "unit": AIR.0, "point": "203.PPV", "value": ppm }));
    }

    /// Everything as it was, with an empty log.
    pub(super) fn renew(&mut self) {
        for (unit, point, value) in [
            (1, "123.Conn", 1),
            (1, "123.WMaxLim_Ena", 0),
            (2, "124.StorCtl_Mod", 0),
            (4, "hr.MaxCurrent", 60),
        ] {
            self.fixture.ask(&json!({ "op": "poke", "unit": unit, "point": point, "value": value }));
        }
        self.fixture.ask(&json!({ "op": "clear" }));
        self.fixture.ask(&json!({ "op": "log", "clear": true }));
    }

    /// The unit and registers of every write so far.
    fn written(&mut self) -> Vec<(u64, u64, Vec<u64>)> {
        self.fixture.writes().into_iter().map(|(unit, at, values, _)| (unit, at, values)).collect()
    }

    /// Whether the only registers written are those that take the inverter off its bus.
    fn only_disconnected(&mut self) -> bool {
        let written = self.written();
        let inside = |(unit, at, values): &(u64, u64, Vec<u64>)| {
            *unit == CONNECTION.0 && *at >= CONNECTION.1 - 1 && *at + values.len() as u64 <= CONNECTION.1 + 1
        };
        !written.is_empty() && written.iter().all(inside) && self.fixture.peek(1, "123.Conn") == 0
    }
}

fn refused(code: Code) -> Diagnostic {
    Diagnostic::nowhere(code, Severity::Error, "for this test")
}

#[tokio::test]
async fn no_refusal_keeps_a_safety_write_back() {
    let Some(mut yard) = Yard::start() else { return };
    let papers = yard.papers.clone();
    let good = |sequence| plan(&papers, sequence, &usual());
    let foreign = PlanDocument { site: "airport".to_owned(), ..good(5) };
    let beyond = plan(&papers, 5, &[("pack", Attr::Charge, CommandForm::Fixed, 1200)]);
    let study = PlanDocument { study: true, ..good(5) };
    type Prepare = fn(&Host, &mut Options);
    let nothing: Prepare = |_, _| {};
    let cases: Vec<(&str, Result<PlanDocument, Code>, Prepare, Code)> = vec![
        ("no consent", Ok(good(5)), |_, options| options.yes = false, codes::NEEDS_CONSENT),
        (
            "expired",
            Ok(good(5)),
            |host, options| {
                host.at(4000);
                options.now = Some(host.now());
            },
            codes::STALE,
        ),
        ("study", Ok(study), nothing, codes::STALE),
        ("another site", Ok(foreign), nothing, codes::FOREIGN),
        ("does not obey", Ok(beyond), nothing, codes::PLAN_VIOLATES),
        ("edited", Err(codes::TAMPERED), nothing, codes::TAMPERED),
        ("missing", Err(codes::UNREADABLE), nothing, codes::UNREADABLE),
        ("clock", Ok(good(5)), |_, options| options.now = None, codes::CLOCK),
        ("too short", Ok(good(5)), |_, options| options.once = false, codes::LEASE_TOO_SHORT),
        ("journal fails", Ok(good(5)), |host, _| host.journal_fails(true), codes::UNWRITABLE),
        (
            "journal damaged",
            Ok(good(5)),
            |host, _| {
                std::fs::create_dir_all(host.state_dir()).unwrap();
                std::fs::write(host.state_dir().join("journal.jsonl"), "{}\n").unwrap();
            },
            codes::JOURNAL,
        ),
    ];
    for (what, plan, prepare, code) in cases {
        yard.renew();
        yard.air(100);
        let host = Host::new();
        let mut options = host.options();
        prepare(&host, &mut options);
        let report = match plan {
            Ok(plan) => apply(&host, &papers, &plan, &options).await,
            Err(code) => apply_without_plan(&host, &papers, refused(code), &options).await,
        };
        assert_eq!(report.exit_code(), ExitCode::Partial, "{what}: {}", report.words());
        assert!(report.findings.iter().any(|f| f.code == code), "{what}: {:?}", report.findings);
        assert!(yard.only_disconnected(), "{what}: {:?}", yard.written());
    }
}

#[tokio::test]
async fn neither_a_lock_nor_an_overtaken_plan_keeps_it_back() {
    let Some(mut yard) = Yard::start() else { return };
    let host = Host::new();
    let new = plan(&yard.papers, 2, &usual());
    assert_eq!(host.apply(&yard.papers, &new).await.exit_code(), ExitCode::Success);
    yard.renew();
    yard.air(100);
    let report = host.apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::OLD_SEQUENCE]), "{}", report.words());
    assert!(yard.only_disconnected());

    yard.renew();
    let held = host.lock(&host.state_dir().join("lock"), "somebody else").unwrap().unwrap();
    let journal = host.journal();
    let report = host.apply(&yard.papers, &plan(&yard.papers, 3, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::LOCKED]), "{}", report.words());
    assert!(yard.only_disconnected());
    assert_eq!(host.journal(), journal, "the journal is the holder's");
    // what was written meanwhile is known nevertheless
    let status = host.status(&yard.papers).await;
    assert!(status.devices.iter().any(|d| d.device == "solar" && d.safety), "{}", status.words());
    drop(held);
    host.release(&yard.papers).await;
    assert!(host.journal().contains("\"safety\""), "and stands in the journal once somebody holds the lock");
    let names: Vec<_> =
        std::fs::read_dir(host.state_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with("beside")), "{names:?}");
}

#[tokio::test]
async fn release_leaves_what_safety_holds_and_does_what_it_asks() {
    let Some(mut yard) = Yard::start() else { return };
    let host = Host::new();
    assert_eq!(
        host.apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await.exit_code(),
        ExitCode::Success
    );
    yard.air(100);
    let report = host.release(&yard.papers).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::LIVE_RULE]), "{}", report.words());
    assert!(report.findings[0].message.contains("`co_alarm` of the safety class holds it"), "{report:?}");
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 0, "the safety class is obeyed");
    assert_eq!(yard.fixture.peek(1, "123.WMaxLim_Ena"), 1, "and the inverter not handed back");
    assert_eq!(yard.fixture.peek(2, "124.StorCtl_Mod"), 0, "the battery is");
    yard.air(3);
    let report = host.release(&yard.papers).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.WMaxLim_Ena"), 0);
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 1, "what safety had taken off its bus is handed back too");
    assert!(
        report.words().contains("disconnected -> connected, under its own control"),
        "{}",
        report.words()
    );

    // somebody else's disconnect is left, and told
    yard.renew();
    yard.fixture.ask(&json!({ "op": "poke", "unit": 1, "point": "123.Conn", "value": 0 }));
    let report = host.release(&yard.papers).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 0);
    assert!(report.words().contains("solar    disconnected [claimed"), "{}", report.words());
    assert!(report.words().contains("leaves it so"), "{}", report.words());
}

#[tokio::test]
async fn a_device_that_safety_took_off_its_bus_does_not_come_back_with_the_end_of_a_limit() {
    let Some(mut yard) = Yard::start() else { return };
    let host = Host::new();
    assert_eq!(
        host.apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await.exit_code(),
        ExitCode::Success
    );
    yard.air(100);
    host.apply(&yard.papers, &plan(&yard.papers, 2, &usual())).await;
    let status = host.status(&yard.papers).await;
    let solar = status.devices.iter().find(|device| device.device == "solar").unwrap();
    assert_eq!((solar.safety, solar.until), (true, None), "{}", status.words());
}

#[tokio::test]
async fn safety_is_obeyed_where_nothing_can_be_recorded() {
    let Some(mut yard) = Yard::start() else { return };
    yard.air(100);
    let host = Host::new();
    std::fs::write(host.state_dir(), "").unwrap();
    let report = host.apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await;
    assert_eq!(
        ends(&report),
        (ExitCode::Partial, vec![codes::UNWRITABLE]),
        "{} {:?}",
        report.words(),
        report.findings
    );
    assert!(yard.only_disconnected(), "{:?}", yard.written());
}

#[tokio::test]
async fn a_dry_run_says_what_safety_would_write() {
    let Some(mut yard) = Yard::start() else { return };
    yard.air(100);
    let host = Host::new();
    let options = Options { dry_run: true, ..host.options() };
    let report = apply(&host, &yard.papers, &plan(&yard.papers, 1, &usual()), &options).await;
    assert_eq!(yard.written(), []);
    assert_eq!(host.journal(), "");
    let safety: Vec<(&str, &str)> =
        report.safety.iter().map(|device| (device.device.as_str(), device.after.as_str())).collect();
    assert_eq!(safety, [("solar", "disconnected")]);
    assert!(report.words().contains("(safety): would be written"), "{}", report.words());
}

/// The plan was made in clean air and lets the inverter give 4.5 kW.
fn gone(report: &Report) -> bool {
    report.excluded.iter().any(|e| e.device == "solar" && e.code == codes::LIVE_RULE)
}

#[tokio::test]
async fn the_rest_of_the_plan_goes_on_and_clean_air_brings_the_device_back() {
    let Some(mut yard) = Yard::start() else { return };
    let host = Host::new();
    yard.air(100);
    let report = host.apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert!(gone(&report), "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 0);
    assert_eq!(yard.fixture.peek(1, "123.WMaxLim_Ena"), 0, "the plan's limit is not written");
    assert_eq!(yard.fixture.peek(4, "hr.MaxCurrent"), 160, "the others go on");
    // what the plan asks of it does not stand, and which rule is why is said
    let status = host.status(&yard.papers).await;
    assert_eq!(status.exit_code(), ExitCode::Findings, "{}", status.words());
    assert!(status.words().contains("commanded by `co_alarm`"), "{}", status.words());

    // still bad air: nothing more to write for safety
    let before = yard.written().len();
    let again = host.apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await;
    assert!(gone(&again), "{}", again.words());
    assert_eq!(yard.written().len(), before);

    yard.air(3);
    let back = host.apply(&yard.papers, &plan(&yard.papers, 2, &usual())).await;
    assert_eq!(ends(&back), (ExitCode::Success, vec![]), "{}", back.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 1);
    assert_eq!(yard.fixture.peek(1, "123.WMaxLim_Ena"), 1);
}

#[tokio::test]
async fn a_lost_reading_counts_as_the_rule_says() {
    let Some(mut yard) = Yard::start() else { return };
    yard.fixture.fault(
        json!({ "unit": AIR.0, "kind": "exception", "code": 4, "fc": "read", "addr": [AIR.1, AIR.1] }),
    );
    let report = Host::new().apply(&yard.papers, &plan(&yard.papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 0);
    let lost = report.findings.iter().find(|finding| finding.code == codes::LOST_READING).unwrap();
    assert!(lost.message.starts_with("`garage_co.ppm` cannot be read"), "{}", lost.message);
    assert_eq!(lost.notes, ["`co_alarm` counts as active"]);

    // the author says otherwise: then nothing is disconnected
    yard.renew();
    yard.fixture.fault(
        json!({ "unit": AIR.0, "kind": "exception", "code": 4, "fc": "read", "addr": [AIR.1, AIR.1] }),
    );
    let mut site = garage();
    site.rules[0].on_loss = OnLoss::Inactive;
    let papers = garage_papers(site, yard.fixture.port, yard.fixture.port, AIR.0, AIR.1);
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![codes::LOST_READING]), "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 1);
}

/// While a person is asked the field goes on.
#[tokio::test]
async fn what_happens_while_a_person_is_asked_is_seen_before_anything_is_written() {
    let Some(mut yard) = Yard::start() else { return };
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let asked = Options { yes: false, ..host.options() };
    let control = yard.fixture.control;
    let poke = move |unit: u8, point: &'static str, value: i64| {
        super::faults::at_once(control, json!({ "op": "poke", "unit": unit, "point": point, "value": value }))
    };
    // the air turns bad
    host.person(poke(AIR.0, "203.PPV", 100));
    let report = apply(host, &yard.papers, &plan(&yard.papers, 1, &usual()), &asked).await;
    let codes_found = vec![codes::LIVE_RULE, codes::NEEDS_CONSENT];
    assert_eq!(ends(&report), (ExitCode::Partial, codes_found), "{}", report.words());
    assert!(yard.only_disconnected(), "{:?}", yard.written());

    // another master writes
    yard.renew();
    yard.air(3);
    yard.fixture.ask(&json!({ "op": "poke", "unit": 1, "point": "123.Conn", "value": 1 }));
    yard.fixture.ask(&json!({ "op": "log", "clear": true }));
    host.person(poke(4, "hr.MaxCurrent", 70));
    let report = apply(host, &yard.papers, &plan(&yard.papers, 1, &usual()), &asked).await;
    assert_eq!(ends(&report), (ExitCode::Findings, vec![codes::NEEDS_CONSENT]), "{}", report.words());
    assert_eq!(yard.written(), []);

    // nothing happens: what was shown is written
    host.person(|| ());
    let report = apply(host, &yard.papers, &plan(&yard.papers, 1, &usual()), &asked).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(yard.fixture.peek(4, "hr.MaxCurrent"), 160);
}

/// Which rules a lost reading is held against.
#[test]
fn a_rule_answers_for_what_it_reads_alone() {
    let mut site = garage();
    let air = Reads::of_rule(&site, &site.rules[0]).readings;
    assert_eq!(air.len(), 1);
    let mut other = super::yard::co_rule();
    assert_eq!(Reads::of_rule(&site, &other), Reads::default());
    other.when = Guard::Not(Box::new(Guard::Emergency));
    assert_eq!(Reads::of_rule(&site, &other), Reads::default());
    site.emergency = Some(site.rules[0].when.clone());
    assert_eq!(Reads::of_rule(&site, &other).readings, air);
}

#[tokio::test]
async fn it_is_tried_until_it_reads_back() {
    let Some(mut yard) = Yard::start() else { return };
    yard.air(100);
    yard.fixture.fault(json!({ "unit": 1, "kind": "stuck", "addr": 40126, "count": 4 }));
    let report = Host::new().apply(&yard.papers, &plan(&yard.papers, 1, &[])).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 0);
    assert_eq!(report.safety[0].outcome, Some(Outcome::Done));
}

#[tokio::test]
async fn local_control_wins_and_is_told() {
    let Some(mut yard) = Yard::start() else { return };
    let mut site = garage();
    // the battery's LOCAL switch bars it, whatever rule commands it
    site.rules[0].effects[0].target = evl::ir::Target::Members(vec![evl::ir::MemberRange {
        family: evl::ir::FamilyId(2),
        first: 1,
        last: 1,
    }]);
    let papers = garage_papers(site, yard.fixture.port, yard.fixture.port, AIR.0, AIR.1);
    yard.fixture.ask(&json!({ "op": "poke", "unit": 2, "point": "802.LocRemCtl", "value": 1 }));
    yard.air(100);
    let report = Host::new().apply(&papers, &plan(&papers, 1, &[])).await;
    assert_eq!(ends(&report), (ExitCode::Partial, vec![codes::LOCAL_CONTROL]), "{}", report.words());
    assert_eq!(yard.written(), []);
}

#[tokio::test]
async fn a_latch_waits_for_a_person() {
    let Some(mut yard) = Yard::start() else { return };
    let mut site = garage();
    site.rules[0].memory = Memory::Reset { role: "facility_admin".into() };
    site.rules[0].latches = vec![LatchId(0)];
    site.latches.push(Latch {
        id: LatchId(0),
        name: "co_alarm".into(),
        rule: RuleId(0),
        member: None,
        span: evl::ir::testkit::span(3),
    });
    let papers = garage_papers(site, yard.fixture.port, yard.fixture.port, AIR.0, AIR.1);
    let host = Host::new();
    let state_dir = host.state_dir();
    let wish =
        |role| Wish { state_dir: &state_dir, host: None, latch: "co_alarm", role, now: Some(host.now()) };
    yard.air(100);
    assert!(gone(&host.apply(&papers, &plan(&papers, 1, &usual())).await));
    let early = reset(&host, &papers, &wish("facility_admin")).await;
    assert_eq!(ends(&early), (ExitCode::Findings, vec![codes::STILL_LATCHED]), "{}", early.words());

    yard.air(3);
    assert!(gone(&host.apply(&papers, &plan(&papers, 2, &usual())).await), "clean air alone resets nothing");
    let other = reset(&host, &papers, &wish("fire_service")).await;
    assert_eq!(ends(&other), (ExitCode::Findings, vec![codes::NOT_PERMITTED]));
    let done = reset(&host, &papers, &wish("facility_admin")).await;
    assert_eq!(ends(&done), (ExitCode::Success, vec![]), "{}", done.words());
    let back = host.apply(&papers, &plan(&papers, 3, &usual())).await;
    assert_eq!(ends(&back), (ExitCode::Success, vec![]), "{}", back.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 1);
}
