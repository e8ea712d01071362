//! Package, config, tag and annotations have to tell of the same chart.

use serde_json::{Value, json};

use super::writer::{chart_of, file, package};
use super::{assert_rule, assert_warned};
use crate::support::app::on_every_backend;
use crate::support::registry::{assert_status, warnings};
use crate::support::release::Release;

const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";

/// A chart with this config, and this Chart.yaml in its package.
fn release(config: &Value, chart_yaml: &str) -> Release {
    Release::new(config).package(package(&[file("app/Chart.yaml", chart_yaml)]))
}

#[tokio::test]
async fn what_disagrees_is_refused_with_both_sides() {
    let yaml = "apiVersion: v2\nname: app\nversion: 1.2.3\n";
    let config = |more: Value| {
        let mut config = json!({"apiVersion": "v2", "name": "app", "version": "1.2.3"});
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    };
    let same = config(json!({}));
    let cases = [
        (
            "the name",
            release(&same, &yaml.replace("app", "web")),
            "1.2.3",
            r#"`name` is "web" in the Chart.yaml"#,
        ),
        (
            "the version",
            release(&same, &yaml.replace("1.2.3", "6.6.6")),
            "1.2.3",
            r#""6.6.6" in the Chart.yaml"#,
        ),
        ("build metadata", release(&same, &yaml.replace("1.2.3", "1.2.3+b")), "1.2.3", r#""1.2.3+b" in the"#),
        ("the tag", release(&same, yaml), "6.6.6", r#""6.6.6" in the tag"#),
        ("a tag with build metadata", release(&same, yaml), "1.2.3_b", r#""1.2.3+b" in the tag"#),
        ("the API", release(&config(json!({"apiVersion": "v1"})), yaml), "1.2.3", "`apiVersion` is \"v2\""),
        ("the type", release(&config(json!({"type": "library"})), yaml), "1.2.3", "`type` is null"),
        ("a description", release(&config(json!({"description": "x"})), yaml), "1.2.3", "`description`"),
        (
            "a dependency",
            release(&config(json!({"dependencies": [{"name": "db", "repository": "oci://evil"}]})), yaml),
            "1.2.3",
            "`dependencies`",
        ),
        ("the title", release(&same, yaml).annotation(TITLE, "web"), "1.2.3", r#""web" in the annotation"#),
        (
            "the annotated version",
            release(&same, yaml).annotation(VERSION, "2.0.0"),
            "1.2.3",
            r#""2.0.0" in the"#,
        ),
        ("no config", Release::of("{}").package(chart_of(&[])), "1.2.3", "it has no name"),
        ("a config that is no JSON", Release::of("name: app").package(chart_of(&[])), "1.2.3", "its config"),
        (
            "a key of the config twice",
            Release::of(r#"{"name":"app","version":"1.2.3","version":"6.6.6"}"#),
            "1.2.3",
            "twice",
        ),
        ("no package", release(&same, yaml).layers(&[]), "1.2.3", "0 layers that are a package"),
    ];
    on_every_backend(async |server| {
        for (at, (what, release, tag, rule)) in cases.iter().enumerate() {
            println!("{what}");
            let repository = format!("case-{at}/app");
            let digest = release.image().manifest.digest;
            for reference in [(*tag).to_owned(), format!("{digest}?tag={tag}")] {
                assert_rule(&server.put_release(&repository, &reference, release).await, rule);
            }
            assert!(server.index(&format!("case-{at}")).await.entries.is_empty(), "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_agrees_is_taken_without_a_word() {
    let yaml = "apiVersion: v2\nname: app\nversion: 1.2.3+b.1\ndescription: |\n  two\n  lines\n# a comment\n";
    let config =
        json!({"apiVersion": "v2", "name": "app", "version": "1.2.3+b.1", "description": "two lines "});
    let plain = release(&config, yaml);
    let annotated = plain.clone().annotation(TITLE, "app").annotation(VERSION, "1.2.3+b.1");
    let by_tag = annotated.clone().annotation(VERSION, "1.2.3_b.1").annotation("x", "anything");
    on_every_backend(async |server| {
        for release in [&plain, &annotated, &by_tag] {
            let reply = server.put_release("team/app", "1.2.3_b.1", release).await;
            assert_status(&reply, 201);
            let told = warnings(&reply);
            assert!(told.iter().all(|told| told.contains("has this content already")), "{told:?}");
        }
        assert_eq!(server.index("team").await.versions("app"), ["1.2.3+b.1"]);
    })
    .await;
}

/// A tag that is no strict version stands for none.
#[tokio::test]
async fn a_channel_may_have_any_name() {
    on_every_backend(async |server| {
        let release = release(
            &json!({"apiVersion": "v2", "name": "app", "version": "1.2.3"}),
            "apiVersion: v2\nname: app\nversion: 1.2.3\n",
        );
        for tag in ["latest", "stable"] {
            assert_warned(&server.put_release("team/app", tag, &release).await, "never for a range");
        }
        for tag in ["1.2", "v1.2.3"] {
            assert_status(&server.put_release("team/app", tag, &release).await, 201);
        }
    })
    .await;
}

/// What was never pushed cannot be looked at, and what comes later would be seen by nobody.
#[tokio::test]
async fn a_chart_whose_package_is_not_there_gets_no_tag() {
    on_every_backend(async |server| {
        let release = Release::named("app", "1.2.3");
        let image = release.image();
        for missing in &image.blobs {
            let repository = format!("team-{}/app", &missing.digest[7..15]);
            for blob in image.blobs.iter().filter(|blob| blob.digest != missing.digest) {
                server.push_blob(&repository, blob).await;
            }
            let put = crate::support::registry::put_manifest(&repository, "1.2.3", &image.manifest);
            let reply = server.send(put).await;
            crate::support::registry::assert_refused(&reply, 404, &["MANIFEST_BLOB_UNKNOWN"]);
            assert!(reply.text().contains(&missing.digest), "{}", reply.text());
        }
    })
    .await;
}

#[tokio::test]
async fn a_leading_v_more_or_less_is_no_other_version() {
    on_every_backend(async |server| {
        let yaml = |version: &str| format!("apiVersion: v2\nname: app\nversion: {version}\n");
        for (version, tag) in [("v0.11.3", "0.11.3"), ("0.11.4", "v0.11.4")] {
            let package = package(&[file("app/Chart.yaml", yaml(version))]);
            let release = Release::new(&json!({"apiVersion": "v2", "name": "app", "version": version}));
            let reply = server.put_release("team/app", tag, &release.package(package)).await;
            assert_eq!(reply.status, 201, "{}", reply.text());
            assert!(warnings(&reply).iter().any(|told| told.contains(version)), "{:?}", warnings(&reply));
        }
        let package = package(&[file("app/Chart.yaml", yaml("v0.11.3"))]);
        let release = Release::new(&json!({"apiVersion": "v2", "name": "app", "version": "v0.11.3"}));
        assert_rule(&server.put_release("team/app", "0.11.5", &release.package(package)).await, "0.11.5");
    })
    .await;
}

#[tokio::test]
async fn a_package_with_another_config_is_told_which_it_needs() {
    on_every_backend(async |server| {
        let mut document = serde_json::from_slice::<serde_json::Value>(
            &Release::named("app", "1.2.3").image().manifest.body,
        )
        .expect("a manifest");
        document["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json");
        server.push_blobs("team/app", &Release::named("app", "1.2.3").image()).await;
        let body = document.to_string();
        let target = crate::support::registry::manifest_path("team/app", "1.2.3");
        let request = crate::support::http::Request::put(target, body)
            .header("Content-Type", "application/vnd.oci.image.manifest.v1+json");
        let reply = server.send(request).await;
        assert_warned(&reply, "instead of application/vnd.cncf.helm.config.v1+json");
    })
    .await;
}
