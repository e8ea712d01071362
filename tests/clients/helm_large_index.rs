//! An index of 10,000 versions with metadata that parsers fall over, read by real Helm and by strict YAML parsers.
//!
//! Helm reads an index with Go's JSON parser when it is JSON, and otherwise with Go's YAML parser, strictly. A comment
//! behind the index is enough to have the second.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::helm::Helm;
use crate::support::hostile::{everywhere, texts, without_empty};
use crate::support::http::{self, Request};
use crate::support::index::Index;
use crate::support::registry::assert_status;
use crate::support::release::{Pusher, Release};
use crate::support::server::Server;

const CHARTS: usize = 100;
const VERSIONS: usize = 100;

/// What was pushed, by name and version.
type Pushed = BTreeMap<(String, String), Value>;

/// The configs of one chart. Each text comes up some 27 times among all of them, in every field some 7 times.
fn configs(chart: usize, texts: &[String]) -> Vec<Value> {
    let name = format!("chart-{chart}");
    let config = |n: usize| {
        let version = format!("{}.{}.{}", 1 + n / 100, n / 10 % 10, n % 10);
        let text = &texts[(chart * VERSIONS + n) % texts.len()];
        // Every fourth has it in each field: that costs a parser as much as ten others.
        let mut config = match n % 4 {
            0 => everywhere(&name, &version, text),
            _ => {
                json!({"apiVersion": "v2", "name": name, "version": version, "appVersion": text, "description": text,
                        "annotations": {(text): text}})
            }
        };
        if n == 7 && chart.is_multiple_of(10) {
            config["description"] = format!("{text} {}", "long ".repeat(13 << 10)).into();
        }
        config
    };
    (0..VERSIONS).map(config).collect()
}

fn key(config: &Value) -> (String, String) {
    let text = |key: &str| config[key].as_str().unwrap_or_else(|| panic!("no {key}: {config}")).to_owned();
    (text("name"), text("version"))
}

/// Pushes all charts at the same time, each over a connection of its own.
async fn push_all(addr: SocketAddr) -> Pushed {
    let texts = texts();
    let pushes = (0..CHARTS).map(async |chart| {
        let mut pusher = Pusher::open(addr).await;
        let configs = configs(chart, &texts);
        for config in &configs {
            let (name, version) = key(config);
            let release = Release::new(config).package("one package for all versions");
            assert_status(&pusher.push(&format!("team/{name}"), &version, &release).await, 201);
        }
        configs
    });
    let all = join_all(pushes).await.into_iter().flatten();
    all.map(|config| (key(&config), config)).collect()
}

/// What Helm makes of a text: every kind of space is one, and what Go does not print is dropped. Go prints the same
/// categories as Rust does when it debugs a text, where an accent stays only behind a letter.
fn cleaned(text: &str) -> String {
    let prints = |char: char| match char.is_ascii() {
        true => !char.is_ascii_control(),
        false => format!("a{char}").escape_debug().eq(['a', char]),
    };
    let clean = |char: char| if char.is_whitespace() { Some(' ') } else { prints(char).then_some(char) };
    text.chars().filter_map(clean).collect()
}

