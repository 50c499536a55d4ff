//! Feeds with rows missing, doubled, moved, out of range, or no rows at all.

use super::Place;

const FEED: &str = "feed f { file \"f.csv\", time utc, stamp start, step 1 h, unit kW, range 0 kW .. 60 kW }
consumer l : load { on main, demand 0 kW .. 60 kW, load feed.f }
";

/// The hours of January 2026 and the values of a feed.
fn rows() -> Vec<(String, String)> {
    (0..31 * 24)
        .map(|hour| (format!("2026-01-{:02}T{:02}:00", hour / 24 + 1, hour % 24), "5".to_owned()))
        .collect()
}

fn csv(rows: &[(String, String)]) -> String {
    let lines: String = rows.iter().map(|(time, value)| format!("{time},{value}\n")).collect();
    format!("time,f\n{lines}")
}

fn site(text: impl AsRef<[u8]>) -> Place {
    let january = super::TINY.replace("2026-12-31", "2026-01-30");
    Place::new().file("s/site.evl", format!("{january}{FEED}")).file("s/f.csv", text)
}

/// The feed after a change of its hundredth row.
fn changed(change: impl FnOnce(&mut Vec<(String, String)>)) -> Place {
    let mut all = rows();
    change(&mut all);
    site(csv(&all))
}

#[test]
fn a_whole_feed_is_clean() {
    site(csv(&rows())).clean();
    site(format!("\u{feff}{}", csv(&rows()).replace('\n', "\r\n"))).clean();
}

#[test]
fn gaps_wrong_steps_and_rows_out_of_order() {
    changed(|rows| drop(rows.remove(100))).check(1, "EVL0503", "2026-01-05");
    changed(|rows| rows[743].0 = "2026-01-31T23:30".to_owned()).check(1, "EVL0503", "5400 s after");
    changed(|rows| rows.insert(100, rows[99].clone())).check(1, "EVL0503", "");
    let reversed = changed(|rows| rows.reverse()).run("check s");
    assert_eq!((reversed.exit, reversed.findings().len()), (1, 21), "the first and a count");
    // where a feed ends is no fault of its own; a plan that needs more says so
    let short = changed(|rows| rows.truncate(100));
    short.clean();
    short.says("plan s --from 2026-01-20T00:00 -o plan.json", 2, "EVL1005", "");
}

#[test]
fn values_outside_the_range_or_no_numbers() {
    changed(|rows| rows[100].1 = "99".to_owned()).check(1, "EVL0503", "99");
    for word in ["NaN", "inf", "", "-", "1e999999", "1e-999999999", "0x10", "5 kW", "٥"] {
        changed(|rows| rows[100].1 = word.to_owned()).check(1, "EVL0503", "");
    }
    changed(|rows| rows[100].1 = "9".repeat(100_000)).check(1, "EVL0503", "");
}

#[test]
fn files_that_are_no_tables() {
    site("").check(1, "EVL0503", "header");
    site("time,f\n").check(1, "EVL0503", "");
    site("time,value\n").check(1, "EVL0503", "no column `f`");
    site("time,f\n2026-01-01T00:00,\0\n").check(1, "EVL0503", "");
    site(b"time,f\n\xff\n").check(2, "EVL0003", "line 2");
    site(format!("time,f\n{}", "x".repeat(5 << 20))).check(1, "EVL0503", "");
    site(format!("time,f\n{}\n", ",".repeat(5 << 20))).check(1, "EVL0503", "");
    site(format!("time,f\n\"{}", "x\n".repeat(500_000))).check(1, "EVL0503", "");
}
