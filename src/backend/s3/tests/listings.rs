//! Listings over several pages, with what other people keep in the bucket.

use super::*;
use crate::backend::suite::list;

/// What is in the bucket, but no key of ours: below the prefix and beside it.
const FOREIGN: [&str; 12] = [
    "own",
    "own/",
    "own/a b",
    "own/k/0500 copy",
    "own/k/0999\u{e9}",
    "own/k/0999<&>\"'",
    "own/k/1000/",
    "own/k//1001",
    "own/k/../1002",
    "own2/k/0001",
    "ow",
    "zzz/k/0001",
];
const OWN: usize = 2_500;

fn name(n: usize) -> String {
    format!("k/{n:04}")
}

#[tokio::test]
async fn a_listing_goes_over_all_pages_and_shows_only_what_is_ours() {
    let double = Double::start().await;
    for n in 0..OWN {
        double.put(BUCKET, &format!("own/{}", name(n)), "x");
    }
    for foreign in FOREIGN {
        double.put(BUCKET, foreign, "x");
    }
    // More than a page of them, one after the other.
    for n in 0..1_100 {
        double.put(BUCKET, &format!("own/k/1500 {n}"), "x");
    }
    let s3 = open(Options { prefix: "own".to_owned(), ..options(&double.endpoint()) }).await;
    let all: Vec<_> = (0..OWN).map(name).collect();
    for (prefix, after, limit, expected) in [
        ("", "", 10_000, &all[..]),
        ("k/", "", OWN, &all[..]),
        ("k/", "", 999, &all[..999]),
        ("k/", "", 1_000, &all[..1_000]),
        ("k/", "", 1_001, &all[..1_001]),
        ("k/", "", 2_000, &all[..2_000]),
        ("k/0", "", 5_000, &all[..1_000]),
        ("k/1", "k/1499", 10, &all[1_500..1_510]),
        ("k/", "k/1500", 10, &all[1_501..1_511]),
        ("k/", "k/2498", 5_000, &all[2_499..]),
        ("k/", "k/2499", 5_000, &[]),
    ] {
        assert_eq!(list(&s3, prefix, after, limit).await, expected, "{prefix:?} {after:?} {limit}");
    }
    let mut pages = Vec::new();
    while let Some(page) = Some(list(&s3, "", pages.last().map_or("", String::as_str), 700).await) {
        let is_last = page.len() < 700;
        pages.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(pages, all);
}

#[tokio::test]
async fn a_listing_takes_as_many_requests_as_it_has_pages() {
    let (double, s3) = started().await;
    for n in 0..OWN {
        double.put(BUCKET, &name(n), "x");
    }
    for (limit, requests) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (2_500, 3), (10_000, 3)] {
        double.reset_counts();
        assert_eq!(list(&s3, "k/", "", limit).await.len(), limit.min(OWN));
        assert_eq!(double.counts().total(), requests, "{limit}");
    }
}
