//! Simulation and verification against arithmetic by hand.

use proptest::prelude::*;

use super::*;
use crate::bundle::{CommandForm, FollowingSeries, GroupSeries, Split};
use crate::calendar::Instant;
use crate::ir::testkit::{self, rat};
use crate::ir::{Attr, Device, End, FamilyId, Model, Need, SigRef, SignalId, ZoneId};
use crate::quantity::{Rat, Type};

pub(super) fn steps(count: i64, seconds: i64) -> Vec<Step> {
    let from: Instant = "2026-07-14T00:00:00Z".parse().unwrap();
    (0..count).map(|i| Step { start: from.plus(i * seconds), end: from.plus((i + 1) * seconds) }).collect()
}

pub(super) fn command(device: &str, attr: Attr, form: CommandForm, counts: &[i64]) -> CommandSeries {
    CommandSeries {
        device: device.into(),
        unit: if matches!(attr, Attr::On) { String::new() } else { "kW".into() },
        step: if matches!(attr, Attr::On) { Rat::ONE } else { rat("0.001") },
        attr,
        form,
        counts: counts.to_vec(),
    }
}

static NOBODY: BTreeSet<Device> = BTreeSet::new();

/// A plan under test.
pub(super) struct Setup {
    pub(super) site: Site,
    pub(super) steps: Vec<Step>,
    pub(super) given: OnSteps,
    pub(super) state: State,
    pub(super) commands: Vec<CommandSeries>,
    pub(super) groups: Vec<GroupSeries>,
    pub(super) following: Vec<FollowingSeries>,
}

impl Setup {
    pub(super) fn new(count: i64, seconds: i64) -> Self {
        let mut site = testkit::site();
        fixture::bus(&mut site, "main", Some("400"));
        let steps = steps(count, seconds);
        let state = State::new(&site.name, steps[0].start);
        Self {
            site,
            steps,
            given: OnSteps::default(),
            state,
            commands: Vec::new(),
            groups: Vec::new(),
            following: Vec::new(),
        }
    }

    pub(super) fn given(&mut self, name: &str, ty: Type, values: &[&str]) -> SignalId {
        let id = fixture::signal(&mut self.site, name, ty, "0", "1000");
        self.given.put(SigRef::Only(id), values.iter().map(|v| rat(v)).collect());
        id
    }

    pub(super) fn case(&self) -> Case<'_> {
        Case {
            site: &self.site,
            steps: &self.steps,
            given: &self.given,
            state: &self.state,
            sessions: &[],
            commands: &self.commands,
            groups: &self.groups,
            following: &self.following,
            steered: &[],
            excluded: &NOBODY,
        }
    }

    fn level(&mut self, name: &str, level: &str) {
        self.state.levels.insert(name.into(), level.parse().unwrap());
    }

    fn power(&self, trajectory: &Trajectory, family: FamilyId, attr: Attr) -> Vec<String> {
        let run = trajectory.run_of(Device { family, index: 1 }).unwrap();
        (0..self.steps.len()).map(|step| run.power(&attr, step).recorded().to_string()).collect()
    }
}

fn device(family: FamilyId) -> Device {
    Device { family, index: 1 }
}

#[test]
fn the_grid_takes_what_is_left_over() {
    let mut s = Setup::new(3, 900);
    let load = s.given("feed.load", Type::Power, &["4", "4", "1/3"]);
    let sun = s.given("feed.pv", Type::Power, &["0", "9", "2"]);
    let grid = fixture::grid(&mut s.site, "100", "100", None);
    let solar = fixture::pv(&mut s.site, "8", sun);
    fixture::load(&mut s.site, load);
    let pack = fixture::battery(&mut s.site, "pack", "10", "5");
    s.level("pack", "5 kWh");
    s.commands = vec![
        command("pack", Attr::Charge, CommandForm::Fixed, &[0, 2000, 0]),
        command("pack", Attr::Discharge, CommandForm::Fixed, &[1000, 0, 0]),
        command("solar", Attr::Power, CommandForm::AtMost, &[8000, 8000, 500]),
    ];
    let t = simulate(&s.case()).unwrap();
    // the sun gives 9, the inverter 8: 8 - 4 - 2 are left
    assert_eq!(s.power(&t, solar, Attr::Power), ["0", "8", "0.5"]);
    assert_eq!(s.power(&t, grid, Attr::Import), ["3", "0", "0"]);
    assert_eq!(s.power(&t, grid, Attr::Export), ["0", "2", "0.166666667"]);
    // 5 - 1/4/0.95, then + 2/4 * 0.95
    let content = &t.contents[&device(pack)];
    assert_eq!(content.recorded(), [rat("4.736842105"), rat("5.211842105"), rat("5.211842105")]);
    assert!(content.at_most(0, &rat("90/19")) && content.at_least(0, &rat("90/19")));
    assert!(!content.at_least(0, &rat("4.7368421053")));
    assert!(t.stuck.is_empty());
}

#[test]
fn self_discharge_is_enclosed() {
    let mut s = Setup::new(4, 3600);
    fixture::grid(&mut s.site, "100", "100", None);
    let pack = fixture::battery(&mut s.site, "pack", "10", "5");
    if let Model::Store(store) = &mut s.site.families[pack.index()].model {
        store.self_discharge = rat("0.01");
        store.end = End::Free;
    }
    s.level("pack", "80 %");
    let t = simulate(&s.case()).unwrap();
    // 8 * 0.99^4
    assert!(t.contents[&device(pack)].after(3).unwrap().records(&rat("7.68476808")));
}

