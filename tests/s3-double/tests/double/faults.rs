//! Each fault does what it says: to the objects, and to the client.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use s3_double::{Double, Effect, Fault, Operation, Outage, SECRET_KEY};

use crate::support::{BUCKET, Told, comes_true, config, get, list, put, refused, started, told};

const LONG: Duration = Duration::from_secs(600);

fn is_there(double: &Double, key: &str) -> bool {
    double.objects(BUCKET).contains_key(key)
}

/// A client that gives up soon.
fn impatient(double: &Double) -> Client {
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_millis(250)).build();
    Client::from_conf(config(double, SECRET_KEY).timeout_config(timeouts).build())
}

#[tokio::test]
async fn an_effect_is_there_or_not_and_an_answer_is_there_or_not() {
    for (effect, took_effect, heard) in [
        (Effect::LoseAnswer, true, Told::Nothing),
        (Effect::CutBefore, false, Told::Nothing),
        (Effect::Fail { status: 503, code: "SlowDown" }, false, refused(503, "SlowDown")),
        (
            Effect::Fail { status: 409, code: "ConditionalRequestConflict" },
            false,
            refused(409, "ConditionalRequestConflict"),
        ),
        (
            Effect::Fail { status: 507, code: "InsufficientStorage" },
            false,
            refused(507, "InsufficientStorage"),
        ),
        (Effect::FailAfter { status: 500, code: "InternalError" }, true, refused(500, "InternalError")),
        (Effect::PlainFail { status: 502 }, false, Told::Refused(502, None)),
        (Effect::PlainFail { status: 404 }, false, Told::Refused(404, None)),
        (Effect::Delay(Duration::from_millis(20)), true, Told::Done),
        // The answer to a put has no body.
        (Effect::Truncate, true, Told::Nothing),
        (Effect::CorruptBody, true, Told::Done),
        (Effect::StaleListing, true, Told::Done),
    ] {
        let (double, client) = started().await;
        double.inject(Fault::nth(2, effect));
        assert_eq!(put(&client, "before", "").await, Told::Done, "{effect:?}");
        assert_eq!(put(&client, "key", "").await, heard, "{effect:?}");
        assert_eq!(is_there(&double, "key"), took_effect, "{effect:?}");
        assert_eq!(put(&client, "after", "").await, Told::Done, "{effect:?}");
        assert_eq!(double.counts().put, 3, "{effect:?}");
    }
}

#[tokio::test]
async fn a_fault_strikes_by_operation_and_by_part_of_the_key() {
    let (double, client) = started().await;
    double.inject(Fault::nth(1, Effect::CutBefore).of(Operation::Put).on("/_journal/").and_all_later());
    assert_eq!(put(&client, "ns/_data/1", "").await, Told::Done);
    assert_eq!(put(&client, "ns/_journal/1", "").await, Told::Nothing);
    assert_eq!(get(&client, "ns/_journal/1").await, Err(refused(404, "NoSuchKey")));
    assert_eq!(put(&client, "ns/_journal/2", "").await, Told::Nothing);
    double.heal();
    assert_eq!(put(&client, "ns/_journal/2", "").await, Told::Done);
}

#[tokio::test]
async fn a_fault_finds_its_text_in_prefixes_sources_and_lists_of_keys() {
    let (double, client) = started().await;
    let strike = |operation| double.inject(Fault::nth(1, Effect::CutBefore).of(operation).on("ns/_journal/"));
    strike(Operation::List);
    assert_eq!(list(&client, "ns/").await, Ok(vec![]));
    assert_eq!(list(&client, "ns/_journal/").await, Err(Told::Nothing));
    strike(Operation::Copy);
    let copy = client.copy_object().bucket(BUCKET).key("key").copy_source("charts/ns%2F_journal%2F1").send();
    assert_eq!(told(copy.await), Told::Nothing);
    strike(Operation::Delete);
    let key = ObjectIdentifier::builder().key("ns/_journal/1").build().expect("a key");
    let delete = Delete::builder().objects(key).build().expect("keys");
    assert_eq!(told(client.delete_objects().bucket(BUCKET).delete(delete).send().await), Told::Nothing);
}

#[tokio::test]
async fn of_several_faults_the_oldest_strikes_and_all_count() {
    let (double, client) = started().await;
    double.inject(Fault::nth(1, Effect::CutBefore));
    double.inject(Fault::nth(2, Effect::Fail { status: 503, code: "SlowDown" }));
    assert_eq!(put(&client, "key", "").await, Told::Nothing);
    assert_eq!(put(&client, "key", "").await, refused(503, "SlowDown"));
    assert_eq!(put(&client, "key", "").await, Told::Done);
}

#[tokio::test]
async fn a_late_put_arrives_when_its_time_comes() {
    let (double, client) = started().await;
    double.inject(Fault::nth(1, Effect::Late { after: Duration::from_millis(400) }));
    assert_eq!(put(&client, "key", "late").await, Told::Nothing);
    assert_eq!((is_there(&double, "key"), double.late()), (false, 1));
    assert!(comes_true(|| is_there(&double, "key")).await);
    assert!(comes_true(|| double.late() == 0).await);
}

