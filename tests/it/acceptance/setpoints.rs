//! Zones that are steered by a setpoint: what is commanded, what follows from it, and what is refused.
//!
//! A house of 1 kWh/K that loses 1 kW/K keeps a = 1/e of its distance to the outdoors in an hour. From
//! `T` to `S` its heat pump of 3 kW heat per kW takes `(S + (S - T) a / (1 - a) - T_out) / 3` kW, with
//! a / (1 - a) = 1 / (e - 1) = 0.581976706869.

use evl::bundle::{CommandForm, Document, PlanDocument, Quantity};
use evl::ir::Attr;
use evl::quantity::Rat;
use evl::system::MemorySystem;
use evl::verify::verify;
use proptest::prelude::*;

use super::{Built, words};

const CARRIED: f64 = 0.581_976_706_869;

const HOUSE: &str = r#"
edition 2026
site house {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
gateway plant
weather { source feed.weather, temperature -40 degC .. 60 degC }
feed weather { file "w.csv", time utc, stamp start, step 1 h, column temperature "t" degC }
producer utility : grid { on main, import up to 30 kW, export up to 0 kW, tariff clear }
MACHINE
control lobby : thermostat { controls hall, gateway plant, profile "PROFILE", control command }
zone hall { heat_capacity 1 kWh/K, heat_loss 1 kW/K, temperature BAND in comfort }
tariff clear { import { EARLY EUR/kWh during daily 00:00..02:00, LATE EUR/kWh otherwise } }
"#;

const HEAT_PUMP: &str = "consumer pump : heat_pump { on main, demand 0 kW .. 10 kW, heats hall, cop 3 }";
const CHILLER: &str = "consumer pump : chiller { on main, demand 0 kW .. 10 kW, cools hall, cop 3 }";

/// A register in degrees Fahrenheit.
const FAHRENHEIT: &str = "profile: test/fahrenheit\nclass: control\nfunction: thermostat\nidentity: none\npoints:\n  \
    target: { at: holding 0, type: int16, unit: degF, scale: 1, write: true, range: 40 .. 95 }\ncommands:\n  \
    - { do: setpoint, forms: [fixed], set: [target = value], stays: true }\n";

/// A register in whole K.
const KELVIN: &str = "profile: test/kelvin\nclass: control\nfunction: thermostat\nidentity: none\npoints:\n  \
    target: { at: holding 0, type: int16, unit: degC, scale: 1, write: true, range: 5 .. 35 }\ncommands:\n  \
    - { do: setpoint, forms: [fixed], set: [target = value], stays: true }\n";

/// A machine that takes a setpoint itself.
const FAN_COIL: &str = "profile: test/fan-coil\nclass: consumer\nfunction: hvac\nidentity: none\npoints:\n  \
    target: { at: holding 0, type: int16, unit: degC, scale: 0.1, write: true, range: 10 .. 30 }\ncommands:\n  \
    - { do: setpoint, forms: [fixed], set: [target = value], stays: true }\n";

/// A house with its machine, band, prices of the first two hours and after, and outdoor temperature.
#[derive(Debug, Clone)]
struct House {
    machine: String,
    profile: &'static str,
    band: String,
    prices: (f64, f64),
    outdoor: f64,
    start: f64,
    more: String,
}

impl House {
    fn new(machine: &str, band: &str, outdoor: f64, start: f64) -> Self {
        Self {
            machine: machine.to_owned(),
            profile: "generic/thermostat",
            band: band.to_owned(),
            prices: (0.2, 0.2),
            outdoor,
            start,
            more: String::new(),
        }
    }

    fn policy(&self) -> String {
        HOUSE
            .replace("MACHINE", &self.machine)
            .replace("PROFILE", self.profile)
            .replace("BAND", &self.band)
            .replace("EARLY", &self.prices.0.to_string())
            .replace("LATE", &self.prices.1.to_string())
            + &self.more
    }

    fn built(&self) -> Built {
        let rows: String = (0..6).map(|hour| format!("2026-03-02T0{hour}:00Z,{}\n", self.outdoor)).collect();
        let system = MemorySystem::new()
            .file("site/site.evl", self.policy().as_str())
            .file("site/evl.yaml", "site: house\n")
            .file("site/profiles/test/fahrenheit.yaml", FAHRENHEIT)
            .file("site/profiles/test/fan-coil.yaml", FAN_COIL)
            .file("site/profiles/test/kelvin.yaml", KELVIN)
            .file("site/w.csv", format!("time,t\n{rows}").as_str());
        let state = format!(
            r#"{{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z",
                "temperatures": {{"hall": "{} degC"}}}}"#,
            self.start
        );
        Built::new(&system, "2026-03-02T00:00:00Z", &state)
    }

    fn planned(&self) -> PlanDocument {
        self.built().plan().map_err(|f| words(&f.findings)).unwrap()
    }

    fn refused(&self) -> String {
        words(&self.built().plan().unwrap_err().findings)
    }
}

