//! Conditional requests and compression (RFC 9110 sections 12.5.3 and 13).

use std::io::Read;

use flate2::read::GzDecoder;

use super::vary;
use crate::support::app::{TestServer, where_noise_is_taken, where_tags_move};
use crate::support::artifact::image;
use crate::support::http::{Request, Response};
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::Release;

const INDEX: &str = "/team/index.yaml";
const PACKAGE: &str = "/team/charts/app-1.0.0.tgz";
const PROVENANCE: &str = "/team/charts/app-1.0.0.tgz.prov";

/// A namespace whose index is worth compressing.
async fn prepare(server: &TestServer) {
    let release = Release::named("app", "1.0.0").provenance("signed");
    server.push_release("team/app", "1.0.0", &release).await;
    for n in 1..30 {
        server.push_version("team/app", &format!("1.0.{n}")).await;
    }
}

async fn with(server: &TestServer, target: &str, headers: &[(&str, &str)]) -> Response {
    let request =
        headers.iter().fold(Request::get(target), |request, (name, value)| request.header(name, *value));
    server.send(request).await
}

#[track_caller]
fn etag(response: &Response) -> String {
    response.header("etag").unwrap_or_else(|| panic!("no ETag: {response:?}")).to_owned()
}

fn unzipped(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).expect("one whole gzip stream");
    plain
}

#[tokio::test]
async fn who_has_the_current_answer_gets_304() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        for target in [INDEX, PACKAGE, PROVENANCE] {
            let full = server.get(target).await;
            let current = etag(&full);
            let cases = [
                (current.clone(), 304),
                (format!("W/{current}"), 304),
                (format!("\"other\", {current}"), 304),
                (format!("\"other\",{current},\"more\""), 304),
                ("*".into(), 304),
                ("\"other\"".into(), 200),
                ("W/\"other\"".into(), 200),
                ("\"\"".into(), 200),
                (current.trim_matches('"').to_owned(), 200),
                (current.to_uppercase(), if current == current.to_uppercase() { 304 } else { 200 }),
            ];
            for (condition, status) in &cases {
                for method in ["GET", "HEAD"] {
                    let shown = format!("{method} {target} If-None-Match: {condition}");
                    let reply =
                        server.send(Request::new(method, target).header("If-None-Match", condition)).await;
                    assert_eq!(reply.status, *status, "{shown}");
                    assert_eq!(etag(&reply), current, "{shown}");
                    // What a cache needs to renew what it has (RFC 9110 section 15.4.5).
                    for name in ["cache-control", "vary"] {
                        assert_eq!(reply.header(name), full.header(name), "{name}: {shown}");
                    }
                    assert!(reply.body.is_empty() || *status == 200, "{shown}");
                }
            }
            let date = with(&server, target, &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")]).await;
            assert_status(&date, 200);
            let both =
                [("If-None-Match", "\"other\""), ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")];
            assert_status(&with(&server, target, &both).await, 200);
        }
    })
    .await;
}

/// `Accept-Encoding` and whether the answer is compressed; `None` where both would be right.
const ACCEPTED: [(&str, Option<bool>); 31] = [
    ("gzip", Some(true)),
    ("GZIP", Some(true)),
    ("gzip, deflate, br, zstd", Some(true)),
    ("deflate,gzip", Some(true)),
    ("br;q=1.0, gzip;q=0.8", Some(true)),
    ("gzip;q=1", Some(true)),
    ("gzip;q=0.001", Some(true)),
    ("gzip ; q=0.5", Some(true)),
    ("identity;q=0, gzip", Some(true)),
    ("*;q=0, gzip", Some(true)),
    (" gzip , br", Some(true)),
    ("", Some(false)),
    ("identity", Some(false)),
    ("br", Some(false)),
    ("deflate, br, zstd", Some(false)),
    ("gzip;q=0", Some(false)),
    ("gzip;q=0.0", Some(false)),
    ("gzip;q=0.000", Some(false)),
    ("GZip;Q=0", Some(false)),
    ("gzip ; q=0", Some(false)),
    ("gzip;q=0, *", Some(false)),
    ("*, gzip;q=0", Some(false)),
    ("*;q=0", Some(false)),
    ("gzipped", Some(false)),
    ("not-gzip", Some(false)),
    ("x", Some(false)),
    ("*", None),
    ("x-gzip", None),
    ("identity, gzip;q=0.5", None),
    ("gzip;q=2", None),
    ("gzip;q=x", None),
];

