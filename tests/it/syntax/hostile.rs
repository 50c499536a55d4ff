//! Input that was made to do harm gets one clear error, at once.

use std::time::{Duration, Instant};

use super::{formatted, parse};

#[expect(clippy::disallowed_methods, reason = "the test times itself; quadratic time shows as minutes")]
fn codes(text: &str) -> Vec<String> {
    let begun = Instant::now();
    let (_, findings) = parse(text);
    let again = formatted(text);
    assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
    drop(again);
    findings.iter().map(|finding| finding.code.to_string()).collect()
}

#[test]
fn deep_nesting() {
    for (open, close) in [("(", ")"), ("{", "}"), ("[", "]"), ("{ (", ") }")] {
        let deep = format!(
            "rule a in c {{ when {}x{} > 3 then turn on y }}",
            open.repeat(10_000),
            close.repeat(10_000)
        );
        assert_eq!(codes(&deep), ["EVL0021"], "{open}");
    }
    let left_open = format!("rule a in c {{ when {}", "(".repeat(10_000));
    assert_eq!(codes(&left_open), ["EVL0021"]);
}

#[test]
fn what_the_cap_allows_is_read_without_harm() {
    let deep = format!("rule a in c {{ when {}x{} > 3 then turn on y }}", "(".repeat(23), ")".repeat(23));
    assert_eq!(codes(&deep), [""; 0]);
    let wrong =
        format!("rule a in c {{ when {}x ! y{} > 3 then turn on y }}", "f(".repeat(23), ")".repeat(23));
    assert_eq!(codes(&wrong), ["EVL0020"]);
    let blocks = format!("bus a {{ {} {} }}", "k { ".repeat(23), "}".repeat(23));
    assert_eq!(codes(&blocks), [""; 0]);
    let when = format!("schedule a = {}daily{}", "(".repeat(24), ")".repeat(24));
    assert_eq!(codes(&when), [""; 0]);
    let wrong = format!("bus a {{ {} = {} }}", "k { ".repeat(23), "}".repeat(23));
    assert_eq!(codes(&wrong), ["EVL0020"]);
}

#[test]
fn long_chains() {
    let chain = format!("rule a in c {{ when {}x then turn on y }}", "x and ".repeat(20_000));
    assert_eq!(codes(&chain), [""; 0]);
    let nots = format!("rule a in c {{ when {}x then turn on y }}", "not ".repeat(20_000));
    assert_eq!(codes(&nots), ["EVL0020"]);
    let minus = format!("rule a in c {{ when {}x > 3 then turn on y }}", "- ".repeat(20_000));
    assert_eq!(codes(&minus), ["EVL0020"]);
    let any = format!("rule a in c {{ when {}x > 3 then turn on y }}", "any ".repeat(20_000));
    assert_eq!(codes(&any), ["EVL0020"]);
    let commas = format!("role {}x", "x, ".repeat(20_000));
    assert_eq!(codes(&commas), [""; 0]);
    let long = format!("role {}x", "x, ".repeat(200_000));
    assert_eq!(codes(&long), ["EVL0026"]);
}

#[test]
fn quotes_braces_and_odd_bytes() {
    assert_eq!(codes("test \"a"), ["EVL0023"]);
    assert_eq!(codes("site a {"), ["EVL0023"]);
    assert_eq!(codes("site a { \n"), ["EVL0023"]);
    assert_eq!(codes("}"), ["EVL0023"]);
    assert_eq!(codes("bus a { limit 3 kW }}"), ["EVL0023"]);
    assert_eq!(codes("bus a { limit\u{0} 3 kW }"), ["EVL0024"]);
    assert_eq!(codes("bus a { limit\u{1} 3 kW }"), ["EVL0024"]);
    assert_eq!(codes("\u{0}"), ["EVL0024"]);
    assert_eq!(codes("bus größe { limit 3 kW }"), ["EVL0024"]);
    assert_eq!(codes("bus a { limit 3\u{a0}kW }"), ["EVL0024"]);
    assert_eq!(codes(&format!("bus a {{ limit {} kW }}", "9".repeat(41))), ["EVL0025"]);
    assert_eq!(codes(&format!("bus a {{ limit {} kW }}", "9".repeat(40))), [""; 0]);
    assert_eq!(codes(&format!("bus a {{ limit {} kW }}", "9".repeat(1_000_000))), ["EVL0025"]);
    assert_eq!(codes(""), [""; 0]);
    assert_eq!(codes("// only a comment"), [""; 0]);
    assert_eq!(codes(" \t\r\n"), [""; 0]);
}

#[test]
fn line_ends_tabs_and_marks_do_not_matter() {
    let plain = "bus a {\n  ac 480 V\n  limit 3 kW // most\n}\nrole x\n";
    let other = format!("\u{feff}{}", plain.replace('\n', "\r\n").replace("  ", "\t"));
    assert_eq!(codes(&other), [""; 0]);
    assert_eq!(super::shape(&parse(&other).0), super::shape(&parse(plain).0));
    assert_eq!(formatted(&other), formatted(plain));
}

#[test]
fn many_open_braces_and_many_errors() {
    let open = "rule a in c {\n".repeat(20_000);
    let found = codes(&open);
    assert_eq!(found.len(), 101);
    assert_eq!(found.last().map(String::as_str), Some("EVL0027"));
    assert_eq!(codes(&"x ".repeat(50_000)).len(), 1);
    assert_eq!(codes(&"x\n".repeat(50_000)).len(), 101);
    assert_eq!(codes(&format!("bus a {{ {} }}", "x = 3, ".repeat(20_000))).len(), 20);
    assert_eq!(codes(&format!("bus a {{ {} }}", "x 3, ".repeat(5_000))), [""; 0]);
    assert_eq!(codes(&format!("bus a {{ {} }}", "x 3\n".repeat(5_000))), [""; 0]);
    assert_eq!(codes(&"\n".repeat(2_000_000)), [""; 0]);
    assert_eq!(codes(&"// x\n".repeat(200_000)), [""; 0]);
    assert_eq!(codes(&format!("bus a {{ {} }}", "// x\n".repeat(200_000))), [""; 0]);
}
