//! Known answers on bare programs: the solver room and the levels without any policy around them.

use std::path::PathBuf;

use super::exclusive::Pair;
use super::levels::{Level, climb};
use super::solver::{Program, SolverOptions};

fn shared(name: &str) -> Option<String> {
    let mut at = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    while at.pop() {
        let file = at.join("shared/data").join(name);
        #[expect(clippy::disallowed_methods, reason = "a test reads its own data")]
        if let Ok(text) = std::fs::read_to_string(file) {
            return Some(text);
        }
    }
    println!("skipped: no shared data");
    None
}

fn bench(text: &str, from: &str, steps: usize) -> f64 {
    let mut p = Program::default();
    let (mut money, mut pairs, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    let rows: Vec<&str> = text.lines().skip(1).skip_while(|l| !l.starts_with(from)).take(steps).collect();
    assert_eq!(rows.len(), steps);
    let mut before: Option<super::solver::Col> = None;
    for (t, row) in rows.iter().enumerate() {
        let v: Vec<f64> = row.split(',').skip(1).map(|f| f.parse().unwrap()).collect();
        let (import, export) = (p.col(0.0, 15.0), p.col(0.0, 15.0));
        let (charge, discharge) = (p.col(0.0, 5.0), p.col(0.0, 5.0));
        let level = if t + 1 == steps { p.col(5.0, 5.0) } else { p.col(0.0, 10.0) };
        p.equal([(import, 1.0), (export, -1.0), (discharge, 1.0), (charge, -1.0)], v[0] - v[1]);
        let step = [(level, 1.0), (charge, -0.25 * 0.95), (discharge, 0.25 / 0.95)];
        match before {
            Some(b) => p.equal(step.into_iter().chain([(b, -1.0)]), 0.0),
            None => p.equal(step, 5.0),
        }
        before = Some(level);
        money.extend([(import, v[2] * 0.25), (export, -v[3] * 0.25)]);
        pairs.extend([Pair { a: import, b: export }, Pair { a: charge, b: discharge }]);
        let weight = 0.25 * (1.0 + t as f64 / steps as f64);
        idle.extend([(charge, weight), (discharge, weight)]);
    }
    let levels = [Level::exact(money), Level::exact(idle)];
    let done = climb(&p, &levels, &pairs, None, &SolverOptions::default()).unwrap();
    assert!(p.violation(&done.x) < 1e-6, "{}", p.violation(&done.x));
    done.levels[0].value
}

#[test]
fn bench_day() {
    let Some(text) = shared("bench/bench.csv") else { return };
    assert!((bench(&text, "2017-03-06", 96) - 2.373034204986).abs() < 1e-6);
}

#[test]
fn bench_week() {
    let Some(text) = shared("bench/bench.csv") else { return };
    assert!((bench(&text, "2017-03-06", 672) - 5.088191967820).abs() < 1e-6);
}

#[test]
fn emhass_windows() {
    let (Some(csv), Some(answers)) =
        (shared("emhass/opt_res_perfect_optim_profit_days1-4.csv"), shared("emhass/answers.json"))
    else {
        return;
    };
    let answers: serde_json::Value = serde_json::from_str(&answers).unwrap();
    let rows: Vec<Vec<f64>> =
        csv.lines().skip(1).map(|l| l.split(',').skip(1).map(|f| f.parse().unwrap()).collect()).collect();
    for (w, window) in rows.chunks(48).enumerate().take(4) {
        let mut p = Program::default();
        let (mut money, mut pairs) = (Vec::new(), Vec::new());
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for v in window {
            let (import, export) = (p.col(0.0, 9.0), p.col(0.0, 9.0));
            let (a, b) = (p.integer(0.0, 1.0), p.integer(0.0, 1.0));
            p.equal([(import, 1.0), (export, -1.0), (a, -3.0), (b, -0.75)], (v[1] - v[0]) / 1000.0);
            money.extend([(import, v[7] * 0.5), (export, -v[8] * 0.5)]);
            pairs.push(Pair { a: import, b: export });
            first.push((a, 1.5));
            second.push((b, 0.375));
        }
        p.equal(first, 15.0);
        p.equal(second, 6.0);
        let levels = [Level::exact(money)];
        let done = climb(&p, &levels, &pairs, None, &SolverOptions::default()).unwrap();
        let want = answers["windows"][w]["milp_eur"].as_f64().unwrap();
        assert!((done.levels[0].value - want).abs() < 1e-6, "window {w}: {} {want}", done.levels[0].value);
    }
}

/// The bench site as a typed policy, with its inputs.
fn bench_site(
    text: &str,
    from: &str,
    steps: usize,
) -> (crate::bundle::Bundle, crate::inputs::Inputs, crate::bundle::State) {
    use super::testing::*;
    use crate::calendar::Instant;
    use crate::inputs::Track;
    use crate::ir::*;
    let mut s = site();
    s.valid = (CivilDate { year: 2017, month: 1, day: 1 }, CivilDate { year: 2018, month: 12, day: 31 });
    s.step = vec![StepRun { count: None, length_s: 900 }];
    s.horizon_s = steps as i64 * 900;
    s.buses.push(Bus {
        id: BusId(0),
        name: "main".into(),
        supply: None,
        limit: None,
        phase_limit: None,
        span: span(),
    });
    let names = ["load", "pv", "import_price", "export_price"];
    for (i, name) in names.iter().enumerate() {
        s.signals.push(Signal {
            id: SignalId::at(i),
            name: (*name).into(),
            ty: if i < 2 { crate::quantity::Type::Power } else { crate::quantity::Type::EnergyPrice },
            count: None,
            domain: Domain::Interval { lo: rat("-100"), hi: rat("100") },
            source: SignalSource::Weather,
            reading: None,
            feed: None,
            normal: None,
            strict_step: rat("0"),
            span: span(),
        });
    }
    let g = grid(&mut s, "15", "15");
    s.tariffs[0].import = Price::Feed(SignalId(2), span());
    s.tariffs[0].export = Some(Price::Feed(SignalId(3), span()));
    let pv = Model::Renewable { rated: rat("10"), output: Some(SignalId(1)), must_take: true };
    device(&mut s, "pv", Role::Producer, "pv", pv);
    let need = Consumer { need: Need::Load(SignalId(0)), ..consumer() };
    flexible(&mut s, "load", &[("0", "20")], need);
    let b = store(&mut s, "pack", "10", "5", End::ExactlyStart);
    if let Model::Store(store) = &mut s.families[b.family.index()].model {
        store.efficiency_charge = rat("0.95");
        store.efficiency_discharge = rat("0.95");
    }
    for family in &mut s.families {
        family.bus = Some(BusId(0));
    }
    let _ = g;
    let first: i64 = if from == "2017-01-01" { 1_483_228_800 } else { 1_488_758_400 };
    let rows: Vec<&str> = text.lines().skip(1).skip_while(|l| !l.starts_with(from)).take(steps).collect();
    let mut inputs = crate::inputs::Inputs::new();
    for i in 0..4 {
        let digits = rows.iter().map(|r| {
            let field: crate::quantity::Rat = r.split(',').nth(i + 1).unwrap().parse().unwrap();
            (&field * &crate::quantity::Rat::int(100_000)).to_i64().unwrap()
        });
        let starts = (0..steps as i64).map(|t| first + t * 900).collect();
        let track =
            Track::new(starts, first + steps as i64 * 900, digits.collect(), rat("0.00001"), rat("0"))
                .unwrap();
        inputs.add(SigRef::Only(SignalId::at(i)), track);
    }
    let mut state = crate::bundle::State::new("test", Instant(first));
    state.levels.insert("pack".into(), "5 kWh".parse().unwrap());
    let inventory = crate::bundle::inventory::Inventory::default();
    (crate::bundle::Bundle::new(s, Default::default(), &inventory, Default::default()), inputs, state)
}

#[test]
fn bench_day_from_a_typed_policy() {
    let Some(text) = shared("bench/bench.csv") else { return };
    let (bundle, inputs, state) = bench_site(&text, "2017-03-06", 96);
    let options = super::Options::from(state.at);
    let made = super::plan(&bundle, &inputs, &state, &options).map_err(|f| format!("{f:#?}")).unwrap();
    let cost = made.money.model_cost.clone().unwrap().to_f64();
    assert!((cost - 2.373034204986).abs() < 1e-6, "{cost}");
    assert!((made.money.plan_cost.to_f64() - cost).abs() < 0.01, "{:?}", made.money);
    let again = super::plan(&bundle, &inputs, &state, &options).unwrap();
    assert_eq!(crate::bundle::Document::bytes(&made), crate::bundle::Document::bytes(&again));
    println!("{:#?}", made.money);
}
