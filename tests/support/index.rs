//! An index of charts, read as JSON and as strict YAML: both must give the same.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::app::TestServer;
use super::http::Response;
use super::registry::assert_status;

/// What Helm knows of an entry (docs/internals/helm.md#the-index): with any other key its strict reader
/// refuses the whole index.
const KNOWN: [&str; 20] = [
    "annotations",
    "apiVersion",
    "appVersion",
    "condition",
    "created",
    "dependencies",
    "deprecated",
    "description",
    "digest",
    "home",
    "icon",
    "keywords",
    "kubeVersion",
    "maintainers",
    "name",
    "sources",
    "tags",
    "type",
    "urls",
    "version",
];

/// The characters of the basic plane that nobody sees (general category Cf), and those that YAML takes for line breaks
/// or does not take at all.
pub const FORMAT: [RangeInclusive<char>; 16] = [
    '\u{ad}'..='\u{ad}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{2029}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2064}',
    '\u{2066}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{fffe}'..='\u{ffff}',
];

/// An index, its charts in the order in which they stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    #[serde(rename = "apiVersion")]
    api_version: String,
    pub generated: String,
    /// ChartMuseum's clients read it; Helm knows it and does not.
    #[serde(default, rename = "serverInfo")]
    pub server_info: Option<Value>,
    #[serde(deserialize_with = "in_order")]
    pub entries: Vec<(String, Vec<Value>)>,
}

impl Index {
    /// Reads an index and checks its form.
    #[track_caller]
    pub fn read(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).expect("an index is UTF-8");
        let index: Self =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("not an index: {error}\n{text}"));
        let as_json: Value = serde_json::from_str(text).expect("it was read a moment ago");
        assert_eq!(as_json, strict_yaml(text), "JSON and YAML read it differently");
        assert_eq!(index.api_version, "v1");
        assert_time(&index.generated);
        assert!(text.starts_with(r#"{"apiVersion":"v1","generated":""#), "{text:.60}");
        assert_visible(text);
        for entry in index.all() {
            let keys = entry.as_object().expect("an entry is an object").keys();
            let unknown: Vec<_> = keys.filter(|key| !KNOWN.contains(&key.as_str())).collect();
            assert!(unknown.is_empty(), "keys that Helm does not know: {unknown:?} in {entry}");
            assert_time(text_of(entry, "created"));
        }
        index
    }

    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().flat_map(|(_, versions)| versions)
    }

    pub fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The versions of a chart in their order; none when it is not listed.
    pub fn versions(&self, name: &str) -> Vec<&str> {
        let found = self.entries.iter().find(|(listed, _)| listed == name);
        found.into_iter().flat_map(|(_, versions)| versions).map(|entry| text_of(entry, "version")).collect()
    }

    #[track_caller]
    pub fn entry(&self, name: &str, version: &str) -> &Value {
        let is = |entry: &&Value| entry["name"] == name && entry["version"] == version;
        self.all().find(is).unwrap_or_else(|| panic!("no {name} {version} in {self:?}"))
    }
}

#[track_caller]
pub fn text_of<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("no text {key} in {entry}"))
}

/// `text` as one YAML document without anything that another reader might understand differently.
#[track_caller]
pub fn strict_yaml(text: &str) -> Value {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_events: 100_000_000,
            max_nodes: 100_000_000,
            max_total_scalar_bytes: 1 << 30,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
            max_merge_keys: 0,
        },
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .unwrap_or_else(|error| panic!("not strict YAML: {error}"))
}

/// Whatever a terminal acts on, or a YAML reader may refuse, fold or take for a line break, stands as an escape; and no
/// escape is half a character. Line breaks may stand between values: JSON has none in texts.
#[track_caller]
fn assert_visible(text: &str) {
    let hidden = |char: &char| match char.is_ascii() {
        true => char.is_ascii_control() && *char != '\n',
        false => char.is_control() || FORMAT.iter().any(|range| range.contains(char)),
    };
    let invisible = text.chars().find(hidden);
    assert_eq!(invisible.map(char::escape_unicode).map(|shown| shown.to_string()), None);
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices("\\u") {
        let backslashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        let is_half =
            matches!(bytes.get(at + 2..at + 4), Some([b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F']));
        assert!(backslashes % 2 == 1 || !is_half, "an escape of half a character, which YAML does not join");
    }
}

#[track_caller]
pub fn assert_time(text: &str) {
    static RFC3339: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$").expect("a regex"));
    assert!(RFC3339.is_match(text), "not a time of RFC 3339 in UTC: {text:?}");
}

/// The path of a namespace's index; the root's is the empty one.
pub fn index_path(namespace: &str) -> String {
    in_namespace(namespace, "index.yaml")
}

/// The path of a file below `charts/` of a namespace.
pub fn chart_path(namespace: &str, file: &str) -> String {
    in_namespace(namespace, &format!("charts/{file}"))
}

fn in_namespace(namespace: &str, rest: &str) -> String {
    if namespace.is_empty() { format!("/{rest}") } else { format!("/{namespace}/{rest}") }
}

impl TestServer {
    pub async fn get_index(&self, namespace: &str) -> Response {
        let reply = self.get(index_path(namespace)).await;
        assert_status(&reply, 200);
        reply
    }

    pub async fn index(&self, namespace: &str) -> Index {
        Index::read(&self.get_index(namespace).await.body)
    }
}

fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Vec<Value>)>, D::Error> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<(String, Vec<Value>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of lists")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries: Self::Value = Vec::new();
            while let Some(entry) = map.next_entry::<String, Vec<Value>>()? {
                assert!(!entry.1.is_empty(), "{} has no versions", entry.0);
                assert!(entries.iter().all(|(name, _)| *name != entry.0), "{} stands twice", entry.0);
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_map(InOrder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"apiVersion":"v1","generated":"2026-01-02T03:04:05Z","entries":{"b":[{"name":"b",
        "version":"1.0.0","created":"2026-01-02T03:04:05.5Z"}],"a":[{"name":"a","version":"1.0.0","created":
        "2026-01-02T03:04:05Z","description":"\\u0041 \\\u0041 é😀"}]}}"#;

    fn refuses(text: &str) -> bool {
        std::panic::catch_unwind(|| Index::read(text.as_bytes())).is_err()
    }

    #[test]
    fn the_order_of_charts_is_kept() {
        assert_eq!(Index::read(GOOD.replace('\n', "").as_bytes()).names(), ["b", "a"]);
    }

    #[test]
    fn what_an_index_must_not_be_is_refused() {
        let good = GOOD.replace('\n', "");
        for (what, with) in [
            ("\"v1\"", "\"v2\""),
            ("Z\",\"entries", "\",\"entries"),
            ("\"entries\"", "\"server\":{},\"entries\""),
            ("é", "\u{200f}"),
            ("é", "\u{85}"),
            ("é", "\u{7f}"),
            ("é", "\t"),
            ("é", "\\ud83d\\ude00"),
            ("\"description\"", "\"engine\":\"x\",\"description\""),
            ("\"name\":\"a\"", "\"name\":\"a\",\"name\":\"a\""),
            ("\"b\":", "\"a\":"),
        ] {
            assert!(good.contains(what) && refuses(&good.replacen(what, with, 1)), "{what} -> {with:?}");
        }
        assert!(!refuses(&good.replacen('é', "\\\\ud83d", 1)), "an escaped backslash is no escape");
    }
}
