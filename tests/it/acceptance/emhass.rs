//! A French house with two on/off machines: the answer of the integer programme, not its relaxation.

use std::fmt::Write as _;

use super::{model_cost, own, planned, shared};

#[test]
fn four_windows() {
    let (Some(csv), Some(answers)) =
        (shared("emhass/opt_res_perfect_optim_profit_days1-4.csv"), shared("emhass/answers.json"))
    else {
        return;
    };
    let answers: serde_json::Value = serde_json::from_str(&answers).unwrap();
    // W to kW; the stamps are an hour ahead of UTC
    let mut data = "time,pv,load,import_price,export_price\n".to_owned();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let stamp = fields[0].replace(' ', "T");
        let kilo = |field: &str| format!("{:.12}", field.parse::<f64>().unwrap() / 1000.0);
        writeln!(data, "{stamp},{},{},{},{}", kilo(fields[1]), kilo(fields[2]), fields[8], fields[9])
            .unwrap();
    }
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!((header[8], header[9]), ("unit_load_cost", "unit_prod_price"));
    for (window, day) in (0..4).zip(23..) {
        let policy = own("emhass/site.evl")
            .replace("2022-02-24 21:00", &format!("2022-02-{:02} 21:00", day + 1))
            .replace("2022-02-23 21:00", &format!("2022-02-{day:02} 21:00"));
        let from = format!("2022-02-{day:02}T21:00:00Z");
        let state = format!(r#"{{"schema": "evl.state/1", "site": "emhass", "at": "{from}"}}"#);
        let plan = planned(&policy, &own("emhass/evl.yaml"), &[("house.csv", data.clone())], &from, &state);
        let answer = &answers["windows"][window];
        let (want, relaxed) =
            (answer["milp_eur"].as_f64().unwrap(), answer["lp_relaxation_eur"].as_f64().unwrap());
        let found = model_cost(&plan);
        assert!((found - want).abs() < 1e-6, "window {window}: {found} against {want} (relaxed {relaxed})");
    }
}
