//! Laws of plans on random small policies: every plan passes the verifier (no plan is returned
//! otherwise), and no choice of commands on a coarse grid does better, class by class.

use evl::bundle::{PlanDocument, Quantity};
use evl::ir::Attr;
use evl::system::MemorySystem;
use proptest::prelude::*;

const SITE: &str = r#"
edition 2026
site corner {
  timezone "UTC", currency EUR, step 60 min, horizon 3 h, valid 2026-01-01 .. 2026-12-31, signatures none
}
priorities safety > contract > comfort > economy
bus main { ac 400 V, 3 phase }
producer utility : grid { on main, import up to IMPORT kW, export up to 5 kW, tariff flat }
consumer house : load { on main, load 1 kW }
consumer car : ev_charger { on main, demand 0 kW .. 10 kW }
storage pack : battery {
  on main, capacity 10 kWh, charge up to 5 kW, discharge up to 5 kW, efficiency 90 % / 90 %, end free
}
tariff flat {
  import { P0 EUR/kWh during daily 00:00..01:00, P1 EUR/kWh during daily 01:00..02:00, P2 EUR/kWh otherwise }
  export EX EUR/kWh
}
rule low in contract { when pack.charge_level < LOW % UNTIL then limit car to CAP kW }
rule busy in contract { when utility.import > BUSY kW then limit pack.charge to 0 kW }
rule trip in comfort { deliver TRIP kWh to car between 00:00 and 03:00 daily }
rule wish in economy { preferably limit car to WISH kW }
"#;

/// A random case.
#[derive(Debug, Clone)]
struct Case {
    import: u32,
    prices: [i32; 3],
    export: i32,
    level: u32,
    low: u32,
    latch: bool,
    cap: u32,
    busy: u32,
    trip: u32,
    wish: u32,
}

fn cases() -> impl Strategy<Value = Case> {
    let prices = prop::array::uniform3(-10_i32..50);
    let guard = (1_u32..8, any::<bool>(), 0_u32..6, 3_u32..16);
    ((6_u32..20, prices, -5_i32..30), (0_u32..=20), guard, (2_u32..28, 2_u32..10)).prop_map(
        |((import, prices, export), level, (low, latch, cap, busy), (trip, wish))| Case {
            import,
            prices,
            export,
            level,
            low,
            latch,
            cap,
            busy,
            // more than the meter alone can bring is no matter of classes
            trip: trip.min(3 * (import - 1)),
            wish,
        },
    )
}

fn cents(value: i32) -> String {
    format!("{}{}.{:02}", if value < 0 { "-" } else { "" }, value.abs() / 100, value.abs() % 100)
}

/// What plan or trial comes to: missing kWh of the delivery, kWh above the wish, money.
#[derive(Debug, Clone, Copy)]
struct Score(f64, f64, f64);

impl Score {
    /// Better by more than rounding to registers can explain.
    fn beats(self, other: Self) -> bool {
        if (self.0 - other.0).abs() > 0.02 {
            return self.0 < other.0;
        }
        if (self.1 - other.1).abs() > 0.02 {
            return self.1 < other.1;
        }
        self.2 < other.2 - 0.03
    }
}

/// The score of commands: net power of the pack and power of the car by step; `None` where they break
/// what is hard.
fn trial(case: &Case, commands: &[(f64, f64); 3]) -> Option<Score> {
    let (mut level, mut latched, mut money, mut got, mut above) =
        (f64::from(case.level) / 2.0, false, 0.0, 0.0, 0.0);
    for (t, (pack, car)) in commands.iter().enumerate() {
        let ratio = level / 10.0;
        let low = f64::from(case.low) / 10.0;
        // below by a register step
        let holds = ratio < low - 0.001;
        let active = holds || (case.latch && latched && ratio <= low + 0.201);
        latched = active;
        if active && *car > f64::from(case.cap) {
            return None;
        }
        level += if *pack >= 0.0 { pack * 0.9 } else { pack / 0.9 };
        let net = 1.0 + car + pack;
        if !(-1e-9..=10.0 + 1e-9).contains(&level) || net > f64::from(case.import) || net < -5.0 {
            return None;
        }
        if net > f64::from(case.busy) + 0.001 && *pack > 0.0 {
            return None;
        }
        let price = if net >= 0.0 { case.prices[t] } else { case.export };
        money += net * f64::from(price) / 100.0;
        got += car;
        above += (car - f64::from(case.wish)).max(0.0);
    }
    Some(Score((f64::from(case.trip) - got).max(0.0), above, money))
}

