//! One server on a bucket: nothing but a promise keeps others out, so a server that meets another one's commit stops.

use std::process::ExitStatus;
use std::time::Duration;

use crate::support::artifact::sha256;
use crate::support::http::{self, Request};
use crate::support::release::{Pusher, Release};
use crate::support::s3::{S3Kind, S3Server, double, storage_of};
use crate::support::server::Server;

const SINGLE: (&str, &str) = ("CHARTHOUSE_STORAGE_MODE", "single");
/// The journal is looked at every 5 s.
const NOTICED: Duration = Duration::from_secs(12);

fn start(url: &str, credentials: &[(&str, &str)]) -> Server {
    Server::start_with(&["--storage", url], &[credentials, &[SINGLE]].concat())
}

async fn push(server: &Server, version: &str) -> u16 {
    Pusher::open(server.address()).await.try_push("team/app", version, &Release::named("app", version)).await
}

fn assert_stopped(ended: Option<ExitStatus>, server: &Server) {
    let log = server.log();
    assert_eq!(ended.expect("it ends").code(), Some(1), "{log}");
    assert!(log.contains("another server (") && log.contains("`storage.mode: shared` for both"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_meets_another_ones_commit_stops_with_the_reason() {
    let double = tokio::task::spawn_blocking(double).await.expect("a double");
    let (url, credentials) = storage_of(&double);
    let mut first = start(&url, &credentials);
    assert_eq!(push(&first, "1.0.0").await, 201);
    let mut second = start(&url, &credentials);
    assert_eq!(push(&second, "2.0.0").await, 201);
    // By its next append, which is refused or cut ...
    let append = Request::post("/v2/team/app/blobs/uploads/?digest=".to_owned() + &sha256(b"x")).body("x");
    let refused = http::send(first.address(), &append).await;
    assert!(refused.is_err() || refused.as_ref().is_ok_and(|reply| reply.status == 503), "{refused:?}");
    assert_stopped(first.ended(NOTICED), &first);
    // ... or without one.
    let third = start(&url, &credentials);
    assert_eq!(push(&third, "4.0.0").await, 201);
    assert_stopped(second.ended(NOTICED), &second);
    for version in ["1.0.0", "2.0.0", "4.0.0"] {
        let target = format!("/v2/team/app/manifests/{version}");
        assert_eq!(http::send(third.address(), &Request::get(target)).await.expect("a reply").status, 200);
    }
    third.stop();
}

/// A store that looks first and writes then is good enough for one server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_works_on_a_store_that_cannot_be_shared() {
    let Some(service) = S3Server::start(S3Kind::Versitygw) else { return };
    service.create_bucket("charts");
    let (url, credentials) = (service.url("charts"), S3Server::credentials());
    let server = start(&url, &credentials);
    for n in 0..5 {
        assert_eq!(push(&server, &format!("1.0.{n}")).await, 201);
    }
    server.kill();
    let server = start(&url, &credentials);
    let tags = http::send(server.address(), &Request::get("/v2/team/app/tags/list")).await.expect("a reply");
    assert_eq!(tags.json()["tags"].as_array().map(Vec::len), Some(5));
    assert_eq!(push(&server, "2.0.0").await, 201);
    server.stop();
}
