//! src/server/api/openapi.json against the routes, both ways, and against what the server answers.

use std::collections::BTreeSet;

use charthouse::oci::{Action, ApiAction, route};
use serde_json::{Value, json};

use super::schema::{faults, resolved};
use super::{API, get, metadata, packaged};
use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact;
use crate::support::registry::assert_refused;

/// A described operation, with the examples of its parameters.
struct Operation {
    id: String,
    target: String,
    description: Value,
}

fn document() -> Value {
    serde_json::from_str(include_str!("../../src/server/api/openapi.json"))
        .expect("src/server/api/openapi.json is JSON")
}

fn operations(document: &Value) -> Vec<Operation> {
    // Relative to /-/api/v1/openapi.json, because a proxy may serve that below a path.
    assert_eq!(document["servers"][0]["url"], "../v1");
    let paths = document["paths"].as_object().expect("paths").iter();
    paths
        .map(|(path, item)| {
            let methods: Vec<_> = item.as_object().expect("an item").keys().collect();
            assert_eq!(methods, ["get"], "{path}");
            let description = item["get"].clone();
            let (mut target, mut query) = (path.clone(), Vec::new());
            for parameter in description["parameters"].as_array().into_iter().flatten() {
                let parameter = resolved(document, parameter);
                let name = parameter["name"].as_str().expect("a name");
                let example = match &parameter["example"] {
                    Value::Null => continue,
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                match parameter["in"].as_str() {
                    Some("path") => target = target.replace(&format!("{{{name}}}"), &example),
                    Some("query") => query.push(format!("{name}={example}")),
                    other => panic!("{path}: a parameter in {other:?}"),
                }
            }
            assert!(!target.contains('{'), "{target}: a parameter is not described");
            if !query.is_empty() {
                target = format!("{target}?{}", query.join("&"));
            }
            let id = description["operationId"].as_str().expect("an id").to_owned();
            Operation { id, target, description }
        })
        .collect()
}

#[test]
fn what_is_described_is_routed_and_what_is_routed_is_described() {
    let mut described = BTreeSet::new();
    for Operation { id, target, .. } in operations(&document()) {
        let (path, query) =
            target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
        for method in ["GET", "HEAD"] {
            let action = route(method, &format!("{API}{path}"), query, "health");
            let Ok(Action::Api(action)) = action else { panic!("{method} {target}: {action:?}") };
            assert_eq!(action.kind(), format!("api.{id}"), "{target}");
        }
        described.insert(format!("api.{id}"));
    }
    assert_eq!(described, ApiAction::KINDS.iter().map(|kind| (*kind).to_owned()).collect());
}

async fn fill(server: &TestServer) {
    let more = json!({
        "appVersion": "1", "type": "application", "description": "A web app", "deprecated": true,
        "kubeVersion": ">=1.20", "home": "https://app.example", "icon": "https://app.example/i.svg",
        "sources": ["https://src.example"], "keywords": ["web"], "condition": "c", "tags": "t",
        "maintainers": [{"name": "Ada", "email": "ada@example.org", "url": "https://ada.example"}],
        "annotations": {"example.org/a": "b"},
        "dependencies": [{"name": "db", "version": "^1", "repository": "", "condition": "db.enabled", "tags": ["x"],
            "enabled": true, "import-values": ["data", {"child": "a", "parent": "b"}], "alias": "store"}],
    });
    let files = [
        ("README.md", "# App\n"),
        ("values.yaml", "a: 1\n"),
        ("values.schema.json", "{}"),
        ("templates/a.yaml", "a\n"),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.2.3\n"),
    ];
    let chart = packaged(&metadata("app", "1.2.3", more), &files).signed();
    server.push_release("team/app", "1.2.3", &chart).await;
    let files = [("values.yaml", "a: 2\n"), ("templates/a.yaml", "b\n"), ("templates/b.yaml", "b\n")];
    let chart = packaged(&metadata("app", "1.2.4+b", json!({})), &files);
    server.push_release("team/app", "1.2.4_b", &chart).await;
    // A manifest without a tag, and an index without one that lists it.
    let image = artifact::image("untagged");
    server.push_image("team/app", &image.manifest.digest, &image).await;
    let index = artifact::index(&[&image.manifest]);
    server.push_manifest("team/app", &index.digest, &index).await;
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    on_every_backend(async |server| {
        fill(&server).await;
        let document = document();
        for Operation { target, description, .. } in operations(&document) {
            println!("{target}");
            let answer = get(&server, &target).await;
            let described = &description["responses"]["200"];
            let (media_type, content) =
                described["content"].as_object().and_then(|types| types.iter().next()).expect("content");
            assert_eq!(answer.header("content-type"), Some(media_type.as_str()));
            let body = match media_type.as_str() {
                "application/json" => answer.json(),
                _ => Value::String(answer.text()),
            };
            assert_eq!(faults(&document, &content["schema"], &body), [] as [String; 0], "{body:#}");
            let names = described["headers"].as_object().expect("headers").keys();
            assert!(names.map(String::as_str).all(|name| ["ETag", "Link"].contains(&name)));
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_are_as_they_are_described() {
    on_every_backend(async |server| {
        fill(&server).await;
        let document = document();
        for Operation { target, description, .. } in operations(&document) {
            let path = target.split('?').next().expect("a path").replace("team/app", "team/other");
            let cases = [
                (404, format!("{path}?from=1.0.0&to=1.0.0&namespace=other")),
                (400, format!("{path}?n=1&n=2")),
            ];
            for (status, target) in cases {
                let described = &description["responses"][status.to_string()];
                if described.is_null() {
                    continue;
                }
                println!("{target}");
                let refused = server.get(format!("{API}{target}")).await;
                assert_refused(&refused, status, &["NAME_UNKNOWN", "UNSUPPORTED"]);
                let schema = &resolved(&document, described)["content"]["application/json"]["schema"];
                assert_eq!(faults(&document, schema, &refused.json()), [] as [String; 0]);
            }
        }
    })
    .await;
}
