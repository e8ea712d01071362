//! `kill -9` during pushes from eight clients: every acknowledged write is there, and nothing visible dangles.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Client;
use crate::support::artifact::{Blob, Image, chart, noise, sha256};
use crate::support::http::{Request, send};
use crate::support::registry::{assert_status, blob_path, location, manifest_path, with_digest};
use crate::support::server::Server;

const ROUNDS: u64 = 30;
const CLIENTS: u64 = 8;
const REPOSITORY: &str = "team/app";
/// A start after a crash must not need longer, even on a crowded machine.
const RESTART: Duration = Duration::from_secs(5);

/// What one client was told before the connection broke.
#[derive(Default)]
struct Told {
    /// Blobs and manifests that were acknowledged: path and digest.
    acknowledged: Vec<(String, String)>,
    /// What a tag may point to: the digest acknowledged last, and that of the request without an answer.
    moved: BTreeMap<String, [Option<String>; 2]>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed_in_the_middle_of_pushes() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    let mut pause = Pauses(0x5eed);
    for round in 0..ROUNDS {
        let server = started(folder.path());
        let addr = address(&server);
        told.verify(addr).await;
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| tokio::spawn(push_until_cut(addr, round, client))).collect();
        tokio::time::sleep(pause.next()).await;
        // Dropping it kills it.
        drop(server);
        told.acknowledged.clear();
        for client in clients {
            told.add(client.await.unwrap());
        }
    }
    let server = started(folder.path());
    told.verify(address(&server)).await;
    nothing_dangles(address(&server)).await;
    server.stop();
}

#[tokio::test]
async fn an_upload_in_chunks_goes_on_after_the_process_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise("chunks", 3_000_000);
    let blob = Blob::new(bytes.clone());
    let server = started(folder.path());
    let started_upload = send(address(&server), &Request::post("/v2/team/app/blobs/uploads/")).await.unwrap();
    let mut session = location(&started_upload);
    let mut server = Some(server);
    for (from, to) in [(0, 1_000_000), (1_000_000, 1_010_000), (1_010_000, 2_500_000)] {
        let addr = address(server.as_ref().unwrap());
        let patch = Request::patch(session.clone(), bytes.slice(from..to))
            .header("Content-Range", format!("{from}-{}", to - 1));
        let patched = send(addr, &patch).await.unwrap();
        assert_status(&patched, 202);
        session = location(&patched);
        drop(server.take());
        server = Some(started(folder.path()));
        let addr = address(server.as_ref().unwrap());
        let progress = send(addr, &Request::get(session.clone())).await.unwrap();
        assert_status(&progress, 204);
        assert_eq!(progress.header("range"), Some(format!("0-{}", to - 1).as_str()));
    }
    let addr = address(server.as_ref().unwrap());
    let closed = send(addr, &Request::put(with_digest(&session, &blob.digest), bytes.slice(2_500_000..)))
        .await
        .unwrap();
    assert_status(&closed, 201);
    let found = send(addr, &Request::get(blob_path(REPOSITORY, &blob.digest))).await.unwrap();
    assert_eq!(found.body, bytes);
}

/// Pushes charts, and moves a tag of its own, until the server is gone.
async fn push_until_cut(addr: SocketAddr, round: u64, client: u64) -> Told {
    let mut told = Told::default();
    let _ = push_on(addr, round, client, &mut told).await;
    told
}

