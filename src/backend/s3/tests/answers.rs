//! Answers that the double does not give, and what an upload says of itself.

use sha2::{Digest, Sha256};

use super::canned::{Canned, garbling};
use super::*;
use crate::backend::suite::key;

/// There is more, but nothing to go on after.
const ENDLESS: &str = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";

#[tokio::test]
async fn a_service_that_knows_no_ranges_is_read_right() {
    let service = Canned::start("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789").await;
    let s3 = open(options(&service.http())).await;
    for (range, expected) in
        [(2..4, "23"), (5..20, "56789"), (0..10, "0123456789"), (10..12, ""), (12..30, ""), (3..3, "")]
    {
        assert_eq!(s3.read(&key("digits"), Some(range.clone())).await.unwrap(), expected, "{range:?}");
    }
}

#[tokio::test]
async fn a_length_that_is_a_lie_is_no_body() {
    for length in [11_u64, 1 << 40, i64::MAX as u64] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n0123456789");
        let service = Canned::start(answer).await;
        let s3 = open(options(&service.http())).await;
        assert_eq!(told(&s3.read(&key("digits"), None).await, |_| "ok"), "unavailable", "{length}");
        assert_eq!(service.received().len(), 3);
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_no_success() {
    for body in
        ["", "nonsense", "<html><body>please log in</body></html>", "<ListBucketResult><Contents>", ENDLESS]
    {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let service = Canned::start(answer).await;
        let s3 = open(options(&service.http())).await;
        let listed = s3.list("a/", "", 10).await;
        assert_eq!(told(&listed, |_| "ok"), "unavailable", "{body:?}: {listed:?}");
    }
}

#[tokio::test]
async fn the_signature_carries_the_hash_of_all_pieces() {
    let service = Canned::start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let s3 = open(options(&service.http())).await;
    let bodies: [&[&'static str]; 4] = [&[], &["one piece"], &["several", "", " ", "pieces"], &["", ""]];
    for pieces in bodies {
        let body = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        assert_eq!(s3.create(&key("a/key"), body).await.unwrap(), Create::Created);
        let received = service.received().pop().expect("a request");
        let whole = pieces.concat();
        let hash: String = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(received.body, whole.as_bytes());
        assert_eq!(received.header("x-amz-content-sha256"), Some(&*hash), "{pieces:?}");
        assert_eq!(received.header("content-length"), Some(&*whole.len().to_string()));
        assert_eq!(received.header("if-none-match"), Some("*"));
        let authorization = received.header("authorization").expect("a signature");
        assert!(authorization.contains("x-amz-content-sha256"), "{authorization}");
    }
}

#[tokio::test]
async fn an_upload_that_is_damaged_on_its_way_is_sent_again() {
    for (times, outcome, requests) in [(2, "created", 3), (100, "unavailable", 3)] {
        let (double, _) = started().await;
        let on_the_way = garbling(&double.endpoint(), b"fine", b"fire", times).await;
        let s3 = open(options(&on_the_way)).await;
        let pieces = ["this is ", "fine", " so far"].map(|piece| Bytes::from_static(piece.as_bytes()));
        let created = s3.create(&key("a/key"), pieces.to_vec()).await;
        assert_eq!((told(&created, creation), double.counts().put), (outcome, requests), "{created:?}");
        let there = double.objects(BUCKET).remove("a/key");
        assert_eq!(there, (outcome == "created").then(|| Bytes::from_static(b"this is fine so far")));
    }
}
