//! Where the real server tells about itself, and for how long.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::artifact::Blob;
use crate::support::http::{self, Connection, Request};
use crate::support::registry::{assert_status, location, with_digest};
use crate::support::server::Server;

const ARGUMENTS: [&str; 4] = ["--storage", "memory:", "--metrics-listen", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_until_the_last_request_of_the_registry_has_ended() {
    let mut server = Server::start(&ARGUMENTS);
    let (registry, operations) = (server.address(), server.metrics());
    assert_status(&http::send(operations, &Request::get("/readyz")).await.unwrap(), 200);

    let blob = Blob::new(vec![7; 100_000]);
    let mut connection = Connection::open(registry).await.unwrap();
    let post = Request::post("/v2/team/app/blobs/uploads/");
    let session = location(&connection.exchange(&post.bytes(), "POST").await.unwrap());
    let put = Request::put(with_digest(&session, &blob.digest), blob.bytes.clone()).bytes();
    let (first, rest) = put.split_at(put.len() / 2);
    connection.send(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    server.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ready = http::send(operations, &Request::get("/readyz")).await.unwrap();
    assert_status(&ready, 503);
    assert_eq!(ready.json()["checks"]["accepting"]["reason"], "draining");
    assert_status(&http::send(operations, &Request::get("/livez")).await.unwrap(), 200);

    connection.send(rest).await.unwrap();
    assert_status(&connection.receive("PUT").await.unwrap(), 201);
    let status = server.ended(Duration::from_secs(10)).expect("the server ends when all is answered");
    assert!(status.success(), "{status}");
    assert!(http::send(operations, &Request::get("/livez")).await.is_err());
}

/// What `charthouse serve` says until it listens or ends; then it is killed.
fn starts(arguments: &[&str]) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_charthouse"))
        .args(["serve", "--listen", "127.0.0.1:0", "--storage", "memory:"])
        .args(arguments)
        .env_clear()
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(process.stderr.take().unwrap()).lines() {
        said.extend([&line.unwrap(), "\n"]);
        if said.contains("listening on http://") {
            break;
        }
    }
    let _ = process.kill();
    process.wait().unwrap();
    said
}

#[test]
fn a_server_does_without_the_default_address_when_it_is_taken() {
    // Whoever has it: this test, or a server beside it.
    let _held = TcpListener::bind("127.0.0.1:5001");
    let said = starts(&[]);
    assert!(said.contains("listening on http://"), "{said}");
    assert!(said.contains("WARN") && said.contains("cannot listen on 127.0.0.1:5001: "), "{said}");
    assert!(!said.contains("metrics on"), "{said}");

    let said = starts(&["--metrics-listen", "127.0.0.1:5001"]);
    assert!(!said.contains("listening on http://"), "{said}");
    assert!(said.contains("error: metrics.listen: cannot listen on 127.0.0.1:5001 "), "{said}");
}

#[test]
fn it_can_be_switched_off() {
    for off in ["off", ""] {
        let said = starts(&["--metrics-listen", off]);
        assert!(said.contains("listening on http://"), "{said}");
        assert!(!said.contains("metrics"), "{said}");
    }
}
