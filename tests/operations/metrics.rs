//! What is counted moves as it should, and is described.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use charthouse::server::operations::Operations;
use serde_json::json;

use super::get;
use crate::support::app::{Kind, TestServer};
use crate::support::artifact::{Blob, noise};
use crate::support::http::Request;
use crate::support::registry::{assert_status, blob_path, manifest_path};
use crate::support::release::Release;

/// What `/metrics` says at one moment.
struct Scrape(String);

impl Scrape {
    async fn of(operations: &Operations) -> Self {
        let answer = get(operations, "/metrics").await;
        assert_status(&answer, 200);
        Self(answer.text())
    }

    fn samples(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| !line.starts_with('#'))
    }

    /// The value of one series; zero when it is not there.
    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        let value = self.samples().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    fn backend(&self, verb: &str, outcome: &str) -> f64 {
        self.value(&format!("charthouse_backend_requests_total{{verb=\"{verb}\",outcome=\"{outcome}\"}}"))
    }
}

fn http(action: &str, status: &str) -> String {
    format!("charthouse_http_requests_total{{action=\"{action}\",status=\"{status}\"}}")
}

/// Asks until `series` is `expected`: a request is counted when its answer is gone, which its client may see first.
#[track_caller]
fn becomes(operations: &Operations, series: String, expected: f64) -> impl Future<Output = Scrape> {
    let caller = std::panic::Location::caller();
    async move {
        let patience = Instant::now() + Duration::from_secs(5);
        loop {
            let scrape = Scrape::of(operations).await;
            let value = scrape.value(&series);
            if value == expected {
                return scrape;
            }
            assert!(Instant::now() < patience, "{caller}: {series} is {value}, expected {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_push_and_a_pull_are_counted() {
    let server = TestServer::start(Kind::Memory).await;
    let operations = server.operations();
    let before = Scrape::of(&operations).await;
    // The layout of the new store.
    assert_eq!(
        (before.backend("create", "created"), before.value("charthouse_namespaces_loaded")),
        (1.0, 0.0)
    );

    let chart = Release::new(&json!({"apiVersion": "v2", "name": "app", "version": "1.0.0"}));
    server.push_release("team/app", "1.0.0", &chart).await;
    let pushed = becomes(&operations, http("manifest.put", "2xx"), 1.0).await;
    assert!(pushed.backend("create", "created") > before.backend("create", "created"));
    assert!(pushed.value("charthouse_backend_seconds_total{verb=\"create\"}") > 0.0);
    assert_eq!(pushed.value("charthouse_namespaces_loaded"), 1.0);
    let writes = "charthouse_http_request_seconds_count{access=\"write\"}";
    assert!(pushed.value(writes) >= 3.0, "{}", pushed.0);

    assert_status(&server.get(manifest_path("team/app", "1.0.0")).await, 200);
    becomes(&operations, http("manifest.get", "2xx"), 1.0).await;

    let large = Blob::new(noise("large", 400_000));
    let push = Request::post(format!("/v2/team/app/blobs/uploads/?digest={}", large.digest));
    assert_status(&server.send(push.body(large.bytes.clone())).await, 201);
    let before = Scrape::of(&operations).await;
    for n in 1..=3 {
        assert_status(&server.get(blob_path("team/app", &large.digest)).await, 200);
        let read = becomes(&operations, http("blob.get", "2xx"), f64::from(n)).await;
        assert!(read.backend("read", "ok") >= before.backend("read", "ok") + f64::from(n));
    }
    assert_status(&server.get(blob_path("team/app", &Blob::new("absent").digest)).await, 404);
    becomes(&operations, http("blob.get", "4xx"), 1.0).await;
    assert_status(&server.get("/health").await, 200);
    becomes(&operations, http("health", "2xx"), 1.0).await;
    assert_status(&server.get("/nothing").await, 404);
    let last = becomes(&operations, http("none", "4xx"), 1.0).await;
    assert!(!last.0.contains("team"), "a name of a repository: {}", last.0);
    assert!(last.samples().count() < 500);
}

#[tokio::test]
async fn the_server_tells_what_it_is_and_uses() {
    let server = TestServer::start(Kind::Memory).await;
    let operations = server.operations();
    let scrape = Scrape::of(&operations).await;
    let build = scrape.samples().find(|line| line.starts_with("charthouse_build_info{")).expect("a build");
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(build.contains(&version) && build.ends_with("} 1"), "{build}");
    assert!(scrape.value("process_cpu_seconds_total") > 0.0);
    assert!(scrape.value("process_start_time_seconds") > 1.7e9);
    if cfg!(target_os = "linux") {
        assert!(scrape.value("process_resident_memory_bytes") > 1e6);
        assert!(scrape.value("process_open_fds") > 3.0);
    }
}

/// docs/metrics.md has each metric in its table, and no other.
#[tokio::test]
async fn every_metric_is_described() {
    let server = TestServer::start(Kind::Memory).await;
    assert_status(&server.get("/health").await, 200);
    let operations = server.operations();
    let scrape = becomes(&operations, http("health", "2xx"), 1.0).await;
    let names = scrape.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    // Only with S3.
    let names: BTreeSet<&str> = names.chain(["charthouse_s3_requests_total"]).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).expect("docs/metrics.md");
    let described = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let is_metric = |name: &&str| name.starts_with("charthouse_") || name.starts_with("process_");
    assert_eq!(names, described.filter(is_metric).collect());
}
