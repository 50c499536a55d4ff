//! `preferably` on a mean over time, worked out by hand: windows of two hours, the first hour at 0.10 EUR and
//! the others at 0.30 EUR.

use evl::bundle::{Document, PlanDocument};
use evl::ir::Attr;
use evl::system::MemorySystem;
use evl::verify::verify;

use super::{Built, words};

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 4 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to 30 kW, export up to 0 kW, tariff flat }
consumer house : load { on main, load 1 kW }
consumer car : ev_charger { on main, demand 0 kW .. 11 kW }
consumer van : ev_charger { on main, demand 0 kW .. 11 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
group evs = consumer where kind = ev_charger
tariff flat { import { 0.10 EUR/kWh during daily 00:00..01:00, 0.30 EUR/kWh otherwise } }
rule still in contract { limit pack.charge to 0 kW, limit pack.discharge to 0 kW }
"#;

fn trip(kwh: u32, device: &str) -> String {
    format!(
        "rule {device}_trip in contract {{ deliver {kwh} kWh to {device} between 00:00 and 04:00 daily }}\n"
    )
}

fn made(rules: &str) -> (Built, PlanDocument) {
    let system = MemorySystem::new()
        .file("site/site.evl", SITE.to_owned() + rules)
        .file("site/evl.yaml", "site: corner\n");
    let state = r#"{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
        "levels": {"pack": "80 %"}}"#;
    let built = Built::new(&system, "2026-03-02T00:00:00Z", state);
    let plan = built.plan().map_err(|f| words(&f.findings)).unwrap();
    assert!(verify(&built.bundle, &plan).holds());
    assert_eq!(PlanDocument::read(&plan.bytes()).unwrap(), plan);
    (built, plan)
}

fn power(plan: &PlanDocument, device: &str) -> Vec<f64> {
    let series = plan.command(device, &Attr::Power).unwrap();
    (0..series.counts.len()).map(|t| series.value(t).unwrap().to_f64()).collect()
}

fn cost(plan: &PlanDocument) -> f64 {
    plan.money.plan_cost.to_f64()
}

#[test]
fn a_wish_for_a_mean_goes_before_money() {
    // free, all 8 kWh would be had in the first hour
    let (_, free) = made(&trip(8, "car"));
    assert_eq!(power(&free, "car"), [8.0, 0.0, 0.0, 0.0]);
    // 3 kW over two hours are 6 kWh, which the first hour may have alone
    let wish = "rule calm in economy { preferably limit car to 3 kW averaged over 2 h }\n";
    let (_, plan) = made(&(trip(8, "car") + wish));
    let car = power(&plan, "car");
    assert_eq!((car[0], car[1], car[2] + car[3]), (6.0, 0.0, 2.0));
    assert!((cost(&plan) - 2.2).abs() < 1e-9 && plan.breaches.is_empty(), "{} {car:?}", cost(&plan));
}

#[test]
fn a_price_is_paid_for_what_the_mean_exceeds() {
    let wish = |price: &str| {
        trip(8, "car")
            + &format!(
                "rule calm in economy {{ preferably limit car to 3 kW averaged over 2 h priced at {price} EUR/kWh }}\n"
            )
    };
    // 2 kWh more in the first hour save 0.20 a kWh
    let (_, cheap) = made(&wish("0.05"));
    assert_eq!(power(&cheap, "car"), [8.0, 0.0, 0.0, 0.0]);
    assert!((cheap.money.breach.to_f64() - 0.1).abs() < 1e-9 && (cost(&cheap) - 1.9).abs() < 1e-9);
    let (_, dear) = made(&wish("0.25"));
    assert_eq!((power(&dear, "car")[0], dear.money.breach.to_f64()), (6.0, 0.0));
}

#[test]
fn what_exceeds_the_mean_is_told_by_window() {
    let wish = "rule calm in economy { preferably limit car to 3 kW averaged over 2 h }\n";
    let (built, plan) = made(&(trip(16, "car") + wish));
    // 16 kWh exceed both windows' 12 by 4, wherever they are: all in the first
    let car = power(&plan, "car");
    assert_eq!((car[0], car[1], car[2] + car[3]), (10.0, 0.0, 6.0), "{car:?}");
    let [breach] = plan.breaches.as_slice() else { panic!("{:#?}", plan.breaches) };
    assert_eq!((breach.first, breach.amount.to_f64(), breach.unit.as_str()), (0, 4.0, "kWh"));
    let mut silent = plan.clone();
    silent.breaches.clear();
    assert!(!verify(&built.bundle, &silent.seal()).holds());
}

#[test]
fn a_group_shares_a_wished_mean() {
    let wish = "rule calm in economy { preferably limit evs to 3 kW together averaged over 2 h }\n";
    let (_, plan) = made(&(trip(4, "car") + &trip(4, "van") + wish));
    let (car, van) = (power(&plan, "car"), power(&plan, "van"));
    let both: Vec<f64> = car.iter().zip(&van).map(|(a, b)| a + b).collect();
    assert_eq!((both[0], both[1], both[2] + both[3]), (6.0, 0.0, 2.0));
    assert_eq!((car.iter().sum::<f64>(), van.iter().sum::<f64>()), (4.0, 4.0));
}

#[test]
fn a_guard_that_the_plan_decides_switches_a_wished_mean() {
    let wish = |guard: &str| {
        trip(8, "car")
            + &format!(
                "rule calm in economy {{ when {guard} then preferably limit car to 3 kW averaged over 2 h }}\n"
            )
    };
    // nothing may move the pack from 80 %
    assert_eq!(power(&made(&wish("pack.charge_level > 50 %")).1, "car")[0], 6.0);
    assert_eq!(power(&made(&wish("pack.charge_level < 50 %")).1, "car")[0], 8.0);
    // a van that stands still in the second window frees it of the wish; its own 6 kWh are in the first
    let rules = trip(8, "car")
        + &trip(6, "van")
        + "rule calm in economy { when van.power > 1 kW then preferably limit car to 1 kW averaged over 1 h }\n";
    let (_, plan) = made(&rules);
    let (car, van) = (power(&plan, "car"), power(&plan, "van"));
    assert!(plan.breaches.is_empty(), "{:#?}", plan.breaches);
    for t in 0..4 {
        assert!(van[t] <= 1.001 || car[t] <= 1.0, "{car:?} {van:?}");
    }
    // 8 kWh beside 1 of the van, its other 5 beside none in a dear hour
    assert!((car[0], van[0]) == (8.0, 1.001) || (car[0], van[0]) == (8.0, 1.0), "{car:?} {van:?}");
}
