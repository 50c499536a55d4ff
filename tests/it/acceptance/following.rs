//! Devices that keep a grid's meter at a target: `follow utility.import at 0 kW with pack`.
//!
//! A pack of 10 kWh that may hold 1 .. 10 kWh, takes and gives 5 kW, and stores 80 % of what it takes.

use evl::bundle::{CommandForm, Document, PlanDocument, Quantity};
use evl::ir::Attr;
use evl::quantity::Rat;
use evl::system::MemorySystem;
use evl::verify::verify;
use proptest::prelude::*;

use super::{Built, words};

const SITE: &str = r#"
edition 2026
site house {
  timezone "UTC", currency EUR, step 60 min, horizon 6 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
BUSES
feed sun { file "p.csv", time utc, stamp start, step 1 h, column "sun", unit kW }
feed needs { file "p.csv", time utc, stamp start, step 1 h, column "needs", unit kW }
producer utility : grid { on main, import up to 30 kW, export up to 30 kW, tariff clear }
producer solar : pv { on main, rated 20 kW, output feed.sun }
consumer house_load : load { on main, load feed.needs }
storage pack : battery {
  on PACKBUS, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 80 % / 100 %,
  charge_level 10 % .. 100 %, end free
}
tariff clear { import { 0.10 EUR/kWh during daily 00:00..03:00, 0.40 EUR/kWh otherwise }, export 0.05 EUR/kWh }
"#;

/// A house with its sun and needs by the hour, kW.
#[derive(Debug, Clone)]
struct House {
    sun: Vec<f64>,
    needs: Vec<f64>,
    start: f64,
    rules: String,
    riser: bool,
    excluded: String,
}

impl House {
    fn new(sun: [f64; 6], needs: [f64; 6], rules: &str) -> Self {
        let (sun, needs, rules) = (sun.to_vec(), needs.to_vec(), rules.to_owned());
        Self { sun, needs, start: 0.3, rules, riser: false, excluded: String::new() }
    }

    fn built(&self) -> Built {
        self.built_of(SITE)
    }

    fn built_of(&self, text: &str) -> Built {
        let rows: String = (0..6)
            .map(|hour| format!("2026-03-02T0{hour}:00Z,{},{}\n", self.sun[hour], self.needs[hour]))
            .collect();
        let buses =
            "bus riser { dc 48 V }\nlink rectifier { main <-> riser, capacity 20 kW, efficiency 90 % }";
        let text = text
            .replace("BUSES", if self.riser { buses } else { "" })
            .replace("PACKBUS", if self.riser { "riser" } else { "main" })
            + &self.rules;
        let system = MemorySystem::new()
            .file("site/site.evl", text.as_str())
            .file("site/evl.yaml", "site: house\n")
            .file("site/p.csv", format!("time,sun,needs\n{rows}").as_str());
        let state = format!(
            r#"{{"schema": "evl.state/1", "site": "house", "at": "2026-03-02T00:00:00Z",
                "levels": {{"pack": "{} %"}}, "excluded": [{}]}}"#,
            self.start * 100.0,
            self.excluded
        );
        Built::new(&system, "2026-03-02T00:00:00Z", &state)
    }

    fn planned(&self) -> PlanDocument {
        self.planned_of(SITE)
    }

    fn planned_of(&self, text: &str) -> PlanDocument {
        let built = self.built_of(text);
        let plan = built.plan().map_err(|f| words(&f.findings)).unwrap();
        let verdict = verify(&built.bundle, &plan);
        assert!(verdict.holds(), "{:?}", verdict.misses);
        assert_eq!(PlanDocument::read(&plan.bytes()).unwrap(), plan);
        plan
    }

    fn refused(&self) -> String {
        words(&self.built().plan().unwrap_err().findings)
    }
}

fn derived(plan: &PlanDocument, of: &str, quantity: Quantity) -> Vec<f64> {
    let series = plan.derived.iter().find(|s| s.of == of && s.quantity == quantity).unwrap();
    series.values.iter().map(Rat::to_f64).collect()
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{found:?} for {expected:?}");
    }
}

/// Import less export at the meter.
fn meter(plan: &PlanDocument) -> Vec<f64> {
    let (import, export) =
        (derived(plan, "utility", Quantity::Import), derived(plan, "utility", Quantity::Export));
    import.iter().zip(export).map(|(a, b)| a - b).collect()
}

/// Discharge less charge of the pack.
fn pack(plan: &PlanDocument) -> Vec<f64> {
    let (given, taken) =
        (derived(plan, "pack", Quantity::Discharge), derived(plan, "pack", Quantity::Charge));
    given.iter().zip(taken).map(|(a, b)| a - b).collect()
}

const ALWAYS: &str = "rule own_use in economy { follow utility.import at 0 kW with pack }";

