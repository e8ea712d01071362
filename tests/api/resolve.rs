//! The version for a constraint: however clients write its spaces, and in either of Helm's two ways.

use serde_json::json;

use super::{API, json_of, push};
use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact;
use crate::support::registry::assert_refused;

async fn resolved(server: &TestServer, query: &str) -> String {
    let version = json_of(server, &format!("/charts/team/app/-/resolve?{query}")).await["version"].clone();
    version.as_str().expect("a version").to_owned()
}

#[tokio::test]
async fn a_plus_is_a_space_between_comparisons_and_build_metadata_in_a_version() {
    let cases = [
        ("version=%3E%3D1.1.0+%3C1.2", "1.1.0+build.5"),
        ("version=%3E%3D1.1.0%20%3C1.2", "1.1.0+build.5"),
        ("version=%3E%3D+1.1.0%2C+%3C+1.2", "1.1.0+build.5"),
        ("version=1.0+-+1.1.9", "1.1.0+build.5"),
        ("version=%5E2+%7C%7C+~1.0", "1.0.0"),
        ("version=1.1.0+build.5", "1.1.0+build.5"),
        ("version=1.1.0%2Bbuild.5", "1.1.0+build.5"),
        ("version=%3E=1.1.0+build.5+%3C1.2", "1.1.0+build.5"),
    ];
    on_every_backend(async |server| {
        for version in ["1.0.0", "1.1.0", "1.1.0+build.5", "1.2.0"] {
            push(&server, "team/app", version, json!({})).await;
        }
        for (query, expected) in cases {
            assert_eq!(resolved(&server, query).await, expected, "{query}");
        }
        let refused =
            server.get(format!("{API}/charts/team/app/-/resolve?version=%3E%3D1.1.0%2B%3C1.2")).await;
        assert_refused(&refused, 400, &["UNSUPPORTED"]);
    })
    .await;
}

/// docs/api.md says how the two differ; tests/clients/helm_resolve.rs asks the real Helms.
#[tokio::test]
async fn each_of_helms_two_ways_has_its_own_answer() {
    // The query without `like`, then what a chart repository and what OCI give.
    let cases: [(&str, Option<&str>, Option<&str>); 8] = [
        ("version=%5E1", Some("1.1.0+build.5"), Some("1.1.0")),
        ("", Some("1.1.0+build.5"), Some("1.1.0")),
        ("version=v1.0.0", Some("1.0.0"), None),
        ("version=1", Some("1.1.0+build.5"), None),
        ("version=1.0.0", Some("1.0.0"), Some("1.0.0")),
        ("version=1.1.0%2Bbuild.5", Some("1.1.0+build.5"), Some("1.1.0+build.5")),
        ("devel=true", Some("2.0.0-rc.1"), Some("2.0.0-rc.1")),
        ("version=%5E3", None, None),
    ];
    on_every_backend(async |server| {
        for version in ["1.0.0", "1.1.0", "1.1.0+build.5", "2.0.0-rc.1"] {
            push(&server, "team/app", version, json!({})).await;
        }
        for (query, in_repository, over_oci) in cases {
            for (like, expected) in [("repository", in_repository), ("oci", over_oci)] {
                let query = format!("{query}&like={like}");
                match expected {
                    Some(version) => assert_eq!(resolved(&server, &query).await, version, "{query}"),
                    None => {
                        let target = format!("{API}/charts/team/app/-/resolve?{query}");
                        assert_refused(&server.get(target).await, 404, &["MANIFEST_UNKNOWN"]);
                    }
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn over_oci_a_newer_tag_of_an_image_is_what_helm_takes() {
    on_every_backend(async |server| {
        push(&server, "team/app", "1.0.0", json!({})).await;
        server.push_image("team/app", "1.2.0", &artifact::image("newer")).await;
        assert_eq!(resolved(&server, "like=repository").await, "1.0.0");
        let refused = server.get(format!("{API}/charts/team/app/-/resolve?like=oci")).await;
        assert_refused(&refused, 404, &["MANIFEST_UNKNOWN"]);
        assert!(refused.text().contains("1.2.0"), "{}", refused.text());
        assert_eq!(resolved(&server, "like=oci&version=%3C1.1").await, "1.0.0");
    })
    .await;
}
