//! The program as a user runs it: whole processes, from text to file, with the goals beside them.
//!
//! `cargo bench --bench whole` prints one line a case: the median of several runs. The site-year of
//! the planner's cases is read from the shared data, or said to be skipped where that is absent.
#![expect(clippy::print_stdout, reason = "a bench speaks to the terminal")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and makes its own files")]
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]
#![expect(clippy::indexing_slicing, reason = "three powers, and a number below three")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EVL: &str = env!("CARGO_BIN_EXE_evl");

/// Median wall time of `runs` runs of evl; its exit code must be `want`.
fn median(runs: usize, want: i32, arguments: &[&str], within: &Path) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let begin = Instant::now();
            let status = Command::new(EVL)
                .args(arguments)
                .current_dir(within)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("evl runs");
            let took = begin.elapsed();
            assert!(status.code() == Some(want), "evl {arguments:?}: {status}");
            took
        })
        .collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn row(what: &str, goal: &str, took: Duration) {
    println!("{what:<44} {goal:>8} {:>9.1} ms", took.as_secs_f64() * 1e3);
}

/// A policy of `rules` rules over a tenth as many devices, in two classes, by weather and hours.
fn policy(rules: usize) -> String {
    let devices = (rules / 10).max(1);
    let mut text = String::from(
        "edition 2026\n\nsite large {\n  timezone \"America/New_York\", location 42.36 N 71.05 W, currency USD\n  \
         step 15 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31, signatures none\n}\n\n\
         priorities safety > comfort > economy\nbus main { ac 480 V, 3 phase }\n\
         weather { temperature -20 degC .. 42 degC, irradiance 0 W/m2 .. 1200 W/m2 }\n\
         schedule open_hours = weekdays 08:00..18:00\nschedule summer = Jun 1 .. Sep 30\n",
    );
    let total = devices * 60 + 1000;
    writeln!(text, "producer utility : grid {{ on main, import up to {total} kW }}").expect("writes");
    for d in 0..devices {
        writeln!(text, "consumer load{d} : process {{ on main, demand 0 kW .. 50 kW, default 0 kW }}")
            .expect("writes");
    }
    for r in 0..rules {
        let (device, kind) = (r % devices, r / devices % 10);
        let class = if kind < 5 { "comfort" } else { "economy" };
        let guard = match kind % 5 {
            0 => format!("weather.temperature > {} degC", 20 + r % 15),
            1 => "during open_hours".to_owned(),
            2 => "during summer and not during open_hours".to_owned(),
            3 => format!("max(weather.temperature, next 3 h) > {} degC", 25 + r % 10),
            _ => format!("weather.irradiance > {} W/m2", 100 + 10 * (r % 50)),
        };
        writeln!(
            text,
            "rule r{r} in {class} {{ when {guard} then limit load{device} to {} kW }}",
            20 + r % 30
        )
        .expect("writes");
    }
    text
}

fn shared() -> Option<PathBuf> {
    std::env::var_os("EVL_SHARED").map(PathBuf::from).or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|up| up.join("shared"))
            .find(|dir| dir.join("data").is_dir())
    })
}

fn plans(work: &Path) {
    let Some(shared) = shared() else {
        println!("skipped: no shared data for the planner's cases");
        return;
    };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance/bench");
    for (what, goal, from, hours, runs) in [
        ("plan, one day (96 steps)", "30 ms", "2017-03-06", 24, 7),
        ("plan, one week (672 steps)", "100 ms", "2017-03-06", 168, 5),
        ("plan, one year (35,040 steps)", "1 s", "2017-01-01", 8760, 1),
    ] {
        let site = work.join(format!("bench{hours}"));
        fs::create_dir_all(site.join("data")).expect("a folder");
        let text = fs::read_to_string(own.join("site.evl")).expect("the policy");
        fs::write(site.join("site.evl"), text.replace("horizon 24 h", &format!("horizon {hours} h")))
            .expect("writes");
        fs::copy(own.join("evl.yaml"), site.join("evl.yaml")).expect("copies");
        fs::copy(shared.join("data/bench/bench.csv"), site.join("data/bench.csv")).expect("copies");
        let state = format!(
            "{{\"schema\": \"evl.state/1\", \"site\": \"bench\", \"at\": \"{from}T00:00:00Z\", \"levels\": {{\"pack\": \"5 kWh\"}}}}"
        );
        fs::write(site.join("state.json"), state).expect("writes");
        let from = format!("{from}T00:00:00Z");
        let arguments = ["plan", ".", "--from", &from, "--state", "state.json", "-o", "plan.json"];
        row(what, goal, median(runs, 0, &arguments, &site));
    }
}

