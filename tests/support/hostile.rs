//! Metadata that YAML, JSON or a terminal might take for something else.

use serde_json::{Value, json};

use super::index::FORMAT;

/// Texts that mean something in YAML when they stand without quotes, and those that break naive quoting.
const TEXTS: [&str; 128] = [
    "",
    " ",
    "   ",
    " leading",
    "trailing ",
    "\t",
    "a\tb",
    "\n",
    "a\nb",
    "a\n\nb\n",
    "a\r\nb",
    "a\rb",
    "\n  indented\n- not a list\n",
    "---",
    "--- a",
    "a\n---\nb",
    "...",
    "a\n...\nb",
    "\"",
    "\"quoted\"",
    "a\"b",
    "'",
    "''",
    "it's",
    "\\",
    "\\\\",
    "a\\",
    "\\n",
    "\\\"",
    "\\u0041",
    "\\x41",
    "\\\n",
    "${HOME}",
    "{{ .Values.a }}",
    "<script>alert(1)</script>",
    "</script>",
    "<!--",
    "&amp;",
    ":",
    "a: b",
    "a:b",
    ": a",
    "a:",
    "http://example.com:80/?a=b#c",
    "#",
    "# comment",
    "a # comment",
    "a#b",
    "-",
    "- x",
    "-x",
    "--",
    "?",
    "? x",
    "|",
    "|\n  block",
    ">",
    ">-\n  folded",
    "%",
    "%YAML 1.1",
    "@",
    "@at",
    "`",
    "`tick`",
    "!",
    "!!",
    "!!binary aGk=",
    "!!python/object/apply:os.system [\"id\"]",
    "!local",
    "!!null null",
    "&",
    "&a",
    "&a *a",
    "*",
    "*a",
    "<<",
    "<<: *a",
    "=",
    "[",
    "[]",
    "[a, b",
    "]",
    "{",
    "{}",
    "{a: b}",
    "}",
    ",",
    "a, b",
    "~",
    "null",
    "Null",
    "NULL",
    "true",
    "True",
    "yes",
    "Yes",
    "y",
    "Y",
    "no",
    "NO",
    "n",
    "on",
    "off",
    "OFF",
    "1.10",
    "1.0",
    "1e5",
    "1e400",
    "-1",
    "+1",
    "0",
    "007",
    "0o7",
    "0x1F",
    "0b1",
    "1_000",
    "190:20:30",
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    ".inf",
    "-.INF",
    ".nan",
    ".",
    "..",
    "18446744073709551616",
    "العربية \u{200f} \u{202e} reversed \u{202c} 图表",
    "👩🏽‍🚀 🇸🇦 e\u{301} \u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
    "\u{feff}bom \u{feff}",
];

/// All of them, and each character that must not stand as it is, with some neighbours that may.
pub fn texts() -> Vec<String> {
    let controls = (0..0xa0).filter_map(char::from_u32);
    let format = FORMAT.into_iter().flatten();
    let edges = "\u{a0}\u{1680}\u{2000}\u{200a}\u{202f}\u{205f}\u{3000}\u{d7ff}\u{e000}\u{f8ff}\u{fdd0}\u{fffd}\
                 \u{10000}\u{1f600}\u{1fffe}\u{e0001}\u{e007f}\u{10ffff}";
    let odd = controls.chain(format).chain(edges.chars()).map(|char| format!("a{char}b"));
    TEXTS.into_iter().map(str::to_owned).chain(odd).collect()
}

/// A chart with `text` in every place where any text is legal.
pub fn everywhere(name: &str, version: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v2", "name": name, "version": version, "description": text, "home": text, "icon": text,
        "appVersion": text, "kubeVersion": text, "condition": text, "tags": text, "sources": [text, "b"],
        "keywords": [text, text], "annotations": {"value": text, (text): "key"},
        "maintainers": [{"name": text, "email": text, "url": text}, {"name": "b"}],
        "dependencies": [{
            "name": text, "version": text, "repository": text, "condition": text, "tags": [text],
            "import-values": [text, {"child": text, "parent": text}],
        }],
    })
}

/// Without what the configs leave away: Helm writes no empty texts, so an index may do without them too.
pub fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let full = object
                .iter()
                .filter(|(_, value)| **value != json!(""))
                .map(|(k, v)| (k.clone(), without_empty(v)));
            Value::Object(full.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}
