use super::*;
use crate::oci::Algorithm;

/// A whole upload by POST, PATCHes and an empty PUT.
async fn push_in_chunks(registry: &Registry, repository: &str, chunks: &[&[u8]]) -> Result<Digest, Error> {
    let repository = name(repository);
    let mut session = registry.start_upload(&repository, None, &who()).to_string();
    for chunk in chunks {
        let progress = registry.append_upload(&repository, &session, None, &mut body(chunk), &who()).await?;
        session = progress.session.to_string();
    }
    let digest = Digest::sha256(&chunks.concat());
    registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await?;
    Ok(digest)
}

#[tokio::test]
async fn a_blob_of_any_size_is_read_back_however_it_was_pushed() {
    let store = Store::new();
    let registry = store.registry().await;
    for (seed, size) in
        [0, 1, 16_384, 16_385, 65_536, 65_537, 262_144, 262_145, 3_000_000].into_iter().enumerate()
    {
        let bytes = noise(size, seed as u64);
        let digest = Digest::sha256(&bytes);
        registry.upload(&name("team/one"), &digest, &mut body(&bytes), &who()).await.unwrap();
        assert_eq!(read(&registry, "team/one", &digest).await.unwrap(), bytes, "POST, {size}");

        let two = name("team/two");
        let session = registry.start_upload(&two, None, &who()).to_string();
        registry.finish_upload(&two, &session, &digest, None, &mut body(&bytes), &who()).await.unwrap();
        assert_eq!(read(&registry, "team/two", &digest).await.unwrap(), bytes, "PUT, {size}");

        let (head, tail) = bytes.split_at(size / 3);
        assert_eq!(push_in_chunks(&registry, "other/three", &[head, tail]).await.unwrap(), digest);
        assert_eq!(read(&registry, "other/three", &digest).await.unwrap(), bytes, "PATCH, {size}");
    }
}

#[tokio::test]
async fn bytes_that_do_not_fit_the_digest_are_refused_and_invisible() {
    let store = Store::new();
    let registry = store.registry().await;
    let (repository, digest) = (name("team/app"), Digest::sha256(b"what was meant"));
    let refused = registry.upload(&repository, &digest, &mut body(b"what arrived"), &who()).await;
    let expected =
        Error::DigestMismatch { expected: digest.clone(), actual: Digest::sha256(b"what arrived") };
    assert_eq!(refused.unwrap_err().to_string(), expected.to_string());
    assert!(matches!(registry.blob(&repository, &digest).await, Err(Error::BlobUnknown(_))));

    let session = registry.start_upload(&repository, None, &who()).to_string();
    let progress =
        registry.append_upload(&repository, &session, None, &mut body(b"what"), &who()).await.unwrap();
    let session = progress.session.to_string();
    let refused =
        registry.finish_upload(&repository, &session, &digest, None, &mut body(b" arrived"), &who()).await;
    assert!(matches!(refused, Err(Error::DigestMismatch { .. })));
    // The session survives: the right bytes can still close it.
    registry
        .finish_upload(&repository, &session, &digest, None, &mut body(b" was meant"), &who())
        .await
        .unwrap();
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), b"what was meant");
}

#[tokio::test]
async fn sha512_is_taken_whether_it_was_announced_or_not() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    for (seed, announced) in [(1, None), (2, Some(Algorithm::Sha512)), (3, Some(Algorithm::Sha256))] {
        let bytes = noise(200_000, seed);
        let digest = Digest::of(Algorithm::Sha512, &bytes);
        let mut session = registry.start_upload(&repository, announced, &who()).to_string();
        for chunk in [&bytes[..90_000], &bytes[90_000..90_005], &bytes[90_005..]] {
            let appended =
                registry.append_upload(&repository, &session, None, &mut body(chunk), &who()).await;
            session = appended.unwrap().session.to_string();
        }
        let wrong = Digest::of(Algorithm::Sha512, b"something else");
        let refused =
            registry.finish_upload(&repository, &session, &wrong, None, &mut body(b""), &who()).await;
        assert!(matches!(refused, Err(Error::DigestMismatch { .. })));
        registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await.unwrap();
        assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn chunks_are_taken_in_order_and_the_refusal_says_where_to_go_on() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    let first = registry.start_upload(&repository, None, &who()).to_string();
    let progress =
        registry.append_upload(&repository, &first, span(0, 5), &mut body(b"01234"), &who()).await.unwrap();
    assert_eq!(progress.length, 5);
    let second = progress.session.to_string();

    // (session, first byte, what comes of it)
    let out_of_order = [(&second, 0), (&second, 4), (&second, 6), (&first, 0)];
    for (session, start) in out_of_order {
        let refused =
            registry.append_upload(&repository, session, span(start, 1), &mut body(b"x"), &who()).await;
        let Err(Error::RangeNotSatisfiable { have: 5, session }) = refused else { panic!("{refused:?}") };
        assert_eq!(session.to_string(), second);
    }
    let stale = registry.append_upload(&repository, &first, None, &mut body(b"56"), &who()).await;
    assert!(matches!(stale, Err(Error::RangeNotSatisfiable { have: 5, .. })));
    let digest = Digest::sha256(b"0123456789");
    let refused =
        registry.finish_upload(&repository, &second, &digest, span(4, 1), &mut body(b"x"), &who()).await;
    assert!(matches!(refused, Err(Error::RangeNotSatisfiable { have: 5, .. })));

    // A client that kept the first location says where it is with the range.
    registry.append_upload(&repository, &first, span(5, 2), &mut body(b"56"), &who()).await.unwrap();
    registry
        .finish_upload(&repository, &first, &digest, span(7, 3), &mut body(b"789"), &who())
        .await
        .unwrap();
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn a_client_that_kept_the_first_location_closes_with_an_empty_body() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    let session = registry.start_upload(&repository, None, &who()).to_string();
    registry.append_upload(&repository, &session, None, &mut body(b"all of it"), &who()).await.unwrap();
    let digest = Digest::sha256(b"all of it");
    registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await.unwrap();
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), b"all of it");
}

