//! Browsers and proxies: which requests are refused by their head alone, on every path, and what answers do to a browser.

mod cross_site;
mod framing;
mod local_only;
mod sandbox;

use charthouse::config::Settings;
use serde_json::json;

use crate::museum::form;
use crate::support::app::{TestServer, settings};
use crate::support::artifact::{Blob, Image, image};
use crate::support::charts::pack;
use crate::support::http::{Request, Response};
use crate::support::registry::{assert_refused, blob_path, manifest_path, put_manifest};

/// How a refusal is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Oci,
    Museum,
    Text,
}

/// The refusal is in the form of its API, and its message says all of `says`.
#[track_caller]
fn assert_says(reply: &Response, status: u16, form: Form, says: &[&str]) {
    let message = match form {
        Form::Oci => {
            assert_refused(reply, status, &["DENIED", "UNSUPPORTED"]);
            reply.json()["errors"][0]["message"].as_str().expect("a message").to_owned()
        }
        Form::Museum => {
            assert_eq!(reply.status, status, "{}", reply.text());
            reply.json()["error"].as_str().expect("a message").to_owned()
        }
        Form::Text => {
            assert_eq!(reply.status, status, "{}", reply.text());
            assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
            reply.text()
        }
    };
    for text in says {
        assert!(message.contains(text), "{message:?} does not say {text:?}");
    }
}

/// A server with nothing configured but where it listens.
async fn unconfigured() -> TestServer {
    let mut settings = settings();
    settings.auth.anonymous = None;
    TestServer::with_settings(settings).await
}

/// A server that everybody may write to, with the settings that `change` makes.
async fn configured(change: impl FnOnce(&mut Settings)) -> TestServer {
    let mut settings = settings();
    change(&mut settings);
    TestServer::with_settings(settings).await
}

/// What a server holds before it is asked to change it.
async fn prepare(server: &TestServer) -> Image {
    let image = image("held");
    server.push_image("team/app", "1.0.0", &image).await;
    server.push_version("team/chart", "1.0.0").await;
    image
}

/// Every kind of change, with the form of its refusals.
async fn changes(server: &TestServer, image: &Image) -> Vec<(Form, Request)> {
    let (blob, chart) = (Blob::new("pushed by a page"), pack("app-1.2.3", &[]));
    let session = server.start_upload("team/app").await;
    let uploads = "/v2/team/app/blobs/uploads/";
    vec![
        (Form::Oci, Request::post(uploads)),
        (Form::Oci, Request::post(format!("{uploads}?digest={}", blob.digest)).body(blob.bytes.clone())),
        (Form::Oci, Request::post(format!("{uploads}?mount={}&from=team/chart", blob.digest))),
        (Form::Oci, Request::patch(&session, "bytes").header("Content-Type", "text/plain")),
        (Form::Oci, Request::put(format!("{session}?digest={}", blob.digest), blob.bytes.clone())),
        (Form::Oci, Request::delete(&session)),
        (Form::Oci, put_manifest("team/app", "2.0.0", &image.manifest)),
        (Form::Oci, Request::delete(manifest_path("team/app", "1.0.0"))),
        (Form::Oci, Request::delete(manifest_path("team/app", &image.manifest.digest))),
        (Form::Oci, Request::delete(blob_path("team/app", &image.blobs[0].digest))),
        (Form::Museum, form("/api/team/charts".into(), &[("chart", &chart.bytes)])),
        (Form::Museum, Request::post("/api/charts").body(chart.bytes.clone())),
        (Form::Museum, Request::post("/api/team/prov").body("a signature")),
        (Form::Museum, Request::delete("/api/team/charts/chart/1.0.0")),
        (Form::Oci, Request::post("/-/api/v1/namespaces")),
        (Form::Oci, Request::new("PURGE", "/v2/_catalog")),
        (Form::Text, Request::post("/health")),
        (Form::Text, Request::put("/team/index.yaml", "apiVersion: v1")),
        (Form::Text, Request::post("/")),
        (Form::Text, Request::post("/nothing/is/here")),
    ]
}

/// Nothing is there but what [`prepare`] has pushed.
async fn assert_unchanged(server: &TestServer, image: &Image) {
    let catalog = server.get("/v2/_catalog").await.json();
    assert_eq!(catalog, json!({"repositories": ["team/app", "team/chart"]}));
    let tags = server.get("/v2/team/app/tags/list").await.json();
    assert_eq!(tags["tags"], json!(["1.0.0"]));
    assert_eq!(server.get(manifest_path("team/app", "1.0.0")).await.body, image.manifest.body);
    assert_eq!(server.get("/api/team/charts").await.json().as_object().map(|charts| charts.len()), Some(1));
    let pushed = blob_path("team/app", &Blob::new("pushed by a page").digest);
    assert_eq!(server.get(pushed).await.status, 404);
}
