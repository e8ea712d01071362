//! The machine driven by tokio over a store that fails on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::backend::faulty::{Effect, Fault, Faulty, Verb};
use crate::backend::{Backend, Memory};
use crate::clock::{Clock, SystemClock};
use crate::journal::{
    Body, Change, JournalError, Journals, Mode, Options, Outcome, Proposal, ProposeError, keys,
};
use crate::oci::Namespace;

type Store = Arc<Faulty<Memory>>;

/// A clock that runs fifty times too fast, and whose randomness fails on demand.
#[derive(Default)]
struct TestClock {
    system: SystemClock,
    random_panics: AtomicBool,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.system.now()
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() * 50
    }

    fn random(&self) -> u128 {
        assert!(!self.random_panics.load(Ordering::Relaxed), "a test wants this panic");
        self.system.random()
    }
}

fn team() -> Namespace {
    app().namespace()
}

fn store() -> Store {
    Arc::new(Faulty::new(Memory::new()))
}

async fn open(store: &Store, memory_budget: u64) -> (Arc<Journals>, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let options = Options { mode: Mode::Single, memory_budget, ..Options::default() };
    (Journals::open(store.clone(), clock.clone(), options).await.unwrap(), clock)
}

async fn push(journals: &Journals, n: usize) -> Result<Outcome, ProposeError> {
    let bytes = n.to_string();
    let (digest, content) = (digest(&bytes), Body::attached(bytes.into()));
    let change = Change::Blob { repository: app(), digest, content };
    journals
        .propose(
            &team(),
            Proposal { change, actor: crate::journal::Actor::system("test", "r", uuid::Uuid::nil()) },
        )
        .await
}

async fn push_all(journals: &Journals, numbers: std::ops::Range<usize>) {
    for n in numbers {
        push(journals, n).await.unwrap();
    }
}

/// The commits that checkpoints were written at, the newest first.
async fn checkpoints(store: &Store) -> Vec<u64> {
    let keys = store.inner().list(&keys::checkpoints(&team(), keys::FOLD_VERSION), "", 100).await.unwrap();
    keys.iter().filter_map(keys::checkpoint_seq).collect()
}

#[tokio::test]
async fn proposals_that_come_together_land_in_few_commits() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push(&journals, 100).await.unwrap();
    let results = join_all((0..16).map(|n| push(&journals, n))).await;
    assert!(results.iter().all(|result| result.as_ref().unwrap().changed));
    let state = journals.current(&team()).await.unwrap().unwrap();
    assert_eq!(state.entries, 17);
    assert_eq!(state.seq, 3, "one goes at once, the others together");
}

#[tokio::test]
async fn who_came_together_comes_together_again() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    let client = async |at: usize| push_all(&journals, at * 10..(at + 1) * 10).await;
    join_all((0..16).map(client)).await;
    let state = journals.current(&team()).await.unwrap().unwrap();
    assert_eq!(state.entries, 160);
    // Were the first of each round not to wait for the others, there would be two commits a round.
    assert!(state.seq <= 14, "{} commits", state.seq);
    push_all(&journals, 200..220).await;
    assert_eq!(journals.current(&team()).await.unwrap().unwrap().seq, state.seq + 20);
}

#[tokio::test]
async fn a_full_queue_refuses_more() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push(&journals, 10_000).await.unwrap();
    let results = join_all((0..1_100).map(|n| push(&journals, n))).await;
    let (done, busy): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), busy.len()), (1 + 1_024, 1_100 - 1_025));
    assert!(busy.iter().all(|result| matches!(result, Err(ProposeError::Busy))));
}

#[tokio::test]
async fn a_panic_of_the_writer_is_answered_and_the_next_use_loads_again() {
    let store = store();
    let (journals, clock) = open(&store, u64::MAX).await;
    push(&journals, 1).await.unwrap();
    clock.random_panics.store(true, Ordering::Relaxed);
    let result = push(&journals, 2).await;
    assert!(matches!(result, Err(ProposeError::Journal(JournalError::Panicked))), "{result:?}");
    clock.random_panics.store(false, Ordering::Relaxed);
    store.reset_counts();
    assert_eq!(journals.current(&team()).await.unwrap().unwrap().seq, 1);
    assert!(store.counts().read > 0, "it was loaded again");
    assert_eq!(push(&journals, 3).await.unwrap().state.seq, 2);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_unavailable_after_ten_seconds() {
    let store = store();
    let (journals, clock) = open(&store, u64::MAX).await;
    push(&journals, 1).await.unwrap();
    let (other, _) = open(&store, u64::MAX).await;
    store.set_partitioned(true);
    let started = clock.monotonic();
    let namespace = team();
    let (write, read) = tokio::join!(push(&journals, 2), other.current(&namespace));
    assert!(matches!(write, Err(ProposeError::Unknown)), "{write:?}");
    assert!(matches!(read, Err(JournalError::Unavailable(_))), "{read:?}");
    let waited = clock.monotonic() - started;
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
    store.heal();
    push(&journals, 2).await.unwrap();
    assert_eq!(other.current(&team()).await.unwrap().unwrap().entries, 2);
}

#[tokio::test]
async fn a_full_store_is_told_at_once_and_changes_nothing() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push(&journals, 1).await.unwrap();
    store.set_full(true);
    let result = push(&journals, 2).await;
    assert!(matches!(result, Err(ProposeError::Journal(JournalError::Full(_)))), "{result:?}");
    store.set_full(false);
    assert_eq!(push(&journals, 3).await.unwrap().state.seq, 2);
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_write_twice() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push(&journals, 1).await.unwrap();
    store.inject(Fault::nth(1, Effect::FailAfter).of(Verb::Create).on("/_journal/"));
    assert!(push(&journals, 2).await.unwrap().changed);
    assert_eq!(push(&journals, 3).await.unwrap().state.seq, 3);
}

