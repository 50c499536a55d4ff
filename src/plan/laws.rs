//! What holds of every plan: balances and bounds, directions that exclude each other, and that no
//! other choice of a single store is cheaper than the optimum.

use proptest::prelude::*;

use super::testing::*;
use crate::ir::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_plan_is_feasible_and_exclusive(
        import in proptest::collection::vec(-20_i32..60, 4),
        export in -30_i32..40,
        sun in 0_u32..6,
        need in 0_u32..5,
        start in 0_u32..10,
    ) {
        let mut s = site();
        let g = grid(&mut s, "12", "8");
        load(&mut s, "l", &need.to_string());
        let model = Model::Renewable { rated: rat(&sun.to_string()), output: None, must_take: false };
        let pv = device(&mut s, "pv", Role::Producer, "pv", model);
        let b = store(&mut s, "b", "10", "4", End::ExactlyStart);
        let prices: Vec<f64> = import.iter().map(|p| f64::from(*p) / 100.0).collect();
        let mut scene = scene(&s, &prices, f64::from(export) / 100.0);
        scene.levels.insert(b, f64::from(start));
        let solved = run(&scene).unwrap();
        let x = &solved.climb.x;
        let mut original = solved.model.program.clone();
        original.relax_integers();
        prop_assert!(original.violation(x) < 1e-6, "{}", original.violation(x));
        let of = |device, attr: Attr| values(&solved, device, &attr);
        let (i, e) = (of(g, Attr::Import), of(g, Attr::Export));
        let (c, d, p) = (of(b, Attr::Charge), of(b, Attr::Discharge), of(pv, Attr::Power));
        for t in 0..4 {
            prop_assert!(i[t].min(e[t]) < 1e-5 && c[t].min(d[t]) < 1e-5, "{i:?} {e:?} {c:?} {d:?}");
            prop_assert!((i[t] - e[t] + d[t] - c[t] + p[t] - f64::from(need)).abs() < 1e-6);
            prop_assert!(p[t] <= f64::from(sun) + 1e-9);
        }
        // leaving the store idle is a plan too, and never a cheaper one
        let idle: f64 = (0..4)
            .map(|t| {
                let gives = |curtailed: f64| {
                    let net = f64::from(need) - (f64::from(sun) - curtailed);
                    if net >= 0.0 { net * prices[t] } else { net.max(-8.0) * f64::from(export) / 100.0 }
                };
                gives(0.0).min(gives(f64::from(sun)))
            })
            .sum();
        if need + sun <= 8 {
            prop_assert!(money(&solved) <= idle + 1e-6, "{} {idle}", money(&solved));
        }
        let again = run(&scene).unwrap();
        prop_assert_eq!(&again.climb.x, x);
    }
}
