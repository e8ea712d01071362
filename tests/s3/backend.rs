//! The suite that every backend passes, over real S3 servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use charthouse::backend::s3::S3;
use charthouse::backend::{Backend, BackendError, Create, Key};
use charthouse::clock::SystemClock;

use crate::support::s3::{S3Kind, S3Server};

#[path = "../../src/backend/suite.rs"]
mod suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn minio_passes_the_suite() {
    let Some(server) = S3Server::start(S3Kind::Minio) else { return };
    let buckets = Buckets::of(server);
    suite::run(async || buckets.next().await).await;
    suite::one_of_many_creates_wins(buckets.next().await, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versitygw_passes_the_suite_but_for_races() {
    let Some(server) = S3Server::start(S3Kind::Versitygw) else { return };
    let buckets = Buckets::of(server);
    suite::run(async || buckets.next().await).await;
}

/// A server and its buckets, of which every part of the suite gets an empty one.
struct Buckets {
    server: S3Server,
    last: AtomicU32,
}

impl Buckets {
    fn of(server: S3Server) -> Self {
        Self { server, last: AtomicU32::new(0) }
    }

    async fn next(&self) -> Arc<S3> {
        let name = format!("bucket-{}", self.last.fetch_add(1, Ordering::Relaxed));
        self.server.create_bucket(&name);
        let clock = Arc::new(SystemClock::default());
        Arc::new(S3::open(self.server.options(&name), clock).await.expect("settings that work"))
    }
}
