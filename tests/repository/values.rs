//! Rows of `entries`: values that a field of a config may have, and others.

use serde_json::{Value, json};

use super::configs::Expected::{Listed, Refused};
use super::configs::{Row, row};
use crate::support::release::Release;

/// The plain config with `change` put over it.
pub fn app_with(change: Value) -> Release {
    let mut config = json!({"apiVersion": "v2", "name": "app", "version": "1.0.0"});
    for (key, value) in change.as_object().expect("an object") {
        config[key] = value.clone();
    }
    Release::new(&config)
}

/// Values of the wrong type, and those that Helm refuses.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for key in [
        "home",
        "description",
        "icon",
        "apiVersion",
        "condition",
        "tags",
        "appVersion",
        "kubeVersion",
        "type",
    ] {
        for wrong in [json!(1), json!(true), json!(["a"]), json!({"a": "b"})] {
            rows.push((format!("{key} is {wrong}"), json!({key: wrong}), Refused(&[])));
        }
    }
    for key in ["sources", "keywords"] {
        for wrong in [json!("a"), json!({"a": "b"}), json!([1]), json!([["a"]]), json!(["a", {}])] {
            rows.push((format!("{key} is {wrong}"), json!({key: wrong}), Refused(&[])));
        }
    }
    for (key, wrong) in [
        ("deprecated", json!("true")),
        ("deprecated", json!(1)),
        ("annotations", json!(["a"])),
        ("annotations", json!({"a": 1})),
        ("annotations", json!({"a": {"b": "c"}})),
        ("maintainers", json!({"name": "a"})),
        ("maintainers", json!(["a"])),
        ("maintainers", json!([{"name": 1}])),
        ("maintainers", json!([{"name": "a"}, null])),
        ("maintainers", json!([["a", "b", "c"]])),
        ("dependencies", json!({"name": "a"})),
        ("dependencies", json!([null])),
        ("dependencies", json!([{"name": 1}])),
        ("dependencies", json!([{"name": "a", "enabled": "yes"}])),
        ("dependencies", json!([{"name": "a", "tags": "x"}])),
        ("dependencies", json!([{"name": "a", "import-values": "x"}])),
        ("type", json!("Application")),
        ("type", json!("plugin")),
        ("type", json!("application\0")),
        ("annotations", json!({"k".repeat(1_001): "v"})),
        // As long for a YAML reader, which sees it escaped.
        ("annotations", json!({"\u{1}".repeat(200): "v"})),
        ("dependencies", json!([{"name": "a", "import-values": [{"k".repeat(1_001): "v"}]}])),
        ("dependencies", json!([{"name": "a", "alias": "a.b"}])),
        // A reader that does not look at case would find it twice.
        ("Name", json!("base")),
        ("annotations", json!({"a": "1", "A": "2"})),
        ("description", json!("d".repeat(132 << 10))),
        ("keywords", json!(vec!["k".repeat(100); 1_400])),
    ] {
        let text = wrong.to_string();
        rows.push((
            format!("{key} is {text:.60} of {} bytes", text.len()),
            json!({key: wrong}),
            Refused(&[]),
        ));
    }
    for (key, good) in [
        ("type", json!("application")),
        ("type", json!("library")),
        ("type", json!("")),
        ("deprecated", json!(false)),
        ("annotations", json!({})),
        ("annotations", json!({"a": "1", "b": "2", "name": "3", "": "4"})),
        ("annotations", json!({"k".repeat(998): "v"})),
        ("keywords", json!(null)),
        ("maintainers", json!(null)),
        ("annotations", json!(null)),
        ("home", json!(null)),
        ("deprecated", json!(null)),
        ("dependencies", json!([{"name": "a", "repository": "", "alias": "A-b_1"}])),
        ("maintainers", json!([])),
        ("maintainers", json!([{"name": "a", "phone": 1}])),
        ("dependencies", json!([{"name": "a", "repository": "", "unknown": [null]}])),
        ("keywords", json!(["", "a", "a"])),
        ("description", json!("d".repeat(120 << 10))),
        ("unknown", json!({"nested": [{"deep": [1, 2.5, null, true]}]})),
    ] {
        let text = good.to_string();
        rows.push((format!("{key} is {text:.60} of {} bytes", text.len()), json!({key: good}), Listed));
    }
    rows.into_iter().map(|(why, change, expected)| row(why, "1.0.0", app_with(change), expected)).collect()
}