#[tokio::test]
async fn an_index_is_compressed_for_who_accepts_it() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        let plain = server.get(INDEX).await;
        for (accepted, expected) in ACCEPTED {
            let shown = format!("Accept-Encoding: {accepted}");
            let reply = with(&server, INDEX, &[("Accept-Encoding", accepted)]).await;
            assert_eq!(reply.status, 200, "{shown}");
            let is_compressed = reply.header("content-encoding") == Some("gzip");
            assert!(is_compressed || reply.header("content-encoding").is_none(), "{shown}");
            assert_eq!(is_compressed, expected.unwrap_or(is_compressed), "{shown}");
            let body = if is_compressed { unzipped(&reply.body) } else { reply.body.clone() };
            assert!(body == plain.body, "{shown} gives another index");
            assert_eq!(
                reply.header("content-length"),
                Some(reply.body.len().to_string().as_str()),
                "{shown}"
            );
            assert_eq!(reply.header("content-type"), Some("application/yaml"), "{shown}");
            assert_eq!(vary(&reply).as_deref(), Some("accept-encoding"), "{shown}");
            let suffix = if is_compressed { "-gz\"" } else { "\"" };
            assert_eq!(etag(&reply), format!("{}{suffix}", etag(&plain).trim_end_matches('"')), "{shown}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_header_that_stands_twice_counts_as_one_list() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        let two = |second| [("Accept-Encoding", "br"), ("Accept-Encoding", second)];
        assert_eq!(with(&server, INDEX, &two("gzip")).await.header("content-encoding"), Some("gzip"));
        assert_eq!(with(&server, INDEX, &two("gzip;q=0")).await.header("content-encoding"), None);
        let current = etag(&server.get(INDEX).await);
        let two = [("If-None-Match", "\"other\""), ("If-None-Match", current.as_str())];
        assert_status(&with(&server, INDEX, &two).await, 304);
    })
    .await;
}

#[tokio::test]
async fn a_compressed_index_is_revalidated_by_a_tag_of_its_own() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        let first = with(&server, INDEX, &[("Accept-Encoding", "gzip")]).await;
        let head = server.send(Request::head(INDEX).header("Accept-Encoding", "gzip")).await;
        assert_eq!(head.header("content-length"), first.header("content-length"));
        assert_eq!((etag(&head), head.header("content-encoding")), (etag(&first), Some("gzip")));
        let again = [("Accept-Encoding", "gzip"), ("If-None-Match", &etag(&first))];
        let reply = with(&server, INDEX, &again).await;
        assert_status(&reply, 304);
        assert_eq!((etag(&reply), vary(&reply)), (etag(&first), Some("accept-encoding".into())));
        // The compressed bytes are not those of who asks for plain ones.
        let plain = with(&server, INDEX, &[("If-None-Match", &etag(&first))]).await;
        assert_status(&plain, 200);
        server.push_version("team/app", "2.0.0").await;
        let changed = with(&server, INDEX, &again).await;
        assert_status(&changed, 200);
        assert_ne!(etag(&changed), etag(&first));
        assert_eq!(unzipped(&changed.body), server.get(INDEX).await.body);
    })
    .await;
}

#[tokio::test]
async fn equal_answers_have_equal_tags_and_others_have_others() {
    where_tags_move(async |server| {
        let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
        for n in 0..6 {
            server.push_version("team/app", &format!("1.0.{n}")).await;
            let (one, two) = (server.get(INDEX).await, server.get(INDEX).await);
            assert!(etag(&one) == etag(&two) && one.body == two.body);
            seen.push((etag(&one), one.body));
        }
        assert_status(&server.delete(manifest_path("team/app", "1.0.5")).await, 202);
        let fewer = server.get(INDEX).await;
        seen.push((etag(&fewer), fewer.body));
        for (at, (tag, body)) in seen.iter().enumerate() {
            for (other, other_body) in &seen[..at] {
                assert!(tag != other || body == other_body, "two indexes with the tag {tag}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_changes_no_entry_changes_neither_bytes_nor_tag() {
    where_noise_is_taken(async |server| {
        let release = server.push_version("team/app", "1.0.0").await;
        let before = server.get(INDEX).await;
        server.push_image("team/image", "1.0.0", &image("beside")).await;
        server.push_release("team/app", "latest", &release).await;
        server.push_release("team/app", "1.0.0", &release).await;
        server.push_release("team/app", "2.0.0", &Release::named("base", "2.0.0")).await;
        assert_status(&server.delete(manifest_path("team/app", "latest")).await, 202);
        server.push_version("other/app", "1.0.0").await;
        server.push_version("team/sub/app", "1.0.0").await;
        let after = server.get(INDEX).await;
        assert_eq!(String::from_utf8_lossy(&after.body), String::from_utf8_lossy(&before.body));
        assert_eq!(etag(&after), etag(&before));
    })
    .await;
}

#[tokio::test]
async fn a_conditional_read_sees_a_push_at_once() {
    where_noise_is_taken(async |server| {
        for n in 0..10 {
            server.push_version("team/app", &format!("1.0.{n}")).await;
            let current = etag(&server.get(INDEX).await);
            assert_status(&with(&server, INDEX, &[("If-None-Match", &current)]).await, 304);
            server.push_version("team/base", &format!("1.0.{n}")).await;
            assert_status(&with(&server, INDEX, &[("If-None-Match", &current)]).await, 200);
        }
    })
    .await;
}
