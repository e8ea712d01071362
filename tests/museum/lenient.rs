//! Paths as clients in the field write them, and what a refused upload is told.

use flate2::Compression;
use serde_json::json;

use super::{api, assert_error, upload};
use crate::support::app::on_every_backend;
use crate::support::charts::{archive, pack};
use crate::support::http::Request;
use crate::support::registry::assert_status;

#[tokio::test]
async fn escapes_and_slashes_lead_to_what_is_meant() {
    on_every_backend(async |server| {
        for chart in ["app-1.2.3", "app-1.3.0", "build-metadata"] {
            server.upload("team", &pack(chart, &[])).await;
        }
        for (version, expected) in [
            ("%5E1.2", "1.3.0"),
            ("^1.2", "1.3.0"),
            ("%7E1.2", "1.2.3"),
            ("%3E%3D1.0%20%3C1.3", "1.2.3"),
            ("%3E%3D1.0+%3C1.3", "1.2.3"),
            ("%3C1.3%20%7C%7C%202.x", "1.2.3"),
            ("1%2E2.3", "1.2.3"),
            ("1.2.3/", "1.2.3"),
        ] {
            let found = server.get(format!("/api/team/charts/app/{version}")).await;
            assert_status(&found, 200);
            assert_eq!(found.json()["version"], expected, "{version}");
        }
        let all = server.get("/api/team/charts").await.json();
        for target in ["/api/team/charts/", "/api/te%61m/charts", "/api/team/charts/?offset=0"] {
            assert_eq!(server.get(target).await.json(), all, "{target}");
        }
        assert_eq!(server.get("/api/team/charts/app/").await.json(), all["app"]);
        let moved = server.get("/api//team/charts").await;
        assert_eq!((moved.status, moved.header("location")), (308, Some("../../../api/team/charts")));
        let sent = Request::post("/api/team/charts/").body(pack("app-2.0.0-rc.1", &[]).bytes);
        assert_status(&server.send(sent).await, 201);
        for hostile in ["1.2.3%2F..", "%2e%2e", "1%252e2.3", "a%00", "a%5cb", "%c3%a9"] {
            let refused = server.get(format!("/api/team/charts/app/{hostile}")).await;
            assert_error(&refused, 400, "path");
        }
    })
    .await;
}

#[tokio::test]
async fn clients_learn_the_version_of_the_server() {
    on_every_backend(async |server| {
        let info = server.get("/info").await;
        assert_eq!(
            (info.status, info.json()),
            (200, json!({"version": format!("v{}", env!("CARGO_PKG_VERSION"))}))
        );
        assert_status(&server.head("/info").await, 200);
        assert_eq!(server.get("/health").await.json(), json!({"healthy": true}));
        let home = server.get("/").await;
        assert!(home.status == 200 && home.text().contains("helm push"), "{}", home.text());
        assert_eq!(home.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_status(&server.head("/").await, 200);
        let refused = server.send(Request::post("/").body("x")).await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    })
    .await;
}

/// The same chart with other bytes: `files` in this order, compressed so.
fn packed(compression: Compression, files: &[(&str, &str)]) -> Vec<u8> {
    archive("app", compression, files.iter().map(|(path, content)| (*path, content.as_bytes())))
}

#[tokio::test]
async fn a_version_that_is_taken_says_how_the_packages_differ_and_what_helps() {
    let chart_yaml = ("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.2.3\n");
    let (values, template) = (("values.yaml", "a: 1\n"), ("templates/a.yaml", "a\n"));
    let first = packed(Compression::fast(), &[chart_yaml, values, template]);
    let again = packed(Compression::none(), &[chart_yaml, template, values]);
    let other =
        packed(Compression::fast(), &[chart_yaml, ("values.yaml", "a: 2\n"), ("templates/b.yaml", "b\n")]);
    on_every_backend(async |server| {
        assert_status(&server.send(upload("team", &first)).await, 201);
        for force in ["", "?force"] {
            let target = format!("{}{force}", api("team", "charts"));
            let repacked = server.send(Request::post(&*target).body(again.clone())).await;
            assert_error(&repacked, 409, "same files, only times or packing differ");
            assert_error(&repacked, 409, "--skip-existing");
            let changed = server.send(Request::post(target).body(other.clone())).await;
            assert_error(&changed, 409, "differ in templates/a.yaml, templates/b.yaml, values.yaml");
            assert_error(&changed, 409, "keeps its content");
        }
        let plain = server.send(upload("team", &other)).await;
        assert_error(&plain, 409, "`?force` replaces a pre-release");
    })
    .await;
}
