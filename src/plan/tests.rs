//! Optima worked out by hand, one for each family.

use super::scene::{Allowance, Ask, Due, DueKind, Origins, Owner, PeakCharge, Running, Stay, Total, What};
use super::solve::Failure;
use super::testing::*;
use crate::ir::*;
use crate::quantity::Rat;

fn close(found: &[f64], want: &[f64]) {
    assert_eq!(found.len(), want.len());
    for (f, w) in found.iter().zip(want) {
        assert!((f - w).abs() < 1e-6, "found {found:?}, want {want:?}");
    }
}

fn owner(class: u32) -> Owner {
    Owner { statement: Statement::Effect(RuleId(0), 0), class: Some(ClassId(class)) }
}

#[test]
fn a_load_is_bought() {
    let mut s = site();
    let g = grid(&mut s, "10", "0");
    load(&mut s, "l", "2");
    let scene = scene(&s, &[0.1, 0.3], 0.0);
    let solved = run(&scene).unwrap();
    close(&values(&solved, g, &Attr::Import), &[2.0, 2.0]);
    assert!((money(&solved) - 0.8).abs() < 1e-9);
}

#[test]
fn a_store_moves_energy_where_the_price_pays_for_the_loss() {
    let mut s = site();
    let g = grid(&mut s, "10", "0");
    load(&mut s, "l", "1");
    let b = store(&mut s, "b", "10", "5", End::ExactlyStart);
    let mut scene = scene(&s, &[0.1, 0.3, 0.11], 0.0);
    scene.levels.insert(b, 5.0);
    let solved = run(&scene).unwrap();
    // 1 kWh in the dear hour needs 1 / 0.81 kWh in the cheap one
    close(&values(&solved, b, &Attr::Discharge), &[0.0, 1.0, 0.0]);
    close(&values(&solved, b, &Attr::Charge), &[1.0 / 0.81, 0.0, 0.0]);
    close(&values(&solved, g, &Attr::Import), &[1.0 + 1.0 / 0.81, 0.0, 1.0]);
}

#[test]
fn a_store_left_alone_at_the_end_is_priced() {
    let mut s = site();
    grid(&mut s, "10", "0");
    load(&mut s, "l", "1");
    let b = store(&mut s, "b", "10", "5", End::Default);
    let mut scene = scene(&s, &[0.2, 0.2], 0.0);
    scene.levels.insert(b, 5.0);
    // emptying 1 / 0.9 kWh saves 0.2 and costs 0.2 / 0.9 / 0.9 at the end
    close(&values(&run(&scene).unwrap(), b, &Attr::Discharge), &[0.0, 0.0]);
}

#[test]
fn both_directions_never_run_together() {
    // with a negative price, wasting energy by charging and discharging at once would pay
    let mut s = site();
    let g = grid(&mut s, "10", "5");
    let b = store(&mut s, "b", "2", "5", End::Free);
    let mut scene = scene(&s, &[-0.5, -0.5, -0.5], -0.9);
    scene.levels.insert(b, 1.0);
    let solved = run(&scene).unwrap();
    let (c, d) = (values(&solved, b, &Attr::Charge), values(&solved, b, &Attr::Discharge));
    let (i, e) = (values(&solved, g, &Attr::Import), values(&solved, g, &Attr::Export));
    for t in 0..3 {
        assert!(c[t].min(d[t]) < 1e-6 && i[t].min(e[t]) < 1e-6, "{c:?} {d:?} {i:?} {e:?}");
    }
    // only the room in the store can be filled: 1 / 0.9 kWh
    assert!((i.iter().sum::<f64>() - 1.0 / 0.9).abs() < 1e-6, "{i:?}");
}

