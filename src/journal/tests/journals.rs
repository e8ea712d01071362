//! The journal through its public face, over the memory backend.

use std::sync::Arc;

use bytes::Bytes;

use crate::backend::{Backend, Memory};
use crate::clock::{Clock, SystemClock};
use crate::journal::*;
use crate::oci::{Condition, Digest, MediaType, Namespace, OCI_MANIFEST, RepositoryName, Tag};

async fn open(backend: &Arc<Memory>, mode: Mode) -> Arc<Journals> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let backend: Arc<dyn Backend> = backend.clone();
    Journals::open(backend, clock, Options { mode, ..Options::default() }).await.unwrap()
}

fn propose(change: Change) -> Proposal {
    Proposal { change, actor: crate::journal::Actor::system("test", "r1", uuid::Uuid::nil()) }
}

fn app() -> RepositoryName {
    RepositoryName::parse("team/app").unwrap()
}

fn team() -> Namespace {
    Namespace::parse("team").unwrap()
}

fn blob(content: &'static str) -> Change {
    let body = Body::attached(Bytes::from_static(content.as_bytes()));
    Change::Blob { repository: app(), digest: Digest::sha256(content.as_bytes()), content: body }
}

fn manifest(body: &'static str, blobs: &[&str], tag: &str) -> Change {
    Change::Manifest(Box::new(NewManifest {
        repository: app(),
        digest: Digest::sha256(body.as_bytes()),
        media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
        body: Body::attached(Bytes::from_static(body.as_bytes())),
        blobs: blobs.iter().map(|b| Digest::sha256(b.as_bytes())).collect(),
        children: Vec::new(),
        sizes: Vec::new(),
        tags: vec![Tag::parse(tag).unwrap()],
        listed: Vec::new(),
        subject: None,
        artifact_type: None,
        annotations: None,
        chart: None,
        replace: crate::journal::Replace::AsPolicySays,
        condition: Condition::default(),
    }))
}

#[tokio::test]
async fn what_was_pushed_is_there_for_another_replica_and_after_a_restart() {
    for mode in [Mode::Single, Mode::Shared] {
        let backend = Arc::new(Memory::default());
        let first = open(&backend, mode).await;
        let other = open(&backend, mode).await;
        assert!(first.current(&team()).await.unwrap().is_none());
        first.propose(&team(), propose(blob("layer"))).await.unwrap();
        let missing = first.propose(&team(), propose(manifest("m", &["nowhere"], "1.0.0"))).await;
        assert!(matches!(missing, Err(ProposeError::Refused(Refusal::ReferenceUnknown(_)))), "{missing:?}");
        first.propose(&team(), propose(manifest("m", &["layer"], "1.0.0"))).await.unwrap();
        first.checkpoint_all().await;

        let state = other.current(&team()).await.unwrap().unwrap();
        let tag = state.tag(&app(), &Tag::parse("1.0.0").unwrap()).unwrap();
        assert_eq!(tag.digest, Digest::sha256(b"m"));
        assert_eq!(state.blob(&app(), &Digest::sha256(b"layer")).unwrap().size, 5);
        assert_eq!(*state, *open(&backend, mode).await.current(&team()).await.unwrap().unwrap());
        assert!(first.current(&Namespace::parse("nobody").unwrap()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn foreign_files_in_a_journal_are_passed_over_and_hide_no_loss() {
    let backend = Arc::new(Memory::default());
    let first = open(&backend, Mode::Single).await;
    for content in ["a", "b", "c", "d", "e"] {
        first.propose(&team(), propose(blob(content))).await.unwrap();
    }
    let folder = format!("{}0000000000000000", keys::commits(&team()));
    let checkpoints = keys::checkpoints(&team(), keys::FOLD_VERSION);
    for foreign in ["0000.bak", "0003.bak", "0003.swp", "0005.bak", "README", "0006-old"] {
        let key = crate::backend::Key::new(format!("{folder}/{foreign}")).unwrap();
        backend.create(&key, vec![Bytes::from_static(b"?")]).await.unwrap();
    }
    let key = crate::backend::Key::new(format!("{checkpoints}.keep")).unwrap();
    backend.create(&key, vec![Bytes::new()]).await.unwrap();
    let state = open(&backend, Mode::Single).await.current(&team()).await.unwrap().unwrap();
    assert_eq!(state.seq, 5);

    backend.delete(&[keys::commit(&team(), 4)]).await.unwrap();
    let lost = open(&backend, Mode::Single).await.current(&team()).await;
    assert!(matches!(&lost, Err(JournalError::Broken(why)) if why.contains("lost commit 4")), "{lost:?}");
}

#[tokio::test]
async fn an_attached_body_lies_where_the_state_says() {
    let backend = Arc::new(Memory::default());
    let journals = open(&backend, Mode::Single).await;
    let ns = team();
    let (one, two) = tokio::join!(
        journals.propose(&ns, propose(blob("first body"))),
        journals.propose(&ns, propose(blob("second")))
    );
    assert!(one.unwrap().changed && two.unwrap().changed);
    let state = journals.current(&team()).await.unwrap().unwrap();
    for content in ["first body", "second"] {
        let extent = state.blob(&app(), &Digest::sha256(content.as_bytes())).unwrap().extents[0];
        let Place::Commit { seq, offset } = extent.place else { panic!("{extent:?}") };
        let key = keys::commit(&team(), seq);
        let bytes = backend.read(&key, Some(offset..offset + extent.length)).await.unwrap();
        assert_eq!(bytes, content.as_bytes());
        assert_eq!(Crc32c::of(&bytes).0, extent.crc32c);
    }
}
