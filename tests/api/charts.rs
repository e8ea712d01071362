//! Namespaces, charts, versions, and the version that satisfies a constraint.

use serde_json::{Value, json};

use super::{API, get, json_of, listed, metadata, packaged, push};
use crate::support::app::on_every_backend;
use crate::support::artifact::{self, HELM_CHART};
use crate::support::http::Request;
use crate::support::registry::{assert_refused, assert_status, manifest_path};
use crate::support::release::Release;

#[tokio::test]
async fn a_chart_is_shown_with_its_newest_version() {
    on_every_backend(async |server| {
        push(&server, "team/app", "1.9.0", json!({})).await;
        let newest = push(&server, "team/app", "1.10.0", json!({"description": "An app"})).await;
        push(&server, "team/app", "2.0.0-rc.1", json!({})).await;
        push(&server, "team/early", "0.1.0-rc.2", json!({})).await;
        push(&server, "team/early", "0.1.0-rc.10", json!({})).await;
        let mut chart = json_of(&server, "/charts/team/app").await;
        let created = chart["newest"]["created"].take();
        assert!(created.as_str().is_some_and(|time| time.ends_with('Z')), "{created}");
        let expected = json!({
            "repository": "team/app", "namespace": "team", "name": "app", "versions": 3,
            "newest": {
                "version": "1.10.0", "tag": "1.10.0", "created": null, "digest": newest.layer(HELM_CHART).digest,
                "signed": false, "metadata": metadata("app", "1.10.0", json!({"description": "An app"})),
            },
        });
        assert_eq!(chart, expected);
        let charts = json_of(&server, "/charts?namespace=team").await;
        assert_eq!(charts["namespace"], "team");
        let newest = listed(&server, "/charts?namespace=team", "charts", "/newest/version").await;
        assert_eq!(newest, ["1.10.0", "0.1.0-rc.10"]);
    })
    .await;
}

#[tokio::test]
async fn namespaces_have_their_own_charts_and_the_root_has_its() {
    on_every_backend(async |server| {
        for repository in ["app", "team/app", "team/web", "team/deep/app", "team-b/app"] {
            push(&server, repository, "1.0.0", json!({})).await;
        }
        server.push_image("images/only", "latest", &artifact::image("no chart")).await;
        let namespaces = json_of(&server, "/namespaces").await;
        assert_eq!(namespaces, json!({"namespaces": ["", "images", "team", "team-b", "team/deep"]}));
        let cases: [(&str, &[&str]); 5] = [
            ("/charts", &["app"]),
            ("/charts?namespace=", &["app"]),
            ("/charts?namespace=team", &["team/app", "team/web"]),
            ("/charts?namespace=team%2Fdeep", &["team/deep/app"]),
            ("/charts?namespace=images", &[]),
        ];
        for (target, expected) in cases {
            assert_eq!(listed(&server, target, "charts", "/repository").await, expected, "{target}");
        }
    })
    .await;
}

#[tokio::test]
async fn versions_are_listed_from_the_highest_down() {
    on_every_backend(async |server| {
        for version in ["1.2", "1.10.0", "1.9.0", "v1.9.5", "2.0.0-rc.1", "1.9.0+b"] {
            push(&server, "team/app", version, json!({})).await;
        }
        server.push_release("team/app", "latest", &Release::named("app", "1.10.0")).await;
        let versions = listed(&server, "/charts/team/app/-/versions", "versions", "/version").await;
        assert_eq!(versions, ["2.0.0-rc.1", "1.10.0", "v1.9.5", "1.9.0+b", "1.9.0", "1.2"]);
    })
    .await;
}

