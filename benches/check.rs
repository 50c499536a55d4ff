//! Parse, types and every question of `check`, on generated policies of a thousand and of ten
//! thousand rules. The goals are 0.3 s and 3 s on two cores; time may not grow faster than the text.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench stops at its own mistakes")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use evl::analysis::{self, CheckInputs};
use evl::repo::Repository;
use evl::sema;
use evl::system::MemorySystem;

fn main() {
    linear_growth();
    divan::main();
}

/// A policy of so many rules, five on each device: limits and lower bounds whose guards exclude
/// each other by weather, price, time of day or a latch with a dead band, so that nothing clashes
/// and every pair has to be shown not to.
fn policy(rules: usize) -> String {
    let mut text = String::from(
        r#"edition 2026
site s { timezone "Europe/Berlin", location 52.5 N 13.4 E, currency EUR, step 15 min, horizon 24 h, valid 2026-01-01 .. 2027-12-31, signatures none }
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer grid : grid { on main, import up to 100000 kW, export up to 100 kW, tariff tou }
weather { temperature -20 degC .. 42 degC, irradiance 0 .. 1200 W/m2 }
schedule dark = daily sunset..sunrise
schedule open_hours = weekdays 08:00..18:00
schedule summer = Jun 1 .. Sep 30
assume weather.irradiance = 0 W/m2 during dark
tariff tou { import { 0.40 EUR/kWh during weekdays 16:00..20:00, 0.20 EUR/kWh otherwise } }
"#,
    );
    for device in 0..rules.div_ceil(5) {
        let _ = writeln!(text, "consumer load_{device} : process {{ on main, demand 0 kW .. 20 kW }}");
        let low = device % 20;
        let rules = [
            format!("when weather.temperature > {} degC then limit load_{device} to 4 kW", low + 15),
            format!(
                "when weather.temperature < {low} degC until weather.temperature > {} degC then set load_{device} to at least 8 kW",
                low + 10
            ),
            format!(
                "when price.import > 0.3{} EUR/kWh and during open_hours then limit load_{device} to 6 kW",
                device % 10
            ),
            format!(
                "when during weekdays 0{}:00..08:00 and weather.temperature < {low} degC then set load_{device} to at least 9 kW",
                device % 7
            ),
            format!(
                "when weather.irradiance > {} W/m2 and during summer then limit load_{device} to 12 kW",
                100 + device % 900
            ),
        ];
        for (n, rule) in rules.iter().enumerate() {
            let class = if n == 2 { "contract" } else { "economy" };
            let _ = writeln!(text, "rule r{device}_{n} in {class} {{ {rule} }}");
        }
    }
    text
}

/// A policy of so many rules on one device, each with a level of its own in a range of temperatures
/// of its own: every two would clash if their ranges met.
fn one_device(rules: usize) -> String {
    let mut text = policy(0);
    text.push_str("consumer load : process { on main, demand 0 kW .. 20000 kW }\n");
    let thousandth = |at: usize| 62_000 * at / rules;
    for at in 0..rules {
        let shown = |milli: usize| {
            let milli = i64::try_from(milli).expect("small") - 20_000;
            format!("{}{}.{:03}", if milli < 0 { "-" } else { "" }, milli.abs() / 1000, milli.abs() % 1000)
        };
        let (from, to) = (shown(thousandth(at)), shown(thousandth(at + 1)));
        let _ = writeln!(
            text,
            "rule r{at} in economy {{ when weather.temperature >= {from} degC and weather.temperature < {to} degC then set load to {} kW }}",
            at + 1
        );
    }
    text
}

/// A policy of so many rules on one device, every two of which clash where both are active.
fn clashing(rules: usize) -> String {
    let mut text = policy(0);
    text.push_str("consumer load : process { on main, demand 0 kW .. 20000 kW }\n");
    for at in 0..rules {
        let _ = writeln!(
            text,
            "rule r{at} in economy {{ when weather.temperature > {} degC then set load to {} kW }}",
            at % 40,
            at + 1
        );
    }
    text
}

