//! The questions on hand-built policies.

use super::testkit::*;
use super::*;
use crate::diag::Severity;
use crate::ir::*;

fn run(make: &Make) -> Report {
    check(&make.site, &CheckInputs::default())
}

fn codes_of(make: &Make) -> Vec<String> {
    run(make).findings.iter().map(|f| f.code.to_string()).collect()
}

fn witnesses(make: &Make) -> Vec<String> {
    run(make).findings.iter().filter_map(|f| f.witness.as_ref()).map(|w| w.when.clone()).collect()
}

#[test]
fn two_limits_that_cross() {
    let mut make = Make::new();
    let t = make.number("weather.temperature", "-20", "42");
    let load = make.consumer("chiller", &[("0", "90")]);
    let a = make.rule("cool", 4, above(t, "30"));
    make.bound(a, load, Attr::Power, Some("50"), None);
    let b = make.rule("save", 4, Guard::During(hours(16, 20)));
    make.bound(b, load, Attr::Power, None, Some("20"));
    assert_eq!(codes_of(&make), ["EVL0301"]);
    assert_eq!(witnesses(&make), ["Thu 2026-01-01 16:00, weather.temperature 40"]);
    // in another class it is an override
    make.site.rules[b.index()].class = ClassId(5);
    assert_eq!(codes_of(&make), [""; 0]);
}

#[test]
fn windows_that_never_meet_do_not_clash() {
    let mut make = Make::new();
    let load = make.consumer("chiller", &[("0", "90")]);
    let a = make.rule("day", 4, Guard::During(hours(8, 16)));
    make.switch(a, load, true);
    let b = make.rule("evening", 4, Guard::During(hours(16, 20)));
    make.switch(b, load, false);
    assert_eq!(codes_of(&make), [""; 0]);
    make.site.rules[a.index()].when = Guard::During(hours(8, 17));
    assert_eq!(codes_of(&make), ["EVL0301"]);
}

#[test]
fn dead_rules_are_warnings() {
    let mut make = Make::new();
    let t = make.number("weather.temperature", "-20", "42");
    make.rule("hot", 4, above(t, "42"));
    make.rule("both", 4, Guard::All(vec![above(t, "30"), below(t, "20")]));
    make.rule("fine", 4, above(t, "41"));
    let report = run(&make);
    assert_eq!(report.findings.len(), 2);
    assert!(report.findings.iter().all(|f| f.severity == Severity::Warning));
}

#[test]
fn latches_range_over_what_is_reachable() {
    let mut make = Make::new();
    let t = make.number("office.temperature", "-20", "42");
    let load = make.consumer("hvac", &[("0", "90")]);
    let heat = make.rule("heat", 4, below(t, "18"));
    make.until(heat, above(t, "20"));
    make.bound(heat, load, Attr::Power, Some("50"), None);
    let cool = make.rule("cool", 4, above(t, "26"));
    make.until(cool, below(t, "24"));
    make.bound(cool, load, Attr::Power, None, Some("20"));
    assert_eq!(codes_of(&make), [""; 0]);
    // without the dead band both latches can be set
    make.site.rules[heat.index()].until = Some(above(t, "30"));
    assert_eq!(codes_of(&make), ["EVL0301"]);
}

#[test]
fn opposed_directions_of_a_store_have_their_own_code() {
    let mut make = Make::new();
    let t = make.number("price", "0", "1");
    let pack = make.store("pack", "50");
    let a = make.rule("cheap", 4, below(t, "0.5"));
    make.bound(a, pack, Attr::Charge, Some("10"), None);
    let b = make.rule("night", 4, Guard::During(hours(0, 6)));
    make.bound(b, pack, Attr::Discharge, Some("5"), None);
    assert_eq!(codes_of(&make), ["EVL0303"]);
}

#[test]
fn an_assumption_makes_a_clash_impossible_and_is_named_where_it_matters() {
    let mut make = Make::new();
    let sun = make.number("weather.irradiance", "0", "1200");
    let load = make.consumer("pump", &[("0", "90")]);
    let a = make.rule("sunny", 4, above(sun, "500"));
    make.switch(a, load, true);
    let b = make.rule("dark", 4, Guard::During(hours(22, 24)));
    make.switch(b, load, false);
    assert_eq!(codes_of(&make), ["EVL0301"]);
    make.site.assumptions.push(Assumption {
        guard: compare(sun, Cmp::Eq, "0"),
        during: hours(20, 24),
        text: "weather.irradiance = 0 during dark".into(),
        span: span(900),
    });
    assert_eq!(codes_of(&make), [""; 0]);
}

#[test]
fn a_narrow_range_has_a_witness_too() {
    let mut make = Make::new();
    let t = make.number("weather.temperature", "-20", "4200");
    let load = make.consumer("pump", &[("0", "90")]);
    let a = make.rule("a", 4, above(t, "31.01201"));
    make.switch(a, load, true);
    let b = make.rule("b", 4, below(t, "31.01209"));
    make.switch(b, load, false);
    assert_eq!(codes_of(&make), ["EVL0301"]);
    assert_eq!(witnesses(&make), ["Thu 2026-01-01 00:00, weather.temperature 31.01205"]);
    // a single value
    make.site.rules[a.index()].when = compare(t, Cmp::Ge, "31.012034567");
    make.site.rules[b.index()].when = compare(t, Cmp::Le, "31.012034567");
    assert_eq!(witnesses(&make), ["Thu 2026-01-01 00:00, weather.temperature 31.012034567"]);
}
