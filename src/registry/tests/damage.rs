//! Damage that is found, the limits on recording it, and content that is right again.

use super::*;
use crate::backend::Key;
use crate::journal::DamageKind;

const OBJECT: usize = 20_000;

async fn delete_data(store: &Store) -> Vec<(Key, Bytes)> {
    let mut objects = Vec::new();
    for key in store.keys("/_data/").await {
        objects.push((key.clone(), store.backend.read(&key, None).await.unwrap()));
        store.backend.delete(&[key]).await.unwrap();
    }
    objects
}

async fn restore_data(store: &Store, objects: Vec<(Key, Bytes)>) {
    for (key, bytes) in objects {
        store.backend.create(&key, vec![bytes]).await.unwrap();
    }
}

async fn state_of_team(registry: &Registry) -> Arc<State> {
    registry.journals.current(&name("team/app").namespace()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_store_that_has_nothing_marks_ten_objects_and_recovers() {
    let store = Store::new();
    let writer = store.registry().await;
    let mut digests = Vec::new();
    for seed in 0..200 {
        digests.push(push_blob(&writer, "team/app", &noise(OBJECT, seed)).await);
    }
    let objects = delete_data(&store).await;

    let registry = store.registry().await;
    let repository = name("team/app");
    for _ in 0..2 {
        let mut marked = 0;
        for digest in &digests {
            match read(&registry, "team/app", digest).await {
                Err(Error::Damaged(_) | Error::BlobUnknown(_)) => marked += 1,
                Err(Error::Unreadable(_)) => {
                    registry.blob(&repository, digest).await.expect("nothing is recorded of it");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(marked, 10);
    }
    assert!(registry.is_marking_stopped());
    assert_eq!(state_of_team(&registry).await.damaged_objects.len(), 10);
    assert_eq!(registry.journals.damage().count(DamageKind::Object), 10);
    let pushed = registry.upload(&repository, &digests[199], &mut body(&noise(OBJECT, 199)), &who()).await;
    assert!(matches!(pushed, Err(Error::Unreadable(_))), "it would be acknowledged without its bytes");

    restore_data(&store, objects).await;
    let mut served = 0;
    for digest in &digests {
        served += u32::from(read(&registry, "team/app", digest).await.is_ok());
    }
    assert_eq!(served, 190, "what is marked was looked at a moment ago");
    store.clock.advance(Duration::from_secs(61));
    for (seed, digest) in (0..).zip(&digests) {
        assert!(read(&registry, "team/app", digest).await.unwrap() == noise(OBJECT, seed));
    }
    assert!(state_of_team(&registry).await.damaged_objects.is_empty());
    let restarted = store.registry().await;
    for digest in &digests {
        read(&restarted, "team/app", digest).await.unwrap();
    }
    store.clock.advance(Duration::from_secs(10 * 60));
    assert!(!registry.is_marking_stopped());
}

#[tokio::test]
async fn many_readers_of_one_damaged_blob_mark_it_once() {
    let store = Store::new();
    let writer = store.registry().await;
    let digest = push_blob(&writer, "team/app", &noise(2_000_000, 1)).await;
    assert!(store.keys("/_data/").await.len() > 20);
    delete_data(&store).await;
    let registry = store.registry().await;
    let blob = registry.blob(&name("team/app"), &digest).await.unwrap();
    let reads = (0..30).map(async |_| registry.read_blob(blob.clone(), 0..u64::MAX).next().await.unwrap());
    for read in futures_util::future::join_all(reads).await {
        assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    }
    assert!(!registry.is_marking_stopped());
    assert_eq!(registry.journals.damage().count(DamageKind::Object), 1);
    push_blob(&registry, "team/app", &noise(2_000_000, 1)).await;
    assert!(read(&registry, "team/app", &digest).await.unwrap() == noise(2_000_000, 1));
}

#[tokio::test]
async fn content_that_is_damaged_still_stays_marked_after_a_recheck() {
    let store = Store::new();
    let writer = store.registry().await;
    let document = image(&writer, "team/app", 1).await;
    push_manifest(&writer, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    let commits = store.keys("/_journal/").await;
    // The end of a commit is the end of what is attached to it: here a blob, and a manifest.
    let originals = [0, 1].map(|n| commits[n].clone());
    let mut kept = Vec::new();
    for key in &originals {
        kept.push(store.backend.read(key, None).await.unwrap());
        store.harm(key, Harm::Cut).await;
    }
    let registry = store.registry().await;
    let (repository, blob) = (name("team/app"), Digest::sha256(&noise(100, 1)));
    assert!(matches!(read(&registry, "team/app", &blob).await, Err(Error::Damaged(_))));
    for reference in [as_tag("1.0.0"), as_digest(&document)] {
        let found = registry.manifest(&repository, &reference).await;
        assert!(matches!(found, Err(Error::Damaged(_) | Error::ManifestUnknown(_))), "{found:?}");
        let stat = registry.manifest_stat(&repository, &reference).await;
        assert!(matches!(stat, Err(Error::ManifestUnknown(_))), "{stat:?}");
    }
    assert_eq!(registry.journals.damage().count(DamageKind::Body), 2);
    store.clock.advance(Duration::from_secs(61));
    assert!(matches!(registry.blob(&repository, &blob).await, Err(Error::BlobUnknown(_))));
    assert_eq!(state_of_team(&registry).await.damaged_bodies.len(), 2);

    for (key, bytes) in originals.iter().zip(kept) {
        store.backend.delete(std::slice::from_ref(key)).await.unwrap();
        store.backend.create(key, vec![bytes]).await.unwrap();
    }
    let again = registry.blob(&repository, &blob).await;
    assert!(matches!(again, Err(Error::BlobUnknown(_))), "it was looked at a moment ago");
    store.clock.advance(Duration::from_secs(61));
    registry.blob(&repository, &blob).await.unwrap();
    registry.manifest_stat(&repository, &as_tag("1.0.0")).await.unwrap();
    assert!(state_of_team(&registry).await.damaged_bodies.is_empty());
}

/// A copy that is good says nothing of another one: of another namespace, or of another repository's manifest.
#[tokio::test]
async fn a_cached_copy_does_not_hide_the_damage_of_another() {
    let store = Store::new();
    let writer = store.registry().await;
    let (here, there) = (image(&writer, "team/app", 1).await, image(&writer, "other/app", 1).await);
    push_manifest(&writer, "team/app", &as_tag("1.0.0"), &here).await.unwrap();
    push_manifest(&writer, "other/app", &as_tag("1.0.0"), &there).await.unwrap();
    for commit in store.keys("ns/other/_journal/").await {
        store.harm(&commit, Harm::Cut).await;
    }
    let registry = store.registry().await;
    let blob = Digest::sha256(&noise(100, 1));
    read(&registry, "team/app", &blob).await.unwrap();
    registry.manifest(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
    assert!(matches!(read(&registry, "other/app", &blob).await, Err(Error::Damaged(_))));
    let lost = registry.manifest(&name("other/app"), &as_tag("1.0.0")).await;
    assert!(matches!(lost, Err(Error::Damaged(_))), "{lost:?}");
}

/// The bytes of a push are known to be right; those that are stored are not.
#[tokio::test]
async fn a_push_of_small_content_reads_what_is_stored_before_it_is_acknowledged() {
    for size in [1_000, OBJECT] {
        let store = Store::new();
        let writer = store.registry().await;
        let bytes = noise(size, 1);
        let digest = push_blob(&writer, "team/app", &bytes).await;
        match store.keys("/_data/").await.first() {
            Some(object) => store.harm(object, Harm::Flip).await,
            None => store.harm(&store.keys("/_journal/").await[0], Harm::Cut).await,
        }
        push_blob(&*store.registry().await, "team/app", &bytes).await;
        assert_eq!(read(&store.registry().await, "team/app", &digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_push_of_large_content_that_is_held_remembers_nothing() {
    let store = Store::new();
    let writer = store.registry().await;
    let bytes = noise(400_000, 1);
    let digest = push_blob(&writer, "team/app", &bytes).await;
    store.harm(&store.keys("/_data/").await[3], Harm::Flip).await;
    let registry = store.registry().await;
    push_blob(&registry, "team/app", &bytes).await;
    assert!(matches!(read(&registry, "team/app", &digest).await, Err(Error::Damaged(_))));
    push_blob(&registry, "team/app", &bytes).await;
    for registry in [registry, store.registry().await] {
        assert!(read(&registry, "team/app", &digest).await.unwrap() == bytes);
    }
}

#[tokio::test]
async fn a_damaged_upload_state_is_never_committed() {
    let store = Store::new();
    let registry = store.registry().await;
    let (repository, bytes) = (name("team/app"), noise(30_000, 1));
    let digest = Digest::sha256(&bytes);
    for (at, size) in [(0usize, 30_000), (10, 30_000), (60, 30_000), (200, 30_000), (20, 9_000), (300, 9_000)]
    {
        let session = registry.start_upload(&repository, None, &who()).to_string();
        let chunk = &mut body(&bytes[..size]);
        let progress = registry.append_upload(&repository, &session, None, chunk, &who()).await.unwrap();
        let key = store.keys("/_upload/").await.pop().unwrap();
        let mut state = store.backend.read(&key, None).await.unwrap().to_vec();
        let at = at.min(state.len() - 1);
        state[at] ^= 1;
        store.backend.delete(std::slice::from_ref(&key)).await.unwrap();
        store.backend.create(&key, vec![state.into()]).await.unwrap();

        let session = progress.session.to_string();
        let rest = &mut body(&bytes[size..]);
        let closed = registry.finish_upload(&repository, &session, &digest, None, rest, &who()).await;
        assert!(matches!(closed, Err(Error::UploadUnknown)), "{at}: {closed:?}");
        let asked = registry.upload_progress(&repository, &session, &who()).await;
        assert!(matches!(asked, Err(Error::UploadUnknown)), "{at}: {asked:?}");
        assert!(registry.blob(&repository, &digest).await.is_err());
        store.backend.delete(&[key]).await.unwrap();
    }
    push_blob(&registry, "team/app", &bytes).await;
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
}