/// Hundred chargers that take nothing or 1.4 to 11 kW, with a stay each, behind a meter of so many kW.
fn depot(site: &Path, limit: u32) {
    let mut state = 12_345_u64;
    let mut below = |n: u64| {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        (state >> 8) % n
    };
    let at = |quarter: u64| {
        format!("2026-03-{:02}T{:02}:{:02}", 2 + quarter / 96, quarter % 96 / 4, quarter % 4 * 15)
    };
    let mut stays = String::from("device,arrival,departure,energy,maximum_power\n");
    for charger in 1..=100 {
        let arrival = below(56);
        let departure = (arrival + 12 + below(40)).min(96);
        let wanted = 5 + below(45);
        let (power, tenths) =
            [("11", 110), ("7.4", 74), ("3.7", 37)][usize::try_from(below(3)).expect("below three")];
        // nine tenths of what the stay lets through at most
        let energy = wanted.min((departure - arrival) * tenths * 9 / 400);
        let (arrival, departure) = (at(arrival), at(departure));
        writeln!(stays, "charger[{charger}],{arrival},{departure},{energy} kWh,{power} kW").expect("writes");
    }
    let mut prices = String::from("time,price\n");
    for hour in 0..26 {
        writeln!(prices, "{},0.{:02}", at(4 * hour), 8 + below(30)).expect("writes");
    }
    let text = format!(
        "edition 2026\n\nsite depot {{\n  timezone \"UTC\", currency EUR, step 15 min, horizon 24 h\n  \
         valid 2026-01-01 .. 2026-12-31, signatures none\n}}\n\npriorities safety > contract > economy\n\
         bus main {{ ac 400 V, 3 phase }}\n\
         producer utility : grid {{ on main, import up to {limit} kW, tariff spot }}\n\
         consumer hall : load {{ on main, load 20 kW }}\n\
         consumer charger[1..100] : ev_charger {{\n  on main, demand one of {{ 0 kW, 1.4 kW .. 11 kW }}\n  \
         sessions feed.charging\n}}\nfeed charging {{ file \"data/charging.csv\", time civil, sessions }}\n\
         feed price {{\n  file \"data/price.csv\", time utc, stamp start, step 1 h, unit EUR/kWh\n  \
         range 0 EUR/kWh .. 1 EUR/kWh\n}}\ntariff spot {{ import feed.price }}\n"
    );
    fs::create_dir_all(site.join("data")).expect("a folder");
    fs::write(site.join("site.evl"), text).expect("writes");
    fs::write(site.join("evl.yaml"), "site: depot\n").expect("writes");
    fs::write(site.join("data/charging.csv"), stays).expect("writes");
    fs::write(site.join("data/price.csv"), prices).expect("writes");
    let state = "{\"schema\": \"evl.state/1\", \"site\": \"depot\", \"at\": \"2026-03-02T00:00:00Z\"}";
    fs::write(site.join("state.json"), state).expect("writes");
}

/// The meter leaves room, binds now and then, and is all but too small.
fn vehicles(work: &Path) {
    for limit in [400, 220, 180] {
        let site = work.join(format!("depot{limit}"));
        depot(&site, limit);
        let arguments =
            ["plan", ".", "--from", "2026-03-02T00:00:00Z", "--state", "state.json", "-o", "plan.json"];
        row(&format!("plan, 100 vehicles at {limit} kW (96 steps)"), "2 s", median(3, 0, &arguments, &site));
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it builds
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let work = std::env::temp_dir().join(format!("evl-bench-{}", std::process::id()));
    fs::create_dir_all(&work).expect("a folder");
    println!("{:<44} {:>8} {:>12}", "case", "goal", "median");
    row("start-up: evl --version", "5 ms", median(21, 0, &["--version"], &work));
    let mut checked = Vec::new();
    for (rules, goal) in [(1_000, "300 ms"), (10_000, "3 s")] {
        let site = work.join(format!("rules{rules}"));
        fs::create_dir_all(&site).expect("a folder");
        fs::write(site.join("site.evl"), policy(rules)).expect("writes");
        let took = median(3, 0, &["check", "."], &site);
        row(&format!("check, {rules} rules, every question"), goal, took);
        checked.push(took);
        row(&format!("fmt --check, {rules} rules"), "1 s", median(3, 1, &["fmt", "--check", "."], &site));
    }
    if let [small, large] = checked.as_slice() {
        let growth = large.as_secs_f64() / small.as_secs_f64();
        println!("ten times the rules take {growth:.1} times as long");
        assert!(growth < 25.0, "the time of check grows faster than its text");
    }
    plans(&work);
    vehicles(&work);
    fs::remove_dir_all(&work).expect("cleans up");
}
