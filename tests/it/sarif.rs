//! What the schema of SARIF 2.1.0 demands of the parts that evl writes: names of members (no others
//! are allowed), required ones, types, enumerations and least values.

use std::ffi::OsString;

use evl::system::MemorySystem;
use serde_json::Value;

/// Fails unless the value is an object with these required members and no others than the allowed.
fn object<'v>(value: &'v Value, what: &str, required: &[&str], allowed: &[&str]) -> &'v Value {
    let map = value.as_object().unwrap_or_else(|| panic!("{what} is no object: {value}"));
    for key in required {
        assert!(map.contains_key(*key), "{what} lacks `{key}`: {value}");
    }
    for key in map.keys() {
        assert!(required.contains(&key.as_str()) || allowed.contains(&key.as_str()), "{what} has `{key}`");
    }
    value
}

fn each<'v>(value: &'v Value, what: &str, unique: bool) -> Vec<&'v Value> {
    let Some(all) = value.as_array() else {
        assert!(value.is_null(), "{what} is no array: {value}");
        return Vec::new();
    };
    if unique {
        let distinct: std::collections::BTreeSet<String> = all.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), all.len(), "{what} holds equal items");
    }
    all.iter().collect()
}

fn text(value: &Value, what: &str) {
    object(value, what, &["text"], &["markdown", "id", "arguments", "properties"]);
    assert!(value["text"].is_string(), "{what}: {value}");
}

fn level(value: &Value) {
    assert!(["none", "note", "warning", "error"].contains(&value.as_str().unwrap()), "{value}");
}

fn location(value: &Value) {
    object(
        value,
        "a location",
        &[],
        &["id", "physicalLocation", "message", "logicalLocations", "properties"],
    );
    assert!(value["id"].is_null() || value["id"].as_i64().unwrap() >= -1);
    if !value["message"].is_null() {
        text(&value["message"], "a location's message");
    }
    let place =
        object(&value["physicalLocation"], "a place", &["artifactLocation"], &["region", "contextRegion"]);
    let artifact = object(&place["artifactLocation"], "an artifact", &["uri"], &["uriBaseId", "index"]);
    let uri = artifact["uri"].as_str().unwrap();
    assert!(!uri.contains([' ', '\\', '#', '"']) && !uri.starts_with('/'), "{uri} is no relative reference");
    if !place["region"].is_null() {
        let region = object(
            &place["region"],
            "a region",
            &["startLine"],
            &["startColumn", "endLine", "endColumn", "snippet"],
        );
        let at = |key: &str| region[key].as_u64().unwrap();
        for key in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(at(key) >= 1, "{region}");
        }
        assert!((at("startLine"), at("startColumn")) <= (at("endLine"), at("endColumn")), "{region}");
    }
}

fn run(run: &Value) {
    object(
        run,
        "a run",
        &["tool"],
        &["invocations", "columnKind", "results", "originalUriBaseIds", "properties"],
    );
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
    let tool = object(&run["tool"], "the tool", &["driver"], &["extensions"]);
    let driver = object(
        &tool["driver"],
        "the driver",
        &["name"],
        &["version", "semanticVersion", "rules", "informationUri", "organization"],
    );
    let rules = each(&driver["rules"], "the rules", true);
    for rule in &rules {
        let words = ["shortDescription", "fullDescription", "help"];
        object(rule, "a rule", &["id"], &["shortDescription", "fullDescription", "help", "helpUri", "name"]);
        assert!(rule["id"].is_string());
        words.iter().for_each(|word| text(&rule[word], word));
    }
    for invocation in each(&run["invocations"], "the invocations", false) {
        object(
            invocation,
            "an invocation",
            &["executionSuccessful"],
            &["exitCode", "toolExecutionNotifications"],
        );
        assert!(invocation["executionSuccessful"].is_boolean() && invocation["exitCode"].is_u64());
        for notification in each(&invocation["toolExecutionNotifications"], "the notifications", false) {
            object(notification, "a notification", &["message"], &["descriptor", "level", "locations"]);
            text(&notification["message"], "a notification");
            level(&notification["level"]);
            object(&notification["descriptor"], "a descriptor", &["id"], &["index", "guid"]);
        }
    }
    for result in each(&run["results"], "the results", false) {
        object(
            result,
            "a result",
            &["message"],
            &[
                "ruleId",
                "ruleIndex",
                "level",
                "locations",
                "relatedLocations",
                "partialFingerprints",
                "properties",
            ],
        );
        text(&result["message"], "a result");
        level(&result["level"]);
        let rule = rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let places = each(&result["locations"], "locations", false);
        assert_eq!(places.len(), 1, "{result}");
        places.into_iter().chain(each(&result["relatedLocations"], "related", true)).for_each(location);
        for print in result["partialFingerprints"].as_object().unwrap().values() {
            assert!(print.is_string());
        }
        assert!(result["properties"].is_null() || result["properties"].is_object());
    }
}

/// The log of `evl check` of these paths, with its exit code.
fn log(system: &MemorySystem, paths: &str) -> Value {
    let line = format!("evl check --format sarif {paths}");
    let exit = evl::cli::run(line.split_whitespace().map(OsString::from), system);
    let log: Value = serde_json::from_str(&system.printed()).unwrap();
    object(&log, "the log", &["version", "runs"], &["$schema", "properties"]);
    assert_eq!(log["version"], "2.1.0");
    each(&log["runs"], "the runs", false).into_iter().for_each(run);
    assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], exit.number());
    log
}

#[test]
fn logs_obey_the_schema() {
    let site = r#"edition 2026
site s { timezone "Europe/Berlin", location 52.5 N 13.4 E, currency EUR, step 15 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31, signatures none }
priorities safety > comfort > economy
bus main { ac 400 V, 3 phase }
producer grid : grid { on main, import up to 100 kW, export up to 100 kW, tariff flat }
tariff flat { import 0.30 EUR/kWh }
weather { temperature -20 degC .. 40 degC }
consumer pump : pump { on main, demand 0 kW .. 10 kW }
assume weather.temperature < 35 degC
rule above in comfort { when weather.temperature > 30 degC then turn on pump } // Größe
rule below in comfort { when weather.temperature > 20 degC then turn off pump }
rule never in comfort { when weather.temperature > 38 degC then turn off pump }
"#;
    let clashes = log(&MemorySystem::new().file("my site/ä.evl", site), ".");
    let results = clashes["runs"][0]["results"].as_array().unwrap();
    let of = |code: &str| results.iter().find(|result| result["ruleId"] == code).unwrap();
    assert_eq!(of("EVL0401")["level"], "warning");
    let clash = of("EVL0301");
    assert!(clash["properties"]["test"].as_str().unwrap().starts_with("test \""));
    assert!(clash["relatedLocations"].as_array().unwrap().len() > 1, "the other rule and the assumption");
    // no policy at all, a syntax error, and nothing to say
    log(&MemorySystem::new(), "nowhere");
    log(&MemorySystem::new().file("site/p.evl", "edition 2026\nrule x in { then }\n"), "site");
    let clean = site.lines().filter(|line| !line.starts_with("rule ")).collect::<Vec<_>>().join("\n");
    assert_eq!(
        log(&MemorySystem::new().file("site/p.evl", clean), "site")["runs"][0]["results"],
        Value::Array(vec![])
    );
}
