//! What every backend must do. A backend's tests hand [`run`] a way to make an empty one. Of the races for one key, which
//! not every S3 service decides, there is a part of its own. (tests/s3 includes this file.)

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::task::JoinSet;

use super::{Backend, BackendError, Create, Key};

/// Runs the whole suite; `empty` makes a new, empty backend for each part of it.
pub(super) async fn run<B: Backend>(empty: impl AsyncFn() -> Arc<B>) {
    run_but_for_the_longest_keys(&empty).await;
    the_longest_keys_work(&*empty().await).await;
}

/// For a store that puts something before each key.
pub(super) async fn run_but_for_the_longest_keys<B: Backend>(empty: impl AsyncFn() -> Arc<B>) {
    an_object_is_created_once_and_read_back(&*empty().await).await;
    ranges_are_cut_at_the_end(&*empty().await).await;
    listings_are_in_byte_order_and_paged(&*empty().await).await;
    a_prefix_that_is_no_path_lists_nothing(&*empty().await).await;
    listings_agree_with_a_sorted_set(&empty).await;
    deletion_is_idempotent(&*empty().await).await;
    odd_keys_work(&*empty().await).await;
    large_bodies_in_many_pieces_are_kept_whole(&*empty().await).await;
    a_copy_is_a_create(&*empty().await).await;
    readers_never_see_half_an_object(empty().await).await;
}

/// `rounds` rounds of 8 simultaneous creates of one key: exactly one wins, and its bytes are there.
pub(super) async fn one_of_many_creates_wins<B: Backend>(backend: Arc<B>, rounds: usize) {
    for round in 0..rounds {
        let key = key(&format!("race/{round:04}"));
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let (backend, key) = (backend.clone(), key.clone());
            let body = Bytes::from(format!("round {round} task {task}"));
            tasks.spawn(async move { (body.clone(), backend.create(&key, vec![body]).await) });
        }
        let outcomes = tasks.join_all().await;
        let there = backend.read(&key, None).await.expect("somebody created it");
        let winners: Vec<_> =
            outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(Create::Created))).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        assert_eq!(winners[0].0, there, "round {round}");
        assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "round {round}: {outcomes:?}");
    }
}

async fn an_object_is_created_once_and_read_back(backend: &impl Backend) {
    let key = key("a/b");
    assert!(matches!(backend.read(&key, None).await, Err(BackendError::NotFound(missing)) if missing == key));
    assert_eq!(put(backend, "a/b", b"first").await, Create::Created);
    assert_eq!(put(backend, "a/b", b"second").await, Create::AlreadyExists);
    assert_eq!(backend.read(&key, None).await.unwrap(), "first");
    assert_eq!(put(backend, "a/empty", b"").await, Create::Created);
    assert_eq!(backend.create(&self::key("a/none"), vec![]).await.unwrap(), Create::Created);
    for empty in ["a/empty", "a/none"] {
        assert_eq!(backend.read(&self::key(empty), None).await.unwrap(), "", "{empty}");
    }
    // A folder of other objects is not an object.
    assert!(matches!(backend.read(&self::key("a"), None).await, Err(BackendError::NotFound(_))));
    // Below an object there is nothing.
    assert!(matches!(backend.read(&self::key("a/b/c"), None).await, Err(BackendError::NotFound(_))));
}

async fn ranges_are_cut_at_the_end(backend: &impl Backend) {
    put(backend, "digits", b"0123456789").await;
    #[rustfmt::skip]
    let table = [
        (0, 10, "0123456789"), (0, 1, "0"), (9, 10, "9"), (3, 7, "3456"), (0, 0, ""), (4, 4, ""),
        (5, 11, "56789"), (5, u64::MAX, "56789"), (10, 11, ""), (11, 20, ""), (u64::MAX, u64::MAX, ""),
        (7, 3, ""), (u64::MAX, 0, ""),
    ];
    for (start, end, expected) in table {
        let bytes = backend.read(&key("digits"), Some(start..end)).await.unwrap();
        assert_eq!(bytes, expected, "{start}..{end}");
    }
    put(backend, "empty", b"").await;
    assert_eq!(backend.read(&key("empty"), Some(0..5)).await.unwrap(), "");
    assert!(matches!(backend.read(&key("absent"), Some(0..5)).await, Err(BackendError::NotFound(_))));
}

