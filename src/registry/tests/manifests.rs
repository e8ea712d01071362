use super::*;
use crate::journal::Refusal;
use crate::journal::Replace;
use crate::oci::{Algorithm, EtagSet, OCI_INDEX};

#[tokio::test]
async fn a_manifest_is_served_as_it_was_pushed() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    let small = image(&registry, "team/app", 1).await;
    let mut large = image(&registry, "team/app", 2).await;
    large["annotations"] = json!({"filler": "x".repeat(300_000)});
    let mut middle = small.clone();
    middle["annotations"] = json!({"filler": "y".repeat(50_000)});
    for (version, document) in [("1.0.0", &small), ("2.0.0", &large), ("3.0.0", &middle)] {
        let digest = push_manifest(&registry, "team/app", &as_tag(version), document).await.unwrap();
        for registry in [registry.clone(), store.registry().await] {
            for reference in [as_tag(version), Reference::Digest(digest.clone())] {
                for _ in 0..2 {
                    let stored = registry.manifest(&repository, &reference).await.unwrap();
                    assert_eq!(stored.body, document.to_string().as_bytes());
                    assert_eq!((&stored.digest, stored.media_type.as_str()), (&digest, OCI_MANIFEST));
                }
                let stat = registry.manifest_stat(&repository, &reference).await.unwrap();
                assert_eq!((stat.digest, stat.size), (digest.clone(), document.to_string().len() as u64));
            }
        }
    }
}

#[tokio::test]
async fn a_manifest_is_known_only_where_it_was_pushed() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = image(&registry, "team/app", 1).await;
    push_manifest(&registry, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    image(&registry, "team/other", 2).await;
    for reference in [as_tag("1.0.0"), as_digest(&document)] {
        registry.manifest(&name("team/app"), &reference).await.unwrap();
        let other = registry.manifest(&name("team/other"), &reference).await;
        assert!(matches!(other, Err(Error::ManifestUnknown(_))), "{other:?}");
        let none = registry.manifest_stat(&name("team/none"), &reference).await;
        assert!(matches!(none, Err(Error::NameUnknown(_))), "{none:?}");
    }
}

#[tokio::test]
async fn a_manifest_needs_what_it_refers_to() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = image(&registry, "team/app", 1).await;
    // T9: that another repository holds the blob is no help.
    let refused = push_manifest(&registry, "team/other", &as_tag("1.0.0"), &document).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::ReferenceUnknown(_)))), "{refused:?}");
    let Reference::Digest(child) = as_digest(&document) else { panic!() };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": child, "size": document.to_string().len()}],
    });
    let refused = push_manifest(&registry, "team/app", &as_tag("all"), &index).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::ReferenceUnknown(missing))) if missing == child));
    push_manifest(&registry, "team/app", &Reference::Digest(child.clone()), &document).await.unwrap();
    push_manifest(&registry, "team/app", &as_tag("all"), &index).await.unwrap();
    let held = registry.delete_manifest(&name("team/app"), &child, Condition::default(), &who()).await;
    assert!(matches!(held, Err(Error::Refused(Refusal::Referenced { .. }))), "{held:?}");
    let blob = Digest::sha256(&noise(100, 1));
    let held = registry.delete_blob(&name("team/app"), &blob, &who()).await;
    assert!(matches!(held, Err(Error::Refused(Refusal::Referenced { .. }))), "{held:?}");
}

#[tokio::test]
async fn a_digest_reference_must_be_that_of_the_body() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = image(&registry, "team/app", 1).await;
    let bytes = document.to_string();
    let sha512 = Digest::of(Algorithm::Sha512, bytes.as_bytes());
    let digest = push_manifest(&registry, "team/app", &Reference::Digest(sha512.clone()), &document).await;
    assert_eq!(digest.unwrap(), sha512);
    let stored = registry.manifest(&name("team/app"), &Reference::Digest(sha512)).await.unwrap();
    assert_eq!(stored.body, bytes.as_bytes());
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let other = Reference::Digest(Digest::of(algorithm, b"another document"));
        let refused = push_manifest(&registry, "team/app", &other, &document).await;
        assert!(matches!(refused, Err(Error::DigestMismatch { .. })), "{refused:?}");
    }
    let refused = push_manifest(&registry, "team/app", &as_tag("1.0.0"), &json!("no manifest")).await;
    assert!(matches!(refused, Err(Error::ManifestInvalid(_))), "{refused:?}");
}

#[tokio::test]
async fn one_push_gives_many_tags() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = image(&registry, "team/app", 1).await;
    let (repository, reference) = (name("team/app"), as_digest(&document));
    let put = PutManifest {
        repository: &repository,
        reference: &reference,
        tags: vec![tag("1.2.3"), tag("1.2"), tag("1.2.3")],
        media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
        body: document.to_string().into(),
        condition: Condition::default(),
        replace: Replace::AsPolicySays,
    };
    let put = registry.put_manifest(put, &who()).await.unwrap();
    assert_eq!(put.tags, [tag("1.2.3"), tag("1.2")]);
    for version in ["1.2.3", "1.2"] {
        assert_eq!(registry.manifest(&repository, &as_tag(version)).await.unwrap().digest, put.digest);
    }
}

