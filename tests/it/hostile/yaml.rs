//! Manifest, profiles and inventory that are bombs, nonsense, or slips of the pen.

use super::Place;

const FILES: [&str; 3] = ["s/evl.yaml", "s/profiles/x.yaml", "s/inventory/x.yaml"];

/// A text that aliases multiply by nine at each of twelve levels, under a key that the file has.
fn aliases(key: &str) -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let row = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{row}]\n"));
    }
    format!("{key}: *a11\n{text}{key}: *a11\n")
}

#[test]
fn aliases_that_multiply() {
    for (file, key) in FILES.iter().zip(["members", "ratings", "gateways"]) {
        let ran = Place::tiny("").file(file, aliases(key)).run("check s");
        assert_eq!((ran.exit, ran.findings().len()), (1, 1), "{file}: {}", ran.out);
    }
    let inside = "members: [&a [x, x], &b [*a, *a], &c [*b, *b], &d [*c, *c]]\n";
    Place::tiny("").file("s/evl.yaml", inside).check(1, "EVL0903", "expected a plain value");
    let itself = "members: &a [*a]\n";
    assert_eq!(Place::tiny("").file("s/evl.yaml", itself).run("check s").exit, 1);
}

#[test]
fn deep_nesting() {
    for file in FILES {
        Place::tiny("").file(file, "[".repeat(50_000)).check(1, "EVL0901", "nests beyond the bounds");
        Place::tiny("").file(file, "{a: ".repeat(50_000)).run("check s");
        let stairs: String = (0..1_500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        let ran = Place::tiny("").file(file, stairs).run("check s");
        assert_eq!((ran.exit, ran.findings().len()), (1, 1), "{}", ran.out);
    }
}

#[test]
fn huge_scalars_are_not_repeated_to_the_reader() {
    let long = "x".repeat(3 << 20);
    for (file, key) in [("s/evl.yaml", "max_gap"), ("s/evl.yaml", "site"), ("s/evl.yaml", "nonsense")] {
        let ran = Place::tiny("").file(file, format!("{key}: {long}\n")).run("check s");
        assert_eq!((ran.exit, ran.findings().len()), (1, 1));
        assert!(ran.out.len() < 6_000, "{}", ran.out.len());
    }
    let profile = format!("profile: {long}\n");
    assert_eq!(Place::tiny("").file("s/profiles/x.yaml", profile).run("check s").exit, 1);
    let numbers = "max_change: 1e999999999 kW\n";
    Place::tiny("").file("s/evl.yaml", numbers).check(1, "EVL0903", "is no power");
    let digits = format!("max_gap: {} USD\n", "9".repeat(500_000));
    let ran = Place::tiny("").file("s/evl.yaml", digits).run("check s");
    assert!(ran.out.len() < 6_000);
}

#[test]
fn what_is_no_yaml_of_this_kind() {
    for file in FILES {
        Place::tiny("").file(file, "hello\n").check(1, "EVL0903", "expected keys with values");
        Place::tiny("").file(file, "a: [b\n").run("check s");
        Place::tiny("").file(file, b"a: \xff\n").check(2, "EVL0003", "line 1");
    }
    let two = "site: tiny\n---\nsite: tiny\n";
    Place::tiny("").file("s/evl.yaml", two).check(1, "EVL0901", "second document");
    Place::tiny("").file("s/evl.yaml", "site: \"a\0b\"\n").check(1, "EVL0901", "YAML");
}

#[test]
fn unknown_keys_have_a_suggestion() {
    for (file, text, near) in [
        ("s/evl.yaml", "memberz: [a]\n", "`members`"),
        ("s/evl.yaml", "waivers: [{code: EVL0401, untill: 2026-01-01, reason: x}]\n", "`until`"),
        ("s/inventory/x.yaml", "gatewayz: {}\n", "`gateways`"),
        ("s/profiles/x.yaml", "profil: acme/x\n", "`profile`"),
    ] {
        let place = Place::tiny("").file(file, text);
        place.check(1, "EVL0902", "unknown key");
        assert!(place.run("check s").out.contains(&format!("write {near}")), "{text}");
    }
    let feed = "feed sun { file \"sun.csv\", time utc, stamp start, step 1 h, unit kW }\n";
    let place = Place::tiny(feed).file("s/evl.yaml", "inputs: { sum: data/a.csv }\n");
    place.check(1, "EVL0902", "`sum`");
    assert!(place.run("check s").out.contains("did you mean `sun`?"));
}

#[test]
fn keys_that_stand_twice() {
    Place::tiny("").file("s/evl.yaml", "site: tiny\nsite: tiny\n").check(1, "EVL0901", "stands twice");
    let twice = "gateways:\n  a: { transport: modbus_tcp, host: 10.0.0.1 }\n  a: { transport: modbus_tcp, host: 10.0.0.2 }\n";
    Place::tiny("").file("s/inventory/x.yaml", twice).check(1, "EVL0901", "stands twice");
    let part = "gateways:\n  a: { transport: modbus_tcp, host: 10.0.0.1 }\n";
    let place = Place::tiny("gateway a\n").file("s/inventory/x.yaml", part).file("s/inventory/y.yaml", part);
    place.check(1, "EVL0906", "`a`");
}

#[test]
fn values_that_do_not_fit() {
    for (text, code, words) in [
        ("site: other\n", "EVL0903", "of the site `other`"),
        ("members: 3\n", "EVL0903", "expected"),
        ("max_gap: lots\n", "EVL0903", "is no gap"),
        ("lints: { EVL9999: deny }\n", "EVL0903", "not a code"),
        ("lints: { EVL0401: loud }\n", "EVL0903", "no lint level"),
        ("waivers: [{code: EVL0401, until: 2026-02-30, reason: x}]\n", "EVL0909", "no date"),
        ("owners: { 'site.evl': nobody }\n", "EVL0101", "`nobody`"),
        ("members: ['*.evl', 'more/*.evl']\n", "EVL0903", "no file matches `more/*.evl`"),
    ] {
        Place::tiny("").file("s/evl.yaml", text).check(1, code, words);
    }
    let place = Place::tiny("").file("s/evl.yaml", "members: ['nothing/*.evl']\n");
    place.check(2, "EVL0006", "no policy found");
    assert!(place.run("check s").err.contains("`members`") || place.run("check s").out.contains("`members`"));
}

#[test]
fn patterns_that_would_take_for_ever() {
    let stars = format!("members: ['*.evl', '{}b']\n", "*a".repeat(20_000));
    Place::tiny("").file("s/evl.yaml", stars).check(1, "EVL0903", "no file matches");
    let folders = format!("members: ['*.evl', '{}b']\n", "**/".repeat(1_000));
    Place::tiny("").file("s/evl.yaml", folders).check(1, "EVL0903", "no file matches");
}
