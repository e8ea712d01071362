//! What ChartMuseum's API shows, and deletions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::assert_error;
use crate::support::app::{TestServer, on_every_backend, where_tags_move};
use crate::support::charts::pack;
use crate::support::http::Request;
use crate::support::registry::assert_status;

const CHARTS: [&str; 5] = ["app-1.2.3", "app-1.3.0", "app-2.0.0-rc.1", "build-metadata", "deprecated"];

async fn fill(server: &TestServer) {
    for chart in CHARTS {
        server.upload("team", &pack(chart, &[])).await;
    }
}

fn versions(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list of versions");
    list.iter().map(|entry| entry["version"].as_str().expect("a version")).collect()
}

#[tokio::test]
async fn charts_and_versions_are_listed() {
    on_every_backend(async |server| {
        fill(&server).await;
        let all = server.get("/api/team/charts").await.json();
        let names: Vec<&String> = all.as_object().expect("charts by name").keys().collect();
        assert_eq!(names, ["app", "deprecated", "metadata"]);
        assert_eq!(versions(&all["app"]), ["2.0.0-rc.1", "1.3.0", "1.2.3"]);
        let part = server.get("/api/team/charts?offset=1&limit=1").await.json();
        assert_eq!(part.as_object().expect("charts").keys().collect::<Vec<_>>(), ["deprecated"]);
        assert_eq!(server.get("/api/team/charts?limit=0").await.json(), json!({}));
        assert_eq!(server.get("/api/team/charts?offset=9").await.json(), json!({}));
        assert_eq!(server.get("/api/nothing/charts").await.json(), json!({}));

        let app = server.get("/api/team/charts/app").await.json();
        assert_eq!(app, all["app"]);
        assert_eq!(app[1]["urls"], json!(["charts/app-1.3.0.tgz"]));
        for (version, expected) in [
            ("1.2.3", "1.2.3"),
            ("latest", "1.3.0"),
            ("^1.2", "1.3.0"),
            ("~1.2", "1.2.3"),
            ("2.0.0-rc.1", "2.0.0-rc.1"),
        ] {
            let found = server.get(format!("/api/team/charts/app/{version}")).await;
            assert_eq!(found.json()["version"], expected, "{version}");
            assert_status(&server.head(format!("/api/team/charts/app/{version}")).await, 200);
        }
        for form in ["1.2.3+build.7", "1.2.3%2Bbuild.7", "1.2.3_build.7"] {
            let found = server.get(format!("/api/team/charts/metadata/{form}")).await;
            assert_eq!(found.json()["version"], "1.2.3+build.7", "{form}");
        }
        assert_error(&server.get("/api/team/charts/app/9.9.9").await, 404, "9.9.9");
        assert_error(&server.get("/api/team/charts/other").await, 404, "other");
        assert_error(&server.get("/api/team/charts?offset=x").await, 400, "offset");
        assert_error(&server.get("/api/team/other").await, 404, "charts");
    })
    .await;
}

#[tokio::test]
async fn a_package_is_looked_into() {
    on_every_backend(async |server| {
        fill(&server).await;
        let values = server.get("/api/team/charts/app/1.2.3/values").await;
        assert!(values.text().contains("replicas: 1"), "{}", values.text());
        let read = server.get("/api/team/charts/app/1.2.3/templates").await.json();
        assert_eq!(read["values"]["replicas"], 1);
        let templates = read["templates"].as_array().expect("templates");
        let deployment = templates.iter().find(|one| one["name"] == "templates/deployment.yaml");
        let data = deployment.expect("the template")["data"].as_str().expect("its data");
        let text = String::from_utf8(STANDARD.decode(data).expect("base 64")).expect("text");
        assert!(text.contains("kind: Deployment"), "{text}");
        assert_error(&server.get("/api/team/charts/app/9.9.9/values").await, 404, "9.9.9");
    })
    .await;
}

#[tokio::test]
async fn a_released_version_is_not_deleted() {
    on_every_backend(async |server| {
        fill(&server).await;
        assert_error(&server.delete("/api/team/charts/app/1.2.3").await, 409, "released");
        let reply = server.delete("/api/team/charts/app/2.0.0-rc.1").await;
        assert_eq!((reply.status, reply.json()), (200, json!({"deleted": true})));
        assert_eq!(server.index("team").await.versions("app"), ["1.3.0", "1.2.3"]);
        assert_error(&server.delete("/api/team/charts/app/2.0.0-rc.1").await, 404, "2.0.0-rc.1");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_version_is_gone_and_can_come_again() {
    where_tags_move(async |server| {
        fill(&server).await;
        assert_status(&server.delete("/api/team/charts/metadata/1.2.3+build.7").await, 200);
        assert_status(&server.get("/v2/team/metadata/manifests/1.2.3_build.7").await, 404);
        assert_status(&server.get("/team/charts/metadata-1.2.3+build.7.tgz").await, 404);
        server.upload("team", &pack("build-metadata", &[])).await;
        let forced = Request::post("/api/team/charts?force")
            .body(pack("build-metadata", &[("build metadata", "other data")]).bytes);
        assert_status(&server.send(forced).await, 201);
    })
    .await;
}
