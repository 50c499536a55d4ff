//! The same against an independent gateway (another stack, another language), judged by its own log
//! of what reached a device.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use evl::bundle::{CommandForm, Document, PlanDocument};
use evl::diag::{ExitCode, codes};
use evl::ir::Attr;
use evl::runtime::load::Papers;
use serde_json::{Value, json};

use super::yard::{Host, co_rule, ends, inventory_text, papers, plan, usual, yard};

/// The folder of the fixture, if it is at hand.
fn folder() -> Option<PathBuf> {
    let places = std::env::var_os("EVL_SHARED").map(PathBuf::from).into_iter();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    places
        .chain(above)
        .map(|shared| shared.join("fixtures/gateway"))
        .find(|f| f.join("gw_fixture.py").exists())
}

/// A Python with the fixture's packages, made once below `target/` by whichever test comes first. What
/// keeps it from being made is a failure: the fixture is at hand and must be used.
fn python(fixture: &Path) -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixture-venv");
    let (ready, python) = (venv.join("ready"), venv.join("bin/python"));
    std::fs::create_dir_all(venv.parent().unwrap()).unwrap();
    // the other tests wait here until it is made
    let making = std::fs::File::create(venv.with_extension("lock")).unwrap();
    making.lock().unwrap();
    if !ready.exists() {
        let run = |program: &Path, arguments: &[&str]| {
            let ran = Process::new(program).args(arguments).output();
            let ran = ran.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
            assert!(
                ran.status.success(),
                "{} {arguments:?}: {}",
                program.display(),
                String::from_utf8_lossy(&ran.stderr)
            );
        };
        let requirements = fixture.join("requirements.txt");
        run(Path::new("python3"), &["-m", "venv", venv.to_str().unwrap()]);
        run(&python, &["-m", "pip", "install", "-q", "-r", requirements.to_str().unwrap()]);
        std::fs::write(&ready, "").unwrap();
    }
    python
}

