//! Pages of any size give the same list, and no page is larger than clients read.

use serde_json::{Value, json};

use super::{API, metadata, push};
use crate::support::app::{Kind, TestServer, on_every_backend};
use crate::support::registry::{assert_status, next_page};
use crate::support::release::Release;

const CHARTS: [&str; 8] = ["a/app", "a/app-x", "a/web", "a-b/app", "a/b/app", "app", "b/app", "z/app"];

async fn fill(server: &TestServer) {
    for repository in CHARTS {
        push(server, repository, "1.0.0", json!({"keywords": ["app"]})).await;
    }
    for version in ["1.10.0", "1.2.0", "2.0.0-rc.1", "1.2.0+b", "1.2"] {
        push(server, "a/app", version, json!({"keywords": ["app"]})).await;
    }
}

#[tokio::test]
async fn pages_of_any_size_give_the_same_list() {
    let lists = [
        ("/namespaces", "namespaces", ""),
        ("/charts?namespace=a", "charts", "/repository"),
        ("/search?q=app", "charts", "/repository"),
        ("/search?q=app&namespace=a", "charts", "/repository"),
        ("/search", "charts", "/repository"),
        ("/charts/a/app/-/versions", "versions", "/version"),
    ];
    on_every_backend(async |server| {
        fill(&server).await;
        for (target, field, pointer) in lists {
            let of = |entries: Vec<Value>| -> Vec<Value> {
                entries.iter().filter_map(|entry| entry.pointer(pointer)).cloned().collect()
            };
            let (all, pages) = server.pages(&format!("{API}{target}"), field).await;
            let all = of(all);
            assert!(pages == 1 && all.len() > 2, "{target}: {all:?}");
            let join = if target.contains('?') { '&' } else { '?' };
            for n in 1..=all.len() + 1 {
                let (found, pages) = server.pages(&format!("{API}{target}{join}n={n}"), field).await;
                assert_eq!((of(found), pages), (all.clone(), all.len().div_ceil(n)), "{target} n={n}");
            }
            let none = server.get(format!("{API}{target}{join}n=0")).await;
            assert_status(&none, 200);
            assert_eq!((&none.json()[field], next_page(&none)), (&json!([]), None), "{target}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_goes_on_after_what_need_not_exist() {
    let cases: [(&str, &str, &[&str]); 7] = [
        ("/namespaces?last=a", "/namespaces", &["a-b", "a/b", "b", "z"]),
        ("/namespaces?last=a%2Fa", "/namespaces", &["a/b", "b", "z"]),
        ("/namespaces?last=zz", "/namespaces", &[]),
        ("/charts?namespace=a&last=a/app-a", "/charts", &["a/app-x", "a/web"]),
        ("/charts/a/app/-/versions?last=1.9.0", "/versions", &["1.2.0+b", "1.2.0", "1.2", "1.0.0"]),
        ("/charts/a/app/-/versions?last=1.2.0%2Bb", "/versions", &["1.2.0", "1.2", "1.0.0"]),
        ("/search?q=app&namespace=a&last=0:z", "/charts", &["a/app-x", "a/web"]),
    ];
    on_every_backend(async |server| {
        fill(&server).await;
        for (target, field, expected) in cases {
            let answer = server.get(format!("{API}{target}")).await;
            assert_status(&answer, 200);
            let answer = answer.json();
            let entries = answer.pointer(field).and_then(Value::as_array).expect(field).iter();
            let text = |entry: &Value| match entry.get("repository").or(entry.get("version")) {
                Some(name) => name.as_str().map(str::to_owned),
                None => entry.as_str().map(str::to_owned),
            };
            assert_eq!(entries.filter_map(text).collect::<Vec<_>>(), expected, "{target}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_of_large_metadata_ends_early() {
    let server = TestServer::start(Kind::Memory).await;
    let description = "d".repeat(120_000);
    for n in 0..60 {
        let metadata = metadata("app", &format!("1.0.{n}"), json!({"description": description}));
        server.push_release("team/app", &format!("1.0.{n}"), &Release::new(&metadata)).await;
    }
    let (all, pages) = server.pages(&format!("{API}/charts/team/app/-/versions?n=1000"), "versions").await;
    assert_eq!((all.len(), pages), (60, 3));
}