/// The setpoints, degC.
pub(super) fn setpoints(plan: &PlanDocument) -> Vec<f64> {
    let series = plan.command("hall", &Attr::Setpoint).unwrap();
    assert_eq!((series.form, series.unit.as_str()), (CommandForm::Fixed, "degC"));
    (0..plan.steps.len()).map(|step| series.value(step).unwrap().to_f64()).collect()
}

pub(super) fn derived(plan: &PlanDocument, of: &str, quantity: Quantity) -> Vec<f64> {
    let series = plan.derived.iter().find(|s| s.of == of && s.quantity == quantity).unwrap();
    series.values.iter().map(Rat::to_f64).collect()
}

pub(super) fn near(found: &[f64], expected: &[f64]) {
    let close =
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-9);
    assert!(close, "{found:?} is not {expected:?}");
}

#[test]
fn heat_is_stored_before_the_dear_hours_and_the_bill_is_of_what_follows() {
    let house = House { prices: (0.1, 0.5), ..House::new(HEAT_PUMP, "20 degC .. 22 degC", 5.0, 20.0) };
    let plan = house.planned();
    // a K at 02:00 costs 0.1 (1 + c) / 3 and saves 0.5 c / 3: worth it; at 01:00 it saves 0.1 c / 3: not
    near(&setpoints(&plan), &[20.0, 22.0, 20.0, 20.0]);
    let powers = [5.0, (17.0 + 2.0 * CARRIED) / 3.0, (15.0 - 2.0 * CARRIED) / 3.0, 5.0];
    near(&derived(&plan, "pump", Quantity::Power), &powers);
    near(&derived(&plan, "hall", Quantity::Temperature), &[20.0, 22.0, 20.0, 20.0]);
    near(&derived(&plan, "utility", Quantity::Import), &powers);
    let bill = 0.1 * (powers[0] + powers[1]) + 0.5 * (powers[2] + powers[3]);
    assert!((plan.money.bill.to_f64() - bill).abs() < 1e-8, "{} is not {bill}", plan.money.bill.to_f64());
    assert!((super::model_cost(&plan) - bill).abs() < 1e-6);
    assert!(plan.command("pump", &Attr::Power).is_none() && plan.command("lobby", &Attr::Setpoint).is_none());
    let expected = plan.expect.iter().map(|e| e.device.as_str()).collect::<Vec<_>>();
    assert_eq!(expected, ["lobby"]);
}

#[test]
fn a_setpoint_is_rounded_to_the_comfortable_side() {
    // the cheapest is the edge of the band, which halves of a degree do not meet
    let heated = House::new(HEAT_PUMP, "19.8 degC .. 22 degC", 5.0, 19.8).planned();
    near(&setpoints(&heated), &[20.0; 4]);
    near(&derived(&heated, "pump", Quantity::Power), &[(15.0 + 0.2 * CARRIED) / 3.0, 5.0, 5.0, 5.0]);
    assert!((super::model_cost(&heated) - 0.2 * 4.0 * 14.8 / 3.0).abs() < 1e-6);
    assert!((heated.money.plan_cost.to_f64() - 0.2 * (20.0 + 0.2 * CARRIED / 3.0)).abs() < 1e-8);

    let cooled = House::new(CHILLER, "20 degC .. 24.3 degC", 35.0, 24.0).planned();
    near(&setpoints(&cooled), &[24.0; 4]);
    near(&derived(&cooled, "pump", Quantity::Power), &[11.0 / 3.0; 4]);
}

