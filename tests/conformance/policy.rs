//! What a setting forbids, it forbids for every way to the same effect: by tag, by digest, with `?tag=`, by mount,
//! in one request or in many.

use std::net::SocketAddr;

use crate::support::artifact::{Blob, Image, image, noise};
use crate::support::http::{self, Request, Response};
use crate::support::registry::{
    assert_refused, assert_status, blob_path, location, manifest_path, put_manifest, with_digest,
};
use crate::support::server::Server;

async fn send(address: SocketAddr, request: Request) -> Response {
    http::send(address, &request).await.expect("an answer")
}

/// Pushes `image` as team/app:1.0.0, and gives an upload session that is still open.
async fn prepare(address: SocketAddr, image: &Image) -> String {
    let start = || send(address, Request::post("/v2/team/app/blobs/uploads/"));
    for blob in &image.blobs {
        let session = location(&start().await);
        let put = Request::put(with_digest(&session, &blob.digest), blob.bytes.clone());
        assert_status(&send(address, put).await, 201);
    }
    assert_status(&send(address, put_manifest("team/app", "1.0.0", &image.manifest)).await, 201);
    location(&send(address, Request::patch(location(&start().await), "ten bytes.")).await)
}

/// Every request that would change something.
fn changes(image: &Image, session: &str) -> Vec<Request> {
    let (new, held) = (Blob::new(noise("new", 100)), &image.blobs[0]);
    let (uploads, digest) = ("/v2/team/app/blobs/uploads/", &image.manifest.digest);
    let other = "/v2/team/other/blobs/uploads/";
    vec![
        Request::post(uploads),
        Request::new("POST", format!("{uploads}?digest={}", new.digest)).body(new.bytes.clone()),
        Request::post(format!("{other}?mount={}&from=team/app", held.digest)),
        Request::post(format!("{other}?mount={}", held.digest)),
        Request::new("GET", session),
        Request::patch(session, "more"),
        Request::put(with_digest(session, &new.digest), new.bytes.clone()),
        Request::delete(session),
        put_manifest("team/app", "latest", &image.manifest),
        put_manifest("team/app", "1.0.0", &image.manifest),
        put_manifest("team/app", digest, &image.manifest),
        put_manifest("team/app", &format!("{digest}?tag=latest&tag=2.0.0"), &image.manifest),
        Request::delete(manifest_path("team/app", "1.0.0")),
        Request::delete(manifest_path("team/app", digest)),
        Request::delete(blob_path("team/app", &held.digest)),
    ]
}

#[tokio::test]
async fn a_server_that_may_only_be_read_changes_nothing_by_any_way() {
    let settings = tempfile::tempdir().unwrap();
    let read_only = settings.path().join("read-only.yaml");
    let anonymous = settings.path().join("anonymous.yaml");
    std::fs::write(&read_only, "storage:\n  read_only: true\n").unwrap();
    std::fs::write(&anonymous, "auth:\n  anonymous: read\n").unwrap();
    for (file, status, codes) in
        [(read_only, 405, ["UNSUPPORTED", "DENIED"]), (anonymous, 403, ["DENIED"; 2])]
    {
        let folder = tempfile::tempdir().unwrap();
        let image = image("policy");
        let server = Server::over(folder.path());
        let session = prepare(server.address(), &image).await;
        server.stop();

        let storage = folder.path().to_str().unwrap();
        let server = Server::start(&["--storage", storage, "--config", file.to_str().unwrap()]);
        let address = server.address();
        for request in changes(&image, &session) {
            println!("{} {} with {}", request.method, request.target(), file.display());
            assert_refused(&send(address, request).await, status, &codes);
        }
        for (target, expected) in [
            (manifest_path("team/app", "1.0.0"), 200),
            (manifest_path("team/app", &image.manifest.digest), 200),
            (blob_path("team/app", &image.blobs[0].digest), 200),
            (manifest_path("team/app", "latest"), 404),
            (blob_path("team/other", &image.blobs[0].digest), 404),
        ] {
            assert_status(&send(address, Request::get(target)).await, expected);
        }
        let tags = send(address, Request::get("/v2/team/app/tags/list")).await;
        assert_eq!(tags.json()["tags"], serde_json::json!(["1.0.0"]));
        server.stop();
    }
}
