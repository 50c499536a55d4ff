//! Just enough of JSON Schema to hold published documents against their schemas in tests.

use serde_json::Value;

/// Where `value` breaks `schema`; both are the whole documents.
pub(crate) fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(whole: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = whole.pointer(name.trim_start_matches('#')).expect("a reference that leads somewhere");
        return check(whole, target, value, at, found);
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = choices.iter().any(|choice| {
            let mut inner = Vec::new();
            check(whole, choice, value, at, &mut inner);
            inner.is_empty()
        });
        if !fits {
            found.push(format!("{at}: fits none of the choices"));
        }
    }
    if schema.get("const").is_some_and(|only| only != value) {
        found.push(format!("{at}: not the constant"));
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array)
        && !list.contains(value)
    {
        found.push(format!("{at}: {value} is not listed"));
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("type `{other}` is not used in our schemas"),
    };
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        found.push(format!("{at}: is no {}", types.join(" or ")));
    }
    if let (Some(least), Some(number)) = (schema.get("minimum").and_then(Value::as_i64), value.as_i64())
        && number < least
    {
        found.push(format!("{at}: below {least}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !object.contains_key(name.as_str().expect("a name")) {
                found.push(format!("{at}: lacks {name}"));
            }
        }
        for (name, inner) in object {
            let here = format!("{at}.{name}");
            match (schema.get("properties").and_then(|all| all.get(name)), schema.get("additionalProperties"))
            {
                (Some(known), _) => check(whole, known, inner, &here, found),
                (None, Some(Value::Bool(false))) => found.push(format!("{here}: unknown")),
                (None, Some(other)) if other.is_object() => check(whole, other, inner, &here, found),
                _ => {}
            }
        }
    }
    if let (Some(list), Some(items)) = (value.as_array(), schema.get("items")) {
        for (index, inner) in list.iter().enumerate() {
            check(whole, items, inner, &format!("{at}[{index}]"), found);
        }
    }
}