#[tokio::test]
async fn preconditions_are_about_what_the_tag_points_to() {
    let store = Store::new();
    let registry = store.registry().await;
    let (first, second) = (image(&registry, "team/app", 1).await, image(&registry, "team/app", 2).await);
    let put = async |document: &Value, condition: Condition| {
        let put = PutManifest {
            repository: &name("team/app"),
            reference: &as_tag("1.0.0"),
            tags: Vec::new(),
            media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
            body: document.to_string().into(),
            condition,
            replace: Replace::AsPolicySays,
        };
        registry.put_manifest(put, &who()).await.map(|put| put.digest)
    };
    let create_only = || Condition { if_none_match: Some(EtagSet::Any), ..Condition::default() };
    let only_after = |digest: &Digest| Condition {
        if_match: Some(EtagSet::Digests(vec![digest.clone()])),
        ..Condition::default()
    };
    let was = put(&first, create_only()).await.unwrap();
    let refused = put(&second, create_only()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Precondition(Some(current)))) if current == was));
    let now = put(&second, only_after(&was)).await.unwrap();
    assert!(put(&first, only_after(&was)).await.is_err());
    let refused = registry.delete_tag(&name("team/app"), &tag("1.0.0"), only_after(&was), &who()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Precondition(_)))), "{refused:?}");
    registry.delete_tag(&name("team/app"), &tag("1.0.0"), only_after(&now), &who()).await.unwrap();
}

#[tokio::test]
async fn deleting_a_manifest_takes_its_tags_and_deleting_a_tag_leaves_the_manifest() {
    let store = Store::new();
    let registry = store.registry().await;
    let repository = name("team/app");
    let document = image(&registry, "team/app", 1).await;
    let digest = push_manifest(&registry, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    push_manifest(&registry, "team/app", &as_tag("latest"), &document).await.unwrap();

    registry.delete_tag(&repository, &tag("1.0.0"), Condition::default(), &who()).await.unwrap();
    assert!(registry.manifest(&repository, &as_tag("1.0.0")).await.is_err());
    registry.manifest(&repository, &as_tag("latest")).await.unwrap();
    let again = registry.delete_tag(&repository, &tag("1.0.0"), Condition::default(), &who()).await;
    assert!(matches!(again, Err(Error::ManifestUnknown(_))), "{again:?}");

    registry.delete_manifest(&repository, &digest, Condition::default(), &who()).await.unwrap();
    for reference in [as_tag("latest"), as_digest(&document)] {
        let gone = registry.manifest(&repository, &reference).await;
        assert!(matches!(gone, Err(Error::ManifestUnknown(_))), "{gone:?}");
    }
    let again = registry.delete_manifest(&repository, &digest, Condition::default(), &who()).await;
    assert!(matches!(again, Err(Error::ManifestUnknown(_))), "{again:?}");
}

#[tokio::test]
async fn a_warm_read_asks_the_store_nothing() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = image(&registry, "team/app", 1).await;
    push_manifest(&registry, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    registry.manifest(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
    store.backend.reset_counts();
    for _ in 0..10 {
        registry.manifest(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
        registry.manifest(&name("team/app"), &as_digest(&document)).await.unwrap();
        registry.manifest_stat(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
    }
    assert_eq!(store.backend.counts().total(), 0);
}

#[tokio::test]
async fn a_manifest_whose_bytes_are_lost_is_an_error_and_heals_by_a_push() {
    let store = Store::new();
    let registry = store.registry().await;
    let mut document = image(&registry, "team/app", 1).await;
    document["annotations"] = json!({"filler": "x".repeat(20_000)});
    push_manifest(&registry, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    let objects = store.keys("/_data/").await;
    store.harm(&objects[0], Harm::Flip).await;
    // What was pushed is kept in memory; another process has to read it.
    let registry = store.registry().await;
    let lost = registry.manifest(&name("team/app"), &as_tag("1.0.0")).await;
    assert!(matches!(lost, Err(Error::Damaged(_))), "{lost:?}");
    push_manifest(&registry, "team/app", &as_tag("1.0.0"), &document).await.unwrap();
    let stored = registry.manifest(&name("team/app"), &as_tag("1.0.0")).await.unwrap();
    assert_eq!(stored.body, document.to_string().as_bytes());
}

#[tokio::test]
async fn a_push_costs_a_write_for_each_body_and_one_more_for_a_large_one() {
    let store = Store::new();
    let registry = store.registry().await;
    let push = async |version: &str, size: usize, seed: u64| {
        store.backend.reset_counts();
        let repository = name("team/app");
        let mut blobs = Vec::new();
        for bytes in [noise(size, seed), noise(500, seed + 1)] {
            let digest = Digest::sha256(&bytes);
            let session = registry.start_upload(&repository, None, &who()).to_string();
            registry
                .finish_upload(&repository, &session, &digest, None, &mut body(&bytes), &who())
                .await
                .unwrap();
            blobs.push(json!({"mediaType": "application/vnd.test", "digest": digest, "size": bytes.len()}));
        }
        let document = json!({"schemaVersion": 2, "config": blobs[1], "layers": [blobs[0]]});
        push_manifest(&registry, "team/app", &as_tag(version), &document).await.unwrap();
        let counts = store.backend.counts();
        (counts.create, counts.total() - counts.create)
    };
    push("1.0.0", 8_000, 1).await;
    assert_eq!(push("1.0.1", 8_000, 3).await, (3, 0));
    assert_eq!(push("1.0.2", 50_000, 5).await, (4, 0));
}
