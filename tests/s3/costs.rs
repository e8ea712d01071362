//! What starts, reads and simultaneous pushes cost in requests to S3.

use std::sync::Arc;

use charthouse::backend::{Backend, Memory};
use charthouse::clock::SystemClock;
use charthouse::journal::{Body, Change, Journals, NewManifest, Options, Proposal, Replace};
use charthouse::oci::{Condition, Digest, MediaType, Namespace, RepositoryName, Tag};
use futures_util::future::{join_all, try_join_all};
use s3_double::Double;

use crate::support::app::{TestServer, shared};
use crate::support::http::{Connection, Request};
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::{Pusher, Release};
use crate::support::s3::{BUCKET, bucket_of};

const TAGS: usize = 10_000;

/// After a clean stop: layout, commit 1, list of checkpoints, checkpoint, its last commit, list of what lies behind it, and the
/// proof that it is nothing. Where something does, it is listed once more, and each commit is one more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_ten_thousand_tags_takes_eight_requests() {
    let store: Arc<dyn Backend> = Arc::new(Memory::new());
    fill(&store).await;
    let double = Double::start().await;
    let bucket = bucket_of(&double).await;
    for key in store.list("", "", usize::MAX).await.unwrap() {
        double.put(BUCKET, key.as_str(), store.read(&key, None).await.unwrap());
    }
    let (namespace, clock) = (Namespace::parse("team").unwrap(), Arc::new(SystemClock::default()));
    for later in 0..3 {
        double.reset_counts();
        let journals = Journals::open(bucket.clone(), clock.clone(), shared()).await.unwrap();
        let state = journals.current(&namespace).await.unwrap().expect("the namespace is there");
        let repository = state.repository(&repository()).expect("the repository is there");
        assert_eq!(repository.tags.len(), TAGS + later as usize);
        let (counts, due) = (double.counts(), if later == 0 { 7 } else { 8 + later });
        assert_eq!(counts.total(), due, "{later} commits after the checkpoint: {counts:?}");
        tag(&journals, TAGS + later as usize).await;
    }
}

/// Commit 1 is not found, and a LIST shows that nothing else of the namespace is there either.
#[tokio::test]
async fn a_namespace_that_does_not_exist_takes_two_requests() {
    let double = Double::start().await;
    let bucket = bucket_of(&double).await;
    let journals = Journals::open(bucket, Arc::new(SystemClock::default()), shared()).await.unwrap();
    double.reset_counts();
    assert!(journals.current(&Namespace::parse("team").unwrap()).await.unwrap().is_none());
    let counts = double.counts();
    assert_eq!((counts.get, counts.list, counts.total()), (1, 1, 2), "{counts:?}");
}

fn repository() -> RepositoryName {
    RepositoryName::parse("team/app").unwrap()
}

async fn fill(store: &Arc<dyn Backend>) {
    let clock = Arc::new(SystemClock::default());
    let journals = Journals::open(store.clone(), clock, Options::default()).await.unwrap();
    tag(&journals, 0).await;
    join_all((1..TAGS).map(|n| tag(&journals, n))).await;
    journals.checkpoint_all().await;
}

async fn tag(journals: &Journals, n: usize) {
    let body = format!("manifest {n}");
    let new = NewManifest {
        repository: repository(),
        digest: Digest::sha256(body.as_bytes()),
        media_type: MediaType::parse("application/vnd.oci.image.manifest.v1+json").unwrap(),
        body: Body::attached(body.into()),
        blobs: Vec::new(),
        children: Vec::new(),
        sizes: Vec::new(),
        tags: vec![Tag::parse(&format!("1.0.{n}")).unwrap()],
        listed: Vec::new(),
        artifact_type: None,
        annotations: None,
        subject: None,
        chart: None,
        condition: Condition::default(),
        replace: Replace::default(),
    };
    let change = Change::Manifest(Box::new(new));
    loop {
        let proposal = Proposal {
            change: change.clone(),
            actor: charthouse::journal::Actor::system("test", "test", uuid::Uuid::nil()),
        };
        match journals.propose(&Namespace::parse("team").unwrap(), proposal).await {
            Ok(_) => return,
            // The queue has room for 1,024.
            Err(charthouse::journal::ProposeError::Busy) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_pulls_at_once_share_their_head_checks() {
    let double = Double::start().await;
    let server = TestServer::replica_over(bucket_of(&double).await, shared()).await;
    let release = Release::named("app", "1.0.0");
    server.push_release("team/app", "1.0.0", &release).await;
    let mut connections =
        try_join_all((0..200).map(|_| Connection::open(server.addr))).await.expect("200 connections");
    let pull = Request::get(manifest_path("team/app", "1.0.0"));
    // The first round warms up, and lets every connection wait for the same check.
    for round in 0..3 {
        double.reset_counts();
        let pulls = connections.iter_mut().map(async |connection| {
            for _ in 0..5 {
                let reply = connection.exchange(&pull.bytes(), "GET").await.expect("a reply");
                assert_status(&reply, 200);
            }
        });
        join_all(pulls).await;
        let each = double.counts().total() as f64 / 1_000.0;
        println!("round {round}: {each} requests a pull");
        assert!(each < 0.2, "{each} requests a pull");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_who_push_at_once_share_commits() {
    let double = Double::start().await;
    let server = TestServer::replica_over(bucket_of(&double).await, shared()).await;
    let push = async |n: usize, clients: usize| {
        let pushes = (0..clients).map(async |client| {
            let version = format!("{n}.{client}.0");
            let reply = Pusher::open(server.addr)
                .await
                .push("team/app", &version, &Release::named("app", &version))
                .await;
            assert_status(&reply, 201);
        });
        join_all(pushes).await;
    };
    push(0, 1).await;
    let mut each = Vec::new();
    for clients in [1, 16] {
        double.reset_counts();
        for n in 1..=8 {
            push(n * clients, clients).await;
        }
        each.push(double.counts().put as f64 / (8 * clients) as f64);
    }
    println!("creates of a push by 1 and by 16: {each:?}");
    assert!(each[1] < 0.7 * each[0], "creates of a push by 1 and by 16: {each:?}");
}
