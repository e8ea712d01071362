use super::*;
use crate::oci::OCI_INDEX;

const ALL: Page<'static> = Page { limit: 1_000, last: None };

async fn tags(registry: &Arc<Registry>, limit: usize, last: Option<&str>) -> (Vec<String>, bool) {
    let page = registry.tags(&name("team/app"), Page { limit, last }).await.unwrap();
    (page.tags.iter().map(Tag::to_string).collect(), page.more)
}

#[tokio::test]
async fn tags_come_in_byte_order_page_by_page() {
    let store = Store::new();
    let registry = store.registry().await;
    let document = image(&registry, "team/app", 1).await;
    for version in ["b", "a", "B", "_x", "1.10.0", "1.9.0", "a-1"] {
        push_manifest(&registry, "team/app", &as_tag(version), &document).await.unwrap();
    }
    let all = ["1.10.0", "1.9.0", "B", "_x", "a", "a-1", "b"];
    // (limit, last, what is there, whether there is more)
    let cases: [(usize, Option<&str>, &[&str], bool); 10] = [
        (100, None, &all, false),
        (7, None, &all, false),
        (3, None, &all[..3], true),
        (3, Some("B"), &all[3..6], true),
        (3, Some("a"), &all[5..], false),
        (0, None, &[], false),
        (5, Some("b"), &[], false),
        (2, Some("1.9"), &all[1..3], true),
        (9, Some("~ no tag /"), &[], false),
        (1, Some(""), &all[..1], true),
    ];
    for (limit, last, expected, more) in cases {
        let found = tags(&registry, limit, last).await;
        assert_eq!(found, (expected.iter().map(|t| t.to_string()).collect(), more), "{limit} {last:?}");
    }
}

#[tokio::test]
async fn a_repository_without_tags_is_empty_and_one_without_pushes_unknown() {
    let store = Store::new();
    let registry = store.registry().await;
    push_blob(&registry, "team/app", b"bytes").await;
    assert_eq!(tags(&registry, 9, None).await, (vec![], false));
    for unknown in ["team/other", "app", "none/app"] {
        let found = registry.tags(&name(unknown), ALL).await;
        assert!(matches!(found, Err(Error::NameUnknown(_))), "{unknown}");
    }
}

