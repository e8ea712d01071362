//! The backend over the double: the suite that every backend passes, and what becomes of every fault.

mod answers;
mod bodies;
mod canned;
mod connections;
mod faults;
mod listings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use s3_double::{ACCESS_KEY, Double, SECRET_KEY};

use super::*;
use crate::backend::suite;
use crate::clock::SystemClock;

const BUCKET: &str = "charts";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_passes_the_suite() {
    let buckets = Buckets::below("").await;
    suite::run(async || buckets.next().await).await;
    suite::one_of_many_creates_wins(buckets.next().await, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_passes_the_suite_below_a_prefix() {
    let buckets = Buckets::below("a.b/c-d").await;
    // S3 counts the prefix among the 1,024 bytes of a key.
    suite::run_but_for_the_longest_keys(async || buckets.next().await).await;
}

/// A double and its buckets, of which every part of the suite gets an empty one.
struct Buckets {
    double: Double,
    prefix: &'static str,
    last: AtomicU32,
}

impl Buckets {
    async fn below(prefix: &'static str) -> Self {
        Self { double: Double::start().await, prefix, last: AtomicU32::new(0) }
    }

    async fn next(&self) -> Arc<S3> {
        let bucket = format!("bucket-{}", self.last.fetch_add(1, Ordering::Relaxed));
        self.double.create_bucket(&bucket);
        let prefix = self.prefix.to_owned();
        Arc::new(open(Options { bucket, prefix, ..options(&self.double.endpoint()) }).await)
    }
}

/// A double with one bucket, and the backend of that.
async fn started() -> (Double, S3) {
    let double = Double::start().await;
    double.create_bucket(BUCKET);
    let s3 = open(options(&double.endpoint())).await;
    (double, s3)
}

async fn open(options: Options) -> S3 {
    S3::open(options, Arc::new(SystemClock::default())).await.expect("settings that work")
}

fn options(endpoint: &str) -> Options {
    Options {
        bucket: BUCKET.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        credentials: Some((ACCESS_KEY.to_owned(), SECRET_KEY.to_owned())),
        ..Options::default()
    }
}

/// The outcome of a call in one word.
fn told<T>(outcome: &Result<T, BackendError>, done: impl FnOnce(&T) -> &'static str) -> &'static str {
    match outcome {
        Ok(result) => done(result),
        Err(BackendError::NotFound(_)) => "not found",
        Err(BackendError::Unavailable(_)) => "unavailable",
        Err(BackendError::Full(_)) => "full",
        Err(BackendError::ReadOnly(_)) => "read-only",
        Err(BackendError::Denied(_)) => "denied",
    }
}

fn creation(create: &Create) -> &'static str {
    match create {
        Create::Created => "created",
        Create::AlreadyExists => "exists",
    }
}
