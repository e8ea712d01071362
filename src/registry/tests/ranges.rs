//! Ranges of large blobs: no range is given whole unless every extent that it has bytes of was verified.

use super::*;

const EXTENT: usize = 3 << 20;
const SIZE: usize = 7 << 20;
const PIECE: usize = 1 << 20;

async fn registry_of(store: &Store, read_ahead: usize) -> Arc<Registry> {
    store.registry_with(Limits { extent: EXTENT, read_ahead, ..Limits::default() }).await
}

/// The data objects of a blob, in order.
async fn objects(registry: &Registry, digest: &Digest) -> Vec<crate::backend::Key> {
    let repository = name("team/app");
    let blob = registry.blob(&repository, digest).await.unwrap();
    let object =
        |extent: &crate::journal::Extent| keys::data(&repository.namespace(), extent.object().unwrap());
    blob.stored.extents.iter().map(object).collect()
}

async fn flip(store: &Store, key: &crate::backend::Key, at: usize) {
    let mut bytes = store.backend.read(key, None).await.unwrap().to_vec();
    bytes[at] ^= 4;
    store.backend.delete(std::slice::from_ref(key)).await.unwrap();
    store.backend.create(key, vec![bytes.into()]).await.unwrap();
}

/// What was handed on before the end or an error.
async fn read_on(reader: &mut BlobReader) -> (Vec<u8>, Result<(), Error>) {
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await {
        match piece {
            Ok(piece) => {
                assert!(!piece.is_empty() && piece.len() <= PIECE);
                bytes.extend_from_slice(&piece);
            }
            Err(error) => return (bytes, Err(error)),
        }
    }
    (bytes, Ok(()))
}

#[tokio::test]
async fn a_range_of_a_damaged_extent_is_never_given_whole() {
    let store = Store::new();
    let bytes = noise(SIZE, 1);
    let digest = push_blob(&*registry_of(&store, 0).await, "team/app", &bytes).await;
    let (extent, size) = (EXTENT as u64, SIZE as u64);
    let ranges = [
        0..size,
        0..1,
        5..1_000,
        extent - 1..extent,
        extent - 1..extent + 1,
        extent..extent + 1,
        extent + 7..2 * extent - 7,
        extent / 2..extent + extent / 2,
        2 * extent - 1..2 * extent,
        2 * extent..size,
        size - 1..size,
        PIECE as u64..2 * PIECE as u64,
    ];
    for (read_ahead, damaged, at) in
        [(0, 0, 0), (3, 0, EXTENT - 1), (0, 1, EXTENT / 2), (3, 1, 0), (3, 2, PIECE - 1), (0, 2, 0)]
    {
        let registry = registry_of(&store, read_ahead).await;
        let blob = registry.blob(&name("team/app"), &digest).await.unwrap();
        let object = objects(&registry, &digest).await.swap_remove(damaged);
        flip(&store, &object, at).await;
        for range in &ranges {
            let (got, end) = read_on(&mut registry.read_blob(blob.clone(), range.clone())).await;
            let first = (range.start / extent) as usize;
            let last = ((range.end - 1) / extent) as usize;
            let wanted = &bytes[range.start as usize..range.end as usize];
            if (first..=last).contains(&damaged) {
                assert!(matches!(end, Err(Error::Damaged(_))), "{range:?}: {end:?}");
                assert!(got.len() < wanted.len(), "{range:?}");
            } else {
                assert!(end.is_ok() && got == wanted, "{range:?}: {end:?}");
            }
        }
        flip(&store, &object, at).await;
        store.clock.advance(Duration::from_secs(61));
        registry.blob(&name("team/app"), &digest).await.expect("it is right again");
    }
}

#[tokio::test]
async fn a_reader_that_goes_on_in_a_new_upload_compares_what_it_handed_on() {
    for is_damaged in [false, true] {
        let store = Store::in_mode(Mode::Shared);
        let registry = registry_of(&store, 0).await;
        let (repository, bytes) = (name("team/app"), noise(SIZE, 1));
        let digest = push_blob(&registry, "team/app", &bytes).await;
        let old = objects(&registry, &digest).await;
        if is_damaged {
            flip(&store, &old[1], 70_000).await;
        }
        let blob = registry.blob(&repository, &digest).await.unwrap();
        let start = EXTENT + 50_000;
        let mut reader = registry.read_blob(blob, start as u64..u64::MAX);
        let mut read = reader.next().await.unwrap().unwrap().to_vec();

        unlink_now(&registry, &repository, &digest).await;
        // Its extents end elsewhere.
        let other = store.registry_with(Limits { extent: 1_000_000, ..Limits::default() }).await;
        push_blob(&other, "team/app", &bytes).await;
        store.backend.delete(&old).await.unwrap();
        let (rest, end) = read_on(&mut reader).await;
        read.extend_from_slice(&rest);
        match is_damaged {
            false => assert!(end.is_ok() && read == bytes[start..], "{end:?}"),
            true => assert!(end.is_err() && read.len() < SIZE - start, "{end:?}"),
        }
    }
}