async fn listings_are_in_byte_order_and_paged(backend: &impl Backend) {
    let in_order = [
        "Catalog",
        "catalog/app!",
        "catalog/app-x!",
        "catalog/app.b!",
        "catalog/app/sub!",
        "catalog/app/sub/deep!",
        "catalog/app0!",
        "catalog/app_!",
        "catalog/apple!",
        "catalog2",
        "ns/_root/1",
        "ns/team/_data/0/1",
        "ns/team/app/_data/1",
    ];
    for name in in_order.iter().rev() {
        put(backend, name, b"x").await;
    }
    #[rustfmt::skip]
    let table: [(&str, &str, usize, &[&str]); 18] = [
        ("", "", 100, &in_order),
        ("", "", 2, &in_order[..2]),
        ("", "", 0, &[]),
        ("catalog/", "", 100, &in_order[1..9]),
        ("catalog", "", 100, &in_order[1..10]),
        ("catalog/app", "catalog/app-x!", 2, &["catalog/app.b!", "catalog/app/sub!"]),
        ("catalog/app/", "", 100, &["catalog/app/sub!", "catalog/app/sub/deep!"]),
        ("catalog/app/s", "catalog/app/sub!", 100, &["catalog/app/sub/deep!"]),
        ("catalog/app.", "", 100, &["catalog/app.b!"]),
        ("catalog/", "catalog/app!x", 2, &["catalog/app-x!", "catalog/app.b!"]),
        ("catalog/", "catalog/app/", 1, &["catalog/app/sub!"]),
        ("catalog/", "catalog/app/zzz", 1, &["catalog/app0!"]),
        ("catalog/", "catalog/apple!", 100, &[]),
        ("catalog/", "ns", 100, &[]),
        ("catalog/", "a", 1, &["catalog/app!"]),
        ("ns/team/", "ns/team/_data/0/1", 100, &["ns/team/app/_data/1"]),
        ("ns/team/_data/0/1", "", 100, &["ns/team/_data/0/1"]),
        ("nothing/", "", 100, &[]),
    ];
    for (prefix, after, limit, expected) in table {
        assert_eq!(list(backend, prefix, after, limit).await, expected, "{prefix:?} {after:?} {limit}");
    }
}

async fn a_prefix_that_is_no_path_lists_nothing(backend: &impl Backend) {
    put(backend, "a/b", b"x").await;
    for prefix in ["/", "//", "../", "a/../", "./", "a//", "a/b/", "a/b/c", "/a", "a\0/", "ä", "\u{ff}/"] {
        assert_eq!(list(backend, prefix, "", 10).await, [""; 0], "{prefix:?}");
    }
}

/// Property: any keys, any prefix, any place to start, any page size.
async fn listings_agree_with_a_sorted_set<B: Backend>(empty: &impl AsyncFn() -> Arc<B>) {
    let part = "[a-b.!/_-]{0,6}";
    let cases =
        (prop::collection::vec("[a-b.!_-]{1,3}(/[a-b.!_-]{1,3}){0,3}", 1..20), part, part, 0..8_usize);
    let mut runner = TestRunner::deterministic();
    for _ in 0..64 {
        let case = cases.new_tree(&mut runner).expect("the strategy always yields").current();
        let (names, prefix, after, limit) = case;
        let backend = empty().await;
        let mut model = BTreeSet::new();
        for name in &names {
            if Key::new(name.as_str()).is_ok() && !clashes(&model, name) {
                put(&*backend, name, b"x").await;
                model.insert(name.clone());
            }
        }
        let expected: Vec<_> =
            model.iter().filter(|name| name.starts_with(&prefix) && **name > after).take(limit).collect();
        let listed = list(&*backend, &prefix, &after, limit).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{model:?} {prefix:?} {after:?} {limit}");
    }
}

/// No object of the layout is also a folder of others, and a file system cannot have both.
fn clashes(names: &BTreeSet<String>, new: &str) -> bool {
    names.iter().any(|old| old.starts_with(&format!("{new}/")) || new.starts_with(&format!("{old}/")))
}

async fn deletion_is_idempotent(backend: &impl Backend) {
    let keys = ["d/1", "d/2", "d/3"].map(key);
    for name in ["d/1", "d/2", "d/3", "d/kept/4"] {
        put(backend, name, b"x").await;
    }
    backend.delete(&[]).await.unwrap();
    backend.delete(&keys[..2]).await.unwrap();
    backend.delete(&keys).await.unwrap();
    backend.delete(&keys).await.unwrap();
    backend.delete(&["never/was", "d/kept", "d/kept/4/below"].map(key)).await.unwrap();
    assert!(matches!(backend.read(&keys[0], None).await, Err(BackendError::NotFound(_))));
    assert_eq!(list(backend, "", "", 10).await, ["d/kept/4"]);
    // What was deleted is absent in every way: the key can be created (though the layout never does).
    assert_eq!(put(backend, "d/1", b"again").await, Create::Created);
    assert_eq!(backend.read(&keys[0], None).await.unwrap(), "again");
}

