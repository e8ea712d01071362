//! With nothing configured, only requests from this machine to a loopback name are answered.

use super::{Form, assert_says, assert_unchanged, changes, configured, prepare, unconfigured};
use crate::support::http::{Connection, Request, exchange};

const SAYS: [&str; 3] = ["nothing configured", "loopback", "auth.anonymous: write"];

const FOREIGN_HOSTS: [&str; 12] = [
    "evil.example",
    "evil.example:5000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example@localhost",
    "localhost@evil.example",
    "10.0.0.1:5000",
    "0.0.0.0:5000",
    "[::2]:5000",
    "charthouse",
    "localhost, evil.example",
    "",
];

const PROXIES: [(&str, &str); 8] = [
    ("Forwarded", "for=127.0.0.1"),
    ("Via", "1.1 proxy"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-Host", "localhost"),
    ("X-Forwarded-Proto", "http"),
    ("x-forwarded-anything", ""),
    ("X-Forwarded-Server", "a"),
    ("X-Real-IP", "127.0.0.1"),
];

/// Reads of every API, with the form of their refusals.
const READS: [(Form, &str); 9] = [
    (Form::Oci, "/v2/"),
    (Form::Oci, "/v2/_catalog"),
    (Form::Oci, "/v2/team/app/manifests/1.0.0"),
    (Form::Oci, "/-/api/v1/namespaces"),
    (Form::Museum, "/api/team/charts"),
    (Form::Text, "/team/index.yaml"),
    (Form::Text, "/team/charts/chart-1.0.0.tgz"),
    (Form::Text, "/"),
    (Form::Text, "/nothing/is/here"),
];

#[tokio::test]
async fn a_host_that_is_not_this_machine_is_refused_on_every_path() {
    let server = unconfigured().await;
    let image = prepare(&server).await;
    for (form, target) in READS {
        for host in FOREIGN_HOSTS {
            println!("{host} {target}");
            let reply = server.send(Request::get(target).header("Host", host)).await;
            assert_says(&reply, 403, form, &SAYS);
            let preflight = Request::new("OPTIONS", target).header("Host", host);
            assert_says(&server.send(preflight).await, 403, form, &SAYS);
        }
    }
    for host in ["evil.example", "10.0.0.1"] {
        for (form, request) in changes(&server, &image).await {
            println!("{host} {} {}", request.method, request.target());
            assert_says(&server.send(request.header("Host", host)).await, 403, form, &SAYS);
        }
    }
    assert_unchanged(&server, &image).await;
}

#[tokio::test]
async fn a_request_that_a_proxy_has_forwarded_is_refused_on_every_path() {
    let server = unconfigured().await;
    let image = prepare(&server).await;
    for (form, target) in READS {
        for (name, value) in PROXIES {
            println!("{name} {target}");
            assert_says(&server.send(Request::get(target).header(name, value)).await, 403, form, &SAYS);
        }
    }
    for (form, request) in changes(&server, &image).await {
        let reply = server.send(request.header("X-Forwarded-For", "127.0.0.1")).await;
        assert_says(&reply, 403, form, &SAYS);
    }
    assert_unchanged(&server, &image).await;
}

#[tokio::test]
async fn every_loopback_name_is_this_machine() {
    let server = unconfigured().await;
    prepare(&server).await;
    for host in [
        "localhost",
        "LOCALHOST:5000",
        "localhost.:5000",
        "charts.localhost",
        "127.0.0.1:5000",
        "127.8.9.10",
        "[::1]:5000",
        "[::1]",
    ] {
        for (_, target) in &READS[..7] {
            let reply = server.send(Request::get(*target).header("Host", host)).await;
            assert_eq!(reply.status, 200, "{host} {target}");
        }
        let pushed = server.send(Request::post("/v2/team/app/blobs/uploads/").header("Host", host)).await;
        assert_eq!(pushed.status, 202, "{host}");
    }
}

#[tokio::test]
async fn the_target_counts_as_well_as_the_host() {
    let server = unconfigured().await;
    let cases = [
        ("GET http://localhost/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET http://LOCALHOST:5000/v2/ HTTP/1.1\r\nHost: localhost:5000\r\n\r\n", 200),
        ("GET http://evil.example/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        ("GET http://localhost/v2/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        ("GET http://evil.example@localhost/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        ("GET http://localhost/v2/ HTTP/1.0\r\n\r\n", 200),
        ("GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        ("GET /v2/ HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403),
        ("GET /v2/ HTTP/1.0\r\n\r\n", 403),
        ("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        ("GET /v2/ HTTP/1.1\r\n\r\n", 400),
    ];
    for (wire, status) in cases {
        let reply = exchange(server.addr, wire.as_bytes(), "GET").await.expect(wire);
        assert_eq!(reply.status, status, "{wire:?}: {}", reply.text());
    }
}

#[tokio::test]
async fn the_health_is_told_to_everybody() {
    let server = unconfigured().await;
    for method in ["GET", "HEAD"] {
        let request = Request::new(method, "/health").header("Host", "10.1.2.3:5000");
        assert_eq!(server.send(request.header("Via", "1.1 proxy")).await.status, 200);
    }
    let reply = server.send(Request::post("/health").header("Host", "10.1.2.3:5000")).await;
    assert_says(&reply, 403, Form::Text, &SAYS);
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_open() {
    let server = unconfigured().await;
    let mut connection = Connection::open(server.addr).await.unwrap();
    for (host, status) in [("evil.example", 403), ("localhost", 200), ("evil.example", 403)] {
        connection.send(&Request::get("/v2/").header("Host", host).bytes()).await.unwrap();
        assert_eq!(connection.receive("GET").await.unwrap().status, status, "{host}");
    }
}

#[tokio::test]
async fn a_server_that_says_what_everybody_may_do_answers_under_every_name() {
    let server = configured(|_| {}).await;
    prepare(&server).await;
    for (_, target) in &READS[..7] {
        for host in FOREIGN_HOSTS {
            assert_eq!(server.send(Request::get(*target).header("Host", host)).await.status, 200, "{host}");
        }
        for (name, value) in PROXIES {
            assert_eq!(server.send(Request::get(*target).header(name, value)).await.status, 200, "{name}");
        }
    }
}
