//! A server with a clock of its own over a directory, and changes that no request can ask for yet.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use charthouse::backend::{Backend, Fs, Key};
use charthouse::clock::{Clock, SystemClock, Timestamp};
use charthouse::config::Settings;
use charthouse::journal::{
    Actor, Change, Crc32c, Journals, Options, Piece, PrincipalName, Proposal, State, Via, keys,
};
use charthouse::oci::{Digest, Namespace, NamespacePattern, RepositoryName, Tag};
use charthouse::registry::{Limits, Policy, Registry};
use charthouse::server::{RunningServer, Services, start};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;
use uuid::Uuid;

use crate::support::artifact::{Blob, Document, Image};
use crate::support::http::{self, Request, Response};
use crate::support::registry::{assert_status, put_manifest};

/// Uploaded bytes are written as objects of this size, so that a small blob has several.
const EXTENT: usize = 8 << 10;
/// The time that passes before each change.
const STEP: Duration = Duration::from_micros(61_000_123);

/// Stands still unless told otherwise, and draws the same numbers every time.
pub struct GoldenClock {
    now: AtomicI64,
    drawn: AtomicU64,
    system: SystemClock,
}

impl GoldenClock {
    pub fn at(time: &str) -> Arc<Self> {
        let now = Timestamp::parse(time).expect("a time").micros();
        Arc::new(Self { now: now.into(), drawn: AtomicU64::new(0), system: SystemClock::default() })
    }

    pub fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_micros() as i64, Ordering::Relaxed);
    }
}

impl Clock for GoldenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn random(&self) -> u128 {
        let hash = Sha256::digest(self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        hash.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
    }
}

/// A server, and the journals below it.
pub struct Writer {
    pub clock: Arc<GoldenClock>,
    pub journals: Arc<Journals>,
    backend: Arc<dyn Backend>,
    addr: SocketAddr,
    _running: RunningServer,
}

/// Runs `work` with a server over `folder`, which has no other user before and after.
pub fn session(folder: &Path, clock: &Arc<GoldenClock>, work: impl AsyncFnOnce(&Writer)) {
    // One thread: tasks that run side by side would draw their numbers in any order.
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut writer = Writer::open(folder, clock).await;
        work(&writer).await;
        writer._running.stop(false);
        writer._running.ended().await.expect("the listener ends");
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
}

impl Writer {
    async fn open(folder: &Path, clock: &Arc<GoldenClock>) -> Self {
        let backend: Arc<dyn Backend> =
            Arc::new(Fs::open(folder, Duration::from_secs(10)).expect("a folder that can be opened"));
        let policy = Arc::new(Policy {
            delete_immutable: true,
            lenient: vec![NamespacePattern::parse("**").expect("a pattern")],
            ..Policy::default()
        });
        let options = Options { policy: Arc::clone(&policy) as _, ..Options::default() };
        let seam: Arc<dyn Clock> = clock.clone();
        let opened = Journals::open(backend.clone(), seam.clone(), options).await;
        let journals = opened.expect("an empty or a good store");
        let limits = Limits { extent: EXTENT, ..Limits::default() };
        let registry = Registry::new(journals.clone(), backend.clone(), seam.clone(), limits, policy);
        let mut settings = Settings::default();
        settings.server.listen.set_port(0);
        settings.server.workers = 1;
        let services = Services::new(settings, registry, tokio::runtime::Handle::current(), &*seam);
        let running = start(Arc::new(services)).expect("a free port");
        Self { clock: clock.clone(), journals, backend, addr: running.addr(), _running: running }
    }

