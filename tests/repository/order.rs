//! The canonical order of an index: charts by name, versions from the newest to the oldest.

use crate::support::app::{on_every_backend, where_tags_move};
use crate::support::release::Pusher;
use crate::support::release::{Release, tag_of};

/// Newest first, as Masterminds reads versions: `v`, missing numbers and leading zeros are taken, what follows a `+`
/// does not count. Versions that are equal then stand in the order of their tags, the last tag first.
const VERSIONS: [&str; 53] = [
    "18446744073709551615.0.0",
    "10.0.0",
    "3.0.0-alpha",
    "3.0.0-99999999999999999999",
    "3.0.0-5",
    "2.10.0",
    "2.9.1",
    "2.9.0",
    "2.0.0+zulu",
    "2.0.0+10",
    "2.0.0",
    "2.0.0-rc-1",
    "2.0.0-rc.11",
    "2.0.0-rc.2",
    "2.0.0-rc.1.1",
    "2.0.0-rc.1+late",
    "2.0.0-rc.1",
    "2.0.0-rc",
    "2.0.0-beta.11",
    "2.0.0-beta.2",
    "2.0.0-beta",
    "2.0.0-alpha.beta",
    "2.0.0-alpha.1.0",
    "2.0.0-alpha.1",
    "2.0.0-alpha",
    "2.0.0-RC.1",
    "2.0.0-0a",
    "2.0.0---",
    "2.0.0-100",
    "2.0.0-99",
    "2.0.0-0",
    "1.2.0+b",
    "1.2.0+a",
    "1.2.0",
    "1.2",
    "01.2.0",
    "1.2.0-1",
    "1.1.9",
    "v1.1",
    "1.1.0",
    "1.1",
    "1.0.1-a-b",
    "v1.0.0+x",
    "v1",
    "1.00.000",
    "1",
    "0.10.0",
    "0.9.10",
    "0.9.9",
    "0.0.1",
    "0.0.0+zero",
    "0.0.0",
    "0.0.0-0",
];

/// Equal but for what does not count, so that only their tags are in order.
const EQUAL: [&str; 8] = ["v1.2.0", "1.2.0+b", "1.2.0+a", "1.2.0+9", "1.2.0+10", "1.2.0", "1.2", "01.2.0"];

/// Every order is as good as another: this one is far from the sorted one and the same each time.
fn shuffled<T: Clone>(items: &[T], step: usize) -> Vec<T> {
    let at = |n: usize| items[(n * step + step) % items.len()].clone();
    (0..items.len()).map(at).collect()
}

#[test]
fn a_shuffle_loses_nothing() {
    for step in [1, 7, 19, VERSIONS.len() - 1] {
        let mut items = shuffled(&VERSIONS, step);
        assert_ne!(items, VERSIONS);
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), VERSIONS.len(), "{step}");
    }
}

#[tokio::test]
async fn versions_stand_from_the_newest_to_the_oldest_however_they_came() {
    on_every_backend(async |server| {
        for (namespace, step) in [("backwards", VERSIONS.len() - 1), ("mixed", 19)] {
            let mut pusher = Pusher::open(server.addr).await;
            for version in shuffled(&VERSIONS, step) {
                let (repository, tag) = (format!("{namespace}/app"), tag_of(version));
                let stored = pusher.push(&repository, &tag, &Release::named("app", version)).await;
                assert_eq!(stored.status, 201, "{version}");
            }
            assert_eq!(server.index(namespace).await.versions("app"), VERSIONS, "{namespace}");
        }
    })
    .await;
}

#[tokio::test]
async fn equal_versions_stand_by_their_tags_the_last_first() {
    on_every_backend(async |server| {
        for version in shuffled(&EQUAL, 3) {
            server.push_version("team/app", version).await;
        }
        assert_eq!(server.index("team").await.versions("app"), EQUAL);
    })
    .await;
}

#[tokio::test]
async fn the_order_holds_after_every_push_and_deletion() {
    where_tags_move(async |server| {
        let mut pushed: Vec<&str> = Vec::new();
        let place = |version: &&str| VERSIONS.iter().position(|listed| listed == version);
        for version in shuffled(&VERSIONS, 19).into_iter().take(12) {
            server.push_version("team/app", version).await;
            pushed.push(version);
            pushed.sort_by_key(place);
            assert_eq!(server.index("team").await.versions("app"), pushed, "after {version}");
        }
        while pushed.len() > 1 {
            let gone = pushed.remove(pushed.len() / 2);
            let target = format!("/v2/team/app/manifests/{}", tag_of(gone));
            assert_eq!(server.delete(target).await.status, 202, "{gone}");
            assert_eq!(server.index("team").await.versions("app"), pushed, "without {gone}");
        }
    })
    .await;
}

#[tokio::test]
async fn charts_stand_in_the_order_of_the_bytes_of_their_names() {
    // The order of ASCII: `-`, `.`, digits, `_`, letters.
    let names =
        ["0", "9a", "a", "a-b", "a--b", "a.b", "a0", "a10", "a2", "a_b", "a__b", "aa", "ab", "b", "zz"];
    let mut sorted = names;
    sorted.sort_unstable();
    on_every_backend(async |server| {
        for name in shuffled(&names, 7) {
            server.push_version(&format!("team/{name}"), "1.0.0").await;
        }
        assert_eq!(server.index("team").await.names(), sorted);
    })
    .await;
}
