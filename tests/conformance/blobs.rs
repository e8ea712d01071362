//! `GET` and `HEAD` of blobs, and their ranges (distribution-spec "Pulling blobs", RFC 9110 section 14).

use crate::support::app::on_every_backend;
use crate::support::artifact::{Blob, image, noise};
use crate::support::http::Request;
use crate::support::registry::{
    assert_blob_served, assert_refused, assert_status, blob_path, error_code, manifest_path,
};

#[tokio::test]
async fn a_blob_is_served_with_exact_length_and_digest() {
    on_every_backend(async |server| {
        let sizes = [0, 1, 2, 16 * 1024, 16 * 1024 + 1, 256 * 1024, 256 * 1024 + 1];
        for size in sizes {
            println!("{size} bytes");
            let blob = Blob::new(noise("sizes", size));
            server.push_blob("team/app", &blob).await;
            assert_blob_served(&server, "team/app", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_blob_of_several_extents_is_served_whole_and_in_ranges_across_them() {
    on_every_backend(async |server| {
        const EXTENT: usize = 8 << 20;
        let blob = Blob::new(noise("large", EXTENT + EXTENT / 2));
        server.push_blob("team/app", &blob).await;
        assert_blob_served(&server, "team/app", &blob).await;
        for (first, last) in
            [(EXTENT - 1, EXTENT), (EXTENT - 1, EXTENT - 1), (EXTENT, EXTENT), (5, EXTENT + 5)]
        {
            let part = Request::get(blob_path("team/app", &blob.digest))
                .header("Range", format!("bytes={first}-{last}"));
            let part = server.send(part).await;
            assert_status(&part, 206);
            assert!(part.body == blob.bytes[first..=last], "bytes={first}-{last}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_blob_is_known_only_in_the_repository_that_holds_it() {
    on_every_backend(async |server| {
        let blob = Blob::new("of team/app only");
        server.push_blob("team/app", &blob).await;
        server.push_blob("team/other", &Blob::new("something else")).await;
        for elsewhere in ["team/other", "team/app/sub", "app", "other/app"] {
            let target = blob_path(elsewhere, &blob.digest);
            assert_refused(&server.get(&target).await, 404, &["BLOB_UNKNOWN", "NAME_UNKNOWN"]);
            assert_status(&server.head(&target).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_manifest_is_not_a_blob_and_a_blob_is_not_a_manifest() {
    on_every_backend(async |server| {
        let image = image("kinds");
        server.push_image("team/app", "1.0.0", &image).await;
        let as_manifest = server.get(manifest_path("team/app", &image.blobs[0].digest)).await;
        assert_refused(&as_manifest, 404, &["MANIFEST_UNKNOWN"]);
    })
    .await;
}

/// A range header over a blob of 100 bytes, and what comes back: the bounds of a 206, or the status.
enum Ranged {
    Part(usize, usize),
    Whole,
    Unsatisfiable,
}

use Ranged::{Part, Unsatisfiable, Whole};

const RANGES: [(&str, Ranged); 31] = [
    ("bytes=0-0", Part(0, 0)),
    ("bytes=0-9", Part(0, 9)),
    ("bytes=10-19", Part(10, 19)),
    ("bytes=99-99", Part(99, 99)),
    ("bytes=0-99", Part(0, 99)),
    ("bytes=90-", Part(90, 99)),
    ("bytes=0-", Part(0, 99)),
    // A last byte past the end is cut at the end.
    ("bytes=90-100", Part(90, 99)),
    ("bytes=0-18446744073709551615", Part(0, 99)),
    ("bytes=0-99999999999999999999999999", Part(0, 99)),
    // The last bytes; more than there are is all of them.
    ("bytes=-1", Part(99, 99)),
    ("bytes=-100", Part(0, 99)),
    ("bytes=-101", Part(0, 99)),
    ("bytes=-99999999999999999999999999", Part(0, 99)),
    // The unit's name is not case-sensitive (RFC 9110 section 14.1).
    ("Bytes=0-4", Part(0, 4)),
    ("bytes=100-", Unsatisfiable),
    ("bytes=100-200", Unsatisfiable),
    ("bytes=18446744073709551615-", Unsatisfiable),
    ("bytes=99999999999999999999999999-", Unsatisfiable),
    ("bytes=-0", Unsatisfiable),
    // What cannot be read as a range is ignored (RFC 9110 section 14.2).
    ("bytes", Whole),
    ("bytes=", Whole),
    ("bytes=-", Whole),
    ("bytes=a-b", Whole),
    ("bytes=9-0", Whole),
    ("bytes=--1", Whole),
    ("bytes=0x0-0x9", Whole),
    ("bytes 0-9", Whole),
    ("0-9", Whole),
    ("items=0-9", Whole),
    ("bytes=+1-2", Whole),
];

#[tokio::test]
async fn ranges_give_the_part_the_whole_or_416() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("ranges", 100));
        server.push_blob("team/app", &blob).await;
        let target = blob_path("team/app", &blob.digest);
        for (range, expected) in &RANGES {
            println!("Range: {range}");
            let reply = server.send(Request::get(&target).header("Range", *range)).await;
            match *expected {
                Part(first, last) => {
                    assert_status(&reply, 206);
                    assert_eq!(reply.body, blob.bytes[first..=last]);
                    let length = (last - first + 1).to_string();
                    assert_eq!(reply.header("content-length"), Some(length.as_str()));
                    let content_range = format!("bytes {first}-{last}/100");
                    assert_eq!(reply.header("content-range"), Some(content_range.as_str()));
                    assert_eq!(reply.header("docker-content-digest"), Some(blob.digest.as_str()));
                }
                Whole => {
                    assert_status(&reply, 200);
                    assert_eq!(reply.body, blob.bytes);
                }
                Unsatisfiable => {
                    assert_status(&reply, 416);
                    assert_eq!(reply.header("content-range"), Some("bytes */100"));
                    error_code(&reply);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_says_that_it_takes_ranges() {
    on_every_backend(async |server| {
        let blob = Blob::new("ranges are welcome");
        server.push_blob("team/app", &blob).await;
        let head = server.head(blob_path("team/app", &blob.digest)).await;
        assert_eq!(head.header("accept-ranges"), Some("bytes"));
    })
    .await;
}

#[tokio::test]
async fn no_range_of_an_empty_blob_can_be_satisfied() {
    on_every_backend(async |server| {
        let empty = Blob::new("");
        server.push_blob("team/app", &empty).await;
        let target = blob_path("team/app", &empty.digest);
        for range in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
            let reply = server.send(Request::get(&target).header("Range", range)).await;
            assert!(matches!(reply.status, 200 | 416), "{range}: {}", reply.status);
        }
    })
    .await;
}

#[tokio::test]
async fn several_ranges_at_once_are_answered_whole_or_in_parts_but_never_wrong() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("several", 100));
        server.push_blob("team/app", &blob).await;
        let request = Request::get(blob_path("team/app", &blob.digest)).header("Range", "bytes=0-1,5-6");
        let reply = server.send(request).await;
        // A server may ignore a Range it does not want to serve; multipart replies are not offered.
        assert_status(&reply, 200);
        assert_eq!(reply.body, blob.bytes);
    })
    .await;
}

#[tokio::test]
async fn a_blob_is_tagged_by_its_digest_and_not_sent_again_to_who_has_it() {
    on_every_backend(async |server| {
        let blob = Blob::new("cached");
        server.push_blob("team/app", &blob).await;
        let target = blob_path("team/app", &blob.digest);
        let etag = format!("\"{}\"", blob.digest);
        assert_eq!(server.get(&target).await.header("etag"), Some(etag.as_str()));
        let again = server.send(Request::get(&target).header("If-None-Match", &etag)).await;
        assert_status(&again, 304);
    })
    .await;
}