#[tokio::test]
async fn the_catalog_is_in_order_and_loads_no_namespace() {
    let store = Store::new();
    let registry = store.registry().await;
    let names = ["app", "app-x", "app/sub", "team/app", "team/app/sub", "team/b"];
    for name in names.iter().rev() {
        push_blob(&registry, name, b"bytes").await;
    }
    let restarted = store.registry().await;
    store.backend.reset_counts();
    let listed = async |limit: usize, last: Option<&str>| {
        let page = restarted.catalog(Page { limit, last }).await.unwrap();
        (page.repositories.iter().map(RepositoryName::to_string).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(listed(100, None).await, (names.map(str::to_owned).to_vec(), false));
    let mut paged: Vec<String> = Vec::new();
    loop {
        let last = paged.last().cloned();
        let (page, more) = listed(2, last.as_deref()).await;
        paged.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(paged, names);
    assert_eq!(listed(0, None).await, (vec![], false));
    assert_eq!(listed(1, Some("app~")).await, (vec!["team/app".to_owned()], true));
    assert_eq!(listed(9, Some("zzz")).await, (vec![], false));
    assert_eq!(store.backend.counts().read, 0);
}

#[tokio::test]
async fn what_is_no_marker_neither_shows_in_the_catalog_nor_ends_it() {
    let store = Store::new();
    let registry = store.registry().await;
    let names = ["app", "team/app", "team/b"];
    for name in names {
        push_blob(&registry, name, b"bytes").await;
    }
    for foreign in [".DS_Store", "Upper!", "app!.bak", "app!!", "b", "team/-x!", "team/app!x", "z"] {
        let key = crate::backend::Key::new(format!("catalog/{foreign}")).unwrap();
        store.backend.create(&key, vec![Bytes::new()]).await.unwrap();
    }
    for limit in 1..5 {
        let mut paged: Vec<String> = Vec::new();
        loop {
            let last = paged.last().cloned();
            let page = registry.catalog(Page { limit, last: last.as_deref() }).await.unwrap();
            assert!(!page.more || page.repositories.len() == limit, "pages of {limit}: {page:?}");
            paged.extend(page.repositories.iter().map(RepositoryName::to_string));
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, names, "pages of {limit}");
    }
}

/// Pushes `count` manifests about `subject`, every third of another type; their digests in order.
async fn attach(registry: &Arc<Registry>, subject: &Digest, count: u64) -> Vec<Digest> {
    let mut digests = Vec::new();
    for seed in 0..count {
        let mut document = image(registry, "team/app", 1_000 + seed).await;
        document["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": 1});
        document["annotations"] = json!({"seed": seed.to_string()});
        if seed % 3 == 0 {
            document["artifactType"] = json!("application/vnd.test.signature");
        }
        let reference = as_digest(&document);
        digests.push(push_manifest(registry, "team/app", &reference, &document).await.unwrap());
    }
    digests.sort();
    digests
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_paged() {
    let store = Store::new();
    let registry = store.registry().await;
    let (repository, subject) = (name("team/app"), Digest::sha256(b"not pushed yet"));
    let digests = attach(&registry, &subject, 10).await;
    let whole = ReferrersPage { limit: 100, last: None };
    let all = registry.referrers(&repository, &subject, None, whole).await.unwrap();
    assert_eq!(all.descriptors.iter().map(|found| found.digest.clone()).collect::<Vec<_>>(), digests);
    assert_eq!(all.next, None);
    for found in &all.descriptors {
        let body =
            registry.manifest(&repository, &Reference::Digest(found.digest.clone())).await.unwrap().body;
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found.size, body.len() as u64);
        assert_eq!(found.annotations["seed"], document["annotations"]["seed"]);
        let own = document["artifactType"].as_str().unwrap_or("application/vnd.test.config");
        assert_eq!(found.artifact_type.as_deref(), Some(own));
    }
    let signatures =
        registry.referrers(&repository, &subject, Some("application/vnd.test.signature"), whole).await;
    assert_eq!(signatures.unwrap().descriptors.len(), 4);

    let (mut paged, mut last) = (Vec::new(), None);
    loop {
        let page = ReferrersPage { limit: 4, last: last.as_ref() };
        let found = registry.referrers(&repository, &subject, None, page).await.unwrap();
        paged.extend(found.descriptors.into_iter().map(|found| found.digest));
        last = found.next;
        if last.is_none() {
            break;
        }
    }
    assert_eq!(paged, digests);
}

#[tokio::test]
async fn what_is_not_known_has_no_referrers() {
    let store = Store::new();
    let registry = store.registry().await;
    let subject = Digest::sha256(b"subject");
    attach(&registry, &subject, 1).await;
    let page = ReferrersPage { limit: 9, last: None };
    for (repository, digest) in
        [("team/none", &subject), ("none/app", &subject), ("team/app", &Digest::sha256(b"x"))]
    {
        let found = registry.referrers(&name(repository), digest, None, page).await.unwrap();
        assert_eq!(found, Referrers::default(), "{repository}");
    }
}

#[tokio::test]
async fn large_annotations_are_read_from_the_body_and_end_the_page() {
    let store = Store::new();
    let registry = store.registry().await;
    let (repository, subject) = (name("team/app"), Digest::sha256(b"subject"));
    for seed in 0..3 {
        let mut document = image(&registry, "team/app", seed).await;
        document["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": 1});
        document["annotations"] = json!({"large": "x".repeat(1_500_000)});
        push_manifest(&registry, "team/app", &as_digest(&document), &document).await.unwrap();
    }
    let page = ReferrersPage { limit: 100, last: None };
    let found = registry.referrers(&repository, &subject, None, page).await.unwrap();
    assert_eq!(found.descriptors.len(), 2);
    assert_eq!(found.descriptors[0].annotations["large"].len(), 1_500_000);
    let rest = ReferrersPage { limit: 100, last: found.next.as_ref() };
    let rest = registry.referrers(&repository, &subject, None, rest).await.unwrap();
    assert_eq!((rest.descriptors.len(), rest.next), (1, None));
}

#[tokio::test]
async fn a_fallback_tag_adds_nothing_that_is_not_listed_already() {
    let store = Store::new();
    let registry = store.registry().await;
    let subject = Digest::sha256(b"subject");
    let digests = attach(&registry, &subject, 2).await;
    let mut sizes = std::collections::BTreeMap::new();
    for digest in &digests {
        let reference = Reference::Digest(digest.clone());
        let stat = registry.manifest_stat(&name("team/app"), &reference).await.unwrap();
        sizes.insert(digest.clone(), stat.size);
    }
    let manifests: Vec<Value> = digests
        .iter()
        .map(|digest| json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": sizes[digest]}))
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let fallback = as_tag(&format!("sha256-{}", subject.hex()));
    push_manifest(&registry, "team/app", &fallback, &index).await.unwrap();
    let page = ReferrersPage { limit: 9, last: None };
    let found = registry.referrers(&name("team/app"), &subject, None, page).await.unwrap();
    assert_eq!(found.descriptors.into_iter().map(|found| found.digest).collect::<Vec<_>>(), digests);
}
