//! Pairs of stores that are no source and no copy of it.

use super::*;

async fn refused(from: &Arc<Memory>, to: &Arc<Memory>) -> TransferError {
    let before = content(to).await;
    let error = copy(from, to).await.expect_err("it is refused");
    let after = content(to).await;
    let journal = |content: &BTreeMap<Key, Bytes>| {
        content.clone().into_iter().filter(|(key, _)| !key.as_str().contains("/_data/")).collect::<Vec<_>>()
    };
    assert_eq!(journal(&before), journal(&after), "{error}: nothing but data was added");
    error
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_no_store_or_of_another_version_is_refused() {
    let (from, to) = (Arc::<Memory>::default(), Arc::<Memory>::default());
    assert!(matches!(refused(&from, &to).await, TransferError::NoSource));
    let source = Source::full().await;
    let mut layout: serde_json::Value =
        serde_json::from_slice(&source.backend.read(&keys::layout(), None).await.unwrap()).unwrap();
    for (field, reason) in [("format", "format 7"), ("min_writer", "release 7")] {
        let kept = std::mem::replace(&mut layout[field], 7.into());
        replace(&source.backend, &keys::layout(), layout.to_string().into()).await;
        let said = refused(&source.backend, &to).await.to_string();
        assert!(said.starts_with("FROM: ") && said.contains(reason), "{said}");
        layout[field] = kept;
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_copy_is_no_source() {
    let source = Source::full().await;
    let half = Arc::<Memory>::default();
    copy(&source.backend, &half).await.unwrap();
    half.delete(&[keys::layout()]).await.unwrap();
    assert!(matches!(refused(&half, &Arc::default()).await, TransferError::NoSource));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_another_store_is_refused() {
    let (source, other) = (Source::full().await, Source::full().await);
    assert!(matches!(refused(&source.backend, &other.backend).await, TransferError::AnotherStore));
    assert!(matches!(
        refused(&source.backend, &Source::empty().await.backend).await,
        TransferError::AnotherStore
    ));

    // Another one that has lost its layout, or is half a copy of another store.
    other.backend.delete(&[keys::layout()]).await.unwrap();
    let error = refused(&source.backend, &other.backend).await;
    assert!(matches!(error, TransferError::OwnHistory { .. }), "{error:?}");
    let stranger = Source::empty().await;
    stranger.push("stranger/app", "1.0.0", b"x").await;
    stranger.backend.delete(&[keys::layout()]).await.unwrap();
    let error = refused(&source.backend, &stranger.backend).await;
    assert!(error.to_string().starts_with("TO holds namespace `stranger`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_written_itself_is_refused() {
    let source = Source::full().await;
    let to = Arc::<Memory>::default();
    copy(&source.backend, &to).await.unwrap();
    let seq = source.state(&team()).await.unwrap().seq + 1;
    Source::over(&to).await.push("team/app", "9.0.0", b"of its own").await;
    for _ in 0..2 {
        let error = refused(&source.backend, &to).await;
        assert!(matches!(&error, TransferError::OwnHistory { seq: at, .. } if *at == seq), "{error:?}");
        assert!(error.to_string().contains("TO has a history of its own"), "{error}");
        source.push("team/app", "9.0.0", b"of the source").await;
    }
    let early = Arc::<Memory>::default();
    Source::over(&early).await;
    early.delete(&[keys::layout()]).await.unwrap();
    Source::over(&early).await.push("app", "1.0.0", b"x").await;
    early.delete(&[keys::layout()]).await.unwrap();
    let error = refused(&source.backend, &early).await;
    assert!(error.to_string().contains("commit 1 of namespace `_root`"), "{error}");
}
