//! Requests that two servers in a row could read in two ways: refused, and nothing behind them is answered.

use std::io::ErrorKind;
use std::time::Duration;

use charthouse::config::{Network, Value};

use super::{Form, assert_says, configured};
use crate::support::app::TestServer;
use crate::support::artifact::{Blob, image};
use crate::support::http::{Connection, Request};
use crate::support::registry::blob_path;

const SMUGGLED: &str = "GET /v2/_catalog HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Servers that trust this machine as a proxy, and that trust nobody: heads are read alike by both.
async fn servers() -> [TestServer; 2] {
    let trusting = configured(|settings| {
        settings.server.trusted_proxies = vec![Network::read("127.0.0.1").expect("an address")];
    });
    [trusting.await, configured(|_| {}).await]
}

/// Sends `wire` in pieces of `size` bytes and returns the statuses of the answers until the server closes.
async fn statuses(server: &TestServer, wire: &[u8], size: usize) -> Vec<u16> {
    let mut connection = Connection::open(server.addr).await.expect("a connection");
    for piece in wire.chunks(size) {
        // The server may have closed already.
        if connection.send(piece).await.is_err() {
            break;
        }
        if size < wire.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let mut statuses = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(10), connection.receive("GET")).await {
            Err(_) => panic!("neither an answer nor a close after {statuses:?}"),
            Ok(Ok(reply)) => statuses.push(reply.status),
            Ok(Err(error)) => {
                let is_close = matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
                assert!(is_close, "{error}");
                return statuses;
            }
        }
    }
}

