//! Copies between stores in memory that fail, change and lie.

mod changes;
mod faults;
mod losses;
mod refusals;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Event, Summary, TransferError};
use crate::backend::{Backend, Create, Key, Memory};
use crate::clock::{Clock, SystemClock};
use crate::journal::*;
use crate::oci::{Algorithm, Condition, Digest, MediaType, Namespace, OCI_MANIFEST, RepositoryName, Tag};

/// Objects of this size stand for those of 8 MiB.
const EXTENT: usize = 1_000;

/// A store, and its journals as a server has them.
struct Source {
    backend: Arc<Memory>,
    journals: Arc<Journals>,
}

impl Source {
    async fn over(backend: &Arc<Memory>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let journals = Journals::open(backend.clone(), clock, Options::default()).await.unwrap();
        Self { backend: backend.clone(), journals }
    }

    async fn empty() -> Self {
        Self::over(&Arc::default()).await
    }

    /// One with all that a store can have, in several namespaces, and with much that is not to be copied.
    async fn full() -> Self {
        let source = Self::empty().await;
        for (at, name) in
            ["app", "team/app", "team/base", "team-x/app", "team/0/app", "team/sub/app"].iter().enumerate()
        {
            source.push(name, "1.0.0", &noise(at as u8, 3_500)).await;
        }
        source.push("team/app", "1.0.1", b"small").await;
        source.push("team/app", "1.0.1-again", b"small").await;
        let repository = name("team/app");
        let long = source.large(&repository, Algorithm::Sha512, &noise(9, 1_500)).await;
        let mixed = noise(8, 700);
        let mut body = source.staged(&repository, &mixed[..500]).await;
        body.pieces.push(Piece::Attached(mixed.slice(500..)));
        body.size = 700;
        source.propose(&repository, blob(&repository, Digest::sha256(&mixed), body)).await;
        source.put_manifest(&repository, "large", &[long], noise(7, 1_200), true).await;

        source.journals.checkpoint_all().await;
        let leftovers = [
            keys::upload_state(&team(), Uuid::nil(), 1),
            keys::data(&team(), SystemClock::default().uuid(crate::clock::Timestamp::default())),
            keys::upload_state(&Namespace::parse("nobody").unwrap(), Uuid::nil(), 1),
            Key::new("probe/1").unwrap(),
            Key::new("ns/README").unwrap(),
            Key::new("ns/team/_journal/README").unwrap(),
        ];
        for key in leftovers {
            source.backend.create(&key, vec![Bytes::from_static(b"?")]).await.unwrap();
        }
        source
    }

    async fn propose(&self, repository: &RepositoryName, change: Change) {
        let proposal = Proposal { change, actor: crate::journal::Actor::system("test", "r", Uuid::nil()) };
        self.journals.propose(&repository.namespace(), proposal).await.unwrap();
    }

    /// A blob of several objects, or one that rides along, and a manifest that refers to it.
    async fn push(&self, repository: &str, tag: &str, content: &[u8]) -> Digest {
        let (repository, content) = (name(repository), Bytes::copy_from_slice(content));
        let digest = match content.len() <= 100 {
            true => {
                let digest = Digest::sha256(&content);
                let body = Body::attached(content);
                self.propose(&repository, blob(&repository, digest.clone(), body)).await;
                digest
            }
            false => self.large(&repository, Algorithm::Sha256, &content).await,
        };
        let manifest = Bytes::from(format!("manifest {tag} of {digest}"));
        self.put_manifest(&repository, tag, &[digest], manifest, false).await
    }

    async fn large(&self, repository: &RepositoryName, algorithm: Algorithm, content: &Bytes) -> Digest {
        let digest = Digest::of(algorithm, content);
        let body = self.staged(repository, content).await;
        self.propose(repository, blob(repository, digest.clone(), body)).await;
        digest
    }

    /// Data objects that nothing names yet.
    async fn staged(&self, repository: &RepositoryName, content: &[u8]) -> Body {
        let namespace = repository.namespace();
        let mut body = Body { size: content.len() as u64, pieces: Vec::new() };
        for part in content.chunks(EXTENT) {
            let id = self.journals.new_object(&namespace).await.unwrap();
            let key = keys::data(&namespace, id);
            self.backend.create(&key, vec![Bytes::copy_from_slice(part)]).await.unwrap();
            let (length, crc32c) = (part.len() as u64, Crc32c::of(part).0);
            body.pieces.push(Piece::Object { id, offset: 0, length, crc32c });
        }
        body
    }

    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        tag: &str,
        blobs: &[Digest],
        bytes: Bytes,
        large: bool,
    ) -> Digest {
        let digest = Digest::sha256(&bytes);
        let body = if large { self.staged(repository, &bytes).await } else { Body::attached(bytes) };
        let manifest = NewManifest {
            repository: repository.clone(),
            digest: digest.clone(),
            media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
            body,
            blobs: blobs.to_vec(),
            children: Vec::new(),
            sizes: Vec::new(),
            tags: vec![Tag::parse(tag).unwrap()],
            listed: Vec::new(),
            subject: None,
            artifact_type: None,
            annotations: None,
            chart: None,
            replace: Replace::AsPolicySays,
            condition: Condition::default(),
        };
        self.propose(repository, Change::Manifest(Box::new(manifest))).await;
        digest
    }

    async fn state(&self, namespace: &Namespace) -> Option<Arc<State>> {
        self.journals.current(namespace).await.unwrap()
    }

    /// The data object that holds the `n`-th extent of a blob of namespace `team`.
    async fn object(&self, content: &[u8], n: usize) -> Uuid {
        let state = self.state(&team()).await.unwrap();
        state.contents.get(&Digest::sha256(content)).unwrap().extents[n].object().unwrap()
    }
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn team() -> Namespace {
    Namespace::parse("team").unwrap()
}

