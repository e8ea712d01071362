//! Sources that are written while they are copied.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::*;
use crate::backend::BackendError;

/// A source in which something happens at its `at`-th call.
struct Busy {
    source: Source,
    at: u64,
    calls: AtomicU64,
    happens: Happening,
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A new version of a chart, one that is small, and a chart in a new namespace.
    Pushes,
    /// The data of a blob is dropped and deleted, as a collector does it.
    Collection,
    /// A blob is found damaged, and pushed again.
    Healing,
}

fn victim() -> Bytes {
    noise(50, 2_500)
}

impl Busy {
    async fn new(at: u64, happens: Happening) -> Self {
        let source = Source::empty().await;
        for name in ["app", "team/app", "team/sub/app"] {
            source.push(name, "1.0.0", &noise(1, 1_500)).await;
        }
        let team = name("team/app");
        source.large(&team, Algorithm::Sha256, &victim()).await;
        Self { source, at, calls: AtomicU64::new(0), happens }
    }

    async fn tick(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 != self.at {
            return;
        }
        let (source, team) = (&self.source, name("team/app"));
        match self.happens {
            Happening::Pushes => {
                source.push("team/app", "3.0.0", &noise(30, 2_500)).await;
                source.push("team/fresh", "3.0.0", b"small").await;
                source.push("fresh/app", "3.0.0", &noise(31, 1_500)).await;
            }
            Happening::Collection => {
                let objects = self.objects().await;
                let digest = Digest::sha256(&victim());
                source.propose(&team, Change::Unlink { repository: team.clone(), digest, now: true }).await;
                source.backend.delete(&objects).await.unwrap();
            }
            Happening::Healing => {
                let lost = self.objects().await.remove(1);
                let object = keys::data_object(&lost).unwrap();
                source.backend.delete(&[lost]).await.unwrap();
                source
                    .propose(
                        &team,
                        Change::Damaged(crate::journal::BodiesOp {
                            objects: vec![object],
                            bodies: Vec::new(),
                        }),
                    )
                    .await;
                source.large(&team, Algorithm::Sha256, &victim()).await;
            }
        }
    }

    async fn objects(&self) -> Vec<Key> {
        let state = self.source.state(&team()).await.unwrap();
        let content = state.contents.get(&Digest::sha256(&victim())).unwrap();
        content.extents.iter().map(|extent| keys::data(&team(), extent.object().unwrap())).collect()
    }
}

#[async_trait]
impl Backend for Busy {
    async fn create(&self, key: &Key, _: Vec<Bytes>) -> Result<Create, BackendError> {
        panic!("{key} is created in the source")
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        self.tick().await;
        self.source.backend.read(key, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        self.tick().await;
        self.source.backend.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        panic!("{keys:?} are deleted in the source")
    }

    async fn copy(&self, from: &Key, _: &Key) -> Result<Create, BackendError> {
        panic!("{from} is copied in the source")
    }
}

async fn changed_at_every_call(happens: Happening) {
    let (mut followed, mut late) = (0, 0);
    for at in 1.. {
        let busy = Arc::new(Busy::new(at, happens).await);
        let to = Arc::<Memory>::default();
        let summary = copy(&busy, &to).await.unwrap();
        assert!(summary.complete, "{happens:?} at {at}: {summary:?}");
        assert_whole(&to).await;
        if busy.calls.load(Ordering::Relaxed) < at {
            break;
        }
        let moved_on = summary.namespaces.iter().any(|copied| copied.moved_on);
        let expected = worth_copying(&busy.source.backend).await;
        let there = content(&to).await;
        // Objects that were dropped after they were copied are there in vain.
        let is_equal = expected.iter().all(|(key, bytes)| there.get(key) == Some(bytes));
        if is_equal {
            followed += 1;
        } else {
            late += 1;
        }
        assert!(
            is_equal || moved_on || at + 4 > busy.calls.load(Ordering::Relaxed),
            "{happens:?} at {at}: {summary:?}"
        );
        assert!(copy(&busy.source.backend, &to).await.unwrap().complete, "it is caught up");
        assert_whole(&to).await;
        let there = content(&to).await;
        assert!(expected.iter().all(|(key, bytes)| there.get(key) == Some(bytes)), "{happens:?} at {at}");
    }
    println!("{happens:?}: {followed} followed, {late} late");
    assert!(followed > 20, "{happens:?}: only {followed} changes were followed");
}

#[tokio::test(start_paused = true)]
async fn pushes_during_a_copy_are_followed() {
    changed_at_every_call(Happening::Pushes).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_collected_during_a_copy_is_not_missed() {
    changed_at_every_call(Happening::Collection).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_again_during_a_copy_is_found_where_it_is_now() {
    changed_at_every_call(Happening::Healing).await;
}
