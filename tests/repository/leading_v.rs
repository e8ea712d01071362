//! A chart whose version and tag differ by a leading `v`, as mirrors write them: each version stands once in every list, and
//! can be had wherever it stands.

use flate2::Compression;
use serde_json::{Value, json};

use crate::support::app::{TestServer, where_tags_move};
use crate::support::charts::archive;
use crate::support::index::chart_path;
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::Release;

const CHART: &str = "/-/api/v1/charts/team/app";

/// The chart of this version; `note` makes it another one.
fn release(version: &str, note: &str) -> Release {
    let config = json!({"apiVersion": "v2", "name": "app", "version": version, "description": note});
    let yaml = format!("apiVersion: v2\nname: app\nversion: {version}\ndescription: {note}\n");
    Release::new(&config).package(archive("app", Compression::fast(), [("Chart.yaml", yaml.as_bytes())]))
}

async fn put(server: &TestServer, tag: &str, release: &Release) {
    assert_status(&server.put_release("team/app", tag, release).await, 201);
}

async fn get(server: &TestServer, target: &str) -> Value {
    let reply = server.get(target).await;
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    reply.json()
}

fn texts(entries: &Value, key: &str) -> Vec<String> {
    let entries = entries.as_array().expect("a list").iter();
    entries.map(|entry| entry[key].as_str().unwrap_or_default().to_owned()).collect()
}

/// That the lists have these versions, each with the tag and the package that stand for it, and that all can be had.
async fn assert_listed(server: &TestServer, what: &str, expected: &[(&str, &str, &Release)]) {
    let versions: Vec<_> = expected.iter().map(|(version, ..)| *version).collect();
    let tags: Vec<_> = expected.iter().map(|(_, tag, _)| *tag).collect();
    assert_eq!(server.index("team").await.versions("app"), versions, "{what}");
    let listed = get(server, &format!("{CHART}/-/versions")).await;
    assert_eq!(texts(&listed["versions"], "version"), versions, "{what}");
    assert_eq!(texts(&listed["versions"], "tag"), tags, "{what}");
    assert_eq!(get(server, CHART).await["versions"], versions.len(), "{what}");
    assert_eq!(texts(&get(server, "/api/team/charts/app").await, "version"), versions, "{what}");
    assert_eq!(texts(&get(server, "/api/team/charts").await["app"], "version"), versions, "{what}");

    for (version, tag, release) in expected {
        let (what, digest) = (format!("{what}: {version}"), format!("sha256:{}", release.digest()));
        let index = server.index("team").await;
        assert_eq!(index.entry("app", version)["digest"], release.digest(), "{what}");
        let museum = get(server, &format!("/api/team/charts/app/{version}")).await;
        assert_eq!(
            (&museum["version"], &museum["digest"]),
            (&json!(version), &json!(release.digest())),
            "{what}"
        );
        for target in [format!("-/versions/{version}"), format!("-/resolve?version={version}")] {
            let found = get(server, &format!("{CHART}/{target}")).await;
            let told = (&found["version"], &found["tag"], &found["digest"], &found["manifest"]);
            let manifest = release.image().manifest.digest;
            assert_eq!(
                told,
                (&json!(version), &json!(tag), &json!(digest), &json!(manifest)),
                "{what}: {target}"
            );
        }
        let package = server.get(chart_path("team", &format!("app-{version}.tgz"))).await;
        assert_eq!((package.status, format!("sha256:{}", release.digest())), (200, digest), "{what}");
        let stored = &release.layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip").bytes;
        assert_eq!(package.body[..], stored[..], "{what}");
    }
}

#[tokio::test]
async fn a_version_stands_once_and_its_own_tag_goes_first() {
    where_tags_move(async |server| {
        for (version, other) in [("v0.11.3", "0.11.3"), ("0.12.0+b", "v0.12.0_b")] {
            let exact = version.replace('+', "_");
            let (mirrored, pushed) = (release(version, "mirrored"), release(version, "pushed"));
            put(&server, other, &mirrored).await;
            assert_listed(&server, "alone", &[(version, other, &mirrored)]).await;
            put(&server, &exact, &pushed).await;
            assert_listed(&server, "beside its own tag", &[(version, &exact, &pushed)]).await;
            assert_status(&server.delete(manifest_path("team/app", &exact)).await, 202);
            assert_listed(&server, "without its own tag again", &[(version, other, &mirrored)]).await;
            assert_status(&server.delete(manifest_path("team/app", other)).await, 202);
            assert!(server.index("team").await.versions("app").is_empty(), "{version}");
        }
    })
    .await;
}

#[tokio::test]
async fn two_versions_that_differ_by_a_v_are_two() {
    where_tags_move(async |server| {
        let (plain, with_v) = (release("1.0.0", "plain"), release("v1.0.0", "with v"));
        // Each under the name of the other, then under its own.
        put(&server, "1.0.0", &with_v).await;
        put(&server, "v1.0.0", &plain).await;
        assert_listed(&server, "crossed", &[("v1.0.0", "1.0.0", &with_v), ("1.0.0", "v1.0.0", &plain)]).await;
        put(&server, "1.0.0", &plain).await;
        assert_listed(&server, "one manifest, two tags", &[("1.0.0", "1.0.0", &plain)]).await;
        put(&server, "v1.0.0", &with_v).await;
        assert_listed(&server, "own tags", &[("v1.0.0", "v1.0.0", &with_v), ("1.0.0", "1.0.0", &plain)])
            .await;
    })
    .await;
}

/// Helm's way over OCI asks for the tag; a package is asked for by its version, the other APIs take either.
#[tokio::test]
async fn what_is_asked_for_by_its_tag_is_the_tag() {
    where_tags_move(async |server| {
        put(&server, "0.11.3", &release("v0.11.3", "mirrored")).await;
        let cases = [
            (format!("{CHART}/-/resolve?like=oci&version=0.11.3"), 200),
            (format!("{CHART}/-/resolve?like=oci&version=v0.11.3"), 404),
            (format!("{CHART}/-/versions/0.11.3"), 200),
            (format!("{CHART}/-/resolve?version=%5E0.11"), 200),
            ("/api/team/charts/app/0.11.3".to_owned(), 200),
            (chart_path("team", "app-0.11.3.tgz"), 404),
        ];
        for (target, expected) in cases {
            assert_eq!(server.get(&target).await.status, expected, "{target}");
        }
    })
    .await;
}
