//! The requests of the table: everything that the states name, and lists, ranges and absences.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::answers::Asked;
use super::content::large_image;
use crate::museum::api;
use crate::support::artifact::{image, sha256};
use crate::support::index::{chart_path, index_path};
use crate::support::registry::{blob_path, manifest_path};

/// What a state names of one repository, whether it is there or was deleted.
#[derive(Default)]
struct Named {
    manifests: BTreeSet<String>,
    blobs: BTreeSet<String>,
    tags: BTreeSet<String>,
    versions: BTreeSet<String>,
}

/// The requests for states that are written as checkpoints are, by namespace.
pub fn requests(states: &BTreeMap<String, String>) -> Vec<Asked> {
    let mut asked = lists();
    for (namespace, state) in states {
        asked.extend(of_namespace(namespace));
        for (repository, named) in named(state) {
            asked.extend(of_repository(&repository, &named));
        }
    }
    asked.extend(absences());
    asked.extend(parts());
    asked
}

fn named(state: &str) -> BTreeMap<String, Named> {
    let mut found: BTreeMap<String, Named> = BTreeMap::new();
    let mut repository = String::new();
    for line in state.lines().skip(1) {
        let record: Value = serde_json::from_str(line).expect("a record");
        let (kind, value) = record.as_object().and_then(|record| record.iter().next()).expect("a member");
        let first = value[0].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "repository" => value["name"].as_str().unwrap_or_default().clone_into(&mut repository),
            "content" => {}
            "manifest" | "undo_manifest" => {
                let named = found.entry(repository.clone()).or_default();
                named.manifests.insert(first);
                let waiting = value[1]["tags"].as_array().cloned().unwrap_or_default();
                named.tags.extend(waiting.iter().filter_map(|tag| tag[0].as_str().map(str::to_owned)));
            }
            "blob" | "undo_blob" => drop(found.entry(repository.clone()).or_default().blobs.insert(first)),
            "tag" | "undo_tag" => drop(found.entry(repository.clone()).or_default().tags.insert(first)),
            "release" => drop(found.entry(repository.clone()).or_default().versions.insert(first)),
            _ => {}
        }
    }
    found
}

fn lists() -> Vec<Asked> {
    let targets = [
        "/v2/",
        "/v2/_catalog",
        "/v2/_catalog?n=2",
        "/v2/_catalog?n=2&last=team/base",
        "/-/api/v1/namespaces",
        "/-/api/v1/namespaces?n=1",
        "/-/api/v1/search?q=app",
        "/-/api/v1/search?q=web",
        "/-/api/v1/search?q=%D9%85%D8%AE%D8%B7%D8%B7",
        "/-/api/v1/search?q=web%20application&n=1",
        "/-/api/v1/charts/team/app/-/diff?from=1.2.3&to=2.0.0-rc.1",
        "/-/api/v1/charts/team/app/-/versions?n=1",
        "/-/api/v1/charts/team/app/-/resolve?version=%5E1.2",
        "/-/api/v1/charts/team/app/-/resolve?devel=true",
        "/-/api/v1/charts/team/web/-/resolve",
        "/-/api/v1/charts/team/web/-/resolve?version=1.1.0",
        "/-/api/v1/charts/team/app/-/versions/1.2.3/chart",
        "/-/api/v1/charts/team/app/-/versions/1.2.3/readme",
        "/-/api/v1/charts/team/app/-/versions/1.2.3/schema",
        "/-/api/v1/charts/team/sub/parent/-/versions/1.0.0/dependencies",
        "/api/team/charts?offset=1&limit=1",
        "/api/team/charts/app/latest",
        "/api/team/charts/app/1.2.3/templates",
        "/api/team/charts/app/1.2.3/values",
    ];
    targets.map(Asked::get).into()
}

fn of_namespace(namespace: &str) -> Vec<Asked> {
    vec![
        Asked::get(index_path(namespace)),
        Asked::get(index_path(namespace)).with("Range", "bytes=0-99"),
        Asked::get(api(namespace, "charts")),
        Asked::get(format!("/-/api/v1/charts?namespace={namespace}")),
        Asked::get(format!("/-/api/v1/search?q=1&namespace={namespace}")),
    ]
}