#[test]
fn energy_is_not_burned_by_both_directions_at_once() {
    // prices are positive, and the store has to end emptier with nowhere to go: charging and
    // discharging together would lose a fifth of what goes round
    let mut s = site();
    grid(&mut s, "10", "0");
    let b = store(&mut s, "b", "10", "5", End::Exactly(rat("0.9")));
    let mut scene = scene(&s, &[0.2, 0.3], 0.0);
    scene.levels.insert(b, 10.0);
    let Err(Failure::Infeasible(conflict)) = run(&scene) else { panic!("a plan was found") };
    let statements: Vec<_> = conflict.members.iter().map(|m| m.owner.statement).collect();
    assert!(statements.contains(&Statement::Device(b.family)), "{conflict:?}");
    // a load takes it, and nothing goes round
    load(&mut s, "l", "0.45");
    let mut scene = super::testing::scene(&s, &[0.2, 0.3], 0.0);
    scene.levels.insert(b, 10.0);
    let solved = run(&scene).unwrap();
    let (c, d) = (values(&solved, b, &Attr::Charge), values(&solved, b, &Attr::Discharge));
    assert!((0..2).all(|t| c[t].min(d[t]) < 1e-6), "{c:?} {d:?}");
    close(&d, &[0.45, 0.45]);
}

#[test]
fn renewables_are_curtailed_rather_than_sold_at_a_loss() {
    let mut s = site();
    let g = grid(&mut s, "10", "10");
    let model = Model::Renewable { rated: rat("4"), output: None, must_take: false };
    let pv = device(&mut s, "pv", Role::Producer, "pv", model);
    load(&mut s, "l", "1");
    let scene = scene(&s, &[0.2], -0.1);
    let solved = run(&scene).unwrap();
    close(&values(&solved, pv, &Attr::Power), &[1.0]);
    close(&values(&solved, g, &Attr::Export), &[0.0]);
}

#[test]
fn a_generator_starts_only_where_it_pays() {
    let mut s = site();
    grid(&mut s, "10", "0");
    let model = Model::Generator {
        rated: rat("4"),
        minimum: rat("2"),
        fuel_cost: rat("0.1"),
        start_cost: rat("0.5"),
        ramp: None,
        min_up_s: 0,
        min_down_s: 0,
        carbon: rat("0"),
        grid_forming: false,
    };
    let fc = device(&mut s, "fc", Role::Producer, "fuel_cell", model);
    load(&mut s, "l", "3");
    let mut scene = scene(&s, &[0.2, 0.3, 0.2], 0.0);
    scene.running.insert(fc, Running { on: false, for_s: 100_000 });
    // alone each hour saves 0.3, 0.6, 0.3: worth one start of 0.5 for all three
    let solved = run(&scene).unwrap();
    close(&values(&solved, fc, &Attr::Power), &[3.0, 3.0, 3.0]);
    assert!((money(&solved) - (0.9 + 0.5)).abs() < 1e-6);
}

#[test]
fn minimum_up_time_holds_a_machine_on() {
    let mut s = site();
    grid(&mut s, "10", "10");
    let model = Model::Generator {
        rated: rat("4"),
        minimum: rat("4"),
        fuel_cost: rat("0.1"),
        start_cost: rat("0"),
        ramp: None,
        min_up_s: 7200,
        min_down_s: 0,
        carbon: rat("0"),
        grid_forming: false,
    };
    let fc = device(&mut s, "fc", Role::Producer, "fuel_cell", model);
    load(&mut s, "l", "4");
    let mut scene = scene(&s, &[0.0, 0.3, 0.05, 0.0], 0.0);
    scene.running.insert(fc, Running { on: false, for_s: 100_000 });
    let solved = run(&scene).unwrap();
    close(&values(&solved, fc, &Attr::Power), &[0.0, 4.0, 4.0, 0.0]);
}

#[test]
fn shedding_costs_what_it_is_declared_to_cost() {
    let mut s = site();
    grid(&mut s, "1", "0");
    let model = Consumer { need: Need::Constant(rat("3")), shed_price: Some(rat("2")), ..consumer() };
    let l = flexible(&mut s, "l", &[("0", "3")], model);
    let scene = scene(&s, &[0.2], 0.0);
    let solved = run(&scene).unwrap();
    close(&values(&solved, l, &Attr::Power), &[1.0]);
    assert!((money(&solved) - (0.2 + 4.0)).abs() < 1e-9);
}

#[test]
fn a_delivery_is_made_in_the_cheap_hours_of_its_window() {
    let mut s = site();
    grid(&mut s, "20", "0");
    let ev = flexible(&mut s, "ev", &[("0", "0"), ("2", "8")], consumer());
    let mut scene = scene(&s, &[0.1, 0.4, 0.2, 0.05], 0.0);
    scene.dues.push(Due {
        owner: owner(1),
        device: ev,
        kind: DueKind::Deliver(9.0),
        steps: 0..3,
        beyond: 0.0,
        whole: 9.0,
        wish: None,
        when: None,
    });
    // 8 kWh at 0.1; the last kWh cannot come alone, for less than 2 kW does not flow
    let solved = run(&scene).unwrap();
    let power = values(&solved, ev, &Attr::Power);
    close(&power, &[7.0, 0.0, 2.0, 0.0]);
}