/// A running fixture; ends with the test.
pub(super) struct Fixture {
    child: Child,
    pub(super) port: u16,
    /// its control port
    pub(super) control: u16,
    line: BufReader<TcpStream>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fixture {
    pub(super) fn start(arguments: &[&str]) -> Option<Self> {
        let Some(folder) = folder() else {
            println!("skipped: no shared folder with the gateway fixture");
            return None;
        };
        let mut child = Process::new(python(&folder))
            .arg(folder.join("gw_fixture.py"))
            .args(["--port", "0", "--control-port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let port = |name: &str| u16::try_from(ready[name].as_u64().unwrap()).unwrap();
        let control = port("control");
        let line = BufReader::new(TcpStream::connect(("127.0.0.1", control)).unwrap());
        Some(Self { child, port: port("port"), control, line })
    }

    pub(super) fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.line.get_mut(), "{question}").unwrap();
        let mut line = String::new();
        self.line.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(super) fn fault(&mut self, fault: Value) {
        let mut fault = fault;
        fault["op"] = json!("fault");
        assert_eq!(self.ask(&fault)["ok"], json!(true));
    }

    pub(super) fn peek(&mut self, unit: u8, point: &str) -> i64 {
        self.ask(&json!({ "op": "peek", "unit": unit, "point": point }))["value"].as_i64().unwrap()
    }

    /// Signed reading of a 16-bit point.
    fn signed(&mut self, unit: u8, point: &str) -> i64 {
        let raw = self.peek(unit, point);
        if raw > 0x7FFF { raw - 0x1_0000 } else { raw }
    }

    /// `(unit, address, values, result)` of each write, in order.
    pub(super) fn writes(&mut self) -> Vec<(u64, u64, Vec<u64>, String)> {
        let log = self.ask(&json!({ "op": "log" }))["log"].clone();
        let write = |entry: &Value| {
            let values = entry["values"].as_array()?.iter().filter_map(Value::as_u64).collect();
            let result = entry["result"].as_str().unwrap_or_default().to_owned();
            Some((entry["unit"].as_u64()?, entry["addr"].as_u64()?, values, result))
        };
        log.as_array().unwrap().iter().filter_map(write).collect()
    }

    fn papers(&self) -> Papers {
        papers(yard(), &inventory_text(self.port, self.port))
    }

    /// The plant follows within a tenth of a second; it announces nothing, so it is asked.
    pub(super) fn follows(&mut self, unit: u8, point: &str, value: i64) {
        let start = Instant::now();
        while self.signed(unit, point) != value {
            assert!(start.elapsed() < Duration::from_secs(2), "{point}: {}", self.signed(unit, point));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn limit(papers: &Papers, sequence: u64) -> PlanDocument {
    plan(papers, sequence, &[("solar", Attr::Power, CommandForm::AtMost, 450)])
}

#[tokio::test]
async fn the_real_registers_are_set_in_the_right_order() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = fixture.papers();
    let host = Host::new();
    let report = host.apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{}", report.words());
    let writes = fixture.writes();
    let of = |unit: u64| -> Vec<(u64, Vec<u64>)> {
        writes.iter().filter(|write| write.0 == unit).map(|write| (write.1, write.2.clone())).collect()
    };
    // seconds to the step's end and a minute's grace; 45 % of 10 kW; enabled last
    assert_eq!(of(1), [(40129, vec![950]), (40127, vec![450]), (40131, vec![1])]);
    // timer, both rates in one request, mode last
    assert_eq!(of(2), [(40085, vec![950]), (40082, vec![0, 400]), (40075, vec![1])]);
    assert_eq!(of(4), [(261, vec![160])]);
    assert!(writes.iter().all(|write| write.3 == "ok"));
    fixture.follows(1, "103.W", 4500);
    fixture.follows(2, "802.W", -2000);
    assert_eq!(fixture.peek(4, "in.Power"), 11_040);
    assert_eq!(host.status(&papers).await.exit_code(), ExitCode::Success);
}

#[tokio::test]
async fn a_stuck_register_undoes_its_gateway() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    fixture.fault(json!({ "unit": 2, "kind": "stuck", "addr": 40075 }));
    let papers = fixture.papers();
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(report.findings[0].code, codes::NOT_IN_EFFECT);
    let writes = fixture.writes();
    let of = |unit: u64| -> Vec<(u64, Vec<u64>)> {
        writes.iter().filter(|write| write.0 == unit).map(|write| (write.1, write.2.clone())).collect()
    };
    // the mode was tried three times; what had got through before it goes back in reverse order
    let there =
        [(40085, vec![950]), (40082, vec![0, 400]), (40075, vec![1]), (40075, vec![1]), (40075, vec![1])];
    let back = [(40082, vec![1000, 1000]), (40085, vec![0])];
    assert_eq!(of(2), [&there[..], &back[..]].concat());
    // the wallbox shares the gateway and goes back with it; the roof stands
    assert_eq!(of(4), [(261, vec![160]), (261, vec![60])]);
    fixture.follows(2, "802.W", 0);
    fixture.follows(1, "103.W", 4500);
}

#[tokio::test]
async fn a_watchdog_that_lapses_after_a_single_apply_is_noticed() {
    let Some(mut fixture) = Fixture::start(&["--speed", "10"]) else { return };
    let papers = fixture.papers();
    let host = Host::new();
    let commands = [("charger", Attr::Power, CommandForm::Fixed, 160)];
    let report = host.apply(&papers, &plan(&papers, 1, &commands)).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
    fixture.follows(4, "in.I1", 60);
    assert_eq!(fixture.peek(4, "hr.MaxCurrent"), 160, "its register still shows the old value");
    host.at(60);
    let status = host.status(&papers).await;
    assert_eq!(ends(&status), (ExitCode::Findings, vec![codes::DRIFTED]), "{}", status.words());
}

#[tokio::test]
async fn local_control_and_a_wrong_serial_exclude_and_the_rest_goes_through() {
    let Some(mut fixture) = Fixture::start(&["--serial", "1=FAKE-9999"]) else { return };
    fixture.ask(&json!({ "op": "poke", "unit": 2, "point": "802.LocRemCtl", "value": 1 }));
    let papers = fixture.papers();
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    let codes = vec![codes::LOCAL_CONTROL, codes::WRONG_DEVICE];
    let mut found = ends(&report);
    found.1.sort();
    assert_eq!(found.0, ExitCode::Partial, "{}", report.words());
    let mut expected = codes;
    expected.sort();
    assert_eq!(found.1, expected);
    let units: Vec<u64> = fixture.writes().into_iter().map(|write| write.0).collect();
    assert_eq!(units, [4]);
}

#[tokio::test]
async fn a_safety_disconnect_stands_while_the_rest_is_undone() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    fixture.fault(json!({ "unit": 1, "kind": "stuck", "addr": 40127 }));
    let mut site = yard();
    site.rules.push(co_rule());
    let papers = papers(site, &inventory_text(fixture.port, fixture.port));
    let commands =
        [("solar", Attr::Connected, CommandForm::Fixed, 0), ("solar", Attr::Power, CommandForm::AtMost, 0)];
    let plan = plan(&papers, 1, &commands);
    let report = Host::new().apply(&papers, &plan).await;
    assert_eq!(report.exit_code(), ExitCode::Partial, "{}", report.words());
    assert_eq!(fixture.peek(1, "123.Conn"), 0);
    assert_eq!(fixture.peek(1, "123.WMaxLim_Ena"), 0);
    let disconnects = fixture
        .writes()
        .into_iter()
        .filter(|write| write.1 <= 40126 && write.1 + write.2.len() as u64 > 40126);
    assert_eq!(disconnects.count(), 1, "written once, and never written back");
}

/// Every fault that passes is survived without a second writing where the first got through; every
/// fault that does not pass is undone. Never is the state left unknown.
#[tokio::test]
async fn every_fault_leaves_a_known_state() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = fixture.papers();
    let host = Host::new();
    let once = |kind: &str| json!({ "unit": 1, "kind": kind, "fc": "write", "count": 1 });
    let exception = |code: u8, count: i64| json!({ "unit": 1, "kind": "exception", "code": code, "fc": "write", "addr": [40127, 40127], "count": count });
    let mut cases: Vec<(Value, ExitCode)> = [
        "no_reply",
        "drop_before",
        "drop_after",
        "partial",
        "wrong_tid",
        "wrong_unit",
        "garbage",
        "bad_echo",
        "dup_reply",
    ]
    .map(|kind| (once(kind), ExitCode::Success))
    .into();
    cases.push((
        json!({ "unit": 1, "kind": "short_reply", "fc": "read", "count": 1, "after": 5 }),
        ExitCode::Success,
    ));
    cases.push((json!({ "unit": 1, "kind": "delay", "ms": 150, "count": 3 }), ExitCode::Success));
    cases.extend([5, 6, 10, 11].map(|code| (exception(code, 1), ExitCode::Success)));
    cases.extend([1, 2, 3, 4].map(|code| (exception(code, 1), ExitCode::Undone)));
    cases.push((exception(6, -1), ExitCode::Undone));
    cases.push((
        json!({ "unit": 1, "kind": "clamp", "addr": 40127, "min": 600, "max": 1000 }),
        ExitCode::Undone,
    ));
    for (sequence, (fault, exit)) in (1..).zip(cases) {
        fixture.fault(fault.clone());
        let report = host.apply(&papers, &limit(&papers, sequence)).await;
        assert_eq!(report.exit_code(), exit, "{fault}: {}", report.words());
        fixture.ask(&json!({ "op": "clear" }));
        let enabled = i64::from(exit == ExitCode::Success);
        assert_eq!(fixture.peek(1, "123.WMaxLim_Ena"), enabled, "{fault}");
        if exit == ExitCode::Success {
            assert_eq!(fixture.peek(1, "123.WMaxLimPct"), 450, "{fault}");
        }
        assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success, "{fault}");
    }
}

