//! Byte ranges of an index and of files (RFC 9110 section 14), and `If-Range` (section 13.1.5).

use bytes::Bytes;

use super::assert_plain;
use crate::support::app::{TestServer, where_noise_is_taken};
use crate::support::artifact::noise;
use crate::support::http::{Request, Response};
use crate::support::registry::assert_status;
use crate::support::release::Release;

const TARGETS: [&str; 3] =
    ["/team/index.yaml", "/team/charts/app-1.0.0.tgz", "/team/charts/app-1.0.0.tgz.prov"];

async fn prepare(server: &TestServer) {
    let release = Release::named("app", "1.0.0").package(noise("p", 100_000)).provenance(noise("s", 500));
    server.push_release("team/app", "1.0.0", &release).await;
}

async fn ranged(server: &TestServer, target: &str, range: &str, headers: &[(&str, &str)]) -> Response {
    let request = Request::get(target).header("Range", range);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
    server.send(request).await
}

#[track_caller]
fn assert_part(reply: &Response, whole: &Response, first: usize, last: usize) {
    assert_status(reply, 206);
    assert!(reply.body == whole.body[first..=last], "not the bytes {first}-{last}");
    let range = format!("bytes {first}-{last}/{}", whole.body.len());
    assert_eq!(reply.header("content-range"), Some(range.as_str()));
    assert_eq!(reply.header("content-length"), Some((last - first + 1).to_string().as_str()));
    for name in
        ["content-type", "etag", "cache-control", "vary", "content-disposition", "x-content-type-options"]
    {
        assert_eq!(reply.header(name), whole.header(name), "{name} of a part");
    }
}

#[tokio::test]
async fn a_part_is_the_part_that_was_asked_for() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        for target in TARGETS {
            let whole = server.get(target).await;
            let end = whole.body.len() - 1;
            let cases = [
                ("bytes=0-0".to_owned(), 0, 0),
                ("bytes=0-9".into(), 0, 9),
                ("bytes=5-".into(), 5, end),
                (format!("bytes={end}-{end}"), end, end),
                (format!("bytes=10-{}", end + 1), 10, end),
                ("bytes=10-99999999999999999999999999".into(), 10, end),
                ("bytes=-1".into(), end, end),
                ("bytes=-100".into(), end - 99, end),
                ("bytes=-99999999".into(), 0, end),
                ("Bytes=3-4".into(), 3, 4),
            ];
            for (range, first, last) in &cases {
                println!("{target} {range}");
                assert_part(&ranged(&server, target, range, &[]).await, &whole, *first, *last);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_range_behind_the_end_is_416_and_what_is_no_range_is_ignored() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        for target in TARGETS {
            let whole = server.get(target).await;
            let length = whole.body.len();
            for range in [format!("bytes={length}-"), "bytes=99999999-".into(), "bytes=-0".into()] {
                println!("{target} {range}");
                let reply = ranged(&server, target, &range, &[]).await;
                assert_plain(&reply, 416);
                assert_eq!(reply.header("content-range"), Some(format!("bytes */{length}").as_str()));
            }
            for range in
                ["bytes=", "bytes=a-b", "bytes=9-0", "0-9", "lines=0-9", "bytes=0-1,5-6", "bytes=0-0,0-0"]
            {
                println!("{target} {range}");
                let reply = ranged(&server, target, range, &[]).await;
                assert_status(&reply, 200);
                assert!(reply.body == whole.body);
            }
            // HEAD has no body to take a part of (RFC 9110 section 14.2).
            let head = server.send(Request::head(target).header("Range", "bytes=0-3")).await;
            assert_status(&head, 200);
            assert_eq!(head.header("content-length"), Some(length.to_string().as_str()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_part_is_given_only_of_what_the_client_has_the_rest_of() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        for target in TARGETS {
            let whole = server.get(target).await;
            let current = whole.header("etag").expect("an ETag").to_owned();
            for (condition, status) in [
                (current.clone(), 206),
                // If-Range compares strongly: these do not promise the same bytes.
                (format!("W/{current}"), 200),
                ("\"other\"".into(), 200),
                ("*".into(), 200),
                (format!("{current}, \"other\""), 200),
                ("Fri, 01 Jan 2100 00:00:00 GMT".into(), 200),
                ("".into(), 200),
            ] {
                println!("{target} If-Range: {condition}");
                let reply = ranged(&server, target, "bytes=2-5", &[("If-Range", &condition)]).await;
                match status {
                    206 => assert_part(&reply, &whole, 2, 5),
                    _ => assert!(reply.status == 200 && reply.body == whole.body, "{}", reply.status),
                }
            }
            // 304 comes before ranges (RFC 9110 section 13.2.2).
            let reply = ranged(&server, target, "bytes=2-5", &[("If-None-Match", &current)]).await;
            assert_status(&reply, 304);
            let behind = ranged(&server, target, "bytes=99999999-", &[("If-Range", "\"other\"")]).await;
            assert!(behind.status == 200 && behind.body == whole.body);
        }
    })
    .await;
}

#[tokio::test]
async fn an_index_that_changed_is_sent_whole_to_who_goes_on_with_the_old_one() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        let old = server.get(TARGETS[0]).await.header("etag").expect("an ETag").to_owned();
        server.push_version("team/app", "2.0.0").await;
        let reply = ranged(&server, TARGETS[0], "bytes=10-", &[("If-Range", &old)]).await;
        assert_status(&reply, 200);
        assert_eq!(reply.body, server.get(TARGETS[0]).await.body);
    })
    .await;
}

#[tokio::test]
async fn a_part_of_a_compressed_index_is_of_the_compressed_bytes() {
    where_noise_is_taken(async |server| {
        for n in 0..30 {
            server.push_version("team/app", &format!("1.0.{n}")).await;
        }
        let request = Request::get(TARGETS[0]).header("Accept-Encoding", "gzip");
        let whole = server.send(request).await;
        assert_eq!(whole.header("content-encoding"), Some("gzip"));
        let part = ranged(&server, TARGETS[0], "bytes=2-40", &[("Accept-Encoding", "gzip")]).await;
        match part.header("content-encoding") {
            Some(_) => assert_part(&part, &whole, 2, 40),
            None => assert_part(&part, &server.get(TARGETS[0]).await, 2, 40),
        }
    })
    .await;
}

#[tokio::test]
async fn a_large_package_is_served_whole_and_in_parts_across_its_extents() {
    where_noise_is_taken(async |server| {
        const EXTENT: usize = 8 << 20;
        let package: Bytes = noise("large package", EXTENT + EXTENT / 4);
        let release = Release::named("app", "1.0.0").package(package.clone());
        server.push_release("team/app", "1.0.0", &release).await;
        let whole = server.get(TARGETS[1]).await;
        assert!(whole.status == 200 && whole.body == package);
        for (first, last) in
            [(EXTENT - 1, EXTENT), (EXTENT, EXTENT), (5, EXTENT + 5), (EXTENT + 1, package.len() - 1)]
        {
            let part = ranged(&server, TARGETS[1], &format!("bytes={first}-{last}"), &[]).await;
            assert_part(&part, &whole, first, last);
        }
    })
    .await;
}