fn blob(repository: &RepositoryName, digest: Digest, content: Body) -> Change {
    Change::Blob { repository: repository.clone(), digest, content }
}

fn noise(seed: u8, length: usize) -> Bytes {
    let mut block = Digest::sha256(&[seed]);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        bytes.extend_from_slice(block.as_bytes());
        block = Digest::sha256(block.as_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Everything in a store.
async fn content(backend: &Memory) -> BTreeMap<Key, Bytes> {
    let mut content = BTreeMap::new();
    for key in backend.list("", "", usize::MAX).await.unwrap() {
        let bytes = backend.read(&key, None).await.unwrap();
        content.insert(key, bytes);
    }
    content
}

/// What a copy of the store must have: its journal, its catalog, and the data that the states name.
async fn worth_copying(backend: &Arc<Memory>) -> BTreeMap<Key, Bytes> {
    let source = Source::over(backend).await;
    let mut all = content(backend).await;
    let mut named = Vec::new();
    for key in all.keys().filter_map(keys::namespace_of) {
        let state = source.state(&key).await.unwrap_or_default();
        let healthy = state.objects.keys().filter(|id| !state.damaged_objects.contains(*id));
        named.extend(healthy.map(|id| keys::data(&key, *id)));
    }
    all.retain(|key, _| {
        let text = key.as_str();
        let is_commit = text.contains("/_journal/") && keys::commit_seq(key).is_some();
        text == "layout" || text.starts_with("catalog/") || is_commit || named.contains(key)
    });
    all
}

/// Everything that the states of a store name is there and is what it should be.
async fn assert_whole(backend: &Arc<Memory>) {
    let store = Source::over(backend).await;
    let all = content(backend).await;
    for namespace in all.keys().filter_map(keys::namespace_of) {
        let state = store.state(&namespace).await.expect("a journal for all data");
        let is_healthy = |extent: &&Extent| !state.is_damaged(std::slice::from_ref(*extent));
        for extent in state.all_extents().filter(is_healthy) {
            let (key, offset) = match extent.place {
                Place::Object { id, offset } => (keys::data(&namespace, id), offset),
                Place::Commit { seq, offset } => (keys::commit(&namespace, seq), offset),
            };
            let bytes = backend.read(&key, Some(offset..offset + extent.length)).await.unwrap();
            assert_eq!(Crc32c::of(&bytes).0, extent.crc32c, "{key}");
        }
        let repositories = state.repositories.keys().map(keys::marker);
        repositories.for_each(|marker| assert!(all.contains_key(&marker), "{marker}"));
    }
}

async fn copy(from: &Arc<impl Backend>, to: &Arc<impl Backend>) -> Result<Summary, TransferError> {
    super::copy(from.clone(), to.clone(), &|_: Event<'_>| {}).await
}

/// Puts other bytes under a key.
async fn replace(backend: &Memory, key: &Key, bytes: Bytes) {
    backend.delete(std::slice::from_ref(key)).await.unwrap();
    assert_eq!(backend.create(key, vec![bytes]).await.unwrap(), Create::Created);
}

#[tokio::test(start_paused = true)]
async fn a_copy_has_the_journal_and_what_it_names_and_nothing_else() {
    let source = Source::full().await;
    let (before, expected) = (content(&source.backend).await, worth_copying(&source.backend).await);
    assert!(
        before.keys().any(|key| key.as_str().contains("/_checkpoint/")),
        "there is what must not be copied"
    );
    let to = Arc::<Memory>::default();
    let summary = copy(&source.backend, &to).await.unwrap();
    assert!(summary.complete && summary.failed.is_empty(), "{summary:?}");
    assert_eq!(content(&to).await, expected);
    assert_eq!(content(&source.backend).await, before, "the source is as it was");

    let names: Vec<_> = summary.namespaces.iter().map(|copied| copied.namespace.as_str()).collect();
    assert_eq!(names, ["", "team", "team-x", "team/0", "team/sub"]);
    let copy_of_it = Source::over(&to).await;
    for copied in &summary.namespaces {
        let state = source.state(&copied.namespace).await;
        assert_eq!(copy_of_it.state(&copied.namespace).await, state);
        assert_eq!((copied.head, copied.commits), (state.as_ref().unwrap().seq, copied.head));
        assert_eq!(copied.objects, state.unwrap().objects.len() as u64);
    }
    let sum =
        |of: fn(&super::Copied) -> u64, summary: &Summary| summary.namespaces.iter().map(of).sum::<u64>();
    let bytes = expected
        .iter()
        .filter(|(key, _)| key.as_str().starts_with("ns/"))
        .map(|(_, bytes)| bytes.len() as u64);
    assert_eq!(sum(|copied| copied.bytes, &summary), bytes.sum::<u64>());

    let again = copy(&source.backend, &to).await.unwrap();
    assert!(again.complete);
    assert_eq!(sum(|copied| copied.bytes + copied.objects + copied.commits, &again), 0, "all is there");
    assert_eq!(
        sum(|copied| copied.verified, &again),
        sum(|copied| copied.verified, &summary),
        "and verified"
    );
}

/// A copy is a backup: what was deleted by mistake can be restored from it.
#[tokio::test(start_paused = true)]
async fn mutant_copy_without_what_can_be_restored_is_caught() {
    let source = Source::full().await;
    let (team, content) = (name("team/app"), noise(80, 2_500));
    let blob = source.large(&team, Algorithm::Sha256, &content).await;
    let manifest =
        source.put_manifest(&team, "8.0.0", std::slice::from_ref(&blob), noise(81, 2_000), true).await;
    let (repository, digest, condition) = (team.clone(), manifest.clone(), Condition::default());
    source.propose(&team, Change::Delete { repository, digest, condition, now: false }).await;
    let (repository, digest) = (team.clone(), blob.clone());
    source.propose(&team, Change::Unlink { repository, digest, now: false }).await;
    let deleted = source.state(&team.namespace()).await.unwrap().seq - 1;

    let to = Arc::<Memory>::default();
    assert!(copy(&source.backend, &to).await.unwrap().complete);
    assert_eq!(self::content(&to).await, worth_copying(&source.backend).await);
    assert_whole(&to).await;
    let restored = Source::over(&to).await;
    let op = RestoreOp {
        manifests: vec![(team.clone(), manifest.clone(), deleted)],
        blobs: vec![(team.clone(), blob, deleted + 1)],
        tags: vec![(team.clone(), Tag::parse("8.0.0").unwrap(), manifest.clone(), deleted, false)],
    };
    restored.propose(&team, Change::Restore(op)).await;
    let state = restored.state(&team.namespace()).await.unwrap();
    assert_eq!(state.tag(&team, &Tag::parse("8.0.0").unwrap()).unwrap().digest, manifest);
}

#[tokio::test(start_paused = true)]
async fn progress_tells_of_every_byte_and_commit() {
    let source = Source::full().await;
    let (told, done) = (std::sync::Mutex::new((0, 0)), std::sync::Mutex::new((0, 0)));
    let tell = |event: Event<'_>| match event {
        Event::Namespace { position, of, .. } => assert!((1..=of).contains(&position)),
        Event::Data { bytes } => told.lock().unwrap().0 += bytes,
        Event::Journal { commits } => told.lock().unwrap().1 += commits,
        Event::Verified { bytes } => done.lock().unwrap().0 += bytes,
        Event::Appended => done.lock().unwrap().1 += 1,
    };
    let summary = super::copy(source.backend.clone(), Arc::<Memory>::default(), &tell).await.unwrap();
    let verified = summary.namespaces.iter().map(|copied| copied.verified).sum();
    let heads = summary.namespaces.iter().map(|copied| copied.head).sum();
    assert_eq!(*told.lock().unwrap(), (verified, heads));
    assert_eq!(*done.lock().unwrap(), (verified, heads));
}

#[tokio::test]
async fn namespaces_are_found_without_a_look_at_their_data() {
    let source = Source::full().await;
    let key = |at: usize| Key::new(format!("ns/team/_data/000000/{at:06}")).unwrap();
    for at in 0..20_000 {
        source.backend.create(&key(at), Vec::new()).await.unwrap();
    }
    let counted = Arc::new(crate::backend::faulty::Faulty::new(source.backend.clone()));
    let found = super::namespaces(&super::Store::new(counted.clone(), super::Side::From)).await.unwrap();
    let names: Vec<_> = found.iter().map(Namespace::as_str).collect();
    assert_eq!(names, ["", "nobody", "team", "team-x", "team/0", "team/sub"]);
    assert!(counted.counts().total() <= 4, "{:?}", counted.counts());
}
