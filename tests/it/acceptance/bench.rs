//! The site-year on which six tools agree to eight digits.

use super::{model_cost, own, planned, shared};

fn bench(from: &str, hours: u32, want: f64) {
    let Some(csv) = shared("bench/bench.csv") else { return };
    let policy = own("bench/site.evl").replace("horizon 24 h", &format!("horizon {hours} h"));
    let state = format!(
        r#"{{"schema": "evl.state/1", "site": "bench", "at": "{from}T00:00:00Z", "levels": {{"pack": "5 kWh"}}}}"#
    );
    let plan =
        planned(&policy, &own("bench/evl.yaml"), &[("bench.csv", csv)], &format!("{from}T00:00:00Z"), &state);
    assert!((model_cost(&plan) - want).abs() < 1e-6, "{} against {want}", model_cost(&plan));
    assert_eq!(plan.study, hours > 168);
}

#[test]
fn day() {
    bench("2017-03-06", 24, 2.373034204986);
}

#[test]
fn week() {
    bench("2017-03-06", 168, 5.088191967820);
}

#[test]
fn year() {
    bench("2017-01-01", 8760, 23.730975966730);
}
