//! Metadata that YAML, JSON or a terminal might take for something else: it is read back as it was pushed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::where_noise_is_taken;
use crate::support::hostile::{everywhere, texts, without_empty};
use crate::support::registry::assert_status;
use crate::support::release::{Pusher, Release};

fn long() -> Vec<String> {
    vec![
        "d".repeat(64 << 10),
        "a b ".repeat(16 << 10),
        "\"\\".repeat(8 << 10),
        "\u{1}".repeat(10 << 10),
        "- a: b\n".repeat(8 << 10),
        "\u{2028}".repeat(5 << 10),
        "😀".repeat(8 << 10),
        " ".repeat(3_000),
        "#".repeat(1_025),
    ]
}

/// Pushes each config as a version of `app` and finds in the index what was pushed, in JSON and in strict YAML.
async fn assert_read_back(configs: impl Fn() -> Vec<Value>) {
    where_noise_is_taken(async |server| {
        let mut pusher = Pusher::open(server.addr).await;
        let mut pushed = Vec::new();
        for (at, mut config) in configs().into_iter().enumerate() {
            let version = format!("1.0.{at}");
            config["version"] = version.as_str().into();
            let release = Release::new(&config).package("one package for all");
            assert_status(&pusher.push("team/app", &version, &release).await, 201);
            pushed.push((version, config));
        }
        // The form of all of it, and that JSON and YAML say the same, is looked at here.
        let index = server.index("team").await;
        assert_eq!(index.all().count(), pushed.len());
        for (version, config) in &pushed {
            let mut entry = index.entry("app", version).clone();
            for key in ["urls", "digest", "created"] {
                entry.as_object_mut().expect("an object").remove(key);
            }
            let (read, written) = (without_empty(&entry), without_empty(config));
            assert!(
                read == written,
                "pushed {:.3000}\nread   {:.3000}",
                written.to_string(),
                read.to_string()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_text_that_looks_like_something_else_is_read_back_wherever_it_stands() {
    assert_read_back(|| texts().iter().map(|text| everywhere("app", "", text)).collect()).await;
}

#[tokio::test]
async fn long_texts_are_read_back() {
    let field = |key: &str, value: Value| {
        let mut config = json!({"apiVersion": "v2", "name": "app", "version": ""});
        config[key] = value;
        config
    };
    assert_read_back(|| {
        let long = long();
        let described = long.iter().map(|text| field("description", json!(text)));
        let noted = long.iter().map(|text| field("annotations", json!({"long": text})));
        let keyed = long.iter().map(|text| field("keywords", json!(["before", text, "after"])));
        described.chain(noted).chain(keyed).collect()
    })
    .await;
}

#[tokio::test]
async fn odd_annotation_keys_are_read_back_beside_each_other() {
    // Keys that differ by case only are refused, in the manifest as well.
    let mut seen = BTreeSet::new();
    let all: Vec<_> = texts().into_iter().filter(|text| seen.insert(text.to_lowercase())).collect();
    let annotated = |keys: &[String]| {
        let annotations: serde_json::Map<_, _> = keys.iter().map(|key| (key.clone(), json!(key))).collect();
        json!({"apiVersion": "v2", "name": "app", "version": "", "annotations": annotations})
    };
    assert_read_back(|| {
        let longest = ["k".repeat(990), "é".repeat(495), "😀".repeat(247)];
        all.chunks(40)
            .map(annotated)
            .chain(longest.iter().map(|key| annotated(std::slice::from_ref(key))))
            .collect()
    })
    .await;
}

#[tokio::test]
async fn every_character_of_the_basic_plane_is_read_back() {
    let all: Vec<char> = (0..=0xffff).filter_map(char::from_u32).collect();
    assert_read_back(|| {
        let described = |part: &[char]| {
            json!({"apiVersion": "v2", "name": "app", "version": "", "description": part.iter().collect::<String>()})
        };
        all.chunks(8_000).map(described).collect()
    })
    .await;
}