fn of_repository(repository: &str, named: &Named) -> Vec<Asked> {
    let mut asked = vec![
        Asked::get(format!("/v2/{repository}/tags/list")),
        Asked::get(format!("/v2/{repository}/tags/list?n=1")),
        Asked::get(format!("/-/api/v1/charts/{repository}")),
        Asked::get(format!("/-/api/v1/charts/{repository}/-/versions")),
    ];
    for digest in &named.manifests {
        asked.push(Asked::get(manifest_path(repository, digest)));
        asked.push(Asked::get(format!("/v2/{repository}/referrers/{digest}")));
    }
    for digest in &named.blobs {
        asked.push(Asked::get(blob_path(repository, digest)));
    }
    for tag in &named.tags {
        asked.push(Asked::get(manifest_path(repository, tag)));
    }
    let (namespace, name) = repository.rsplit_once('/').unwrap_or(("", repository));
    for tag in &named.versions {
        let version = tag.replace('_', "+");
        for file in [format!("{name}-{version}.tgz"), format!("{name}-{version}.tgz.prov")] {
            asked.push(Asked::get(chart_path(namespace, &file)));
        }
        asked.push(Asked::get(api(namespace, &format!("charts/{name}/{version}"))));
        for view in ["", "/values", "/files"] {
            asked.push(Asked::get(format!("/-/api/v1/charts/{repository}/-/versions/{version}{view}")));
        }
    }
    asked
}

fn absences() -> Vec<Asked> {
    let absent = sha256(b"in no repository");
    let targets = [
        blob_path("team/image", &absent),
        manifest_path("team/image", &absent),
        manifest_path("team/image", "no-such-tag"),
        manifest_path("team/nothing", "1.0.0"),
        format!("/v2/team/nothing/referrers/{absent}"),
        format!("/v2/team/image/referrers/{}", image("of another registry").manifest.digest),
        "/v2/team/nothing/tags/list".to_owned(),
        index_path("nothing"),
        chart_path("team", "app-9.9.9.tgz"),
        chart_path("team", "app-1.2.3.tgz.prov"),
        "/-/api/v1/charts/team/app/-/versions/9.9.9".to_owned(),
        "/-/api/v1/charts/team/web/-/versions/1.0.0".to_owned(),
        "/-/api/v1/charts?namespace=nothing".to_owned(),
        "/api/team/charts/app/9.9.9".to_owned(),
        "/api/nothing/charts".to_owned(),
        // A blob of the namespace that this repository does not hold.
        blob_path("team/base", &image("one").blobs[1].digest),
    ];
    targets.map(Asked::get).into()
}

/// Ranges, across extents and past the end, conditions and filters.
fn parts() -> Vec<Asked> {
    let large = blob_path("team/image", &large_image("large").blobs[1].digest);
    let shared = blob_path("team/shared", &sha256(b"the second, and its end"));
    let one = image("one").manifest.digest;
    let mut asked: Vec<Asked> =
        ["bytes=0-0", "bytes=8190-8193", "bytes=16000-30000", "bytes=-10", "bytes=16500-", "bytes=0-1,5-6"]
            .map(|range| Asked::get(large.clone()).with("Range", range))
            .into();
    asked.push(Asked::get(shared).with("Range", "bytes=8-12"));
    asked.push(Asked::get(chart_path("team", "app-1.2.3.tgz")).with("Range", "bytes=100-199"));
    asked.push(Asked::get(manifest_path("team/image", "1.0.0")).with("If-None-Match", &format!("\"{one}\"")));
    for artifact_type in ["application/vnd.example.sbom", "application/vnd.example.none"] {
        asked.push(Asked::get(format!("/v2/team/image/referrers/{one}?artifactType={artifact_type}")));
    }
    asked.push(Asked::get(format!("/v2/team/image/referrers/{one}?n=1")));
    asked
}
