//! Upload sessions: chunks, streams, resuming, closing and cancelling (distribution-spec "Pushing a blob in
//! chunks", end-5, end-6, end-13, end-14).

use bytes::Bytes;

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{Blob, noise};
use crate::support::http::{Connection, Request, Response};
use crate::support::registry::{
    assert_blob_served, assert_refused, assert_status, blob_path, location, with_digest,
};

/// A chunk that says where it belongs: `Content-Range: first-last`, without a unit.
fn chunk(session: &str, blob: &Blob, first: usize, end: usize) -> Request {
    Request::patch(session, blob.bytes.slice(first..end))
        .header("Content-Range", format!("{first}-{}", end - 1))
        .header("Content-Type", "application/octet-stream")
}

#[track_caller]
fn assert_received(reply: &Response, status: u16, last: usize) {
    assert_status(reply, status);
    assert_eq!(reply.header("range"), Some(format!("0-{last}").as_str()));
}

async fn progress(server: &TestServer, session: &str) -> Response {
    server.get(session).await
}

#[tokio::test]
async fn chunks_in_order_make_a_blob() {
    // Small chunks are kept in the session's state, larger ones as data: both, and their mixture.
    let cases: [(&str, &[usize]); 5] = [
        ("small chunks", &[10, 20, 30]),
        ("one chunk", &[50_000]),
        ("large chunks", &[20_000, 30_000, 20_000]),
        ("small, large, small", &[5, 40_000, 7, 16 * 1024, 16 * 1024 + 1]),
        ("chunks of one byte", &[1, 1, 1]),
    ];
    on_every_backend(async |server| {
        for (name, lengths) in cases {
            println!("{name}");
            let blob = Blob::new(noise(name, lengths.iter().sum()));
            let (mut session, mut first) = (server.start_upload("team/app").await, 0);
            for length in lengths {
                let end = first + length;
                let accepted = server.send(chunk(&session, &blob, first, end)).await;
                assert_received(&accepted, 202, end - 1);
                session = location(&accepted);
                first = end;
            }
            let stored = server.close_upload(&session, &blob.digest, "").await;
            assert_status(&stored, 201);
            assert_eq!(location(&stored), blob_path("team/app", &blob.digest));
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_closing_put_may_carry_the_last_chunk() {
    on_every_backend(async |server| {
        for with_range in [true, false] {
            let blob = Blob::new(noise("last chunk", 50_000 + usize::from(with_range)));
            let session = server.start_upload("team/app").await;
            let session = location(&server.send(chunk(&session, &blob, 0, 30_000)).await);
            let mut put = Request::put(with_digest(&session, &blob.digest), blob.bytes.slice(30_000..));
            if with_range {
                put = put.header("Content-Range", format!("30000-{}", blob.bytes.len() - 1));
            }
            assert_status(&server.send(put).await, 201);
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_without_content_range_is_taken_to_its_end() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("streamed", (9 << 20) + 5));
        let session = server.start_upload("team/app").await;
        let pieces = blob.bytes.chunks(100_000).map(Bytes::copy_from_slice);
        let streamed = server.send(Request::new("PATCH", session).chunks(pieces)).await;
        assert_received(&streamed, 202, blob.bytes.len() - 1);
        let stored = server.close_upload(&location(&streamed), &blob.digest, "").await;
        assert_status(&stored, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn a_stream_may_follow_a_chunk_and_a_chunk_a_stream() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("mixed", 60_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &blob, 0, 20_000)).await);
        let streamed = server.send(Request::patch(session, blob.bytes.slice(20_000..40_000))).await;
        assert_received(&streamed, 202, 39_999);
        let last = server.send(chunk(&location(&streamed), &blob, 40_000, 60_000)).await;
        assert_received(&last, 202, 59_999);
        assert_status(&server.close_upload(&location(&last), &blob.digest, "").await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn progress_of_a_session_before_any_byte_is_0_0() {
    on_every_backend(async |server| {
        let session = server.start_upload("team/app").await;
        let none = progress(&server, &session).await;
        assert_received(&none, 204, 0);
        assert_status(&server.close_upload(&location(&none), &Blob::new("x").digest, "x").await, 201);
    })
    .await;
}

#[tokio::test]
async fn progress_says_how_much_arrived_and_where_to_go_on() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("progress", 50_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &blob, 0, 100)).await);
        let so_far = progress(&server, &session).await;
        assert_received(&so_far, 204, 99);
        let rest = server.send(chunk(&location(&so_far), &blob, 100, 50_000)).await;
        assert_received(&rest, 202, 49_999);
        assert_status(&server.close_upload(&location(&rest), &blob.digest, "").await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn a_chunk_out_of_order_is_416_and_the_session_survives() {
    let cases = [
        ("a gap", 200, 300),
        ("a gap of one byte", 101, 200),
        ("repeated", 0, 100),
        ("an overlap", 50, 150),
        ("an overlap of one byte", 99, 200),
    ];
    on_every_backend(async |server| {
        for (name, first, end) in cases {
            println!("{name}");
            let blob = Blob::new(noise(name, 1_000));
            let session = server.start_upload("team/app").await;
            let session = location(&server.send(chunk(&session, &blob, 0, 100)).await);
            let refused = server.send(chunk(&session, &blob, first, end)).await;
            assert_refused(&refused, 416, &["BLOB_UPLOAD_INVALID"]);
            let so_far = progress(&server, &session).await;
            assert_received(&so_far, 204, 99);
            let rest = server.send(chunk(&location(&so_far), &blob, 100, 1_000)).await;
            assert_status(&server.close_upload(&location(&rest), &blob.digest, "").await, 201);
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_first_chunk_that_does_not_start_at_0_is_416() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("first", 1_000));
        let session = server.start_upload("team/app").await;
        let refused = server.send(chunk(&session, &blob, 500, 1_000)).await;
        assert_refused(&refused, 416, &["BLOB_UPLOAD_INVALID"]);
        assert_received(&progress(&server, &session).await, 204, 0);
        let whole = server.send(chunk(&session, &blob, 0, 1_000)).await;
        assert_status(&server.close_upload(&location(&whole), &blob.digest, "").await, 201);
    })
    .await;
}

#[tokio::test]
async fn a_closing_put_out_of_order_is_416_and_the_session_survives() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("closing", 1_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &blob, 0, 400)).await);
        for (first, end) in [(600, 1_000), (0, 1_000), (399, 1_000)] {
            let put = Request::put(with_digest(&session, &blob.digest), blob.bytes.slice(first..end))
                .header("Content-Range", format!("{first}-{}", end - 1));
            assert_refused(&server.send(put).await, 416, &["BLOB_UPLOAD_INVALID"]);
        }
        let put = Request::put(with_digest(&session, &blob.digest), blob.bytes.slice(400..))
            .header("Content-Range", "400-999");
        assert_status(&server.send(put).await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn content_ranges_that_contradict_the_body_are_refused() {
    let cases = [
        ("shorter than the body", "0-8"),
        ("longer than the body", "0-10"),
        ("backwards", "9-0"),
        ("not numbers", "a-b"),
        ("half", "0-"),
        ("one number", "0"),
        ("negative", "-10"),
        ("empty", ""),
        ("past every number", "0-99999999999999999999999999"),
    ];
    on_every_backend(async |server| {
        for (name, range) in cases {
            println!("{name}");
            let session = server.start_upload("team/app").await;
            let refused =
                server.send(Request::patch(&session, "ten bytes.").header("Content-Range", range)).await;
            assert!(matches!(refused.status, 400 | 416), "{name}: {}", refused.status);
            crate::support::registry::error_code(&refused);
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_simultaneous_chunks_one_wins() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("race", 40_000));
        let session = server.start_upload("team/app").await;
        let race = || server.send(chunk(&session, &blob, 0, 20_000));
        let (one, other) = tokio::join!(race(), race());
        let mut statuses = [one.status, other.status];
        statuses.sort();
        assert_eq!(statuses, [202, 416]);
        let winner = if one.status == 202 { one } else { other };
        let rest = server.send(chunk(&location(&winner), &blob, 20_000, 40_000)).await;
        assert_status(&server.close_upload(&location(&rest), &blob.digest, "").await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

#[tokio::test]
async fn a_broken_chunk_can_be_resumed_from_where_it_broke() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("resumed", 2_000_000));
        let session = server.start_upload("team/app").await;
        let bytes = Request::patch(&session, blob.bytes.clone()).bytes();
        let mut connection = Connection::open(server.addr).await.expect("a connection");
        connection.send(&bytes[..bytes.len() - 700_000]).await.expect("a part");
        drop(connection);

        let so_far = settled_progress(&server, &session).await;
        assert_status(&so_far, 204);
        let last: usize =
            so_far.header("range").unwrap_or_default().trim_start_matches("0-").parse().expect("0-N");
        let next = if last == 0 { 0 } else { last + 1 };
        assert!(next <= 1_300_000, "more than was sent: {next}");
        let rest = server.send(chunk(&location(&so_far), &blob, next, blob.bytes.len())).await;
        assert_received(&rest, 202, blob.bytes.len() - 1);
        assert_status(&server.close_upload(&location(&rest), &blob.digest, "").await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}

/// The progress once the server has noticed that the connection is gone: two equal answers in a row.
async fn settled_progress(server: &TestServer, session: &str) -> Response {
    let mut before = progress(server, session).await;
    for _ in 0..50 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = progress(server, session).await;
        if now.header("range") == before.header("range") && now.header("range") != Some("0-0") {
            return now;
        }
        before = now;
    }
    before
}

#[tokio::test]
async fn a_client_may_keep_the_first_location() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("kept", 30_000));
        let session = server.start_upload("team/app").await;
        assert_status(&server.send(chunk(&session, &blob, 0, 10_000)).await, 202);
        assert_status(&server.send(chunk(&session, &blob, 10_000, 20_000)).await, 202);
        let put = Request::put(with_digest(&session, &blob.digest), blob.bytes.slice(20_000..))
            .header("Content-Range", "20000-29999");
        assert_status(&server.send(put).await, 201);
        assert_blob_served(&server, "team/app", &blob).await;

        let other = Blob::new(noise("kept too", 20_000));
        let session = server.start_upload("team/app").await;
        assert_status(&server.send(chunk(&session, &other, 0, 20_000)).await, 202);
        assert_status(&server.close_upload(&session, &other.digest, "").await, 201);
        assert_blob_served(&server, "team/app", &other).await;
    })
    .await;
}

#[tokio::test]
async fn a_repeated_closing_put_answers_201_again() {
    on_every_backend(async |server| {
        let whole = Blob::new("closed twice");
        let session = server.start_upload("team/app").await;
        for _ in 0..2 {
            assert_status(&server.close_upload(&session, &whole.digest, whole.bytes.clone()).await, 201);
        }
        let chunked = Blob::new(noise("closed twice", 30_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &chunked, 0, 30_000)).await);
        for _ in 0..2 {
            assert_status(&server.close_upload(&session, &chunked.digest, "").await, 201);
        }
        assert_blob_served(&server, "team/app", &chunked).await;
    })
    .await;
}

#[tokio::test]
async fn chunks_that_do_not_match_the_digest_are_refused_at_the_close() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("mismatch", 30_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &blob, 0, 30_000)).await);
        let wrong = Blob::new("another blob");
        assert_refused(&server.close_upload(&session, &wrong.digest, "").await, 400, &["DIGEST_INVALID"]);
        for digest in [&wrong.digest, &blob.digest] {
            assert_status(&server.head(blob_path("team/app", digest)).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_session_is_unknown_from_then_on() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("cancelled", 30_000));
        for bytes_sent in [0, 20_000] {
            let first = server.start_upload("team/app").await;
            let mut session = first.clone();
            if bytes_sent > 0 {
                session = location(&server.send(chunk(&session, &blob, 0, bytes_sent)).await);
            }
            assert_status(&server.delete(&session).await, 204);
            for location in [&session, &first] {
                let later = [
                    Request::get(location),
                    chunk(location, &blob, bytes_sent, 30_000),
                    Request::patch(location, "streamed"),
                    Request::delete(location),
                ];
                for request in later {
                    let method = request.method.clone();
                    println!("{method} after {bytes_sent} bytes");
                    assert_refused(&server.send(request).await, 404, &["BLOB_UPLOAD_UNKNOWN"]);
                }
            }
            assert_refused(
                &server.close_upload(&session, &blob.digest, blob.bytes.slice(bytes_sent..)).await,
                404,
                &["BLOB_UPLOAD_UNKNOWN"],
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_belongs_to_its_repository() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("foreign", 30_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &blob, 0, 10_000)).await);
        for foreign in ["team/other", "other/app", "app", "team/app/sub"] {
            let stolen = session.replacen("/v2/team/app/", &format!("/v2/{foreign}/"), 1);
            let requests = [
                Request::get(&stolen),
                chunk(&stolen, &blob, 10_000, 30_000),
                Request::put(with_digest(&stolen, &blob.digest), blob.bytes.slice(10_000..)),
                Request::delete(&stolen),
            ];
            for request in requests {
                println!("{} under {foreign}", request.method);
                assert_refused(&server.send(request).await, 404, &["BLOB_UPLOAD_UNKNOWN"]);
            }
        }
        // It was not harmed by any of this.
        let rest = server.send(chunk(&session, &blob, 10_000, 30_000)).await;
        assert_status(&server.close_upload(&location(&rest), &blob.digest, "").await, 201);
    })
    .await;
}

