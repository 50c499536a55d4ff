//! `apply` to one gateway against a raw socket that sends the same frames, on the embedded simulator:
//! connect, identify, write eight registers, read back.
//!
//! `cargo bench --bench apply` prints the medians and their ratio; the goal is twice the raw socket.
//! The devices need no time to settle here and no power is waited for, so that what is measured is
//! evl's own: documents, rules, proof of the order, frames, comparison, journal.
#![expect(clippy::print_stdout, reason = "a bench speaks to the terminal")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and makes its own files")]
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evl::bundle::profile::Profile;
use evl::diag::ExitCode;
use evl::runtime::apply::{Options, apply};
use evl::sim::{GatewaySpec, Plant, small_plant};
use evl::system::{MemorySystem, RealSystem, System};

#[path = "../tests/it/field/yard.rs"]
#[expect(dead_code, reason = "made for the tests; this bench needs its site and its plan")]
#[expect(clippy::unwrap_used, reason = "made for the tests")]
mod yard;

/// Requests in the order in which they were sent.
type Frames = Arc<Mutex<Vec<Vec<u8>>>>;

/// One message with its header: the sixth byte and the one before say how much follows.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0_u8; 6];
    stream.read_exact(&mut head).ok()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).ok()?;
    Some([head.as_slice(), &rest].concat())
}

/// Stands between evl and the gateway and keeps what was asked.
fn recorder(gateway: u16) -> (u16, Frames) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let frames = Frames::default();
    let kept = frames.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut from), Ok(mut to)) = (stream, TcpStream::connect(("127.0.0.1", gateway))) else {
                return;
            };
            let kept = kept.clone();
            std::thread::spawn(move || {
                while let Some(request) = message(&mut from) {
                    kept.lock().expect("one at a time").push(request.clone());
                    if to.write_all(&request).is_err() {
                        return;
                    }
                    let Some(answer) = message(&mut to) else { return };
                    if from.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, frames)
}

/// The same frames by a plain socket.
fn raw(port: u16, frames: &[Vec<u8>]) -> Duration {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    stream.set_nodelay(true).expect("no delay");
    for frame in frames {
        stream.write_all(frame).expect("sends");
        message(&mut stream).expect("an answer");
    }
    begin.elapsed()
}

/// A profile whose devices need no time.
fn at_once(name: &str) -> Profile {
    let mut profile = yard::profile(name);
    for point in profile.points.values_mut() {
        point.settle = serde_yaml::from_str("0 s").ok();
        point.in_effect = None;
    }
    profile.effect = None;
    profile
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A fresh plant on a thread of its own; gives its port.
fn serve(profiles: &[Profile]) -> u16 {
    let mut devices = small_plant().remove(0).devices;
    for device in &mut devices {
        if let Some(other) = profiles.iter().find(|other| other.profile == device.profile.profile) {
            device.profile = other.clone();
        }
    }
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let plant = Plant::new(vec![GatewaySpec { name: "plant".to_owned(), devices }], 1);
            let ports = plant.serve(0).await.expect("a port");
            send.send(ports.get("plant").copied().unwrap_or_default()).expect("heard");
            std::future::pending::<()>().await;
        });
    });
    receive.recv().expect("a port")
}

/// One apply to a fresh plant; how long it took and the registers that it wrote.
fn once(system: &dyn System, state: &std::path::Path, port: u16, profiles: &[Profile]) -> (Duration, u32) {
    let papers = yard::papers_with(yard::yard(), &yard::inventory_text(port, port), profiles);
    let plan = yard::plan(&papers, 1, &yard::usual());
    let options = Options {
        state_dir: state.to_owned(),
        yes: true,
        once: true,
        now: Some(yard::FROM.plus(10)),
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begin = Instant::now();
    let report = runtime.block_on(apply(system, &papers, &plan, &options));
    let took = begin.elapsed();
    assert!(report.exit_code() == ExitCode::Success, "{}", report.words());
    (took, report.registers_written)
}

fn main() {
    // `cargo test --benches` only wants to know that it builds
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let names = ["sunspec/inverter", "sunspec/battery", "heidelberg/energy-control"];
    let profiles = names.map(at_once);
    let folder = tempfile::tempdir().expect("a folder");
    let runs = 21;

    let (recorded, frames) = recorder(serve(&profiles));
    let (_, registers) = once(&MemorySystem::new(), "state".as_ref(), recorded, &profiles);
    let frames = frames.lock().expect("one at a time").clone();
    let socket = median((0..runs).map(|_| raw(serve(&profiles), &frames)).collect());
    let whole = |system: &dyn System, folder: &std::path::Path| {
        let run = |n: usize| once(system, &folder.join(n.to_string()), serve(&profiles), &profiles).0;
        median((0..runs).map(run).collect())
    };
    let kept = whole(&RealSystem::new(), folder.path());
    let bare = median((0..runs).map(|_| whole_in_memory(&profiles)).collect());

    println!("one gateway, {registers} registers on 3 devices, {} frames", frames.len());
    println!("{:<44} {:>8} {:>12}", "case", "goal", "median");
    let row = |what: &str, goal: &str, took: Duration| {
        println!("{what:<44} {goal:>8} {:>9.2} ms", took.as_secs_f64() * 1e3);
    };
    row("a raw socket, the same frames", "", socket);
    row("apply, journal in memory", "2x", bare);
    row("apply, journal on this disk", "", kept);
    println!("apply takes {:.2} times as long as the raw socket", bare.as_secs_f64() / socket.as_secs_f64());
    let of_disk = kept.as_secs_f64() / socket.as_secs_f64();
    println!("with its journal durable on this disk {of_disk:.2} times");
}

fn whole_in_memory(profiles: &[Profile]) -> Duration {
    once(&MemorySystem::new(), "state".as_ref(), serve(profiles), profiles).0
}
