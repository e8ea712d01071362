//! Mounting a blob of another repository (distribution-spec "Mounting a blob from another repository", end-11).

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{Blob, image, noise};
use crate::support::http::{Request, Response};
use crate::support::registry::{
    assert_blob_served, assert_manifest_served, assert_refused, assert_status, blob_path, location,
    with_digest,
};

async fn mount(server: &TestServer, into: &str, digest: &str, from: Option<&str>) -> Response {
    let from = from
        .map(|from| format!("&from={}", from.replace('/', "%2F").replace(' ', "%20")))
        .unwrap_or_default();
    server.send(Request::post(format!("/v2/{into}/blobs/uploads/?mount={digest}{from}"))).await
}

#[tokio::test]
async fn a_blob_can_be_mounted_within_a_namespace_and_across() {
    // At most 16 KiB lies in the journal of its namespace, more in data objects.
    let sizes = [0, 10, 16 * 1024, 16 * 1024 + 1, 9 << 20];
    on_every_backend(async |server| {
        for size in sizes {
            let blob = Blob::new(noise("mounted", size));
            server.push_blob("team/app", &blob).await;
            for into in ["team/other", "elsewhere/app", "deep/er/app", "app"] {
                println!("{size} bytes into {into}");
                let mounted = mount(&server, into, &blob.digest, Some("team/app")).await;
                assert_status(&mounted, 201);
                assert_eq!(location(&mounted), blob_path(into, &blob.digest));
                assert_eq!(mounted.header("docker-content-digest"), Some(blob.digest.as_str()));
                assert_blob_served(&server, into, &blob).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_mount_outlives_its_source() {
    on_every_backend(async |server| {
        for size in [100, 50_000] {
            let blob = Blob::new(noise("outlives", size));
            server.push_blob("team/app", &blob).await;
            for into in ["team/other", "elsewhere/app"] {
                assert_status(&mount(&server, into, &blob.digest, Some("team/app")).await, 201);
            }
            assert_status(&server.delete(blob_path("team/app", &blob.digest)).await, 202);
            for into in ["team/other", "elsewhere/app"] {
                assert_blob_served(&server, into, &blob).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_mount_that_cannot_be_made_starts_an_upload() {
    let blob = Blob::new("never pushed to the source");
    let cases = [
        ("a blob that the source does not hold", Some("team/app")),
        ("an unknown source", Some("no/such")),
        ("no source", None),
        ("the repository itself", Some("team/target")),
    ];
    on_every_backend(async |server| {
        server.push_blob("team/app", &Blob::new("something")).await;
        for (name, from) in cases {
            println!("{name}");
            let reply = mount(&server, "team/target", &blob.digest, from).await;
            assert_status(&reply, 202);
            let stored = server.close_upload(&location(&reply), &blob.digest, blob.bytes.clone()).await;
            assert_status(&stored, 201);
            assert_blob_served(&server, "team/target", &blob).await;
            assert_status(&server.delete(blob_path("team/target", &blob.digest)).await, 202);
        }
    })
    .await;
}

#[tokio::test]
async fn a_failed_mount_discloses_nothing_that_is_held_elsewhere() {
    on_every_backend(async |server| {
        let blob = Blob::new("private to team/secret");
        server.push_blob("team/secret", &blob).await;
        server.push_blob("team/app", &Blob::new("something")).await;
        let reply = mount(&server, "team/target", &blob.digest, Some("team/app")).await;
        assert_status(&reply, 202);
        assert_status(&server.head(blob_path("team/target", &blob.digest)).await, 404);
    })
    .await;
}

#[tokio::test]
async fn mounting_twice_succeeds_twice() {
    on_every_backend(async |server| {
        let blob = Blob::new("twice");
        server.push_blob("team/app", &blob).await;
        for into in ["team/other", "elsewhere/app"] {
            for _ in 0..2 {
                assert_status(&mount(&server, into, &blob.digest, Some("team/app")).await, 201);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_malformed_digest_cannot_be_mounted() {
    on_every_backend(async |server| {
        server.push_blob("team/app", &Blob::new("something")).await;
        for digest in ["sha256:abc", "latest", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
            let reply = mount(&server, "team/other", digest, Some("team/app")).await;
            assert_refused(&reply, 400, &["DIGEST_INVALID"]);
        }
    })
    .await;
}

#[tokio::test]
async fn mounted_blobs_make_an_image_complete() {
    on_every_backend(async |server| {
        let image = image("mounted image");
        server.push_image("team/app", "1.0.0", &image).await;
        for into in ["team/copy", "elsewhere/copy"] {
            for blob in &image.blobs {
                assert_status(&mount(&server, into, &blob.digest, Some("team/app")).await, 201);
            }
            server.push_manifest(into, "1.0.0", &image.manifest).await;
            assert_manifest_served(&server, into, "1.0.0", &image.manifest).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_mount_request_that_falls_back_takes_the_digest_at_its_close() {
    on_every_backend(async |server| {
        let blob = Blob::new(noise("fallback", 20_000));
        let reply = mount(&server, "team/app", &blob.digest, Some("no/such")).await;
        let session = location(&reply);
        let accepted = server.send(Request::patch(&session, blob.bytes.clone())).await;
        assert_status(&accepted, 202);
        let close = Request::put(with_digest(&location(&accepted), &blob.digest), "");
        assert_status(&server.send(close).await, 201);
        assert_blob_served(&server, "team/app", &blob).await;
    })
    .await;
}
