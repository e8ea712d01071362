//! Large blobs: pieces that are read ahead, and content that is read back whole whatever the store does meanwhile.

use std::time::{Duration, Instant};

use bytes::Bytes;
use s3_double::{Effect, Fault, Operation};

use crate::support::artifact::{noise, sha256};
use crate::support::http::{Connection, Request};
use crate::support::registry::{assert_status, blob_path};
use crate::support::s3::{double, storage_of};
use crate::support::server::Server;

const MIB: usize = 1 << 20;
/// So long that it outweighs what a busy machine needs for the rest.
const LATENCY: Duration = Duration::from_millis(400);

async fn push(connection: &mut Connection, content: &Bytes) {
    let target = format!("/v2/team/app/blobs/uploads/?digest={}", sha256(content));
    let push = Request::post(target).body(content.clone());
    assert_status(&connection.exchange(&push.bytes(), "POST").await.expect("a reply"), 201);
}

async fn pull(connection: &mut Connection, content: &Bytes, range: Option<(usize, usize)>) {
    let mut pull = Request::get(blob_path("team/app", &sha256(content)));
    let mut expected = content.clone();
    if let Some((start, end)) = range {
        pull = pull.header("Range", format!("bytes={start}-{}", end - 1));
        expected = content.slice(start..end);
    }
    let reply = connection.exchange(&pull.bytes(), "GET").await.expect("a reply");
    assert!(reply.body == expected, "{} bytes instead of {}", reply.body.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_a_large_blob_are_read_ahead_and_come_in_order() {
    let double = tokio::task::spawn_blocking(double).await.expect("a double");
    let (url, credentials) = storage_of(&double);
    let server = Server::start_with(&["--storage", &url], &credentials);
    let mut connection = Connection::open(server.address()).await.expect("a connection");
    let content = noise("large", 20 * MIB + 12_345);
    push(&mut connection, &content).await;
    let stored = double.objects("charts");
    let extents = stored.keys().filter(|key| key.contains("/_data/")).count();
    assert_eq!(extents, 3, "objects of at most 8 MiB");
    pull(&mut connection, &content, None).await;
    pull(&mut connection, &content, Some((7 * MIB + 1, 9 * MIB + 5))).await;
    pull(&mut connection, &content, Some((20 * MIB, 20 * MIB + 12_345))).await;
    // The store takes its time with every piece, and with some more than with others.
    double.inject(Fault::nth(1, Effect::Delay(LATENCY)).of(Operation::Get).and_all_later());
    let asked = Instant::now();
    pull(&mut connection, &content, None).await;
    let one_by_one = LATENCY * 21;
    assert!(asked.elapsed() < one_by_one / 2, "{:?}, one by one {one_by_one:?}", asked.elapsed());
    double.heal();
    for n in [2, 5, 11] {
        double.inject(Fault::nth(n, Effect::Delay(LATENCY)).of(Operation::Get));
        double.inject(Fault::nth(n + 1, Effect::Truncate).of(Operation::Get));
        double.inject(
            Fault::nth(n + 2, Effect::Fail { status: 500, code: "InternalError" }).of(Operation::Get),
        );
    }
    pull(&mut connection, &content, None).await;
}

/// A byte that was flipped on its way or in the store must not reach a client as if it were right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_piece_cuts_the_connection() {
    let double = tokio::task::spawn_blocking(double).await.expect("a double");
    let (url, credentials) = storage_of(&double);
    let server = Server::start_with(&["--storage", &url], &credentials);
    let content = noise("damaged", 9 * MIB);
    let mut connection = Connection::open(server.address()).await.expect("a connection");
    push(&mut connection, &content).await;
    double.inject(Fault::nth(4, Effect::CorruptBody).of(Operation::Get).on("/_data/"));
    let get = Request::get(blob_path("team/app", &sha256(&content)));
    let broken = connection.exchange(&get.bytes(), "GET").await;
    assert!(broken.is_err(), "{} bytes were taken for the whole", content.len());
    // It was the way, not the store: the next reader gets what was pushed.
    let mut connection = Connection::open(server.address()).await.expect("a connection");
    pull(&mut connection, &content, None).await;
}
