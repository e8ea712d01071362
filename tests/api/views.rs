//! Looking into packages: their texts, files and dependencies, and what changed between two versions.

use serde_json::{Value, json};

use super::{API, get, json_of, metadata, packaged};
use crate::support::app::{Kind, TestServer, lenient, on_every_backend, where_noise_is_taken};
use crate::support::artifact::{HELM_CHART, noise};
use crate::support::http::Request;
use crate::support::registry::{assert_refused, assert_status};
use crate::support::release::Release;

const README: &str = "# App\n\n<script>alert(1)</script>\n";

async fn fill(server: &TestServer) {
    let dependency =
        json!([{"name": "db", "version": "^1", "repository": "oci://localhost/team", "alias": "store"}]);
    let files = [
        ("README.md", README),
        ("values.yaml", "replicas: 1\nimage: app\n"),
        ("values.schema.json", r#"{"type":"object"}"#),
        ("templates/gone.yaml", "a: 1\n"),
        ("templates/kept.yaml", "b: 1\n"),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.2.3\n"),
    ];
    let old = packaged(&metadata("app", "1.0.0", json!({"dependencies": dependency})), &files);
    server.push_release("team/app", "1.0.0", &old).await;
    let files = [
        ("values.yaml", "replicas: 2\nimage: app\n"),
        ("templates/kept.yaml", "b: 1\n"),
        ("templates/new.yaml", "c: 1\n"),
    ];
    let new = packaged(&metadata("app", "1.1.0+b", json!({"home": "https://app.example"})), &files);
    server.push_release("team/app", "1.1.0_b", &new).await;
}

#[tokio::test]
async fn the_texts_of_a_package_are_served_as_they_are() {
    let text = "text/plain; charset=utf-8";
    let chart_yaml = metadata("app", "1.1.0+b", json!({"home": "https://app.example"})).to_string();
    let cases = [
        ("1.0.0/readme", text, README),
        ("1.0.0/values", text, "replicas: 1\nimage: app\n"),
        ("1.0.0/schema", "application/json", r#"{"type":"object"}"#),
        ("1.1.0+b/chart", text, &chart_yaml),
        ("1.1.0%2Bb/values", text, "replicas: 2\nimage: app\n"),
    ];
    on_every_backend(async |server| {
        fill(&server).await;
        for (target, media_type, expected) in cases {
            let answer = get(&server, &format!("/charts/team/app/-/versions/{target}")).await;
            assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some(media_type), expected));
        }
        for missing in ["1.1.0+b/readme", "1.1.0+b/schema"] {
            let refused = server.get(format!("{API}/charts/team/app/-/versions/{missing}")).await;
            assert_refused(&refused, 404, &["BLOB_UNKNOWN"]);
        }
    })
    .await;
}

#[tokio::test]
async fn files_and_dependencies_are_listed() {
    on_every_backend(async |server| {
        fill(&server).await;
        let files = json_of(&server, "/charts/team/app/-/versions/1.0.0/files").await;
        let files: Vec<_> = files["files"].as_array().expect("files").iter().collect();
        assert_eq!(files.len(), 7);
        assert_eq!(files[1], &json!({"path": "README.md", "size": README.len()}));
        let dependencies = json_of(&server, "/charts/team/app/-/versions/1.0.0/dependencies").await;
        let expected = json!({
            "dependencies": [{"name": "db", "version": "^1", "repository": "oci://localhost/team", "alias": "store"}],
            "bundled": [{"path": "charts/db", "name": "db", "version": "1.2.3"}],
        });
        assert_eq!(dependencies, expected);
        let none = json_of(&server, "/charts/team/app/-/versions/1.1.0+b/dependencies").await;
        assert_eq!(none, json!({"dependencies": [], "bundled": []}));
    })
    .await;
}