#[tokio::test]
async fn a_location_that_was_tampered_with_is_unknown() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("tampered", 20_000));
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(chunk(&session, &blob, 0, 10_000)).await);
        let name_ends = "/v2/team/app/blobs/uploads/".len();
        for at in name_ends..session.len() {
            let mut tampered = session.clone().into_bytes();
            if !tampered[at].is_ascii_alphanumeric() {
                continue;
            }
            tampered[at] = if tampered[at] == b'1' { b'2' } else { b'1' };
            let tampered = String::from_utf8(tampered).expect("ASCII");
            // In base64 the spare bits of a last character carry nothing: the same token may be spelt twice.
            let reply = server.get(&tampered).await;
            assert!(matches!(reply.status, 400 | 404), "{session} changed to {tampered}: {}", reply.status);
        }
        for cut in [1, 5, 20] {
            let shorter = &session[..session.len() - cut];
            assert_status(&server.get(shorter).await, 404);
        }
        assert_received(&progress(&server, &session).await, 204, 9_999);
    })
    .await;
}

#[tokio::test]
async fn many_chunks_make_a_blob() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("many", 150 * 64));
        let mut session = server.start_upload("team/app").await;
        for first in (0..blob.bytes.len()).step_by(64) {
            let accepted = server.send(chunk(&session, &blob, first, first + 64)).await;
            assert_received(&accepted, 202, first + 63);
            session = location(&accepted);
        }
        assert_status(&server.close_upload(&session, &blob.digest, "").await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}