#[tokio::test]
async fn a_body_of_another_length_than_its_range_is_refused() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    let session = registry.start_upload(&repository, None, &who()).to_string();
    let refused =
        registry.append_upload(&repository, &session, span(0, 9), &mut body(b"12345"), &who()).await;
    assert!(matches!(refused, Err(Error::SizeMismatch { expected: 9, actual: 5 })));
    assert_eq!(registry.upload_progress(&repository, &session, &who()).await.unwrap().length, 0);
    let digest = Digest::sha256(b"12345");
    let refused =
        registry.finish_upload(&repository, &session, &digest, span(0, 4), &mut body(b"12345"), &who()).await;
    assert!(matches!(refused, Err(Error::SizeMismatch { expected: 4, actual: 5 })));
}

#[tokio::test]
async fn what_arrived_of_a_broken_chunk_is_kept() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    let bytes = noise(300_000, 1);
    let session = registry.start_upload(&repository, None, &who()).to_string();
    let cut =
        registry.append_upload(&repository, &session, None, &mut broken(&bytes[..200_000]), &who()).await;
    assert!(matches!(cut, Err(Error::Body(_))));
    let progress = registry.upload_progress(&repository, &session, &who()).await.unwrap();
    assert_eq!(progress.length, 200_000);
    let digest = Digest::sha256(&bytes);
    let session = progress.session.to_string();
    let rest = &mut body(&bytes[200_000..]);
    registry
        .finish_upload(&repository, &session, &digest, span(200_000, 100_000), rest, &who())
        .await
        .unwrap();
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let store = Store::new();
    let repository = name("team/app");
    let bytes = noise(150_000, 1);
    let mut session = store.registry().await.start_upload(&repository, None, &who()).to_string();
    for chunk in bytes.chunks(40_000) {
        let registry = store.registry().await;
        let progress = registry.append_upload(&repository, &session, None, &mut body(chunk), &who()).await;
        session = progress.unwrap().session.to_string();
    }
    let registry = store.registry().await;
    let digest = Digest::sha256(&bytes);
    registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await.unwrap();
    // The answer was lost: the client closes again, on another replica.
    let registry = store.registry().await;
    registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await.unwrap();
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
    // And once more after the states were swept.
    store.backend.delete(&store.keys("_upload").await).await.unwrap();
    registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await.unwrap();
    let unknown = Digest::sha256(b"never pushed");
    let gone = registry.finish_upload(&repository, &session, &unknown, None, &mut body(b""), &who()).await;
    assert!(matches!(gone, Err(Error::UploadUnknown)));
}

