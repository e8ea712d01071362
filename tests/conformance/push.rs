//! Uploads in one piece: POST and PUT, a single POST, streamed bodies, and what is refused.

use bytes::Bytes;

use crate::support::app::on_every_backend;
use crate::support::artifact::{Blob, noise};
use crate::support::http::{Connection, Request};
use crate::support::registry::{
    assert_blob_served, assert_refused, assert_status, blob_path, location, with_digest,
};

#[tokio::test]
async fn post_then_put_stores_a_blob() {
    on_every_backend(async |server| {
        for size in [0, 1, 20_000, 300_000, 9 << 20] {
            println!("{size} bytes");
            let blob = Blob::new(noise("post then put", size));
            let stored = server.put_blob("team/app", &blob).await;
            assert_status(&stored, 201);
            assert_eq!(location(&stored), blob_path("team/app", &blob.digest));
            assert_eq!(stored.header("docker-content-digest"), Some(blob.digest.as_str()));
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_single_post_with_the_digest_stores_a_blob() {
    on_every_backend(async |server| {
        for size in [0, 1, 20_000, 9 << 20] {
            println!("{size} bytes");
            let blob = Blob::new(noise("single", size));
            let target = with_digest("/v2/team/app/blobs/uploads/", &blob.digest);
            let stored = server.send(Request::post(target).body(blob.bytes.clone())).await;
            assert_status(&stored, 201);
            assert_eq!(location(&stored), blob_path("team/app", &blob.digest));
            assert_eq!(stored.header("docker-content-digest"), Some(blob.digest.as_str()));
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_without_a_length_are_stored_as_well() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("chunked transfer", 100_000));
        let pieces = || blob.bytes.chunks(7_777).map(Bytes::copy_from_slice);
        let session = server.start_upload("team/app").await;
        let target = with_digest(&session, &blob.digest);
        assert_status(&server.send(Request::new("PUT", target).chunks(pieces())).await, 201);
        assert_blob_served(&server, "team/app", &blob).await;

        let target = with_digest("/v2/team/other/blobs/uploads/", &blob.digest);
        assert_status(&server.send(Request::new("POST", target).chunks(pieces())).await, 201);
        assert_blob_served(&server, "team/other", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("expect", 5_000));
        let session = server.start_upload("team/app").await;
        let request = Request::put(with_digest(&session, &blob.digest), blob.bytes.clone())
            .header("Expect", "100-continue");
        let bytes = request.bytes();
        let (head, body) = bytes.split_at(bytes.len() - blob.bytes.len());
        let mut connection = Connection::open(server.addr).await.expect("a connection");
        connection.send(head).await.expect("the head");
        connection.send(body).await.expect("the body");
        assert_eq!(connection.receive("PUT").await.expect("a reply").status, 201);
    })
    .await;
}

#[tokio::test]
async fn every_session_has_a_location_of_its_own() {
    on_every_backend(async |server| {
        let (one, other) = (server.start_upload("team/app").await, server.start_upload("team/app").await);
        assert_ne!(one, other);
    })
    .await;
}

#[tokio::test]
async fn a_minimum_chunk_length_is_a_number_when_it_is_sent() {
    on_every_backend(async |server| {
        let started = server.send(Request::post("/v2/team/app/blobs/uploads/")).await;
        assert_status(&started, 202);
        let minimum = started.header("oci-chunk-min-length").map(str::parse::<u64>);
        assert!(minimum.is_none_or(|length| length.is_ok()), "{:?}", started.headers);
    })
    .await;
}

#[tokio::test]
async fn the_wrong_digest_is_refused_and_nothing_is_stored() {
    on_every_backend(async |server| {
        let (blob, other) = (Blob::new("the bytes"), Blob::new("other bytes"));
        let session = server.start_upload("team/app").await;
        let put = server.close_upload(&session, &other.digest, blob.bytes.clone()).await;
        assert_refused(&put, 400, &["DIGEST_INVALID"]);
        let target = with_digest("/v2/team/app/blobs/uploads/", &other.digest);
        let post = server.send(Request::post(target).body(blob.bytes.clone())).await;
        assert_refused(&post, 400, &["DIGEST_INVALID"]);
        for digest in [&blob.digest, &other.digest] {
            assert_status(&server.head(blob_path("team/app", digest)).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_was_refused_for_its_digest_can_be_repeated_rightly() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("repeated", 40_000));
        let session = server.start_upload("team/app").await;
        let wrong = server.close_upload(&session, &Blob::new("wrong").digest, blob.bytes.clone()).await;
        assert_refused(&wrong, 400, &["DIGEST_INVALID"]);
        server.push_blob("team/app", &blob).await;
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn digests_that_cannot_be_checked_are_refused() {
    let hex = "a".repeat(64);
    let cases = [
        ("no digest", String::new()),
        ("unknown algorithm", format!("md5:{}", "a".repeat(32))),
        ("unknown algorithm of the right length", format!("blake3:{hex}")),
        ("too short", "sha256:abc".into()),
        ("too long", format!("sha256:{hex}a")),
        ("upper case", format!("sha256:{}", hex.to_uppercase())),
        ("not hexadecimal", format!("sha256:{}", "g".repeat(64))),
        ("no algorithm", hex.clone()),
        ("the length of sha256 for sha512", format!("sha512:{hex}")),
    ];
    on_every_backend(async |server| {
        for (name, digest) in &cases {
            println!("{name}");
            let session = server.start_upload("team/app").await;
            let put = server.close_upload(&session, digest, "bytes").await;
            assert_refused(&put, 400, &["DIGEST_INVALID"]);
        }
        let session = server.start_upload("team/app").await;
        assert_refused(&server.send(Request::put(session, "bytes")).await, 400, &["DIGEST_INVALID"]);
    })
    .await;
}

#[tokio::test]
async fn pushing_a_blob_again_succeeds_again() {
    on_every_backend(async |server| {
        for size in [100, 100_000] {
            let blob = Blob::new(noise("again", size));
            for _ in 0..3 {
                server.push_blob("team/app", &blob).await;
            }
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn known_content_still_has_to_match_its_digest() {
    on_every_backend(async |server| {
        let blob = Blob::new("known");
        server.push_blob("team/app", &blob).await;
        let session = server.start_upload("team/app").await;
        let lie = server.close_upload(&session, &blob.digest, "not the known bytes").await;
        assert_refused(&lie, 400, &["DIGEST_INVALID"]);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn the_same_content_in_two_repositories_is_two_blobs() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("shared", 50_000));
        for repository in ["team/one", "team/two", "other/three", "four"] {
            server.push_blob(repository, &blob).await;
        }
        assert_status(&server.delete(blob_path("team/one", &blob.digest)).await, 202);
        assert_status(&server.head(blob_path("team/one", &blob.digest)).await, 404);
        for repository in ["team/two", "other/three", "four"] {
            assert_blob_served(&server, repository, &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn simultaneous_pushes_of_one_blob_all_succeed() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("simultaneous", 200_000));
        let pushes = (0..8).map(|_| server.put_blob("team/app", &blob));
        for stored in futures_util::future::join_all(pushes).await {
            assert_status(&stored, 201);
        }
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_body_stores_nothing() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("broken", 400_000));
        let session = server.start_upload("team/app").await;
        let bytes = Request::put(with_digest(&session, &blob.digest), blob.bytes.clone()).bytes();
        let mut connection = Connection::open(server.addr).await.expect("a connection");
        connection.send(&bytes[..bytes.len() / 2]).await.expect("half of it");
        drop(connection);
        assert_status(&server.head(blob_path("team/app", &blob.digest)).await, 404);
        server.push_blob("team/app", &blob).await;
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}
