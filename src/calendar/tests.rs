//! Cases worked out by hand, and laws.

use super::*;
use crate::diag::{SourceId, Span};
use crate::ir::testkit;
use crate::ir::{Location, ObligationWindow, ScheduleId};
use proptest::prelude::*;

fn site(zone: &str) -> Site {
    let mut site = testkit::site();
    site.timezone = zone.into();
    site.valid = (date("2026-01-01"), date("2028-12-31"));
    site.holidays = vec![date("2026-07-03"), date("2026-12-25"), date("2027-01-01")];
    site
}

fn calendar(zone: &str) -> Calendar {
    Calendar::new(&site(zone)).unwrap()
}

fn at_place(zone: &str, latitude: &str, longitude: &str) -> Calendar {
    let mut site = site(zone);
    site.location =
        Some(Location { latitude: latitude.parse().unwrap(), longitude: longitude.parse().unwrap() });
    Calendar::new(&site).unwrap()
}

fn date(text: &str) -> CivilDate {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i16>().unwrap());
    let mut next = || parts.next().unwrap();
    CivilDate { year: next(), month: next() as i8, day: next() as i8 }
}

fn clock(text: &str) -> i32 {
    let (hour, minute) = text.split_once(':').unwrap();
    hour.parse::<i32>().unwrap() * 3600 + minute.parse::<i32>().unwrap() * 60
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn daily(from: &str, to: &str) -> Sched {
    window(Days::Daily, from, to)
}

fn window(days: Days, from: &str, to: &str) -> Sched {
    Sched::Window { days, from: ClockEdge::At(clock(from)), to: ClockEdge::At(clock(to)) }
}

const WEEKDAYS: Days = Days::Week(0b001_1111);
const FRIDAYS: Days = Days::Week(0b001_0000);

/// Windows as local RFC 3339 text.
fn pieces(cal: &Calendar, sched: &Sched, from: &str, to: &str) -> Vec<String> {
    let show = |at: Instant| cal.rfc3339(at);
    cal.windows(sched, at(from), at(to))
        .into_iter()
        .map(|(s, e)| format!("{} {}", show(s), show(e)))
        .collect()
}

#[test]
fn start_is_included_and_end_is_not() {
    let cal = calendar("UTC");
    let sched = daily("08:00", "18:00");
    assert!(!cal.contains(&sched, at("2026-07-14T07:59:59Z")));
    assert!(cal.contains(&sched, at("2026-07-14T08:00:00Z")));
    assert!(cal.contains(&sched, at("2026-07-14T17:59:59Z")));
    assert!(!cal.contains(&sched, at("2026-07-14T18:00:00Z")));
}

#[test]
fn twenty_four_hundred_is_the_next_midnight() {
    let cal = calendar("UTC");
    let sched = daily("20:00", "24:00");
    assert_eq!(
        pieces(&cal, &sched, "2026-07-14T00:00:00Z", "2026-07-15T06:00:00Z"),
        ["2026-07-14T20:00:00+00:00 2026-07-15T00:00:00+00:00"]
    );
    assert_eq!(
        pieces(&cal, &window(FRIDAYS, "24:00", "02:00"), "2026-07-13T00:00:00Z", "2026-07-20T00:00:00Z"),
        ["2026-07-18T00:00:00+00:00 2026-07-18T02:00:00+00:00"]
    );
    assert!(cal.contains(&daily("00:00", "24:00"), at("2026-07-14T00:00:00Z")));
    assert!(!cal.contains(&daily("09:00", "09:00"), at("2026-07-14T09:00:00Z")));
}

#[test]
fn a_window_belongs_to_the_day_on_which_it_starts() {
    let cal = calendar("America/New_York");
    // 2026-07-17 is a Friday
    assert_eq!(
        pieces(&cal, &window(FRIDAYS, "22:00", "06:00"), "2026-07-12T00:00:00Z", "2026-07-25T00:00:00Z"),
        ["2026-07-17T22:00:00-04:00 2026-07-18T06:00:00-04:00"]
    );
}

#[test]
fn clock_set_forward_in_new_york() {
    // 2026-03-08: 02:00 EST becomes 03:00 EDT
    let cal = calendar("America/New_York");
    let (from, to) = ("2026-03-07T17:00:00Z", "2026-03-08T17:00:00Z");
    assert!(pieces(&cal, &daily("02:00", "03:00"), from, to).is_empty());
    assert_eq!(
        pieces(&cal, &daily("01:30", "03:30"), from, to),
        ["2026-03-08T01:30:00-05:00 2026-03-08T03:30:00-04:00"]
    );
    // a window that starts in the gap begins where the clock jumps
    assert_eq!(
        pieces(&cal, &daily("02:15", "03:30"), from, to),
        ["2026-03-08T03:00:00-04:00 2026-03-08T03:30:00-04:00"]
    );
    let asked = CivilInstant { date: date("2026-03-08"), second_of_day: clock("02:30"), second: false };
    assert_eq!(cal.instant(asked), Err(Gap { asked, why: GapReason::SetForward }));
    assert_eq!(
        cal.period(Period::Day, at("2026-03-08T17:00:00Z")).1.since(at("2026-03-08T05:00:00Z")),
        23 * 3600
    );
}

#[test]
fn clock_set_back_in_new_york() {
    // 2026-11-01: 02:00 EDT becomes 01:00 EST
    let cal = calendar("America/New_York");
    let (from, to) = ("2026-10-31T16:00:00Z", "2026-11-01T17:00:00Z");
    let sched = daily("01:00", "01:30");
    assert_eq!(
        pieces(&cal, &sched, from, to),
        [
            "2026-11-01T01:00:00-04:00 2026-11-01T01:30:00-04:00",
            "2026-11-01T01:00:00-05:00 2026-11-01T01:30:00-05:00",
        ]
    );
    assert_eq!(
        pieces(&cal, &daily("00:30", "01:30"), from, to),
        [
            "2026-11-01T00:30:00-04:00 2026-11-01T01:30:00-04:00",
            "2026-11-01T01:00:00-05:00 2026-11-01T01:30:00-05:00",
        ]
    );
    // an obligation's window is the hull of the two
    let hulls = cal.obligation_windows(&ObligationWindow::Recurring(sched), at(from), at(to));
    assert_eq!(hulls, [(at("2026-11-01T05:00:00Z"), at("2026-11-01T06:30:00Z"))]);
    let asked = |second| CivilInstant { date: date("2026-11-01"), second_of_day: clock("01:15"), second };
    assert_eq!(cal.instant(asked(false)), Ok(at("2026-11-01T05:15:00Z")));
    assert_eq!(cal.instant(asked(true)), Ok(at("2026-11-01T06:15:00Z")));
    let once = CivilInstant { second_of_day: clock("03:15"), ..asked(true) };
    assert_eq!(cal.instant(once), Err(Gap { asked: once, why: GapReason::NotTwice }));
    assert_eq!(cal.show(at("2026-11-01T06:15:00Z")), "Sun 2026-11-01 01:15 -05:00");
    assert_eq!(cal.show(at("2026-07-14T20:30:07Z")), "Tue 2026-07-14 16:30:07");
}

#[test]
fn both_clock_changes_in_berlin() {
    let cal = calendar("Europe/Berlin");
    // 2026-03-29: 02:00 CET becomes 03:00 CEST
    assert_eq!(
        pieces(&cal, &daily("22:00", "06:00"), "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
        ["2026-03-28T22:00:00+01:00 2026-03-29T06:00:00+02:00"]
    );
    // 2026-10-25: 03:00 CEST becomes 02:00 CET
    let night = cal.windows(&daily("22:00", "06:00"), at("2026-10-24T12:00:00Z"), at("2026-10-25T12:00:00Z"));
    assert_eq!(night, [(at("2026-10-24T20:00:00Z"), at("2026-10-25T05:00:00Z"))]);
    assert_eq!(
        pieces(&cal, &daily("02:30", "03:00"), "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
        [
            "2026-10-25T02:30:00+02:00 2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00 2026-10-25T03:00:00+01:00",
        ]
    );
    assert_eq!(cal.clock_changes(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")).len(), 2);
}

#[test]
fn half_an_hour_on_lord_howe() {
    let cal = calendar("Australia/Lord_Howe");
    // 2026-04-05: 02:00 +11 becomes 01:30 +10:30
    assert_eq!(
        pieces(&cal, &daily("01:30", "01:45"), "2026-04-04T06:00:00Z", "2026-04-05T06:00:00Z"),
        [
            "2026-04-05T01:30:00+11:00 2026-04-05T01:45:00+11:00",
            "2026-04-05T01:30:00+10:30 2026-04-05T01:45:00+10:30",
        ]
    );
    // 2026-10-04: 02:00 +10:30 becomes 02:30 +11
    assert!(
        pieces(&cal, &daily("02:00", "02:30"), "2026-10-03T06:00:00Z", "2026-10-04T06:00:00Z").is_empty()
    );
    assert_eq!(
        pieces(&cal, &daily("01:45", "02:45"), "2026-10-03T06:00:00Z", "2026-10-04T06:00:00Z"),
        ["2026-10-04T01:45:00+10:30 2026-10-04T02:45:00+11:00"]
    );
}

#[test]
fn a_midnight_in_a_gap_starts_the_day_after_the_gap() {
    // Havana sets its clock forward at 00:00: 2026-03-08 begins at 01:00
    let cal = calendar("America/Havana");
    let start = cal.day_start(date("2026-03-08"));
    assert_eq!(cal.rfc3339(start), "2026-03-08T01:00:00-04:00");
    assert_eq!(
        pieces(
            &cal,
            &Sched::Days(Days::Dates(date("2026-03-08"), date("2026-03-08"))),
            "2026-03-07T00:00:00Z",
            "2026-03-10T00:00:00Z"
        ),
        ["2026-03-08T01:00:00-04:00 2026-03-09T00:00:00-04:00"]
    );
}

#[test]
fn yearly_ranges_wrap_and_know_the_leap_day() {
    let cal = calendar("UTC");
    let day = |month, day| MonthDay { month, day };
    let range = |a, b| Sched::Days(Days::Yearly(a, b));
    let winter = range(day(12, 20), day(1, 6));
    assert_eq!(
        pieces(&cal, &winter, "2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ["2026-12-20T00:00:00+00:00 2027-01-07T00:00:00+00:00"]
    );
    let leap = at("2028-02-29T12:00:00Z");
    assert!(cal.contains(&range(day(2, 1), day(2, 29)), leap));
    assert!(!cal.contains(&range(day(2, 1), day(2, 28)), leap));
    assert!(cal.contains(&range(day(2, 1), day(3, 1)), leap));
    let only = range(day(2, 29), day(2, 29));
    assert_eq!(
        pieces(&cal, &only, "2026-01-01T00:00:00Z", "2029-01-01T00:00:00Z"),
        ["2028-02-29T00:00:00+00:00 2028-03-01T00:00:00+00:00"]
    );
}

#[test]
fn except_holidays_acts_on_instants() {
    let cal = calendar("America/New_York");
    let open =
        Sched::Except(Box::new(window(WEEKDAYS, "08:00", "18:00")), Box::new(Sched::Days(Days::Holidays)));
    // Friday 2026-07-03 is a holiday
    assert_eq!(
        pieces(&cal, &open, "2026-07-02T04:00:00Z", "2026-07-07T04:00:00Z"),
        [
            "2026-07-02T08:00:00-04:00 2026-07-02T18:00:00-04:00",
            "2026-07-06T08:00:00-04:00 2026-07-06T18:00:00-04:00",
        ]
    );
    // the part of Thursday's night window that lies on the holiday is taken away
    let night = Sched::Except(Box::new(daily("22:00", "06:00")), Box::new(Sched::Days(Days::Holidays)));
    assert_eq!(
        pieces(&cal, &night, "2026-07-02T16:00:00Z", "2026-07-03T16:00:00Z"),
        ["2026-07-02T22:00:00-04:00 2026-07-03T00:00:00-04:00"]
    );
    let hulls = cal.obligation_windows(
        &ObligationWindow::Recurring(night),
        at("2026-07-02T16:00:00Z"),
        at("2026-07-03T16:00:00Z"),
    );
    assert_eq!(hulls.len(), 1);
}

#[test]
fn valid_and_dates_include_both_ends() {
    let cal = calendar("America/New_York");
    assert_eq!(cal.valid(), (at("2026-01-01T05:00:00Z"), at("2029-01-01T05:00:00Z")));
    let days = Sched::Days(Days::Dates(date("2026-07-01"), date("2026-07-02")));
    assert_eq!(
        pieces(&cal, &days, "2026-06-01T00:00:00Z", "2026-08-01T00:00:00Z"),
        ["2026-07-01T00:00:00-04:00 2026-07-03T00:00:00-04:00"]
    );
}

#[test]
fn periods_are_civil() {
    let cal = calendar("Europe/Berlin");
    let tuesday = at("2026-07-14T12:00:00Z");
    let show = |(start, end): (Instant, Instant)| format!("{} {}", cal.rfc3339(start), cal.rfc3339(end));
    assert_eq!(show(cal.period(Period::Day, tuesday)), "2026-07-14T00:00:00+02:00 2026-07-15T00:00:00+02:00");
    assert_eq!(
        show(cal.period(Period::Week, tuesday)),
        "2026-07-13T00:00:00+02:00 2026-07-20T00:00:00+02:00"
    );
    assert_eq!(
        show(cal.period(Period::Month, tuesday)),
        "2026-07-01T00:00:00+02:00 2026-08-01T00:00:00+02:00"
    );
    assert_eq!(
        show(cal.period(Period::Year, tuesday)),
        "2026-01-01T00:00:00+01:00 2027-01-01T00:00:00+01:00"
    );
    let december = cal.period(Period::Month, at("2026-12-31T22:59:59Z"));
    assert_eq!(show(december), "2026-12-01T00:00:00+01:00 2027-01-01T00:00:00+01:00");
    // Sunday belongs to the week of the Monday before
    assert_eq!(cal.period(Period::Week, at("2026-07-19T21:59:59Z")), cal.period(Period::Week, tuesday));
    assert_eq!(cal.civil(at("2026-07-19T22:00:00Z")), (date("2026-07-20"), 0, Weekday::Mon));
}

#[test]
fn obligation_windows_are_unclipped_and_one_a_day() {
    let cal = calendar("America/New_York");
    let work = ObligationWindow::Recurring(window(WEEKDAYS, "08:00", "17:00"));
    // asked from Friday noon to Monday noon
    let hulls = cal.obligation_windows(&work, at("2026-07-17T16:00:00Z"), at("2026-07-20T16:00:00Z"));
    assert_eq!(
        hulls,
        [
            (at("2026-07-17T12:00:00Z"), at("2026-07-17T21:00:00Z")),
            (at("2026-07-20T12:00:00Z"), at("2026-07-20T21:00:00Z")),
        ]
    );
    let days = ObligationWindow::Recurring(Sched::Days(WEEKDAYS));
    let hulls = cal.obligation_windows(&days, at("2026-07-17T16:00:00Z"), at("2026-07-20T16:00:00Z"));
    assert_eq!(hulls.len(), 2);
    assert_eq!(hulls[0], (at("2026-07-17T04:00:00Z"), at("2026-07-18T04:00:00Z")));
    // nights that touch stay apart: one for each day
    let night = ObligationWindow::Recurring(daily("18:00", "17:59"));
    assert_eq!(
        cal.obligation_windows(&night, at("2026-07-17T16:00:00Z"), at("2026-07-19T16:00:00Z")).len(),
        3
    );
    let dated = ObligationWindow::Dated(
        CivilInstant { date: date("2026-07-17"), second_of_day: clock("22:00"), second: false },
        CivilInstant { date: date("2026-07-18"), second_of_day: clock("06:00"), second: false },
    );
    let hull = (at("2026-07-18T02:00:00Z"), at("2026-07-18T10:00:00Z"));
    assert_eq!(
        cal.obligation_windows(&dated, at("2026-07-18T03:00:00Z"), at("2026-07-18T04:00:00Z")),
        [hull]
    );
    assert!(
        cal.obligation_windows(&dated, at("2026-07-18T10:00:00Z"), at("2026-07-18T11:00:00Z")).is_empty()
    );
}

#[test]
fn sunrise_and_sunset_of_almanacs() {
    // rise and set as published by the U.S. Naval Observatory and national almanacs, local time
    let cases = [
        ("America/New_York", "40.7128", "-74.006", "2026-06-21", "05:25", "20:31"),
        ("America/New_York", "40.7128", "-74.006", "2026-12-21", "07:17", "16:32"),
        ("Europe/London", "51.5074", "-0.1278", "2026-03-20", "06:04", "18:14"),
        ("Europe/Berlin", "52.52", "13.405", "2026-06-21", "04:43", "21:33"),
        ("Australia/Sydney", "-33.8688", "151.2093", "2026-12-21", "05:41", "20:05"),
    ];
    for (zone, latitude, longitude, day, rise, set) in cases {
        let cal = at_place(zone, latitude, longitude);
        let (found_rise, found_set) = cal.sun(date(day)).unwrap();
        for (found, known) in [(found_rise, rise), (found_set, set)] {
            let (civil, second, _) = cal.civil(found);
            assert_eq!(civil, date(day), "{zone} {day}");
            assert!((second - clock(known)).abs() <= 60, "{zone} {day}: {} not {known}", cal.show(found));
            assert_eq!(second % 60, 0);
        }
    }
}

fn sun_window(from: ClockEdge, to: ClockEdge) -> Sched {
    Sched::Window { days: Days::Daily, from, to }
}

#[test]
fn dark_ends_at_the_sunrise_after() {
    let cal = at_place("America/New_York", "42.36", "-71.05");
    let dark = sun_window(ClockEdge::Sunset(0), ClockEdge::Sunrise(0));
    let (from, to) = (at("2026-07-14T16:00:00Z"), at("2026-07-15T16:00:00Z"));
    let (_, set) = cal.sun(date("2026-07-14")).unwrap();
    let (rise, _) = cal.sun(date("2026-07-15")).unwrap();
    assert_eq!(cal.windows(&dark, from, to), [(set, rise)]);
    let light = sun_window(ClockEdge::Sunrise(0), ClockEdge::Sunset(0));
    assert_eq!(cal.windows(&light, from, to), [(from, set), (rise, to)]);
    let dusk = sun_window(ClockEdge::Sunset(-1800), ClockEdge::Sunset(1800));
    assert_eq!(cal.windows(&dusk, from, to), [(set.plus(-1800), set.plus(1800))]);
}

#[test]
fn windows_to_the_sun_are_empty_on_days_when_they_are_reversed() {
    let cal = at_place("America/New_York", "42.36", "-71.05");
    let morning = sun_window(ClockEdge::At(clock("06:00")), ClockEdge::Sunrise(0));
    // summer: the sun is up before six
    assert!(cal.windows(&morning, at("2026-07-14T04:00:00Z"), at("2026-07-15T04:00:00Z")).is_empty());
    let (rise, _) = cal.sun(date("2026-12-14")).unwrap();
    let winter = cal.windows(&morning, at("2026-12-14T05:00:00Z"), at("2026-12-15T05:00:00Z"));
    assert_eq!(winter, [(at("2026-12-14T11:00:00Z"), rise)]);
    // always reversed: it ends on the next day
    let night = sun_window(ClockEdge::At(clock("22:00")), ClockEdge::Sunrise(0));
    let (next, _) = cal.sun(date("2026-12-15")).unwrap();
    let found = cal.windows(&night, at("2026-12-14T17:00:00Z"), at("2026-12-15T17:00:00Z"));
    assert_eq!(found, [(at("2026-12-15T03:00:00Z"), next)]);
}

#[test]
fn polar_day_and_night() {
    let cal = at_place("Europe/Oslo", "69.65", "18.96");
    let light = sun_window(ClockEdge::Sunrise(0), ClockEdge::Sunset(0));
    let dark = sun_window(ClockEdge::Sunset(0), ClockEdge::Sunrise(0));
    let summer = (at("2026-06-10T00:00:00Z"), at("2026-06-20T00:00:00Z"));
    let winter = (at("2026-12-10T00:00:00Z"), at("2026-12-20T00:00:00Z"));
    assert_eq!(cal.windows(&light, summer.0, summer.1), [summer]);
    assert!(cal.windows(&dark, summer.0, summer.1).is_empty());
    assert_eq!(cal.windows(&dark, winter.0, winter.1), [winter]);
    assert!(cal.windows(&light, winter.0, winter.1).is_empty());
    // light and dark part every instant of the year between them, the first and last days included
    let year = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(cal.windows(&Sched::Not(Box::new(light)), year.0, year.1), cal.windows(&dark, year.0, year.1));
    for pole in ["90", "-90"] {
        let cal = at_place("UTC", pole, "0");
        assert_eq!(cal.windows(&dark, winter.0, winter.1).is_empty(), pole == "-90");
    }
}

#[test]
fn far_from_its_meridian_the_sun_still_belongs_to_the_civil_day() {
    // Tonga: longitude 175 W, offset +13
    let cal = at_place("Pacific/Tongatapu", "-21.14", "-175.2");
    for day in 1..=28 {
        let date = CivilDate { year: 2026, month: 3, day };
        let (rise, set) = cal.sun(date).unwrap();
        assert_eq!((cal.civil(rise).0, cal.civil(set).0), (date, date));
    }
}

#[test]
fn wrong_sites_are_refused() {
    let message = |change: &dyn Fn(&mut Site)| {
        let mut site = site("UTC");
        change(&mut site);
        let error = Calendar::new(&site).unwrap_err();
        format!("{}: {} / {}", error.code, error.message, error.help.unwrap_or_default())
    };
    insta::assert_snapshot!(message(&|s| s.timezone = "America/NewYork".into()), @"EVL0204: unknown time zone `America/NewYork` / did you mean `America/New_York`?");
    insta::assert_snapshot!(message(&|s| s.valid.1 = date("2025-01-01")), @"EVL0204: `valid 2026-01-01 .. 2025-01-01` holds no day / ");
    insta::assert_snapshot!(message(&|s| s.valid.1 = date("9999-01-01")), @"EVL0204: `valid 2026-01-01 .. 9999-01-01` covers more than 50 years / declare the years for which the policy is meant and renew it before they end");
    let named = |scheds: Vec<Sched>| {
        move |site: &mut Site| {
            for (i, sched) in scheds.iter().enumerate() {
                let span = Span::file(SourceId(0));
                site.schedules.push(crate::ir::Schedule {
                    id: ScheduleId::at(i),
                    name: format!("s{i}"),
                    sched: sched.clone(),
                    span,
                });
            }
        }
    };
    insta::assert_snapshot!(message(&named(vec![Sched::Named(ScheduleId(0))])), @"EVL0502: schedule `s0` is made of itself / a schedule names only schedules that are resolved before it");
    insta::assert_snapshot!(message(&named(vec![sun_window(ClockEdge::Sunset(0), ClockEdge::Sunrise(0))])), @"EVL0502: schedule `s0` needs the sun, but the site has no place / declare `location` in the site, such as `location 42.36 N 71.05 W`");
    let double = |i: u32| Sched::And(vec![Sched::Named(ScheduleId(i)), Sched::Named(ScheduleId(i))]);
    let bomb = std::iter::once(Sched::Always).chain((0..40).map(double)).collect();
    insta::assert_snapshot!(message(&named(bomb)), @"EVL0502: schedule `s15` has too many parts / ");
}

#[test]
fn extreme_instants_do_no_harm() {
    let cal = at_place("Europe/Berlin", "52.5", "13.4");
    let dark = sun_window(ClockEdge::Sunset(0), ClockEdge::Sunrise(0));
    for at in [i64::MIN, i64::MAX, Instant::MIN.0, Instant::MAX.0] {
        let at = Instant(at);
        let _ = (cal.contains(&dark, at), cal.civil(at), cal.show(at), cal.period(Period::Year, at));
        let _ = cal.windows(&dark, at.plus(-DAY), at.plus(DAY));
        let _ = cal.obligation_windows(&ObligationWindow::Recurring(dark.clone()), at, at.plus(DAY));
    }
    let none =
        CivilInstant { date: CivilDate { year: 2026, month: 0, day: 77 }, second_of_day: -5, second: true };
    assert!(cal.instant(none).is_err());
    let _ = cal.windows(&Sched::Dated(none, none), at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
}

#[test]
fn the_zone_database_is_named() {
    assert!(zone_database().starts_with("20"), "{}", zone_database());
    assert!(is_zone("Europe/Berlin") && !is_zone("Europe/Atlantis"));
}

fn edge() -> impl Strategy<Value = ClockEdge> {
    prop_oneof![
        4 => (0..=96_i32).prop_map(|quarter| ClockEdge::At(quarter * 900)),
        1 => (-8..8_i32).prop_map(|half| ClockEdge::Sunrise(half * 1800)),
        1 => (-8..8_i32).prop_map(|half| ClockEdge::Sunset(half * 1800)),
    ]
}

fn days() -> impl Strategy<Value = Days> {
    let month_day = || (1..=12_i8, 1..=28_i8).prop_map(|(month, day)| MonthDay { month, day });
    prop_oneof![
        Just(Days::Daily),
        (0..128_u8).prop_map(Days::Week),
        (month_day(), month_day()).prop_map(|(a, b)| Days::Yearly(a, b)),
        Just(Days::Holidays),
    ]
}

fn sched() -> impl Strategy<Value = Sched> {
    let leaf = prop_oneof![
        days().prop_map(Sched::Days),
        (days(), edge(), edge()).prop_map(|(days, from, to)| Sched::Window { days, from, to }),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Sched::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Sched::Or),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Sched::Except(Box::new(a), Box::new(b))),
            inner.prop_map(|part| Sched::Not(Box::new(part))),
        ]
    })
}

fn zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Havana",
        "UTC",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn boundaries_and_windows_agree_with_contains(
        zone in zone(),
        latitude in prop::sample::select(vec!["42.36", "69.65", "-31.5", "0"]),
        sched in sched(),
        from in 1_770_000_000_i64..1_810_000_000,
        len in 1_i64..1_500_000,
        probes in prop::collection::vec(0_i64..1_500_000, 40),
    ) {
        let cal = at_place(zone, latitude, "-71.05");
        let (from, to) = (Instant(from), Instant(from + len));
        let windows = cal.windows(&sched, from, to);
        let boundaries = cal.boundaries(&sched, from, to);
        let changes = cal.clock_changes(from, to);
        let near = boundaries.iter().chain(&changes).flat_map(|at| [at.plus(-1), *at, at.plus(1)]);
        for at in probes.iter().map(|probe| from.plus(probe % len)).chain(near) {
            if at < from || at >= to {
                continue;
            }
            let inside = windows.iter().any(|(start, end)| (*start..*end).contains(&at));
            prop_assert_eq!(cal.contains(&sched, at), inside, "at {}", cal.rfc3339(at));
        }
        for pair in windows.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0, "pieces are maximal and sorted");
        }
    }

    #[test]
    fn civil_and_instant_are_inverse(zone in zone(), at in 1_770_000_000_i64..1_810_000_000) {
        let cal = calendar(zone);
        let (date, second_of_day, _) = cal.civil(Instant(at));
        let first = cal.instant(CivilInstant { date, second_of_day, second: false }).unwrap();
        let second = cal.instant(CivilInstant { date, second_of_day, second: true }).unwrap_or(first);
        prop_assert!(first.0 == at || second.0 == at);
    }

    #[test]
    fn every_instant_has_its_period(zone in zone(), at in 1_770_000_000_i64..1_810_000_000) {
        let cal = calendar(zone);
        for per in [Period::Day, Period::Week, Period::Month, Period::Year] {
            let (start, end) = cal.period(per, Instant(at));
            prop_assert!(start.0 <= at && at < end.0);
            prop_assert_eq!(cal.period(per, start), (start, end));
            prop_assert_eq!(cal.period(per, end).0, end);
        }
    }
}