#[test]
fn a_machine_rests_where_the_zone_is_past_the_setpoint_by_itself() {
    // 25 degC outside: the hall warms up, and the setpoint stays at the band's edge
    let plan = House::new(HEAT_PUMP, "20 degC .. 26 degC", 25.0, 22.0).planned();
    near(&setpoints(&plan), &[20.0; 4]);
    near(&derived(&plan, "pump", Quantity::Power), &[0.0; 4]);
    assert!(derived(&plan, "hall", Quantity::Temperature).iter().all(|t| (22.0..25.0).contains(t)));
    assert!(
        plan.reasons.iter().all(|r| r.device == "hall" && r.attr == Attr::Setpoint),
        "{:?}",
        plan.reasons
    );
}

#[test]
fn a_machine_that_cannot_reach_the_setpoint_gives_all_it_can() {
    // 15 degC at first: 10 kW lead to 5 + 30 - 30 / e + 10 / e, whatever is asked
    let plan = House::new(HEAT_PUMP, "30 degC .. 36 degC", 5.0, 15.0).planned();
    let first = 5.0 + 30.0 + (15.0 - 35.0) * 0.367_879_441_171;
    let temperatures = derived(&plan, "hall", Quantity::Temperature);
    assert!((temperatures[0] - first).abs() < 2e-9, "{temperatures:?} {first}");
    assert_eq!(derived(&plan, "pump", Quantity::Power)[0], 10.0);
    assert!(setpoints(&plan)[0] >= first, "{:?}", setpoints(&plan));
    assert_eq!(plan.breaches.len(), 1, "{:?}", plan.breaches);
}

#[test]
fn registers_in_fahrenheit_are_counted_from_0_degc() {
    let house =
        House { profile: "test/fahrenheit", ..House::new(HEAT_PUMP, "19.7 degC .. 24 degC", 5.0, 20.0) };
    let plan = house.planned();
    let series = plan.command("hall", &Attr::Setpoint).unwrap();
    // 68 degF are 20 degC: 36 steps of 5/9 K
    assert_eq!((series.step.clone(), series.counts.clone()), ("5/9".parse().unwrap(), vec![36; 4]));
    near(&derived(&plan, "hall", Quantity::Temperature), &[20.0; 4]);
    // a band in fahrenheit ends on a step that no decimal holds: 69 degF are 37 of them, to the last digit
    let house =
        House { profile: "test/fahrenheit", ..House::new(HEAT_PUMP, "69 degF .. 75 degF", 5.0, 21.0) };
    assert_eq!(house.planned().command("hall", &Attr::Setpoint).unwrap().counts, [37; 4]);
}

#[test]
fn a_coarse_setpoint_stays_in_its_band_where_something_else_gives_way() {
    // of whole degrees only 20 lies in the band. With all that it can the pump leads to 20.9 degC at most, and
    // in the cheap hours it would pay to heat that far: by 21 degC
    let pump = "consumer pump : heat_pump { on main, demand 0 kW .. 6.9 kW, heats hall, cop 3 }";
    let mut house = House::new(pump, "19.3 degC .. 20.9 degC", 0.0, 20.0);
    (house.profile, house.prices) = ("test/kelvin", (0.05, 1.0));
    for (asked, breaches) in [(4, 0), (6, 1)] {
        house.more = format!(
            "consumer car : ev_charger {{ on main, demand 0 kW .. 3 kW }}\n\
             rule little in contract {{ limit car to 1 kW }}\n\
             rule trip in economy {{ deliver {asked} kWh to car between 00:00 and 04:00 daily }}"
        );
        let plan = house.planned();
        assert_eq!(setpoints(&plan), [20.0; 4], "{asked} kWh");
        near(&derived(&plan, "hall", Quantity::Temperature), &[20.0; 4]);
        assert_eq!(plan.breaches.len(), breaches, "{:?}", plan.breaches);
        assert!(plan.breaches.iter().all(|breach| breach.statement.name == "trip"), "{:?}", plan.breaches);
    }
}