#[tokio::test]
async fn the_differences_of_two_versions_are_told() {
    on_every_backend(async |server| {
        fill(&server).await;
        let diff = json_of(&server, "/charts/team/app/-/diff?from=1.0.0&to=1.1.0+b").await;
        assert_eq!((&diff["from"], &diff["to"], &diff["repository"]), (&json!("1.0.0"), &json!("1.1.0+b"), &json!("team/app")));
        let metadata = json!([
            {"name": "home", "change": "added", "to": "https://app.example"},
            {"name": "version", "change": "changed", "from": "1.0.0", "to": "1.1.0+b"},
        ]);
        assert_eq!(diff["metadata"], metadata);
        assert_eq!((&diff["dependencies"][0]["name"], &diff["dependencies"][0]["change"]), (&json!("store"), &json!("removed")));
        let values = "--- a/values.yaml\n+++ b/values.yaml\n@@ -1,2 +1,2 @@\n-replicas: 1\n+replicas: 2\n image: app\n";
        assert_eq!(diff["values"], json!({"path": "values.yaml", "change": "changed", "diff": values}));
        assert_eq!(diff["schema"]["change"], "removed");
        let templates = diff["templates"].as_array().expect("templates").iter();
        let told: Vec<_> = templates.map(|one| (one["path"].as_str(), one["change"].as_str())).collect();
        let expected = [(Some("templates/gone.yaml"), Some("removed")), (Some("templates/new.yaml"), Some("added"))];
        assert_eq!(told, expected);

        let same = json_of(&server, "/charts/team/app/-/diff?from=1.0.0&to=1.0.0").await;
        for list in ["metadata", "dependencies", "templates"] {
            assert_eq!(same[list], json!([]), "{list}");
        }
        assert_eq!((&same["values"], &same["schema"]), (&Value::Null, &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn a_package_that_is_none_is_listed_and_not_looked_into() {
    where_noise_is_taken(async |server| {
        let chart = Release::new(&metadata("app", "1.0.0", json!({}))).package(noise("no package", 300_000));
        server.push_release("team/app", "1.0.0", &chart).await;
        let version = json_of(&server, "/charts/team/app/-/versions/1.0.0").await;
        assert_eq!(version["digest"], json!(chart.layer(HELM_CHART).digest));
        for view in ["readme", "values", "schema", "chart", "files", "dependencies"] {
            let target = format!("{API}/charts/team/app/-/versions/1.0.0/{view}");
            let refused = server.get(&*target).await;
            assert_refused(&refused, 404, &["BLOB_UNKNOWN"]);
            assert!(refused.text().contains("cannot be looked into"), "{}", refused.text());
        }
        let refused = server.get(format!("{API}/charts/team/app/-/diff?from=1.0.0&to=1.0.0")).await;
        assert_refused(&refused, 404, &["BLOB_UNKNOWN"]);
    })
    .await;
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let server = TestServer::start_with(Kind::Memory, lenient()).await;
    let zeros = "0".repeat(4 << 20);
    let names: Vec<String> = (0..12).map(|n| format!("templates/{n}.yaml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), zeros.as_str())).collect();
    let bomb = packaged(&metadata("app", "1.0.0", json!({})), &files);
    assert!(bomb.layer(HELM_CHART).bytes.len() < 1 << 20);
    server.push_release("team/app", "1.0.0", &bomb).await;
    let refused = server.get(format!("{API}/charts/team/app/-/versions/1.0.0/files")).await;
    assert_refused(&refused, 404, &["BLOB_UNKNOWN"]);
    assert!(refused.text().contains("more bytes than are allowed"), "{}", refused.text());
}

#[tokio::test]
async fn a_version_that_is_gone_is_not_looked_into_though_its_package_is_kept() {
    on_every_backend(async |server| {
        let chart = packaged(&metadata("app", "1.0.0-rc.1", json!({})), &[("values.yaml", "a: 1\n")]);
        server.push_release("team/app", "1.0.0-rc.1", &chart).await;
        let target = format!("{API}/charts/team/app/-/versions/1.0.0-rc.1/values");
        let tag = server.get(&*target).await.header("etag").map(str::to_owned).expect("an entity tag");
        assert_status(&server.delete("/v2/team/app/manifests/1.0.0-rc.1").await, 202);
        let gone = server.send(Request::get(&*target).header("If-None-Match", tag)).await;
        assert_refused(&gone, 404, &["NAME_UNKNOWN"]);
    })
    .await;
}