#[tokio::test]
async fn of_two_chunks_at_one_place_one_wins() {
    let store = Store::new();
    let (one, other) = (store.registry().await, store.registry().await);
    let repository = name("team/app");
    for size in [100, 100_000] {
        let session = one.start_upload(&repository, None, &who()).to_string();
        let bytes = noise(size, size as u64);
        let caller = who();
        let (mut a, mut b) = (body(&bytes), body(&bytes));
        let (a, b) = tokio::join!(
            one.append_upload(&repository, &session, None, &mut a, &caller),
            other.append_upload(&repository, &session, None, &mut b, &caller),
        );
        let (winner, loser) = if a.is_ok() { (a, b) } else { (b, a) };
        let winner = winner.unwrap();
        assert!(matches!(loser, Err(Error::RangeNotSatisfiable { have, .. }) if have == size as u64));
        let (session, digest) = (winner.session.to_string(), Digest::sha256(&bytes));
        one.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await.unwrap();
        assert_eq!(read(&one, "team/app", &digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_cancelled_upload_is_unknown() {
    let store = Store::new();
    let (registry, replica) = (store.registry().await, store.registry().await);
    let repository = name("team/app");
    let digest = Digest::sha256(b"bytes");
    let fresh = registry.start_upload(&repository, None, &who()).to_string();
    registry.cancel_upload(&repository, &fresh, &who()).await.unwrap();
    let whole = registry.finish_upload(&repository, &fresh, &digest, None, &mut body(b"bytes"), &who()).await;
    assert!(matches!(whole, Err(Error::UploadUnknown)));

    let session = registry.start_upload(&repository, None, &who()).to_string();
    let progress =
        registry.append_upload(&repository, &session, None, &mut body(b"by"), &who()).await.unwrap();
    let session = progress.session.to_string();
    replica.cancel_upload(&repository, &session, &who()).await.unwrap();
    let probe = registry.upload_progress(&repository, &session, &who()).await;
    let append = registry.append_upload(&repository, &session, None, &mut body(b"tes"), &who()).await;
    let close = registry.finish_upload(&repository, &session, &digest, None, &mut body(b"tes"), &who()).await;
    let again = registry.cancel_upload(&repository, &session, &who()).await;
    assert!(matches!(probe, Err(Error::UploadUnknown)));
    assert!(matches!(append, Err(Error::UploadUnknown)));
    assert!(matches!(close, Err(Error::UploadUnknown)));
    assert!(matches!(again, Err(Error::UploadUnknown)));
}

#[tokio::test]
async fn a_session_is_for_one_repository_one_principal_and_24_hours() {
    let store = Store::new();
    let registry = store.registry().await;
    let (repository, bob) =
        (name("team/app"), Actor { by: crate::journal::PrincipalName::new("user:bob"), ..who() });
    let digest = push_blob(&registry, "team/other", b"held there").await;
    let session = registry.start_upload(&repository, None, &who()).to_string();
    for (foreign, caller) in [(name("team/other"), who()), (name("app"), who()), (repository.clone(), bob)] {
        let probe = registry.upload_progress(&foreign, &session, &caller).await;
        let append = registry.append_upload(&foreign, &session, None, &mut body(b"x"), &caller).await;
        let close = registry.finish_upload(&foreign, &session, &digest, None, &mut body(b""), &caller).await;
        let cancel = registry.cancel_upload(&foreign, &session, &caller).await;
        assert!(matches!(probe, Err(Error::UploadUnknown)));
        assert!(matches!(append, Err(Error::UploadUnknown)));
        assert!(matches!(close, Err(Error::UploadUnknown)));
        assert!(matches!(cancel, Err(Error::UploadUnknown)));
    }
    store.clock.advance(Duration::from_secs(24 * 3600 - 10));
    registry.upload_progress(&repository, &session, &who()).await.unwrap();
    store.clock.advance(Duration::from_secs(11));
    let expired = registry.upload_progress(&repository, &session, &who()).await;
    assert!(matches!(expired, Err(Error::UploadUnknown)));
}

#[tokio::test]
async fn a_whole_upload_leaves_no_state_and_known_content_leaves_nothing() {
    let store = Store::new();
    let registry = store.registry().await;
    let bytes = noise(100_000, 1);
    push_blob(&registry, "team/app", &bytes).await;
    assert_eq!(store.keys("_upload").await.len(), 0);
    let data = store.keys("_data").await.len();
    let commits = store.keys("_journal").await.len();
    push_blob(&registry, "team/app", &bytes).await;
    assert_eq!(store.keys("_data").await.len(), data);
    assert_eq!(store.keys("_journal").await.len(), commits);
}

#[tokio::test]
async fn more_pieces_than_a_session_may_have_are_refused() {
    let store = Store::new();
    let registry = store.registry_with(Limits { extent: 1, ..Limits::default() }).await;
    let repository = name("team/app");
    let bytes = noise(20_000, 1);
    let digest = Digest::sha256(&bytes);
    let refused = registry.upload(&repository, &digest, &mut body(&bytes), &who()).await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: 10_000, .. })));
    let session = registry.start_upload(&repository, None, &who()).to_string();
    let refused = registry.append_upload(&repository, &session, None, &mut body(&bytes), &who()).await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: 10_000, .. })));
}

#[tokio::test]
async fn a_long_stream_leaves_a_state_every_64_mib() {
    let store = Store::new();
    let registry = store.registry_with(Limits::default()).await;
    let repository = name("team/app");
    let mut bytes = Pieces((0..70).map(|_| Ok(Bytes::from(vec![0; 1 << 20]))).collect());
    bytes.0.push_back(Err(BodyError(Arc::new(io::Error::other("the client hung up")))));
    let session = registry.start_upload(&repository, None, &who()).to_string();
    registry.append_upload(&repository, &session, None, &mut bytes, &who()).await.unwrap_err();
    assert_eq!(store.keys("_upload").await.len(), 2);
    assert_eq!(store.keys("_data").await.len(), 9);
    let progress = registry.upload_progress(&repository, &session, &who()).await.unwrap();
    assert_eq!(progress.length, 70 << 20);
}
