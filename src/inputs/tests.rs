//! Feeds with every fault, and inputs on steps.

use super::*;
use crate::bundle::State;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostics, SourceMap};
use crate::ir::{
    Domain, Feed, FeedColumn, FeedId, FeedOrigin, FeedTime, Signal, SignalId, SignalSource, Site, Value,
    testkit,
};
use crate::quantity::{Rat, Type};
use crate::verify::fixture;

fn rat(text: &str) -> Rat {
    text.parse().unwrap()
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn signal(id: u32, name: &str, ty: Type, lo: &str, hi: &str) -> Signal {
    Signal {
        id: SignalId(id),
        name: name.into(),
        ty,
        count: None,
        domain: Domain::Interval { lo: rat(lo), hi: rat(hi) },
        source: SignalSource::Feed(FeedId(0)),
        reading: None,
        feed: Some(FeedId(0)),
        normal: None,
        strict_step: Rat::ZERO,
        span: testkit::span(1),
    }
}

fn site() -> Site {
    let mut site = testkit::site();
    site.timezone = "America/New_York".into();
    site.signals = vec![
        signal(0, "feed.load", Type::Power, "0", "100"),
        signal(1, "weather.temperature", Type::Temperature, "253.15", "315.15"),
    ];
    let column = |column: &str, signal, offset: &str| FeedColumn {
        column: column.into(),
        signal: SignalId(signal),
        offset: rat(offset),
        factor: Rat::ONE,
    };
    site.feeds = vec![Feed {
        id: FeedId(0),
        name: "office".into(),
        origin: FeedOrigin::File { path: "data/office.csv".into() },
        time: FeedTime::Civil,
        stamp_start: true,
        step_s: Some(3600),
        columns: vec![column("load", 0, "0"), column("temperature", 1, "273.15")],
        typical_year: false,
        sessions: false,
        covers: None,
        span: testkit::span(1),
    }];
    site
}

type Tracks = Vec<(crate::ir::SigRef, Track)>;

fn read(change: impl FnOnce(&mut Feed), text: &str) -> Result<Tracks, Diagnostics> {
    let mut site = site();
    change(&mut site.feeds[0]);
    let calendar = Calendar::new(&site).unwrap();
    let span = (at("2026-02-27T00:00:00Z"), at("2026-03-03T00:00:00Z"));
    let mut map = SourceMap::new();
    let id = map.add("data/office.csv", text);
    read_feeds(&site, &calendar, &[&site.feeds[0]], id, text, span)
}

/// The faults as `line:column message`.
fn faults(change: impl FnOnce(&mut Feed), text: &str) -> String {
    let mut map = SourceMap::new();
    map.add("data/office.csv", text);
    let findings = read(change, text).unwrap_err();
    let lines: Vec<String> = findings
        .iter()
        .map(|f| {
            let start = map.locate(f.span().unwrap()).start;
            let help = f.help.as_deref().map(|h| format!(" (help: {h})")).unwrap_or_default();
            format!("{} {}:{} {}{help}", f.code, start.line, start.column, f.message)
        })
        .collect();
    lines.join("\n")
}

const GOOD: &str = "time,load,temperature\n2026-07-14T00:00,12.5,20\n2026-07-14T01:00,7.25,21.5\n";

#[test]
fn a_good_feed_is_read_exactly() {
    let tracks = read(|_| (), GOOD).unwrap();
    let (load, temperature) = (&tracks[0].1, &tracks[1].1);
    // New York is four hours behind UTC in July
    assert_eq!(load.covers(), (at("2026-07-14T04:00:00Z"), at("2026-07-14T06:00:00Z")));
    assert_eq!(load.mean(at("2026-07-14T04:30:00Z"), at("2026-07-14T05:30:00Z")), Some(rat("9.875")));
    assert_eq!(temperature.at(at("2026-07-14T05:00:00Z")), Some(rat("294.65")));
}

#[test]
fn the_end_of_a_stamp_and_other_clocks() {
    let end = read(|f| f.stamp_start = false, GOOD).unwrap();
    assert_eq!(end[0].1.covers(), (at("2026-07-14T03:00:00Z"), at("2026-07-14T05:00:00Z")));
    assert_eq!(end[0].1.at(at("2026-07-14T03:59:59Z")), Some(rat("12.5")));
    let utc = read(|f| f.time = FeedTime::Utc, GOOD).unwrap();
    assert_eq!(utc[0].1.covers().0, at("2026-07-14T00:00:00Z"));
    let offset = read(|f| f.time = FeedTime::Offset(3600), GOOD).unwrap();
    assert_eq!(offset[0].1.covers().0, at("2026-07-13T23:00:00Z"));
    let midnight = "time,load,temperature\n2026-07-14T23:00,1,20\n2026-07-14T24:00,2,20\n";
    assert_eq!(read(|_| (), midnight).unwrap()[0].1.covers().1, at("2026-07-15T05:00:00Z"));
}

#[test]
fn uneven_feeds_take_their_length_from_the_neighbour() {
    let text = "time,load,temperature\n2026-07-14T00:00,1,20\n2026-07-14T00:05,2,20\n2026-07-14T00:35,3,20\n";
    let tracks = read(|f| (f.step_s, f.time) = (None, FeedTime::Utc), text).unwrap();
    assert_eq!(tracks[0].1.covers(), (at("2026-07-14T00:00:00Z"), at("2026-07-14T01:05:00Z")));
    let tracks = read(|f| (f.step_s, f.time, f.stamp_start) = (None, FeedTime::Utc, false), text).unwrap();
    assert_eq!(tracks[0].1.covers(), (at("2026-07-13T23:55:00Z"), at("2026-07-14T00:35:00Z")));
    assert_eq!(tracks[0].1.at(at("2026-07-14T00:00:00Z")), Some(rat("2")));
}

#[test]
fn every_fault_of_values_is_named_with_its_place() {
    let text = "time,load,temperature\n2026-07-14T00:00,101,20\n2026-07-14T01:00,nan,99\n\
        2026-07-14T02:00,,20\n2026-07-14T03:00,1\nyesterday,1,20\n2026-07-14T04:00,1e30,20\n";
    insta::assert_snapshot!(faults(|_| (), text), @r"
    EVL0503 2:18 `101` is 101 kW, outside the declared range 0 kW .. 100 kW
    EVL0503 3:18 `nan` is no number
    EVL0503 3:22 `99` is 99 degC, outside the declared range -20 degC .. 42 degC
    EVL0503 4:18 column `load` is empty here
    EVL0503 5:1 this row has 2 cells, the header 3
    EVL0503 6:1 `yesterday` is no time stamp (help: write times as `2026-07-14T16:30`)
    EVL0503 7:1 `2026-07-14T04:00` is 7200 s after the row before it, the step is 3600 s: 1 row is missing before it
    EVL0503 7:18 `1e30` is no number
    ");
}

#[test]
fn gaps_doubles_and_wrong_steps_are_named() {
    let text = "time,load,temperature\n2026-07-14T00:00,1,20\n2026-07-14T03:00,1,20\n\
        2026-07-14T03:00,1,20\n2026-07-14T03:15,1,20\n2026-07-14T01:00,1,20\n";
    insta::assert_snapshot!(faults(|_| (), text), @r"
    EVL0503 3:1 `2026-07-14T03:00` is 10800 s after the row before it, the step is 3600 s: 2 rows are missing before it
    EVL0503 4:1 `2026-07-14T03:00` is not after the row before it
    EVL0503 5:1 `2026-07-14T03:15` is 900 s after the row before it, the step is 3600 s
    EVL0503 6:1 `2026-07-14T01:00` is not after the row before it
    ");
}

#[test]
fn clock_changes_are_never_guessed() {
    let spring =
        "time,load,temperature\n2026-03-08T01:00,1,20\n2026-03-08T02:00,1,20\n2026-03-08T03:00,1,20\n";
    insta::assert_snapshot!(faults(|_| (), spring), @"EVL0503 3:1 `2026-03-08T02:00`: the clock is set forward over this time, so it does not exist (help: if the file keeps winter time all year, declare `time offset` instead of `time civil`)");
    let fall = "time,load,temperature\n2026-11-01T00:00,1,20\n2026-11-01T01:00,1,20\n2026-11-01T02:00,1,20\n";
    insta::assert_snapshot!(faults(|_| (), fall), @r"
    EVL0503 3:1 `2026-11-01T01:00`: the clock is set back over this time, so it occurs twice (help: write ` first` or ` second` behind it, or its offset (`-04:00`))
    EVL0503 4:1 `2026-11-01T02:00` is 10800 s after the row before it, the step is 3600 s: 2 rows are missing before it
    ");
    let marked = "time,load,temperature\n2026-11-01T00:00,1,20\n2026-11-01T01:00 first,2,20\n\
        2026-11-01T01:00 second,3,20\n2026-11-01T02:00,4,20\n";
    let tracks = read(|_| (), marked).unwrap();
    assert_eq!(tracks[0].1.at(at("2026-11-01T06:30:00Z")), Some(rat("3")));
}

#[test]
fn headers_and_empty_files() {
    insta::assert_snapshot!(faults(|_| (), ""), @"EVL0503 1:1 feed `office` needs a header line that names its columns (help: begin the file with a line such as `time,load`)");
    insta::assert_snapshot!(faults(|_| (), "time,lod,temperature\n"), @r#"EVL0503 1:1 the file has no column `load` (help: its columns are time, lod, temperature; a feed reads the one of its own name unless it says `column "temperature"`)"#);
    insta::assert_snapshot!(faults(|_| (), "time,load,temperature\n"), @"EVL0503 1:1 feed `office` has no rows");
    // of two columns with one name nobody can say which is meant, be they alike or not
    let twice = "time,load,temperature, load\n2026-07-14T00:00,1,20,1\n";
    insta::assert_snapshot!(faults(|_| (), twice), @"EVL0503 1:1 columns 2 and 4 are both named `load` (help: give each column a name of its own)");
    // those that no feed reads may be named alike
    let others = GOOD.replace("temperature\n", "temperature,note,note\n");
    let others: String = others
        .lines()
        .enumerate()
        .map(|(at, line)| format!("{line}{}\n", if at > 0 { ",a,b" } else { "" }))
        .collect();
    assert_eq!(read(|_| (), &others).unwrap(), read(|_| (), GOOD).unwrap());
}

#[test]
fn faults_are_capped() {
    let rows: String = (0..100).map(|_| "x,1,20\n").collect();
    let text = format!("time,load,temperature\n{rows}");
    let all = faults(|_| (), &text);
    assert_eq!(all.lines().count(), 21);
    assert!(all.ends_with("EVL0503 1:1 feed `office` has 80 more faults"), "{all}");
}

#[test]
fn a_typical_year_is_mapped_by_month_and_day() {
    let mut text = String::from("time,load,temperature\n");
    for day in 0..365 {
        let date = crate::calendar::date_of(
            crate::calendar::day_number(crate::ir::CivilDate { year: 1995, month: 1, day: 1 }) + day,
        );
        for hour in 0..24 {
            // the value tells the day of the year and the hour
            text.push_str(&format!("{date}T{hour:02}:00,{}.{hour:02},20\n", day % 100));
        }
    }
    let tracks = read(|f| (f.typical_year, f.time) = (true, FeedTime::Offset(-18_000)), &text).unwrap();
    let load = &tracks[0].1;
    // March 1 is day 59 of a common year; 00:00 at -05:00 is 05:00 UTC
    assert_eq!(load.at(at("2026-03-01T05:00:00Z")), Some(rat("59")));
    assert_eq!(load.at(at("2026-02-28T18:00:00Z")), Some(rat("58.13")));
    let short = text.replace("1995-06-05T07:00", "1995-06-06T07:00");
    assert!(read(|f| (f.typical_year, f.time) = (true, FeedTime::Utc), &short).is_err());
}

#[test]
fn sessions_are_read_and_their_faults_named() {
    let mut site = site();
    fixture::charger(&mut site, 2);
    let calendar = Calendar::new(&site).unwrap();
    let run = |text: &str| {
        let mut map = SourceMap::new();
        let id = map.add("data/charging.csv", text);
        read_sessions(&site, &calendar, &site.feeds[0], id, text).map_err(|findings| {
            let show = |f: &crate::diag::Diagnostic| {
                let start = map.locate(f.span().unwrap()).start;
                format!("{}:{} {}", start.line, start.column, f.message)
            };
            findings.iter().map(show).collect::<Vec<_>>().join("\n")
        })
    };
    let good = run("device,arrival,departure,energy,maximum_power,capacity,level\n\
        charger[2],2026-07-20T08:00,2026-07-20T16:00,24 kWh,7.4 kW,60 kWh,25 %\n\
        charger[1],2026-07-20T08:00,2026-07-20T16:00,24 kWh,,,\n")
    .unwrap();
    assert_eq!(good[0].room, Some(rat("45")));
    assert_eq!(good[0].arrival, at("2026-07-20T12:00:00Z"));
    assert_eq!((&good[1].power, &good[1].room), (&None, &None));
    let bad = run("device,arrival,departure,energy,phases\n\
        charger[3],2026-07-20T08:00,2026-07-20T16:00,24 kWh,\n\
        charger[1],2026-07-20T08:00,2026-07-20T07:00,24 kWh,\n\
        charger[1],2026-07-21T08:00,2026-07-21T17:00,24 kW,\n\
        charger[1],2026-07-21T08:00,2026-07-21T17:00,24 kWh,2\n\
        charger[1],2026-07-22T08:00,2026-07-22T17:00,24 kWh,3\n\
        charger[1],2026-07-22T16:59,2026-07-22T18:00,24 kWh,3\n");
    insta::assert_snapshot!(bad.unwrap_err(), @r"
    2:1 there is no device `charger[3]`
    3:29 the departure is not after the arrival
    4:46 `24 kW` is no energy
    5:53 `2` is no number of phases: expected 1 or 3
    7:12 `charger[1]` has another vehicle at that time
    ");
}

fn steps(from: &str, count: i64, seconds: i64) -> Vec<Step> {
    let from = at(from);
    (0..count).map(|i| Step { start: from.plus(i * seconds), end: from.plus((i + 1) * seconds) }).collect()
}

#[test]
fn a_signal_without_feed_is_presumed_or_missing() {
    let mut site = site();
    site.feeds.clear();
    site.signals[0].feed = None;
    fixture::load(&mut site, SignalId(0));
    let calendar = Calendar::new(&site).unwrap();
    let mut state = State::new(&site.name, at("2026-07-14T00:00:00Z"));
    let steps = steps("2026-07-14T00:00:00Z", 3, 900);
    let missing = Inputs::new().on(&site, &calendar, &state, &steps).unwrap_err();
    assert_eq!(missing.iter().next().unwrap().message, "nothing gives `feed.load` a value");
    state.signals.insert("feed.load".into(), Some(crate::bundle::Given::Text("4 kW".into())));
    let load = crate::ir::SigRef::Only(SignalId(0));
    let given = Inputs::new().on(&site, &calendar, &state, &steps).unwrap();
    assert_eq!(given.means(&load).unwrap(), [rat("4"), rat("4"), rat("4")]);
    site.signals[0].normal = Some(Value::Number(rat("2.5")));
    let given = Inputs::new().on(&site, &calendar, &state, &steps).unwrap();
    assert_eq!(given.means(&load).unwrap(), [rat("4"), rat("2.5"), rat("2.5")]);
    let presumed = &given.presumes()[0];
    assert_eq!((presumed.first.as_str(), presumed.then.as_str()), ("4 kW", "2.5 kW"));
}

#[test]
fn a_feed_must_cover_the_horizon() {
    let mut site = site();
    fixture::load(&mut site, SignalId(0));
    let calendar = Calendar::new(&site).unwrap();
    let state = State::new(&site.name, at("2026-07-14T04:00:00Z"));
    let mut inputs = Inputs::new();
    for (signal, track) in read(|_| (), GOOD).unwrap() {
        inputs.add(signal, track);
    }
    let whole = inputs.on(&site, &calendar, &state, &steps("2026-07-14T04:00:00Z", 8, 900)).unwrap();
    assert_eq!(whole.means(&crate::ir::SigRef::Only(SignalId(0))).unwrap().len(), 8);
    let findings = inputs.on(&site, &calendar, &state, &steps("2026-07-14T04:00:00Z", 9, 900)).unwrap_err();
    let finding = findings.iter().next().unwrap();
    assert_eq!(finding.code, crate::diag::codes::MISSING_INPUT);
    assert_eq!(finding.message, "`feed.load` has no values for 2026-07-14T06:00:00Z .. 2026-07-14T06:15:00Z");
}
