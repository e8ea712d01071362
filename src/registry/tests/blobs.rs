use super::*;

#[tokio::test]
async fn a_range_is_cut_at_the_end_of_the_blob() {
    let store = Store::new();
    let registry = store.registry().await;
    for size in [100, 100_000, 400_000] {
        let bytes = noise(size, size as u64);
        let digest = push_blob(&registry, "team/app", &bytes).await;
        let end = size as u64;
        let ranges =
            [0..0, 0..1, 7..60, end / 3..end / 2, 65_535..65_537, end - 1..end, 1..u64::MAX, end..end + 9];
        for range in ranges {
            let expected: Vec<u8> = (range.start..range.end.min(end)).map(|at| bytes[at as usize]).collect();
            let read = read_range(&registry, "team/app", &digest, range.clone()).await.unwrap();
            assert!(read == expected, "{range:?} of {size}");
        }
    }
}

#[tokio::test]
async fn a_blob_is_known_only_where_it_was_pushed() {
    let store = Store::new();
    let registry = store.registry().await;
    let digest = push_blob(&registry, "team/app", b"secret").await;
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), b"secret");
    for repository in ["team/other", "app", "team", "team/app/sub", "elsewhere/app"] {
        let found = registry.blob(&name(repository), &digest).await;
        assert!(matches!(found, Err(Error::BlobUnknown(_))), "{repository}");
    }
    // T3: what one repository does with it does not bring it back to another.
    let other = push_blob(&registry, "team/other", b"secret").await;
    assert_eq!(other, digest);
    registry.delete_blob(&name("team/app"), &digest, &who()).await.unwrap();
    assert_eq!(read(&registry, "team/other", &digest).await.unwrap(), b"secret");
    assert!(matches!(registry.blob(&name("team/app"), &digest).await, Err(Error::BlobUnknown(_))));
    let again = registry.delete_blob(&name("team/app"), &digest, &who()).await;
    assert!(matches!(again, Err(Error::BlobUnknown(_))));
}

#[tokio::test]
async fn another_replica_has_a_push_at_once() {
    let store = Store::in_mode(Mode::Shared);
    let (one, other) = (store.registry().await, store.registry().await);
    let first = push_blob(&one, "team/app", b"first").await;
    // From now on the other has a state of the namespace, which is good enough for what is in it.
    assert_eq!(read(&other, "team/app", &first).await.unwrap(), b"first");
    let second = push_blob(&one, "team/app", b"second").await;
    assert_eq!(read(&other, "team/app", &second).await.unwrap(), b"second");
    let document = image(&one, "team/app", 1).await;
    push_manifest(&one, "team/app", &as_digest(&document), &document).await.unwrap();
    other.manifest(&name("team/app"), &as_digest(&document)).await.unwrap();
    push_manifest(&one, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    other.manifest_stat(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
}

#[tokio::test]
async fn lost_data_is_noticed_told_and_healed_by_the_next_push() {
    for size in [20_000, 400_000] {
        for harm in [Harm::Remove, Harm::Flip, Harm::Cut] {
            let store = Store::new();
            let bytes = noise(size, 1);
            let writer = store.registry().await;
            let digest = push_blob(&writer, "team/app", &bytes).await;
            let objects = store.keys("/_data/").await;
            store.harm(&objects[objects.len() / 2], harm).await;

            let registry = store.registry().await;
            let read_back = read(&registry, "team/app", &digest).await;
            assert!(matches!(read_back, Err(Error::Damaged(_))), "{harm:?}: {read_back:?}");
            let found = registry.blob(&name("team/app"), &digest).await;
            assert!(matches!(found, Err(Error::BlobUnknown(_))), "{harm:?}: {found:?}");

            push_blob(&registry, "team/app", &bytes).await;
            assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
            let restarted = store.registry().await;
            assert_eq!(read(&restarted, "team/app", &digest).await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_not_a_loss() {
    let store = Store::new();
    let bytes = noise(400_000, 1);
    let registry = store.registry().await;
    let digest = push_blob(&registry, "team/app", &bytes).await;
    store.backend.set_partitioned(true);
    let unreachable = read(&registry, "team/app", &digest).await;
    assert!(matches!(unreachable, Err(Error::Store(_))), "{unreachable:?}");
    store.backend.set_partitioned(false);
    assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_reader_goes_on_in_the_bytes_of_a_new_upload() {
    let store = Store::new();
    let registry = store.registry().await;
    let (repository, bytes) = (name("team/app"), noise(400_000, 1));
    let digest = push_blob(&registry, "team/app", &bytes).await;
    let old = store.keys("/_data/").await;
    let blob = registry.blob(&repository, &digest).await.unwrap();
    let mut reader = registry.read_blob(blob, 1_000..u64::MAX);
    let mut read = reader.next().await.unwrap().unwrap().to_vec();

    unlink_now(&registry, &repository, &digest).await;
    push_blob(&registry, "team/app", &bytes).await;
    store.backend.delete(&old).await.unwrap();
    while let Some(piece) = reader.next().await {
        read.extend_from_slice(&piece.unwrap());
    }
    assert!(read == bytes[1_000..]);
}

#[tokio::test]
async fn a_reader_of_what_was_deleted_is_cut() {
    let store = Store::new();
    let registry = store.registry().await;
    let digest = push_blob(&registry, "team/app", &noise(400_000, 1)).await;
    let blob = registry.blob(&name("team/app"), &digest).await.unwrap();
    let mut reader = registry.read_blob(blob, 0..u64::MAX);
    reader.next().await.unwrap().unwrap();
    registry.delete_blob(&name("team/app"), &digest, &who()).await.unwrap();
    store.backend.delete(&store.keys("/_data/").await).await.unwrap();
    assert!(matches!(reader.next().await, Some(Err(Error::BlobUnknown(_)))));
    assert!(reader.next().await.is_none());
}
