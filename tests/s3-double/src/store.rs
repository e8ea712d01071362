//! What is stored, in memory, and how a conditional write is decided.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use s3s::{S3Result, s3_error};

/// The objects of a bucket, in the order of their keys' bytes.
pub(crate) type Objects = BTreeMap<String, Bytes>;
pub(crate) type Buckets = BTreeMap<String, Objects>;

/// Between check and write while the store is not atomic.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Default)]
struct Inner {
    buckets: Mutex<Buckets>,
    /// Conditional writes are not atomic.
    checks_then_writes: AtomicBool,
}

/// What was stored at some time; with a request it says what a listing shows.
#[derive(Clone, Default)]
pub(crate) struct Seen(pub(crate) Arc<Buckets>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Always,
    IfAbsent,
}

impl Store {
    pub(crate) fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen(Arc::new(self.buckets().clone()))
    }

    pub(crate) fn set_atomic(&self, atomic: bool) {
        self.0.checks_then_writes.store(!atomic, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, bucket: &str, key: &str) -> S3Result<Bytes> {
        let body = objects(&self.buckets(), bucket)?.get(key).cloned();
        body.ok_or_else(|| s3_error!(NoSuchKey))
    }

    pub(crate) async fn write(&self, bucket: &str, key: &str, body: Bytes, mut write: Write) -> S3Result<()> {
        if write == Write::IfAbsent && self.0.checks_then_writes.load(Ordering::Relaxed) {
            require_absent(objects(&self.buckets(), bucket)?, key)?;
            tokio::time::sleep(PAUSE).await;
            write = Write::Always;
        }
        let mut buckets = self.buckets();
        let objects = objects_mut(&mut buckets, bucket)?;
        if write == Write::IfAbsent {
            require_absent(objects, key)?;
        }
        objects.insert(key.to_owned(), body);
        Ok(())
    }

    pub(crate) fn remove(&self, bucket: &str, keys: &[&str]) -> S3Result<()> {
        let mut buckets = self.buckets();
        let objects = objects_mut(&mut buckets, bucket)?;
        for key in keys {
            objects.remove(*key);
        }
        Ok(())
    }
}

pub(crate) fn objects<'a>(buckets: &'a Buckets, bucket: &str) -> S3Result<&'a Objects> {
    buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
}

fn objects_mut<'a>(buckets: &'a mut Buckets, bucket: &str) -> S3Result<&'a mut Objects> {
    buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
}

fn require_absent(objects: &Objects, key: &str) -> S3Result<()> {
    if objects.contains_key(key) {
        return Err(s3_error!(PreconditionFailed, "the key is there"));
    }
    Ok(())
}
