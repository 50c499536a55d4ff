//! The published schemas describe exactly what is written.

use serde_json::Value;

use crate::bundle::{Document, State};
use crate::verify::fixture;

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const PLAN: &str = include_str!("../../docs/schema/plan.json");
const STATE: &str = include_str!("../../docs/schema/state.json");
const BUNDLE: &str = include_str!("../../docs/schema/bundle.json");

/// The faults of a value under a schema, by path: the keywords that the published schemas use.
fn faults(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        return faults(root, target, value, path);
    }
    let fault = |what: &str| vec![format!("{path}: {what}")];
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = choices.iter().any(|choice| faults(root, choice, value, path).is_empty());
        return if fits { Vec::new() } else { fault("fits nothing") };
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return fault("is another constant");
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|all| !all.contains(value)) {
        return fault("is none of the words");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if schema.get("type").and_then(Value::as_str).is_some_and(|wanted| wanted != kind) {
        return fault(&format!("is of type {kind}"));
    }
    let mut out = Vec::new();
    if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
        for (at, item) in values.iter().enumerate() {
            out.extend(faults(root, items, item, &format!("{path}/{at}")));
        }
    }
    if let Value::Object(map) = value {
        let properties = schema.get("properties").and_then(Value::as_object);
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !map.contains_key(key.as_str().unwrap()) {
                out.push(format!("{path}: lacks {key}"));
            }
        }
        for (key, inner) in map {
            let at = format!("{path}/{key}");
            match (properties.and_then(|p| p.get(key)), schema.get("additionalProperties")) {
                (Some(known), _) => out.extend(faults(root, known, inner, &at)),
                (None, Some(Value::Bool(false))) => out.push(format!("{at}: is unknown")),
                (None, Some(rest)) => out.extend(faults(root, rest, inner, &at)),
                (None, None) => {}
            }
        }
    }
    out
}

fn check(schema_text: &str, value: &Value) -> Vec<String> {
    let schema = schema(schema_text);
    faults(&schema, &schema, value, "")
}

#[test]
fn a_full_plan_and_its_bundle_fit_and_use_every_key() {
    let (bundle, plan) = fixture::documents();
    let json: Value = serde_json::from_slice(&plan.bytes()).unwrap();
    assert_eq!(check(PLAN, &json), Vec::<String>::new());
    let keys = |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&schema(PLAN)), json.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    let json: Value = serde_json::from_slice(&bundle.bytes()).unwrap();
    assert_eq!(check(BUNDLE, &json), Vec::<String>::new());
    assert_eq!(keys(&schema(BUNDLE)), json.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    let site = schema(BUNDLE)["properties"]["site"].clone();
    assert_eq!(keys(&site), json["site"].as_object().unwrap().keys().cloned().collect::<Vec<_>>());
}

#[test]
fn a_full_state_fits_and_uses_every_key() {
    let text = r#"{
        "schema": "evl.state/1", "site": "testsite", "at": "2026-07-14T00:00:00Z", "sequence": 3,
        "follows": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "levels": {"pack": "50 %"}, "temperatures": {"offices": "21 degC"},
        "on": {"boiler": {"on": true, "since": "2026-07-13T22:00:00Z"}},
        "done": {"commute": {"charger[3]": {"energy": "12 kWh", "ran": "30 min", "owed": true}}},
        "charged": {"charger[3]": "7 kWh"},
        "commands": {"pack": {"charge": "2 kW"}}, "peaks": {"b19": {"any": "98 kW"}},
        "interval": {"b19": "1.2 kWh"}, "used": {"daily": "12 kWh"},
        "energy_cost": {"b19": "-12.5 USD"}, "latches": ["co_alarm"],
        "held": {"filter": "2026-07-13T23:30:00Z"},
        "signals": {"dr": "high", "fire": false, "lobby": null}, "excluded": ["charger[2]"]
    }"#;
    let json: Value = serde_json::from_str(text).unwrap();
    assert_eq!(check(STATE, &json), Vec::<String>::new());
    let state: State = serde_json::from_value(json.clone()).unwrap();
    let written: Value = serde_json::from_slice(&state.bytes()).unwrap();
    assert_eq!(written, json);
    let keys: Vec<String> = schema(STATE)["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, json.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
}

