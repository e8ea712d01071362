//! Deleting tags, manifests and blobs (distribution-spec "Content Management", end-9, end-10).

use serde_json::json;

use crate::support::app::on_every_backend;
use crate::support::artifact::{Blob, image, index, noise};
use crate::support::registry::{
    assert_blob_served, assert_manifest_served, assert_refused, assert_status, blob_path, manifest_path,
};

#[tokio::test]
async fn deleting_a_tag_removes_the_tag_only() {
    on_every_backend(async |server| {
        let image = image("tagged");
        server.push_image("team/app", "1.0.0", &image).await;
        server.push_manifest("team/app", "latest", &image.manifest).await;
        assert_status(&server.delete(manifest_path("team/app", "1.0.0")).await, 202);
        assert_refused(&server.get(manifest_path("team/app", "1.0.0")).await, 404, &["MANIFEST_UNKNOWN"]);
        assert_status(&server.head(manifest_path("team/app", "1.0.0")).await, 404);
        for reference in ["latest", &image.manifest.digest] {
            assert_manifest_served(&server, "team/app", reference, &image.manifest).await;
        }
        assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!(["latest"]));
    })
    .await;
}

#[tokio::test]
async fn deleting_a_manifest_removes_its_tags() {
    on_every_backend(async |server| {
        let (image, other) = (image("deleted"), image("kept"));
        for tag in ["1.0.0", "latest"] {
            server.push_image("team/app", tag, &image).await;
        }
        server.push_image("team/app", "2.0.0", &other).await;
        assert_status(&server.delete(manifest_path("team/app", &image.manifest.digest)).await, 202);
        for reference in ["1.0.0", "latest", &image.manifest.digest] {
            assert_refused(
                &server.get(manifest_path("team/app", reference)).await,
                404,
                &["MANIFEST_UNKNOWN"],
            );
            assert_status(&server.head(manifest_path("team/app", reference)).await, 404);
        }
        assert_manifest_served(&server, "team/app", "2.0.0", &other.manifest).await;
        assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!(["2.0.0"]));
    })
    .await;
}

#[tokio::test]
async fn what_was_deleted_is_404_the_second_time() {
    on_every_backend(async |server| {
        let (image, blob) = (image("twice"), Blob::new("twice"));
        server.push_image("team/app", "1.0.0", &image).await;
        server.push_blob("team/app", &blob).await;
        for (target, code) in [
            (manifest_path("team/app", "1.0.0"), "MANIFEST_UNKNOWN"),
            (manifest_path("team/app", &image.manifest.digest), "MANIFEST_UNKNOWN"),
            (blob_path("team/app", &blob.digest), "BLOB_UNKNOWN"),
        ] {
            assert_status(&server.delete(&target).await, 202);
            assert_refused(&server.delete(&target).await, 404, &[code]);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_never_there_is_404() {
    on_every_backend(async |server| {
        server.push_image("team/app", "1.0.0", &image("present")).await;
        let absent = Blob::new("absent").digest;
        for repository in ["team/app", "team/none", "no/such"] {
            for (target, code) in [
                (manifest_path(repository, "9.9.9"), "MANIFEST_UNKNOWN"),
                (manifest_path(repository, &absent), "MANIFEST_UNKNOWN"),
                (blob_path(repository, &absent), "BLOB_UNKNOWN"),
            ] {
                assert_refused(&server.delete(&target).await, 404, &[code, "NAME_UNKNOWN"]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_blob_is_deleted_and_can_be_pushed_again() {
    on_every_backend(async |server| {
        for size in [10, 100_000] {
            let blob = Blob::new(noise("deleted", size));
            for _ in 0..3 {
                server.push_blob("team/app", &blob).await;
                assert_blob_served(&server, "team/app", &blob).await;
                assert_status(&server.delete(blob_path("team/app", &blob.digest)).await, 202);
                assert_refused(
                    &server.get(blob_path("team/app", &blob.digest)).await,
                    404,
                    &["BLOB_UNKNOWN"],
                );
                assert_status(&server.head(blob_path("team/app", &blob.digest)).await, 404);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_blob_that_a_manifest_refers_to_cannot_be_deleted() {
    on_every_backend(async |server| {
        let image = image("in use");
        server.push_image("team/app", "1.0.0", &image).await;
        for blob in &image.blobs {
            assert_refused(&server.delete(blob_path("team/app", &blob.digest)).await, 405, &["DENIED"]);
            assert_blob_served(&server, "team/app", blob).await;
        }
        // The same blob in another repository is not in use there.
        server.push_blob("team/other", &image.blobs[0]).await;
        assert_status(&server.delete(blob_path("team/other", &image.blobs[0].digest)).await, 202);
        // Untagged manifests count; deleted ones do not.
        assert_status(&server.delete(manifest_path("team/app", "1.0.0")).await, 202);
        assert_status(&server.delete(blob_path("team/app", &image.blobs[0].digest)).await, 405);
        assert_status(&server.delete(manifest_path("team/app", &image.manifest.digest)).await, 202);
        for blob in &image.blobs {
            assert_status(&server.delete(blob_path("team/app", &blob.digest)).await, 202);
        }
    })
    .await;
}

#[tokio::test]
async fn a_manifest_that_an_index_names_cannot_be_deleted() {
    on_every_backend(async |server| {
        let child = image("child");
        server.push_image("team/app", "child", &child).await;
        let parent = index(&[&child.manifest]);
        server.push_manifest("team/app", "parent", &parent).await;
        let target = manifest_path("team/app", &child.manifest.digest);
        assert_refused(&server.delete(&target).await, 405, &["DENIED"]);
        assert_manifest_served(&server, "team/app", "child", &child.manifest).await;
        // Its tag may go: that removes nothing the index names.
        assert_status(&server.delete(manifest_path("team/app", "child")).await, 202);
        assert_status(&server.delete(manifest_path("team/app", &parent.digest)).await, 202);
        assert_status(&server.delete(&target).await, 202);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_manifest_can_be_pushed_again() {
    on_every_backend(async |server| {
        let image = image("comes back");
        for _ in 0..3 {
            server.push_image("team/app", "1.0.0", &image).await;
            assert_manifest_served(&server, "team/app", "1.0.0", &image.manifest).await;
            assert_status(&server.delete(manifest_path("team/app", &image.manifest.digest)).await, 202);
        }
        assert_status(&server.get(manifest_path("team/app", "1.0.0")).await, 404);
    })
    .await;
}

#[tokio::test]
async fn deletion_in_one_repository_is_not_undone_by_a_read_in_another() {
    on_every_backend(async |server| {
        let image = image("shared");
        for repository in ["team/one", "team/two", "other/three"] {
            server.push_image(repository, "1.0.0", &image).await;
            assert_manifest_served(&server, repository, "1.0.0", &image.manifest).await;
        }
        assert_status(&server.delete(manifest_path("team/one", &image.manifest.digest)).await, 202);
        for blob in &image.blobs {
            assert_status(&server.delete(blob_path("team/one", &blob.digest)).await, 202);
        }
        for repository in ["team/two", "other/three"] {
            assert_manifest_served(&server, repository, "1.0.0", &image.manifest).await;
            assert_blob_served(&server, repository, &image.blobs[1]).await;
        }
        assert_status(&server.get(manifest_path("team/one", "1.0.0")).await, 404);
        assert_status(&server.get(manifest_path("team/one", &image.manifest.digest)).await, 404);
        assert_status(&server.get(blob_path("team/one", &image.blobs[1].digest)).await, 404);
    })
    .await;
}
