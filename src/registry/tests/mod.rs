//! The registry over real journals and a backend in memory whose operations can be made to fail.

mod blobs;
mod damage;
mod faults;
mod lists;
mod manifests;
mod mount;
mod ranges;
mod upload_memory;
mod upload_model;
mod uploads;
mod vetting;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::backend::{Backend, Memory, faulty::Faulty};
use crate::clock::{SystemClock, Timestamp};
use crate::journal::{Mode, Options};
use crate::oci::{Condition, Digest, MediaType, OCI_MANIFEST, Reference, Tag, UploadRange};

/// One store; registries over it come and go.
struct Store {
    backend: Arc<Faulty<Memory>>,
    clock: Arc<TestClock>,
    mode: Mode,
}

impl Store {
    fn new() -> Self {
        Self::in_mode(Mode::Single)
    }

    fn in_mode(mode: Mode) -> Self {
        let clock = Arc::new(TestClock { system: SystemClock::default(), ahead: AtomicU64::new(0) });
        Self { backend: Arc::new(Faulty::new(Memory::new())), clock, mode }
    }

    /// A registry that knows nothing but the store: after a restart, or on another replica.
    async fn registry(&self) -> Arc<Registry> {
        self.registry_with(Limits { extent: 64 * 1024, ..Limits::default() }).await
    }

    async fn registry_with(&self, limits: Limits) -> Arc<Registry> {
        let options = Options { mode: self.mode, ..Options::default() };
        let journals = Journals::open(self.backend.clone(), self.clock.clone(), options).await.unwrap();
        Registry::new(journals, self.backend.clone(), self.clock.clone(), limits, Arc::default())
    }

    /// The keys under `prefix` that contain `part`.
    async fn keys(&self, part: &str) -> Vec<crate::backend::Key> {
        let all = self.backend.list("", "", 100_000).await.unwrap();
        all.into_iter().filter(|key| key.as_str().contains(part)).collect()
    }
}

/// What happens to an object.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Remove,
    Flip,
    Cut,
}

impl Store {
    async fn harm(&self, key: &crate::backend::Key, harm: Harm) {
        let mut bytes = self.backend.read(key, None).await.unwrap().to_vec();
        match harm {
            Harm::Remove => bytes.clear(),
            Harm::Flip => bytes[0] ^= 1,
            Harm::Cut => bytes.truncate(bytes.len() - 1),
        }
        self.backend.delete(std::slice::from_ref(key)).await.unwrap();
        if !bytes.is_empty() {
            self.backend.create(key, vec![bytes.into()]).await.unwrap();
        }
    }
}

struct TestClock {
    system: SystemClock,
    ahead: AtomicU64,
}

impl TestClock {
    fn advance(&self, by: Duration) {
        self.ahead.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }

    fn ahead(&self) -> Duration {
        Duration::from_micros(self.ahead.load(Ordering::Relaxed))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.system.now().plus(self.ahead())
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() + self.ahead()
    }

    fn random(&self) -> u128 {
        self.system.random()
    }
}

/// A request body that arrives in the given pieces.
struct Pieces(VecDeque<Result<Bytes, BodyError>>);

#[async_trait]
impl BodySource for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        tokio::task::yield_now().await;
        self.0.pop_front().transpose()
    }
}

fn body(bytes: &[u8]) -> Pieces {
    Pieces(bytes.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect())
}

/// A body that breaks off after `bytes`.
fn broken(bytes: &[u8]) -> Pieces {
    let mut pieces = body(bytes);
    pieces.0.push_back(Err(BodyError(Arc::new(io::Error::other("the client hung up")))));
    pieces
}

/// Removes a blob so that it cannot be restored: another upload of it brings its own bytes.
async fn unlink_now(registry: &Registry, repository: &RepositoryName, digest: &Digest) {
    let change = Change::Unlink { repository: repository.clone(), digest: digest.clone(), now: true };
    registry.propose(&repository.namespace(), change, &who()).await.unwrap();
}

fn who() -> Actor {
    Actor {
        by: crate::journal::PrincipalName::new("user:alice"),
        ..Actor::system("test", "r1", uuid::Uuid::nil())
    }
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn span(first: u64, length: usize) -> Option<UploadRange> {
    Some(UploadRange { first, last: first + length as u64 - 1 })
}

/// `length` bytes that do not repeat, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

async fn push_blob(registry: &Registry, repository: &str, bytes: &[u8]) -> Digest {
    let digest = Digest::sha256(bytes);
    registry.upload(&name(repository), &digest, &mut body(bytes), &who()).await.unwrap();
    digest
}

async fn read(registry: &Arc<Registry>, repository: &str, digest: &Digest) -> Result<Vec<u8>, Error> {
    read_range(registry, repository, digest, 0..u64::MAX).await
}

async fn read_range(
    registry: &Arc<Registry>,
    repository: &str,
    digest: &Digest,
    range: Range<u64>,
) -> Result<Vec<u8>, Error> {
    let blob = registry.blob(&name(repository), digest).await?;
    let mut reader = registry.read_blob(blob, range);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

fn as_tag(text: &str) -> Reference {
    Reference::Tag(tag(text))
}

/// Pushes `document` as what its `mediaType` says, else as an image manifest.
async fn push_manifest(
    registry: &Arc<Registry>,
    repository: &str,
    reference: &Reference,
    document: &Value,
) -> Result<Digest, Error> {
    let repository = name(repository);
    let put = PutManifest {
        repository: &repository,
        reference,
        tags: Vec::new(),
        media_type: MediaType::parse(document["mediaType"].as_str().unwrap_or(OCI_MANIFEST)).unwrap(),
        body: document.to_string().into(),
        condition: Condition::default(),
        replace: crate::journal::Replace::AsPolicySays,
    };
    registry.put_manifest(put, &who()).await.map(|put| put.digest)
}

/// An image manifest whose blob is pushed.
async fn image(registry: &Registry, repository: &str, seed: u64) -> Value {
    let digest = push_blob(registry, repository, &noise(100, seed)).await;
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.test.config", "digest": digest, "size": 100},
        "layers": [{"mediaType": "application/vnd.test.layer", "digest": digest, "size": 100}],
    })
}

/// What names the manifest `document`.
fn as_digest(document: &Value) -> Reference {
    Reference::Digest(Digest::sha256(document.to_string().as_bytes()))
}
