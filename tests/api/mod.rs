//! The JSON API, `/-/api/v1/...`: what its description and docs/api.md promise, on every backend.

mod charts;
mod docs;
mod hostile;
mod openapi;
mod pages;
mod replicas;
mod resolve;
mod schema;
mod search;
mod untagged;
mod views;

use flate2::Compression;
use serde_json::{Value, json};

use crate::support::app::TestServer;
use crate::support::charts::archive;
use crate::support::http::{Request, Response};
use crate::support::registry::assert_status;
use crate::support::release::{Release, tag_of};

const API: &str = "/-/api/v1";

/// A chart whose package has its metadata as Chart.yaml, and `files` beside it.
fn packaged(metadata: &Value, files: &[(&str, &str)]) -> Release {
    let chart_yaml = metadata.to_string();
    let all = [("Chart.yaml", chart_yaml.as_str())].into_iter().chain(files.iter().copied());
    let name = metadata["name"].as_str().expect("a name");
    let package = archive(name, Compression::fast(), all.map(|(path, content)| (path, content.as_bytes())));
    Release::new(metadata).package(package)
}

/// Metadata of a chart, with the fields of `more`.
fn metadata(name: &str, version: &str, more: Value) -> Value {
    let mut metadata = json!({"apiVersion": "v2", "name": name, "version": version});
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    metadata
}

/// Pushes a version of a chart, and returns what was pushed.
async fn push(server: &TestServer, repository: &str, version: &str, more: Value) -> Release {
    let name = repository.rsplit('/').next().expect("a name");
    let chart = packaged(&metadata(name, version, more), &[]);
    server.push_release(repository, &tag_of(version), &chart).await;
    chart
}

/// The answer to GET, whose headers are those of every good answer, and to HEAD alike.
async fn get(server: &TestServer, target: &str) -> Response {
    let target = format!("{API}{target}");
    let answer = server.get(&*target).await;
    assert_status(&answer, 200);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"), "{target}");
    let tag = answer.header("etag").expect("an entity tag");
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{target}: {tag}");
    let head = server.head(&*target).await;
    assert_status(&head, 200);
    for name in ["content-type", "content-length", "etag", "link"] {
        assert_eq!(head.header(name), answer.header(name), "{target}: {name}");
    }
    let unchanged = server.send(Request::get(&*target).header("If-None-Match", tag)).await;
    assert_status(&unchanged, 304);
    assert_eq!((unchanged.header("etag"), &unchanged.body[..]), (Some(tag), &b""[..]), "{target}");
    answer
}

async fn json_of(server: &TestServer, target: &str) -> Value {
    let answer = get(server, target).await;
    assert_eq!(answer.header("content-type"), Some("application/json"), "{target}");
    answer.json()
}

/// What a list has at `pointer` in each entry of `field`.
async fn listed(server: &TestServer, target: &str, field: &str, pointer: &str) -> Vec<String> {
    let answer = json_of(server, target).await;
    let entries = answer[field].as_array().expect(field).iter();
    entries.map(|entry| entry.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned()).collect()
}
