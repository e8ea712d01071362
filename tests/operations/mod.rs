//! The listener for those who run a server: metrics and probes, and nothing of the registry.

mod listen;
mod metrics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use charthouse::backend::Memory;
use charthouse::backend::faulty::Faulty;
use charthouse::server::operations::Operations;
use serde_json::{Value, json};

use crate::support::app::{Kind, TestServer};
use crate::support::http::{self, Request, Response};
use crate::support::registry::assert_status;

async fn send(operations: &Operations, request: Request) -> Response {
    http::send(operations.addr(), &request).await.expect("an answer")
}

pub async fn get(operations: &Operations, path: &str) -> Response {
    send(operations, Request::get(path)).await
}

#[tokio::test]
async fn every_request_has_its_answer() {
    let server = TestServer::start(Kind::Memory).await;
    let operations = server.operations();
    let (text, json) = ("text/plain; charset=utf-8", "application/json");
    #[rustfmt::skip]
    let cases = [
        ("GET", "/livez", 200, text, "alive\n"),
        ("GET", "/startupz", 200, text, "started\n"),
        ("GET", "/readyz", 200, json, ""),
        ("GET", "/version", 200, json, ""),
        ("GET", "/metrics", 200, "text/plain; version=0.0.4", ""),
        ("GET", "/metrics?name=x", 200, "text/plain; version=0.0.4", ""),
        ("POST", "/metrics", 405, text, "GET and HEAD only\n"),
        ("DELETE", "/readyz", 405, text, "GET and HEAD only\n"),
        ("OPTIONS", "/livez", 405, text, "GET and HEAD only\n"),
        ("GET", "/", 404, text, "nothing is here\n"),
        ("GET", "/metrics/", 404, text, "nothing is here\n"),
        ("GET", "//metrics", 404, text, "nothing is here\n"),
        ("GET", "/v2/", 404, text, "nothing is here\n"),
        ("GET", "/v2/_catalog", 404, text, "nothing is here\n"),
        ("PUT", "/v2/app/manifests/1", 404, text, "nothing is here\n"),
        ("GET", "/index.yaml", 404, text, "nothing is here\n"),
        ("GET", "/-/api/v1/namespaces", 404, text, "nothing is here\n"),
        ("GET", "/api/charts", 404, text, "nothing is here\n"),
        ("GET", "/health", 404, text, "nothing is here\n"),
    ];
    for (method, path, status, content_type, body) in cases {
        let answer = send(&operations, Request::new(method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{method} {path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD"), "{method} {path}");
        assert!(body.is_empty() || answer.text() == body, "{method} {path}: {}", answer.text());
        if method == "GET" {
            let head = send(&operations, Request::head(path)).await;
            assert_eq!((head.status, head.body.len()), (status, 0), "HEAD {path}");
            assert!(head.header("content-length").is_some_and(|length| length != "0"), "HEAD {path}");
        }
    }
}

#[tokio::test]
async fn nothing_of_it_is_on_the_listener_of_the_registry() {
    let server = TestServer::start(Kind::Memory).await;
    let _operations = server.operations();
    for path in ["/metrics", "/livez", "/readyz", "/startupz", "/version"] {
        assert_status(&server.get(path).await, 404);
    }
}

#[tokio::test]
async fn the_version_says_what_runs() {
    let server = TestServer::start(Kind::Memory).await;
    let version = get(&server.operations(), "/version").await.json();
    assert_eq!(version["name"], "charthouse");
    assert_eq!(version["environment"], "development");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["commit"].is_string());
}

/// What `/readyz` says of each check, and whether it agrees with its status.
async fn readiness(operations: &Operations) -> (u16, Value) {
    let answer = get(operations, "/readyz").await;
    let body = answer.json();
    assert_eq!(body["ready"], answer.status == 200, "{body}");
    let checks = body["checks"].as_object().expect("checks");
    for (name, check) in checks {
        assert!(check["age_seconds"].as_f64().is_some_and(|age| age >= 0.0), "{name}: {check}");
        assert_eq!(check["reason"].is_string(), check["ok"] == false, "{name}: {check}");
    }
    let oks: serde_json::Map<_, _> =
        checks.iter().map(|(name, check)| (name.clone(), check["ok"].clone())).collect();
    (answer.status, oks.into())
}

/// Asks until the status is `expected`.
async fn becomes(operations: &Operations, expected: u16) -> Value {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let (status, checks) = readiness(operations).await;
        if status == expected {
            return checks;
        }
        assert!(Instant::now() < patience, "still {status}: {checks}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn readiness_follows_the_store() {
    let store = Arc::new(Faulty::new(Memory::new()));
    let server = TestServer::over_store(store.clone()).await;
    let operations = server.operations();
    let good =
        json!({"started": true, "accepting": true, "store": true, "writable": true, "namespaces": true});
    assert_eq!(readiness(&operations).await, (200, good.clone()));
    for _ in 0..2 {
        store.set_partitioned(true);
        let checks = becomes(&operations, 503).await;
        assert_eq!(
            checks,
            json!({"started": true, "accepting": true, "store": false, "writable": true, "namespaces": true})
        );
        assert_status(&get(&operations, "/livez").await, 200);
        assert_status(&get(&operations, "/startupz").await, 200);
        assert!(get(&operations, "/metrics").await.text().contains("\ncharthouse_ready 0\n"));
        store.heal();
        assert_eq!(becomes(&operations, 200).await, good);
    }
    assert!(get(&operations, "/metrics").await.text().contains("\ncharthouse_ready 1\n"));
}

#[tokio::test]
async fn a_store_that_refuses_writes_is_told_and_stays_ready() {
    let store = Arc::new(Faulty::new(Memory::new()));
    let server = TestServer::over_store(store.clone()).await;
    let operations = server.operations();
    store.set_full(true);
    let blob = crate::support::artifact::Blob::new("content");
    let push =
        |digest: &str| Request::post(format!("/v2/app/blobs/uploads/?digest={digest}")).body("content");
    assert_status(&server.send(push(&blob.digest)).await, 507);
    let refusing =
        json!({"started": true, "accepting": true, "store": true, "writable": false, "namespaces": true});
    assert_eq!(readiness(&operations).await, (200, refusing));
    store.heal();
    assert_status(&server.send(push(&blob.digest)).await, 201);
    let good =
        json!({"started": true, "accepting": true, "store": true, "writable": true, "namespaces": true});
    assert_eq!(readiness(&operations).await, (200, good));
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready_at_once() {
    let server = TestServer::start(Kind::Memory).await;
    let operations = server.operations();
    assert_eq!(readiness(&operations).await.0, 200);
    server.drain();
    let draining =
        json!({"started": true, "accepting": false, "store": true, "writable": true, "namespaces": true});
    assert_eq!(readiness(&operations).await, (503, draining));
    assert_status(&get(&operations, "/livez").await, 200);
}
