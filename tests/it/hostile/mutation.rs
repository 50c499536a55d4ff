//! Every loader on thousands of inputs that differ a little from good ones. Deterministic: the same
//! mutations every time. `EVL_MUTATIONS=100000 cargo nextest run mutation` runs that many a loader.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

#[path = "../../../fuzz/harness.rs"]
mod harness;

/// Mutations of a loader in an ordinary run: together some thousands in a few seconds.
fn usual(target: &str) -> u64 {
    // those that compile the whole site each time, and those that read one text
    if matches!(target, "policy" | "manifest" | "waivers" | "profile" | "inventory" | "format" | "feed") {
        100
    } else {
        500
    }
}

/// Longest that one input may take, without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// Pieces that mean something to some loader.
const PIECES: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "//",
    "\n",
    "\r",
    "\0",
    "\u{feff}",
    "\u{202e}",
    ",",
    ":",
    "..",
    "-",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "0.0000000000000001",
    "NaN",
    "null",
    "true",
    "kW",
    "kWh",
    "degC",
    "%",
    "24:00",
    "25:61",
    "Feb 29",
    "2026-02-30",
    "9999-12-31",
    "rule ",
    "when ",
    "during ",
    "use ",
    "module m() ",
    "import std.peak_shaving\n",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "!!binary ",
    "---\n",
    "? ",
    "| ",
    "> ",
    "{\"a\":",
    "sha256:",
    "not ",
    "each ",
    "for each c in evs ",
    "averaged over 15 min",
    "max(weather.temperature, next 3 h)",
    "[1..4]",
];

/// A small generator of numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `limit`; 0 where that is 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap().max(1);
        usize::try_from(self.next() % limit).unwrap()
    }
}

/// One change, where chance wants it.
fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = (at + 1 + dice.below(40)).min(bytes.len());
    match dice.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
        2 => drop(bytes.drain(at.min(end)..end)),
        3 => {
            let piece = PIECES[dice.below(PIECES.len())];
            bytes.splice(at..at, piece.bytes());
        }
        4 => {
            let part = bytes[at.min(end)..end].to_vec();
            let times = 1 + dice.below(60);
            bytes.splice(at..at, part.repeat(times));
        }
        5 => {
            // a line moves elsewhere
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if lines.len() > 1 {
                let line = lines.remove(dice.below(lines.len()));
                lines.insert(dice.below(lines.len()), line);
                *bytes = lines.concat();
            }
        }
        6 => {
            // a number becomes another
            if let Some(digit) = bytes.iter().skip(at).position(u8::is_ascii_digit) {
                let piece = ["0", "7", "-3", "1000000000000", "0.1", "255", "65536"][dice.below(7)];
                bytes.splice(at + digit..=at + digit, piece.bytes());
            }
        }
        _ => {
            let other = &seeds[dice.below(seeds.len())];
            let from = dice.below(other.len() + 1);
            let part = &other[from..(from + dice.below(200)).min(other.len())];
            bytes.splice(at..end.max(at), part.iter().copied());
        }
    }
}

fn run(target: &str) {
    let (_, load) = harness::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = harness::seeds(target);
    #[expect(clippy::disallowed_methods, reason = "a longer run by hand")]
    let count = std::env::var("EVL_MUTATIONS").map_or_else(|_| usual(target), |text| text.parse().unwrap());
    for number in 0..count {
        let mut dice = Dice(number);
        let mut bytes = seeds[dice.below(seeds.len())].clone();
        if number > 0 {
            for _ in 0..=dice.below(3) {
                mutate(&mut bytes, &seeds, &mut dice);
            }
        }
        #[expect(clippy::disallowed_methods, reason = "the test times itself")]
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| load(&bytes)));
        let text = String::from_utf8_lossy(&bytes);
        assert!(ended.is_ok(), "mutation {number} of `{target}` panics:\n{text}");
        assert!(begun.elapsed() < LONGEST, "mutation {number} of `{target}` takes too long:\n{text}");
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        #[test]
        fn all_targets_are_run() {
            assert_eq!(harness::TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [$(stringify!($name)),*]);
        }
    };
}

targets!(policy format manifest waivers profile inventory plan bundle state feed);
