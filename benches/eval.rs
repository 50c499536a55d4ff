//! The calendar and the evaluator: a year of boundaries, one step of a site.

use divan::{Bencher, black_box};
use evl::calendar::{Calendar, Instant};
use evl::eval::{Environment, Evaluator};
use evl::ir::testkit as kit;
use evl::ir::{
    Attr, ClockEdge, Days, Guard, Location, MonthDay, Sched, Share, SigRef, Site, Target, Value, Verb,
};
use evl::quantity::Rat;

fn main() {
    divan::main();
}

const START: Instant = Instant(1_767_225_600);
const YEAR: i64 = 365 * 86_400;

/// Twenty schedules as sites have them: office hours, seasons, peaks, darkness.
fn schedules() -> Vec<Sched> {
    let weekdays = Days::Week(0b001_1111);
    let dark = Sched::Window { days: Days::Daily, from: ClockEdge::Sunset(0), to: ClockEdge::Sunrise(0) };
    let day = |month, day| MonthDay { month, day };
    let summer = Sched::Days(Days::Yearly(day(6, 1), day(9, 30)));
    (0..20)
        .map(|i| match i % 4 {
            0 => Sched::Except(
                Box::new(kit::hours(weekdays.clone(), 6 + i / 4, 18)),
                Box::new(Sched::Days(Days::Holidays)),
            ),
            1 => Sched::And(vec![summer.clone(), kit::hours(weekdays.clone(), 14 + i / 4, 21)]),
            2 => kit::hours(Days::Daily, 20, 2 + i / 4),
            _ => dark.clone(),
        })
        .collect()
}

/// 30 devices, 50 rules over 10 signals and the clock.
fn site() -> Site {
    let mut site = kit::site();
    site.timezone = "America/New_York".into();
    site.location = Some(Location { latitude: kit::rat("42.36"), longitude: kit::rat("-71.05") });
    let loads: Vec<_> =
        (0..20).map(|i| kit::consumer(&mut site, &format!("load{i}"), &[("0", "50")])).collect();
    let chargers = kit::consumer(&mut site, "charger", &[("0", "0"), ("1.4", "11")]);
    kit::array(&mut site, chargers, 8);
    let pack = kit::battery(&mut site, "pack", "50");
    kit::grid(&mut site, "grid", "250", None);
    let evs = kit::group(&mut site, "evs", &[kit::members(chargers, 1, 8)]);
    let signals: Vec<_> = (0..10).map(|i| kit::signal(&mut site, &format!("s{i}"), "0", "100")).collect();
    for i in 0..50_u32 {
        let at = i as usize;
        let load = loads.get(at % 20).copied().unwrap_or(pack);
        let (target, kind) = match i % 5 {
            0 => (Target::Group(evs), kit::at_most(Attr::Power, "7")),
            1 => (Target::Group(evs), kit::bound(Attr::Power, None, Some("60"), Share::Together)),
            2 => (kit::one(pack), kit::at_least(Attr::ChargeLevel, "0.3")),
            _ => (kit::one(load), kit::at_most(Attr::Power, "40")),
        };
        let when = Guard::All(vec![
            kit::above(signals.get(at % 10).copied().unwrap_or(evl::ir::SignalId(0)), "20"),
            Guard::During(kit::hours(Days::Week(0b001_1111), 6, 20)),
        ]);
        kit::rule(&mut site, &format!("r{i}"), i % 6, Verb::Limit, target, kind).when = when;
    }
    site
}

fn environment() -> Environment {
    let mut env = Environment::new(Instant(1_784_046_600));
    for i in 0..10_u32 {
        let value = Value::Number(Rat::int(i64::from(i) * 8));
        env = env.with(SigRef::Only(evl::ir::SignalId(i)), value);
    }
    env
}

#[divan::bench]
fn calendar_new(bencher: Bencher<'_, '_>) {
    let site = site();
    bencher.bench_local(|| Calendar::new(black_box(&site)).is_ok());
}

#[divan::bench]
fn year_of_boundaries_of_20_schedules(bencher: Bencher<'_, '_>) {
    let Ok(cal) = Calendar::new(&site()) else { return };
    let all = schedules();
    bencher.bench_local(|| {
        all.iter().map(|sched| cal.boundaries(sched, START, START.plus(YEAR)).len()).sum::<usize>()
    });
}

#[divan::bench]
fn contains_20_schedules(bencher: Bencher<'_, '_>) {
    let Ok(cal) = Calendar::new(&site()) else { return };
    let all = schedules();
    bencher.bench_local(|| all.iter().filter(|sched| cal.contains(sched, black_box(START))).count());
}

#[divan::bench]
fn evaluator_new(bencher: Bencher<'_, '_>) {
    let site = site();
    let Ok(cal) = Calendar::new(&site) else { return };
    bencher.bench_local(|| drop(black_box(Evaluator::new(&site, &cal))));
}

#[divan::bench]
fn evaluate_one_step_30_devices_50_rules(bencher: Bencher<'_, '_>) {
    let site = site();
    let Ok(cal) = Calendar::new(&site) else { return };
    let evaluator = Evaluator::new(&site, &cal);
    let env = environment();
    bencher.bench_local(|| evaluator.evaluate(black_box(&env)));
}
