//! What stands in an index, and the headers it comes with.

use charthouse::clock::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::vary;
use crate::support::app::{TestServer, where_noise_is_taken, where_tags_move};
use crate::support::artifact::image;
use crate::support::index::text_of;
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::Release;

/// A config in which every key that Helm knows has a value.
fn everything() -> Value {
    json!({
        "name": "app",
        "home": "https://example.com/app",
        "sources": ["https://example.com/app.git", "https://example.com/other.git"],
        "version": "1.2.3",
        "description": "A small web application",
        "keywords": ["web", "example"],
        "maintainers": [
            {"name": "Ada Example", "email": "ada@example.com", "url": "https://example.com/ada"},
            {"name": "Zoë"},
        ],
        "icon": "https://example.com/app/icon.svg",
        "apiVersion": "v2",
        "condition": "app.enabled",
        "tags": "front,back",
        "appVersion": "3.1.0",
        "deprecated": true,
        "annotations": {"example.com/tier": "backend", "artifacthub.io/changes": "- one\n- two\n"},
        "kubeVersion": ">=1.19.0-0",
        "dependencies": [
            {
                "name": "base", "version": "^1", "repository": "https://example.com/charts", "condition": "base.enabled",
                "tags": ["back"], "enabled": true, "alias": "ground",
                "import-values": ["data", {"child": "a.b", "parent": "c"}],
            },
            {"name": "local", "repository": ""},
        ],
        "type": "application",
    })
}

#[tokio::test]
async fn an_entry_tells_all_of_the_chart_and_where_its_package_is() {
    where_noise_is_taken(async |server| {
        let release = Release::new(&everything()).provenance("signed");
        let before = SystemClock::default().now();
        server.push_release("team/app", "1.2.3", &release).await;
        let after = SystemClock::default().now();
        let index = server.index("team").await;
        let entry = index.entry("app", "1.2.3");
        let created = text_of(entry, "created").to_owned();
        let mut expected = everything();
        expected["urls"] = json!(["charts/app-1.2.3.tgz"]);
        expected["digest"] = release.digest().into();
        expected["created"] = created.clone().into();
        assert_eq!(entry, &expected);
        assert_eq!(index.all().count(), 1);
        let created = Timestamp::parse(&created).expect("a time");
        assert!(before <= created && created <= after, "{before} <= {created} <= {after}");
        assert_eq!(Timestamp::parse(&index.generated), Some(created), "the last change was this push");
    })
    .await;
}

#[tokio::test]
async fn what_a_chart_does_not_say_is_not_in_its_entry() {
    where_noise_is_taken(async |server| {
        server.push_version("team/app", "1.2.3").await;
        let index = server.index("team").await;
        let keys: Vec<_> =
            index.entry("app", "1.2.3").as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["apiVersion", "created", "digest", "name", "urls", "version"]);
    })
    .await;
}

#[tokio::test]
async fn a_plus_stands_in_a_url_as_it_is() {
    where_noise_is_taken(async |server| {
        server.push_version("team/app", "1.2.3+build.7").await;
        let index = server.index("team").await;
        let entry = index.entry("app", "1.2.3+build.7");
        assert_eq!(entry["urls"], json!(["charts/app-1.2.3+build.7.tgz"]));
        let text = server.get_index("team").await.text();
        assert!(text.contains("\"charts/app-1.2.3+build.7.tgz\""), "{text}");
    })
    .await;
}

#[tokio::test]
async fn each_namespace_lists_its_own_charts_only() {
    where_noise_is_taken(async |server| {
        let cases = [
            ("", "app"),
            ("team", "team/app"),
            ("team/sub", "team/sub/base"),
            ("charts", "charts/app"),
            ("other", "other/app"),
        ];
        for (at, (_, repository)) in cases.iter().enumerate() {
            server.push_version(repository, &format!("{at}.0.0")).await;
        }
        server.push_version("team/extra", "1.0.0").await;
        for (at, (namespace, repository)) in cases.iter().enumerate() {
            let index = server.index(namespace).await;
            let name = repository.rsplit('/').next().expect("a name");
            assert_eq!(index.versions(name), [format!("{at}.0.0")], "{namespace:?}");
            let names = if *namespace == "team" { vec!["app", "extra"] } else { vec![name] };
            assert_eq!(index.names(), names, "{namespace:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_namespace_without_charts_has_an_index_without_entries() {
    where_tags_move(async |server| {
        server.push_image("images/app", "1.0.0", &image("no chart")).await;
        assert!(server.index("images").await.entries.is_empty());

        server.push_version("team/app", "1.0.0").await;
        assert_status(&server.delete(manifest_path("team/app", "1.0.0")).await, 202);
        assert!(server.index("team").await.entries.is_empty(), "its only chart was deleted");
    })
    .await;
}

/// GET and HEAD of `target`, whose headers must be the same but for what is different in each answer.
async fn both(server: &TestServer, target: &str) -> crate::support::http::Response {
    let (get, head) = (server.get(target).await, server.head(target).await);
    let headers = |of: &crate::support::http::Response| {
        let mut headers = of.headers.clone();
        headers.retain(|(name, _)| !["date", "x-request-id"].contains(&name.to_lowercase().as_str()));
        headers.sort();
        headers
    };
    assert_eq!(get.status, head.status);
    assert_eq!(headers(&get), headers(&head), "GET and HEAD of {target}");
    get
}

#[tokio::test]
async fn an_index_comes_with_these_headers() {
    where_noise_is_taken(async |server| {
        for n in 0..3 {
            server.push_version("team/app", &format!("1.0.{n}")).await;
            let reply = both(&server, "/team/index.yaml").await;
            assert_status(&reply, 200);
            let length = reply.body.len().to_string();
            for (name, value) in [
                ("content-type", "application/yaml"),
                ("content-length", length.as_str()),
                ("accept-ranges", "bytes"),
                ("cache-control", "private, no-cache"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(reply.header(name), Some(value), "{name}");
            }
            assert_eq!(vary(&reply).as_deref(), Some("accept-encoding"));
            for absent in
                ["content-encoding", "transfer-encoding", "docker-content-digest", "content-disposition"]
            {
                assert_eq!(reply.header(absent), None, "{absent}");
            }
            let etag = reply.header("etag").expect("an ETag");
            let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            assert!(
                inner.is_some_and(|tag| !tag.is_empty() && !tag.ends_with("-gz")),
                "not a strong tag: {etag}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn get_and_head_of_files_and_refusals_have_the_same_headers() {
    where_noise_is_taken(async |server| {
        let release = Release::named("app", "1.2.3").provenance("signed");
        server.push_release("team/app", "1.2.3", &release).await;
        for (target, status) in [
            ("/team/charts/app-1.2.3.tgz", 200),
            ("/team/charts/app-1.2.3.tgz.prov", 200),
            ("/team/charts/app-9.9.9.tgz", 404),
            ("/other/index.yaml", 200),
            ("/Team/index.yaml", 400),
            ("/nothing", 404),
        ] {
            assert_eq!(both(&server, target).await.status, status, "{target}");
        }
    })
    .await;
}