#[test]
fn an_uninterrupted_run_is_one_piece() {
    let mut s = site();
    grid(&mut s, "20", "0");
    let w = flexible(&mut s, "w", &[("0", "0"), ("2", "2")], consumer());
    let mut scene = scene(&s, &[0.1, 0.9, 0.1, 0.3, 0.2], 0.0);
    let due = Due {
        owner: owner(1),
        device: w,
        kind: DueKind::Run { hours: 2.0, uninterrupted: true, begun: false },
        steps: 0..5,
        beyond: 0.0,
        whole: 2.0,
        wish: None,
        when: None,
    };
    scene.dues.push(due);
    close(&values(&run(&scene).unwrap(), w, &Attr::Power), &[0.0, 0.0, 2.0, 2.0, 0.0]);
    scene.dues[0].kind = DueKind::Run { hours: 2.0, uninterrupted: false, begun: false };
    close(&values(&run(&scene).unwrap(), w, &Attr::Power), &[2.0, 0.0, 2.0, 0.0, 0.0]);
}

#[test]
fn a_demand_charge_is_paid_above_what_is_known() {
    let mut s = site();
    let g = grid(&mut s, "20", "0");
    let ev = flexible(&mut s, "ev", &[("0", "8")], consumer());
    let mut scene = scene(&s, &[0.1, 0.2, 0.3], 0.0);
    scene.dues.push(Due {
        owner: owner(1),
        device: ev,
        kind: DueKind::Deliver(9.0),
        steps: 0..3,
        beyond: 0.0,
        whole: 9.0,
        wish: None,
        when: None,
    });
    let interval = |t| (vec![(t, 1.0)], 0.0);
    scene.charges.push(PeakCharge {
        tariff: TariffId(0),
        charge: 0,
        month: 0,
        grid: g,
        price: 10.0,
        known: 4.0,
        intervals: (0..3).map(interval).collect(),
    });
    let solved = run(&scene).unwrap();
    close(&values(&solved, ev, &Attr::Power), &[4.0, 4.0, 1.0]);
    scene.charges[0].known = 0.0;
    let solved = run(&scene).unwrap();
    close(&values(&solved, ev, &Attr::Power), &[3.0, 3.0, 3.0]);
    assert!((money(&solved) - (0.3 + 0.6 + 0.9 + 30.0)).abs() < 1e-6);
}

#[test]
fn a_zone_is_heated_just_enough() {
    let mut s = site();
    grid(&mut s, "20", "0");
    let zone = ZoneId(0);
    s.zones.push(Zone {
        id: zone,
        name: "z".to_owned(),
        heat_capacity: rat("10"),
        heat_loss: rat("1"),
        gains: None,
        outdoor: Some(SignalId(0)),
        comfort: Vec::new(),
        class: Some(ClassId(2)),
        range: (rat("273"), rat("313")),
        thermostats: Vec::new(),
        readings: std::collections::BTreeMap::new(),
        span: span(),
    });
    let model = Consumer { heats: Some(zone), cop: vec![(rat("280"), rat("3"))], ..consumer() };
    let hp = flexible(&mut s, "hp", &[("0", "9")], model);
    let mut scene = scene(&s, &[0.2, 0.2], 0.0);
    scene.series.insert(SigRef::Only(SignalId(0)), vec![283.0, 283.0]);
    scene.temperatures.insert(zone, 293.0);
    scene.bands.insert(zone, vec![Some((293.0, 299.0)); 2]);
    let solved = run(&scene).unwrap();
    // in the steady state the heat is UA (T - T_out) = 10 kW, a third of it electrical
    close(&values(&solved, hp, &Attr::Power), &[10.0 / 3.0, 10.0 / 3.0]);
}

