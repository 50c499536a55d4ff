//! Bytes that are no text, sizes beyond the caps, and characters that deceive.

use super::{Place, TINY};

#[test]
fn a_missing_path() {
    Place::new().check(2, "EVL0002", "there is no such file or folder");
}

#[test]
fn an_empty_folder() {
    Place::new().file("s/readme.txt", "").check(2, "EVL0006", "no policy found");
}

#[test]
fn another_encoding() {
    Place::tiny(b"// gr\xfcn\n").check(2, "EVL0003", "line 12");
    let utf16: Vec<u8> = TINY.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Place::new().file("s/site.evl", [&[0xff, 0xfe][..], &utf16].concat()).check(2, "EVL0003", "line 1");
}

#[test]
fn a_file_above_the_cap() {
    Place::new().file("s/site.evl", vec![b' '; (4 << 20) + 1]).check(2, "EVL0004", "4 MiB");
    Place::tiny("").file("s/evl.yaml", vec![b'#'; (4 << 20) + 1]).check(2, "EVL0004", "4 MiB");
    Place::tiny("").file("s/inventory/a.yaml", vec![b'#'; (4 << 20) + 1]).check(2, "EVL0004", "4 MiB");
}

#[test]
fn one_unreadable_file_of_several_is_the_only_thing_said() {
    // the rule's boiler and the site itself may stand in the file that nobody can read
    let rule = "rule r in comfort { turn on other }\n";
    Place::new().file("s/a.evl", b"\xff").file("s/b.evl", rule).check(2, "EVL0003", "`a.evl`");
}

#[test]
fn a_byte_order_mark_and_other_line_ends_are_no_faults() {
    let dos = TINY.replace('\n', "\r\n");
    Place::new().file("s/site.evl", format!("\u{feff}{dos}")).clean();
    let mac = TINY.replace('\n', "\r");
    Place::new().file("s/site.evl", mac).check(1, "EVL0024", "a carriage return without a line feed");
}

#[test]
fn a_rule_hidden_behind_a_lone_carriage_return() {
    Place::tiny("// nothing here\rrule r in comfort { turn on boiler }\n").check(1, "EVL0024", "carriage");
}

#[test]
fn nul_and_control_characters() {
    Place::tiny("rule a in comfort { \0 }\n").check(1, "EVL0024", "NUL");
    Place::tiny("rule a in comfort { \u{1b}[31m }\n").check(1, "EVL0024", "control character");
    Place::tiny("// \u{1b}[2J\n").check(1, "EVL0024", "invisible character (U+001B)");
}

#[test]
fn letters_that_look_alike_and_marks_that_reorder() {
    Place::tiny("rule r in comf\u{43e}rt { turn on boiler }\n").check(1, "EVL0024", "beyond a to z");
    Place::tiny("rule r in comfort { limit boiler to \u{ff11} kW }\n").check(1, "EVL0024", "beyond a to z");
    Place::tiny("rule r in comfort { limit boiler to 1\u{a0}kW }\n").check(1, "EVL0024", "U+00A0");
    Place::tiny("// \u{202e}desrever\n").check(1, "EVL0024", "U+202E");
    Place::tiny("// größer als früher\n").clean();
}

#[test]
fn numbers_beyond_all_measure() {
    let demand = |number: &str| format!("consumer x : load {{ on main, demand 0 kW .. {number} kW }}\n");
    Place::tiny(demand("1e999999")).check(1, "EVL0025", "exponent");
    Place::tiny(demand("1E-9")).check(1, "EVL0025", "exponent");
    Place::tiny(demand(&"9".repeat(5_000))).check(1, "EVL0025", "5000 digits");
    Place::tiny(demand(&format!("0.{}", "1".repeat(5_000)))).check(1, "EVL0025", "5001 digits");
    let many = "consumer x[1..99999999999] : load { on main, demand 0 kW .. 1 kW }\n";
    Place::tiny(many).check(1, "EVL0204", "99999999999");
}

#[test]
fn ten_thousand_parentheses_as_a_whole_file_in_a_site_and_left_open() {
    let open = "(".repeat(10_000);
    let close = ")".repeat(10_000);
    Place::new().file("s/site.evl", &open).check(1, "EVL0021", "more than 24 deep");
    Place::new().file("s/site.evl", format!("{open}{close}")).check(1, "EVL0021", "more than 24 deep");
    Place::new().file("s/site.evl", "{".repeat(10_000)).check(1, "EVL0021", "more than 24 deep");
    let rule = format!("rule x in comfort {{ when {open}boiler.power > 1 kW{close} then turn on boiler }}\n");
    Place::new().file("s/site.evl", format!("edition 2026\n{rule}")).check(1, "EVL0021", "24 deep");
    Place::tiny(rule).check(1, "EVL0021", "more than 24 deep");
    Place::tiny(format!("rule x in comfort {{ when {open}")).check(1, "EVL0021", "more than 24 deep");
}

#[test]
fn a_file_of_errors_ends_in_a_count() {
    let ran = Place::tiny("x y\n".repeat(50_000)).run("check s");
    let findings = ran.findings();
    assert_eq!((ran.exit, findings.len()), (1, 101));
    assert!(findings.iter().any(|(code, _)| code == "EVL0027"));
}
