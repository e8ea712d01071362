//! Listing referrers (distribution-spec "Listing Referrers", end-12a, end-12b).

use serde_json::{Value, json};

use crate::support::app::{TestServer, on_every_backend, where_noise_is_taken};
use crate::support::artifact::{
    Blob, Document, EMPTY_JSON, HELM_CONFIG, IMAGE_INDEX, IMAGE_LAYER, IMAGE_MANIFEST, Image, image, index,
    referrer,
};
use crate::support::http::Response;
use crate::support::registry::{assert_refused, assert_status, manifest_path};

const SIGNATURE: &str = "application/vnd.test.signature.v1";
const SBOM: &str = "application/vnd.test.sbom+json; v=1";

fn referrers_path(digest: &str) -> String {
    format!("/v2/team/app/referrers/{digest}")
}

/// The reply, after checking what every such reply has.
async fn list(server: &TestServer, target: &str) -> Response {
    let reply = server.get(target).await;
    assert_status(&reply, 200);
    // oras compares the whole value: no charset may follow.
    assert_eq!(reply.header("content-type"), Some(IMAGE_INDEX));
    let body = reply.json();
    assert_eq!((&body["schemaVersion"], &body["mediaType"]), (&json!(2), &json!(IMAGE_INDEX)));
    assert!(body["manifests"].is_array(), "{body}");
    reply
}

async fn digests(server: &TestServer, target: &str) -> Vec<String> {
    let body = list(server, target).await.json();
    let descriptors = body["manifests"].as_array().expect("a list").iter();
    let mut digests: Vec<_> =
        descriptors.map(|d| d["digest"].as_str().expect("a digest").to_owned()).collect();
    digests.sort();
    digests
}

fn sorted<const N: usize>(documents: [&Document; N]) -> Vec<String> {
    let mut digests = documents.map(|document| document.digest.clone()).to_vec();
    digests.sort();
    digests
}