#[test]
fn a_zone_found_cold_is_brought_back_and_nobody_is_blamed() {
    let mut s = site();
    grid(&mut s, "100", "0");
    let zone = ZoneId(0);
    s.zones.push(Zone {
        id: zone,
        name: "z".to_owned(),
        heat_capacity: rat("10"),
        heat_loss: rat("1"),
        gains: None,
        outdoor: Some(SignalId(0)),
        comfort: Vec::new(),
        class: Some(ClassId(2)),
        range: (rat("273"), rat("313")),
        thermostats: Vec::new(),
        readings: std::collections::BTreeMap::new(),
        span: span(),
    });
    let hp = flexible(&mut s, "hp", &[("0", "60")], Consumer { heats: Some(zone), ..consumer() });
    let mut scene = scene(&s, &[0.2, 0.2, 0.2], 0.0);
    scene.series.insert(SigRef::Only(SignalId(0)), vec![283.0; 3]);
    scene.temperatures.insert(zone, 290.0);
    scene.bands.insert(zone, vec![Some((293.0, 299.0)); 3]);
    let power = values(&run(&scene).unwrap(), hp, &Attr::Power);
    let a = (-0.1_f64).exp();
    // straight to 293 K, then what keeps it there
    close(&power, &[(293.0 - 290.0 * a) / (1.0 - a) - 283.0, 10.0, 10.0]);
}

#[test]
fn a_link_loses_on_the_way_and_goes_one_way_at_a_time() {
    let mut s = site();
    for (i, name) in ["ac", "dc"].iter().enumerate() {
        s.buses.push(Bus {
            id: BusId::at(i),
            name: (*name).to_owned(),
            supply: None,
            limit: None,
            phase_limit: None,
            span: span(),
        });
    }
    s.links.push(Link {
        id: LinkId(0),
        name: "rectifier".to_owned(),
        from: BusId(0),
        to: BusId(1),
        both: true,
        capacity: rat("5"),
        capacity_back: rat("5"),
        efficiency: rat("0.8"),
        wear: (rat("0"), rat("0")),
        span: span(),
    });
    let g = grid(&mut s, "20", "0");
    let l = load(&mut s, "l", "2");
    s.families[g.family.index()].bus = Some(BusId(0));
    s.families[l.family.index()].bus = Some(BusId(1));
    let scene = scene(&s, &[0.2], 0.0);
    close(&values(&run(&scene).unwrap(), g, &Attr::Import), &[2.5]);
}

#[test]
fn totals_and_budgets_bind() {
    let mut s = site();
    grid(&mut s, "20", "0");
    let a = flexible(&mut s, "a", &[("0", "5")], consumer());
    let b = flexible(&mut s, "b", &[("0", "5")], consumer());
    let mut scene = scene(&s, &[0.1, 0.2], 0.0);
    for device in [a, b] {
        scene.dues.push(Due {
            owner: owner(2),
            device,
            kind: DueKind::Deliver(4.0),
            steps: 0..2,
            beyond: 0.0,
            whole: 4.0,
            wish: None,
            when: None,
        });
    }
    scene.groups.push(vec![(a, Attr::Power), (b, Attr::Power)]);
    for t in 0..2 {
        scene.totals.push(Total {
            owner: Owner { statement: Statement::Effect(RuleId(1), 0), class: Some(ClassId(1)) },
            group: 0,
            steps: vec![(t, 1.0)],
            known: 0.0,
            lo: 0.0,
            hi: 6.0,
            width: 10.0,
            hours: 1.0,
            preference: false,
            price: None,
            when: None,
        });
    }
    let solved = run(&scene).unwrap();
    let sum = |t: usize| values(&solved, a, &Attr::Power)[t] + values(&solved, b, &Attr::Power)[t];
    assert!((sum(0) - 6.0).abs() < 1e-6 && (sum(1) - 2.0).abs() < 1e-6);
    // a budget of a higher class leaves 3 kWh undelivered, and the plan says so
    scene.allowances.push(Allowance {
        owner: Owner { statement: Statement::Budget(BudgetId(0)), class: Some(ClassId(1)) },
        quantity: BudgetQuantity::Consumption,
        group: 0,
        steps: 0..2,
        left: 5.0,
        cap: 5.0,
        pace: None,
    });
    let solved = run(&scene).unwrap();
    let total: f64 = [a, b].iter().map(|d| values(&solved, *d, &Attr::Power).iter().sum::<f64>()).sum();
    assert!((total - 5.0).abs() < 1e-6, "{total}");
}