#[tokio::test]
async fn late_requests_are_delivered_in_their_order_and_once() {
    let (double, client) = started().await;
    double.inject(Fault::nth(1, Effect::Late { after: LONG }).of(Operation::Put).and_all_later());
    for body in ["1", "2", "3"] {
        assert_eq!(put(&client, "key", body).await, Told::Nothing);
    }
    double.heal();
    assert_eq!((double.late(), is_there(&double, "key")), (3, false));
    double.deliver().await;
    assert_eq!((double.late(), &*double.objects(BUCKET)["key"]), (0, &b"3"[..]));
    double.remove(BUCKET, "key");
    double.deliver().await;
    assert!(!is_there(&double, "key"));
}

#[tokio::test]
async fn a_delivered_request_does_not_come_again_in_place_of_a_younger_one() {
    let (double, client) = started().await;
    double.inject(Fault::nth(1, Effect::Late { after: Duration::from_millis(50) }));
    double.inject(Fault::nth(2, Effect::Late { after: LONG }));
    put(&client, "first", "").await;
    double.deliver().await;
    put(&client, "second", "").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!((is_there(&double, "second"), double.late()), (false, 1));
}

#[tokio::test]
async fn a_delayed_put_takes_effect_though_its_client_gave_up() {
    let (double, _) = started().await;
    double.inject(Fault::nth(1, Effect::Delay(Duration::from_millis(800))));
    assert_eq!(put(&impatient(&double), "key", "").await, Told::Nothing);
    assert!(!is_there(&double, "key"));
    assert!(comes_true(|| is_there(&double, "key")).await);
}

#[tokio::test]
async fn a_request_hangs_until_the_double_is_healed_or_gone() {
    let (double, client) = started().await;
    double.inject(Fault::nth(1, Effect::Hang).and_all_later());
    assert_eq!(put(&impatient(&double), "key", "").await, Told::Nothing);
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { put(&client, "key", "").await }
    });
    assert!(comes_true(|| double.counts().put == 2).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!hanging.is_finished());
    double.heal();
    assert_eq!(hanging.await.expect("no panic"), Told::Nothing);
    assert!(!is_there(&double, "key"));

    double.inject(Fault::nth(1, Effect::Hang));
    let hanging = tokio::spawn(async move { put(&client, "key", "").await });
    assert!(comes_true(|| double.counts().put == 3).await);
    let started = Instant::now();
    drop(double);
    assert_eq!(hanging.await.expect("no panic"), Told::Nothing);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_truncated_answer_ends_in_the_middle() {
    let (double, client) = started().await;
    double.put(BUCKET, "key", vec![7; 100_000]);
    double.inject(Fault::nth(1, Effect::Truncate).of(Operation::Get));
    let mut output = client.get_object().bucket(BUCKET).key("key").send().await.expect("an answer");
    assert_eq!(output.content_length(), Some(100_000));
    let mut came = 0;
    let broke = loop {
        match output.body.next().await {
            Some(Ok(piece)) => came += piece.len(),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert_eq!((came, broke), (50_000, true));
    assert_eq!(get(&client, "key").await.expect("read").len(), 100_000);

    double.inject(Fault::nth(1, Effect::Truncate).of(Operation::List));
    assert_eq!(list(&client, "").await, Err(Told::Nothing));
}

#[tokio::test]
async fn a_dripping_answer_comes_slowly_and_whole() {
    let (double, client) = started().await;
    double.put(BUCKET, "key", "0123456789");
    double.inject(Fault::nth(1, Effect::Drip { piece: 3, pause: Duration::from_millis(40) }));
    let started = Instant::now();
    assert_eq!(get(&client, "key").await.expect("read"), "0123456789");
    // Three pauses between four pieces.
    assert!(started.elapsed() >= Duration::from_millis(120), "{:?}", started.elapsed());
}

#[tokio::test]
async fn one_byte_of_a_corrupt_body_is_wrong() {
    let (double, client) = started().await;
    let body: Vec<u8> = (0..=255).collect();
    double.put(BUCKET, "key", body.clone());
    double.inject(Fault::nth(1, Effect::CorruptBody));
    let got = get(&client, "key").await.expect("read");
    assert_eq!(got.len(), body.len());
    assert_eq!(got.iter().zip(&body).filter(|(got, sent)| got != sent).count(), 1);
    assert_eq!(double.objects(BUCKET)["key"], body);
}

#[tokio::test]
async fn a_stale_listing_shows_what_was_there() {
    let (double, client) = started().await;
    double.put(BUCKET, "deleted", "");
    double.inject(Fault::nth(1, Effect::StaleListing).and_all_later());
    double.remove(BUCKET, "deleted");
    assert_eq!(put(&client, "new", "").await, Told::Done);
    for _ in 0..2 {
        assert_eq!(list(&client, "").await.expect("list"), ["deleted"]);
    }
    assert_eq!(get(&client, "new").await.expect("read"), "");
    double.heal();
    assert_eq!(list(&client, "").await.expect("list"), ["new"]);
}

#[tokio::test]
async fn an_outage_strikes_everything_until_it_ends() {
    let (double, client) = started().await;
    for (outage, heard) in
        [(Outage::Refuse503, refused(503, "ServiceUnavailable")), (Outage::Close, Told::Nothing)]
    {
        double.set_outage(Some(outage));
        assert_eq!(put(&client, "key", "").await, heard);
        assert_eq!(get(&client, "key").await, Err(heard));
    }
    double.set_outage(Some(Outage::Hang));
    assert_eq!(put(&impatient(&double), "key", "").await, Told::Nothing);
    assert!(double.objects(BUCKET).is_empty());
    double.set_outage(None);
    assert_eq!(put(&client, "key", "").await, Told::Done);
}
