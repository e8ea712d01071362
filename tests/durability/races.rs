//! Uploads that race with deletions of what they bring. What was acknowledged is served whole, or it is gone because of a
//! deletion that was acknowledged, too; what is served is never short.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use charthouse::backend::Memory;
use charthouse::backend::faulty::{Effect, Fault, Faulty, Verb};
use charthouse::clock::{Clock, SystemClock};
use charthouse::oci::TagPattern;
use charthouse::registry::Policy;
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::app::{TestServer, lenient};
use crate::support::artifact::{HELM_CHART, noise, sha256};
use crate::support::http::Request;
use crate::support::registry::{assert_status, blob_path, manifest_path};
use crate::support::release::{Pusher, Release};

const ROUNDS: u64 = 1_000;
const LANES: usize = 16;
const VERSION: &str = "1.0.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_race_with_deletions_are_served_whole_or_gone() {
    let seed = SystemClock::default().random() as u64;
    println!("seed {seed}");
    let every = TagPattern::parse("**").expect("a pattern");
    let policy = Policy { mutable: vec![every], ..lenient() };
    // While a commit takes its time, uploads and deletions wait for the next one side by side.
    let store = Faulty::new(Memory::new());
    let slow = Effect::Delay(Duration::from_millis(2));
    store.inject(Fault::nth(1, slow).of(Verb::Create).on("/_journal/").and_all_later());
    let server = TestServer::over_store_with(Arc::new(store), policy).await;
    let (next, totals) = (AtomicU64::new(0), Totals::default());
    let lanes = (0..LANES).map(async |_| {
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            if round >= ROUNDS {
                return;
            }
            race(&server, seed, round, &totals).await;
        }
    });
    join_all(lanes).await;
    println!("{totals:?}");
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert!(count(&totals.acknowledged) > ROUNDS / 2, "most uploads succeed");
    assert!(count(&totals.gone) > ROUNDS / 50 && count(&totals.served) > ROUNDS / 50, "both sides win");
}

#[derive(Debug, Default)]
struct Totals {
    acknowledged: AtomicU64,
    served: AtomicU64,
    gone: AtomicU64,
}

/// A number below `n` that hangs on the seed, the round and what it is for.
fn choose(seed: u64, round: u64, purpose: &str, n: u64) -> u64 {
    let bytes = noise(&format!("{seed} {round} {purpose}"), 8);
    u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")) % n
}

async fn race(server: &TestServer, seed: u64, round: u64, totals: &Totals) {
    let case = format!("round {round} of seed {seed}");
    let choose = |purpose: &str, n| choose(seed, round, purpose, n);
    let (name, repository) = (format!("app{round}"), format!("team/app{round}"));
    let release = Arc::new(Release::named(&name, VERSION));
    let by_museum = choose("face", 2) == 0;
    let upload = async || match by_museum {
        true => {
            let package = release.layer(HELM_CHART).bytes.clone();
            server.send(Request::post("/api/team/charts").body(package)).await.status
        }
        false => Pusher::open(server.addr).await.try_push(&repository, VERSION, &release).await,
    };
    // What is there before: nothing, the version, only its blobs, or a deleted version, whose blobs nothing refers to.
    match choose("before", 4) {
        0 => {}
        1 => {
            for blob in release.image().blobs {
                server.push_blob(&repository, &blob).await;
            }
        }
        n => {
            assert_eq!(upload().await, 201, "{case}");
            if n == 2 {
                // ChartMuseum's API makes a manifest with the time of the upload: its digest has to be asked for.
                let manifest = server.head(manifest_path(&repository, VERSION)).await;
                let digest = manifest.header("docker-content-digest").expect("a digest");
                assert_status(&server.delete(manifest_path(&repository, digest)).await, 202);
            }
        }
    }

    let pause = |purpose: &str, most| Duration::from_micros(choose(purpose, most));
    let uploading = async {
        tokio::time::sleep(pause("upload", 4_000)).await;
        upload().await
    };
    let package = &release.layer(HELM_CHART).digest;
    let targets = [
        blob_path(&repository, package),
        blob_path(&repository, &sha256(release.config())),
        blob_path(&repository, package),
        manifest_path(&repository, VERSION),
        manifest_path(&repository, &release.image().manifest.digest),
        format!("/api/team/charts/{name}/{VERSION}"),
    ];
    let is_of_version = |target: &str| !target.contains("/blobs/");
    let deleting = join_all(targets.iter().enumerate().map(async |(n, target)| {
        // An upload takes longer to come to its manifest than to its blobs.
        let (most, often) = if is_of_version(target) { (30_000, 2) } else { (8_000, 3) };
        if choose(&format!("whether {n}"), often) > 0 {
            return false;
        }
        tokio::time::sleep(pause(&format!("deletion {n}"), most)).await;
        let status = server.delete(target.as_str()).await.status;
        assert!(matches!(status, 200 | 202 | 404 | 405 | 503), "{case}: {status} for DELETE {target}");
        is_of_version(target) && matches!(status, 200 | 202)
    }));
    let (uploaded, deleted) = futures_util::join!(uploading, deleting);
    assert!(matches!(uploaded, 201 | 404 | 503), "{case}: {uploaded}");

    let is_whole = verify(server, &repository, &name, &release, &case).await;
    if uploaded == 201 {
        totals.acknowledged.fetch_add(1, Ordering::Relaxed);
        assert!(is_whole || deleted.contains(&true), "{case}: it is gone, and nobody deleted it");
        let end = if is_whole { &totals.served } else { &totals.gone };
        end.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether the version is served; whatever is served must be right.
async fn verify(server: &TestServer, repository: &str, name: &str, release: &Release, case: &str) -> bool {
    let package = release.layer(HELM_CHART);
    for (digest, bytes) in [(&package.digest, &package.bytes), (&sha256(release.config()), release.config())]
    {
        let (target, mut head) = (blob_path(repository, digest), None);
        let read = server.get(target.as_str()).await;
        if read.status == 200 {
            assert!(read.body == *bytes, "{case}: {} bytes of {digest}", read.body.len());
            head = Some(server.head(target.as_str()).await);
        }
        if let Some(head) = head {
            assert_eq!(head.header("content-length"), Some(bytes.len().to_string().as_str()), "{case}");
        }
    }
    let manifest = server.get(manifest_path(repository, VERSION)).await;
    let file = server.get(format!("/team/charts/{name}-{VERSION}.tgz")).await;
    assert_eq!(manifest.status, file.status, "{case}: {}", file.text());
    if manifest.status == 404 {
        return false;
    }
    assert_status(&manifest, 200);
    assert!(file.body == package.bytes, "{case}: {} bytes of the package", file.body.len());
    let document: Value = manifest.json();
    let layers = document["layers"].as_array().expect("layers").iter();
    for descriptor in layers.chain([&document["config"]]) {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let read = server.get(blob_path(repository, digest)).await;
        assert_status(&read, 200);
        assert_eq!(sha256(&read.body), digest, "{case}");
    }
    true
}