#[test]
fn what_cannot_hold_together_is_named() {
    let mut s = site();
    grid(&mut s, "2", "0");
    let ev = flexible(&mut s, "ev", &[("0", "8")], consumer());
    let mut scene = scene(&s, &[0.1, 0.2], 0.0);
    scene.dues.push(Due {
        owner: owner(1),
        device: ev,
        kind: DueKind::Deliver(9.0),
        steps: 0..2,
        beyond: 0.0,
        whole: 9.0,
        wish: None,
        when: None,
    });
    let Err(Failure::Infeasible(conflict)) = run(&scene) else { panic!("a plan was found") };
    let due = conflict.members.iter().find(|m| m.owner == owner(1)).expect("the delivery is named");
    assert!((due.most - 5.0).abs() < 1e-6, "{conflict:?}");
    assert!(conflict.members.iter().any(|m| m.owner.statement == Statement::Device(FamilyId(0))));
}

#[test]
fn preferences_yield_to_nothing_but_obligations() {
    let mut s = site();
    grid(&mut s, "20", "0");
    let ev = flexible(&mut s, "ev", &[("0", "8")], consumer());
    let mut scene = scene(&s, &[0.1, 0.2], 0.0);
    let wish = |lo: f64, hi: f64, price| Ask {
        owner: owner(3),
        what: What::Device(ev, Attr::Power),
        step: 1,
        lo,
        hi,
        width: 8.0,
        pieces: Vec::new(),
        preference: true,
        price,
        when: None,
    };
    scene.asks.push(wish(3.0, 8.0, None));
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[0.0, 3.0]);
    // a wish that costs less to breach than to grant is breached
    scene.asks[0].price = Some(0.05);
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[0.0, 0.0]);
    scene.asks[0].price = Some(0.5);
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[0.0, 3.0]);
}

#[test]
fn a_vehicle_takes_only_while_it_is_there() {
    let mut s = site();
    grid(&mut s, "20", "0");
    let model = Consumer { sessions: Some(FeedId(0)), ..consumer() };
    let ev = flexible(&mut s, "ev", &[("0", "0"), ("1", "8")], model);
    let mut scene = scene(&s, &[0.1, 0.3, 0.2, 0.1], 0.0);
    scene.stays.insert(ev, vec![Stay { steps: 1..3, power: 4.0, room: 6.0, one_phase: false }]);
    scene.dues.push(Due {
        owner: owner(3),
        device: ev,
        kind: DueKind::Deliver(6.0),
        steps: 1..3,
        beyond: 0.0,
        whole: 6.0,
        wish: None,
        when: None,
    });
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[0.0, 2.0, 4.0, 0.0]);
}

/// A bus of 400 V with three phases of `amps` each.
fn main_bus(s: &mut Site, name: &str, amps: Option<&str>) -> BusId {
    let id = BusId::at(s.buses.len());
    s.buses.push(Bus {
        id,
        name: name.to_owned(),
        supply: Some(Supply { ac: true, volts: Some(rat("400")), phases: 3 }),
        limit: None,
        phase_limit: amps.map(rat),
        span: span(),
    });
    id
}

#[test]
fn a_vehicle_on_one_phase_loads_it_threefold() {
    let mut s = site();
    let main = main_bus(&mut s, "main", Some("16"));
    let utility = grid(&mut s, "20", "0");
    let model = Consumer { sessions: Some(FeedId(0)), ..consumer() };
    let ev = flexible(&mut s, "ev", &[("0", "11")], model);
    for device in [utility, ev] {
        s.families[device.family.index()].bus = Some(main);
    }
    let mut scene = scene(&s, &[-0.1, -0.1], 0.0);
    let stay = |steps, one_phase| Stay { steps, power: 11.0, room: 100.0, one_phase };
    scene.stays.insert(ev, vec![stay(0..1, false), stay(1..2, true)]);
    // 16 A x 1.732 x 400 V x 0.9, and 16 A x 230.94 V x 0.9
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[9.976_32, 3.325_538]);
}

