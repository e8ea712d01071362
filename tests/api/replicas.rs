//! Two replicas in shared mode over one store: both show the same, at once.

use serde_json::json;

use super::{API, json_of, listed, push};
use crate::support::app::TestServer;
use crate::support::registry::{assert_status, manifest_path};

#[tokio::test]
async fn what_one_acknowledged_the_other_shows_at_once() {
    let (here, there) = TestServer::replicas().await;
    for n in 0..10 {
        let (pushing, reading) = if n % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let version = format!("1.{n}.0");
        push(pushing, "team/app", &version, json!({"keywords": [version]})).await;
        let newest = listed(reading, "/charts?namespace=team", "charts", "/newest/version").await;
        assert_eq!(newest, [version.as_str()]);
        let found = listed(reading, &format!("/search?q={version}"), "charts", "/repository").await;
        assert_eq!(found, ["team/app"]);
        let resolved = json_of(reading, "/charts/team/app/-/resolve?version=1.x").await;
        assert_eq!(resolved["version"], json!(version));
        let versions = listed(reading, "/charts/team/app/-/versions", "versions", "/version").await;
        assert_eq!(versions.len(), n + 1);
    }
    push(&here, "team/app", "2.0.0-rc.1", json!({})).await;
    for expected in ["2.0.0-rc.1", "1.9.0"] {
        let resolved = json_of(&there, "/charts/team/app/-/resolve?devel=true").await;
        assert_eq!(resolved["version"], expected);
        here.delete(manifest_path("team/app", "2.0.0-rc.1")).await;
    }
}

#[tokio::test]
async fn both_give_the_same_bytes_and_entity_tags() {
    let (here, there) = TestServer::replicas().await;
    for repository in ["team/app", "team/web", "app"] {
        for version in ["1.0.0", "1.1.0"] {
            push(&here, repository, version, json!({"description": repository})).await;
        }
    }
    let targets = [
        "/namespaces",
        "/charts?namespace=team",
        "/search?q=team&n=1",
        "/search?q=team&n=1&namespace=team",
        "/charts/team/app/-/versions?n=1",
        "/charts/team/app/-/versions/1.0.0",
        "/charts/team/app/-/versions/1.0.0/chart",
        "/charts/team/app/-/diff?from=1.0.0&to=1.1.0",
    ];
    for target in targets {
        let (one, other) =
            (here.get(format!("{API}{target}")).await, there.get(format!("{API}{target}")).await);
        assert_status(&one, 200);
        assert_eq!(one.text(), other.text(), "{target}");
        for name in ["etag", "link"] {
            assert_eq!(one.header(name), other.header(name), "{target}: {name}");
        }
    }
}