async fn push_on(addr: SocketAddr, round: u64, client: u64, told: &mut Told) -> std::io::Result<()> {
    let mut connection = Client::open(addr).await?;
    for number in 0.. {
        let version = format!("{round}.{client}.{number}");
        let image = chart_of(&version, if number % 3 == 0 { 100_000 } else { 3_000 });
        for blob in &image.blobs {
            assert_status(&connection.push_blob(REPOSITORY, blob).await?, 201);
            told.acknowledged.push((blob_path(REPOSITORY, &blob.digest), blob.digest.clone()));
        }
        for tag in [version, format!("channel-{client}")] {
            let states = told.moved.entry(tag.clone()).or_default();
            states[1] = Some(image.manifest.digest.clone());
            assert_status(&connection.tag(REPOSITORY, &tag, &image).await?, 201);
            *states = [states[1].take(), None];
        }
        told.acknowledged
            .push((manifest_path(REPOSITORY, &image.manifest.digest), image.manifest.digest.clone()));
    }
    Ok(())
}

/// A chart whose package has about `size` bytes.
fn chart_of(version: &str, size: usize) -> Image {
    let mut image = chart(&json!({"name": "app", "version": version}));
    let package = Blob::new(noise(version, size));
    let old = image.blobs[1].clone();
    image.manifest = image.manifest.with(|manifest| {
        for layer in manifest["layers"].as_array_mut().unwrap() {
            if layer["digest"] == old.digest.as_str() {
                layer["digest"] = package.digest.clone().into();
                layer["size"] = package.bytes.len().into();
            }
        }
    });
    image.blobs[1] = package;
    image
}

impl Told {
    fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        for (tag, [acknowledged, unanswered]) in other.moved {
            let states = self.moved.entry(tag).or_default();
            *states = [acknowledged.or(states[0].take()), unanswered];
        }
    }

    /// Everything acknowledged is there, and each tag is where its client last saw it or was about to move it.
    async fn verify(&mut self, addr: SocketAddr) {
        let mut connection = Client::open(addr).await.unwrap();
        for (path, digest) in &self.acknowledged {
            let found = connection.send(&Request::get(path.clone())).await.unwrap();
            assert_status(&found, 200);
            assert_eq!(sha256(&found.body), *digest, "{path}");
        }
        for (tag, [acknowledged, unanswered]) in &mut self.moved {
            let found = connection.send(&Request::head(manifest_path(REPOSITORY, tag))).await.unwrap();
            let digest = found.header("docker-content-digest").map(str::to_owned);
            assert!(
                digest == *acknowledged || (digest.is_some() && digest == *unanswered),
                "{tag}: {digest:?}, not {acknowledged:?} or {unanswered:?}"
            );
            // Whichever it was is what stays.
            (*acknowledged, *unanswered) = (digest, None);
        }
    }
}

/// Walks from the catalog to every blob.
async fn nothing_dangles(addr: SocketAddr) {
    let mut connection = Client::open(addr).await.unwrap();
    let tags = connection.send(&Request::get(format!("/v2/{REPOSITORY}/tags/list"))).await.unwrap().json();
    let tags = tags["tags"].as_array().unwrap().clone();
    assert!(tags.len() as u64 > ROUNDS, "{} tags are hardly a test", tags.len());
    for tag in tags {
        let found =
            connection.send(&Request::get(manifest_path(REPOSITORY, tag.as_str().unwrap()))).await.unwrap();
        let manifest = found.json();
        let layers = manifest["layers"].as_array().unwrap();
        for descriptor in layers.iter().chain([&manifest["config"]]) {
            let path = blob_path(REPOSITORY, descriptor["digest"].as_str().unwrap());
            let blob = connection.send(&Request::head(path)).await.unwrap();
            assert_status(&blob, 200);
            assert_eq!(blob.header("content-length"), Some(descriptor["size"].to_string().as_str()));
        }
    }
}

#[track_caller]
fn started(folder: &Path) -> Server {
    let before = Instant::now();
    let server = Server::over(folder);
    assert!(before.elapsed() < RESTART, "the start took {:?}", before.elapsed());
    server
}

fn address(server: &Server) -> SocketAddr {
    server.host().parse().unwrap()
}

/// Pauses of 20 to 220 ms, the same in every run.
struct Pauses(u64);

impl Pauses {
    fn next(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(20 + (self.0 >> 33) % 200)
    }
}
