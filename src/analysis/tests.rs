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

/// The loss of its reading makes a rule of the safety class active, and hides nothing: an alarm above the
/// range of its sensor never comes.
#[test]
fn a_rule_that_only_a_lost_reading_makes_active_is_told() {
    let verdict = |threshold: &str, on_loss: OnLoss, others: &dyn Fn(&mut Make, SignalId) -> Vec<Guard>| {
        let mut make = Make::new();
        let ppm = make.number("garage_co.ppm", "0", "60");
        make.lossy(ppm);
        let mut parts = vec![above(ppm, threshold)];
        parts.extend(others(&mut make, ppm));
        let guard = if parts.len() == 1 { parts.remove(0) } else { Guard::Any(parts) };
        let rule = make.rule("co_alarm", 0, guard);
        make.until(rule, below(ppm, "35"));
        make.site.rules[rule.index()].on_loss = on_loss;
        let report = run(&make);
        report.findings.into_iter().map(|f| (f.code.to_string(), f.message)).collect::<Vec<_>>()
    };
    let alone = |_: &mut Make, _| Vec::new();
    let told = |message: &str| vec![("EVL0401".to_owned(), message.to_owned())];
    let lost = told("`co_alarm` acts only when a reading is lost");
    assert_eq!(verdict("70", OnLoss::Active, &alone), lost);
    assert_eq!(verdict("70", OnLoss::Hold(60), &alone), lost);
    assert_eq!(verdict("70", OnLoss::Inactive, &alone), told("`co_alarm` can never act"));
    // above the greatest value there is nothing, above any less there is
    assert_eq!(verdict("60", OnLoss::Active, &alone), lost);
    assert_eq!(verdict("59.9", OnLoss::Active, &alone), []);
    // another alternative does not make up for the one that never holds
    let heat = |make: &mut Make, _| {
        let t = make.number("garage.temperature", "-20", "90");
        make.lossy(t);
        vec![above(t, "70")]
    };
    assert_eq!(verdict("70", OnLoss::Active, &heat), told("`co_alarm` never acts on some of what it reads"));
    assert_eq!(verdict("50", OnLoss::Active, &heat), []);
    // a window that is never open reads nothing, and is no sensor's fault
    let never = |_: &mut Make, _| vec![Guard::Const(false)];
    assert_eq!(verdict("50", OnLoss::Active, &never), []);
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
