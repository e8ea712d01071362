//! Every operation of the store fails once, before or after it took effect; a client that repeats what failed
//! gets there, and what it was told is true.

use super::*;
use crate::backend::faulty::{Effect, Fault};

const CHUNK: usize = 40_000;

/// A client that resumes as the protocol says: after an error it asks how far the upload is.
async fn push_stubbornly(registry: &Arc<Registry>, bytes: &[u8]) -> Digest {
    let (repository, digest) = (name("team/app"), Digest::sha256(bytes));
    let mut session = registry.start_upload(&repository, None, &who()).to_string();
    let mut length = 0;
    for _ in 0..20 {
        let rest = &bytes[length..];
        if rest.is_empty() {
            match registry.finish_upload(&repository, &session, &digest, None, &mut body(b""), &who()).await {
                Ok(()) => return digest,
                Err(Error::Store(_) | Error::OutcomeUnknown) => continue,
                Err(error) => panic!("{error:?}"),
            }
        }
        let chunk = &rest[..rest.len().min(CHUNK)];
        let range = span(length as u64, chunk.len());
        let progress =
            match registry.append_upload(&repository, &session, range, &mut body(chunk), &who()).await {
                Ok(progress) => progress,
                Err(_) => match registry.upload_progress(&repository, &session, &who()).await {
                    Ok(progress) => progress,
                    Err(_) => continue,
                },
            };
        assert!(progress.length as usize >= length, "acknowledged bytes are gone");
        (session, length) = (progress.session.to_string(), progress.length as usize);
    }
    panic!("it does not get there");
}

#[tokio::test]
async fn an_upload_survives_any_one_failure() {
    let bytes = noise(100_000, 1);
    for effect in [Effect::FailBefore, Effect::FailAfter] {
        let mut n = 1;
        loop {
            let store = Store::new();
            let registry = store.registry().await;
            store.backend.reset_counts();
            store.backend.inject(Fault::nth(n, effect));
            let digest = push_stubbornly(&registry, &bytes).await;
            if store.backend.counts().total() < n {
                break;
            }
            let restarted = store.registry().await;
            assert!(read(&restarted, "team/app", &digest).await.unwrap() == bytes, "{effect:?} {n}");
            n += 1;
        }
        assert!(n > 10, "the script is too short: {n}");
    }
}

#[tokio::test]
async fn a_full_store_refuses_and_takes_uploads_again_when_there_is_room() {
    let store = Store::new();
    let registry = store.registry().await;
    let bytes = noise(100_000, 1);
    let (repository, digest) = (name("team/app"), Digest::sha256(&bytes));
    store.backend.set_full(true);
    let refused = registry.upload(&repository, &digest, &mut body(&bytes), &who()).await;
    assert!(matches!(refused, Err(Error::Store(crate::journal::JournalError::Full(_)))), "{refused:?}");
    store.backend.set_full(false);
    push_blob(&registry, "team/app", &bytes).await;
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
}

/// Repeats a request for as long as the registry, not the request, is to blame.
async fn repeat<T>(request: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..5 {
        match request().await {
            Err(Error::Store(_) | Error::OutcomeUnknown | Error::Busy) => {}
            outcome => return outcome,
        }
    }
    panic!("the registry does not recover")
}

/// Pushes, moves and deletes; what is there in the end is known.
async fn script(registry: &Arc<Registry>) {
    let repository = name("team/app");
    let push = async |version: &str, seed: u64| {
        let bytes = noise(50_000, seed);
        let digest = Digest::sha256(&bytes);
        repeat(async || registry.upload(&repository, &digest, &mut body(&bytes), &who()).await)
            .await
            .unwrap();
        let blob = json!({"mediaType": "application/vnd.test", "digest": digest, "size": 50_000});
        let filler = json!({"filler": "x".repeat(20_000)});
        let document = json!({"schemaVersion": 2, "config": blob, "layers": [], "annotations": filler});
        let reference = as_tag(version);
        repeat(async || push_manifest(registry, "team/app", &reference, &document).await).await.unwrap()
    };
    push("1.0.0", 1).await;
    let second = push("2.0.0", 2).await;
    push("latest", 1).await;
    push("latest", 2).await;
    let gone = |outcome: Result<(), Error>| {
        assert!(matches!(outcome, Ok(()) | Err(Error::ManifestUnknown(_))), "{outcome:?}");
    };
    let condition = Condition::default;
    gone(repeat(async || registry.delete_tag(&repository, &tag("latest"), condition(), &who()).await).await);
    gone(repeat(async || registry.delete_manifest(&repository, &second, condition(), &who()).await).await);
}

#[tokio::test]
async fn a_push_survives_any_one_failure() {
    for effect in [Effect::FailBefore, Effect::FailAfter] {
        let mut n = 1;
        loop {
            let store = Store::new();
            let registry = store.registry().await;
            store.backend.reset_counts();
            store.backend.inject(Fault::nth(n, effect));
            script(&registry).await;
            if store.backend.counts().total() < n {
                break;
            }
            for registry in [registry, store.registry().await] {
                let tags =
                    registry.tags(&name("team/app"), Page { limit: 9, last: None }).await.unwrap().tags;
                assert_eq!(tags, [tag("1.0.0")], "{effect:?} {n}");
                registry.manifest(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
                let blob = Digest::sha256(&noise(50_000, 1));
                assert!(read(&registry, "team/app", &blob).await.unwrap() == noise(50_000, 1));
            }
            n += 1;
        }
        assert!(n > 10, "the script is too short: {n}");
    }
}
