//! Whether a store can be shared is found out before it is; what is refused says what to do.

use std::sync::Arc;

use charthouse::backend::s3::S3;
use charthouse::backend::{Backend, Key};
use charthouse::clock::SystemClock;
use charthouse::journal::{Journals, OpenError, Options};
use s3_double::{Double, Effect, Fault, Operation};

use crate::support::app::shared;
use crate::support::s3::{BUCKET, S3Kind, S3Server, bucket_of};

/// Opens the journals of a store that servers are to share.
async fn open(store: &Arc<S3>, endpoint: &str) -> Result<Arc<Journals>, OpenError> {
    let options = Options { endpoint: Some(endpoint.to_owned()), ..shared() };
    Journals::open(store.clone(), Arc::new(SystemClock::default()), options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_looks_first_is_refused_in_every_one_of_twenty_starts() {
    let Some(server) = S3Server::start(S3Kind::Versitygw) else { return };
    for n in 0..20 {
        let bucket = format!("start-{n}");
        server.create_bucket(&bucket);
        let clock = Arc::new(SystemClock::default());
        let store = Arc::new(S3::open(server.options(&bucket), clock).await.expect("settings that work"));
        let refused = open(&store, &server.endpoint()).await.err().expect("it is refused").to_string();
        assert!(refused.contains("`storage.mode: single`"), "start {n}: {refused}");
        let left = store.list("", "", 10).await.expect("a list");
        assert_eq!(left, [] as [Key; 0], "start {n}: no layout, and nothing of the probe");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_decides_is_accepted_and_not_probed_again() {
    let Some(server) = S3Server::start(S3Kind::Minio) else { return };
    server.create_bucket("charts");
    let clock = Arc::new(SystemClock::default());
    let store = Arc::new(S3::open(server.options("charts"), clock).await.expect("settings that work"));
    for _ in 0..2 {
        open(&store, &server.endpoint()).await.expect("it can be shared");
    }
    let layout = store.read(&Key::new("layout").unwrap(), None).await.expect("a layout");
    let layout: serde_json::Value = serde_json::from_slice(&layout).expect("JSON");
    assert_eq!(layout["probe"]["verdict"], "atomic");
    assert_eq!(layout["probe"]["endpoint"], server.endpoint());
    assert_eq!(store.list("", "", 10).await.expect("a list"), [Key::new("layout").unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_reads_the_layout_only_and_another_endpoint_is_probed() {
    let double = Double::start().await;
    let store = bucket_of(&double).await;
    open(&store, "here").await.expect("it can be shared");
    let put = double.counts().put;
    assert!(put > 32 * 8, "32 rounds of 8, and the layout: {put}");
    double.reset_counts();
    open(&store, "here").await.expect("it can be shared");
    assert_eq!((double.counts().get, double.counts().total()), (1, 1));
    open(&store, "elsewhere").await.expect("it can be shared");
    assert_eq!(double.counts().put, 32 * 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_double_that_looks_first_is_refused_in_shared_mode_and_serves_one_server() {
    let double = Double::start().await;
    double.set_atomic(false);
    let store = bucket_of(&double).await;
    for _ in 0..5 {
        assert!(matches!(open(&store, "here").await, Err(OpenError::Probe(_))));
        assert!(double.objects(BUCKET).is_empty());
    }
    let options = Options { endpoint: Some("here".into()), ..Options::default() };
    Journals::open(store, Arc::new(SystemClock::default()), options)
        .await
        .expect("single mode needs no proof");
}

/// Lost answers leave open who has won: such a round tells nothing, and another one is run.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_while_it_is_probed_do_not_condemn_a_store() {
    let double = Double::start().await;
    let store = bucket_of(&double).await;
    for n in [1, 20, 77, 150] {
        double.inject(Fault::nth(n, Effect::LoseAnswer).of(Operation::Put));
        double.inject(Fault::nth(n + 3, Effect::Fail { status: 503, code: "SlowDown" }).of(Operation::Put));
    }
    open(&store, "here").await.expect("it can be shared");
}
