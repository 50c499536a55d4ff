//! Devices that the state excludes: nothing commands them, no rule counts on them, and every limit
//! holds wherever in their range they are.

use evl::bundle::{CommandForm, CommandSeries, Document, PlanDocument};
use evl::ir::Attr;
use evl::system::MemorySystem;
use evl::verify::verify;

use super::{Built, model_cost, words};

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 20 kW, export up to 5 kW, tariff flat }
consumer house : load { on main, load 2 kW }
consumer car[1..2] : ev_charger { on main, demand 0 kW .. 11 kW }
consumer fan : load { on main, demand one of { 0 kW, 3 kW } }
schedule early = daily 00:00..01:00
tariff flat { import { 0.10 EUR/kWh during early, 0.30 EUR/kWh otherwise } }
"#;

const PACK: &str = "storage pack : battery { on main, capacity 10 kWh, charge up to 5 kW, discharge up to 4 kW, \
                    efficiency 90 % / 90 %, end at least 50 % }\n";
const SUN: &str = "producer sun : pv { on main, rated 10 kW }\n";
const FROM: &str = "2026-03-02T00:00:00Z";

fn built(more: &str, state: &str) -> Built {
    let system = MemorySystem::new()
        .file("site/site.evl", SITE.to_owned() + more)
        .file("site/evl.yaml", "site: corner\n")
        .file("site/w.csv", "time,t\n2026-03-02T00:00,5\n2026-03-02T12:00,5\n");
    let state = format!(r#"{{"schema": "evl.state/1", "site": "corner", "at": "{FROM}", {state}}}"#);
    Built::new(&system, FROM, &state)
}

fn made(built: &Built) -> PlanDocument {
    let plan = built.plan().map_err(|failure| words(&failure.findings)).unwrap();
    let verdict = verify(&built.bundle, &plan);
    assert!(verdict.holds(), "{:?}", verdict.misses);
    assert_eq!(PlanDocument::read(&plan.bytes()).unwrap(), plan);
    plan
}

fn planned(more: &str, state: &str) -> PlanDocument {
    made(&built(more, state))
}

/// What a device is commanded, kW by step; all 0 where nothing commands it.
fn kw(plan: &PlanDocument, device: &str, attr: &Attr) -> Vec<f64> {
    let steps = plan.steps.len();
    match plan.command(device, attr) {
        Some(series) => (0..steps).map(|step| series.value(step).unwrap().to_f64()).collect(),
        None => vec![0.0; steps],
    }
}

fn commanded(plan: &PlanDocument, device: &str) -> bool {
    plan.commands.iter().any(|series| series.device == device)
        || plan.groups.iter().any(|group| {
            let inside = |index| group.members.iter().any(|(first, last)| (*first..=*last).contains(&index));
            (1..9).any(|index| inside(index) && device == format!("{}[{index}]", group.family))
        })
}

fn close(found: &[f64], wanted: &[f64]) {
    let near = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near && found.len() == wanted.len(), "{found:?} instead of {wanted:?}");
}

