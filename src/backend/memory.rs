//! Objects in memory, gone with the process: for tests, and for a registry that only has to live for one run.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Backend, BackendError, Create, Key};

#[derive(Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<Key, Bytes>>,
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    /// No panic can leave the map half changed, so a lock that one has poisoned still guards whole objects.
    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, key: &Key, bytes: Bytes) -> Create {
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Create::AlreadyExists;
        }
        objects.insert(key.clone(), bytes);
        Create::Created
    }

    fn get(&self, key: &Key) -> Result<Bytes, BackendError> {
        self.objects().get(key).cloned().ok_or_else(|| BackendError::NotFound(key.clone()))
    }
}

#[async_trait]
impl Backend for Memory {
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        Ok(self.insert(key, join(&body)))
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        let bytes = self.get(key)?;
        let Some(range) = range else { return Ok(bytes) };
        let cut = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let (start, end) = (cut(range.start), cut(range.end));
        Ok(bytes.slice(start..end.max(start)))
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        // The keys with a prefix stand together, beginning at the prefix itself.
        let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let objects = self.objects();
        let from_start = objects.range::<str, _>((start, Bound::Unbounded)).map(|(key, _)| key);
        Ok(from_start.take_while(|key| key.as_str().starts_with(prefix)).take(limit).cloned().collect())
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        let mut objects = self.objects();
        keys.iter().for_each(|key| {
            objects.remove(key);
        });
        Ok(())
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        let bytes = self.get(from)?;
        Ok(self.insert(to, bytes))
    }
}

/// A copy: the pieces may lie in buffers that somebody waits for, or be slices that keep a larger buffer alive.
fn join(body: &[Bytes]) -> Bytes {
    body.concat().into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::suite;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn memory_passes_the_suite() {
        suite::run(async || Arc::new(Memory::new())).await;
        suite::one_of_many_creates_wins(Arc::new(Memory::new()), 1_000).await;
    }
}
