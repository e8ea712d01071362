//! A server stopped and started again over the same folder has everything, unfinished uploads included.

use serde_json::json;

use crate::support::app::{Kind, TestServer};
use crate::support::artifact::{Blob, image, noise, referrer};
use crate::support::http::Request;
use crate::support::registry::{
    assert_blob_served, assert_manifest_served, assert_refused, assert_status, location, manifest_path,
    with_digest,
};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let server = TestServer::start(Kind::Fs).await;
    let (one, two, large) = (image("one"), image("two"), Blob::new(noise("large", 9 << 20)));
    let note = referrer(&one.manifest, "application/vnd.test", "note");
    server.push_image("team/app", "1.0.0", &one).await;
    server.push_image("team/app", "2.0.0", &two).await;
    server.push_image("app", "1.0.0", &one).await;
    server.push_image("team/app", &note.manifest.digest, &note).await;
    server.push_blob("team/app", &large).await;
    assert_status(&server.delete(manifest_path("team/app", "2.0.0")).await, 202);

    let server = server.restart().await;
    assert_eq!(server.get("/v2/_catalog").await.json(), json!({"repositories": ["app", "team/app"]}));
    assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!(["1.0.0"]));
    assert_manifest_served(&server, "team/app", "1.0.0", &one.manifest).await;
    assert_manifest_served(&server, "app", "1.0.0", &one.manifest).await;
    assert_manifest_served(&server, "team/app", &two.manifest.digest, &two.manifest).await;
    assert_status(&server.get(manifest_path("team/app", "2.0.0")).await, 404);
    for blob in [&large, &one.blobs[0], &two.blobs[1]] {
        assert_blob_served(&server, "team/app", blob).await;
    }
    let referrers = server.get(format!("/v2/team/app/referrers/{}", one.manifest.digest)).await.json();
    assert_eq!(referrers["manifests"][0]["digest"], note.manifest.digest);
    server.push_image("team/app", "3.0.0", &image("three")).await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let mut server = TestServer::start(Kind::Fs).await;
    let blob = Blob::new(noise("survivor", 100_000));
    let mut session = server.start_upload("team/app").await;
    let untouched = server.start_upload("team/app").await;
    for first in (0..100_000).step_by(25_000) {
        server = server.restart().await;
        let chunk = Request::patch(&session, blob.bytes.slice(first..first + 25_000))
            .header("Content-Range", format!("{first}-{}", first + 24_999));
        let accepted = server.send(chunk).await;
        assert_status(&accepted, 202);
        session = location(&accepted);
        let progress = server.get(&session).await;
        assert_eq!(progress.header("range"), Some(format!("0-{}", first + 24_999).as_str()));
    }
    server = server.restart().await;
    let small = Blob::new("sent to a session from before the restarts");
    for (session, blob, rest) in [(session, &blob, "".into()), (untouched, &small, small.bytes.clone())] {
        let close = Request::put(with_digest(&session, &blob.digest), rest);
        assert_status(&server.send(close).await, 201);
        assert_blob_served(&server, "team/app", blob).await;
    }
}

#[tokio::test]
async fn a_cancelled_upload_stays_cancelled_after_a_restart() {
    let server = TestServer::start(Kind::Fs).await;
    let session = server.start_upload("team/app").await;
    let session = location(&server.send(Request::patch(session, "some bytes")).await);
    assert_status(&server.delete(&session).await, 204);
    let server = server.restart().await;
    for request in [Request::get(&session), Request::patch(&session, "more"), Request::delete(&session)] {
        assert_refused(&server.send(request).await, 404, &["BLOB_UPLOAD_UNKNOWN"]);
    }
}
