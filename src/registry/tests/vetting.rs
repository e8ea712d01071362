use super::*;
use crate::chart::archive::writer::{CHART_YAML, file, package};
use crate::oci::{HELM_CHART, HELM_CONFIG};

/// A chart of `size` bytes whose blobs are pushed.
async fn chart(registry: &Arc<Registry>, size: usize) -> Value {
    let config = json!({"apiVersion": "v2", "name": "app", "version": "1.2.3"}).to_string();
    let package = package(&[file("app/Chart.yaml", CHART_YAML), file("app/x", noise(size, size as u64))]);
    json!({
        "schemaVersion": 2,
        "config": {"mediaType": HELM_CONFIG, "size": config.len(),
                   "digest": push_blob(registry, "team/app", config.as_bytes()).await},
        "layers": [{"mediaType": HELM_CHART, "size": package.len(),
                    "digest": push_blob(registry, "team/app", &package).await}],
    })
}

/// How often the store is read for a push under `tag`.
async fn reads(store: &Store, registry: &Arc<Registry>, tag: &str, document: &Value) -> u64 {
    let before = store.backend.counts().read;
    push_manifest(registry, "team/app", &as_tag(tag), document).await.unwrap();
    store.backend.counts().read - before
}

#[tokio::test]
async fn a_package_that_was_just_uploaded_is_not_read_back() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = chart(&registry, 50_000).await;
    assert_eq!(reads(&store, &registry, "1.2.3", &document).await, 0);
}

#[tokio::test]
async fn a_package_is_judged_once() {
    let store = Store::new();
    let registry = store.registry().await;
    let mut document = chart(&registry, 400_000).await;
    assert!(reads(&store, &registry, "latest", &document).await > 0, "it is too large to be kept");
    assert_eq!(reads(&store, &registry, "1.2.3", &document).await, 0, "another tag");
    document["annotations"] = json!({"org.opencontainers.image.created": "2026-01-01T00:00:00Z"});
    assert_eq!(reads(&store, &registry, "1.2.3", &document).await, 0, "the time of another file");
    let elsewhere = store.registry().await;
    assert!(reads(&store, &elsewhere, "1.2.3", &document).await > 0, "nothing is remembered by the store");
}

#[tokio::test]
async fn a_store_that_fails_is_no_verdict() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = chart(&registry, 400_000).await;
    store.backend.set_partitioned(true);
    let failed = push_manifest(&registry, "team/app", &as_tag("1.2.3"), &document).await;
    assert!(matches!(failed, Err(Error::Store(_) | Error::Busy | Error::OutcomeUnknown)), "{failed:?}");
    store.backend.set_partitioned(false);
    push_manifest(&registry, "team/app", &as_tag("1.2.3"), &document).await.unwrap();
}

#[tokio::test]
async fn a_package_whose_bytes_are_damaged_is_lost_and_not_refused() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = chart(&registry, 400_000).await;
    let keys = store.keys("_data/").await;
    for key in &keys {
        store.harm(key, Harm::Flip).await;
    }
    let failed = push_manifest(&registry, "team/app", &as_tag("1.2.3"), &document).await;
    assert!(matches!(failed, Err(Error::Damaged(_))), "{failed:?}");
    let document = chart(&registry, 400_000).await;
    push_manifest(&registry, "team/app", &as_tag("1.2.3"), &document).await.unwrap();
}
