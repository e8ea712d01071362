//! Counts the calls of a backend by verb and outcome, and their time. No locks: counting costs two looks at the clock and
//! a few atomic additions.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Backend, BackendError, Create, Key, Verb};

/// A backend around `inner` that counts what is asked of it.
pub struct Counted<B> {
    inner: B,
    requests: Arc<Requests>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Created,
    AlreadyExists,
    NotFound,
    Unavailable,
    /// The store is full, read-only, or denied it.
    Refused,
    /// Nobody waited for the answer any longer.
    Dropped,
}

/// The counts of one backend; they only grow.
pub struct Requests {
    tallies: [Tally; Verb::ALL.len()],
    began: Instant,
    /// The last write that the store took or refused: milliseconds since `began`, plus one, twice; odd if it took it.
    last_write: AtomicU64,
}

#[derive(Default)]
struct Tally {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    nanos: AtomicU64,
}

impl<B: Backend> Counted<B> {
    pub fn new(inner: B) -> Self {
        Self { inner, requests: Arc::default() }
    }

    pub fn requests(&self) -> Arc<Requests> {
        Arc::clone(&self.requests)
    }
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Created,
        Self::AlreadyExists,
        Self::NotFound,
        Self::Unavailable,
        Self::Refused,
        Self::Dropped,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Created => "created",
            Self::AlreadyExists => "already_exists",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

impl Requests {
    /// How many calls of `verb` ended so.
    pub fn count(&self, verb: Verb, outcome: Outcome) -> u64 {
        self.tallies[verb as usize].outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// The time that all calls of `verb` together took.
    pub fn time(&self, verb: Verb) -> Duration {
        Duration::from_nanos(self.tallies[verb as usize].nanos.load(Ordering::Relaxed))
    }

    /// Whether the store took the last create or copy that it took or refused, and how long ago that was.
    pub fn last_write(&self) -> Option<(bool, Duration)> {
        let last = self.last_write.load(Ordering::Relaxed);
        let at = Duration::from_millis((last >> 1).checked_sub(1)?);
        Some((last & 1 == 1, self.began.elapsed().saturating_sub(at)))
    }

    async fn counted<T>(
        &self,
        verb: Verb,
        call: impl Future<Output = Result<T, BackendError>>,
        success: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, BackendError> {
        let mut counting =
            Counting { requests: self, verb, began: Instant::now(), outcome: Outcome::Dropped };
        let result = call.await;
        counting.outcome = match &result {
            Ok(answer) => success(answer),
            Err(error) => failure(error),
        };
        result
    }

    fn add(&self, verb: Verb, outcome: Outcome, began: Instant) {
        let now = Instant::now();
        let tally = &self.tallies[verb as usize];
        tally.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let took = now.saturating_duration_since(began);
        tally.nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        let took_write = match (verb, outcome) {
            (Verb::Create | Verb::Copy, Outcome::Created | Outcome::AlreadyExists) => true,
            (Verb::Create | Verb::Copy, Outcome::Refused) => false,
            _ => return,
        };
        let at = now.saturating_duration_since(self.began).as_millis() as u64 + 1;
        self.last_write.store(at << 1 | u64::from(took_write), Ordering::Relaxed);
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self { tallies: Default::default(), began: Instant::now(), last_write: AtomicU64::new(0) }
    }
}

/// A call under way. It is counted when this goes, so also when its caller gave it up.
struct Counting<'a> {
    requests: &'a Requests,
    verb: Verb,
    began: Instant,
    outcome: Outcome,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.requests.add(self.verb, self.outcome, self.began);
    }
}

fn creation(create: &Create) -> Outcome {
    match create {
        Create::Created => Outcome::Created,
        Create::AlreadyExists => Outcome::AlreadyExists,
    }
}

fn failure(error: &BackendError) -> Outcome {
    match error {
        BackendError::NotFound(_) => Outcome::NotFound,
        BackendError::Unavailable(_) => Outcome::Unavailable,
        BackendError::Full(_) | BackendError::ReadOnly(_) | BackendError::Denied(_) => Outcome::Refused,
    }
}

#[async_trait]
impl<B: Backend> Backend for Counted<B> {
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        self.requests.counted(Verb::Create, self.inner.create(key, body), creation).await
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        self.requests.counted(Verb::Read, self.inner.read(key, range), |_| Outcome::Ok).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        self.requests.counted(Verb::List, self.inner.list(prefix, after, limit), |_| Outcome::Ok).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        self.requests.counted(Verb::Delete, self.inner.delete(keys), |()| Outcome::Ok).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        self.requests.counted(Verb::Copy, self.inner.copy(from, to), creation).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::faulty::{Effect, Fault, Faulty};
    use crate::backend::{Memory, suite};

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    /// What was counted, as `verb outcome count`, without what is zero.
    fn counts(requests: &Requests) -> Vec<String> {
        let all = Verb::ALL.into_iter().flat_map(|verb| Outcome::ALL.map(|outcome| (verb, outcome)));
        let counted = all.map(|(verb, outcome)| (verb, outcome, requests.count(verb, outcome)));
        let some = counted.filter(|(_, _, count)| *count > 0);
        some.map(|(verb, outcome, count)| format!("{} {} {count}", verb.name(), outcome.name())).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_backend_that_is_counted_passes_the_suite() {
        suite::run(async || Arc::new(Counted::new(Memory::new()))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn every_call_is_counted_by_its_outcome() {
        let faulty = Arc::new(Faulty::new(Memory::new()));
        let backend = Counted::new(Arc::clone(&faulty));
        let requests = backend.requests();
        assert_eq!((counts(&requests), requests.last_write()), (vec![], None));

        for _ in 0..3 {
            backend.create(&key("a"), vec![]).await.unwrap();
        }
        backend.read(&key("a"), None).await.unwrap();
        backend.read(&key("b"), None).await.unwrap_err();
        backend.list("", "", 10).await.unwrap();
        backend.copy(&key("a"), &key("c")).await.unwrap();
        backend.delete(&[key("c")]).await.unwrap();
        assert!(requests.last_write().is_some_and(|(took, _)| took));
        faulty.set_full(true);
        backend.create(&key("d"), vec![]).await.unwrap_err();
        assert!(requests.last_write().is_some_and(|(took, _)| !took));
        faulty.heal();
        faulty.set_partitioned(true);
        backend.copy(&key("a"), &key("d")).await.unwrap_err();
        assert!(requests.last_write().is_some_and(|(took, _)| !took), "an unknown outcome says nothing");
        faulty.heal();
        backend.create(&key("d"), vec![]).await.unwrap();
        assert!(requests.last_write().is_some_and(|(took, _)| took));
        faulty.inject(Fault::nth(1, Effect::Delay(Duration::from_secs(60))));
        let hung_up = tokio::time::timeout(Duration::from_secs(1), backend.read(&key("a"), None)).await;
        assert!(hung_up.is_err());

        #[rustfmt::skip]
        let expected = [
            "create created 2", "create already_exists 2", "create refused 1",
            "read ok 1", "read not_found 1", "read dropped 1",
            "list ok 1", "delete ok 1", "copy created 1", "copy unavailable 1",
        ];
        assert_eq!(counts(&requests), expected);
        assert!(Verb::ALL.into_iter().all(|verb| requests.time(verb) > Duration::ZERO));
    }
}