/// So many buses, each fed by the one before it, with a device that stays where it is on each.
fn chain(buses: usize) -> String {
    let mut text = policy(0);
    let mut before = "main".to_owned();
    for at in 0..buses {
        let _ = writeln!(
            text,
            "bus b{at} {{ ac 400 V, 3 phase, limit 90000 kW }}
link l{at} {{ {before} <-> b{at}, capacity 90000 kW, efficiency 100 % }}
consumer pump_{at} : pump {{ on b{at}, demand 0 kW .. 1 kW, control advise, fail_safe 1 kW by none }}"
        );
        before = format!("b{at}");
    }
    text
}

#[divan::bench(args = [300, 1_200], sample_count = 5)]
fn clashes_on_one_device(bencher: divan::Bencher, rules: usize) {
    let text = clashing(rules);
    bencher.bench_local(|| findings(black_box(&text)));
}

#[divan::bench(args = [1_500, 6_000], sample_count = 5)]
fn a_chain_of_buses(bencher: divan::Bencher, buses: usize) {
    let text = chain(buses);
    bencher.bench_local(|| check(black_box(&text)));
}

/// From text to verdicts; the number of findings.
fn findings(text: &str) -> usize {
    let system = MemorySystem::new().file("site/policy.evl", text);
    let repository = Repository::open(&system, Path::new("site")).expect("a policy");
    let site = sema::compile(&repository).site.expect("no fault of its types");
    let found = analysis::check(&site, &CheckInputs::default()).findings.len();
    assert_eq!(found, 20, "twenty clashes are shown");
    found
}

#[divan::bench(args = [500, 5_000], sample_count = 5)]
fn one_device_to_verdicts(bencher: divan::Bencher, rules: usize) {
    let text = one_device(rules);
    bencher.bench_local(|| check(black_box(&text)));
}

/// From text to verdicts; the number of questions.
fn check(text: &str) -> u64 {
    let system = MemorySystem::new().file("site/policy.evl", text);
    let repository = Repository::open(&system, Path::new("site")).expect("a policy");
    let compiled = sema::compile(&repository);
    let findings: Vec<&String> = compiled.findings.iter().map(|f| &f.message).take(3).collect();
    let site = compiled.site.unwrap_or_else(|| panic!("{findings:?}"));
    let report = analysis::check(&site, &CheckInputs::default());
    let findings: Vec<String> =
        report.findings.iter().map(|f| format!("{} {}", f.code, f.message)).take(3).collect();
    assert!(report.findings.is_empty(), "{} findings, {findings:?}", report.findings.len());
    report.questions
}

#[divan::bench(args = [1_000, 10_000], sample_count = 5)]
fn text_to_verdicts(bencher: divan::Bencher, rules: usize) {
    let text = policy(rules);
    bencher.bench_local(|| check(black_box(&text)));
}

#[divan::bench(args = [1_000, 10_000], sample_count = 5)]
fn questions_only(bencher: divan::Bencher, rules: usize) {
    let text = policy(rules);
    let system = MemorySystem::new().file("site/policy.evl", text.as_str());
    let repository = Repository::open(&system, Path::new("site")).expect("a policy");
    let site = sema::compile(&repository).site.expect("a clean policy");
    bencher.bench_local(|| analysis::check(black_box(&site), &CheckInputs::default()).questions);
}

/// Four times the rules may take six times as long, not sixteen, on many devices and on one; buses
/// likewise.
fn linear_growth() {
    grows_linearly(policy);
    grows_linearly(one_device);
    grows_linearly(chain);
}

fn grows_linearly(policy: fn(usize) -> String) {
    let time = |rules: usize| -> Duration {
        let text = policy(rules);
        (0..3)
            .map(|_| {
                let start = Instant::now();
                black_box(check(&text));
                start.elapsed()
            })
            .min()
            .unwrap_or_default()
    };
    let (small, large) = (time(1_000), time(4_000));
    assert!(large < small * 6, "1,000 take {small:?}, 4,000 take {large:?}");
}
