//! No answer runs in a browser, whatever somebody has pushed.

use super::{configured, prepare, unconfigured};
use crate::support::app::TestServer;
use crate::support::artifact::{IMAGE_INDEX, IMAGE_MANIFEST, index, referrer};
use crate::support::http::{Request, Response};
use crate::support::registry::{blob_path, manifest_path};

#[track_caller]
fn assert_sandboxed(reply: &Response, shown: &str) {
    assert_eq!(reply.header("content-security-policy"), Some("sandbox; default-src 'none'"), "{shown}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{shown}");
}

/// Sends `request`, and the same with its entity tag, by GET and by HEAD.
async fn check(server: &TestServer, target: &str, status: u16) -> Response {
    let get = server.get(target).await;
    assert_eq!(get.status, status, "{target}: {}", get.text());
    assert_sandboxed(&get, target);
    let head = server.head(target).await;
    assert_eq!(head.status, status, "HEAD {target}");
    assert_sandboxed(&head, target);
    if let Some(tag) = get.header("etag") {
        let unchanged = server.send(Request::get(target).header("If-None-Match", tag)).await;
        assert_eq!(unchanged.status, 304, "{target}");
        assert_sandboxed(&unchanged, target);
    }
    get
}

#[tokio::test]
async fn every_answer_is_sandboxed() {
    let server = configured(|_| {}).await;
    let image = prepare(&server).await;
    let blob = blob_path("team/app", &image.blobs[0].digest);
    let note = referrer(&image.manifest, "text/html", "note");
    server.push_image("team/app", &note.manifest.digest, &note).await;
    for target in [
        "/v2/",
        "/v2/_catalog",
        "/v2/team/app/tags/list",
        &format!("/v2/team/app/referrers/{}", image.manifest.digest),
        &manifest_path("team/app", "1.0.0"),
        &manifest_path("team/app", &image.manifest.digest),
        &blob,
        "/team/index.yaml",
        "/team/charts/chart-1.0.0.tgz",
        "/api/team/charts",
        "/-/api/v1/namespaces",
        "/-/api/v1/openapi.json",
        "/health",
        "/",
        "/info",
        "/absent/index.yaml",
    ] {
        check(&server, target, 200).await;
    }
    let part = server.send(Request::get(&blob).header("Range", "bytes=0-0")).await;
    assert_eq!(part.status, 206);
    assert_sandboxed(&part, "a part");
    for (target, status) in [
        ("/nothing/is/here", 404),
        ("/v2/team/app/manifests/absent", 404),
        ("/v2/Team/app/tags/list", 400),
        ("/api/team/charts/absent", 404),
        ("/Absent/index.yaml", 400),
        ("//absent/index.yaml", 308),
        ("/absent/artifacthub-repo.yml", 404),
        ("/-/api/v1/nothing", 404),
    ] {
        check(&server, target, status).await;
    }
    for request in [
        Request::post("/v2/team/app/blobs/uploads/"),
        Request::put("/team/index.yaml", ""),
        Request::new("OPTIONS", "/v2/"),
        Request::delete(manifest_path("team/app", "absent")),
        Request::post("/v2/team/app/blobs/uploads/").header("Origin", "https://evil.example"),
        Request::get("/v2/").header("Authorization", "a").header("Authorization", "b"),
        Request::get(&blob).header("Range", "bytes=9999999-"),
    ] {
        let shown = format!("{} {}", request.method, request.target());
        assert_sandboxed(&server.send(request).await, &shown);
    }
    let refused = unconfigured().await.send(Request::get("/v2/").header("Host", "evil.example")).await;
    assert_sandboxed(&refused, "a refusal of the open default");
}

#[tokio::test]
async fn manifests_keep_the_type_that_was_pushed() {
    let server = configured(|_| {}).await;
    let image = prepare(&server).await;
    server.push_manifest("team/app", "all", &index(&[&image.manifest])).await;
    for (reference, media_type) in [("1.0.0", IMAGE_MANIFEST), ("all", IMAGE_INDEX)] {
        let reply = check(&server, &manifest_path("team/app", reference), 200).await;
        assert_eq!(reply.header("content-type"), Some(media_type));
        assert_eq!(reply.header("content-disposition"), None, "nothing that a browser runs");
    }
}
