//! What each common mistake is told.

use super::{parse, show};

/// One snapshot of many mistakes, each apart from the others.
fn told(mistakes: &[&str]) -> String {
    let mut out = String::new();
    for text in mistakes {
        let (_, findings) = parse(text);
        assert!(!findings.is_empty(), "nothing is said about {text}");
        out.push_str(&format!("{text}\n{}\n", show(text, &findings)));
    }
    out
}

#[test]
fn statements() {
    insta::assert_snapshot!(told(&[
        "shedule peak = daily",
        "rul a in c { turn on x }",
        "battery pack { capacity 3 kWh }",
        "42",
        "consumer",
        "consumer : hvac { on main }",
        "consumer a hvac { on main }",
        "consumer a : hvac on main",
        "consumer a[8] : ev_charger { on main }",
        "bus main { ac 480 V } limit 3 kW",
        "priorities safety, comfort",
        "schedule peak weekdays",
        "group evs consumer",
        "edition soon",
        "import \"std.evl\"",
        "module m(limit) { rule a in c { turn on x } }",
        "use std.shaving(80 kW)",
        "admit allow maker \"x\"",
        "admit { permit maker \"x\" }",
        "role",
        "objective cost",
    ]));
}

#[test]
fn rules() {
    insta::assert_snapshot!(told(&[
        "rule a in c { when x > 3 }",
        "rule a in c { }",
        "rule in c { turn on x }",
        "rule a { when then turn on x }",
        "rule a in c { when x > then turn on y }",
        "rule a in c { when x == 3 then turn on y }",
        "rule a in c { if x > 3 then turn on y }",
        "rule a in c { when x > 3 && z < 2 then turn on y }",
        "rule a in c { when x > 70 untill x < 35 then turn on y }",
        "rule a in c { when x > 3 => turn on y }",
        "rule a in c { when x > 3 then switch on y }",
        "rule a in c { when x > 3 then limit y 3 kW }",
        "rule a in c { when x > 3 then limit y to }",
        "rule a in c { when x > 3 then limit evs to 3 kW eech }",
        "rule a in c { when x > 3 then turn on y else turn off y }",
        "rule a in c { when x > 3 when z > 2 then turn on y }",
        "rule a in c { until x > 3 turn on y }",
        "rule a in c { when x > 3 latch then turn on y }",
        "rule a in c { deliver 4 kWh charger }",
        "rule a in c { run washer 2 h }",
        "rule a in c { supply evs solar }",
        "rule a in c { notify coolco replace the filter }",
        "rule a in c { when (x > 3 then turn on y }",
        "rule a in c { when x > 3) then turn on y }",
        "rule a in c { limit evs to 1,000 kW }",
        "rule a in c { on lost active turn on y }",
        "rule a in c { hold z.temperature at maximum 3 degC }",
        "rule a in c { limit x to 3 kW; turn on y }",
        "rule a in c # a comment",
        "rule a in c { notify me 'text' }",
        "rule a in c { charge pack }",
    ]));
}

#[test]
fn others() {
    insta::assert_snapshot!(told(&[
        "bus main { ac 480 V, limit: 400 kW }",
        "bus main { limit <= 400 kW }",
        "bus main { limit 400 kW )\nbus b { dc 48 V }",
        "link l { main <- riser }",
        "zone z { temperature 20 °C .. 26 °C }",
        "storage s : battery { charge_level 10 % … 95 % }",
        "schedule s = weekdays 8:00..18:00",
        "schedule s = weekdays 08:00 - 18:00",
        "schedule s = weekdays 08:00..",
        "tariff t { import { 0.42 USD/kWh during } }",
        "permit tenant acme set lobby.setpoint",
        "permit tenant acme to change lobby.setpoint",
        "permit to set x",
        "forbid any vendor to set",
        "prove nothing",
        "prove never { evs.power > 60 kW average over 15 min }",
        "conform \"corporate/baseline.evl\"",
        "test hot { expect x at most 3 kW }",
        "test \"hot\" { given x 3 kW }",
        "test \"hot\" { given x 3 kW expects y at most 3 kW }",
        "test \"hot\" { given x 3 kW expect y below 3 kW }",
        "budget b in c { consumption of evs at most 300 kWh }",
        "budget b in c { consumption evs at most 300 kWh per day }",
        "feed f { file \"a.csv }\nbus b { dc 48 V }",
        "mode",
        "consumer größe : hvac { on main }",
        "consumer a : hvac { on main \u{1b}[31m }",
        "consumer a : hvac { on “main” }",
    ]));
}

#[test]
fn every_statement_of_a_text_is_judged_by_itself() {
    let text = "bus a { limit : 3, ac 480 V, dc ; 4 V }\nrule b in c { when }\nrule c in d { turn on x }\nbus e {\n  ac 480 V\n  limit = 3 kW\n  3 phase\n}\n";
    let (file, findings) = parse(text);
    insta::assert_snapshot!(show(text, &findings));
    assert_eq!(file.items.len(), 4);
}

#[test]
fn a_brace_left_open_ends_at_the_next_statement() {
    let text = "bus a { limit 3 kW\n\nrule b in c { turn on x }\nconsumer d : hvac {\n  on a\n\nrule e in c { turn off x }\n";
    let (file, findings) = parse(text);
    insta::assert_snapshot!(show(text, &findings));
    assert_eq!(file.items.len(), 4);
}
