//! As much of JSON Schema as src/server/api/openapi.json uses, and no more: a keyword that is not known fails.

use serde_json::{Map, Value};

/// What of `value` is not as `schema` says; empty if all is. `document` is what `$ref` points into.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "", &mut faults);
    faults
}

/// What `$ref` points to, if `value` is one.
pub fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a reference into the document");
            document.pointer(pointer).unwrap_or_else(|| panic!("{reference} is not in the document"))
        }
        None => value,
    }
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let schema = resolved(document, schema).as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
    for (keyword, expected) in schema {
        match keyword.as_str() {
            "description" | "format" | "default" | "minimum" | "maximum" => {}
            "type" => {
                let types = expected.as_array().map_or(std::slice::from_ref(expected), Vec::as_slice);
                if !types.iter().any(|name| is_of(value, name.as_str().expect("a type"))) {
                    faults.push(format!("{at} is {value} instead of {expected}"));
                }
            }
            "enum" => {
                if !expected.as_array().expect("values").contains(value) {
                    faults.push(format!("{at} is {value}, which is none of {expected}"));
                }
            }
            "anyOf" => {
                let mut any = expected.as_array().expect("schemas").iter();
                if !any.any(|schema| self::faults(document, schema, value).is_empty()) {
                    faults.push(format!("{at} is {value}, which is none of its forms"));
                }
            }
            "required" => {
                let names = expected.as_array().expect("names").iter().filter_map(Value::as_str);
                faults.extend(
                    names
                        .filter(|name| value.get(name).is_none())
                        .map(|name| format!("{at}/{name} is missing")),
                );
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, expected, item, &format!("{at}/{n}"), faults);
                }
            }
            "properties" => {
                for (name, schema) in expected.as_object().expect("properties") {
                    if let Some(property) = value.get(name) {
                        check(document, schema, property, &format!("{at}/{name}"), faults);
                    }
                }
            }
            "additionalProperties" => others(document, schema, expected, value, at, faults),
            keyword => panic!("{keyword} is not known here"),
        }
    }
}

/// The properties that `schema` does not name.
fn others(
    document: &Value,
    schema: &Map<String, Value>,
    expected: &Value,
    value: &Value,
    at: &str,
    faults: &mut Vec<String>,
) {
    let named = |name: &str| schema.get("properties").is_some_and(|named| named.get(name).is_some());
    for (name, property) in value.as_object().into_iter().flatten().filter(|(name, _)| !named(name)) {
        match expected {
            Value::Bool(false) => faults.push(format!("{at}/{name} is not described")),
            expected => check(document, expected, property, &format!("{at}/{name}"), faults),
        }
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        name => panic!("the type {name} is not known here"),
    }
}

#[test]
fn faults_are_found() {
    use serde_json::json;
    let document = json!({"s": {"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
        "a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"enum": [1, 2]}},
        "c": {"type": "object", "additionalProperties": {"type": "string"}}, "d": {"anyOf": [{"type": "null"}]},
    }}});
    let found = |value: Value| faults(&document, &json!({"$ref": "#/s"}), &value).len();
    assert_eq!(found(json!({"a": null, "b": [1, 2], "c": {"x": "y"}, "d": null})), 0);
    for wrong in [
        json!([]),
        json!({}),
        json!({"a": 1}),
        json!({"a": "", "b": [3]}),
        json!({"a": "", "c": {"x": 1}}),
        json!({"a": "", "d": 1}),
        json!({"a": "", "e": 1}),
    ] {
        assert!(found(wrong.clone()) > 0, "{wrong}");
    }
}
