use super::*;
use crate::backend::faulty::{Effect, Fault, Verb};

#[tokio::test]
async fn inside_a_namespace_a_mount_moves_no_bytes() {
    let store = Store::new();
    let registry = store.registry().await;
    let bytes = noise(100_000, 1);
    let digest = push_blob(&registry, "team/app", &bytes).await;
    let data = store.keys("/_data/").await.len();
    let mounted = registry.mount(&name("team/other"), &digest, Some(&name("team/app")), &who()).await;
    assert_eq!(mounted.unwrap(), Mounted::Mounted);
    assert_eq!(store.keys("/_data/").await.len(), data);
    registry.delete_blob(&name("team/app"), &digest, &who()).await.unwrap();
    assert_eq!(read(&registry, "team/other", &digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn across_namespaces_the_copy_does_not_need_its_source() {
    for size in [0, 100, 16_384, 100_000, 1_000_000] {
        let store = Store::new();
        let registry = store.registry().await;
        let bytes = noise(size, 1);
        let digest = push_blob(&registry, "team/app", &bytes).await;
        let mounted = registry.mount(&name("other/app"), &digest, Some(&name("team/app")), &who()).await;
        assert_eq!(mounted.unwrap(), Mounted::Mounted);
        registry.delete_blob(&name("team/app"), &digest, &who()).await.unwrap();
        store.backend.delete(&store.keys("ns/team/").await).await.unwrap();
        let elsewhere = store.registry().await;
        assert_eq!(read(&elsewhere, "other/app", &digest).await.unwrap(), bytes, "{size}");
    }
}

#[tokio::test]
async fn what_cannot_be_mounted_is_to_be_uploaded() {
    let store = Store::new();
    let registry = store.registry().await;
    let digest = push_blob(&registry, "team/app", b"bytes").await;
    let unknown = Digest::sha256(b"never pushed");
    let (app, empty, other) = (name("team/app"), name("team/empty"), name("other/app"));
    for (from, digest) in
        [(None, &digest), (Some(&empty), &digest), (Some(&other), &digest), (Some(&app), &unknown)]
    {
        for target in ["team/target", "elsewhere/target", "target"] {
            let mounted = registry.mount(&name(target), digest, from, &who()).await.unwrap();
            assert_eq!(mounted, Mounted::Unavailable, "{from:?} to {target}");
            assert!(registry.blob(&name(target), digest).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_source_that_moves_during_the_copy_is_found_again() {
    let store = Store::new();
    let registry = store.registry().await;
    let (source, target, bytes) = (name("team/app"), name("other/app"), noise(100_000, 1));
    let digest = push_blob(&registry, "team/app", &bytes).await;
    let old = store.keys("/_data/").await;
    let slow = Fault::nth(1, Effect::Delay(Duration::from_millis(200))).of(Verb::Copy).and_all_later();
    store.backend.inject(slow);
    let caller = who();
    let mount = registry.mount(&target, &digest, Some(&source), &caller);
    let reupload = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        unlink_now(&registry, &source, &digest).await;
        push_blob(&registry, "team/app", &bytes).await;
        store.backend.delete(&old).await.unwrap();
    };
    let (mounted, ()) = tokio::join!(mount, reupload);
    assert_eq!(mounted.unwrap(), Mounted::Mounted);
    assert_eq!(read(&registry, "other/app", &digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_source_without_its_data_is_not_mounted() {
    let store = Store::new();
    let registry = store.registry().await;
    let digest = push_blob(&registry, "team/app", &noise(100_000, 1)).await;
    store.backend.delete(&store.keys("/_data/").await).await.unwrap();
    let mounted = registry.mount(&name("other/app"), &digest, Some(&name("team/app")), &who()).await;
    assert_eq!(mounted.unwrap(), Mounted::Unavailable);
}

#[tokio::test]
async fn what_the_repository_holds_is_not_copied() {
    let store = Store::new();
    let registry = store.registry().await;
    let bytes = noise(100_000, 1);
    let digest = push_blob(&registry, "team/app", &bytes).await;
    push_blob(&registry, "other/app", &bytes).await;
    store.backend.reset_counts();
    let mounted = registry.mount(&name("other/app"), &digest, Some(&name("team/app")), &who()).await;
    assert_eq!(mounted.unwrap(), Mounted::Mounted);
    assert_eq!(store.backend.counts().total(), 0);
}