#[test]
fn a_pack_keeps_the_meter_at_zero_as_far_as_it_can() {
    // 2 kWh are left above the least; 3 kW too much; 7 too much, of which 5 fit its power; then 3 needed
    let house = House::new([0.0, 5.0, 9.0, 0.0, 0.0, 0.0], [2.0, 2.0, 2.0, 3.0, 3.0, 3.0], ALWAYS);
    let plan = house.planned();
    near(&pack(&plan), &[2.0, -3.0, -5.0, 3.0, 3.0, 0.4]);
    near(&derived(&plan, "pack", Quantity::Level), &[1.0, 3.4, 7.4, 4.4, 1.4, 1.0]);
    near(&meter(&plan), &[0.0, 0.0, -2.0, 0.0, 0.0, 2.6]);
    let [following] = plan.following.as_slice() else { panic!("{:?}", plan.following) };
    assert_eq!((following.device.as_str(), following.grid.as_str()), ("pack", "utility"));
    assert_eq!(following.targets, [Some(0); 6]);
    // meanwhile it may do what it physically can
    for attr in [Attr::Charge, Attr::Discharge] {
        let series = plan.command("pack", &attr).unwrap();
        assert_eq!((series.form, series.value(0).unwrap()), (CommandForm::Fixed, Rat::int(5)));
    }
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    // 2.6 kWh at 0.40 less 2 kWh at 0.05
    assert!((plan.money.bill.to_f64() - 0.94).abs() < 1e-9, "{}", plan.money.bill);
    assert!((super::model_cost(&plan) - 0.94).abs() < 1e-6);
    let reason = plan.reasons.iter().find(|reason| reason.device == "pack").unwrap();
    assert!(reason.text.contains("own_use"), "{reason:?}");
}

