//! SIGTERM and SIGINT while requests are in flight: none is cut, and the process ends with exit code 0.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::Client;
use crate::support::artifact::{Blob, noise};
use crate::support::http::{Connection, Request, send};
use crate::support::registry::{assert_status, blob_path, location, with_digest};
use crate::support::server::Server;

const PULLS: usize = 20;
const PUSHES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_end_well_after_a_signal_to_stop() {
    for stop in [Server::stop, Server::interrupt] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::over(folder.path());
        let addr: SocketAddr = server.host().parse().unwrap();
        let large = Blob::new(noise("large", 8 << 20));
        let mut client = Client::open(addr).await.unwrap();
        assert_status(&client.push_blob("team/app", &large).await.unwrap(), 201);

        let pulls: Vec<_> = (0..PULLS).map(|_| tokio::spawn(slow_pull(addr, large.clone()))).collect();
        let pushes: Vec<_> = (0..PUSHES).map(|n| tokio::spawn(slow_push(addr, n))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::task::spawn_blocking(move || stop(server)).await.unwrap();
        for pull in pulls {
            pull.await.unwrap();
        }
        let mut pushed = Vec::new();
        for push in pushes {
            pushed.push(push.await.unwrap());
        }

        let again = Server::over(folder.path());
        let addr = again.host().parse().unwrap();
        for blob in pushed {
            let found = send(addr, &Request::get(blob_path("team/app", &blob.digest))).await.unwrap();
            assert_eq!(found.body, blob.bytes);
        }
    }
}

/// Reads the head of an answer, waits, and reads the rest.
async fn slow_pull(addr: SocketAddr, blob: Blob) {
    let mut connection = Connection::open(addr).await.unwrap();
    connection.send(&Request::get(blob_path("team/app", &blob.digest)).bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reply = connection.receive("GET").await.unwrap();
    assert_status(&reply, 200);
    assert_eq!(reply.body, blob.bytes);
}

/// Sends half of a blob, waits, and sends the rest.
async fn slow_push(addr: SocketAddr, number: usize) -> Blob {
    let blob = Blob::new(noise(&format!("push {number}"), 200_000));
    let started = send(addr, &Request::post("/v2/team/app/blobs/uploads/")).await.unwrap();
    let put = Request::put(with_digest(&location(&started), &blob.digest), blob.bytes.clone());
    let wire = Bytes::from(put.bytes());
    let (first, rest) = wire.split_at(wire.len() / 2);
    let mut connection = Connection::open(addr).await.unwrap();
    connection.send(first).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_status(&connection.exchange(rest, "PUT").await.unwrap(), 201);
    blob
}
