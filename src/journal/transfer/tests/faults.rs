//! Stores that do not answer, at every call of a copy.

use super::*;
use crate::backend::BackendError;
use crate::backend::faulty::{Effect, Fault, Faulty};

type Store = Arc<Faulty<Arc<Memory>>>;

fn faulty(backend: &Arc<Memory>) -> Store {
    Arc::new(Faulty::new(backend.clone()))
}

/// A store and an earlier copy of it, which now lacks some commits and data.
async fn grown() -> (Source, BTreeMap<Key, Bytes>) {
    let source = Source::full().await;
    let earlier = Arc::<Memory>::default();
    assert!(copy(&source.backend, &earlier).await.unwrap().complete);
    source.push("team/app", "2.0.0", &noise(20, 2_500)).await;
    source.push("team/new", "2.0.0", &noise(21, 10)).await;
    source.push("other/app", "2.0.0", &noise(22, 10)).await;
    (source, content(&earlier).await)
}

async fn store_of(content: &BTreeMap<Key, Bytes>) -> Arc<Memory> {
    let store = Arc::<Memory>::default();
    for (key, bytes) in content {
        store.create(key, vec![bytes.clone()]).await.unwrap();
    }
    store
}

/// Whatever a copy that was broken off left: no server takes half of it for a store, and what was whole before still is.
async fn assert_harmless(to: &Arc<Memory>, was_whole: bool) {
    let clock = SystemClock::default();
    let has_layout = content(to).await.contains_key("layout");
    assert_eq!(has_layout, was_whole);
    if !was_whole && !content(to).await.is_empty() {
        let store: Arc<dyn Backend> = to.clone();
        let opened = Layout::open(&store, &clock, Mode::Single, None).await;
        let error = opened.err().expect("half a store is refused").to_string();
        assert!(error.contains("`charthouse storage copy` has not finished"), "{error}");
    }
    if was_whole {
        assert_whole(to).await;
    }
}

/// Runs a copy that is broken off at the n-th call of one side, and another one, for every n there is.
async fn broken_off_everywhere(source: &Source, earlier: &BTreeMap<Key, Bytes>) {
    let (before, expected) = (content(&source.backend).await, worth_copying(&source.backend).await);
    for (side, effect) in [(0, Effect::FailBefore), (1, Effect::FailBefore), (1, Effect::FailAfter)] {
        let mut n = 1;
        loop {
            let to = store_of(earlier).await;
            let stores = [faulty(&source.backend), faulty(&to)];
            stores[side].inject(Fault::nth(n, effect).and_all_later());
            let Err(error) = copy(&stores[0], &stores[1]).await else { break };
            let said = error.to_string();
            assert!(
                said.starts_with(["FROM: ", "TO: "][side]) && said.contains("run the same command again"),
                "{said}"
            );
            // The answer to the create of `layout` may be the one that was lost.
            if content(&to).await != expected {
                assert_harmless(&to, !earlier.is_empty()).await;
            }
            let summary = copy(&source.backend, &to).await.unwrap();
            assert!(summary.complete, "{side} {effect:?} {n}: {summary:?}");
            assert!(content(&to).await == expected, "{side} {effect:?} {n}");
            n += 1;
        }
        assert!(n > 30, "only {n} calls");
    }
    assert!(content(&source.backend).await == before, "the source is as it was");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_broken_off_anywhere_is_finished_by_the_next() {
    broken_off_everywhere(&Source::full().await, &BTreeMap::new()).await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_copy_that_was_broken_off_catching_up_is_finished_by_the_next() {
    let (source, earlier) = grown().await;
    broken_off_everywhere(&source, &earlier).await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_a_moment_is_asked_again() {
    let source = Source::full().await;
    let expected = worth_copying(&source.backend).await;
    for (side, effect) in [(0, Effect::FailBefore), (1, Effect::FailBefore), (1, Effect::FailAfter)] {
        for n in 1.. {
            let to = Arc::<Memory>::default();
            let stores = [faulty(&source.backend), faulty(&to)];
            // Four in a row: the fifth attempt gets its answer.
            (0..4).for_each(|more| stores[side].inject(Fault::nth(n + more, effect)));
            let summary = copy(&stores[0], &stores[1]).await;
            assert!(summary.is_ok_and(|summary| summary.complete), "{side} {effect:?} {n}");
            assert!(content(&to).await == expected, "{side} {effect:?} {n}");
            if stores[side].counts().total() < n {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_arrives_late_does_no_harm() {
    let source = Source::full().await;
    let expected = worth_copying(&source.backend).await;
    for n in 1.. {
        let to = faulty(&Arc::default());
        to.inject(Fault::nth(n, Effect::Late { after: 3 }));
        assert!(copy(&source.backend, &to).await.unwrap().complete);
        to.deliver().await;
        assert!(content(to.inner()).await == expected, "{n}");
        if to.counts().total() < n {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_target_is_told_at_once() {
    let source = Source::full().await;
    let to = faulty(&Arc::default());
    to.set_full(true);
    let error = copy(&source.backend, &to).await.unwrap_err();
    assert!(matches!(&error, TransferError::Store { source: BackendError::Full(_), .. }), "{error:?}");
    assert!(error.to_string().contains("TO: the store is full"), "{error}");
    assert!(to.counts().create <= 8, "{:?}", to.counts());
}

#[tokio::test(start_paused = true)]
async fn present_objects_are_not_sent_again() {
    let (source, earlier) = grown().await;
    let to = faulty(&store_of(&earlier).await);
    let new = worth_copying(&source.backend).await.len() - earlier.len();
    assert!(copy(&source.backend, &to).await.unwrap().complete);
    // One more for each namespace that was there, whose newest commit is made durable, and one for `layout`.
    assert_eq!(to.counts().create as usize, new + 5 + 1);
}

#[tokio::test(start_paused = true)]
async fn no_commit_overtakes_another_on_its_way_to_what_was_whole() {
    let (source, earlier) = grown().await;
    let to = faulty(&store_of(&earlier).await);
    let known = earlier.keys().filter(|key| key.as_str().starts_with(&keys::commits(&team())));
    let next = keys::commit(&team(), known.filter_map(keys::commit_seq).max().unwrap() + 1);
    assert!(source.state(&team()).await.unwrap().seq > keys::commit_seq(&next).unwrap());
    to.inject(Fault::nth(1, Effect::FailBefore).on(next.as_str()).and_all_later());
    copy(&source.backend, &to).await.unwrap_err();
    assert!(
        to.inner()
            .list(&keys::commits(&team()), next.as_str(), 9)
            .await
            .unwrap()
            .iter()
            .all(|key| keys::commit_seq(key).is_none())
    );
    assert_whole(to.inner()).await;
}
