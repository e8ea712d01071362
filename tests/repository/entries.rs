//! Which pushed charts are listed. Every one is accepted; one that is not listed is warned about when that is known.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::assert_plain;
use super::configs::{Expected, Row, rows};
use crate::support::app::{TestServer, where_noise_is_taken};
use crate::support::index::chart_path;
use crate::support::registry::warnings;
use crate::support::release::Release;
use Expected::{Listed, Misplaced, Odd, Refused};

/// What is wrong with how `row` was taken, if anything. Each row has a namespace of its own.
async fn fault(server: &TestServer, namespace: &str, row: &Row) -> Option<String> {
    let repository = format!("{namespace}/app");
    let digest = row.release.image().manifest.digest;
    let mut faults = Vec::new();
    for (reference, tagged) in [(digest.as_str(), false), (row.tag.as_str(), true)] {
        let stored = server.put_release(&repository, reference, &row.release).await;
        if stored.status != 201 {
            return Some(format!("{}: {} {}", row.why, stored.status, stored.text()));
        }
        let told = warnings(&stored);
        let words = match row.expected {
            Refused(words) => Some(words),
            Odd(words) | Misplaced(words) if tagged => Some(words),
            _ => None,
        };
        let good = match words {
            None if matches!(row.expected, Listed) => told.is_empty(),
            None => true,
            Some(words) => {
                let told = told.join(" ").to_lowercase();
                !told.is_empty() && (words.is_empty() || words.iter().any(|word| told.contains(word)))
            }
        };
        if !good {
            faults.push(format!("warned {told:?} at the push by {reference:.20}, and not of {words:?}"));
        }
    }
    let listed = server.index(namespace).await.all().count();
    if listed != usize::from(matches!(row.expected, Listed | Odd(_))) {
        faults.push(format!("listed {listed} times"));
    }
    (!faults.is_empty()).then(|| format!("{}: {}", row.why, faults.join("; ")))
}

#[tokio::test]
async fn every_chart_is_accepted_and_listed_or_warned_about() {
    let rows = rows();
    assert!(rows.len() >= 150, "only {} rows", rows.len());
    where_noise_is_taken(async |server| {
        let mut faults = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            faults.extend(fault(&server, &format!("row-{at}"), row).await);
        }
        assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
    })
    .await;
}

#[test]
fn each_row_is_another() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = rows.iter().map(|row| &row.why).filter(|why| !seen.insert(*why)).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// What only the registry can know is not the config's to say, least of all where a package is.
#[tokio::test]
async fn a_config_cannot_say_where_its_package_is_nor_when_it_was_pushed() {
    where_noise_is_taken(async |server| {
        let says = [
            ("urls", json!(["https://evil.test/app-1.0.0.tgz"])),
            ("digest", json!("0".repeat(64))),
            ("created", json!("2001-01-01T00:00:00Z")),
            ("removed", json!(true)),
            ("checksum", json!("x")),
            ("engine", json!("gotpl")),
            ("tillerVersion", json!(">2")),
            ("url", json!("https://evil.test/")),
        ];
        let mut config = json!({"apiVersion": "v2", "name": "app", "version": "1.0.0"});
        for (key, value) in says {
            config[key] = value;
        }
        let release = Release::new(&config);
        server.push_release("team/app", "1.0.0", &release).await;
        let index = server.index("team").await;
        let entry = index.entry("app", "1.0.0");
        assert_eq!(entry["urls"], json!(["charts/app-1.0.0.tgz"]));
        assert_eq!(entry["digest"], release.digest());
        assert!(!entry["created"].as_str().expect("a time").starts_with("2001"), "{entry}");
        assert_eq!(entry["removed"], Value::Null);
        assert!(!index_text(&server).await.contains("evil.test"));
    })
    .await;
}

async fn index_text(server: &TestServer) -> String {
    server.get_index("team").await.text()
}

#[tokio::test]
async fn a_chart_with_several_tags_is_listed_once() {
    where_noise_is_taken(async |server| {
        let release = Release::named("app", "1.2.3");
        for tag in ["latest", "1", "1.2", "1.2.3", "stable", "v1.2.3", "1.2.3_x"] {
            server.push_release("team/app", tag, &release).await;
        }
        assert_eq!(server.index("team").await.versions("app"), ["1.2.3"]);
    })
    .await;
}

#[tokio::test]
async fn a_tag_given_by_a_push_by_digest_is_listed_too() {
    where_noise_is_taken(async |server| {
        let release = Release::named("app", "1.2.3");
        let digest = release.image().manifest.digest;
        for (query, versions) in
            [("", vec![]), ("?tag=latest", vec![]), ("?tag=stable&tag=1.2.3", vec!["1.2.3"])]
        {
            server.push_release("team/app", &format!("{digest}{query}"), &release).await;
            assert_eq!(server.index("team").await.versions("app"), versions, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_listed_is_not_served_either() {
    where_noise_is_taken(async |server| {
        server.push_version("team/app", "1.0.0").await;
        let another = Release::named("base", "2.0.0");
        server.push_release("team/app", "2.0.0", &another).await;
        server.push_release("team/app", "latest", &Release::named("app", "3.0.0")).await;
        server.push_release("team/app", "4.0.0", &Release::named("app", "5.0.0")).await;
        for file in ["app-2.0.0", "base-2.0.0", "app-latest", "app-3.0.0", "app-4.0.0", "app-5.0.0"] {
            let reply = server.get(chart_path("team", &format!("{file}.tgz"))).await;
            println!("{file}");
            assert_plain(&reply, 404);
        }
    })
    .await;
}