#[test]
fn drift_is_noticed() {
    let (_, plan) = fixture::documents();
    let mut json: Value = serde_json::from_slice(&plan.bytes()).unwrap();
    json["colour"] = Value::from(1);
    json["steps"][0]["start"] = Value::from(7);
    json.as_object_mut().unwrap().remove("gap");
    assert_eq!(
        check(PLAN, &json),
        [": lacks \"gap\"", "/steps/0/start: is of type integer", "/colour: is unknown"]
    );
}

#[test]
fn a_state_is_checked_against_its_site() {
    let mut site = crate::ir::testkit::site();
    fixture::battery(&mut site, "pack", "10", "5");
    let load = |inner: &str| {
        let text =
            format!(r#"{{"schema":"evl.state/1","site":"testsite","at":"2026-07-14T00:00:00Z"{inner}}}"#);
        State::load(text.as_bytes(), &site).map_err(|findings| {
            let all: Vec<String> = findings
                .iter()
                .map(|f| f.help.as_ref().map_or(f.message.clone(), |h| format!("{} ({h})", f.message)))
                .collect();
            all.join("; ")
        })
    };
    let good = load(r#","levels":{"pack":"25 %"}"#).unwrap();
    let pack = crate::ir::Device { family: crate::ir::FamilyId(0), index: 1 };
    assert_eq!(good.level(&site, pack).unwrap(), "2.5".parse().unwrap());
    let none = load("").unwrap().level(&site, pack).unwrap_err();
    assert_eq!(none.message, "the state lacks the level of `pack`");
    let wrong = |inner: &str| load(inner).unwrap_err();
    assert_eq!(
        wrong(r#","levels":{"pak":"25 %"}"#),
        "the state names `pak`, which is no device of this site (did you mean `pack`?)"
    );
    assert_eq!(
        wrong(r#","levels":{"pack":"11 kWh"}"#),
        "the level of `pack`, 11 kWh, is not between 0 and its capacity"
    );
    assert_eq!(
        wrong(r#","levels":{"pack":"3 kW"}"#),
        "the level of `pack` is 3 kW, expected energy or ratio"
    );
    assert_eq!(
        wrong(r#","lvels":{}"#),
        "the state is damaged: line 1, column 77: unknown field `lvels` (write `levels`)"
    );
    assert_eq!(wrong(r#","latches":["x"]"#), "the state names `x`, which is no latch of this site");
    assert!(
        wrong(r#","commands":{"pack":{"speed":"1 kW"}}"#)
            .contains("`speed` is no attribute that is commanded")
    );
}

#[test]
fn what_is_used_of_a_budget_is_in_its_own_unit() {
    use crate::ir::*;
    let mut site = crate::ir::testkit::site();
    site.budgets.push(Budget {
        id: BudgetId(0),
        name: "spent".into(),
        class: SAFETY,
        owner: OWNER,
        scope: Target::Site,
        quantity: BudgetQuantity::Cost,
        cap: "10".parse().unwrap(),
        per: Period::Day,
        during: Sched::Always,
        span: crate::ir::testkit::span(9),
        text: "cost of site at most 10 USD a day".into(),
    });
    let with = |site: &Site, text: &str| {
        let json = format!(
            r#"{{"schema":"evl.state/1","site":"testsite","at":"2026-07-14T00:00:00Z","used":{{"spent":"{text}"}}}}"#
        );
        let state = State::load(json.as_bytes(), site);
        let used = state.map(|state| state.used(site, &site.budgets[0]).unwrap().to_string());
        used.map_err(|findings| findings.iter().map(|f| f.message.clone()).collect::<Vec<_>>().join("; "))
    };
    for money in ["4.5 USD", "4.5"] {
        assert_eq!(with(&site, money), Ok("4.5".into()));
    }
    assert_eq!(with(&site, "4 kWh"), Err("`used` of `spent` is no number of USD: `4 kWh`".into()));
    assert_eq!(with(&site, "4 EUR"), Err("`used` of `spent` is no number of USD: `4 EUR`".into()));
    site.budgets[0].quantity = BudgetQuantity::Emissions;
    assert_eq!(with(&site, "2 kg"), Ok("2".into()));
    assert!(with(&site, "2 kWh").is_err() && with(&site, "2 USD").is_err());
}
