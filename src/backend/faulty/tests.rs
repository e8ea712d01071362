use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::backend::Memory;
use crate::backend::suite::{self, key, put};

type Outcome = Result<Create, BackendError>;

fn memory() -> Faulty<Memory> {
    Faulty::new(Memory::new())
}

async fn create(backend: &Faulty<Memory>, name: &str) -> Outcome {
    backend.create(&key(name), vec![Bytes::from_static(b"x")]).await
}

async fn is_there(backend: &Faulty<Memory>, name: &str) -> bool {
    backend.inner().read(&key(name), None).await.is_ok()
}

fn is_unavailable<T>(outcome: &Result<T, BackendError>) -> bool {
    matches!(outcome, Err(BackendError::Unavailable(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_faults_it_passes_the_suite() {
    suite::run(async || Arc::new(memory())).await;
}

#[tokio::test]
async fn the_nth_call_fails_before_or_after_its_effect() {
    for (effect, took_effect) in [(Effect::FailBefore, false), (Effect::FailAfter, true)] {
        for n in 1..=4 {
            let backend = memory();
            backend.inject(Fault::nth(n, effect));
            for call in 1..=5 {
                let name = format!("key/{call}");
                let outcome = create(&backend, &name).await;
                assert_eq!(is_unavailable(&outcome), call == n, "{effect:?} {n} {call}");
                assert_eq!(
                    is_there(&backend, &name).await,
                    call != n || took_effect,
                    "{effect:?} {n} {call}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_persistent_fault_strikes_from_the_nth_call_of_its_kind_until_healed() {
    let backend = memory();
    put(backend.inner(), "a/1", b"x").await;
    backend.inject(Fault::nth(2, Effect::FailBefore).of(Verb::Read).on("a/").and_all_later());
    for (name, struck) in [("a/1", false), ("b/1", false), ("a/1", true), ("b/1", false), ("a/1", true)] {
        assert_eq!(is_unavailable(&backend.read(&key(name), None).await), struck, "{name}");
        assert!(create(&backend, "a/1").await.is_ok(), "another verb");
    }
    backend.heal();
    assert!(backend.read(&key("a/1"), None).await.is_ok());
}

#[tokio::test]
async fn every_verb_can_be_struck_and_is_counted() {
    let backend = memory();
    backend.inject(Fault::nth(1, Effect::FailAfter).and_all_later());
    let (a, b) = (key("a"), key("b"));
    assert!(is_unavailable(&backend.create(&a, vec![]).await));
    assert!(is_unavailable(&backend.copy(&a, &b).await));
    assert!(is_unavailable(&backend.delete(&[a]).await));
    assert!(is_unavailable(&backend.read(&b, None).await));
    assert!(is_unavailable(&backend.list("", "", 1).await));
    assert!(is_unavailable(&backend.list("", "", 1).await));
    assert_eq!(suite::list(backend.inner(), "", "", 10).await, ["b"]);
    assert_eq!(backend.counts(), Counts { create: 1, read: 1, list: 2, delete: 1, copy: 1 });
    assert_eq!(backend.counts().total(), 6);
    backend.reset_counts();
    assert_eq!(backend.counts(), Counts::default());
}

#[tokio::test]
async fn a_late_create_arrives_before_the_call_it_was_told_to() {
    let backend = memory();
    backend.inject(Fault::nth(1, Effect::Late { after: 2 }));
    assert!(is_unavailable(&create(&backend, "late").await));
    assert!(matches!(backend.read(&key("late"), None).await, Err(BackendError::NotFound(_))));
    assert_eq!(backend.late(), 1);
    assert_eq!(create(&backend, "late").await.unwrap(), Create::AlreadyExists);
    assert_eq!(backend.late(), 0);
}

#[tokio::test]
async fn late_calls_arrive_when_told() {
    let backend = memory();
    put(backend.inner(), "old", b"x").await;
    backend.inject(Fault::nth(1, Effect::Late { after: u64::MAX }).and_all_later());
    assert!(is_unavailable(&backend.copy(&key("old"), &key("new")).await));
    assert!(is_unavailable(&backend.delete(&[key("old")]).await));
    backend.heal();
    assert_eq!(suite::list(&backend, "", "", 10).await, ["old"]);
    backend.deliver().await;
    assert_eq!(suite::list(&backend, "", "", 10).await, ["new"]);
}

#[tokio::test]
async fn a_full_store_refuses_creates_and_serves_reads() {
    let backend = memory();
    create(&backend, "a").await.unwrap();
    backend.set_full(true);
    assert!(matches!(create(&backend, "b").await, Err(BackendError::Full(_))));
    assert!(matches!(backend.copy(&key("a"), &key("b")).await, Err(BackendError::Full(_))));
    assert!(backend.read(&key("a"), None).await.is_ok());
    assert!(backend.delete(&[key("c")]).await.is_ok());
    backend.set_full(false);
    assert_eq!(create(&backend, "b").await.unwrap(), Create::Created);
}

#[tokio::test]
async fn a_read_only_store_refuses_to_change_and_serves_reads() {
    let backend = memory();
    create(&backend, "a").await.unwrap();
    backend.inject(Fault::nth(1, Effect::ReadOnly).and_all_later());
    assert!(backend.read(&key("a"), None).await.is_ok());
    assert!(matches!(create(&backend, "b").await, Err(BackendError::ReadOnly(_))));
    assert!(matches!(backend.delete(&[key("a")]).await, Err(BackendError::ReadOnly(_))));
    assert!(is_there(&backend, "a").await);
}

#[tokio::test]
async fn a_partitioned_store_answers_nothing_and_changes_nothing() {
    let backend = memory();
    create(&backend, "a").await.unwrap();
    backend.set_partitioned(true);
    assert!(is_unavailable(&create(&backend, "b").await));
    assert!(is_unavailable(&backend.read(&key("a"), None).await));
    assert!(is_unavailable(&backend.delete(&[key("a")]).await));
    backend.heal();
    assert_eq!(suite::list(&backend, "", "", 10).await, ["a"]);
}

#[tokio::test]
async fn a_delayed_call_takes_that_long() {
    let backend = memory();
    backend.inject(Fault::nth(1, Effect::Delay(Duration::from_millis(60))));
    let begun = std::time::Instant::now();
    assert_eq!(create(&backend, "a").await.unwrap(), Create::Created);
    assert!(begun.elapsed() >= Duration::from_millis(60));
}