/// The echo shows the device's own limit, so it is seen before anything is read back.
#[tokio::test]
async fn what_an_echo_shows_of_a_device_of_its_own_limit_is_brought_back() {
    let Some(mut fixture) = Fixture::start(&[]) else { return };
    let papers = fixture.papers();
    fixture.fault(json!({ "unit": 1, "kind": "clamp", "addr": 40127, "min": 600, "max": 1000 }));
    let report = Host::new().apply(&papers, &limit(&papers, 1)).await;
    assert_eq!(ends(&report), (ExitCode::Undone, vec![codes::NOT_IN_EFFECT]), "{}", report.words());
    let words = "keeps `limit` at 600 after 450 was written, by a limit of its own";
    assert!(report.findings[0].message.contains(words), "{:?}", report.findings);
    assert_eq!(report.devices[0].outcome, Some(evl::runtime::journal::Outcome::Undone), "{}", report.words());
    assert_eq!(fixture.peek(1, "123.WMaxLimPct"), 1000);
    assert_eq!(fixture.peek(1, "123.WMaxLim_Ena"), 0);
    // and that it was never enabled at more than the plan allows
    assert!(
        !fixture.writes().iter().any(|(unit, at, values, _)| (*unit, *at) == (1, 40131) && values == &[1])
    );
}

#[tokio::test]
async fn a_slow_serial_bus_and_a_single_session_are_no_trouble() {
    // both gateways of the inventory are one place here, which takes one session
    let Some(fixture) = Fixture::start(&["--serial-bus-ms", "15", "--max-conn", "1"]) else { return };
    let papers = fixture.papers();
    let report = Host::new().apply(&papers, &plan(&papers, 1, &usual())).await;
    assert_eq!(report.exit_code(), ExitCode::Success, "{}", report.words());
}

