//! Bodies that come slowly, broken or in another size than was asked for, and answers that never come.

use std::time::{Duration, Instant};

use s3_double::{Effect, Fault, Operation, Outage};

use super::*;
use crate::backend::suite::key;

fn large() -> Bytes {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_again() {
    let (double, s3) = started().await;
    double.put(BUCKET, "large", large());
    for range in [None, Some(10..500_000)] {
        double.reset_counts();
        double.inject(Fault::nth(1, Effect::Truncate).of(Operation::Get));
        let read = s3.read(&key("large"), range.clone()).await.unwrap();
        assert!(
            read == large().slice(range.map_or(0..800_000, |range| range.start as usize..range.end as usize))
        );
        assert_eq!(double.counts().get, 2);
    }
}

#[tokio::test]
async fn a_body_that_drips_is_read_to_its_end() {
    let (double, s3) = started().await;
    double.put(BUCKET, "large", large());
    double.inject(Fault::nth(1, Effect::Drip { piece: 9_999, pause: Duration::from_millis(2) }));
    assert!(s3.read(&key("large"), None).await.unwrap() == large());
    assert_eq!(double.counts().get, 1);
}

/// What is waited for takes its time: all of it side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn silence_is_waited_for_no_longer_than_it_must_be() {
    let slow = Effect::Drip { piece: 400_000, pause: Duration::from_secs(60) };
    let crawling = Effect::Drip { piece: 1_000, pause: Duration::from_millis(200) };
    let (hanging, silent) = started().await;
    hanging.set_outage(Some(Outage::Hang));
    let (stuck, s3) = started().await;
    for name in ["once", "always", "crawls"] {
        stuck.put(BUCKET, name, large());
    }
    stuck.inject(Fault::nth(1, slow).on("once"));
    stuck.inject(Fault::nth(1, slow).on("always").and_all_later());
    stuck.inject(Fault::nth(1, crawling).on("crawls").and_all_later());

    let began = Instant::now();
    let [a, b, once, always, crawls] = ["a", "b", "once", "always", "crawls"].map(key);
    let (created, read, listed, deleted, copied, once, always, crawls) = tokio::join!(
        silent.create(&a, vec![Bytes::from_static(b"x")]),
        silent.read(&a, None),
        silent.list("", "", 10),
        silent.delete(std::slice::from_ref(&a)),
        silent.copy(&a, &b),
        s3.read(&once, None),
        s3.read(&always, None),
        s3.read(&crawls, None),
    );
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert!(once.unwrap() == large());
    let outcomes = [
        told(&created, creation),
        told(&read, |_| "ok"),
        told(&listed, |_| "ok"),
        told(&deleted, |()| "ok"),
        told(&copied, creation),
        told(&always, |_| "ok"),
        told(&crawls, |_| "ok"),
    ];
    assert_eq!(outcomes, ["unavailable"; 7]);
    assert_eq!(hanging.counts().put, 1, "what may have had an effect is not sent again");
    hanging.set_outage(None);
    assert!(hanging.objects(BUCKET).is_empty());
}

#[tokio::test]
async fn ranges_that_are_hard_to_ask_for_are_answered() {
    let (double, s3) = started().await;
    double.put(BUCKET, "digits", "0123456789");
    let last = u64::MAX;
    for (range, expected) in [
        (5..last, "56789"),
        (10..20, ""),
        (0..0, ""),
        (last - 1..last, ""),
        (i64::MAX as u64 + 1..last, ""),
        (i64::MAX as u64..last, ""),
        (0..i64::MAX as u64 + 1, "0123456789"),
    ] {
        assert_eq!(s3.read(&key("digits"), Some(range.clone())).await.unwrap(), expected, "{range:?}");
    }
    for range in [0..0, 5..6, last - 1..last] {
        let absent = s3.read(&key("absent"), Some(range)).await;
        assert!(matches!(absent, Err(BackendError::NotFound(_))), "{absent:?}");
    }
}

#[tokio::test]
async fn a_refused_range_is_no_empty_object_when_the_whole_was_asked_for() {
    let (double, s3) = started().await;
    double.put(BUCKET, "digits", "0123456789");
    double.inject(Fault::nth(1, Effect::Fail { status: 416, code: "InvalidRange" }));
    let read = s3.read(&key("digits"), None).await;
    assert_eq!(told(&read, |_| "ok"), "denied");
}