#[test]
fn what_no_plan_commands_yet_is_refused_at_its_words() {
    let house = |machine: &str, more: &str| House {
        more: more.to_owned(),
        ..House::new(machine, "20 degC .. 22 degC", 5.0, 20.0)
    };
    let chiller = "consumer cold : chiller { on main, demand 0 kW .. 5 kW, cools hall, cop 3 }\n";
    let second = "control foyer : thermostat { controls hall, gateway plant, profile \"generic/thermostat\", control command }\n";
    let cases = [
        (HEAT_PUMP.to_owned(), chiller, "`pump` and `cold` heat and cool zone `hall` by one setpoint"),
        (HEAT_PUMP.replace("pump :", "pump[1..2] :"), "", "`pump` are several behind one setpoint"),
        (
            HEAT_PUMP.replace("0 kW .. 10 kW", "one of { 0 kW, 3 kW .. 10 kW }"),
            "",
            "`pump` is on or off, or has a least power, behind a setpoint",
        ),
        (
            HEAT_PUMP.replace("cop 3", "cop 3, min_up 2 h"),
            "",
            "`pump` has least times of running and standing still behind a setpoint",
        ),
        (HEAT_PUMP.to_owned(), second, "two setpoints of zone `hall`, of `lobby` and `foyer`"),
        (
            HEAT_PUMP.to_owned(),
            "rule late in economy { when hall.setpoint > 21 degC then limit pump to 5 kW }\n",
            "which plans command",
        ),
    ];
    for (machine, more, said) in cases {
        let found = house(&machine, more).refused();
        assert!(found.contains("EVL1001") && found.contains(said), "{said}: {found}");
    }
    // observed, the thermostat is left alone and the powers are planned as before
    let alone = house(HEAT_PUMP, chiller);
    let plan = planned_text(&alone, &alone.policy().replace("control command", "control observe"));
    assert!(plan.command("pump", &Attr::Power).is_some() && plan.command("hall", &Attr::Setpoint).is_none());
}

/// A power that can be commanded is commanded; a machine's own setpoint steers where no thermostat does.
#[test]
fn power_goes_before_setpoint_and_two_setpoints_are_refused() {
    let machine = |profile: &str| {
        HEAT_PUMP.replace(
            "cop 3",
            &format!("cop 3, gateway plant, profile \"{profile}\", control command, fail_safe 0 kW by none"),
        )
    };
    let wallbox =
        machine("heidelberg/energy-control").replace("0 kW .. 10 kW", "one of { 0 kW, 4.14 kW .. 10 kW }");
    let told = House::new(&wallbox, "18 degC .. 24 degC", 5.0, 20.0).planned();
    assert!(told.command("pump", &Attr::Power).is_some() && told.command("hall", &Attr::Setpoint).is_none());

    let own = House {
        prices: (0.1, 0.5),
        ..House::new(&machine("test/fan-coil"), "20 degC .. 22 degC", 5.0, 20.0)
    };
    let both = own.refused();
    assert!(both.contains("two setpoints of zone `hall`, of `lobby` and `pump`"), "{both}");
    let own = own.policy().replacen(
        "controls hall, gateway plant, profile \"generic/thermostat\", control command",
        "controls hall",
        1,
    );
    let plan = planned_text(&House::new("", "", 5.0, 20.0), &own);
    near(&setpoints(&plan), &[20.0, 22.0, 20.0, 20.0]);
    let expected = plan.expect.iter().map(|e| e.device.as_str()).collect::<Vec<_>>();
    assert_eq!(expected, ["pump"]);
}

/// A house that stores heat, with its plan.
pub(super) fn winter() -> (Built, PlanDocument) {
    let house = House { prices: (0.1, 0.5), ..House::new(HEAT_PUMP, "20 degC .. 22 degC", 5.0, 20.0) };
    (house.built(), house.planned())
}