fn policy(case: &Case) -> String {
    let until = if case.latch {
        format!("until pack.charge_level > {} %", case.low * 10 + 20)
    } else {
        String::new()
    };
    SITE.replace("IMPORT", &case.import.to_string())
        .replace("P0", &cents(case.prices[0]))
        .replace("P1", &cents(case.prices[1]))
        .replace("P2", &cents(case.prices[2]))
        .replace("EX EUR", &format!("{} EUR", cents(case.export)))
        .replace("LOW", &(case.low * 10).to_string())
        .replace("UNTIL", &until)
        .replace("CAP", &case.cap.to_string())
        .replace("BUSY", &case.busy.to_string())
        .replace("TRIP", &case.trip.to_string())
        .replace("WISH", &case.wish.to_string())
}

/// Cases that were found once.
#[test]
fn found_before() {
    for (trip, wish) in [(11, 2), (13, 3)] {
        let case = Case {
            import: 6,
            prices: [0; 3],
            export: 0,
            level: 0,
            low: 1,
            latch: false,
            cap: 0,
            busy: 3,
            trip,
            wish,
        };
        unbeaten(&case).unwrap();
    }
}

/// A search that ended at the second best pattern of guards and called it the best.
#[test]
fn found_by_a_search() {
    let case = Case {
        import: 9,
        prices: [13, 0, 14],
        export: 1,
        level: 5,
        low: 7,
        latch: true,
        cap: 0,
        busy: 11,
        trip: 23,
        wish: 2,
    };
    unbeaten(&case).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        // the same cases in every run: what is found once stands above
        rng_seed: proptest::test_runner::RngSeed::Fixed(20260302),
        max_shrink_iters: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_grid_of_commands_beats_the_plan(case in cases()) {
        unbeaten(&case)?;
    }
}

/// What the document says to follow from its commands, by arithmetic that shares nothing with the
/// simulator that wrote it, and what the optimiser itself thought that it costs.
fn arithmetic(case: &Case, plan: &PlanDocument) -> Result<(), TestCaseError> {
    let command = |device: &str, attr: &Attr, step: usize| {
        plan.command(device, attr).and_then(|series| series.value(step)).map_or(0.0, |v| v.to_f64())
    };
    let said = |of: &str, quantity: Quantity, step: usize| {
        let series = plan.derived.iter().find(|s| s.of == of && s.quantity == quantity).unwrap();
        series.values[step].to_f64()
    };
    let (mut level, mut money) = (f64::from(case.level) / 2.0, 0.0);
    for step in 0..3 {
        let (charge, discharge) =
            (command("pack", &Attr::Charge, step), command("pack", &Attr::Discharge, step));
        level += 0.9 * charge - discharge / 0.9;
        let net = 1.0 + command("car", &Attr::Power, step) + charge - discharge;
        let price = if net >= 0.0 { case.prices[step] } else { case.export };
        money += net * f64::from(price) / 100.0;
        for (of, quantity, is) in [
            ("pack", Quantity::Level, level),
            ("utility", Quantity::Import, net.max(0.0)),
            ("utility", Quantity::Export, (-net).max(0.0)),
        ] {
            let says = said(of, quantity, step);
            prop_assert!((says - is).abs() < 1e-8, "{of} {quantity:?} {step}: {says} is {is}");
        }
    }
    let cost = plan.money.plan_cost.to_f64();
    prop_assert!((cost - money).abs() < 1e-8, "{cost} is {money}");
    let model = super::model_cost(plan);
    prop_assert!((cost - model).abs() < 0.03, "{cost} was {model} before rounding");
    Ok(())
}

/// That no choice of commands on the grid is better than the plan.
fn unbeaten(case: &Case) -> Result<(), TestCaseError> {
    let system = MemorySystem::new()
        .file("site/site.evl", policy(case).as_str())
        .file("site/evl.yaml", "site: corner\n");
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "corner", "at": "2026-03-02T00:00:00Z",
              "levels": {{"pack": "{} %"}}}}"#,
        case.level * 5
    );
    let made = super::try_planned(&system, "2026-03-02T00:00:00Z", &state);
    let plan = match made {
        Ok(plan) => plan,
        Err(failure) => return Err(TestCaseError::fail(super::words(&failure.findings))),
    };
    arithmetic(case, &plan)?;
    let missing = |rule: &str| -> f64 {
        plan.breaches.iter().filter(|b| b.statement.name == rule).map(|b| b.amount.to_f64()).sum()
    };
    let planned = Score(missing("trip"), missing("wish"), plan.money.plan_cost.to_f64());
    let packs = [-5.0, -2.5, 0.0, 2.5, 5.0];
    let cars = [0.0, f64::from(case.cap), f64::from(case.wish), 5.0, 10.0];
    let options: Vec<(f64, f64)> = packs.iter().flat_map(|p| cars.iter().map(move |c| (*p, *c))).collect();
    for a in &options {
        for b in &options {
            for c in &options {
                let commands = [*a, *b, *c];
                if let Some(score) = trial(case, &commands) {
                    prop_assert!(!score.beats(planned), "{score:?} by {commands:?} beats {planned:?}");
                }
            }
        }
    }
    Ok(())
}
