//! Reading and formatting policy text: time must grow with the text's length and no faster.
//!
//! `cargo bench --bench syntax`; `cargo bench --bench syntax -- --test` runs each once.

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::BytesCount;
use evl::diag::SourceId;

fn main() {
    divan::main();
}

/// A policy with this many rules of five kinds over as many devices as it takes.
fn policy(rules: usize) -> String {
    let mut out = String::from("edition 2026\n\npriorities safety > comfort > economy\n");
    for at in 0..rules {
        let written = match at % 5 {
            0 => write!(
                out,
                "consumer load_{at} : hvac {{ on main, demand 0 kW .. 90 kW, cop 3.2, gateway plant port 4, fail_safe 30 kW by none }}\n\
                 rule shave_{at} in economy {{ when price.import > 0.30 USD/kWh then limit load_{at} to 3.6 kW }}\n"
            ),
            1 => write!(
                out,
                "// keep the rooms cool before a hot afternoon\nrule precool_{at} in comfort {{\n  \
                 when max(weather.temperature, next 3 h) > 30 degC and during open_hours\n  \
                 then hold offices_{at}.temperature at most 22 degC\n}}\n"
            ),
            2 => writeln!(
                out,
                "rule alarm_{at} in safety {{ when garage_{at}.ppm > 70 until garage_{at}.ppm < 35 \
                 latch until reset by admin then disconnect boiler, turn on fan_{at} }}"
            ),
            3 => writeln!(
                out,
                "rule commute_{at} in economy {{ deliver 40 kWh to charger[3] between 08:00 and 17:00 on weekdays }}"
            ),
            _ => writeln!(out, "rule green_{at} in comfort {{ supply evs_{at} from solar, pack }}"),
        };
        if written.is_err() {
            break;
        }
    }
    out
}

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn parse(bencher: Bencher, rules: usize) {
    let text = policy(rules);
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| evl::syntax::parse(SourceId(0), divan::black_box(&text)));
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn format(bencher: Bencher, rules: usize) {
    let text = policy(rules);
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| evl::syntax::format(SourceId(0), divan::black_box(&text)));
}