#[test]
fn a_zone_cools_towards_outdoors_and_is_heated() {
    let mut s = Setup::new(2, 3600);
    let outdoor = s.given("weather.temperature", Type::Temperature, &["273.15", "273.15"]);
    fixture::grid(&mut s.site, "100", "100", None);
    let heater = fixture::consumer(&mut s.site, "boiler", Need::None, &[("0", "20")]);
    fixture::zone(&mut s.site, "offices", "1", "1", outdoor);
    if let Model::Consumer(c) = &mut s.site.families[heater.index()].model {
        c.heats = Some(ZoneId(0));
        c.cop = vec![(rat("263.15"), rat("2")), (rat("283.15"), rat("4"))];
    }
    s.state.temperatures.insert("offices".into(), "20 degC".parse().unwrap());
    s.commands = vec![command("boiler", Attr::Power, CommandForm::Fixed, &[0, 2000])];
    let t = simulate(&s.case()).unwrap();
    // a = exp(-1) = 0.367879441171; 20 a, then that times a and (1 - a) * 2 kW * 3 / 1 kW/K
    let zone = &t.temperatures[&ZoneId(0)];
    assert!(zone[0].records(&rat("280.507588823")), "{:?}", zone[0]);
    assert!(zone[1].records(&(rat("273.15") + rat("2.706705665") + rat("3.792723353"))), "{:?}", zone[1]);
}

#[test]
fn equal_devices_are_one_unit_and_groups_are_dealt() {
    let mut s = Setup::new(1, 900);
    let grid = fixture::grid(&mut s.site, "100000", "0", None);
    let lights = fixture::consumer(&mut s.site, "light", Need::Constant(rat("0.02")), &[("0", "0.02")]);
    s.site.families[lights.index()].count = Some(1_000_000);
    let pumps = fixture::consumer(&mut s.site, "pump", Need::None, &[("0", "0"), ("1", "5")]);
    s.site.families[pumps.index()].count = Some(4);
    s.groups = vec![GroupSeries {
        family: "pump".into(),
        members: vec![(1, 4)],
        attr: Attr::Power,
        form: CommandForm::Fixed,
        unit: "kW".into(),
        step: rat("0.001"),
        running: vec![3],
        totals: vec![4001],
        split: Split::First,
    }];
    let t = simulate(&s.case()).unwrap();
    assert_eq!(t.runs.len(), 3);
    assert_eq!(s.power(&t, grid, Attr::Import), ["20004.001"]);
    let counts: Vec<_> = (0..4).map(|place| s.groups[0].count(place, 0).unwrap()).collect();
    assert_eq!(counts, [1334, 1334, 1333, 0]);
}

#[test]
fn commands_that_fit_nothing_are_named() {
    let mut s = Setup::new(2, 900);
    fixture::grid(&mut s.site, "100", "100", None);
    fixture::battery(&mut s.site, "pack", "10", "5");
    let fault = |s: &Setup| simulate(&s.case()).unwrap_err()[0].message.clone();
    let good = command("pack", Attr::Charge, CommandForm::Fixed, &[0, 0]);
    let mut with = |change: fn(&mut CommandSeries)| {
        let mut series = good.clone();
        change(&mut series);
        s.commands = vec![series];
        fault(&s)
    };
    assert_eq!(with(|c| c.device = "sack".into()), "there is no device `sack`");
    assert_eq!(with(|c| c.attr = Attr::Power), "`pack` takes no command for `power`");
    assert_eq!(with(|c| c.counts = vec![0]), "the commands `pack.charge` have 1 values for 2 steps");
    assert_eq!(with(|c| c.unit = "W".into()), "the commands `pack.charge` are in `W`, not in `kW`");
    assert_eq!(
        with(|c| c.step = rat("0.01")),
        "the commands `pack.charge` have register steps of 0.01, the device has 0.001"
    );
    s.commands = vec![good.clone(), good];
    assert_eq!(fault(&s), "`pack.charge` is commanded twice");
}

proptest! {
    #[test]
    fn contents_enclose_exact_arithmetic(
        powers in proptest::collection::vec((0_i64..5000, 0_i64..5000), 1..40),
        eta_c in 500_i128..=1000, eta_d in 500_i128..=1000, start in 0_i128..1000,
    ) {
        let (eta_c, eta_d) = (Rat::ratio(eta_c, 1000).unwrap(), Rat::ratio(eta_d, 1000).unwrap());
        let mut s = Setup::new(powers.len() as i64, 900);
        let pack = fixture::battery(&mut s.site, "pack", "100", "5");
        let Model::Store(store) = &mut s.site.families[pack.index()].model else { unreachable!() };
        (store.efficiency_charge, store.efficiency_discharge) = (eta_c.clone(), eta_d.clone());
        let start = Rat::ratio(start, 7).unwrap();
        let kw = |n: i64| Rat::ratio(i128::from(n), 1000).unwrap();
        let content = Content::run(store, &start, &s.steps, |step| {
            let (c, d) = powers[step];
            (Interval::of(&kw(c)).unwrap(), Interval::of(&kw(d)).unwrap())
        })
        .unwrap();
        let mut exact = start;
        let quarter = rat("0.25");
        for (step, (c, d)) in powers.iter().enumerate() {
            exact = exact + kw(*c) * &quarter * &eta_c - (kw(*d) * &quarter).checked_div(&eta_d).unwrap();
            let found = content.after(step).unwrap();
            prop_assert!(found.lo() <= exact && exact <= found.hi());
            prop_assert!(found.hi() - found.lo() <= rat("0.000000000003"));
        }
    }
}