#[test]
fn a_rule_bounds_setpoint_power_and_temperature() {
    let house = |more: &str| House {
        more: more.to_owned(),
        prices: (0.1, 0.5),
        ..House::new(HEAT_PUMP, "20 degC .. 22 degC", 5.0, 20.0)
    };
    let held = house("rule mild in contract { set lobby.setpoint to at most 21 degC }\n").planned();
    near(&setpoints(&held), &[20.0, 21.0, 20.0, 20.0]);
    let power = house("rule soft in contract { limit pump to 5.5 kW }\n").planned();
    // from 20 degC, 21 would take (16 + c) / 3 = 5.527 kW; by 20.5 degC it takes 5.430 kW, and that is
    // cheaper than 20.5 degC at 02:00 alone
    near(&setpoints(&power), &[20.5, 21.0, 20.0, 20.0]);
    assert!(derived(&power, "pump", Quantity::Power).iter().all(|kw| *kw <= 5.5));
}

/// Whether a changed plan, its own figures made to agree by their own hash alone, is refused.
pub(super) fn refuses(built: &Built, plan: &PlanDocument, change: impl Fn(&mut PlanDocument)) -> Vec<String> {
    let mut forged = plan.clone();
    change(&mut forged);
    let forged = forged.seal();
    assert_ne!(forged.id, plan.id);
    verify(&built.bundle, &forged).misses.into_iter().map(|miss| miss.message).collect()
}

#[test]
fn forged_setpoints_powers_and_temperatures_are_refused() {
    let (built, plan) = winter();
    assert!(verify(&built.bundle, &plan).holds());
    let kelvin = |plan: &mut PlanDocument, quantity: Quantity, by: &str| {
        let series = plan.derived.iter_mut().find(|s| s.quantity == quantity && s.of != "utility").unwrap();
        series.values[1] += &by.parse::<Rat>().unwrap();
    };
    let count = |plan: &mut PlanDocument, step: usize, count: i64| plan.commands[0].counts[step] = count;
    let cases: Vec<(Vec<String>, &str)> = vec![
        (refuses(&built, &plan, |p| count(p, 1, 43)), "it is"),
        (refuses(&built, &plan, |p| count(p, 0, 39)), "`hall` is at 19.5"),
        (refuses(&built, &plan, |p| count(p, 3, 71)), "which its register does not take"),
        (refuses(&built, &plan, |p| kelvin(p, Quantity::Power, "0.001")), "for power of `pump`"),
        (refuses(&built, &plan, |p| kelvin(p, Quantity::Temperature, "0.001")), "for temperature of `hall`"),
        (refuses(&built, &plan, |p| drop(p.commands.pop())), "says no setpoint of `hall`"),
        (
            refuses(&built, &plan, |p| {
                p.commands
                    .push(evl::bundle::CommandSeries { device: "lobby".into(), ..p.commands[0].clone() });
            }),
            "`lobby` takes no command for `setpoint`",
        ),
        (
            refuses(&built, &plan, |p| {
                let power = evl::bundle::CommandSeries {
                    device: "pump".into(),
                    attr: Attr::Power,
                    unit: "kW".into(),
                    step: "0.001".parse().unwrap(),
                    ..p.commands[0].clone()
                };
                p.commands.push(power);
            }),
            "`pump` follows a setpoint",
        ),
        (refuses(&built, &plan, |p| p.expect.clear()), "does not say what it expects to find"),
        (
            refuses(&built, &plan, |p| p.commands[0].form = CommandForm::AtMost),
            "mean something else to the device",
        ),
    ];
    for (found, said) in cases {
        assert!(found.iter().any(|message| message.contains(said)), "{said}: {found:?}");
    }
    // at rest in summer a lower setpoint changes nothing that is measured, and leaves the band
    let house = House::new(HEAT_PUMP, "20 degC .. 26 degC", 25.0, 22.0);
    let (built, plan) = (house.built(), house.planned());
    let found = refuses(&built, &plan, |p| count(p, 0, 39));
    assert!(
        found.iter().any(|m| m.contains("setpoint of `hall` is 19.5 degC, outside its band")),
        "{found:?}"
    );
    let more = "rule warm in contract { set lobby.setpoint to at least 21 degC }\n".to_owned();
    let house = House { more, ..house };
    let (built, plan) = (house.built(), house.planned());
    near(&setpoints(&plan), &[21.0; 4]);
    let found = refuses(&built, &plan, |p| count(p, 0, 41));
    assert!(found.iter().any(|m| m.contains("setpoint is 20.5 degC")), "{found:?}");
}