async fn odd_keys_work(backend: &impl Backend) {
    let odd = ["!", "...", ".hidden", "-", "--help", "_", "a!", "a!b", "A", "a.b-c_d!", ".tmp/x"];
    are_kept_and_found(backend, &odd).await;
}

async fn the_longest_keys_work(backend: &impl Backend) {
    let component = "x".repeat(255);
    let longest = format!("{component}/{component}/{component}/{component}");
    let longest = format!("{}/y", &longest[..1022]);
    let deepest = vec!["z"; 512].join("/");
    are_kept_and_found(backend, &[&longest, &deepest]).await;
}

async fn are_kept_and_found(backend: &impl Backend, names: &[&str]) {
    for name in names {
        assert_eq!(put(backend, name, name.as_bytes()).await, Create::Created, "{name}");
    }
    for name in names {
        assert_eq!(backend.read(&key(name), None).await.unwrap(), name);
        assert_eq!(list(backend, name, "", 1).await, [*name]);
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(list(backend, "", "", 100).await, sorted);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    backend.delete(&keys).await.unwrap();
    assert_eq!(list(backend, "", "", 100).await, [""; 0]);
}

async fn large_bodies_in_many_pieces_are_kept_whole(backend: &impl Backend) {
    // More pieces than one vectored write takes (1,024 on Linux), empty ones among them.
    let piece = |n: usize| Bytes::from(vec![n as u8; if n.is_multiple_of(5) { 0 } else { n * 2 }]);
    let body: Vec<Bytes> = (0..3_000).map(piece).collect();
    let whole = body.concat();
    assert_eq!(backend.create(&key("large"), body).await.unwrap(), Create::Created);
    assert_eq!(backend.read(&key("large"), None).await.unwrap(), whole);
    let middle = backend.read(&key("large"), Some(4_000_000..4_100_000)).await.unwrap();
    assert_eq!(middle, whole[4_000_000..4_100_000]);
}

async fn a_copy_is_a_create(backend: &impl Backend) {
    put(backend, "from/1", b"one").await;
    put(backend, "from/2", b"two").await;
    let copy = async |from: &str, to: &str| backend.copy(&key(from), &key(to)).await;
    assert_eq!(copy("from/1", "to/new/1").await.unwrap(), Create::Created);
    assert_eq!(copy("from/2", "to/new/1").await.unwrap(), Create::AlreadyExists);
    assert!(
        matches!(copy("absent", "to/2").await, Err(BackendError::NotFound(key)) if key.as_str() == "absent")
    );
    assert!(matches!(copy("from", "to/2").await, Err(BackendError::NotFound(_))));
    backend.delete(&[key("from/1")]).await.unwrap();
    assert_eq!(backend.read(&key("to/new/1"), None).await.unwrap(), "one");
    assert_eq!(list(backend, "", "", 10).await, ["from/2", "to/new/1"]);
}

/// Readers and listers beside a writer: an object is whole or not there.
async fn readers_never_see_half_an_object<B: Backend>(backend: Arc<B>) {
    const ROUNDS: usize = 30;
    let whole = Bytes::from(vec![7; 1 << 20]);
    let name = |round: usize| format!("half/{round}");
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let (backend, whole) = (backend.clone(), whole.clone());
        readers.spawn(async move {
            for round in 0..ROUNDS {
                loop {
                    match backend.read(&key(&name(round)), None).await {
                        Ok(bytes) => break assert!(bytes == whole, "{} bytes seen", bytes.len()),
                        Err(BackendError::NotFound(_)) => tokio::task::yield_now().await,
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
    for round in 0..ROUNDS {
        let pieces = whole.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        assert_eq!(backend.create(&key(&name(round)), pieces).await.unwrap(), Create::Created);
    }
    readers.join_all().await;
    assert_eq!(list(&*backend, "", "", 1_000).await.len(), ROUNDS);
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(super) async fn put(backend: &impl Backend, name: &str, body: &[u8]) -> Create {
    backend.create(&key(name), vec![Bytes::copy_from_slice(body)]).await.unwrap()
}

pub(super) async fn list(backend: &impl Backend, prefix: &str, after: &str, limit: usize) -> Vec<String> {
    let keys = backend.list(prefix, after, limit).await.unwrap();
    keys.iter().map(Key::to_string).collect()
}
