//! Two replicas, 16 writers, one namespace, 2,000 pushes, and a store where one request in twenty goes wrong in some way
//! (docs/performance.md#workloads, W15).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use charthouse::clock::{Clock, SystemClock};
use charthouse::journal::Journals;
use charthouse::oci::Namespace;
use futures_util::future::join_all;
use s3_double::{Double, Weather};
use serde_json::{Value, json};

use crate::support::app::{TestServer, shared};
use crate::support::artifact::noise;
use crate::support::registry::{assert_blob_served, assert_manifest_served};
use crate::support::release::{Pusher, Release};
use crate::support::s3::{BUCKET, bucket_of};

const WRITERS: usize = 16;
const PUSHES: usize = 2_000;
const CHARTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_pushes_over_two_replicas_and_a_faulty_store_are_all_kept() {
    let seed = SystemClock::default().random() as u64;
    println!("seed {seed}");
    let double = Double::start().await;
    let start = async || TestServer::replica_over(bucket_of(&double).await, shared()).await;
    let replicas = [start().await, start().await];
    double.set_weather(Some(Weather { seed, one_in: 20 }));
    let (next, repeated) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let writers = (0..WRITERS).map(async |writer| {
        // Opened when they are used: a connection on which no request begins is cut after some seconds.
        let mut pushers = [None, None];
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= PUSHES {
                return;
            }
            let (repository, version, release) = chart(n);
            for attempt in 0.. {
                // What one replica could not answer the other is asked.
                let replica = (writer + attempt) % 2;
                if pushers[replica].is_none() {
                    pushers[replica] = Some(Pusher::open(replicas[replica].addr).await);
                }
                let Some(pusher) = &mut pushers[replica] else { continue };
                match pusher.try_push(&repository, &version, &release).await {
                    201 => break,
                    503 => repeated.fetch_add(1, Ordering::Relaxed),
                    other => panic!("push {n}: {other}"),
                };
                assert!(attempt < 50, "push {n} is never taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    join_all(writers).await;
    println!("{} requests to the store, {} pushes repeated", double.counts().total(), repeated.into_inner());
    double.heal();
    double.deliver().await;

    assert_every_push_is_there(&replicas).await;
    let indexes = [replicas[0].get("/team/index.yaml").await, replicas[1].get("/team/index.yaml").await];
    assert_eq!(indexes[0].body, indexes[1].body, "both replicas give one index");
    let index: Value = serde_json::from_slice(&indexes[0].body).expect("the index is JSON");
    let charts = index["entries"].as_object().expect("entries");
    let versions: usize = charts.values().map(|versions| versions.as_array().map_or(0, Vec::len)).sum();
    assert_eq!((charts.len(), versions), (CHARTS, PUSHES));
    assert_one_history(&double).await;
}

/// The `n`-th push: every fifth package is too large to ride along in a commit.
fn chart(n: usize) -> (String, String, Release) {
    let (name, version) = (format!("app-{}", n % CHARTS), format!("1.{}.0", n / CHARTS));
    let metadata = json!({"apiVersion": "v2", "name": name, "version": version});
    let package = noise(&format!("package {n}"), if n.is_multiple_of(5) { 40_000 } else { 4_000 });
    (format!("team/{name}"), version, Release::new(&metadata).package(package))
}

/// No tag is lost, and no manifest dangles.
async fn assert_every_push_is_there(replicas: &[TestServer; 2]) {
    let readers = (0..WRITERS).map(async |reader| {
        for n in (reader..PUSHES).step_by(WRITERS) {
            let (repository, version, release) = chart(n);
            let image = release.image();
            for replica in replicas {
                assert_manifest_served(replica, &repository, &version, &image.manifest).await;
            }
            for blob in &image.blobs {
                assert_blob_served(&replicas[n % 2], &repository, blob).await;
            }
        }
    });
    join_all(readers).await;
}

/// The commits of the store are one chain without gaps (the fold verifies it), in which each version was tagged once.
async fn assert_one_history(double: &Double) {
    let objects = double.objects(BUCKET);
    let commits: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with("ns/team/_journal/")).collect();
    let clock = Arc::new(SystemClock::default());
    let journals = Journals::open(bucket_of(double).await, clock, shared()).await.expect("a good store");
    let state =
        journals.current(&Namespace::parse("team").unwrap()).await.expect("a good journal").expect("state");
    assert_eq!(state.seq, commits.len() as u64);
    let lines = commits.iter().map(|(_, bytes)| {
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("a line");
        serde_json::from_slice::<Value>(&bytes[..end]).expect("a line of JSON")
    });
    let ops = lines.flat_map(|line| line["ops"].as_array().cloned().unwrap_or_default());
    let tags = |op: Value| {
        let of_manifest = op["tags"].as_array().cloned().unwrap_or_default();
        let moved = (op["op"] == "tag").then(|| op["tag"].clone());
        let repository = op["repository"].clone();
        of_manifest.into_iter().chain(moved).map(move |tag| format!("{repository}:{tag}")).collect::<Vec<_>>()
    };
    let mut tagged: Vec<_> = ops.flat_map(tags).collect();
    assert_eq!(tagged.len(), PUSHES, "every tag was set once");
    tagged.sort();
    tagged.dedup();
    assert_eq!(tagged.len(), PUSHES);
}
