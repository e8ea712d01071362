//! Stores that have lost something or hold wrong bytes.

use super::*;
use crate::journal::commit;

/// A copy in which namespace `team` failed for this reason, and all others did not.
async fn fails_for(source: &Source, to: &Arc<Memory>, reasons: &[&str]) -> Summary {
    let summary = copy(&source.backend, to).await.unwrap();
    let [failed] = &summary.failed[..] else { panic!("{summary:?}") };
    assert_eq!(failed.namespace, team());
    reasons.iter().for_each(|reason| assert!(failed.reason.contains(reason), "{reason}: {}", failed.reason));
    assert_eq!(summary.namespaces.len(), 4, "the others are copied");
    assert!(!summary.complete);
    let there = content(to).await;
    assert!(!there.contains_key("layout"), "what is not complete is not served");
    summary
}

async fn assert_no_journal(to: &Arc<Memory>) {
    assert!(to.list(&keys::commits(&team()), "", 1).await.unwrap().is_empty(), "no journal without its data");
}

#[tokio::test(start_paused = true)]
async fn lost_or_wrong_data_stops_its_namespace_and_is_named() {
    let bytes = noise(1, 3_500);
    let lost = format!("team/app@{}", Digest::sha256(&bytes));
    for wrong in [None, Some(noise(99, EXTENT)), Some(noise(1, 10))] {
        let source = Source::full().await;
        let object = source.object(&bytes, 2).await;
        let key = keys::data(&team(), object);
        match &wrong {
            Some(wrong) => replace(&source.backend, &key, wrong.clone()).await,
            None => source.backend.delete(std::slice::from_ref(&key)).await.unwrap(),
        }
        let to = Arc::<Memory>::default();
        fails_for(&source, &to, &[&lost, "which records the loss"]).await;
        assert_no_journal(&to).await;

        // The journal learns of it, as it does when a server cannot read the bytes.
        source
            .propose(
                &name("team/app"),
                Change::Damaged(crate::journal::BodiesOp { objects: vec![object], bodies: Vec::new() }),
            )
            .await;
        let summary = copy(&source.backend, &to).await.unwrap();
        assert!(summary.complete, "{summary:?}");
        let damaged: Vec<_> = summary.namespaces.iter().flat_map(|copied| &copied.damaged).collect();
        assert_eq!(damaged, [&lost]);
        assert!(!content(&to).await.contains_key(&key));
        assert_eq!(Source::over(&to).await.state(&team()).await, source.state(&team()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_in_a_commit_are_found() {
    let source = Source::full().await;
    let state = source.state(&team()).await.unwrap();
    let extent = state.contents.get(&Digest::sha256(b"small")).unwrap().extents[0];
    let Place::Commit { seq, offset } = extent.place else { panic!("{extent:?}") };
    let key = keys::commit(&team(), seq);
    let mut bytes = source.backend.read(&key, None).await.unwrap().to_vec();
    bytes[offset as usize] ^= 1;
    replace(&source.backend, &key, bytes.into()).await;
    let to = Arc::<Memory>::default();
    fails_for(&source, &to, &[&format!("team/app@{}", Digest::sha256(b"small"))]).await;
    assert_no_journal(&to).await;
}

/// The checksums of its extents hold, and still it is not what its digest says.
#[tokio::test(start_paused = true)]
async fn a_blob_that_is_not_what_its_digest_says_is_found() {
    let source = Source::full().await;
    let (repository, digest) = (name("team/app"), Digest::sha256(b"something else"));
    let body = source.staged(&repository, &noise(60, 1_500)).await;
    source.propose(&repository, blob(&repository, digest.clone(), body)).await;
    let to = Arc::<Memory>::default();
    fails_for(&source, &to, &[&format!("team/app@{digest}")]).await;
    assert_no_journal(&to).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_journal_stops_its_namespace_and_is_named() {
    let source = Source::full().await;
    let key = keys::commit(&team(), 3);
    let third = source.backend.read(&key, None).await.unwrap();
    let to = Arc::<Memory>::default();

    source.backend.delete(std::slice::from_ref(&key)).await.unwrap();
    fails_for(&source, &to, &["commit 3 is missing, and commit 4 is there"]).await;
    assert_no_journal(&to).await;

    let forged = String::from_utf8_lossy(&third).replacen("system:test", "system:tesu", 1).into_bytes();
    source.backend.create(&key, vec![forged.clone().into()]).await.unwrap();
    fails_for(&source, &to, &["commit 3 cannot be read: its line does not have the checksum"]).await;
    assert_no_journal(&to).await;

    // A forger mends the checksum of the line as well.
    replace(&source.backend, &key, commit::resealed(&forged).into()).await;
    fails_for(&source, &to, &["commit 4 does not follow the commit before it"]).await;
    assert_no_journal(&to).await;

    replace(&source.backend, &key, third).await;
    assert!(copy(&source.backend, &to).await.unwrap().complete, "mended, it is copied");
    assert_eq!(content(&to).await, worth_copying(&source.backend).await);
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_in_the_target_are_found_and_named() {
    let source = Source::full().await;
    let key = keys::data(&team(), source.object(&noise(1, 3_500), 2).await);
    for wrong in [noise(99, EXTENT), Bytes::new()] {
        let to = Arc::<Memory>::default();
        copy(&source.backend, &to).await.unwrap();
        to.delete(&[keys::layout()]).await.unwrap();
        replace(&to, &key, wrong).await;
        fails_for(&source, &to, &[key.as_str(), "delete it there"]).await;
        to.delete(std::slice::from_ref(&key)).await.unwrap();
        assert!(copy(&source.backend, &to).await.unwrap().complete);
        assert_eq!(content(&to).await, worth_copying(&source.backend).await);
    }
}