#[test]
fn a_machine_that_a_rule_has_off_rests_below_its_band() {
    let house = House {
        more: "rule quiet in contract { when during daily 01:00..01:30 then disconnect pump }\n".to_owned(),
        ..House::new(HEAT_PUMP, "19.8 degC .. 22 degC", 18.0, 20.3)
    };
    let policy = house.policy().replace("step 60 min, horizon 4 h", "step 15 min, horizon 2 h");
    let plan = planned_text(&house, &policy);
    // 21 degC at 01:00 are 18 + 3 exp(-1/2) = 19.82 degC at 01:30: in the band, and 20 degC would start it
    near(&setpoints(&plan), &[20.0, 20.0, 20.0, 21.0, 20.0, 19.5, 20.0, 20.0]);
    assert_eq!(derived(&plan, "pump", Quantity::Power)[4..6], [0.0, 0.0]);
    let at = derived(&plan, "hall", Quantity::Temperature)[5];
    assert!((at - 18.0 - 3.0 * (-0.5_f64).exp()).abs() < 2e-9 && plan.breaches.is_empty(), "{at}");
}

#[test]
fn a_least_power_raises_the_setpoint() {
    let house = House {
        more: "rule least in contract { limit pump to at least 1.5 kW }\n".to_owned(),
        ..House::new(HEAT_PUMP, "19 degC .. 24 degC", 17.8, 20.0)
    };
    // by 1.5 kW it tends to 22.3 degC: from 20 degC to 21.45, from 21.5 to 22.006, from 22.5 to 22.37
    let plan = house.planned();
    near(&setpoints(&plan), &[21.5, 22.5, 22.5, 22.5]);
    let powers = [(3.7 + 1.5 * CARRIED) / 3.0, (4.7 + CARRIED) / 3.0, 4.7 / 3.0, 4.7 / 3.0];
    near(&derived(&plan, "pump", Quantity::Power), &powers);
}

#[test]
fn a_greatest_power_goes_before_the_band() {
    let house = |outdoor: f64| House {
        more: "rule most in contract { limit pump to 2 kW }\n".to_owned(),
        ..House::new(HEAT_PUMP, "19.8 degC .. 22 degC", outdoor, 19.0)
    };
    // by 2 kW it tends to 18.1 degC: from 19 degC to 18.43, from 18 to 18.06
    let plan = house(12.1).planned();
    near(&setpoints(&plan), &[18.0; 4]);
    let held = 5.9 / 3.0;
    near(&derived(&plan, "pump", Quantity::Power), &[(5.9 - CARRIED) / 3.0, held, held, held]);
    assert_eq!(plan.breaches.len(), 1, "{:?}", plan.breaches);
    // 18 degC are 2 kW to the last digit: a step away from it
    let plan = house(12.0).planned();
    near(&setpoints(&plan), &[18.0, 17.5, 17.5, 17.5]);
}

#[test]
fn a_setpoint_is_called_idle_only_where_its_machine_is() {
    let (built, plan) = winter();
    assert!(derived(&plan, "pump", Quantity::Power).iter().all(|kw| *kw > 0.1));
    let idle = plan.reasons.iter().filter(|reason| reason.text.starts_with("idle")).count();
    assert_eq!(idle, 0, "{:?}", plan.reasons);
    let found = refuses(&built, &plan, |p| {
        for reason in p.reasons.iter_mut().filter(|reason| reason.device == "hall") {
            reason.statements.clear();
            (reason.first, reason.last) = (0, 1);
            reason.text = "idle: nothing is gained at 0.1000 EUR/kWh".to_owned();
        }
    });
    assert!(found.iter().any(|message| message.contains("it says \"idle")), "{found:?}");
}

