//! SHA-512 end to end: the algorithm is known only at the close of an upload unless `digest-algorithm` said it.

use serde_json::json;

use crate::support::app::on_every_backend;
use crate::support::artifact::{
    Blob, Document, IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST, Image, image, index, noise, referrer,
};
use crate::support::http::Request;
use crate::support::registry::{
    assert_blob_served, assert_manifest_served, assert_refused, assert_status, blob_path, location,
    manifest_path, with_digest,
};

/// An image whose blobs and manifest are all named by SHA-512.
fn image_of_sha512(seed: &str) -> Image {
    let config = Blob::named_by_sha512(format!(r#"{{"seed":"{seed}"}}"#));
    let layer = Blob::named_by_sha512(format!("layer of {seed}"));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": config.descriptor(IMAGE_CONFIG),
        "layers": [layer.descriptor(IMAGE_LAYER)],
    });
    let manifest = Document::new(IMAGE_MANIFEST, &manifest).named_by_sha512();
    Image { blobs: vec![config, layer], manifest }
}

#[tokio::test]
async fn blobs_are_stored_by_every_kind_of_upload() {
    on_every_backend(async |server| {
        for size in [0, 10, 50_000, 9 << 20] {
            println!("{size} bytes");
            let blob = Blob::named_by_sha512(noise("sha512", size));
            for query in ["", "?digest-algorithm=sha512"] {
                let repository = if query.is_empty() { "team/unknown" } else { "team/announced" };
                let started =
                    server.send(Request::post(format!("/v2/{repository}/blobs/uploads/{query}"))).await;
                assert_status(&started, 202);
                let stored = server.close_upload(&location(&started), &blob.digest, blob.bytes.clone()).await;
                assert_status(&stored, 201);
                assert_eq!(location(&stored), blob_path(repository, &blob.digest));
                assert_eq!(stored.header("docker-content-digest"), Some(blob.digest.as_str()));
                assert_blob_served(&server, repository, &blob).await;
            }
            let target = with_digest("/v2/team/single/blobs/uploads/", &blob.digest);
            assert_status(&server.send(Request::post(target).body(blob.bytes.clone())).await, 201);
            assert_blob_served(&server, "team/single", &blob).await;

            let session = server.start_upload("team/chunked").await;
            let half = size / 2;
            let accepted = server.send(Request::patch(session, blob.bytes.slice(..half))).await;
            assert_status(&accepted, 202);
            let accepted = server.send(Request::patch(location(&accepted), blob.bytes.slice(half..))).await;
            assert_status(&accepted, 202);
            assert_status(&server.close_upload(&location(&accepted), &blob.digest, "").await, 201);
            assert_blob_served(&server, "team/chunked", &blob).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_announced_algorithm_can_be_sha256_and_must_be_known() {
    on_every_backend(async |server| {
        let blob = Blob::new("announced");
        let announced =
            |algorithm| Request::post(format!("/v2/team/app/blobs/uploads/?digest-algorithm={algorithm}"));
        let started = server.send(announced("sha256")).await;
        assert_status(&started, 202);
        assert_status(&server.close_upload(&location(&started), &blob.digest, blob.bytes.clone()).await, 201);
        assert_refused(&server.send(announced("md5")).await, 400, &["DIGEST_INVALID"]);
    })
    .await;
}

#[tokio::test]
async fn the_wrong_sha512_is_refused() {
    on_every_backend(async |server| {
        let wrong = Blob::named_by_sha512("other bytes");
        for size in [10, 50_000] {
            let session = server.start_upload("team/app").await;
            let refused = server.close_upload(&session, &wrong.digest, noise("wrong", size)).await;
            assert_refused(&refused, 400, &["DIGEST_INVALID"]);
        }
        assert_status(&server.head(blob_path("team/app", &wrong.digest)).await, 404);
    })
    .await;
}

#[tokio::test]
async fn both_names_of_the_same_bytes_are_separate_blobs() {
    on_every_backend(async |server| {
        let bytes = noise("two names", 30_000);
        let (short, long) = (Blob::new(bytes.clone()), Blob::named_by_sha512(bytes));
        server.push_blob("team/app", &short).await;
        assert_status(&server.head(blob_path("team/app", &long.digest)).await, 404);
        server.push_blob("team/app", &long).await;
        assert_status(&server.delete(blob_path("team/app", &short.digest)).await, 202);
        assert_blob_served(&server, "team/app", &long).await;
    })
    .await;
}

#[tokio::test]
async fn images_and_indexes_are_pushed_by_sha512() {
    on_every_backend(async |server| {
        let image = image_of_sha512("all of it");
        server.push_blobs("team/app", &image).await;
        let stored = server.put_manifest("team/app", &image.manifest.digest, &image.manifest).await;
        assert_status(&stored, 201);
        assert_eq!(stored.header("docker-content-digest"), Some(image.manifest.digest.as_str()));
        assert_manifest_served(&server, "team/app", &image.manifest.digest, &image.manifest).await;

        let all = index(&[&image.manifest]).named_by_sha512();
        server.push_manifest("team/app", &all.digest, &all).await;
        assert_manifest_served(&server, "team/app", &all.digest, &all).await;
        assert_refused(
            &server.delete(manifest_path("team/app", &image.manifest.digest)).await,
            405,
            &["DENIED"],
        );
        assert_status(&server.delete(manifest_path("team/app", &all.digest)).await, 202);
        assert_status(&server.delete(manifest_path("team/app", &image.manifest.digest)).await, 202);
    })
    .await;
}

#[tokio::test]
async fn a_tag_set_by_a_put_with_sha512_answers_with_that_digest() {
    on_every_backend(async |server| {
        let image = image_of_sha512("tagged");
        server.push_blobs("team/app", &image).await;
        let reference = format!("{}?tag=1.0.0", image.manifest.digest);
        let stored = server.put_manifest("team/app", &reference, &image.manifest).await;
        assert_status(&stored, 201);
        assert_eq!(stored.headers_named("oci-tag"), ["1.0.0"]);
        assert_manifest_served(&server, "team/app", "1.0.0", &image.manifest).await;
    })
    .await;
}

#[tokio::test]
async fn blobs_named_by_sha512_can_be_mounted() {
    on_every_backend(async |server| {
        for size in [10, 50_000] {
            let blob = Blob::named_by_sha512(noise("mounted", size));
            server.push_blob("team/app", &blob).await;
            for into in ["team/other", "elsewhere/app"] {
                let target = format!("/v2/{into}/blobs/uploads/?mount={}&from=team/app", blob.digest);
                assert_status(&server.send(Request::post(target)).await, 201);
                assert_blob_served(&server, into, &blob).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_subject_may_be_named_by_sha512() {
    on_every_backend(async |server| {
        let subject = image_of_sha512("subject");
        server.push_image("team/app", &subject.manifest.digest, &subject).await;
        let note = referrer(&subject.manifest, "application/vnd.test", "512");
        server.push_blobs("team/app", &note).await;
        let stored = server.put_manifest("team/app", &note.manifest.digest, &note.manifest).await;
        assert_eq!(stored.header("oci-subject"), Some(subject.manifest.digest.as_str()));
        let target = format!("/v2/team/app/referrers/{}", subject.manifest.digest);
        let listed = server.get(target).await;
        assert_status(&listed, 200);
        assert_eq!(listed.json()["manifests"][0]["digest"], note.manifest.digest);

        // The old fallback tag holds the first 64 digits only (distribution-spec, "Referrers Tag Schema").
        let tag = subject.manifest.digest.replace(':', "-")[.."sha512-".len() + 64].to_owned();
        server.push_manifest("team/app", &tag, &index(&[&note.manifest])).await;
        let target = format!("/v2/team/app/referrers/{}", subject.manifest.digest);
        assert_eq!(server.get(target).await.json()["manifests"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn a_manifest_may_mix_both_algorithms() {
    on_every_backend(async |server| {
        let (config, layer) = (Blob::new("{}"), Blob::named_by_sha512("layer"));
        let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST,
                              "config": config.descriptor(IMAGE_CONFIG), "layers": [layer.descriptor(IMAGE_LAYER)]});
        let document = Document::new(IMAGE_MANIFEST, &manifest);
        server.push_blob("team/app", &config).await;
        let refused = server.put_manifest("team/app", "mixed", &document).await;
        assert_refused(&refused, 404, &["MANIFEST_BLOB_UNKNOWN"]);
        server.push_blob("team/app", &layer).await;
        server.push_manifest("team/app", "mixed", &document).await;
        assert_manifest_served(&server, "team/app", "mixed", &document).await;
        // The same bytes by their other name are another manifest.
        assert_status(&server.get(manifest_path("team/app", &image("other").manifest.digest)).await, 404);
    })
    .await;
}