/// A config as Helm has it in memory: annotations and imported values are left as they are.
fn as_helm_reads(value: &Value) -> Value {
    match value {
        Value::String(text) => cleaned(text).into(),
        Value::Array(items) => items.iter().map(as_helm_reads).collect(),
        Value::Object(object) => {
            let read = |(key, value): (&String, &Value)| match key.as_str() {
                "annotations" | "import-values" => (key.clone(), value.clone()),
                _ => (key.clone(), as_helm_reads(value)),
            };
            Value::Object(object.iter().map(read).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn a_text_is_cleaned_as_helm_does() {
    let cases = [
        ("plain", "plain"),
        ("a\tb\nc\r\nd\u{85}e\u{a0}f\u{3000}g\u{2028}h", "a b c  d e f g h"),
        ("a\0b\u{1b}c\u{7f}d\u{9f}e\u{ad}f\u{202e}g\u{feff}h\u{e000}i\u{10ffff}j\u{e0001}k", "abcdefghijk"),
        ("\"quotes\" 'and' \\", "\"quotes\" 'and' \\"),
        ("\u{301}e\u{301} 👩🏽\u{200d}🚀 图 مخطط", "\u{301}e\u{301} 👩🏽🚀 图 مخطط"),
    ];
    for (text, expected) in cases {
        assert_eq!(cleaned(text), expected, "{text:?}");
    }
}

/// What is in `found` must be what is `expected`, entry by entry.
#[track_caller]
fn assert_all(how: &str, expected: &Pushed, found: impl IntoIterator<Item = Value>) {
    let mut seen = BTreeSet::new();
    for mut entry in found {
        let key = key(&entry);
        let config = expected.get(&key).unwrap_or_else(|| panic!("{how}: {key:?} was never pushed"));
        for key in ["urls", "digest", "created"] {
            entry.as_object_mut().expect("an object").remove(key);
        }
        let entry = without_empty(&entry);
        let shown = |value: &Value| value.to_string().chars().take(3_000).collect::<String>();
        assert!(entry == *config, "{how}: pushed\n{}\nread\n{}", shown(config), shown(&entry));
        assert!(seen.insert(key), "{how}: twice");
    }
    assert_eq!(seen.len(), expected.len(), "{how}");
}

/// What `helm search` tells of an entry.
fn searched(config: &Value) -> Value {
    let keys = ["name", "version", "appVersion", "description"];
    keys.iter().filter_map(|key| Some(((*key).to_owned(), config.get(key)?.clone()))).collect()
}

fn each(pushed: &Pushed, change: impl Fn(&Value) -> Value) -> Pushed {
    pushed.iter().map(|(key, config)| (key.clone(), change(config))).collect()
}

/// What one Helm reads: in `search`, and in all of each entry as `repo index --merge` writes it.
fn assert_helm_reads(helm: &Helm, host: &str, expected: &Pushed) {
    helm.add("team", &format!("http://{host}/team"));
    let home = helm.client().home();
    let cached = home.join(".cache/repository/team-index.yaml");
    let in_search = each(expected, searched);
    for syntax in ["JSON", "YAML"] {
        if syntax == "YAML" {
            let index = fs::read_to_string(&cached).expect("Helm keeps the index");
            fs::write(&cached, format!("{}\n# now it is not JSON any more\n", index.trim_end()))
                .expect("write it");
        }
        let said = helm.client().run(&["search", "repo", "--versions", "--devel", "--output", "json"]);
        let found: Vec<Value> = serde_json::from_str(&said.succeeds()).expect("a list");
        let found = found.into_iter().map(|entry| {
            let name = entry["name"].as_str().expect("a name").trim_start_matches("team/");
            json!({"name": name, "version": entry["version"], "appVersion": entry["app_version"],
                   "description": entry["description"]})
        });
        assert_all(&format!("helm search, {syntax}"), &in_search, found);

        let folder = tempfile::tempdir_in(home).expect("a folder");
        let (into, merge) = (folder.path().to_str().expect("a path"), cached.to_str().expect("a path"));
        helm.client().run(&["repo", "index", into, "--merge", merge, "--json"]).succeeds();
        let written = fs::read(folder.path().join("index.yaml")).expect("an index");
        let mut written: Value = serde_json::from_slice(&written).expect("JSON");
        let entries = written["entries"].as_object_mut().expect("entries").values_mut();
        let found = entries.flat_map(|versions| std::mem::take(versions.as_array_mut().expect("versions")));
        assert_all(&format!("helm repo index --merge, {syntax}"), expected, found);
    }
}

#[test]
fn ten_thousand_versions_are_read_as_they_were_pushed() {
    let helms: Vec<Helm> = [4, 3].into_iter().filter_map(Helm::find).collect();
    let server = Server::where_noise_is_taken(&["--storage", "memory:"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let pushed = runtime.block_on(push_all(server.address()));
    println!("{} pushes in {:?}", pushed.len(), begun.elapsed());
    assert_eq!(pushed.len(), CHARTS * VERSIONS);

    let get = Request::get("/team/index.yaml");
    let reply = runtime.block_on(http::send(server.address(), &get)).expect("the index");
    assert_status(&reply, 200);
    println!("an index of {} bytes after {:?}", reply.body.len(), begun.elapsed());
    // As JSON and as YAML, by parsers of this side.
    let index = Index::read(&reply.body);
    let entries = index.entries.into_iter().flat_map(|(_, versions)| versions);
    assert_all("the index", &each(&pushed, without_empty), entries);
    println!("read after {:?}", begun.elapsed());
    let expected = each(&pushed, |config| without_empty(&as_helm_reads(config)));
    for helm in &helms {
        assert_helm_reads(helm, &server.host(), &expected);
        println!("Helm has read it after {:?}", begun.elapsed());
    }
    server.stop();
}