#[tokio::test]
async fn a_version_with_build_metadata_is_found_however_it_is_written() {
    on_every_backend(async |server| {
        let chart = packaged(&metadata("app", "1.2.3+b.7", json!({})), &[]).signed();
        server.push_release("app", "1.2.3_b.7", &chart).await;
        for written in ["1.2.3+b.7", "1.2.3%2Bb.7", "1.2.3%2bb.7", "1.2.3_b.7"] {
            let version = json_of(&server, &format!("/charts/app/-/versions/{written}")).await;
            assert_eq!(version["version"], "1.2.3+b.7");
            assert_eq!(version["tag"], "1.2.3_b.7");
            assert_eq!(version["signed"], true);
            assert_eq!(version["digest"], json!(chart.layer(HELM_CHART).digest));
            assert_eq!(version["manifest"], json!(chart.image().manifest.digest));
        }
        for written in ["1.2.3%252Bb.7", "1.2.3%20b.7", "1.2.3%2Fb"] {
            let refused = server.get(format!("{API}/charts/app/-/versions/{written}")).await;
            assert_refused(&refused, 400, &["NAME_INVALID"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_constraint_is_resolved_as_helm_resolves_it() {
    let cases = [
        ("", Some("1.4")),
        ("?devel=true", Some("2.0.0-rc.1")),
        ("?devel=false", Some("1.4")),
        ("?version=^1.2", Some("1.4")),
        ("?version=^1.2%20%3C1.4", Some("1.3.0")),
        ("?version=~1.2.0", Some("1.2.3+b")),
        ("?version=1.2.3%2Bb", Some("1.2.3+b")),
        ("?version=1.2.3+b", Some("1.2.3+b")),
        ("?version=1.2.3", Some("1.2.3")),
        ("?version=%3E%3D1.0%20%3C1.3", Some("1.2.3+b")),
        ("?version=%3C1.1%20||%203.x", Some("1.0.0")),
        ("?version=1.4", Some("1.4")),
        ("?version=~2.0.0-0", Some("2.0.0-rc.1")),
        ("?version=^2", None),
        ("?version=9.9.9&devel=true", None),
    ];
    on_every_backend(async |server| {
        for version in ["1.0.0", "1.2.3", "1.2.3+b", "1.3.0", "2.0.0-rc.1", "1.4"] {
            push(&server, "team/app", version, json!({})).await;
        }
        for (query, expected) in cases {
            println!("{query}");
            let target = format!("/charts/team/app/-/resolve{query}");
            match expected {
                Some(version) => {
                    let resolved = json_of(&server, &target).await;
                    let same = json_of(&server, &format!("/charts/team/app/-/versions/{version}")).await;
                    assert_eq!((&resolved["version"], &resolved), (&json!(version), &same));
                }
                None => {
                    let refused = server.get(format!("{API}{target}")).await;
                    assert_refused(&refused, 404, &["MANIFEST_UNKNOWN"]);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_404_with_a_reason() {
    on_every_backend(async |server| {
        push(&server, "team/app", "1.0.0", json!({})).await;
        server.push_image("team/image", "1.0.0", &artifact::image("no chart")).await;
        let cases = [
            ("/charts?namespace=nobody", "NAME_UNKNOWN"),
            ("/search?q=app&namespace=nobody", "NAME_UNKNOWN"),
            ("/charts/team/none", "NAME_UNKNOWN"),
            ("/charts/nobody/app", "NAME_UNKNOWN"),
            ("/charts/team/image", "NAME_UNKNOWN"),
            ("/charts/team/image/-/versions", "NAME_UNKNOWN"),
            ("/charts/team/image/-/versions/1.0.0", "NAME_UNKNOWN"),
            ("/charts/team/image/-/resolve", "NAME_UNKNOWN"),
            ("/charts/team/none/-/diff?from=1&to=2", "NAME_UNKNOWN"),
            ("/charts/team/app/-/versions/1.0.1", "MANIFEST_UNKNOWN"),
            ("/charts/team/app/-/versions/latest/values", "MANIFEST_UNKNOWN"),
            ("/charts/team/app/-/diff?from=1.0.0&to=2.0.0", "MANIFEST_UNKNOWN"),
            ("/charts/team/app/-/versions/1.0.0/readme", "BLOB_UNKNOWN"),
            ("/nothing", "NAME_INVALID"),
        ];
        for (target, code) in cases {
            println!("{target}");
            assert_refused(&server.get(format!("{API}{target}")).await, 404, &[code]);
            assert_status(&server.head(format!("{API}{target}")).await, 404);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let refused = server.send(Request::new(method, format!("{API}/charts/team/app"))).await;
            assert_refused(&refused, 405, &["UNSUPPORTED"]);
            assert_eq!(refused.header("allow"), Some("GET, HEAD"));
        }
    })
    .await;
}

/// Released versions stay by default.
#[tokio::test]
async fn a_deleted_version_is_gone_in_the_next_read() {
    on_every_backend(async |server| {
        for version in ["1.0.0-rc.1", "1.1.0-rc.1"] {
            push(&server, "team/app", version, json!({"keywords": [version]})).await;
        }
        let before = get(&server, "/charts/team/app/-/versions").await;
        get(&server, "/search?q=1.0.0&namespace=team").await;
        assert_status(&server.delete(manifest_path("team/app", "1.1.0-rc.1")).await, 202);
        let after = get(&server, "/charts/team/app/-/versions").await;
        assert_ne!(before.header("etag"), after.header("etag"));
        assert_eq!(after.json()["versions"].as_array().map(Vec::len), Some(1));
        let gone = server.get(format!("{API}/charts/team/app/-/versions/1.1.0-rc.1")).await;
        assert_refused(&gone, 404, &["MANIFEST_UNKNOWN"]);
        assert_status(&server.delete(manifest_path("team/app", "1.0.0-rc.1")).await, 202);
        assert_refused(&server.get(format!("{API}/charts/team/app")).await, 404, &["NAME_UNKNOWN"]);
        assert_eq!(json_of(&server, "/charts?namespace=team").await["charts"], json!([]));
        assert_eq!(json_of(&server, "/search").await, json!({"charts": []}));
    })
    .await;
}

#[tokio::test]
async fn an_empty_registry_has_empty_lists() {
    on_every_backend(async |server| {
        assert_eq!(json_of(&server, "/namespaces").await, json!({"namespaces": []}));
        assert_eq!(json_of(&server, "/search?q=x").await, json!({"charts": []}));
        assert_refused(&server.get(format!("{API}/charts")).await, 404, &["NAME_UNKNOWN"]);
        let described: Value = json_of(&server, "/openapi.json").await;
        assert_eq!(described["openapi"], "3.1.0");
    })
    .await;
}