#[test]
fn a_charger_that_is_out_may_draw_all_that_it_can() {
    let rules = "rule commute in contract { deliver 9 kWh to car[1] between 00:00 and 04:00 daily }\n\
                 rule other in contract { deliver 4 kWh to car[2] between 00:00 and 04:00 daily }\n";
    let open =
        r#""done": {"commute": {"car[1]": {"energy": "0 kWh"}}, "other": {"car[2]": {"energy": "0 kWh"}}}"#;
    // both are there: all in the cheap hour
    let plan = planned(rules, open);
    close(&kw(&plan, "car[1]", &Attr::Power), &[9.0, 0.0, 0.0, 0.0]);
    // 20 kW less 2 for the house and 11 for the other: 7 kW, and 2 kWh at the dear price
    let out = format!(r#"{open}, "excluded": ["car[2]"]"#);
    let site = built(rules, &out);
    let plan = made(&site);
    let first = kw(&plan, "car[1]", &Attr::Power);
    assert!((first[0] - 7.0).abs() < 1e-6 && (first.iter().sum::<f64>() - 9.0).abs() < 1e-6, "{first:?}");
    assert!((model_cost(&plan) - (0.1 * 9.0 + 0.3 * (6.0 + 2.0))).abs() < 1e-6, "{}", model_cost(&plan));
    assert!(!commanded(&plan, "car[2]"));
    let void: Vec<_> = plan.void.iter().map(|v| (v.statement.name.as_str(), v.device.as_str())).collect();
    assert_eq!(void, [("other", "car[2]")]);
    assert!(plan.void[0].because.starts_with("the state excludes it between"), "{}", plan.void[0].because);
    assert!(plan.breaches.is_empty() && plan.overrides.is_empty());
    let said = "`car[2]` is excluded by the state, and nothing commands it: it is presumed to take 0 kW, and \
                every limit holds while it takes up to 11 kW";
    assert!(plan.assumptions.iter().any(|words| words == said), "{:?}", plan.assumptions);

    // the verifier finds each of it by itself
    let refused = |change: &dyn Fn(&mut PlanDocument), part: &str| {
        let mut changed = plan.clone();
        change(&mut changed);
        let misses = verify(&site.bundle, &changed.seal()).misses;
        assert!(misses.iter().any(|miss| miss.message.contains(part)), "{part}: {misses:?}");
    };
    let command = CommandSeries {
        device: "car[2]".to_owned(),
        attr: Attr::Power,
        form: CommandForm::Fixed,
        unit: "kW".to_owned(),
        step: "0.001".parse().unwrap(),
        counts: vec![0; 4],
    };
    refused(&|p| p.commands.push(command.clone()), "the plan commands `car[2]`, which its state excludes");
    let car = |p: &mut PlanDocument, counts: &[i64]| {
        let series = p.commands.iter_mut().find(|series| series.device == "car[1]").unwrap();
        series.counts = counts.to_vec();
    };
    refused(&|p| car(p, &[7001, 1999, 0, 0]), "`utility` imports 20.001 kW");
    refused(&|p| p.void.clear(), "asks nothing");
    refused(&|p| p.assumptions.clear(), "does not say what it assumes");
}

#[test]
fn a_total_holds_wherever_an_excluded_member_is() {
    let rules = "group cars = consumer where kind = ev_charger\n\
                 rule fleet in contract { limit cars to 12 kW together }\n\
                 rule mean in contract { limit cars to 13 kW together averaged over 60 min }\n\
                 rule most in contract { limit car[2] to 2 kW }\n\
                 rule commute in economy { deliver 3 kWh to car[1] between 00:00 and 04:00 daily }\n";
    let state = r#""done": {"commute": {"car[1]": {"energy": "0 kWh"}}}, "excluded": ["car[2]"]"#;
    let plan = planned(rules, state);
    let first = kw(&plan, "car[1]", &Attr::Power);
    assert!(first.iter().all(|power| *power <= 1.0 + 1e-9), "{first:?}");
    assert!((first.iter().sum::<f64>() - 3.0).abs() < 1e-6, "{first:?}");
    // what is asked of it alone binds nobody
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    // where no room is left, what is lower gives way
    let tight =
        rules.replace("together }", "together }\nrule tight in contract { limit cars to 11.5 kW together }");
    let plan = planned(&tight, state);
    let first = kw(&plan, "car[1]", &Attr::Power);
    assert!((first.iter().sum::<f64>() - 2.0).abs() < 1e-6, "{first:?}");
    let lost: Vec<&str> = plan.breaches.iter().map(|b| b.statement.name.as_str()).collect();
    assert_eq!(lost, ["commute"]);
}

#[test]
fn a_store_that_is_out_stands_idle_and_may_do_anything() {
    let rules = PACK.to_owned()
        + "rule reserve in comfort { keep pack.charge_level at least 60 % }\n\
           rule commute in contract { deliver 14 kWh to car[1] between 00:00 and 04:00 daily }\n\
           rule other in contract { deliver 6 kWh to car[2] between 00:00 and 04:00 daily }\n";
    let state = r#""levels": {"pack": "2 kWh"}, "excluded": ["pack"],
        "done": {"commute": {"car[1]": {"energy": "0 kWh"}}, "other": {"car[2]": {"energy": "0 kWh"}}}"#;
    let plan = planned(&rules, state);
    assert!(!commanded(&plan, "pack"));
    // 20 kW less 2 for the house and 5 that it may draw
    let both: Vec<f64> = kw(&plan, "car[1]", &Attr::Power)
        .iter()
        .zip(kw(&plan, "car[2]", &Attr::Power))
        .map(|(one, other)| one + other)
        .collect();
    assert!((both[0] - 13.0).abs() < 1e-6 && (both.iter().sum::<f64>() - 20.0).abs() < 1e-6, "{both:?}");
    // neither its reserve nor its end is asked of it
    assert!(plan.breaches.is_empty() && plan.overrides.is_empty(), "{:?}", plan.breaches);
    let level = plan.derived.iter().find(|series| series.of == "pack").unwrap();
    assert!(level.values.iter().all(|kwh| *kwh == "2".parse().unwrap()));
    // what it holds is still read: a missing level is named
    let missing = built(&rules, r#""excluded": ["pack"]"#).plan().unwrap_err();
    assert!(words(&missing.findings).contains("EVL1003"), "{}", words(&missing.findings));
}

#[test]
fn nothing_is_burnt_on_a_link_to_make_room_for_what_is_out() {
    // of 10 kW that may come from the riser 8.5 arrive, 2 are needed: 6.5 are more than may be sold
    let tank = "bus riser { dc 48 V }\nlink rectifier { main <-> riser, capacity 20 kW, efficiency 85 % }\n\
                storage tank : battery { on riser, capacity 20 kWh, charge up to 1 kW, discharge up to 10 kW, \
                efficiency 90 % / 90 %, end free }\n";
    let state = r#""levels": {"tank": "50 %"}, "excluded": ["tank"]"#;
    let found =
        built(tank, state).plan().map(|plan| plan.commands).map_err(|failure| words(&failure.findings));
    let found = found.unwrap_err();
    assert!(found.starts_with("EVL1002") && found.contains("`utility`"), "{found}");
    let plan = planned(&tank.replace("up to 10 kW", "up to 8 kW"), state);
    assert!(!commanded(&plan, "tank"));
}

#[test]
fn sun_that_is_out_of_hand_may_give_all_or_nothing() {
    // 10 kW less 2: the store takes what may not be exported, and bears that the sun gives nothing
    let rules = SUN.to_owned() + PACK + "rule dark in economy { limit sun to 1 kW }\n";
    let state = r#""levels": {"pack": "0 kWh"}, "excluded": ["sun"]"#;
    let site = built(&rules.replace("end at least 50 %", "end free"), state);
    let plan = site.plan_over(3600).map_err(|f| words(&f.findings)).unwrap();
    assert!(verify(&site.bundle, &plan).holds());
    assert!(!commanded(&plan, "sun"));
    assert!(kw(&plan, "pack", &Attr::Charge)[0] >= 3.0, "{:?}", kw(&plan, "pack", &Attr::Charge));
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
    // with nothing that takes it there is no plan
    let failure = built(SUN, r#""excluded": ["sun"]"#).plan().unwrap_err();
    assert!(failure.infeasible, "{}", words(&failure.findings));
}

#[test]
fn heat_that_is_out_is_made_by_others() {
    let rules = "consumer first : boiler { on main, demand 0 kW .. 4 kW, heats hall }\n\
                 consumer second : boiler { on main, demand 0 kW .. 4 kW, heats hall }\n\
                 zone hall { heat_capacity 2 kWh/K, heat_loss 0.1 kW/K, temperature 15 degC .. 26 degC in comfort }\n\
                 weather { source feed.w, temperature -20 degC .. 40 degC }\n\
                 feed w { file \"w.csv\", time utc, stamp start, step 12 h, column temperature \"t\" degC }\n\
                 rule warm in comfort { hold hall.temperature at least 21 degC }\n";
    let plan = planned(rules, r#""temperatures": {"hall": "21 degC"}, "excluded": ["first"]"#);
    assert!(!commanded(&plan, "first"));
    // what the hall loses at 21 degC, 1.6 kW, in each of four hours
    assert!(kw(&plan, "second", &Attr::Power).iter().sum::<f64>() > 6.39, "{:?}", plan.commands);
    assert!(plan.breaches.is_empty(), "{:?}", plan.breaches);
}

#[test]
fn what_balances_cannot_be_out() {
    let words = words(&built("", r#""excluded": ["utility"]"#).plan().unwrap_err().findings);
    assert!(words.starts_with("EVL1012") && words.contains("`utility` balances"), "{words}");
    let island = SITE
        .replace(
            "producer utility : grid { on main, import up to 20 kW, export up to 5 kW, tariff flat }\n",
            "",
        )
        .replace("tariff flat { import { 0.10 EUR/kWh during early, 0.30 EUR/kWh otherwise } }\n", "");
    let policy = island + SUN + &PACK.replace("end at least 50 %", "end free, grid_forming");
    let state = |out: &str| {
        format!(
            r#"{{"schema": "evl.state/1", "site": "corner", "at": "{FROM}", "levels": {{"pack": "9 kWh"}}, "excluded": ["{out}"]}}"#
        )
    };
    let system =
        MemorySystem::new().file("site/site.evl", policy.as_str()).file("site/evl.yaml", "site: corner\n");
    let failure = Built::new(&system, FROM, &state("pack")).plan().unwrap_err();
    let said = super::words(&failure.findings);
    assert!(said.starts_with("EVL1012") && said.contains("`pack` balances"), "{said}");
    // a charger that is out on the island: what forms it may not bear 11 kW
    let failure = Built::new(&system, FROM, &state("car[1]")).plan().unwrap_err();
    assert!(failure.infeasible, "{}", super::words(&failure.findings));
    // the fan's 3 kW with the house's 2 it may not either; 1 kW it may
    let small =
        policy.replace("one of { 0 kW, 3 kW }", "one of { 0 kW, 1 kW }").replace("rated 10 kW", "rated 5 kW");
    let system = MemorySystem::new().file("site/site.evl", small).file("site/evl.yaml", "site: corner\n");
    let site = Built::new(&system, FROM, &state("fan"));
    let plan = site.plan_over(3600).map_err(|f| super::words(&f.findings)).unwrap();
    assert!(verify(&site.bundle, &plan).holds());
}

/// Every set of excluded devices, judged by sums of our own: wherever those are, the meter bears it.
#[test]
fn every_limit_holds_for_every_set_of_excluded_devices() {
    let rules = SUN.replace("10 kW", "6 kW")
        + PACK
        + "rule commute in contract { deliver 9 kWh to car[1] between 00:00 and 04:00 daily }\n\
           rule other in economy { deliver 9 kWh to car[2] between 00:00 and 04:00 daily }\n\
           rule air in economy { run fan for 2 h between 00:00 and 04:00 daily }\n";
    let done = r#""done": {"commute": {"car[1]": {"energy": "0 kWh"}}, "other": {"car[2]": {"energy": "0 kWh"}},
        "air": {"fan": {"ran": "0 min"}}}"#;
    let devices = ["car[1]", "car[2]", "pack", "sun", "fan"];
    // what is there takes or gives a number of kW in each hour, the same in all of them: at most 20 kW come
    // in where all that is out takes what it can, at most 5 kW go out where all that is out gives it
    let possible = |out: &[&str]| {
        let sum = |wanted: bool, parts: &[(&str, f64)]| -> f64 {
            parts.iter().filter(|(name, _)| out.contains(name) == wanted).map(|(_, kw)| kw).sum()
        };
        let most = 2.0 + sum(true, &[("car[1]", 11.0), ("car[2]", 11.0), ("pack", 5.0), ("fan", 3.0)]);
        let least = 2.0 - sum(true, &[("pack", 4.0), ("sun", 6.0)]);
        // the store owes the 5 kWh that it begins with at the end, so it has nothing to give to hours that
        // all need the same; it takes 5 kWh at 90 %
        let gives = sum(false, &[("sun", 6.0)]);
        let takes = sum(false, &[("car[1]", 11.0), ("car[2]", 11.0), ("fan", 3.0), ("pack", 5.0 / 3.6)]);
        (-5.0 - least).max(-gives) <= (20.0 - most).min(takes)
    };
    let mut plans = 0;
    for set in 0_u32..32 {
        let out: Vec<&str> =
            devices.iter().enumerate().filter(|(n, _)| set & (1 << n) != 0).map(|(_, name)| *name).collect();
        let named: Vec<String> = out.iter().map(|name| format!("\"{name}\"")).collect();
        let state = format!(r#""levels": {{"pack": "5 kWh"}}, {done}, "excluded": [{}]"#, named.join(", "));
        let site = built(&rules, &state);
        let plan = match site.plan() {
            Ok(plan) => plan,
            Err(failure) => {
                assert!(failure.infeasible, "{out:?}: {}", words(&failure.findings));
                assert!(!possible(&out), "{out:?}: {}", words(&failure.findings));
                continue;
            }
        };
        assert!(possible(&out), "{out:?}");
        plans += 1;
        assert!(verify(&site.bundle, &plan).holds(), "{out:?}");
        for step in 0..plan.steps.len() {
            let (mut most, mut least) = (2.0, 2.0);
            let value = |device: &str, attr: &Attr| kw(&plan, device, attr)[step];
            for (name, full) in [("car[1]", 11.0), ("car[2]", 11.0), ("fan", 3.0)] {
                let power = if commanded(&plan, name) {
                    let on = plan.command(name, &Attr::On).map(|series| series.counts[step] as f64 * full);
                    on.unwrap_or_else(|| value(name, &Attr::Power))
                } else {
                    0.0
                };
                assert!(!(out.contains(&name) && commanded(&plan, name)), "{name}");
                most += if out.contains(&name) { full } else { power };
                least += power;
            }
            let (charge, discharge) = (value("pack", &Attr::Charge), value("pack", &Attr::Discharge));
            most += if out.contains(&"pack") { 5.0 } else { charge - discharge };
            least -= if out.contains(&"pack") { 4.0 } else { discharge - charge };
            let sun =
                plan.command("sun", &Attr::Power).map_or(6.0, |s| s.value(step).unwrap().to_f64().min(6.0));
            most -= if out.contains(&"sun") { 0.0 } else { sun };
            least -= sun;
            assert!(most <= 20.0 + 1e-9 && least >= -5.0 - 1e-9, "{out:?} at {step}: {least} .. {most}");
        }
    }
    assert!(plans >= 8, "{plans}");
}

/// Guards read what is presumed of an excluded device, and what is supplied from it is what it gives.
#[test]
fn guards_and_origins_take_them_as_presumed() {
    let rules = SUN.replace("10 kW", "3 kW")
        + PACK
        + "rule low in contract { when pack.charge_level < 50 % then limit car[1] to 2 kW }\n\
           rule green in contract { supply car[1] from sun }\n\
           rule commute in economy { deliver 8 kWh to car[1] between 00:00 and 04:00 daily }\n";
    let state = |kwh: &str| {
        format!(
            r#""levels": {{"pack": "{kwh}"}}, "done": {{"commute": {{"car[1]": {{"energy": "0 kWh"}}}}}}, "excluded": ["pack", "sun"]"#
        )
    };
    let plan = planned(&rules, &state("4 kWh"));
    assert!(kw(&plan, "car[1]", &Attr::Power).iter().all(|power| *power <= 2.0), "{:?}", plan.commands);
    let plan = planned(&rules, &state("6 kWh"));
    let power = kw(&plan, "car[1]", &Attr::Power);
    assert!((power.iter().sum::<f64>() - 8.0).abs() < 1e-6 && power.iter().all(|kw| *kw <= 3.0), "{power:?}");
    let fed: Vec<&str> =
        plan.flows.iter().filter(|flow| flow.to == "car[1]").map(|flow| flow.from.as_str()).collect();
    assert_eq!(fed, ["sun"]);
}

const HALL: &str = r#"
gateway plant
weather { source feed.weather, temperature -40 degC .. 60 degC }
feed weather { file "w.csv", time utc, stamp start, step 12 h, column temperature "t" degC }
consumer pump : heat_pump { on main, demand 0 kW .. 10 kW, heats hall, cop 3 }
control lobby : thermostat { controls hall, gateway plant, profile "generic/thermostat", control command }
zone hall { heat_capacity 20 kWh/K, heat_loss 0.1 kW/K, temperature 15 degC .. 26 degC in comfort }
rule trip in contract { deliver 30 kWh to car[1] between 00:00 and 04:00 daily }
"#;

/// 20 kW of the grid, 2 for the house; with its thermostat out of hand the pump may take all its 10 kW,
/// and so it may where it is out of hand itself: 8 are left for the car.
#[test]
fn a_thermostat_that_is_out_takes_its_machine_with_it() {
    let state = |out: &str| format!(r#""temperatures": {{"hall": "20 degC"}}, "excluded": [{out}]"#);
    let all = planned(HALL, &state(""));
    assert!(all.command("hall", &Attr::Setpoint).is_some());
    assert!(kw(&all, "car[1]", &Attr::Power).iter().any(|power| *power > 8.0));
    let setpoint = all.commands.iter().find(|series| series.device == "hall").unwrap();
    for (out, said) in [
        (r#""lobby""#, "`pump` follows the setpoint of `lobby`, which the state excludes: it is presumed to"),
        (r#""pump""#, "`pump` is excluded by the state, and nothing commands it: it is presumed to"),
    ] {
        let built = built(HALL, &state(out));
        let plan = made(&built);
        let commanded: Vec<&str> = plan.commands.iter().map(|series| series.device.as_str()).collect();
        assert!(!commanded.contains(&"hall") && !commanded.contains(&"pump"), "{commanded:?}");
        let car = kw(&plan, "car[1]", &Attr::Power);
        assert!(car.iter().all(|power| *power <= 8.0), "{out}: {car:?}");
        assert!((car.iter().sum::<f64>() - 30.0).abs() < 0.01, "{out}: {car:?}");
        assert!(plan.assumptions.iter().any(|line| line.starts_with(said)), "{:?}", plan.assumptions);
        // a setpoint beside it would be written to a device that nobody may touch, or move none
        let mut forged = plan.clone();
        forged.commands.push(setpoint.clone());
        forged.expect.extend(all.expect.iter().filter(|found| found.device == "lobby").cloned());
        let misses = verify(&built.bundle, &forged.seal()).misses;
        assert!(misses.iter().any(|miss| miss.message.contains("its state excludes")), "{misses:?}");
        // and the car may not have what the pump may take
        let mut forged = plan.clone();
        let series = forged.commands.iter_mut().find(|series| series.device == "car[1]").unwrap();
        series.counts.iter_mut().for_each(|count| *count += 600);
        assert!(!verify(&built.bundle, &forged.seal()).holds());
    }
}
