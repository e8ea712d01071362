//! Uploads: raw and as a form, with and without a signature, again, by force, and what is refused.

use std::fs;

use serde_json::json;

use super::{api, assert_error, form, upload};
use crate::support::app::on_every_backend;
use crate::support::charts::{Packed, pack, root};
use crate::support::http::Request;
use crate::support::index::chart_path;
use crate::support::registry::assert_status;

fn provenance() -> Vec<u8> {
    fs::read(root().join("signed-1.0.0.tgz.prov")).expect("read the provenance")
}

fn other(chart: &str, description: &str) -> Packed {
    pack(chart, &[("A small web application, the plain case of every test", description)])
}

#[tokio::test]
async fn an_upload_is_there_for_every_client() {
    on_every_backend(async |server| {
        for namespace in ["", "team", "a/b/charts"] {
            let app = pack("app-1.2.3", &[]);
            server.upload(namespace, &app).await;
            let metadata = pack("build-metadata", &[]);
            server.upload(namespace, &metadata).await;

            let index = server.index(namespace).await;
            assert_eq!(index.versions("app"), ["1.2.3"]);
            assert_eq!(index.versions("metadata"), ["1.2.3+build.7"]);
            let served = server.get(chart_path(namespace, &app.file_name)).await;
            assert!(served.body == app.bytes, "{namespace}: other bytes");

            let repository = if namespace.is_empty() { "app".to_owned() } else { format!("{namespace}/app") };
            let manifest = server.get(format!("/v2/{repository}/manifests/1.2.3")).await;
            assert_status(&manifest, 200);
            let manifest = manifest.json();
            let layer = manifest["layers"][0]["digest"].as_str().expect("a layer");
            let blob = server.get(format!("/v2/{repository}/blobs/{layer}")).await;
            assert!(blob.body == app.bytes, "{namespace}: other bytes over OCI");
            let annotations = &manifest["annotations"];
            assert_eq!(annotations["org.opencontainers.image.title"], "app");
            assert_eq!(annotations["org.opencontainers.image.version"], "1.2.3");
            assert_eq!(annotations["example.com/tier"], "backend");
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_brings_a_package_and_its_signature() {
    on_every_backend(async |server| {
        let (signed, provenance) = (pack("signed", &[]), provenance());
        let both = [("chart", &signed.bytes[..]), ("prov", &provenance[..])];
        let reply = server.send(form(api("both", "charts"), &both)).await;
        assert_eq!((reply.status, reply.json()), (201, json!({"saved": true})));
        // One after the other, in a form and raw.
        assert_status(&server.send(form(api("form", "charts"), &both[..1])).await, 201);
        assert_status(&server.send(form(api("form", "prov"), &both[1..])).await, 201);
        assert_status(&server.send(form(api("late", "charts"), &both[..1])).await, 201);
        assert_status(&server.send(form(api("late", "charts"), &both[1..])).await, 201);
        assert_status(&server.send(upload("raw", &signed.bytes)).await, 201);
        let raw = Request::post(api("raw", "prov")).body(provenance.clone());
        assert_status(&server.send(raw.clone()).await, 201);
        assert_status(&server.send(raw).await, 201);
        for namespace in ["both", "form", "late", "raw"] {
            let file = chart_path(namespace, "signed-1.0.0.tgz.prov");
            let served = server.get(file).await;
            assert!(served.status == 200 && served.body == provenance, "{namespace}: {}", served.text());
        }
        let early = Request::post(api("early", "prov")).body(provenance);
        assert_error(&server.send(early).await, 404, "signed");
    })
    .await;
}

#[tokio::test]
async fn a_version_is_taken_once() {
    on_every_backend(async |server| {
        let app = pack("app-1.2.3", &[]);
        server.upload("team", &app).await;
        server.upload("team", &app).await;
        let changed = other("app-1.2.3", "Something else");
        assert_error(&server.send(upload("team", &changed.bytes)).await, 409, "1.2.3");
        let forced = Request::post("/api/team/charts?force").body(changed.bytes.clone());
        assert_error(&server.send(forced).await, 409, "keeps its content");
        let served = server.get(chart_path("team", &app.file_name)).await;
        assert!(served.body == app.bytes, "the first package stays");

        let candidate = pack("app-2.0.0-rc.1", &[]);
        server.upload("team", &candidate).await;
        let changed = other("app-2.0.0-rc.1", "Something else");
        assert_error(&server.send(upload("team", &changed.bytes)).await, 409, "2.0.0-rc.1");
        let forced = Request::post("/api/team/charts?force=true").body(changed.bytes.clone());
        assert_status(&server.send(forced).await, 201);
        let served = server.get(chart_path("team", &candidate.file_name)).await;
        assert!(served.body == changed.bytes, "a pre-release is replaced by force");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_package_is_refused_with_the_rule() {
    on_every_backend(async |server| {
        let app = pack("app-1.2.3", &[]);
        let cases: [(&str, Request, u16, &str); 9] = [
            ("nothing", upload("team", b""), 400, "empty"),
            ("no archive", upload("team", b"not a chart"), 400, "gzip"),
            ("half an archive", upload("team", &app.bytes[..app.bytes.len() / 2]), 400, "package"),
            ("a form without files", form(api("team", "charts"), &[]), 400, "chart"),
            ("a form with another field", form(api("team", "charts"), &[("x", b"y")]), 400, "prov"),
            (
                "a form with a field twice",
                form(api("team", "charts"), &[("chart", &app.bytes), ("chart", &app.bytes)]),
                400,
                "twice",
            ),
            (
                "a form without a boundary",
                upload("team", &app.bytes).header("Content-Type", "multipart/form-data"),
                400,
                "form",
            ),
            ("no signature", Request::post(api("team", "prov")).body("x"), 400, "provenance"),
            (
                "a package that is too large",
                Request::post(api("team", "charts")).header("Content-Length", "99999999").body(Vec::new()),
                413,
                "larger",
            ),
        ];
        for (what, request, status, says) in cases {
            println!("{what}");
            assert_error(&server.send(request).await, status, says);
        }
        assert!(server.index("team").await.entries.is_empty());
    })
    .await;
}