#[tokio::test]
async fn a_namespace_dropped_for_its_memory_is_the_same_when_it_is_loaded_again() {
    let store = store();
    let (journals, _) = open(&store, 0).await;
    push_all(&journals, 0..5).await;
    let before = journals.current(&team()).await.unwrap().unwrap();
    store.reset_counts();
    journals.drop_over_budget();
    let after = journals.current(&team()).await.unwrap().unwrap();
    assert!(store.counts().read > 0, "it was loaded again");
    assert_eq!(before, after);
}

#[tokio::test]
async fn after_a_shutdown_the_next_load_takes_few_requests() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push_all(&journals, 0..50).await;
    journals.checkpoint_all().await;
    let (next, _) = open(&store, u64::MAX).await;
    store.reset_counts();
    assert_eq!(next.current(&team()).await.unwrap().unwrap().entries, 50);
    let requests = store.counts().total();
    assert!(requests <= 8, "{requests} requests");
}

#[tokio::test]
async fn a_shutdown_writes_checkpoints_only_where_they_save_more_than_32_commits() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push_all(&journals, 0..32).await;
    journals.shutdown(Duration::from_secs(60)).await;
    assert!(checkpoints(&store).await.is_empty());
    push_all(&journals, 32..33).await;
    journals.shutdown(Duration::from_secs(60)).await;
    assert_eq!(checkpoints(&store).await, [33]);
    // Nothing was written since.
    store.reset_counts();
    journals.shutdown(Duration::from_secs(60)).await;
    assert_eq!(store.counts().total(), 0);
}

/// What is not written is folded from the journal at the next start.
#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_store_that_hangs() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push_all(&journals, 0..40).await;
    journals.shutdown(Duration::ZERO).await;
    let (next, _) = open(&store, u64::MAX).await;
    assert_eq!(next.current(&team()).await.unwrap().unwrap().entries, 40);
}

#[tokio::test]
async fn a_checkpoint_is_written_after_64_commits() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push_all(&journals, 0..63).await;
    assert!(checkpoints(&store).await.is_empty());
    push_all(&journals, 63..64).await;
    for _ in 0..200 {
        if !checkpoints(&store).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(checkpoints(&store).await, [64]);
}

#[tokio::test]
async fn only_the_two_newest_checkpoints_are_kept() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    for n in 0..4 {
        push(&journals, n).await.unwrap();
        journals.checkpoint_all().await;
    }
    assert_eq!(checkpoints(&store).await, [4, 3]);
}

#[tokio::test]
async fn a_namespace_that_was_dropped_does_not_exist_however_often_one_looks() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    push(&journals, 1).await.unwrap();
    let mut by_hand =
        Journal { state: State::clone(&journals.current(&team()).await.unwrap().unwrap()), today: 30 };
    let line = by_hand.next(&[json!({"op": "drop", "by": "admin", "request": "r"})]);
    by_hand.append(&line, "").unwrap();
    store.create(&keys::commit(&team(), 2), vec![super::commit(&line, "")]).await.unwrap();
    let (next, _) = open(&store, u64::MAX).await;
    for _ in 0..2 {
        assert!(next.current(&team()).await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_keeps_nobody_waiting_for_more_than_ten_seconds() {
    let store = store();
    let (journals, _) = open(&store, u64::MAX).await;
    let hour = Effect::Delay(Duration::from_secs(3_600));
    for verb in [Verb::Read, Verb::Create] {
        store.inject(Fault::nth(1, hour).of(verb).and_all_later());
        let asked = tokio::time::Instant::now();
        let pushed = push(&journals, 1).await;
        assert!(matches!(
            pushed,
            Err(ProposeError::Unknown | ProposeError::Journal(JournalError::Unavailable(_)))
        ));
        assert!(asked.elapsed() <= Duration::from_secs(11), "{verb:?}: {:?}", asked.elapsed());
        store.heal();
    }
    store.inject(Fault::nth(1, hour).of(Verb::Read).and_all_later());
    let asked = tokio::time::Instant::now();
    let read = journals.current(&Namespace::parse("other").unwrap()).await;
    assert!(matches!(read, Err(JournalError::Unavailable(_))), "{read:?}");
    assert!(asked.elapsed() <= Duration::from_secs(11), "{:?}", asked.elapsed());
}