fn ambiguous_heads() -> Vec<(&'static str, String)> {
    let get = |headers: &str| format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let post = |headers: &str, body: &str| {
        format!("POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}")
    };
    vec![
        ("a bare LF after the request line", "GET /v2/ HTTP/1.1\nHost: localhost\r\n\r\n".into()),
        ("a bare LF after a header", get("X: a\nY: b\r\n")),
        ("a bare LF that hides a length", get("X: a\nContent-Length: 5\r\n")),
        ("a bare LF at the end", "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\n".into()),
        ("bare LFs alone", "GET /v2/ HTTP/1.1\nHost: localhost\n\n".into()),
        ("a bare LF before the request", format!("\n{}", get(""))),
        ("a bare LF after an empty line", format!("\r\n\n{}", get(""))),
        ("a bare LF in the target", "GET /v2/\n HTTP/1.1\r\nHost: localhost\r\n\r\n".into()),
        ("a bare CR after the request line", "GET /v2/ HTTP/1.1\rHost: localhost\r\n\r\n".into()),
        ("a bare CR in a header", get("X: a\rb\r\n")),
        ("a bare CR before a line end", get("X: a\r\r\n")),
        ("a bare CR in a name", get("X\rY: a\r\n")),
        ("a bare CR before the request", format!("\r{}", get(""))),
        ("a bare CR in the target", "GET /v2/\r HTTP/1.1\r\nHost: localhost\r\n\r\n".into()),
        ("two equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "12345")),
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 5\r\n", "12345")),
        ("a coding and a length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
        (
            "a coding in HTTP/1.0",
            "POST /v2/team/app/blobs/uploads/ HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .into(),
        ),
        (
            "a coding and a length in HTTP/1.0",
            "POST /v2/ HTTP/1.0\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .into(),
        ),
        ("two Authorizations", get("Authorization: Basic YTpi\r\nAuthorization: Basic YTpi\r\n")),
        ("two Authorizations of different kinds", get("authorization: Basic YTpi\r\nAUTHORIZATION: Bearer x\r\n")),
    ]
}

#[tokio::test]
async fn an_ambiguous_head_is_400_and_closes_the_connection() {
    for server in servers().await {
        for (why, head) in ambiguous_heads() {
            let wire = format!("{head}{SMUGGLED}");
            for size in [wire.len(), 7] {
                assert_eq!(statuses(&server, wire.as_bytes(), size).await, [400], "{why}, pieces of {size}");
            }
        }
    }
}

/// Requests with bodies full of line ends and of what would be a broken head, and the statuses of their answers.
fn good_requests() -> (String, [u16; 6]) {
    let get = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n";
    let post = |blob: &'static str, framing: &str, body: &str| {
        let target = format!("/v2/team/app/blobs/uploads/?digest={}", Blob::new(blob).digest);
        format!("POST {target} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{body}")
    };
    let sized = "\n\r\nGET / HTTP/1.1\nX: a\n\r\n\r\n\n\n\n\n";
    let requests = [
        format!("{get}\r\n"),
        post(sized, &format!("Content-Length: {}", sized.len()), sized),
        format!("\r\n{get}\r\n"),
        post(
            "\n\n\n\n\r\n\r\n\r\n",
            "Transfer-Encoding: chunked",
            "4;a=b\r\n\n\n\n\n\r\n6 \r\n\r\n\r\n\r\n\r\n0\r\nX: y\r\n\r\n",
        ),
        post("", "Transfer-Encoding: chunked", "0\r\n\r\n"),
        format!("{get}Content-Length: 0\r\n\r\n"),
    ];
    (requests.concat(), [200, 201, 200, 201, 201, 200])
}

#[tokio::test]
async fn an_ambiguous_head_is_found_behind_requests_with_any_body() {
    let (requests, good) = good_requests();
    for server in servers().await {
        let last = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let wire = format!("{requests}{last}");
        for size in [wire.len(), 11, 1] {
            assert_eq!(
                statuses(&server, wire.as_bytes(), size).await,
                [&good[..], &[200]].concat(),
                "{size}"
            );
        }
        for (why, head) in ambiguous_heads() {
            let wire = format!("{requests}{head}{SMUGGLED}");
            for size in [wire.len(), 11] {
                let seen = statuses(&server, wire.as_bytes(), size).await;
                assert_eq!(seen, [&good[..], &[400]].concat(), "{why}, pieces of {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_bare_lf_in_trailers_ends_the_connection() {
    for server in servers().await {
        for trailers in ["\n", "X: a\n\r\n", "X: a\r\n\n"] {
            let wire = format!(
                "POST /v2/team/app/blobs/uploads/?digest={} HTTP/1.1\r\nHost: localhost\r\n\
                 Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{trailers}{SMUGGLED}",
                Blob::new("a").digest
            );
            for size in [wire.len(), 7] {
                assert_eq!(statuses(&server, wire.as_bytes(), size).await, [400], "{trailers:?}");
            }
            assert_eq!(server.get(blob_path("team/app", &Blob::new("a").digest)).await.status, 404);
        }
    }
}

/// The uploads of clients arrive whole when everything is sent at once.
#[tokio::test]
async fn pipelined_uploads_arrive_whole() {
    let server = configured(|_| {}).await;
    let image = image("pipelined");
    let blobs: Vec<Blob> = (0..20)
        .map(|n| {
            Blob::new(
                [&b"\n\r\n\0"[..], &crate::support::artifact::noise(&n.to_string(), n * 5_000)].concat(),
            )
        })
        .chain(image.blobs.clone())
        .collect();
    let upload = |blob: &Blob| {
        let target = format!("/v2/team/app/blobs/uploads/?digest={}", blob.digest);
        match blob.bytes.len() % 2 {
            0 => Request::post(target).body(blob.bytes.clone()),
            _ => Request::new("POST", target).chunks([blob.bytes.slice(..2), blob.bytes.slice(2..)]),
        }
    };
    let wire: Vec<u8> = blobs.iter().flat_map(|blob| upload(blob).bytes()).collect();
    let mut connection = Connection::open(server.addr).await.unwrap();
    connection.send(&wire).await.unwrap();
    for blob in &blobs {
        assert_eq!(connection.receive("POST").await.unwrap().status, 201, "{}", blob.bytes.len());
    }
    for blob in &blobs {
        assert_eq!(server.get(blob_path("team/app", &blob.digest)).await.body, blob.bytes);
    }
}

#[tokio::test]
async fn two_authorizations_are_named_in_the_refusal() {
    let server = configured(|_| {}).await;
    for (form, target) in [(Form::Oci, "/v2/"), (Form::Museum, "/api/team/charts"), (Form::Text, "/health")] {
        let request =
            Request::get(target).header("Authorization", "Basic YTpi").header("authorization", "Bearer x");
        let reply = server.send(request).await;
        assert_says(&reply, 400, form, &["Authorization", "send one"]);
        assert_eq!(reply.header("connection"), Some("close"), "{target}");
    }
}