#[tokio::test]
async fn what_nothing_refers_to_has_an_empty_list() {
    on_every_backend(async |server| {
        let image = image("alone");
        server.push_image("team/app", "1.0.0", &image).await;
        let absent = Blob::new("absent").digest;
        for target in [
            referrers_path(&image.manifest.digest),
            referrers_path(&absent),
            referrers_path(&Blob::named_by_sha512("absent").digest),
            format!("/v2/no/such/referrers/{absent}"),
            format!("/v2/no/such/referrers/{absent}?artifactType={SIGNATURE}"),
        ] {
            println!("{target}");
            assert_eq!(list(&server, &target).await.json()["manifests"], json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn a_malformed_digest_is_400() {
    on_every_backend(async |server| {
        for digest in ["sha256:abc", "latest", "sha256", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
            assert_refused(&server.get(referrers_path(digest)).await, 400, &["DIGEST_INVALID"]);
        }
    })
    .await;
}

#[tokio::test]
async fn every_descriptor_has_the_type_and_the_annotations() {
    where_noise_is_taken(async |server| {
        let subject = image("subject");
        server.push_image("team/app", "1.0.0", &subject).await;
        let typed = referrer(&subject.manifest, SIGNATURE, "typed");
        server.push_image("team/app", &typed.manifest.digest, &typed).await;
        // Without an artifactType it is the media type of the config.
        let config = Blob::new(r#"{"name":"app","version":"1.0.0"}"#);
        let by_config = Document::new(
            IMAGE_MANIFEST,
            &json!({"schemaVersion": 2, "config": config.descriptor(HELM_CONFIG), "layers": [],
                    "subject": subject.manifest.descriptor()}),
        );
        server.push_blob("team/app", &config).await;
        server.push_manifest("team/app", "by-config", &by_config).await;
        let untyped = index(&[]).about(&subject.manifest);
        let untyped = untyped.with(|value| value["annotations"] = json!({"a": "1", "b": "größe"}));
        server.push_manifest("team/app", &untyped.digest, &untyped).await;
        let typed_index = index(&[]).about(&subject.manifest);
        let typed_index = typed_index.with(|value| value["artifactType"] = SBOM.into());
        server.push_manifest("team/app", "typed-index", &typed_index).await;

        let descriptor = |document: &Document, artifact_type: Value, annotations: Value| {
            let mut value = document.descriptor();
            for (key, field) in [("artifactType", artifact_type), ("annotations", annotations)] {
                if !field.is_null() {
                    value[key] = field;
                }
            }
            value
        };
        let mut expected = vec![
            descriptor(&typed.manifest, SIGNATURE.into(), json!({"test.note": "typed"})),
            descriptor(&by_config, HELM_CONFIG.into(), Value::Null),
            descriptor(&untyped, Value::Null, json!({"a": "1", "b": "größe"})),
            descriptor(&typed_index, SBOM.into(), Value::Null),
        ];
        let listed = list(&server, &referrers_path(&subject.manifest.digest)).await;
        let mut listed = listed.json()["manifests"].as_array().expect("a list").clone();
        for list in [&mut expected, &mut listed] {
            list.sort_by_key(|descriptor| descriptor["digest"].to_string());
        }
        assert_eq!(json!(listed), json!(expected));
    })
    .await;
}

#[tokio::test]
async fn annotations_of_any_size_are_shown() {
    on_every_backend(async |server| {
        let subject = image("subject");
        server.push_image("team/app", "1.0.0", &subject).await;
        // Around the 16 KiB that travel in the journal.
        for size in [1_000, 15_000, 17_000, 200_000] {
            let note = "n".repeat(size);
            let large = referrer(&subject.manifest, SIGNATURE, &note);
            server.push_image("team/app", "large", &large).await;
            let listed = server.get(referrers_path(&subject.manifest.digest)).await.json();
            let listed = listed["manifests"].as_array().expect("a list");
            let listed = listed.iter().find(|d| d["digest"] == large.manifest.digest).expect("it is listed");
            assert!(listed["annotations"]["test.note"] == note, "{size} bytes of annotations");
        }
    })
    .await;
}

#[tokio::test]
async fn a_filter_by_type_is_applied_and_said_to_be() {
    on_every_backend(async |server| {
        let subject = image("subject");
        let signature = referrer(&subject.manifest, SIGNATURE, "s");
        let sbom = referrer(&subject.manifest, SBOM, "b");
        for note in [&signature, &sbom] {
            server.push_image("team/app", &note.manifest.digest, note).await;
        }
        let target = referrers_path(&subject.manifest.digest);
        let all = list(&server, &target).await;
        assert_eq!(all.header("oci-filters-applied"), None);
        assert_eq!(digests(&server, &target).await, sorted([&signature.manifest, &sbom.manifest]));
        let cases = [
            (SIGNATURE.replace('/', "%2F"), vec![signature.manifest.digest.clone()]),
            (SIGNATURE.into(), vec![signature.manifest.digest.clone()]),
            ("application%2Fvnd.test.sbom%2Bjson%3B%20v%3D1".into(), vec![sbom.manifest.digest.clone()]),
            ("application/vnd.test.unknown".into(), vec![]),
        ];
        for (filter, expected) in cases {
            println!("{filter}");
            let filtered = format!("{target}?artifactType={filter}");
            let reply = list(&server, &filtered).await;
            assert_eq!(reply.header("oci-filters-applied"), Some("artifactType"));
            assert_eq!(digests(&server, &filtered).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn referrers_pushed_before_their_subject_are_listed() {
    on_every_backend(async |server| {
        let subject = image("late subject");
        let early = referrer(&subject.manifest, SIGNATURE, "early");
        server.push_image("team/app", &early.manifest.digest, &early).await;
        let target = referrers_path(&subject.manifest.digest);
        assert_eq!(digests(&server, &target).await, sorted([&early.manifest]));
        server.push_image("team/app", "1.0.0", &subject).await;
        assert_eq!(digests(&server, &target).await, sorted([&early.manifest]));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_referrer_is_gone_and_a_deleted_subject_keeps_its_referrers() {
    on_every_backend(async |server| {
        let subject = image("subject");
        let (one, two) =
            (referrer(&subject.manifest, SIGNATURE, "1"), referrer(&subject.manifest, SIGNATURE, "2"));
        for pushed in [&subject, &one, &two] {
            server.push_image("team/app", &pushed.manifest.digest, pushed).await;
        }
        let target = referrers_path(&subject.manifest.digest);
        assert_eq!(digests(&server, &target).await, sorted([&one.manifest, &two.manifest]));
        assert_status(&server.delete(manifest_path("team/app", &one.manifest.digest)).await, 202);
        assert_eq!(digests(&server, &target).await, sorted([&two.manifest]));
        assert_status(&server.delete(manifest_path("team/app", &subject.manifest.digest)).await, 202);
        assert_eq!(digests(&server, &target).await, sorted([&two.manifest]));
    })
    .await;
}

#[tokio::test]
async fn referrers_are_those_of_the_same_repository() {
    on_every_backend(async |server| {
        let subject = image("subject");
        let note = referrer(&subject.manifest, SIGNATURE, "elsewhere");
        server.push_image("team/other", &note.manifest.digest, &note).await;
        assert!(digests(&server, &referrers_path(&subject.manifest.digest)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn referrers_of_referrers_are_listed_one_step_at_a_time() {
    on_every_backend(async |server| {
        let subject = image("subject");
        let note = referrer(&subject.manifest, SBOM, "first");
        let note_on_note = referrer(&note.manifest, SIGNATURE, "second");
        for pushed in [&subject, &note, &note_on_note] {
            server.push_image("team/app", &pushed.manifest.digest, pushed).await;
        }
        let first = digests(&server, &referrers_path(&subject.manifest.digest)).await;
        assert_eq!(first, sorted([&note.manifest]));
        let second = digests(&server, &referrers_path(&note.manifest.digest)).await;
        assert_eq!(second, sorted([&note_on_note.manifest]));
    })
    .await;
}

#[tokio::test]
async fn a_list_longer_than_clients_read_comes_in_pages() {
    on_every_backend(async |server| {
        let subject = image("popular");
        let config = Blob::new("{}");
        server.push_blob("team/app", &config).await;
        // 5 MB of annotations: clients read 4 MiB a page.
        let mut expected = Vec::new();
        for n in 0..320 {
            let kind = if n % 2 == 0 { SIGNATURE } else { SBOM };
            let note = referrer(&subject.manifest, kind, &format!("{n:03}{}", "p".repeat(15_700)));
            server.push_manifest("team/app", &note.manifest.digest, &note.manifest).await;
            expected.push((kind, note.manifest.digest));
        }
        let target = referrers_path(&subject.manifest.digest);
        for (filter, kinds) in [("", vec![SIGNATURE, SBOM]), (SIGNATURE, vec![SIGNATURE])] {
            let target =
                if filter.is_empty() { target.clone() } else { format!("{target}?artifactType={filter}") };
            let (listed, pages) = server.pages(&target, "manifests").await;
            let mut listed: Vec<_> = listed.iter().map(|d| d["digest"].as_str().expect("a digest")).collect();
            listed.sort_unstable();
            let mut wanted: Vec<_> =
                expected.iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, d)| d.as_str()).collect();
            wanted.sort_unstable();
            assert!(listed == wanted, "{} listed, {} pushed", listed.len(), wanted.len());
            assert!(pages > 1 || !filter.is_empty(), "5 MB in {pages} page");
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_fallback_tag_adds_nothing_twice_and_hides_nothing() {
    on_every_backend(async |server| {
        let subject = image("subject");
        let note = referrer(&subject.manifest, SIGNATURE, "listed twice");
        for pushed in [&subject, &note] {
            server.push_image("team/app", &pushed.manifest.digest, pushed).await;
        }
        let tag = subject.manifest.digest.replace(':', "-");
        server.push_manifest("team/app", &tag, &index(&[&note.manifest])).await;
        let target = referrers_path(&subject.manifest.digest);
        assert_eq!(digests(&server, &target).await, sorted([&note.manifest]));
        assert_status(&server.get(manifest_path("team/app", &tag)).await, 200);
        assert_status(&server.delete(manifest_path("team/app", &tag)).await, 202);
        assert_eq!(digests(&server, &target).await, sorted([&note.manifest]));
    })
    .await;
}

#[tokio::test]
async fn layers_do_not_make_a_referrer() {
    on_every_backend(async |server| {
        let (subject, config) = (image("subject"), Blob::new("{}"));
        server.push_image("team/app", "1.0.0", &subject).await;
        server.push_manifest("team/app", "all", &index(&[&subject.manifest])).await;
        server.push_blob("team/app", &config).await;
        let no_subject = Image {
            manifest: Document::new(
                IMAGE_MANIFEST,
                &json!({"schemaVersion": 2, "artifactType": SIGNATURE, "config": config.descriptor(EMPTY_JSON),
                        "layers": [config.descriptor(IMAGE_LAYER)]}),
            ),
            blobs: vec![config],
        };
        server.push_image("team/app", "no-subject", &no_subject).await;
        assert!(digests(&server, &referrers_path(&subject.manifest.digest)).await.is_empty());
    })
    .await;
}
