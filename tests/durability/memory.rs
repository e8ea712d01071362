//! What large and many uploads take of the server's memory: 1 GB pushed and pulled within 64 MiB, 100 concurrent pushes
//! of 64 MB within 192 MiB (docs/internals/threat-model.md#part-c-checks, C10).

use std::path::Path;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::http::{Connection, Request};
use crate::support::registry::{assert_status, blob_path, location, with_digest};
use crate::support::server::Server;

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_is_pushed_and_pulled_within_64_mib() {
    let folder = folder(1024 * MIB);
    let server = Server::over(folder.path());
    let content = Content::of(1024);
    let digest = content.digest(0);
    let mut connection = Connection::open(server.address()).await.unwrap();
    push(&mut connection, "team/app", &content, 0).await;

    connection.send(&Request::get(blob_path("team/app", &digest)).bytes()).await.unwrap();
    let mut hasher = Sha256::new();
    let reply = connection.receive_to(&mut |bytes| hasher.update(bytes)).await.unwrap();
    assert_status(&reply, 200);
    assert_eq!(name(hasher), digest);
    let peak = peak_mib(&server);
    assert!(peak < 64, "the server took {peak} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_pushes_of_64_mib_at_once_take_less_than_192_mib() {
    let folder = folder(100 * 64 * MIB);
    let server = Server::over(folder.path());
    let content = Content::of(64);
    let mut pushes = JoinSet::new();
    for n in 0..100 {
        let (address, content) = (server.address(), content.clone());
        pushes.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            push(&mut connection, &format!("team/app-{n}"), &content, n).await;
        });
    }
    pushes.join_all().await;
    let peak = peak_mib(&server);
    assert!(peak < 192, "the server took {peak} MiB");
}

/// POST, then PUT with the whole body.
async fn push(connection: &mut Connection, repository: &str, content: &Content, n: u64) {
    connection.send(&Request::post(format!("/v2/{repository}/blobs/uploads/")).bytes()).await.unwrap();
    let started = connection.receive("POST").await.unwrap();
    assert_status(&started, 202);
    let target = with_digest(&location(&started), &content.digest(n));
    let head = Request::new("PUT", target).header("Content-Length", content.length().to_string());
    connection.send(&head.bytes()).await.unwrap();
    for _ in 1..content.pieces {
        connection.send(&content.piece).await.unwrap();
    }
    connection.send(&content.last(n)).await.unwrap();
    assert_status(&connection.receive("PUT").await.unwrap(), 201);
}

/// Contents that differ in their last piece only, so that the digest of each costs one piece.
#[derive(Clone)]
struct Content {
    pieces: usize,
    piece: Bytes,
    /// Of all pieces but the last.
    hasher: Sha256,
}

impl Content {
    /// Contents of so many MiB.
    fn of(pieces: usize) -> Self {
        let piece: Bytes = (0..MIB).map(|n| (n % 251) as u8).collect();
        let mut hasher = Sha256::new();
        (1..pieces).for_each(|_| hasher.update(&piece));
        Self { pieces, piece, hasher }
    }

    fn length(&self) -> usize {
        self.pieces * MIB
    }

    fn last(&self, n: u64) -> Vec<u8> {
        let mut last = self.piece.to_vec();
        last[..8].copy_from_slice(&n.to_be_bytes());
        last
    }

    fn digest(&self, n: u64) -> String {
        name(self.hasher.clone().chain_update(self.last(n)))
    }
}

fn name(hasher: Sha256) -> String {
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The most that the server's resident memory has been.
fn peak_mib(server: &Server) -> usize {
    let path = format!("/proc/{}/status", server.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("the status of the server's process");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok()).expect("a field")
    };
    // The pages of the program itself, which is large when it is not optimised, are no memory that it takes.
    let mib = (field("VmHWM:") - field("RssFile:")).div_ceil(1024);
    println!("the server took {mib} MiB");
    mib
}

/// A folder in memory where twice as much as `bytes` is free there: what the server takes does not depend on the disk.
fn folder(bytes: usize) -> TempDir {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: usize = available.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
    let shm = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(shm).map_or(0, |room| room.f_bavail * room.f_frsize);
    let fits = room.min(kib as u64 * 1024) > 2 * bytes as u64;
    if fits { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a temporary folder")
}
