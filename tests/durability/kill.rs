//! `kill -9` at a random moment of many pushes, and a new start
//! (docs/internals/threat-model.md#part-c-checks, C2).

use std::collections::HashSet;
use std::io::Result;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use charthouse::clock::{Clock, SystemClock};
use charthouse::oci::{Digest, OCI_MANIFEST};
use tokio::task::JoinSet;

use super::client::{manifest, noise, references};
use super::ledger::{Ledger, Name, Upload};
use crate::support::http::{Connection, Request, Response};
use crate::support::registry::{assert_status, blob_path, location, manifest_path, with_digest};
use crate::support::server::Server;

const ROUNDS: u64 = 30;
const CLIENTS: u64 = 8;
/// A new start must answer within this time.
const START: Duration = Duration::from_secs(2);
const CHUNK: usize = 40_000;

/// What is pushed is noise.
fn start(folder: &Path) -> Server {
    Server::where_noise_is_taken(&["--storage", folder.to_str().expect("a readable path")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let seed = SystemClock::default().random() as u64;
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    let mut all = Ledger::default();
    for round in 0..ROUNDS {
        println!("round {round}");
        let chosen = noise(4, seed ^ round);
        let (mut pushes, address) = (JoinSet::new(), server.address());
        for client in 0..CLIENTS {
            let repository = format!("team-{}/app-{round}-{client}", client % 2);
            pushes.spawn(Pusher::new(address, repository, chosen[0]).push_until_killed());
        }
        let chunks = format!("team-0/chunks-{round}");
        pushes.spawn(Pusher::new(address, chunks, chosen[0]).upload_until_killed());
        let delay = 20 + u64::from(chosen[1]) * 2 + u64::from(chosen[2]);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        server.kill();
        let ledgers = pushes.join_all().await;
        server = start_again(folder.path()).await;
        for ledger in ledgers {
            let mut reader = Reader::open(server.address()).await;
            reader.verify(&ledger).await;
            if let Some(upload) = &ledger.upload {
                resume(server.address(), upload).await;
            }
            all.merge(ledger);
        }
    }
    let mut reader = Reader::open(server.address()).await;
    reader.verify(&all).await;
    let catalog = reader.get("/v2/_catalog?n=1000").await.json();
    let listed: Vec<_> =
        catalog["repositories"].as_array().unwrap().iter().map(|name| name.as_str()).collect();
    assert!(all.repositories_in_use().into_iter().all(|pushed| listed.contains(&Some(pushed))), "{listed:?}");
    println!("{} names", all.names().count());
    server.stop();
}

async fn start_again(folder: &Path) -> Server {
    let begun = Instant::now();
    let server = start(folder);
    let catalog = Reader::open(server.address()).await.get("/v2/_catalog").await;
    assert_status(&catalog, 200);
    assert!(begun.elapsed() < START, "the new start took {:?}", begun.elapsed());
    server
}

/// A client that pushes until the server is gone.
struct Pusher {
    address: SocketAddr,
    repository: String,
    seed: u64,
    ledger: Ledger,
}

impl Pusher {
    fn new(address: SocketAddr, repository: String, seed: u8) -> Self {
        Self { address, repository, seed: seed.into(), ledger: Ledger::default() }
    }

    async fn push_until_killed(mut self) -> Ledger {
        // An error is the end of the server; a reply that refuses panics.
        let _: Result<()> = async {
            let mut connection = Connection::open(self.address).await?;
            for version in 0.. {
                let length = if version % 3 == 2 { 100_000 } else { 3_000 };
                self.push_chart(&mut connection, version, noise(length, self.seed + version)).await?;
            }
            Ok(())
        }
        .await;
        self.ledger
    }

    async fn push_chart(&mut self, connection: &mut Connection, version: u64, layer: Vec<u8>) -> Result<()> {
        let config = Bytes::from(format!("{{\"name\":\"app\",\"version\":\"1.0.{version}\"}}"));
        let (config_size, layer_size) = (config.len(), layer.len());
        let config = self.push_blob(connection, config).await?;
        let layer = self.push_blob(connection, layer.into()).await?;
        let body = manifest((&config, config_size), (&layer, layer_size));
        for tag in [format!("1.0.{version}"), "latest".to_owned()] {
            self.push_manifest(connection, &tag, &body).await?;
        }
        Ok(())
    }

    async fn push_blob(&mut self, connection: &mut Connection, bytes: Bytes) -> Result<Digest> {
        let digest = Digest::sha256(&bytes);
        let blob = Name::Blob(self.repository.clone(), digest.clone());
        self.ledger.will_push(&digest, &bytes, "");
        self.ledger.begins(&blob, Some(&digest));
        let session = start_upload(connection, &self.repository).await?;
        let close = Request::put(with_digest(&session, &digest.to_string()), bytes);
        assert_status(&connection.exchange(&close.bytes(), "PUT").await?, 201);
        self.ledger.acknowledged(&blob, Some(&digest));
        Ok(digest)
    }

    async fn push_manifest(&mut self, connection: &mut Connection, tag: &str, body: &Bytes) -> Result<()> {
        let digest = Digest::sha256(body);
        let names = [
            Name::Manifest(self.repository.clone(), digest.clone()),
            Name::Tag(self.repository.clone(), tag.into()),
        ];
        self.ledger.will_push(&digest, body, OCI_MANIFEST);
        names.iter().for_each(|name| self.ledger.begins(name, Some(&digest)));
        let put = Request::put(manifest_path(&self.repository, tag), body.clone());
        let put = put.header("Content-Type", OCI_MANIFEST);
        assert_status(&connection.exchange(&put.bytes(), "PUT").await?, 201);
        names.iter().for_each(|name| self.ledger.acknowledged(name, Some(&digest)));
        Ok(())
    }

    /// Sends one chunk after the other.
    async fn upload_until_killed(mut self) -> Ledger {
        let bytes = Bytes::from(noise(4_000_000, self.seed));
        let _: Result<()> = async {
            let mut connection = Connection::open(self.address).await?;
            let session = start_upload(&mut connection, &self.repository).await?;
            let repository = self.repository.clone();
            let upload = self.ledger.upload.insert(Upload { repository, bytes, session, taken: 0 });
            while upload.taken + CHUNK < upload.bytes.len() {
                let chunk = upload.bytes.slice(upload.taken..upload.taken + CHUNK);
                let patch = Request::patch(&upload.session, chunk);
                let reply = connection.exchange(&patch.bytes(), "PATCH").await?;
                assert_status(&reply, 202);
                (upload.session, upload.taken) = (location(&reply), upload.taken + CHUNK);
            }
            Ok(())
        }
        .await;
        self.ledger
    }
}

async fn start_upload(connection: &mut Connection, repository: &str) -> Result<String> {
    let post = Request::post(format!("/v2/{repository}/blobs/uploads/"));
    let started = connection.exchange(&post.bytes(), "POST").await?;
    assert_status(&started, 202);
    Ok(location(&started))
}

/// An upload that was cut goes on where it stood.
async fn resume(address: SocketAddr, upload: &Upload) {
    let mut reader = Reader::open(address).await;
    let progress = reader.get(&upload.session).await;
    assert_status(&progress, 204);
    let range = progress.header("range").unwrap();
    let last: usize = range.strip_prefix("0-").unwrap().parse().unwrap();
    let have = if last == 0 { 0 } else { last + 1 };
    assert!(have >= upload.taken, "{} bytes were acknowledged, {have} are there", upload.taken);
    let digest = Digest::sha256(&upload.bytes);
    let close = with_digest(&location(&progress), &digest.to_string());
    let close = Request::put(close, upload.bytes.slice(have..))
        .header("Content-Range", format!("{have}-{}", upload.bytes.len() - 1));
    assert_status(&reader.connection.exchange(&close.bytes(), "PUT").await.unwrap(), 201);
    let blob = reader.get(&blob_path(&upload.repository, &digest.to_string())).await;
    assert_eq!(Bytes::from(blob.body), upload.bytes);
}

struct Reader {
    connection: Connection,
    /// Paths of blobs that were read and compared.
    read: HashSet<String>,
}

impl Reader {
    async fn open(address: SocketAddr) -> Self {
        Self { connection: Connection::open(address).await.unwrap(), read: HashSet::new() }
    }

    async fn get(&mut self, target: &str) -> Response {
        self.connection.exchange(&Request::get(target).bytes(), "GET").await.unwrap()
    }

    /// What is there is what was acknowledged, byte for byte, and refers to nothing that is not there.
    async fn verify(&mut self, ledger: &Ledger) {
        for name in ledger.names() {
            let found = match name {
                Name::Blob(repository, digest) => self.read_blob(ledger, repository, digest).await,
                Name::Manifest(repository, digest) => {
                    self.read_manifest(ledger, repository, &digest.to_string()).await
                }
                Name::Tag(repository, tag) => self.read_manifest(ledger, repository, tag).await,
            };
            ledger.expect(name, found.as_ref());
        }
        for repository in ledger.repositories() {
            let tags = self.get(&format!("/v2/{repository}/tags/list")).await;
            if tags.status == 404 {
                continue;
            }
            for tag in tags.json()["tags"].as_array().unwrap() {
                let found = self.read_manifest(ledger, repository, tag.as_str().unwrap()).await;
                assert!(found.is_some(), "{repository}:{tag} is listed and not there");
            }
        }
    }

    async fn read_blob(&mut self, ledger: &Ledger, repository: &str, digest: &Digest) -> Option<Digest> {
        let target = blob_path(repository, &digest.to_string());
        if !self.read.contains(&target) {
            let reply = self.get(&target).await;
            if reply.status == 404 {
                return None;
            }
            assert_status(&reply, 200);
            assert_eq!(ledger.content(digest).0, reply.body, "{target}");
            self.read.insert(target);
        }
        Some(digest.clone())
    }

    async fn read_manifest(&mut self, ledger: &Ledger, repository: &str, reference: &str) -> Option<Digest> {
        let reply = self.get(&manifest_path(repository, reference)).await;
        if reply.status == 404 {
            return None;
        }
        assert_status(&reply, 200);
        let digest = Digest::sha256(&reply.body);
        let (bytes, media_type) = ledger.content(&digest);
        assert_eq!(
            (bytes, Some(media_type.as_str())),
            (&Bytes::from(reply.body.clone()), reply.header("content-type"))
        );
        for blob in references(&reply.body) {
            let there = self.read_blob(ledger, repository, &blob).await;
            assert!(there.is_some(), "{repository}:{reference} refers to {blob}, which is not there");
        }
        Some(digest)
    }
}