#[test]
fn an_island_counts_the_power_that_a_step_of_a_setpoint_moves() {
    let house = House::new(HEAT_PUMP, "20 degC .. 22 degC", 5.0, 20.0);
    let island = "producer engine : generator { on main, rated 12 kW, fuel 0.30 EUR/kWh }\n\
        storage pack : battery { on main, capacity 20 kWh, charge up to 8 kW, discharge up to 8 kW, \
        efficiency 96 % / 97 %, grid_forming, end exactly start }";
    let grid = "producer utility : grid { on main, import up to 30 kW, export up to 0 kW, tariff clear }";
    let policy = house.policy().replace(grid, island);
    let policy = policy.split("tariff clear").next().unwrap();
    let rows: String = (0..6).map(|hour| format!("2026-03-02T0{hour}:00Z,5\n")).collect();
    let system = MemorySystem::new()
        .file("site/site.evl", policy)
        .file("site/evl.yaml", "site: house\n")
        .file("site/w.csv", format!("time,t\n{rows}").as_str());
    let state = r#"{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z",
        "temperatures": {"hall": "20 degC"}, "levels": {"pack": "50 %"}}"#;
    let plan = super::planned_in(&system, "2026-03-02T00:00:00Z", state);
    // half a degree: 0.5 (1 + 1) / 3 kW for an hour, and 1 W of the engine, at the cell: 0.334333 / 0.97
    let said = "`pack` balances its island: it ends within 0.344674 kWh of what is asked";
    assert!(plan.assumptions.iter().any(|a| a.starts_with(said)), "{:#?}", plan.assumptions);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        // the same cases in every run: what is found once stands by itself
        rng_seed: proptest::test_runner::RngSeed::Fixed(20261128),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the zone: a plan comes out (which is verified, with tolerance zero), stays in the band and
    /// is no cheaper than the optimum that rounds nothing.
    #[test]
    fn a_plan_of_setpoints_keeps_its_band(
        (low, wide, cooled) in (180_i64..220, 12_i64..60, any::<bool>()),
        (outdoor, capacity, loss) in (-10_i64..15, 5_i64..80, 2_i64..20),
        (early, late, start) in (-5_i64..40, 1_i64..60, 0_i64..=100),
    ) {
        let tenths = |n: i64| n as f64 / 10.0;
        let (lo, hi) = (tenths(low), tenths(low + wide));
        // as far above the band outside as it is below it where the zone is heated
        let (machine, outdoor) = match cooled {
            true => (CHILLER, lo + hi - outdoor as f64),
            false => (HEAT_PUMP, outdoor as f64),
        };
        let house = House {
            prices: (early as f64 / 100.0, late as f64 / 100.0),
            ..House::new(
                &machine.replace("10 kW", "400 kW"),
                &format!("{lo} degC .. {hi} degC"),
                outdoor,
                tenths(low * 10 + wide * start / 10) / 10.0,
            )
        };
        let policy = house.policy()
            .replace("30 kW", "1000 kW")
            .replace("1 kWh/K", &format!("{} kWh/K", tenths(capacity)))
            .replace("1 kW/K", &format!("{} kW/K", tenths(loss)));
        let made = planned_text(&house, &policy);
        prop_assert!(made.breaches.is_empty(), "{:?}", made.breaches);
        for (at, setpoint) in derived(&made, "hall", Quantity::Temperature).iter().zip(setpoints(&made)) {
            prop_assert!((lo - 1e-9..=hi + 1e-9).contains(at), "{at} outside {lo} .. {hi}");
            prop_assert!((lo..=hi).contains(&setpoint), "{setpoint} outside {lo} .. {hi}");
        }
        let least = super::model_cost(&made) - made.gap.money.to_f64() - 1e-6;
        prop_assert!(made.money.plan_cost.to_f64() >= least, "{} < {least}", made.money.plan_cost.to_f64());
    }
}

/// The plan of a house whose text was changed.
fn planned_text(house: &House, policy: &str) -> PlanDocument {
    let rows: String = (0..6).map(|hour| format!("2026-03-02T0{hour}:00Z,{}\n", house.outdoor)).collect();
    let system = MemorySystem::new()
        .file("site/site.evl", policy)
        .file("site/evl.yaml", "site: house\n")
        .file("site/profiles/test/fan-coil.yaml", FAN_COIL)
        .file("site/w.csv", format!("time,t\n{rows}").as_str());
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z",
            "temperatures": {{"hall": "{} degC"}}}}"#,
        house.start
    );
    super::planned_in(&system, "2026-03-02T00:00:00Z", &state)
}