/// Forwards a gateway's requests, and tells when the first that writes has been answered.
fn gate(gateway: u16) -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let (tell, to) = (tell.clone(), TcpStream::connect(("127.0.0.1", gateway)).unwrap());
            std::thread::spawn(move || forward(from, to, &tell));
        }
    });
    (port, told)
}

fn forward(mut from: TcpStream, mut to: TcpStream, tell: &Sender<()>) -> Option<()> {
    let message = |stream: &mut TcpStream| -> Option<Vec<u8>> {
        let mut head = [0_u8; 6];
        stream.read_exact(&mut head).ok()?;
        let mut rest = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
        stream.read_exact(&mut rest).ok()?;
        Some([head.as_slice(), &rest].concat())
    };
    loop {
        let asked = message(&mut from)?;
        to.write_all(&asked).ok()?;
        let answer = message(&mut to)?;
        if matches!(asked[7], 6 | 16) {
            // the test may have ended
            let _ = tell.send(());
        }
        from.write_all(&answer).ok()?;
    }
}

/// A folder with the papers of a host, and the binary that runs in it.
pub(super) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub(super) fn new(papers: &Papers, inventory: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("site.bundle"), papers.bundle.bytes()).unwrap();
        std::fs::write(folder.path().join("plan.json"), plan(papers, 1, &usual()).bytes()).unwrap();
        std::fs::create_dir(folder.path().join("inventory")).unwrap();
        std::fs::write(folder.path().join("inventory/field.yaml"), inventory).unwrap();
        Self { folder }
    }

    pub(super) fn evl(&self, arguments: &str) -> Process {
        let mut process = Process::new(env!("CARGO_BIN_EXE_evl"));
        process.args(arguments.split(' ')).current_dir(self.folder.path());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process
    }

    /// Exit code, standard output, standard error.
    pub(super) fn see(&self, arguments: &str) -> (Option<i32>, String, String) {
        let seen = self.evl(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (seen.status.code(), text(seen.stdout), text(seen.stderr))
    }

    pub(super) fn journal(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(".evl-state/journal.jsonl")).unwrap_or_default()
    }
}

const APPLY: &str = "apply plan.json --yes --once --now 2026-07-14T12:00:10Z";
const STATUS: &str = "status --now 2026-07-14T12:00:20Z";

/// Sends the binary a signal in the middle of its frames; its exit code and words.
fn ended_by(signal: &str, desk: &Desk, write: &Receiver<()>) -> (Option<i32>, String) {
    let first = desk.evl(APPLY).spawn().unwrap();
    write.recv().unwrap();
    let sent = Process::new("kill").args([format!("-{signal}"), first.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = first.wait_with_output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn sigkill_during_apply_is_told_and_resumed() {
    let Some(mut fixture) = Fixture::start(&["--serial-bus-ms", "60"]) else { return };
    let (port, write) = gate(fixture.port);
    let text = inventory_text(port, port);
    let desk = Desk::new(&papers(yard(), &text), &text);
    assert_eq!(ended_by("KILL", &desk, &write).0, None);

    let (exit, _, words) = desk.see(STATUS);
    assert_eq!(exit, Some(1));
    assert!(words.contains("did not end"), "{words}");

    let (exit, words, _) = desk.see(APPLY);
    assert_eq!(exit, Some(0), "{words}");
    assert!(words.contains("resumes what was interrupted"), "{words}");
    fixture.follows(1, "103.W", 4500);
    let (exit, words, _) = desk.see(STATUS);
    assert_eq!(exit, Some(0), "{words}");
}

/// Asked to end, an apply finishes what is under way: the journal is closed, and the exit code true.
#[test]
fn asked_to_end_an_apply_finishes_what_is_under_way() {
    for signal in ["INT", "TERM", "HUP"] {
        let Some(mut fixture) = Fixture::start(&["--serial-bus-ms", "60"]) else { return };
        let (port, write) = gate(fixture.port);
        let text = inventory_text(port, port);
        let desk = Desk::new(&papers(yard(), &text), &text);
        let (exit, words) = ended_by(signal, &desk, &write);
        assert_eq!(exit, Some(0), "{signal}: {words}");
        assert!(words.contains("asked to end: what is under way is finished first"), "{signal}: {words}");
        assert!(desk.journal().contains("\"end\""), "{signal}");
        fixture.follows(1, "103.W", 4500);
        let (exit, words, _) = desk.see(STATUS);
        assert_eq!(exit, Some(0), "{signal}: {words}");
    }
}
