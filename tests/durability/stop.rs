//! The end of a server by a signal, under load (docs/internals/threat-model.md#part-c-checks, C16).

use std::io::Result;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::artifact::{Blob, noise};
use crate::support::http::{Connection, Request};
use crate::support::registry::{assert_status, blob_path, location, with_digest};
use crate::support::server::Server;

const PULLS: usize = 20;
const PUSHES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_cuts_no_request_and_ends_with_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::over(folder.path());
        let load = Load::start(server.address()).await;
        server.signal(signal);
        sleep(Duration::from_millis(100)).await;
        refuses(server.address()).await;
        load.finish().await;
        let status = server.ended(Duration::from_secs(10)).expect("the server ends when all is answered");
        assert!(status.success(), "{signal:?}: {status}");

        let begun = Instant::now();
        let server = Server::over(folder.path());
        for blob in pushed() {
            let head = Request::head(blob_path("team/app", &blob.digest));
            assert_status(&crate::support::http::send(server.address(), &head).await.unwrap(), 200);
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "the new start took {:?}", begun.elapsed());
        server.stop();
    }
}

/// A server that serves many namespaces writes nothing for each of them when it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_many_namespaces_takes_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::over(folder.path());
    let mut connection = Connection::open(server.address()).await.unwrap();
    let blob = Blob::new(noise("one for all", 100));
    let target = |n: usize| format!("/v2/team-{n}/app/blobs/uploads/?digest={}", blob.digest);
    for n in 0..300 {
        let request = Request::post(target(n)).body(blob.bytes.clone());
        assert_status(&connection.exchange(&request.bytes(), "POST").await.unwrap(), 201);
    }
    drop(connection);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    let has_checkpoint = |n: usize| folder.path().join(format!("ns/team-{n}/_checkpoint")).exists();
    assert!(!(0..300).any(has_checkpoint), "one commit is read as quickly as a checkpoint");
    let server = Server::over(folder.path());
    for n in [0, 150, 299] {
        let head = Request::head(blob_path(&format!("team-{n}/app"), &blob.digest));
        assert_status(&crate::support::http::send(server.address(), &head).await.unwrap(), 200);
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    for (first, second) in
        [(Signal::TERM, Signal::INT), (Signal::INT, Signal::INT), (Signal::TERM, Signal::TERM)]
    {
        let mut server = Server::in_memory();
        let _load = Load::start(server.address()).await;
        server.signal(first);
        assert!(server.ended(Duration::from_millis(500)).is_none(), "requests are in flight");
        server.signal(second);
        let status = server.ended(Duration::from_secs(2)).expect("the second signal ends the server at once");
        assert!(!status.success(), "requests were cut: {status}");
    }
}

/// A new connection is refused, or is told that it is the last.
async fn refuses(address: SocketAddr) {
    let reply =
        async { Connection::open(address).await?.exchange(&Request::get("/v2/").bytes(), "GET").await };
    if let Ok(reply) = reply.await {
        assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
    }
}

/// What the pushes of a load push.
fn pushed() -> Vec<Blob> {
    (0..PUSHES).map(|n| Blob::new(noise(&format!("push {n}"), 300_000))).collect()
}

/// Requests that are half done, until they are told to go on.
struct Load {
    go_on: watch::Sender<bool>,
    requests: JoinSet<Result<()>>,
}

impl Load {
    async fn start(address: SocketAddr) -> Self {
        let (go_on, _) = watch::channel(false);
        let mut load = Self { go_on, requests: JoinSet::new() };
        // More than the buffers of a connection hold: the server waits for the reader.
        let pulled = Blob::new(vec![7; 16 << 20]);
        push(address, &pulled, None).await.unwrap();
        let (started, mut all_started) = tokio::sync::mpsc::channel(PULLS + PUSHES);
        for _ in 0..PULLS {
            let (signal, started, blob) = (load.go_on.subscribe(), started.clone(), pulled.clone());
            load.requests.spawn(async move { pull(address, &blob, Pause { signal, started }).await });
        }
        for blob in pushed() {
            let (signal, started) = (load.go_on.subscribe(), started.clone());
            load.requests.spawn(async move { push(address, &blob, Some(Pause { signal, started })).await });
        }
        for _ in 0..PULLS + PUSHES {
            all_started.recv().await.expect("every request starts");
        }
        load
    }

    /// Lets all requests go on; none of them may have been cut.
    async fn finish(self) {
        self.go_on.send(true).expect("requests wait");
        for outcome in self.requests.join_all().await {
            outcome.expect("a request in flight was cut");
        }
    }
}

/// Half-way through a request.
struct Pause {
    signal: watch::Receiver<bool>,
    started: tokio::sync::mpsc::Sender<()>,
}

impl Pause {
    async fn here(mut self) {
        self.started.send(()).await.expect("the test waits for it");
        // Without a sender the test has ended.
        let _ = self.signal.wait_for(|go_on| *go_on).await;
    }
}

async fn pull(address: SocketAddr, blob: &Blob, pause: Pause) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    connection.send(&Request::get(blob_path("team/app", &blob.digest)).bytes()).await?;
    // The answer has begun when its first bytes are there to be read.
    connection.wait_for_reply().await?;
    pause.here().await;
    let reply = connection.receive("GET").await?;
    assert_status(&reply, 200);
    assert_eq!(Bytes::from(reply.body), blob.bytes);
    Ok(())
}

async fn push(address: SocketAddr, blob: &Blob, pause: Option<Pause>) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let post = Request::post("/v2/team/app/blobs/uploads/");
    let session = location(&connection.exchange(&post.bytes(), "POST").await?);
    let put = Request::put(with_digest(&session, &blob.digest), blob.bytes.clone()).bytes();
    let (first, rest) = put.split_at(put.len() / 2);
    connection.send(first).await?;
    if let Some(pause) = pause {
        sleep(Duration::from_millis(50)).await;
        pause.here().await;
    }
    connection.send(rest).await?;
    assert_status(&connection.receive("PUT").await?, 201);
    Ok(())
}
