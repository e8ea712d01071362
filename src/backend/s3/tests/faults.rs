//! A table of faults, and what each verb makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use s3_double::Effect::{self, *};
use s3_double::{Fault, Operation};
use tokio::task::JoinSet;

use super::*;
use crate::backend::suite::{key, put};

/// What a create says to a fault that strikes once: its outcome, the requests it took, whether the object is there.
type Creation = (&'static str, u64, bool);
/// The outcome of another verb, and the requests it took.
type Outcome = (&'static str, u64);

const SLOW_DOWN: Effect = Fail { status: 503, code: "SlowDown" };
/// For as long as a test lasts.
const LATE: Effect = Late { after: Duration::from_secs(600) };

#[rustfmt::skip]
const CREATIONS: [(Effect, Creation); 22] = [
    // Whether it took effect nobody knows: it is not sent again.
    (LoseAnswer,                                             ("unavailable", 1, true)),
    (CutBefore,                                              ("unavailable", 1, false)),
    (LATE,                                                   ("unavailable", 1, false)),
    (Truncate,                                               ("unavailable", 1, true)),
    (Fail { status: 500, code: "InternalError" },            ("unavailable", 1, false)),
    (FailAfter { status: 500, code: "InternalError" },       ("unavailable", 1, true)),
    (Fail { status: 503, code: "ServiceUnavailable" },       ("unavailable", 1, false)),
    (FailAfter { status: 503, code: "ServiceUnavailable" },  ("unavailable", 1, true)),
    (PlainFail { status: 404 },                              ("unavailable", 1, false)),
    (PlainFail { status: 502 },                              ("unavailable", 1, false)),
    (PlainFail { status: 503 },                              ("unavailable", 1, false)),
    // It certainly had no effect, and another time it may have.
    (SLOW_DOWN,                                              ("created", 2, true)),
    (Fail { status: 409, code: "ConditionalRequestConflict" }, ("created", 2, true)),
    (Fail { status: 409, code: "OperationAborted" },         ("created", 2, true)),
    (Fail { status: 400, code: "XAmzContentSHA256Mismatch" }, ("created", 2, true)),
    (PlainFail { status: 429 },                              ("created", 2, true)),
    // It certainly had no effect, and will never have one.
    (Fail { status: 403, code: "AccessDenied" },             ("denied", 1, false)),
    (PlainFail { status: 403 },                              ("denied", 1, false)),
    (Fail { status: 404, code: "NoSuchBucket" },             ("denied", 1, false)),
    (Fail { status: 501, code: "NotImplemented" },           ("denied", 1, false)),
    (Fail { status: 507, code: "XMinioStorageFull" },        ("full", 1, false)),
    (PlainFail { status: 507 },                              ("full", 1, false)),
];

/// What a read, a listing and a deletion say to a fault that strikes once, and to one that strikes always.
#[rustfmt::skip]
const HARMLESS: [(Effect, Outcome, Outcome); 13] = [
    (LoseAnswer,                                             ("ok", 2), ("unavailable", 3)),
    (CutBefore,                                              ("ok", 2), ("unavailable", 3)),
    (Truncate,                                               ("ok", 2), ("unavailable", 3)),
    (Fail { status: 500, code: "InternalError" },            ("ok", 2), ("unavailable", 3)),
    (FailAfter { status: 500, code: "InternalError" },       ("ok", 2), ("unavailable", 3)),
    (SLOW_DOWN,                                              ("ok", 2), ("unavailable", 3)),
    (Fail { status: 409, code: "OperationAborted" },         ("ok", 2), ("unavailable", 3)),
    (PlainFail { status: 404 },                              ("ok", 2), ("unavailable", 3)),
    (PlainFail { status: 502 },                              ("ok", 2), ("unavailable", 3)),
    (Fail { status: 403, code: "AccessDenied" },             ("denied", 1), ("denied", 1)),
    (Fail { status: 404, code: "NoSuchBucket" },             ("denied", 1), ("denied", 1)),
    (Fail { status: 507, code: "XMinioStorageFull" },        ("full", 1), ("full", 1)),
    (PlainFail { status: 403 },                              ("denied", 1), ("denied", 1)),
];

#[tokio::test]
async fn a_create_is_sent_again_only_when_it_had_no_effect() {
    let mut cases = JoinSet::new();
    for (effect, (outcome, requests, is_there)) in CREATIONS {
        cases.spawn(async move {
            let (double, s3) = started().await;
            double.inject(Fault::nth(1, effect).of(Operation::Put));
            let answer = create(&s3, "a/key", "first").await;
            let objects = double.objects(BUCKET);
            let seen = (told(&answer, creation), double.counts().put, objects.contains_key("a/key"));
            assert_eq!(seen, (outcome, requests, is_there), "{effect:?}: {answer:?}");
            // Its caller finds out by asking again.
            let (again, body) = if is_there { ("exists", "first") } else { ("created", "second") };
            assert_eq!(told(&create(&s3, "a/key", "second").await, creation), again, "{effect:?}");
            assert_eq!(double.objects(BUCKET), BTreeMap::from([("a/key".to_owned(), body.into())]));
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn a_copy_is_sent_again_only_when_it_had_no_effect() {
    let mut cases = JoinSet::new();
    // An answer that has a body can be broken in more ways, and a copy can fail after its answer has begun.
    let more = [(Fail { status: 200, code: "InternalError" }, ("unavailable", 1, false))];
    for (effect, (outcome, requests, is_there)) in CREATIONS.into_iter().chain(more) {
        cases.spawn(async move {
            let (double, s3) = started().await;
            put(&s3, "from", b"first").await;
            double.inject(Fault::nth(1, effect).of(Operation::Copy));
            let answer = s3.copy(&key("from"), &key("to")).await;
            let objects = double.objects(BUCKET);
            let seen = (told(&answer, creation), double.counts().copy, objects.contains_key("to"));
            // Where the service will not copy, the bytes take the way through this process.
            let (outcome, is_there) =
                if outcome == "denied" { ("created", true) } else { (outcome, is_there) };
            assert_eq!(seen, (outcome, requests, is_there), "{effect:?}: {answer:?}");
            let again = if is_there { "exists" } else { "created" };
            assert_eq!(told(&s3.copy(&key("from"), &key("to")).await, creation), again, "{effect:?}");
            assert_eq!(double.objects(BUCKET)["to"], "first");
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn what_can_be_done_twice_is_sent_again_until_it_is_enough() {
    let mut cases = JoinSet::new();
    for (effect, once, always) in HARMLESS {
        for (fault, expected) in
            [(Fault::nth(1, effect), once), (Fault::nth(1, effect).and_all_later(), always)]
        {
            cases.spawn(async move {
                let (double, s3) = started().await;
                put(&s3, "a/key", b"body").await;
                for (verb, operation) in
                    [("read", Operation::Get), ("list", Operation::List), ("delete", Operation::Delete)]
                {
                    double.reset_counts();
                    double.inject(fault.clone().of(operation));
                    let outcome = harmless(&s3, verb).await;
                    assert_eq!((outcome, double.counts().total()), expected, "{verb}, {fault:?}");
                    double.heal();
                }
            });
        }
    }
    cases.join_all().await;
}

/// The outcome of a verb, whose result must be right if there is one.
async fn harmless(s3: &S3, verb: &str) -> &'static str {
    match verb {
        "read" => told(&s3.read(&key("a/key"), None).await, |body| {
            assert_eq!(body, "body");
            "ok"
        }),
        "list" => told(&s3.list("a/", "", 10).await, |keys| {
            assert_eq!(*keys, [key("a/key")]);
            "ok"
        }),
        _ => told(&s3.delete(&[key("a/key")]).await, |()| "ok"),
    }
}

#[tokio::test]
async fn a_service_that_refuses_for_ever_is_asked_three_times() {
    for effect in [SLOW_DOWN, Fail { status: 409, code: "OperationAborted" }] {
        let (double, s3) = started().await;
        double.inject(Fault::nth(1, effect).and_all_later());
        assert_eq!(told(&create(&s3, "a/key", "x").await, creation), "unavailable");
        assert_eq!(double.counts().put, 3);
        double.heal();
        put(&s3, "from", b"x").await;
        double.inject(Fault::nth(1, effect).of(Operation::Copy).and_all_later());
        assert_eq!(told(&s3.copy(&key("from"), &key("to")).await, creation), "unavailable");
        assert_eq!(double.counts().copy, 3);
    }
}

#[tokio::test]
async fn a_create_that_arrives_late_is_whole_or_refused() {
    for late_is_first in [true, false] {
        let (double, s3) = started().await;
        double.inject(Fault::nth(1, LATE).of(Operation::Put));
        assert_eq!(told(&create(&s3, "a/key", "late").await, creation), "unavailable");
        assert!(double.objects(BUCKET).is_empty());
        assert_eq!(double.late(), 1);
        if late_is_first {
            double.deliver().await;
        }
        let second = create(&s3, "a/key", "second").await;
        double.deliver().await;
        assert_eq!(double.late(), 0);
        let expected = if late_is_first { ("exists", "late") } else { ("created", "second") };
        let there = s3.read(&key("a/key"), None).await.unwrap();
        assert_eq!((told(&second, creation), &*there), (expected.0, expected.1.as_bytes()));
    }
}

#[tokio::test]
async fn a_copy_looks_for_its_target_and_names_the_source_it_misses() {
    let (double, s3) = started().await;
    put(&s3, "from", b"one").await;
    put(&s3, "to", b"two").await;
    double.reset_counts();
    assert_eq!(s3.copy(&key("from"), &key("to")).await.unwrap(), Create::AlreadyExists);
    assert_eq!((double.counts().get, double.counts().copy), (1, 0));
    let missing = s3.copy(&key("absent"), &key("new")).await;
    assert!(matches!(missing, Err(BackendError::NotFound(missing)) if missing == key("absent")));
    // Another one was quicker than the look.
    double.inject(Fault::nth(1, Fail { status: 412, code: "PreconditionFailed" }).of(Operation::Copy));
    assert_eq!(s3.copy(&key("from"), &key("other")).await.unwrap(), Create::AlreadyExists);
    assert_eq!(double.objects(BUCKET)["to"], "two");
}

async fn create(s3: &S3, name: &str, body: &'static str) -> Result<Create, BackendError> {
    s3.create(&key(name), vec![Bytes::from_static(body.as_bytes())]).await
}