    /// The answer to a request, which must have this status.
    pub async fn send(&self, status: u16, request: Request) -> Response {
        self.clock.pass(STEP);
        let reply = http::send(self.addr, &request).await;
        let reply = reply.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.target()));
        assert_status(&reply, status);
        reply
    }

    /// Asks for a blob that is damaged, and waits until the journal says so. The answer may be an error or a cut.
    pub async fn find_damage(&self, repository: &str, digest: &str) {
        self.clock.pass(STEP);
        let _ = http::send(self.addr, &Request::get(format!("/v2/{repository}/blobs/{digest}"))).await;
        let (name, digest) = (repository_of(repository), digest_of(digest));
        let noted = async {
            while self.state(name.namespace().as_str()).await.blob(&name, &digest).is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), noted).await.expect("the server notes the damage");
    }

    pub async fn push_blob(&self, repository: &str, blob: &Blob) {
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
        self.send(201, Request::post(target).body(blob.bytes.clone())).await;
    }

    pub async fn push_manifest(&self, repository: &str, reference: &str, document: &Document) {
        self.send(201, put_manifest(repository, reference, document)).await;
    }

    pub async fn push(&self, repository: &str, reference: &str, image: &Image) {
        for blob in &image.blobs {
            self.push_blob(repository, blob).await;
        }
        self.push_manifest(repository, reference, &image.manifest).await;
    }

    pub async fn delete_manifest(&self, repository: &str, reference: &str) {
        self.send(202, Request::delete(format!("/v2/{repository}/manifests/{reference}"))).await;
    }

    pub async fn delete_blob(&self, repository: &str, digest: &str) {
        self.send(202, Request::delete(format!("/v2/{repository}/blobs/{digest}"))).await;
    }

    /// Makes a change that must be accepted.
    pub async fn change(&self, namespace: &str, change: Change) {
        self.clock.pass(STEP);
        let told = format!("{change:?}");
        let outcome = self.journals.propose(&namespace_of(namespace), self.proposal(change)).await;
        let changed = outcome.as_ref().is_ok_and(|outcome| outcome.changed);
        assert!(changed, "{told}: {:?}", outcome.err());
    }

    /// Makes changes at once: the first gets a commit of its own, the others that wait for it share the next.
    pub async fn change_together(&self, namespace: &str, changes: Vec<Change>) {
        self.clock.pass(STEP);
        let namespace = namespace_of(namespace);
        let proposed =
            changes.into_iter().map(|change| self.journals.propose(&namespace, self.proposal(change)));
        for outcome in futures_util::future::join_all(proposed).await {
            assert!(outcome.as_ref().is_ok_and(|outcome| outcome.changed), "{:?}", outcome.err());
        }
    }

    fn proposal(&self, change: Change) -> Proposal {
        let call = self.clock.uuid(self.clock.now());
        let actor = Actor {
            by: PrincipalName::new("user:ada"),
            via: Via::Password,
            request: format!("golden-{}", self.clock.drawn.load(Ordering::Relaxed)).into(),
            client_request: Some("from-the-client".into()),
            call,
        };
        Proposal { change, actor }
    }

    pub async fn state(&self, namespace: &str) -> Arc<State> {
        let state = self.journals.current(&namespace_of(namespace)).await;
        state.expect("a journal that can be read").expect("a namespace that exists")
    }

    /// The bytes of a new data object, as pieces of these lengths.
    pub async fn object(&self, namespace: &str, bytes: &'static [u8], lengths: &[usize]) -> Vec<Piece> {
        let namespace = namespace_of(namespace);
        let id = self.journals.new_object(&namespace).await.expect("an id");
        self.backend.create(&keys::data(&namespace, id), vec![bytes.into()]).await.expect("an object");
        let mut at = 0;
        let mut piece = |length: &usize| {
            let offset = at;
            at += length;
            let crc32c = Crc32c::of(&bytes[offset..at]).0;
            Piece::Object { id, offset: offset as u64, length: *length as u64, crc32c }
        };
        lengths.iter().map(&mut piece).collect()
    }

    /// The data objects of a blob.
    pub async fn objects_of(&self, repository: &str, digest: &str) -> Vec<Uuid> {
        let name = repository_of(repository);
        let state = self.state(name.namespace().as_str()).await;
        let content = state.blob(&name, &digest_of(digest)).expect("the repository holds it");
        content.extents.iter().filter_map(|extent| extent.object()).collect()
    }
}

pub fn namespace_of(text: &str) -> Namespace {
    if text.is_empty() { Namespace::root() } else { Namespace::parse(text).expect("a namespace") }
}

pub fn repository_of(text: &str) -> RepositoryName {
    RepositoryName::parse(text).expect("a repository")
}

pub fn digest_of(text: &str) -> Digest {
    Digest::parse(text).expect("a digest")
}

pub fn tag_of(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}

/// The file of a data object.
pub fn data_file(namespace: &str, object: Uuid) -> String {
    file_of(&keys::data(&namespace_of(namespace), object))
}

/// The file of a commit.
pub fn commit_file(namespace: &str, seq: u64) -> String {
    file_of(&keys::commit(&namespace_of(namespace), seq))
}

fn file_of(key: &Key) -> String {
    key.as_str().to_owned()
}

pub fn attached(bytes: &'static str) -> Piece {
    Piece::Attached(Bytes::from_static(bytes.as_bytes()))
}