#[test]
fn what_a_link_takes_loads_the_phases_of_its_bus() {
    let mut s = site();
    let main = main_bus(&mut s, "main", Some("16"));
    let stalls = main_bus(&mut s, "stalls", None);
    let utility = grid(&mut s, "20", "0");
    let ev = flexible(&mut s, "ev", &[("0", "11")], consumer());
    s.families[utility.family.index()].bus = Some(main);
    s.families[ev.family.index()].bus = Some(stalls);
    s.links.push(Link {
        id: LinkId(0),
        name: "feeder".to_owned(),
        from: main,
        to: stalls,
        both: false,
        capacity: rat("20"),
        capacity_back: Rat::ZERO,
        efficiency: Rat::ONE,
        wear: (Rat::ZERO, Rat::ZERO),
        span: span(),
    });
    let scene = scene(&s, &[-0.1], 0.0);
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[9.976_32]);
}

#[test]
fn equal_machines_are_counted() {
    let mut s = site();
    grid(&mut s, "100", "0");
    let model = Consumer { need: Need::None, ..consumer() };
    let ev = flexible(&mut s, "ev", &[("0", "0"), ("2", "8")], model);
    s.families[ev.family.index()].count = Some(10);
    let mut scene = scene(&s, &[-0.1, 0.2], 0.0);
    scene.groups.push((1..=10).map(|index| (Device { index, ..ev }, Attr::Power)).collect());
    scene.totals.push(Total {
        owner: owner(1),
        group: 0,
        steps: vec![(0, 1.0)],
        known: 0.0,
        lo: 0.0,
        hi: 33.0,
        width: 80.0,
        hours: 1.0,
        preference: false,
        price: None,
        when: None,
    });
    let solved = run(&scene).unwrap();
    assert_eq!(solved.model.units.len(), 2, "ten chargers are one unit");
    close(&values(&solved, ev, &Attr::Power), &[3.3, 0.0]);
}

#[test]
fn further_goals_spend_only_what_they_may() {
    let mut s = site();
    s.objective.levels = vec![
        ObjectiveLevel { goal: Goal::Cost, within: Some(rat("0.1")) },
        ObjectiveLevel { goal: Goal::Peak, within: None },
    ];
    let g = grid(&mut s, "20", "0");
    let ev = flexible(&mut s, "ev", &[("0", "8")], consumer());
    let mut scene = scene(&s, &[0.1, 0.2], 0.0);
    scene.dues.push(Due {
        owner: owner(1),
        device: ev,
        kind: DueKind::Deliver(8.0),
        steps: 0..2,
        beyond: 0.0,
        whole: 8.0,
        wish: None,
        when: None,
    });
    // the optimum is 0.8; a tenth more buys 0.8 kWh in the dear hour
    let solved = run(&scene).unwrap();
    close(&values(&solved, g, &Attr::Import), &[7.2, 0.8]);
}

#[test]
fn a_restricted_taker_gets_only_what_it_may() {
    let mut s = site();
    let g = grid(&mut s, "20", "20");
    let model = Model::Renewable { rated: rat("3"), output: None, must_take: false };
    let pv = device(&mut s, "pv", Role::Producer, "pv", model);
    let b = store(&mut s, "b", "10", "5", End::Free);
    let ev = flexible(&mut s, "ev", &[("0", "8")], consumer());
    load(&mut s, "l", "1");
    let mut scene = scene(&s, &[0.1, 0.4], 0.05);
    scene.levels.insert(b, 0.0);
    scene.dues.push(Due {
        owner: owner(2),
        device: ev,
        kind: DueKind::Deliver(5.0),
        steps: 0..2,
        beyond: 0.0,
        whole: 5.0,
        wish: None,
        when: None,
    });
    for step in 0..2 {
        scene.origins.push(Origins {
            owner: owner(1),
            device: ev,
            step,
            from: vec![pv],
            wish: None,
            when: None,
        });
    }
    // the sun's 3 kW an hour go to the vehicle, up to the 5 kWh it is owed; the load is bought
    let solved = run(&scene).unwrap();
    let power = values(&solved, ev, &Attr::Power);
    assert!(power.iter().all(|p| *p <= 3.0 + 1e-6) && (power.iter().sum::<f64>() - 5.0).abs() < 1e-6);
    assert!(values(&solved, g, &Attr::Import)[0] > 0.5);
    // with nothing allowed it gets nothing: the delivery of the lower class is breached
    for origins in &mut scene.origins {
        origins.from.clear();
    }
    close(&values(&run(&scene).unwrap(), ev, &Attr::Power), &[0.0, 0.0]);
}