#[test]
fn a_full_pack_lets_the_rest_go() {
    // 7 kWh stored: 3 more are 3.75 kW at the terminal
    let house = House {
        start: 0.7,
        ..House::new([9.0, 9.0, 0.0, 0.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0, 2.0, 2.0], ALWAYS)
    };
    let plan = house.planned();
    near(&pack(&plan), &[-3.75, 0.0, 2.0, 2.0, 2.0, 2.0]);
    near(&derived(&plan, "pack", Quantity::Level), &[10.0, 10.0, 8.0, 6.0, 4.0, 2.0]);
    near(&meter(&plan), &[-3.25, -7.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn losses_of_a_link_on_the_way_count() {
    // 1.8 kW at the meter are 2 behind the rectifier; 3.6 too much arrive as 3.24
    let house = House {
        riser: true,
        ..House::new([0.0, 5.6, 0.0, 0.0, 0.0, 0.0], [1.8, 2.0, 0.9, 0.9, 0.0, 0.0], ALWAYS)
    };
    let plan = house.planned();
    near(&pack(&plan), &[2.0, -3.24, 1.0, 1.0, 0.0, 0.0]);
    near(&meter(&plan), &[0.0; 6]);
    near(&derived(&plan, "pack", Quantity::Level), &[1.0, 3.592, 2.592, 1.592, 1.592, 1.592]);
}

#[test]
fn a_target_is_a_power_either_way() {
    let import = "rule shave in economy { follow utility.import at 1.5 kW with pack }";
    let needs = [2.0, 0.5, 0.0, 2.0, 2.5, 2.0];
    let plan = House::new([0.0; 6], needs, import).planned();
    // 0.5 given, 1 and 1.5 taken, 0.5, 1 and 0.5 given
    near(&pack(&plan), &[0.5, -1.0, -1.5, 0.5, 1.0, 0.5]);
    near(&meter(&plan), &[1.5; 6]);
    let export = "rule sell in economy { follow utility.export at 1.5 kW with pack }";
    let house = House { start: 1.0, ..House::new([0.0, 2.0, 4.0, 0.0, 0.0, 0.0], [0.0; 6], export) };
    let plan = house.planned();
    near(&pack(&plan), &[1.5, -0.5, -1.375, 1.5, 1.5, 1.5]);
    near(&meter(&plan), &[-1.5, -1.5, -2.625, -1.5, -1.5, -1.5]);
}

#[test]
fn only_while_the_rule_holds_and_at_what_it_reads() {
    // half of what the sun gives, and only in the first three hours; after that the price decides
    let rule = "rule half in economy { when during daily 00:00..03:00 then follow utility.export at 0.5 * solar.available with pack }";
    let plan = House::new([2.0, 8.0, 4.0, 0.0, 0.0, 0.0], [0.0; 6], rule).planned();
    near(&meter(&plan)[..3], &[-1.0, -4.0, -2.0]);
    assert_eq!(plan.following[0].targets, [Some(-1000), Some(-4000), Some(-2000), None, None, None]);
    near(&pack(&plan)[..3], &[-1.0, -4.0, -2.0]);
    // 1 + 0.8 x 7 kWh: what is left above the least is sold, for nothing is needed
    let sold: f64 = pack(&plan)[3..].iter().sum();
    assert!((sold - (3.0 + 5.6 - 1.0)).abs() < 0.001 + 1e-6, "to a register step: {sold}");
}

#[test]
fn what_rules_leave_it_is_told() {
    let rules = format!("{ALWAYS}\nrule calm in contract {{ limit pack.discharge to 1.25 kW }}");
    let plan = House::new([0.0, 0.0, 6.0, 0.0, 0.0, 0.0], [2.0; 6], &rules).planned();
    near(&pack(&plan), &[1.25, 0.75, -4.0, 1.25, 1.25, 0.7]);
    assert_eq!(plan.command("pack", &Attr::Discharge).unwrap().counts, [1250; 6]);
    assert_eq!(plan.command("pack", &Attr::Charge).unwrap().counts, [5000; 6]);
}

#[test]
fn what_may_do_nothing_follows_nothing() {
    let rules = format!(
        "{ALWAYS}\nrule dark in safety {{ when during daily 01:00..03:00 then disconnect pack }}\n\
         rule still in contract {{ when during daily 04:00..05:00 then limit pack.charge to 0 kW, limit pack.discharge to 0 kW }}"
    );
    let plan = House::new([0.0, 5.0, 5.0, 4.0, 0.0, 0.0], [1.0; 6], &rules).planned();
    near(&pack(&plan), &[1.0, 0.0, 0.0, -3.0, 0.0, 1.0]);
    assert_eq!(plan.following[0].targets, [Some(0), None, None, Some(0), None, Some(0)]);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
}

#[test]
fn a_higher_class_that_following_would_break_is_kept_instead() {
    // 3 kWh are there and have to stay: following from the first hour on would take 2 of them. Without it
    // in two hours, charging from the grid in the one that is cheap and left over, all others can be followed
    let rules = format!("{ALWAYS}\nrule reserve in contract {{ keep pack.charge_level at least 30 % }}");
    let plan = House::new([0.0, 5.0, 0.0, 0.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0, 2.0, 2.0], &rules).planned();
    let level = derived(&plan, "pack", Quantity::Level);
    assert!(level.iter().all(|level| *level >= 3.0 - 1e-9), "{level:?}");
    let followed = plan.following[0].targets.iter().filter(|target| target.is_some()).count();
    assert_eq!(followed, 4, "{:?}", plan.following);
    let missed: f64 = plan.breaches.iter().map(|breach| breach.amount.to_f64()).sum();
    assert!((missed - 2.0).abs() < 1e-9, "{:?}", plan.breaches);
    assert!(plan.breaches.iter().all(|b| b.statement.name == "own_use" && b.unit == "h"));
}

#[test]
fn what_one_class_asks_beside_following_has_to_leave_room_for_it() {
    // 6 kWh are there and 5 have to stay: following from the first hour on would take 2 of them. Neither
    // statement is above the other
    let rules = format!("{ALWAYS}\nrule reserve in economy {{ keep pack.charge_level at least 50 % }}");
    let mut house = House::new([0.0, 5.0, 0.0, 0.0, 0.0, 0.0], [2.0; 6], &rules);
    house.start = 0.6;
    let found = house.refused();
    assert!(found.starts_with("EVL1002"), "{found}");
    assert!(found.contains("`own_use`") && found.contains("`reserve`"), "{found}");
    // where there is room both hold: 10 + 0.8 x 3 are more than fits, and 4 hours of 1 kW take 4 of 10 kWh
    let mut roomy = House::new([0.0, 5.0, 0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 1.0, 1.0, 1.0, 1.0], &rules);
    roomy.start = 1.0;
    let plan = roomy.planned();
    near(&derived(&plan, "pack", Quantity::Level), &[10.0, 10.0, 9.0, 8.0, 7.0, 6.0]);
    assert!(plan.breaches.is_empty() && plan.overrides.is_empty());
    // of a higher class it leaves what it leaves
    house.rules = house.rules.replace("reserve in economy", "reserve in contract");
    let plan = house.planned();
    assert!(plan.breaches.iter().all(|breach| breach.statement.name == "own_use"), "{:?}", plan.breaches);
    assert!(derived(&plan, "pack", Quantity::Level).iter().all(|level| *level >= 5.0 - 1e-9));
}

#[test]
fn what_physics_keeps_from_following_anyway_refuses_nothing() {
    // as where a leaking store follows every other hour: what its class asks beside that is met without one
    // hour less, or is what cannot be met
    let text = SITE
        .replace("export up to 30 kW", "export up to 0 kW")
        .replace("efficiency 80 % / 100 %,", "efficiency 80 % / 100 %, self_discharge 15 % per h,");
    let rules = "rule f in economy { follow utility.export at 1 kW with pack }\n\
                 rule reserve in economy { keep pack.charge_level at least LEAST % }";
    let mut house = House::new([0.0; 6], [2.0; 6], &rules.replace("LEAST", "10"));
    house.start = 0.1;
    let plan = house.planned_of(&text);
    let missed: f64 = plan.breaches.iter().map(|breach| breach.amount.to_f64()).sum();
    assert!((missed - 3.0).abs() < 1e-9, "{:?}", plan.breaches);
    // 2 kWh are never reached in an hour that is followed, for it ends with 1
    house.start = 0.3;
    house.rules = rules.replace("LEAST", "20");
    let found = house.built_of(&text).plan().map(|plan| plan.commands).map_err(|f| words(&f.findings));
    let found = found.unwrap_err();
    assert!(found.starts_with("EVL1002"), "{found}");
    assert!(found.contains("`f`") && found.contains("`reserve`"), "{found}");
}

#[test]
fn a_producer_may_keep_what_is_sold_at_a_limit() {
    let rules = "rule grid_wants in contract { follow utility.export at 2 kW with solar }\n\
                 rule still in contract { limit pack.charge to 0 kW, limit pack.discharge to 0 kW }";
    let plan = House::new([9.0, 3.0, 0.0, 5.0, 4.0, 2.0], [2.0, 2.0, 2.0, 2.0, 2.0, 2.0], rules).planned();
    near(&derived(&plan, "solar", Quantity::Power), &[4.0, 3.0, 0.0, 4.0, 4.0, 2.0]);
    near(&meter(&plan), &[-2.0, -1.0, 2.0, -2.0, -2.0, 0.0]);
}

#[test]
fn a_consumer_takes_what_is_left_over() {
    let rules = "consumer boiler : load { on main, demand 0 kW .. 3 kW }\n\
                 rule surplus in economy { follow utility.export at 0 kW with boiler }\n\
                 rule still in contract { limit pack.charge to 0 kW, limit pack.discharge to 0 kW }";
    let plan = House::new([9.0, 3.0, 0.0, 5.0, 4.5, 2.0], [2.0, 2.0, 2.0, 2.0, 2.0, 2.0], rules).planned();
    near(&derived(&plan, "boiler", Quantity::Power), &[3.0, 1.0, 0.0, 3.0, 2.5, 0.0]);
    near(&meter(&plan), &[-4.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_meter_that_may_show_nothing_else_shows_just_that() {
    // nothing may be sold, and the pack is behind a link whose losses have no end of digits
    let text = SITE
        .replace("export up to 30 kW", "export up to 0 kW")
        .replace("import up to 30 kW", "import up to 0 kW")
        .replace("rated 20 kW", "rated 20 kW, must_take");
    let mut house = House::new([0.7, 3.1, 2.3, 0.0, 0.1, 0.0], [1.4, 1.1, 1.6, 0.7, 0.5, 0.3], ALWAYS);
    house.riser = true;
    let plan = house.planned_of(&text);
    near(&meter(&plan), &[0.0; 6]);
    near(&pack(&plan)[..2], &[0.7 / 0.9, -1.8]);
}

#[test]
fn what_others_may_do_instead_moves_a_device_that_follows() {
    // a car of 3 kW that nobody can command any more stands anywhere in its range: the pack makes that good
    let text = SITE.replace("BUSES", "BUSES\nconsumer car : ev_charger { on main, demand 0 kW .. 3 kW }");
    let mut house = House::new([0.0; 6], [1.0; 6], ALWAYS);
    house.riser = true;
    house.excluded = "\"car\"".to_owned();
    house.start = 1.0;
    near(&meter(&house.planned_of(&text)), &[0.0; 6]);
    // a link that bears the plan's own 1 kW, and not the 4 kW to which the car may drive the pack
    let narrow = text.replace(
        "BUSES",
        "bus riser { dc 48 V }\nlink rectifier { main <-> riser, capacity 2 kW, efficiency 90 % }",
    );
    let plan = house.planned_of(&narrow);
    near(&meter(&plan), &[0.0; 6]);
    // it is told no more than the link bears
    assert_eq!(plan.command("pack", &Attr::Discharge).unwrap().counts, [2000; 6]);
    assert_eq!(plan.command("pack", &Attr::Charge).unwrap().counts, [5000; 6]);
    // the meter is held to its rating by what everybody may do, whatever somebody follows
    let held = text.replace("import up to 30 kW", "import up to 2 kW");
    let found = house.built_of(&held).plan().map(|plan| plan.commands).map_err(|f| words(&f.findings));
    let found = found.unwrap_err();
    assert!(found.starts_with("EVL1002") && found.contains("`utility`"), "{found}");
}

/// A pack of 10 kW and 100 kWh without losses, behind a link of 6 kW with 3 kW of sun on its own bus.
fn behind_a_link(bus: &str, link: &str) -> String {
    let text = SITE
        .replace("BUSES", &format!("bus riser {{ {bus} }}\nlink rectifier {{ main <-> riser, {link} }}\nproducer roof : pv {{ on riser, rated 3 kW, output feed.sun }}"))
        .replace(
            "capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 80 % / 100 %,",
            "capacity 100 kWh, charge up to 10 kW, discharge up to 10 kW, efficiency 100 % / 100 %,",
        );
    assert!(text.contains("100 kWh"));
    text
}

#[test]
fn a_link_that_carries_less_narrows_what_a_pack_is_told() {
    let text = behind_a_link("dc 48 V", "capacity 6 kW, efficiency 100 %");
    // 9 kW are needed and 6 come through; of 9 that the sun leaves 3 come from its bus; 20 kW too much, of
    // which 6 come through beside the 3 that are there; then both ways all fits
    let mut house = House::new([0.0, 5.0, 20.0, 2.0, 0.0, 0.0], [9.0, 14.0, 0.0, 0.0, 6.0, 0.0], ALWAYS);
    house.riser = true;
    house.start = 0.5;
    let plan = house.planned_of(&text);
    near(&pack(&plan), &[6.0, 3.0, -9.0, -4.0, 6.0, 0.0]);
    near(&meter(&plan), &[3.0, 3.0, -14.0, 0.0, 0.0, 0.0]);
    let told = |attr: Attr| plan.command("pack", &attr).unwrap().counts.clone();
    assert_eq!(told(Attr::Discharge), [6000, 3000, 10000, 10000, 10000, 10000]);
    assert_eq!(told(Attr::Charge), [10000, 10000, 9000, 10000, 10000, 10000]);
    // nothing is curtailed, and nothing missed
    near(&derived(&plan, "solar", Quantity::Power), &house.sun);
    near(&derived(&plan, "roof", Quantity::Power), &[0.0, 3.0, 3.0, 2.0, 0.0, 0.0]);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    // a step more is too much for the link, a step less is more than it asks
    let built = house.built_of(&text);
    for (attr, step, by, why) in [
        (Attr::Discharge, 0, 1, "sends back"),
        (Attr::Discharge, 0, -1, "another greatest discharge"),
        (Attr::Discharge, 3, -1, "another greatest discharge"),
        (Attr::Charge, 2, 1, "sends"),
        (Attr::Charge, 2, -1, "another greatest charge"),
    ] {
        let mut forged = plan.clone();
        let series = forged.commands.iter_mut().find(|s| s.device == "pack" && s.attr == attr).unwrap();
        series.counts[step] += by;
        let verdict = verify(&built.bundle, &forged.seal());
        let found: Vec<_> = verdict.misses.iter().map(|miss| miss.message.as_str()).collect();
        assert!(found.iter().any(|message| message.contains(why)), "{attr:?} {step} {by}: {found:?}");
    }
}

#[test]
fn what_a_full_link_carries_anyway_narrows_nothing() {
    // all that the link lets out of its bus the sun fills; what the pack takes of it is what makes it fit
    let text = behind_a_link("dc 48 V", "capacity 2 kW, efficiency 100 %")
        .replace("rated 20 kW", "rated 20 kW, must_take")
        .replace("pv { on main", "pv { on riser");
    let rule = "rule draw in economy { follow utility.import at 2 kW with pack }";
    let mut house = House::new([9.0, 5.0, 0.0, 0.0, 0.0, 0.0], [0.0; 6], rule);
    house.riser = true;
    house.start = 0.5;
    let plan = house.planned_of(&text);
    // 12 kW of sun less the 10 that fit go out; of 8 none does, and 2 more come in
    near(&derived(&plan, "roof", Quantity::Power)[1..2], &[3.0]);
    near(&pack(&plan), &[-10.0, -10.0, -2.0, -2.0, -2.0, -2.0]);
    near(&meter(&plan)[1..], &[2.0; 5]);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
}

#[test]
fn a_bus_that_carries_less_narrows_what_a_pack_is_told() {
    // its bus carries 7 kW: 3 from the roof and 4 through the link, or 3 from the roof and 4 from the pack
    let text = behind_a_link("dc 48 V, limit 7 kW", "capacity 50 kW, efficiency 100 %");
    let mut house = House::new([0.0, 5.0, 20.0, 2.0, 0.0, 0.0], [9.0, 14.0, 0.0, 0.0, 6.0, 0.0], ALWAYS);
    house.riser = true;
    house.start = 0.5;
    let plan = house.planned_of(&text);
    near(&pack(&plan), &[7.0, 4.0, -7.0, -4.0, 6.0, 0.0]);
    near(&meter(&plan), &[2.0, 2.0, -16.0, 0.0, 0.0, 0.0]);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
}

#[test]
fn no_meter_shows_what_no_link_could_bring_about() {
    // power reaches the pack and never comes back from it
    let text = SITE.replace(
        "BUSES",
        "bus riser { dc 48 V }\nlink feeder { main -> riser, capacity 20 kW, efficiency 90 % }",
    );
    let mut house = House::new([0.0; 6], [5.0; 6], ALWAYS);
    house.riser = true;
    let found = house.built_of(&text).plan().map(|plan| plan.commands).map_err(|f| words(&f.findings));
    let found = found.unwrap_err();
    assert!(found.starts_with("EVL1001") && found.contains("does not carry"), "{found}");
    // what only takes needs the way there alone
    let rules = "consumer boiler : load { on riser, demand 0 kW .. 3 kW }\n\
                 rule surplus in economy { follow utility.export at 0 kW with boiler }\n\
                 rule still in contract { limit pack.charge to 0 kW, limit pack.discharge to 0 kW }";
    let mut house = House::new([5.0, 1.0, 0.0, 2.8, 0.0, 0.0], [1.0; 6], rules);
    house.riser = true;
    let plan = house.planned_of(&text);
    near(&derived(&plan, "boiler", Quantity::Power), &[3.0, 0.0, 0.0, 1.62, 0.0, 0.0]);
    near(&meter(&plan), &[-4.0 + 3.0 / 0.9, 0.0, 1.0, 0.0, 1.0, 1.0]);
}

#[test]
fn what_is_off_its_bus_keeps_no_meter() {
    let house = House::new([0.0, 5.0, 5.0, 4.0, 0.0, 0.0], [1.0; 6], ALWAYS);
    let (built, plan) = (house.built(), house.planned());
    let mut forged = plan.clone();
    let like = forged.commands.iter().find(|series| series.attr == Attr::Charge).unwrap().clone();
    forged.commands.push(evl::bundle::CommandSeries {
        attr: Attr::Connected,
        unit: String::new(),
        step: Rat::ONE,
        counts: vec![0; 6],
        ..like
    });
    let verdict = verify(&built.bundle, &forged.seal());
    let found: Vec<_> = verdict.misses.iter().map(|miss| miss.message.as_str()).collect();
    assert!(found.iter().any(|message| message.contains("has power while `connected` is off")), "{found:?}");
}

#[test]
fn free_hours_after_following_are_rounded_within_the_store() {
    // following leaves a fraction of a watt hour that no register step takes out again
    let text = SITE.replace("export up to 30 kW", "export up to 2 kW").replace(
        "capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 80 % / 100 %,\n  charge_level 10 % .. 100 %, end free",
        "capacity 3 kWh, charge up to 3.3 kW, discharge up to 5 kW, efficiency 90 % / 87 %,\n  charge_level 0 % .. 100 %, end worth 0.2 EUR/kWh",
    );
    assert!(text.contains("87 %"));
    let rule =
        "rule f1 in contract { when during daily 01:00..02:00 then follow utility.import at 0 kW with pack }";
    let mut house = House::new([0.0, 4.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 5.0, 0.0, 0.0], rule);
    house.start = 0.11;
    let plan = house.planned_of(&text);
    assert!(derived(&plan, "pack", Quantity::Level).iter().all(|level| (0.0..=3.0).contains(level)));
    assert!(plan.breaches.is_empty());
}

#[test]
fn a_store_that_would_leak_out_of_its_band_does_not_follow_there() {
    let text = SITE.replace(
        "capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 80 % / 100 %,",
        "capacity 3 kWh, charge up to 2.5 kW, discharge up to 2.5 kW, efficiency 100 % / 100 %, self_discharge 1 % per h,",
    );
    assert!(text.contains("self_discharge"));
    let rule = "rule f in contract { follow utility.export at 0.5 * solar.available with pack }";
    let mut house = House::new([0.0; 6], [0.0, 7.0, 0.0, 0.0, 0.0, 0.0], rule);
    house.start = 0.12;
    let plan = house.planned_of(&text);
    assert!(!plan.breaches.is_empty() && plan.breaches.iter().all(|breach| breach.unit == "h"));
}

#[test]
fn what_a_bus_needs_to_the_last_digit_is_no_more_than_it_bears() {
    // 9 kW are needed and borne: 2 from the grid and 7 from behind losses, 7 / 0.9 at the pack, which no number
    // of digits says whole
    let text = behind_a_link("dc 48 V", "capacity 20 kW, efficiency 90 %")
        .replace("bus main { ac 400 V, 3 phase }", "bus main { ac 400 V, 3 phase, limit 9 kW }");
    assert!(text.contains("limit 9 kW"));
    let rule = "rule draw in contract { follow utility.import at 2 kW with pack }";
    let mut house = House::new([0.0; 6], [9.0, 8.0, 9.0, 2.0, 0.0, 9.0], rule);
    house.riser = true;
    house.start = 0.5;
    let plan = house.planned_of(&text);
    near(&pack(&plan), &[7.0 / 0.9, 6.0 / 0.9, 7.0 / 0.9, 0.0, -1.8, 7.0 / 0.9]);
    near(&meter(&plan), &[2.0; 6]);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    // one unit more of the last digit that a feed may have is too much for any plan
    let more = text.replace("limit 9 kW", "limit 8.999999999 kW");
    let found = house.built_of(&more).plan().map(|plan| plan.commands).map_err(|f| words(&f.findings));
    let found = found.unwrap_err();
    assert!(found.starts_with("EVL1002") && found.contains("`main`"), "{found}");
    // nor does a plan of the wider bus hold on the narrower
    let built = house.built_of(&text.replace("limit 9 kW", "limit 8.999999 kW"));
    let mut forged = plan.clone();
    forged.bundle = built.bundle.id.clone();
    let verdict = verify(&built.bundle, &forged.seal());
    let found: Vec<_> = verdict.misses.iter().map(|miss| miss.message.as_str()).collect();
    assert!(found.iter().any(|message| message.contains("`main` carries 9 kW")), "{found:?}");
}

#[test]
fn a_leaking_store_at_its_floor_follows_every_other_hour() {
    // nothing may be sold, so the meter never shows 1 kW of it: the pack follows only while it gives the last
    // that it has. Of 1 kWh, its floor, an hour leaves 0.85; an hour that is followed has to begin with
    // 1 / 0.85 kWh, and the one before it charges (1 / 0.85 - 0.85) / 0.8 = 0.408088 kW: 409 whole steps
    let text = SITE
        .replace("export up to 30 kW", "export up to 0 kW")
        .replace("efficiency 80 % / 100 %,", "efficiency 80 % / 100 %, self_discharge 15 % per h,");
    assert!(text.contains("self_discharge"));
    let rule = "rule f in economy { follow utility.export at 1 kW with pack }";
    let mut house = House::new([0.0; 6], [2.0; 6], rule);
    house.start = 0.1;
    let plan = house.planned_of(&text);
    assert_eq!(plan.following[0].targets.iter().flatten().count(), 3, "{:?}", plan.following);
    let missed: f64 = plan.breaches.iter().map(|breach| breach.amount.to_f64()).sum();
    assert!((missed - 3.0).abs() < 1e-9, "{:?}", plan.breaches);
    assert!(derived(&plan, "pack", Quantity::Level).iter().all(|level| *level >= 1.0));
    // at 02:00 it pays to bring in the 2 kWh that are needed when energy is dear: (3 / 0.85 - 0.85) / 0.8 =
    // 3.349265 kW, and no step more, for nothing may be sold
    let charged = &plan.command("pack", &Attr::Charge).unwrap().counts;
    assert_eq!([charged[0], charged[2], charged[4]], [409, 3349, 409]);
}

#[test]
fn life_safety_follows_nothing() {
    let rules = "consumer dump : load { on main, demand 0 kW .. 8 kW, life_safety off }\n\
                 rule surplus in economy { follow utility.export at 0 kW with dump }";
    let found = House::new([5.0; 6], [1.0; 6], rules).refused();
    assert!(found.starts_with("EVL1001") && found.contains("safe state"), "{found}");
}

#[test]
fn other_devices_are_planned_around_one_that_follows() {
    // 4 kWh for the car at 2 kW a time: cheapest where the sun gives them, and the pack takes the rest
    let rules = format!(
        "{ALWAYS}\nconsumer car : ev_charger {{ on main, demand 0 kW .. 2 kW }}\n\
         rule trip in contract {{ deliver 4 kWh to car between 00:00 and 06:00 daily }}"
    );
    let plan = House::new([0.0, 9.0, 9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 5.0, 5.0, 5.0], &rules).planned();
    let given = plan.command("car", &Attr::Power).unwrap();
    assert_eq!(given.counts, [0, 2000, 2000, 0, 0, 0]);
    // 5 kW and 3.75 kW go into the pack, 2 and 3.25 out of the site
    near(&pack(&plan)[..3], &[0.0, -5.0, -3.75]);
    near(&meter(&plan)[..3], &[0.0, -2.0, -3.25]);
}

#[test]
fn what_cannot_follow_is_refused_by_name() {
    let refused = |rules: &str| House::new([0.0; 6], [1.0; 6], rules).refused();
    let found = refused("rule r in economy { follow utility.import at 0 kW with house_load }");
    assert!(found.starts_with("EVL1001") && found.contains("serves a need"), "{found}");
    let charger = "consumer car : ev_charger { on main, demand one of { 0 kW, 1.4 kW .. 11 kW } }\n";
    let found = refused(&format!("{charger}rule r in economy {{ follow utility.export at 0 kW with car }}"));
    assert!(found.starts_with("EVL1001") && found.contains("least power"), "{found}");
    let found = refused(
        "rule r in economy { follow utility.import at 0 kW with pack }\n\
         rule s in contract { follow utility.export at 0 kW with solar }",
    );
    assert!(found.starts_with("EVL1001") && found.contains("at the same time"), "{found}");
    let found = refused(
        "rule r in economy { when pack.charge_level > 50 % then follow utility.import at 0 kW with pack }",
    );
    assert!(found.starts_with("EVL1001") && found.contains("a guard that the plan decides"), "{found}");
}

#[test]
fn changed_words_of_who_follows_are_found_out() {
    let rules = format!("{ALWAYS}\nrule calm in contract {{ limit pack.discharge to 1.25 kW }}");
    let house = House::new([0.0, 5.0, 9.0, 0.0, 0.0, 0.0], [2.0, 2.0, 2.0, 3.0, 3.0, 3.0], &rules);
    let built = house.built();
    let plan = house.planned();
    let attack = |change: &dyn Fn(&mut PlanDocument)| {
        let mut changed = plan.clone();
        change(&mut changed);
        let verdict = verify(&built.bundle, &changed.seal());
        assert!(!verdict.holds());
        verdict.misses.iter().map(|miss| miss.message.clone()).collect::<Vec<_>>().join("; ")
    };
    let found = attack(&|plan| plan.following[0].targets[1] = Some(1));
    assert!(found.contains("follow something else"), "{found}");
    let found = attack(&|plan| plan.following[0].targets[1] = None);
    assert!(found.contains("does not follow"), "{found}");
    attack(&|plan| plan.following.clear());
    let found = attack(&|plan| plan.following[0].device = "solar".into());
    assert!(found.contains("`solar`"), "{found}");
    let found = attack(&|plan| plan.following[0].grid = "pack".into());
    assert!(found.contains("no grid"), "{found}");
    let found = attack(&|plan| plan.following[0].step = Rat::int(1));
    assert!(found.contains("do not fit"), "{found}");
    let found = attack(&|plan| plan.following.push(plan.following[0].clone()));
    assert!(found.contains("two meters"), "{found}");
    for attr in [Attr::Charge, Attr::Discharge] {
        let found = attack(&|plan| {
            let series = plan.commands.iter_mut().find(|series| series.attr == attr).unwrap();
            series.counts[4] += 1;
        });
        assert!(found.contains("another greatest"), "{found}");
    }
    attack(&|plan| {
        let of = |series: &&mut evl::bundle::Series| series.of == "pack";
        let series = plan.derived.iter_mut().find(of).unwrap();
        series.values[2] += &Rat::ratio(1, 1000).unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a pack does that follows all the time, computed hour by hour.
    #[test]
    fn following_is_a_law_of_each_hour(
        sun in prop::collection::vec(0_u32..120, 6),
        needs in prop::collection::vec(0_u32..80, 6),
        start in 10_u32..=100,
        target in -30_i32..30,
        riser in any::<bool>(),
    ) {
        let tenth = |values: &[u32]| values.iter().map(|v| f64::from(*v) / 10.0).collect::<Vec<_>>();
        let target = f64::from(target) / 10.0;
        let house = House {
            sun: tenth(&sun),
            needs: tenth(&needs),
            start: f64::from(start) / 100.0,
            rules: format!("rule r in economy {{ follow utility.import at {target} kW with pack }}"),
            riser,
            excluded: String::new(),
        };
        let plan = house.planned();
        let (mut level, eta) = (house.start * 10.0, if riser { 0.9 } else { 1.0 });
        for hour in 0..6 {
            let wanted = house.needs[hour] - house.sun[hour] - target;
            let wanted = if wanted > 0.0 { wanted / eta } else { wanted * eta };
            let power = wanted.clamp(-(5.0_f64.min((10.0 - level) / 0.8)), 5.0_f64.min(level - 1.0));
            level += if power < 0.0 { -power * 0.8 } else { -power };
            prop_assert!((pack(&plan)[hour] - power).abs() < 1e-6, "{hour}: {:?} for {power}", pack(&plan));
            prop_assert!((derived(&plan, "pack", Quantity::Level)[hour] - level).abs() < 1e-6);
        }
    }

    /// Behind a link that carries less than the pack can it does what still goes through.
    #[test]
    fn following_through_a_narrow_link_is_a_law_of_each_hour(
        sun in prop::collection::vec(0_u32..120, 6),
        needs in prop::collection::vec(0_u32..80, 6),
        start in 10_u32..=100,
        target in -30_i32..30,
        capacity in 0_u32..60,
    ) {
        let tenth = |values: &[u32]| values.iter().map(|v| f64::from(*v) / 10.0).collect::<Vec<_>>();
        let (target, capacity) = (f64::from(target) / 10.0, f64::from(capacity) / 10.0);
        let house = House {
            sun: tenth(&sun),
            needs: tenth(&needs),
            start: f64::from(start) / 100.0,
            rules: format!("rule r in economy {{ follow utility.import at {target} kW with pack }}"),
            riser: true,
            excluded: String::new(),
        };
        let link = format!("link rectifier {{ main <-> riser, capacity {capacity} kW, efficiency 90 % }}");
        let plan = house.planned_of(&SITE.replace("BUSES", &format!("bus riser {{ dc 48 V }}\n{link}")));
        let mut level = house.start * 10.0;
        for hour in 0..6 {
            let wanted = house.needs[hour] - house.sun[hour] - target;
            let wanted = if wanted > 0.0 { wanted / 0.9 } else { wanted * 0.9 };
            let takes = 5.0_f64.min((10.0 - level) / 0.8).min(0.9 * capacity);
            let power = wanted.clamp(-takes, 5.0_f64.min(level - 1.0).min(capacity));
            level += if power < 0.0 { -power * 0.8 } else { -power };
            prop_assert!((pack(&plan)[hour] - power).abs() < 1e-6, "{hour}: {:?} for {power}", pack(&plan));
        }
        prop_assert!(plan.breaches.is_empty());
    }
}
