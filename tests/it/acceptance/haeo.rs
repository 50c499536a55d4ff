//! An Australian house behind a hybrid inverter: 110 uneven steps, prices that fall below zero.

use std::fmt::Write as _;

use super::{own, planned, shared};
use evl::calendar::Instant;

#[test]
fn two_snapshots() {
    let Some(answers) = shared("haeo/answers.json") else { return };
    let answers: serde_json::Value = serde_json::from_str(&answers).unwrap();
    for scenario in ["1", "2"] {
        let fused = shared(&format!("haeo/scenario{scenario}/fused.json")).unwrap();
        let fused: serde_json::Value = serde_json::from_str(&fused).unwrap();
        let start: Instant = fused["start"].as_str().unwrap().parse().unwrap();
        let series = |name: &str| -> Vec<f64> {
            fused[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        let (hours, solar, load) = (series("hours"), series("solar_kw"), series("load_kw"));
        let (import, export) = (series("import_price"), series("export_price"));
        let mut data = "time,solar,load,import_price,export_price\n".to_owned();
        let mut at = start;
        for t in 0..hours.len() {
            writeln!(data, "{at},{},{},{},{}", solar[t], load[t], import[t], export[t]).unwrap();
            at = at.plus((hours[t] * 3600.0).round() as i64);
        }
        let level = fused["soc0"].as_f64().unwrap() * 100.0;
        let state = format!(
            r#"{{"schema": "evl.state/1", "site": "haeo", "at": "{start}", "levels": {{"pack": "{level:.1} %"}}}}"#
        );
        let plan = planned(
            &own("haeo/site.evl"),
            &own("haeo/evl.yaml"),
            &[("house.csv", data)],
            &start.to_string(),
            &state,
        );
        let want = answers[scenario]["net_cost"].as_f64().unwrap();
        // their answer is the net cost at the meter; the battery's wear was minimised with it
        let found = plan.money.decided.to_f64();
        assert!((found - want).abs() < 0.01 * want.abs(), "scenario {scenario}: {found} against {want}");
        // nothing cuts the house's own steps
        assert_eq!(plan.steps.len(), hours.len());
    }
}
